import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { readConfig } from "../../src/config.ts";
import { makePool } from "../../src/database/pools.ts";
import { keepWorking } from "../../src/jobs/keep_working.ts";
import { type WorkLimits, watchWork } from "../../src/jobs/watchdog.ts";
import { startWorker } from "../../src/jobs/worker.ts";
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

const lines: string[] = [];
const keep = (message: string, fields?: object) => {
  lines.push(`${message} ${JSON.stringify(fields)}`);
};
const log: Log = { info: keep, warn: keep, error: keep };

async function open(t: { teardown(close: () => Promise<void>): void }, silentSeconds: number) {
  const database = await openTestDatabase(10);
  t.teardown(() => database.close());
  await database.pool.query(
    "update saldo.setting set value = $1 where name = 'worker_silent_seconds'",
    [silentSeconds],
  );
  return database;
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await sleep(50);
}

const seenAt = async ({ pool }: TestDatabase): Promise<Date | null> =>
  (await pool.query("select seen_at from saldo_private.worker_state()")).rows[0].seen_at;

/** A watch over events that the test emits itself. */
function watchEvents(database: TestDatabase, limits: Partial<WorkLimits> = {}) {
  const events = new EventEmitter();
  const { connectionString } = database;
  const watch = watchWork(
    events,
    { connectionString },
    {
      slotCount: 2,
      busyMs: 60_000,
      lookEveryMs: 50,
      ...limits,
    },
  );
  return { events, ...watch };
}

const first = (...all: Promise<string>[]) => Promise.race([...all, sleep(3000, "nothing")]);

test("a worker that works writes its pulse by a job, and no timer does", async (t) => {
  const database = await open(t, 60);
  const pool = makePool(database.connectionString, 10, log);
  const worker = await startWorker(pool, config, log);
  await until(async () => (await seenAt(database)) !== null);
  // The queue is stopped, the process is not.
  const { rows } = await database.pool.query(
    "delete from graphile_worker._private_tasks where identifier = 'pulse' returning id",
  );
  // One may be under way or in the queue, for as long as a slow machine takes.
  await until(async () => {
    const { rowCount } = await database.pool.query(
      "select from graphile_worker._private_jobs where task_id = $1",
      [rows[0].id],
    );
    return rowCount === 0;
  });
  await sleep(1000);
  const last = await seenAt(database);
  await sleep(6000);
  t.deepEqual(await seenAt(database), last);
  await worker.stop();
  await pool.end();
});

test("a queue that stops answering while the database answers is reported", async (t) => {
  const database = await open(t, 7);
  const pool = makePool(database.connectionString, 10, log);
  const worker = await startWorker(pool, config, log, 100);
  await until(async () => (await seenAt(database)) !== null);
  const blocker = await database.pool.connect();
  await blocker.query("begin; lock table graphile_worker._private_jobs in access exclusive mode");
  const reason = await worker.stopped;
  await blocker.query("rollback");
  blocker.release();
  await worker.stop();
  await pool.end();
  // Whichever is noticed first: the look at the queue, the pulse, or a job whose end waits too long.
  t.regex(
    reason,
    /^(the queue has not answered|no job has passed through the queue) for 7 s|^the end of a job could not be recorded/,
  );
});

test("a queue that is no longer asked is reported, whatever others do", async (t) => {
  const database = await open(t, 1);
  const { stoodStill, stop } = watchEvents(database);
  const others = setInterval(
    () => void database.pool.query("select saldo_private.record_worker_seen()").catch(() => {}),
    100,
  );
  t.is(await stoodStill, "the queue has not answered for 1 s, and the database does");
  clearInterval(others);
  stop();
});

test("a queue that answers and does no job is reported, and jobs alone are no pulse", async (t) => {
  const database = await open(t, 1);
  await database.pool.query("select saldo_private.record_worker_seen()");
  const { events, stoodStill, stop } = watchEvents(database);
  const answers = setInterval(() => events.emit("worker:getJob:empty", {}), 20);
  t.is(await stoodStill, "no job has passed through the queue for 1 s");
  clearInterval(answers);
  stop();
});

test("a job whose end is not recorded, and a queue that shuts down, are told at once", async (t) => {
  const database = await open(t, 60);
  const failed = watchEvents(database);
  failed.events.emit("pool:fatalError", { error: new Error("gone") });
  t.is(await failed.stoodStill, "the end of a job could not be recorded: gone");
  const shut = watchEvents(database);
  shut.events.emit("pool:gracefulShutdown", { message: "because" });
  t.is(await shut.stoodStill, "the queue shut down: because");
  failed.stop();
  shut.stop();
});

test("long jobs in all slots are work, until they take longer than any may", async (t) => {
  const database = await open(t, 1);
  await database.pool.query("select saldo_private.record_worker_seen()");
  const patient = watchEvents(database);
  const strict = watchEvents(database, { busyMs: 1500 });
  for (const { events } of [patient, strict]) {
    events.emit("job:start", {});
    events.emit("job:start", {});
  }
  t.is(await strict.stoodStill, "all jobs at once take longer than any may");
  t.is(await first(patient.stoodStill), "nothing");
  patient.stop();
  strict.stop();
});

test("a database that does not answer is no standstill of the worker's", async (t) => {
  const watch = watchWork(
    new EventEmitter(),
    { connectionString: "postgres://127.0.0.1:1/none" },
    { slotCount: 2, busyMs: 1000, lookEveryMs: 20 },
  );
  t.is(await first(watch.stoodStill), "nothing");
  watch.stop();
});

test("jobs that stand still begin again, within bounds, and their end says why", async (t) => {
  // Longer than a busy machine pauses: a standstill that was not meant would use up the restart.
  const database = await open(t, 5);
  const { connectionString, pool } = database;
  const jobs = await keepWorking(connectionString, config, log, { count: 1, withinMs: 60_000 });
  t.true(jobs.isWorking());
  const standstill = async () => {
    const client = await pool.connect();
    await client.query("begin; lock table graphile_worker._private_jobs in access exclusive mode");
    await until(() => !jobs.isWorking());
    await client.query("rollback");
    client.release();
  };
  await standstill();
  await until(() => jobs.isWorking());
  const before = Date.now();
  await until(async () => ((await seenAt(database))?.getTime() ?? 0) > before);
  await standstill();
  t.regex(await jobs.stopped, / for 5 s|^the end of a job could not be recorded/);
  t.true(lines.some((line) => line.startsWith("jobs begin again")));
  await jobs.stop();
});
