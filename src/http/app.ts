/** The HTTP side: what is served, in the order in which a request meets it. */
import "../graphql/graphile_env.ts";
import { randomBytes } from "node:crypto";
import express, { type ErrorRequestHandler, type Express } from "express";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/express/v4";
import { readComposedRoles } from "../auth/composed_roles.ts";
import { makeConsoleSessions, sessionSource } from "../auth/console_sessions.ts";
import { makeOidc } from "../auth/oidc.ts";
import { makeServiceTokens, readServiceTokens } from "../auth/service_tokens.ts";
import type { Trust } from "../auth/token.ts";
import { makeVerifiedTokens } from "../auth/verified_tokens.ts";
import { causeOf } from "../errors/database_error.ts";
import { Refusal, refusalBody } from "../errors/refusal.ts";
import { graphiqlPolicy } from "../graphql/graphiql_page.ts";
import { makeNotifications, refusedNotifications } from "../graphql/notifications.ts";
import { GRAPHIQL_PATH, makePreset, queryLimitsOf } from "../graphql/preset.ts";
import { reportNamesOf } from "../graphql/reports.ts";
import { type Lanes, makeLanes, retryAfter, shareFairly } from "./admission.ts";
import type { AppContext } from "./app_context.ts";
import { authenticateRequests, type Gatekeeper } from "./authenticate_requests.ts";
import {
  answerOf,
  type BalanceHealth,
  makeBalanceHealth,
  makeHealthFigures,
  makeReplicaState,
  makeSealStatus,
  makeSettlementHealth,
  makeWorkerState,
  type ReplicaState,
  silenceOf,
  type WorkerState,
} from "./balance_health.ts";
import { makeBoundedLog } from "./bounded_log.ts";
import { branchSync } from "./branch_sync.ts";
import { cached } from "./cached.ts";
import { exportRoutes } from "./console/export/routes.ts";
import { oidcRoutes } from "./console/oidc_routes.ts";
import { servePages } from "./console/pages.ts";
import { proposalRoutes } from "./console/proposal_routes.ts";
import { sessionListRoutes } from "./console/session_list.ts";
import { sessionRoutes } from "./console/session_routes.ts";
import { simpleDoor } from "./door/simple_door.ts";
import { makeFailureLimit } from "./failure_limit.ts";
import { bodyFromUrl, bodyLimitsOf, limitQuery, requireJsonPost } from "./graphql_gate.ts";
import { type IsInsider, makeInsider } from "./insider.ts";
import { readJson } from "./json_body.ts";
import { makeMetrics } from "./metrics.ts";
import { logRequests } from "./request_log.ts";
import { makeWebsockets, type Websockets } from "./websockets.ts";

/** An app that does not listen yet, and how to release what it holds. */
export interface App {
  readonly express: Express;
  /** Subscriptions: to be attached to the HTTP server, and ended before it. */
  readonly websockets: Websockets;
  /** Ends what GraphQL keeps open; the pools belong to the context. */
  release(): Promise<void>;
}

// A client whose token has just expired retries a few times; a guesser does not stop at ten.
const FAILED_TOKEN_COUNT_MAX = 10;
const FAILED_TOKEN_WINDOW_MS = 10_000;

/** Builds the app of a context. The database must be migrated: the schema is read from it. */
export async function createApp(context: AppContext): Promise<App> {
  const app = express();
  const lanes = makeLanes(context.config);
  const readHealth = makeBalanceHealth(context.serverPool);
  const readWorker = makeWorkerState(context.serverPool);
  const readReplica = makeReplicaState(context.serverPool);
  const metrics = makeMetrics(
    readHealth,
    makeSettlementHealth(context.serverPool),
    makeHealthFigures(context.serverPool),
    makeSealStatus(context.serverPool),
    readReplica,
    lanes,
  );

  app.use(metrics.measure);
  app.use(logRequests(context.log, context.config.requestLog ?? "none"));
  installHeaders(app, context);
  const gatekeeper: Gatekeeper = {
    trust: await trustOf(context),
    failures: makeFailureLimit(FAILED_TOKEN_COUNT_MAX, FAILED_TOKEN_WINDOW_MS),
    proxyTrust: app.get("trust proxy fn"),
  };
  // First, since Express asks every route before the one that answers whether it is meant.
  const { websockets, release } = await installGraphql(app, context, lanes, gatekeeper);
  installProbes(app, context, readWorker, readReplica);
  const isInsider = makeInsider(gatekeeper, context.config.metricsToken);
  app.get("/metrics", async (request, response) => {
    const withAmounts = await isInsider(request);
    // Where a token is set it is for everybody.
    if (!withAmounts && context.config.metricsToken !== undefined) {
      throw new Refusal("unauthenticated", "the token of metrics");
    }
    response.type(metrics.contentType).send(await metrics.read(withAmounts));
  });
  installBalanceHealth(app, isInsider, readHealth, readWorker, readReplica);
  installBranchSync(app, context);
  app.use(await simpleDoor(context, lanes, gatekeeper));
  await installConsole(app, context, lanes, gatekeeper);
  installErrors(app, context);
  return { express: app, websockets, release };
}

/** Whose tokens are believed. */
async function trustOf(context: AppContext): Promise<Trust> {
  const { config, jwtSecret, publicKeys, serverPool } = context;
  return {
    secret: jwtSecret,
    keys: publicKeys,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    serviceTokens: makeServiceTokens(readServiceTokens(serverPool)),
    sessions: makeConsoleSessions(sessionSource(serverPool, context.isStandby === true)),
    composedRoles: await readComposedRoles(serverPool),
    verified: makeVerifiedTokens(),
  };
}

function installHeaders(app: Express, context: AppContext): void {
  app.set("trust proxy", context.config.trustProxy ?? false);
  app.disable("x-powered-by");
  app.disable("etag");
  app.use((request, response, next) => {
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("X-Frame-Options", "DENY");
    response.setHeader("Referrer-Policy", "no-referrer");
    response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
    response.setHeader("Cache-Control", "no-store");
    if (!context.isReady()) {
      // A server that stops waits for its connections: this one ends with its answer.
      response.setHeader("Connection", "close");
    }
    // GraphiQL is a page with scripts and workers; everything else is data.
    const isPage = request.path === GRAPHIQL_PATH || request.path.startsWith("/ruru-static/");
    const nonce = isPage ? randomBytes(16).toString("base64") : "";
    response.locals["nonce"] = nonce;
    response.setHeader(
      "Content-Security-Policy",
      isPage ? graphiqlPolicy(nonce) : "default-src 'none'; frame-ancestors 'none'",
    );
    next();
  });
}

function installProbes(
  app: Express,
  context: AppContext,
  readWorker: () => Promise<WorkerState>,
  readReplica: () => Promise<ReplicaState>,
): void {
  const ask = async () => {
    const { rows } = await context.serverPool.query<{ is_migrated: boolean }>(
      "select to_regnamespace('saldo') is not null as is_migrated",
    );
    return rows[0]?.is_migrated === true;
  };
  // A connection of the pool that has just ended says nothing of the database: the next one does.
  const isReachable = cached(1000, () => ask().catch(ask));

  app.get("/health", (_request, response) => {
    response.json({ status: "ok" });
  });
  app.get("/ready", async (_request, response) => {
    const isReachableNow = await isReachable().catch(() => false);
    const worker = isReachableNow ? await readWorker().catch(() => undefined) : undefined;
    const replica = isReachableNow ? await readReplica().catch(() => undefined) : undefined;
    const isStill = worker?.is_silent || context.areJobsRunning?.() === false;
    // A server whose jobs run in another process can answer anyway: it only says so.
    const areJobsMine = context.areJobsRunning !== undefined;
    const isReady = context.isReady() && isReachableNow && !(isStill && areJobsMine);
    response.status(isReady ? 200 : 503).json({
      status: isReady ? "ready" : "not ready",
      ...(replica?.is_standby && { standby: { lag_seconds: replica.replica_lag_seconds } }),
      ...(isStill && {
        jobs: "standing still",
        message: worker?.is_silent ? silenceOf(worker) : "Jobs are being begun again.",
      }),
    });
  });
}

function installBalanceHealth(
  app: Express,
  isInsider: IsInsider,
  readHealth: () => Promise<BalanceHealth>,
  readWorker: () => Promise<WorkerState>,
  readReplica: () => Promise<ReplicaState>,
): void {
  app.get("/admin/balance-health/check", async (request, response) => {
    const { httpStatus, body } = answerOf(
      await readHealth().catch(() => undefined),
      await readWorker().catch(() => undefined),
      {
        replica: await readReplica().catch(() => undefined),
        isInsider: await isInsider(request),
      },
    );
    response.status(httpStatus).json(body);
  });
}

function installBranchSync(app: Express, context: AppContext): void {
  const failures = makeFailureLimit(FAILED_TOKEN_COUNT_MAX, FAILED_TOKEN_WINDOW_MS);
  app.use("/api/v1/sync", branchSync(context, failures));
}

function installGraphqlGate(
  app: Express,
  context: AppContext,
  { lanes, gatekeeper }: { lanes: Lanes; gatekeeper: Gatekeeper },
  reportNames: ReadonlySet<string>,
): void {
  const { config } = context;
  app.use(
    "/graphql",
    requireJsonPost(config.isGetEnabled === true),
    authenticateRequests(gatekeeper),
    readJson(() => bodyLimitsOf(config), bodyFromUrl),
    limitQuery(
      { ...queryLimitsOf(config), isReadOnly: context.isStandby === true },
      context.allowedDocuments,
    ),
    shareFairly(lanes, (name) => reportNames.has(name)),
  );
}

async function installGraphql(
  app: Express,
  context: AppContext,
  lanes: Lanes,
  gatekeeper: Gatekeeper,
) {
  const notifications = context.isStandby
    ? refusedNotifications
    : makeNotifications(context.serverConnectionString, context.log);
  const instance = postgraphile(makePreset(context, notifications));
  const schema = await instance.getSchema();
  installGraphqlGate(app, context, { lanes, gatekeeper }, reportNamesOf(schema));
  const serv = instance.createServ(grafserv);
  // The library's own websockets know nothing of our callers and limits.
  await serv.addTo(app, null, false);
  return {
    websockets: makeWebsockets(serv, context, gatekeeper.trust, gatekeeper.proxyTrust),
    async release() {
      await notifications.release();
      await instance.release();
    },
  };
}

async function installConsole(
  app: Express,
  context: AppContext,
  lanes: Lanes,
  gatekeeper: Gatekeeper,
): Promise<void> {
  const report = makeBoundedLog(context.log, "signing in by OpenID Connect failed");
  const oidc = makeOidc(context.config, report);
  const offer = { oidc: oidc === undefined ? null : { name: oidc.name } };
  const parts = { context, lanes, gatekeeper, offer };
  app.use(sessionRoutes(parts));
  app.use(sessionListRoutes(parts));
  if (oidc !== undefined) app.use(oidcRoutes(parts, oidc));
  app.use(await exportRoutes(parts));
  app.use(await proposalRoutes(parts));
  app.use(servePages(context.consoleFolder));
}

function installErrors(app: Express, { log }: AppContext): void {
  app.use((request) => {
    throw new Refusal("not_found", `${request.method} ${request.path.slice(0, 100)}`);
  });
  // Express tells an error handler by its four parameters.
  const answerError: ErrorRequestHandler = (error, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const refusal = refusalFor(error);
    response.locals["code"] = refusal.extensions.code;
    if (refusal.condition === "internal_error") {
      const requestId = response.locals["requestId"];
      log.error("request failed", { requestId, path: request.path, ...causeOf(error) });
    }
    const seconds = retryAfter(refusal);
    if (seconds !== undefined) response.setHeader("Retry-After", seconds);
    response.status(refusal.status).json(refusalBody(refusal));
  };
  app.use(answerError);
}

/** What an error means to the client. Errors below 500 come from reading the body. */
function refusalFor(error: unknown): Refusal {
  if (error instanceof Refusal) {
    return error;
  }
  const status = (error as { status?: unknown } | null)?.status;
  if (status === 413) {
    return new Refusal("query_too_complex", "the body is too large", { status });
  }
  if (typeof status === "number" && status >= 400 && status < 500) {
    return new Refusal("input_invalid", "the body could not be read", { status });
  }
  return new Refusal("internal_error");
}
