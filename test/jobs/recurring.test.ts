import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { readConfig } from "../../src/config.ts";
import { runEvery } from "../../src/jobs/recurring.ts";
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

test.serial("a stop waits for the requests that are under way", async (t) => {
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
