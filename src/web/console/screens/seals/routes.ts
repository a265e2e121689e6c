import { screen } from "../../app/screen.ts";

export const sealRoutes = [
  screen("seals", () => import("./Seals.tsx")),
  screen("seals/$number", () => import("./Seal.tsx")),
];
