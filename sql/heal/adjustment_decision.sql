-- Whether a person may adjust a balance so, alone or at all.
--
-- Private: adjust_balance__difference_account, adjust_balance__examine, adjust_balance__figure,
-- adjust_balance__decision, adjust_balance__decide.

create or replace function saldo_private.adjust_balance__difference_account(
  account saldo.account,
  difference_account_id bigint
)
returns bigint
language plpgsql
as $$
begin
  if account.id is null then
    perform saldo_private.fail('account_not_found', 'account_id');
  elsif account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account.id));
  end if;
  return saldo_private.require_counter_account(account, coalesce(
    difference_account_id, saldo_private.system_account('difference', account.currency)
  ));
end
$$;
comment on function saldo_private.adjust_balance__difference_account is
  'The account that takes the difference: SB101 account_not_found, SB102 account_closed of the '
  'account itself, then SB101 account_not_found, SB104 currency_mismatch, '
  'SB203 counter_account_unfit, SB121 account_frozen of the other one.';

create or replace function saldo_private.adjust_balance__examine(
  adjustment saldo.balance_adjustment
)
returns saldo.balance_adjustment
language plpgsql
as $$
declare
  v_account saldo.account;
  v_finding saldo.finding;
begin
  select a.*
  into v_account
  from saldo.account as a
  where a.id = adjustment.account_id;
  adjustment.difference_account_id := saldo_private.adjust_balance__difference_account(
    v_account, adjustment.difference_account_id
  );
  if adjustment.finding_id is not null then
    select f.*
    into v_finding
    from saldo.finding as f
    where f.id = adjustment.finding_id;
    if v_finding.id is null then
      perform saldo_private.fail('not_found', format('finding %s', adjustment.finding_id));
    elsif v_finding.account_id is distinct from adjustment.account_id then
      perform saldo_private.fail('finding_of_another', format('finding %s', adjustment.finding_id));
    end if;
  end if;
  return adjustment;
end
$$;
comment on function saldo_private.adjust_balance__examine is
  'The adjustment with the account of the difference: SB101 account_not_found, '
  'SB102 account_closed, SB104 currency_mismatch, SB203 counter_account_unfit, '
  'SB121 account_frozen, SB007 not_found, SB626 finding_of_another.';

create or replace function saldo_private.adjust_balance__decision(
  adjustment saldo.balance_adjustment,
  amount numeric,
  currency text
)
returns saldo.decision
language sql
stable
as $$
  select saldo_private.decision(
    action => 'adjust_balance',
    arguments => jsonb_build_object(
      'account_id', adjustment.account_id, 'new_balance', adjustment.new_balance,
      'difference_account_id', adjustment.difference_account_id,
      'finding_id', adjustment.finding_id
    ),
    before => jsonb_build_object('balance', adjustment.balance_before),
    reason => adjustment.reason,
    account_id => adjustment.account_id,
    amount => adjust_balance__decision.amount,
    currency => adjust_balance__decision.currency
  )
$$;
comment on function saldo_private.adjust_balance__decision is
  'The decision to adjust, with the balance that it was seen with.';

create or replace function saldo_private.adjust_balance__figure(new_balance numeric)
returns numeric
language sql
stable
as $$
  select case when new_balance = 0 then 0
    else sign(new_balance) * saldo_private.require_amount(abs(new_balance)) end
$$;
comment on function saldo_private.adjust_balance__figure is
  'The wanted balance, which may be zero or negative: SB002 amount_invalid, '
  'SB004 amount_out_of_range, SB003 amount_scale.';

create or replace function saldo_private.adjust_balance__decide(
  adjustment saldo.balance_adjustment,
  currency text
)
returns void
language plpgsql
as $$
declare
  v_change numeric := greatest(
    abs(adjustment.new_balance - adjustment.journal_balance),
    abs(adjustment.new_balance - adjustment.balance_before)
  );
  v_alone_max numeric := saldo_private.setting_value('adjust_alone_amount');
  v_used numeric;
begin
  if v_change = 0 then
    return;
  end if;
  perform saldo_private.use_limit('adjust', v_change, currency);
  v_used := saldo_private.count_use(
    'adjust_alone', v_change, currency, saldo_private.responsible_person()
  );
  if (v_used <= v_alone_max) is not true then
    perform saldo_private.require_second_person(format(
      'account %s: %s %s of adjustments on a day, adjust_alone_amount is %s', adjustment.account_id,
      v_used, currency, v_alone_max
    ));
  end if;
  perform saldo_private.record_decision(
    saldo_private.adjust_balance__decision(adjustment, v_change, currency), 'approved'
  );
end
$$;
comment on function saldo_private.adjust_balance__decide is
  'Lets one person adjust within the limits, and keeps that it was alone: '
  'SB660 call_limit_exceeded, SB661 day_limit_exceeded, SB662 second_person_needed.';
