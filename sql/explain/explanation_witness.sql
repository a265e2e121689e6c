-- Totals, months and the journal as witnesses: where one of them stands against the other two, and
-- what says which side is right.
--
-- Private: two_witness_accounts, sealed_accounts, lone_accounts, forced_accounts,
-- causes_of_two_witnesses.
-- Totals and months are kept apart. Where they agree with each other and not with the journal, it
-- is rather the journal that was changed. But they may have been forced alike. Three things show
-- that: recorded writes that are exactly the difference; the seals, where the entries in question
-- are all there as they were sealed; and double entry, as no change of a journal that balances is
-- about one account only.

create or replace function saldo_private.two_witness_accounts(account_ids bigint[])
returns setof bigint
language plpgsql
stable
set work_mem = '64MB'
set plan_cache_mode = force_custom_plan -- how many they are decides
as $$
declare
  -- First of all: months are read sooner than lines, and totals that are off alone are most.
  v_agreeing_ids bigint[] := array(
    select a.id
    from saldo.account as a
    left join (
      select mm.account_id, sum(mm.debit) as debit, sum(mm.credit) as credit
      from saldo.month_movement as mm
      where mm.account_id = any (account_ids)
      group by mm.account_id
    ) as m on m.account_id = a.id
    where a.id = any (account_ids)
    and (a.debit_total, a.credit_total) = (coalesce(m.debit, 0), coalesce(m.credit, 0))
  );
begin
  -- Of amounts: a number of lines that is off alone is no more than a wrong number. Lines that came
  -- or went move amounts.
  return query
  select a.id
  from saldo.account as a
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from (
      select jl.account_id, jl.debit, jl.credit
      from saldo.journal_line as jl
      where jl.account_id = any (v_agreeing_ids)
      union all
      select s.account_id, -s.debit, -s.credit
      from saldo_private.account_stripe as s
      where s.account_id = any (v_agreeing_ids)
    ) as part
    group by part.account_id
  ) as l on l.account_id = a.id
  where a.id = any (v_agreeing_ids)
  and (a.debit_total, a.credit_total) <> (coalesce(l.debit, 0), coalesce(l.credit, 0));
end
$$;
comment on function saldo_private.two_witness_accounts is
  'Those of the accounts whose totals and months agree with each other and not with the journal.';

create or replace function saldo_private.sealed_accounts(check_run_id uuid, account_ids bigint[])
returns setof bigint
language sql
stable
-- The caller may have it off; entries of some months are looked up.
set enable_nestloop = on
as $$
  select a.id
  from unnest(account_ids) as a (id)
  where not exists (
    select
    from saldo.finding as f
    where f.check_run_id = sealed_accounts.check_run_id
    and f.rule = 'month_movement'
    and f.account_id = a.id
    and (
      -- Lines that came or went would have changed their number.
      substring(f.stored from 'lines ([0-9]+)')
        is distinct from substring(f.derived from 'lines ([0-9]+)')
      or exists (
        select
        from (
          select l.entry_id, row_number() over () as place
          from saldo.journal_line as l
          where l.account_id = a.id
          and l.posting_date >= (f.detail ->> 'month')::date
          and l.posting_date < ((f.detail ->> 'month')::date + interval '1 month')::date
          limit 10001
        ) as line
        left join saldo.journal_seal_entry as s on s.entry_id = line.entry_id
        left join saldo_private.journal_entry_hash as h on h.entry_id = line.entry_id
        where line.place > 10000 -- more than can be looked at now
        or s.hash is distinct from h.hash
        or s.hash is null
      )
    )
  )
$$;
comment on function saldo_private.sealed_accounts is
  'Those of the accounts whose wrong months have as many lines as they say, all of them in entries '
  'that are as they were sealed; at most 10,000 lines a month are looked at.';

create or replace function saldo_private.lone_accounts(check_run_id uuid, account_ids bigint[])
returns setof bigint
language sql
stable
as $$
  select (array_agg(g.account_id))[1]
  from saldo_private.finding_gaps(check_run_id) as g
  join saldo.finding as sheet on sheet.check_run_id = lone_accounts.check_run_id
    and sheet.rule = 'balance_sheet'
    and sheet.key = g.currency
  where g.rule = 'account_balance'
  group by g.currency, sheet.difference
  having count(*) = 1
  and sum(g.amounts[1] - g.amounts[2]) = sheet.difference
  and (array_agg(g.account_id))[1] = any (account_ids)
$$;
comment on function saldo_private.lone_accounts is
  'Those of the accounts that are the only wrong one of their currency, whose balances are off by '
  'exactly that.';

create or replace function saldo_private.forced_accounts(
  check_run_id uuid,
  writes saldo_private.possible_cause[],
  account_ids bigint[]
)
returns table (account_id bigint, words text)
language sql
stable
set enable_nestloop = off
as $$
  with written as materialized (
    -- Exactly the difference was written to these caches: nothing of it is left for the journal.
    select f.account_id
    from saldo.finding as f
    left join unnest(writes) as w on w.finding_id = f.id
    where f.check_run_id = forced_accounts.check_run_id
    and f.rule in ('account_balance', 'month_movement')
    and f.account_id = any (account_ids)
    group by f.account_id
    having bool_and(coalesce(w.cause = 'out_of_band_write' and w.confidence = 'certain', false))
  ),
  journal as materialized (
    select exists (
      select
      from saldo.finding as f
      where f.check_run_id = forced_accounts.check_run_id
      and f.rule in ('entry_balance', 'entry_lines', 'orphan_line', 'line_amount',
        'trial_balance', 'journal_seal')
    ) or exists (
      select
      from unnest(writes) as w
      where w.cause = 'journal_changed'
    ) as is_questioned
  ),
  rest as materialized (
    select array(
      select a.id
      from unnest(account_ids) as a (id)
      cross join journal as j
      where not j.is_questioned
      except
      select w.account_id
      from written as w
    ) as ids
  )
  select w.account_id, null
  from written as w
  union all
  select a.id, 'Totals and months were forced alike: the entries of these months are all there, as '
    'they were sealed.'
  from rest as r
  cross join lateral saldo_private.sealed_accounts(check_run_id, r.ids) as a (id)
  union all
  select a.id, 'Totals and months were forced alike: all entries balance, and the balances of the '
    'accounts do not, by exactly this. Entries that came, went or changed would have moved another '
    'account as well.'
  from rest as r
  cross join lateral saldo_private.lone_accounts(check_run_id, r.ids) as a (id)
$$;
comment on function saldo_private.forced_accounts is
  'Those of the accounts whose totals and months were forced alike, as recorded writes, seals or '
  'double entry show; words is null where the writes tell it already. writes: the causes that are '
  'recorded writes.';

create or replace function saldo_private.causes_of_two_witnesses(
  check_run_id uuid,
  writes saldo_private.possible_cause[]
)
returns setof saldo_private.possible_cause
language sql
stable
set enable_nestloop = off
as $$
  with gap as materialized (
    select g.finding_id, g.rule, g.account_id
    from saldo_private.finding_gaps(causes_of_two_witnesses.check_run_id) as g
    where g.account_id is not null
    and g.rule in ('account_balance', 'month_movement', 'year_movement', 'customer_month_total')
  ),
  witnessed as materialized (
    select array(
      select a.id
      from saldo_private.two_witness_accounts(array(select distinct g.account_id from gap as g))
        as a (id)
    ) as ids
  ),
  forced as materialized (
    select f.account_id, min(f.words) as words
    from witnessed as w
    cross join lateral saldo_private.forced_accounts(check_run_id, writes, w.ids) as f
    group by f.account_id
  )
  select g.finding_id, 6, 'journal_changed', 'likely'::saldo.explanation_confidence,
    'Totals and months agree with each other but not with the journal: lines came, went or changed '
      'past the posting trigger.',
    '{}'::jsonb
  from witnessed as w
  join gap as g on g.account_id = any (w.ids)
  where not exists (select from forced as f where f.account_id = g.account_id)
  union all
  select g.finding_id, 6, 'cache_forced', 'likely', f.words, '{}'::jsonb
  from forced as f
  join gap as g on g.account_id = f.account_id and g.rule <> 'customer_month_total'
  where f.words is not null
$$;
comment on function saldo_private.causes_of_two_witnesses is
  'Accounts whose totals and months agree with each other and not with the journal: it was '
  'changed, unless both were forced alike. writes: the causes that are recorded writes.';
