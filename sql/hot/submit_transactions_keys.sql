-- The idempotency keys of a batch: which requests came before, and whose keys are new.
--
-- Private: type submission; submit_transactions__known, submit_transactions__refuse_done,
-- submit_transactions__claim.
-- Locks: idempotency keys in their order.

create or replace function saldo_private.submit_transactions__known(
  submissions saldo_private.submission[]
)
returns saldo_private.submission[]
language sql
stable
as $$
  select array_agg((
    s.request_no, s.account_id, coalesce(k.result_id, s.id), s.amount, s.direction,
    s.counter_account_id, s.idempotency_key, s.metadata, s.request_hash,
    s.is_new and k.result_id is null,
    case
      when k.result_id is null then s.error_condition
      when k.request_hash <> s.request_hash then 'idempotency_conflict'
    end
  )::saldo_private.submission order by s.request_no)
  from unnest(submissions) as s
  left join saldo_private.idempotency_record as k
    on k.scope = 'account:' || s.account_id
    and k.key = s.idempotency_key
    and s.is_new
    and s.request_hash is not null
    and k.result_id <> s.id
$$;
comment on function saldo_private.submit_transactions__known is
  'Answers the requests whose key has been used: with the first result, or with a conflict.';

create or replace function saldo_private.submit_transactions__refuse_done(
  submissions saldo_private.submission[]
)
returns saldo_private.submission[]
language sql
stable
as $$
  select array_agg((
    s.request_no, s.account_id, s.id, s.amount, s.direction, s.counter_account_id,
    s.idempotency_key, s.metadata, s.request_hash, s.is_new,
    case when s.error_condition is null and s.is_new and saldo_private.submitted_under_key(
        s.account_id, s.idempotency_key, null
      ) is not null
      then 'already_done' else s.error_condition end
  )::saldo_private.submission order by s.request_no)
  from unnest(submissions) as s
$$;
comment on function saldo_private.submit_transactions__refuse_done is
  'Refuses the requests whose key was used before and has no record any more.';

create or replace function saldo_private.submit_transactions__claim(
  submissions saldo_private.submission[]
)
returns saldo_private.submission[]
language plpgsql
as $$
begin
  if not exists (select from unnest(submissions) as s where s.idempotency_key is not null) then
    return submissions;
  end if;
  submissions := saldo_private.submit_transactions__known(submissions);
  if exists (
    select
    from unnest(submissions) as s
    where s.is_new
    and s.idempotency_key is not null
    and saldo_private.submitted_under_key(s.account_id, s.idempotency_key, null) is not null
  ) then
    submissions := saldo_private.submit_transactions__refuse_done(submissions);
  end if;
  -- In the order of the keys, so that two batches never wait for each other crosswise.
  insert into saldo_private.idempotency_record (scope, key, operation, request_hash, result_id)
  select f.scope, f.idempotency_key, 'submit_transaction', f.request_hash, f.id
  from (
    select distinct on ('account:' || s.account_id, s.idempotency_key)
      'account:' || s.account_id as scope, s.idempotency_key, s.request_hash, s.id
    from unnest(submissions) as s
    where s.is_new
    and s.error_condition is null
    and s.idempotency_key is not null
    order by 'account:' || s.account_id, s.idempotency_key, s.request_no
  ) as f
  on conflict on constraint idempotency_record_pkey do nothing;
  -- Once more: a key may have been used a moment ago, or twice in this batch.
  return saldo_private.submit_transactions__known(submissions);
end
$$;
comment on function saldo_private.submit_transactions__claim is
  'Claims the keys of the requests that nothing speaks against so far.';

comment on type saldo_private.submission is 'A transaction of a batch, and what becomes of it.';
