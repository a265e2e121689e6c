import { createServer, type Server } from "node:http";
import type { App } from "./app.ts";

// The head of a request is short: who takes longer than this sends none.
const HEAD_TIMEOUT_MS_MAX = 10_000;

/** The HTTP server of an app, subscriptions included: connections that send nothing are ended. */
export function makeHttpServer(config: { readonly requestTimeoutMs: number }, app: App): Server {
  const { requestTimeoutMs: requestTimeout } = config;
  const headersTimeout = Math.min(HEAD_TIMEOUT_MS_MAX, requestTimeout);
  const server = createServer(
    { requestTimeout, headersTimeout, connectionsCheckingInterval: headersTimeout / 2 },
    app.express,
  );
  app.websockets.attach(server);
  return server;
}
