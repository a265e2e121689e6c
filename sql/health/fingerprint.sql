-- Fingerprints: sums in which every account and every entry has a random weight.
--
-- Private: debit_weight, credit_weight, entry_weight, line_fingerprint, movement_fingerprint.
-- Two sets of amounts have the same fingerprint when they are the same, account by account, and
-- otherwise once in 2^31, however many differ: one number says what a comparison one by one would.
-- (R. Freivalds 1977 checks products of matrices like this.) The weights come from a hash with a
-- random seed, so that nobody can plan for them.

create or replace function saldo_private.debit_weight(account_id bigint, seed bigint)
returns bigint
language sql
immutable
parallel safe
as $$
  select hashint8extended(account_id, seed) & 2147483647
$$;
comment on function saldo_private.debit_weight is
  'Weight of an account''s debits, and of its lines: below 2^31.';

create or replace function saldo_private.credit_weight(account_id bigint, seed bigint)
returns bigint
language sql
immutable
parallel safe
as $$
  select hashint8extended(account_id, ~ seed) & 2147483647
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
    coalesce(sum(saldo_private.debit_weight(p.account_id, seed) * p.line_count), 0)
  )::saldo_private.fingerprint
  from saldo_private.posted_movement as p
  where p.month = movement_fingerprint.month
$$;
comment on function saldo_private.movement_fingerprint is
  'Fingerprint of what all accounts'' months say.';
