import { screen } from "../../app/screen.ts";

export const closingRoutes = [
  screen("closing", () => import("./Closing.tsx")),
  screen("closing/$period", () => import("./Period.tsx")),
];
