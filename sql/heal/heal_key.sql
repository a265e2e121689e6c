-- Healing keys: the locks, the call of a rule's heal function, and the record.
--
-- Private: require_sole_maintenance, heal_keys, heal_gap, lock_heals, run_heals, follow_slots,
-- record_heals.
-- A heal function, balance_rule.heal_function, is one of the schema saldo_private:
--   heal_x(keys text[]) returns table (key text, before jsonb, after jsonb)
-- It locks the rows of the keys in id order, derives them in a statement after that one, writes
-- those that differ, and gives a row for each of these. Beside it may stand
--   undo_heal_x(key text, before jsonb, after jsonb) returns table (was jsonb, became jsonb)
-- which takes the difference of a heal back under the same lock; without it SB624. Registered rules
-- have functions of their own for both (registered_heal.sql).
-- Locks: slots of hot accounts, then all accounts of the run in id order, as settlements and
-- postings take them; they last to the end of the transaction.

create or replace function saldo_private.require_sole_maintenance()
returns void
language plpgsql
as $$
begin
  -- Ends with the transaction, however it ends.
  if not pg_try_advisory_xact_lock(saldo_private.maintenance_lock(), 0) then
    perform saldo_private.fail('maintenance_running', '');
  end if;
end
$$;
comment on function saldo_private.require_sole_maintenance is
  'Makes sure that only one heal or maintenance runs at a time: SB604 maintenance_running.';

create or replace function saldo_private.healed_key(
  key text,
  before jsonb,
  after jsonb,
  refusal text default null
)
returns saldo_private.healed_key
language plpgsql
immutable
as $$
declare
  v_healed saldo_private.healed_key;
begin
  v_healed.key := healed_key.key;
  v_healed.before := healed_key.before;
  v_healed.after := healed_key.after;
  v_healed.refusal := healed_key.refusal;
  return v_healed;
end
$$;
comment on function saldo_private.healed_key is
  'What a heal function did about a key. Call it by name.';

create or replace function saldo_private.heal_keys(rule text, heal_function text, keys text[])
returns saldo_private.healed_key[]
language plpgsql
as $$
declare
  v_healed saldo_private.healed_key[];
begin
  if heal_function = 'heal_registered_rule' then
    return array(
      select saldo_private.healed_key(
        key => k.key, before => h.before, after => h.after, refusal => h.refusal
      )
      from unnest(keys) as k (key)
      cross join lateral saldo_private.heal_registered_rule(heal_keys.rule, k.key) as h
    );
  end if;
  execute format(
    'select array_agg(saldo_private.healed_key(key => h.key, before => h.before, '
      'after => h.after)) from saldo_private.%I($1) as h',
    heal_function
  )
  into v_healed
  using keys;
  return coalesce(v_healed, '{}');
end
$$;
comment on function saldo_private.heal_keys is
  'Calls the heal function of a rule for these keys. A key that agreed by then is not among them, '
  'or has nothing before and after.';

create or replace function saldo_private.heal_gap(before jsonb, after jsonb)
returns jsonb
language sql
immutable
as $$
  -- By figure, so that postings since, which move both alike, do not count.
  select case
    when jsonb_typeof(before) = 'number' and jsonb_typeof(after) = 'number'
    then to_jsonb(trim_scale((before #>> '{}')::numeric - (after #>> '{}')::numeric))
    when coalesce(jsonb_typeof(before), 'object') = 'object'
      and coalesce(jsonb_typeof(after), 'object') = 'object'
    then (
      select jsonb_object_agg(figure.name, trim_scale(
        coalesce((before ->> figure.name)::numeric, 0)
          - coalesce((after ->> figure.name)::numeric, 0)
      ))
      from jsonb_object_keys(coalesce(before, '{}') || coalesce(after, '{}')) as figure (name)
      where coalesce(before ->> figure.name, after ->> figure.name) ~ '^-?[0-9]+(\.[0-9]+)?$'
    )
    else jsonb_build_array(before, after)
  end
$$;
comment on function saldo_private.heal_gap is
  'How far a cache was from what is derived: figure by figure, or both where there are no figures.';

create or replace function saldo_private.lock_heals(plan saldo_private.planned_heal[])
returns void
language plpgsql
as $$
begin
  -- Before any table of theirs, in the order that a change of a rule takes. The lock also keeps the
  -- rule as it is: what heal_target says later is what was healed.
  perform
  from saldo.registered_rule as r
  where r.name in (
    select p.rule
    from unnest(plan) as p
    where p.outcome not in ('refused', 'already_clean')
  )
  order by r.name
  for key share;
  perform
  from saldo_private.hot_account as h
  where h.account_id in (
    select p.account_id
    from unnest(plan) as p
    where p.rule in ('account_slot', 'account_balance')
    and p.outcome not in ('refused', 'already_clean')
  )
  order by h.account_id
  for update;
  perform
  from saldo.account as a
  where a.id in (
    select p.account_id
    from unnest(plan) as p
    where p.outcome not in ('refused', 'already_clean')
  )
  order by a.id
  for no key update;
end
$$;
comment on function saldo_private.lock_heals is
  'Locks all that the plan touches, so that no rule after another one waits out of order.';

create or replace function saldo_private.healed(
  plan saldo_private.planned_heal,
  healed saldo_private.healed_key
)
returns saldo_private.planned_heal
language plpgsql
immutable
as $$
begin
  plan.before := healed.before;
  plan.after := healed.after;
  if healed.refusal is not null then
    plan.outcome := 'refused';
    plan.reason := healed.refusal;
  elsif healed.before is null and healed.after is null then
    plan.outcome := 'already_clean';
  end if;
  return plan;
end
$$;
comment on function saldo_private.healed is 'The plan with what became of it.';

create or replace function saldo_private.run_heals(
  plan saldo_private.planned_heal[],
  outcomes text[]
)
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_rule record;
  v_healed saldo_private.healed_key[];
  v_done saldo_private.planned_heal[] := array(
    select p
    from unnest(plan) as p
    where p.outcome <> all (outcomes)
  );
begin
  for v_rule in
    select p.rule, p.heal_function, array_agg(p.key) as keys
    from unnest(plan) as p
    where p.outcome = any (outcomes)
    group by p.rule, p.heal_function
    -- Slots last: they follow from what the others write.
    order by p.rule = 'account_slot', p.rule
  loop
    v_healed := saldo_private.heal_keys(v_rule.rule, v_rule.heal_function, v_rule.keys);
    v_done := v_done || array(
      select saldo_private.healed(p, h)
      from unnest(plan) as p
      left join unnest(v_healed) as h on h.key = p.key
      where p.rule = v_rule.rule
      and p.outcome = any (outcomes)
    );
  end loop;
  return v_done;
end
$$;
comment on function saldo_private.run_heals is
  'Heals what the plan has these outcomes for, rule by rule, and returns the plan with before and '
  'after.';

create or replace function saldo_private.follow_slots(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_totals saldo_private.planned_heal[] := array(
    select p
    from unnest(plan) as p
    join saldo.account as a on a.id = p.account_id
    where p.rule = 'account_balance'
    and p.outcome in ('healed', 'undone')
    and a.mode = 'hot'
  );
begin
  if v_totals = '{}' then
    return '{}';
  end if;
  return array(
    select saldo_private.healed(saldo_private.planned_heal(
      finding_id => p.finding_id,
      rule => 'account_slot',
      key => h.key,
      account_id => p.account_id,
      heal_function => 'heal_account_slot',
      currency => p.currency,
      reason => 'Slots follow from the total.'
    ), h)
    from unnest(saldo_private.heal_keys('account_slot', 'heal_account_slot', array(
      select t.key from unnest(v_totals) as t
    ))) as h
    join unnest(v_totals) as p on p.key = h.key
  );
end
$$;
comment on function saldo_private.follow_slots is
  'Rebuilds the slots that were made from a total which the plan has rewritten: they agreed with '
  'it before, and would give away what is not there now.';

create or replace function saldo_private.record_heals(
  plan saldo_private.planned_heal[],
  heal_run_id uuid default null,
  undoes uuid default null
)
returns setof saldo.heal_action
language plpgsql
as $$
begin
  return query
  insert into saldo.heal_action (
    id, heal_run_id, finding_id, rule, key, account_id, outcome, before, after, reason, actor,
    proposal_id, undoes, target
  )
  select saldo_private.uuid_v7(), record_heals.heal_run_id, p.finding_id, p.rule, p.key,
    p.account_id, p.outcome::saldo.heal_outcome, p.before, p.after, p.reason,
    saldo_private.actor(), p.proposal_id,
    case when p.outcome = 'undone' then record_heals.undoes end,
    case p.outcome when 'healed' then saldo_private.heal_target(p.rule)
      when 'undone' then (
        select h.target from saldo.heal_action as h where h.id = record_heals.undoes
      ) end
  from unnest(plan) as p
  returning heal_action.*;
end
$$;
comment on function saldo_private.record_heals is
  'Writes what was done about each finding of a plan. heal_run_id: null = a human decided.';

comment on type saldo_private.healed_key is
  'What a heal function did about a key: before and after, or why it refused.';
