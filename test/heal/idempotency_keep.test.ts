import test from "ava";
import { readCommitted, readCurrent } from "../../src/database/committed.ts";
import { statementsOf } from "../../src/database/sql_statements.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { brokenRules, forced } from "../_support/faults.ts";

let database: TestDatabase;
test.beforeEach(async () => {
  database = await openTestDatabase(4);
  await database.pool.query(`
    select saldo.open_account('till', 'Till', 'asset'), saldo.open_account('owner', 'O', 'equity');
    select saldo.create_member('m', 'M');
    select saldo.create_product('p', 'P', 100);
    select saldo.top_up(1, 1000);
    select saldo.purchase_with_balance_deduction(1, 1, 100);
    select saldo.open_account('float', 'Float', 'liability', min_balance => 0);
    select saldo.make_account_hot((select id from saldo.account where code = 'float'), 2);
    select saldo.create_customer('c', 'C');`);
});
test.afterEach.always(() => database?.close());

/** Rules that are broken, but for the one that saw the writes by which a test prepares its books. */
const broken = async () => (await brokenRules(database.pool)).filter((rule) => rule !== "row_seal");

const float = "(select id from saldo.account where code = 'float')";

/** Requests with a key whose second coming would move money again. */
const requests: Record<string, string> = {
  transfer: "select saldo.transfer(1, 2, 5, idempotency_key => 'k')",
  transfer_many: `select saldo.transfer_many(array[
    row(1, 2, 5, null, 'k', null)::saldo.transfer_request])`,
  post_entries: `select saldo.post_entries('[{"description": "D", "idempotency_key": "k", "lines":
    [{"account_id": 1, "debit": "5"}, {"account_id": 2, "credit": "5"}]}]')`,
  top_up: "select saldo.top_up(1, 5, idempotency_key => 'k')",
  purchase: "select saldo.purchase_with_balance_deduction(1, 1, 100, idempotency_key => 'k')",
  "pending purchase": `select saldo.purchase_with_balance_deduction(1, 1, 100,
    idempotency_key => 'k', hold_only => true)`,
  deposit: "select saldo.add_deposit(1, 5, idempotency_key => 'k')",
  submit_transaction: `select saldo.submit_transaction(${float}, 5, 'credit',
    idempotency_key => 'k')`,
  submit_transactions: `select * from saldo.submit_transactions(array[
    row(${float}, 5, 'credit', null, 'k', null)::saldo.submit_request])`,
  refund_purchase: `select saldo.refund_purchase((select id from saldo.purchase), 'late',
    amount => 5, idempotency_key => 'k')`,
  place_hold: `select saldo.place_hold((select account_id from saldo.member), 5,
    idempotency_key => 'k')`,
};

/** What a request is refused with; one of many at once says it in its own row. */
async function refusal(asked: Promise<{ rows: Array<Record<string, string>> }>) {
  try {
    const { rows } = await asked;
    return { code: rows[0]?.error_code, constraint: rows[0]?.error_condition, detail: "" };
  } catch (error) {
    return error as { code: string; constraint: string; detail: string };
  }
}

const books = `
  select (select count(*) from saldo.journal_entry) as entry_count,
    (select count(*) from saldo.sub_balance) as row_count,
    (select count(*) from saldo.hold) as hold_count,
    (select count(*) from saldo.purchase) as purchase_count,
    (select json_agg(json_build_array(id, debit_total, credit_total, held_total) order by id)
      from saldo.account) as totals`;

for (const [name, request] of Object.entries(requests)) {
  test.serial(`${name}: a lost record is found, and a retry moves nothing again`, async (t) => {
    const { pool } = database;
    await pool.query(request);
    t.deepEqual(await broken(), []);
    const before = (await pool.query(books)).rows;
    const lost = await pool.query("delete from saldo_private.idempotency_record where key = 'k'");
    t.is(lost.rowCount, 1, "there was a record");
    t.deepEqual(await broken(), ["idempotency_record"]);

    const made = await pool.query(
      "select id from saldo_private.keyed_fact('-infinity', null) where key = 'k'",
    );
    const refused = await refusal(pool.query(request));
    t.like(refused, { code: "SB022", constraint: "already_done" });
    // A batch tells it of each of its rows, by a code alone.
    if (name !== "submit_transactions") t.regex(refused.detail, new RegExp(made.rows[0].id));
    t.deepEqual((await pool.query(books)).rows, before);
  });
}

for (const mode of ["immediate", "hot"]) {
  test.serial(`a lost record of a capture on an account that is ${mode} is found`, async (t) => {
    const { pool } = database;
    const account = mode === "hot" ? float : "(select account_id from saldo.member)";
    if (mode === "hot") {
      await pool.query(`select saldo.submit_transaction(${float}, 100, 'credit')`);
    }
    await pool.query(`select saldo.place_hold(${account}, 50)`);
    await pool.query(`select saldo.capture_hold((select id from saldo.hold), 20, true,
      idempotency_key => 'k')`);
    t.deepEqual(await broken(), []);
    const before = (await pool.query(books)).rows;
    await pool.query("delete from saldo_private.idempotency_record where key = 'k'");
    t.deepEqual(await broken(), ["idempotency_record"]);
    // With keep_rest the hold is open still, so that nothing but the key stands in the way.
    const again = pool.query(`select saldo.capture_hold((select id from saldo.hold), 20, true,
      idempotency_key => 'k')`);
    t.is((await refusal(again)).code, "SB022");
    t.deepEqual((await pool.query(books)).rows, before);
  });
}

test.serial("a lost record is found with the shortest time to keep them, too", async (t) => {
  const { pool } = database;
  await pool.query("select saldo.set_setting('idempotency_keep_days', '1')");
  await pool.query(requests.transfer as string);
  await pool.query("delete from saldo_private.idempotency_record where key = 'k'");
  t.deepEqual(await broken(), ["idempotency_record"]);
});

test.serial("the index over captures is made of books that have a double already", async (t) => {
  const { pool } = database;
  const files = (await readCommitted()).map(({ body }) => body);
  files.push(await readCurrent());
  const make = files
    .flatMap((text, number) => statementsOf(`migration ${number}`, text))
    .filter(({ text }) => text.includes("hold_is_captured_once_per_key"))
    .map(({ text }) => text)
    .join(";");
  const capture = (key: string) =>
    pool.query(
      "select saldo.capture_hold((select id from saldo.hold), 3, true, idempotency_key => $1)",
      [key],
    );
  await pool.query("drop index saldo.hold_is_captured_once_per_key");
  await pool.query("select saldo.place_hold((select account_id from saldo.member), 50)");
  for (const key of ["early", "early", "late"]) {
    await capture(key);
    await pool.query("delete from saldo_private.idempotency_record where key = $1", [key]);
  }
  await pool.query(make);
  t.is((await refusal(capture("late"))).code, "SB022");
  const { rows } = await pool.query("select captured_amount::text from saldo.hold");
  t.deepEqual(rows, [{ captured_amount: "9" }]);
});

test.serial("an incremental check finds the lost record of a new entry", async (t) => {
  const { pool } = database;
  await pool.query("select saldo.check_balance_health()");
  await pool.query(`${requests.transfer}; ${requests.submit_transaction}`);
  await pool.query("delete from saldo_private.idempotency_record where key = 'k'");
  const run = await pool.query("select id from saldo.reconcile()");
  const { rows } = await pool.query(
    `select f.rule, f.detail ->> 'table' as table_name from saldo.finding as f
    where f.check_run_id = $1 and f.rule <> 'row_seal' order by 2`,
    [run.rows[0].id],
  );
  t.deepEqual(rows, [
    { rule: "idempotency_record", table_name: "journal_entry" },
    { rule: "idempotency_record", table_name: "sub_balance" },
  ]);
});

test.serial("two keys that are the same in different scopes do not meet", async (t) => {
  const { pool } = database;
  for (const name of ["transfer", "top_up", "purchase", "deposit", "submit_transaction"]) {
    await pool.query(requests[name] as string);
  }
  await pool.query("select saldo.create_member('n', 'N'); select saldo.top_up(2, 1000)");
  await pool.query(
    "select saldo.purchase_with_balance_deduction(2, 1, 100, idempotency_key => 'k')",
  );
  for (const amount of [10, 20]) {
    await pool.query(`select saldo.capture_hold((saldo.place_hold(
      (select account_id from saldo.member where id = 2), ${amount})).id, idempotency_key => 'k')`);
  }
  t.deepEqual(await broken(), []);
});

const steps = `with recursive step as (
    select saldo.continue_retention() as s
  ) select (s).* from step`;

/** Makes keys, and what was made under them, older. */
async function age(days: number, keys: string): Promise<void> {
  await database.pool.query(
    `update saldo_private.idempotency_record set created_at = now() - interval '${days} days'
    where key like '${keys}'`,
  );
  await forced(database.pool, (client) =>
    client.query(
      `update saldo.journal_entry set recorded_at = now() - interval '${days} days'
      where idempotency_key like '${keys}'`,
    ),
  );
}

/** Goes through all tables, and returns what the last step of each says. */
async function prune(): Promise<Record<string, { deleted_count: string; failure: string | null }>> {
  const runs: Record<string, { deleted_count: string; failure: string | null }> = {};
  for (;;) {
    const { rows } = await database.pool.query(steps);
    if (rows[0].table_name === null) return runs;
    runs[rows[0].table_name] = rows[0];
  }
}

test.serial("keys older than the setting go, and nothing is found wrong", async (t) => {
  const { pool } = database;
  await pool.query(
    "select saldo.transfer(1, 2, 1, idempotency_key => 'key ' || g) from generate_series(1, 300) g",
  );
  await age(401, "key %");
  await age(0, "key 7");
  const before = (await pool.query(books)).rows;
  t.is((await prune()).idempotency_record?.deleted_count, "299");
  const left = await pool.query("select key from saldo_private.idempotency_record");
  t.deepEqual(left.rows, [{ key: "key 7" }]);
  t.deepEqual(await broken(), []);
  t.deepEqual((await pool.query(books)).rows, before);
  // Within the time a retry is answered.
  await pool.query("select saldo.transfer(1, 2, 1, idempotency_key => 'key 7')");
  t.deepEqual((await pool.query(books)).rows, before);
  t.is((await prune()).idempotency_record, undefined, "once a day");
});

test.serial("a longer time, set later, does not make findings of what was deleted", async (t) => {
  const { pool } = database;
  await pool.query(requests.transfer as string);
  await pool.query("select saldo.set_setting('idempotency_keep_days', '10')");
  await age(11, "k");
  t.is((await prune()).idempotency_record?.deleted_count, "1");
  await pool.query("select saldo.set_setting('idempotency_keep_days', '0')");
  t.deepEqual(await broken(), []);
  await pool.query("select saldo.transfer(1, 2, 3, idempotency_key => 'next')");
  await pool.query("delete from saldo_private.idempotency_record where key = 'next'");
  t.deepEqual(await broken(), ["idempotency_record"]);
});

test.serial("a step is bounded, and a run that was interrupted goes on there", async (t) => {
  const { pool } = database;
  // Wide keys, so that few rows make many blocks.
  await pool.query(`insert into saldo_private.idempotency_record
    select 'ledger', repeat('x', 1500) || g, 'transfer', '\\x00', gen_random_uuid(),
      now() - interval '500 days' from generate_series(1, 2500) as g`);
  const first = (await pool.query(steps)).rows[0];
  t.is(first.table_name, "idempotency_record");
  t.is(first.next_block, "200");
  t.is(first.finished_at, null);
  t.true(Number(first.deleted_count) > 0 && Number(first.deleted_count) < 2500);
  const client = await pool.connect();
  await client.query("begin");
  await client.query(steps);
  await client.query("rollback");
  client.release();
  const runs = await prune();
  t.is(runs.idempotency_record?.deleted_count, "2500");
  t.is((await pool.query("select from saldo_private.idempotency_record")).rowCount, 0);
});

test.serial("a step looks at its own blocks only", async (t) => {
  const { rows } = await database.pool.query(`explain (costs off)
    delete from saldo_private.idempotency_record as r
    where r.ctid >= saldo_private.block_tid(5) and r.ctid < saldo_private.block_tid(205)
    and r.created_at < now()`);
  t.regex(rows.map((row) => row["QUERY PLAN"]).join("\n"), /Tid Range Scan/);
});
