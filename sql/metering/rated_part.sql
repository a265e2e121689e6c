-- Readings that span a change of price or factor, divided by the rule of their tariff.
--
-- Public: saldo.rated_part, saldo.consumption_profile. Private: spanned_parts, part_figures,
-- rated_parts, previous_read_on.
-- The days of a reading are those after the one before it, up to its own. Days with the same
-- versions in a row are a part. Parts add up exactly to the line: each figure is the running
-- difference, what the parts up to it come to, rounded, less what those before it came to. That is
-- error diffusion in one dimension (Floyd and Steinberg, 1976): no part is off by a whole unit, and
-- the sum is that of the exact figures, rounded once.
-- The tariff of the reading's day decides. A day without a version counts by those of that day.

create or replace function saldo_private.previous_read_on(meter saldo.meter, read_at timestamptz)
returns date
language plpgsql
stable
as $$
begin
  return coalesce(
    (
      select p.read_on
      from saldo.reading as p
      where p.account_id = meter.account_id
      and p.meter_id = meter.id
      and p.status = 'current'
      and p.read_at < previous_read_on.read_at
      order by p.read_at desc
      limit 1
    ),
    saldo_private.business_date(meter.installed_at)
  );
end
$$;
comment on function saldo_private.previous_read_on is
  'Business date of the reading before this moment, or on which the meter was installed.';

create or replace function saldo_private.spanned_parts(
  account_id bigint,
  since date,
  read_on date,
  tariff saldo.tariff_version,
  factor_version_id bigint
)
returns saldo.rated_part[]
language plpgsql
stable
as $$
begin
  return array(
    with versioned as (
      select d.day::date as day, coalesce(t.id, tariff.id) as tariff_id,
        coalesce(f.id, spanned_parts.factor_version_id) as factor_id
      from generate_series(since + 1, spanned_parts.read_on, interval '1 day') as d (day)
      left join lateral (
        select v.id
        from saldo.tariff_version as v
        where coalesce(v.account_id, 0) = any (array[spanned_parts.account_id, 0])
        and v.currency = tariff.currency
        and v.effective_from <= d.day
        and (v.effective_to < d.day) is not true
        and v.removed_at is null
        order by v.account_id nulls last, v.effective_from desc
        limit 1
      ) as t on true
      left join lateral (
        select v.id
        from saldo.correction_factor_version as v
        where coalesce(v.account_id, 0) = any (array[spanned_parts.account_id, 0])
        and v.effective_from <= d.day
        and (v.effective_to < d.day) is not true
        and v.removed_at is null
        order by v.account_id nulls last, v.effective_from desc
        limit 1
      ) as f on true
    ),
    marked as (
      select v.*, (v.tariff_id, v.factor_id) is distinct from (
          lag(v.tariff_id) over by_day, lag(v.factor_id) over by_day
        ) as is_first
      from versioned as v
      window by_day as (order by v.day)
    ),
    numbered as (
      select m.*, count(*) filter (where m.is_first) over (order by m.day) as part_no
      from marked as m
    )
    select jsonb_populate_record(null::saldo.rated_part, jsonb_build_object(
      'part_no', n.part_no,
      'from_date', min(n.day),
      'to_date', max(n.day),
      'tariff_version_id', n.tariff_id,
      'factor_version_id', n.factor_id
    ))
    from numbered as n
    group by n.part_no, n.tariff_id, n.factor_id
    order by n.part_no
  );
end
$$;
comment on function saldo_private.spanned_parts is
  'Parts of the days after one up to another, by the versions that count on them; without figures.';

create or replace function saldo_private.part_figures(
  parts saldo.rated_part[],
  volume numeric,
  tariff saldo.tariff_version,
  factor_version saldo.correction_factor_version
)
returns saldo.rated_part[]
language plpgsql
stable
as $$
begin
  return array(
    with weighted as (
      select p.part_no, p.from_date, p.to_date, p.tariff_version_id, p.factor_version_id, t.price,
        f.factor, case
          when tariff.spanning = 'by_profile' then (
            select sum(coalesce(w.weight, 1))
            from generate_series(p.from_date, p.to_date, interval '1 day') as d (day)
            left join saldo.consumption_profile as w on w.profile = tariff.profile
              and w.day = d.day::date
          )
          else p.to_date - p.from_date + 1
        end as weight
      from unnest(parts) as p
      left join saldo.tariff_version as t on t.id = p.tariff_version_id
      left join saldo.correction_factor_version as f on f.id = p.factor_version_id
    ),
    -- Each sum up to a part is rounded, and the one before it taken off.
    metered as (
      select w.*, round(volume * sum(w.weight) over (order by w.part_no)
        / sum(w.weight) over (), 6) as until
      from weighted as w
    ),
    cubic as (
      select m.*, m.until - coalesce(lag(m.until) over (order by m.part_no), 0) as m3
      from metered as m
    ),
    corrected as (
      select c.*, saldo_private.rounded(sum(c.m3 * c.factor) over (order by c.part_no),
        factor_version.volume_digits, factor_version.rounding) as sm3_until
      from cubic as c
    ),
    standard as (
      select c.*, c.sm3_until - coalesce(lag(c.sm3_until) over (order by c.part_no), 0) as sm3
      from corrected as c
    ),
    priced as (
      select s.*, round(sum(s.sm3 * s.price) over (order by s.part_no), 2) as amount_until
      from standard as s
    )
    select jsonb_populate_record(null::saldo.rated_part, jsonb_build_object(
      'part_no', p.part_no,
      'from_date', p.from_date,
      'to_date', p.to_date,
      'volume_m3', trim_scale(p.m3),
      'factor', p.factor,
      'volume_sm3', trim_scale(p.sm3),
      'price', p.price,
      'amount', trim_scale(
        p.amount_until - coalesce(lag(p.amount_until) over (order by p.part_no), 0)
      ),
      'tariff_version_id', p.tariff_version_id,
      'factor_version_id', p.factor_version_id
    ))
    from priced as p
    order by p.part_no
  );
end
$$;
comment on function saldo_private.part_figures is
  'The parts with their figures: the volume divided by days or profile, as the tariff says, '
  'corrected and priced by the versions of each part, and rounded as running differences, so that '
  'they add up to the whole. factor_version: that of the reading''s day, whose rounding counts.';

create or replace function saldo_private.rated_parts(
  reading saldo.reading,
  meter saldo.meter,
  volume numeric,
  tariff_version_id bigint,
  factor_version_id bigint
)
returns saldo.rated_part[]
language plpgsql
stable
as $$
declare
  v_tariff saldo.tariff_version;
  v_factor saldo.correction_factor_version;
  v_parts saldo.rated_part[];
begin
  select *
  into strict v_tariff
  from saldo.tariff_version as t
  where t.id = rated_parts.tariff_version_id;
  select *
  into strict v_factor
  from saldo.correction_factor_version as f
  where f.id = rated_parts.factor_version_id;
  v_parts := saldo_private.spanned_parts(
    reading.account_id, saldo_private.previous_read_on(meter, reading.read_at), reading.read_on,
    v_tariff, v_factor.id
  );
  -- One part is no part: the line says it all.
  if cardinality(v_parts) <= 1 then
    return null;
  end if;
  return saldo_private.part_figures(v_parts, rated_parts.volume, v_tariff, v_factor);
end
$$;
comment on function saldo_private.rated_parts is
  'The parts of a reading that spans a change of price or factor; null = it spans none. The '
  'versions are those of its own day.';

select saldo_private.secure_table('saldo.consumption_profile');
drop policy if exists select_all on saldo.consumption_profile;
create policy select_all on saldo.consumption_profile for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.consumption_profile to saldo_admin, saldo_operator;

comment on type saldo.spanning_rule is
  'What a reading that spans a change of price or factor costs. reading_day: all of it by its own '
  'day; by_days: divided evenly over its days; by_profile: divided by the weights of its days.';
comment on type saldo.rated_part is
  'Part of a rated line between two changes of price or factor. Parts add up exactly to the line: '
  'each figure is a running difference, the rounded sum up to it less the one before (error '
  'diffusion in one dimension, Floyd and Steinberg 1976).';
comment on column saldo.rated_part.part_no is 'Number of the part within the line, from 1.';
comment on column saldo.rated_part.from_date is 'First business date of the part.';
comment on column saldo.rated_part.to_date is 'Last business date of the part.';
comment on column saldo.rated_part.volume_m3 is
  'Its share of the volume by the meter, to 6 decimals.';
comment on column saldo.rated_part.factor is 'Correction factor of these days.';
comment on column saldo.rated_part.volume_sm3 is
  'Volume at reference conditions, rounded by the rule of the factor of the reading''s day.';
comment on column saldo.rated_part.price is 'Price per Sm3 of these days.';
comment on column saldo.rated_part.amount is
  'What the part costs, to the cent; off from volume_sm3 times price by less than a cent.';
comment on column saldo.rated_part.tariff_version_id is 'Price version of these days.';
comment on column saldo.rated_part.factor_version_id is 'Factor version of these days.';

comment on table saldo.consumption_profile is
  'How much is consumed on a day, compared to others: tariffs divide readings by it.';
comment on column saldo.consumption_profile.profile is 'Name of the profile, as tariffs name it.';
comment on column saldo.consumption_profile.day is 'Business date.';
comment on column saldo.consumption_profile.weight is
  'Weight of the day, above 0; a day that is not there weighs 1.';
comment on column saldo.consumption_profile.recorded_at is 'When the weight was recorded last.';
comment on column saldo.consumption_profile.recorded_by is
  'Who recorded it: token subject or login.';
