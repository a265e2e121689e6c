-- Posting many pairs at once, each of a caller of its own: those that nothing stands in the way of.
--
-- Private: take_pairs and its steps, write_pairs. A pair that is not plain is left out, with no
-- trace (foundation/joint_request.sql).
-- Plain is an entry of now between two accounts that are open, not frozen, followed by nobody and
-- of one currency: immediate ones that have the funds, and hot ones without a min_balance, whose
-- slots a posting does not move.
-- Locks: the month, a stripe of each hot account, the accounts that are waited for in id order; of
-- the other accounts those that nobody holds. Keys were claimed before. Nothing is waited for
-- while an account is held but another one that is waited for, in order: so no circle is possible.

create or replace function saldo_private.hold_stripe(account_id bigint, month date)
returns boolean
language plpgsql
as $$
declare
  v_account saldo.account;
  v_highest_no integer;
begin
  foreach v_highest_no in array array[saldo_private.first_no(), 2147483647] loop
    perform
    from saldo_private.account_stripe as s
    where s.account_id = hold_stripe.account_id
    and s.month = hold_stripe.month
    and s.stripe_no between 1 and v_highest_no
    and not s.is_limited
    order by s.stripe_no desc
    limit 1
    for no key update skip locked;
    if found then
      return true;
    end if;
  end loop;
  select *
  into v_account
  from saldo.account
  where id = hold_stripe.account_id
  for key share skip locked;
  if (v_account.mode = 'hot' and v_account.min_balance is null and v_account.frozen_at is null)
    is not true
  then
    return false;
  end if;
  perform saldo_private.add_to_stripes__new_no(v_account, hold_stripe.month);
  return true;
end
$$;
comment on function saldo_private.hold_stripe is
  'Holds a stripe of a hot account without a min_balance, which the posting that follows finds '
  'free: it then waits for nobody. False, and nothing is held, where the account is not such a one '
  'any more, or somebody changes it at this moment.';

create or replace function saldo_private.take_pairs__hold_stripes(
  account_ids bigint[],
  month date
)
returns bigint[]
language plpgsql
as $$
begin
  return array(
    select hot.id
    from (
      select a.id
      from saldo.account as a
      where a.id = any (account_ids)
      and a.mode = 'hot'
      and a.min_balance is null
      and a.closed_at is null
      and a.frozen_at is null
      and not exists (select from saldo_private.account_follower as f where f.account_id = a.id)
      order by a.id
      offset 0
    ) as hot
    where saldo_private.hold_stripe(hot.id, take_pairs__hold_stripes.month)
  );
end
$$;
comment on function saldo_private.take_pairs__hold_stripes is
  'Those of the accounts that are hot and plain, a stripe of each held.';

create or replace function saldo_private.take_pairs__lock(
  requests saldo_private.joint_request[],
  account_ids bigint[],
  hot_ids bigint[]
)
returns saldo_private.joint_request[]
language plpgsql
-- A plan is kept: one from when the tables were small reads all of what they have become.
set enable_seqscan = off
as $$
begin
  return array(
    with immediate as materialized (
      -- As they are once they are locked, whatever the statement has seen before.
      select a.id, a.type, a.currency, a.balance, a.held_total, a.min_balance
      from saldo.account as a
      where a.id = any (account_ids)
      and a.mode = 'immediate'
      and a.closed_at is null
      and a.frozen_at is null
      and not exists (select from saldo_private.account_follower as f where f.account_id = a.id)
      order by a.id
      for no key update of a skip locked
    ),
    account as materialized (
      select i.id, i.type, i.currency, i.balance, i.held_total, i.min_balance
      from immediate as i
      union all
      select hot.id, hot.type, hot.currency, hot.balance, 0, null
      from saldo.account as hot
      where hot.id = any (hot_ids)
    ),
    side as (
      select r.request_no, a.currency, a.balance, a.held_total, a.min_balance, moved.change,
        -- What comes in meanwhile does not count: who knows whether it is taken.
        sum(greatest(-moved.change - s.released, 0))
          over (partition by a.id order by r.request_no) as taken
      from unnest(requests) as r
      cross join lateral (
        values (r.account_id, r.is_debit, r.released), (r.counter_account_id, not r.is_debit, 0)
      ) as s (account_id, is_debit, released)
      join account as a on a.id = s.account_id
      cross join lateral (
        select case when s.is_debit then r.amount else -r.amount end
          * saldo_private.normal_sign(a.type) as change
      ) as moved
    )
    select r
    from unnest(requests) as r
    join (
      select s.request_no
      from side as s
      group by s.request_no
      having count(*) = 2
      and min(s.currency) = max(s.currency)
      and bool_and(s.change >= 0 or saldo_private.is_above_minimum(
        s.balance - s.taken, s.held_total, s.min_balance
      ))
    ) as funded on funded.request_no = r.request_no
    order by r.request_no
  );
end
$$;
comment on function saldo_private.take_pairs__lock is
  'Those of the pairs whose accounts are ours and plain, and have the funds, with all that come '
  'before them in the batch.';

create or replace function saldo_private.take_pairs(
  requests saldo_private.joint_request[],
  awaited_ids bigint[]
)
returns saldo_private.joint_request[]
language plpgsql
as $$
declare
  v_account_ids bigint[] := array(
    select r.account_id from unnest(requests) as r
    union
    select r.counter_account_id from unnest(requests) as r
  );
  v_day saldo_private.posting_day;
  v_hot_ids bigint[];
begin
  if v_account_ids = '{}' then
    return '{}';
  end if;
  v_day := saldo_private.posting_day_of(now());
  v_hot_ids := saldo_private.take_pairs__hold_stripes(
    v_account_ids, saldo_private.month_of(v_day.posting_date)
  );
  perform
  from saldo.account as a
  where a.id = any (awaited_ids)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
  return saldo_private.take_pairs__lock(requests, v_account_ids, v_hot_ids);
end
$$;
comment on function saldo_private.take_pairs is
  'Those of the pairs, whose keys are claimed, that can be posted now; all their accounts are '
  'held, and their month. awaited_ids: accounts that are waited for; of any other that somebody '
  'holds the pairs are left out. Errors: SB108 period_locked.';

create or replace function saldo_private.write_pairs(
  requests saldo_private.joint_request[],
  source text
)
returns void
language plpgsql
as $$
declare
  v_day saldo_private.posting_day;
begin
  if requests = '{}' then
    return;
  end if;
  -- As it was taken: its month is held.
  v_day := saldo_private.posting_day_of(now());
  perform saldo_private.leave_moves_to_trigger();
  with entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, origin_month, description, source, idempotency_key, metadata,
      line_count, posted_at, posted_by, posted_in
    )
    select r.entry_id, now(), v_day.posting_date, v_day.origin_month, r.description,
      write_pairs.source, r.idempotency_key, r.metadata, 2, clock_timestamp(), r.actor,
      pg_current_xact_id()
    from unnest(requests) as r
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select case when l.is_of_account then r.account_id else r.counter_account_id end,
    v_day.posting_date, r.entry_id, l.line_no,
    case l.line_no when 1 then r.amount else 0 end, case l.line_no when 1 then 0 else r.amount end
  from unnest(requests) as r
  cross join lateral (
    values (1, r.is_debit), (2, not r.is_debit)
  ) as l (line_no, is_of_account);
end
$$;
comment on function saldo_private.write_pairs is
  'Posts pairs that take_pairs has taken, each an entry of its own by its caller. Errors: those of '
  'a posting that changes its mind at this moment, and then none is made.';

create or replace function saldo_private.written_pairs(requests saldo_private.joint_request[])
returns table (request_no bigint, entry saldo.journal_entry)
language plpgsql
as $$
begin
  return query
  select r.request_no, written.entry
  from unnest(requests) as r
  cross join lateral (
    select e as entry from saldo.journal_entry as e where e.id = r.entry_id limit 1
  ) as written;
end
$$;
comment on function saldo_private.written_pairs is
  'The entries that write_pairs has made, with the places of their requests.';
