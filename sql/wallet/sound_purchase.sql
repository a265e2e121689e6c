-- A purchase's columns fit each other, whoever writes them.
--
-- Private: is_sound_purchase. Trigger: keep_sound on saldo.purchase, which is never silent.
-- A trigger, because the checks of a table are parsed by each statement that writes it: as six
-- of these, they were an eighth of what a purchase cost.

create or replace function saldo_private.is_sound_purchase(purchase saldo.purchase)
returns boolean
language sql
immutable
as $$
  select purchase.quantity > 0
    and purchase.unit_price > 0
    and purchase.amount = purchase.unit_price * purchase.quantity
    and num_nonnulls(purchase.entry_id, purchase.completed_at)
      = case when purchase.status in ('pending', 'failed') then 0 else 2 end
    and num_nonnulls(purchase.failure_reason, purchase.failed_at)
      = case when purchase.status = 'failed' then 2 else 0 end
    and num_nonnulls(purchase.refund_entry_id, purchase.refund_reason, purchase.refunded_at)
      = case when purchase.status = 'refunded' then 3 else 0 end
$$;
comment on function saldo_private.is_sound_purchase is
  'Whether the amount is the price times the quantity, both more than nothing, and the purchase '
  'has what its status says: one that is paid its entry, a failed one its reason, one that is '
  'refunded its refund, each with its time, and no other has these.';

create or replace function saldo_private.tg_purchase__keep_sound()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  -- Most are paid at once: a test for null costs next to nothing.
  if NEW.status = 'completed' and NEW.entry_id is not null and NEW.completed_at is not null
    and NEW.failure_reason is null and NEW.failed_at is null
    and NEW.refund_entry_id is null and NEW.refund_reason is null and NEW.refunded_at is null
    and NEW.quantity > 0 and NEW.unit_price > 0 and NEW.amount = NEW.unit_price * NEW.quantity
  then
    return null;
  elsif not saldo_private.is_sound_purchase(NEW) then
    perform saldo_private.fail(
      'input_invalid', format('purchase %s: its columns do not fit each other', NEW.id)
    );
  end if;
  return null;
end
$$;
comment on function saldo_private.tg_purchase__keep_sound is
  'Refuses a purchase whose columns do not fit each other: SB010 input_invalid.';

-- After the row, as triggers of somebody else may change it before.
create or replace trigger keep_sound
  after insert or update on saldo.purchase
  for each row
  execute function saldo_private.tg_purchase__keep_sound();
alter table saldo.purchase enable always trigger keep_sound;
