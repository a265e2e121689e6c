-- The engine itself: its triggers are on, its functions cannot be fooled, its tables cannot be
-- written around it, and commits are durable.
--
-- Private: the parts of rule_engine_configuration that look at triggers, durability, functions and
-- tables; whether all is as built is looked at in as_built.sql.

create or replace function saldo_private.expected_source_triggers()
returns table (table_name text, trigger_name text, is_always boolean)
language sql
immutable
as $$
  select source.name, each.name, true
  from unnest(array['sub_balance', 'hold', 'purchase', 'stock_item', 'deposit', 'reading',
    'rated_line', 'settlement', 'settlement_entry', 'settlement_range', 'settlement_mark',
    'account_slot', 'idempotency_record']) as source (name)
  cross join (values ('record_bypass'), ('record_bypass_truncate')) as each (name)
  union all
  select record.name, 'stamp_change', false
  from unnest(array['hold', 'purchase', 'stock_item', 'deposit', 'reading', 'rated_line',
    'settlement']) as record (name)
$$;
comment on function saldo_private.expected_source_triggers is
  'Triggers on the tables that heals derive from, and whether each is always on.';

create or replace function saldo_private.rule_engine_configuration__triggers()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select format('trigger %s on %s', expected.trigger_name, expected.table_name),
    coalesce(
      case t.tgenabled when 'D' then 'disabled' when 'R' then 'fires on replicas only'
        when 'A' then 'always' when 'O' then 'on' end,
      'missing'
    ),
    case when expected.is_always then 'always' else 'on' end
  from (
    values
      ('journal_line', 'auto_sync_balance_on_posting', false),
      ('journal_line', 'keep_posted_immutable', false),
      ('journal_line', 'keep_journal_whole', false),
      ('journal_line', 'record_bypass_insert', true),
      ('journal_line', 'record_bypass', true),
      ('journal_line', 'record_bypass_truncate', true),
      ('journal_entry', 'keep_posted_immutable', false),
      ('journal_entry', 'keep_journal_whole', false),
      ('journal_entry', 'record_bypass', true),
      ('journal_entry', 'record_bypass_truncate', true),
      ('journal_seal', 'keep_seals_immutable', false),
      ('journal_seal_total', 'keep_seals_immutable', false),
      ('journal_seal_entry', 'keep_seals_immutable', false),
      ('journal_seal', 'record_bypass', true),
      ('journal_seal', 'record_bypass_truncate', true),
      ('journal_seal_total', 'record_bypass', true),
      ('journal_seal_total', 'record_bypass_truncate', true),
      ('journal_seal_entry', 'record_bypass', true),
      ('journal_seal_entry', 'record_bypass_truncate', true),
      ('sub_balance', 'keep_immutable', false),
      ('settlement_range', 'keep_immutable', false),
      ('settlement_entry', 'keep_immutable', false),
      ('account_stripe', 'move_slot_on_posting', false),
      ('account', 'guard_cached_balance', true),
      ('account', 'guard_truncate', true),
      ('month_movement', 'guard_cached_balance', true),
      ('month_movement', 'guard_truncate', true),
      ('customer_month_total', 'guard_cached_balance', true),
      ('customer_month_total', 'guard_truncate', true)
    union all
    select t.table_name, t.trigger_name, t.is_always
    from saldo_private.expected_source_triggers() as t
  ) as expected (table_name, trigger_name, is_always)
  left join pg_catalog.pg_trigger as t
    on t.tgrelid = coalesce(
      to_regclass('saldo.' || expected.table_name),
      to_regclass('saldo_private.' || expected.table_name)
    )
    and t.tgname = expected.trigger_name
  where t.tgenabled is distinct from case when expected.is_always then 'A' else 'O' end::"char"
$$;
comment on function saldo_private.rule_engine_configuration__triggers is
  'Triggers of the engine that are missing, disabled or silenced.';

create or replace function saldo_private.rule_engine_configuration__durability()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select format('setting %s', s.name), s.setting, 'on'
  from pg_catalog.pg_settings as s
  where s.name = 'full_page_writes'
  and s.setting = 'off'
  union all
  select format('role setting %s', coalesce(r.rolname, d.datname, 'all')), item, 'none'
  from pg_catalog.pg_db_role_setting as o
  left join pg_catalog.pg_roles as r on r.oid = o.setrole
  left join pg_catalog.pg_database as d on d.oid = o.setdatabase
  cross join unnest(o.setconfig) as item
  where (d.datname is null or d.datname = current_database())
  and item ~ '^(synchronous_commit=off|session_replication_role=|row_security=)'
$$;
comment on function saldo_private.rule_engine_configuration__durability is
  'Settings that take durability or the engine''s triggers away.';

create or replace function saldo_private.rule_engine_configuration__functions()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select p.oid::regprocedure::text, coalesce(array_to_string(p.proconfig, ', '), 'no search_path'),
    'search_path ending in pg_temp'
  from pg_catalog.pg_proc as p
  where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and p.prosecdef
  and not exists (
    select
    from unnest(p.proconfig) as item
    where item ~ '^search_path=.*pg_temp$'
  )
  union all
  select p.oid::regprocedure::text, 'executable by public', 'executable by named roles'
  from pg_catalog.pg_proc as p
  where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and exists (
    select
    from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
    where acl.grantee = 0
  )
$$;
comment on function saldo_private.rule_engine_configuration__functions is
  'Definer functions whose search path can be hijacked, and functions that anyone may call.';

create or replace function saldo_private.rule_engine_configuration__tables()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select c.oid::regclass::text, 'row level security is not forced', 'forced'
  from pg_catalog.pg_class as c
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and c.relkind in ('r', 'p')
  and not (c.relrowsecurity and c.relforcerowsecurity)
  union all
  select c.oid::regclass::text, format('%s for %s', acl.privilege_type,
    coalesce(r.rolname, 'public')), 'written by the owner only'
  from pg_catalog.pg_class as c
  cross join aclexplode(c.relacl) as acl
  left join pg_catalog.pg_roles as r on r.oid = acl.grantee
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and c.relkind in ('r', 'p', 'v')
  and acl.privilege_type <> 'SELECT'
  and acl.grantee <> c.relowner
  union all
  select format('%s.%s', c.oid::regclass, a.attname), format('%s for %s', acl.privilege_type,
    coalesce(r.rolname, 'public')), 'written by the owner only'
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_class as c on c.oid = a.attrelid
  cross join aclexplode(a.attacl) as acl
  left join pg_catalog.pg_roles as r on r.oid = acl.grantee
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and acl.privilege_type <> 'SELECT'
  and acl.grantee <> c.relowner
  union all
  select r.rolname::text, 'may become saldo_owner', 'no way to the owner'
  from pg_catalog.pg_roles as r
  where r.rolname ~ '^saldo_'
  and r.rolname <> 'saldo_owner'
  and pg_has_role(r.oid, 'saldo_owner', 'member')
  union all
  select r.rolname::text, 'may go around row level security', 'an ordinary role'
  from pg_catalog.pg_roles as r
  where r.rolname ~ '^saldo_'
  and (r.rolsuper or r.rolbypassrls or r.rolcreaterole)
  union all
  select c.conname::text, 'not validated', 'validated'
  from pg_catalog.pg_constraint as c
  where c.connamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  -- From PostgreSQL 18 on a constraint may be not enforced; before, there is no such column.
  and not (c.convalidated and coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true))
  union all
  select i.indexrelid::regclass::text, 'not valid', 'valid'
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and not i.indisvalid
  and not exists (
    select from pg_catalog.pg_stat_progress_create_index as p where p.index_relid = i.indexrelid
  )
$$;
comment on function saldo_private.rule_engine_configuration__tables is
  'Tables that can be read or written around the engine.';
