import { screen } from "../../app/screen.ts";

export const accountRoutes = [
  screen("accounts", () => import("./Accounts.tsx")),
  screen("accounts/$id", () => import("./Account.tsx")),
];
