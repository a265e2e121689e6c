import type { Request, RequestHandler } from "express";
import { type Caller, withCaller } from "../auth/caller.ts";
import { authenticate, type Trust } from "../auth/token.ts";
import { Refusal } from "../errors/refusal.ts";
import { networkOf } from "./client_address.ts";
import type { FailureLimit } from "./failure_limit.ts";

/** A database that does not answer says nothing about the token. */
export const isNoGuess = (error: unknown) => error instanceof Refusal && error.condition === "busy";

/** Whose tokens are believed, and how often an address may fail with one, whatever it asks for. */
export interface Gatekeeper {
  readonly trust: Trust;
  readonly failures: FailureLimit;
}

/**
 * The verified caller of a request. Failures are counted per address; a good token passes beyond the
 * limit, too, so that one bad client does not lock out the others behind the same address.
 *
 * @throws Refusal unauthenticated, or too_many_requests, for a token that is not good
 */
export async function callerOfRequest(
  { trust, failures }: Gatekeeper,
  request: Request,
): Promise<Caller> {
  try {
    return await authenticate(trust, request.headers.authorization);
  } catch (error) {
    throw isNoGuess(error) || !failures.isExceededBy(networkOf(request.ip ?? ""))
      ? error
      : new Refusal("too_many_requests");
  }
}

/** Serves each request under its verified caller. */
export function authenticateRequests(gatekeeper: Gatekeeper): RequestHandler {
  return async (request, response, next) => {
    const caller = await callerOfRequest(gatekeeper, request);
    response.locals["caller"] = caller;
    withCaller(caller, next);
  };
}
