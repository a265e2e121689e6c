-- Sessions of the console as people see them: each their own, an administrator all of them.
--
-- Private: is_session_shown, list_console_sessions, end_listed_console_session.

create or replace function saldo_private.is_session_shown(
  session saldo_private.console_session,
  caller_role text,
  subject text,
  member_id bigint
)
returns boolean
language sql
stable
as $$
  select saldo_private.may_name_caller()
    and session.ended_at is null
    and session.expires_at > clock_timestamp()
    and (
      pg_has_role(caller_role, 'saldo_admin', 'usage')
      or (
        session.subject = is_session_shown.subject
        and session.member_id is not distinct from is_session_shown.member_id
      )
    )
$$;
comment on function saldo_private.is_session_shown is
  'Whether a session lasts and may be seen and ended by this caller: an administrator all of them, '
  'anybody else their own.';

create or replace function saldo_private.list_console_sessions(
  caller_role text,
  subject text,
  member_id bigint,
  row_limit integer
)
returns table (
  id_hash bytea, role text, subject text, member_code text, way text, is_of_service boolean,
  created_at timestamptz, expires_at timestamptz, seen_at timestamptz
)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select s.id_hash, s.role, s.subject, m.code, s.way,
    s.service_token_id is not null, s.created_at, s.expires_at, s.seen_at
  from saldo_private.console_session as s
  left join saldo.member as m on m.id = s.member_id
  where saldo_private.is_session_shown(
    s, list_console_sessions.caller_role, list_console_sessions.subject,
    list_console_sessions.member_id
  )
  order by s.seen_at desc, s.id_hash
  limit list_console_sessions.row_limit
$$;
comment on function saldo_private.list_console_sessions is
  'Sessions that last, the last used one first: to an administrator all of them, to anybody else '
  'their own. Nothing for another login than the server''s.';
revoke execute on function saldo_private.list_console_sessions from public;
grant execute on function saldo_private.list_console_sessions to saldo_server;

create or replace function saldo_private.end_listed_console_session(
  id_hash bytea,
  caller_role text,
  subject text,
  member_id bigint
)
returns boolean
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  update saldo_private.console_session as s
  set ended_at = clock_timestamp(), ended_by = end_listed_console_session.subject
  where s.id_hash = end_listed_console_session.id_hash
  and saldo_private.is_session_shown(
    s, end_listed_console_session.caller_role, end_listed_console_session.subject,
    end_listed_console_session.member_id
  );
  return found;
end
$$;
comment on function saldo_private.end_listed_console_session is
  'Ends a session that this caller is shown; false where there is none such.';
revoke execute on function saldo_private.end_listed_console_session from public;
grant execute on function saldo_private.end_listed_console_session to saldo_server;
