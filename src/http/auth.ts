/**
 * Who calls: a JSON web token, verified, becomes a database role and a subject. No token is the
 * role saldo_anonymous; a token that is not good in every respect is refused, never downgraded.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestHandler } from "express";
import { jwtVerify, SignJWT } from "jose";
import type { FailureLimit } from "./failure_limit.ts";
import { Refusal } from "./refusal.ts";

// The algorithm is ours to fix: a token that names its own (none, RS256) is a known attack.
const ALGORITHM = "HS256";
const AUDIENCE = "saldo";
const TOKEN_LENGTH_MAX = 4096;

const DATABASE_ROLES = {
  admin: "saldo_admin",
  operator: "saldo_operator",
  member: "saldo_member",
  branch: "saldo_branch",
} as const;

/** A role as a token names it. */
export type TokenRole = keyof typeof DATABASE_ROLES;

/** What a token of Saldo says. */
export interface TokenClaims {
  /** Who acts, as it is written into the audit trail. */
  readonly sub: string;
  readonly role: TokenRole;
  /** The member that a token of role member acts for. */
  readonly member_id?: string | number;
}

/** The verified caller of a request. */
export interface Caller {
  readonly role: "saldo_anonymous" | (typeof DATABASE_ROLES)[TokenRole];
  readonly subject: string;
  readonly memberId: string;
}

/** The caller of a request without a token. */
export const ANONYMOUS: Caller = { role: "saldo_anonymous", subject: "anonymous", memberId: "" };

const callers = new AsyncLocalStorage<Caller>();

/** The caller of the request that is being served; anonymous outside of one. */
export function currentCaller(): Caller {
  return callers.getStore() ?? ANONYMOUS;
}

/** Does something as a caller: nested calls see it as the current one. */
export function withCaller<Result>(caller: Caller | undefined, work: () => Result): Result {
  return callers.run(caller ?? ANONYMOUS, work);
}

function keyOf(secret: string): Uint8Array {
  return new TextEncoder().encode(secret);
}

/** A signed token. `expiresIn` is a span such as `2h`, or seconds since 1970 for an instant. */
export async function signToken(
  secret: string,
  claims: TokenClaims,
  expiresIn: string | number,
): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
    .setIssuedAt()
    .setAudience(AUDIENCE)
    .setExpirationTime(expiresIn)
    .sign(keyOf(secret));
}

/**
 * The caller that an Authorization header (or the same field of a websocket's connection
 * parameters) stands for.
 *
 * @throws Refusal unauthenticated for everything but no header or a good token
 */
export async function authenticate(secret: string, authorization?: string): Promise<Caller> {
  if (authorization === undefined) {
    return ANONYMOUS;
  }
  const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
  if (token === undefined || token.length > TOKEN_LENGTH_MAX) {
    throw new Refusal("unauthenticated", "the header is not Bearer with a token");
  }

  let claims: Record<string, unknown>;
  try {
    const verified = await jwtVerify(token, keyOf(secret), {
      algorithms: [ALGORITHM],
      audience: AUDIENCE,
      requiredClaims: ["exp", "sub", "role"],
    });
    claims = verified.payload;
  } catch {
    // Why it failed would help nobody but a forger.
    throw new Refusal("unauthenticated");
  }
  return callerOf(claims);
}

function callerOf(claims: Record<string, unknown>): Caller {
  const { sub, role, iat, member_id: memberId } = claims;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the point
  if (typeof sub !== "string" || sub.length > 200 || !/^[^\u0000-\u001f\u007f]+$/.test(sub)) {
    throw new Refusal("unauthenticated", "claim sub");
  }
  if (typeof iat === "number" && iat > Date.now() / 1000 + 60) {
    throw new Refusal("unauthenticated", "claim iat");
  }
  // A role from the allow-list only: a token must not be able to name a role of the database.
  if (typeof role !== "string" || !Object.hasOwn(DATABASE_ROLES, role)) {
    throw new Refusal("unauthenticated", "claim role");
  }
  if (role !== "member") {
    return { role: DATABASE_ROLES[role as TokenRole], subject: sub, memberId: "" };
  }
  if (!/^[1-9]\d{0,17}$/.test(String(memberId))) {
    throw new Refusal("unauthenticated", "claim member_id");
  }
  return { role: DATABASE_ROLES.member, subject: sub, memberId: String(memberId) };
}

/** The settings under which a caller's SQL runs, each for one transaction only. */
export function settingsFor(caller: Caller, timeoutMs: number): Record<string, string> {
  return {
    role: caller.role,
    "saldo.subject": caller.subject,
    "saldo.member_id": caller.memberId,
    statement_timeout: String(timeoutMs),
  };
}

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
      throw failures.isExceededBy(request.ip ?? "") ? new Refusal("too_many_requests") : error;
    }
    callers.run(caller, next);
  };
}
