-- The rules over metering: readings, versions, rated lines and journal tell the same story.
--
-- Private: rule_rated_line, rule_rating_entry, rule_reading_rated, rule_deposit_entry. There is no
-- heal: which side is right takes a human to say. What waits in an open re-rating is not wrong.

create or replace function saldo_private.rule_rated_line()
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
  with derived as (
    select l.account_id, l.id, l.reading_id, l.is_withdrawn, l.is_provisional, l.volume_m3,
      l.volume_sm3, l.amount, m3.volume as own_m3, sm3.volume as own_sm3,
      round(sm3.volume * t.price, 2) as own_amount,
      l.price = t.price and l.factor = f.factor
        and l.month = saldo_private.month_of(r.read_on) and t.effective_from <= r.read_on
        and f.effective_from <= r.read_on and coalesce(t.account_id, l.account_id) = l.account_id
        and coalesce(f.account_id, l.account_id) = l.account_id as is_referring,
      t.removed_at is null and f.removed_at is null as is_standing, r.read_on
    from saldo.rated_line as l
    left join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
      and r.status = 'current'
    left join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
    left join saldo.tariff_version as t on t.id = l.tariff_version_id
    left join saldo.correction_factor_version as f on f.id = l.factor_version_id
    cross join lateral (
      select saldo_private.reading_volume(m, r, case when m.kind = 'index'
        then saldo_private.previous_index(m, r.read_at) end) as volume
      offset 0 -- else it is computed anew wherever it is used
    ) as m3
    cross join lateral (
      select saldo_private.rounded(m3.volume * f.factor, f.volume_digits, f.rounding) as volume
    ) as sm3
    where l.superseded_at is null
  ),
  chain as (
    select l.account_id, l.reading_id, sum(l.amount_change) as amount,
      sum(l.volume_change) as volume, count(*) filter (where l.superseded_at is null) as current
    from saldo.rated_line as l
    group by l.account_id, l.reading_id
  )
  select d.id::text, d.account_id, format('%s m3, %s Sm3, %s', d.volume_m3, d.volume_sm3, d.amount),
    format('%s m3, %s Sm3, %s', d.own_m3, d.own_sm3, d.own_amount), d.amount - d.own_amount,
    jsonb_build_object('reading_id', d.reading_id, 'is_referring', d.is_referring,
      'is_standing', d.is_standing)
  from derived as d
  where case when d.is_withdrawn then (d.volume_m3, d.volume_sm3, d.amount) <> (0, 0, 0)
    else ((d.volume_m3, d.volume_sm3, d.amount) = (d.own_m3, d.own_sm3, d.own_amount)
      and d.is_referring
      and (d.is_standing or saldo_private.is_rerating_due(d.account_id, d.read_on))) is not true
  end
  union all
  select c.reading_id::text, c.account_id, coalesce(l.amount::text, 'no current line'),
    c.amount::text, l.amount - c.amount, jsonb_build_object('current_lines', c.current)
  from chain as c
  left join saldo.rated_line as l on l.account_id = c.account_id and l.reading_id = c.reading_id
    and l.superseded_at is null
  where (l.amount = c.amount and l.volume_sm3 = c.volume) is not true
$$;
comment on function saldo_private.rule_rated_line is
  'Current rated lines that are not what their reading and versions make, and readings whose '
  'changes do not sum to the current line.';

create or replace function saldo_private.rule_rating_entry()
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
  with posted as (
    select l.account_id,
      coalesce(e.origin_month, saldo_private.month_of(l.posting_date)) as month,
      sum(l.debit - l.credit) as amount
    from saldo.customer as c
    join saldo.journal_line as l on l.account_id = c.account_id
    join saldo.journal_entry as e on e.id = l.entry_id
    left join saldo.journal_entry as reversed on reversed.id = e.reverses
    where coalesce(reversed.source, e.source) = 'rating'
    group by 1, 2
  ),
  rated as (
    select l.account_id, l.month::date as month, sum(l.amount) as amount
    from saldo.rated_line as l
    where l.superseded_at is null
    group by 1, 2
  )
  select format('%s %s', coalesce(p.account_id, r.account_id), coalesce(p.month, r.month)),
    coalesce(p.account_id, r.account_id), coalesce(p.amount, 0)::text,
    coalesce(r.amount, 0)::text, coalesce(p.amount, 0) - coalesce(r.amount, 0),
    jsonb_build_object('month', coalesce(p.month, r.month))
  from posted as p
  full join rated as r on r.account_id = p.account_id and r.month = p.month
  where coalesce(p.amount, 0) <> coalesce(r.amount, 0)
  union all
  -- By entry as well: two that are wrong may cancel each other.
  select l.entry_id::text, l.account_id, coalesce(j.amount::text, 'no entry'),
    sum(l.amount_change)::text, j.amount - sum(l.amount_change),
    jsonb_build_object('entry_id', l.entry_id)
  from saldo.rated_line as l
  left join lateral (
    select sum(line.debit - line.credit) as amount
    from saldo.journal_line as line
    join saldo.journal_entry as e on e.id = line.entry_id and e.source = 'rating'
    where line.entry_id = l.entry_id
    and line.account_id = l.account_id
  ) as j on true
  where l.entry_id is not null
  group by l.account_id, l.entry_id, j.amount
  having (j.amount = sum(l.amount_change)) is not true
$$;
comment on function saldo_private.rule_rating_entry is
  'Customers and months whose posted rating is not the sum of their current lines, and entries '
  'that are not the sum of the changes they post. stored: the journal; derived: the lines.';

create or replace function saldo_private.rule_reading_rated()
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
  select w.reading_id::text, w.account_id,
    case when l.id is null then 'not rated'
    else format('tariff %s, factor %s', l.tariff_version_id, l.factor_version_id) end,
    format('tariff %s, factor %s', w.tariff_version_id, w.factor_version_id),
    coalesce(l.amount, 0) - w.amount,
    jsonb_build_object('reading_id', w.reading_id, 'read_at', w.read_at)
  from saldo_private.rating_of(array(
    select r.id
    from saldo.reading as r
    join saldo.account as a on a.id = r.account_id
    left join saldo_private.book_state as b on b.id = 1
    where r.status = 'current'
    -- A price that changes for all leaves those alone who have had their last bill, and rates
    -- frozen ones when they are released.
    and a.closed_at is null
    and a.frozen_at is null
    -- In a locked month nothing is said any more: it stays as it was billed.
    and (r.read_on <= b.locked_through) is not true
  )) as w
  left join saldo.rated_line as l on l.account_id = w.account_id and l.reading_id = w.reading_id
    and l.superseded_at is null and not l.is_withdrawn
  -- Provisional ones depend on a setting, which may have been changed since.
  where not w.is_provisional
  and (l.tariff_version_id, l.factor_version_id, l.is_provisional)
    is distinct from (w.tariff_version_id, w.factor_version_id, false)
  and not saldo_private.is_rerating_due(w.account_id, (
    select r.read_on
    from saldo.reading as r
    where r.account_id = w.account_id
    and r.id = w.reading_id
  ))
  union all
  select l.reading_id::text, l.account_id, format('rated %s', l.amount), 'not rated', l.amount,
    jsonb_build_object('reading_id', l.reading_id)
  from saldo.rated_line as l
  left join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
    and r.status = 'current'
  where l.superseded_at is null
  and not l.is_withdrawn
  and r.id is null
$$;
comment on function saldo_private.rule_reading_rated is
  'Current readings with a price and a factor in effect that are not rated by those, but for '
  'locked months and for accounts that are closed or frozen; and lines of readings that do not '
  'stand.';

create or replace function saldo_private.rule_deposit_entry()
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
  with net as (
    select d.account_id, d.id, coalesce(sum(l.credit - l.debit), 0) as amount
    from saldo.deposit as d
    left join saldo.journal_entry as e on e.id = d.entry_id or e.reverses = d.entry_id
    left join saldo.journal_line as l on l.entry_id = e.id and l.account_id = d.account_id
    group by d.account_id, d.id
  )
  select d.id::text, d.account_id, format('%s %s', d.status, d.amount), n.amount::text,
    case when d.status = 'current' then d.amount else 0 end - n.amount,
    jsonb_build_object('deposit_id', d.id, 'entry_id', d.entry_id)
  from saldo.deposit as d
  join net as n on n.account_id = d.account_id and n.id = d.id
  where n.amount <> case when d.status = 'current' then d.amount else 0 end
  union all
  select e.id::text, l.account_id, 'no deposit', (l.credit - l.debit)::text,
    l.debit - l.credit, jsonb_build_object('entry_id', e.id)
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id
  join saldo.customer as c on c.account_id = l.account_id
  where e.source = 'deposit'
  and e.kind = 'normal'
  and not exists (
    select from saldo.deposit as d where d.account_id = l.account_id and d.entry_id = e.id
  )
$$;
comment on function saldo_private.rule_deposit_entry is
  'Deposits whose entry, with its reversal, does not come to what they say, and entries of '
  'deposits that are not recorded.';
