-- account.held_total: the rule that derives it again, and the heal.
--
-- Private: rule_held_total, heal_held_total. Truth: the open holds. hold.sql keeps it in step.

create or replace function saldo_private.rule_held_total()
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
  -- A full join: a hold of an account that is gone is a difference as well. What is held on a hot
  -- account is in its slots (rule account_slot).
  select coalesce(a.id, h.account_id)::text, coalesce(a.id, h.account_id), a.held_total::text,
    d.amount::text, coalesce(a.held_total, 0) - d.amount,
    jsonb_build_object('open_count', coalesce(h.open_count, 0))
  from saldo.account as a
  full join (
    select hold.account_id, sum(hold.open_amount) as amount, count(*) as open_count
    from saldo.hold
    where hold.status = 'HELD'
    group by hold.account_id
  ) as h on h.account_id = a.id
  cross join lateral (
    select case when a.mode = 'hot' then 0 else coalesce(h.amount, 0) end as amount
  ) as d
  where a.held_total is distinct from d.amount
$$;
comment on function saldo_private.rule_held_total is
  'Accounts whose held_total is not the sum of their open holds. The key is the account id.';

create or replace function saldo_private.heal_held_total(key text)
returns table (before jsonb, after jsonb)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account_id bigint := heal_held_total.key::bigint;
  v_stored numeric;
  v_derived numeric;
begin
  select a.held_total
  into v_stored
  from saldo.account as a
  where a.id = v_account_id
  for no key update;
  if v_stored is null then
    return;
  end if;

  -- A statement of its own: only a snapshot taken under the lock has all that came before it.
  select case when a.mode = 'hot' then 0 else coalesce(sum(h.open_amount), 0) end
  into v_derived
  from saldo.account as a
  left join saldo.hold as h on h.account_id = a.id and h.status = 'HELD'
  where a.id = v_account_id
  group by a.mode;

  if v_stored <> v_derived then
    update saldo.account as a
    set held_total = v_derived
    where a.id = v_account_id;
  end if;
  return query
  select jsonb_build_object('held_total', v_stored::text),
    jsonb_build_object('held_total', v_derived::text);
end
$$;
comment on function saldo_private.heal_held_total is
  'Sets held_total of an account to the sum of its open holds, under its lock.';
