-- Re-rating as a job: a change of price or factor that touches more readings than the setting
-- rerate_at_once_max is recorded at once, and its readings are rated in slices afterwards. A change
-- of a part of the tariff is the same for months that are charged: recharge_queue.sql.
--
-- Public: saldo.rerating, start_rerating, retry_rerating. Private: queue_rerating, rate_or_queue,
-- rate_since, rate_released, is_rerating_due, rule_rerating.
-- There is no list of readings that are left: those that count, in the order of customer and month,
-- behind the place that was reached. The call that adds a reading meanwhile rates it itself, and so
-- does another change that touches one: a slice leaves both alone.
-- Customers whose account is frozen are passed over, because a price for all must not wait for one
-- that is being looked into; rate_released rates them when they are released.
-- Locks: the callers hold those of lock_rating.

create or replace function saldo_private.is_rerating_due(account_id bigint, read_on date)
returns boolean
language plpgsql
stable
as $$
begin
  return exists (
    select
    from saldo.rerating as g
    where g.status in ('waiting', 'running')
    and not g.is_of_charges
    and g.from_date <= is_rerating_due.read_on
    and (g.account_id is null or g.account_id = is_rerating_due.account_id)
    and (is_rerating_due.account_id, saldo_private.month_of(is_rerating_due.read_on))
      > (g.done_account_id, g.done_month)
    and (g.currency is null or g.currency = (
      select c.currency
      from saldo.customer as c
      where c.account_id = is_rerating_due.account_id
    ))
  );
end
$$;
comment on function saldo_private.is_rerating_due is
  'Whether a reading of this account and date still waits in an open re-rating.';

create or replace function saldo_private.queue_rerating__check(
  first_date date,
  account_id bigint,
  currency text
)
returns void
language plpgsql
as $$
declare
  v_locked_through date := saldo_private.closed_through(is_locked => true);
  v_lines saldo.rated_line[] := array(
    select change
    from saldo_private.rating_change(array(
      select r.id
      from saldo.customer as c
      join saldo.account as a on a.id = c.account_id
      join saldo.reading as r on r.account_id = c.account_id
      where (queue_rerating__check.account_id is null
        or c.account_id = queue_rerating__check.account_id)
      and (queue_rerating__check.currency is null or c.currency = queue_rerating__check.currency)
      and r.read_on >= first_date
      and r.status = 'current'
      and (a.closed_at is null or queue_rerating__check.account_id is not null)
      and (r.read_on <= v_locked_through or a.closed_at is not null)
    )) as change
  );
  v_postings saldo_private.rating_posting[];
  v_closed_id bigint;
begin
  if cardinality(v_lines) = 0 then
    return;
  end if;
  v_postings := saldo_private.rate_readings__postings(v_lines);
  select p.account_id
  into v_closed_id
  from unnest(v_postings) as p
  join saldo.account as a on a.id = p.account_id
  where p.entry_id is not null
  and a.closed_at is not null
  limit 1;
  if v_closed_id is not null then
    perform saldo_private.fail('account_closed', format('account %s', v_closed_id));
  end if;
end
$$;
comment on function saldo_private.queue_rerating__check is
  'Refuses at the start what could only fail later: changes in a locked month, or of a closed '
  'account. Errors: SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed.';

create or replace function saldo_private.queue_rerating(
  operation text,
  version_id bigint,
  first_date date,
  account_id bigint,
  currency text
)
returns saldo.rerating
language plpgsql
as $$
declare
  v_rerating saldo.rerating;
begin
  perform saldo_private.queue_rerating__check(first_date, account_id, currency);
  insert into saldo.rerating (
    operation, version_id, account_id, currency, from_date, reading_count, created_by
  )
  values (
    queue_rerating.operation, queue_rerating.version_id, queue_rerating.account_id,
    queue_rerating.currency, first_date,
    cardinality(saldo_private.readings_since(first_date, account_id, currency)),
    saldo_private.actor()
  )
  returning * into v_rerating;
  return v_rerating;
end
$$;
comment on function saldo_private.queue_rerating is
  'Has all readings from the date on rated by a job. The caller holds the locks of lock_rating. '
  'Errors: SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed.';

create or replace function saldo_private.rate_or_queue(
  reading_ids uuid[],
  operation text,
  version_id bigint,
  first_date date,
  account_id bigint,
  currency text
)
returns void
language plpgsql
as $$
begin
  if cardinality(rate_or_queue.reading_ids)
    <= saldo_private.setting_value('rerate_at_once_max')::integer
  then
    perform saldo_private.rate_readings(rate_or_queue.reading_ids);
  else
    perform saldo_private.queue_rerating(
      rate_or_queue.operation, rate_or_queue.version_id, first_date, rate_or_queue.account_id,
      rate_or_queue.currency
    );
  end if;
end
$$;
comment on function saldo_private.rate_or_queue is
  'Rates these readings again or, where they are more than the setting rerate_at_once_max, has all '
  'from the date on rated by a job. The caller holds the locks of lock_rating. Errors: '
  'SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed.';

create or replace function saldo_private.rate_since(
  operation text,
  version_id bigint,
  first_date date,
  account_id bigint,
  currency text
)
returns void
language sql
as $$
  select saldo_private.rate_or_queue(
    saldo_private.readings_since(first_date, account_id, currency), operation, version_id,
    first_date, account_id, currency
  )
$$;
comment on function saldo_private.rate_since is
  'rate_or_queue for all readings from a business date on: SB004 amount_out_of_range, '
  'SB108 period_locked, SB102 account_closed.';

create or replace function saldo_private.rate_released(account_id bigint)
returns void
language plpgsql
as $$
declare
  v_locked_through date := saldo_private.closed_through(is_locked => true);
begin
  perform saldo_private.rate_since(
    'unfreeze_account', null, coalesce(v_locked_through + 1, '1900-01-01'),
    rate_released.account_id, null
  );
  perform saldo_private.recharge_since(
    rate_released.account_id, coalesce(v_locked_through + 1, '1900-01-01')
  );
end
$$;
comment on function saldo_private.rate_released is
  'Rates and charges what changed while the account of a customer was frozen. Months that were '
  'locked meanwhile stay as they were billed. The caller holds the locks of lock_rating. Errors: '
  'SB004 amount_out_of_range, SB102 account_closed.';

create or replace function saldo.retry_rerating(rerating_id bigint)
returns saldo.rerating
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rerating saldo.rerating;
begin
  update saldo.rerating as g
  set status = 'waiting', error = null, moved_at = clock_timestamp(), finished_at = null
  where g.id = retry_rerating.rerating_id
  and g.status = 'failed';
  select *
  into v_rerating
  from saldo.rerating as g
  where g.id = retry_rerating.rerating_id;
  if v_rerating.id is null then
    perform saldo_private.fail('not_found', format('rerating %s', rerating_id));
  end if;
  return v_rerating;
end
$$;
comment on function saldo.retry_rerating is
  'Lets a re-rating that failed go on where it stopped, once its cause is mended; any other stays '
  'as it is. Error: SB007 not_found.';
revoke execute on function saldo.retry_rerating from public;
grant execute on function saldo.retry_rerating to saldo_admin, saldo_biller;

create or replace function saldo.start_rerating(
  customer_id bigint default null,
  from_date date default '1900-01-01'
)
returns saldo.rerating
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account_id bigint;
  v_from date := greatest(coalesce(start_rerating.from_date, '1900-01-01'), '1900-01-01');
  v_rerating saldo.rerating;
begin
  if v_from > '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'from_date: from 1900 to 9999');
  end if;
  if start_rerating.customer_id is not null then
    v_account_id := (saldo_private.require_customer(start_rerating.customer_id)).account_id;
  end if;
  perform saldo_private.lock_rating(
    case when v_account_id is not null then array[v_account_id] end
  );
  v_rerating := saldo_private.queue_rerating(
    'start_rerating', null, v_from, v_account_id, null
  );
  return v_rerating;
end
$$;
comment on function saldo.start_rerating is
  'As rerate_readings, but as a job, however many readings there are. Errors in checking order: '
  'SB010 input_invalid, SB401 customer_not_found, SB020 isolation_unsupported, '
  'SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed, and those of a posting.';
revoke execute on function saldo.start_rerating from public;
grant execute on function saldo.start_rerating to saldo_admin, saldo_biller;

create or replace function saldo_private.rule_rerating()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select g.id::text, g.account_id,
    format('%s, %s of %s readings', g.status, g.done_count, g.reading_count), 'done',
    null::numeric, jsonb_build_object('rerating_id', g.id, 'operation', g.operation,
      'moved_at', coalesce(g.moved_at, g.created_at), 'error', g.error)
  from saldo.rerating as g
  where g.status = 'failed'
  or (g.status in ('waiting', 'running')
    and coalesce(g.moved_at, g.created_at) < now() - make_interval(
      secs => saldo_private.setting_value('rerating_idle_max_seconds')::integer))
$$;
comment on function saldo_private.rule_rerating is
  'Re-ratings that failed, or have not moved for longer than the setting '
  'rerating_idle_max_seconds.';

select saldo_private.secure_table('saldo.rerating');
drop policy if exists select_all on saldo.rerating;
create policy select_all on saldo.rerating for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.rerating to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.rerating_status is
  'waiting: not begun; running: in part; done: all its readings were looked at; failed: the books '
  'refused a slice, see error.';
comment on table saldo.rerating is
  'A change of price or factor whose readings are rated again by a job, or of a part of the tariff '
  'whose months are charged again, and how far that is.';
comment on column saldo.rerating.id is 'Id, in the order in which the changes were made.';
comment on column saldo.rerating.operation is 'Function that made the change.';
comment on column saldo.rerating.version_id is
  'Version of price or factor, or part of the tariff, that came or went; null = none did.';
comment on column saldo.rerating.account_id is
  'Account of the customer whose readings they are; null = of all.';
comment on column saldo.rerating.currency is 'Currency of these customers; null = any.';
comment on column saldo.rerating.from_date is 'First business date of the readings.';
comment on column saldo.rerating.status is 'waiting, running, done or failed.';
comment on column saldo.rerating.reading_count is
  'Readings to look at, as counted when it was made, or months of customers where is_of_charges; '
  'more when more came.';
comment on column saldo.rerating.done_count is 'How many of these were looked at so far.';
comment on column saldo.rerating.line_count is
  'Rated lines that were written so far, or months whose charges changed.';
comment on column saldo.rerating.is_of_charges is
  'Whether a part of the tariff came or went, and months are charged again.';
comment on column saldo.rerating.done_account_id is
  'Readings are looked at by account and month: the account that it has come to; 0 = none.';
comment on column saldo.rerating.done_month is 'Last month of this account that is done.';
comment on column saldo.rerating.created_at is 'When the change of price or factor was made.';
comment on column saldo.rerating.created_by is
  'Who made the change, and so its entries: token subject or login.';
comment on column saldo.rerating.started_at is 'When the first slice was rated; null = waiting.';
comment on column saldo.rerating.moved_at is 'When it moved last; null = not yet.';
comment on column saldo.rerating.finished_at is
  'When it was done, or failed; null = waiting or running.';
comment on column saldo.rerating.error is 'Code and reason of the failure.';
