-- What a till is told of its branch.
--
-- Private: branch_config.
-- The version is a hash of the rest: it changes when, and only when, something else has.

create or replace function saldo_private.branch_config(branch saldo.branch)
returns jsonb
language sql
stable
as $$
  select c.config || jsonb_build_object(
    'config_version', left(encode(sha256(convert_to(c.config::text, 'UTF8')), 'hex'), 16)
  )
  from (
    select jsonb_build_object(
      'branch', jsonb_build_object(
        'code', branch.code, 'name', branch.name, 'time_zone', branch.time_zone,
        'currency', branch.currency
      ),
      'categories', coalesce((
        select jsonb_agg(
          jsonb_build_object('type', r.flow, 'category', r.category) order by r.flow, r.category
        )
        from (
          select distinct on (each.flow, lower(each.category)) each.flow, each.category
          from saldo.posting_rule as each
          where each.removed_at is null
          and each.currency = branch.currency
          and coalesce(each.branch_id, branch.id) = branch.id
          order by each.flow, lower(each.category), each.id desc
        ) as r
      ), '[]')
    ) as config
  ) as c
$$;
comment on function saldo_private.branch_config is
  'Name, zone, currency and categories of a branch, with their version.';
