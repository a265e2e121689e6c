-- Top-ups: money that comes into a wallet.
--
-- Public: top_up. Posts: debit cash, credit the wallet account. Where the member owes something
-- it is paid by an entry of its own (debt.sql).

select saldo_private.describe_source('top_up');

create or replace function saldo.top_up(
  member_id bigint,
  amount numeric,
  idempotency_key text default null,
  occurred_at timestamptz default null,
  description text default null
)
returns saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_amount numeric := saldo_private.require_amount(top_up.amount);
  v_occurred_at timestamptz := saldo_private.require_occurred_at(top_up.occurred_at);
  v_description text := case when top_up.description is null then 'Top-up'
    else saldo_private.require_text(top_up.description, 'description') end;
  v_member saldo.member := saldo_private.require_member(top_up.member_id);
  v_currency text := (
    select a.currency
    from saldo.account as a
    where a.id = v_member.account_id
  );
  v_entry_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_entry saldo.journal_entry;
begin
  -- Keys of staff are not per member: a payment's key that comes back for another member is a
  -- mistake, and no member can use it up.
  v_earlier_id := saldo_private.claim_idempotency_key(
    'wallet', top_up.idempotency_key, 'top_up',
    jsonb_build_array(
      top_up.member_id, v_amount, extract(epoch from top_up.occurred_at), top_up.description
    ),
    v_entry_id
  );
  if v_earlier_id is not null then
    select *
    into strict v_entry
    from saldo.journal_entry
    where id = v_earlier_id;
    return v_entry;
  end if;

  perform saldo_private.use_limit('top_up', v_amount, v_currency);
  v_entry := saldo_private.post_pair(
    entry_id => v_entry_id,
    debit_account_id => saldo_private.system_account('cash', v_currency),
    credit_account_id => v_member.account_id,
    amount => v_amount,
    description => v_description,
    source => 'top_up',
    occurred_at => v_occurred_at,
    idempotency_key => top_up.idempotency_key
  );
  perform saldo_private.pay_debt(v_member.id, v_amount, v_occurred_at);
  return v_entry;
end
$$;
comment on function saldo.top_up is
  'Puts money into a member''s wallet. What the member owes since a charge-back is paid out of '
  'it, up to its amount, by another entry. occurred_at: default now. The same idempotency_key '
  'with the same content returns the first entry; keys are shared by top-ups and refunds. Locks '
  'cash and the wallet account in id order, then the debt account. Errors in checking order: '
  'SB002 amount_invalid, SB004 amount_out_of_range, SB003 amount_scale, SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB304 member_not_found, SB005 idempotency_conflict, '
  'SB660 call_limit_exceeded and SB661 day_limit_exceeded unless you are an administrator, '
  'SB102 account_closed for a closed wallet, and those of a posting.';
revoke execute on function saldo.top_up from public;
grant execute on function saldo.top_up to saldo_admin, saldo_cashier;
