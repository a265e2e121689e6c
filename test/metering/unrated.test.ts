import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call, root } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });
const price = (site: Site, from: string, extra: Row = {}) =>
  call("add_tariff_version", own(site, { price: 10, effective_from: from, ...extra }));
const factor = (site: Site, from: string) =>
  call("add_correction_factor", own(site, { formula: "fixed", factor: 2, effective_from: from }));
/** Readings of a site that are not rated, as `2025-02-10 no price for 2025-02-10`. */
const unrated = async (site: Site, month: string | null = null) =>
  (
    await metering.query(
      "operator",
      "select u.read_on::text, u.reason, u.reason_text from saldo.unrated_readings($1, $2) as u",
      [site.customer.id, month],
    )
  ).map(({ read_on: day, reason, reason_text: text }) => `${day} ${reason}: ${text}`);
/** What the rule says about the readings of a site. */
const found = async (site: Site) =>
  (
    await root("select stored from saldo_private.rule_reading_unrated() where account_id = $1", [
      site.customer.account_id,
    ])
  ).map(({ stored }) => stored);
const proven = () => root("select key from saldo_private.rule_reading_rated()");
const count = async (reason: string) => {
  const [row] = await root(
    "select value from saldo_private.health_metric() where name = 'unrated_readings' and label = $1",
    [reason],
  );
  return Number(row?.value);
};

test.serial("a reading without price or factor says what is missing for which day", async (t) => {
  const site = await metering.site();
  const before = await count("price_and_factor");
  await metering.read(site, "2025-02-10", 100);
  await metering.read(site, "2025-04-10", 300);
  t.deepEqual(await unrated(site), [
    "2025-02-10 price_and_factor: no price and no correction factor for 2025-02-10",
    "2025-04-10 price_and_factor: no price and no correction factor for 2025-04-10",
  ]);
  t.is(await count("price_and_factor"), before + 2);
  await factor(site, "2025-01-01");
  t.deepEqual(await found(site), ["no price for 2025-02-10", "no price for 2025-04-10"]);
  await price(site, "2025-04-01");
  t.deepEqual(await unrated(site), ["2025-02-10 price: no price for 2025-02-10"]);
  t.deepEqual(await unrated(site, "2025-03-15"), []);
  t.deepEqual(await unrated(site, "2025-02-20"), await unrated(site));
  const tariff = await price(site, "2025-01-01");
  t.deepEqual(await unrated(site), []);
  t.deepEqual(await found(site), []);
  await call("remove_tariff_version", { version_id: tariff.id, rerate: true });
  t.deepEqual(await found(site), ["no price for 2025-02-10"], "it has lost its price");
  t.deepEqual(await proven(), []);
  await price(site, "2025-01-01");
  t.deepEqual(await found(site), []);
});

test.serial("a reading that is changed or removed is no longer one without a price", async (t) => {
  const site = await metering.site({ kind: "volume" });
  await factor(site, "2025-01-01");
  const first = await metering.read(site, "2025-02-10", 5);
  const second = await call("change_reading", { reading_id: first.id, volume: 6 });
  const noted = await root(
    "select reading_id from saldo_private.unrated_reading where account_id = $1",
    [site.customer.account_id],
  );
  t.deepEqual(noted, [{ reading_id: second.id }]);
  await call("remove_reading", { reading_id: second.id });
  t.deepEqual(await unrated(site), []);
  t.deepEqual(await proven(), []);
});

test.serial(
  "where versions that have ended do not count, none is missing but theirs",
  async (t) => {
    const site = await metering.site({ kind: "volume" });
    await factor(site, "2025-01-01");
    await price(site, "2025-01-01", { effective_to: "2025-01-31" });
    await metering.read(site, "2025-02-10", 5);
    t.deepEqual(await unrated(site), [], "provisional: at the last known price");
    await call("set_setting", { name: "rating_without_version", value: "held" });
    await metering.read(site, "2025-02-11", 5);
    t.deepEqual(await found(site), ["no price for 2025-02-11"]);
    await call("set_setting", { name: "rating_without_version", value: "provisional" });
    const [, reason] = (await found(site)).concat(await unrated(site));
    t.regex(String(reason), /not_rated_again: .* call rerate_readings/);
    await call("rerate_readings", { customer_id: site.customer.id });
    t.deepEqual(await unrated(site), []);
  },
);

test.serial("what a job or the end of a freeze will rate is told and is no finding", async (t) => {
  const site = await metering.site({ kind: "volume" });
  await factor(site, "2025-01-01");
  await metering.read(site, "2025-02-10", 5);
  await call("set_setting", { name: "rerate_at_once_max", value: "0" });
  await price(site, "2025-01-01");
  await call("set_setting", { name: "rerate_at_once_max", value: "20000" });
  t.deepEqual(await unrated(site), ["2025-02-10 rerating: waits for a re-rating that is open"]);
  t.deepEqual(await found(site), []);
  await call("continue_rerating", {});
  t.deepEqual(await unrated(site), []);
});

test.serial("a check reports them, by the hours that the setting allows", async (t) => {
  const site = await metering.site({ kind: "volume" });
  await price(site, "2025-02-01");
  await metering.read(site, "2025-01-15", 5);
  t.is((await call("check_balance_health", {})).status, "unhealthy");
  const findings = await root(
    `select f.rule, f.stored, f.detail ->> 'customer' as customer, f.detail ->> 'meter' as meter,
      f.cause
    from saldo.finding as f
    where f.check_run_id = (select id from saldo.check_run order by number desc limit 1)`,
  );
  t.deepEqual(findings, [
    {
      rule: "reading_unrated",
      stored: "no price and no correction factor for 2025-01-15",
      customer: site.customer.code,
      meter: site.meter.code,
      cause: "unapplied_item",
    },
  ]);
  t.is((await call("reconcile", {})).status, "unhealthy", "an incremental check as well");
  const alerts = await root("select text from saldo_private.alert_readings_unrated()");
  t.regex(String(alerts[0]?.text), /^1 readings of 1 customers are not rated.*: meter .* of c\d+/);
  await call("set_setting", { name: "reading_unrated_hours", value: "1" });
  t.is((await call("reconcile", {})).status, "healthy");
  t.deepEqual(await root("select text from saldo_private.alert_readings_unrated()"), []);
  await call("set_setting", { name: "reading_unrated_hours", value: "0" });
});

test.serial("a month with a reading in no bill is closed by name only", async (t) => {
  const refusal = await t.throwsAsync(call("close_period", { month: "2025-01-01" }));
  t.is((refusal as { code?: string }).code, "SB110");
  t.regex(String((refusal as { detail?: string }).detail), /readings: 1 open/);
  const [item] = await root(
    "select * from saldo.period_checklist('2025-01-01') as c where c.item = 'readings'",
  );
  t.like(item, { title: "All readings are rated", is_passed: false, open_count: "1" });
  t.regex(JSON.stringify(item?.evidence), /no price and no correction factor for 2025-01-15/);
  const [earlier] = await root(
    "select is_passed from saldo.period_checklist('2024-12-01') as c where c.item = 'readings'",
  );
  t.true(earlier?.is_passed, "a later reading holds back no earlier month");
  const closed = await call("close_period", {
    month: "2025-01-01",
    waive: ["readings"],
    reason: "its price is not agreed",
  });
  t.is(closed.status, "closed");
  t.is(await errorCode(call("unrated_readings", { customer_id: 0 })), "SB401");
});
