-- Devices: programs of a branch that push.
--
-- Public: saldo.branch_device, close_branch_device. Private: require_device, lock_device,
-- next_verdict_no, mark_forked.
-- A program that is installed again is another device, with a number of its own, so that no
-- receipt number is given twice.

create or replace function saldo_private.require_device(device_id uuid)
returns saldo.branch_device
language plpgsql
stable
as $$
declare
  v_device saldo.branch_device;
begin
  select *
  into v_device
  from saldo.branch_device
  where id = require_device.device_id;
  if v_device.id is null then
    perform saldo_private.fail('device_not_found', format('device %s', device_id));
  end if;
  return v_device;
end
$$;
comment on function saldo_private.require_device is 'The device. Error: SB502 device_not_found.';

create or replace function saldo_private.lock_device(device_id uuid)
returns saldo.branch_device
language plpgsql
as $$
declare
  v_device saldo.branch_device := saldo_private.require_device(device_id);
begin
  perform saldo_private.lock_branch(v_device.branch_id);
  -- Read again: it may have changed while the branch was waited for.
  return saldo_private.require_device(device_id);
end
$$;
comment on function saldo_private.lock_device is
  'The device, under the lock of its branch. Errors: SB502 device_not_found, '
  'SB020 isolation_unsupported.';

create or replace function saldo_private.next_verdict_no(device_id uuid)
returns bigint
language sql
as $$
  update saldo.branch_device
  set verdict_no = verdict_no + 1
  where id = next_verdict_no.device_id
  returning verdict_no
$$;
comment on function saldo_private.next_verdict_no is
  'The next number of a verdict. The caller holds the branch, so that no number becomes visible '
  'after a higher one.';

create or replace function saldo_private.mark_forked(device_id uuid, reason text)
returns void
language sql
as $$
  update saldo.branch_device
  set state = 'forked',
    state_reason = mark_forked.reason,
    state_changed_at = clock_timestamp()
  where id = mark_forked.device_id
  and state = 'ok'
$$;
comment on function saldo_private.mark_forked is
  'Notes that two programs went on from one store; a device that is closed stays closed.';

create or replace function saldo.close_branch_device(device_id uuid, reason text)
returns saldo.branch_device
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(close_branch_device.reason, 'reason');
  v_device saldo.branch_device := saldo_private.lock_device(close_branch_device.device_id);
begin
  if v_device.state = 'closed' then
    perform saldo_private.fail('device_state', format('device %s is closed', device_id));
  end if;
  update saldo.branch_device as d
  set state = 'closed',
    state_reason = v_reason,
    state_changed_at = clock_timestamp()
  where d.id = v_device.id
  returning * into v_device;
  return v_device;
end
$$;
comment on function saldo.close_branch_device is
  'Closes a device that is lost or replaced: nothing of it is posted unseen any more. Rows that it '
  'still sends are kept in quarantine, and its gaps stay open until they are waived. Its key stays '
  'good for that; revoke_branch_key ends it. Errors in checking order: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB502 device_not_found, '
  'SB020 isolation_unsupported, SB503 device_state.';
revoke execute on function saldo.close_branch_device from public;
grant execute on function saldo.close_branch_device to saldo_admin;

select saldo_private.secure_table('saldo.branch_device');
drop policy if exists select_all on saldo.branch_device;
create policy select_all on saldo.branch_device for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.branch_device to saldo_admin, saldo_operator;

comment on type saldo.branch_device_state is
  'ok: rows are posted as they come; forked: two programs went on from one store; closed: by an '
  'administrator. Of forked and closed devices new rows are kept in quarantine.';
comment on table saldo.branch_device is 'A program of a branch that pushes rows.';
comment on column saldo.branch_device.id is 'Id, which stands in each push.';
comment on column saldo.branch_device.branch_id is 'Branch that it belongs to; it never changes.';
comment on column saldo.branch_device.device_no is
  'Number within the branch; it stands on receipts.';
comment on column saldo.branch_device.name is 'Name that was given when it was enrolled.';
comment on column saldo.branch_device.program is 'Program and version, as last told.';
comment on column saldo.branch_device.state is 'Whether its rows are posted as they come.';
comment on column saldo.branch_device.state_reason is 'Why it is forked or closed; null = ok.';
comment on column saldo.branch_device.state_changed_at is
  'When it was found forked, or was closed; null = ok.';
comment on column saldo.branch_device.verdict_no is 'Number of the last verdict that was given.';
comment on column saldo.branch_device.protocol is
  'Protocol of its last push; 0 = no gaps can be told. Null = it has not pushed yet.';
comment on column saldo.branch_device.enrolled_at is 'When it was enrolled.';
comment on column saldo.branch_device.last_push_at is 'When it last pushed; null = never.';
comment on column saldo.branch_device.clock_offset_ms is
  'Its clock less the centre''s when the last push arrived, in milliseconds; the way here makes it '
  'smaller.';
comment on column saldo.branch_device.clock_boot is 'What it told of its machine''s last start.';
