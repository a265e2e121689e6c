-- Evidence for the records of metering: deposits, readings and rated lines.
--
-- Private: view sealed_metering_record, proven_customers. A text has all columns, in the order of
-- the table; a column that a migration adds is not among them.

create or replace view saldo_private.sealed_metering_record
with (security_invoker = true) as
select 'deposit'::text as source, d.account_id as owner_id, d.id, d.account_id, d.changed_in,
  jsonb_build_array(
    d.id, d.account_id, trim_scale(d.amount), extract(epoch from d.occurred_at), d.description,
    d.status, d.revision, d.supersedes, d.entry_id, d.reversal_entry_id, d.idempotency_key,
    extract(epoch from d.recorded_at), d.recorded_by, extract(epoch from d.ended_at), d.ended_by,
    d.changed_in
  )::text as text
from saldo.deposit as d
union all
select 'reading', r.account_id, r.id, r.account_id, r.changed_in, jsonb_build_array(
    r.id, r.account_id, r.meter_id, extract(epoch from r.read_at), r.read_on - date '2000-01-01',
    trim_scale(r.index_value), trim_scale(r.volume), r.is_rollover, r.quality, r.status,
    r.revision, r.supersedes, r.batch_id, extract(epoch from r.recorded_at), r.recorded_by,
    extract(epoch from r.ended_at), r.ended_by, r.changed_in
  )::text
from saldo.reading as r
union all
select 'rated_line', l.account_id, l.id, l.account_id, l.changed_in, jsonb_build_array(
    l.id, l.account_id, l.reading_id, l.revision, l.supersedes, extract(epoch from l.read_at),
    l.month - date '2000-01-01', l.is_withdrawn, l.is_provisional, trim_scale(l.volume_m3),
    trim_scale(l.factor), trim_scale(l.volume_sm3), trim_scale(l.price), trim_scale(l.amount),
    l.amount_rounding, l.tariff_version_id, l.factor_version_id, trim_scale(l.volume_change),
    trim_scale(l.amount_change), l.entry_id, l.posting_date - date '2000-01-01',
    extract(epoch from l.rated_at), l.rated_by, extract(epoch from l.superseded_at), l.changed_in
  )::text
from saldo.rated_line as l;
comment on view saldo_private.sealed_metering_record is
  'Records of metering that are sealed one by one, with the text whose SHA-256 is kept.';
comment on column saldo_private.sealed_metering_record.source is
  'Table of the record.';
comment on column saldo_private.sealed_metering_record.owner_id is
  'Account of the record; of stock its product.';
comment on column saldo_private.sealed_metering_record.id is
  'Id of the record; a number as a UUID.';
comment on column saldo_private.sealed_metering_record.account_id is
  'Account that it is about; 0 = none.';
comment on column saldo_private.sealed_metering_record.changed_in is
  'Transaction of the engine that wrote it last; null = unknown.';
comment on column saldo_private.sealed_metering_record.text is
  'What is hashed: a JSON array of its columns.';

create or replace function saldo_private.proven_customers(account_ids bigint[])
returns bigint[]
language sql
stable
as $$
  with latest as materialized (
    select distinct on (s.source, s.owner_id, s.id) s.source, s.owner_id, s.id, s.changed_in,
      s.hash
    from saldo_private.sealed_record as s
    where s.owner_id = any (account_ids)
    and s.source in ('deposit', 'reading', 'rated_line')
    order by s.source, s.owner_id, s.id, s.seal_number desc
  ),
  unproven as (
    select l.owner_id
    from saldo_private.seal_horizon() as p
    cross join latest as l
    left join saldo_private.sealed_metering_record as r on r.source = l.source
      and r.owner_id = l.owner_id
      and r.id = l.id
    where saldo_private.differs_from_seal(
      r.text, r.changed_in, l.hash, l.changed_in, p.sealed_until, p.begins_at
    )
  )
  select array(
    select a.id
    from unnest(account_ids) with ordinality as a (id, place)
    where a.id not in (select u.owner_id from unproven as u)
    and not saldo_private.is_contested(a.id, array['deposit', 'reading', 'rated_line'])
    order by a.place
  )
$$;
comment on function saldo_private.proven_customers is
  'Those of these accounts whose deposits, readings and rated lines are as the engine wrote them: '
  'only of these the months may be derived again.';
