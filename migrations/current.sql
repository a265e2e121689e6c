-- The migration at hand: tables, types, indexes and changes of data, as saldo_owner. It is run at
-- each start and each save of npm run dev, so write what can be run again: create table if not exists.
-- npm run migrate:commit -- "what it does" makes it the next of migrations/committed/.

-- When a balance last changed, kept by the statement that changes it: null = not since this is kept.
alter table saldo.account add column if not exists last_updated_at timestamptz;
alter table saldo_private.account_stripe add column if not exists last_updated_at timestamptz;
do $types$
begin
  if not exists (
    select
    from pg_attribute
    where attrelid = 'saldo.balance_summary'::regclass
    and attname = 'last_updated_at'
  ) then
    alter type saldo.balance_summary
      add attribute last_updated_at timestamptz, add attribute version bigint;
    alter type saldo.wallet_balance
      add attribute last_updated_at timestamptz, add attribute version bigint;
  end if;
end
$types$;
