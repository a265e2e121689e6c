-- Import: rows of files of customers, deposits and meters, each answered by itself.
--
-- Public: saldo.import_customers, import_deposits, import_meters. Private: import_row, import_rows,
-- import_customer, import_deposit, import_deposit__twin, import_deposits__lock, import_meter.
-- A row is an object of texts: row_no and the columns of its file. It counts once, however often it
-- comes: a deposit by its key, a customer by its code, a meter by its code and time. Each row is a
-- subtransaction: a bad one holds back none of the others, and is written nowhere.
-- Locks: those of the functions that record what a row says, until the end of the transaction; of
-- deposits the months and accounts of all rows come first.

create or replace function saldo_private.import_customer(import_row jsonb)
returns saldo.import_result
language plpgsql
as $$
declare
  v_code text := saldo_private.import_field(import_row, 'code');
  v_name text := saldo_private.import_field(import_row, 'name');
  v_currency text := saldo_private.import_field(import_row, 'currency');
  v_result saldo.import_result;
begin
  select c.id::text, 'imported before'
  into v_result.id, v_result.detail
  from saldo.customer as c
  where c.code = normalize(v_code, nfc)
  and c.name = normalize(v_name, nfc)
  and c.currency = coalesce(v_currency, c.currency);
  if v_result.id is null then
    v_result.id := (saldo.create_customer(v_code, v_name, v_currency)).id::text;
  end if;
  return v_result;
end
$$;
comment on function saldo_private.import_customer is
  'Records a row of a file of customers, once by its code.';

create or replace function saldo_private.import_deposit__twin(deposit saldo.deposit)
returns text
language sql
stable
as $$
  select format('possibly the same as deposit %s', d.id)
  from saldo.deposit as d
  where d.account_id = deposit.account_id
  and d.occurred_at = deposit.occurred_at
  and d.amount = deposit.amount
  and d.description = deposit.description
  and d.status = 'current'
  and d.id <> deposit.id
  -- Rows of one file that say the same are counted by their keys: there are that many.
  and (
    deposit.idempotency_key not like 'csv:%'
    or regexp_replace(d.idempotency_key, ':[0-9]+$', '')
      is distinct from regexp_replace(deposit.idempotency_key, ':[0-9]+$', '')
  ) is not false
  order by d.id
  limit 1
$$;
comment on function saldo_private.import_deposit__twin is
  'Tells another deposit that says the same under another key; null = there is none.';

create or replace function saldo_private.import_deposit(import_row jsonb)
returns saldo.import_result
language plpgsql
as $$
declare
  v_key text := saldo_private.import_field(import_row, 'key');
  v_deposit saldo.deposit;
  v_result saldo.import_result;
begin
  v_result.detail := case when exists (
    select
    from saldo_private.idempotency_record as i
    where i.scope = 'metering'
    and i.key = v_key
  ) then 'imported before' end;
  v_deposit := saldo.add_deposit(
    customer_id => saldo_private.import_customer_id(
      saldo_private.import_field(import_row, 'customer')
    ),
    amount => saldo_private.require_amount_text(saldo_private.import_field(import_row, 'amount')),
    occurred_at => saldo_private.require_import_time(
      saldo_private.import_field(import_row, 'occurred_at'), 'occurred_at'
    ),
    description => saldo_private.import_field(import_row, 'description'),
    idempotency_key => v_key
  );
  v_result.id := v_deposit.id::text;
  v_result.detail := coalesce(
    v_result.detail, saldo_private.import_deposit__twin(v_deposit)
  );
  return v_result;
end
$$;
comment on function saldo_private.import_deposit is
  'Records a row of a file of deposits, once by its key.';

create or replace function saldo_private.import_deposits__lock(rows jsonb)
returns void
language plpgsql
as $$
declare
  v_account_ids bigint[];
begin
  perform saldo_private.hold_months_of(array(
    select t.at
    from jsonb_array_elements(rows) as r (value)
    cross join lateral (
      select saldo_private.import_time(saldo_private.import_field(r.value, 'occurred_at')) as at
    ) as t
    where t.at is not null
  ));
  select array_agg(distinct c.account_id)
    || array_agg(distinct saldo_private.system_account('cash', c.currency))
  into v_account_ids
  from saldo.customer as c
  where c.code in (
    select normalize(saldo_private.import_field(r.value, 'customer'), nfc)
    from jsonb_array_elements(rows) as r (value)
  );
  perform
  from saldo.account as a
  where a.id = any (v_account_ids)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
end
$$;
comment on function saldo_private.import_deposits__lock is
  'Takes the months and then the accounts of all rows, in their order: one row after the other '
  'would take them in that of the file, and deadlock with deposits that come meanwhile.';

create or replace function saldo_private.import_meter(import_row jsonb)
returns saldo.import_result
language plpgsql
as $$
declare
  v_customer_id bigint := saldo_private.import_customer_id(
    saldo_private.import_field(import_row, 'customer')
  );
  v_code text := saldo_private.import_field(import_row, 'code');
  v_kind text := coalesce(saldo_private.import_field(import_row, 'kind'), 'index');
  v_installed_at timestamptz := saldo_private.require_import_time(
    saldo_private.import_field(import_row, 'installed_at'), 'installed_at'
  );
  v_start numeric := coalesce(saldo_private.require_import_decimal(
    saldo_private.import_field(import_row, 'start_index'), 'start_index'), 0);
  v_limit numeric := coalesce(saldo_private.require_import_decimal(
    saldo_private.import_field(import_row, 'register_limit'), 'register_limit'), 1000000);
  v_result saldo.import_result;
begin
  if v_kind not in ('index', 'volume') then
    perform saldo_private.fail('input_invalid', 'kind: index or volume');
  end if;
  select m.id::text, 'imported before'
  into v_result.id, v_result.detail
  from saldo.customer as c
  join saldo.meter as m on m.account_id = c.account_id
  where c.id = v_customer_id
  and m.code = normalize(v_code, nfc)
  and m.kind::text = v_kind
  and m.installed_at = v_installed_at
  and (m.kind = 'volume' or (m.start_index = v_start and m.register_limit = v_limit))
  order by m.id
  limit 1;
  if v_result.id is null then
    v_result.id := (saldo.install_meter(
      v_customer_id, v_code, v_kind::saldo.meter_kind, v_installed_at, v_start, v_limit
    )).id::text;
  end if;
  return v_result;
end
$$;
comment on function saldo_private.import_meter is
  'Records a row of a file of meters, once by its code and time of installation.';

create or replace function saldo_private.import_row(import_row jsonb, kind text)
returns saldo.import_result
language plpgsql
as $$
declare
  v_result saldo.import_result;
  v_state text;
  v_condition text;
  v_message text;
  v_detail text;
begin
  perform saldo_private.require_import_columns(import_row.import_row, import_row.kind);
  v_result := case import_row.kind
    when 'customers' then saldo_private.import_customer(import_row.import_row)
    when 'deposits' then saldo_private.import_deposit(import_row.import_row)
    when 'meters' then saldo_private.import_meter(import_row.import_row)
  end;
  v_result.is_accepted := true;
  v_result.row_no := (import_row.import_row ->> 'row_no')::integer;
  return v_result;
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_condition = constraint_name,
      v_message = message_text, v_detail = pg_exception_detail;
    v_result := saldo_private.import_refusal(v_state, v_condition, v_message, v_detail);
    if v_result.error_code is null then
      raise;
    end if;
    v_result.row_no := (import_row.import_row ->> 'row_no')::integer;
    return v_result;
end
$$;
comment on function saldo_private.import_row is
  'Records a row, or tells why not. What is no fault of the row''s ends the whole import.';

create or replace function saldo_private.import_rows(rows jsonb, kind text, dry_run boolean)
returns setof saldo.import_result
language plpgsql
as $$
declare
  v_results saldo.import_result[] := '{}';
  v_row jsonb;
begin
  perform saldo_private.require_import_rows(import_rows.rows);
  begin
    if import_rows.kind = 'deposits' then
      perform saldo_private.import_deposits__lock(import_rows.rows);
    end if;
    for v_row in
      select r.value
      from jsonb_array_elements(import_rows.rows) as r (value)
    loop
      v_results := v_results || saldo_private.import_row(v_row, import_rows.kind);
    end loop;
    if import_rows.dry_run then
      perform saldo_private.fail('input_invalid', 'dry run');
    end if;
  exception
    -- Only the line above raises it: a row's own was answered. All is undone but the answers.
    when sqlstate 'SB010' then
      null;
  end;
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from unnest(v_results) as u;
end
$$;
comment on function saldo_private.import_rows is
  'Records rows of a kind, or with dry_run only tells what would come of them.';

create or replace function saldo.import_customers(rows jsonb, dry_run boolean default false)
returns setof saldo.import_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from saldo_private.import_rows(import_customers.rows, 'customers', import_customers.dry_run) as u;
end
$$;
comment on function saldo.import_customers is
  'Records up to 5,000 rows of a file of customers and answers each: objects of texts with '
  'row_no, code, name, currency. One that is there with the same fields counts as accepted. A bad '
  'row holds back none of the others. dry_run: writes nothing. Error of the whole: '
  'SB010 input_invalid. Errors of a row: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB014 not_unique.';
revoke execute on function saldo.import_customers from public;
grant execute on function saldo.import_customers to saldo_admin, saldo_biller;

create or replace function saldo.import_deposits(rows jsonb, dry_run boolean default false)
returns setof saldo.import_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from saldo_private.import_rows(import_deposits.rows, 'deposits', import_deposits.dry_run) as u;
end
$$;
comment on function saldo.import_deposits is
  'Records up to 5,000 rows of a file of deposits and answers each: objects of texts with row_no, '
  'customer, amount, occurred_at, description, key. key: under one a deposit counts once; detail '
  'names another deposit that says the same. A bad row holds back none of the others. dry_run: '
  'writes nothing. Error of the whole: SB010 input_invalid. Errors of a row: '
  'SB401 customer_not_found, SB002 amount_invalid, SB003 amount_scale, SB004 amount_out_of_range, '
  'SB433 date_invalid, SB008 text_invalid, SB009 text_too_long, SB010 input_invalid, '
  'SB005 idempotency_conflict, SB108 period_locked, SB102 account_closed, and those of a posting.';
revoke execute on function saldo.import_deposits from public;
grant execute on function saldo.import_deposits to saldo_admin, saldo_biller;

create or replace function saldo.import_meters(rows jsonb, dry_run boolean default false)
returns setof saldo.import_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from saldo_private.import_rows(import_meters.rows, 'meters', import_meters.dry_run) as u;
end
$$;
comment on function saldo.import_meters is
  'Records up to 5,000 rows of a file of meters and answers each: objects of texts with row_no, '
  'customer, code, kind, installed_at, start_index, register_limit. One that is there with the '
  'same fields counts as accepted. A bad row holds back none of the others. dry_run: writes '
  'nothing. Error of the whole: SB010 input_invalid. Errors of a row: SB401 customer_not_found, '
  'SB433 date_invalid, SB010 input_invalid, SB434 decimal_invalid, SB411 reading_invalid, '
  'SB409 reading_in_future, SB008 text_invalid, SB009 text_too_long, SB014 not_unique.';
revoke execute on function saldo.import_meters from public;
grant execute on function saldo.import_meters to saldo_admin, saldo_biller;
