-- Explanation: the likely cause of a finding, with its evidence, before anything is repaired.
--
-- Private: explain_findings, changed_journals, is_journal_changed, is_journal_missing,
-- unsettled_guard_event, event_text. In the order of trust: a recorded write past the guard, to the
-- journal before one to a cache; two caches that agree with each other but not with the journal; a
-- sync trigger that is off. "Unknown" is an honest answer.

create or replace function saldo_private.unsettled_guard_event(account_id bigint)
returns setof saldo.guard_event
language sql
stable
as $$
  -- Settled is what a check saw and still found journal and account in order. By transaction, not
  -- by time: a write may be older than a check that could not see it yet.
  select g.*
  from saldo.guard_event as g
  where (g.account_id = unsettled_guard_event.account_id
    -- A line may have been moved away, and a truncate is about every account.
    or (g.old_row ->> 'account_id')::bigint = unsettled_guard_event.account_id
    or g.operation = 'truncate')
  and pg_visible_in_snapshot(g.transaction_id, (
    select c.snapshot::pg_snapshot
    from saldo.check_run as c
    where c.failed_rule_count = 0
    -- Others do not look at what was posted long ago.
    and c.scope = 'full'
    and not exists (
      select
      from saldo.finding as f
      join saldo.balance_rule as r on r.name = f.rule
      where f.check_run_id = c.id
      and (f.account_id = unsettled_guard_event.account_id or r.is_about_journal)
    )
    order by c.id desc
    limit 1
  )) is not true
$$;
comment on function saldo_private.unsettled_guard_event is
  'Recorded writes past the guard that concern the account, since the last check that found '
  'nothing wrong with it and with the journal.';

create or replace function saldo_private.is_journal_changed(account_id bigint)
returns boolean
language sql
stable
as $$
  -- Two witnesses against one: totals and months are kept apart, and agree only with the journal
  -- that made them.
  select (a.debit_total, a.credit_total) = (coalesce(m.debit, 0), coalesce(m.credit, 0))
    and (a.debit_total, a.credit_total, coalesce(m.line_count, 0))
      is distinct from (coalesce(l.debit, 0), coalesce(l.credit, 0), l.line_count)
  from saldo.account as a
  cross join lateral (
    select sum(mm.debit) as debit, sum(mm.credit) as credit, sum(mm.line_count) as line_count
    from saldo.month_movement as mm
    where mm.account_id = a.id
  ) as m
  cross join lateral (
    select sum(part.debit) as debit, sum(part.credit) as credit,
      coalesce(sum(part.line_count), 0) as line_count
    from (
      select jl.debit, jl.credit, 1 as line_count
      from saldo.journal_line as jl
      where jl.account_id = a.id
      union all
      select -s.debit, -s.credit, -s.line_count
      from saldo_private.account_stripe as s
      where s.account_id = a.id
    ) as part
  ) as l
  where a.id = is_journal_changed.account_id
$$;
comment on function saldo_private.is_journal_changed is
  'Whether totals and months of the account agree with each other and not with the journal: then '
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

create or replace function saldo_private.changed_journals(account_ids bigint[])
returns bigint[]
language sql
stable
as $$
  -- As is_journal_changed, for many accounts in one pass.
  select coalesce(array_agg(a.id), '{}')
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
comment on function saldo_private.changed_journals is
  'Those of the accounts whose totals and months agree with each other and not with the journal.';

create or replace function saldo_private.explain_findings__events(check_run_id uuid)
returns table (finding_id uuid, evidence jsonb)
language sql
stable
as $$
  -- A hold does not derive from the journal. Else a write to the journal comes first, however old:
  -- it decides that nothing is healed.
  select f.id,
    jsonb_agg(to_jsonb(e) - 'is_journal' order by e.is_journal desc, e.occurred_at desc)
  from saldo.finding as f
  cross join lateral (
    select g.*, j.is_journal
    from saldo_private.unsettled_guard_event(f.account_id) as g
    cross join lateral (select g.table_name like 'journal%' as is_journal) as j
    where case when j.is_journal then f.rule <> 'held_total'
      else g.table_name = case when f.rule in ('month_movement', 'customer_month_total')
        then f.rule else 'account' end
    end
    -- What a heal has put right since explains nothing any more.
    and (j.is_journal or g.occurred_at > coalesce((
      select max(h.healed_at)
      from saldo.heal_action as h
      where h.account_id = f.account_id
      and h.rule = f.rule
      and h.outcome = 'healed'
    ), '-infinity'))
    order by j.is_journal desc, g.occurred_at desc
    limit 5
  ) as e
  where f.check_run_id = explain_findings__events.check_run_id
  and f.account_id is not null
  and f.rule in ('account_balance', 'month_movement', 'held_total', 'customer_month_total')
  group by f.id
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
as $$
  with explained as (
    select f.id, events.evidence,
      case
        when events.evidence -> 0 ->> 'table_name' like 'journal%' then 'journal_changed'
        when events.evidence is not null then 'out_of_band_write'
        when f.rule not in (
          'account_balance', 'month_movement', 'held_total', 'customer_month_total'
        ) then 'unknown'
        when f.account_id = any (changed.account_ids) then 'journal_changed'
        when is_trigger_off and f.account_id is not null then 'sync_trigger_disabled'
        else 'unknown'
      end::saldo.finding_cause as cause
    from saldo.finding as f
    cross join (
      select saldo_private.changed_journals(array(
        select c.account_id
        from saldo.finding as c
        where c.check_run_id = explain_findings.check_run_id
        and c.rule in ('account_balance', 'month_movement', 'held_total', 'customer_month_total')
        and c.account_id is not null
      )) as account_ids
      offset 0
    ) as changed
    cross join (
      select exists (
        select
        from saldo_private.rule_engine_configuration__triggers() as t
        where t.key = 'trigger auto_sync_balance_on_posting on journal_line'
      ) as is_trigger_off
      offset 0
    ) as trigger
    left join saldo_private.explain_findings__events(check_run_id) as events
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
