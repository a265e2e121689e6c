-- Checks of readings, for one or for a hundred thousand: all that is wrong is reported at once.
--
-- Private: require_readings, misordered_readings, require_reading_order.
-- The error is that of the first bad row; its DETAIL lists the first twenty, each with its own.

create or replace function saldo_private.reading_problem(
  request saldo.reading_request,
  meter saldo.meter,
  is_duplicate boolean
)
returns text
language sql
volatile
as $$
  select case
    when meter.id is null then 'meter_not_found'
    when request.read_at is null then 'input_invalid'
    when num_nonnulls(request.index_value, request.volume) <> 1
      or (meter.kind = 'index') <> (request.index_value is not null)
      or (coalesce(request.index_value, request.volume) >= 0
        and coalesce(request.index_value, request.volume) < coalesce(meter.register_limit, 1e12)
        and scale(trim_scale(coalesce(request.index_value, request.volume))) <= 6) is not true
      or (request.is_rollover and meter.kind = 'volume')
      then 'reading_invalid'
    -- Not the time at which the transaction began: it may have waited, or have done other things.
    when request.read_at > clock_timestamp() then 'reading_in_future'
    when request.read_at <= meter.installed_at or request.read_at > meter.removed_at
      then 'meter_state'
    when is_duplicate then 'reading_duplicate'
  end
$$;
comment on function saldo_private.reading_problem is
  'Condition of the error that a reading has by itself; null = none.';

create or replace function saldo_private.require_readings(readings saldo.reading_request[])
returns void
language plpgsql
as $$
declare
  v_conditions text[];
  v_detail text;
begin
  select array_agg(bad.condition order by bad.row_no),
    string_agg(format('row %s: %s, meter %s at %s, %s', bad.row_no, bad.condition, bad.meter_id,
      bad.read_at, coalesce(bad.index_value, bad.volume)), '; ' order by bad.row_no)
      filter (where bad.place <= 20)
  into v_conditions, v_detail
  from (
    select q.row_no, q.meter_id, q.read_at, q.index_value, q.volume, p.condition,
      row_number() over (order by q.row_no) as place
    from (
      select n.row_no, n.request, n.meter_id, n.read_at, n.index_value, n.volume,
        row_number() over (partition by n.meter_id, n.read_at order by n.row_no) as copy_no
      from (
        -- As they are: to make each again of its fields costs more than all checks.
        select u as request, u.meter_id, u.read_at, u.index_value, u.volume,
          row_number() over () as row_no
        from unnest(readings) as u
      ) as n
    ) as q
    -- Looked up for each: a join would read all meters for a single reading.
    left join lateral (
      select meter.*
      from saldo.meter
      where meter.id = q.meter_id
      offset 0
    ) as m on true
    cross join lateral (
      select saldo_private.reading_problem(
        q.request, m::saldo.meter, q.copy_no > 1 or exists (
          select
          from saldo.reading as r
          where r.account_id = m.account_id
          and r.meter_id = m.id
          and r.read_at = q.read_at
          and r.status = 'current'
        )
      ) as condition
    ) as p
    where p.condition is not null
  ) as bad;
  if v_conditions is not null then
    perform saldo_private.fail(
      v_conditions[1], format('%s of %s rows: %s', cardinality(v_conditions),
        cardinality(readings), v_detail)
    );
  end if;
end
$$;
comment on function saldo_private.require_readings is
  'Refuses readings that are wrong in themselves: SB404 meter_not_found, SB010 input_invalid, '
  'SB411 reading_invalid, SB409 reading_in_future, SB405 meter_state, SB408 reading_duplicate.';

create or replace function saldo_private.misordered_readings(reading_ids uuid[])
returns table (
  account_id bigint,
  reading_id uuid,
  meter_id bigint,
  read_at timestamptz,
  index_value numeric,
  previous numeric
)
language plpgsql
stable
as $$
begin
  -- PL/pgSQL for its cached plan: it is called for each reading.
  return query
  select r.account_id, r.id, r.meter_id, r.read_at, r.index_value::numeric, p.previous
  from unnest(reading_ids) as i (id)
  join saldo.reading as r on r.id = i.id
  join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
  cross join lateral (
    select saldo_private.previous_index(m, r.read_at) as previous
  ) as p
  where r.status = 'current'
  and r.index_value is not null
  -- A roll-over that rolls nothing over would count a whole register too much.
  and (r.index_value < p.previous) <> r.is_rollover;
end
$$;
comment on function saldo_private.misordered_readings is
  'Those of the readings whose index is below the one before, unless flagged as a roll-over, and '
  'roll-overs that are not.';

create or replace function saldo_private.require_reading_order(reading_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_count bigint;
  v_detail text;
begin
  select count(*),
    string_agg(format('meter %s at %s: %s after %s', bad.meter_id, bad.read_at, bad.index_value,
      bad.previous), '; ' order by bad.read_at) filter (where bad.place <= 20)
  into v_count, v_detail
  from (
    select m.meter_id, m.read_at, m.index_value, m.previous,
      row_number() over (order by m.read_at, m.meter_id) as place
    from saldo_private.misordered_readings(reading_ids) as m
  ) as bad;
  if v_count > 0 then
    perform saldo_private.fail(
      'reading_out_of_order', format('%s readings: %s', v_count, v_detail)
    );
  end if;
end
$$;
comment on function saldo_private.require_reading_order is
  'Refuses indexes that are below the one before, unless flagged as a roll-over, and roll-overs '
  'that are not: SB410 reading_out_of_order.';
