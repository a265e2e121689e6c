import test from "ava";
import type { PoolClient } from "pg";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { brokenRules, check, forced } from "../_support/faults.ts";

/**
 * Two accounts, a member with two purchases (one pending, one refunded), some postings, and a hot
 * account with settled rows, a pending one and a hold.
 */
async function openBooks(): Promise<TestDatabase> {
  const database = await openTestDatabase(2);
  await database.pool.query(`
    do $$
    declare
      v_purchase saldo.purchase;
      v_float saldo.account;
    begin
      perform saldo.open_account('till', 'Till', 'asset', min_balance => 0);
      perform saldo.open_account('owner', 'Owner', 'equity');
      perform saldo.transfer(1, 2, 1000, idempotency_key => 'first');
      perform saldo.create_member('m', 'M');
      perform saldo.create_product('p', 'P', 100, is_stock_tracked => true);
      perform saldo.add_stock_items(1, array['a', 'b', 'c']);
      perform saldo.top_up(1, 1000);
      perform saldo.purchase_with_balance_deduction(1, 1, 100, idempotency_key => 'buy');
      perform saldo.purchase_with_balance_deduction(1, 1, 100, hold_only => true);
      v_purchase := saldo.purchase_with_balance_deduction(1, 1, 100);
      perform saldo.refund_purchase(v_purchase.id, 'broken');
      v_float := saldo.open_account('float', 'Float', 'liability', min_balance => 0);
      perform saldo.make_account_hot(v_float.id, 2);
      perform saldo.submit_transaction(v_float.id, 500, 'credit', idempotency_key => 'submitted');
      perform saldo.submit_transaction(v_float.id, 20, 'debit');
      perform saldo.settle_sub_balances();
      perform saldo.submit_transaction(v_float.id, 7, 'debit');
      perform saldo.place_hold(v_float.id, 30);
    end
    $$
  `);
  return database;
}

interface Fault {
  name: string;
  rules: string[];
  /** What is in the books besides. */
  books?: string;
  plant: (client: PoolClient) => Promise<unknown>;
}

const sql = (text: string) => (client: PoolClient) => client.query(text);

/** What the library of faults (test/fault_library) does not have; it plants all others. */
const faults: Fault[] = [
  {
    name: "a deleted idempotency record",
    rules: ["idempotency_record"],
    plant: sql("delete from saldo_private.idempotency_record where key = 'first'"),
  },
  {
    name: "a deleted record of a purchase's key",
    rules: ["idempotency_record"],
    plant: sql("delete from saldo_private.idempotency_record where key = 'buy'"),
  },
  {
    name: "a deleted record of a submitted row's key",
    rules: ["idempotency_record"],
    plant: sql("delete from saldo_private.idempotency_record where key = 'submitted'"),
  },
  {
    name: "a settlement whose entry has another sum",
    rules: ["settlement", "settlement_entry"],
    plant: sql("update saldo.settlement_entry set credit = credit + 1"),
  },
  {
    name: "two forced balances that keep the sheet in balance",
    rules: ["account_balance"],
    plant: sql(`update saldo.account set debit_total = debit_total + 1,
      credit_total = credit_total + 1 where id = 1`),
  },
  {
    name: "slots of a frozen account",
    rules: ["account_freeze"],
    books: "select saldo.freeze_account(id, 'looked at') from saldo.account where code = 'float'",
    plant: sql(`insert into saldo_private.account_stripe (account_id, month, stripe_no, is_limited)
      select id, '2026-01-01', 1, true from saldo.account where code = 'float'`),
  },
];

for (const { name, rules, books = "", plant } of faults) {
  test(`the rules catch ${name}`, async (t) => {
    const database = await openBooks();
    try {
      await database.pool.query(books);
      t.deepEqual(await brokenRules(database.pool), [], "clean before the fault");
      await forced(database.pool, plant);
      // Where it went past the engine to what heals derive from, that is a finding as well.
      const contested = await database.pool.query(
        "select from saldo_private.contested_row where source <> 'account_slot'",
      );
      const also = contested.rows.length > 0 ? ["row_seal"] : [];
      t.deepEqual(await brokenRules(database.pool), [...new Set([...rules, ...also])].sort());
    } finally {
      await database.close();
    }
  });
}

test("a rule that breaks is a finding itself and stops no other", async (t) => {
  const database = await openBooks();
  try {
    await database.pool.query("drop function saldo_private.rule_trial_balance");
    await forced(database.pool, sql("update saldo.account set held_total = 1 where id = 3"));
    const result = await check(database.pool);
    t.is(result.status, "failed");
    t.deepEqual(
      result.findings.map(({ rule, cause }) => [rule, cause]),
      [
        ["engine_configuration", "engine_changed"],
        ["held_total", "out_of_band_write"],
        ["trial_balance", "rule_failed"],
      ],
    );
  } finally {
    await database.close();
  }
});

test("the totals of the balance sheet count what stripes have not handed on, in each currency", async (t) => {
  const { pool, close } = await openBooks();
  try {
    await pool.query(`
      select saldo.open_account('usd', 'USD', 'asset', currency => 'USD'),
        saldo.open_account('usd-fees', 'Fees', 'expense', currency => 'USD', mode => 'hot'),
        saldo.open_account('fees', 'Fees', 'revenue', mode => 'hot');
      select saldo.transfer(saldo.id_of_account('usd-fees'), saldo.id_of_account('usd'), 30),
        saldo.transfer(saldo.id_of_account('till'), saldo.id_of_account('fees'), 40);
    `);
    const stripes = await pool.query(
      `select sum(s.debit) as debit, sum(s.credit) as credit
      from saldo_private.account_stripe as s
      join saldo.account as a on a.id = s.account_id and a.code like '%fees'`,
    );
    t.deepEqual(stripes.rows, [{ debit: "30", credit: "40" }]);
    const { rows } = await pool.query(
      `select t.currency, t.is_valid, (t.total_assets, t.total_liabilities, t.total_equity) = (
          select sum(b.balance) filter (where b.section = 'assets'),
            coalesce(sum(b.balance) filter (where b.section = 'liabilities'), 0),
            sum(b.balance) filter (where b.section = 'equity')
          from saldo.balance_sheet(currency => t.currency) as b
        ) as is_same,
        (select count(*) from saldo.balance_sheet_totals(t.currency) as one where one = t) as one
      from saldo.balance_sheet_totals() as t order by t.currency`,
    );
    t.deepEqual(rows, [
      { currency: "IDR", is_valid: true, is_same: true, one: "1" },
      { currency: "USD", is_valid: true, is_same: true, one: "1" },
    ]);
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    await close();
  }
});
