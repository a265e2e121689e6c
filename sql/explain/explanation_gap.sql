-- What has to be explained: the amounts by which figures are off, in findings of the engine's own
-- rules, and the transaction up to which everything was right.
--
-- Private: finding_gaps, is_in_gap, largest_gaps, sound_checks, sound_snapshot,
-- full_transaction_id, unexplained_findings, has_finding, numbers_in; types finding_gap,
-- possible_cause. A gap has one amount, or two where debits and credits are known apart.

create or replace function saldo_private.finding_gaps__amounts(finding saldo.finding)
returns numeric[]
language sql
immutable
as $$
  select case
    when finding.rule = 'account_balance' then array[
      (finding.detail ->> 'stored_debit')::numeric - (finding.detail ->> 'derived_debit')::numeric,
      (finding.detail ->> 'stored_credit')::numeric - (finding.detail ->> 'derived_credit')::numeric
    ]
    when finding.rule in ('month_movement', 'year_movement') then array[
      coalesce(nullif(substring(finding.stored from 'debit ([^,]*),'), ''), '0')::numeric
        - coalesce(nullif(substring(finding.derived from 'debit ([^,]*),'), ''), '0')::numeric,
      coalesce(nullif(substring(finding.stored from 'credit ([^,]*),'), ''), '0')::numeric
        - coalesce(nullif(substring(finding.derived from 'credit ([^,]*),'), ''), '0')::numeric
    ]
    else array[finding.difference, 0]
  end
$$;
comment on function saldo_private.finding_gaps__amounts is
  'Debits and credits, stored less derived; the difference and 0 where they are not known apart.';

create or replace function saldo_private.finding_gaps(check_run_id uuid)
returns setof saldo_private.finding_gap
language sql
stable
as $$
  select f.id, f.rule, f.key, f.account_id,
    case when f.rule in ('month_movement', 'customer_month_total')
      then (f.detail ->> 'month')::date end,
    (f.detail ->> 'entry_id')::uuid, f.difference,
    -- No sum of items explains a value that is not a number.
    case when abs(g.amounts[1]) < 'Infinity' and abs(g.amounts[2]) < 'Infinity'
      and g.amounts <> array[0, 0]::numeric[] then g.amounts end,
    coalesce(a.currency, f.detail ->> 'currency'), saldo_private.is_debit_normal(a.type)
  from saldo.finding as f
  left join saldo.account as a on a.id = f.account_id
  cross join lateral saldo_private.finding_gaps__amounts(f) as g (amounts)
  where f.check_run_id = finding_gaps.check_run_id
  and f.explanation = '' -- what broke or is registered has its own
$$;
comment on function saldo_private.finding_gaps is
  'The findings of a check that have no explanation yet, with what their figures are off by.';

create or replace function saldo_private.is_in_gap(gap saldo_private.finding_gap, on_date date)
returns boolean
language sql
immutable
as $$
  select case when gap.rule = 'year_movement'
    then extract(year from on_date)::text = split_part(gap.key, ' ', 2)
    else gap.month is null or gap.month = date_trunc('month', on_date::timestamp) end
$$;
comment on function saldo_private.is_in_gap is
  'Whether the figures that are off are those of a month or year with this day, or of all.';

create or replace function saldo_private.largest_gaps(check_run_id uuid, settled_ids uuid[])
returns setof saldo_private.finding_gap
language sql
stable
as $$
  select g.*
  from saldo_private.finding_gaps(check_run_id) as g
  where g.amounts is not null
  and g.account_id is not null
  and g.rule in ('account_balance', 'month_movement', 'held_total', 'account_slot')
  and not exists (select from unnest(settled_ids) as s (id) where s.id = g.finding_id)
  order by greatest(abs(g.difference), abs(g.amounts[1]), abs(g.amounts[2])) desc, g.rule, g.key
  limit 20
$$;
comment on function saldo_private.largest_gaps is
  'The 20 largest gaps of accounts except those that are settled: what costs a search is looked '
  'for there.';

create or replace function saldo_private.sound_checks()
returns table (check_run_id uuid, snapshot pg_snapshot, number bigint, finished_at timestamptz)
language sql
stable
as $$
  select c.id, c.snapshot::pg_snapshot, c.number, c.finished_at
  from saldo.check_run as c
  where c.failed_rule_count = 0
  -- Others do not look at what was posted long ago.
  and c.scope = 'full'
  and not exists (
    select
    from saldo.finding as f
    join saldo.balance_rule as r on r.name = f.rule
    where f.check_run_id = c.id
    and r.is_about_journal
  )
$$;
comment on function saldo_private.sound_checks is
  'Full checks that ran all rules and found nothing wrong with the journal.';

create or replace function saldo_private.sound_snapshot()
returns pg_snapshot
language sql
stable
as $$
  select s.snapshot
  from saldo_private.sound_checks() as s
  order by s.number desc, s.finished_at desc -- whatever its clock said
  limit 1
$$;
comment on function saldo_private.sound_snapshot is
  'Whose writes the last full check saw at least that found the journal in order; null = none did.';

create or replace function saldo_private.full_transaction_id(transaction_id xid)
returns xid8
language sql
stable
as $$
  -- Of the numbers that end in these 32 bits the one nearest to now; below 3 is none.
  select greatest(0, case when each.number > each.next + 2147483648 then each.number - 4294967296
    else each.number end)::text::xid8
  from (
    select case when low.number < 3 then 0 else low.number + ((now.next >> 32) << 32) end as number,
      now.next
    from (select transaction_id::text::bigint as number) as low
    cross join (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next) as now
  ) as each
$$;
comment on function saldo_private.full_transaction_id is
  'The transaction that wrote a row, from its system column xmin.';

create or replace function saldo_private.unexplained_findings(check_run_id uuid)
returns setof saldo.finding
language sql
stable
as $$
  select f.*
  from saldo.finding as f
  where f.check_run_id = unexplained_findings.check_run_id
  and f.explanation = '' -- what broke or is registered has its own
  and (
    select count(*)
    from saldo.finding_explanation as x
    where x.finding_id = f.id
  ) = 0
$$;
comment on function saldo_private.unexplained_findings is
  'The findings of a check that have no cause yet.';

create or replace function saldo_private.numbers_in(text text)
returns numeric[]
language sql
immutable
as $$
  select array(
    select n.parts[1]::numeric
    from regexp_matches(numbers_in.text, '-?[0-9]+(?:\.[0-9]+)?', 'g')
      with ordinality as n (parts, place)
    order by n.place
  )
$$;
comment on function saldo_private.numbers_in is 'The numbers in a text, in their order.';

create or replace function saldo_private.has_finding(
  check_run_id uuid,
  rules text[],
  account_id bigint
)
returns boolean
language sql
stable
as $$
  select exists (
    select
    from saldo.finding as f
    where f.check_run_id = has_finding.check_run_id
    and f.rule = any (rules)
    and f.account_id = has_finding.account_id
  )
$$;
comment on function saldo_private.has_finding is
  'Whether the check found something of these rules about the account.';

comment on type saldo_private.finding_gap is 'What the figures of a finding are off by.';
comment on type saldo_private.possible_cause is 'A cause that a finding may have.';
