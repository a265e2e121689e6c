-- The backlog: requests are refused rather than settlement falling behind without end.
--
-- Private: check_backlog.

create or replace function saldo_private.check_backlog(
  account_id bigint,
  slot saldo_private.slot_position
)
returns void
language plpgsql
as $$
declare
  v_limit bigint := saldo_private.setting_value('settlement_backlog_limit');
  v_pending bigint;
  v_slot_count integer;
begin
  if slot.checked_seq < 0 then
    perform saldo_private.fail('account_frozen', format(
      'account %s: a row of its slot %s was written past the engine', account_id, slot.slot_no
    ));
  end if;
  select sum(s.seq - coalesce(m.seq, 0)), count(*)
  into v_pending, v_slot_count
  from saldo_private.account_slot as s
  left join saldo_private.settlement_mark as m
    on m.account_id = s.account_id and m.slot_no = s.slot_no
  where s.account_id = check_backlog.account_id;
  if v_pending > v_limit then
    perform saldo_private.fail('backlog_full', format(
      'account %s: %s pending, limit %s', account_id, v_pending, v_limit
    ));
  end if;
  -- Far from the limit not every row needs to look again: what all slots together may write
  -- without a look stays below half of the distance.
  update saldo_private.account_slot as s
  set checked_seq = slot.seq + case when v_limit - v_pending > 128 * v_slot_count then 64 else 0 end
  where s.account_id = check_backlog.account_id
  and s.slot_no = slot.slot_no;
end
$$;
comment on function saldo_private.check_backlog is
  'Refuses rows beyond the setting settlement_backlog_limit, give or take those under way at once '
  'and, where the limit is large, what slots were granted while it was far, at most 64 each: '
  'SB202 backlog_full. SB121 account_frozen for a slot whose numbers somebody else has used.';
