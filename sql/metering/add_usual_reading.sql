-- A usual reading: one that comes in as the last of its meter, and is priced and posted at once.
--
-- Private: add_usual_reading and its steps, has_own_triggers_on_readings, no_volume.
-- Usual is a valid reading that none of the meter follows, on a day with price and factor, of a
-- tariff that divides nothing, in an open month that is not charged. Three statements look: at the
-- meter, at what the reading is rated by, at whether its month is open. Then it is posted, and
-- written in one more. What is not usual is left to add_readings, with nothing written: it knows
-- all cases, and says what is wrong.
-- Invariant: what is written here is what rate_readings would write.
-- Parameters are of the domains of the columns that they go to, variables are not: each value is
-- checked once, and none at a declaration.
-- Locks: those of lock_rating, of one customer, and the meter; the month; then those of
-- post_to_hot_on, and the month's total.

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

create or replace function saldo_private.no_volume()
returns saldo.volume
language sql
immutable
parallel safe
as $$
  select null::saldo.volume
$$;
comment on function saldo_private.no_volume is
  'None, as a volume: as no_amount, which a plan holds as that.';

create or replace function saldo_private.add_usual_reading__write(
  id uuid,
  account_id bigint,
  meter_id bigint,
  read_at timestamptz,
  read_on date,
  month saldo.month_start,
  kind saldo.meter_kind,
  value saldo.volume,
  quality saldo.reading_quality,
  is_rollover boolean,
  volume_m3 saldo.volume,
  factor numeric,
  volume_sm3 saldo.volume,
  price numeric,
  amount saldo.amount,
  tariff_version_id bigint,
  factor_version_id bigint,
  entry_id uuid
)
returns saldo.reading
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
  v_reading saldo.reading;
begin
  with rated as (
    insert into saldo.rated_line (
      account_id, id, reading_id, revision, read_at, month, is_withdrawn, is_provisional,
      volume_m3, factor, volume_sm3, price, amount, amount_rounding, tariff_version_id,
      factor_version_id, volume_change, amount_change, entry_id, posting_date, rated_at, rated_by
    )
    values (
      account_id, saldo_private.uuid_v7(), id, 1, read_at, month, false, false, volume_m3,
      factor, volume_sm3, price, amount, 'half_up_2', tariff_version_id, factor_version_id,
      volume_sm3, amount, entry_id, read_on, clock_timestamp(), v_actor
    )
  ),
  month_moved as (
    insert into saldo.customer_month_total as t (account_id, month, purchases, volume_sm3)
    values (account_id, month, amount, volume_sm3)
    on conflict on constraint customer_month_total_pkey do update
    set purchases = t.purchases + excluded.purchases,
      volume_sm3 = t.volume_sm3 + excluded.volume_sm3,
      last_calculated_at = excluded.last_calculated_at
  )
  insert into saldo.reading (
    account_id, id, meter_id, read_at, read_on, index_value, volume, is_rollover, quality,
    batch_id, recorded_by
  )
  values (
    account_id, id, meter_id, read_at, read_on,
    case when kind = 'index' then value else saldo_private.no_volume() end,
    case when kind = 'volume' then value else saldo_private.no_volume() end,
    coalesce(is_rollover, false), coalesce(quality, 'actual'), id, v_actor
  )
  returning *
  into v_reading;
  return v_reading;
end
$$;
comment on function saldo_private.add_usual_reading__write is
  'Writes the reading with its line, and adds both to the month. It is a batch by itself.';

create or replace function saldo_private.add_usual_reading__terms(
  account_id bigint,
  currency text,
  revenue_id bigint,
  meter_id bigint,
  read_at timestamptz,
  read_on date,
  month date
)
returns table (
  is_usual boolean,
  previous_index numeric,
  factor_version_id bigint,
  factor numeric,
  volume_digits integer,
  rounding saldo.rounding_rule,
  tariff_version_id bigint,
  price numeric
)
language sql
stable
as $$
  -- In the list, because versions are looked up without another step as long as none is sorted out.
  select t.is_in_effect and t.spanning = 'reading_day' and f.is_in_effect, before.index_value,
    f.id, f.factor, f.volume_digits, f.rounding, t.id, t.price
  from saldo_private.tariff_version_on(
    add_usual_reading__terms.account_id, add_usual_reading__terms.currency, read_on
  ) as t
  cross join lateral saldo_private.factor_version_on(
    add_usual_reading__terms.account_id, read_on
  ) as f
  left join lateral (
    select r.read_at, r.index_value
    from saldo.reading as r
    where r.account_id = add_usual_reading__terms.account_id
    and r.meter_id = add_usual_reading__terms.meter_id
    and r.status = 'current'
    order by r.read_at desc
    limit 1
  ) as before on true
  where (before.read_at < add_usual_reading__terms.read_at) is not false
  and not exists (
    select
    from saldo_private.charged_month as c
    where c.month = add_usual_reading__terms.month
    and c.account_id in (0, add_usual_reading__terms.account_id)
  )
  and not exists (
    select
    from saldo_private.account_watch as w
    where w.account_id in (add_usual_reading__terms.account_id, revenue_id)
  )
  -- That of the customer is the month's total, which is written here.
  and not exists (
    select from saldo_private.account_follower as f where f.account_id = revenue_id
  )
$$;
comment on function saldo_private.add_usual_reading__terms is
  'What a reading is rated by, and the index before it; no row where it is not the last of its '
  'meter, its month is charged, or somebody follows what it is posted to.';

create or replace function saldo_private.add_usual_reading__is_open(read_at timestamptz)
returns boolean
language plpgsql
as $$
declare
  v_is_open boolean;
begin
  -- Both months that it may be in, in their order: the way of any posting begins with the first.
  if saldo_private.holds_month_of(read_at) then
    select (add_usual_reading__is_open.read_at < book.usual_from) is not true
    into v_is_open
    from saldo_private.book_state as book
    where book.id = 1;
  end if;
  return v_is_open;
end
$$;
comment on function saldo_private.add_usual_reading__is_open is
  'Whether the month of this moment is neither closed nor in a year whose totals are kept, under '
  'its shared lock; null where that cannot be had. Asked when it is known that the reading needs '
  'no other month: who holds one may not wait for one before it.';

create or replace function saldo_private.add_usual_reading__rate(
  id uuid,
  account_id bigint,
  currency text,
  revenue_id bigint,
  meter_id bigint,
  kind saldo.meter_kind,
  start_index numeric,
  register_limit numeric,
  read_at timestamptz,
  read_on date,
  month saldo.month_start,
  value saldo.volume,
  quality saldo.reading_quality,
  is_rollover boolean
)
returns saldo.reading
language plpgsql
as $$
declare
  v_is_usual boolean;
  v_previous_index numeric;
  v_tariff_version_id bigint;
  v_price numeric;
  v_factor_version_id bigint;
  v_factor numeric;
  v_digits integer;
  v_rounding saldo.rounding_rule;
  v_m3 numeric;
  v_sm3 numeric;
  v_amount numeric;
  v_entry_id uuid;
begin
  select t.is_usual, coalesce(t.previous_index, start_index), t.factor_version_id, t.factor,
    t.volume_digits, t.rounding, t.tariff_version_id, t.price
  into v_is_usual, v_previous_index, v_factor_version_id, v_factor, v_digits, v_rounding,
    v_tariff_version_id, v_price
  from saldo_private.add_usual_reading__terms(
    account_id, currency, revenue_id, meter_id, read_at, read_on, month
  ) as t
  where not saldo_private.has_own_triggers()
  and not saldo_private.has_own_triggers_on_readings()
  -- Named only, for these two; here, because what a function reads is not seen.
  and (true or exists (
    select
    from saldo.journal_entry, saldo.journal_line, saldo.account, saldo.month_movement,
      saldo.reading, saldo.rated_line, saldo.customer_month_total
  ));
  v_m3 := saldo_private.reading_volume(
    kind, register_limit, value, value, is_rollover, v_previous_index
  );
  v_sm3 := saldo_private.rounded(v_m3 * v_factor, v_digits, v_rounding);
  v_amount := round(v_sm3 * v_price, 2);
  if (v_is_usual and v_sm3 < 1e15 and v_amount between 0.01 and 1e15 - 1
    and (kind = 'volume' or (value < v_previous_index) = coalesce(is_rollover, false))
  ) is not true or saldo_private.add_usual_reading__is_open(read_at) is not true then
    return null;
  end if;
  v_entry_id := saldo_private.uuid_v7();
  if saldo_private.post_to_hot_on(
    day => read_on,
    entry_id => v_entry_id,
    debit_account_id => account_id,
    credit_account_id => revenue_id,
    amount => v_amount,
    description => saldo_private.rating_description(month, null),
    source => 'rating',
    occurred_at => read_at,
    idempotency_key => null,
    metadata => saldo_private.rating_metadata(month, 1, v_sm3)
  ) then
    return saldo_private.add_usual_reading__write(
      id, account_id, meter_id, read_at, read_on, month, kind, value, quality, is_rollover, v_m3,
      v_factor, v_sm3, v_price, v_amount, v_tariff_version_id, v_factor_version_id, v_entry_id
    );
  end if;
end
$$;
comment on function saldo_private.add_usual_reading__rate is
  'Rates and posts a reading of a customer that is locked, and records it; null where it is not '
  'usual.';

create or replace function saldo_private.add_usual_reading(
  id uuid,
  meter_id bigint,
  read_at timestamptz,
  index_value numeric,
  volume numeric,
  quality saldo.reading_quality,
  is_rollover boolean
)
returns saldo.reading
language plpgsql
-- A plan is kept: one from when the tables were small reads all of what they have become.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_value numeric := trim_scale(coalesce(index_value, volume));
  v_account_id bigint;
  v_currency text;
  v_revenue_id bigint;
  v_kind saldo.meter_kind;
  v_start_index numeric;
  v_register_limit numeric;
  v_read_on date;
  v_month date;
begin
  if num_nonnulls(index_value, volume) <> 1
    or scale(v_value) > 6
    or (is_rollover and index_value is null)
    or current_setting('transaction_isolation') <> 'read committed'
    or pg_advisory_xact_lock_shared(saldo_private.rating_lock(), 0) is null
  then
    return null;
  end if;
  select c.account_id, c.currency, revenue.id, m.kind, m.start_index, m.register_limit,
    (add_usual_reading.read_at at time zone zone.value)::date,
    date_trunc('month', add_usual_reading.read_at at time zone zone.value)::date
  into v_account_id, v_currency, v_revenue_id, v_kind, v_start_index, v_register_limit, v_read_on,
    v_month
  from saldo.customer as c
  join saldo.meter as m on m.account_id = c.account_id
  join saldo.account as deposit on deposit.id = c.account_id
  join saldo.account as revenue on revenue.code = 'revenue:' || c.currency
  cross join saldo.setting as zone
  where m.id = add_usual_reading.meter_id
  and zone.name = 'business_time_zone'
  and deposit.mode = 'immediate'
  and deposit.closed_at is null
  and deposit.frozen_at is null
  and revenue.mode = 'hot'
  and revenue.closed_at is null
  and revenue.frozen_at is null
  -- What reading_problem lets pass, but for what is rare.
  and (m.kind = 'index') = (add_usual_reading.index_value is not null)
  and v_value >= 0
  and v_value < coalesce(m.register_limit, 1e12)
  and add_usual_reading.read_at <= clock_timestamp()
  and add_usual_reading.read_at > m.installed_at
  and m.removed_at is null
  -- Both, so that what is seen of the meter is what it is once the customer is locked.
  for no key update of c, m;
  if v_account_id is null then
    return null;
  end if;
  return saldo_private.add_usual_reading__rate(
    id, v_account_id, v_currency, v_revenue_id, meter_id, v_kind, v_start_index, v_register_limit,
    read_at, v_read_on, v_month, v_value, quality, is_rollover
  );
end
$$;
comment on function saldo_private.add_usual_reading is
  'Records, rates and posts a reading, if all is usual; null, and nothing is written, where it is '
  'not. Errors: those of a posting that changes its mind at this moment.';
