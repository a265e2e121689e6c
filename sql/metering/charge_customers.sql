-- Charging customers for a month: the first time by hand, from then on by itself (recharge.sql).
--
-- Public: charge_customers. Private: rule_customer_charge.
-- Locks: lock_rating of the customers, then months and accounts.

create or replace function saldo.charge_customers(month date, customer_id bigint default null)
returns integer
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_month date := saldo_private.require_month(charge_customers.month);
  v_account_ids bigint[];
begin
  if v_month > saldo_private.business_date(now()) then
    perform saldo_private.fail('input_invalid', 'month: not in the future');
  end if;
  v_account_ids := case when charge_customers.customer_id is not null
    then array[(saldo_private.require_customer(charge_customers.customer_id)).account_id]
    else array(
      select c.account_id
      from saldo.customer as c
      join saldo.account as a on a.id = c.account_id
      where a.closed_at is null
      and a.frozen_at is null
    ) end;
  perform saldo_private.lock_rating(v_account_ids);
  insert into saldo_private.charged_month (account_id, month, charged_by)
  values (
    case when charge_customers.customer_id is not null then v_account_ids[1] else 0 end, v_month,
    saldo_private.actor()
  )
  on conflict on constraint charged_month_pkey do nothing;
  return saldo_private.recharge(
    v_account_ids, array_fill(v_month, array[cardinality(v_account_ids)])
  );
end
$$;
comment on function saldo.charge_customers is
  'Posts what the parts of the tariff charge for a month, of a customer or of all that are open '
  'and not frozen, as the difference to what was charged before. A month that is charged is '
  'charged again by itself when a reading, a price, a factor, a meter or a part of the tariff '
  'comes or goes late, in a closed month as an adjustment. Returns how many customers'' charges '
  'changed. Errors in checking order: SB010 input_invalid, SB401 customer_not_found, '
  'SB020 isolation_unsupported, SB108 period_locked, SB102 account_closed, and those of a posting.';
revoke execute on function saldo.charge_customers from public;
grant execute on function saldo.charge_customers to saldo_admin, saldo_biller;

create or replace function saldo_private.rule_customer_charge(account_ids bigint[] default null)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  with charged as (
    select c.account_id, c.month::date as month,
      coalesce(sum(c.amount) filter (where c.superseded_at is null), 0) as amount
    from saldo.customer_charge as c
    where account_ids is null
    or c.account_id = any (account_ids)
    group by 1, 2
  ),
  posted as (
    select l.account_id, coalesce(e.origin_month, saldo_private.month_of(l.posting_date)) as month,
      sum(l.debit - l.credit) as amount
    from (select distinct each.account_id from charged as each) as a
    join saldo.journal_line as l on l.account_id = a.account_id
    join saldo.journal_entry as e on e.id = l.entry_id
    left join saldo.journal_entry as reversed on reversed.id = e.reverses
    where coalesce(reversed.source, e.source) = 'charge'
    group by 1, 2
  ),
  due as (
    select s.account_id, m.month, coalesce(sum(n.amount), 0) as amount
    from saldo.customer as s
    join saldo.account as a on a.id = s.account_id
    left join saldo_private.book_state as b on b.id = 1
    cross join lateral (
      select distinct g.month
      from saldo_private.charged_month as g
      where g.account_id in (0, s.account_id)
      -- A closed month is as it was billed and adjusted.
      and (g.month <= b.closed_through) is not true
    ) as m
    left join lateral saldo_private.charges_of(s, m.month) as n on true
    where (account_ids is null or s.account_id = any (account_ids))
    and a.closed_at is null
    and a.frozen_at is null
    and not saldo_private.is_recharge_due(s.account_id, m.month)
    group by s.account_id, m.month
  )
  select format('%s %s', coalesce(c.account_id, p.account_id), coalesce(c.month, p.month)),
    coalesce(c.account_id, p.account_id), coalesce(p.amount, 0)::text,
    coalesce(c.amount, 0)::text, coalesce(p.amount, 0) - coalesce(c.amount, 0),
    jsonb_build_object('month', coalesce(c.month, p.month))
  from charged as c
  full join posted as p on p.account_id = c.account_id and p.month = c.month
  where coalesce(p.amount, 0) <> coalesce(c.amount, 0)
  union all
  select format('%s %s due', d.account_id, d.month), d.account_id, coalesce(c.amount, 0)::text,
    d.amount::text, coalesce(c.amount, 0) - d.amount, jsonb_build_object('month', d.month)
  from due as d
  left join charged as c on c.account_id = d.account_id and c.month = d.month
  left join posted as p on p.account_id = d.account_id and p.month = d.month
  where coalesce(p.amount, 0) = coalesce(c.amount, 0)
  and d.amount <> coalesce(c.amount, 0)
$$;
comment on function saldo_private.rule_customer_charge is
  'Customers and months whose posted charges are not the sum of those that stand, and open months '
  'that are charged otherwise than the parts of the tariff make and no job comes to: of all '
  'accounts, or of these.';
