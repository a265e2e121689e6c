-- Pushing: what a till calls, by way of HTTP, with its key. The role saldo_branch may call these
-- functions and nothing else of the room: a key pushes, and reads what became of its own rows.
--
-- Private: push_branch_rows, enrol_branch_device, renew_branch_key, read_branch_config,
-- take_branch_rows, take_push. They stand in no API but src/http/branch_sync.ts; body and answer
-- are in docs/reference/branch-protocol.md.
-- Locks: the branch, so that pushes of its devices come one after the other; then as a posting.

create or replace function saldo_private.push__check_envelope(body jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_fault text;
begin
  if jsonb_typeof(body) = 'object' and jsonb_typeof(body -> 'protocol') = 'number'
    and body -> 'protocol' <> '1'
  then
    perform saldo_private.fail('protocol_unknown', 'this centre speaks protocols 0 and 1');
  end if;
  v_fault := case
    when jsonb_typeof(body) = 'array' then
      case when jsonb_array_length(body) > 256 then 'rows' end
    when jsonb_typeof(body) is distinct from 'object' then 'body'
    when body -> 'protocol' is distinct from '1' then 'protocol'
    when saldo_private.is_row_text(body -> 'program', 100) is not true then 'program'
    when saldo_private.is_row_uuid(body -> 'device') is not true then 'device'
    when saldo_private.is_row_uuid(body -> 'epoch') is not true then 'epoch'
    when (body ->> 'epoch_no' ~ '^[1-9]\d{0,5}$') is not true then 'epoch_no'
    when (jsonb_typeof(body -> 'previous') = 'null' or (
      saldo_private.is_row_uuid(body #> '{previous,epoch}')
      and body #>> '{previous,seq}' ~ '^\d{1,15}$')) is not true then 'previous'
    when (body #>> '{clock,now}' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$') is not true
      then 'clock.now'
    when (body #>> '{head,seq}' ~ '^\d{1,15}$') is not true then 'head.seq'
    when case when body #>> '{head,seq}' = '0' then true
      else body #>> '{head,hash}' ~ '^[0-9a-f]{64}$' end is not true then 'head.hash'
    when (body #>> '{totals,count}' ~ '^\d{1,15}$'
      and body #>> '{totals,in}' ~ '^\d{1,21}(\.\d{1,2})?$'
      and body #>> '{totals,out}' ~ '^\d{1,21}(\.\d{1,2})?$') is not true then 'totals'
    when (body #>> '{have,verdict_no}' ~ '^\d{1,15}$') is not true then 'have.verdict_no'
    when (jsonb_typeof(body -> 'rows') = 'array') is not true
      or jsonb_array_length(body -> 'rows') > 256 then 'rows'
  end;
  if v_fault is not null then
    perform saldo_private.fail('push_invalid', v_fault);
  end if;
end
$$;
comment on function saldo_private.push__check_envelope is
  'Errors in checking order: SB510 protocol_unknown, SB507 push_invalid. Rows are not looked at.';

create or replace function saldo_private.take_branch_rows(
  arrivals saldo_private.branch_arrival[],
  device_id uuid,
  branch saldo.branch,
  epoch saldo.branch_epoch
)
returns void
language plpgsql
as $$
declare
  v_ids bigint[];
  v_arrival saldo_private.branch_arrival;
begin
  if (
    select count(a.arrival_hash) <> count(distinct a.arrival_hash)
      or count(a.row_id) <> count(distinct a.row_id) or count(a.seq) <> count(distinct a.seq)
    from unnest(arrivals) as a
  ) then
    -- Rows that contend with each other are taken in their order.
    foreach v_arrival in array arrivals loop
      perform saldo_private.take_branch_rows(array[v_arrival], device_id, branch, epoch);
    end loop;
    return;
  end if;
  v_ids := saldo_private.file_branch_rows(
    arrivals, saldo_private.require_device(device_id), branch, epoch
  );
  if v_ids <> '{}' then
    perform saldo_private.post_or_quarantine(array(
      select i.id
      from saldo.branch_intake as i
      where i.id = any (v_ids)
      and i.verdict = 'accepted'
      and i.kind = 'entry'
      order by i.id
    ));
    perform saldo_private.settle_waiting_voids(branch.id);
  end if;
end
$$;
comment on function saldo_private.take_branch_rows is
  'Files rows, posts what is accepted, and carries out voids. The caller holds the branch.';

create or replace function saldo_private.push__enter(device_id uuid, body jsonb)
returns saldo.branch_epoch
language plpgsql
as $$
declare
  v_epoch saldo.branch_epoch;
begin
  if body ->> 'device' <> device_id::text then
    perform saldo_private.fail('branch_forbidden', 'device');
  end if;
  v_epoch := saldo_private.enter_branch_epoch(
    entered_device_id => device_id,
    epoch => (body ->> 'epoch')::uuid,
    epoch_no => (body ->> 'epoch_no')::integer,
    previous => nullif(body -> 'previous', 'null')
  );
  perform saldo_private.note_branch_head(
    epoch_id => v_epoch.id,
    seq => (body #>> '{head,seq}')::bigint,
    hash => body #>> '{head,hash}',
    totals => body -> 'totals'
  );
  perform saldo_private.mark_forked(
    push__enter.device_id, 'another row stands where the till told its last'
  )
  from saldo.branch_intake as i
  where i.epoch_id = v_epoch.id
  and i.seq = (body #>> '{head,seq}')::bigint
  and i.has_place
  and i.hash <> body #>> '{head,hash}';
  return v_epoch;
end
$$;
comment on function saldo_private.push__enter is
  'Enters the epoch of a push and keeps the head that it tells. Error: SB505 branch_forbidden.';

create or replace function saldo_private.take_push(
  device saldo.branch_device,
  body jsonb,
  is_live boolean
)
returns jsonb
language plpgsql
as $$
declare
  v_device saldo.branch_device := device;
  v_branch saldo.branch := saldo_private.require_branch(v_device.branch_id);
  v_is_bare boolean := jsonb_typeof(body) = 'array';
  v_epoch saldo.branch_epoch;
  v_arrivals saldo_private.branch_arrival[];
  v_have_no bigint;
  v_offset_ms bigint;
begin
  perform saldo_private.push__check_envelope(body);
  if v_is_bare then
    v_arrivals := saldo_private.branch_arrivals_of_0(body, v_device.id, v_branch);
    v_have_no := v_device.verdict_no;
  else
    v_offset_ms := 1000 * extract(epoch from saldo_private.require_instant_text(
      body #>> '{clock,now}', 'clock.now'
    ) - clock_timestamp());
    v_epoch := saldo_private.push__enter(v_device.id, body);
    v_arrivals := saldo_private.branch_arrivals(body -> 'rows', v_device.id, v_epoch.epoch);
    v_have_no := case when body #>> '{have,centre_epoch}'
      = (saldo_private.current_centre_epoch()).epoch::text
      then (body #>> '{have,verdict_no}')::bigint else 0 end;
    perform saldo_private.notice_restored_centre(
      v_branch.code, v_device.device_no, v_have_no, v_device.verdict_no
    );
    perform saldo_private.mark_forked(v_device.id, f.reason)
    from saldo_private.find_fork(v_arrivals, v_epoch) as f (reason)
    where f.reason is not null;
  end if;
  perform saldo_private.take_branch_rows(v_arrivals, v_device.id, v_branch, v_epoch);
  perform saldo_private.advance_branch_epoch(v_epoch.id)
  where v_arrivals <> '{}';

  update saldo.branch_device as d
  set last_push_at = clock_timestamp(),
    protocol = case when v_is_bare then 0 else 1 end,
    program = case when v_is_bare then d.program else body ->> 'program' end,
    -- A file says what the clock was when it was written.
    clock_offset_ms = case when is_live then coalesce(v_offset_ms, d.clock_offset_ms)
      else d.clock_offset_ms end,
    clock_boot = coalesce(left(body #>> '{clock,boot}', 100), d.clock_boot)
  where d.id = v_device.id
  returning * into v_device;
  return jsonb_build_object(
    'server_time', saldo_private.instant_text(clock_timestamp()),
    'centre_epoch', (saldo_private.current_centre_epoch()).epoch,
    'seen', saldo_private.push_seen(v_epoch),
    'device_state', saldo_private.push_state(
      v_device, v_epoch, (body #>> '{head,seq}')::bigint
    ),
    'verdicts', saldo_private.push_verdicts(v_arrivals, v_device.id),
    'config_version', saldo_private.branch_config(v_branch) -> 'config_version',
    'rotate_key', false
  ) || saldo_private.push_changes(
    v_device, v_have_no, array(select a.arrival_hash from unnest(v_arrivals) as a)
  );
end
$$;
comment on function saldo_private.take_push is
  'Takes a push of a device, and returns the data of its answer but for the limits. is_live: it '
  'comes from the till at this moment, not by file. The caller holds the branch. Errors in '
  'checking order: SB510 protocol_unknown, SB507 push_invalid, SB010 input_invalid, '
  'SB505 branch_forbidden.';

create or replace function saldo_private.push_branch_rows(
  key_id text,
  secret_hash bytea,
  body jsonb
)
returns jsonb
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.take_push(
    saldo_private.use_branch_key(key_id, secret_hash), body, is_live => true
  ) || jsonb_build_object('rotate_key', saldo_private.is_rotation_due(key_id));
end
$$;
comment on function saldo_private.push_branch_rows is
  'Takes a push, and returns the data of its answer but for the limits. Errors in checking order: '
  'SB020 isolation_unsupported, SB504 branch_key_invalid, SB510 protocol_unknown, '
  'SB507 push_invalid, SB010 input_invalid, SB505 branch_forbidden.';
grant execute on function saldo_private.push_branch_rows to saldo_branch;

create or replace function saldo_private.enrol_branch_device(
  code text,
  device_name text,
  program text,
  device_id uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_device saldo.branch_device := saldo_private.claim_enrolment(
    code, device_name, program, device_id
  );
  v_branch saldo.branch := saldo_private.require_branch(v_device.branch_id);
begin
  return jsonb_build_object(
    'device', v_device.id,
    'device_no', v_device.device_no,
    'key', saldo_private.make_branch_key(v_device.id),
    'centre_epoch', (saldo_private.current_centre_epoch()).epoch,
    'server_time', saldo_private.instant_text(clock_timestamp()),
    'config', saldo_private.branch_config(v_branch)
  );
end
$$;
comment on function saldo_private.enrol_branch_device is
  'Makes a device and its key of a one-time code. Errors in checking order: '
  'SB020 isolation_unsupported, SB506 enrolment_code_invalid, SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB515 device_exists.';
grant execute on function saldo_private.enrol_branch_device to saldo_branch;

create or replace function saldo_private.renew_branch_key(key_id text, secret_hash bytea)
returns jsonb
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_device saldo.branch_device := saldo_private.use_branch_key(key_id, secret_hash);
begin
  return jsonb_build_object('key', saldo_private.make_branch_key(v_device.id));
end
$$;
comment on function saldo_private.renew_branch_key is
  'A second key for the device of a key. Errors in checking order: SB020 isolation_unsupported, '
  'SB504 branch_key_invalid.';
grant execute on function saldo_private.renew_branch_key to saldo_branch;

create or replace function saldo_private.read_branch_config(key_id text, secret_hash bytea)
returns jsonb
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_device saldo.branch_device := saldo_private.use_branch_key(key_id, secret_hash);
begin
  return saldo_private.branch_config(saldo_private.require_branch(v_device.branch_id));
end
$$;
comment on function saldo_private.read_branch_config is
  'What the till of a key is told of its branch. Errors in checking order: '
  'SB020 isolation_unsupported, SB504 branch_key_invalid.';
grant execute on function saldo_private.read_branch_config to saldo_branch;
