/** Who is told amounts outside of GraphQL: whoever has the token of metrics, or one of the staff. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Request } from "express";
import { callerOfRequest, type Gatekeeper } from "./authenticate_requests.ts";

/** Who reads the totals in GraphQL as well. */
const STAFF = new Set(["saldo_admin", "saldo_accountant", "saldo_operator", "saldo_auditor"]);

/** Tells whether a request may see amounts. */
export type IsInsider = (request: Request) => Promise<boolean>;

/**
 * Without a token it is an outsider's request.
 *
 * @throws Refusal unauthenticated, or too_many_requests, for a token that is not good
 */
export function makeInsider(gatekeeper: Gatekeeper, metricsToken: string | undefined): IsInsider {
  return async (request) => {
    const { authorization } = request.headers;
    if (authorization === undefined) return false;
    const bearer = /^Bearer (\S{1,4096})$/i.exec(authorization)?.[1];
    if (metricsToken !== undefined && bearer !== undefined && isSame(bearer, metricsToken)) {
      return true;
    }
    const { role } = await callerOfRequest(gatekeeper, request);
    return STAFF.has(role);
  };
}

/** Compares texts of any length in the same time, which would otherwise tell how far they agree. */
function isSame(one: string, other: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}
