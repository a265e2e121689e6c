-- The rules over idempotency keys: each has its result, and what was made under a key has its
-- record, so that a retry is answered and not carried out again.
--
-- Private: rule_idempotency, rule_idempotency_record, keyed_fact.
-- Records of readings are not looked for: a meter has one reading a time, so a retry is refused.

create or replace function saldo_private.rule_idempotency()
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
  select format('%s %s', i.scope, i.key), null::bigint, i.result_id::text, null::text,
    null::numeric,
    jsonb_build_object('operation', i.operation, 'created_at', i.created_at)
  from saldo_private.idempotency_record as i
  where not exists (select from saldo.journal_entry as e where e.id = i.result_id)
  and not exists (select from saldo.purchase as p where p.id = i.result_id)
  and not exists (select from saldo.hold as h where h.id = i.result_id)
  and not exists (select from saldo.deposit as d where d.id = i.result_id)
  and not exists (select from saldo.balance_adjustment as b where b.id = i.result_id)
  and not exists (select from saldo.reading as r where r.batch_id = i.result_id)
  and not exists (select from saldo.reading as r where r.id = i.result_id)
  and not exists (
    select
    from saldo.sub_balance as s
    where s.account_id = case when i.operation = 'submit_transaction'
      then substring(i.scope from '^account:([0-9]+)$')::bigint end
    and s.id = i.result_id
  )
$$;
comment on function saldo_private.rule_idempotency is
  'Idempotency keys whose result is gone: a retry would find nothing.';

create or replace function saldo_private.keyed_fact(kept_since timestamptz, since pg_snapshot)
returns table (
  scopes text[],
  key text,
  table_name text,
  id uuid,
  account_id bigint,
  recorded_at timestamptz
)
language sql
stable
as $$
  -- A source is no proof of the function that posted: post_entries takes any that is not reserved.
  select case when e.source = 'capture_hold' then array['hold:' || (e.metadata ->> 'hold_id')]
      else array['ledger', e.source,
        case when e.source in ('top_up', 'refund', 'partial_refund', 'top_up_reversal')
          then 'wallet' end] end,
    e.idempotency_key, 'journal_entry', e.id, null::bigint, e.recorded_at
  from saldo.journal_entry as e
  where e.idempotency_key is not null
  -- Their own rows have the key.
  and e.source not in ('purchase', 'deposit')
  and (e.source <> 'capture_hold' or e.metadata ? 'hold_id')
  and e.recorded_at >= kept_since
  and saldo_private.is_posted_since(e.posted_in, since)
  union all
  select array[case when s.hold_id is null then 'account:' || s.account_id
      else 'hold:' || s.hold_id end],
    s.idempotency_key, 'sub_balance', s.id, s.account_id, s.created_at
  from saldo_private.sub_balance_since(since) as s
  where s.idempotency_key is not null
  and s.created_at >= kept_since
  union all
  select array['account:' || h.account_id], h.idempotency_key, 'hold', h.id, h.account_id,
    h.created_at
  from saldo.hold as h
  where since is null
  and h.idempotency_key is not null
  and h.created_at >= kept_since
  union all
  select array['member:' || p.member_id], p.idempotency_key, 'purchase', p.id, p.account_id,
    p.created_at
  from saldo.purchase as p
  where since is null
  and p.idempotency_key is not null
  and p.created_at >= kept_since
  union all
  select array['metering'], d.idempotency_key, 'deposit', d.id, d.account_id, d.recorded_at
  from saldo.deposit as d
  where since is null
  and d.idempotency_key is not null
  and d.recorded_at >= kept_since
$$;
comment on function saldo_private.keyed_fact is
  'What was made under an idempotency key, and the scopes that the key may be of: all that was '
  'recorded since a time, or what a check asks about that knows the rest up to a snapshot.';

create or replace function saldo_private.rule_idempotency_record(since pg_snapshot default null)
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
  select format('%s %s', f.table_name, f.id), f.account_id, 'no record'::text,
    format('the record of the key %s', f.key), null::numeric,
    jsonb_build_object('table', f.table_name, 'id', f.id, 'recorded_at', f.recorded_at)
  from (
    -- Looked up once: within a condition it would be for each row.
    select saldo_private.kept_since('idempotency_record', 'idempotency_keep_days') as since_time
    offset 0
  ) as kept
  cross join lateral saldo_private.keyed_fact(kept.since_time, since) as f
  where not exists (
    select
    from saldo_private.idempotency_record as i
    where since is null
    and i.key = f.key
    and i.scope = any (f.scopes)
  )
  -- What is news is little: its records are looked up, and not all of them read.
  and (since is null or not exists (
    select
    from saldo_private.idempotency_record as i
    where i.key = f.key
    and i.scope = any (f.scopes)
    offset 0
  ))
$$;
comment on function saldo_private.rule_idempotency_record is
  'Entries, purchases, deposits, holds and submitted rows made under a key whose record is gone, '
  'though it is to be kept: a retry would not be answered. All of them, or those since a snapshot.';
