-- Posting: lines come in, balances move, all in the statement that brings the lines.
--
-- Trigger: auto_sync_balance_on_posting on saldo.journal_line.
-- Private: tg_journal_line__auto_sync_balance, posting__* (its steps); posting__examine, which says
-- what is wrong, is in posting_refusal.sql. Which lines are not for it: moved_lines.sql.
-- Invariant: account totals, month movements and those of kept years, with the stripes of hot
-- accounts (account_stripe.sql), equal the sum of the posted lines at every commit.
-- Locks: for each hot account of the statement a stripe that nobody holds, then the immediate ones.
-- Both in id order, so that two postings never deadlock; hot ones first, since their slots may have
-- to be rebuilt, which waits for a settlement, which may wait for an immediate one.
-- A posting is one INSERT of lines, for one entry or a thousand; the trigger runs once for it.
-- is_settlement tells in all steps that the entry's source moves no funds (posting_source.sql).
-- The entry stands already, stamped with this very transaction: nobody appends to an old entry.
-- Rows are made in the order of their types' fields: to name them would be a call for each line.

create or replace function saldo_private.posting__move_stripe(
  account_id bigint,
  month date,
  debit numeric,
  credit numeric,
  line_count bigint,
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_highest_no integer;
begin
  foreach v_highest_no in array array[saldo_private.first_no(), 2147483647] loop
    update saldo_private.account_stripe as s
    set debit = s.debit + posting__move_stripe.debit,
      credit = s.credit + posting__move_stripe.credit,
      line_count = s.line_count + posting__move_stripe.line_count,
      last_updated_at = clock_timestamp()
    where s.account_id = posting__move_stripe.account_id
    and s.month = posting__move_stripe.month
    -- A scalar, computed once. The inner side of a join may be looked at again, and then would
    -- lock another stripe.
    and s.stripe_no = (
      select f.stripe_no
      from saldo_private.account_stripe as f
      where f.account_id = posting__move_stripe.account_id
      and f.month = posting__move_stripe.month
      and f.stripe_no between 1 and v_highest_no
      and not (is_settlement and f.is_limited)
      order by f.stripe_no desc
      limit 1
      for no key update skip locked
    );
    if found then
      return true;
    end if;
  end loop;
  perform saldo_private.add_to_stripes(
    (account_id, month, debit, credit, line_count)::saldo_private.line_sum, is_settlement
  );
  return false; -- unusual: let it be examined
end
$$;
comment on function saldo_private.posting__move_stripe is
  'Adds lines to a stripe that nobody holds. False when it took the slow way.';

create or replace function saldo_private.posting__move_line(
  line saldo_private.posting_line,
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_month date := date_trunc('month', line.posting_date::timestamp);
  v_is_accepted boolean;
begin
  if line.mode = 'immediate' then
    -- The row is locked by its update: the mode that it shows now is sure.
    update saldo.account as a
    set debit_total = a.debit_total + line.debit,
      credit_total = a.credit_total + line.credit,
      version = a.version + 1,
      last_updated_at = clock_timestamp()
    where a.id = line.account_id
    and a.mode = 'immediate'
    returning a.closed_at is null and a.frozen_at is null and saldo_private.allows_change(
      a.balance, a.held_total, a.min_balance,
      (line.debit - line.credit) * saldo_private.normal_sign(a.type)
    )
    into v_is_accepted;
  end if;
  if v_is_accepted is null then
    return saldo_private.posting__move_stripe(
      line.account_id, v_month, line.debit, line.credit, 1, is_settlement
    );
  end if;

  update saldo.month_movement as m
  set debit = m.debit + line.debit,
    credit = m.credit + line.credit,
    line_count = m.line_count + 1
  where m.account_id = line.account_id
  and m.month = v_month;
  if not found then -- nor can it come from anybody else: the account is locked
    insert into saldo.month_movement (account_id, month, debit, credit, line_count)
    values (line.account_id, v_month, line.debit, line.credit, 1);
  end if;
  return v_is_accepted;
end
$$;
comment on function saldo_private.posting__move_line is
  'Adds a line to its account and month, or to a stripe of a hot account. False when there is '
  'something to examine.';

create or replace function saldo_private.posting__move_pair(
  first_line saldo_private.posting_line,
  second_line saldo_private.posting_line,
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_is_first_usual boolean := saldo_private.posting__move_line(first_line, is_settlement);
  v_is_second_usual boolean := saldo_private.posting__move_line(second_line, is_settlement);
begin
  return v_is_first_usual
    and v_is_second_usual
    and first_line.currency = second_line.currency
    and first_line.debit = second_line.credit
    and first_line.credit = second_line.debit
    and ((first_line.debit > 0 and first_line.credit = 0)
      or (first_line.credit > 0 and first_line.debit = 0));
end
$$;
comment on function saldo_private.posting__move_pair is
  'Applies an entry of two lines, hot accounts first. Whether all is usual.';

create or replace function saldo_private.posting__move_rows(
  lines saldo_private.line_sum[],
  except_ids bigint[],
  out moved_ids bigint[],
  out is_usual boolean
)
language plpgsql
as $$
begin
  -- In a statement of its own and sorted: the order keeps concurrent postings free of deadlocks,
  -- and the update below sees the rows as they are once the locks are held.
  perform
  from saldo.account as a
  where a.id in (select l.account_id from unnest(lines) as l)
  and a.mode = 'immediate'
  order by a.id
  for no key update;

  with moved as (
    update saldo.account as a
    set debit_total = a.debit_total + l.debit,
      credit_total = a.credit_total + l.credit,
      version = a.version + 1,
      last_updated_at = clock_timestamp()
    from (
      select line.account_id, sum(line.debit) as debit, sum(line.credit) as credit
      from unnest(lines) as line
      group by line.account_id
    ) as l
    where a.id = l.account_id
    and a.mode = 'immediate'
    and a.id <> all (except_ids)
    returning a.id, a.currency, a.closed_at is null and a.frozen_at is null
      and saldo_private.allows_change(
        a.balance, a.held_total, a.min_balance,
        (l.debit - l.credit) * saldo_private.normal_sign(a.type)
      ) as is_accepted
  ),
  month_moved as (
    insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
    select l.account_id, l.month, l.debit, l.credit, l.line_count
    from unnest(lines) as l
    where l.account_id in (select moved.id from moved)
    on conflict on constraint month_movement_pkey do update
    set debit = m.debit + excluded.debit,
      credit = m.credit + excluded.credit,
      line_count = m.line_count + excluded.line_count
  )
  select coalesce(array_agg(moved.id), '{}'), bool_and(moved.is_accepted)
    and min(moved.currency) = max(moved.currency)
  into moved_ids, is_usual
  from moved;
end
$$;
comment on function saldo_private.posting__move_rows is
  'Applies the lines of immediate accounts, except those that were applied already. Whether all '
  'is usual.';

create or replace function saldo_private.posting__move_many(
  lines saldo_private.line_sum[],
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_hot_ids bigint[] := array(
    select a.id
    from saldo.account as a
    where a.id in (select l.account_id from unnest(lines) as l)
    and a.mode = 'hot'
  );
  v_is_hot_usual boolean := true;
  v_moved_ids bigint[];
  v_is_usual boolean;
begin
  if v_hot_ids <> '{}' then
    v_is_hot_usual := saldo_private.posting__move_stripes(lines, v_hot_ids, is_settlement);
  end if;
  select r.moved_ids, r.is_usual
  into v_moved_ids, v_is_usual
  from saldo_private.posting__move_rows(lines, v_hot_ids) as r;
  if (select count(distinct l.account_id) from unnest(lines) as l)
    = cardinality(v_hot_ids || v_moved_ids)
  then
    return v_is_hot_usual and (v_is_usual or v_moved_ids = '{}') and (
      -- Those that are not hot have one currency among them.
      select count(distinct a.currency) = 1
      from saldo.account as a
      where a.id = any (v_hot_ids || v_moved_ids[1])
    );
  end if;
  -- Hot since a moment ago; those that do not exist are found when it is examined.
  perform saldo_private.posting__move_stripes(
    lines, array(
      select a.id
      from saldo.account as a
      where a.id in (select l.account_id from unnest(lines) as l)
      and a.id <> all (v_hot_ids || v_moved_ids)
    ),
    is_settlement
  );
  return false;
end
$$;
comment on function saldo_private.posting__move_many is
  'Applies lines, summed up by account and month, in sets. Whether all is usual.';

create or replace function saldo_private.posting__move_stripes(
  lines saldo_private.line_sum[],
  account_ids bigint[],
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_is_usual boolean;
begin
  -- A posting that moves the slots of an account twice holds one the second time. To gather all
  -- slots then, beside another that gathers them, would be a circle of waits.
  perform pg_advisory_xact_lock(saldo_private.gather_lock(twice.account_id))
  from (
    select line.account_id
    from unnest(lines) as line
    join saldo.account as a on a.id = line.account_id
    where line.account_id = any (account_ids)
    and a.min_balance is not null
    and not is_settlement
    group by line.account_id
    having count(*) > 1
    order by line.account_id
  ) as twice;
  select bool_and(saldo_private.posting__move_stripe(
    hot.account_id, hot.month, hot.debit, hot.credit, hot.line_count, is_settlement
  ))
  into v_is_usual
  from (
    select line.account_id, line.month, line.debit, line.credit, line.line_count
    from unnest(lines) as line
    join saldo.account as a on a.id = line.account_id
    where line.account_id = any (account_ids)
    -- What comes in first: it pays for what goes out in another month.
    order by line.account_id,
      (line.debit - line.credit) * saldo_private.normal_sign(a.type) desc, line.month
    offset 0
  ) as hot;
  return v_is_usual;
end
$$;
comment on function saldo_private.posting__move_stripes is
  'Applies the lines of hot accounts, few as a rule, in id order. Whether each took a stripe that '
  'nobody held.';

create or replace function saldo_private.tg_journal_line__auto_sync_balance()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_pair saldo_private.posting_line[];
  v_is_entry boolean;
  v_is_settlement boolean;
  v_is_watched boolean;
  v_is_usual boolean;
  v_is_in_kept_year boolean;
begin
  -- Most entries have two lines: plain statements in id order cost half of those for sets.
  select array_agg((n.account_id, n.entry_id, n.posting_date, n.debit, n.credit, a.currency,
      a.mode)::saldo_private.posting_line order by a.mode desc, n.account_id),
    bool_and((
      a.id > 0 and e.line_count = 2 and e.posting_date = n.posting_date
      and e.posted_in = pg_current_xact_id()) is true),
    coalesce(bool_or(e.source = any (array(
      select s.source from saldo_private.posting_source as s where s.moves_no_funds))), false),
    bool_or(exists (select from account_watch as w where w.account_id = n.account_id)
      or exists (select from account_follower as f where f.account_id = n.account_id)),
    bool_or(n.posting_date <= (select b.years_through from book_state as b where b.id = 1))
  into v_pair, v_is_entry, v_is_settlement, v_is_watched, v_is_in_kept_year
  from (select * from new_lines limit 3) as n
  left join journal_entry as e on e.id = n.entry_id left join account as a on a.id = n.account_id;
  if v_is_entry and cardinality(v_pair) = 2 and v_pair[1].entry_id = v_pair[2].entry_id
    and v_pair[1].account_id <> v_pair[2].account_id
  then
    v_is_usual := saldo_private.posting__move_pair(v_pair[1], v_pair[2], v_is_settlement);
  elsif cardinality(v_pair) > 0 then
    select bool_and((
        e.is_balanced and e.is_one_sided and e.line_count >= 2
        and e.line_count = j.line_count and e.first_date = j.posting_date
        and e.last_date = j.posting_date and j.posted_in = pg_current_xact_id()
      ) is true), coalesce(bool_or(j.source = any (array(
        select s.source from saldo_private.posting_source as s where s.moves_no_funds))), false),
      bool_or(e.first_date <= (select b.years_through from book_state as b where b.id = 1))
    into v_is_usual, v_is_settlement, v_is_in_kept_year
    from (
      select n.entry_id, count(*) as line_count, sum(n.debit) = sum(n.credit) as is_balanced,
        bool_and((n.debit > 0 and n.credit = 0) or (n.credit > 0 and n.debit = 0)) as is_one_sided,
        min(n.posting_date) as first_date, max(n.posting_date) as last_date
      from new_lines as n group by n.entry_id
    ) as e left join saldo.journal_entry as j on j.id = e.entry_id;
    v_is_usual := saldo_private.posting__move_many(array(
      select (n.account_id, date_trunc('month', n.posting_date::timestamp)::date, sum(n.debit),
        sum(n.credit), count(*))::saldo_private.line_sum
      from new_lines as n
      group by n.account_id, date_trunc('month', n.posting_date::timestamp)::date
    ), v_is_settlement) and v_is_usual;
  end if;
  if v_is_in_kept_year then
    perform saldo_private.add_to_years(array(select (n.account_id, n.posting_date, n.debit,
        n.credit, 1)::saldo_private.line_sum from new_lines as n));
  end if;
  -- The hot path only learns that something is unusual; what it is may take its time.
  if v_is_usual is not true then
    perform saldo_private.posting__examine(array(select distinct n.entry_id from new_lines as n));
  end if;
  if v_is_watched or cardinality(v_pair) > 2 then
    perform saldo_private.call_followers(array(
      select (n.account_id, n.posting_date, n.entry_id, n.line_no, n.debit, n.credit)
        ::saldo.journal_line
      from new_lines as n join saldo_private.account_follower as f using (account_id)
    ));
    perform saldo_private.notify_watchers(array(select n.account_id from new_lines as n))
    where not v_is_settlement;
  end if;
  if current_setting('synchronous_commit') = 'off' then
    perform saldo_private.require_durable_commit();
  end if;
  return null;
end
$$;
comment on function saldo_private.tg_journal_line__auto_sync_balance is
  'Checks and applies the lines of a statement, set-based. Errors in checking order: '
  'SB107 entry_invalid lines do not make up whole entries of this transaction, '
  'SB101 account_not_found, SB102 account_closed, SB121 account_frozen, SB104 currency_mismatch, '
  'SB103 entry_unbalanced, SB001 insufficient_balance.';

create or replace trigger auto_sync_balance_on_posting
  after insert on saldo.journal_line
  referencing new table as new_lines
  for each statement
  when (saldo_private.is_moved_by_trigger())
  execute function saldo_private.tg_journal_line__auto_sync_balance();
comment on trigger auto_sync_balance_on_posting on saldo.journal_line is
  'Keeps account totals, months and kept years in step with the journal, once per statement.';

comment on type saldo_private.posting_line is 'A line of a posting, with what its account is.';
