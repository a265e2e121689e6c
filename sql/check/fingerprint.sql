-- Fingerprints: sums in which every account and every entry has a random weight.
--
-- Private: debit_weight, credit_weight, entry_weight, line_fingerprint, movement_fingerprint,
-- month_or_beyond, days_of_month.
-- Two sets of amounts have the same fingerprint when they are the same, account by account, and
-- otherwise once in 2^31, however many differ: one number says what a comparison one by one would.
-- (R. Freivalds 1977 checks products of matrices like this.) The weights come from a hash with a
-- random seed, so nobody can plan a change that they do not see.

create or replace function saldo_private.debit_weight(account_id bigint, seed bigint)
returns bigint
language sql
immutable
parallel safe
as $$
  -- By itself the hash has the same value for ids that are 2^32 apart.
  select hashint8extended(account_id, seed # (account_id >> 32)) & 2147483647
$$;
comment on function saldo_private.debit_weight is
  'Weight of an account''s debits, and of its lines: below 2^31.';

create or replace function saldo_private.credit_weight(account_id bigint, seed bigint)
returns bigint
language sql
immutable
parallel safe
as $$
  select hashint8extended(account_id, ~ seed # (account_id >> 32)) & 2147483647
$$;
comment on function saldo_private.credit_weight is 'Weight of an account''s credits: below 2^31.';

create or replace function saldo_private.entry_weight(entry_id uuid, seed bigint)
returns bigint
language sql
immutable
parallel safe
as $$
  select uuid_hash_extended(entry_id, seed) & 2147483647
$$;
comment on function saldo_private.entry_weight is 'Weight of an entry: below 2^31.';

create or replace function saldo_private.line_fingerprint(month date, seed bigint)
returns saldo_private.fingerprint
language sql
stable
as $$
  select (
    -- Half of all amounts are 0, and to multiply these takes as long.
    coalesce(sum(l.debit * saldo_private.debit_weight(l.account_id, seed))
      filter (where l.debit <> 0), 0)
      + coalesce(sum(l.credit * saldo_private.credit_weight(l.account_id, seed))
        filter (where l.credit <> 0), 0),
    coalesce(sum(saldo_private.debit_weight(l.account_id, seed)), 0)
  )::saldo_private.fingerprint
  from saldo.journal_line as l
  where l.posting_date between month and (month + interval '1 month - 1 day')::date
$$;
comment on function saldo_private.line_fingerprint is 'Fingerprint of the lines of a month.';

create or replace function saldo_private.movement_fingerprint(month date, seed bigint)
returns saldo_private.fingerprint
language sql
stable
as $$
  select (
    coalesce(sum(p.debit * saldo_private.debit_weight(p.account_id, seed)
      + p.credit * saldo_private.credit_weight(p.account_id, seed)), 0),
    coalesce(sum(saldo_private.debit_weight(p.account_id, seed) * p.line_count::numeric), 0)
  )::saldo_private.fingerprint
  from saldo_private.posted_movement as p
  where p.month = movement_fingerprint.month
$$;
comment on function saldo_private.movement_fingerprint is
  'Fingerprint of what all accounts'' months say.';

create or replace function saldo_private.month_or_beyond(on_date date)
returns date
language sql
immutable
parallel safe
as $$
  select case when on_date between '1900-01-01' and '9999-12-31'
    then saldo_private.month_of(on_date) else 'infinity' end
$$;
comment on function saldo_private.month_or_beyond is
  'Month of a date; infinity stands for all dates on which nothing can be posted, and of which '
  'some have no month.';

create or replace function saldo_private.days_of_month(month date)
returns table (starts_on date, ends_on date)
language sql
immutable
as $$
  select days.starts_on, days.ends_on
  from (
    values (month, case when isfinite(month) then (month + interval '1 month - 1 day')::date end),
      ('-infinity', case when not isfinite(month) then '1899-12-31'::date end),
      ('10000-01-01', case when not isfinite(month) then 'infinity'::date end)
  ) as days (starts_on, ends_on)
  where days.ends_on is not null
$$;
comment on function saldo_private.days_of_month is
  'First and last day of a month, or of the times beyond all months.';

comment on type saldo_private.fingerprint is
  'Lines or months of accounts, summed up with a weight for each account.';
