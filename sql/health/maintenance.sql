-- Scheduled maintenance: check, heal what is safe, check again, keep the record.
--
-- Public: scheduled_maintenance; saldo.maintenance_run. Private: require_sole_maintenance.

create or replace function saldo_private.require_sole_maintenance()
returns void
language plpgsql
as $$
begin
  -- Ends with the transaction, however it ends.
  if not pg_try_advisory_xact_lock(7246, 1) then
    perform saldo_private.fail('maintenance_running', '');
  end if;
end
$$;
comment on function saldo_private.require_sole_maintenance is
  'Makes sure that only one heal or maintenance runs at a time: SB604.';

create or replace function saldo.scheduled_maintenance()
returns saldo.maintenance_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_run saldo.maintenance_run;
  v_started_at timestamptz := clock_timestamp();
  v_heal saldo.heal_run;
  v_after saldo.check_run;
begin
  perform saldo_private.require_sole_maintenance();
  v_heal := saldo_private.run_heal(false, is_scheduled => true);
  v_after := saldo_private.run_check('maintenance');
  insert into saldo.maintenance_run (
    id, status, started_at, finished_at, actor, check_before_id, heal_run_id, check_after_id
  )
  values (
    saldo_private.uuid_v7(), v_after.status, v_started_at, clock_timestamp(),
    saldo_private.actor(), v_heal.check_run_id, v_heal.id, v_after.id
  )
  returning *
  into v_run;
  return v_run;
end
$$;
comment on function saldo.scheduled_maintenance is
  'Checks all balances, heals what is safe, checks again and records the run; status is that of '
  'the second check. Errors: SB604 while another one runs.';
revoke execute on function saldo.scheduled_maintenance from public;
grant execute on function saldo.scheduled_maintenance to saldo_admin;
