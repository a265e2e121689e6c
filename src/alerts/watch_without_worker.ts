import type { ClientBase } from "pg";
import { makePool } from "../database/pools.ts";
import { withRole } from "../database/with_role.ts";
import type { Log } from "../log.ts";
import type { AlertConfig } from "./channels.ts";
import { channelsOf, deliverAlert } from "./delivery.ts";

/** The server's own look at alerts. */
export interface AlertWatch {
  /** Ends the look that is under way. */
  stop(): Promise<void>;
}

// After so many intervals without an evaluation the server assumes that no worker does it.
const STALE_INTERVAL_COUNT = 3;

/**
 * Alerts are a worker's task; somebody else has to report that no worker runs. The server looks
 * at every interval, and where workers leave alerts alone it evaluates and sends itself, by the
 * same functions and under the same locks.
 */
export function watchAlerts(
  serverConnectionString: string,
  config: AlertConfig,
  log: Log,
  isBehindPooler = false,
): AlertWatch {
  // Of its own: a receiver that is slow must not cost the API a connection.
  const pool = makePool(serverConnectionString, 1, log, isBehindPooler);
  const stopping = new AbortController();
  const staleSeconds = STALE_INTERVAL_COUNT * config.alertEverySeconds;
  // Workers that start together with the server have their time.
  const begin = Date.now() + staleSeconds * 1000;
  let current: Promise<void> | undefined;

  const look = async () => {
    const client = await pool.connect();
    try {
      if (await needsWatch(client, staleSeconds)) {
        await evaluateAndSend(client, config, stopping.signal, log);
      }
      client.release();
    } catch (error) {
      client.release(true);
      throw error;
    }
  };
  const timer = setInterval(() => {
    if (current !== undefined || Date.now() < begin) return;
    current = look()
      .catch((error: Error) => {
        if (!stopping.signal.aborted) log.warn("alerts not watched", { reason: error.message });
      })
      .finally(() => {
        current = undefined;
      });
  }, config.alertEverySeconds * 1000);

  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await current;
      await pool.end();
    },
  };
}

async function asAdmin<Row>(client: ClientBase, text: string, values: unknown[]): Promise<Row[]> {
  const settings = { role: "saldo_admin", statement_timeout: "30s" };
  return await withRole(client, { settings }, async () => {
    const { rows } = await client.query(text, values);
    return rows as Row[];
  });
}

async function needsWatch(client: ClientBase, staleSeconds: number): Promise<boolean> {
  const [row] = await asAdmin<{ is_needed: boolean }>(
    client,
    "select saldo_private.needs_alert_watch($1) as is_needed",
    [staleSeconds],
  );
  return row?.is_needed === true;
}

async function evaluateAndSend(
  client: ClientBase,
  config: AlertConfig,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  // What waits is sent whether or not there could be anything new.
  await asAdmin(client, "select saldo.evaluate_alerts()", []).catch((error: Error) =>
    log.error("alerts not evaluated", { reason: error.message }),
  );
  const due = await asAdmin<{ id: string }>(
    client,
    "select id from saldo_private.due_alert_deliveries($1, 0)",
    [channelsOf(config)],
  );
  log.warn("no worker takes care of alerts: the server does", { messages: due.length });
  for (const { id } of due) {
    if (signal.aborted) return;
    const outcome = await deliverAlert(client, id, config, signal);
    if (outcome?.error !== undefined) {
      log.warn("an alert was not delivered", { delivery: id, ...outcome });
    }
  }
}
