import type { Pool } from "pg";
import { createShop, shopGrants, shopRule } from "../../demo/shop.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";

export { shopRule } from "../../demo/shop.ts";

/** A database with a shop's own tables beside Saldo; its figures are right unless told otherwise. */
export async function openShop(balance = 1_900_000): Promise<TestDatabase> {
  const database = await openTestDatabase(5);
  await createShop(database.pool);
  await database.pool.query("update public.users set balance = $1 where id = 1", [balance]);
  await database.pool.query(shopGrants);
  return database;
}

/** Calls a function of Saldo with named arguments, as whoever the client is. */
export async function call(
  client: { query: TestDatabase["pool"]["query"] },
  name: string,
  values: object,
) {
  const given = Object.entries(values);
  const list = given.map(([key], index) => `${key} => $${index + 1}`).join(", ");
  const { rows } = await client.query(
    `select * from saldo.${name}(${list})`,
    given.map(([, value]) => value),
  );
  return rows;
}

/** Registers the rule over the shop's balances, with other arguments where they are given. */
export async function registerShop(database: TestDatabase, changes: object = {}) {
  return await call(database.pool as never, "register_balance_rule", { ...shopRule, ...changes });
}

/** Approves a rule by what a check finds now. */
export async function approveRule(pool: Pool, name = "user_balance") {
  const { rows } = await pool.query(
    "select * from saldo.approve_balance_rule($1, (saldo.check_balance_health()).id, 'looked at')",
    [name],
  );
  return rows[0];
}

/** Registers the rule over the shop's balances, and approves that it heals. */
export async function registerHealing(database: TestDatabase, changes: object = {}) {
  const rows = await registerShop(database, { heal: "update", ...changes });
  await approveRule(database.pool);
  return rows;
}

/** Causes of the findings of the last check, the first ones first. */
export async function causes(database: TestDatabase) {
  const { rows } = await database.pool.query(
    `select f.key, e.rank, e.cause, e.confidence, e.explanation, e.evidence
    from saldo.finding as f
    join saldo.finding_explanation as e on e.finding_id = f.id
    where f.check_run_id = (select id from saldo.check_run order by id desc limit 1)
    order by f.key, e.rank`,
  );
  return rows;
}
