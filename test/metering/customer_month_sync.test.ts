import test from "ava";
import { errorCode } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";
import { openMetering, outcomes, type Row } from "./_metering.ts";

/** Seven customers with a deposit in each of two months. */
async function withDeposits(t: { teardown(work: () => Promise<void>): void }) {
  const metering = await openMetering();
  t.teardown(() => metering.close());
  for (let index = 0; index < 7; index++) {
    const { customer } = await metering.site();
    for (const month of ["01", "02"]) {
      await metering.call("add_deposit", {
        customer_id: customer.id,
        amount: 100,
        occurred_at: `2026-${month}-10T12:00:00+07`,
      });
    }
  }
  const step = (args: Row = {}) => metering.call("continue_monthly_sync", args);
  const tamper = (text: string) => forced(metering.pool, (client) => client.query(text));
  return { metering, step, tamper };
}

/** The runs that there are, without times. */
const runsOf = `select is_forced, status::text, done_count::int, written_count::int,
  change_count::int, jsonb_array_length(changes) as told from saldo.monthly_sync_run order by id`;

const status = async ({ rows }: Awaited<ReturnType<typeof withDeposits>>["metering"]) =>
  (await rows("operator", "metering_status", {}))[0] as Row;

test("a sync goes through the customers in slices, and tells what it put right", async (t) => {
  const { metering, step, tamper } = await withDeposits(t);
  await tamper(`update saldo.customer_month_total set deposits = deposits + 1
    where month = '2026-01-01' and account_id in (select account_id from saldo.customer
      where id in (2, 7));
    delete from saldo.customer_month_total where month = '2026-02-01' and account_id =
      (select account_id from saldo.customer where id = 4)`);
  const seen: string[] = [];
  for (;;) {
    const run = await step({ customer_limit: 3 });
    seen.push(`${run.status} ${run.done_count} of ${run.customer_count}, ${run.change_count}`);
    if (run.status === "done") break;
  }
  t.deepEqual(seen, ["running 3 of 7, 1", "running 6 of 7, 2", "done 7 of 7, 3"]);
  const [run = {}] = await metering.root("select changes, started_by from saldo.monthly_sync_run");
  const changes = run.changes as Row[];
  t.deepEqual(
    changes.map(({ customer_id, month, action }) => [customer_id, month, action]),
    [
      [2, "2026-01-01", "differs"],
      [4, "2026-02-01", "missing"],
      [7, "2026-01-01", "differs"],
    ],
  );
  t.like(changes[0], { stored: { deposits: 101 }, derived: { deposits: 100 } });
  t.is(run.started_by, "admin");
  t.deepEqual(await metering.findings(), []);
  const told = await status(metering);
  t.like(told, { last_sync_change_count: "3", last_recalculation_at: null });
  t.true(told.last_sync_at instanceof Date);
});

test("a recalculation writes all months, and is another run than a sync", async (t) => {
  const { metering, step } = await withDeposits(t);
  const old = await metering.root(
    "select max(last_calculated_at) as at from saldo.customer_month_total",
  );
  await step({ customer_limit: 3 });
  t.like(await step({ force: true }), { status: "done", written_count: "14", change_count: "0" });
  const [row] = await metering.root(
    "select min(last_calculated_at) > $1 as is_newer from saldo.customer_month_total",
    [old[0]?.at],
  );
  t.true(row?.is_newer);
  t.like(await step(), { status: "done", done_count: "7", written_count: "0" });
  t.deepEqual(await metering.root(runsOf), [
    { is_forced: false, status: "done", done_count: 7, written_count: 0, change_count: 0, told: 0 },
    { is_forced: true, status: "done", done_count: 7, written_count: 14, change_count: 0, told: 0 },
  ]);
  t.like(await status(metering), {
    last_sync_change_count: "0",
    last_recalculation_change_count: "0",
  });
});

test("a run that was broken off is gone on with, a run of long ago is not", async (t) => {
  const { metering, step, tamper } = await withDeposits(t);
  const first = await step({ customer_limit: 5 });
  t.is((await step({ customer_limit: 5 })).id, first.id);
  const second = await step({ customer_limit: 5 });
  t.not(second.id, first.id);
  await tamper("update saldo.monthly_sync_run set moved_at = now() - interval '7 hours'");
  t.like(await step(), { status: "done", done_count: "7" });
  const runs = await metering.root("select status::text from saldo.monthly_sync_run order by id");
  t.deepEqual(
    runs.map((run) => run.status),
    ["done", "abandoned", "done"],
  );
});

test("two workers at once go through each customer once", async (t) => {
  const { metering, step } = await withDeposits(t);
  const work = async () => {
    for (;;) {
      const run = await step({ force: true, customer_limit: 1 });
      if (run.id === null || run.status === "done") return;
    }
  };
  t.deepEqual(await outcomes([work(), work(), work()]), { none: 3 });
  const runs = await metering.root(runsOf);
  t.like(runs[0], { status: "done", done_count: 7, written_count: 14 });
  // Whoever came when it had ended has begun another one.
  t.true(runs.slice(1).every(({ done_count }) => Number(done_count) <= 7));
  t.deepEqual(await metering.findings(), []);
});

test("deposits that come meanwhile are in the months", async (t) => {
  const { metering, step } = await withDeposits(t);
  const deposits = Array.from({ length: 30 }, (_, index) =>
    metering.call("add_deposit", {
      customer_id: (index % 7) + 1,
      amount: 5,
      occurred_at: `2026-0${(index % 3) + 1}-10T12:00:00+07`,
    }),
  );
  const steps = Array.from({ length: 8 }, () => step({ force: true, customer_limit: 2 }));
  t.deepEqual(await outcomes([...deposits, ...steps]), { none: 38 });
  t.deepEqual(await metering.findings(), []);
});

test("bad input is refused, and only administrators recalculate", async (t) => {
  const { metering, step } = await withDeposits(t);
  for (const customer_limit of [0, 10_001, null]) {
    t.is(await errorCode(step({ customer_limit })), "SB010");
  }
  t.is(await errorCode(metering.rows("operator", "continue_monthly_sync", {})), "42501");
  t.deepEqual(await metering.root(runsOf), []);
});

/** A customer's deposit in a session of its own, which waits for nobody. */
const depositOf = (id: number) => `set local lock_timeout = '2s';
  select saldo.add_deposit(${id}, 1, occurred_at => '2026-01-10T12:00:00+07')`;

/** Customer 1 is being posted to, and customer 3 has a month that is wrong. */
async function besideDeposit(t: Parameters<typeof withDeposits>[0], force: boolean) {
  const { metering, tamper } = await withDeposits(t);
  await tamper(`update saldo.customer_month_total set deposits = 1
    where account_id = (select account_id from saldo.customer where id = 3)`);
  const open = await metering.pool.connect();
  const sync = await metering.pool.connect();
  t.teardown(async () => {
    open.release();
    sync.release();
  });
  await open.query(`begin; ${depositOf(1)}`);
  await sync.query("begin; set local lock_timeout = '2s'");
  const { rows } = await sync.query(
    `select change_count::integer, written_count::integer
    from saldo.continue_monthly_sync(${force})`,
  );
  await open.query("commit");
  return { metering, sync, run: rows[0] };
}

test("a sync waits for nobody whose months agree, and keeps none of them waiting", async (t) => {
  const { metering, sync, run } = await besideDeposit(t, false);
  t.deepEqual(run, { change_count: 2, written_count: 2 });
  await metering.pool.query(`begin; ${depositOf(2)}; commit`);
  const other = await metering.pool.connect();
  t.teardown(() => other.release());
  await t.throwsAsync(other.query(`begin; ${depositOf(3)}`), { code: "55P03" });
  await other.query("rollback");
  await sync.query("commit");
  t.deepEqual(await metering.findings(), []);
});

test("a recalculation waits for nobody whose months agree", async (t) => {
  const { metering, sync, run } = await besideDeposit(t, true);
  // Not the two of the customer that is being posted to.
  t.deepEqual(run, { change_count: 2, written_count: 12 });
  await sync.query("commit");
  t.deepEqual(await metering.findings(), []);
});

test("whether records are as they were written is asked once, not for each line", async (t) => {
  const { metering, tamper } = await withDeposits(t);
  const client = await metering.pool.connect();
  t.teardown(() => client.release());
  await tamper("update saldo.customer_month_total set deposits = deposits + 1");
  await client.query("begin; set local track_functions = 'all'");
  await client.query("select saldo.continue_monthly_sync()");
  await client.query("select saldo.compare_monthly_balances()");
  const { rows } = await client.query<{ funcname: string; calls: string }>(
    `select funcname, calls from pg_stat_xact_user_functions
    where funcname in ('proven_customers', 'customer_month_accounts') order by funcname`,
  );
  await client.query("commit");
  t.deepEqual(rows, [
    { funcname: "customer_month_accounts", calls: "1" },
    { funcname: "proven_customers", calls: "1" },
  ]);
});
