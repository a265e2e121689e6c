/**
 * A JSON web token, verified, becomes a caller. No token is the role saldo_anonymous; a token that
 * is not good in every respect is refused, never downgraded.
 */
import { jwtVerify, SignJWT } from "jose";
import { Refusal } from "../errors/refusal.ts";
import { ANONYMOUS, type Caller, DATABASE_ROLES, type TokenRole } from "./caller.ts";

// The algorithm is ours to fix: a token that names its own (none, RS256) is a known attack.
const ALGORITHM = "HS256";
const AUDIENCE = "saldo";
const TOKEN_LENGTH_MAX = 4096;

/** What a token of Saldo says. */
export interface TokenClaims {
  /** Who acts, as it is written into the audit trail. */
  readonly sub: string;
  readonly role: TokenRole;
  /** The member that a token of role member acts for. */
  readonly member_id?: string | number;
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
