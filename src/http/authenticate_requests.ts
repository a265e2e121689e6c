import type { RequestHandler } from "express";
import { type Caller, withCaller } from "../auth/caller.ts";
import { authenticate, type Trust } from "../auth/token.ts";
import { Refusal } from "../errors/refusal.ts";
import { networkOf } from "./client_address.ts";
import type { FailureLimit } from "./failure_limit.ts";

/** A database that does not answer says nothing about the token. */
export const isNoGuess = (error: unknown) => error instanceof Refusal && error.condition === "busy";

/**
 * Serves the request under its verified caller. Failures are counted per address, and answered 429
 * beyond the limit; a good token passes even then, so that one bad client does not lock out the
 * others behind the same address.
 */
export function authenticateRequests(trust: Trust, failures: FailureLimit): RequestHandler {
  return async (request, response, next) => {
    let caller: Caller;
    try {
      caller = await authenticate(trust, request.headers.authorization);
    } catch (error) {
      throw isNoGuess(error) || !failures.isExceededBy(networkOf(request.ip ?? ""))
        ? error
        : new Refusal("too_many_requests");
    }
    response.locals["caller"] = caller;
    withCaller(caller, next);
  };
}
