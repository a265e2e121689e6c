-- Checks and what they found: the records that explanations, heals and alerts go by.
--
-- Public: saldo.check_run, saldo.finding, saldo.check_progress. record_check.sql writes them.
-- Administrators and operators read them; nobody else writes them.

select saldo_private.secure_table('saldo.check_run');
drop policy if exists select_all on saldo.check_run;
create policy select_all on saldo.check_run for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.check_run to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.finding');
drop policy if exists select_all on saldo.finding;
create policy select_all on saldo.finding for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.finding to saldo_admin, saldo_operator;

comment on type saldo.check_kind is 'What asked for a check.';
comment on type saldo.check_scope is 'How much a check looks at.';
comment on type saldo.check_status is
  'healthy: no finding; unhealthy: findings; failed: a rule could not run.';
comment on type saldo.finding_cause is
  'out_of_band_write: a recorded write past the guard; journal_changed: the journal itself changed '
  'past the engine; sync_trigger_disabled: a trigger that kept balances in step is off; '
  'rule_failed: the rule could not run; uncounted_items: pending or failed items were applied; '
  'doubled_item: recorded twice; unapplied_item: recorded and never applied; unrecorded_item: '
  'applied and never recorded; missing_item: a line of an entry or a row of a hot account is gone; '
  'cache_forced: a cache stands alone against journal and other caches; record_changed: a record '
  'does, against journal and other records; engine_changed: the engine is not as it was built; '
  'work_stopped: a job stands still; '
  'clock_set_back: dated by a clock that was ahead; unknown: nothing recorded explains it.';

comment on table saldo.check_run is 'A check: a run of the rules.';
comment on column saldo.check_run.id is 'Id, ordered by time.';
comment on column saldo.check_run.number is
  'Place among the checks, by when they ended, whatever the clock said; 0 = from before there were '
  'numbers.';
comment on column saldo.check_run.kind is
  'What asked for it: a call, reconciliation, maintenance or a heal.';
comment on column saldo.check_run.scope is
  'full: everything; incremental: what was posted since the verified point, and all totals.';
comment on column saldo.check_run.slice_count is 'Slices that a full check was made in.';
comment on column saldo.check_run.verified_at is
  'When the full check began that what is not looked at here was proven by.';
comment on column saldo.check_run.verified_line_count is
  'Lines that are proven in all, this run included.';
comment on column saldo.check_run.status is 'Result of the check.';
comment on column saldo.check_run.started_at is 'When the check began.';
comment on column saldo.check_run.finished_at is 'When the check ended.';
comment on column saldo.check_run.actor is 'Who asked: token subject or login.';
comment on column saldo.check_run.rule_count is 'Rules that were run.';
comment on column saldo.check_run.failed_rule_count is 'Rules that could not run.';
comment on column saldo.check_run.finding_count is 'Violations that were found.';
comment on column saldo.check_run.account_count is 'Accounts that the check covered.';
comment on column saldo.check_run.line_count is 'Journal lines that were looked at.';
comment on column saldo.check_run.snapshot is
  'Snapshot at its beginning (pg_snapshot): whose writes it saw at least.';

comment on table saldo.finding is
  E'@foreignKey (account_id) references saldo.account (id)|@backwardBehavior -*\n'
  'A violation of a rule that a check found.';
comment on column saldo.finding.id is 'Id of the finding.';
comment on column saldo.finding.check_run_id is 'Check that found it.';
comment on column saldo.finding.rule is 'Name of the rule that is violated.';
comment on column saldo.finding.key is 'What it is about, in the rule''s own key.';
comment on column saldo.finding.account_id is 'Account, where it is about one.';
comment on column saldo.finding.stored is 'Figure that is stored, as text.';
comment on column saldo.finding.derived is 'Figure that follows from the truth, as text.';
comment on column saldo.finding.difference is 'Stored less derived, in the account''s currency.';
comment on column saldo.finding.detail is 'Further figures and ids that the rule saw.';
comment on column saldo.finding.cause is 'Kind of the likely cause.';
comment on column saldo.finding.explanation is 'The likely cause, in a sentence.';
comment on column saldo.finding.evidence is
  'What supports the likely cause: recorded events, or an object of ids and figures.';

select saldo_private.secure_table('saldo.check_progress');
drop policy if exists select_all on saldo.check_progress;
create policy select_all on saldo.check_progress for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.check_progress to saldo_admin, saldo_operator;

comment on table saldo.check_progress is 'A full check in slices that is under way.';
comment on column saldo.check_progress.id is 'Id that the check will have in check_run.';
comment on column saldo.check_progress.kind is
  'What asked for it: a call, reconciliation, maintenance or a heal.';
comment on column saldo.check_progress.actor is 'Who asked: token subject or login.';
comment on column saldo.check_progress.started_at is 'When the check began.';
comment on column saldo.check_progress.continued_at is 'When the last slice was done.';
comment on column saldo.check_progress.snapshot is 'Snapshot at its beginning (pg_snapshot).';
comment on column saldo.check_progress.cluster is
  'System identifier of the cluster whose transaction numbers these are.';
comment on column saldo.check_progress.seed is
  'Seed of the hash that gives the sieve its weights.';
comment on column saldo.check_progress.next_starts_on is
  'First posting date of the slice that comes next.';
comment on column saldo.check_progress.slice_count is 'Slices that are done.';
comment on column saldo.check_progress.line_count is 'Lines that were looked at so far.';
comment on column saldo.check_progress.total_line_count is
  'Lines that there are in all to look at.';
comment on column saldo.check_progress.account_ids is 'Accounts that are suspect so far.';
comment on column saldo.check_progress.entry_ids is 'Entries that are suspect so far.';
comment on column saldo.check_progress.slice_ends is
  'Last posting dates of its slices; where there is none, the slice is the last.';
