import type { Metering, Row, Site } from "./_metering.ts";

const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error);
const nameOf = (site: Site) => (site.meter.kind === "index" ? "index_value" : "volume");

/**
 * Adds a reading and says which way it went, by how often rate_readings was called; or the code of
 * the error that it ended with. first: statement of its transaction before it.
 */
export async function readUsually(
  metering: Metering,
  site: Site,
  at: string,
  value: unknown,
  extra: Row = {},
  first = "",
) {
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
    await client.query(`set local track_functions = 'pl'; ${first}`);
    // What the session called before is told for a while.
    const before = await calls();
    const names = ["meter_id", "read_at", nameOf(site), ...Object.keys(extra)];
    const args = names.map((name, place) => `${name} => $${place + 1}`);
    await client.query(`select saldo.add_reading(${args.join(", ")})`, [
      site.meter.id,
      at,
      value,
      ...Object.values(extra),
    ]);
    const way = (await calls()) === before ? "usual" : "any";
    await client.query("commit");
    return way;
  } catch (error) {
    await client.query("rollback");
    return codeOf(error);
  } finally {
    client.release();
  }
}

/** Adds a reading as one of many; the code of the error that it ended with, "any" = none. */
export async function readAsMany(
  metering: Metering,
  site: Site,
  at: string,
  value: unknown,
  extra: Row = {},
) {
  const request = { meter_id: site.meter.id, read_at: at, [nameOf(site)]: value, ...extra };
  try {
    await metering.root(
      `select saldo.add_readings(array[jsonb_populate_record(
        null::saldo.reading_request, $1)])`,
      [request],
    );
    return "any";
  } catch (error) {
    return codeOf(error);
  }
}

/** All that was written for a customer, without ids and times of writing. */
export async function written(metering: Metering, site: Site) {
  const texts = {
    readings: `select to_jsonb(r) - '{account_id,id,meter_id,batch_id,recorded_at,changed_in,
      ended_at,supersedes,corrected_by}'::text[]
      || jsonb_build_object('corrected by', c.read_at) as row
      from saldo.reading as r
      left join saldo.reading as c on c.id = r.corrected_by
      where r.account_id = $1 order by r.read_at, r.revision, r.recorded_at`,
    lines: `select to_jsonb(l) - '{account_id,id,reading_id,tariff_version_id,factor_version_id,
      entry_id,rated_at,changed_in,superseded_at,supersedes}'::text[]
      || jsonb_build_object('price of', t.price, 'factor of', f.factor,
        'is after reading', l.id > l.reading_id, 'entry', e.description, 'stands',
        l.superseded_at is null, 'parts', (
          select jsonb_agg(to_jsonb(p) - '{tariff_version_id,factor_version_id}'::text[])
          from unnest(l.parts) as p
        )) as row
      from saldo.rated_line as l
      left join saldo.tariff_version as t on t.id = l.tariff_version_id
      left join saldo.correction_factor_version as f on f.id = l.factor_version_id
      left join saldo.journal_entry as e on e.id = l.entry_id
      where l.account_id = $1 order by l.read_at, l.revision, l.rated_at`,
    entries: `select to_jsonb(e) - '{id,recorded_at,posted_at,posted_in}'::text[]
        || jsonb_build_object('line_no', l.line_no, 'debit', l.debit, 'other', other.account_id,
          'other credit', other.credit) as row
      from saldo.journal_line as l
      join saldo.journal_entry as e on e.id = l.entry_id
      join saldo.journal_line as other on other.entry_id = e.id and other.account_id <> l.account_id
      where l.account_id = $1 order by e.recorded_at, l.line_no`,
    unrated: `select jsonb_build_object('read_on', read_on) as row
      from saldo_private.unrated_reading where account_id = $1 order by read_on`,
    months: `select to_jsonb(m) - '{account_id,last_calculated_at}'::text[] as row
      from saldo.customer_month_total as m where account_id = $1 order by month`,
    movements: `select to_jsonb(m) - '{account_id}'::text[] as row
      from saldo.month_movement as m where account_id = $1 order by month`,
    account: `select jsonb_build_object('balance', balance, 'debit', debit_total, 'credit',
      credit_total, 'version', version) as row from saldo.account where id = $1`,
  };
  const found: Record<string, Row[]> = {};
  for (const [name, text] of Object.entries(texts)) {
    found[name] = await metering.root(text, [site.customer.account_id]);
  }
  return found;
}
