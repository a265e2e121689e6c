-- Submitting a transaction on a hot account: a quick look, funds from a slot, one row, an answer.
--
-- Public: submit_transaction. Private: require_hot_account, require_counter_account,
-- require_metadata, require_submission, submit_transaction__*.
-- It never waits for another writer of the account: there is a slot that nobody holds, or one is
-- added. The one exception is a debit that no free slot covers while others hold the rest.

create or replace function saldo_private.require_hot_account(account_id bigint)
returns saldo.account
language plpgsql
stable
as $$
declare
  v_account saldo.account;
begin
  select *
  into v_account
  from saldo.account
  where id = require_hot_account.account_id;
  if v_account.id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif v_account.mode <> 'hot' then
    perform saldo_private.fail('account_not_hot', format('account %s', account_id));
  end if;
  return v_account;
end
$$;
comment on function saldo_private.require_hot_account is
  'The account, if it is hot: SB101 account_not_found, SB201 account_not_hot.';

create or replace function saldo_private.require_counter_account(
  account saldo.account,
  counter_account_id bigint
)
returns bigint
language plpgsql
as $$
declare
  v_counter_id bigint := coalesce(
    counter_account_id, saldo_private.system_account('clearing', account.currency)
  );
  v_counter saldo.account;
begin
  select *
  into v_counter
  from saldo.account
  where id = v_counter_id;
  if v_counter.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', counter_account_id));
  elsif v_counter.currency <> account.currency then
    perform saldo_private.fail('currency_mismatch', format(
      'account %s is in %s, account %s in %s', account.id, account.currency, v_counter.id,
      v_counter.currency
    ));
  elsif v_counter.id = account.id or v_counter.closed_at is not null
    or v_counter.min_balance is not null
  then
    -- With a minimum it might lack the funds when the time of settlement comes.
    perform saldo_private.fail('counter_account_unfit', format(
      'account %s: minimum %s, closed at %s', v_counter.id,
      coalesce(v_counter.min_balance::text, 'none'), coalesce(v_counter.closed_at::text, 'never')
    ));
  elsif v_counter.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', v_counter.id));
  elsif saldo_private.leaves_no_room(v_counter.debit_total, v_counter.credit_total) then
    perform saldo_private.fail('amount_out_of_range', format(
      'account %s: its totals come near 10^21', v_counter.id
    ));
  end if;
  return v_counter.id;
end
$$;
comment on function saldo_private.require_counter_account is
  'The account of the other side, default the clearing account of the currency. Errors in '
  'checking order: SB101 account_not_found, SB104 currency_mismatch, SB203 counter_account_unfit, '
  'SB121 account_frozen, SB004 amount_out_of_range for one whose totals have no room left.';

create or replace function saldo_private.require_metadata(metadata jsonb)
returns jsonb
language plpgsql
stable
as $$
begin
  if octet_length(metadata::text) > 8000 then
    perform saldo_private.fail('text_too_long', 'metadata: up to 8,000 bytes');
  end if;
  return metadata;
end
$$;
comment on function saldo_private.require_metadata is
  'The metadata, unless it is too long: SB009 text_too_long.';

create or replace function saldo_private.require_submission(
  account_id bigint,
  amount numeric,
  direction saldo.entry_side,
  metadata jsonb
)
returns void
language plpgsql
stable
as $$
begin
  perform saldo_private.require_amount(amount);
  if direction is null or account_id is null then
    perform saldo_private.fail('input_invalid', 'account_id, and direction: debit or credit');
  end if;
  perform saldo_private.require_metadata(metadata);
end
$$;
comment on function saldo_private.require_submission is
  'Checks the form of a transaction: SB002 amount_invalid, SB004 amount_out_of_range, '
  'SB003 amount_scale, SB010 input_invalid, SB009 text_too_long.';

create or replace function saldo_private.submit_transaction__row(account_id bigint, id uuid)
returns saldo.sub_balance
language plpgsql
stable
as $$
declare
  v_row saldo.sub_balance;
begin
  select *
  into strict v_row
  from saldo.sub_balance as s
  where s.account_id = submit_transaction__row.account_id
  and s.id = submit_transaction__row.id;
  return v_row;
end
$$;
comment on function saldo_private.submit_transaction__row is
  'The row of an account that was written before.';

create or replace function saldo_private.submit_transaction__refuse_done(
  account_id bigint,
  idempotency_key text
)
returns void
language plpgsql
stable
as $$
declare
  v_done_id uuid;
begin
  if idempotency_key is not null then
    v_done_id := saldo_private.submitted_under_key(account_id, idempotency_key, null);
    if v_done_id is not null then
      perform saldo_private.refuse_done('transaction', v_done_id, idempotency_key);
    end if;
  end if;
end
$$;
comment on function saldo_private.submit_transaction__refuse_done is
  'SB022 already_done where the record of a key is gone, and what was submitted under it is not. '
  'Before anything else is refused; where nothing is, the index of the keys says so.';

create or replace function saldo_private.require_takes(
  slot saldo_private.slot_position,
  debit_take smallint,
  credit_take smallint
)
returns void
language plpgsql
stable
as $$
begin
  if slot.debit_take <> debit_take or slot.credit_take <> credit_take then
    perform saldo_private.fail('conflict_retry', 'is_pending_available changed meanwhile');
  end if;
end
$$;
comment on function saldo_private.require_takes is
  'SB015 conflict_retry when the account has begun since it was looked at to make what comes in '
  'available at another time. The slot, once it is ours, knows for sure.';

create or replace function saldo_private.submit_transaction__take(
  account_id bigint,
  counter_account_id bigint,
  debit numeric,
  credit numeric
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_account saldo.account := saldo_private.require_hot_account(account_id);
  v_counter_account_id bigint :=
    saldo_private.require_counter_account(v_account, counter_account_id);
  v_debit_take smallint := saldo_private.take_sign(v_account, 'debit');
  v_credit_take smallint := saldo_private.take_sign(v_account, 'credit');
  v_slot saldo_private.slot_position;
begin
  v_slot := saldo_private.move_slot(
    account_id, debit * v_debit_take + credit * v_credit_take, 0, debit, credit, 1
  );
  perform saldo_private.require_takes(v_slot, v_debit_take, v_credit_take);
  v_slot.counter_account_id := v_counter_account_id;
  return v_slot;
end
$$;
comment on function saldo_private.submit_transaction__take is
  'Takes a slot with everything looked at, for whatever counter account. Errors in checking '
  'order: SB101 account_not_found, SB201 account_not_hot, SB104 currency_mismatch, '
  'SB203 counter_account_unfit, SB121 account_frozen, SB004 amount_out_of_range, '
  'SB015 conflict_retry, SB001 insufficient_balance, SB202 backlog_full, '
  'SB020 isolation_unsupported.';

create or replace function saldo_private.submit_transaction__slot(
  account_id bigint,
  amount numeric,
  direction saldo.entry_side,
  counter_account_id bigint,
  idempotency_key text
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_slot saldo_private.slot_position;
begin
  if counter_account_id is null then
    -- Ample funds, so that it still has enough once it is locked; move_slot says what a look
    -- without success costs. Nothing else is looked at: only a hot account has slots.
    update saldo_private.account_slot as s
    set available = s.available - submit_transaction__slot.amount
        * case submit_transaction__slot.direction when 'debit' then s.debit_take
        else s.credit_take end,
      seq = s.seq + 1,
      debit_total = s.debit_total + case submit_transaction__slot.direction
        when 'debit' then submit_transaction__slot.amount else 0 end,
      credit_total = s.credit_total + case submit_transaction__slot.direction
        when 'debit' then 0 else submit_transaction__slot.amount end
    where s.account_id = submit_transaction__slot.account_id
    and s.slot_no = (
      select f.slot_no
      from saldo_private.account_slot as f
      where f.account_id = submit_transaction__slot.account_id
      and f.slot_no <= saldo_private.first_no()
      and not f.is_short
      and (f.available is null or f.available >= 16 * submit_transaction__slot.amount
        * case submit_transaction__slot.direction when 'debit' then f.debit_take
        else f.credit_take end)
      order by f.slot_no desc
      limit 1
      for no key update skip locked
    )
    -- In the order of slot_position: field by field it would be an assignment each.
    returning s.slot_no, s.seq, s.checked_seq, s.clearing_account_id, s.debit_take, s.credit_take
    into v_slot;
  end if;
  if v_slot.counter_account_id is null then
    perform saldo_private.submit_transaction__refuse_done(account_id, idempotency_key);
    v_slot := saldo_private.submit_transaction__take(
      account_id, counter_account_id, case direction when 'debit' then amount else 0 end,
      case direction when 'credit' then amount else 0 end
    );
  elsif v_slot.seq > v_slot.checked_seq then
    perform saldo_private.submit_transaction__refuse_done(account_id, idempotency_key);
    perform saldo_private.check_backlog(account_id, v_slot, v_slot.counter_account_id);
  end if;
  return v_slot;
end
$$;
comment on function saldo_private.submit_transaction__slot is
  'Takes the funds: as move_slot, or by a look at nothing but a slot with ample funds. Errors in '
  'checking order: SB022 already_done where the record of the key is gone, and those of '
  'submit_transaction__take.';

create or replace function saldo.submit_transaction(
  account_id bigint,
  amount numeric,
  direction saldo.entry_side,
  counter_account_id bigint default null,
  idempotency_key text default null,
  metadata jsonb default null
)
returns saldo.sub_balance
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
#variable_conflict use_column
declare
  v_row saldo.sub_balance;
  v_slot saldo_private.slot_position;
  v_amount numeric := trim_scale(submit_transaction.amount);
  v_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
begin
  -- A usual request passes in one expression; the functions say what is wrong with another.
  if (v_amount > 0 and v_amount < 1e15 and scale(amount) <= 2 and account_id is not null
    and direction is not null and metadata is null) is not true
  then
    perform saldo_private.require_submission(account_id, amount, direction, metadata);
  end if;
  if idempotency_key is not null then
    -- Before the account is looked at: a retry succeeds whatever has become of it since.
    v_earlier_id := saldo_private.claim_idempotency_key(
      'account:' || account_id, idempotency_key, 'submit_transaction',
      jsonb_build_array(v_amount, direction, counter_account_id, metadata), v_id
    );
    if v_earlier_id is not null then
      return saldo_private.submit_transaction__row(account_id, v_earlier_id);
    end if;
  end if;

  v_slot := saldo_private.submit_transaction__slot(
    account_id, v_amount, direction, counter_account_id, idempotency_key
  );
  if idempotency_key is null then
    insert into saldo.sub_balance (
      account_id, id, seq, counter_account_id, slot_no, direction, amount, created_by, metadata
    )
    values (
      submit_transaction.account_id, v_id, v_slot.seq, v_slot.counter_account_id, v_slot.slot_no,
      submit_transaction.direction, v_amount, saldo_private.actor(), submit_transaction.metadata
    )
    returning * into v_row;
  else
    insert into saldo.sub_balance (
      account_id, id, seq, counter_account_id, slot_no, direction, amount, created_by,
      idempotency_key, metadata
    )
    values (
      submit_transaction.account_id, v_id, v_slot.seq, v_slot.counter_account_id, v_slot.slot_no,
      submit_transaction.direction, v_amount, saldo_private.actor(),
      submit_transaction.idempotency_key, submit_transaction.metadata
    )
    -- The index sub_balance_is_submitted_once_per_key, in its words.
    on conflict (account_id, idempotency_key, hold_id)
      where idempotency_key is not null and created_at >= '2026-11-01 00:00:00+00'
      do nothing
    returning * into v_row;
    if v_row.id is null then
      perform saldo_private.submit_transaction__refuse_done(account_id, idempotency_key);
    end if;
  end if;
  if current_setting('synchronous_commit') = 'off' then
    perform saldo_private.require_durable_commit();
  end if;
  return v_row;
end
$$;
comment on function saldo.submit_transaction is
  'Submits a transaction on a hot account: takes its funds now, answers at once, and leaves the '
  'posting to the next settlement. direction: side of the account. counter_account_id: who gets '
  'the other side, an open account without min_balance, default the clearing account of the '
  'currency. metadata: up to 8,000 bytes. The same idempotency_key with the same content returns '
  'the first row; keys are per account. Waits for no other writer, unless only what others hold '
  'makes the funds suffice. Where a total of either account comes near 10^21 none is accepted: '
  'what is accepted can be settled. Errors in checking order: SB002 amount_invalid, '
  'SB004 amount_out_of_range, SB003 amount_scale, SB010 input_invalid, SB009 text_too_long, '
  'SB008 text_invalid, SB005 idempotency_conflict, SB022 already_done where the record of the key '
  'is gone, SB101 account_not_found, '
  'SB201 account_not_hot, SB104 currency_mismatch, SB203 counter_account_unfit, '
  'SB121 account_frozen, SB004 amount_out_of_range for totals without room, '
  'SB015 conflict_retry when the mode of the account changes at this '
  'moment, SB020 isolation_unsupported, SB207 prepared_transaction_open where slots have '
  'to be made, SB001 insufficient_balance, SB202 backlog_full.';
revoke execute on function saldo.submit_transaction from public;
grant execute on function saldo.submit_transaction to saldo_admin;
