-- The slot as a witness of its rows: it counted each one when it was written.
--
-- Private: is_slot_uncounted, contest_uncounted, has_uncounted_rows, stop_taken_numbers.
-- Slots are unlogged: a crash takes the witness away. So who finds that a slot and its rows
-- disagree writes it down, as contested, before anything is derived from them.

create or replace function saldo_private.is_slot_uncounted(mark saldo_private.settlement_mark)
returns boolean
language plpgsql
stable
as $$
declare
  v_slot saldo_private.account_slot;
  v_rows record;
begin
  select count(*) as row_count,
    coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
    coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit
  into v_rows
  from saldo.sub_balance as s
  where s.account_id = mark.account_id
  and s.slot_no = mark.slot_no
  and s.seq > mark.seq
  and s.seq <= saldo_private.highest_seq();
  select *
  into v_slot
  from saldo_private.account_slot as o
  where o.account_id = mark.account_id
  and o.slot_no = mark.slot_no;
  if v_slot.slot_no is null then
    -- One that was taken away from others has nothing pending; where all are gone, nobody knows.
    if v_rows.row_count = 0 or not exists (
      select from saldo_private.account_slot as o where o.account_id = mark.account_id
    ) then
      return false;
    end if;
  elsif (v_slot.seq, v_slot.debit_total, v_slot.credit_total) = (mark.seq + v_rows.row_count,
    mark.debit_total + v_rows.debit, mark.credit_total + v_rows.credit)
  then
    return false;
  end if;
  return greatest(v_slot.seq, mark.seq + v_rows.row_count) > coalesce((
    select max(t.last_seq)
    from saldo_private.sealed_stretch as t
    where t.account_id = mark.account_id
    and t.slot_no = mark.slot_no
  ), 0)
  -- Where it is the slot that was written past the engine, the rows are right.
  and not saldo_private.is_contested(mark.account_id, array['account_slot']);
end
$$;
comment on function saldo_private.is_slot_uncounted is
  'Whether a slot has rows that no seal covers yet and that it has not counted as they are: one of '
  'both is wrong, and nothing says which.';

create or replace function saldo_private.has_uncounted_rows(account_id bigint)
returns boolean
language sql
stable
as $$
  select exists (
    select
    from saldo_private.settlement_mark as m
    where m.account_id = has_uncounted_rows.account_id
    and saldo_private.is_slot_uncounted(m)
  )
$$;
comment on function saldo_private.has_uncounted_rows is
  'Whether an account has rows that no seal covers yet and that their slots have not counted as '
  'they are.';

create or replace function saldo_private.contest_uncounted(account_id bigint)
returns void
language sql
as $$
  insert into saldo_private.contested_row (account_id, source, slot_no, contested_at)
  select m.account_id, 'sub_balance', m.slot_no, clock_timestamp()
  from saldo_private.settlement_mark as m
  where m.account_id = contest_uncounted.account_id
  and saldo_private.is_slot_uncounted(m)
  on conflict on constraint contested_row_pkey do nothing
$$;
comment on function saldo_private.contest_uncounted is
  'Writes down which slots of an account have rows that they have not counted, for a caller that '
  'is about to take the slots away.';

create or replace function saldo_private.stop_taken_numbers()
returns void
language sql
as $$
  update saldo_private.account_slot as s
  set checked_seq = -1
  from (
    select each.account_id, each.slot_no
    from saldo_private.contested_row as c
    join saldo_private.account_slot as each on each.account_id = c.account_id
      and each.slot_no = c.slot_no
    where c.source = 'sub_balance'
    and each.checked_seq >= 0
    and exists (
      select
      from saldo.sub_balance as b
      where b.account_id = each.account_id
      and b.slot_no = each.slot_no
      and b.seq > each.seq
    )
    for no key update of each skip locked
  ) as taken
  where s.account_id = taken.account_id
  and s.slot_no = taken.slot_no
$$;
comment on function saldo_private.stop_taken_numbers is
  'Lets slots whose next number a row has that was written past the engine say so to whoever '
  'submits (check_backlog), where the row would fail for its number.';
