import { screen } from "../../app/screen.ts";

export const priceRoutes = [
  screen("prices", () => import("./Prices.tsx")),
  screen("prices/change", () => import("./ChangePrice.tsx")),
];
