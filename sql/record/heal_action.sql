-- What became of findings: runs of a heal, what was done about each finding, and adjustments.
--
-- Public: saldo.heal_run, saldo.heal_action, saldo.balance_adjustment. heal_key.sql, heal.sql and
-- adjust_balance.sql write them; explanations and rules go by them, and so they stand here.

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

comment on type saldo.heal_outcome is
  'healed: rewritten; would_heal: a dry run; already_clean: it agreed by the time its lock was '
  'held; needs_approval: above a limit, see heal_proposal; escalated: healed or undone before, see '
  'heal_proposal; refused: a human decides; undone: a heal was taken back.';

comment on table saldo.heal_run is 'A run of auto_heal.';
comment on column saldo.heal_run.id is 'Id, ordered by time.';
comment on column saldo.heal_run.is_dry_run is 'Whether it only said what it would do.';
comment on column saldo.heal_run.check_run_id is 'The check whose findings it worked on.';
comment on column saldo.heal_run.started_at is 'When the run began.';
comment on column saldo.heal_run.finished_at is 'When the run ended.';
comment on column saldo.heal_run.actor is 'Who asked: token subject or login.';
comment on column saldo.heal_run.plan_hash is
  'Hash of what became of which finding, as auto_heal takes it; null = from before there was one.';
comment on column saldo.heal_run.healed_count is
  'Findings that were healed; 0 in a dry run.';
comment on column saldo.heal_run.refused_count is 'Findings that it refused to heal.';
comment on column saldo.heal_run.needs_approval_count is
  'Findings above a limit: each has a heal_proposal, unless it is a dry run.';
comment on column saldo.heal_run.escalated_count is
  'Findings that were healed or undone before: each has a heal_proposal, unless it is a dry run.';
comment on column saldo.heal_run.frozen_count is
  'Accounts that were frozen because their journal was changed.';

comment on table saldo.heal_action is
  E'@foreignKey (account_id) references saldo.account (id)|@backwardBehavior -*\n'
  '@foreignKey (finding_id) references saldo.finding (id)|@backwardBehavior -*\n'
  '@foreignKey (undoes) references saldo.heal_action (id)|@fieldName undoneHeal'
  '|@foreignFieldName undos\n'
  'What a heal did about one finding: the audit trail.';
comment on column saldo.heal_action.id is 'Id, ordered by time.';
comment on column saldo.heal_action.heal_run_id is 'Its run; null = a human decided on this one.';
comment on column saldo.heal_action.finding_id is 'The finding; null = an adjustment without one.';
comment on column saldo.heal_action.rule is 'Rule whose finding it was.';
comment on column saldo.heal_action.key is 'Key of the finding, in the rule''s own form.';
comment on column saldo.heal_action.account_id is 'Account, where it is about one.';
comment on column saldo.heal_action.outcome is 'What the heal did about the finding.';
comment on column saldo.heal_action.before is 'The cache before the heal.';
comment on column saldo.heal_action.after is 'The cache after the heal.';
comment on column saldo.heal_action.reason is 'Why it was healed, or why not.';
comment on column saldo.heal_action.actor is 'Who asked: token subject or login.';
comment on column saldo.heal_action.healed_at is 'When it was done, or refused.';
comment on column saldo.heal_action.proposal_id is
  'The proposal that it wrote, or that was approved.';
comment on column saldo.heal_action.undoes is
  'Earlier heal that this one took back; null = not an undo.';
comment on column saldo.heal_action.target is
  'Table, key column and column of yours that it set; null for a cache of the engine and for a '
  'heal by a function of yours.';

select saldo_private.secure_table('saldo.balance_adjustment');
select saldo_private.guard_table('saldo.balance_adjustment');
drop policy if exists select_all on saldo.balance_adjustment;
create policy select_all on saldo.balance_adjustment for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.balance_adjustment to saldo_admin, saldo_operator;

comment on table saldo.balance_adjustment is 'A balance that a human has set right.';
comment on column saldo.balance_adjustment.account_id is 'Account whose balance was adjusted.';
comment on column saldo.balance_adjustment.id is 'Id, ordered by time.';
comment on column saldo.balance_adjustment.entry_id is
  'The adjustment entry; null where the journal had the new balance already.';
comment on column saldo.balance_adjustment.difference_account_id is
  'Account that took the difference.';
comment on column saldo.balance_adjustment.finding_id is
  'Finding that it settles; null = none was named.';
comment on column saldo.balance_adjustment.balance_before is 'Balance that was stored before.';
comment on column saldo.balance_adjustment.journal_balance is 'Balance by the journal before.';
comment on column saldo.balance_adjustment.new_balance is
  'Balance that was asked for, and holds after it.';
comment on column saldo.balance_adjustment.reason is 'Why; also the description of the entry.';
comment on column saldo.balance_adjustment.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.balance_adjustment.adjusted_by is
  'Who adjusted it: token subject or login.';
comment on column saldo.balance_adjustment.adjusted_at is 'When the balance was adjusted.';
