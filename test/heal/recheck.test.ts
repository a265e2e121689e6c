import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { check, findingsOf, forced } from "../_support/faults.ts";
import { drift, heal, openChain } from "./_healing.ts";

/* The look after a heal: at what was found, and at what has come since. */

/** Heals, and the rules by which the check before it and the look after it found something. */
async function healed(pool: Parameters<typeof heal>[0]) {
  const run = await heal(pool);
  const { rows } = await pool.query(
    "select id, scope, rule_count from saldo.check_run order by number desc limit 1",
  );
  const rulesOf = async (id: string) => [
    ...new Set((await findingsOf(pool, id)).map(({ rule }) => rule)),
  ];
  return {
    count: run["healed_count"],
    before: await rulesOf(run["check_run_id"]),
    after: await rulesOf(rows[0].id),
    scope: rows[0].scope,
  };
}

test("what a heal leaves alone is found again by the look after it, however old it is", async (t) => {
  const database = await openChain();
  const { pool } = database;
  await pool.query(`
    select saldo.create_member('ayu', 'Ayu');
    select saldo.create_product('BM50', 'BM50', 100);
    select saldo.top_up(saldo.id_of_member('ayu'), 500, 't-1');
    select saldo.purchase_with_balance_deduction(saldo.id_of_member('ayu'), saldo.id_of_product('BM50'), 100);
  `);
  t.is((await check(pool)).status, "healthy");
  await forced(pool, async (client) => {
    await client.query("update saldo.purchase set quantity = 2, amount = 200, unit_price = 100");
    await client.query("delete from saldo_private.idempotency_record where key = 't-1'");
  });
  await drift(pool, [3, 4]);
  const { count, before, after, scope } = await healed(pool);
  t.is(count, 2);
  t.is(scope, "incremental");
  const left = ["idempotency_record", "purchase_entry", "row_seal"];
  t.deepEqual(before, ["account_balance", "balance_sheet", ...left]);
  t.deepEqual(after, left);
  await database.close();
});

test("totals that do not stay as a heal has set them are found by the look after it", async (t) => {
  const database = await openChain();
  const { pool } = database;
  await pool.query(`create function public.spoil() returns trigger language plpgsql as $$
    begin NEW.debit_total := NEW.debit_total + 3; return NEW; end $$`);
  await pool.query(`create trigger spoil before update on saldo.account for each row
    when (NEW.id = 5) execute function public.spoil()`);
  await drift(pool, [4, 5]);
  const { count, after } = await healed(pool);
  t.is(count, 2);
  t.deepEqual(after, ["account_balance", "balance_sheet", "engine_configuration"]);
  const { rows } = await pool.query(
    `select key, difference from saldo.finding where rule = 'account_balance'
    and check_run_id = (select id from saldo.check_run order by number desc limit 1)`,
  );
  t.deepEqual(rows, [{ key: "5", difference: "3" }]);
  await database.close();
});

test("an entry across currencies is found where only totals are suspect, and nothing is healed", async (t) => {
  const database = await openTestDatabase();
  const { pool } = database;
  await pool.query(`
    select saldo.open_account('a', 'A', 'asset'), saldo.open_account('b', 'B', 'asset'),
      saldo.open_account('c', 'C', 'asset');
    select saldo.transfer(1, 2, 100), saldo.transfer(2, 3, 40);
  `);
  t.is((await check(pool)).status, "healthy");
  // As if it had been posted so: every cache follows, and each entry has as many debits as credits.
  await forced(pool, (client) =>
    client.query("update saldo.account set currency = 'USD' where id = 3"),
  );
  await drift(pool, [1]);
  const { before, count } = await healed(pool);
  t.true(before.includes("account_balance"));
  t.true(before.includes("trial_balance"));
  t.is(count, 0);
  const { rows } = await pool.query(
    `select key, stored, derived, difference from saldo.finding where rule = 'trial_balance' order by key`,
  );
  t.deepEqual(rows, [
    { key: "IDR", stored: "140", derived: "100", difference: "40" },
    { key: "USD", stored: "0", derived: "40", difference: "-40" },
  ]);
  await database.close();
});

test("what is written past the engine after the check the look after a heal finds, however old", async (t) => {
  const { pool, close } = await openChain();
  await drift(pool, [3]);
  const { id } = await check(pool);
  await forced(pool, (client) =>
    client.query(
      `update saldo.journal_line set debit = debit + 1 where account_id = 7 and debit > 0`,
    ),
  );
  const { rows } = await pool.query("select * from saldo_private.recheck($1, 'heal')", [id]);
  const found = (await findingsOf(pool, rows[0].id)).map(({ rule, account_id }) => [
    rule,
    account_id,
  ]);
  t.deepEqual(found, [
    ["account_balance", "3"],
    ["account_balance", "7"],
    ["balance_sheet", null],
    ["entry_balance", "7"],
    ["month_movement", "7"],
    ["trial_balance", null],
  ]);
  await close();
});
