/**
 * Sessions of the console, as the database knows them. What was read is gone by for two seconds, and
 * what has to be read is read for all who wait at once, so that open consoles and guessers cost one
 * connection at most.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Pool } from "pg";
import { withRole } from "../database/with_role.ts";

/** What the database says of a session. */
export interface ConsoleSession {
  readonly id_hash: Buffer;
  readonly role: string;
  readonly subject: string;
  readonly member_id: string | null;
  readonly service_token_id: string | null;
  readonly expires_at: Date;
  /** Neither ended nor expired. */
  readonly is_good: boolean;
}

/** Where sessions are kept. */
export interface SessionSource {
  read(hashes: readonly Buffer[]): Promise<ConsoleSession[]>;
  /** Notes that sessions are in use. */
  see(hashes: readonly Buffer[]): Promise<void>;
}

/** Finds sessions. */
export interface ConsoleSessions {
  /**
   * The session with this id; undefined when there never was one.
   *
   * @throws when the database cannot be asked and what is known is too old to go by
   */
  find(id: string): Promise<ConsoleSession | undefined>;
  /** Whether a session that was good still is. */
  isGood(idHash: Buffer): Promise<boolean>;
  /** Takes a session for ended, which it was here: what is read at this moment may not know it yet. */
  noteEnd(idHash: Buffer): void;
}

/** What the id of a session looks like. */
export const SESSION_ID = /^[0-9a-f]{64}$/;

/** An id, or the code of a link: 256 bits that nobody can guess. */
export const newSecret = (): string => randomBytes(32).toString("hex");

/** What the database has of it. */
export const hashOf = (secret: string): Buffer => createHash("sha256").update(secret).digest();

const FRESH_MS = 2000;
// After so long a request waits for what is read.
const STALE_MS = 5000;
const SEEN_MS = 5 * 60_000;
const KNOWN_COUNT_MAX = 10_000;
// A console that is open is asked for every two seconds, by its subscriptions.
const IN_USE_MS = 10_000;
const READ_COUNT_MAX = 1000;

interface Known {
  readonly session: ConsoleSession;
  readonly readAt: number;
  usedAt: number;
}

/** The sessions of a source; `now` is for tests. */
export function makeConsoleSessions(
  source: SessionSource,
  now: () => number = Date.now,
): ConsoleSessions {
  const known = new Map<string, Known>();
  const seenAt = new Map<string, number>();
  const readSoon = oneAtATime((hashes) => readNow([...hashes, ...alsoInUse(hashes)]));

  async function readNow(hashes: readonly Buffer[]): Promise<void> {
    // Before it is asked: what ends while it answers counts from the next time on.
    const readAt = now();
    const found = await source.read(hashes);
    const before = hashes.map((hash) => [keyOf(hash), known.get(keyOf(hash))] as const);
    for (const [key] of before) known.delete(key);
    const earlier = new Map(before);
    for (const session of found) {
      const key = keyOf(session.id_hash);
      const last = earlier.get(key);
      // One that has ended never is good again: this was read before it ended here.
      const is_good = session.is_good && last?.session.is_good !== false;
      known.set(key, { session: { ...session, is_good }, readAt, usedAt: last?.usedAt ?? readAt });
    }
    for (const key of known.keys()) {
      if (known.size <= KNOWN_COUNT_MAX) break;
      known.delete(key);
    }
  }
  /** Others that are in use and will be asked for in a moment: open consoles share their readings. */
  function alsoInUse(hashes: readonly Buffer[]): Buffer[] {
    const asked = new Set(hashes.map(keyOf));
    const all: Buffer[] = [];
    for (const [key, { session, readAt, usedAt }] of known) {
      const isDue = now() - readAt >= FRESH_MS / 2 && now() - usedAt < IN_USE_MS;
      if (isDue && !asked.has(key) && all.length < READ_COUNT_MAX) all.push(session.id_hash);
    }
    return all;
  }
  function ageOf(key: string): number {
    return now() - (known.get(key)?.readAt ?? Number.NEGATIVE_INFINITY);
  }
  async function findByHash(hash: Buffer): Promise<ConsoleSession | undefined> {
    const key = keyOf(hash);
    if (ageOf(key) > STALE_MS) await readSoon(hash);
    else if (ageOf(key) > FRESH_MS) readSoon(hash).catch(() => {}); // the next one waits, and fails
    const found = known.get(key);
    if (found === undefined) return undefined;
    found.usedAt = now();
    const { session } = found;
    return { ...session, is_good: session.is_good && session.expires_at.getTime() > now() };
  }
  function noteUse(hash: Buffer): void {
    const key = keyOf(hash);
    if (now() - (seenAt.get(key) ?? Number.NEGATIVE_INFINITY) < SEEN_MS) return;
    if (seenAt.size >= KNOWN_COUNT_MAX) seenAt.clear();
    seenAt.set(key, now());
    source.see([hash]).catch(() => {}); // it is noted the next time
  }
  return {
    async find(id) {
      const hash = hashOf(id);
      const session = await findByHash(hash);
      if (session?.is_good) noteUse(hash);
      return session;
    },
    async isGood(idHash) {
      const key = keyOf(idHash);
      if (ageOf(key) > FRESH_MS) await readSoon(idHash);
      return (await findByHash(idHash))?.is_good === true;
    },
    noteEnd(idHash) {
      const last = known.get(keyOf(idHash));
      if (last === undefined) return;
      known.set(keyOf(idHash), { ...last, session: { ...last.session, is_good: false } });
    },
  };
}

const keyOf = (hash: Buffer) => hash.toString("base64");

/** Collects what is asked for while an answer is under way, and asks for all of it then. */
function oneAtATime(read: (hashes: readonly Buffer[]) => Promise<void>) {
  let underWay: Promise<void> = Promise.resolve();
  let next: { readonly hashes: Map<string, Buffer>; readonly done: Promise<void> } | undefined;
  return (hash: Buffer): Promise<void> => {
    if (next === undefined) {
      const hashes = new Map<string, Buffer>();
      const done = underWay.then(() => {
        next = undefined;
        return read([...hashes.values()]);
      });
      next = { hashes, done };
      underWay = done.catch(() => {}); // whoever waits for it is told
    }
    next.hashes.set(keyOf(hash), hash);
    return next.done;
  };
}

/** Sessions of a database, asked as the server's login. A standby notes nothing. */
export function sessionSource(serverPool: Pool, isStandby: boolean): SessionSource {
  const settings = { role: "saldo_server", statement_timeout: "5s" };
  return {
    read: (hashes) =>
      withRole(serverPool, { settings, mode: "read only" }, async (client) => {
        const { rows } = await client.query<ConsoleSession>(
          `select id_hash, role, subject, member_id::text, service_token_id::text, expires_at,
            is_good
          from saldo_private.console_sessions($1)`,
          [hashes],
        );
        return rows;
      }),
    async see(hashes) {
      if (isStandby) return;
      await withRole(serverPool, { settings, mode: "read write" }, (client) =>
        client.query("select saldo_private.see_console_sessions($1)", [hashes]),
      );
    },
  };
}
