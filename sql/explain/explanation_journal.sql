-- What the journal itself shows: lines that are missing, and entries that the engine did not post.
--
-- Private: is_journal_missing, is_restored, entry_witness, missing_lines, causes_of_missing_lines.
-- Of two entries that are alike, which one is too much is said only where something shows it: a
-- recorded write, the seals, or a row that arrived later than its entry says.

create or replace function saldo_private.is_journal_missing(account_id bigint, rule text)
returns boolean
language sql
stable
as $$
  select not exists (
    select
    from saldo.journal_line as l
    where l.account_id = is_journal_missing.account_id
  )
  and not exists (
    select
    from saldo_private.unsettled_guard_event(is_journal_missing.account_id) as g
    where g.table_name = case is_journal_missing.rule when 'account_balance' then 'account'
      when 'year_movement' then 'year_movement' else 'month_movement' end
    and g.operation <> 'truncate'
    and coalesce(g.old_row ->> 'debit_total', g.old_row ->> 'debit', '0')::numeric = 0
    and coalesce(g.old_row ->> 'credit_total', g.old_row ->> 'credit', '0')::numeric = 0
  )
$$;
comment on function saldo_private.is_journal_missing is
  'Whether the account has no line at all, while no recorded write shows that the figures of the '
  'rule''s cache were zero before: then it is rather the lines that are gone.';

create or replace function saldo_private.is_restored(since pg_snapshot)
returns boolean
language sql
stable
as $$
  -- A restore rewrites all rows, and then their transactions do not say when they came.
  select coalesce(avg(case when is_late then 1 else 0 end) > 0.5, true)
  from (
    select pg_visible_in_snapshot((
        select e.posted_in
        from saldo.journal_entry as e
        where e.id = l.entry_id
      ), since)
      and not pg_visible_in_snapshot(saldo_private.full_transaction_id(l.arrived_in), since)
        as is_late
    from (select xmin as arrived_in, entry_id from saldo.journal_line limit 1000) as l
  ) as each
$$;
comment on function saldo_private.is_restored is
  'Whether most of the first lines were written since, although their entries say that they were '
  'posted before: the database was restored from a dump.';

create or replace function saldo_private.entry_witness(entry_ids uuid[])
returns table (entry_id uuid, event_id uuid, words text)
language sql
stable
as $$
  with inserted as materialized (
    select u.entry_id, (array_agg((u.event).id order by (u.event).id))[1] as event_id
    from saldo_private.unsettled_entry_events(entry_witness.entry_ids) as u
    where (u.event).table_name = 'journal_line'
    and (u.event).operation = 'insert'
    group by u.entry_id
  ),
  sealed as materialized (
    select p.sealed_until
    from saldo_private.seal_progress as p
    where p.catch_up_from is null
    and p.cluster = saldo_private.current_cluster()
    and exists (select from saldo.journal_seal)
  ),
  sound as materialized (
    select s.snapshot
    from (select saldo_private.sound_snapshot() as snapshot offset 0) as s
    where not saldo_private.is_restored(s.snapshot)
  )
  select e.id, i.event_id, case
      when i.event_id is not null then 'it was inserted by a recorded write past the engine'
      when e.posted_in < sealed.sealed_until and not exists (
        select from saldo.journal_seal_entry as s where s.entry_id = e.id
      ) then 'it says that it was posted before the journal was sealed, and no seal knows it'
      when pg_visible_in_snapshot(e.posted_in, sound.snapshot) and exists (
        select
        from saldo.journal_line as l
        where l.entry_id = e.id
        and not pg_visible_in_snapshot(saldo_private.full_transaction_id(l.xmin), sound.snapshot)
      ) then 'its lines arrived later than it says that it was posted'
    end
  from saldo.journal_entry as e
  left join inserted as i on i.entry_id = e.id
  left join sealed on true
  left join sound on true
  where e.id = any (entry_ids)
$$;
comment on function saldo_private.entry_witness is
  'What shows of these entries that the engine did not post them; words is null when nothing does.';

create or replace function saldo_private.missing_lines(check_run_id uuid)
returns table (entry_id uuid, posting_date date, line_count integer, found_count integer,
  debit numeric, credit numeric, currency text, words text)
language sql
stable
-- The caller may have it off; the lines of some entries are looked up.
set enable_nestloop = on
as $$
  with short as materialized (
    select (f.detail ->> 'entry_id')::uuid as id, f.derived::integer as found_count
    from saldo.finding as f
    where f.check_run_id = missing_lines.check_run_id
    and f.rule = 'entry_lines'
    and f.detail ->> 'status' <> 'draft'
    and f.stored::integer > f.derived::integer
  )
  select e.id, e.posting_date, e.line_count, s.found_count,
    case when l.net is not null then greatest(-l.net, 0) end,
    case when l.net is not null then greatest(l.net, 0) end, l.currency,
    format('entry %s (%s, posted at %s) was posted with %s lines and has %s', e.id,
      e.description, e.posted_at, e.line_count, s.found_count)
  from short as s
  join saldo.journal_entry as e on e.id = s.id
  left join (
    select each.entry_id, a.currency, sum(each.debit - each.credit) as net
    from saldo.journal_line as each
    left join saldo.account as a on a.id = each.account_id
    where each.entry_id in (select s.id from short as s)
    group by each.entry_id, a.currency
    having sum(each.debit - each.credit) <> 0
  ) as l on l.entry_id = e.id
$$;
comment on function saldo_private.missing_lines is
  'Entries with fewer lines than they were posted with, and what their other lines lack to '
  'balance: null where none is left, or these balance.';

create or replace function saldo_private.causes_of_missing_lines__accounts(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
set enable_nestloop = off
as $$
  with missing as materialized (
    select * from saldo_private.missing_lines(causes_of_missing_lines__accounts.check_run_id)
  ),
  fitting as (
    select g.finding_id, m.entry_id, m.words, m.debit, m.credit,
      count(*) over (partition by g.finding_id) as entry_count,
      -- Of which account a line is missing is not told when several lack the same.
      count(*) over (partition by g.rule, m.entry_id) as account_count,
      row_number() over (partition by g.finding_id order by m.posting_date desc, m.entry_id)
        as place
    from saldo_private.finding_gaps(causes_of_missing_lines__accounts.check_run_id) as g
    join missing as m on m.debit = g.amounts[1] and m.credit = g.amounts[2]
      and m.currency = g.currency
    where g.rule in ('account_balance', 'month_movement', 'year_movement')
    and saldo_private.is_in_gap(g, m.posting_date)
    -- A count, since it is looked up: an anti join might read all lines.
    and (
      select count(*)
      from saldo.journal_line as l
      where l.entry_id = m.entry_id
      and l.account_id = g.account_id
    ) = 0
  )
  select f.finding_id, 2, 'missing_item',
    case when f.entry_count = 1 and f.account_count = 1 then 'likely'
      else 'possible' end::saldo.explanation_confidence,
    format('A line is missing: %s; it lacks %s, which is exactly the difference.%s',
      (array_agg(f.words order by f.place))[1],
      case when f.debit > 0 then format('debit %s', f.debit) else format('credit %s', f.credit) end,
      case when f.entry_count > 1
        then format(' %s other entries lack the same.', f.entry_count - 1)
        when f.account_count > 1
        then format(' %s other accounts are off by the same.', f.account_count - 1)
        else '' end),
    jsonb_build_object('entry_ids', jsonb_agg(f.entry_id order by f.place), 'debit', f.debit,
      'credit', f.credit)
  from fitting as f
  where f.place <= 10
  group by f.finding_id, f.entry_count, f.account_count, f.debit, f.credit
$$;
comment on function saldo_private.causes_of_missing_lines__accounts is
  'Of accounts and months: an entry lacks a line of exactly the difference.';

create or replace function saldo_private.causes_of_missing_lines(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
set enable_nestloop = off
as $$
  select a.*
  from saldo_private.causes_of_missing_lines__accounts(check_run_id) as a
  union all
  select g.finding_id, 2, 'missing_item', 'likely'::saldo.explanation_confidence,
    format('Lines are missing: %s%s.%s', m.words,
      case when m.debit > 0 then format('; it lacks debit %s', m.debit)
        when m.credit > 0 then format('; it lacks credit %s', m.credit) else '' end,
      ' Off by exactly that: ' || o.words || '.'),
    jsonb_build_object('entry_ids', jsonb_build_array(m.entry_id), 'debit', m.debit, 'credit',
      m.credit, 'account_ids', o.account_ids)
  from saldo_private.finding_gaps(causes_of_missing_lines.check_run_id) as g
  join saldo_private.missing_lines(causes_of_missing_lines.check_run_id) as m
    on m.entry_id = g.entry_id
  left join (
    select other.amounts, other.currency, jsonb_agg(other.account_id order by other.account_id)
        as account_ids,
      string_agg(format('account %s', a.code), ', ' order by a.code) as words
    from saldo_private.finding_gaps(causes_of_missing_lines.check_run_id) as other
    join saldo.account as a on a.id = other.account_id
    where other.rule = 'account_balance'
    group by other.amounts, other.currency
    having count(*) <= 10
  ) as o on o.amounts = array[m.debit, m.credit] and o.currency = m.currency
  where g.rule in ('entry_lines', 'entry_balance', 'journal_seal')
$$;
comment on function saldo_private.causes_of_missing_lines is
  'Entries that have fewer lines than they were posted with, as causes of their own findings and '
  'of those of accounts and months that are off by what is missing.';
