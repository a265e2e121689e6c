import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Client } from "pg";
import { byTwo, openTestDatabase } from "../_support/database.ts";
import { type Program, runProgram } from "../_support/process.ts";

/*
 * A scheduled maintenance is killed with SIGKILL in the middle of its heal: totals of thousands of
 * accounts are written already, and the first of their months waits for a row that the test holds.
 */

const accounts = 3000;
const drifted = 2 * accounts; // totals and months

const books = [
  `select count(saldo.open_account('a' || g, 'A', 'asset')) from generate_series(1, ${accounts}) as g`,
  "select saldo.open_account('owner', 'Owner', 'equity')",
  `select count(*) from saldo.transfer_many(array(
    select (g, ${accounts + 1}, 100, 'x', null, null)::saldo.transfer_request
    from generate_series(1, ${accounts}) as g))`,
  "select saldo.seal_journal()",
  "select saldo.check_balance_health()",
];

// Of a superuser whose session has silenced the ordinary triggers.
const faults = [
  "begin",
  "set local session_replication_role = replica",
  "update saldo.account set debit_total = debit_total + 7 where code ~ '^a[0-9]+$'",
  `update saldo.month_movement set debit = debit + 3
  where account_id in (select id from saldo.account where code ~ '^a[0-9]+$')`,
  "commit",
];

const state = async (client: Client) => {
  const { rows } = await client.query(
    `select
      (select count(*) from saldo.account where code ~ '^a[0-9]+$' and balance = 107)::int as wrong,
      (select count(*) from saldo.account where code ~ '^a[0-9]+$' and balance = 100)::int as right,
      (select count(*) from saldo.month_movement where debit = 103)::int as wrong_months,
      (select count(*) from saldo.heal_action where outcome = 'healed')::int as actions,
      (select count(distinct (rule, key)) from saldo.heal_action where outcome = 'healed')::int
        as keys,
      (select count(*) from saldo.heal_run)::int as runs,
      (select count(*) from saldo.maintenance_run)::int as maintenances`,
  );
  return rows[0];
};

const untouched = {
  wrong: accounts,
  right: 0,
  wrong_months: accounts,
  actions: 0,
  keys: 0,
  runs: 0,
  maintenances: 0,
};

const healed = {
  wrong: 0,
  right: accounts,
  wrong_months: 0,
  actions: drifted,
  keys: drifted,
  runs: 1,
  maintenances: 1,
};

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  client.on("error", () => {}); // it may be killed as well
  await client.connect();
  return client;
}

/** Waits until something is so; the limit is for what never comes, not for what is slow. */
async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt += 1) {
    if (await isSo()) return;
    await sleep(50);
  }
  throw new Error(`${what}: never`);
}

/** Holds a month that the heal has to write, asks for a maintenance, and waits until it waits. */
async function stopInTheMiddle(client: Client, gate: Client): Promise<void> {
  await gate.query("begin");
  await gate.query(
    `select from saldo.month_movement
    where account_id = (select id from saldo.account where code = 'a${accounts}') for update`,
  );
  await client.query(
    "select graphile_worker.add_job('scheduled_maintenance', '{}', max_attempts => 3)",
  );
  await until(async () => {
    const { rows } = await client.query(
      `select from pg_stat_activity
      where query like '%continue_maintenance%' and pid <> pg_backend_pid()
      and wait_event_type = 'Lock' and datname = current_database()`,
    );
    return rows.length > 0;
  }, "the heal waits for the month");
}

async function plant(client: Client): Promise<void> {
  for (const name of ["heal_rule_max_count", "heal_run_max_count"]) {
    await byTwo(client, `saldo.propose_setting('${name}', '1000000', 'a test')`);
  }
  await byTwo(client, "saldo.propose_setting('heal_rule_max_percent', '100', 'a test')");
  for (const text of [...books, ...faults]) await client.query(text);
}

const isDone = (client: Client) => async () => (await state(client)).maintenances > 0;

/** What has to be true once somebody has finished it: once each, and all in order. */
async function verify(t: ExecutionContext, client: Client): Promise<void> {
  t.deepEqual(await state(client), healed);
  const { rows: actions } = await client.query(
    `select count(*)::int as whole
    from saldo.heal_action as a
    join saldo.heal_run as r on r.id = a.heal_run_id
    join saldo.maintenance_run as m on m.heal_run_id = r.id
    join saldo.finding as f on f.id = a.finding_id and f.rule = a.rule and f.key = a.key
    where a.outcome = 'healed' and a.before is not null and a.after is not null
    and a.before <> a.after and m.status = 'healthy'`,
  );
  t.is(actions[0].whole, drifted, "each with its run, its finding, before and after");
  const { rows: checks } = await client.query("select status from saldo.check_balance_health()");
  t.is(checks[0].status, "healthy");
  const { rows: jobs } = await client.query(
    "select from graphile_worker.jobs where task_identifier = 'scheduled_maintenance'",
  );
  t.deepEqual(jobs, [], "its job is done, and did not fail for good");
}

test("a worker killed in the middle of a heal leaves nothing half done, and another one finishes", async (t) => {
  const database = await openTestDatabase(5);
  const client = await connect(database.connectionString);
  const gate = await connect(database.connectionString);
  const start = (name: string): Program => {
    const url = new URL(database.connectionString);
    url.searchParams.set("application_name", name);
    return runProgram("src/main.ts", ["worker"], {
      DATABASE_URL: url.href,
      NODE_ENV: "development",
    });
  };
  const workers = [start("first")];
  try {
    await workers[0]?.printed(/jobs are running/);
    await plant(client);
    await stopInTheMiddle(client, gate);
    workers[0]?.child.kill("SIGKILL");
    await workers[0]?.ended;

    // The session of the dead ends by itself, although what it waits for is not over.
    await until(async () => {
      const { rows } = await client.query(
        `select from pg_locks where locktype = 'advisory'
        and classid::bigint = saldo_private.maintenance_lock()`,
      );
      return rows.length === 0;
    }, "the maintenance of the killed worker ends");
    t.deepEqual(await state(client), untouched);
    await gate.query("rollback");

    const begunAt = Date.now();
    workers.push(start("second"));
    await until(isDone(client), "another worker finishes");
    t.log(`another worker had finished ${Math.round((Date.now() - begunAt) / 1000)} s later`);
    await until(
      async () =>
        (
          await client.query(
            "select from graphile_worker.jobs where task_identifier = 'scheduled_maintenance'",
          )
        ).rows.length === 0,
      "the job ends",
    );
    await verify(t, client);
    workers[1]?.child.kill("SIGTERM");
    t.is(await workers[1]?.ended, 0, workers[1]?.output());
  } finally {
    for (const { child, ended } of workers) {
      child.kill("SIGKILL");
      await ended;
    }
    await client.end();
    await gate.end();
    await database.close();
  }
});

test("PostgreSQL killed in the middle of a heal leaves nothing half done, and the next start finishes", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "saldo-heal-"));
  execFileSync("chmod", ["755", home]);
  const folder = join(home, "data");
  const pid = async () => {
    const file = join(folder, "postgres", "data", "postmaster.pid");
    return Number((await readFile(file, "utf8")).split("\n")[0]);
  };
  const start = async () => {
    const program = runProgram("src/main.ts", [], {
      SALDO_DATA_DIR: folder,
      PORT: "0",
      NODE_ENV: "development",
    });
    await program.printed(/Admin token/);
    return program;
  };
  const open = async () =>
    await connect((await readFile(join(folder, "database-url"), "utf8")).trim());
  let program = await start();
  try {
    let client = await open();
    const gate = await open();
    await plant(client);
    await stopInTheMiddle(client, gate);
    process.kill(await pid(), "SIGKILL");
    await program.ended;
    await Promise.all([client.end().catch(() => {}), gate.end().catch(() => {})]);

    program = await start();
    client = await open();
    const { rows } = await client.query(
      "select count(*)::int as half from saldo.heal_action where heal_run_id is null",
    );
    t.is(rows[0].half, 0);
    await until(isDone(client), "the next start finishes");
    await until(
      async () =>
        (
          await client.query(
            "select from graphile_worker.jobs where task_identifier = 'scheduled_maintenance'",
          )
        ).rows.length === 0,
      "the job ends",
    );
    await verify(t, client);
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
