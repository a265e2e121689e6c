-- Settling: pending rows become journal entries, one summary entry for each account, counter
-- account and date of a batch.
--
-- Public: settle_sub_balances. Private: settle_batch and its steps.
-- Rows of a slot are numbered in the order of their commits, so what a snapshot shows beyond the
-- mark is a whole stretch of numbers; settling it means posting its sums and moving the mark, both
-- in one transaction: each row exactly once, also with several workers or a killed one.
-- Locks: the hot_account rows of the batch (those that another worker has are left to it), then
-- those of a posting. Writers of the accounts are not waited for, and do not wait.

create or replace function saldo_private.settle_batch__notify(
  account_ids bigint[],
  settlement_ids uuid[],
  folded_ids bigint[]
)
returns void
language plpgsql
as $$
begin
  perform saldo_private.notify_account(c.id, 'balance')
  from (
    select f.id
    from unnest(folded_ids) as f (id)
    union
    select e.booked_account_id
    from saldo.settlement_entry as e
    join saldo.account as a on a.id = e.booked_account_id and a.mode = 'immediate'
    where e.account_id = any (account_ids)
    and e.settlement_id = any (settlement_ids)
  ) as c
  where c.id <> all (coalesce(account_ids, '{}'));
  perform saldo_private.notify_account(s.account_id, 'settled')
  from saldo.settlement as s
  where s.account_id = any (account_ids)
  and s.id = any (settlement_ids);
end
$$;
comment on function saldo_private.settle_batch__notify is
  'Tells listeners which accounts have settled, and whose balance has changed with that.';

create or replace function saldo_private.settle_batch(
  row_limit integer,
  account_id bigint default null
)
returns uuid[]
language plpgsql
as $$
declare
  v_started_at timestamptz := clock_timestamp();
  v_account_ids bigint[] := saldo_private.settle_batch__lock(settle_batch.account_id);
  v_settlement_ids uuid[];
begin
  if settle_batch.account_id is not null and v_account_ids is not null then
    v_settlement_ids := saldo_private.settle_batch__settle(v_account_ids, row_limit, v_started_at);
  elsif v_account_ids is not null then
    begin
      v_settlement_ids :=
        saldo_private.settle_batch__settle(v_account_ids, row_limit, v_started_at);
    exception
      when others then
        v_settlement_ids :=
          saldo_private.settle_batch__settle_each(v_account_ids, row_limit, v_started_at);
    end;
  end if;
  perform saldo_private.stop_taken_numbers();
  perform saldo_private.settle_batch__notify(
    v_account_ids, v_settlement_ids,
    array(select f.id from saldo_private.fold_stripes(settle_batch.account_id) as f (id))
  );
  update saldo.settlement as s
  set settled_at = clock_timestamp()
  where s.account_id = any (v_account_ids)
  and s.id = any (v_settlement_ids);
  return v_settlement_ids;
end
$$;
comment on function saldo_private.settle_batch is
  'Settles up to row_limit rows of all hot accounts, or of one whose failure is then an error, and '
  'folds stripes.';

create or replace function saldo.settle_sub_balances(row_limit integer default 50000)
returns setof saldo.settlement
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_settlement_ids uuid[];
begin
  perform saldo_private.require_read_committed();
  if row_limit is null or row_limit not between 1 and 1000000 then
    perform saldo_private.fail('input_invalid', 'row_limit: 1 to 1,000,000');
  end if;
  v_settlement_ids := saldo_private.settle_batch(row_limit);
  return query
  select s.*
  from unnest(v_settlement_ids) as i (id)
  join saldo.settlement as s on s.id = i.id
  order by s.account_id;
end
$$;
comment on function saldo.settle_sub_balances is
  'Settles pending rows of hot accounts, at most row_limit of them, oldest first within each '
  'slot: posts one summary entry for each account, counter account and business date, and returns '
  'one settlement an account; none when nothing is pending. Also brings hot accounts'' own rows '
  'up to date. Call it again until it returns nothing; several callers at once share the '
  'accounts. An account that cannot be settled, or whose counter account somebody holds for over '
  '2 seconds, is left for the next call with a warning. Errors: SB020 isolation_unsupported, '
  'SB010 input_invalid.';
revoke execute on function saldo.settle_sub_balances from public;
grant execute on function saldo.settle_sub_balances to saldo_admin;
