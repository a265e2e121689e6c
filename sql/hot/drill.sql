-- The drill of lost counters: what a crash does to the slots of an account, done on purpose.
--
-- Private: lose_slots, for npx saldo drill. Only an account that is opened for a drill loses them:
-- nothing is wrong with that, and no write is recorded.

create or replace function saldo_private.lose_slots(account_id bigint)
returns integer
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_code text := (select a.code from saldo.account as a where a.id = lose_slots.account_id);
  v_count integer;
begin
  if v_code is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif v_code not like 'drill:%' then
    perform saldo_private.fail('input_invalid', 'only an account of a drill loses its slots');
  end if;
  select count(*)
  into v_count
  from saldo_private.account_slot as s
  where s.account_id = lose_slots.account_id;
  perform saldo_private.remove_slots(lose_slots.account_id);
  return v_count;
end
$$;
comment on function saldo_private.lose_slots is
  'Takes the slots of an account of a drill away, as a crash does, and tells how many there were: '
  'the next request makes them again. Errors in checking order: SB101 account_not_found, '
  'SB010 input_invalid, SB207 prepared_transaction_open.';
revoke execute on function saldo_private.lose_slots from public;
grant execute on function saldo_private.lose_slots to saldo_admin;
