-- Debts: what members owe, since a top-up that they had spent was charged back.
--
-- Private: open_debt_account, pay_debt. reverse_top_up.sql makes debts, top_up.sql pays them.
-- A debt is an asset account of its own, which never goes below zero: nobody pays more than is
-- owed. It is opened when first needed, so its id is higher than those of the wallet and of the
-- account that the top-up debited: whoever locks those first locks in id order.

select saldo_private.describe_source('debt_payment');

create or replace function saldo_private.open_debt_account(member saldo.member, currency text)
returns bigint
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  v_account := saldo.open_account(
    code => 'debt:' || member.code,
    name => 'Debt of ' || member.name,
    type => 'asset',
    currency => open_debt_account.currency,
    min_balance => 0
  );
  update saldo.member as m
  set debt_account_id = v_account.id
  where m.id = member.id;
  return v_account.id;
end
$$;
comment on function saldo_private.open_debt_account is
  'Opens the account of what a member owes. The caller has locked the member. Errors: '
  'SB014 not_unique where another account has its code.';

create or replace function saldo_private.pay_debt(
  member_id bigint,
  amount numeric,
  occurred_at timestamptz
)
returns void
language plpgsql
as $$
declare
  v_member saldo.member;
  v_debt numeric;
  v_available numeric;
  v_paid numeric;
begin
  -- A statement after the top-up's posting, which holds the wallet: it sees the charge-back that
  -- was waited for there.
  select *
  into v_member
  from saldo.member
  where id = pay_debt.member_id;
  if v_member.debt_account_id is null then
    return;
  end if;
  perform
  from saldo.account as a
  where a.id = v_member.debt_account_id
  for no key update;
  select b.settled_balance
  into v_debt
  from saldo.balances(v_member.debt_account_id) as b;
  select b.available_balance
  into v_available
  from saldo.balances(v_member.account_id) as b;
  v_paid := least(v_debt, amount, v_available);
  if v_paid > 0 then
    perform saldo_private.post_pair(
      entry_id => saldo_private.uuid_v7(),
      debit_account_id => v_member.account_id,
      credit_account_id => v_member.debt_account_id,
      amount => v_paid,
      description => 'Payment of a debt',
      source => 'debt_payment',
      occurred_at => pay_debt.occurred_at
    );
  end if;
end
$$;
comment on function saldo_private.pay_debt is
  'Pays what a member owes out of a top-up that was posted just now, up to its amount. Errors: '
  'those of a posting.';
