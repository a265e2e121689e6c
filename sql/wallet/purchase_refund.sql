-- Refunds of a part of a purchase, and of what is left after one.
--
-- Public: saldo.purchase_refund. refund.sql writes it. Each is an entry of its own that debits what
-- the purchase credited: the purchase's own entry stays, since it was right. A purchase that is
-- paid back whole and at once has no row here, but the reversal of its entry.

select saldo_private.describe_source('partial_refund');

select saldo_private.secure_table('saldo.purchase_refund');
drop policy if exists select_all on saldo.purchase_refund;
create policy select_all on saldo.purchase_refund for select
  to saldo_admin, saldo_operator, saldo_cashier using (true);
drop policy if exists select_own on saldo.purchase_refund;
create policy select_own on saldo.purchase_refund for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
grant select on saldo.purchase_refund to saldo_admin, saldo_operator, saldo_member, saldo_cashier;

comment on table saldo.purchase_refund is
  E'@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A part of a purchase that was paid back.';
comment on column saldo.purchase_refund.account_id is 'Wallet account that it was paid to.';
comment on column saldo.purchase_refund.entry_id is 'Journal entry of the refund, and its id.';
comment on column saldo.purchase_refund.purchase_id is 'Purchase that it pays back a part of.';
comment on column saldo.purchase_refund.amount is
  'What was paid back, in the currency of the wallet.';
comment on column saldo.purchase_refund.restocked_quantity is
  'Items of a tracked product that are for sale again by it.';
comment on column saldo.purchase_refund.reason is 'Why it was paid back.';
comment on column saldo.purchase_refund.occurred_at is
  'When it was paid back; it decides the posting date.';
comment on column saldo.purchase_refund.created_at is 'When the refund was recorded.';
comment on column saldo.purchase_refund.created_by is 'Who recorded it: token subject or login.';
comment on column saldo.purchase_refund.changed_in is
  'Transaction of the engine that wrote it; null = before there were seals over rows.';
comment on constraint purchase_refund_account_id_purchase_id_fkey on saldo.purchase_refund is
  E'@fieldName purchase\n@foreignFieldName purchaseRefunds\n@backwardBehavior +connection +select\n'
  'The purchase that a part was paid back of.';
