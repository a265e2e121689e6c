-- A row as a till sends it: its form, its canonical text, its hashes.
--
-- Private: branch_row_fault, branch_row_content, branch_row_hash, branch_row_of_0, instant_text.
-- docs/reference/branch-protocol.md has the form; test/branch/hash_vectors.json holds this file and
-- the till's program to the same hashes. A row is looked at by itself: whatever is wrong with one
-- is a text here, never an error.

create or replace function saldo_private.instant_text(at timestamptz)
returns text
language sql
stable
as $$
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
comment on function saldo_private.instant_text is
  'A moment as tills write it: UTC with milliseconds.';

create or replace function saldo_private.is_plain_text(value text, max_length integer)
returns boolean
language sql
immutable
as $$
  select length(value) between 1 and max_length
    and value !~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]'
$$;
comment on function saldo_private.is_plain_text is
  'Whether a text has 1 to so many characters, and no control characters.';

create or replace function saldo_private.is_plain_line(value text, max_length integer)
returns boolean
language sql
immutable
as $$
  select length(value) between 1 and max_length
    and btrim(value) <> ''
    -- As saldo_private.require_line: none of these is seen, and they make two names look alike.
    and value !~ ('[\u0001-\u001F\u007F-\u009F\u061C\u200B\u200E\u200F'
      '\u2028-\u202E\u2060-\u2069\uFEFF]')
$$;
comment on function saldo_private.is_plain_line is
  'Whether a name has 1 to so many characters, in one line and without marks of direction.';

create or replace function saldo_private.is_row_text(value jsonb, max_length integer)
returns boolean
language sql
immutable
as $$
  select jsonb_typeof(value) = 'string'
    and saldo_private.is_plain_text(value #>> '{}', max_length)
$$;
comment on function saldo_private.is_row_text is
  'Whether a field is a text of 1 to so many characters, without control characters.';

create or replace function saldo_private.is_row_line(value jsonb, max_length integer)
returns boolean
language sql
immutable
as $$
  select jsonb_typeof(value) = 'string'
    and saldo_private.is_plain_line(value #>> '{}', max_length)
$$;
comment on function saldo_private.is_row_line is
  'Whether a field is a name of 1 to so many characters, in one line without marks of direction.';

create or replace function saldo_private.is_row_null_or_text(value jsonb, max_length integer)
returns boolean
language sql
immutable
as $$
  select jsonb_typeof(value) = 'null' or saldo_private.is_row_text(value, max_length)
$$;
comment on function saldo_private.is_row_null_or_text is 'The same of a field that may be null.';

create or replace function saldo_private.is_row_uuid(value jsonb)
returns boolean
language sql
immutable
as $$
  select jsonb_typeof(value) = 'string'
    and (value #>> '{}') ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'
$$;
comment on function saldo_private.is_row_uuid is
  'Whether a field is a UUID in lower case with hyphens.';

create or replace function saldo_private.branch_row_fault__time(row_data jsonb)
returns text
language plpgsql
stable
as $$
begin
  if jsonb_typeof(row_data -> 'occurred_at') is distinct from 'string'
    or row_data ->> 'occurred_at' !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$'
    or (row_data ->> 'occurred_at')::timestamptz not between '1900-01-01' and '9999-12-31'
  then
    return 'occurred_at';
  end if;
  if jsonb_typeof(row_data -> 'business_date') is distinct from 'string'
    or row_data ->> 'business_date' !~ '^\d{4}-\d\d-\d\d$'
    or (row_data ->> 'business_date')::date not between '1900-01-01' and '9999-12-30'
  then
    return 'business_date';
  end if;
  return null;
exception
  when datetime_field_overflow or invalid_datetime_format then
    return 'occurred_at or business_date';
end
$$;
comment on function saldo_private.branch_row_fault__time is
  'Which of a row''s times is no moment or day; null = none.';

create or replace function saldo_private.branch_row_fault__kind(row_data jsonb)
returns text
language plpgsql
stable
as $$
declare
  v_kind text := row_data ->> 'kind';
  v_is_count boolean := row_data ->> 'kind' = 'count';
begin
  return case
    when (v_kind in ('entry', 'void', 'count')) is not true then 'kind'
    when case when v_is_count then jsonb_typeof(row_data -> 'type') = 'null'
      else row_data ->> 'type' in ('IN', 'OUT') end is not true then 'type'
    when jsonb_typeof(row_data -> 'amount') is distinct from 'string'
      or row_data ->> 'amount' !~ '^(0|[1-9]\d{0,14})(\.\d?[1-9])?$'
      or (row_data ->> 'amount' = '0' and not v_is_count) then 'amount'
    when case when v_is_count then jsonb_typeof(row_data -> 'expected') = 'string'
        and row_data ->> 'expected' ~ '^-?(0|[1-9]\d{0,14})(\.\d?[1-9])?$'
      else jsonb_typeof(row_data -> 'expected') = 'null' end is not true then 'expected'
    when v_is_count and row_data ->> 'category' not in ('open', 'close') then 'category'
    when case when v_kind = 'void' then saldo_private.is_row_uuid(row_data -> 'voids')
      else jsonb_typeof(row_data -> 'voids') = 'null' end is not true then 'voids'
    when (jsonb_typeof(row_data -> 'corrects') = 'null' or (v_kind = 'entry'
      and saldo_private.is_row_uuid(row_data -> 'corrects'))) is not true then 'corrects'
    when v_kind = 'void' and jsonb_typeof(row_data -> 'reason') = 'null' then 'reason'
  end;
end
$$;
comment on function saldo_private.branch_row_fault__kind is
  'Which field of a row does not fit its kind; null = none.';

create or replace function saldo_private.branch_row_fault(row_data jsonb)
returns text
language plpgsql
stable
as $$
begin
  if jsonb_typeof(row_data) is distinct from 'object' then
    return 'row';
  end if;
  return coalesce(
    case
      when saldo_private.is_row_uuid(row_data -> 'id') is not true then 'id'
      when jsonb_typeof(row_data -> 'seq') is distinct from 'number'
        or row_data ->> 'seq' !~ '^[1-9]\d{0,14}$' then 'seq'
      when row_data -> 'payload_version' is distinct from '1' then 'payload_version'
      when saldo_private.is_row_line(row_data -> 'category', 100) is not true then 'category'
      when (jsonb_typeof(row_data -> 'currency') = 'string'
        and row_data ->> 'currency' ~ '^[A-Z]{3}$') is not true then 'currency'
      when saldo_private.is_row_null_or_text(row_data -> 'description', 500) is not true
        then 'description'
      when (jsonb_typeof(row_data -> 'cashier') = 'null'
        or saldo_private.is_row_line(row_data -> 'cashier', 100)) is not true then 'cashier'
      when saldo_private.is_row_null_or_text(row_data -> 'reason', 500) is not true then 'reason'
      when (jsonb_typeof(row_data -> 'prev') = 'null'
        or row_data ->> 'prev' ~ '^[0-9a-f]{64}$') is not true then 'prev'
      when (row_data ->> 'hash' ~ '^[0-9a-f]{64}$') is not true then 'hash'
      when row_data - array['id', 'seq', 'payload_version', 'kind', 'type', 'category', 'amount',
        'expected', 'currency', 'description', 'occurred_at', 'business_date', 'cashier', 'voids',
        'corrects', 'reason', 'prev', 'hash'] <> '{}' then 'a field that no row has'
    end,
    saldo_private.branch_row_fault__kind(row_data),
    saldo_private.branch_row_fault__time(row_data)
  );
end
$$;
comment on function saldo_private.branch_row_fault is
  'Which field of a row has not its form; null = the row is well-formed.';

create or replace function saldo_private.branch_row_content(row_data jsonb)
returns text
language sql
immutable
as $$
  select saldo_private.text_field(row_data ->> 'id')
    || saldo_private.text_field(row_data ->> 'payload_version')
    || saldo_private.text_field(row_data ->> 'kind')
    || saldo_private.text_field(row_data ->> 'type')
    || saldo_private.text_field(row_data ->> 'category')
    || saldo_private.text_field(row_data ->> 'amount')
    || saldo_private.text_field(row_data ->> 'expected')
    || saldo_private.text_field(row_data ->> 'currency')
    || saldo_private.text_field(row_data ->> 'description')
    || saldo_private.text_field(row_data ->> 'occurred_at')
    || saldo_private.text_field(row_data ->> 'business_date')
    || saldo_private.text_field(row_data ->> 'cashier')
    || saldo_private.text_field(row_data ->> 'voids')
    || saldo_private.text_field(row_data ->> 'corrects')
    || saldo_private.text_field(row_data ->> 'reason')
$$;
comment on function saldo_private.branch_row_content is
  'The part of a row''s canonical text that says what happened, without its place in a chain.';

create or replace function saldo_private.branch_row_hash(
  device_id uuid,
  epoch uuid,
  seq text,
  content text,
  prev_hash text
)
returns text
language sql
stable
as $$
  select encode(sha256(convert_to(
    'saldo-branch-row-1' || E'\t' || device_id || E'\t' || epoch || E'\t' || seq || content
      || saldo_private.text_field(prev_hash) || E'\n',
    'UTF8'
  )), 'hex')
$$;
comment on function saldo_private.branch_row_hash is
  'The hash of a row, over its canonical text.';

create or replace function saldo_private.branch_row_of_0(row_data jsonb, currency text, zone text)
returns jsonb
language plpgsql
stable
as $$
declare
  v_at timestamptz;
  v_amount text := row_data ->> 'amount';
begin
  if jsonb_typeof(row_data) is distinct from 'object' then
    return row_data;
  end if;
  begin
    if row_data ->> 'created_at' ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$' then
      v_at := date_trunc('milliseconds', (row_data ->> 'created_at')::timestamptz);
    end if;
  exception
    when datetime_field_overflow or invalid_datetime_format or invalid_parameter_value then
      v_at := null; -- a fault of the row, which is found as such
  end;
  -- A JSON number is whole, and below 2^53: beyond, digits were lost on the way.
  v_amount := case jsonb_typeof(row_data -> 'amount')
    when 'string' then substring(v_amount from '^\d{1,15}(?:\.\d{1,2})?$')
    when 'number' then substring(v_amount from '^\d{1,15}$')
  end;
  return jsonb_build_object(
    'id', lower(row_data ->> 'id'),
    'payload_version', 1,
    'kind', 'entry',
    'type', upper(row_data ->> 'type'),
    'category', row_data ->> 'category',
    'amount', trim_scale(v_amount::numeric)::text,
    'expected', null,
    'currency', currency,
    'description', nullif(row_data ->> 'description', ''),
    'occurred_at', to_char(v_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'business_date', to_char(v_at at time zone zone, 'YYYY-MM-DD'),
    'cashier', null, 'voids', null, 'corrects', null, 'reason', null, 'prev', null
  );
end
$$;
comment on function saldo_private.branch_row_of_0 is
  'A row of protocol 0 in the form of a row of protocol 1, without place and hash.';
