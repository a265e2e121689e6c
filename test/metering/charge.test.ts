import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call, root } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });
const part = (site: Site, kind: string, price: number, extra: Row = {}) =>
  call(
    "add_tariff_part",
    own(site, { kind, name: kind, price, effective_from: "2025-01-01", ...extra }),
  );
const charge = async (site: Site, month: string) =>
  (await call("charge_customers", own(site, { month: `${month}-01` }))).charge_customers;
/** Lines of a bill, as `tier 50 x 2 = 100`. */
const lines = async (site: Site, month: string) =>
  (
    await root(
      `select l.* from saldo.customer_bill($1, $2) as b cross join lateral unnest(b.lines) as l
      order by l.line_no`,
      [site.customer.id, `${month}-01`],
    )
  ).map(
    (line) => `${line.kind} ${line.quantity ?? line.volume_sm3} x ${line.price} = ${line.amount}`,
  );
const balanceOf = async (code: string) =>
  (
    await root("select trim_scale(balance)::text as balance from saldo.account where code = $1", [
      code,
    ])
  )[0]?.balance;

/** A site whose cubic metre costs 10. */
async function pricedSite() {
  const site = await metering.site({ kind: "volume" });
  await call("add_correction_factor", own(site, { factor: 1, effective_from: "2025-01-01" }));
  await call("add_tariff_version", own(site, { price: 10, effective_from: "2025-01-01" }));
  return site;
}

test.serial(
  "standing charges, a tier, a minimum take and a tax are lines of the bill",
  async (t) => {
    const site = await pricedSite();
    await part(site, "standing_month", 500);
    await part(site, "standing_day", 1.5);
    await part(site, "tier", -2, { from_volume: 100 });
    await part(site, "minimum_take", 7, { from_volume: 60 });
    await part(site, "tax", 11, { name: "ppn" });
    await metering.read(site, "2025-02-10", 150);
    await metering.read(site, "2025-03-10", 20);
    t.is(await charge(site, "2025-02"), 1);
    t.deepEqual(await lines(site, "2025-02"), [
      "consumption 150 x 10 = 1500",
      "standing_month 1 x 500 = 500",
      "standing_day 28 x 1.5 = 42",
      "tier 50 x -2 = -100",
      "tax 1942 x 11 = 213.62",
    ]);
    t.is(await metering.balance(site), "-2355.62", "2155.62 for February, 200 of March");
    t.is(await balanceOf("tax:ppn:IDR"), "213.62");
    t.is(await charge(site, "2025-03"), 1);
    t.deepEqual(await lines(site, "2025-03"), [
      "consumption 20 x 10 = 200",
      "standing_month 1 x 500 = 500",
      "standing_day 31 x 1.5 = 46.5",
      "minimum_take 40 x 7 = 280",
      "tax 1026.5 x 11 = 112.92",
    ]);
    const [month] = await metering.months(site, "2025-03", "2025-03");
    t.like(month, { purchases: "200", others: "-939.42" });
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial("the quantity of a month is rounded as the tariff says, to the cent", async (t) => {
  const site = await pricedSite();
  const to = (step: number, extra: Row = {}) => ({ from_volume: step, ...extra });
  t.is(await errorCode(part(site, "round_down", 1, to(1))), "SB412", "its price is the tariff's");
  t.is(await errorCode(part(site, "round_down", 0)), "SB412", "to what?");
  await part(site, "round_half_up", 0, to(1));
  await part(site, "round_down", 0, to(10, { name: "tens", effective_from: "2025-03-01" }));
  await part(site, "tier", 1, { from_volume: 15 });
  await part(site, "tax", 10, { name: "vat" });
  await metering.read(site, "2025-02-10", 10.25);
  await metering.read(site, "2025-02-20", 10.3);
  await call("add_tariff_version", own(site, { price: 12, effective_from: "2025-02-15" }));
  await metering.read(site, "2025-03-10", 29);
  for (const month of ["2025-02", "2025-03", "2025-04"]) await charge(site, month);
  t.deepEqual(await lines(site, "2025-02"), [
    "consumption 10.25 x 10 = 102.5",
    "consumption 10.3 x 12 = 123.6",
    "round_half_up 0.45 x 12 = 5.4",
    "tier 6 x 1 = 6",
    "tax 237.5 x 10 = 23.75",
  ]);
  t.deepEqual(await lines(site, "2025-03"), [
    "consumption 29 x 12 = 348",
    "round_down -9 x 12 = -108",
    "tier 5 x 1 = 5",
    "tax 245 x 10 = 24.5",
  ]);
  t.deepEqual(await lines(site, "2025-04"), [], "nothing is rounded to nothing");
  const [bill] = await root(
    `select sum(l.amount)::text as lines, (-(saldo.balances(c.account_id)).settled_balance)::text as due
    from saldo.customer as c
    cross join generate_series('2025-02-01'::date, '2025-04-01', '1 month') as m (month)
    cross join lateral saldo.customer_bill(c.id, m.month::date) as b
    cross join lateral unnest(b.lines) as l where c.id = $1 group by c.account_id`,
    [site.customer.id],
  );
  t.is(Number(bill?.["lines"]), Number(bill?.["due"]));
  // A late reading changes what is rounded: 20.95 are 21.
  await metering.read(site, "2025-02-25", 0.4);
  t.true((await lines(site, "2025-02")).includes("round_half_up 0.05 x 12 = 0.6"));
  t.deepEqual(await metering.findings(), []);
});

test.serial("a month that is charged is charged again by itself", async (t) => {
  const site = await pricedSite();
  const { id } = await part(site, "standing_month", 500);
  await part(site, "tax", 10, { name: "vat" });
  await part(site, "tier", -1, { from_volume: 15 });
  await metering.read(site, "2025-02-10", 10);
  t.is(await metering.balance(site), "-100", "nothing before it is charged the first time");
  t.is(await charge(site, "2025-02"), 1);
  t.is(await metering.balance(site), "-660");
  const late = await metering.read(site, "2025-02-20", 10);
  t.is(await metering.balance(site), "-764.5", "a reading: 200 + 500 - 5, and its tax");
  await call("add_tariff_version", own(site, { price: 20, effective_from: "2025-02-15" }));
  t.is(await metering.balance(site), "-874.5", "a price: 300 + 500 - 5, and its tax");
  await call("add_correction_factor", own(site, { factor: 2, effective_from: "2025-02-15" }));
  t.is(await metering.balance(site), "-1083.5", "a factor: 500 + 500 - 15, and its tax");
  await call("remove_reading", { reading_id: late.id });
  t.is(await metering.balance(site), "-660");
  await call("remove_tariff_part", { part_id: id });
  t.is(await errorCode(call("remove_tariff_part", { part_id: id })), "SB415");
  t.is(await metering.balance(site), "-110", "without the standing charge and its tax");
  await part(site, "standing_day", 1, { effective_from: "2025-02-28" });
  t.is(await metering.balance(site), "-111.1", "a part: one day");
  await part(site, "standing_day", 1, { effective_to: "2025-01-31" });
  t.is(await metering.balance(site), "-111.1", "one of a month that nobody charged");
  t.is(await charge(site, "2025-02"), 0, "nothing is left to charge");
  t.deepEqual(await metering.findings(), []);
});

test.serial("a meter that comes late is charged for its days", async (t) => {
  const customer = await call("create_customer", { code: "late", name: "Late meter" });
  const site = { customer, meter: { id: "" } } as Site;
  await part(site, "standing_day", 1);
  t.is(await charge(site, "2025-02"), 0, "no meter");
  const installed = { customer_id: customer.id, code: "m", installed_at: "2025-02-27T08:00+07" };
  await call("install_meter", installed);
  t.is(await metering.balance(site), "-2");
});

test.serial(
  "what comes late to a closed month is an adjustment of its charges, and to a locked one refused",
  async (t) => {
    const site = await pricedSite();
    await part(site, "standing_month", 500);
    await part(site, "tax", 10, { name: "vat" });
    await metering.read(site, "2025-02-10", 10);
    await charge(site, "2025-02");
    await metering.closeThrough("2025-02-28");
    await call("add_tariff_version", own(site, { price: 30, effective_from: "2025-02-01" }));
    const [feb, march] = await metering.months(site, "2025-02", "2025-03");
    t.like(feb, { purchases: "100", others: "-560", closing: "-660" }, "as it was reported");
    t.like(march, { purchase_adjustments: "200", others: "-20", closing: "-880" });
    const [restated] = await metering.months(site, "2025-02", "2025-02", "restated");
    t.like(restated, { purchases: "300", others: "-580", closing: "-880" });
    t.deepEqual(
      (await metering.adjustments(site, "2025-03")).map(
        ({ origin_month: month, kind, amount }) => `${month} ${kind} ${amount}`,
      ),
      ["2025-02 charge -20", "2025-02 purchase 200"],
    );
    t.deepEqual(await lines(site, "2025-02"), [
      "consumption 10 x 30 = 300",
      "standing_month 1 x 500 = 500",
      "tax 800 x 10 = 80",
    ]);
    const before = await metering.digest();
    await root("update saldo_private.book_state set locked_through = '2025-02-28'");
    t.is(await errorCode(part(site, "tier", 1)), "SB108");
    await call("set_setting", { name: "rerate_at_once_max", value: "0" });
    t.is(await errorCode(part(site, "tier", 1)), "SB108", "and no job is begun");
    await call("set_setting", { name: "rerate_at_once_max", value: "20000" });
    await root("update saldo_private.book_state set locked_through = null");
    t.deepEqual(await metering.digest(), before);
    await metering.closeThrough(null);
  },
);

test.serial("a part for more months than are charged at once is left to the job", async (t) => {
  const sites = [await pricedSite(), await pricedSite()];
  for (const site of sites) {
    for (const month of ["2025-02", "2025-03", "2025-04"]) await charge(site, month);
  }
  const balances = () => Promise.all(sites.map((site) => metering.balance(site)));
  await call("set_setting", { name: "rerate_at_once_max", value: "0" });
  const { id } = await call("add_tariff_part", {
    kind: "standing_month",
    name: "for all",
    price: 5,
    effective_from: "2025-03-01",
  });
  t.deepEqual(await balances(), ["0", "0"]);
  t.deepEqual(await metering.findings(), [], "what waits is not wrong");
  const counts: string[] = [];
  for (;;) {
    const slice = await call("continue_rerating", { row_limit: 3 });
    if (slice.id === null) break;
    t.like(slice, { version_id: id, is_of_charges: true, error: null });
    counts.push(`${slice.status} ${slice.done_count}`);
  }
  t.deepEqual(await balances(), ["-10", "-10"]);
  t.regex(counts.at(-1) ?? "", /^done/);
  t.true(counts.length > 1);
  await call("set_setting", { name: "rerate_at_once_max", value: "20000" });
  await call("remove_tariff_part", { part_id: id });
  t.deepEqual(await balances(), ["0", "0"]);
  t.deepEqual(await metering.findings(), []);
});

test.serial("a frozen customer is charged with what came meanwhile when released", async (t) => {
  const [site, other] = [await pricedSite(), await pricedSite()];
  for (const each of [site, other]) await charge(each, "2025-02");
  const frozen = { account_id: site.customer.account_id, reason: "looked into" };
  await call("freeze_account", frozen);
  const { id } = await call("add_tariff_part", {
    kind: "standing_month",
    name: "meanwhile",
    price: 5,
    effective_from: "2025-02-01",
  });
  t.deepEqual([await metering.balance(site), await metering.balance(other)], ["0", "-5"]);
  await call("unfreeze_account", frozen);
  t.is(await metering.balance(site), "-5");
  await call("remove_tariff_part", { part_id: id });
  t.is(await metering.balance(site), "0");
});

test.serial(
  "a closed month is adjusted in the first open one, and the bill is that of the month",
  async (t) => {
    const site = await pricedSite();
    await part(site, "standing_month", 500);
    await metering.read(site, "2025-02-10", 10);
    await metering.closeThrough("2025-02-28");
    t.is(await charge(site, "2025-02"), 1);
    const [, march] = await metering.months(site, "2025-02", "2025-03");
    t.like(march, { others: "-500", closing: "-600" });
    t.deepEqual(await lines(site, "2025-02"), [
      "consumption 10 x 10 = 100",
      "standing_month 1 x 500 = 500",
    ]);
    await metering.closeThrough(null);
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial("a part counts by its days, and one of the customer before that of all", async (t) => {
  const site = await pricedSite();
  await part(site, "standing_day", 1, { customer_id: null, name: "all" });
  await part(site, "standing_day", 2, { name: "all", effective_from: "2025-02-11" });
  await charge(site, "2025-02");
  t.deepEqual(await lines(site, "2025-02"), [
    "standing_day 10 x 1 = 10",
    "standing_day 18 x 2 = 36",
  ]);
  const [all] = await root("select count(distinct account_id)::integer as count from saldo.meter");
  t.is((await call("charge_customers", { month: "2025-06-01" })).charge_customers, all?.count);
  t.is(
    (await call("charge_customers", { month: "2024-12-01" })).charge_customers,
    0,
    "no meter yet",
  );
});

test.serial("bad parts, months and callers are refused", async (t) => {
  const site = await pricedSite();
  const refused = (kind: string, value: number, extra: Row = {}) =>
    errorCode(part(site, kind, value, extra));
  t.is(await refused("standing_month", -1), "SB412");
  t.is(await refused("tax", 101), "SB412");
  t.is(await refused("tier", 1, { from_volume: -1 }), "SB412");
  t.is(await refused("tier", 1, { name: "" }), "SB009");
  t.is(await refused("tier", 1, { effective_from: null }), "SB010");
  t.is(await refused("tier", 1, { currency: "EUR" }), "SB010");
  t.is(await refused("tier", 1, { customer_id: 0 }), "SB401");
  await part(site, "tier", 1);
  t.is(await refused("tier", 2), "SB414");
  t.is(await errorCode(charge(site, "2999-01")), "SB010");
  t.is(await errorCode(call("charge_customers", { month: "2025-01-01", customer_id: 0 })), "SB401");
  t.is(
    await errorCode(metering.query("operator", "select saldo.charge_customers('2025-01-01')")),
    "42501",
  );
});
