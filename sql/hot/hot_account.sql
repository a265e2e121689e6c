-- Hot and immediate: how an account takes its writers, and how it changes its mode under load.
--
-- Public: make_account_hot, make_account_immediate.
-- The mode is on the account's row, and is changed under its lock only. A writer that does not take
-- that lock holds a slot or a stripe instead. An account that becomes immediate first removes all
-- of them, which waits for their holders; a later writer finds none and asks the row.

create or replace function saldo_private.settle_all(account_id bigint)
returns void
language plpgsql
as $$
begin
  perform saldo_private.contest_uncounted(account_id);
  -- Waits for those who hold one; a writer that comes now finds none, and waits for the caller.
  perform saldo_private.remove_slots(account_id);
  while saldo_private.settle_batch(1000000, account_id) is not null loop
    continue;
  end loop;
  if exists (select from saldo.pending_sub_balances(account_id)) then
    perform saldo_private.fail(
      'account_not_hot', 'rows are missing, or not as the engine wrote them: settlement cannot end'
    );
  end if;
end
$$;
comment on function saldo_private.settle_all is
  'Takes the slots of an account away and settles all that is pending; call it under its locks. '
  'Error: SB201 account_not_hot when rows are missing so that not all can be settled.';

create or replace function saldo.make_account_hot(
  account_id bigint,
  slots integer default null,
  is_pending_available boolean default null
)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_slots integer := coalesce(slots, saldo_private.default_slots());
  v_account saldo.account;
begin
  perform saldo_private.require_read_committed();
  if v_slots not between 1 and 1000 then
    perform saldo_private.fail('input_invalid', 'slots: 1 to 1,000');
  end if;
  -- Before the account's row, as everywhere; waits for a settlement of the account.
  perform saldo_private.lock_hot_account(account_id);
  select *
  into v_account
  from saldo.account
  where id = make_account_hot.account_id
  for update;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  elsif v_account.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  elsif v_account.code like 'suspense:%' then
    perform saldo_private.fail(
      'input_invalid', 'account_id: settlements book against a suspense account, it stays immediate'
    );
  end if;
  if v_account.mode = 'hot' and is_pending_available <> v_account.is_pending_available then
    -- So that the available balance does not change with the mode.
    perform saldo_private.settle_all(v_account.id);
  end if;

  update saldo.account as a
  set mode = 'hot',
    slots = v_slots,
    held_total = 0,
    is_pending_available =
      coalesce(make_account_hot.is_pending_available, a.is_pending_available)
  where a.id = v_account.id
  returning a.*
  into v_account;
  perform saldo_private.rebuild_slots(v_account.id, is_forced => true);
  perform saldo_private.require_durable_commit();
  return v_account;
end
$$;
comment on function saldo.make_account_hot is
  'Lets many writers post and submit to an account at once. slots: how many never wait for each '
  'other, default the setting hot_account_slots. is_pending_available: whether submitted money '
  'that comes in is available before it is settled; default as it was, at first yes; to change it '
  'settles what is pending. Can be called under load, and again to change either: no balance '
  'changes. From now on submit_transaction works, and the account''s row follows with each '
  'settlement. Errors in checking order: SB020 isolation_unsupported, SB010 input_invalid, '
  'SB207 prepared_transaction_open, SB101 account_not_found, SB102 account_closed, '
  'SB121 account_frozen, SB010 input_invalid for a suspense account, '
  'SB201 account_not_hot when rows are missing so that not all can be settled, '
  'SB015 conflict_retry when its mode changes at this moment.';
revoke execute on function saldo.make_account_hot from public;
grant execute on function saldo.make_account_hot to saldo_admin;

create or replace function saldo.make_account_immediate(account_id bigint)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
begin
  perform saldo_private.require_read_committed();
  v_account := saldo_private.require_hot_account(make_account_immediate.account_id);
  perform saldo_private.lock_hot_account(v_account.id);
  v_account := saldo_private.require_hot_account(make_account_immediate.account_id);

  -- In the order in which a posting takes them. Each waits for those who hold one; a writer that
  -- comes now finds none, and waits for the row.
  perform
  from saldo.account as a
  where a.id = v_account.id
  for update;
  perform saldo_private.remove_stripes(v_account.id);
  perform saldo_private.settle_all(v_account.id);
  perform saldo_private.remove_stripes(v_account.id); -- those that the settlement made

  update saldo.account as a
  set mode = 'immediate',
    slots = null,
    held_total = (
      select coalesce(sum(h.open_amount), 0)
      from saldo.hold as h
      where h.account_id = a.id
      and h.status = 'HELD'
    )
  where a.id = v_account.id
  returning a.*
  into v_account;
  perform saldo_private.require_durable_commit();
  return v_account;
end
$$;
comment on function saldo.make_account_immediate is
  'Settles what is pending on a hot account and makes every posting update its row again. Can be '
  'called under load: it waits for the transactions under way on the account, and the next ones '
  'wait for it; no balance changes. Errors in checking order: SB020 isolation_unsupported, '
  'SB101 account_not_found, SB207 prepared_transaction_open, '
  'SB201 account_not_hot, also when rows are missing so that not all can be settled.';
revoke execute on function saldo.make_account_immediate from public;
grant execute on function saldo.make_account_immediate to saldo_admin;
