/**
 * A full check in slices takes its time. What is written past the engine to what has been sieved
 * already is found all the same, and nothing else is blamed for it.
 */
import test from "ava";
import type { Pool } from "pg";
import { check, findingsOf, forced } from "../_support/faults.ts";
import { drift, openChain } from "../heal/_healing.ts";

/** Books of two months, each a slice. */
async function openMonths() {
  const books = await openChain();
  await books.pool.query(`
    select saldo.set_setting('check_slice_lines', '1');
    select saldo.transfer(g, g + 1, 5, occurred_at => now() - interval '40 days')
    from generate_series(1, 19) as g`);
  return books;
}

/** A check that something happens in after its first slice; the rules that find something, by account. */
async function checkAround(pool: Pool, happens: () => Promise<unknown>) {
  const { rows } = await pool.query("select id from saldo.continue_check()");
  if (rows[0].id !== null) throw new Error("the check had one slice");
  await happens();
  for (;;) {
    const { rows: next } = await pool.query("select id from saldo.continue_check()");
    if (next[0].id === null) continue;
    const found = await findingsOf(pool, next[0].id);
    return found.map(({ rule, account_id }) => `${rule} ${account_id}`);
  }
}

/** As if the guard had been silent: no record says what was written. */
const unseen = async (pool: Pool, table: string, text: string) => {
  await pool.query(`begin; alter table ${table} disable trigger all; ${text};
    alter table ${table} enable trigger user`);
  const { rows } = await pool.query<{ text: string }>(
    `select format('alter table %s enable always trigger %I', tgrelid::regclass, tgname) as text
    from pg_trigger where tgrelid = '${table}'::regclass
    and tgname in ('guard_cached_balance', 'guard_truncate', 'record_bypass',
      'record_bypass_insert', 'record_bypass_truncate')`,
  );
  for (const { text: statement } of rows) await pool.query(statement);
};

test("a month that changes after its slice is named, and the journal is not blamed", async (t) => {
  const { pool, close } = await openMonths();
  await drift(pool, [3]);
  const found = await checkAround(pool, () =>
    unseen(
      pool,
      "saldo.month_movement",
      `update saldo.month_movement set debit = debit + 5 where account_id = 9
        and month < date_trunc('month', now()); commit`,
    ),
  );
  t.deepEqual(found.sort(), ["account_balance 3", "balance_sheet null", "month_movement 9"]);
  await close();
});

test("a recorded write to a slice that was looked at is found by that check", async (t) => {
  const { pool, close } = await openMonths();
  const found = await checkAround(pool, () =>
    forced(pool, (client) =>
      client.query(
        `update saldo.journal_line set debit = debit + 1 where account_id = 7 and debit > 0
        and posting_date < date_trunc('month', now())`,
      ),
    ),
  );
  for (const rule of ["account_balance 7", "entry_balance 7", "month_movement 7"]) {
    t.true(found.includes(rule), `${rule} of ${found.join(", ")}`);
  }
  await close();
});

test("months that are emptied between slices are found by that check", async (t) => {
  const { pool, close } = await openMonths();
  const found = await checkAround(pool, () =>
    forced(pool, (client) => client.query("truncate saldo.month_movement")),
  );
  t.true(found.includes("month_movement 9"), found.join(", "));
  await close();
});

for (const table of ["saldo.month_movement", "saldo.journal_line"]) {
  test(`after TRUNCATE of ${table} a reconciliation looks at everything`, async (t) => {
    const { pool, close } = await openMonths();
    t.is((await check(pool)).status, "healthy");
    const incremental = await pool.query("select scope from saldo.reconcile()");
    t.is(incremental.rows[0].scope, "incremental");
    await forced(pool, (client) => client.query(`truncate ${table}`));
    const { rows } = await pool.query("select scope, status from saldo.reconcile()");
    t.deepEqual(rows, [{ scope: "full", status: "unhealthy" }]);
    await close();
  });
}

test("the look after a heal asks a rule again that failed in the check before it", async (t) => {
  const { pool, close } = await openMonths();
  await drift(pool, [3]);
  await forced(pool, (client) =>
    client.query(`update saldo.month_movement set debit = debit + 5 where account_id = 9
      and month < date_trunc('month', now())`),
  );
  const rename = (from: string, to: string) =>
    pool.query(`alter function saldo_private.${from}(bigint[]) rename to ${to}`);
  await rename("rule_month_movement", "rule_away");
  const { id } = await check(pool);
  await rename("rule_away", "rule_month_movement");
  const { rows } = await pool.query("select * from saldo_private.recheck($1, 'heal')", [id]);
  const found = (await findingsOf(pool, rows[0].id)).map(
    ({ rule, account_id }) => `${rule} ${account_id}`,
  );
  t.true(found.includes("month_movement 9"), found.join(", "));
  await close();
});
