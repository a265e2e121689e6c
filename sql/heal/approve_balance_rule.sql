-- A person approves that a registered rule heals, after looking at what it finds.
--
-- Public: approve_balance_rule. The approvals are in own_tables/rule_approval.sql.

create or replace function saldo.approve_balance_rule(
  name text,
  check_run_id uuid,
  reason text
)
returns saldo.rule_approval
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(approve_balance_rule.reason, 'reason');
  v_rule saldo.registered_rule := saldo_private.registered_rule_of(name);
  v_hash text := saldo_private.rule_definition_hash(v_rule);
  v_result saldo.registered_rule_result;
  v_suspicion text;
  v_approval saldo.rule_approval;
begin
  if v_rule.heal = 'none' then
    perform saldo_private.fail('rule_heal_unfit', format('rule %s heals nothing', name));
  end if;
  select r.*
  into v_result
  from saldo.registered_rule_result as r
  where r.rule = approve_balance_rule.name
  and r.check_run_id = approve_balance_rule.check_run_id;
  if v_result.rule is null then
    perform saldo_private.fail('not_found', format('no result of rule %s in check %s', name,
      coalesce(check_run_id::text, 'none')));
  elsif v_result.definition_hash <> v_hash then
    perform saldo_private.fail('rule_result_outdated', format('rule %s, check %s', name,
      check_run_id));
  end if;
  v_suspicion := saldo_private.rule_suspicion(name, check_run_id);
  if v_suspicion is not null then
    perform saldo_private.fail('rule_suspect', v_suspicion);
  end if;
  insert into saldo.rule_approval (
    id, rule, definition_hash, check_run_id, row_count, differing_count, reason, approved_by
  )
  values (
    saldo_private.uuid_v7(), v_rule.name, v_hash, v_result.check_run_id, v_result.row_count,
    v_result.differing_count, v_reason, saldo_private.actor()
  )
  returning *
  into v_approval;
  return v_approval;
end
$$;
comment on function saldo.approve_balance_rule is
  'Lets a registered rule heal, once a person has seen what it finds: check_run_id is the check '
  'whose result was looked at (registered_rule_result). A rule that is new, or was changed in its '
  'table, queries, tolerance or heal, or in a view or function that these come to, heals nothing '
  'before. Errors in checking order: '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB007 not_found for no such rule '
  'or no result of it in that check, SB647 rule_heal_unfit for a rule with heal none, '
  'SB649 rule_result_outdated when the rule was changed after that check, SB650 rule_suspect when '
  'a larger share of the rows differs than rule_suspect_percent and the rule''s heal_policy allow.';
revoke execute on function saldo.approve_balance_rule from public;
grant execute on function saldo.approve_balance_rule to saldo_admin;
