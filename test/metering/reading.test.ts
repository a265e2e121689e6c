import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });

async function pricedSite(meter?: Row) {
  const site = await metering.site(meter);
  await call("add_tariff_version", own(site, { price: 10, effective_from: "2025-01-01" }));
  await call(
    "add_correction_factor",
    own(site, { formula: "fixed", factor: 2, effective_from: "2025-01-01" }),
  );
  return site;
}

/** add_readings with rows of [meter, time, index, volume, quality, is_rollover]. */
const addMany = (rows: unknown[][], key?: string) =>
  metering.query(
    "admin",
    `select r.* from saldo.add_readings(array(
      select (q.a, q.b, q.c, q.d, q.e, q.f)::saldo.reading_request
      from jsonb_to_recordset($1) as q (a bigint, b timestamptz, c numeric, d numeric,
        e saldo.reading_quality, f boolean)
    ), $2) as r`,
    [
      JSON.stringify(rows.map(([a, b, c, d, e, f]) => ({ a, b, c, d, e, f: f ?? false }))),
      key ?? null,
    ],
  );

test.serial("bad readings are refused by code, and nothing is half done", async (t) => {
  const site = await pricedSite();
  const flow = await pricedSite({ kind: "volume" });
  const first = await metering.read(site, "2025-03-10", 100);
  await metering.read(site, "2025-05-10", 200);
  const before = await metering.digest();
  const refused = (at: string, value: unknown, extra: Row = {}, which: Site = site) =>
    errorCode(metering.read(which, at, value as number, extra));
  for (const value of [-1, null, "NaN", "Infinity", "0.0000001", 1_000_000, "1e400"]) {
    t.is(await refused("2025-06-10", value), "SB411", String(value));
    if (value !== 1_000_000) t.is(await refused("2025-06-10", value, {}, flow), "SB411");
  }
  t.is(await refused("2025-06-10", 300, { volume: 5 }), "SB411");
  t.is(await refused("2025-06-10", 5, { is_rollover: true }, flow), "SB411");
  t.is(
    await errorCode(
      call("add_reading", { meter_id: site.meter.id, read_at: null, index_value: 1 }),
    ),
    "SB010",
  );
  t.is(
    await errorCode(
      call("add_reading", { meter_id: 999_999, read_at: "2025-06-10", index_value: 1 }),
    ),
    "SB404",
  );
  t.is(await refused("2999-01-01", 300), "SB409");
  t.is(
    await errorCode(
      call("add_reading", { meter_id: site.meter.id, read_at: "infinity", index_value: 300 }),
    ),
    "SB409",
  );
  t.is(await refused("2024-12-31", 1), "SB405");
  t.is(await refused("2025-01-01T00:00:00+07", 1), "SB405");
  t.is(await refused("2025-03-10", 100), "SB408");
  t.is(await refused("2025-06-10", 199), "SB410");
  t.is(await refused("2025-04-10", 201), "SB410");
  t.is(await refused("2025-04-10", 99), "SB410");
  t.is(await refused("2025-06-10", 300, { is_rollover: true }), "SB410");
  const nobody = "00000000-0000-7000-8000-000000000000";
  t.is(await errorCode(call("change_reading", { reading_id: nobody, index_value: 1 })), "SB406");
  t.is(await errorCode(call("remove_reading", { reading_id: nobody })), "SB406");
  const change = (args: Row) =>
    errorCode(call("change_reading", { reading_id: first.id, ...args }));
  t.is(await change({ index_value: 201 }), "SB410");
  t.is(await change({ read_at: "2025-06-10T00:00:00+07" }), "SB410");
  t.is(await change({ read_at: "2025-05-10T12:00:00+07" }), "SB408");
  t.is(await change({ volume: 5 }), "SB411");
  t.deepEqual(await metering.digest(), before);
});

test.serial("a figure that no amount can hold is refused", async (t) => {
  const site = await pricedSite({ kind: "volume" });
  await call(
    "add_tariff_version",
    own(site, { price: "99999999999", effective_from: "2025-02-01" }),
  );
  const before = await metering.digest();
  t.is(await errorCode(metering.read(site, "2025-02-10", 999_999_999)), "SB004");
  t.deepEqual(await metering.digest(), before);

  // Each of them is an amount, but they are posted as one.
  const both = [10, 11].map(
    (day) => `(${site.meter.id}, '2025-02-${day}', null, 5000, null, null)`,
  );
  const bulk = `select from saldo.add_readings(array[${both}]::saldo.reading_request[])`;
  t.is(await errorCode(metering.query("admin", bulk)), "SB004");
  t.deepEqual(await metering.digest(), before);
});

test.serial("bad meters are refused by code", async (t) => {
  const { customer, meter } = await metering.site();
  const before = await metering.digest();
  const refused = (args: Row) =>
    errorCode(call("install_meter", { customer_id: customer.id, code: "x", ...args }));
  t.is(await refused({ customer_id: 999_999 }), "SB401");
  t.is(await refused({ code: meter.code }), "SB014");
  t.is(await refused({ code: null }), "SB010");
  t.is(await refused({ installed_at: "infinity" }), "SB010");
  t.is(await refused({ installed_at: "2999-01-01" }), "SB409");
  for (const start_index of [-1, null, "NaN", "Infinity", 1_000_000, "0.0000001"]) {
    t.is(await refused({ start_index }), "SB411");
  }
  for (const register_limit of [0, null, "NaN", "Infinity", "1.5", "1e13"]) {
    t.is(await refused({ register_limit }), "SB411");
  }
  t.is(
    await errorCode(call("exchange_meter", { meter_id: 0, code: "x", final_value: 1 })),
    "SB404",
  );
  t.is(
    await errorCode(call("exchange_meter", { meter_id: meter.id, code: "x", final_value: null })),
    "SB411",
  );
  t.deepEqual(await metering.digest(), before);
});

test.serial(
  "the same key returns the first reading, whatever the time zone it is sent in",
  async (t) => {
    const site = await pricedSite();
    const args = { idempotency_key: "reading-1" };
    const first = await metering.read(site, "2025-03-10T12:00:00+07", 100, args);
    t.is((await metering.read(site, "2025-03-10T05:00:00Z", "100.0", args)).id, first.id);
    t.is(await errorCode(metering.read(site, "2025-03-10", 101, args)), "SB005");
    t.is(await metering.balance(site), "-2000");
  },
);

test.serial("a bulk of readings is one pass: one entry for each customer and month", async (t) => {
  const sites = [await pricedSite(), await pricedSite({ kind: "volume" })];
  const rows = sites.flatMap((site) =>
    Array.from({ length: 60 }, (_, day) => [
      site.meter.id,
      new Date(Date.UTC(2025, 2, 1 + day, 5)).toISOString(),
      site.meter.kind === "index" ? 10 * (day + 1) : null,
      site.meter.kind === "index" ? null : 10,
    ]),
  );
  const recorded = await addMany(rows, "bulk-1");
  t.is(recorded.length, 120);
  for (const site of sites) {
    t.is(await metering.balance(site), "-12000");
    const entries = await metering.root(
      `select e.posting_date::text, e.metadata -> 'reading_count' as reading_count
      from saldo.journal_entry as e
      join saldo.journal_line as l on l.entry_id = e.id
      where l.account_id = $1 order by 1`,
      [site.customer.account_id],
    );
    t.deepEqual(entries, [
      { posting_date: "2025-03-31", reading_count: 31 },
      { posting_date: "2025-04-29", reading_count: 29 },
    ]);
  }
  t.is((await addMany(rows, "bulk-1")).length, 120);
  t.is(await errorCode(addMany(rows.slice(1), "bulk-1")), "SB005");
  t.is(await errorCode(addMany([])), "SB010");
  t.deepEqual(await metering.findings(), []);
});

test.serial(
  "a bulk with bad rows is refused as a whole, and each bad row is reported",
  async (t) => {
    const site = await pricedSite();
    const before = await metering.digest();
    const error = await t.throwsAsync(
      addMany([
        [site.meter.id, "2025-03-01T05:00:00Z", 10],
        [site.meter.id, "2025-03-02T05:00:00Z", -5],
        [999_999, "2025-03-02T05:00:00Z", 5],
        [site.meter.id, "2025-03-01T05:00:00Z", 11],
      ]),
    );
    const { code, detail } = error as unknown as { code: string; detail: string };
    t.is(code, "SB411");
    t.regex(
      detail,
      /^3 of 4 rows: row 2: reading_invalid.*row 3: meter_not_found.*row 4: reading_dup/,
    );
    t.deepEqual(await metering.digest(), before);
  },
);

test.serial(
  "ten thousand readings cost seconds, and a price change over them no more",
  async (t) => {
    const site = await pricedSite({ register_limit: 10_000_000 });
    const started = Date.now();
    await metering.query(
      "admin",
      `select count(*) from saldo.add_readings(array(
      select ($1::bigint, '2025-01-02'::timestamptz + n * interval '40 minutes', n, null, null,
        false)::saldo.reading_request
      from generate_series(1, 10000) as n
    ))`,
      [site.meter.id],
    );
    const loaded = Date.now();
    await call("add_tariff_version", own(site, { price: 11, effective_from: "2025-02-01" }));
    const changed = Date.now();
    t.log(`load ${loaded - started} ms, price change ${changed - loaded} ms`);
    t.true(changed - started < 30_000);
    const [sum] = await metering.root(
      `select sum(amount) as amount, count(*) as count from saldo.rated_line
    where account_id = $1 and superseded_at is null`,
      [site.customer.account_id],
    );
    t.is(sum?.count, "10000");
    t.is(String(-Number(sum?.amount)), await metering.balance(site));
    // findings() keeps its plans, and those of before were made for a handful of rows.
    await metering.root("analyze saldo.reading, saldo.rated_line");
  },
);

test.serial(
  "without a price the setting decides: held, or provisional at the last known",
  async (t) => {
    const site = await metering.site({ kind: "volume" });
    const reading = await metering.read(site, "2025-02-10", 10);
    t.deepEqual(await metering.lines(site), []);
    await call(
      "add_tariff_version",
      own(site, { price: 10, effective_from: "2025-01-01", effective_to: "2025-01-31" }),
    );
    t.deepEqual(await metering.lines(site), [], "there is no factor yet");
    await call(
      "add_correction_factor",
      own(site, { formula: "fixed", factor: 2, effective_from: "2025-01-01" }),
    );
    t.like((await metering.lines(site))[0], { amount: "200", is_provisional: true });
    t.deepEqual(await metering.findings(), []);

    await call("set_setting", { name: "rating_without_version", value: "held" });
    t.is((await call("rerate_readings", own(site, {}))).rerate_readings, 1);
    t.like((await metering.lines(site))[0], { amount: "0", is_withdrawn: true, revision: 2 });
    t.is(await metering.balance(site), "0");
    await metering.read(site, "2025-02-11", 1);
    t.is((await metering.lines(site)).length, 1);
    t.deepEqual(
      (await metering.findings()).map(({ rule, stored }) => `${rule}: ${stored}`),
      [
        "rule_reading_unrated: no price for 2025-02-10",
        "rule_reading_unrated: no price for 2025-02-11",
      ],
    );

    await call("add_tariff_version", own(site, { price: 12, effective_from: "2025-02-01" }));
    t.deepEqual(
      (await metering.lines(site)).map(({ amount, revision }) => [amount, revision]),
      [
        ["240", 3],
        ["24", 1],
      ],
    );
    await call("remove_reading", { reading_id: reading.id });
    t.is(await metering.balance(site), "-24");
    t.is(
      await errorCode(call("set_setting", { name: "rating_without_version", value: "x" })),
      "SB010",
    );
    await call("set_setting", { name: "rating_without_version", value: "provisional" });
    t.is((await call("rerate_readings", {})).rerate_readings, 0);
    t.is(await errorCode(call("rerate_readings", { customer_id: 999_999 })), "SB401");
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial("a closed account takes no reading that costs, and nothing is half done", async (t) => {
  const site = await pricedSite();
  await call("close_account", { account_id: site.customer.account_id });
  const before = await metering.digest();
  t.is(await errorCode(metering.read(site, "2025-03-10", 5)), "SB102");
  t.deepEqual(await metering.digest(), before);
});

test.serial("a customer's account may be hot", async (t) => {
  const site = await pricedSite();
  await call("make_account_hot", { account_id: site.customer.account_id });
  const reading = await metering.read(site, "2025-03-10", 5);
  await call("change_reading", { reading_id: reading.id, index_value: 6 });
  const balance = await call("balances", { account_id: site.customer.account_id });
  t.is(Number(balance.settled_balance), -120);
  t.deepEqual(await metering.findings(), []);
});

test.serial("a snapshot that is older than the lock is refused", async (t) => {
  const site = await pricedSite();
  const client = await metering.pool.connect();
  await client.query("begin isolation level repeatable read");
  const reading = client.query("select saldo.add_reading($1, '2025-03-10', 5)", [site.meter.id]);
  t.is(await errorCode(reading), "SB020");
  await client.query("rollback");
  client.release();
});

test.serial(
  "a transaction that has lasted takes a reading, and a meter, of this moment",
  async (t) => {
    const site = await pricedSite({ kind: "volume" });
    const client = await metering.pool.connect();
    t.teardown(() => client.release());
    await client.query("begin; select pg_sleep(0.05)");
    const readings = [
      `select status::text from saldo.add_reading(${site.meter.id}, clock_timestamp(), volume => 1)`,
      `select status::text from saldo.add_readings(array[
      (${site.meter.id}, clock_timestamp(), null, 1, 'actual', false)::saldo.reading_request])`,
      `select 'current' as status from saldo.install_meter(${site.customer.id}, 'of-now',
      kind => 'volume', installed_at => clock_timestamp())`,
    ];
    for (const text of readings) {
      t.deepEqual((await client.query(text)).rows, [{ status: "current" }]);
    }
    const refused = client.query(
      `select saldo.add_reading(${site.meter.id}, clock_timestamp() + interval '1 second', volume => 1)`,
    );
    await t.throwsAsync(refused, { code: "SB409" });
    await client.query("rollback");
  },
);
