import type { RequestHandler } from "express";
import { type Caller, withCaller } from "../auth/caller.ts";
import { authenticate } from "../auth/token.ts";
import { Refusal } from "../errors/refusal.ts";
import { networkOf } from "./client_address.ts";
import type { FailureLimit } from "./failure_limit.ts";

/**
 * Serves the request under its verified caller. Failures are counted per address, and answered 429
 * beyond the limit; a good token passes even then, so that one bad client does not lock out the
 * others behind the same address.
 */
export function authenticateRequests(secret: string, failures: FailureLimit): RequestHandler {
  return async (request, _response, next) => {
    let caller: Caller;
    try {
      caller = await authenticate(secret, request.headers.authorization);
    } catch (error) {
      throw failures.isExceededBy(networkOf(request.ip ?? ""))
        ? new Refusal("too_many_requests")
        : error;
    }
    withCaller(caller, next);
  };
}
