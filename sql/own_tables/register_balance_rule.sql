-- Registering a rule over one's own tables, changing it, and taking it back.
--
-- Public: register_balance_rule, change_balance_rule, enable_balance_rule, disable_balance_rule,
-- unregister_balance_rule. Private: save_registered_rule,
-- with_rule_defaults, registered_rule_of.
-- A rule is proven before it is taken (rule_query.sql), and its queries never run as anybody but
-- saldo_rule_reader (rule_sandbox.sql). A rule that has findings leaves its name behind when it is
-- unregistered, so that the findings keep their rule.

create or replace function saldo_private.save_registered_rule(
  rule saldo.registered_rule,
  title text,
  description text
)
returns saldo.registered_rule
language plpgsql
as $$
begin
  rule := saldo_private.prove_rule(rule);
  insert into saldo.balance_rule (
    name, room, title, description, heal_function, is_registered, is_enabled
  )
  values (
    rule.name, 'registered', saldo_private.require_line(title, 'title', 200),
    saldo_private.require_text(description, 'description', 1000),
    case when rule.heal <> 'none' then 'heal_registered_rule' end, true, true
  )
  on conflict on constraint balance_rule_pkey do update
  set title = excluded.title,
    description = excluded.description,
    heal_function = excluded.heal_function,
    is_enabled = true;
  perform saldo_private.place_guard(r, false)
  from saldo.registered_rule as r
  where r.name = rule.name
  and (rule.guard = 'none' or r.stored_table is distinct from rule.stored_table);
  delete from saldo.registered_rule as r
  where r.name = rule.name;
  insert into saldo.registered_rule (
    name, stored_table, key_column, balance_column, stored, derived, items, tolerance, heal,
    heal_function, guard, writer_roles, writer_applications, guard_definition,
    guard_insert_definition, watched_triggers, registered_by, registered_at
  )
  values (
    rule.name, rule.stored_table, rule.key_column, rule.balance_column, rule.stored, rule.derived,
    rule.items, rule.tolerance, rule.heal, rule.heal_function, rule.guard, rule.writer_roles,
    rule.writer_applications, rule.guard_definition, rule.guard_insert_definition,
    rule.watched_triggers, rule.registered_by, rule.registered_at
  );
  if rule.guard <> 'none' then
    perform saldo_private.place_guard(rule, true);
  end if;
  select *
  into rule
  from saldo.registered_rule as r
  where r.name = rule.name;
  perform saldo_private.note_rule_reads(rule);
  perform saldo_private.withdraw_rule_approval(
    rule.name, saldo_private.rule_definition_hash(rule)
  );
  return rule;
end
$$;
comment on function saldo_private.save_registered_rule is
  'Proves a rule and puts it in the place of the one before, with its guard. What was approved '
  'before is not, unless the rule heals as it did.';

create or replace function saldo_private.with_rule_defaults(rule saldo.registered_rule)
returns saldo.registered_rule
language plpgsql
stable
as $$
begin
  if rule.guard = 'refuse' and num_nonnulls(rule.writer_roles, rule.writer_applications) = 0 then
    perform saldo_private.fail('rule_heal_unfit', format(
      '%s: guard refuse without writers would lock out your application: name writer_roles or '
      'writer_applications, or say with writer_roles ''{}'' that nobody writes', rule.name
    ));
  end if;
  rule.tolerance := coalesce(rule.tolerance, 0);
  rule.heal := coalesce(rule.heal, 'none');
  rule.guard := coalesce(rule.guard, 'none');
  rule.writer_roles := coalesce(rule.writer_roles, '{}');
  rule.writer_applications := coalesce(rule.writer_applications, '{}');
  rule.guard_definition := null;
  rule.guard_insert_definition := null;
  rule.watched_triggers := null;
  rule.registered_by := saldo_private.actor();
  rule.registered_at := clock_timestamp();
  return rule;
end
$$;
comment on function saldo_private.with_rule_defaults is
  'The rule as it is to be proven: what is not given has its default, and what proving finds out '
  'is not known yet. SB647 rule_heal_unfit for a guard that refuses everyone, unless that is said.';

create or replace function saldo_private.registered_rule_of(name text)
returns saldo.registered_rule
language plpgsql
as $$
declare
  v_rule saldo.registered_rule;
begin
  select *
  into v_rule
  from saldo.registered_rule as r
  where r.name = registered_rule_of.name
  for update;
  if v_rule.name is null then
    perform saldo_private.fail('not_found', format('rule %L', name));
  end if;
  return v_rule;
end
$$;
comment on function saldo_private.registered_rule_of is
  'The registered rule of that name, locked: SB007 not_found when there is none.';

create or replace function saldo.register_balance_rule(
  name text,
  derived text,
  stored_table text default null,
  key_column text default null,
  balance_column text default null,
  stored text default null,
  items text default null,
  tolerance numeric default 0,
  heal saldo.rule_heal default 'none',
  heal_function text default null,
  guard saldo.rule_guard default 'none',
  writer_roles text[] default null,
  writer_applications text[] default null,
  title text default null,
  description text default null
)
returns saldo.registered_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule saldo.registered_rule;
begin
  if exists (
    select
    from saldo.balance_rule as b
    left join saldo.registered_rule as r on r.name = b.name
    where b.name = register_balance_rule.name
    and (not b.is_registered or r.name is not null)
  ) then
    perform saldo_private.fail('not_unique', format('rule %L', name));
  end if;
  v_rule.name := register_balance_rule.name;
  v_rule.stored_table := register_balance_rule.stored_table;
  v_rule.key_column := register_balance_rule.key_column;
  v_rule.balance_column := register_balance_rule.balance_column;
  v_rule.stored := register_balance_rule.stored;
  v_rule.derived := register_balance_rule.derived;
  v_rule.items := register_balance_rule.items;
  v_rule.tolerance := register_balance_rule.tolerance;
  v_rule.heal := register_balance_rule.heal;
  v_rule.heal_function := register_balance_rule.heal_function;
  v_rule.guard := register_balance_rule.guard;
  v_rule.writer_roles := register_balance_rule.writer_roles;
  v_rule.writer_applications := register_balance_rule.writer_applications;
  return saldo_private.save_registered_rule(
    saldo_private.with_rule_defaults(v_rule), coalesce(title, name),
    coalesce(description, format('What %s stores is what its derived query gives.',
      coalesce(stored_table || '.' || balance_column, name)))
  );
end
$$;
comment on function saldo.register_balance_rule is
  'Registers a rule over your own tables: what is stored must be what is derived, within '
  'tolerance (in the figure''s own unit). stored_table, key_column and balance_column name the '
  'balance; or stored is a query of (key, stored and labels). derived is a query of (key, '
  'derived); items, for explanations, one of (key, item, amount, is_counted) and, where you have '
  'them, status, reference, occurred_at: all that could have moved the balance, amount with its '
  'sign, and whether derived counts it. heal: none, update (the column is set under the row''s '
  'lock) or function (heal_function(key text) is called); nothing is healed before '
  'approve_balance_rule. guard: none, record or refuse writes to '
  'the column by others than writer_roles and writer_applications; refuse asks for one of these, '
  'or for writer_roles => ''{}'', which lets nobody write. Queries run as '
  'saldo_rule_reader; name each table with its schema. Errors: SB014 not_unique for a name that '
  'is taken, SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB640 rule_query_invalid, SB641 rule_columns_wrong, SB642 rule_key_invalid, '
  'SB643 rule_query_writes, SB644 rule_query_slow, SB645 rule_privilege_missing, '
  'SB646 rule_table_unfit, SB647 rule_heal_unfit.';
revoke execute on function saldo.register_balance_rule from public;
grant execute on function saldo.register_balance_rule to saldo_admin;

create or replace function saldo.change_balance_rule(
  name text,
  derived text default null,
  stored_table text default null,
  key_column text default null,
  balance_column text default null,
  stored text default null,
  items text default null,
  tolerance numeric default null,
  heal saldo.rule_heal default null,
  heal_function text default null,
  guard saldo.rule_guard default null,
  writer_roles text[] default null,
  writer_applications text[] default null,
  title text default null,
  description text default null
)
returns saldo.registered_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_old saldo.registered_rule := saldo_private.registered_rule_of(name);
  v_new saldo.registered_rule := v_old;
  v_known saldo.registered_rule;
  v_rule saldo.balance_rule;
  -- A query in the place of a table, or a table in the place of a query.
  v_is_table boolean := case when stored is not null then false when stored_table is not null
    then true else v_old.stored_table is not null end;
begin
  -- Where it did not refuse before, nobody has said who may write.
  if v_old.guard = 'refuse' or cardinality(v_old.writer_roles || v_old.writer_applications) > 0 then
    v_known := v_old;
  end if;
  if num_nonnulls(stored, stored_table) > 1 then
    perform saldo_private.fail('input_invalid', 'either stored or stored_table');
  end if;
  select *
  into v_rule
  from saldo.balance_rule as b
  where b.name = change_balance_rule.name;
  v_new.stored_table := case when v_is_table then coalesce(stored_table, v_old.stored_table) end;
  v_new.key_column := case when v_is_table then coalesce(key_column, v_old.key_column) end;
  v_new.balance_column := case when v_is_table
    then coalesce(balance_column, v_old.balance_column) end;
  v_new.stored := case when not v_is_table then coalesce(stored, v_old.stored) end;
  v_new.derived := coalesce(derived, v_old.derived);
  v_new.items := coalesce(items, v_old.items);
  v_new.tolerance := coalesce(tolerance, v_old.tolerance);
  v_new.heal := coalesce(heal, v_old.heal);
  v_new.heal_function := coalesce(heal_function, v_old.heal_function);
  v_new.guard := coalesce(guard, v_old.guard);
  v_new.writer_roles := coalesce(writer_roles, v_known.writer_roles);
  v_new.writer_applications := coalesce(writer_applications, v_known.writer_applications);
  return saldo_private.save_registered_rule(
    saldo_private.with_rule_defaults(v_new), coalesce(title, v_rule.title),
    coalesce(description, v_rule.description)
  );
end
$$;
comment on function saldo.change_balance_rule is
  'Changes what is given of a registered rule, keeps the rest, and proves the whole again; the '
  'rule is enabled after it. What is changed in its table, queries, tolerance or heal heals '
  'nothing until it is approved again (approve_balance_rule). Errors: SB007 not_found, and those '
  'of register_balance_rule.';
revoke execute on function saldo.change_balance_rule from public;
grant execute on function saldo.change_balance_rule to saldo_admin;

create or replace function saldo.disable_balance_rule(name text)
returns saldo.registered_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule saldo.registered_rule := saldo_private.registered_rule_of(name);
begin
  perform saldo_private.place_guard(v_rule, false);
  update saldo.balance_rule as b
  set is_enabled = false
  where b.name = disable_balance_rule.name;
  return saldo_private.registered_rule_of(name);
end
$$;
comment on function saldo.disable_balance_rule is
  'Takes a registered rule out of the checks, and its guard off the table, until it is enabled. '
  'Errors: SB007 not_found for a name that no registered rule has.';
revoke execute on function saldo.disable_balance_rule from public;
grant execute on function saldo.disable_balance_rule to saldo_admin;

create or replace function saldo.enable_balance_rule(name text)
returns saldo.registered_rule
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select changed.*
  from saldo.change_balance_rule(enable_balance_rule.name) as changed
$$;
comment on function saldo.enable_balance_rule is
  'Proves a registered rule again, puts its guard back, and lets checks run it. Errors: '
  'SB007 not_found, and those of register_balance_rule.';
revoke execute on function saldo.enable_balance_rule from public;
grant execute on function saldo.enable_balance_rule to saldo_admin;

create or replace function saldo.unregister_balance_rule(name text)
returns saldo.registered_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule saldo.registered_rule := saldo_private.registered_rule_of(name);
begin
  perform saldo_private.place_guard(v_rule, false);
  perform saldo_private.withdraw_rule_approval(name, null);
  delete from saldo.registered_rule as r
  where r.name = unregister_balance_rule.name;
  if exists (
    select
    from saldo.finding as f
    where f.rule = unregister_balance_rule.name
    union all
    select
    from saldo.rule_approval as a
    where a.rule = unregister_balance_rule.name
  ) then
    update saldo.balance_rule as b
    set is_enabled = false
    where b.name = unregister_balance_rule.name;
  else
    delete from saldo.balance_rule as b
    where b.name = unregister_balance_rule.name;
  end if;
  return v_rule;
end
$$;
comment on function saldo.unregister_balance_rule is
  'Removes a registered rule and its guard; findings, heals and recorded writes stay, and the '
  'name may be registered again. Errors: SB007 not_found for a name that no registered rule has.';
revoke execute on function saldo.unregister_balance_rule from public;
grant execute on function saldo.unregister_balance_rule to saldo_admin;
