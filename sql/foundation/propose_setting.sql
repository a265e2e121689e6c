-- Raising a limit further than one person may.
--
-- Public: propose_setting. Private: decide_set_setting.

create or replace function saldo.propose_setting(name text, value text, reason text)
returns saldo.decision
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(propose_setting.reason, 'reason');
begin
  perform saldo_private.set_setting__check(propose_setting.name, propose_setting.value);
  return saldo_private.record_proposal(saldo_private.decision(
    action => 'set_setting',
    arguments => jsonb_build_object('name', propose_setting.name, 'value', propose_setting.value),
    before => jsonb_build_object('value', saldo_private.setting_value(propose_setting.name)),
    reason => v_reason
  ));
end
$$;
comment on function saldo.propose_setting is
  'Proposes a value of a setting, for another administrator to approve: see approve_decision. '
  'Errors in checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB010 input_invalid for a value of the wrong form, SB007 not_found for an unknown name.';
revoke execute on function saldo.propose_setting from public;
grant execute on function saldo.propose_setting to saldo_admin;

create or replace function saldo_private.decide_set_setting(decision saldo.decision)
returns void
language plpgsql
as $$
declare
  v_name text := decision.arguments ->> 'name';
  v_value text := (
    select s.value
    from saldo.setting as s
    where s.name = v_name
    for update
  );
begin
  if v_value is distinct from decision.before ->> 'value' then
    perform saldo_private.fail('proposal_stale', format(
      '%s was %s, and is %s', v_name, decision.before ->> 'value', v_value
    ));
  end if;
  perform saldo_private.set_setting__write(v_name, decision.arguments ->> 'value');
end
$$;
comment on function saldo_private.decide_set_setting is
  'Sets what was proposed: SB622 proposal_stale when the setting is another one by now.';
