-- Posting from an immediate account to a hot one: what most purchases are.
--
-- Private: post_to_hot and post_to_hot_on (for all rooms), post_to_hot__day, post_to_hot_on__*.
-- As post_pair.sql, in three statements: one looks, one moves a stripe, one writes entry, lines,
-- total and month. What is not usual is left to post_pair, with nothing written or locked. A room
-- that has more to look at than the accounts does it in a statement of its own.
-- Locks: the month, then the stripe, then the immediate account, as in any posting.

create or replace function saldo_private.post_to_hot__day(
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  occurred_at timestamptz
)
returns date
language plpgsql
as $$
declare
  v_day date;
begin
  if not saldo_private.holds_month_of(occurred_at) then
    return null;
  end if;
  select (post_to_hot__day.occurred_at at time zone zone.value)::date
  into v_day
  from saldo.account as a
  cross join saldo.account as hot
  cross join saldo.setting as zone
  cross join saldo_private.book_state as book
  where a.id = debit_account_id
  and hot.id = credit_account_id
  and amount > 0
  and zone.name = 'business_time_zone'
  and book.id = 1
  and a.mode = 'immediate'
  and hot.mode = 'hot'
  and a.closed_at is null
  and hot.closed_at is null
  and a.frozen_at is null
  and hot.frozen_at is null
  and a.currency = hot.currency
  and (saldo_private.is_above_minimum(a.balance - amount, a.held_total, a.min_balance)
    or saldo_private.is_debit_normal(a.type))
  -- Neither closed nor in a year whose totals are kept.
  and (post_to_hot__day.occurred_at < book.usual_from) is not true
  and not exists (
    select from saldo_private.account_watch as w
    -- Not IN, whose list is made again for each row where a small table is read whole.
    where w.account_id = debit_account_id or w.account_id = credit_account_id
  )
  and not exists (
    select from saldo_private.account_follower as f
    where f.account_id = debit_account_id or f.account_id = credit_account_id
  )
  and not saldo_private.has_own_triggers()
  -- Named only, for has_own_triggers.
  and (true or exists (
    select from saldo.journal_entry, saldo.journal_line, saldo.month_movement
  ));
  return v_day;
end
$$;
comment on function saldo_private.post_to_hot__day is
  'The posting date, under the shared lock of its month, where nothing stands in the way of the '
  'posting and nobody follows it. Null where it is not sure.';

create or replace function saldo_private.post_to_hot_on__write(
  entry_id uuid,
  debit_account_id bigint,
  credit_account_id bigint,
  amount saldo.amount,
  description text,
  source text,
  occurred_at timestamptz,
  idempotency_key text,
  metadata jsonb,
  day date,
  month date
)
returns boolean
language plpgsql
as $$
declare
  v_moves text := coalesce(current_setting('saldo.moves', true), '');
  v_set text := set_config('saldo.moves', pg_trigger_depth()::text, true);
  v_is_accepted boolean;
  v_moved_id bigint;
begin
  with moved as (
    update saldo.account as a
    set debit_total = a.debit_total + amount,
      -- The tables are locked by now: what is planned here is what their triggers are.
      version = a.version + case when saldo_private.has_own_triggers()
        then saldo_private.require_no_own_triggers() else 1 end,
      last_updated_at = clock_timestamp()
    where a.id = debit_account_id
    and a.mode = 'immediate'
    returning a.closed_at is null and a.frozen_at is null and saldo_private.allows_change(
      a.balance, a.held_total, a.min_balance, amount * saldo_private.normal_sign(a.type)
    ) as is_accepted
  ),
  month_moved as (
    update saldo.month_movement as m
    set debit = m.debit + amount,
      line_count = m.line_count + 1
    from moved
    where m.account_id = debit_account_id
    and m.month = post_to_hot_on__write.month
    returning m.account_id
  ),
  line as (
    insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
    values (debit_account_id, day, post_to_hot_on__write.entry_id, 1, amount,
        saldo_private.no_amount()),
      (credit_account_id, day, post_to_hot_on__write.entry_id, 2, saldo_private.no_amount(),
        amount)
  ),
  entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, description, source, idempotency_key, metadata, line_count,
      posted_at, posted_by, posted_in
    )
    values (
      post_to_hot_on__write.entry_id, post_to_hot_on__write.occurred_at, day,
      post_to_hot_on__write.description, post_to_hot_on__write.source,
      post_to_hot_on__write.idempotency_key, post_to_hot_on__write.metadata, 2, clock_timestamp(),
      saldo_private.actor(), pg_current_xact_id()
    )
  )
  -- Apart: that there is no row of the month must not look like an account that was not moved.
  select (select moved.is_accepted from moved), (select month_moved.account_id from month_moved)
  into v_is_accepted, v_moved_id;
  v_set := set_config('saldo.moves', v_moves, true);
  if v_is_accepted is null then -- hot: nothing of it was moved, and it may have changed again since
    perform saldo_private.posting__move_stripe(debit_account_id, month, amount, 0, 1, false);
    return false; -- unusual: let it be examined
  elsif v_moved_id is null then
    -- It may have come while the account was waited for, behind the back of that statement.
    insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
    values (debit_account_id, post_to_hot_on__write.month, amount, 0, 1)
    on conflict on constraint month_movement_pkey do update
    set debit = m.debit + excluded.debit,
      line_count = m.line_count + 1;
  end if;
  return v_is_accepted;
end
$$;
comment on function saldo_private.post_to_hot_on__write is
  'Writes the entry and its lines, with all that follows from them but the stripe. Whether there '
  'is nothing to examine.';

create or replace function saldo_private.post_to_hot_on(
  day date,
  entry_id uuid,
  debit_account_id bigint,
  credit_account_id bigint,
  amount saldo.amount,
  description text,
  source text,
  occurred_at timestamptz,
  idempotency_key text,
  metadata jsonb default '{}'
)
returns boolean
language plpgsql
as $$
declare
  v_month date := date_trunc('month', day::timestamp);
  v_is_usual boolean;
begin
  -- As posting__move_stripe does, which comes to all others as well.
  update saldo_private.account_stripe as s
  set credit = s.credit + amount,
    line_count = s.line_count + 1,
    last_updated_at = clock_timestamp()
  where s.account_id = credit_account_id
  and s.month = v_month
  and s.stripe_no = (
    select f.stripe_no
    from saldo_private.account_stripe as f
    where f.account_id = credit_account_id
    and f.month = v_month
    and f.stripe_no between 1 and saldo_private.first_no()
    order by f.stripe_no desc
    limit 1
    for no key update skip locked
  );
  v_is_usual := found or saldo_private.posting__move_stripe(
    credit_account_id, v_month, 0, amount, 1, false
  );
  if not (saldo_private.post_to_hot_on__write(
    entry_id, debit_account_id, credit_account_id, amount, description, source, occurred_at,
    idempotency_key, metadata, day, v_month
  ) and v_is_usual) then
    perform saldo_private.posting__examine(array[entry_id]);
  end if;
  if current_setting('synchronous_commit') = 'off' then
    perform saldo_private.require_durable_commit();
  end if;
  return true;
end
$$;
comment on function saldo_private.post_to_hot_on is
  'Posts on this day an entry that debits an immediate account and credits a hot one, where the '
  'caller has looked, under the shared lock of the month, that all is usual: both are open and in '
  'one currency, nobody watches them, the caller does the part of whoever follows them, and the '
  'source moves funds. True. Errors: those of the posting trigger.';

create or replace function saldo_private.post_to_hot(
  entry_id uuid,
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  description text,
  source text,
  occurred_at timestamptz,
  idempotency_key text
)
returns boolean
language plpgsql
as $$
declare
  v_day date := saldo_private.post_to_hot__day(
    debit_account_id, credit_account_id, amount, occurred_at
  );
begin
  return v_day is not null and saldo_private.post_to_hot_on(
    v_day, entry_id, debit_account_id, credit_account_id, amount, description, source, occurred_at,
    idempotency_key
  );
end
$$;
comment on function saldo_private.post_to_hot is
  'Posts an entry that debits an immediate account and credits a hot one, if all is usual. False, '
  'and nothing is done, where it is not: then it is for post_pair, which says why it cannot be. A '
  'key has been looked for by the caller. source: one that moves funds (posting_source). Errors: '
  'those of the posting trigger.';
