-- The rule over the engine itself: it is switched on, closed, durable and as it was built.
--
-- Private: rule_engine_configuration. Its parts: guard/configuration.sql, guard/as_built.sql, and
-- own_tables/registered_guard.sql for the guards of users' own tables.

create or replace function saldo_private.rule_engine_configuration()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select part.key, null::bigint, part.stored, part.derived, null::numeric, '{}'::jsonb
  from (
    select * from saldo_private.rule_engine_configuration__triggers()
    union all
    select * from saldo_private.rule_engine_configuration__durability()
    union all
    select * from saldo_private.rule_engine_configuration__functions()
    union all
    select * from saldo_private.rule_engine_configuration__tables()
    union all
    select * from saldo_private.rule_engine_configuration__registered()
    union all
    select * from saldo_private.rule_engine_configuration__built()
  ) as part
$$;
comment on function saldo_private.rule_engine_configuration is
  'What is switched off, opened, changed or missing in the engine itself.';
