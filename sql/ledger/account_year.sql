-- Years of accounts (year_movement): sums of their months, so that a statement reads a row of an
-- account for twelve.
--
-- Private: table year_movement; years_through, kept_through, add_to_years, keep_next_year. The rule
-- and the heal are in account_year_rule.sql; how statements use them, in posted_months.sql.
-- Invariant: for each year up to book_state.years_through a year is the sum of its months, without
-- what is still in stripes, at every commit. Of later years there is none: a posting of today pays
-- nothing. Whoever adds to a month of a kept year adds to the year in the same transaction.
-- Locks: as for a month, that of the account's row. Who keeps one more year holds its posting
-- months alone, so that nothing is under way in them, and years_lock, so that nothing is folded.

create or replace function saldo_private.years_through()
returns date
language plpgsql
as $$
begin
  -- Volatile: it must see what was committed while a lock was waited for.
  if current_setting('transaction_isolation') <> 'read committed' then
    perform
    from saldo_private.book_state as b
    where b.id = 1
    for share;
  end if;
  return (select b.years_through from saldo_private.book_state as b where b.id = 1);
end
$$;
comment on function saldo_private.years_through is
  'Last day of the last year that is kept; null = none. For whoever adds to a year.';

create or replace function saldo_private.kept_through()
returns date
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select b.years_through
  from saldo_private.book_state as b
  where b.id = 1
$$;
comment on function saldo_private.kept_through is
  'The same for whoever reads years: as of the statement that asks.';
revoke execute on function saldo_private.kept_through from public;
grant execute on function saldo_private.kept_through to saldo_admin, saldo_operator;

create or replace function saldo_private.add_to_years(lines saldo_private.line_sum[])
returns void
language plpgsql
as $$
begin
  -- Hot accounts have theirs in stripes until these are folded. Which ones are hot cannot change
  -- any more: the posting holds their rows, or stripes of them.
  insert into saldo_private.year_movement as y (account_id, year, debit, credit, line_count)
  select l.account_id, extract(year from l.month), sum(l.debit), sum(l.credit), sum(l.line_count)
  from unnest(lines) as l
  join saldo.account as a on a.id = l.account_id
  where a.mode = 'immediate'
  and l.month <= (select b.years_through from saldo_private.book_state as b where b.id = 1)
  group by l.account_id, extract(year from l.month)
  on conflict on constraint year_movement_pkey do update
  set debit = y.debit + excluded.debit,
    credit = y.credit + excluded.credit,
    line_count = y.line_count + excluded.line_count;
end
$$;
comment on function saldo_private.add_to_years is
  'Adds lines of a posting, by day or by month, to those years of immediate accounts that are '
  'kept; their months have them, and their rows are locked.';

create or replace function saldo_private.keep_next_year__try_locks(from_month date, ends_on date)
returns boolean
language plpgsql
as $$
begin
  return (
    select bool_and(pg_try_advisory_xact_lock(saldo_private.posting_month_lock(), g.number))
    from generate_series(
      saldo_private.month_number(from_month), saldo_private.month_number(ends_on)
    ) as g (number)
  );
end
$$;
comment on function saldo_private.keep_next_year__try_locks is
  'Tries to hold these months alone; false where a posting in one of them is under way.';

create or replace function saldo_private.keep_next_year()
returns integer
language plpgsql
as $$
declare
  v_kept_through date;
  v_year integer;
  v_ends_on date;
begin
  -- A snapshot that is older than the locks would not do. Closing entries come without the lock of
  -- their month.
  if current_setting('transaction_isolation') <> 'read committed'
    or not pg_try_advisory_xact_lock(saldo_private.closing_lock(), 0)
    or not pg_try_advisory_xact_lock(saldo_private.years_lock(), 0)
  then
    return null;
  end if;
  select b.years_through
  into v_kept_through
  from saldo_private.book_state as b
  where b.id = 1
  for no key update skip locked;
  if not found then
    return null;
  end if;
  select extract(year from min(m.month))
  into v_year
  from saldo.month_movement as m
  where m.month > coalesce(v_kept_through, '-infinity');
  v_ends_on := make_date(v_year, 12, 31);
  -- When its January is over, too: until then much of what comes is about December.
  if v_year is null or saldo_private.business_date(now()) <= v_ends_on + 31
    or not saldo_private.keep_next_year__try_locks(
      coalesce(v_kept_through + 1, '1900-01-01'), v_ends_on
    )
  then
    return null;
  end if;

  insert into saldo_private.year_movement as y (account_id, year, debit, credit, line_count)
  select m.account_id, extract(year from m.month), sum(m.debit), sum(m.credit), sum(m.line_count)
  from saldo.month_movement as m
  where m.month > coalesce(v_kept_through, '-infinity')
  and m.month <= v_ends_on
  group by m.account_id, extract(year from m.month)
  -- A row of a year that is not kept is of nobody's making.
  on conflict on constraint year_movement_pkey do update
  set debit = excluded.debit,
    credit = excluded.credit,
    line_count = excluded.line_count;
  update saldo_private.book_state
  set years_through = v_ends_on
  where id = 1;
  return v_year;
end
$$;
comment on function saldo_private.keep_next_year is
  'Keeps the totals of the next year that has movements and has been over for a month, with those '
  'before it, and returns it. Waits for nobody: null where something in it is under way, as where '
  'there is none to keep, and under another isolation than read committed.';

select saldo_private.secure_table('saldo_private.year_movement');
drop policy if exists select_all on saldo_private.year_movement;
create policy select_all on saldo_private.year_movement for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo_private.year_movement to saldo_admin, saldo_operator;

comment on table saldo_private.year_movement is
  'What was posted to an account in a year, by posting date, for the years that are kept: a cache '
  'of the journal. Without it the same figures come from the months.';
comment on column saldo_private.year_movement.account_id is 'Account whose movement it is.';
comment on column saldo_private.year_movement.year is 'Year of the posting dates.';
comment on column saldo_private.year_movement.debit is 'Sum of the debits posted in the year.';
comment on column saldo_private.year_movement.credit is 'Sum of the credits posted in the year.';
comment on column saldo_private.year_movement.line_count is
  'Number of journal lines posted in the year.';
