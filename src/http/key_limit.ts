import type { RequestHandler } from "express";
import { Refusal } from "../errors/refusal.ts";

/** Keys remembered at most; a flood of made-up ones must not fill the memory. */
const KEY_COUNT_MAX = 10_000;

/**
 * Refuses calls of a branch key beyond `concurrentMax` at a time, or `requestMax` in each window of
 * `windowMs`: pushes of a branch wait for each other in the database, and one key must not take all
 * connections to wait with. In memory, for the process that it runs in.
 */
export function makeKeyLimit(
  concurrentMax: number,
  requestMax: number,
  windowMs: number,
  now: () => number = Date.now,
): RequestHandler {
  const running = new Map<string, number>();
  let windowStart = now();
  let requests = new Map<string, number>();
  return (_request, response, next) => {
    const { id } = response.locals["key"] as { id: string };
    if (now() - windowStart >= windowMs || requests.size >= KEY_COUNT_MAX) {
      windowStart = now();
      requests = new Map();
    }
    const requestCount = (requests.get(id) ?? 0) + 1;
    requests.set(id, requestCount);
    const runningCount = running.get(id) ?? 0;
    if (requestCount > requestMax || runningCount >= concurrentMax) {
      throw new Refusal("push_rate");
    }
    running.set(id, runningCount + 1);
    response.once("close", () => {
      const left = (running.get(id) ?? 1) - 1;
      if (left > 0) running.set(id, left);
      else running.delete(id);
    });
    next();
  };
}
