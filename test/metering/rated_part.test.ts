import test from "ava";
import fc from "fast-check";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call, root } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });
const price = (site: Site, value: number | string, from: string, extra: Row = {}) =>
  call("add_tariff_version", own(site, { price: value, effective_from: from, ...extra }));
const factor = (site: Site, value: number | string, from: string, extra: Row = {}) =>
  call(
    "add_correction_factor",
    own(site, { formula: "fixed", factor: value, effective_from: from, ...extra }),
  );
/** Parts of the readings of a site, as `2025-01-02..2025-01-31 50 x 1 = 50, 50 x 3 = 150`. */
const parts = async (site: Site) =>
  (
    await root(
      `select p.*, p.from_date::text as from_date, p.to_date::text as to_date
      from saldo.rated_line as l cross join lateral unnest(l.parts) as p
      where l.account_id = $1 and l.superseded_at is null order by l.read_at, p.part_no`,
      [site.customer.account_id],
    )
  ).map(
    (p: Row) =>
      `${p.from_date}..${p.to_date} ${p.volume_m3} x ${p.factor} = ${p.volume_sm3}, ` +
      `${p.volume_sm3} x ${p.price} = ${p.amount}`,
  );

test.serial(
  "half at the one price and half at the other, or all by the day of reading",
  async (t) => {
    const whole = await metering.site();
    const halves = await metering.site();
    for (const [site, spanning] of [
      [whole, undefined],
      [halves, "by_days"],
    ] as const) {
      await factor(site, 1, "2025-01-01");
      await price(site, 3, "2025-01-01", { spanning });
      await price(site, 6, "2025-02-01", { spanning });
      await metering.read(site, "2025-03-03", 100);
    }
    t.is(await metering.balance(whole), "-600");
    t.deepEqual(await parts(whole), []);
    // 30 days after 2 January, of them 30 at the one price: from 1 January to 3 March are 61 days.
    t.deepEqual(await parts(halves), [
      "2025-01-02..2025-01-31 49.180328 x 1 = 49.18, 49.18 x 3 = 147.54",
      "2025-02-01..2025-03-03 50.819672 x 1 = 50.82, 50.82 x 6 = 304.92",
    ]);
    t.is(await metering.balance(halves), "-452.46");
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial("a price, a factor or a reading that comes late divides anew", async (t) => {
  const site = await metering.site({ kind: "volume" });
  await factor(site, 1, "2025-01-01");
  const first = await price(site, 3, "2025-01-01", { spanning: "by_days" });
  await metering.read(site, "2025-03-02", 60);
  t.deepEqual(await parts(site), [], "one price all the time");
  t.is(await metering.balance(site), "-180");
  const second = await price(site, 6, "2025-01-31", { spanning: "by_days" });
  t.is(await metering.balance(site), "-273", "29 days of 60 at 3, 31 at 6");
  await factor(site, 2, "2025-02-15");
  t.is((await parts(site)).length, 3);
  t.is(await metering.balance(site), "-369", "16 m3 count twice");
  const changed = await call("change_tariff_version", { version_id: first.id, price: 4 });
  t.is(await metering.balance(site), "-398");
  const early = await metering.read(site, "2025-01-30", 29);
  t.is(await metering.balance(site), String(-(29 * 4 + (60 / 31) * (15 + 32) * 6).toFixed(2)));
  await call("remove_reading", { reading_id: early.id });
  t.is(await metering.balance(site), "-398");
  t.is(await errorCode(call("remove_tariff_version", { version_id: changed.id })), "SB416");
  await call("change_tariff_version", { version_id: second.id, spanning: "reading_day" });
  t.deepEqual(await parts(site), []);
  t.is(await metering.balance(site), "-720", "by the day of reading again");
  t.deepEqual(await metering.findings(), []);
});

test.serial(
  "a profile divides by the weights of its days, and counts when it changes",
  async (t) => {
    const site = await metering.site({ kind: "volume" });
    await factor(site, 1, "2025-01-01");
    const args = { spanning: "by_profile", profile: "winter" };
    t.is(await errorCode(price(site, 1, "2025-01-01", args)), "SB007");
    const set = (days: string[], weights: unknown[]) =>
      call("set_consumption_profile", { profile: "winter", days, weights });
    t.is(await errorCode(set(["2025-01-02"], [0])), "SB010");
    t.is(await errorCode(set(["2025-01-02", "2025-01-02"], [1, 1])), "SB010");
    await set(["2025-01-02", "2025-01-03"], [3, 2]);
    await price(site, 1, "2025-01-01", args);
    await price(site, 2, "2025-01-03", args);
    await metering.read(site, "2025-01-04", 60);
    t.deepEqual(await parts(site), [
      "2025-01-02..2025-01-02 30 x 1 = 30, 30 x 1 = 30",
      "2025-01-03..2025-01-04 30 x 1 = 30, 30 x 2 = 60",
    ]);
    await set(["2025-01-04"], [7]);
    t.is(await metering.balance(site), "-105", "15 at 1 and 45 at 2");
    t.deepEqual(await metering.findings(), []);
    await call("set_setting", { name: "rerate_at_once_max", value: "0" });
    await set(["2025-01-04"], [4]);
    await call("set_setting", { name: "rerate_at_once_max", value: "20000" });
    t.deepEqual(await metering.findings(), [], "what waits for a job is not wrong");
    await call("continue_rerating", {});
    t.is(await metering.balance(site), "-100", "20 at 1 and 40 at 2");
    await call("add_deposit", own(site, { amount: 100, occurred_at: "2025-01-05T09:00+07" }));
    await call("close_account", { account_id: site.customer.account_id });
    await set(["2025-01-04"], [9]);
    t.is(await metering.balance(site), "0");
    t.deepEqual(await metering.findings(), [], "a closed account has had its last bill");
  },
);

test.serial("the calculation of a month shows what was divided, and adds up to it", async (t) => {
  const site = await metering.site({ kind: "volume" });
  await factor(site, 1, "2025-01-01");
  await price(site, 3, "2025-01-01", { spanning: "by_days" });
  await price(site, 6, "2025-02-01", { spanning: "by_days" });
  await metering.read(site, "2025-02-10", 40);
  const [month] = await metering.rows("operator", "customer_month", {
    customer_id: site.customer.id,
    from_month: "2025-02-01",
    to_month: "2025-02-01",
  });
  const calculation = month?.calculation as { price: number; amount: number }[];
  t.deepEqual(
    calculation.map(({ price: each, amount }) => [each, amount]),
    [
      [3, 90],
      [6, 60],
    ],
  );
});

test.serial(
  "parts that were tampered with are found, and versions that came past the engine",
  async (t) => {
    const site = await metering.site({ kind: "volume" });
    await factor(site, 1, "2025-01-01");
    await price(site, 3, "2025-01-01", { spanning: "by_days" });
    await price(site, 6, "2025-02-01", { spanning: "by_days" });
    await metering.read(site, "2025-02-10", 40);
    const rules = async (statement: string) => {
      const client = await metering.pool.connect();
      try {
        await client.query("begin");
        await client.query("set local session_replication_role = replica");
        await client.query(statement);
        const { rows } = await client.query("select * from saldo_private.rule_rated_part()");
        return rows.length;
      } finally {
        await client.query("rollback");
        client.release();
      }
    };
    const where = `where account_id = ${site.customer.account_id}`;
    t.is(await rules(`update saldo.rated_line set parts = parts[2:] || parts[:1] ${where}`), 2);
    t.is(await rules(`update saldo.rated_line set parts = null ${where}`), 1);
    t.is(
      await rules(
        `update saldo.tariff_version set effective_from = '2025-02-05' ${where} and price = 6`,
      ),
      1,
    );
  },
);

const day = fc.integer({ min: 2, max: 90 });
const dateOf = (number: number) => new Date(Date.UTC(2025, 0, number)).toISOString().slice(0, 10);
const cents = (text: unknown) => BigInt(Math.round(Number(text) * 100));

test.serial("whatever a reading spans, its parts add up to it exactly", async (t) => {
  await call("set_consumption_profile", {
    profile: "random",
    days: Array.from({ length: 60 }, (_, index) => dateOf(index + 10)),
    weights: Array.from({ length: 60 }, (_, index) => (index % 7) + 0.125),
  });
  const version = fc.record({ day, value: fc.integer({ min: 1, max: 99_999 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(version, { selector: (one) => one.day, maxLength: 4 }),
      fc.uniqueArray(version, { selector: (one) => one.day, maxLength: 3 }),
      fc.uniqueArray(fc.record({ day, volume: fc.integer({ min: 0, max: 9_999_999 }) }), {
        selector: (one) => one.day,
        minLength: 1,
        maxLength: 3,
      }),
      fc.constantFrom("by_days", "by_profile"),
      fc.integer({ min: 0, max: 6 }),
      fc.constantFrom("half_up", "down"),
      async (prices, factors, readings, spanning, digits, rounding) => {
        const site = await metering.site({ kind: "volume" });
        const divided = { spanning, profile: "random" };
        const rounded = { volume_digits: digits, rounding };
        await price(site, "7.5", "2025-01-01", divided);
        await factor(site, "1.0123", "2025-01-01", rounded);
        // Some come before the readings, and some are late.
        const [early, late] = [prices.slice(0, 2), prices.slice(2)];
        for (const each of early) await price(site, each.value / 1000, dateOf(each.day), divided);
        for (const each of readings) {
          await metering.read(site, dateOf(each.day), each.volume / 1000);
        }
        for (const each of late) await price(site, each.value / 1000, dateOf(each.day), divided);
        for (const each of factors) {
          await factor(site, (each.value / 50_000 + 0.001).toFixed(5), dateOf(each.day), rounded);
        }
        const lines = await root(
          `select l.volume_m3, l.volume_sm3, l.amount, s.*
          from saldo.rated_line as l
          cross join lateral (
            select count(*)::integer as part_count, sum(p.volume_m3) as part_m3,
              sum(p.volume_sm3) as part_sm3, sum(p.amount) as part_amount,
              round(sum(p.volume_sm3 * p.price), 2) as exact_amount,
              bool_and(p.amount >= 0 and abs(p.amount - p.volume_sm3 * p.price) < 0.01) as is_near
            from unnest(l.parts) as p
          ) as s
          where l.account_id = $1 and l.superseded_at is null and l.parts is not null`,
          [site.customer.account_id],
        );
        for (const line of lines) {
          t.true(Number(line.part_count) > 1);
          t.is(Number(line.part_m3), Number(line.volume_m3));
          t.is(Number(line.part_sm3), Number(line.volume_sm3));
          t.is(cents(line.part_amount), cents(line.amount));
          t.is(cents(line.exact_amount), cents(line.amount));
          t.true(line.is_near);
        }
        const [sum] = await root(
          `select sum(amount) as amount from saldo.rated_line
          where account_id = $1 and superseded_at is null`,
          [site.customer.account_id],
        );
        t.is(cents(await metering.balance(site)), -cents(sum?.amount));
      },
    ),
    { numRuns: 20, endOnFailure: true },
  );
  t.deepEqual(await metering.findings(), []);
});
