-- The rule over seals of rows: what heals and settlements derive from is as the engine wrote it.
--
-- Private: rule_row_seal and its parts, unproven_source. It has no heal: a human decides, and
-- accept_rows takes rows as they are.

create or replace function saldo_private.recent_row_seal()
returns bigint
language sql
stable
as $$
  select coalesce(max(p.head_number) - 50, 0)
  from saldo_private.row_seal_progress as p
$$;
comment on function saldo_private.recent_row_seal is
  'The seal from which on an incremental check computes again.';

create or replace function saldo_private.rule_row_seal__contested()
returns table (key text, account_id bigint, stored text, derived text, difference numeric,
  detail jsonb)
language sql
stable
as $$
  select format('%s of account %s%s', c.source, c.account_id,
      case when c.slot_no > 0 then format(', slot %s', c.slot_no) else '' end),
    nullif(c.account_id, 0), 'written past the engine', 'written by the engine', null::numeric,
    jsonb_build_object('kind', 'row_contested', 'source', c.source, 'contested_at',
      c.contested_at)
  from saldo_private.contested_row as c
  -- Slots are a cache: whether they are right is another rule's.
  where c.source <> 'account_slot'
$$;
comment on function saldo_private.rule_row_seal__contested is
  'Rows that the guard saw written past the engine, and that nobody has accepted.';

create or replace function saldo_private.rule_row_seal__stretches(is_full boolean)
returns table (key text, account_id bigint, stored text, derived text, difference numeric,
  detail jsonb)
language sql
stable
as $$
  select format('sub_balance of account %s, slot %s, rows %s to %s', d.account_id, d.slot_no,
      d.first_seq, d.last_seq),
    d.account_id,
    format('%s rows, debit %s, credit %s', d.found_count, trim_scale(d.found_debit),
      trim_scale(d.found_credit)),
    format('%s rows, debit %s, credit %s', d.last_seq - d.first_seq + 1, trim_scale(d.debit),
      trim_scale(d.credit)),
    trim_scale((d.found_debit - d.found_credit) - (d.debit - d.credit)),
    jsonb_build_object('kind', case
        when d.found_count < d.last_seq - d.first_seq + 1 then 'row_missing'
        when d.found_count > d.last_seq - d.first_seq + 1 then 'row_inserted'
        else 'row_changed' end,
      'source', 'sub_balance', 'slot_no', d.slot_no, 'first_seq', d.first_seq,
      'last_seq', d.last_seq, 'seal_number', d.seal_number)
  from (
    select each.*
    from saldo_private.stretch_difference() as each
    where is_full
    union
    select each.*
    from saldo_private.settlement_mark as m
    cross join lateral saldo_private.stretch_difference(m.account_id, m.slot_no, m.seq) as each
    where not is_full
    union
    select each.*
    from saldo_private.stretch_difference(
      from_seal => (select saldo_private.recent_row_seal())
    ) as each
    where not is_full
  ) as d
$$;
comment on function saldo_private.rule_row_seal__stretches is
  'Stretches whose rows are not those that were sealed: all, or pending ones and those of recent '
  'seals.';

create or replace function saldo_private.rule_row_seal__records(is_full boolean)
returns table (key text, account_id bigint, stored text, derived text, difference numeric,
  detail jsonb)
language sql
stable
as $$
  select format('%s %s', d.source, d.id), nullif(d.account_id, 0),
    case d.kind when 'row_missing' then 'gone' when 'row_inserted' then 'not sealed'
      else 'changed' end,
    case d.kind when 'row_inserted' then 'sealed soon after it was written'
      else format('as in seal %s', d.seal_number) end,
    null::numeric,
    jsonb_build_object('kind', d.kind, 'source', d.source, 'id', d.id, 'seal_number',
      d.seal_number)
  from (
    select each.*
    from saldo_private.record_difference(
      from_seal => case when not is_full then (select saldo_private.recent_row_seal()) end
    ) as each
    union all
    select each.source, each.owner_id, each.id, each.account_id, null, 'row_inserted'
    from saldo_private.unsealed_record() as each
    where is_full
  ) as d
$$;
comment on function saldo_private.rule_row_seal__records is
  'Records that are not what was sealed, are gone, or were never sealed: all, or those of recent '
  'seals.';

create or replace function saldo_private.rule_row_seal__chain(is_full boolean)
returns table (key text, account_id bigint, stored text, derived text, difference numeric,
  detail jsonb)
language sql
stable
as $$
  with seal as (
    select s as sealed, lag(s.hash) over (order by s.number) as hash_before,
      lag(s.number, 1, 0::bigint) over (order by s.number) as number_before
    from saldo_private.row_seal as s
    where is_full
    or s.number >= (select saldo_private.recent_row_seal())
  ),
  difference as (
    select (s.sealed).number, encode((s.sealed).hash, 'hex') as stored,
      encode(sha256(convert_to(saldo_private.row_seal_text(s.sealed), 'UTF8')), 'hex') as derived
    from seal as s
    union all
    select (s.sealed).number, encode((s.sealed).rows_hash, 'hex'), encode(coalesce(
        saldo_private.sealed_stretches_hash((s.sealed).number),
        saldo_private.sealed_records_hash((s.sealed).number)
      ), 'hex')
    from seal as s
    union all
    select (s.sealed).number, encode((s.sealed).previous_hash, 'hex'), encode(s.hash_before, 'hex')
    from seal as s
    where s.number_before > 0 or (s.sealed).number = 1
    union all
    select p.head_number, encode(last.hash, 'hex'), encode(p.head_hash, 'hex')
    from saldo_private.row_seal_progress as p
    left join saldo_private.row_seal as last on last.number = p.head_number
    where p.id = 1
  )
  select format('seal %s', d.number), null::bigint, d.stored, d.derived, null::numeric,
    jsonb_build_object('kind', 'seal_changed', 'seal_number', d.number)
  from difference as d
  where d.stored is distinct from d.derived
  group by d.number, d.stored, d.derived
$$;
comment on function saldo_private.rule_row_seal__chain is
  'Seals over rows whose text or list has not their hash, that do not follow on the seal before, '
  'or are gone at the end: all, or recent ones.';

create or replace function saldo_private.rule_row_seal(since pg_snapshot default null)
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
  select * from saldo_private.rule_row_seal__contested()
  union all
  select * from saldo_private.rule_row_seal__stretches(since is null)
  union all
  select * from saldo_private.rule_row_seal__records(since is null)
  union all
  select * from saldo_private.rule_row_seal__chain(since is null)
$$;
comment on function saldo_private.rule_row_seal is
  'Rows that were written past the engine, that are not what was sealed, are gone, or were added. '
  'Since a snapshot: what is pending, and recent seals.';

create or replace function saldo_private.unproven_source(rule text, account_id bigint)
returns text
language sql
stable
as $$
  select case
    when rule = 'account_slot' and saldo_private.is_slot_source_unproven(account_id)
    then 'Rows or holds of this account are not as the engine wrote them: a human decides.'
    when rule = 'held_total' and (saldo_private.is_contested(account_id, array['hold'])
      or exists (select from saldo_private.hold_difference(account_id)))
    then 'Holds of this account are not as the engine wrote them: a human decides.'
    when rule = 'customer_month_total'
      and saldo_private.proven_customers(array[unproven_source.account_id]) = '{}'
    then 'Records of this customer are not as the engine wrote them: a human decides.'
  end
$$;
comment on function saldo_private.unproven_source is
  'Why a cache of an account may not be derived again: what it derives from is not proven. Null = '
  'it may.';
