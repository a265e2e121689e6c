import { screen } from "../../app/screen.ts";

export const branchRoutes = [
  screen("branches", () => import("./Branches.tsx")),
  screen("branches/$id", () => import("./Branch.tsx")),
];
