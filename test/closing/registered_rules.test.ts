import test from "ava";
import type { TestDatabase } from "../_support/database.ts";
import { check } from "../_support/faults.ts";
import { call, openShop, registerShop } from "../own_tables/_shop.ts";

/** A shop whose table drifts beside books that are in order, with a posting in June. */
async function openBooks() {
  const database = await openShop(1_500_000);
  await registerShop(database);
  await database.pool.query(`
    select saldo.open_account('till', 'Till', 'asset'), saldo.open_account('sales', 'Sales', 'revenue');
    select saldo.transfer(1, 2, 100, occurred_at => '2025-06-10 12:00+07')`);
  return database;
}

const close = ({ pool }: TestDatabase, args: object = {}) =>
  call(pool as never, "close_period", { month: "2025-06-01", ...args });

const itemsOf = async ({ pool }: TestDatabase) =>
  (await pool.query("select * from saldo.period_checklist('2025-06-01')")).rows.filter(({ item }) =>
    /rules/.test(item),
  );

test("a table of others that drifts is an item of its own, which is waived without the books' rules", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  try {
    t.is((await check(pool)).status, "unhealthy");
    const [own, others] = await itemsOf(database);
    t.like(own, { item: "rules", is_passed: true, open_count: "0" });
    t.like(others, { item: "registered_rules", is_passed: false, open_count: "1" });
    t.like(others.evidence[0], { rule: "user_balance", key: "1" });
    t.like(await t.throwsAsync<Error & { detail: string }>(close(database)), {
      code: "SB110",
      detail: "period 2025/06: registered_rules: 1 open",
    } as never);
    await close(database, { waive: ["registered_rules"], reason: "the shop mends it" });
    const { rows } = await pool.query(
      `select item, evidence -> 0 ->> 'rule' as rule from saldo.period_check
      where outcome = 'waived'`,
    );
    t.deepEqual(rows, [{ item: "registered_rules", rule: "user_balance" }]);
  } finally {
    await database.close();
  }
});

test("a rule over a table that is gone is waived by its item, and a drift of the books is not", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  try {
    await pool.query("drop table public.users cascade");
    t.is((await check(pool)).status, "failed");
    const waived = { waive: ["registered_rules"], reason: "the shop is closed" };
    await pool.query(`do $$ begin
      set local session_replication_role = replica;
      update saldo.month_movement set debit = debit + 5 where account_id = 1;
    end $$`);
    const error = await t.throwsAsync<Error & { code: string; detail: string }>(
      close(database, waived),
    );
    t.is(error.code, "SB110");
    t.regex(error.detail, /^period 2025\/06: rules: \d open$/);
    await pool.query("select saldo.auto_heal(false)");
    await close(database, waived);
    const { rows } = await pool.query(
      `select evidence -> 0 ->> 'key' as key from saldo.period_check
      where outcome = 'waived'`,
    );
    t.deepEqual(rows, [{ key: "rule" }]);
  } finally {
    await database.close();
  }
});

test("findings of registered rules do not make every incremental check a full one", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  try {
    await check(pool);
    const scope = async () =>
      (await pool.query("select scope, status from saldo.reconcile()")).rows[0];
    t.deepEqual(await scope(), { scope: "incremental", status: "unhealthy" });
    await pool.query("revoke select on public.transactions from saldo_rule_reader");
    t.deepEqual(await scope(), { scope: "incremental", status: "failed" });
    t.deepEqual(await scope(), { scope: "incremental", status: "failed" });
    await pool.query(`do $$ begin
      set local session_replication_role = replica;
      update saldo.account set debit_total = debit_total + 5 where id = 1;
    end $$`);
    t.like(await scope(), { scope: "incremental" });
    t.like(await scope(), { scope: "full" }, "but those of the books do");
  } finally {
    await database.close();
  }
});
