-- The rules over metering: readings, versions, rated lines and journal tell the same story.
--
-- Private: rule_rated_line, rule_rating_entry, rule_reading_rated. There is no heal: a human has to
-- say which side is right. What waits in an open re-rating is not wrong.
-- Each may be asked about some accounts only.

create or replace function saldo_private.rule_rated_line(account_ids bigint[] default null)
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
  with read as (
    select r.account_id, r.id, r as reading, lag(r.index_value) over (
        partition by r.account_id, r.meter_id order by r.read_at
      ) as previous_index
    from saldo.reading as r
    where r.status = 'current'
    and (account_ids is null or r.account_id = any (account_ids))
  ),
  derived as (
    select l.account_id, l.id, l.reading_id, l.is_withdrawn, l.is_provisional, l.volume_m3,
      l.volume_sm3, l.amount, m3.volume as own_m3,
      -- Parts are proven by a rule of their own.
      case when l.parts is null then sm3.volume
        else (select sum(p.volume_sm3) from unnest(l.parts) as p) end as own_sm3,
      case when l.parts is null then round(sm3.volume * t.price, 2)
        else (select sum(p.amount) from unnest(l.parts) as p) end as own_amount,
      l.price = t.price and l.factor = f.factor
        and l.month = saldo_private.month_of((r.reading).read_on)
        and t.effective_from <= (r.reading).read_on
        and f.effective_from <= (r.reading).read_on
        and coalesce(t.account_id, l.account_id) = l.account_id
        and coalesce(f.account_id, l.account_id) = l.account_id as is_referring,
      t.removed_at is null and f.removed_at is null as is_standing, (r.reading).read_on
    from saldo.rated_line as l
    left join read as r on r.account_id = l.account_id and r.id = l.reading_id
    left join saldo.meter as m on m.account_id = r.account_id and m.id = (r.reading).meter_id
    left join saldo.tariff_version as t on t.id = l.tariff_version_id
    left join saldo.correction_factor_version as f on f.id = l.factor_version_id
    cross join lateral (
      select saldo_private.reading_volume(
        m.kind, m.register_limit, (r.reading).index_value, (r.reading).volume,
        (r.reading).is_rollover, coalesce(r.previous_index, m.start_index)
      ) as volume
      offset 0 -- or it is computed again wherever it is used
    ) as m3
    cross join lateral (
      select saldo_private.rounded(m3.volume * f.factor, f.volume_digits, f.rounding) as volume
    ) as sm3
    where l.superseded_at is null
    and (account_ids is null or l.account_id = any (account_ids))
  ),
  chain as (
    select l.account_id, l.reading_id, sum(l.amount_change) as amount,
      sum(l.volume_change) as volume, count(*) filter (where l.superseded_at is null) as current
    from saldo.rated_line as l
    where account_ids is null
    or l.account_id = any (account_ids)
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
  'changes do not sum to the current line: of all accounts, or of these.';

create or replace function saldo_private.rule_rating_entry(account_ids bigint[] default null)
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
  with line as materialized (
    select l.account_id, l.entry_id, e.source = 'rating' as is_own,
      coalesce(e.origin_month, saldo_private.month_of(l.posting_date)) as month,
      l.debit - l.credit as amount
    from saldo.customer as c
    join saldo.journal_line as l on l.account_id = c.account_id
    join saldo.journal_entry as e on e.id = l.entry_id
    where (account_ids is null or c.account_id = any (account_ids))
    -- An entry that was reversed by hand takes its kind with it. Reversals are few, and looked up.
    and case when e.reverses is null then e.source = 'rating'
      else coalesce((
        select reversed.source
        from saldo.journal_entry as reversed
        where reversed.id = e.reverses
      ), e.source) = 'rating'
    end
  ),
  posted as (
    select l.account_id, l.month, sum(l.amount) as amount
    from line as l
    group by l.account_id, l.month
  ),
  rated as (
    select l.account_id, l.month::date as month, sum(l.amount) as amount
    from saldo.rated_line as l
    where l.superseded_at is null
    and (account_ids is null or l.account_id = any (account_ids))
    group by 1, 2
  ),
  change as (
    select l.account_id, l.entry_id, sum(l.amount_change) as amount
    from saldo.rated_line as l
    where l.entry_id is not null
    and (account_ids is null or l.account_id = any (account_ids))
    group by l.account_id, l.entry_id
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
  select c.entry_id::text, c.account_id, coalesce(l.amount::text, 'no entry'), c.amount::text,
    l.amount - c.amount, jsonb_build_object('entry_id', c.entry_id)
  from change as c
  left join (
    select line.account_id, line.entry_id, sum(line.amount) as amount
    from line
    where line.is_own
    group by line.account_id, line.entry_id
  ) as l on l.account_id = c.account_id and l.entry_id = c.entry_id
  where (l.amount = c.amount) is not true
$$;
comment on function saldo_private.rule_rating_entry is
  'Customers and months whose posted rating is not the sum of their current lines, and entries '
  'that are not the sum of the changes they post: of all accounts, or of these. stored: the '
  'journal; derived: the lines.';

create or replace function saldo_private.rule_reading_rated__suspects(account_ids bigint[])
returns setof uuid
language sql
stable
as $$
  -- Common versions are looked up once a day of reading, and not once a reading.
  with reading as materialized (
    select r.account_id, r.id, r.read_on, c.currency,
      case when exists (select from saldo.tariff_version as t where t.account_id = r.account_id)
        then r.account_id else 0 end as tariff_account,
      case when exists (
        select from saldo.correction_factor_version as f where f.account_id = r.account_id
      ) then r.account_id else 0 end as factor_account
    from saldo.reading as r
    join saldo.customer as c on c.account_id = r.account_id
    join saldo.account as a on a.id = r.account_id
    left join saldo_private.book_state as b on b.id = 1
    where r.status = 'current'
    -- A price that changes for all does not touch customers who have had their last bill, and rates
    -- frozen ones when they are released.
    and a.closed_at is null
    and a.frozen_at is null
    -- In a locked month nothing is said any more: it stays as it was billed.
    and (r.read_on <= b.locked_through) is not true
    and (account_ids is null or r.account_id = any (account_ids))
  ),
  -- Materialized: where statistics are behind, a nested loop would sort all days for each reading.
  tariff as materialized (
    select d.tariff_account, d.currency, d.read_on, t.id
    from (select distinct tariff_account, currency, read_on from reading) as d
    cross join lateral (
      select v.id
      from saldo.tariff_version as v
      where coalesce(v.account_id, 0) = any (array[d.tariff_account, 0])
      and v.currency = d.currency
      and v.effective_from <= d.read_on
      and (v.effective_to < d.read_on) is not true
      and v.removed_at is null
      order by v.account_id nulls last, v.effective_from desc
      limit 1
    ) as t
  ),
  factor as materialized (
    select d.factor_account, d.read_on, f.id
    from (select distinct factor_account, read_on from reading) as d
    cross join lateral (
      select v.id
      from saldo.correction_factor_version as v
      where coalesce(v.account_id, 0) = any (array[d.factor_account, 0])
      and v.effective_from <= d.read_on
      and (v.effective_to < d.read_on) is not true
      and v.removed_at is null
      order by v.account_id nulls last, v.effective_from desc
      limit 1
    ) as f
  )
  select r.id
  from reading as r
  join tariff as t on t.tariff_account = r.tariff_account and t.currency = r.currency
    and t.read_on = r.read_on
  join factor as f on f.factor_account = r.factor_account and f.read_on = r.read_on
  left join saldo.rated_line as l on l.account_id = r.account_id and l.reading_id = r.id
    and l.superseded_at is null and not l.is_withdrawn
  where (l.tariff_version_id, l.factor_version_id, l.is_provisional)
    is distinct from (t.id, f.id, false)
  and not saldo_private.is_rerating_due(r.account_id, r.read_on)
  union
  select r.id
  from reading as r
  left join saldo.rated_line as l on l.account_id = r.account_id and l.reading_id = r.id
    and l.superseded_at is null and not l.is_withdrawn
  left join saldo_private.unrated_reading as u on u.account_id = r.account_id
    and u.reading_id = r.id
  where (l.id is null) <> (u.reading_id is not null)
$$;
comment on function saldo_private.rule_reading_rated__suspects is
  'Current readings of these accounts (null = of all) that are not rated by the versions in '
  'effect, or not rated and not noted as that, or both. rating_of, which is expensive, has the '
  'last word about the former: so those are left out that wait in a re-rating, which are nearly '
  'all while it goes on for all.';

create or replace function saldo_private.rule_reading_rated(account_ids bigint[] default null)
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
  with suspect as materialized (
    select s.reading_id
    from saldo_private.rule_reading_rated__suspects(account_ids) as s (reading_id)
  )
  select w.reading_id::text, w.account_id,
    case when l.id is null then 'not rated'
    else format('tariff %s, factor %s', l.tariff_version_id, l.factor_version_id) end,
    format('tariff %s, factor %s', w.tariff_version_id, w.factor_version_id),
    coalesce(l.amount, 0) - w.amount,
    jsonb_build_object('reading_id', w.reading_id, 'read_at', w.read_at)
  from saldo_private.rating_of(array(select s.reading_id from suspect as s)) as w
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
  select r.id::text, r.account_id,
    case when u.reading_id is null then 'not noted as unrated' else 'noted as unrated' end,
    case when l.id is null then 'not rated' else format('rated %s', l.amount) end, null::numeric,
    jsonb_build_object('reading_id', r.id, 'read_at', r.read_at)
  from suspect as s
  join saldo.reading as r on r.id = s.reading_id
  left join saldo.rated_line as l on l.account_id = r.account_id and l.reading_id = r.id
    and l.superseded_at is null and not l.is_withdrawn
  left join saldo_private.unrated_reading as u on u.account_id = r.account_id
    and u.reading_id = r.id
  where (l.id is null) <> (u.reading_id is not null)
  union all
  select l.reading_id::text, l.account_id, format('rated %s', l.amount), 'not rated', l.amount,
    jsonb_build_object('reading_id', l.reading_id)
  from saldo.rated_line as l
  left join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
  where l.superseded_at is null
  and not l.is_withdrawn
  -- Asked of the row that was found: in the join it would offer the index of current readings by
  -- account and time, by which, without statistics, each line reads all readings of its account.
  and (r.status = 'current') is not true
  and (account_ids is null or l.account_id = any (account_ids))
$$;
comment on function saldo_private.rule_reading_rated is
  'Current readings with a price and a factor in effect that are not rated by those, and readings '
  'that are not rated and not noted as that, or both, except for locked months and for accounts '
  'that are closed or frozen; and lines of readings that do not stand: of all accounts, or of '
  'these.';
