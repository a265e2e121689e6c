-- Explanation: the causes that findings of the engine's own rules may have, with their evidence,
-- before anything is repaired.
--
-- Private: explain_findings, rank_causes. Ranked by confidence, then by how much a cause tells: a
-- recorded write; the trigger, missing lines and rows; doubled entries; records; items; two caches
-- against the journal; at last what the rows show by themselves. "Unknown" is an honest answer:
-- such a finding has no row in finding_explanation. Causes that need an expensive search are looked
-- for behind the 20 largest gaps that no recorded write explains.

create or replace function saldo_private.rank_causes(causes saldo_private.possible_cause[])
returns void
language sql
as $$
  insert into saldo.finding_explanation (
    finding_id, rank, cause, confidence, explanation, evidence
  )
  select c.finding_id,
    row_number() over (
      partition by c.finding_id order by c.confidence, c.place, c.explanation
    ),
    c.cause::saldo.finding_cause, c.confidence, c.explanation, c.evidence
  from unnest(causes) as c
$$;
comment on function saldo_private.rank_causes is
  'Keeps the causes of findings, the best first.';

create or replace function saldo_private.explain_findings__causes(check_run_id uuid)
returns saldo_private.possible_cause[]
language plpgsql
stable
as $$
declare
  v_writes saldo_private.possible_cause[] := array(
    select w from saldo_private.causes_of_recorded_writes(check_run_id) as w
  );
  v_gaps saldo_private.finding_gap[] := array(
    select g
    from saldo_private.largest_gaps(check_run_id, array(
      select w.finding_id
      from unnest(v_writes) as w
      where w.confidence = 'certain'
    )) as g
  );
begin
  return v_writes || array(
    select c from saldo_private.causes_of_trigger(check_run_id, v_gaps) as c
  ) || array(
    select c from saldo_private.causes_of_missing_lines(check_run_id) as c
  ) || array(
    select c from saldo_private.causes_of_missing_sets(check_run_id, v_gaps) as c
  ) || array(
    -- Named beside the write that brought them as well.
    select c
    from saldo_private.causes_of_doubled_entries(array(
      select g from saldo_private.largest_gaps(check_run_id, '{}') as g
    )) as c
  ) || array(
    select c from saldo_private.causes_of_missing_rows(check_run_id) as c
  ) || array(
    select c from saldo_private.causes_of_records(check_run_id) as c
  ) || array(
    select c from saldo_private.causes_of_open_items(v_gaps) as c
  ) || array(
    select c from saldo_private.causes_of_two_witnesses(check_run_id, v_writes) as c
  ) || array(
    select c from saldo_private.causes_of_clock(check_run_id) as c
  ) || array(
    select c from saldo_private.causes_of_rows(check_run_id) as c
  ) || array(
    select c from saldo_private.causes_of_configuration(check_run_id) as c
  );
end
$$;
comment on function saldo_private.explain_findings__causes is
  'The causes that are found for the findings of a check.';

create or replace function saldo_private.explain_findings(check_run_id uuid)
returns void
language plpgsql
-- Findings of this transaction: the planner takes thousands of them for a handful.
set enable_nestloop = off
as $$
begin
  if not exists (
    select from saldo.finding as f where f.check_run_id = explain_findings.check_run_id
  ) then
    return;
  end if;
  perform saldo_private.rank_causes(saldo_private.explain_findings__causes(check_run_id));
  -- These go by what was found for others.
  perform saldo_private.rank_causes(array(
    select c
    from saldo_private.causes_of_followers(check_run_id) as c
    where (
      select count(*)
      from saldo.finding_explanation as x
      where x.finding_id = c.finding_id
    ) = 0
  ));
  -- And these by what is left, and by which rules have found something at all.
  perform saldo_private.rank_causes(array(
    select c
    from saldo_private.causes_of_shapes(check_run_id) as c
  ));

  -- Looked up for each: a join might read the explanations of all checks there were.
  update saldo.finding as f
  set (cause, explanation, evidence) = (
    select coalesce(max(e.cause), 'unknown'),
      coalesce(max(format('%s (%s)', e.explanation, e.confidence)),
        'No recorded event explains this difference.'),
      coalesce(jsonb_path_query_array(jsonb_agg(e.evidence), '$[*][*]'), '[]')
    from saldo.finding_explanation as e
    where e.finding_id = f.id
    and e.rank = 1
  )
  where f.check_run_id = explain_findings.check_run_id
  and f.explanation = ''; -- what broke or is registered has its own
end
$$;
comment on function saldo_private.explain_findings is
  'Writes the causes of each finding of a check, ranked; the first one stands in the finding '
  'itself.';
