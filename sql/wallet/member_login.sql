-- Logins of your own that act as members, and whom a session acts for.
--
-- Public: saldo.member_login. Private: member_of_login, current_member_id, require_own_member.
-- The server's login says with each request which member it is for. Any other login acts for the
-- member that an administrator has given to it here, whatever it sets, and for nobody without one.

create or replace function saldo_private.member_of_login()
returns bigint
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select coalesce(l.member_id, nullif(current_setting('saldo.member_id', true), '')::bigint)
  from saldo.member_login as l
  where l.login = session_user
$$;
comment on function saldo_private.member_of_login is
  'The member that the login was given; null for a login that was given none.';
grant execute on function saldo_private.member_of_login to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

create or replace function saldo_private.current_member_id()
returns bigint
language sql
stable
as $$
  select case when saldo_private.may_name_caller()
    then nullif(current_setting('saldo.member_id', true), '')::bigint
    else saldo_private.member_of_login() end
$$;
comment on function saldo_private.current_member_id is
  'The member that the session acts for; null for staff, and for a login that was given none.';
grant execute on function saldo_private.current_member_id to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

create or replace function saldo_private.require_own_member(
  member_id bigint,
  may_operator boolean default false
)
returns boolean
language plpgsql
stable
as $$
begin
  -- By itself: an expression is made ready with all that it names, and staff asks no more.
  if not saldo_private.is_member_session() then
    return true;
  end if;
  if saldo_private.current_member_id() is distinct from require_own_member.member_id
    and not (may_operator and pg_has_role(saldo_private.role_in_force(), 'saldo_operator', 'usage'))
  then
    perform saldo_private.fail('not_found', format('member %s', member_id));
  end if;
  return true;
end
$$;
comment on function saldo_private.require_own_member is
  'True: lets administrators pass, operators where they may, and members for themselves. Any other '
  'member''s login is answered as if the member did not exist: SB007 not_found.';

select saldo_private.secure_table('saldo.member_login');
drop policy if exists select_all on saldo.member_login;
create policy select_all on saldo.member_login for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.member_login to saldo_admin, saldo_operator;

comment on table saldo.member_login is
  E'@behavior -*\n'
  'A login of the server that acts for a member without the API.';
comment on column saldo.member_login.login is 'Name of the login, as session_user has it.';
comment on column saldo.member_login.member_id is
  'Member that it acts for; null = the one that it names in the setting saldo.member_id.';
comment on column saldo.member_login.assigned_at is 'When an administrator said so.';
comment on column saldo.member_login.assigned_by is 'Who said so.';
