-- The rule over deposits: what customers paid in stands in the journal, and nothing else.
--
-- Private: rule_deposit_entry. There is no heal: a human has to say which side is right. It may be
-- asked about some accounts only.

create or replace function saldo_private.rule_deposit_entry__unrecorded(account_ids bigint[])
returns table (entry_id uuid, account_id bigint, amount numeric)
language sql
stable
as $$
  select e.id, l.account_id, l.credit - l.debit
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id
  join saldo.customer as c on c.account_id = l.account_id
  where account_ids is null
  and e.source = 'deposit'
  and e.kind = 'normal'
  and not exists (
    select from saldo.deposit as d where d.account_id = l.account_id and d.entry_id = e.id
  )
  union all
  -- Customer by customer, or all entries would be read to ask about a few: as for purchases.
  select l.entry_id, c.account_id, l.amount
  from saldo.customer as c
  cross join lateral (
    select line.entry_id, line.credit - line.debit as amount
    from saldo.journal_line as line
    where line.account_id = c.account_id
    and line.entry_id not in (
      select d.entry_id
      from saldo.deposit as d
      where d.account_id = c.account_id
      and d.entry_id is not null
    )
    offset 0
  ) as l
  where account_ids is not null
  and c.account_id = any (account_ids)
  and exists (
    select
    from saldo.journal_entry as e
    where e.id = l.entry_id
    and e.source = 'deposit'
    and e.kind = 'normal'
    offset 0
  )
$$;
comment on function saldo_private.rule_deposit_entry__unrecorded is
  'Money that deposits brought to these customers (null = all), of which there is no record.';

create or replace function saldo_private.rule_deposit_entry(account_ids bigint[] default null)
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
  with looked_at as not materialized (
    select d.account_id, d.id, d.entry_id, d.status, d.amount,
      case when d.status = 'current' then d.amount else 0 end as standing
    from saldo.deposit as d
    where account_ids is null
    or d.account_id = any (account_ids)
  ),
  -- Each by a join of its own: an "or" between the two would look up deposit by deposit.
  posted as (
    select d.account_id, d.id, e.id as entry_id
    from looked_at as d
    join saldo.journal_entry as e on e.id = d.entry_id
    union all
    select d.account_id, d.id, e.id
    from looked_at as d
    join saldo.journal_entry as e on e.reverses = d.entry_id
  ),
  net as (
    select p.account_id, p.id, sum(l.credit - l.debit) as amount
    from posted as p
    join saldo.journal_line as l on l.entry_id = p.entry_id and l.account_id = p.account_id
    group by p.account_id, p.id
  )
  select d.id::text, d.account_id, format('%s %s', d.status, d.amount),
    coalesce(n.amount, 0)::text, d.standing - coalesce(n.amount, 0),
    jsonb_build_object('deposit_id', d.id, 'entry_id', d.entry_id)
  from looked_at as d
  left join net as n on n.account_id = d.account_id and n.id = d.id
  where coalesce(n.amount, 0) <> d.standing
  union all
  select u.entry_id::text, u.account_id, 'no deposit', u.amount::text, -u.amount,
    jsonb_build_object('entry_id', u.entry_id)
  from saldo_private.rule_deposit_entry__unrecorded(account_ids) as u
$$;
comment on function saldo_private.rule_deposit_entry is
  'Deposits whose entry, with its reversal, does not come to what they say, and entries of '
  'deposits that are not recorded: of all accounts, or of these.';
