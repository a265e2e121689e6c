-- Posting: lines come in, balances move, all in the statement that brings the lines.
--
-- Trigger: auto_sync_balance_on_posting on saldo.journal_line.
-- Private: tg_journal_line__auto_sync_balance, posting__examine, posting__refuse_balance.
-- Invariant: account totals and month movements equal the sum of the posted lines at every commit.
-- Locks: the accounts of the statement, in id order, so that two postings never deadlock.
-- A posting is one INSERT of lines, for one entry or a thousand; the trigger runs once for it.
-- The entry stands already, stamped with this very transaction: nobody appends to an old entry.

create or replace function saldo_private.tg_journal_line__auto_sync_balance()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_is_accepted boolean;
begin
  -- In a statement of its own and sorted: the order keeps concurrent postings free of deadlocks,
  -- and the update below sees the rows as they are once the locks are held.
  perform
  from saldo.account as a
  where a.id in (select n.account_id from new_lines as n)
  order by a.id
  for no key update;

  with moved as (
    update saldo.account as a
    set debit_total = a.debit_total + l.debit,
      credit_total = a.credit_total + l.credit,
      version = a.version + 1
    from (
      select n.account_id, sum(n.debit) as debit, sum(n.credit) as credit, count(*) as line_count
      from new_lines as n
      group by n.account_id
    ) as l
    where a.id = l.account_id
    returning a.id, a.currency, l.line_count, a.closed_at is not null
      or (a.balance - a.held_total < a.min_balance
        and case when a.type in ('asset', 'expense') then l.debit < l.credit
          else l.credit < l.debit end) as is_refused
  ),
  month_moved as (
    insert into saldo.month_movement as mm (account_id, month, debit, credit, line_count)
    select n.account_id, date_trunc('month', n.posting_date::timestamp)::date,
      sum(n.debit), sum(n.credit), count(*)
    from new_lines as n
    group by 1, 2
    on conflict on constraint month_movement_pkey do update
    set debit = mm.debit + excluded.debit,
      credit = mm.credit + excluded.credit,
      line_count = mm.line_count + excluded.line_count
  ),
  entry as (
    select n.entry_id, count(*) as line_count, sum(n.debit) = sum(n.credit) as is_balanced,
      bool_and((n.debit > 0 and n.credit = 0) or (n.credit > 0 and n.debit = 0)) as is_one_sided,
      min(n.posting_date) as first_date, max(n.posting_date) as last_date
    from new_lines as n
    group by n.entry_id
  )
  select e.is_whole and a.line_count = e.line_count and a.is_accepted and a.is_of_one_currency
  into v_is_accepted
  from (
    select sum(n.line_count) as line_count, bool_and((
        n.is_balanced and n.is_one_sided and n.line_count >= 2
        and n.line_count = j.line_count and n.first_date = j.posting_date
        and n.last_date = j.posting_date and j.posted_in = pg_current_xact_id()
      ) is true) as is_whole
    from entry as n
    left join saldo.journal_entry as j on j.id = n.entry_id
  ) as e
  cross join (
    select sum(m.line_count) as line_count, not bool_or(m.is_refused) as is_accepted,
      min(m.currency) = max(m.currency) as is_of_one_currency
    from moved as m
  ) as a;

  -- The hot path only learns that something is unusual; what it is may take its time.
  if v_is_accepted is not true then
    perform saldo_private.posting__examine(array(select distinct n.entry_id from new_lines as n));
  end if;
  perform saldo_private.require_durable_commit();
  return null;
end
$$;
comment on function saldo_private.tg_journal_line__auto_sync_balance is
  'Checks and applies the lines of a statement, set-based. Errors in checking order: SB107 lines '
  'do not make up whole entries of this transaction, SB101, SB102, SB104, SB103, SB001.';

create or replace function saldo_private.posting__examine(entry_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_line record;
begin
  for v_line in
    select
      case
        when e.id is null or e.line_count <> sum(count(*)) over (partition by l.entry_id)
          or e.posted_in is distinct from pg_current_xact_id()
          or bool_or(l.posting_date <> e.posting_date or (l.debit > 0) = (l.credit > 0))
          or e.line_count < 2 then 1
        when bool_or(a.id is null) then 2
        when bool_or(a.closed_at is not null) then 3
        when sum(l.debit - l.credit) <> 0
          and sum(sum(l.debit - l.credit)) over (partition by l.entry_id) = 0 then 4
        when sum(l.debit - l.credit) <> 0 then 5
        when bool_or(a.balance - a.held_total < a.min_balance
          and (l.credit > 0) = (a.type in ('asset', 'expense'))) then 6
        else 7
      end as reason,
      l.entry_id,
      a.currency,
      sum(l.debit) as debit,
      sum(l.credit) as credit,
      min(l.account_id) filter (where a.id is null) as unknown_account,
      min(l.account_id) filter (where a.closed_at is not null) as closed_account,
      min(l.account_id) filter (where a.balance - a.held_total < a.min_balance) as short_account
    from saldo.journal_line as l
    left join saldo.journal_entry as e on e.id = l.entry_id
    left join saldo.account as a on a.id = l.account_id
    where l.entry_id = any (posting__examine.entry_ids)
    group by l.entry_id, e.id, a.currency
    order by reason
    limit 1
  loop
    case v_line.reason
      when 1 then
        perform saldo_private.fail('entry_invalid', format('entry %s', v_line.entry_id));
      when 2 then
        perform saldo_private.fail(
          'account_not_found', format('account %s', v_line.unknown_account)
        );
      when 3 then
        perform saldo_private.fail('account_closed', format('account %s', v_line.closed_account));
      when 4 then
        perform saldo_private.fail('currency_mismatch', format('entry %s', v_line.entry_id));
      when 5 then
        perform saldo_private.fail('entry_unbalanced', format('debit %s, credit %s, currency %s',
          v_line.debit, v_line.credit, v_line.currency));
      when 6 then
        perform saldo_private.posting__refuse_balance(v_line.short_account, entry_ids);
      else
        return;
    end case;
  end loop;
end
$$;
comment on function saldo_private.posting__examine is
  'Says why the entries cannot be posted, or finds that entries in several currencies balance in '
  'each. Runs when the balances have moved already; an error takes that back.';

create or replace function saldo_private.posting__refuse_balance(
  account_id bigint,
  entry_ids uuid[]
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_change numeric;
begin
  select *
  into strict v_account
  from saldo.account
  where id = posting__refuse_balance.account_id;

  select sum(
    case when v_account.type in ('asset', 'expense') then l.debit - l.credit
    else l.credit - l.debit end
  )
  into v_change
  from saldo.journal_line as l
  where l.entry_id = any (posting__refuse_balance.entry_ids)
  and l.account_id = posting__refuse_balance.account_id;

  -- The account shows the balance after the posting; what was there before is what helps.
  perform saldo_private.fail(
    'insufficient_balance',
    format('account %s: available %s, needed %s', account_id,
      v_account.balance - v_account.held_total - v_change - v_account.min_balance, -v_change)
  );
end
$$;
comment on function saldo_private.posting__refuse_balance is
  'Raises SB001 with what was available and what was needed.';

create or replace trigger auto_sync_balance_on_posting
  after insert on saldo.journal_line
  referencing new table as new_lines
  for each statement
  execute function saldo_private.tg_journal_line__auto_sync_balance();
comment on trigger auto_sync_balance_on_posting on saldo.journal_line is
  'Keeps account totals and month movements in step with the journal, once per statement.';
