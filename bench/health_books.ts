import type { Client } from "pg";

/** Accounts of the grown ledger. */
export const accounts = 20_000;
const entriesPerPart = 100_000;
const transfersPerCall = 1000;

/**
 * Writes lines, totals and months past the triggers, as they would have been posted: ten million
 * postings would take hours.
 */
export async function growLedger(client: Client, lines: number): Promise<void> {
  await client.query(
    `select count(saldo.open_account('check-' || g, 'Check', 'liability'))
    from generate_series(1, $1) as g`,
    [accounts],
  );
  const tables = ["journal_entry", "journal_line", "account", "month_movement"];
  await client.query("begin");
  const { rows: triggers } = await client.query(
    `select c.relname, t.tgname, t.tgenabled from pg_trigger as t
    join pg_class as c on c.oid = t.tgrelid
    where c.relnamespace = 'saldo'::regnamespace and c.relname = any ($1) and not t.tgisinternal`,
    [tables],
  );
  for (const name of tables) await client.query(`alter table saldo.${name} disable trigger user`);
  for (let part = 0; part < lines / 2 / entriesPerPart; part += 1) {
    await client.query(insertPart, [part, entriesPerPart, lines / 2, accounts]);
  }
  await client.query(`insert into saldo.month_movement
    select l.account_id, date_trunc('month', l.posting_date::timestamp)::date, sum(l.debit),
      sum(l.credit), count(*)
    from saldo.journal_line as l join saldo.account as a on a.id = l.account_id
    where a.code like 'check-%' group by 1, 2 order by 2, 1`);
  await client.query(`update saldo.account as a set debit_total = m.debit, credit_total = m.credit
    from (select account_id, sum(debit) as debit, sum(credit) as credit
      from saldo.month_movement group by account_id) as m
    where m.account_id = a.id and a.code like 'check-%'`);
  for (const { relname, tgname, tgenabled } of triggers) {
    const state = tgenabled === "A" ? "enable always" : "enable";
    await client.query(`alter table saldo.${relname} ${state} trigger ${tgname}`);
  }
  await client.query("commit");
  await client.query("vacuum analyze");
}

const insertPart = `
  with entry as (
    insert into saldo.journal_entry (id, occurred_at, posting_date, description, line_count,
      recorded_at, posted_at, posted_by, posted_in)
    select saldo_private.uuid_v7(), t.at, (t.at at time zone 'Asia/Jakarta')::date, 'Bench', 2,
      t.at, t.at, 'bench', pg_current_xact_id()
    from generate_series($1::bigint * $2 + 1, $1::bigint * $2 + $2) as g
    cross join lateral (
      select timestamptz '2020-01-01 00:00+07' + interval '1826 days' * (g / $3::numeric)::float8
        as at
    ) as t
    returning id, posting_date
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select first.id + case side.no when 1 then e.at else (e.at + 7) % $4::int end, e.posting_date,
    e.id, side.no, case side.no when 1 then 5 else 0 end, case side.no when 2 then 5 else 0 end
  from (select id, posting_date, (random() * ($4::int - 1))::int as at from entry) as e
  cross join (select min(id) as id from saldo.account where code like 'check-%') as first
  cross join (values (1), (2)) as side (no)`;

/** Transfers that touch so many of the accounts, all of them alike. */
export async function transferAmong(client: Client, transfers: number, touched: number) {
  for (let first = 0; first < transfers; first += transfersPerCall) {
    await client.query(
      `select count(*) from saldo.transfer_many((
        select array_agg((first.id + g * 37 % $3::bigint, first.id + (g * 37 + 11) % $3::bigint,
          1, null, null, null)::saldo.transfer_request)
        from generate_series($1::bigint, $1 + $2::bigint - 1) as g
        cross join (select min(id) as id from saldo.account where code like 'check-%') as first
      ))`,
      [first, transfersPerCall, touched],
    );
  }
}

/** Totals of so many accounts are off by 1, and nobody has seen who wrote that. */
export async function driftTotals(client: Client, count: number): Promise<void> {
  await client.query("begin");
  await client.query("alter table saldo.account disable trigger user");
  await client.query(
    `update saldo.account set debit_total = debit_total + 1
    where code in (select 'check-' || g from generate_series(1, $1) as g)`,
    [count],
  );
  await client.query("alter table saldo.account enable trigger user");
  await client.query("alter table saldo.account enable always trigger guard_cached_balance");
  await client.query("alter table saldo.account enable always trigger guard_truncate");
  await client.query("commit");
}
