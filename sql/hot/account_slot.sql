-- Slots: the funds of a hot account, divided among many rows (escrow), so that writers do not wait.
--
-- Private: saldo_private.account_slot, saldo_private.settlement_mark, take_sign,
-- available_funds, fit_clearing_account.
-- A writer takes a slot that nobody holds, and keeps it to the end of its transaction; within a
-- slot rows are therefore numbered without gap in the order of their commits (seq). Settlement
-- relies on this order alone, and never touches a slot.
-- A slot is a cache: available, held and the running totals follow from the journal, the rows and
-- the open holds (slot_rebuild.sql). It is UNLOGGED: empty after a crash, then rebuilt.

create or replace function saldo_private.take_sign(
  account saldo.account,
  direction saldo.entry_side
)
returns smallint
language sql
stable
as $$
  select (case
    when saldo_private.is_debit_normal(account.type) = (direction = 'credit') then 1
    when account.is_pending_available then -1
    else 0
  end)::smallint
$$;
comment on function saldo_private.take_sign is
  'What a transaction in this direction takes from the available funds of a hot account, in units '
  'of its amount: 1 outwards; inwards -1, or 0 when it becomes available at settlement only.';

create or replace function saldo_private.available_funds(
  type saldo.account_type,
  balance numeric,
  held numeric,
  pending_debit numeric,
  pending_credit numeric,
  is_pending_available boolean
)
returns numeric
language sql
immutable
parallel safe
as $$
  select balance - held
    - case when saldo_private.is_debit_normal(type) then pending_credit else pending_debit end
    + case when not is_pending_available then 0
      when saldo_private.is_debit_normal(type) then pending_debit else pending_credit end
$$;
comment on function saldo_private.available_funds is
  'What is available on an account: its balance less holds, less what is pending outwards, plus '
  'what is pending inwards where that is available at once. min_balance is not taken off.';
grant execute on function saldo_private.available_funds to
  saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.fit_clearing_account(account saldo.account)
returns bigint
language plpgsql
as $$
declare
  v_clearing_id bigint := saldo_private.system_account('clearing', account.currency);
begin
  return (
    select c.id
    from saldo.account as c
    where c.id = v_clearing_id
    and c.id <> account.id
    and c.currency = account.currency
    and c.min_balance is null
    and c.closed_at is null
  );
end
$$;
comment on function saldo_private.fit_clearing_account is
  'The clearing account of an account''s currency; null for itself, and where somebody made an '
  'account of this code that cannot be a counter account.';

select saldo_private.secure_table('saldo_private.account_slot');
drop policy if exists select_all on saldo_private.account_slot;
create policy select_all on saldo_private.account_slot for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo_private.account_slot to saldo_admin, saldo_operator, saldo_member;

select saldo_private.secure_table('saldo_private.settlement_mark');
drop policy if exists select_all on saldo_private.settlement_mark;
create policy select_all on saldo_private.settlement_mark for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo_private.settlement_mark to saldo_admin, saldo_operator, saldo_member;

comment on type saldo_private.slot_position is
  'A slot that was taken, its last number, and who gets the other side.';
comment on table saldo_private.account_slot is
  'A share of the funds of a hot account, and the numbering of rows written with it. Unlogged: a '
  'rebuildable cache.';
comment on column saldo_private.account_slot.account_id is 'Hot account that the slot is part of.';
comment on column saldo_private.account_slot.slot_no is 'Number of the slot, from 1.';
comment on column saldo_private.account_slot.available is
  'Funds above min_balance that can be taken here; null = the account has no min_balance.';
comment on column saldo_private.account_slot.held is
  'Holds placed less holds closed here; only the sum over all slots has a meaning.';
comment on column saldo_private.account_slot.seq is 'Number of the last row written here.';
comment on column saldo_private.account_slot.checked_seq is
  'Until this number the backlog limit need not be looked at again; -1 = its next number is taken '
  'by a row that the engine did not write.';
comment on column saldo_private.account_slot.debit_total is 'Debits of all rows written here.';
comment on column saldo_private.account_slot.credit_total is 'Credits of all rows written here.';
comment on column saldo_private.account_slot.debit_take is
  'What a debit takes from available, in units of its amount: 1, 0 or -1.';
comment on column saldo_private.account_slot.credit_take is
  'What a credit takes from available, likewise: 1, 0 or -1.';
comment on column saldo_private.account_slot.clearing_account_id is
  'Clearing account of the currency: a transaction need look at nothing but its slot. Null on its '
  'own slots, and where it is not fit to be a counter account.';
comment on column saldo_private.account_slot.is_short is
  'The account lacks funds, less than min_balance is left: the first slot has what lacks, and all '
  'that comes in goes there until nothing lacks. The same on all slots of an account.';

comment on table saldo_private.settlement_mark is
  'How far the rows of a slot are settled; the durable register of slots.';
comment on column saldo_private.settlement_mark.account_id is
  'Hot account that the slot is part of.';
comment on column saldo_private.settlement_mark.slot_no is 'Number of the slot.';
comment on column saldo_private.settlement_mark.seq is 'Rows up to this number are settled.';
comment on column saldo_private.settlement_mark.debit_total is 'Sum of the debits of these rows.';
comment on column saldo_private.settlement_mark.credit_total is 'Sum of the credits of these rows.';

comment on type saldo.entry_side is 'Side of an account that a transaction is on.';
