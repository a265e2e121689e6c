-- Whether a query may be a rule's: looked at before it is ever run, then run within a budget.
--
-- Private: require_rule_query, read_own_tables, user_table. What PostgreSQL says of a query, as
-- saldo_rule_reader, becomes one of the conditions SB640 to SB646. Not what the query is said to do
-- counts, but what the parser and the planner make of it.

create or replace function saldo_private.require_rule_query__fail(
  kind text,
  code text,
  message text
)
returns void
language plpgsql
stable
as $$
declare
  v_detail text := format('%s: %s (%s)', kind, message, code);
begin
  -- Codes of class SB are of checks that have spoken already; the rest is PostgreSQL's.
  perform saldo_private.fail(
    case
      when code = '42501' then 'rule_privilege_missing'
      when code = '25006' or message ~ 'non-volatile function' then 'rule_query_writes'
      when code in ('55P03', '57014') then 'rule_query_slow'
      else 'rule_query_invalid'
    end,
    v_detail,
    case when code = '42501' and message ~ 'schema' then
      'Let its owner say: grant usage on schema ... to saldo_rule_reader; and grant select on the '
        'tables to it.'
    when message ~ 'row-level security' then
      'No policy shows all rows for certain: let a superuser say alter role saldo_rule_reader '
        'bypassrls, or read a view whose owner sees all rows.'
    when code = '42501' then
      'Let the owner grant it to saldo_rule_reader.'
    end
  );
end
$$;
comment on function saldo_private.require_rule_query__fail is
  'Turns what PostgreSQL said of a rule''s query into an error of the catalogue.';

create or replace function saldo_private.require_rule_query__parts(kind text, query text)
returns jsonb
language plpgsql
as $$
declare
  v_parts jsonb;
  v_code text;
  v_message text;
  v_missing text;
begin
  begin
    v_parts := saldo_rule.inspect(query);
  exception
    -- An error of the query, told as one of the catalogue below; others does not mean cancelled.
    when query_canceled or others then
      v_code := sqlstate;
      v_message := sqlerrm;
  end;
  if v_code is not null then
    perform saldo_private.require_rule_query__fail(kind, v_code, v_message);
  end if;
  if v_parts ->> 'denied' is not null then
    select string_agg(r.relation ->> 'name', ', ' order by r.relation ->> 'name')
    into v_missing
    from jsonb_array_elements(v_parts -> 'relations') as r (relation)
    where not (r.relation ->> 'is_readable')::boolean;
    if v_missing is null then
      perform saldo_private.require_rule_query__fail(kind, '42501', v_parts ->> 'denied');
    end if;
    perform saldo_private.fail(
      'rule_privilege_missing', format('%s: %s', kind, v_parts ->> 'denied'),
      format('Let its owner say: grant select on %s to saldo_rule_reader', v_missing)
    );
  end if;
  return v_parts;
end
$$;
comment on function saldo_private.require_rule_query__parts is
  'What the query consists of; an error when it is not one SELECT that the reader may run.';

create or replace function saldo_private.require_rule_query__harmless(kind text, parts jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_wrong text;
begin
  if parts ->> 'unsafe' is not null then
    perform saldo_private.fail(
      'rule_query_writes', format('%s: %s', kind, (
        select string_agg(each, ', ')
        from jsonb_array_elements_text(parts -> 'unsafe') as each
      ))
    );
  end if;
  if (parts ->> 'is_recursive')::boolean then
    perform saldo_private.fail(
      'rule_query_slow', format('%s: a recursive query may have no end', kind)
    );
  end if;
  select string_agg(r.relation ->> 'name', ', ')
  into v_wrong
  from jsonb_array_elements(parts -> 'relations') as r (relation)
  where (r.relation ->> 'is_temporary')::boolean
  or r.relation ->> 'schema' in ('saldo', 'saldo_private', 'saldo_rule', 'graphile_worker');
  if v_wrong is not null then
    perform saldo_private.fail('rule_table_unfit', format('%s: reads %s', kind, v_wrong));
  end if;
end
$$;
comment on function saldo_private.require_rule_query__harmless is
  'Refuses functions with effects (SB643 rule_query_writes), recursion (SB644 rule_query_slow), '
  'temporary and Saldo''s own tables (SB646 rule_table_unfit).';

create or replace function saldo_private.require_rule_query__columns(kind text, parts jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_wrong text;
begin
  select string_agg(format('%s %s', wanted.name, case
    when parts -> 'columns' ->> wanted.name is null then 'is missing'
    else format('is %s, not %s', parts -> 'columns' ->> wanted.name, wanted.type) end), ', ')
  into v_wrong
  from (
    values ('stored', 'key', null), ('stored', 'stored', 'number'),
      ('derived', 'key', null), ('derived', 'derived', 'number'),
      ('items', 'key', null), ('items', 'item', null), ('items', 'amount', 'number'),
      ('items', 'is_counted', 'boolean'), ('items', 'occurred_at', 'time')
  ) as wanted (kind, name, type)
  where wanted.kind = require_rule_query__columns.kind
  and (parts -> 'columns' ->> wanted.name is null and wanted.name <> 'occurred_at'
    or parts -> 'columns' ->> wanted.name <> wanted.type);
  if v_wrong is not null then
    perform saldo_private.fail('rule_columns_wrong', format('%s: %s', kind, v_wrong));
  end if;
end
$$;
comment on function saldo_private.require_rule_query__columns is
  'Refuses a query without the columns of its kind: SB641 rule_columns_wrong.';

create or replace function saldo_private.require_rule_query__run(kind text, query text)
returns jsonb
language plpgsql
as $$
declare
  v_cost numeric;
  v_trial jsonb;
  v_budget integer := saldo_private.setting_value('rule_time_budget_ms')::integer;
  v_limit numeric := saldo_private.setting_value('rule_cost_limit')::numeric;
  v_code text;
  v_message text;
begin
  begin
    v_cost := saldo_rule.cost_of(query);
    if v_cost <= v_limit then
      v_trial := saldo_rule.try_query(query, v_budget);
    end if;
  exception
    when query_canceled or others then
      v_code := sqlstate;
      v_message := sqlerrm;
  end;
  if v_code is not null then
    perform saldo_private.require_rule_query__fail(kind, v_code, v_message);
  end if;
  if v_cost > v_limit then
    perform saldo_private.fail(
      'rule_query_slow', format('%s: a cost of %s, the limit is %s', kind, round(v_cost), v_limit)
    );
  elsif v_trial ->> 'row_count' is null then
    perform saldo_private.fail(
      'rule_query_slow',
      format('%s: not done after %s ms, the budget is %s ms', kind, v_trial ->> 'elapsed_ms',
        v_budget)
    );
  end if;
  return v_trial;
end
$$;
comment on function saldo_private.require_rule_query__run is
  'Runs the query once within its budget of cost and time: SB644 rule_query_slow when it is '
  'beyond.';

create or replace function saldo_private.require_rule_query(kind text, query text)
returns jsonb
language plpgsql
as $$
declare
  v_parts jsonb;
  v_trial jsonb;
begin
  if query is null or query !~ '\S' or length(query) > 20000 then
    perform saldo_private.fail(
      'rule_query_invalid', format('%s: a text of 1 to 20,000 characters', kind)
    );
  end if;
  v_parts := saldo_private.require_rule_query__parts(kind, query);
  perform saldo_private.require_rule_query__columns(kind, v_parts);
  perform saldo_private.require_rule_query__harmless(kind, v_parts);
  v_trial := saldo_private.require_rule_query__run(kind, query);
  if kind <> 'items' and (v_trial ->> 'null_count' <> '0' or v_trial ->> 'double_count' <> '0') then
    perform saldo_private.fail(
      'rule_key_invalid', format('%s: %s keys are NULL, %s are double', kind,
        v_trial ->> 'null_count', v_trial ->> 'double_count')
    );
  end if;
  return v_parts -> 'relations';
end
$$;
comment on function saldo_private.require_rule_query is
  'Proves that a query may be a rule''s (kind: stored, derived or items), and gives the relations '
  'that it reads. Errors: SB640 rule_query_invalid, SB641 rule_columns_wrong, '
  'SB642 rule_key_invalid, SB643 rule_query_writes, SB644 rule_query_slow, '
  'SB645 rule_privilege_missing, SB646 rule_table_unfit.';

create or replace function saldo_private.read_own_tables(query text)
returns jsonb
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_parts jsonb := saldo_private.require_rule_query__parts('proposal', query);
  v_rows jsonb;
  v_code text;
  v_message text;
begin
  perform saldo_private.require_rule_query__harmless('proposal', v_parts);
  begin
    if saldo_rule.cost_of(query) <= saldo_private.setting_value('rule_cost_limit')::numeric then
      v_rows := saldo_rule.read_rows(query, 10000);
    end if;
  exception
    -- As above.
    when query_canceled or others then
      v_code := sqlstate;
      v_message := sqlerrm;
  end;
  if v_code is not null then
    perform saldo_private.require_rule_query__fail('proposal', v_code, v_message);
  elsif v_rows is null then
    perform saldo_private.fail('rule_query_slow', 'proposal: beyond rule_cost_limit');
  end if;
  return v_rows;
end
$$;
comment on function saldo_private.read_own_tables is
  'What a query finds that looks for rules to propose, read as saldo_rule_reader: an administrator '
  'reads what that role was granted, as by a rule. Errors: SB640 rule_query_invalid, '
  'SB645 rule_privilege_missing, SB643 rule_query_writes, SB644 rule_query_slow, '
  'SB646 rule_table_unfit.';
grant execute on function saldo_private.read_own_tables to saldo_admin;

create or replace function saldo_private.user_table(name text)
returns regclass
language sql
stable
as $$
  select c.oid::regclass
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = (parse_ident(user_table.name))[1]
  and c.relname = (parse_ident(user_table.name))[2]
$$;
comment on function saldo_private.user_table is
  'A table by its name with schema, whatever the search path; null when there is none.';
