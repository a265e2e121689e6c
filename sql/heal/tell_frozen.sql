-- What has become of accounts whose journal was changed, told in the reasons of a plan.
--
-- Private: tell_frozen and its step.

create or replace function saldo_private.tell_frozen__one(
  plan saldo_private.planned_heal,
  held_back bigint[]
)
returns saldo_private.planned_heal
language plpgsql
stable
as $$
begin
  if plan.is_journal_changed then
    plan.reason := plan.reason || coalesce((
      select case
        when a.frozen_at is not null then format(' The account is frozen since %s.', a.frozen_at)
        when a.code ~ saldo_private.system_code_pattern()
        then ' The account is one of the engine''s own, and is not frozen by itself.'
        when a.id = any (held_back)
        then format(' %s accounts are more than one run freezes: a human decides which.',
          cardinality(held_back))
        else (
          select format(' The account was unfrozen at %s by %s: %s', f.unfrozen_at, f.unfrozen_by,
            f.unfreeze_reason)
          from saldo.account_freeze as f
          where f.account_id = a.id
          and f.unfrozen_at is not null
          order by f.unfrozen_at desc
          limit 1
        )
      end
      from saldo.account as a
      where a.id = plan.account_id
    ), '');
  end if;
  return plan;
end
$$;
comment on function saldo_private.tell_frozen__one is
  'The plan with what has become of its account, if its journal was changed. held_back: accounts '
  'that are too many to be frozen by themselves.';

create or replace function saldo_private.tell_frozen(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select array(
    select saldo_private.tell_frozen__one(
      p, case when cardinality(changed.account_ids) > changed.most then changed.account_ids end
    )
    from unnest(plan) as p
  )
  from (
    select array(select c.account_id from saldo_private.changed_accounts(plan) as c) as account_ids,
      saldo_private.freeze_limit() as most
    offset 0 -- or it is counted for each
  ) as changed
$$;
comment on function saldo_private.tell_frozen is
  'Adds to the reasons of a plan what has become of accounts whose journal was changed.';
