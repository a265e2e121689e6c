-- Estimates that an actual reading proves wrong: they are withdrawn, and what they cost with them.
--
-- Private: withdraw_estimates. An estimate is a guess; an index that was read off is not. Where the
-- two cannot both be right the estimate ends, as a reading that was superseded, and says which one
-- corrected it. What an estimate contradicts is refused as before: it may be wrong in itself.
-- Locks: the caller holds those of lock_rating.

create or replace function saldo_private.withdraw_estimates(
  misordered_ids uuid[],
  new_ids uuid[]
)
returns uuid[]
language plpgsql
as $$
declare
  v_withdrawn_ids uuid[];
begin
  with wrong as (
    -- Estimates before an actual reading that is below them, as far back as they are estimates.
    select e.account_id, e.id, r.id as corrected_by
    from saldo.reading as r
    join saldo.reading as e on e.account_id = r.account_id and e.meter_id = r.meter_id
      and e.status = 'current' and e.read_at < r.read_at
    where r.id = any (misordered_ids)
    and r.id = any (new_ids)
    and r.quality = 'actual'
    and not r.is_rollover
    and e.quality = 'estimated'
    and e.index_value > r.index_value
    and not exists (
      select
      from saldo.reading as between_them
      where between_them.account_id = r.account_id
      and between_them.meter_id = r.meter_id
      and between_them.status = 'current'
      and between_them.read_at >= e.read_at
      and between_them.read_at < r.read_at
      and (between_them.quality = 'actual' or between_them.is_rollover
        or between_them.index_value <= r.index_value)
    )
    union all
    -- An estimate after an actual reading that came later and is above it.
    select e.account_id, e.id, r.id
    from saldo.reading as e
    cross join lateral (
      select p.id, p.quality
      from saldo.reading as p
      where p.account_id = e.account_id
      and p.meter_id = e.meter_id
      and p.status = 'current'
      and p.read_at < e.read_at
      order by p.read_at desc
      limit 1
    ) as r
    where e.id = any (misordered_ids)
    and e.id <> all (new_ids)
    and e.quality = 'estimated'
    and not e.is_rollover
    and r.id = any (new_ids)
    and r.quality = 'actual'
  ),
  ended as (
    update saldo.reading as e
    set status = 'superseded',
      ended_at = clock_timestamp(),
      ended_by = saldo_private.actor(),
      corrected_by = w.corrected_by
    from (
      -- Two actual readings may both be below it: the first of them says it.
      select distinct on (each.id) each.account_id, each.id, each.corrected_by
      from wrong as each
      order by each.id, each.corrected_by
    ) as w
    where e.account_id = w.account_id
    and e.id = w.id
    returning e.id
  )
  select coalesce(array_agg(ended.id), '{}')
  into v_withdrawn_ids
  from ended;
  return v_withdrawn_ids;
end
$$;
comment on function saldo_private.withdraw_estimates is
  'Ends the estimates that stand in the way of actual readings among new_ids, and returns their '
  'ids. misordered_ids: readings whose index does not follow on the one before.';

comment on column saldo.reading.corrected_by is
  'Actual reading that proved the estimate wrong, and withdrew it; null = none did.';
