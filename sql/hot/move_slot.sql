-- Moving a slot: taking funds, giving them, numbering rows.
--
-- Private: move_slot and its steps. Trigger: move_slot_on_posting.
-- A transaction moves a slot first and writes what the slot follows from after that: a rebuild in
-- between must not count it twice.
-- Locks: any free slot. Where none has enough but all together have: an advisory lock of the
-- account, then all slots in order. A writer that waits for that lock holds no slot any more.

create or replace function saldo_private.move_slot__try(
  account_id bigint,
  highest_no integer,
  take numeric,
  held numeric,
  debit numeric,
  credit numeric,
  row_count integer
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  -- In a variable: a condition on the parameter would be planned again at each call.
  v_needed numeric := case when take > 0 then take else '-Infinity' end;
  v_slot saldo_private.slot_position;
begin
  update saldo_private.account_slot as s
  set available = s.available - move_slot__try.take,
    held = s.held + move_slot__try.held,
    seq = s.seq + move_slot__try.row_count,
    debit_total = s.debit_total + move_slot__try.debit,
    credit_total = s.credit_total + move_slot__try.credit
  where s.account_id = move_slot__try.account_id
  -- A scalar, computed once. The inner side of a join may be looked at again, and then would lock
  -- another slot.
  and s.slot_no = (
    select f.slot_no
    from saldo_private.account_slot as f
    where f.account_id = move_slot__try.account_id
    and f.slot_no <= highest_no
    and not f.is_short
    and (f.available is null or f.available >= v_needed)
    order by f.slot_no desc
    limit 1
    for no key update skip locked
  )
  -- In the order of slot_position: field by field it would be an assignment each, on the hot path.
  returning s.slot_no, s.seq, s.checked_seq, s.clearing_account_id, s.debit_take, s.credit_take
  into v_slot;
  return v_slot;
end
$$;
comment on function saldo_private.move_slot__try is
  'Moves a slot that nobody holds and that has enough, or returns null. It may then still hold '
  'slots: those that had enough when it looked, and not any more when it had them.';

create or replace function saldo_private.move_slot(
  account_id bigint,
  take numeric,
  held numeric,
  debit numeric,
  credit numeric,
  row_count integer
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_first_no integer := saldo_private.first_no();
  v_slot saldo_private.slot_position;
begin
  if take <= 0 then
    v_slot := saldo_private.move_slot__try(
      account_id, v_first_no, take, held, debit, credit, row_count
    );
  else
    -- A block: its end releases the slots that were locked without use. Nobody may hold one while
    -- waiting for a writer that pools all slots.
    begin
      v_slot := saldo_private.move_slot__try(
        account_id, v_first_no, take, held, debit, credit, row_count
      );
      if v_slot.slot_no is null then
        perform saldo_private.fail('insufficient_balance');
      end if;
    exception
      when sqlstate 'SB001' then
        v_slot := null;
    end;
  end if;
  if v_slot.slot_no is null then
    v_slot := saldo_private.move_slot__slowly(account_id, take, held, debit, credit, row_count);
  end if;
  if v_slot.seq > v_slot.checked_seq and row_count > 0 then
    perform saldo_private.check_backlog(account_id, v_slot);
  end if;
  return v_slot;
end
$$;
comment on function saldo_private.move_slot is
  'Takes funds from a slot (a negative take gives), changes what is held by it, and numbers rows '
  'in it: seq is the number of the last. The caller has seen that the account is hot; '
  'SB015 conflict_retry when it ceases to be. Errors in checking order: SB015 conflict_retry, '
  'SB001 insufficient_balance, SB202 backlog_full, SB004 amount_out_of_range, '
  'SB020 isolation_unsupported.';

create or replace function saldo_private.move_slot__slowly(
  account_id bigint,
  take numeric,
  held numeric,
  debit numeric,
  credit numeric,
  row_count integer
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_slot saldo_private.slot_position;
  v_count integer;
  v_available numeric;
  v_is_short boolean;
  -- Whether it harms nobody, or cannot happen, that slots stay locked after a look without success.
  v_is_safe boolean := take <= 0;
  -- A debit takes funds from its first slot or shares them out again; otherwise all writers would
  -- queue for one slot that has all funds.
  v_highest_no integer :=
    case when take <= 0 then 2147483647 else saldo_private.first_no() end;
begin
  loop
    if v_is_safe then
      v_slot := saldo_private.move_slot__try(
        account_id, v_highest_no, take, held, debit, credit, row_count
      );
      exit when v_slot.slot_no is not null;
    end if;

    select count(*), sum(s.available), bool_or(s.is_short)
    into v_count, v_available, v_is_short
    from saldo_private.account_slot as s
    where s.account_id = move_slot__slowly.account_id;
    if v_count = 0 then
      perform saldo_private.rebuild_slots(account_id);
    elsif v_is_short and take <= 0 then
      v_slot := saldo_private.move_slot__refill(account_id, take, held, debit, credit, row_count);
      exit when v_slot.slot_no is not null;
    elsif v_available is null and not v_is_safe then
      v_is_safe := true; -- without a min_balance every slot has enough
      v_highest_no := 2147483647;
    elsif take <= 0 and v_available is not null and v_count >= 128 then
      -- Somebody gathers again and again, and holds all slots: more slots would only mean more to
      -- gather.
      perform
      from saldo_private.account_slot as s
      where s.account_id = move_slot__slowly.account_id
      and s.slot_no = saldo_private.first_no()
      for no key update;
    elsif v_available is null or take <= 0 then
      perform saldo_private.move_slot__add(account_id);
    else
      -- Where the committed funds are not enough, nobody needs to wait for that answer.
      perform saldo_private.move_slot__require(account_id, v_available, take);
      if v_is_safe then
        perform saldo_private.move_slot__rebalance(account_id, take);
      else
        -- One at a time: a writer that waits here goes on with a slot that the one before filled.
        -- If all waited for all slots, each would gather again, one after the other, forever.
        perform pg_advisory_xact_lock(saldo_private.gather_lock(account_id));
        v_is_safe := true;
      end if;
    end if;
  end loop;
  return v_slot;
end
$$;
comment on function saldo_private.move_slot__slowly is
  'For when no slot from the first slot on will do. Takes any other; where none will do either, '
  'rebuilds slots that are gone, adds one where all are in use, or pools the funds of all. Errors '
  'as move_slot.';

create or replace function saldo_private.move_slot__refill(
  account_id bigint,
  take numeric,
  held numeric,
  debit numeric,
  credit numeric,
  row_count integer
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_slot saldo_private.slot_position;
  v_available numeric;
begin
  update saldo_private.account_slot as s
  set available = s.available - move_slot__refill.take,
    held = s.held + move_slot__refill.held,
    seq = s.seq + move_slot__refill.row_count,
    debit_total = s.debit_total + move_slot__refill.debit,
    credit_total = s.credit_total + move_slot__refill.credit
  where s.account_id = move_slot__refill.account_id
  and s.slot_no = 1
  and s.is_short
  returning s.slot_no, s.seq, s.checked_seq, s.clearing_account_id, s.debit_take, s.credit_take,
    s.available
  into v_slot.slot_no, v_slot.seq, v_slot.checked_seq, v_slot.counter_account_id,
    v_slot.debit_take, v_slot.credit_take, v_available;
  if v_available >= 0 then
    perform saldo_private.move_slot__rebalance(account_id, 0);
  end if;
  return v_slot;
end
$$;
comment on function saldo_private.move_slot__refill is
  'Gives to an account that lacks funds: all to its first slot, one writer after the other, until '
  'nothing lacks and all slots are in use again. Null when that is so already. Error: '
  'SB020 isolation_unsupported.';

create or replace function saldo_private.move_slot__require(
  account_id bigint,
  available numeric,
  needed numeric
)
returns void
language plpgsql
stable
as $$
begin
  if available < needed then
    perform saldo_private.fail('insufficient_balance', format(
      'account %s: available %s, needed %s', account_id, trim_scale(available), needed
    ));
  end if;
end
$$;
comment on function saldo_private.move_slot__require is
  'SB001 insufficient_balance when more is needed than available.';

create or replace function saldo_private.move_slot__rebalance(account_id bigint, needed numeric)
returns void
language plpgsql
as $$
declare
  v_slot_nos integer[];
  v_count integer;
  v_available numeric;
  v_share numeric;
begin
  perform saldo_private.require_read_committed();
  select array_agg(l.slot_no)
  into v_slot_nos
  from (
    select s.slot_no
    from saldo_private.account_slot as s
    where s.account_id = move_slot__rebalance.account_id
    order by s.slot_no
    for no key update
  ) as l;

  -- Statements of their own: they see what the writers did that the locks waited for. They do not
  -- look at slots added since: such a slot is another writer's, with the funds that it brought.
  select count(*), sum(s.available)
  into v_count, v_available
  from saldo_private.account_slot as s
  where s.account_id = move_slot__rebalance.account_id
  and s.slot_no = any (v_slot_nos);
  if v_count = 0 or v_count <> cardinality(v_slot_nos) then
    return; -- rebuilt or taken away meanwhile: what was locked is not there any more
  end if;
  if needed > 0 then
    perform saldo_private.move_slot__require(account_id, v_available, needed);
  end if;

  -- The first slot gets what is needed and its share of the rest; or all of what is missing. Added
  -- slots get nothing: funds that are shared out over many slots soon have to be gathered again.
  select least(a.slots, v_count)
  into v_count
  from saldo.account as a
  where a.id = move_slot__rebalance.account_id;
  v_share := trunc(greatest(v_available - needed, 0) / v_count, 2);
  update saldo_private.account_slot as s
  set available = case when s.slot_no = v_slot_nos[1] then v_available - v_share * (v_count - 1)
      when s.slot_no <= v_count then v_share
      else 0 end,
    is_short = v_available < 0
  where s.account_id = move_slot__rebalance.account_id
  and s.slot_no = any (v_slot_nos);
end
$$;
comment on function saldo_private.move_slot__rebalance is
  'Locks all slots of an account with a min_balance, puts what is needed into the first and '
  'shares the rest out: SB001 insufficient_balance when more is needed than there is, '
  'SB020 isolation_unsupported.';

create or replace function saldo_private.tg_account_stripe__move_slot()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
begin
  -- Folds empty a stripe, settlements use stripe 0: neither moves funds.
  if NEW.stripe_no <= 0 or NEW.line_count <= 0 then
    return NEW;
  end if;
  select *
  into strict v_account
  from saldo.account
  where id = NEW.account_id;
  perform saldo_private.move_slot(
    NEW.account_id,
    (OLD.debit - NEW.debit + NEW.credit - OLD.credit)
      * saldo_private.normal_sign(v_account.type),
    0, 0, 0, 0
  );
  return NEW;
end
$$;
comment on function saldo_private.tg_account_stripe__move_slot is
  'Moves the funds of a hot account with a min_balance when lines are posted to it: '
  'SB001 insufficient_balance.';

-- Before the stripe: slots that have to be rebuilt must not see the posting yet. The condition is
-- parsed by each posting to a hot account, so it is the shortest that lets most of them pass.
create or replace trigger move_slot_on_posting
  before update on saldo_private.account_stripe
  for each row
  when (NEW.is_limited)
  execute function saldo_private.tg_account_stripe__move_slot();
