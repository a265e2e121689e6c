-- Adding readings, changing and removing them: each is rated at once.
--
-- Public: add_reading, add_readings, change_reading, remove_reading. Private: record_readings.
-- The reading after one depends on it, and is rated again with it. All in one pass, whatever the
-- number, and all or nothing. A usual one goes its own way (add_usual_reading.sql).
-- Locks: idempotency key, then those of lock_rating, months and accounts.

create or replace function saldo_private.rate_with_next(reading_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_affected_ids uuid[] := saldo_private.with_next_readings(rate_with_next.reading_ids);
  v_withdrawn_ids uuid[];
  v_misordered_ids uuid[] := array(
    select m.reading_id
    from saldo_private.misordered_readings(v_affected_ids) as m
  );
begin
  -- Once more for what stands behind the estimates that went.
  while cardinality(v_misordered_ids) > 0 loop
    v_withdrawn_ids := saldo_private.withdraw_estimates(
      v_misordered_ids, rate_with_next.reading_ids
    );
    if v_withdrawn_ids = '{}' then
      perform saldo_private.require_reading_order(v_affected_ids);
    end if;
    v_affected_ids := array(
      select distinct each.id
      from unnest(v_affected_ids || saldo_private.with_next_readings(v_withdrawn_ids))
        as each (id)
    );
    v_misordered_ids := array(
      select m.reading_id
      from saldo_private.misordered_readings(v_affected_ids) as m
    );
  end loop;
  perform saldo_private.rate_readings(v_affected_ids);
end
$$;
comment on function saldo_private.rate_with_next is
  'Checks and rates readings that came, changed or went, and those that follow on them; estimates '
  'that actual ones among them prove wrong are withdrawn: SB410 reading_out_of_order, '
  'SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed.';

create or replace function saldo_private.record_readings(
  readings saldo.reading_request[],
  batch_id uuid,
  old_reading saldo.reading default null
)
returns uuid[]
language plpgsql
set plan_cache_mode = auto
as $$
declare
  v_zone text := saldo_private.setting_value('business_time_zone');
  v_actor text := saldo_private.actor();
  v_ids uuid[];
begin
  perform saldo_private.plan_for(cardinality(readings));
  perform saldo_private.lock_rating(array(
    select distinct m.account_id
    from saldo.meter as m
    where m.id = any (array(select q.meter_id from unnest(readings) as q))
  ));
  perform saldo_private.require_readings(readings);
  with recorded as (
    insert into saldo.reading (
      account_id, id, meter_id, read_at, read_on, index_value, volume, is_rollover, quality,
      revision, supersedes, batch_id, recorded_by
    )
    select m.account_id, saldo_private.uuid_v7(), m.id, q.read_at,
      (q.read_at at time zone v_zone)::date, trim_scale(q.index_value), trim_scale(q.volume),
      coalesce(q.is_rollover, false), coalesce(q.quality, 'actual'),
      coalesce(old_reading.revision, 0) + 1, old_reading.id, record_readings.batch_id, v_actor
    from unnest(readings) as q
    -- Looked up for each: a join would read all meters for a single reading.
    cross join lateral (
      select meter.account_id, meter.id
      from saldo.meter
      where meter.id = q.meter_id
      offset 0
    ) as m
    -- As the indexes are: each page of them is written by one row after the other.
    order by m.account_id, m.id, q.read_at
    returning reading.id
  )
  select array_agg(r.id)
  into v_ids
  from recorded as r;
  perform saldo_private.rate_with_next(array_remove(v_ids || old_reading.id, null));
  return v_ids;
end
$$;
comment on function saldo_private.record_readings is
  'Records readings under one batch, rates and posts them, and returns their ids. old_reading: '
  'that in whose place a single one comes. Errors: SB020 isolation_unsupported, those of '
  'require_readings and of rate_with_next.';

create or replace function saldo_private.reading_request_key(readings saldo.reading_request[])
returns jsonb
language sql
stable
as $$
  select jsonb_agg(jsonb_build_array(
    q.meter_id, extract(epoch from q.read_at), trim_scale(q.index_value), trim_scale(q.volume),
    q.quality, coalesce(q.is_rollover, false)
  ) order by q.ordinality)
  from unnest(readings) with ordinality as q
$$;
comment on function saldo_private.reading_request_key is
  'What a request of readings is recognised by, whatever the time zone of the session.';

create or replace function saldo_private.add_readings__claim(
  readings saldo.reading_request[],
  idempotency_key text,
  batch_id uuid
)
returns uuid
language plpgsql
as $$
begin
  return saldo_private.claim_idempotency_key(
    'metering', add_readings__claim.idempotency_key, 'add_readings',
    saldo_private.reading_request_key(readings), batch_id
  );
end
$$;
comment on function saldo_private.add_readings__claim is
  'The batch that was recorded under this key, one reading or many; null = the key is new. Errors: '
  'SB008 text_invalid, SB009 text_too_long, SB005 idempotency_conflict.';

create or replace function saldo.add_readings(
  readings saldo.reading_request[],
  idempotency_key text default null
)
returns setof saldo.reading
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
-- A hundred thousand are gone through several times: not from files.
set work_mem = '128MB'
as $$
declare
  v_batch_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_ids uuid[];
begin
  if readings is null or cardinality(readings) not between 1 and 100000 then
    perform saldo_private.fail('input_invalid', 'readings: an array of 1 to 100,000 readings');
  end if;
  if add_readings.idempotency_key is not null then
    v_earlier_id := saldo_private.add_readings__claim(
      readings, add_readings.idempotency_key, v_batch_id
    );
  end if;
  if v_earlier_id is null then
    v_ids := saldo_private.record_readings(readings, v_batch_id);
  else
    v_ids := array(
      select r.id
      from saldo.reading as r
      where r.batch_id = v_earlier_id
    );
  end if;
  return query
  select r.*
  from saldo.reading as r
  where r.id = any (v_ids)
  order by r.account_id, r.meter_id, r.read_at;
end
$$;
comment on function saldo.add_readings is
  'Records up to 100,000 readings, rates them and posts what they cost, all or nothing: one pass, '
  'and one entry for each customer and month. Returns them in the order of account, meter and '
  'time. An actual index below estimates, or above one that follows, withdraws these. The same '
  'idempotency_key with the same content returns the first ones. The error is that of the first '
  'bad row, and DETAIL tells the first twenty. Errors in checking order: '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB005 idempotency_conflict, '
  'SB020 isolation_unsupported, SB404 meter_not_found, SB010 input_invalid, '
  'SB411 reading_invalid, SB409 reading_in_future, SB405 meter_state, SB408 reading_duplicate, '
  'SB410 reading_out_of_order, SB004 amount_out_of_range, SB108 period_locked, '
  'SB102 account_closed, and those of a posting.';
revoke execute on function saldo.add_readings from public;
grant execute on function saldo.add_readings to saldo_admin, saldo_biller;

create or replace function saldo.add_reading(
  meter_id bigint,
  read_at timestamptz,
  index_value numeric default null,
  volume numeric default null,
  quality saldo.reading_quality default 'actual',
  is_rollover boolean default false,
  idempotency_key text default null
)
returns saldo.reading
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_batch_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_reading saldo.reading;
begin
  if add_reading.idempotency_key is not null then
    v_earlier_id := saldo_private.add_readings__claim(
      array[saldo_private.reading_request(
        meter_id => add_reading.meter_id,
        read_at => add_reading.read_at,
        index_value => add_reading.index_value,
        volume => add_reading.volume,
        quality => add_reading.quality,
        is_rollover => add_reading.is_rollover
      )],
      add_reading.idempotency_key, v_batch_id
    );
  end if;
  if v_earlier_id is null then
    v_reading := saldo_private.add_usual_reading(
      v_batch_id, meter_id, read_at, index_value, volume, quality, is_rollover
    );
    if v_reading.id is not null then
      return v_reading;
    end if;
    perform saldo_private.record_readings(
      array[saldo_private.reading_request(
        meter_id => add_reading.meter_id,
        read_at => add_reading.read_at,
        index_value => add_reading.index_value,
        volume => add_reading.volume,
        quality => add_reading.quality,
        is_rollover => add_reading.is_rollover
      )],
      v_batch_id
    );
  end if;
  select *
  into strict v_reading
  from saldo.reading as r
  where r.batch_id = coalesce(v_earlier_id, v_batch_id);
  return v_reading;
end
$$;
comment on function saldo.add_reading is
  'Records one reading, as add_readings does: index_value for a meter of indexes, volume since the '
  'last reading for a flow meter. is_rollover: the register has started again at zero since the '
  'last one. Errors in checking order: those of add_readings.';
revoke execute on function saldo.add_reading from public;
grant execute on function saldo.add_reading to saldo_admin, saldo_biller;

create or replace function saldo_private.reading__end(
  reading_id uuid,
  status saldo.record_status
)
returns saldo.reading
language plpgsql
as $$
declare
  v_reading saldo.reading;
begin
  select *
  into v_reading
  from saldo.reading
  where id = reading__end.reading_id;
  if v_reading.id is null then
    perform saldo_private.fail('reading_not_found', format('reading %s', reading_id));
  end if;
  perform saldo_private.lock_rating(array[v_reading.account_id]);
  update saldo.reading as r
  set status = reading__end.status,
    ended_at = clock_timestamp(),
    ended_by = saldo_private.actor()
  where r.account_id = v_reading.account_id
  and r.id = v_reading.id
  and r.status = 'current';
  if not found then
    perform saldo_private.fail('reading_state', (
      select format('reading %s: %s', r.id, r.status)
      from saldo.reading as r
      where r.account_id = v_reading.account_id
      and r.id = v_reading.id
    ));
  end if;
  return v_reading;
end
$$;
comment on function saldo_private.reading__end is
  'Marks a reading superseded or removed, and gives it as it was: SB406 reading_not_found, '
  'SB020 isolation_unsupported, SB407 reading_state.';

create or replace function saldo.change_reading(
  reading_id uuid,
  index_value numeric default null,
  volume numeric default null,
  read_at timestamptz default null,
  quality saldo.reading_quality default null,
  is_rollover boolean default null,
  idempotency_key text default null
)
returns saldo.reading
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_batch_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_reading saldo.reading;
begin
  v_earlier_id := saldo_private.claim_idempotency_key(
    'metering', change_reading.idempotency_key, 'change_reading',
    jsonb_build_array(
      change_reading.reading_id, trim_scale(change_reading.index_value),
      trim_scale(change_reading.volume), extract(epoch from change_reading.read_at),
      change_reading.quality, change_reading.is_rollover
    ),
    v_batch_id
  );
  if v_earlier_id is null then
    v_reading := saldo_private.reading__end(change_reading.reading_id, 'superseded');
    perform saldo_private.record_readings(
      array[saldo_private.reading_request(
        meter_id => v_reading.meter_id,
        read_at => coalesce(change_reading.read_at, v_reading.read_at),
        index_value => coalesce(change_reading.index_value, v_reading.index_value),
        volume => coalesce(change_reading.volume, v_reading.volume),
        quality => coalesce(change_reading.quality, v_reading.quality),
        is_rollover => coalesce(change_reading.is_rollover, v_reading.is_rollover)
      )],
      v_batch_id, v_reading
    );
  end if;
  select *
  into strict v_reading
  from saldo.reading as r
  where r.batch_id = coalesce(v_earlier_id, v_batch_id);
  return v_reading;
end
$$;
comment on function saldo.change_reading is
  'Puts another reading of the meter in the place of one, which stays as history, rates both and '
  'the one after them again, and posts the difference. What is not given stays as it was. The same '
  'idempotency_key with the same content returns the first result. Errors in checking order: '
  'SB008 text_invalid, SB009 text_too_long, SB005 idempotency_conflict, SB406 reading_not_found, '
  'SB020 isolation_unsupported, SB407 reading_state, SB411 reading_invalid, '
  'SB409 reading_in_future, SB405 meter_state, SB408 reading_duplicate, '
  'SB410 reading_out_of_order, SB004 amount_out_of_range, SB108 period_locked, '
  'SB102 account_closed, and those of a posting.';
revoke execute on function saldo.change_reading from public;
grant execute on function saldo.change_reading to saldo_admin, saldo_biller;

create or replace function saldo.remove_reading(reading_id uuid)
returns saldo.reading
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reading saldo.reading :=
    saldo_private.reading__end(remove_reading.reading_id, 'removed');
begin
  perform saldo_private.rate_with_next(array[v_reading.id]);
  select *
  into strict v_reading
  from saldo.reading as r
  where r.account_id = v_reading.account_id
  and r.id = v_reading.id;
  return v_reading;
end
$$;
comment on function saldo.remove_reading is
  'Takes a reading out, which stays as history: what it cost is posted back, and the one after it '
  'is rated again. Errors in checking order: SB406 reading_not_found, SB020 isolation_unsupported, '
  'SB407 reading_state, SB410 reading_out_of_order when the next one is a roll-over that would no '
  'longer be one, SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed, and those '
  'of a posting.';
revoke execute on function saldo.remove_reading from public;
grant execute on function saldo.remove_reading to saldo_admin, saldo_biller;
