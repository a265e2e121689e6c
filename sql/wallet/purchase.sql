-- Purchases: stock, balance, record and journal entry change together, or nothing does.
--
-- Public: saldo.purchase, purchase_with_balance_deduction. States: pending -> completed | failed
-- (pending_purchase.sql), completed -> partially_refunded -> refunded (refund.sql).
-- A pending purchase is a hold (hot/hold.sql): it lowers what is available, posts nothing, and
-- reserves its stock. A completed one debits the wallet and credits the product's revenue.
-- Locks, in this order in every function of the room: idempotency key, purchase, stock items by
-- id, accounts by id. A transaction that makes several purchases may break the order by itself; the
-- database then ends one of two such transactions with a deadlock error.

select saldo_private.describe_source('purchase');

create or replace function saldo_private.purchase__product(
  product_id bigint,
  wallet_currency text,
  amount numeric,
  quantity integer
)
returns saldo.product
language plpgsql
stable
as $$
declare
  v_product saldo.product;
begin
  select *
  into v_product
  from saldo.product
  where id = purchase__product.product_id;
  if v_product.is_active and v_product.currency = wallet_currency
    and v_product.price * quantity = amount
  then
    return v_product;
  elsif v_product.is_active is not true then
    perform saldo_private.fail('product_not_found', format('product %s', product_id));
  elsif v_product.currency <> wallet_currency then
    perform saldo_private.fail('currency_mismatch', format(
      'product %s is in %s, the wallet in %s', product_id, v_product.currency, wallet_currency
    ));
  end if;
  perform saldo_private.fail('price_changed', format(
    'product %s: price %s, quantity %s, amount %s, shown %s', product_id, v_product.price,
    quantity, v_product.price * quantity, amount
  ));
end
$$;
comment on function saldo_private.purchase__product is
  'The product, if it can be bought so: SB301 product_not_found, SB104 currency_mismatch, '
  'SB303 price_changed.';

create or replace function saldo_private.purchase__description(quantity integer, name text)
returns text
language sql
stable
as $$
  select case when quantity = 1 then name else format('%s x %s', quantity, name) end
$$;
comment on function saldo_private.purchase__description is 'What was bought, in words.';

create or replace function saldo_private.purchase__post(
  purchase saldo.purchase,
  product saldo.product,
  occurred_at timestamptz
)
returns boolean
language plpgsql
as $$
declare
  v_description text := saldo_private.purchase__description(purchase.quantity, product.name);
  v_is_posted boolean := saldo_private.post_to_hot(
    purchase.entry_id, purchase.account_id, product.revenue_account_id, purchase.amount,
    v_description, 'purchase', occurred_at, purchase.idempotency_key
  );
begin
  if not v_is_posted then
    perform saldo_private.post_pair(
      entry_id => purchase.entry_id,
      debit_account_id => purchase.account_id,
      credit_account_id => product.revenue_account_id,
      amount => purchase.amount,
      description => v_description,
      source => 'purchase',
      occurred_at => purchase__post.occurred_at,
      idempotency_key => purchase.idempotency_key,
      is_with_hot => true
    );
  end if;
  return true;
end
$$;
comment on function saldo_private.purchase__post is
  'Posts a completed purchase: debit the wallet, credit revenue. True; the balance is checked by '
  'the posting, under the account''s lock.';

create or replace function saldo_private.purchase__record(
  purchase_id uuid,
  member_id bigint,
  account_id bigint,
  product saldo.product,
  amount numeric,
  quantity integer,
  idempotency_key text,
  occurred_at timestamptz,
  is_pending boolean
)
returns saldo.purchase
language plpgsql
as $$
declare
  v_purchase saldo.purchase;
  v_is_posted boolean;
begin
  insert into saldo.purchase (
    account_id, id, member_id, product_id, quantity, unit_price, amount,
    status,
    entry_id,
    hold_id,
    idempotency_key, occurred_at, created_by,
    completed_at
  )
  values (
    purchase__record.account_id, purchase_id, purchase__record.member_id, product.id,
    purchase__record.quantity, product.price, purchase__record.amount,
    (case when is_pending then 'pending' else 'completed' end)::saldo.purchase_status,
    case when not is_pending then saldo_private.uuid_v7() end,
    case when is_pending then saldo_private.uuid_v7() end,
    purchase__record.idempotency_key, purchase__record.occurred_at, saldo_private.actor(),
    case when not is_pending then now() end
  )
  returning * into v_purchase;

  if product.is_stock_tracked then
    perform saldo_private.take_stock(
      product.id, quantity, account_id, purchase_id
    );
  end if;
  -- Accounts come last: the revenue account is the one row that all buyers share.
  if is_pending then
    perform saldo_private.open_hold(
      account_id => v_purchase.account_id,
      hold_id => v_purchase.hold_id,
      amount => v_purchase.amount,
      expires_in => null,
      counter_account_id => product.revenue_account_id,
      source => 'purchase',
      description => saldo_private.purchase__description(quantity, product.name)
    );
  else
    -- Assigned, since PERFORM runs a statement.
    v_is_posted := saldo_private.purchase__post(v_purchase, product, v_purchase.occurred_at);
  end if;
  return v_purchase;
end
$$;
comment on function saldo_private.purchase__record is
  'Writes the purchase, takes its stock, and holds or posts its amount: SB302 out_of_stock, '
  'SB102 account_closed, SB001 insufficient_balance.';

create or replace function saldo.purchase_with_balance_deduction(
  member_id bigint,
  product_id bigint,
  amount numeric,
  quantity integer default 1,
  idempotency_key text default null,
  occurred_at timestamptz default null,
  hold_only boolean default false
)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  -- A usual amount passes in one expression; the function says what is wrong with another.
  v_amount numeric := case when purchase_with_balance_deduction.amount > 0
      and purchase_with_balance_deduction.amount < 1e15
      and scale(purchase_with_balance_deduction.amount) <= 2
    then trim_scale(purchase_with_balance_deduction.amount)
    else saldo_private.require_amount(purchase_with_balance_deduction.amount) end;
  v_id uuid := saldo_private.uuid_v7();
  v_occurred_at timestamptz;
  v_is_own boolean;
  v_account_id bigint;
  v_currency text;
  v_earlier_id uuid;
  v_purchase saldo.purchase;
begin
  if quantity is null or quantity not between 1 and 1000 then
    perform saldo_private.fail('input_invalid', 'quantity: 1 to 1,000');
  end if;
  v_occurred_at := case when purchase_with_balance_deduction.occurred_at is null then now()
    else saldo_private.require_occurred_at(purchase_with_balance_deduction.occurred_at) end;

  -- Assigned, since PERFORM runs a statement.
  v_is_own := saldo_private.require_own_member(purchase_with_balance_deduction.member_id);
  select a.id, a.currency
  into v_account_id, v_currency
  from saldo.member as m
  join saldo.account as a on a.id = m.account_id
  where m.id = purchase_with_balance_deduction.member_id;
  if v_account_id is null then
    perform saldo_private.fail('member_not_found', format('member %s', member_id));
  end if;

  if idempotency_key is not null then
    -- Before the product is looked at: a retry succeeds whatever has happened to it since.
    v_earlier_id := saldo_private.claim_idempotency_key(
      'member:' || member_id, idempotency_key, 'purchase_with_balance_deduction',
      jsonb_build_array(product_id, v_amount, quantity,
        extract(epoch from purchase_with_balance_deduction.occurred_at),
        coalesce(hold_only, false)),
      v_id
    );
    if v_earlier_id is not null then
      select *
      into strict v_purchase
      from saldo.purchase as p
      where p.account_id = v_account_id
      and p.id = v_earlier_id;
      return v_purchase;
    end if;
    -- In the words of the index purchase_is_made_once_per_key.
    perform saldo_private.refuse_done('purchase', p.id, p.idempotency_key)
    from saldo.purchase as p
    where p.account_id = v_account_id
    and p.idempotency_key = purchase_with_balance_deduction.idempotency_key
    and p.created_at >= '2026-11-01 00:00:00+00';
  end if;

  return saldo_private.purchase__record(
    purchase_id => v_id,
    member_id => purchase_with_balance_deduction.member_id,
    account_id => v_account_id,
    product => saldo_private.purchase__product(product_id, v_currency, v_amount, quantity),
    amount => v_amount,
    quantity => quantity,
    idempotency_key => purchase_with_balance_deduction.idempotency_key,
    occurred_at => v_occurred_at,
    is_pending => coalesce(hold_only, false)
  );
end
$$;
comment on function saldo.purchase_with_balance_deduction is
  'Buys a product with the balance of a member''s wallet: takes stock, deducts, records and '
  'posts, all or nothing. amount: the total that the buyer was shown. hold_only: only holds the '
  'amount and reserves the stock (status pending), until complete_purchase or fail_purchase, or '
  'until the hold expires (setting hold_expires_in). occurred_at: default now; members may not '
  'set it. The same idempotency_key with the same content returns the first purchase as it is '
  'now; keys are per member. Members may buy for themselves. Locks stock items, then the two '
  'accounts in id order. Errors in checking order: SB002 amount_invalid, '
  'SB004 amount_out_of_range, SB003 amount_scale, SB010 input_invalid, SB006 forbidden, '
  'SB007 not_found, SB304 member_not_found, SB008 text_invalid, SB009 text_too_long, '
  'SB005 idempotency_conflict, SB022 already_done where the record of the key is gone, '
  'SB301 product_not_found, SB104 currency_mismatch, '
  'SB303 price_changed, SB302 out_of_stock, SB102 account_closed, SB001 insufficient_balance, and '
  'those of a posting.';
revoke execute on function saldo.purchase_with_balance_deduction from public;
grant execute on function saldo.purchase_with_balance_deduction to
  saldo_admin, saldo_member, saldo_cashier, saldo_app;

select saldo_private.secure_table('saldo.purchase');
drop policy if exists select_all on saldo.purchase;
create policy select_all on saldo.purchase for select
  to saldo_admin, saldo_operator, saldo_cashier, saldo_app using (true);
drop policy if exists select_own on saldo.purchase;
create policy select_own on saldo.purchase for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
grant select on saldo.purchase to
  saldo_admin, saldo_operator, saldo_member, saldo_cashier, saldo_app;

-- A pending purchase has only reserved its items: their codes are shown once they are paid.
drop policy if exists select_own on saldo.stock_item;
create policy select_own on saldo.stock_item for select to saldo_member
  using (
    account_id = (select saldo_private.current_account_id())
    and exists (
      select
      from saldo.purchase as p
      where p.account_id = stock_item.account_id
      and p.id = stock_item.purchase_id
      and p.status in ('completed', 'partially_refunded')
    )
  );

comment on type saldo.purchase_status is
  'pending: held, not paid yet; completed: paid; failed: given up before it was paid; '
  'partially_refunded: a part was paid back; refunded: all of it was.';
-- The tags give the API the relations that no foreign key of the table tells it; only this way
-- round, since no index helps the other.
comment on table saldo.purchase is
  E'@foreignKey (product_id) references saldo.product (id)|@backwardBehavior -*\n'
  '@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  '@foreignKey (refund_entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A purchase by a member, paid from the wallet.';
comment on column saldo.purchase.account_id is 'Wallet account that pays.';
comment on column saldo.purchase.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.purchase.member_id is 'Member whose wallet it is.';
comment on column saldo.purchase.product_id is 'Product that is bought.';
comment on column saldo.purchase.quantity is 'Number of units bought.';
comment on column saldo.purchase.unit_price is
  'Price of one unit when it was bought, in the currency of the wallet.';
comment on column saldo.purchase.amount is 'What is paid: unit_price times quantity.';
comment on column saldo.purchase.status is
  'pending, completed, failed, partially_refunded or refunded.';
comment on column saldo.purchase.entry_id is 'Journal entry of the payment; null = not paid.';
comment on column saldo.purchase.hold_id is
  'Hold of its amount, open while it is pending; null when it was paid at once.';
comment on column saldo.purchase.refund_entry_id is
  'Journal entry of the refund, of the last one where there are several; null unless refunded.';
comment on column saldo.purchase.failure_reason is 'Why it failed; null unless failed.';
comment on column saldo.purchase.refund_reason is 'Why it was refunded; null unless refunded.';
comment on column saldo.purchase.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.purchase.occurred_at is
  'When the sale took place; it decides the posting date.';
comment on column saldo.purchase.created_at is 'When the purchase was recorded.';
comment on column saldo.purchase.created_by is 'Who recorded it: token subject or login.';
comment on column saldo.purchase.changed_in is
  'Transaction of the engine that wrote it last; null = before there were seals over rows.';
comment on column saldo.purchase.completed_at is 'When the payment was recorded; null = not paid.';
comment on column saldo.purchase.failed_at is 'When it was given up; null unless failed.';
comment on column saldo.purchase.refunded_at is
  'When the refund was recorded; null unless refunded.';
comment on constraint purchase_account_id_fkey on saldo.purchase is
  E'@fieldName member\n@foreignFieldName purchases\nThe wallet account names the member.';
