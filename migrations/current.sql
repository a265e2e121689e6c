-- The migration at hand: tables, types, indexes and changes of data, as saldo_owner. It is run at
-- each start and each save of npm run dev, so write what can be run again: create table if not exists.
-- npm run migrate:commit -- "what it does" makes it the next of migrations/committed/.

-- A check of a table that every posting writes is parsed by every posting. The currency of an account
-- is checked where its terms are kept, which never change.
do $checks$
begin
  if exists (
    select
    from pg_constraint
    where conrelid = 'saldo.account'::regclass
    and conname = 'account_currency_is_iso_4217_like'
  ) then
    alter table saldo_private.account_terms add constraint
      account_terms_currency_is_iso_4217_like check (currency ~ '^[A-Z]{3}$');
    alter table saldo.account drop constraint account_currency_is_iso_4217_like;
  end if;
end
$checks$;
