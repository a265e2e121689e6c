import test from "ava";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { found, openNews } from "./_news.ts";

/** Whose accounts rules about members and customers are asked about, by code; null = all. */
async function asked(database: TestDatabase): Promise<string[] | null> {
  const { rows } = await database.pool.query(
    `select case when v.news_account_ids is null then null else array(
      select a.code from saldo.account as a where a.id = any (v.news_account_ids) order by a.code
    ) end as codes
    from saldo_private.verify_news((select saldo_private.known_snapshot()), false) as v`,
  );
  return rows[0].codes;
}

test("rules about members and customers are asked about theirs, and about what has no owner", async (t) => {
  const database = await openNews();
  const look = async (...texts: string[]) => {
    await database.pool.query("select saldo.check_balance_health()");
    for (const text of texts) await database.pool.query(text);
    return await asked(database);
  };
  t.deepEqual(await look("select saldo.transfer(1, 2, 5)"), []);
  t.deepEqual(await look("select saldo.top_up(2, 5)"), ["wallet:member-2"]);
  t.deepEqual(await look("select saldo.add_deposit(1, 5)"), ["customer:customer-1"]);
  t.deepEqual(
    await look(
      "select saldo.purchase_with_balance_deduction(1, 1, 10)",
      `select saldo.reverse_top_up((select l.entry_id from saldo.journal_line as l
        join saldo.member as m on m.account_id = l.account_id and m.code = 'member-1'
        where l.credit = 100000), 'bounced', 'debt')`,
    ),
    // The entry of a charge-back is asked about whosever it is.
    ["cash:IDR", "debt:member-1", "wallet:member-1"],
  );
  const debt = "(select debt_account_id from saldo.member where code = 'member-1')";
  t.deepEqual(await look(`select saldo.transfer(1, ${debt}, 3)`), ["debt:member-1"]);
  await database.close();
});

test("a purchase that only holds is asked about, though nothing of it is posted", async (t) => {
  const database = await openNews();
  await database.pool.query("select saldo.check_balance_health()");
  await database.pool.query(
    "select saldo.purchase_with_balance_deduction(2, 2, 20, hold_only => true)",
  );
  t.deepEqual(await asked(database), ["wallet:member-2"]);
  await database.close();
});

test("an entry that pays no member's debt is found wherever it was posted", async (t) => {
  const database = await openNews();
  await database.pool.query("select saldo.check_balance_health()");
  const client = await database.pool.connect();
  await client.query("begin");
  await client.query("select saldo.transfer(1, 2, 5)");
  await client.query("commit");
  await client.query("begin");
  await client.query("set local session_replication_role = replica");
  const { rowCount } = await client.query(
    `update saldo.journal_entry set source = 'debt_payment'
    where id = (select id from saldo.journal_entry order by posted_in desc limit 1)`,
  );
  t.is(rowCount, 1);
  await client.query("set local session_replication_role = origin");
  const [scope, ...findings] = await found(client, "reconcile");
  await client.query("rollback");
  client.release();
  t.is(scope, "incremental");
  t.deepEqual(
    findings.map((finding) => finding.split(" ")[0]),
    ["top_up_reversal"],
  );
  await database.close();
});

test("of a thousand members and more that were moved all are asked about", async (t) => {
  const database = await openTestDatabase(1);
  await database.pool.query(
    `select count(saldo.top_up((saldo.create_member('m' || g, 'Member')).id, 10))
    from generate_series(1, 1001) as g`,
  );
  await database.pool.query("select saldo.check_balance_health()");
  await database.pool.query("select count(saldo.top_up(id, 1)) from saldo.member where id <= 1000");
  t.is((await asked(database))?.length, 1000);
  await database.pool.query("select saldo.top_up(1001, 1)");
  t.is(await asked(database), null);
  await database.close();
});
