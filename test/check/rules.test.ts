import test from "ava";
import type { PoolClient } from "pg";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { brokenRules, check, forced } from "../_support/faults.ts";
import { branchBooks, branchFaults } from "../fault_library/_branch_room.ts";
import { closingFaults, sealFaults } from "../fault_library/_closing_faults.ts";
import { meteringBooks, meteringFaults } from "../fault_library/_metering_faults.ts";
import { freezeFaults } from "../heal/_freeze_faults.ts";
import { clockFaults } from "./_clock_faults.ts";
import { hotFaults } from "./_hot_faults.ts";

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

const faults: Fault[] = [
  {
    name: "a hold that says another reason",
    rules: ["row_seal"],
    books: "select saldo.seal_rows()",
    plant: sql("update saldo.hold set description = 'something else' where source = 'place_hold'"),
  },
  {
    name: "an edited line",
    rules: ["account_balance", "entry_balance", "month_movement", "trial_balance"],
    plant: sql("update saldo.journal_line set debit = 999 where account_id = 1"),
  },
  {
    name: "both sides of an entry edited alike",
    rules: ["account_balance", "month_movement"],
    plant: sql(`update saldo.journal_line set debit = debit * 2, credit = credit * 2
      where entry_id = (select result_id from saldo_private.idempotency_record
        where key = 'first')`),
  },
  {
    name: "a deleted line",
    rules: ["account_balance", "entry_balance", "entry_lines", "month_movement", "trial_balance"],
    plant: sql("delete from saldo.journal_line where account_id = 2"),
  },
  {
    name: "a deleted entry",
    rules: ["idempotency", "orphan_line"],
    plant: sql(`delete from saldo.journal_entry where id = (select result_id
      from saldo_private.idempotency_record where key = 'first')`),
  },
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
    name: "a line of two sides",
    rules: ["account_balance", "entry_balance", "line_amount", "month_movement", "trial_balance"],
    plant: sql("update saldo.journal_line set credit = 5 where account_id = 1"),
  },
  {
    name: "a line on another date",
    rules: ["entry_lines", "month_movement"],
    plant: sql("update saldo.journal_line set posting_date = '2020-01-01' where account_id = 1"),
  },
  {
    name: "a line of an account that is not there",
    rules: ["account_balance", "entry_balance", "month_movement", "orphan_line", "trial_balance"],
    plant: sql("update saldo.journal_line set account_id = 999 where account_id = 2"),
  },
  {
    name: "a wiped journal",
    rules: [
      "account_balance",
      "idempotency",
      "month_movement",
      "purchase_entry",
      "settlement_entry",
    ],
    plant: sql("truncate saldo.journal_line, saldo.journal_entry"),
  },
  {
    name: "a forced balance",
    rules: ["account_balance", "balance_sheet"],
    plant: sql("update saldo.account set debit_total = debit_total + 1 where id = 1"),
  },
  {
    name: "two forced balances that keep the sheet in balance",
    rules: ["account_balance"],
    plant: sql(`update saldo.account set debit_total = debit_total + 1,
      credit_total = credit_total + 1 where id = 1`),
  },
  {
    name: "a balance below its minimum",
    rules: ["account_balance", "balance_sheet", "min_balance"],
    plant: sql("update saldo.account set credit_total = 5000 where id = 1"),
  },
  {
    name: "a forced month",
    rules: ["month_movement"],
    plant: sql("update saldo.month_movement set debit = debit + 1 where account_id = 1"),
  },
  {
    name: "a month that is gone",
    rules: ["month_movement"],
    plant: sql("delete from saldo.month_movement where account_id = 1"),
  },
  {
    name: "a month that never was",
    rules: ["month_movement"],
    plant: sql("insert into saldo.month_movement values (1, '2001-01-01', 5, 5, 1)"),
  },
  {
    name: "a forced hold",
    rules: ["held_total"],
    plant: sql("update saldo.account set held_total = 1 where id = 3"),
  },
  {
    name: "a hold whose purchase is gone",
    rules: ["purchase_hold"],
    plant: sql(`update saldo.stock_item set purchase_id = null, account_id = null,
      assigned_at = null where purchase_id in (select id from saldo.purchase
        where status = 'pending');
      delete from saldo.purchase where status = 'pending'`),
  },
  {
    name: "a completed purchase whose record is gone",
    rules: ["idempotency", "purchase_entry"],
    plant: sql(`delete from saldo.purchase where status = 'completed'`),
  },
  {
    name: "a reversed entry that says it is not",
    rules: ["purchase_entry", "reversal"],
    plant: sql("update saldo.journal_entry set status = 'posted' where status = 'reversed'"),
  },
  {
    name: "a sync trigger that is off",
    rules: ["engine_configuration"],
    plant: sql("alter table saldo.journal_line disable trigger auto_sync_balance_on_posting"),
  },
  {
    name: "a trigger that is gone",
    rules: ["engine_configuration"],
    plant: sql("drop trigger record_bypass on saldo.journal_line"),
  },
  {
    name: "a definer function without a pinned path",
    rules: ["engine_configuration"],
    plant: sql("alter function saldo.transfer reset search_path"),
  },
  {
    name: "a function that anyone may call",
    rules: ["engine_configuration"],
    plant: sql("grant execute on function saldo.transfer to public"),
  },
  {
    name: "a table that a member may write",
    rules: ["engine_configuration"],
    plant: sql("grant update on saldo.account to saldo_member"),
  },
  {
    name: "a column that a member may write",
    rules: ["engine_configuration"],
    plant: sql("grant update (balance) on saldo.account to saldo_member"),
  },
  {
    name: "a constraint that was never validated",
    rules: ["engine_configuration"],
    plant: sql(`alter table saldo.purchase add constraint purchase_is_small
      check (quantity < 5) not valid`),
  },
  {
    name: "a rule that was made to find nothing",
    rules: ["engine_configuration"],
    plant: sql(`create or replace function saldo_private.rule_balance_sheet()
      returns table (key text, account_id bigint, stored text, derived text, difference numeric,
        detail jsonb) language sql stable
      as $$ select '', 0, '', '', 0, '{}'::jsonb where false $$`),
  },
  {
    name: "a trigger that came back with a condition",
    rules: ["engine_configuration"],
    plant: sql(`create or replace trigger keep_posted_immutable before update on saldo.journal_line
      for each row when (false) execute function saldo_private.tg_journal_line__keep_posted_immutable()`),
  },
  {
    name: "a view that shows less",
    rules: ["engine_configuration"],
    plant: sql(`create or replace view saldo_private.late_line with (security_invoker = true) as
      select l.account_id, l.posting_date, saldo_private.month_of(l.posting_date) as posting_month,
        e.origin_month, l.debit, l.credit
      from saldo.journal_entry as e
      join saldo.journal_line as l on l.entry_id = e.id
      where e.origin_month is not null and e.status <> 'draft' and e.line_count < 3`),
  },
  {
    name: "row level security that is off",
    rules: ["engine_configuration"],
    plant: sql("alter table saldo.account disable row level security"),
  },
];

/** Faults of the hot room; the account's rows are all on the slot of one connection. */
faults.push(...hotFaults);
faults.push(...freezeFaults, ...clockFaults);
faults.push(...meteringFaults.map((fault) => ({ ...fault, books: meteringBooks })));
faults.push(
  ...branchFaults.map(({ fault, plant, rules }) => ({
    name: fault,
    rules: [...rules].sort(),
    books: branchBooks,
    plant: sql(plant),
  })),
);

faults.push(...closingFaults, ...sealFaults);

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
