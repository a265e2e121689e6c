import { screen } from "../../app/screen.ts";

export const journalRoutes = [
  screen("journal", () => import("./Journal.tsx")),
  screen("journal/new", () => import("./PostForm.tsx")),
  screen("journal/drafts", () => import("./Drafts.tsx")),
  screen("journal/drafts/$id", () => import("./Draft.tsx")),
  screen("journal/drafts/$id/edit", () => import("./EditDraft.tsx")),
  screen("journal/$id", () => import("./Entry.tsx")),
];
