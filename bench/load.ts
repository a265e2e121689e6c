import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { type Measurement, table } from "./measure.ts";
import { drive, type Outcome, quantile } from "./offered_load.ts";
import { startServer } from "./server.ts";

const seconds = Number(process.env.BENCH_LOAD_SECONDS ?? 10);
const plans = [
  ...[10, 30, 50, 100].map((rate) => ({ accounts: 1, rate })),
  ...[10, 30, 50, 100, 200, 300].map((rate) => ({ accounts: 5, rate })),
];

/** Whether money and rows are what was acknowledged, no more and no less. */
async function verdict(client: Client, accounts: string[], outcomes: Outcome[]): Promise<string> {
  const ids = outcomes.map(({ id }) => id).filter((id) => id !== undefined);
  const { rows } = await client.query<{ rows: string; known: string; sum: string; shown: string }>(
    `select count(s.id) as rows, count(s.id) filter (where s.id = any ($2::uuid[])) as known,
      coalesce(sum(s.amount), 0) as sum,
      (select sum((saldo.balances(a)).available_balance) from unnest($1::bigint[]) as a) as shown
    from saldo.sub_balance as s
    where s.account_id = any ($1::bigint[])`,
    [accounts, ids],
  );
  const [found] = rows;
  const isWhole =
    new Set(ids).size === ids.length &&
    Number(found?.known) === ids.length &&
    Number(found?.sum) === Number(found?.shown) &&
    // What was not acknowledged may be there or not, once.
    Number(found?.rows) <= outcomes.length;
  while (Number(await one(client, "select pending_count from saldo.settlement_health()")) > 0) {
    await sleep(200);
  }
  const status = await one(client, "select status from saldo.check_balance_health()");
  return isWhole && status === "healthy" ? "exact" : `NOT EXACT (${JSON.stringify(found)})`;
}

async function one(client: Client, text: string): Promise<unknown> {
  const { rows } = await client.query({ text, rowMode: "array" });
  return rows[0]?.[0];
}

async function openAccounts(client: Client, count: number, name: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `select (saldo.make_account_hot((saldo.open_account($2 || g, $2 || g, 'liability',
      min_balance => 0)).id)).id
    from generate_series(1, $1) as g`,
    [count, name],
  );
  return rows.map(({ id }) => id);
}

/** Runs all rates through GraphQL, then `openThrottle`, and writes the report. */
export async function loadReport(
  connectionString: string,
  head: string[],
  openThrottle: () => Promise<Measurement[]>,
): Promise<string> {
  const client = new Client({ connectionString });
  await client.connect();
  const server = await startServer(connectionString);
  const lines = [
    "| accounts | offered/s | sent | success | answered/s | p50 ms | p95 ms | p99 ms | balances |",
    "|---:|---:|---:|---:|---:|---:|---:|---:|---|",
  ];
  console.log(lines.join("\n"));
  try {
    // What a first request pays (plans, connections) is no matter of load.
    await drive(server, await openAccounts(client, 1, "warm-up "), 20, seconds);
    for (const [index, plan] of plans.entries()) {
      const accounts = await openAccounts(client, plan.accounts, `load ${index} `);
      const startedAt = performance.now();
      const outcomes = await drive(server, accounts, plan.rate, seconds);
      const took = (performance.now() - startedAt) / 1000;
      const good = outcomes.filter(({ id }) => id !== undefined).length;
      const times = outcomes.map(({ ms }) => ms).toSorted((a, b) => a - b);
      const cells = [
        plan.accounts,
        plan.rate,
        outcomes.length,
        `${((100 * good) / outcomes.length).toFixed(2)}%`,
        (good / took).toFixed(1),
        ...[0.5, 0.95, 0.99].map((share) => quantile(times, share)),
        await verdict(client, accounts, outcomes),
      ];
      lines.push(`| ${cells.join(" | ")} |`);
      console.log(lines.at(-1));
    }
  } finally {
    await server.stop();
    await client.end();
  }
  return [
    "# Load report",
    "",
    ...head,
    `- ${seconds} s at each rate, submitTransaction over GraphQL on hot accounts, server and jobs ` +
      "in one process; a time counts from when the request was due, so that a server that stalls " +
      "is charged for all who wait",
    "- balances: *exact* when every acknowledged transaction is there once, the accounts show " +
      "their sum, and after settlement all rules find nothing",
    "",
    ...lines,
    "",
    "## Open throttle, in SQL",
    "",
    ...table(await openThrottle()),
    "",
  ].join("\n");
}
