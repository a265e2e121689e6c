-- Rating: what a reading costs, by the versions of price and factor of its business date.
--
-- Public: saldo.rated_line. Private: reading_volume, tariff_version_on, factor_version_on,
-- previous_index, require_rated, rating_of, rating_change, with_next_readings.
-- Volume x factor is rounded by the rule of the factor's version, volume x price once more, to
-- cents, by the rule that the line names; nothing else is rounded. A tariff may divide readings
-- that span a change (rated_part.sql).
-- A version that is in effect on the date: that of the customer before that of all, then the one
-- that began last. Where none is, the last known one may stand in (setting
-- rating_without_version), and the line is provisional.
-- These functions write nothing: rate_readings.sql does, and add_usual_reading.sql.

create or replace function saldo_private.reading_volume(
  kind saldo.meter_kind,
  register_limit numeric,
  index_value numeric,
  volume numeric,
  is_rollover boolean,
  previous_index numeric
)
returns numeric
language sql
immutable
as $$
  select case
    when kind = 'volume' then volume
    when is_rollover then register_limit - previous_index + index_value
    else index_value - previous_index
  end
$$;
comment on function saldo_private.reading_volume is
  'What went through a meter of this kind and register, by a reading and the index at the one '
  'before it.';

create or replace function saldo_private.tariff_version_on(
  account_id bigint,
  currency text,
  on_date date
)
returns table (id bigint, price numeric, is_in_effect boolean, spanning saldo.spanning_rule)
language sql
stable
as $$
  select v.id, v.price, (v.effective_to < on_date) is not true as is_in_effect, v.spanning
  from saldo.tariff_version as v
  -- In the form of the index: there may be a version for each customer.
  where coalesce(v.account_id, 0) = any (array[tariff_version_on.account_id, 0])
  and v.currency = tariff_version_on.currency
  and v.effective_from <= on_date
  and v.removed_at is null
  order by is_in_effect desc, v.account_id nulls last, v.effective_from desc
  limit 1
$$;
comment on function saldo_private.tariff_version_on is
  'The price of a customer on a date, or the last known one; none before the first.';

create or replace function saldo_private.factor_version_on(account_id bigint, on_date date)
returns table (
  id bigint,
  factor numeric,
  volume_digits integer,
  rounding saldo.rounding_rule,
  is_in_effect boolean
)
language sql
stable
as $$
  select v.id, v.factor, v.volume_digits, v.rounding,
    (v.effective_to < on_date) is not true as is_in_effect
  from saldo.correction_factor_version as v
  where coalesce(v.account_id, 0) = any (array[factor_version_on.account_id, 0])
  and v.effective_from <= on_date
  and v.removed_at is null
  order by is_in_effect desc, v.account_id nulls last, v.effective_from desc
  limit 1
$$;
comment on function saldo_private.factor_version_on is
  'The correction factor of a customer on a date, or the last known one; none before the first.';

create or replace function saldo_private.previous_index(meter saldo.meter, read_at timestamptz)
returns numeric
language plpgsql
stable
as $$
begin
  -- PL/pgSQL for its cached plan: it is called for each reading.
  return coalesce(
    (
      select p.index_value
      from saldo.reading as p
      where p.account_id = meter.account_id
      and p.meter_id = meter.id
      and p.status = 'current'
      and p.read_at < previous_index.read_at
      order by p.read_at desc
      limit 1
    ),
    meter.start_index
  );
end
$$;
comment on function saldo_private.previous_index is
  'Index that the meter showed at the reading before this moment, or when it was installed.';

create or replace function saldo_private.require_rated(value numeric)
returns numeric
language plpgsql
immutable
as $$
begin
  if value >= 1e15 then
    perform saldo_private.fail('amount_out_of_range', format('rated: %s', value));
  end if;
  return value;
end
$$;
comment on function saldo_private.require_rated is
  'A rated volume or amount: SB004 amount_out_of_range.';

create or replace function saldo_private.rating_of(reading_ids uuid[])
returns table (
  account_id bigint,
  reading_id uuid,
  read_at timestamptz,
  month date,
  is_provisional boolean,
  volume_m3 numeric,
  factor numeric,
  volume_sm3 numeric,
  price numeric,
  amount numeric,
  tariff_version_id bigint,
  factor_version_id bigint,
  parts saldo.rated_part[]
)
language sql
stable
as $$
  select r.account_id, r.id, r.read_at, saldo_private.month_of(r.read_on),
    not (t.is_in_effect and f.is_in_effect), m3.volume, f.factor, sm3.volume, t.price,
    saldo_private.require_rated(case
      when split.parts is null then round(sm3.volume * t.price, 2)
      else (select sum(p.amount) from unnest(split.parts) as p)
    end), t.id, f.id, split.parts
  from unnest(rating_of.reading_ids) as i (id)
  join saldo.reading as r on r.id = i.id
  join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
  join saldo.customer as c on c.account_id = r.account_id
  cross join lateral saldo_private.tariff_version_on(r.account_id, c.currency, r.read_on) as t
  cross join lateral saldo_private.factor_version_on(r.account_id, r.read_on) as f
  cross join lateral (
    select case when m.kind = 'index'
      then saldo_private.previous_index(m, r.read_at) end as previous_index
    offset 0 -- or it is computed again wherever it is used
  ) as before
  cross join lateral (
    select saldo_private.reading_volume(
      m.kind, m.register_limit, r.index_value, r.volume, r.is_rollover, before.previous_index
    ) as volume
    offset 0
  ) as m3
  cross join lateral (
    select case when t.spanning <> 'reading_day'
      then saldo_private.rated_parts(r, m, m3.volume, t.id, f.id) end as parts
    offset 0
  ) as split
  cross join lateral (
    select saldo_private.require_rated(case
      when split.parts is null
        then saldo_private.rounded(m3.volume * f.factor, f.volume_digits, f.rounding)
      else (select sum(p.volume_sm3) from unnest(split.parts) as p)
    end) as volume
    offset 0
  ) as sm3
  where r.status = 'current'
  and ((t.is_in_effect and f.is_in_effect)
    or saldo_private.setting_value('rating_without_version') = 'provisional')
$$;
comment on function saldo_private.rating_of is
  'What those of the readings cost that can be rated now: removed ones cannot, nor those on a '
  'date without price or factor where the setting rating_without_version holds them. Error: '
  'SB004 amount_out_of_range.';

create or replace function saldo_private.rating_change(reading_ids uuid[])
returns setof saldo.rated_line
language plpgsql
-- Joined as written, from the readings asked for. A connection that had planned it for few readings
-- went from all meters to all their readings.
set join_collapse_limit = 1
as $$
begin
  -- PL/pgSQL for its cached plan, as above.
  return query
  select coalesce(n.account_id, l.account_id), saldo_private.uuid_v7(),
    coalesce(n.reading_id, l.reading_id), coalesce(l.revision, 0) + 1, l.id,
    coalesce(n.read_at, l.read_at), coalesce(n.month, l.month)::saldo.month_start,
    n.reading_id is null, coalesce(n.is_provisional, false),
    coalesce(n.volume_m3, 0)::saldo.volume, n.factor, coalesce(n.volume_sm3, 0)::saldo.volume,
    n.price, coalesce(n.amount, 0)::saldo.amount, 'half_up_2', n.tariff_version_id,
    n.factor_version_id,
    (coalesce(n.volume_sm3, 0) - coalesce(l.volume_sm3, 0))::saldo.volume,
    (coalesce(n.amount, 0) - coalesce(l.amount, 0))::saldo.amount,
    null::uuid, null::date, clock_timestamp(), saldo_private.actor(), null::timestamptz, null::xid8,
    n.parts
  from saldo_private.rating_of(rating_change.reading_ids) as n
  full join (
    select line.*
    from unnest(rating_change.reading_ids) as i (id)
    join saldo.reading as r on r.id = i.id
    join saldo.rated_line as line on line.account_id = r.account_id and line.reading_id = r.id
    where line.superseded_at is null
  ) as l on l.account_id = n.account_id and l.reading_id = n.reading_id
  where case
    when n.reading_id is null then not l.is_withdrawn
    else l.id is null or (
      l.is_withdrawn, l.is_provisional, l.volume_m3, l.factor, l.volume_sm3, l.price, l.amount,
      l.tariff_version_id, l.factor_version_id, l.parts
    ) is distinct from (
      false, n.is_provisional, n.volume_m3, n.factor, n.volume_sm3, n.price, n.amount,
      n.tariff_version_id, n.factor_version_id, n.parts
    )
  end;
end
$$;
comment on function saldo_private.rating_change is
  'The next revision of the lines of those readings whose rating is no longer what it was, each '
  'with what it changes; withdrawn where the reading can no longer be rated. Not posted yet. '
  'reading_ids: each once.';

create or replace function saldo_private.with_next_readings(reading_ids uuid[])
returns uuid[]
language sql
stable
as $$
  select coalesce(array_agg(distinct a.id), '{}')
  from (
    select i.id
    from unnest(reading_ids) as i (id)
    union all
    select n.id
    from unnest(reading_ids) as i (id)
    join saldo.reading as r on r.id = i.id
    join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
    cross join lateral (
      select following.id
      from saldo.reading as following
      where following.account_id = r.account_id
      and following.meter_id = r.meter_id
      and following.status = 'current'
      and following.read_at > r.read_at
      order by following.read_at
      limit 1
    ) as n
    where m.kind = 'index'
    or (select exists (select from saldo.tariff_version as t where t.spanning <> 'reading_day'))
  ) as a
$$;
comment on function saldo_private.with_next_readings is
  'The readings, and those that follow on them, where these depend on them: an index does, and '
  'what is divided over the days since the reading before. Each once.';

select saldo_private.secure_table('saldo.rated_line');
drop policy if exists select_all on saldo.rated_line;
create policy select_all on saldo.rated_line for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.rated_line to saldo_admin, saldo_operator, saldo_biller;

comment on table saldo.rated_line is
  E'@foreignKey (tariff_version_id) references saldo.tariff_version (id)|@backwardBehavior -*\n'
  '@foreignKey (factor_version_id) references saldo.correction_factor_version (id)'
  '|@backwardBehavior -*\n'
  '@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'What a reading costs. A new rating is a new revision; the old one stays, superseded.';
comment on column saldo.rated_line.account_id is 'Deposit account of the customer.';
comment on column saldo.rated_line.id is 'Id, version 7: ordered by the time of rating.';
comment on column saldo.rated_line.reading_id is 'Reading that is rated.';
comment on column saldo.rated_line.revision is 'Counts the ratings of the reading, from 1.';
comment on column saldo.rated_line.supersedes is 'Line in whose place it came; null = the first.';
comment on column saldo.rated_line.read_at is 'When the meter was read.';
comment on column saldo.rated_line.month is 'Month of the business date of the reading.';
comment on column saldo.rated_line.is_withdrawn is
  'Whether the reading costs nothing any more: it was removed, or has lost its price or factor.';
comment on column saldo.rated_line.is_provisional is
  'Whether price or factor are the last known ones, as none is in effect on the date.';
comment on column saldo.rated_line.volume_m3 is 'Volume by the flow meter, cubic metres.';
comment on column saldo.rated_line.parts is
  'Where the reading spans a change of price or factor and its tariff divides it: the parts, which '
  'add up to the line. price, factor and versions are then those of the reading''s day. null = '
  'not divided.';
comment on column saldo.rated_line.factor is 'Correction factor; null when withdrawn.';
comment on column saldo.rated_line.volume_sm3 is
  'Volume at reference conditions, rounded by the rule of the factor''s version.';
comment on column saldo.rated_line.price is 'Price per Sm3; null when withdrawn.';
comment on column saldo.rated_line.amount is
  'volume_sm3 times price, rounded once; of a divided reading the sum of its parts.';
comment on column saldo.rated_line.amount_rounding is
  'Rule of that rounding. half_up_2: to 2 decimals, halves away from zero.';
comment on column saldo.rated_line.tariff_version_id is
  'Price version that was used; null when the line is withdrawn.';
comment on column saldo.rated_line.factor_version_id is
  'Factor version that was used; null when the line is withdrawn.';
comment on column saldo.rated_line.volume_change is 'volume_sm3 less that of the line before.';
comment on column saldo.rated_line.amount_change is 'amount less that of the line before.';
comment on column saldo.rated_line.entry_id is
  'Entry that posted the change, with those of others of the customer and month; null when they '
  'came to nothing.';
comment on column saldo.rated_line.posting_date is
  'Date on which the change was posted: in another month than month when that was closed.';
comment on column saldo.rated_line.rated_at is 'When this rating was computed.';
comment on column saldo.rated_line.rated_by is 'Who caused it: token subject or login.';
comment on column saldo.rated_line.changed_in is
  'Transaction of the engine that wrote it last; null = before there were seals over rows.';
comment on column saldo.rated_line.superseded_at is
  'When another revision took its place; null = it is the current one.';
