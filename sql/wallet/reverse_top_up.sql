-- Charging a top-up back: the wallet pays what it has, and the caller says who bears the rest.
--
-- Public: reverse_top_up. Private: reverse_top_up__find, reverse_top_up__lock,
-- reverse_top_up__require_loss_account, reverse_top_up__post. Trigger: keep_top_ups_whole.
-- Locks, in this order: idempotency key, the top-up's entry, the member, all accounts in id order.
-- With these the wallet shows what it has, and a purchase or top-up comes before or after.

create or replace function saldo_private.reverse_top_up__find(entry_id uuid)
returns saldo.top_up_reversal
language plpgsql
as $$
declare
  v_entry saldo.journal_entry;
  v_found saldo.top_up_reversal;
begin
  select *
  into v_entry
  from saldo.journal_entry
  where id = reverse_top_up__find.entry_id
  for no key update;
  if v_entry.source = 'top_up' and v_entry.kind = 'normal' and v_entry.line_count = 2
    and v_entry.status <> 'draft'
  then
    select m.id, m.account_id, l.credit
    into v_found.member_id, v_found.account_id, v_found.amount
    from saldo.journal_line as l
    join saldo.member as m on m.account_id = l.account_id
    where l.entry_id = reverse_top_up__find.entry_id
    and l.credit > 0;
  end if;
  if v_found.member_id is null then
    perform saldo_private.fail('top_up_not_found', format('entry %s', entry_id));
  elsif v_entry.status = 'reversed' then
    perform saldo_private.fail('top_up_state', format('top-up %s is reversed', entry_id));
  elsif exists (
    select
    from saldo.top_up_reversal as r
    where r.top_up_entry_id = reverse_top_up__find.entry_id
  ) then
    perform saldo_private.fail('top_up_state', format('top-up %s is charged back', entry_id));
  end if;
  v_found.top_up_entry_id := v_entry.id;
  v_found.occurred_at := v_entry.occurred_at;
  return v_found;
end
$$;
comment on function saldo_private.reverse_top_up__find is
  'A top-up that can be charged back, its entry locked: whose it is, its amount and its time. '
  'Errors: SB308 top_up_not_found, SB309 top_up_state.';

create or replace function saldo_private.reverse_top_up__lock(
  reversal saldo.top_up_reversal,
  account_ids bigint[]
)
returns saldo.member
language plpgsql
as $$
declare
  v_member saldo.member;
begin
  -- Written each time: a transaction that read the member or its charge-backs before fails.
  update saldo.member as m
  set debt_account_id = m.debt_account_id
  where m.id = reversal.member_id
  returning * into strict v_member;
  -- Beside a hot account its postings decide alone: its locks come before those of any other.
  perform
  from saldo.account as a
  where a.id = any (reverse_top_up__lock.account_ids || v_member.debt_account_id)
  and not exists (
    select
    from saldo.account as h
    where h.id = any (reverse_top_up__lock.account_ids || v_member.debt_account_id)
    and h.mode = 'hot'
  )
  order by a.id
  for no key update;
  return v_member;
end
$$;
comment on function saldo_private.reverse_top_up__lock is
  'The member, with the accounts that a charge-back moves, locked.';

create or replace function saldo_private.reverse_top_up__require_loss_account(
  shortfall saldo.top_up_shortfall,
  loss_account_id bigint
)
returns void
language plpgsql
stable
as $$
declare
  v_type saldo.account_type;
begin
  if shortfall is null or (shortfall = 'loss') <> (loss_account_id is not null) then
    perform saldo_private.fail(
      'input_invalid', 'shortfall: refuse, debt, or loss with its loss_account_id'
    );
  elsif loss_account_id is not null then
    select a.type
    into v_type
    from saldo.account as a
    where a.id = reverse_top_up__require_loss_account.loss_account_id;
    if v_type is null then
      perform saldo_private.fail('account_not_found', format('account %s', loss_account_id));
    elsif v_type <> 'expense' then
      perform saldo_private.fail(
        'input_invalid', format('loss_account_id: an expense account, not %s', v_type)
      );
    end if;
  end if;
end
$$;
comment on function saldo_private.reverse_top_up__require_loss_account is
  'Refuses a choice that is not whole: SB010 input_invalid, SB101 account_not_found.';

create or replace function saldo_private.reverse_top_up__post(
  reversal saldo.top_up_reversal,
  member saldo.member,
  cash_account_id bigint,
  idempotency_key text
)
returns saldo.top_up_reversal
language plpgsql
as $$
declare
  v_reversal saldo.top_up_reversal;
  v_debt_account_id bigint := member.debt_account_id;
begin
  if reversal.debt_amount > 0 and v_debt_account_id is null then
    v_debt_account_id := saldo_private.open_debt_account(member, (
      select a.currency
      from saldo.account as a
      where a.id = member.account_id
    ));
  end if;
  insert into saldo.top_up_reversal (
    top_up_entry_id, entry_id, member_id, account_id, amount, wallet_amount, debt_amount,
    loss_amount, loss_account_id, reason, occurred_at, created_by
  )
  values (
    reversal.top_up_entry_id, reversal.entry_id, reversal.member_id, reversal.account_id,
    reversal.amount, reversal.wallet_amount, reversal.debt_amount, reversal.loss_amount,
    reversal.loss_account_id, reversal.reason, reversal.occurred_at, saldo_private.actor()
  )
  returning * into v_reversal;
  perform saldo_private.post_entry(
    entry_id => reversal.entry_id,
    account_ids => array_agg(line.account_id order by line.line_no),
    debits => array_agg(line.debit order by line.line_no),
    credits => array_agg(line.credit order by line.line_no),
    description => 'Charge-back: ' || reversal.reason,
    source => 'top_up_reversal',
    occurred_at => reversal.occurred_at,
    idempotency_key => reverse_top_up__post.idempotency_key
  )
  from (
    values
      (1, member.account_id, reversal.wallet_amount, 0::numeric),
      (2, v_debt_account_id, reversal.debt_amount, 0),
      (3, reversal.loss_account_id, reversal.loss_amount, 0),
      (4, cash_account_id, 0, reversal.amount)
  ) as line (line_no, account_id, debit, credit)
  where line.debit + line.credit > 0;
  return v_reversal;
end
$$;
comment on function saldo_private.reverse_top_up__post is
  'Records and posts a charge-back, and opens the member''s debt account when it is first needed. '
  'Errors: SB014 not_unique where another account has its code, and those of a posting.';

create or replace function saldo.reverse_top_up(
  entry_id uuid,
  reason text,
  shortfall saldo.top_up_shortfall default 'refuse',
  loss_account_id bigint default null,
  idempotency_key text default null,
  occurred_at timestamptz default null
)
returns saldo.top_up_reversal
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(reverse_top_up.reason, 'reason', 480);
  v_occurred_at timestamptz := saldo_private.require_occurred_at(reverse_top_up.occurred_at);
  v_entry_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_cash_account_id bigint;
  v_member saldo.member;
  v_reversal saldo.top_up_reversal;
  v_rest numeric;
begin
  perform saldo_private.reverse_top_up__require_loss_account(shortfall, loss_account_id);
  v_earlier_id := saldo_private.claim_idempotency_key(
    'wallet', reverse_top_up.idempotency_key, 'reverse_top_up',
    jsonb_build_array(
      reverse_top_up.entry_id, v_reason, shortfall, loss_account_id,
      extract(epoch from reverse_top_up.occurred_at)
    ),
    v_entry_id
  );
  if v_earlier_id is not null then
    select *
    into strict v_reversal
    from saldo.top_up_reversal as r
    where r.entry_id = v_earlier_id;
    return v_reversal;
  end if;

  v_reversal := saldo_private.reverse_top_up__find(reverse_top_up.entry_id);
  perform saldo_private.require_uncontested(v_reversal.account_id, array['top_up_reversal']);
  if v_occurred_at < v_reversal.occurred_at then
    perform saldo_private.fail(
      'input_invalid', format('occurred_at: not before %s', v_reversal.occurred_at)
    );
  end if;
  select l.account_id
  into strict v_cash_account_id
  from saldo.journal_line as l
  where l.entry_id = reverse_top_up.entry_id
  and l.debit > 0;
  v_member := saldo_private.reverse_top_up__lock(
    v_reversal, array[v_reversal.account_id, v_cash_account_id, loss_account_id]
  );
  -- A statement after the locks: it sees the purchases and top-ups that were waited for.
  select least(v_reversal.amount, greatest(b.available_balance, 0))
  into strict v_reversal.wallet_amount
  from saldo.balances(v_reversal.account_id) as b;
  v_rest := v_reversal.amount - v_reversal.wallet_amount;
  if v_rest > 0 and shortfall = 'refuse' then
    perform saldo_private.fail('insufficient_balance', format(
      'top-up %s: charged back %s, available %s', reverse_top_up.entry_id, v_reversal.amount,
      v_reversal.wallet_amount
    ));
  end if;
  v_reversal.entry_id := v_entry_id;
  v_reversal.reason := v_reason;
  v_reversal.occurred_at := v_occurred_at;
  v_reversal.debt_amount := case when shortfall = 'debt' then v_rest else 0 end;
  v_reversal.loss_amount := case when shortfall = 'loss' then v_rest else 0 end;
  v_reversal.loss_account_id := case when v_reversal.loss_amount > 0
    then reverse_top_up.loss_account_id end;
  return saldo_private.reverse_top_up__post(
    v_reversal, v_member, v_cash_account_id, reverse_top_up.idempotency_key
  );
end
$$;
comment on function saldo.reverse_top_up is
  'Charges a top-up back: takes its amount out of the wallet as far as it is available there, and '
  'credits the account that the top-up debited. shortfall says what becomes of the rest: refuse; '
  'debt, which the next top-ups of the member pay; or loss, borne by loss_account_id, an expense '
  'account. Once for each top-up. occurred_at: default now. The same idempotency_key with the same '
  'content returns the first charge-back; keys are shared by top-ups and refunds. Locks the '
  'top-up''s entry, the member, the accounts in id order. Errors in checking order: '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, SB010 input_invalid for a '
  'shortfall without its account, SB101 account_not_found, SB005 idempotency_conflict, '
  'SB308 top_up_not_found, SB309 top_up_state, SB010 input_invalid for a time before the top-up, '
  'SB001 insufficient_balance, SB014 not_unique, SB102 account_closed, and those of a posting.';
revoke execute on function saldo.reverse_top_up from public;
grant execute on function saldo.reverse_top_up to saldo_admin, saldo_accountant;

create or replace function saldo_private.tg_journal_entry__keep_top_ups_whole()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  -- Charge-backs write the member: one that was not seen when this transaction began lets it fail.
  perform
  from saldo.journal_line as l
  join saldo.member as m on m.account_id = l.account_id
  join saldo.journal_entry as e on e.id = l.entry_id and e.source = 'top_up'
  where l.entry_id = NEW.reverses
  order by m.id
  for no key update of m;
  if exists (
    select
    from saldo.top_up_reversal as r
    where r.top_up_entry_id = NEW.reverses
    or r.entry_id = NEW.reverses
  ) then
    perform saldo_private.fail(
      'entry_not_reversible',
      format('entry %s is a top-up that was charged back, or its charge-back', NEW.reverses),
      'Where the money came after all, post another top-up.'
    );
  end if;
  return NEW;
end
$$;
comment on function saldo_private.tg_journal_entry__keep_top_ups_whole is
  'Refuses to reverse a top-up that was charged back, or a charge-back: '
  'SB106 entry_not_reversible.';

create or replace trigger keep_top_ups_whole
  before insert on saldo.journal_entry
  for each row
  -- Read by every posting: a test for null is the shortest there is.
  when (NEW.reverses is not null)
  execute function saldo_private.tg_journal_entry__keep_top_ups_whole();
