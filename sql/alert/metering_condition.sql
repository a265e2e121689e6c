-- What an alert can be about in the metering room: readings that are in no bill.
--
-- Private: alert_readings_unrated. Conditions as alert_condition.sql says.

create or replace function saldo_private.alert_readings_unrated()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  with late as materialized (
    select u.account_id, u.reading_id, u.read_on, u.reason, u.reason_text
    from saldo_private.unrated_late() as u
  ),
  oldest as (
    select format('meter %s of %s (%s), %s', m.code, c.code, c.name, u.reason_text) as text
    from late as u
    join saldo.reading as r on r.account_id = u.account_id and r.id = u.reading_id
    join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
    join saldo.customer as c on c.account_id = u.account_id
    order by u.read_on, u.reading_id
    limit 5
  )
  select 'readings',
    format('%s readings of %s customers are not rated. The oldest: %s.', count(*),
      count(distinct u.account_id), (array(select o.text from oldest as o))[1]),
    jsonb_build_object('reading_count', count(*),
      'customer_count', count(distinct u.account_id),
      'reasons', (
        select jsonb_object_agg(n.reason, n.reading_count)
        from (select l.reason, count(*) as reading_count from late as l group by l.reason) as n
      ),
      'oldest', to_jsonb(array(select o.text from oldest as o)))
  from late as u
  having count(*) > 0
$$;
comment on function saldo_private.alert_readings_unrated is
  'Whether readings are not rated for longer than the setting reading_unrated_hours.';

select saldo_private.register_alert_condition(name, severity, title, advice)
from (
  values
    ('readings_unrated', 'warning', 'Readings are not rated',
      'Look at unrated_readings: add the price or factor that is missing for their days.')
) as condition (name, severity, title, advice);
