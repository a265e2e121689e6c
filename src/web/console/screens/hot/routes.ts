import { screen } from "../../app/screen.ts";

export const hotRoutes = [screen("hot", () => import("./Hot.tsx"))];
