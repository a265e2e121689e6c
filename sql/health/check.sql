-- The check: runs every rule and keeps what it found.
--
-- Public: check_balance_health, reconcile, balance_health; saldo.check_run, saldo.finding.
-- Private: run_check. A rule that breaks does not stop the others: it becomes a finding itself.
-- Locks nothing; each rule sees one snapshot of its own.

create or replace function saldo_private.run_check(kind saldo.check_kind)
returns saldo.check_run
language plpgsql
as $$
declare
  v_run saldo.check_run;
  v_rule saldo.balance_rule;
  v_run_id uuid := saldo_private.uuid_v7();
  v_started_at timestamptz := clock_timestamp();
  v_snapshot text := pg_current_snapshot();
  v_rule_count integer := 0;
  v_failed_count integer := 0;
begin
  for v_rule in
    select *
    from saldo.balance_rule
    where is_enabled
    order by name
  loop
    v_rule_count := v_rule_count + 1;
    begin
      perform saldo_private.run_check__rule(v_run_id, v_rule);
    exception
      when others then
        v_failed_count := v_failed_count + 1;
        insert into saldo.finding (id, check_run_id, rule, key, cause, explanation)
        values (
          saldo_private.uuid_v7(), v_run_id, v_rule.name, 'rule', 'rule_failed',
          format('The rule itself failed: %s (%s)', sqlerrm, sqlstate)
        );
    end;
  end loop;

  insert into saldo.check_run (
    id, kind, status, started_at, finished_at, actor, rule_count, failed_rule_count, finding_count,
    account_count, line_count, snapshot
  )
  select v_run_id, run_check.kind,
    case when v_failed_count > 0 then 'failed' when f.finding_count > 0 then 'unhealthy'
    else 'healthy' end::saldo.check_status,
    v_started_at, clock_timestamp(), saldo_private.actor(), v_rule_count, v_failed_count,
    f.finding_count, (select count(*) from saldo.account),
    (select count(*) from saldo.journal_line), v_snapshot
  from (
    select count(*) as finding_count
    from saldo.finding
    where check_run_id = v_run_id
  ) as f
  returning *
  into v_run;
  return v_run;
end
$$;
comment on function saldo_private.run_check is
  'Runs all enabled rules, explains what they find, and records the run.';

create or replace function saldo_private.run_check__rule(
  check_run_id uuid,
  rule saldo.balance_rule
)
returns void
language plpgsql
as $$
begin
  execute format(
    $sql$
      insert into saldo.finding (
        id, check_run_id, rule, key, account_id, stored, derived, difference, detail, cause,
        explanation, evidence
      )
      select saldo_private.uuid_v7(), $1, $2, r.key, r.account_id, r.stored, r.derived,
        r.difference, coalesce(r.detail, '{}'), e.cause, e.explanation, e.evidence
      from saldo_private.%I() as r
      cross join lateral saldo_private.explain_finding($2, r.account_id, r.difference) as e
    $sql$,
    'rule_' || rule.name
  )
  using check_run_id, rule.name;
end
$$;
comment on function saldo_private.run_check__rule is 'Keeps the findings of one rule.';

create or replace function saldo.check_balance_health()
returns saldo.check_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.run_check('manual');
end
$$;
comment on function saldo.check_balance_health is
  'Runs every rule over all balances and the whole journal, and records the run with its findings '
  '(tables check_run and finding). Changes no balance, locks nothing.';
revoke execute on function saldo.check_balance_health from public;
grant execute on function saldo.check_balance_health to saldo_admin, saldo_operator;

create or replace function saldo.reconcile()
returns saldo.check_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.run_check('reconcile');
end
$$;
comment on function saldo.reconcile is
  'The scheduled form of check_balance_health.';
revoke execute on function saldo.reconcile from public;
grant execute on function saldo.reconcile to saldo_admin;

create or replace function saldo.balance_health()
returns saldo.balance_health_result
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select
    sheet.is_valid and coalesce(last.status = 'healthy', true),
    sheet.is_valid, sheet.currency, sheet.total_assets, sheet.total_liabilities,
    sheet.total_equity, coalesce(last.finding_count, 0),
    (select count(*) from saldo.purchase where status = 'pending'),
    last.status, last.finished_at,
    extract(epoch from now() - last.finished_at)::numeric(20, 0)
  from (
    -- One currency is shown; valid means that all are.
    select base.currency, coalesce(t.total_assets, 0) as total_assets,
      coalesce(t.total_liabilities, 0) as total_liabilities,
      coalesce(t.total_equity, 0) as total_equity,
      not exists (
        select from saldo.balance_sheet_totals() as each where not each.is_valid
      ) as is_valid
    from (select saldo_private.setting_value('currency') as currency) as base
    left join saldo.balance_sheet_totals() as t on t.currency = base.currency
  ) as sheet
  left join lateral (
    select c.status, c.finding_count, c.finished_at
    from saldo.check_run as c
    order by c.finished_at desc
    limit 1
  ) as last on true
$$;
comment on function saldo.balance_health is
  'How the balances are, cheaply: the balance sheet as the accounts show it now, in the setting '
  'currency, and the result of the last check. is_valid: assets equal liabilities plus equity in '
  'every currency. is_healthy: valid, and the last check, if any, found nothing.';
revoke execute on function saldo.balance_health from public;
grant execute on function saldo.balance_health to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;
