-- Checks and explains registered rules: what run_check calls where a rule has no function of ours.
--
-- Private: check_registered_rule. A finding is a figure that differs by more than the tolerance, a
-- NULL, a figure that is no number, or a derived figure without a stored one. A stored figure with
-- nothing to derive it from is compared with 0: the sum of nothing. At most 10,000 rows become
-- findings, the largest differences first; how many there are stands in the detail of each.

create or replace function saldo_private.check_registered_rule__find(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns void
language plpgsql
as $$
declare
  v_limit numeric := saldo_private.setting_value('rule_cost_limit')::numeric;
  v_cost numeric;
  v_result jsonb;
begin
  -- What was quick when it was registered may have grown.
  v_cost := saldo_rule.cost_of(rule.stored) + saldo_rule.cost_of(rule.derived);
  if v_cost > 2 * v_limit then
    perform saldo_private.fail('rule_query_slow', format('a cost of %s', round(v_cost)));
  end if;

  perform saldo_private.note_rule_reads(rule);
  v_result := saldo_rule.compare(
    rule.stored, rule.derived, rule.tolerance, rule.stored_table is null, 10000
  );
  insert into saldo.registered_rule_result (
    rule, check_run_id, definition_hash, row_count, differing_count
  )
  values (
    rule.name, check_registered_rule__find.check_run_id, saldo_private.rule_definition_hash(rule),
    (v_result ->> 'row_count')::bigint, (v_result ->> 'differing_count')::bigint
  );

  insert into saldo.finding (
    id, check_run_id, rule, key, stored, derived, difference, detail, cause, explanation
  )
  select saldo_private.uuid_v7(), check_registered_rule__find.check_run_id, rule.name,
    coalesce(r.key, 'NULL'), r.stored, r.derived,
    case when not r.is_stored_missing and (r.is_derived_missing or r.derived is not null)
      then nullif(trim_scale(r.stored::numeric - coalesce(r.derived::numeric, 0)), 'NaN') end,
    jsonb_strip_nulls(jsonb_build_object(
      'what', case
        when r.key is null then 'key is NULL'
        when r.is_stored_missing then 'no stored row'
        when r.stored is null then 'stored is NULL'
        when not r.is_derived_missing and r.derived is null then 'derived is NULL'
        when r.is_derived_missing then 'nothing to derive from'
      end,
      'labels', r.labels, 'total', v_result -> 'differing_count',
      'row_count', v_result -> 'row_count'
    )),
    'unknown', 'No recorded event explains this difference.'
  from jsonb_to_recordset(v_result -> 'rows') as r (key text, stored text, derived text,
    is_stored_missing boolean, is_derived_missing boolean, labels jsonb);
end
$$;
comment on function saldo_private.check_registered_rule__find is
  'Keeps the rows of a registered rule whose figures differ as findings: SB644 rule_query_slow '
  'above twice the limit of cost.';

create or replace function saldo_private.check_registered_rule(check_run_id uuid, name text)
returns void
language plpgsql
as $$
declare
  v_rule saldo.registered_rule;
  v_started_at timestamptz := clock_timestamp();
begin
  select *
  into strict v_rule
  from saldo.registered_rule as r
  where r.name = check_registered_rule.name;
  begin
    perform saldo_private.check_registered_rule__find(check_run_id, v_rule);
  exception
    when query_canceled then
      if not saldo_private.was_rule_stopped(v_started_at) then
        raise;
      end if;
      perform saldo_private.fail('rule_query_slow', format(
        'stopped after %s s (setting rule_check_max_seconds)',
        round(extract(epoch from clock_timestamp() - v_started_at))
      ));
  end;
  perform saldo_private.explain_registered_rule(check_run_id, v_rule);
end
$$;
comment on function saldo_private.check_registered_rule is
  'Keeps the findings of a registered rule, each with its explanations. Error: '
  'SB644 rule_query_slow when its queries cost too much, or had to be stopped.';

create or replace function saldo_private.explain_registered_rule(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns void
language plpgsql
as $$
declare
  v_items jsonb := '[]';
  v_started_at timestamptz := clock_timestamp();
begin
  begin
    v_items := saldo_private.items_of_findings(check_run_id, rule);
  exception
    -- Without items there is less to explain, and the finding stands.
    when query_canceled or others then
      if sqlstate = '57014' and not saldo_private.was_rule_stopped(v_started_at) then
        raise;
      end if;
      update saldo.finding as f
      set detail = f.detail || jsonb_build_object('items_failed', sqlerrm)
      where f.check_run_id = explain_registered_rule.check_run_id
      and f.rule = explain_registered_rule.rule.name;
  end;

  insert into saldo.finding_explanation (finding_id, rank, cause, confidence, explanation, evidence)
  select e.finding_id,
    row_number() over (partition by e.finding_id order by e.confidence, e.place, e.explanation),
    e.cause::saldo.finding_cause, e.confidence, e.explanation, e.evidence
  from (
    select c.finding_id, c.cause, c.confidence, c.explanation, c.evidence, 1 as place
    from saldo_private.causes_of_writes(check_run_id, rule) as c
    union all
    select c.finding_id, c.cause, c.confidence, c.explanation, c.evidence, c.place + 1
    from saldo_private.causes_of_items(check_run_id, rule, v_items) as c
    union all
    select c.finding_id, c.cause, c.confidence, c.explanation, c.evidence, 9
    from saldo_private.causes_of_triggers(check_run_id, rule) as c
  ) as e;

  update saldo.finding as f
  set cause = e.cause,
    explanation = format('%s (%s)', e.explanation, e.confidence),
    evidence = case jsonb_typeof(e.evidence) when 'array' then e.evidence
      else jsonb_build_array(e.evidence) end
  from saldo.finding_explanation as e
  where f.check_run_id = explain_registered_rule.check_run_id
  and f.rule = explain_registered_rule.rule.name
  and e.finding_id = f.id
  and e.rank = 1;
end
$$;
comment on function saldo_private.explain_registered_rule is
  'Ranks the causes of each finding of the rule; the first one stands in the finding itself.';
