-- The rules over sub-balances and their settlement: every row counted once, in the journal or not
-- yet.
--
-- Private: rule_sub_balance, rule_settlement, rule_settlement_range, rule_settlement_entry,
-- rule_settlement_lag. None is healed: rows and settlements are records, a human decides.
-- All but the last may be asked about what is new since a snapshot: the settlements whose entries
-- were posted since, their stretches and rows, and the rows that are pending.

create or replace function saldo_private.settlement_since(since pg_snapshot)
returns table (account_id bigint, settlement_id uuid)
language sql
stable
as $$
  select t.account_id, t.id
  from saldo.settlement as t
  where since is null
  union all
  select (e.metadata ->> 'account_id')::bigint, (e.metadata ->> 'settlement_id')::uuid
  from saldo.journal_entry as e
  where since is not null
  and saldo_private.is_posted_since(e.posted_in, since)
  and e.source = 'settlement'
  and e.kind = 'normal'
  group by 1, 2
$$;
comment on function saldo_private.settlement_since is
  'Settlements whose entries were posted since the snapshot, as the entries name them; null = all '
  'settlements.';

create or replace function saldo_private.slot_since(since pg_snapshot)
returns table (account_id bigint, slot_no integer, seq bigint)
language sql
stable
as $$
  select m.account_id, m.slot_no, coalesce(before.last_seq, pruned.seq, 0)
  from saldo_private.settlement_mark as m
  left join saldo_private.pruned_slot() as pruned
    on pruned.account_id = m.account_id and pruned.slot_no = m.slot_no
  left join (
    select each.account_id, each.slot_no, min(each.last_seq) as last_seq
    from saldo_private.settlement_since(since) as t
    join saldo.settlement_range as each on each.account_id = t.account_id
      and each.settlement_id = t.settlement_id
    where since is not null
    group by each.account_id, each.slot_no
  ) as news on news.account_id = m.account_id and news.slot_no = m.slot_no
  -- From where the last stretch ends that is not news, not from where the news say that they begin.
  left join lateral (
    select each.last_seq
    from saldo.settlement_range as each
    where since is not null
    and each.account_id = m.account_id
    and each.slot_no = m.slot_no
    and (news.last_seq is null or each.last_seq < news.last_seq)
    order by each.last_seq desc
    limit 1
  ) as before on true
$$;
comment on function saldo_private.slot_since is
  'Each slot with a mark, and up to which number its rows were settled at the snapshot; without a '
  'snapshot up to which they were pruned.';

create or replace function saldo_private.sub_balance_since(since pg_snapshot)
returns setof saldo.sub_balance
language sql
stable
as $$
  select s.*
  from saldo.sub_balance as s
  where since is null
  union all
  select s.*
  from saldo_private.slot_since(since) as slot
  cross join lateral (
    -- Slot by slot, by the index: nobody knows beforehand how few these are.
    select each.*
    from saldo.sub_balance as each
    where each.account_id = slot.account_id
    and each.slot_no = slot.slot_no
    and each.seq > slot.seq
    and each.seq <= saldo_private.highest_seq()
    offset 0
  ) as s
  where since is not null
$$;
comment on function saldo_private.sub_balance_since is
  'Rows that were not settled at the snapshot; null = all rows.';

create or replace function saldo_private.rule_sub_balance(since pg_snapshot default null)
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
  -- Numbers of a slot are whole: from 1 on, or from where it was, as many as there are, and past
  -- the mark.
  select format('%s/%s', coalesce(s.account_id, m.account_id), coalesce(s.slot_no, m.slot_no)),
    coalesce(s.account_id, m.account_id),
    format('%s rows from %s to %s', coalesce(s.row_count, 0), s.first_seq, s.last_seq),
    format('as many as their numbers say, settled up to %s', m.seq), null::numeric,
    jsonb_build_object('slot_no', coalesce(s.slot_no, m.slot_no))
  from (
    select b.account_id, b.slot_no, count(*) as row_count, min(b.seq) as first_seq,
      max(b.seq) as last_seq
    from saldo_private.sub_balance_since(since) as b
    group by b.account_id, b.slot_no
  ) as s
  full join (
    select mark.account_id, mark.slot_no, mark.seq, slot.seq as start_seq
    from saldo_private.settlement_mark as mark
    join saldo_private.slot_since(since) as slot
      on slot.account_id = mark.account_id and slot.slot_no = mark.slot_no
  ) as m on m.account_id = s.account_id and m.slot_no = s.slot_no
  where m.seq is null
  or (s.row_count is null and m.seq > m.start_seq)
  or s.first_seq <> m.start_seq + 1
  or s.last_seq - m.start_seq <> s.row_count
  or s.last_seq < m.seq
  union all
  select s.id::text, s.account_id, s.amount::text, 'a positive amount', null,
    jsonb_build_object('counter_account_id', s.counter_account_id)
  from saldo_private.sub_balance_since(since) as s
  where (s.amount > 0 and s.amount < 1e15 and s.amount = round(s.amount, 2)) is not true
$$;
comment on function saldo_private.rule_sub_balance is
  'Slots whose rows are not numbered without gap, and rows whose amounts are no amounts: a row was '
  'taken away, added or changed. Of all rows, or of those not settled at a snapshot.';

create or replace function saldo_private.rule_settlement(since pg_snapshot default null)
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
    select t.account_id, t.settlement_id
    from saldo_private.settlement_since(since) as t
  ),
  row_sum as (
    select r.account_id, r.settlement_id, count(s.id) as row_count,
      coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
      coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit
    from looked_at as t
    join saldo.settlement_range as r on r.account_id = t.account_id
      and r.settlement_id = t.settlement_id
    left join saldo.sub_balance as s on s.account_id = r.account_id
      and s.slot_no = r.slot_no
      and s.seq between r.first_seq and r.last_seq
    group by r.account_id, r.settlement_id
  ),
  entry_sum as (
    select e.account_id, e.settlement_id, sum(e.row_count) as row_count, sum(e.debit) as debit,
      sum(e.credit) as credit
    from looked_at as t
    join saldo.settlement_entry as e on e.account_id = t.account_id
      and e.settlement_id = t.settlement_id
    group by e.account_id, e.settlement_id
  )
  select n.settlement_id::text, n.account_id,
    format('%s rows, debit %s, credit %s', t.row_count, t.debit, t.credit),
    format('rows: %s, debit %s, credit %s; entries: %s, debit %s, credit %s', r.row_count, r.debit,
      r.credit, e.row_count, e.debit, e.credit),
    (t.debit - t.credit) - (coalesce(r.debit, 0) - coalesce(r.credit, 0)), '{}'::jsonb
  from looked_at as n
  left join saldo.settlement as t on t.account_id = n.account_id and t.id = n.settlement_id
  left join row_sum as r on r.account_id = n.account_id and r.settlement_id = n.settlement_id
  left join entry_sum as e on e.account_id = n.account_id and e.settlement_id = n.settlement_id
  where ((t.row_count, t.debit, t.credit) is distinct from (r.row_count, r.debit, r.credit)
    -- Rows of an older one may have been pruned: their stretches are sealed.
    and (t.settled_at < (
      select p.deleted_until from saldo.retention_progress as p where p.table_name = 'sub_balance'
    )) is not true)
  or (t.row_count, t.debit, t.credit) is distinct from (e.row_count, e.debit, e.credit)
$$;
comment on function saldo_private.rule_settlement is
  'Settlements whose count and sums are not those of the rows that they took, or of their entries: '
  'all of them, or those since a snapshot.';

create or replace function saldo_private.rule_settlement_range(since pg_snapshot default null)
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
  with stretch as (
    select r.account_id, r.slot_no, r.first_seq, r.last_seq, r.settlement_id,
      -- In the first one pruning may have ended.
    case when r.first_seq <= pruned.seq then r.first_seq - 1 else slot.seq end as start_seq
    from saldo.settlement_range as r
    left join saldo_private.slot_since(since) as slot
      on slot.account_id = r.account_id and slot.slot_no = r.slot_no
    left join saldo_private.pruned_slot() as pruned
      on pruned.account_id = r.account_id and pruned.slot_no = r.slot_no
    where since is null
    or r.last_seq > slot.seq
  ),
  last as (
    select s.account_id, s.slot_no, max(s.last_seq) as last_seq
    from stretch as s
    group by s.account_id, s.slot_no
  ),
  -- Numbers of rows before the snapshot have been counted: their sums are for full checks.
  row_sum as (
    select s.account_id, s.slot_no,
      coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
      coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit
    from saldo_private.settlement_mark as m
    join saldo.sub_balance as s on s.account_id = m.account_id
      and s.slot_no = m.slot_no
      and s.seq <= m.seq
    where since is null
    group by s.account_id, s.slot_no
  )
  select format('%s/%s/%s', r.account_id, r.slot_no, r.last_seq), r.account_id,
    format('from %s', r.first_seq), format('from %s', r.expected_seq), null::numeric,
    jsonb_build_object('settlement_id', r.settlement_id)
  from (
    select s.account_id, s.slot_no, s.first_seq, s.last_seq, s.settlement_id,
      1 + lag(s.last_seq, 1, coalesce(s.start_seq, 0)) over (
        partition by s.account_id, s.slot_no order by s.last_seq
      ) as expected_seq
    from stretch as s
  ) as r
  where r.first_seq <> r.expected_seq
  union all
  select format('%s/%s', m.account_id, m.slot_no), m.account_id,
    format('settled up to %s, debit %s, credit %s', m.seq, m.debit_total, m.credit_total),
    format('settled up to %s, debit %s, credit %s', coalesce(r.last_seq, slot.seq), part.debit,
      part.credit),
    (m.debit_total - m.credit_total) - (part.debit - part.credit), '{}'
  from saldo_private.settlement_mark as m
  join saldo_private.slot_since(since) as slot
    on slot.account_id = m.account_id and slot.slot_no = m.slot_no
  left join last as r on r.account_id = m.account_id and r.slot_no = m.slot_no
  left join row_sum as s on s.account_id = m.account_id and s.slot_no = m.slot_no
  left join saldo_private.pruned_slot() as pruned
    on pruned.account_id = m.account_id and pruned.slot_no = m.slot_no
  cross join lateral (values (coalesce(s.debit, 0) + coalesce(pruned.debit, 0),
    coalesce(s.credit, 0) + coalesce(pruned.credit, 0))) as part (debit, credit)
  where m.seq <> coalesce(r.last_seq, slot.seq)
  or (since is null and (m.debit_total, m.credit_total) <> (part.debit, part.credit))
$$;
comment on function saldo_private.rule_settlement_range is
  'Rows that were settled twice or passed over: stretches that do not follow on each other, and '
  'marks that are not where the last stretch ends, or not the sums of the rows before them. Since '
  'a snapshot only the stretches since, and no sums.';

create or replace function saldo_private.rule_settlement_entry(since pg_snapshot default null)
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
  select coalesce(e.entry_id, l.entry_id)::text, coalesce(e.account_id, l.account_id),
    coalesce(format('debit %s, credit %s', e.debit, e.credit), 'no rows'),
    coalesce(format('debit %s, credit %s', l.debit, l.credit), 'no entry'),
    coalesce(e.debit - e.credit, 0) - coalesce(l.debit - l.credit, 0),
    jsonb_build_object('entry_id', coalesce(e.entry_id, l.entry_id),
      'settlement_id', e.settlement_id)
  from (
    select each.*
    from saldo_private.settlement_since(since) as t
    join saldo.settlement_entry as each on each.account_id = t.account_id
      and each.settlement_id = t.settlement_id
  ) as e
  full join (
    select line.entry_id, line.account_id, sum(line.debit) as debit, sum(line.credit) as credit
    from saldo.journal_entry as j
    join saldo.journal_line as line on line.entry_id = j.id
    where j.source = 'settlement'
    and j.kind = 'normal'
    and saldo_private.is_posted_since(j.posted_in, since)
    and line.account_id = (j.metadata ->> 'account_id')::bigint
    group by line.entry_id, line.account_id
  ) as l on l.entry_id = e.entry_id and l.account_id = e.account_id
  where (e.debit, e.credit) is distinct from (l.debit, l.credit)
$$;
comment on function saldo_private.rule_settlement_entry is
  'Summary entries that do not carry the sums of their rows, and settled rows without an entry: '
  'of all settlements, or of those since a snapshot.';

create or replace function saldo_private.rule_settlement_lag()
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
  select a.id::text, a.id, format('pending since %s', saldo_private.oldest_pending_at(a.id)),
    format('settled within %s s', saldo_private.setting_value('settlement_lag_max_seconds')),
    null::numeric, jsonb_build_object('code', a.code)
  from saldo_private.hot_account as h
  join saldo.account as a on a.id = h.account_id
  where saldo_private.oldest_pending_at(a.id) not between now() - make_interval(
    secs => saldo_private.setting_value('settlement_lag_max_seconds')::integer
  ) and clock_timestamp() + interval '1 minute' -- later: by a clock that was set back
$$;
comment on function saldo_private.rule_settlement_lag is
  'Accounts whose oldest pending row is older than the setting settlement_lag_max_seconds: no '
  'worker settles, or not fast enough.';
