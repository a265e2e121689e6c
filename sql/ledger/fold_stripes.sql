-- Folding stripes: what they hold is handed on to the totals, months and years of their accounts.
--
-- Private: fold_stripes, remove_stripes.
-- Locks: accounts and stripes that nobody holds; folding waits for nobody at all.

create or replace function saldo_private.fold_stripes__lock(account_id bigint)
returns bigint[]
language plpgsql
as $$
begin
  -- Without waiting: a fold has locks already that others may wait for. An account that is
  -- in use just now is folded the next time.
  return (
    select array_agg(l.id)
    from (
      select a.id
      from saldo.account as a
      where a.id in (
        select s.account_id
        from saldo_private.account_stripe as s
        where s.line_count > 0
        and (fold_stripes__lock.account_id is null or s.account_id = fold_stripes__lock.account_id)
      )
      for no key update skip locked
    ) as l
  );
end
$$;
comment on function saldo_private.fold_stripes__lock is
  'Locks the accounts that have something to fold (null: all) and that nobody holds.';

create or replace function saldo_private.fold_stripes(account_id bigint default null)
returns setof bigint
language plpgsql
as $$
declare
  v_account_ids bigint[];
begin
  -- Not while somebody adds up the months of a year.
  if pg_try_advisory_xact_lock_shared(saldo_private.years_lock(), 0) then
    v_account_ids := saldo_private.fold_stripes__lock(account_id);
  end if;
  if v_account_ids is null then
    return;
  end if;

  return query
  with taken as materialized (
    select s.account_id, s.month, s.stripe_no, s.debit, s.credit, s.line_count, s.last_updated_at
    from saldo_private.account_stripe as s
    where s.account_id = any (v_account_ids)
    and s.line_count > 0
    for no key update skip locked
  ),
  -- One that can take no more keeps its stripes, and holds up none of the others.
  fitting as materialized (
    select t.account_id, sum(t.debit) as debit, sum(t.credit) as credit,
      max(t.last_updated_at) as last_updated_at
    from taken as t
    join saldo.account as a on a.id = t.account_id
    group by t.account_id, a.debit_total, a.credit_total
    having fold_stripes.account_id is not null
    or greatest(a.debit_total + sum(t.debit), a.credit_total + sum(t.credit)) < 1e21
  ),
  emptied as (
    update saldo_private.account_stripe as s
    set debit = 0, credit = 0, line_count = 0
    from taken as t
    join fitting using (account_id)
    where s.account_id = t.account_id
    and s.month = t.month
    and s.stripe_no = t.stripe_no
  ),
  month_moved as (
    insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
    select t.account_id, t.month, sum(t.debit), sum(t.credit), sum(t.line_count)
    from taken as t
    join fitting using (account_id)
    group by t.account_id, t.month
    on conflict on constraint month_movement_pkey do update
    set debit = m.debit + excluded.debit,
      credit = m.credit + excluded.credit,
      line_count = m.line_count + excluded.line_count
  ),
  year_moved as (
    insert into saldo_private.year_movement as y (account_id, year, debit, credit, line_count)
    select t.account_id, extract(year from t.month), sum(t.debit), sum(t.credit), sum(t.line_count)
    from taken as t
    join fitting using (account_id)
    where t.month <= (select saldo_private.years_through())
    group by t.account_id, extract(year from t.month)
    on conflict on constraint year_movement_pkey do update
    set debit = y.debit + excluded.debit,
      credit = y.credit + excluded.credit, line_count = y.line_count + excluded.line_count
  )
  update saldo.account as a
  set debit_total = a.debit_total + t.debit,
    credit_total = a.credit_total + t.credit,
    version = a.version + 1,
    -- That of the posting and not of the fold, which changes no balance.
    last_updated_at = greatest(a.last_updated_at, t.last_updated_at)
  from fitting as t
  where a.id = t.account_id
  returning a.id;
end
$$;
comment on function saldo_private.fold_stripes is
  'Hands on what stripes hold to the totals, months and kept years of their accounts (default: '
  'all), and returns these. Waits for nobody: accounts and stripes that somebody holds are left '
  'for the next time, and all of them while the months of a year are added up. Where all are '
  'folded, those whose totals would come to 10^21 are left as they are.';

create or replace function saldo_private.remove_stripes(account_id bigint)
returns void
language plpgsql
as $$
begin
  -- Whoever holds it waits for nobody.
  perform pg_advisory_xact_lock_shared(saldo_private.years_lock(), 0);
  perform
  from saldo_private.account_stripe as s
  where s.account_id = remove_stripes.account_id
  order by s.month, s.stripe_no
  for update;
  perform saldo_private.fold_stripes(account_id);
  delete from saldo_private.account_stripe as s
  where s.account_id = remove_stripes.account_id;
end
$$;
comment on function saldo_private.remove_stripes is
  'Folds all stripes of an account and takes them away; call it under the account''s lock.';
