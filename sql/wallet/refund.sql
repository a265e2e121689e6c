-- Refunds: a paid purchase is paid back in full, and its stock is for sale again.
--
-- Public: refund_purchase. Trigger: keep_purchases_whole.
-- The refund is the reversal of the purchase's entry, so that the books can never show two.

create or replace function saldo.refund_purchase(
  purchase_id uuid,
  reason text,
  idempotency_key text default null,
  occurred_at timestamptz default null
)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(refund_purchase.reason, 'reason', 480);
  v_occurred_at timestamptz := saldo_private.require_occurred_at(refund_purchase.occurred_at);
  v_purchase saldo.purchase;
begin
  if saldo_private.claim_idempotency_key(
    'wallet', refund_purchase.idempotency_key, 'refund_purchase',
    jsonb_build_array(
      refund_purchase.purchase_id, v_reason, extract(epoch from refund_purchase.occurred_at)
    ),
    refund_purchase.purchase_id
  ) is not null then
    select *
    into strict v_purchase
    from saldo.purchase
    where id = refund_purchase.purchase_id;
    return v_purchase;
  end if;

  v_purchase := saldo_private.require_purchase(refund_purchase.purchase_id, 'completed');
  if v_occurred_at < v_purchase.occurred_at then
    perform saldo_private.fail(
      'input_invalid', format('occurred_at: not before %s', v_purchase.occurred_at)
    );
  end if;
  update saldo.purchase as p
  set status = 'refunded',
    refund_entry_id = saldo_private.uuid_v7(),
    refund_reason = v_reason,
    refunded_at = now()
  where p.account_id = v_purchase.account_id
  and p.id = v_purchase.id
  returning * into v_purchase;

  perform saldo_private.release_stock(v_purchase.account_id, v_purchase.id);
  perform saldo_private.reverse_posted_entry(
    entry_id => v_purchase.entry_id,
    reversal_id => v_purchase.refund_entry_id,
    description => 'Refund: ' || v_reason,
    source => 'refund',
    occurred_at => v_occurred_at,
    idempotency_key => refund_purchase.idempotency_key
  );
  return v_purchase;
end
$$;
comment on function saldo.refund_purchase is
  'Pays a completed purchase back in full and frees its stock. occurred_at: default now. The same '
  'idempotency_key with the same content returns the refunded purchase; keys are shared by '
  'top-ups and refunds. Locks the purchase, its stock items, both accounts in id order. Errors in '
  'checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB005 idempotency_conflict, SB306 purchase_not_found, SB305 purchase_state unless it is '
  'completed, SB010 input_invalid for a time before the purchase, SB102 account_closed for a '
  'closed account, and those of a posting.';
revoke execute on function saldo.refund_purchase from public;
grant execute on function saldo.refund_purchase to saldo_admin;

create or replace function saldo_private.tg_journal_entry__keep_purchases_whole()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_purchase_id uuid;
begin
  select p.id
  into v_purchase_id
  from saldo.journal_line as l
  join saldo.purchase as p on p.account_id = l.account_id and p.entry_id = l.entry_id
  where l.entry_id = NEW.reverses
  limit 1;
  if v_purchase_id is not null then
    perform saldo_private.fail(
      'entry_not_reversible',
      format('entry %s pays purchase %s', NEW.reverses, v_purchase_id),
      'Undo a purchase with saldo.refund_purchase.'
    );
  end if;
  return NEW;
end
$$;
comment on function saldo_private.tg_journal_entry__keep_purchases_whole is
  'Refuses to reverse the payment of a purchase behind the purchase''s back: '
  'SB106 entry_not_reversible.';

create or replace trigger keep_purchases_whole
  before insert on saldo.journal_entry
  for each row
  when (NEW.kind = 'reversal' and NEW.source <> 'refund')
  execute function saldo_private.tg_journal_entry__keep_purchases_whole();
