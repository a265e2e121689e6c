/**
 * Service tokens, which can be revoked one by one. The good ones are read from the database every
 * two seconds while they are used, so that no request asks for its own.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { withRole } from "../database/with_role.ts";

/** What the database says of a token. */
export interface ServiceToken {
  readonly id: string;
  readonly secret_hash: Buffer;
  readonly role: string;
  readonly subject: string;
  readonly member_id: string | null;
  readonly expires_at: Date;
}

/** Finds good service tokens. */
export interface ServiceTokens {
  /**
   * The token, when it is good.
   *
   * @throws when the database cannot be asked and what is known is too old to go by
   */
  find(token: string): Promise<ServiceToken | undefined>;
  /** Whether a token that was good still is. */
  isGood(id: string): Promise<boolean>;
}

/** What a service token looks like: its id, then its secret. */
export const SERVICE_TOKEN = /^sst_([0-9a-f]{32})_([0-9a-f]{64})$/;

/** For how long what was read is gone by; from then on it is read beside the requests. */
export const FRESH_MS = 2000;
// After so long a request waits for what is read.
const STALE_MS = 5000;
// For an unknown token, which may have been made a moment ago, it is read again: for all that come
// within this time at once, so that guessers cost no more.
const LOOK_AGAIN_MS = 100;

/** The tokens that `read` gives; `now` is for tests. */
export function makeServiceTokens(
  read: () => Promise<ServiceToken[]>,
  now: () => number = Date.now,
): ServiceTokens {
  let known = new Map<string, ServiceToken>();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let readingAgain: Promise<void> | undefined;

  async function readAll(): Promise<void> {
    // Before it is asked: what is revoked while it answers counts from the next time on.
    const askedAt = now();
    const all = await read();
    if (askedAt < readAt) return;
    known = new Map(all.map((each) => [each.id.replaceAll("-", ""), each]));
    readAt = askedAt;
  }
  function refresh(): Promise<void> {
    reading ??= readAll().finally(() => {
      reading = undefined;
    });
    return reading;
  }
  /** Reads what is there from now on: one that is under way may have begun before. */
  function readAgain(): Promise<void> {
    readingAgain ??= sleep(Math.max(0, readAt + LOOK_AGAIN_MS - now())).then(() => {
      readingAgain = undefined;
      return readAll();
    });
    return readingAgain;
  }
  function goodOne(id: string): ServiceToken | undefined {
    const token = known.get(id);
    return token !== undefined && token.expires_at.getTime() > now() ? token : undefined;
  }
  return {
    async find(given) {
      const [, id = "", secret = ""] = SERVICE_TOKEN.exec(given) ?? [];
      const age = now() - readAt;
      if (age > STALE_MS) await refresh();
      else if (age > FRESH_MS) refresh().catch(() => {}); // the next one waits for it, and fails
      if (!known.has(id)) await readAgain();
      const token = goodOne(id);
      if (token === undefined) return undefined;
      const hash = createHash("sha256").update(secret).digest();
      return timingSafeEqual(hash, token.secret_hash) ? token : undefined;
    },
    async isGood(id) {
      if (now() - readAt > FRESH_MS) await refresh();
      return goodOne(id.replaceAll("-", "")) !== undefined;
    },
  };
}

/** Reads them as the server's login, which the database tells them to and nobody else. */
export function readServiceTokens(serverPool: Pool): () => Promise<ServiceToken[]> {
  const settings = { role: "saldo_anonymous", statement_timeout: "5s" };
  return () =>
    withRole(serverPool, { settings, mode: "read only" }, async (client) => {
      const { rows } = await client.query<ServiceToken>(
        `select id, secret_hash, role, subject, member_id::text, expires_at
        from saldo_private.good_service_tokens()`,
      );
      return rows;
    });
}
