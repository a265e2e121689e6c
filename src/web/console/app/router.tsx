/** The addresses of the console, each with the screen that is loaded for it. */
import { createRouter } from "@tanstack/react-router";
import { accountRoutes } from "../screens/accounts/routes.ts";
import { alertRoutes } from "../screens/alerts/routes.ts";
import { branchRoutes } from "../screens/branches/routes.ts";
import { closingRoutes } from "../screens/closing/routes.ts";
import { customerRoutes } from "../screens/customers/routes.ts";
import { decisionRoutes } from "../screens/decisions/routes.ts";
import { healRoutes } from "../screens/heal/routes.ts";
import { healthRoutes } from "../screens/health/routes.ts";
import { hotRoutes } from "../screens/hot/routes.ts";
import { jobRoutes } from "../screens/jobs/routes.ts";
import { journalRoutes } from "../screens/journal/routes.ts";
import { membersRoutes } from "../screens/members/routes.ts";
import { overviewRoutes } from "../screens/overview/routes.ts";
import { ownTableRoutes } from "../screens/own_tables/routes.ts";
import { priceRoutes } from "../screens/prices/routes.ts";
import { sealRoutes } from "../screens/seals/routes.ts";
import { sessionRoutes } from "../screens/sessions/routes.ts";
import { statementRoutes } from "../screens/statements/routes.ts";
import { Frame } from "./Frame.tsx";
import { NotFound } from "./NotFound.tsx";
import { ScreenError } from "./ScreenError.tsx";
import { root } from "./screen.ts";
import { readSearch, writeSearch } from "./search.ts";

root.update({ component: Frame, notFoundComponent: NotFound, errorComponent: ScreenError });

/** The router; it starts when the page does. */
export const router = createRouter({
  routeTree: root.addChildren([
    ...overviewRoutes,
    ...accountRoutes,
    ...alertRoutes,
    ...branchRoutes,
    ...closingRoutes,
    ...customerRoutes,
    ...decisionRoutes,
    ...healRoutes,
    ...healthRoutes,
    ...hotRoutes,
    ...jobRoutes,
    ...journalRoutes,
    ...membersRoutes,
    ...ownTableRoutes,
    ...priceRoutes,
    ...sealRoutes,
    ...sessionRoutes,
    ...statementRoutes,
  ]),
  basepath: "/console",
  parseSearch: readSearch,
  stringifySearch: writeSearch,
  defaultPreload: "intent",
  scrollRestoration: true,
});
