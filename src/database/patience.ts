import { setTimeout as sleep } from "node:timers/promises";
import type { Client, DatabaseError } from "pg";
import { StartError } from "../start_error.ts";

/** How long to wait for others, and the log that a wait is reported to. */
export interface Patience {
  patienceMs: number;
  log?: { info(message: string, fields?: Record<string, unknown>): void };
}

/**
 * Does the work in one transaction. Where it has to lock tables that others work with, it gives up
 * before their deadlock_timeout, so that none of them is chosen as the victim, and tries again,
 * each time a little longer.
 */
export async function inPatientTransaction<T>(
  client: Client,
  { patienceMs, log }: Patience,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = Date.now();
  let isAnnounced = false;
  for (let attempt = 1; ; attempt += 1) {
    const timeoutMs = Math.min(100 + 50 * attempt, attempt > 60 ? 3000 : 700);
    try {
      await client.query(`begin; set local lock_timeout = '${timeoutMs}ms'`);
      const result = await work();
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(() => {}); // the error says what happened
      if (!isLockRefused(error)) throw error;
      const waitedMs = Date.now() - startedAt;
      if (waitedMs > patienceMs) {
        throw new StartError(
          `Tables that the new version changes have been in use for ${Math.round(waitedMs / 1000)} ` +
            "s without a pause: end the longest transactions, and start again.",
        );
      }
      if (waitedMs > 2000 && !isAnnounced) {
        isAnnounced = true;
        log?.info("waiting for tables that are in use");
      }
      await sleep(50 + Math.random() * 200);
    }
  }
}

/**
 * lock_not_available or deadlock_detected, also as an error of a file; or a row of the catalogue
 * that another session has just changed, by a grant, say: PostgreSQL has no code for that.
 */
function isLockRefused(error: unknown): boolean {
  const { code, message } = ((error as Error).cause ?? error) as DatabaseError;
  if (code === "XX000") return /^tuple concurrently (?:updated|deleted)$/.test(message);
  return code === "55P03" || code === "40P01";
}
