-- Pending purchases: each has a hold (hot/hold.sql), and ends with it, one way or the other.
--
-- Public: complete_purchase, fail_purchase. Private: require_purchase, rule_purchase_hold.
-- Trigger: keep_purchases_whole on saldo.hold. A hold that is voided or expires fails its purchase.

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
  -- The hold before the purchase, as when a hold expires and takes its purchase along.
  if require_purchase.status = 'pending' then
    perform
    from saldo.hold as h
    where h.id = (
      select p.hold_id from saldo.purchase as p where p.id = require_purchase.purchase_id
    )
    for no key update;
  end if;
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
  perform saldo_private.require_uncontested(v_purchase.account_id, array['purchase', 'hold']);
  return v_purchase;
end
$$;
comment on function saldo_private.require_purchase is
  'The purchase in the given state, locked: SB306 purchase_not_found, SB305 purchase_state, '
  'SB121 account_frozen where purchases or holds of its account were written past the engine.';

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
  and a.mode = 'immediate'
  order by a.id
  for no key update;
  perform saldo_private.end_hold(saldo_private.require_hold(v_purchase.hold_id), 'CAPTURED');
  perform saldo_private.purchase__post(v_purchase, v_product, v_occurred_at);
  return v_purchase;
end
$$;
comment on function saldo.complete_purchase is
  'Pays a pending purchase with the amount that was held, at the price of then. occurred_at: when '
  'it was paid, default now. Locks hold and purchase, then both accounts in id order. Errors in '
  'checking order: SB010 input_invalid, SB306 purchase_not_found, SB305 purchase_state unless it '
  'is pending, SB010 input_invalid for a time before the purchase, and those of a posting.';
revoke execute on function saldo.complete_purchase from public;
grant execute on function saldo.complete_purchase to saldo_admin, saldo_cashier, saldo_app;

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
  perform saldo_private.end_hold(
    saldo_private.require_hold(v_purchase.hold_id), 'VOIDED', v_reason
  );
  return v_purchase;
end
$$;
comment on function saldo.fail_purchase is
  'Gives up a pending purchase: its hold and its stock are free again. Locks hold and purchase, '
  'stock items, the wallet account. Errors in checking order: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB306 purchase_not_found, SB305 purchase_state unless '
  'it is pending, SB121 account_frozen after a write past the engine to purchases or holds of the '
  'wallet; on a hot wallet also SB015 conflict_retry, SB020 isolation_unsupported, '
  'SB207 prepared_transaction_open.';
revoke execute on function saldo.fail_purchase from public;
grant execute on function saldo.fail_purchase to saldo_admin, saldo_cashier, saldo_app;

create or replace function saldo_private.tg_hold__keep_purchases_whole()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_purchase saldo.purchase;
begin
  select *
  into v_purchase
  from saldo.purchase as p
  where p.account_id = NEW.account_id
  and p.hold_id = NEW.id
  and p.status = 'pending'
  for no key update;
  if v_purchase.id is null then
    return null; -- the purchase ended first, and its hold with it
  end if;
  if NEW.captured_amount > 0 then
    perform saldo_private.fail(
      'purchase_state', format('hold %s is of purchase %s', NEW.id, v_purchase.id),
      'Pay it with saldo.complete_purchase.'
    );
  end if;
  update saldo.purchase as p
  set status = 'failed',
    failure_reason = NEW.close_reason,
    failed_at = now()
  where p.account_id = v_purchase.account_id
  and p.id = v_purchase.id;
  perform saldo_private.release_stock(v_purchase.account_id, v_purchase.id);
  return null;
end
$$;
comment on function saldo_private.tg_hold__keep_purchases_whole is
  'A pending purchase fails when its hold is voided or expires, and its stock is free again; its '
  'hold cannot be captured past it: SB305 purchase_state.';

create or replace trigger keep_purchases_whole
  after update on saldo.hold
  for each row
  when (NEW.source = 'purchase'
    and (NEW.status <> OLD.status or NEW.open_amount <> OLD.open_amount))
  execute function saldo_private.tg_hold__keep_purchases_whole();

create or replace function saldo_private.rule_purchase_hold()
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
  select coalesce(p.id, h.id)::text, coalesce(p.account_id, h.account_id),
    coalesce(p.amount::text, 'no pending purchase'), coalesce(h.open_amount::text, 'no open hold'),
    coalesce(p.amount, 0) - coalesce(h.open_amount, 0),
    jsonb_build_object('purchase_id', p.id, 'hold_id', h.id)
  from (
    select purchase.account_id, purchase.id, purchase.hold_id, purchase.amount
    from saldo.purchase
    where purchase.status = 'pending'
  ) as p
  full join (
    select hold.account_id, hold.id, hold.open_amount
    from saldo.hold
    where hold.status = 'HELD'
    and hold.source = 'purchase'
  ) as h on h.account_id = p.account_id and h.id = p.hold_id
  where p.amount is distinct from h.open_amount
$$;
comment on function saldo_private.rule_purchase_hold is
  'Pending purchases without an open hold of their amount, and holds of purchases that are not '
  'pending.';
