-- The engine itself: its triggers are on, its functions cannot be fooled, its tables cannot be
-- written around it, and commits are durable.
--
-- Private: the parts of rule_engine_configuration that look at triggers, durability, functions and
-- tables; whether all is as built is looked at in check/as_built.sql.

create or replace function saldo_private.expected_source_triggers()
returns table (table_name text, trigger_name text, is_always boolean)
language sql
immutable
as $$
  select source.name, each.name, true
  from unnest(array['sub_balance', 'hold', 'purchase', 'purchase_refund', 'stock_item', 'deposit',
    'reading', 'rated_line', 'settlement', 'settlement_entry', 'settlement_range',
    'settlement_mark', 'account_slot', 'idempotency_record', 'tariff_version',
    'correction_factor_version', 'customer', 'meter', 'member', 'product', 'account_terms',
    'posting_rule', 'branch_intake', 'row_seal', 'sealed_record', 'sealed_stretch',
    'contested_row', 'top_up_reversal', 'branch', 'branch_device', 'branch_epoch', 'branch_head',
    'branch_gap_waiver', 'branch_key', 'branch_key_secret', 'branch_enrolment', 'centre_epoch',
    'account_freeze', 'balance_adjustment', 'clock_acceptance', 'configuration_acceptance',
    'heal_policy', 'heal_proposal', 'registered_rule', 'rule_approval', 'rule_reads',
    'row_seal_progress']) as source (name)
  cross join (values ('record_bypass'), ('record_bypass_truncate')) as each (name)
  union all
  select record.name, 'stamp_change', false
  from unnest(array['hold', 'purchase', 'stock_item', 'deposit', 'reading', 'rated_line',
    'settlement']) as record (name)
$$;
comment on function saldo_private.expected_source_triggers is
  'Triggers on the tables that heals, settlement and rating derive from, and whether each is '
  'always on.';

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
      ('row_seal', 'keep_seals_immutable', false),
      ('sealed_record', 'keep_seals_immutable', false),
      ('contested_row', 'keep_seals_immutable', false),
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
      ('year_movement', 'guard_cached_balance', true),
      ('year_movement', 'guard_truncate', true),
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

create or replace function saldo_private.is_switched_off(setting text)
returns boolean
language sql
immutable
as $$
  select lower(setting) in ('off', 'of', 'false', 'fals', 'fal', 'fa', 'f', 'no', 'n', '0')
$$;
comment on function saldo_private.is_switched_off is
  'Whether PostgreSQL takes this value of a setting for off.';

create or replace function saldo_private.rule_engine_configuration__durability()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  -- Not what this session has set for itself: postings wait for their commit all the same.
  select format('setting %s', s.name), s.reset_val, expected.value
  from pg_catalog.pg_settings as s
  join (
    values ('fsync', 'on'), ('full_page_writes', 'on'), ('synchronous_commit', 'on'),
      ('zero_damaged_pages', 'off'), ('ignore_checksum_failure', 'off'), ('data_sync_retry', 'off')
  ) as expected (setting, value) on expected.setting = s.name
  where (
    saldo_private.is_switched_off(s.reset_val) <> (expected.value = 'off')
    or s.reset_val in ('local', 'remote_write')
      and current_setting('synchronous_standby_names') <> ''
  )
  -- It may be set for the login or database, which is told below.
  and not (s.name = 'synchronous_commit' and s.source in ('database', 'user', 'database user'))
  union all
  -- Settings may be written in any case and spelling; local leaves the standby out.
  select format('setting %s of %s', part.name,
      concat_ws(' in ', coalesce(r.rolname, 'all logins'), 'database ' || d.datname)),
    part.value, 'none'
  from pg_catalog.pg_db_role_setting as o
  left join pg_catalog.pg_roles as r on r.oid = o.setrole
  left join pg_catalog.pg_database as d on d.oid = o.setdatabase
  cross join unnest(o.setconfig) as item
  cross join lateral (
    select lower(split_part(item, '=', 1)) as name, split_part(item, '=', 2) as value
  ) as part
  where (d.datname is null or d.datname = current_database())
  and (
    part.name = 'synchronous_commit' and (
      saldo_private.is_switched_off(part.value)
      or lower(part.value) in ('local', 'remote_write')
        and current_setting('synchronous_standby_names') <> ''
    )
    or part.name = 'session_replication_role' and lower(part.value) <> 'origin'
    or part.name in ('zero_damaged_pages', 'ignore_checksum_failure', 'row_security')
      and saldo_private.is_switched_off(part.value) = (part.name = 'row_security')
  )
$$;
comment on function saldo_private.rule_engine_configuration__durability is
  'Settings of the server, a database or a login that take durability or the triggers away.';

create or replace function saldo_private.rule_engine_configuration__functions()
returns table (key text, stored text, derived text)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
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
  select format('grant EXECUTE on function %s to public', p.oid::regprocedure), 'added',
    'executable by named roles'
  from pg_catalog.pg_proc as p
  where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and exists (
    select
    from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
    where acl.grantee = 0
  )
  -- What somebody has added beside is told by the build's record, with its grants.
  and p.proowner::regrole::text in ('saldo_owner', 'saldo_rule_reader')
  -- The triggers of the guard and of postings ask them as whoever writes.
  and p.oid not in (
    'saldo_private.is_past_engine()'::regprocedure,
    'saldo_private.is_moved_by_trigger()'::regprocedure
  )
$$;
comment on function saldo_private.rule_engine_configuration__functions is
  'Definer functions whose search path can be hijacked, and functions that anyone may call.';

create or replace function saldo_private.rule_engine_configuration__tables()
returns table (key text, stored text, derived text)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select c.oid::regclass::text, 'row level security is not forced', 'forced'
  from pg_catalog.pg_class as c
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and c.relkind in ('r', 'p')
  and not (c.relrowsecurity and c.relforcerowsecurity)
  union all
  -- Under the keys that the build's record has for grants; a right to write cannot be accepted.
  select format('grant %s on table %s to %s', acl.privilege_type, c.oid::regclass,
      coalesce(r.rolname, 'public')), 'added', 'written by the owner only'
  from pg_catalog.pg_class as c
  cross join aclexplode(c.relacl) as acl
  left join pg_catalog.pg_roles as r on r.oid = acl.grantee
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and c.relkind in ('r', 'p', 'v')
  and acl.privilege_type <> 'SELECT'
  and acl.grantee <> c.relowner
  union all
  select format('grant %s on column %s.%s to %s', acl.privilege_type, c.oid::regclass, a.attname,
      coalesce(r.rolname, 'public')), 'added', 'written by the owner only'
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
  -- From PostgreSQL 18 on a constraint may be not enforced, but no "not null"; before, there is no
  -- such column.
  and not (c.convalidated
    and (c.contype = 'n' or coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true)))
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
