-- Figures across customers: a month, and the dashboard of a year, with totals, also as CSV.
--
-- Public: customers_month, customers_year, customers_month_csv, customers_year_csv. Private:
-- customers_figure, customers_grid, customers_csv, csv_text.
-- From one snapshot, as customer_month tells each customer: reported from the stored totals,
-- restated from the journal. Totals are by currency.

create or replace function saldo_private.customers_figure(
  basis saldo.balance_basis,
  until date
)
returns table (
  account_id bigint,
  month date,
  deposits numeric,
  purchases numeric,
  deposit_adjustments numeric,
  purchase_adjustments numeric,
  others numeric,
  volume_sm3 numeric
)
language plpgsql
stable
as $$
begin
  if basis = 'reported' then
    return query
    select t.account_id, t.month::date, t.deposits::numeric, t.purchases::numeric,
      t.deposit_adjustments::numeric, t.purchase_adjustments::numeric, t.others::numeric,
      t.volume_sm3::numeric
    from saldo.customer_month_total as t
    where t.month <= until;
    return;
  end if;
  return query
  select p.account_id, p.month, sum(p.deposits), sum(p.purchases), 0.0, 0.0, sum(p.others),
    sum(p.volume_sm3)
  from (
    select c.account_id,
      coalesce(e.origin_month::date, saldo_private.month_of(l.posting_date)) as month,
      case when s.source = 'deposit' then l.credit - l.debit else 0 end as deposits,
      case when s.source = 'rating' then l.debit - l.credit else 0 end as purchases,
      case when s.source in ('deposit', 'rating') then 0 else l.credit - l.debit end as others,
      0.0 as volume_sm3
    from saldo.customer as c
    join saldo.journal_line as l on l.account_id = c.account_id
    join saldo.journal_entry as e on e.id = l.entry_id
    left join saldo.journal_entry as reversed on reversed.id = e.reverses
    cross join lateral (select coalesce(reversed.source, e.source) as source) as s
    union all
    select r.account_id, r.month::date, 0, 0, 0, r.volume_sm3::numeric
    from saldo.rated_line as r
    where r.superseded_at is null
  ) as p
  where p.month <= until
  group by p.account_id, p.month;
end
$$;
comment on function saldo_private.customers_figure is
  'Figures of all customers by month, up to one.';

create or replace function saldo_private.customers_grid(
  first_month date,
  last_month date,
  basis saldo.balance_basis
)
returns setof saldo.customers_month
language sql
stable
as $$
  with figure as materialized (
    select f.*, f.deposits - f.purchases + f.deposit_adjustments - f.purchase_adjustments
      + f.others as change
    from saldo_private.customers_figure(basis, last_month) as f
  ),
  opening as (
    select f.account_id, sum(f.change) as balance
    from figure as f
    where f.month < first_month
    group by f.account_id
  )
  select c.id, c.code, c.name, c.currency::text, s.month::date,
    coalesce(o.balance, 0) + sum(coalesce(f.change, 0)) over by_month - coalesce(f.change, 0),
    coalesce(f.deposits, 0), coalesce(f.purchases, 0), coalesce(f.deposit_adjustments, 0),
    coalesce(f.purchase_adjustments, 0), coalesce(f.others, 0),
    coalesce(o.balance, 0) + sum(coalesce(f.change, 0)) over by_month,
    coalesce(f.volume_sm3, 0), 1::bigint
  from saldo.customer as c
  cross join generate_series(first_month::timestamp, last_month::timestamp, '1 month') as s (month)
  left join figure as f on f.account_id = c.account_id and f.month = s.month::date
  left join opening as o on o.account_id = c.account_id
  window by_month as (partition by c.id order by s.month)
$$;
comment on function saldo_private.customers_grid is
  'Each customer in each month from one to another.';

create or replace function saldo.customers_month(
  month date,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.customers_month
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_month date := saldo_private.require_month(customers_month.month);
begin
  return query
  select g.customer_id, case grouping(g.customer_id) when 0 then min(g.customer_code) end,
    case grouping(g.customer_id) when 0 then min(g.customer_name) end, g.currency, v_month,
    trim_scale(sum(g.opening_balance)), trim_scale(sum(g.deposits)), trim_scale(sum(g.purchases)),
    trim_scale(sum(g.deposit_adjustments)), trim_scale(sum(g.purchase_adjustments)),
    trim_scale(sum(g.others)), trim_scale(sum(g.closing_balance)), trim_scale(sum(g.volume_sm3)),
    count(*)
  from saldo_private.customers_grid(
    v_month, v_month, coalesce(customers_month.basis, 'reported')
  ) as g
  group by grouping sets ((g.currency, g.customer_id), (g.currency))
  order by grouping(g.customer_id), 2, g.currency;
end
$$;
comment on function saldo.customers_month is
  'A month of all customers: a row for each in the order of their codes, then one for the total of '
  'each currency, without a customer. Columns as in customer_month. Error: SB010 input_invalid.';
revoke execute on function saldo.customers_month from public;
grant execute on function saldo.customers_month to saldo_admin, saldo_operator, saldo_biller;

create or replace function saldo.customers_year(
  year integer,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.customers_month
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_first date;
  v_last date;
begin
  if (customers_year.year between 1900 and 9999) is not true then
    perform saldo_private.fail('input_invalid', 'year: from 1900 to 9999');
  end if;
  v_first := make_date(customers_year.year, 1, 1);
  v_last := make_date(customers_year.year, 12, 1);
  return query
  select g.customer_id, case grouping(g.customer_id) when 0 then min(g.customer_code) end,
    case grouping(g.customer_id) when 0 then min(g.customer_name) end, g.currency, g.month,
    -- A year opens with its first month, and closes with its last one.
    trim_scale(case grouping(g.month) when 0 then sum(g.opening_balance)
      else sum(g.opening_balance) filter (where g.month = v_first) end),
    trim_scale(sum(g.deposits)), trim_scale(sum(g.purchases)),
    trim_scale(sum(g.deposit_adjustments)), trim_scale(sum(g.purchase_adjustments)),
    trim_scale(sum(g.others)),
    trim_scale(case grouping(g.month) when 0 then sum(g.closing_balance)
      else sum(g.closing_balance) filter (where g.month = v_last) end),
    trim_scale(sum(g.volume_sm3)), count(distinct g.customer_id)
  from saldo_private.customers_grid(
    v_first, v_last, coalesce(customers_year.basis, 'reported')
  ) as g
  group by grouping sets ((g.currency, g.month), (g.currency), (g.currency, g.customer_id))
  order by grouping(g.customer_id) desc, grouping(g.month), g.currency, g.month, 2;
end
$$;
comment on function saldo.customers_year is
  'The dashboard of a year: the sums over all customers for each month and then for the year '
  '(month null), by currency, and the year of each customer in the order of their codes. Columns '
  'as in customer_month. Error: SB010 input_invalid.';
revoke execute on function saldo.customers_year from public;
grant execute on function saldo.customers_year to saldo_admin, saldo_operator, saldo_biller;

create or replace function saldo_private.csv_text(value text)
returns text
language sql
immutable
as $$
  -- A spreadsheet would run what looks like a formula: an apostrophe makes it a text. One that has
  -- semicolons between cells, as in Indonesia, begins a cell at each semicolon of a text, too.
  select '"' || replace(
    regexp_replace(value, '(^(?=[=+@\t\r\n-])|[;\t\r\n](?=[=+@-]))', '\1''', 'g'), '"', '""'
  ) || '"'
$$;
comment on function saldo_private.csv_text is
  'A text as a field of CSV, never a formula; null stays null.';

create or replace function saldo_private.customers_csv(figures saldo.customers_month[])
returns text
language sql
stable
as $$
  select 'customer,name,currency,month,opening_balance,deposits,purchases,deposit_adjustments,'
    'purchase_adjustments,others,closing_balance,volume_sm3,customer_count' || E'\r\n'
    || coalesce(string_agg(array_to_string(array[
      coalesce(saldo_private.csv_text(f.customer_code), 'TOTAL'),
      saldo_private.csv_text(f.customer_name), f.currency, to_char(f.month, 'YYYY-MM'),
      f.opening_balance::text, f.deposits::text, f.purchases::text, f.deposit_adjustments::text,
      f.purchase_adjustments::text, f.others::text, f.closing_balance::text, f.volume_sm3::text,
      f.customer_count::text
    ], ',', ''), E'\r\n' order by f.ordinality) || E'\r\n', '')
  from unnest(figures) with ordinality as f
$$;
comment on function saldo_private.customers_csv is 'The figures as CSV, a line for each.';

create or replace function saldo.customers_month_csv(
  month date,
  basis saldo.balance_basis default 'reported'
)
returns text
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select saldo_private.customers_csv(array(
    select m
    from saldo.customers_month(customers_month_csv.month, customers_month_csv.basis) as m
  ))
$$;
comment on function saldo.customers_month_csv is
  'customers_month as CSV: UTF-8, a first line of names, lines end with CR and LF, texts are '
  'quoted and never formulas. Error: SB010 input_invalid.';
revoke execute on function saldo.customers_month_csv from public;
grant execute on function saldo.customers_month_csv to saldo_admin, saldo_operator, saldo_biller;

create or replace function saldo.customers_year_csv(
  year integer,
  basis saldo.balance_basis default 'reported'
)
returns text
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select saldo_private.customers_csv(array(
    select y
    from saldo.customers_year(customers_year_csv.year, customers_year_csv.basis) as y
  ))
$$;
comment on function saldo.customers_year_csv is
  'customers_year as CSV, as customers_month_csv writes it. Error: SB010 input_invalid.';
revoke execute on function saldo.customers_year_csv from public;
grant execute on function saldo.customers_year_csv to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.customers_month is 'Figures of a customer, or of all, for a month or a year.';
comment on column saldo.customers_month.customer_id is 'Customer; null = all of the currency.';
comment on column saldo.customers_month.customer_code is 'Code of the customer; null = all.';
comment on column saldo.customers_month.customer_name is 'Name of the customer; null = all.';
comment on column saldo.customers_month.currency is 'Currency of the amounts.';
comment on column saldo.customers_month.month is 'First day of the month; null = the year.';
comment on column saldo.customers_month.opening_balance is 'Balance at its beginning.';
comment on column saldo.customers_month.deposits is 'Deposits, less those taken back.';
comment on column saldo.customers_month.purchases is 'What the readings cost.';
comment on column saldo.customers_month.deposit_adjustments is
  'Deposits of closed months that came, changed or went; 0 where restated.';
comment on column saldo.customers_month.purchase_adjustments is
  'What readings of closed months cost more, or less if negative; 0 where restated.';
comment on column saldo.customers_month.others is
  'Whatever else was posted, positive if it adds.';
comment on column saldo.customers_month.closing_balance is 'Balance at its end.';
comment on column saldo.customers_month.volume_sm3 is 'Volume at reference conditions.';
comment on column saldo.customers_month.customer_count is 'How many customers it adds up.';
