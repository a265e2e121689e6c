-- Sub-balances: each row is one transaction that was submitted to a hot account, a part of what its
-- balance comes to. A row never changes.
--
-- Public: saldo.sub_balance, sub_balance_status, sub_balance_settlement, pending_sub_balances.
-- Private: highest_seq, mark_of, submitted_under_key.
-- Truth, beside the journal. Whether a row is settled is not written on it: settlement moves the
-- mark of its slot past its number, for a thousand rows in one write.

create or replace function saldo_private.highest_seq()
returns bigint
language sql
immutable
parallel safe
as $$
  select 9223372036854775807
$$;
comment on function saldo_private.highest_seq is
  'The highest number of a row, the other end of all rows after a mark: PostgreSQL takes a range '
  'with two ends for few rows and uses the index, one with an open end for a third of all rows.';
grant execute on function saldo_private.highest_seq() to
  saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.mark_of(account_id bigint, slot_no integer)
returns bigint
language plpgsql
stable
as $$
begin
  return coalesce((
    select m.seq
    from saldo_private.settlement_mark as m
    where m.account_id = mark_of.account_id
    and m.slot_no = mark_of.slot_no
  ), 0);
end
$$;
comment on function saldo_private.mark_of is
  'Number up to which the rows of a slot are settled.';
grant execute on function saldo_private.mark_of to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.sub_balance_status(sub_balance_row saldo.sub_balance)
returns saldo.sub_balance_status
language sql
stable
as $$
  select case
    when sub_balance_row.seq <= saldo_private.mark_of(
      sub_balance_row.account_id, sub_balance_row.slot_no
    )
    then 'SETTLED' else 'PENDING'
  end::saldo.sub_balance_status
$$;
comment on function saldo.sub_balance_status is
  'PENDING: accepted, waits for settlement; SETTLED: in the journal.';
revoke execute on function saldo.sub_balance_status from public;
grant execute on function saldo.sub_balance_status to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.sub_balance_settlement(sub_balance_row saldo.sub_balance)
returns saldo.settlement
language sql
stable
as $$
  select s
  from saldo.settlement as s
  where s.account_id = sub_balance_row.account_id
  and s.id = (
    select r.settlement_id
    from saldo.settlement_range as r
    where r.account_id = sub_balance_row.account_id
    and r.slot_no = sub_balance_row.slot_no
    and r.last_seq >= sub_balance_row.seq
    order by r.last_seq
    limit 1
  )
$$;
comment on function saldo.sub_balance_settlement is
  'The settlement that took the row; null while it is pending.';
revoke execute on function saldo.sub_balance_settlement from public;
grant execute on function saldo.sub_balance_settlement
  to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.pending_sub_balances(account_id bigint)
returns setof saldo.sub_balance
language sql
stable
as $$
  select s.*
  from saldo_private.settlement_mark as m
  join saldo.sub_balance as s on s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq > m.seq
  where m.account_id = pending_sub_balances.account_id
  order by s.id
$$;
comment on function saldo.pending_sub_balances is
  'The rows of an account that wait for settlement, oldest first; how many there are and what they '
  'sum up to is in balances.';
revoke execute on function saldo.pending_sub_balances from public;
grant execute on function saldo.pending_sub_balances to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.submitted_under_key(
  account_id bigint,
  idempotency_key text,
  hold_id uuid
)
returns uuid
language plpgsql
stable
-- A plan is kept: one from when the table was small reads all of what it has become. In the order
-- of the index that answers it, sub_balance_is_submitted_once_per_key, and in its words.
set enable_seqscan = off
set enable_sort = off
as $$
begin
  return (
    select s.id
    from saldo.sub_balance as s
    where s.account_id = submitted_under_key.account_id
    and s.idempotency_key = submitted_under_key.idempotency_key
    and s.hold_id is not distinct from submitted_under_key.hold_id
    and s.created_at >= '2026-11-01 00:00:00+00'
    order by s.hold_id
    limit 1
  );
end
$$;
comment on function saldo_private.submitted_under_key is
  'The row that was submitted under a key, or that captured a hold under it; null = none is kept.';

create or replace function saldo_private.tg__keep_sub_balances_whole()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if TG_OP = 'DELETE' and not saldo_private.is_past_engine() then
    return null; -- the engine itself, which prunes what is proven without its rows
  end if;
  perform saldo_private.fail(
    'entry_immutable', format('%s of %s', lower(TG_OP), TG_TABLE_NAME),
    'Correct it with another transaction.'
  );
  return null;
end
$$;
comment on function saldo_private.tg__keep_sub_balances_whole is
  'Refuses every change of rows and of the record of their settlement, but the pruning of old '
  'ones by the engine: SB105 entry_immutable.';

create or replace trigger keep_immutable
  before update or delete or truncate on saldo.sub_balance
  for each statement
  execute function saldo_private.tg__keep_sub_balances_whole();
create or replace trigger keep_immutable
  before update or delete or truncate on saldo.settlement_range
  for each statement
  execute function saldo_private.tg__keep_sub_balances_whole();
create or replace trigger keep_immutable
  before update or delete or truncate on saldo.settlement_entry
  for each statement
  execute function saldo_private.tg__keep_sub_balances_whole();

select saldo_private.secure_table('saldo.sub_balance');
drop policy if exists select_all on saldo.sub_balance;
create policy select_all on saldo.sub_balance for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.sub_balance to saldo_admin, saldo_operator, saldo_member;
comment on type saldo.sub_balance_status is
  'PENDING: accepted, waits for settlement; SETTLED: in the journal.';
comment on table saldo.sub_balance is
  E'@foreignKey (account_id) references saldo.account (id)|@backwardBehavior -*\n'
  '@foreignKey (counter_account_id) references saldo.account (id)|@backwardBehavior -*\n'
  'A transaction on a hot account: accepted at once, its funds taken, and posted by the next '
  'settlement. Append-only; its state follows from the settlements.';
comment on column saldo.sub_balance.account_id is 'Hot account that the transaction is on.';
comment on column saldo.sub_balance.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.sub_balance.seq is 'Number within its slot, from 1, without gap.';
comment on column saldo.sub_balance.counter_account_id is
  'Account that the other side is posted to.';
comment on column saldo.sub_balance.created_at is
  'When it was accepted; its business date is the posting date.';
comment on column saldo.sub_balance.hold_id is 'Hold that it captures; null = it captures none.';
comment on column saldo.sub_balance.slot_no is 'Slot whose funds and numbering it took.';
comment on column saldo.sub_balance.direction is
  'Side of the hot account: debit or credit. The counter account gets the other one.';
comment on column saldo.sub_balance.amount is 'Amount, positive, in the account''s currency.';
comment on column saldo.sub_balance.created_by is 'Who sent it: token subject or login.';
comment on column saldo.sub_balance.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.sub_balance.metadata is 'Whatever the client wants to keep with it.';
