-- Whether a rule may be kept: its table, its heal and guard, its queries.
--
-- Private: prove_rule. Nothing is changed here; each refusal is a condition of its own.

create or replace function saldo_private.prove_rule__table(rule saldo.registered_rule)
returns saldo.registered_rule
language plpgsql
stable
as $$
declare
  v_path text[];
  v_table regclass;
  v_type text;
begin
  begin
    v_path := parse_ident(rule.stored_table);
  exception
    when invalid_parameter_value then null;
  end;
  if cardinality(v_path) = 2 then
    v_table := saldo_private.user_table(rule.stored_table);
  end if;
  if v_table is null
    or v_path[1] ~ '^(pg_|graphile_|(saldo|saldo_private|saldo_rule|information_schema)$)'
    or not exists (
    select
    from pg_catalog.pg_class as c
    where c.oid = v_table
    and c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
  ) then
    perform saldo_private.fail('rule_table_unfit', format('table %L', rule.stored_table));
  end if;
  if not exists (
    select
    from pg_catalog.pg_attribute as a
    where a.attrelid = v_table and a.attname = rule.key_column and a.attnum > 0
  ) then
    perform saldo_private.fail('rule_table_unfit', format('key column %L', rule.key_column));
  end if;
  select t.typname
  into v_type
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_type as t on t.oid = a.atttypid
  where a.attrelid = v_table
  and a.attname = rule.balance_column
  and a.attnum > 0
  and a.attgenerated = ''
  and t.typcategory = 'N'
  and t.typname !~ '^(oid$|reg)';
  if v_type is null then
    perform saldo_private.fail(
      'rule_table_unfit', format('balance column %L: a column of numbers', rule.balance_column)
    );
  end if;
  rule.stored_table := format('%I.%I', v_path[1], v_path[2]);
  rule.stored := format(
    'select %I as key, %I as stored from %s', rule.key_column, rule.balance_column,
    rule.stored_table
  );
  return rule;
end
$$;
comment on function saldo_private.prove_rule__table is
  'The rule with the query that its table stands for; SB646 rule_table_unfit when the table '
  'cannot be used.';

create or replace function saldo_private.prove_rule__means(rule saldo.registered_rule)
returns void
language plpgsql
stable
as $$
declare
  v_function regprocedure;
begin
  if rule.stored_table is null and (rule.heal = 'update' or rule.guard <> 'none')
    or rule.heal = 'function' and rule.heal_function is null
  then
    perform saldo_private.fail('rule_heal_unfit', format('heal %s, guard %s', rule.heal,
      rule.guard));
  end if;
  if rule.heal = 'function' then
    begin
      v_function := to_regprocedure(format('%s(text)', rule.heal_function));
    exception
      when syntax_error or invalid_parameter_value then null;
    end;
    if v_function is null or exists (
      select
      from pg_catalog.pg_proc as p
      join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      where p.oid = v_function
      and (n.nspname ~ '^(pg_|graphile_|(saldo|saldo_private|saldo_rule|information_schema)$)'
        or p.prokind <> 'f')
    ) or cardinality(parse_ident(rule.heal_function)) <> 2 then
      perform saldo_private.fail('rule_heal_unfit', format('function %s(text)',
        rule.heal_function));
    -- By name: what everyone may call was not meant to be called by a rule.
    elsif not exists (
      select
      from pg_catalog.pg_proc as p
      cross join aclexplode(p.proacl) as acl
      where p.oid = v_function
      and acl.grantee = 'saldo_rule_reader'::regrole
      and acl.privilege_type = 'EXECUTE'
    ) then
      perform saldo_private.fail(
        'rule_privilege_missing', format('execute on %s', v_function),
        format('grant execute on function %s to saldo_rule_reader', v_function)
      );
    end if;
  elsif rule.heal = 'update' and not has_column_privilege(
    'saldo_rule_reader', saldo_private.user_table(rule.stored_table), rule.balance_column, 'update'
  ) then
    perform saldo_private.fail(
      'rule_privilege_missing', format('update of %s.%s', rule.stored_table, rule.balance_column),
      format('grant update (%I) on %s to saldo_rule_reader', rule.balance_column,
        rule.stored_table)
    );
  end if;
end
$$;
comment on function saldo_private.prove_rule__means is
  'Refuses a heal or guard that cannot work (SB647 rule_heal_unfit), or a heal that Saldo has no '
  'privilege for (SB645 rule_privilege_missing).';

create or replace function saldo_private.prove_rule__guard(rule saldo.registered_rule)
returns void
language plpgsql
stable
as $$
declare
  v_ungranted text;
begin
  if rule.guard = 'none' then
    return;
  end if;
  -- A trigger on a table with partitions is one on each of these.
  select string_agg(c.oid::regclass::text, ', ' order by c.oid)
  into v_ungranted
  from (
    select saldo_private.user_table(rule.stored_table) as oid
    union
    select t.relid
    from pg_catalog.pg_partition_tree(saldo_private.user_table(rule.stored_table)) as t
  ) as c
  where not has_table_privilege('saldo_owner', c.oid, 'trigger');
  if v_ungranted is not null then
    perform saldo_private.fail(
      'rule_privilege_missing', format('a trigger on %s', v_ungranted),
      format('grant trigger on %s to saldo_owner', v_ungranted)
    );
  end if;
end
$$;
comment on function saldo_private.prove_rule__guard is
  'Refuses a guard whose triggers Saldo has no privilege for (SB645 rule_privilege_missing).';

create or replace function saldo_private.prove_rule(rule saldo.registered_rule)
returns saldo.registered_rule
language plpgsql
as $$
declare
  v_relations jsonb;
begin
  if coalesce(rule.name, '') !~ '^[a-z][a-z0-9_]{0,39}$' then
    perform saldo_private.fail(
      'input_invalid', 'name: 1 to 40 small letters, digits and _, a letter first'
    );
  elsif rule.tolerance is null or rule.tolerance < 0 or rule.tolerance >= 'Infinity' then
    perform saldo_private.fail('input_invalid', 'tolerance: a number from 0 on');
  -- A NULL among them would make the guard's condition unknown, and let everybody pass.
  elsif exists (
    select
    from unnest(rule.writer_roles || rule.writer_applications) as writer
    where coalesce(writer, '') !~ '\S'
  ) then
    perform saldo_private.fail('input_invalid', 'writer_roles, writer_applications: names');
  elsif num_nonnulls(rule.stored_table, rule.key_column, rule.balance_column) not in (0, 3)
    or (rule.stored_table is null) = (rule.stored is null)
  then
    perform saldo_private.fail(
      'input_invalid',
      'either stored, or stored_table with key_column and balance_column'
    );
  end if;
  if rule.stored_table is not null then
    rule := saldo_private.prove_rule__table(rule);
  end if;
  v_relations := saldo_private.require_rule_query('stored', rule.stored)
    || saldo_private.require_rule_query('derived', rule.derived)
    || case when rule.items is null then '[]'
    else saldo_private.require_rule_query('items', rule.items) end;
  perform saldo_private.prove_rule__means(rule);
  perform saldo_private.prove_rule__guard(rule);
  -- What stands on these tables today: a trigger that is gone later may be why a balance is wrong.
  rule.watched_triggers := coalesce((
    select jsonb_agg(distinct jsonb_build_object(
      'table', format('%I.%I', n.nspname, c.relname), 'name', t.tgname
    ))
    from jsonb_array_elements(v_relations) as r (relation)
    join pg_catalog.pg_class as c on c.oid = (r.relation ->> 'id')::oid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_trigger as t on t.tgrelid = c.oid
    where not t.tgisinternal
    and t.tgname !~ '^saldo_guard_'
    and t.tgenabled in ('O', 'A')
  ), '[]');
  return rule;
end
$$;
comment on function saldo_private.prove_rule is
  'The rule as it may be kept; an error of the catalogue when it may not.';
