-- The verified point: up to which transaction the journal has been checked, and what the accounts
-- and months came to by then. From there on an incremental check looks at what was posted since.
--
-- Private: known_snapshot, lock_verified_point, move_verified_point, set_verified_point; tables
-- verified_point, verified_total, verified_month.
-- The figures follow from the lines that were checked, never from stored totals: a drift that
-- exists stays a suspect. Unknown figures are summed up from the lines once, by the next
-- incremental check: of accounts that were suspect, and of months with their first new postings.
-- Full checks and seals find what was changed among lines that were checked before.
-- Transaction numbers mean nothing in another cluster: there no point is known.

create or replace function saldo_private.known_snapshot()
returns pg_snapshot
language sql
stable
as $$
  select p.snapshot::pg_snapshot
  from saldo_private.verified_point as p
  where p.id = 1
  and p.cluster = (select saldo_private.current_cluster())
$$;
comment on function saldo_private.known_snapshot is
  'Snapshot of the verified point; null when there is none, or it is of another cluster.';

create or replace function saldo_private.lock_verified_point()
returns boolean
language sql
as $$
  select not exists (
    -- What this transaction has posted itself is in no snapshot yet.
    select
    from saldo.journal_entry as e
    where e.posted_in = pg_current_xact_id_if_assigned()
  )
  and current_setting('transaction_isolation') = 'read committed'
  and pg_try_advisory_xact_lock(saldo_private.verified_point_lock(), 0)
$$;
comment on function saldo_private.lock_verified_point is
  'Whether this transaction may move the verified point: nobody else is about to, and it has '
  'posted nothing.';

create or replace function saldo_private.move_verified_point(
  snapshot pg_snapshot,
  line_count bigint,
  totals saldo_private.verified_total[],
  months saldo_private.verified_month[],
  suspect_months date[]
)
returns void
language sql
as $$
  with totals_set as (
    insert into saldo_private.verified_total (account_id, debit_total, credit_total)
    select t.account_id, t.debit_total, t.credit_total
    from unnest(totals) as t
    on conflict on constraint verified_total_pkey do update
    set debit_total = excluded.debit_total,
      credit_total = excluded.credit_total
  ),
  months_set as (
    insert into saldo_private.verified_month (month, amount, line_count)
    select m.month, m.amount, m.line_count
    from unnest(months) as m
    on conflict on constraint verified_month_pkey do update
    set amount = excluded.amount,
      line_count = excluded.line_count
  ),
  forgotten as (
    -- Its sum at another point could fit by chance with what is missing since.
    delete from saldo_private.verified_month as v
    where v.month = any (suspect_months)
  )
  update saldo_private.verified_point as p
  set snapshot = move_verified_point.snapshot,
    verified_at = clock_timestamp(),
    line_count = p.line_count + move_verified_point.line_count
  where p.id = 1
$$;
comment on function saldo_private.move_verified_point is
  'Moves the point to a snapshot, by what was looked at; of suspect months nothing is known.';

create or replace function saldo_private.set_verified_point(
  full_started_at timestamptz,
  line_count bigint,
  suspect_ids bigint[]
)
returns void
language sql
as $$
  -- One statement, as above. What differs is written, no more.
  with total as materialized (
    select t.account_id,
      case when t.account_id = any (suspect_ids) then null else t.debit_total end as debit_total,
      case when t.account_id = any (suspect_ids) then null else t.credit_total end as credit_total
    from saldo_private.account_total as t
  ),
  changed as (
    update saldo_private.verified_total as v
    set debit_total = t.debit_total,
      credit_total = t.credit_total
    from total as t
    where t.account_id = v.account_id
    and (t.debit_total, t.credit_total) is distinct from (v.debit_total, v.credit_total)
  ),
  added as (
    insert into saldo_private.verified_total (account_id, debit_total, credit_total)
    select t.account_id, t.debit_total, t.credit_total
    from total as t
    where not exists (
      select from saldo_private.verified_total as v where v.account_id = t.account_id
    )
    -- A sort reads all before the first is written: the table may be planned as an empty one.
    order by t.account_id
  ),
  forgotten as (
    -- Of other weights.
    delete from saldo_private.verified_month
  )
  update saldo_private.verified_point as p
  set seed = hashint8extended((random() * 1e15)::bigint, 0),
    cluster = saldo_private.current_cluster(),
    snapshot = pg_current_snapshot(),
    full_started_at = set_verified_point.full_started_at,
    verified_at = clock_timestamp(),
    line_count = set_verified_point.line_count
  where p.id = 1
$$;
comment on function saldo_private.set_verified_point is
  'What the accounts come to now, at the end of a full check that suspects these accounts.';

select saldo_private.secure_table('saldo_private.verified_point');
select saldo_private.secure_table('saldo_private.verified_total');
select saldo_private.secure_table('saldo_private.verified_month');

comment on table saldo_private.verified_point is
  'One row: up to where the journal has been checked.';
comment on column saldo_private.verified_point.id is 'Always 1: there is one row.';
comment on column saldo_private.verified_point.seed is
  'Seed of the weights in verified_month; every full check takes another.';
comment on column saldo_private.verified_point.cluster is
  'System identifier of the cluster whose transaction numbers these are.';
comment on column saldo_private.verified_point.snapshot is
  'Whose postings have been checked (pg_snapshot); null = no full check yet.';
comment on column saldo_private.verified_point.full_started_at is
  'When the full check began that the point goes back to.';
comment on column saldo_private.verified_point.verified_at is 'When the last check set it.';
comment on column saldo_private.verified_point.line_count is
  'Number of journal lines that were checked.';
comment on table saldo_private.verified_total is
  'What an account''s lines sum up to at the verified point.';
comment on column saldo_private.verified_total.account_id is 'Account whose lines they are.';
comment on column saldo_private.verified_total.debit_total is
  'Sum of its debits; null = unknown, it was suspect.';
comment on column saldo_private.verified_total.credit_total is 'Sum of its credits; null as well.';
comment on table saldo_private.verified_month is
  'Fingerprint of all accounts'' lines of a month at the verified point; none = unknown.';
comment on column saldo_private.verified_month.month is 'First day of the month.';
comment on column saldo_private.verified_month.amount is 'Sum of amounts times weights.';
comment on column saldo_private.verified_month.line_count is 'Sum of the weights of the lines.';
