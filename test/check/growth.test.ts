import test from "ava";
import { openTestDatabase } from "../_support/database.ts";

const calls = 6;
const perCall = 1000;

/** What jobs and people ask all the time. */
const statements = [
  `select case when saldo.balance_at((select id from saldo.account where code = 'till'),
    now() - interval '69 days') = ${calls * perCall} then 'as wanted' end as result`,
  `select case when status = 'healthy' and scope = 'incremental' then 'as wanted' end as result
  from saldo.reconcile()`,
  `select case when count(*) > 0 then 'as wanted' end as result
  from saldo_private.seal_stretches__slots(100, null)`,
  `select case when sum(row_count) = 1 then 'as wanted' end as result
  from saldo.settle_sub_balances()`,
];

test("what is asked all the time reads what is new, however much there was before", async (t) => {
  const { pool } = await openTestDatabase();
  // More accounts than are posted to: where half of all are, rules are asked about all.
  await pool.query(`
    select saldo.open_account('idle-' || g, 'Idle', 'asset') from generate_series(1, 50) as g;
    select saldo.open_account('till', 'Till', 'asset'), saldo.open_account('owner', 'Owner', 'equity'),
      saldo.create_member('ayu', 'Ayu'), saldo.create_product('plain', 'Plain', 10);
    select saldo.top_up(saldo.id_of_member('ayu'), 100000);
    select saldo.make_account_hot((saldo.open_account('hot', 'Hot', 'liability')).id, 2)
  `);
  const { rows } = await pool.query<{ code: string; id: string }>(
    "select code, id from saldo.account where code in ('till', 'owner', 'hot')",
  );
  const idOf = (code: string) => rows.find((row) => row.code === code)?.id;
  const [till, owner, hot] = ["till", "owner", "hot"].map(idOf);
  for (let call = 0; call < calls; call += 1) {
    await pool.query(
      `select count(*) from saldo.transfer_many((
        select array_agg(($1::bigint, $2::bigint, 1, null, null, now() - interval '70 days')
          ::saldo.transfer_request)
        from generate_series(1, $3::int)))`,
      [till, owner, perCall],
    );
    await pool.query(
      `select count(*) from saldo.submit_transactions((
        select array_agg(($1::bigint, 1, 'credit', null, 'key-' || $2::int || '-' || g, null)
          ::saldo.submit_request)
        from generate_series(1, $3::int) as g))`,
      [hot, call, perCall],
    );
  }
  await pool.query("select saldo.settle_sub_balances()");
  await pool.query("select saldo.check_balance_health()");
  // The first one after a full check sums up the lines of the month.
  await pool.query("select saldo.transfer($1, $2, 1)", [till, owner]);
  await pool.query("select saldo.reconcile()");
  await pool.query("vacuum analyze");

  await pool.query("select saldo.transfer($1, $2, 1)", [till, owner]);
  await pool.query("select saldo.submit_transaction($1, 1, 'credit', idempotency_key => 'new')", [
    hot,
  ]);
  await pool.query(`select saldo.purchase_with_balance_deduction(saldo.id_of_member('ayu'),
    saldo.id_of_product('plain'), 10, idempotency_key => 'bought')`);
  for (const statement of statements) {
    const client = await pool.connect();
    const readSoFar = async () => {
      const { rows: read } = await client.query<{ relname: string; count: number }>(
        `select relname, (seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as count
        from pg_stat_xact_user_tables
        where relname in ('journal_line', 'journal_entry', 'sub_balance', 'idempotency_record')
        -- Of the month that it cuts a balance reads the lines, and no entries.
        and not (relname = 'journal_line' and $1)`,
        [statement.includes("balance_at")],
      );
      return new Map(read.map(({ relname, count }) => [relname, count]));
    };
    await client.query("begin");
    // What the session has read before is counted for a while.
    const before = await readSoFar();
    const { rows: result } = await client.query(statement);
    const after = await readSoFar();
    await client.query("commit");
    client.release();
    t.is(result[0].result, "as wanted", statement);
    t.true(after.size >= 3);
    for (const [name, total] of after) {
      const count = total - (before.get(name) ?? 0);
      t.true(count < perCall, `${statement}: ${count} rows of ${name}`);
    }
  }
});
