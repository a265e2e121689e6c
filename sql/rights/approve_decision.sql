-- Deciding on what another person has proposed: foundation/decision.sql says of what kind.
--
-- Public: approve_decision, reject_decision. Private: require_waiting_decision.

create or replace function saldo_private.require_waiting_decision(decision_id uuid)
returns saldo.decision
language plpgsql
as $$
declare
  v_decision saldo.decision;
begin
  select d.*
  into v_decision
  from saldo.decision as d
  where d.id = require_waiting_decision.decision_id
  for update;
  if v_decision.id is null then
    perform saldo_private.fail(
      'not_found', format('decision %s', coalesce(decision_id::text, 'none'))
    );
  elsif v_decision.status <> 'proposed' then
    perform saldo_private.fail(
      'proposal_state', format('decision %s is %s', decision_id, v_decision.status)
    );
  end if;
  return v_decision;
end
$$;
comment on function saldo_private.require_waiting_decision is
  'The decision that waits, locked: SB007 not_found, SB620 proposal_state.';

create or replace function saldo.approve_decision(decision_id uuid, reason text)
returns saldo.decision
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
set jit = off -- closing a month runs the rules
as $$
declare
  v_reason text := saldo_private.require_text(approve_decision.reason, 'reason');
  v_decision saldo.decision;
begin
  perform saldo_private.require_read_committed();
  v_decision := saldo_private.require_waiting_decision(approve_decision.decision_id);
  perform saldo_private.require_another_person(
    v_decision.proposed_by, format('decision %s', decision_id)
  );
  if v_decision.action = 'adjust_balance' then
    perform saldo_private.decide_adjust_balance(v_decision);
  elsif v_decision.action = 'unfreeze_account' then
    perform saldo_private.decide_unfreeze_account(v_decision);
  elsif v_decision.action = 'close_period' then
    perform saldo_private.decide_close_period(v_decision);
  elsif v_decision.action = 'set_setting' then
    perform saldo_private.decide_set_setting(v_decision);
  elsif v_decision.action = 'set_heal_policy' then
    perform saldo_private.decide_set_heal_policy(v_decision);
  end if;
  update saldo.decision as d
  set status = 'approved',
    decided_by = saldo_private.actor(),
    decided_at = clock_timestamp(),
    decision_reason = v_reason
  where d.id = v_decision.id
  returning d.*
  into v_decision;
  perform saldo_private.require_durable_commit();
  return v_decision;
end
$$;
comment on function saldo.approve_decision is
  'Does what was proposed, against what it was proposed with. By another administrator than the '
  'one who proposed it, and by no service token. Errors in checking order: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB020 isolation_unsupported, SB007 not_found, '
  'SB620 proposal_state, SB621 approval_needs_another, SB622 proposal_stale when things are not as '
  'they were seen, and by what was proposed those of adjust_balance, those of unfreeze_account, '
  'those of close_period.';
revoke execute on function saldo.approve_decision from public;
grant execute on function saldo.approve_decision to saldo_admin;

create or replace function saldo.reject_decision(decision_id uuid, reason text)
returns saldo.decision
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(reject_decision.reason, 'reason');
  v_decision saldo.decision :=
    saldo_private.require_waiting_decision(reject_decision.decision_id);
begin
  update saldo.decision as d
  set status = 'rejected',
    decided_by = saldo_private.actor(),
    decided_at = clock_timestamp(),
    decision_reason = v_reason
  where d.id = v_decision.id
  returning d.*
  into v_decision;
  return v_decision;
end
$$;
comment on function saldo.reject_decision is
  'Decides that what was proposed is not done. Whoever proposed it may withdraw it so. Errors in '
  'checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB007 not_found, '
  'SB620 proposal_state.';
revoke execute on function saldo.reject_decision from public;
grant execute on function saldo.reject_decision to saldo_admin;
