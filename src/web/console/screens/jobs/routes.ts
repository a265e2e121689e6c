import { screen } from "../../app/screen.ts";

export const jobRoutes = [screen("jobs", () => import("./Jobs.tsx"))];
