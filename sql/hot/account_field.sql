-- Fields of an account over GraphQL that must be exact on hot accounts too.
--
-- Public: account_balance, account_debit_total, account_credit_total, account_held_total.
-- They stand in for the columns of the same names, which a hot account's postings and holds reach
-- only with the next settlement (account_stripe.sql, account_slot.sql).

create or replace function saldo.account_balance(account_row saldo.account)
returns numeric
language sql
stable
as $$
  select trim_scale(t.balance)
  from saldo_private.account_total as t
  where t.account_id = account_row.id
$$;
comment on function saldo.account_balance is
  E'@notNull\n'
  'Balance of all that is posted, on the normal side: debits less credits for asset and expense, '
  'credits less debits for others. Exact at any moment.';
revoke execute on function saldo.account_balance from public;
grant execute on function saldo.account_balance to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.account_debit_total(account_row saldo.account)
returns numeric
language sql
stable
as $$
  select trim_scale(t.debit_total)
  from saldo_private.account_total as t
  where t.account_id = account_row.id
$$;
comment on function saldo.account_debit_total is E'@notNull\n'
  'Sum of all posted debits, at any moment.';
revoke execute on function saldo.account_debit_total from public;
grant execute on function saldo.account_debit_total to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.account_credit_total(account_row saldo.account)
returns numeric
language sql
stable
as $$
  select trim_scale(t.credit_total)
  from saldo_private.account_total as t
  where t.account_id = account_row.id
$$;
comment on function saldo.account_credit_total is E'@notNull\n'
  'Sum of all posted credits, at any moment.';
revoke execute on function saldo.account_credit_total from public;
grant execute on function saldo.account_credit_total to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.account_held_total(account_row saldo.account)
returns numeric
language sql
stable
as $$
  select (saldo.balances(account_row.id)).held
$$;
comment on function saldo.account_held_total is E'@notNull\n'
  'Sum of the open holds, at any moment.';
revoke execute on function saldo.account_held_total from public;
grant execute on function saldo.account_held_total to saldo_admin, saldo_operator, saldo_member;
