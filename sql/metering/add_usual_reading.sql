-- A usual reading: one that comes in as the last of its meter, and is priced and posted at once.
--
-- Private: add_usual_reading and its steps, has_own_triggers_on_readings.
-- Usual is a valid reading that none of the meter follows, on a day with price and factor, of a
-- tariff that divides nothing, in an open month that is not charged. What that comes to is found in
-- one statement and written in a few, without the cost of sets. What is not usual is left to
-- add_readings, with nothing written: it knows all cases, and says what is wrong.
-- Invariant: what is written here is what rate_readings would write.
-- Locks: those of lock_rating, of one customer; then those of post_to_hot, and the month's total.

create or replace function saldo_private.has_own_triggers_on_readings()
returns boolean
language sql
immutable
as $$
  select saldo_private.has_own_triggers_on(array[
    'saldo.reading', 'saldo.rated_line', 'saldo.customer_month_total'
  ]::regclass[])
$$;
comment on function saldo_private.has_own_triggers_on_readings is
  'Whether triggers that are not the engine''s stand on what a reading writes: they see it in the '
  'order of add_readings. Called immutable, as has_own_triggers is.';

create or replace function saldo_private.add_usual_reading__write(
  request saldo.reading_request,
  batch_id uuid,
  line saldo.rated_line
)
returns saldo.reading
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
  v_reading saldo.reading;
begin
  loop
    with month_moved as (
      update saldo.customer_month_total as t
      set purchases = t.purchases + line.amount,
        volume_sm3 = t.volume_sm3 + line.volume_sm3,
        last_calculated_at = clock_timestamp()
      where t.account_id = line.account_id
      and t.month = line.month
      returning t.account_id
    ),
    rated as (
      insert into saldo.rated_line (
        account_id, id, reading_id, revision, read_at, month, is_withdrawn, is_provisional,
        volume_m3, factor, volume_sm3, price, amount, amount_rounding, tariff_version_id,
        factor_version_id, volume_change, amount_change, entry_id, posting_date, rated_at, rated_by
      )
      select m.account_id, line.id, line.reading_id, 1, request.read_at, line.month, false, false,
        line.volume_m3, line.factor, line.volume_sm3, line.price, line.amount, 'half_up_2',
        line.tariff_version_id, line.factor_version_id, line.volume_sm3, line.amount,
        line.entry_id, line.posting_date, clock_timestamp(), v_actor
      from month_moved as m
    )
    insert into saldo.reading (
      account_id, id, meter_id, read_at, read_on, index_value, volume, is_rollover, quality,
      batch_id, recorded_by
    )
    select m.account_id, line.reading_id, request.meter_id, request.read_at, line.posting_date,
      trim_scale(request.index_value), trim_scale(request.volume),
      coalesce(request.is_rollover, false), coalesce(request.quality, 'actual'),
      add_usual_reading__write.batch_id, v_actor
    from month_moved as m
    returning *
    into v_reading;
    exit when found;
    -- The first of the month: it is there, with nothing in it, and then moved.
    perform saldo_private.add_to_customer_months(
      account_ids => array[line.account_id],
      months => array[line.month]::date[]
    );
  end loop;
  return v_reading;
end
$$;
comment on function saldo_private.add_usual_reading__write is
  'Writes the reading with its line, and adds both to the month.';

create or replace function saldo_private.add_usual_reading__rate(
  request saldo.reading_request,
  account_id bigint,
  currency text
)
returns saldo.rated_line
language plpgsql
as $$
declare
  v_line saldo.rated_line;
begin
  select m.account_id, d.read_on, saldo_private.month_of(d.read_on), m3.volume, f.factor,
    sm3.volume, t.price, round(sm3.volume * t.price, 2), t.id, f.id
  into v_line.account_id, v_line.posting_date, v_line.month, v_line.volume_m3, v_line.factor,
    v_line.volume_sm3, v_line.price, v_line.amount, v_line.tariff_version_id,
    v_line.factor_version_id
  from saldo.meter as m
  cross join saldo.setting as zone
  cross join lateral (select (request.read_at at time zone zone.value)::date as read_on) as d
  cross join lateral saldo_private.tariff_version_on(
    m.account_id, add_usual_reading__rate.currency, d.read_on
  ) as t
  cross join lateral saldo_private.factor_version_on(m.account_id, d.read_on) as f
  left join lateral (
    select r.read_at, r.index_value
    from saldo.reading as r
    where r.account_id = m.account_id
    and r.meter_id = m.id
    and r.status = 'current'
    order by r.read_at desc
    limit 1
  ) as before on true
  cross join lateral (
    select case when saldo_private.reading_problem(request, m, false) is null
      then saldo_private.reading_volume(
        m, trim_scale(request.index_value), trim_scale(request.volume), request.is_rollover,
        coalesce(before.index_value, m.start_index)
      ) end as volume
    offset 0 -- or it is computed again wherever it is used
  ) as m3
  cross join lateral (
    select saldo_private.rounded(m3.volume * f.factor, f.volume_digits, f.rounding) as volume
    offset 0
  ) as sm3
  where m.account_id = add_usual_reading__rate.account_id
  and m.id = request.meter_id
  and zone.name = 'business_time_zone'
  and (before.read_at < request.read_at) is not false
  and (m.kind = 'volume' or (request.index_value < coalesce(before.index_value, m.start_index))
    = coalesce(request.is_rollover, false))
  and t.is_in_effect
  and f.is_in_effect
  and t.spanning = 'reading_day'
  and sm3.volume < 1e15
  and sm3.volume * t.price between 0.01 and 1e15 - 1
  and not exists (
    select
    from saldo_private.charged_month as c
    where c.month = saldo_private.month_of(d.read_on)
    and c.account_id in (0, m.account_id)
  )
  and not saldo_private.has_own_triggers_on_readings()
  -- Named only, for has_own_triggers_on_readings.
  and not exists (select from saldo.rated_line, saldo.customer_month_total where false);
  return v_line;
end
$$;
comment on function saldo_private.add_usual_reading__rate is
  'What a reading comes to, with nothing missing that a line has but its ids. Its account is null '
  'where the reading is not usual.';

create or replace function saldo_private.add_usual_reading(
  request saldo.reading_request,
  batch_id uuid
)
returns saldo.reading
language plpgsql
-- A plan is kept: one from when the tables were small reads all of what they have become.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_account_id bigint;
  v_currency text;
  v_line saldo.rated_line;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    return null;
  end if;
  perform pg_advisory_xact_lock_shared(saldo_private.rating_lock(), 0);
  select c.account_id, c.currency
  into v_account_id, v_currency
  from saldo.meter as m
  join saldo.customer as c on c.account_id = m.account_id
  where m.id = request.meter_id
  for no key update of c;
  if v_account_id is null then
    return null;
  end if;
  v_line := saldo_private.add_usual_reading__rate(request, v_account_id, v_currency);
  if v_line.account_id is null then
    return null;
  end if;
  v_line.reading_id := saldo_private.uuid_v7();
  v_line.id := saldo_private.uuid_v7();
  v_line.entry_id := saldo_private.uuid_v7();
  if not saldo_private.post_to_hot(
    entry_id => v_line.entry_id,
    debit_account_id => v_account_id,
    credit_account_id => saldo_private.system_account('revenue', v_currency),
    amount => v_line.amount,
    description => saldo_private.rating_description(v_line.month, null),
    source => 'rating',
    occurred_at => request.read_at,
    idempotency_key => null,
    metadata => saldo_private.rating_metadata(v_line.month, 1, v_line.volume_sm3),
    on_date => v_line.posting_date,
    kept_follower => 'customer_month'
  ) then
    return null;
  end if;
  return saldo_private.add_usual_reading__write(request, batch_id, v_line);
end
$$;
comment on function saldo_private.add_usual_reading is
  'Records, rates and posts a reading, if all is usual; null, and nothing is written, where it is '
  'not. Errors: those of a posting that changes its mind at this moment.';
