import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { mendSchedule, watchClock } from "../../src/jobs/clock.ts";
import { runEvery } from "../../src/jobs/recurring.ts";
import { cronItems, releaseJobsOfDeadWorkers, startWorker } from "../../src/jobs/worker.ts";
import type { Log } from "../../src/log.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";

/* A clock that was ten years ahead is planted as what it leaves in the tables of the jobs. */

const config = {
  timeZone: "Asia/Jakarta",
  maintenanceAt: "02:00",
  reconcileEveryHours: 6,
  monthlySyncAt: "02:00",
  monthlyRecalculationAt: "Sunday 01:00",
  shutdownGraceMs: 300,
  settleEverySeconds: 1,
  rerateEverySeconds: 1,
  sealEverySeconds: 60,
  alertEverySeconds: 15,
};

const silent = { info() {}, warn() {}, error() {} } as unknown as Log;

/** A database in which a worker has run before. */
async function openWorked(): Promise<TestDatabase> {
  const database = await openTestDatabase(10);
  const worker = await startWorker(database.pool, config, silent);
  await worker.stop();
  await database.pool.query("delete from graphile_worker._private_jobs");
  return database;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20);
}

test.serial("cron goes on that believes to have run at a time to come", async (t) => {
  const database = await openWorked();
  const { pool } = database;
  try {
    const ahead = "update graphile_worker._private_known_crontabs set last_execution = now()";
    t.is((await pool.query(`${ahead} + interval '10 years'`)).rowCount, cronItems(config).length);
    await mendSchedule(pool);
    const { rows } = await pool.query(
      `select bool_and(last_execution <= now()) as is_past
      from graphile_worker._private_known_crontabs`,
    );
    t.true(rows[0].is_past);
    // Within reason it is left alone: the clocks of two machines are never the same.
    await pool.query(`${ahead} + interval '30 seconds'`);
    await mendSchedule(pool);
    const kept = await pool.query(
      "select from graphile_worker._private_known_crontabs where last_execution > now()",
    );
    t.is(kept.rowCount, cronItems(config).length);
  } finally {
    await database.close();
  }
});

test.serial("settlement goes on whose next job is of a time to come", async (t) => {
  const database = await openWorked();
  const { pool } = database;
  try {
    await pool.query(
      `select graphile_worker.add_job('settle_sub_balances', '{}', job_key => 'settle_sub_balances',
        run_at => now() + interval '5 hours')`,
    );
    const recurring = runEvery(60, "settle_sub_balances", pool, silent);
    await until(async () => {
      const { rows } = await pool.query(
        "select from graphile_worker.jobs where run_at <= now() + interval '1 minute'",
      );
      return rows.length > 0;
    });
    await recurring.stop();
    const { rows } = await pool.query("select key from graphile_worker.jobs");
    t.deepEqual(rows, [{ key: "settle_sub_balances" }], "one, and not one more");
  } finally {
    await database.close();
  }
});

test.serial("who stops asking waits for what is asked already", async (t) => {
  const database = await openWorked();
  const { pool } = database;
  const holder = await pool.connect();
  try {
    await holder.query("begin; lock table graphile_worker._private_jobs in exclusive mode");
    const stopped = runEvery(60, "rerate", pool, silent).stop();
    t.is(await Promise.race([stopped.then(() => "stopped"), sleep(200, "waiting")]), "waiting");
    await holder.query("commit");
    await stopped;
    t.is((await pool.query("select from graphile_worker.jobs where key = 'rerate'")).rowCount, 1);
  } finally {
    holder.release();
    await database.close();
  }
});

test.serial(
  "a job that was put off for years, or that a dead worker has locked then, is run",
  async (t) => {
    const database = await openWorked();
    const { pool } = database;
    try {
      const { rows } = await pool.query(
        `select (graphile_worker.add_job('reconcile', '{}',
        run_at => now() + interval '10 years')).id as put_off,
        (graphile_worker.add_job('reconcile', '{}')).id as locked,
        (graphile_worker.add_job('reconcile', '{}', run_at => now() + interval '5 hours')).id
          as later`,
      );
      await pool.query(
        `update graphile_worker._private_jobs
      set locked_at = now() + interval '10 years', locked_by = 'dead' where id = $1`,
        [rows[0].locked],
      );
      await mendSchedule(pool);
      await releaseJobsOfDeadWorkers(pool);
      const jobs = await pool.query(
        "select id from graphile_worker.jobs where run_at <= now() and locked_at is null order by id",
      );
      t.deepEqual(
        jobs.rows.map(({ id }) => id),
        [rows[0].put_off, rows[0].locked],
      );
    } finally {
      await database.close();
    }
  },
);

test("a process whose clock is set back notices, and small steps or a sleep are nothing", async (t) => {
  let wall = 1_000_000;
  let elapsed = 0;
  let callCount = 0;
  const heard: number[] = [];
  const watch = watchClock(
    (seconds) => heard.push(seconds),
    {
      wall: () => wall,
      elapsed: () => {
        callCount += 1;
        return elapsed;
      },
    },
    1,
  );
  const pass = async (wallMs: number, elapsedMs: number) => {
    wall += wallMs;
    elapsed += elapsedMs;
    const seenCount = callCount; // two calls a look: after four one has seen all of it
    await until(async () => callCount >= seenCount + 4);
  };
  await pass(30_000, 30_000);
  await pass(-20_000, 30_000);
  await pass(86_400_000, 30_000);
  t.deepEqual(heard, []);
  await pass(-3_570_000, 30_000);
  watch.stop();
  t.deepEqual(heard, [3600]);
});

test.serial("a worker whose clock is set back ends, and says why", async (t) => {
  const database = await openTestDatabase(10);
  const { now } = Date;
  try {
    t.true(now() > 0);
    const worker = await startWorker(database.pool, config, silent, 10);
    Date.now = () => now() - 7_200_000;
    t.regex(await worker.stopped, /^the clock was set back by 7\d{3} s, and the schedule/);
    Date.now = now;
    await worker.stop();
  } finally {
    Date.now = now;
    await database.close();
  }
});
