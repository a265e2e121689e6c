-- Customers: whose gas is metered and paid from a deposit account.
--
-- Public: saldo.customer, create_customer, id_of_customer. Private: require_customer,
-- require_month, lock_rating.
-- The deposit account is a liability without a minimum: consumption is a fact, and may exceed the
-- deposit.
-- Locks: a change of readings holds the versions shared and the customer's row, so that two
-- re-ratings of one customer never interleave. A change of a price or factor of all customers holds
-- the versions alone. In every function of the room the order is: idempotency key, versions,
-- customers by account, months, accounts.

create or replace function saldo_private.require_customer(customer_id bigint)
returns saldo.customer
language plpgsql
stable
as $$
declare
  v_customer saldo.customer;
begin
  select *
  into v_customer
  from saldo.customer
  where id = require_customer.customer_id;
  if v_customer.id is null then
    perform saldo_private.fail('customer_not_found', format('customer %s', customer_id));
  end if;
  return v_customer;
end
$$;
comment on function saldo_private.require_customer is
  'The customer. Error: SB401 customer_not_found.';

create or replace function saldo_private.require_month(month date)
returns date
language plpgsql
stable
as $$
begin
  if (require_month.month between '1900-01-01' and '9999-12-31') is not true then
    perform saldo_private.fail('input_invalid', 'month: a day from 1900 to 9999');
  end if;
  return saldo_private.month_of(require_month.month);
end
$$;
comment on function saldo_private.require_month is
  'First day of the month of this day: SB010 input_invalid.';

create or replace function saldo_private.lock_rating(account_ids bigint[])
returns void
language plpgsql
as $$
begin
  perform saldo_private.require_read_committed();
  if account_ids is null then
    perform pg_advisory_xact_lock(saldo_private.rating_lock(), 0);
    return;
  end if;
  perform pg_advisory_xact_lock_shared(saldo_private.rating_lock(), 0);
  perform
  from saldo.customer as c
  where c.account_id = any (account_ids)
  order by c.account_id
  for no key update;
end
$$;
comment on function saldo_private.lock_rating is
  'Locks what the rating of these customers rests on; null = of all. What is read afterwards is '
  'what is committed by then: SB020 isolation_unsupported.';

create or replace function saldo.create_customer(code text, name text, currency text default null)
returns saldo.customer
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_code text := saldo_private.require_line(create_customer.code, 'code', 90);
  v_name text := saldo_private.require_line(create_customer.name, 'name', 180);
  v_account saldo.account;
  v_customer saldo.customer;
begin
  v_account := saldo.open_account(
    code => 'customer:' || v_code,
    name => 'Deposit of ' || v_name,
    type => 'liability',
    currency => create_customer.currency
  );
  -- The account's code is unique and made of the customer's, so the customer's is free as well.
  insert into saldo.customer (code, name, account_id, currency)
  values (v_code, v_name, v_account.id, v_account.currency)
  returning * into v_customer;
  insert into saldo_private.account_follower (account_id, follower)
  values (v_account.id, 'customer_month');
  return v_customer;
end
$$;
comment on function saldo.create_customer is
  'Creates a customer with an empty deposit account, which may go below zero. currency: three '
  'capital letters, default the setting currency. Errors in checking order: SB010 input_invalid '
  'for a missing code or name, SB008 text_invalid, SB009 text_too_long, SB010 input_invalid for '
  'the currency, SB014 not_unique for a code that is taken.';
revoke execute on function saldo.create_customer from public;
grant execute on function saldo.create_customer to saldo_admin, saldo_biller;

create or replace function saldo.id_of_customer(code text)
returns bigint
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_id bigint;
begin
  select c.id
  into v_id
  from saldo.customer as c
  where c.code = normalize(id_of_customer.code, nfc);
  if v_id is null then
    perform saldo_private.fail(
      'customer_not_found', format('customer %L', left(id_of_customer.code, 100))
    );
  end if;
  return v_id;
end
$$;
comment on function saldo.id_of_customer is
  'Id of the customer with this code, for calls that take one: '
  'customer_year(id_of_customer(''A''), 2025). Error: SB401 customer_not_found.';
revoke execute on function saldo.id_of_customer from public;
grant execute on function saldo.id_of_customer to saldo_admin, saldo_operator, saldo_biller;

select saldo_private.secure_table('saldo.customer');
drop policy if exists select_all on saldo.customer;
create policy select_all on saldo.customer for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.customer to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.record_status is
  'current: it counts; superseded: another one took its place; removed: it counts no more.';
comment on table saldo.customer is 'A customer whose consumption is metered and rated.';
comment on column saldo.customer.id is 'Id, in the order of creation.';
comment on column saldo.customer.code is 'Code for people, unique.';
comment on column saldo.customer.name is 'Name of the customer, for people.';
comment on column saldo.customer.account_id is 'Deposit account, a liability; it never changes.';
comment on column saldo.customer.currency is 'Currency of the account, and so of the prices.';
comment on column saldo.customer.created_at is 'When the customer was created.';
