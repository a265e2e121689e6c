-- The plan of a heal: for each finding what would be done about it, and why.
--
-- Private: heal_plan and its steps, is_from_journal.
-- A dry run and a real one have the same plan. An outcome is first healed, and each step may turn
-- it into something else: refused, then escalated, then needs_approval; slots last, because they
-- follow from totals.

create or replace function saldo_private.is_from_journal(rule text)
returns boolean
language sql
immutable
as $$
  select rule in ('account_balance', 'month_movement', 'year_movement', 'account_slot',
    'customer_month_total')
$$;
comment on function saldo_private.is_from_journal is
  'Whether the cache of a rule derives from the journal.';

create or replace function saldo_private.heal_plan__candidates(check_run_id uuid)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  with candidate as materialized (
    select f.id, f.rule, f.key, f.account_id, r.heal_function, f.stored, f.derived, f.difference,
      f.explanation, exists (
        select
        from saldo.finding_explanation as x
        where x.finding_id = f.id
        and x.cause = 'journal_changed'
      ) as is_changed
    from saldo.finding as f
    join saldo.balance_rule as r on r.name = f.rule
    where f.check_run_id = heal_plan__candidates.check_run_id
    and r.heal_function is not null
    and f.cause <> 'rule_failed'
  ),
  changed as materialized (
    -- What is said of its totals or months holds for all that derives from them.
    select distinct f.account_id as id
    from saldo.finding as f
    join saldo.finding_explanation as x on x.finding_id = f.id
    where f.check_run_id = heal_plan__candidates.check_run_id
    and f.rule in ('account_balance', 'month_movement', 'year_movement', 'customer_month_total')
    and x.cause = 'journal_changed'
  )
  select coalesce(array_agg(saldo_private.planned_heal(
      finding_id => c.id,
      rule => c.rule,
      key => c.key,
      account_id => c.account_id,
      heal_function => c.heal_function,
      currency => a.currency,
      stored => c.stored,
      derived => c.derived,
      difference => c.difference,
      explanation => c.explanation,
      is_journal_changed => saldo_private.is_from_journal(c.rule)
        and (c.is_changed or changed.id is not null),
      reason => c.explanation
    ) order by c.rule, c.account_id, c.key), '{}')
  from candidate as c
  left join saldo.account as a on a.id = c.account_id
  left join changed on changed.id = c.account_id
$$;
comment on function saldo_private.heal_plan__candidates is
  'The findings of a check that a heal knows what to do about.';

create or replace function saldo_private.heal_plan__refuse(
  plan saldo_private.planned_heal[],
  check_run_id uuid
)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  with source as materialized (
    -- Asked only where it may say something: there may be ten thousand totals. And once for all
    -- months or slots of an account: all its records are gone through.
    select each.rule, each.account_id,
      saldo_private.unproven_source(each.rule, each.account_id) as reason
    from (
      select distinct q.rule, q.account_id
      from unnest(plan) as q
      where q.rule in ('account_slot', 'held_total', 'customer_month_total')
    ) as each
  )
  select coalesce(array_agg(saldo_private.decided(p, 'refused', case
      when source.reason is not null then source.reason
      when p.rule = 'customer_month_total' and p.account_id = any (metering.account_ids)
      then 'Rated lines, readings or deposits of this customer differ from the journal, or are '
        'gone: settle that first, then heal.'
      when not saldo_private.is_from_journal(p.rule) then null
      when journal.has_finding
      then 'The journal has findings of its own: settle them first, then heal.'
      when p.is_journal_changed
      then 'The journal of this account changed past the engine: a human decides which is right.'
      when not exists (select from saldo.journal_line as l where l.account_id = p.account_id)
        and p.account_id is not null
        -- Slots of rows that nobody has settled yet have no line behind them.
        and (p.rule <> 'account_slot' or exists (
          select
          from saldo_private.account_total as a
          where a.account_id = p.account_id
          and (a.debit_total <> 0 or a.credit_total <> 0)
        ))
      then case when saldo_private.is_journal_missing(p.account_id, p.rule) then
        'This account has no line at all, and no recorded write says where its figures come from.'
        end
    end) order by p.rule, p.account_id, p.key), '{}')
  from unnest(plan) as p
  left join source on source.rule = p.rule and source.account_id = p.account_id
  cross join (
    -- The months derive from these records, and the journal is the second witness of them.
    select array_agg(f.account_id) as account_ids
    from saldo.finding as f
    where f.check_run_id = heal_plan__refuse.check_run_id
    and f.rule in ('rating_entry', 'reading_rated', 'deposit_entry')
  ) as metering
  cross join (
    select exists (
      select
      from saldo.finding as f
      join saldo.balance_rule as r on r.name = f.rule
      where f.check_run_id = heal_plan__refuse.check_run_id
      and r.is_about_journal
    ) as has_finding
  ) as journal
$$;
comment on function saldo_private.heal_plan__refuse is
  'Refuses what derives from rows, records or a journal that are themselves in question.';

create or replace function saldo_private.heal_plan__hold_rules(
  plan saldo_private.planned_heal[],
  check_run_id uuid
)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select coalesce(array_agg(
    saldo_private.decided(p, 'refused', hold.reason) order by p.rule, p.account_id, p.key
  ), '{}')
  from unnest(plan) as p
  join (
    select each.rule, saldo_private.heal_hold_reason(
      each.rule, heal_plan__hold_rules.check_run_id
    ) as reason
    from (select distinct q.rule from unnest(plan) as q) as each
    offset 0 -- or it is asked for each key
  ) as hold on hold.rule = p.rule
$$;
comment on function saldo_private.heal_plan__hold_rules is
  'Refuses what a registered rule would heal that nobody has approved, or that is suspect.';

create or replace function saldo_private.heal_plan__escalate(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select coalesce(array_agg(saldo_private.decided(p,
      case
        when last.outcome = 'undone' then 'escalated'
        when rejected.id is not null then 'refused'
        when last.id is not null then 'escalated'
      end,
      case
        when last.outcome = 'undone' then format(
          'A heal was undone at %s by %s (%s): it is not healed again by itself.',
          last.healed_at, last.actor, last.reason
        )
        when rejected.id is not null then format(
          'A heal was rejected at %s by %s: %s', rejected.decided_at, rejected.decided_by,
          rejected.decision_reason
        )
        else format('Healed at %s by %s, wrong again: something keeps writing. Now: %s',
          last.healed_at, last.actor, p.explanation)
      end
    ) order by p.rule, p.account_id, p.key), '{}')
  from unnest(plan) as p
  cross join (
    select clock_timestamp() - make_interval(
      hours => saldo_private.setting_value('heal_repeat_hours')::integer
    ) as begins_at
    offset 0
  ) as repeat
  left join lateral (
    select h.id, h.outcome::text, h.healed_at, h.actor, h.reason
    from saldo.heal_action as h
    where h.rule = p.rule
    and h.key = p.key
    and h.outcome::text in ('healed', 'undone')
    -- An undo takes the place of its heal, whatever the clock said at either.
    and not exists (select from saldo.heal_action as u where u.undoes = h.id)
    order by h.healed_at desc
    limit 1
  ) as last on last.outcome = 'undone' or last.healed_at > repeat.begins_at
  left join lateral (
    select r.id, r.decided_at, r.decided_by, r.decision_reason, r.difference
    from saldo.heal_proposal as r
    where r.rule = p.rule
    and r.key = p.key
    and r.status = 'rejected'
    order by r.decided_at desc
    limit 1
  ) as rejected on rejected.decided_at > repeat.begins_at
    and rejected.difference is not distinct from p.difference
$$;
comment on function saldo_private.heal_plan__escalate is
  'Escalates what was healed within the window of heal_repeat_hours, and what was undone; refuses '
  'what was rejected within the window and is the same still.';

create or replace function saldo_private.heal_plan__limit(
  plan saldo_private.planned_heal[],
  is_scheduled boolean
)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  with open as materialized (
    select p, l.is_scheduled, l.max_count, l.max_amount, l.max_amount_total,
      p.outcome = 'healed' and not (heal_plan__limit.is_scheduled and not l.is_scheduled)
        and not coalesce(abs(p.difference) > l.max_amount, false) as is_small
    from unnest(plan) as p
    -- Or the settings are read for each key.
    join (select each.* from saldo_private.heal_limit() as each offset 0) as l on l.rule = p.rule
  ),
  summed as (
    select o.p, o.is_scheduled, o.is_small, o.max_count, o.max_amount, o.max_amount_total,
      count(*) filter (where o.is_small) over (partition by (o.p).rule) as rule_count,
      coalesce(sum(abs((o.p).difference)) filter (where o.is_small)
        over (partition by (o.p).rule, (o.p).currency), 0) as rule_amount,
      count(*) filter (where o.is_small) over () as run_count,
      coalesce(sum(abs((o.p).difference)) filter (where o.is_small)
        over (partition by (o.p).currency), 0) as run_amount
    from open as o
  )
  select coalesce(array_agg(saldo_private.decided(s.p,
      case when not s.is_small or s.rule_count > s.max_count or s.rule_amount > s.max_amount_total
        or s.run_count > run.max_count or s.run_amount > run.max_amount then 'needs_approval' end,
      case
        when heal_plan__limit.is_scheduled and not s.is_scheduled
        then 'The rule is not healed on schedule.'
        when not s.is_small then format('The difference of %s is above the limit of %s.',
          (s.p).difference, s.max_amount)
        when s.rule_count > s.max_count then format(
          '%s findings of the rule are above its limit of %s.', s.rule_count, s.max_count)
        when s.rule_amount > s.max_amount_total then format(
          'Differences of %s of the rule are above its limit of %s.', s.rule_amount,
          s.max_amount_total)
        when s.run_count > run.max_count then format(
          '%s findings are above the limit of %s for a run.', s.run_count, run.max_count)
        else format('Differences of %s are above the limit of %s for a run.', s.run_amount,
          run.max_amount)
      end
    ) order by (s.p).rule, (s.p).account_id, (s.p).key), '{}')
  from summed as s
  cross join (
    select saldo_private.setting_value('heal_run_max_count')::bigint as max_count,
      saldo_private.setting_value('heal_run_max_amount')::numeric as max_amount
    offset 0
  ) as run
$$;
comment on function saldo_private.heal_plan__limit is
  'What is above a limit of its rule or of a run needs approval: a finding that is too large by '
  'itself, and all of a rule, currency or run that are too many or too much together.';

create or replace function saldo_private.recent_heal_count(rule text)
returns bigint
language sql
stable
as $$
  select count(distinct h.key)
  from (
    select each.name, clock_timestamp() - make_interval(
        days => saldo_private.setting_value('heal_share_days')::integer
      ) as begins_at
    from saldo.registered_rule as each
    where each.name = recent_heal_count.rule
    offset 0 -- or the setting is read for each heal
  ) as r
  join saldo.heal_action as h on h.rule = r.name and h.healed_at > r.begins_at
  where h.outcome = 'healed'
  -- What a human has approved or taken back is no drip.
  and h.proposal_id is null
  and not exists (select from saldo.heal_action as u where u.undoes = h.id)
$$;
comment on function saldo_private.recent_heal_count is
  'Keys of a registered rule that were healed without approval in the days of heal_share_days; 0 '
  'for a rule of the engine, which heals by sources that are proven.';

create or replace function saldo_private.heal_plan__share(
  plan saldo_private.planned_heal[],
  check_run_id uuid
)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  with large as materialized (
    select each.rule, each.row_count, before.row_count as earlier_count, l.max_percent,
      saldo_private.heal_base_count(each.rule, heal_plan__share.check_run_id) as base_count
    from (
      select q.rule, count(*) as row_count
      from unnest(plan) as q
      where q.outcome = 'healed'
      group by q.rule
    ) as each
    join saldo_private.heal_limit() as l on l.rule = each.rule
    cross join lateral saldo_private.recent_heal_count(each.rule) as before (row_count)
    where each.row_count + before.row_count
      > saldo_private.setting_value('heal_share_free_count')::bigint
  )
  select coalesce(array_agg(saldo_private.decided(p,
      case when (l.row_count + l.earlier_count) * 100 > l.max_percent * l.base_count
        then 'needs_approval' end,
      format('%s%s of %s rows of the rule (%s %%) are above its limit of %s %%.', l.row_count,
        case when l.earlier_count > 0
          then format(' now and %s healed in the last %s days', l.earlier_count,
            saldo_private.setting_value('heal_share_days'))
          else '' end,
        l.base_count,
        saldo_private.differing_percent(l.row_count + l.earlier_count, l.base_count),
        trim_scale(l.max_percent))
    ) order by p.rule, p.account_id, p.key), '{}')
  from unnest(plan) as p
  left join large as l on l.rule = p.rule
$$;
comment on function saldo_private.heal_plan__share is
  'All of a rule needs approval when it would rewrite a larger share of its rows than its limit, '
  'with what it has rewritten by itself in the last days.';

create or replace function saldo_private.heal_plan__hold_slots(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select coalesce(array_agg(saldo_private.decided(p,
      case when p.rule = 'account_slot' and total.account_id is not null then 'refused' end,
      'The totals of this account are not healed, and slots follow from them.'
    ) order by p.rule, p.account_id, p.key), '{}')
  from unnest(plan) as p
  left join (
    select distinct t.account_id
    from unnest(plan) as t
    where t.rule in ('account_balance', 'month_movement')
    and t.outcome <> 'healed'
  ) as total on total.account_id = p.account_id
$$;
comment on function saldo_private.heal_plan__hold_slots is
  'Leaves slots alone whose totals are not healed.';

create or replace function saldo_private.heal_plan(check_run_id uuid, is_scheduled boolean)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select saldo_private.heal_plan__hold_slots(saldo_private.heal_plan__share(
    saldo_private.heal_plan__limit(
      saldo_private.heal_plan__hold_releases(
        saldo_private.heal_plan__escalate(saldo_private.heal_plan__hold_rules(
          saldo_private.heal_plan__refuse(
            saldo_private.heal_plan__candidates(check_run_id), check_run_id
          ),
          check_run_id
        ))
      ),
      is_scheduled
    ),
    check_run_id
  ))
$$;
comment on function saldo_private.heal_plan is
  'What a heal does about the findings of a check, in the order in which it decides. is_scheduled: '
  'whether nobody asked for it.';
