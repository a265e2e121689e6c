-- Why readings are not rated: which price or factor is missing for which day.
--
-- Public: saldo.unrated_readings. Private: unrated_reason, unrated_open, unrated_late,
-- unrated_count, rule_reading_unrated.
-- Versions are looked up once for each day and customer with versions of its own, or for all others
-- together: a month without a price may leave twenty thousand unrated.

create or replace function saldo_private.unrated_reason__text(
  reason saldo.unrated_reason,
  read_on date
)
returns text
language sql
stable
as $$
  select case reason
    when 'price' then format('no price for %s', read_on)
    when 'factor' then format('no correction factor for %s', read_on)
    when 'price_and_factor' then format('no price and no correction factor for %s', read_on)
    when 'rerating' then 'waits for a re-rating that is open'
    when 'account_frozen' then 'the account of the customer is frozen'
    when 'account_closed' then 'the account of the customer is closed'
    else 'not rated since prices, factors or settings changed: call rerate_readings'
  end
$$;
comment on function saldo_private.unrated_reason__text is 'The reason in words.';

create or replace function saldo_private.unrated_reason(account_ids bigint[] default null)
returns table (
  account_id bigint,
  reading_id uuid,
  read_on date,
  reason saldo.unrated_reason,
  reason_text text,
  noted_at timestamptz
)
language sql
stable
as $$
  with unrated as materialized (
    select u.account_id, u.reading_id, u.read_on, u.noted_at, c.currency,
      case when own.has_price then u.account_id else 0 end as price_account,
      case when own.has_factor then u.account_id else 0 end as factor_account,
      a.closed_at is not null as is_closed, a.frozen_at is not null as is_frozen
    from saldo_private.unrated_reading as u
    join saldo.customer as c on c.account_id = u.account_id
    join saldo.account as a on a.id = u.account_id
    join (
      select d.account_id,
        exists (select from saldo.tariff_version as t where t.account_id = d.account_id)
          as has_price,
        exists (
          select from saldo.correction_factor_version as f where f.account_id = d.account_id
        ) as has_factor
      from (
        select distinct n.account_id
        from saldo_private.unrated_reading as n
        where unrated_reason.account_ids is null
        or n.account_id = any (unrated_reason.account_ids)
      ) as d
    ) as own on own.account_id = u.account_id
  ),
  -- A version that has ended stands in where the setting says so.
  base as (
    select saldo_private.setting_value('rating_without_version') = 'provisional' as is_provisional
  ),
  price as materialized (
    select d.price_account, d.currency, d.read_on, exists (
      select
      from saldo.tariff_version as v
      where coalesce(v.account_id, 0) = any (array[d.price_account, 0])
      and v.currency = d.currency
      and v.effective_from <= d.read_on
      and (base.is_provisional or (v.effective_to < d.read_on) is not true)
      and v.removed_at is null
    ) as is_there
    from (select distinct u.price_account, u.currency, u.read_on from unrated as u) as d
    cross join base
  ),
  factor as materialized (
    select d.factor_account, d.read_on, exists (
      select
      from saldo.correction_factor_version as v
      where coalesce(v.account_id, 0) = any (array[d.factor_account, 0])
      and v.effective_from <= d.read_on
      and (base.is_provisional or (v.effective_to < d.read_on) is not true)
      and v.removed_at is null
    ) as is_there
    from (select distinct u.factor_account, u.read_on from unrated as u) as d
    cross join base
  )
  select u.account_id, u.reading_id, u.read_on, w.reason,
    saldo_private.unrated_reason__text(w.reason, u.read_on), u.noted_at
  from unrated as u
  join price as p on p.price_account = u.price_account and p.currency = u.currency
    and p.read_on = u.read_on
  join factor as f on f.factor_account = u.factor_account and f.read_on = u.read_on
  cross join lateral (
    select case
      when u.is_closed then 'account_closed'
      when not p.is_there and not f.is_there then 'price_and_factor'
      when not p.is_there then 'price'
      when not f.is_there then 'factor'
      when u.is_frozen then 'account_frozen'
      when saldo_private.is_rerating_due(u.account_id, u.read_on) then 'rerating'
      else 'not_rated_again'
    end::saldo.unrated_reason as reason
    offset 0 -- or it is computed again wherever it is used
  ) as w
$$;
comment on function saldo_private.unrated_reason is
  'Readings of these accounts (null = of all) that are not rated, each with its reason.';

create or replace function saldo_private.unrated_open(account_ids bigint[] default null)
returns table (
  account_id bigint,
  reading_id uuid,
  read_on date,
  reason saldo.unrated_reason,
  reason_text text,
  noted_at timestamptz
)
language sql
stable
as $$
  select u.account_id, u.reading_id, u.read_on, u.reason, u.reason_text, u.noted_at
  from saldo_private.unrated_reason(unrated_open.account_ids) as u
  left join saldo_private.book_state as b on b.id = 1
  where u.reason in ('price', 'factor', 'price_and_factor', 'not_rated_again')
  -- A locked month stays as it was billed.
  and (u.read_on <= b.locked_through) is not true
$$;
comment on function saldo_private.unrated_open is
  'Readings that somebody has to do something about: not those that a re-rating or the end of a '
  'freeze rates by itself, of closed accounts, and of locked months.';

create or replace function saldo_private.unrated_late()
returns table (
  account_id bigint,
  reading_id uuid,
  read_on date,
  reason saldo.unrated_reason,
  reason_text text
)
language sql
stable
as $$
  select u.account_id, u.reading_id, u.read_on, u.reason, u.reason_text
  from saldo_private.unrated_open() as u
  -- A sub-select, so that it is asked once.
  where u.noted_at <= (
    select now() - make_interval(
      hours => saldo_private.setting_value('reading_unrated_hours')::integer
    )
  )
$$;
comment on function saldo_private.unrated_late is
  'Those of unrated_open that wait for longer than the setting reading_unrated_hours.';

create or replace function saldo_private.rule_reading_unrated()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  with late as materialized (
    select u.*, row_number() over (order by u.read_on, u.reading_id) as row_no
    from saldo_private.unrated_late() as u
  )
  select u.reading_id::text, u.account_id, u.reason_text, 'rated', null::numeric,
    jsonb_build_object('reading_id', u.reading_id, 'customer', c.code, 'meter', m.code,
      'read_at', r.read_at, 'read_on', u.read_on, 'reason', u.reason)
  from late as u
  join saldo.reading as r on r.account_id = u.account_id and r.id = u.reading_id
  join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
  join saldo.customer as c on c.account_id = u.account_id
  where u.row_no <= 1000
  union all
  select 'others', null, format('%s more not rated', count(*)),
    'rated', null, jsonb_build_object('reading_count', count(*))
  from late as u
  where u.row_no > 1000
  having count(*) > 0
$$;
comment on function saldo_private.rule_reading_unrated is
  'Readings that are not rated for longer than the setting reading_unrated_hours, each with its '
  'reason: the oldest 1,000, and how many more there are.';

create or replace function saldo_private.unrated_count()
returns table (reason saldo.unrated_reason, reading_count bigint)
language sql
stable
as $$
  select each.reason, coalesce(n.reading_count, 0)
  from unnest(enum_range(null::saldo.unrated_reason)) as each (reason)
  left join (
    select u.reason, count(*) as reading_count
    from saldo_private.unrated_reason() as u
    group by u.reason
  ) as n on n.reason = each.reason
$$;
comment on function saldo_private.unrated_count is 'How many readings are not rated, by reason.';

create or replace function saldo.unrated_readings(
  customer_id bigint default null,
  month date default null
)
returns setof saldo.unrated_reading
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account_ids bigint[];
  v_month date := saldo_private.month_of(unrated_readings.month);
begin
  if unrated_readings.customer_id is not null then
    v_account_ids := array[
      (saldo_private.require_customer(unrated_readings.customer_id)).account_id
    ];
  end if;
  if unrated_readings.month not between '1900-01-01' and '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'month: a day from 1900 to 9999');
  end if;
  return query
  select r.id, c.id, c.code, m.id, m.code, r.read_at, r.read_on, u.reason, u.reason_text,
    u.noted_at
  from saldo_private.unrated_reason(v_account_ids) as u
  join saldo.reading as r on r.account_id = u.account_id and r.id = u.reading_id
  join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
  join saldo.customer as c on c.account_id = u.account_id
  where v_month is null
  or saldo_private.month_of(u.read_on) = v_month
  order by r.read_on, c.code, m.code, r.read_at;
end
$$;
comment on function saldo.unrated_readings is
  'Readings that count and are not rated, each with its reason: of a customer, or of all; of a '
  'month, or of all. Oldest first. Errors in checking order: SB401 customer_not_found, '
  'SB010 input_invalid.';
revoke execute on function saldo.unrated_readings from public;
grant execute on function saldo.unrated_readings to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.unrated_reason is
  'price, factor, price_and_factor: none for the day; rerating: an open job comes to it; '
  'account_frozen: it is rated when that ends; account_closed: it is not rated any more; '
  'not_rated_again: what was missing is there, call rerate_readings.';
comment on type saldo.unrated_reading is 'A reading that counts and is not rated.';
comment on column saldo.unrated_reading.reading_id is 'Reading that is not rated.';
comment on column saldo.unrated_reading.customer_id is 'Customer whose reading it is.';
comment on column saldo.unrated_reading.customer_code is 'Code of the customer.';
comment on column saldo.unrated_reading.meter_id is 'Meter that was read.';
comment on column saldo.unrated_reading.meter_code is 'Code of the meter.';
comment on column saldo.unrated_reading.read_at is 'When it was read.';
comment on column saldo.unrated_reading.read_on is
  'Business date of that, for which price or factor are missing.';
comment on column saldo.unrated_reading.reason is 'Why it is not rated.';
comment on column saldo.unrated_reading.reason_text is 'The reason in words, with the day.';
comment on column saldo.unrated_reading.noted_at is
  'When it came, or lost its price or factor.';
