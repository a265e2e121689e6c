/**
 * Public keys of whoever issues tokens: a JWKS at an address or in a file. They are fetched again
 * while they are used, and when a token names a key that is not known, but never more often than
 * every ten seconds, whatever tokens come.
 */
import { readFile } from "node:fs/promises";
import { type CryptoKey, importJWK, type JWK } from "jose";
import type { Log } from "../log.ts";

/** What a token may be signed with besides the shared secret. */
export type PublicAlgorithm = "RS256" | "ES256" | "EdDSA";

/** Finds the key that a token names. */
export interface PublicKeys {
  /**
   * The one key of this algorithm and id; without an id the only one of the algorithm. A key is good
   * for its own algorithm and for no other.
   */
  find(algorithm: PublicAlgorithm, id: string | undefined): Promise<CryptoKey | undefined>;
  /** Fetches them once; that it failed is written into the log and is no error. */
  begin(): Promise<void>;
}

interface KnownKey {
  readonly id: string | undefined;
  readonly algorithm: PublicAlgorithm;
  readonly key: CryptoKey;
}

const TRY_AGAIN_MS = 10_000;
// From then on they are fetched beside the requests, from twice that on before the first of them.
const REFRESH_MS = 300_000;
// An address that does not answer for so long may be kept from us to hide that a key was withdrawn.
const TRUSTED_MS = 86_400_000;
const ANSWER_MS_MAX = 5000;
const BYTE_COUNT_MAX = 100_000;
const KEY_COUNT_MAX = 100;
const RSA_BYTE_COUNT_MIN = 256;

/** The keys of an address or file; `now` is for tests. */
export function makePublicKeys(source: string, log: Log, now: () => number = Date.now): PublicKeys {
  let keys: readonly KnownKey[] = [];
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;

  async function fetchKeys(): Promise<void> {
    triedAt = now();
    try {
      const { known, refusedCount } = await readKeys(await readSource(source));
      if (refusedCount > 0) log.warn("keys of tokens are left out", { source, refusedCount });
      if (known.length === 0) throw new Error("there is no key for RS256, ES256 or EdDSA");
      keys = known;
      fetchedAt = now();
    } catch (error) {
      const { message, cause } = error as Error & { cause?: { code?: string } };
      log.warn("keys of tokens cannot be fetched", { source, reason: cause?.code ?? message });
    }
  }
  /** Whoever comes while they are fetched waits for the same answer. */
  function refresh(): Promise<void> {
    if (fetching === undefined && now() - triedAt < TRY_AGAIN_MS) return Promise.resolve();
    fetching ??= fetchKeys().finally(() => {
      fetching = undefined;
    });
    return fetching;
  }
  function match(algorithm: PublicAlgorithm, id: string | undefined): CryptoKey | undefined {
    if (now() - fetchedAt > TRUSTED_MS) return undefined;
    const fitting = keys.filter(
      (each) => each.algorithm === algorithm && (id === undefined || each.id === id),
    );
    // Two that fit leave open which of them was meant.
    return fitting.length === 1 ? fitting[0]?.key : undefined;
  }
  return {
    begin: refresh,
    async find(algorithm, id) {
      const age = now() - fetchedAt;
      // Where the last try failed the next may hang, and holds up nobody who has a key.
      if (age > 2 * REFRESH_MS && triedAt <= fetchedAt) await refresh();
      else if (age > REFRESH_MS) void refresh();
      const key = match(algorithm, id);
      if (key !== undefined) return key;
      await refresh();
      return match(algorithm, id);
    },
  };
}

async function readSource(source: string): Promise<string> {
  if (!/^https?:/.test(source)) {
    const text = await readFile(source, "utf8");
    if (text.length > BYTE_COUNT_MAX) throw new Error("it is too large");
    return text;
  }
  const response = await fetch(source, {
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
    // Elsewhere may be anybody.
    redirect: "error",
    headers: { accept: "application/json" },
  });
  if (!response.ok) throw new Error(`it is answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of response.body ?? []) {
    byteCount += chunk.byteLength;
    if (byteCount > BYTE_COUNT_MAX) throw new Error("it is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function readKeys(text: string): Promise<{ known: KnownKey[]; refusedCount: number }> {
  const { keys } = JSON.parse(text) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error("it is no JWKS: keys is missing");
  if (keys.length > KEY_COUNT_MAX) throw new Error(`it has more than ${KEY_COUNT_MAX} keys`);
  const known: KnownKey[] = [];
  for (const each of keys) {
    const key = await readKey(each).catch(() => undefined);
    if (key !== undefined) known.push(key);
  }
  return { known, refusedCount: keys.length - known.length };
}

async function readKey(given: JWK | null): Promise<KnownKey | undefined> {
  if (given === null || typeof given !== "object") return undefined;
  const { kty, crv, kid, alg, use, key_ops: operations, n = "", e, x, y } = given;
  const algorithm = algorithmOf(given);
  if (algorithm === undefined || (alg !== undefined && alg !== algorithm)) return undefined;
  if (use !== undefined && use !== "sig") return undefined;
  if (operations !== undefined && !operations.includes("verify")) return undefined;
  // A private or a secret key in a public place is nobody's any more.
  if (given.d !== undefined || given.k !== undefined) return undefined;
  if (kid !== undefined && typeof kid !== "string") return undefined;
  if (kty === "RSA" && Buffer.from(n, "base64url").length < RSA_BYTE_COUNT_MIN) return undefined;
  const parts = kty === "RSA" ? { kty, n, e } : { kty, crv, x, ...(kty === "EC" && { y }) };
  const key = (await importJWK(parts as JWK, algorithm)) as CryptoKey;
  return { id: kid, algorithm, key };
}

/** What a key is for follows from what it is; what it says of itself has to agree. */
function algorithmOf({ kty, crv }: JWK): PublicAlgorithm | undefined {
  if (kty === "RSA") return "RS256";
  if (kty === "EC" && crv === "P-256") return "ES256";
  if (kty === "OKP" && crv === "Ed25519") return "EdDSA";
  return undefined;
}
