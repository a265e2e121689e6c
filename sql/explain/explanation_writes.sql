-- Recorded writes past the engine as causes: who wrote what, and whether it is the difference.
--
-- Private: unsettled_events, unsettled_guard_event, unsettled_entry_events, event_figures,
-- event_text, event_change, recorded_writes, causes_of_recorded_writes. One write that changed the
-- figures by exactly the difference, or all of them together, are certain; any other is possible.

create or replace function saldo_private.unsettled_events(account_ids bigint[])
returns table (account_id bigint, event saldo.guard_event)
language sql
stable
as $$
  with concerned as materialized (
    select g.id, g.account_id
    from unnest(account_ids) as a (id)
    join saldo.guard_event as g on g.account_id = a.id
    union
    -- A line may have been moved away, and a truncate is about every account.
    select g.id, a.id
    from unnest(account_ids) as a (id)
    join saldo.guard_event as g on (g.old_row ->> 'account_id')::bigint = a.id
    union
    select g.id, a.id
    from saldo.guard_event as g
    cross join unnest(account_ids) as a (id)
    where g.operation = 'truncate'
  ),
  -- Settled is what a check saw and still found journal and account in order. By transaction, not
  -- by time: a write may be older than a check that could not see it yet.
  sound as materialized (
    select s.check_run_id, s.snapshot, s.number, s.finished_at
    from saldo_private.sound_checks() as s
  ),
  settled as materialized (
    select a.account_id, (
      select s.snapshot
      from sound as s
      where not exists (
        select
        from saldo.finding as f
        where f.account_id = a.account_id
        and f.check_run_id = s.check_run_id
      )
      order by s.number desc, s.finished_at desc
      limit 1
    ) as snapshot
    from (select distinct concerned.account_id from concerned) as a
  )
  select c.account_id, g
  from concerned as c
  join settled as s on s.account_id = c.account_id
  join saldo.guard_event as g on g.id = c.id
  where saldo_private.is_seen(g.transaction_id, s.snapshot) is not true
$$;
comment on function saldo_private.unsettled_events is
  'Recorded writes past the guard that concern the accounts, since the last full check that found '
  'nothing wrong with the account and with the journal.';

create or replace function saldo_private.unsettled_guard_event(account_id bigint)
returns setof saldo.guard_event
language sql
stable
as $$
  select u.event
  from saldo_private.unsettled_events(array[unsettled_guard_event.account_id]) as u
$$;
comment on function saldo_private.unsettled_guard_event is
  'Those that concern one account.';

create or replace function saldo_private.unsettled_entry_events(entry_ids uuid[])
returns table (entry_id uuid, event saldo.guard_event)
language sql
stable
as $$
  select e.id, g
  from (
    select distinct n.id, w.id as event_id
    from saldo.guard_event as w
    cross join lateral (
      values (w.old_row ->> 'entry_id'), (w.new_row ->> 'entry_id'),
        (case when w.table_name = 'journal_entry' then w.old_row ->> 'id' end)
    ) as named (id)
    join unnest(entry_ids) as n (id) on n.id = named.id::uuid
    where w.table_name like 'journal%'
  ) as e
  join saldo.guard_event as g on g.id = e.event_id
  -- Asked once, not for each event.
  cross join (select saldo_private.sound_snapshot() as snapshot offset 0) as sound
  where saldo_private.is_seen(g.transaction_id, sound.snapshot) is not true
$$;
comment on function saldo_private.unsettled_entry_events is
  'Recorded writes to these entries and their lines, since the last full check that found nothing '
  'wrong with the journal.';

create or replace function saldo_private.event_figures(event saldo.guard_event)
returns text
language sql
immutable
as $$
  select string_agg(
    format('%s %s -> %s', part.key, coalesce(event.old_row ->> part.key, 'none'),
      coalesce(event.new_row ->> part.key, 'none')),
    ', ' order by part.key
  )
  from jsonb_object_keys(coalesce(event.new_row, event.old_row)) as part (key)
  where event.old_row -> part.key is distinct from event.new_row -> part.key
  and case when num_nonnulls(event.old_row, event.new_row) = 2
    then part.key not in ('version', 'balance')
    else part.key in ('debit', 'credit', 'debit_total', 'credit_total', 'held_total', 'line_count')
    end
$$;
comment on function saldo_private.event_figures is
  'What a recorded write changed, old and new; of a row that came or went its figures only.';

create or replace function saldo_private.event_text(event jsonb)
returns text
language sql
stable
as $$
  select format(
    '%s of %s%s past the guard by login %s (role %s, application %L, from %s) in transaction %s '
      'at %s%s: %s',
    g.operation, g.table_name,
    case when r.row is null then '' else case g.table_name
      when 'journal_line' then format(' (line %s of entry %s, account %s)',
        r.row ->> 'line_no', r.row ->> 'entry_id', r.row ->> 'account_id')
      when 'journal_entry' then format(' (%s)', r.row ->> 'id')
      when 'account' then format(' (%s)', r.row ->> 'code')
      when 'month_movement' then format(' (account %s, %s)', r.row ->> 'account_id',
        r.row ->> 'month')
      when 'year_movement' then format(' (account %s, %s)', r.row ->> 'account_id',
        r.row ->> 'year')
      when 'customer_month_total' then format(' (account %s, %s)', r.row ->> 'account_id',
        r.row ->> 'month')
    end end,
    g.login, g.role, g.application_name, coalesce(host(g.client_address), 'a local socket'),
    g.transaction_id, g.occurred_at, ', ' || saldo_private.event_figures(g),
    coalesce(g.statement, 'no statement, as in logical replication')
  )
  from jsonb_populate_record(null::saldo.guard_event, event) as g
  cross join lateral (select coalesce(g.new_row, g.old_row) as row) as r
$$;
comment on function saldo_private.event_text is 'A recorded write in a sentence.';

create or replace function saldo_private.event_change__lines(
  event saldo.guard_event,
  gap saldo_private.finding_gap
)
returns numeric[]
language sql
immutable
as $$
  select case when gap.rule = 'entry_balance'
      then array[coalesce(sum(s.sign * (s.debit - s.credit)), 0), 0]
    when gap.rule = 'entry_lines' then array[coalesce(sum(-s.sign), 0), 0]
    else array[-coalesce(sum(s.sign * s.debit), 0), -coalesce(sum(s.sign * s.credit), 0)] end
  from (
    select each.sign, (each.line ->> 'debit')::numeric as debit,
      (each.line ->> 'credit')::numeric as credit
    from (values (event.old_row, -1), (event.new_row, 1)) as each (line, sign)
    where case when gap.rule in ('entry_balance', 'entry_lines')
      then each.line ->> 'entry_id' = gap.entry_id::text
      else (each.line ->> 'account_id')::bigint = gap.account_id
        and saldo_private.is_in_gap(gap, (each.line ->> 'posting_date')::date)
      end
  ) as s
$$;
comment on function saldo_private.event_change__lines is
  'By how much a write to a journal line moved what the gap is about.';

create or replace function saldo_private.event_change(
  event saldo.guard_event,
  gap saldo_private.finding_gap
)
returns numeric[]
language sql
immutable
as $$
  select case
    when event.operation = 'truncate' then null
    when event.table_name = 'journal_line'
    then case when gap.rule <> 'customer_month_total'
      then saldo_private.event_change__lines(event, gap) end
    when gap.rule = 'held_total' then array[
      coalesce((event.new_row ->> 'held_total')::numeric, 0)
        - coalesce((event.old_row ->> 'held_total')::numeric, 0), 0]
    when gap.rule = 'account_balance' then array[
      coalesce((event.new_row ->> 'debit_total')::numeric, 0)
        - coalesce((event.old_row ->> 'debit_total')::numeric, 0),
      coalesce((event.new_row ->> 'credit_total')::numeric, 0)
        - coalesce((event.old_row ->> 'credit_total')::numeric, 0)]
    -- The balance of the new row is not computed yet when it is recorded.
    when gap.rule = 'account_slot' then array[case when gap.is_debit_normal then -1 else 1 end * (
      coalesce((event.new_row ->> 'debit_total')::numeric, 0)
        - coalesce((event.old_row ->> 'debit_total')::numeric, 0)
        - coalesce((event.new_row ->> 'credit_total')::numeric, 0)
        + coalesce((event.old_row ->> 'credit_total')::numeric, 0)), 0]
    when gap.rule = 'year_movement' then (
      select array[
        coalesce(sum(side.sign * (side.row ->> 'debit')::numeric), 0),
        coalesce(sum(side.sign * (side.row ->> 'credit')::numeric), 0)]
      from (values (event.old_row, -1), (event.new_row, 1)) as side (row, sign)
      where (side.row ->> 'account_id')::bigint = gap.account_id
      and side.row ->> 'year' = split_part(gap.key, ' ', 2)
    )
    -- A row that was moved to another month or account left one and came to another.
    when gap.rule in ('month_movement', 'customer_month_total') then (
      select case when gap.rule = 'month_movement' then array[
          coalesce(sum(side.sign * (side.row ->> 'debit')::numeric), 0),
          coalesce(sum(side.sign * (side.row ->> 'credit')::numeric), 0)]
        else array[
          coalesce(sum(side.sign * saldo_private.balance_change_of(side.row)), 0), 0] end
      from (values (event.old_row, -1), (event.new_row, 1)) as side (row, sign)
      where (side.row ->> 'account_id')::bigint = gap.account_id
      and (side.row ->> 'month')::date = gap.month
    )
  end
$$;
comment on function saldo_private.event_change is
  'By how much a recorded write moved stored less derived, in the terms of the gap; null where '
  'that cannot be told.';

create or replace function saldo_private.recorded_writes(check_run_id uuid)
returns table (gap saldo_private.finding_gap, event saldo.guard_event, is_journal boolean)
language sql
stable
-- Findings of this transaction: the planner takes thousands of them for a handful.
set enable_nestloop = off
as $$
  with explained as materialized (
    select g as gap, g.account_id, g.entry_id, g.rule, g.month, g.finding_id
    from saldo_private.finding_gaps(recorded_writes.check_run_id) as g
  ),
  healed as materialized (
    select e.finding_id, max(h.healed_at) as healed_at
    from explained as e
    join saldo.heal_action as h on h.rule = e.rule and h.key = (e.gap).key
      and h.outcome = 'healed'
    group by e.finding_id
  ),
  truncated as materialized (
    select g as event
    from saldo.guard_event as g
    where g.operation = 'truncate'
    and g.table_name like 'journal%'
    and saldo_private.is_seen(g.transaction_id, (select saldo_private.sound_snapshot()))
      is not true
  )
  select e.gap, u.event, (u.event).table_name like 'journal%'
  from explained as e
  join saldo_private.unsettled_events(array(
    select distinct a.account_id from explained as a where a.account_id is not null
  )) as u on u.account_id = e.account_id
  left join healed as h on h.finding_id = e.finding_id
  where case
    when (u.event).table_name like 'journal%'
    -- Neither a hold nor a slot derives from the journal.
    then e.rule in ('account_balance', 'month_movement', 'year_movement', 'customer_month_total')
    else (u.event).table_name = case
        when e.rule in ('month_movement', 'year_movement', 'customer_month_total') then e.rule
        when e.rule in ('account_balance', 'held_total', 'account_slot') then 'account' end
      and (e.month is null or (u.event).operation = 'truncate'
        or e.month in (((u.event).new_row ->> 'month')::date,
          ((u.event).old_row ->> 'month')::date))
      -- What a heal has put right since explains nothing any more.
      and (u.event).occurred_at > coalesce(h.healed_at, '-infinity')
  end
  union all
  select e.gap, u.event, true
  from explained as e
  join saldo_private.unsettled_entry_events(array(
    select distinct a.entry_id from explained as a where a.entry_id is not null
  )) as u on u.entry_id = e.entry_id
  union all
  select e.gap, t.event, true
  from explained as e
  join saldo.balance_rule as r on r.name = e.rule and r.is_about_journal
  cross join truncated as t
$$;
comment on function saldo_private.recorded_writes is
  'The recorded writes that may explain each finding: to the cache itself, and to the journal '
  'that it derives from.';

create or replace function saldo_private.causes_of_recorded_writes(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
set enable_nestloop = off
as $$
  with written as materialized (
    select (w.gap).finding_id, (w.gap).amounts, w.is_journal, (w.event).id as event_id, w.event,
      saldo_private.event_change(w.event, w.gap) as change,
      -- The row that the finding is about, as it was written.
      case when (w.gap).rule in ('line_amount', 'orphan_line') then (w.gap).key = format('%s/%s',
          (w.event).new_row ->> 'entry_id', (w.event).new_row ->> 'line_no')
        -- Amounts are right, and the number of lines is off by what was written.
        when (w.gap).rule in ('month_movement', 'year_movement') and (w.gap).amounts is null
          and not w.is_journal
        then ((w.event).new_row ->> 'line_count')::numeric
            - ((w.event).old_row ->> 'line_count')::numeric
          = substring(f.stored from 'lines ([0-9]+)')::numeric
            - substring(f.derived from 'lines ([0-9]+)')::numeric
      end as is_row
    from saldo_private.recorded_writes(causes_of_recorded_writes.check_run_id) as w
    join saldo.finding as f on f.id = (w.gap).finding_id
  ),
  told as (
    select w.*, coalesce(w.is_row or w.change = w.amounts, false) as is_exact,
      row_number() over (
        partition by w.finding_id, w.is_journal
        order by coalesce(w.is_row or w.change = w.amounts, false) desc,
          -- Before PostgreSQL 18 ids of the same millisecond are in no order.
          (w.event).occurred_at desc, w.event_id desc
      ) as place
    from written as w
    -- A write to a cache that did not touch the figure explains nothing of it.
    where w.is_journal
    or w.change is distinct from array[0, 0]::numeric[]
    or w.amounts is null
  ),
  summed as (
    select t.finding_id, t.is_journal, t.amounts, count(*) as event_count,
      bool_or(t.is_exact) as is_one,
      array[sum(t.change[1]), sum(t.change[2])] as change,
      bool_and(t.change is not null) as is_known,
      array[sum(sum(t.change[1])) over finding, sum(sum(t.change[2])) over finding] as changes,
      bool_and(bool_and(t.change is not null)) over finding as are_known,
      jsonb_agg(to_jsonb(t.event) order by t.place) filter (where t.place <= 5) as events
    from told as t
    group by t.finding_id, t.is_journal, t.amounts
    window finding as (partition by t.finding_id)
  )
  select s.finding_id, 1, case when s.is_journal then 'journal_changed'
      else 'out_of_band_write' end,
    case when s.is_one or (s.is_known and s.change = s.amounts)
      or (s.are_known and s.changes = s.amounts) then 'certain'
      when s.amounts is null and s.is_journal then 'likely'
      else 'possible' end::saldo.explanation_confidence,
    format('%s %s', case
        when s.is_one then 'Exactly the difference:'
        when s.is_known and s.change = s.amounts
        then format('%s writes make exactly the difference; the last:', s.event_count)
        when s.are_known and s.changes = s.amounts
        then 'Together with the other writes exactly the difference; the last:'
        when s.amounts is null then format('Of what this is about, %s recorded, the last:',
          case s.event_count when 1 then '1 write is'
            else format('%s writes are', s.event_count) end)
        when not s.is_known then 'Recorded, and what it took away is not known:'
        when s.event_count = 1 then 'Recorded, and not exactly the difference:'
        else format('%s recorded writes, which are not exactly the difference; the last:',
          s.event_count) end,
      saldo_private.event_text(s.events -> 0)),
    s.events
  from summed as s
$$;
comment on function saldo_private.causes_of_recorded_writes is
  'Writes past the engine that the guard recorded, those to the journal apart from those to a '
  'cache, with the last five of each.';
