-- Adding a part of the tariff, and taking one out of use.
--
-- Public: add_tariff_part, remove_tariff_part.
-- Months that are charged are charged again, in the same transaction or by a job (rerating.sql).
-- Locks: lock_rating, of the customer whose part it is, or of all.

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
  perform saldo_private.lock_rating(
    case when v_customer.id is not null then array[v_customer.account_id] end
  );
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
  perform saldo_private.recharge_or_queue('add_tariff_part', v_part);
  return v_part;
end
$$;
comment on function saldo.add_tariff_part is
  'Adds a part of the tariff from a day on, for one customer or for all. kind: standing_month '
  '(price a month), standing_day (price a day), tier (price more, or less if negative, for each '
  'Sm3 of a month above from_volume), minimum_take (price for each Sm3 that a month is short of '
  'from_volume), tax (price percent of the sum of the others and of the readings, to the account '
  'tax:NAME:CURRENCY). effective_to: last day; null = until another one of that kind and name '
  'begins. charge_customers posts what it comes to; months that are charged are charged again by '
  'themselves, more than rerate_at_once_max months of customers by a job, see rerating. Errors in '
  'checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB412 price_invalid, SB010 input_invalid, SB401 customer_not_found, SB010 input_invalid, '
  'SB020 isolation_unsupported, SB014 not_unique for a tax whose account another call opens, '
  'SB414 version_overlap for one of that kind, name and day, SB108 period_locked, '
  'SB102 account_closed, and those of a posting.';
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
  select *
  into v_part
  from saldo.tariff_part as p
  where p.id = remove_tariff_part.part_id;
  if v_part.id is not null then
    perform saldo_private.lock_rating(
      case when v_part.account_id is not null then array[v_part.account_id] end
    );
  end if;
  update saldo.tariff_part as p
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where p.id = remove_tariff_part.part_id
  and p.removed_at is null
  returning * into v_part;
  if v_part.id is null then
    perform saldo_private.fail('version_not_found', format('tariff part %s', part_id));
  end if;
  perform saldo_private.recharge_or_queue('remove_tariff_part', v_part);
  return v_part;
end
$$;
comment on function saldo.remove_tariff_part is
  'Takes a part of the tariff out of use; it stays as history, and months that it is charged in '
  'are charged again as in add_tariff_part. Errors in checking order: SB020 isolation_unsupported, '
  'SB415 version_not_found, SB108 period_locked, SB102 account_closed, and those of a posting.';
revoke execute on function saldo.remove_tariff_part from public;
grant execute on function saldo.remove_tariff_part to saldo_admin, saldo_biller;
