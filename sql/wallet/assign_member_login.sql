-- A member is given to a login, or taken from it.
--
-- Public: assign_member_login, remove_member_login.

create or replace function saldo.assign_member_login(login text, member_id bigint default null)
returns saldo.member_login
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_login saldo.member_login;
begin
  if not exists (
    select from pg_catalog.pg_roles as r where r.rolname = assign_member_login.login
  ) then
    perform saldo_private.fail('input_invalid', 'login: a role of this server');
  elsif assign_member_login.member_id is not null and not exists (
    select from saldo.member as m where m.id = assign_member_login.member_id
  ) then
    perform saldo_private.fail('member_not_found', format('member %s', member_id));
  end if;
  insert into saldo.member_login as l (login, member_id, assigned_by)
  values (assign_member_login.login, assign_member_login.member_id, saldo_private.actor())
  on conflict on constraint member_login_pkey do update
  set member_id = excluded.member_id, assigned_at = now(), assigned_by = excluded.assigned_by
  returning * into v_login;
  return v_login;
end
$$;
comment on function saldo.assign_member_login is
  E'@behavior -*\n'
  'Lets a login of this server act for one member, whatever it sets; it needs the role '
  'saldo_member besides. Without a member it may say itself for whom it acts, by the setting '
  'saldo.member_id: for a login behind which a program of yours has verified the caller, as '
  'authenticator of PostgREST. The last assignment counts. A role that is dropped keeps its '
  'assignment: remove it, before another of the same name gets it. Errors in checking order: '
  'SB010 input_invalid for a login that does not exist, SB304 member_not_found.';
revoke execute on function saldo.assign_member_login from public;
grant execute on function saldo.assign_member_login to saldo_admin;

create or replace function saldo.remove_member_login(login text)
returns boolean
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  delete from saldo.member_login as l
  where l.login = remove_member_login.login;
  return found;
end
$$;
comment on function saldo.remove_member_login is
  E'@behavior -*\n'
  'Takes the member from a login, which then acts for nobody. False when it had none.';
revoke execute on function saldo.remove_member_login from public;
grant execute on function saldo.remove_member_login to saldo_admin;
