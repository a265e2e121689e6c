-- The posting day: on which date an entry is posted, and what closing has to do with it.
--
-- Private: posting_day_of, posting_days_of, hold_months_of, open_day, origin_month; table
-- book_state.
-- A fact about a closed month is posted on the first open day, with the month that it is about as
-- its origin_month.
-- Locks: a posting holds the month shared (an advisory lock, to the end of the transaction) and
-- reads only then what is closed. A closing takes it exclusively, so that nothing is under way any
-- more when the figures are sealed. A trigger that only read the date would lose a race.
-- Under repeatable read a snapshot may be older than the lock: there the row is locked too, which
-- fails when it has changed (40001).

create or replace function saldo_private.closed_through(is_locked boolean default false)
returns date
language plpgsql
as $$
begin
  -- Volatile: it must see what was committed while the month's lock was waited for.
  if current_setting('transaction_isolation') <> 'read committed' then
    perform
    from saldo_private.book_state as b
    where b.id = 1
    for share;
  end if;
  return (
    select case when is_locked then b.locked_through else b.closed_through end
    from saldo_private.book_state as b
    where b.id = 1
  );
end
$$;
comment on function saldo_private.closed_through is
  'Last day that is closed, or being closed; with is_locked the last one that is locked. Null = '
  'none.';

create or replace function saldo_private.open_day(
  on_date date,
  is_settlement boolean default false
)
returns saldo_private.posting_day
language plpgsql
as $$
declare
  v_lock text := pg_advisory_xact_lock_shared(
    saldo_private.posting_month_lock(), saldo_private.month_number(on_date)
  );
  v_closed_through date := saldo_private.closed_through();
  v_first_open date;
begin
  if v_closed_through is null or on_date > v_closed_through then
    return (on_date, null)::saldo_private.posting_day;
  end if;
  if not is_settlement and on_date <= saldo_private.closed_through(is_locked => true) then
    perform saldo_private.fail('period_locked', format('date %s', on_date));
  end if;
  -- The month that it goes to may be closed next: until that is locked as well.
  loop
    v_first_open := v_closed_through + 1;
    perform pg_advisory_xact_lock_shared(
      saldo_private.posting_month_lock(), saldo_private.month_number(v_first_open)
    );
    v_closed_through := saldo_private.closed_through();
    exit when (v_first_open <= v_closed_through) is not true;
  end loop;
  if (on_date <= v_closed_through) is not true then -- reopened meanwhile
    return (on_date, null)::saldo_private.posting_day;
  end if;
  return (v_first_open, saldo_private.month_of(on_date))::saldo_private.posting_day;
end
$$;
comment on function saldo_private.open_day is
  'Posting date of a fact of this date, under the shared lock of its month: the date, or where it '
  'is closed the first open day and the month that it is about. Error: SB108 period_locked in a '
  'locked month, except a settlement, whose funds were taken long before.';

create or replace function saldo_private.posting_day_of(at timestamptz)
returns saldo_private.posting_day
language plpgsql
as $$
declare
  -- The months that it can be in, whatever the time zone: their locks come before anything is read.
  v_first integer :=
    saldo_private.month_number(((at - interval '14 hours') at time zone 'UTC')::date);
  v_last integer :=
    saldo_private.month_number(((at + interval '14 hours') at time zone 'UTC')::date);
  v_lock text := pg_advisory_xact_lock_shared(saldo_private.posting_month_lock(), v_first);
  v_date date;
  v_closed_through date;
begin
  if v_last <> v_first then
    v_lock := pg_advisory_xact_lock_shared(saldo_private.posting_month_lock(), v_last);
  end if;
  -- One statement, as every posting pays for it.
  select (at at time zone zone.value)::date, b.closed_through
  into v_date, v_closed_through
  from saldo.setting as zone
  cross join saldo_private.book_state as b
  where zone.name = 'business_time_zone'
  and b.id = 1;
  if (v_closed_through is null or v_date > v_closed_through)
    and current_setting('transaction_isolation') = 'read committed'
  then
    return (v_date, null)::saldo_private.posting_day;
  end if;
  return saldo_private.open_day(v_date);
end
$$;
comment on function saldo_private.posting_day_of is
  'On which day what happened at this moment is posted, under the shared lock of its month: '
  'SB108 period_locked.';

create or replace function saldo_private.origin_month(
  day saldo_private.posting_day,
  about date
)
returns date
language sql
immutable
as $$
  select nullif(
    saldo_private.month_of(coalesce(about, day.origin_month)),
    saldo_private.month_of(day.posting_date)
  )
$$;
comment on function saldo_private.origin_month is
  'The origin month of an entry: the month that is named, or that of a late fact where none is. '
  'Null where it is the month of the posting date.';

create or replace function saldo_private.require_origin_month(about date)
returns date
language plpgsql
as $$
declare
  v_lock text;
begin
  if about not between '1900-01-01' and '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'origin_month: from 1900 to 9999');
  end if;
  v_lock := pg_advisory_xact_lock_shared(
    saldo_private.posting_month_lock(), saldo_private.month_number(about)
  );
  if about <= saldo_private.closed_through(is_locked => true) then
    perform saldo_private.fail('period_locked', format('origin_month %s', about));
  end if;
  return saldo_private.month_of(about);
end
$$;
comment on function saldo_private.require_origin_month is
  'The month that an entry is said to be about, under its shared lock: SB010 input_invalid, '
  'SB108 period_locked when it is locked.';

create or replace function saldo_private.hold_months_of(instants timestamptz[])
returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock_shared(saldo_private.posting_month_lock(), m.number)
  from (
    select distinct saldo_private.month_number(
      ((i.at + shift.hours) at time zone 'UTC')::date
    ) as number
    from unnest(instants) as i (at)
    cross join (values (interval '-14 hours'), (interval '14 hours')) as shift (hours)
    order by 1
  ) as m;
end
$$;
comment on function saldo_private.hold_months_of is
  'Takes the shared locks of the months of these moments, in order, whatever the time zone.';

create or replace function saldo_private.posting_days_of(instants timestamptz[])
returns saldo_private.dated_day[]
language plpgsql
as $$
declare
  v_zone text;
  v_day saldo_private.posting_day;
  v_closed_through date;
begin
  if cardinality(instants) = 1 then
    v_day := saldo_private.posting_day_of(instants[1]);
    return array[
      (instants[1], v_day.posting_date, v_day.origin_month)::saldo_private.dated_day
    ];
  end if;
  v_zone := saldo_private.setting_value('business_time_zone');
  perform saldo_private.hold_months_of(instants);
  v_closed_through := saldo_private.closed_through();
  return array(
    select (d.at, day.posting_date, day.origin_month)::saldo_private.dated_day
    from (
      select distinct i.at, (i.at at time zone v_zone)::date as on_date
      from unnest(instants) as i (at)
    ) as d
    -- Late facts, few as a rule, one by one.
    cross join lateral (
      select late.posting_date, late.origin_month
      from saldo_private.open_day(d.on_date) as late
      where d.on_date <= v_closed_through
      union all
      select d.on_date, null
      where (d.on_date <= v_closed_through) is not true
    ) as day
  );
end
$$;
comment on function saldo_private.posting_days_of is
  'As posting_day_of, for many moments: each different one once. Error: SB108 period_locked.';

select saldo_private.secure_table('saldo_private.book_state');

comment on table saldo_private.book_state is
  'How far the books are closed, and years are kept; one row.';
comment on column saldo_private.book_state.id is 'Always 1.';
comment on column saldo_private.book_state.closed_through is
  'Last day of the last period that is closed or being closed; null = nothing is.';
comment on column saldo_private.book_state.locked_through is
  'Last day of the last period that is locked; null = none.';
comment on column saldo_private.book_state.years_through is
  'Last day of the last year whose totals are kept in year_movement; null = none.';
comment on column saldo_private.book_state.usual_from is
  'From when on a moment is in no closed period and no kept year, whatever the time zone: what the '
  'usual postings go by. Null = always.';

comment on type saldo_private.posting_day is
  'Day that a fact is posted on, and the month that it is about where that is another one.';
comment on type saldo_private.dated_day is 'The same, with the moment of the fact.';
