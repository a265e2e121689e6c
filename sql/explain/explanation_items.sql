-- Items behind a gap: holds, purchases and pending rows that sum to exactly the difference, and
-- lines that are missing from several entries.
--
-- Private: open_items, causes_of_open_items, causes_of_missing_sets. A bounded subset search
-- (item_sets.sql) for the largest gaps: a set that fits by chance is "possible", never more than
-- "likely".

create or replace function saldo_private.open_items__holds(gap saldo_private.finding_gap)
returns setof jsonb
language sql
stable
as $$
  -- What an open hold keeps, and what an ended one gave back. A cache that counts an ended one is
  -- off by it one way, one that misses an open one the other way.
  select jsonb_build_object('item', format('hold %s', h.id), 'status', h.status,
    'amount', h.amount * case
      when gap.rule = 'account_balance' then -1
      when (gap.rule = 'held_total') = (h.status <> 'HELD') then 1
      else -1 end,
    'is_counted', false, 'occurred_at', h.occurred_at)
  from (
    select each.id, each.status, coalesce(each.closed_at, each.created_at) as occurred_at,
      case each.status when 'HELD' then each.open_amount
        else each.amount - each.captured_amount end as amount
    from saldo.hold as each
    where each.account_id = gap.account_id
    order by occurred_at desc
    limit 2000
  ) as h
  where h.amount > 0
$$;
comment on function saldo_private.open_items__holds is
  'The newest 2,000 holds of the account, with what the gap would be if the cache had the opposite '
  'of each.';

create or replace function saldo_private.open_items(gap saldo_private.finding_gap)
returns jsonb
language sql
stable
-- The caller may have it off; rows of one account are looked up.
set enable_nestloop = on
as $$
  with item as (
    select h as entry
    from saldo_private.open_items__holds(gap) as h
    where gap.rule in ('account_balance', 'held_total', 'account_slot')
    union all
    select jsonb_build_object('item', format('purchase %s', p.id), 'status', p.status,
      'amount', -p.amount, 'is_counted', false, 'occurred_at', p.created_at)
    from (
      select each.id, each.status, each.amount, each.created_at
      from saldo.purchase as each
      where each.account_id = gap.account_id
      and each.status in ('pending', 'failed')
      and each.hold_id is null -- with a hold it is among the holds already
      order by each.created_at desc
      limit 2000
    ) as p
    where gap.rule = 'account_balance'
    union all
    -- A balance has none of them yet. For slots: the difference if one is not counted.
    select jsonb_build_object('item', format('row %s', r.id), 'status', 'PENDING',
      'amount', r.amount * case when (r.direction = 'debit') = gap.is_debit_normal then 1 else -1
        end * case gap.rule when 'account_slot' then -1 else 1 end,
      'is_counted', false, 'occurred_at', r.created_at)
    from (
      select each.id, each.direction, each.amount, each.created_at
      from saldo_private.settlement_mark as m
      join saldo.sub_balance as each on each.account_id = m.account_id
        and each.slot_no = m.slot_no
        and each.seq > m.seq
      where m.account_id = gap.account_id
      order by each.created_at desc
      limit 2000
    ) as r
    where gap.rule in ('account_balance', 'account_slot')
  )
  select coalesce(jsonb_agg(i.entry), '[]')
  from item as i
$$;
comment on function saldo_private.open_items is
  'Items of the account that are in no posted balance: open and ended holds, pending and failed '
  'purchases, pending rows. amount: what stored less derived is if one was applied anyway, '
  'or, of slots and holds, not applied although it should.';

create or replace function saldo_private.causes_of_open_items(gaps saldo_private.finding_gap[])
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select g.finding_id, 5, 'uncounted_items',
    case when s.ways = 1 and s.size <= 3 then 'likely'
      else 'possible' end::saldo.explanation_confidence,
    format('%s is exactly the difference of %s%s: %s%s', saldo_private.item_words(s.entries),
      abs(g.difference), case when s.size > 10 then format(' (%s items)', s.size) else '' end,
      case when g.rule = 'account_balance'
        then 'items that are in no balance were applied to this one anyway.'
        else 'ended ones still count, or open ones do not.' end,
      case when s.ways > 1 then format(' %s other sets of %s items fit as well.', s.ways - 1,
        s.size) else '' end),
    jsonb_build_object('items', s.entries, 'sets_of_this_size', s.ways)
  from unnest(gaps) as g
  cross join lateral saldo_private.item_sets(
    (select saldo_private.open_items(g)), g.difference
  ) as s
  where g.rule in ('account_balance', 'held_total', 'account_slot')
  and g.difference <> 0
$$;
comment on function saldo_private.causes_of_open_items is
  'Sets of open, failed and ended items that are exactly the difference.';

create or replace function saldo_private.causes_of_missing_sets(
  check_run_id uuid,
  gaps saldo_private.finding_gap[]
)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  with missing as materialized (
    select m.currency, m.posting_date, jsonb_build_object('item', format('entry %s', m.entry_id),
        'status', 'line missing', 'amount', m.debit - m.credit, 'is_counted', false,
        'occurred_at', m.posting_date) as entry
    from saldo_private.missing_lines(causes_of_missing_sets.check_run_id) as m
    where m.currency is not null
    order by m.posting_date desc
    limit 2000
  )
  select g.finding_id, 3, 'missing_item',
    case when s.ways = 1 and s.size <= 3 then 'likely'
      else 'possible' end::saldo.explanation_confidence,
    format('Lines of %s entries are missing, and make exactly the difference of %s: %s.%s', s.size,
      abs(g.amounts[1] - g.amounts[2]), saldo_private.item_words(s.entries),
      case when s.ways > 1 then format(' %s other sets of %s fit as well.', s.ways - 1, s.size)
        else '' end),
    jsonb_build_object('items', s.entries, 'sets_of_this_size', s.ways)
  from unnest(gaps) as g
  cross join lateral (
    select jsonb_agg(m.entry) as list
    from missing as m
    where m.currency = g.currency
    and (g.month is null or g.month = date_trunc('month', m.posting_date::timestamp))
  ) as items
  cross join lateral saldo_private.item_sets(items.list, g.amounts[1] - g.amounts[2]) as s
  where g.rule in ('account_balance', 'month_movement')
  and items.list is not null
  and s.size > 1
$$;
comment on function saldo_private.causes_of_missing_sets is
  'Sets of entries whose missing lines are together exactly the difference.';
