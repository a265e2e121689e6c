import { screen } from "../../app/screen.ts";

export const healRoutes = [
  screen("heal", () => import("./Heal.tsx")),
  screen("heal/runs/$id", () => import("./Run.tsx")),
];
