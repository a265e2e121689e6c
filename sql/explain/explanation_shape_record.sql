-- What purchases, holds, stock, deposits, readings and rated lines show by themselves: which record
-- stands alone against journal and others.
--
-- Private: causes_of_shapes__wallet, causes_of_shapes__rating.

create or replace function saldo_private.causes_of_shapes__wallet(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, x.cause, 'likely'::saldo.explanation_confidence, x.words,
    jsonb_strip_nulls(jsonb_build_object('purchase_id', f.detail -> 'purchase_id',
      'hold_id', f.detail -> 'hold_id', 'deposit_id', f.detail -> 'deposit_id'))
  from saldo_private.unexplained_findings(causes_of_shapes__wallet.check_run_id) as f
  cross join lateral (
    select case
        when f.derived = 'no open hold' then 'missing_item'
        when f.stored = 'no pending purchase' then 'unrecorded_item'
        else 'record_changed' end as cause,
      case
        when f.derived = 'no open hold'
        then 'The hold of a pending purchase is gone, or is not open any more.'
        when f.stored = 'no pending purchase'
        then 'A hold is open for a purchase, and no pending purchase names it: its record is gone, '
          'or was changed.'
        when saldo_private.has_finding(f.check_run_id, array['held_total', 'account_slot'],
          f.account_id)
        then 'The hold was changed: it is not what its purchase and the account say.'
        else 'The purchase was changed: hold and account agree against it.' end as words
    where f.rule = 'purchase_hold'
    union all
    select case
        when saldo_private.has_finding(f.check_run_id, array['account_balance'], f.account_id)
        then 'journal_changed' else 'record_changed' end, case
      when not (f.detail ->> 'is_referring')::boolean
      then 'The purchase names another member, product or entry than it was made with.'
      when (saldo_private.numbers_in(f.stored))[1:2] = (saldo_private.numbers_in(f.derived))[1:2]
      then 'Purchase and journal agree, and its items of the stock do not: the stock, the quantity '
        'or the product was changed.'
      when saldo_private.has_finding(f.check_run_id, array['account_balance'], f.account_id)
      then 'The entry of the purchase was changed.'
      else 'The purchase was changed: journal and balance agree against it.' end
    where f.rule = 'purchase_entry'
    union all
    select case
        when saldo_private.has_finding(f.check_run_id, array['account_balance', 'entry_lines'],
          f.account_id) then 'journal_changed' else 'record_changed' end, case
      when f.detail ? 'member_id' then 'The member names another account of debts than was opened.'
      when f.derived = 'no top-up' then 'The charge-back names another top-up or member.'
      when saldo_private.has_finding(f.check_run_id, array['account_balance', 'entry_lines'],
        f.account_id)
      then 'The entry of the charge-back was changed.'
      when f.stored = 'payment of a debt'
      then 'The member of a payment of a debt was changed: its entry names two accounts.'
      else 'The charge-back was changed: journal and balance agree against it.' end
    where f.rule = 'top_up_reversal'
    union all
    select case
        when saldo_private.has_finding(f.check_run_id, array['account_balance'], f.account_id)
        then 'journal_changed' else 'record_changed' end, case
      when saldo_private.has_finding(f.check_run_id, array['account_balance'], f.account_id)
      then 'The entry of the deposit was changed.'
      else 'The deposit was changed: journal and balance agree against it.' end
    where f.rule = 'deposit_entry'
  ) as x
$$;
comment on function saldo_private.causes_of_shapes__wallet is
  'Purchases, their holds and items, and deposits that stand against journal and balance.';

create or replace function saldo_private.causes_of_shapes__rating(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, x.cause, x.confidence::saldo.explanation_confidence, x.words,
    jsonb_strip_nulls(jsonb_build_object('reading_id', f.detail -> 'reading_id'))
  from (
    select each.*,
      saldo_private.has_finding(each.check_run_id, array['rating_entry'], each.account_id)
        as is_unposted,
      saldo_private.has_finding(each.check_run_id, array['rated_line'], each.account_id)
        as is_line_wrong,
      saldo_private.has_finding(each.check_run_id, array['account_balance'], each.account_id)
        as is_account_wrong,
      exists (
        select
        from saldo.finding as line
        where line.check_run_id = each.check_run_id
        and line.rule = 'rated_line'
        and line.account_id = each.account_id
        and line.detail ->> 'reading_id' = each.key
      ) as is_line_changed
    from saldo_private.unexplained_findings(causes_of_shapes__rating.check_run_id) as each
  ) as f
  cross join lateral (
    select case when f.is_line_changed then 'record_changed' else 'missing_item' end as cause,
      'likely' as confidence,
      case when f.is_line_changed
        then 'The rated line was changed: the changes that were posted make another one.'
        else 'The changes of the reading do not make its line: a revision of it is gone, or was '
          'changed.' end as words
    where f.rule = 'rated_line'
    and f.detail ? 'current_lines'
    union all
    select 'record_changed', 'likely', case
      when f.derived like '% m3,  Sm3%' or f.derived like ' m3%'
      then 'The rated line is posted, and its reading, price or factor is gone.'
      when f.is_unposted then 'The rated line was changed: neither its reading nor what was posted '
        'makes it.'
      else 'The rated line is what was posted: its reading, price or factor was changed.' end
    where f.rule = 'rated_line'
    and not f.detail ? 'current_lines'
    union all
    select case when f.is_account_wrong then 'journal_changed'
        when f.is_line_wrong then 'record_changed' else 'missing_item' end, 'likely',
      case when f.is_account_wrong then 'The rating entry was changed: the rated lines agree.'
        when f.is_line_wrong then 'A rated line was changed: the journal agrees with the readings.'
        else 'A rated line is gone: the journal has what it posted.' end
    where f.rule = 'rating_entry'
    union all
    select case when f.derived = 'not rated' or f.is_unposted then 'missing_item'
        else 'unapplied_item' end,
      case when f.derived = 'not rated' or f.is_unposted then 'likely' else 'possible' end,
      case when f.derived = 'not rated' then 'Its reading is gone, or does not stand any more.'
        when f.is_unposted then 'Its rated line is gone: the journal has what it posted.'
        else 'A price or factor came, went or was changed without a rating.' end
    where f.rule = 'reading_rated'
    and f.stored !~ 'noted as unrated$'
    union all
    select case when f.is_account_wrong then 'journal_changed' else 'missing_item' end, 'likely',
      case when f.is_account_wrong then 'The journal behind the month was changed.'
        else 'A rated line behind the month is gone, or was changed.' end
    where f.rule = 'customer_month_total'
    and (f.is_account_wrong or f.is_unposted or f.is_line_wrong)
  ) as x
$$;
comment on function saldo_private.causes_of_shapes__rating is
  'Readings, rated lines, rating entries and customers'' months of which one stands alone.';

create or replace function saldo_private.causes_of_shapes__reading(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, x.cause, x.confidence::saldo.explanation_confidence, x.words,
    jsonb_strip_nulls(jsonb_build_object('reading_id', f.detail -> 'reading_id'))
  from saldo_private.unexplained_findings(causes_of_shapes__reading.check_run_id) as f
  cross join lateral (
    select 'record_changed' as cause, 'likely' as confidence,
      'The note of what is not rated was written or deleted past the engine.' as words
    where f.rule = 'reading_rated'
    and f.stored ~ 'noted as unrated$'
    union all
    select 'record_changed', 'likely',
      'The parts of the divided reading are not what their versions make: these or those were '
        'changed.'
    where f.rule = 'rated_part'
    union all
    select case when f.key like '% due' then 'unapplied_item' else 'record_changed' end, 'likely',
      case when f.key like '% due'
        then 'A reading, a price or a part of the tariff came since: call charge_customers.'
        else 'A charge or its entry was changed, or is gone.' end
    where f.rule = 'customer_charge'
    union all
    select 'unapplied_item', 'certain', format('It is in no bill: %s.', f.stored)
    where f.rule = 'reading_unrated'
  ) as x
$$;
comment on function saldo_private.causes_of_shapes__reading is
  'Readings that wait for a price or factor, and those that were divided in another way.';
