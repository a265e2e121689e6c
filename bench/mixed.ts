/**
 * `npm run bench -- mixed`: everything at once on a new database, with a server, its jobs and an
 * office that asks for checks and statements beside it, stretch after stretch. What costs more as
 * time goes by, and a transaction that holds back what PostgreSQL may clean up, are seen here; a
 * bench of one call on tables at rest shows neither.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { type CpuClock, cpuClock } from "./cpu.ts";
import type { Driver, Scenario } from "./driver.ts";
import { drain } from "./hot_scenarios.ts";
import { prepareMeters } from "./metering.ts";
import { openOffice } from "./office.ts";
import { startServer } from "./server.ts";

const stretches = Number(process.env["BENCH_MIXED_STRETCHES"] ?? 4);
const seconds = Number(process.env["BENCH_MIXED_SECONDS"] ?? 25);
const members = 1000;
const lookEveryMs = 100;

/** Calls, each with how many connections make them. */
type Mix = readonly (readonly [Scenario, number])[];

interface Stretch {
  /** Calls a second, in the order of the mix. */
  readonly rates: readonly number[];
  /** PostgreSQL's processor time for each call, in microseconds. */
  readonly postgresUs: number;
  /** The longest transaction of a job or of the office, in seconds, and what it was doing. */
  readonly longest: { readonly seconds: number; readonly statement: string };
}

async function one(client: Client, text: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(text);
  return rows[0]?.id ?? "";
}

/** What is called, on accounts and meters made for it. */
async function mixOf(client: Client): Promise<Mix> {
  const hot = await one(
    client,
    `select (saldo.make_account_hot((saldo.open_account('mixed', 'Mixed', 'liability',
      min_balance => 0)).id)).id`,
  );
  await client.query("select saldo.submit_transaction($1, 1000000000, 'credit')", [hot]);
  await drain(client);
  const product = await one(client, "select id from saldo.product where code = 'bench'");
  await prepareMeters(client);
  const { rows } = await client.query<{ first: number; last: number }>(
    "select min(id)::integer as first, max(id)::integer as last from saldo.meter",
  );
  const { first = 1, last = 1 } = rows[0] ?? {};
  const member = { member: [1, members] } as const;
  const meter = { meter: [first, last] } as const;
  const purchase = (more: string) =>
    `saldo.purchase_with_balance_deduction(:member::bigint, ${product}, 100${more})`;
  const call = (name: string, sql: string, variables: Scenario["variables"] = {}): Scenario => ({
    name,
    sql: `select ${sql}`,
    variables,
    unitsPerCall: 1,
  });
  return [
    [call("purchase", purchase(", idempotency_key => gen_random_uuid()::text"), member), 2],
    [call("purchase, paid back", `saldo.refund_purchase((${purchase("")}).id, 'no')`, member), 1],
    [
      call(
        "pending purchase, completed",
        `saldo.complete_purchase((${purchase(", hold_only => true")}).id)`,
        member,
      ),
      1,
    ],
    [
      call(
        "top-up",
        "saldo.top_up(:member::bigint, 100, idempotency_key => gen_random_uuid()::text)",
        member,
      ),
      1,
    ],
    [
      call("transfer", "saldo.transfer(:one::bigint, :other::bigint, 1)", {
        one: [1, 500],
        other: [501, 1000],
      }),
      1,
    ],
    [
      call(
        "submission",
        `saldo.submit_transaction(${hot}, 1.25, 'credit',
          idempotency_key => gen_random_uuid()::text)`,
      ),
      2,
    ],
    [call("submission, debit", `saldo.submit_transaction(${hot}, 1, 'debit')`), 1],
    [call("hold, captured", `saldo.capture_hold((saldo.place_hold(${hot}, 1)).id)`), 1],
    [
      call("hold that runs out", `saldo.place_hold(${hot}, 1, expires_in => interval '3 seconds')`),
      1,
    ],
    [call("reading of now", "saldo.add_reading(:meter::bigint, now(), volume => 1)", meter), 1],
    [
      call(
        "late reading",
        `saldo.add_reading(:meter::bigint, now() - make_interval(mins => :minutes::int),
          volume => 1)`,
        { ...meter, minutes: [1, 100_000] },
      ),
      1,
    ],
  ];
}

/** Looks at what the server's jobs are doing until it is told to stop; the longest of it. */
function watchJobs(connectionString: string) {
  let longest = { seconds: 0, statement: "" };
  let isOver = false;
  const watching = (async () => {
    const client = new Client({ connectionString });
    await client.connect();
    while (!isOver) {
      const { rows } = await client.query<{ seconds: number; statement: string }>(
        `select extract(epoch from clock_timestamp() - xact_start)::float as seconds,
          regexp_replace(query, '\\s+', ' ', 'g') as statement
        from pg_stat_activity
        where backend_type = 'client backend'
        and application_name like 'saldo%'
        and datname = current_database()
        and xact_start is not null
        and pid <> pg_backend_pid()
        order by xact_start
        limit 1`,
      );
      const [row] = rows;
      if (row !== undefined && row.seconds > longest.seconds) longest = row;
      await sleep(lookEveryMs);
    }
    await client.end();
  })();
  return async () => {
    isOver = true;
    await watching;
    return longest;
  };
}

async function stretch(
  driver: Driver,
  mix: Mix,
  cpu: CpuClock | undefined,
  connectionString: string,
): Promise<Stretch> {
  const stop = watchJobs(connectionString);
  const before = cpu?.ofPostgres() ?? Number.NaN;
  const startedAt = performance.now();
  const rates = await Promise.all(
    mix.map(([scenario, connections]) => driver.run(scenario, connections, seconds)),
  );
  // The driver warms up before it counts, and what that took is in the processor time.
  const took = (performance.now() - startedAt) / 1000;
  const calls = rates.reduce((sum, rate) => sum + rate, 0) * took;
  const spent = (cpu?.ofPostgres() ?? Number.NaN) - before;
  return { rates, postgresUs: (spent / calls) * 1e6, longest: await stop() };
}

/** Runs all stretches and writes what they came to. */
export async function mixedReport(
  client: Client,
  driver: Driver,
  connectionString: string,
  head: readonly string[],
): Promise<string> {
  const mix = await mixOf(client);
  await client.query("vacuum analyze");
  const cpu = await cpuClock(client);
  const server = await startServer(connectionString);
  const office = openOffice(connectionString);
  const results: Stretch[] = [];
  let asked: string[] = [];
  try {
    for (let number = 1; number <= stretches; number += 1) {
      const result = await stretch(driver, mix, cpu, connectionString);
      console.log(summary(result, number));
      results.push(result);
    }
  } finally {
    asked = await office.close().finally(() => server.stop());
  }
  const { rows } = await client.query<{ status: string }>(
    "select status from saldo.check_balance_health()",
  );
  const numbers = results.map((_, index) => index + 1);
  return [
    "# Everything at once",
    "",
    (head[0] ?? "").replace(
      /, \d+ connections/,
      `, ${mix.reduce((sum, [, own]) => sum + own, 0)} connections`,
    ),
    "- a new database, and a server with its jobs and an office beside the calls; " +
      `${stretches} stretches of ${seconds} s`,
    "- a transaction that lasts holds back what PostgreSQL may clean up, for all calls",
    "",
    "| stretch | calls a second | PostgreSQL, µs a call | longest transaction beside it, s | its statement |",
    "|---:|---:|---:|---:|---|",
    ...results.map((result, index) => summary(result, index + 1)),
    "",
    `| call, per second in stretch | ${numbers.join(" | ")} |`,
    `|---|${numbers.map(() => "---:|").join("")}`,
    ...mix.map(
      ([{ name }], index) =>
        `| ${name} | ${results.map(({ rates }) => Math.round(rates[index] ?? 0)).join(" | ")} |`,
    ),
    "",
    "| asked for beside it | times | median, ms | longest, ms |",
    "|---|---:|---:|---:|",
    ...asked,
    "",
    `A full check afterwards: ${rows[0]?.status}.`,
    "",
  ].join("\n");
}

function summary({ rates, postgresUs, longest }: Stretch, number: number): string {
  return `| ${[
    number,
    Math.round(rates.reduce((sum, rate) => sum + rate, 0)).toLocaleString("en"),
    Math.round(postgresUs),
    longest.seconds.toFixed(2),
    longest.statement.slice(0, 60).replaceAll("|", "/"),
  ].join(" | ")} |`;
}
