-- Capturing a hold: the promised money is taken, whole or in part.
--
-- Public: capture_hold. Private: capture_hold__post, capture_hold__post_pair,
-- capture_hold__submit.
-- On an immediate account a capture is a journal entry at once; on a hot one a row for the next
-- settlement. Either way its funds come from the hold and cannot be lacking.

create or replace function saldo.capture_hold(
  hold_id uuid,
  amount numeric default null,
  keep_rest boolean default false,
  idempotency_key text default null
)
returns saldo.hold
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_hold saldo.hold;
  v_captured saldo.hold;
  v_amount numeric;
  v_is_kept boolean;
begin
  if hold_id is null then
    perform saldo_private.fail('hold_not_found', 'hold none');
  end if;
  if capture_hold.amount is not null then
    v_amount := saldo_private.require_amount(capture_hold.amount);
  end if;
  if saldo_private.claim_idempotency_key(
    'hold:' || capture_hold.hold_id, capture_hold.idempotency_key, 'capture_hold',
    jsonb_build_array(v_amount, coalesce(keep_rest, false)), capture_hold.hold_id
  ) is not null then
    select *
    into strict v_hold
    from saldo.hold as h
    where h.id = capture_hold.hold_id;
    return v_hold;
  end if;

  v_hold := saldo_private.require_hold(capture_hold.hold_id);
  v_amount := coalesce(v_amount, v_hold.open_amount);
  if v_amount > v_hold.open_amount then
    perform saldo_private.fail('capture_too_large', format(
      'hold %s: open %s, to capture %s', hold_id, v_hold.open_amount, v_amount
    ));
  end if;
  v_is_kept := coalesce(keep_rest, false) and v_amount < v_hold.open_amount;

  -- First: slots that have to be rebuilt must still see the hold as it was.
  perform saldo_private.capture_hold__post(
    v_hold, v_amount, case when v_is_kept then v_amount else v_hold.open_amount end,
    capture_hold.idempotency_key
  );
  update saldo.hold as h
  set status = case when v_is_kept then 'HELD' else 'CAPTURED' end::saldo.hold_status,
    open_amount = case when v_is_kept then h.open_amount - v_amount else 0 end,
    captured_amount = h.captured_amount + v_amount,
    closed_at = case when not v_is_kept then clock_timestamp() end
  where h.account_id = v_hold.account_id
  and h.id = v_hold.id
  returning h.*
  into v_captured;
  return v_captured;
end
$$;
comment on function saldo.capture_hold is
  'Takes the money of a hold, by default all that it still holds: posts it at once on an '
  'immediate account, submits it for settlement on a hot one. Of a part the rest is released, or '
  'stays held for another capture with keep_rest. The same idempotency_key with the same content '
  'captures once; keys are per hold. A pending purchase is paid with complete_purchase instead. '
  'Errors in checking order: SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, '
  'SB008 text_invalid, SB009 text_too_long, SB005 idempotency_conflict, SB204 hold_not_found, '
  'SB205 hold_state unless it is HELD, SB206 capture_too_large, SB305 purchase_state for the hold '
  'of a purchase, SB102 account_closed on an immediate account when the counter account has been '
  'closed (on a hot one the settlement books to suspense then); on a hot account '
  'SB015 conflict_retry, SB202 backlog_full, SB004 amount_out_of_range for an account whose totals '
  'have no room left, SB020 isolation_unsupported; and those of a posting. '
  'A hold past its time can be captured until expire_holds has ended it.';
revoke execute on function saldo.capture_hold from public;
grant execute on function saldo.capture_hold to saldo_admin;

create or replace function saldo_private.capture_hold__submit(
  hold saldo.hold,
  account saldo.account,
  amount numeric,
  released numeric,
  idempotency_key text
)
returns void
language plpgsql
as $$
declare
  v_direction saldo.entry_side :=
    case when saldo_private.is_debit_normal(account.type) then 'credit' else 'debit' end;
  v_slot saldo_private.slot_position;
begin
  if capture_hold__submit.idempotency_key is not null then
    perform saldo_private.refuse_done('transaction', saldo_private.submitted_under_key(
      account.id, capture_hold__submit.idempotency_key, hold.id
    ), capture_hold__submit.idempotency_key);
  end if;
  -- The funds left the slots when the hold was placed; what is released comes back.
  v_slot := saldo_private.move_slot(
    account.id, amount - released, -released,
    case v_direction when 'debit' then amount else 0 end,
    case v_direction when 'credit' then amount else 0 end, 1
  );
  insert into saldo.sub_balance (
    account_id, id, seq, counter_account_id, hold_id, slot_no, direction, amount, created_by,
    idempotency_key
  )
  values (
    account.id, saldo_private.uuid_v7(), v_slot.seq, hold.counter_account_id, hold.id,
    v_slot.slot_no, v_direction, amount, saldo_private.actor(),
    capture_hold__submit.idempotency_key
  );
  perform saldo_private.require_durable_commit();
end
$$;
comment on function saldo_private.capture_hold__submit is
  'Submits what is captured of a hold on a hot account.';

create or replace function saldo_private.capture_hold__post_pair(
  hold saldo.hold,
  account saldo.account,
  amount numeric,
  idempotency_key text
)
returns void
language plpgsql
as $$
declare
  v_is_debit boolean := not saldo_private.is_debit_normal(account.type);
  v_constraint text;
begin
  perform saldo_private.post_pair(
    entry_id => saldo_private.uuid_v7(),
    debit_account_id => case when v_is_debit then hold.account_id else hold.counter_account_id end,
    credit_account_id => case when v_is_debit then hold.counter_account_id else hold.account_id end,
    amount => amount,
    description => hold.description,
    source => 'capture_hold',
    idempotency_key => capture_hold__post_pair.idempotency_key,
    metadata => jsonb_build_object('hold_id', hold.id),
    is_with_hot => true
  );
exception
  -- Not asked for beforehand: where captures were doubled once, the index does not know all.
  when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint <> 'hold_is_captured_once_per_key' then
      raise;
    end if;
    perform saldo_private.fail('already_done', format(
      'hold %s: key %s', hold.id, capture_hold__post_pair.idempotency_key
    ));
end
$$;
comment on function saldo_private.capture_hold__post_pair is
  'Posts what is captured of a hold on an immediate account.';

create or replace function saldo_private.capture_hold__post(
  hold saldo.hold,
  amount numeric,
  released numeric,
  idempotency_key text
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  select *
  into strict v_account
  from saldo.account
  where id = hold.account_id;
  if v_account.mode = 'hot' then
    perform saldo_private.capture_hold__submit(
      hold, v_account, amount, released, idempotency_key
    );
    return;
  end if;

  -- Both accounts in id order, as a posting locks them; whether the account is immediate is sure
  -- only then. A hot one's row is not locked.
  perform
  from saldo.account as a
  where a.id in (hold.account_id, hold.counter_account_id)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
  select *
  into strict v_account
  from saldo.account
  where id = hold.account_id;
  if v_account.mode = 'hot' then -- since a moment ago
    perform saldo_private.capture_hold__submit(
      hold, v_account, amount, released, idempotency_key
    );
    return;
  end if;

  -- The hold goes first: the posting would count it against the balance.
  perform saldo_private.change_held(hold.account_id, -released);
  perform saldo_private.capture_hold__post_pair(hold, v_account, amount, idempotency_key);
end
$$;
comment on function saldo_private.capture_hold__post is
  'Posts or submits what is captured. released: what leaves the hold, captured or given back.';
