-- Heals of registered rules, and the undo of them: what auto_heal and undo_heal call.
--
-- Private: heal_registered_rule, heal_target, undo_registered_heal. The user's table is written by
-- saldo_rule_reader, one row under its lock (rule_heal_sandbox.sql). What does not work out is
-- undone and refused with its reason: a user's trigger that fails must not undo the heals of
-- others. A heal keeps which column it set: its rule may be changed before it is undone, mostly
-- because it was the rule that was wrong.

create or replace function saldo_private.heal_registered_rule(name text, key text)
returns table (before jsonb, after jsonb, refusal text)
language plpgsql
as $$
declare
  v_rule saldo.registered_rule;
  v_result jsonb;
  v_started_at timestamptz := clock_timestamp();
begin
  select *
  into strict v_rule
  from saldo.registered_rule as r
  where r.name = heal_registered_rule.name;
  begin
    -- Again, and here: whatever asked for it, and however old its plan or proposal is.
    if v_rule.heal <> 'none' and not saldo_private.is_rule_approved(v_rule) then
      v_result := jsonb_build_object('refusal', 'Nobody has approved that this rule heals.');
    elsif v_rule.heal = 'update' then
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
    -- The user's code was made to end with all constraints immediate; these wait for their run.
    set constraints saldo.finding_check_run_id_fkey, saldo.heal_action_heal_run_id_fkey,
      saldo.heal_proposal_heal_run_id_fkey, saldo.registered_rule_result_check_run_id_fkey deferred;
  exception
    when sqlstate 'SBR01' then
      v_result := jsonb_build_object(
        'refusal', 'After the heal the figures still differed, so it was undone.'
      );
    when sqlstate 'SBR02' then
      v_result := jsonb_build_object('refusal',
        'A trigger or function of the table''s changed a setting of the session, so it was undone.'
      );
    when no_data_found then
      v_result := jsonb_build_object('refusal', 'There is no such row in the table of the rule.');
    when too_many_rows then
      v_result := jsonb_build_object(
        'refusal', 'There are several rows of this key in the table of the rule.'
      );
    when query_canceled or others then
      if sqlstate = '57014' and not saldo_private.was_rule_stopped(v_started_at) then
        raise;
      end if;
      v_result := jsonb_build_object('refusal', format('%s (%s)', sqlerrm, sqlstate));
  end;
  return query
  select v_result -> 'before', v_result -> 'after', v_result ->> 'refusal';
end
$$;
comment on function saldo_private.heal_registered_rule is
  'Heals one key of a registered rule; nulls when it agreed by the time its lock was held, a '
  'refusal when it could not be healed.';

create or replace function saldo_private.heal_target(rule text)
returns jsonb
language sql
stable
as $$
  select jsonb_build_object(
    'table', r.stored_table, 'key_column', r.key_column, 'balance_column', r.balance_column
  )
  from saldo.registered_rule as r
  where r.name = heal_target.rule
  and r.heal = 'update'
$$;
comment on function saldo_private.heal_target is
  'Which column of a user''s table a heal of the rule sets; null for a cache of the engine, and '
  'where a function of the user''s heals.';

create or replace function saldo_private.undo_registered_heal__refuse(
  heal_action saldo.heal_action,
  code text,
  message text
)
returns void
language plpgsql
stable
as $$
declare
  v_detail text := format('%s, key %s: %s', heal_action.target ->> 'table', heal_action.key,
    message);
begin
  case code
    when '' then
      perform saldo_private.fail('heal_action_state', v_detail,
        'The balance was written since: only what a heal has left is taken back.');
    when '42501' then
      perform saldo_private.fail('rule_privilege_missing', v_detail);
    else
      perform saldo_private.fail('heal_not_undoable', format('%s (%s)', v_detail, code),
        'The table did not take the figure back: DETAIL tells why. Nothing was changed.');
  end case;
end
$$;
comment on function saldo_private.undo_registered_heal__refuse is
  'Turns why an undo did not work out into an error of the catalogue: SB623 heal_action_state '
  'when the balance is not what the heal wrote (no code), SB645 rule_privilege_missing, '
  'SB624 heal_not_undoable.';

create or replace function saldo_private.undo_registered_heal(heal_action saldo.heal_action)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_result jsonb;
  v_code text;
  v_message text;
begin
  if heal_action.target is null then
    perform saldo_private.fail('heal_not_undoable', format('rule %s', heal_action.rule),
      'The heal was a function of yours, and what it did is not known here: take it back by hand.');
  end if;
  begin
    v_result := saldo_rule.undo_by_update(
      heal_action.target ->> 'table', heal_action.target ->> 'key_column',
      heal_action.target ->> 'balance_column', (heal_action.before #>> '{}')::numeric,
      (heal_action.after #>> '{}')::numeric, heal_action.key
    );
    -- As above.
    set constraints saldo.finding_check_run_id_fkey, saldo.heal_action_heal_run_id_fkey,
      saldo.heal_proposal_heal_run_id_fkey, saldo.registered_rule_result_check_run_id_fkey deferred;
    v_message := v_result ->> 'refusal';
    v_code := case when v_message is not null then '' end;
  exception
    when no_data_found then
      v_code := '';
      v_message := 'there is no such row any more';
    when too_many_rows then
      v_code := '';
      v_message := 'there are several rows of this key now';
    when sqlstate 'SBR02' then
      v_code := sqlstate;
      v_message := 'a trigger of the table''s changed a setting of the session';
    when sqlstate 'SBR01' then
      v_code := sqlstate;
      v_message := 'the column did not keep the figure';
    when others then
      v_code := sqlstate;
      v_message := sqlerrm;
  end;
  if v_code is not null then
    perform saldo_private.undo_registered_heal__refuse(heal_action, v_code, v_message);
  end if;
  return query
  select v_result -> 'was', v_result -> 'became';
end
$$;
comment on function saldo_private.undo_registered_heal is
  'Sets a balance of a user''s table back to what it was before a heal, if it is what the heal '
  'wrote still. Errors: SB623 heal_action_state when it is not, SB624 heal_not_undoable for heals '
  'by a function and where the table does not take it, SB645 rule_privilege_missing.';
