-- A plan to heal one key: how it begins, and how a step decides about it.
--
-- Private: planned_heal, decided.

create or replace function saldo_private.planned_heal(
  rule text,
  key text,
  account_id bigint,
  heal_function text,
  reason text,
  finding_id uuid default null,
  currency text default null,
  stored text default null,
  derived text default null,
  difference numeric default null,
  explanation text default null,
  is_journal_changed boolean default false,
  proposal_id uuid default null
)
returns saldo_private.planned_heal
language plpgsql
immutable
as $$
declare
  v_plan saldo_private.planned_heal;
begin
  v_plan.finding_id := planned_heal.finding_id;
  v_plan.rule := planned_heal.rule;
  v_plan.key := planned_heal.key;
  v_plan.account_id := planned_heal.account_id;
  v_plan.heal_function := planned_heal.heal_function;
  v_plan.currency := planned_heal.currency;
  v_plan.stored := planned_heal.stored;
  v_plan.derived := planned_heal.derived;
  v_plan.difference := planned_heal.difference;
  v_plan.explanation := planned_heal.explanation;
  v_plan.is_journal_changed := planned_heal.is_journal_changed;
  v_plan.outcome := 'healed';
  v_plan.reason := planned_heal.reason;
  v_plan.proposal_id := planned_heal.proposal_id;
  return v_plan;
end
$$;
comment on function saldo_private.planned_heal is
  'A plan to heal a key, as it begins: before and after are not known yet. Call it by name.';

create or replace function saldo_private.decided(
  plan saldo_private.planned_heal,
  outcome text,
  reason text
)
returns saldo_private.planned_heal
language plpgsql
immutable
as $$
begin
  if plan.outcome = 'healed' and outcome is not null and reason is not null then
    plan.outcome := outcome;
    plan.reason := reason;
  end if;
  return plan;
end
$$;
comment on function saldo_private.decided is
  'The plan with this outcome, where there is one with a reason and none was decided before.';

comment on type saldo_private.planned_heal is 'What a heal does about a finding, and did.';
