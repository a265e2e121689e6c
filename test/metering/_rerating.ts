import { type Metering, openMetering, type Row, type Site } from "./_metering.ts";

/** Has every change of price or factor left to a job, whatever it touches. */
export const leaveToJobs = (metering: Metering) =>
  metering.call("set_setting", { name: "rerate_at_once_max", value: "0" });

/** Rates slice by slice until nothing is open; the re-ratings as they were after each slice. */
export async function drain(metering: Metering, rowLimit = 2): Promise<Row[]> {
  const slices: Row[] = [];
  for (;;) {
    const slice = await metering.call("continue_rerating", { row_limit: rowLimit });
    if (slice.id === null) return slices;
    slices.push(slice);
  }
}

/** All that a re-rating comes to, without ids and times, in an order of its own. */
export async function outcome(metering: Metering, sites: Site[]): Promise<unknown> {
  const codes = sites.map(({ customer }) => customer.code);
  const entries = await metering.root(
    `select e.source, e.kind::text, e.posting_date::text, e.origin_month::text, e.description,
      e.metadata, c.code, trim_scale(l.credit - l.debit) as change, e.posted_by
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    join saldo.customer as c on c.account_id = l.account_id
    where c.code = any ($1)
    order by 1, 2, 3, 4, 5, 6::text, 7, 8`,
    [codes],
  );
  const lines = await metering.root(
    `select c.code, r.read_at::text, l.revision, l.is_withdrawn, l.is_provisional,
      trim_scale(l.volume_sm3) as volume, trim_scale(l.price) as price,
      trim_scale(l.amount) as amount, l.posting_date::text, l.superseded_at is null as is_current,
      l.rated_by
    from saldo.rated_line as l
    join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
    join saldo.customer as c on c.account_id = l.account_id
    where c.code = any ($1)
    order by 1, 2, 3, l.is_withdrawn, 8`,
    [codes],
  );
  const months = [];
  for (const site of sites) {
    months.push(await metering.months(site, "2025-01", "2025-12"));
    months.push(await metering.months(site, "2025-01", "2025-12", "restated"));
  }
  return { entries, lines, months };
}

/** Six customers, with readings in each of four months and prices of their own in between. */
async function books(metering: Metering): Promise<Site[]> {
  const sites: Site[] = [];
  const { call } = metering;
  await call("add_tariff_version", { price: 10, effective_from: "2025-01-01" });
  await call("add_correction_factor", {
    formula: "fixed",
    factor: 2,
    effective_from: "2025-01-01",
  });
  for (let index = 0; index < 6; index++) {
    const site = await metering.site(index % 2 === 0 ? { kind: "volume" } : {});
    sites.push(site);
    await call("add_readings", {
      readings: undefined,
      ...(await readingsOf(metering, site)),
    });
  }
  await call("add_tariff_version", {
    price: 7,
    effective_from: "2025-02-10",
    customer_id: sites[2]?.customer.id,
  });
  return sites;
}

/** Three readings in each month, as add_readings takes them. */
async function readingsOf(metering: Metering, site: Site): Promise<Row> {
  const field = site.meter.kind === "index" ? ["index_value", "sum"] : ["volume", "each"];
  const [row] = await metering.root(
    `select array_agg((
        $1, make_timestamptz(2025, m, d, 5, 0, 0, 'UTC'),
        case $2 when 'sum' then (m * 30 + d)::numeric end,
        case $2 when 'each' then (m + d)::numeric end, 'actual', false
      )::saldo.reading_request)::text as readings
    from generate_series(1, 4) as m
    cross join unnest(array[3, 12, 25]) as d`,
    [site.meter.id, field[1]],
  );
  return { readings: row?.readings };
}

/** A fresh database with these books, closed when the test ends. */
export async function withBooks(t: { teardown(work: () => Promise<void>): void }) {
  const metering = await openMetering();
  t.teardown(() => metering.close());
  return { metering, sites: await books(metering), call: metering.call };
}

/** The last id of a table. */
export const idOf = async (metering: Metering, table: string, where = "true") =>
  (await metering.root(`select max(id) as id from saldo.${table} where ${where}`))[0]?.id;
