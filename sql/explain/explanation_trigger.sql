-- The posting trigger as a cause: whether it is off or was altered, since when, and which lines
-- were posted meanwhile without moving totals.
--
-- Private: trigger_change, unmoved_lines, causes_of_trigger; type trigger_change. Nobody
-- records ALTER TABLE. But the trigger's row in the catalogue has the transaction that altered it
-- last, entries have the transaction that posted them and the time, and each check proves that the
-- trigger was on: so the time is given as an interval.

create or replace function saldo_private.trigger_change(trigger_name text, table_name text)
returns saldo_private.trigger_change
language sql
stable
as $$
  with altered as materialized (
    select saldo_private.full_transaction_id(t.xmin) as transaction_id
    from pg_catalog.pg_trigger as t
    where t.tgrelid = coalesce(to_regclass('saldo.' || trigger_change.table_name),
      to_regclass('saldo_private.' || trigger_change.table_name))
    and t.tgname = trigger_change.trigger_name
  ),
  off as materialized (
    select t.stored as state
    from saldo_private.rule_engine_configuration__triggers() as t
    where t.key = format('trigger %s on %s', trigger_name, table_name)
  ),
  seen as materialized (
    -- The last check that looked and saw it on.
    select c.id, c.finished_at
    from saldo.check_run as c
    where not exists (
      select
      from saldo.finding as f
      where f.check_run_id = c.id
      and f.rule = 'engine_configuration'
      and (f.cause = 'rule_failed'
        or f.key = format('trigger %s on %s', trigger_name, table_name))
    )
    order by c.number desc
    limit 1
  ),
  posted as materialized (
    select (
        select e.posted_at
        from saldo.journal_entry as e
        where e.posted_in < a.transaction_id
        order by e.posted_in desc
        limit 1
      ) as before_it,
      (
        select e.posted_at
        from saldo.journal_entry as e
        where e.posted_in >= a.transaction_id
        order by e.posted_in
        limit 1
      ) as after_it
    from altered as a
  )
  select jsonb_populate_record(null::saldo_private.trigger_change, jsonb_build_object(
    'state', off.state,
    'transaction_id', a.transaction_id,
    'after_at', p.before_it,
    'before_at', p.after_it,
    'check_run_id', s.id,
    'checked_at', s.finished_at,
    'words', concat_ws('; ',
      case
        when off.state is null then 'it is on again'
        else format('it is %s', off.state) end,
      case when a.transaction_id is not null then format(
        'transaction %s altered it last, between %s and %s', a.transaction_id,
        case when p.before_it is null then 'the first entry'
          else format('%s, when the entry before was posted', p.before_it) end,
        case when p.after_it is null then 'now'
          else format('%s, when the next one was', p.after_it) end) end,
      case when s.id is null then 'no check saw it on'
        else format('check %s saw it on at %s', s.id, s.finished_at) end
    )
  ))
  from (select) as one
  left join off on true
  left join altered as a on true
  left join posted as p on true
  left join seen as s on true
$$;
comment on function saldo_private.trigger_change is
  'How a trigger of the engine is, which transaction altered it last, and between which times.';

create or replace function saldo_private.arrived_lines(
  gap saldo_private.finding_gap,
  since pg_snapshot
)
returns table (place bigint, entry_id uuid, posted_at timestamptz, debit numeric, credit numeric)
language sql
stable
-- The caller may have it off; entries are looked up.
set enable_nestloop = on
as $$
  -- By the transaction that wrote the row: what an entry says of itself may be copied.
  select row_number() over in_order, l.entry_id, e.posted_at,
    sum(l.debit) over in_order, sum(l.credit) over in_order
  from (
    select each.entry_id, each.line_no, each.debit, each.credit,
      saldo_private.full_transaction_id(each.xmin) as arrived_in
    from saldo.journal_line as each
    where each.account_id = gap.account_id
    and (gap.month is null or each.posting_date between gap.month
      and (gap.month + interval '1 month - 1 day')::date)
    and pg_visible_in_snapshot(saldo_private.full_transaction_id(each.xmin), since) is not true
    order by arrived_in desc
    limit 10000
  ) as l
  left join saldo.journal_entry as e on e.id = l.entry_id
  window in_order as (order by l.arrived_in, l.entry_id, l.line_no)
$$;
comment on function saldo_private.arrived_lines is
  'The lines behind a gap that were written since, the newest 10,000, with running sums.';

create or replace function saldo_private.unmoved_lines(
  gap saldo_private.finding_gap,
  since pg_snapshot
)
returns table (line_count bigint, run_count bigint, first_posted_at timestamptz,
  last_posted_at timestamptz, entry_ids uuid[])
language sql
stable
set enable_nestloop = off
as $$
  with arrived as materialized (
    select * from saldo_private.arrived_lines(gap, since)
  ),
  -- While the trigger was off no line moved the totals: so they follow on each other.
  run as (
    select b.place as first_place, l.place as last_place
    from (
      select a.place, lag(a.debit, 1, 0) over in_order as debit,
        lag(a.credit, 1, 0) over in_order as credit
      from arrived as a
      window in_order as (order by a.place)
    ) as b
    join arrived as l on l.debit = b.debit - gap.amounts[1] and l.credit = b.credit - gap.amounts[2]
      and l.place >= b.place
  ),
  best as (
    select r.first_place, r.last_place, count(*) over () as run_count
    from run as r
    order by r.last_place desc, r.first_place desc
    limit 1
  )
  select count(*), b.run_count, min(a.posted_at), max(a.posted_at),
    (array_agg(a.entry_id order by a.place))[1:10]
  from best as b
  join arrived as a on a.place between b.first_place and b.last_place
  group by b.run_count
$$;
comment on function saldo_private.unmoved_lines is
  'Lines that were written one after the other and sum to exactly what the totals lack: the newest '
  'run, and how many runs there are.';

create or replace function saldo_private.causes_of_trigger__runs(
  gaps saldo_private.finding_gap[],
  change saldo_private.trigger_change
)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  with sound as materialized (
    select s.snapshot, s.snapshot is not null and not saldo_private.is_restored(s.snapshot)
        as is_telling
    from (select saldo_private.sound_snapshot() as snapshot offset 0) as s
  ),
  found as (
    select g.finding_id, u.*, change.state is not null or (s.is_telling
      and change.transaction_id is not null
      and not pg_visible_in_snapshot(change.transaction_id, s.snapshot)) as is_altered
    from sound as s
    cross join unnest(gaps) as g
    cross join lateral saldo_private.unmoved_lines(g,
      case when s.is_telling then s.snapshot end) as u
    where g.rule in ('account_balance', 'month_movement')
  )
  select f.finding_id, 2,
    case when f.is_altered then 'sync_trigger_disabled' else 'unapplied_item' end,
    case when f.is_altered and f.run_count = 1 then 'likely'
      else 'possible' end::saldo.explanation_confidence,
    format('%s what was posted from %s to %s (lines: %s) did not move the totals, and is exactly '
      'the difference.%s %s',
      case when change.state is not null then 'The posting trigger is off:'
        when f.is_altered then 'The posting trigger was altered, and is on again:'
        else 'Past the posting trigger:' end,
      f.first_posted_at, f.last_posted_at, f.line_count,
      case when f.run_count > 1 then format(' %s other runs fit as well.', f.run_count - 1)
        else '' end,
      case when f.is_altered then format('Of the trigger: %s.', change.words)
        else 'The trigger is on, and was not altered since the last sound check.' end),
    jsonb_build_object('entry_ids', f.entry_ids, 'line_count', f.line_count,
      'first_posted_at', f.first_posted_at, 'last_posted_at', f.last_posted_at,
      'trigger', to_jsonb(change))
  from found as f
$$;
comment on function saldo_private.causes_of_trigger__runs is
  'Gaps that are exactly what a run of lines would have moved.';

create or replace function saldo_private.causes_of_trigger(
  check_run_id uuid,
  gaps saldo_private.finding_gap[]
)
returns setof saldo_private.possible_cause
language sql
stable
set enable_nestloop = off
as $$
  with change as materialized (
    select c as is
    from saldo_private.trigger_change('auto_sync_balance_on_posting', 'journal_line') as c
  ),
  run as materialized (
    select r.*
    from change as c
    cross join lateral saldo_private.causes_of_trigger__runs(gaps, c.is) as r
  )
  select r.* from run as r
  union all
  select g.finding_id, 7, 'sync_trigger_disabled', 'possible'::saldo.explanation_confidence,
    format('The posting trigger is not on: lines are posted without moving balances. Of it: %s.',
      (c.is).words),
    jsonb_build_object('trigger', to_jsonb(c.is))
  from change as c
  cross join saldo_private.finding_gaps(causes_of_trigger.check_run_id) as g
  where (c.is).state is not null
  and g.account_id is not null
  and g.rule in ('account_balance', 'month_movement', 'year_movement', 'customer_month_total')
  and not exists (select from run as r where r.finding_id = g.finding_id)
  union all
  select g.finding_id, 2, 'sync_trigger_disabled', 'certain'::saldo.explanation_confidence,
    format('Of the trigger: %s.', (t.is).words), jsonb_build_object('trigger', to_jsonb(t.is))
  from saldo_private.finding_gaps(causes_of_trigger.check_run_id) as g
  cross join lateral (
    select c as is
    from saldo_private.trigger_change(split_part(g.key, ' ', 2), split_part(g.key, ' ', 4)) as c
  ) as t
  where g.rule = 'engine_configuration'
  and g.key in ('trigger auto_sync_balance_on_posting on journal_line',
    'trigger move_slot_on_posting on account_stripe')
$$;
comment on function saldo_private.causes_of_trigger is
  'What a posting trigger that is off, or was, explains: never for certain, as nobody records it.';

comment on type saldo_private.trigger_change is 'How a trigger is, and when it was altered last.';
