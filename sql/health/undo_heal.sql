-- Undoing a heal: its difference is taken back, once.
--
-- Public: undo_heal.
-- The inverse difference and not the old figures, since postings may have come since. The next
-- check finds the drift again, and it is not healed again without approval (heal_plan.sql).
-- Locks as a heal.

create or replace function saldo_private.undo_heal__require(heal_action_id uuid)
returns saldo.heal_action
language plpgsql
as $$
declare
  v_action saldo.heal_action;
begin
  select h.*
  into v_action
  from saldo.heal_action as h
  where h.id = undo_heal__require.heal_action_id;
  if v_action.id is null then
    perform saldo_private.fail(
      'not_found', format('heal_action %s', coalesce(heal_action_id::text, 'none'))
    );
  elsif v_action.outcome <> 'healed' then
    perform saldo_private.fail(
      'heal_action_state', format('heal_action %s is %s', heal_action_id, v_action.outcome)
    );
  elsif exists (select from saldo.heal_action as u where u.undoes = v_action.id) then
    perform saldo_private.fail(
      'heal_action_state', format('heal_action %s was undone before', heal_action_id)
    );
  end if;
  return v_action;
end
$$;
comment on function saldo_private.undo_heal__require is
  'The heal, if it can be undone still: SB007, SB623.';

create or replace function saldo.undo_heal(heal_action_id uuid, reason text)
returns saldo.heal_action
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(undo_heal.reason, 'reason');
  v_healed saldo.heal_action;
  v_function text;
  v_plan saldo_private.planned_heal;
  v_action saldo.heal_action;
begin
  perform saldo_private.require_read_committed();
  perform saldo_private.require_sole_maintenance();
  v_healed := saldo_private.undo_heal__require(undo_heal.heal_action_id);
  v_function := 'undo_' || (
    select r.heal_function from saldo.balance_rule as r where r.name = v_healed.rule
  );
  if to_regprocedure(format('saldo_private.%I(text, jsonb, jsonb)', v_function)) is null then
    perform saldo_private.fail('heal_not_undoable', format('rule %s', v_healed.rule));
  end if;

  v_plan.finding_id := v_healed.finding_id;
  v_plan.rule := v_healed.rule;
  v_plan.key := v_healed.key;
  v_plan.account_id := v_healed.account_id;
  v_plan.outcome := 'undone';
  v_plan.reason := v_reason;
  perform saldo_private.lock_heals(array[v_plan]);
  execute format('select u.was, u.became from saldo_private.%I($1, $2, $3) as u', v_function)
  into v_plan.before, v_plan.after
  using v_healed.key, v_healed.before, v_healed.after;
  select h.*
  into v_action
  from saldo_private.record_heals(array[v_plan], undoes => v_healed.id) as h;
  perform saldo_private.record_heals(saldo_private.follow_slots(array[v_plan]));
  perform saldo_private.require_durable_commit();
  return v_action;
end
$$;
comment on function saldo.undo_heal is
  'Takes back what a heal did, postings since then left in place, and records it. Of a heal once. '
  'The next check finds the difference again; it is healed again by approval only. Slots are not '
  'undone: they follow from totals. Errors in checking order: SB010, SB008, SB009, SB020, SB604 '
  'while a heal runs, SB007, SB623, SB624.';
revoke execute on function saldo.undo_heal from public;
grant execute on function saldo.undo_heal to saldo_admin;
