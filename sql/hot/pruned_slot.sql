-- Pruning of what is settled: rows of a slot go from its beginning, up to the end of a sealed
-- stretch.
--
-- Private: pruned_slot, prune_sub_balances and its steps.
-- A row goes only when it is settled, its settlement older than the cutoff and its summary entry
-- sealed, its stretch whole and as it was sealed, and its idempotency key past its time. The
-- stretch stays, with numbers, sums and hash: what the rows came to is proven without them.
-- Locks: the row of hot_account as settlement takes it, tried.

create or replace function saldo_private.pruned_slot()
returns table (account_id bigint, slot_no integer, seq bigint, debit numeric, credit numeric)
language sql
stable
as $$
  select t.account_id, t.slot_no, max(t.last_seq), sum(t.debit), sum(t.credit)
  from (
    -- What was sealed once more counts once.
    select distinct on (each.account_id, each.slot_no, each.last_seq) each.account_id,
      each.slot_no, each.last_seq, each.debit, each.credit
    from saldo_private.sealed_stretch as each
    where each.pruned_at is not null
    order by each.account_id, each.slot_no, each.last_seq, each.seal_number desc
  ) as t
  group by t.account_id, t.slot_no
$$;
comment on function saldo_private.pruned_slot is
  'Slots whose first rows were pruned: up to which number, and what these rows came to.';

create or replace function saldo_private.prune_sub_balances__through(
  account_id bigint,
  slot_no integer,
  cutoff timestamptz
)
returns bigint
language sql
stable
as $$
  with stretch as materialized (
    select r.last_seq, t.settled_at < cutoff and not exists (
        select
        from saldo.settlement_entry as e
        where e.account_id = t.account_id
        and e.settlement_id = t.id
        and not exists (
          select from saldo.journal_seal_entry as j where j.entry_id = e.entry_id
        )
      ) as is_done
    from saldo.settlement_range as r
    join saldo.settlement as t on t.account_id = r.account_id and t.id = r.settlement_id
    where r.account_id = prune_sub_balances__through.account_id
    and r.slot_no = prune_sub_balances__through.slot_no
    order by r.last_seq
    limit 1000
  )
  select case when done.last_seq is not null then least(done.last_seq, step.last_seq) end
  from (
    select max(s.last_seq) as last_seq
    from stretch as s
    where s.is_done
    and s.last_seq < coalesce(
      (select min(young.last_seq) from stretch as young where not young.is_done), s.last_seq + 1
    )
  ) as done
  -- Not too many at once, but a whole stretch at least.
  cross join (
    select greatest(min(t.last_seq), min(t.first_seq) + 20000) as last_seq
    from saldo_private.sealed_stretch as t
    where t.account_id = prune_sub_balances__through.account_id
    and t.slot_no = prune_sub_balances__through.slot_no
    and t.pruned_at is null
  ) as step
$$;
comment on function saldo_private.prune_sub_balances__through is
  'Up to which number the next rows of a slot may be pruned; null = none.';

create or replace function saldo_private.prune_sub_balances(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
declare
  v_cutoff timestamptz := least(cutoff, saldo_private.retention_cutoff('idempotency_keep_days'));
  v_mark saldo_private.settlement_mark;
  v_seq bigint;
begin
  deleted_count := 0;
  select m.*
  into v_mark
  from saldo_private.settlement_mark as m
  where (m.account_id, m.slot_no) > (from_block / 1000000, (from_block % 1000000)::integer)
  order by m.account_id, m.slot_no
  limit 1;
  next_block := v_mark.account_id * 1000000 + v_mark.slot_no;
  if v_mark.account_id is null
    or saldo_private.setting_value('idempotency_keep_days') = '0'
  then
    next_block := null; -- through, or a retry would have to find its row for ever
    return;
  end if;
  perform
  from saldo_private.hot_account as h
  where h.account_id = v_mark.account_id
  for no key update skip locked;
  if not found then
    return;
  end if;
  v_seq := saldo_private.prune_sub_balances__through(
    v_mark.account_id, v_mark.slot_no, v_cutoff
  );
  if v_seq is not null then
    v_seq := saldo_private.prune_stretches(v_mark.account_id, v_mark.slot_no, v_seq);
  end if;
  if v_seq is null then
    return;
  end if;
  with gone as (
    delete from saldo.sub_balance as s
    where s.account_id = v_mark.account_id
    and s.slot_no = v_mark.slot_no
    and s.seq <= v_seq
    returning s.account_id, s.hold_id, s.idempotency_key
  ),
  -- Its time is over, too, and it would name a result that is not there.
  forgotten as (
    delete from saldo_private.idempotency_record as i
    using gone as g
    where i.scope = 'account:' || g.account_id
    and i.key = g.idempotency_key
    and g.hold_id is null
  )
  select count(*)
  into deleted_count
  from gone;
  next_block := next_block - 1; -- the same slot once more
end
$$;
comment on function saldo_private.prune_sub_balances is
  'Deletes some twenty thousand settled rows of a slot, older than the cutoff and than keys are '
  'kept. from_block and next_block are an account times a million and a slot.';
