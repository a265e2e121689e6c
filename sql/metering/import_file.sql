-- What a file says, whatever program saved it: its numbers in plain form, and a key for each row.
--
-- Public: import_digests. Private, for npx saldo import: import_numbers, import_keys. Private:
-- import_number, import_said, import_columns, require_import_columns.
-- A spreadsheet that saves a file again writes 5000.00 for 5000, and 08:00:00 for 08:00. So a row
-- is known by what its fields mean, and not by how they are written.

create or replace function saldo_private.import_columns(kind text)
returns text[]
language sql
immutable
as $$
  select array['row_no'] || case kind
    when 'customers' then array['code', 'name', 'currency']
    when 'deposits' then array['customer', 'amount', 'occurred_at', 'description', 'key']
    when 'meters'
      then array['customer', 'code', 'kind', 'installed_at', 'start_index', 'register_limit']
    when 'readings' then array['customer', 'meter', 'read_at', 'index_value', 'volume', 'quality',
      'is_rollover', 'key']
  end
$$;
comment on function saldo_private.import_columns is 'What a row of this kind may have.';

create or replace function saldo_private.require_import_columns(import_row jsonb, kind text)
returns void
language plpgsql
stable
as $$
declare
  v_unknown jsonb := import_row - saldo_private.import_columns(kind);
begin
  if v_unknown <> '{}' then
    perform saldo_private.fail('input_invalid', format('unknown: %s', left(v_unknown::text, 100)));
  end if;
end
$$;
comment on function saldo_private.require_import_columns is
  'Refuses a row with a field that its kind does not have, a misspelt one say: '
  'SB010 input_invalid.';

create or replace function saldo_private.import_said(import_row jsonb, kind text)
returns jsonb
language sql
stable
as $$
  select coalesce(jsonb_object_agg(f.name, coalesce(
    case
      when f.name in ('amount', 'start_index', 'register_limit', 'index_value', 'volume')
        then trim_scale(saldo_private.import_decimal(f.value))::text
      when f.name in ('occurred_at', 'installed_at', 'read_at')
        then trim_scale(extract(epoch from saldo_private.import_time(f.value)))::text
    end,
    btrim(normalize(f.value, nfc))
  )), '{}')
  from (
    select each.name, saldo_private.import_field(import_row, each.name) as value
    from unnest(saldo_private.import_columns(kind)) as each (name)
    where each.name not in ('row_no', 'key')
  ) as f
  where f.value is not null
  -- What a reading is where it does not say so.
  and (f.name, f.value) not in (('quality', 'actual'), ('is_rollover', 'false'))
$$;
comment on function saldo_private.import_said is
  'What a row says, without its number and key: numbers without zeros, times as instants, texts as '
  'they are stored. A field that means nothing is left as it is written, to be refused later.';

create or replace function saldo_private.import_keys(kind text, rows jsonb)
returns text[]
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.require_import_rows(import_keys.rows);
  return array(
    select encode(
      saldo_private.request_hash(
        import_keys.kind, saldo_private.import_said(r.value, import_keys.kind)
      ),
      'hex'
    )
    from jsonb_array_elements(import_keys.rows) with ordinality as r (value, place)
    order by r.place
  );
end
$$;
comment on function saldo_private.import_keys is
  'A digest of what each row says, in their order: the same for the same. Error: '
  'SB010 input_invalid.';
revoke execute on function saldo_private.import_keys from public;
grant execute on function saldo_private.import_keys to saldo_admin;

create or replace function saldo_private.import_number(
  value text,
  decimal_comma boolean,
  thousands boolean
)
returns text
language sql
immutable
as $$
  select case
    when w.value ~ '^-?[0-9]+([.][0-9]+)?$' then w.value
    when thousands and w.value ~ '^-?[0-9]{1,3}(,[0-9]{3})+([.][0-9]+)?$'
      then replace(w.value, ',', '')
  end
  from (
    select case when decimal_comma then translate(value, ',.', '.,') else value end as value
  ) as w
$$;
comment on function saldo_private.import_number is
  'A number in plain digits with a point; null for what is not written in this way.';

create or replace function saldo_private.import_numbers(
  row_nos integer[],
  numbers text[],
  is_money boolean,
  decimal_comma boolean,
  thousands boolean
)
returns text[]
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_plain text[] := array(
    select saldo_private.import_number(btrim(n.value), decimal_comma, thousands)
    from unnest(numbers) with ordinality as n (value, place)
    order by n.place
  );
  v_row_no integer;
  v_value text;
begin
  -- What is no number in any way of writing is its row's fault alone.
  select n.row_no, n.value
  into v_row_no, v_value
  from unnest(row_nos, numbers, v_plain) with ordinality as n (row_no, value, plain, place)
  where n.plain is null
  and btrim(n.value) ~ '^-?[0-9][0-9.,]*$'
  order by n.place
  limit 1;
  if v_row_no is not null then
    perform saldo_private.fail('file_numbers_wrong', format(
      'row %s: %L', v_row_no, left(v_value, 40)
    ));
  end if;
  select n.row_no, n.value
  into v_row_no, v_value
  from unnest(row_nos, numbers, v_plain) with ordinality as n (row_no, value, plain, place)
  where is_money
  and n.plain ~ '^-?[0-9]{1,3}[.][0-9]{3}$'
  order by n.place
  limit 1;
  if v_row_no is not null then
    perform saldo_private.fail(
      'amount_scale', format('row %s: %L', v_row_no, left(v_value, 40)),
      'No amount has three decimals. Where that sign stands between thousands, say --thousands, '
      'with --decimal-comma for a point; or write plain digits.'
    );
  end if;
  return array(
    select coalesce(n.plain, n.value)
    from unnest(numbers, v_plain) with ordinality as n (value, plain, place)
    order by n.place
  );
end
$$;
comment on function saldo_private.import_numbers is
  'The numbers of a column of a file in plain form, in their order; what is no number stays as it '
  'is. row_nos: their rows, for the error. decimal_comma: 1234,5; thousands: 1,234.5; both: '
  '1.234,5. Errors of the whole: SB435 file_numbers_wrong where one is written in another way, '
  'SB003 amount_scale where an amount looks like thousands.';
revoke execute on function saldo_private.import_numbers from public;
grant execute on function saldo_private.import_numbers to saldo_admin;

create or replace function saldo.import_digests(kind text, rows jsonb)
returns text[]
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if (kind in ('customers', 'deposits', 'meters', 'readings')) is not true then
    perform saldo_private.fail('input_invalid', 'kind: customers, deposits, meters or readings');
  end if;
  return saldo_private.import_keys(import_digests.kind, import_digests.rows);
end
$$;
comment on function saldo.import_digests is
  'A digest of what each of up to 5,000 rows of a file says, in their order: the same for the '
  'same, however it is written. A program that imports files makes a key of it, csv:DIGEST:N for '
  'the Nth such row of the file, as npx saldo import does; so the same file again, or its rest, '
  'records nothing twice. Error: SB010 input_invalid.';
revoke execute on function saldo.import_digests from public;
grant execute on function saldo.import_digests to saldo_admin, saldo_biller;
