-- Arrivals: the rows of a push, each looked at by itself before any of them is kept.
--
-- Private: branch_arrivals, branch_arrivals_of_0.
-- Nearly all pushes have none but good rows. These are looked at together: each row is put
-- together again from what was read of it, and is good where that is the row that came. A push with
-- any other row is looked at row by row, which says what is wrong; it costs twice as much.

create or replace function saldo_private.branch_arrival_hash(
  device_id uuid,
  epoch uuid,
  row_data jsonb
)
returns bytea
language sql
stable
as $$
  select sha256(convert_to(concat_ws(' ', device_id, epoch, row_data), 'UTF8'))
$$;
comment on function saldo_private.branch_arrival_hash is
  'What tells whether this very row came before from this device and epoch.';

create or replace function saldo_private.branch_arrivals__each(
  rows_data jsonb,
  device_id uuid,
  epoch uuid
)
returns saldo_private.branch_arrival[]
language sql
stable
as $$
  select coalesce(array_agg(jsonb_populate_record(
    null::saldo_private.branch_arrival, jsonb_build_object(
      'no', r.no,
      'data', r.data,
      'payload', case when r.fault is not null then r.data end,
      'row_id', case when saldo_private.is_row_uuid(r.data -> 'id') then r.data ->> 'id' end,
      'seq', substring(r.data ->> 'seq' from '^[1-9]\d{0,14}$'),
      'fault', r.fault,
      'is_hash_right', saldo_private.branch_row_hash(
        device_id, epoch, r.data ->> 'seq', r.content, r.data ->> 'prev'
      ) = r.data ->> 'hash',
      'is_of_branch', true,
      'arrival_hash', saldo_private.branch_arrival_hash(device_id, epoch, r.data),
      'content_hash', sha256(convert_to(
        coalesce(r.content, (r.data - array['seq', 'prev', 'hash'])::text, ''), 'UTF8'
      ))
    )
  ) order by r.no), '{}')
  from (
    select d.no, d.data, d.fault,
      case when d.fault is null then saldo_private.branch_row_content(d.data) end as content
    from (
      -- What is no object has no fields either, and is kept as such.
      select e.no, saldo_private.branch_row_fault(e.data) as fault,
        case when jsonb_typeof(e.data) = 'object' then e.data
          else jsonb_build_object('row', e.data) end as data
      from jsonb_array_elements(rows_data) with ordinality as e (data, no)
      offset 0 -- or it is looked at again wherever it is used
    ) as d
    offset 0
  ) as r
$$;
comment on function saldo_private.branch_arrivals__each is
  'The rows of a push of protocol 1, looked at one by one.';

create or replace function saldo_private.is_plain_decimal(value text)
returns boolean
language sql
immutable
as $$
  select value = trim_scale(value::numeric)::text
    and scale(value::numeric) <= 2
    and abs(value::numeric) < 1000000000000000
$$;
comment on function saldo_private.is_plain_decimal is
  'Whether a text is the shortest form of a number with at most 2 decimals, below 10^15. It fails '
  'on what is no number.';

create or replace function saldo_private.is_plain_row(
  kind text,
  type text,
  category text,
  amount text,
  expected text,
  voids text,
  corrects text,
  reason text
)
returns boolean
language sql
immutable
as $$
  select case kind
    when 'entry' then type in ('IN', 'OUT') and amount <> '0' and expected is null
      and voids is null and (corrects is null or corrects = corrects::uuid::text)
    when 'void' then type in ('IN', 'OUT') and amount <> '0' and expected is null
      and voids = voids::uuid::text and corrects is null and reason is not null
    when 'count' then type is null and category in ('open', 'close')
      and saldo_private.is_plain_decimal(expected) and voids is null and corrects is null
    else false
  end
$$;
comment on function saldo_private.is_plain_row is
  'Whether the fields of a row fit its kind. It fails on an id that is none.';

create or replace function saldo_private.branch_arrivals__plain(
  rows_data jsonb,
  device_id uuid,
  epoch uuid
)
returns saldo_private.branch_arrival[]
language plpgsql
stable
set plan_cache_mode = force_generic_plan
as $$
declare
  v_prefix text := concat_ws(E'\t', 'saldo-branch-row-1', device_id, epoch, '');
  v_arrivals saldo_private.branch_arrival[];
  v_are_plain boolean;
begin
  -- By place, as it is done for each row of a backlog: no, data, payload, row_id, seq, fault,
  -- is_hash_right, is_of_branch, arrival_hash, content_hash.
  select array_agg(
      (a.no, a.data, null, a.id, a.seq, null, true, true,
        sha256(convert_to(concat_ws(' ', branch_arrivals__plain.device_id,
          branch_arrivals__plain.epoch, a.data), 'UTF8')), -- as branch_arrival_hash
        sha256(convert_to(a.content, 'UTF8')))::saldo_private.branch_arrival
      order by a.no
    ),
    bool_and(coalesce(a.is_plain and a.hash = encode(sha256(convert_to(
      v_prefix || a.seq || a.content || saldo_private.plain_field(a.prev) || E'\n', 'UTF8'
    )), 'hex'), false))
  into v_arrivals, v_are_plain
  from (
    select e.no::integer as no, e.data, r.id, r.seq, r.prev, r.hash,
      concat(E'\t', r.id, E'\t', r.payload_version, E'\t', r.kind,
        saldo_private.plain_field(r.type), saldo_private.text_field(r.category),
        E'\t', r.amount, saldo_private.plain_field(r.expected), E'\t', r.currency,
        saldo_private.text_field(r.description), E'\t', r.occurred_at, E'\t', r.business_date,
        saldo_private.text_field(r.cashier), saldo_private.plain_field(r.voids),
        saldo_private.plain_field(r.corrects), saldo_private.text_field(r.reason)) as content,
      to_jsonb(r) = e.data
        and r.id = r.id::uuid::text
        and r.seq between 1 and 999999999999999
        and r.payload_version = 1
        and saldo_private.is_plain_row(
          r.kind, r.type, r.category, r.amount, r.expected, r.voids, r.corrects, r.reason
        )
        and saldo_private.is_plain_decimal(r.amount)
        and r.amount::numeric >= 0
        and r.currency ~ '^[A-Z]{3}$'
        and saldo_private.is_plain_line(r.category, 100)
        and coalesce(saldo_private.is_plain_line(r.cashier, 100), true)
        and coalesce(saldo_private.is_plain_text(r.description, 500), true)
        and coalesce(saldo_private.is_plain_text(r.reason, 500), true)
        and r.occurred_at = to_char(
          r.occurred_at::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
        )
        and r.occurred_at::timestamptz between '1900-01-01' and '9999-12-31'
        and r.business_date = to_char(r.business_date::timestamp, 'YYYY-MM-DD')
        and r.business_date::date between '1900-01-01' and '9999-12-30'
        and coalesce(
          length(r.prev) = 64 and r.prev = encode(decode(r.prev, 'hex'), 'hex'), true
        ) as is_plain
    from jsonb_array_elements(rows_data) with ordinality as e (data, no)
    cross join lateral jsonb_to_record(e.data) as r (
      id text, seq bigint, payload_version integer, kind text, type text, category text,
      amount text, expected text, currency text, description text, occurred_at text,
      business_date text, cashier text, voids text, corrects text, reason text, prev text,
      hash text
    )
    offset 0 -- or it is looked at again wherever it is used
  ) as a;
  return case when v_are_plain then v_arrivals end;
exception
  when data_exception then
    return null; -- what could not be read at all
end
$$;
comment on function saldo_private.branch_arrivals__plain is
  'The same where every row is well-formed and has its hash; null = one is not, or may not be.';

create or replace function saldo_private.branch_arrivals(
  rows_data jsonb,
  device_id uuid,
  epoch uuid
)
returns saldo_private.branch_arrival[]
language sql
stable
as $$
  select coalesce(
    saldo_private.branch_arrivals__plain(rows_data, device_id, epoch),
    saldo_private.branch_arrivals__each(rows_data, device_id, epoch)
  )
$$;
comment on function saldo_private.branch_arrivals is 'The rows of a push of protocol 1.';


create or replace function saldo_private.branch_arrivals_of_0(
  rows_data jsonb,
  device_id uuid,
  branch saldo.branch
)
returns saldo_private.branch_arrival[]
language sql
stable
as $$
  select coalesce(array_agg(jsonb_populate_record(
    null::saldo_private.branch_arrival, jsonb_build_object(
      'no', r.no,
      'data', r.data,
      'payload', r.payload,
      'row_id', case when saldo_private.is_row_uuid(r.data -> 'id') then r.data ->> 'id' end,
      'fault', r.fault,
      'is_hash_right', true,
      'is_of_branch', coalesce(r.payload ->> 'branch_id' = branch.code, false),
      'arrival_hash', saldo_private.branch_arrival_hash(device_id, null, r.payload),
      'content_hash', sha256(convert_to(
        case when r.fault is null then saldo_private.branch_row_content(r.data)
          else r.payload::text end, 'UTF8'
      ))
    )
  ) order by r.no), '{}')
  from (
    select d.no, d.payload, d.data, saldo_private.branch_row_fault(
        case when jsonb_typeof(d.data) = 'object'
          then d.data || jsonb_build_object('seq', 1, 'hash', repeat('0', 64)) end
      ) as fault
    from (
      select e.no, e.payload,
        saldo_private.branch_row_of_0(e.payload, branch.currency, branch.time_zone) as data
      from jsonb_array_elements(rows_data) with ordinality as e (payload, no)
      offset 0 -- or it is looked at again wherever it is used
    ) as d
    offset 0
  ) as r
$$;
comment on function saldo_private.branch_arrivals_of_0 is
  'The same of protocol 0, whose rows have neither place nor hash.';

comment on type saldo_private.branch_arrival is
  'A row of a push, looked at by itself: data in the form of protocol 1, payload as it came where '
  'that is kept.';
