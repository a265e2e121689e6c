-- The business calendar: one configured time zone decides the date, and so the month.
--
-- Private: business_date, day_begins_at, month_of, month_number, require_occurred_at.
-- What only computes is marked parallel safe: one function that is not keeps a whole statement to
-- one core.

create or replace function saldo_private.business_date(at timestamptz)
returns date
language sql
stable
as $$
  select (at at time zone saldo_private.setting_value('business_time_zone'))::date
$$;
comment on function saldo_private.business_date is
  'Date of an instant in the business time zone (setting business_time_zone).';

create or replace function saldo_private.day_begins_at(on_date date)
returns timestamptz
language sql
stable
as $$
  select on_date::timestamp at time zone saldo_private.setting_value('business_time_zone')
$$;
comment on function saldo_private.day_begins_at is
  'The moment at which a day begins in the business time zone.';

create or replace function saldo_private.month_of(on_date date)
returns date
language sql
immutable
parallel safe
as $$
  select date_trunc('month', on_date::timestamp)::date
$$;
comment on function saldo_private.month_of is 'First day of the date''s month.';

create or replace function saldo_private.month_number(on_date date)
returns integer
language sql
immutable
parallel safe
as $$
  select (extract(year from on_date) * 12 + extract(month from on_date))::integer
$$;
comment on function saldo_private.month_number is 'Months since year 0.';

-- Reports run with the caller's rights and so need the calendar themselves.
grant execute on function saldo_private.business_date, saldo_private.month_of,
  saldo_private.month_number to
  saldo_admin, saldo_operator, saldo_member, saldo_branch;

create or replace function saldo_private.require_instant_text(value text, what text)
returns timestamptz
language plpgsql
stable
as $$
begin
  return value::timestamptz;
exception
  when datetime_field_overflow or invalid_datetime_format or invalid_parameter_value then
    perform saldo_private.fail('input_invalid', format('%s: %L', what, left(value, 40)));
end
$$;
comment on function saldo_private.require_instant_text is
  'A date or moment that comes as text, in JSON say; null stays null. Error: SB010 input_invalid.';

create or replace function saldo_private.require_occurred_at(occurred_at timestamptz)
returns timestamptz
language plpgsql
stable
as $$
begin
  if occurred_at is null then
    return now();
  end if;
  if saldo_private.is_member_session() then
    perform saldo_private.fail('forbidden', 'occurred_at: a member''s time is now');
  end if;
  -- Infinity is a timestamptz too, and has no month; the years are those that a client can read.
  if occurred_at not between '1900-01-01' and '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'occurred_at: from 1900 to 9999');
  end if;
  return occurred_at;
end
$$;
comment on function saldo_private.require_occurred_at is
  'The moment of a business event, now by default. Errors in checking order: SB006 forbidden for '
  'a member who sets it, SB010 input_invalid outside of 1900 to 9999.';

comment on domain saldo.month_start is 'A month, as its first day.';

create or replace function saldo.month(month text)
returns date
language plpgsql
immutable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if month ~ '^[1-9][0-9]{3}-(0[1-9]|1[0-2])$' then
    return (month || '-01')::date;
  end if;
  perform saldo_private.fail('input_invalid', format('month: as 2024-08, not %s',
    coalesce(quote_literal(left(month, 40)), 'null')));
  return null;
end
$$;
comment on function saldo.month is
  'The first day of a month such as 2024-08, for calls that take a day of a month: '
  'period_checklist(month(''2024-08'')). Error: SB010 input_invalid.';
revoke execute on function saldo.month from public;
grant execute on function saldo.month to
  saldo_admin, saldo_operator, saldo_accountant, saldo_biller;
