-- What an import reads in a row: fields, figures and times as they stand in a file.
--
-- Private: import_field, import_decimal, import_time, require_import_time, require_import_decimal,
-- import_customer_id, require_import_rows, import_refusal.
-- Nothing is guessed: a decimal comma, a date of another form or one that no calendar has is
-- refused.

create or replace function saldo_private.import_field(import_row jsonb, name text)
returns text
language sql
immutable
as $$
  select nullif(btrim(import_row ->> name), '')
$$;
comment on function saldo_private.import_field is 'A field of a row; an empty one is null.';

create or replace function saldo_private.import_decimal(value text)
returns numeric
language sql
immutable
as $$
  select case when value ~ '^-?[0-9]{1,40}(\.[0-9]{1,40})?$' then value::numeric end
$$;
comment on function saldo_private.import_decimal is
  'A plain decimal number with a point; null for anything else.';

create or replace function saldo_private.import_time(value text)
returns timestamptz
language plpgsql
stable
as $$
declare
  v_pattern constant text :=
    '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?';
begin
  if value ~ (v_pattern || '(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)$') then
    return value::timestamptz;
  elsif value ~ (v_pattern || '$') then
    return value::timestamp at time zone saldo_private.setting_value('business_time_zone');
  end if;
  return null;
exception
  -- A 30th of February has the form of a date.
  when datetime_field_overflow or invalid_datetime_format then
    return null;
end
$$;
comment on function saldo_private.import_time is
  'An instant of ISO 8601, without a zone of the business time zone; null for anything else.';

create or replace function saldo_private.require_import_time(value text, what text)
returns timestamptz
language plpgsql
stable
as $$
declare
  v_time timestamptz := saldo_private.import_time(value);
begin
  if v_time is null then
    perform saldo_private.fail('date_invalid', format('%s: %s', what,
      coalesce(quote_literal(left(value, 40)), 'none')));
  end if;
  return v_time;
end
$$;
comment on function saldo_private.require_import_time is 'The instant. Error: SB433 date_invalid.';

create or replace function saldo_private.require_import_decimal(value text, what text)
returns numeric
language plpgsql
stable
as $$
declare
  v_number numeric := saldo_private.import_decimal(value);
begin
  if value is not null and v_number is null then
    perform saldo_private.fail('decimal_invalid', format('%s: %L', what, left(value, 40)));
  end if;
  return v_number;
end
$$;
comment on function saldo_private.require_import_decimal is
  'The number, null where there is none. Error: SB434 decimal_invalid.';

create or replace function saldo_private.import_customer_id(code text)
returns bigint
language plpgsql
stable
as $$
declare
  v_id bigint;
begin
  select c.id
  into v_id
  from saldo.customer as c
  where c.code = normalize(import_customer_id.code, nfc);
  if v_id is null then
    perform saldo_private.fail('customer_not_found', format('customer: %s',
      coalesce(quote_literal(left(code, 100)), 'none')));
  end if;
  return v_id;
end
$$;
comment on function saldo_private.import_customer_id is
  'Id of the customer that has this code. Error: SB401 customer_not_found.';

create or replace function saldo_private.require_import_rows(rows jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_expected constant text := 'rows: an array of 1 to 5,000 objects, each with its row_no';
begin
  -- Apart, because nothing promises that a condition is not evaluated after one that failed.
  if rows is null or jsonb_typeof(rows) <> 'array' then
    perform saldo_private.fail('input_invalid', v_expected);
  end if;
  if jsonb_array_length(rows) not between 1 and 5000 or exists (
    select
    from jsonb_array_elements(rows) as r (value)
    where jsonb_typeof(r.value) <> 'object'
    or coalesce(r.value ->> 'row_no', '') !~ '^[1-9][0-9]{0,8}$'
  ) then
    perform saldo_private.fail('input_invalid', v_expected);
  end if;
end
$$;
comment on function saldo_private.require_import_rows is
  'Refuses what is no array of rows: SB010 input_invalid.';

create or replace function saldo_private.import_accepted(row_no integer, id text)
returns saldo.import_result
language plpgsql
immutable
as $$
declare
  v_result saldo.import_result;
begin
  v_result.row_no := import_accepted.row_no;
  v_result.is_accepted := true;
  v_result.id := import_accepted.id;
  return v_result;
end
$$;
comment on function saldo_private.import_accepted is 'The answer to a row that is recorded.';

create or replace function saldo_private.import_refused(
  row_no integer,
  error_code text,
  error_condition text,
  detail text
)
returns saldo.import_result
language plpgsql
immutable
as $$
declare
  v_result saldo.import_result;
begin
  v_result.row_no := import_refused.row_no;
  v_result.is_accepted := false;
  v_result.error_code := import_refused.error_code;
  v_result.error_condition := import_refused.error_condition;
  v_result.detail := import_refused.detail;
  return v_result;
end
$$;
comment on function saldo_private.import_refused is
  'The answer to a row that is not recorded. Call it by name.';

create or replace function saldo_private.import_refusal(
  state text,
  condition text,
  message text,
  detail text
)
returns saldo.import_result
language plpgsql
stable
as $$
declare
  v_result saldo.import_result;
begin
  v_result.is_accepted := false;
  if state like 'SB%' then
    v_result.error_code := state;
    v_result.error_condition := condition;
    v_result.detail := nullif(detail, '');
  elsif left(state, 2) in ('22', '23') then
    -- A value that a domain or a constraint refuses, in the words of PostgreSQL.
    select e.code, e.condition, import_refusal.message
    into strict v_result.error_code, v_result.error_condition, v_result.detail
    from saldo.error_code as e
    where e.condition = 'input_invalid';
  end if;
  return v_result;
end
$$;
comment on function saldo_private.import_refusal is
  'The answer to a row that raised this; without a code for what is no fault of the row''s.';

comment on type saldo.import_result is 'What a row of an import came to.';
comment on column saldo.import_result.row_no is 'Number of the row, as it was given.';
comment on column saldo.import_result.is_accepted is 'Whether it is recorded, now or before.';
comment on column saldo.import_result.id is 'Id of what it recorded; null = refused.';
comment on column saldo.import_result.error_code is 'Code of the error; null = accepted.';
comment on column saldo.import_result.error_condition is 'Its condition; null = accepted.';
comment on column saldo.import_result.detail is
  'What was seen; of an accepted row, that it was imported before, or what is possibly the same.';
