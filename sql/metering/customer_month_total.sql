-- Monthly totals of each customer, as reported: by the month of posting.
--
-- Public: saldo.customer_month_total. Private: split_customer_line, add_to_customer_months,
-- derived_customer_figures, derived_customer_month, customer_month_change,
-- write_customer_months, follow_customer_month.
-- Openings are not stored, they are sums: a back-dated fact costs the same however many months
-- come after it.
-- Invariant, at every commit: a month is the sum of the journal lines of the deposit account, by
-- kind, and of the volumes of the rated lines. In every posting the accounts' follower adds money
-- (account_follower.sql in the ledger), but for that of rated lines: who writes these adds it with
-- their volumes, in one go.
-- Locks: the account, then its months. Lines are written before the total that they are added to:
-- a transaction that holds the row of a total, and reads the lines in a later statement, sees just
-- the lines that are in it. Only a rating whose volumes come to no money at all writes months
-- without the account: against two deposits in one transaction it may have to be sent again.

create or replace function saldo_private.split_customer_line(
  source text,
  origin_month date,
  change numeric
)
returns table (
  deposits numeric,
  purchases numeric,
  deposit_adjustments numeric,
  purchase_adjustments numeric,
  others numeric
)
language sql
immutable
as $$
  select case when source = 'deposit' and origin_month is null then change else 0 end,
    case when source = 'rating' and origin_month is null then -change else 0 end,
    case when source = 'deposit' and origin_month is not null then change else 0 end,
    case when source = 'rating' and origin_month is not null then -change else 0 end,
    case when source in ('deposit', 'rating') then 0 else change end
$$;
comment on function saldo_private.split_customer_line is
  'In which figure of a month a line counts. source: of its entry, or of what that reverses; '
  'change: what it does to the balance.';

create or replace function saldo_private.add_to_customer_months(
  account_ids bigint[],
  months date[],
  deposits numeric[] default null,
  purchases numeric[] default null,
  deposit_adjustments numeric[] default null,
  purchase_adjustments numeric[] default null,
  others numeric[] default null,
  volumes numeric[] default null,
  volume_adjustments numeric[] default null
)
returns void
language plpgsql
as $$
begin
  insert into saldo.customer_month_total as t (
    account_id, month, deposits, purchases, deposit_adjustments, purchase_adjustments, others,
    volume_sm3, volume_adjustments
  )
  select n.account_id, n.month, coalesce(n.deposits, 0), coalesce(n.purchases, 0),
    coalesce(n.deposit_adjustments, 0), coalesce(n.purchase_adjustments, 0),
    coalesce(n.others, 0), coalesce(n.volume, 0), coalesce(n.volume_adjustments, 0)
  from unnest(account_ids, months, add_to_customer_months.deposits,
    add_to_customer_months.purchases, add_to_customer_months.deposit_adjustments,
    add_to_customer_months.purchase_adjustments, add_to_customer_months.others, volumes,
    add_to_customer_months.volume_adjustments) as n (account_id, month, deposits, purchases,
    deposit_adjustments, purchase_adjustments, others, volume, volume_adjustments)
  order by n.account_id, n.month
  on conflict on constraint customer_month_total_pkey do update
  set deposits = t.deposits + excluded.deposits,
    purchases = t.purchases + excluded.purchases,
    deposit_adjustments = t.deposit_adjustments + excluded.deposit_adjustments,
    purchase_adjustments = t.purchase_adjustments + excluded.purchase_adjustments,
    others = t.others + excluded.others,
    volume_sm3 = t.volume_sm3 + excluded.volume_sm3,
    volume_adjustments = t.volume_adjustments + excluded.volume_adjustments,
    last_calculated_at = excluded.last_calculated_at;
end
$$;
comment on function saldo_private.add_to_customer_months is
  'Adds to months, in the order of account and month; each once. What is null adds nothing. Call '
  'it by name.';

create or replace function saldo_private.derived_customer_figures(account_ids bigint[])
returns table (
  account_id bigint,
  month date,
  deposits numeric,
  purchases numeric,
  deposit_adjustments numeric,
  purchase_adjustments numeric,
  others numeric,
  volume_sm3 numeric,
  volume_adjustments numeric,
  line_count bigint
)
language sql
stable
as $$
  select part.account_id, part.month, sum(part.deposits), sum(part.purchases),
    sum(part.deposit_adjustments), sum(part.purchase_adjustments), sum(part.others),
    sum(part.volume_sm3), sum(part.volume_adjustments), count(*)
  from (
    select l.account_id, saldo_private.month_of(l.posting_date) as month, s.deposits, s.purchases,
      s.deposit_adjustments, s.purchase_adjustments, s.others, 0 as volume_sm3,
      0 as volume_adjustments
    from saldo.customer as c
    join saldo.journal_line as l on l.account_id = c.account_id
    join saldo.journal_entry as e on e.id = l.entry_id
    -- An entry that was reversed by hand takes its kind with it.
    left join saldo.journal_entry as reversed on reversed.id = e.reverses
      and e.reverses is not null
    cross join lateral saldo_private.split_customer_line(
      coalesce(reversed.source, e.source), e.origin_month, l.credit - l.debit
    ) as s
    where account_ids is null
    or c.account_id = any (account_ids)
    union all
    select r.account_id, about.month, 0, 0, 0, 0, 0,
      case when r.month = about.month then r.volume_change::numeric else 0 end,
      case when r.month <> about.month then r.volume_change::numeric else 0 end
    from saldo.rated_line as r
    cross join lateral (select saldo_private.month_of(r.posting_date) as month) as about
    where r.volume_change <> 0
    and (account_ids is null or r.account_id = any (account_ids))
  ) as part
  group by part.account_id, part.month
$$;
comment on function saldo_private.derived_customer_figures is
  'The figures of those accounts that are customers'' (null = of all) as journal and rated lines '
  'make them. '
  'line_count: how many lines.';

create or replace function saldo_private.derived_customer_month(account_ids bigint[])
returns table (account_id bigint, month date, figures jsonb, line_count bigint)
language sql
stable
as $$
  select d.account_id, d.month, jsonb_build_object(
      'deposits', trim_scale(d.deposits),
      'purchases', trim_scale(d.purchases),
      'deposit_adjustments', trim_scale(d.deposit_adjustments),
      'purchase_adjustments', trim_scale(d.purchase_adjustments),
      'others', trim_scale(d.others),
      'volume_sm3', trim_scale(d.volume_sm3),
      'volume_adjustments', trim_scale(d.volume_adjustments)
    ), d.line_count
  from saldo_private.derived_customer_figures(account_ids) as d
$$;
comment on function saldo_private.derived_customer_month is
  'The totals of these accounts as journal and rated lines make them. line_count: how many lines.';

create or replace function saldo_private.customer_month_change(account_ids bigint[])
returns table (change saldo.monthly_balance_change, line_count bigint)
language sql
stable
as $$
  select jsonb_populate_record(null::saldo.monthly_balance_change, jsonb_build_object(
    'customer_id', c.id,
    'account_id', account_id,
    'month', month::date,
    'action', case when s.figures is null then 'missing' when d.figures is null then 'surplus'
      when s.figures = d.figures then 'same' else 'differs' end,
    'stored', s.figures,
    'derived', d.figures
  )), coalesce(d.line_count, 0)
  from (
    select t.account_id, t.month::date as month,
      to_jsonb(t) - '{account_id,month,last_calculated_at}'::text[] as figures
    from saldo.customer_month_total as t
    where t.account_id = any (account_ids)
  ) as s
  full join saldo_private.derived_customer_month(account_ids) as d using (account_id, month)
  left join saldo.customer as c using (account_id)
$$;
comment on function saldo_private.customer_month_change is
  'Each month of these accounts: what is stored, what is derived, and what that means.';

create or replace function saldo_private.write_customer_months(
  changes saldo.monthly_balance_change[]
)
returns void
language plpgsql
as $$
begin
  delete from saldo.customer_month_total as t
  using unnest(changes) as n
  where n.action = 'surplus'
  and t.account_id = n.account_id
  and t.month = n.month;

  update saldo.customer_month_total as t
  set deposits = d.deposits,
    purchases = d.purchases,
    deposit_adjustments = d.deposit_adjustments,
    purchase_adjustments = d.purchase_adjustments,
    others = d.others,
    volume_sm3 = d.volume_sm3,
    volume_adjustments = d.volume_adjustments,
    last_calculated_at = clock_timestamp()
  from unnest(changes) as n
  cross join jsonb_populate_record(null::saldo.customer_month_total, n.derived) as d
  where n.action in ('differs', 'same')
  and t.account_id = n.account_id
  and t.month = n.month;

  -- Added, not set: a row that came since has only what was not there to be derived from.
  perform saldo_private.add_to_customer_months(
    account_ids => array_agg(n.account_id),
    months => array_agg(n.month),
    deposits => array_agg(d.deposits),
    purchases => array_agg(d.purchases),
    deposit_adjustments => array_agg(d.deposit_adjustments),
    purchase_adjustments => array_agg(d.purchase_adjustments),
    others => array_agg(d.others),
    volumes => array_agg(d.volume_sm3),
    volume_adjustments => array_agg(d.volume_adjustments)
  )
  from unnest(changes) as n
  cross join jsonb_populate_record(null::saldo.customer_month_total, n.derived) as d
  where n.action = 'missing';
end
$$;
comment on function saldo_private.write_customer_months is
  'Writes what is derived over what is stored. The caller has locked the months before it derived.';

create or replace function saldo_private.lock_customer_months(account_ids bigint[])
returns void
language plpgsql
as $$
begin
  -- A posting holds the account before it writes its months, in any order.
  perform
  from saldo.account as a
  where a.id = any (account_ids)
  order by a.id
  for no key update;
  perform
  from saldo.customer_month_total as t
  where t.account_id = any (account_ids)
  order by t.account_id, t.month
  for update;
end
$$;
comment on function saldo_private.lock_customer_months is
  'Locks the totals of these accounts: what the next statement derives is what belongs in them.';

create or replace function saldo_private.follow_customer_month(lines saldo.journal_line[])
returns void
language plpgsql
as $$
begin
  perform saldo_private.add_to_customer_months(
    account_ids => array_agg(m.account_id),
    months => array_agg(m.month),
    deposits => array_agg(m.deposits),
    purchases => array_agg(m.purchases),
    deposit_adjustments => array_agg(m.deposit_adjustments),
    purchase_adjustments => array_agg(m.purchase_adjustments),
    others => array_agg(m.others)
  )
  from (
    select n.account_id, saldo_private.month_of(n.posting_date) as month,
      sum(s.deposits) as deposits, sum(s.purchases) as purchases,
      sum(s.deposit_adjustments) as deposit_adjustments,
      sum(s.purchase_adjustments) as purchase_adjustments, sum(s.others) as others
    from unnest(lines) as n
    join saldo.journal_entry as e on e.id = n.entry_id
    left join saldo.journal_entry as reversed on reversed.id = e.reverses
    cross join lateral saldo_private.split_customer_line(
      coalesce(reversed.source, e.source), e.origin_month, n.credit - n.debit
    ) as s
    where e.source <> 'rating'
    group by n.account_id, saldo_private.month_of(n.posting_date)
  ) as m;
end
$$;
comment on function saldo_private.follow_customer_month is
  'Adds lines of customers to their months: the follower of their accounts. Those of a rating are '
  'left to add_rated_lines, which has their volumes as well.';

select saldo_private.secure_table('saldo.customer_month_total');
drop policy if exists select_all on saldo.customer_month_total;
create policy select_all on saldo.customer_month_total for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.customer_month_total to saldo_admin, saldo_operator, saldo_biller;

comment on table saldo.customer_month_total is
  'What was reported for a customer in a month; opening and closing are sums of these.';
comment on column saldo.customer_month_total.account_id is 'Deposit account of the customer.';
comment on column saldo.customer_month_total.month is 'Month of posting, its first day.';
comment on column saldo.customer_month_total.deposits is 'Deposits, less those taken back.';
comment on column saldo.customer_month_total.purchases is 'What the readings of this month cost.';
comment on column saldo.customer_month_total.deposit_adjustments is
  'Deposits of closed months that came, changed or went.';
comment on column saldo.customer_month_total.purchase_adjustments is
  'What readings of closed months cost more, or less if negative.';
comment on column saldo.customer_month_total.others is
  'Whatever else was posted, positive if it adds.';
comment on column saldo.customer_month_total.volume_sm3 is
  'Volume at reference conditions of this month.';
comment on column saldo.customer_month_total.volume_adjustments is
  'Sm3 of closed months that came or went.';
comment on column saldo.customer_month_total.last_calculated_at is
  'When the figures were written last.';

comment on type saldo.monthly_balance_action is
  'missing: not stored; differs: stored otherwise; surplus: stored without a movement; same.';
comment on type saldo.monthly_balance_change is 'A month of a customer in a plan or comparison.';
comment on column saldo.monthly_balance_change.customer_id is 'Customer whose month it is.';
comment on column saldo.monthly_balance_change.account_id is 'Deposit account of the customer.';
comment on column saldo.monthly_balance_change.month is 'First day of the month.';
comment on column saldo.monthly_balance_change.action is 'How stored and derived compare.';
comment on column saldo.monthly_balance_change.stored is 'Figures as stored; null when missing.';
comment on column saldo.monthly_balance_change.derived is
  'Figures by journal and rated lines; null when surplus.';
comment on column saldo.monthly_balance_change.plan_hash is
  'Hash of the whole plan, the same in each of its rows.';
