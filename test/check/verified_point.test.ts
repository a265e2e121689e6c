import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { brokenRules, forced } from "../_support/faults.ts";

/** Books whose verified point knows what this month came to. */
async function openKnown() {
  const database = await openTestDatabase(4);
  const { pool } = database;
  await pool.query("select saldo.open_account('cash', 'Cash', 'asset')");
  await pool.query("select saldo.open_account('till', 'Till', 'liability')");
  const pay = () => pool.query("select saldo.transfer(1, 2, 1)");
  const reconcile = async () =>
    (await pool.query("select scope, status from saldo.reconcile()")).rows[0];
  await pay();
  await pool.query("select saldo.check_balance_health()");
  await pay();
  await reconcile();
  return { database, pool, pay, reconcile };
}

/** The movements of an entry are gone, or there again. */
const moved = (sign: "-" | "+") => `update saldo.month_movement
  set credit = credit ${sign} (account_id - 1), debit = debit ${sign} (2 - account_id),
    line_count = line_count ${sign} 1`;

test("what a suspect month came to before does not fit again when what is new is missing", async (t) => {
  const { database, pool, pay, reconcile } = await openKnown();
  await pay();
  await forced(pool, (client) => client.query(moved("-")));
  t.deepEqual(await reconcile(), { scope: "incremental", status: "unhealthy" });
  t.deepEqual((await pool.query("select month from saldo_private.verified_month")).rows, []);
  // A full check that cannot set the point, and that finds everything mended.
  await forced(pool, (client) => client.query(moved("+")));
  const client = await pool.connect();
  await client.query("begin isolation level repeatable read");
  const full = await client.query("select status from saldo.check_balance_health()");
  t.deepEqual(full.rows, [{ status: "healthy" }]);
  await client.query("commit");
  client.release();
  await forced(pool, (client) => client.query(moved("-")));
  await pay();
  t.deepEqual(await reconcile(), { scope: "incremental", status: "unhealthy" });
  await database.close();
});

test("numbers of lines beyond reason are a finding, and stop no check", async (t) => {
  const { database, pool, pay, reconcile } = await openKnown();
  await forced(pool, (client) =>
    client.query("update saldo.month_movement set line_count = 9000000000000 where account_id = 1"),
  );
  await pay();
  t.deepEqual(await reconcile(), { scope: "incremental", status: "unhealthy" });
  t.deepEqual(await brokenRules(pool), ["month_movement"]);
  await database.close();
});

test("an entry on a day that has no month is a finding, and stops no check", async (t) => {
  const { database, pool, pay, reconcile } = await openKnown();
  await pay();
  await forced(pool, (client) =>
    client.query(`update saldo.journal_entry set posting_date = '500000-01-01'
      where id = (select id from saldo.journal_entry order by posted_at desc limit 1)`),
  );
  t.deepEqual(await reconcile(), { scope: "incremental", status: "unhealthy" });
  t.deepEqual(await brokenRules(pool), ["entry_lines"]);
  await database.close();
});
