-- Balance of an account at a moment.
--
-- Public: balance_at.
-- Whole months come from month_movement (and stripes), the month that is cut from the lines: the
-- cost is that of one month, however long the history.

create or replace function saldo.balance_at(account_id bigint, at timestamptz)
returns numeric
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
  v_date date := saldo_private.business_date(balance_at.at);
  v_net numeric;
begin
  select *
  into v_account
  from saldo.account
  where id = balance_at.account_id;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  elsif balance_at.at is null then
    perform saldo_private.fail('input_invalid', 'at: an instant');
  end if;

  select sum(part.net)
  into v_net
  from (
    select sum(m.debit - m.credit) as net
    from saldo_private.posted_movement as m
    where m.account_id = balance_at.account_id
    and m.month < saldo_private.month_of(v_date)
    union all
    select sum(l.debit - l.credit)
    from saldo.journal_line as l
    where l.account_id = balance_at.account_id
    and l.posting_date >= saldo_private.month_of(v_date)
    and l.posting_date < v_date
    union all
    -- Only of the last day is it asked when: to look up each entry would be most of the work.
    select sum(l.debit - l.credit)
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where l.account_id = balance_at.account_id
    and l.posting_date = v_date
    -- As its lines say: where they are many, no more than the day is read.
    and e.posting_date = v_date
    and e.occurred_at <= balance_at.at
  ) as part;
  return coalesce(v_net, 0) * saldo_private.normal_sign(v_account.type);
end
$$;
comment on function saldo.balance_at is
  'Balance of an account at a moment, on its normal side, in its currency: everything posted on '
  'earlier business dates, and what had occurred by then on that date. Errors: '
  'SB101 account_not_found, SB010 input_invalid.';
revoke execute on function saldo.balance_at from public;
grant execute on function saldo.balance_at to saldo_admin, saldo_operator, saldo_member;
