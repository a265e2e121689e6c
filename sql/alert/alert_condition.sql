-- What an alert can be about. A condition is a row of saldo.alert_condition, and a function
-- saldo_private.alert_<name> that returns a row for each thing that is not as it should be now.
--
-- Public: saldo.alert_condition. Private: register_alert_condition, unhealed_action, alert_<name>.
-- They read what checks, heals, settlement and guard have left, never balances or the journal, so
-- that they can be looked at every few seconds. Their keys are few: rules, not accounts.

create or replace function saldo_private.alert_balance_sheet_invalid()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'balance_sheet',
    format('Assets differ from liabilities plus equity: %s.', string_agg(t.currency || ' by '
      || (t.total_assets - t.total_liabilities - t.total_equity), ', ' order by t.currency)),
    jsonb_build_object('check_run_id', c.id, 'difference', jsonb_object_agg(
      t.currency, (t.total_assets - t.total_liabilities - t.total_equity)::text
    ))
  from saldo_private.last_check() as c
  join saldo.check_total as t on t.check_run_id = c.id
  where not t.is_valid
  group by c.id
$$;
comment on function saldo_private.alert_balance_sheet_invalid is
  'Whether the balance sheet did not balance at the end of the last check.';

create or replace function saldo_private.alert_drift_found()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select t.rule,
    format('%s: %s findings in the last check, the amounts add up to %s.%s', r.title,
      t.finding_count, t.amount, ' Of ' || saldo_private.account_list(array(
        select (e.value ->> 'account_id')::bigint
        from jsonb_array_elements(t.examples) with ordinality as e (value, no)
        where e.value ->> 'account_id' is not null
        group by e.value ->> 'account_id'
        order by min(e.no)
      )) || '.'),
    jsonb_build_object('check_run_id', t.check_run_id, 'finding_count', t.finding_count,
      'amount', t.amount::text, 'examples', t.examples)
  from saldo_private.last_check() as c
  join saldo.check_rule_total as t on t.check_run_id = c.id
  join saldo.balance_rule as r on r.name = t.rule
  where t.failure is null
  -- Conditions of their own.
  and t.rule not in ('balance_sheet', 'settlement_lag', 'clock', 'reading_unrated')
$$;
comment on function saldo_private.alert_drift_found is
  'Rules that the last check found broken, with the five largest findings of each.';

create or replace function saldo_private.alert_rule_failed()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select t.rule, left(t.failure, 1000), jsonb_build_object('check_run_id', t.check_run_id)
  from saldo_private.last_check() as c
  join saldo.check_rule_total as t on t.check_run_id = c.id
  where t.failure is not null
$$;
comment on function saldo_private.alert_rule_failed is 'Rules that the last check could not run.';

create or replace function saldo_private.alert_rule_suspect()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select r.rule, format('%s Nothing is healed by it.', suspicion.text),
    jsonb_build_object('check_run_id', c.id, 'row_count', r.row_count,
      'differing_count', r.differing_count)
  from saldo_private.last_check() as c
  join saldo.registered_rule_result as r on r.check_run_id = c.id
  cross join lateral (
    select saldo_private.rule_suspicion(r.rule, c.id) as text
  ) as suspicion
  where suspicion.text is not null
$$;
comment on function saldo_private.alert_rule_suspect is
  'Registered rules by which too many rows differed in the last check.';

create or replace function saldo_private.unhealed_action()
returns table (rule text, key text, outcome text, reason text, is_found boolean)
language sql
stable
as $$
  -- By the names of outcomes, as text: those that are not done are about a human's work.
  select a.rule, a.key, a.outcome::text, a.reason, found.rule is not null
  from (
    select run.id
    from saldo.heal_run as run
    join saldo.check_run as c on c.id = run.check_run_id
    where not run.is_dry_run
    order by c.number desc, run.id desc
    limit 1
  ) as last
  join saldo.heal_action as a on a.heal_run_id = last.id
  left join (
    select distinct f.rule, f.key
    from saldo_private.last_check() as c
    join saldo.finding as f on f.check_run_id = c.id
  ) as found on found.rule = a.rule and found.key = a.key
  where a.outcome::text not in ('healed', 'would_heal', 'already_clean', 'undone')
$$;
comment on function saldo_private.unhealed_action is
  'What the last heal did not do, and whether the last check still found it.';

create or replace function saldo_private.alert_heal_refused()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select a.rule, format('%s findings were not healed: %s', count(*), left(min(a.reason), 500)),
    jsonb_build_object('finding_count', count(*), 'keys', (array_agg(a.key order by a.key))[1:5])
  from saldo_private.unhealed_action() as a
  where a.outcome !~ '^escalat'
  and a.is_found
  group by a.rule
$$;
comment on function saldo_private.alert_heal_refused is
  'Rules whose findings the last heal refused and the last check still found.';

create or replace function saldo_private.alert_heal_escalated()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select a.rule, format('%s findings came again after a heal: %s', count(*),
      left(min(a.reason), 500)),
    jsonb_build_object('finding_count', count(*), 'keys', (array_agg(a.key order by a.key))[1:5])
  from saldo_private.unhealed_action() as a
  where a.outcome ~ '^escalat'
  group by a.rule
$$;
comment on function saldo_private.alert_heal_escalated is
  'Rules whose findings the last heal escalated: they were healed before, and came again.';

create or replace function saldo_private.alert_settlement_late()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'settlement',
    format('Rows of %s hot accounts wait for settlement, the oldest since %s: %s.', count(*),
      to_char(min(p.oldest_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
      saldo_private.account_list((array_agg(h.account_id order by p.oldest_at))[1:5])),
    jsonb_build_object('account_count', count(*), 'oldest_pending_at', min(p.oldest_at),
      'account_ids', (array_agg(h.account_id order by p.oldest_at))[1:5])
  from saldo_private.hot_account as h
  cross join lateral (
    select saldo_private.oldest_pending_at(h.account_id) as oldest_at
    offset 0
  ) as p
  where saldo_private.is_overdue(p.oldest_at, make_interval(
    secs => saldo_private.setting_value('settlement_lag_max_seconds')::integer
  ))
  having count(*) > 0
$$;
comment on function saldo_private.alert_settlement_late is
  'Whether rows are pending for longer than the setting settlement_lag_max_seconds.';

create or replace function saldo_private.alert_backlog()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'settlement',
    format('%s rows of %s wait for settlement; at %s its transactions are refused.',
      max(f.row_count),
      saldo_private.account_list((array_agg(h.account_id order by f.row_count desc))[1:1]),
      min(base.most)),
    jsonb_build_object('account_count', count(*), 'pending_count_max', max(f.row_count),
      'account_ids', (array_agg(h.account_id order by f.row_count desc))[1:5])
  from (
    select saldo_private.setting_value('settlement_backlog_limit')::numeric as most,
      saldo_private.setting_value('backlog_alert_percent')::numeric / 100 as share
  ) as base
  cross join saldo_private.hot_account as h
  cross join lateral saldo_private.pending_figures(h.account_id) as f
  where f.row_count >= base.most * base.share
  having count(*) > 0
$$;
comment on function saldo_private.alert_backlog is
  'Whether the pending rows of an account reach the share backlog_alert_percent of the limit.';

create or replace function saldo_private.alert_worker_silent()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'worker', case when s.worker_seen_at is null then 'No worker was ever seen.' else
      format('No worker was seen since %s.',
        to_char(s.worker_seen_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) end,
    jsonb_build_object('worker_seen_at', s.worker_seen_at)
  from saldo_private.alert_state as s
  where saldo_private.is_overdue(coalesce(s.worker_seen_at, s.created_at), make_interval(
    secs => saldo_private.setting_value('worker_silent_seconds')::integer
  ))
$$;
comment on function saldo_private.alert_worker_silent is
  'Whether no worker was seen for longer than the setting worker_silent_seconds.';

create or replace function saldo_private.alert_check_overdue()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'check', case when c.finished_at is null then 'The balances were never checked.' else
      format('The balances were last checked at %s.',
        to_char(c.finished_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) end,
    jsonb_build_object('check_run_id', c.id, 'last_check_at', c.finished_at)
  from saldo_private.alert_state as s
  left join saldo_private.last_check() as c on true
  where saldo_private.is_overdue(coalesce(c.finished_at, s.created_at), make_interval(
    hours => saldo_private.setting_value('check_overdue_hours')::integer
  ))
$$;
comment on function saldo_private.alert_check_overdue is
  'Whether the last check is older than the setting check_overdue_hours.';

create or replace function saldo_private.alert_guard_tripped()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'guard', format('%s writes went past the guard; the last one: %s of %s by %s.', count(*),
      (array_agg(g.operation order by g.id desc))[1],
      (array_agg(g.table_name order by g.id desc))[1],
      (array_agg(g.login order by g.id desc))[1]),
    jsonb_build_object('event_count', count(*), 'last_event_id', (array_agg(g.id
      order by g.id desc))[1], 'last_event_at', max(g.occurred_at))
  from saldo_private.alert_state as s
  cross join lateral (
    select each.*
    from saldo.guard_event as each
    order by each.id desc
    limit 1000
  ) as g
  left join lateral (
    select c.snapshot
    from saldo.check_run as c
    where c.status = 'healthy'
    order by c.number desc, c.finished_at desc
    limit 1
  ) as healthy on true
  -- Not yet seen by a check that found all in order, or not yet by an evaluation: it may have been
  -- healed since, and somebody should hear of it anyway.
  where not coalesce(
    saldo_private.is_seen(g.transaction_id, healthy.snapshot::pg_snapshot), false
  )
  or not coalesce(saldo_private.is_seen(g.transaction_id, s.snapshot::pg_snapshot), true)
  having count(*) > 0
$$;
comment on function saldo_private.alert_guard_tripped is
  'Whether writes went past the guard that no check has seen and found all in order, or that came '
  'since the last evaluation; the newest 1,000 are looked at.';

create or replace function saldo_private.alert_freeze_held_back()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'freeze', format('%s accounts have rows that are not as the engine wrote them: more than '
      'the %s that a run freezes: %s.', count(*), most.count,
      saldo_private.account_list((array_agg(u.account_id order by u.account_id))[1:5])),
    jsonb_build_object('account_count', count(*), 'check_run_id', c.id,
      'account_ids', (array_agg(u.account_id order by u.account_id))[1:5])
  from saldo_private.last_check() as c
  cross join saldo_private.freeze_limit() as most (count)
  cross join lateral saldo_private.unproven_accounts(c.id) as u
  group by c.id, most.count
  having count(*) > most.count
$$;
comment on function saldo_private.alert_freeze_held_back is
  'Whether the last check has found more accounts to freeze than a run freezes by itself.';

create or replace function saldo_private.alert_slot_rebuild_storm()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'slots', format('Slots of %s accounts were rebuilt again and again, up to %s times: %s.',
      count(*), max(r.row_count),
      saldo_private.account_list((array_agg(r.account_id order by r.row_count desc))[1:5])),
    jsonb_build_object('account_count', count(*), 'rebuild_count_max', max(r.row_count),
      'account_ids', (array_agg(r.account_id order by r.row_count desc))[1:5])
  from (
    select each.account_id, count(*) as row_count
    from saldo.slot_rebuild as each
    where each.rebuilt_at between now() - interval '10 minutes' and now() + interval '1 minute'
    group by each.account_id
  ) as r
  where r.row_count >= saldo_private.setting_value('slot_rebuild_alert_count')::integer
  having count(*) > 0
$$;
comment on function saldo_private.alert_slot_rebuild_storm is
  'Whether the slots of an account were rebuilt slot_rebuild_alert_count times in ten minutes.';

create or replace function saldo_private.alert_clock_set_back()
returns table (key text, text text, detail jsonb)
language sql
volatile
as $$
  select 'clock',
    format('The clock was set back: the latest %s is dated %s.',
      (array_agg(c.key order by c.difference desc))[1],
      to_char(max((c.detail ->> 'latest_at')::timestamptz) at time zone 'UTC',
        'YYYY-MM-DD HH24:MI:SS "UTC"')),
    jsonb_build_object('kinds', array_agg(c.key order by c.key), 'seconds', max(c.difference))
  from saldo_private.rule_clock() as c
  having count(*) > 0
$$;
comment on function saldo_private.alert_clock_set_back is
  'Whether something is dated later than now, and nobody has accepted it.';

create or replace function saldo_private.register_alert_condition(
  name text,
  severity text,
  title text,
  advice text,
  is_watched boolean default true
)
returns void
language sql
as $$
  insert into saldo.alert_condition (name, severity, title, advice, is_watched)
  values (
    register_alert_condition.name, register_alert_condition.severity::saldo.alert_severity,
    register_alert_condition.title, register_alert_condition.advice,
    register_alert_condition.is_watched
  )
  on conflict on constraint alert_condition_pkey do update
  set severity = excluded.severity,
    title = excluded.title,
    advice = excluded.advice,
    is_watched = excluded.is_watched
$$;
comment on function saldo_private.register_alert_condition is
  'Registers the condition whose function is saldo_private.alert_<name>, where it is watched.';

select saldo_private.register_alert_condition(name, severity, title, advice, is_watched)
from (
  values
    ('balance_sheet_invalid', 'critical', 'The balance sheet does not balance',
      'Look at the findings of the last check before anything else is posted by hand.', true),
    ('drift_found', 'warning', 'Stored balances differ from the journal',
      'Look at the findings and their causes, then at auto_heal with dry_run.', true),
    ('rule_failed', 'critical', 'A rule could not run',
      'Until it runs nobody knows whether it holds: mend what its message names.', true),
    ('rule_suspect', 'critical', 'A rule over your tables is suspect',
      'So many rows differ that it is more likely wrong than they: see what it overlooks.', true),
    ('heal_refused', 'critical', 'A heal was refused',
      'A human decides: the reason stands in heal_action.', true),
    ('heal_escalated', 'critical', 'A drift came again after it was healed',
      'Something goes on writing wrong balances: find it by the evidence of the findings.', true),
    ('settlement_late', 'critical', 'Settlement is late',
      'See that a worker is running, and what its log says of settle_sub_balances.', true),
    ('backlog', 'warning', 'Many rows wait for settlement',
      'See that a worker is running; at the limit transactions are refused with SB202.', true),
    ('worker_silent', 'critical', 'No worker is running',
      'Start one: without it nothing is settled, checked or maintained.', true),
    ('check_overdue', 'critical', 'The balances were not checked in time',
      'See that a worker is running, and what its log says of reconcile.', true),
    ('guard_tripped', 'critical', 'A write went past the guard',
      'Ask who it was: guard_event has login, address and statement. Then check.', true),
    ('freeze_held_back', 'critical', 'Too many accounts are to be frozen at once',
      'Look at guard_event: accept_rows ends a careless statement; otherwise freeze them.', true),
    ('slot_rebuild_storm', 'warning', 'Slots of hot accounts are rebuilt again and again',
      'Look at slot_rebuild and for crashes of the database: each rebuild is a wait.', true),
    ('clock_set_back', 'critical', 'The clock was set back',
      'Find out what was dated wrongly, see to the clock, then call accept_clock.', true),
    ('evaluation_failed', 'critical', 'A condition could not be looked at',
      'Its alerts stay as they were: mend what the message names.', false),
    ('test', 'info', 'A test alert', 'Nothing is wrong: somebody asked for it.', false)
) as condition (name, severity, title, advice, is_watched);

select saldo_private.secure_table('saldo.alert_condition');
drop policy if exists select_all on saldo.alert_condition;
create policy select_all on saldo.alert_condition for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.alert_condition to saldo_admin, saldo_operator;

comment on type saldo.alert_severity is
  'critical: money or its safety is in doubt; warning: look at it today; info: nothing is wrong.';
comment on table saldo.alert_condition is 'What an alert can be about.';
comment on column saldo.alert_condition.name is
  'Name; what is watched has a function saldo_private.alert_<name>.';
comment on column saldo.alert_condition.severity is 'How urgent its alerts are.';
comment on column saldo.alert_condition.title is 'What is wrong, in a few words.';
comment on column saldo.alert_condition.advice is 'What to do first about its alerts.';
comment on column saldo.alert_condition.is_watched is 'Whether each evaluation looks at it.';
