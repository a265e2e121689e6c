-- Who acts, and whether it may act for others.
--
-- Private: actor, may_name_caller, role_in_force, is_member_login, is_member_session,
-- require_durable_commit.
-- The server passes the verified token's subject and member with each request, as settings. Anyone
-- can set these, so they count only where the server's login gives them, or a login that is the
-- engine's owner anyway. Everybody else acts under the name of the login, and as the member that
-- an administrator has given to it (wallet/member_login.sql).
-- What a session may is asked of its roles, never of a setting: a member's login may act for that
-- member only, however it came by the right to call a function.

create or replace function saldo_private.may_name_caller()
returns boolean
language sql
stable
as $$
  select pg_has_role(session_user, 'saldo_server', 'member')
    or pg_has_role(session_user, 'saldo_owner', 'member')
$$;
comment on function saldo_private.may_name_caller is
  'Whether the login may say for whom it acts: that of the server, and the engine''s owner. '
  'Otherwise an administrator in psql could approve their own proposal under another name.';
grant execute on function saldo_private.may_name_caller to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

create or replace function saldo_private.actor()
returns text
language sql
stable
as $$
  select case when coalesce(current_setting('saldo.subject', true), '') <> ''
      and saldo_private.may_name_caller()
    then current_setting('saldo.subject')
    else session_user::text end
$$;
comment on function saldo_private.actor is
  'Subject of the verified token, or the login when there is none. A login that is neither the '
  'server''s nor the owner''s acts as itself, whatever it has set.';

create or replace function saldo_private.role_in_force()
returns name
language sql
stable
as $$
  -- Inside a definer function current_user is the owner; the role setting stays the caller's.
  select case current_setting('role') when 'none' then session_user
    else current_setting('role')::name end
$$;
comment on function saldo_private.role_in_force is
  'The role that the caller has taken, or the login when it has taken none.';

create or replace function saldo_private.is_member_login()
returns boolean
language plpgsql
stable
as $$
declare
  v_role name := saldo_private.role_in_force();
begin
  if pg_has_role(v_role, 'saldo_admin', 'usage') or pg_has_role(v_role, 'saldo_owner', 'usage') then
    return false;
  end if;
  -- A member who takes some other role, and calls from there what a friend's function lends, stays
  -- a member. Who may become an administrator at any time is not suspected.
  return pg_has_role(v_role, 'saldo_member', 'member') or (
    pg_has_role(session_user, 'saldo_member', 'member')
    and not pg_has_role(session_user, 'saldo_admin', 'member')
    and not pg_has_role(session_user, 'saldo_owner', 'member')
  );
end
$$;
comment on function saldo_private.is_member_login is
  'Whether a member''s role is what the session has, without an administrator''s. A session that '
  'has neither calls by a right that an administrator gave it by name, or that a definer function '
  'lends: an application''s.';

create or replace function saldo_private.is_member_session()
returns boolean
language sql
stable
as $$
  -- By name first: these two are what the server takes, and each posting asks.
  select case current_setting('role')
    when 'saldo_member' then true
    when 'saldo_admin' then false
    else saldo_private.is_member_login() end
$$;
comment on function saldo_private.is_member_session is
  'Whether the caller may act for one member only: the role is a member''s, or the login has a '
  'member''s rights and not an administrator''s.';

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
