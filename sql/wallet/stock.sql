-- Stock: the single units of a tracked product, each sold once at most.
--
-- Public: saldo.stock_item, add_stock_items. Private: take_stock, release_stock.
-- Locks: buyers pick free items that nobody else is picking (skip locked), so they never wait for
-- each other while there is enough. Only when too few are left, a buyer releases what it has picked
-- and waits for the others' items, in id order: they may still roll back. A call that
-- frees items locks them in id order too, and all of this comes before any account is locked, so no
-- two of them ever wait for each other.

create or replace function saldo.add_stock_items(product_id bigint, codes text[])
returns setof saldo.stock_item
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_codes text[];
  v_product saldo.product;
begin
  if codes is null or array_ndims(codes) is distinct from 1
    or cardinality(codes) not between 1 and 10000
  then
    perform saldo_private.fail('input_invalid', 'codes: an array of 1 to 10,000 codes');
  end if;
  select array_agg(saldo_private.require_line(c.code, 'code', 200) order by c.code_no)
  into v_codes
  from unnest(codes) with ordinality as c (code, code_no);

  select *
  into v_product
  from saldo.product
  where id = add_stock_items.product_id;
  if v_product.id is null then
    perform saldo_private.fail('product_not_found', format('product %s', product_id));
  elsif not v_product.is_stock_tracked then
    perform saldo_private.fail(
      'input_invalid', format('product %s is not tracked by stock items', product_id)
    );
  end if;

  return query
  insert into saldo.stock_item (product_id, code)
  select v_product.id, c.code
  from unnest(v_codes) with ordinality as c (code, code_no)
  order by c.code_no
  returning *;
exception
  when unique_violation then
    perform saldo_private.fail(
      'not_unique', format('a code of product %s comes twice or is taken', product_id)
    );
end
$$;
comment on function saldo.add_stock_items is
  'Adds units of a tracked product, all or none; items are sold in the order given. Errors in '
  'checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB301 product_not_found, SB010 input_invalid for a product without stock tracking, '
  'SB014 not_unique for a code that the product has already.';
revoke execute on function saldo.add_stock_items from public;
grant execute on function saldo.add_stock_items to saldo_admin;

create or replace function saldo_private.take_stock__assign(
  product_id bigint,
  quantity integer,
  account_id bigint,
  purchase_id uuid,
  is_waiting boolean
)
returns integer
language plpgsql
as $$
declare
  v_item_ids bigint[];
begin
  if is_waiting then
    select array_agg(picked.id)
    into v_item_ids
    from (
      select s.id
      from saldo.stock_item as s
      where s.product_id = take_stock__assign.product_id
      and s.purchase_id is null
      order by s.id
      limit take_stock__assign.quantity
      for no key update
    ) as picked;
  else
    select array_agg(picked.id)
    into v_item_ids
    from (
      select s.id
      from saldo.stock_item as s
      where s.product_id = take_stock__assign.product_id
      and s.purchase_id is null
      order by s.id
      limit take_stock__assign.quantity
      for no key update skip locked
    ) as picked;
  end if;

  if coalesce(cardinality(v_item_ids), 0) = take_stock__assign.quantity then
    update saldo.stock_item
    set changed_in = pg_current_xact_id(),
      account_id = take_stock__assign.account_id,
      purchase_id = take_stock__assign.purchase_id,
      assigned_at = now()
    where stock_item.product_id = take_stock__assign.product_id
    and id = any (v_item_ids);
  end if;
  return coalesce(cardinality(v_item_ids), 0);
end
$$;
comment on function saldo_private.take_stock__assign is
  'Locks free items and, when there are enough, assigns them. Returns how many it could lock.';

create or replace function saldo_private.take_stock(
  product_id bigint,
  quantity integer,
  account_id bigint,
  purchase_id uuid
)
returns void
language plpgsql
as $$
declare
  v_found integer;
begin
  -- The block is a savepoint: leaving it by the error releases the items that were picked, so that
  -- two buyers who picked some each do not wait for the other's.
  begin
    v_found := saldo_private.take_stock__assign(
      product_id, quantity, account_id, purchase_id, is_waiting => false
    );
    if v_found = take_stock.quantity then
      return;
    end if;
    perform saldo_private.fail('out_of_stock', format('product %s', product_id));
  exception
    when sqlstate 'SB302' then null;
  end;

  v_found := saldo_private.take_stock__assign(
    product_id, quantity, account_id, purchase_id, is_waiting => true
  );
  if v_found < take_stock.quantity then
    perform saldo_private.fail(
      'out_of_stock', format('product %s: left %s, wanted %s', product_id, v_found, quantity)
    );
  end if;
end
$$;
comment on function saldo_private.take_stock is
  'Assigns free items of a product to a purchase. When too few are to be had at once it waits for '
  'those that other buyers hold: SB302 out_of_stock means that there are really none left.';

create or replace function saldo_private.release_stock(
  account_id bigint,
  purchase_id uuid,
  quantity integer default null
)
returns integer
language plpgsql
as $$
declare
  v_released integer;
begin
  with chosen as (
    select s.product_id, s.id
    from saldo.stock_item as s
    where s.account_id = release_stock.account_id
    and s.purchase_id = release_stock.purchase_id
    order by s.id desc
    limit release_stock.quantity
  ),
  assigned as materialized (
    select s.product_id, s.id
    from saldo.stock_item as s
    join chosen on chosen.product_id = s.product_id and chosen.id = s.id
    order by s.id
    for no key update of s
  )
  update saldo.stock_item as s
  set changed_in = pg_current_xact_id(),
    account_id = null,
    purchase_id = null,
    assigned_at = null
  from assigned
  where s.product_id = assigned.product_id
  and s.id = assigned.id;
  get diagnostics v_released = row_count;
  return v_released;
end
$$;
comment on function saldo_private.release_stock is
  'Makes items of a purchase free again, the last ones first; they can be sold again. quantity: '
  'null = all. Returns how many there are. The caller has locked the purchase.';

select saldo_private.secure_table('saldo.stock_item');
drop policy if exists select_all on saldo.stock_item;
create policy select_all on saldo.stock_item for select
  to saldo_admin, saldo_operator, saldo_cashier using (true);
-- What of its own a member sees: purchase.sql.
grant select on saldo.stock_item to saldo_admin, saldo_operator, saldo_member, saldo_cashier;

comment on table saldo.stock_item is 'A unit of a tracked product; sold once at most.';
comment on constraint stock_item_account_id_purchase_id_fkey on saldo.stock_item is
  E'@fieldName purchase\n@foreignFieldName stockItems\n@backwardBehavior +connection +select\n'
  'The purchase that has the item.';
comment on column saldo.stock_item.id is 'Id; items are sold in the order of it.';
comment on column saldo.stock_item.product_id is 'Product that it is a unit of.';
comment on column saldo.stock_item.code is
  'What the buyer gets: a code, a serial or room number; unique within the product.';
comment on column saldo.stock_item.account_id is 'Wallet account of the buyer; null = free.';
comment on column saldo.stock_item.purchase_id is
  'Purchase that it is assigned to, reserved while that is pending; null = free.';
comment on column saldo.stock_item.assigned_at is 'When it was assigned; null = free.';
comment on column saldo.stock_item.created_at is 'When the unit was added to the stock.';
comment on column saldo.stock_item.changed_in is
  'Transaction of the engine that wrote it last; null = before there were seals over rows.';
