import test from "ava";
import { openMetering } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call, root } = metering;

test("right after an import a check looks each reading of one customer up, not all for each", async (t) => {
  // An autovacuum that came in between would hide what a plan without statistics does.
  await root("alter table saldo.reading set (autovacuum_enabled = false)");
  await root("alter table saldo.rated_line set (autovacuum_enabled = false)");
  const site = await metering.site();
  await call("add_tariff_version", { price: 1, effective_from: "2025-01-01" });
  await call("add_correction_factor", {
    formula: "fixed",
    factor: 1,
    effective_from: "2025-01-01",
  });
  const count = 2000;
  await metering.query(
    "admin",
    `select count(*) from saldo.add_readings(array(
      select row($1::bigint, '2025-06-01'::timestamptz + n * interval '10 minutes', n, null, null,
        false)::saldo.reading_request
      from generate_series(1, $2::integer) as n
    ))`,
    [site.meter.id, count],
  );
  const [looked] = await root(
    `with checked as materialized (select count(*) as findings from saldo_private.rule_reading_rated())
    select c.findings::integer, (select count(*)::integer from saldo.rated_line) as lines,
      (select sum(pg_stat_get_xact_tuples_fetched(i.indexrelid))::integer from pg_index as i
        where i.indrelid = 'saldo.reading'::regclass) as fetched
    from checked as c`,
  );
  t.like(looked, { findings: 0, lines: count });
  t.true(Number(looked?.fetched) < 10 * count, `${looked?.fetched} rows of ${count} readings`);
});
