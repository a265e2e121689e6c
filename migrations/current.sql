-- The migration at hand: tables, types, indexes and changes of data, as saldo_owner. It is run at
-- each start and each save of npm run dev, so write what can be run again: create table if not exists.
-- npm run migrate:commit -- "what it does" makes it the next of migrations/committed/.

-- Writes past the engine: a worker of logical replication runs no statement.
-- squawk-ignore ban-drop-not-null
alter table saldo.guard_event alter column statement drop not null;
-- Causes that are told from the rows themselves, where nobody recorded a write.
alter type saldo.finding_cause add value if not exists 'cache_forced' before 'rule_failed';
alter type saldo.finding_cause add value if not exists 'record_changed' before 'rule_failed';
alter type saldo.finding_cause add value if not exists 'engine_changed' before 'rule_failed';
alter type saldo.finding_cause add value if not exists 'work_stopped' before 'rule_failed';
-- Evidence that rows are as the engine wrote them: seals, stretches and contested rows.
create table if not exists saldo_private.row_seal (
  number bigint not null,
  source text not null,
  row_count bigint not null,
  rows_hash bytea not null,
  previous_hash bytea,
  hash bytea not null,
  sealed_at timestamptz not null,
  sealed_by text not null,
  reason text,
  constraint row_seal_pkey primary key (number),
  constraint row_seal_first_has_none_before check ((number = 1) = (previous_hash is null))
);
create table if not exists saldo_private.row_seal_progress (
  id integer not null,
  cluster text,
  sealed_until xid8 not null default '0',
  is_catching_up boolean not null default true,
  head_number bigint not null default 0,
  head_hash bytea,
  constraint row_seal_progress_pkey primary key (id),
  constraint row_seal_progress_has_one_row check (id = 1)
);
insert into saldo_private.row_seal_progress (id)
values (1)
on conflict do nothing;
create table if not exists saldo_private.sealed_stretch (
  account_id bigint not null,
  slot_no integer not null,
  last_seq bigint not null,
  seal_number bigint not null,
  first_seq bigint not null,
  debit saldo.total not null,
  credit saldo.total not null,
  hash bytea,
  pruned_at timestamptz,
  constraint sealed_stretch_pkey primary key (account_id, slot_no, last_seq, seal_number),
  constraint sealed_stretch_is_not_empty check (last_seq >= first_seq)
);
create index if not exists sealed_stretch_seal_number_idx
  on saldo_private.sealed_stretch (seal_number);
create table if not exists saldo_private.contested_row (
  account_id bigint not null,
  source text not null,
  slot_no integer not null,
  contested_at timestamptz not null,
  constraint contested_row_pkey primary key (account_id, source, slot_no)
);
-- retention: how far each table has been gone through for what is older than it is kept
create table if not exists saldo.retention_progress (
  table_name text primary key,
  next_block bigint not null default 0,
  deleted_count bigint not null default 0,
  deleted_until timestamptz,
  started_at timestamptz not null,
  moved_at timestamptz not null,
  finished_at timestamptz,
  failure text
);

-- What a keyed request made is there once, even where the record of its key is lost. Rows that are
-- older than these indexes may be doubled by such a loss; they must not stand in the way of a start.
-- squawk-ignore require-concurrent-index-creation
create unique index if not exists journal_entry_is_posted_once_per_key
  on saldo.journal_entry (idempotency_key, source)
  where idempotency_key is not null
    and recorded_at >= '2026-11-01 00:00:00+00'
    and source not in ('purchase', 'deposit', 'adjust_balance', 'capture_hold');
-- squawk-ignore require-concurrent-index-creation
create unique index if not exists sub_balance_is_submitted_once_per_key
  on saldo.sub_balance (account_id, idempotency_key, hold_id) nulls not distinct
  where idempotency_key is not null and created_at >= '2026-11-01 00:00:00+00';
-- squawk-ignore require-concurrent-index-creation
create unique index if not exists hold_is_placed_once_per_key
  on saldo.hold (account_id, idempotency_key)
  where idempotency_key is not null and created_at >= '2026-11-01 00:00:00+00';
-- squawk-ignore require-concurrent-index-creation
create unique index if not exists purchase_is_made_once_per_key
  on saldo.purchase (account_id, idempotency_key)
  where idempotency_key is not null and created_at >= '2026-11-01 00:00:00+00';
-- squawk-ignore require-concurrent-index-creation
create unique index if not exists deposit_is_recorded_once_per_key
  on saldo.deposit (idempotency_key)
  where idempotency_key is not null and recorded_at >= '2026-11-01 00:00:00+00';
-- How many rows of a registered rule differ, and who has approved that it heals.
create table if not exists saldo.registered_rule_result (
  rule text not null
    constraint registered_rule_result_rule_fkey
    references saldo.balance_rule (name) on delete cascade,
  check_run_id uuid not null
    constraint registered_rule_result_check_run_id_fkey
    references saldo.check_run (id) on delete cascade deferrable initially deferred,
  definition_hash text not null,
  row_count bigint not null,
  differing_count bigint not null,
  constraint registered_rule_result_pkey primary key (rule, check_run_id),
  constraint registered_rule_result_counts_are_counts check (
    differing_count >= 0 and row_count >= differing_count
  )
);
create index if not exists registered_rule_result_check_run_id_idx
  on saldo.registered_rule_result (check_run_id);

create table if not exists saldo.rule_approval (
  id uuid constraint rule_approval_pkey primary key,
  rule text not null
    constraint rule_approval_rule_fkey references saldo.balance_rule (name),
  definition_hash text not null,
  check_run_id uuid not null,
  row_count bigint not null,
  differing_count bigint not null,
  reason text not null,
  approved_by text not null,
  approved_at timestamptz not null default clock_timestamp(),
  withdrawn_by text,
  withdrawn_at timestamptz,
  constraint rule_approval_withdrawal_is_whole check (
    num_nonnulls(withdrawn_by, withdrawn_at) in (0, 2)
  )
);
create index if not exists rule_approval_rule_idx on saldo.rule_approval (rule);

alter table saldo.heal_policy
  add column if not exists max_percent numeric
  constraint heal_policy_max_percent_is_a_share check (max_percent between 0 and 100);
-- A full check in slices that came with a dump is begun anew.
alter table saldo.check_progress add column if not exists cluster text;

-- Refunds of a part of a purchase.
alter type saldo.purchase_status add value if not exists 'partially_refunded' before 'refunded';

create table if not exists saldo.purchase_refund (
  account_id bigint not null,
  entry_id uuid not null,
  purchase_id uuid not null,
  amount saldo.amount not null
    constraint purchase_refund_amount_is_positive check (amount > 0),
  restocked_quantity integer not null
    constraint purchase_refund_restocked_quantity_is_not_negative check (restocked_quantity >= 0),
  reason text not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  constraint purchase_refund_pkey primary key (account_id, entry_id),
  constraint purchase_refund_account_id_purchase_id_fkey
    foreign key (account_id, purchase_id) references saldo.purchase (account_id, id)
);
create index if not exists purchase_refund_account_id_purchase_id_idx
  on saldo.purchase_refund (account_id, purchase_id);

-- By the states that are not paid: a value that was added just now cannot be named here yet. The
-- constraint that it takes the place of was proven of all rows, so that this one holds of them too.
alter table saldo.purchase drop constraint if exists purchase_paid_one_has_its_entry;
-- squawk-ignore constraint-missing-not-valid
alter table saldo.purchase add constraint purchase_paid_one_has_its_entry check (
  num_nonnulls(entry_id, completed_at) = case when status in ('pending', 'failed') then 0 else 2 end
);
create table if not exists saldo_private.sealed_record (
  source text not null,
  owner_id bigint not null,
  id uuid not null,
  seal_number bigint not null,
  account_id bigint not null,
  changed_in xid8,
  hash bytea,
  constraint sealed_record_pkey primary key (source, owner_id, id, seal_number)
);
create index if not exists sealed_record_account_id_idx
  on saldo_private.sealed_record (account_id, source);
create index if not exists sealed_record_seal_number_idx
  on saldo_private.sealed_record (seal_number);
-- Of rows that are there already the column is null: these indexes are made by one look at each
-- table, and have nothing in them.
alter table saldo.hold add column if not exists changed_in xid8;
alter table saldo.hold alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists hold_changed_in_idx on saldo.hold (changed_in)
  where changed_in is not null;
alter table saldo.purchase add column if not exists changed_in xid8;
alter table saldo.purchase alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists purchase_changed_in_idx on saldo.purchase (changed_in)
  where changed_in is not null;
alter table saldo.stock_item add column if not exists changed_in xid8;
alter table saldo.stock_item alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists stock_item_changed_in_idx on saldo.stock_item (changed_in)
  where changed_in is not null;
alter table saldo.deposit add column if not exists changed_in xid8;
alter table saldo.deposit alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists deposit_changed_in_idx on saldo.deposit (changed_in)
  where changed_in is not null;
alter table saldo.reading add column if not exists changed_in xid8;
alter table saldo.reading alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists reading_changed_in_idx on saldo.reading (changed_in)
  where changed_in is not null;
alter table saldo.rated_line add column if not exists changed_in xid8;
alter table saldo.rated_line alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists rated_line_changed_in_idx on saldo.rated_line (changed_in)
  where changed_in is not null;
alter table saldo.settlement add column if not exists changed_in xid8;
alter table saldo.settlement alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists settlement_changed_in_idx on saldo.settlement (changed_in)
  where changed_in is not null;
-- The build's record: in words, and with what stands beside the engine on purpose.
alter table saldo_private.built_object add column if not exists definition text;
alter table saldo_private.built_object add column if not exists standing text not null default 'own';
create table if not exists saldo.configuration_acceptance (
  id uuid primary key,
  key text not null,
  stored text not null,
  is_withdrawn boolean not null,
  reason text not null,
  accepted_by text not null,
  accepted_at timestamptz not null
);

-- Values that decide what is right, as the engine has set them.
create table if not exists saldo.setting_change (
  id uuid primary key,
  number bigint generated always as identity,
  name text not null,
  value text not null,
  changed_by text not null,
  changed_at timestamptz not null
);
create table if not exists saldo_private.account_terms (
  account_id bigint primary key,
  code text not null,
  type saldo.account_type not null,
  currency text not null,
  min_balance numeric
);
insert into saldo_private.account_terms (account_id, code, type, currency, min_balance)
select id, code, type, currency, min_balance
from saldo.account
where not exists (select from saldo_private.account_terms);
