import test from "ava";
import { openTestDatabase } from "../_support/database.ts";

/* The hot path calls what is said once, and pays nothing for it: PostgreSQL inlines the call. */

const calls = [
  "saldo_private.is_debit_normal(type)",
  "saldo_private.normal_sign(type)",
  "saldo_private.is_above_minimum(balance, held_total, min_balance)",
  "saldo_private.allows_change(balance, held_total, min_balance, debit_total - credit_total)",
  "saldo_private.available_funds(type, balance, held_total, debit_total, credit_total, is_hot)",
  "saldo_private.posting_month_lock()",
  "saldo_private.gather_lock(id)",
];

test("what stands in one place is put into the statements that use it", async (t) => {
  const database = await openTestDatabase(1);
  try {
    for (const call of calls) {
      const { rows } = await database.pool.query<{ "QUERY PLAN": string }>(
        `explain (verbose) select ${call}
        from (select a.*, a.mode = 'hot' as is_hot from saldo.account as a) as account`,
      );
      const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      t.notRegex(plan, /saldo_private\./, call);
      t.regex(plan, /Output: /);
    }
  } finally {
    await database.close();
  }
});

test("the update of a posting has no call left", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const { rows } = await database.pool.query<{ "QUERY PLAN": string }>(
      `explain (verbose) update saldo.account as a set version = a.version + 1 where a.id = 1
      returning a.closed_at is null and saldo_private.allows_change(
        a.balance, a.held_total, a.min_balance, 5::numeric * saldo_private.normal_sign(a.type))`,
    );
    t.notRegex(rows.map((row) => row["QUERY PLAN"]).join("\n"), /saldo_private\.\w+\(/);
  } finally {
    await database.close();
  }
});

test("a constant of a domain is found while a statement is planned", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const { rows } = await database.pool.query<{ "QUERY PLAN": string }>(
      "explain (verbose) select saldo_private.no_amount(), saldo_private.no_volume()",
    );
    t.is(rows[1]?.["QUERY PLAN"].trim(), "Output: '0'::saldo.amount, NULL::saldo.volume");
  } finally {
    await database.close();
  }
});
