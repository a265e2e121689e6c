import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call } = metering;
const guess = (site: Site, at: string, value: number) =>
  metering.read(site, at, value, { quality: "estimated" });
/** A site whose cubic metre costs 20. */
async function pricedSite() {
  const site = await metering.site();
  const own = { customer_id: site.customer.id, effective_from: "2025-01-01" };
  await call("add_tariff_version", { ...own, price: 10 });
  await call("add_correction_factor", { ...own, formula: "fixed", factor: 2 });
  return site;
}
/** Readings of a site in their order, as `100 actual current`, and which one ended an estimate. */
const readings = async (site: Site) =>
  (
    await metering.root(
      `select trim_scale(r.index_value) as index_value, r.quality, r.status,
        (select trim_scale(by.index_value) from saldo.reading as by where by.id = r.corrected_by)
          as corrected_by
      from saldo.reading as r where r.account_id = $1 order by r.read_at, r.id`,
      [site.customer.account_id],
    )
  ).map((row: Row) =>
    [row.index_value, row.quality, row.status, row.corrected_by ?? []].flat().join(" "),
  );

test.serial(
  "an actual reading below estimates withdraws them, and costs what is true",
  async (t) => {
    const site = await pricedSite();
    await metering.read(site, "2025-02-10", 100);
    await guess(site, "2025-03-10", 180);
    await guess(site, "2025-04-10", 260);
    await guess(site, "2025-05-10", 340);
    t.is(await metering.balance(site), "-6800");
    await metering.read(site, "2025-06-10", 200);
    t.deepEqual(await readings(site), [
      "100 actual current",
      "180 estimated current",
      "260 estimated superseded 200",
      "340 estimated superseded 200",
      "200 actual current",
    ]);
    t.is(await metering.balance(site), "-4000", "200 m3 at 20");
    const months = await metering.months(site, "2025-02", "2025-06");
    t.deepEqual(
      months.map(({ purchases }) => purchases),
      ["2000", "1600", "0", "0", "400"],
    );
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial("estimates of closed months are adjusted in the first open one", async (t) => {
  const site = await pricedSite();
  await guess(site, "2025-02-10", 300);
  await metering.closeThrough("2025-02-28");
  await metering.read(site, "2025-03-10", 250);
  t.is(await metering.balance(site), "-5000");
  const [february, march] = await metering.months(site, "2025-02", "2025-03");
  t.like(february, { purchases: "6000", closing: "-6000" });
  t.like(march, { purchases: "5000", purchase_adjustments: "-6000", closing: "-5000" });
  await metering.closeThrough(null);
});

test.serial(
  "an actual reading before an estimate that it exceeds withdraws that, too",
  async (t) => {
    const site = await pricedSite();
    await guess(site, "2025-03-10", 150);
    await guess(site, "2025-04-10", 180);
    await guess(site, "2025-05-10", 300);
    await metering.read(site, "2025-02-20", 200);
    t.deepEqual(await readings(site), [
      "200 actual current",
      "150 estimated superseded 200",
      "180 estimated superseded 200",
      "300 estimated current",
    ]);
    t.is(await metering.balance(site), "-6000");
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial(
  "what was read off, and an estimate that comes too low, are refused as ever",
  async (t) => {
    const site = await pricedSite();
    await metering.read(site, "2025-02-10", 100);
    await guess(site, "2025-03-10", 180);
    const before = await metering.digest();
    t.is(await errorCode(metering.read(site, "2025-04-10", 99)), "SB410", "100 was read off");
    t.is(await errorCode(guess(site, "2025-04-10", 170)), "SB410");
    t.is(await errorCode(guess(site, "2025-02-20", 190)), "SB410");
    t.deepEqual(await metering.digest(), before);
  },
);

test.serial("a bulk with estimates and what was read off after them is one pass", async (t) => {
  const site = await pricedSite();
  const rows = [
    `(${site.meter.id}, '2025-03-10T12:00+07', 180, null, 'estimated', false)`,
    `(${site.meter.id}, '2025-04-10T12:00+07', 120, null, 'actual', false)`,
  ];
  await metering.query(
    "admin",
    `select saldo.add_readings(array[${rows}]::saldo.reading_request[])`,
  );
  t.deepEqual(await readings(site), ["180 estimated superseded 120", "120 actual current"]);
  t.is(await metering.balance(site), "-2400");
  const [february] = await metering.root(
    "select count(*)::integer as count from saldo.rated_line where account_id = $1",
    [site.customer.account_id],
  );
  t.is(february?.count, 1, "the estimate was never billed");
  t.deepEqual(await metering.findings(), []);
});
