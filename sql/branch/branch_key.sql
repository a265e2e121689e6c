-- Branch keys: what a device proves itself by. Hashed, shown once, two alive at most.
--
-- Public: saldo.branch_key, rotate_branch_key, revoke_branch_key. Private: make_branch_key,
-- use_branch_key, is_rotation_due; table saldo_private.branch_key_secret.
-- A rotation needs no downtime: both keys work until the new one is first used, which ends the old
-- one; nothing else does. The secret has 256 random bits, so that one hash of it is enough, and
-- comparing hashes tells nothing about it.

create or replace function saldo_private.make_branch_key(device_id uuid)
returns text
language plpgsql
as $$
declare
  v_random bytea := sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
  );
  v_id text := left(encode(uuid_send(gen_random_uuid()), 'hex'), 12);
  v_secret text := encode(v_random, 'hex');
  v_key text := 'sbk_' || v_id || '_' || v_secret;
begin
  -- A key that was made and never used goes: its answer was lost.
  update saldo.branch_key as k
  set ended_at = clock_timestamp(),
    end_reason = 'replaced before it was used'
  where k.device_id = make_branch_key.device_id
  and k.ended_at is null
  and k.first_used_at is null;
  insert into saldo.branch_key (id, device_id)
  values (v_id, make_branch_key.device_id);
  insert into saldo_private.branch_key_secret (key_id, secret_hash)
  values (v_id, sha256(convert_to(v_secret, 'UTF8')));
  return v_key || left(encode(sha256(convert_to(v_key, 'UTF8')), 'hex'), 6);
end
$$;
comment on function saldo_private.make_branch_key is
  'A new key of the device, as the till gets it; it is kept nowhere. The caller holds the branch.';

create or replace function saldo_private.use_branch_key(key_id text, secret_hash bytea)
returns saldo.branch_device
language plpgsql
as $$
declare
  v_device_id uuid;
  v_device saldo.branch_device;
  v_is_first_use boolean;
begin
  select k.device_id
  into v_device_id
  from saldo.branch_key as k
  join saldo_private.branch_key_secret as s on s.key_id = k.id
  where k.id = use_branch_key.key_id
  and s.secret_hash = use_branch_key.secret_hash;
  if v_device_id is not null then
    v_device := saldo_private.lock_device(v_device_id);
    update saldo.branch_key as k
    set last_used_at = clock_timestamp()
    where k.id = use_branch_key.key_id
    and k.ended_at is null
    returning k.first_used_at is null into v_is_first_use;
  end if;
  if v_is_first_use is null then
    perform saldo_private.fail('branch_key_invalid');
  end if;
  if v_is_first_use then
    update saldo.branch_key as k
    set first_used_at = case when k.id = use_branch_key.key_id then clock_timestamp()
        else k.first_used_at end,
      ended_at = case when k.id <> use_branch_key.key_id then clock_timestamp() end,
      end_reason = case when k.id <> use_branch_key.key_id then 'the next key was used' end
    where k.device_id = v_device.id
    and k.ended_at is null;
  end if;
  return v_device;
end
$$;
comment on function saldo_private.use_branch_key is
  'The device of a key, under the lock of its branch. The first use of a key ends the others. '
  'Errors: SB020 isolation_unsupported, SB504 branch_key_invalid for one that is unknown or ended; '
  'which of these is told to nobody.';

create or replace function saldo_private.is_rotation_due(key_id text)
returns boolean
language sql
stable
as $$
  select k.created_at
    < now() - make_interval(days => saldo_private.setting_value('branch_key_days')::integer)
  from saldo.branch_key as k
  where k.id = key_id
$$;
comment on function saldo_private.is_rotation_due is
  'Whether a key is older than the setting branch_key_days.';

create or replace function saldo.rotate_branch_key(device_id uuid)
returns text
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_device saldo.branch_device := saldo_private.lock_device(rotate_branch_key.device_id);
begin
  return saldo_private.make_branch_key(v_device.id);
end
$$;
comment on function saldo.rotate_branch_key is
  'A second key for a device, shown this once; the one in use ends when this one is first used. '
  'Tills fetch one by themselves when theirs is older than branch_key_days. Errors: '
  'SB502 device_not_found, SB020 isolation_unsupported.';
revoke execute on function saldo.rotate_branch_key from public;
grant execute on function saldo.rotate_branch_key to saldo_admin;

create or replace function saldo.revoke_branch_key(device_id uuid, reason text)
returns setof saldo.branch_key
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(revoke_branch_key.reason, 'reason');
  v_device saldo.branch_device := saldo_private.lock_device(revoke_branch_key.device_id);
begin
  return query
  update saldo.branch_key as k
  set ended_at = clock_timestamp(),
    end_reason = v_reason
  where k.device_id = v_device.id
  and k.ended_at is null
  returning k.*;
end
$$;
comment on function saldo.revoke_branch_key is
  'Ends all keys of a device at once, and returns them: its pushes are answered 401, and its till '
  'goes on selling. It comes back with an enrolment code, as another device. Errors in checking '
  'order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB502 device_not_found, '
  'SB020 isolation_unsupported.';
revoke execute on function saldo.revoke_branch_key from public;
grant execute on function saldo.revoke_branch_key to saldo_admin;

select saldo_private.secure_table('saldo.branch_key');
drop policy if exists select_all on saldo.branch_key;
create policy select_all on saldo.branch_key for select to saldo_admin, saldo_operator using (true);
grant select on saldo.branch_key to saldo_admin, saldo_operator;
select saldo_private.secure_table('saldo_private.branch_key_secret');

comment on table saldo.branch_key is 'A key of a device; the secret is kept nowhere.';
comment on column saldo.branch_key.id is 'What stands in the key before its secret.';
comment on column saldo.branch_key.device_id is 'Device that it is for.';
comment on column saldo.branch_key.created_at is 'When it was made.';
comment on column saldo.branch_key.first_used_at is
  'When it was first used, which ended the key before; null = never.';
comment on column saldo.branch_key.last_used_at is 'When it was last used; null = never.';
comment on column saldo.branch_key.ended_at is 'When it ended; null = it is good.';
comment on column saldo.branch_key.end_reason is 'Why it ended; null = it is good.';
comment on table saldo_private.branch_key_secret is 'What is kept of the secrets of keys.';
comment on column saldo_private.branch_key_secret.key_id is 'Key.';
comment on column saldo_private.branch_key_secret.secret_hash is
  'SHA-256 of the 64 digits of its secret.';
