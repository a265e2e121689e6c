import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { readConfig } from "../../src/config.ts";
import { makePool } from "../../src/database/pools.ts";
import { startWorker } from "../../src/jobs/worker.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";

const config = {
  ...readConfig({}),
  timeZone: "Asia/Jakarta",
  maintenanceAt: ["02:00"],
  reconcileEveryHours: 6,
  monthlySyncAt: "02:00",
  monthlyRecalculationAt: "Sunday 01:00",
  shutdownGraceMs: 5000,
  settleEverySeconds: 1,
  rerateEverySeconds: 1,
  sealEverySeconds: 1,
  alertEverySeconds: 15,
};
const silent = { info() {}, warn() {}, error() {} };

let database: TestDatabase;
test.beforeEach(async () => {
  database = await openTestDatabase(10);
  await database.pool.query("select saldo.open_account('hot', 'Hot', 'liability')");
  await database.pool.query("select saldo.make_account_hot(1, 4)");
});
test.afterEach.always(() => database?.close());

async function worker() {
  const pool = makePool(database.connectionString, 6, silent);
  const started = await startWorker(pool, config, silent);
  return {
    async stop() {
      await started.stop();
      await pool.end();
    },
  };
}

async function one<Value>(text: string): Promise<Value> {
  const { rows } = await database.pool.query({ text, rowMode: "array" });
  return rows[0]?.[0] as Value;
}

const submit = () => database.pool.query("select saldo.submit_transaction(1, 5, 'credit')");
const pendingCount = () => one<string>("select pending_count from saldo.balances(1)");

/** Waits for something that a worker does by itself; gives up after many intervals. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error("it did not happen");
    await sleep(50);
  }
}

const settled = () => until(async () => (await pendingCount()) === "0");

test.serial("what is pending settles again and again, and by one job an interval", async (t) => {
  const workers = [await worker(), await worker(), await worker()];
  for (let round = 0; round < 3; round++) {
    await submit();
    await settled();
  }
  const jobs =
    "select count(*) from graphile_worker.jobs where task_identifier = 'settle_sub_balances'";
  // One that waits, and one that runs: what is done stands there for a moment more.
  await until(async () => Number(await one(jobs)) <= 2);
  for (const each of workers) await each.stop();
  t.is(await one("select count(*) from saldo.settlement"), "3");
});

test.serial(
  "a run under load settles what it found, and leaves the rest to the next",
  async (t) => {
    const only = await worker();
    const endAt = Date.now() + 3000;
    let submitted = 0;
    while (Date.now() < endAt) {
      await submit();
      submitted += 1;
    }
    await settled();
    await only.stop();
    const count = Number(await one("select count(*) from saldo.settlement"));
    // One that went on as long as rows came would settle a few at a time, again and again.
    t.true(count < 20, `${count} settlements for ${submitted} rows`);
  },
);

test.serial("a job that was deleted comes again", async (t) => {
  const only = await worker();
  await submit();
  await settled();
  await database.pool.query("delete from graphile_worker._private_jobs");
  await submit();
  await settled();
  await only.stop();
  t.is(await pendingCount(), "0");
});

test.serial("a job that a dead worker keeps locked blocks no other", async (t) => {
  // As kill -9 leaves it: locked a moment ago, under a name that nobody holds.
  const first = await worker();
  await until(async () => Number(await one("select count(*) from graphile_worker.jobs")) > 0);
  await first.stop();
  await database.pool.query(
    "update graphile_worker._private_jobs set locked_at = now(), locked_by = 'worker-dead'",
  );
  await submit();
  const second = await worker();
  await settled();
  await second.stop();
  t.is(await one("select count(*) from saldo.settlement"), "1");
});

test.serial("a settlement that fails is tried again at the next interval", async (t) => {
  await database.pool.query("alter table saldo.settlement rename to hidden");
  const only = await worker();
  await submit();
  await until(async () =>
    Boolean(await one("select bool_or(last_error is not null) from graphile_worker.jobs")),
  );
  await database.pool.query("alter table saldo.hidden rename to settlement");
  await settled();
  await only.stop();
  t.is(await pendingCount(), "0");
});

test.serial("holds past their time are ended by their job", async (t) => {
  await submit();
  await database.pool.query("select saldo.place_hold(1, 5, interval '1 millisecond')");
  const only = await worker();
  await database.pool.query("select graphile_worker.add_job('expire_holds', '{}')");
  await until(async () => (await one("select status::text from saldo.hold")) === "EXPIRED");
  await only.stop();
  t.is(await one("select held from saldo.balances(1)"), "0");
});
