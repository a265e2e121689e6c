-- As built: whether functions, triggers and views are those that were applied.
--
-- Private: built_object, current_objects, record_build, rule_engine_configuration__built. A rule
-- that was replaced may find nothing, and a trigger that comes back with another condition still
-- counts as switched on: so definitions are compared. Applying sql/ ends with record_build; after a
-- function was mended by hand it is called by hand. PostgreSQL may write triggers and views
-- differently in its next version: they are compared only within the version they were recorded in.

create or replace function saldo_private.current_objects()
returns table (kind text, name text, hash text)
language sql
stable
as $$
  select 'function', p.oid::regprocedure::text,
    md5(format('%s %s %s %s %s %s', p.prosrc, p.prosecdef, p.provolatile, p.proconfig, l.lanname,
      p.proowner::regrole))
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_language as l on l.oid = p.prolang
  where p.pronamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  union all
  select 'trigger', format('%s on %s', t.tgname, t.tgrelid::regclass),
    md5(pg_get_triggerdef(t.oid))
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_class as c on c.oid = t.tgrelid
  where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
  and not t.tgisinternal
  union all
  select 'view', c.oid::regclass::text, md5(format('%s %s', pg_get_viewdef(c.oid), c.reloptions))
  from pg_catalog.pg_class as c
  where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
  and c.relkind = 'v'
  union all
  select 'posting source', s.source, md5(s::text)
  from saldo_private.posting_source as s
$$;
comment on function saldo_private.current_objects is
  'Functions, triggers, views and posting sources of the engine, each with a hash of what it is.';

create or replace function saldo_private.record_build()
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  delete from saldo_private.built_object;
  insert into saldo_private.built_object (kind, name, hash, server_version)
  select o.kind, o.name, o.hash, current_setting('server_version_num')::integer / 10000
  from saldo_private.current_objects() as o;
end
$$;
comment on function saldo_private.record_build is
  'Takes functions, triggers and views as they are for those that were built.';
revoke execute on function saldo_private.record_build from public;

create or replace function saldo_private.rule_engine_configuration__built()
returns table (key text, stored text, derived text)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select format('%s %s', b.kind, b.name),
    case when o.name is null then 'missing' else 'changed' end, 'as built'
  from saldo_private.built_object as b
  left join saldo_private.current_objects() as o on o.kind = b.kind and o.name = b.name
  where o.hash is distinct from b.hash
  and (
    o.name is null
    or b.kind in ('function', 'posting source')
    or b.server_version = current_setting('server_version_num')::integer / 10000
  )
  union all
  select format('%s %s', o.kind, o.name), 'added', 'as built'
  from saldo_private.current_objects() as o
  where o.kind = 'posting source'
  and not exists (
    select from saldo_private.built_object as b where b.kind = o.kind and b.name = o.name
  )
$$;
comment on function saldo_private.rule_engine_configuration__built is
  'Functions, triggers, views and posting sources that are gone, or not what was applied; and '
  'sources that were added.';

select saldo_private.secure_table('saldo_private.built_object');

comment on table saldo_private.built_object is
  'Functions, triggers and views as they were applied last.';
comment on column saldo_private.built_object.kind is 'function, trigger, view or posting source.';
comment on column saldo_private.built_object.name is 'Its name, with arguments or table.';
comment on column saldo_private.built_object.hash is 'Hash of the object''s definition.';
comment on column saldo_private.built_object.server_version is
  'Major version of PostgreSQL that it was recorded in.';
