-- Stored months of all customers are put right as a job, slice by slice, and what that changed.
--
-- Public: saldo.monthly_sync_run, continue_monthly_sync.
-- Customers go in the order of their ids; the run keeps how far it is, in the transaction of the
-- slice. A run that was killed is gone on with, unless that is so long ago that another one is due.
-- Locks: the run's row, then those of sync_monthly_balances for those customers of the slice that
-- have a month to put right; where all are written, then accounts that nobody holds, with their
-- months.

create or replace function saldo_private.continue_monthly_sync__run(force boolean)
returns saldo.monthly_sync_run
language plpgsql
as $$
declare
  v_run saldo.monthly_sync_run;
begin
  -- Its other customers were looked at too long ago.
  update saldo.monthly_sync_run as s
  set status = 'abandoned', finished_at = clock_timestamp()
  where s.is_forced = continue_monthly_sync__run.force
  and s.status = 'running'
  and s.moved_at < now() - interval '6 hours';

  insert into saldo.monthly_sync_run (is_forced, customer_count, started_by)
  values (
    continue_monthly_sync__run.force, (select count(*) from saldo.customer),
    saldo_private.actor()
  )
  on conflict (is_forced) where status = 'running' do nothing;

  select *
  into v_run
  from saldo.monthly_sync_run as s
  where s.is_forced = continue_monthly_sync__run.force
  and s.status = 'running'
  for update;
  return v_run;
end
$$;
comment on function saldo_private.continue_monthly_sync__run is
  'The run that is under way, or a new one, locked; null when another session has just ended it.';

create or replace function saldo.continue_monthly_sync(
  force boolean default false,
  customer_limit integer default 100
)
returns saldo.monthly_sync_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_run saldo.monthly_sync_run;
  v_customers saldo.customer[];
  v_account_ids bigint[];
  v_plan saldo.monthly_balance_change[];
begin
  if (continue_monthly_sync.customer_limit between 1 and 10000) is not true then
    perform saldo_private.fail('input_invalid', 'customer_limit: from 1 to 10,000');
  end if;
  perform saldo_private.require_read_committed();
  v_run := saldo_private.continue_monthly_sync__run(coalesce(force, false));
  if v_run.id is null then
    return null;
  end if;
  v_customers := array(
    select c
    from saldo.customer as c
    where c.id > v_run.done_customer_id
    order by c.id
    limit continue_monthly_sync.customer_limit
  );
  v_account_ids := array(select c.account_id from unnest(v_customers) as c);
  v_plan := saldo_private.sync_customer_months(v_account_ids, v_run.is_forced);

  update saldo.monthly_sync_run as s
  set status = case when cardinality(v_customers) < customer_limit then 'done'
      else 'running' end::saldo.monthly_sync_status,
    done_count = s.done_count + cardinality(v_customers),
    done_customer_id = coalesce((v_customers[cardinality(v_customers)]).id, s.done_customer_id),
    written_count = s.written_count + cardinality(v_plan),
    change_count = s.change_count + c.change_count,
    changes = case when s.change_count < 100 then s.changes || c.changes else s.changes end,
    moved_at = clock_timestamp(),
    finished_at = case when cardinality(v_customers) < customer_limit then clock_timestamp() end
  from (
    select count(*) as change_count,
      coalesce(jsonb_agg(to_jsonb(p) - 'plan_hash' order by p.customer_id, p.month), '[]')
        as changes
    from unnest(v_plan) as p
    where p.action <> 'same'
  ) as c
  where s.id = v_run.id
  returning s.* into v_run;
  return v_run;
end
$$;
comment on function saldo.continue_monthly_sync is
  'Puts the stored months of the next customers right, as sync_monthly_balances does, and returns '
  'how far the run is; the first call begins one, and a call after its end the next. force: '
  'writes those that agree as well, but for accounts that are being posted to. customer_limit: '
  'customers of a slice. Null when another session ended the run at this moment. The worker calls '
  'it at night. Errors in checking order: SB010 input_invalid, SB020 isolation_unsupported.';
revoke execute on function saldo.continue_monthly_sync from public;
grant execute on function saldo.continue_monthly_sync to saldo_admin;

select saldo_private.secure_table('saldo.monthly_sync_run');
drop policy if exists select_all on saldo.monthly_sync_run;
create policy select_all on saldo.monthly_sync_run for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.monthly_sync_run to saldo_admin, saldo_operator;

comment on type saldo.monthly_sync_status is
  'running; done; abandoned: it was broken off, and not gone on with for six hours.';
comment on table saldo.monthly_sync_run is
  'A run over the stored months of all customers: a nightly sync, or a weekly recalculation.';
comment on column saldo.monthly_sync_run.id is 'Id, in the order in which runs began.';
comment on column saldo.monthly_sync_run.is_forced is
  'Whether months that agree are written as well: the recalculation.';
comment on column saldo.monthly_sync_run.status is 'running, done or abandoned.';
comment on column saldo.monthly_sync_run.customer_count is
  'Customers that there were when the run began.';
comment on column saldo.monthly_sync_run.done_count is 'Customers that were looked at so far.';
comment on column saldo.monthly_sync_run.done_customer_id is
  'Customers go in the order of their ids: the last that was looked at.';
comment on column saldo.monthly_sync_run.written_count is 'Months that were written so far.';
comment on column saldo.monthly_sync_run.change_count is
  'Those of them that were missing, wrong or too many.';
comment on column saldo.monthly_sync_run.changes is
  'These months before and after: of the first slices, until they are a hundred.';
comment on column saldo.monthly_sync_run.started_at is 'When it began.';
comment on column saldo.monthly_sync_run.started_by is 'Who began it: token subject or login.';
comment on column saldo.monthly_sync_run.moved_at is
  'When its last slice was done; the beginning before the first one.';
comment on column saldo.monthly_sync_run.finished_at is 'When it ended; null = running.';
