import { screen } from "../../app/screen.ts";

export const priceRoutes = [
  screen("prices", () => import("./Prices.tsx")),
  screen("prices/change", () => import("./ChangePrice.tsx")),
  screen("prices/factor", () => import("./ChangeFactor.tsx")),
  screen("prices/part", () => import("./ChangePart.tsx")),
];
