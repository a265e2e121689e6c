import { screen } from "../../app/screen.ts";

export const overviewRoutes = [screen("/", () => import("./Overview.tsx"))];
