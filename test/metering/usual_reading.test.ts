import test from "ava";
import { openMetering, type Row, type Site } from "./_metering.ts";
import { readAsMany, readUsually, written } from "./_usual.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call } = metering;

test.before(async () => {
  await call("add_tariff_version", { price: 10.255, effective_from: "2025-01-01" });
  await call("add_correction_factor", {
    formula: "fixed",
    factor: 1.7,
    effective_from: "2025-01-01",
  });
});

const read = (site: Site, at: string, value: unknown, extra?: Row, first?: string) =>
  readUsually(metering, site, at, value, extra, first);

test.serial(
  "a session that has seen the tables empty does not read all of them later",
  async (t) => {
    const site = await metering.site({ kind: "volume" });
    const client = await metering.pool.connect();
    const add = (day: number) =>
      client.query("select saldo.add_reading($1, $2, volume => 10)", [
        site.meter.id,
        `2025-01-${day}T12:00:00+07`,
      ]);
    const rowsRead = async () => {
      const { rows } = await client.query(
        `select relname, (seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as count
        from pg_stat_xact_user_tables`,
      );
      return new Map(rows.map((row): [string, number] => [row.relname, row.count]));
    };
    try {
      for (const day of [10, 11, 12, 13, 14, 15]) await add(day);
      await metering.root(`select saldo.add_readings(array(
        select jsonb_populate_record(null::saldo.reading_request, jsonb_build_object(
          'meter_id', m.id, 'read_at', timestamptz '2025-01-02' + g * interval '1 day', 'volume', 1
        ))
        from generate_series(1, 400) as n
        cross join lateral saldo.create_customer('many ' || n, 'One of many') as c
        cross join lateral saldo.install_meter(c.id, 'meter ' || n, 'volume', '2025-01-01') as m
        cross join generate_series(1, 5) as g
      ))`);
      await client.query("begin");
      const before = await rowsRead();
      await add(16);
      const after = await rowsRead();
      await client.query("commit");
      t.deepEqual(
        [...after].filter(([name, count]) => count - (before.get(name) ?? 0) > 100),
        [],
      );
    } finally {
      client.release();
    }
  },
);

for (const [kind, readings] of [
  [
    "volume",
    [
      ["03-10", "10.50"],
      ["03-11", 0.001],
      ["04-02", 7, { quality: "estimated" }],
    ],
  ],
  [
    "index",
    [
      ["03-10", "100.250"],
      ["03-11", 101],
      ["04-01", 900_000, { quality: "estimated" }],
      ["04-30", 5.5, { is_rollover: true }],
    ],
  ],
] as const) {
  test.serial(`a usual reading of a meter of ${kind} is written as any other is`, async (t) => {
    const [usual, any] = [
      await metering.site(kind === "volume" ? { kind } : {}),
      await metering.site(kind === "volume" ? { kind } : {}),
    ];
    for (const [day, value, extra] of readings) {
      const at = `2025-${day}T12:00:00+07`;
      t.is(await read(usual, at, value, extra ?? {}), "usual");
      t.is(await readAsMany(metering, any, at, value, extra ?? {}), "any");
    }
    const expected = await written(metering, any);
    t.is(expected.lines?.length, readings.length);
    t.deepEqual(await written(metering, usual), expected);
    t.deepEqual(await metering.findings(), []);
  });
}

test.serial("what is not usual goes the way of any reading", async (t) => {
  const site = await metering.site({ kind: "volume" });
  t.is(await read(site, "2025-03-10T12:00:00+07", 10), "usual");
  t.is(await read(site, "2025-03-09T12:00:00+07", 10), "any", "one that another follows");
  t.is(await read(site, "2025-03-11T12:00:00+07", 0), "any", "one that costs nothing");
  await call("add_tariff_version", {
    customer_id: site.customer.id,
    price: 20,
    effective_from: "2025-03-12",
    effective_to: "2025-03-20",
    spanning: "by_days",
  });
  t.is(await read(site, "2025-03-13T12:00:00+07", 10), "any", "one that may be divided");
  await metering.closeThrough("2025-03-31");
  t.is(await read(site, "2025-03-25T12:00:00+07", 10), "any", "one of a closed month");
  await metering.closeThrough(null);
  await call("charge_customers", { month: "2025-04-01", customer_id: site.customer.id });
  t.is(await read(site, "2025-04-10T12:00:00+07", 10), "any", "one of a charged month");
  t.is(await read(site, "2025-05-10T12:00:00+07", 10), "usual");
  await metering.root(`create function public.look() returns trigger language plpgsql as
    $$ begin perform 1 / count(*) from saldo.reading where id = new.reading_id; return new; end $$`);
  await metering.root(`create trigger look before insert on saldo.rated_line
    for each row execute function public.look()`);
  t.is(await read(site, "2025-05-11T12:00:00+07", 10), "any", "one that a trigger looks at");
  await metering.root("drop trigger look on saldo.rated_line");
  t.is(await read(site, "2025-05-12T12:00:00+07", 10), "usual");
  await metering.closeThrough("2025-06-20");
  t.is(
    await read(site, "2025-06-10T12:00:00+07", 10),
    "any",
    "one whose day moves within its month",
  );
  await metering.closeThrough(null);
  t.deepEqual(await metering.findings(), []);
});

test.serial("a reading waits for its month only when it is known to need no other", async (t) => {
  const site = await metering.site();
  t.is(await read(site, "2025-07-20T12:00:00+07", 100), "usual");
  const closing = await metering.pool.connect();
  try {
    await closing.query("begin");
    await closing.query(`select pg_advisory_xact_lock(saldo_private.posting_month_lock(),
      saldo_private.month_number('2025-07-01'))`);
    const waiting = (value: number) =>
      read(site, "2025-07-21T12:00:00+07", value, {}, "set local lock_timeout = '300ms'");
    t.is(await waiting(99), "SB410");
    t.is(await waiting(101), "55P03");
  } finally {
    await closing.query("rollback");
    closing.release();
  }
});

test.serial("a reading at the first of a month takes the month before it first", async (t) => {
  const site = await metering.site({ kind: "volume" });
  const closing = await metering.pool.connect();
  try {
    await closing.query("begin");
    await closing.query(`select pg_advisory_xact_lock(saldo_private.posting_month_lock(),
      saldo_private.month_number('2025-08-01'))`);
    // By UTC it is still August. Who waited for that with September in hand would close a circle.
    const late = read(site, "2025-09-01T00:00:00+07", 10);
    const waiting = `select w.objid = saldo_private.month_number('2025-08-01')::oid as is_first,
        exists (
          select
          from pg_locks as h
          where h.pid = w.pid
          and h.granted
          and h.locktype = 'advisory'
          and h.classid = w.classid
        ) as has_other
      from pg_locks as w
      where w.locktype = 'advisory'
      and not w.granted
      and w.classid = saldo_private.posting_month_lock()::oid
      and w.database = (select oid from pg_database where datname = current_database())`;
    let rows = await metering.root(waiting);
    for (let look = 0; rows.length === 0 && look < 200; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      rows = await metering.root(waiting);
    }
    t.deepEqual(rows, [{ is_first: true, has_other: false }]);
    await closing.query("commit");
    t.is(await late, "usual");
  } finally {
    closing.release();
  }
  t.deepEqual(await metering.findings(), []);
});

test.serial("what a reading is rated by is planned within the statement that asks", async (t) => {
  const rows = await metering.root(`explain select * from saldo_private.add_usual_reading__terms(
    1, 'IDR', 2, 3, now(), '2025-08-10', '2025-08-01')`);
  t.regex(JSON.stringify(rows), /reading_is_once_per_meter_and_time|Seq Scan on reading/);
  t.notRegex(JSON.stringify(rows), /Function Scan/);
});

test.serial("a reading that waits for its customer sees what became of its meter", async (t) => {
  const site = await metering.site({ kind: "volume" });
  t.is(await read(site, "2025-08-10T12:00:00+07", 10), "usual");
  const exchange = await metering.pool.connect();
  try {
    await exchange.query("begin");
    await exchange.query("select saldo.exchange_meter($1, 'its successor', 5, $2)", [
      site.meter.id,
      "2025-08-15T12:00:00+07",
    ]);
    const late = read(site, "2025-08-20T12:00:00+07", 10);
    const waiting = `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    while ((await metering.root(waiting)).length === 0);
    await exchange.query("commit");
    t.is(await late, "SB405");
  } finally {
    exchange.release();
  }
  t.deepEqual(await metering.findings(), []);
});
