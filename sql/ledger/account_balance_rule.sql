-- account.debit_total and credit_total: the rule that derives them again, and the heal.
--
-- Private: line_totals, rule_account_balance, heal_account_balance, undo_heal_account_balance. The
-- trigger is in posting.sql.

create or replace function saldo_private.line_totals(account_ids bigint[])
returns table (account_id bigint, debit numeric, credit numeric)
language plpgsql
stable
set work_mem = '64MB'
as $$
begin
  return query
  select l.account_id, sum(l.debit), sum(l.credit)
  from saldo.journal_line as l
  where l.account_id = any (account_ids)
  group by l.account_id;
end
$$;
comment on function saldo_private.line_totals is
  'What the lines of these accounts sum up to. A function, so that it runs on all cores within '
  'statements that write, too.';

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
parallel safe
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
        * saldo_private.normal_sign(a.type) as balance
  ) as d
  where (a.debit_total <> d.debit or a.credit_total <> d.credit)
  and (account_ids is null or a.account_id = any (account_ids))
$$;
comment on function saldo_private.rule_account_balance is
  'Accounts whose totals, with what their stripes have not yet handed on, are not the sums of '
  'their journal lines. difference: stored balance less derived balance.';

create or replace function saldo_private.heal_account_balance(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_account_ids bigint[] := keys::bigint[];
begin
  perform
  from saldo.account as a
  where a.id = any (v_account_ids)
  order by a.id
  for no key update;

  -- Not in the statement above: its snapshot is older than the locks that it waited for.
  return query
  with derived as materialized (
    -- Less what waits in stripes: nobody can fold it while the account is locked.
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from (
      select l.account_id, l.debit, l.credit
      from saldo_private.line_totals(v_account_ids) as l
      union all
      select s.account_id, -s.debit, -s.credit
      from saldo_private.account_stripe as s
      where s.account_id = any (v_account_ids)
    ) as part
    group by part.account_id
  ),
  differing as materialized (
    select a.id, a.debit_total, a.credit_total, a.balance, coalesce(d.debit, 0) as debit,
      coalesce(d.credit, 0) as credit
    from saldo.account as a
    left join derived as d on d.account_id = a.id
    where a.id = any (v_account_ids)
    and (a.debit_total <> coalesce(d.debit, 0) or a.credit_total <> coalesce(d.credit, 0))
  ),
  healed as (
    update saldo.account as a
    set debit_total = d.debit,
      credit_total = d.credit,
      version = a.version + 1,
      last_updated_at = clock_timestamp()
    from differing as d
    where a.id = d.id
    returning a.id, a.debit_total, a.credit_total, a.balance
  )
  select h.id::text, jsonb_build_object('debit_total', d.debit_total, 'credit_total',
      d.credit_total, 'balance', d.balance),
    jsonb_build_object('debit_total', h.debit_total, 'credit_total', h.credit_total, 'balance',
      h.balance)
  from healed as h
  join differing as d on d.id = h.id;
end
$$;
comment on function saldo_private.heal_account_balance is
  'Sets the totals of these accounts to the sums of their lines less their stripes, under the '
  'locks that postings and folds take. A row for each that differed.';

create or replace function saldo_private.undo_heal_account_balance(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_was saldo.account;
  v_became saldo.account;
begin
  select a.*
  into strict v_was
  from saldo.account as a
  where a.id = undo_heal_account_balance.key::bigint
  for no key update;
  update saldo.account as a
  set debit_total = a.debit_total + (before ->> 'debit_total')::numeric
      - (after ->> 'debit_total')::numeric,
    credit_total = a.credit_total + (before ->> 'credit_total')::numeric
      - (after ->> 'credit_total')::numeric,
    version = a.version + 1,
    last_updated_at = clock_timestamp()
  where a.id = v_was.id
  returning a.*
  into v_became;
  return query
  select jsonb_build_object('debit_total', v_was.debit_total, 'credit_total', v_was.credit_total,
      'balance', v_was.balance),
    jsonb_build_object('debit_total', v_became.debit_total, 'credit_total', v_became.credit_total,
      'balance', v_became.balance);
end
$$;
comment on function saldo_private.undo_heal_account_balance is
  'Takes from an account''s totals what a heal gave them, under the account''s lock.';
