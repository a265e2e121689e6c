-- Alerts: what does not hold is opened, what goes on is kept, what is over is resolved, and each of
-- them is told once.
--
-- Public: evaluate_alerts, send_test_alert, acknowledge_alert; saldo.alert. Private:
-- run_alert_evaluation, record_worker_seen, needs_alert_watch.
-- One evaluation at a time, by an advisory lock; the unique index of open alerts would refuse a
-- second one. A condition that cannot be looked at becomes an alert itself, and stops no other.

create or replace function saldo_private.run_alert_evaluation__look()
returns setof saldo_private.alert_fact
language plpgsql
as $$
declare
  v_name text;
begin
  for v_name in
    select c.name
    from saldo.alert_condition as c
    where c.is_watched
    order by c.name
  loop
    begin
      return query execute format(
        'select %L::text, f.key, f.text, f.detail from saldo_private.%I() as f',
        v_name, 'alert_' || v_name
      );
    exception
      when others then
        return query select 'evaluation_failed', v_name,
          format('%s could not be looked at: %s (%s)', v_name, sqlerrm, sqlstate), '{}'::jsonb;
    end;
  end loop;
end
$$;
comment on function saldo_private.run_alert_evaluation__look is
  'What is not as it should be now, condition by condition.';

create or replace function saldo_private.run_alert_evaluation__resolve(
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
    where a.resolved_at is null
    and not exists (
      select
      from unnest(facts) as f
      where (f.condition = a.condition and f.key = a.key)
      -- Not known is not over.
      or (f.condition = 'evaluation_failed' and f.key = a.condition)
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
  'Resolves the alerts that no longer hold, and tells of it.';

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
  'Refreshes the alerts that stand, opens those that are new, and tells of these.';

create or replace function saldo_private.run_alert_evaluation__remind()
returns integer
language plpgsql
as $$
declare
  v_ids uuid[];
begin
  with due as (
    update saldo.alert as a
    set told_at = clock_timestamp()
    where a.resolved_at is null
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
  'Tells again of alerts that stand longer than alert_reminder_hours and nobody acknowledged.';

create or replace function saldo_private.run_alert_evaluation()
returns saldo.alert_evaluation
language plpgsql
as $$
declare
  v_result saldo.alert_evaluation;
  v_snapshot text;
  v_facts saldo_private.alert_fact[];
begin
  v_result.is_skipped :=
    not pg_try_advisory_xact_lock(saldo_private.alert_evaluation_lock(), 0);
  if not v_result.is_skipped then
    -- Taken before anything is looked at: what comes meanwhile is new to the next evaluation.
    v_snapshot := pg_current_snapshot();
    v_facts := array(
      select fact from saldo_private.run_alert_evaluation__look() as fact
    );
    v_result.resolved_count := saldo_private.run_alert_evaluation__resolve(v_facts);
    v_result.opened_count := saldo_private.run_alert_evaluation__open(v_facts);
    v_result.reminded_count := saldo_private.run_alert_evaluation__remind();
    perform saldo_private.give_up_alert_deliveries();
    update saldo_private.alert_state
    set evaluated_at = clock_timestamp(),
      snapshot = v_snapshot;
    delete from saldo.alert as a
    where a.resolved_at < clock_timestamp() - make_interval(
      days => saldo_private.setting_value('alert_keep_days')::integer
    );
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

create or replace function saldo.send_test_alert()
returns saldo.alert
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_alert saldo.alert;
begin
  if saldo_private.setting_value('alert_channels') = '' then
    perform saldo_private.fail('alert_channel_missing', '');
  end if;
  insert into saldo.alert (
    id, condition, key, severity, title, text, opened_at, last_seen_at, told_at, resolved_at
  )
  select t.id, c.name, t.id::text, c.severity, c.title,
    format('%s asked for it, to see whether alerts arrive.', saldo_private.actor()),
    t.at, t.at, t.at, t.at
  from (select saldo_private.uuid_v7() as id, clock_timestamp() as at) as t
  join saldo.alert_condition as c on c.name = 'test'
  returning *
  into v_alert;
  perform saldo_private.tell_alert(array[v_alert.id], 'test');
  return v_alert;
end
$$;
comment on function saldo.send_test_alert is
  'Sends a test alert on every channel; how that goes is in alert_delivery. It is never open. '
  'Errors: SB651 where no channel is set up.';
revoke execute on function saldo.send_test_alert from public;
grant execute on function saldo.send_test_alert to saldo_admin;

create or replace function saldo.acknowledge_alert(alert_id uuid, note text)
returns saldo.alert
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_alert saldo.alert;
  v_note text := saldo_private.require_text(note, 'note');
begin
  update saldo.alert as a
  set acknowledged_at = clock_timestamp(),
    acknowledged_by = saldo_private.actor(),
    acknowledgement_note = v_note
  where a.id = acknowledge_alert.alert_id
  returning a.*
  into v_alert;
  if v_alert.id is null then
    perform saldo_private.fail('not_found', format('alert %s', alert_id));
  end if;
  return v_alert;
end
$$;
comment on function saldo.acknowledge_alert is
  'Notes that somebody takes care of an alert: there are no more reminders; that it is over is '
  'told all the same. Again: the newer note counts. Errors: SB010, SB008, SB009 for the note, '
  'SB007 for an unknown alert.';
revoke execute on function saldo.acknowledge_alert from public;
grant execute on function saldo.acknowledge_alert to saldo_admin;

create or replace function saldo_private.record_worker_seen()
returns void
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  update saldo_private.alert_state
  set worker_seen_at = clock_timestamp()
$$;
comment on function saldo_private.record_worker_seen is 'Notes that a worker lives.';
grant execute on function saldo_private.record_worker_seen to saldo_admin;

create or replace function saldo_private.needs_alert_watch(stale_seconds integer)
returns boolean
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select saldo_private.is_overdue(
      coalesce(s.evaluated_at, s.created_at), make_interval(secs => stale_seconds)
    )
    or exists (select from saldo_private.alert_worker_silent())
  from saldo_private.alert_state as s
$$;
comment on function saldo_private.needs_alert_watch is
  'Whether workers leave alerts alone: none was seen, or nobody evaluated for so many seconds.';
grant execute on function saldo_private.needs_alert_watch to saldo_admin;

select saldo_private.secure_table('saldo_private.alert_state');
select saldo_private.secure_table('saldo.alert');
drop policy if exists select_all on saldo.alert;
create policy select_all on saldo.alert for select to saldo_admin, saldo_operator using (true);
grant select on saldo.alert to saldo_admin, saldo_operator;

comment on table saldo.alert is 'Something that was not as it should be; open until resolved_at.';
comment on column saldo.alert.id is 'Id, ordered by time.';
comment on column saldo.alert.condition is 'What it is about.';
comment on column saldo.alert.key is 'Which one: a rule, say. Of a condition and key one is open.';
comment on column saldo.alert.severity is 'How urgent it is.';
comment on column saldo.alert.title is 'What is wrong, in a few words.';
comment on column saldo.alert.text is 'What is wrong, as it was last seen.';
comment on column saldo.alert.detail is 'Figures and examples, as they were last seen.';
comment on column saldo.alert.opened_at is 'When it was first seen.';
comment on column saldo.alert.last_seen_at is 'When it was last seen.';
comment on column saldo.alert.told_at is 'When messages that it stands were last made.';
comment on column saldo.alert.resolved_at is 'When it was found to be over; null = open.';
comment on column saldo.alert.occurrence_count is 'Evaluations that saw it.';
comment on column saldo.alert.acknowledged_at is 'When somebody said to take care of it.';
comment on column saldo.alert.acknowledged_by is 'Who: token subject or login.';
comment on column saldo.alert.acknowledgement_note is 'What they noted.';
comment on type saldo.alert_evaluation is 'What an evaluation of the conditions did.';
comment on column saldo.alert_evaluation.is_skipped is 'Whether another one was running.';
comment on column saldo.alert_evaluation.opened_count is 'Alerts that were opened.';
comment on column saldo.alert_evaluation.reminded_count is 'Alerts that were told of again.';
comment on column saldo.alert_evaluation.resolved_count is 'Alerts that were resolved.';
comment on column saldo.alert_evaluation.open_count is 'Alerts that are open now.';
comment on type saldo_private.alert_fact is 'Something that a condition saw.';
comment on column saldo_private.alert_fact.condition is 'The condition.';
comment on column saldo_private.alert_fact.key is 'Which one.';
comment on column saldo_private.alert_fact.text is 'What is wrong.';
comment on column saldo_private.alert_fact.detail is 'Figures and examples.';
comment on table saldo_private.alert_state is 'Who looked last; one row.';
comment on column saldo_private.alert_state.id is 'Always 1.';
comment on column saldo_private.alert_state.created_at is 'When the database began to watch.';
comment on column saldo_private.alert_state.evaluated_at is 'When conditions were last looked at.';
comment on column saldo_private.alert_state.snapshot is
  'Snapshot of that look (pg_snapshot): guard events that it did not see are new.';
comment on column saldo_private.alert_state.worker_seen_at is 'When a worker was last seen.';
