-- Joint requests: calls that are made together, as far as all kinds of them are alike.
--
-- Private: joint_request and its type, claim_joint_keys, give_back_joint_keys, is_usual_amount,
-- is_usual_text, is_usual_key.
-- Only what is plain is made together. Whatever is wrong or unusual is left out, with no trace: it
-- is for the function of a single call, which knows all cases and says what is wrong. So none can
-- fail another one. What is left out after its key was claimed gives the key back.
-- Locks: idempotency keys in their order.

create or replace function saldo_private.is_usual_amount(amount numeric)
returns boolean
language sql
immutable
as $$
  select amount > 0 and amount < 1e15 and scale(amount) <= 2
$$;
comment on function saldo_private.is_usual_amount is
  'Whether require_amount takes the amount; NaN is not below anything.';

create or replace function saldo_private.is_usual_text(value text)
returns boolean
language sql
immutable
as $$
  -- Printable ASCII is in normal form, whatever the form.
  select value is null or (length(value) <= 500 and (
    value ~ '^[!-~]([ -~]*[!-~])?$'
    or (value !~ '[\u0001-\u001F\u007F-\u009F]' and value = btrim(normalize(value, nfc))
      and value <> '')
  ))
$$;
comment on function saldo_private.is_usual_text is
  'Whether require_text leaves the text as it is; true for none.';

create or replace function saldo_private.is_usual_key(key text)
returns boolean
language sql
immutable
as $$
  select key is null or (length(key) <= 200 and key ~ '^[!-~]+$')
$$;
comment on function saldo_private.is_usual_key is
  'Whether claim_idempotency_key takes the key; true for none.';

create or replace function saldo_private.joint_request(
  request_no bigint,
  actor text,
  scope text,
  idempotency_key text,
  request_hash bytea,
  id uuid,
  entry_id uuid,
  account_id bigint,
  counter_account_id bigint,
  is_debit boolean,
  amount numeric,
  released numeric,
  description text,
  metadata jsonb
)
returns saldo_private.joint_request
language sql
immutable
as $$
  -- In the order of the type: an expression, which is put into the statement that makes hundreds.
  select (
    request_no, actor, scope, idempotency_key, request_hash, id, entry_id, account_id,
    counter_account_id, is_debit, amount, released, description, metadata
  )::saldo_private.joint_request
$$;
comment on function saldo_private.joint_request is 'Makes a joint request of its fields.';

create or replace function saldo_private.claim_joint_keys(
  requests saldo_private.joint_request[],
  operation text
)
returns saldo_private.joint_request[]
language plpgsql
as $$
declare
  v_claimed saldo_private.joint_request[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    return '{}'; -- what is locked next has to be seen as it is then
  end if;
  with first as materialized (
    select distinct on (r.scope, r.idempotency_key) r.scope, r.idempotency_key, r.request_hash,
      r.id, r.request_no
    from unnest(requests) as r
    where r.idempotency_key is not null
    order by r.scope, r.idempotency_key, r.request_no
  ),
  claimed as (
    insert into saldo_private.idempotency_record as k (
      scope, key, operation, request_hash, result_id
    )
    select f.scope, f.idempotency_key, claim_joint_keys.operation, f.request_hash, f.id
    from first as f
    order by f.scope, f.idempotency_key
    on conflict on constraint idempotency_record_pkey do nothing
    returning k.scope, k.key
  )
  select array_agg(r order by r.request_no)
  into v_claimed
  from unnest(requests) as r
  where r.idempotency_key is null
  or r.request_no in (
    select f.request_no
    from first as f
    join claimed as c on c.scope = f.scope and c.key = f.idempotency_key
  );
  return coalesce(v_claimed, '{}');
end
$$;
comment on function saldo_private.claim_joint_keys is
  'Claims the keys of the requests, and returns those that have none or whose key is new. A key is '
  'hashed and scoped as the single call does it: it means the same there and here. None under an '
  'isolation whose snapshot may be older than a lock.';

create or replace function saldo_private.give_back_joint_keys(
  requests saldo_private.joint_request[],
  taken saldo_private.joint_request[]
)
returns void
language plpgsql
as $$
begin
  if cardinality(taken) = cardinality(requests) then
    return;
  end if;
  delete from saldo_private.idempotency_record as k
  using unnest(requests) as r
  where k.scope = r.scope
  and k.key = r.idempotency_key
  and r.request_no not in (select t.request_no from unnest(taken) as t);
end
$$;
comment on function saldo_private.give_back_joint_keys is
  'Gives back the keys that were claimed a moment ago for requests that are not taken: they may be '
  'tried again.';

comment on type saldo_private.joint_request is
  'A call that is made together with others: its place, who calls, its key, what it makes (id) and '
  'posts (entry_id), the account that it is about and the other one, and whether the first is '
  'debited. released: what leaves a hold of that account, and pays for what is taken.';
