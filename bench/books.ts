import type { Client } from "pg";
import type { Driver, Scenario } from "./driver.ts";
import { measure, median, row } from "./measure.ts";

const accounts = Number(process.env.BENCH_BOOK_ACCOUNTS ?? 20_000);
const months = 60;
const firstMonth = "2020-01-01";
const statementRuns = 7;

/** Statements over five years of many accounts, and what a posting into the past costs. */
export async function booksReport(
  client: Client,
  driver: Driver,
  head: readonly string[],
): Promise<string> {
  console.log(`growing ${accounts} accounts by ${months} months`);
  await grow(client);
  const middle = await dateAt(client, 30);
  const statements = [
    ["trial balance with openings, a month in the middle, nothing closed", trial, [middle]],
    ["trial balance with openings, the last month", trial, [await dateAt(client, months - 1)]],
    ["one account's twelve months", year, [middle]],
  ] as const;
  const lines: string[] = [];
  for (const [name, text, values] of statements) {
    lines.push(line(name, await milliseconds(client, text, [...values])));
  }
  const seconds = (await milliseconds(client, close, [await dateAt(client, 24)], 1)) / 1000;
  for (const [name, month] of [
    ["trial balance of the month in the middle, closed half a year before", 30],
    ["trial balance of the month after the last closed one", 25],
  ] as const) {
    lines.push(line(name, await milliseconds(client, trial, [await dateAt(client, month)])));
  }
  const now = await measure(driver, posting("a transfer of today", "now()"));
  const past = await measure(
    driver,
    posting(`a transfer dated ${months - 26} months back`, `'${await dateAt(client, 26)}'`),
  );
  return [
    "# Books",
    "",
    ...head,
    `- ${accounts.toLocaleString("en")} accounts with a line in each of ${months} months`,
    "",
    "| statement | milliseconds (median) |",
    "|---|---:|",
    ...lines,
    "",
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

const line = (name: string, value: number) => `| ${name} | ${value.toFixed(1)} |`;

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
