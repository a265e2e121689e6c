-- What was posted in months that lie one after the other, of all accounts: kept years
-- (account_year.sql) and the months that are left over.
--
-- Private: month_span (a type and the function that makes it), month_span_size, posted_months.
-- A span begins and ends within a year, mostly. What is short of a whole year there is added by
-- months, or the year is taken whole and the other months are taken away, whichever is less: six
-- months at either end, at most, however long the history is.

create or replace function saldo_private.month_span_size(span saldo_private.month_span)
returns integer
language sql
immutable
as $$
  select span.before_year - span.from_year
    + saldo_private.month_number(span.head_before) - saldo_private.month_number(span.head_from)
    + saldo_private.month_number(span.tail_before) - saldo_private.month_number(span.tail_from)
$$;
comment on function saldo_private.month_span_size is
  'How many years and months of an account a span reads; its ends are not infinite.';

create or replace function saldo_private.month_span(
  from_month date,
  before_month date,
  years_through date
)
returns saldo_private.month_span
language plpgsql
immutable
as $$
declare
  -- The year ends next to both: the first years of a span end with time itself.
  v_from_year date := case when from_month = '-infinity' then from_month
    else date_trunc('year', from_month + interval '6 months') end;
  v_before_year date := least(years_through + 1, case when before_month = 'infinity'
    then before_month else date_trunc('year', before_month + interval '5 months') end);
  v_by_months saldo_private.month_span;
  v_by_years saldo_private.month_span;
begin
  v_by_months.from_year := 0;
  v_by_months.before_year := 0;
  v_by_months.head_from := from_month;
  v_by_months.head_before := greatest(from_month, before_month);
  v_by_months.is_head_less := false;
  v_by_months.tail_from := before_month;
  v_by_months.tail_before := before_month;
  v_by_months.is_tail_less := false;
  if (years_through is not null and v_from_year < v_before_year) is not true then
    return v_by_months;
  end if;
  v_by_years.from_year := case when from_month = '-infinity' then 0
    else extract(year from v_from_year) end;
  v_by_years.before_year := extract(year from v_before_year);
  v_by_years.head_from := least(from_month, v_from_year);
  v_by_years.head_before := greatest(from_month, v_from_year);
  v_by_years.is_head_less := v_from_year < from_month;
  v_by_years.tail_from := least(before_month, v_before_year);
  v_by_years.tail_before := greatest(before_month, v_before_year);
  v_by_years.is_tail_less := before_month < v_before_year;
  -- Both ends may be in the same year, near its middle.
  if isfinite(from_month) and isfinite(before_month)
    and saldo_private.month_span_size(v_by_months) <= saldo_private.month_span_size(v_by_years)
  then
    return v_by_months;
  end if;
  return v_by_years;
end
$$;
comment on function saldo_private.month_span is
  'How the months from one on and before another are made of years and months, where years are '
  'kept through that day (null = none).';

create or replace function saldo_private.posted_months(from_month date, before_month date)
returns table (account_id bigint, debit numeric, credit numeric)
language plpgsql
stable
rows 20000
set work_mem = '64MB'
set parallel_tuple_cost = 0.03 -- sums of numeric cost several times what the planner takes them for
as $$
declare
  v_span saldo_private.month_span := saldo_private.month_span(
    from_month, before_month, saldo_private.kept_through()
  );
begin
  if before_month = (from_month + interval '1 month')::date then
    return query
    select m.account_id, m.debit::numeric, m.credit::numeric
    from saldo_private.posted_movement as m
    where m.month = from_month;
    return;
  end if;
  -- Of one type in all parts, so that they are one pass. Summed up at once: passing hundreds of
  -- rows on costs as much as reading them.
  return query
  select part.account_id, sum(part.debit), sum(part.credit)
  from (
    select y.account_id, y.debit::numeric as debit, y.credit::numeric as credit
    from saldo_private.year_movement as y
    where y.year >= v_span.from_year
    and y.year < v_span.before_year
    union all
    select m.account_id, case when v_span.is_head_less then -m.debit else m.debit end,
      case when v_span.is_head_less then -m.credit else m.credit end
    from saldo.month_movement as m
    where m.month >= v_span.head_from
    and m.month < v_span.head_before
    union all
    select m.account_id, case when v_span.is_tail_less then -m.debit else m.debit end,
      case when v_span.is_tail_less then -m.credit else m.credit end
    from saldo.month_movement as m
    where m.month >= v_span.tail_from
    and m.month < v_span.tail_before
    union all
    -- Neither years nor months have these.
    select s.account_id, s.debit::numeric, s.credit::numeric
    from saldo_private.account_stripe as s
    where s.month >= from_month
    and s.month < before_month
  ) as part
  group by part.account_id;
end
$$;
comment on function saldo_private.posted_months is
  'What was posted from one month on and before another, each a first day or infinite: in one or '
  'several rows an account.';
grant execute on function saldo_private.month_span, saldo_private.month_span_size,
  saldo_private.posted_months to saldo_admin, saldo_operator;

comment on type saldo_private.month_span is
  'Months that lie one after the other, as whole years and what is left over at both ends.';
