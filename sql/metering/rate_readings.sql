-- Re-rating: the ratings of any number of readings are brought up to date, and what that changes
-- is posted, in a handful of statements whatever their number.
--
-- Private: rating_description, rating_metadata, add_rated_lines, rate_readings. Public:
-- rerate_readings.
-- Posts one entry per customer and month of business date: debit the deposit account, credit
-- revenue, or the reverse when it has become less. An open month is put right within itself; what
-- is about a closed one is posted on the first open day with its origin month. Months that are
-- charged are charged again (recharge.sql).
-- Invariant: over all time the entries of a customer and month sum to its current lines.
-- Locks: the caller holds those of lock_rating; here the months, then the accounts.

create or replace function saldo_private.rate_readings__posting(
  lines saldo.rated_line[],
  days saldo_private.dated_day[]
)
returns setof saldo_private.rating_posting
language plpgsql
as $$
begin
  return query
  select g.account_id, g.month, c.currency, g.read_at, day.posting_date,
    saldo_private.origin_month(
      (day.posting_date, day.origin_month)::saldo_private.posting_day, g.month
    ),
    g.amount, g.volume, g.reading_count,
    case when g.amount <> 0 then saldo_private.uuid_v7() end
  from (
    select l.account_id, l.month::date as month, max(l.read_at) as read_at,
      sum(l.amount_change) as amount, sum(l.volume_change) as volume, count(*) as reading_count
    from unnest(lines) as l
    group by l.account_id, l.month
  ) as g
  cross join lateral (
    select customer.currency
    from saldo.customer
    where customer.account_id = g.account_id
    offset 0
  ) as c
  join unnest(days) as day on day.occurred_at = g.read_at
  -- Entries of one call stand in the journal by months, whatever plan has found the lines.
  order by g.account_id, g.month;
end
$$;
comment on function saldo_private.rate_readings__posting is
  'What is to be posted for these lines, row by row: one for each customer and month, in that '
  'order. days: those on which their last readings are posted.';

create or replace function saldo_private.rate_readings__postings(lines saldo.rated_line[])
returns saldo_private.rating_posting[]
language plpgsql
as $$
declare
  v_days saldo_private.dated_day[] := saldo_private.posting_days_of(array(
    select max(l.read_at)
    from unnest(lines) as l
    group by l.account_id, l.month
  ));
begin
  return array(
    select p
    from saldo_private.rate_readings__posting(lines, v_days) as p
  );
end
$$;
comment on function saldo_private.rate_readings__postings is
  'What is to be posted for these lines, and when: one for each customer and month. One without '
  'an entry came to nothing. Error: SB108 period_locked.';

create or replace function saldo_private.rating_description(month date, origin_month date)
returns text
language sql
stable
as $$
  select case when origin_month is null then 'Consumption in ' else 'Adjustment for ' end
    || to_char(month, 'YYYY-MM')
$$;
comment on function saldo_private.rating_description is
  'What the entry of a rating is called. month: that of the readings; origin_month: of the entry.';

create or replace function saldo_private.rating_metadata(
  month date,
  reading_count bigint,
  volume numeric
)
returns jsonb
language sql
stable
as $$
  select jsonb_build_object('month', to_char(month, 'YYYY-MM'), 'reading_count', reading_count,
    'volume_sm3', volume)
$$;
comment on function saldo_private.rating_metadata is
  'What else the entry of a rating tells. volume: what it changes, in Sm3.';

create or replace function saldo_private.rate_readings__post_many(
  postings saldo_private.rating_posting[]
)
returns void
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
begin
  -- In a statement of its own: the account may have to be opened.
  perform saldo_private.system_account('revenue', p.currency)
  from (select distinct q.currency from unnest(postings) as q where q.entry_id is not null) as p;

  perform saldo_private.leave_moves_to_trigger();
  with entry as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, origin_month, description, source, metadata, line_count,
      posted_at, posted_by, posted_in
    )
    select p.entry_id, case when p.origin_month is null then 'normal' else 'adjustment' end
        ::saldo.entry_kind,
      p.occurred_at, p.posting_date, p.origin_month,
      saldo_private.rating_description(p.month, p.origin_month), 'rating',
      saldo_private.rating_metadata(p.month, p.reading_count, p.volume), 2, clock_timestamp(),
      v_actor, pg_current_xact_id()
    from unnest(postings) as p
    where p.entry_id is not null
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select side.account_id, p.posting_date, p.entry_id, side.line_no,
    greatest(side.sign * p.amount, 0), greatest(-side.sign * p.amount, 0)
  from unnest(postings) as p
  join saldo.account as revenue on revenue.code = 'revenue:' || p.currency
  cross join lateral (values (p.account_id, 1, 1), (revenue.id, 2, -1))
    as side (account_id, line_no, sign)
  where p.entry_id is not null;
end
$$;
-- What has this source is what rated lines come to: the rules compare the two.
select saldo_private.describe_source('rating');
comment on function saldo_private.rate_readings__post_many is
  'Posts the changes: one insert of entries, one of lines. SB102 account_closed for a closed '
  'account.';

create or replace function saldo_private.rate_readings__post(
  postings saldo_private.rating_posting[]
)
returns void
language plpgsql
as $$
declare
  v_first saldo_private.rating_posting := postings[1];
begin
  -- Each line is an amount; their sum has to be one as well.
  perform saldo_private.require_rated(max(abs(p.amount)))
  from unnest(postings) as p;

  if cardinality(postings) = 1 and v_first.origin_month is null and v_first.amount > 0
    -- A day that is moved within its month is no other month's: post_pair would call it one.
    and saldo_private.business_date(v_first.occurred_at) = v_first.posting_date
  then
    -- A reading that comes in, by far the most frequent: without the cost of sets.
    perform saldo_private.post_pair(
      entry_id => v_first.entry_id,
      debit_account_id => v_first.account_id,
      credit_account_id => saldo_private.system_account('revenue', v_first.currency),
      amount => v_first.amount,
      description => saldo_private.rating_description(v_first.month, v_first.origin_month),
      source => 'rating',
      occurred_at => v_first.occurred_at,
      metadata => saldo_private.rating_metadata(
        v_first.month, v_first.reading_count, v_first.volume
      ),
      is_with_hot => true
    );
    return;
  end if;
  perform saldo_private.rate_readings__post_many(postings);
end
$$;
comment on function saldo_private.rate_readings__post is
  'Posts the changes: SB004 amount_out_of_range, SB102 account_closed for a closed account.';

create or replace function saldo_private.add_rated_lines(
  lines saldo.rated_line[],
  postings saldo_private.rating_posting[]
)
returns void
language plpgsql
as $$
begin
  perform saldo_private.add_to_customer_months(
    account_ids => array_agg(m.account_id),
    months => array_agg(m.month),
    purchases => array_agg(m.amount),
    purchase_adjustments => array_agg(m.amount_adjustment),
    volumes => array_agg(m.volume),
    volume_adjustments => array_agg(m.volume_adjustment)
  )
  from (
    select l.account_id, l.posting_month as month,
      -- Amounts without an entry come to nothing together.
      sum(l.amount_change) filter (where l.month = l.posting_month and l.entry_id is not null)
        as amount,
      sum(l.amount_change) filter (where l.month <> l.posting_month and l.entry_id is not null)
        as amount_adjustment,
      sum(l.volume_change) filter (where l.month = l.posting_month) as volume,
      sum(l.volume_change) filter (where l.month <> l.posting_month) as volume_adjustment
    from (
      select n.account_id, n.month, p.entry_id, n.amount_change, n.volume_change,
        saldo_private.month_of(p.posting_date) as posting_month
      from unnest(lines) as n
      join unnest(postings) as p on p.account_id = n.account_id and p.month = n.month
      where n.volume_change <> 0
      or p.entry_id is not null
    ) as l
    group by l.account_id, l.posting_month
  ) as m;
end
$$;
comment on function saldo_private.add_rated_lines is
  'Adds what rated lines change, volumes and what was posted for them, to the months in which they '
  'are posted; none where all stay. postings: those of the lines, by account and month.';

create or replace function saldo_private.rate_readings__lines(reading_ids uuid[])
returns integer
language plpgsql
set plan_cache_mode = auto
as $$
declare
  v_lines saldo.rated_line[];
  v_charged saldo.rated_line[];
  v_postings saldo_private.rating_posting[];
begin
  perform saldo_private.plan_for(cardinality(rate_readings__lines.reading_ids));
  v_lines := array(
    select change
    from saldo_private.rating_change(rate_readings__lines.reading_ids) as change
  );
  if cardinality(v_lines) = 0 then
    perform saldo_private.note_unrated(rate_readings__lines.reading_ids, v_lines);
    return 0;
  end if;
  v_charged := saldo_private.lines_of_charged(v_lines);
  if v_charged <> '{}' then
    perform saldo_private.hold_charged_lines(v_lines);
  end if;
  v_postings := saldo_private.rate_readings__postings(v_lines);
  perform saldo_private.rate_readings__post(v_postings);

  update saldo.rated_line as old
  set superseded_at = l.rated_at,
    changed_in = pg_current_xact_id() -- as its trigger would, at a call for each line
  from unnest(v_lines) as l
  where old.account_id = l.account_id
  and old.id = l.supersedes;

  insert into saldo.rated_line (
    account_id, id, reading_id, revision, supersedes, read_at, month, is_withdrawn,
    is_provisional, volume_m3, factor, volume_sm3, price, amount, amount_rounding,
    tariff_version_id, factor_version_id, volume_change, amount_change, entry_id, posting_date,
    rated_at, rated_by, parts
  )
  select l.account_id, l.id, l.reading_id, l.revision, l.supersedes, l.read_at, l.month,
    l.is_withdrawn, l.is_provisional, l.volume_m3, l.factor, l.volume_sm3, l.price, l.amount,
    l.amount_rounding, l.tariff_version_id, l.factor_version_id, l.volume_change,
    l.amount_change, p.entry_id, p.posting_date, l.rated_at, l.rated_by,
    l.parts
  from unnest(v_lines) as l
  join unnest(v_postings) as p on p.account_id = l.account_id and p.month = l.month;
  perform saldo_private.add_rated_lines(v_lines, v_postings);
  perform saldo_private.note_unrated(rate_readings__lines.reading_ids, v_lines);
  if v_charged <> '{}' then
    perform saldo_private.recharge_lines(v_charged);
  end if;
  return cardinality(v_lines);
end
$$;
comment on function saldo_private.rate_readings__lines is
  'Rates these readings again, as rate_readings says, in the memory that there is.';

create or replace function saldo_private.rate_readings__many(reading_ids uuid[])
returns integer
language plpgsql
-- A hundred thousand lines are some 40 MB, and gone through several times: not from files.
set work_mem = '128MB'
as $$
begin
  return saldo_private.rate_readings__lines(reading_ids);
end
$$;
comment on function saldo_private.rate_readings__many is
  'The same of thousands of readings, with memory for all of their lines.';

create or replace function saldo_private.rate_readings(reading_ids uuid[])
returns integer
language plpgsql
as $$
begin
  if cardinality(reading_ids) > 1000 then
    return saldo_private.rate_readings__many(reading_ids);
  end if;
  return saldo_private.rate_readings__lines(reading_ids);
end
$$;
comment on function saldo_private.rate_readings is
  'Rates these readings again and posts the difference; those whose rating is right are left '
  'alone. Returns how many lines it wrote. It may be called in slices, under the lock of '
  'lock_rating. reading_ids: each once. Errors: SB004 amount_out_of_range, SB108 period_locked, '
  'SB102 account_closed.';

create or replace function saldo_private.readings_since(
  first_date date,
  account_id bigint,
  currency text
)
returns uuid[]
language plpgsql
stable
as $$
begin
  if readings_since.account_id is not null then
    return array(
      select r.id
      from saldo.reading as r
      where r.account_id = readings_since.account_id
      and r.read_on >= first_date
      and r.status = 'current'
    );
  end if;
  return array(
    select r.id
    from saldo.reading as r
    join saldo.customer as c on c.account_id = r.account_id
    join saldo.account as a on a.id = c.account_id
    where r.read_on >= first_date
    and r.status = 'current'
    and a.closed_at is null
    and a.frozen_at is null
    and (readings_since.currency is null or c.currency = readings_since.currency)
  );
end
$$;
comment on function saldo_private.readings_since is
  'Current readings from this business date on, of one account, or of all open ones in the '
  'currency; null = of any. A customer whose account is closed has had the last bill; one whose '
  'account is frozen is rated when it is released.';

create or replace function saldo.rerate_readings(
  customer_id bigint default null,
  from_date date default '1900-01-01'
)
returns integer
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account_id bigint;
begin
  if rerate_readings.customer_id is not null then
    v_account_id := (saldo_private.require_customer(rerate_readings.customer_id)).account_id;
  end if;
  perform saldo_private.lock_rating(
    case when v_account_id is not null then array[v_account_id] end
  );
  return saldo_private.rate_readings(
    saldo_private.readings_since(coalesce(from_date, '-infinity'), v_account_id, null)
  );
end
$$;
comment on function saldo.rerate_readings is
  'Rates the readings of a customer, or of all, again from a business date on, and posts the '
  'difference; after a change of the setting rating_without_version, say. Changes of readings and '
  'versions do it by themselves. Returns how many lines were written. Errors: '
  'SB401 customer_not_found, SB020 isolation_unsupported, SB004 amount_out_of_range, '
  'SB108 period_locked, SB102 account_closed, and those of a posting.';
revoke execute on function saldo.rerate_readings from public;
grant execute on function saldo.rerate_readings to saldo_admin, saldo_biller;

comment on type saldo_private.rating_posting is
  'What is posted for a customer and month, and when; without an entry it came to nothing.';
