-- Verification: the books computed again from the journal alone, and compared with the seals.
--
-- Public: verify_journal. Private: verify_entries, verify_slipped_in, verify_seals, verify_head,
-- verify_months, verify_books, verify_snapshots (a part each).
-- Each part is one statement and changes nothing. A human settles what is found: there is no heal.
-- It starts from the seals, so that an emptied journal is found as well.

create or replace function saldo_private.verify_entries(from_number bigint)
returns setof saldo.journal_difference
language sql
stable
as $$
  select case
      when h.entry_id is null then 'entry_missing'
      when h.entry_part <> s.entry_part or h.status = 'draft' then 'entry_changed'
      when h.lines_found < h.line_count then 'line_missing'
      when h.lines_found > h.line_count then 'line_inserted'
      else 'line_changed'
    end::saldo.journal_difference_kind,
    s.entry_id::text, s.entry_id, s.seal_number, encode(s.hash, 'hex'),
    case when h.status = 'draft' then 'a draft' else encode(h.hash, 'hex') end
  from saldo.journal_seal_entry as s
  left join saldo_private.journal_entry_hash as h on h.entry_id = s.entry_id
  where s.seal_number >= verify_entries.from_number
  and (h.hash is distinct from s.hash or h.status = 'draft')
$$;
comment on function saldo_private.verify_entries is
  'Entries that are not what was sealed, from this seal on.';

create or replace function saldo_private.verify_slipped_in()
returns setof saldo.journal_difference
language sql
stable
as $$
  select case when twin.id is null then 'entry_inserted'
      else 'entry_doubled' end::saldo.journal_difference_kind,
    e.id::text, e.id, null::bigint, null::text,
    case when twin.id is null then format('posted at %s, and never sealed', e.posted_at)
      else format('the same as %s, which is sealed', twin.id) end
  from saldo_private.seal_progress as p
  join saldo.journal_entry as e on e.posted_in < p.sealed_until
    or e.posted_in >= pg_snapshot_xmax(pg_current_snapshot())
  left join lateral (
    select t.id
    from saldo.journal_entry as t
    join saldo.journal_seal_entry as sealed on sealed.entry_id = t.id
    where t.posting_date = e.posting_date
    and t.occurred_at = e.occurred_at
    and (t.description, t.source, t.metadata) = (e.description, e.source, e.metadata)
    and t.idempotency_key is not distinct from e.idempotency_key
    and t.id <> e.id
    limit 1
  ) as twin on true
  where p.id = 1
  and p.catch_up_from is null
  and p.cluster = saldo_private.current_cluster()
  and e.posted_in is distinct from pg_current_xact_id_if_assigned()
  and not exists (select from saldo.journal_seal_entry as s where s.entry_id = e.id)
  union all
  select 'line_inserted', r.key, (r.detail ->> 'entry_id')::uuid, null, null, r.stored
  from saldo_private.rule_orphan_line() as r
  where not (r.detail ->> 'has_entry')::boolean
  and not exists (
    select
    from saldo.journal_seal_entry as s
    where s.entry_id = (r.detail ->> 'entry_id')::uuid
  )
$$;
comment on function saldo_private.verify_slipped_in is
  'Entries that a sealer should have found and never did, as the engine did not post them; lines '
  'without any entry.';

create or replace function saldo_private.verify_seals(from_number bigint)
returns setof saldo.journal_difference
language sql
stable
as $$
  with seal as (
    select s as sealed, lag(s.hash) over (order by s.number) as hash_before,
      lag(s.number, 1, 0::bigint) over (order by s.number) as number_before,
      listed.entries_hash
    from saldo.journal_seal as s
    left join (
      select e.seal_number, sha256(convert_to(string_agg(
        e.entry_id || E'\t' || encode(e.hash, 'hex') || E'\n', '' order by e.entry_id
      ), 'UTF8')) as entries_hash
      from saldo.journal_seal_entry as e
      where e.seal_number >= verify_seals.from_number
      group by e.seal_number
    ) as listed on listed.seal_number = s.number
    where s.number >= verify_seals.from_number - 1
  ),
  difference as (
    select 'seal_changed' as kind, (s.sealed).number, encode((s.sealed).hash, 'hex') as stored,
      encode(sha256(convert_to(saldo_private.seal_text(s.sealed), 'UTF8')), 'hex') as derived
    from seal as s
    union all
    select 'seal_changed', (s.sealed).number, encode((s.sealed).entries_hash, 'hex'),
      encode(s.entries_hash, 'hex')
    from seal as s
    union all
    select 'chain_broken', (s.sealed).number, encode((s.sealed).previous_hash, 'hex'),
      encode(s.hash_before, 'hex')
    from seal as s
    where s.number_before = (s.sealed).number - 1
    union all
    select 'seal_missing', (s.sealed).number - 1, format('%s follows', (s.sealed).number),
      case when s.number_before = (s.sealed).number - 1 then format('%s follows', (s.sealed).number)
        else format('%s is before', s.number_before) end
    from seal as s
  )
  select d.kind::saldo.journal_difference_kind, format('seal %s', d.number), null::uuid, d.number,
    d.stored, d.derived
  from difference as d
  where d.stored is distinct from d.derived
  and case d.kind when 'seal_missing' then d.number + 1 else d.number end
    >= verify_seals.from_number
  union all
  select 'seal_missing', format('seal %s', e.seal_number), null, e.seal_number, null,
    format('%s entries of it', count(*))
  from saldo.journal_seal_entry as e
  where e.seal_number >= verify_seals.from_number
  and not exists (select from saldo.journal_seal as s where s.number = e.seal_number)
  group by e.seal_number
$$;
comment on function saldo_private.verify_seals is
  'Seals whose text has not their hash, whose list of entries is another, or that do not follow on '
  'the seal before, from this one on.';

create or replace function saldo_private.verify_seal_totals(from_number bigint)
returns setof saldo.journal_difference
language sql
stable
as $$
  select 'total_differs'::saldo.journal_difference_kind, format('seal %s %s', number, currency),
    null::uuid, number, format('%s lines, debit %s, credit %s', t.line_count,
      trim_scale(t.debit), trim_scale(t.credit)),
    format('%s lines, debit %s, credit %s', coalesce(j.line_count, 0),
      trim_scale(coalesce(j.debit, 0)), trim_scale(coalesce(j.credit, 0)))
  from (
    select s.seal_number as number, s.currency, s.line_count, s.debit, s.credit
    from saldo.journal_seal_total as s
    where s.seal_number >= verify_seal_totals.from_number
  ) as t
  full join (
    select e.seal_number as number, coalesce(a.currency, 'unknown') as currency,
      count(*) as line_count, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_seal_entry as e
    join saldo.journal_line as l on l.entry_id = e.entry_id
    left join saldo.account as a on a.id = l.account_id
    where e.seal_number >= verify_seal_totals.from_number
    group by 1, 2
  ) as j using (number, currency)
  where (t.line_count, t.debit::numeric, t.credit::numeric)
    is distinct from (j.line_count, j.debit, j.credit)
$$;
comment on function saldo_private.verify_seal_totals is
  'Seals whose control totals are not those of the journal, from this one on.';

create or replace function saldo_private.verify_head()
returns setof saldo.journal_difference
language sql
stable
as $$
  select 'seal_missing'::saldo.journal_difference_kind, format('seal %s', p.head_number),
    null::uuid, p.head_number, format('%s %s', last.number, encode(last.hash, 'hex')),
    format('%s %s', p.head_number, encode(p.head_hash, 'hex'))
  from (select) as one
  left join saldo_private.seal_progress as p on p.id = 1
  left join lateral (
    select s.number, s.hash
    from saldo.journal_seal as s
    order by s.number desc
    limit 1
  ) as last on true
  where (p.head_number, p.head_hash) is distinct from (coalesce(last.number, 0), last.hash)
$$;
comment on function saldo_private.verify_head is
  'The last seal, where it is not the one that the sealer made last.';

create or replace function saldo_private.verify_months()
returns setof saldo.journal_difference
language sql
stable
as $$
  select 'total_differs'::saldo.journal_difference_kind, format('month %s %s', t.month, t.currency),
    null::uuid, null::bigint, format('%s lines, debit %s, credit %s sealed', t.line_count,
      trim_scale(t.debit), trim_scale(t.credit)),
    format('%s lines, debit %s, credit %s', j.line_count, trim_scale(j.debit),
      trim_scale(j.credit))
  from (
    select s.month, total.currency, sum(total.line_count) as line_count, sum(total.debit) as debit,
      sum(total.credit) as credit
    from saldo.journal_seal as s
    join saldo.journal_seal_total as total on total.seal_number = s.number
    group by 1, 2
  ) as t
  left join (
    select p.month, a.currency, sum(p.line_count) as line_count, sum(p.debit) as debit,
      sum(p.credit) as credit
    from saldo_private.posted_movement as p
    join saldo.account as a on a.id = p.account_id
    group by 1, 2
  ) as m on m.month = t.month and m.currency = t.currency
  -- Movements may be wrong where the journal is not: that is a drift, which is healed from it.
  cross join lateral (
    select count(*) as line_count, coalesce(sum(l.debit), 0) as debit,
      coalesce(sum(l.credit), 0) as credit
    from saldo.journal_line as l
    join saldo.account as a on a.id = l.account_id
    where l.posting_date between t.month and (t.month + interval '1 month - 1 day')::date
    and a.currency = t.currency
  ) as j
  where t.currency <> 'unknown'
  and (t.line_count > m.line_count or t.debit > m.debit or t.credit > m.credit) is not false
  and (t.line_count > j.line_count or t.debit > j.debit or t.credit > j.credit)
$$;
comment on function saldo_private.verify_months is
  'Months in which more is sealed than the journal has. It asks the movements first, and reads the '
  'journal of those months only where they have less: it is cheap, and sees a journal and '
  'movements that vanished together.';

create or replace function saldo_private.verify_snapshots()
returns setof saldo.journal_difference
language sql
stable
as $$
  with movement as (
    select l.account_id, p.fiscal_year, p.number, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    cross join lateral (
      select extract(year from l.posting_date)::integer as fiscal_year,
        case when e.source = 'close_year' and to_char(l.posting_date, 'MMDD') = '1231' then 13
          else extract(month from l.posting_date)::integer end as number
    ) as p
    -- Posted, that is; a status is no estimate that a planner could go by.
    where e.posted_in is not null
    group by 1, 2, 3
  ),
  total as (
    select each.account_id, each.fiscal_year, each.number, each.is_seal, each.debit_total,
      each.credit_total,
      sum(each.debit) over w as debit, sum(each.credit) over w as credit
    from (
      select m.account_id, m.fiscal_year, m.number, false as is_seal, m.debit, m.credit,
        null::numeric as debit_total, null::numeric as credit_total
      from movement as m
      union all
      select known.id, p.fiscal_year, p.number, true, 0, 0, s.debit_total, s.credit_total
      from saldo.period as p
      cross join (
        select m.account_id as id from movement as m
        union
        select snapshot.account_id from saldo.closing_snapshot as snapshot
      ) as known
      left join saldo.closing_snapshot as s on s.fiscal_year = p.fiscal_year
        and s.number = p.number
        and s.account_id = known.id
      where p.snapshot_hash is not null
    ) as each
    window w as (
      partition by each.account_id
      order by each.fiscal_year, each.number, each.is_seal
    )
  )
  select 'snapshot_differs'::saldo.journal_difference_kind,
    format('%s/%s/%s', t.fiscal_year, t.number, t.account_id), null::uuid, null::bigint,
    format('debit %s, credit %s', trim_scale(t.debit_total), trim_scale(t.credit_total)),
    format('debit %s, credit %s', trim_scale(t.debit), trim_scale(t.credit))
  from total as t
  where t.is_seal
  and (coalesce(t.debit_total, 0), coalesce(t.credit_total, 0)) <> (t.debit, t.credit)
  union all
  select 'snapshot_differs', format('%s/%s', p.fiscal_year, p.number), null, null,
    encode(p.snapshot_hash, 'hex'),
    encode(saldo_private.snapshot_hash(p.fiscal_year, p.number), 'hex')
  from saldo.period as p
  where p.snapshot_hash <> saldo_private.snapshot_hash(p.fiscal_year, p.number)
$$;
comment on function saldo_private.verify_snapshots is
  'Sealed totals of each closed period that are not those of the journal, or have another hash.';

create or replace function saldo_private.verify_books()
returns setof saldo.journal_difference
language sql
stable
as $$
  select 'entry_unbalanced'::saldo.journal_difference_kind, r.key, r.key::uuid, null::bigint,
    format('debit %s', r.stored), format('credit %s', r.derived)
  from saldo_private.rule_entry_balance() as r
  union all
  select 'reversal_differs', r.key, r.key::uuid, null, r.stored, r.derived
  from saldo_private.rule_reversal() as r
  union all
  select 'account_differs', r.key, null, null, r.stored, r.derived
  from saldo_private.rule_account_balance() as r
  union all
  select 'month_differs', r.key, null, null, r.stored, r.derived
  from saldo_private.rule_month_movement() as r
$$;
comment on function saldo_private.verify_books is
  'Entries that do not balance, reversals that do not cancel, totals and months that are not those '
  'of the journal.';

create or replace function saldo.verify_journal(row_limit integer default 1000)
returns setof saldo.journal_difference
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
set jit = off -- as for rules
as $$
begin
  if (row_limit between 1 and 1000000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1000000');
  end if;
  return query
  select part.kind, part.key, part.entry_id, part.seal_number, part.stored, part.derived
  from (
    select 1 as place, v.* from saldo_private.verify_head() as v
    union all
    select 2, v.* from saldo_private.verify_seals(1) as v
    union all
    select 3, v.* from saldo_private.verify_seal_totals(1) as v
    union all
    select 4, v.* from saldo_private.verify_months() as v
    union all
    select 5, v.* from saldo_private.verify_snapshots() as v
    union all
    select 6, v.* from saldo_private.verify_entries(1) as v
    union all
    select 7, v.* from saldo_private.verify_slipped_in() as v
    union all
    select 8, v.* from saldo_private.verify_books() as v
  ) as part
  order by part.place, part.seal_number, part.key
  limit row_limit;
end
$$;
comment on function saldo.verify_journal is
  'Computes everything again from the journal alone, and returns what differs: seals and their '
  'chain, control totals, snapshots of closed periods, entries, what was slipped in, balance of '
  'entries, account totals, months. No row = nothing differs. At most row_limit rows (1 to '
  '1000000). Reads the whole journal. Error: SB010 input_invalid.';
revoke execute on function saldo.verify_journal from public;
grant execute on function saldo.verify_journal to saldo_admin, saldo_operator;

comment on type saldo.journal_difference_kind is
  'What is not as it was sealed, or as it should be.';
comment on type saldo.journal_difference is 'Something that a verification found.';
comment on column saldo.journal_difference.kind is 'Kind of the difference.';
comment on column saldo.journal_difference.key is
  'What it is about: an entry, a seal, a month, a period, an account.';
comment on column saldo.journal_difference.entry_id is 'The entry, where it is about one.';
comment on column saldo.journal_difference.seal_number is 'The seal, where it is about one.';
comment on column saldo.journal_difference.stored is
  'Figure or hash that is stored, or was sealed.';
comment on column saldo.journal_difference.derived is
  'Figure or hash that follows from the journal.';
