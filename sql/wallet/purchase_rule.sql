-- The rule over purchases: record, journal and stock tell the same story.
--
-- Private: rule_purchase_entry. There is no heal: a human has to say which side is right. It may
-- be asked about some accounts only.

create or replace function saldo_private.rule_purchase_entry__parts(account_ids bigint[])
returns table (
  account_id bigint,
  id uuid,
  amount numeric,
  posted_amount numeric,
  restocked_quantity bigint,
  is_posted boolean
)
language sql
stable
as $$
  select r.account_id, r.purchase_id, sum(r.amount), sum(coalesce(entry.amount, 0)),
    sum(r.restocked_quantity), bool_and(r.amount is not distinct from entry.amount)
  from saldo.purchase_refund as r
  left join lateral (
    select sum(l.credit - l.debit) as amount
    from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    where e.id = r.entry_id
    and e.source = 'partial_refund'
    and e.status = 'posted'
    and l.account_id = r.account_id
  ) as entry on true
  where account_ids is null
  or r.account_id = any (account_ids)
  group by r.account_id, r.purchase_id
$$;
comment on function saldo_private.rule_purchase_entry__parts is
  'What was paid back in parts of each purchase of these accounts (null = all), by the records and '
  'by their entries; is_posted: each record has an entry of its amount.';

create or replace function saldo_private.rule_purchase_entry__purchases(account_ids bigint[])
returns table (
  account_id bigint,
  id uuid,
  status saldo.purchase_status,
  stored_payment numeric,
  payment numeric,
  stored_refund numeric,
  refund numeric,
  stored_items bigint,
  items bigint,
  is_referring boolean,
  is_paid_back_as_told boolean
)
language sql
stable
as $$
  with looked_at as not materialized (
    select p.*
    from saldo.purchase as p
    where account_ids is null
    or p.account_id = any (account_ids)
  ),
  refunded as (
    select p.account_id, p.id, sum(l.credit - l.debit) as amount
    from looked_at as p
    join saldo.journal_entry as e on e.id = p.refund_entry_id and e.reverses = p.entry_id
    join saldo.journal_line as l on l.entry_id = e.id and l.account_id = p.account_id
    where p.refund_entry_id is not null
    group by p.account_id, p.id
  ),
  assigned as (
    select s.account_id, s.purchase_id, s.product_id, count(*) as item_count
    from saldo.stock_item as s
    where s.purchase_id is not null
    and (account_ids is null or s.account_id = any (account_ids))
    group by s.account_id, s.purchase_id, s.product_id
  )
  select p.account_id, p.id, p.status,
    case when p.status in ('pending', 'failed') then 0 else p.amount end,
    case when (e.status = 'reversed') = (p.status = 'refunded' and part.id is null)
      then coalesce(paid.amount, 0) else 0 end,
    case p.status when 'refunded' then p.amount else coalesce(part.amount, 0) end,
    coalesce(refunded.amount, 0) + coalesce(part.posted_amount, 0),
    case when not product.is_stock_tracked or p.status = 'failed'
      or p.status = 'refunded' and part.id is null then 0
      else p.quantity - coalesce(part.restocked_quantity, 0) end,
    coalesce(assigned.item_count, 0),
    m.id is not null and product.id is not null
      and (p.entry_id is null or count(*) over (partition by p.entry_id) = 1),
    case p.status
      when 'partially_refunded' then (part.is_posted and part.amount < p.amount) is true
      when 'refunded' then part.id is null or part.is_posted and part.amount = p.amount
      else part.id is null end
  from looked_at as p
  left join saldo.member as m on m.id = p.member_id and m.account_id = p.account_id
  left join saldo.product on product.id = p.product_id
  left join saldo.journal_entry as e on e.id = p.entry_id
  -- By the entry of each: the lines of an account may be many more than those of its purchases.
  left join lateral (
    select sum(l.debit - l.credit) as amount
    from saldo.journal_line as l
    where l.entry_id = p.entry_id
    and l.account_id = p.account_id
  ) as paid on true
  left join refunded on refunded.account_id = p.account_id and refunded.id = p.id
  left join saldo_private.rule_purchase_entry__parts(account_ids) as part
    on part.account_id = p.account_id and part.id = p.id
  left join assigned on assigned.account_id = p.account_id and assigned.purchase_id = p.id
    and assigned.product_id = p.product_id
$$;
comment on function saldo_private.rule_purchase_entry__purchases is
  'What each purchase of these accounts (null = all) says that was paid, refunded and assigned, '
  'beside what the journal and the '
  'stock say; is_referring: its member and product exist and its entry is its alone; '
  'is_paid_back_as_told: what was paid back in parts is what its state and their entries say.';

create or replace function saldo_private.rule_purchase_entry__unrecorded(account_ids bigint[])
returns table (entry_id uuid, account_id bigint, debit numeric)
language sql
stable
as $$
  select e.id, l.account_id, l.debit
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id
  join saldo.member as m on m.account_id = l.account_id
  where account_ids is null
  and e.source = 'purchase'
  and e.kind = 'normal'
  and not exists (
    select
    from saldo.purchase as p
    where p.account_id = l.account_id
    and p.entry_id = e.id
  )
  union all
  -- Wallet by wallet, or all entries would be read to ask about a few. What a purchase refers to is
  -- taken away first: few lines are left, and their entries are looked up.
  select l.entry_id, m.account_id, l.debit
  from saldo.member as m
  cross join lateral (
    select line.entry_id, line.debit
    from saldo.journal_line as line
    where line.account_id = m.account_id
    and line.entry_id not in (
      select p.entry_id
      from saldo.purchase as p
      where p.account_id = m.account_id
      and p.entry_id is not null
    )
    offset 0
  ) as l
  where account_ids is not null
  and m.account_id = any (account_ids)
  and exists (
    select
    from saldo.journal_entry as e
    where e.id = l.entry_id
    and e.source = 'purchase'
    and e.kind = 'normal'
    offset 0
  )
$$;
comment on function saldo_private.rule_purchase_entry__unrecorded is
  'Money that purchases took from these wallets (null = all), of which there is no record.';

create or replace function saldo_private.rule_purchase_entry(account_ids bigint[] default null)
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
  select p.id::text, p.account_id,
    format('paid %s, refunded %s, items %s', p.stored_payment, p.stored_refund, p.stored_items),
    format('paid %s, refunded %s, items %s', p.payment, p.refund, p.items),
    (p.stored_payment - p.stored_refund) - (p.payment - p.refund),
    jsonb_build_object('purchase_id', p.id, 'status', p.status, 'is_referring', p.is_referring,
      'is_paid_back_as_told', p.is_paid_back_as_told)
  from saldo_private.rule_purchase_entry__purchases(account_ids) as p
  where p.stored_payment <> p.payment
  or p.stored_refund <> p.refund
  or p.stored_items <> p.items
  or not p.is_referring
  or not p.is_paid_back_as_told
  union all
  -- Money that was taken by a purchase of which there is no record.
  select u.entry_id::text, u.account_id, 'no purchase', format('paid %s', u.debit), -u.debit,
    jsonb_build_object('entry_id', u.entry_id)
  from saldo_private.rule_purchase_entry__unrecorded(account_ids) as u
  union all
  -- Money that was paid back by a refund of which there is no record.
  select e.id::text, l.account_id, 'no purchase', format('paid back %s', l.credit), l.credit,
    jsonb_build_object('entry_id', e.id)
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id and l.credit > 0
  where e.source = 'partial_refund'
  and (account_ids is null or l.account_id = any (account_ids))
  and not exists (
    select
    from saldo.purchase_refund as r
    where r.account_id = l.account_id
    and r.entry_id = l.entry_id
  )
  union all
  select s.purchase_id::text, s.account_id, 'no purchase', format('item %s', s.id), null,
    jsonb_build_object('stock_item_id', s.id)
  from saldo.stock_item as s
  left join saldo.purchase as p on p.account_id = s.account_id and p.id = s.purchase_id
    and p.product_id = s.product_id
  where s.purchase_id is not null
  and p.id is null
  and (account_ids is null or s.account_id = any (account_ids))
$$;
comment on function saldo_private.rule_purchase_entry is
  'Purchases that disagree with the journal or the stock: a completed one has its entry with its '
  'amount on the wallet, a refunded one the reversal of it as well, or refunds of parts that '
  'add up to it, a pending or failed one none; refunds of parts are less than the amount while '
  'something is left, and equal their entries; items are assigned to purchases of tracked products '
  'that are not given up or paid back, one a unit less what was restocked. Of all accounts, or of '
  'these.';
