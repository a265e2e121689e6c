import { screen } from "../../app/screen.ts";

export const sessionRoutes = [screen("sessions", () => import("./Sessions.tsx"))];
