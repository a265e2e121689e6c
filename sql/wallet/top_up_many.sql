-- Many top-ups in one call: the whole batch or none of it, or each by itself.
--
-- Public: top_up_many. Private: top_up_many__make, top_up_many__one.
-- Those that are plain go in a few statements (make_top_ups.sql), the others one after the other.

create or replace function saldo_private.top_up_many__make(request saldo.top_up_request)
returns uuid
language plpgsql
as $$
begin
  return (saldo.top_up(
    member_id => request.member_id, amount => request.amount,
    idempotency_key => request.idempotency_key, occurred_at => request.occurred_at,
    description => request.description
  )).id;
end
$$;
comment on function saldo_private.top_up_many__make is
  'Carries out one request of a batch by its own function; the id of what it made.';

create or replace function saldo_private.top_up_many__one(
  request saldo.top_up_request,
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
    return saldo_private.request_result(id => saldo_private.top_up_many__make(request));
  end if;
  begin
    return saldo_private.request_result(id => saldo_private.top_up_many__make(request));
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
comment on function saldo_private.top_up_many__one is
  'One request of a batch by its own function; is_fatal: its error is the batch''s.';

create or replace function saldo.top_up_many(
  top_ups saldo.top_up_request[],
  all_or_none boolean default true
)
returns setof saldo.request_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_is_limited boolean := saldo_private.is_limited();
  v_results saldo.request_result[];
  v_no bigint;
begin
  perform saldo_private.require_batch(cardinality(top_ups), 'top_ups');
  select array_agg(
    case when m.request_no is not null then saldo_private.request_result(id => (m.entry).id) end
    order by r.ordinality
  )
  into v_results
  from unnest(top_ups) with ordinality as r
  left join (
    select each.request_no, each.entry
    from saldo_private.make_top_ups(
      array(select case when t.occurred_at is null and not v_is_limited and (
          t.member_id = saldo_private.current_member_id()
          or not saldo_private.is_member_session()
        ) then saldo_private.actor() end
        from unnest(top_ups) as t),
      array(select t.member_id from unnest(top_ups) as t),
      array(select t.amount from unnest(top_ups) as t),
      array(select t.description from unnest(top_ups) as t),
      array(select t.idempotency_key from unnest(top_ups) as t),
      is_waiting => true
    ) as each
  ) as m on m.request_no = r.ordinality;
  -- In one order, so that two batches seldom wait for each other crosswise.
  for v_no in
    select r.ordinality
    from unnest(top_ups) with ordinality as r
    where v_results[r.ordinality] is null
    order by r.member_id, r.idempotency_key, r.ordinality
  loop
    v_results[v_no] := saldo_private.top_up_many__one(top_ups[v_no], coalesce(all_or_none, true));
  end loop;
  return query
  select r.id, r.error_code, r.error_condition, r.detail
  from unnest(v_results) as r;
end
$$;
comment on function saldo.top_up_many is
  'Tops up many wallets in one transaction and answers in the order given. all_or_none: one that '
  'is refused refuses all, with its error; with false each is by itself: its entry, or its code, '
  'while the others stand. Each is as one of top_up, limits and keys too. Errors of the whole: '
  'SB010 input_invalid for no array of 1 to 10,000, and what a posting raises that changes its '
  'mind at this moment: then none is made, send all again. Errors of a row: SB002 amount_invalid, '
  'SB004 amount_out_of_range, SB003 amount_scale, SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB304 member_not_found, SB005 idempotency_conflict, '
  'SB660 call_limit_exceeded, SB661 day_limit_exceeded, SB102 account_closed, and those of a '
  'posting, SB107 entry_invalid and SB103 entry_unbalanced among them.';
revoke execute on function saldo.top_up_many from public;
grant execute on function saldo.top_up_many to saldo_admin, saldo_cashier;

comment on type saldo.top_up_request is 'The arguments of the function top_up.';
