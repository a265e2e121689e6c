-- Transactions of one caller that the server has at the same moment.
--
-- Private: submissions_of_caller. submit_transactions does the work; what it refuses is left out,
-- with no trace: it is for submit_transaction, which says why.

create or replace function saldo_private.submissions_of_caller(
  role text,
  subject text,
  calls jsonb
)
returns table (request_no bigint, result saldo.sub_balance)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_before text := coalesce(current_setting('saldo.subject', true), '');
  v_set text;
  v_requests saldo.submit_request[];
  v_results saldo.submit_result[];
begin
  if subject = '' or not saldo_private.may_call(
    submissions_of_caller.role,
    'saldo.submit_transaction(bigint, numeric, saldo.entry_side, bigint, text, jsonb)'::regprocedure
  ) or saldo_private.has_own_triggers_on(array['saldo.sub_balance']::regclass[]) then
    return;
  end if;
  v_requests := array(
    select r
    from jsonb_array_elements(calls) with ordinality as c (call, call_no)
    cross join lateral jsonb_populate_record(null::saldo.submit_request, c.call) as r
    order by c.call_no
  );
  v_set := set_config('saldo.subject', submissions_of_caller.subject, true);
  v_results := array(select a from saldo.submit_transactions(v_requests) as a);
  v_set := set_config('saldo.subject', v_before, true);
  -- In a statement of its own: that one does not see what it writes.
  return query
  select a.ordinality, s.submitted
  from unnest(v_results) with ordinality as a
  cross join lateral (
    select b as submitted
    from saldo.sub_balance as b
    where b.account_id = (v_requests[a.ordinality]).account_id
    and b.id = a.id
    limit 1
  ) as s
  where a.is_new;
end
$$;
comment on function saldo_private.submissions_of_caller is
  'What the server has of one caller at once: the arguments of submit_transaction, as an array. '
  'Returns what was accepted now, with its place; everything else is left to calls of its own. '
  'Errors: those of the whole of submit_transactions.';
grant execute on function saldo_private.submissions_of_caller to saldo_server;
