-- Pushes that come by file, from a till without any network: what an administrator hands in.
--
-- Public: take_branch_push.
-- A file has no key: whoever hands it in answers for where it comes from. Rows in it are chained
-- and judged as any others are.
-- Locks: the branch of the device; then as a posting.

create or replace function saldo.take_branch_push(body jsonb, enrolment_code text default null)
returns jsonb
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_device saldo.branch_device;
begin
  if body is null then
    perform saldo_private.fail('input_invalid', 'body');
  end if;
  perform saldo_private.push__check_envelope(body);
  if jsonb_typeof(body) = 'array' then
    perform saldo_private.fail('push_invalid', 'protocol');
  end if;
  if enrolment_code is null then
    v_device := saldo_private.lock_device((body ->> 'device')::uuid);
  else
    v_device := saldo_private.claim_enrolment(
      code => enrolment_code,
      device_name => 'by file',
      program => body ->> 'program',
      device_id => (body ->> 'device')::uuid
    );
  end if;
  return jsonb_build_object(
    'epoch', body -> 'epoch',
    'device', v_device.id,
    'device_no', v_device.device_no,
    'data', saldo_private.take_push(v_device, body, is_live => false),
    'config', saldo_private.branch_config(saldo_private.require_branch(v_device.branch_id))
  );
end
$$;
comment on function saldo.take_branch_push is
  'Takes one push out of the file that a till has exported, and returns its answer for the file '
  'that the till imports; npx saldo branch-file does so for a whole file. The same push again gets '
  'the same verdicts. body: a push of protocol 1. enrolment_code: where the centre does not know '
  'the device yet, a code of its branch; it is used up, and no key is made. Errors in checking '
  'order: SB010 input_invalid, SB510 protocol_unknown, SB507 push_invalid, SB502 device_not_found, '
  'SB020 isolation_unsupported, SB506 enrolment_code_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB515 device_exists, SB505 branch_forbidden, SB015 conflict_retry, '
  'SB207 prepared_transaction_open.';
revoke execute on function saldo.take_branch_push from public;
grant execute on function saldo.take_branch_push to saldo_admin;
