--! Previous: sha1:580311462d5d5a90eb3e0cf18b2933aee46df6e9
--! Hash: sha1:6831acec371f80f7a3f8b1e9bfb84b4a4ed3af59
--! Message: totals of years, where accounts of debts are looked up, the currency checked where terms are kept

set local role saldo_owner;

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

-- Totals of years beside those of months, and the last year that has them.
alter table saldo_private.book_state add column if not exists years_through date
  constraint book_state_years_end_with_december
  check (extract(month from years_through) = 12 and extract(day from years_through) = 31);
-- One row is written anew.
alter table saldo_private.book_state add column if not exists usual_from timestamptz
  -- squawk-ignore adding-field-with-default
  generated always as (
    ((greatest(closed_through, years_through) + 1)::timestamp + interval '14 hours')
      at time zone 'UTC'
  ) stored;

create table if not exists saldo_private.year_movement (
  account_id bigint not null,
  year integer not null,
  debit saldo.total not null default 0,
  credit saldo.total not null default 0,
  line_count bigint not null default 0,
  primary key (account_id, year)
);
-- Where the index is there, nothing is to be locked.
do $index$
begin
  if to_regclass('saldo_private.year_movement_year_idx') is null then
    create index year_movement_year_idx on saldo_private.year_movement (year);
  end if;
end
$index$;

-- Months that lie one after the other, as whole years and what is left over at both ends.
do $types$
begin
  if to_regtype('saldo_private.month_span') is null then
    create type saldo_private.month_span as (
      from_year integer,
      before_year integer,
      head_from date,
      head_before date,
      is_head_less boolean,
      tail_from date,
      tail_before date,
      is_tail_less boolean
    );
  end if;
end
$types$;

-- The account of a member's debts is looked up by what was posted to it. Where the index is there,
-- nothing is to be locked.
do $index$
begin
  if to_regclass('saldo.member_debt_account_id_idx') is null then
    create index member_debt_account_id_idx on saldo.member (debt_account_id)
      where debt_account_id is not null;
  end if;
end
$index$;

reset role;
