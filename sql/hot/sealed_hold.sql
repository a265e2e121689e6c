-- Evidence for holds, and whether what the slots of a hot account derive from is proven.
--
-- Private: hold_text, hold_difference, is_slot_source_unproven.

create or replace function saldo_private.hold_text(hold_row saldo.hold)
returns text
language sql
stable
as $$
  select jsonb_build_array(
    hold_row.id, hold_row.account_id, hold_row.status, trim_scale(hold_row.amount),
    trim_scale(hold_row.open_amount), trim_scale(hold_row.captured_amount),
    hold_row.counter_account_id, hold_row.source, hold_row.description, hold_row.idempotency_key,
    hold_row.metadata, extract(epoch from hold_row.created_at), hold_row.created_by,
    extract(epoch from hold_row.expires_at), extract(epoch from hold_row.closed_at),
    hold_row.close_reason, hold_row.changed_in
  )::text
$$;
comment on function saldo_private.hold_text is 'Canonical text of a hold: a JSON array.';

create or replace function saldo_private.hold_difference(account_id bigint)
returns table (id uuid)
language sql
stable
as $$
  select s.id
  from saldo_private.row_seal_progress as p
  join (
    select distinct on (each.id) each.id, each.hash, each.changed_in
    from saldo_private.sealed_record as each
    where each.source = 'hold'
    and each.owner_id = hold_difference.account_id
    order by each.id, each.seal_number desc
  ) as s on p.id = 1
  left join saldo.hold as h on h.account_id = hold_difference.account_id and h.id = s.id
  where saldo_private.differs_from_seal(
    case when h.id is not null then saldo_private.hold_text(h) end, h.changed_in, s.hash,
    s.changed_in, p.sealed_until
  )
$$;
comment on function saldo_private.hold_difference is
  'Holds of an account that are not what was sealed, or are gone.';

create or replace function saldo_private.is_slot_source_unproven(account_id bigint)
returns boolean
language sql
stable
as $$
  select saldo_private.is_contested(account_id, array['sub_balance', 'hold', 'settlement_mark'])
    or exists (
      select
      from saldo_private.settlement_mark as m
      where m.account_id = is_slot_source_unproven.account_id
      and saldo_private.is_slot_unproven(m.account_id, m.slot_no, m.seq)
    )
    or exists (select from saldo_private.hold_difference(account_id))
    or saldo_private.has_uncounted_rows(account_id)
$$;
comment on function saldo_private.is_slot_source_unproven is
  'Whether rows or holds that the slots of an account derive from were written past the engine, '
  'are not those that were sealed, or are gone.';
