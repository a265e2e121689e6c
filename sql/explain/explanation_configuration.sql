-- Changes of the engine itself as causes: what an object was, what it is, and since when at most.
--
-- Private: causes_of_configuration. The rule is in check/engine_configuration_rule.sql; its detail
-- has what was built and what is there.

create or replace function saldo_private.causes_of_configuration(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 2, 'engine_changed', 'certain'::saldo.explanation_confidence,
    case f.stored
      when 'missing' then format('%s is missing; it was built as: %s.', f.key,
        f.detail ->> 'built')
      when 'added' then format('%s was added past the engine: %s.%s', f.key, f.detail ->> 'is',
        case when (f.detail ->> 'is_own')::boolean then ''
          else ' If that is on purpose, say so: accept_configuration.' end)
      else format('%s is not as built. It is: %s. It was built as: %s.', f.key,
        f.detail ->> 'is', f.detail ->> 'built')
    end || format(' The logic was applied at %s by %s, and it is so since then.', l.applied_at,
      l.applied_by),
    f.detail || jsonb_build_object('applied_at', l.applied_at)
  from saldo.finding as f
  left join saldo_private.applied_logic as l on l.id = 1
  where f.check_run_id = causes_of_configuration.check_run_id
  and f.rule = 'engine_configuration'
  and f.detail ? 'built'
  union all
  select f.id, 2, 'engine_changed', 'likely',
    format('%s is %s, and the engine has set it to %s: it was changed past the engine.', f.key,
      f.stored, f.derived),
    jsonb_build_object('is', f.stored, 'set', f.derived)
  from saldo.finding as f
  where f.check_run_id = causes_of_configuration.check_run_id
  and f.rule = 'engine_configuration'
  and f.key ~ '^(account \d|books |period |value of setting |sequence .* value$)'
  union all
  select f.id, 9, 'engine_changed', 'certain',
    format('%s is %s; it has to be %s.', f.key, f.stored, f.derived),
    jsonb_build_object('is', f.stored, 'expected', f.derived)
  from saldo.finding as f
  where f.check_run_id = causes_of_configuration.check_run_id
  and f.rule = 'engine_configuration'
  and not f.detail ? 'built'
  and f.key !~ '^(account \d|books |period |value of setting |sequence .* value$|trigger )'
  union all
  -- The guard has seen who changed an account; the newest write that made the value what it is.
  select f.id, 1, 'out_of_band_write', 'certain',
    'It was changed by this: ' || saldo_private.event_text(to_jsonb(g)),
    jsonb_build_array(to_jsonb(g))
  from saldo.finding as f
  cross join lateral substring(f.key from '^account (\d+) ') as account (id)
  cross join lateral substring(f.key from '\) (\w+)$') as term (name)
  cross join lateral (
    select each.*
    from saldo.guard_event as each
    where each.account_id = account.id::bigint
    and each.table_name = 'account'
    and each.new_row -> term.name is distinct from each.old_row -> term.name
    order by each.id desc
    limit 1
  ) as g
  where f.check_run_id = causes_of_configuration.check_run_id
  and f.rule = 'engine_configuration'
  and account.id is not null
$$;
comment on function saldo_private.causes_of_configuration is
  'What was built and what is there instead; of an account, the recorded write that changed it.';
