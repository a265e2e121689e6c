import { screen } from "../../app/screen.ts";

export const ownTableRoutes = [
  screen("own-tables", () => import("./OwnTables.tsx")),
  screen("own-tables/$name", () => import("./Rule.tsx")),
];
