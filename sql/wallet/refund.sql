-- Refunds: a paid purchase is paid back, whole or in parts, and its stock is for sale again or not.
--
-- Public: refund_purchase. Private: refund_purchase__lock, refund_purchase__whole,
-- refund_purchase__part. Trigger: keep_purchases_whole.
-- Whole and at once the refund is the reversal of the purchase's entry. A part is an entry of its
-- own (purchase_refund.sql). The purchase is locked first, so that what is left of it is known.

select saldo_private.describe_source('refund');

create or replace function saldo_private.refund_purchase__lock(
  purchase_id uuid,
  occurred_at timestamptz
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
  where id = refund_purchase__lock.purchase_id
  for no key update;
  if v_purchase.id is null then
    perform saldo_private.fail('purchase_not_found', format('purchase %s', purchase_id));
  elsif v_purchase.status not in ('completed', 'partially_refunded') then
    perform saldo_private.fail('purchase_state', format(
      'purchase %s is %s, not completed or partially refunded', purchase_id, v_purchase.status
    ));
  elsif occurred_at < v_purchase.occurred_at then
    perform saldo_private.fail(
      'input_invalid', format('occurred_at: not before %s', v_purchase.occurred_at)
    );
  end if;
  perform saldo_private.require_uncontested(
    v_purchase.account_id, array['purchase', 'purchase_refund']
  );
  return v_purchase;
end
$$;
comment on function saldo_private.refund_purchase__lock is
  'The purchase, locked, if it can be refunded: SB306 purchase_not_found, SB305 purchase_state, '
  'SB010 input_invalid for a time before it, SB121 account_frozen where purchases or refunds of '
  'its account were written past the engine.';

create or replace function saldo_private.refund_purchase__whole(
  purchase saldo.purchase,
  reason text,
  occurred_at timestamptz,
  idempotency_key text
)
returns saldo.purchase
language plpgsql
as $$
declare
  v_purchase saldo.purchase;
begin
  update saldo.purchase as p
  set status = 'refunded',
    refund_entry_id = saldo_private.uuid_v7(),
    refund_reason = refund_purchase__whole.reason,
    refunded_at = now()
  where p.account_id = purchase.account_id
  and p.id = purchase.id
  returning * into v_purchase;

  perform saldo_private.release_stock(v_purchase.account_id, v_purchase.id);
  perform saldo_private.reverse_posted_entry(
    entry_id => v_purchase.entry_id,
    reversal_id => v_purchase.refund_entry_id,
    description => 'Refund: ' || reason,
    source => 'refund',
    occurred_at => refund_purchase__whole.occurred_at,
    idempotency_key => refund_purchase__whole.idempotency_key
  );
  return v_purchase;
end
$$;
comment on function saldo_private.refund_purchase__whole is
  'Pays back a purchase of which nothing was paid back yet, by the reversal of its entry.';

create or replace function saldo_private.refund_purchase__part(
  purchase saldo.purchase,
  refund saldo.purchase_refund,
  is_last boolean,
  idempotency_key text
)
returns saldo.purchase
language plpgsql
as $$
declare
  v_purchase saldo.purchase;
  v_revenue_account_id bigint;
begin
  -- Written each time: another transaction that read what was left before fails, or waits.
  update saldo.purchase as p
  set status = case when is_last then 'refunded' else 'partially_refunded' end
      ::saldo.purchase_status,
    refund_entry_id = case when is_last then refund.entry_id end,
    refund_reason = case when is_last then refund.reason end,
    refunded_at = case when is_last then now() end
  where p.account_id = purchase.account_id
  and p.id = purchase.id
  returning * into v_purchase;
  insert into saldo.purchase_refund (
    account_id, entry_id, purchase_id, amount, restocked_quantity, reason, occurred_at, created_by
  )
  values (
    v_purchase.account_id, refund.entry_id, v_purchase.id, refund.amount,
    refund.restocked_quantity, refund.reason, refund.occurred_at, saldo_private.actor()
  );
  if refund.restocked_quantity > 0 and refund.restocked_quantity <> saldo_private.release_stock(
    v_purchase.account_id, v_purchase.id, refund.restocked_quantity
  ) then
    perform saldo_private.fail('input_invalid', format(
      'restock: purchase %s has not so many items', v_purchase.id
    ));
  end if;
  -- The account that the purchase credited, whatever the product says now.
  select l.account_id
  into strict v_revenue_account_id
  from saldo.journal_line as l
  where l.entry_id = v_purchase.entry_id
  and l.credit > 0;
  perform saldo_private.post_pair(
    entry_id => refund.entry_id,
    debit_account_id => v_revenue_account_id,
    credit_account_id => v_purchase.account_id,
    amount => refund.amount,
    description => 'Refund: ' || refund.reason,
    source => 'partial_refund',
    occurred_at => refund.occurred_at,
    idempotency_key => refund_purchase__part.idempotency_key,
    is_with_hot => true
  );
  return v_purchase;
end
$$;
comment on function saldo_private.refund_purchase__part is
  'Records and posts a refund of a part: SB010 input_invalid for more items than the purchase has, '
  'and those of a posting.';

create or replace function saldo.refund_purchase(
  purchase_id uuid,
  reason text,
  idempotency_key text default null,
  occurred_at timestamptz default null,
  amount numeric default null,
  restock integer default null
)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(refund_purchase.reason, 'reason', 480);
  v_occurred_at timestamptz := saldo_private.require_occurred_at(refund_purchase.occurred_at);
  v_amount numeric := case when refund_purchase.amount is not null
    then saldo_private.require_amount(refund_purchase.amount) end;
  v_purchase saldo.purchase;
  v_refund saldo.purchase_refund;
  v_left numeric;
begin
  if restock not between 0 and 1000 then
    perform saldo_private.fail('input_invalid', 'restock: 0 to 1,000');
  end if;
  if saldo_private.claim_idempotency_key(
    'wallet', refund_purchase.idempotency_key, 'refund_purchase',
    jsonb_build_array(
      refund_purchase.purchase_id, v_reason, extract(epoch from refund_purchase.occurred_at)
    ) || case when num_nonnulls(v_amount, restock) > 0
      then jsonb_build_array(v_amount, restock) else '[]' end,
    refund_purchase.purchase_id
  ) is not null then
    select *
    into strict v_purchase
    from saldo.purchase
    where id = refund_purchase.purchase_id;
    return v_purchase;
  end if;

  v_purchase := saldo_private.refund_purchase__lock(refund_purchase.purchase_id, v_occurred_at);
  -- A statement after the lock: it sees the refunds that were waited for.
  select v_purchase.amount - coalesce(sum(r.amount), 0)
  into v_left
  from saldo.purchase_refund as r
  where r.account_id = v_purchase.account_id
  and r.purchase_id = v_purchase.id;
  if v_amount > v_left then
    perform saldo_private.fail('refund_too_large', format(
      'purchase %s: left %s, wanted %s', purchase_id, v_left, v_amount
    ));
  end if;
  perform saldo_private.use_limit('refund', coalesce(v_amount, v_left), (
    select a.currency
    from saldo.account as a
    where a.id = v_purchase.account_id
  ));
  if coalesce(v_amount, v_left) = v_purchase.amount and restock is null then
    return saldo_private.refund_purchase__whole(
      v_purchase, v_reason, v_occurred_at, refund_purchase.idempotency_key
    );
  end if;
  v_refund.entry_id := saldo_private.uuid_v7();
  v_refund.amount := coalesce(v_amount, v_left);
  v_refund.reason := v_reason;
  v_refund.occurred_at := v_occurred_at;
  v_refund.restocked_quantity := coalesce(restock, case when v_refund.amount < v_left then 0 else (
    select count(*)
    from saldo.stock_item as s
    where s.account_id = v_purchase.account_id
    and s.purchase_id = v_purchase.id
  ) end);
  return saldo_private.refund_purchase__part(
    v_purchase, v_refund, v_refund.amount = v_left, refund_purchase.idempotency_key
  );
end
$$;
comment on function saldo.refund_purchase is
  'Pays a completed purchase back: all that is left of it, or amount of it, as often as something '
  'is left. restock: how many of its items are for sale again, the last ones first; null = all '
  'with what is left, none with a part. Its state is partially_refunded until all is paid back. '
  'occurred_at: default now. The same idempotency_key with the same content returns the purchase '
  'as it is now; keys are shared by top-ups and refunds. Locks the purchase, its stock items, both '
  'accounts in id order. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, '
  'SB010 input_invalid for restock, SB005 idempotency_conflict, SB306 purchase_not_found, '
  'SB305 purchase_state unless it is completed or partially refunded, SB010 input_invalid for a '
  'time before the purchase, SB307 refund_too_large, SB660 call_limit_exceeded and '
  'SB661 day_limit_exceeded unless you are an administrator, SB010 input_invalid for more items '
  'than the purchase has, SB102 account_closed for a closed account, and those of a posting.';
revoke execute on function saldo.refund_purchase from public;
grant execute on function saldo.refund_purchase to saldo_admin, saldo_cashier;

create or replace function saldo_private.tg_journal_entry__keep_purchases_whole()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_purchase_id uuid;
begin
  if NEW.source = 'refund' then
    return NEW;
  end if;
  select p.id
  into v_purchase_id
  from saldo.journal_line as l
  join saldo.purchase as p on p.account_id = l.account_id and p.entry_id = l.entry_id
  where l.entry_id = NEW.reverses
  limit 1;
  if v_purchase_id is null then
    select r.purchase_id
    into v_purchase_id
    from saldo.journal_line as l
    join saldo.purchase_refund as r on r.account_id = l.account_id and r.entry_id = l.entry_id
    where l.entry_id = NEW.reverses
    limit 1;
  end if;
  if v_purchase_id is not null then
    perform saldo_private.fail(
      'entry_not_reversible',
      format('entry %s pays purchase %s, or pays it back', NEW.reverses, v_purchase_id),
      'Undo a purchase with saldo.refund_purchase.'
    );
  end if;
  return NEW;
end
$$;
comment on function saldo_private.tg_journal_entry__keep_purchases_whole is
  'Refuses to reverse the payment of a purchase, or a refund of a part, behind the purchase''s '
  'back: '
  'SB106 entry_not_reversible.';

create or replace trigger keep_purchases_whole
  before insert on saldo.journal_entry
  for each row
  -- Read by every posting: a test for null is the shortest there is.
  when (NEW.reverses is not null)
  execute function saldo_private.tg_journal_entry__keep_purchases_whole();
