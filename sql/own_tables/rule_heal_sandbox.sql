-- What heals a row of a user's table, as saldo_rule_reader: the other half of rule_sandbox.sql.
--
-- Private, in the schema saldo_rule: figure_of, heal_by_update, undo_by_update, heal_by_function;
-- at the end of the file all functions of the schema are handed to saldo_rule_reader.
-- A heal is not rolled back, so that what the user's triggers and functions set stays: a search
-- path that reaches beyond the function would make their SQL that of Saldo's owner, and of the
-- session's login after it. So a heal that has changed a setting is undone, and what was deferred
-- to the end of the transaction is done here and now. The same for an undo.
-- The row is locked first and the figure derived after: a statement's snapshot is older than the
-- lock that it waited for.

create or replace function saldo_rule.figure_of(query text, figure text, key text)
returns numeric[]
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_figures numeric[];
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    perform saldo_rule.sandbox__mark(false);
    -- The key as a literal without a type takes that of the column, and finds its index.
    execute format(
      E'select array_agg(x.%I::numeric) from (%s\n) as x where x.key = %L', figure, query, key
    )
    into v_figures;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return v_figures;
end
$$;
comment on function saldo_rule.figure_of is 'The figures that a query has for one key.';

create or replace function saldo_rule.heal__session_state()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(coalesce(current_setting(name, true), ''), E'\n' order by name)
  from unnest(
    array[
      'role', 'saldo.subject', 'saldo.member_id', 'session_replication_role',
      'synchronous_commit', 'transaction_read_only', 'default_transaction_read_only',
      'default_transaction_isolation', 'row_security', 'statement_timeout',
      'transaction_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
      'idle_session_timeout', 'application_name', 'client_encoding', 'timezone', 'datestyle',
      'intervalstyle', 'extra_float_digits', 'bytea_output', 'standard_conforming_strings',
      'transform_null_equals', 'plpgsql.variable_conflict'
    ]
  ) as name
$$;
comment on function saldo_rule.heal__session_state is
  'The settings that decide what SQL means, who acts, and how long it may take.';

create or replace function saldo_rule.heal__end_users_code(state text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  set constraints all immediate;
  -- What is pinned may be another path by now: everything is named by its schema, here and where
  -- the caller looks at its own path.
  if saldo_rule.heal__session_state() operator(pg_catalog.<>) state then
    raise sqlstate 'SBR02';
  end if;
end
$$;
comment on function saldo_rule.heal__end_users_code is
  'Does what was deferred, and fails with SBR02 where a setting is not as it was.';

create or replace function saldo_rule.heal_by_update(
  table_name text,
  key_column text,
  balance_column text,
  derived text,
  tolerance numeric,
  key text
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_table text := format('%I.%I', variadic parse_ident(table_name));
  v_path text := current_setting('search_path');
  v_state text := saldo_rule.heal__session_state();
  v_before numeric;
  v_derived numeric[];
  v_after numeric;
begin
  execute format(
    'select %I::numeric from %s where %I = %L for no key update', balance_column, v_table,
    key_column, key
  )
  into strict v_before;
  v_derived := saldo_rule.figure_of(derived, 'derived', key);
  if cardinality(v_derived) > 1 or coalesce(v_derived[1], 'NaN') in ('NaN', 'Infinity', '-Infinity')
    and v_derived is not null
  then
    return jsonb_build_object('refusal', 'The derived figure is no number, or not the only one.');
  end if;
  -- Nothing to sum up is a sum of 0.
  v_derived := coalesce(v_derived, array[0]);
  if abs(v_before - v_derived[1]) <= tolerance then
    return '{}';
  end if;
  execute format(
    'update %s set %I = %L where %I = %L returning %2$I::numeric', v_table, balance_column,
    v_derived[1], key_column, key
  )
  into v_after;
  perform saldo_rule.heal__end_users_code(v_state);
  if pg_catalog.current_setting('search_path') operator(pg_catalog.<>) v_path then
    raise sqlstate 'SBR02';
  end if;
  if v_after is distinct from v_derived[1] then
    raise sqlstate 'SBR01';
  end if;
  return jsonb_build_object('before', v_before, 'after', v_after);
end
$$;
comment on function saldo_rule.heal_by_update is
  'Sets a balance to what is derived for it under the row''s lock; {} when it agrees by then.';

create or replace function saldo_rule.undo_by_update(
  table_name text,
  key_column text,
  balance_column text,
  before numeric,
  after numeric,
  key text
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_table text := format('%I.%I', variadic parse_ident(table_name));
  v_path text := current_setting('search_path');
  v_state text := saldo_rule.heal__session_state();
  v_was numeric;
  v_became numeric;
begin
  execute format(
    'select %I::numeric from %s where %I = %L for no key update', balance_column, v_table,
    key_column, key
  )
  into strict v_was;
  if v_was is distinct from after then
    return jsonb_build_object('refusal', format('the balance is %s, the heal wrote %s',
      coalesce(v_was::text, 'NULL'), after));
  end if;
  execute format(
    'update %s set %I = %L where %I = %L returning %2$I::numeric', v_table, balance_column,
    before, key_column, key
  )
  into v_became;
  perform saldo_rule.heal__end_users_code(v_state);
  if pg_catalog.current_setting('search_path') operator(pg_catalog.<>) v_path then
    raise sqlstate 'SBR02';
  end if;
  if v_became is distinct from before then
    raise sqlstate 'SBR01';
  end if;
  return jsonb_build_object('was', v_was, 'became', v_became);
end
$$;
comment on function saldo_rule.undo_by_update is
  'Sets a balance from what a heal wrote to what was there before, under the row''s lock.';

create or replace function saldo_rule.heal_by_function(
  heal_function regprocedure,
  stored text,
  derived text,
  tolerance numeric,
  key text
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_name text := (
    select format('%I.%I', p.pronamespace::regnamespace::name, p.proname)
    from pg_proc as p
    where p.oid = heal_function
  );
  v_path text := current_setting('search_path');
  v_state text := saldo_rule.heal__session_state();
  v_before numeric[] := saldo_rule.figure_of(stored, 'stored', key);
  v_after numeric[];
  v_derived numeric[];
begin
  execute format('select %s(%L::text)', v_name, key);
  perform saldo_rule.heal__end_users_code(v_state);
  if pg_catalog.current_setting('search_path') operator(pg_catalog.<>) v_path then
    raise sqlstate 'SBR02';
  end if;
  v_after := saldo_rule.figure_of(stored, 'stored', key);
  v_derived := coalesce(saldo_rule.figure_of(derived, 'derived', key), array[0]);
  if abs(v_after[1] - v_derived[1]) <= tolerance is not true then
    raise sqlstate 'SBR01';
  end if;
  return case when v_before is distinct from v_after
    then jsonb_build_object('before', v_before[1], 'after', v_after[1]) else '{}' end;
end
$$;
comment on function saldo_rule.heal_by_function is
  'Calls the user''s own function for a key, and proves that the figures agree after it.';

do $do$
declare
  v_function regprocedure;
begin
  -- The owner of a function must be allowed to create one in its schema, for that moment.
  grant create on schema saldo_rule to saldo_rule_reader;
  for v_function in
    select p.oid::regprocedure
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'saldo_rule'::regnamespace
    and p.proowner <> 'saldo_rule_reader'::regrole
  loop
    execute format('revoke execute on function %s from public', v_function);
    execute format('alter function %s owner to saldo_rule_reader', v_function);
  end loop;
  revoke create on schema saldo_rule from saldo_rule_reader;
end
$do$;

comment on schema saldo_rule is
  'Functions that run the queries of registered rules, as a role that may nothing but read what it '
  'was granted.';
