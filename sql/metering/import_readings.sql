-- Import of readings: as many at once as are right, and each answered by itself.
--
-- Public: saldo.import_readings. Private: import_readings__look, __check, __post, __twins,
-- __record, __copies, __told.
-- What a row has wrong by itself is found for all rows in one statement; the rest is recorded as
-- one batch. Where the ledger or the order of indexes refuses that, it is halved, in the order of
-- time, until only what is at fault is left: good rows never wait for bad ones.
-- A batch and its halves are of all sizes: statements are planned for each (plan_cache_mode), since
-- a plan for a few rows takes minutes over thousands.
-- Locks: versions and customers first (lock_rating), then keys, months and accounts.

create or replace function saldo_private.import_readings__look(rows jsonb)
returns setof saldo_private.import_reading
language sql
stable
as $$
  select f.row_no, f.key, saldo_private.request_hash('import_reading', f.said), m.account_id,
    saldo_private.reading_request(
      meter_id => m.id,
      read_at => f.read_at,
      index_value => saldo_private.import_decimal(f.index_value),
      volume => saldo_private.import_decimal(f.volume),
      quality => case when f.quality = 'estimated' then f.quality else 'actual'
        end::saldo.reading_quality,
      is_rollover => coalesce(f.is_rollover = 'true', false)
    ),
    p.condition,
    case p.condition
      when 'customer_not_found'
        then format('customer: %s', coalesce(quote_literal(left(f.customer, 100)), 'none'))
      when 'meter_not_found'
        then format('meter: %s', coalesce(quote_literal(left(f.meter, 100)), 'none'))
      when 'date_invalid'
        then format('read_at: %s', coalesce(quote_literal(left(f.read_at_text, 40)), 'none'))
      when 'decimal_invalid' then format('index_value %L, volume %L', left(f.index_value, 40),
        left(f.volume, 40))
      when 'input_invalid' then case
        when f.unknown <> '{}' then format('unknown: %s', left(f.unknown::text, 100))
        else 'quality: actual or estimated; is_rollover: true or false'
      end
      when 'text_invalid' then 'key'
      when 'text_too_long' then 'key: 1 to 200 characters'
    end
  from (
    select (r.value ->> 'row_no')::integer as row_no,
      saldo_private.import_field(r.value, 'key') as key,
      saldo_private.import_said(r.value, 'readings') as said,
      r.value - saldo_private.import_columns('readings') as unknown,
      saldo_private.import_field(r.value, 'customer') as customer,
      saldo_private.import_field(r.value, 'meter') as meter,
      saldo_private.import_field(r.value, 'read_at') as read_at_text,
      saldo_private.import_time(saldo_private.import_field(r.value, 'read_at')) as read_at,
      saldo_private.import_field(r.value, 'index_value') as index_value,
      saldo_private.import_field(r.value, 'volume') as volume,
      saldo_private.import_field(r.value, 'quality') as quality,
      saldo_private.import_field(r.value, 'is_rollover') as is_rollover
    from jsonb_array_elements(rows) as r (value)
  ) as f
  left join saldo.customer as c on c.code = normalize(f.customer, nfc)
  left join lateral (
    -- A code may have been given again to a later meter: the one that stood there then.
    select t.id, t.account_id
    from saldo.meter as t
    where t.account_id = c.account_id
    and t.code = normalize(f.meter, nfc)
    order by f.read_at > t.installed_at and f.read_at <= coalesce(t.removed_at, 'infinity') desc,
      t.installed_at desc, t.id desc
    limit 1
  ) as m on true
  cross join lateral (
    select case
      when f.unknown <> '{}' then 'input_invalid'
      when c.id is null then 'customer_not_found'
      when m.id is null then 'meter_not_found'
      when f.read_at is null then 'date_invalid'
      when (f.index_value is not null and saldo_private.import_decimal(f.index_value) is null)
        or (f.volume is not null and saldo_private.import_decimal(f.volume) is null)
        then 'decimal_invalid'
      when f.quality not in ('actual', 'estimated') or f.is_rollover not in ('true', 'false')
        then 'input_invalid'
      when f.key ~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]' then 'text_invalid'
      when length(f.key) > 200 then 'text_too_long'
    end as condition
  ) as p
$$;
comment on function saldo_private.import_readings__look is
  'The rows as requests, each with what it has wrong before any meter is looked at.';

create or replace function saldo_private.import_readings__check(
  rows saldo_private.import_reading[]
)
returns setof saldo_private.import_reading
language sql
stable
as $$
  select q.row_no, q.key, q.request_hash, q.account_id, q.request, p.condition,
    case when p.condition is not null then format('meter %s at %s: %s', q.meter_id, q.read_at,
      coalesce(q.index_value, q.volume)) end
  from (
    select u.row_no, u.key, u.request_hash, u.account_id, u.request, (u.request).meter_id,
      (u.request).read_at, (u.request).index_value, (u.request).volume,
      row_number() over (
        partition by (u.request).meter_id, (u.request).read_at
        order by u.row_no
      ) as copy_no
    from unnest(rows) as u
  ) as q
  join saldo.meter as m on m.account_id = q.account_id and m.id = q.meter_id
  left join saldo.reading as r on r.account_id = q.account_id and r.meter_id = q.meter_id
    and r.read_at = q.read_at and r.status = 'current'
  cross join lateral (
    select saldo_private.reading_problem(q.request, m, r.id is not null or q.copy_no > 1)
      as condition
  ) as p
$$;
comment on function saldo_private.import_readings__check is
  'The rows, each with what it has wrong at its meter.';

create or replace function saldo_private.import_readings__post(
  rows saldo_private.import_reading[]
)
returns setof saldo.import_result
language plpgsql
as $$
declare
  v_count constant integer := coalesce(cardinality(rows), 0);
  v_results saldo.import_result[];
  v_refusal saldo.import_result;
  v_state text;
  v_condition text;
  v_message text;
  v_detail text;
begin
  if v_count = 0 then
    return;
  end if;
  begin
    select array_agg(saldo_private.import_accepted(row_no => u.row_no, id => d.id::text))
    into v_results
    from saldo.add_readings(array(
      select q.request
      from unnest(rows) as q
    )) as d
    join unnest(rows) as u on (u.request).meter_id = d.meter_id
      and (u.request).read_at = d.read_at;
    insert into saldo_private.idempotency_record (scope, key, operation, request_hash, result_id)
    select 'metering', u.key, 'import_reading', u.request_hash, r.id::uuid
    from unnest(rows) as u
    join unnest(v_results) as r on r.row_no = u.row_no
    where u.key is not null;
  exception
    when others then
      get stacked diagnostics v_state = returned_sqlstate, v_condition = constraint_name,
        v_message = message_text, v_detail = pg_exception_detail;
      v_refusal := saldo_private.import_refusal(v_state, v_condition, v_message, v_detail);
      if v_refusal.error_code is null then
        raise;
      end if;
      v_results := null;
  end;
  if v_results is null and v_count = 1 then
    v_refusal.row_no := rows[1].row_no;
    v_results := array[v_refusal];
  elsif v_results is null then
    return query
    select h.row_no, h.is_accepted, h.id, h.error_code, h.error_condition, h.detail
    from saldo_private.import_readings__post(rows[:v_count / 2]) as h;
    return query
    select h.row_no, h.is_accepted, h.id, h.error_code, h.error_condition, h.detail
    from saldo_private.import_readings__post(rows[v_count / 2 + 1:]) as h;
    return;
  end if;
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from unnest(v_results) as u;
end
$$;
comment on function saldo_private.import_readings__post is
  'Records the rows at once, or by halves until only what is refused is left.';

create or replace function saldo_private.import_readings__twins(
  rows saldo_private.import_reading[]
)
returns setof saldo_private.import_reading
language sql
stable
as $$
  select u.row_no, u.key, u.request_hash, u.account_id, u.request, null::text, r.id::text
  from unnest(rows) as u
  join saldo.reading as r on r.account_id = u.account_id
    and r.meter_id = (u.request).meter_id
    and r.read_at = (u.request).read_at
    and r.status = 'current'
    and r.index_value is not distinct from (u.request).index_value
    and r.volume is not distinct from (u.request).volume
    and r.quality = (u.request).quality
    and r.is_rollover = (u.request).is_rollover
$$;
comment on function saldo_private.import_readings__twins is
  'The rows that say what a reading says already; detail: its id.';

create or replace function saldo_private.import_readings__record(
  rows saldo_private.import_reading[]
)
returns setof saldo.import_result
language plpgsql
as $$
declare
  v_new saldo_private.import_reading[];
  v_twins saldo_private.import_reading[];
  v_checked saldo_private.import_reading[];
begin
  -- Known by its key: what came of it then.
  return query
  select u.row_no, i.request_hash = u.request_hash,
    case when i.request_hash = u.request_hash then i.result_id::text end,
    e.code, e.condition,
    case when e.code is null then 'imported before'
      else format('first used at %s for %s', i.created_at, i.operation) end
  from unnest(rows) as u
  join saldo_private.idempotency_record as i on i.scope = 'metering' and i.key = u.key
  left join saldo.error_code as e
    on e.condition = 'idempotency_conflict' and i.request_hash <> u.request_hash;

  v_new := array(
    select u
    from unnest(rows) as u
    where not exists (
      select
      from saldo_private.idempotency_record as i
      where i.scope = 'metering'
      and i.key = u.key
    )
  );
  -- A meter has one reading at a time, so one that says the same is no second one.
  v_twins := array(
    select t
    from saldo_private.import_readings__twins(v_new) as t
  );
  return query
  select t.row_no, true, t.detail, null::text, null::text,
    format('imported before under another key: possibly the same as reading %s', t.detail)
  from unnest(v_twins) as t;

  v_checked := array(
    select c
    from saldo_private.import_readings__check(array(
      select u
      from unnest(v_new) as u
      where not exists (
        select
        from unnest(v_twins) as t
        where t.row_no = u.row_no
        and t.request = u.request
      )
    )) as c
    order by (c.request).read_at, c.row_no
  );
  return query
  select u.row_no, false, null::text, e.code, e.condition, u.detail
  from unnest(v_checked) as u
  join saldo.error_code as e on e.condition = u.error_condition;

  return query
  select p.row_no, p.is_accepted, p.id, p.error_code, p.error_condition, p.detail
  from saldo_private.import_readings__post(array(
    select u
    from unnest(v_checked) as u
    where u.error_condition is null
    order by (u.request).read_at, u.row_no
  )) as p;
end
$$;
comment on function saldo_private.import_readings__record is
  'Answers rows that are well-formed and whose keys differ from each other.';

create or replace function saldo_private.import_readings__copies(
  rows saldo_private.import_reading[],
  is_first boolean
)
returns saldo_private.import_reading[]
language sql
immutable
as $$
  select array(
    select c.reading
    from (
      select u as reading,
        (u.key is null or row_number() over (partition by u.key order by u.row_no) = 1)
        and row_number() over (partition by u.request order by u.row_no) = 1 as is_first
      from unnest(rows) as u
      where u.error_condition is null
    ) as c
    where c.is_first = import_readings__copies.is_first
  )
$$;
comment on function saldo_private.import_readings__copies is
  'Of the rows that are well-formed those whose key and content come first in them, or the others.';

create or replace function saldo_private.import_readings__told(results saldo.import_result[])
returns setof saldo.import_result
language sql
stable
as $$
  select r.row_no, r.is_accepted, r.id, r.error_code, r.error_condition,
    coalesce(r.detail, 'not rated: ' || u.reason_text)
  from unnest(results) as r
  left join saldo_private.unrated_reason(array(
    select distinct n.account_id
    from unnest(results) as i
    join saldo_private.unrated_reading as n on n.reading_id = i.id::uuid
  )) as u on u.reading_id = r.id::uuid
$$;
comment on function saldo_private.import_readings__told is
  'The answers, those of readings that were recorded and not rated with the reason.';

create or replace function saldo.import_readings(rows jsonb, dry_run boolean default false)
returns setof saldo.import_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  v_rows saldo_private.import_reading[];
  v_results saldo.import_result[];
begin
  perform saldo_private.require_import_rows(import_readings.rows);
  v_rows := array(
    select r
    from saldo_private.import_readings__look(import_readings.rows) as r
  );
  perform saldo_private.lock_rating(array(
    select distinct u.account_id
    from unnest(v_rows) as u
    where u.error_condition is null
  ));
  begin
    v_results := array(
      select saldo_private.import_refused(
        row_no => u.row_no, error_code => e.code, error_condition => e.condition,
        detail => u.detail
      )
      from unnest(v_rows) as u
      join saldo.error_code as e on e.condition = u.error_condition
    );
    -- A key or reading that comes twice: the first row is recorded before others are looked at.
    v_results := v_results || array(
      select r from saldo_private.import_readings__record(
        saldo_private.import_readings__copies(v_rows, true)
      ) as r
    );
    v_results := v_results || array(
      select r from saldo_private.import_readings__record(
        saldo_private.import_readings__copies(v_rows, false)
      ) as r
    );
    v_results := array(
      select r from saldo_private.import_readings__told(v_results) as r
    );
    if import_readings.dry_run then
      perform saldo_private.fail('input_invalid', 'dry run');
    end if;
  exception
    -- Only the line above raises it: a row's own was answered. All is undone but the answers.
    when sqlstate 'SB010' then
      null;
  end;
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from unnest(v_results) as u
  order by u.row_no;
end
$$;
comment on function saldo.import_readings is
  'Records up to 5,000 rows of a file of readings at once, and answers each: objects of texts '
  'with row_no, customer and meter (codes), read_at, index_value or volume, quality, is_rollover, '
  'and key, under which a row counts once; one that says what a reading says already is accepted '
  'as that. A bad row holds back none of the others. One that is accepted and has no price or '
  'factor says so in detail: not rated, and why. dry_run: writes nothing. Errors of the '
  'whole: SB010 input_invalid, SB020 isolation_unsupported. Errors of a row: '
  'SB401 customer_not_found, SB404 meter_not_found, SB433 date_invalid, SB434 decimal_invalid, '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB005 idempotency_conflict, '
  'SB411 reading_invalid, SB409 reading_in_future, SB405 meter_state, SB408 reading_duplicate, '
  'SB410 reading_out_of_order, SB004 amount_out_of_range, SB108 period_locked, '
  'SB102 account_closed, and those of a posting.';
revoke execute on function saldo.import_readings from public;
grant execute on function saldo.import_readings to saldo_admin, saldo_biller;

comment on type saldo_private.import_reading is 'A row of a file of readings, looked at.';
