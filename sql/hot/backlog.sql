-- The backlog: requests are refused rather than settlement falling behind without end.
--
-- Private: look_at_backlog, check_backlog, leaves_no_room.

create or replace function saldo_private.leaves_no_room(debit_total numeric, credit_total numeric)
returns boolean
language sql
immutable
parallel safe
as $$
  -- A total is below 10^21. The last tenth is for what is under way while somebody looks, and for
  -- postings, which are checked exactly.
  select greatest(debit_total, credit_total) >= 9e20
$$;
comment on function saldo_private.leaves_no_room is
  'Whether an account with these totals takes no further transactions, so that what was accepted '
  'can always be settled.';

create or replace function saldo_private.look_at_backlog(
  account_id bigint,
  slot_no integer,
  seq bigint,
  checked_seq bigint,
  unseen_counter_id bigint,
  out checked_until bigint,
  out error_condition text,
  out detail text
)
language plpgsql
stable
as $$
declare
  v_limit bigint := saldo_private.setting_value('settlement_backlog_limit');
  v_pending bigint;
  v_debit numeric;
  v_credit numeric;
  v_full_id bigint;
  v_slot_count integer;
begin
  if look_at_backlog.checked_seq < 0 then
    error_condition := 'account_frozen';
    detail := format(
      'account %s: a row of its slot %s was written past the engine', account_id, slot_no
    );
    return;
  end if;
  -- The slot as it will be: whoever asks may be about to write it.
  select sum(case when s.slot_no = look_at_backlog.slot_no then look_at_backlog.seq else s.seq end
      - coalesce(m.seq, 0)), count(*),
    sum(s.debit_total - coalesce(m.debit_total, 0)),
    sum(s.credit_total - coalesce(m.credit_total, 0))
  into v_pending, v_slot_count, v_debit, v_credit
  from saldo_private.account_slot as s
  left join saldo_private.settlement_mark as m
    on m.account_id = s.account_id and m.slot_no = s.slot_no
  where s.account_id = look_at_backlog.account_id;
  if v_pending > v_limit then
    error_condition := 'backlog_full';
    detail := format('account %s: %s pending, limit %s', account_id, v_pending, v_limit);
    return;
  end if;
  select a.id
  into v_full_id
  from saldo.account as a
  cross join lateral (
    select case when a.id = look_at_backlog.account_id then 1 else 0 end as share
  ) as own
  where a.id in (look_at_backlog.account_id, unseen_counter_id)
  and saldo_private.leaves_no_room(
    a.debit_total + v_debit * own.share, a.credit_total + v_credit * own.share
  )
  limit 1;
  if v_full_id is not null then
    error_condition := 'amount_out_of_range';
    detail := format('account %s: its totals with what is pending come near 10^21', v_full_id);
    return;
  end if;
  -- Far from the limit not every row needs to look again: what all slots together may write
  -- without a look stays below half of the distance.
  checked_until := seq + case when v_limit - v_pending > 128 * v_slot_count then 64 else 0 end;
end
$$;
comment on function saldo_private.look_at_backlog is
  'Until which number a slot whose last one is seq need not be looked at again; or which error '
  'refuses its rows, as check_backlog raises it.';

create or replace function saldo_private.check_backlog(
  account_id bigint,
  slot saldo_private.slot_position,
  unseen_counter_id bigint default null
)
returns void
language plpgsql
as $$
declare
  v_look record := saldo_private.look_at_backlog(
    account_id, slot.slot_no, slot.seq, slot.checked_seq, unseen_counter_id
  );
begin
  if v_look.error_condition = 'account_frozen' then
    perform saldo_private.fail('account_frozen', v_look.detail);
  elsif v_look.error_condition = 'backlog_full' then
    perform saldo_private.fail('backlog_full', v_look.detail);
  elsif v_look.error_condition = 'amount_out_of_range' then
    perform saldo_private.fail('amount_out_of_range', v_look.detail);
  end if;
  update saldo_private.account_slot as s
  set checked_seq = v_look.checked_until
  where s.account_id = check_backlog.account_id
  and s.slot_no = slot.slot_no;
end
$$;
comment on function saldo_private.check_backlog is
  'Refuses rows beyond the setting settlement_backlog_limit, give or take those under way at once '
  'and, where the limit is large, what slots were granted while it was far, at most 64 each: '
  'SB202 backlog_full. SB121 account_frozen for a slot whose numbers somebody else has used. '
  'SB004 amount_out_of_range where the account with what is pending, or a counter account that '
  'nobody has looked at, has no room left.';
