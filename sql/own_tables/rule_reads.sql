-- What a registered rule reads by name only: the views and functions behind its queries and behind
-- its heal function, all the way down.
--
-- Private: saldo_private.rule_reads, note_rule_reads; in the schema saldo_rule reads_of,
-- definitions_of and their steps.
-- PostgreSQL keeps no dependencies of a text. So the queries become views for a moment, whose trees
-- name what they use. A function whose body is a text may use whatever has a name in it: a name too
-- many asks for one approval too many, and does no harm.
-- Each check looks again, since a name may stand for something else by then. Hashes go by names and
-- definitions, so that they survive a restore.

create or replace function saldo_rule.reads_of__tree(tree text)
returns table (is_function boolean, id oid)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select false, used.id[1]::oid
  from regexp_matches(tree, ':relid ([1-9]\d*)', 'g') as used (id)
  union
  select true, used.id[1]::oid
  from regexp_matches(
    tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([1-9]\d*)', 'g'
  ) as used (id)
$$;
comment on function saldo_rule.reads_of__tree is
  'Relations and functions that a tree of PostgreSQL''s names.';

create or replace function saldo_rule.reads_of__words(source text)
returns table (is_function boolean, id oid)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with word as materialized (
    select distinct each.name
    from regexp_matches(source, '[[:alpha:]_][[:alnum:]_$]*', 'g') as found (words)
    cross join unnest(array[found.words[1], lower(found.words[1])]) as each (name)
  )
  select true, p.oid
  from word as w
  join pg_proc as p on p.proname = w.name
  union all
  select false, c.oid
  from word as w
  join pg_class as c on c.relname = w.name
  where c.relkind in ('v', 'm', 'f')
$$;
comment on function saldo_rule.reads_of__words is
  'Views and functions whose name stands in the body of a function.';

create or replace function saldo_rule.reads_of__next(is_function boolean, id oid)
returns table (is_function boolean, id oid)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select next.is_function, next.id
  from (
    select used.is_function, used.id
    from pg_rewrite as r
    cross join lateral saldo_rule.reads_of__tree(r.ev_action::text) as used
    where not reads_of__next.is_function
    and r.ev_class = reads_of__next.id
    and r.ev_type = '1'
    union all
    select used.is_function, used.id
    from pg_attrdef as d
    join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
    cross join lateral saldo_rule.reads_of__tree(d.adbin::text) as used
    where not reads_of__next.is_function
    and d.adrelid = reads_of__next.id
    and a.attgenerated <> ''
    union all
    select used.is_function, used.id
    from pg_proc as p
    cross join lateral (
      select tree.is_function, tree.id
      from saldo_rule.reads_of__tree(p.prosqlbody::text) as tree
      union all
      select word.is_function, word.id
      from saldo_rule.reads_of__words(p.prosrc) as word
    ) as used
    where reads_of__next.is_function
    and p.oid = reads_of__next.id
    union all
    select true, step.id
    from pg_aggregate as a
    cross join unnest(array[a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn]::oid[])
      as step (id)
    where reads_of__next.is_function
    and a.aggfnoid = reads_of__next.id
  ) as next
$$;
comment on function saldo_rule.reads_of__next is
  'What a view, a table by its generated columns, or a function uses itself.';

create or replace function saldo_rule.reads_of__is_users(is_function boolean, id oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from pg_namespace as n
    where n.oid = case
      when is_function
      then (select p.pronamespace from pg_proc as p where p.oid = reads_of__is_users.id)
      else (select c.relnamespace from pg_class as c where c.oid = reads_of__is_users.id) end
    and n.nspname not in ('pg_catalog', 'information_schema', 'saldo', 'saldo_private',
      'saldo_rule', 'graphile_worker')
  )
$$;
comment on function saldo_rule.reads_of__is_users is
  'Whether it is there, and a user''s: PostgreSQL''s own and Saldo''s are not theirs to replace.';

create or replace function saldo_rule.reads_of(queries text[], heal_function regprocedure)
returns table (is_function boolean, id oid)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_query text;
  v_trees text[] := '{}';
begin
  begin
    foreach v_query in array queries loop
      execute format(
        E'create temporary view saldo_rule_probe as select * from (%s\n) as q', v_query
      );
      v_trees := v_trees || (
        select r.ev_action::text
        from pg_rewrite as r
        where r.ev_class = 'pg_temp.saldo_rule_probe'::regclass
      );
      drop view pg_temp.saldo_rule_probe;
    end loop;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return query
  with recursive reached (is_function, id) as (
    (
      select used.is_function, used.id
      from unnest(v_trees) as tree (text)
      cross join lateral saldo_rule.reads_of__tree(tree.text) as used
      union
      select true, heal_function::oid
      where heal_function is not null
    )
    union
    select next.is_function, next.id
    from reached
    cross join lateral saldo_rule.reads_of__next(reached.is_function, reached.id) as next
    where saldo_rule.reads_of__is_users(next.is_function, next.id)
  )
  select r.is_function, r.id
  from reached as r
  where saldo_rule.reads_of__is_users(r.is_function, r.id);
end
$$;
comment on function saldo_rule.reads_of is
  'All relations and functions of users that queries and a heal function come to.';

create or replace function saldo_rule.definitions_of(relation_ids oid[], function_ids oid[])
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
-- Constants in definitions are written as the session writes them: as one way, whoever asks.
set timezone = 'UTC'
set datestyle = 'ISO'
set intervalstyle = 'postgres'
set quote_all_identifiers = off
set extra_float_digits = 1
set bytea_output = 'hex'
as $$
  select string_agg(d.definition, E'\n' order by d.definition collate "C")
  from (
    select format('%s %s', c.oid::regclass, case c.relkind
        when 'f' then to_jsonb(f.ftoptions)::text
        else pg_get_viewdef(c.oid)
      end) as definition
    from pg_class as c
    left join pg_foreign_table as f on f.ftrelid = c.oid
    where c.oid = any (relation_ids)
    and c.relkind in ('v', 'm', 'f')
    union all
    select format('%s.%I %s', a.attrelid::regclass, a.attname, pg_get_expr(d.adbin, d.adrelid))
    from pg_attrdef as d
    join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = any (relation_ids)
    and a.attgenerated <> ''
    union all
    select case
      when a.aggfnoid is null then pg_get_functiondef(p.oid)
      else format('%s %s', p.oid::regprocedure, jsonb_build_array(
        a.aggkind, a.aggnumdirectargs, a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn,
        a.aggsortop::regoperator, a.agginitval, a.aggminitval
      )) end
    from pg_proc as p
    left join pg_aggregate as a on a.aggfnoid = p.oid
    where p.oid = any (function_ids)
  ) as d
$$;
comment on function saldo_rule.definitions_of is
  'What relations and functions are made of, in words; null where there is nothing to say of them, '
  'as of a table.';

create or replace function saldo_private.note_rule_reads(rule saldo.registered_rule)
returns void
language plpgsql
as $$
begin
  insert into saldo_private.rule_reads as r (rule, relation_ids, function_ids)
  select rule.name, coalesce(array_agg(u.id order by u.id) filter (where not u.is_function), '{}'),
    coalesce(array_agg(u.id order by u.id) filter (where u.is_function), '{}')
  from saldo_rule.reads_of(
    array[rule.stored, rule.derived],
    to_regprocedure(format('%s(text)', note_rule_reads.rule.heal_function))
  ) as u
  on conflict on constraint rule_reads_pkey do update
  set relation_ids = excluded.relation_ids,
    function_ids = excluded.function_ids
  where (r.relation_ids, r.function_ids) is distinct from (excluded.relation_ids,
    excluded.function_ids);
exception
  -- What was noted before stands: where it is not there any more, its definition is another.
  when others then
    raise warning 'What rule % reads cannot be looked at: %', rule.name, sqlerrm;
end
$$;
comment on function saldo_private.note_rule_reads is
  'Notes what a registered rule reads as names stand now.';

select saldo_private.secure_table('saldo_private.rule_reads');
select saldo_private.guard_table('saldo_private.rule_reads');

comment on table saldo_private.rule_reads is
  'Views, tables and functions of users that a registered rule comes to, as of its last check.';
comment on column saldo_private.rule_reads.rule is 'Registered rule.';
comment on column saldo_private.rule_reads.relation_ids is
  'Views and tables, by their oids in this cluster.';
comment on column saldo_private.rule_reads.function_ids is
  'Functions, by their oids in this cluster; the heal function among them.';
