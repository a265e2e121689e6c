-- Advisory locks: their classes, by name, and the order in which they are taken.
--
-- Private: the functions below, one a class. A class is the first of two integers, with what it
-- locks as the second (0 where there is only one), or one bigint. The only other place of these
-- numbers is src/database/locks.ts, which a test holds equal to this file.
-- Numbers guard servers of different versions against each other: none is given a new meaning.
--
-- The order. The holder of a lock waits only for locks further down; a tried lock never waits.
-- 1. migration, then worker: of sessions, outside of any transaction of the engine.
-- 2. maintenance (tried), check, verified point (tried), alert evaluation (tried).
-- Who keeps a year tries all that it takes: closing, years, posting months. It waits for nobody.
-- 3. closing.
-- 4. rating, then the rows of customers in the order of their accounts.
-- 5. rows of saldo.branch, ascending: no advisory locks, but they have their place in this order.
-- 6. posting month, ascending.
-- 7. gather, ascending by account, then slots, stripes and accounts as posting.sql says.
-- 8. years, shared by whoever folds stripes; stripes, stripe and slot (tried): to make a row that
-- others may be making.
-- A rule's query and trial are shared by all and wait for nobody: they are marks, not locks.

create or replace function saldo_private.migration_lock()
returns bigint
language sql
immutable
parallel safe
as $$
  select 7246002
$$;
comment on function saldo_private.migration_lock is
  'Lock of a session, alone: one server brings the database up to date, others wait.';

create or replace function saldo_private.worker_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7246
$$;
comment on function saldo_private.worker_lock is
  'Lock class of a session, with the hash of a worker''s name: who holds it lives, and its jobs '
  'are its own.';

create or replace function saldo_private.maintenance_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7241
$$;
comment on function saldo_private.maintenance_lock is
  'Lock class, with 0: one heal or maintenance at a time, so that no key is healed twice.';

create or replace function saldo_private.check_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7242
$$;
comment on function saldo_private.check_lock is
  'Lock class, with 0: one slice of a check that goes on in steps at a time; the next one waits '
  'and takes the slice after it.';

create or replace function saldo_private.verified_point_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7243
$$;
comment on function saldo_private.verified_point_lock is
  'Lock class, with 0: one check moves the verified point; another runs without moving it.';

create or replace function saldo_private.alert_evaluation_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7244
$$;
comment on function saldo_private.alert_evaluation_lock is
  'Lock class, with 0: one evaluation of alerts at a time; another is skipped.';

create or replace function saldo_private.closing_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7245
$$;
comment on function saldo_private.closing_lock is
  'Lock class, with 0: a call that closes, locks or reopens a period is alone, so that periods '
  'change one after the other.';

create or replace function saldo_private.rating_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7248
$$;
comment on function saldo_private.rating_lock is
  'Lock class, with 0: shared by whoever rates some customers, alone for whoever changes what all '
  'of them are rated by.';

create or replace function saldo_private.posting_month_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7247
$$;
comment on function saldo_private.posting_month_lock is
  'Lock class, with a month''s number: shared by whoever posts in the month or about it, alone for '
  'whoever closes it, so that nothing is under way when its figures are sealed.';

create or replace function saldo_private.years_lock()
returns integer
language sql
immutable
parallel safe
as $$
  select 7249
$$;
comment on function saldo_private.years_lock is
  'Lock class, with 0: shared by whoever hands on to months what is in stripes, alone for whoever '
  'adds up the months of a year, and then waits for nobody.';

create or replace function saldo_private.gather_lock(account_id bigint)
returns bigint
language sql
immutable
parallel safe
as $$
  select hashtextextended('saldo gather ' || account_id::text, 0)
$$;
comment on function saldo_private.gather_lock is
  'Lock of an account: one writer at a time gathers the funds of all its slots. A writer that '
  'waits here holds no slot.';

create or replace function saldo_private.stripes_lock(account_id bigint, month date)
returns bigint
language sql
stable
parallel safe
as $$
  select hashtextextended('saldo stripes ' || account_id::text || ' ' || month::text, 0)
$$;
comment on function saldo_private.stripes_lock is
  'Lock of an account and month, only tried: who makes the month''s stripes is not waited for.';

create or replace function saldo_private.stripe_lock(
  account_id bigint,
  month date,
  stripe_no integer
)
returns bigint
language sql
stable
parallel safe
as $$
  select hashtextextended(
    'saldo stripe ' || account_id::text || ' ' || month::text || ' ' || stripe_no::text, 0
  )
$$;
comment on function saldo_private.stripe_lock is
  'Lock of a stripe''s number, only tried: who adds it is not waited for, the next number is '
  'tried.';

create or replace function saldo_private.slot_lock(account_id bigint, slot_no integer)
returns bigint
language sql
immutable
parallel safe
as $$
  select hashtextextended('saldo slot ' || account_id::text || ' ' || slot_no::text, 0)
$$;
comment on function saldo_private.slot_lock is
  'Lock of a slot''s number, only tried: who adds it is not waited for, the next number is tried.';

-- In the schema of the sandbox, whose owner sees no other.
create or replace function saldo_rule.query_lock()
returns integer
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select 7251
$$;
comment on function saldo_rule.query_lock is
  'Lock class, with the second at which it began: marks a session in which a check or heal runs a '
  'rule''s query, so that a worker can stop it.';

create or replace function saldo_rule.trial_lock()
returns integer
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select 7252
$$;
comment on function saldo_rule.trial_lock is
  'The same of a query that is tried when its rule is registered.';
