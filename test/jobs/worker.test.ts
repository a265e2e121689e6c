import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { Pool } from "pg";
import { readConfig } from "../../src/config.ts";
import { makePool } from "../../src/database/pools.ts";
import { releaseJobsOfDeadWorkers, startWorker } from "../../src/jobs/worker.ts";
import type { Log } from "../../src/log.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";

const config = {
  ...readConfig({}),
  timeZone: "Asia/Jakarta",
  maintenanceAt: ["02:00"],
  reconcileEveryHours: 6,
  monthlySyncAt: "02:00",
  monthlyRecalculationAt: "Sunday 01:00",
  shutdownGraceMs: 300,
  settleEverySeconds: 1,
  rerateEverySeconds: 1,
  sealEverySeconds: 60,
  alertEverySeconds: 15,
};

let database: TestDatabase;
test.before(async () => {
  database = await openTestDatabase(10);
});
test.after.always(() => database?.close());

/** A log that keeps its lines. */
function keptLog(): Log & { lines: string[] } {
  const lines: string[] = [];
  const keep = (message: string, fields?: object) => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { lines, info: keep, warn: keep, error: keep };
}

async function addJob(pool: Pool, task: string, payload: object): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    "select id from graphile_worker.add_job($1, $2::json)",
    [task, JSON.stringify(payload)],
  );
  return rows[0]?.id ?? "";
}

interface Job {
  attempts: number;
  locked_by: string | null;
  last_error: string | null;
}

async function job(id: string): Promise<Job | undefined> {
  const { rows } = await database.pool.query<Job>(
    "select attempts, locked_by, last_error from graphile_worker.jobs where id = $1",
    [id],
  );
  return rows[0];
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(50);
}

test.serial("each scheduled task runs as a job, records its run and says so once", async (t) => {
  const log = keptLog();
  const pool = makePool(database.connectionString, 6, log);
  const worker = await startWorker(pool, config, log);
  const ids = [
    await addJob(pool, "reconcile", {}),
    await addJob(pool, "scheduled_maintenance", { _cron: { ts: "2025-11-16T19:00:00Z" } }),
  ];
  await until(async () => (await Promise.all(ids.map(job))).every((each) => each === undefined));
  await worker.stop();
  await pool.end();
  const { rows } = await database.pool.query(
    `select (select count(*)::int from saldo.check_run) as checks,
      (select count(*)::int from saldo.maintenance_run) as maintenances`,
  );
  t.true(rows[0].checks >= 1);
  t.is(rows[0].maintenances, 1);
  t.is(log.lines.filter((line) => line.includes('"reconcile ')).length, 1);
  t.is(log.lines.filter((line) => line.includes('"scheduled_maintenance ')).length, 1);
});

test.serial("months are recalculated and large changes rated by the worker itself", async (t) => {
  await database.pool.query(`do $$
    begin
      perform saldo.create_customer('c' || g, 'C') from generate_series(1, 3) as g;
      perform saldo.install_meter(g, 'm', kind => 'volume', installed_at => '2025-01-01')
      from generate_series(1, 3) as g;
      perform saldo.add_tariff_version(10, '2025-01-01');
      perform saldo.add_correction_factor('2025-01-01', 'fixed', factor => 1);
      perform saldo.add_reading(g, '2025-02-10', volume => 3) from generate_series(1, 3) as g;
      perform saldo.set_setting('rerate_at_once_max', '2');
      perform saldo.add_tariff_version(11, '2025-02-01');
    end
    $$`);
  const log = keptLog();
  const pool = makePool(database.connectionString, 6, log);
  const worker = await startWorker(pool, config, log);
  const id = await addJob(pool, "sync_monthly_balances", { force: true, _cron: { ts: "x" } });
  const state = async () =>
    (
      await database.pool.query(
        `select (select status::text from saldo.rerating) as rerating,
          (select count(*)::int from saldo.monthly_sync_run where is_forced and status = 'done')
            as runs`,
      )
    ).rows[0];
  await until(async () => (await state()).rerating === "done" && (await job(id)) === undefined);
  await worker.stop();
  await pool.end();
  t.is((await state()).runs, 1);
  t.is(log.lines.filter((line) => line.includes("rerate 1: done, 3 of 3 readings, 3")).length, 1);
  t.is(log.lines.filter((line) => line.includes("forced: done, 3 of 3 customers")).length, 1);
  const { rows } = await database.pool.query(
    "select sum(balance)::int as balance from saldo.account where code like 'customer:%'",
  );
  t.is(rows[0].balance, -99);
});

test.serial("what is posted is sealed by a job, and the log has the last hash", async (t) => {
  await database.pool.query(`
    select saldo.open_account('seal-a', 'A', 'asset'), saldo.open_account('seal-b', 'B', 'equity')
  `);
  await database.pool.query(`
    select saldo.transfer(a.id, b.id, 5) from saldo.account as a, saldo.account as b
    where a.code = 'seal-a' and b.code = 'seal-b'
  `);
  // What a worker of another test has asked for is due in a minute.
  await database.pool.query("select graphile_worker.remove_job('seal_journal')");
  const log = keptLog();
  const pool = makePool(database.connectionString, 6, log);
  const worker = await startWorker(pool, { ...config, sealEverySeconds: 1 }, log);
  const status = async () => (await pool.query("select * from saldo.seal_status()")).rows[0];
  await until(async () => (await status()).unsealed_entry_count === "0");
  const { head_number, head_hash } = await status();
  await until(async () =>
    log.lines.some((line) => line.includes(`entries, seal ${head_number} ${head_hash}`)),
  );
  await worker.stop();
  await pool.end();
  t.deepEqual((await database.pool.query("select key from saldo.verify_journal()")).rows, []);
});

test.serial("a payload that a task does not know fails the job and nothing else", async (t) => {
  const pool = makePool(database.connectionString, 6, keptLog());
  const worker = await startWorker(pool, config, keptLog());
  const id = await addJob(pool, "reconcile", { account: 1 });
  await until(async () => (await job(id))?.last_error != null);
  await worker.stop();
  await pool.end();
  t.is((await job(id))?.locked_by, null);
  await database.pool.query("select graphile_worker.complete_jobs(array[$1::bigint])", [id]);
});

test.serial("a job that outlasts the grace is cancelled and given back", async (t) => {
  const blocker = await database.pool.connect();
  await blocker.query("begin; lock table saldo.check_run in access exclusive mode");
  const pool = makePool(database.connectionString, 6, keptLog());
  const worker = await startWorker(pool, config, keptLog());
  const id = await addJob(pool, "reconcile", {});
  await until(async () => (await job(id))?.locked_by != null);
  await worker.stop();
  await pool.end();
  await blocker.query("rollback");
  blocker.release();
  const returned = await job(id);
  t.is(returned?.locked_by, null);
  t.is(returned?.attempts, 1);
  await database.pool.query("select graphile_worker.complete_jobs(array[$1::bigint])", [id]);
});

test.serial("a job that runs is not taken for that of a dead worker", async (t) => {
  const blocker = await database.pool.connect();
  await blocker.query("begin; lock table saldo.check_run in access exclusive mode");
  const pool = makePool(database.connectionString, 6, keptLog());
  const worker = await startWorker(pool, { ...config, shutdownGraceMs: 10_000 }, keptLog());
  const id = await addJob(pool, "reconcile", {});
  await until(async () => (await job(id))?.locked_by != null);
  await releaseJobsOfDeadWorkers(database.pool, 0);
  t.not((await job(id))?.locked_by, null);
  // It finishes within the grace.
  const stopped = worker.stop();
  await blocker.query("rollback");
  blocker.release();
  await stopped;
  await pool.end();
  t.is(await job(id), undefined);
});

test.serial("jobs of a dead worker are given back, those of a living one are not", async (t) => {
  const ids = [
    await addJob(database.pool, "reconcile", {}),
    await addJob(database.pool, "reconcile", {}),
    await addJob(database.pool, "reconcile", {}),
  ];
  const living = await database.pool.connect();
  await living.query(
    "select pg_advisory_lock(saldo_private.worker_lock(), hashtext('worker-living'))",
  );
  await database.pool.query(
    `update graphile_worker._private_jobs
    set locked_at = now() + case id when $3 then interval '10 years' else interval '-1 minute' end,
      locked_by = case id when $2 then 'worker-living' when $3 then 'worker-ahead'
        else 'worker-dead' end
    where id in ($1, $2, $3)`,
    ids,
  );
  await releaseJobsOfDeadWorkers(database.pool);
  t.is((await job(ids[0] ?? ""))?.locked_by, null);
  t.is((await job(ids[1] ?? ""))?.locked_by, "worker-living");
  t.is((await job(ids[2] ?? ""))?.locked_by, null, "by a clock that was set back since");
  living.release(true);
});

test.serial("a worker that loses the lock on its name takes it again", async (t) => {
  const pool = makePool(database.connectionString, 6, keptLog());
  const worker = await startWorker(pool, config, keptLog());
  const holders = async () => {
    const { rows } = await database.pool.query<{ pid: number }>(
      `select pid from pg_locks where locktype = 'advisory' and granted
      and classid::bigint = saldo_private.worker_lock()
      and database = (select oid from pg_database where datname = current_database())`,
    );
    return rows.map(({ pid }) => pid);
  };
  await until(async () => (await holders()).length === 1);
  const [first] = await holders();
  await database.pool.query("select pg_terminate_backend($1)", [first]);
  await until(async () => (await holders()).some((pid) => pid !== first));
  await worker.stop();
  await pool.end();
  await until(async () => (await holders()).length === 0);
  t.pass();
});
