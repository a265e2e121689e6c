-- Many holds at once: those that are plain, in a few statements.
--
-- Private: make_holds and its steps, holds_of_callers.
-- Plain is a hold on an open immediate account that has the funds, without metadata and with the
-- usual life, under a key that is new, for a counter account that is fit. What is not plain is left
-- out (foundation/joint_request.sql), for place_hold.
-- Locks: idempotency keys in their order, then the accounts in the order of their ids; one that
-- somebody holds is not waited for, unless that is asked.

create or replace function saldo_private.make_holds__plain(
  actors text[],
  account_ids bigint[],
  amounts numeric[],
  descriptions text[],
  counter_account_ids bigint[],
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
      scope => 'account:' || r.account_id,
      idempotency_key => r.idempotency_key,
      -- As the single call would hash it.
      request_hash => case when r.idempotency_key is not null then saldo_private.request_hash(
        'place_hold', jsonb_build_array(
          trim_scale(r.amount), null::numeric, coalesce(r.description, 'Hold'),
          r.counter_account_id, null::jsonb
        )
      ) end,
      id => r.id,
      entry_id => null,
      account_id => r.account_id,
      counter_account_id => c.id,
      is_debit => null,
      amount => trim_scale(r.amount),
      released => 0,
      description => coalesce(r.description, 'Hold'),
      metadata => null
    )
    from rows from (
      unnest(actors), unnest(account_ids), unnest(amounts), unnest(descriptions),
      unnest(counter_account_ids), unnest(keys), unnest(saldo_private.uuids_v7(cardinality(actors)))
    ) with ordinality as r (
      actor, account_id, amount, description, counter_account_id, idempotency_key, id, request_no
    )
    -- With limits: rows by their keys, whatever the tables held when this was planned.
    cross join lateral (select * from saldo.account where account.id = r.account_id limit 1) as a
    cross join lateral (
      select *
      from saldo.account
      where account.id = coalesce(r.counter_account_id, (
        select clearing.id
        from saldo.account as clearing
        where clearing.code = 'clearing:' || a.currency
      ))
      limit 1
    ) as c
    where r.actor is not null
    and saldo_private.is_usual_amount(r.amount)
    and saldo_private.is_usual_text(r.description)
    and saldo_private.is_usual_key(r.idempotency_key)
    -- As require_counter_account asks.
    and c.id <> a.id
    and c.currency = a.currency
    and not saldo_private.leaves_no_room(c.debit_total, c.credit_total)
    and c.closed_at is null
    and c.frozen_at is null
    and c.min_balance is null
    -- In the words of the index hold_is_placed_once_per_key.
    and not exists (
      select
      from saldo.hold as earlier
      where earlier.account_id = r.account_id
      and earlier.idempotency_key = r.idempotency_key
      and earlier.created_at >= '2026-11-01 00:00:00+00'
    )
  );
end
$$;
comment on function saldo_private.make_holds__plain is
  'The requests that look plain, as far as no lock is needed to say so. Those without an actor are '
  'passed over.';

create or replace function saldo_private.make_holds__take(
  requests saldo_private.joint_request[],
  awaited_ids bigint[]
)
returns saldo_private.joint_request[]
language plpgsql
-- A plan is kept: one from when the tables were small reads all of what they have become.
set enable_seqscan = off
as $$
begin
  perform
  from saldo.account as a
  where a.id = any (awaited_ids)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
  return array(
    with account as materialized (
      -- As they are once they are locked, whatever the statement has seen before.
      select a.id, a.balance, a.held_total, a.min_balance
      from saldo.account as a
      where a.id = any (array(select r.account_id from unnest(requests) as r))
      and a.mode = 'immediate'
      and a.closed_at is null
      and a.frozen_at is null
      order by a.id
      for no key update skip locked
    ),
    held as (
      select r.request_no, a.balance, a.min_balance, a.held_total
          + sum(r.amount) over (partition by a.id order by r.request_no) as held_total
      from unnest(requests) as r
      join account as a on a.id = r.account_id
    )
    select r
    from unnest(requests) as r
    join held as h on h.request_no = r.request_no
    where saldo_private.is_above_minimum(h.balance, h.held_total, h.min_balance)
    order by r.request_no
  );
end
$$;
comment on function saldo_private.make_holds__take is
  'Those of the holds whose account is ours and has the funds, with all that come before them in '
  'the batch. awaited_ids: accounts that are waited for.';

create or replace function saldo_private.make_holds__write(
  requests saldo_private.joint_request[]
)
returns table (request_no bigint, hold saldo.hold)
language plpgsql
as $$
declare
  v_expires_at timestamptz := now() + saldo_private.setting_value('hold_expires_in')::interval;
begin
  perform saldo_private.notify_watchers(array(select r.account_id from unnest(requests) as r));
  update saldo.account as a
  set held_total = a.held_total + h.amount
  from (
    select r.account_id, sum(r.amount) as amount
    from unnest(requests) as r
    group by r.account_id
  ) as h
  where a.id = h.account_id;
  return query
  with made as (
    insert into saldo.hold as h (
      account_id, id, amount, open_amount, counter_account_id, source, description,
      idempotency_key, created_by, expires_at
    )
    select r.account_id, r.id, r.amount, r.amount, r.counter_account_id, 'place_hold',
      r.description, r.idempotency_key, r.actor, v_expires_at
    from unnest(requests) as r
    returning h.id, h as hold
  )
  select r.request_no, m.hold
  from unnest(requests) as r
  join made as m on m.id = r.id;
  perform saldo_private.require_durable_commit();
end
$$;
comment on function saldo_private.make_holds__write is
  'Writes holds whose accounts are ours and have the funds, and takes these.';

create or replace function saldo_private.make_holds(
  actors text[],
  account_ids bigint[],
  amounts numeric[],
  descriptions text[],
  counter_account_ids bigint[],
  keys text[],
  is_waiting boolean default false
)
returns table (request_no bigint, hold saldo.hold)
language plpgsql
as $$
declare
  v_requests saldo_private.joint_request[] := saldo_private.claim_joint_keys(
    saldo_private.make_holds__plain(
      actors, account_ids, amounts, descriptions, counter_account_ids, keys
    ),
    'place_hold'
  );
  v_taken saldo_private.joint_request[] := saldo_private.make_holds__take(
    v_requests, case when is_waiting then account_ids end
  );
begin
  perform saldo_private.give_back_joint_keys(v_requests, v_taken);
  if v_taken <> '{}' then
    return query
    select w.request_no, w.hold
    from saldo_private.make_holds__write(v_taken) as w;
  end if;
end
$$;
comment on function saldo_private.make_holds is
  'Places those of the holds that are plain, all in the same order of fields, and returns them '
  'with their places; a null actor stands for one that is not to be placed. is_waiting: the '
  'accounts of all of them are waited for.';

create or replace function saldo_private.holds_of_callers(calls json)
returns table (request_no bigint, result saldo.hold)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if saldo_private.has_own_triggers_on(array['saldo.hold', 'saldo.account']::regclass[]) then
    return;
  end if;
  return query
  select m.request_no, m.hold
  from (
    select array_agg(saldo_private.named_actor(c.role, c.subject, c.member, null,
        'saldo.place_hold(bigint, numeric, interval, text, bigint, text, jsonb)'::regprocedure
      ) order by c.ordinality) as actors,
      array_agg(c.account_id order by c.ordinality) as account_ids,
      array_agg(c.amount order by c.ordinality) as amounts,
      array_agg(c.description order by c.ordinality) as descriptions,
      array_agg(c.counter_account_id order by c.ordinality) as counter_account_ids,
      array_agg(c.idempotency_key order by c.ordinality) as keys
    from rows from (json_to_recordset(calls) as (
      role text, subject text, member text, account_id bigint, amount numeric, description text,
      counter_account_id bigint, idempotency_key text
    )) with ordinality as c
  ) as all_of
  cross join lateral saldo_private.make_holds(
    all_of.actors, all_of.account_ids, all_of.amounts, all_of.descriptions,
    all_of.counter_account_ids, all_of.keys
  ) as m;
end
$$;
comment on function saldo_private.holds_of_callers is
  'What the server has of several callers at once: an array of the arguments of place_hold, each '
  'with role, subject and member of its token. Places those that are plain and that their callers '
  'may place, and returns them with their places; the others it leaves to their callers'' own '
  'calls, and all where somebody''s triggers would see them.';
grant execute on function saldo_private.holds_of_callers to saldo_server;
