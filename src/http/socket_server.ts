/**
 * Carries messages between a websocket and graphql-ws. The library's own carrier writes each mistake
 * of a client to the console with its stack, keeps idle sockets, and parses before it counts.
 */
import type { IncomingMessage } from "node:http";
import { CloseCode, makeServer, type ServerOptions } from "graphql-ws";
import type { WebSocket } from "ws";
import type { Caller } from "../auth/caller.ts";
import { causeOf } from "../errors/database_error.ts";
import { Refusal } from "../errors/refusal.ts";

/** What is known of a socket. */
export interface Extra extends Record<PropertyKey, unknown> {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  /** The client's address, as limits count it. */
  readonly address: string;
  /** Called once the socket has said who it is. */
  readonly leaveStrangers: () => void;
  caller?: Caller;
  /** The subscriptions that run, by id, once the socket was taken. */
  subscriptions?(): Readonly<Record<string, unknown>>;
}

/** What a carrier goes by. */
export interface CarrierOptions {
  /** How long a socket may have no subscription. */
  idleMsOf(extra: Extra): number;
  /** Looks at a message before it is parsed. */
  check(message: Uint8Array): void;
  /** Is told of what no client should be able to cause. */
  report(fields: object): void;
  /** Is told of a client that sends what is no message. */
  countFailure(extra: Extra): void;
}

// Shorter than the minute after which most proxies end a silent connection.
const PING_MS_MAX = 12_000;

/** Serves sockets that were opened. */
export function makeCarrier(options: ServerOptions, carrier: CarrierOptions) {
  const server = makeServer<Record<string, unknown>, Extra>(options as never);
  return function carry(extra: Extra): void {
    const { socket } = extra;
    const fail = (error: unknown) => {
      if (error instanceof Refusal || error instanceof TypeError) carrier.countFailure(extra);
      else carrier.report(causeOf(error));
      const code = error instanceof Refusal ? CloseCode.BadRequest : CloseCode.InternalServerError;
      socket.close(code, error instanceof Refusal ? error.message : "Internal server error");
    };
    socket.on("error", () => carrier.countFailure(extra));
    const stopLooking = keepAlive(extra, carrier);
    const closed = server.opened(
      {
        protocol: socket.protocol,
        send: (data) => sendTo(socket, data),
        close(code, reason) {
          if (code === CloseCode.BadRequest) carrier.countFailure(extra);
          socket.close(code, reason);
        },
        onMessage: (take) =>
          void socket.on("message", async (data) => {
            try {
              const message = data as Buffer;
              carrier.check(message);
              await take(message.toString());
            } catch (error) {
              fail(error);
            }
          }),
      },
      extra,
    );
    socket.once("close", (code, reason) => {
      stopLooking();
      void closed(code, String(reason)).catch(fail);
    });
  };
}

function sendTo(socket: WebSocket, data: string): Promise<void> {
  if (socket.readyState !== socket.OPEN) return Promise.resolve();
  return new Promise((done, refuse) => {
    socket.send(data, (error) => (error ? refuse(error) : done()));
  });
}

/** Pings, and ends a socket that does not answer, or has had nothing to do for too long. */
function keepAlive(extra: Extra, { idleMsOf }: CarrierOptions): () => void {
  const { socket } = extra;
  let isAnswered = true;
  let busyAt = Date.now();
  socket.on("pong", () => {
    isAnswered = true;
  });
  let timer = setTimeout(look, lookAfter());
  function lookAfter(): number {
    return Math.min(PING_MS_MAX, idleMsOf(extra) / 2);
  }
  function look(): void {
    if (!isAnswered) {
      socket.terminate();
      return;
    }
    if (Object.keys(extra.subscriptions?.() ?? {}).length > 0) busyAt = Date.now();
    if (Date.now() - busyAt >= idleMsOf(extra)) {
      socket.close(1001, "Nothing was subscribed to.");
      // Whoever does not answer that either is gone.
      timer = setTimeout(() => socket.terminate(), PING_MS_MAX);
      return;
    }
    isAnswered = false;
    socket.ping();
    timer = setTimeout(look, lookAfter());
  }
  return () => clearTimeout(timer);
}
