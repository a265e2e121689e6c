import { screen } from "../../app/screen.ts";

export const customerRoutes = [
  screen("customers", () => import("./Customers.tsx")),
  screen("customers/import", () => import("./ImportFiles.tsx")),
  screen("customers/$id", () => import("./Customer.tsx")),
];
