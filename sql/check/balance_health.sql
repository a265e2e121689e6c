-- How the balances are, from what the last check left: reading it looks at no account and no line.
--
-- Public: balance_health; saldo.check_total, saldo.check_rule_total. Private: last_check,
-- is_check_due.
-- The totals of the balance sheet, and of the findings rule by rule, are kept when a check ends, by
-- a trigger on its record. A container's health check or an evaluation of alerts asks often, and
-- must not pay for a scan or for a million findings.

create or replace function saldo_private.last_check()
returns setof saldo.check_run
language sql
stable
as $$
  select c.*
  from saldo.check_run as c
  -- In the order in which they ended, not by a clock that may have been set.
  order by c.number desc, c.finished_at desc
  limit 1
$$;
comment on function saldo_private.last_check is
  'The check that ended last; no row when there was none. Alerts and metrics go by it.';
grant execute on function saldo_private.last_check to saldo_admin, saldo_operator;

create or replace function saldo_private.is_overdue(seen_at timestamptz, most interval)
returns boolean
language sql
volatile
as $$
  -- A time in the future was written before the clock was set back: its age is not known.
  select seen_at not between clock_timestamp() - most and clock_timestamp() + interval '1 minute'
$$;
comment on function saldo_private.is_overdue is
  'Whether something was last seen longer ago than that, or at a time that has not come yet.';

create or replace function saldo_private.tg_check_run__keep_totals()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  insert into saldo.check_total (
    check_run_id, currency, total_assets, total_liabilities, total_equity, is_valid
  )
  select NEW.id, t.currency, t.total_assets, t.total_liabilities, t.total_equity, t.is_valid
  from saldo.balance_sheet_totals() as t
  on conflict on constraint check_total_pkey do nothing;

  insert into saldo.check_rule_total (
    check_run_id, rule, finding_count, amount, failure, examples
  )
  select NEW.id, f.rule, count(*), coalesce(sum(abs(f.difference)), 0),
    min(f.explanation) filter (where f.cause = 'rule_failed'),
    coalesce(jsonb_agg(jsonb_build_object('key', f.key, 'account_id', f.account_id,
      'difference', f.difference::text, 'cause', f.cause) order by f.place)
      filter (where f.place <= 5), '[]')
  from (
    select each.rule, each.key, each.account_id, each.difference, each.cause, each.explanation,
      row_number() over (
        partition by each.rule order by abs(each.difference) desc nulls last, each.key
      ) as place
    from saldo.finding as each
    where each.check_run_id = NEW.id
  ) as f
  group by f.rule
  on conflict on constraint check_rule_total_pkey do nothing;
  return null;
end
$$;
comment on function saldo_private.tg_check_run__keep_totals is
  'Keeps the totals of the balance sheet as the accounts show them when a check ends, and the '
  'totals of what it found, rule by rule.';

create or replace trigger keep_totals
  after insert on saldo.check_run
  for each row
  execute function saldo_private.tg_check_run__keep_totals();

create or replace function saldo.balance_health()
returns saldo.balance_health_result
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select
    coalesce(sheet.is_valid and last.status = 'healthy' and not last.is_overdue, false),
    sheet.is_valid, base.currency,
    case when base.is_told_amounts then sheet.total_assets end,
    case when base.is_told_amounts then sheet.total_liabilities end,
    case when base.is_told_amounts then sheet.total_equity end,
    coalesce(last.finding_count, 0),
    (select count(*) from saldo.purchase where status = 'pending'),
    last.status, last.finished_at, last.age_seconds::numeric(20, 0),
    coalesce(last.is_overdue, true), last.rule_count, last.account_count, last.line_count
  from (
    -- Whoever may not read the table may not be told by a function what stands in it.
    select saldo_private.setting_value('currency') as currency,
      has_table_privilege(
        case current_setting('role') when 'none' then session_user
          else current_setting('role')::name end,
        'saldo.check_total', 'select'
      ) as is_told_amounts
  ) as base
  left join (
    select c.*,
      greatest(extract(epoch from clock_timestamp() - c.finished_at), 0) as age_seconds,
      saldo_private.is_overdue(c.finished_at, make_interval(
        hours => saldo_private.setting_value('check_overdue_hours')::integer
      )) as is_overdue
    from saldo_private.last_check() as c
  ) as last on true
  left join lateral (
    -- One currency is shown; valid means that all are.
    select coalesce(sum(t.total_assets) filter (where t.currency = base.currency), 0)
        as total_assets,
      coalesce(sum(t.total_liabilities) filter (where t.currency = base.currency), 0)
        as total_liabilities,
      coalesce(sum(t.total_equity) filter (where t.currency = base.currency), 0)
        as total_equity,
      coalesce(bool_and(t.is_valid), true) and not exists (
        select
        from saldo.check_rule_total as f
        where f.check_run_id = last.id
        and f.rule = 'balance_sheet'
      ) as is_valid
    from saldo.check_total as t
    where t.check_run_id = last.id
  ) as sheet on last.id is not null
$$;
comment on function saldo.balance_health is
  'How the balances are by the last check, cheaply: no account and no line is read. The totals of '
  'the balance sheet are those at its end, in the setting currency, and null for whoever may not '
  'read saldo.check_total. is_valid: assets equal liabilities plus equity in every currency; null '
  'before the first check. is_healthy: valid, the check found nothing, and it is not older than '
  'the setting check_overdue_hours.';
revoke execute on function saldo.balance_health from public;
grant execute on function saldo.balance_health to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

create or replace function saldo_private.is_check_due()
returns boolean
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select h.is_overdue or exists (
    select
    from saldo_private.verified_point as p
    where p.cluster <> saldo_private.current_cluster()
  )
  from saldo.balance_health() as h
$$;
comment on function saldo_private.is_check_due is
  'Whether a check is to be made at once: the last one is overdue, or was made in another cluster, '
  'from which the database was restored.';
grant execute on function saldo_private.is_check_due to saldo_admin;

select saldo_private.secure_table('saldo.check_total');
drop policy if exists select_all on saldo.check_total;
create policy select_all on saldo.check_total for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.check_total to saldo_admin, saldo_operator;

comment on table saldo.check_total is 'Totals of the balance sheet at the end of a check.';
comment on column saldo.check_total.check_run_id is 'Check that the totals are of.';
comment on column saldo.check_total.currency is 'Currency of the totals.';
comment on column saldo.check_total.total_assets is 'Sum of the balances of assets.';
comment on column saldo.check_total.total_liabilities is 'Sum of the balances of liabilities.';
comment on column saldo.check_total.total_equity is
  'Sum of equity, current-year earnings included.';
comment on column saldo.check_total.is_valid is
  'Whether assets equal liabilities plus equity, to the last decimal.';

select saldo_private.secure_table('saldo.check_rule_total');
drop policy if exists select_all on saldo.check_rule_total;
create policy select_all on saldo.check_rule_total for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.check_rule_total to saldo_admin, saldo_operator;

comment on table saldo.check_rule_total is 'What a check found of a rule; no row = nothing.';
comment on column saldo.check_rule_total.check_run_id is 'Check that the totals are of.';
comment on column saldo.check_rule_total.rule is 'Name of the rule.';
comment on column saldo.check_rule_total.finding_count is 'Findings of the rule in this check.';
comment on column saldo.check_rule_total.amount is
  'Sum of their differences without sign, over all currencies.';
comment on column saldo.check_rule_total.failure is 'Why the rule could not run; null = it ran.';
comment on column saldo.check_rule_total.examples is 'The five largest findings.';

comment on type saldo.balance_health_result is 'How the balances are.';
comment on column saldo.balance_health_result.is_healthy is
  'Valid, and the last check found nothing and is not overdue.';
comment on column saldo.balance_health_result.is_valid is
  'Assets equal liabilities plus equity in every currency; null before the first check.';
comment on column saldo.balance_health_result.currency is 'Currency of the totals.';
comment on column saldo.balance_health_result.total_assets is
  'Sum of the balances of assets; null for whoever is told no amounts.';
comment on column saldo.balance_health_result.total_liabilities is
  'Sum of the balances of liabilities; null for whoever is told no amounts.';
comment on column saldo.balance_health_result.total_equity is
  'Sum of equity, current-year earnings included; null for whoever is told no amounts.';
comment on column saldo.balance_health_result.drift_count is 'Findings of the last check.';
comment on column saldo.balance_health_result.pending_purchase_count is 'Open holds.';
comment on column saldo.balance_health_result.last_check_status is 'Result of the last check.';
comment on column saldo.balance_health_result.last_check_at is
  'When the last check ended; null = there was none.';
comment on column saldo.balance_health_result.last_check_age_seconds is
  'Seconds since the last check ended.';
comment on column saldo.balance_health_result.is_overdue is
  'Whether it is older than the setting check_overdue_hours, or there was none.';
comment on column saldo.balance_health_result.rule_count is 'Rules that the last check ran.';
comment on column saldo.balance_health_result.account_count is
  'Accounts that the last check covered.';
comment on column saldo.balance_health_result.line_count is
  'Journal lines that the last check covered.';
