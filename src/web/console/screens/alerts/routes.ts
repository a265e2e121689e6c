import { screen } from "../../app/screen.ts";

export const alertRoutes = [
  screen("alerts", () => import("./Alerts.tsx")),
  screen("alerts/$id", () => import("./Alert.tsx")),
];
