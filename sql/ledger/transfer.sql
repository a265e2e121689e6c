-- Transfers: entries of two lines, singly or a thousand at once.
--
-- Public: transfer, transfer_many.
-- The accounts are named by side, not "from" and "to": whether a debit takes or gives depends on
-- the type of the account. Between two wallets (liabilities) the payer is debited; between two
-- cash boxes (assets) the payer is credited.

create or replace function saldo.transfer(
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  description text default null,
  idempotency_key text default null,
  occurred_at timestamptz default null
)
returns saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  -- A usual amount passes in one expression; the function says what is wrong with another.
  v_amount numeric := case when transfer.amount > 0 and transfer.amount < 1e15
      and scale(transfer.amount) <= 2 then trim_scale(transfer.amount)
    else saldo_private.require_amount(transfer.amount) end;
  v_entry_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_entry saldo.journal_entry;
begin
  if transfer.debit_account_id is null or transfer.credit_account_id is null
    or transfer.debit_account_id = transfer.credit_account_id
  then
    perform saldo_private.fail('entry_invalid', 'a transfer has two different accounts');
  end if;

  if transfer.idempotency_key is not null then
    v_earlier_id := saldo_private.claim_idempotency_key(
      'ledger', transfer.idempotency_key, 'transfer',
      jsonb_build_array(
        debit_account_id, credit_account_id, v_amount, description, extract(epoch from occurred_at)
      ),
      v_entry_id
    );
    if v_earlier_id is not null then
      select *
      into strict v_entry
      from saldo.journal_entry
      where id = v_earlier_id;
      return v_entry;
    end if;
  end if;

  v_entry := saldo_private.post_pair(
    entry_id => v_entry_id,
    debit_account_id => transfer.debit_account_id,
    credit_account_id => transfer.credit_account_id,
    amount => v_amount,
    description => case when transfer.description is null then 'Transfer'
      else saldo_private.require_text(transfer.description, 'description') end,
    source => 'transfer',
    occurred_at => case when transfer.occurred_at is not null
      then saldo_private.require_occurred_at(transfer.occurred_at) end,
    idempotency_key => transfer.idempotency_key
  );
  if saldo_private.is_entry_limited() then
    perform saldo_private.use_entry_limit(array[v_entry_id]);
  end if;
  return v_entry;
end
$$;
comment on function saldo.transfer is
  'Posts one entry that debits one account and credits another. occurred_at: default now. The '
  'same idempotency_key with the same content returns the first entry. Locks both accounts in id '
  'order. Errors in checking order: SB002 amount_invalid, SB004 amount_out_of_range, '
  'SB003 amount_scale, SB107 entry_invalid for one and the same account, '
  'SB005 idempotency_conflict, SB008 text_invalid, SB009 text_too_long, SB010 input_invalid for '
  'an occurred_at before 1900 or after 9999, SB108 period_locked, SB101 account_not_found, '
  'SB102 account_closed, SB121 account_frozen, SB104 currency_mismatch, '
  'SB001 insufficient_balance, and those of a posting; SB662 second_person_needed for an '
  'accountant above entry_alone_amount on a day.';
revoke execute on function saldo.transfer from public;
grant execute on function saldo.transfer to saldo_admin, saldo_accountant;

create or replace function saldo_private.transfer_many__write(
  transfers saldo.transfer_request[],
  results saldo.transfer_result[]
)
returns void
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
  v_days saldo_private.dated_day[] := saldo_private.posting_days_of(array(
    select distinct saldo_private.require_occurred_at(t.occurred_at)
    from rows from (unnest(transfers), unnest(results)) as t
    -- What was posted before has its day already.
    where t.is_new
  ));
begin
  perform saldo_private.refuse_done(
    'entry', saldo_private.posted_under_key(t.idempotency_key, 'transfer'), t.idempotency_key
  )
  from rows from (unnest(transfers), unnest(results)) as t
  where t.idempotency_key is not null
  and t.is_new;

  perform saldo_private.leave_moves_to_trigger();
  with request as materialized (
    select t.entry_id, t.debit_account_id, t.credit_account_id, trim_scale(t.amount) as amount,
      t.description, t.idempotency_key,
      day.occurred_at, day.posting_date, day.origin_month
    from rows from (unnest(transfers), unnest(results)) as t
    join unnest(v_days) as day on day.occurred_at = coalesce(t.occurred_at, now())
    where t.is_new
  ),
  entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, origin_month, description, source, idempotency_key,
      line_count, posted_at, posted_by, posted_in
    )
    select r.entry_id, r.occurred_at, r.posting_date, r.origin_month,
      case when r.description is null then 'Transfer'
      else saldo_private.require_text(r.description, 'description') end,
      'transfer', r.idempotency_key, 2, clock_timestamp(), v_actor, pg_current_xact_id()
    from request as r
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select r.debit_account_id, r.posting_date, r.entry_id, 1, r.amount, 0
  from request as r
  union all
  select r.credit_account_id, r.posting_date, r.entry_id, 2, 0, r.amount
  from request as r;
end
$$;
comment on function saldo_private.transfer_many__write is
  'Writes the transfers whose result is new: SB022 already_done, and those of a posting.';

create or replace function saldo.transfer_many(transfers saldo.transfer_request[])
returns setof saldo.transfer_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_results saldo.transfer_result[];
begin
  if transfers is null or cardinality(transfers) not between 1 and 10000 then
    perform saldo_private.fail('input_invalid', 'transfers: an array of 1 to 10,000 transfers');
  end if;
  if exists (
    select
    from unnest(transfers) as t
    where t.debit_account_id is null
    or t.credit_account_id is null
    or t.debit_account_id = t.credit_account_id
  ) then
    perform saldo_private.fail('entry_invalid', 'a transfer has two different accounts');
  end if;

  -- Keys are claimed in their order, so that two batches never wait for each other crosswise.
  select array_agg(
    (coalesce(c.earlier_id, c.entry_id), c.earlier_id is null)::saldo.transfer_result
    order by c.transfer_no
  )
  into v_results
  from (
    select s.transfer_no, s.entry_id,
      case when s.idempotency_key is not null then saldo_private.claim_idempotency_key(
        'ledger', s.idempotency_key, 'transfer',
        jsonb_build_array(
          s.debit_account_id, s.credit_account_id, s.amount, s.description,
          extract(epoch from s.occurred_at)
        ),
        s.entry_id
      ) end as earlier_id
    from (
      select t.ordinality as transfer_no, t.debit_account_id, t.credit_account_id,
        saldo_private.require_amount(t.amount) as amount, t.description, t.idempotency_key,
        t.occurred_at, t.unnest as entry_id
      from rows from (
        unnest(transfers), unnest(saldo_private.uuids_v7(cardinality(transfers)))
      ) with ordinality as t
      order by t.idempotency_key, t.ordinality
      offset 0
    ) as s
  ) as c;

  perform saldo_private.transfer_many__write(transfers, v_results);
  if saldo_private.is_entry_limited() then
    perform saldo_private.use_entry_limit(array(
      select r.entry_id from unnest(v_results) as r where r.is_new
    ));
  end if;
  return query
  select r.entry_id, r.is_new
  from unnest(v_results) as r;
end
$$;
comment on function saldo.transfer_many is
  'Posts up to 10,000 transfers, each an entry of its own, all or none, and answers in the order '
  'given. A transfer whose idempotency_key was used before with the same content is not posted '
  'again. Accounts are locked in id order; min_balance holds for the end of the batch. Errors in '
  'checking order: SB010 input_invalid, SB107 entry_invalid, SB002 amount_invalid, '
  'SB004 amount_out_of_range, SB003 amount_scale, SB005 idempotency_conflict, SB008 text_invalid, '
  'SB009 text_too_long, SB101 account_not_found, SB102 account_closed, SB104 currency_mismatch, '
  'SB001 insufficient_balance, and those of a posting; SB010 input_invalid for an occurred_at '
  'before 1900 or after 9999; SB662 second_person_needed for an accountant above '
  'entry_alone_amount on a day.';
revoke execute on function saldo.transfer_many from public;
grant execute on function saldo.transfer_many to saldo_admin, saldo_accountant;

comment on type saldo.transfer_request is
  'A transfer to post: the accounts by side, a positive amount; description, idempotency_key and '
  'occurred_at as in the function transfer.';
comment on type saldo.transfer_result is 'What became of a transfer of a batch.';
comment on column saldo.transfer_result.entry_id is 'Journal entry that posted the transfer.';
comment on column saldo.transfer_result.is_new is
  'False when an earlier request with the same key had posted it already.';
