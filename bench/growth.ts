/**
 * `npm run bench -- growth`: whether the same costs the same as a ledger grows. One database is made
 * longer from size to size, and at each all calls are measured in turns with a plain insert, by the
 * processor time that PostgreSQL spends on them.
 */
import { loadavg } from "node:os";
import type { Client } from "pg";
import { type CostMeter, costMeter } from "./cost.ts";
import { type CpuClock, cpuClock } from "./cpu.ts";
import type { Driver, Scenario } from "./driver.ts";
import {
  accounts,
  growLines,
  growRows,
  keyOf,
  type Length,
  lengthOf,
  monthAt,
  openGrown,
  passSealer,
} from "./growth_books.ts";
import { counted, type Figure, growthText, type Stage, type TableSize } from "./growth_text.ts";
import { drain, type HotAccounts, prepareHot, submit } from "./hot_scenarios.ts";
import { median } from "./measure.ts";
import { ceiling, purchase } from "./scenarios.ts";

const numbers = (text: string) => text.split(",").map(Number);
const sizes = numbers(process.env["BENCH_GROWTH_LINES"] ?? "10000,5000000,50000000");
const largestKeys = Number(process.env["BENCH_GROWTH_KEYS"] ?? 5_000_000);
const rounds = Number(process.env["BENCH_GROWTH_ROUNDS"] ?? 3);
const seconds = Number(process.env["BENCH_GROWTH_SECONDS"] ?? 3);
const connections = 8;
const runs = 3;
const repeats = 200;
const newTransfers = 5000;
const transfersPerCall = 1000;
const touchedAccounts = 1000;

function scenarios(first: number, hot: HotAccounts, length: Length, keys: number): Scenario[] {
  const pair = `:place::int + ${first},
    (:place::int + :distance::int) % ${accounts} + ${first}`;
  const variables = { place: [0, accounts - 1], distance: [1, accounts - 1] } as const;
  const page = { place: [0, length.accounts - 1], month: [0, length.months - 1] } as const;
  // The first month has pages of few accounts only.
  const month = length.months === 1 ? ":month::int" : "greatest(:month::int, 1)";
  const days = `${monthAt(0).replace("=> 0", `=> ${month}`)}`;
  return [
    {
      name: "transfer",
      sql: `select id from saldo.transfer(${pair}, 1)`,
      variables,
      unitsPerCall: 1,
    },
    {
      name: "transfer under a key",
      sql: `select id from saldo.transfer(${pair}, 1,
        idempotency_key => gen_random_uuid()::text)`,
      variables,
      unitsPerCall: 1,
    },
    purchase,
    submit(hot, "one hot account: submit_transaction"),
    {
      name: "a submission asked for again, by its key",
      sql: `select (saldo.submit_transaction(${hot.hot}, 1, 'debit',
        idempotency_key => ${keyOf("(:key::int)")})).id`,
      variables: { key: [1, keys] },
      unitsPerCall: 1,
    },
    {
      name: "account_statement of a month",
      sql: `select count(*) from saldo.account_statement(:place::int + ${first}, ${days},
        (${days} + interval '1 month - 1 day')::date)`,
      variables: page,
      unitsPerCall: 1,
    },
    {
      name: "balance_at in the middle of a month",
      sql: `select saldo.balance_at(:place::int + ${first}, ${days} + interval '14 days')`,
      variables: page,
      unitsPerCall: 1,
    },
  ];
}

/** Everything in turn, round after round: what changes on the machine meets all of them. */
async function measured(
  meter: CostMeter,
  list: Scenario[],
  between: () => Promise<unknown>,
): Promise<Figure[]> {
  const micros = new Map<Scenario, number[]>([ceiling, ...list].map((each) => [each, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [scenario, taken] of micros) {
      const turn = await meter.turn(scenario, connections, seconds);
      taken.push((turn.postgres / turn.done) * 1e6);
      await between();
    }
  }
  const top = micros.get(ceiling) ?? [];
  return [...micros].map(([{ name }, taken]) => ({
    name,
    micros: median(taken),
    ratio: median(taken.map((value, round) => value / (top[round] ?? Number.NaN))),
  }));
}

/** What is asked for beside postings; what comes before a statement is not counted. */
const statements: [name: string, text: string, hasNews?: boolean][] = [
  [`incremental check of ${2 * newTransfers} new lines`, "select saldo.reconcile()", true],
  ["incremental check of nothing new", "select saldo.reconcile()"],
  [`seal of ${2 * newTransfers} new lines`, "select count(*) from saldo.seal_journal()", true],
  ["settlement of nothing", "select count(*) from saldo.settle_sub_balances()"],
  ["settlement_health", "select count(*) from saldo.settlement_health()"],
  ["seal_status", "select count(*) from saldo.seal_status()"],
  ["evaluate_alerts", "select saldo.evaluate_alerts()"],
  ["figures for Prometheus", "select count(*) from saldo_private.health_metric()"],
  ["expire_holds", "select count(*) from saldo.expire_holds()"],
  ["is_check_due", "select saldo_private.is_check_due()"],
  ["a step of retention", "select count(*) from saldo.continue_retention()"],
  ["find_entries, a page", "select count(*) from saldo.find_entries()"],
  ["trial_balance", "select count(*) from saldo.trial_balance()"],
  ["balance_sheet", "select count(*) from saldo.balance_sheet()"],
];

async function transferAmong(client: Client, first: number): Promise<void> {
  for (let from = 0; from < newTransfers; from += transfersPerCall) {
    await client.query(
      `select count(*) from saldo.transfer_many((
        select array_agg(($1 + g * 37 % $4::bigint, $1 + (g * 37 + 11) % $4::bigint, 1, null,
          null, null)::saldo.transfer_request)
        from generate_series($2::bigint, $2 + $3::bigint - 1) as g))`,
      [first, from, transfersPerCall, touchedAccounts],
    );
  }
}

/** Milliseconds of processor time of a statement; a quick one is repeated, since Linux counts in ticks. */
async function millis(client: Client, clock: CpuClock | undefined, text: string, times = 1) {
  const until = performance.now() + 1000;
  const before = clock?.ofPostgres() ?? Number.NaN;
  let done = 0;
  while (done === 0 || (done < times && performance.now() < until)) {
    await client.query(text);
    done += 1;
  }
  return (((clock?.ofPostgres() ?? Number.NaN) - before) * 1000) / done;
}

async function statementCosts(client: Client, clock: CpuClock | undefined, first: number) {
  const costs: Stage["statements"] = [];
  for (const [name, text, hasNews = false] of statements) {
    const taken: number[] = [];
    // The first run is not counted: it may read what nobody has read before.
    for (let run = 0; run <= runs; run += 1) {
      if (hasNews) await transferAmong(client, first);
      taken.push(await millis(client, clock, text, hasNews ? 1 : repeats));
    }
    costs.push([name, median(taken.slice(1))]);
    console.log(`${name}: ${costs.at(-1)?.[1].toFixed(2)} ms`);
  }
  return costs;
}

/** A full check finds nothing, or the run is worth nothing. */
async function fullCheck(client: Client, clock: CpuClock | undefined): Promise<number> {
  const cost = await millis(client, clock, "select saldo.check_balance_health()");
  const { rows } = await client.query(
    "select status, finding_count from saldo.check_run order by number desc limit 1",
  );
  if (rows[0]?.status !== "healthy") throw new Error(`The check says ${JSON.stringify(rows[0])}.`);
  return cost;
}

async function tableSizes(client: Client): Promise<TableSize[]> {
  const { rows } = await client.query<TableSize>(
    `select c.relname as name, c.reltuples::float8 as rows, pg_table_size(c.oid)::float8 as bytes,
      pg_indexes_size(c.oid)::float8 as "indexBytes"
    from pg_class as c
    where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
    and c.relname in ('journal_entry', 'journal_line', 'month_movement', 'sub_balance',
      'idempotency_record')
    order by c.relname`,
  );
  return rows;
}

/** What a run has to work with. */
interface Bench {
  client: Client;
  driver: Driver;
  connectionString: string;
}

/**
 * Grows the ledger through the sizes, and says what each call costs at each. A run takes hours: what
 * is known so far is told after each size.
 */
export async function growthReport(
  { client, driver, connectionString }: Bench,
  head: string,
  tell: (text: string) => Promise<void>,
): Promise<string> {
  const first = await openGrown(client);
  const hot = await prepareHot(client);
  const meter = await costMeter(client, driver);
  const clock = await cpuClock(client);
  const settings = { head, accounts, connections, rounds, seconds };
  const stages: Stage[] = [];
  for (const [place, lines] of sizes.entries()) {
    const before = stages.at(-1);
    const keys = Math.min(lines, largestKeys);
    console.log(`growing to ${counted(lines)} lines and ${counted(keys)} submitted rows`);
    const length = lengthOf(lines);
    await growLines(connectionString, first, sizes[place - 1] ?? 0, length);
    await growRows(client, hot, before?.keys ?? 0, keys);
    await client.query("vacuum (analyze)");
    await client.query("checkpoint");
    const check = await fullCheck(client, clock);
    await passSealer(client);
    console.log(`full check: ${check.toFixed(0)} ms; ${new Date().toISOString()}`);
    const figures = await measured(meter, scenarios(first, hot, length, keys), () => drain(client));
    for (const { name, micros, ratio } of figures) {
      console.log(`${name}: ${micros.toFixed(1)} us, ${ratio.toFixed(2)}`);
    }
    const costs = await statementCosts(client, clock, first);
    stages.push({
      lines,
      keys,
      figures,
      statements: [...costs, ["full check (it reads all)", check]],
      tables: await tableSizes(client),
      load: loadavg()
        .map((value) => value.toFixed(1))
        .join(", "),
    });
    await tell(growthText(settings, stages));
  }
  return growthText(settings, stages);
}
