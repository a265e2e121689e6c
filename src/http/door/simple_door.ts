/**
 * The simple door: plain HTTP for programs that do not speak GraphQL. It is thin: a route looks at
 * its fields and makes the calls of SQL that GraphQL makes, as the same caller, within the same
 * limits, and in the same lanes.
 */
import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Router,
} from "express";
import { currentCaller, settingsFor } from "../../auth/caller.ts";
import { withRole } from "../../database/with_role.ts";
import { Refusal } from "../../errors/refusal.ts";
import { admit, type Lanes } from "../admission.ts";
import type { AppContext } from "../app_context.ts";
import { authenticateRequests, type Gatekeeper } from "../authenticate_requests.ts";
import { bodyLimitsOf, requireJson } from "../graphql_gate.ts";
import { readJson } from "../json_body.ts";
import { answerRefusal, readStatuses } from "./answer.ts";
import { describedCheck, healthRoutes } from "./health_routes.ts";
import { hotRoutes } from "./hot_routes.ts";
import { meteringRoutes } from "./metering_routes.ts";
import { monthRoutes } from "./month_routes.ts";
import { OPEN_API_PATH, openApi } from "./open_api.ts";
import type { Route } from "./route.ts";

// Those with a fixed word stand before those with a customer in its place.
const routes: readonly Route[] = [...hotRoutes, ...monthRoutes, ...meteringRoutes, ...healthRoutes];

/** The routes, and the document that describes them. */
export async function simpleDoor(
  context: AppContext,
  lanes: Lanes,
  gatekeeper: Gatekeeper,
): Promise<Router> {
  const router = express.Router();
  const document = openApi([...routes, describedCheck]);
  router.get(OPEN_API_PATH, (_request, response) => {
    response.json(document);
  });
  const authenticate = authenticateRequests(gatekeeper);
  const readBody = readJson(() => bodyLimitsOf(context.config));
  for (const route of routes) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ":$1");
    const named: RequestHandler = (_request, response, next) => {
      response.locals["route"] = route.path;
      next();
    };
    const handlers = [named, authenticate];
    if (route.method === "post") handlers.push(takeJson, readBody);
    router[route.method](path, ...handlers, serve(route, context, lanes));
  }
  const refuse = answerRefusal(context.log, await readStatuses(context.serverPool));
  // Express tells an error handler by its four parameters.
  const refuseOwn: ErrorRequestHandler = (error, request, response, next) => {
    if (response.locals["route"] === undefined) next(error);
    else void refuse(error, request, response, next);
  };
  router.use(refuseOwn);
  return router;
}

const takeJson: RequestHandler = (request, _response, next) => {
  requireJson(request);
  next();
};

function serve(route: Route, context: AppContext, lanes: Lanes): RequestHandler {
  const { config, serverPool } = context;
  return async (request, response) => {
    const work = route.prepare({
      path: request.params,
      query: request.query,
      body: route.method === "post" ? keyed(route, request) : undefined,
    });
    if (route.isWrite && context.isStandby === true) throw new Refusal("read_only");
    const load = { isReport: route.isReport, slotCount: 1 };
    const { turn } = await admit(lanes, load, request, response);
    const endWork = turn.begin();
    try {
      const settings = settingsFor(currentCaller(), config.statementTimeoutMs);
      const mode = route.isWrite ? "read write" : "read only";
      const data = await withRole(serverPool, { settings, mode }, work);
      response.json({ status: "success", data });
    } finally {
      endWork();
      turn.end();
    }
  };
}

/** The body, with the key of a retry from where the client has put it. */
function keyed(route: Route, request: Request): unknown {
  const key = request.headers["idempotency-key"];
  const { body } = request as { body: unknown };
  const takesKey = Object.hasOwn(route.fields.body, "idempotency_key");
  if (!takesKey || key === undefined || typeof body !== "object" || body === null) return body;
  const { idempotency_key: own = key } = body as { idempotency_key?: unknown };
  if (own !== key) throw new Refusal("input_invalid", "two idempotency keys");
  return { ...body, idempotency_key: key };
}
