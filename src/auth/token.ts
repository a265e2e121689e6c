/**
 * A token, verified, becomes a caller: a JSON web token, or a service token that the database knows.
 * No token is the role saldo_anonymous; a token that is not good in every respect is refused, never
 * downgraded.
 */
import { type CryptoKey, decodeProtectedHeader, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { Refusal } from "../errors/refusal.ts";
import { ANONYMOUS, type Caller, DATABASE_ROLES, type TokenRole } from "./caller.ts";
import type { ConsoleSessions } from "./console_sessions.ts";
import type { PublicAlgorithm, PublicKeys } from "./public_keys.ts";
import { SERVICE_TOKEN, type ServiceToken, type ServiceTokens } from "./service_tokens.ts";
import type { VerifiedToken, VerifiedTokens } from "./verified_tokens.ts";

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
  /** Signed tokens that were good before; without it each is verified each time. */
  readonly verified?: VerifiedTokens | undefined;
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

  const known = trust.verified?.find(token);
  if (known !== undefined) {
    if (await isStillGood(trust, known)) return known.caller;
    trust.verified?.forget(token);
  }
  let verified: Verified;
  try {
    verified = await verify(trust, token);
  } catch {
    // Why it failed would help nobody but a forger.
    throw new Refusal("unauthenticated");
  }
  const { claims, ...rest } = verified;
  const caller = callerOfClaims(claims, trust);
  trust.verified?.add(token, { ...rest, caller, exp: claims.exp ?? 0 });
  return caller;
}

type Verified = Pick<VerifiedToken, "algorithm" | "keyId" | "key"> & {
  readonly claims: JWTPayload;
};

/** Of what a token was found good for, time and keys go on; what it says and who trusts it do not. */
async function isStillGood(trust: Trust, known: VerifiedToken): Promise<boolean> {
  return (
    known.exp > Math.floor(Date.now() / 1000) &&
    known.key === (await keyFor(trust, known.algorithm, known.keyId))
  );
}

/**
 * Which key a token is verified with follows from its algorithm, and each kind of key is good for its
 * own only: a public key is no secret for HS256, and none and all others have no key.
 */
async function keyFor(
  trust: Trust,
  algorithm: string,
  id: string | undefined,
): Promise<CryptoKey | string | undefined> {
  if (algorithm === "HS256") return trust.secret;
  return PUBLIC_ALGORITHMS.includes(algorithm)
    ? await trust.keys?.find(algorithm as PublicAlgorithm, id)
    : undefined;
}

async function verify(trust: Trust, token: string): Promise<Verified> {
  const { alg: algorithm = "", kid: keyId } = decodeProtectedHeader(token);
  const key = await keyFor(trust, algorithm, keyId);
  if (key === undefined) throw new Error("there is no key for it");
  const options = { algorithms: [algorithm], requiredClaims: ["exp", "sub", "role"] };
  const { payload } =
    typeof key === "string"
      ? await jwtVerify(token, keyOf(key), { ...options, audience: AUDIENCE })
      : await jwtVerify(token, key, {
          ...options,
          audience: trust.audience ?? AUDIENCE,
          ...(trust.issuer !== undefined && { issuer: trust.issuer }),
        });
  return { claims: payload, algorithm, keyId, key };
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
