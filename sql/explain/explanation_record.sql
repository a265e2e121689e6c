-- Records that disagree with each other: rows and entries that one side has and the other lacks,
-- and findings that follow from other findings.
--
-- Private: missing_rows, causes_of_missing_rows, causes_of_records, causes_of_followers.

create or replace function saldo_private.missing_rows(check_run_id uuid)
returns table (account_id bigint, slot_no integer, debit numeric, credit numeric, words text,
  evidence jsonb)
language sql
stable
-- The caller may have it off; rows of some slots are looked up.
set enable_nestloop = on
as $$
  with slot as materialized (
    select f.account_id, (f.detail ->> 'slot_no')::integer as slot_no, m.seq as mark,
      greatest(m.seq, s.seq) as last_seq, coalesce(pruned.seq, 0) as pruned_seq,
      -- What the slot counted and its rows do not show.
      s.debit_total - d.debit_total as debit, s.credit_total - d.credit_total as credit
    from saldo.finding as f
    left join saldo_private.settlement_mark as m on m.account_id = f.account_id
      and m.slot_no = (f.detail ->> 'slot_no')::integer
    left join saldo_private.account_slot as s on s.account_id = f.account_id
      and s.slot_no = (f.detail ->> 'slot_no')::integer
    left join saldo_private.derived_slot() as d on d.account_id = f.account_id
      and d.slot_no = (f.detail ->> 'slot_no')::integer
    left join saldo_private.pruned_slot() as pruned on pruned.account_id = f.account_id
      and pruned.slot_no = (f.detail ->> 'slot_no')::integer
    where f.check_run_id = missing_rows.check_run_id
    and f.rule = 'sub_balance'
    and f.detail ? 'slot_no'
    order by f.key
    limit 20
  ),
  hole as (
    select r.account_id, r.slot_no, r.before_seq + 1 as first_seq, r.seq - 1 as last_seq,
      r.before_at, r.created_at as after_at
    from (
      select b.account_id, b.slot_no, b.seq, b.created_at,
        lag(b.seq, 1, b.pruned_seq) over of_slot as before_seq,
        lag(b.created_at) over of_slot as before_at
      from (
        select each.account_id, each.slot_no, each.seq, each.created_at, s.pruned_seq
        from slot as s
        join saldo.sub_balance as each on each.account_id = s.account_id
          and each.slot_no = s.slot_no
        union all
        select s.account_id, s.slot_no, s.last_seq + 1, null, s.pruned_seq
        from slot as s
      ) as b
      window of_slot as (partition by b.account_id, b.slot_no order by b.seq)
    ) as r
    where r.seq > r.before_seq + 1
  )
  select h.account_id, h.slot_no,
    case when min(h.first_seq) > s.mark then s.debit end,
    case when min(h.first_seq) > s.mark then s.credit end,
    string_agg(format('%s, written between %s and %s',
      case when h.first_seq = h.last_seq then format('row %s', h.first_seq)
        else format('rows %s to %s', h.first_seq, h.last_seq) end,
      coalesce(h.before_at::text, 'the beginning'), coalesce(h.after_at::text, 'now')), '; '
      order by h.first_seq),
    jsonb_agg(jsonb_build_object('first_seq', h.first_seq, 'last_seq', h.last_seq,
      'after_at', h.before_at, 'before_at', h.after_at) order by h.first_seq)
  from hole as h
  join slot as s on s.account_id = h.account_id and s.slot_no = h.slot_no
  group by h.account_id, h.slot_no, s.mark, s.debit, s.credit
$$;
comment on function saldo_private.missing_rows is
  'Rows of slots whose numbers are missing, when their neighbours were written, and what they came '
  'to where the slot still counts them: null where they were settled.';

create or replace function saldo_private.causes_of_missing_rows(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  with missing as materialized (
    select * from saldo_private.missing_rows(causes_of_missing_rows.check_run_id)
  )
  select g.finding_id, 2, 'missing_item', 'likely'::saldo.explanation_confidence,
    format('Missing in slot %s: %s.%s', m.slot_no, m.words,
      case when m.debit <> 0 or m.credit <> 0
        then format(' The slot still counts debit %s and credit %s for it.', m.debit, m.credit)
        else '' end),
    jsonb_build_object('slot_no', m.slot_no, 'rows', m.evidence, 'debit', m.debit, 'credit',
      m.credit)
  from saldo_private.finding_gaps(causes_of_missing_rows.check_run_id) as g
  join missing as m on g.key = format('%s/%s', m.account_id, m.slot_no)
  where g.rule = 'sub_balance'
  union all
  select g.finding_id, 2, 'missing_item', 'likely'::saldo.explanation_confidence,
    format('Missing, and still counted by the slots with debit %s and credit %s: %s.', m.debit,
      m.credit, m.words),
    jsonb_build_object('rows', m.evidence, 'debit', m.debit, 'credit', m.credit)
  from saldo_private.finding_gaps(causes_of_missing_rows.check_run_id) as g
  join (
    select each.account_id, sum(each.debit) as debit, sum(each.credit) as credit,
      string_agg(format('slot %s: %s', each.slot_no, each.words), '; ' order by each.slot_no)
        as words,
      jsonb_agg(each.evidence order by each.slot_no) as evidence
    from missing as each
    group by each.account_id
  ) as m on m.account_id = g.account_id
  where g.rule = 'account_slot'
  and (m.debit <> 0 or m.credit <> 0)
$$;
comment on function saldo_private.causes_of_missing_rows is
  'Rows of hot accounts that are gone, as causes of what is found about their slots.';

create or replace function saldo_private.causes_of_records(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
-- The caller may have it off; records and entries are looked up.
set enable_nestloop = on
as $$
  with record as materialized (
    select f.id, f.rule, f.stored, f.derived,
      coalesce((f.detail ->> 'entry_id')::uuid, p.entry_id) as entry_id,
      case when f.stored in ('no purchase', 'no deposit', 'no rows', 'no charge-back')
        then 'unrecorded_item'
        when f.rule = 'purchase_entry' and p.entry_id is not null
          and f.derived like 'paid 0,%' then 'unapplied_item'
        when f.rule = 'deposit_entry' and f.derived ~ '^0(\.0*)?$' then 'unapplied_item'
        when f.derived = 'no entry' then 'unapplied_item' end as cause
    from saldo.finding as f
    left join saldo.purchase as p on p.id = (f.detail ->> 'purchase_id')::uuid
      and p.account_id = f.account_id
    where f.check_run_id = causes_of_records.check_run_id
    and f.rule in ('purchase_entry', 'deposit_entry', 'settlement_entry', 'top_up_reversal')
    and f.explanation = ''
  )
  select r.id, 2, 'missing_item', 'likely'::saldo.explanation_confidence,
    format('Lines are missing: %s.', (array_agg(m.words))[1]),
    jsonb_build_object('entry_ids', jsonb_build_array(r.entry_id))
  from record as r
  join saldo_private.missing_lines(causes_of_records.check_run_id) as m
    on m.entry_id = r.entry_id
  group by r.id, r.entry_id
  union all
  select r.id, 4, r.cause, 'likely'::saldo.explanation_confidence,
    case when r.cause = 'unrecorded_item' and e.id is not null
      then format('Entry %s (%s, posted at %s) took effect, and its record is gone: %s.', e.id,
        e.description, e.posted_at, r.stored)
      when r.cause = 'unrecorded_item'
      then format('There is %s, and no record of what it belongs to.', r.derived)
      when e.id is null
      then format('The record names entry %s, which is not in the journal.', r.entry_id)
      else format('The record says %s, and entry %s has nothing of it on this account: %s.',
        r.stored, e.id, r.derived) end,
    jsonb_build_object('entry_id', r.entry_id)
  from record as r
  left join saldo.journal_entry as e on e.id = r.entry_id
  where r.cause is not null
$$;
comment on function saldo_private.causes_of_records is
  'Purchases, deposits and settlements that the journal has and their records lack, or the other '
  'way round.';

create or replace function saldo_private.causes_of_followers(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
set enable_nestloop = off
as $$
  with gap as materialized (
    select g.*
    from saldo_private.finding_gaps(causes_of_followers.check_run_id) as g
  ),
  source as materialized (
    select each.finding_id as id, each.rule, each.account_id, each.difference,
      case each.rule when 'trial_balance' then each.key else each.currency end as currency,
      case each.rule when 'account_balance' then each.amounts[1] - each.amounts[2]
        else each.difference end as amount
    from gap as each
    where each.rule in ('entry_balance', 'trial_balance', 'account_balance')
  ),
  pair as (
    -- Sums over entries, and over accounts and entries.
    select g.finding_id, g.rule, g.difference, s.id, s.rule as source_rule, s.amount
    from gap as g
    join source as s on s.currency = g.key
    where (g.rule = 'trial_balance' and s.rule = 'entry_balance')
    or (g.rule = 'balance_sheet' and s.rule <> 'entry_balance')
    union all
    select g.finding_id, g.rule, g.difference, s.id, s.rule, s.amount
    from gap as g
    join source as s on s.account_id = g.account_id
    where g.rule = 'min_balance'
    and s.rule = 'account_balance'
    and g.difference - s.difference >= 0
  ),
  follower as (
    select p.finding_id, p.rule, p.difference, p.id as source_id, p.source_rule,
      sum(p.amount) over (partition by p.finding_id) as amounts,
      count(*) over (partition by p.finding_id) as source_count,
      row_number() over (partition by p.finding_id order by abs(p.amount) desc, p.id) as place
    from pair as p
  )
  select f.finding_id, 8, x.cause::text, x.confidence,
    format('Follows from %s%s: %s', case when f.source_count = 1 then 'a finding of '
        else format('%s findings, the largest of ', f.source_count) end, f.source_rule,
      x.explanation),
    jsonb_build_object('finding_id', f.source_id, 'finding_count', f.source_count)
  from follower as f
  cross join lateral (
    select each.cause, each.confidence, each.explanation
    from saldo.finding_explanation as each
    where each.finding_id = f.source_id
    and each.rank = 1
  ) as x
  where f.place = 1
  and (f.rule = 'min_balance' or f.amounts = f.difference)
$$;
comment on function saldo_private.causes_of_followers is
  'Sums over accounts or entries that are off by exactly what single ones are, and accounts below '
  'their minimum by a wrong total: the cause of the largest of these.';
