/**
 * What people and jobs ask for beside the calls of customers: checks, statements, a new price, the
 * nightly sync. Each at its own pace, one after the other, on a connection of its own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { quantile } from "./offered_load.ts";

/** What is asked for, how long after its last answer in seconds, and the statement. */
const requests: readonly (readonly [string, number, string])[] = [
  ["incremental check", 10, "select saldo.reconcile()"],
  ["full check", 30, "select saldo.check_balance_health()"],
  [
    "new price",
    20,
    `select saldo.change_tariff_version(
      (select max(id) from saldo.tariff_version), 4000 + (random() * 1000)::integer)`,
  ],
  ["sync of customers' months, a slice", 5, "select saldo.continue_monthly_sync()"],
  ["seal_status", 2, "select saldo.seal_status()"],
  ["trial balance", 5, "select count(*) from saldo.trial_balance()"],
  [
    "statement of an account",
    1,
    `select count(*) from saldo.account_statement(
      (select min(id) from saldo.account), current_date - 30, current_date)`,
  ],
  [
    "wallet history, a page",
    1,
    `select count(*) from (
      select * from saldo.wallet_history((select min(id) from saldo.member), true) limit 50
    ) as page`,
  ],
];

/** Begins to ask; `close` ends it and returns the rows of a table of how long each took. */
export function openOffice(connectionString: string): { close(): Promise<string[]> } {
  const stop = new AbortController();
  const desks = requests.map((request) => sitAt(request, connectionString, stop.signal));
  // What fails is told by close; until then nobody waits for it.
  const all = Promise.allSettled(desks);
  return {
    async close() {
      stop.abort();
      await all;
      return Promise.all(desks);
    },
  };
}

async function sitAt(
  [name, seconds, statement]: (typeof requests)[number],
  connectionString: string,
  signal: AbortSignal,
): Promise<string> {
  const client = new Client({ connectionString, application_name: "saldo bench office" });
  await client.connect();
  const times: number[] = [];
  try {
    while (!signal.aborted) {
      const askedAt = performance.now();
      await client.query(statement);
      times.push(performance.now() - askedAt);
      await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await client.end();
  }
  times.sort((a, b) => a - b);
  const ms = (share: number) => quantile(times, share);
  return `| ${name} | ${times.length} | ${ms(0.5)} | ${ms(1)} |`;
}
