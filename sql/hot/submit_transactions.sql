-- Submitting many transactions at once: one answer a row, in the order given.
--
-- Public: submit_transactions. Private: submit_transactions__* (its steps), fitting_takes.
-- A row that cannot be accepted is refused with its code, and holds back none of the others. Funds
-- go by order: each row sees what the accepted ones before it in the batch have left.
-- Locks: idempotency keys in their order, then slots, account by account in id order.
-- A submission is written in the order of its fields: for thousands of rows a call each would show.

create or replace function saldo_private.submit_transactions__examine(
  transactions saldo.submit_request[]
)
returns saldo_private.submission[]
language plpgsql
as $$
begin
  -- In a statement of its own: the one below would not see an account that it opens itself.
  perform saldo_private.system_account('clearing', c.currency)
  from (
    select distinct a.currency
    from unnest(transactions) as t
    join saldo.account as a on a.id = t.account_id
    where t.counter_account_id is null
    and a.mode = 'hot'
  ) as c;
  return (
    select array_agg((
      r.ordinality, r.account_id, r.unnest, r.amount, r.direction, c.id, r.idempotency_key,
      r.metadata,
      -- As the single call would hash it: the key means the same there and here.
      case when r.idempotency_key is not null and r.amount > 0 and r.amount < 1e15 then
        saldo_private.request_hash('submit_transaction', jsonb_build_array(
          trim_scale(r.amount), r.direction, r.counter_account_id, r.metadata
        ))
      end,
      true,
      case
        when (r.amount > 0 and r.amount < 'Infinity') is not true then 'amount_invalid'
        when r.amount >= 1e15 then 'amount_out_of_range'
        when scale(r.amount) > 2 then 'amount_scale'
        when r.direction is null or r.account_id is null then 'input_invalid'
        when octet_length(r.metadata::text) > 8000 then 'text_too_long'
        when r.idempotency_key ~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]'
          then 'text_invalid'
        when length(btrim(normalize(r.idempotency_key, nfc))) not between 1 and 200
          then 'text_too_long'
        when a.id is null then 'account_not_found'
        when a.mode <> 'hot' then 'account_not_hot'
        when a.frozen_at is not null then 'account_frozen'
        when c.id is null then 'account_not_found'
        when c.currency <> a.currency then 'currency_mismatch'
        when c.id = a.id or c.closed_at is not null or c.min_balance is not null
          then 'counter_account_unfit'
        when c.frozen_at is not null then 'account_frozen'
        when saldo_private.leaves_no_room(c.debit_total, c.credit_total)
          then 'amount_out_of_range'
      end
    )::saldo_private.submission order by r.ordinality)
    from rows from (
      unnest(transactions), unnest(saldo_private.uuids_v7(cardinality(transactions)))
    ) with ordinality as r
    left join saldo.account as a on a.id = r.account_id
    left join saldo.account as clearing on r.counter_account_id is null
      and clearing.code = 'clearing:' || a.currency
    left join saldo.account as c on c.id = coalesce(r.counter_account_id, clearing.id)
  );
end
$$;
comment on function saldo_private.submit_transactions__examine is
  'Each request with its id and the condition that refuses it before keys and funds are looked at.';

create or replace function saldo_private.fitting_takes(takes numeric[], available numeric)
returns boolean[]
language plpgsql
immutable
as $$
declare
  v_left numeric := available;
  v_take numeric;
  v_fits boolean[] := '{}';
begin
  -- Whether a row fits depends on which ones before it did: there is no set-based form of this.
  foreach v_take in array takes loop
    v_fits := v_fits || (v_take <= 0 or v_left >= v_take);
    if v_take <= 0 or v_left >= v_take then
      v_left := v_left - v_take;
    end if;
  end loop;
  return v_fits;
end
$$;
comment on function saldo_private.fitting_takes is
  'Which of the takes, in their order, fit into what is available; a negative one gives.';

create or replace function saldo_private.submit_transactions__take(
  account saldo.account,
  takes numeric[],
  debits numeric[],
  credits numeric[],
  out slot_no integer,
  out last_seq bigint,
  out fits boolean[],
  out error_condition text
)
language plpgsql
as $$
declare
  v_available numeric;
  v_take numeric;
  v_give numeric;
  v_debit numeric;
  v_credit numeric;
  v_count integer;
  v_slot saldo_private.slot_position;
begin
  fits := array_fill(true, array[cardinality(takes)]);
  error_condition := 'insufficient_balance';
  -- Slots that are gone are made before the blocks below, whose failure would unmake them.
  if not exists (select from saldo_private.account_slot as s where s.account_id = account.id) then
    perform saldo_private.rebuild_slots(account.id);
  end if;
  for v_round in 1 .. 5 loop
    select coalesce(sum(t.take) filter (where t.take > 0), 0), coalesce(sum(-t.take)
      filter (where t.take < 0), 0), coalesce(sum(t.debit), 0), coalesce(sum(t.credit), 0), count(*)
    into v_take, v_give, v_debit, v_credit, v_count
    from unnest(takes, debits, credits, fits) as t (take, debit, credit, is_fitting)
    where t.is_fitting;
    begin
      if v_round > 1 then
        -- All slots are ours by now; what the batch itself gives may pay for what it takes.
        perform saldo_private.move_slot(account.id, -v_give, 0, 0, 0, 0);
        perform saldo_private.move_slot__rebalance(account.id, v_take);
        v_give := 0;
      end if;
      if v_count > 0 then
        v_slot := saldo_private.move_slot(
          account.id, v_take, 0, v_debit, v_credit, v_count
        );
        perform saldo_private.require_takes(
          v_slot, saldo_private.take_sign(account, 'debit'),
          saldo_private.take_sign(account, 'credit')
        );
        slot_no := v_slot.slot_no;
        last_seq := v_slot.seq;
      end if;
      if v_give > 0 then
        perform saldo_private.move_slot(account.id, -v_give, 0, 0, 0, 0);
      end if;
      return;
    exception
      when sqlstate 'SB001' then
        perform saldo_private.move_slot__rebalance(account.id, 0);
        select sum(s.available)
        into v_available
        from saldo_private.account_slot as s
        where s.account_id = account.id;
        if v_available is null then -- taken away meanwhile
          perform saldo_private.fail('conflict_retry', format('account %s', account.id));
        end if;
        fits := saldo_private.fitting_takes(takes, v_available);
      when sqlstate 'SB202' or sqlstate 'SB004' then
        fits := array_fill(false, array[cardinality(takes)]);
        error_condition := case sqlstate when 'SB202' then 'backlog_full'
          else 'amount_out_of_range' end;
        return;
    end;
  end loop;
  -- Slots were rebuilt or added to again and again while they were being locked.
  perform saldo_private.fail('conflict_retry', format('account %s', account.id));
end
$$;
comment on function saldo_private.submit_transactions__take is
  'Funds and numbers for the rows of one account: all of them, or under all of its locks those '
  'that fit. error_condition: why the others do not.';

create or replace function saldo_private.submit_transactions__take_all(
  submissions saldo_private.submission[]
)
returns saldo_private.submission[]
language plpgsql
as $$
declare
  v_account saldo.account;
  v_rows saldo_private.submission[];
  v_taken record;
begin
  for v_account in
    select a.*
    from saldo.account as a
    where a.id in (
      select s.account_id from unnest(submissions) as s where s.is_new and s.error_condition is null
    )
    order by a.id
  loop
    select array_agg(s order by s.request_no)
    into v_rows
    from unnest(submissions) as s
    where s.account_id = v_account.id
    and s.is_new
    and s.error_condition is null;

    select t.slot_no, t.last_seq, t.fits, t.error_condition
    into v_taken
    from saldo_private.submit_transactions__take(
      v_account,
      array(
        select r.amount * saldo_private.take_sign(v_account, r.direction) from unnest(v_rows) as r
      ),
      array(
        select case when r.direction = 'debit' then r.amount else 0 end from unnest(v_rows) as r
      ),
      array(
        select case when r.direction = 'credit' then r.amount else 0 end from unnest(v_rows) as r
      )
    ) as t;
    perform saldo_private.submit_transactions__write(
      v_rows, v_taken.fits, v_taken.slot_no, v_taken.last_seq
    );
    if false = any (v_taken.fits) then
      submissions := saldo_private.submit_transactions__refuse(
        submissions, array(
          select r.request_no
          from unnest(v_rows) with ordinality as r
          where not v_taken.fits[r.ordinality]
        ),
        v_taken.error_condition
      );
    end if;
  end loop;
  return submissions;
end
$$;
comment on function saldo_private.submit_transactions__take_all is
  'Takes funds and writes rows, account by account.';

create or replace function saldo_private.submit_transactions__write(
  submissions saldo_private.submission[],
  fits boolean[],
  slot_no integer,
  last_seq bigint
)
returns void
language sql
as $$
  insert into saldo.sub_balance (
    account_id, id, seq, counter_account_id, slot_no, direction, amount, created_by,
    idempotency_key, metadata
  )
  select s.account_id, s.id, submit_transactions__write.last_seq
      - count(*) over () + row_number() over (order by s.ordinality),
    s.counter_account_id, submit_transactions__write.slot_no, s.direction, trim_scale(s.amount),
    saldo_private.actor(), s.idempotency_key, s.metadata
  from rows from (unnest(submissions), unnest(fits)) with ordinality as s (
    request_no, account_id, id, amount, direction, counter_account_id, idempotency_key, metadata,
    request_hash, is_new, error_condition, is_fitting, ordinality
  )
  where s.is_fitting
$$;
comment on function saldo_private.submit_transactions__write is
  'Writes the rows of one account that fit, numbered up to last_seq.';

create or replace function saldo_private.submit_transactions__refuse(
  submissions saldo_private.submission[],
  request_nos integer[],
  error_condition text
)
returns saldo_private.submission[]
language plpgsql
as $$
begin
  -- A refused request leaves no trace: its key may be tried again.
  delete from saldo_private.idempotency_record as k
  using unnest(submissions) as s
  where k.scope = 'account:' || s.account_id
  and k.key = s.idempotency_key
  and k.result_id = s.id
  and s.request_no = any (request_nos);
  return array(
    select (
      s.request_no, s.account_id, s.id, s.amount, s.direction, s.counter_account_id,
      s.idempotency_key, s.metadata, s.request_hash, s.is_new,
      case when s.request_no = any (request_nos)
        -- A repetition of a refused one within the batch is refused with it.
        or (not s.is_new and s.id in (
          select refused.id
          from unnest(submissions) as refused
          where refused.request_no = any (request_nos)
        ))
      then submit_transactions__refuse.error_condition else s.error_condition end
    )::saldo_private.submission
    from unnest(submissions) as s
    order by s.request_no
  );
end
$$;
comment on function saldo_private.submit_transactions__refuse is
  'Marks requests as refused, and gives their keys back.';

create or replace function saldo.submit_transactions(transactions saldo.submit_request[])
returns setof saldo.submit_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_submissions saldo_private.submission[];
begin
  if transactions is null or cardinality(transactions) not between 1 and 10000 then
    perform saldo_private.fail('input_invalid', 'transactions: an array of 1 to 10,000');
  end if;
  v_submissions := saldo_private.submit_transactions__take_all(
    saldo_private.submit_transactions__claim(
      saldo_private.submit_transactions__examine(transactions)
    )
  );
  perform saldo_private.require_durable_commit();
  return query
  select case when s.error_condition is null then s.id end, s.error_condition is null,
    s.is_new and s.error_condition is null, e.code, s.error_condition
  from unnest(v_submissions) as s
  left join saldo.error_code as e on e.condition = s.error_condition
  order by s.request_no;
end
$$;
comment on function saldo.submit_transactions is
  'Submits up to 10,000 transactions on hot accounts, each on its own: answers come in the order '
  'given, accepted with its id, or refused with its code while the others stand. Rows count '
  'in their order, so that a credit pays for a debit after it. A key that comes twice in a batch '
  'with the same content is one transaction. Errors of the whole: SB010 input_invalid, '
  'SB015 conflict_retry, SB020 isolation_unsupported, SB207 prepared_transaction_open, '
  'SB121 account_frozen when frozen at this moment. Codes of a row: SB002 amount_invalid, '
  'SB004 amount_out_of_range, SB003 amount_scale, SB010 input_invalid, SB009 text_too_long, '
  'SB008 text_invalid, SB005 idempotency_conflict, SB022 already_done, SB101 account_not_found, '
  'SB201 account_not_hot, SB121 account_frozen, SB104 currency_mismatch, '
  'SB203 counter_account_unfit, SB001 insufficient_balance, SB202 backlog_full, in this order.';
revoke execute on function saldo.submit_transactions from public;
grant execute on function saldo.submit_transactions to saldo_admin;

comment on type saldo.submit_request is 'The arguments of the function submit_transaction.';
comment on type saldo.submit_result is 'What became of a transaction of a batch.';
comment on column saldo.submit_result.id is 'The sub-balance; null when it was refused.';
comment on column saldo.submit_result.is_accepted is 'Whether it was accepted, now or before.';
comment on column saldo.submit_result.is_new is 'False when refused, or accepted before.';
comment on column saldo.submit_result.error_code is 'Code, as SB001; null = accepted.';
comment on column saldo.submit_result.error_condition is 'Its condition; null = accepted.';
