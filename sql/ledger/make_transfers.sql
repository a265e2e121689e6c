-- Many transfers at once, of several callers: those that are plain, in a few statements.
--
-- Private: make_transfers and its step, transfers_of_callers. For one caller who wants all or none
-- there is transfer_many.
-- Plain is a transfer of now, by an administrator, for whom no limit holds (entry_limit.sql), under
-- a key that is new, between accounts as post_pairs.sql says. What is not plain is left out
-- (foundation/joint_request.sql), for transfer.
-- Locks: idempotency keys in their order, then those of many pairs (post_pairs.sql).

create or replace function saldo_private.make_transfers__plain(
  actors text[],
  debit_account_ids bigint[],
  credit_account_ids bigint[],
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
      scope => 'ledger',
      idempotency_key => r.idempotency_key,
      -- As the single call would hash it.
      request_hash => case when r.idempotency_key is not null then saldo_private.request_hash(
        'transfer', jsonb_build_array(
          r.debit_account_id, r.credit_account_id, trim_scale(r.amount), r.description,
          null::numeric
        )
      ) end,
      id => r.id,
      entry_id => r.id,
      account_id => r.debit_account_id,
      counter_account_id => r.credit_account_id,
      is_debit => true,
      amount => trim_scale(r.amount),
      released => 0,
      description => coalesce(r.description, 'Transfer'),
      metadata => '{}'
    )
    from rows from (
      unnest(actors), unnest(debit_account_ids), unnest(credit_account_ids), unnest(amounts),
      unnest(descriptions), unnest(keys), unnest(saldo_private.uuids_v7(cardinality(actors)))
    ) with ordinality as r (
      actor, debit_account_id, credit_account_id, amount, description, idempotency_key, id,
      request_no
    )
    where r.actor is not null
    and r.debit_account_id <> r.credit_account_id
    and saldo_private.is_usual_amount(r.amount)
    and saldo_private.is_usual_text(r.description)
    and saldo_private.is_usual_key(r.idempotency_key)
    and (r.idempotency_key is null
      or saldo_private.posted_under_key(r.idempotency_key, 'transfer') is null)
  );
end
$$;
comment on function saldo_private.make_transfers__plain is
  'The requests that look plain, as far as no lock is needed to say so. Those without an actor are '
  'passed over.';

create or replace function saldo_private.make_transfers(
  actors text[],
  debit_account_ids bigint[],
  credit_account_ids bigint[],
  amounts numeric[],
  descriptions text[],
  keys text[]
)
returns table (request_no bigint, entry saldo.journal_entry)
language plpgsql
as $$
declare
  v_requests saldo_private.joint_request[] := saldo_private.claim_joint_keys(
    saldo_private.make_transfers__plain(
      actors, debit_account_ids, credit_account_ids, amounts, descriptions, keys
    ),
    'transfer'
  );
  v_taken saldo_private.joint_request[];
begin
  v_taken := saldo_private.take_pairs(v_requests, '{}');
  perform saldo_private.write_pairs(v_taken, 'transfer');
  perform saldo_private.give_back_joint_keys(v_requests, v_taken);
  return query
  select w.request_no, w.entry
  from saldo_private.written_pairs(v_taken) as w;
end
$$;
comment on function saldo_private.make_transfers is
  'Makes those of the transfers that are plain, all in the same order of fields, and returns their '
  'entries with their places; a null actor stands for one that is not to be made. Errors: those of '
  'a posting that changes its mind at this moment, and then none is made.';

create or replace function saldo_private.transfers_of_callers(calls json)
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
    -- Of others what they post alone is limited (entry_limit.sql), and counted by their own call.
    select array_agg(case when c.role = 'saldo_admin' then saldo_private.named_actor(
        c.role, c.subject, c.member, null,
        'saldo.transfer(bigint, bigint, numeric, text, text, timestamptz)'::regprocedure
      ) end order by c.ordinality) as actors,
      array_agg(c.debit_account_id order by c.ordinality) as debit_account_ids,
      array_agg(c.credit_account_id order by c.ordinality) as credit_account_ids,
      array_agg(c.amount order by c.ordinality) as amounts,
      array_agg(c.description order by c.ordinality) as descriptions,
      array_agg(c.idempotency_key order by c.ordinality) as keys
    from rows from (json_to_recordset(calls) as (
      role text, subject text, member text, debit_account_id bigint, credit_account_id bigint,
      amount numeric, description text, idempotency_key text
    )) with ordinality as c
  ) as all_of
  cross join lateral saldo_private.make_transfers(
    all_of.actors, all_of.debit_account_ids, all_of.credit_account_ids, all_of.amounts,
    all_of.descriptions, all_of.keys
  ) as m;
end
$$;
comment on function saldo_private.transfers_of_callers is
  'What the server has of several callers at once: an array of the arguments of transfer, each '
  'with role, subject and member of its token. Makes those that are plain and that their callers '
  'may make without a limit, and returns their entries with their places; the others it leaves to '
  'their callers'' own calls, and all where somebody''s triggers would see them.';
grant execute on function saldo_private.transfers_of_callers to saldo_server;
