-- customer_month_total: the rule that derives it again, and the heal.
--
-- Private: balance_change_of, rule_customer_month_total, heal_customer_month_total,
-- undo_heal_customer_month_total. The rule may be asked about some accounts only.

create or replace function saldo_private.balance_change_of(figures jsonb)
returns numeric
language sql
immutable
as $$
  select coalesce((figures ->> 'deposits')::numeric - (figures ->> 'purchases')::numeric
    + (figures ->> 'deposit_adjustments')::numeric - (figures ->> 'purchase_adjustments')::numeric
    + (figures ->> 'others')::numeric, 0)
$$;
comment on function saldo_private.balance_change_of is
  'What the figures of a month do to the balance.';

create or replace function saldo_private.rule_customer_month_total__suspects(
  account_ids bigint[]
)
returns setof bigint
language sql
stable
as $$
  select distinct coalesce(t.account_id, d.account_id)
  from (
    select total.*
    from saldo.customer_month_total as total
    where account_ids is null
    or total.account_id = any (account_ids)
  ) as t
  full join saldo_private.derived_customer_figures(account_ids) as d
    on d.account_id = t.account_id and d.month = t.month::date
  where (t.deposits, t.purchases, t.deposit_adjustments, t.purchase_adjustments, t.others,
      t.volume_sm3, t.volume_adjustments)
    is distinct from (d.deposits, d.purchases, d.deposit_adjustments, d.purchase_adjustments,
      d.others, d.volume_sm3, d.volume_adjustments)
$$;
comment on function saldo_private.rule_customer_month_total__suspects is
  'Those of these accounts (null = of all) with a month that is not the sums of its lines.';

create or replace function saldo_private.rule_customer_month_total(
  account_ids bigint[] default null
)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s %s', (c.change).account_id, (c.change).month), (c.change).account_id,
    (c.change).stored::text, (c.change).derived::text,
    saldo_private.balance_change_of((c.change).stored)
      - saldo_private.balance_change_of((c.change).derived),
    jsonb_build_object('month', (c.change).month, 'action', (c.change).action)
  from saldo_private.customer_month_change(array(
    select s.account_id
    from saldo_private.rule_customer_month_total__suspects(account_ids) as s (account_id)
  )) as c
  where (c.change).action <> 'same'
$$;
comment on function saldo_private.rule_customer_month_total is
  'Months of customers whose totals are not the sums of their lines, missing and superfluous ones '
  'included: of all, or of those with these accounts. difference: what they do to the balance, '
  'stored less derived.';

create or replace function saldo_private.heal_customer_month_total(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
set plan_cache_mode = force_custom_plan
as $$
declare
  v_account_ids bigint[] := array(
    select distinct split_part(k, ' ', 1)::bigint
    from unnest(keys) as k
  );
  v_proven_ids bigint[];
  v_changes saldo.monthly_balance_change[];
begin
  perform saldo_private.lock_customer_months(v_account_ids);
  -- A heal makes nothing good that does not follow from what is proven.
  v_proven_ids := saldo_private.proven_customers(v_account_ids);
  select array_agg(c.change)
  into v_changes
  from saldo_private.customer_month_change(v_proven_ids) as c
  where format('%s %s', (c.change).account_id, (c.change).month) = any (keys)
  and (c.change).action <> 'same';
  if v_changes is null then
    return;
  end if;
  perform saldo_private.write_customer_months(v_changes);
  return query
  select format('%s %s', c.account_id, c.month), c.stored, c.derived
  from unnest(v_changes) as c;
end
$$;
comment on function saldo_private.heal_customer_month_total is
  'Sets months of customers to the sums of their lines, under the locks of their writers. A row '
  'for each that differed.';

create or replace function saldo_private.undo_heal_customer_month_total(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_account_id bigint := split_part(key, ' ', 1)::bigint;
  v_month date := split_part(key, ' ', 2)::date;
  v_was saldo.customer_month_total;
  v_became saldo.customer_month_total;
begin
  perform saldo_private.lock_customer_months(array[v_account_id]);
  select t.*
  into v_was
  from saldo.customer_month_total as t
  where t.account_id = v_account_id
  and t.month = v_month;
  perform saldo_private.add_to_customer_months(
    account_ids => array[v_account_id],
    months => array[v_month],
    deposits => array[d.deposits],
    purchases => array[d.purchases],
    deposit_adjustments => array[d.deposit_adjustments],
    purchase_adjustments => array[d.purchase_adjustments],
    others => array[d.others],
    volumes => array[d.volume_sm3],
    volume_adjustments => array[d.volume_adjustments]
  )
  from jsonb_populate_record(null::saldo.customer_month_total, (
    select jsonb_object_agg(figure.name, coalesce((before ->> figure.name)::numeric, 0)
      - coalesce((after ->> figure.name)::numeric, 0))
    from jsonb_object_keys(coalesce(before, after)) as figure (name)
  )) as d;
  select t.*
  into v_became
  from saldo.customer_month_total as t
  where t.account_id = v_account_id
  and t.month = v_month;
  return query
  select to_jsonb(v_was) - '{account_id,month,last_calculated_at}'::text[],
    to_jsonb(v_became) - '{account_id,month,last_calculated_at}'::text[];
end
$$;
comment on function saldo_private.undo_heal_customer_month_total is
  'Takes from a month of a customer what a heal gave it, under the locks of its writers.';
