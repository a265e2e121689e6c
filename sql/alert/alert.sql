-- Alerts: what a person sees of them and says about them, and who looks after them.
--
-- Public: send_test_alert, acknowledge_alert; saldo.alert. Private: record_worker_seen,
-- needs_alert_watch. They are opened and resolved by alert_evaluation.sql.

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
comment on table saldo_private.alert_state is 'Who looked last; one row.';
comment on column saldo_private.alert_state.id is 'Always 1.';
comment on column saldo_private.alert_state.created_at is 'When the database began to watch.';
comment on column saldo_private.alert_state.evaluated_at is 'When conditions were last looked at.';
comment on column saldo_private.alert_state.snapshot is
  'Snapshot of that look (pg_snapshot): guard events that it did not see are new.';
comment on column saldo_private.alert_state.worker_seen_at is 'When a worker was last seen.';
