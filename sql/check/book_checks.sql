-- The book checks: what double entry promises, proven from the journal and from the balances.
--
-- Private: rule_entry_balance, rule_entry_lines, rule_orphan_line, rule_line_amount,
-- rule_trial_balance, rule_balance_sheet, rule_min_balance, rule_reversal.
-- None is healed: where the journal is wrong, a human decides. Those over single entries may be
-- asked about some entries only, that over reversals about those since a snapshot.

create or replace function saldo_private.rule_entry_balance(entry_ids uuid[] default null)
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
  select l.entry_id::text, min(l.account_id), sum(l.debit)::text, sum(l.credit)::text,
    sum(l.debit) - sum(l.credit), jsonb_build_object('entry_id', l.entry_id, 'currency', a.currency)
  from saldo.journal_line as l
  left join saldo.account as a on a.id = l.account_id
  where entry_ids is null
  or l.entry_id = any (entry_ids)
  group by l.entry_id, a.currency
  having sum(l.debit) <> sum(l.credit)
$$;
comment on function saldo_private.rule_entry_balance is
  'Entries whose debits and credits differ in a currency. difference: debits less credits.';

create or replace function saldo_private.rule_entry_lines(entry_ids uuid[] default null)
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
  select e.id::text, null::bigint, e.line_count::text, coalesce(l.line_count, 0)::text,
    (e.line_count - coalesce(l.line_count, 0))::numeric,
    jsonb_build_object('entry_id', e.id, 'status', e.status, 'posting_date', e.posting_date,
      'line_dates', array[l.first_date, l.last_date])
  from saldo.journal_entry as e
  left join (
    select entry_id, count(*) as line_count, min(posting_date) as first_date,
      max(posting_date) as last_date
    from saldo.journal_line
    where entry_ids is null
    or entry_id = any (entry_ids)
    group by entry_id
  ) as l on l.entry_id = e.id
  where (entry_ids is null or e.id = any (entry_ids))
  and case e.status
    when 'draft' then l.line_count is not null
    else e.line_count < 2
      or (l.line_count, l.first_date, l.last_date)
        is distinct from (e.line_count::bigint, e.posting_date, e.posting_date)
  end
$$;
comment on function saldo_private.rule_entry_lines is
  'Entries that do not have the lines that they were posted with: another number, another date, '
  'or lines of a draft.';

create or replace function saldo_private.rule_orphan_line(entry_ids uuid[] default null)
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
  select format('%s/%s', l.entry_id, l.line_no), l.account_id,
    format('debit %s, credit %s', l.debit, l.credit), null::text, l.debit - l.credit,
    jsonb_build_object('entry_id', l.entry_id, 'has_entry', e.id is not null,
      'has_account', a.id is not null)
  from saldo.journal_line as l
  left join saldo.journal_entry as e on e.id = l.entry_id
  left join saldo.account as a on a.id = l.account_id
  where (e.id is null or a.id is null)
  and (entry_ids is null or l.entry_id = any (entry_ids))
$$;
comment on function saldo_private.rule_orphan_line is
  'Lines without their entry or their account.';

create or replace function saldo_private.rule_line_amount(entry_ids uuid[] default null)
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
  select format('%s/%s', l.entry_id, l.line_no), l.account_id,
    format('debit %s, credit %s', l.debit, l.credit), 'one side positive, the other 0',
    null::numeric, jsonb_build_object('entry_id', l.entry_id)
  from saldo.journal_line as l
  where (
    ((l.debit > 0 and l.credit = 0) or (l.credit > 0 and l.debit = 0)) is not true
    or l.debit in ('NaN', 'Infinity', '-Infinity')
    or l.credit in ('NaN', 'Infinity', '-Infinity')
    or scale(trim_scale(l.debit)) > 2
    or scale(trim_scale(l.credit)) > 2
    or l.line_no < 1
  )
  and (entry_ids is null or l.entry_id = any (entry_ids))
$$;
comment on function saldo_private.rule_line_amount is
  'Lines whose amounts are no amounts: both sides, neither, negative, NaN, too many decimals.';

create or replace function saldo_private.rule_trial_balance(
  are_months_proven boolean default false
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
parallel safe
as $$
  -- By account first: accounts are few, and only their sums are joined.
  select coalesce(a.currency, 'unknown'), null::bigint, sum(s.debit)::text, sum(s.credit)::text,
    sum(s.debit) - sum(s.credit), '{}'::jsonb
  from (
    select l.account_id, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_line as l
    where not are_months_proven
    group by l.account_id
    union all
    select m.account_id, sum(m.debit), sum(m.credit)
    from saldo_private.posted_movement as m
    where are_months_proven
    group by m.account_id
  ) as s
  left join saldo.account as a on a.id = s.account_id
  group by a.currency
  having sum(s.debit) <> sum(s.credit)
$$;
comment on function saldo_private.rule_trial_balance is
  'Currencies in which all debits and all credits of the journal differ. are_months_proven: the '
  'sieve has just proven that the months of all accounts are the sums of their lines, and these '
  'are added up in their place.';

create or replace function saldo_private.rule_balance_sheet()
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
  select t.currency, null::bigint,
    trim_scale(coalesce(sum(t.balance) filter (where t.type = 'asset'), 0))::text,
    trim_scale(-coalesce(sum(t.net_debit) filter (where t.type <> 'asset'), 0))::text,
    trim_scale(sum(t.net_debit)), '{}'::jsonb
  from (
    -- Stripes by themselves: there are few, and accounts need no join then.
    select a.currency, a.type, sum(a.balance) as balance,
      sum(a.debit_total) - sum(a.credit_total) as net_debit
    from saldo.account as a
    group by a.currency, a.type
    union all
    select a.currency, a.type, sum(s.debit - s.credit) * saldo_private.normal_sign(a.type),
      sum(s.debit - s.credit)
    from saldo_private.account_stripe as s
    join saldo.account as a on a.id = s.account_id
    group by a.currency, a.type
  ) as t
  group by t.currency
  having sum(t.net_debit) <> 0
$$;
comment on function saldo_private.rule_balance_sheet is
  'Currencies in which the accounts'' assets (stored) are not liabilities plus equity plus current '
  'earnings (derived). It reads the balances, not the journal, and so is independent of the trial '
  'balance.';

create or replace function saldo_private.rule_min_balance()
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
  select a.id::text, a.id, trim_scale(a.balance - a.held_total)::text,
    format('at least %s', a.min_balance), trim_scale(a.balance - a.held_total - a.min_balance),
    jsonb_build_object('code', a.code, 'balance', a.balance, 'held_total', a.held_total)
  from saldo.account as a
  where a.mode = 'immediate'
  and not saldo_private.is_above_minimum(a.balance, a.held_total, a.min_balance)
  union all
  select b.account_id::text, b.account_id, trim_scale(b.available)::text,
    format('at least %s', a.min_balance), trim_scale(b.available - a.min_balance),
    jsonb_build_object('code', a.code)
  from saldo_private.derived_funds() as b
  join saldo.account as a on a.id = b.account_id
  where not saldo_private.is_above_minimum(b.available, 0, a.min_balance)
$$;
comment on function saldo_private.rule_min_balance is
  'Accounts whose balance less holds is below their minimum.';

create or replace function saldo_private.rule_reversal(since pg_snapshot default null)
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
  with concerned as materialized (
    select e.id, e.kind, e.status, e.reverses
    from saldo.journal_entry as e
    where (e.kind = 'reversal' or e.status = 'reversed')
    and saldo_private.is_posted_since(e.posted_in, since)
  ),
  reversal as (
    select r.id, r.reverses, e.status
    from concerned as r
    left join saldo.journal_entry as e on e.id = r.reverses
    where r.kind = 'reversal'
  ),
  net as (
    select r.id, l.account_id, sum(l.debit - l.credit) as amount
    from reversal as r
    cross join lateral (values (r.id), (r.reverses)) as one (entry_id)
    join saldo.journal_line as l on l.entry_id = one.entry_id
    group by r.id, l.account_id
    having sum(l.debit - l.credit) <> 0
  )
  select r.id::text, min(n.account_id), 'reversal', 'cancels its entry once and exactly',
    sum(n.amount), jsonb_build_object('entry_id', r.reverses)
  from reversal as r
  left join net as n on n.id = r.id
  where n.id is not null
  or r.status is distinct from 'reversed'
  group by r.id, r.reverses
  union all
  select e.id::text, null, 'reversed', 'has one reversal', null,
    jsonb_build_object('entry_id', e.id)
  from concerned as e
  left join saldo.journal_entry as r on r.reverses = e.id
  where e.status = 'reversed'
  group by e.id
  having count(r.id) <> 1
$$;
comment on function saldo_private.rule_reversal is
  'Reversals that do not cancel their entry exactly, and reversed entries without their one '
  'reversal: all of them, or those posted since a snapshot.';
