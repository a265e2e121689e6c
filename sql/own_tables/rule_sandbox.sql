-- What runs the queries of registered rules: functions that belong to saldo_rule_reader.
--
-- Private, in the schema saldo_rule: inspect, cost_of, try_query, compare, read_items, read_rows,
-- and sandbox__mark.
-- The owner of Saldo calls them, nobody else.
-- An administrator's query must never become SQL of saldo_owner. Here it runs as a role that may do
-- nothing but what a DBA granted it, in a definer function (where PostgreSQL refuses to change the
-- role), read-only, under a pinned search path, and in a subtransaction that is always rolled back:
-- settings, notifications and locks of a query go with it. Row level security is not applied in
-- silence: a policy that would hide rows is an error. While a query runs an advisory lock tells
-- since when, so that a worker can stop it (rule_limit.sql): PostgreSQL sets no time limit from
-- within a statement.

create or replace function saldo_rule.sandbox__mark(is_trial boolean)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  -- Seconds as 31 bits; shared, since two may begin within one.
  select pg_advisory_xact_lock_shared(
    case when is_trial then saldo_rule.trial_lock() else saldo_rule.query_lock() end,
    (extract(epoch from clock_timestamp())::bigint % 2147483648)::integer
  )
$$;
comment on function saldo_rule.sandbox__mark is
  'Tells by an advisory lock that a rule''s query runs from now to the end of the subtransaction: '
  'a trial of its registration, or one of a check or heal.';

create or replace function saldo_rule.inspect(query text)
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
  v_cursor refcursor;
  v_denied text;
  v_parts jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    perform saldo_rule.sandbox__mark(true);
    -- Alone: several statements cannot be a cursor's. In parentheses: only a SELECT can be, and
    -- what is whole alone cannot close a parenthesis that it did not open.
    open v_cursor no scroll for execute format('%s', query);
    close v_cursor;
    open v_cursor no scroll for execute format(E'select * from (%s\n) as q', query);
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
    when insufficient_privilege then v_denied := sqlerrm;
  end;
  begin
    execute format(
      E'create temporary view saldo_rule_probe as select * from (%s\n) as q', query
    );
    v_parts := saldo_rule.inspect__parts('pg_temp.saldo_rule_probe'::regclass);
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
    -- Not even the schema may be used, so that nothing can be said about the tables.
    when insufficient_privilege then v_denied := sqlerrm;
  end;
  return coalesce(v_parts, '{}') || jsonb_build_object('denied', v_denied);
end
$$;
comment on function saldo_rule.inspect is
  'What a query consists of: columns, functions, relations. An error when it is not one SELECT.';

create or replace function saldo_rule.inspect__parts(probe regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The tree of the query as PostgreSQL has parsed it, and those of the views that it reads.
  with recursive reached (relation) as (
    select probe::oid
    union
    select used.id[1]::oid
    from reached
    join pg_rewrite as r on r.ev_class = reached.relation and r.ev_type = '1'
    cross join lateral regexp_matches(r.ev_action::text, ':relid ([1-9]\d*)', 'g') as used (id)
  ),
  tree as (
    select r.ev_action::text as text
    from reached
    join pg_rewrite as r on r.ev_class = reached.relation and r.ev_type = '1'
  ),
  called (function) as (
    select id[1]::oid
    from tree
    cross join lateral regexp_matches(
      tree.text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([1-9]\d*)', 'g'
    ) as used (id)
  ),
  -- An aggregate says that it is immutable, whatever its step is.
  stepped (function) as (
    select function
    from called
    union
    select step
    from called
    join pg_aggregate as a on a.aggfnoid = called.function
    cross join unnest(array[a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn]) as step
  )
  select jsonb_build_object(
    'columns', (
      select jsonb_object_agg(a.attname, case
        when t.typname = 'bool' then 'boolean'
        when t.typname in ('date', 'timestamp', 'timestamptz') then 'time'
        when t.typcategory = 'N' and t.typname !~ '^(oid$|reg)' then 'number'
        else format_type(a.atttypid, a.atttypmod) end)
      from pg_attribute as a
      join pg_type as t on t.oid = a.atttypid
      where a.attrelid = probe
      and a.attnum > 0
    ),
    'unsafe', (
      select jsonb_agg(distinct format('%s is %s', p.oid::regprocedure,
        case when p.prosecdef then 'security definer' else 'volatile' end))
      from stepped
      join pg_proc as p on p.oid = stepped.function
      where p.provolatile = 'v'
      or p.prosecdef
    ),
    'is_recursive', (select bool_or(tree.text ~ ':hasRecursive true') from tree),
    'relations', (
      select coalesce(jsonb_agg(jsonb_build_object('id', c.oid::text, 'name', c.oid::regclass,
        'schema', n.nspname, 'is_temporary', c.relpersistence = 't',
        'is_readable', has_table_privilege(c.oid, 'select'))), '[]')
      from reached
      join pg_class as c on c.oid = reached.relation
      join pg_namespace as n on n.oid = c.relnamespace
      where c.oid <> probe
    )
  )
$$;
comment on function saldo_rule.inspect__parts is
  'Columns, functions that could do harm, and relations of a view, through the views below it.';

create or replace function saldo_rule.cost_of(query text)
returns numeric
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_plan jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    perform saldo_rule.sandbox__mark(false);
    execute format('explain (format json) %s', query)
    into v_plan;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return (v_plan -> 0 -> 'Plan' ->> 'Total Cost')::numeric;
end
$$;
comment on function saldo_rule.cost_of is 'What the planner takes the query to cost.';

create or replace function saldo_rule.try_query(query text, time_budget_ms integer)
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
  v_cursor refcursor;
  v_started_at timestamptz := clock_timestamp();
  v_moved bigint := 1;
  v_elapsed_ms numeric := 0;
  v_keys jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    perform saldo_rule.sandbox__mark(true);
    -- Bit by bit, so that a query without end is left while it gives rows. One that gives none is
    -- stopped from outside: by the caller's statement_timeout, or by a worker.
    open v_cursor no scroll for execute format('%s', query);
    while v_moved > 0 and v_elapsed_ms <= time_budget_ms loop
      move forward 1000 from v_cursor;
      get diagnostics v_moved = row_count;
      v_elapsed_ms := extract(epoch from clock_timestamp() - v_started_at) * 1000;
    end loop;
    close v_cursor;
    if v_elapsed_ms <= time_budget_ms then
      execute format(
        $sql$
          select jsonb_build_object('row_count', count(*), 'null_count', count(*) - count(q.key),
            'double_count', count(q.key) - count(distinct q.key::text))
          from (%s
          ) as q
        $sql$,
        query
      )
      into v_keys;
    end if;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return coalesce(v_keys, '{}') || jsonb_build_object('elapsed_ms', round(v_elapsed_ms));
end
$$;
comment on function saldo_rule.try_query is
  'Runs a query within the budget, and counts its rows and the keys that are missing or double.';

create or replace function saldo_rule.compare(
  stored text,
  derived text,
  tolerance numeric,
  has_labels boolean,
  row_limit integer
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
  v_result jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    perform saldo_rule.sandbox__mark(false);
    -- One statement, so one snapshot of both sides. Rows that nothing moved say nothing: a balance
    -- of 0 fits any sum.
    execute format(
      $sql$
        with pair as materialized (
          select coalesce(s.key, d.key) as key, s.stored, d.derived,
            s.is_there is null as is_stored_missing, d.is_there is null as is_derived_missing,
            s.labels, (
              s.is_there is null
              or s.stored is null
              or (d.is_there and d.derived is null)
              or s.stored in ('NaN', 'Infinity', '-Infinity')
              or d.derived in ('NaN', 'Infinity', '-Infinity')
              or abs(s.stored - coalesce(d.derived, 0)) > %4$L::numeric
            ) as is_different
          from (
            select x.key::text collate "C" as key, x.stored::numeric as stored, true as is_there,
              %3$s as labels
            from (%1$s
            ) as x
          ) as s
          full join (
            select x.key::text collate "C" as key, x.derived::numeric as derived, true as is_there
            from (%2$s
            ) as x
          ) as d on d.key = s.key
        ),
        worst as (
          select key, stored::text, derived::text, is_stored_missing, is_derived_missing, labels
          from pair
          where is_different
          order by abs(stored - coalesce(derived, 0)) desc, key
          limit %5$L
        )
        select jsonb_build_object(
          'row_count', count(*) filter (
            where is_different or not is_derived_missing or stored <> 0
          ),
          'differing_count', count(*) filter (where is_different),
          'rows', (select coalesce(jsonb_agg(to_jsonb(worst)), '[]') from worst)
        )
        from pair
      $sql$,
      stored, derived,
      case when has_labels then 'to_jsonb(x) - ''key'' - ''stored''' else 'null::jsonb' end,
      tolerance, row_limit
    )
    into v_result;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return v_result;
end
$$;
comment on function saldo_rule.compare is
  'Compares stored and derived figures: how many rows say something, how many of them differ, and '
  'those that differ most.';

create or replace function saldo_rule.read_items(items text, keys text[], row_limit integer)
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
  v_items jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    perform saldo_rule.sandbox__mark(false);
    execute format(
      $sql$
        select jsonb_agg(i.item)
        from (
          select to_jsonb(x) || jsonb_build_object('key', x.key::text, 'amount', x.amount::text)
              as item,
            row_number() over (
              partition by x.key order by to_jsonb(x) ->> 'occurred_at' desc nulls last
            ) as place
          from (%1$s
          ) as x
          where x.key = any (%2$L)
        ) as i
        where i.place <= %3$L::bigint
      $sql$,
      items, keys::text, row_limit
    )
    into v_items;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return coalesce(v_items, '[]');
end
$$;
comment on function saldo_rule.read_items is 'The newest items behind the figures of some keys.';

create or replace function saldo_rule.read_rows(query text, row_limit integer)
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
  v_rows jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    perform saldo_rule.sandbox__mark(true);
    execute format(
      E'select jsonb_agg(to_jsonb(q)) from (select * from (%s\n) as x limit %s) as q', query,
      row_limit
    )
    into v_rows;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return coalesce(v_rows, '[]');
end
$$;
comment on function saldo_rule.read_rows is 'The rows of a query, up to a number of them.';
