-- The rule over the engine itself: it is switched on, closed, durable and as it was built.
--
-- Private: rule_engine_configuration. Its parts: guard/configuration.sql, as_built.sql,
-- recorded_value_rule.sql, and own_tables/registered_guard.sql for the guards of users' own tables.
-- What an administrator has accepted is left out, see accept_configuration.sql.

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
  select distinct on (part.key) part.key, null::bigint, part.stored, part.derived, null::numeric,
    part.detail
  from (
    select t.key, t.stored, t.derived, '{}'::jsonb as detail
    from saldo_private.rule_engine_configuration__triggers() as t
    union all
    select d.key, d.stored, d.derived, '{}'
    from saldo_private.rule_engine_configuration__durability() as d
    union all
    select f.key, f.stored, f.derived, '{}'
    from saldo_private.rule_engine_configuration__functions() as f
    union all
    select t.key, t.stored, t.derived, '{}'
    from saldo_private.rule_engine_configuration__tables() as t
    union all
    select r.key, r.stored, r.derived, '{}'
    from saldo_private.rule_engine_configuration__registered() as r
    union all
    select b.key, b.stored, b.derived, b.detail
    from saldo_private.rule_engine_configuration__built() as b
    union all
    select b.key, b.stored, b.derived, '{}'
    from saldo_private.rule_engine_configuration__books() as b
    union all
    select a.key, a.stored, a.derived, '{}'
    from saldo_private.rule_engine_configuration__accounts() as a
    union all
    select s.key, s.stored, s.derived, '{}'
    from saldo_private.rule_engine_configuration__settings() as s
    union all
    select s.key, s.stored, s.derived, '{}'
    from saldo_private.rule_engine_configuration__sequences() as s
    offset 0 -- or hundreds that deviate from nothing are asked whether they are accepted
  ) as part
  where not saldo_private.is_configuration_accepted(
    part.key, part.stored || coalesce(': ' || (part.detail ->> 'is'), '')
  )
  order by part.key, part.derived
$$;
comment on function saldo_private.rule_engine_configuration is
  'What is switched off, opened, added, changed or missing in the engine itself.';
