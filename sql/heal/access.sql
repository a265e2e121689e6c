-- Who reads the records of health: administrators and operators; nobody writes them.

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

select saldo_private.secure_table('saldo.heal_run');
drop policy if exists select_all on saldo.heal_run;
create policy select_all on saldo.heal_run for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.heal_run to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.heal_action');
drop policy if exists select_all on saldo.heal_action;
create policy select_all on saldo.heal_action for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.heal_action to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.maintenance_run');
drop policy if exists select_all on saldo.maintenance_run;
create policy select_all on saldo.maintenance_run for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.maintenance_run to saldo_admin, saldo_operator;

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
  'clock_set_back: dated by a clock that was ahead; unknown: nothing recorded explains it.';
comment on type saldo.heal_outcome is
  'healed: rewritten; would_heal: a dry run; already_clean: it agreed by the time its lock was '
  'held; needs_approval: above a limit, see heal_proposal; escalated: healed or undone before, see '
  'heal_proposal; refused: a human decides; undone: a heal was taken back.';

comment on table saldo.check_run is 'A check: a run of the rules.';
comment on column saldo.check_run.id is 'Id, ordered by time.';
comment on column saldo.check_run.number is
  'Place among the checks, by when they ended, whatever the clock said; 0 = from before there were '
  'numbers.';
comment on column saldo.check_run.kind is 'What asked for it.';
comment on column saldo.check_run.scope is
  'full: everything; incremental: what was posted since the verified point, and all totals.';
comment on column saldo.check_run.slice_count is 'Slices that a full check was made in.';
comment on column saldo.check_run.verified_at is
  'When the full check began that what is not looked at here was proven by.';
comment on column saldo.check_run.verified_line_count is
  'Lines that are proven in all, this run included.';
comment on column saldo.check_run.status is 'Its result.';
comment on column saldo.check_run.started_at is 'When it began.';
comment on column saldo.check_run.finished_at is 'When it ended.';
comment on column saldo.check_run.actor is 'Who asked: token subject or login.';
comment on column saldo.check_run.rule_count is 'Rules that were run.';
comment on column saldo.check_run.failed_rule_count is 'Rules that could not run.';
comment on column saldo.check_run.finding_count is 'Violations that were found.';
comment on column saldo.check_run.account_count is 'Accounts that were covered.';
comment on column saldo.check_run.line_count is 'Journal lines that were looked at.';
comment on column saldo.check_run.snapshot is
  'Snapshot at its beginning (pg_snapshot): whose writes it saw at least.';

comment on table saldo.finding is 'A violation of a rule that a check found.';
comment on column saldo.finding.id is 'Id.';
comment on column saldo.finding.check_run_id is 'The check that found it.';
comment on column saldo.finding.rule is 'The rule.';
comment on column saldo.finding.key is 'What it is about, in the rule''s own key.';
comment on column saldo.finding.account_id is 'Account, where it is about one.';
comment on column saldo.finding.stored is 'What is stored.';
comment on column saldo.finding.derived is 'What follows from the truth.';
comment on column saldo.finding.difference is 'Stored less derived, in the account''s currency.';
comment on column saldo.finding.detail is 'More of what the rule saw.';
comment on column saldo.finding.cause is 'The likely cause.';
comment on column saldo.finding.explanation is 'The cause in a sentence.';
comment on column saldo.finding.evidence is
  'What speaks for the likely cause: recorded events, or an object of ids and figures.';

comment on table saldo.heal_run is 'A run of auto_heal.';
comment on column saldo.heal_run.id is 'Id, ordered by time.';
comment on column saldo.heal_run.is_dry_run is 'Whether it only said what it would do.';
comment on column saldo.heal_run.check_run_id is 'The check whose findings it worked on.';
comment on column saldo.heal_run.started_at is 'When it began.';
comment on column saldo.heal_run.finished_at is 'When it ended.';
comment on column saldo.heal_run.actor is 'Who asked: token subject or login.';
comment on column saldo.heal_run.healed_count is 'Findings that were healed.';
comment on column saldo.heal_run.refused_count is 'Findings that were refused.';
comment on column saldo.heal_run.needs_approval_count is
  'Findings above a limit: each has a heal_proposal, unless it is a dry run.';
comment on column saldo.heal_run.escalated_count is
  'Findings that were healed or undone before: each has a heal_proposal, unless it is a dry run.';
comment on column saldo.heal_run.frozen_count is
  'Accounts that were frozen because their journal was changed.';

comment on table saldo.heal_action is 'What a heal did about one finding: the audit trail.';
comment on column saldo.heal_action.id is 'Id, ordered by time.';
comment on column saldo.heal_action.heal_run_id is 'Its run; null = a human decided on this one.';
comment on column saldo.heal_action.finding_id is 'The finding; null = an adjustment without one.';
comment on column saldo.heal_action.rule is 'Rule of the finding.';
comment on column saldo.heal_action.key is 'Key of the finding.';
comment on column saldo.heal_action.account_id is 'Account, where it is about one.';
comment on column saldo.heal_action.outcome is 'What became of it.';
comment on column saldo.heal_action.before is 'The cache before.';
comment on column saldo.heal_action.after is 'The cache after.';
comment on column saldo.heal_action.reason is 'Why it was healed, or why not.';
comment on column saldo.heal_action.actor is 'Who asked: token subject or login.';
comment on column saldo.heal_action.healed_at is 'When.';
comment on column saldo.heal_action.proposal_id is
  'The proposal that it wrote, or that was approved.';
comment on column saldo.heal_action.undoes is 'The heal that it took back.';
comment on column saldo.heal_action.target is
  'Table, key column and column of yours that it set; null for a cache of the engine and for a '
  'heal by a function of yours.';

comment on table saldo.maintenance_run is 'A run of scheduled_maintenance.';
comment on column saldo.maintenance_run.id is 'Id, ordered by time.';
comment on column saldo.maintenance_run.status is 'Result of the check at its end.';
comment on column saldo.maintenance_run.started_at is 'When it began.';
comment on column saldo.maintenance_run.finished_at is 'When it ended.';
comment on column saldo.maintenance_run.actor is 'Who asked: token subject or login.';
comment on column saldo.maintenance_run.check_before_id is 'The check that it began with.';
comment on column saldo.maintenance_run.heal_run_id is 'The heal.';
comment on column saldo.maintenance_run.check_after_id is 'The check that it ended with.';
