-- The migration at hand: tables, types, indexes and changes of data, as saldo_owner. It is run at
-- each start and each save of npm run dev, so write what can be run again: create table if not exists.
-- npm run migrate:commit -- "what it does" makes it the next of migrations/committed/.

set local role saldo_owner;

-- A check of a table is parsed by each statement that writes it: a trigger looks instead.
alter table saldo.purchase drop constraint if exists purchase_amount_is_price_times_quantity;
alter table saldo.purchase drop constraint if exists purchase_quantity_is_positive;
alter table saldo.purchase drop constraint if exists purchase_unit_price_is_positive;
alter table saldo.purchase drop constraint if exists purchase_paid_one_has_its_entry;
alter table saldo.purchase drop constraint if exists purchase_failed_one_has_its_reason;
alter table saldo.purchase drop constraint if exists purchase_refunded_one_has_its_refund;
