-- What alerts are about when people decide: each decision is told, and each that waits for another
-- person. Their keys are decisions, which are few.
--
-- Private: alert_decision_made, alert_decision_waits.

create or replace function saldo_private.decision_words(decision saldo.decision)
returns text
language sql
stable
as $$
  select concat_ws(' ', decision.action, nullif(decision.arguments, '{}')::text,
    case when decision.amount is not null
      then format('(%s %s)', decision.amount, decision.currency) end,
    case when decision.reason is not null then format('because: %s', decision.reason) end)
$$;
comment on function saldo_private.decision_words is 'What a decision is about, in a line.';

create or replace function saldo_private.alert_decision_made()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select d.id::text, left(format('%s %s: %s', d.decided_by, case when d.is_alone then 'alone'
      else format('and %s', d.proposed_by) end, saldo_private.decision_words(d)), 1000),
    jsonb_build_object('decision_id', d.id, 'action', d.action, 'account_id', d.account_id,
      'amount', d.amount::text, 'currency', d.currency, 'is_alone', d.is_alone,
      'proposed_by', d.proposed_by, 'decided_by', d.decided_by, 'decided_at', d.decided_at)
  from saldo.decision as d
  where d.status = 'approved'
  and d.decided_at > now() - interval '7 days'
  -- Until somebody has seen it: of what was done alone another person.
  and not exists (
    select
    from saldo.alert as a
    where a.condition = 'decision_made'
    and a.key = d.id::text
    and a.acknowledged_at is not null
    and (not d.is_alone or saldo_private.is_another_person(a.acknowledged_by, d.decided_by))
  )
$$;
comment on function saldo_private.alert_decision_made is
  'What people have decided in the last seven days, and nobody else has acknowledged.';

create or replace function saldo_private.alert_decision_waits()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select d.id::text, left(format('%s proposes %s', d.proposed_by, saldo_private.decision_words(d)),
      1000),
    jsonb_build_object('decision_id', d.id, 'action', d.action, 'account_id', d.account_id,
      'amount', d.amount::text, 'currency', d.currency, 'proposed_by', d.proposed_by,
      'proposed_at', d.proposed_at)
  from saldo.decision as d
  where d.status = 'proposed'
$$;
comment on function saldo_private.alert_decision_waits is 'Proposals that wait for another person.';

select saldo_private.register_alert_condition(name, severity, title, advice)
from (
  values
    ('decision_made', 'warning', 'A person has decided what no rule can check',
      'See whether you agree, then acknowledge it; reverse or adjust what is wrong.'),
    ('decision_waits', 'warning', 'A proposal waits for a second person',
      'Look at decision: approve_decision or reject_decision, by another administrator.')
) as condition (name, severity, title, advice);
