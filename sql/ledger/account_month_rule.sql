-- Stored months of accounts (month_movement): the rule that derives them again, and the heal.
--
-- Private: rule_month_movement, movement_figures, heal_month_movement,
-- undo_heal_month_movement. The trigger is in posting.sql.

create or replace function saldo_private.rule_month_movement(account_ids bigint[] default null)
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
  select format('%s %s', account_id, month), account_id,
    format('debit %s, credit %s, lines %s', m.debit, m.credit, coalesce(m.line_count, 0)),
    format('debit %s, credit %s, lines %s', j.debit, j.credit, coalesce(j.line_count, 0)),
    trim_scale(coalesce(m.debit - m.credit, 0) - coalesce(j.debit - j.credit, 0)),
    jsonb_build_object('month', month)
  from (
    select p.account_id, p.month, sum(p.debit) as debit, sum(p.credit) as credit,
      sum(p.line_count) as line_count
    from saldo_private.posted_movement as p
    where account_ids is null
    or p.account_id = any (account_ids)
    group by p.account_id, p.month
  ) as m
  full join (
    select l.account_id, saldo_private.month_of(l.posting_date) as month,
      sum(l.debit) as debit, sum(l.credit) as credit, count(*) as line_count
    from saldo.journal_line as l
    where account_ids is null
    or l.account_id = any (account_ids)
    group by 1, 2
  ) as j using (account_id, month)
  where (m.debit, m.credit, m.line_count)
    is distinct from (j.debit, j.credit, j.line_count::numeric)
$$;
comment on function saldo_private.rule_month_movement is
  'Months whose movement is not the sum of their journal lines, missing and superfluous ones '
  'included. difference: net debit stored less derived.';

create or replace function saldo_private.movement_figures(
  debit numeric,
  credit numeric,
  line_count bigint
)
returns jsonb
language sql
stable
as $$
  select case when line_count is not null then jsonb_build_object(
    'debit', debit, 'credit', credit, 'line_count', line_count
  ) end
$$;
comment on function saldo_private.movement_figures is
  'What the movement of a month or year has in it; null when there is none.';

create or replace function saldo_private.heal_month_movement__derived(keys text[])
returns saldo.month_movement[]
language sql
stable
as $$
  -- Less what waits in stripes: nobody can fold it while the account is locked.
  select coalesce(array_agg(m.movement), '{}')
  from (
    select jsonb_populate_record(null::saldo.month_movement, jsonb_build_object(
      'account_id', wanted.account_id,
      'month', wanted.month,
      'debit', sum(part.debit),
      'credit', sum(part.credit),
      'line_count', sum(part.line_count)
    )) as movement
    from (
      select split_part(k, ' ', 1)::bigint as account_id, split_part(k, ' ', 2)::date as month
      from unnest(keys) as k
    ) as wanted
    cross join lateral (
      select l.debit, l.credit, 1 as line_count
      from saldo.journal_line as l
      where l.account_id = wanted.account_id
      and l.posting_date >= wanted.month
      and l.posting_date < (wanted.month + interval '1 month')::date
      union all
      select -s.debit, -s.credit, -s.line_count
      from saldo_private.account_stripe as s
      where s.account_id = wanted.account_id
      and s.month = wanted.month
    ) as part
    group by wanted.account_id, wanted.month
    having sum(part.line_count) > 0
  ) as m
$$;
comment on function saldo_private.heal_month_movement__derived is
  'The movements of these accounts and months as their lines make them; none where there are no '
  'lines.';

create or replace function saldo_private.heal_month_movement(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_derived saldo.month_movement[];
begin
  -- Postings lock the account before they touch its months.
  perform
  from saldo.account as a
  where a.id in (select split_part(k, ' ', 1)::bigint from unnest(keys) as k)
  order by a.id
  for no key update;
  v_derived := saldo_private.heal_month_movement__derived(keys);

  return query
  with differing as materialized (
    select w.key, w.account_id, w.month, d.debit, d.credit, d.line_count,
      saldo_private.movement_figures(m.debit, m.credit, m.line_count) as before,
      saldo_private.movement_figures(d.debit, d.credit, d.line_count) as after
    from (
      select k as key, split_part(k, ' ', 1)::bigint as account_id,
        split_part(k, ' ', 2)::date as month
      from unnest(keys) as k
    ) as w
    left join saldo.month_movement as m on m.account_id = w.account_id and m.month = w.month
    left join unnest(v_derived) as d on d.account_id = w.account_id and d.month = w.month
    where (m.debit, m.credit, m.line_count) is distinct from (d.debit, d.credit, d.line_count)
  ),
  removed as (
    delete from saldo.month_movement as m
    using differing as d
    where d.after is null
    and m.account_id = d.account_id
    and m.month = d.month
  ),
  written as (
    insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
    select d.account_id, d.month, d.debit, d.credit, d.line_count
    from differing as d
    where d.after is not null
    on conflict on constraint month_movement_pkey do update
    set debit = excluded.debit,
      credit = excluded.credit,
      line_count = excluded.line_count
  )
  select d.key, d.before, d.after
  from differing as d;
end
$$;
comment on function saldo_private.heal_month_movement is
  'Sets months'' movements to the sums of their lines, under the locks of their accounts. A row '
  'for each that differed.';

create or replace function saldo_private.undo_heal_month_movement(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_account_id bigint := split_part(key, ' ', 1)::bigint;
  v_month date := split_part(key, ' ', 2)::date;
  v_was saldo.month_movement;
  v_became saldo.month_movement;
begin
  perform
  from saldo.account as a
  where a.id = v_account_id
  for no key update;
  select m.*
  into v_was
  from saldo.month_movement as m
  where m.account_id = v_account_id
  and m.month = v_month;
  insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
  select v_account_id, v_month, coalesce((before ->> 'debit')::numeric, 0)
      - coalesce((after ->> 'debit')::numeric, 0),
    coalesce((before ->> 'credit')::numeric, 0) - coalesce((after ->> 'credit')::numeric, 0),
    coalesce((before ->> 'line_count')::bigint, 0) - coalesce((after ->> 'line_count')::bigint, 0)
  on conflict on constraint month_movement_pkey do update
  set debit = m.debit + excluded.debit,
    credit = m.credit + excluded.credit,
    line_count = m.line_count + excluded.line_count
  returning m.*
  into v_became;
  if before is null and v_became.line_count = 0 then -- the heal made it, and nothing came since
    delete from saldo.month_movement as m
    where m.account_id = v_account_id
    and m.month = v_month;
    v_became := null;
  end if;
  return query
  select saldo_private.movement_figures(v_was.debit, v_was.credit, v_was.line_count),
    saldo_private.movement_figures(v_became.debit, v_became.credit, v_became.line_count);
end
$$;
comment on function saldo_private.undo_heal_month_movement is
  'Takes from a month''s movement what a heal gave it, under the account''s lock.';
