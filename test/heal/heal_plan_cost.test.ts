/** What planning a heal costs: an account whose figures are all wrong is gone through once. */
import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";

test("whether the records of a customer are proven is asked once, not for each month", async (t) => {
  const { pool, close } = await openTestDatabase(3);
  t.teardown(close);
  await pool.query(`
    select saldo.create_customer('c-' || g, 'Customer') from generate_series(1, 3) as g;
    select saldo.add_deposit(c.id, 100, occurred_at => now() - make_interval(months => g))
    from saldo.customer as c, generate_series(1, 6) as g`);
  await forced(pool, (client) =>
    client.query("update saldo.customer_month_total set deposits = deposits + 1"),
  );
  const client = await pool.connect();
  t.teardown(() => client.release());
  await client.query("begin; set local track_functions = 'all'");
  await client.query("select saldo.auto_heal(false)");
  const planned = await client.query<{ count: number }>(
    "select count(*)::integer from saldo.heal_action where rule = 'customer_month_total'",
  );
  const asked = await client.query<{ calls: number }>(
    `select calls::integer from pg_stat_xact_user_functions where funcname = 'unproven_source'`,
  );
  await client.query("commit");
  t.is(planned.rows[0]?.count, 18);
  t.is(asked.rows[0]?.calls, 3);
});
