/**
 * Signing in with an identity provider: OpenID Connect, authorization code with PKCE. The provider is
 * asked for its addresses when somebody signs in first, so that one that does not answer holds up no
 * start.
 */
import * as client from "openid-client";
import { Refusal } from "../errors/refusal.ts";
import type { RoleOfValue } from "../setting_schemas.ts";

/** The settings that it goes by. */
export interface OidcConfig {
  readonly oidcIssuer?: string | undefined;
  readonly oidcClientId?: string | undefined;
  readonly oidcClientSecret?: string | undefined;
  readonly oidcScope: string;
  readonly oidcRoleClaim: string;
  readonly oidcRoles?: readonly RoleOfValue[] | undefined;
  readonly oidcSubjectClaim: string;
  readonly oidcName?: string | undefined;
  /** Longest session of somebody who came from it; that of any session where it is not said. */
  readonly oidcSessionMinutes?: number | undefined;
}

/** What a browser keeps while somebody is at the provider. */
export interface Proof {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Whom the provider has let in, with the role that the settings give. */
export interface SignedIn {
  readonly sub: string;
  readonly role: string;
  readonly member_id?: string | number;
}

/** An identity provider. */
export interface Oidc {
  readonly name: string;
  /** Where somebody signs in, and what has to come back with them. */
  begin(redirectUri: string): Promise<{ readonly address: string; readonly proof: Proof }>;
  /**
   * Who has come back to this address.
   *
   * @throws Refusal sign_in_failed, sign_in_without_role, sign_in_unavailable, busy
   */
  finish(address: URL, proof: Proof): Promise<SignedIn>;
}

const TIMEOUT_SECONDS = 5;
// Somebody who makes answers up must not have us ask the provider without end.
const EXCHANGE_COUNT_MAX = 10;

/** Writes down what went wrong; nobody may fill the log with it. */
type Report = (fields: object) => void;

/** The provider of the settings; undefined where they name none. */
export function makeOidc(config: OidcConfig, report: Report): Oidc | undefined {
  const { oidcIssuer, oidcClientId, oidcRoles } = config;
  if (oidcIssuer === undefined || oidcClientId === undefined || oidcRoles === undefined) {
    return undefined;
  }
  const issuer = new URL(oidcIssuer);
  const discover = discoverOnce(issuer, oidcClientId, config.oidcClientSecret, report);
  let exchangeCount = 0;
  return {
    name: config.oidcName ?? issuer.host,
    async begin(redirectUri) {
      const provider = await discover();
      const proof = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
      };
      const address = client.buildAuthorizationUrl(provider, {
        redirect_uri: redirectUri,
        scope: scopeOf(config.oidcScope),
        response_type: "code",
        code_challenge: await client.calculatePKCECodeChallenge(proof.verifier),
        code_challenge_method: "S256",
        state: proof.state,
        nonce: proof.nonce,
      });
      return { address: address.href, proof };
    },
    async finish(address, proof) {
      const provider = await discover();
      if (exchangeCount >= EXCHANGE_COUNT_MAX) throw new Refusal("busy");
      exchangeCount += 1;
      try {
        const claims = await exchange(provider, address, proof, config.oidcRoleClaim);
        return signedIn(claims, config, oidcRoles);
      } catch (error) {
        if (error instanceof Refusal) throw error;
        report(reasonOf(error));
        throw new Refusal("sign_in_failed");
      } finally {
        exchangeCount -= 1;
      }
    },
  };
}

const scopeOf = (scope: string) => (/\bopenid\b/.test(scope) ? scope : `openid ${scope}`);

/** Asks for the provider's addresses until it has answered, one question at a time. */
function discoverOnce(issuer: URL, id: string, secret: string | undefined, report: Report) {
  let known: Promise<client.Configuration> | undefined;
  const authentication = secret === undefined ? client.None() : undefined;
  // Settings allow it on the same machine only.
  const execute = issuer.protocol === "http:" ? [client.allowInsecureRequests] : [];
  return async (): Promise<client.Configuration> => {
    known ??= client.discovery(issuer, id, secret, authentication, {
      execute,
      timeout: TIMEOUT_SECONDS,
    });
    const asked = known;
    try {
      return await asked;
    } catch (error) {
      if (known === asked) {
        known = undefined;
        report(reasonOf(error));
      }
      throw new Refusal("sign_in_unavailable");
    }
  };
}

type Claims = Readonly<Record<string, unknown>>;

/** Trades the code in; what the token does not say the provider is asked for. */
async function exchange(
  provider: client.Configuration,
  address: URL,
  { state, nonce, verifier }: Proof,
  roleClaim: string,
): Promise<Claims> {
  const tokens = await client.authorizationCodeGrant(provider, address, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  if (claims === undefined) throw new Error("there is no ID token");
  const mayAsk = provider.serverMetadata().userinfo_endpoint !== undefined;
  if (valuesOf(claims, roleClaim).length > 0 || !mayAsk) return claims;
  const more = await client.fetchUserInfo(provider, tokens.access_token, claims.sub);
  return { ...more, ...claims };
}

/** The texts of a claim; a point leads into an object, unless a claim has that very name. */
function valuesOf(claims: Claims, name: string): string[] {
  const value = Object.hasOwn(claims, name)
    ? claims[name]
    : name.split(".").reduce<unknown>(within, claims);
  const all = Array.isArray(value) ? value : [value];
  return all.filter((each): each is string => typeof each === "string");
}

function within(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as Claims)[key]
    : undefined;
}

function signedIn(claims: Claims, config: OidcConfig, roles: readonly RoleOfValue[]): SignedIn {
  const values = new Set(valuesOf(claims, config.oidcRoleClaim));
  const role = roles.find(({ value }) => values.has(value))?.role;
  if (role === undefined) throw new Refusal("sign_in_without_role");
  const [sub] = valuesOf(claims, config.oidcSubjectClaim);
  if (sub === undefined) throw new Error(`there is no claim ${config.oidcSubjectClaim}`);
  // Anybody may write somebody else's address into a profile.
  if (config.oidcSubjectClaim === "email" && claims["email_verified"] !== true) {
    throw new Error("the address of mail is not verified");
  }
  const memberId = claims["member_id"];
  const isId = typeof memberId === "string" || typeof memberId === "number";
  return { sub, role, ...(isId && { member_id: memberId }) };
}

/** What the log says: codes and words of the library, nothing that was sent. */
function reasonOf(error: unknown): object {
  const { code, cause, message } = error as { code?: unknown; cause?: unknown; message?: string };
  return {
    reason: message ?? String(error),
    ...(typeof code === "string" && { code }),
    ...(cause instanceof Error && { cause: cause.message.slice(0, 200) }),
  };
}
