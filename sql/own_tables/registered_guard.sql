-- The guard of a user's own table: triggers on the column that a registered rule is about.
--
-- Private: place_guard, tg__guard_registered, guarded_figures, record_guarded_write,
-- rule_engine_configuration__registered.
-- The writers that the rule names stand in the WHEN clause of the triggers: they pay for no call,
-- and current_user is there that of the statement, also within their own definer functions. An
-- application's name can be chosen by anyone: it keeps mistakes away, not people.
-- Only key and figure of a row are kept: the rest of a user's row is nobody's business here.
-- A trigger that saldo_owner may make but not drop (that takes the table's owner) is silenced by
-- WHEN (false) where the guard is taken away.

create or replace function saldo_private.guarded_figures(
  rule saldo.registered_rule,
  table_id oid,
  table_row anyelement
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_part record;
  v_text text;
  v_figures jsonb := '{}';
begin
  -- The types of a user's table are the user's: their casts, which JSON of the row would call, run
  -- as whoever is here. A type's own output, which format calls, takes a superuser to make.
  for v_part in
    select named.part, a.attname
    from (
      values ('key', rule.key_column), ('stored', rule.balance_column)
    ) as named (part, name)
    left join pg_attribute as a on a.attrelid = table_id
      and a.attname = named.name
      and a.attnum > 0
  loop
    v_text := null;
    -- A column that is gone would be taken for a function.
    if v_part.attname is not null and table_row is distinct from null then
      execute format(
        'select case when num_nulls(($1).%1$I) = 0 then format(''%%s'', ($1).%1$I) end',
        v_part.attname
      )
      into v_text
      using table_row;
    end if;
    v_figures := v_figures || jsonb_build_object(v_part.part, v_text);
  end loop;
  return v_figures;
end
$$;
comment on function saldo_private.guarded_figures is
  'Key and figure of a row of a user''s table, as texts.';

create or replace function saldo_private.record_guarded_write(
  rule saldo.registered_rule,
  table_id oid,
  operation text,
  old_row anyelement,
  new_row anyelement
)
returns void
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_event saldo.guard_event;
begin
  v_event.table_name := rule.stored_table;
  v_event.operation := lower(record_guarded_write.operation);
  v_event.rule := rule.name;
  begin
    if record_guarded_write.operation = 'UPDATE' then
      v_event.old_row := saldo_private.guarded_figures(rule, table_id, old_row);
    end if;
    v_event.new_row := saldo_private.guarded_figures(rule, table_id, new_row);
    v_event.key := v_event.new_row ->> 'key';
  exception
    -- A user's type may refuse to be written as text; the row goes in all the same.
    when others then
      raise warning 'The figures of a write to % cannot be recorded: %', rule.stored_table, sqlerrm;
  end;
  perform saldo_private.keep_guard_event(v_event);
end
$$;
comment on function saldo_private.record_guarded_write is
  'Records a write to a guarded balance of a user''s table: who, from where, old and new figure.';

create or replace function saldo_private.tg__guard_registered()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule saldo.registered_rule;
begin
  select *
  into v_rule
  from saldo.registered_rule as r
  where r.name = TG_ARGV[0];
  if v_rule.guard = 'record' or (
    v_rule.guard = 'refuse' and current_setting('session_replication_role') = 'replica'
  ) then
    perform saldo_private.record_guarded_write(v_rule, TG_RELID, TG_OP, OLD, NEW);
  elsif v_rule.guard = 'refuse' then
    perform saldo_private.fail(
      'balance_write_refused',
      format('%s of %s.%s by %s', lower(TG_OP), v_rule.stored_table, v_rule.balance_column,
        session_user),
      format(
        'Rule %s lets these write it: roles %s; applications %s. To repair a drift call '
          'saldo.auto_heal.',
        v_rule.name, coalesce(nullif(array_to_string(v_rule.writer_roles, ', '), ''), 'none'),
        coalesce(nullif(array_to_string(v_rule.writer_applications, ', '), ''), 'none')
      )
    );
  end if;
  return NEW;
end
$$;
comment on function saldo_private.tg__guard_registered is
  'Refuses (SB648 balance_write_refused) or records a write to a balance that a registered rule '
  'guards.';

create or replace function saldo_private.place_guard__trigger(
  rule saldo.registered_rule,
  event text,
  is_on boolean
)
returns text
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_table regclass := saldo_private.user_table(rule.stored_table);
  v_name text := format('saldo_guard_%s_%s', event, rule.name);
  v_change text := case event
    when 'update' then format('old.%1$I is distinct from new.%1$I', rule.balance_column)
    -- A row may begin with nothing.
    else format('coalesce(new.%I::numeric, 0) <> 0', rule.balance_column) end;
begin
  if not is_on and not exists (
    select
    from pg_catalog.pg_trigger as t
    where t.tgrelid = v_table
    and t.tgname = v_name
  ) then
    return null;
  end if;
  execute format(
    'create or replace trigger %I before %s on %s for each row when (%s) '
      'execute function saldo_private.tg__guard_registered(%L)',
    v_name, event, v_table,
    case when is_on then format(
      '%s and current_user <> ''saldo_rule_reader'' and not (current_user = any (%L::name[])) '
        'and not (current_setting(''application_name'') = any (%L::text[]))',
      v_change, rule.writer_roles::text, rule.writer_applications::text
    ) else 'false' end,
    rule.name
  );
  if pg_has_role('saldo_owner', (
    select c.relowner from pg_catalog.pg_class as c where c.oid = v_table
  ), 'usage') then
    if is_on then
      execute format('alter table %s enable always trigger %I', v_table, v_name);
    else
      execute format('drop trigger %I on %s', v_name, v_table);
    end if;
  elsif not is_on then
    raise notice 'The trigger is silent; the owner of its table may say: drop trigger % on %',
      quote_ident(v_name), v_table;
  end if;
  return (
    select pg_get_triggerdef(t.oid)
    from pg_catalog.pg_trigger as t
    where is_on
    and t.tgrelid = v_table
    and t.tgname = v_name
  );
end
$$;
comment on function saldo_private.place_guard__trigger is
  'Makes, changes or silences one trigger of a guard, and gives its definition.';

create or replace function saldo_private.place_guard(rule saldo.registered_rule, is_on boolean)
returns void
language plpgsql
as $$
declare
  v_table regclass := saldo_private.user_table(rule.stored_table);
begin
  -- A table that is gone has no guard either.
  if v_table is null then
    return;
  end if;
  update saldo.registered_rule as r
  set guard_definition = saldo_private.place_guard__trigger(rule, 'update', is_on),
    guard_insert_definition = saldo_private.place_guard__trigger(rule, 'insert', is_on)
  where r.name = rule.name;
end
$$;
comment on function saldo_private.place_guard is
  'Puts the guard of a rule on its table, or takes it away.';

create or replace function saldo_private.rule_engine_configuration__registered()
returns table (key text, stored text, derived text)
language sql
stable
-- Definitions are told with the names that the path makes necessary.
set search_path = saldo, saldo_private, pg_temp
as $$
  select format('trigger saldo_guard_%s_%s on %s', expected.event, r.name,
      coalesce(part.name, r.stored_table)),
    coalesce(
      case t.tgenabled when 'D' then 'disabled' when 'R' then 'fires on replicas only'
        when 'A' then 'changed' when 'O' then 'changed' end,
      'missing'
    ),
    'on, as registered'
  from saldo.registered_rule as r
  cross join lateral (
    values ('update', r.guard_definition), ('insert', r.guard_insert_definition)
  ) as expected (event, definition)
  -- The table, which may be gone, and its partitions: each has the trigger, and may lose it.
  cross join lateral (
    select saldo_private.user_table(r.stored_table) as id, null as name
    union all
    select c.oid, format('%I.%I', c.relnamespace::regnamespace::name, c.relname)
    from pg_catalog.pg_partition_tree(saldo_private.user_table(r.stored_table)) as p
    join pg_catalog.pg_class as c on c.oid = p.relid
    where p.level > 0
  ) as part
  left join pg_catalog.pg_trigger as t on t.tgrelid = part.id
    and t.tgname = format('saldo_guard_%s_%s', expected.event, r.name)
  where expected.definition is not null
  and (t.tgenabled is null or t.tgenabled in ('D', 'R')
    or part.name is null and pg_get_triggerdef(t.oid) <> expected.definition)
  union all
  -- What runs the users' queries must stay the reader's, with nothing that it could fool.
  select p.oid::regprocedure::text, format('owner %s', p.proowner::regrole), 'saldo_rule_reader'
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'saldo_rule'::regnamespace
  and p.proowner <> 'saldo_rule_reader'::regrole
  union all
  select p.oid::regprocedure::text, 'open', 'search_path pinned, not for public'
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'saldo_rule'::regnamespace
  and (
    exists (
      select
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
      where acl.grantee = 0
    )
    or not exists (
      select
      from unnest(p.proconfig) as item
      where item ~ '^search_path=.*pg_temp$'
    )
  )
$$;
comment on function saldo_private.rule_engine_configuration__registered is
  'Guards of users'' tables that are missing, disabled or changed, and the functions that run '
  'their queries where these are not as built.';
