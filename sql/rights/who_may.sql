-- Who may call what, as the last words of each public function's comment: written from the grants,
-- never by hand, so that psql, GraphQL and the grants say the same.
--
-- Private: callers_of, say_who_may. The last file: all grants have been given by now.

create or replace function saldo_private.callers_of(function_id oid)
returns text[]
language sql
stable
as $$
  select array(
    select substring(r.role from '^saldo_(.*)$')
    from unnest(array['saldo_admin', 'saldo_accountant', 'saldo_operator', 'saldo_auditor',
      'saldo_cashier', 'saldo_biller', 'saldo_app', 'saldo_member', 'saldo_branch',
      'saldo_anonymous', 'saldo_report', 'saldo_rule_reader']) with ordinality as r (role, place)
    where has_function_privilege(r.role::name, function_id, 'execute')
    order by r.place
  )
$$;
comment on function saldo_private.callers_of is
  'Roles of callers that may call a function, by a grant of their own or of a role that they have.';

create or replace function saldo_private.say_who_may()
returns void
language plpgsql
as $$
declare
  v_function record;
begin
  for v_function in
    select p.oid::regprocedure::text as name,
      regexp_replace(obj_description(p.oid, 'pg_proc'), '\s*Who may: [a-z_, ]*\.$', '') as words,
      array_to_string(saldo_private.callers_of(p.oid), ', ') as callers
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'saldo'::regnamespace
    and p.proowner = 'saldo_owner'::regrole
    order by p.oid
  loop
    execute format('comment on function %s is %L', v_function.name,
      format('%s Who may: %s.', v_function.words, v_function.callers));
  end loop;
end
$$;
comment on function saldo_private.say_who_may is
  'Ends the comment of each public function with the roles that may call it.';
revoke execute on function saldo_private.say_who_may from public;

select saldo_private.say_who_may();
