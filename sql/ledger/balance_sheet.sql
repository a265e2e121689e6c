-- Balance sheet: assets = liabilities + equity, with earnings not yet closed shown as equity.
--
-- Public: balance_sheet, balance_sheet_totals.
-- Revenue less expense is a line of its own ("Current-year earnings"), so that the sheet balances
-- before any closing; the tolerance is zero.

create or replace function saldo.balance_sheet(
  as_of date default null,
  currency text default null,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false,
  has_zeros boolean default true
)
returns setof saldo.balance_sheet_line
language sql
stable
as $$
  with account_total as materialized (
    select a.id, a.code, a.name, a.type, a.currency,
      coalesce(t.debit, 0) - coalesce(t.credit, 0) as net_debit
    from saldo.account as a
    left join (
      select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
      from saldo_private.totals_until(
        saldo_private.require_statement_date(as_of, basis), basis, is_before_closing
      ) as part
      group by part.account_id
    ) as t on t.account_id = a.id
    where balance_sheet.currency is null
    or a.currency = balance_sheet.currency
  )
  select line.section, line.account_id, line.code, line.name, line.currency, line.balance
  from (
    select
      case t.type when 'asset' then 'assets' when 'liability' then 'liabilities' else 'equity'
      end::saldo.balance_sheet_section as section,
      t.id as account_id, t.code, t.name, t.currency,
      t.net_debit * saldo_private.normal_sign(t.type) as balance
    from account_total as t
    where t.type in ('asset', 'liability', 'equity')
    and (has_zeros or t.net_debit <> 0)
    union all
    select 'equity', null, null, 'Current-year earnings', t.currency, -sum(t.net_debit)
    from account_total as t
    where t.type in ('revenue', 'expense')
    group by t.currency
  ) as line
  order by line.currency, line.section, line.code nulls last
$$;
comment on function saldo.balance_sheet is
  'Balance sheet until the date (default: all), of one currency or all: each account on its '
  'normal side, and current-year earnings (revenue less expense not yet closed) as a line of '
  'equity without an account. Per currency, assets equal liabilities plus equity exactly. basis, '
  'is_before_closing and has_zeros as in trial_balance; earnings stay. Error: '
  'SB010 input_invalid.';
revoke execute on function saldo.balance_sheet from public;
grant execute on function saldo.balance_sheet to saldo_admin, saldo_operator;

create or replace function saldo.balance_sheet_totals(currency text default null)
returns setof saldo.balance_sheet_total
language sql
stable
as $$
  select total.currency, total.assets, total.liabilities, total.equity,
    total.assets = total.liabilities + total.equity
  from (
    select t.currency,
      coalesce(sum(t.balance) filter (where t.type = 'asset'), 0) as assets,
      coalesce(sum(t.balance) filter (where t.type = 'liability'), 0) as liabilities,
      coalesce(sum(t.balance) filter (where t.type in ('equity', 'revenue')), 0)
        - coalesce(sum(t.balance) filter (where t.type = 'expense'), 0) as equity
    from (
      select a.currency, a.type, sum(a.balance) as balance
      from saldo.account as a
      group by a.currency, a.type
      union all
      -- What stripes have not yet handed on, by itself: accounts need no join then.
      select a.currency, a.type, sum(s.debit - s.credit) * saldo_private.normal_sign(a.type)
      from saldo_private.account_stripe as s
      join saldo.account as a on a.id = s.account_id
      group by a.currency, a.type
    ) as t
    where balance_sheet_totals.currency is null
    or t.currency = balance_sheet_totals.currency
    group by t.currency
  ) as total
  order by total.currency
$$;
comment on function saldo.balance_sheet_totals is
  'Totals of the balance sheet as the accounts show them now, per currency. It reads the cached '
  'balances, not the journal: a balance that drifted shows as is_valid = false.';
revoke execute on function saldo.balance_sheet_totals from public;
grant execute on function saldo.balance_sheet_totals to saldo_admin, saldo_operator;

comment on type saldo.balance_sheet_section is 'Part of the balance sheet.';
comment on type saldo.balance_sheet_line is 'A line of the balance sheet.';
comment on column saldo.balance_sheet_line.section is 'Part of the sheet.';
comment on column saldo.balance_sheet_line.account_id is
  'Account; null for current-year earnings, which no account carries.';
comment on column saldo.balance_sheet_line.code is
  'Code of the account; null for current-year earnings.';
comment on column saldo.balance_sheet_line.name is 'Name of the account or of the computed line.';
comment on column saldo.balance_sheet_line.currency is 'Currency of the balance.';
comment on column saldo.balance_sheet_line.balance is
  'Balance on the normal side of the account''s type.';
comment on type saldo.balance_sheet_total is 'Totals of the balance sheet in one currency.';
comment on column saldo.balance_sheet_total.currency is 'Currency of the totals.';
comment on column saldo.balance_sheet_total.total_assets is 'Sum of the assets.';
comment on column saldo.balance_sheet_total.total_liabilities is 'Sum of the liabilities.';
comment on column saldo.balance_sheet_total.total_equity is
  'Sum of equity, current-year earnings included.';
comment on column saldo.balance_sheet_total.is_valid is
  'Whether assets equal liabilities plus equity, to the last decimal.';
