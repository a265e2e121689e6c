-- The rules over branches: what tills told, what is filed and what is posted are the same.
--
-- Private: rule_branch_entry, rule_branch_cash, rule_branch_totals, rule_branch_chain,
-- rule_branch_gap. There is no heal: a human has to say which side is right.

create or replace function saldo_private.rule_branch_entry()
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
  with posted as (
    select e.id, e.kind, e.status, count(l.entry_id) as line_count,
      sum(l.debit - l.credit) filter (where l.account_id = b.cash_account_id) as cash,
      b.cash_account_id
    from saldo.journal_entry as e
    join saldo.branch as b on b.code = e.metadata ->> 'branch'
    left join saldo.journal_line as l on l.entry_id = e.id
    where e.source = 'branch'
    and e.kind <> 'reversal'
    and e.status <> 'draft'
    -- Asked once: without branches no entry is read.
    and exists (select from saldo.branch)
    group by e.id, b.id
  ),
  filed as (
    select i.id, b.cash_account_id, i.entry_id,
      case i.flow when 'IN' then i.amount else -i.amount end::numeric as cash,
      i.voided_by is not null as is_voided
    from saldo.branch_intake as i
    join saldo.branch as b on b.id = i.branch_id
    where i.kind = 'entry'
    and i.verdict = 'accepted'
  )
  select coalesce('row ' || f.id, 'entry ' || p.id),
    coalesce(f.cash_account_id, p.cash_account_id), coalesce(p.cash || ' ' || p.status, 'no entry'),
    coalesce(f.cash || case when f.is_voided then ' reversed' else ' posted' end, 'no row'),
    coalesce(p.cash, 0) - coalesce(f.cash, 0),
    jsonb_build_object('intake_id', f.id, 'entry_id', coalesce(p.id, f.entry_id))
  from filed as f
  full join posted as p on p.id = f.entry_id
  where case
      when p.id is null then f.id is not null
      -- A move out of suspense touches no cash, and has its row by another column.
      when f.id is null then p.cash is not null or not exists (
        select
        from saldo.branch_intake as i
        where i.repost_entry_id = p.id
      )
      else (p.cash = f.cash and p.line_count = 2
        and (p.status = 'reversed') = f.is_voided) is not true
    end
$$;
comment on function saldo_private.rule_branch_entry is
  'Accepted entries of tills without their journal entry, journal entries of tills without their '
  'row, those of another amount, and voids that did not reverse.';

create or replace function saldo_private.rule_branch_cash()
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
  select b.code, b.cash_account_id, coalesce(booked.cash, 0)::text, coalesce(filed.cash, 0)::text,
    coalesce(booked.cash, 0) - coalesce(filed.cash, 0),
    jsonb_build_object('branch_id', b.id, 'rows', filed.row_count)
  from saldo.branch as b
  left join lateral (
    select sum(l.debit - l.credit) as cash
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where l.account_id = b.cash_account_id
    and e.source = 'branch'
    and e.status <> 'draft'
  ) as booked on true
  left join lateral (
    select sum(case i.flow when 'IN' then i.amount else -i.amount end) as cash,
      count(*) as row_count
    from saldo.branch_intake as i
    where i.branch_id = b.id
    and i.kind in ('entry', 'void')
    and i.verdict = 'accepted'
    and i.entry_id is not null
  ) as filed on true
  where coalesce(booked.cash, 0) <> coalesce(filed.cash, 0)
$$;
comment on function saldo_private.rule_branch_cash is
  'Branches whose cash account was moved by their rows otherwise than the accepted rows say.';

create or replace function saldo_private.rule_branch_totals()
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
  select format('%s-%s-%s', b.code, d.device_no, e.epoch_no), b.cash_account_id,
    format('%s rows, in %s, out %s', held.row_count, held.in_total, held.out_total),
    format('%s rows, in %s, out %s', h.row_count, h.in_total, h.out_total),
    (held.in_total - held.out_total) - (h.in_total - h.out_total),
    jsonb_build_object('device_id', d.id, 'head_seq', h.seq, 'told_at', h.told_at)
  from saldo.branch_epoch as e
  join saldo.branch_device as d on d.id = e.device_id
  join saldo.branch as b on b.id = d.branch_id
  join lateral (
    select each.seq, each.row_count, each.in_total, each.out_total, each.told_at
    from saldo.branch_head as each
    where each.epoch_id = e.id
    and each.seq <= e.whole_to
    order by each.seq desc, each.told_at desc
    limit 1
  ) as h on true
  cross join lateral (
    select count(*) as row_count,
      coalesce(sum(i.amount) filter (where i.flow = 'IN'), 0)::numeric as in_total,
      coalesce(sum(i.amount) filter (where i.flow = 'OUT'), 0)::numeric as out_total
    from saldo.branch_intake as i
    where i.epoch_id = e.id
    and i.has_place
    and i.seq <= h.seq
  ) as held
  where (held.row_count, held.in_total, held.out_total) <> (h.row_count, h.in_total, h.out_total)
$$;
comment on function saldo_private.rule_branch_totals is
  'Epochs of which the centre holds everything up to a told head, and not the count and sums that '
  'the till told with it.';

create or replace function saldo_private.rule_branch_chain__rows()
returns table (intake_id bigint, fault text, stored text, derived text)
language sql
stable
as $$
  select c.id,
    case when c.hash is distinct from c.own_hash then 'hash' else 'previous hash' end,
    case when c.hash is distinct from c.own_hash then c.hash else c.prev_hash end,
    case when c.hash is distinct from c.own_hash then c.own_hash else c.hash_before end
  from (
    select i.id, i.hash, i.prev_hash,
      case when i.seq = 1 then e.previous_hash
        else lag(i.hash) over (partition by i.epoch_id order by i.seq) end as hash_before,
      -- What is before a gap cannot be compared.
      i.seq = 1 or lag(i.seq) over (partition by i.epoch_id order by i.seq) = i.seq - 1
        as has_row_before,
      saldo_private.branch_row_hash(i.device_id, e.epoch, i.seq::text,
        saldo_private.branch_row_content(sent.row_data), i.prev_hash
      ) as own_hash,
      i.first_reason
    from saldo.branch_intake as i
    join saldo.branch_epoch as e on e.id = i.epoch_id
    cross join lateral (
      select saldo_private.row_as_sent(i) as row_data
      offset 0 -- or it is made again for each of its fields
    ) as sent
    where i.has_place
    and i.kind is not null
  ) as c
  where (c.hash is distinct from c.own_hash and c.first_reason is distinct from 'hash_mismatch')
  or (c.has_row_before and c.prev_hash is distinct from c.hash_before)
$$;
comment on function saldo_private.rule_branch_chain__rows is
  'Rows that are not what was hashed, here or at the till, or that do not follow on the one '
  'before. That a row came with a wrong hash is told by its verdict already.';

create or replace function saldo_private.rule_branch_chain()
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
  select 'row ' || r.intake_id, b.cash_account_id, coalesce(r.stored, 'none'),
    coalesce(r.derived, 'none'), null::numeric,
    jsonb_build_object('fault', r.fault, 'device_id', i.device_id, 'seq', i.seq)
  from saldo_private.rule_branch_chain__rows() as r
  join saldo.branch_intake as i on i.id = r.intake_id
  join saldo.branch as b on b.id = i.branch_id
  union all
  select format('head %s of %s-%s-%s', h.seq, b.code, d.device_no, e.epoch_no), b.cash_account_id,
    coalesce(i.hash, 'none'), h.hash, null,
    jsonb_build_object('fault', 'told head', 'device_id', d.id, 'told_at', h.told_at)
  from saldo.branch_head as h
  join saldo.branch_epoch as e on e.id = h.epoch_id
  join saldo.branch_device as d on d.id = e.device_id
  join saldo.branch as b on b.id = d.branch_id
  join saldo.branch_intake as i on i.epoch_id = h.epoch_id
    and i.seq = h.seq
    and i.has_place
  where i.hash is distinct from h.hash
$$;
comment on function saldo_private.rule_branch_chain is
  'Breaks in the chains of tills: a row that was changed, at the till or here, a row that does not '
  'follow on the one before, and a head that was told and is another row''s.';

create or replace function saldo_private.rule_branch_gap()
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
  select format('%s-%s-%s %s to %s', g.branch_code, g.device_no, g.epoch_no, g.first_seq,
      g.last_seq),
    b.cash_account_id, 'missing since ' || saldo_private.instant_text(g.known_since),
    g.row_count || ' rows', null::numeric,
    jsonb_build_object('device_id', g.device_id, 'first_seq', g.first_seq, 'last_seq', g.last_seq)
  from saldo_private.open_branch_gaps() as g
  join saldo.branch as b on b.id = g.branch_id
  where g.known_since
    < now() - make_interval(hours => saldo_private.setting_value('branch_gap_hours')::integer)
$$;
comment on function saldo_private.rule_branch_gap is
  'Rows that a till has told of and not sent for longer than the setting branch_gap_hours, and '
  'that nobody has waived.';

create or replace function saldo_private.silent_branches()
returns table (branch_id bigint, code text, silent_since timestamptz)
language sql
stable
as $$
  select b.id, b.code, max(coalesce(d.last_push_at, d.enrolled_at))
  from saldo.branch as b
  join saldo.branch_device as d on d.branch_id = b.id
  where d.state <> 'closed'
  group by b.id
  having max(coalesce(d.last_push_at, d.enrolled_at))
    < now() - make_interval(hours => saldo_private.setting_value('branch_silent_hours')::integer)
$$;
comment on function saldo_private.silent_branches is
  'Branches with an open device of which nothing was heard for longer than branch_silent_hours.';
