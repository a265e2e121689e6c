-- The normal side of an account: on which one it grows.
--
-- Private: is_debit_normal, normal_sign.
-- Assets and expenses grow by debits, all others by credits. The one place that knows this, except
-- the generated column account.balance, whose expression is part of the table.
-- Both are single expressions without a set clause: PostgreSQL puts them into the statement.

comment on type saldo.account_type is
  'Decides the normal side: debit for asset and expense, credit for the others.';

create or replace function saldo_private.is_debit_normal(type saldo.account_type)
returns boolean
language sql
immutable
parallel safe
as $$
  select type in ('asset', 'expense')
$$;
comment on function saldo_private.is_debit_normal is
  'Whether an account of this type grows by debits.';

create or replace function saldo_private.normal_sign(type saldo.account_type)
returns integer
language sql
immutable
parallel safe
as $$
  select case when saldo_private.is_debit_normal(type) then 1 else -1 end
$$;
comment on function saldo_private.normal_sign is
  'What turns debits less credits into a change of the balance: 1 for accounts that grow by '
  'debits, otherwise -1.';

-- Statements run with the caller's rights.
grant execute on function saldo_private.is_debit_normal, saldo_private.normal_sign to
  saldo_admin, saldo_operator, saldo_member, saldo_branch;
