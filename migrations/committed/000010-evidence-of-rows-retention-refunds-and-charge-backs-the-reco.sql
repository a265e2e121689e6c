--! Previous: sha1:c85ab0eb6335377f650296f00502f953655f3467
--! Hash: sha1:cd65aa79e2a06d20c9f321b14bbfa900664701e5
--! Message: evidence of rows, retention, refunds and charge-backs, the record of what is built, branches

set local role saldo_owner;

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
alter table saldo.purchase_refund add column if not exists changed_in xid8;
alter table saldo.purchase_refund alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists purchase_refund_changed_in_idx on saldo.purchase_refund (changed_in)
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
-- branch: shops that keep their cash books without a network, and hand them over later.

do $types$
begin
  if to_regtype('saldo.branch_verdict') is null then
    create type saldo.branch_verdict as enum (
      'accepted', 'duplicate', 'conflict', 'quarantined', 'refused'
    );
    create type saldo.branch_device_state as enum ('ok', 'forked', 'closed');
    create type saldo.branch_row_kind as enum ('entry', 'void', 'count');
    create type saldo.branch_flow as enum ('IN', 'OUT');
    create type saldo_private.branch_arrival as (
      no integer,
      data jsonb,
      payload jsonb,
      row_id text,
      seq bigint,
      fault text,
      is_hash_right boolean,
      is_of_branch boolean,
      arrival_hash bytea,
      content_hash bytea
    );
    create type saldo.branch_gap as (
      branch_id bigint,
      branch_code text,
      device_id uuid,
      device_no integer,
      epoch_no integer,
      first_seq bigint,
      last_seq bigint,
      row_count bigint,
      known_since timestamptz
    );
    create type saldo.branch_suspense_move as (
      branch_id bigint,
      flow saldo.branch_flow,
      category text,
      account_id bigint,
      row_count bigint,
      amount numeric
    );
    create type saldo.branch_enrolment_code as (code text, expires_at timestamptz);
  end if;
end
$types$;

create table if not exists saldo.branch (
  id bigint generated always as identity primary key,
  code text not null unique
    constraint branch_code_is_printable check (code ~ '^[A-Z0-9][A-Z0-9-]{0,19}$'),
  name text not null,
  time_zone text not null,
  currency text not null,
  cash_account_id bigint not null unique references saldo.account (id),
  suspense_account_id bigint not null unique references saldo.account (id),
  created_at timestamptz not null default now()
);

create table if not exists saldo.posting_rule (
  id bigint generated always as identity primary key,
  branch_id bigint references saldo.branch (id),
  flow saldo.branch_flow not null,
  category text not null,
  account_id bigint not null references saldo.account (id),
  currency text not null,
  effective_from date not null,
  created_at timestamptz not null default now(),
  created_by text not null,
  removed_at timestamptz,
  removed_by text,
  constraint posting_rule_removed_one_says_by_whom check (
    (removed_at is null) = (removed_by is null)
  )
);
create unique index if not exists posting_rule_stands_once on saldo.posting_rule (
  flow, lower(category), currency, coalesce(branch_id, 0), effective_from
) where removed_at is null;

create table if not exists saldo.branch_device (
  id uuid primary key,
  branch_id bigint not null references saldo.branch (id),
  device_no integer not null,
  name text not null,
  program text not null,
  state saldo.branch_device_state not null default 'ok',
  state_reason text,
  state_changed_at timestamptz,
  verdict_no bigint not null default 0,
  protocol smallint,
  enrolled_at timestamptz not null default now(),
  last_push_at timestamptz,
  clock_offset_ms bigint,
  clock_boot text,
  unique (branch_id, device_no),
  constraint branch_device_state_has_its_reason check (
    (state = 'ok') = (num_nonnulls(state_reason, state_changed_at) = 0)
  )
);

create table if not exists saldo_private.branch_enrolment (
  code_hash bytea primary key,
  branch_id bigint not null references saldo.branch (id),
  created_at timestamptz not null default now(),
  created_by text not null,
  expires_at timestamptz not null,
  device_id uuid references saldo.branch_device (id)
);

create table if not exists saldo.branch_key (
  id text primary key,
  device_id uuid not null references saldo.branch_device (id),
  created_at timestamptz not null default clock_timestamp(),
  first_used_at timestamptz,
  last_used_at timestamptz,
  ended_at timestamptz,
  end_reason text,
  constraint branch_key_ended_one_has_its_reason check (
    (ended_at is null) = (end_reason is null)
  )
);
create index if not exists branch_key_device_id_idx on saldo.branch_key (device_id);
create table if not exists saldo_private.branch_key_secret (
  key_id text primary key references saldo.branch_key (id),
  secret_hash bytea not null
    constraint branch_key_secret_is_a_hash check (length(secret_hash) = 32)
);

create table if not exists saldo.centre_epoch (
  number bigint generated always as identity primary key,
  epoch uuid not null unique default gen_random_uuid(),
  began_at timestamptz not null default now(),
  reason text not null,
  begun_by text not null
);

create table if not exists saldo.branch_epoch (
  id bigint generated always as identity primary key,
  device_id uuid not null references saldo.branch_device (id),
  epoch uuid not null,
  epoch_no integer not null,
  previous_epoch uuid,
  previous_seq bigint,
  previous_hash text,
  began_at timestamptz not null default now(),
  ends_at_seq bigint,
  whole_to bigint not null default 0,
  told_seq bigint not null default 0,
  told_at timestamptz,
  unique (device_id, epoch)
);

create table if not exists saldo.branch_head (
  epoch_id bigint not null references saldo.branch_epoch (id),
  seq bigint not null,
  hash text not null,
  row_count bigint not null,
  in_total numeric not null,
  out_total numeric not null,
  told_at timestamptz not null default now(),
  primary key (epoch_id, seq, hash)
);

create table if not exists saldo.branch_gap_waiver (
  id bigint generated always as identity primary key,
  epoch_id bigint not null references saldo.branch_epoch (id),
  first_seq bigint not null,
  last_seq bigint not null,
  reason text not null,
  waived_at timestamptz not null default now(),
  waived_by text not null,
  constraint branch_gap_waiver_is_a_range check (first_seq between 1 and last_seq)
);
create index if not exists branch_gap_waiver_epoch_id_idx on saldo.branch_gap_waiver (epoch_id);

create table if not exists saldo.branch_intake (
  id bigint generated always as identity primary key,
  branch_id bigint not null references saldo.branch (id),
  device_id uuid not null references saldo.branch_device (id),
  epoch_id bigint references saldo.branch_epoch (id),
  seq bigint,
  row_id text,
  arrival_hash bytea not null,
  content_hash bytea not null,
  has_id boolean not null,
  has_place boolean not null,
  kind saldo.branch_row_kind,
  flow saldo.branch_flow,
  category text,
  amount saldo.amount,
  expected numeric,
  currency text,
  description text,
  occurred_at timestamptz,
  business_date date,
  cashier text,
  voids text,
  corrects text,
  reason text,
  prev_hash text,
  hash text,
  payload jsonb,
  verdict saldo.branch_verdict not null,
  verdict_reason text,
  verdict_no bigint not null,
  first_verdict saldo.branch_verdict not null,
  first_reason text,
  decided_at timestamptz,
  decided_by text,
  decision_note text,
  posting_rule_id bigint references saldo.posting_rule (id),
  account_id bigint,
  is_suspense boolean not null default false,
  entry_id uuid,
  repost_entry_id uuid,
  voided_by bigint references saldo.branch_intake (id),
  received_at timestamptz not null default now(),
  unique (device_id, arrival_hash),
  constraint branch_intake_decided_one_says_by_whom check (
    (decided_at is null) = (decided_by is null)
  ),
  constraint branch_intake_posted_one_is_accepted check (
    entry_id is null or verdict in ('accepted', 'duplicate')
  )
);
create unique index if not exists branch_intake_row_id_is_had_once
  on saldo.branch_intake (branch_id, row_id) where has_id;
create unique index if not exists branch_intake_place_is_had_once
  on saldo.branch_intake (epoch_id, seq) where has_place;
create index if not exists branch_intake_device_id_verdict_no_idx
  on saldo.branch_intake (device_id, verdict_no);
create index if not exists branch_intake_branch_id_business_date_idx
  on saldo.branch_intake (branch_id, business_date);
create index if not exists branch_intake_entry_id_idx on saldo.branch_intake (entry_id);
create index if not exists branch_intake_open_idx
  on saldo.branch_intake (branch_id, id) where verdict in ('quarantined', 'conflict');
create index if not exists branch_intake_verdict_id_idx on saldo.branch_intake (verdict, id);
create index if not exists branch_intake_row_id_idx on saldo.branch_intake (row_id);
create index if not exists branch_intake_void_waits_idx
  on saldo.branch_intake (branch_id, voids)
  where verdict = 'quarantined' and verdict_reason = 'void_waits';
create index if not exists branch_intake_suspense_idx
  on saldo.branch_intake (branch_id, id) where is_suspense;

-- Charge-backs of top-ups, and the debts that they leave.
do $types$
begin
  if to_regtype('saldo.top_up_shortfall') is null then
    create type saldo.top_up_shortfall as enum ('refuse', 'debt', 'loss');
    alter type saldo.wallet_balance add attribute debt numeric;
  end if;
end
$types$;
alter type saldo.wallet_line_kind add value if not exists 'charge_back' before 'adjustment';
alter type saldo.wallet_line_kind add value if not exists 'debt_payment' before 'adjustment';
-- In no unique index: a write to it would then wait for purchases that refer to the member.
alter table saldo.member add column if not exists debt_account_id bigint;
create table if not exists saldo.top_up_reversal (
  top_up_entry_id uuid not null,
  entry_id uuid not null,
  member_id bigint not null,
  account_id bigint not null,
  amount saldo.amount not null
    constraint top_up_reversal_amount_is_positive check (amount > 0),
  wallet_amount saldo.amount not null,
  debt_amount saldo.amount not null,
  loss_amount saldo.amount not null,
  loss_account_id bigint,
  reason text not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  constraint top_up_reversal_pkey primary key (top_up_entry_id),
  constraint top_up_reversal_entry_id_key unique (entry_id),
  constraint top_up_reversal_member_id_fkey foreign key (member_id) references saldo.member (id),
  constraint top_up_reversal_parts_make_the_amount check (
    wallet_amount >= 0 and debt_amount >= 0 and loss_amount >= 0
    and wallet_amount + debt_amount + loss_amount = amount
  ),
  constraint top_up_reversal_loss_has_its_account check (
    (loss_amount > 0) = (loss_account_id is not null) and (loss_amount = 0 or debt_amount = 0)
  )
);
create index if not exists top_up_reversal_account_id_idx
  on saldo.top_up_reversal (account_id);
create index if not exists top_up_reversal_member_id_idx
  on saldo.top_up_reversal (member_id);

reset role;
