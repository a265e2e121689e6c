-- Many purchases at once: those that are plain, in one statement.
--
-- Private: make_purchases and its steps, purchases_of_callers.
-- Plain is a purchase of now, paid at once by an open immediate wallet that has the funds, of a
-- product without stock items whose revenue account is hot, under a key that is new. Whatever is
-- not plain, be it wrong or only unusual, is left out, with no trace: it is for
-- purchase_with_balance_deduction, which knows all cases and says what is wrong. So none can fail
-- another one.
-- Locks: idempotency keys in their order, the month, the wallets in the order of their ids; one
-- that somebody holds is not waited for, its purchases are left out.

create or replace function saldo_private.make_purchases__plain(
  actors text[],
  member_ids bigint[],
  product_ids bigint[],
  amounts numeric[],
  quantities integer[],
  keys text[]
)
returns table (
  request_no bigint, actor text, account_id bigint, member_id bigint, product_id bigint,
  revenue_account_id bigint, currency text, quantity integer, unit_price numeric, amount numeric,
  description text, idempotency_key text, id uuid, entry_id uuid
)
language plpgsql
as $$
begin
  return query
  select r.request_no, r.actor, m.account_id, m.id, p.id, p.revenue_account_id, p.currency,
    r.quantity, p.price::numeric, trim_scale(r.amount),
    saldo_private.purchase__description(r.quantity, p.name), r.idempotency_key, r.id, r.entry_id
  from rows from (
    unnest(actors), unnest(member_ids), unnest(product_ids), unnest(amounts), unnest(quantities),
    unnest(keys), unnest(saldo_private.uuids_v7(cardinality(actors))),
    unnest(saldo_private.uuids_v7(cardinality(actors)))
  ) with ordinality as r (
    actor, member_id, product_id, amount, quantity, idempotency_key, id, entry_id, request_no
  )
  -- With limits: rows by their keys, whatever the tables held when this was planned.
  cross join lateral (select * from saldo.member where member.id = r.member_id limit 1) as m
  cross join lateral (select * from saldo.product where product.id = r.product_id limit 1) as p
  cross join lateral (
    select * from saldo.account where account.id = p.revenue_account_id limit 1
  ) as revenue
  where r.actor is not null
  and r.amount > 0
  and r.amount < 1e15
  and scale(r.amount) <= 2
  and r.quantity between 1 and 1000
  and (r.idempotency_key is null
    or (length(r.idempotency_key) <= 200 and r.idempotency_key ~ '^[!-~]+$'))
  -- In the words of the index purchase_is_made_once_per_key.
  and not exists (
    select
    from saldo.purchase as earlier
    where earlier.account_id = m.account_id
    and earlier.idempotency_key = r.idempotency_key
    and earlier.created_at >= '2026-11-01 00:00:00+00'
  )
  and p.is_active
  and not p.is_stock_tracked
  and r.amount = p.price * r.quantity
  and revenue.currency = p.currency
  and revenue.mode = 'hot'
  and revenue.closed_at is null
  and revenue.frozen_at is null
  and not exists (
    select from saldo_private.account_follower as f where f.account_id = revenue.id
  );
end
$$;
comment on function saldo_private.make_purchases__plain is
  'The requests that look plain, each with ids of its own, as far as no lock is needed to say so. '
  'Those without an actor are passed over.';

create or replace function saldo_private.make_purchases__take(
  actors text[],
  member_ids bigint[],
  product_ids bigint[],
  amounts numeric[],
  quantities integer[],
  keys text[]
)
returns table (
  request_no bigint, actor text, account_id bigint, member_id bigint, product_id bigint,
  revenue_account_id bigint, quantity integer, unit_price numeric, amount numeric,
  description text, idempotency_key text, id uuid, entry_id uuid, posting_date date,
  origin_month date, is_funded boolean
)
language plpgsql
-- A plan is kept: one from when the tables were small reads all of what they have become.
set enable_seqscan = off
as $$
begin
  return query
  with plain as materialized (
    select *
    from saldo_private.make_purchases__plain(
      actors, member_ids, product_ids, amounts, quantities, keys
    )
  ),
  claimed as (
    insert into saldo_private.idempotency_record as k (
      scope, key, operation, request_hash, result_id
    )
    select distinct on ('member:' || p.member_id, p.idempotency_key)
      'member:' || p.member_id, p.idempotency_key, 'purchase_with_balance_deduction',
      -- As the single call would hash it: the key means the same there and here.
      saldo_private.request_hash('purchase_with_balance_deduction', jsonb_build_array(
        p.product_id, p.amount, p.quantity, null::numeric, false
      )), p.id
    from plain as p
    where p.idempotency_key is not null
    order by 'member:' || p.member_id, p.idempotency_key, p.request_no
    on conflict on constraint idempotency_record_pkey do nothing
    returning k.result_id
  ),
  open as materialized (
    select p.*, sum(p.amount) over (partition by p.account_id order by p.request_no) as spent
    from plain as p
    where p.idempotency_key is null
    or p.id in (select c.result_id from claimed as c)
  ),
  day as materialized (
    -- After all keys, and before the wallets: whoever closes the month waits for no circle.
    select d.posting_date, d.origin_month
    from (select count(*) as count from open) as o
    cross join lateral saldo_private.posting_day_of(case when o.count >= 0 then now() end) as d
  ),
  wallet as materialized (
    -- As they are once they are locked, whatever the statement has seen before.
    select a.id, a.currency, a.balance, a.held_total, a.min_balance
    from saldo.account as a
    where exists (select from day)
    and a.id = any (array(select o.account_id from open as o))
    and a.mode = 'immediate'
    and a.closed_at is null
    and a.frozen_at is null
    and not saldo_private.is_debit_normal(a.type)
    and not exists (select from saldo_private.account_follower as f where f.account_id = a.id)
    order by a.id
    for no key update of a skip locked
  )
  select o.request_no, o.actor, o.account_id, o.member_id, o.product_id, o.revenue_account_id,
    o.quantity, o.unit_price, o.amount, o.description, o.idempotency_key, o.id, o.entry_id,
    day.posting_date, day.origin_month, (w.currency = o.currency and saldo_private.is_above_minimum(
      w.balance - o.spent, w.held_total, w.min_balance
    )) is true
  from open as o
  cross join day
  left join wallet as w on w.id = o.account_id;
end
$$;
comment on function saldo_private.make_purchases__take is
  'Claims the keys of the plain requests, and locks their wallets. is_funded: whether the wallet '
  'is ours and has the funds, with all that come before it in the batch.';

create or replace function saldo_private.make_purchases__give_back(
  member_ids bigint[],
  keys text[]
)
returns void
language sql
as $$
  delete from saldo_private.idempotency_record as k
  using unnest(member_ids, keys) as r (member_id, key)
  where k.scope = 'member:' || r.member_id
  and k.key = r.key
$$;
comment on function saldo_private.make_purchases__give_back is
  'Gives back the keys that were claimed a moment ago for what is not made: they may be tried '
  'again.';

create or replace function saldo_private.make_purchases(
  actors text[],
  member_ids bigint[],
  product_ids bigint[],
  amounts numeric[],
  quantities integer[],
  keys text[]
)
returns table (request_no bigint, purchase saldo.purchase)
language plpgsql
as $$
declare
  v_at timestamptz := now();
  v_refused_member_ids bigint[] := '{}';
  v_refused_keys text[] := '{}';
  v_each record;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    return; -- what is locked has to be seen as it is then
  end if;
  perform saldo_private.leave_moves_to_trigger();
  for v_each in
    with taken as materialized (
      select *
      from saldo_private.make_purchases__take(
        actors, member_ids, product_ids, amounts, quantities, keys
      )
    ),
    entry as (
      insert into saldo.journal_entry (
        id, occurred_at, posting_date, origin_month, description, source, idempotency_key,
        line_count, posted_at, posted_by, posted_in
      )
      select t.entry_id, v_at, t.posting_date, t.origin_month, t.description, 'purchase',
        t.idempotency_key, 2, clock_timestamp(), t.actor, pg_current_xact_id()
      from taken as t
      where t.is_funded
    ),
    line as (
      insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
      select l.account_id, t.posting_date, t.entry_id, l.line_no, l.debit, l.credit
      from taken as t
      cross join lateral (
        values (t.account_id, 1, t.amount, 0), (t.revenue_account_id, 2, 0, t.amount)
      ) as l (account_id, line_no, debit, credit)
      where t.is_funded
    ),
    made as (
      insert into saldo.purchase as p (
        account_id, id, member_id, product_id, quantity, unit_price, amount, status, entry_id,
        idempotency_key, occurred_at, created_by, completed_at
      )
      select t.account_id, t.id, t.member_id, t.product_id, t.quantity, t.unit_price, t.amount,
        'completed', t.entry_id, t.idempotency_key, v_at, t.actor, v_at
      from taken as t
      where t.is_funded
      returning p.id, p as purchase
    )
    select t.request_no, t.member_id, t.idempotency_key, m.id, m.purchase
    from taken as t
    left join made as m on m.id = t.id
  loop
    if v_each.id is not null then
      request_no := v_each.request_no;
      purchase := v_each.purchase;
      return next;
    elsif v_each.idempotency_key is not null then
      v_refused_member_ids := v_refused_member_ids || v_each.member_id;
      v_refused_keys := v_refused_keys || v_each.idempotency_key;
    end if;
  end loop;
  perform saldo_private.make_purchases__give_back(v_refused_member_ids, v_refused_keys);
end
$$;
comment on function saldo_private.make_purchases is
  'Makes those of the purchases that are plain, all in the same order of fields, and returns them '
  'with their places; a null actor stands for one that is not to be made. Errors: those of a '
  'posting that changes its mind at this moment, and then none is made.';

create or replace function saldo_private.purchases_of_callers(calls json)
returns table (request_no bigint, result saldo.purchase)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if saldo_private.has_own_triggers_on(array[
    'saldo.purchase', 'saldo.journal_entry', 'saldo.journal_line', 'saldo.account',
    'saldo.month_movement'
  ]::regclass[]) then
    return;
  end if;
  return query
  select m.request_no, m.purchase
  from (
    select array_agg(case when saldo_private.may_call(c.role,
        'saldo.purchase_with_balance_deduction(bigint, bigint, numeric, integer, text, '
        'timestamptz, boolean)'::regprocedure
      ) and (c.member = c.member_id::text or not saldo_private.is_member_role(c.role))
        then nullif(c.subject, '') end order by c.ordinality) as actors,
      array_agg(c.member_id order by c.ordinality) as member_ids,
      array_agg(c.product_id order by c.ordinality) as product_ids,
      array_agg(c.amount order by c.ordinality) as amounts,
      array_agg(coalesce(c.quantity, 1) order by c.ordinality) as quantities,
      array_agg(c.idempotency_key order by c.ordinality) as keys
    from rows from (json_to_recordset(calls) as (
      role text, subject text, member text, member_id bigint, product_id bigint, amount numeric,
      quantity integer, idempotency_key text
    )) with ordinality as c
  ) as all_of
  cross join lateral saldo_private.make_purchases(
    all_of.actors, all_of.member_ids, all_of.product_ids, all_of.amounts, all_of.quantities,
    all_of.keys
  ) as m;
end
$$;
comment on function saldo_private.purchases_of_callers is
  'What the server has of several callers at once: an array of the arguments of '
  'purchase_with_balance_deduction, each with role, subject and member of its token. Makes those '
  'that are plain and that their callers may make, and returns them with their places; the others '
  'it leaves to their callers'' own calls, and all where somebody''s triggers would see them.';
grant execute on function saldo_private.purchases_of_callers to saldo_server;
