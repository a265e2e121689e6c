/** Waits of a start for locks of others: they are reported after two seconds, and have an end. */
import type { Log } from "../log.ts";
import { StartError } from "../start_error.ts";
import { OwnClient } from "./own_client.ts";

const announceMs = 2000;
const patienceMs = 60_000;

/**
 * Does a step of the start. When that takes long the log says which step it is and who holds what
 * it waits for; after a minute in which somebody does the start is refused in a sentence.
 *
 * @throws StartError with the sessions that were waited for
 */
export async function announced<T>(
  ownerUrl: string,
  step: string,
  log: Log,
  work: () => Promise<T>,
  patience: { announceMs: number; patienceMs: number } = { announceMs, patienceMs },
): Promise<T> {
  const began = performance.now();
  let isSaid = false;
  let refuse: (error: StartError) => void = () => {};
  const refused = new Promise<never>((_, reject) => {
    refuse = reject;
  });
  const look = async () => {
    const holders = await holdersOf(ownerUrl).catch(() => []);
    if (holders.length === 0) return; // it takes its time, and nobody is in its way
    const seconds = Math.round((performance.now() - began) / 1000);
    if (!isSaid) log.warn(`waiting for a lock: ${step}`, { holders });
    isSaid = true;
    if (seconds * 1000 < patience.patienceMs) return;
    refuse(
      new StartError(
        `The start has waited ${seconds} s for a lock (${step}): end ${holders.join(" and ")}, ` +
          "and start again.",
      ),
    );
  };
  const timer = setInterval(() => void look(), patience.announceMs);
  try {
    return await Promise.race([work(), refused]);
  } finally {
    clearInterval(timer);
  }
}

/** The sessions that others of ours wait for, in words. */
async function holdersOf(ownerUrl: string): Promise<string[]> {
  const client = new OwnClient({
    connectionString: ownerUrl,
    application_name: "saldo look",
    connectionTimeoutMillis: 5000,
    query_timeout: 5000,
  });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  await client.connect();
  try {
    const { rows } = await client.query<{ words: string }>(
      `select distinct format('session %s (%s, %s since %s)', holder.pid,
        coalesce(nullif(holder.application_name, ''), 'no name'), holder.state,
        to_char(holder.state_change at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) as words
      from pg_stat_activity as waiting
      cross join lateral unnest(pg_blocking_pids(waiting.pid)) as blocking (pid)
      join pg_stat_activity as holder on holder.pid = blocking.pid
      where waiting.datname = current_database()
      and waiting.application_name in ('saldo', 'saldo start')
      and waiting.wait_event_type = 'Lock'`,
    );
    return rows.map(({ words }) => words);
  } finally {
    await client.end();
  }
}

/** The address, with an end to each wait for a lock of its sessions. */
export function withLockTimeout(connectionString: string, ms: number = patienceMs + 5000): string {
  const url = new URL(connectionString);
  const options = url.searchParams.get("options") ?? "";
  url.searchParams.set("options", `${options} -c lock_timeout=${ms}`.trim());
  return url.href;
}
