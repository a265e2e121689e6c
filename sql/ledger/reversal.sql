-- Reversal: the only way to undo a posted entry, and it leaves both in the books.
--
-- Public: reverse_entry. Private: reverse_posted_entry (for the other rooms).
-- Locks the entry first, so that two reversals of it never both pass.

create or replace function saldo_private.reverse_posted_entry(
  entry_id uuid,
  reversal_id uuid,
  description text,
  source text,
  occurred_at timestamptz default null,
  idempotency_key text default null,
  is_correction boolean default false
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_entry saldo.journal_entry;
  v_origin_month date;
  v_reversal saldo.journal_entry;
  v_account_ids bigint[];
  v_debits numeric[];
  v_credits numeric[];
begin
  select *
  into v_entry
  from saldo.journal_entry
  where id = reverse_posted_entry.entry_id
  for no key update;
  if v_entry.id is null then
    perform saldo_private.fail('not_found', format('entry %s', entry_id));
  elsif v_entry.status <> 'posted' or v_entry.kind in ('reversal', 'closing') then
    perform saldo_private.fail(
      'entry_not_reversible', format('entry %s is a %s %s entry', entry_id, v_entry.status,
        v_entry.kind)
    );
  end if;

  if is_correction then
    v_origin_month := coalesce(v_entry.origin_month, saldo_private.month_of(v_entry.posting_date));
    perform pg_advisory_xact_lock_shared(
      saldo_private.posting_month_lock(), saldo_private.month_number(v_origin_month)
    );
    if v_origin_month <= saldo_private.closed_through(is_locked => true) then
      v_origin_month := null; -- nothing is about that month any more
    end if;
  end if;

  select array_agg(l.account_id order by l.line_no), array_agg(l.debit order by l.line_no),
    array_agg(l.credit order by l.line_no)
  into v_account_ids, v_debits, v_credits
  from saldo.journal_line as l
  where l.entry_id = reverse_posted_entry.entry_id;

  v_reversal := saldo_private.post_entry(
    entry_id => reverse_posted_entry.reversal_id,
    account_ids => v_account_ids,
    debits => v_credits,
    credits => v_debits,
    description => reverse_posted_entry.description,
    source => reverse_posted_entry.source,
    kind => 'reversal',
    occurred_at => reverse_posted_entry.occurred_at,
    idempotency_key => reverse_posted_entry.idempotency_key,
    reverses => reverse_posted_entry.entry_id,
    origin_month => v_origin_month
  );
  update saldo.journal_entry
  set status = 'reversed'
  where id = reverse_posted_entry.entry_id;
  return v_reversal;
end
$$;
comment on function saldo_private.reverse_posted_entry is
  'Posts the mirror image of a posted entry and marks it reversed. is_correction: the reversal is '
  'about the month of the entry, if that is not locked. Errors: SB007 not_found, '
  'SB106 entry_not_reversible, and those of a posting.';

create or replace function saldo.reverse_entry(
  entry_id uuid,
  reason text,
  idempotency_key text default null
)
returns saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reversal_id uuid := saldo_private.uuid_v7();
  v_reason text := saldo_private.require_text(reverse_entry.reason, 'reason');
  v_earlier_id uuid;
  v_entry saldo.journal_entry;
begin
  v_earlier_id := saldo_private.claim_idempotency_key(
    'ledger', reverse_entry.idempotency_key, 'reverse_entry',
    jsonb_build_array(reverse_entry.entry_id, v_reason), v_reversal_id
  );
  if v_earlier_id is not null then
    select *
    into strict v_entry
    from saldo.journal_entry
    where id = v_earlier_id;
    return v_entry;
  end if;

  v_entry := saldo_private.reverse_posted_entry(
    entry_id => reverse_entry.entry_id,
    reversal_id => v_reversal_id,
    description => v_reason,
    source => 'reverse_entry',
    idempotency_key => reverse_entry.idempotency_key,
    is_correction => true
  );
  if saldo_private.is_entry_limited() then
    perform saldo_private.use_entry_limit(array[v_reversal_id]);
  end if;
  return v_entry;
end
$$;
comment on function saldo.reverse_entry is
  'Cancels a posted entry by a new entry with debits and credits exchanged, posted now, about the '
  'month of the first (origin_month); both stay in the books. A purchase is undone with '
  'refund_purchase instead, which also knows its state. Errors in checking order: '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB005 idempotency_conflict, '
  'SB007 not_found, SB106 entry_not_reversible for a draft, a reversed entry, a reversal or the '
  'closing entry of a year (reopen_period undoes that), SB102 account_closed, '
  'SB001 insufficient_balance, and those of a posting; SB662 second_person_needed for an '
  'accountant above entry_alone_amount on a day, for whom an administrator reverses it.';
revoke execute on function saldo.reverse_entry from public;
grant execute on function saldo.reverse_entry to saldo_admin, saldo_accountant;
