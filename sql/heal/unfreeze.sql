-- Releasing a frozen account: whoever does it says that its figures are right.
--
-- Public: unfreeze_account, propose_unfreeze. Private: unfreeze_account__run,
-- decide_unfreeze_account. Above unfreeze_alone_amount it needs two people.

create or replace function saldo_private.unfreeze_account__decision(
  account_id bigint,
  reason text
)
returns saldo.decision
language sql
stable
as $$
  select saldo_private.decision(
    action => 'unfreeze_account',
    arguments => jsonb_build_object('account_id', a.id),
    before => jsonb_build_object(
      'freeze_id', (
        select f.id
        from saldo.account_freeze as f
        where f.account_id = a.id
        and f.unfrozen_at is null
      ),
      'balance', trim_scale(t.balance)
    ),
    reason => unfreeze_account__decision.reason,
    account_id => a.id,
    amount => abs(t.balance),
    currency => a.currency
  )
  from saldo.account as a
  join saldo_private.account_total as t on t.account_id = a.id
  where a.id = unfreeze_account__decision.account_id
$$;
comment on function saldo_private.unfreeze_account__decision is
  'The decision to release an account, with the freeze that it ends and the balance.';

create or replace function saldo_private.unfreeze_account__examine(
  account saldo.account,
  account_id bigint
)
returns void
language plpgsql
stable
as $$
begin
  if account.id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif account.frozen_at is null then
    perform saldo_private.fail('account_not_frozen', format('account %s', account_id));
  end if;
end
$$;
comment on function saldo_private.unfreeze_account__examine is
  'Refuses what is no frozen account: SB101 account_not_found, SB122 account_not_frozen.';

create or replace function saldo_private.unfreeze_account__lock(account_id bigint)
returns saldo.account
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  if exists (
    select from saldo.customer as c where c.account_id = unfreeze_account__lock.account_id
  ) then
    perform saldo_private.lock_rating(array[unfreeze_account__lock.account_id]);
  end if;
  -- Slots are not made or looked for here: the next request makes them.
  perform
  from saldo_private.hot_account as h
  where h.account_id = unfreeze_account__lock.account_id
  for update;
  select a.*
  into v_account
  from saldo.account as a
  where a.id = unfreeze_account__lock.account_id
  for no key update; -- a posting that adds a stripe has it weakly, and then wants the lock above
  perform saldo_private.unfreeze_account__examine(v_account, account_id);
  return v_account;
end
$$;
comment on function saldo_private.unfreeze_account__lock is
  'The frozen account, locked: SB020 isolation_unsupported for a customer, '
  'SB101 account_not_found, SB122 account_not_frozen.';

create or replace function saldo_private.unfreeze_account__run(account saldo.account, reason text)
returns saldo.account
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  update saldo.account_freeze as f
  set unfrozen_at = clock_timestamp(),
    unfrozen_by = saldo_private.actor(),
    unfreeze_reason = unfreeze_account__run.reason
  where f.account_id = account.id
  and f.unfrozen_at is null;
  update saldo.account as a
  set frozen_at = null,
    frozen_reason = null
  where a.id = account.id
  returning a.*
  into v_account;
  if exists (select from saldo.customer as c where c.account_id = v_account.id) then
    perform saldo_private.rate_released(v_account.id);
  end if;
  perform saldo_private.require_durable_commit();
  return v_account;
end
$$;
comment on function saldo_private.unfreeze_account__run is
  'Releases a locked account, and rates what changed meanwhile of a customer: '
  'SB004 amount_out_of_range, and those of a posting.';

create or replace function saldo.unfreeze_account(account_id bigint, reason text)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(unfreeze_account.reason, 'reason');
  v_account saldo.account := saldo_private.unfreeze_account__lock(unfreeze_account.account_id);
  v_decision saldo.decision :=
    saldo_private.unfreeze_account__decision(unfreeze_account.account_id, v_reason);
  v_alone_max numeric := saldo_private.setting_value('unfreeze_alone_amount');
begin
  if (v_decision.amount <= v_alone_max) is not true then
    perform saldo_private.require_second_person(format(
      'account %s: balance %s, unfreeze_alone_amount is %s', account_id, v_decision.amount,
      v_alone_max
    ));
  end if;
  perform saldo_private.record_decision(v_decision, 'approved');
  return saldo_private.unfreeze_account__run(v_account, v_reason);
end
$$;
comment on function saldo.unfreeze_account is
  'Lets an account be posted to again. A customer''s readings are rated by what changed '
  'meanwhile, except locked months. A heal does not freeze it once more for the same finding '
  'with the same evidence. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB020 isolation_unsupported for a customer, SB101 account_not_found, '
  'SB122 account_not_frozen, SB662 second_person_needed for a balance above unfreeze_alone_amount '
  '(see propose_unfreeze), SB004 amount_out_of_range; of a customer also those of a posting.';
revoke execute on function saldo.unfreeze_account from public;
grant execute on function saldo.unfreeze_account to saldo_admin;

create or replace function saldo.propose_unfreeze(account_id bigint, reason text)
returns saldo.decision
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(propose_unfreeze.reason, 'reason');
  v_account saldo.account;
begin
  -- Not locked: an approval has the proposal first, and then the account.
  select a.*
  into v_account
  from saldo.account as a
  where a.id = propose_unfreeze.account_id;
  perform saldo_private.unfreeze_account__examine(v_account, propose_unfreeze.account_id);
  return saldo_private.record_proposal(
    saldo_private.unfreeze_account__decision(v_account.id, v_reason)
  );
end
$$;
comment on function saldo.propose_unfreeze is
  'Proposes what unfreeze_account does, for another administrator to approve: see '
  'approve_decision. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB101 account_not_found, SB122 account_not_frozen.';
revoke execute on function saldo.propose_unfreeze from public;
grant execute on function saldo.propose_unfreeze to saldo_admin;

create or replace function saldo_private.decide_unfreeze_account(decision saldo.decision)
returns void
language plpgsql
as $$
declare
  v_account saldo.account := saldo_private.unfreeze_account__lock(decision.account_id);
  v_before jsonb := (
    saldo_private.unfreeze_account__decision(v_account.id, decision.reason)
  ).before;
begin
  if v_before is distinct from decision.before then
    perform saldo_private.fail('proposal_stale', format(
      'account %s: %s, proposed at %s', v_account.id, v_before, decision.before
    ));
  end if;
  perform saldo_private.unfreeze_account__run(v_account, decision.reason);
end
$$;
comment on function saldo_private.decide_unfreeze_account is
  'Releases an account as was proposed: SB622 proposal_stale when it was frozen again, or its '
  'balance is another one, and the errors of unfreeze_account.';
