-- Income statement: revenue less expense between two dates.
--
-- Public: income_statement.
-- Closing entries empty these accounts at the end of the year: they are no income, and left out.

create or replace function saldo.income_statement(
  from_date date,
  to_date date,
  currency text default null,
  basis saldo.balance_basis default 'reported',
  has_zeros boolean default true
)
returns setof saldo.income_statement_line
language sql
stable
as $$
  with movement as materialized (
    select a.id, a.code, a.name, a.type, a.currency,
      coalesce(sum(t.credit - t.debit), 0) as net_credit
    from saldo.account as a
    left join (
      select c.account_id, c.debit, c.credit
      from saldo_private.totals_until(
        saldo_private.require_statement_date(to_date, basis), basis
      ) as c
      union all
      select o.account_id, -o.debit, -o.credit
      from saldo_private.totals_until(
        saldo_private.require_statement_range(from_date, to_date, basis), basis
      ) as o
      union all
      select y.account_id, -y.debit, -y.credit
      from saldo_private.year_end_line as y
      where y.posting_date between from_date and to_date
    ) as t on t.account_id = a.id
    where a.type in ('revenue', 'expense')
    and (income_statement.currency is null or a.currency = income_statement.currency)
    group by a.id
  )
  select line.section, line.account_id, line.code, line.name, line.currency,
    trim_scale(line.amount)
  from (
    select m.type::text::saldo.income_statement_section as section, m.id as account_id, m.code,
      m.name, m.currency, case m.type when 'revenue' then m.net_credit else -m.net_credit end
        as amount
    from movement as m
    where has_zeros
    or m.net_credit <> 0
    union all
    select 'net_income', null, null, 'Net income', m.currency, sum(m.net_credit)
    from movement as m
    group by m.currency
  ) as line
  order by line.currency, line.section, line.code nulls last
$$;
comment on function saldo.income_statement is
  'Revenue and expense of each account from one date to another, both included, on their normal '
  'sides, and net income (revenue less expense) as a line without an account, per currency. The '
  'closing entries of a year are left out. basis as in trial_balance; restated is for whole '
  'months. has_zeros: false leaves accounts with an amount of 0 out; net income stays. Error: '
  'SB010 input_invalid.';
revoke execute on function saldo.income_statement from public;
grant execute on function saldo.income_statement to saldo_admin, saldo_operator;

comment on type saldo.income_statement_section is 'Part of the income statement.';
comment on type saldo.income_statement_line is 'A line of the income statement.';
comment on column saldo.income_statement_line.section is 'Part of the statement.';
comment on column saldo.income_statement_line.account_id is
  'Account of the line; null for net income.';
comment on column saldo.income_statement_line.code is 'Code of the account; null for net income.';
comment on column saldo.income_statement_line.name is 'Name of the account, or Net income.';
comment on column saldo.income_statement_line.currency is 'Currency of the amount.';
comment on column saldo.income_statement_line.amount is
  'Revenue, or expense, or the difference of all.';
