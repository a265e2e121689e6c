-- Which items add up to a difference: the pending and the failed ones, alone and with others.
--
-- Private: item_sets, item_words. A bounded subset sum: at most 24 candidates in two halves, whose
-- 4,096 sums each meet in one join. Few items can make many sums by chance, so a set comes with the
-- number of sets that fit as well.

create or replace function saldo_private.item_sets__sums(candidates jsonb)
returns table (half integer, mask integer, total numeric, size integer, counted integer,
  distance numeric, ways bigint)
language sql
stable
as $$
  -- Of the sets of a half with equal sums only the nearest in time is needed, and their number.
  select distinct on (s.half, s.total, s.size, s.counted) s.half, s.mask, s.total, s.size,
    s.counted, s.distance, count(*) over (partition by s.half, s.total, s.size, s.counted)
  from (
    select h.half, m.mask, coalesce(sum(c.amount), 0) as total, count(c.amount)::integer as size,
      (count(*) filter (where c.is_counted))::integer as counted,
      coalesce(sum(c.distance), 0) as distance
    from (values (0), (1)) as h (half)
    cross join lateral generate_series(0, (1 << (
      select count(*)::integer
      from jsonb_to_recordset(candidates) as x (half integer)
      where x.half = h.half
    )) - 1) as m (mask)
    left join jsonb_to_recordset(candidates) as c (
      half integer, bit integer, amount numeric, is_counted boolean, distance numeric
    ) on c.half = h.half and m.mask & (1 << c.bit) <> 0
    group by h.half, m.mask
  ) as s
  order by s.half, s.total, s.size, s.counted, s.distance
$$;
comment on function saldo_private.item_sets__sums is
  'The sums of all subsets of both halves of the candidates.';

create or replace function saldo_private.item_sets__candidates(items jsonb, difference numeric)
returns jsonb
language sql
stable
as $$
  with item as (
    select x.item, x.amount, x.is_counted, x.occurred_at, x.entry
    from jsonb_array_elements(items) as e (entry)
    cross join lateral (
      select e.entry ->> 'item' as item, (e.entry ->> 'amount')::numeric as amount,
        coalesce((e.entry ->> 'is_counted')::boolean, false) as is_counted,
        nullif(nullif((e.entry ->> 'occurred_at')::timestamp, 'infinity'), '-infinity')
          as occurred_at, e.entry
    ) as x
    where sign(x.amount) = sign(difference)
    and abs(x.amount) <= abs(difference)
  ),
  near as (
    -- What happened beside a pending item is the likelier partner of it.
    select i.item, i.amount, i.is_counted, i.occurred_at, i.entry,
      case when i.is_counted then coalesce((
        select min(abs(extract(epoch from i.occurred_at - u.occurred_at)))
        from item as u
        where not u.is_counted
      ), 1e9) else 0 end as distance
    from item as i
  ),
  numbered as (
    select n.entry, n.amount, n.is_counted, n.distance,
      row_number() over (
        order by n.is_counted, n.distance, n.occurred_at desc nulls last, n.item
      ) - 1 as place
    from near as n
  )
  select coalesce(jsonb_agg(jsonb_build_object('half', p.place % 2, 'bit', p.place / 2,
    'amount', p.amount, 'is_counted', p.is_counted, 'distance', p.distance, 'entry', p.entry)),
    '[]')
  from numbered as p
  where p.place < 24
$$;
comment on function saldo_private.item_sets__candidates is
  'The items that may be part of a set: those of the difference''s sign, the ones that do not '
  'count first, then those nearest to them in time.';

create or replace function saldo_private.item_sets(items jsonb, difference numeric)
returns table (is_uncounted_only boolean, size integer, ways numeric, entries jsonb)
language sql
stable
as $$
  with candidate as materialized (
    select saldo_private.item_sets__candidates(items, difference) as list
  ),
  part as materialized (
    select s.half, s.mask, s.total, s.size, s.counted, s.distance, s.ways
    from candidate as c
    cross join lateral saldo_private.item_sets__sums(c.list) as s
  ),
  met as (
    select a.mask as mask_0, b.mask as mask_1, a.size + b.size as size,
      a.counted + b.counted = 0 as is_uncounted_only, a.distance + b.distance as distance,
      a.ways * b.ways as ways
    from part as a
    join part as b on b.half = 1 and b.total = difference - a.total
    where a.half = 0
    and a.size + b.size > a.counted + b.counted
    -- With items that do count there are soon sets for any difference.
    and (a.counted + b.counted = 0 or a.size + b.size <= 4)
  ),
  best as (
    select distinct on (m.is_uncounted_only) m.is_uncounted_only, m.size, m.mask_0, m.mask_1,
      sum(m.ways) over (partition by m.is_uncounted_only, m.size) as ways
    from met as m
    order by m.is_uncounted_only, m.size, m.distance, m.mask_0, m.mask_1
  )
  select b.is_uncounted_only, b.size, b.ways, (
    select jsonb_agg(x.entry order by x.is_counted, x.entry ->> 'occurred_at', x.entry ->> 'item')
    from candidate as c
    cross join lateral jsonb_to_recordset(c.list) as x (
      half integer, bit integer, is_counted boolean, entry jsonb
    )
    where case x.half when 0 then b.mask_0 else b.mask_1 end & (1 << x.bit) <> 0
  )
  from best as b
$$;
comment on function saldo_private.item_sets is
  'The smallest set of items with at least one that does not count whose amounts sum to exactly '
  'the difference, and the smallest of such items only; ways: how many sets of that size do.';

create or replace function saldo_private.item_words(entries jsonb)
returns text
language sql
immutable
as $$
  select string_agg(
    format('%s %s (%s)', abs((e.entry ->> 'amount')::numeric),
      coalesce(e.entry ->> 'status',
        case when (e.entry ->> 'is_counted')::boolean then 'counted' else 'not counted' end),
      e.entry ->> 'item'),
    ' + ' order by e.place
  )
  from jsonb_array_elements(entries) with ordinality as e (entry, place)
  where e.place <= 10
$$;
comment on function saldo_private.item_words is 'Items in words: amount, status and id of each.';
