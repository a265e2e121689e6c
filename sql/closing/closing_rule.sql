-- The rules of closed periods: nothing entered, nothing of the seal has changed.
--
-- Private: rule_closed_period, rule_closing_snapshot, rule_restatement. None of them heals: what is
-- closed is settled by a human.

create or replace function saldo_private.rule_closed_period(since pg_snapshot default null)
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
  select e.id::text, null::bigint, format('posted at %s', e.posted_at),
    format('%s closed at %s', saldo_private.period_name(p.fiscal_year, p.number), p.closed_at),
    null::numeric, jsonb_build_object('posting_date', e.posting_date, 'source', e.source)
  from saldo.period as p
  join saldo.journal_entry as e on e.posting_date between p.starts_on and p.ends_on
  where p.closed_at is not null
  and p.number < 13
  and e.status <> 'draft'
  and e.source <> 'close_year'
  and e.posted_at > p.closed_at
  and saldo_private.is_posted_since(e.posted_in, since)
$$;
comment on function saldo_private.rule_closed_period is
  'Entries dated in a period that was closed when they were posted: all, or those posted since a '
  'snapshot.';

create or replace function saldo_private.rule_closing_snapshot()
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
  select format('%s/%s', p.fiscal_year, p.number), null::bigint,
    encode(p.snapshot_hash, 'hex'),
    encode(saldo_private.snapshot_hash(p.fiscal_year, p.number), 'hex'), null::numeric,
    jsonb_build_object('what', 'the hash of the sealed totals')
  from saldo.period as p
  where p.snapshot_hash is not null
  and p.snapshot_hash <> saldo_private.snapshot_hash(p.fiscal_year, p.number)
  union all
  select format('%s/%s/%s', s.fiscal_year, s.number, s.account_id), s.account_id,
    format('debit %s, credit %s', trim_scale(s.debit_total), trim_scale(s.credit_total)),
    format('debit %s, credit %s', trim_scale(coalesce(j.debit, 0)),
      trim_scale(coalesce(j.credit, 0))),
    s.debit_total - s.credit_total - coalesce(j.debit - j.credit, 0),
    jsonb_build_object('what', 'the journal up to the last sealed period')
  from saldo.closing_snapshot as s
  left join (
    select l.account_id, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    cross join saldo_private.last_sealed_period() as last
    where e.status <> 'draft'
    and l.posting_date <= last.ends_on
    and (last.number = 13 or e.source <> 'close_year' or l.posting_date < last.starts_on)
    group by l.account_id
  ) as j on j.account_id = s.account_id
  where (s.fiscal_year, s.number) = (
    select last.fiscal_year, last.number
    from saldo_private.last_sealed_period() as last
  )
  and (s.debit_total, s.credit_total) <> (coalesce(j.debit, 0), coalesce(j.credit, 0))
$$;
comment on function saldo_private.rule_closing_snapshot is
  'Sealed periods whose hash is not that of their totals, and totals of the last one that are not '
  'those of the journal. An older seal stands in the hash of the next.';

create or replace function saldo_private.rule_restatement()
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
  with late as materialized (
    select distinct l.account_id
    from saldo_private.late_line as l
  ),
  -- The entries of all of them at once: looked up account by account they cost ten times that.
  reported as (
    select l.account_id, sum(l.debit - l.credit) as amount
    from late as a
    join saldo.journal_line as l on l.account_id = a.account_id
    join saldo.journal_entry as e on e.id = l.entry_id
    where e.status <> 'draft'
    group by l.account_id
  ),
  restated as (
    select a.account_id, sum(m.debit + m.year_end - m.credit) as amount
    from late as a
    cross join lateral saldo_private.account_movement(a.account_id, 'restated') as m
    group by a.account_id
  )
  select a.account_id::text, a.account_id, trim_scale(coalesce(s.amount, 0))::text,
    trim_scale(coalesce(r.amount, 0))::text, coalesce(s.amount, 0) - coalesce(r.amount, 0),
    '{}'::jsonb
  from late as a
  left join restated as s on s.account_id = a.account_id
  left join reported as r on r.account_id = a.account_id
  where coalesce(s.amount, 0) <> coalesce(r.amount, 0)
$$;
comment on function saldo_private.rule_restatement is
  'Accounts whose months, restated, do not add up over all time to what the journal reports.';
