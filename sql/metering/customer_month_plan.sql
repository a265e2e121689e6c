-- Stored months of customers: filled for data that was there before, put right, and compared.
--
-- Public: initialize_monthly_balances, sync_monthly_balances, compare_monthly_balances. Private:
-- customer_month_plan, run_customer_month_plan, sync_customer_months and its step.
-- A plan and its application are the same code. The hash of a plan is over what it would change and
-- over the figures and number of the lines that this rests on: applied with a hash that is no
-- longer that, it is refused.
-- Locks: lock_rating, then the accounts, then their months; a plan takes none.

create or replace function saldo_private.customer_month_accounts(customer_id bigint)
returns bigint[]
language plpgsql
stable
as $$
begin
  if customer_id is not null then
    return array[(saldo_private.require_customer(customer_month_accounts.customer_id)).account_id];
  end if;
  return array(select c.account_id from saldo.customer as c);
end
$$;
comment on function saldo_private.customer_month_accounts is
  'Account of the customer, or of all where it is null. Error: SB401 customer_not_found.';

create or replace function saldo_private.customer_month_plan(
  account_ids bigint[],
  actions saldo.monthly_balance_action[]
)
returns setof saldo.monthly_balance_change
language sql
stable
as $$
  with planned as materialized (
    select c.change, c.line_count
    from saldo_private.customer_month_change(account_ids) as c
    where (c.change).action = any (actions)
  ),
  plan as materialized (
    select encode(sha256(convert_to(coalesce(string_agg(
      -- Dates are written as the session likes them; the hash must not be.
      format('%s %s %s %s %s %s', (p.change).account_id,
        to_char((p.change).month, 'YYYY-MM'), (p.change).action, (p.change).stored,
        (p.change).derived, p.line_count),
      e'\n' order by (p.change).account_id, (p.change).month
    ), ''), 'UTF8')), 'hex') as hash
    from planned as p
  )
  select (p.change).customer_id, (p.change).account_id, (p.change).month, (p.change).action,
    (p.change).stored, (p.change).derived, plan.hash
  from planned as p
  cross join plan
  order by (p.change).customer_id, (p.change).month
$$;
comment on function saldo_private.customer_month_plan is
  'What would be written, of these actions, with the hash of it all; no row when nothing would.';

create or replace function saldo_private.run_customer_month_plan(
  customer_id bigint,
  actions saldo.monthly_balance_action[],
  is_dry_run boolean,
  plan_hash text
)
returns saldo.monthly_balance_change[]
language plpgsql
as $$
declare
  v_account_ids bigint[] :=
    saldo_private.customer_month_accounts(run_customer_month_plan.customer_id);
  v_plan saldo.monthly_balance_change[];
begin
  if not is_dry_run then
    perform saldo_private.lock_rating(
      case when run_customer_month_plan.customer_id is not null then v_account_ids end
    );
    -- Again: somebody may have become a customer while the lock was waited for.
    v_account_ids := saldo_private.customer_month_accounts(run_customer_month_plan.customer_id);
    perform saldo_private.lock_customer_months(v_account_ids);
  end if;
  v_plan := array(select p from saldo_private.customer_month_plan(v_account_ids, actions) as p);
  if is_dry_run then
    return v_plan;
  end if;
  -- A plan that has come to nothing has no hash to agree with.
  if run_customer_month_plan.plan_hash <> coalesce(v_plan[1].plan_hash, '') then
    perform saldo_private.fail('plan_outdated', format(
      'plan %s, now %s months to write, plan %s', left(run_customer_month_plan.plan_hash, 64),
      cardinality(v_plan), coalesce(v_plan[1].plan_hash, 'none')
    ));
  end if;
  perform saldo_private.write_customer_months(v_plan);
  return v_plan;
end
$$;
comment on function saldo_private.run_customer_month_plan is
  'Makes a plan and, unless it is a dry run, applies it: SB401 customer_not_found, '
  'SB020 isolation_unsupported, SB417 plan_outdated.';

create or replace function saldo_private.sync_actions(is_forced boolean)
returns saldo.monthly_balance_action[]
language sql
stable
as $$
  select array['missing', 'differs', 'surplus', case when is_forced then 'same' end]
    ::saldo.monthly_balance_action[]
$$;
comment on function saldo_private.sync_actions is 'What a sync writes; all when it is forced.';

create or replace function saldo_private.sync_customer_months__touch(
  changes saldo.monthly_balance_change[]
)
returns saldo.monthly_balance_change[]
language sql
as $$
  with agreed as (
    select n as change, t.account_id, t.month
    from unnest(changes) as n
    join saldo.account as a on a.id = n.account_id
    join saldo.customer_month_total as t on t.account_id = n.account_id
      and t.month = n.month
    order by t.account_id, t.month
    for no key update of a, t skip locked
  ),
  touched as (
    update saldo.customer_month_total as t
    set last_calculated_at = clock_timestamp()
    from agreed as a
    where t.account_id = a.account_id
    and t.month = a.month
    returning a.change
  )
  select array(select u.change from touched as u)
$$;
comment on function saldo_private.sync_customer_months__touch is
  'Notes of months that agree that they were calculated, and returns them: all but those of '
  'accounts that are being posted to.';

create or replace function saldo_private.sync_customer_months(
  account_ids bigint[],
  is_forced boolean
)
returns saldo.monthly_balance_change[]
language plpgsql
-- A plan for any number of customers would read the lines of all.
set plan_cache_mode = force_custom_plan
as $$
declare
  v_seen saldo.monthly_balance_change[];
  v_agreeing saldo.monthly_balance_change[];
  v_account_ids bigint[];
  v_proven_ids bigint[];
  v_plan saldo.monthly_balance_change[] := '{}';
begin
  -- Looked at without a lock, and most nights that is all: to read all lines of these customers
  -- takes seconds, in which nobody could buy.
  v_seen := array(
    select p
    from saldo_private.customer_month_plan(account_ids, saldo_private.sync_actions(is_forced)) as p
  );
  v_account_ids := array(
    select distinct n.account_id
    from unnest(v_seen) as n
    where n.action <> 'same'
  );
  if v_account_ids <> '{}' then
    perform saldo_private.lock_rating(v_account_ids);
    perform saldo_private.lock_customer_months(v_account_ids);
    -- A statement of its own. As an argument it would become a part of what the function selects,
    -- and go through all records of all these customers for each line.
    v_proven_ids := saldo_private.proven_customers(v_account_ids);
    v_plan := array(
      select p
      from saldo_private.customer_month_plan(
        v_proven_ids, saldo_private.sync_actions(is_forced)
      ) as p
    );
    perform saldo_private.write_customer_months(v_plan);
  end if;
  v_agreeing := array(
    select n
    from unnest(v_seen) as n
    where n.account_id <> all (v_account_ids)
  );
  return v_plan || saldo_private.sync_customer_months__touch(v_agreeing);
end
$$;
comment on function saldo_private.sync_customer_months is
  'Puts the stored months of these accounts right, and returns what was written. Only accounts '
  'with a month that is not right are locked. Error: SB020 isolation_unsupported.';

create or replace function saldo.initialize_monthly_balances(
  customer_id bigint default null,
  dry_run boolean default true,
  plan_hash text default null
)
returns setof saldo.monthly_balance_change
language sql
volatile
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select p.*
  from unnest(saldo_private.run_customer_month_plan(
    initialize_monthly_balances.customer_id, array['missing']::saldo.monthly_balance_action[],
    coalesce(initialize_monthly_balances.dry_run, true), initialize_monthly_balances.plan_hash
  )) as p
$$;
comment on function saldo.initialize_monthly_balances is
  'Fills the months of a customer, or of all, that have movements but no stored totals; those '
  'that are stored stay as they are. dry_run (the default) changes nothing and returns the plan '
  'with its hash. plan_hash: applies only that plan. Errors in checking order: '
  'SB401 customer_not_found, SB020 isolation_unsupported, SB417 plan_outdated.';
revoke execute on function saldo.initialize_monthly_balances from public;
grant execute on function saldo.initialize_monthly_balances to saldo_admin;

create or replace function saldo.sync_monthly_balances(
  customer_id bigint default null,
  force boolean default false,
  dry_run boolean default true,
  plan_hash text default null
)
returns setof saldo.monthly_balance_change
language sql
volatile
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select p.*
  from unnest(saldo_private.run_customer_month_plan(
    sync_monthly_balances.customer_id, saldo_private.sync_actions(sync_monthly_balances.force),
    coalesce(sync_monthly_balances.dry_run, true), sync_monthly_balances.plan_hash
  )) as p
$$;
comment on function saldo.sync_monthly_balances is
  'Puts the stored months of a customer, or of all, right: missing ones are filled, those that '
  'differ rewritten, those without movements taken away. force: writes those that agree as well. '
  'dry_run (the default) changes nothing and returns the plan with its hash. plan_hash: applies '
  'only that plan. Errors in checking order: SB401 customer_not_found, '
  'SB020 isolation_unsupported, SB417 plan_outdated.';
revoke execute on function saldo.sync_monthly_balances from public;
grant execute on function saldo.sync_monthly_balances to saldo_admin;

create or replace function saldo.compare_monthly_balances(customer_id bigint default null)
returns saldo.monthly_balance_comparison
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  v_account_ids bigint[] :=
    saldo_private.customer_month_accounts(compare_monthly_balances.customer_id);
  v_changes saldo.monthly_balance_change[];
  v_comparison saldo.monthly_balance_comparison;
begin
  select count(*), array_agg(p order by p.customer_id, p.month) filter (where p.action <> 'same')
  into v_comparison.month_count, v_changes
  from saldo_private.customer_month_plan(
    v_account_ids, enum_range(null::saldo.monthly_balance_action)
  ) as p;
  v_comparison.difference_count := coalesce(cardinality(v_changes), 0);
  v_comparison.differences := coalesce(v_changes, '{}');
  return v_comparison;
end
$$;
comment on function saldo.compare_monthly_balances is
  'The stored months of a customer, or of all, against what journal and rated lines make of them: '
  'how many were compared, and those that differ. Reads all lines of these customers. Errors: '
  'SB401 customer_not_found.';
revoke execute on function saldo.compare_monthly_balances from public;
grant execute on function saldo.compare_monthly_balances to
  saldo_admin, saldo_operator, saldo_biller;
comment on type saldo.monthly_balance_comparison is 'Stored months against recomputed ones.';
comment on column saldo.monthly_balance_comparison.month_count is 'Months that were compared.';
comment on column saldo.monthly_balance_comparison.difference_count is
  'Months whose stored figures differ from the recomputed ones.';
comment on column saldo.monthly_balance_comparison.differences is
  'These months, each with the stored and the recomputed figures.';
