-- Voids: a row that takes back another one, in full and once.
--
-- Private: settle_void, settle_waiting_voids.
-- The original may come after its void, from another device, or may never have been posted.

create or replace function saldo_private.settle_void__refuse_original(
  original saldo.branch_intake,
  void_id bigint
)
returns void
language plpgsql
as $$
begin
  update saldo.branch_intake as i
  set verdict = 'refused',
    verdict_reason = 'voided',
    verdict_no = saldo_private.next_verdict_no(i.device_id),
    decided_at = clock_timestamp(),
    decided_by = saldo_private.actor()
  where i.id = original.id
  and i.verdict <> 'refused';
  update saldo.branch_intake as i
  set voided_by = void_id
  where i.id = original.id;
end
$$;
comment on function saldo_private.settle_void__refuse_original is
  'Ends an original that was not posted: its void says that it shall not be.';

create or replace function saldo_private.settle_void__reverse(
  original saldo.branch_intake,
  void_row saldo.branch_intake
)
returns uuid
language plpgsql
as $$
declare
  v_entry_id uuid;
  v_reversal_id uuid;
begin
  foreach v_entry_id in array array_remove(
    array[original.repost_entry_id, original.entry_id], null
  ) loop
    v_reversal_id := saldo_private.uuid_v7();
    perform saldo_private.reverse_posted_entry(
      entry_id => v_entry_id,
      reversal_id => v_reversal_id,
      description => btrim(normalize(void_row.reason, nfc)),
      source => 'branch',
      occurred_at => saldo_private.branch_instant(
        void_row.occurred_at, void_row.business_date, void_row.received_at,
        saldo_private.setting_value('business_time_zone')
      )
    );
  end loop;
  update saldo.branch_intake as i
  set voided_by = void_row.id,
    is_suspense = false
  where i.id = original.id;
  return v_reversal_id;
end
$$;
comment on function saldo_private.settle_void__reverse is
  'Reverses the entry of an original, and the one that moved it out of suspense, on the day of the '
  'void; returns the id of the first''s reversal. Errors: SB106 entry_not_reversible, and those of '
  'a posting.';

create or replace function saldo_private.settle_void(intake_id bigint)
returns void
language plpgsql
as $$
declare
  v_void saldo.branch_intake;
  v_original saldo.branch_intake;
  v_reason text;
  v_entry_id uuid;
begin
  select *
  into strict v_void
  from saldo.branch_intake
  where id = settle_void.intake_id;
  select *
  into v_original
  from saldo.branch_intake as i
  where i.branch_id = v_void.branch_id
  and i.row_id = v_void.voids
  -- A till that used an id again means its own row, not the one that had the id before.
  and (i.has_id or (i.device_id = v_void.device_id and i.first_reason = 'id_reused'))
  order by i.has_id, i.id desc
  limit 1;
  if v_original.id is null then
    return;
  end if;

  v_reason := case
    when v_original.voided_by is not null then 'already_voided'
    when v_original.verdict <> 'accepted' then 'original_not_posted'
    when (v_original.kind = 'entry' and v_original.amount = v_void.amount
      and v_original.currency = v_void.currency and v_original.flow <> v_void.flow) is not true
      then 'void_mismatch'
  end;
  if v_reason is null then
    begin
      v_entry_id := saldo_private.settle_void__reverse(v_original, v_void);
    exception
      when others then
        v_reason := sqlstate;
        if saldo_private.is_passing_error(v_reason) then
          raise;
        end if;
    end;
  elsif v_reason = 'original_not_posted' then
    perform saldo_private.settle_void__refuse_original(v_original, v_void.id);
  end if;
  update saldo.branch_intake as i
  set verdict = case when v_entry_id is not null or v_reason = 'original_not_posted'
      then 'accepted' else 'quarantined' end::saldo.branch_verdict,
    verdict_reason = v_reason,
    verdict_no = saldo_private.next_verdict_no(i.device_id),
    entry_id = v_entry_id
  where i.id = v_void.id;
end
$$;
comment on function saldo_private.settle_void is
  'Carries out a void whose original is here, or says why not; leaves one alone that has to wait.';

create or replace function saldo_private.settle_waiting_voids(branch_id bigint)
returns void
language plpgsql
as $$
begin
  perform saldo_private.settle_void(w.id)
  from (
    select v.id
    from saldo.branch_intake as v
    join saldo.branch_intake as o on o.branch_id = v.branch_id
      and o.row_id = v.voids
      and o.has_id
    where v.branch_id = settle_waiting_voids.branch_id
    and v.verdict = 'quarantined'
    and v.verdict_reason = 'void_waits'
    order by v.id
    offset 0
  ) as w;
end
$$;
comment on function saldo_private.settle_waiting_voids is
  'Carries out the voids of a branch that waited for an original that has come.';
