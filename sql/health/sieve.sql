-- The sieve: a few cheap passes over the journal that say where something may be wrong. What the
-- rules prove exactly they prove there only: they are dear, and nearly everything is all right.
--
-- Private: next_slice, sieve_accounts, sieve_entries, sieve_totals, suspect_entries.
-- A pass compares sums. Accounts are compared one by one, so that none can hide another; their
-- months over the slice and, all accounts together, month by month: only two that are wrong the
-- opposite way in the same two months hide each other, until a slice ends between these. Entries of
-- a day are thrown into 64 buckets by a hash with a new seed each time: one that is wrong always
-- shows; two of a day whose errors cancel each other meet in a bucket once in 64 checks.
-- A slice of a single month hides nothing of the former, and slices end elsewhere each time.
-- Each pass is one statement and so sees one snapshot: writers beside it make no suspect. Nothing
-- is locked. RETURN QUERY, since what gives a single row in any other way uses no parallel workers.

create or replace function saldo_private.next_slice(from_date date, line_count bigint)
returns saldo_private.check_slice
language sql
stable
as $$
  -- Whole months, as many as have so many lines, at least one. The first slice begins and the last
  -- one ends with time itself: a line may stand on any date.
  select (
    from_date,
    coalesce(min(m.month) filter (where m.before > 0 and m.so_far > next_slice.line_count) - 1,
      'infinity'),
    coalesce(sum(m.line_count), 0)
  )::saldo_private.check_slice
  from (
    select n.month, n.line_count, sum(n.line_count) over w as so_far,
      sum(n.line_count) over w - n.line_count as before
    from (
      select p.month, sum(p.line_count) as line_count
      from saldo_private.posted_movement as p
      where p.month >= from_date
      group by p.month
    ) as n
    window w as (order by n.month)
  ) as m
$$;
comment on function saldo_private.next_slice is
  'The next slice of the journal by posting date, of about so many lines. line_count: the lines of '
  'it and of all slices after it.';

create or replace function saldo_private.sieve_accounts(starts_on date, ends_on date)
returns setof saldo_private.sieve_result
language plpgsql
stable
set work_mem = '64MB'
as $$
begin
  return query
  select coalesce(sum(l.line_count), 0)::bigint,
    array_agg(coalesce(l.account_id, m.account_id)) filter (
      where (l.debit, l.credit, l.line_count) is distinct from (m.debit, m.credit, m.line_count)
    )
  from (
    select line.account_id, sum(line.debit) as debit, sum(line.credit) as credit,
      count(*)::numeric as line_count
    from saldo.journal_line as line
    where line.posting_date between starts_on and ends_on
    group by line.account_id
  ) as l
  full join (
    select p.account_id, sum(p.debit) as debit, sum(p.credit) as credit,
      sum(p.line_count) as line_count
    from saldo_private.posted_movement as p
    where p.month between starts_on and ends_on
    group by p.account_id
  ) as m on m.account_id = l.account_id;
end
$$;
comment on function saldo_private.sieve_accounts is
  'Lines on these dates, and the accounts whose lines are not what their months say.';

create or replace function saldo_private.sieve_entries(starts_on date, ends_on date, seed bigint)
returns setof saldo_private.entry_sieve_result
language plpgsql
stable
set work_mem = '64MB'
-- The planner takes each hash for a group of its own, and would sort.
set enable_sort = off
as $$
begin
  return query
  with line as materialized (
    select l.posting_date, uuid_hash_extended(l.entry_id, seed) & 63 as bucket,
      sum(l.debit) as debit, sum(l.credit) as credit, count(*) as line_count,
      bool_and(l.line_no > 0 and (l.debit > 0) <> (l.credit > 0)) as is_sane
    from saldo.journal_line as l
    where l.posting_date between starts_on and ends_on
    group by 1, 2
  ),
  entry as (
    select e.posting_date, uuid_hash_extended(e.id, seed) & 63 as bucket,
      sum(e.line_count) as line_count, bool_and(e.line_count > 1) as is_sane
    from saldo.journal_entry as e
    where e.posting_date between starts_on and ends_on
    and e.status <> 'draft'
    group by 1, 2
  ),
  month as (
    select l.month, (l.debit, l.credit, l.line_count)
      is not distinct from (m.debit, m.credit, m.line_count) as is_right
    from (
      select saldo_private.month_of(line.posting_date) as month, sum(line.debit) as debit,
        sum(line.credit) as credit, sum(line.line_count) as line_count
      from line
      group by 1
    ) as l
    left join (
      select p.month, sum(p.debit) as debit, sum(p.credit) as credit,
        sum(p.line_count) as line_count
      from saldo_private.posted_movement as p
      where p.month between starts_on and ends_on
      group by p.month
    ) as m on m.month = l.month
  )
  select coalesce((
      select bool_or((
        line.debit = line.credit and line.is_sane and entry.is_sane
        and line.line_count = entry.line_count
      ) is not true)
      from line
      full join entry on entry.posting_date = line.posting_date and entry.bucket = line.bucket
    ), false),
    coalesce((select array_agg(month.month) from month where not month.is_right), '{}');
end
$$;
comment on function saldo_private.sieve_entries is
  'Whether entries on these dates may not balance, or not have the lines that they were posted '
  'with; and the months whose lines do not sum up to what all accounts'' months say.';

create or replace function saldo_private.sieve_totals()
returns setof bigint[]
language plpgsql
stable
set work_mem = '64MB'
as $$
begin
  return query
  select coalesce(array_agg(coalesce(t.account_id, m.account_id)), '{}')
  from saldo_private.account_total as t
  full join (
    select p.account_id, sum(p.debit) as debit, sum(p.credit) as credit
    from saldo_private.posted_movement as p
    group by p.account_id
  ) as m on m.account_id = t.account_id
  where (t.debit_total, t.credit_total)
    is distinct from (coalesce(m.debit, 0), coalesce(m.credit, 0));
end
$$;
comment on function saldo_private.sieve_totals is
  'Accounts whose totals are not those of their months.';

create or replace function saldo_private.suspect_entries(starts_on date, ends_on date)
returns uuid[]
language sql
stable
as $$
  -- What has a line or its entry on other dates is a suspect too: better one too many.
  select coalesce(array_agg(coalesce(l.entry_id, e.id)), '{}')
  from (
    select line.entry_id, count(*) as line_count, min(line.posting_date) as first_date,
      max(line.posting_date) as last_date, sum(line.debit) = sum(line.credit)
        and count(a.currency) = count(*) and min(a.currency) = max(a.currency)
        and bool_and(line.line_no > 0 and (line.debit > 0) <> (line.credit > 0)) as is_sane
    from saldo.journal_line as line
    left join saldo.account as a on a.id = line.account_id
    where line.posting_date between starts_on and ends_on
    group by line.entry_id
  ) as l
  full join (
    select entry.id, entry.line_count, entry.posting_date, entry.status
    from saldo.journal_entry as entry
    where entry.posting_date between starts_on and ends_on
  ) as e on e.id = l.entry_id
  where case when e.status = 'draft' then l.line_count is not null
    else (l.is_sane and e.line_count > 1 and (l.line_count, l.first_date, l.last_date)
      = (e.line_count, e.posting_date, e.posting_date)) is not true end
$$;
comment on function saldo_private.suspect_entries is
  'Entries with anything on these dates that may be wrong, one by one.';
