-- Entries that are in the journal twice, while the totals know one of them.
--
-- Private: entry_signature, doubled_entries, causes_of_doubled_entries. Alike are two entries with
-- the same lines and the same idempotency key, or at most 60 seconds apart. Looked for behind the
-- largest gaps.

create or replace function saldo_private.entry_signature(entry_id uuid)
returns text
language sql
stable
as $$
  select string_agg(
    format('%s %s %s', l.account_id, trim_scale(l.debit), trim_scale(l.credit)), ','
    order by l.account_id, l.debit, l.credit
  )
  from saldo.journal_line as l
  where l.entry_id = entry_signature.entry_id
$$;
comment on function saldo_private.entry_signature is
  'The lines of an entry as a text: the same for entries that are alike.';

create or replace function saldo_private.doubled_entries(gaps saldo_private.finding_gap[])
returns table (finding_id uuid, entry_id uuid, twin_id uuid, is_same_key boolean,
  pair_count bigint)
language sql
stable
-- The caller may have it off; entries are looked up.
set enable_nestloop = on
as $$
  with candidate as materialized (
    -- Entries with exactly what the totals do not know.
    select g.finding_id, e.id, e.occurred_at, e.idempotency_key
    from unnest(gaps) as g
    cross join lateral (
      select l.entry_id
      from saldo.journal_line as l
      where l.account_id = g.account_id
      and (g.month is null or l.posting_date between g.month
        and (g.month + interval '1 month - 1 day')::date)
      group by l.entry_id
      having sum(l.debit) = -g.amounts[1]
      and sum(l.credit) = -g.amounts[2]
    ) as fitting
    join saldo.journal_entry as e on e.id = fitting.entry_id
    where g.rule in ('account_balance', 'month_movement')
  ),
  pair as (
    select c.finding_id, c.id, c.occurred_at,
      lag(c.id) over in_time as twin_id,
      c.occurred_at - lag(c.occurred_at) over in_time <= interval '60 seconds' as is_near,
      false as is_same_key
    from candidate as c
    window in_time as (partition by c.finding_id order by c.occurred_at, c.id)
    union all
    select c.finding_id, c.id, c.occurred_at, lag(c.id) over of_key, true, true
    from candidate as c
    where c.idempotency_key is not null
    window of_key as (
      partition by c.finding_id, c.idempotency_key order by c.occurred_at, c.id
    )
  ),
  alike as (
    select distinct on (p.finding_id, p.id, p.twin_id) p.finding_id, p.id, p.twin_id,
      p.is_same_key, p.occurred_at
    from (
      select each.*, row_number() over (
          partition by each.finding_id order by each.occurred_at desc, each.id desc
        ) as place
      from pair as each
      where each.twin_id is not null
      and each.is_near
    ) as p
    where p.place <= 200
    and saldo_private.entry_signature(p.id) = saldo_private.entry_signature(p.twin_id)
    order by p.finding_id, p.id, p.twin_id, p.is_same_key desc
  )
  select a.finding_id, a.id, a.twin_id, a.is_same_key, count(*) over (partition by a.finding_id)
  from alike as a
$$;
comment on function saldo_private.doubled_entries is
  'Pairs of entries that are alike, each of which is exactly what a gap is about: the newest 200 '
  'pairs of each gap.';

create or replace function saldo_private.causes_of_doubled_entries(gaps saldo_private.finding_gap[])
returns setof saldo_private.possible_cause
language sql
stable
as $$
  with pair as materialized (
    select * from saldo_private.doubled_entries(gaps)
  ),
  witness as materialized (
    select w.*
    from saldo_private.entry_witness(array(
      select p.entry_id from pair as p union select p.twin_id from pair as p
    )) as w
    where w.words is not null
  ),
  judged as (
    select p.finding_id, p.is_same_key, p.pair_count,
      -- The one that something speaks against comes first.
      case when mine.entry_id is null and its.entry_id is not null then p.twin_id
        else p.entry_id end as entry_id,
      case when mine.entry_id is null and its.entry_id is not null then p.entry_id
        else p.twin_id end as twin_id,
      coalesce(mine.words, its.words) as words, coalesce(mine.event_id, its.event_id) as event_id,
      row_number() over (
        partition by p.finding_id
        order by coalesce(mine.event_id, its.event_id) is null,
          coalesce(mine.words, its.words) is null, p.is_same_key desc, p.entry_id desc
      ) as place
    from pair as p
    left join witness as mine on mine.entry_id = p.entry_id
    left join witness as its on its.entry_id = p.twin_id
  )
  select j.finding_id, 3, 'doubled_item',
    case when j.event_id is not null then 'certain'
      when j.words is not null then 'likely'
      else 'possible' end::saldo.explanation_confidence,
    format('An entry is there twice, and the totals know one of the two: %s (%s, posted at %s) is '
      'the same as %s, with %s. %s%s', e.id, e.description, e.posted_at, j.twin_id,
      case when j.is_same_key then 'the same idempotency key'
        else 'at most 60 seconds between' end,
      coalesce(format('The first is too much: %s.', j.words),
        'Nothing recorded tells which of them is too much.'),
      case when j.pair_count > 1 and j.words is null
        then format(' %s pairs are of this kind.', j.pair_count) else '' end),
    jsonb_build_object('entry_id', j.entry_id, 'twin_id', j.twin_id, 'event_id', j.event_id,
      'pairs', j.pair_count)
  from judged as j
  join saldo.journal_entry as e on e.id = j.entry_id
  where j.place = 1
$$;
comment on function saldo_private.causes_of_doubled_entries is
  'Entries that are there twice, the best proven of each gap.';
