import { screen } from "../../app/screen.ts";

export const journalRoutes = [
  screen("journal", () => import("./Journal.tsx")),
  screen("journal/new", () => import("./PostForm.tsx")),
  screen("journal/$id", () => import("./Entry.tsx")),
];
