-- Deposits: money that a customer pays in.
--
-- Public: saldo.deposit, add_deposit, change_deposit, remove_deposit.
-- Each is a journal entry (debit cash, credit the deposit account). A change is the reversal of the
-- entry and a new one; both bear the date of the deposit, so that an open month is put right in
-- place and a closed one on the first open day. The row of a deposit only ever ends.
-- Locks: idempotency key, the deposit, then the accounts in id order.

create or replace function saldo_private.deposit__record(
  deposit saldo.deposit,
  currency text
)
returns saldo.deposit
language plpgsql
as $$
declare
  v_entry saldo.journal_entry;
  v_deposit saldo.deposit;
begin
  if deposit.idempotency_key is not null then
    -- In the words of the index deposit_is_recorded_once_per_key.
    perform saldo_private.refuse_done('deposit', d.id, d.idempotency_key)
    from saldo.deposit as d
    where d.idempotency_key = deposit__record.deposit.idempotency_key
    and d.recorded_at >= '2026-11-01 00:00:00+00';
  end if;
  v_entry := saldo_private.post_pair(
    entry_id => saldo_private.uuid_v7(),
    debit_account_id => saldo_private.system_account('cash', deposit__record.currency),
    credit_account_id => deposit.account_id,
    amount => deposit.amount,
    description => deposit.description,
    source => 'deposit',
    occurred_at => deposit.occurred_at,
    idempotency_key => deposit.idempotency_key
  );
  insert into saldo.deposit (
    account_id, id, amount, occurred_at, description, revision, supersedes, entry_id,
    idempotency_key, recorded_by
  )
  values (
    deposit.account_id, deposit.id, deposit.amount, deposit.occurred_at, deposit.description,
    deposit.revision, deposit.supersedes, v_entry.id, deposit.idempotency_key,
    saldo_private.actor()
  )
  returning * into v_deposit;
  return v_deposit;
end
$$;
-- What has this source is a deposit's entry: the rules compare the two.
select saldo_private.describe_source('deposit');
comment on function saldo_private.deposit__record is 'Writes a deposit and posts it.';

create or replace function saldo_private.deposit__earlier(deposit_id uuid)
returns saldo.deposit
language plpgsql
stable
as $$
declare
  v_deposit saldo.deposit;
begin
  select *
  into strict v_deposit
  from saldo.deposit
  where id = deposit__earlier.deposit_id;
  return v_deposit;
end
$$;
comment on function saldo_private.deposit__earlier is
  'What an earlier request with a key recorded.';

create or replace function saldo_private.deposit__end(
  deposit_id uuid,
  status saldo.record_status,
  description text
)
returns saldo.deposit
language plpgsql
as $$
declare
  v_deposit saldo.deposit;
  v_reversal_id uuid := saldo_private.uuid_v7();
begin
  select *
  into v_deposit
  from saldo.deposit
  where id = deposit__end.deposit_id
  for no key update;
  if v_deposit.id is null then
    perform saldo_private.fail('deposit_not_found', format('deposit %s', deposit_id));
  elsif v_deposit.status <> 'current' then
    perform saldo_private.fail(
      'deposit_state', format('deposit %s: %s', deposit_id, v_deposit.status)
    );
  end if;
  perform saldo_private.require_uncontested(v_deposit.account_id, array['deposit']);
  perform saldo_private.reverse_posted_entry(
    entry_id => v_deposit.entry_id,
    reversal_id => v_reversal_id,
    description => deposit__end.description,
    source => 'deposit',
    occurred_at => v_deposit.occurred_at,
    is_correction => true
  );
  update saldo.deposit as d
  set status = deposit__end.status,
    reversal_entry_id = v_reversal_id,
    ended_at = clock_timestamp(),
    ended_by = saldo_private.actor()
  where d.account_id = v_deposit.account_id
  and d.id = v_deposit.id
  returning * into v_deposit;
  return v_deposit;
end
$$;
comment on function saldo_private.deposit__end is
  'Takes a deposit back: reverses its entry and marks it. Errors: SB402 deposit_not_found, '
  'SB403 deposit_state, SB106 entry_not_reversible where its entry was reversed by hand, '
  'SB108 period_locked.';

create or replace function saldo.add_deposit(
  customer_id bigint,
  amount numeric,
  occurred_at timestamptz default null,
  description text default null,
  idempotency_key text default null
)
returns saldo.deposit
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_deposit saldo.deposit;
  v_customer saldo.customer;
  v_earlier_id uuid;
begin
  v_deposit.id := saldo_private.uuid_v7();
  v_deposit.amount := saldo_private.require_amount(add_deposit.amount);
  v_deposit.occurred_at := saldo_private.require_occurred_at(add_deposit.occurred_at);
  v_deposit.description := case when add_deposit.description is null then 'Deposit'
    else saldo_private.require_text(add_deposit.description, 'description') end;
  v_deposit.revision := 1;
  v_customer := saldo_private.require_customer(add_deposit.customer_id);
  v_deposit.account_id := v_customer.account_id;

  v_earlier_id := saldo_private.claim_idempotency_key(
    'metering', add_deposit.idempotency_key, 'add_deposit',
    jsonb_build_array(
      add_deposit.customer_id, v_deposit.amount, extract(epoch from add_deposit.occurred_at),
      case when add_deposit.description is not null then v_deposit.description end
    ),
    v_deposit.id
  );
  if v_earlier_id is not null then
    return saldo_private.deposit__earlier(v_earlier_id);
  end if;
  v_deposit.idempotency_key := add_deposit.idempotency_key;
  return saldo_private.deposit__record(v_deposit, v_customer.currency);
end
$$;
comment on function saldo.add_deposit is
  'Records a deposit of a customer and posts it. occurred_at: default now. The same '
  'idempotency_key with the same content returns the first deposit. Errors in checking order: '
  'SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB401 customer_not_found, SB005 idempotency_conflict, '
  'SB108 period_locked, SB102 account_closed for a closed account, and those of a posting.';
revoke execute on function saldo.add_deposit from public;
grant execute on function saldo.add_deposit to saldo_admin, saldo_biller;

create or replace function saldo.change_deposit(
  deposit_id uuid,
  amount numeric default null,
  occurred_at timestamptz default null,
  description text default null,
  idempotency_key text default null
)
returns saldo.deposit
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_amount numeric := case when change_deposit.amount is not null
    then saldo_private.require_amount(change_deposit.amount) end;
  v_occurred_at timestamptz := case when change_deposit.occurred_at is not null
    then saldo_private.require_occurred_at(change_deposit.occurred_at) end;
  v_description text := case when change_deposit.description is not null
    then saldo_private.require_text(change_deposit.description, 'description') end;
  v_id uuid := saldo_private.uuid_v7();
  v_deposit saldo.deposit;
  v_earlier_id uuid;
begin
  v_earlier_id := saldo_private.claim_idempotency_key(
    'metering', change_deposit.idempotency_key, 'change_deposit',
    jsonb_build_array(change_deposit.deposit_id, v_amount,
      extract(epoch from change_deposit.occurred_at), v_description),
    v_id
  );
  if v_earlier_id is not null then
    return saldo_private.deposit__earlier(v_earlier_id);
  end if;

  v_deposit := saldo_private.deposit__end(change_deposit.deposit_id, 'superseded',
    'Change of a deposit');
  v_deposit.supersedes := v_deposit.id;
  v_deposit.id := v_id;
  v_deposit.revision := v_deposit.revision + 1;
  v_deposit.amount := coalesce(v_amount, v_deposit.amount);
  v_deposit.occurred_at := coalesce(v_occurred_at, v_deposit.occurred_at);
  v_deposit.description := coalesce(v_description, v_deposit.description);
  v_deposit.idempotency_key := change_deposit.idempotency_key;
  return saldo_private.deposit__record(v_deposit, (
    select c.currency
    from saldo.customer as c
    where c.account_id = v_deposit.account_id
  ));
end
$$;
comment on function saldo.change_deposit is
  'Puts another deposit in the place of one: reverses its entry and posts a new one. What is not '
  'given stays as it was. The same idempotency_key with the same content returns the first '
  'result. Errors in checking order: SB002 amount_invalid, SB004 amount_out_of_range, '
  'SB003 amount_scale, SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB005 idempotency_conflict, SB402 deposit_not_found, SB403 deposit_state, '
  'SB106 entry_not_reversible, SB108 period_locked, SB102 account_closed, and those of a posting.';
revoke execute on function saldo.change_deposit from public;
grant execute on function saldo.change_deposit to saldo_admin, saldo_biller;

create or replace function saldo.remove_deposit(deposit_id uuid, reason text)
returns saldo.deposit
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.deposit__end(
    remove_deposit.deposit_id, 'removed',
    saldo_private.require_text(remove_deposit.reason, 'reason')
  );
end
$$;
comment on function saldo.remove_deposit is
  'Takes a deposit back by the reversal of its entry; both stay in the books. Errors in checking '
  'order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB402 deposit_not_found, '
  'SB403 deposit_state, SB106 entry_not_reversible, SB108 period_locked, SB102 account_closed, '
  'and those of a posting.';
revoke execute on function saldo.remove_deposit from public;
grant execute on function saldo.remove_deposit to saldo_admin, saldo_biller;

select saldo_private.secure_table('saldo.deposit');
drop policy if exists select_all on saldo.deposit;
create policy select_all on saldo.deposit for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.deposit to saldo_admin, saldo_operator, saldo_biller;

comment on table saldo.deposit is
  E'@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  '@foreignKey (reversal_entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A deposit of a customer. A changed one is superseded by another row.';
comment on column saldo.deposit.account_id is 'Deposit account of the customer.';
comment on column saldo.deposit.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.deposit.amount is
  'Amount paid in, positive, in the currency of the account.';
comment on column saldo.deposit.occurred_at is
  'When the customer paid; it decides the posting date.';
comment on column saldo.deposit.description is 'What it was, in words.';
comment on column saldo.deposit.status is 'current, superseded or removed.';
comment on column saldo.deposit.revision is 'Counts the changes of one deposit, from 1.';
comment on column saldo.deposit.supersedes is 'Deposit in whose place it came; null = the first.';
comment on column saldo.deposit.entry_id is 'Journal entry that posted it.';
comment on column saldo.deposit.reversal_entry_id is
  'Entry that took it back; null while it is current.';
comment on column saldo.deposit.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.deposit.recorded_at is
  'When the deposit was recorded, which may be long after occurred_at.';
comment on column saldo.deposit.recorded_by is 'Who recorded it: token subject or login.';
comment on column saldo.deposit.changed_in is
  'Transaction of the engine that wrote it last; null = before there were seals over rows.';
comment on column saldo.deposit.ended_at is 'When it was superseded or removed; null = current.';
comment on column saldo.deposit.ended_by is
  'Who superseded or removed it: token subject or login; null = current.';
comment on constraint deposit_account_id_fkey on saldo.deposit is
  E'@fieldName customer\n@foreignFieldName deposits\nThe deposit account names the customer.';
