import type { Client } from "pg";
import { type CpuClock, cpuClock } from "./cpu.ts";
import type { Driver, Scenario } from "./driver.ts";
import { measure, median, row } from "./measure.ts";

const accounts = Number(process.env.BENCH_BOOK_ACCOUNTS ?? 20_000);
const months = 60;
const firstMonth = "2020-01-01";
const statementRuns = 7;
// The clock ticks a hundred times a second.
const cpuRuns = 20;

/** Statements over five years of many accounts, and what a posting into the past costs. */
export async function booksReport(
  client: Client,
  driver: Driver,
  head: readonly string[],
): Promise<string> {
  console.log(`growing ${accounts} accounts by ${months} months`);
  await grow(client);
  const clock = await cpuClock(client);
  const lines: string[] = [];
  const add = async (name: string, text: string, month: number) =>
    lines.push(line(name, await statement(client, clock, text, [await dateAt(client, month)])));
  await add("trial balance with openings, a month in the middle, no year kept", trial, 30);
  const keeping = await keepYears(client);
  // The middle of a year is the farthest from where years end.
  await add("the same, years kept", trial, 30);
  await add("the same, restated", restated, 30);
  await add("trial balance with openings, the last month", trial, months - 1);
  await add("one account's twelve months", year, 30);
  const seconds = (await milliseconds(client, close, [await dateAt(client, 24)], 1)) / 1000;
  await add("trial balance of the month in the middle, closed half a year before", trial, 30);
  await add("trial balance of the month after the last closed one", trial, 25);
  const now = await measure(driver, posting("a transfer of today", "now()"));
  const past = await measure(
    driver,
    posting(
      `a transfer dated ${months - 26} months back, into a kept year`,
      `'${await dateAt(client, 26)}'`,
    ),
  );
  return [
    "# Books",
    "",
    ...head,
    `- ${accounts.toLocaleString("en")} accounts with a line in each of ${months} months`,
    "",
    "| statement | milliseconds (median) | CPU on one core, milliseconds |",
    "|---|---:|---:|",
    ...lines,
    "",
    `Keeping a year: ${keeping.toFixed(1)} s (median).`,
    `Closing the first 24 months, all rules checked before: ${seconds.toFixed(0)} s.`,
    "",
    "| posting | per second | ceiling per second | ratio | goal |",
    "|---|---:|---:|---:|---:|",
    row(now),
    row(past),
    "",
  ].join("\n");
}

const trial = `select count(*), sum(t.opening + t.debit + t.credit + t.closing)
  from saldo.trial_balance_between($1::date, ($1::date + interval '1 month - 1 day')::date) as t`;
const restated = trial.replace("::date) as t", "::date, 'restated') as t");
const year = `select count(*), sum(m.closing) from saldo.monthly_balance(
  (select id from saldo.account where code = 'book-77'),
  ($1::date - interval '11 months')::date, $1) as m`;
const close = "select saldo.close_period($1::date)";

function posting(name: string, at: string): Scenario {
  return {
    name,
    sql: `select id from saldo.transfer(
      (select id from saldo.account where code = 'book-' || :first::int),
      (select id from saldo.account where code = 'book-' || (:first::int + 1)), 1,
      occurred_at => ${at}::timestamptz)`,
    variables: { first: [1, accounts - 1] },
    unitsPerCall: 1,
  };
}

interface Taken {
  wall: number;
  cpu: number | undefined;
}

const line = (name: string, { wall, cpu }: Taken) =>
  `| ${name} | ${wall.toFixed(1)} | ${cpu?.toFixed(1) ?? ""} |`;

/** How long a statement takes as it is, and how much of one core where it has no more. */
async function statement(
  client: Client,
  clock: CpuClock | undefined,
  text: string,
  values: unknown[],
): Promise<Taken> {
  const wall = await milliseconds(client, text, values);
  const { rows } = await client.query("select pg_backend_pid() as pid");
  await client.query("set max_parallel_workers_per_gather = 0");
  const before = clock?.ofProcess(rows[0].pid) ?? 0;
  for (let run = 0; run < cpuRuns; run += 1) await client.query(text, values);
  const cpu = clock && ((clock.ofProcess(rows[0].pid) - before) / cpuRuns) * 1000;
  await client.query("reset max_parallel_workers_per_gather");
  return { wall, cpu };
}

/** Keeps all years as maintenance does; the seconds of each, their median. */
async function keepYears(client: Client): Promise<number> {
  const taken: number[] = [];
  for (;;) {
    const startedAt = performance.now();
    const { rows } = await client.query("select saldo_private.keep_year() as year");
    if (rows[0].year === null) break;
    taken.push((performance.now() - startedAt) / 1000);
  }
  await client.query("vacuum analyze saldo_private.year_movement");
  return median(taken);
}

async function dateAt(client: Client, month: number): Promise<string> {
  const { rows } = await client.query(
    "select ($1::date + make_interval(months => $2))::date::text as day",
    [firstMonth, month],
  );
  return rows[0].day;
}

async function grow(client: Client): Promise<void> {
  await client.query(
    `select count(saldo.open_account('book-' || g, 'Book', 'liability'))
    from generate_series(1, $1) as g`,
    [accounts],
  );
  for (let month = 0; month < months; month += 1) {
    for (let from = 1; from < accounts; from += 20_000) {
      await client.query(
        `select count(*) from saldo.transfer_many((
          select array_agg((one.id, other.id, 100 + $3, null, null,
            $4::date + interval '14 days')::saldo.transfer_request)
          from generate_series($1::int, $2::int, 2) as g
          join saldo.account as one on one.code = 'book-' || g
          join saldo.account as other on other.code = 'book-' || (g + 1)))`,
        [from, Math.min(from + 19_999, accounts), month, await dateAt(client, month)],
      );
    }
  }
  await client.query("vacuum analyze");
}

async function milliseconds(
  client: Client,
  text: string,
  values: unknown[],
  runs = statementRuns,
): Promise<number> {
  const taken: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const startedAt = performance.now();
    await client.query(text, values);
    taken.push(performance.now() - startedAt);
  }
  return median(taken);
}
