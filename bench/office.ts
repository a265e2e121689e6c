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
      select * from saldo.wallet_history((select min(id) from saldo.member), true) limit 50) as page`,
  ],
];

/** Begins to ask; `close` ends it and returns the rows of a table of how long each took. */
export function openOffice(connectionString: string): { close(): Promise<string[]> } {
  const stop = new AbortController();
  const pause = (seconds: number) =>
    sleep(seconds * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
  const desks = requests.map(async ([name, seconds, statement]) => {
    const client = new Client({ connectionString });
    await client.connect();
    const times: number[] = [];
    while (!stop.signal.aborted) {
      const askedAt = performance.now();
      await client.query(statement);
      times.push(performance.now() - askedAt);
      await pause(seconds);
    }
    await client.end();
    times.sort((a, b) => a - b);
    const ms = (share: number) => quantile(times, share);
    return `| ${name} | ${times.length} | ${ms(0.5)} | ${ms(1)} |`;
  });
  return {
    close: () => {
      stop.abort();
      return Promise.all(desks);
    },
  };
}
