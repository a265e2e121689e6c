-- Closing a month although more is open than one person may waive.
--
-- Public: propose_closing. Private: decide_close_period.

create or replace function saldo.propose_closing(month date, waive text[], reason text)
returns saldo.decision
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
set jit = off -- as for rules
as $$
declare
  v_reason text := saldo_private.require_text(propose_closing.reason, 'reason');
  v_period saldo.period := saldo_private.require_month_period(propose_closing.month);
begin
  if v_period.status not in ('open', 'closing') then
    perform saldo_private.refuse_period(v_period, 'only an open one is closed');
  end if;
  -- Closing checks again, and what is proposed is what it will find.
  perform saldo_private.run_check('manual');
  return saldo_private.record_proposal(
    saldo_private.close_period__decision(v_period, propose_closing.waive, v_reason)
  );
end
$$;
comment on function saldo.propose_closing is
  'Proposes to close a month although items of its checklist are open, as close_period does, for '
  'another administrator to approve: see approve_decision. It checks all rules. Approved is what '
  'is open now, item by item: where other things are open by then, as many or not, nothing is '
  'closed. Errors in '
  'checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB010 input_invalid for the month, SB109 period_state.';
revoke execute on function saldo.propose_closing from public;
grant execute on function saldo.propose_closing to saldo_admin, saldo_accountant;

create or replace function saldo_private.decide_close_period(decision saldo.decision)
returns void
language plpgsql
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_waive text[] := array(
    select w.item
    from jsonb_array_elements_text(decision.arguments -> 'waive') as w (item)
  );
begin
  perform saldo_private.close_period__run(
    saldo_private.require_month_period((decision.arguments ->> 'month')::date), v_waive,
    decision.reason, decision
  );
end
$$;
comment on function saldo_private.decide_close_period is
  'Closes a month as was proposed: SB622 proposal_stale when other things are open, and the errors '
  'of close_period.';
