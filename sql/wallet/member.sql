-- Members: people who keep money here, one wallet account each.
--
-- Public: saldo.member, create_member, wallet_balance, id_of_member. Private: require_member,
-- current_account_id, watch_account.
-- A wallet is a liability account whose balance less holds never goes below zero. Which rows of
-- the ledger a member may see stands here too, since only this room knows whose account is whose.

create or replace function saldo_private.require_member(member_id bigint)
returns saldo.member
language plpgsql
stable
as $$
declare
  v_member saldo.member;
begin
  perform saldo_private.require_own_member(require_member.member_id, may_operator => true);
  select *
  into v_member
  from saldo.member
  where id = require_member.member_id;
  if v_member.id is null then
    perform saldo_private.fail('member_not_found', format('member %s', member_id));
  end if;
  return v_member;
end
$$;
comment on function saldo_private.require_member is
  'The member. Errors in checking order: SB007 not_found for a member who asks about another one, '
  'SB304 member_not_found.';

create or replace function saldo.create_member(code text, name text, currency text default null)
returns saldo.member
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_code text := saldo_private.require_line(create_member.code, 'code', 90);
  v_name text := saldo_private.require_line(create_member.name, 'name', 180);
  v_account saldo.account;
  v_member saldo.member;
begin
  v_account := saldo.open_account(
    code => 'wallet:' || v_code,
    name => 'Wallet of ' || v_name,
    type => 'liability',
    currency => create_member.currency,
    min_balance => 0
  );
  -- The account's code is unique and made of the member's, so the member's is free as well.
  insert into saldo.member (code, name, account_id)
  values (v_code, v_name, v_account.id)
  returning * into v_member;
  return v_member;
end
$$;
comment on function saldo.create_member is
  'Creates a member with an empty wallet. currency: three capital letters, default the setting '
  'currency. Errors in checking order: SB010 input_invalid for a missing code or name, '
  'SB008 text_invalid, SB009 text_too_long, SB010 input_invalid for the currency, '
  'SB014 not_unique for a code that is taken.';
revoke execute on function saldo.create_member from public;
grant execute on function saldo.create_member to saldo_admin, saldo_app;

create or replace function saldo.wallet_balance(member_id bigint)
returns saldo.wallet_balance
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_member saldo.member := saldo_private.require_member(wallet_balance.member_id);
  v_balance saldo.wallet_balance;
begin
  v_balance.member_id := v_member.id;
  select b.account_id, b.currency, b.settled_balance, b.held, b.available_balance,
    b.last_updated_at, b.version
  into strict v_balance.account_id, v_balance.currency, v_balance.balance, v_balance.held,
    v_balance.available, v_balance.last_updated_at, v_balance.version
  from saldo.balances(v_member.account_id) as b;
  v_balance.debt := coalesce((
    select b.settled_balance
    from saldo.balances(v_member.debt_account_id) as b
  ), 0);
  return v_balance;
end
$$;
comment on function saldo.wallet_balance is
  'What a member has, what of it is held by pending purchases, what is available, and what the '
  'member owes. Members may ask for themselves. Errors in checking order: SB007 not_found, '
  'SB304 member_not_found.';
revoke execute on function saldo.wallet_balance from public;
grant execute on function saldo.wallet_balance to
  saldo_admin, saldo_operator, saldo_member, saldo_cashier, saldo_app;

create or replace function saldo_private.current_account_id()
returns bigint
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select m.account_id
  from saldo.member as m
  where m.id = saldo_private.current_member_id()
$$;
comment on function saldo_private.current_account_id is
  'Wallet account of the member that the request acts for; null for staff.';
grant execute on function saldo_private.current_account_id to saldo_member;

create or replace function saldo_private.watch_account(account_id bigint)
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  -- Announcing makes postings wait for each other: not for accounts of others.
  if saldo_private.is_member_session()
    and saldo_private.current_account_id() is distinct from watch_account.account_id
    and not pg_has_role(saldo_private.role_in_force(), 'saldo_operator', 'usage')
  then
    perform saldo_private.fail('not_found', format('account %s', account_id));
  end if;
  perform saldo_private.keep_watch(watch_account.account_id);
end
$$;
comment on function saldo_private.watch_account is
  'For the next 90 seconds each posting that touches the account is told on the channel '
  'saldo:account:<id>. Call it again while you listen. Members may for their wallet: '
  'SB007 not_found.';
revoke execute on function saldo_private.watch_account from public;
grant execute on function saldo_private.watch_account to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.id_of_member(code text)
returns bigint
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_id bigint;
begin
  select m.id
  into v_id
  from saldo.member as m
  where m.code = normalize(id_of_member.code, nfc);
  if v_id is null then
    perform saldo_private.fail(
      'member_not_found', format('member %L', left(id_of_member.code, 100))
    );
  end if;
  return v_id;
end
$$;
comment on function saldo.id_of_member is
  'Id of the member with this code, for calls that take one. Error: SB304 member_not_found.';
revoke execute on function saldo.id_of_member from public;
grant execute on function saldo.id_of_member to
  saldo_admin, saldo_operator, saldo_cashier, saldo_app;

select saldo_private.secure_table('saldo.member');
drop policy if exists select_all on saldo.member;
create policy select_all on saldo.member for select
  to saldo_admin, saldo_operator, saldo_cashier, saldo_app using (true);
drop policy if exists select_own on saldo.member;
create policy select_own on saldo.member for select to saldo_member
  using (id = (select saldo_private.current_member_id()));
grant select on saldo.member to saldo_admin, saldo_operator, saldo_member, saldo_cashier, saldo_app;

drop policy if exists select_own on saldo.account;
create policy select_own on saldo.account for select to saldo_member
  using (id = (select saldo_private.current_account_id()));

drop policy if exists select_own on saldo.sub_balance;
create policy select_own on saldo.sub_balance for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
drop policy if exists select_own on saldo.settlement;
create policy select_own on saldo.settlement for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
drop policy if exists select_own on saldo.settlement_range;
create policy select_own on saldo.settlement_range for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
drop policy if exists select_own on saldo.hold;
create policy select_own on saldo.hold for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
drop policy if exists select_own on saldo_private.account_stripe;
create policy select_own on saldo_private.account_stripe for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
drop policy if exists select_own on saldo_private.account_slot;
create policy select_own on saldo_private.account_slot for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
drop policy if exists select_own on saldo_private.settlement_mark;
create policy select_own on saldo_private.settlement_mark for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
drop policy if exists select_own on saldo.month_movement;
create policy select_own on saldo.month_movement for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));

-- Of an entry a member sees the own line only: the other side is the house's.
drop policy if exists select_own on saldo.journal_line;
create policy select_own on saldo.journal_line for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));

-- An array, not a sub-select: it can use the index of the primary key.
drop policy if exists select_own on saldo.journal_entry;
create policy select_own on saldo.journal_entry for select to saldo_member
  using (id = any (array(
    select l.entry_id
    from saldo.journal_line as l
    where l.account_id = (select saldo_private.current_account_id())
  )));

comment on table saldo.member is 'A member: someone who keeps money in a wallet.';
comment on column saldo.member.id is 'Id; member_id in tokens and arguments.';
comment on column saldo.member.code is 'Code for people, unique.';
comment on column saldo.member.name is 'Name of the member, for people.';
comment on column saldo.member.account_id is 'Wallet account, a liability; it never changes.';
comment on column saldo.member.debt_account_id is
  'Account of what the member owes, an asset; null until a charge-back leaves a first debt.';
comment on column saldo.member.created_at is 'When the member was created.';

comment on type saldo.wallet_balance is 'What a member has.';
comment on column saldo.wallet_balance.member_id is 'Member whose wallet it is.';
comment on column saldo.wallet_balance.account_id is 'Wallet account of the member.';
comment on column saldo.wallet_balance.currency is 'Currency of the figures.';
comment on column saldo.wallet_balance.balance is 'Posted balance; held amounts are still in it.';
comment on column saldo.wallet_balance.held is 'Sum of the pending purchases.';
comment on column saldo.wallet_balance.available is 'What can be spent: balance less held.';
comment on column saldo.wallet_balance.debt is
  'What the member owes since top-ups were charged back; the next top-ups pay it.';
comment on column saldo.wallet_balance.last_updated_at is
  'When the balance last changed by a posting; when the wallet was opened if never. A hold changes '
  'what is available, not this.';
comment on column saldo.wallet_balance.version is 'Grows with every posting to the wallet.';
