-- The steps of a settlement: locking accounts, summing rows up, posting the sums.
--
-- Private: settle_batch__* (settle_sub_balances.sql says what they make together).
-- A batch settles all its accounts in a handful of statements; only when these fail it goes account
-- by account, so that one that cannot be settled holds up none of the others.

create or replace function saldo_private.settle_batch__lock(account_id bigint default null)
returns bigint[]
language plpgsql
as $$
declare
  v_account_ids bigint[];
begin
  select array_agg(l.account_id)
  into v_account_ids
  from (
    select h.account_id
    from saldo_private.hot_account as h
    where (settle_batch__lock.account_id is null or h.account_id = settle_batch__lock.account_id)
    and exists (
      select
      from saldo_private.settlement_mark as m
      join saldo.sub_balance as s on s.account_id = m.account_id
        and s.slot_no = m.slot_no
        and s.seq = m.seq + 1
      where m.account_id = h.account_id
    )
    order by h.account_id
    for no key update skip locked
  ) as l;
  return v_account_ids;
end
$$;
comment on function saldo_private.settle_batch__lock is
  'Locks the accounts that have something to settle and that no other worker has.';

create or replace function saldo_private.settle_batch__booked_account(counter_account_id bigint)
returns bigint
language plpgsql
as $$
declare
  v_counter saldo.account;
begin
  select *
  into strict v_counter
  from saldo.account
  where id = settle_batch__booked_account.counter_account_id;
  -- Closed since the rows were accepted: their money waits in suspense, it is never lost.
  return case when v_counter.closed_at is null then v_counter.id
    else saldo_private.system_account('suspense', v_counter.currency) end;
end
$$;
comment on function saldo_private.settle_batch__booked_account is
  'The counter account, or the suspense account of its currency where it has been closed.';

create or replace function saldo_private.settle_batch__part(
  account_ids bigint[],
  row_limit integer
)
returns table (
  account_id bigint,
  slot_no integer,
  counter_account_id bigint,
  posting_date date,
  mark_seq bigint,
  row_count bigint,
  last_seq bigint,
  occurred_at timestamptz,
  debit numeric,
  credit numeric,
  is_uncounted boolean
)
language sql
stable
as $$
  with mark as materialized (
    select m.account_id, m.slot_no, m.seq, greatest(row_limit / count(*) over (), 1) as row_share,
      saldo_private.is_slot_uncounted(m) as is_uncounted
    from saldo_private.settlement_mark as m
    where m.account_id = any (account_ids)
    and exists (
      select
      from saldo.sub_balance as s
      where s.account_id = m.account_id
      and s.slot_no = m.slot_no
      and s.seq = m.seq + 1
    )
    and not saldo_private.is_slot_unproven(m.account_id, m.slot_no, m.seq)
    order by m.account_id, m.slot_no
    limit row_limit
  )
  select m.account_id, m.slot_no, s.counter_account_id,
    (s.created_at at time zone zone.name)::date, m.seq, count(*), max(s.seq), max(s.created_at),
    coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0),
    coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0), m.is_uncounted
  from (
    select saldo_private.setting_value('business_time_zone') as name
    offset 0
  ) as zone
  cross join mark as m
  join saldo.sub_balance as s on s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq > m.seq
    and s.seq <= m.seq + m.row_share
  group by 1, 2, 3, 4, 5, m.is_uncounted
$$;
comment on function saldo_private.settle_batch__part is
  'What is pending on the accounts, summed up by slot, counter account and business day: up to '
  'row_limit rows, the oldest of each slot first. Slots with rows that are not proven wait. '
  'is_uncounted: the rows of the slot are not those that it counted.';

create or replace function saldo_private.settle_batch__take(
  account_ids bigint[],
  row_limit integer,
  started_at timestamptz
)
returns uuid[]
language sql
as $$
  with part as materialized (
    select p.account_id, p.slot_no, p.counter_account_id, p.posting_date, p.mark_seq, p.row_count,
      p.last_seq, p.occurred_at, p.debit, p.credit, p.is_uncounted
    from saldo_private.settle_batch__part(account_ids, row_limit) as p
  ),
  slot as materialized (
    select p.account_id, p.slot_no, p.mark_seq, max(p.last_seq) as last_seq,
      sum(p.row_count) as row_count, sum(p.debit) as debit, sum(p.credit) as credit
    from part as p
    group by p.account_id, p.slot_no, p.mark_seq
    -- A gap means that somebody took rows away: a rule reports it, and nothing passes it.
    having sum(p.row_count) = max(p.last_seq) - p.mark_seq
    and not bool_or(p.is_uncounted)
  ),
  -- A crash takes the slot away, which is the only witness: what it says is written down now.
  contested as (
    insert into saldo_private.contested_row (account_id, source, slot_no, contested_at)
    select distinct p.account_id, 'sub_balance', p.slot_no, clock_timestamp()
    from part as p
    where p.is_uncounted
    on conflict on constraint contested_row_pkey do nothing
  ),
  settlement as (
    insert into saldo.settlement (
      account_id, id, row_count, debit, credit, started_at, settled_at, settled_by
    )
    select s.account_id, saldo_private.uuid_v7(), sum(s.row_count), sum(s.debit), sum(s.credit),
      settle_batch__take.started_at, clock_timestamp(), saldo_private.actor()
    from slot as s
    group by s.account_id
    returning account_id, id
  ),
  range as (
    insert into saldo.settlement_range (account_id, slot_no, last_seq, first_seq, settlement_id)
    select s.account_id, s.slot_no, s.last_seq, s.mark_seq + 1, t.id
    from slot as s
    join settlement as t on t.account_id = s.account_id
  ),
  advanced as (
    update saldo_private.settlement_mark as m
    set seq = s.last_seq,
      debit_total = m.debit_total + s.debit,
      credit_total = m.credit_total + s.credit
    from slot as s
    where m.account_id = s.account_id
    and m.slot_no = s.slot_no
  ),
  entry as (
    insert into saldo.settlement_entry (
      account_id, settlement_id, counter_account_id, posting_date, occurred_at, entry_id,
      booked_account_id, row_count, debit, credit
    )
    select p.account_id, t.id, p.counter_account_id, p.posting_date, max(p.occurred_at),
      saldo_private.uuid_v7(),
      saldo_private.settle_batch__booked_account(p.counter_account_id), sum(p.row_count),
      sum(p.debit), sum(p.credit)
    from part as p
    join slot as s on s.account_id = p.account_id and s.slot_no = p.slot_no
    join settlement as t on t.account_id = p.account_id
    group by p.account_id, t.id, p.counter_account_id, p.posting_date
  )
  select array_agg(t.id)
  from settlement as t
$$;
comment on function saldo_private.settle_batch__take is
  'Sums up what is pending on the accounts, up to row_limit rows and the oldest of each slot '
  'first, records it, and moves the marks. Rows that their slot has not counted stay, and are '
  'contested from then on. Returns the settlements.';

create or replace function saldo_private.settle_batch__post(
  account_ids bigint[],
  settlement_ids uuid[]
)
returns void
language sql
as $$
  with batch as materialized (
    select e.account_id, e.settlement_id, e.entry_id, e.occurred_at, e.booked_account_id,
      day.posting_date, day.origin_month, e.row_count, e.debit, e.credit,
      -- A line is below 1e15, however much the rows come to.
      (2 * (ceil(e.debit / 999999999999999) + ceil(e.credit / 999999999999999)))::integer
        as line_count
    from saldo.settlement_entry as e
    cross join lateral saldo_private.open_day(e.posting_date, is_settlement => true) as day
    where e.account_id = any (account_ids)
    and e.settlement_id = any (settlement_ids)
  ),
  entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, origin_month, description, source, metadata, line_count,
      posted_at, posted_by, posted_in
    )
    select b.entry_id, b.occurred_at, b.posting_date, b.origin_month,
      format('Settlement of %s transactions', b.row_count), 'settlement',
      jsonb_build_object('settlement_id', b.settlement_id, 'account_id', b.account_id),
      b.line_count, clock_timestamp(), saldo_private.actor(),
      pg_current_xact_id()
    from batch as b
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, b.posting_date, b.entry_id,
    row_number() over (partition by b.entry_id order by part.number, l.line_no),
    least(greatest(l.debit - 999999999999999 * part.number, 0), 999999999999999),
    least(greatest(l.credit - 999999999999999 * part.number, 0), 999999999999999)
  from batch as b
  cross join lateral (
    values (1, b.account_id, b.debit, 0), (2, b.booked_account_id, 0, b.debit),
      (3, b.account_id, 0, b.credit), (4, b.booked_account_id, b.credit, 0)
  ) as l (line_no, account_id, debit, credit)
  cross join lateral generate_series(
    0, ceil((l.debit + l.credit) / 999999999999999)::integer - 1
  ) as part (number)
$$;
-- Its funds were taken when the transactions came; what was accepted before a freeze goes on.
select saldo_private.describe_source('settlement', moves_no_funds => true);
comment on function saldo_private.settle_batch__post is 'Posts the summary entries of the batch.';

create or replace function saldo_private.settle_batch__release(settlement_ids uuid[])
returns void
language plpgsql
as $$
begin
  -- Until the end of the transaction no TRUNCATE takes the slots away: a rebuild in the middle
  -- would count what is settled a second time.
  lock table saldo_private.account_slot in row exclusive mode;
  perform saldo_private.move_slot(
    a.id, -case when saldo_private.is_debit_normal(a.type) then s.debit else s.credit end,
    0, 0, 0, 0
  )
  from saldo.settlement as s
  join saldo.account as a on a.id = s.account_id
  where s.id = any (settlement_ids)
  and not a.is_pending_available
  and a.min_balance is not null
  and exists (select from saldo_private.account_slot as o where o.account_id = a.id);
end
$$;
comment on function saldo_private.settle_batch__release is
  'Gives the slots what came in, where an account makes it available at settlement only.';

create or replace function saldo_private.settle_batch__settle(
  account_ids bigint[],
  row_limit integer,
  started_at timestamptz
)
returns uuid[]
language plpgsql
as $$
declare
  v_settlement_ids uuid[] := saldo_private.settle_batch__take(account_ids, row_limit, started_at);
begin
  if v_settlement_ids is not null then
    perform saldo_private.leave_moves_to_trigger();
    perform saldo_private.settle_batch__post(account_ids, v_settlement_ids);
    perform saldo_private.settle_batch__release(v_settlement_ids);
  end if;
  return v_settlement_ids;
end
$$;
comment on function saldo_private.settle_batch__settle is
  'Settles up to row_limit rows of accounts that are locked; null when there is nothing.';

create or replace function saldo_private.settle_batch__settle_each(
  account_ids bigint[],
  row_limit integer,
  started_at timestamptz
)
returns uuid[]
language plpgsql
as $$
declare
  v_account_id bigint;
  v_settlement_ids uuid[] := '{}';
begin
  -- Each of them has waited together with the others already.
  perform set_config('lock_timeout', '200ms', true);
  foreach v_account_id in array account_ids loop
    begin
      v_settlement_ids := v_settlement_ids || saldo_private.settle_batch__settle(
        array[v_account_id], greatest(row_limit / cardinality(account_ids), 1), started_at
      );
    exception
      when others then
        raise warning using
          errcode = sqlstate,
          message = format('account %s cannot be settled now: %s', v_account_id, sqlerrm);
    end;
  end loop;
  return nullif(v_settlement_ids, '{}');
end
$$;
comment on function saldo_private.settle_batch__settle_each is
  'Settles account by account, when they cannot be settled together: one that fails, or whose '
  'counter account is held by an idle transaction, is left pending with a warning, and holds up '
  'none of the others.';
