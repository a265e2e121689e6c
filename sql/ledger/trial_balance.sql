-- Trial balance: every account with its totals; both columns of balances add up to the same.
--
-- Public: trial_balance.

create or replace function saldo.trial_balance(as_of date default null)
returns setof saldo.trial_balance_line
language sql
stable
as $$
  select a.id, a.code, a.name, a.type, a.currency,
    coalesce(t.debit, 0), coalesce(t.credit, 0),
    greatest(coalesce(t.debit - t.credit, 0), 0),
    greatest(coalesce(t.credit - t.debit, 0), 0)
  from saldo.account as a
  left join saldo_private.totals_until(as_of) as t on t.account_id = a.id
  order by a.currency, a.code
$$;
comment on function saldo.trial_balance is
  'All accounts with the debits and credits posted to them until the date (default: all), and the '
  'difference in the column of its side. Per currency, debit_balance and credit_balance have equal '
  'sums.';
revoke execute on function saldo.trial_balance from public;
grant execute on function saldo.trial_balance to saldo_admin, saldo_operator;

comment on type saldo.trial_balance_line is 'A line of the trial balance.';
comment on column saldo.trial_balance_line.account_id is 'Account.';
comment on column saldo.trial_balance_line.code is 'Code of the account.';
comment on column saldo.trial_balance_line.name is 'Name of the account.';
comment on column saldo.trial_balance_line.type is 'Type of the account.';
comment on column saldo.trial_balance_line.currency is 'Currency of all amounts of the line.';
comment on column saldo.trial_balance_line.debit_total is 'All debits.';
comment on column saldo.trial_balance_line.credit_total is 'All credits.';
comment on column saldo.trial_balance_line.debit_balance is
  'Debits less credits where there are more debits, else 0.';
comment on column saldo.trial_balance_line.credit_balance is
  'Credits less debits where there are more credits, else 0.';
