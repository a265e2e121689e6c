-- The sieve for new postings ("news"): what was posted since the verified point.
--
-- Private: verify_news and its steps, expected_fingerprint. One snapshot for everything (its steps
-- are STABLE): the new postings, the stored figures, and the snapshot that the point moves to.
-- Entries have a weight each, as in the sieve of a full check (sieve.sql), and are looked at one by
-- one only where something is left over. The seed is a new one each time.

create or replace function saldo_private.verify_news__entries(since pg_snapshot)
returns setof saldo.journal_entry
language sql
stable
as $$
  select e.*
  from saldo.journal_entry as e
  where e.posted_in >= pg_snapshot_xmin(since)
  and not pg_visible_in_snapshot(e.posted_in, since)
  and e.posted_in is distinct from pg_current_xact_id_if_assigned()
  -- What came with a dump has the number that it had in another cluster. It was there when the
  -- point was set, and would count twice: its row was written before that number was reached here.
  and e.posted_in < pg_snapshot_xmax(pg_current_snapshot())
  and age(e.xmin) <= age(e.posted_in::xid)
$$;
comment on function saldo_private.verify_news__entries is
  'The entries that were posted since a snapshot.';

create or replace function saldo_private.verify_news__moved(since pg_snapshot, seed bigint)
returns table (
  posting_date date,
  account_id bigint,
  debit numeric,
  credit numeric,
  line_count bigint,
  entry_amount numeric,
  entry_lines numeric,
  is_sane boolean
)
language plpgsql
stable
rows 20000
-- For any list of entries their lines are looked up by the index, in one pass: to estimate how many
-- there are would cost more than that.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  v_part record;
begin
  for v_part in
    select e.posting_date, array_agg(e.id) as ids,
      sum(saldo_private.entry_weight(e.id, seed) * e.line_count) as entry_lines,
      bool_and(e.line_count > 1) as is_sane
    from (
      select each.id, each.posting_date, each.line_count, row_number() over () / 100000 as place
      from saldo_private.verify_news__entries(since) as each
    ) as e
    group by e.posting_date, e.place
  loop
    return query
    select v_part.posting_date, l.account_id, sum(l.debit), sum(l.credit), count(*),
      sum((l.debit - l.credit) * w.entry), sum(w.entry),
      bool_and(l.posting_date = v_part.posting_date and l.line_no > 0
        and (l.debit > 0) <> (l.credit > 0))
    from saldo.journal_line as l
    cross join lateral (select saldo_private.entry_weight(l.entry_id, seed) as entry) as w
    where l.entry_id = any (v_part.ids)
    group by l.account_id
    union all
    select v_part.posting_date, null, null, null, null, null, -v_part.entry_lines, v_part.is_sane;
  end loop;
end
$$;
comment on function saldo_private.verify_news__moved is
  'What was posted since a snapshot, by date of the entry and account: amounts, lines, and both '
  'with the weights of their entries. For each date a row without an account takes away the lines '
  'that its entries should have: so all of entry_lines add up to nothing, and so does entry_amount '
  'over the accounts of each currency.';

create or replace function saldo_private.expected_fingerprint(
  month date,
  seed bigint,
  news saldo_private.fingerprint
)
returns saldo_private.fingerprint
language plpgsql
stable
as $$
declare
  v_known saldo_private.verified_month;
begin
  select *
  into v_known
  from saldo_private.verified_month as v
  where v.month = expected_fingerprint.month;
  if v_known.month is null then
    return saldo_private.line_fingerprint(expected_fingerprint.month, seed);
  end if;
  return (v_known.amount + news.amount, v_known.line_count + news.line_count);
end
$$;
comment on function saldo_private.expected_fingerprint is
  'What the accounts'' months should come to, by the lines: those of the verified point and the '
  'new ones, or all lines of the month where the point does not know it.';

create or replace function saldo_private.verify_news__months(
  account_ids bigint[],
  months date[],
  debits numeric[],
  credits numeric[],
  line_counts bigint[]
)
returns table (month date, amount numeric, line_count numeric, suspect_ids bigint[])
language sql
stable
as $$
  with news as (
    select t.month, p.seed, (
      sum(t.debit * saldo_private.debit_weight(t.account_id, p.seed)
        + t.credit * saldo_private.credit_weight(t.account_id, p.seed)),
      sum(saldo_private.debit_weight(t.account_id, p.seed) * t.line_count::numeric)
    )::saldo_private.fingerprint as fingerprint
    from unnest(account_ids, months, debits, credits, line_counts)
      as t (account_id, month, debit, credit, line_count)
    cross join saldo_private.verified_point as p
    where p.id = 1
    group by t.month, p.seed
  ),
  compared as materialized (
    select n.month, saldo_private.movement_fingerprint(n.month, n.seed) as stored,
      saldo_private.expected_fingerprint(n.month, n.seed, n.fingerprint) as expected
    from news as n
  )
  select c.month, (c.stored).amount, (c.stored).line_count,
    case
      when (c.stored).amount - (c.expected).amount = 0 -- the same, and a number
        and (c.stored).line_count = (c.expected).line_count then '{}'
      else saldo_private.suspect_accounts(c.month, (c.month + interval '1 month - 1 day')::date)
    end
  from compared as c
$$;
comment on function saldo_private.verify_news__months is
  'Months with these new lines: what all accounts'' months come to, and the accounts whose month '
  'is not the sum of its lines.';

create or replace function saldo_private.verify_news__totals(
  account_ids bigint[],
  debits numeric[],
  credits numeric[],
  is_moving boolean
)
returns table (account_id bigint, debit numeric, credit numeric, is_right boolean)
language sql
stable
as $$
  with unknown as materialized (
    select v.account_id, coalesce(l.debit, 0) as debit, coalesce(l.credit, 0) as credit
    from saldo_private.verified_total as v
    left join saldo_private.line_totals(array(
      select v.account_id
      from saldo_private.verified_total as v
      where v.debit_total is null
    )) as l on l.account_id = v.account_id
    where v.debit_total is null
    and is_moving
  )
  select t.account_id, truth.debit, truth.credit, truth.is_right
  from saldo_private.account_total as t
  left join saldo_private.verified_total as v on v.account_id = t.account_id
  left join unknown as u on u.account_id = t.account_id
  left join unnest(account_ids, debits, credits) as m (account_id, debit, credit)
    on m.account_id = t.account_id
  cross join lateral (
    select d.debit, d.credit, (t.debit_total, t.credit_total) = (d.debit, d.credit) as is_right
    from (
      select coalesce(u.debit, known.debit + coalesce(m.debit, 0)) as debit,
        coalesce(u.credit, known.credit + coalesce(m.credit, 0)) as credit
      from (
        select case when v.account_id is null then 0 else v.debit_total end as debit,
          case when v.account_id is null then 0 else v.credit_total end as credit
      ) as known
    ) as d
  ) as truth
  where u.account_id is not null
  or m.account_id is not null
  or truth.is_right is not true
$$;
comment on function saldo_private.verify_news__totals is
  'Accounts with new postings, and others whose totals are not the verified ones plus what came '
  'since: the sums of their lines. is_moving: lines are summed up where the sums are unknown.';

create or replace function saldo_private.verify_news__accounts(
  since pg_snapshot,
  account_ids bigint[]
)
returns bigint[]
language plpgsql
stable
set plan_cache_mode = force_custom_plan -- how many they are decides
as $$
declare
  v_ids bigint[];
begin
  with moved as materialized (
    select unnest(account_ids) as id
    union
    -- Held funds have not been posted, and the stock of their purchases is taken.
    select h.account_id
    from saldo.hold as h
    where h.status = 'HELD'
  ),
  asked as (
    select m.account_id as id
    from moved
    join saldo.member as m on m.account_id = moved.id
    union
    select m.debt_account_id
    from moved
    join saldo.member as m on m.debt_account_id = moved.id
    union
    select c.account_id
    from moved
    join saldo.customer as c on c.account_id = moved.id
    union
    -- Without a record of whose it is, such an entry may be on any account.
    select l.account_id
    from saldo_private.verify_news__entries(since) as e
    join saldo.journal_line as l on l.entry_id = e.id
    where e.source in ('partial_refund', 'top_up_reversal', 'debt_payment')
  )
  select array_agg(a.id)
  into v_ids
  from asked as a;
  -- Of half of all or more rules are not asked one by one: all of them cost no more.
  if cardinality(v_ids) > 1000 and cardinality(v_ids) * 2
    >= (select count(*) from saldo.member) + (select count(*) from saldo.customer)
  then
    return null;
  end if;
  return coalesce(v_ids, '{}');
end
$$;
comment on function saldo_private.verify_news__accounts is
  'Accounts that rules about members and customers are asked about: those of these accounts, which '
  'were posted to, and of those with open holds, that are theirs; null = all.';

create or replace function saldo_private.verify_news__suspects(since pg_snapshot)
returns uuid[]
language sql
stable
as $$
  select array(
    select e.id
    from saldo_private.verify_news__entries(since) as e
    left join saldo.journal_line as l on l.entry_id = e.id
    left join saldo.account as a on a.id = l.account_id
    group by e.id, e.line_count
    having (
      sum(l.debit) = sum(l.credit) and count(*) = e.line_count and e.line_count > 1
      and bool_and(l.posting_date = e.posting_date and l.line_no > 0
        and (l.debit > 0) <> (l.credit > 0))
      and count(a.currency) = count(*) and min(a.currency) = max(a.currency)
    ) is not true
  )
$$;
comment on function saldo_private.verify_news__suspects is
  'The entries that were posted since a snapshot and may be wrong, one by one.';

create or replace function saldo_private.verify_news__look(
  since pg_snapshot,
  is_moving boolean,
  seed bigint,
  out snapshot pg_snapshot,
  out line_count bigint,
  out is_balanced boolean,
  out suspect_account_ids bigint[],
  out suspect_month_account_ids bigint[],
  out account_ids bigint[],
  out totals saldo_private.verified_total[],
  out months saldo_private.verified_month[],
  out suspect_months date[]
)
language sql
stable
set jit = off -- as for rules
set work_mem = '64MB'
-- Nobody knows beforehand how much is new.
set enable_nestloop = off
as $$
  with news as materialized (
    select n.*
    from saldo_private.verify_news__moved(since, seed) as n
  ),
  balance as (
    select sum(n.entry_lines) as entry_lines, sum(n.line_count) as line_count,
      bool_and(n.is_sane) and coalesce(sum(n.entry_amount), 0) = 0
        and count(n.account_id) = count(a.id) as is_right
    from news as n
    left join saldo.account as a on a.id = n.account_id
    group by a.currency
  ),
  moved as materialized (
    select array_agg(m.account_id) as ids, array_agg(m.debit) as debits,
      array_agg(m.credit) as credits
    from (
      select n.account_id, sum(n.debit) as debit, sum(n.credit) as credit
      from news as n
      where n.account_id is not null
      group by n.account_id
    ) as m
  ),
  total as materialized (
    select t.*
    from moved as m
    cross join lateral saldo_private.verify_news__totals(
      m.ids, m.debits, m.credits, is_moving
    ) as t
  ),
  month as materialized (
    select t.*
    from (
      select array_agg(n.account_id) as ids, array_agg(n.month) as months,
        array_agg(n.debit) as debits, array_agg(n.credit) as credits,
        array_agg(n.line_count) as line_counts
      from (
        select each.account_id, saldo_private.month_or_beyond(each.posting_date) as month,
          each.debit, each.credit, each.line_count
        from news as each
        where each.account_id is not null
      ) as n
      where n.month < 'infinity'
    ) as n
    cross join lateral saldo_private.verify_news__months(
      n.ids, n.months, n.debits, n.credits, n.line_counts
    ) as t
  )
  select pg_current_snapshot(), coalesce(sum(b.line_count), 0)::bigint,
    coalesce(sum(b.entry_lines) = 0 and bool_and(b.is_right), true),
    array(
      select t.account_id from total as t where t.is_right is not true
      union
      select unnest(m.suspect_ids) from month as m
    ),
    array(select distinct unnest(m.suspect_ids) from month as m),
    coalesce((select m.ids from moved as m), '{}'),
    array(select (t.account_id, t.debit, t.credit)::saldo_private.verified_total from total as t),
    array(
      select (m.month, m.amount, m.line_count)::saldo_private.verified_month
      from month as m
      where m.suspect_ids = '{}'
    ),
    array(select m.month from month as m where m.suspect_ids <> '{}')
  from balance as b
$$;
comment on function saldo_private.verify_news__look is
  'Sieves what was posted since a snapshot, and says what the point would come to.';

create or replace function saldo_private.verify_news(since pg_snapshot, is_moving boolean)
returns saldo_private.suspects
language plpgsql
as $$
declare
  v_look record := saldo_private.verify_news__look(
    since, is_moving, hashint8extended((random() * 1e15)::bigint, 0)
  );
  v_suspects saldo_private.suspects;
begin
  if is_moving then
    perform saldo_private.move_verified_point(
      v_look.snapshot, v_look.line_count, v_look.totals, v_look.months, v_look.suspect_months
    );
  end if;
  v_suspects.line_count := v_look.line_count;
  v_suspects.account_ids := v_look.suspect_account_ids;
  v_suspects.month_account_ids := v_look.suspect_month_account_ids;
  v_suspects.entry_ids := case when v_look.is_balanced then '{}'::uuid[]
    else saldo_private.verify_news__suspects(since) end;
  v_suspects.since := verify_news.since;
  v_suspects.news_account_ids := saldo_private.verify_news__accounts(
    verify_news.since, v_look.account_ids
  );
  return v_suspects;
end
$$;
comment on function saldo_private.verify_news is
  'Sieves what was posted since a snapshot, entries and the months and totals of their accounts, '
  'and the totals of all other accounts, which must not have moved; moves the point when asked to.';

comment on type saldo_private.suspects is
  'What rules are asked about: suspect accounts and entries, and what is new since a snapshot.';
