-- account.debit_total and credit_total: the rule that derives them again, and the heal.
--
-- Private: rule_account_balance, heal_account_balance. The trigger is in posting.sql.

create or replace function saldo_private.rule_account_balance(account_ids bigint[] default null)
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
  -- From the account's side, so that an account whose lines are all gone is seen.
  select a.account_id::text, a.account_id, trim_scale(a.balance)::text, trim_scale(d.balance)::text,
    trim_scale(a.balance - d.balance),
    jsonb_build_object(
      'mode', a.mode,
      'stored_debit', a.debit_total, 'stored_credit', a.credit_total,
      'derived_debit', d.debit, 'derived_credit', d.credit
    )
  from saldo_private.account_total as a
  left join (
    select l.account_id, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_line as l
    where account_ids is null
    or l.account_id = any (account_ids)
    group by l.account_id
  ) as j on j.account_id = a.account_id
  cross join lateral (
    select coalesce(j.debit, 0) as debit, coalesce(j.credit, 0) as credit,
      (coalesce(j.debit, 0) - coalesce(j.credit, 0))
        * case when a.type in ('asset', 'expense') then 1 else -1 end as balance
  ) as d
  where (a.debit_total <> d.debit or a.credit_total <> d.credit)
  and (account_ids is null or a.account_id = any (account_ids))
$$;
comment on function saldo_private.rule_account_balance is
  'Accounts whose totals, with what their stripes have not yet handed on, are not the sums of '
  'their journal lines. difference: stored balance less derived balance.';

create or replace function saldo_private.heal_account_balance(key text)
returns table (before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_account saldo.account;
  v_healed saldo.account;
begin
  select *
  into v_account
  from saldo.account
  where id = heal_account_balance.key::bigint
  for no key update;

  -- Not in the statement above: its snapshot is older than the lock that it waited for.
  update saldo.account as a
  set debit_total = j.debit,
    credit_total = j.credit,
    version = a.version + 1
  from (
    -- Less what waits in stripes: nobody can fold it while the account is locked.
    select coalesce(sum(part.debit), 0) as debit, coalesce(sum(part.credit), 0) as credit
    from (
      select l.debit, l.credit
      from saldo.journal_line as l
      where l.account_id = v_account.id
      union all
      select -s.debit, -s.credit
      from saldo_private.account_stripe as s
      where s.account_id = v_account.id
    ) as part
  ) as j
  where a.id = v_account.id
  and (a.debit_total <> j.debit or a.credit_total <> j.credit)
  returning a.*
  into v_healed;

  if v_healed.id is not null then
    return query
    select to_jsonb(b), to_jsonb(c)
    from (
      select v_account.debit_total, v_account.credit_total, v_account.balance
    ) as b
    cross join (
      select v_healed.debit_total, v_healed.credit_total, v_healed.balance
    ) as c;
  end if;
end
$$;
comment on function saldo_private.heal_account_balance is
  'Sets an account''s totals to the sums of its lines less its stripes, under the lock that '
  'postings and folds take; no row when they agree already.';
