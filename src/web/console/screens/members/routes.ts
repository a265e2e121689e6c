import { screen } from "../../app/screen.ts";

export const membersRoutes = [
  screen("members", () => import("./Members.tsx")),
  screen("members/$id", () => import("./Member.tsx")),
  screen("purchases/$account/$id", () => import("./Purchase.tsx")),
];
