-- Products: what a wallet's money buys.
--
-- Public: saldo.product, create_product, set_product_price, set_product_active,
-- id_of_product.
-- A purchase keeps the price that it was made at: a new price touches no purchase.

create or replace function saldo_private.create_product__revenue_account(
  revenue_account_id bigint,
  currency text
)
returns bigint
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  if revenue_account_id is null then
    return saldo_private.system_account('revenue', currency);
  end if;
  select *
  into v_account
  from saldo.account
  where id = revenue_account_id;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', revenue_account_id));
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', revenue_account_id));
  elsif v_account.currency <> create_product__revenue_account.currency then
    perform saldo_private.fail('currency_mismatch', format(
      'account %s is in %s, the product in %s', v_account.id, v_account.currency, currency
    ));
  elsif v_account.type <> 'revenue' then
    perform saldo_private.fail('input_invalid', format(
      'account %s is of type %s, not revenue', v_account.id, v_account.type
    ));
  end if;
  return v_account.id;
end
$$;
comment on function saldo_private.create_product__revenue_account is
  'The account that a product''s sales are credited to.';

create or replace function saldo.create_product(
  code text,
  name text,
  price numeric,
  currency text default null,
  is_stock_tracked boolean default false,
  revenue_account_id bigint default null
)
returns saldo.product
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_currency text := coalesce(
    create_product.currency, saldo_private.setting_value('currency')
  );
  v_code text := saldo_private.require_line(create_product.code, 'code', 100);
  v_name text := saldo_private.require_line(create_product.name, 'name', 200);
  v_price numeric := saldo_private.require_amount(create_product.price);
  v_product saldo.product;
begin
  if v_currency !~ '^[A-Z]{3}$' then
    perform saldo_private.fail(
      'input_invalid', format('currency %L (three capital letters)', v_currency)
    );
  end if;
  insert into saldo.product (
    code, name, price, currency, revenue_account_id, is_stock_tracked
  )
  values (
    v_code, v_name, v_price, v_currency,
    saldo_private.create_product__revenue_account(
      create_product.revenue_account_id, v_currency
    ),
    coalesce(create_product.is_stock_tracked, false)
  )
  on conflict on constraint product_code_key do nothing
  returning * into v_product;
  if v_product.id is null then
    perform saldo_private.fail('not_unique', format('product code %L', v_code));
  end if;
  return v_product;
end
$$;
comment on function saldo.create_product is
  'Creates a product. currency: default the setting currency. is_stock_tracked: each unit sold is '
  'a stock item of its own. revenue_account_id: where sales are credited, default the revenue '
  'account of the currency. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, '
  'SB101 account_not_found, SB102 account_closed, SB104 currency_mismatch, SB010 input_invalid '
  'for an account that is not revenue, SB014 not_unique for a code that is taken.';
revoke execute on function saldo.create_product from public;
grant execute on function saldo.create_product to saldo_admin;

create or replace function saldo.set_product_price(product_id bigint, price numeric)
returns saldo.product
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_price numeric := saldo_private.require_amount(set_product_price.price);
  v_product saldo.product;
begin
  update saldo.product
  set price = v_price
  where id = set_product_price.product_id
  returning * into v_product;
  if v_product.id is null then
    perform saldo_private.fail('product_not_found', format('product %s', product_id));
  end if;
  return v_product;
end
$$;
comment on function saldo.set_product_price is
  'Sets the price of purchases to come. A buyer who was shown the old price is told so (SB303 '
  'price_changed). Errors in checking order: SB002 amount_invalid, SB004 amount_out_of_range, '
  'SB003 amount_scale, SB301 product_not_found.';
revoke execute on function saldo.set_product_price from public;
grant execute on function saldo.set_product_price to saldo_admin;

create or replace function saldo.set_product_active(product_id bigint, is_active boolean)
returns saldo.product
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_product saldo.product;
begin
  if set_product_active.is_active is null then
    perform saldo_private.fail('input_invalid', 'is_active: true or false');
  end if;
  update saldo.product
  set is_active = set_product_active.is_active
  where id = set_product_active.product_id
  returning * into v_product;
  if v_product.id is null then
    perform saldo_private.fail('product_not_found', format('product %s', product_id));
  end if;
  return v_product;
end
$$;
comment on function saldo.set_product_active is
  'Takes a product off sale, or puts it back. Pending purchases of it can still be completed. '
  'Errors in checking order: SB010 input_invalid, SB301 product_not_found.';
revoke execute on function saldo.set_product_active from public;
grant execute on function saldo.set_product_active to saldo_admin;

create or replace function saldo.id_of_product(code text)
returns bigint
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_id bigint;
begin
  select p.id
  into v_id
  from saldo.product as p
  where p.code = normalize(id_of_product.code, nfc);
  if v_id is null then
    perform saldo_private.fail(
      'product_not_found', format('product %L', left(id_of_product.code, 100))
    );
  end if;
  return v_id;
end
$$;
comment on function saldo.id_of_product is
  'Id of the product with this code, for calls that take one. Error: SB301 product_not_found.';
revoke execute on function saldo.id_of_product from public;
grant execute on function saldo.id_of_product to
  saldo_admin, saldo_operator, saldo_member, saldo_cashier, saldo_app;

select saldo_private.secure_table('saldo.product');
drop policy if exists select_all on saldo.product;
create policy select_all on saldo.product for select
  to saldo_admin, saldo_operator, saldo_member, saldo_cashier, saldo_app using (true);
grant select on saldo.product to
  saldo_admin, saldo_operator, saldo_member, saldo_cashier, saldo_app;

-- The tag gives the API the relation that no foreign key tells it; only
-- this way round, since no index helps the other.
comment on table saldo.product is
  E'@foreignKey (revenue_account_id) references saldo.account (id)|@backwardBehavior -*\n'
  'Something that is for sale.';
comment on column saldo.product.id is 'Id, in the order of creation.';
comment on column saldo.product.code is 'Code for people, unique.';
comment on column saldo.product.name is 'Name of the product, for people.';
comment on column saldo.product.price is 'Price of one unit, in the product''s currency.';
comment on column saldo.product.currency is
  'Currency; wallets of this currency can buy the product.';
comment on column saldo.product.revenue_account_id is 'Account that sales are credited to.';
comment on column saldo.product.is_stock_tracked is
  'Whether each unit sold is a stock item of its own.';
comment on column saldo.product.is_active is 'Whether it is for sale now.';
comment on column saldo.product.created_at is 'When the product was created.';
