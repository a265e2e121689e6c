-- Adding a part of the tariff, and taking one out of use.
--
-- Public: add_tariff_part, remove_tariff_part, preview_tariff_part. Private: preview_charging.
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

create or replace function saldo_private.tariff_part__drafted(
  kind saldo.tariff_part_kind,
  name text,
  price numeric,
  effective_from date,
  effective_to date,
  from_volume numeric,
  customer_id bigint,
  currency text
)
returns saldo.tariff_part
language plpgsql
stable
as $$
declare
  v_part saldo.tariff_part;
  v_customer saldo.customer;
begin
  v_part.name := saldo_private.require_line(tariff_part__drafted.name, 'name', 60);
  -- A tier may be cheaper, a tax is a share; the others are prices.
  if (tariff_part__drafted.kind is not null and abs(tariff_part__drafted.price) < 1e12
    and scale(trim_scale(tariff_part__drafted.price)) <= 6
    and (tariff_part__drafted.price >= 0 or tariff_part__drafted.kind = 'tier')
    and (tariff_part__drafted.price <= 100 or tariff_part__drafted.kind <> 'tax')
    and tariff_part__drafted.from_volume >= 0 and tariff_part__drafted.from_volume < 1e15
    and (tariff_part__drafted.kind not in ('round_half_up', 'round_down')
      or (tariff_part__drafted.price = 0 and tariff_part__drafted.from_volume >= 0.000001))
  ) is not true then
    perform saldo_private.fail('price_invalid', format('%s: price %s from %s', kind,
      left(coalesce(price::text, 'none'), 40), left(coalesce(from_volume::text, 'none'), 40)));
  end if;
  perform saldo_private.require_version_dates(
    tariff_part__drafted.effective_from, tariff_part__drafted.effective_to
  );
  if tariff_part__drafted.customer_id is not null then
    v_customer := saldo_private.require_customer(tariff_part__drafted.customer_id);
  end if;
  v_part.currency := coalesce(
    tariff_part__drafted.currency, v_customer.currency, saldo_private.setting_value('currency')
  );
  if v_part.currency !~ '^[A-Z]{3}$' or v_part.currency <> v_customer.currency then
    perform saldo_private.fail('input_invalid', format(
      'currency %L: three capital letters, those of the customer', v_part.currency
    ));
  end if;
  v_part.kind := tariff_part__drafted.kind;
  v_part.account_id := v_customer.account_id;
  v_part.price := trim_scale(tariff_part__drafted.price);
  v_part.from_volume := trim_scale(tariff_part__drafted.from_volume);
  v_part.effective_from := tariff_part__drafted.effective_from;
  v_part.effective_to := tariff_part__drafted.effective_to;
  return v_part;
end
$$;
comment on function saldo_private.tariff_part__drafted is
  'A part that is not written yet: SB008 text_invalid, SB009 text_too_long, SB412 price_invalid, '
  'SB010 input_invalid, SB401 customer_not_found.';

create or replace function saldo_private.tariff_part__record(part saldo.tariff_part)
returns saldo.tariff_part
language plpgsql
as $$
declare
  v_part saldo.tariff_part;
begin
  insert into saldo.tariff_part (
    kind, name, account_id, currency, price, from_volume, target_account_id, effective_from,
    effective_to, recorded_by
  )
  values (
    part.kind, part.name, part.account_id, part.currency, part.price, part.from_volume,
    case when part.kind = 'tax'
      then saldo_private.tariff_part__account(part.name, part.currency) end,
    part.effective_from, part.effective_to, saldo_private.actor()
  )
  -- Of tariff_part_begins_once_a_day.
  on conflict do nothing
  returning * into v_part;
  if v_part.id is null then
    perform saldo_private.fail('version_overlap', format('%s %L from %s', part.kind, part.name,
      part.effective_from));
  end if;
  return v_part;
end
$$;
comment on function saldo_private.tariff_part__record is
  'Writes a part: SB014 not_unique for a tax whose account another call opens, '
  'SB414 version_overlap.';

create or replace function saldo_private.tariff_part__remove(part_id bigint)
returns saldo.tariff_part
language plpgsql
as $$
declare
  v_part saldo.tariff_part;
begin
  update saldo.tariff_part as p
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where p.id = tariff_part__remove.part_id
  and p.removed_at is null
  returning * into v_part;
  if v_part.id is null then
    perform saldo_private.fail('version_not_found', format('tariff part %s', part_id));
  end if;
  return v_part;
end
$$;
comment on function saldo_private.tariff_part__remove is
  'Takes a part out of use, if it stands: SB415 version_not_found.';

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
  v_part saldo.tariff_part := saldo_private.tariff_part__drafted(
    add_tariff_part.kind,
    add_tariff_part.name,
    add_tariff_part.price,
    add_tariff_part.effective_from,
    add_tariff_part.effective_to,
    add_tariff_part.from_volume,
    add_tariff_part.customer_id,
    add_tariff_part.currency
  );
begin
  perform saldo_private.lock_rating(
    case when v_part.account_id is not null then array[v_part.account_id] end
  );
  v_part := saldo_private.tariff_part__record(v_part);
  perform saldo_private.recharge_or_queue('add_tariff_part', v_part);
  return v_part;
end
$$;
comment on function saldo.add_tariff_part is
  'Adds a part of the tariff from a day on, for one customer or for all. kind: standing_month '
  '(price a month), standing_day (price a day), tier (price more, or less if negative, for each '
  'Sm3 of a month above from_volume), minimum_take (price for each Sm3 that a month is short of '
  'from_volume), round_half_up or round_down (the Sm3 of a month are billed in whole ones of '
  'from_volume, 1 say, with price 0: what that adds or takes is a line at the price of the last '
  'reading, and tiers and the minimum take go by the rounded figure; one rule counts, the last '
  'that began), tax (price percent of the sum of the others and of the readings, to the account '
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
  v_part := saldo_private.tariff_part__remove(remove_tariff_part.part_id);
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

create or replace function saldo_private.preview_charging(part saldo.tariff_part)
returns saldo.rating_preview[]
language plpgsql
as $$
declare
  v_lines saldo.rated_line[];
begin
  -- In the shape of rated lines: what becomes of a month is told as what becomes of a reading.
  v_lines := array(
    select jsonb_populate_record(null::saldo.rated_line, jsonb_build_object(
      'account_id', m.account_id, 'month', m.month, 'volume_change', 0,
      'amount', due.amount, 'amount_change', due.amount - standing.amount
    ))
    from saldo_private.charged_months_since(
      part.effective_from, part.account_id, part.currency
    ) as m
    join saldo.customer as c on c.account_id = m.account_id
    cross join lateral (
      select coalesce(sum(n.amount), 0) as amount
      from saldo_private.charges_of(c, m.month) as n
    ) as due
    cross join lateral (
      select coalesce(sum(g.amount), 0) as amount
      from saldo.customer_charge as g
      where g.account_id = m.account_id
      and g.month = m.month
      and g.superseded_at is null
    ) as standing
    where (m.month <= part.effective_to) is not false
    and due.amount <> standing.amount
  );
  perform saldo_private.recharge_or_queue__check(
    array(select l.account_id from unnest(v_lines) as l),
    array(select l.month::date from unnest(v_lines) as l)
  );
  return array(select p from saldo_private.preview_rating(v_lines) as p);
end
$$;
comment on function saldo_private.preview_charging is
  'What becomes of charged months that this part of the tariff is about, by the parts that stand '
  'now: SB108 period_locked.';

create or replace function saldo.preview_tariff_part(
  kind saldo.tariff_part_kind default null,
  name text default null,
  price numeric default null,
  effective_from date default null,
  effective_to date default null,
  from_volume numeric default 0,
  customer_id bigint default null,
  currency text default null,
  part_id bigint default null
)
returns setof saldo.rating_preview
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_preview saldo.rating_preview[];
begin
  begin
    v_preview := saldo_private.preview_charging(
      case when preview_tariff_part.part_id is not null
        then saldo_private.tariff_part__remove(preview_tariff_part.part_id)
        else saldo_private.tariff_part__record(saldo_private.tariff_part__drafted(
          preview_tariff_part.kind,
          preview_tariff_part.name,
          preview_tariff_part.price,
          preview_tariff_part.effective_from,
          preview_tariff_part.effective_to,
          preview_tariff_part.from_volume,
          preview_tariff_part.customer_id,
          preview_tariff_part.currency
        )) end
    );
    perform saldo_private.fail('input_invalid', 'preview');
  exception
    -- The line above ends what was tried: all is undone but what was found.
    when sqlstate 'SB010' then
      if v_preview is null then
        raise;
      end if;
  end;
  return query
  select p.currency, p.customer_id, p.customer_code, p.customer_name, p.month, p.is_closed,
    p.reading_count, p.amount_before, p.amount_after, p.amount_change, p.volume_change
  from unnest(v_preview) as p;
end
$$;
comment on function saldo.preview_tariff_part is
  'Tells what add_tariff_part, or with part_id alone remove_tariff_part, would do to months that '
  'are charged, and changes nothing: the charges and taxes of a month in all of a currency (month '
  'and customer null), by month, and for the 100 customers whose bill would change most. Months '
  'that nobody has charged yet are charged by it later, and are not in it. Errors in checking '
  'order: SB415 version_not_found, SB008 text_invalid, SB009 text_too_long, SB412 price_invalid, '
  'SB010 input_invalid, SB401 customer_not_found, SB014 not_unique for a tax whose account another '
  'call opens, SB414 version_overlap, SB108 period_locked.';
revoke execute on function saldo.preview_tariff_part from public;
grant execute on function saldo.preview_tariff_part to saldo_admin, saldo_biller;
