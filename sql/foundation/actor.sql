-- Who acts. The server passes the verified token's subject and member with each request; someone
-- in psql acts under the name of the login.
--
-- Private: actor, current_member_id, is_member_session, require_own_member,
-- require_durable_commit.
-- These settings decide what a member sees, which is safe because members reach the database
-- through the server only; guards and privileges never rest on them. Anyone can set them, so a name
-- counts only where the server's login gives it, or a login that is the engine's owner anyway.
-- Otherwise an administrator in psql could approve their own proposal under another name.

create or replace function saldo_private.actor()
returns text
language sql
stable
as $$
  select case when coalesce(current_setting('saldo.subject', true), '') <> '' and (
      pg_has_role(session_user, 'saldo_server', 'member')
      or pg_has_role(session_user, 'saldo_owner', 'member')
    )
    then current_setting('saldo.subject')
    else session_user::text end
$$;
comment on function saldo_private.actor is
  'Subject of the verified token, or the login when there is none. A login that is neither the '
  'server''s nor the owner''s acts as itself, whatever it has set.';

create or replace function saldo_private.current_member_id()
returns bigint
language sql
stable
as $$
  select nullif(current_setting('saldo.member_id', true), '')::bigint
$$;
comment on function saldo_private.current_member_id is
  'The member that the request acts for; null for staff.';
grant execute on function saldo_private.current_member_id to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

create or replace function saldo_private.is_member_session()
returns boolean
language sql
stable
as $$
  -- Inside a definer function current_user is the owner; the role setting stays the caller's.
  select current_setting('role') = 'saldo_member'
$$;
comment on function saldo_private.is_member_session is
  'Whether the caller acts with the role of a member.';

create or replace function saldo_private.require_own_member(member_id bigint)
returns void
language plpgsql
stable
as $$
begin
  if saldo_private.is_member_session()
    and saldo_private.current_member_id() is distinct from require_own_member.member_id
  then
    perform saldo_private.fail('not_found', format('member %s', member_id));
  end if;
end
$$;
comment on function saldo_private.require_own_member is
  'Lets staff pass, and members for themselves. Anyone else is answered as if the member did not '
  'exist: SB007 not_found.';

create or replace function saldo_private.require_durable_commit()
returns void
language plpgsql
as $$
begin
  -- A set clause on the function would end with the function, before the commit that matters.
  if current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
end
$$;
comment on function saldo_private.require_durable_commit is
  'Makes the running transaction wait for its commit record, whatever the login has switched off: '
  'an acknowledged posting survives a crash.';
