-- Standing types and operators: what decides what an expression of the engine means.
--
-- Private: first_added_oid, is_added_object, current_objects__types, current_objects__operators;
-- standing_object.sql has the rest.
-- PostgreSQL takes an operator or function whose arguments fit exactly before one of its own that
-- fits in general. So what is added in a schema of the path, pg_catalog among them, may be what the
-- engine calls from then on.

create or replace function saldo_private.first_added_oid()
returns oid
language sql
immutable
as $$
  -- Below are those that a database begins with.
  select 16384::oid
$$;
comment on function saldo_private.first_added_oid is
  'Number from which on objects are that somebody has made: the thousands below need no look.';

create or replace function saldo_private.is_added_object(catalogue regclass, id oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select id >= saldo_private.first_added_oid()
    and not exists (
      select
      from pg_depend as d
      where d.classid = catalogue
      and d.objid = id
      and d.deptype = 'e'
    )
$$;
comment on function saldo_private.is_added_object is
  'Whether somebody has made it, other than by an extension.';

create or replace function saldo_private.current_objects__types()
returns table (kind text, name text, definition text, is_own boolean)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select 'enum', t.oid::regtype::text, (
      select string_agg(e.enumlabel, ', ' order by e.enumsortorder)
      from pg_catalog.pg_enum as e
      where e.enumtypid = t.oid
    ),
    t.typowner::regrole::text = 'saldo_owner'
  from pg_catalog.pg_type as t
  where t.typnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  and t.typtype = 'e'
  union all
  select 'type', t.oid::regtype::text, (
      select string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
        order by a.attnum)
      from pg_catalog.pg_attribute as a
      where a.attrelid = c.oid
      and not a.attisdropped
    ),
    t.typowner::regrole::text = 'saldo_owner'
  from pg_catalog.pg_type as t
  join pg_catalog.pg_class as c on c.oid = t.typrelid
  where t.typnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  and c.relkind = 'c'
  union all
  select 'cast', format('%s to %s', c.castsource::regtype, c.casttarget::regtype),
    format('%s, %s', case c.castcontext when 'i' then 'always' when 'a' then 'in assignments'
        else 'where it is written' end,
      case c.castmethod when 'f' then 'by ' || c.castfunc::regprocedure when 'i' then 'by text'
        else 'as it is' end),
    false
  from pg_catalog.pg_cast as c
  join pg_catalog.pg_type as source on source.oid = c.castsource
  join pg_catalog.pg_type as target on target.oid = c.casttarget
  where c.oid >= saldo_private.first_added_oid()
  and saldo_private.is_added_object('pg_cast', c.oid)
  and (source.typnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
    or target.typnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
    or (source.typnamespace = 'pg_catalog'::regnamespace
      and target.typnamespace = 'pg_catalog'::regnamespace))
$$;
comment on function saldo_private.current_objects__types is
  'Labels of enums, fields of composite types, and casts that the engine''s expressions may take.';

create or replace function saldo_private.current_objects__operators()
returns table (kind text, name text, definition text, is_own boolean)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select 'operator', o.oid::regoperator::text, format('owner %s, %s, gives %s',
      o.oprowner::regrole, o.oprcode::regprocedure, o.oprresult::regtype),
    o.oprowner::regrole::text = 'saldo_owner'
  from pg_catalog.pg_operator as o
  where o.oprnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  or (o.oprnamespace = 'pg_catalog'::regnamespace
    and o.oid >= saldo_private.first_added_oid()
    and saldo_private.is_added_object('pg_operator', o.oid))
  union all
  select 'operator class', format('%s for %s by %s', c.opcname, c.opcintype::regtype, m.amname),
    format('owner %s, %s%s', c.opcowner::regrole, f.opfname,
      case when c.opcdefault then ', default' else '' end),
    c.opcowner::regrole::text = 'saldo_owner'
  from pg_catalog.pg_opclass as c
  join pg_catalog.pg_opfamily as f on f.oid = c.opcfamily
  join pg_catalog.pg_am as m on m.oid = c.opcmethod
  join pg_catalog.pg_type as t on t.oid = c.opcintype
  where t.typnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  or c.opcnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  or (c.opcnamespace = 'pg_catalog'::regnamespace
    and c.oid >= saldo_private.first_added_oid()
    and saldo_private.is_added_object('pg_opclass', c.oid))
  union all
  select 'aggregate', p.oid::regprocedure::text, format('owner %s, step %s, end %s, from %s',
      p.proowner::regrole, a.aggtransfn::regprocedure,
      case when a.aggfinalfn = 0 then 'none' else a.aggfinalfn::regprocedure::text end,
      coalesce(a.agginitval, 'null')),
    p.proowner::regrole::text = 'saldo_owner'
  from pg_catalog.pg_aggregate as a
  join pg_catalog.pg_proc as p on p.oid = a.aggfnoid
  where p.pronamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  union all
  select 'function', 'pg_catalog.' || p.oid::regprocedure, format('owner %s, source %s',
      p.proowner::regrole, md5(p.prosrc)), false
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'pg_catalog'::regnamespace
  and p.oid >= saldo_private.first_added_oid()
  and saldo_private.is_added_object('pg_proc', p.oid)
$$;
comment on function saldo_private.current_objects__operators is
  'Operators, their classes and aggregates in the schemas of the engine, and what somebody has '
  'added in pg_catalog.';
