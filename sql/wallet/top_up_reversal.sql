-- Charge-backs: top-ups whose money the bank took back.
--
-- Public: saldo.top_up_reversal. reverse_top_up.sql writes it. The top-up's own entry stays: the
-- charge-back is an entry of its own, since the wallet may not have all of the money any more.

select saldo_private.describe_source('top_up_reversal');

select saldo_private.secure_table('saldo.top_up_reversal');
drop policy if exists select_all on saldo.top_up_reversal;
create policy select_all on saldo.top_up_reversal for select
  to saldo_admin, saldo_operator using (true);
drop policy if exists select_own on saldo.top_up_reversal;
create policy select_own on saldo.top_up_reversal for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
grant select on saldo.top_up_reversal to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.top_up_shortfall is
  'What becomes of a charge-back that the wallet does not cover. refuse: nothing happens; debt: '
  'the member owes the rest; loss: an expense account bears it.';
comment on table saldo.top_up_reversal is
  E'@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A top-up that was charged back; one for each top-up.';
comment on column saldo.top_up_reversal.top_up_entry_id is
  'Journal entry of the top-up that was charged back, and the id of the row.';
comment on column saldo.top_up_reversal.entry_id is 'Journal entry of the charge-back.';
comment on column saldo.top_up_reversal.member_id is 'Member whose top-up it is.';
comment on column saldo.top_up_reversal.account_id is 'Wallet account of the member.';
comment on column saldo.top_up_reversal.amount is
  'What was charged back, in the currency of the wallet: all of the top-up.';
comment on column saldo.top_up_reversal.wallet_amount is 'What the wallet had of it.';
comment on column saldo.top_up_reversal.debt_amount is 'What the member owed of it then.';
comment on column saldo.top_up_reversal.loss_amount is 'What was booked as a loss.';
comment on column saldo.top_up_reversal.loss_account_id is
  'Expense account that bears the loss; null without one.';
comment on column saldo.top_up_reversal.reason is 'Why it was charged back.';
comment on column saldo.top_up_reversal.occurred_at is
  'When it was charged back; it decides the posting date.';
comment on column saldo.top_up_reversal.changed_in is
  'Transaction of the engine that wrote it; null = before there were seals over rows.';
comment on column saldo.top_up_reversal.created_at is 'When the charge-back was recorded.';
comment on column saldo.top_up_reversal.created_by is
  'Who recorded it: token subject or login.';
comment on constraint top_up_reversal_member_id_fkey on saldo.top_up_reversal is
  E'@fieldName member\n@foreignFieldName topUpReversals\n@backwardBehavior +connection +select\n'
  'The member whose top-up was charged back.';
