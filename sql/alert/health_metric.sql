-- Figures of health for Prometheus: alerts and their delivery, the last check rule by rule, the
-- last heal, guard events, the worker.
--
-- Private: health_metric. Labels are conditions, channels, rules and outcomes: few, and known
-- beforehand. Each has its figure also when it is zero, so that a rule of Prometheus sees it fall.

create or replace function saldo_private.health_metric__check()
returns table (name text, label text, value numeric)
language sql
stable
as $$
  select 'last_check_status', s.status::text, (c.status is not distinct from s.status)::integer
  from unnest(enum_range(null::saldo.check_status)) as s (status)
  left join saldo_private.last_check() as c on true
  union all
  select figure.name, null, figure.value
  from saldo_private.last_check() as c
  cross join lateral (
    values ('last_check_at', extract(epoch from c.finished_at)),
      ('last_check_rules', c.rule_count),
      ('last_check_failed_rules', c.failed_rule_count),
      ('last_check_findings', c.finding_count),
      ('last_check_accounts', c.account_count),
      ('last_check_lines', c.line_count)
  ) as figure (name, value)
  union all
  select figure.name, r.name, figure.value
  from saldo.balance_rule as r
  left join (
    select t.rule, t.finding_count, t.amount
    from saldo_private.last_check() as c
    join saldo.check_rule_total as t on t.check_run_id = c.id
  ) as f on f.rule = r.name
  cross join lateral (
    values ('drift_findings', coalesce(f.finding_count, 0)),
      ('drift_amount', coalesce(f.amount, 0))
  ) as figure (name, value)
  where r.is_enabled
$$;
comment on function saldo_private.health_metric__check is 'Figures of the last check.';

create or replace function saldo_private.health_metric__alert()
returns table (name text, label text, value numeric)
language sql
stable
as $$
  select 'open_alerts', c.name, count(a.id)
  from saldo.alert_condition as c
  left join saldo.alert as a on a.condition = c.name and a.resolved_at is null
  where c.name <> 'test'
  group by c.name
  union all
  select 'alert_deliveries_pending', channel.name::text, count(d.id)
  from unnest(enum_range(null::saldo.alert_channel)) as channel (name)
  left join saldo.alert_delivery as d on d.channel = channel.name
    and d.delivered_at is null
    and d.failed_at is null
  group by channel.name
  union all
  select 'alert_deliveries_failed', channel.name::text, count(d.id)
  from unnest(enum_range(null::saldo.alert_channel)) as channel (name)
  left join saldo.alert_delivery as d on d.channel = channel.name and d.failed_at is not null
  group by channel.name
  union all
  select 'alert_delivery_oldest_pending_age_seconds', null,
    coalesce(extract(epoch from clock_timestamp() - min(d.created_at)), 0)
  from saldo.alert_delivery as d
  where d.delivered_at is null
  and d.failed_at is null
$$;
comment on function saldo_private.health_metric__alert is
  'Figures of alerts that are open and of messages that wait or were given up.';

create or replace function saldo_private.health_metric()
returns table (name text, label text, value numeric)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select each.name, each.label, each.value
  from saldo_private.health_metric__check() as each
  union all
  select each.name, each.label, each.value
  from saldo_private.health_metric__alert() as each
  union all
  select 'last_heal_actions', o.outcome::text, count(a.id)
  from unnest(enum_range(null::saldo.heal_outcome)) as o (outcome)
  left join (
    select run.id
    from saldo.heal_run as run
    join saldo.check_run as c on c.id = run.check_run_id
    where not run.is_dry_run
    order by c.number desc, run.id desc
    limit 1
  ) as last on true
  left join saldo.heal_action as a on a.heal_run_id = last.id and a.outcome = o.outcome
  group by o.outcome
  union all
  select 'unrated_readings', n.reason::text, n.reading_count
  from saldo_private.unrated_count() as n
  union all
  select 'guard_events_last_day', null, count(*)
  from saldo.guard_event as g
  where g.occurred_at > now() - interval '1 day'
  union all
  select figure.name, null, figure.value
  from saldo_private.alert_state as s
  cross join lateral (
    values ('worker_last_seen_at', extract(epoch from s.worker_seen_at)),
      ('worker_silent', (select w.is_silent::integer from saldo_private.worker_state() as w)),
      ('alerts_evaluated_at', extract(epoch from s.evaluated_at))
  ) as figure (name, value)
$$;
comment on function saldo_private.health_metric is
  'Figures of health, each with at most one label; null = not known. Times are Unix times.';
grant execute on function saldo_private.health_metric to
  saldo_admin, saldo_operator, saldo_anonymous;
