-- Prepared transactions (two-phase commit): in doubt, they outlive a crash that slots do not.
--
-- Private: prepared_holder, await_prepared, require_no_prepared; slot_rebuild.sql calls them.
-- Until a prepared transaction is decided nobody sees its rows. While there are slots it holds its
-- own of them, and whoever needs that one waits. After a crash, or on a promoted standby, slots are
-- gone and with them its lock on the row; its lock on the table account_slot is durable. So slots
-- are neither made nor taken to be free while one has that lock that was there when the look began:
-- one that comes later finds the slots that there are by then.
-- The lock on the table does not tell which account: all whose slots are gone wait for it.

create or replace function saldo_private.prepared_holder(held_table regclass)
returns table (transaction xid, gid text, prepared_at timestamptz)
language sql
stable
as $$
  select p.transaction, p.gid, p.prepared
  from pg_catalog.pg_prepared_xacts as p
  join pg_catalog.pg_locks as self on self.transactionid = p.transaction
    and self.locktype = 'transactionid'
    and self.granted
  join pg_catalog.pg_locks as held on held.virtualtransaction = self.virtualtransaction
    and held.pid is null
    and held.locktype = 'relation'
    and held.relation = prepared_holder.held_table
    and held.mode <> 'AccessShareLock'
  where p.database = current_database()
  group by p.transaction, p.gid, p.prepared
$$;
comment on function saldo_private.prepared_holder is
  'Prepared transactions that have written or locked rows of the table.';

create or replace function saldo_private.await_prepared(account_id bigint)
returns void
language plpgsql
as $$
declare
  v_holders xid[];
  v_patient_until timestamptz;
  v_gid text;
begin
  -- An account without marks never had slots, unless they are being made for the first time: who
  -- does that holds the row of hot_account, and is waited for there.
  if not exists (
    select
    from saldo_private.settlement_mark as m
    where m.account_id = await_prepared.account_id
  ) or exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = await_prepared.account_id
  ) then
    return;
  end if;
  -- Who is decided soon after being prepared is waited for. One that is left over, as after a
  -- crash, would keep all connections waiting in turn.
  select array_agg(h.transaction),
    least(max(h.prepared_at), clock_timestamp()) + interval '3 seconds'
  into v_holders, v_patient_until
  from saldo_private.prepared_holder('saldo_private.account_slot') as h;
  loop
    select h.gid
    into v_gid
    from saldo_private.prepared_holder('saldo_private.account_slot') as h
    where h.transaction = any (v_holders)
    order by h.prepared_at
    limit 1;
    exit when not found;
    if clock_timestamp() > v_patient_until then
      perform saldo_private.fail('prepared_transaction_open', format(
        'account %s, prepared transaction %s', account_id, v_gid
      ));
    end if;
    perform pg_sleep(0.05);
  end loop;
end
$$;
comment on function saldo_private.await_prepared is
  'Waits, where the slots of an account are gone, for prepared transactions that may have taken '
  'funds from them: up to 3 s after they were prepared. Error: SB207 prepared_transaction_open.';

create or replace function saldo_private.require_no_prepared(
  account_id bigint,
  held_table regclass
)
returns void
language plpgsql
stable
as $$
declare
  v_gid text;
begin
  select h.gid
  into v_gid
  from saldo_private.prepared_holder(held_table) as h
  where h.prepared_at < clock_timestamp() - interval '2 seconds'
  order by h.prepared_at
  limit 1;
  if found then
    perform saldo_private.fail('prepared_transaction_open', format(
      'account %s, prepared transaction %s', account_id, v_gid
    ));
  end if;
end
$$;
comment on function saldo_private.require_no_prepared is
  'For a caller that did not get a lock in time: SB207 prepared_transaction_open when a prepared '
  'transaction holds rows of the table and is not decided at once.';
