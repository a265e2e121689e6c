import test from "ava";
import { errorCode } from "../_support/database.ts";
import { as, balanceOf, drift, heal, openChain } from "./_healing.ts";

test("a heal goes by the plan that was looked at, whatever is posted, and by no other", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const apply = (hash: unknown) =>
    as(pool, "anna", "select * from saldo.auto_heal(false, $1)", [hash]);
  try {
    await drift(pool, [2, 3]);
    const plan = await heal(pool, "anna", true);
    t.deepEqual(await as(pool, "anna", "select * from saldo.heal_run_totals($1)", [plan["id"]]), [
      {
        outcome: "would_heal",
        rule: "account_balance",
        currency: "IDR",
        finding_count: "2",
        difference_sum: "14",
      },
    ]);

    // Another account is wrong by now, and then one of them by more: nobody has looked at that.
    await drift(pool, [5]);
    t.is(await errorCode(apply(plan["plan_hash"])), "SB417");
    await drift(pool, [5], -7);
    await drift(pool, [3]);
    t.is(await errorCode(apply(plan["plan_hash"])), "SB417");
    await drift(pool, [3], -7);
    t.is(await errorCode(apply("")), "SB417");
    t.is(await balanceOf(pool, 2), "7");

    await pool.query("select saldo.transfer(2, 3, 50)");
    const [run] = await apply(plan["plan_hash"]);
    t.like(run, { healed_count: 2, plan_hash: plan["plan_hash"], is_dry_run: false });
    t.is(await balanceOf(pool, 2), "50");
    t.is(await errorCode(apply(plan["plan_hash"])), "SB417");
  } finally {
    await database.close();
  }
});
