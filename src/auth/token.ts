/**
 * A token, verified, becomes a caller: a JSON web token, or a service token that the database knows.
 * No token is the role saldo_anonymous; a token that is not good in every respect is refused, never
 * downgraded.
 */
import { decodeProtectedHeader, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { Refusal } from "../errors/refusal.ts";
import { ANONYMOUS, type Caller, DATABASE_ROLES, type TokenRole } from "./caller.ts";
import type { ConsoleSessions } from "./console_sessions.ts";
import type { PublicAlgorithm, PublicKeys } from "./public_keys.ts";
import { SERVICE_TOKEN, type ServiceToken, type ServiceTokens } from "./service_tokens.ts";

const AUDIENCE = "saldo";
const TOKEN_LENGTH_MAX = 4096;
const PUBLIC_ALGORITHMS: readonly string[] = [
  "RS256",
  "ES256",
  "EdDSA",
] satisfies PublicAlgorithm[];
/** Who acts with a service token, so that no signed token can claim to be one. */
const SERVICE_PREFIX = "service:";

/** What a server goes by when it believes a token. */
export interface Trust {
  /** What signs tokens by HS256; without one none is believed that is. */
  readonly secret?: string | undefined;
  /** Keys of tokens by RS256, ES256 and EdDSA; without them none is believed that is. */
  readonly keys?: PublicKeys | undefined;
  /** The issuer that these have to name, where one is set. */
  readonly issuer?: string | undefined;
  /** The audience that these have to name. */
  readonly audience?: string | undefined;
  readonly serviceTokens?: ServiceTokens | undefined;
  /** Sessions of the console, which cookies name. */
  readonly sessions?: ConsoleSessions | undefined;
  /** Roles that somebody has composed, as a token names them. */
  readonly composedRoles?: ReadonlySet<string> | undefined;
}

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
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
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
export async function authenticate(trust: Trust, authorization?: string): Promise<Caller> {
  if (authorization === undefined) {
    return ANONYMOUS;
  }
  const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+|sst_\w+)$/i.exec(authorization)?.[1];
  if (token === undefined || token.length > TOKEN_LENGTH_MAX) {
    throw new Refusal("unauthenticated", "the header is not Bearer with a token");
  }
  if (SERVICE_TOKEN.test(token)) return await serviceCaller(trust, token);

  let claims: JWTPayload;
  try {
    claims = await verify(trust, token);
  } catch {
    // Why it failed would help nobody but a forger.
    throw new Refusal("unauthenticated");
  }
  return callerOfClaims(claims, trust);
}

/**
 * Which key a token is verified with follows from its algorithm, and each kind of key is good for its
 * own only: a public key is no secret for HS256, and none and all others have no key.
 */
async function verify(trust: Trust, token: string): Promise<JWTPayload> {
  const { alg = "", kid } = decodeProtectedHeader(token);
  const requiredClaims = ["exp", "sub", "role"];
  if (alg === "HS256" && trust.secret !== undefined) {
    const options = { algorithms: [alg], audience: AUDIENCE, requiredClaims };
    return (await jwtVerify(token, keyOf(trust.secret), options)).payload;
  }
  const key = PUBLIC_ALGORITHMS.includes(alg)
    ? await trust.keys?.find(alg as PublicAlgorithm, kid)
    : undefined;
  if (key === undefined) throw new Error("there is no key for it");
  const { payload } = await jwtVerify(token, key, {
    algorithms: [alg],
    audience: trust.audience ?? AUDIENCE,
    requiredClaims,
    ...(trust.issuer !== undefined && { issuer: trust.issuer }),
  });
  return payload;
}

async function serviceCaller(trust: Trust, token: string): Promise<Caller> {
  let known: ServiceToken | undefined;
  try {
    known = await trust.serviceTokens?.find(token);
  } catch {
    throw new Refusal("busy");
  }
  if (known === undefined) throw new Refusal("unauthenticated");
  const claims = {
    sub: known.subject,
    role: known.role,
    exp: Math.floor(known.expires_at.getTime() / 1000),
    ...(known.member_id !== null && { member_id: known.member_id }),
  };
  const caller = callerOfClaims(claims, trust);
  return { ...caller, subject: SERVICE_PREFIX + known.subject, serviceTokenId: known.id };
}

/** One person has one name: what looks like another's, or like that of a service token, is none. */
export function isName(text: string): boolean {
  return (
    text.length > 0 &&
    text.length <= 200 &&
    text === text.normalize("NFC").trim() &&
    !/[\p{C}\p{Zl}\p{Zp}]/u.test(text) &&
    !text.toLowerCase().startsWith(SERVICE_PREFIX)
  );
}

/**
 * The caller of claims that somebody has verified. `isService`: it is a service token's session, which
 * has its name from the database.
 *
 * @throws Refusal unauthenticated
 */
export function callerOfClaims(
  claims: JWTPayload,
  { composedRoles }: Trust,
  isService = false,
): Caller {
  const { sub, role, iat, exp = 0, member_id: memberId } = claims;
  const name = isService && typeof sub === "string" ? sub.slice(SERVICE_PREFIX.length) : sub;
  if (typeof sub !== "string" || !isName(String(name)))
    throw new Refusal("unauthenticated", "claim sub");
  if (typeof iat === "number" && iat > Date.now() / 1000 + 60) {
    throw new Refusal("unauthenticated", "claim iat");
  }
  // A role from the lists only: a token must not be able to name any role of the database.
  if (typeof role !== "string") throw new Refusal("unauthenticated", "claim role");
  const isComposed = composedRoles?.has(role) === true;
  if (!Object.hasOwn(DATABASE_ROLES, role) && !isComposed) {
    throw new Refusal("unauthenticated", "claim role");
  }
  const isWithMember = role === "member" || (isComposed && memberId !== undefined);
  if (isWithMember && !/^[1-9]\d{0,17}$/.test(String(memberId))) {
    throw new Refusal("unauthenticated", "claim member_id");
  }
  return {
    role: `saldo_${role}`,
    subject: sub,
    memberId: isWithMember ? String(memberId) : "",
    expiresAt: exp * 1000,
  };
}
