-- The rule over readings that their tariff divides: parts are what their versions make.
--
-- Private: rule_rated_part. There is no heal, as for rated lines. Where nobody divides, it costs
-- nothing. It may be asked about some accounts only.

create or replace function saldo_private.rule_rated_part__crossing(account_ids bigint[])
returns setof uuid
language sql
stable
as $$
  with boundary as materialized (
    select t.account_id, unnest(array[t.effective_from, t.effective_to + 1]) as day
    from saldo.tariff_version as t
    where t.removed_at is null
    union
    select f.account_id, unnest(array[f.effective_from, f.effective_to + 1])
    from saldo.correction_factor_version as f
    where f.removed_at is null
  ),
  read as (
    select r.account_id, r.id, r.read_on, coalesce(
        lag(r.read_on) over (partition by r.account_id, r.meter_id order by r.read_at),
        saldo_private.business_date(m.installed_at)
      ) as previous_on
    from saldo.reading as r
    join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
    where r.status = 'current'
    and (account_ids is null or r.account_id = any (account_ids))
  )
  select l.reading_id
  from read as r
  join saldo.rated_line as l on l.account_id = r.account_id and l.reading_id = r.id
    and l.superseded_at is null and not l.is_withdrawn
  join saldo.tariff_version as t on t.id = l.tariff_version_id and t.spanning <> 'reading_day'
  join saldo.account as a on a.id = l.account_id
  left join saldo_private.book_state as b on b.id = 1
  -- What reading_rated leaves alone stays as it was billed, and so do its parts.
  where a.closed_at is null
  and a.frozen_at is null
  and (r.read_on <= b.locked_through) is not true
  and (l.parts is not null or exists (
    select
    from boundary as y
    where y.day > r.previous_on + 1
    and y.day <= r.read_on
    and coalesce(y.account_id, l.account_id) = l.account_id
  ))
$$;
comment on function saldo_private.rule_rated_part__crossing is
  'Readings that are divided, or whose days have a version that begins or ends, of tariffs that '
  'divide.';

create or replace function saldo_private.rule_rated_part(account_ids bigint[] default null)
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
  -- By the versions that each part names.
  select l.id::text, l.account_id, to_jsonb(l.parts)::text, to_jsonb(own.parts)::text,
    l.amount - (select sum(p.amount) from unnest(own.parts) as p),
    jsonb_build_object('reading_id', l.reading_id)
  from saldo.rated_line as l
  join saldo.tariff_version as t on t.id = l.tariff_version_id
  join saldo.correction_factor_version as f on f.id = l.factor_version_id
  cross join lateral (
    select saldo_private.part_figures(l.parts, l.volume_m3, t, f) as parts
    offset 0
  ) as own
  join saldo.account as a on a.id = l.account_id
  where l.parts is not null
  and l.superseded_at is null
  and (account_ids is null or l.account_id = any (account_ids))
  and (l.parts is distinct from own.parts or cardinality(l.parts) < 2)
  -- Weights change in place: closed and frozen accounts stay as they were billed, others may wait.
  and (t.spanning <> 'by_profile' or (a.closed_at is null and a.frozen_at is null
    and not saldo_private.is_rerating_due(l.account_id, saldo_private.business_date(l.read_at))))
  union all
  -- By the versions that count.
  select l.id::text, l.account_id, coalesce(to_jsonb(l.parts)::text, 'not divided'),
    coalesce(to_jsonb(w.parts)::text, 'not divided'), l.amount - w.amount,
    jsonb_build_object('reading_id', l.reading_id)
  from saldo_private.rating_of(array(
    select c.reading_id
    from saldo_private.rule_rated_part__crossing(account_ids) as c (reading_id)
    where exists (select from saldo.tariff_version as t where t.spanning <> 'reading_day')
  )) as w
  join saldo.rated_line as l on l.account_id = w.account_id and l.reading_id = w.reading_id
    and l.superseded_at is null and not l.is_withdrawn
  where l.parts is distinct from w.parts
  and not saldo_private.is_rerating_due(w.account_id, (
    select r.read_on
    from saldo.reading as r
    where r.account_id = w.account_id
    and r.id = w.reading_id
  ))
$$;
comment on function saldo_private.rule_rated_part is
  'Divided readings whose parts are not what their versions make, and readings that are not '
  'divided as the versions that count say: of all accounts, or of these.';
