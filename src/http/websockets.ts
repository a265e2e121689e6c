/** Subscriptions over websockets: the same callers, limits and errors as over HTTP. */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { GraphQLError } from "graphql";
import { CloseCode, type ServerOptions } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";
import { decodeJwt } from "jose";
import { type GrafservBase, makeGraphQLWSConfig } from "postgraphile/grafserv";
import { type WebSocket, WebSocketServer } from "ws";
import { type Caller, withCaller } from "../auth/caller.ts";
import { authenticate } from "../auth/token.ts";
import { Refusal } from "../errors/refusal.ts";
import { queryLimitsOf } from "../graphql/preset.ts";
import { checkQuery, type Variables } from "../graphql/query_cost.ts";
import type { AppContext } from "./app_context.ts";
import { makeFailureLimit } from "./failure_limit.ts";
import { bodyLimitsOf } from "./graphql_gate.ts";
import { countValues } from "./json_body.ts";

const PATH = "/graphql";
const SOCKET_COUNT_MAX = 1000;
// One client that opens all it can leaves room for others.
const SOCKET_COUNT_PER_ADDRESS_MAX = 500;
const SUBSCRIPTION_COUNT_MAX = 20;
const TIMER_MS_MAX = 2 ** 31 - 1;
const FAILED_TOKEN_COUNT_MAX = 10;
const FAILED_TOKEN_WINDOW_MS = 10_000;

interface Extra extends Record<PropertyKey, unknown> {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  caller?: Caller;
}

/** Websockets of an HTTP server. */
export interface Websockets {
  /** Serves upgrades of this server. */
  attach(server: Server): void;
  /** Ends all sockets in order. */
  release(): Promise<void>;
}

/** Websockets that speak graphql-transport-ws. */
export function makeWebsockets(serv: GrafservBase, context: AppContext): Websockets {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: context.config.bodyByteCountMax,
  });
  const disposable = useServer<Record<string, unknown>, Extra>(
    makeOptions(serv, context) as never,
    sockets,
  );
  const addresses = new WeakMap<WebSocket, string | undefined>();
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Nobody else listens yet, and an error without a listener ends the process.
    socket.on("error", () => socket.destroy());
    const path = request.url?.split("?", 1)[0];
    const refusal = refusalOf(request.socket.remoteAddress);
    if (path !== PATH || refusal !== undefined) {
      const status = path === PATH ? refusal : "404 Not Found";
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => {
      addresses.set(opened, request.socket.remoteAddress);
      sockets.emit("connection", opened, request);
    });
  };
  function refusalOf(address: string | undefined): string | undefined {
    if (!context.isReady() || sockets.clients.size >= SOCKET_COUNT_MAX) {
      return "503 Service Unavailable";
    }
    let count = 0;
    for (const client of sockets.clients) if (addresses.get(client) === address) count += 1;
    return count >= SOCKET_COUNT_PER_ADDRESS_MAX ? "429 Too Many Requests" : undefined;
  }
  return {
    attach: (server) => void server.on("upgrade", upgrade),
    release: async () => void (await disposable.dispose()),
  };
}

function makeOptions(serv: GrafservBase, context: AppContext): ServerOptions {
  const limits = { ...queryLimitsOf(context.config), isSubscription: true };
  const failures = makeFailureLimit(FAILED_TOKEN_COUNT_MAX, FAILED_TOKEN_WINDOW_MS);
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
      const authorization = authorizationOf(ctx.connectionParams);
      try {
        extra.caller = await authenticate(context.jwtSecret, authorization);
      } catch {
        const isTooMany = failures.isExceededBy(extra.request.socket.remoteAddress ?? "");
        const { code, message } = isTooMany
          ? { code: CloseCode.Forbidden, message: new Refusal("too_many_requests").message }
          : { code: CloseCode.Unauthorized, message: new Refusal("unauthenticated").message };
        extra.socket.close(code, message);
        return;
      }
      if (authorization !== undefined) closeWhenExpired(extra.socket, authorization);
    },
    onSubscribe: asCaller(async (ctx, id, payload) => {
      try {
        if (Object.keys(ctx.subscriptions).length > SUBSCRIPTION_COUNT_MAX) {
          throw new Refusal(
            "query_too_complex",
            `${SUBSCRIPTION_COUNT_MAX} subscriptions a socket`,
          );
        }
        const variables = (payload.variables ?? {}) as Variables;
        countValues(Buffer.from(JSON.stringify(variables)), bodyLimitsOf(context.config));
        checkQuery(payload.query, variables, limits);
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

function authorizationOf(parameters: Record<string, unknown> | undefined): string | undefined {
  const [, value] =
    Object.entries(parameters ?? {}).find(([key]) => key.toLowerCase() === "authorization") ?? [];
  return value === undefined ? undefined : String(value);
}

/** A caller that may no longer begin a subscription may not go on with one either. */
function closeWhenExpired(socket: WebSocket, authorization: string): void {
  const { exp = 0 } = decodeJwt(authorization.replace(/^Bearer /i, ""));
  const timer = setTimeout(
    () => socket.close(CloseCode.Forbidden, "The token has expired."),
    Math.min(exp * 1000 - Date.now(), TIMER_MS_MAX),
  );
  socket.once("close", () => clearTimeout(timer));
}

function asGraphqlError(error: unknown): GraphQLError {
  return new GraphQLError((error as Error).message, { originalError: error as Error });
}
