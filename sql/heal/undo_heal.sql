-- Undoing a heal: its difference is taken back, once.
--
-- Public: undo_heal.
-- In a cache of the engine the difference is reversed; the old figure is not put back, because
-- postings may have come since. In a user's own table the old figure is put back, and only while
-- the heal's figure is still there: how others write it is not known (registered_heal.sql). The
-- next check finds the drift again, and it is not healed again without approval (heal_plan.sql).
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
  'The heal, if it can be undone still: SB007 not_found, SB623 heal_action_state.';

create or replace function saldo_private.undo_heal__take_back(
  plan saldo_private.planned_heal,
  healed saldo.heal_action
)
returns saldo_private.planned_heal
language plpgsql
as $$
declare
  v_heal_function text := (
    select r.heal_function from saldo.balance_rule as r where r.name = healed.rule
  );
begin
  if healed.target is not null or v_heal_function = 'heal_registered_rule' then
    select u.was, u.became
    into plan.before, plan.after
    from saldo_private.undo_registered_heal(healed) as u;
    return plan;
  end if;
  if to_regprocedure(format('saldo_private.%I(text, jsonb, jsonb)', 'undo_' || v_heal_function))
    is null
  then
    perform saldo_private.fail('heal_not_undoable', format('rule %s', healed.rule));
  end if;
  execute format('select u.was, u.became from saldo_private.%I($1, $2, $3) as u',
    'undo_' || v_heal_function)
  into plan.before, plan.after
  using healed.key, healed.before, healed.after;
  return plan;
end
$$;
comment on function saldo_private.undo_heal__take_back is
  'Calls the undo of a heal''s rule, whose locks are held; the plan with before and after.';

create or replace function saldo.undo_heal(heal_action_id uuid, reason text)
returns saldo.heal_action
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(undo_heal.reason, 'reason');
  v_healed saldo.heal_action;
  v_plan saldo_private.planned_heal;
  v_action saldo.heal_action;
begin
  perform saldo_private.require_read_committed();
  perform saldo_private.require_sole_maintenance();
  v_healed := saldo_private.undo_heal__require(undo_heal.heal_action_id);

  v_plan.finding_id := v_healed.finding_id;
  v_plan.rule := v_healed.rule;
  v_plan.key := v_healed.key;
  v_plan.account_id := v_healed.account_id;
  v_plan.outcome := 'undone';
  v_plan.reason := v_reason;
  perform saldo_private.lock_heals(array[v_plan]);
  v_plan := saldo_private.undo_heal__take_back(v_plan, v_healed);
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
  'undone: they follow from totals. A balance of your own table is set back to what it was, if it '
  'is what the heal wrote still (SB623 heal_action_state); what a function of yours healed is not '
  'undone (SB624 heal_not_undoable). Errors in checking order: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB020 isolation_unsupported, '
  'SB604 maintenance_running while a heal runs, SB007 not_found, SB623 heal_action_state, '
  'SB624 heal_not_undoable, SB645 rule_privilege_missing where Saldo may no longer write your '
  'table.';
revoke execute on function saldo.undo_heal from public;
grant execute on function saldo.undo_heal to saldo_admin;
