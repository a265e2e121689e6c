-- Proposals: heals that wait for an administrator other than the one who asked for them.
--
-- Public: saldo.heal_proposal. At most one waits for each rule and key. It holds what a heal would
-- have written. approve_heal.sql makes them and decides on them.

select saldo_private.secure_table('saldo.heal_proposal');
select saldo_private.guard_table('saldo.heal_proposal');
drop policy if exists select_all on saldo.heal_proposal;
create policy select_all on saldo.heal_proposal for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.heal_proposal to saldo_admin, saldo_operator;

comment on type saldo.heal_proposal_status is
  'proposed: it waits; approved: healed; rejected: not to be healed; stale: it is not so any more.';
comment on table saldo.heal_proposal is
  E'@foreignKey (account_id) references saldo.account (id)|@backwardBehavior -*\n'
  '@foreignKey (finding_id) references saldo.finding (id)|@backwardBehavior -*\n'
  'A heal that waits for an administrator''s decision.';
comment on column saldo.heal_proposal.id is 'Id, ordered by time.';
comment on column saldo.heal_proposal.heal_run_id is 'Run of auto_heal that proposed it.';
comment on column saldo.heal_proposal.finding_id is 'Finding that would be healed.';
comment on column saldo.heal_proposal.rule is 'Rule whose finding it is.';
comment on column saldo.heal_proposal.key is 'Key of the finding, in the rule''s own form.';
comment on column saldo.heal_proposal.account_id is 'Account, where it is about one.';
comment on column saldo.heal_proposal.stored is 'Figure that was stored, as text.';
comment on column saldo.heal_proposal.derived is 'Figure that followed from the truth, as text.';
comment on column saldo.heal_proposal.difference is
  'Stored less derived, in the account''s currency.';
comment on column saldo.heal_proposal.before is 'The cache as it was when it was proposed.';
comment on column saldo.heal_proposal.after is 'The cache as the heal would have written it.';
comment on column saldo.heal_proposal.is_escalated is
  'true = the same key was healed or undone before; false = the heal is above a limit.';
comment on column saldo.heal_proposal.reason is 'Why it waits for an approval.';
comment on column saldo.heal_proposal.status is 'Where it stands.';
comment on column saldo.heal_proposal.proposed_by is 'Who asked for the heal.';
comment on column saldo.heal_proposal.proposed_at is 'When the heal was proposed.';
comment on column saldo.heal_proposal.decided_by is 'Who decided: token subject or login.';
comment on column saldo.heal_proposal.decided_at is 'When it was decided; null = not yet.';
comment on column saldo.heal_proposal.decision_reason is 'Why it was decided so.';
