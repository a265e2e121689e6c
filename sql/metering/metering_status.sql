-- Metering status: how much there is, and what waits, in one row.
--
-- Public: metering_status. Counts readings and lines by their indexes; whether stored months agree
-- with their lines is not asked here, that is compare_monthly_balances and the checks.

create or replace function saldo.metering_status()
returns saldo.metering_status
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select (
    (select count(*) from saldo.customer),
    (select count(*) from saldo.meter as m where m.removed_at is null),
    reading.count,
    reading.count - line.rated_count,
    line.provisional_count,
    month.count,
    month.last_calculated_at
  )::saldo.metering_status
  from (
    select count(*) from saldo.reading as r where r.status = 'current'
  ) as reading
  cross join (
    select count(*) filter (where not l.is_withdrawn) as rated_count,
      count(*) filter (where l.is_provisional) as provisional_count
    from saldo.rated_line as l
    where l.superseded_at is null
  ) as line
  cross join (
    select count(*), max(t.last_calculated_at) as last_calculated_at
    from saldo.customer_month_total as t
  ) as month
$$;
comment on function saldo.metering_status is
  'Customers, meters, readings, and what of them waits for a price or factor; one row.';
revoke execute on function saldo.metering_status from public;
grant execute on function saldo.metering_status to saldo_admin, saldo_operator;

comment on type saldo.metering_status is 'How much there is in metering, and what waits.';
comment on column saldo.metering_status.customer_count is 'Customers.';
comment on column saldo.metering_status.meter_count is 'Meters that are installed.';
comment on column saldo.metering_status.reading_count is 'Readings that count.';
comment on column saldo.metering_status.unrated_count is
  'Those of them that wait for a price or factor.';
comment on column saldo.metering_status.provisional_count is
  'Rated lines at the last known price or factor.';
comment on column saldo.metering_status.month_count is 'Months of customers that are stored.';
comment on column saldo.metering_status.last_calculated_at is
  'When one of them was written last; null = none is stored.';
