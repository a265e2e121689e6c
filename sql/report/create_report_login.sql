-- A login for a reporting tool.
--
-- Public: create_report_login. With the rights of whoever calls it, since the owner makes no roles.

create or replace function saldo.create_report_login(login text)
returns text
language plpgsql
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_password text := encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'
  );
  v_setting text;
begin
  if (login ~ '^[a-z][a-z0-9_]{0,62}$' and login !~ '^(pg|saldo)_') is not true then
    perform saldo_private.fail(
      'input_invalid', 'login: small letters, digits and _, and not one of Saldo or PostgreSQL'
    );
  elsif exists (select from pg_catalog.pg_roles as r where r.rolname = login) then
    perform saldo_private.fail('not_unique', format('login %s', login));
  end if;
  execute format('create role %I login password %L in role saldo_report', login, v_password);
  -- What it may is decided by its role. These are for its own good, and it may set them.
  foreach v_setting in array array[
    'default_transaction_read_only = on', 'search_path = saldo_report',
    'statement_timeout = ''60s''', 'idle_in_transaction_session_timeout = ''60s'''
  ] loop
    execute format('alter role %I in database %I set ', login, current_database()) || v_setting;
  end loop;
  execute format('grant connect on database %I to %I', current_database(), login);
  return v_password;
end
$$;
comment on function saldo.create_report_login is
  E'@behavior -*\n'
  'Makes a login for a reporting tool, which reads the views of saldo_report and nothing else of '
  'Saldo, and returns its password, which is kept nowhere. The caller must be one who may make '
  'roles: the login of DATABASE_URL is. Errors in checking order: SB010 input_invalid, '
  'SB014 not_unique for a login that exists.';
revoke execute on function saldo.create_report_login from public;
grant execute on function saldo.create_report_login to saldo_admin;
