import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

/** What a change of price, factor or charge would do is told before it is made. */

const metering = await openMetering();
test.after.always(() => metering.close());

const { call } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });

/** A site with price 10 and factor 2 from 2025 on, so that a cubic metre costs 20. */
async function pricedSite() {
  const site = await metering.site();
  const since = { effective_from: "2025-01-01" };
  const tariff = await call("add_tariff_version", own(site, { price: 10, ...since }));
  const factor = await call("add_correction_factor", own(site, { factor: 2, ...since }));
  return { ...site, tariff, factor };
}

test.serial("a change of price is told before it is made, and then is what was told", async (t) => {
  const site = await pricedSite();
  await metering.read(site, "2025-01-31", 100);
  await metering.read(site, "2025-02-28", 250);
  await metering.closeThrough("2025-01-31");
  const told = (args: Row) => metering.rows("admin", "preview_tariff_version", args);
  const before = await metering.digest();
  const change = { version_id: site.tariff.id, price: 13 };
  const preview = await told(change);
  t.deepEqual(await metering.digest(), before);
  t.deepEqual(
    preview.map((line) => [
      line.customer_code ?? line.month ?? "all",
      line.is_closed,
      Number(line.reading_count),
      Number(line.amount_before),
      Number(line.amount_after),
      Number(line.amount_change),
    ]),
    [
      ["all", null, 2, 5000, 6500, 1500],
      [preview[1]?.month, true, 1, 2000, 2600, 600],
      [preview[2]?.month, false, 1, 3000, 3900, 900],
      [site.customer.code, null, 2, 5000, 6500, 1500],
    ],
  );
  const balance = Number(await metering.balance(site));
  await call("change_tariff_version", change);
  t.is(Number(await metering.balance(site)), balance - 1500);
  t.deepEqual(await told(own(site, { price: 20, effective_from: "2030-01-01" })), []);
  const [added] = await told(own(site, { price: 20, effective_from: "2025-02-01" }));
  t.is(Number(added?.amount_change), 300 * 20 - 3900);
  await metering.closeThrough(null);
});

test.serial(
  "a change of factor is told before it is made, and then is what was told",
  async (t) => {
    const site = await pricedSite();
    await metering.read(site, "2025-01-31", 100);
    const told = (args: Row) => metering.rows("admin", "preview_correction_factor", args);
    const before = await metering.digest();
    const change = { version_id: site.factor.id, factor: 3, effective_from: "2025-01-31" };
    const [all] = await told(change);
    t.like(all, { customer_id: null, month: null, reading_count: "1" });
    t.is(Number(all?.amount_after), 1.5 * Number(all?.amount_before));
    t.is((await told(own(site, { factor: 4, effective_from: "2025-01-20" }))).length, 3);
    const refused = (args: Row, actor: Parameters<typeof metering.rows>[0] = "admin") =>
      errorCode(metering.rows(actor, "preview_correction_factor", args));
    t.is(await refused({ version_id: 0 }), "SB415");
    t.is(await refused(own(site, { factor: 1, effective_from: null })), "SB010");
    t.is(await refused(own(site, { factor: 0, effective_from: "2025-02-01" })), "SB413");
    t.is(await refused({ customer_id: 0, factor: 1, effective_from: "2025-02-01" }), "SB401");
    t.is(await refused(own(site, { factor: 1, effective_from: "2025-01-01" })), "SB414");
    t.is(await refused(change, "operator"), "42501");
    t.deepEqual(await metering.digest(), before);
    const balance = Number(await metering.balance(site));
    await call("change_correction_factor", change);
    t.is(Number(await metering.balance(site)), balance - Number(all?.amount_change));
  },
);

test.serial("a change that would be refused is refused before it is made", async (t) => {
  const site = await pricedSite();
  const refused = (args: Row, actor: Parameters<typeof metering.rows>[0] = "admin") =>
    errorCode(metering.rows(actor, "preview_tariff_version", args));
  const before = await metering.digest();
  t.is(await refused(own(site, { effective_from: "2026-01-01" })), "SB412");
  t.is(await refused({ version_id: 0, price: 1 }), "SB415");
  t.is(await refused(own(site, { price: 1, effective_from: null })), "SB010");
  t.is(await refused({ customer_id: 0, price: 1, effective_from: "2026-01-01" }), "SB401");
  t.is(await refused(own(site, { price: 1, effective_from: "2025-01-01" })), "SB414");
  t.is(await refused({ version_id: site.tariff.id, price: 1 }, "operator"), "42501");
  t.deepEqual(await metering.digest(), before);
});

test.serial("what a part would do to charged months is told, and then done", async (t) => {
  const site = await pricedSite();
  await metering.read(site, "2025-02-10", 10);
  await call("charge_customers", own(site, { month: "2025-02-01" }));
  const told = async (args: Row, actor: "admin" | "operator" = "admin") =>
    (await metering.rows(actor, "preview_tariff_part", args)).map((line) => [
      line.customer_code ?? line.month ?? "all",
      Number(line.reading_count),
      Number(line.amount_before),
      Number(line.amount_after),
    ]);
  const parts = () => metering.root("select id, removed_at from saldo.tariff_part order by id");
  const before = [await metering.digest(), await parts()];
  const tax = own(site, { kind: "tax", name: "told", price: 10, effective_from: "2025-01-01" });
  t.deepEqual((await told(tax)).at(0), ["all", 1, 0, 20]);
  t.deepEqual(await told({ ...tax, effective_to: "2025-01-31" }), [], "no charged month");
  t.is(await errorCode(told({ ...tax, price: 101 })), "SB412");
  t.is(await errorCode(told({ ...tax, name: "" })), "SB009");
  t.is(await errorCode(told({ ...tax, effective_from: null })), "SB010");
  t.is(await errorCode(told({ part_id: 0 })), "SB415");
  t.is(await errorCode(told(tax, "operator")), "42501");
  await metering.root("update saldo_private.book_state set locked_through = '2025-02-28'");
  t.is(await errorCode(told(tax)), "SB108");
  await metering.root("update saldo_private.book_state set locked_through = null");
  t.deepEqual([await metering.digest(), await parts()], before);
  t.deepEqual(await metering.root("select from saldo.account where code = 'tax:told:IDR'"), []);
  const { id } = await call("add_tariff_part", tax);
  t.is(await metering.balance(site), "-220");
  t.is(await errorCode(told(tax)), "SB414");
  t.deepEqual((await told({ part_id: id })).at(0), ["all", 1, 20, 0]);
  t.is(await metering.balance(site), "-220");
});
