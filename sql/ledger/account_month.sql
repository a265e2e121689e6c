-- Months of an account: opening, debits, credits and closing of each (monthly_balance). Months of a
-- customer, which have deposits and purchases, are those of metering/customer_month.sql.
--
-- Public: monthly_balance. Private: account_movement.
-- Movements are stored, openings are sums of them: a back-dated posting costs the same however many
-- months come after it.

create or replace function saldo_private.account_movement(
  account_id bigint,
  basis saldo.balance_basis
)
returns table (month date, debit numeric, credit numeric, year_end numeric, line_count bigint)
language sql
stable
as $$
  select part.month, sum(part.debit), sum(part.credit), sum(part.year_end),
    sum(part.line_count)::bigint
  from (
    select m.month::date as month, m.debit, m.credit, 0 as year_end, m.line_count
    from saldo_private.posted_movement as m
    where m.account_id = account_movement.account_id
    union all
    select saldo_private.month_of(y.posting_date), -y.debit, -y.credit, y.debit - y.credit, 0
    from saldo_private.year_end_line as y
    where y.account_id = account_movement.account_id
    union all
    select about.month, l.debit * about.sign, l.credit * about.sign, 0, about.sign
    from saldo_private.late_line as l
    cross join lateral (
      values (l.posting_month, -1), (l.origin_month::date, 1)
    ) as about (month, sign)
    where basis = 'restated'
    and l.account_id = account_movement.account_id
  ) as part
  group by part.month
$$;
comment on function saldo_private.account_movement is
  'Movement of an account by posting month, or restated by the month that it is about; what '
  'closing entries did is apart: debits less credits in year_end, and in neither debit nor credit.';
grant execute on function saldo_private.account_movement to
  saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.monthly_balance(
  account_id bigint,
  from_month date default null,
  to_month date default null,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.monthly_balance_line
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_sign integer;
  v_to_month date;
  v_from_month date;
begin
  if from_month not between '1900-01-01' and '9999-12-31'
    or to_month not between '1900-01-01' and '9999-12-31'
  then
    perform saldo_private.fail('input_invalid', 'from_month, to_month: from 1900 to 9999');
  end if;
  v_to_month := saldo_private.month_of(coalesce(to_month, saldo_private.business_date(now())));
  v_from_month := saldo_private.month_of(
    coalesce(from_month, (v_to_month - interval '11 months')::date)
  );
  select saldo_private.normal_sign(a.type)
  into v_sign
  from saldo.account as a
  where a.id = monthly_balance.account_id;
  if v_sign is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif saldo_private.month_number(v_to_month) - saldo_private.month_number(v_from_month)
    not between 0 and 1199
  then
    perform saldo_private.fail('input_invalid', 'from_month, to_month: 1 to 1,200 months');
  end if;

  return query
  with movement as materialized (
    select m.month, m.debit, m.credit, m.year_end, m.line_count
    from saldo_private.account_movement(monthly_balance.account_id, basis) as m
  ),
  before as (
    select coalesce(sum(m.debit - m.credit + m.year_end), 0) as net
    from movement as m
    where m.month < v_from_month
  ),
  sums as (
    select g.month::date as month, coalesce(m.debit, 0) as debit, coalesce(m.credit, 0) as credit,
      coalesce(m.year_end, 0) as year_end, coalesce(m.line_count, 0) as line_count,
      before.net + coalesce(sum(m.debit - m.credit + m.year_end) over (order by g.month), 0)
        as closing
    from generate_series(v_from_month, v_to_month, interval '1 month') as g (month)
    cross join before
    left join movement as m on m.month = g.month
  )
  select monthly_balance.account_id, s.month,
    trim_scale((s.closing - (s.debit - s.credit + s.year_end)) * v_sign), trim_scale(s.debit),
    trim_scale(s.credit), trim_scale(s.year_end * v_sign), trim_scale(s.closing * v_sign),
    s.line_count, saldo_private.period_status(s.month)
  from sums as s
  order by s.month;
end
$$;
comment on function saldo.monthly_balance is
  'Each month of an account from one to another (default: the last 12), those without movement '
  'included: opening, debits, credits, what closing entries of the year changed (year_end), '
  'closing; balances on the normal side. opening + debits - credits (for credit accounts the '
  'reverse) + year_end = closing = opening of the next month. basis: reported, by posting month, '
  'or restated, by the month that entries are about. Errors: SB101 account_not_found, '
  'SB010 input_invalid.';
revoke execute on function saldo.monthly_balance from public;
grant execute on function saldo.monthly_balance to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.monthly_balance_line is 'A month of an account.';
comment on column saldo.monthly_balance_line.account_id is 'Account that the line is about.';
comment on column saldo.monthly_balance_line.month is 'First day of the month.';
comment on column saldo.monthly_balance_line.opening is
  'Balance before the first day, on the normal side.';
comment on column saldo.monthly_balance_line.debit is 'Debits, without closing entries.';
comment on column saldo.monthly_balance_line.credit is 'Credits, without closing entries.';
comment on column saldo.monthly_balance_line.year_end is
  'What the closing entries of the year changed of the balance; 0 except in December.';
comment on column saldo.monthly_balance_line.closing is
  'Balance after the last day, on the normal side.';
comment on column saldo.monthly_balance_line.line_count is
  'Journal lines of the month, those of closing entries included.';
comment on column saldo.monthly_balance_line.status is 'open, closing, closed or locked.';
