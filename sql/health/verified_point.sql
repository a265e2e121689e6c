-- The verified point: up to which transaction the journal has been checked, and what the accounts
-- came to by then. From there on an incremental check looks at what was posted since.
--
-- Private: verified_totals, verify_news, set_verified_point; tables verified_point, verified_total.
-- The totals follow from the lines that were checked, never from what is stored: a drift that is
-- there stays a suspect. An unknown total (null) is one for ever: the next full check settles it.
-- What was changed among lines that were checked before is for full checks and seals to find.
-- Transaction numbers mean nothing in another cluster: there no point is known.

create or replace function saldo_private.known_snapshot()
returns pg_snapshot
language sql
stable
as $$
  select p.snapshot::pg_snapshot
  from saldo_private.verified_point as p
  where p.id = 1
  and p.cluster = (select c.system_identifier::text from pg_catalog.pg_control_system() as c)
$$;
comment on function saldo_private.known_snapshot is
  'Snapshot of the verified point; null when there is none, or it is of another cluster.';

create or replace function saldo_private.lock_verified_point()
returns boolean
language sql
as $$
  select not exists (
    -- What this transaction has posted itself is in no snapshot yet.
    select
    from saldo.journal_entry as e
    where e.posted_in = pg_current_xact_id_if_assigned()
  )
  and current_setting('transaction_isolation') = 'read committed'
  and pg_try_advisory_xact_lock(7246, 2)
$$;
comment on function saldo_private.lock_verified_point is
  'Whether this transaction may move the verified point: nobody else is about to, and it has '
  'posted nothing.';

create or replace function saldo_private.verify_news__news(since pg_snapshot)
returns table (
  account_id bigint,
  month date,
  entry_id uuid,
  debit numeric,
  credit numeric,
  line_count integer,
  is_sane boolean
)
language sql
stable
as $$
  select l.account_id, saldo_private.month_of(e.posting_date), e.id, l.debit, l.credit,
    e.line_count, (l.posting_date = e.posting_date and l.line_no > 0 and e.line_count > 1
      and (l.debit > 0) <> (l.credit > 0)) is true
  from saldo.journal_entry as e
  left join saldo.journal_line as l on l.entry_id = e.id
  where e.posted_in >= pg_snapshot_xmin(since)
  and not pg_visible_in_snapshot(e.posted_in, since)
  and e.posted_in is distinct from pg_current_xact_id_if_assigned()
$$;
comment on function saldo_private.verify_news__news is
  'Lines of the entries that were posted since a snapshot, and entries without any.';

create or replace function saldo_private.verify_news__months(account_ids bigint[], months date[])
returns setof bigint
language sql
stable
as $$
  select t.account_id
  from unnest(account_ids, months) as t (account_id, month)
  cross join lateral (
    select sum(l.debit) as debit, sum(l.credit) as credit, count(*)::numeric as line_count
    from saldo.journal_line as l
    where l.account_id = t.account_id
    and l.posting_date between t.month and (t.month + interval '1 month - 1 day')::date
  ) as l
  cross join lateral (
    select sum(p.debit) as debit, sum(p.credit) as credit, sum(p.line_count) as line_count
    from saldo_private.posted_movement as p
    where p.account_id = t.account_id
    and p.month = t.month
  ) as p
  where (l.debit, l.credit, l.line_count) is distinct from (p.debit, p.credit, p.line_count)
$$;
comment on function saldo_private.verify_news__months is
  'Those of the accounts whose month is not the sum of all its lines.';

create or replace function saldo_private.verify_news__totals(
  account_ids bigint[],
  debits numeric[],
  credits numeric[]
)
returns setof bigint
language sql
stable
as $$
  select t.account_id
  from saldo_private.account_total as t
  left join saldo_private.verified_total as v on v.account_id = t.account_id
  left join unnest(account_ids, debits, credits) as m (account_id, debit, credit)
    on m.account_id = t.account_id
  where (t.debit_total, t.credit_total) is distinct from (
    case when v.account_id is null then 0 else v.debit_total end + coalesce(m.debit, 0),
    case when v.account_id is null then 0 else v.credit_total end + coalesce(m.credit, 0)
  )
$$;
comment on function saldo_private.verify_news__totals is
  'All accounts whose totals are not the verified ones and what has come since.';

create or replace function saldo_private.verify_news__accounts(account_ids bigint[])
returns bigint[]
language sql
stable
as $$
  -- What is held has not been posted, and its stock is taken.
  select array(
    select unnest(account_ids)
    union
    select h.account_id
    from saldo.hold as h
    where h.status = 'HELD'
  )
$$;
comment on function saldo_private.verify_news__accounts is
  'Accounts that rules are asked about: these, which were posted to, and those with open holds.';

create or replace function saldo_private.verify_news(since pg_snapshot, is_moving boolean)
returns saldo_private.suspects
language sql
set jit = off -- as for rules
as $$
  -- One statement: what is news, what is stored, and the point that is set are of one snapshot.
  with news as materialized (
    select n.*
    from saldo_private.verify_news__news(since) as n
  ),
  moved as materialized (
    select n.account_id, sum(n.debit) as debit, sum(n.credit) as credit
    from news as n
    where n.account_id is not null
    group by n.account_id
  ),
  suspect_entry as (
    select n.entry_id
    from news as n
    left join saldo.account as a on a.id = n.account_id
    group by n.entry_id
    having (
      sum(n.debit) = sum(n.credit) and count(*) = min(n.line_count) and bool_and(n.is_sane)
      and count(a.currency) = count(*) and min(a.currency) = max(a.currency)
    ) is not true
  ),
  suspect_account (account_id) as (
    select saldo_private.verify_news__totals(
      array_agg(m.account_id), array_agg(m.debit), array_agg(m.credit)
    )
    from moved as m
    union
    select saldo_private.verify_news__months(
      array_agg(t.account_id order by t.account_id, t.month),
      array_agg(t.month order by t.account_id, t.month)
    )
    from (
      select distinct n.account_id, n.month
      from news as n
      where n.account_id is not null
    ) as t
  ),
  changed as (
    update saldo_private.verified_total as v
    set debit_total = v.debit_total + m.debit,
      credit_total = v.credit_total + m.credit
    from moved as m
    where m.account_id = v.account_id
    and is_moving
  ),
  added as (
    insert into saldo_private.verified_total (account_id, debit_total, credit_total)
    select m.account_id, m.debit, m.credit
    from moved as m
    where is_moving
    and not exists (
      select from saldo_private.verified_total as v where v.account_id = m.account_id
    )
  ),
  pointed as (
    update saldo_private.verified_point as p
    set snapshot = pg_current_snapshot(),
      verified_at = clock_timestamp(),
      line_count = p.line_count + (select count(n.account_id) from news as n)
    where p.id = 1
    and is_moving
  )
  select (
    (select count(n.account_id) from news as n),
    coalesce((select array_agg(s.account_id) from suspect_account as s), '{}'),
    coalesce((select array_agg(s.entry_id) from suspect_entry as s), '{}'),
    verify_news.since,
    saldo_private.verify_news__accounts(array(select m.account_id from moved as m))
  )::saldo_private.suspects
$$;
comment on function saldo_private.verify_news is
  'Sieves what was posted since a snapshot, entries and the months and totals of their accounts, '
  'and the totals of all other accounts, which must not have moved; moves the point when asked to.';

create or replace function saldo_private.set_verified_point(
  full_started_at timestamptz,
  line_count bigint,
  suspect_ids bigint[]
)
returns void
language sql
as $$
  -- One statement, as above. What differs is written, no more.
  with total as materialized (
    select t.account_id,
      case when t.account_id = any (suspect_ids) then null else t.debit_total end as debit_total,
      case when t.account_id = any (suspect_ids) then null else t.credit_total end as credit_total
    from saldo_private.account_total as t
  ),
  changed as (
    update saldo_private.verified_total as v
    set debit_total = t.debit_total,
      credit_total = t.credit_total
    from total as t
    where t.account_id = v.account_id
    and (t.debit_total, t.credit_total) is distinct from (v.debit_total, v.credit_total)
  ),
  added as (
    insert into saldo_private.verified_total (account_id, debit_total, credit_total)
    select t.account_id, t.debit_total, t.credit_total
    from total as t
    where not exists (
      select from saldo_private.verified_total as v where v.account_id = t.account_id
    )
  )
  update saldo_private.verified_point as p
  set cluster = (select c.system_identifier::text from pg_catalog.pg_control_system() as c),
    snapshot = pg_current_snapshot(),
    full_started_at = set_verified_point.full_started_at,
    verified_at = clock_timestamp(),
    line_count = set_verified_point.line_count
  where p.id = 1
$$;
comment on function saldo_private.set_verified_point is
  'What the accounts come to now, at the end of a full check that suspects these accounts.';

select saldo_private.secure_table('saldo_private.verified_point');
select saldo_private.secure_table('saldo_private.verified_total');

comment on table saldo_private.verified_point is
  'One row: up to where the journal has been checked.';
comment on column saldo_private.verified_point.id is '1.';
comment on column saldo_private.verified_point.cluster is
  'System identifier of the cluster whose transaction numbers these are.';
comment on column saldo_private.verified_point.snapshot is
  'Whose postings have been checked (pg_snapshot); null = no full check yet.';
comment on column saldo_private.verified_point.full_started_at is
  'When the full check began that the point goes back to.';
comment on column saldo_private.verified_point.verified_at is 'When the last check set it.';
comment on column saldo_private.verified_point.line_count is 'Lines that were checked.';
comment on table saldo_private.verified_total is
  'What an account''s lines sum up to at the verified point.';
comment on column saldo_private.verified_total.account_id is 'Account.';
comment on column saldo_private.verified_total.debit_total is
  'Sum of its debits; null = unknown, it was suspect.';
comment on column saldo_private.verified_total.credit_total is 'Sum of its credits; null as well.';
