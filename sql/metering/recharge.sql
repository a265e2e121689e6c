-- Charging again: what comes late to a month that is charged changes its charges by itself.
--
-- Private: saldo_private.charged_month, charged_months_since, lines_of_charged, hold_charged,
-- hold_charged_lines, recharge, recharge_lines, recharge_since.
-- A month is charged once charge_customers was called for it, for one customer or for all, whatever
-- it came to. A reading, a price or a factor changes its charges where it is rated
-- (rate_readings.sql), a meter where it is installed, a part of the tariff where it comes or goes,
-- in the same transaction or by the job of re-ratings. Each posts the difference: in a closed month
-- as an adjustment.
-- Locks: the caller holds those of lock_rating; here the months, then the accounts, all of them
-- before the first is posted to.

create or replace function saldo_private.charged_months_since(
  first_date date,
  customer_account_id bigint,
  currency text
)
returns table (account_id bigint, month date)
language plpgsql
stable
as $$
begin
  return query
  select c.account_id, m.month
  from saldo.customer as c
  join saldo.account as a on a.id = c.account_id
  cross join lateral (
    select distinct g.month
    from saldo_private.charged_month as g
    where g.account_id in (0, c.account_id)
    and g.month >= saldo_private.month_of(charged_months_since.first_date)
  ) as m
  where (customer_account_id is null or c.account_id = customer_account_id)
  and (charged_months_since.currency is null or c.currency = charged_months_since.currency)
  and (a.closed_at is null or customer_account_id is not null)
  and a.frozen_at is null;
end
$$;
comment on function saldo_private.charged_months_since is
  'Customers and their charged months from that of a day on, of one customer, or of all in the '
  'currency; null = of any. A customer whose account is closed has had the last bill; one whose '
  'account is frozen is charged when it is released.';

create or replace function saldo_private.lines_of_charged(lines saldo.rated_line[])
returns saldo.rated_line[]
language plpgsql
stable
as $$
begin
  -- PL/pgSQL for its cached plan: it is called for each reading.
  return array(
    select l
    from unnest(lines) as l
    where (l.amount_change <> 0 or l.volume_change <> 0)
    and exists (
      select
      from saldo_private.charged_month as c
      where c.month = l.month
      and c.account_id in (0, l.account_id)
    )
  );
end
$$;
comment on function saldo_private.lines_of_charged is
  'Those of these lines that change a volume or an amount of a month that is charged.';

create or replace function saldo_private.hold_charged(
  account_ids bigint[],
  months date[],
  instants timestamptz[] default '{}'
)
returns void
language plpgsql
as $$
begin
  perform saldo_private.hold_months_of(instants || array(
    select saldo_private.charge_instant(m.month)
    from unnest(months) as m (month)
  ));
  perform
  from saldo.account as a
  where a.id = any (
    account_ids || array(
      select p.target_account_id
      from saldo.tariff_part as p
      where p.target_account_id is not null
      and coalesce(p.account_id, 0) = any (account_ids || 0::bigint)
    )
  )
  order by a.id
  for no key update;
end
$$;
comment on function saldo_private.hold_charged is
  'Locks the months and accounts that charging these customers again may post to, and the months '
  'of these moments, in their order: one posting after another would not take them so.';

create or replace function saldo_private.recharge(account_ids bigint[], months date[])
returns integer
language plpgsql
as $$
declare
  v_month date;
  v_count integer := 0;
begin
  if cardinality(account_ids) = 0 then
    return 0;
  end if;
  perform saldo_private.hold_charged(account_ids, months);
  for v_month in
    select distinct m.month
    from unnest(months) as m (month)
    order by m.month
  loop
    v_count := v_count + saldo_private.charge_month(array(
      select distinct each.account_id
      from unnest(account_ids, months) as each (account_id, month)
      where each.month = v_month
    ), v_month);
  end loop;
  return v_count;
end
$$;
comment on function saldo_private.recharge is
  'Brings the charges of these customers and months, one of each a pair, up to date, and returns '
  'of how many pairs any changed. Errors: SB108 period_locked, SB102 account_closed, and those of '
  'a posting.';

create or replace function saldo_private.hold_charged_lines(lines saldo.rated_line[])
returns void
language plpgsql
as $$
begin
  perform saldo_private.hold_charged(
    account_ids => array(select distinct l.account_id from unnest(lines) as l),
    months => array(select distinct l.month::date from unnest(lines) as l),
    instants => array(select l.read_at from unnest(lines) as l)
  );
end
$$;
comment on function saldo_private.hold_charged_lines is
  'hold_charged for what rating these lines and then charging their months posts to.';

create or replace function saldo_private.recharge_lines(lines saldo.rated_line[])
returns void
language plpgsql
as $$
declare
  v_due record;
begin
  select array_agg(d.account_id) as account_ids, array_agg(d.month) as months
  into v_due
  from (
    select distinct l.account_id, l.month::date as month
    from unnest(lines) as l
  ) as d;
  perform saldo_private.recharge(v_due.account_ids, v_due.months);
end
$$;
comment on function saldo_private.recharge_lines is
  'Brings the charges of the customers and months of these lines up to date: '
  'SB108 period_locked, SB102 account_closed, and those of a posting.';

create or replace function saldo_private.recharge_since(account_id bigint, first_date date)
returns integer
language plpgsql
as $$
declare
  v_due record;
begin
  select coalesce(array_agg(m.account_id), '{}') as account_ids,
    coalesce(array_agg(m.month), '{}') as months
  into v_due
  from saldo_private.charged_months_since(
    recharge_since.first_date, recharge_since.account_id, null
  ) as m;
  return saldo_private.recharge(v_due.account_ids, v_due.months);
end
$$;
comment on function saldo_private.recharge_since is
  'Brings the charges of a customer up to date in the charged months from that of a day on: '
  'SB108 period_locked, SB102 account_closed, and those of a posting.';

select saldo_private.secure_table('saldo_private.charged_month');

comment on table saldo_private.charged_month is
  'Months that are charged: what comes late to them is charged by itself.';
comment on column saldo_private.charged_month.account_id is
  'Account of the customer who is charged; 0 = all.';
comment on column saldo_private.charged_month.month is 'Month, its first day.';
comment on column saldo_private.charged_month.charged_at is 'When it was charged first.';
comment on column saldo_private.charged_month.charged_by is
  'Who charged it first: token subject or login.';
