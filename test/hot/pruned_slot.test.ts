import test from "ava";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { brokenRules, check, forced } from "../_support/faults.ts";

let database: TestDatabase;
test.beforeEach(async () => {
  database = await openTestDatabase(6);
  await database.pool.query(`
    select saldo.open_account('float', 'Float', 'liability', min_balance => 0);
    select saldo.make_account_hot(1, 2);
    select saldo.set_setting('sub_balance_keep_days', '30');
    select saldo.set_setting('idempotency_keep_days', '20');`);
});
test.afterEach.always(() => database?.close());

const submit = (count: number, key = "") =>
  database.pool.query(
    `select saldo.submit_transaction(1, 10, 'credit',
      idempotency_key => case when $2 <> '' then $2 || g end)
    from generate_series(1, $1::int) as g`,
    [count, key],
  );
const settle = () => database.pool.query("select saldo.settle_sub_balances()");
const seal = () => database.pool.query("select saldo.seal_journal(), saldo.seal_rows()");
/** Makes what is settled so far older, as the engine would: no guard sees it, the next seal does. */
const age = (days: number) =>
  database.pool.query(`
    begin;
    create function saldo_private.age() returns void language sql security definer
    set search_path = saldo, pg_temp
    as 'update saldo.settlement set settled_at = settled_at - interval ''${days} days''';
    alter function saldo_private.age() owner to saldo_owner;
    select saldo_private.age();
    drop function saldo_private.age();
    commit`);
const rowCount = async () => (await database.pool.query("select from saldo.sub_balance")).rowCount;

/** Goes through all tables, as of another day; how many rows went. */
async function prune(): Promise<number> {
  const { pool } = database;
  await pool.query("update saldo.retention_progress set finished_at = now() - interval '1 day'");
  for (;;) {
    const { rows } = await pool.query("select * from saldo.continue_retention()");
    if (rows[0].failure) throw new Error(rows[0].failure);
    if (rows[0].table_name === null) break;
  }
  const { rows } = await pool.query(
    "select deleted_count from saldo.retention_progress where table_name = 'sub_balance'",
  );
  return Number(rows[0].deleted_count);
}

const figures = async () =>
  (
    await database.pool.query(`
      select b.*, (select json_agg(l) from saldo.account_statement(1, '2000-01-01', '2100-01-01') l)
        as statement
      from saldo.balances(1) as b`)
  ).rows;

test.serial("old rows go once they are settled and sealed, and all figures stay", async (t) => {
  const { pool } = database;
  await submit(50, "old ");
  await settle();
  await age(31);
  await seal();
  await submit(20, "young ");
  await settle();
  await seal();
  await submit(5);
  const before = await figures();
  t.is(await prune(), 50);
  t.is(await rowCount(), 25);
  t.deepEqual(await figures(), before);
  t.deepEqual(await brokenRules(pool), []);

  await submit(3);
  await settle();
  t.is((await pool.query("select status from saldo.reconcile()")).rows[0].status, "healthy");
  await pool.query("truncate saldo_private.account_slot");
  await pool.query("select saldo.submit_transaction(1, 780, 'debit')");
  await t.throwsAsync(pool.query("select saldo.submit_transaction(1, 1, 'debit')"), {
    code: "SB001",
  });
  await settle();
  await seal();
  t.deepEqual(await brokenRules(pool), []);
  // Within its time a key is answered.
  await submit(20, "young ");
  t.is((await figures())[0].pending_count, "0");
  await age(31);
  await seal();
  t.is(await prune(), 29);
  t.is(await rowCount(), 0);
  t.deepEqual(await brokenRules(pool), []);
});

test.serial("a row stays that is not settled, sealed, or past the time of keys", async (t) => {
  const { pool } = database;
  await submit(10);
  await settle();
  await age(31);
  t.is(await prune(), 0, "nothing is sealed");
  await pool.query("select saldo.seal_rows()");
  t.is(await prune(), 0, "the summary entry is not");
  await seal();
  await pool.query("select saldo.set_setting('idempotency_keep_days', '0')");
  t.is(await prune(), 0, "keys are kept for ever");
  await pool.query("select saldo.set_setting('idempotency_keep_days', '40')");
  t.is(await prune(), 0, "keys are kept for longer");
  await pool.query("select saldo.set_setting('idempotency_keep_days', '30')");
  await pool.query("select saldo.set_setting('sub_balance_keep_days', '0')");
  t.is(await prune(), 0, "rows are kept for ever");
  await pool.query("select saldo.set_setting('sub_balance_keep_days', '30')");
  t.is(await prune(), 10);
  t.deepEqual(await brokenRules(pool), []);
});

test.serial(
  "a changed row stays and is found, and so is one that goes past the engine",
  async (t) => {
    const { pool } = database;
    await submit(10);
    await settle();
    await age(31);
    await seal();
    await forced(pool, (client) =>
      client.query("update saldo.sub_balance set metadata = '{}' where seq = 1"),
    );
    t.is(await prune(), 0);
    await t.throwsAsync(pool.query("delete from saldo.sub_balance"), { code: "SB105" });
    t.is(await rowCount(), 10);
  },
);

test.serial("a row that is taken away after the pruning is found", async (t) => {
  const { pool } = database;
  await submit(10);
  await settle();
  await age(31);
  await seal();
  await submit(10);
  await settle();
  await seal();
  t.is(await prune(), 10);
  await forced(pool, (client) =>
    client.query(`delete from saldo.sub_balance where (slot_no, seq) =
      (select slot_no, min(seq) from saldo.sub_balance group by 1 limit 1)`),
  );
  const { findings } = await check(pool);
  t.true(findings.some(({ rule }) => rule === "sub_balance"));
});

test.serial("writers and settlements beside the pruning leave no finding", async (t) => {
  const { pool } = database;
  let pruned = 0;
  for (let round = 0; round < 4; round++) {
    await settle();
    await age(31);
    await seal();
    const [, , count] = await Promise.all([submit(100), submit(100), prune(), settle()]);
    pruned += count;
  }
  await settle();
  t.true(pruned > 0);
  t.deepEqual(await brokenRules(pool), []);
  t.is((await figures())[0].available_balance, "8000");
});
