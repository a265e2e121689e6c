-- What people say about alerts, and who looks after them.
--
-- Public: send_test_alert, acknowledge_alert. Private: record_worker_seen,
-- worker_state, needs_alert_watch.

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
  'Errors: SB651 alert_channel_missing where no channel is set up.';
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
  'told anyway. Again: the newer note counts. Errors: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long for the note, SB007 not_found for an unknown alert.';
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
comment on function saldo_private.record_worker_seen is
  'Notes that jobs are done. Only a job that has passed through the queue calls it.';
grant execute on function saldo_private.record_worker_seen to saldo_admin;

create or replace function saldo_private.worker_state()
returns table (seen_at timestamptz, is_silent boolean, silent_seconds integer)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select s.worker_seen_at,
    s.worker_seen_at is not null
      and saldo_private.is_overdue(s.worker_seen_at, make_interval(secs => most.seconds)),
    most.seconds
  from saldo_private.alert_state as s
  cross join (
    select saldo_private.setting_value('worker_silent_seconds')::integer as seconds
  ) as most
$$;
comment on function saldo_private.worker_state is
  'When a job last told that jobs are done, and whether that is longer ago than the setting '
  'worker_silent_seconds. Where no worker was ever seen none is missed here.';
grant execute on function saldo_private.worker_state to
  saldo_admin, saldo_operator, saldo_anonymous;

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
