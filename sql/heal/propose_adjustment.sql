-- Adjusting a balance by more than one person may.
--
-- Public: propose_adjustment. Private: decide_adjust_balance.

create or replace function saldo.propose_adjustment(
  account_id bigint,
  new_balance numeric,
  reason text,
  difference_account_id bigint default null,
  finding_id uuid default null
)
returns saldo.decision
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_adjustment saldo.balance_adjustment;
begin
  v_adjustment.account_id := propose_adjustment.account_id;
  v_adjustment.reason := saldo_private.require_text(propose_adjustment.reason, 'reason');
  v_adjustment.new_balance := saldo_private.adjust_balance__figure(propose_adjustment.new_balance);
  v_adjustment.difference_account_id := propose_adjustment.difference_account_id;
  v_adjustment.finding_id := propose_adjustment.finding_id;
  v_adjustment := saldo_private.adjust_balance__examine(v_adjustment);
  select trim_scale(t.balance)
  into strict v_adjustment.balance_before
  from saldo_private.account_total as t
  where t.account_id = propose_adjustment.account_id;
  return saldo_private.record_proposal(saldo_private.adjust_balance__decision(
    v_adjustment, abs(v_adjustment.new_balance - v_adjustment.balance_before), (
      select a.currency
      from saldo.account as a
      where a.id = propose_adjustment.account_id
    )
  ));
end
$$;
comment on function saldo.propose_adjustment is
  'Proposes what adjust_balance does, for another administrator to approve: see approve_decision. '
  'Approved is the step from the balance as it is now to the new one: where it is another by then, '
  'nothing is done. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, '
  'SB101 account_not_found, SB102 account_closed, SB104 currency_mismatch, '
  'SB203 counter_account_unfit, SB121 account_frozen for a frozen difference account, '
  'SB007 not_found, SB626 finding_of_another.';
revoke execute on function saldo.propose_adjustment from public;
grant execute on function saldo.propose_adjustment to saldo_admin, saldo_accountant;

create or replace function saldo_private.decide_adjust_balance(decision saldo.decision)
returns void
language plpgsql
as $$
declare
  v_adjustment saldo.balance_adjustment;
begin
  v_adjustment.id := saldo_private.uuid_v7();
  v_adjustment.account_id := decision.account_id;
  v_adjustment.reason := decision.reason;
  v_adjustment.new_balance := (decision.arguments ->> 'new_balance')::numeric;
  v_adjustment.difference_account_id := (decision.arguments ->> 'difference_account_id')::bigint;
  v_adjustment.finding_id := (decision.arguments ->> 'finding_id')::uuid;
  v_adjustment.adjusted_by := saldo_private.actor();
  v_adjustment.adjusted_at := clock_timestamp();
  v_adjustment := saldo_private.adjust_balance__examine(v_adjustment);
  perform saldo_private.adjust_balance__do(v_adjustment, decision);
end
$$;
comment on function saldo_private.decide_adjust_balance is
  'Adjusts as was proposed: SB622 proposal_stale when the balance is another one by now, and the '
  'errors of adjust_balance.';
