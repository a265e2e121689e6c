import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });
const price = (site: Site, value: number | string, from: string, extra: Row = {}) =>
  call("add_tariff_version", own(site, { price: value, effective_from: from, ...extra }));
const factor = (site: Site, value: number | string, from: string, extra: Row = {}) =>
  call(
    "add_correction_factor",
    own(site, { formula: "fixed", factor: value, effective_from: from, ...extra }),
  );

/** A site with price 10 and factor 2 from 2025 on, so that a cubic metre costs 20. */
async function pricedSite(meter?: Row) {
  const site = await metering.site(meter);
  const tariff = await price(site, 10, "2025-01-01");
  const version = await factor(site, 2, "2025-01-01");
  return { ...site, tariff, version };
}

test.serial(
  "the worked example: 15,473 m3 at 0.85 bar and 25.01 degrees are 28,692 Sm3",
  async (t) => {
    const site = await metering.site({ kind: "volume" });
    await call(
      "add_correction_factor",
      own(site, {
        pressure: 0.85,
        temperature: 25.01,
        volume_digits: 0,
        effective_from: "2025-01-01",
      }),
    );
    await price(site, 1, "2025-01-01");
    await metering.read(site, "2025-02-01", 15_473);
    t.like((await metering.lines(site))[0], { factor: "1.8543", volume_sm3: "28692" });
    const args = { pressure: 0.85, temperature: 25.01, digits: 10 };
    const exact = Number((await call("correction_factor", args)).correction_factor);
    t.is(Math.round(15_473 * exact), 28_692);
    t.true(Math.abs(exact - (1.86325 / 1.01325) * (300 / 298.01) * 1.0017) < 1e-9);
  },
);

test.serial("a factor by reference conditions, and one that rounds down", async (t) => {
  const args = { pressure: 1, temperature: 27, formula: "reference", digits: 6 };
  // (1 + 1.01325) / 1.01325 at the temperature of reference.
  t.like(await call("correction_factor", args), { correction_factor: "1.986923" });
  t.like(
    await call("correction_factor", {
      ...args,
      atmospheric_pressure: 1,
      reference_pressure: 1,
      reference_temperature: 0,
      compressibility: 1.01,
      rounding: "down",
    }),
    { correction_factor: "1.838290" },
  );
});

test.serial("conditions out of range are refused", async (t) => {
  const refused = (args: Row) =>
    errorCode(call("correction_factor", { pressure: 1, temperature: 20, ...args }));
  for (const pressure of [null, -0.1, 100.1, "NaN"]) t.is(await refused({ pressure }), "SB413");
  for (const temperature of [null, -51, 101, "NaN"]) {
    t.is(await refused({ temperature }), "SB413");
  }
  t.is(await refused({ digits: 11 }), "SB413");
  t.is(await refused({ formula: "fixed" }), "SB010");
  t.is(await refused({ formula: "reference", reference_pressure: 0 }), "SB413");
  const site = await metering.site();
  const before = await metering.digest();
  for (const args of [{ factor: 0 }, { factor: null }, { factor: "NaN" }, { factor: 1001 }]) {
    const given = { formula: "fixed", effective_from: "2025-01-01", ...args };
    t.is(await errorCode(call("add_correction_factor", own(site, given))), "SB413");
  }
  const given = { effective_from: "2025-01-01", pressure: 200, temperature: 20 };
  t.is(await errorCode(call("add_correction_factor", own(site, given))), "SB413");
  const hot = { temperature: 100, formula: "gas_300k", rounding: "down" };
  t.is(await refused({ ...hot, pressure: 0, digits: 0 }), "SB413", "a factor of 0 bills nothing");
  const zero = { ...hot, pressure: 0, factor_digits: 0, effective_from: "2025-01-01" };
  t.is(await errorCode(call("add_correction_factor", own(site, zero))), "SB413");
  t.deepEqual(await metering.digest(), before);
});

test.serial("a reading debits the customer and credits revenue by its rated line", async (t) => {
  const site = await pricedSite();
  const reading = await metering.read(site, "2025-03-10", 100);
  t.like(reading, { status: "current", quality: "actual", revision: 1 });
  const [line] = await metering.root("select * from saldo.rated_line where reading_id = $1", [
    reading.id,
  ]);
  t.like(line, {
    volume_m3: "100",
    factor: "2",
    volume_sm3: "200.000",
    price: "10",
    amount: "2000.00",
    amount_rounding: "half_up_2",
    tariff_version_id: site.tariff.id,
    factor_version_id: site.version.id,
    is_provisional: false,
  });
  const [entry] = await metering.root(
    `select e.source, e.kind, e.posting_date::text, e.metadata,
      array_agg(a.code || ' ' || l.debit || ' ' || l.credit order by l.line_no) as lines
    from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    join saldo.account as a on a.id = l.account_id
    where e.id = $1 group by e.id`,
    [line?.entry_id],
  );
  t.deepEqual(entry, {
    source: "rating",
    kind: "normal",
    posting_date: "2025-03-10",
    metadata: { month: "2025-03", reading_count: 1, volume_sm3: 200 },
    lines: [`customer:${site.customer.code} 2000.00 0`, "revenue:IDR 0 2000.00"],
  });
});

test.serial("an amount is rounded once, halves away from zero", async (t) => {
  const site = await metering.site({ kind: "volume" });
  await price(site, "0.5", "2025-01-01");
  await factor(site, 1, "2025-01-01");
  await metering.read(site, "2025-02-01", "0.01");
  await metering.read(site, "2025-02-02", "0.03");
  t.deepEqual(
    (await metering.lines(site)).map(({ amount }) => amount),
    ["0.01", "0.02"],
  );
});

test.serial(
  "readings in any order cost the same, and each changes only its neighbour",
  async (t) => {
    const site = await pricedSite();
    await metering.read(site, "2025-03-10", 100);
    await metering.read(site, "2025-05-10", 300);
    await metering.read(site, "2025-04-10", 150);
    t.deepEqual(
      (await metering.lines(site)).map(({ volume_m3, revision }) => [volume_m3, revision]),
      [
        ["100", 1],
        ["50", 1],
        ["150", 2],
      ],
    );
    t.is(await metering.balance(site), "-6000");
  },
);

test.serial("a changed and a removed reading post exactly the difference", async (t) => {
  const site = await pricedSite();
  const first = await metering.read(site, "2025-03-10", 100);
  await metering.read(site, "2025-04-10", 150);
  const changed = await call("change_reading", {
    reading_id: first.id,
    index_value: 120,
    idempotency_key: "change-1",
  });
  t.like(changed, { revision: 2, supersedes: first.id });
  t.is(await metering.balance(site), "-3000");
  t.deepEqual(
    (await metering.lines(site))
      .filter((line) => !line.is_withdrawn)
      .map(({ volume_m3 }) => volume_m3),
    ["120", "30"],
  );
  const again = await call("change_reading", {
    reading_id: first.id,
    index_value: 120,
    idempotency_key: "change-1",
  });
  t.is(again.id, changed.id);

  t.like(await call("remove_reading", { reading_id: changed.id }), { status: "removed" });
  // The next reading takes over what the removed one counted.
  t.is(await metering.balance(site), "-3000");
  const [months] = await metering.root(
    `select sum(l.debit - l.credit) filter (where l.posting_date < '2025-04-01') as march,
      sum(l.debit - l.credit) filter (where l.posting_date >= '2025-04-01') as april
    from saldo.journal_line as l where l.account_id = $1`,
    [site.customer.account_id],
  );
  t.deepEqual([Number(months?.march), Number(months?.april)], [0, 3000]);
  t.is(await errorCode(call("remove_reading", { reading_id: changed.id })), "SB407");
  t.is(await errorCode(call("change_reading", { reading_id: first.id, index_value: 1 })), "SB407");
  t.deepEqual(await metering.findings(), []);
});

test.serial("a reading may move to another month", async (t) => {
  const site = await pricedSite({ kind: "volume" });
  const reading = await metering.read(site, "2025-03-31", 10);
  await call("change_reading", { reading_id: reading.id, read_at: "2025-04-01T12:00:00+07" });
  t.is(await metering.balance(site), "-200");
  const rows = await metering.months(site, "2025-03", "2025-04");
  t.deepEqual(
    rows.map(({ purchases, volume_sm3 }) => [purchases, volume_sm3]),
    [
      ["0", "0"],
      ["200", "20"],
    ],
  );
});

test.serial(
  "a roll-over wraps at the limit of the register, an exchange starts again",
  async (t) => {
    const site = await pricedSite({ register_limit: 100_000, start_index: 99_000 });
    await metering.read(site, "2025-03-10", 99_990);
    t.is(await errorCode(metering.read(site, "2025-04-10", 5)), "SB410");
    await metering.read(site, "2025-04-10", 5, { is_rollover: true });
    const next = await call("exchange_meter", {
      meter_id: site.meter.id,
      code: "new meter",
      final_value: 25,
      exchanged_at: "2025-05-01T08:00:00+07",
      start_index: 7,
    });
    t.like(next, { start_index: "7", register_limit: "100000", replaces: site.meter.id });
    const successor = { ...site, meter: { ...next, id: String(next.id) } };
    await metering.read(successor, "2025-05-10", 17);
    t.deepEqual(
      (await metering.lines(site)).map(({ volume_m3 }) => volume_m3),
      ["990", "15", "20", "10"],
    );
    t.is(await errorCode(metering.read(site, "2025-05-11", 30)), "SB405");
    t.is(
      await errorCode(
        call("exchange_meter", { meter_id: site.meter.id, code: "x", final_value: 99 }),
      ),
      "SB405",
    );
    t.is(await errorCode(metering.read(successor, "2025-04-30", 8)), "SB405");
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial(
  "a price of the customer comes before that of all, a dated one stands inside another",
  async (t) => {
    const site = await metering.site({ kind: "volume" });
    await factor(site, 1, "2025-01-01");
    await call("add_tariff_version", { price: 7, effective_from: "2025-01-01" });
    for (const day of ["2025-02-01", "2025-03-01", "2025-04-01"])
      await metering.read(site, day, 10);
    t.is(await metering.balance(site), "-210");
    await price(site, 10, "2025-02-15");
    t.is(await metering.balance(site), "-270");
    await price(site, 1, "2025-03-01", { effective_to: "2025-03-31" });
    t.is(await metering.balance(site), "-180");
    t.deepEqual(
      (await metering.lines(site)).map(({ price: used, revision }) => [used, revision]),
      [
        ["7", 1],
        ["1", 3],
        ["10", 2],
      ],
    );
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial("versions that overlap, bad prices and bad dates are refused", async (t) => {
  const { tariff, version, ...site } = await pricedSite();
  await price(site, 1, "2025-03-01", { effective_to: "2025-03-31" });
  const before = await metering.digest();
  const refused = (value: unknown, from: string | null, extra: Row = {}) =>
    errorCode(price(site, value as number, from as string, extra));
  for (const value of [0, -5, null, "NaN", "Infinity", "0.0000001", "1e12"]) {
    t.is(await refused(value, "2025-06-01"), "SB412");
  }
  t.is(await refused(5, null), "SB010");
  t.is(await refused(5, "infinity"), "SB010");
  t.is(await refused(5, "2025-06-01", { effective_to: "2025-05-31" }), "SB010");
  t.is(await refused(5, "2025-06-01", { currency: "USD" }), "SB010");
  t.is(await refused(5, "2025-01-01"), "SB414");
  t.is(await refused(5, "2025-03-15"), "SB414");
  t.is(await refused(5, "2025-02-15", { effective_to: "2025-03-01" }), "SB414");
  t.is(await errorCode(factor(site, 5, "2025-01-01")), "SB414");
  t.is(await refused(5, "2025-06-01", { customer_id: 999_999 }), "SB401");
  t.is(
    await errorCode(
      call("change_tariff_version", { version_id: tariff.id, effective_from: "2025-03-15" }),
    ),
    "SB414",
  );
  t.is(await errorCode(call("change_tariff_version", { version_id: 999_999 })), "SB415");
  t.is(await errorCode(call("remove_correction_factor", { version_id: 999_999 })), "SB415");
  t.deepEqual(await metering.digest(), before);
  t.truthy(version.id);
});

test.serial(
  "a version in use is removed only with a re-rating; another one takes over",
  async (t) => {
    const site = await pricedSite({ kind: "volume" });
    const dear = await price(site, 50, "2025-03-01");
    const steep = await factor(site, 4, "2025-03-01");
    await metering.read(site, "2025-03-10", 10);
    t.is(await metering.balance(site), "-2000");
    const before = await metering.digest();
    const remove = { tariff: "remove_tariff_version", factor: "remove_correction_factor" };
    t.is(await errorCode(call(remove.tariff, { version_id: dear.id })), "SB416");
    t.is(await errorCode(call(remove.factor, { version_id: steep.id })), "SB416");
    t.deepEqual(await metering.digest(), before);
    t.is(await errorCode(metering.root("delete from saldo.reading")), "23503");

    await call(remove.tariff, { version_id: dear.id, rerate: true });
    t.is(await metering.balance(site), "-400");
    await call(remove.factor, { version_id: steep.id, rerate: true });
    t.is(await metering.balance(site), "-200");
    t.is(await errorCode(call(remove.tariff, { version_id: dear.id })), "SB415");
    t.is(await errorCode(call("change_correction_factor", { version_id: steep.id })), "SB415");
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial(
  "a changed factor re-rates from its date on, and keeps formula and digits",
  async (t) => {
    const site = await metering.site({ kind: "volume" });
    await price(site, 100, "2025-01-01");
    const first = await call(
      "add_correction_factor",
      own(site, { pressure: 1, temperature: 27, effective_from: "2025-02-01", factor_digits: 3 }),
    );
    await metering.read(site, "2025-02-10", 10);
    t.is(await metering.balance(site), "-1991");
    const second = await call("change_correction_factor", { version_id: first.id, pressure: 2 });
    t.like(second, {
      supersedes: first.id,
      formula: "gas_300k",
      factor: "2.986",
      factor_digits: 3,
    });
    t.is(await metering.balance(site), "-2986");
  },
);
