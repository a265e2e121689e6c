-- Proposing a heal, and deciding on the proposal.
--
-- Public: approve_heal, reject_heal. Private: propose_heals. A proposal (heal_proposal.sql) is made
-- by a heal that is run and undone again. The difference is what is approved: later postings move
-- the stored and the derived figure alike, and any other change makes the proposal stale.

create or replace function saldo_private.propose_heals__preview(
  plan saldo_private.planned_heal[]
)
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_plan saldo_private.planned_heal[];
begin
  begin
    v_plan := saldo_private.run_heals(plan, array['needs_approval', 'escalated']);
    perform saldo_private.fail('heal_refused', 'a preview ends here');
  exception
    when sqlstate 'SB603' then
      if v_plan is null then
        raise;
      end if;
  end;
  return v_plan;
end
$$;
comment on function saldo_private.propose_heals__preview is
  'What would be written by the heals that need approval; nothing is.';

create or replace function saldo_private.propose_heals__named(
  plan saldo_private.planned_heal,
  proposal_id uuid
)
returns saldo_private.planned_heal
language plpgsql
immutable
as $$
begin
  plan.proposal_id := propose_heals__named.proposal_id;
  -- What would be written stands in the proposal; nothing has been.
  if proposal_id is not null then
    plan.before := null;
    plan.after := null;
  end if;
  return plan;
end
$$;
comment on function saldo_private.propose_heals__named is 'The plan with its proposal, if any.';

create or replace function saldo_private.propose_heals(
  plan saldo_private.planned_heal[],
  heal_run_id uuid
)
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_plan saldo_private.planned_heal[] := plan;
begin
  if exists (select from unnest(plan) as p where p.outcome in ('needs_approval', 'escalated')) then
    v_plan := saldo_private.propose_heals__preview(plan);
  end if;
  -- What waits from earlier runs and is not the same any more, or was healed since.
  update saldo.heal_proposal as o
  set status = 'stale',
    decided_at = clock_timestamp(),
    decided_by = saldo_private.actor(),
    decision_reason = 'A later heal did not find it so any more.'
  where o.status = 'proposed'
  and not exists (
    select
    from unnest(v_plan) as p
    where p.outcome in ('needs_approval', 'escalated')
    and p.rule = o.rule
    and p.key = o.key
    and (p.outcome = 'escalated') = o.is_escalated
    and saldo_private.heal_gap(p.before, p.after)
      is not distinct from saldo_private.heal_gap(o.before, o.after)
  );
  insert into saldo.heal_proposal (
    id, heal_run_id, finding_id, rule, key, account_id, stored, derived, difference, before, after,
    is_escalated, reason, proposed_by
  )
  select saldo_private.uuid_v7(), propose_heals.heal_run_id, p.finding_id, p.rule, p.key,
    p.account_id, p.stored, p.derived, p.difference, p.before, p.after, p.outcome = 'escalated',
    p.reason, saldo_private.actor()
  from unnest(v_plan) as p
  where p.outcome in ('needs_approval', 'escalated')
  on conflict (rule, key) where status = 'proposed' do nothing;

  return array(
    select saldo_private.propose_heals__named(p, o.id)
    from unnest(v_plan) as p
    left join saldo.heal_proposal as o on o.rule = p.rule
      and o.key = p.key
      and o.status = 'proposed'
      and p.outcome in ('needs_approval', 'escalated')
  );
end
$$;
comment on function saldo_private.propose_heals is
  'Writes a proposal for each heal of the plan that needs one, keeps those that say the same '
  'already, and makes the others stale.';

create or replace function saldo_private.require_proposal(proposal_id uuid)
returns saldo.heal_proposal
language plpgsql
as $$
declare
  v_proposal saldo.heal_proposal;
begin
  perform saldo_private.require_sole_maintenance();
  select o.*
  into v_proposal
  from saldo.heal_proposal as o
  where o.id = require_proposal.proposal_id
  for update;
  if v_proposal.id is null then
    perform saldo_private.fail(
      'not_found', format('proposal %s', coalesce(proposal_id::text, 'none'))
    );
  elsif v_proposal.status <> 'proposed' then
    perform saldo_private.fail(
      'proposal_state', format('proposal %s is %s', proposal_id, v_proposal.status)
    );
  end if;
  return v_proposal;
end
$$;
comment on function saldo_private.require_proposal is
  'The proposal that waits, locked: SB604 maintenance_running, SB007 not_found, '
  'SB620 proposal_state.';

create or replace function saldo.approve_heal(proposal_id uuid, reason text)
returns saldo.heal_action
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(approve_heal.reason, 'reason');
  v_proposal saldo.heal_proposal;
  v_plan saldo_private.planned_heal[];
  v_action saldo.heal_action;
begin
  perform saldo_private.require_read_committed();
  v_proposal := saldo_private.require_proposal(approve_heal.proposal_id);
  perform saldo_private.require_another_person(
    v_proposal.proposed_by, format('proposal %s', proposal_id)
  );
  v_plan := array[saldo_private.planned_heal(
    finding_id => v_proposal.finding_id,
    rule => v_proposal.rule,
    key => v_proposal.key,
    account_id => v_proposal.account_id,
    heal_function => (
      select r.heal_function from saldo.balance_rule as r where r.name = v_proposal.rule
    ),
    stored => v_proposal.stored,
    derived => v_proposal.derived,
    difference => v_proposal.difference,
    reason => v_reason,
    proposal_id => v_proposal.id
  )];
  perform saldo_private.lock_heals(v_plan);
  v_plan := saldo_private.run_heals(v_plan, array['healed']);
  if v_plan[1].outcome <> 'healed'
    or saldo_private.heal_gap(v_plan[1].before, v_plan[1].after)
      is distinct from saldo_private.heal_gap(v_proposal.before, v_proposal.after)
  then
    perform saldo_private.fail('proposal_stale', format('proposal %s: %s, proposed %s', proposal_id,
      coalesce(saldo_private.heal_gap(v_plan[1].before, v_plan[1].after)::text, 'no difference'),
      saldo_private.heal_gap(v_proposal.before, v_proposal.after)));
  end if;
  update saldo.heal_proposal as o
  set status = 'approved',
    decided_by = saldo_private.actor(),
    decided_at = clock_timestamp(),
    decision_reason = v_reason
  where o.id = v_proposal.id;
  select h.*
  into v_action
  from saldo_private.record_heals(v_plan) as h;
  perform saldo_private.record_heals(saldo_private.follow_slots(v_plan));
  perform saldo_private.require_durable_commit();
  return v_action;
end
$$;
comment on function saldo.approve_heal is
  'Heals what a proposal is about, whatever the limits, under the lock of its key. By another '
  'administrator than the one who proposed it, and by no service token; what the scheduler '
  'proposed any may approve. '
  'Returns what was done. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB020 isolation_unsupported, SB604 maintenance_running while a heal runs, '
  'SB007 not_found, SB620 proposal_state, SB621 approval_needs_another, SB622 proposal_stale when '
  'the difference is not the one that was proposed: the next heal proposes again.';
revoke execute on function saldo.approve_heal from public;
grant execute on function saldo.approve_heal to saldo_admin;

create or replace function saldo.reject_heal(proposal_id uuid, reason text)
returns saldo.heal_proposal
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(reject_heal.reason, 'reason');
  v_proposal saldo.heal_proposal := saldo_private.require_proposal(reject_heal.proposal_id);
begin
  update saldo.heal_proposal as o
  set status = 'rejected',
    decided_by = saldo_private.actor(),
    decided_at = clock_timestamp(),
    decision_reason = v_reason
  where o.id = v_proposal.id
  returning o.*
  into v_proposal;
  return v_proposal;
end
$$;
comment on function saldo.reject_heal is
  'Decides that a proposal is not healed. For heal_repeat_hours the same difference is not '
  'proposed again. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB604 maintenance_running while a heal runs, SB007 not_found, '
  'SB620 proposal_state.';
revoke execute on function saldo.reject_heal from public;
grant execute on function saldo.reject_heal to saldo_admin;
