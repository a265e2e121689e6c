-- Alerts: what does not hold, since when, and whether somebody has seen it.
--
-- Public: saldo.alert. Private: alert_state, what evaluations go by.
-- alert_evaluation.sql opens and resolves them.

select saldo_private.secure_table('saldo_private.alert_state');
select saldo_private.secure_table('saldo.alert');
drop policy if exists select_all on saldo.alert;
create policy select_all on saldo.alert for select to saldo_admin, saldo_operator using (true);
grant select on saldo.alert to saldo_admin, saldo_operator;

comment on table saldo.alert is 'Something that was not as it should be; open until resolved_at.';
comment on column saldo.alert.id is 'Id, ordered by time.';
comment on column saldo.alert.condition is 'Name of the alert condition, as in alert_condition.';
comment on column saldo.alert.key is 'Which one: a rule, say. Of a condition and key one is open.';
comment on column saldo.alert.severity is 'How urgent it is, as its condition says.';
comment on column saldo.alert.title is 'What is wrong, in a few words.';
comment on column saldo.alert.text is 'What is wrong, as it was last seen.';
comment on column saldo.alert.detail is 'Figures and examples, as they were last seen.';
comment on column saldo.alert.opened_at is 'When an evaluation first saw it.';
comment on column saldo.alert.last_seen_at is 'When an evaluation last saw it.';
comment on column saldo.alert.told_at is 'When messages that it is open were last made.';
comment on column saldo.alert.resolved_at is 'When it was found to be over; null = open.';
comment on column saldo.alert.occurrence_count is 'Number of evaluations that saw it.';
comment on column saldo.alert.acknowledged_at is
  'When somebody said that they take care of it; null = nobody did.';
comment on column saldo.alert.acknowledged_by is 'Who acknowledged it: token subject or login.';
comment on column saldo.alert.acknowledgement_note is 'What they noted when they acknowledged it.';
comment on table saldo_private.alert_state is 'Who looked last; one row.';
comment on column saldo_private.alert_state.id is 'Always 1.';
comment on column saldo_private.alert_state.created_at is 'When the database began to watch.';
comment on column saldo_private.alert_state.evaluated_at is 'When conditions were last looked at.';
comment on column saldo_private.alert_state.snapshot is
  'Snapshot of that look (pg_snapshot): guard events that it did not see are new.';
comment on column saldo_private.alert_state.worker_seen_at is
  'When a job last told that jobs are done.';
