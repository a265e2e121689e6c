-- Rules as a list: what a file of rules is applied by.
--
-- Public: apply_balance_rules; the type saldo.rule_result. A rule that is not there is registered,
-- one that differs is changed, one that is equal is left as it is, and one that the list does not
-- name is left alone: a file that is missing must not switch checks off.

create or replace function saldo_private.apply_balance_rules__check_form(rule jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_arguments constant text[] := array[
    'name', 'derived', 'stored_table', 'key_column', 'balance_column', 'stored', 'items',
    'tolerance', 'heal', 'heal_function', 'guard', 'writer_roles', 'writer_applications', 'title',
    'description'
  ];
  v_unknown jsonb := case jsonb_typeof(rule) when 'object' then rule - v_arguments else rule end;
begin
  -- A misspelt guard would be no guard, in silence.
  if v_unknown <> '{}' then
    perform saldo_private.fail('input_invalid', format(
      'a rule is an object with the arguments of register_balance_rule; not: %s',
      left(v_unknown::text, 200)
    ));
  end if;
end
$$;
comment on function saldo_private.apply_balance_rules__check_form is
  'Refuses a member of a list that is no rule, or has what no rule has: SB010 input_invalid.';

create or replace function saldo_private.apply_balance_rules__one(rule jsonb)
returns saldo.rule_outcome
language plpgsql
as $$
declare
  v_old saldo.registered_rule;
  v_new saldo.registered_rule;
  v_balance_rule saldo.balance_rule;
begin
  perform saldo_private.apply_balance_rules__check_form(rule);
  select *
  into v_old
  from saldo.registered_rule as r
  where r.name = rule ->> 'name';
  if v_old.name is null then
    perform saldo_private.apply_balance_rules__register(rule);
    return 'registered';
  end if;
  select *
  into v_balance_rule
  from saldo.balance_rule as b
  where b.name = v_old.name;
  v_new := saldo_private.apply_balance_rules__of(rule);
  if (v_old.stored_table, v_old.key_column, v_old.balance_column, v_old.derived, v_old.items,
      v_old.tolerance, v_old.heal, v_old.heal_function, v_old.guard, v_old.writer_roles,
      v_old.writer_applications, v_balance_rule.title, v_balance_rule.description)
    is not distinct from
    (v_new.stored_table, v_new.key_column, v_new.balance_column, v_new.derived, v_new.items,
      v_new.tolerance, v_new.heal, v_new.heal_function, v_new.guard, v_new.writer_roles,
      v_new.writer_applications, coalesce(rule ->> 'title', v_balance_rule.title),
      coalesce(rule ->> 'description', v_balance_rule.description))
    and (v_new.stored_table is not null or v_old.stored = v_new.stored)
    and v_balance_rule.is_enabled
  then
    return 'unchanged';
  end if;
  perform saldo_private.save_registered_rule(v_new,
    coalesce(rule ->> 'title', v_balance_rule.title),
    coalesce(rule ->> 'description', v_balance_rule.description));
  return 'changed';
end
$$;
comment on function saldo_private.apply_balance_rules__one is
  'Registers or changes one rule of a list, or leaves it when nothing differs.';

create or replace function saldo_private.apply_balance_rules__of(rule jsonb)
returns saldo.registered_rule
language sql
stable
as $$
  select saldo_private.with_rule_defaults(
    jsonb_populate_record(null::saldo.registered_rule, rule)
  )
$$;
comment on function saldo_private.apply_balance_rules__of is
  'The rule that a member of a list stands for, with the defaults of register_balance_rule.';

create or replace function saldo_private.apply_balance_rules__register(rule jsonb)
returns void
language sql
as $$
  select
  from saldo_private.apply_balance_rules__of(rule) as r
  cross join lateral saldo.register_balance_rule(
    r.name, r.derived, r.stored_table, r.key_column, r.balance_column, r.stored, r.items,
    r.tolerance, r.heal, r.heal_function, r.guard, r.writer_roles, r.writer_applications,
    rule ->> 'title', rule ->> 'description'
  )
$$;
comment on function saldo_private.apply_balance_rules__register is
  'Registers a member of a list.';

create or replace function saldo.apply_balance_rules(rules jsonb)
returns setof saldo.rule_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule jsonb;
  v_result saldo.rule_result;
  v_is_over boolean := false;
begin
  if rules is null or jsonb_typeof(rules) <> 'array' or jsonb_array_length(rules) > 1000 then
    perform saldo_private.fail('input_invalid', 'rules: an array of at most 1000 objects');
  end if;
  for v_rule in
    select each
    from jsonb_array_elements(rules) as each
  loop
    v_result := null;
    v_result.name := v_rule ->> 'name';
    begin
      if v_is_over then
        perform saldo_private.fail('timeout', 'a rule before it took all the time that there was');
      end if;
      v_result.outcome := saldo_private.apply_balance_rules__one(v_rule);
    exception
      -- A rule that is refused holds back none.
      when others then
        v_result.outcome := 'refused';
        get stacked diagnostics v_result.error_code = returned_sqlstate,
          v_result.message = message_text,
          v_result.detail = pg_exception_detail,
          v_result.hint = pg_exception_hint,
          v_result.error_condition = constraint_name;
        -- A statement is timed out once: after that nothing would stop the next one.
        v_is_over := v_is_over or v_result.error_code = 'SB644' and v_result.detail ~ '57014';
    end;
    return next v_result;
  end loop;
end
$$;
comment on function saldo.apply_balance_rules is
  'Registers or changes rules over your own tables: an array of objects with the arguments of '
  'register_balance_rule. Equal rules stay as they are, and rules that are not named too. A rule '
  'that is refused is told with its error, and holds back none, unless it took all the time of '
  'the statement: then the next are refused with SB016 timeout. Errors: SB010 input_invalid for '
  'no such array.';
revoke execute on function saldo.apply_balance_rules from public;
grant execute on function saldo.apply_balance_rules to saldo_admin;

comment on type saldo.rule_outcome is 'What became of a rule of a list.';
comment on type saldo.rule_result is
  'What became of a rule of a list, with the error of a refusal.';
