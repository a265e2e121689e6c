import { screen } from "../../app/screen.ts";

export const statementRoutes = [screen("statements", () => import("./Statements.tsx"))];
