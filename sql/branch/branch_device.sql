-- Devices: programs of a branch that push. Each is enrolled once, with a one-time code.
--
-- Public: saldo.branch_device, issue_enrolment_code, close_branch_device. Private:
-- require_device, lock_device, next_verdict_no, mark_forked, claim_enrolment; table
-- saldo_private.branch_enrolment.
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

create or replace function saldo_private.enrolment_hash(code text)
returns bytea
language sql
immutable
as $$
  select sha256(convert_to(upper(regexp_replace(code, '[\s-]', '', 'g')), 'UTF8'))
$$;
comment on function saldo_private.enrolment_hash is
  'What is kept of a one-time code; blanks, hyphens and case in it do not matter.';

create or replace function saldo.issue_enrolment_code(branch_id bigint)
returns saldo.branch_enrolment_code
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_branch saldo.branch := saldo_private.require_branch(issue_enrolment_code.branch_id);
  -- 80 random bits, as 20 digits in groups of five.
  v_digits text := upper(left(encode(sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
  ), 'hex'), 20));
  v_code saldo.branch_enrolment_code;
begin
  v_code.code := regexp_replace(v_digits, '(.{5})(?=.)', '\1-', 'g');
  v_code.expires_at := now() + make_interval(
    mins => saldo_private.setting_value('branch_enrolment_minutes')::integer
  );
  insert into saldo_private.branch_enrolment (code_hash, branch_id, created_by, expires_at)
  values (
    saldo_private.enrolment_hash(v_code.code), v_branch.id, saldo_private.actor(),
    v_code.expires_at
  );
  return v_code;
end
$$;
comment on function saldo.issue_enrolment_code is
  'A code by which one till is enrolled, once, within branch_enrolment_minutes; it is shown this '
  'once. Error: SB501 branch_not_found.';
revoke execute on function saldo.issue_enrolment_code from public;
grant execute on function saldo.issue_enrolment_code to saldo_admin;

create or replace function saldo_private.claim_enrolment(
  code text,
  device_name text,
  program text
)
returns saldo.branch_device
language plpgsql
as $$
declare
  v_hash bytea := saldo_private.enrolment_hash(code);
  v_branch_id bigint;
  v_device saldo.branch_device;
begin
  select e.branch_id
  into v_branch_id
  from saldo_private.branch_enrolment as e
  where e.code_hash = v_hash;
  if v_branch_id is not null then
    -- Under the branch's lock, so that two who use one code come one after the other.
    perform saldo_private.lock_branch(v_branch_id);
    insert into saldo.branch_device (id, branch_id, device_no, name, program)
    select gen_random_uuid(), v_branch_id, 1 + coalesce((
        select max(d.device_no)
        from saldo.branch_device as d
        where d.branch_id = v_branch_id
      ), 0),
      saldo_private.require_text(device_name, 'device_name', 100),
      saldo_private.require_text(program, 'program', 100)
    from saldo_private.branch_enrolment as e
    where e.code_hash = v_hash
    and e.device_id is null
    and e.expires_at > clock_timestamp()
    returning * into v_device;
  end if;
  if v_device.id is null then
    perform saldo_private.fail('enrolment_code_invalid');
  end if;
  update saldo_private.branch_enrolment
  set device_id = v_device.id
  where code_hash = v_hash;
  return v_device;
end
$$;
comment on function saldo_private.claim_enrolment is
  'Makes a device of a one-time code. Errors in checking order: SB020 isolation_unsupported, '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB506 enrolment_code_invalid for '
  'one that is unknown, used or expired; which of these is told to nobody.';

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
select saldo_private.secure_table('saldo_private.branch_enrolment');

comment on type saldo.branch_device_state is
  'ok: rows are posted as they come; forked: two programs went on from one store; closed: by an '
  'administrator. Of forked and closed devices new rows are kept in quarantine.';
comment on type saldo.branch_enrolment_code is 'A code by which one till is enrolled, once.';
comment on column saldo.branch_enrolment_code.code is 'The code; it is shown this once.';
comment on column saldo.branch_enrolment_code.expires_at is 'Until when it is good.';
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
comment on table saldo_private.branch_enrolment is 'One-time codes by which tills are enrolled.';
comment on column saldo_private.branch_enrolment.code_hash is 'SHA-256 of the code.';
comment on column saldo_private.branch_enrolment.branch_id is 'Branch of the device to be.';
comment on column saldo_private.branch_enrolment.created_at is 'When it was issued.';
comment on column saldo_private.branch_enrolment.created_by is 'Who issued it.';
comment on column saldo_private.branch_enrolment.expires_at is 'Until when it is good.';
comment on column saldo_private.branch_enrolment.device_id is
  'Device that was enrolled by it; null = not used.';
