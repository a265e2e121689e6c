-- As built: whether the engine is what was applied, with nothing added, gone or changed.
--
-- Private: built_object, record_build, note_deviations, rule_engine_configuration__built. A rule
-- that was replaced may find nothing, and a trigger that comes back with another condition still
-- counts as switched on: so definitions are compared. Applying sql/ ends with record_build; after a
-- function was mended by hand it is called by hand.
-- An upgrade launders nothing: what it does not make again (tables, constraints, roles, ...) is
-- compared before it begins, and what deviates then stays a finding. What others have added is
-- recorded once only, when the record begins; later it is a finding until it is accepted.
-- PostgreSQL may write expressions differently in its next version: definitions with expressions
-- are compared only within the version they were recorded in.

create or replace function saldo_private.record_build()
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_is_first boolean := not exists (
    select from saldo_private.built_object as b where b.kind = 'grant'
  );
begin
  -- The login that migrated before this one is not ours any more, and known all the same.
  update saldo_private.built_object as b
  set standing = 'kept'
  from saldo_private.current_objects() as o
  where o.kind = b.kind
  and o.name = b.name
  and not o.is_own
  and b.standing = 'own';
  insert into saldo_private.built_object as b (
    kind, name, hash, definition, standing, server_version
  )
  select o.kind, o.name, md5(o.definition), o.definition,
    case when o.is_own then 'own' else 'kept' end,
    current_setting('server_version_num')::integer / 10000
  from saldo_private.current_objects() as o
  where o.is_own or v_is_first
  on conflict on constraint built_object_pkey do update
  set hash = excluded.hash,
    definition = excluded.definition,
    standing = excluded.standing,
    server_version = excluded.server_version
  where b.standing = 'own'
  or b.standing = 'held' and b.definition = excluded.definition;
  delete from saldo_private.built_object as b
  where b.standing <> 'held'
  and not exists (
    select
    from saldo_private.current_objects() as o
    where o.kind = b.kind
    and o.name = b.name
  );
end
$$;
comment on function saldo_private.record_build is
  'Takes the engine as it stands for what was built.';
revoke execute on function saldo_private.record_build from public;

create or replace function saldo_private.is_comparable(object saldo_private.built_object)
returns boolean
language sql
stable
as $$
  select object.kind in ('function', 'grant', 'default grant', 'role', 'posting source', 'rule',
      'enum', 'type', 'cast', 'operator', 'operator class', 'aggregate')
    or object.server_version = current_setting('server_version_num')::integer / 10000
$$;
comment on function saldo_private.is_comparable is
  'Whether its definition would be the same in the version of PostgreSQL that is running.';

create or replace function saldo_private.note_deviations()
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_made_again constant text[] := array['function', 'trigger', 'view', 'rewrite rule', 'policy',
    'grant', 'posting source', 'rule'];
begin
  -- An upgrade that was killed has noted them; what its migrations did is no deviation.
  if exists (select from saldo_private.built_object as b where b.kind = 'upgrade')
    or not exists (select from saldo_private.built_object as b where b.kind = 'grant')
  then
    return;
  end if;
  insert into saldo_private.built_object (kind, name, hash, definition, standing, server_version)
  select o.kind, o.name, md5(o.definition), o.definition, 'added',
    current_setting('server_version_num')::integer / 10000
  from saldo_private.current_objects() as o
  where o.kind <> all (v_made_again)
  and o.is_own
  and not exists (
    select from saldo_private.built_object as b where b.kind = o.kind and b.name = o.name
  )
  union all
  -- Deleted by record_build, as there is no such thing.
  select 'upgrade', 'under way', '', '', 'kept', 0;
  update saldo_private.built_object as b
  set standing = 'held'
  where b.standing = 'own'
  and b.kind <> all (v_made_again)
  and saldo_private.is_comparable(b)
  and not exists (
    select
    from saldo_private.current_objects() as o
    where o.kind = b.kind
    and o.name = b.name
    and o.definition = b.definition
  );
end
$$;
comment on function saldo_private.note_deviations is
  'Before an upgrade: keeps in mind what is not as built and will not be made again by it.';
revoke execute on function saldo_private.note_deviations from public;

create or replace function saldo_private.rule_engine_configuration__built()
returns table (key text, stored text, derived text, detail jsonb)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select format('%s %s', d.kind, d.name), d.deviation, 'as built',
    jsonb_build_object('is', d.now, 'built', d.built, 'is_own', d.is_own)
  from (
    select coalesce(b.kind, o.kind) as kind, coalesce(b.name, o.name) as name,
      o.definition as now, case when b.standing <> 'added' then b.definition end as built,
      coalesce(b.standing, 'added') <> 'kept' and coalesce(o.is_own, true)
        -- Who makes a table narrower or wider on purpose may say so; what others may lack is ours.
        and not (coalesce(b.standing, 'added') = 'added'
          and coalesce(o.kind, '') in ('unique index', 'constraint', 'column')) as is_own,
      case
        when o.name is null then 'missing'
        when b.name is null or b.standing = 'added' then 'added'
        when b.definition <> o.definition and saldo_private.is_comparable(b) then 'changed'
      end as deviation
    from saldo_private.built_object as b
    full join saldo_private.current_objects() as o on o.kind = b.kind and o.name = b.name
    -- What others have made they may take away; an index more makes nothing wrong.
    where not (o.name is null and (b.standing in ('kept', 'added')))
    and not (b.name is null and o.kind = 'index')
  ) as d
  where d.deviation is not null
  -- What is switched off is told by its own part.
  and not exists (
    select
    from saldo_private.rule_engine_configuration__triggers() as t
    where t.key = format('%s %s', d.kind, d.name)
  )
$$;
comment on function saldo_private.rule_engine_configuration__built is
  'What is gone or added, or is not what was applied.';

select saldo_private.secure_table('saldo_private.built_object');

comment on table saldo_private.built_object is
  'All that the engine is made of, as it was applied last.';
comment on column saldo_private.built_object.kind is
  'What it is: function, trigger, policy, grant, constraint, role and so on.';
comment on column saldo_private.built_object.name is 'Its name, with arguments or table.';
comment on column saldo_private.built_object.definition is 'What it is, in words.';
comment on column saldo_private.built_object.standing is
  'own: built; kept: made by others, and there when the record began; held: not as built before an '
  'upgrade, and compared with what was built before; added: there too much before an upgrade.';
comment on column saldo_private.built_object.hash is 'Hash of the object''s definition.';
comment on column saldo_private.built_object.server_version is
  'Major version of PostgreSQL that it was recorded in.';
