import test from "ava";
import { openTestDatabase } from "../_support/database.ts";

const meters = 150;

/** A reading that comes after later ones is not written in the usual way. */
const late = (days: number) => `select saldo.add_reading(
  (select id from saldo.meter where code = 'm-7'), now() - interval '${days} days', volume => 1)`;

/** So many readings of each meter, five days apart. */
const readings = (count: number, daysAgo: number) => `select count(*) from saldo.add_readings((
  select array_agg((
      m.id, now() - make_interval(days => ${daysAgo} + 5 * g), null, 1, 'actual', false
    )::saldo.reading_request)
  from saldo.meter as m, generate_series(1, ${count}) as g))`;

test("a late reading reads none of other meters, also by a plan for fewer", async (t) => {
  const { pool, close } = await openTestDatabase(2);
  t.teardown(close);
  await pool.query(`
    select count(saldo.create_customer('c-' || g, 'Customer'))
    from generate_series(1, ${meters}) as g;
    select count(saldo.install_meter(c.id, 'm-' || split_part(c.code, '-', 2), kind => 'volume',
      installed_at => now() - interval '900 days')) from saldo.customer as c;
    select saldo.add_tariff_version(5000, '2020-01-01');
    select saldo.add_correction_factor('2020-01-01', formula => 'fixed', factor => 1)`);
  await pool.query(readings(30, 0));
  await pool.query("vacuum analyze");
  const client = await pool.connect();
  t.teardown(() => client.release());
  for (let call = 1; call <= 7; call += 1) await client.query(late(700 + call));
  await pool.query(readings(90, 200));
  const readSoFar = async () => {
    const { rows } = await client.query<{ count: number }>(
      `select (seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as count
      from pg_stat_xact_user_tables where relid = 'saldo.reading'::regclass`,
    );
    return rows[0]?.count ?? 0;
  };
  await client.query("begin");
  const before = await readSoFar();
  await client.query(late(170));
  const count = (await readSoFar()) - before;
  await client.query("commit");
  t.true(count > 0);
  t.true(count < 100, `${count} readings`);
});
