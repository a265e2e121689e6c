-- Causes that the rows themselves show, where nothing else explains a finding: which record or
-- cache stands alone against others that agree.
--
-- Private: causes_of_shapes and its parts for the journal, its caches and the engine; those of
-- other rooms are in explanation_shape_hot.sql and explanation_shape_record.sql.
-- They come last, never certain but for the engine's own catalogue: nobody recorded who it was.

create or replace function saldo_private.causes_of_shapes__caches(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
-- Findings of this transaction: the planner takes thousands of them for a handful.
set enable_nestloop = off
as $$
  with found as materialized (
    -- What else was found about the account.
    select f.account_id, array_agg(distinct f.rule) as rules,
      case when sum(f.difference) filter (where f.rule = 'month_movement') = 0
        then count(*) filter (where f.rule = 'month_movement') else 0 end as month_count
    from saldo.finding as f
    where f.check_run_id = causes_of_shapes__caches.check_run_id
    and f.account_id is not null
    group by f.account_id
  )
  select f.id, 9, 'cache_forced', 'likely'::saldo.explanation_confidence,
    case
      when f.rule = 'account_balance'
      then 'Months and journal agree against the totals: these were forced.'
      when f.rule = 'restatement'
      then 'Its months are forced: journal and totals agree against them.'
      when f.rule = 'year_movement'
      then 'Months, journal and totals agree against the year: it was forced.'
      when f.rule = 'customer_month_total'
      then 'Journal, rated lines and totals agree against the customer''s month: it was forced.'
      when found.month_count > 1
      then 'Totals and journal agree, and so do the months taken together: what is in one of them '
        'belongs to another.'
      else 'Totals and journal agree against the month: it was forced.'
    end,
    '{}'::jsonb
  from saldo_private.unexplained_findings(causes_of_shapes__caches.check_run_id) as f
  join found on found.account_id = f.account_id
  where case f.rule
    when 'account_balance' then not 'month_movement' = any (found.rules)
    when 'month_movement' then not 'account_balance' = any (found.rules)
    when 'year_movement'
    then not found.rules && array['account_balance', 'month_movement']
    when 'restatement' then 'month_movement' = any (found.rules)
      and not 'account_balance' = any (found.rules)
    when 'customer_month_total'
    then not found.rules && array['account_balance', 'rated_line', 'rating_entry', 'reading_rated']
    else false
  end
$$;
comment on function saldo_private.causes_of_shapes__caches is
  'A cache of the journal that stands alone against the others and the journal.';

create or replace function saldo_private.causes_of_shapes__journal(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, x.cause, x.confidence::saldo.explanation_confidence, x.words,
    jsonb_strip_nulls(jsonb_build_object('entry_id', f.detail -> 'entry_id'))
  from saldo_private.unexplained_findings(causes_of_shapes__journal.check_run_id) as f
  cross join lateral (
    select 'journal_changed' as cause, 'likely' as confidence,
      'The engine posts nothing of the kind: it was written, or changed, past it.' as words
    where f.rule in ('entry_balance', 'entry_lines', 'orphan_line', 'line_amount', 'reversal',
      'trial_balance')
    union all
    select 'journal_changed', 'possible',
      'The engine posts nothing into a closed period: the entry, or the time at which the period '
        'was closed, was changed past it.'
    where f.rule = 'closed_period'
    union all
    select 'missing_item', 'likely', format('The result of %s at %s is gone: %s.',
      f.detail ->> 'operation', f.detail ->> 'created_at', f.stored)
    where f.rule = 'idempotency'
    union all
    select 'missing_item', 'likely', format('It was made under a key, and %s is gone, or was made '
      'under another scope.', f.derived)
    where f.rule = 'idempotency_record'
    union all
    select 'record_changed', 'possible',
      'Totals and holds are right, and the engine lets no account fall below its minimum: the '
        'minimum was changed past it.'
    where f.rule = 'min_balance'
    and not saldo_private.has_finding(
      f.check_run_id, array['account_balance', 'held_total', 'account_slot'], f.account_id
    )
  ) as x
$$;
comment on function saldo_private.causes_of_shapes__journal is
  'What the engine cannot have posted, and results that are gone.';

create or replace function saldo_private.causes_of_shapes__seals(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, x.cause, 'likely'::saldo.explanation_confidence, x.words, '{}'::jsonb
  from saldo_private.unexplained_findings(causes_of_shapes__seals.check_run_id) as f
  cross join lateral (
    select 'record_changed' as cause,
      'Sealed totals of a closed period, or their hash, were changed after it was closed.'
        as words
    where f.rule = 'closing_snapshot'
    and f.detail ->> 'what' like '%hash%'
    union all
    select case when journal.is_whole then 'record_changed' else 'journal_changed' end,
      case when journal.is_whole
        then 'The journal is as it was sealed: the totals of the closed period were changed.'
        else 'The journal of a closed period was changed, or its totals with their hash.' end
    from (
      select exists (select from saldo.journal_seal) and not exists (
        select
        from saldo.finding as each
        where each.check_run_id = f.check_run_id
        and each.rule = 'journal_seal'
      ) and not saldo_private.has_finding(
        f.check_run_id, array['account_balance'], f.account_id
      ) as is_whole
    ) as journal
    where f.rule = 'closing_snapshot'
    and f.detail ->> 'what' not like '%hash%'
    union all
    select case when seal.is_changed then 'record_changed'
        when seal.is_gone then 'missing_item' else 'journal_changed' end,
      case when seal.is_changed then 'The record of the seals itself was changed or cut.'
        when seal.is_gone then 'What was sealed is gone from the journal.'
        else 'The journal is not what was sealed.' end
    from (
      -- A change of the journal leaves the lists and totals of the seals as they are.
      select f.detail ->> 'kind' ~ '^(seal|chain)_' or exists (
          select
          from saldo.finding as each
          where each.check_run_id = f.check_run_id
          and each.rule = 'journal_seal'
          and each.detail ->> 'kind' ~ '^(seal|chain)_'
          and each.detail ->> 'seal_number' = f.detail ->> 'seal_number'
        ) as is_changed,
        f.detail ->> 'kind' ~ '_missing$' or (f.detail ->> 'kind' = 'total_differs' and exists (
          select
          from saldo.finding as each
          where each.check_run_id = f.check_run_id
          and each.rule = 'journal_seal'
          and each.detail ->> 'kind' in ('entry_missing', 'line_missing')
        )) as is_gone
    ) as seal
    where f.rule = 'journal_seal'
  ) as x
$$;
comment on function saldo_private.causes_of_shapes__seals is
  'Seals and totals of closed periods, and which side of them was changed.';

create or replace function saldo_private.causes_of_shapes__engine(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, x.cause, x.confidence::saldo.explanation_confidence, x.words, '{}'::jsonb
  from saldo_private.unexplained_findings(causes_of_shapes__engine.check_run_id) as f
  cross join lateral (
    select 'engine_changed' as cause, 'certain' as confidence,
      format('The engine itself is not as it was built: %s is %s, and was %s.', f.key,
        coalesce(f.stored, 'missing'), coalesce(f.derived, 'not there')) as words
    where f.rule = 'engine_configuration'
    union all
    select 'work_stopped', 'likely', format('The worker that settles stands still, or is too slow: '
      '%s.', f.stored)
    where f.rule = 'settlement_lag'
    union all
    select 'work_stopped', 'likely', format('The re-rating does not go on: %s.', f.stored)
    where f.rule = 'rerating'
    union all
    select 'record_changed', 'likely',
      'Freezing writes account and record in one transaction: one of them was changed past it.'
    where f.rule = 'account_freeze'
  ) as x
$$;
comment on function saldo_private.causes_of_shapes__engine is
  'The engine that is not as it was built, and work that stands still.';

create or replace function saldo_private.causes_of_shapes(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
set enable_nestloop = on
as $$
  select * from saldo_private.causes_of_shapes__caches(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__branch(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__journal(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__seals(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__hot(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__settlements(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__wallet(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__rating(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__reading(check_run_id)
  union all
  select * from saldo_private.causes_of_shapes__engine(check_run_id)
$$;
comment on function saldo_private.causes_of_shapes is
  'Causes that the rows show by themselves, of findings that nothing else explains.';
