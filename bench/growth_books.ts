/** Makes one ledger longer: months of lines behind it, submitted rows and idempotency keys. */
import { Client } from "pg";
import { drain, type HotAccounts } from "./hot_scenarios.ts";

/** Accounts that the lines are spread over. */
export const accounts = 20_000;
/** Lines of an account in a month: the same at every size, so that a page of a month is. */
const linesPerPage = 40;
const entriesPerPart = 100_000;
const rowsPerCall = 1000;
const firstMonth = "2021-01-01";

/** How long the ledger is: whole months, the first of few accounts. */
export interface Length {
  lines: number;
  months: number;
  /** The first of the grown accounts have pages, in each of the months. */
  accounts: number;
}

/** The first month holds few lines, every month after it a page of each account. */
export function lengthOf(lines: number): Length {
  const perMonth = accounts * linesPerPage;
  if (lines < perMonth) {
    return { lines, months: 1, accounts: Math.max(2, Math.round(lines / linesPerPage)) };
  }
  return { lines, months: 1 + Math.round(lines / perMonth), accounts };
}

/** First day of the n-th month of the history. */
export const monthAt = (place: number) =>
  `(date '${firstMonth}' + make_interval(months => ${place}))::date`;

/** Opens the accounts, and returns the id of the first; the others follow on it. */
export async function openGrown(client: Client): Promise<number> {
  await client.query(
    `select count(saldo.open_account('grown-' || g, 'Grown ' || g, 'liability'))
    from generate_series(1, $1) as g`,
    [accounts],
  );
  const { rows } = await client.query<{ id: string; last: string }>(
    "select min(id) as id, max(id) as last from saldo.account where code like 'grown-%'",
  );
  const first = Number(rows[0]?.id);
  if (Number(rows[0]?.last) !== first + accounts - 1) throw new Error("The ids have gaps.");
  return first;
}

const tables = ["journal_entry", "journal_line", "account", "month_movement"];

/** Does work past the triggers, and puts each back into the state that it had. */
async function pastTriggers(client: Client, work: () => Promise<void>): Promise<void> {
  const { rows: triggers } = await client.query(
    `select c.relname, t.tgname, t.tgenabled from pg_trigger as t
    join pg_class as c on c.oid = t.tgrelid
    where c.relnamespace = 'saldo'::regnamespace and c.relname = any ($1) and not t.tgisinternal`,
    [tables],
  );
  for (const name of tables) await client.query(`alter table saldo.${name} disable trigger user`);
  await work();
  for (const { relname, tgname, tgenabled } of triggers) {
    const state = tgenabled === "A" ? "enable always" : "enable";
    await client.query(`alter table saldo.${relname} ${state} trigger ${tgname}`);
  }
}

/**
 * Adds the months between two lengths: lines, totals and months as they would have been posted, day
 * after day, a transaction for each hundred thousand entries. To post them would take hours.
 */
export async function growLines(
  connectionString: string,
  first: number,
  from: number,
  to: Length,
): Promise<void> {
  const clients = [1, 2].map(() => new Client({ connectionString }));
  await Promise.all(clients.map((client) => client.connect()));
  const [client] = clients;
  if (client === undefined) throw new Error("There is no connection.");
  for (const each of clients) await each.query("set synchronous_commit = off");
  const entries = Math.round(to.lines / 2) - Math.round(from / 2);
  const start = from < accounts * linesPerPage ? Number(from > 0) : lengthOf(from).months;
  const parts = Math.ceil(entries / entriesPerPart);
  await pastTriggers(client, async () => {
    await Promise.all(
      clients.map(async (each, index) => {
        for (let part = index; part < parts; part += clients.length) {
          const done = part * entriesPerPart;
          const here = Math.min(entriesPerPart, entries - done);
          await each.query(insertPart(start, to.months), [here, done, entries, to.accounts, first]);
        }
      }),
    );
    await client.query(insertMonths(start, to.months));
    await client.query(updateTotals(start, to.months));
  });
  await Promise.all(clients.map((each) => each.end()));
}

const insertPart = (start: number, end: number) => `
  with entry as (
    insert into saldo.journal_entry (id, occurred_at, posting_date, description, line_count,
      recorded_at, posted_at, posted_by, posted_in)
    select saldo_private.uuid_v7(), t.at, (t.at at time zone 'Asia/Jakarta')::date, 'Grown', 2,
      t.at, t.at, 'bench', pg_current_xact_id()
    from generate_series(0, $1::bigint - 1) as g
    cross join lateral (
      select s.first_at + (s.last_at - s.first_at) * (($2 + g) / $3::float8) as at
      from (
        select ${monthAt(start)}::timestamp at time zone 'Asia/Jakarta' as first_at,
          ${monthAt(end)}::timestamp at time zone 'Asia/Jakarta' as last_at
      ) as s
    ) as t
    returning id, posting_date
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select $5::bigint + case side.no when 1 then e.place else (e.place + e.distance) % $4::int end,
    e.posting_date, e.id, side.no, case side.no when 1 then 5 else 0 end,
    case side.no when 2 then 5 else 0 end
  from (
    select id, posting_date, floor(random() * $4::int)::int as place,
      1 + floor(random() * ($4::int - 1))::int as distance
    from entry
  ) as e
  cross join (values (1), (2)) as side (no)`;

const insertMonths = (start: number, end: number) => `
  insert into saldo.month_movement (account_id, month, debit, credit, line_count)
  select l.account_id, date_trunc('month', l.posting_date::timestamp)::date, sum(l.debit),
    sum(l.credit), count(*)
  from saldo.journal_line as l
  where l.posting_date >= ${monthAt(start)} and l.posting_date < ${monthAt(end)}
  group by 1, 2
  order by 2, 1`;

const updateTotals = (start: number, end: number) => `
  update saldo.account as a
  set debit_total = a.debit_total + m.debit,
    credit_total = a.credit_total + m.credit
  from (
    select account_id, sum(debit) as debit, sum(credit) as credit
    from saldo.month_movement
    where month >= ${monthAt(start)} and month < ${monthAt(end)}
    group by account_id
  ) as m
  where m.account_id = a.id`;

/** The key of the n-th submitted row, as an SQL expression: like those of clients, in no order. */
export const keyOf = (place: string) => `md5('grown-' || ${place})`;

/** Submits rows under keys of their own, through the public function, and settles them. */
export async function growRows(
  client: Client,
  { hot }: HotAccounts,
  from: number,
  to: number,
): Promise<void> {
  for (let done = from; done < to; done += rowsPerCall) {
    await client.query(
      `select count(*) from saldo.submit_transactions((
        select array_agg((${hot}, 1, 'debit', null, ${keyOf("g")}, null)::saldo.submit_request)
        from generate_series($1::bigint + 1, $2::bigint) as g))`,
      [done, Math.min(done + rowsPerCall, to)],
    );
    if ((done / rowsPerCall) % 100 === 99) await drain(client);
  }
  await drain(client);
}

/**
 * The sealer takes the grown months for sealed, as it would have sealed them while they came: to
 * hash all of them would take longer than the rest of the run.
 */
export async function passSealer(client: Client): Promise<void> {
  await client.query("select count(*) from saldo.seal_journal(1)");
  await client.query(`update saldo_private.seal_progress
    set sealed_until = pg_snapshot_xmin(pg_current_snapshot()), catch_up_from = null`);
}
