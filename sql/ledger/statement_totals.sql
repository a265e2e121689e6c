-- Totals of statements, for those who show a statement page by page.
--
-- Public: trial_balance_totals, balance_sheet_sums, income_statement_sums.
-- They add up the lines of the statements themselves, so that a total never tells of other lines.

create or replace function saldo.trial_balance_totals(
  as_of date default null,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false
)
returns setof saldo.statement_total
language sql
stable
as $$
  select t.currency, side.name, side.total
  from (
    select l.currency, sum(l.debit_balance) as debit, sum(l.credit_balance) as credit
    from saldo.trial_balance(as_of, basis, is_before_closing) as l
    group by l.currency
  ) as t
  cross join lateral (values (1, 'debit', t.debit), (2, 'credit', t.credit))
    as side (place, name, total)
  order by t.currency, side.place
$$;
comment on function saldo.trial_balance_totals is
  'The sums of both columns of balances of trial_balance, per currency: debit and credit, which '
  'are equal. Error: SB010 input_invalid.';
revoke execute on function saldo.trial_balance_totals from public;
grant execute on function saldo.trial_balance_totals to saldo_admin, saldo_operator;

create or replace function saldo.balance_sheet_sums(
  as_of date default null,
  currency text default null,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false
)
returns setof saldo.statement_total
language sql
stable
as $$
  select s.currency, part.name, part.total
  from (
    select l.currency,
      coalesce(sum(l.balance) filter (where l.section = 'assets'), 0) as assets,
      coalesce(sum(l.balance) filter (where l.section = 'liabilities'), 0) as liabilities,
      coalesce(sum(l.balance) filter (where l.section = 'equity'), 0) as equity
    from saldo.balance_sheet(
      as_of, balance_sheet_sums.currency, basis, is_before_closing
    ) as l
    group by l.currency
  ) as s
  cross join lateral (values
    (1, 'assets', s.assets), (2, 'liabilities', s.liabilities), (3, 'equity', s.equity),
    (4, 'liabilities_and_equity', s.liabilities + s.equity)
  ) as part (place, name, total)
  order by s.currency, part.place
$$;
comment on function saldo.balance_sheet_sums is
  'The sums of the sections of balance_sheet, per currency: assets, liabilities, equity, and '
  'liabilities_and_equity, which equal the assets. Error: SB010 input_invalid.';
revoke execute on function saldo.balance_sheet_sums from public;
grant execute on function saldo.balance_sheet_sums to saldo_admin, saldo_operator;

create or replace function saldo.income_statement_sums(
  from_date date,
  to_date date,
  currency text default null,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.statement_total
language sql
stable
as $$
  select s.currency, s.section::text, s.total
  from (
    select l.currency, l.section, sum(l.amount) as total
    from saldo.income_statement(
      from_date, to_date, income_statement_sums.currency, basis
    ) as l
    group by l.currency, l.section
  ) as s
  order by s.currency, s.section
$$;
comment on function saldo.income_statement_sums is
  'The sums of the sections of income_statement, per currency: revenue, expense, and net_income. '
  'Error: SB010 input_invalid.';
revoke execute on function saldo.income_statement_sums from public;
grant execute on function saldo.income_statement_sums to saldo_admin, saldo_operator;

comment on type saldo.statement_total is 'A total of a statement.';
comment on column saldo.statement_total.currency is 'Currency of the amount.';
comment on column saldo.statement_total.section is
  'What is added up: debit, credit, or a section of the statement.';
comment on column saldo.statement_total.amount is 'The sum, on the normal side of the section.';
