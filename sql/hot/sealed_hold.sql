-- Evidence for holds, and whether what the slots of a hot account derive from is proven.
--
-- Private: hold_text, hold_difference, open_hold_sum, has_uncounted_holds, has_unsealed_holds,
-- is_slot_source_unproven.
-- What is held was counted when the hold was written: by the slots of a hot account, by held_total
-- otherwise. Until its seal that is a second witness of a hold.

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
  from saldo_private.seal_horizon() as p
  cross join (
    select distinct on (each.id) each.id, each.hash, each.changed_in
    from saldo_private.sealed_record as each
    where each.source = 'hold'
    and each.owner_id = hold_difference.account_id
    order by each.id, each.seal_number desc
  ) as s
  left join saldo.hold as h on h.account_id = hold_difference.account_id and h.id = s.id
  where saldo_private.differs_from_seal(
    case when h.id is not null then saldo_private.hold_text(h) end, h.changed_in, s.hash,
    s.changed_in, p.sealed_until, p.begins_at
  )
$$;
comment on function saldo_private.hold_difference is
  'Holds of an account that are not what was sealed, or are gone.';

create or replace function saldo_private.open_hold_sum(account_id bigint)
returns numeric
language sql
stable
as $$
  select coalesce(sum(h.open_amount), 0)
  from saldo.hold as h
  where h.account_id = open_hold_sum.account_id
  and h.status = 'HELD'
$$;
comment on function saldo_private.open_hold_sum is 'What the open holds of an account hold.';

create or replace function saldo_private.has_uncounted_holds(account_id bigint)
returns boolean
language sql
stable
as $$
  select coalesce(
    -- Where all slots are gone nobody knows.
    (select sum(s.held)
      from saldo_private.account_slot as s
      where s.account_id = has_uncounted_holds.account_id
    ) <> saldo_private.open_hold_sum(account_id)
    -- Where it is the slot that was written past the engine, the holds are right.
    and not saldo_private.is_contested(account_id, array['account_slot']),
    false
  )
$$;
comment on function saldo_private.has_uncounted_holds is
  'Whether the slots of a hot account have not counted its open holds as they are: one of both is '
  'wrong, and only the seals of the holds say which.';

create or replace function saldo_private.has_unsealed_holds(account_id bigint)
returns boolean
language sql
stable
as $$
  select exists (
    select
    from saldo_private.row_seal_progress as p
    join saldo.hold as h on p.id = 1 and h.changed_in >= p.sealed_until
    where h.account_id = has_unsealed_holds.account_id
  )
$$;
comment on function saldo_private.has_unsealed_holds is
  'Whether an account has holds that say the engine has written them since the last seal.';

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
    or (saldo_private.has_unsealed_holds(account_id)
      and saldo_private.has_uncounted_holds(account_id))
$$;
comment on function saldo_private.is_slot_source_unproven is
  'Whether rows or holds that the slots of an account derive from were written past the engine, '
  'are not those that were sealed, or are gone.';
