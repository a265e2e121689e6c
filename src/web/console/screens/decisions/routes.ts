import { screen } from "../../app/screen.ts";

export const decisionRoutes = [screen("decisions", () => import("./Decisions.tsx"))];
