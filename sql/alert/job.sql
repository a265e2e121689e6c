-- Jobs: when each ran last and runs next, and runs that somebody asks for.
--
-- Public: saldo.job, saldo.job_request, run_job, job_next_run_at. Private: record_jobs,
-- record_job_run, take_job_requests, end_job_request.
-- A worker writes its schedule when it starts, and each job when it ends: those that come every few
-- seconds a few times a minute. A request is a row, taken by a job in the transaction that hands it
-- to the queue: it waits where no worker runs, and is handed over once.

create or replace function saldo_private.record_jobs(jobs jsonb)
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  insert into saldo.job as j (name, schedule, every_seconds, scheduled_at)
  select r.name, r.schedule, r.every_seconds, r.scheduled_at
  from jsonb_to_recordset(record_jobs.jobs)
    as r (name text, schedule text, every_seconds integer, scheduled_at timestamptz)
  order by r.name
  on conflict (name) do update
  set schedule = excluded.schedule,
    every_seconds = excluded.every_seconds,
    scheduled_at = excluded.scheduled_at;
  delete from saldo.job as j
  where not record_jobs.jobs @> jsonb_build_array(jsonb_build_object('name', j.name));
end
$$;
comment on function saldo_private.record_jobs is
  'Writes down the jobs of a worker and when they run: an array of {name, schedule, every_seconds, '
  'scheduled_at}.';
revoke execute on function saldo_private.record_jobs from public;
grant execute on function saldo_private.record_jobs to saldo_admin;

create or replace function saldo_private.record_job_run(
  job text,
  started_at timestamptz,
  error text,
  scheduled_at timestamptz
)
returns void
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  update saldo.job as j
  set last_started_at = record_job_run.started_at,
    last_finished_at = clock_timestamp(),
    last_error = left(record_job_run.error, 500),
    scheduled_at = record_job_run.scheduled_at
  where j.name = record_job_run.job
$$;
comment on function saldo_private.record_job_run is
  'Writes down that a job has ended. error: null = it did its work. scheduled_at: when it is due '
  'next, of one that runs at times of the day.';
revoke execute on function saldo_private.record_job_run from public;
grant execute on function saldo_private.record_job_run to saldo_admin;

create or replace function saldo_private.take_job_requests()
returns table (id uuid, job text)
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  update saldo.job_request as r
  set taken_at = clock_timestamp()
  where r.id in (
    select each.id
    from saldo.job_request as each
    where each.taken_at is null
    order by each.id
    limit 100
    for update skip locked
  )
  returning r.id, r.job
$$;
comment on function saldo_private.take_job_requests is
  'Takes what was asked for, to hand it to the queue in the same transaction.';
revoke execute on function saldo_private.take_job_requests from public;
grant execute on function saldo_private.take_job_requests to saldo_admin;

create or replace function saldo_private.end_job_request(request_id uuid, error text)
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  update saldo.job_request as r
  set finished_at = clock_timestamp(),
    error = left(end_job_request.error, 500)
  where r.id = end_job_request.request_id;

  -- Each that ends makes room for the next: there are never many.
  delete from saldo.job_request as r
  where r.id in (
    select each.id
    from saldo.job_request as each
    where each.taken_at < saldo_private.retention_cutoff('working_history_days')
    order by each.id
    limit 10
  );
end
$$;
comment on function saldo_private.end_job_request is
  'Writes down that the job that was asked for has ended, and lets the oldest go. error: null = it '
  'did its work.';
revoke execute on function saldo_private.end_job_request from public;
grant execute on function saldo_private.end_job_request to saldo_admin;

create or replace function saldo.run_job(name text)
returns saldo.job_request
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_request saldo.job_request;
begin
  -- Two at once make one request: the second finds that of the first.
  perform
  from saldo.job as j
  where j.name = run_job.name
  for no key update;
  if not found then
    perform saldo_private.fail('job_not_found', format(
      '%s; there are: %s', coalesce(left(run_job.name, 100), 'none'),
      (select coalesce(string_agg(j.name, ', ' order by j.name), 'none') from saldo.job as j)
    ));
  end if;
  select *
  into v_request
  from saldo.job_request as r
  where r.job = run_job.name
  and r.taken_at is null;
  if v_request.id is null then
    insert into saldo.job_request (id, job, requested_by)
    values (saldo_private.uuid_v7(), run_job.name, saldo_private.actor())
    returning * into v_request;
  end if;
  return v_request;
end
$$;
comment on function saldo.run_job is
  'Asks for a job to be run now, beside its schedule: a worker takes the request within seconds, '
  'and job_request tells when it has ended, and how. What was asked for and is not taken yet comes '
  'back as it is. Without a worker it waits for one. Error: SB683 job_not_found, also before a '
  'worker was ever started.';
revoke execute on function saldo.run_job from public;
grant execute on function saldo.run_job to saldo_admin;

create or replace function saldo.job_next_run_at(job_row saldo.job)
returns timestamptz
language sql
stable
as $$
  select case when job_row.every_seconds is null then job_row.scheduled_at
    else to_timestamp(
      (floor(extract(epoch from clock_timestamp()) / job_row.every_seconds) + 1)
        * job_row.every_seconds
    ) end
$$;
comment on function saldo.job_next_run_at is
  'When the job runs next as long as there is a worker; in the past where there was none then.';
revoke execute on function saldo.job_next_run_at from public;
grant execute on function saldo.job_next_run_at to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.job');
drop policy if exists select_all on saldo.job;
create policy select_all on saldo.job for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.job to saldo_admin, saldo_operator;
comment on table saldo.job is
  'A job of the worker: when it ran last, and when it runs.';
comment on column saldo.job.name is 'Name of the job, as run_job takes it.';
comment on column saldo.job.schedule is 'When it runs, in words, in the business time zone.';
comment on column saldo.job.every_seconds is
  'Seconds between its runs; null for one that runs at times of the day.';
comment on column saldo.job.scheduled_at is
  'When it is due next by the clock; null for one that runs every so many seconds.';
comment on column saldo.job.last_started_at is
  'When its last run began that was written down; of one that runs every few seconds not each run '
  'is. Null before the first.';
comment on column saldo.job.last_finished_at is 'When that run ended.';
comment on column saldo.job.last_error is 'Why that run failed; null = it did its work.';

select saldo_private.secure_table('saldo.job_request');
drop policy if exists select_all on saldo.job_request;
create policy select_all on saldo.job_request for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.job_request to saldo_admin, saldo_operator;
comment on table saldo.job_request is 'A run of a job that somebody asked for.';
comment on column saldo.job_request.id is 'Id, version 7: ordered by time.';
comment on column saldo.job_request.job is 'Name of the job.';
comment on column saldo.job_request.requested_at is 'When it was asked for.';
comment on column saldo.job_request.requested_by is 'Who asked: token subject or login.';
comment on column saldo.job_request.taken_at is
  'When a worker handed it to the queue; null = it waits for a worker.';
comment on column saldo.job_request.finished_at is 'When the run ended; null = it has not.';
comment on column saldo.job_request.error is 'Why it failed; null = it did not.';
