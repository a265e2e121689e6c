-- Many top-ups at once: those that are plain, in a few statements.
--
-- Private: make_top_ups and its step, top_ups_of_callers.
-- Plain is a top-up of now, for a member who has never owed anything, by an administrator, for whom
-- no limits hold, under a key that is new, into a wallet as ledger/post_pairs.sql says. What is not
-- plain is left out (foundation/joint_request.sql), for top_up.
-- Locks: idempotency keys in their order, then those of many pairs. Cash is waited for, since no
-- top-up can do without it: it comes first, and its holder waits for no wallet of ours.

create or replace function saldo_private.make_top_ups__plain(
  actors text[],
  member_ids bigint[],
  amounts numeric[],
  descriptions text[],
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
      scope => 'wallet',
      idempotency_key => r.idempotency_key,
      -- As the single call would hash it.
      request_hash => case when r.idempotency_key is not null then saldo_private.request_hash(
        'top_up',
        jsonb_build_array(r.member_id, trim_scale(r.amount), null::numeric, r.description)
      ) end,
      id => r.id,
      entry_id => r.id,
      account_id => m.account_id,
      counter_account_id => cash.id,
      is_debit => false,
      amount => trim_scale(r.amount),
      released => 0,
      description => coalesce(r.description, 'Top-up'),
      metadata => '{}'
    )
    from rows from (
      unnest(actors), unnest(member_ids), unnest(amounts), unnest(descriptions), unnest(keys),
      unnest(saldo_private.uuids_v7(cardinality(actors)))
    ) with ordinality as r (
      actor, member_id, amount, description, idempotency_key, id, request_no
    )
    -- With limits: rows by their keys, whatever the tables held when this was planned.
    cross join lateral (select * from saldo.member where member.id = r.member_id limit 1) as m
    cross join lateral (select * from saldo.account where account.id = m.account_id limit 1) as a
    cross join lateral (
      select * from saldo.account where account.code = 'cash:' || a.currency limit 1
    ) as cash
    where r.actor is not null
    and saldo_private.is_usual_amount(r.amount)
    and saldo_private.is_usual_text(r.description)
    and saldo_private.is_usual_key(r.idempotency_key)
    and (r.idempotency_key is null
      or saldo_private.posted_under_key(r.idempotency_key, 'top_up') is null)
  );
end
$$;
comment on function saldo_private.make_top_ups__plain is
  'The requests that look plain, as far as no lock is needed to say so. Those without an actor are '
  'passed over.';

create or replace function saldo_private.make_top_ups(
  actors text[],
  member_ids bigint[],
  amounts numeric[],
  descriptions text[],
  keys text[],
  is_waiting boolean default false
)
returns table (request_no bigint, entry saldo.journal_entry)
language plpgsql
as $$
declare
  v_requests saldo_private.joint_request[] := saldo_private.claim_joint_keys(
    saldo_private.make_top_ups__plain(actors, member_ids, amounts, descriptions, keys), 'top_up'
  );
  v_taken saldo_private.joint_request[];
begin
  v_taken := saldo_private.take_pairs(v_requests, array(
    select r.counter_account_id from unnest(v_requests) as r
    union
    select m.account_id from saldo.member as m where is_waiting and m.id = any (member_ids)
  ));
  -- A statement after the locks: it sees the charge-backs that left a debt until then.
  v_taken := array(
    select t
    from unnest(v_taken) as t
    where not exists (
      select
      from saldo.member as m
      where m.account_id = t.account_id
      and m.debt_account_id is not null
    )
    order by t.request_no
  );
  perform saldo_private.write_pairs(v_taken, 'top_up');
  perform saldo_private.give_back_joint_keys(v_requests, v_taken);
  return query
  select w.request_no, w.entry
  from saldo_private.written_pairs(v_taken) as w;
end
$$;
comment on function saldo_private.make_top_ups is
  'Makes those of the top-ups that are plain, all in the same order of fields, and returns their '
  'entries with their places; a null actor stands for one that is not to be made, or one that '
  'limits hold for. is_waiting: the wallets of all of them are waited for. Errors: those of a '
  'posting that changes its mind at this moment, and then none is made.';

create or replace function saldo_private.top_ups_of_callers(calls json)
returns table (request_no bigint, result saldo.journal_entry)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if saldo_private.has_own_triggers_on(array[
    'saldo.journal_entry', 'saldo.journal_line', 'saldo.account', 'saldo.month_movement'
  ]::regclass[]) then
    return;
  end if;
  return query
  select m.request_no, m.entry
  from (
    select array_agg(case when c.role = 'saldo_admin' then saldo_private.named_actor(
        c.role, c.subject, c.member, c.member_id,
        'saldo.top_up(bigint, numeric, text, timestamptz, text)'::regprocedure
      ) end order by c.ordinality) as actors,
      array_agg(c.member_id order by c.ordinality) as member_ids,
      array_agg(c.amount order by c.ordinality) as amounts,
      array_agg(c.description order by c.ordinality) as descriptions,
      array_agg(c.idempotency_key order by c.ordinality) as keys
    from rows from (json_to_recordset(calls) as (
      role text, subject text, member text, member_id bigint, amount numeric,
      idempotency_key text, description text
    )) with ordinality as c
  ) as all_of
  cross join lateral saldo_private.make_top_ups(
    all_of.actors, all_of.member_ids, all_of.amounts, all_of.descriptions, all_of.keys
  ) as m;
end
$$;
comment on function saldo_private.top_ups_of_callers is
  'What the server has of several callers at once: an array of the arguments of top_up, each with '
  'role, subject and member of its token. Makes those that are plain and that their callers may '
  'make without a limit, and returns their entries with their places; the others it leaves to '
  'their callers'' own calls, and all where somebody''s triggers would see them.';
grant execute on function saldo_private.top_ups_of_callers to saldo_server;
