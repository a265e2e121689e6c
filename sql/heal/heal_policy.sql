-- Heal policy: how much a heal may rewrite by itself, and what needs an administrator's approval.
--
-- Public: saldo.heal_policy, set_heal_policy, propose_heal_policy. Private: heal_limit,
-- heal_policy, raised_heal_limits, heal_policy_decision, decide_set_heal_policy.
-- A rule without a row, or with a null in it, goes by the settings heal_finding_max_amount,
-- heal_rule_max_count, heal_rule_max_amount and heal_rule_max_percent; those of a whole run are
-- heal_run_max_count and heal_run_max_amount. Amounts are in units of each currency, and count
-- for each by itself.

create or replace function saldo_private.heal_limit()
returns table (
  rule text,
  is_scheduled boolean,
  max_count bigint,
  max_amount numeric,
  max_amount_total numeric,
  max_percent numeric
)
language sql
stable
as $$
  select r.name, coalesce(p.is_scheduled, true),
    coalesce(p.max_count, saldo_private.setting_value('heal_rule_max_count')::bigint),
    coalesce(p.max_amount, saldo_private.setting_value('heal_finding_max_amount')::numeric),
    coalesce(p.max_amount_total, saldo_private.setting_value('heal_rule_max_amount')::numeric),
    coalesce(p.max_percent, saldo_private.setting_value('heal_rule_max_percent')::numeric)
  from saldo.balance_rule as r
  left join saldo.heal_policy as p on p.rule = r.name
$$;
comment on function saldo_private.heal_limit is
  'What each rule goes by: its own limits, or those of the settings.';

create or replace function saldo_private.set_heal_policy__check(policy saldo.heal_policy)
returns void
language plpgsql
stable
as $$
begin
  if (
    policy.max_count >= 0 and policy.max_amount >= 0 and policy.max_amount < 1e21
    and policy.max_amount_total >= 0 and policy.max_amount_total < 1e21
    and policy.max_percent between 0 and 100
  ) is false or policy.is_scheduled is null then
    perform saldo_private.fail('input_invalid', format(
      'is_scheduled %s, max_count %s, max_amount %s, max_amount_total %s, max_percent %s: '
      'limits are 0 or more, below 10^21; a percentage is at most 100', policy.is_scheduled,
      policy.max_count, policy.max_amount, policy.max_amount_total, policy.max_percent
    ));
  end if;
  if not exists (select from saldo.balance_rule as r where r.name = policy.rule) then
    perform saldo_private.fail('not_found', format('rule %L', policy.rule));
  end if;
end
$$;
comment on function saldo_private.set_heal_policy__check is
  'Looks at the limits of a rule: SB010 input_invalid, SB007 not_found.';

create or replace function saldo_private.set_heal_policy__write(policy saldo.heal_policy)
returns saldo.heal_policy
language plpgsql
as $$
declare
  v_policy saldo.heal_policy;
begin
  insert into saldo.heal_policy as p (
    rule, is_scheduled, max_count, max_amount, max_amount_total, max_percent, set_by, set_at
  )
  values (
    policy.rule, policy.is_scheduled, policy.max_count, trim_scale(policy.max_amount),
    trim_scale(policy.max_amount_total), trim_scale(policy.max_percent), saldo_private.actor(),
    clock_timestamp()
  )
  on conflict on constraint heal_policy_pkey do update
  set is_scheduled = excluded.is_scheduled,
    max_count = excluded.max_count,
    max_amount = excluded.max_amount,
    max_amount_total = excluded.max_amount_total,
    max_percent = excluded.max_percent,
    set_by = excluded.set_by,
    set_at = excluded.set_at
  returning p.*
  into v_policy;
  return v_policy;
end
$$;
comment on function saldo_private.set_heal_policy__write is 'Writes the limits of a rule.';

create or replace function saldo_private.raised_heal_limits(policy saldo.heal_policy)
returns table (name text, old_value numeric, new_value numeric)
language sql
stable
as $$
  select each.name, least(each.old_value, base.value), each.new_value
  from saldo_private.heal_limit() as l
  cross join lateral (
    values ('max_count', l.max_count, coalesce(
        policy.max_count, saldo_private.setting_value('heal_rule_max_count')::bigint
      )),
      ('max_amount', l.max_amount, coalesce(
        policy.max_amount, saldo_private.setting_value('heal_finding_max_amount')::numeric
      )),
      ('max_amount_total', l.max_amount_total, coalesce(
        policy.max_amount_total, saldo_private.setting_value('heal_rule_max_amount')::numeric
      )),
      ('max_percent', l.max_percent, coalesce(
        policy.max_percent, saldo_private.setting_value('heal_rule_max_percent')::numeric
      ))
  ) as each (name, old_value, new_value)
  -- What it was before one person alone raised it, in these 30 days and since two did.
  left join lateral (
    select (d.before ->> each.name)::numeric as value
    from saldo.decision as d
    where d.action = 'set_heal_policy'
    and d.status = 'approved'
    and d.is_alone
    and d.arguments ->> 'rule' = policy.rule
    and d.decided_at > now() - interval '30 days'
    and not exists (
      select
      from saldo.decision as two
      where two.action = d.action
      and two.status = 'approved'
      and not two.is_alone
      and two.arguments ->> 'rule' = policy.rule
      and two.decided_at > d.decided_at
    )
    order by d.decided_at
    limit 1
  ) as base on true
  where l.rule = policy.rule
  and each.new_value > each.old_value
$$;
comment on function saldo_private.raised_heal_limits is
  'Limits of a rule that a policy raises, from what to what: a person who raises one step by step '
  'is measured by what it was before the first.';

create or replace function saldo_private.heal_policy(
  rule text,
  is_scheduled boolean,
  max_count bigint,
  max_amount numeric,
  max_amount_total numeric,
  max_percent numeric
)
returns saldo.heal_policy
language plpgsql
immutable
as $$
declare
  v_policy saldo.heal_policy;
begin
  v_policy.rule := heal_policy.rule;
  v_policy.is_scheduled := heal_policy.is_scheduled;
  v_policy.max_count := heal_policy.max_count;
  v_policy.max_amount := heal_policy.max_amount;
  v_policy.max_amount_total := heal_policy.max_amount_total;
  v_policy.max_percent := heal_policy.max_percent;
  return v_policy;
end
$$;
comment on function saldo_private.heal_policy is 'Limits of a rule. Call it by name.';

create or replace function saldo_private.heal_policy_decision(
  policy saldo.heal_policy,
  reason text
)
returns saldo.decision
language sql
stable
as $$
  select saldo_private.decision(
    action => 'set_heal_policy',
    arguments => to_jsonb(policy) - array['set_by', 'set_at'],
    before => (
      select to_jsonb(l) from saldo_private.heal_limit() as l where l.rule = policy.rule
    ),
    reason => heal_policy_decision.reason
  )
$$;
comment on function saldo_private.heal_policy_decision is
  'The decision to raise limits of a rule, with what they are now.';

create or replace function saldo.set_heal_policy(
  rule text,
  is_scheduled boolean default true,
  max_count bigint default null,
  max_amount numeric default null,
  max_amount_total numeric default null,
  max_percent numeric default null
)
returns saldo.heal_policy
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_policy saldo.heal_policy := saldo_private.heal_policy(
    rule => set_heal_policy.rule, is_scheduled => set_heal_policy.is_scheduled,
    max_count => set_heal_policy.max_count, max_amount => set_heal_policy.max_amount,
    max_amount_total => set_heal_policy.max_amount_total,
    max_percent => set_heal_policy.max_percent
  );
  v_raised text;
begin
  perform saldo_private.set_heal_policy__check(v_policy);
  select string_agg(format('%s from %s to %s', l.name, l.old_value, l.new_value), ', ')
  into v_raised
  from saldo_private.raised_heal_limits(v_policy) as l
  where not saldo_private.may_raise_alone(l.old_value, l.new_value);
  if v_raised is not null then
    perform saldo_private.require_second_person(format(
      '%s: %s, raise_alone_percent is %s', rule, v_raised,
      saldo_private.setting_value('raise_alone_percent')
    ));
  elsif exists (select from saldo_private.raised_heal_limits(v_policy)) then
    perform saldo_private.record_decision(
      saldo_private.heal_policy_decision(v_policy, null), 'approved'
    );
  end if;
  return saldo_private.set_heal_policy__write(v_policy);
end
$$;
comment on function saldo.set_heal_policy is
  'Sets what may be healed of a rule without approval. is_scheduled: whether scheduled '
  'maintenance heals it at all. max_count: findings in one run; max_amount: difference of one '
  'finding; max_amount_total: sum of the differences in one run and currency; max_percent: share '
  'of the rule''s rows in one run, and up to it a registered rule is not suspect. Null = the '
  'setting. '
  'What is above becomes a heal_proposal. A limit is raised by raise_alone_percent of what it was '
  'before the raises that one person made alone in 30 days; further only by propose_heal_policy '
  'and another administrator. Errors in checking order: '
  'SB010 input_invalid, SB007 not_found for an unknown rule, SB662 second_person_needed.';
revoke execute on function saldo.set_heal_policy from public;
grant execute on function saldo.set_heal_policy to saldo_admin;

create or replace function saldo.propose_heal_policy(
  rule text,
  reason text,
  is_scheduled boolean default true,
  max_count bigint default null,
  max_amount numeric default null,
  max_amount_total numeric default null,
  max_percent numeric default null
)
returns saldo.decision
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(propose_heal_policy.reason, 'reason');
  v_policy saldo.heal_policy := saldo_private.heal_policy(
    rule => propose_heal_policy.rule, is_scheduled => propose_heal_policy.is_scheduled,
    max_count => propose_heal_policy.max_count, max_amount => propose_heal_policy.max_amount,
    max_amount_total => propose_heal_policy.max_amount_total,
    max_percent => propose_heal_policy.max_percent
  );
begin
  perform saldo_private.set_heal_policy__check(v_policy);
  return saldo_private.record_proposal(saldo_private.heal_policy_decision(v_policy, v_reason));
end
$$;
comment on function saldo.propose_heal_policy is
  'Proposes limits of a rule, as set_heal_policy has them, for another administrator to approve: '
  'see approve_decision. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB010 input_invalid for a limit, SB007 not_found for an unknown rule.';
revoke execute on function saldo.propose_heal_policy from public;
grant execute on function saldo.propose_heal_policy to saldo_admin;

create or replace function saldo_private.decide_set_heal_policy(decision saldo.decision)
returns void
language plpgsql
as $$
declare
  v_policy saldo.heal_policy := jsonb_populate_record(null::saldo.heal_policy, decision.arguments);
  v_limit jsonb;
begin
  perform
  from saldo.balance_rule as r
  where r.name = v_policy.rule
  for update;
  select to_jsonb(l)
  into v_limit
  from saldo_private.heal_limit() as l
  where l.rule = v_policy.rule;
  if v_limit is distinct from decision.before then
    perform saldo_private.fail('proposal_stale', format('limits of rule %s', v_policy.rule));
  end if;
  perform saldo_private.set_heal_policy__write(v_policy);
end
$$;
comment on function saldo_private.decide_set_heal_policy is
  'Sets the limits that were proposed: SB622 proposal_stale when they are others by now.';

select saldo_private.secure_table('saldo.heal_policy');
select saldo_private.guard_table('saldo.heal_policy');
drop policy if exists select_all on saldo.heal_policy;
create policy select_all on saldo.heal_policy for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.heal_policy to saldo_admin, saldo_operator;

comment on table saldo.heal_policy is 'How much of a rule may be healed without approval.';
comment on column saldo.heal_policy.rule is 'Rule whose heals these limits are for.';
comment on column saldo.heal_policy.is_scheduled is 'Whether scheduled maintenance heals it.';
comment on column saldo.heal_policy.max_count is
  'Findings in one run; null = the setting heal_rule_max_count.';
comment on column saldo.heal_policy.max_amount is
  'Difference of one finding; null = the setting heal_finding_max_amount.';
comment on column saldo.heal_policy.max_amount_total is
  'Sum of the differences in one run and currency; null = the setting heal_rule_max_amount.';
comment on column saldo.heal_policy.max_percent is
  'Share of the rule''s rows in one run, in percent; null = the setting heal_rule_max_percent.';
comment on column saldo.heal_policy.set_by is 'Who set it: token subject or login.';
comment on column saldo.heal_policy.set_at is 'When the limits were set.';
