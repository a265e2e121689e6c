-- Transactions of one caller that the server has at the same moment.
--
-- Private: submissions_of_caller and its steps.
-- Where nothing is unusual all that is new is made in one statement: no counter account is named,
-- and each account has a free slot with ample funds for all that the batch takes from it. Otherwise
-- submit_transactions makes them, the whole batch. Rows of wrong form or under a known key are left
-- out of either, and so is what is refused, with no trace: it is for submit_transaction, which says
-- why.
-- Locks: idempotency keys in their order, then a free slot of each account.

create or replace function saldo_private.submissions_of_caller__plain(calls jsonb, ids uuid[])
returns table (
  request_no bigint,
  id uuid,
  account_id bigint,
  direction saldo.entry_side,
  amount numeric,
  idempotency_key text,
  scope text,
  request_hash bytea,
  counter_account_id bigint
)
language sql
stable
as $$
  select c.ordinality, c.id, c.account_id, c.direction, trim_scale(c.amount), c.idempotency_key,
    'account:' || c.account_id,
    -- As the single call would hash it.
    case when c.idempotency_key is not null then saldo_private.request_hash(
      'submit_transaction',
      jsonb_build_array(trim_scale(c.amount), c.direction, c.counter_account_id, null::jsonb)
    ) end, c.counter_account_id
  from rows from (
    jsonb_to_recordset(calls) as (
      account_id bigint, amount numeric, direction saldo.entry_side, counter_account_id bigint,
      idempotency_key text
    ),
    unnest(ids)
  ) with ordinality as c (
    account_id, amount, direction, counter_account_id, idempotency_key, id, ordinality
  )
  where c.account_id is not null
  and c.direction is not null
  and saldo_private.is_usual_amount(c.amount)
  and saldo_private.is_usual_key(c.idempotency_key)
$$;
comment on function saldo_private.submissions_of_caller__plain is
  'The requests that look plain, as far as nothing need be looked at to say so; put into the '
  'statement that makes them.';

create or replace function saldo_private.submissions_of_caller__checked_until(
  slot saldo_private.account_slot,
  row_count bigint
)
returns bigint
language sql
stable
as $$
  select case
    when slot.slot_no is null then null
    when slot.seq + row_count <= slot.checked_seq then slot.checked_seq
    else (saldo_private.look_at_backlog(
      slot.account_id, slot.slot_no, slot.seq + row_count, slot.checked_seq,
      slot.clearing_account_id
    )).checked_until
  end
$$;
comment on function saldo_private.submissions_of_caller__checked_until is
  'Until which number a slot need not be looked at again once it has so many more rows; null = it '
  'can have none.';

create or replace function saldo_private.submissions_of_caller__make(
  subject text,
  calls jsonb,
  ids uuid[]
)
returns table (request_no bigint, result saldo.sub_balance)
language plpgsql
as $$
begin
  -- In one statement: to begin and end one costs as much as a row.
  return query
  with request as materialized (
    select * from saldo_private.submissions_of_caller__plain(calls, ids)
  ),
  claimed as (
    insert into saldo_private.idempotency_record (scope, key, operation, request_hash, result_id)
    select r.scope, r.idempotency_key, 'submit_transaction', r.request_hash, r.id
    from request as r
    where r.idempotency_key is not null
    order by r.scope, r.idempotency_key, r.request_no
    on conflict on constraint idempotency_record_pkey do nothing
    returning result_id
  ),
  numbered as materialized (
    select r.*, row_number() over (partition by r.account_id order by r.request_no) as number
    from request as r
    where r.idempotency_key is null or r.id in (select c.result_id from claimed as c)
  ),
  taken as materialized (
    -- A scalar, computed once for each account. Ample funds, as submit_transaction looks for.
    select t.*, (
      select f
      from saldo_private.account_slot as f
      where f.account_id = t.account_id
      and f.slot_no <= saldo_private.first_no()
      and not f.is_short and f.clearing_account_id is not null and t.counter_count = 0
      and (f.available is null or f.available >= 16 * (
        t.debit * greatest(f.debit_take, 0) + t.credit * greatest(f.credit_take, 0)
      ))
      order by f.slot_no desc
      limit 1
      for no key update skip locked
    ) as slot
    from (
      select n.account_id, count(*) as row_count, count(n.counter_account_id) as counter_count,
        sum(case n.direction when 'debit' then n.amount else 0 end) as debit,
        sum(case n.direction when 'debit' then 0 else n.amount end) as credit
      from numbered as n
      group by n.account_id
    ) as t
  ),
  checked as materialized (
    select t.*, saldo_private.submissions_of_caller__checked_until(t.slot, t.row_count) as until
    from taken as t
  ),
  moved as (
    update saldo_private.account_slot as s
    set available = s.available - t.debit * s.debit_take - t.credit * s.credit_take,
      seq = s.seq + t.row_count,
      checked_seq = t.until,
      debit_total = s.debit_total + t.debit,
      credit_total = s.credit_total + t.credit
    from checked as t
    where s.account_id = t.account_id
    and s.slot_no = (t.slot).slot_no
    and not exists (select from checked as c where c.until is null)
    returning s.account_id, s.slot_no, s.clearing_account_id, s.seq - t.row_count as seq_before
  )
  insert into saldo.sub_balance as b (
    account_id, id, seq, counter_account_id, slot_no, direction, amount, created_by,
    idempotency_key
  )
  select n.account_id, n.id, m.seq_before + n.number, m.clearing_account_id, m.slot_no,
    n.direction, n.amount, submissions_of_caller__make.subject, n.idempotency_key
  from numbered as n
  join moved as m on m.account_id = n.account_id
  returning array_position(submissions_of_caller__make.ids, b.id)::bigint, b;
end
$$;
comment on function saldo_private.submissions_of_caller__make is
  'Makes what is new, as far as it is not refused for its form, and returns it with its place: all '
  'of it, or nothing where an account has no slot for its rows. ids: those of the rows. The index '
  'of the keys refuses a row under a key whose record is gone.';

create or replace function saldo_private.submissions_of_caller__others(
  subject text,
  calls jsonb
)
returns table (request_no bigint, result saldo.sub_balance)
language plpgsql
as $$
declare
  v_before text := coalesce(current_setting('saldo.subject', true), '');
  v_set text;
  v_requests saldo.submit_request[];
  v_results saldo.submit_result[];
begin
  v_requests := array(
    select r
    from jsonb_array_elements(calls) with ordinality as c (call, call_no)
    cross join lateral jsonb_populate_record(null::saldo.submit_request, c.call) as r
    order by c.call_no
  );
  v_set := set_config('saldo.subject', submissions_of_caller__others.subject, true);
  v_results := array(select a from saldo.submit_transactions(v_requests) as a);
  v_set := set_config('saldo.subject', v_before, true);
  -- In a statement of its own: that one does not see what it writes.
  return query
  select a.ordinality, s.submitted
  from unnest(v_results) with ordinality as a
  cross join lateral (
    select b as submitted
    from saldo.sub_balance as b
    where b.account_id = (v_requests[a.ordinality]).account_id
    and b.id = a.id
    limit 1
  ) as s
  where a.is_new;
end
$$;
comment on function saldo_private.submissions_of_caller__others is
  'Makes what may be accepted by submit_transactions. Errors: those of the whole of it.';

create or replace function saldo_private.submissions_of_caller(
  role text,
  subject text,
  calls jsonb
)
returns table (request_no bigint, result saldo.sub_balance)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
-- A plan is kept: one from when the tables were small reads all of what they have become. And it is
-- kept from the first call on: the numbers in it would make PostgreSQL plan again at each call.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_ids uuid[];
begin
  if subject = '' or not saldo_private.may_call(
    submissions_of_caller.role,
    'saldo.submit_transaction(bigint, numeric, saldo.entry_side, bigint, text, jsonb)'::regprocedure
  ) or current_setting('transaction_isolation') <> 'read committed'
    or saldo_private.has_own_triggers_on(array['saldo.sub_balance']::regclass[])
  then
    return;
  end if;
  v_ids := array(
    select saldo_private.uuid_v7() from generate_series(1, jsonb_array_length(calls))
  );
  -- A block: its end releases keys and slots that were taken without use. Nobody may hold a slot
  -- while waiting for a writer that pools all of them.
  begin
    return query
    select m.request_no, m.result
    from saldo_private.submissions_of_caller__make(subject, calls, v_ids) as m;
    if not found then
      perform saldo_private.fail('conflict_retry');
    end if;
  exception
    when sqlstate 'SB015' or unique_violation then
      return query
      select o.request_no, o.result
      from saldo_private.submissions_of_caller__others(subject, calls) as o;
  end;
  if current_setting('synchronous_commit') = 'off' then
    perform saldo_private.require_durable_commit();
  end if;
end
$$;
comment on function saldo_private.submissions_of_caller is
  'What the server has of one caller at once: the arguments of submit_transaction, as an array. '
  'Returns what was accepted now, with its place; everything else is left to calls of its own. '
  'Errors: those of the whole of submit_transactions.';
grant execute on function saldo_private.submissions_of_caller to saldo_server;
