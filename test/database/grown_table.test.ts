import test from "ava";
import type { ClientBase, Pool } from "pg";
import { openTestDatabase } from "../_support/database.ts";

let number = 0;
const add = (client: ClientBase | Pool) => {
  number += 1;
  return client.query(
    `select count(*) from saldo.add_stock_items(saldo.id_of_product('stocked'),
      (select array_agg($1 || ' ' || g) from generate_series(1, 10000) as g))`,
    [number],
  );
};

test("rows that are being written are counted when they are there, and not as none", async (t) => {
  const { pool, close } = await openTestDatabase(3);
  t.teardown(close);
  await pool.query(
    "select saldo.create_product('stocked', 'Stocked', 10, is_stock_tracked => true)",
  );
  // For good: autovacuum would come between.
  await pool.query("alter table saldo.stock_item set (autovacuum_enabled = off)");
  await pool.query("vacuum analyze");
  const writer = await pool.connect();
  t.teardown(() => writer.release(true));
  const analyzed = async () => {
    const { rows } = await pool.query(
      `select exists (
        select from saldo_private.analyze_grown_tables() as name where name = 'stock_item'
      ) as is_analyzed`,
    );
    const { rows: known } = await pool.query(
      "select reltuples::integer as count from pg_class where oid = 'saldo.stock_item'::regclass",
    );
    return [rows[0].is_analyzed, known[0].count];
  };
  const commit = async () => {
    await writer.query("commit");
    await writer.query("select pg_stat_force_next_flush()");
    await writer.query("select 1");
  };

  await writer.query("begin");
  await add(writer);
  t.deepEqual(await analyzed(), [false, 0], "its first rows are being written");
  await commit();
  t.deepEqual(await analyzed(), [true, 10_000]);
  t.deepEqual(await analyzed(), [false, 10_000]);

  await writer.query("begin");
  for (let count = 0; count < 5; count += 1) await add(writer);
  const [isAnalyzed, few] = await analyzed();
  t.true(isAnalyzed && few < 20_000, `${few} of what is there, on six times the pages`);
  await commit();
  const [isAnalyzedAgain, all] = await analyzed();
  t.true(isAnalyzedAgain && all > 50_000, `${all} of 60,000`);
  t.deepEqual((await analyzed())[0], false);
});
