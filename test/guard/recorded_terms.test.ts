import test from "ava";
import { openBooks } from "./_rows.ts";

/** What rating, purchases and tills go by: a write to each, and nobody is accused by it. */
const writes = [
  ["tariff_version", "update saldo.tariff_version set price = price + 1"],
  ["correction_factor_version", "update saldo.correction_factor_version set factor = factor + 1"],
  ["customer", "update saldo.customer set name = 'x'"],
  ["meter", "update saldo.meter set code = 'x'"],
  ["member", "update saldo.member set name = 'x'"],
  ["product", "update saldo.product set price = price + 1"],
  ["account_terms", "update saldo_private.account_terms set min_balance = -5"],
  ["posting_rule", "truncate saldo.posting_rule, saldo.branch_intake"],
  ["branch_intake", "truncate saldo.branch_intake"],
] as const;

test("a write past the engine to what is rated and sold by is recorded", async (t) => {
  const { hot } = await openBooks();
  try {
    const recorded = () =>
      hot.root("select distinct table_name from saldo.guard_event order by table_name");
    t.deepEqual(await recorded(), [], "the engine's own writes are not");
    for (const [, statement] of writes) await hot.root(statement);
    t.deepEqual(
      (await recorded()).map((each) => each.table_name),
      writes.map(([table]) => table).sort(),
    );
    t.deepEqual(await hot.root("select from saldo_private.contested_row"), []);
  } finally {
    await hot.close();
  }
});

test("so it is for every table that decides about money or rights", async (t) => {
  const { hot } = await openBooks();
  const client = await hot.pool.connect();
  try {
    const { rows } = await client.query(`select format('%s', c.oid::regclass) as id, e.table_name
      from saldo_private.expected_source_triggers() as e
      join pg_class as c on c.relname = e.table_name
      where e.trigger_name = 'record_bypass_truncate'
      and c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)`);
    t.true(rows.length > 40);
    for (const { id, table_name } of rows) {
      await client.query("begin; set local session_replication_role = replica");
      await client.query(`truncate ${id} cascade`);
      const recorded = await client.query("select from saldo.guard_event where table_name = $1", [
        table_name,
      ]);
      t.is(recorded.rowCount, 1, id);
      await client.query("rollback");
    }
  } finally {
    client.release();
    await hot.close();
  }
});
