-- Scheduled maintenance: check, heal what is safe, look again, keep the record.
--
-- Public: scheduled_maintenance, continue_maintenance; saldo.maintenance_run. Private:
-- run_maintenance, keep_year, prune_history.
-- One at a time. In steps each slice of the check is a transaction of its own, and the next call
-- goes on where the last one ended (check_progress says how far it is). The heal and the check
-- after it are one transaction with the last slice. At its end it keeps the totals of one more year
-- (ledger/account_year.sql), where months are in order; the job goes on as long as there is one.

create or replace function saldo_private.keep_year()
returns integer
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_year integer;
begin
  -- A year is the sum of its months: what is wrong with one of these would be wrong there as well,
  -- and a heal may be mending it.
  if pg_try_advisory_xact_lock(saldo_private.maintenance_lock(), 0) and not exists (
    select
    from saldo.finding as f
    where f.check_run_id = (
      select m.check_after_id
      from saldo.maintenance_run as m
      order by m.id desc
      limit 1
    )
    and f.rule in ('month_movement', 'year_movement')
  ) then
    v_year := saldo_private.keep_next_year();
  end if;
  return v_year;
end
$$;
comment on function saldo_private.keep_year is
  'Keeps the totals of one more year after a maintenance that left months and years in order, and '
  'returns the year; null where there is none, or something in it is under way.';
revoke execute on function saldo_private.keep_year from public;
grant execute on function saldo_private.keep_year to saldo_admin;

create or replace function saldo_private.run_maintenance(check_before saldo.check_run)
returns saldo.maintenance_run
language plpgsql
as $$
declare
  v_run saldo.maintenance_run;
  v_heal saldo.heal_run;
  v_after saldo.check_run := check_before;
begin
  v_heal := saldo_private.run_heal(false, is_scheduled => true, check_run => check_before);
  if v_heal.healed_count > 0 then
    v_after := saldo_private.recheck(check_before.id, 'maintenance');
  end if;
  insert into saldo.maintenance_run (
    id, status, started_at, finished_at, actor, check_before_id, heal_run_id, check_after_id,
    message
  )
  values (
    saldo_private.uuid_v7(), v_after.status, check_before.started_at, clock_timestamp(),
    saldo_private.actor(), check_before.id, v_heal.id, v_after.id,
    format('%s: %s lines of %s accounts were looked at, %s findings, %s healed, %s refused, '
      '%s left for a person, %s findings at its end', v_after.status, check_before.line_count,
      check_before.account_count, check_before.finding_count, v_heal.healed_count,
      v_heal.refused_count, v_heal.escalated_count + v_heal.needs_approval_count,
      v_after.finding_count)
  )
  returning *
  into v_run;
  perform saldo_private.prune_history();
  perform saldo_private.keep_year();
  return v_run;
end
$$;
comment on function saldo_private.run_maintenance is
  'Heals what a full check has found as far as that is safe, looks again where something was '
  'healed, and records it.';

create or replace function saldo.scheduled_maintenance()
returns saldo.maintenance_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.require_sole_maintenance();
  return saldo_private.run_maintenance(saldo_private.run_check('maintenance'));
end
$$;
comment on function saldo.scheduled_maintenance is
  'Checks all balances, heals what is safe, looks again at what was wrong and records the run, in '
  'one transaction; status is that of the last look. Errors: SB604 maintenance_running while '
  'another one runs, SB603 heal_refused in another isolation level than read committed, '
  'SB015 conflict_retry as auto_heal.';
revoke execute on function saldo.scheduled_maintenance from public;
grant execute on function saldo.scheduled_maintenance to saldo_admin;

create or replace function saldo.continue_maintenance()
returns saldo.maintenance_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_check saldo.check_run;
  v_run saldo.maintenance_run;
begin
  perform saldo_private.require_sole_maintenance();
  v_check := saldo_private.continue_check_of('maintenance');
  if v_check.id is not null then
    v_run := saldo_private.run_maintenance(v_check);
  end if;
  return v_run;
end
$$;
comment on function saldo.continue_maintenance is
  'The next step of a maintenance, and the first one of another when none is under way: a slice '
  'of the check; after the last slice the heal, too. Returns the run when it is done, otherwise '
  'null. Errors: those of scheduled_maintenance.';
revoke execute on function saldo.continue_maintenance from public;
grant execute on function saldo.continue_maintenance to saldo_admin;

create or replace function saldo_private.prune_history()
returns bigint
language sql
as $$
  with old as (
    select c.id
    from saldo.check_run as c
    where c.finished_at < clock_timestamp() - make_interval(
      days => saldo_private.setting_value('health_history_days')::integer
    )
    -- What was healed or decided is an audit trail, and stays.
    and not exists (select from saldo.heal_run as h where h.check_run_id = c.id)
    and not exists (
      select
      from saldo.maintenance_run as m
      where c.id in (m.check_before_id, m.check_after_id)
      and m.status <> 'healthy'
    )
    and not exists (
      select
      from saldo.finding as f
      join saldo.account_freeze as z on z.finding_id = f.id
      where f.check_run_id = c.id
    )
    order by c.id
    limit 1000
  ),
  unneeded as (
    delete from saldo.maintenance_run as m
    where m.check_before_id in (select old.id from old)
    or m.check_after_id in (select old.id from old)
  ),
  deleted as (
    delete from saldo.check_run as c
    where c.id in (select old.id from old)
    returning c.id
  )
  select count(*)
  from deleted
$$;
comment on function saldo_private.prune_history is
  'Deletes checks older than the setting health_history_days with their findings, a thousand at a '
  'time; those that a heal followed stay.';

select saldo_private.secure_table('saldo.maintenance_run');
drop policy if exists select_all on saldo.maintenance_run;
create policy select_all on saldo.maintenance_run for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.maintenance_run to saldo_admin, saldo_operator;

comment on table saldo.maintenance_run is 'A run of scheduled_maintenance.';
comment on column saldo.maintenance_run.id is 'Id, ordered by time.';
comment on column saldo.maintenance_run.status is 'Result of the check at its end.';
comment on column saldo.maintenance_run.started_at is 'When the run began.';
comment on column saldo.maintenance_run.finished_at is 'When the run ended.';
comment on column saldo.maintenance_run.actor is 'Who asked: token subject or login.';
comment on column saldo.maintenance_run.check_before_id is 'Check that the run began with.';
comment on column saldo.maintenance_run.heal_run_id is 'Heal of what that check found.';
comment on column saldo.maintenance_run.check_after_id is 'Check that the run ended with.';
comment on column saldo.maintenance_run.message is
  'What it came to, in a sentence: over how many lines and accounts, and what became of its '
  'findings; null = before there were such sentences.';
