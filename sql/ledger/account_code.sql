-- Accounts by their codes: the id for a call, and names for people.
--
-- Public: id_of_account. Private: account_list. As id_of_customer, id_of_meter, id_of_member and
-- id_of_product do for their kinds: a call takes ids, and these give the id of a code within it.

create or replace function saldo.id_of_account(code text)
returns bigint
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_id bigint;
begin
  select a.id
  into v_id
  from saldo.account as a
  where a.code = normalize(id_of_account.code, nfc);
  if v_id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %L', left(id_of_account.code, 100))
    );
  end if;
  return v_id;
end
$$;
comment on function saldo.id_of_account is
  'Id of the account with this code, for calls that take one. '
  'Error: SB101 account_not_found.';
revoke execute on function saldo.id_of_account from public;
grant execute on function saldo.id_of_account to saldo_admin, saldo_operator, saldo_accountant;

create or replace function saldo_private.account_list(account_ids bigint[])
returns text
language sql
stable
as $$
  select string_agg(case when a.id is null then format('account %s', i.id)
    else format('%s (%s)', a.code, a.name) end, ', ' order by i.ordinality)
  from unnest(account_ids) with ordinality as i (id, ordinality)
  left join saldo.account as a on a.id = i.id
$$;
comment on function saldo_private.account_list is
  'Codes and names of these accounts, in their order.';
