-- Rows that are not as the engine wrote them, as causes: of the findings about them, and of those
-- about what derives from them.
--
-- Private: sources_of_rule, causes_of_rows. A seal is proof that the row was another one: with a
-- recorded write it is known by whom.

create or replace function saldo_private.sources_of_rule(rule text)
returns text[]
language sql
immutable
as $$
  select case
    when rule in ('account_slot', 'sub_balance')
    then array['sub_balance', 'hold', 'settlement_mark', 'account_slot']
    when rule in ('held_total', 'purchase_hold') then array['hold', 'purchase']
    when rule like 'settlement%' then array['sub_balance', 'settlement', 'settlement_entry',
      'settlement_range', 'settlement_mark']
    when rule = 'purchase_entry' then array['purchase', 'purchase_refund',
      'stock_item']
    when rule = 'top_up_reversal' then array['top_up_reversal']
    when rule in ('deposit_entry', 'rated_line', 'rated_part', 'rating_entry', 'reading_rated',
      'customer_month_total') then array['deposit', 'reading', 'rated_line']
    when rule = 'idempotency' then array['purchase', 'idempotency_record']
    else '{}'
  end
$$;
comment on function saldo_private.sources_of_rule is
  'Tables whose rows a rule derives from, of those that are sealed or guarded.';

create or replace function saldo_private.causes_of_rows__writes(check_run_id uuid)
returns table (finding_id uuid, write_count bigint, last_write jsonb)
language sql
stable
as $$
  select f.id, count(*), (array_agg(to_jsonb(g) order by g.occurred_at desc, g.id desc))[1]
  from saldo.finding as f
  -- A settlement is sealed with its stretches and entries.
  join saldo.guard_event as g on (g.table_name = f.detail ->> 'source'
      or (f.detail ->> 'source' = 'settlement'
        and g.table_name in ('settlement_range', 'settlement_entry')))
    and (g.account_id is not distinct from f.account_id
      or (g.old_row ->> 'account_id')::bigint = f.account_id
      or g.operation = 'truncate')
  where f.check_run_id = causes_of_rows__writes.check_run_id
  and f.rule = 'row_seal'
  group by f.id
$$;
comment on function saldo_private.causes_of_rows__writes is
  'Recorded writes to the tables and accounts that findings of the rule row_seal are about.';

create or replace function saldo_private.causes_of_rows(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  with told as materialized (
    select f.id, f.key, f.account_id, f.detail ->> 'source' as source,
      case
        when w.write_count = 1
        then format('Written past the engine: %s', saldo_private.event_text(w.last_write))
        when w.write_count > 1
        then format('Written past the engine by %s writes, the last: %s', w.write_count,
          saldo_private.event_text(w.last_write))
        when f.detail ->> 'kind' = 'seal_changed'
        then 'The seals over rows were themselves written past the engine; no write is recorded.'
        when f.detail ->> 'kind' = 'row_contested' and f.detail ->> 'source' = 'hold'
        then 'Written past the engine, by somebody whom the guard did not see: the open holds do '
          'not come to what was held when they were written, and no write is recorded.'
        when f.detail ->> 'kind' = 'row_contested'
        then 'Written past the engine, by somebody whom the guard did not see: its slot counted '
          'other rows when they were written, and no write is recorded.'
        when f.detail ->> 'kind' = 'row_inserted'
        then 'The engine did not write it: its sealer never saw it, and no write is recorded.'
        else 'Written past the engine since it was sealed, by somebody whom the guard did not see: '
          'no write is recorded.'
      end as words,
      case when w.write_count > 0 then 'out_of_band_write' else 'record_changed' end as cause,
      coalesce(jsonb_build_array(w.last_write), '[]') as evidence
    from saldo.finding as f
    left join saldo_private.causes_of_rows__writes(causes_of_rows.check_run_id) as w
      on w.finding_id = f.id
    where f.check_run_id = causes_of_rows.check_run_id
    and f.rule = 'row_seal'
    and f.explanation = ''
  )
  select t.id, 1, t.cause, 'certain'::saldo.explanation_confidence, t.words, t.evidence
  from told as t
  union all
  select f.id, case t.cause when 'out_of_band_write' then 1 else 9 end, t.cause,
    'likely'::saldo.explanation_confidence,
    format('Follows from rows that are not as the engine wrote them (%s). %s', t.key, t.words),
    t.evidence
  from saldo.finding as f
  cross join lateral (
    select each.*
    from told as each
    where each.account_id = f.account_id
    and each.source = any (saldo_private.sources_of_rule(f.rule))
    order by each.key
    limit 1
  ) as t
  where f.check_run_id = causes_of_rows.check_run_id
  and f.rule <> 'row_seal'
  and f.explanation = ''
$$;
comment on function saldo_private.causes_of_rows is
  'Writes past the engine to rows that are sealed or guarded, with who it was where the guard has '
  'seen it; and findings that follow from such rows.';
