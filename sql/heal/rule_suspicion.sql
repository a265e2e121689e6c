-- When a rule is suspect, and not the data: too large a share of a table that would be rewritten.
--
-- Private: heal_base_count, rule_suspicion, heal_hold_reason.
-- A few wrong rows among many are a drift. Many wrong rows at once mostly are a rule that does not
-- know of something: a filter, a new type of row. Up to heal_share_free_count findings nothing is
-- said of the share, since one row of a small table is a large part of it.

create or replace function saldo_private.heal_base_count(rule text, check_run_id uuid)
returns bigint
language plpgsql
stable
as $$
begin
  return case rule
    when 'account_balance' then (
      select count(*) from saldo.account as a where a.debit_total <> 0 or a.credit_total <> 0
    )
    when 'held_total' then (
      select count(*) from saldo.account as a where a.debit_total <> 0 or a.credit_total <> 0
    )
    when 'month_movement' then (select count(*) from saldo.month_movement)
    when 'year_movement' then (select count(*) from saldo_private.year_movement)
    when 'account_slot' then (select count(*) from saldo_private.hot_account)
    when 'customer_month_total' then (select count(*) from saldo.customer_month_total)
    else (
      select r.row_count
      from saldo.registered_rule_result as r
      where r.rule = heal_base_count.rule
      and r.check_run_id = heal_base_count.check_run_id
    )
  end;
end
$$;
comment on function saldo_private.heal_base_count is
  'How many rows there are that a rule''s heals could rewrite; null where nobody knows.';

create or replace function saldo_private.rule_suspicion(rule text, check_run_id uuid)
returns text
language sql
stable
as $$
  select format(
    '%s of %s rows differ (%s %%, the limit is %s %%): the rule is suspect, not the data.',
    r.differing_count, r.row_count, share.percent, trim_scale(most.percent)
  )
  from saldo.registered_rule_result as r
  cross join lateral (
    select saldo_private.differing_percent(r.differing_count, r.row_count) as percent
  ) as share
  cross join lateral (
    select greatest(saldo_private.setting_value('rule_suspect_percent')::numeric,
      (select p.max_percent from saldo.heal_policy as p where p.rule = r.rule)) as percent
  ) as most
  where r.rule = rule_suspicion.rule
  and r.check_run_id = rule_suspicion.check_run_id
  and r.differing_count > saldo_private.setting_value('heal_share_free_count')::bigint
  and share.percent > most.percent
$$;
comment on function saldo_private.rule_suspicion is
  'Why a registered rule is suspect after this check, in a sentence; null when it is not.';

create or replace function saldo_private.heal_hold_reason(rule text, check_run_id uuid)
returns text
language sql
stable
as $$
  select coalesce(
    saldo_private.rule_suspicion(heal_hold_reason.rule, heal_hold_reason.check_run_id),
    case
      when saldo_private.is_rule_approved(r) then null
      when exists (
        select
        from saldo.rule_approval as a
        where a.rule = r.name
        and a.withdrawn_at is null
      )
      then 'A view or function that this rule reads was changed since it was approved: look at '
        'what it finds now, then call approve_balance_rule.'
      else 'Nobody has approved that this rule heals: look at what it finds, then call '
        'approve_balance_rule.' end
  )
  from saldo.registered_rule as r
  where r.name = heal_hold_reason.rule
$$;
comment on function saldo_private.heal_hold_reason is
  'Why nothing is healed by a registered rule; null when it may, and for a rule of the engine.';
