-- Records that are sealed one by one: what of each is hashed, and which are not as it was.
--
-- Private: number_as_uuid, view sealed_source, record_difference, unsealed_record. Holds are in
-- sealed_hold.sql, records of metering in sealed_metering.sql.
-- A text has all columns, in the order of the table; a column that a migration adds is not among
-- them, or all that was sealed before would differ.

create or replace function saldo_private.number_as_uuid(number bigint)
returns uuid
language sql
immutable
as $$
  select lpad(to_hex(number), 32, '0')::uuid
$$;
comment on function saldo_private.number_as_uuid is 'A number in the form of a UUID.';

create or replace view saldo_private.sealed_source
with (security_invoker = true) as
select 'hold'::text as source, h.account_id as owner_id, h.id, h.account_id, h.changed_in,
  saldo_private.hold_text(h) as text
from saldo.hold as h
union all
select 'purchase', p.account_id, p.id, p.account_id, p.changed_in, jsonb_build_array(
    p.id, p.account_id, p.member_id, p.product_id, p.quantity, trim_scale(p.unit_price),
    trim_scale(p.amount), p.status, p.entry_id, p.refund_entry_id, p.failure_reason,
    p.refund_reason, p.idempotency_key, extract(epoch from p.occurred_at),
    extract(epoch from p.created_at), p.created_by, extract(epoch from p.completed_at),
    extract(epoch from p.failed_at), extract(epoch from p.refunded_at), p.hold_id, p.changed_in
  )::text
from saldo.purchase as p
union all
select 'purchase_refund', r.account_id, r.entry_id, r.account_id, r.changed_in, jsonb_build_array(
    r.account_id, r.entry_id, r.purchase_id, trim_scale(r.amount), r.restocked_quantity, r.reason,
    extract(epoch from r.occurred_at), extract(epoch from r.created_at), r.created_by, r.changed_in
  )::text
from saldo.purchase_refund as r
union all
select 'top_up_reversal', b.account_id, b.entry_id, b.account_id, b.changed_in, jsonb_build_array(
    b.top_up_entry_id, b.entry_id, b.member_id, b.account_id, trim_scale(b.amount),
    trim_scale(b.wallet_amount), trim_scale(b.debt_amount), trim_scale(b.loss_amount),
    b.loss_account_id, b.reason, extract(epoch from b.occurred_at),
    extract(epoch from b.created_at), b.created_by, b.changed_in
  )::text
from saldo.top_up_reversal as b
union all
select 'stock_item', s.product_id, saldo_private.number_as_uuid(s.id), coalesce(s.account_id, 0),
  s.changed_in, jsonb_build_array(
    s.id, s.product_id, s.code, s.account_id, s.purchase_id, extract(epoch from s.assigned_at),
    extract(epoch from s.created_at), s.changed_in
  )::text
from saldo.stock_item as s
union all
select m.source, m.owner_id, m.id, m.account_id, m.changed_in, m.text
from saldo_private.sealed_metering_record as m
union all
select 'settlement', t.account_id, t.id, t.account_id, t.changed_in, jsonb_build_array(
    t.id, t.account_id, t.row_count, trim_scale(t.debit), trim_scale(t.credit),
    extract(epoch from t.started_at), extract(epoch from t.settled_at), t.settled_by, t.changed_in,
    (
      select jsonb_agg(jsonb_build_array(r.slot_no, r.first_seq, r.last_seq)
        order by r.slot_no, r.last_seq)
      from saldo.settlement_range as r
      where r.account_id = t.account_id
      and r.settlement_id = t.id
    ),
    (
      select jsonb_agg(jsonb_build_array(e.counter_account_id, e.posting_date - date '2000-01-01',
          extract(epoch from e.occurred_at), e.entry_id, e.booked_account_id, e.row_count,
          trim_scale(e.debit), trim_scale(e.credit))
        order by e.counter_account_id, e.posting_date)
      from saldo.settlement_entry as e
      where e.account_id = t.account_id
      and e.settlement_id = t.id
    )
  )::text
from saldo.settlement as t;
comment on view saldo_private.sealed_source is
  'Records that are sealed one by one, with the text whose SHA-256 is kept.';
comment on column saldo_private.sealed_source.source is
  'Table of the record.';
comment on column saldo_private.sealed_source.owner_id is
  'Account of the record; of stock its product.';
comment on column saldo_private.sealed_source.id is
  'Id of the record; a number as a UUID.';
comment on column saldo_private.sealed_source.account_id is
  'Account that it is about; 0 = none.';
comment on column saldo_private.sealed_source.changed_in is
  'Transaction of the engine that wrote it last; null = unknown.';
comment on column saldo_private.sealed_source.text is
  'What is hashed: a JSON array of its columns.';

create or replace function saldo_private.record_difference(
  account_ids bigint[] default null,
  from_seal bigint default null
)
returns table (
  source text,
  owner_id bigint,
  id uuid,
  account_id bigint,
  seal_number bigint,
  kind text
)
language sql
stable
as $$
  with latest as (
    select distinct on (s.source, s.owner_id, s.id) s.source, s.owner_id, s.id, s.account_id,
      s.seal_number, s.changed_in, s.hash
    from saldo_private.sealed_record as s
    where (account_ids is null or s.account_id = any (account_ids))
    and (from_seal is null or s.seal_number >= from_seal)
    order by s.source, s.owner_id, s.id, s.seal_number desc
  )
  select l.source, l.owner_id, l.id, l.account_id, l.seal_number,
    case when r.id is null then 'row_missing' else 'row_changed' end
  from saldo_private.seal_horizon() as p
  cross join latest as l
  left join saldo_private.sealed_source as r on r.source = l.source
    and r.owner_id = l.owner_id
    and r.id = l.id
  where saldo_private.differs_from_seal(
    r.text, r.changed_in, l.hash, l.changed_in, p.sealed_until, p.begins_at
  )
  -- Stock goes to another account: then that one has its last seal.
  and not exists (
    select
    from saldo_private.sealed_record as later
    where later.source = l.source
    and later.owner_id = l.owner_id
    and later.id = l.id
    and later.seal_number > l.seal_number
  )
$$;
comment on function saldo_private.record_difference is
  'Records that are not what was sealed last, or are gone: of all accounts or some, of all seals '
  'or those from one on.';

create or replace function saldo_private.unsealed_record()
returns table (source text, owner_id bigint, id uuid, account_id bigint)
language sql
stable
as $$
  select r.source, r.owner_id, r.id, r.account_id
  from saldo_private.row_seal_progress as p
  join saldo_private.sealed_source as r on p.id = 1
  where not p.is_catching_up
  and p.cluster = saldo_private.current_cluster()
  and (r.changed_in is null or r.changed_in < p.sealed_until
    or r.changed_in >= pg_snapshot_xmax(pg_current_snapshot()))
  and r.changed_in is distinct from pg_current_xact_id_if_assigned()
  and not exists (
    select
    from saldo_private.sealed_record as s
    where s.source = r.source
    and s.owner_id = r.owner_id
    and s.id = r.id
  )
$$;
comment on function saldo_private.unsealed_record is
  'Records that a sealer should have found and never did, as the engine did not write them.';
