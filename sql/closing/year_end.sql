-- Entries of the end of a year: revenue and expense accounts are emptied into retained earnings.
--
-- Private: post_year_end, reverse_year_end. All of these accounts, also those without a movement in
-- the year: what was left on one of them would be income of the next year. One entry a currency,
-- dated the last day, in period 13: after December, which statements can therefore show before and
-- after closing.

create or replace function saldo_private.year_end__follow_slots()
returns void
language plpgsql
as $$
begin
  -- The entries of a year's end move no slots: they must not fail for lack of funds.
  perform saldo_private.rebuild_slots(a.id, is_forced => true)
  from (
    select account.id
    from saldo.account
    where account.mode = 'hot'
    and account.min_balance is not null
    and account.type in ('revenue', 'expense')
    order by account.id
    offset 0
  ) as a;
end
$$;
comment on function saldo_private.year_end__follow_slots is
  'Makes the slots of income accounts again that have a min_balance.';

create or replace function saldo_private.post_year_end(period saldo.period)
returns void
language plpgsql
as $$
begin
  perform saldo_private.leave_moves_to_trigger();
  with result as materialized (
    select a.currency, a.id as account_id, sum(t.debit - t.credit) as net_debit
    from saldo.account as a
    join saldo_private.totals_until(period.ends_on) as t on t.account_id = a.id
    where a.type in ('revenue', 'expense')
    group by a.id
    having sum(t.debit - t.credit) <> 0
  ),
  line as materialized (
    select l.currency, l.account_id, part.number,
      -- A line is below 1e15, however large the sum of the year is.
      least(greatest(-l.net_debit - 999999999999999 * part.number, 0), 999999999999999) as debit,
      least(greatest(l.net_debit - 999999999999999 * part.number, 0), 999999999999999) as credit
    from (
      select r.currency, r.account_id, r.net_debit
      from result as r
      union all
      select r.currency, saldo_private.system_account('retained_earnings', r.currency),
        -sum(r.net_debit)
      from result as r
      group by r.currency
      having sum(r.net_debit) <> 0
    ) as l
    cross join lateral generate_series(
      0, ceil(abs(l.net_debit) / 999999999999999)::integer - 1
    ) as part (number)
  ),
  entry as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, description, source, line_count, posted_at, posted_by,
      posted_in
    )
    select saldo_private.uuid_v7(), 'closing',
      saldo_private.day_begins_at(period.ends_on + 1) - interval '1 microsecond', period.ends_on,
      format('Closing of %s in %s', period.fiscal_year, l.currency), 'close_year', count(*),
      clock_timestamp(), saldo_private.actor(), pg_current_xact_id()
    from line as l
    group by l.currency
    returning id, description
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, period.ends_on, e.id,
    row_number() over (partition by e.id order by l.account_id, l.number), l.debit, l.credit
  from line as l
  join entry as e on e.description = format('Closing of %s in %s', period.fiscal_year, l.currency);
  perform saldo_private.year_end__follow_slots();
end
$$;
-- The end of a year empties whatever there is; its slots are made again after it.
select saldo_private.describe_source(
  'close_year', moves_no_funds => true, passes_closed_account => true, passes_minimum => true
);
comment on function saldo_private.post_year_end is 'Posts the closing entries of a year.';

create or replace function saldo_private.reverse_year_end(period saldo.period, reason text)
returns void
language plpgsql
as $$
declare
  v_reason text := saldo_private.require_text(reason, 'reason');
begin
  perform saldo_private.leave_moves_to_trigger();
  with closing as materialized (
    select e.id, e.occurred_at, e.line_count, saldo_private.uuid_v7() as reversal_id
    from saldo.journal_entry as e
    where e.source = 'close_year'
    and e.kind = 'closing'
    and e.status = 'posted'
    and e.posting_date = period.ends_on
  ),
  entry as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, description, source, reverses, line_count, posted_at,
      posted_by, posted_in
    )
    select c.reversal_id, 'reversal', c.occurred_at, period.ends_on, v_reason, 'close_year', c.id,
      c.line_count, clock_timestamp(), saldo_private.actor(), pg_current_xact_id()
    from closing as c
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, period.ends_on, c.reversal_id, l.line_no, l.credit, l.debit
  from closing as c
  join saldo.journal_line as l on l.entry_id = c.id;
  update saldo.journal_entry as e
  set status = 'reversed'
  where e.source = 'close_year'
  and e.kind = 'closing'
  and e.status = 'posted'
  and e.posting_date = period.ends_on;
  perform saldo_private.year_end__follow_slots();
  perform saldo_private.require_durable_commit();
end
$$;
comment on function saldo_private.reverse_year_end is
  'Reverses the closing entries of a year, on the day of the year''s end.';
