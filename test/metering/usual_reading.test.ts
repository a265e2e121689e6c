import test from "ava";
import { openMetering, type Row, type Site } from "./_metering.ts";

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

/** Adds a reading and says which way it went: how often rate_readings was called. */
async function read(site: Site, at: string, value: unknown, extra: Row = {}) {
  const client = await metering.pool.connect();
  const calls = async () => {
    const { rows } = await client.query(
      `select coalesce(sum(calls), 0)::integer as calls from pg_stat_xact_user_functions
      where funcname = 'rate_readings'`,
    );
    return rows[0].calls;
  };
  try {
    await client.query("begin");
    await client.query("set local track_functions = 'pl'");
    // What the session called before is told for a while.
    const before = await calls();
    const names = ["meter_id", "read_at", site.meter.kind === "index" ? "index_value" : "volume"];
    const args = [...names, ...Object.keys(extra)].map((name, place) => `${name} => $${place + 1}`);
    await client.query(`select saldo.add_reading(${args.join(", ")})`, [
      site.meter.id,
      at,
      value,
      ...Object.values(extra),
    ]);
    const way = (await calls()) === before ? "usual" : "any";
    await client.query("commit");
    return way;
  } finally {
    client.release();
  }
}

/** All that was written for a customer, without ids and times of writing. */
async function written(site: Site) {
  const texts = {
    readings: `select to_jsonb(r) - '{account_id,id,meter_id,batch_id,recorded_at,changed_in}'::text[]
      as row from saldo.reading as r where account_id = $1 order by read_at`,
    lines: `select to_jsonb(l) - '{account_id,id,reading_id,tariff_version_id,factor_version_id,
      entry_id,rated_at,changed_in}'::text[] || jsonb_build_object('price of', t.price, 'factor of',
        f.factor, 'is after reading', l.id > l.reading_id, 'entry', e.description) as row
      from saldo.rated_line as l
      join saldo.tariff_version as t on t.id = l.tariff_version_id
      join saldo.correction_factor_version as f on f.id = l.factor_version_id
      left join saldo.journal_entry as e on e.id = l.entry_id
      where l.account_id = $1 order by l.read_at, l.revision`,
    entries: `select to_jsonb(e) - '{id,recorded_at,posted_at,posted_in}'::text[]
        || jsonb_build_object('line_no', l.line_no, 'debit', l.debit, 'other', other.account_id,
          'other credit', other.credit) as row
      from saldo.journal_line as l
      join saldo.journal_entry as e on e.id = l.entry_id
      join saldo.journal_line as other on other.entry_id = e.id and other.account_id <> l.account_id
      where l.account_id = $1 order by e.occurred_at, l.line_no`,
    months: `select to_jsonb(m) - '{account_id,last_calculated_at}'::text[] as row
      from saldo.customer_month_total as m where account_id = $1 order by month`,
    movements: `select to_jsonb(m) - '{account_id}'::text[] as row
      from saldo.month_movement as m where account_id = $1 order by month`,
    account: `select jsonb_build_object('balance', balance, 'debit', debit_total, 'credit',
      credit_total, 'version', version) as row from saldo.account where id = $1`,
  };
  const found: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(texts)) {
    found[name] = await metering.root(text, [site.customer.account_id]);
  }
  return found;
}

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
      await metering.root(
        `select saldo.add_readings(array[jsonb_populate_record(
          null::saldo.reading_request, $1)])`,
        [
          {
            meter_id: any.meter.id,
            read_at: at,
            [kind === "volume" ? "volume" : "index_value"]: value,
            ...extra,
          },
        ],
      );
    }
    const expected = await written(any);
    t.is((expected.lines as Row[]).length, readings.length);
    t.deepEqual(await written(usual), expected);
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
