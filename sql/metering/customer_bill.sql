-- The bill of a customer and month, and its transactions: by the lines that count today.
--
-- Public: customer_bill, customer_transactions. Private: bill_line__*, bill_lines.
-- Both go by the month that things are about (restated): a line that was superseded is not in them,
-- and a late price stands in the month of its reading. So the lines of a bill add up exactly to the
-- purchases of customer_month, restated, less what it calls others.

create or replace function saldo_private.bill_line__consumption(account_id bigint, month date)
returns setof saldo.bill_line
language sql
stable
as $$
  select jsonb_populate_record(null::saldo.bill_line, jsonb_build_object(
    'kind', 'consumption',
    'description', case when d.from_date is null then format('Reading of %s', r.read_on)
      else format('%s to %s, read on %s', d.from_date, d.to_date, r.read_on) end,
    'read_on', r.read_on,
    'meter_code', m.code,
    'reading_id', r.id,
    'from_date', d.from_date,
    'to_date', d.to_date,
    'volume_m3', trim_scale(d.volume_m3),
    'factor', d.factor,
    'volume_sm3', trim_scale(d.volume_sm3),
    'price', trim_scale(d.price),
    'amount', trim_scale(d.amount),
    'is_provisional', l.is_provisional
  ))
  from saldo.rated_line as l
  join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
  join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
  cross join lateral (
    select 1 as part_no, null::date as from_date, null::date as to_date,
      l.volume_m3::numeric as volume_m3, l.factor, l.volume_sm3::numeric as volume_sm3, l.price,
      l.amount::numeric as amount
    where l.parts is null
    union all
    select p.part_no, p.from_date, p.to_date, p.volume_m3, p.factor, p.volume_sm3, p.price,
      p.amount
    from unnest(l.parts) as p
  ) as d
  where l.account_id = bill_line__consumption.account_id
  and l.month = bill_line__consumption.month
  and l.superseded_at is null
  and not l.is_withdrawn
  order by r.read_at, m.code, d.part_no
$$;
comment on function saldo_private.bill_line__consumption is
  'What the readings of a customer and month cost, each, or each of its parts.';

create or replace function saldo_private.bill_line__other(account_id bigint, month date)
returns setof saldo.bill_line
language sql
stable
as $$
  select jsonb_populate_record(null::saldo.bill_line, jsonb_build_object(
    'kind', 'other',
    'description', e.description,
    'read_on', saldo_private.business_date(e.occurred_at),
    'amount', trim_scale(-m.change)
  ))
  from saldo_private.customer_movement(bill_line__other.account_id, 'restated') as m
  join saldo.journal_entry as e on e.id = m.entry_id
  where m.month = bill_line__other.month
  and m.kind = 'other'
  order by e.occurred_at, e.id
$$;
comment on function saldo_private.bill_line__other is
  'What else was posted about a month, as charged: negative where it is for the customer.';

create or replace function saldo_private.bill_line__charge(account_id bigint, month date)
returns setof saldo.bill_line
language sql
stable
as $$
  select jsonb_populate_record(null::saldo.bill_line, jsonb_build_object(
    'kind', c.kind,
    'description', c.name,
    'volume_sm3', case when c.kind in ('tier', 'minimum_take', 'round_half_up', 'round_down')
      then c.quantity end,
    'quantity', c.quantity,
    'price', c.price,
    'amount', c.amount
  ))
  from saldo.customer_charge as c
  where c.account_id = bill_line__charge.account_id
  and c.month = bill_line__charge.month
  and c.superseded_at is null
  order by c.kind, c.name, c.part_id
$$;
comment on function saldo_private.bill_line__charge is
  'What the parts of the tariff charged for a month, taxes last.';

create or replace function saldo_private.bill_lines(account_id bigint, month date)
returns saldo.bill_line[]
language sql
stable
as $$
  select array(
    select jsonb_populate_record(l.line, jsonb_build_object(
      'line_no', row_number() over (order by l.section, l.place)
    ))
    from (
      select 1 as section, row_number() over () as place, line
      from saldo_private.bill_line__consumption(account_id, bill_lines.month) as line
      union all
      select 2, row_number() over (), line
      from saldo_private.bill_line__charge(account_id, bill_lines.month) as line
      union all
      select 3, row_number() over (), line
      from saldo_private.bill_line__other(account_id, bill_lines.month) as line
    ) as l
    order by l.section, l.place
  )
$$;
comment on function saldo_private.bill_lines is 'The lines of a bill, numbered from 1.';

create or replace function saldo.customer_bill(customer_id bigint, month date)
returns saldo.customer_bill
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_customer saldo.customer := saldo_private.require_customer(customer_bill.customer_id);
  v_month date := saldo_private.require_month(customer_bill.month);
  v_figures saldo.customer_month;
  v_bill saldo.customer_bill;
begin
  select *
  into strict v_figures
  from saldo.customer_month(v_customer.id, v_month, v_month, 'restated');
  v_bill.lines := saldo_private.bill_lines(v_customer.account_id, v_month);
  v_bill.customer_id := v_customer.id;
  v_bill.customer_code := v_customer.code;
  v_bill.customer_name := v_customer.name;
  v_bill.month := v_month;
  v_bill.currency := v_customer.currency;
  v_bill.opening_balance := v_figures.opening_balance;
  v_bill.deposits := v_figures.deposits;
  v_bill.volume_sm3 := v_figures.volume_sm3;
  v_bill.total := (
    select coalesce(trim_scale(sum(line.amount)), 0)
    from unnest(v_bill.lines) as line
  );
  v_bill.closing_balance := v_figures.closing_balance;
  v_bill.unrated_count := (
    select count(*)
    from saldo_private.unrated_reading as u
    where u.account_id = v_customer.account_id
    and saldo_private.month_of(u.read_on) = v_month
  );
  return v_bill;
end
$$;
comment on function saldo.customer_bill is
  'The bill of a customer and month by what counts today: a line for each reading in the order of '
  'date, or for each of its parts where the tariff divides it, one for each charge of the tariff '
  '(charge_customers), and one for whatever else was posted about the month. total is the sum of '
  'the lines, to the cent, and opening_balance + deposits - total = closing_balance. '
  'unrated_count: readings that are not in it, see unrated_readings. '
  'Errors in checking order: SB401 customer_not_found, SB010 input_invalid.';
revoke execute on function saldo.customer_bill from public;
grant execute on function saldo.customer_bill to saldo_admin, saldo_operator, saldo_biller;

create or replace function saldo_private.customer_transaction__reading(
  account_id bigint,
  month date,
  by_part boolean
)
returns setof saldo.customer_transaction
language sql
stable
as $$
  select jsonb_populate_record(null::saldo.customer_transaction, jsonb_build_object(
    'occurred_at', r.read_at,
    'posting_date', (
      select max(l.posting_date)
      from saldo.rated_line as l
      where l.account_id = r.account_id
      and l.reading_id = r.id
      and l.superseded_at is null
    ),
    'kind', 'reading',
    'description', case when by_part or count(*) = 1 then min(b.description)
      else format('Reading of %s', r.read_on) end,
    'meter_code', min(b.meter_code),
    'reading_id', r.id,
    'index_value', r.index_value,
    'volume_m3', sum(b.volume_m3),
    'volume_sm3', sum(b.volume_sm3),
    'price', case when count(*) = 1 then min(b.price) end,
    'debit', sum(b.amount),
    'credit', 0
  ))
  from saldo_private.bill_line__consumption(
    customer_transaction__reading.account_id, customer_transaction__reading.month
  ) as b
  join saldo.reading as r on r.account_id = customer_transaction__reading.account_id
    and r.id = b.reading_id
  group by r.account_id, r.id, r.read_at, r.read_on, r.index_value,
    case when by_part then b.from_date end
$$;
comment on function saldo_private.customer_transaction__reading is
  'Readings of a customer and month, a row for each or for each of its parts, without balances.';

create or replace function saldo_private.customer_transaction__rows(
  account_id bigint,
  month date,
  by_part boolean
)
returns setof saldo.customer_transaction
language sql
stable
as $$
  select jsonb_populate_record(null::saldo.customer_transaction, jsonb_build_object(
    'occurred_at', d.occurred_at,
    'posting_date', e.posting_date,
    'kind', 'deposit',
    'description', d.description,
    'debit', 0,
    'credit', trim_scale(d.amount)
  ))
  from saldo.deposit as d
  join saldo.journal_entry as e on e.id = d.entry_id
  where d.account_id = customer_transaction__rows.account_id
  and d.status = 'current'
  and coalesce(e.origin_month, saldo_private.month_of(e.posting_date))
    = customer_transaction__rows.month
  union all
  select r
  from saldo_private.customer_transaction__reading(
    customer_transaction__rows.account_id, customer_transaction__rows.month,
    customer_transaction__rows.by_part
  ) as r
  union all
  select jsonb_populate_record(null::saldo.customer_transaction, jsonb_build_object(
    'occurred_at', e.occurred_at,
    'posting_date', e.posting_date,
    'kind', 'other',
    'description', e.description,
    'debit', trim_scale(greatest(-m.change, 0)),
    'credit', trim_scale(greatest(m.change, 0))
  ))
  from saldo_private.customer_movement(customer_transaction__rows.account_id, 'restated') as m
  join saldo.journal_entry as e on e.id = m.entry_id
  where m.month = customer_transaction__rows.month
  and m.kind = 'other'
  union all
  select jsonb_populate_record(null::saldo.customer_transaction, jsonb_build_object(
    'occurred_at', least(c.charged_at, saldo_private.day_begins_at(
      (c.month + interval '1 month')::date) - interval '1 second'),
    'kind', c.kind,
    'description', c.name,
    'price', c.price,
    'debit', greatest(c.amount, 0),
    'credit', greatest(-c.amount, 0)
  ))
  from saldo.customer_charge as c
  where c.account_id = customer_transaction__rows.account_id
  and c.month = customer_transaction__rows.month
  and c.superseded_at is null
$$;
comment on function saldo_private.customer_transaction__rows is
  'Deposits, readings, charges and other entries of a customer and month, without balances.';

create or replace function saldo.customer_transactions(
  customer_id bigint,
  month date,
  by_part boolean default false
)
returns setof saldo.customer_transaction
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_customer saldo.customer := saldo_private.require_customer(customer_transactions.customer_id);
  v_month date := saldo_private.require_month(customer_transactions.month);
  v_opening numeric := (
    select m.opening_balance
    from saldo.customer_month(v_customer.id, v_month, v_month, 'restated') as m
  );
begin
  return query
  select t.occurred_at, t.posting_date, t.kind, t.description, t.meter_code, t.reading_id,
    t.index_value, t.volume_m3, t.volume_sm3, t.price, t.debit, t.credit,
    trim_scale(v_opening + sum(t.credit - t.debit) over (
      order by t.occurred_at, t.kind, t.meter_code, t.description rows unbounded preceding
    ))
  from saldo_private.customer_transaction__rows(
    v_customer.account_id, v_month, coalesce(by_part, false)
  ) as t
  order by t.occurred_at, t.kind, t.meter_code, t.description;
end
$$;
comment on function saldo.customer_transactions is
  'What happened on the deposit account of a customer in a month, by what counts today: a row for '
  'each reading, deposit and other entry, in the order of time, each with the balance after it. '
  'by_part: a row for each part of a reading that its tariff divides. Errors in checking order: '
  'SB401 customer_not_found, SB010 input_invalid.';
revoke execute on function saldo.customer_transactions from public;
grant execute on function saldo.customer_transactions to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.bill_line is 'A line of a bill.';
comment on column saldo.bill_line.line_no is 'Number of the line, from 1.';
comment on column saldo.bill_line.kind is
  'consumption, the kind of a charge (tariff_part_kind), or other for whatever else was posted.';
comment on column saldo.bill_line.description is 'What it is, in words.';
comment on column saldo.bill_line.read_on is 'Business date of the reading, or of the entry.';
comment on column saldo.bill_line.meter_code is 'Meter that was read; null = other.';
comment on column saldo.bill_line.reading_id is 'Reading; null = other.';
comment on column saldo.bill_line.from_date is 'First day of a part; null = not divided.';
comment on column saldo.bill_line.to_date is 'Last day of a part; null = not divided.';
comment on column saldo.bill_line.volume_m3 is 'Volume by the meter.';
comment on column saldo.bill_line.factor is 'Correction factor.';
comment on column saldo.bill_line.volume_sm3 is 'Volume at reference conditions.';
comment on column saldo.bill_line.quantity is
  'Months, days or Sm3 that are charged; of a tax the amount that it is of; null = consumption.';
comment on column saldo.bill_line.price is 'Price of one; of a tax percent.';
comment on column saldo.bill_line.amount is 'What it costs; negative where it is given back.';
comment on column saldo.bill_line.is_provisional is
  'Whether price or factor are the last known ones; null = other.';
comment on type saldo.customer_bill is 'The bill of a customer and month.';
comment on column saldo.customer_bill.customer_id is 'Customer.';
comment on column saldo.customer_bill.customer_code is 'Code of the customer.';
comment on column saldo.customer_bill.customer_name is 'Name of the customer.';
comment on column saldo.customer_bill.month is 'First day of the month.';
comment on column saldo.customer_bill.currency is 'Currency of the amounts.';
comment on column saldo.customer_bill.opening_balance is 'Balance at the beginning of the month.';
comment on column saldo.customer_bill.deposits is 'Deposits of the month.';
comment on column saldo.customer_bill.volume_sm3 is 'Volume at reference conditions.';
comment on column saldo.customer_bill.total is 'Sum of the lines.';
comment on column saldo.customer_bill.closing_balance is
  'Balance at the end of the month: opening_balance + deposits - total.';
comment on column saldo.customer_bill.unrated_count is
  'Readings of the month that are not rated, and so in no line.';
comment on column saldo.customer_bill.lines is 'The lines, consumption in the order of date first.';
comment on type saldo.customer_transaction is 'What happened on a deposit account.';
comment on column saldo.customer_transaction.occurred_at is 'When it happened, or was read.';
comment on column saldo.customer_transaction.posting_date is 'Day on which it was posted last.';
comment on column saldo.customer_transaction.kind is
  'deposit, reading, the kind of a charge (tariff_part_kind), or other.';
comment on column saldo.customer_transaction.description is 'What it is, in words.';
comment on column saldo.customer_transaction.meter_code is 'Meter that was read.';
comment on column saldo.customer_transaction.reading_id is 'Reading.';
comment on column saldo.customer_transaction.index_value is 'What the register showed.';
comment on column saldo.customer_transaction.volume_m3 is 'Volume by the meter.';
comment on column saldo.customer_transaction.volume_sm3 is 'Volume at reference conditions.';
comment on column saldo.customer_transaction.price is
  'Price per Sm3; null = several, or no reading.';
comment on column saldo.customer_transaction.debit is 'What the customer owes for it, or 0.';
comment on column saldo.customer_transaction.credit is 'What the customer gets for it, or 0.';
comment on column saldo.customer_transaction.balance is 'Balance of the account after it.';
