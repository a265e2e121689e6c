-- Many purchases at once: those that are plain, in a few statements.
--
-- Private: make_purchases and its steps, purchases_of_callers.
-- Plain is a purchase of now, paid at once by an open immediate wallet that has the funds, of a
-- product without stock items whose revenue account is hot and has no min_balance, under a key that
-- is new. What is not plain is left out (foundation/joint_request.sql), for
-- purchase_with_balance_deduction.
-- Locks: idempotency keys in their order, then those of many pairs (ledger/post_pairs.sql).

create or replace function saldo_private.make_purchases__plain(
  actors text[],
  member_ids bigint[],
  product_ids bigint[],
  amounts numeric[],
  quantities integer[],
  keys text[]
)
returns saldo_private.joint_request[]
language plpgsql
as $$
begin
  return array(
    select saldo_private.joint_request(
      request_no => r.request_no,
      actor => r.actor,
      scope => 'member:' || m.id,
      idempotency_key => r.idempotency_key,
      -- As the single call would hash it.
      request_hash => case when r.idempotency_key is not null then saldo_private.request_hash(
        'purchase_with_balance_deduction',
        jsonb_build_array(p.id, trim_scale(r.amount), r.quantity, null::numeric, false)
      ) end,
      id => r.id,
      entry_id => r.entry_id,
      account_id => m.account_id,
      counter_account_id => p.revenue_account_id,
      is_debit => true,
      amount => trim_scale(r.amount),
      released => 0,
      description => saldo_private.purchase__description(r.quantity, p.name),
      metadata => '{}'
    )
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
    and saldo_private.is_usual_amount(r.amount)
    and r.quantity between 1 and 1000
    and saldo_private.is_usual_key(r.idempotency_key)
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
    and revenue.min_balance is null
  );
end
$$;
comment on function saldo_private.make_purchases__plain is
  'The requests that look plain, as far as no lock is needed to say so. Those without an actor are '
  'passed over.';

create or replace function saldo_private.make_purchases(
  actors text[],
  member_ids bigint[],
  product_ids bigint[],
  amounts numeric[],
  quantities integer[],
  keys text[],
  is_waiting boolean default false
)
returns table (request_no bigint, purchase saldo.purchase)
language plpgsql
as $$
declare
  v_requests saldo_private.joint_request[] := saldo_private.claim_joint_keys(
    saldo_private.make_purchases__plain(
      actors, member_ids, product_ids, amounts, quantities, keys
    ),
    'purchase_with_balance_deduction'
  );
  v_taken saldo_private.joint_request[];
begin
  v_taken := saldo_private.take_pairs(v_requests, case when is_waiting then array(
    select m.account_id from saldo.member as m where m.id = any (member_ids)
  ) end);
  perform saldo_private.write_pairs(v_taken, 'purchase');
  return query
  with made as (
    insert into saldo.purchase as p (
      account_id, id, member_id, product_id, quantity, unit_price, amount, status, entry_id,
      idempotency_key, occurred_at, created_by, completed_at
    )
    select t.account_id, t.id, r.member_id, r.product_id, r.quantity,
      trim_scale(round(t.amount / r.quantity, 2)), t.amount, 'completed', t.entry_id,
      t.idempotency_key, now(), t.actor, now()
    from unnest(v_taken) as t
    join rows from (
      unnest(member_ids), unnest(product_ids), unnest(quantities)
    ) with ordinality as r (member_id, product_id, quantity, request_no)
      on r.request_no = t.request_no
    returning p.id, p as purchase
  )
  select t.request_no, m.purchase
  from unnest(v_taken) as t
  join made as m on m.id = t.id;
  perform saldo_private.give_back_joint_keys(v_requests, v_taken);
end
$$;
comment on function saldo_private.make_purchases is
  'Makes those of the purchases that are plain, all in the same order of fields, and returns them '
  'with their places; a null actor stands for one that is not to be made. is_waiting: the wallets '
  'of all of them are waited for. Errors: those of a posting that changes its mind at this moment, '
  'and then none is made.';

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
    select array_agg(saldo_private.named_actor(c.role, c.subject, c.member, c.member_id,
        'saldo.purchase_with_balance_deduction(bigint, bigint, numeric, integer, text, '
        'timestamptz, boolean)'::regprocedure
      ) order by c.ordinality) as actors,
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
