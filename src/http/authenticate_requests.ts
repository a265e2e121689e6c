import type { Request, RequestHandler } from "express";
import { type Caller, withCaller } from "../auth/caller.ts";
import { authenticate, type Trust } from "../auth/token.ts";
import { Refusal } from "../errors/refusal.ts";
import { networkOf, type Trust as ProxyTrust } from "./client_address.ts";
import { callerOfSession } from "./console/session_caller.ts";
import type { FailureLimit } from "./failure_limit.ts";

/**
 * A database that does not answer says nothing about the token, and who has had a session, or was
 * made to send it by another page, guesses at none.
 */
export const isNoGuess = (error: unknown) =>
  error instanceof Refusal &&
  ["busy", "session_ended", "session_refused", "sign_in_unavailable"].includes(error.condition);

/** Whose tokens are believed, and how often an address may fail with one, whatever it asks for. */
export interface Gatekeeper {
  readonly trust: Trust;
  readonly failures: FailureLimit;
  readonly proxyTrust: ProxyTrust;
}

/**
 * The verified caller of a request. Failures are counted per address; a good token passes beyond the
 * limit, too, so that one bad client does not lock out the others behind the same address.
 *
 * @throws Refusal unauthenticated, or too_many_requests, for a token that is not good
 */
export async function callerOfRequest(gatekeeper: Gatekeeper, request: Request): Promise<Caller> {
  const { trust, proxyTrust } = gatekeeper;
  const { authorization } = request.headers;
  return await countingFailures(gatekeeper, request, () =>
    authorization === undefined
      ? callerOfSession(trust, proxyTrust, request)
      : authenticate(trust, authorization),
  );
}

/** @throws Refusal too_many_requests instead of what a guess fails with, after too many */
export async function countingFailures<Result>(
  { failures }: Gatekeeper,
  request: Request,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
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
