-- Periods: how far the books are closed, and what was sealed.
--
-- Public: saldo.period, period_event, period_check, closing_snapshot; fiscal_periods.
-- open -> closing -> closed -> locked, in order of time; the room closing moves them. A year has
-- its twelve months and a period 13 for the closing entries, dated its last day.
-- A period without a row is open. What posting goes by is one row, book_state (posting_day.sql).

create or replace function saldo_private.period_ends_on(fiscal_year integer, number integer)
returns date
language sql
immutable
parallel safe
as $$
  select (make_date(fiscal_year, least(number, 12), 1) + interval '1 month - 1 day')::date
$$;
comment on function saldo_private.period_ends_on is
  'Last day of a period; that of period 13 is that of December.';
grant execute on function saldo_private.period_ends_on to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.period_status(month date)
returns saldo.period_status
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select case
    when p.status is not null then p.status
    -- Whatever came before the first period that was closed was closed with it.
    when saldo_private.period_ends_on(
      extract(year from month)::integer, extract(month from month)::integer
    ) <= b.locked_through then 'locked'
    when saldo_private.period_ends_on(
      extract(year from month)::integer, extract(month from month)::integer
    ) <= b.closed_through then 'closed'
    else 'open'
  end
  from saldo_private.book_state as b
  left join saldo.period as p on p.fiscal_year = extract(year from month)
    and p.number = extract(month from month)
  where b.id = 1
$$;
comment on function saldo_private.period_status is 'Status of the month that begins on this day.';
revoke execute on function saldo_private.period_status from public;
grant execute on function saldo_private.period_status to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.fiscal_periods(fiscal_year integer)
returns setof saldo.period
language sql
stable
as $$
  select fiscal_periods.fiscal_year, g.number::smallint,
    -- Nothing here is a constant: it would be computed for a year that there is not as well.
    case g.number when 13 then saldo_private.period_ends_on(fiscal_periods.fiscal_year, g.number)
      else make_date(fiscal_periods.fiscal_year, g.number, 1) end,
    saldo_private.period_ends_on(fiscal_periods.fiscal_year, g.number),
    coalesce(p.status, case g.number when 13 then 'open'
      else saldo_private.period_status(make_date(fiscal_periods.fiscal_year, g.number, 1)) end),
    p.closed_at, p.closed_by, p.account_count, p.line_count, p.snapshot_hash
  from generate_series(1, 13) as g (number)
  left join saldo.period as p on p.fiscal_year = fiscal_periods.fiscal_year and p.number = g.number
  where fiscal_periods.fiscal_year between 1900 and 9999
  order by g.number
$$;
comment on function saldo.fiscal_periods is
  'The thirteen periods of a year with their status, those that were never closed included; none '
  'for a year that is not from 1900 to 9999.';
revoke execute on function saldo.fiscal_periods from public;
grant execute on function saldo.fiscal_periods to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.period');
drop policy if exists select_all on saldo.period;
create policy select_all on saldo.period for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.period to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.period_event');
drop policy if exists select_all on saldo.period_event;
create policy select_all on saldo.period_event for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.period_event to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.period_check');
drop policy if exists select_all on saldo.period_check;
create policy select_all on saldo.period_check for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.period_check to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.closing_snapshot');
drop policy if exists select_all on saldo.closing_snapshot;
create policy select_all on saldo.closing_snapshot for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.closing_snapshot to saldo_admin, saldo_operator;

comment on type saldo.period_status is
  'open: takes entries; closing: takes none any more, and is being checked; closed: sealed, what '
  'is about it is posted later; locked: nothing about it is posted any more, and it stays closed.';
comment on type saldo.period_action is 'What was done to a period.';
comment on type saldo.checklist_outcome is
  'passed: in order; waived: open, and closed anyway; open: has to be settled or waived.';
comment on table saldo.period is 'A month of the books, or the end of a year.';
comment on column saldo.period.fiscal_year is 'Fiscal year, which is the calendar year.';
comment on column saldo.period.number is '1 to 12: month; 13: the closing entries of the year.';
comment on column saldo.period.starts_on is 'First posting date of the period.';
comment on column saldo.period.ends_on is 'Last posting date of the period.';
comment on column saldo.period.status is 'open, closing, closed or locked.';
comment on column saldo.period.closed_at is 'When it was closed; null while it is not.';
comment on column saldo.period.closed_by is 'Who closed it: token subject or login.';
comment on column saldo.period.account_count is
  'Number of accounts in its snapshot; null without one.';
comment on column saldo.period.line_count is
  'Lines that were posted in it, and before it where it was the first to be closed.';
comment on column saldo.period.snapshot_hash is
  'SHA-256 over the hash of the period before and the rows of the snapshot.';

comment on table saldo.period_event is 'What was done to periods, by whom and why.';
comment on column saldo.period_event.id is 'Id, ordered by time.';
comment on column saldo.period_event.fiscal_year is 'Fiscal year of the period.';
comment on column saldo.period_event.number is
  'Number of the period: 1 to 12 a month, 13 the end of the year.';
comment on column saldo.period_event.action is 'What was done to the period.';
comment on column saldo.period_event.reason is 'Why; of a closing, why items were waived.';
comment on column saldo.period_event.actor is 'Who did it: token subject or login.';
comment on column saldo.period_event.occurred_at is 'When it was done.';

comment on table saldo.period_check is 'The checklist as it stood when a period was closed.';
comment on column saldo.period_check.event_id is 'Event by which the period was closed.';
comment on column saldo.period_check.item is 'Name of the item, as in the checklist.';
comment on column saldo.period_check.outcome is
  'passed: in order; waived: open, and closed nevertheless.';
comment on column saldo.period_check.open_count is 'How many open things the item had.';
comment on column saldo.period_check.evidence is 'The first of the open things.';

comment on table saldo.closing_snapshot is
  'Totals of the accounts at the end of a closed period, sealed from the journal. It only makes '
  'statements faster: without it the same figures come from the movements.';
comment on column saldo.closing_snapshot.account_id is 'Account whose totals they are.';
comment on column saldo.closing_snapshot.fiscal_year is 'Fiscal year of the period.';
comment on column saldo.closing_snapshot.number is
  'Number of the period: 1 to 12 a month, 13 the end of the year.';
comment on column saldo.closing_snapshot.debit is 'Sum of the debits posted in the period.';
comment on column saldo.closing_snapshot.credit is 'Sum of the credits posted in the period.';
comment on column saldo.closing_snapshot.debit_total is
  'Sum of all debits up to the end of the period.';
comment on column saldo.closing_snapshot.credit_total is
  'Sum of all credits up to the end of the period.';
