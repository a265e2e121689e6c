-- Added slots: a busy account gets more of them than it was made with, and a quiet one loses them.
--
-- Private: move_slot__add, move_slot__new_no, prune_account_slots, prune_account_slots__take.
-- A slot that is taken away leaves its mark, so that its numbers go on where it is added again.
-- What it had goes to a regular slot in the same statement.
-- Locks of the pruning: the row of hot_account as settlement takes it, then slots; all only tried.
-- Nobody is waited for, and a slot that somebody holds, in a prepared transaction say, is not free.

create or replace function saldo_private.move_slot__new_no(account_id bigint)
returns integer
language plpgsql
as $$
declare
  v_slot_no integer;
begin
  -- A slot that was taken away has left its mark, and all its rows are settled: it goes on there.
  -- Somebody who adds the same number at this moment is not waited for.
  for v_slot_no in
    select m.slot_no
    from saldo_private.settlement_mark as m
    left join saldo_private.account_slot as s
      on s.account_id = m.account_id and s.slot_no = m.slot_no
    where m.account_id = move_slot__new_no.account_id
    and s.slot_no is null
    and not exists (
      select
      from saldo.sub_balance as b
      where b.account_id = m.account_id
      and b.slot_no = m.slot_no
      and b.seq > m.seq
    )
    order by m.slot_no
  loop
    if pg_try_advisory_xact_lock(saldo_private.slot_lock(account_id, v_slot_no)) then
      return v_slot_no;
    end if;
  end loop;

  select coalesce(max(m.slot_no), 0)
  into v_slot_no
  from saldo_private.settlement_mark as m
  where m.account_id = move_slot__new_no.account_id;
  loop
    v_slot_no := v_slot_no + 1;
    if pg_try_advisory_xact_lock(saldo_private.slot_lock(account_id, v_slot_no)) then
      insert into saldo_private.settlement_mark (account_id, slot_no)
      values (account_id, v_slot_no)
      on conflict on constraint settlement_mark_pkey do nothing;
      if found then
        return v_slot_no;
      end if;
    end if;
  end loop;
end
$$;
comment on function saldo_private.move_slot__new_no is
  'The number of a slot to be added, with its mark: one that was taken away, or a new one.';

create or replace function saldo_private.move_slot__add(account_id bigint)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_slot_no integer;
begin
  perform saldo_private.require_read_committed();
  -- Meanwhile slots are not rebuilt or removed; settlement does not mind.
  perform
  from saldo_private.hot_account as h
  where h.account_id = move_slot__add.account_id
  for key share;
  select *
  into strict v_account
  from saldo.account
  where id = move_slot__add.account_id;
  if v_account.mode <> 'hot' then -- since a moment ago
    perform saldo_private.fail('conflict_retry', format('account %s', account_id));
  end if;
  if exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = move_slot__add.account_id
    and s.is_short
  ) or not exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = move_slot__add.account_id
  ) then -- since a moment ago; where none is left a rebuild makes all, unless it is frozen
    return;
  end if;

  v_slot_no := saldo_private.move_slot__new_no(account_id);
  insert into saldo_private.account_slot (
    account_id, slot_no, available, held, seq, checked_seq, debit_total, credit_total,
    debit_take, credit_take, clearing_account_id, is_short
  )
  select m.account_id, m.slot_no, case when v_account.min_balance is not null then 0 end, 0, m.seq,
    m.seq, m.debit_total, m.credit_total,
    saldo_private.take_sign(v_account, 'debit'), saldo_private.take_sign(v_account, 'credit'),
    saldo_private.fit_clearing_account(v_account), false
  from saldo_private.settlement_mark as m
  where m.account_id = move_slot__add.account_id
  and m.slot_no = v_slot_no
  -- Somebody may have added a number that was free when it was looked for, and be through.
  on conflict on constraint account_slot_pkey do nothing;
end
$$;
comment on function saldo_private.move_slot__add is
  'Adds an empty slot to an account all of whose slots are in use, or somebody else did. Errors: '
  'SB020 isolation_unsupported, SB015 conflict_retry.';

create or replace function saldo_private.prune_account_slots__take(account saldo.account)
returns bigint
language plpgsql
as $$
declare
  v_slot_nos integer[];
  v_target_no integer;
  v_count bigint;
begin
  select array_agg(l.slot_no)
  into v_slot_nos
  from (
    select s.slot_no
    from saldo_private.account_slot as s
    where s.account_id = account.id
    and s.slot_no > account.slots
    for update skip locked
  ) as l;
  select s.slot_no
  into v_target_no
  from saldo_private.account_slot as s
  where s.account_id = account.id
  and s.slot_no <= account.slots
  order by s.slot_no
  limit 1
  for no key update skip locked;
  if v_target_no is null or exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = account.id
    and (s.is_short or (s.slot_no > account.slots and s.slot_no <> all (v_slot_nos)))
  ) then
    return 0; -- somebody uses one just now
  end if;

  -- A statement of its own: it sees what was done before the locks.
  with taken as (
    delete from saldo_private.account_slot as s
    using saldo_private.settlement_mark as m
    where s.account_id = account.id
    and s.slot_no = any (v_slot_nos)
    and m.account_id = s.account_id
    and m.slot_no = s.slot_no
    and m.seq = s.seq
    returning s.available, s.held
  ),
  moved as (
    update saldo_private.account_slot as s
    set available = s.available + t.available,
      held = s.held + t.held
    from (
      select coalesce(sum(taken.available), 0) as available, coalesce(sum(taken.held), 0) as held
      from taken
    ) as t
    where s.account_id = account.id
    and s.slot_no = v_target_no
  )
  select count(*)
  into v_count
  from taken;
  return v_count;
end
$$;
comment on function saldo_private.prune_account_slots__take is
  'Takes the added slots away whose rows are all settled, under the lock of their account, if '
  'nobody uses an added one at this moment; how many.';

create or replace function saldo_private.prune_account_slots(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  deleted_count := 0;
  select a.*
  into v_account
  from saldo.account as a
  where a.id > from_block
  and a.mode = 'hot'
  and exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = a.id
    and s.slot_no > a.slots
  )
  order by a.id
  limit 1;
  next_block := v_account.id;
  if v_account.id is null or 600 <= (
    select coalesce(sum(t.row_count), 0)
    from saldo.settlement as t
    where t.account_id = v_account.id
    and t.settled_at >= cutoff
  ) then
    return;
  end if;
  perform
  from saldo_private.hot_account as h
  where h.account_id = v_account.id
  for no key update skip locked;
  if not found then
    return;
  end if;
  -- Under the lock: how many slots are regular is changed under it.
  select *
  into v_account
  from saldo.account
  where id = v_account.id;
  if v_account.mode = 'hot' then
    deleted_count := saldo_private.prune_account_slots__take(v_account);
  end if;
end
$$;
comment on function saldo_private.prune_account_slots is
  'Looks at the next account that has more slots than it was made with, and takes those away that '
  'were added, if fewer than 600 of its rows were settled since the cutoff. from_block and '
  'next_block are ids of accounts.';
