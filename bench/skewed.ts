/**
 * `npm run bench -- skewed`: a hundred thousand accounts, none of which may fall below zero, and
 * payments between them that are drawn unevenly (Zipf, 1.001): the first account has a part in every
 * sixth. As they come, all on rows of their own, and with the hundred that are drawn most made hot: what
 * is accepted in a second and what is settled are two figures then.
 */
import type { Client } from "pg";
import { costMeter, type Turn } from "./cost.ts";
import type { Driver, Scenario } from "./driver.ts";
import { drain, settleMeanwhile } from "./hot_scenarios.ts";
import { ceiling } from "./scenarios.ts";

const accounts = Number(process.env["BENCH_SKEWED_ACCOUNTS"] ?? 100_000);
const hotAccounts = 100;
const funds = 1_000_000_000;
const batch = 1000;
const connectionCounts = [1, 8, 32] as const;
const rounds = 2;
const seconds = Number(process.env["BENCH_SECONDS"] ?? 5);

/** Opens the accounts in one statement, so that their ids follow each other; the first of them. */
async function openAccounts(client: Client): Promise<number> {
  await client.query(
    `select count(saldo.open_account('skewed' || g, 'Skewed', 'liability', min_balance => 0))
    from generate_series(1, $1) as g`,
    [accounts],
  );
  const { rows } = await client.query<{ first: string; last: string }>(
    "select min(id) as first, max(id) as last from saldo.account where code like 'skewed%'",
  );
  const first = Number(rows[0]?.first);
  if (Number(rows[0]?.last) !== first + accounts - 1) throw new Error("ids are not in a row");
  for (let from = first; from < first + accounts; from += 10_000) {
    await client.query(
      `select count(*) from saldo.transfer_many((
        select array_agg(((select id from saldo.account where code = 'bench1'), id, $1::numeric,
          'Opening', null, null)::saldo.transfer_request)
        from generate_series($2::bigint, $3::bigint) as id))`,
      [funds, from, Math.min(from + 9_999, first + accounts - 1)],
    );
  }
  await client.query("vacuum analyze");
  await client.query("checkpoint");
  return first;
}

const drawn = { one: [1, accounts, "skewed"], other: [1, accounts, "skewed"] } as const;
/** Two drawn numbers as ids of two accounts: where they are one, its neighbour pays. */
const pair = (first: number) => `${first - 1} + :one::bigint,
  ${first - 1} + case when :one::int <> :other::int then :other::bigint
    else (:other::int % ${accounts} + 1)::bigint end`;

const payment = (first: number, name: string): Scenario => ({
  name,
  sql: `select id from saldo.transfer(${pair(first)}, 1)`,
  variables: drawn,
  unitsPerCall: 1,
});

/** As many as there are in a batch of others, drawn by the server: by the same distribution. */
const payments = (first: number, name: string): Scenario => ({
  name,
  sql: `select count(*) from saldo.transfer_many((
    select array_agg((${first} + d.one, ${first} + case when d.one = d.other
      then (d.other + 1) % ${accounts} else d.other end, 1, null, null, null)::saldo.transfer_request)
    from (
      select floor(exp(random() * ln(${accounts})))::int - 1 as one,
        floor(exp(random() * ln(${accounts})))::int - 1 as other
      from generate_series(1, ${batch} + 0 * :seed::int)
      offset 0
    ) as d))`,
  variables: { seed: [1, 1000] },
  unitsPerCall: batch,
});

const sum = (turns: readonly Turn[], pick: (turn: Turn) => number) =>
  turns.reduce((total, turn) => total + pick(turn), 0);

/** Rows of the table: the candidate and plain inserts in turn, at each number of connections. */
async function compare(
  client: Client,
  driver: Driver,
  scenarios: readonly Scenario[],
): Promise<string[]> {
  const meter = await costMeter(client, driver);
  const rows: string[] = [];
  for (const connections of connectionCounts) {
    const turns = new Map<Scenario, Turn[]>();
    for (let round = 0; round < rounds; round += 1) {
      for (const scenario of [ceiling, ...scenarios]) {
        // Whoever holds one account of a batch waits for another that somebody holds: four suffice.
        const own = scenario.unitsPerCall > 1 ? Math.min(connections, 4) : connections;
        const turn = await meter.turn(scenario, own, seconds);
        turns.set(scenario, [...(turns.get(scenario) ?? []), turn]);
      }
    }
    const rate = (scenario: Scenario) => {
      const own = turns.get(scenario) ?? [];
      return sum(own, (turn) => turn.done) / sum(own, (turn) => turn.seconds);
    };
    for (const scenario of scenarios) {
      const own = turns.get(scenario) ?? [];
      const micros = (sum(own, (turn) => turn.postgres) / sum(own, (turn) => turn.done)) * 1e6;
      const row = `| ${[
        scenario.name,
        connections,
        Math.round(rate(scenario)).toLocaleString("en"),
        (rate(scenario) / rate(ceiling)).toFixed(2),
        micros.toFixed(0),
      ].join(" | ")} |`;
      console.log(row);
      rows.push(row);
    }
  }
  return rows;
}

/** What is accepted in a second while a worker settles, and what is settled of it. */
async function settledMeanwhile(
  client: Client,
  driver: Driver,
  connectionString: string,
  first: number,
): Promise<string> {
  const hot: Scenario = {
    name: "hot",
    // To the accounts that are hot, as one that takes payments would be used.
    sql: `select (saldo.submit_transaction(${first - 1} + :one::bigint, 1, 'credit')).id`,
    variables: { one: [1, hotAccounts, "skewed"] },
    unitsPerCall: 1,
  };
  await drain(client);
  const settled = async () => {
    const { rows } = await client.query<{ count: string }>(
      "select coalesce(sum(row_count), 0) as count from saldo.settlement",
    );
    return Number(rows[0]?.count);
  };
  const before = await settled();
  const stop = await settleMeanwhile(connectionString);
  const startedAt = performance.now();
  const accepted = await driver.run(hot, 32, seconds * 2);
  const ranFor = (performance.now() - startedAt) / 1000;
  const meanwhile = (await settled()) - before;
  await stop();
  const left = await drain(client);
  const all = (performance.now() - startedAt) / 1000;
  const total = meanwhile + left;
  return (
    `Submissions to the ${hotAccounts} hot accounts, 32 connections, a worker settling beside them: ` +
    `${Math.round(accepted).toLocaleString("en")} accepted a second, ` +
    `${Math.round(meanwhile / ranFor).toLocaleString("en")} settled a second; all ` +
    `${total.toLocaleString("en")} were settled ${(all - ranFor).toFixed(1)} s after the last.`
  );
}

/** Runs both shapes and writes what they came to. */
export async function skewedReport(
  client: Client,
  driver: Driver,
  connectionString: string,
  head: readonly string[],
): Promise<string> {
  const first = await openAccounts(client);
  const plain = await compare(client, driver, [
    payment(first, "a payment"),
    payments(first, `payments, ${batch} a call`),
  ]);
  await client.query(
    "select count(saldo.make_account_hot(id)) from generate_series($1::bigint, $2) as id",
    [first, first + hotAccounts - 1],
  );
  const stop = await settleMeanwhile(connectionString);
  const hot = await compare(client, driver, [
    payment(first, `a payment, ${hotAccounts} accounts hot, settled meanwhile`),
  ]);
  await stop();
  const apart = await settledMeanwhile(client, driver, connectionString, first);
  return [
    "# Uneven payments between many accounts",
    "",
    (head[0] ?? "").replace(/, \d+ connections/, ""),
    `- ceiling = ${ceiling.name} per transaction; ${rounds} rounds of ${seconds} s, all in turn`,
    `- ${accounts.toLocaleString("en")} accounts that may not fall below zero; both sides of a payment`,
    "  drawn by Zipf, 1.001; PostgreSQL's processor time is that of all it does meanwhile",
    "",
    "| payments | connections | accepted a second | of plain inserts | PostgreSQL, µs |",
    "|---|---:|---:|---:|---:|",
    ...plain,
    ...hot,
    "",
    apart,
    "",
  ].join("\n");
}
