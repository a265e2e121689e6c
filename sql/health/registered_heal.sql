-- Heals of registered rules: what auto_heal calls for them.
--
-- Private: heal_registered_rule. The user's table is written by saldo_rule_reader, one row under
-- its lock (rule_heal_sandbox.sql). What does not work out is undone and refused with its reason: a
-- user's trigger that fails must not undo the heals of others.

create or replace function saldo_private.heal_registered_rule(name text, key text)
returns table (before jsonb, after jsonb, refusal text)
language plpgsql
as $$
declare
  v_rule saldo.registered_rule;
  v_result jsonb;
begin
  select *
  into strict v_rule
  from saldo.registered_rule as r
  where r.name = heal_registered_rule.name;
  begin
    if v_rule.heal = 'update' then
      v_result := saldo_rule.heal_by_update(v_rule.stored_table, v_rule.key_column,
        v_rule.balance_column, v_rule.derived, v_rule.tolerance, key);
    elsif v_rule.heal = 'function' then
      v_result := saldo_rule.heal_by_function(
        to_regprocedure(format('%s(text)', v_rule.heal_function)), v_rule.stored, v_rule.derived,
        v_rule.tolerance, key
      );
    else
      v_result := jsonb_build_object('refusal', 'The rule is not healed: a human decides.');
    end if;
  exception
    when sqlstate 'SBR01' then
      v_result := jsonb_build_object(
        'refusal', 'After the heal the figures still differed, so it was undone.'
      );
    when no_data_found then
      v_result := jsonb_build_object('refusal', 'There is no such row in the table of the rule.');
    when others then
      v_result := jsonb_build_object('refusal', format('%s (%s)', sqlerrm, sqlstate));
  end;
  return query
  select v_result -> 'before', v_result -> 'after', v_result ->> 'refusal';
end
$$;
comment on function saldo_private.heal_registered_rule is
  'Heals one key of a registered rule; nulls when it agreed by the time its lock was held, a '
  'refusal when it could not be healed.';
