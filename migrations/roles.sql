-- The roles of Saldo. Roles belong to the whole cluster, not to one database, so they are made
-- here, before the migrations, by the login that owns the database (DATABASE_URL). Runs again at
-- every start; the databases of one cluster share these roles, none of which logs in. The API logs in
-- by one of each database's own, a member of saldo_server (src/database/server_login.ts). What an
-- older version has made of saldo_server is left to it: servers of that version log in with it.

do $roles$
declare
  v_role text;
begin
  foreach v_role in array array[
    'saldo_owner', 'saldo_admin', 'saldo_operator', 'saldo_accountant', 'saldo_auditor',
    'saldo_cashier', 'saldo_biller', 'saldo_app', 'saldo_member', 'saldo_branch',
    'saldo_anonymous', 'saldo_report', 'saldo_rule_reader'
  ] loop
    -- Two servers that start at once on two databases may both see the role missing.
    begin
      if to_regrole(v_role) is null then
        execute format('create role %I nologin', v_role);
      end if;
    exception
      when duplicate_object or unique_violation then null;
    end;
  end loop;
  begin
    if to_regrole('saldo_server') is null then
      create role saldo_server nologin noinherit;
    end if;
  exception
    when duplicate_object or unique_violation then null;
  end;

  -- Grants only where they are missing: a grant locks the role's row for all databases.
  foreach v_role in array array[
    'saldo_admin', 'saldo_operator', 'saldo_accountant', 'saldo_auditor', 'saldo_cashier',
    'saldo_biller', 'saldo_app', 'saldo_member', 'saldo_branch', 'saldo_anonymous'
  ] loop
    if not pg_has_role('saldo_server', v_role, 'member') then
      execute format('grant %I to saldo_server', v_role);
    end if;
  end loop;
  -- These read what an operator reads.
  foreach v_role in array array['saldo_accountant', 'saldo_auditor'] loop
    if not pg_has_role(v_role, 'saldo_operator', 'usage') then
      execute format('grant saldo_operator to %I', v_role);
    end if;
  end loop;
  if not pg_has_role(session_user, 'saldo_owner', 'member') then
    execute format('grant saldo_owner to %I', session_user);
  end if;
  if not pg_has_role(session_user, 'saldo_admin', 'member') then
    execute format('grant saldo_admin to %I', session_user);
  end if;

  -- Queries of registered rules run as saldo_rule_reader, which may nothing but what a DBA grants
  -- it on the user's own tables. The owner makes functions for it; it can never become the owner.
  if not pg_has_role('saldo_owner', 'saldo_rule_reader', 'member') then
    grant saldo_rule_reader to saldo_owner;
  end if;

  -- Nothing is taken from public here: the database may be one that others use as well. Nor may
  -- the shared roles connect: whoever owns another database of the cluster is a member of them.
  execute format('grant create on database %I to saldo_owner', current_database());
  -- A query is looked at as a temporary view, which is rolled back.
  execute format('grant temporary on database %I to saldo_rule_reader', current_database());
end
$roles$;
