-- Kept years of accounts (year_movement): the rule that derives them again, and the heal.
--
-- Private: suspect_years, rule_year_movement, heal_year_movement, undo_heal_year_movement. Years
-- come from account_year.sql.

create or replace function saldo_private.suspect_years()
returns bigint[]
language plpgsql
stable
set work_mem = '64MB'
as $$
declare
  v_years_through date := (
    select b.years_through from saldo_private.book_state as b where b.id = 1
  );
begin
  return array(
    select distinct coalesce(y.account_id, m.account_id)
    from saldo_private.year_movement as y
    full join (
      select each.account_id, extract(year from each.month)::integer as year,
        sum(each.debit) as debit, sum(each.credit) as credit, sum(each.line_count) as line_count
      from saldo.month_movement as each
      where each.month <= v_years_through
      group by each.account_id, extract(year from each.month)::integer
    ) as m on m.account_id = y.account_id and m.year = y.year
    where (y.debit, y.credit, y.line_count::numeric)
      is distinct from (m.debit, m.credit, m.line_count)
  );
end
$$;
comment on function saldo_private.suspect_years is
  'Accounts of which a kept year is not the sum of its months, or which have a year that is not '
  'kept.';

create or replace function saldo_private.rule_year_movement(account_ids bigint[] default null)
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
parallel safe
as $$
  select format('%s %s', account_id, year), account_id,
    format('debit %s, credit %s, lines %s', y.debit, y.credit, coalesce(y.line_count, 0)),
    format('debit %s, credit %s, lines %s', j.debit, j.credit, coalesce(j.line_count, 0)),
    trim_scale(coalesce(y.debit - y.credit, 0) - coalesce(j.debit - j.credit, 0)),
    jsonb_build_object('year', year)
  from (
    select part.account_id, part.year, sum(part.debit) as debit, sum(part.credit) as credit,
      sum(part.line_count) as line_count
    from (
      select m.account_id, m.year, m.debit, m.credit, m.line_count
      from saldo_private.year_movement as m
      union all
      select s.account_id, extract(year from s.month)::integer, s.debit, s.credit, s.line_count
      from saldo_private.account_stripe as s
      where s.line_count > 0
      and s.month <= (select b.years_through from saldo_private.book_state as b where b.id = 1)
    ) as part
    where account_ids is null
    or part.account_id = any (account_ids)
    group by part.account_id, part.year
  ) as y
  full join (
    select l.account_id, extract(year from l.posting_date)::integer as year,
      sum(l.debit) as debit, sum(l.credit) as credit, count(*) as line_count
    from saldo.journal_line as l
    where l.posting_date <= (
      select b.years_through from saldo_private.book_state as b where b.id = 1
    )
    and (account_ids is null or l.account_id = any (account_ids))
    group by 1, 2
  ) as j using (account_id, year)
  where (y.debit, y.credit, y.line_count)
    is distinct from (j.debit, j.credit, j.line_count::numeric)
$$;
comment on function saldo_private.rule_year_movement is
  'Kept years whose movement is not the sum of their journal lines, missing and superfluous ones '
  'included. difference: net debit stored less derived.';

create or replace function saldo_private.heal_year_movement__derived(keys text[])
returns saldo_private.year_movement[]
language sql
stable
as $$
  -- Less what waits in stripes: nobody can fold it while the account is locked.
  select coalesce(array_agg(y.movement), '{}')
  from (
    select jsonb_populate_record(null::saldo_private.year_movement, jsonb_build_object(
      'account_id', wanted.account_id,
      'year', wanted.year,
      'debit', sum(part.debit),
      'credit', sum(part.credit),
      'line_count', sum(part.line_count)
    )) as movement
    from (
      select split_part(k, ' ', 1)::bigint as account_id, split_part(k, ' ', 2)::integer as year
      from unnest(keys) as k
    ) as wanted
    join saldo_private.book_state as b on make_date(wanted.year, 12, 31) <= b.years_through
    cross join lateral (
      select l.debit, l.credit, 1 as line_count
      from saldo.journal_line as l
      where l.account_id = wanted.account_id
      and l.posting_date between make_date(wanted.year, 1, 1) and make_date(wanted.year, 12, 31)
      union all
      select -s.debit, -s.credit, -s.line_count
      from saldo_private.account_stripe as s
      where s.account_id = wanted.account_id
      and s.month between make_date(wanted.year, 1, 1) and make_date(wanted.year, 12, 31)
    ) as part
    group by wanted.account_id, wanted.year
    having sum(part.line_count) > 0
  ) as y
$$;
comment on function saldo_private.heal_year_movement__derived is
  'The movements of these accounts and years as their lines make them; none where there are no '
  'lines, and of years that are not kept.';

create or replace function saldo_private.heal_year_movement(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_derived saldo_private.year_movement[];
begin
  -- Postings lock the account before they touch its years.
  perform
  from saldo.account as a
  where a.id in (select split_part(k, ' ', 1)::bigint from unnest(keys) as k)
  order by a.id
  for no key update;
  v_derived := saldo_private.heal_year_movement__derived(keys);

  return query
  with differing as materialized (
    select w.key, w.account_id, w.year, d.debit, d.credit, d.line_count,
      saldo_private.movement_figures(y.debit, y.credit, y.line_count) as before,
      saldo_private.movement_figures(d.debit, d.credit, d.line_count) as after
    from (
      select k as key, split_part(k, ' ', 1)::bigint as account_id,
        split_part(k, ' ', 2)::integer as year
      from unnest(keys) as k
    ) as w
    left join saldo_private.year_movement as y on y.account_id = w.account_id and y.year = w.year
    left join unnest(v_derived) as d on d.account_id = w.account_id and d.year = w.year
    where (y.debit, y.credit, y.line_count) is distinct from (d.debit, d.credit, d.line_count)
  ),
  removed as (
    delete from saldo_private.year_movement as y
    using differing as d
    where d.after is null
    and y.account_id = d.account_id
    and y.year = d.year
  ),
  written as (
    insert into saldo_private.year_movement as y (account_id, year, debit, credit, line_count)
    select d.account_id, d.year, d.debit, d.credit, d.line_count
    from differing as d
    where d.after is not null
    on conflict on constraint year_movement_pkey do update
    set debit = excluded.debit,
      credit = excluded.credit,
      line_count = excluded.line_count
  )
  select d.key, d.before, d.after
  from differing as d;
end
$$;
comment on function saldo_private.heal_year_movement is
  'Sets years'' movements to the sums of their lines, under the locks of their accounts. A row '
  'for each that differed.';

create or replace function saldo_private.undo_heal_year_movement(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_account_id bigint := split_part(key, ' ', 1)::bigint;
  v_year integer := split_part(key, ' ', 2)::integer;
  v_was saldo_private.year_movement;
  v_became saldo_private.year_movement;
begin
  perform
  from saldo.account as a
  where a.id = v_account_id
  for no key update;
  select y.*
  into v_was
  from saldo_private.year_movement as y
  where y.account_id = v_account_id
  and y.year = v_year;
  insert into saldo_private.year_movement as y (account_id, year, debit, credit, line_count)
  select v_account_id, v_year, coalesce((before ->> 'debit')::numeric, 0)
      - coalesce((after ->> 'debit')::numeric, 0),
    coalesce((before ->> 'credit')::numeric, 0) - coalesce((after ->> 'credit')::numeric, 0),
    coalesce((before ->> 'line_count')::bigint, 0) - coalesce((after ->> 'line_count')::bigint, 0)
  on conflict on constraint year_movement_pkey do update
  set debit = y.debit + excluded.debit,
    credit = y.credit + excluded.credit,
    line_count = y.line_count + excluded.line_count
  returning y.*
  into v_became;
  if before is null and v_became.line_count = 0 then -- the heal made it, and nothing came since
    delete from saldo_private.year_movement as y
    where y.account_id = v_account_id
    and y.year = v_year;
    v_became := null;
  end if;
  return query
  select saldo_private.movement_figures(v_was.debit, v_was.credit, v_was.line_count),
    saldo_private.movement_figures(v_became.debit, v_became.credit, v_became.line_count);
end
$$;
comment on function saldo_private.undo_heal_year_movement is
  'Takes from a year''s movement what a heal gave it, under the account''s lock.';
