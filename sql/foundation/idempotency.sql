-- Idempotency keys: a request that is sent again has its effect once.
--
-- Private: claim_idempotency_key, request_hash, refuse_done, prune_idempotency_records; table
-- saldo_private.idempotency_record.
-- The key is claimed in the transaction that does the work, so a refused request leaves no trace
-- and may be tried again. A concurrent retry waits here for the first one's commit.
-- A record is kept for idempotency_keep_days. What the request made has the key too, and an index
-- that lets it be there once: a retry that finds no record any more is refused there, and told
-- what was made (SB022). Records are pruned block by block, because an index by time would cost
-- each request.

create or replace function saldo_private.request_hash(operation text, request jsonb)
returns bytea
language sql
stable
as $$
  select sha256(convert_to(operation || ' ' || request::text, 'UTF8'))
$$;
comment on function saldo_private.request_hash is 'SHA-256 of an operation and its arguments.';

create or replace function saldo_private.claim_idempotency_key(
  scope text,
  key text,
  operation text,
  request jsonb,
  result_id uuid
)
returns uuid
language plpgsql
as $$
declare
  v_request_hash bytea;
  v_record saldo_private.idempotency_record;
begin
  if key is null then
    return null;
  end if;
  -- A usual key passes in one expression; the function says what is wrong with another.
  if (length(key) <= 200 and key ~ '^[!-~]+$') is not true then
    perform saldo_private.require_text(key, 'idempotency_key', 200);
  end if;

  v_request_hash := saldo_private.request_hash(operation, request);
  insert into saldo_private.idempotency_record (scope, key, operation, request_hash, result_id)
  values (
    claim_idempotency_key.scope, claim_idempotency_key.key, claim_idempotency_key.operation,
    v_request_hash, claim_idempotency_key.result_id
  )
  on conflict on constraint idempotency_record_pkey do nothing;
  if found then
    return null;
  end if;

  select *
  into strict v_record
  from saldo_private.idempotency_record as record
  where record.scope = claim_idempotency_key.scope
  and record.key = claim_idempotency_key.key;
  if v_record.request_hash <> v_request_hash then
    perform saldo_private.fail(
      'idempotency_conflict',
      format('first used at %s for %s', v_record.created_at, v_record.operation)
    );
  end if;
  return v_record.result_id;
end
$$;
comment on function saldo_private.claim_idempotency_key is
  'Null when there is no key or the key is new: go on, and give the result the id result_id. The '
  'first result''s id when the same request came before. Error: SB005 idempotency_conflict when '
  'the key came with another content.';

create or replace function saldo_private.refuse_done(thing text, id uuid, key text)
returns void
language plpgsql
stable
as $$
begin
  if id is not null then
    perform saldo_private.fail('already_done', format('%s %s: key %s', thing, id, key));
  end if;
end
$$;
comment on function saldo_private.refuse_done is
  'Refuses a request whose key was new to claim_idempotency_key although something was made under '
  'it: SB022 already_done. A null id stands for nothing.';

create or replace function saldo_private.prune_idempotency_records(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
declare
  v_from tid := saldo_private.block_tid(from_block);
  v_until tid := saldo_private.block_tid(from_block + 200);
begin
  delete from saldo_private.idempotency_record as r
  where r.ctid >= v_from
  and r.ctid < v_until
  -- A day more than is promised: what the request made may bear the time at which its transaction
  -- began, and it is looked for by that.
  and r.created_at < cutoff - interval '1 day';
  get diagnostics deleted_count = row_count;
  next_block := saldo_private.next_block('saldo_private.idempotency_record', from_block + 200);
end
$$;
comment on function saldo_private.prune_idempotency_records is
  'Deletes the records a day older than the cutoff that stand in 200 blocks, some ten thousand '
  'rows.';

select saldo_private.secure_table('saldo_private.idempotency_record');

comment on table saldo_private.idempotency_record is
  'Requests that were carried out, by their idempotency key.';
comment on column saldo_private.idempotency_record.scope is
  'Whose key it is: the ledger, or a member; keys of different scopes do not meet.';
comment on column saldo_private.idempotency_record.key is 'The key that the client chose.';
comment on column saldo_private.idempotency_record.operation is
  'Name of the function that was called.';
comment on column saldo_private.idempotency_record.request_hash is
  'SHA-256 of operation and arguments.';
comment on column saldo_private.idempotency_record.result_id is
  'Id of the entry or purchase that came of it.';
comment on column saldo_private.idempotency_record.created_at is
  'When the request was carried out.';
