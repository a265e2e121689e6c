import { screen } from "../../app/screen.ts";

export const healthRoutes = [
  screen("health", () => import("./Health.tsx")),
  screen("health/findings/$id", () => import("./Finding.tsx")),
];
