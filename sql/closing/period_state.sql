-- The states of a period: who moves them, and under which locks.
--
-- Public: begin_closing, cancel_closing, lock_period.
-- Private: lock_books, next_period, set_period, record_period_event, period_name.
-- Locks: one for all closers, so that they are one after the other; then the month's posting lock
-- exclusively (posting_day.sql), which waits for the postings under way in it; then book_state.
-- Everything before the first period that is closed is closed with it.

create or replace function saldo_private.period_name(fiscal_year integer, number integer)
returns text
language sql
stable
as $$
  select format('period %s/%s', fiscal_year, lpad(number::text, 2, '0'))
$$;
comment on function saldo_private.period_name is 'As people write it: period 2026/06.';

create or replace function saldo_private.lock_books()
returns saldo_private.book_state
language plpgsql
as $$
declare
  v_state saldo_private.book_state;
begin
  perform saldo_private.require_read_committed();
  perform pg_advisory_xact_lock(saldo_private.closing_lock(), 0);
  select *
  into strict v_state
  from saldo_private.book_state
  where id = 1;
  return v_state;
end
$$;
comment on function saldo_private.lock_books is
  'How far the books are closed, and nobody else closes meanwhile: SB020 isolation_unsupported.';

create or replace function saldo_private.require_period(fiscal_year integer, number integer)
returns saldo.period
language plpgsql
stable
as $$
declare
  v_period saldo.period;
begin
  if (fiscal_year between 1900 and 9999 and number between 1 and 13) is not true then
    perform saldo_private.fail('input_invalid', 'fiscal_year: 1900 to 9999, number: 1 to 13');
  end if;
  select *
  into v_period
  from saldo.fiscal_periods(require_period.fiscal_year) as p
  where p.number = require_period.number;
  return v_period;
end
$$;
comment on function saldo_private.require_period is
  'The period, with its status: SB010 input_invalid.';

create or replace function saldo_private.require_month_period(month date)
returns saldo.period
language plpgsql
stable
as $$
begin
  if (month between '1900-01-01' and '9999-12-31') is not true then
    perform saldo_private.fail('input_invalid', 'month: a day from 1900 to 9999');
  end if;
  return saldo_private.require_period(
    extract(year from month)::integer, extract(month from month)::integer
  );
end
$$;
comment on function saldo_private.require_month_period is
  'The period of a day: SB010 input_invalid.';

create or replace function saldo_private.refuse_period(period saldo.period, wanted text)
returns void
language plpgsql
stable
as $$
begin
  perform saldo_private.fail('period_state', format('%s is %s; %s',
    saldo_private.period_name(period.fiscal_year, period.number), period.status, wanted));
end
$$;
comment on function saldo_private.refuse_period is
  'SB109 period_state, with what it is and what was wanted.';

create or replace function saldo_private.record_period_event(
  period saldo.period,
  action saldo.period_action,
  reason text
)
returns uuid
language sql
as $$
  insert into saldo.period_event (id, fiscal_year, number, action, reason, actor)
  values (
    saldo_private.uuid_v7(), period.fiscal_year, period.number, record_period_event.action,
    record_period_event.reason, saldo_private.actor()
  )
  returning id
$$;
comment on function saldo_private.record_period_event is 'Keeps what was done to a period.';

create or replace function saldo_private.set_period(
  period saldo.period,
  status saldo.period_status
)
returns saldo.period
language sql
as $$
  insert into saldo.period as p (fiscal_year, number, starts_on, ends_on, status)
  values (period.fiscal_year, period.number, period.starts_on, period.ends_on, set_period.status)
  on conflict on constraint period_pkey do update
  set status = excluded.status,
    closed_at = case when excluded.status in ('closed', 'locked') then p.closed_at end,
    closed_by = case when excluded.status in ('closed', 'locked') then p.closed_by end,
    account_count = case when excluded.status in ('closed', 'locked') then p.account_count end,
    line_count = case when excluded.status in ('closed', 'locked') then p.line_count end,
    snapshot_hash = case when excluded.status in ('closed', 'locked') then p.snapshot_hash end
  returning *
$$;
comment on function saldo_private.set_period is
  'Moves a period to a status; one that is not closed has no seal.';

create or replace function saldo_private.last_closed_period()
returns saldo.period
language sql
stable
as $$
  select p
  from saldo.period as p
  where p.status <> 'open'
  order by p.fiscal_year desc, p.number desc
  limit 1
$$;
comment on function saldo_private.last_closed_period is
  'The last period that is not open; null when none was closed.';

create or replace function saldo_private.begin_closing__run(
  period saldo.period,
  reason text
)
returns saldo.period
language plpgsql
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_last saldo.period := saldo_private.last_closed_period();
  v_month integer := saldo_private.month_number(period.starts_on);
begin
  if period.status <> 'open' then
    perform saldo_private.refuse_period(period, 'only an open one is closed');
  elsif period.ends_on >= saldo_private.business_date(now()) then
    perform saldo_private.refuse_period(period, 'it is not over yet');
  elsif v_last.status = 'closing' then
    perform saldo_private.refuse_period(v_last, 'one is closed after the other');
  elsif v_last.number = 12 then
    perform saldo_private.refuse_period(v_last, 'close_year comes next');
  elsif v_state.closed_through + 1 <> period.starts_on then
    perform saldo_private.refuse_period(
      period, format('the next one to close begins on %s', v_state.closed_through + 1)
    );
  end if;

  -- Waits for the postings under way in it; at the first closing, in all months before it as well.
  perform pg_advisory_xact_lock(saldo_private.posting_month_lock(), m.number)
  from (
    select g.number
    from generate_series(
      case when v_state.closed_through is null then saldo_private.month_number('1900-01-01')
      else v_month end, v_month
    ) as g (number)
    order by g.number
  ) as m;
  update saldo_private.book_state
  set closed_through = period.ends_on
  where id = 1;
  perform saldo_private.set_period(period, 'closing');
  perform saldo_private.record_period_event(period, 'begin_closing', reason);
  return saldo_private.require_period(period.fiscal_year, period.number);
end
$$;
comment on function saldo_private.begin_closing__run is
  'Takes no more entries: SB020 isolation_unsupported, SB109 period_state.';

create or replace function saldo.begin_closing(month date, reason text default null)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.begin_closing__run(
    saldo_private.require_month_period(month),
    saldo_private.require_text(coalesce(reason, 'Closing'), 'reason')
  );
end
$$;
comment on function saldo.begin_closing is
  'Begins to close the month of this day: from now on it takes no entries, what is about it is '
  'posted on the first open day. Waits for the postings under way in it. Then settle what '
  'period_checklist shows, and call close_period, or cancel_closing. Months are closed in order; '
  'the first closing takes along all that came before. Errors: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB020 isolation_unsupported, SB109 period_state for a '
  'month that is not open, not over or not the next one.';
revoke execute on function saldo.begin_closing from public;
grant execute on function saldo.begin_closing to saldo_admin, saldo_accountant;

create or replace function saldo_private.reopen__run(
  period saldo.period,
  action saldo.period_action,
  reason text
)
returns saldo.period
language plpgsql
as $$
declare
  v_reason text := saldo_private.require_text(reason, 'reason');
  v_before saldo.period;
begin
  perform saldo_private.record_period_event(period, action, v_reason);
  delete from saldo.closing_snapshot as s
  where s.fiscal_year = period.fiscal_year
  and s.number = period.number;
  perform saldo_private.set_period(period, 'open');
  v_before := saldo_private.last_closed_period();
  update saldo_private.book_state
  set closed_through = v_before.ends_on
  where id = 1;
  return saldo_private.require_period(period.fiscal_year, period.number);
end
$$;
comment on function saldo_private.reopen__run is
  'Opens a period again and drops its snapshot: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long.';

create or replace function saldo.cancel_closing(month date, reason text)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period := saldo_private.require_month_period(month);
begin
  if v_period.status <> 'closing' then
    perform saldo_private.refuse_period(v_period, 'only one that is being closed is cancelled');
  end if;
  return saldo_private.reopen__run(v_period, 'cancel_closing', cancel_closing.reason);
end
$$;
comment on function saldo.cancel_closing is
  'Gives up closing a month: it takes entries again. Errors: SB020 isolation_unsupported, '
  'SB010 input_invalid, SB109 period_state unless it is being closed, SB008 text_invalid, '
  'SB009 text_too_long.';
revoke execute on function saldo.cancel_closing from public;
grant execute on function saldo.cancel_closing to saldo_admin, saldo_accountant;

create or replace function saldo.lock_period(fiscal_year integer, number integer, reason text)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period :=
    saldo_private.require_period(lock_period.fiscal_year, lock_period.number);
begin
  if v_period.status <> 'closed' or v_period.snapshot_hash is null then
    perform saldo_private.refuse_period(v_period, 'only a closed one is locked');
  end if;
  -- Waits for the postings that are under way about the period.
  perform pg_advisory_xact_lock(saldo_private.posting_month_lock(), m.number)
  from generate_series(
    saldo_private.month_number(coalesce(v_state.locked_through + 1, '1900-01-01')),
    saldo_private.month_number(v_period.ends_on)
  ) as m (number);
  perform saldo_private.record_period_event(
    v_period, 'lock', saldo_private.require_text(lock_period.reason, 'reason')
  );
  update saldo.period as p
  set status = 'locked'
  where p.status = 'closed'
  and (p.fiscal_year, p.number) <= (v_period.fiscal_year, v_period.number);
  update saldo_private.book_state
  set locked_through = v_period.ends_on
  where id = 1;
  return saldo_private.require_period(v_period.fiscal_year, v_period.number);
end
$$;
comment on function saldo.lock_period is
  'Locks a closed period and all before it: they are never reopened, and nothing about them is '
  'posted any more (SB108 period_locked). number: 1 to 12 a month, 13 the end of the year. '
  'Errors: SB020 isolation_unsupported, SB010 input_invalid, SB109 period_state unless it is '
  'closed, SB008 text_invalid, SB009 text_too_long.';
revoke execute on function saldo.lock_period from public;
grant execute on function saldo.lock_period to saldo_admin, saldo_accountant;
