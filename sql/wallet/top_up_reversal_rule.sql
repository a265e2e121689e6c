-- The rule over charge-backs: record, entry, top-up and debt account say the same.
--
-- Private: rule_top_up_reversal. There is no heal: a human has to say which side is right. It may
-- be asked about some accounts only; those are wallets, and the accounts of debts.

create or replace function saldo_private.rule_top_up_reversal__records(account_ids bigint[])
returns table (
  id uuid,
  account_id bigint,
  entry_id uuid,
  stored text,
  derived text,
  difference numeric
)
language sql
stable
as $$
  select r.top_up_entry_id, r.account_id, r.entry_id,
    format('charged back %s: wallet %s, debt %s, loss %s', trim_scale(r.amount),
      trim_scale(r.wallet_amount), trim_scale(r.debt_amount), trim_scale(r.loss_amount)),
    case when entry.wallet is null then 'no entry'
      when top_up.amount is null then 'no top-up'
      else format('charged back %s: wallet %s, debt %s, loss %s', top_up.amount, entry.wallet,
        entry.debt, entry.loss) end
      || case when entry.rest <> 0 then format(', elsewhere %s', entry.rest) else '' end,
    r.wallet_amount - coalesce(entry.wallet, 0)
  from saldo.top_up_reversal as r
  left join saldo.member as m on m.id = r.member_id and m.account_id = r.account_id
  left join lateral (
    select trim_scale(sum(l.credit)) as amount,
      (
        select d.account_id
        from saldo.journal_line as d
        where d.entry_id = r.top_up_entry_id
        and d.debit > 0
      ) as cash_account_id
    from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id and l.account_id = m.account_id
    where e.id = r.top_up_entry_id
    and e.source = 'top_up'
    and e.status = 'posted'
    having count(*) = 1
  ) as top_up on true
  left join lateral (
    select
      trim_scale(coalesce(sum(l.debit) filter (where l.account_id = m.account_id), 0)) as wallet,
      trim_scale(coalesce(sum(l.debit) filter (where l.account_id = m.debt_account_id), 0))
        as debt,
      trim_scale(coalesce(sum(l.debit) filter (where l.account_id = r.loss_account_id), 0))
        as loss,
      trim_scale(sum(case
        when l.account_id in (m.account_id, m.debt_account_id, r.loss_account_id) then l.credit
        when l.account_id = top_up.cash_account_id then l.debit
        else l.debit + l.credit end)) as rest
    from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    where e.id = r.entry_id
    and e.source = 'top_up_reversal'
    and e.status = 'posted'
    having count(*) > 0
  ) as entry on true
  where account_ids is null
  or r.account_id = any (account_ids)
$$;
comment on function saldo_private.rule_top_up_reversal__records is
  'What each charge-back of these wallets (null = all) says, beside what its entry and its top-up '
  'say; elsewhere: what the entry moved that is of neither.';

create or replace function saldo_private.rule_top_up_reversal__debts(account_ids bigint[])
returns table (member_id bigint, account_id bigint, stored text, derived text)
language sql
stable
as $$
  select m.id, m.account_id,
    format('debts %s on account %s', owed.amount, coalesce(m.debt_account_id::text, 'none')),
    format('account debt:%s', m.code)
  from saldo.member as m
  join saldo.account as w on w.id = m.account_id
  left join saldo.account as a on a.id = m.debt_account_id
  left join lateral (
    select sum(r.debt_amount) as amount
    from saldo.top_up_reversal as r
    where r.account_id = m.account_id
  ) as owed on true
  where (m.debt_account_id is not null or owed.amount > 0)
  and (account_ids is null or m.account_id = any (account_ids)
    or m.debt_account_id = any (account_ids))
  and (a.code = 'debt:' || m.code and a.type = 'asset' and a.currency = w.currency
    and a.min_balance = 0) is not true
$$;
comment on function saldo_private.rule_top_up_reversal__debts is
  'Members, of these accounts or all, who name a debt account that is not theirs, or none although '
  'a charge-back left a debt.';

create or replace function saldo_private.rule_top_up_reversal(account_ids bigint[] default null)
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
  select r.id::text, r.account_id, r.stored, r.derived, r.difference,
    jsonb_build_object('top_up_entry_id', r.id, 'entry_id', r.entry_id)
  from saldo_private.rule_top_up_reversal__records(account_ids) as r
  where r.stored is distinct from r.derived
  union all
  select 'member ' || d.member_id, d.account_id, d.stored, d.derived, null,
    jsonb_build_object('member_id', d.member_id)
  from saldo_private.rule_top_up_reversal__debts(account_ids) as d
  union all
  -- Money that was taken by a charge-back of which there is no record.
  select e.id::text, min(l.account_id), 'no charge-back', format('took %s', sum(l.debit)),
    -sum(l.debit), jsonb_build_object('entry_id', e.id)
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id
  where e.source = 'top_up_reversal'
  and not exists (
    select
    from saldo.top_up_reversal as r
    where r.entry_id = e.id
  )
  group by e.id
  having account_ids is null
  or array_agg(l.account_id) && account_ids
  union all
  -- What paid a debt is of the member whose debt it is.
  select e.id::text, min(l.account_id), 'payment of a debt',
    'no wallet and debt account of one member', null, jsonb_build_object('entry_id', e.id)
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id
  left join saldo.member as m on m.account_id = l.account_id and l.debit > 0
  where e.source = 'debt_payment'
  group by e.id
  having (account_ids is null or array_agg(l.account_id) && account_ids)
  and (min(m.debt_account_id) = min(l.account_id) filter (where l.credit > 0)) is not true
$$;
comment on function saldo_private.rule_top_up_reversal is
  'Charge-backs that disagree with the journal: each has its entry, which takes its parts from '
  'wallet, debt and loss account and gives their sum to the account that the top-up debited; its '
  'top-up is posted with that amount; the member names the account of the debt; debts are paid '
  'from the wallet of the member who owes. Of all accounts, or of these.';
