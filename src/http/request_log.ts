/** A line of the log for each request: who called what, how it ended, and how long it took. */
import { randomUUID } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";
import type { Caller } from "../auth/caller.ts";
import type { Log } from "../log.ts";
import type { Trust } from "./client_address.ts";
import { routeOf } from "./metrics.ts";

/** Which requests get a line. */
export type RequestLogChoice = "all" | "refused" | "none";

// Whoever floods the server does not fill the disk as well.
const LINE_COUNT_MAX = 1000;
const WINDOW_MS = 1000;
const FIELD_COUNT_MAX = 10;
const LONGEST_NAME = 100;
// Asked every few seconds by machines.
const PROBES: readonly string[] = ["/health", "/ready", "/metrics"];

/**
 * Gives each request an id, which is in the answer as x-request-id, and writes its line when the
 * answer has ended. A line has names from a short list or from the document, and no values: neither
 * variables nor addresses of a URL, whose parts may be a customer's.
 *
 * @param now clock in milliseconds, for tests
 */
export function logRequests(
  log: Log,
  choice: RequestLogChoice,
  now: () => number = Date.now,
): RequestHandler {
  const write = bounded(log, now);
  return (request, response, next) => {
    const id = idOf(request);
    response.locals["requestId"] = id;
    response.setHeader("X-Request-Id", id);
    if (choice !== "none") {
      const beganAt = performance.now();
      response.once("close", () => {
        const isRefused = response.statusCode >= 400 || response.locals["code"] !== undefined;
        if (choice === "refused" && !isRefused) return;
        if (!isRefused && PROBES.includes(request.path)) return;
        const ms = Math.round((performance.now() - beganAt) * 10) / 10;
        write({ ...lineOf(request, response), ms });
      });
    }
    next();
  };
}

/** The id that a trusted proxy has given, so that both logs have the same; otherwise a new one. */
function idOf(request: Request): string {
  const given = request.headers["x-request-id"];
  const isTrusted = request.app.get("trust proxy fn") as Trust;
  return typeof given === "string" &&
    /^[\w.:-]{1,64}$/.test(given) &&
    isTrusted(request.socket.remoteAddress ?? "", 0)
    ? given
    : randomUUID();
}

function lineOf(request: Request, response: Response) {
  const { locals, statusCode } = response;
  const caller = locals["caller"] as Caller | undefined;
  const fields = locals["rootNames"] as readonly string[] | undefined;
  const operation = locals["operationName"] as string | undefined;
  const code = locals["code"] as string | undefined;
  const path = request.originalUrl.split("?", 1)[0] ?? "";
  return {
    requestId: locals["requestId"] as string,
    method: locals["method"] ?? request.method,
    route: path.startsWith("/api/v1/sync/") ? "/api/v1/sync" : routeOf(path, response),
    ...(operation !== undefined && { operation: operation.slice(0, LONGEST_NAME) }),
    ...(fields && {
      fields: fields.slice(0, FIELD_COUNT_MAX).map((name) => name.slice(0, LONGEST_NAME)),
    }),
    ...(caller && { role: caller.role.replace(/^saldo_/, ""), subject: caller.subject }),
    status: statusCode,
    ...(code !== undefined && { code }),
    ...(!response.writableFinished && { isCutShort: true }),
  };
}

/** So many lines a second; what was left out is told with the next one that is written. */
function bounded(log: Log, now: () => number): (fields: object) => void {
  let windowBeganAt = Number.NEGATIVE_INFINITY;
  let count = 0;
  let leftOutCount = 0;
  return (fields) => {
    if (now() - windowBeganAt >= WINDOW_MS) {
      windowBeganAt = now();
      count = 0;
    }
    count += 1;
    if (count > LINE_COUNT_MAX) {
      leftOutCount += 1;
      return;
    }
    log.info("request", { ...fields, ...(leftOutCount > 0 && { leftOutBefore: leftOutCount }) });
    leftOutCount = 0;
  };
}
