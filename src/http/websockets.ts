/** Subscriptions over websockets: the same callers, limits and errors as over HTTP. */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { GraphQLError } from "graphql";
import { CloseCode, handleProtocols, type ServerOptions } from "graphql-ws";
import { type GrafservBase, makeGraphQLWSConfig } from "postgraphile/grafserv";
import { type WebSocket, WebSocketServer } from "ws";
import { type Caller, withCaller } from "../auth/caller.ts";
import { FRESH_MS } from "../auth/service_tokens.ts";
import { authenticate, type Trust } from "../auth/token.ts";
import { Refusal } from "../errors/refusal.ts";
import { queryLimitsOf } from "../graphql/preset.ts";
import { checkQuery, type Variables } from "../graphql/query_cost.ts";
import { requireAllowed } from "./allowed_documents.ts";
import type { AppContext } from "./app_context.ts";
import { isNoGuess } from "./authenticate_requests.ts";
import { makeBoundedLog } from "./bounded_log.ts";
import { clientAddress, networkOf, type Trust as ProxyTrust } from "./client_address.ts";
import { callerOfSession } from "./console/session_caller.ts";
import { type FailureLimit, makeFailureLimit } from "./failure_limit.ts";
import { ownQueryLimits } from "./graphql_gate.ts";
import { countValues } from "./json_body.ts";
import { makeSeats, type Seats } from "./seats.ts";
import { type Extra, makeCarrier } from "./socket_server.ts";

const PATH = "/graphql";
const SUBSCRIPTION_COUNT_MAX = 20;
// A subscription with its variables, or a token of 4 KB with what is around it.
const MESSAGE_LIMITS = { byteCountMax: 20_000, valueCountMax: 200, depthMax: 22 };
// Of an address: sockets that have not said who they are, for which they have three seconds.
const STRANGER_COUNT_MAX = 50;
// Nothing is ever told to sockets without a token.
const ANONYMOUS_COUNT_MAX = 20;
const ANONYMOUS_IDLE_MS_MAX = 10_000;
const TRY_AGAIN_LATER = 1013;
const TIMER_MS_MAX = 2 ** 31 - 1;
const SESSION_END = new Refusal("session_ended").message;
const FAILED_TOKEN_COUNT_MAX = 10;
const FAILED_TOKEN_WINDOW_MS = 10_000;

/** Websockets of an HTTP server. */
export interface Websockets {
  /** Serves upgrades of this server. */
  attach(server: Server): void;
  /** Ends all sockets in order. */
  release(): Promise<void>;
}

/** Websockets that speak graphql-transport-ws. */
export function makeWebsockets(
  serv: GrafservBase,
  context: AppContext,
  trust: Trust,
  proxyTrust: ProxyTrust,
): Websockets {
  const { config } = context;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_LIMITS.byteCountMax,
    handleProtocols,
  });
  const seats = makeSeats();
  const failures = makeFailureLimit(FAILED_TOKEN_COUNT_MAX, FAILED_TOKEN_WINDOW_MS);
  const carry = makeCarrier(makeOptions(serv, context, { trust, proxyTrust }, seats, failures), {
    idleMsOf: ({ caller }) =>
      Math.min(
        config.socketIdleSeconds * 1000,
        caller === undefined || isAnonymous(caller) ? ANONYMOUS_IDLE_MS_MAX : TIMER_MS_MAX,
      ),
    check: (message) => void countValues(message, MESSAGE_LIMITS),
    report: makeBoundedLog(context.log, "a socket failed"),
    countFailure: ({ address }) => void failures.isExceededBy(address),
  });
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Nobody else listens yet, and an error without a listener ends the process.
    socket.on("error", () => socket.destroy());
    const path = request.url?.split("?", 1)[0];
    const address = networkOf(clientAddress(request, proxyTrust));
    const taken = path === PATH ? takeSeats(address) : "404 Not Found";
    if (typeof taken === "string") {
      socket.end(`HTTP/1.1 ${taken}\r\nConnection: close\r\nRetry-After: 5\r\n\r\n`);
      return;
    }
    socket.once("close", taken.leave);
    const { leaveStrangers } = taken;
    sockets.handleUpgrade(request, socket, head, (opened) =>
      carry({ socket: opened, request, address, leaveStrangers }),
    );
  };
  function takeSeats(address: string) {
    if (!context.isReady() || sockets.clients.size >= config.socketCountMax) {
      return "503 Service Unavailable";
    }
    const leaveStrangers = seats.take(`stranger ${address}`, STRANGER_COUNT_MAX);
    const leaveAddress = seats.take(`address ${address}`, config.socketCountPerAddressMax);
    const leave = () => {
      leaveStrangers?.();
      leaveAddress?.();
    };
    if (leaveStrangers !== undefined && leaveAddress !== undefined) {
      return { leaveStrangers, leave };
    }
    leave();
    return "429 Too Many Requests";
  }
  return {
    attach: (server) => void server.on("upgrade", upgrade),
    async release() {
      for (const client of sockets.clients) client.close(1001, "Going away");
      await new Promise((done) => void sockets.close(done));
    },
  };
}

const isAnonymous = ({ role }: Caller) => role === "saldo_anonymous";

function makeOptions(
  serv: GrafservBase,
  context: AppContext,
  { trust, proxyTrust }: { trust: Trust; proxyTrust: ProxyTrust },
  seats: Seats,
  failures: FailureLimit,
): ServerOptions {
  const limits = { ...queryLimitsOf(context.config), isSubscription: true };
  const base = makeGraphQLWSConfig(serv) as unknown as Required<ServerOptions>;
  const callerOf = (ctx: { extra: unknown }) => (ctx.extra as Extra).caller;
  // Everything of a socket is done as its caller, as everything of a request is.
  const asCaller =
    <Args extends [{ extra: unknown }, ...unknown[]], Result>(work: (...args: Args) => Result) =>
    (...args: Args): Result =>
      withCaller(callerOf(args[0]), () => work(...args));

  return {
    ...base,
    async onConnect(ctx) {
      const extra = ctx.extra as Extra;
      const { socket, address } = extra;
      extra.subscriptions = () => ctx.subscriptions;
      try {
        const authorization = authorizationOf(ctx.connectionParams);
        extra.caller =
          authorization === undefined
            ? await callerOfSession(trust, proxyTrust, extra.request)
            : await authenticate(trust, authorization);
      } catch (error) {
        closeRefused(socket, error, () => failures.isExceededBy(address));
        return;
      }
      const giveBack = isAnonymous(extra.caller)
        ? seats.take(`anonymous ${address}`, ANONYMOUS_COUNT_MAX)
        : seats.take(subjectOf(extra.caller), context.config.socketCountPerSubjectMax);
      extra.leaveStrangers();
      if (giveBack === undefined) {
        socket.close(TRY_AGAIN_LATER, new Refusal("busy").message);
        return;
      }
      if (socket.readyState === socket.OPEN) socket.once("close", giveBack);
      else giveBack();
      closeWhenExpired(socket, extra.caller);
      closeWhenRevoked(socket, extra.caller, trust);
    },
    onSubscribe: asCaller(async (ctx, id, payload) => {
      try {
        if (Object.keys(ctx.subscriptions).length > SUBSCRIPTION_COUNT_MAX) {
          throw new Refusal(
            "query_too_complex",
            `${SUBSCRIPTION_COUNT_MAX} subscriptions a socket`,
          );
        }
        requireAllowed(context.allowedDocuments, payload.query);
        const variables = (payload.variables ?? {}) as Variables;
        checkQuery(payload.query, variables, ownQueryLimits(limits));
      } catch (error) {
        return [asGraphqlError(error)];
      }
      const { query, variables, operationName } = payload;
      // Only these go on, as over HTTP.
      return base.onSubscribe(ctx, id, {
        query,
        ...(variables == null ? {} : { variables }),
        ...(operationName == null ? {} : { operationName }),
      });
    }),
    onError: asCaller(base.onError),
    onNext: asCaller(base.onNext),
  } as ServerOptions;
}

/** A refused socket is told why, as a request is. */
function closeRefused(socket: WebSocket, error: unknown, isTooMany: () => boolean): void {
  const refusal = error instanceof Refusal ? error : new Refusal("unauthenticated");
  if (refusal.condition === "busy") socket.close(TRY_AGAIN_LATER, refusal.message);
  else if (isNoGuess(refusal)) socket.close(CloseCode.Unauthorized, refusal.message);
  else if (isTooMany()) {
    socket.close(CloseCode.Forbidden, new Refusal("too_many_requests").message);
  } else socket.close(CloseCode.Unauthorized, new Refusal("unauthenticated").message);
}

function subjectOf({ role, memberId, subject }: Caller): string {
  return `subject ${role} ${memberId} ${subject}`;
}

function authorizationOf(parameters: Record<string, unknown> | undefined): string | undefined {
  const [, value] =
    Object.entries(parameters ?? {}).find(([key]) => key.toLowerCase() === "authorization") ?? [];
  if (value !== undefined && typeof value !== "string") throw new Refusal("unauthenticated");
  return value;
}

/** A caller that may no longer begin a subscription may not go on with one either. */
function closeWhenExpired(socket: WebSocket, { expiresAt, sessionHash }: Caller): void {
  if (expiresAt === undefined) return;
  const end = sessionHash === undefined ? "The token has expired." : SESSION_END;
  const timer = setTimeout(
    () => socket.close(CloseCode.Forbidden, end),
    Math.min(expiresAt - Date.now(), TIMER_MS_MAX),
  );
  socket.once("close", () => clearTimeout(timer));
}

/** All sockets ask the same list, which is read once for all of them. */
function closeWhenRevoked(
  socket: WebSocket,
  { serviceTokenId: id, sessionHash: hash }: Caller,
  { serviceTokens, sessions }: Trust,
): void {
  if (id === undefined && hash === undefined) return;
  const timer = setInterval(async () => {
    // A database that does not answer tells its subscriptions nothing either.
    if (hash !== undefined) {
      const isGood = await sessions?.isGood(hash).catch(() => true);
      if (!isGood) socket.close(CloseCode.Forbidden, SESSION_END);
    } else if (id !== undefined) {
      const isGood = await serviceTokens?.isGood(id).catch(() => true);
      if (!isGood) socket.close(CloseCode.Forbidden, "The token has been revoked.");
    }
  }, FRESH_MS);
  socket.once("close", () => clearInterval(timer));
}

function asGraphqlError(error: unknown): GraphQLError {
  return new GraphQLError((error as Error).message, { originalError: error as Error });
}
