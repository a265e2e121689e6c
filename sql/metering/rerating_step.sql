-- The job that rates again: slice after slice of a re-rating (rerating.sql).
--
-- Public: continue_rerating. Each slice is announced on the channel saldo:rerating:<id>.
-- A slice is one transaction of whole months of customers, so that each month of a customer gets
-- one entry, as if all had been done at once. It moves the place that was reached in the same
-- transaction: a killed worker has done a slice, or nothing.
-- Readings that come or change between the choice of a slice and its locks are rated by the calls
-- that bring them: the slice may leave them out, or find them right already.
-- Locks: the re-rating's row, which another worker passes over, then those of lock_rating for the
-- customers of the slice, then months and accounts.

create or replace function saldo_private.continue_rerating__slice(
  job saldo.rerating,
  row_limit integer,
  out reading_ids uuid[],
  out account_ids bigint[],
  out last_account_id bigint,
  out last_month date,
  out is_last boolean
)
language plpgsql
stable
as $$
begin
  select coalesce(array_agg(distinct n.account_id), '{}'), max(n.account_id),
    (array_agg(n.month order by n.account_id desc, n.month desc))[1], count(*) < row_limit
  into account_ids, last_account_id, last_month, is_last
  from (
    select c.account_id, m.month
    from saldo.customer as c
    join saldo.account as a on a.id = c.account_id
    cross join lateral (
      select saldo_private.month_of(r.read_on) as month
      from saldo.reading as r
      where r.account_id = c.account_id
      and r.status = 'current'
      and r.read_on >= job.from_date
    ) as m
    where c.account_id >= job.done_account_id
    and (a.closed_at is null and a.frozen_at is null or job.account_id is not null)
    and (job.account_id is null or c.account_id = job.account_id)
    and (job.currency is null or c.currency = job.currency)
    and (c.account_id, m.month) > (job.done_account_id, job.done_month)
    order by c.account_id, m.month
    limit row_limit
  ) as n;
  -- The last month to its end.
  reading_ids := array(
    select r.id
    from saldo.reading as r
    cross join lateral (select saldo_private.month_of(r.read_on) as month) as m
    where r.account_id = any (account_ids)
    and r.status = 'current'
    and r.read_on >= job.from_date
    and (r.account_id, m.month) > (job.done_account_id, job.done_month)
    and (r.account_id, m.month) <= (last_account_id, last_month)
  );
end
$$;
comment on function saldo_private.continue_rerating__slice is
  'The next readings of a re-rating, whole months of customers: row_limit of them, and what the '
  'last month has more. is_last: nothing is behind them.';

create or replace function saldo_private.continue_rerating__step(
  job saldo.rerating,
  row_limit integer
)
returns saldo.rerating
language plpgsql
as $$
declare
  v_slice record;
  v_subject text := current_setting('saldo.subject', true);
  v_done_count integer;
  v_line_count integer;
  v_rerating saldo.rerating;
begin
  if job.is_of_charges then
    v_slice := saldo_private.recharge_slice(job, row_limit);
  else
    v_slice := saldo_private.continue_rerating__slice(job, row_limit);
  end if;
  perform saldo_private.lock_rating(v_slice.account_ids);
  -- The actor is the one who made the change, not the worker.
  perform set_config('saldo.subject', job.created_by, true);
  if job.is_of_charges then
    v_done_count := cardinality(v_slice.months);
    v_line_count := saldo_private.recharge(v_slice.account_ids, v_slice.months);
  else
    v_done_count := cardinality(v_slice.reading_ids);
    v_line_count := saldo_private.rate_readings(v_slice.reading_ids);
  end if;
  perform set_config('saldo.subject', coalesce(v_subject, ''), true);

  update saldo.rerating as g
  set status = case when v_slice.is_last then 'done' else 'running' end::saldo.rerating_status,
    done_count = g.done_count + v_done_count,
    -- Those that came meanwhile are looked at as well.
    reading_count = greatest(g.reading_count, g.done_count + v_done_count),
    line_count = g.line_count + v_line_count,
    done_account_id = coalesce(v_slice.last_account_id, g.done_account_id),
    done_month = coalesce(v_slice.last_month, g.done_month),
    started_at = coalesce(g.started_at, now()),
    moved_at = clock_timestamp(),
    finished_at = case when v_slice.is_last then clock_timestamp() end
  where g.id = job.id
  returning * into v_rerating;
  return v_rerating;
end
$$;
comment on function saldo_private.continue_rerating__step is
  'Rates or charges the next slice of a re-rating whose row the caller has locked. Errors: '
  'SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed.';

create or replace function saldo.continue_rerating(row_limit integer default 2000)
returns saldo.rerating
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rerating saldo.rerating;
  v_detail text;
begin
  if (continue_rerating.row_limit between 1 and 100000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: from 1 to 100,000');
  end if;
  perform saldo_private.require_read_committed();
  select *
  into v_rerating
  from saldo.rerating as g
  where g.status in ('waiting', 'running')
  order by g.id
  limit 1
  for update skip locked;
  if v_rerating.id is null then
    return null;
  end if;
  begin
    v_rerating := saldo_private.continue_rerating__step(
      v_rerating, continue_rerating.row_limit
    );
  exception
    when others then
      -- A refusal by the books is final. A deadlock, say, is left to the next try, and so is an
      -- account that was frozen in between: the next slice passes it over.
      if sqlstate not like 'SB%' or (sqlstate = 'SB121' and v_rerating.account_id is null) then
        raise;
      end if;
      get stacked diagnostics v_detail = pg_exception_detail;
      update saldo.rerating as g
      set status = 'failed',
        error = format('%s %s %s', sqlstate, sqlerrm, v_detail),
        moved_at = clock_timestamp(),
        finished_at = clock_timestamp()
      where g.id = v_rerating.id
      returning * into v_rerating;
  end;
  perform pg_notify('saldo:rerating:' || v_rerating.id, v_rerating.status::text);
  return v_rerating;
end
$$;
comment on function saldo.continue_rerating is
  'Rates the next slice of the oldest re-rating that is open and that nobody else is at, posts '
  'the difference, and returns how far it is; null when there is none. row_limit: readings of a '
  'slice, which goes on to the end of a customer''s month. A slice that the books refuse ends its '
  're-rating as failed. The worker calls it by itself. Errors in checking order: '
  'SB010 input_invalid, SB020 isolation_unsupported.';
revoke execute on function saldo.continue_rerating from public;
grant execute on function saldo.continue_rerating to saldo_admin, saldo_biller;
