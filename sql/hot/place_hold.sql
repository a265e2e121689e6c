-- Placing a hold, and letting it go: voided by hand, or expired.
--
-- Public: place_hold, void_hold, expire_holds. Private: open_hold, require_hold, end_hold,
-- change_held.
-- Locks: idempotency key, hold, then the account's row or a slot.

create or replace function saldo_private.change_held__is_frozen(account_id bigint)
returns boolean
language plpgsql
as $$
begin
  -- Until the end of the transaction nobody unfreezes it and makes slots, which would still count
  -- the hold.
  perform
  from saldo_private.hot_account as h
  where h.account_id = change_held__is_frozen.account_id
  for key share;
  return exists (
    select
    from saldo.account as a
    where a.id = change_held__is_frozen.account_id
    and a.mode = 'hot'
    and a.frozen_at is not null
  );
end
$$;
comment on function saldo_private.change_held__is_frozen is
  'Whether a hot account is frozen, and stays so until the transaction ends: it has no slots then, '
  'and the holds themselves say what is held.';

create or replace function saldo_private.change_held(account_id bigint, change numeric)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  perform saldo_private.notify_watchers(array[account_id]);
  -- Whether the account is immediate is only sure under its lock.
  update saldo.account as a
  set held_total = a.held_total + change_held.change
  where a.id = change_held.account_id
  and a.mode = 'immediate'
  and a.closed_at is null
  and (change_held.change <= 0 or a.frozen_at is null)
  and saldo_private.allows_change(
    a.balance, a.held_total + change_held.change, a.min_balance, -change_held.change
  );
  if found then
    return;
  end if;

  select *
  into v_account
  from saldo.account
  where id = change_held.account_id;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  elsif v_account.mode = 'hot' then
    if v_account.frozen_at is null or change > 0
      or not saldo_private.change_held__is_frozen(account_id)
    then
      perform saldo_private.move_slot(account_id, change, change, 0, 0, 0);
    end if;
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  elsif v_account.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  else
    perform saldo_private.fail('insufficient_balance', format(
      'account %s: available %s, needed %s', account_id,
      v_account.balance - v_account.held_total - v_account.min_balance, change
    ));
  end if;
end
$$;
comment on function saldo_private.change_held is
  'Changes what is held on an account and so what is available: its row where it is immediate, a '
  'slot where it is hot. A frozen one may hold less, and no more. Errors: '
  'SB101 account_not_found, SB102 account_closed, SB121 account_frozen, '
  'SB001 insufficient_balance.';

create or replace function saldo_private.open_hold(
  account_id bigint,
  hold_id uuid,
  amount numeric,
  expires_in interval,
  counter_account_id bigint,
  source text,
  description text,
  idempotency_key text default null,
  metadata jsonb default null
)
returns saldo.hold
language plpgsql
as $$
declare
  v_hold saldo.hold;
begin
  if open_hold.idempotency_key is not null then
    -- In the words of the index hold_is_placed_once_per_key.
    perform saldo_private.refuse_done('hold', h.id, h.idempotency_key)
    from saldo.hold as h
    where h.account_id = open_hold.account_id
    and h.idempotency_key = open_hold.idempotency_key
    and h.created_at >= '2026-11-01 00:00:00+00';
  end if;
  -- First: slots that have to be rebuilt must not see the hold yet.
  perform saldo_private.change_held(account_id, amount);
  insert into saldo.hold (
    account_id, id, amount, open_amount, counter_account_id, source, description, idempotency_key,
    metadata, created_by, expires_at
  )
  values (
    open_hold.account_id, open_hold.hold_id, open_hold.amount, open_hold.amount,
    open_hold.counter_account_id, open_hold.source, open_hold.description,
    open_hold.idempotency_key, open_hold.metadata, saldo_private.actor(),
    now() + coalesce(
      open_hold.expires_in, saldo_private.setting_value('hold_expires_in')::interval
    )
  )
  returning * into v_hold;
  perform saldo_private.require_durable_commit();
  return v_hold;
end
$$;
comment on function saldo_private.open_hold is
  'Writes a hold whose parts have been checked, and takes its funds. expires_in: default the '
  'setting hold_expires_in. Errors: SB102 account_closed, SB001 insufficient_balance.';

create or replace function saldo_private.require_hold(hold_id uuid)
returns saldo.hold
language plpgsql
as $$
declare
  v_hold saldo.hold;
begin
  select *
  into v_hold
  from saldo.hold
  where id = require_hold.hold_id
  for no key update;
  if v_hold.id is null then
    perform saldo_private.fail(
      'hold_not_found', format('hold %s', coalesce(hold_id::text, 'none'))
    );
  elsif v_hold.status <> 'HELD' then
    perform saldo_private.fail('hold_state', format('hold %s is %s', hold_id, v_hold.status));
  end if;
  perform saldo_private.require_uncontested(v_hold.account_id, array['hold']);
  return v_hold;
end
$$;
comment on function saldo_private.require_hold is
  'The open hold, locked: SB204 hold_not_found, SB205 hold_state, SB121 account_frozen where holds '
  'of its account were written past the engine.';

create or replace function saldo_private.end_hold(
  hold saldo.hold,
  status saldo.hold_status,
  reason text default null
)
returns saldo.hold
language plpgsql
as $$
declare
  v_hold saldo.hold;
begin
  -- First: slots that have to be rebuilt must still see the hold.
  perform saldo_private.change_held(hold.account_id, -hold.open_amount);
  update saldo.hold as h
  set status = end_hold.status,
    open_amount = 0,
    captured_amount = h.captured_amount
      + case when end_hold.status = 'CAPTURED' then h.open_amount else 0 end,
    closed_at = clock_timestamp(),
    close_reason = end_hold.reason
  where h.account_id = hold.account_id
  and h.id = hold.id
  returning h.*
  into v_hold;
  perform saldo_private.require_durable_commit();
  return v_hold;
end
$$;
comment on function saldo_private.end_hold is
  'Ends an open hold that the caller has locked, and gives back all that it still held; CAPTURED '
  'counts that as captured, and leaves the posting to the caller.';

create or replace function saldo.place_hold(
  account_id bigint,
  amount numeric,
  expires_in interval default null,
  description text default null,
  counter_account_id bigint default null,
  idempotency_key text default null,
  metadata jsonb default null
)
returns saldo.hold
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_amount numeric := saldo_private.require_amount(place_hold.amount);
  v_description text := case when place_hold.description is null then 'Hold'
    else saldo_private.require_text(place_hold.description, 'description') end;
  v_metadata jsonb := saldo_private.require_metadata(place_hold.metadata);
  v_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_account saldo.account;
  v_hold saldo.hold;
begin
  if account_id is null then
    perform saldo_private.fail('account_not_found', 'account none');
  end if;
  if expires_in <= interval '0' or expires_in > interval '10 years' then
    perform saldo_private.fail('input_invalid', 'expires_in: more than nothing, up to 10 years');
  end if;
  v_earlier_id := saldo_private.claim_idempotency_key(
    'account:' || place_hold.account_id, place_hold.idempotency_key, 'place_hold',
    jsonb_build_array(v_amount, extract(epoch from place_hold.expires_in), v_description,
      place_hold.counter_account_id, v_metadata),
    v_id
  );
  if v_earlier_id is not null then
    select *
    into strict v_hold
    from saldo.hold as h
    where h.account_id = place_hold.account_id
    and h.id = v_earlier_id;
    return v_hold;
  end if;

  select *
  into v_account
  from saldo.account
  where id = place_hold.account_id;
  if v_account.id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  end if;
  return saldo_private.open_hold(
    account_id => v_account.id,
    hold_id => v_id,
    amount => v_amount,
    expires_in => place_hold.expires_in,
    counter_account_id => saldo_private.require_counter_account(
      v_account, place_hold.counter_account_id
    ),
    source => 'place_hold',
    description => v_description,
    idempotency_key => place_hold.idempotency_key,
    metadata => v_metadata
  );
end
$$;
comment on function saldo.place_hold is
  'Holds an amount of an account: it lowers what is available, not the balance, until it is '
  'captured, voided or expires. expires_in: default the setting hold_expires_in. '
  'counter_account_id: who gets what is captured, an open account without min_balance, default '
  'the clearing account of the currency. The same idempotency_key with the same content returns '
  'the first hold as it is now; keys are per account. Errors in checking order: '
  'SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, SB008 text_invalid, '
  'SB009 text_too_long, SB010 input_invalid, SB005 idempotency_conflict, SB101 account_not_found, '
  'SB022 already_done where the record of the key is gone, '
  'SB104 currency_mismatch, SB203 counter_account_unfit, SB102 account_closed, '
  'SB121 account_frozen, SB004 amount_out_of_range for a counter account whose totals have no room '
  'left, SB001 insufficient_balance; on a hot account also SB015 conflict_retry '
  'when it ceases to be hot at this moment, SB020 isolation_unsupported, and '
  'SB207 prepared_transaction_open.';
revoke execute on function saldo.place_hold from public;
grant execute on function saldo.place_hold to saldo_admin;

create or replace function saldo.void_hold(hold_id uuid, reason text default null)
returns saldo.hold
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := case when void_hold.reason is null then 'Voided'
    else saldo_private.require_text(void_hold.reason, 'reason') end;
begin
  return saldo_private.end_hold(
    saldo_private.require_hold(void_hold.hold_id), 'VOIDED', v_reason
  );
end
$$;
comment on function saldo.void_hold is
  'Gives up a hold: what it still holds is available again; what was captured stays. A pending '
  'purchase fails with its hold. Errors in checking order: SB008 text_invalid, '
  'SB009 text_too_long, SB204 hold_not_found, SB205 hold_state unless it is HELD, '
  'SB121 account_frozen after a write past the engine to holds of the account; on a hot account '
  'also SB015 conflict_retry, SB020 isolation_unsupported, SB207 prepared_transaction_open.';
revoke execute on function saldo.void_hold from public;
grant execute on function saldo.void_hold to saldo_admin;

create or replace function saldo.expire_holds(row_limit integer default 1000)
returns setof saldo.hold
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if row_limit is null or row_limit not between 1 and 100000 then
    perform saldo_private.fail('input_invalid', 'row_limit: 1 to 100,000');
  end if;
  return query
  select e.*
  from (
    select due.hold
    from (
      select hold
      from saldo.hold
      where hold.status = 'HELD'
      and hold.expires_at <= now()
      order by hold.expires_at
      limit row_limit
      -- One that is being captured or voided at this moment is not ours to end.
      for no key update skip locked
    ) as due
    -- In account order, as everywhere.
    order by (due.hold).account_id, (due.hold).id
    offset 0
  ) as h
  cross join lateral saldo_private.end_hold(h.hold, 'EXPIRED', 'Expired') as e;
end
$$;
comment on function saldo.expire_holds is
  'Ends holds whose time has come, at most row_limit of them, oldest first, and returns them: '
  'what they hold is available again. A pending purchase fails with its hold. Call it again while '
  'it returns row_limit of them. Errors: SB010 input_invalid; on a hot account also '
  'SB015 conflict_retry, SB020 isolation_unsupported, SB207 prepared_transaction_open.';
revoke execute on function saldo.expire_holds from public;
grant execute on function saldo.expire_holds to saldo_admin;
