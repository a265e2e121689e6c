import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Log } from "../log.ts";

const lookIntervalMs = 5_000;

/**
 * Stops queries of registered rules that run beyond their limit: PostgreSQL sets no time limit from
 * within a statement, and a check must not hang forever because of one rule.
 */
export function watchRules(pool: Pool, log: Log, intervalMs = lookIntervalMs): { stop(): void } {
  const stopping = new AbortController();
  const watch = async () => {
    while (!stopping.signal.aborted) {
      await stopOverdueRules(pool, log).catch((error: Error) =>
        log.warn("rules not watched", { reason: error.message }),
      );
      await sleep(intervalMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  void watch();
  return { stop: () => stopping.abort() };
}

/** Cancels each session whose query of a rule is overdue. */
export async function stopOverdueRules(pool: Pool, log: Log): Promise<void> {
  const { rows } = await pool.query<{ pid: number; seconds: string }>(
    "select pid, running_seconds as seconds from saldo_private.overdue_rule_query()",
  );
  for (const { pid, seconds } of rows) {
    log.warn("a query of a registered rule is stopped", { pid, seconds: Number(seconds) });
    // The session may be of a login that this one has no power over.
    await pool
      .query("select pg_cancel_backend($1)", [pid])
      .catch((error: Error) => log.warn("it goes on", { pid, reason: error.message }));
  }
}
