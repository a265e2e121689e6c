-- Service tokens: for jobs and applications that call the API. Hashed, shown once, revocable.
--
-- Public: saldo.service_token, create_service_token, revoke_service_token. Private:
-- require_token_role, good_service_tokens, is_another_person, responsible_person,
-- require_another_person; table saldo_private.service_token_secret.
-- A server reads the good ones every few seconds, and asks no database for each request. The
-- secret has 256 random bits, so that one hash of it is enough. Who acts with such a token is
-- written as service:<subject>, which no signed token may claim: it decides nothing that needs a
-- second person, and whoever made it is no second person to it.

create or replace function saldo_private.require_token_role(role text)
returns text
language plpgsql
stable
as $$
begin
  -- What the server may take for a caller is granted to saldo_server, by name.
  if coalesce(role, '') !~ '^[a-z][a-z_]{0,40}$'
    or role = 'anonymous'
    or not exists (
      select
      from pg_catalog.pg_auth_members as m
      where m.roleid = to_regrole(concat('saldo_', require_token_role.role))
      and m.member = to_regrole('saldo_server')
    )
  then
    perform saldo_private.fail('input_invalid', 'role: one that a token may have, as operator');
  end if;
  return role;
end
$$;
comment on function saldo_private.require_token_role is
  'The role, where a token may have it: SB010 input_invalid.';

create or replace function saldo.create_service_token(
  role text,
  subject text,
  member_code text default null,
  expires_at timestamptz default null
)
returns text
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_role text := saldo_private.require_token_role(create_service_token.role);
  v_subject text := saldo_private.require_line(create_service_token.subject, 'subject', 100);
  v_expires_at timestamptz := coalesce(
    create_service_token.expires_at, clock_timestamp() + interval '90 days'
  );
  v_member_id bigint;
  v_id uuid := gen_random_uuid();
  v_secret text := encode(sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
  ), 'hex');
begin
  -- Or it would outlive the token that made it, and stand for whoever made that one.
  if starts_with(saldo_private.actor(), 'service:') then
    perform saldo_private.fail('forbidden', 'a service token makes no tokens');
  elsif v_expires_at not between clock_timestamp() and clock_timestamp() + interval '2 years' then
    perform saldo_private.fail('input_invalid', 'expires_at: later than now, within two years');
  elsif (v_role = 'member') <> (member_code is not null) then
    perform saldo_private.fail('input_invalid', 'member_code: with the role member, and no other');
  end if;
  if member_code is not null then
    select m.id
    into v_member_id
    from saldo.member as m
    where m.code = create_service_token.member_code;
    if v_member_id is null then
      perform saldo_private.fail('member_not_found', format('code %s', member_code));
    end if;
  end if;
  insert into saldo.service_token (
    id, role, subject, member_id, created_by, created_at, expires_at
  )
  values (
    v_id, v_role, v_subject, v_member_id, saldo_private.actor(), clock_timestamp(), v_expires_at
  );
  insert into saldo_private.service_token_secret (token_id, secret_hash)
  values (v_id, sha256(convert_to(v_secret, 'UTF8')));
  return concat('sst_', encode(uuid_send(v_id), 'hex'), '_', v_secret);
end
$$;
comment on function saldo.create_service_token is
  'A token for a job or an application, shown this once: Authorization: Bearer takes it. role: as '
  'in a signed token. subject: who acts, as it is written into the audit trail, after service:. '
  'member_code: with the role member. expires_at: within two years, default in 90 days. What it '
  'does needs a second person as what people do, and it never is that person. Errors in checking '
  'order: SB010 input_invalid for the role and without a subject, SB008 text_invalid, '
  'SB009 text_too_long, SB006 forbidden for one that is called by a service token, '
  'SB010 input_invalid for expires_at and member_code, SB304 member_not_found.';
revoke execute on function saldo.create_service_token from public;
grant execute on function saldo.create_service_token to saldo_admin;

create or replace function saldo.revoke_service_token(token_id uuid, reason text)
returns saldo.service_token
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(revoke_service_token.reason, 'reason');
  v_token saldo.service_token;
begin
  update saldo.service_token as k
  set revoked_at = coalesce(k.revoked_at, clock_timestamp()),
    revoked_by = coalesce(k.revoked_by, saldo_private.actor()),
    revoke_reason = coalesce(k.revoke_reason, v_reason)
  where k.id = revoke_service_token.token_id
  returning k.*
  into v_token;
  if v_token.id is null then
    perform saldo_private.fail('not_found', format('token %s', coalesce(token_id::text, 'none')));
  end if;
  return v_token;
end
$$;
comment on function saldo.revoke_service_token is
  'Ends a service token: servers refuse it within seconds, and end its subscriptions. One that is '
  'revoked already stays as it was. Errors in checking order: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB007 not_found.';
revoke execute on function saldo.revoke_service_token from public;
grant execute on function saldo.revoke_service_token to saldo_admin;

create or replace function saldo_private.good_service_tokens()
returns table (
  id uuid, secret_hash bytea, role text, subject text, member_id bigint, expires_at timestamptz
)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select k.id, s.secret_hash, k.role, k.subject, k.member_id, k.expires_at
  from saldo.service_token as k
  join saldo_private.service_token_secret as s on s.token_id = k.id
  where k.revoked_at is null
  and k.expires_at > now()
  and saldo_private.may_name_caller()
$$;
comment on function saldo_private.good_service_tokens is
  'What a server goes by: tokens that are neither revoked nor expired. Nothing for another login.';
grant execute on function saldo_private.good_service_tokens to saldo_anonymous;

create or replace function saldo_private.is_another_person(person text, first_person text)
returns boolean
language sql
stable
as $$
  -- Names of one person are often written in two ways.
  select lower(person) <> lower(first_person)
    and not starts_with(person, 'service:')
    and not exists (
      select
      from saldo.service_token as k
      where concat('service:', k.subject) = first_person
      and lower(k.created_by) = lower(person)
    )
$$;
comment on function saldo_private.is_another_person is
  'Whether somebody is a second person to the first one: a service token never is, and whoever '
  'made a service token is none to it.';

create or replace function saldo_private.responsible_person()
returns text
language sql
stable
as $$
  select coalesce((
    select k.created_by
    from saldo.service_token as k
    where concat('service:', k.subject) = saldo_private.actor()
    order by k.created_at
    limit 1
  ), saldo_private.actor())
$$;
comment on function saldo_private.responsible_person is
  'Who acts; for a service token, who made it.';

create or replace function saldo_private.require_another_person(first_person text, what text)
returns void
language plpgsql
stable
as $$
begin
  if not saldo_private.is_another_person(saldo_private.actor(), first_person) then
    perform saldo_private.fail(
      'approval_needs_another', format('%s is of %s', what, first_person)
    );
  end if;
end
$$;
comment on function saldo_private.require_another_person is
  'Refuses who asked for something as the one who decides on it, a service token in any case, and '
  'who made the service token that asked: SB621 approval_needs_another.';

select saldo_private.secure_table('saldo.service_token');
drop policy if exists select_all on saldo.service_token;
create policy select_all on saldo.service_token for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.service_token to saldo_admin, saldo_operator;
select saldo_private.secure_table('saldo_private.service_token_secret');

comment on table saldo.service_token is
  'A token of a job or an application; its secret is kept nowhere.';
comment on column saldo.service_token.id is 'What stands in the token before its secret.';
comment on column saldo.service_token.role is 'Role of its callers, as a signed token has it.';
comment on column saldo.service_token.subject is
  'Who acts, as the audit trail has it after service:.';
comment on column saldo.service_token.member_id is
  'Member that it acts for, with the role member; null = none.';
comment on column saldo.service_token.created_by is 'Who made it: token subject or login.';
comment on column saldo.service_token.created_at is 'When it was made.';
comment on column saldo.service_token.expires_at is 'When it ends by itself.';
comment on column saldo.service_token.revoked_at is 'When it was revoked; null = it was not.';
comment on column saldo.service_token.revoked_by is 'Who revoked it; null = nobody.';
comment on column saldo.service_token.revoke_reason is 'Why it was revoked; null = it was not.';
comment on table saldo_private.service_token_secret is
  'What is kept of the secrets of service tokens.';
comment on column saldo_private.service_token_secret.token_id is 'Token.';
comment on column saldo_private.service_token_secret.secret_hash is
  'SHA-256 of the 64 digits of its secret.';
