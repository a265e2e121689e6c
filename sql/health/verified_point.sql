-- The verified point: up to which transaction the journal has been checked, and what the accounts
-- and months came to by then. From there on an incremental check looks at what was posted since.
--
-- Private: known_snapshot, lock_verified_point, verify_news and its steps, set_verified_point;
-- tables verified_point, verified_total, verified_month.
-- The figures follow from the lines that were checked, never from what is stored: a drift that is
-- there stays a suspect. What is unknown (of an account that was suspect, of a month that had no
-- news since the full check) is summed up from the lines once, when it is needed.
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

create or replace function saldo_private.expected_fingerprint(
  month date,
  seed bigint,
  news saldo_private.fingerprint
)
returns saldo_private.fingerprint
language plpgsql
stable
as $$
declare
  v_known saldo_private.verified_month;
begin
  select *
  into v_known
  from saldo_private.verified_month as v
  where v.month = expected_fingerprint.month;
  if v_known.month is null then
    return saldo_private.line_fingerprint(expected_fingerprint.month, seed);
  end if;
  return (v_known.amount + news.amount, v_known.line_count + news.line_count);
end
$$;
comment on function saldo_private.expected_fingerprint is
  'What the accounts'' months should come to, by the lines: those of the verified point and the '
  'news, or where it knows nothing all lines of the month.';

create or replace function saldo_private.verify_news__months(
  account_ids bigint[],
  months date[],
  debits numeric[],
  credits numeric[]
)
returns table (month date, amount numeric, line_count numeric, suspect_ids bigint[])
language sql
stable
as $$
  with news as (
    select t.month, p.seed, (
      sum(t.debit * saldo_private.debit_weight(t.account_id, p.seed)
        + t.credit * saldo_private.credit_weight(t.account_id, p.seed)),
      sum(saldo_private.debit_weight(t.account_id, p.seed))
    )::saldo_private.fingerprint as fingerprint
    from unnest(account_ids, months, debits, credits) as t (account_id, month, debit, credit)
    cross join saldo_private.verified_point as p
    where p.id = 1
    group by t.month, p.seed
  ),
  compared as materialized (
    select n.month, saldo_private.movement_fingerprint(n.month, n.seed) as stored,
      saldo_private.expected_fingerprint(n.month, n.seed, n.fingerprint) as expected
    from news as n
  )
  select c.month, (c.stored).amount, (c.stored).line_count,
    case
      when (c.stored).amount - (c.expected).amount = 0 -- the same, and a number
        and (c.stored).line_count = (c.expected).line_count then '{}'
      else saldo_private.suspect_accounts(c.month, (c.month + interval '1 month - 1 day')::date)
    end
  from compared as c
$$;
comment on function saldo_private.verify_news__months is
  'Months with these new lines: what all accounts'' months come to, and the accounts whose month '
  'is not the sum of its lines.';

create or replace function saldo_private.verify_news__totals(
  account_ids bigint[],
  debits numeric[],
  credits numeric[]
)
returns table (account_id bigint, debit numeric, credit numeric, is_right boolean)
language sql
stable
as $$
  with unknown as materialized (
    select v.account_id, coalesce(sum(l.debit), 0) as debit, coalesce(sum(l.credit), 0) as credit
    from saldo_private.verified_total as v
    left join saldo.journal_line as l on l.account_id = v.account_id
    where v.debit_total is null
    group by v.account_id
  )
  select t.account_id, truth.debit, truth.credit, truth.is_right
  from saldo_private.account_total as t
  left join saldo_private.verified_total as v on v.account_id = t.account_id
  left join unknown as u on u.account_id = t.account_id
  left join unnest(account_ids, debits, credits) as m (account_id, debit, credit)
    on m.account_id = t.account_id
  cross join lateral (
    select d.debit, d.credit, (t.debit_total, t.credit_total) = (d.debit, d.credit) as is_right
    from (
      select coalesce(u.debit, coalesce(v.debit_total, 0) + coalesce(m.debit, 0)) as debit,
        coalesce(u.credit, coalesce(v.credit_total, 0) + coalesce(m.credit, 0)) as credit
    ) as d
  ) as truth
  where u.account_id is not null
  or m.account_id is not null
  or truth.is_right is not true
$$;
comment on function saldo_private.verify_news__totals is
  'Accounts with news, those whose sums were unknown, and any others whose totals are not the '
  'verified ones and what has come since: what their lines sum up to.';

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

create or replace function saldo_private.verify_news__look(
  since pg_snapshot,
  out snapshot pg_snapshot,
  out line_count bigint,
  out suspect_account_ids bigint[],
  out suspect_entry_ids uuid[],
  out account_ids bigint[],
  out totals saldo_private.verified_total[],
  out months saldo_private.verified_month[]
)
language sql
stable
set jit = off -- as for rules
set work_mem = '64MB'
as $$
  with news as materialized (
    select n.*
    from saldo_private.verify_news__news(since) as n
  ),
  moved as materialized (
    select array_agg(m.account_id) as ids, array_agg(m.debit) as debits,
      array_agg(m.credit) as credits
    from (
      select n.account_id, sum(n.debit) as debit, sum(n.credit) as credit
      from news as n
      where n.account_id is not null
      group by n.account_id
    ) as m
  ),
  total as materialized (
    select t.*
    from moved as m
    cross join lateral saldo_private.verify_news__totals(m.ids, m.debits, m.credits) as t
  ),
  month as materialized (
    select t.*
    from (
      select array_agg(n.account_id) as ids, array_agg(n.month) as months,
        array_agg(n.debit) as debits, array_agg(n.credit) as credits
      from news as n
      where n.account_id is not null
    ) as n
    cross join lateral saldo_private.verify_news__months(n.ids, n.months, n.debits, n.credits) as t
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
  )
  select pg_current_snapshot(), (select count(n.account_id) from news as n),
    array(
      select t.account_id from total as t where t.is_right is not true
      union
      select unnest(m.suspect_ids) from month as m
    ),
    array(select s.entry_id from suspect_entry as s),
    coalesce((select m.ids from moved as m), '{}'),
    array(select (t.account_id, t.debit, t.credit)::saldo_private.verified_total from total as t),
    array(
      select (m.month, m.amount, m.line_count)::saldo_private.verified_month
      from month as m
      where m.suspect_ids = '{}'
    )
$$;
comment on function saldo_private.verify_news__look is
  'Sieves what was posted since a snapshot, and says what the point would come to. One statement: '
  'what is news, what is stored, and the point are of one snapshot.';

create or replace function saldo_private.move_verified_point(
  snapshot pg_snapshot,
  line_count bigint,
  totals saldo_private.verified_total[],
  months saldo_private.verified_month[]
)
returns void
language sql
as $$
  with totals_set as (
    insert into saldo_private.verified_total (account_id, debit_total, credit_total)
    select t.account_id, t.debit_total, t.credit_total
    from unnest(totals) as t
    on conflict on constraint verified_total_pkey do update
    set debit_total = excluded.debit_total,
      credit_total = excluded.credit_total
  ),
  months_set as (
    insert into saldo_private.verified_month (month, amount, line_count)
    select m.month, m.amount, m.line_count
    from unnest(months) as m
    on conflict on constraint verified_month_pkey do update
    set amount = excluded.amount,
      line_count = excluded.line_count
  )
  update saldo_private.verified_point as p
  set snapshot = move_verified_point.snapshot,
    verified_at = clock_timestamp(),
    line_count = p.line_count + move_verified_point.line_count
  where p.id = 1
$$;
comment on function saldo_private.move_verified_point is
  'Moves the point to a snapshot, by what was looked at. A month with a suspect is not among '
  'these: what was known of it stays behind, and fits no more.';

create or replace function saldo_private.verify_news(since pg_snapshot, is_moving boolean)
returns saldo_private.suspects
language plpgsql
as $$
declare
  v_look record := saldo_private.verify_news__look(since);
begin
  if is_moving then
    perform saldo_private.move_verified_point(
      v_look.snapshot, v_look.line_count, v_look.totals, v_look.months
    );
  end if;
  return (
    v_look.line_count, v_look.suspect_account_ids, v_look.suspect_entry_ids, since,
    saldo_private.verify_news__accounts(v_look.account_ids)
  );
end
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
  ),
  forgotten as (
    -- Of other weights.
    delete from saldo_private.verified_month
  )
  update saldo_private.verified_point as p
  set seed = hashint8extended((random() * 1e15)::bigint, 0),
    cluster = (select c.system_identifier::text from pg_catalog.pg_control_system() as c),
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
select saldo_private.secure_table('saldo_private.verified_month');

comment on table saldo_private.verified_point is
  'One row: up to where the journal has been checked.';
comment on column saldo_private.verified_point.id is '1.';
comment on column saldo_private.verified_point.seed is
  'Seed of the weights in verified_month; every full check takes another.';
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
comment on table saldo_private.verified_month is
  'Fingerprint of all accounts'' lines of a month at the verified point; none = unknown.';
comment on column saldo_private.verified_month.month is 'First day of the month.';
comment on column saldo_private.verified_month.amount is 'Sum of amounts times weights.';
comment on column saldo_private.verified_month.line_count is 'Sum of the weights of the lines.';
