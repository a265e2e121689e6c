-- Posting a pair: an entry of two lines, by far the most frequent of all.
--
-- Private: post_pair (for all rooms) and its steps; has_own_triggers, require_no_own_triggers.
-- Where all is usual, both accounts immediate say, two statements do it: one looks and locks, one
-- writes entry, lines, totals and months. The posting trigger lets that pass (posting.sql). What
-- is not usual goes the way of any posting, and nothing is written or locked for it before: only
-- where an account becomes hot while the look waits for it are both locked by then, and a deadlock
-- with a posting to its slots is possible, which PostgreSQL ends (SB015).
-- Locks: the month, then both accounts in id order: in the order in which FROM names them.

create or replace function saldo_private.has_own_triggers()
returns boolean
language sql
immutable
as $$
  select exists (
    select
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid in ('saldo.journal_entry'::regclass, 'saldo.journal_line'::regclass,
      'saldo.account'::regclass, 'saldo.month_movement'::regclass)
    and not t.tgisinternal
    and p.pronamespace <> 'saldo_private'::regnamespace
    union all
    select
    from pg_catalog.pg_rewrite as r
    where r.ev_class in ('saldo.journal_entry'::regclass, 'saldo.journal_line'::regclass,
      'saldo.account'::regclass, 'saldo.month_movement'::regclass)
  )
$$;
comment on function saldo_private.has_own_triggers is
  'Whether triggers or rules that are not the engine''s stand on what a posting writes: they see '
  'it in the order in which the posting trigger does it. Called immutable, so that it is asked '
  'while a statement is planned, and costs no posting: what adds or drops a trigger has every '
  'statement planned again that names its table.';

create or replace function saldo_private.holds_month_of__next(until date)
returns boolean
language plpgsql
as $$
begin
  return pg_advisory_xact_lock_shared(
    saldo_private.posting_month_lock(), saldo_private.month_number(until)
  ) is not null;
end
$$;
comment on function saldo_private.holds_month_of__next is
  'Takes the shared lock of the later month that a moment can be in. A function of its own, since '
  'an expression is made ready with all that it names, and few postings come to this.';

create or replace function saldo_private.holds_month_of(at timestamptz)
returns boolean
language plpgsql
as $$
declare
  -- The months that it can be in, whatever the time zone: their locks come before anything is read.
  v_from timestamp := (at - interval '14 hours') at time zone 'UTC';
  v_until timestamp := v_from + interval '28 hours';
begin
  return current_setting('transaction_isolation') = 'read committed'
    -- The way of any posting refuses it as what it is, a write.
    and not pg_is_in_recovery()
    and pg_advisory_xact_lock_shared(
      saldo_private.posting_month_lock(), saldo_private.month_number(v_from::date)
    ) is not null
    and (extract(day from v_until) > 2 or saldo_private.holds_month_of__next(v_until::date));
end
$$;
comment on function saldo_private.holds_month_of is
  'Takes the shared lock of the month in which this moment is posted. False, and without it, on a '
  'standby, and under an isolation whose snapshot may be older than the lock.';

create or replace function saldo_private.require_no_own_triggers()
returns integer
language plpgsql
as $$
begin
  perform saldo_private.fail('conflict_retry', 'a trigger was made meanwhile');
  return null;
end
$$;
comment on function saldo_private.require_no_own_triggers is
  'Refuses a posting that was looked at before a trigger was made, and is written after it: '
  'SB015 conflict_retry.';

create or replace function saldo_private.post_pair__usual_day(
  first_id bigint,
  second_id bigint,
  is_first_debited boolean,
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
  select (post_pair__usual_day.occurred_at at time zone zone.value)::date
  into v_day
  from saldo.account as a
  cross join saldo.account as b
  cross join saldo.setting as zone
  cross join saldo_private.book_state as book
  where a.id = first_id
  and b.id = second_id
  -- Callers have looked at both; where one has not, the way of any posting says what is wrong.
  and first_id <> second_id
  and amount > 0
  and zone.name = 'business_time_zone'
  and book.id = 1
  and a.mode = 'immediate'
  and b.mode = 'immediate'
  and a.closed_at is null
  and b.closed_at is null
  and a.frozen_at is null
  and b.frozen_at is null
  and a.currency = b.currency
  and (saldo_private.is_above_minimum(a.balance - amount, a.held_total, a.min_balance)
    or saldo_private.is_debit_normal(a.type) = is_first_debited)
  and (saldo_private.is_above_minimum(b.balance - amount, b.held_total, b.min_balance)
    or saldo_private.is_debit_normal(b.type) <> is_first_debited)
  -- Neither closed nor in a year whose totals are kept.
  and (post_pair__usual_day.occurred_at < book.usual_from) is not true
  and not exists (
    select from saldo_private.account_watch as w
    -- Not IN, whose list is made again for each row where a small table is read whole.
    where w.account_id = first_id or w.account_id = second_id
  )
  and not exists (
    select from saldo_private.account_follower as f
    where f.account_id = first_id or f.account_id = second_id
  )
  and not saldo_private.has_own_triggers()
  -- Named only, for has_own_triggers.
  and (true or exists (
    select from saldo.journal_entry, saldo.journal_line, saldo.month_movement
  ))
  for no key update of a, b;
  return v_day;
end
$$;
comment on function saldo_private.post_pair__usual_day is
  'The posting date, under the shared lock of its month, and with both accounts locked, where '
  'nothing stands in the way of the posting and nobody follows it. Null where it is not sure.';

create or replace function saldo_private.post_pair__entry(
  entry_id uuid,
  description text,
  source text,
  occurred_at timestamptz,
  idempotency_key text,
  metadata jsonb,
  day saldo_private.posting_day
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_entry saldo.journal_entry;
begin
  insert into saldo.journal_entry (
    id, occurred_at, posting_date, origin_month, description, source, idempotency_key, metadata,
    line_count, posted_at, posted_by, posted_in
  )
  values (
    entry_id, post_pair__entry.occurred_at, (day).posting_date, (day).origin_month,
    post_pair__entry.description, post_pair__entry.source, post_pair__entry.idempotency_key,
    post_pair__entry.metadata, 2, clock_timestamp(), saldo_private.actor(), pg_current_xact_id()
  )
  returning * into v_entry;
  return v_entry;
end
$$;
comment on function saldo_private.post_pair__entry is 'Writes the entry of a pair.';

create or replace function saldo_private.post_pair__unusual(
  entry_id uuid,
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  description text,
  source text,
  occurred_at timestamptz,
  idempotency_key text,
  metadata jsonb
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_day saldo_private.posting_day := saldo_private.posting_day_of(occurred_at);
  v_entry saldo.journal_entry := saldo_private.post_pair__entry(
    entry_id, description, source, occurred_at, idempotency_key, metadata, v_day
  );
begin
  if current_setting('saldo.moves', true) <> '' then
    perform saldo_private.leave_moves_to_trigger();
  end if;
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  values
    (debit_account_id, v_entry.posting_date, v_entry.id, 1, amount, 0),
    (credit_account_id, v_entry.posting_date, v_entry.id, 2, 0, amount);
  return v_entry;
end
$$;
comment on function saldo_private.post_pair__unusual is
  'Posts a pair of whatever accounts. Errors: SB108 period_locked, and those of the posting '
  'trigger.';

create or replace function saldo_private.post_pair__add_months(
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  month date
)
returns void
language sql
as $$
  insert into saldo.month_movement (account_id, month, debit, credit, line_count)
  select l.account_id, post_pair__add_months.month, l.debit, l.credit, 1
  from (values (debit_account_id, amount, 0), (credit_account_id, 0, amount))
    as l (account_id, debit, credit)
  where not exists (
    select
    from saldo.month_movement as m
    where m.account_id = l.account_id
    and m.month = post_pair__add_months.month
  )
$$;
comment on function saldo_private.post_pair__add_months is
  'Adds the months of a pair that are not there yet; both accounts are locked, so that nobody else '
  'does.';

create or replace function saldo_private.post_pair__write(
  entry_id uuid,
  debit_account_id bigint,
  credit_account_id bigint,
  amount saldo.amount,
  description text,
  source text,
  occurred_at timestamptz,
  idempotency_key text,
  metadata jsonb,
  day date
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_month date := date_trunc('month', day::timestamp);
  v_moves text := coalesce(current_setting('saldo.moves', true), '');
  v_set text;
  v_month_count bigint;
  -- As it will stand there. In the order of the columns: names would be an assignment for each.
  v_entry saldo.journal_entry := (
    entry_id, 'normal', 'posted', post_pair__write.occurred_at, day, null,
    post_pair__write.description, post_pair__write.source, post_pair__write.idempotency_key, null,
    post_pair__write.metadata, 2, null, clock_timestamp(), clock_timestamp(),
    saldo_private.actor(), pg_current_xact_id()
  )::saldo.journal_entry;
begin
  v_set := set_config('saldo.moves', pg_trigger_depth()::text, true);
  with moved as (
    update saldo.account as a
    set debit_total = a.debit_total + case when a.id = debit_account_id then amount else 0 end,
      credit_total = a.credit_total + case when a.id = debit_account_id then 0 else amount end,
      -- The tables are locked by now: what is planned here is what their triggers are.
      version = a.version + case when saldo_private.has_own_triggers()
        then saldo_private.require_no_own_triggers() else 1 end,
      last_updated_at = clock_timestamp()
    where a.id in (debit_account_id, credit_account_id)
  ),
  line as (
    insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
    values
      (debit_account_id, day, post_pair__write.entry_id, 1, amount, saldo_private.no_amount()),
      (credit_account_id, day, post_pair__write.entry_id, 2, saldo_private.no_amount(), amount)
  ),
  entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, description, source, idempotency_key, metadata, line_count,
      recorded_at, posted_at, posted_by, posted_in
    )
    values (
      post_pair__write.entry_id, post_pair__write.occurred_at, day,
      post_pair__write.description, post_pair__write.source, post_pair__write.idempotency_key,
      post_pair__write.metadata, 2, v_entry.recorded_at, v_entry.posted_at, v_entry.posted_by,
      v_entry.posted_in
    )
  )
  -- Last, since how many rows it has found is known without another node in the plan.
  update saldo.month_movement as m
  set debit = m.debit + case when m.account_id = debit_account_id then amount else 0 end,
    credit = m.credit + case when m.account_id = debit_account_id then 0 else amount end,
    line_count = m.line_count + 1
  where m.account_id in (debit_account_id, credit_account_id)
  and m.month = v_month;
  get diagnostics v_month_count = row_count;
  if v_month_count < 2 then -- the first posting of the month to one of them
    perform saldo_private.post_pair__add_months(
      debit_account_id, credit_account_id, amount, v_month
    );
  end if;
  v_set := set_config('saldo.moves', v_moves, true);
  if current_setting('synchronous_commit') = 'off' then
    perform saldo_private.require_durable_commit();
  end if;
  return v_entry;
end
$$;
comment on function saldo_private.post_pair__write is
  'Writes a pair of two immediate accounts that are locked, with all that follows from it.';

create or replace function saldo_private.post_pair(
  entry_id uuid,
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  description text,
  source text,
  occurred_at timestamptz default null,
  idempotency_key text default null,
  metadata jsonb default '{}',
  is_with_hot boolean default false
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_occurred_at timestamptz := coalesce(post_pair.occurred_at, now());
  v_day date;
  v_entry saldo.journal_entry;
begin
  if post_pair.idempotency_key is not null then
    perform saldo_private.refuse_done(
      'entry', saldo_private.posted_under_key(post_pair.idempotency_key, post_pair.source),
      post_pair.idempotency_key
    );
  end if;
  if not is_with_hot then
    v_day := saldo_private.post_pair__usual_day(
      least(debit_account_id, credit_account_id), greatest(debit_account_id, credit_account_id),
      debit_account_id < credit_account_id, amount, v_occurred_at
    );
  end if;
  if v_day is null then
    return saldo_private.post_pair__unusual(
      entry_id, debit_account_id, credit_account_id, amount, description, source, v_occurred_at,
      idempotency_key, metadata
    );
  end if;
  return saldo_private.post_pair__write(
    entry_id, debit_account_id, credit_account_id, amount, description, source, v_occurred_at,
    idempotency_key, metadata, v_day
  );
end
$$;
comment on function saldo_private.post_pair is
  'Posts an entry of two lines whose amount has been checked. occurred_at: default now. '
  'is_with_hot: one of the accounts is hot as a rule, so that the look for two immediate ones is '
  'spared. Errors: SB108 period_locked, SB022 already_done, and those of the posting trigger.';
