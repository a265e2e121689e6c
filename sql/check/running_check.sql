-- Checks that are under way, for other sessions: how far each is, and since when.
--
-- Public: running_checks. Private: show_check, hide_check.
-- What a transaction writes is seen by others when it has ended. So a check tells its progress by
-- the name of its session (application_name), which pg_stat_activity shows at once. What a user has
-- registered runs under the session's own name, by which guards know writers.

create or replace function saldo_private.hide_check()
returns void
language plpgsql
as $$
begin
  if current_setting('application_name') like 'saldo check %' then
    perform set_config('application_name', current_setting('saldo.application_name', true), true);
  end if;
end
$$;
comment on function saldo_private.hide_check is 'Gives the session its own name back.';

create or replace function saldo_private.show_check(
  progress saldo.check_progress,
  rule text default null
)
returns void
language plpgsql
as $$
begin
  if current_setting('application_name') not like 'saldo check %' then
    perform set_config('saldo.application_name', current_setting('application_name'), true);
  end if;
  perform set_config('application_name', concat_ws(' ', 'saldo check', progress.kind,
    progress.line_count || '/' || progress.total_line_count,
    floor(extract(epoch from progress.started_at)), show_check.rule), true);
end
$$;
comment on function saldo_private.show_check is
  'Shows how far a check is in the name of its session, until hide_check or the end of the '
  'transaction. A name has 63 characters: that of a rule may be cut off.';

create or replace function saldo.running_checks()
returns setof saldo.running_check
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  with shown as (
    select s.pid, f.fields
    from pg_stat_activity as s
    cross join lateral regexp_match(
      s.application_name, format('^saldo check (%s) (\d{1,18})/(\d{1,18}) (\d{1,11}) ?(.*)$', (
        select string_agg(kind.name::text, '|')
        from unnest(enum_range(null::saldo.check_kind)) as kind (name)
      ))
    ) as f (fields)
    where s.datname = current_database()
    and f.fields is not null
  )
  select jsonb_populate_record(null::saldo.running_check, jsonb_build_object(
    'kind', s.fields[1],
    'started_at', to_timestamp(s.fields[4]::bigint),
    'line_count', s.fields[2],
    'total_line_count', s.fields[3],
    'rule', nullif(s.fields[5], ''),
    'pid', s.pid
  ))
  from shown as s
  union all
  select jsonb_populate_record(null::saldo.running_check, jsonb_build_object(
    'kind', p.kind,
    'started_at', p.started_at,
    'line_count', p.line_count,
    'total_line_count', p.total_line_count
  ))
  from saldo.check_progress as p
  -- Not while a session is at its next slice.
  where not exists (
    select
    from shown as s
    where s.fields[1] = p.kind::text
    and s.fields[4]::bigint = floor(extract(epoch from p.started_at))
  )
$$;
comment on function saldo.running_checks is
  'Checks that are under way: lines of the journal that were looked at, of how many, and since '
  'when. Those in one transaction with the session that is at it (pid) and, once the lines are '
  'done, the rule that is asked; those in slices (continue_check, maintenance) without.';
revoke execute on function saldo.running_checks from public;
grant execute on function saldo.running_checks to saldo_admin, saldo_operator;

comment on type saldo.running_check is 'A check that is under way.';
comment on column saldo.running_check.kind is
  'What it is for: manual, reconcile, maintenance or heal.';
comment on column saldo.running_check.started_at is 'When it began.';
comment on column saldo.running_check.line_count is 'Journal lines that were looked at so far.';
comment on column saldo.running_check.total_line_count is
  'Journal lines to look at, as counted when it began.';
comment on column saldo.running_check.rule is
  'Rule that is asked, once the lines are done; null = before, or one that a user has registered.';
comment on column saldo.running_check.pid is
  'Process of its session (pg_stat_activity); null = between two slices.';
