import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Client } from "pg";
import { type Program, runProgram } from "../_support/process.ts";

/*
 * The program, worker included, and PostgreSQL are killed with SIGKILL in the middle of re-ratings.
 */

const customers = 100;
const days = 200;
const readings = customers * days;

async function start(folder: string): Promise<Program> {
  const program = runProgram("src/main.ts", [], {
    SALDO_DATA_DIR: folder,
    PORT: "0",
    NODE_ENV: "development",
    SALDO_RERATE_EVERY_SECONDS: "1",
  });
  await program.printed(/Admin token/);
  return program;
}

async function connect(folder: string): Promise<Client> {
  const client = new Client({
    connectionString: (await readFile(join(folder, "database-url"), "utf8")).trim(),
  });
  client.on("error", () => {}); // it is killed as well
  await client.connect();
  return client;
}

const load = [
  `select count(saldo.create_customer('c' || g, 'C')) from generate_series(1, ${customers}) as g`,
  `select count(saldo.install_meter(g, 'm', kind => 'volume', installed_at => '2025-01-01'))
  from generate_series(1, ${customers}) as g`,
  "select saldo.add_correction_factor('2025-01-01', 'fixed', factor => 2)",
  "select saldo.add_tariff_version(10, '2025-01-01')",
  `select count(*) from saldo.add_readings(array(
    select (m, timestamptz '2025-01-02 12:00+07' + make_interval(days => d), null, 1, 'actual',
      false)::saldo.reading_request
    from generate_series(1, ${customers}) as m
    cross join generate_series(0, ${days - 1}) as d))`,
  "select saldo.set_setting('rerate_at_once_max', '100')",
];

interface Job {
  status: string;
  done: number;
}

async function until(client: Client, isSo: (job: Job) => boolean): Promise<Job> {
  for (let attempt = 0; attempt < 18_000; attempt += 1) {
    const { rows } = await client.query<Job>(
      "select status::text, done_count::int as done from saldo.rerating order by id desc limit 1",
    );
    if (rows[0] && isSo(rows[0])) return rows[0];
    await sleep(10);
  }
  throw new Error("the re-rating does not move");
}

test("after kill -9 in the middle of re-ratings each reading is rated as its prices want", async (t) => {
  t.timeout(300_000); // beside other tests a re-rating takes its time
  const home = await mkdtemp(join(tmpdir(), "saldo-rerating-"));
  execFileSync("chmod", ["755", home]);
  const folder = join(home, "data");
  const pid = async () => {
    const file = join(folder, "postgres", "data", "postmaster.pid");
    return Number((await readFile(file, "utf8")).split("\n")[0]);
  };
  let program = await start(folder);
  try {
    let client = await connect(folder);
    for (const text of load) await client.query(text);
    let kills = 0;
    for (const [index, victim] of ["the program", "PostgreSQL", "the program"].entries()) {
      // Prices from the second day of readings on.
      await client.query("select saldo.add_tariff_version($1, $2)", [
        11 + index,
        `2025-01-0${index + 3}`,
      ]);
      const job = await until(client, ({ done }) => done > 0);
      if (job.status === "running") kills += 1;
      if (victim === "PostgreSQL") process.kill(await pid(), "SIGKILL");
      else program.child.kill("SIGKILL");
      await program.ended;
      await client.end().catch(() => {});
      program = await start(folder);
      client = await connect(folder);
      if (index === 0) await until(client, ({ status }) => status === "done");
    }
    t.true(kills > 0, "at least one was in the middle");
    await until(client, ({ status }) => status === "done");

    const { rows: jobs } = await client.query(
      "select status::text, done_count = reading_count as is_whole from saldo.rerating",
    );
    t.deepEqual(jobs, Array(3).fill({ status: "done", is_whole: true }));
    const { rows: lines } = await client.query(
      `select trim_scale(price)::int as price, count(*)::int, count(distinct reading_id)::int as once
      from saldo.rated_line where superseded_at is null group by 1 order by 1`,
    );
    t.deepEqual(lines, [
      { price: 10, count: customers, once: customers },
      { price: 11, count: customers, once: customers },
      { price: 12, count: customers, once: customers },
      { price: 13, count: readings - 3 * customers, once: readings - 3 * customers },
    ]);
    const { rows: sums } = await client.query(
      `select (select sum(balance) from saldo.account where code like 'customer:%')::int as balance,
        (select sum(purchases) from saldo.customer_month_total)::int as purchases`,
    );
    const amount = 2 * (customers * (10 + 11 + 12) + (readings - 3 * customers) * 13);
    t.deepEqual(sums[0], { balance: -amount, purchases: amount });
    const { rows: checks } = await client.query("select * from saldo.check_balance_health()");
    t.is(checks[0].status, "healthy");
    await client.end();
    program.child.kill("SIGTERM");
    t.is(await program.ended, 0, program.output());
  } finally {
    program.child.kill("SIGKILL");
    await program.ended;
    const left = await pid().catch(() => 0);
    if (left > 0) process.kill(left, "SIGKILL");
    await sleep(300);
    await rm(home, { recursive: true, force: true });
  }
});
