-- Many holds in one call: the whole batch or none of it, or each by itself.
--
-- Public: place_holds. Private: place_holds__make, place_holds__one.
-- Those that are plain go in a few statements (make_holds.sql), the others one after the other.

create or replace function saldo_private.place_holds__make(request saldo.hold_request)
returns uuid
language plpgsql
as $$
begin
  return (saldo.place_hold(
    account_id => request.account_id, amount => request.amount,
    expires_in => request.expires_in, description => request.description,
    counter_account_id => request.counter_account_id,
    idempotency_key => request.idempotency_key, metadata => request.metadata
  )).id;
end
$$;
comment on function saldo_private.place_holds__make is
  'Carries out one request of a batch by its own function; the id of what it made.';

create or replace function saldo_private.place_holds__one(
  request saldo.hold_request,
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
    return saldo_private.request_result(id => saldo_private.place_holds__make(request));
  end if;
  begin
    return saldo_private.request_result(id => saldo_private.place_holds__make(request));
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
comment on function saldo_private.place_holds__one is
  'One request of a batch by its own function; is_fatal: its error is the batch''s.';

create or replace function saldo.place_holds(
  holds saldo.hold_request[],
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
  perform saldo_private.require_batch(cardinality(holds), 'holds');
  select array_agg(
    case when m.request_no is not null then saldo_private.request_result(id => (m.hold).id) end
    order by r.ordinality
  )
  into v_results
  from unnest(holds) with ordinality as r
  left join (
    select each.request_no, each.hold
    from saldo_private.make_holds(
      array(select case when h.expires_in is null and h.metadata is null
          then saldo_private.actor() end
        from unnest(holds) as h),
      array(select h.account_id from unnest(holds) as h),
      array(select h.amount from unnest(holds) as h),
      array(select h.description from unnest(holds) as h),
      array(select h.counter_account_id from unnest(holds) as h),
      array(select h.idempotency_key from unnest(holds) as h),
      is_waiting => true
    ) as each
  ) as m on m.request_no = r.ordinality;
  -- In one order, so that two batches seldom wait for each other crosswise.
  for v_no in
    select r.ordinality
    from unnest(holds) with ordinality as r
    where v_results[r.ordinality] is null
    order by r.account_id, r.idempotency_key, r.ordinality
  loop
    v_results[v_no] := saldo_private.place_holds__one(holds[v_no], coalesce(all_or_none, true));
  end loop;
  return query
  select r.id, r.error_code, r.error_condition, r.detail
  from unnest(v_results) as r;
end
$$;
comment on function saldo.place_holds is
  'Places many holds in one transaction and answers in the order given. all_or_none: one that is '
  'refused refuses all, with its error; with false each is by itself: its hold, or its code, while '
  'the others stand. Each is as one of place_hold. Errors of the whole: SB010 input_invalid for no '
  'array of 1 to 10,000. Errors of a row: SB002 amount_invalid, SB004 amount_out_of_range, '
  'SB003 amount_scale, SB008 text_invalid, SB009 text_too_long, SB010 input_invalid, '
  'SB005 idempotency_conflict, SB101 account_not_found, SB022 already_done, '
  'SB104 currency_mismatch, SB203 counter_account_unfit, SB102 account_closed, '
  'SB121 account_frozen, SB001 insufficient_balance, SB015 conflict_retry, '
  'SB020 isolation_unsupported, SB207 prepared_transaction_open.';
revoke execute on function saldo.place_holds from public;
grant execute on function saldo.place_holds to saldo_admin;

comment on type saldo.hold_request is 'The arguments of the function place_hold.';
