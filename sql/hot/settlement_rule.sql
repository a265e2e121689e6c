-- The rules over sub-balances and their settlement: every row counted once, in the journal or not
-- yet.
--
-- Private: rule_sub_balance, rule_settlement, rule_settlement_range, rule_settlement_entry,
-- rule_settlement_lag. None is healed: rows and settlements are records, a human decides.

create or replace function saldo_private.rule_sub_balance()
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
  -- Numbers of a slot are whole: from 1 on, as many as there are, and past the mark.
  select format('%s/%s', coalesce(s.account_id, m.account_id), coalesce(s.slot_no, m.slot_no)),
    coalesce(s.account_id, m.account_id),
    format('%s rows from %s to %s', coalesce(s.row_count, 0), s.first_seq, s.last_seq),
    format('as many as their numbers say, settled up to %s', m.seq), null::numeric,
    jsonb_build_object('slot_no', coalesce(s.slot_no, m.slot_no))
  from (
    select sub_balance.account_id, sub_balance.slot_no, count(*) as row_count,
      min(sub_balance.seq) as first_seq, max(sub_balance.seq) as last_seq
    from saldo.sub_balance
    group by sub_balance.account_id, sub_balance.slot_no
  ) as s
  full join saldo_private.settlement_mark as m
    on m.account_id = s.account_id and m.slot_no = s.slot_no
  where m.seq is null
  or (s.row_count is null and m.seq > 0)
  or s.first_seq <> 1
  or s.last_seq <> s.row_count
  or s.last_seq < m.seq
  union all
  select s.id::text, s.account_id, s.amount::text, 'a positive amount', null,
    jsonb_build_object('counter_account_id', s.counter_account_id)
  from saldo.sub_balance as s
  where (s.amount > 0 and s.amount < 1e15 and s.amount = round(s.amount, 2)) is not true
$$;
comment on function saldo_private.rule_sub_balance is
  'Slots whose rows are not numbered without gap, and rows whose amounts are no amounts: a row was '
  'taken away, added or changed.';

create or replace function saldo_private.rule_settlement()
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
  with row_sum as (
    select r.account_id, r.settlement_id, count(s.id) as row_count,
      coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
      coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit
    from saldo.settlement_range as r
    left join saldo.sub_balance as s on s.account_id = r.account_id
      and s.slot_no = r.slot_no
      and s.seq between r.first_seq and r.last_seq
    group by r.account_id, r.settlement_id
  ),
  entry_sum as (
    select e.account_id, e.settlement_id, sum(e.row_count) as row_count, sum(e.debit) as debit,
      sum(e.credit) as credit
    from saldo.settlement_entry as e
    group by e.account_id, e.settlement_id
  )
  select t.id::text, t.account_id,
    format('%s rows, debit %s, credit %s', t.row_count, t.debit, t.credit),
    format('rows: %s, debit %s, credit %s; entries: %s, debit %s, credit %s', r.row_count, r.debit,
      r.credit, e.row_count, e.debit, e.credit),
    (t.debit - t.credit) - (coalesce(r.debit, 0) - coalesce(r.credit, 0)), '{}'::jsonb
  from saldo.settlement as t
  left join row_sum as r on r.account_id = t.account_id and r.settlement_id = t.id
  left join entry_sum as e on e.account_id = t.account_id and e.settlement_id = t.id
  where (t.row_count, t.debit, t.credit) is distinct from (r.row_count, r.debit, r.credit)
  or (t.row_count, t.debit, t.credit) is distinct from (e.row_count, e.debit, e.credit)
$$;
comment on function saldo_private.rule_settlement is
  'Settlements whose count and sums are not those of the rows that they took, or of their entries.';

create or replace function saldo_private.rule_settlement_range()
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
  select format('%s/%s/%s', r.account_id, r.slot_no, r.last_seq), r.account_id,
    format('from %s', r.first_seq), format('from %s', r.expected_seq), null::numeric,
    jsonb_build_object('settlement_id', r.settlement_id)
  from (
    select each.account_id, each.slot_no, each.first_seq, each.last_seq, each.settlement_id,
      1 + lag(each.last_seq, 1, 0::bigint) over (
        partition by each.account_id, each.slot_no order by each.last_seq
      ) as expected_seq
    from saldo.settlement_range as each
  ) as r
  where r.first_seq <> r.expected_seq
  union all
  select format('%s/%s', m.account_id, m.slot_no), m.account_id,
    format('settled up to %s, debit %s, credit %s', m.seq, m.debit_total, m.credit_total),
    format('settled up to %s, debit %s, credit %s', coalesce(r.last_seq, 0), s.debit, s.credit),
    (m.debit_total - m.credit_total) - (s.debit - s.credit), '{}'
  from saldo_private.settlement_mark as m
  left join (
    select each.account_id, each.slot_no, max(each.last_seq) as last_seq
    from saldo.settlement_range as each
    group by each.account_id, each.slot_no
  ) as r on r.account_id = m.account_id and r.slot_no = m.slot_no
  cross join lateral (
    select coalesce(sum(b.amount) filter (where b.direction = 'debit'), 0) as debit,
      coalesce(sum(b.amount) filter (where b.direction = 'credit'), 0) as credit
    from saldo.sub_balance as b
    where b.account_id = m.account_id
    and b.slot_no = m.slot_no
    and b.seq <= m.seq
  ) as s
  where m.seq <> coalesce(r.last_seq, 0)
  or m.debit_total <> s.debit
  or m.credit_total <> s.credit
$$;
comment on function saldo_private.rule_settlement_range is
  'Rows that were settled twice or passed over: stretches that do not follow on each other, and '
  'marks that are not where the last stretch ends.';

create or replace function saldo_private.rule_settlement_entry()
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
  from saldo.settlement_entry as e
  full join (
    select line.entry_id, line.account_id, sum(line.debit) as debit, sum(line.credit) as credit
    from saldo.journal_entry as j
    join saldo.journal_line as line on line.entry_id = j.id
    where j.source = 'settlement'
    and j.kind = 'normal'
    and line.account_id = (j.metadata ->> 'account_id')::bigint
    group by line.entry_id, line.account_id
  ) as l on l.entry_id = e.entry_id and l.account_id = e.account_id
  where (e.debit, e.credit) is distinct from (l.debit, l.credit)
$$;
comment on function saldo_private.rule_settlement_entry is
  'Summary entries that do not carry the sums of their rows, and settled rows without an entry.';

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
  ) and clock_timestamp() + interval '1 minute' -- else of a clock that was set back
$$;
comment on function saldo_private.rule_settlement_lag is
  'Accounts whose oldest pending row is older than the setting settlement_lag_max_seconds: no '
  'worker settles, or not fast enough.';
