-- Standing objects: everything that the engine is made of, as the catalogue has it now, each in
-- words, so that it can be compared with what was built.
--
-- Private: current_objects and its parts. is_own tells what applying sql/ makes again each time, or
-- what migrations have made; the rest belongs to those who work beside the engine.
-- Names and definitions are told with the names that the path makes necessary: it is pinned.

create or replace function saldo_private.is_own_role(role oid)
returns boolean
language sql
stable
as $$
  -- PUBLIC is 0: what it may is decided by the files of sql/. One expression, to be inlined: it is
  -- asked about each grant.
  select role = 0
    or pg_get_userbyid(role) in ('saldo_owner', 'saldo_admin', 'saldo_operator', 'saldo_accountant',
      'saldo_auditor', 'saldo_cashier', 'saldo_biller', 'saldo_app', 'saldo_member',
      'saldo_branch', 'saldo_anonymous', 'saldo_report', 'saldo_rule_reader', 'saldo_server')
$$;
comment on function saldo_private.is_own_role is 'Whether it is a role of Saldo, or PUBLIC.';

create or replace function saldo_private.role_name(role oid)
returns text
language sql
stable
as $$
  select case role when 0 then 'public' else pg_get_userbyid(role)::text end
$$;
comment on function saldo_private.role_name is
  'Name of a role; 0 is PUBLIC, and of one that is gone it says its number.';

create or replace function saldo_private.current_objects__code()
returns table (kind text, name text, definition text, is_own boolean)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select 'function', p.oid::regprocedure::text,
    format('%s, %s, %s, owner %s, settings %s, source %s', l.lanname,
      case when p.prosecdef then 'definer' else 'caller' end,
      case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
      p.proowner::regrole, coalesce(array_to_string(p.proconfig, '; '), 'none'), md5(p.prosrc)),
    p.proowner::regrole::text in ('saldo_owner', 'saldo_rule_reader')
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_language as l on l.oid = p.prolang
  where p.pronamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  union all
  select 'trigger', format('%s on %s', t.tgname, t.tgrelid::regclass),
    pg_get_triggerdef(t.oid) || case t.tgenabled when 'O' then '' when 'A' then ', always'
      when 'D' then ', disabled' else ', on replicas only' end,
    f.proowner::regrole::text in ('saldo_owner', 'saldo_rule_reader')
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_proc as f on f.oid = t.tgfoid
  join pg_catalog.pg_class as c on c.oid = t.tgrelid
  where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
  and not t.tgisinternal
  and not c.relispartition
  union all
  -- Those of foreign keys have names of numbers; DISABLE TRIGGER ALL takes them along. A key of
  -- another table that refers to one of ours is the business of whoever made it.
  select 'triggers of constraint', format('%s on %s', k.conname, t.tgrelid::regclass),
    case when bool_and(t.tgenabled = 'O') then 'on' else 'not all on' end, true
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_constraint as k on k.oid = t.tgconstraint
  join pg_catalog.pg_class as c on c.oid = t.tgrelid
  join pg_catalog.pg_class as bound on bound.oid = k.conrelid
  where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
  and bound.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
  and t.tgisinternal
  and not c.relispartition
  group by k.conname, t.tgrelid
  union all
  select 'view', c.oid::regclass::text,
    format('owner %s, options %s, query %s', c.relowner::regrole,
      coalesce(array_to_string(c.reloptions, ', '), 'none'), md5(pg_get_viewdef(c.oid))),
    c.relowner::regrole::text = 'saldo_owner'
  from pg_catalog.pg_class as c
  where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_report')
  and c.relkind in ('v', 'm')
$$;
comment on function saldo_private.current_objects__code is
  'Functions, triggers and views.';

create or replace function saldo_private.current_objects__rewrites()
returns table (kind text, name text, definition text, is_own boolean)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select 'rewrite rule', format('%s on %s', r.rulename, r.ev_class::regclass),
    pg_get_ruledef(r.oid), false
  from pg_catalog.pg_rewrite as r
  join pg_catalog.pg_class as c on c.oid = r.ev_class
  where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
  and r.rulename <> '_RETURN'
  union all
  select 'policy', format('%s on %s', p.polname, p.polrelid::regclass),
    format('%s for %s to %s using (%s) with check (%s)',
      case when p.polpermissive then 'permissive' else 'restrictive' end,
      case p.polcmd when '*' then 'all' when 'r' then 'select' when 'a' then 'insert'
        when 'w' then 'update' else 'delete' end,
      (select string_agg(saldo_private.role_name(r.id), ', ' order by saldo_private.role_name(r.id))
        from unnest(p.polroles) as r (id)),
      pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)),
    (select bool_or(saldo_private.is_own_role(r.id)) from unnest(p.polroles) as r (id))
  from pg_catalog.pg_policy as p
  join pg_catalog.pg_class as c on c.oid = p.polrelid
  where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
$$;
comment on function saldo_private.current_objects__rewrites is
  'What changes or narrows statements on the way to a table: rewrite rules and policies.';

create or replace function saldo_private.current_objects__tables()
returns table (kind text, name text, definition text)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  with relation as (
    select c.oid as id, c.relkind as relation_kind, c.relowner, c.relpersistence
    from pg_catalog.pg_class as c
    where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
    -- Partitions come and go by the engine itself, and are as the table that they belong to.
    and not c.relispartition
  )
  select 'table', r.id::regclass::text, format('owner %s, %s', r.relowner::regrole,
    case r.relpersistence when 'p' then 'logged' else 'unlogged' end)
  from relation as r
  where r.relation_kind in ('r', 'p')
  union all
  select 'column', format('%s.%s', r.id::regclass, a.attname),
    format_type(a.atttypid, a.atttypmod)
      || case when a.attnotnull then ' not null' else '' end
      || case a.attidentity when '' then '' else ' identity ' || a.attidentity::text end
      || coalesce(case a.attgenerated when '' then ' default ' else ' generated ' end
        || pg_get_expr(d.adbin, d.adrelid), '')
  from relation as r
  join pg_catalog.pg_attribute as a on a.attrelid = r.id
    and a.attnum > 0
    and not a.attisdropped
  left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where r.relation_kind in ('r', 'p')
  union all
  -- From PostgreSQL 18 on "not null" is a constraint as well; here it is told of the column.
  select 'constraint', format('%s on %s', k.conname, r.id::regclass), pg_get_constraintdef(k.oid)
  from relation as r
  join pg_catalog.pg_constraint as k on k.conrelid = r.id
  where k.contype not in ('n', 't')
  union all
  select 'constraint', format('%s on domain %s', k.conname, t.oid::regtype),
    pg_get_constraintdef(k.oid)
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_type as t on t.oid = k.contypid
  where t.typnamespace::regnamespace::text in ('saldo', 'saldo_private')
  and k.contype <> 'n'
  union all
  select 'domain', t.oid::regtype::text, format_type(t.typbasetype, t.typtypmod)
    || case when t.typnotnull then ' not null' else '' end
  from pg_catalog.pg_type as t
  where t.typnamespace::regnamespace::text in ('saldo', 'saldo_private')
  and t.typtype = 'd'
  union all
  select case when i.indisunique then 'unique index' else 'index' end,
    i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
  from relation as r
  join pg_catalog.pg_index as i on i.indrelid = r.id
  where i.indisvalid
  and not exists (
    select from pg_catalog.pg_constraint as k where k.conindid = i.indexrelid and k.conrelid = r.id
  )
  union all
  select 'sequence', r.id::regclass::text, format('%s, from %s to %s by %s%s',
    s.seqtypid::regtype, s.seqmin, s.seqmax, s.seqincrement,
    case when s.seqcycle then ', again and again' else '' end)
  from relation as r
  join pg_catalog.pg_sequence as s on s.seqrelid = r.id
  union all
  select 'inheritance', format('%s from %s', h.inhrelid::regclass, r.id::regclass), 'rows of both'
  from relation as r
  join pg_catalog.pg_inherits as h on h.inhparent = r.id
  join pg_catalog.pg_class as child on child.oid = h.inhrelid
  where r.relation_kind = 'r'
$$;
comment on function saldo_private.current_objects__tables is
  'Tables, columns, constraints, domains, indexes, sequences, and tables that inherit.';

create or replace function saldo_private.current_objects__grants()
returns table (kind text, name text, definition text, is_own boolean)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select 'grant', format('%s on %s to %s', acl.privilege_type, held.thing,
      saldo_private.role_name(acl.grantee)),
    case when bool_or(acl.is_grantable) then 'with grant option' else 'granted' end,
    -- What somebody else has made goes with its grants, PUBLIC's as well.
    saldo_private.is_own_role(acl.grantee)
      and held.owner::regrole::text in ('saldo_owner', 'saldo_rule_reader')
  from (
    select case c.relkind when 'S' then 'sequence ' else 'table ' end || c.oid::regclass as thing,
      c.relowner as owner, c.relacl as acl
    from pg_catalog.pg_class as c
    where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_report')
    and c.relkind in ('r', 'p', 'v', 'm', 'S')
    and not c.relispartition
    union all
    select format('column %s.%s', c.oid::regclass, a.attname), c.relowner, a.attacl
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    where c.relnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_report')
    and a.attacl is not null
    and not c.relispartition
    union all
    select 'function ' || p.oid::regprocedure, p.proowner,
      coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_catalog.pg_proc as p
    where p.pronamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
    union all
    select format('schema %s', n.nspname), n.nspowner, n.nspacl
    from pg_catalog.pg_namespace as n
    where n.nspname in ('saldo', 'saldo_private', 'saldo_rule', 'saldo_report')
  ) as held
  cross join aclexplode(held.acl) as acl
  where acl.grantee <> held.owner
  group by acl.privilege_type, held.thing, held.owner, acl.grantee
$$;
comment on function saldo_private.current_objects__grants is
  'What is granted to others than the owner: tables, columns, sequences, functions and schemas.';

create or replace function saldo_private.current_objects__roles()
returns table (kind text, name text, definition text, is_own boolean)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select 'default grant', format('%s on new %s%s to %s', acl.privilege_type,
      case d.object_type when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
        when 'T' then 'types' else 'schemas' end,
      case when n.nspname is null then '' else ' in ' || n.nspname end,
      saldo_private.role_name(acl.grantee)),
    format('of %s', d.owner::regrole), saldo_private.is_own_role(acl.grantee)
  from (
    select o.oid as owner, type.code as object_type, coalesce(a.defaclnamespace, 0) as namespace,
      coalesce(a.defaclacl, acldefault(type.code, o.oid)) as acl
    from pg_catalog.pg_roles as o
    cross join (values ('f'::"char"), ('r'), ('S')) as type (code)
    left join pg_catalog.pg_default_acl as a on a.defaclrole = o.oid
      and a.defaclobjtype = type.code
      and a.defaclnamespace = 0
    where o.rolname = 'saldo_owner'
    union all
    select a.defaclrole, a.defaclobjtype, a.defaclnamespace, a.defaclacl
    from pg_catalog.pg_default_acl as a
    where a.defaclnamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
  ) as d
  left join pg_catalog.pg_namespace as n on n.oid = d.namespace
  cross join aclexplode(d.acl) as acl
  where acl.grantee <> d.owner
  union all
  -- What a role of Saldo may become, and who may become the owner.
  select 'membership', format('%s in %s', saldo_private.role_name(m.member),
      saldo_private.role_name(m.roleid)),
    case when bool_or(m.admin_option) then 'with admin option' else 'member' end,
    saldo_private.is_own_role(m.member) or saldo_private.role_name(m.member) = session_user
  from pg_catalog.pg_auth_members as m
  join pg_catalog.pg_roles as r on r.oid = m.member
  where saldo_private.is_own_role(m.member)
  or (
    saldo_private.role_name(m.roleid) = 'saldo_owner'
    and not r.rolsuper
    -- It may share the roles for a database of its own in this cluster.
    and not exists (select from pg_catalog.pg_database as d where d.datdba = m.member)
  )
  group by m.member, m.roleid
  union all
  select 'role', r.rolname::text, format('%s, %s%s%s',
    -- Servers of an older version in this cluster log in as saldo_server, and set it so.
    case when r.rolname = 'saldo_server' then 'login left to older versions'
      when r.rolcanlogin then 'may log in' else 'no login' end,
    case when r.rolinherit then 'inherits' else 'inherits nothing' end,
    case when r.rolcreatedb then ', makes databases' else '' end,
    case when r.rolreplication then ', replicates' else '' end), true
  from pg_catalog.pg_roles as r
  where saldo_private.is_own_role(r.oid)
$$;
comment on function saldo_private.current_objects__roles is
  'Privileges that new objects will get, what Saldo''s roles may become, and how they are.';

create or replace function saldo_private.current_objects()
returns table (kind text, name text, definition text, is_own boolean)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
-- Constants in definitions are written as the session writes them: as one way, whoever asks.
set timezone = 'UTC'
set datestyle = 'ISO'
set intervalstyle = 'postgres'
set quote_all_identifiers = off
set extra_float_digits = 1
set bytea_output = 'hex'
as $$
  select o.kind, o.name, o.definition, o.is_own
  from saldo_private.current_objects__code() as o
  union all
  select o.kind, o.name, o.definition, o.is_own
  from saldo_private.current_objects__rewrites() as o
  union all
  select o.kind, o.name, o.definition, true
  from saldo_private.current_objects__tables() as o
  union all
  select o.kind, o.name, o.definition, o.is_own
  from saldo_private.current_objects__types() as o
  union all
  select o.kind, o.name, o.definition, o.is_own
  from saldo_private.current_objects__operators() as o
  union all
  select o.kind, o.name, o.definition, o.is_own
  from saldo_private.current_objects__grants() as o
  union all
  select o.kind, o.name, o.definition, o.is_own
  from saldo_private.current_objects__roles() as o
  union all
  select 'posting source', s.source, s::text, true
  from saldo_private.posting_source as s
  union all
  select 'rule', r.name, format('%s, %s%s, heal %s',
    case when r.is_enabled then 'on' else 'off' end, r.scope,
    case when r.is_incremental then ', incremental' else '' end,
    coalesce(r.heal_function, 'none')), true
  from saldo.balance_rule as r
  where not r.is_registered
$$;
comment on function saldo_private.current_objects is
  'All that the engine is made of, as it stands, each in words.';
