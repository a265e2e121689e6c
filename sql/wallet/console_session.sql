-- The console: one-time links, and the sessions that somebody has who signed in.
--
-- Public: nothing. Private: create_console_link, use_console_link, begin_console_session,
-- console_sessions, see_console_sessions, end_console_session, end_console_sessions_of,
-- prune_console_sessions; tables console_link and console_session.
-- A session is what a token is, kept by the server: a browser has a random id of 256 bits in a
-- cookie that no script reads, the database has the hash of that. The server's login says whom a
-- session acts for, as it does with each request anyway. A link acts for whom the owner says, on
-- the command line; it is good once, for ten minutes, and its code stands in no log.

create or replace function saldo_private.create_console_link(
  code_hash bytea,
  role text,
  subject text,
  member_code text default null
)
returns timestamptz
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_role text := saldo_private.require_token_role(create_console_link.role);
  v_subject text := saldo_private.require_line(create_console_link.subject, 'subject', 100);
  v_member_id bigint;
  v_expires_at timestamptz := clock_timestamp() + interval '10 minutes';
begin
  -- An administrator could approve their own proposal under another name.
  if not pg_has_role(session_user, 'saldo_owner', 'member') then
    perform saldo_private.fail('forbidden', 'a link is made by the owner of the database');
  elsif v_subject ilike 'service:%' then
    perform saldo_private.fail('input_invalid', 'subject: a person, not service:');
  elsif (v_role = 'member') <> (member_code is not null) then
    perform saldo_private.fail('input_invalid', 'member_code: with the role member, and no other');
  end if;
  if member_code is not null then
    select m.id
    into v_member_id
    from saldo.member as m
    where m.code = create_console_link.member_code;
    if v_member_id is null then
      perform saldo_private.fail('member_not_found', format('code %s', member_code));
    end if;
  end if;
  insert into saldo_private.console_link (
    code_hash, role, subject, member_id, created_by, created_at, expires_at
  )
  values (
    create_console_link.code_hash, v_role, v_subject, v_member_id, saldo_private.actor(),
    clock_timestamp(), v_expires_at
  );
  return v_expires_at;
end
$$;
comment on function saldo_private.create_console_link is
  'Makes a link by which somebody signs in to the console once, within ten minutes; until when. '
  'code_hash: SHA-256 of its code. Errors in checking order: SB010 input_invalid for the role and '
  'without a subject, SB008 text_invalid, SB009 text_too_long, SB006 forbidden for another login '
  'than the owner''s, SB010 input_invalid, SB304 member_not_found.';
revoke execute on function saldo_private.create_console_link from public;
grant execute on function saldo_private.create_console_link to saldo_admin;

create or replace function saldo_private.begin_console_session(
  id_hash bytea,
  role text,
  subject text,
  member_id bigint,
  service_token_id uuid,
  expires_at timestamptz,
  way text default null
)
returns timestamptz
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_expires_at timestamptz := least(
    begin_console_session.expires_at, v_now + interval '12 hours'
  );
begin
  if not saldo_private.may_name_caller() then
    perform saldo_private.fail('forbidden', 'a session is begun by the server');
  end if;
  insert into saldo_private.console_session (
    id_hash, role, subject, member_id, service_token_id, created_at, expires_at, seen_at, way
  )
  values (
    begin_console_session.id_hash, begin_console_session.role, begin_console_session.subject,
    begin_console_session.member_id, begin_console_session.service_token_id, v_now, v_expires_at,
    v_now, begin_console_session.way
  );
  -- Whoever has a token could fill the table with sessions: nobody works in so many browsers.
  update saldo_private.console_session as s
  set ended_at = v_now
  where s.id_hash in (
    select o.id_hash
    from saldo_private.console_session as o
    where o.subject = begin_console_session.subject
    and o.ended_at is null
    and o.expires_at > v_now
    order by o.created_at desc, o.id_hash
    offset 20
  );
  return v_expires_at;
end
$$;
comment on function saldo_private.begin_console_session is
  'Begins a session for whom the server has found somebody to be; it ends after twelve hours, or '
  'with what it was begun by: expires_at. Gives when. Of more than 20 sessions of a subject the '
  'oldest end. id_hash: SHA-256 of its id; way: link, token or provider. Error: SB006 forbidden '
  'for another login than the server''s.';
revoke execute on function saldo_private.begin_console_session from public;
grant execute on function saldo_private.begin_console_session to saldo_server;

create or replace function saldo_private.use_console_link(code_hash bytea, id_hash bytea)
returns boolean
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_link saldo_private.console_link;
begin
  if not saldo_private.may_name_caller() then
    perform saldo_private.fail('forbidden', 'a link is used at the server');
  end if;
  -- Two that come at once wait for each other here, and the second finds it used.
  update saldo_private.console_link as k
  set used_at = clock_timestamp()
  where k.code_hash = use_console_link.code_hash
  and k.used_at is null
  and k.expires_at > clock_timestamp()
  returning k.*
  into v_link;
  if v_link.code_hash is null then
    return false;
  end if;
  perform saldo_private.begin_console_session(
    use_console_link.id_hash, v_link.role, v_link.subject, v_link.member_id, null, null,
    'link'
  );
  return true;
end
$$;
comment on function saldo_private.use_console_link is
  'Begins a session by a link, which is good no longer; false for one that is not good. Error: '
  'SB006 forbidden for another login than the server''s.';
revoke execute on function saldo_private.use_console_link from public;
grant execute on function saldo_private.use_console_link to saldo_server;

create or replace function saldo_private.console_sessions(id_hashes bytea[])
returns table (
  id_hash bytea, role text, subject text, member_id bigint, service_token_id uuid,
  expires_at timestamptz, is_good boolean
)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select s.id_hash, s.role, s.subject, s.member_id, s.service_token_id, s.expires_at,
    s.ended_at is null
      and s.expires_at > now()
      and (
        s.service_token_id is null
        or exists (
          select
          from saldo.service_token as k
          where k.id = s.service_token_id
          and k.revoked_at is null
          and k.expires_at > now()
        )
      )
  from saldo_private.console_session as s
  where s.id_hash = any (id_hashes)
  and saldo_private.may_name_caller()
$$;
comment on function saldo_private.console_sessions is
  'The sessions with these ids, and whether they are good: neither ended nor expired, nor begun by '
  'a service token that is. Nothing for another login than the server''s.';
revoke execute on function saldo_private.console_sessions from public;
grant execute on function saldo_private.console_sessions to saldo_server;

create or replace function saldo_private.see_console_sessions(id_hashes bytea[])
returns void
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  update saldo_private.console_session as s
  set seen_at = clock_timestamp()
  where s.id_hash = any (id_hashes)
  and s.ended_at is null
  and s.seen_at < clock_timestamp() - interval '5 minutes'
  and saldo_private.may_name_caller()
$$;
comment on function saldo_private.see_console_sessions is
  'Notes that sessions are in use, every five minutes at most.';
revoke execute on function saldo_private.see_console_sessions from public;
grant execute on function saldo_private.see_console_sessions to saldo_server;

create or replace function saldo_private.end_console_session(id_hash bytea)
returns void
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  update saldo_private.console_session as s
  set ended_at = clock_timestamp()
  where s.id_hash = end_console_session.id_hash
  and s.ended_at is null
  and saldo_private.may_name_caller()
$$;
comment on function saldo_private.end_console_session is
  'Ends a session. Nothing for another login than the server''s.';
revoke execute on function saldo_private.end_console_session from public;
grant execute on function saldo_private.end_console_session to saldo_server;

create or replace function saldo_private.end_console_sessions_of(subject text)
returns bigint
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_ended_count bigint;
begin
  update saldo_private.console_link as k
  set expires_at = clock_timestamp()
  where lower(k.subject) = lower(end_console_sessions_of.subject)
  and k.used_at is null
  and k.expires_at > clock_timestamp();
  update saldo_private.console_session as s
  set ended_at = clock_timestamp()
  where lower(s.subject) = lower(end_console_sessions_of.subject)
  and s.ended_at is null
  and s.expires_at > clock_timestamp();
  get diagnostics v_ended_count = row_count;
  return v_ended_count;
end
$$;
comment on function saldo_private.end_console_sessions_of is
  'Ends all sessions of somebody, and the links that were made for them; how many sessions.';
revoke execute on function saldo_private.end_console_sessions_of from public;
grant execute on function saldo_private.end_console_sessions_of to saldo_admin;

create or replace function saldo_private.prune_console_sessions(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
declare
  v_link_count bigint;
begin
  delete from saldo_private.console_link as k
  where k.code_hash in (
    select each.code_hash
    from saldo_private.console_link as each
    where each.expires_at < cutoff
    order by each.expires_at
    limit 1000
  );
  get diagnostics v_link_count = row_count;
  delete from saldo_private.console_session as s
  where s.id_hash in (
    select each.id_hash
    from saldo_private.console_session as each
    where each.expires_at < cutoff
    order by each.expires_at
    limit 1000
  );
  get diagnostics deleted_count = row_count;
  next_block := case when 1000 in (v_link_count, deleted_count) then from_block end;
end
$$;
comment on function saldo_private.prune_console_sessions is
  'Deletes up to a thousand sessions, and as many links, whose time ended before the cutoff.';

-- The server calls them as itself, for nobody: no caller may.
grant usage on schema saldo_private to saldo_server;

select saldo_private.secure_table('saldo_private.console_link');
select saldo_private.secure_table('saldo_private.console_session');

comment on table saldo_private.console_link is
  'A link by which somebody signs in to the console once.';
comment on column saldo_private.console_link.code_hash is 'SHA-256 of its code.';
comment on column saldo_private.console_link.role is 'Role of the session, as a token has it.';
comment on column saldo_private.console_link.subject is 'Who signs in by it.';
comment on column saldo_private.console_link.member_id is
  'Member that the session acts for, with the role member; null = none.';
comment on column saldo_private.console_link.created_by is 'Who made it.';
comment on column saldo_private.console_link.created_at is 'When it was made.';
comment on column saldo_private.console_link.expires_at is 'Until when it is good.';
comment on column saldo_private.console_link.used_at is 'When it was used; null = it was not.';
comment on table saldo_private.console_session is 'A session of the console.';
comment on column saldo_private.console_session.id_hash is
  'SHA-256 of the id that the browser has.';
comment on column saldo_private.console_session.role is 'Role of its requests, as a token has it.';
comment on column saldo_private.console_session.subject is 'Who acts, as the records have it.';
comment on column saldo_private.console_session.member_id is
  'Member that it acts for; null = none.';
comment on column saldo_private.console_session.service_token_id is
  'Service token that it was begun with, and ends with; null = none.';
comment on column saldo_private.console_session.created_at is 'When it was begun.';
comment on column saldo_private.console_session.expires_at is 'When it ends by itself.';
comment on column saldo_private.console_session.seen_at is
  'When it was used last, to five minutes.';
comment on column saldo_private.console_session.ended_at is
  'When it was ended before its time; null = it was not.';
comment on column saldo_private.console_session.way is
  'How it was begun: link, token or provider; null = before that was noted.';
comment on column saldo_private.console_session.ended_by is
  'Who ended it from a list of sessions; null = nobody did.';
