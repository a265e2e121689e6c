-- Accounts: where money stands.
--
-- Public: saldo.account, open_account, close_account. Private: default_slots, system_account,
-- account_terms.
-- debit_total, credit_total, held_total and with them balance are a cache: the truth is the
-- journal (posting.sql keeps them in step, account_balance_rule.sql checks and heals them).
-- last_updated_at is stamped by the update that moves the totals anyway, which adds no statement
-- and no index: a transfer took 2.012 million instructions without it, 2.013 with it. To find it
-- when it is asked would need an index by time of recording, since a late fact has an earlier day.
-- Nobody but the engine writes an account: no role has a grant for it. What an account was opened
-- with (code, type, currency, min_balance) never changes, and is kept a second time in
-- account_terms: where the account says otherwise it was changed past the engine.

create or replace function saldo_private.system_code_pattern()
returns text
language sql
immutable
as $$
  select '^(cash|clearing|revenue|opening_equity|retained_earnings|suspense|difference):[A-Z]{3}$'
$$;
comment on function saldo_private.system_code_pattern is
  'Codes of the accounts that the engine opens for itself, see system_account.';

create or replace function saldo_private.keep_account_terms(account saldo.account)
returns void
language sql
as $$
  insert into saldo_private.account_terms (account_id, code, type, currency, min_balance)
  values (account.id, account.code, account.type, account.currency, account.min_balance)
$$;
comment on function saldo_private.keep_account_terms is 'Keeps the terms of a new account.';

create or replace function saldo.open_account(
  code text,
  name text,
  type saldo.account_type,
  currency text default null,
  min_balance numeric default null,
  mode saldo.account_mode default 'immediate',
  slots integer default null,
  is_pending_available boolean default null
)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
  v_currency text := coalesce(currency, saldo_private.setting_value('currency'));
begin
  if v_currency !~ '^[A-Z]{3}$' or type is null then
    perform saldo_private.fail(
      'input_invalid', format('type %s, currency %L (three capital letters)', type, v_currency)
    );
  end if;
  if min_balance <> 0 then
    perform saldo_private.require_amount(abs(min_balance));
  end if;
  if code ~ saldo_private.system_code_pattern() then
    perform saldo_private.fail(
      'input_invalid', format('code %L: the engine opens this account itself', code)
    );
  end if;
  if slots not between 1 and 1000
    or (mode is distinct from 'hot' and (slots is not null or is_pending_available is not null))
  then
    perform saldo_private.fail(
      'input_invalid', 'slots (1 to 1,000) and is_pending_available: of a hot account'
    );
  end if;
  insert into saldo.account (
    code, name, type, currency, min_balance, mode, slots, is_pending_available
  )
  values (
    saldo_private.require_line(open_account.code, 'code', 100),
    saldo_private.require_line(open_account.name, 'name', 200),
    open_account.type, v_currency, trim_scale(open_account.min_balance),
    coalesce(open_account.mode, 'immediate'),
    case open_account.mode when 'hot' then coalesce(slots, saldo_private.default_slots()) end,
    coalesce(open_account.is_pending_available, true)
  )
  on conflict on constraint account_code_key do nothing
  returning * into v_account;
  if v_account.id is null then
    perform saldo_private.fail('not_unique', format('account code %L', code));
  end if;
  perform saldo_private.keep_account_terms(v_account);
  return v_account;
end
$$;
comment on function saldo.open_account is
  'Opens an account. currency: three capital letters, default the setting currency. min_balance: '
  'the balance, less holds, that a posting may not go below; null = no limit. mode: hot for many '
  'writers at once, see make_account_hot, which says what slots and is_pending_available are. '
  'Errors: SB010 input_invalid, also for a code of the engine''s own accounts (clearing:IDR), '
  'SB002 amount_invalid, SB003 amount_scale, SB004 amount_out_of_range, SB008 text_invalid, '
  'SB009 text_too_long, SB014 not_unique for a code that is taken.';
revoke execute on function saldo.open_account from public;
grant execute on function saldo.open_account to saldo_admin, saldo_accountant;

create or replace function saldo.close_account(account_id bigint)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
begin
  select *
  into v_account
  from saldo.account
  where id = close_account.account_id
  for no key update;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  end if;
  if v_account.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  end if;
  if v_account.closed_at is not null or v_account.balance <> 0 or v_account.held_total <> 0
    or v_account.mode = 'hot' or v_account.code ~ saldo_private.system_code_pattern()
  then
    perform saldo_private.fail(
      'account_closed',
      format('account %s (%s): %s, balance %s, held %s, closed at %s', account_id, v_account.code,
        v_account.mode, v_account.balance, v_account.held_total,
        coalesce(v_account.closed_at::text, 'never'))
    );
  end if;
  update saldo.account
  set closed_at = now()
  where id = close_account.account_id
  returning * into v_account;
  return v_account;
end
$$;
comment on function saldo.close_account is
  'Closes an account whose balance and holds are zero; nothing can be posted to it any more. A '
  'hot account is made immediate before; the engine''s own accounts stay open. Errors: '
  'SB101 account_not_found, SB121 account_frozen, SB102 account_closed when it is closed already, '
  'hot, the engine''s own or not empty.';
revoke execute on function saldo.close_account from public;
grant execute on function saldo.close_account to saldo_admin, saldo_accountant;

create or replace function saldo_private.default_slots()
returns integer
language sql
stable
as $$
  select saldo_private.setting_value('hot_account_slots')::integer
$$;
comment on function saldo_private.default_slots is
  'Slots of a hot account that names no number (setting hot_account_slots).';

create or replace function saldo_private.system_account(purpose text, currency text)
returns bigint
language plpgsql
as $$
declare
  v_code text := purpose || ':' || currency;
  v_id bigint;
  v_account saldo.account;
begin
  select id
  into v_id
  from saldo.account
  where account.code = v_code;
  if v_id is not null then
    return v_id;
  end if;

  insert into saldo.account (code, name, type, currency, mode, slots)
  values (
    v_code,
    initcap(replace(purpose, '_', ' ')) || ' ' || currency,
    case purpose
      when 'cash' then 'asset'
      when 'clearing' then 'asset'
      when 'revenue' then 'revenue'
      when 'opening_equity' then 'equity'
      when 'retained_earnings' then 'equity'
      when 'suspense' then 'liability'
      when 'difference' then 'expense'
    end::saldo.account_type,
    system_account.currency,
    -- Every purchase credits the one, every settlement books against the other.
    case when purpose in ('revenue', 'clearing') then 'hot' else 'immediate' end
      ::saldo.account_mode,
    case when purpose in ('revenue', 'clearing') then saldo_private.default_slots() end
  )
  on conflict on constraint account_code_key do nothing
  returning * into v_account;
  if v_account.id is null then -- somebody was first, and has committed by now
    select id
    into strict v_id
    from saldo.account
    where account.code = v_code;
    return v_id;
  end if;
  perform saldo_private.keep_account_terms(v_account);
  return v_account.id;
end
$$;
comment on function saldo_private.system_account is
  'The account that the engine itself books against, one for each purpose (cash, revenue, '
  'clearing, opening_equity, retained_earnings, suspense, difference) and currency; opened when '
  'first needed.';

select saldo_private.secure_table('saldo.account');
drop policy if exists select_all on saldo.account;
create policy select_all on saldo.account for select to saldo_admin, saldo_operator using (true);
grant select on saldo.account to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.account_mode is
  'immediate: a posting updates the account''s row; hot: it adds to one of many stripes, which are '
  'folded into the row by the next settlement.';

comment on table saldo.account is
  'An account of the ledger. Its totals and balance are kept in step by every posting.';
comment on column saldo.account.id is 'Id; postings lock accounts in the order of it.';
comment on column saldo.account.code is 'Code for people, unique.';
comment on column saldo.account.name is 'Name of the account, for people.';
comment on column saldo.account.type is 'Type, which decides the normal side of the balance.';
comment on column saldo.account.currency is 'Currency, three capital letters; it never changes.';
comment on column saldo.account.min_balance is
  'Balance less holds may not be taken below this; null = no limit.';
comment on column saldo.account.debit_total is E'@behavior -attribute:select\n'
  'Sum of all posted debits (cache of the journal).';
comment on column saldo.account.credit_total is E'@behavior -attribute:select\n'
  'Sum of all posted credits (cache of the journal).';
comment on column saldo.account.held_total is
  E'@behavior -attribute:select\n'
  'Sum of open holds of an immediate account (cache): what is available is the balance less this.';
comment on column saldo.account.balance is
  E'@behavior -attribute:select\n'
  'Balance on the normal side: debits less credits for asset and expense, credits less debits for '
  'others. Of a hot account as of its last settlement, as both totals; balances has it of now.';
comment on column saldo.account.version is
  'Grows with every posting to the account, with every fold where it is hot.';
comment on column saldo.account.last_updated_at is E'@behavior -attribute:select\n'
  'When the totals last changed, set by the update that changes them; null = not since this is '
  'kept. Of a hot account as of its last settlement, as the totals; balances has it of now.';
comment on column saldo.account.mode is
  'immediate: each posting updates this row. hot: postings and submitted transactions go past this '
  'row and reach it with the next settlement; the function balances is exact at any moment.';
comment on column saldo.account.slots is
  'How many writers a hot account takes at once without any of them waiting; null = immediate.';
comment on column saldo.account.is_pending_available is
  'Whether pending money that comes in is available at once; false = only when it is settled.';
comment on column saldo.account.opened_at is 'When the account was opened.';
comment on column saldo.account.closed_at is 'When it was closed; null = open.';
comment on column saldo.account.frozen_at is
  'Since when nothing is posted to it; null = not frozen. What was accepted before is settled.';
comment on column saldo.account.frozen_reason is
  'Why it is frozen; whoever the account belongs to reads it too.';

select saldo_private.secure_table('saldo_private.account_terms');

comment on table saldo_private.account_terms is 'What an account was opened with.';
comment on column saldo_private.account_terms.account_id is 'Account whose terms they are.';
comment on column saldo_private.account_terms.code is 'Code of the account.';
comment on column saldo_private.account_terms.type is 'Type, which decides the normal side.';
comment on column saldo_private.account_terms.currency is 'Currency, three capital letters.';
comment on column saldo_private.account_terms.min_balance is
  'Balance less holds that may not be gone below; null = no limit.';
