-- Charging again as a job: a part of the tariff that comes or goes for more months of customers
-- than the setting rerate_at_once_max is recorded at once, and they are charged in slices
-- afterwards.
--
-- Private: is_recharge_due, recharge_or_queue, recharge_slice. The job is that of re-ratings
-- (rerating_step.sql).
-- As there, nothing lists what is left: charged months of customers, in the order of these, behind
-- the place that was reached.
-- Locks: the callers hold those of lock_rating.

create or replace function saldo_private.is_recharge_due(account_id bigint, month date)
returns boolean
language plpgsql
stable
as $$
begin
  return exists (
    select
    from saldo.rerating as g
    where g.status in ('waiting', 'running')
    and g.is_of_charges
    and saldo_private.month_of(g.from_date) <= is_recharge_due.month
    and (g.account_id is null or g.account_id = is_recharge_due.account_id)
    and (is_recharge_due.account_id, is_recharge_due.month) > (g.done_account_id, g.done_month)
  );
end
$$;
comment on function saldo_private.is_recharge_due is
  'Whether the charges of this customer and month still wait in an open job.';

create or replace function saldo_private.recharge_or_queue__check(
  account_ids bigint[],
  months date[]
)
returns void
language plpgsql
as $$
declare
  v_locked_through date := saldo_private.closed_through(is_locked => true);
  v_month date;
  v_account_ids bigint[];
begin
  for v_month, v_account_ids in
    select m.month, array_agg(m.account_id)
    from unnest(account_ids, months) as m (account_id, month)
    where m.month <= v_locked_through
    group by m.month
  loop
    if cardinality(saldo_private.charge_month__difference(
      saldo_private.charge_month__due(v_account_ids, v_month), v_account_ids, v_month
    )) > 0 then
      perform saldo_private.fail('period_locked', format('date %s', v_month));
    end if;
  end loop;
end
$$;
comment on function saldo_private.recharge_or_queue__check is
  'Refuses at the start what could only fail later: changes in a locked month. Error: '
  'SB108 period_locked.';

create or replace function saldo_private.recharge_or_queue(operation text, part saldo.tariff_part)
returns void
language plpgsql
as $$
declare
  v_due record;
begin
  select coalesce(array_agg(m.account_id), '{}') as account_ids,
    coalesce(array_agg(m.month), '{}') as months
  into v_due
  from saldo_private.charged_months_since(part.effective_from, part.account_id, part.currency) as m
  where (m.month <= part.effective_to) is not false;
  if cardinality(v_due.account_ids) <= saldo_private.setting_value('rerate_at_once_max')::integer
  then
    perform saldo_private.recharge(v_due.account_ids, v_due.months);
    return;
  end if;
  perform saldo_private.recharge_or_queue__check(v_due.account_ids, v_due.months);
  insert into saldo.rerating (
    operation, version_id, account_id, currency, from_date, reading_count, is_of_charges,
    created_by
  )
  values (
    recharge_or_queue.operation, part.id, part.account_id, part.currency, part.effective_from,
    cardinality(v_due.account_ids), true, saldo_private.actor()
  );
end
$$;
comment on function saldo_private.recharge_or_queue is
  'Charges the months again that are charged and that this part of the tariff is about or, where '
  'they are more than the setting rerate_at_once_max, has a job do it. Errors: '
  'SB108 period_locked, SB102 account_closed, and those of a posting.';

create or replace function saldo_private.recharge_slice(
  job saldo.rerating,
  row_limit integer,
  out account_ids bigint[],
  out months date[],
  out last_account_id bigint,
  out last_month date,
  out is_last boolean
)
language plpgsql
stable
as $$
begin
  select coalesce(array_agg(n.account_id order by n.account_id, n.month), '{}'),
    coalesce(array_agg(n.month order by n.account_id, n.month), '{}'), count(*) < row_limit
  into account_ids, months, is_last
  from (
    select m.account_id, m.month
    from saldo_private.charged_months_since(job.from_date, job.account_id, job.currency) as m
    where (m.account_id, m.month) > (job.done_account_id, job.done_month)
    order by m.account_id, m.month
    limit row_limit
  ) as n;
  last_account_id := account_ids[cardinality(account_ids)];
  last_month := months[cardinality(months)];
end
$$;
comment on function saldo_private.recharge_slice is
  'The next months of customers that a job has to charge again: row_limit of them. is_last: '
  'nothing is behind them.';
