-- The sieve: one cheap pass over the journal that says where something may be wrong. The rules give
-- exact proof, but are expensive, and nearly everything is all right: they run only on suspects.
--
-- Private: journal_slices, sieve_months, sieve_totals, suspect_accounts, suspect_entries.
-- Fingerprints (fingerprint.sql) are compared instead of each account and each entry. What is right
-- adds up to nothing, month by month:
--   debits  x (debit weight of the account  + weight of the entry)
-- + credits x (credit weight of the account - weight of the entry)
-- - what the accounts' months say x the same weights of the accounts.
-- The entry's part is nothing where the entry balances, the rest where the months are the sums of
-- their lines. Whatever is wrong, in however many places, is left over unless its weights happen to
-- cancel it, once in 2^31. The numbers of lines are compared in the same way: those of months by
-- month, those of entries by day.
-- A pass is one statement and so sees one snapshot: writers beside it make no suspect. Nothing is
-- locked. RETURN QUERY, since what gives a single row in any other way uses no parallel workers.

create or replace function saldo_private.journal_slices(slice_lines bigint)
returns table (ends date[], line_count bigint)
language plpgsql
stable
as $$
begin
  return query
  select coalesce(array_agg(m.month - 1 order by m.month) filter (where m.is_first), '{}')
      || 'infinity'::date,
    coalesce(sum(m.line_count), 0)::bigint
  from (
    select s.month, s.line_count, s.number > lag(s.number) over (order by s.month) as is_first
    from (
      select n.month, n.line_count,
        div(sum(n.line_count) over (order by n.month) - n.line_count, slice_lines) as number
      from (
        select p.month, sum(p.line_count) as line_count
        from saldo_private.posted_movement as p
        group by p.month
      ) as n
    ) as s
  ) as m;
end
$$;
comment on function saldo_private.journal_slices is
  'The last days of slices of the journal of about so many lines, and the lines of all: whole '
  'months, at least one. The last slice ends with time itself, as the first one begins with it: a '
  'line may stand on any date.';

create or replace function saldo_private.sieve_months(starts_on date, ends_on date, seed bigint)
returns table (line_count bigint, months date[])
language plpgsql
stable
set work_mem = '64MB'
as $$
begin
  return query
  with line as materialized (
    select l.posting_date, count(*) as line_count,
      -- Half of all amounts are 0, and to multiply these takes as long.
      sum(l.debit * (w.debit + w.entry)) filter (where l.debit <> 0) as debit,
      sum(l.credit * (w.credit - w.entry)) filter (where l.credit <> 0) as credit,
      sum(w.debit) as account_lines, sum(w.entry) as entry_lines,
      bool_and(l.line_no > 0 and (l.debit > 0) <> (l.credit > 0)) as is_sane
    from saldo.journal_line as l
    cross join lateral (
      select saldo_private.debit_weight(l.account_id, seed) as debit,
        saldo_private.credit_weight(l.account_id, seed) as credit,
        saldo_private.entry_weight(l.entry_id, seed) as entry
    ) as w
    where l.posting_date between starts_on and ends_on
    group by l.posting_date
  ),
  entry as materialized (
    select e.posting_date,
      sum(saldo_private.entry_weight(e.id, seed) * e.line_count) as entry_lines,
      bool_and(e.line_count > 1) as is_sane
    from saldo.journal_entry as e
    where e.posting_date between starts_on and ends_on
    and e.status <> 'draft'
    group by e.posting_date
  ),
  movement as materialized (
    select p.month, sum(p.debit * w.debit + p.credit * w.credit) as amount,
      sum(w.debit * p.line_count::numeric) as account_lines,
      bool_and(p.line_count > 0) as is_sane
    from saldo_private.posted_movement as p
    cross join lateral (
      select saldo_private.debit_weight(p.account_id, seed) as debit,
        saldo_private.credit_weight(p.account_id, seed) as credit
    ) as w
    where p.month between starts_on and ends_on
    group by p.month
  ),
  journal as (
    select saldo_private.month_or_beyond(coalesce(l.posting_date, e.posting_date)) as month,
      sum(l.line_count) as line_count,
      coalesce(sum(l.debit), 0) + coalesce(sum(l.credit), 0) as amount,
      coalesce(sum(l.account_lines), 0) as account_lines,
      bool_and((l.is_sane and e.is_sane and l.entry_lines = e.entry_lines) is true) as is_right
    from line as l
    full join entry as e on e.posting_date = l.posting_date
    group by 1
  )
  select coalesce(sum(j.line_count), 0)::bigint,
    coalesce(array_agg(coalesce(j.month, m.month)) filter (
      where (
        j.is_right and m.is_sane and j.account_lines = m.account_lines
        and j.amount - m.amount = 0 -- what is the same, and a number
      ) is not true
    ), '{}')
  from journal as j
  full join movement as m on m.month = j.month;
end
$$;
comment on function saldo_private.sieve_months is
  'Lines on these dates, and the months in which anything may be wrong: an entry that does not '
  'balance, lines without their entry or entries without their lines, an account''s month that is '
  'not the sum of its lines. The dates are those of whole months.';

create or replace function saldo_private.sieve_totals(account_ids bigint[] default null)
returns setof bigint[]
language plpgsql
stable
set work_mem = '64MB'
set plan_cache_mode = force_custom_plan -- how many they are decides
as $$
begin
  return query
  select coalesce(array_agg(coalesce(t.account_id, m.account_id)), '{}')
  from (
    select a.account_id, a.debit_total, a.credit_total
    from saldo_private.account_total as a
    where sieve_totals.account_ids is null
    or a.account_id = any (sieve_totals.account_ids)
  ) as t
  full join (
    select p.account_id, sum(p.debit) as debit, sum(p.credit) as credit
    from saldo_private.posted_movement as p
    where sieve_totals.account_ids is null
    or p.account_id = any (sieve_totals.account_ids)
    group by p.account_id
  ) as m on m.account_id = t.account_id
  where (t.debit_total, t.credit_total)
    is distinct from (coalesce(m.debit, 0), coalesce(m.credit, 0));
end
$$;
comment on function saldo_private.sieve_totals is
  'Accounts, of these or (null) of all, whose totals are not those of their months.';

create or replace function saldo_private.suspect_accounts(starts_on date, ends_on date)
returns bigint[]
language sql
stable
as $$
  select coalesce(array_agg(coalesce(l.account_id, m.account_id)), '{}')
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
  ) as m on m.account_id = l.account_id
  where (l.debit, l.credit, l.line_count) is distinct from (m.debit, m.credit, m.line_count)
$$;
comment on function saldo_private.suspect_accounts is
  'Accounts whose lines on these dates are not what their months say, one by one.';

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
