-- Monthly figures of a customer, and what later months say about closed ones.
--
-- Public: customer_month, customer_year, customer_adjustments. From one snapshot: what was reported
-- from the stored totals (customer_month_total.sql), what is restated from journal and rated lines.
-- reported: by the month of posting; a closed month stays as it was, and what is said about it
-- later stands in a later month as an adjustment. restated: by the month that it is about. Over all
-- time both sum to the same. Opening(m + 1) = closing(m) in either.

create or replace function saldo_private.customer_movement(
  account_id bigint,
  basis saldo.balance_basis
)
returns table (
  month date,
  origin_month date,
  kind text,
  change numeric,
  entry_id uuid,
  posted_at timestamptz
)
language sql
stable
as $$
  select case when basis = 'restated' and e.origin_month is not null then e.origin_month
    else saldo_private.month_of(l.posting_date) end,
    case when basis = 'reported' then e.origin_month end,
    case coalesce(reversed.source, e.source) when 'deposit' then 'deposit'
      when 'rating' then 'purchase' when 'charge' then 'charge' else 'other' end,
    l.credit - l.debit, e.id, e.posted_at
  from saldo.journal_line as l
  join saldo.journal_entry as e on e.id = l.entry_id
  -- An entry that was reversed by hand takes its kind with it.
  left join saldo.journal_entry as reversed on reversed.id = e.reverses
  where l.account_id = customer_movement.account_id
$$;
comment on function saldo_private.customer_movement is
  'The lines of a deposit account by month and kind (deposit, purchase, charge or other). change: '
  'what it does to the balance; '
  'origin_month: of what is late, where that is reported.';

create or replace function saldo_private.customer_rating(
  account_id bigint,
  basis saldo.balance_basis,
  from_month date,
  to_month date,
  out month date,
  out volume_m3 numeric,
  out volume_sm3 numeric,
  out calculation jsonb,
  out rated_at timestamptz
)
returns setof record
language sql
stable
as $$
  with counted as (
    select l.month, l.id, l.supersedes, l.rated_at
    from saldo.rated_line as l
    where l.account_id = customer_rating.account_id
    and l.month between from_month and to_month
    and case when basis = 'restated' then l.superseded_at is null
      else l.month = saldo_private.month_of(l.posting_date) end
  ),
  part as (
    -- As reported: what was posted within the month, each revision in the place of the one before,
    -- which may have been posted in another month, and then counts against it.
    select c.month, d.tariff_version_id, d.factor_version_id, d.price, d.factor, l.is_provisional,
      coalesce(sum(side.sign) filter (where not l.is_withdrawn and d.is_last), 0) as reading_count,
      sum(side.sign * d.volume_m3) as volume_m3, sum(side.sign * d.volume_sm3) as volume_sm3,
      sum(side.sign * d.amount) as amount, max(c.rated_at) as rated_at
    from counted as c
    cross join lateral (
      values (c.id, 1), (case when basis = 'reported' then c.supersedes end, -1)
    ) as side (id, sign)
    join saldo.rated_line as l on l.account_id = customer_rating.account_id and l.id = side.id
    -- A divided line by its parts; it is one reading all the same.
    cross join lateral (
      select l.tariff_version_id, l.factor_version_id, l.price, l.factor,
        l.volume_m3::numeric as volume_m3, l.volume_sm3::numeric as volume_sm3,
        l.amount::numeric as amount, true as is_last
      where l.parts is null
      union all
      select p.tariff_version_id, p.factor_version_id, p.price, p.factor, p.volume_m3,
        p.volume_sm3, p.amount, p.part_no = cardinality(l.parts)
      from unnest(l.parts) as p
    ) as d
    group by c.month, d.tariff_version_id, d.factor_version_id, d.price, d.factor, l.is_provisional
  )
  select part.month, sum(part.volume_m3), sum(part.volume_sm3),
    jsonb_agg(jsonb_build_object(
      'tariff_version_id', part.tariff_version_id, 'factor_version_id', part.factor_version_id,
      'price', part.price, 'factor', part.factor, 'is_provisional', part.is_provisional,
      'reading_count', part.reading_count, 'volume_m3', part.volume_m3,
      'volume_sm3', part.volume_sm3, 'amount', part.amount
    ) order by part.tariff_version_id, part.factor_version_id)
      filter (where part.reading_count <> 0 or part.amount <> 0 or part.volume_m3 <> 0),
    max(part.rated_at)
  from part
  group by part.month
$$;
comment on function saldo_private.customer_rating is
  'Volumes of a customer by month of consumption, in these months, and how they were rated, by '
  'versions.';

create or replace function saldo_private.customer_figure(
  account_id bigint,
  basis saldo.balance_basis
)
returns table (
  month date,
  deposits numeric,
  purchases numeric,
  deposit_adjustments numeric,
  purchase_adjustments numeric,
  others numeric,
  volume_sm3 numeric,
  volume_adjustments numeric,
  calculated_at timestamptz
)
language plpgsql
stable
as $$
begin
  if basis = 'reported' then
    return query
    select t.month::date, t.deposits, t.purchases, t.deposit_adjustments, t.purchase_adjustments,
      t.others, t.volume_sm3::numeric, t.volume_adjustments::numeric, t.last_calculated_at
    from saldo.customer_month_total as t
    where t.account_id = customer_figure.account_id;
    return;
  end if;
  return query
  select m.month, coalesce(sum(m.change) filter (where m.kind = 'deposit'), 0),
    coalesce(-sum(m.change) filter (where m.kind = 'purchase'), 0), 0.0, 0.0,
    coalesce(sum(m.change) filter (where m.kind in ('charge', 'other')), 0), null::numeric, 0.0,
    max(m.posted_at)
  from saldo_private.customer_movement(customer_figure.account_id, basis) as m
  group by m.month;
end
$$;
comment on function saldo_private.customer_figure is
  'Movements of a customer by month: as stored, or restated. volume_sm3: null where it is to be '
  'taken from the rating.';

create or replace function saldo.customer_month(
  customer_id bigint,
  from_month date,
  to_month date default null,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.customer_month
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
-- Planning it again takes longer than answering it.
set plan_cache_mode = force_generic_plan
as $$
declare
  v_customer saldo.customer := saldo_private.require_customer(customer_month.customer_id);
  v_from date;
  v_to date;
  v_basis saldo.balance_basis := coalesce(customer_month.basis, 'reported');
begin
  if (from_month between '1900-01-01' and '9999-12-31'
    and coalesce(to_month, from_month) between from_month
      and least(from_month + interval '100 years', '9999-12-31')
  ) is not true then
    perform saldo_private.fail(
      'input_invalid',
      'from_month: from 1900 to 9999; to_month: not before it, at most 100 years after'
    );
  end if;
  v_from := saldo_private.month_of(from_month);
  v_to := saldo_private.month_of(coalesce(to_month, from_month));

  return query
  with figure as materialized (
    select f.*, f.deposits - f.purchases + f.deposit_adjustments - f.purchase_adjustments
      + f.others as change
    from saldo_private.customer_figure(v_customer.account_id, v_basis) as f
    where f.month <= v_to
  )
  select c.month, trim_scale(coalesce(b.opening, 0) + c.closing - c.change),
    trim_scale(c.deposits), trim_scale(c.purchases), trim_scale(c.deposit_adjustments),
    trim_scale(c.purchase_adjustments), trim_scale(c.others),
    trim_scale(coalesce(b.opening, 0) + c.closing),
    coalesce(r.volume_m3, 0), coalesce(c.volume_sm3, r.volume_sm3, 0), c.volume_adjustments,
    coalesce(r.calculation, '[]'), greatest(c.calculated_at, r.rated_at)
  from (
    select s.month::date as month, coalesce(f.deposits, 0) as deposits,
      coalesce(f.purchases, 0) as purchases,
      coalesce(f.deposit_adjustments, 0) as deposit_adjustments,
      coalesce(f.purchase_adjustments, 0) as purchase_adjustments,
      coalesce(f.others, 0) as others, coalesce(f.change, 0) as change, f.volume_sm3,
      coalesce(f.volume_adjustments, 0) as volume_adjustments, f.calculated_at,
      sum(coalesce(f.change, 0)) over (order by s.month) as closing
    from generate_series(v_from::timestamp, v_to::timestamp, '1 month') as s (month)
    left join figure as f on f.month = s.month::date
  ) as c
  cross join (
    select sum(f.change) as opening from figure as f where f.month < v_from
  ) as b
  left join saldo_private.customer_rating(v_customer.account_id, v_basis, v_from, v_to) as r
    on r.month = c.month
  order by c.month;
end
$$;
comment on function saldo.customer_month is
  'Figures of a customer for each month from one to another, default the same, those without '
  'movement included. closing = opening + deposits - purchases + deposit_adjustments - '
  'purchase_adjustments + others. Errors in checking order: SB401 customer_not_found, '
  'SB010 input_invalid.';
revoke execute on function saldo.customer_month from public;
grant execute on function saldo.customer_month to saldo_admin, saldo_operator, saldo_biller;

create or replace function saldo.customer_year(
  customer_id bigint,
  year integer,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.customer_month
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if (customer_year.year between 1900 and 9999) is not true then
    perform saldo_private.fail('input_invalid', 'year: from 1900 to 9999');
  end if;
  return query
  select m.*
  from saldo.customer_month(
    customer_year.customer_id, make_date(customer_year.year, 1, 1),
    make_date(customer_year.year, 12, 1), customer_year.basis
  ) as m;
end
$$;
comment on function saldo.customer_year is
  'The twelve months of a customer''s year, as customer_month tells them. Errors in checking '
  'order: SB010 input_invalid, SB401 customer_not_found.';
revoke execute on function saldo.customer_year from public;
grant execute on function saldo.customer_year to saldo_admin, saldo_operator, saldo_biller;

create or replace function saldo.customer_adjustments(customer_id bigint, month date)
returns setof saldo.customer_adjustment
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_customer saldo.customer := saldo_private.require_customer(customer_adjustments.customer_id);
  v_month date;
begin
  if (customer_adjustments.month between '1900-01-01' and '9999-12-31') is not true then
    perform saldo_private.fail('input_invalid', 'month: a day from 1900 to 9999');
  end if;
  v_month := saldo_private.month_of(customer_adjustments.month);
  return query
  select m.origin_month, m.kind, 'adjustment for ' || to_char(m.origin_month, 'YYYY-MM'),
    trim_scale(sum(m.change) * case m.kind when 'purchase' then -1 else 1 end),
    coalesce(case when m.kind = 'purchase' then (
      select sum(l.volume_change)
      from saldo.rated_line as l
      where l.account_id = v_customer.account_id
      and l.month = m.origin_month
      and saldo_private.month_of(l.posting_date) = v_month
    ) end, 0),
    count(distinct m.entry_id)
  from saldo_private.customer_movement(v_customer.account_id, 'reported') as m
  where m.month = v_month
  and m.origin_month is not null
  group by m.origin_month, m.kind
  order by m.origin_month, m.kind;
end
$$;
comment on function saldo.customer_adjustments is
  'What a month, as reported, says about earlier ones that were closed: one line for each of them '
  'and kind. Errors in checking order: SB401 customer_not_found, SB010 input_invalid.';
revoke execute on function saldo.customer_adjustments from public;
grant execute on function saldo.customer_adjustments to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.customer_month is 'Figures of a customer for a month.';
comment on column saldo.customer_month.month is 'First day of the month.';
comment on column saldo.customer_month.opening_balance is
  'Balance of the deposit account at the beginning of the month.';
comment on column saldo.customer_month.deposits is 'Deposits, less those taken back.';
comment on column saldo.customer_month.purchases is 'What the readings of this month cost.';
comment on column saldo.customer_month.deposit_adjustments is
  'Deposits of closed months that came, changed or went; 0 where restated.';
comment on column saldo.customer_month.purchase_adjustments is
  'What readings of closed months cost more, or less if negative; 0 where restated.';
comment on column saldo.customer_month.others is 'Whatever else was posted, positive if it adds.';
comment on column saldo.customer_month.closing_balance is
  'Balance of the deposit account at the end of the month.';
comment on column saldo.customer_month.volume_m3 is 'Volume by the meters, of this month.';
comment on column saldo.customer_month.volume_sm3 is 'Volume at reference conditions.';
comment on column saldo.customer_month.volume_adjustments is
  'Sm3 of closed months that came or went; 0 where restated.';
comment on column saldo.customer_month.calculation is
  'How it was rated: versions, price, factor, number of readings, volumes and amount.';
comment on column saldo.customer_month.last_calculated_at is
  'When the figures changed last; null = never.';
comment on type saldo.customer_adjustment is 'What a month says about an earlier one.';
comment on column saldo.customer_adjustment.origin_month is
  'First day of the earlier month that it is about.';
comment on column saldo.customer_adjustment.kind is 'deposit, purchase, charge or other.';
comment on column saldo.customer_adjustment.description is
  'What kind of adjustment it is, in words.';
comment on column saldo.customer_adjustment.amount is
  'How much more was deposited or purchased; for other, what it does to the balance.';
comment on column saldo.customer_adjustment.volume_sm3 is 'How much more Sm3, of purchases.';
comment on column saldo.customer_adjustment.entry_count is
  'Number of journal entries that it adds up.';
