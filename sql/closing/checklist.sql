-- The checklist: what has to be in order before a period is closed.
--
-- Public: period_checklist. Private: checklist__* (an item each).
-- Each item counts what is open and shows the first of it. Waiving is by name, with a reason.
-- Rules over users' own tables are an item of their own: to close the books although a shop's table
-- drifts, one must not have to waive the rules over the books as well.

create or replace function saldo_private.checklist__draft(ends_on date)
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'draft_id', d.id, 'posting_date', d.posting_date, 'description', d.description
  ) order by d.id) filter (where d.row_no <= 10), '[]'),
    md5(string_agg(format('%s %s', d.id, d.posting_date), ',' order by d.id))
  from (
    select each.*, row_number() over (order by each.id) as row_no
    from (
      select e.id, e.posting_date, e.description
      from saldo.journal_entry as e
      where e.status = 'draft'
      union all
      select f.id, saldo_private.business_date(coalesce(f.occurred_at, now())), f.description
      from saldo.entry_draft as f
      where f.status = 'open'
    ) as each
    where each.posting_date <= checklist__draft.ends_on
  ) as d
$$;
comment on function saldo_private.checklist__draft is 'Drafts dated up to the end of the period.';

create or replace function saldo_private.checklist__pending(ends_on date)
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select coalesce(sum(p.row_count), 0)::bigint, coalesce(jsonb_agg(jsonb_build_object(
    'account_id', p.account_id, 'rows', p.row_count, 'debit', p.debit, 'credit', p.credit
  ) order by p.account_id), '[]'),
    md5(string_agg(format('%s %s %s %s', p.account_id, p.row_count, p.debit, p.credit), ','
      order by p.account_id))
  from (
    select s.account_id, count(*) as row_count,
      coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
      coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit
    from saldo_private.settlement_mark as m
    join saldo.sub_balance as s on s.account_id = m.account_id
      and s.slot_no = m.slot_no
      and s.seq > m.seq
    where s.created_at < saldo_private.day_begins_at(checklist__pending.ends_on + 1)
    group by s.account_id
  ) as p
$$;
comment on function saldo_private.checklist__pending is
  'Transactions of hot accounts, submitted up to the end of the period and not settled.';

create or replace function saldo_private.checklist__hold(ends_on date)
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'hold_id', h.id, 'account_id', h.account_id, 'open_amount', h.open_amount,
    'created_at', h.created_at, 'expires_at', h.expires_at
  ) order by h.id) filter (where h.row_no <= 10), '[]'),
    md5(string_agg(format('%s %s', h.id, trim_scale(h.open_amount)), ',' order by h.id))
  from (
    select hold.id, hold.account_id, hold.open_amount, hold.created_at, hold.expires_at,
      row_number() over (order by hold.id) as row_no
    from saldo.hold
    where hold.status = 'HELD'
    and hold.created_at < saldo_private.day_begins_at(checklist__hold.ends_on + 1)
  ) as h
$$;
comment on function saldo_private.checklist__hold is
  'Holds placed up to the end of the period that are open.';

create or replace function saldo_private.checklist__suspense(ends_on date)
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'account_id', s.account_id, 'code', s.code, 'balance', s.balance
  ) order by s.account_id), '[]'),
    md5(string_agg(format('%s %s', s.account_id, trim_scale(s.balance)), ','
      order by s.account_id))
  from (
    select a.id as account_id, a.code, sum(m.credit - m.debit) as balance
    from saldo.account as a
    join saldo_private.posted_movement as m on m.account_id = a.id
    where a.code like 'suspense:%'
    and m.month <= checklist__suspense.ends_on
    group by a.id
    having sum(m.credit - m.debit) <> 0
  ) as s
$$;
comment on function saldo_private.checklist__suspense is
  'Suspense accounts that are not zero at the end of the period.';

create or replace function saldo_private.checklist__rerating(ends_on date)
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'rerating_id', g.id, 'operation', g.operation, 'status', g.status, 'done_count', g.done_count,
    'reading_count', g.reading_count
  ) order by g.id), '[]'), md5(string_agg(g.id::text, ',' order by g.id))
  from saldo.rerating as g
  where g.status <> 'done'
  and g.from_date <= checklist__rerating.ends_on
$$;
comment on function saldo_private.checklist__rerating is
  'Re-ratings of readings up to the end of the period that are open, or failed.';

create or replace function saldo_private.checklist__reading(ends_on date)
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'customer', c.code, 'meter', m.code, 'read_at', r.read_at, 'reason', u.reason_text
  ) order by u.row_no) filter (where u.row_no <= 10), '[]'),
    md5(string_agg(u.reading_id::text, ',' order by u.row_no))
  from (
    select o.*, row_number() over (order by o.read_on, o.reading_id) as row_no
    from saldo_private.unrated_open() as o
    where o.read_on <= checklist__reading.ends_on
  ) as u
  left join saldo.reading as r on r.account_id = u.account_id and r.id = u.reading_id
    and u.row_no <= 10
  left join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
  left join saldo.customer as c on c.account_id = r.account_id
$$;
comment on function saldo_private.checklist__reading is
  'Readings up to the end of the period that wait for a price or factor: their consumption is in '
  'no bill.';

create or replace function saldo_private.checklist__branch(ends_on date)
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select count(*),
    coalesce(jsonb_agg(o.what order by o.row_no) filter (where o.row_no <= 10), '[]'),
    md5(string_agg((o.what - 'last_push_at')::text, ',' order by o.row_no))
  from (
    select each.what, row_number() over (order by each.kind, each.what::text) as row_no
    from (
      select 1 as kind, jsonb_build_object('missing', format('%s-%s-%s', g.branch_code,
        g.device_no, g.epoch_no), 'first_seq', g.first_seq, 'last_seq', g.last_seq,
        'known_since', g.known_since) as what
      from saldo_private.open_branch_gaps() as g
      union all
      -- What a till holds that was not heard of since, nobody knows.
      select 2, jsonb_build_object('not_heard_of', format('%s-%s', b.code, d.device_no),
        'last_push_at', d.last_push_at)
      from saldo.branch_device as d
      join saldo.branch as b on b.id = d.branch_id
      where d.state <> 'closed'
      and d.enrolled_at < saldo_private.day_begins_at(checklist__branch.ends_on + 1)
      and coalesce(d.last_push_at, d.enrolled_at)
        < saldo_private.day_begins_at(checklist__branch.ends_on + 1)
      union all
      select 3, jsonb_build_object('waits_for_decision', i.id, 'verdict', i.verdict,
        'reason', i.verdict_reason)
      from saldo.branch_intake as i
      where i.verdict in ('quarantined', 'conflict')
      and coalesce(i.business_date, saldo_private.business_date(i.received_at))
        <= checklist__branch.ends_on
    ) as each
  ) as o
$$;
comment on function saldo_private.checklist__branch is
  'Rows that tills have told of and not sent, tills that were not heard of since the end of the '
  'period, and rows of it that wait for a decision.';

create or replace function saldo_private.checklist__stale(ends_on date, last saldo.check_run)
returns boolean
language sql
stable
as $$
  -- By what the check could see, not by the clock, which may have been set since. Numbers beyond
  -- the current ones are of another cluster, from which the books were restored.
  select last.id is null or exists (
    select
    from saldo.journal_entry as e
    where e.posted_in >= pg_snapshot_xmin(last.snapshot::pg_snapshot)
    and e.posted_in < pg_snapshot_xmax(pg_current_snapshot())
    and e.posting_date between saldo_private.month_of(checklist__stale.ends_on)
      and checklist__stale.ends_on
    and not pg_visible_in_snapshot(e.posted_in, last.snapshot::pg_snapshot)
    and (e.posted_in is distinct from pg_current_xact_id_if_assigned()
      or e.posted_at > last.started_at)
  )
$$;
comment on function saldo_private.checklist__stale is
  'Whether something was posted in the month that the check has not seen, or there was no check.';

create or replace function saldo_private.checklist__finding(
  last saldo.check_run,
  is_registered boolean
)
returns table (finding_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'rule', f.rule, 'key', f.key, 'stored', f.stored, 'derived', f.derived
  ) order by f.id) filter (where f.row_no <= 10), '[]'),
    -- Without ids: each check finds them again.
    md5(string_agg(f.what, ',' order by f.what))
  from (
    select finding.id, finding.rule, finding.key, finding.stored, finding.derived,
      concat_ws(' ', finding.rule, finding.key, finding.stored, finding.derived) as what,
      row_number() over (order by finding.id) as row_no
    from saldo.finding
    join saldo.balance_rule as r on r.name = finding.rule
    where finding.check_run_id = last.id
    and r.is_registered = checklist__finding.is_registered
    -- An item of its own, by the end of the period.
    and r.name <> 'reading_unrated'
  ) as f
$$;
comment on function saldo_private.checklist__finding is
  'Findings of a check: of the engine''s own rules, or of those over tables of others.';

create or replace function saldo_private.checklist__rule(ends_on date)
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select found.finding_count + last.is_stale::integer,
    jsonb_build_array(jsonb_build_object(
      'check_run_id', (last.run).id, 'finished_at', (last.run).finished_at,
      'is_before_the_last_posting', case when (last.run).id is not null then last.is_stale end
    )) || found.evidence, found.content
  from (
    select run, saldo_private.checklist__stale(checklist__rule.ends_on, run) as is_stale
    from (select) as one
    left join saldo_private.last_check() as run on true
  ) as last
  cross join lateral saldo_private.checklist__finding(last.run, false) as found
$$;
comment on function saldo_private.checklist__rule is
  'Findings of the engine''s rules in the last check; one more when it is older than the last '
  'posting of the month, or there was none.';

create or replace function saldo_private.checklist__registered_rule()
returns table (open_count bigint, evidence jsonb, content text)
language sql
stable
as $$
  select found.finding_count, found.evidence, found.content
  from saldo_private.last_check() as last
  cross join lateral saldo_private.checklist__finding(last, true) as found
  union all
  -- That there was no check is told by the engine's rules.
  select 0, '[]', null
  where not exists (select from saldo_private.last_check())
$$;
comment on function saldo_private.checklist__registered_rule is
  'Findings of registered rules in the last check, and rules of them that could not run.';

create or replace function saldo_private.checklist__open(ends_on date)
returns table (
  item text,
  title text,
  open_count bigint,
  evidence jsonb,
  content text
)
language sql
stable
as $$
  select each.item, each.title, each.open_count, each.evidence, each.content
  from (
    select 1 as position, 'drafts' as item, 'No drafts' as title, d.open_count, d.evidence,
      d.content
    from saldo_private.checklist__draft(checklist__open.ends_on) as d
    union all
    select 2, 'pending', 'Nothing waits for settlement', p.open_count, p.evidence, p.content
    from saldo_private.checklist__pending(checklist__open.ends_on) as p
    union all
    select 3, 'holds', 'No open holds', h.open_count, h.evidence, h.content
    from saldo_private.checklist__hold(checklist__open.ends_on) as h
    union all
    select 4, 'suspense', 'Suspense accounts are zero', s.open_count, s.evidence, s.content
    from saldo_private.checklist__suspense(checklist__open.ends_on) as s
    union all
    select 5, 'reratings', 'No re-rating is open', g.open_count, g.evidence, g.content
    from saldo_private.checklist__rerating(checklist__open.ends_on) as g
    union all
    select 6, 'readings', 'All readings are rated', n.open_count, n.evidence, n.content
    from saldo_private.checklist__reading(checklist__open.ends_on) as n
    union all
    select 7, 'branches', 'Branches are complete', b.open_count, b.evidence, b.content
    from saldo_private.checklist__branch(checklist__open.ends_on) as b
    union all
    select 8, 'rules', 'All rules are clean', r.open_count, r.evidence, r.content
    from saldo_private.checklist__rule(checklist__open.ends_on) as r
    union all
    select 9, 'registered_rules', 'Rules over your own tables are clean', r.open_count, r.evidence,
      r.content
    from saldo_private.checklist__registered_rule() as r
  ) as each
  order by each.position
$$;
comment on function saldo_private.checklist__open is
  'The checklist of the period that ends on this day, with a hash of all that is open of each '
  'item.';

create or replace function saldo_private.checklist(ends_on date)
returns setof saldo.checklist_item
language sql
stable
as $$
  select c.item, c.title, c.open_count = 0, c.open_count, c.evidence
  from saldo_private.checklist__open(checklist.ends_on) as c
$$;
comment on function saldo_private.checklist is 'The checklist of the period that ends on this day.';

create or replace function saldo.period_checklist(month date)
returns setof saldo.checklist_item
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
set jit = off -- as for rules
as $$
begin
  if (month between '1900-01-01' and '9999-12-31') is not true then
    perform saldo_private.fail('input_invalid', 'month: a day from 1900 to 9999');
  end if;
  return query
  select c.item, c.title, c.is_passed, c.open_count, c.evidence
  from saldo_private.checklist(
    (saldo_private.month_of(month) + interval '1 month - 1 day')::date
  ) as c;
end
$$;
comment on function saldo.period_checklist is
  'What has to be in order before a month is closed: drafts, pending (transactions that wait for '
  'settlement), holds, suspense, reratings (jobs whose differences would be late), readings (those '
  'without a price or factor, which are in no bill), branches (what tills have not sent, and rows '
  'to be decided), rules (the engine''s own) and registered_rules (those over your tables); how '
  'many of each are open, and the first of them. Rules go by the last check; close_period makes a '
  'new one. Error: SB010 input_invalid.';
revoke execute on function saldo.period_checklist from public;
grant execute on function saldo.period_checklist to saldo_admin, saldo_operator;

comment on type saldo.checklist_item is 'An item of the checklist of a period.';
comment on column saldo.checklist_item.item is 'Name of the item, by which it is waived.';
comment on column saldo.checklist_item.title is 'What has to be in order.';
comment on column saldo.checklist_item.is_passed is 'Whether it is in order.';
comment on column saldo.checklist_item.open_count is 'How many things are not in order.';
comment on column saldo.checklist_item.evidence is 'The first of the things that are not in order.';
