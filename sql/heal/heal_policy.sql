-- Heal policy: how much a heal may rewrite by itself, and what needs an administrator's approval.
--
-- Public: saldo.heal_policy, set_heal_policy. Private: heal_limit.
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
  v_policy saldo.heal_policy;
begin
  if (
    max_count >= 0 and max_amount >= 0 and max_amount < 1e21
    and max_amount_total >= 0 and max_amount_total < 1e21
    and max_percent between 0 and 100
  ) is false or is_scheduled is null then
    perform saldo_private.fail('input_invalid', format(
      'is_scheduled %s, max_count %s, max_amount %s, max_amount_total %s, max_percent %s: '
      'limits are 0 or more, below 10^21; a percentage is at most 100', is_scheduled, max_count,
      max_amount, max_amount_total, max_percent
    ));
  end if;
  if not exists (select from saldo.balance_rule as r where r.name = set_heal_policy.rule) then
    perform saldo_private.fail('not_found', format('rule %L', rule));
  end if;
  insert into saldo.heal_policy as p (
    rule, is_scheduled, max_count, max_amount, max_amount_total, max_percent, set_by, set_at
  )
  values (
    set_heal_policy.rule, set_heal_policy.is_scheduled, set_heal_policy.max_count,
    trim_scale(set_heal_policy.max_amount), trim_scale(set_heal_policy.max_amount_total),
    trim_scale(set_heal_policy.max_percent), saldo_private.actor(), clock_timestamp()
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
comment on function saldo.set_heal_policy is
  'Sets what may be healed of a rule without approval. is_scheduled: whether scheduled '
  'maintenance heals it at all. max_count: findings in one run; max_amount: difference of one '
  'finding; max_amount_total: sum of the differences in one run and currency; max_percent: share '
  'of the rule''s rows in one run, and up to it a registered rule is not suspect. Null = the '
  'setting. '
  'What is above becomes a heal_proposal. Errors in checking order: SB010 input_invalid, '
  'SB007 not_found for an unknown rule.';
revoke execute on function saldo.set_heal_policy from public;
grant execute on function saldo.set_heal_policy to saldo_admin;

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
