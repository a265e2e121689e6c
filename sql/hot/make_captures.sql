-- Many captures at once: those that are plain, in a few statements.
--
-- Private: make_captures and its steps, captures_of_callers.
-- Plain is the first capture of a hold in the batch, of an open hold on an immediate account, not
-- of a purchase, under a key that is new, between accounts as ledger/post_pairs.sql says. What is
-- not plain is left out (foundation/joint_request.sql), for capture_hold.
-- Locks: idempotency keys in their order, the holds that nobody has, then those of many pairs.

create or replace function saldo_private.make_captures__plain(
  actors text[],
  hold_ids uuid[],
  amounts numeric[],
  are_rests_kept boolean[],
  keys text[]
)
returns saldo_private.joint_request[]
language plpgsql
-- A plan is kept: one from when the tables were small reads all of what they have become.
set enable_seqscan = off
as $$
begin
  return array(
    select saldo_private.joint_request(
      request_no => r.request_no,
      actor => r.actor,
      scope => 'hold:' || h.id,
      idempotency_key => r.idempotency_key,
      -- As the single call would hash it.
      request_hash => case when r.idempotency_key is not null then saldo_private.request_hash(
        'capture_hold',
        jsonb_build_array(trim_scale(r.amount), coalesce(r.is_rest_kept, false))
      ) end,
      id => h.id,
      entry_id => r.entry_id,
      account_id => h.account_id,
      counter_account_id => h.counter_account_id,
      is_debit => not saldo_private.is_debit_normal(a.type),
      amount => coalesce(trim_scale(r.amount), h.open_amount),
      released => case when r.is_rest_kept then coalesce(trim_scale(r.amount), h.open_amount)
        else h.open_amount end,
      description => h.description,
      metadata => jsonb_build_object('hold_id', h.id)
    )
    from (
      select each.*, row_number() over (partition by each.hold_id order by each.request_no) as turn
      from rows from (
        unnest(actors), unnest(hold_ids), unnest(amounts), unnest(are_rests_kept), unnest(keys),
        unnest(saldo_private.uuids_v7(cardinality(actors)))
      ) with ordinality as each (
        actor, hold_id, amount, is_rest_kept, idempotency_key, entry_id, request_no
      )
      where each.actor is not null
    ) as r
    -- With limits: rows by their keys, whatever the tables held when this was planned.
    cross join lateral (select * from saldo.hold where hold.id = r.hold_id limit 1) as h
    cross join lateral (select * from saldo.account where account.id = h.account_id limit 1) as a
    where r.turn = 1
    and (r.amount is null or saldo_private.is_usual_amount(r.amount))
    and saldo_private.is_usual_key(r.idempotency_key)
    and h.status = 'HELD'
    and h.source = 'place_hold' -- others belong to what has placed them
    and a.mode = 'immediate'
    and not saldo_private.is_contested(h.account_id, array['hold'])
    -- In the words of the index hold_is_captured_once_per_key.
    and not exists (
      select
      from saldo.journal_entry as e
      where e.idempotency_key = r.idempotency_key
      and e.metadata ->> 'hold_id' = h.id::text
      and e.source = 'capture_hold'
      and e.recorded_at > '2026-11-01 00:00:00+00'
    )
  );
end
$$;
comment on function saldo_private.make_captures__plain is
  'The requests that look plain, as far as no lock is needed to say so. Those without an actor are '
  'passed over.';

create or replace function saldo_private.make_captures__lock(
  requests saldo_private.joint_request[]
)
returns saldo_private.joint_request[]
language plpgsql
-- A plan is kept: one from when the tables were small reads all of what they have become.
set enable_seqscan = off
as $$
begin
  return array(
    with held as materialized (
      -- As they are once they are locked, whatever the statement has seen before.
      select h.id, h.open_amount
      from saldo.hold as h
      where h.id = any (array(select r.id from unnest(requests) as r))
      and h.status = 'HELD'
      order by h.id
      for no key update skip locked
    )
    select r
    from unnest(requests) as r
    join held as h on h.id = r.id
    where r.amount <= r.released
    and r.released <= h.open_amount
    order by r.request_no
  );
end
$$;
comment on function saldo_private.make_captures__lock is
  'Those of the requests whose hold is ours, and still open with what is to leave it: that only '
  'becomes less.';

create or replace function saldo_private.make_captures__write(
  requests saldo_private.joint_request[]
)
returns table (request_no bigint, hold saldo.hold)
language plpgsql
as $$
begin
  -- The holds go first: the posting would count them against the balance.
  update saldo.account as a
  set held_total = a.held_total - h.released
  from (
    select r.account_id, sum(r.released) as released
    from unnest(requests) as r
    group by r.account_id
  ) as h
  where a.id = h.account_id;
  perform saldo_private.write_pairs(requests, 'capture_hold');
  return query
  update saldo.hold as h
  set status = case when r.released < h.open_amount then 'HELD' else 'CAPTURED' end
      ::saldo.hold_status,
    open_amount = h.open_amount - r.released,
    captured_amount = h.captured_amount + r.amount,
    closed_at = case when r.released = h.open_amount then clock_timestamp() end
  from unnest(requests) as r
  where h.account_id = r.account_id
  and h.id = r.id
  returning r.request_no, h as hold;
end
$$;
comment on function saldo_private.make_captures__write is
  'Posts captures whose holds and accounts are ours.';

create or replace function saldo_private.make_captures(
  actors text[],
  hold_ids uuid[],
  amounts numeric[],
  are_rests_kept boolean[],
  keys text[]
)
returns table (request_no bigint, hold saldo.hold)
language plpgsql
as $$
declare
  v_requests saldo_private.joint_request[] := saldo_private.claim_joint_keys(
    saldo_private.make_captures__plain(actors, hold_ids, amounts, are_rests_kept, keys),
    'capture_hold'
  );
  v_taken saldo_private.joint_request[];
begin
  v_taken := saldo_private.take_pairs(saldo_private.make_captures__lock(v_requests), '{}');
  -- One that became hot a moment ago has slots that know of the hold.
  v_taken := array(
    select t
    from unnest(v_taken) as t
    join saldo.account as a on a.id = t.account_id
    where a.mode = 'immediate'
    order by t.request_no
  );
  perform saldo_private.give_back_joint_keys(v_requests, v_taken);
  if v_taken <> '{}' then
    return query
    select w.request_no, w.hold
    from saldo_private.make_captures__write(v_taken) as w;
  end if;
end
$$;
comment on function saldo_private.make_captures is
  'Makes those of the captures that are plain, all in the same order of fields, and returns their '
  'holds with their places; a null actor stands for one that is not to be made. Errors: those of a '
  'posting that changes its mind at this moment, and then none is made.';

create or replace function saldo_private.captures_of_callers(calls json)
returns table (request_no bigint, result saldo.hold)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if saldo_private.has_own_triggers_on(array[
    'saldo.hold', 'saldo.journal_entry', 'saldo.journal_line', 'saldo.account',
    'saldo.month_movement'
  ]::regclass[]) then
    return;
  end if;
  return query
  select m.request_no, m.hold
  from (
    select array_agg(saldo_private.named_actor(c.role, c.subject, c.member, null,
        'saldo.capture_hold(uuid, numeric, boolean, text)'::regprocedure
      ) order by c.ordinality) as actors,
      array_agg(c.hold_id order by c.ordinality) as hold_ids,
      array_agg(c.amount order by c.ordinality) as amounts,
      array_agg(c.keep_rest order by c.ordinality) as are_rests_kept,
      array_agg(c.idempotency_key order by c.ordinality) as keys
    from rows from (json_to_recordset(calls) as (
      role text, subject text, member text, hold_id uuid, amount numeric, keep_rest boolean,
      idempotency_key text
    )) with ordinality as c
  ) as all_of
  cross join lateral saldo_private.make_captures(
    all_of.actors, all_of.hold_ids, all_of.amounts, all_of.are_rests_kept, all_of.keys
  ) as m;
end
$$;
comment on function saldo_private.captures_of_callers is
  'What the server has of several callers at once: an array of the arguments of capture_hold, each '
  'with role, subject and member of its token. Makes those that are plain and that their callers '
  'may make, and returns their holds with their places; the others it leaves to their callers'' '
  'own calls, and all where somebody''s triggers would see them.';
grant execute on function saldo_private.captures_of_callers to saldo_server;
