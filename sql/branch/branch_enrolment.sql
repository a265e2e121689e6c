-- Enrolment: a one-time code becomes a device and, by push_branch_rows.sql, its key.
--
-- Public: issue_enrolment_code. Private: enrolment_hash, claim_enrolment; table
-- saldo_private.branch_enrolment.
-- A till that sold before keeps the id that it made for itself: its rows are hashed with it.

create or replace function saldo_private.enrolment_hash(code text)
returns bytea
language sql
stable
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

create or replace function saldo_private.claim_enrolment__device(
  branch_id bigint,
  device_id uuid,
  name text,
  program text
)
returns saldo.branch_device
language plpgsql
as $$
declare
  v_device saldo.branch_device;
begin
  -- Another branch may be taking the same id at this moment: its row is waited for.
  insert into saldo.branch_device (id, branch_id, device_no, name, program)
  select coalesce(claim_enrolment__device.device_id, gen_random_uuid()),
    claim_enrolment__device.branch_id, 1 + coalesce(max(d.device_no), 0),
    claim_enrolment__device.name, claim_enrolment__device.program
  from saldo.branch_device as d
  where d.branch_id = claim_enrolment__device.branch_id
  on conflict (id) do nothing
  returning * into v_device;
  if v_device.id is null then
    -- The answer to an enrolment was lost, and the till asks again with another code.
    select d.*
    into v_device
    from saldo.branch_device as d
    where d.id = claim_enrolment__device.device_id
    and d.branch_id = claim_enrolment__device.branch_id
    and d.state = 'ok'
    and d.last_push_at is null
    and not exists (
      select
      from saldo.branch_key as k
      where k.device_id = d.id
      and k.first_used_at is not null
    );
  end if;
  if v_device.id is null then
    perform saldo_private.fail(
      'device_exists', format('device %s', claim_enrolment__device.device_id)
    );
  end if;
  return v_device;
end
$$;
comment on function saldo_private.claim_enrolment__device is
  'The new device, or the same again where nobody has used its key yet. Error: '
  'SB515 device_exists.';

create or replace function saldo_private.claim_enrolment(
  code text,
  device_name text,
  program text,
  device_id uuid
)
returns saldo.branch_device
language plpgsql
as $$
declare
  v_hash bytea := saldo_private.enrolment_hash(code);
  v_branch_id bigint;
  v_is_good boolean := false;
  v_device saldo.branch_device;
begin
  select e.branch_id
  into v_branch_id
  from saldo_private.branch_enrolment as e
  where e.code_hash = v_hash;
  if v_branch_id is not null then
    -- Under the branch's lock, so that two who use one code come one after the other.
    perform saldo_private.lock_branch(v_branch_id);
    select e.device_id is null and e.expires_at > clock_timestamp()
    into v_is_good
    from saldo_private.branch_enrolment as e
    where e.code_hash = v_hash;
  end if;
  if not v_is_good then
    perform saldo_private.fail('enrolment_code_invalid');
  end if;
  v_device := saldo_private.claim_enrolment__device(
    v_branch_id,
    claim_enrolment.device_id,
    saldo_private.require_line(device_name, 'device_name', 100),
    saldo_private.require_line(program, 'program', 100)
  );
  update saldo_private.branch_enrolment as e
  set device_id = v_device.id
  where e.code_hash = v_hash;
  return v_device;
end
$$;
comment on function saldo_private.claim_enrolment is
  'Makes a device of a one-time code, with the id that the till made for itself where it tells '
  'one. Errors in checking order: SB020 isolation_unsupported, SB506 enrolment_code_invalid for a '
  'code that is unknown, used or expired, which of these is told to nobody; SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB515 device_exists.';

select saldo_private.secure_table('saldo_private.branch_enrolment');

comment on type saldo.branch_enrolment_code is 'A code by which one till is enrolled, once.';
comment on column saldo.branch_enrolment_code.code is 'The code; it is shown this once.';
comment on column saldo.branch_enrolment_code.expires_at is 'Until when it is good.';
comment on table saldo_private.branch_enrolment is 'One-time codes by which tills are enrolled.';
comment on column saldo_private.branch_enrolment.code_hash is 'SHA-256 of the code.';
comment on column saldo_private.branch_enrolment.branch_id is 'Branch of the device to be.';
comment on column saldo_private.branch_enrolment.created_at is 'When it was issued.';
comment on column saldo_private.branch_enrolment.created_by is 'Who issued it.';
comment on column saldo_private.branch_enrolment.expires_at is 'Until when it is good.';
comment on column saldo_private.branch_enrolment.device_id is
  'Device that was enrolled by it; null = not used.';
