-- Adjusting a balance: a human accepts a difference that no heal can settle.
--
-- Public: adjust_balance. Private: adjust_balance__*.
-- First the totals are set to the journal, and recorded as heals; then an entry of kind adjustment
-- and source adjust_balance posts what is missing to the wanted balance, against a difference
-- account. By default that is difference:<currency>, an expense: like cash over or short in a till,
-- an unexplained difference is a loss or a gain of the year, and ends in equity. The source is
-- reserved, because a frozen account accepts it.
-- Locks: of a hot account the row of hot_account, its own, its stripes and its slots; then both
-- accounts in id order where they are immediate.

create or replace function saldo_private.adjust_balance__lock(
  account_id bigint,
  difference_account_id bigint
)
returns saldo.account
language plpgsql
as $$
declare
  v_mode saldo.account_mode := (
    select a.mode from saldo.account as a where a.id = adjust_balance__lock.account_id
  );
  v_account saldo.account;
begin
  if v_mode = 'hot' then
    perform saldo_private.freeze_accounts__empty(account_id);
  end if;
  perform
  from saldo.account as a
  where a.id in (adjust_balance__lock.account_id, difference_account_id)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
  select a.*
  into v_account
  from saldo.account as a
  where a.id = adjust_balance__lock.account_id;
  if v_account.mode <> v_mode then -- since a moment ago
    perform saldo_private.fail('conflict_retry', format('account %s', account_id));
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  end if;
  return v_account;
end
$$;
comment on function saldo_private.adjust_balance__lock is
  'The account, locked so that nobody posts to it; a hot one without stripes and slots. Errors: '
  'SB015 conflict_retry when its mode changes at this moment, SB102 account_closed.';

create or replace function saldo_private.adjust_balance__heal(
  account_id bigint,
  finding_id uuid,
  reason text
)
returns integer
language plpgsql
as $$
declare
  v_plan saldo_private.planned_heal[];
begin
  select array_agg(saldo_private.planned_heal(
      finding_id => adjust_balance__heal.finding_id,
      rule => k.rule,
      key => k.key,
      account_id => adjust_balance__heal.account_id,
      heal_function => r.heal_function,
      reason => adjust_balance__heal.reason
    ))
  into v_plan
  from (
    select 'account_balance' as rule, adjust_balance__heal.account_id::text as key
    union all
    -- All months: those that agree are left as they are.
    select 'month_movement', format('%s %s', adjust_balance__heal.account_id, m.month)
    from (
      select mm.month
      from saldo.month_movement as mm
      where mm.account_id = adjust_balance__heal.account_id
      union
      select saldo_private.month_of(l.posting_date)
      from saldo.journal_line as l
      where l.account_id = adjust_balance__heal.account_id
    ) as m
    union all
    -- Of years that are not kept a heal makes none.
    select 'year_movement', format('%s %s', adjust_balance__heal.account_id, y.year)
    from (
      select ym.year
      from saldo_private.year_movement as ym
      where ym.account_id = adjust_balance__heal.account_id
      union
      select extract(year from l.posting_date)::integer
      from saldo.journal_line as l
      where l.account_id = adjust_balance__heal.account_id
    ) as y
    union all
    select 'customer_month_total', format('%s %s', (c.change).account_id, (c.change).month)
    from saldo_private.customer_month_change(array(
      select u.account_id
      from saldo.customer as u
      where u.account_id = adjust_balance__heal.account_id
    )) as c
  ) as k
  join saldo.balance_rule as r on r.name = k.rule;
  v_plan := array(
    select p
    from unnest(saldo_private.run_heals(v_plan, array['healed'])) as p
    where p.outcome = 'healed'
  );
  perform saldo_private.record_heals(v_plan);
  return cardinality(v_plan);
end
$$;
comment on function saldo_private.adjust_balance__heal is
  'Sets totals, months and kept years of the account to the journal, under its lock; how many '
  'differed.';

create or replace function saldo_private.adjust_balance__post(
  account saldo.account,
  difference_account_id bigint,
  difference numeric,
  reason text,
  idempotency_key text
)
returns uuid
language plpgsql
as $$
declare
  v_amount numeric := saldo_private.require_amount(abs(difference));
  v_is_debit boolean := saldo_private.is_debit_normal(account.type) = (difference > 0);
  v_entry saldo.journal_entry;
begin
  v_entry := saldo_private.post_entry(
    entry_id => saldo_private.uuid_v7(),
    account_ids => array[account.id, difference_account_id],
    debits => case when v_is_debit then array[v_amount, 0] else array[0, v_amount] end,
    credits => case when v_is_debit then array[0, v_amount] else array[v_amount, 0] end,
    description => reason,
    source => 'adjust_balance',
    kind => 'adjustment',
    idempotency_key => idempotency_key
  );
  perform saldo_private.notify_watchers(array[account.id, difference_account_id]);
  return v_entry.id;
end
$$;
-- A human settles what is wrong with a frozen account.
select saldo_private.describe_source('adjust_balance', moves_no_funds => true);
comment on function saldo_private.adjust_balance__post is
  'Posts the difference: positive raises the balance of the account. Errors: '
  'SB004 amount_out_of_range, and those of a posting.';

create or replace function saldo_private.adjust_balance__fill(account_id bigint, is_lower boolean)
returns void
language plpgsql
as $$
declare
  v_short numeric;
begin
  -- Its slots are gone: what the posting could not ask them is asked here.
  select a.min_balance - f.available
  into v_short
  from saldo_private.derived_funds() as f
  join saldo.account as a on a.id = f.account_id
  where f.account_id = adjust_balance__fill.account_id;
  if is_lower and v_short > 0 then
    perform saldo_private.fail('insufficient_balance', format(
      'account %s: %s less than its minimum and what is promised', account_id, v_short
    ));
  end if;
  if exists (
    select
    from saldo.account as a
    where a.id = adjust_balance__fill.account_id
    and a.frozen_at is null
  ) then
    perform saldo_private.rebuild_slots(account_id, is_forced => true);
  end if;
end
$$;
comment on function saldo_private.adjust_balance__fill is
  'Makes the slots of a hot account that was adjusted, unless it is frozen: '
  'SB001 insufficient_balance.';

create or replace function saldo_private.adjust_balance__do(
  adjustment saldo.balance_adjustment,
  decision saldo.decision default null
)
returns saldo.balance_adjustment
language plpgsql
as $$
declare
  v_account saldo.account := saldo_private.adjust_balance__lock(
    adjustment.account_id, adjustment.difference_account_id
  );
  v_healed_count integer;
  v_difference numeric;
begin
  select trim_scale(t.balance)
  into strict adjustment.balance_before
  from saldo_private.account_total as t
  where t.account_id = v_account.id;
  if decision.id is not null
    and adjustment.balance_before is distinct from (decision.before ->> 'balance')::numeric
  then
    perform saldo_private.fail('proposal_stale', format(
      'account %s: balance %s, proposed at %s', v_account.id, adjustment.balance_before,
      decision.before ->> 'balance'
    ));
  end if;
  v_healed_count := saldo_private.adjust_balance__heal(
    v_account.id, adjustment.finding_id, adjustment.reason
  );
  select trim_scale(t.balance)
  into strict adjustment.journal_balance
  from saldo_private.account_total as t
  where t.account_id = v_account.id;
  v_difference := adjustment.new_balance - adjustment.journal_balance;
  if decision.id is null then
    perform saldo_private.adjust_balance__decide(adjustment, v_account.currency);
  end if;
  if v_difference <> 0 then
    adjustment.entry_id := saldo_private.adjust_balance__post(
      v_account, adjustment.difference_account_id, v_difference, adjustment.reason,
      adjustment.idempotency_key
    );
  elsif v_healed_count = 0 then
    perform saldo_private.fail('nothing_to_adjust', format(
      'account %s: balance %s', v_account.id, adjustment.journal_balance
    ));
  end if;
  if v_account.mode = 'hot' then
    perform saldo_private.adjust_balance__fill(
      v_account.id, adjustment.new_balance < adjustment.balance_before
    );
  end if;
  insert into saldo.balance_adjustment (
    account_id, id, entry_id, difference_account_id, finding_id, balance_before, journal_balance,
    new_balance, reason, idempotency_key, adjusted_by, adjusted_at
  )
  values (
    adjustment.account_id, adjustment.id, adjustment.entry_id, adjustment.difference_account_id,
    adjustment.finding_id, adjustment.balance_before, adjustment.journal_balance,
    adjustment.new_balance, adjustment.reason, adjustment.idempotency_key, adjustment.adjusted_by,
    adjustment.adjusted_at
  )
  returning *
  into adjustment;
  return adjustment;
end
$$;
comment on function saldo_private.adjust_balance__do is
  'Heals, posts and records an adjustment whose parts have been checked; with a decision as two '
  'people have decided, against the balance that they saw: SB622 proposal_stale.';

create or replace function saldo.adjust_balance(
  account_id bigint,
  new_balance numeric,
  reason text,
  difference_account_id bigint default null,
  finding_id uuid default null,
  idempotency_key text default null
)
returns saldo.balance_adjustment
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_adjustment saldo.balance_adjustment;
  v_earlier_id uuid;
begin
  perform saldo_private.require_read_committed();
  v_adjustment.id := saldo_private.uuid_v7();
  v_adjustment.account_id := adjust_balance.account_id;
  v_adjustment.reason := saldo_private.require_text(adjust_balance.reason, 'reason');
  v_adjustment.new_balance := saldo_private.adjust_balance__figure(new_balance);
  v_adjustment.finding_id := adjust_balance.finding_id;
  v_adjustment.idempotency_key := adjust_balance.idempotency_key;
  v_adjustment.adjusted_by := saldo_private.actor();
  v_adjustment.adjusted_at := clock_timestamp();
  v_earlier_id := saldo_private.claim_idempotency_key(
    'adjust_balance', adjust_balance.idempotency_key, 'adjust_balance',
    jsonb_build_array(account_id, v_adjustment.new_balance, v_adjustment.reason,
      difference_account_id, finding_id),
    v_adjustment.id
  );
  if v_earlier_id is not null then
    select b.*
    into strict v_adjustment
    from saldo.balance_adjustment as b
    where b.account_id = adjust_balance.account_id
    and b.id = v_earlier_id;
    return v_adjustment;
  end if;

  v_adjustment.difference_account_id := adjust_balance.difference_account_id;
  v_adjustment := saldo_private.adjust_balance__examine(v_adjustment);
  v_adjustment := saldo_private.adjust_balance__do(v_adjustment);
  perform saldo_private.require_durable_commit();
  return v_adjustment;
end
$$;
comment on function saldo.adjust_balance is
  'Sets the posted balance of an account to what a human has found to be right: totals and months '
  'to the journal, recorded as heals, and an adjustment entry for the rest. '
  'difference_account_id: open, of the currency, without min_balance, default the engine''s own '
  'difference:<currency>. finding_id: what it settles. Works on a frozen account too, and leaves '
  'it frozen. The same idempotency_key with the same content returns the first adjustment. Errors '
  'in checking order: SB020 isolation_unsupported, SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, '
  'SB005 idempotency_conflict, SB101 account_not_found, SB102 account_closed, '
  'SB104 currency_mismatch, SB203 counter_account_unfit, SB121 account_frozen for a frozen '
  'difference account, SB007 not_found, SB626 finding_of_another, SB015 conflict_retry, '
  'SB207 prepared_transaction_open, SB660 call_limit_exceeded and SB661 day_limit_exceeded unless '
  'you are an administrator, SB662 second_person_needed for more than adjust_alone_amount on a day '
  '(see propose_adjustment), SB625 nothing_to_adjust, SB004 amount_out_of_range, '
  'SB108 period_locked, SB001 insufficient_balance.';
revoke execute on function saldo.adjust_balance from public;
grant execute on function saldo.adjust_balance to saldo_admin, saldo_accountant;
