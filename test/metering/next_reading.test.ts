import test from "ava";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

/** How many readings are rated when this one changes: it, and one that depends on it. */
async function ratedWith(reading: Row): Promise<number> {
  const [row] = await metering.root(
    "select cardinality(saldo_private.with_next_readings(array[$1::uuid])) as count",
    [reading.id],
  );
  return Number(row?.count);
}

/** The first of two readings of a site. */
async function firstOfTwo(site: Site, first: number, second: number): Promise<Row> {
  const reading = await metering.read(site, "2025-02-10", first);
  await metering.read(site, "2025-03-10", second);
  return reading;
}

test.serial(
  "a reading is rated again after the one before only where it depends on it",
  async (t) => {
    const index = await firstOfTwo(await metering.site(), 100, 200);
    const flowSite = await metering.site({ kind: "volume" });
    const flow = await firstOfTwo(flowSite, 100, 100);
    t.is(await ratedWith(index), 2, "an index less the one before it");
    t.is(await ratedWith(flow), 1, "a volume is what it is");
    await metering.call("add_tariff_version", {
      customer_id: flowSite.customer.id,
      price: 10,
      effective_from: "2025-01-01",
      spanning: "by_days",
    });
    t.is(await ratedWith(flow), 2, "what is divided goes back to the reading before");
  },
);

test.serial("readings of one call are recorded by account, meter and time", async (t) => {
  const sites = [await metering.site(), await metering.site(), await metering.site()];
  const days = ["2025-04-10", "2025-05-10", "2025-06-10"];
  const requests = days.flatMap((day, place) =>
    sites.map(({ meter }) => ({ meter_id: meter.id, read_at: day, index_value: 100 * place })),
  );
  const readings = await metering.query(
    "admin",
    `select r.* from saldo.add_readings(array(
      select q from jsonb_populate_recordset(null::saldo.reading_request, $1) as q)) as r
    order by r.id`,
    [JSON.stringify(requests)],
  );
  t.deepEqual(
    readings.map(({ meter_id }) => meter_id),
    sites.flatMap(({ meter }) => days.map(() => meter.id)),
  );
});
