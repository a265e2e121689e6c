-- Pending purchases: what becomes of a hold, and the cache of holds with its rule and heal.
--
-- Public: complete_purchase, fail_purchase. Private: require_purchase, release_hold,
-- rule_held_total, heal_held_total.
-- Truth: the pending purchases. Cache: account.held_total, changed only under the account's lock,
-- in the transaction that makes a purchase pending or ends that.

create or replace function saldo_private.require_purchase(
  purchase_id uuid,
  status saldo.purchase_status
)
returns saldo.purchase
language plpgsql
as $$
declare
  v_purchase saldo.purchase;
begin
  select *
  into v_purchase
  from saldo.purchase
  where id = require_purchase.purchase_id
  for no key update;
  if v_purchase.id is null then
    perform saldo_private.fail('purchase_not_found', format('purchase %s', purchase_id));
  elsif v_purchase.status <> require_purchase.status then
    perform saldo_private.fail('purchase_state', format(
      'purchase %s is %s, not %s', purchase_id, v_purchase.status, require_purchase.status
    ));
  end if;
  return v_purchase;
end
$$;
comment on function saldo_private.require_purchase is
  'The purchase in the given state, locked: SB306, SB305.';

create or replace function saldo_private.release_hold(account_id bigint, amount numeric)
returns void
language plpgsql
as $$
begin
  update saldo.account as a
  set held_total = a.held_total - release_hold.amount
  where a.id = release_hold.account_id;
  perform saldo_private.require_durable_commit();
end
$$;
comment on function saldo_private.release_hold is
  'Takes an amount off what is held on an account, which it locks.';

create or replace function saldo.complete_purchase(
  purchase_id uuid,
  occurred_at timestamptz default null
)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_occurred_at timestamptz := saldo_private.require_occurred_at(complete_purchase.occurred_at);
  v_purchase saldo.purchase;
  v_product saldo.product;
begin
  v_purchase := saldo_private.require_purchase(complete_purchase.purchase_id, 'pending');
  if v_occurred_at < v_purchase.occurred_at then
    perform saldo_private.fail(
      'input_invalid', format('occurred_at: not before %s', v_purchase.occurred_at)
    );
  end if;
  select *
  into strict v_product
  from saldo.product
  where id = v_purchase.product_id;

  update saldo.purchase as p
  set status = 'completed',
    entry_id = saldo_private.uuid_v7(),
    completed_at = now()
  where p.account_id = v_purchase.account_id
  and p.id = v_purchase.id
  returning * into v_purchase;

  -- The hold must go before the posting, which would count it against the balance; but both
  -- accounts are locked before that, in id order like everywhere.
  perform a.id
  from saldo.account as a
  where a.id in (v_purchase.account_id, v_product.revenue_account_id)
  order by a.id
  for no key update;
  perform saldo_private.release_hold(v_purchase.account_id, v_purchase.amount);
  perform saldo_private.purchase__post(v_purchase, v_product, v_occurred_at);
  return v_purchase;
end
$$;
comment on function saldo.complete_purchase is
  'Pays a pending purchase with the amount that was held, at the price of then. occurred_at: when '
  'it was paid, default now. Locks the purchase, then both accounts in id order. Errors in '
  'checking order: SB010, SB306, SB305 unless it is pending, SB010 for a time before the purchase.';
revoke execute on function saldo.complete_purchase from public;
grant execute on function saldo.complete_purchase to saldo_admin;

create or replace function saldo.fail_purchase(purchase_id uuid, reason text)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(fail_purchase.reason, 'reason');
  v_purchase saldo.purchase;
begin
  v_purchase := saldo_private.require_purchase(fail_purchase.purchase_id, 'pending');
  update saldo.purchase as p
  set status = 'failed',
    failure_reason = v_reason,
    failed_at = now()
  where p.account_id = v_purchase.account_id
  and p.id = v_purchase.id
  returning * into v_purchase;

  perform saldo_private.release_stock(v_purchase.account_id, v_purchase.id);
  perform saldo_private.release_hold(v_purchase.account_id, v_purchase.amount);
  return v_purchase;
end
$$;
comment on function saldo.fail_purchase is
  'Gives up a pending purchase: its hold and its stock are free again. Locks the purchase, its '
  'stock items, the wallet account. Errors in checking order: SB010, SB008, SB009, SB306, SB305 '
  'unless it is pending.';
revoke execute on function saldo.fail_purchase from public;
grant execute on function saldo.fail_purchase to saldo_admin;

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
  -- A full join: a pending purchase of an account that is gone is a difference as well.
  select coalesce(a.id, p.account_id)::text, coalesce(a.id, p.account_id), a.held_total::text,
    coalesce(p.amount, 0)::text, coalesce(a.held_total, 0) - coalesce(p.amount, 0),
    jsonb_build_object('pending_count', coalesce(p.pending_count, 0))
  from saldo.account as a
  full join (
    select purchase.account_id, sum(purchase.amount) as amount, count(*) as pending_count
    from saldo.purchase
    where purchase.status = 'pending'
    group by purchase.account_id
  ) as p on p.account_id = a.id
  where a.held_total is distinct from coalesce(p.amount, 0)
$$;
comment on function saldo_private.rule_held_total is
  'Accounts whose held_total is not the sum of their pending purchases. The key is the account id.';

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
  select coalesce(sum(p.amount), 0)
  into v_derived
  from saldo.purchase as p
  where p.account_id = v_account_id
  and p.status = 'pending';

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
  'Sets held_total of an account to the sum of its pending purchases, under its lock.';
