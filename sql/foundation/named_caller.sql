-- Named callers: who asks for each row of what the server carries out for several at once.
--
-- Private: may_call, is_member_role, named_actor, has_own_triggers_on.
-- A server that has the requests of many callers at the same moment hands them over in one call. It
-- names for each row the role, the subject and the member of its verified token; what these may is
-- asked of the catalogue, row by row. For any other login nobody may do anything in this way.

create or replace function saldo_private.may_call(role text, called regprocedure)
returns boolean
language sql
stable
as $$
  select coalesce(
    saldo_private.may_name_caller()
    and to_regrole(role) is not null
    and pg_has_role('saldo_server', to_regrole(role), 'member')
    and has_function_privilege(to_regrole(role), called, 'execute'),
    false
  )
$$;
comment on function saldo_private.may_call is
  'Whether a caller in this role may call the function, and the server may take the role for it.';

create or replace function saldo_private.is_member_role(role text)
returns boolean
language sql
stable
as $$
  select pg_has_role(role, 'saldo_member', 'member')
    and not pg_has_role(role, 'saldo_admin', 'usage')
    and not pg_has_role(role, 'saldo_owner', 'usage')
$$;
comment on function saldo_private.is_member_role is
  'Whether a caller in this role may act for one member only: as is_member_session.';

create or replace function saldo_private.named_actor(
  role text,
  subject text,
  member text,
  member_id bigint,
  called regprocedure
)
returns text
language sql
stable
as $$
  select case when saldo_private.may_call(role, called) and (
    member_id is null or member = member_id::text or not saldo_private.is_member_role(role)
  ) then nullif(subject, '') end
$$;
comment on function saldo_private.named_actor is
  'By whose name a caller acts; null where the call is not to be made for it. member: of its '
  'token; member_id: whom the call is about, null where it is about none.';

create or replace function saldo_private.has_own_triggers_on(tables regclass[])
returns boolean
language plpgsql
stable
as $$
begin
  return exists (
    select
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = any (tables)
    and not t.tgisinternal
    and p.pronamespace <> 'saldo_private'::regnamespace
  );
end
$$;
comment on function saldo_private.has_own_triggers_on is
  'Whether triggers that are not the engine''s stand on one of these tables. They may look at who '
  'calls, and for calls of several callers there is no such one.';
