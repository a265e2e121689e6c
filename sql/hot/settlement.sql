-- Settlements: which pending rows were settled together, and the summary entries that carry them.
--
-- Public: saldo.settlement, settlement_entry, settlement_range. settle_sub_balances.sql makes them.

select saldo_private.secure_table('saldo.settlement');
drop policy if exists select_all on saldo.settlement;
create policy select_all on saldo.settlement for select to saldo_admin, saldo_operator using (true);
grant select on saldo.settlement to saldo_admin, saldo_operator, saldo_member;

select saldo_private.secure_table('saldo.settlement_entry');
drop policy if exists select_all on saldo.settlement_entry;
create policy select_all on saldo.settlement_entry for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.settlement_entry to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.settlement_range');
drop policy if exists select_all on saldo.settlement_range;
create policy select_all on saldo.settlement_range for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.settlement_range to saldo_admin, saldo_operator, saldo_member;

comment on table saldo.settlement is
  'Rows of one hot account that were settled together: how many, their sums, and how long it took.';
comment on column saldo.settlement.account_id is 'Hot account that was settled.';
comment on column saldo.settlement.id is 'Id, version 7: ordered by time.';
comment on column saldo.settlement.row_count is 'Number of submitted transactions that it settled.';
comment on column saldo.settlement.debit is 'Sum of the debits of these rows.';
comment on column saldo.settlement.credit is 'Sum of the credits of these rows.';
comment on column saldo.settlement.started_at is 'When the batch began.';
comment on column saldo.settlement.settled_at is
  'When it was through; the difference is its duration.';
comment on column saldo.settlement.settled_by is 'Who settled: token subject or login.';
comment on column saldo.settlement.changed_in is
  'Transaction of the engine that wrote it last; null = before there were seals over rows.';

comment on table saldo.settlement_entry is
  E'@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A summary entry of a settlement: the rows of one counter account and business date.';
comment on column saldo.settlement_entry.account_id is 'Hot account that was settled.';
comment on column saldo.settlement_entry.settlement_id is 'Settlement that posted the entry.';
comment on column saldo.settlement_entry.counter_account_id is 'Counter account of the rows.';
comment on column saldo.settlement_entry.posting_date is 'Business date of the rows.';
comment on column saldo.settlement_entry.occurred_at is 'When the last of the rows was accepted.';
comment on column saldo.settlement_entry.entry_id is 'Journal entry that carries their sums.';
comment on column saldo.settlement_entry.booked_account_id is
  'Account that got the other side: the counter account, or suspense where that was closed since.';
comment on column saldo.settlement_entry.row_count is
  'Number of submitted transactions that it sums up.';
comment on column saldo.settlement_entry.debit is 'Sum of their debits on the hot account.';
comment on column saldo.settlement_entry.credit is 'Sum of their credits on the hot account.';

comment on table saldo.settlement_range is
  'Which rows a settlement took: a stretch of the numbers of one slot.';
comment on column saldo.settlement_range.account_id is 'Hot account that was settled.';
comment on column saldo.settlement_range.slot_no is 'Number of the slot.';
comment on column saldo.settlement_range.last_seq is 'Number of the last row of the stretch.';
comment on column saldo.settlement_range.first_seq is 'Number of the first row of the stretch.';
comment on column saldo.settlement_range.settlement_id is 'Settlement that took these rows.';
