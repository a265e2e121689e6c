-- Why a figure of a user's table is wrong: causes with their evidence and a stated confidence.
--
-- Private: items_of_findings, causes_of_writes, causes_of_items, causes_of_triggers. Nothing is
-- guessed beyond what the figures say: a set that fits by chance is "possible", never more, and a
-- finding that nothing fits stays unknown. Items are looked at for the 20 largest differences.

create or replace function saldo_private.items_of_findings(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns jsonb
language plpgsql
as $$
declare
  v_keys text[];
begin
  select array_agg(f.key)
  into v_keys
  from (
    select f.key
    from saldo.finding as f
    where f.check_run_id = items_of_findings.check_run_id
    and f.rule = items_of_findings.rule.name
    and abs(f.difference) < 'Infinity'
    order by abs(f.difference) desc, f.key
    limit 20
  ) as f;
  return case when rule.items is null or v_keys is null then '[]'
    else saldo_rule.read_items(rule.items, v_keys, 2000) end;
end
$$;
comment on function saldo_private.items_of_findings is
  'The items behind the largest differences, at most 2,000 for each, the newest first.';

create or replace function saldo_private.causes_of_writes(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb)
language sql
stable
as $$
  with past as (
    -- Up to here the figure was right: healed, or seen and not found wrong.
    select f.id, f.key, f.difference,
      (
        select max(h.healed_at)
        from saldo.heal_action as h
        where h.rule = f.rule
        and h.key = f.key
        and h.outcome = 'healed'
      ) as healed_at,
      (
        select c.snapshot::pg_snapshot
        from saldo.check_run as c
        where c.failed_rule_count = 0
        and c.started_at > causes_of_writes.rule.registered_at
        and not exists (
          select
          from saldo.finding as seen
          where seen.check_run_id = c.id
          and seen.rule = f.rule
          and seen.key = f.key
        )
        order by c.number desc, c.finished_at desc
        limit 1
      ) as clean
    from saldo.finding as f
    where f.check_run_id = causes_of_writes.check_run_id
    and f.rule = causes_of_writes.rule.name
  ),
  written as (
    select p.id, p.difference, g.id as event_id, g.occurred_at, to_jsonb(g) as event,
      coalesce((g.new_row ->> 'stored')::numeric, 0)
        - coalesce((g.old_row ->> 'stored')::numeric, 0) as change
    from past as p
    join saldo.guard_event as g on g.rule = causes_of_writes.rule.name and g.key = p.key
    where g.occurred_at > coalesce(p.healed_at, '-infinity')
    and saldo_private.is_seen(g.transaction_id, p.clean) is not true
  ),
  summed as (
    select w.id, w.difference, count(*) as event_count, sum(w.change) as change,
      (array_agg(w.event order by w.change = w.difference desc, w.event_id desc))[1] as event,
      bool_or(w.change = w.difference) as is_one_exact,
      (array_agg(w.event order by w.event_id desc))[1:5] as events
    from written as w
    group by w.id, w.difference
  )
  select s.id, 'out_of_band_write',
    case when s.is_one_exact or s.change = s.difference then 'certain'
      else 'possible' end::saldo.explanation_confidence,
    format('%s %s of %s from %s to %s by login %s (role %s, application %L, from %s) at %s: %s',
      case when s.is_one_exact then 'Exactly the difference:'
        when s.change = s.difference then format('%s writes make exactly the difference; the last:',
          s.event_count)
        when s.event_count = 1
        then format('A recorded write changed it by %s, which is not the difference:',
          trim_scale(s.change))
        else format('%s recorded writes changed it by %s, which is not the difference; the last:',
          s.event_count, trim_scale(s.change)) end,
      s.event ->> 'operation', s.event ->> 'table_name',
      coalesce(s.event -> 'old_row' ->> 'stored', 'nothing'), s.event -> 'new_row' ->> 'stored',
      s.event ->> 'login', s.event ->> 'role', s.event ->> 'application_name',
      coalesce(s.event ->> 'client_address', 'a local socket'), s.event ->> 'occurred_at',
      s.event ->> 'statement'),
    to_jsonb(s.events)
  from summed as s
$$;
comment on function saldo_private.causes_of_writes is
  'Recorded writes by others than the writers since the figure was last right.';

create or replace function saldo_private.items_by_finding(
  check_run_id uuid,
  rule saldo.registered_rule,
  items jsonb
)
returns table (finding_id uuid, difference numeric, items jsonb)
language sql
stable
as $$
  select f.id, f.difference, i.entries
  from (
    select e.entry ->> 'key' as key, jsonb_agg(e.entry) as entries
    from jsonb_array_elements(items_by_finding.items) as e (entry)
    group by e.entry ->> 'key'
  ) as i
  join saldo.finding as f on f.key = i.key
  where f.check_run_id = items_by_finding.check_run_id
  and f.rule = items_by_finding.rule.name
  and abs(f.difference) < 'Infinity'
$$;
comment on function saldo_private.items_by_finding is 'The findings with the items of their keys.';

create or replace function saldo_private.causes_of_items__sets(
  check_run_id uuid,
  rule saldo.registered_rule,
  items jsonb
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb, place integer)
language sql
stable
as $$
  select f.finding_id, 'uncounted_items',
    case when s.is_uncounted_only and s.ways = 1 and s.size <= 3 then 'likely'
      else 'possible' end::saldo.explanation_confidence,
    format('%s is exactly the difference of %s%s: %s%s', saldo_private.item_words(s.entries),
      abs(f.difference), case when s.size > 10 then format(' (%s items)', s.size) else '' end,
      case when s.is_uncounted_only
        then 'items that do not count were applied to the balance anyway.'
        else 'the balance may have moved for the items that do not count, and once more for the '
          'others.' end,
      case when s.ways > 1 then format(' %s other sets of %s items fit as well.', s.ways - 1,
        s.size) else '' end),
    jsonb_build_object('items', s.entries, 'sets_of_this_size', s.ways), 1
  from saldo_private.items_by_finding(check_run_id, rule, items) as f
  cross join lateral (
    select each.is_uncounted_only, each.size, each.ways, each.entries,
      bool_or(each.is_uncounted_only) over () as has_uncounted_only
    from saldo_private.item_sets(f.items, f.difference) as each
  ) as s
  where s.is_uncounted_only
  or not s.has_uncounted_only
$$;
comment on function saldo_private.causes_of_items__sets is
  'Sets of items with pending or failed ones among them that are exactly the difference.';

create or replace function saldo_private.causes_of_items__single(
  check_run_id uuid,
  rule saldo.registered_rule,
  items jsonb
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb, place integer)
language sql
stable
as $$
  with counted as (
    select f.finding_id, f.difference, e.entry, (e.entry ->> 'amount')::numeric as amount,
      e.entry ->> 'reference' as reference, (e.entry ->> 'occurred_at')::timestamp as occurred_at,
      e.entry ->> 'item' as item
    from saldo_private.items_by_finding(check_run_id, rule, items) as f
    cross join lateral jsonb_array_elements(f.items) as e (entry)
    where (e.entry ->> 'is_counted')::boolean
    and abs((e.entry ->> 'amount')::numeric) = abs(f.difference)
  ),
  twin as (
    select a.finding_id, jsonb_build_array(a.entry, b.entry) as entries,
      a.reference is not null and a.reference = b.reference as is_same_reference
    from counted as a
    join counted as b on b.finding_id = a.finding_id and b.amount = a.amount and b.item > a.item
    where a.amount = -a.difference
    and (a.reference = b.reference or (
      isfinite(a.occurred_at) and isfinite(b.occurred_at)
      and abs(extract(epoch from a.occurred_at - b.occurred_at)) <= 60
    ))
  ),
  single as (
    select c.finding_id, c.amount = c.difference as is_once_more, count(*) as item_count,
      jsonb_agg(c.entry order by c.occurred_at desc nulls last, c.item) as entries
    from counted as c
    group by c.finding_id, c.amount = c.difference
  )
  select t.finding_id, 'doubled_item',
    case when t.is_same_reference then 'likely' else 'possible' end::saldo.explanation_confidence,
    format('Recorded twice, applied once: %s, with %s.', saldo_private.item_words(t.entries),
      case when t.is_same_reference then 'the same reference'
        else 'at most 60 seconds between' end),
    jsonb_build_object('items', t.entries), 2
  from twin as t
  union all
  select s.finding_id, case when s.is_once_more then 'unrecorded_item' else 'unapplied_item' end,
    'possible',
    format(case when s.is_once_more then 'The balance moved once more by an amount that %s items '
      'have, without an item of its own: %s.' else 'One of %s items of this amount may be recorded '
      'and never applied: %s.' end,
      s.item_count, saldo_private.item_words(s.entries)),
    jsonb_build_object('items', jsonb_path_query_array(s.entries, '$[0 to 9]')), 3
  from single as s
  where s.is_once_more
  or not exists (select from twin as t where t.finding_id = s.finding_id)
$$;
comment on function saldo_private.causes_of_items__single is
  'Items of exactly the difference: recorded twice, never applied, or applied once more.';

create or replace function saldo_private.causes_of_items(
  check_run_id uuid,
  rule saldo.registered_rule,
  items jsonb
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb, place integer)
language sql
stable
as $$
  select s.finding_id, s.cause, s.confidence, s.explanation, s.evidence, s.place
  from saldo_private.causes_of_items__sets(check_run_id, rule, items) as s
  union all
  select o.finding_id, o.cause, o.confidence, o.explanation, o.evidence, o.place
  from saldo_private.causes_of_items__single(check_run_id, rule, items) as o
$$;
comment on function saldo_private.causes_of_items is
  'What the items say: sets with some that do not count, doubles, and those of exactly the amount.';

create or replace function saldo_private.causes_of_triggers(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb)
language sql
stable
as $$
  select f.id, 'sync_trigger_disabled', 'possible'::saldo.explanation_confidence,
    format('Not on any more, so that what it kept in step or recorded may be missing: %s',
      off.words),
    off.list
  from saldo.finding as f
  cross join (
    select string_agg(format('%s %s', part.key, part.state), ', ' order by part.key) as words,
      jsonb_agg(jsonb_build_object('trigger', part.key, 'state', part.state)) as list
    from (
      select r.key, r.stored as state
      from saldo_private.rule_engine_configuration__registered() as r
      where r.key ~ format('^trigger saldo_guard_(update|insert)_%s on ',
        causes_of_triggers.rule.name)
      union all
      select format('trigger %s on %s', w.watched ->> 'name', w.watched ->> 'table'),
        case t.tgenabled when 'D' then 'disabled' when 'R' then 'fires on replicas only'
          else 'dropped' end
      from jsonb_array_elements(causes_of_triggers.rule.watched_triggers) as w (watched)
      left join pg_catalog.pg_trigger as t
        on t.tgrelid = saldo_private.user_table(w.watched ->> 'table')
        and t.tgname = w.watched ->> 'name'
      where t.tgenabled is null
      or t.tgenabled in ('D', 'R')
    ) as part
    having count(*) > 0
  ) as off
  where f.check_run_id = causes_of_triggers.check_run_id
  and f.rule = causes_of_triggers.rule.name
$$;
comment on function saldo_private.causes_of_triggers is
  'Triggers that were on when the rule was registered, and are not now.';
