/**
 * Tokens whose signature was good, so that it is computed once for each of them and not for each
 * request. Nothing that can change is kept: whoever uses one looks at its time and its key again.
 */
import { hash } from "node:crypto";
import type { CryptoKey } from "jose";
import type { Caller } from "./caller.ts";

/** What a token said, and what its signature was good for. */
export interface VerifiedToken {
  readonly caller: Caller;
  /** When it ends, in seconds since 1970. */
  readonly exp: number;
  readonly algorithm: string;
  readonly keyId: string | undefined;
  /** The very key: one that was withdrawn, or fetched again, is another. */
  readonly key: CryptoKey | string;
}

/** Tokens by their hash: what is kept lets nobody in elsewhere. */
export interface VerifiedTokens {
  find(token: string): VerifiedToken | undefined;
  add(token: string, verified: VerifiedToken): void;
  forget(token: string): void;
}

const TOKEN_COUNT_MAX = 10_000;

/** The last so many tokens that were used. */
export function makeVerifiedTokens(countMax: number = TOKEN_COUNT_MAX): VerifiedTokens {
  const known = new Map<string, VerifiedToken>();
  const hashOf = (token: string) => hash("sha256", token, "base64");
  return {
    find(token) {
      const name = hashOf(token);
      const verified = known.get(name);
      if (verified === undefined) return undefined;
      // What was used last stands last.
      known.delete(name);
      known.set(name, verified);
      return verified;
    },
    add(token, verified) {
      known.set(hashOf(token), verified);
      const [oldest] = known.keys();
      if (known.size > countMax && oldest !== undefined) known.delete(oldest);
    },
    forget: (token) => void known.delete(hashOf(token)),
  };
}
