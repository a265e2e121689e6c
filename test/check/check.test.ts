import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { TestDatabase } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";
import { openYear } from "./_year.ts";

interface Run {
  id: string | null;
  scope: string;
  status: string;
  line_count: string;
  slice_count: number;
  verified_line_count: string;
}

const one = async <T>(database: TestDatabase, text: string, values: unknown[] = []) =>
  (await database.pool.query(text, values)).rows[0] as T;
const full = (database: TestDatabase) =>
  one<Run>(database, "select * from saldo.check_balance_health()");
const news = (database: TestDatabase) => one<Run>(database, "select * from saldo.reconcile()");
const pay = (database: TestDatabase, amount = 1, at = "2025-12-20") =>
  database.pool.query("select saldo.transfer(1, 2, $1, occurred_at => $2)", [amount, at]);
const rulesOf = async (database: TestDatabase, run: Run) =>
  (
    await database.pool.query(
      "select distinct rule from saldo.finding where check_run_id = $1 order by rule",
      [run.id],
    )
  ).rows.map(({ rule }) => rule);
const force = (database: TestDatabase, text: string) =>
  forced(database.pool, (client) => client.query(text));
/** What the verified point says otherwise than the books, which are right. */
const pointErrors = (database: TestDatabase) =>
  one(
    database,
    `select (
        select count(*)::integer from saldo_private.account_total as t
        left join saldo_private.verified_total as v on v.account_id = t.account_id
        where (v.debit_total, v.credit_total) is distinct from (t.debit_total, t.credit_total)
      ) as totals,
      (
        select count(*)::integer from saldo_private.verified_month as v
        cross join saldo_private.verified_point as p
        where (v.amount, v.line_count)::saldo_private.fingerprint
          is distinct from saldo_private.movement_fingerprint(v.month, p.seed)
      ) as months,
      (select count(*)::integer from saldo_private.verified_month) as month_count`,
  );
/** A full check in slices of a single month; how many steps it took. */
async function slices(database: TestDatabase): Promise<{ run: Run; steps: number }> {
  await database.pool.query("select saldo.set_setting('check_slice_lines', '1')");
  for (let steps = 1; ; steps++) {
    const run = await one<Run>(database, "select * from saldo.continue_check()");
    if (run.id !== null) return { run, steps };
  }
}

test("the first reconciliation is a full check, the next looks at what is new", async (t) => {
  const database = await openYear();
  t.like(await news(database), { scope: "full", status: "healthy", line_count: "24" });
  t.like(await news(database), { scope: "incremental", status: "healthy", line_count: "0" });
  await pay(database);
  await pay(database);
  t.like(await news(database), {
    scope: "incremental",
    status: "healthy",
    line_count: "4",
    verified_line_count: "28",
  });
  t.like(await news(database), { line_count: "0", verified_line_count: "28" });
  t.like(await full(database), { scope: "full", line_count: "28", verified_line_count: "28" });
  await database.close();
});

test("what was posted by a transaction that commits late is looked at once", async (t) => {
  const database = await openYear();
  await full(database);
  const late = await database.pool.connect();
  await late.query("begin");
  await late.query("select saldo.transfer(3, 4, 5)");
  await pay(database);
  t.like(await news(database), { line_count: "2", status: "healthy" });
  await late.query("commit");
  late.release();
  t.like(await news(database), { line_count: "2", status: "healthy" });
  t.like(await news(database), { line_count: "0", status: "healthy" });
  await database.close();
});

test("what a transaction has posted itself is news for the next", async (t) => {
  const database = await openYear();
  await full(database);
  const client = await database.pool.connect();
  await client.query("begin");
  await client.query("select saldo.transfer(1, 2, 5)");
  const { rows } = await client.query("select * from saldo.reconcile()");
  t.like(rows[0], { status: "healthy", line_count: "0" });
  await client.query("select saldo.check_balance_health()");
  await client.query("commit");
  client.release();
  t.like(await news(database), { line_count: "2", status: "healthy" });
  t.like(await news(database), { line_count: "0", status: "healthy" });
  await database.close();
});

const newsFaults: [string, string, string[]][] = [
  [
    "a line of a new entry that is gone",
    `delete from saldo.journal_line where account_id = 2 and entry_id = (
      select id from saldo.journal_entry order by id desc limit 1)`,
    ["account_balance", "entry_balance", "entry_lines", "month_movement", "trial_balance"],
  ],
  [
    "a new entry without lines",
    `delete from saldo.journal_line where entry_id = (
      select id from saldo.journal_entry order by id desc limit 1)`,
    ["account_balance", "entry_lines", "month_movement"],
  ],
  [
    "a new line on another date",
    `update saldo.journal_line set posting_date = '2025-11-20' where account_id = 2 and entry_id = (
      select id from saldo.journal_entry order by id desc limit 1)`,
    ["entry_lines", "month_movement"],
  ],
  [
    "a total of an account that has no news",
    "update saldo.account set debit_total = debit_total + 7 where id = 4",
    ["account_balance", "balance_sheet"],
  ],
  [
    "a month of an account that has news",
    "update saldo.month_movement set debit = debit + 7 where account_id = 1 and month = '2025-12-01'",
    ["month_movement"],
  ],
];
for (const [what, text, rules] of newsFaults) {
  test(`an incremental check finds ${what}, and goes on finding it`, async (t) => {
    const database = await openYear();
    await full(database);
    await pay(database);
    await force(database, text);
    const run = await news(database);
    t.like(run, { scope: "incremental", status: "unhealthy", line_count: run.line_count });
    t.deepEqual(await rulesOf(database, run), rules);
    t.deepEqual(await rulesOf(database, await full(database)), rules);
    // A full check knows that these totals are in doubt, and so do those that follow it.
    t.is((await news(database)).status, "unhealthy");
    await database.close();
  });
}

test("a line among those that were proven before is for full checks to find", async (t) => {
  const database = await openYear();
  await full(database);
  // A write that is recorded would be looked at: nobody saw this one.
  await force(
    database,
    `alter table saldo.journal_line disable trigger record_bypass;
    update saldo.journal_line set debit = debit + 7
    where account_id = 1 and posting_date < '2025-02-01';
    alter table saldo.journal_line enable always trigger record_bypass`,
  );
  t.like(await news(database), { status: "healthy" });
  t.like(await full(database), { status: "unhealthy" });
  // And it does not count as settled because nobody looks.
  t.like(await news(database), { status: "unhealthy", scope: "full" });
  await database.close();
});

const monthFaults: [string, string, string[]][] = [
  [
    "a movement that was shifted between months",
    `update saldo.month_movement set debit = debit + case month when '2025-03-01' then 5 else -5 end
    where account_id = 1 and month in ('2025-03-01', '2025-09-01')`,
    ["month_movement"],
  ],
  [
    "two movements that were shifted the opposite way",
    `update saldo.month_movement set debit = debit
      + case month when '2025-03-01' then 5 else -5 end * case account_id when 1 then 1 else -1 end
    where month in ('2025-03-01', '2025-06-01') and account_id in (1, 2)`,
    ["month_movement"],
  ],
  [
    "a line on a date before all months",
    "update saldo.journal_line set posting_date = '1999-01-01' where account_id = 2 and posting_date < '2025-04-01'",
    ["entry_lines", "month_movement"],
  ],
];
for (const [what, text, rules] of monthFaults) {
  test(`a full check in slices finds ${what}`, async (t) => {
    const database = await openYear();
    await force(database, text);
    const { run, steps } = await slices(database);
    t.is(steps, 12);
    t.like(run, { scope: "full", slice_count: 12, line_count: "24", status: "unhealthy" });
    t.deepEqual(await rulesOf(database, run), rules);
    await database.close();
  });
}

test("a full check that was interrupted goes on where it was, and looks at what came since", async (t) => {
  const database = await openYear();
  await database.pool.query("select saldo.set_setting('check_slice_lines', '4')");
  const start = await one<Run>(database, "select * from saldo.continue_check()");
  t.is(start.id, null);
  const progress = await one<Record<string, unknown>>(
    database,
    "select slice_count, line_count, total_line_count from saldo.check_progress",
  );
  t.is(progress.slice_count, 1);
  t.is(progress.total_line_count, "24");
  t.true(Number(progress.line_count) > 0 && Number(progress.line_count) <= 4);
  const lost = await database.pool.connect();
  await lost.query("begin");
  await lost.query("select saldo.continue_check()");
  await lost.query("rollback");
  lost.release();
  t.like(await one(database, "select slice_count from saldo.check_progress"), { slice_count: 1 });

  // Into a month that is done already.
  await pay(database, 3, "2025-01-20");
  await force(
    database,
    `update saldo.journal_line set debit = 4 where account_id = 1 and entry_id = (
      select id from saldo.journal_entry order by id desc limit 1)`,
  );
  const { run } = await slices(database);
  t.deepEqual(await rulesOf(database, run), [
    "account_balance",
    "entry_balance",
    "month_movement",
    "trial_balance",
  ]);
  t.deepEqual((await database.pool.query("select from saldo.check_progress")).rows, []);
  await database.close();
});

test("where transaction numbers are another cluster's, everything is checked", async (t) => {
  const database = await openYear();
  await full(database);
  await database.pool.query("update saldo_private.verified_point set cluster = '1'");
  t.like(await news(database), { scope: "full" });
  t.like(await news(database), { scope: "incremental" });
  await database.close();
});

test("checks beside writers and beside each other alarm at nothing", async (t) => {
  const database = await openYear();
  await full(database);
  let isWriting = true;
  const write = async (index: number) => {
    for (let round = 0; round < 25; round++) {
      const text = "select saldo.transfer($1, $2, 1, occurred_at => $3)";
      const month = 1 + ((index + round) % 12);
      await database.pool.query(text, [1, 2 + (round % 3), `2025-${month}-11`]);
    }
  };
  const statuses = new Set<string>();
  const look = async (look: (database: TestDatabase) => Promise<Run>) => {
    while (isWriting) statuses.add((await look(database)).status);
  };
  const looking = [look(news), look(news), look(full)];
  await Promise.all([0, 1, 2].map(write));
  isWriting = false;
  await Promise.all(looking);
  statuses.add((await news(database)).status);
  t.deepEqual([...statuses], ["healthy"]);
  t.like(await news(database), { line_count: "0" });
  await database.close();
});

test("incremental checks beside each other count nothing twice, and leave nothing out", async (t) => {
  const database = await openYear();
  await full(database);
  let isWriting = true;
  const write = async () => {
    for (let round = 0; round < 60; round++) await pay(database, 1, `2025-${1 + (round % 12)}-11`);
  };
  const look = async () => {
    while (isWriting) await news(database);
  };
  const looking = [look(), look(), look()];
  await Promise.all([write(), write()]);
  isWriting = false;
  await Promise.all(looking);
  await news(database);
  t.deepEqual(await pointErrors(database), { totals: 0, months: 0, month_count: 12 });
  await database.close();
});

test("a check that another one overtakes begins where that one has ended", async (t) => {
  const database = await openYear();
  const { pool } = database;
  const gateLock = 99;
  await full(database);
  await pay(database);
  // Between the look at the point and the lock: there another check may move it.
  await pool.query("alter function saldo_private.lock_verified_point() rename to lock_at_once");
  await pool.query(
    `create function saldo_private.lock_verified_point() returns boolean language plpgsql as $$
    begin
      if current_setting('application_name') = 'slow' then
        perform pg_advisory_lock(${gateLock});
      end if;
      return saldo_private.lock_at_once();
    end
    $$`,
  );
  const [gate, slow] = [await pool.connect(), await pool.connect()];
  await gate.query("select pg_advisory_lock($1)", [gateLock]);
  await slow.query("set application_name = 'slow'");
  const overtaken = slow.query("select scope from saldo.reconcile()");
  const waiting = `select from pg_locks
    where locktype = 'advisory' and objid = ${gateLock} and not granted`;
  while ((await pool.query(waiting)).rowCount === 0) await sleep(10);
  t.like(await news(database), { scope: "incremental" });
  await gate.query("select pg_advisory_unlock($1)", [gateLock]);
  t.deepEqual((await overtaken).rows, [{ scope: "incremental" }]);
  t.deepEqual(await pointErrors(database), { totals: 0, months: 0, month_count: 1 });
  for (const client of [gate, slow]) client.release();
  await database.close();
});

test("a month of an account without news is found wrong when another account has news in it", async (t) => {
  for (const isKnown of [false, true]) {
    const database = await openYear();
    await full(database);
    if (isKnown) {
      await pay(database);
      t.like(await news(database), { status: "healthy" });
    }
    // Its weights are its own: what another account's month lacks does not make up for it.
    await force(
      database,
      `update saldo.month_movement set credit = credit + case account_id when 4 then 7 else -7 end
      where account_id in (3, 4) and month in ('2025-12-01', '2025-11-01')`,
    );
    await force(
      database,
      `insert into saldo.month_movement (account_id, month, credit, line_count)
      values (4, '2025-12-01', 7, 0) on conflict do nothing`,
    );
    await pay(database);
    const run = await news(database);
    t.like(run, { scope: "incremental", status: "unhealthy" }, `known: ${isKnown}`);
    t.deepEqual(await rulesOf(database, run), ["month_movement"]);
    await database.close();
  }
});

test("what an account came to that was suspect is summed up once, and known from then on", async (t) => {
  const database = await openYear();
  const { pool } = database;
  await full(database);
  await force(
    database,
    "update saldo.account set debit_total = debit_total + 7 where id in (1, 2)",
  );
  t.like(await full(database), { status: "unhealthy" });
  const unknown =
    "select account_id from saldo_private.verified_total where debit_total is null order by 1";
  t.deepEqual((await pool.query(unknown)).rows, [{ account_id: "1" }, { account_id: "2" }]);
  await pool.query("select saldo.auto_heal(false)");
  await pay(database);
  t.like(await news(database), { scope: "incremental", status: "healthy" });
  t.deepEqual((await pool.query(unknown)).rows, []);
  await force(database, "update saldo.account set debit_total = debit_total + 7 where id = 2");
  t.like(await news(database), { scope: "incremental", status: "unhealthy" });
  await database.close();
});
