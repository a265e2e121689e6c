-- Parts of a tariff beside the price per Sm3: standing charges, tiers, a minimum take, taxes.
--
-- Public: saldo.tariff_part, add_tariff_part, remove_tariff_part. Private: tariff_part_on.
-- A part counts from effective_from to effective_to, without an end until another one of its kind
-- and name begins; one of the customer comes before that of all. What they charge for a month is
-- computed and posted by charge_customers (charge.sql).

create or replace function saldo_private.tariff_part_on(
  customer saldo.customer,
  kind saldo.tariff_part_kind,
  name text,
  day date
)
returns setof saldo.tariff_part
language sql
stable
as $$
  select p.*
  from saldo.tariff_part as p
  where coalesce(p.account_id, 0) = any (array[customer.account_id, 0])
  and p.currency = customer.currency
  and p.kind = tariff_part_on.kind
  and p.name = tariff_part_on.name
  and p.effective_from <= tariff_part_on.day
  and (p.effective_to < tariff_part_on.day) is not true
  and p.removed_at is null
  order by p.account_id nulls last, p.effective_from desc
  limit 1
$$;
comment on function saldo_private.tariff_part_on is
  'The part of that kind and name that counts for a customer on a day.';

create or replace function saldo_private.tariff_part__account(name text, currency text)
returns bigint
language plpgsql
as $$
declare
  v_code text := 'tax:' || tariff_part__account.name || ':' || tariff_part__account.currency;
  v_id bigint := (select a.id from saldo.account as a where a.code = v_code);
begin
  if v_id is null then
    v_id := (saldo.open_account(
      code => v_code,
      name => tariff_part__account.name || ' ' || tariff_part__account.currency,
      type => 'liability',
      currency => tariff_part__account.currency
    )).id;
  end if;
  return v_id;
end
$$;
comment on function saldo_private.tariff_part__account is
  'The account of a tax, tax:NAME:CURRENCY, opened where it is not there.';

create or replace function saldo.add_tariff_part(
  kind saldo.tariff_part_kind,
  name text,
  price numeric,
  effective_from date,
  effective_to date default null,
  from_volume numeric default 0,
  customer_id bigint default null,
  currency text default null
)
returns saldo.tariff_part
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_name text := saldo_private.require_line(add_tariff_part.name, 'name', 60);
  v_customer saldo.customer;
  v_currency text;
  v_part saldo.tariff_part;
begin
  -- A tier may be cheaper, a tax is a share; the others are prices.
  if (add_tariff_part.kind is not null and abs(add_tariff_part.price) < 1e12
    and scale(trim_scale(add_tariff_part.price)) <= 6
    and (add_tariff_part.price >= 0 or add_tariff_part.kind = 'tier')
    and (add_tariff_part.price <= 100 or add_tariff_part.kind <> 'tax')
    and add_tariff_part.from_volume >= 0 and add_tariff_part.from_volume < 1e15
  ) is not true then
    perform saldo_private.fail('price_invalid', format('%s: price %s from %s', kind,
      left(coalesce(price::text, 'none'), 40), left(coalesce(from_volume::text, 'none'), 40)));
  end if;
  perform saldo_private.require_version_dates(
    add_tariff_part.effective_from, add_tariff_part.effective_to
  );
  if add_tariff_part.customer_id is not null then
    v_customer := saldo_private.require_customer(add_tariff_part.customer_id);
  end if;
  v_currency := coalesce(
    add_tariff_part.currency, v_customer.currency, saldo_private.setting_value('currency')
  );
  if v_currency !~ '^[A-Z]{3}$' or v_currency <> v_customer.currency then
    perform saldo_private.fail('input_invalid', format(
      'currency %L: three capital letters, those of the customer', v_currency
    ));
  end if;
  insert into saldo.tariff_part (
    kind, name, account_id, currency, price, from_volume, target_account_id, effective_from,
    effective_to, recorded_by
  )
  values (
    add_tariff_part.kind, v_name, v_customer.account_id, v_currency,
    trim_scale(add_tariff_part.price), trim_scale(add_tariff_part.from_volume),
    case when add_tariff_part.kind = 'tax'
      then saldo_private.tariff_part__account(v_name, v_currency) end,
    add_tariff_part.effective_from, add_tariff_part.effective_to, saldo_private.actor()
  )
  -- Of tariff_part_begins_once_a_day.
  on conflict do nothing
  returning * into v_part;
  if v_part.id is null then
    perform saldo_private.fail('version_overlap', format('%s %L from %s', kind, v_name,
      effective_from));
  end if;
  return v_part;
end
$$;
comment on function saldo.add_tariff_part is
  'Adds a part of the tariff from a day on, for one customer or for all. kind: standing_month '
  '(price a month), standing_day (price a day), tier (price more, or less if negative, for each '
  'Sm3 of a month above from_volume), minimum_take (price for each Sm3 that a month is short of '
  'from_volume), tax (price percent of the sum of the others and of the readings, to the account '
  'tax:NAME:CURRENCY). effective_to: last day; null = until another one of that kind and name '
  'begins. charge_customers posts what it comes to. Errors in checking order: '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB412 price_invalid, '
  'SB010 input_invalid, SB401 customer_not_found, SB010 input_invalid, SB014 not_unique for a tax '
  'whose account another call opens, SB414 version_overlap for one of that kind, name and day.';
revoke execute on function saldo.add_tariff_part from public;
grant execute on function saldo.add_tariff_part to saldo_admin, saldo_biller;

create or replace function saldo.remove_tariff_part(part_id bigint)
returns saldo.tariff_part
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_part saldo.tariff_part;
begin
  update saldo.tariff_part as p
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where p.id = remove_tariff_part.part_id
  and p.removed_at is null
  returning * into v_part;
  if v_part.id is null then
    perform saldo_private.fail('version_not_found', format('tariff part %s', part_id));
  end if;
  return v_part;
end
$$;
comment on function saldo.remove_tariff_part is
  'Takes a part of the tariff out of use; it stays as history, and so does what it charged until '
  'charge_customers is called again. Error: SB415 version_not_found.';
revoke execute on function saldo.remove_tariff_part from public;
grant execute on function saldo.remove_tariff_part to saldo_admin, saldo_biller;

select saldo_private.secure_table('saldo.tariff_part');
drop policy if exists select_all on saldo.tariff_part;
create policy select_all on saldo.tariff_part for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.tariff_part to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.tariff_part_kind is
  'standing_month: a price a month; standing_day: a price a day; tier: a price more or less above '
  'a volume of a month; minimum_take: a price for what a month is short of a volume; tax: percent.';
comment on table saldo.tariff_part is 'What a tariff charges beside the price per Sm3.';
comment on column saldo.tariff_part.id is 'Id, in the order of recording.';
comment on column saldo.tariff_part.kind is 'What it charges for.';
comment on column saldo.tariff_part.name is
  'What the line of the bill is called; with the kind it tells parts apart.';
comment on column saldo.tariff_part.account_id is
  'Account of the customer whose part it is; null = of all.';
comment on column saldo.tariff_part.currency is 'Currency of the price.';
comment on column saldo.tariff_part.price is
  'Price a month, a day or an Sm3, by its kind; of a tax percent.';
comment on column saldo.tariff_part.from_volume is
  'Sm3 of a month above which a tier counts, or which are the minimum take; otherwise 0.';
comment on column saldo.tariff_part.target_account_id is
  'Account that a tax is credited to; null = revenue.';
comment on column saldo.tariff_part.effective_from is 'First business date on which it counts.';
comment on column saldo.tariff_part.effective_to is
  'Last business date on which it counts; null = until another one begins.';
comment on column saldo.tariff_part.recorded_at is 'When it was recorded.';
comment on column saldo.tariff_part.recorded_by is 'Who recorded it: token subject or login.';
comment on column saldo.tariff_part.removed_at is 'When it was removed; null = it stands.';
comment on column saldo.tariff_part.removed_by is
  'Who removed it: token subject or login; null = in use.';
