-- Many purchases in one call: the whole batch or none of it, or each by itself.
--
-- Public: purchase_many. Private: purchase_many__hold_slots, purchase_many__make,
-- purchase_many__one.
-- Those that are plain go in a few statements (make_purchases.sql), the others one after the other.
-- Locks: the month, slots of revenue accounts that have a min_balance, then as make_purchases.sql
-- says, with all wallets in the order of their ids.

create or replace function saldo_private.purchase_many__hold_slots(
  purchases saldo.purchase_request[]
)
returns void
language plpgsql
as $$
declare
  v_account_ids bigint[] := array(
    select a.id
    from saldo.account as a
    where a.id in (
      select product.revenue_account_id
      from unnest(purchases) as p
      join saldo.product on product.id = p.product_id
    )
    and a.mode = 'hot'
    and a.min_balance is not null
    and a.frozen_at is null
    order by a.id
  );
begin
  if v_account_ids = '{}' or current_setting('transaction_isolation') <> 'read committed' then
    return;
  end if;
  perform saldo_private.hold_months_of(array[now()]);
  perform saldo_private.move_slot(i.id, 0, 0, 0, 0, 0)
  from unnest(v_account_ids) with ordinality as i (id, id_no)
  order by i.id_no;
exception
  when others then
    -- The purchase that it is about meets it again, and says so.
    if sqlstate not like 'SB%' then
      raise;
    end if;
end
$$;
comment on function saldo_private.purchase_many__hold_slots is
  'Takes a slot of each revenue account whose slots a posting moves, before any wallet is held: '
  'slots that are gone are rebuilt, which waits for a settlement, which may wait for whoever waits '
  'for a wallet.';

create or replace function saldo_private.purchase_many__make(request saldo.purchase_request)
returns uuid
language plpgsql
as $$
begin
  return (saldo.purchase_with_balance_deduction(
    member_id => request.member_id, product_id => request.product_id,
    amount => request.amount, quantity => coalesce(request.quantity, 1),
    idempotency_key => request.idempotency_key, occurred_at => request.occurred_at,
    hold_only => coalesce(request.hold_only, false)
  )).id;
end
$$;
comment on function saldo_private.purchase_many__make is
  'Carries out one request of a batch by its own function; the id of what it made.';

create or replace function saldo_private.purchase_many__one(
  request saldo.purchase_request,
  is_fatal boolean
)
returns saldo.request_result
language plpgsql
as $$
declare
  v_state text;
  v_condition text;
  v_detail text;
begin
  if is_fatal then
    return saldo_private.request_result(id => saldo_private.purchase_many__make(request));
  end if;
  begin
    return saldo_private.request_result(id => saldo_private.purchase_many__make(request));
  exception
    when others then
      get stacked diagnostics v_state = returned_sqlstate, v_condition = constraint_name,
        v_detail = pg_exception_detail;
      if v_state not like 'SB%' then
        raise;
      end if;
      return saldo_private.request_result(
        id => null, error_code => v_state, error_condition => v_condition, detail => v_detail
      );
  end;
end
$$;
comment on function saldo_private.purchase_many__one is
  'One request of a batch by its own function; is_fatal: its error is the batch''s.';

create or replace function saldo.purchase_many(
  purchases saldo.purchase_request[],
  all_or_none boolean default true
)
returns setof saldo.request_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_results saldo.request_result[];
  v_no bigint;
begin
  perform saldo_private.require_batch(cardinality(purchases), 'purchases');
  perform saldo_private.purchase_many__hold_slots(purchases);
  select array_agg(
    case when m.request_no is not null then saldo_private.request_result(id => (m.purchase).id) end
    order by r.ordinality
  )
  into v_results
  from unnest(purchases) with ordinality as r
  left join (
    select each.request_no, each.purchase
    from saldo_private.make_purchases(
      array(select case when p.occurred_at is null and p.hold_only is not true and (
          p.member_id = saldo_private.current_member_id()
          or not saldo_private.is_member_session()
        ) then saldo_private.actor() end
        from unnest(purchases) as p),
      array(select p.member_id from unnest(purchases) as p),
      array(select p.product_id from unnest(purchases) as p),
      array(select p.amount from unnest(purchases) as p),
      array(select coalesce(p.quantity, 1) from unnest(purchases) as p),
      array(select p.idempotency_key from unnest(purchases) as p),
      is_waiting => true
    ) as each
  ) as m on m.request_no = r.ordinality;
  -- In one order, so that two batches seldom wait for each other crosswise.
  for v_no in
    select r.ordinality
    from unnest(purchases) with ordinality as r
    where v_results[r.ordinality] is null
    order by r.member_id, r.idempotency_key, r.ordinality
  loop
    v_results[v_no] := saldo_private.purchase_many__one(
      purchases[v_no], coalesce(all_or_none, true)
    );
  end loop;
  return query
  select r.id, r.error_code, r.error_condition, r.detail
  from unnest(v_results) as r;
end
$$;
comment on function saldo.purchase_many is
  'Makes many purchases in one transaction and answers in the order given. all_or_none: one that '
  'is refused refuses all, with its error; with false each is by itself: its purchase, or its '
  'code, while the others stand. Each is as one of purchase_with_balance_deduction, quantity 1 '
  'where it is null. Errors of the whole: SB010 input_invalid for no array of 1 to 10,000, and '
  'what a posting raises that changes its mind at this moment: then none is made, send all again. '
  'Errors of a row: SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, SB010 '
  'input_invalid, SB006 forbidden, SB007 not_found, SB304 member_not_found, SB008 text_invalid, '
  'SB009 text_too_long, SB005 idempotency_conflict, SB022 already_done, SB301 product_not_found, '
  'SB104 currency_mismatch, SB303 price_changed, SB302 out_of_stock, SB102 account_closed, SB001 '
  'insufficient_balance, and those of a posting, SB107 entry_invalid and SB103 entry_unbalanced '
  'among them.';
revoke execute on function saldo.purchase_many from public;
grant execute on function saldo.purchase_many to
  saldo_admin, saldo_member, saldo_cashier, saldo_app;

comment on type saldo.purchase_request is
  'The arguments of the function purchase_with_balance_deduction.';
