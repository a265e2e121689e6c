-- Evaluation of alerts: what does not hold is opened, what goes on is kept, what is over is
-- resolved, and each of them is told once.
--
-- Public: evaluate_alerts. Private: run_alert_evaluation, alert_fact.
-- Each condition is evaluated for itself, in a subtransaction of its own, from the look to the
-- messages. One that fails in any way becomes an alert itself, evaluation_failed with its SQLSTATE,
-- and stops no other; its own alerts stay as they are.
-- One evaluation at a time, by an advisory lock; the unique index of open alerts would refuse a
-- second one.

create or replace function saldo_private.alert_fact(
  condition text,
  key text,
  text text,
  detail jsonb
)
returns saldo_private.alert_fact
language plpgsql
immutable
as $$
declare
  v_fact saldo_private.alert_fact;
begin
  v_fact.condition := alert_fact.condition;
  v_fact.key := alert_fact.key;
  v_fact.text := alert_fact.text;
  v_fact.detail := alert_fact.detail;
  return v_fact;
end
$$;
comment on function saldo_private.alert_fact is 'What a condition saw. Call it by name.';

create or replace function saldo_private.run_alert_evaluation__look(condition text)
returns saldo_private.alert_fact[]
language plpgsql
as $$
declare
  v_facts saldo_private.alert_fact[];
begin
  execute format(
    'select array(select saldo_private.alert_fact(condition => %L, key => f.key, text => f.text, '
      'detail => f.detail) from saldo_private.%I() as f)',
    condition, 'alert_' || condition
  )
  into v_facts;
  return v_facts;
end
$$;
comment on function saldo_private.run_alert_evaluation__look is
  'What is not as it should be now, by one condition.';

create or replace function saldo_private.run_alert_evaluation__resolve(
  condition text,
  facts saldo_private.alert_fact[]
)
returns integer
language plpgsql
as $$
declare
  v_ids uuid[];
begin
  with resolved as (
    update saldo.alert as a
    set resolved_at = clock_timestamp()
    where a.condition = run_alert_evaluation__resolve.condition
    and a.resolved_at is null
    and not exists (
      select
      from unnest(facts) as f
      where f.key = a.key
    )
    returning a.id
  )
  select array_agg(resolved.id)
  into v_ids
  from resolved;
  perform saldo_private.tell_alert(v_ids, 'resolved');
  return coalesce(cardinality(v_ids), 0);
end
$$;
comment on function saldo_private.run_alert_evaluation__resolve is
  'Resolves the alerts of a condition that no longer hold, and makes their messages.';

create or replace function saldo_private.run_alert_evaluation__open(
  facts saldo_private.alert_fact[]
)
returns integer
language plpgsql
as $$
declare
  v_ids uuid[];
begin
  update saldo.alert as a
  set last_seen_at = clock_timestamp(),
    occurrence_count = a.occurrence_count + 1,
    text = f.text,
    detail = f.detail
  from unnest(facts) as f
  where a.condition = f.condition
  and a.key = f.key
  and a.resolved_at is null;

  with opened as (
    insert into saldo.alert (
      id, condition, key, severity, title, text, detail, opened_at, last_seen_at, told_at
    )
    select saldo_private.uuid_v7(), f.condition, f.key, c.severity, c.title, f.text, f.detail,
      clock_timestamp(), clock_timestamp(), clock_timestamp()
    from unnest(facts) as f
    join saldo.alert_condition as c on c.name = f.condition
    on conflict (condition, key) where resolved_at is null do nothing
    returning id
  )
  select array_agg(opened.id)
  into v_ids
  from opened;
  perform saldo_private.tell_alert(v_ids, 'opened');
  return coalesce(cardinality(v_ids), 0);
end
$$;
comment on function saldo_private.run_alert_evaluation__open is
  'Refreshes the open alerts, opens those that are new, and makes messages about these.';

create or replace function saldo_private.run_alert_evaluation__remind(condition text)
returns integer
language plpgsql
as $$
declare
  v_ids uuid[];
begin
  with due as (
    update saldo.alert as a
    set told_at = clock_timestamp()
    where a.condition = run_alert_evaluation__remind.condition
    and a.resolved_at is null
    and a.acknowledged_at is null
    and saldo_private.is_overdue(a.told_at, make_interval(
      hours => saldo_private.setting_value('alert_reminder_hours')::integer
    ))
    -- While a receiver is away one message waits for it, not one more each day.
    and not exists (
      select
      from saldo.alert_delivery as d
      where d.alert_id = a.id
      and d.delivered_at is null
      and d.failed_at is null
    )
    returning a.id
  )
  select array_agg(due.id)
  into v_ids
  from due;
  perform saldo_private.tell_alert(v_ids, 'reminder');
  return coalesce(cardinality(v_ids), 0);
end
$$;
comment on function saldo_private.run_alert_evaluation__remind is
  'Tells again of alerts of a condition that stand longer than alert_reminder_hours and nobody '
  'acknowledged.';

create or replace function saldo_private.run_alert_evaluation__step(
  condition text,
  facts saldo_private.alert_fact[]
)
returns saldo.alert_evaluation
language plpgsql
as $$
declare
  v_result saldo.alert_evaluation;
begin
  v_result.resolved_count := saldo_private.run_alert_evaluation__resolve(condition, facts);
  v_result.opened_count := saldo_private.run_alert_evaluation__open(facts);
  v_result.reminded_count := saldo_private.run_alert_evaluation__remind(condition);
  return v_result;
end
$$;
comment on function saldo_private.run_alert_evaluation__step is
  'Brings the alerts of one condition up to date with what it saw.';

create or replace function saldo_private.run_alert_evaluation__tidy()
returns void
language plpgsql
as $$
begin
  perform saldo_private.give_up_alert_deliveries();
  delete from saldo.alert as a
  where a.resolved_at < clock_timestamp() - make_interval(
    days => saldo_private.setting_value('alert_keep_days')::integer
  );
end
$$;
comment on function saldo_private.run_alert_evaluation__tidy is
  'Gives up messages that could not be sent, and removes alerts that are long over.';

create or replace function saldo_private.run_alert_evaluation__failure(
  name text,
  state text,
  message text
)
returns saldo_private.alert_fact
language sql
stable
as $$
  select saldo_private.alert_fact(
    condition => 'evaluation_failed',
    key => name,
    text => format('%s could not be looked at: %s (%s)', name, message, state),
    detail => jsonb_build_object('sqlstate', state, 'message', message)
  )
$$;
comment on function saldo_private.run_alert_evaluation__failure is
  'What the condition evaluation_failed sees where another one, or a step, has failed.';

create or replace function saldo_private.run_alert_evaluation__conditions()
returns saldo.alert_evaluation
language plpgsql
as $$
declare
  v_condition record;
  v_step saldo.alert_evaluation;
  v_result saldo.alert_evaluation;
  v_failures saldo_private.alert_fact[] := '{}';
begin
  v_result.is_skipped := false;
  v_result.opened_count := 0;
  v_result.reminded_count := 0;
  v_result.resolved_count := 0;
  for v_condition in
    select c.name, c.is_watched
    from saldo.alert_condition as c
    -- Last comes the condition that reports failures of the others and of the upkeep.
    order by c.name = 'evaluation_failed', c.name
  loop
    begin
      if v_condition.name = 'evaluation_failed' then
        begin
          perform saldo_private.run_alert_evaluation__tidy();
        exception
          when others or query_canceled or assert_failure then
            v_failures := v_failures || saldo_private.run_alert_evaluation__failure(
              'upkeep', sqlstate, sqlerrm
            );
        end;
      end if;
      v_step := saldo_private.run_alert_evaluation__step(
        v_condition.name,
        case when v_condition.is_watched
            then saldo_private.run_alert_evaluation__look(v_condition.name)
          when v_condition.name = 'evaluation_failed' then v_failures
        end
      );
      v_result.opened_count := v_result.opened_count + v_step.opened_count;
      v_result.reminded_count := v_result.reminded_count + v_step.reminded_count;
      v_result.resolved_count := v_result.resolved_count + v_step.resolved_count;
    exception
      -- Its alerts stay as they are, since not known is not over. A time limit that has run out
      -- is its failure as well: "others" would let that one end the whole evaluation.
      when others or query_canceled or assert_failure then
        v_failures := v_failures || saldo_private.run_alert_evaluation__failure(
          v_condition.name, sqlstate, sqlerrm
        );
        if v_condition.name = 'evaluation_failed' then
          raise warning 'failed conditions could not be told of: % (%)', sqlerrm, sqlstate;
        end if;
    end;
  end loop;
  return v_result;
end
$$;
comment on function saldo_private.run_alert_evaluation__conditions is
  'Evaluates condition by condition, each for itself: one that fails is reported as '
  'evaluation_failed with its SQLSTATE, and the others go on.';

create or replace function saldo_private.run_alert_evaluation()
returns saldo.alert_evaluation
language plpgsql
as $$
declare
  v_result saldo.alert_evaluation;
  v_snapshot text;
begin
  if pg_try_advisory_xact_lock(saldo_private.alert_evaluation_lock(), 0) then
    -- Taken before anything is looked at: what comes meanwhile is new to the next evaluation.
    v_snapshot := pg_current_snapshot();
    v_result := saldo_private.run_alert_evaluation__conditions();
    update saldo_private.alert_state
    set evaluated_at = clock_timestamp(),
      snapshot = v_snapshot;
  else
    v_result.is_skipped := true;
  end if;
  v_result.open_count := (select count(*) from saldo.alert as a where a.resolved_at is null);
  return v_result;
end
$$;
comment on function saldo_private.run_alert_evaluation is
  'Looks at all conditions and brings the alerts up to date; skipped while another one runs.';

create or replace function saldo.evaluate_alerts()
returns saldo.alert_evaluation
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
set jit = off -- as for rules
-- A condition that waits for a lock is one that cannot be looked at: the others have their turn.
set lock_timeout = '5s'
as $$
begin
  return saldo_private.run_alert_evaluation();
end
$$;
comment on function saldo.evaluate_alerts is
  'Looks at all conditions, opens, reminds of and resolves alerts, and makes the messages, which '
  'jobs send. It goes by what checks, heals and settlement have left and scans no balances. While '
  'another evaluation runs nothing is done and is_skipped is true.';
revoke execute on function saldo.evaluate_alerts from public;
grant execute on function saldo.evaluate_alerts to saldo_admin;

comment on type saldo.alert_evaluation is 'What an evaluation of the conditions did.';
comment on column saldo.alert_evaluation.is_skipped is 'Whether another one was running.';
comment on column saldo.alert_evaluation.opened_count is 'Alerts that this evaluation opened.';
comment on column saldo.alert_evaluation.reminded_count is
  'Open alerts about which it sent a reminder.';
comment on column saldo.alert_evaluation.resolved_count is 'Alerts that it found to be over.';
comment on column saldo.alert_evaluation.open_count is 'Alerts that are open after it.';
comment on type saldo_private.alert_fact is 'Something that a condition saw.';
comment on column saldo_private.alert_fact.condition is 'Name of the alert condition.';
comment on column saldo_private.alert_fact.key is
  'What the condition is about: a rule or an account, say.';
comment on column saldo_private.alert_fact.text is 'What is wrong, in a sentence.';
comment on column saldo_private.alert_fact.detail is 'Figures and examples, for the alert.';
