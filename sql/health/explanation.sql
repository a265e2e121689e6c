-- Explanation: the likely cause of a finding, with its evidence, before anything is repaired.
--
-- Private: explain_finding, is_journal_changed, is_journal_missing, unsettled_guard_event. In the
-- order of trust: a recorded write past the guard, to the journal before one to a cache; two caches
-- that agree with each other but not with the journal; a sync trigger that is off. "Unknown" is an
-- honest answer.

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

create or replace function saldo_private.explain_finding(
  rule text,
  account_id bigint,
  difference numeric,
  out cause saldo.finding_cause,
  out explanation text,
  out evidence jsonb
)
language plpgsql
stable
as $$
declare
  v_event saldo.guard_event;
begin
  cause := 'unknown';
  explanation := 'No recorded event explains this difference.';
  evidence := '[]';
  if account_id is null
    or rule not in ('account_balance', 'month_movement', 'held_total', 'customer_month_total')
  then
    return;
  end if;

  -- A hold does not derive from the journal. Else a write to the journal comes first, however old:
  -- it decides that nothing is healed.
  select jsonb_agg(to_jsonb(e) - 'is_journal' order by e.is_journal desc, e.occurred_at desc)
  into evidence
  from (
    select g.*, j.is_journal
    from saldo_private.unsettled_guard_event(explain_finding.account_id) as g
    cross join lateral (select g.table_name like 'journal%' as is_journal) as j
    where case when j.is_journal then explain_finding.rule <> 'held_total'
      else g.table_name = case when explain_finding.rule in (
        'month_movement', 'customer_month_total') then explain_finding.rule else 'account' end
    end
    -- What a heal has put right since explains nothing any more.
    and (j.is_journal or g.occurred_at > coalesce((
      select max(h.healed_at)
      from saldo.heal_action as h
      where h.account_id = explain_finding.account_id
      and h.rule = explain_finding.rule
      and h.outcome = 'healed'
    ), '-infinity'))
    order by j.is_journal desc, g.occurred_at desc
    limit 5
  ) as e;

  if evidence is not null then
    v_event := jsonb_populate_record(null::saldo.guard_event, evidence -> 0);
    cause := case when v_event.table_name like 'journal%' then 'journal_changed'
      else 'out_of_band_write' end::saldo.finding_cause;
    explanation := format(
      '%s of %s past the guard by login %s (role %s, application %L, from %s) at %s: %s',
      v_event.operation, v_event.table_name, v_event.login, v_event.role, v_event.application_name,
      coalesce(host(v_event.client_address), 'a local socket'), v_event.occurred_at,
      v_event.statement
    );
    return;
  end if;

  evidence := '[]';
  if saldo_private.is_journal_changed(account_id) then
    cause := 'journal_changed';
    explanation := 'Totals and months agree with each other but not with the journal: lines came, '
      'went or changed past the posting trigger.';
  elsif exists (
    select
    from saldo_private.rule_engine_configuration__triggers() as t
    where t.key = 'trigger auto_sync_balance_on_posting on journal_line'
  ) then
    cause := 'sync_trigger_disabled';
    explanation := 'The posting trigger is not on: lines are posted without moving balances.';
  end if;
end
$$;
comment on function saldo_private.explain_finding is
  'The likely cause of a finding, a sentence about it, and the recorded events: those about the '
  'journal first, then the newest.';
