-- What rows, slots, marks, settlements and holds show by themselves: which of them stands alone.
--
-- Private: causes_of_shapes__hot, causes_of_shapes__settlements. Rows, marks and settlements are
-- written apart from each other, so two that agree tell which third was changed.

create or replace function saldo_private.causes_of_shapes__slot(finding saldo.finding)
returns table (cause text, confidence text, words text)
language sql
stable
as $$
  select case when s.is_forced then 'cache_forced'
      when s.is_missing then 'missing_item' else 'record_changed' end,
    'likely', s.words
  from (
    select n.misrouted_count > 0 or n.is_gone
        or (n.available_change = 0 and n.held_change = 0)
        or (n.rows_same and n.available_change <> -n.held_change) as is_forced,
      not n.rows_same and n.row_change <> 0 and not n.is_mark as is_missing,
      case when n.is_gone then 'A slot is gone, and its rows and their mark are there.'
        when n.misrouted_count > 0
        then 'A slot sends its rows elsewhere, or takes the wrong sign: it was forced.'
        when n.available_change = 0 and n.held_change = 0
        then 'What is available is right, and the slots number or sum up other rows: they were '
          'forced.'
        when not n.rows_same and n.is_mark
        then 'The slots count rows that the settlement mark does not: the mark was changed.'
        when not n.rows_same and n.row_change > 0
        then format('The slots count %s rows that are gone.', n.row_change)
        when not n.rows_same and n.row_change < 0
        then format('The slots do not count %s rows: these were not submitted.', -n.row_change)
        when not n.rows_same
        then 'The slots count as many rows as there are, with other amounts: a pending row was '
          'changed.'
        when n.available_change = -n.held_change
        then 'The slots agree with themselves, and the open holds do not make what they hold: a '
          'hold came, went or was changed.'
        else 'Rows, holds and totals agree against the slots: these were forced.' end as words
    from (
      select d.stored[1] - d.derived[1] as available_change,
        d.stored[2] - d.derived[2] as held_change, d.stored[3] - d.derived[3] as row_change,
        d.stored[3:5] = d.derived[3:5] as rows_same, d.stored[6] as misrouted_count,
        saldo_private.has_finding(finding.check_run_id, array['settlement_range'],
          finding.account_id) as is_mark,
        exists (
          select
          from saldo_private.settlement_mark as m
          where m.account_id = finding.account_id
          and not exists (
            select
            from saldo_private.account_slot as slot
            where slot.account_id = m.account_id
            and slot.slot_no = m.slot_no
          )
        ) as is_gone
      from (
        select saldo_private.numbers_in(replace(finding.stored, 'any', '0')) as stored,
          saldo_private.numbers_in(replace(finding.derived, 'any', '0')) as derived
      ) as d
    ) as n
  ) as s
$$;
comment on function saldo_private.causes_of_shapes__slot is
  'What the figures of the slots say of a finding of account_slot.';

create or replace function saldo_private.causes_of_shapes__hot(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, x.cause, x.confidence::saldo.explanation_confidence, x.words, '{}'::jsonb
  from saldo_private.unexplained_findings(causes_of_shapes__hot.check_run_id) as f
  cross join lateral (
    select s.cause, s.confidence, s.words
    from saldo_private.causes_of_shapes__slot(f) as s
    where f.rule = 'account_slot'
    union all
    select case when h.is_hold then 'record_changed' else 'cache_forced' end,
      case when h.is_hold then 'likely' else 'possible' end,
      case when h.is_hold
        then 'Purchases say what is held, and their holds do not: a hold came, went or was changed.'
        else 'What is held is not what the open holds make: it was forced, or a hold was changed.'
        end
    from (
      select saldo_private.has_finding(f.check_run_id, array['purchase_hold'], f.account_id)
        as is_hold
    ) as h
    where f.rule = 'held_total'
    union all
    select case when f.derived ~ 'up to $' then 'missing_item' else 'record_changed' end, 'likely',
      case when not f.detail ? 'slot_no' then 'A row was changed: its amount is none.'
        when f.derived ~ 'up to $'
        then format('The settlement mark of slot %s is gone.', f.detail ->> 'slot_no')
        else format('The settlement mark of slot %s, or the numbers of its rows, were changed.',
          f.detail ->> 'slot_no') end
    where f.rule = 'sub_balance'
  ) as x
$$;
comment on function saldo_private.causes_of_shapes__hot is
  'Slots, rows and holds of which one stands against the others.';

create or replace function saldo_private.causes_of_shapes__settlement(finding saldo.finding)
returns text
language sql
stable
as $$
  select case
      when stated.figures = '{}' then 'A settlement is gone, and its stretches or entries name it.'
      when rows.figures = entries.figures
      then 'Rows and entries agree against the settlement: it was changed.'
      when stated.figures = rows.figures
      then 'Settlement and rows agree against the record of its entries: that was changed.'
      when stated.figures = entries.figures
      then 'Settlement and entries agree against the rows: rows or their stretches were changed.'
    end
  from saldo_private.numbers_in(finding.stored) as stated (figures)
  cross join saldo_private.numbers_in(split_part(finding.derived, ';', 1)) as rows (figures)
  cross join saldo_private.numbers_in(split_part(finding.derived, ';', 2)) as entries (figures)
$$;
comment on function saldo_private.causes_of_shapes__settlement is
  'Which of settlement, rows and entries stands against the others, in a sentence.';

create or replace function saldo_private.causes_of_shapes__settlements(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, 'record_changed', 'likely'::saldo.explanation_confidence, x.words,
    jsonb_strip_nulls(jsonb_build_object('settlement_id', f.detail -> 'settlement_id'))
  from saldo_private.unexplained_findings(causes_of_shapes__settlements.check_run_id) as f
  cross join lateral (
    select s.words
    from saldo_private.causes_of_shapes__settlement(f) as s (words)
    where f.rule = 'settlement'
    union all
    select case
      when f.stored like 'from %'
        and saldo_private.numbers_in(f.stored) < saldo_private.numbers_in(f.derived)
      then 'A stretch begins before the one before it ends: it was changed, or written twice.'
      when f.stored like 'from %'
      then 'A stretch begins later than the one before it ends: it was changed, or one is gone.'
      when (saldo_private.numbers_in(f.stored))[1] <> (saldo_private.numbers_in(f.derived))[1]
      then 'The settlement mark is not where the last stretch ends: it was moved.'
      when saldo_private.has_finding(f.check_run_id, array['settlement'], f.account_id)
      then 'The settlement mark is right, and a settled row before it was changed.'
      else 'The sums of the settlement mark were changed: settlements and rows agree.'
    end
    where f.rule = 'settlement_range'
    union all
    select case
      when saldo_private.has_finding(f.check_run_id, array['settlement'], f.account_id)
      then 'The record of a summary entry was changed: the entry is as its rows make it.'
      else 'The summary entry was changed: settlement and rows agree against it.'
    end
    where f.rule = 'settlement_entry'
  ) as x
  where x.words is not null
$$;
comment on function saldo_private.causes_of_shapes__settlements is
  'Settlements, their stretches, marks and entries of which one stands against the others.';
