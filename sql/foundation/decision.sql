-- Decisions: what people do that no rule can check, since the figure is theirs to say: balances are
-- adjusted, accounts released, months closed with open items, limits raised.
--
-- Public: saldo.decision. Private: decision, record_decision, record_proposal,
-- require_second_person.
-- All of them are kept and told as alerts (alert/decision_condition.sql). What is above a setting
-- waits for another person (rights/approve_decision.sql), who approves it against what it was seen
-- with: before. Each action has a function saldo_private.decide_<action>(decision), which does it
-- or raises proposal_stale, and a public function that proposes it.

create or replace function saldo_private.decision(
  action text,
  arguments jsonb,
  before jsonb,
  reason text,
  account_id bigint default null,
  amount numeric default null,
  currency text default null
)
returns saldo.decision
language plpgsql
stable
as $$
declare
  v_decision saldo.decision;
begin
  v_decision.action := decision.action;
  v_decision.arguments := jsonb_strip_nulls(decision.arguments);
  v_decision.before := decision.before;
  v_decision.reason := decision.reason;
  v_decision.account_id := decision.account_id;
  v_decision.amount := trim_scale(decision.amount);
  v_decision.currency := decision.currency;
  v_decision.proposed_by := saldo_private.actor();
  return v_decision;
end
$$;
comment on function saldo_private.decision is
  'A decision of whoever calls. Call it by name; record_decision or record_proposal keeps it.';

create or replace function saldo_private.record_decision(
  decision saldo.decision,
  status saldo.decision_status
)
returns saldo.decision
language plpgsql
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_is_alone boolean := status = 'approved';
  v_decision saldo.decision;
begin
  insert into saldo.decision (
    id, action, arguments, account_id, amount, currency, before, reason, is_alone, status,
    proposed_by, proposed_at, decided_by, decided_at
  )
  values (
    gen_random_uuid(), decision.action, decision.arguments, decision.account_id, decision.amount,
    decision.currency, decision.before, decision.reason, v_is_alone, record_decision.status,
    decision.proposed_by, v_now, case when v_is_alone then decision.proposed_by end,
    case when v_is_alone then v_now end
  )
  returning *
  into v_decision;
  return v_decision;
end
$$;
comment on function saldo_private.record_decision is
  'Keeps what a person has done alone (approved), or what waits for another one (proposed).';

create or replace function saldo_private.record_proposal(decision saldo.decision)
returns saldo.decision
language plpgsql
as $$
declare
  v_about constant text[] := array['account_id', 'month', 'name', 'rule'];
begin
  -- Of two about the same thing the later one is meant.
  update saldo.decision as d
  set status = 'stale',
    decided_by = saldo_private.actor(),
    decided_at = clock_timestamp(),
    decision_reason = 'Another one was proposed.'
  where d.status = 'proposed'
  and d.action = decision.action
  and (
    select jsonb_object_agg(each.key, each.value)
    from jsonb_each(d.arguments) as each
    where each.key = any (v_about)
  ) = (
    select jsonb_object_agg(each.key, each.value)
    from jsonb_each(decision.arguments) as each
    where each.key = any (v_about)
  );
  return saldo_private.record_decision(decision, 'proposed');
end
$$;
comment on function saldo_private.record_proposal is
  'Keeps a proposal, in the place of one about the same account, month, setting or rule.';

create or replace function saldo_private.require_second_person(detail text)
returns void
language plpgsql
stable
as $$
begin
  perform saldo_private.fail('second_person_needed', detail);
end
$$;
comment on function saldo_private.require_second_person is
  'Refuses what one person may not do alone: SB662 second_person_needed.';

select saldo_private.secure_table('saldo.decision');
drop policy if exists select_all on saldo.decision;
create policy select_all on saldo.decision for select to saldo_admin, saldo_operator using (true);
grant select on saldo.decision to saldo_admin, saldo_operator;

comment on type saldo.decision_status is
  'proposed: it waits; approved: done; rejected: not to be done; stale: another one was proposed.';
comment on table saldo.decision is
  'What a person decided that moves money or loosens a limit, alone or together with another one.';
comment on column saldo.decision.id is 'Id.';
comment on column saldo.decision.action is
  'What is done: adjust_balance, unfreeze_account, close_period (with open items waived), '
  'set_setting and set_heal_policy (a limit raised).';
comment on column saldo.decision.arguments is 'With what: the arguments of the function.';
comment on column saldo.decision.account_id is 'Account, where it is about one.';
comment on column saldo.decision.amount is
  'By how much a balance changes, or how much is released; null = it is about no amount.';
comment on column saldo.decision.currency is 'Currency of the amount.';
comment on column saldo.decision.before is
  'How things stood when it was decided or proposed. A proposal is approved against this.';
comment on column saldo.decision.reason is 'Why, in the words of whoever asked for it.';
comment on column saldo.decision.is_alone is 'true = one person did it; false = it needs two.';
comment on column saldo.decision.status is
  'proposed: it waits; approved: done; rejected: not to be done; stale: replaced by another one.';
comment on column saldo.decision.proposed_by is 'Who did it, or asked for it: subject or login.';
comment on column saldo.decision.proposed_at is 'When they did.';
comment on column saldo.decision.decided_by is 'Who decided: subject or login; null = nobody yet.';
comment on column saldo.decision.decided_at is 'When it was decided; null = not yet.';
comment on column saldo.decision.decision_reason is 'Why it was decided so; null = done alone.';
