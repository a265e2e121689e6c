-- Explanation: the likely cause of a finding, with its evidence, before anything is repaired.
--
-- Private: explain_finding. In the order of trust: a recorded bypass of the guard; two caches that
-- agree with each other but not with the journal; a sync trigger that is off. "Unknown" is an
-- honest answer.

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
    select sum(jl.debit) as debit, sum(jl.credit) as credit, count(*) as line_count
    from saldo.journal_line as jl
    where jl.account_id = a.id
  ) as l
  where a.id = is_journal_changed.account_id
$$;
comment on function saldo_private.is_journal_changed is
  'Whether totals and months of the account agree with each other and not with the journal: then '
  'lines were added, changed or taken away past the engine.';

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
  if account_id is null or rule not in ('account_balance', 'month_movement', 'held_total') then
    return;
  end if;

  select jsonb_agg(to_jsonb(e) order by e.occurred_at desc)
  into evidence
  from (
    select g.*
    from saldo.guard_event as g
    where g.account_id = explain_finding.account_id
    -- What a heal has put right since explains nothing any more.
    and g.occurred_at > coalesce((
      select max(h.healed_at)
      from saldo.heal_action as h
      where h.account_id = explain_finding.account_id
      and h.rule = explain_finding.rule
      and h.outcome = 'healed'
    ), '-infinity')
    order by g.occurred_at desc
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
  'The likely cause of a finding, a sentence about it, and the recorded events, newest first.';
