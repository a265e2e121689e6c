-- Metering status: how much there is, and what waits, in one row.
--
-- Public: metering_status. Counts readings and lines by their indexes; whether stored months agree
-- with their lines is not asked here, that is compare_monthly_balances and the checks.

create or replace function saldo_private.metering_status__run(is_forced boolean)
returns saldo.monthly_sync_run
language sql
stable
as $$
  select s
  from saldo.monthly_sync_run as s
  where s.is_forced = metering_status__run.is_forced
  and s.status = 'done'
  order by s.id desc
  limit 1
$$;
comment on function saldo_private.metering_status__run is
  'The last run over all stored months that came to its end.';

create or replace function saldo.metering_status()
returns saldo.metering_status
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select jsonb_populate_record(null::saldo.metering_status, jsonb_build_object(
    'customer_count', (select count(*) from saldo.customer),
    'meter_count', (select count(*) from saldo.meter as m where m.removed_at is null),
    'reading_count', reading.count,
    'unrated_count', reading.count - line.rated_count,
    'provisional_count', line.provisional_count,
    'month_count', month.count,
    'last_calculated_at', month.last_calculated_at,
    'open_rerating_count', rerating.open_count,
    'rerating_left_count', rerating.left_count,
    'last_sync_at', sync.finished_at,
    'last_sync_change_count', sync.change_count,
    'last_recalculation_at', recalculation.finished_at,
    'last_recalculation_change_count', recalculation.change_count
  ))
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
  cross join (
    select count(*) as open_count,
      coalesce(sum(greatest(g.reading_count - g.done_count, 0)), 0)::bigint as left_count
    from saldo.rerating as g
    where g.status <> 'done'
  ) as rerating
  left join lateral saldo_private.metering_status__run(is_forced => false) as sync on true
  left join lateral saldo_private.metering_status__run(is_forced => true) as recalculation on true
$$;
comment on function saldo.metering_status is
  'Customers, meters, readings, what of them waits for a price, a factor or a re-rating, and what '
  'the last runs over the stored months came to; one row.';
revoke execute on function saldo.metering_status from public;
grant execute on function saldo.metering_status to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.metering_status is 'How much there is in metering, and what waits.';
comment on column saldo.metering_status.customer_count is 'How many customers there are.';
comment on column saldo.metering_status.meter_count is
  'Meters in place, those taken down not counted.';
comment on column saldo.metering_status.reading_count is
  'Current readings: neither superseded nor removed.';
comment on column saldo.metering_status.unrated_count is
  'Those of them that wait for a price or factor.';
comment on column saldo.metering_status.provisional_count is
  'Rated lines at the last known price or factor.';
comment on column saldo.metering_status.month_count is 'Months of customers that are stored.';
comment on column saldo.metering_status.last_calculated_at is
  'When one of them was written last; null = none is stored.';
comment on column saldo.metering_status.open_rerating_count is
  'Re-ratings that are open, or failed.';
comment on column saldo.metering_status.rerating_left_count is
  'Readings that they have to look at.';
comment on column saldo.metering_status.last_sync_at is
  'When the last nightly sync of the stored months ended; null = none did.';
comment on column saldo.metering_status.last_sync_change_count is
  'Months that this sync put right.';
comment on column saldo.metering_status.last_recalculation_at is
  'When the last full recalculation of the stored months ended; null = none did.';
comment on column saldo.metering_status.last_recalculation_change_count is
  'Months that this recalculation put right.';
