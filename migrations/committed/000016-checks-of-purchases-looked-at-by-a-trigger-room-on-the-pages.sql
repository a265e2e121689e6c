--! Previous: sha1:6831acec371f80f7a3f8b1e9bfb84b4a4ed3af59
--! Hash: sha1:08edc55b9823e74962f58c1133cb51496a5ed2cb
--! Message: checks of purchases looked at by a trigger, room on the pages of verified totals

set local role saldo_owner;

-- A check of a table is parsed by each statement that writes it: a trigger looks instead. Where they
-- are gone, nothing is to be locked.
do $checks$
begin
  if exists (
    select
    from pg_constraint
    where conrelid = 'saldo.purchase'::regclass
    and conname = 'purchase_quantity_is_positive'
  ) then
    alter table saldo.purchase
      drop constraint purchase_amount_is_price_times_quantity,
      drop constraint purchase_quantity_is_positive,
      drop constraint purchase_unit_price_is_positive,
      drop constraint purchase_paid_one_has_its_entry,
      drop constraint purchase_failed_one_has_its_reason,
      drop constraint purchase_refunded_one_has_its_refund;
  end if;
end
$checks$;

-- Room on the page: an incremental check writes the totals of all accounts that were posted to, and
-- no index is touched then. Half of the work, and half of the log.
alter table saldo_private.verified_total set (fillfactor = 50);

reset role;
