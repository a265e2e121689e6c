-- Explanation: the likely cause of a finding, with its evidence, before anything is repaired.
--
-- Private: explain_findings, journal_changed_accounts, is_journal_missing, unsettled_events,
-- unsettled_guard_event, event_text. In the order of trust: a recorded write past the guard, to the
-- journal before one to a cache; two caches that agree with each other but not with the journal; a
-- sync trigger that is off. "Unknown" is an honest answer.

create or replace function saldo_private.unsettled_events(account_ids bigint[])
returns table (account_id bigint, event saldo.guard_event)
language sql
stable
as $$
  with concerned as materialized (
    select g.id, g.account_id
    from saldo.guard_event as g
    where g.account_id = any (account_ids)
    union
    -- A line may have been moved away, and a truncate is about every account.
    select g.id, (g.old_row ->> 'account_id')::bigint
    from saldo.guard_event as g
    where (g.old_row ->> 'account_id')::bigint = any (account_ids)
    union
    select g.id, a.id
    from saldo.guard_event as g
    cross join unnest(account_ids) as a (id)
    where g.operation = 'truncate'
  ),
  -- Settled is what a check saw and still found journal and account in order. By transaction, not
  -- by time: a write may be older than a check that could not see it yet.
  sound as materialized (
    select c.id, c.snapshot::pg_snapshot as snapshot
    from saldo.check_run as c
    where c.failed_rule_count = 0
    -- Others do not look at what was posted long ago.
    and c.scope = 'full'
    and not exists (
      select
      from saldo.finding as f
      join saldo.balance_rule as r on r.name = f.rule
      where f.check_run_id = c.id
      and r.is_about_journal
    )
  ),
  settled as materialized (
    select a.account_id, (
      select s.snapshot
      from sound as s
      where not exists (
        select
        from saldo.finding as f
        where f.account_id = a.account_id
        and f.check_run_id = s.id
      )
      order by s.id desc
      limit 1
    ) as snapshot
    from (select distinct concerned.account_id from concerned) as a
  )
  select c.account_id, g
  from concerned as c
  join settled as s on s.account_id = c.account_id
  join saldo.guard_event as g on g.id = c.id
  where pg_visible_in_snapshot(g.transaction_id, s.snapshot) is not true
$$;
comment on function saldo_private.unsettled_events is
  'Recorded writes past the guard that concern the accounts, since the last full check that found '
  'nothing wrong with the account and with the journal.';

create or replace function saldo_private.unsettled_guard_event(account_id bigint)
returns setof saldo.guard_event
language sql
stable
as $$
  select (u.event).*
  from saldo_private.unsettled_events(array[unsettled_guard_event.account_id]) as u
$$;
comment on function saldo_private.unsettled_guard_event is
  'Those that concern one account.';

create or replace function saldo_private.journal_changed_accounts(account_ids bigint[])
returns setof bigint
language sql
stable
as $$
  -- Two witnesses against one: totals and months are kept apart, and agree only with the journal
  -- that made them.
  select a.id
  from saldo.account as a
  left join (
    select mm.account_id, sum(mm.debit) as debit, sum(mm.credit) as credit,
      sum(mm.line_count) as line_count
    from saldo.month_movement as mm
    where mm.account_id = any (account_ids)
    group by mm.account_id
  ) as m on m.account_id = a.id
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit,
      sum(part.line_count) as line_count
    from (
      select jl.account_id, jl.debit, jl.credit, 1 as line_count
      from saldo.journal_line as jl
      where jl.account_id = any (account_ids)
      union all
      select s.account_id, -s.debit, -s.credit, -s.line_count
      from saldo_private.account_stripe as s
      where s.account_id = any (account_ids)
    ) as part
    group by part.account_id
  ) as l on l.account_id = a.id
  where a.id = any (account_ids)
  and (a.debit_total, a.credit_total) = (coalesce(m.debit, 0), coalesce(m.credit, 0))
  and (a.debit_total, a.credit_total, coalesce(m.line_count, 0))
    is distinct from (coalesce(l.debit, 0), coalesce(l.credit, 0), coalesce(l.line_count, 0))
$$;
comment on function saldo_private.journal_changed_accounts is
  'Those of the accounts whose totals and months agree with each other and not with the journal: '
  'lines were added, changed or taken away past the engine.';

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
      else 'month_movement' end
    and g.operation <> 'truncate'
    and coalesce(g.old_row ->> 'debit_total', g.old_row ->> 'debit', '0')::numeric = 0
    and coalesce(g.old_row ->> 'credit_total', g.old_row ->> 'credit', '0')::numeric = 0
  )
$$;
comment on function saldo_private.is_journal_missing is
  'Whether the account has no line at all, while no recorded write shows that the figures of the '
  'rule''s cache were zero before: then it is rather the lines that are gone.';

create or replace function saldo_private.explain_findings__events(check_run_id uuid)
returns table (finding_id uuid, evidence jsonb)
language sql
stable
-- Findings of this transaction: the planner takes thousands of them for a handful.
set enable_nestloop = off
as $$
  -- A hold does not derive from the journal. Else a write to the journal comes first, however old:
  -- it decides that nothing is healed.
  with explained as materialized (
    select f.id, f.account_id, f.rule, coalesce(max(h.healed_at), '-infinity') as healed_at
    from saldo.finding as f
    left join saldo.heal_action as h on h.account_id = f.account_id
      and h.rule = f.rule
      and h.outcome = 'healed'
    where f.check_run_id = explain_findings__events.check_run_id
    and f.account_id is not null
    and f.rule in ('account_balance', 'month_movement', 'held_total', 'customer_month_total')
    group by f.id
  )
  select e.id,
    jsonb_agg(e.event order by e.is_journal desc, e.occurred_at desc)
  from (
    select x.id, to_jsonb(u.event) as event, (u.event).occurred_at, j.is_journal,
      row_number() over (
        partition by x.id order by j.is_journal desc, (u.event).occurred_at desc
      ) as place
    from explained as x
    join saldo_private.unsettled_events(array(
      select distinct a.account_id from explained as a
    )) as u on u.account_id = x.account_id
    cross join lateral (select (u.event).table_name like 'journal%' as is_journal) as j
    where case when j.is_journal then x.rule <> 'held_total'
      else (u.event).table_name = case when x.rule in ('month_movement', 'customer_month_total')
        then x.rule else 'account' end
    end
    -- What a heal has put right since explains nothing any more.
    and (j.is_journal or (u.event).occurred_at > x.healed_at)
  ) as e
  where e.place <= 5
  group by e.id
$$;
comment on function saldo_private.explain_findings__events is
  'Recorded writes that speak for a finding: those to the journal first, then the newest.';

create or replace function saldo_private.event_text(event jsonb)
returns text
language sql
stable
as $$
  select format(
    '%s of %s past the guard by login %s (role %s, application %L, from %s) at %s: %s',
    g.operation, g.table_name, g.login, g.role, g.application_name,
    coalesce(host(g.client_address), 'a local socket'), g.occurred_at, g.statement
  )
  from jsonb_populate_record(null::saldo.guard_event, event) as g
$$;
comment on function saldo_private.event_text is 'A recorded write in a sentence.';

create or replace function saldo_private.explain_findings(check_run_id uuid)
returns void
language sql
-- Findings of this transaction: the planner takes thousands of them for a handful.
set enable_nestloop = off
as $$
  with explained as (
    select f.id, events.evidence,
      case
        when events.evidence -> 0 ->> 'table_name' like 'journal%' then 'journal_changed'
        when events.evidence is not null then 'out_of_band_write'
        when f.rule not in (
          'account_balance', 'month_movement', 'held_total', 'customer_month_total'
        ) then 'unknown'
        when changed.account_id is not null then 'journal_changed'
        when is_trigger_off and f.account_id is not null then 'sync_trigger_disabled'
        else 'unknown'
      end::saldo.finding_cause as cause
    from saldo.finding as f
    left join saldo_private.journal_changed_accounts(array(
      select c.account_id
      from saldo.finding as c
      where c.check_run_id = explain_findings.check_run_id
      and c.rule in ('account_balance', 'month_movement', 'held_total', 'customer_month_total')
      and c.account_id is not null
    )) as changed (account_id) on changed.account_id = f.account_id
    cross join (
      select exists (
        select
        from saldo_private.rule_engine_configuration__triggers() as t
        where t.key = 'trigger auto_sync_balance_on_posting on journal_line'
      ) as is_trigger_off
      offset 0
    ) as trigger
    left join saldo_private.explain_findings__events(explain_findings.check_run_id) as events
      on events.finding_id = f.id
    where f.check_run_id = explain_findings.check_run_id
    and f.explanation = '' -- what broke or is registered has its own
  )
  update saldo.finding as f
  set cause = e.cause,
    evidence = coalesce(e.evidence, '[]'),
    explanation = case e.cause
      when 'sync_trigger_disabled' then
        'The posting trigger is not on: lines are posted without moving balances.'
      when 'unknown' then 'No recorded event explains this difference.'
      else coalesce(
        saldo_private.event_text(e.evidence -> 0),
        'Totals and months agree with each other but not with the journal: lines came, went or '
          'changed past the posting trigger.'
      )
    end
  from explained as e
  where f.id = e.id
$$;
comment on function saldo_private.explain_findings is
  'Writes the likely cause of each finding of a check, a sentence about it, and the recorded '
  'events that speak for it.';
