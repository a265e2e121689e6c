--! Previous: sha1:91dce902e84eb3bb7b78b92a1d91ece6835455ec
--! Hash: sha1:a9ade9453a1294d74936e38ed0cfce301560b7ae
--! Message: health and jobs

-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- health: checks that cost what is new, and full ones in slices

-- Numbers of transactions only grow, so that a posting adds at the right end of the index.
-- squawk-ignore require-concurrent-index-creation
create index journal_entry_posted_in_idx on saldo.journal_entry (posted_in);
-- The lines of a month lie together as a rule: block ranges cost a posting nothing.
-- squawk-ignore require-concurrent-index-creation
create index journal_line_posting_date_idx on saldo.journal_line using brin (posting_date)
  with (pages_per_range = 32);
-- For the rule over reversals: they are few.
-- squawk-ignore require-concurrent-index-creation
create index journal_entry_reversal_idx on saldo.journal_entry (id)
  where kind = 'reversal' or status = 'reversed';

-- For the rule over summary entries: one of thousands of entries is one.
-- squawk-ignore require-concurrent-index-creation
create index journal_entry_settlement_idx on saldo.journal_entry (id) where source = 'settlement';

create type saldo.check_scope as enum ('full', 'incremental');
create type saldo.rule_scope as enum ('whole', 'account', 'entry', 'journal');
create type saldo_private.check_slice as (starts_on date, ends_on date, line_count bigint);
create type saldo_private.sieve_result as (line_count bigint, account_ids bigint[]);
create type saldo_private.entry_sieve_result as (are_entries_suspect boolean, months date[]);
create type saldo_private.suspects as (
  line_count bigint,
  account_ids bigint[],
  entry_ids uuid[]
);

alter table saldo.balance_rule
  add column scope saldo.rule_scope not null default 'whole',
  add column is_incremental boolean not null default false;

alter table saldo.check_run
  add column scope saldo.check_scope not null default 'full',
  add column slice_count integer not null default 1,
  add column verified_at timestamptz,
  add column verified_line_count bigint;

create table saldo_private.verified_point (
  id integer primary key default 1,
  cluster text,
  snapshot text,
  full_started_at timestamptz,
  verified_at timestamptz,
  line_count bigint not null default 0,
  constraint verified_point_has_one_row check (id = 1)
);
insert into saldo_private.verified_point (id) values (1);

create table saldo_private.verified_total (
  account_id bigint primary key,
  debit_total saldo.total,
  credit_total saldo.total
);

create table saldo.check_progress (
  id uuid primary key,
  kind saldo.check_kind not null,
  actor text not null,
  started_at timestamptz not null,
  continued_at timestamptz not null,
  snapshot text not null,
  seed bigint not null,
  next_starts_on date not null,
  slice_count integer not null default 0,
  line_count bigint not null default 0,
  total_line_count bigint not null,
  account_ids bigint[] not null default '{}',
  entry_ids uuid[] not null default '{}'
);

drop function saldo_private.rule_entry_balance();
drop function saldo_private.rule_entry_lines();
drop function saldo_private.rule_orphan_line();
drop function saldo_private.rule_line_amount();
drop function saldo_private.rule_account_balance();
drop function saldo_private.rule_month_movement();
drop function saldo_private.run_check(saldo.check_kind);
drop function saldo_private.run_check__rule(uuid, saldo.balance_rule);
drop function saldo_private.register_builtin_rule(text, text, text, text, text, boolean);
drop function saldo_private.explain_finding(text, bigint, numeric);

-- metering: re-ratings as jobs, and the runs that recalculate stored months

create type saldo.rerating_status as enum ('waiting', 'running', 'done', 'failed');

create table saldo.rerating (
  id bigint generated always as identity primary key,
  operation text not null,
  version_id bigint,
  account_id bigint references saldo.customer (account_id),
  currency text,
  from_date date not null,
  status saldo.rerating_status not null default 'waiting',
  reading_count bigint not null,
  done_count bigint not null default 0,
  line_count bigint not null default 0,
  done_account_id bigint not null default 0,
  done_month date not null default '1900-01-01',
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  started_at timestamptz,
  moved_at timestamptz,
  finished_at timestamptz,
  error text,
  constraint rerating_finished_one_says_when
    check ((finished_at is not null) = (status in ('done', 'failed'))),
  constraint rerating_failed_one_says_why check ((error is not null) = (status = 'failed'))
);
create index rerating_status_idx on saldo.rerating (status, id);

create type saldo.monthly_sync_status as enum ('running', 'done', 'abandoned');

create table saldo.monthly_sync_run (
  id bigint generated always as identity primary key,
  is_forced boolean not null,
  status saldo.monthly_sync_status not null default 'running',
  customer_count bigint not null,
  done_count bigint not null default 0,
  done_customer_id bigint not null default 0,
  written_count bigint not null default 0,
  change_count bigint not null default 0,
  changes jsonb not null default '[]',
  started_at timestamptz not null default clock_timestamp(),
  started_by text not null,
  moved_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  constraint monthly_sync_run_finished_one_says_when
    check ((finished_at is not null) = (status <> 'running'))
);
create unique index monthly_sync_run_runs_once
  on saldo.monthly_sync_run (is_forced) where status = 'running';

alter type saldo.metering_status
  add attribute open_rerating_count bigint,
  add attribute rerating_left_count bigint,
  add attribute last_sync_at timestamptz,
  add attribute last_sync_change_count bigint,
  add attribute last_recalculation_at timestamptz,
  add attribute last_recalculation_change_count bigint;

create type saldo.health_summary_result as (
  check_run_id uuid,
  status saldo.check_status,
  scope saldo.check_scope,
  checked_at timestamptz,
  age_seconds numeric,
  line_count bigint,
  verified_line_count bigint,
  finding_count integer,
  account_count bigint,
  full_check_at timestamptz,
  unhealthy_since timestamptz,
  healed_count bigint
);
create type saldo.health_by_rule_row as (
  rule text,
  title text,
  room text,
  finding_count bigint,
  account_count bigint,
  difference_sum numeric,
  difference_max numeric,
  cause saldo.finding_cause,
  can_heal boolean
);
create type saldo.health_by_account_row as (
  account_id bigint,
  code text,
  currency text,
  finding_count bigint,
  rules text[],
  difference numeric,
  cause saldo.finding_cause,
  healed_count bigint
);
create type saldo.health_trend_row as (
  check_run_id uuid,
  kind saldo.check_kind,
  scope saldo.check_scope,
  status saldo.check_status,
  finished_at timestamptz,
  seconds numeric,
  line_count bigint,
  finding_count integer,
  finding_change integer,
  difference_sum numeric
);
create type saldo.health_event as (
  occurred_at timestamptz,
  what text,
  rule text,
  key text,
  difference numeric,
  text text,
  actor text
);

-- ledger: seals over the journal

create table saldo.journal_seal (
  number bigint primary key,
  month saldo.month_start not null,
  entry_count bigint not null,
  line_count bigint not null,
  entries_hash bytea not null,
  previous_hash bytea,
  hash bytea not null,
  sealed_at timestamptz not null,
  sealed_by text not null,
  constraint journal_seal_first_has_none_before check ((number = 1) = (previous_hash is null))
);
create index journal_seal_month_idx on saldo.journal_seal (month);

create table saldo.journal_seal_total (
  seal_number bigint not null,
  currency text not null,
  line_count bigint not null,
  debit saldo.total not null,
  credit saldo.total not null,
  primary key (seal_number, currency)
);

create table saldo.journal_seal_entry (
  seal_number bigint not null,
  entry_id uuid primary key,
  entry_part bytea not null,
  hash bytea not null
);
create index journal_seal_entry_seal_number_idx on saldo.journal_seal_entry (seal_number);

-- One row: how far the sealer is.
create table saldo_private.seal_progress (
  id integer primary key,
  cluster text,
  sealed_until xid8 not null default '0',
  catch_up_from xid8,
  head_number bigint not null default 0,
  head_hash bytea,
  entry_count bigint not null default 0,
  constraint seal_progress_has_one_row check (id = 1)
);
insert into saldo_private.seal_progress (id) values (1);

create type saldo.seal_status_result as (
  head_number bigint,
  head_hash text,
  sealed_at timestamptz,
  sealed_entry_count bigint,
  unsealed_entry_count bigint,
  oldest_unsealed_age_seconds numeric
);
create type saldo.journal_difference_kind as enum (
  'entry_changed', 'line_changed', 'line_missing', 'line_inserted', 'entry_missing',
  'entry_inserted', 'entry_doubled', 'seal_changed', 'seal_missing', 'chain_broken',
  'total_differs', 'entry_unbalanced', 'reversal_differs', 'account_differs', 'month_differs',
  'snapshot_differs'
);
create type saldo.journal_difference as (
  kind saldo.journal_difference_kind,
  key text,
  entry_id uuid,
  seal_number bigint,
  stored text,
  derived text
);

-- health: alerts, their delivery, and what the last check says of the balance sheet

create type saldo.alert_severity as enum ('info', 'warning', 'critical');
create type saldo.alert_event as enum ('opened', 'reminder', 'resolved', 'test');
create type saldo.alert_channel as enum ('webhook', 'email');
create type saldo.alert_evaluation as (
  is_skipped boolean,
  opened_count integer,
  reminded_count integer,
  resolved_count integer,
  open_count integer
);
create type saldo_private.alert_fact as (condition text, key text, text text, detail jsonb);

create table saldo.alert_condition (
  name text primary key,
  severity saldo.alert_severity not null,
  title text not null,
  advice text not null,
  is_watched boolean not null
);

create table saldo.alert (
  id uuid primary key,
  condition text not null references saldo.alert_condition (name),
  key text not null,
  severity saldo.alert_severity not null,
  title text not null,
  text text not null,
  detail jsonb not null default '{}',
  opened_at timestamptz not null,
  last_seen_at timestamptz not null,
  told_at timestamptz not null,
  resolved_at timestamptz,
  occurrence_count integer not null default 1,
  acknowledged_at timestamptz,
  acknowledged_by text,
  acknowledgement_note text,
  constraint alert_acknowledged_one_says_by_whom check (
    (acknowledged_at is null) = (acknowledged_by is null)
  ),
  constraint alert_is_resolved_after_it_opened check (resolved_at >= opened_at)
);
create unique index alert_condition_key_open_idx on saldo.alert (condition, key)
  where resolved_at is null;
create index alert_resolved_at_idx on saldo.alert (resolved_at);

create table saldo.alert_delivery (
  id uuid primary key,
  alert_id uuid not null references saldo.alert (id) on delete cascade,
  channel saldo.alert_channel not null,
  event saldo.alert_event not null,
  message jsonb not null,
  created_at timestamptz not null,
  next_attempt_at timestamptz not null,
  attempt_count integer not null default 0,
  last_attempt_at timestamptz,
  last_status integer,
  last_error text,
  delivered_at timestamptz,
  failed_at timestamptz,
  constraint alert_delivery_has_one_end check (delivered_at is null or failed_at is null)
);
create index alert_delivery_alert_id_idx on saldo.alert_delivery (alert_id, channel);
create index alert_delivery_channel_last_attempt_at_idx
  on saldo.alert_delivery (channel, last_attempt_at)
  where last_attempt_at is not null;
create index alert_delivery_pending_idx on saldo.alert_delivery (next_attempt_at)
  where delivered_at is null and failed_at is null;
create index alert_delivery_failed_idx on saldo.alert_delivery (channel)
  where failed_at is not null;

-- One row: who looked last, and when a worker was last seen.
create table saldo_private.alert_state (
  id integer primary key,
  created_at timestamptz not null,
  evaluated_at timestamptz,
  snapshot text,
  worker_seen_at timestamptz,
  constraint alert_state_has_one_row check (id = 1)
);
insert into saldo_private.alert_state (id, created_at) values (1, now());

create table saldo.check_total (
  check_run_id uuid not null references saldo.check_run (id) on delete cascade,
  currency text not null,
  total_assets numeric not null,
  total_liabilities numeric not null,
  total_equity numeric not null,
  is_valid boolean not null,
  primary key (check_run_id, currency)
);

create table saldo.check_rule_total (
  check_run_id uuid not null references saldo.check_run (id) on delete cascade,
  rule text not null references saldo.balance_rule (name),
  finding_count bigint not null,
  amount numeric not null,
  failure text,
  examples jsonb not null,
  primary key (check_run_id, rule)
);

alter type saldo.balance_health_result
  add attribute is_overdue boolean,
  add attribute rule_count integer,
  add attribute account_count bigint,
  add attribute line_count bigint;

-- Guard events are few, and the migration is one transaction: writers wait for one scan.
-- squawk-ignore require-concurrent-index-creation
create index guard_event_occurred_at_idx on saldo.guard_event (occurred_at);

-- health: rules over anyone's tables

-- What runs as saldo_rule_reader, apart from everything else of Saldo.
create schema saldo_rule;
grant usage on schema saldo_rule to saldo_rule_reader;

create type saldo.rule_heal as enum ('none', 'update', 'function');
create type saldo.rule_guard as enum ('none', 'record', 'refuse');
create type saldo.rule_outcome as enum ('registered', 'changed', 'unchanged', 'refused');
create type saldo.explanation_confidence as enum ('certain', 'likely', 'possible');
-- Used at run time only, after this transaction.
alter type saldo.finding_cause add value 'uncounted_items' before 'rule_failed';
alter type saldo.finding_cause add value 'doubled_item' before 'rule_failed';
alter type saldo.finding_cause add value 'unapplied_item' before 'rule_failed';
alter type saldo.finding_cause add value 'unrecorded_item' before 'rule_failed';

alter table saldo.balance_rule add column is_registered boolean not null default false;

create table saldo.registered_rule (
  name text primary key references saldo.balance_rule (name),
  stored_table text,
  key_column text,
  balance_column text,
  stored text not null,
  derived text not null,
  items text,
  tolerance numeric not null,
  heal saldo.rule_heal not null,
  heal_function text,
  guard saldo.rule_guard not null,
  writer_roles text[] not null,
  writer_applications text[] not null,
  guard_definition text,
  guard_insert_definition text,
  watched_triggers jsonb not null,
  registered_by text not null,
  registered_at timestamptz not null,
  constraint registered_rule_tolerance_is_a_number check (
    tolerance >= 0 and tolerance < 'Infinity'
  ),
  constraint registered_rule_table_is_whole check (
    num_nonnulls(stored_table, key_column, balance_column) in (0, 3)
  )
);

create table saldo.finding_explanation (
  finding_id uuid not null references saldo.finding (id) on delete cascade,
  rank smallint not null,
  cause saldo.finding_cause not null,
  confidence saldo.explanation_confidence not null,
  explanation text not null,
  evidence jsonb not null default '{}',
  primary key (finding_id, rank)
);

-- Of writes to tables that a registered rule guards.
alter table saldo.guard_event add column rule text;
alter table saldo.guard_event add column key text;
-- Few are recorded, and the migration is one transaction.
-- squawk-ignore require-concurrent-index-creation
create index guard_event_rule_idx on saldo.guard_event (rule, key) where rule is not null;

create type saldo.rule_result as (
  name text,
  outcome saldo.rule_outcome,
  error_code text,
  error_condition text,
  message text,
  detail text,
  hint text
);

-- ledger: accounts that nothing is posted to until a human has looked at them

alter table saldo.account
  add column frozen_at timestamptz,
  add column frozen_reason text;

create table saldo.account_freeze (
  account_id bigint not null references saldo.account (id),
  id uuid not null,
  frozen_at timestamptz not null,
  frozen_by text not null,
  reason text not null,
  finding_id uuid,
  evidence jsonb,
  unfrozen_at timestamptz,
  unfrozen_by text,
  unfreeze_reason text,
  primary key (account_id, id),
  constraint account_freeze_end_has_a_reason check (
    (unfrozen_at is null) = (unfreeze_reason is null)
  )
);
-- One that lasts, at most.
create unique index account_freeze_account_id_idx on saldo.account_freeze (account_id)
  where unfrozen_at is null;

-- health: what a heal may do by itself, what it proposes, what a human decides

alter type saldo.heal_outcome add value 'needs_approval' before 'refused';
alter type saldo.heal_outcome add value 'escalated' before 'refused';
alter type saldo.heal_outcome add value 'undone' after 'refused';

create type saldo.heal_proposal_status as enum ('proposed', 'approved', 'rejected', 'stale');

create table saldo.heal_policy (
  rule text primary key references saldo.balance_rule (name) on delete cascade,
  is_scheduled boolean not null,
  max_count bigint,
  max_amount numeric,
  max_amount_total numeric,
  set_by text not null,
  set_at timestamptz not null,
  constraint heal_policy_limits_are_not_negative check (
    max_count >= 0 and max_amount >= 0 and max_amount_total >= 0
  )
);

create table saldo.heal_proposal (
  id uuid primary key,
  heal_run_id uuid not null references saldo.heal_run (id) deferrable initially deferred,
  finding_id uuid not null,
  rule text not null references saldo.balance_rule (name),
  key text not null,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  before jsonb,
  after jsonb,
  is_escalated boolean not null,
  reason text not null,
  status saldo.heal_proposal_status not null default 'proposed',
  proposed_by text not null,
  proposed_at timestamptz not null default clock_timestamp(),
  decided_by text,
  decided_at timestamptz,
  decision_reason text,
  constraint heal_proposal_decision_has_a_reason check (
    (status = 'proposed') = (decision_reason is null)
  )
);
-- One that waits for a decision, at most.
create unique index heal_proposal_rule_key_idx on saldo.heal_proposal (rule, key)
  where status = 'proposed';
create index heal_proposal_heal_run_id_idx on saldo.heal_proposal (heal_run_id);
create index heal_proposal_account_id_idx on saldo.heal_proposal (account_id);

-- What a human decides is no part of a run, and an undone heal may be older than its finding.
alter table saldo.heal_action
  -- squawk-ignore ban-drop-not-null
  alter column heal_run_id drop not null,
  -- squawk-ignore ban-drop-not-null
  alter column finding_id drop not null,
  add column proposal_id uuid,
  add column undoes uuid;
-- Few heals were ever done, and the migration is one transaction: writers wait for one scan.
-- squawk-ignore require-concurrent-index-creation
create index heal_action_rule_key_idx on saldo.heal_action (rule, key, id);
-- squawk-ignore require-concurrent-index-creation
create unique index heal_action_undoes_idx on saldo.heal_action (undoes);
-- squawk-ignore require-concurrent-index-creation
create index heal_action_proposal_id_idx on saldo.heal_action (proposal_id);
-- squawk-ignore require-concurrent-index-creation
create index heal_action_finding_id_idx on saldo.heal_action (finding_id);

alter table saldo.heal_run
  add column needs_approval_count integer not null default 0,
  add column escalated_count integer not null default 0,
  add column frozen_count integer not null default 0;

create table saldo.balance_adjustment (
  account_id bigint not null references saldo.account (id),
  id uuid not null,
  entry_id uuid,
  difference_account_id bigint not null,
  finding_id uuid,
  balance_before numeric not null,
  journal_balance numeric not null,
  new_balance numeric not null,
  reason text not null,
  idempotency_key text,
  adjusted_by text not null,
  adjusted_at timestamptz not null default clock_timestamp(),
  primary key (account_id, id)
);
create index balance_adjustment_id_idx on saldo.balance_adjustment (id);

create type saldo_private.healed_key as (key text, before jsonb, after jsonb, refusal text);
create type saldo_private.planned_heal as (
  finding_id uuid,
  rule text,
  key text,
  account_id bigint,
  heal_function text,
  currency text,
  stored text,
  derived text,
  difference numeric,
  explanation text,
  is_journal_changed boolean,
  outcome text,
  reason text,
  before jsonb,
  after jsonb,
  proposal_id uuid
);

-- With many keys at a time.
drop function saldo_private.heal_account_balance(text);
drop function saldo_private.heal_month_movement(text);
drop function saldo_private.heal_held_total(text);
drop function saldo_private.heal_account_slot(text);
drop function saldo_private.heal_customer_month_total(text);
drop function saldo_private.auto_heal__refusal(saldo.finding, uuid);
drop function saldo_private.auto_heal__one(uuid, saldo.finding, text, boolean);
drop function saldo_private.run_heal__lock_slots(uuid);
drop function saldo_private.run_heal__follow_slots(uuid);
drop function saldo_private.run_heal(boolean);

drop function saldo_private.is_journal_changed(bigint);

-- The logic, room after room.
--! Included index.sql
-- The load order, and the table of contents. A room may use the rooms above it, never one below.

-- foundation: errors, settings, amounts and texts, the business calendar, who acts, retries
--! Included foundation/error.sql
-- Errors: one catalogue, one way to raise.
--
-- Public: saldo.error_code. Private: fail, secure_table.
-- A call site says the condition's name and what it saw; code, message and hint come from here.
-- Tests and clients rely on codes, never on texts. Numbers are not reused.
-- SB0 shared, SB1 ledger, SB2 hot, SB3 wallet, SB4 metering, SB5 branch, SB6 health.

create or replace function saldo_private.secure_table(secured_table regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter table %s enable row level security', secured_table);
  execute format('alter table %s force row level security', secured_table);
  if not exists (
    select
    from pg_catalog.pg_policy
    where polrelid = secured_table
    and polname = 'owner_all'
  ) then
    execute format(
      'create policy owner_all on %s to saldo_owner using (true) with check (true)',
      secured_table
    );
  end if;
end
$$;
comment on function saldo_private.secure_table is
  'Turns row level security on and forces it. Rows are then visible to the owner''s functions, and '
  'to others only by a policy of the table''s own concept file.';

insert into saldo.error_code (code, condition, message, hint, http_status) values
  ('SB001', 'insufficient_balance', 'The balance is not sufficient.',
    'Top up, or take a smaller amount; DETAIL tells what is available.', 409),
  ('SB002', 'amount_invalid', 'The amount is not a positive number.',
    'Give a positive decimal number such as 150000 or 12.50.', 400),
  ('SB003', 'amount_scale', 'The amount has more than 2 decimals.',
    'Round it before the call: Saldo never rounds money on its own.', 400),
  ('SB004', 'amount_out_of_range', 'The amount is too large.',
    'An amount stays below 1,000,000,000,000,000.', 400),
  ('SB005', 'idempotency_conflict',
    'The idempotency key was used before with another content.',
    'Use a new key for a new request; repeat the old content to get the old result.', 409),
  ('SB006', 'forbidden', 'You may not do this.',
    'Ask an administrator, or call with a token whose role allows it.', 403),
  ('SB007', 'not_found', 'There is no such thing, or it is not yours.',
    'Check the id.', 404),
  ('SB008', 'text_invalid', 'The text has characters that are not allowed.',
    'Remove control characters and broken Unicode.', 400),
  ('SB009', 'text_too_long', 'The text is too long, or empty.',
    'DETAIL tells how long it may be.', 400),
  ('SB010', 'input_invalid', 'The input has the wrong form.',
    'DETAIL tells which part and what was expected.', 400),
  ('SB011', 'unauthenticated', 'The token is missing or not valid.',
    'Send Authorization: Bearer with a token that is signed, not expired and made for Saldo.', 401),
  ('SB012', 'query_too_complex', 'The query is too large or too deep.',
    'Split it; ask for fewer fields, aliases and levels.', 400),
  ('SB013', 'page_invalid', 'The page size or offset is out of range.',
    'Ask for fewer rows and follow the cursor.', 400),
  ('SB014', 'not_unique', 'This code or key is taken.',
    'Choose another one.', 409),
  ('SB015', 'conflict_retry', 'The request collided with another one; nothing was changed.',
    'Send it again with the same idempotency key.', 409),
  ('SB016', 'timeout', 'The request took too long and was stopped; nothing was changed.',
    'Ask for less at once, or try again later.', 503),
  ('SB017', 'internal_error', 'Something went wrong inside Saldo.',
    'Tell the operator the error id: the log has the cause under it.', 500),
  ('SB018', 'too_many_requests', 'Too many requests with a token that is not valid.',
    'Wait a moment, then send a valid token.', 429),
  ('SB019', 'unavailable',
    'The database did not answer; whether anything was changed is not known.',
    'Send it again with the same idempotency key.', 503),
  ('SB020', 'isolation_unsupported',
    'This needs the isolation level read committed.',
    'Call it in a transaction of the isolation level read committed, which is the default.', 409),
  ('SB101', 'account_not_found', 'There is no such account.',
    'Check the account id or code.', 404),
  ('SB102', 'account_closed', 'The account is closed, or cannot be closed yet.',
    'Use an open account; an account is closed when its balance and holds are zero.', 409),
  ('SB103', 'entry_unbalanced', 'Debits and credits of the entry differ.',
    'Per currency the debits of an entry equal its credits.', 400),
  ('SB104', 'currency_mismatch', 'The accounts are in different currencies.',
    'Give accounts of one currency; an exchange needs lines that balance in each.', 400),
  ('SB105', 'entry_immutable', 'A posted journal entry cannot be changed.',
    'Correct it with reverse_entry and a new entry.', 409),
  ('SB106', 'entry_not_reversible', 'The entry cannot be reversed.',
    'Only a posted entry that is not reversed, and no reversal, can be reversed.', 409),
  ('SB107', 'entry_invalid', 'The journal entry is not complete.',
    'An entry has two lines or more, each with an account and either a debit or a credit.', 400),
  ('SB108', 'period_locked', 'The period is locked: nothing about it can be posted any more.',
    'Post it as a fact of an open month.', 409),
  ('SB109', 'period_state', 'The period is not in a state that allows this.',
    'DETAIL tells the state; periods are closed in order, and reopened from the last one on.', 409),
  ('SB110', 'closing_refused', 'The period cannot be closed yet.',
    'DETAIL tells the items of the checklist that are open: settle them, or waive them by name.',
    409),
  ('SB111', 'seal_immutable', 'A seal over the journal cannot be changed.',
    'Leave seals as they are: verify_journal tells what differs from them.', 409),
  ('SB121', 'account_frozen', 'The account is frozen: nothing is posted to it.',
    'An administrator looks at account_freeze, settles what is wrong, and unfreezes it.', 409),
  ('SB122', 'account_not_frozen', 'The account is not frozen.',
    'Only a frozen account can be unfrozen; DETAIL tells which it is.', 409),
  ('SB201', 'account_not_hot', 'The account is not hot.',
    'Post to it with transfer or post_entries, or make it hot with make_account_hot.', 409),
  ('SB202', 'backlog_full', 'Too many transactions of the account wait for settlement.',
    'Try again later; let the operator see to it that a worker is running.', 503),
  ('SB203', 'counter_account_unfit', 'The counter account cannot be used.',
    'Use another account of the currency that is open and has no min_balance.', 409),
  ('SB204', 'hold_not_found', 'There is no such hold.',
    'Check the hold id.', 404),
  ('SB205', 'hold_state', 'The hold is not in a state that allows this.',
    'DETAIL tells the state: only a hold that is HELD can be captured or voided.', 409),
  ('SB206', 'capture_too_large', 'More than what is held cannot be captured.',
    'Capture at most the amount in DETAIL.', 409),
  ('SB301', 'product_not_found', 'There is no such product, or it is not for sale.',
    'Check the product id.', 404),
  ('SB302', 'out_of_stock', 'The product is out of stock.',
    'Take fewer, or wait until stock is added.', 409),
  ('SB303', 'price_changed', 'The price is not the one that was shown.',
    'Show the price in DETAIL to the buyer and ask again.', 409),
  ('SB304', 'member_not_found', 'There is no such member.',
    'Check the member id.', 404),
  ('SB305', 'purchase_state', 'The purchase is not in a state that allows this.',
    'DETAIL tells the state: pending can complete or fail, completed can be refunded.', 409),
  ('SB306', 'purchase_not_found', 'There is no such purchase.',
    'Check the purchase id.', 404),
  ('SB401', 'customer_not_found', 'There is no such customer.',
    'Check the customer id.', 404),
  ('SB402', 'deposit_not_found', 'There is no such deposit.',
    'Check the deposit id.', 404),
  ('SB403', 'deposit_state', 'The deposit was changed or removed before.',
    'Change or remove the deposit that stands now; DETAIL tells the state of this one.', 409),
  ('SB404', 'meter_not_found', 'There is no such meter.',
    'Check the meter id.', 404),
  ('SB405', 'meter_state', 'The meter was not installed at that time.',
    'DETAIL tells from when to when it was; read the meter that was in its place.', 409),
  ('SB406', 'reading_not_found', 'There is no such reading.',
    'Check the reading id.', 404),
  ('SB407', 'reading_state', 'The reading was changed or removed before.',
    'Change or remove the reading that stands now; DETAIL tells the state of this one.', 409),
  ('SB408', 'reading_duplicate', 'The meter has a reading of that time already.',
    'Change the reading that is there with change_reading.', 409),
  ('SB409', 'reading_in_future', 'The reading is of a time that has not come.',
    'Check the time and its zone.', 400),
  ('SB410', 'reading_out_of_order', 'The index does not fit the readings before and after it.',
    'An index grows with time; flag a roll-over, or record the exchange of the meter.', 409),
  ('SB411', 'reading_invalid', 'The reading is not a figure of this meter.',
    'Give index_value for a meter of indexes, volume for a flow meter: not negative, at most 6 '
    'decimals, an index below the register limit.', 400),
  ('SB412', 'price_invalid', 'The price is not a positive number.',
    'Give a price per cubic metre above 0 and below 10^12 with at most 6 decimals.', 400),
  ('SB413', 'condition_out_of_range', 'A pressure, temperature or factor is out of range.',
    'DETAIL tells the range.', 400),
  ('SB414', 'version_overlap', 'The version overlaps another one.',
    'Change the version in DETAIL, or choose other dates: none begins while a dated one lasts.',
    409),
  ('SB415', 'version_not_found', 'There is no such version, or it was removed.',
    'Check the version id.', 404),
  ('SB416', 'version_in_use', 'Rated lines use this version.',
    'Remove it with rerate => true: they are rated anew at what applies without it.', 409),
  ('SB417', 'plan_outdated', 'What the plan rests on has changed since.',
    'Make a new plan with dry_run, look at it, and apply that one.', 409),
  ('SB430', 'file_encoding_wrong', 'The file is not in the encoding that was named.',
    'Save it as UTF-8, or name its encoding with --encoding.', 400),
  ('SB431', 'file_columns_wrong', 'The columns of the file are not those of this import.',
    'DETAIL tells which are missing, unknown or double; the first row names the columns.', 400),
  ('SB432', 'file_malformed', 'The file or the row is not well-formed CSV.',
    'Close each quote, and give each row as many fields as the first one.', 400),
  ('SB433', 'date_invalid', 'The time is not a date and time of ISO 8601.',
    'Write 2026-01-31T08:00:00+07:00, or without a zone the time of the business time zone.', 400),
  ('SB434', 'decimal_invalid', 'The figure is not a plain decimal number.',
    'Write digits with a point for the decimals, such as 1234.5, and nothing else.', 400),
  ('SB601', 'balance_guarded', 'A cached balance is written by the engine only.',
    'To change a balance post an adjustment with saldo.post_entries; to repair a drift call '
    'saldo.auto_heal.', 403),
  ('SB603', 'heal_refused', 'Healing is refused.',
    'The journal itself may have changed: look at the findings before anything is rewritten.', 409),
  ('SB604', 'maintenance_running', 'A maintenance run is under way.',
    'Wait for it to end; its result is in maintenance_run.', 409),
  ('SB620', 'proposal_state', 'The proposal has been decided before.',
    'Only a proposal that is proposed can be approved or rejected; DETAIL tells the state.', 409),
  ('SB621', 'approval_needs_another', 'Whoever proposed a heal does not approve it.',
    'Let another administrator look at it and approve it.', 403),
  ('SB622', 'proposal_stale', 'What is stored and derived is not what was proposed any more.',
    'Check again: the next heal proposes what is wrong now.', 409),
  ('SB623', 'heal_action_state', 'This is no heal that could be undone.',
    'Only what was healed is undone, and once; DETAIL tells what it is.', 409),
  ('SB624', 'heal_not_undoable', 'A heal of this rule cannot be undone.',
    'What it rewrote follows from other figures and would be made anew from them.', 409),
  ('SB625', 'nothing_to_adjust', 'There is no difference to adjust.',
    'The account has this balance already, in the journal too.', 409),
  ('SB626', 'finding_of_another', 'The finding is about another account.',
    'Give a finding of the account, or none.', 400),
  ('SB640', 'rule_query_invalid', 'A query of the rule is not one SELECT that can be planned.',
    'Give one SELECT without a semicolon, and name each table with its schema; DETAIL tells what '
    'PostgreSQL said.', 400),
  ('SB641', 'rule_columns_wrong', 'A query of the rule has not the columns that it needs.',
    'stored gives key and stored, derived gives key and derived, items gives key, item, amount and '
    'is_counted; the figures are numbers.', 400),
  ('SB642', 'rule_key_invalid', 'A query of the rule has keys that are missing or double.',
    'Each key stands in one row and is not NULL: group by it, and filter NULLs.', 400),
  ('SB643', 'rule_query_writes', 'A query of the rule could have side effects.',
    'Use tables, views and functions that are stable or immutable, not security definer, and no '
    'FOR UPDATE.', 400),
  ('SB644', 'rule_query_slow', 'A query of the rule takes too long.',
    'Add an index, or sum up less; the budgets are the settings rule_time_budget_ms and '
    'rule_cost_limit.', 400),
  ('SB645', 'rule_privilege_missing', 'Saldo may not do what the rule needs.',
    'Let the owner of the table grant what DETAIL names.', 403),
  ('SB646', 'rule_table_unfit', 'The table or column of the rule cannot be used.',
    'Give an ordinary table of yours as schema.table, with its key column and a numeric column.',
    400),
  ('SB647', 'rule_heal_unfit', 'The rule cannot be healed or guarded in this way.',
    'update and guard need stored_table, key_column and balance_column; function needs '
    'heal_function, the name of a function of yours that takes the key as text.', 400),
  ('SB648', 'balance_write_refused', 'This balance is guarded: it is not written in this way.',
    'Write it as one of the writers that the rule names.', 403),
  ('SB651', 'alert_channel_missing', 'There is no channel to send an alert by.',
    'Give the worker SALDO_ALERT_WEBHOOK_URL or SALDO_ALERT_SMTP_URL, and start it again.', 409)
on conflict (code) do update
set condition = excluded.condition,
  message = excluded.message,
  hint = excluded.hint,
  http_status = excluded.http_status;

create or replace function saldo_private.fail(
  condition text,
  detail text default null,
  hint text default null
)
returns void
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_error saldo.error_code;
begin
  select *
  into strict v_error
  from saldo.error_code
  where error_code.condition = fail.condition;

  raise exception using
    errcode = v_error.code,
    message = v_error.message,
    detail = coalesce(fail.detail, ''),
    hint = coalesce(fail.hint, v_error.hint),
    constraint = v_error.condition;
end
$$;
comment on function saldo_private.fail is
  'Raises the named condition of the catalogue. The name travels in the error''s constraint field, '
  'which drivers hand on.';
grant execute on function saldo_private.fail to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

select saldo_private.secure_table('saldo.error_code');
drop policy if exists select_all on saldo.error_code;
create policy select_all on saldo.error_code for select using (true);
grant select on saldo.error_code to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

comment on table saldo.error_code is 'The catalogue of errors that Saldo raises.';
comment on column saldo.error_code.code is 'SQLSTATE of class SB; extensions.code in GraphQL.';
comment on column saldo.error_code.condition is
  'Speaking name; extensions.condition in GraphQL.';
comment on column saldo.error_code.message is 'What is wrong, in one sentence.';
comment on column saldo.error_code.hint is 'What to do about it.';
comment on column saldo.error_code.http_status is
  'HTTP status that fits the error outside of GraphQL.';
--! EndIncluded foundation/error.sql
--! Included foundation/setting.sql
-- Settings that the SQL itself needs. The server writes them from its environment at start.
--
-- Public: saldo.setting, set_setting. Private: setting_value.

insert into saldo.setting (name, value, description) values
  ('business_time_zone', 'Asia/Jakarta',
    'Time zone that decides the date, and so the month, on which an entry is posted.'),
  ('currency', 'IDR', 'Currency of accounts, members and products that name none.'),
  ('hot_account_slots', '64',
    'Slots of a hot account that names no number: writers that never wait for each other.'),
  ('hold_expires_in', '7 days', 'Life of a hold that names none, pending purchases included.'),
  ('settlement_backlog_limit', '1000000',
    'Pending rows of one account at which its transactions are refused (SB202).'),
  ('settlement_lag_max_seconds', '60',
    'Age of a pending row at which a check reports that settlement lags.'),
  ('health_history_days', '400',
    'Days for which checks are kept; those that a heal followed are kept for ever.'),
  ('check_slice_lines', '2000000', 'Journal lines that a full check sieves in one transaction.'),
  ('check_overdue_hours', '7', 'Age of the last check at which the balances count as unhealthy.'),
  ('worker_silent_seconds', '60', 'Silence of the workers after which an alert is opened.'),
  ('backlog_alert_percent', '50',
    'Share of settlement_backlog_limit that pending rows of an account reach before an alert.'),
  ('slot_rebuild_alert_count', '10',
    'Rebuilds of one account''s slots within ten minutes that open an alert.'),
  ('alert_channels', '', 'Channels by which alerts are sent: webhook, email, both or none.'),
  ('alert_reminder_hours', '24',
    'Hours after which an alert that is open and not acknowledged is sent again.'),
  ('alert_retry_hours', '72', 'Hours for which the delivery of an alert is tried.'),
  ('alert_keep_days', '90', 'Days for which resolved alerts are kept.'),
  ('rating_without_version', 'provisional',
    'A reading on a date without price or factor: provisional = rated at the last known ones, '
      'held = not rated until they come.'),
  ('rerate_at_once_max', '20000',
    'Readings up to which a change of price or factor rates anew in its own transaction; more are '
      'rated by a job.'),
  ('rerating_idle_max_seconds', '900',
    'Time without progress after which a check reports a re-rating that is open.'),
  ('rule_time_budget_ms', '5000',
    'Milliseconds that a query of a registered rule may take when it is registered.'),
  ('rule_cost_limit', '10000000',
    'Cost, as the planner estimates it, above which a query of a registered rule is not run.'),
  ('heal_finding_max_amount', '10000000',
    'Difference of a finding above which its heal needs approval, where its rule has no limit.'),
  ('heal_rule_max_count', '100',
    'Findings of a rule above which all its heals of a run need approval, where it has no limit.'),
  ('heal_rule_max_amount', '50000000',
    'Sum of the differences of a rule in a currency above which its heals of a run need approval, '
      'where it has no limit.'),
  ('heal_run_max_count', '1000', 'Findings above which all heals of a run need approval.'),
  ('heal_run_max_amount', '100000000',
    'Sum of the differences in a currency above which all heals of a run need approval.'),
  ('heal_repeat_hours', '24',
    'Hours after a heal in which the same key is not healed again by itself: it escalates.')
on conflict (name) do update
set description = excluded.description;

create or replace function saldo_private.setting_value(setting_name text)
returns text
language plpgsql
stable
as $$
begin
  -- PL/pgSQL for its cached plan: a sub-select keeps a function of language SQL from inlining.
  return (select value from saldo.setting where name = setting_name);
end
$$;
comment on function saldo_private.setting_value is 'Value of a setting; null when there is none.';
grant execute on function saldo_private.setting_value to
  saldo_admin, saldo_operator, saldo_member, saldo_branch;

create or replace function saldo_private.set_setting__check_number(name text, value text)
returns void
language plpgsql
stable
as $$
declare
  v_least bigint;
  v_most bigint;
begin
  select range.least, range.most
  into v_least, v_most
  from (
    values ('hot_account_slots', 1, 1000),
      ('settlement_backlog_limit', 1, 100000000),
      ('settlement_lag_max_seconds', 1, 86400),
      ('health_history_days', 1, 36500),
      ('check_slice_lines', 1, 100000000),
      ('rerate_at_once_max', 0, 1000000),
      ('rerating_idle_max_seconds', 1, 604800),
      ('check_overdue_hours', 1, 168),
      ('worker_silent_seconds', 30, 86400),
      ('backlog_alert_percent', 1, 100),
      ('slot_rebuild_alert_count', 2, 100000),
      ('alert_reminder_hours', 1, 8760),
      ('alert_retry_hours', 1, 720),
      ('alert_keep_days', 1, 3650),
      ('rule_time_budget_ms', 1, 600000),
      ('rule_cost_limit', 1, 999999999),
      ('heal_finding_max_amount', 0, 999999999999999),
      ('heal_rule_max_count', 0, 100000000),
      ('heal_rule_max_amount', 0, 999999999999999),
      ('heal_run_max_count', 0, 100000000),
      ('heal_run_max_amount', 0, 999999999999999),
      ('heal_repeat_hours', 0, 8760)
  ) as range (name, least, most)
  where range.name = set_setting__check_number.name;
  if v_least is not null and (
    value is null or value !~ '^[0-9]{1,15}$' or value::bigint not between v_least and v_most
  ) then
    perform saldo_private.fail(
      'input_invalid', format('%s: a whole number from %s to %s', name, v_least, v_most)
    );
  elsif set_setting__check_number.name = 'hold_expires_in' then
    if value is null or value !~ '^[0-9]{1,4} (minutes?|hours?|days?)$' or value ~ '^0+ ' then
      perform saldo_private.fail(
        'input_invalid', 'hold_expires_in: as 30 minutes, 12 hours or 7 days'
      );
    end if;
  elsif set_setting__check_number.name = 'alert_channels'
    and coalesce(value, '?') !~ '^(webhook|email|webhook,email)?$'
  then
    perform saldo_private.fail(
      'input_invalid', 'alert_channels: webhook, email, webhook,email or nothing'
    );
  end if;
end
$$;
comment on function saldo_private.set_setting__check_number is
  'The ranges of settings that are numbers, and the form of a duration and of a list: SB010.';

create or replace function saldo.set_setting(name text, value text)
returns saldo.setting
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_setting saldo.setting;
begin
  if set_setting.name = 'business_time_zone' and not exists (
    select from pg_catalog.pg_timezone_names as zone where zone.name = set_setting.value
  ) then
    perform saldo_private.fail('input_invalid', format('no time zone is named %L', value));
  end if;
  if set_setting.name = 'currency' and coalesce(set_setting.value, '') !~ '^[A-Z]{3}$' then
    perform saldo_private.fail(
      'input_invalid', format('a currency has three capital letters, not %L', value)
    );
  end if;

  if set_setting.name = 'rating_without_version'
    and coalesce(set_setting.value, '') not in ('provisional', 'held')
  then
    perform saldo_private.fail('input_invalid', 'rating_without_version: provisional or held');
  end if;

  perform saldo_private.set_setting__check_number(set_setting.name, set_setting.value);

  -- Writing an equal value would make every server start wait for the other's transaction.
  update saldo.setting
  set value = set_setting.value
  where setting.name = set_setting.name
  and setting.value is distinct from set_setting.value;

  select *
  into v_setting
  from saldo.setting
  where setting.name = set_setting.name;
  if v_setting.name is null then
    perform saldo_private.fail('not_found', format('no setting is named %L', set_setting.name));
  end if;
  return v_setting;
end
$$;
comment on function saldo.set_setting is
  'Changes a setting for what is posted from now on; dates that are stored stay as they are. '
  'Errors: SB010 for a value of the wrong form, SB007 for an unknown name.';
revoke execute on function saldo.set_setting from public;
grant execute on function saldo.set_setting to saldo_admin;

select saldo_private.secure_table('saldo.setting');
drop policy if exists select_all on saldo.setting;
create policy select_all on saldo.setting for select using (true);
grant select on saldo.setting to saldo_admin, saldo_operator, saldo_member, saldo_branch;

comment on table saldo.setting is 'Settings that the database itself goes by.';
comment on column saldo.setting.name is 'Name of the setting.';
comment on column saldo.setting.value is 'Its value, as text.';
comment on column saldo.setting.description is 'What it decides.';
--! EndIncluded foundation/setting.sql
--! Included foundation/actor.sql
-- Who acts. The server passes the verified token's subject and member with each request; someone
-- in psql acts under the name of the login.
--
-- Private: actor, current_member_id, is_member_session, require_own_member,
-- require_durable_commit.
-- These settings decide what a member sees, which is safe because members reach the database
-- through the server only; guards and privileges never rest on them.

create or replace function saldo_private.actor()
returns text
language sql
stable
as $$
  select coalesce(nullif(current_setting('saldo.subject', true), ''), session_user::text)
$$;
comment on function saldo_private.actor is
  'Subject of the verified token, or the login when there is none.';

create or replace function saldo_private.current_member_id()
returns bigint
language sql
stable
as $$
  select nullif(current_setting('saldo.member_id', true), '')::bigint
$$;
comment on function saldo_private.current_member_id is
  'The member that the request acts for; null for staff.';
grant execute on function saldo_private.current_member_id to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

create or replace function saldo_private.is_member_session()
returns boolean
language sql
stable
as $$
  -- Inside a definer function current_user is the owner; the role setting stays the caller's.
  select current_setting('role') = 'saldo_member'
$$;
comment on function saldo_private.is_member_session is
  'Whether the caller acts with the role of a member.';

create or replace function saldo_private.require_own_member(member_id bigint)
returns void
language plpgsql
stable
as $$
begin
  if saldo_private.is_member_session()
    and saldo_private.current_member_id() is distinct from require_own_member.member_id
  then
    perform saldo_private.fail('not_found', format('member %s', member_id));
  end if;
end
$$;
comment on function saldo_private.require_own_member is
  'Lets staff pass, and members for themselves. Anyone else is answered as if the member did not '
  'exist: SB007.';

create or replace function saldo_private.require_durable_commit()
returns void
language plpgsql
as $$
begin
  -- A set clause on the function would end with the function, before the commit that matters.
  if current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
end
$$;
comment on function saldo_private.require_durable_commit is
  'Makes the running transaction wait for its commit record, whatever the login has switched off: '
  'an acknowledged posting survives a crash.';
--! EndIncluded foundation/actor.sql
--! Included foundation/money.sql
-- Amounts and texts as they come in: refused with a clear code, never rounded, cut or guessed.
--
-- Private: require_amount, require_amount_text, require_text.

create or replace function saldo_private.require_amount(amount numeric)
returns numeric
language plpgsql
stable
as $$
begin
  -- NaN is greater than every number and equal to itself: it must be named.
  if amount > 0 and amount < 1e15 and amount = round(amount, 2) then
    return trim_scale(amount);
  end if;

  if amount is null or amount <= 0 or amount in ('NaN', 'Infinity') then
    perform saldo_private.fail(
      'amount_invalid', format('amount: %s', coalesce(amount::text, 'none'))
    );
  elsif amount >= 1e15 then
    perform saldo_private.fail(
      'amount_out_of_range', format('digits: %s', length(trunc(amount)::text))
    );
  end if;
  perform saldo_private.fail('amount_scale', format('decimals: %s', scale(trim_scale(amount))));
end
$$;
comment on function saldo_private.require_amount is
  'The amount without trailing zeros. Errors in this order: SB002 for none, zero, negative, NaN '
  'and infinite, SB004 from 10^15 on, SB003 for more than 2 decimals.';

create or replace function saldo_private.require_amount_text(amount text)
returns numeric
language plpgsql
stable
as $$
begin
  -- What a numeric literal may be differs between server versions ("0x10", "1_000").
  if amount is null or amount !~ '^-?[0-9]+(\.[0-9]+)?$' then
    perform saldo_private.fail('amount_invalid', format('amount: %L', left(amount, 40)));
  elsif length(amount) > 40 then
    perform saldo_private.fail('amount_out_of_range', format('length: %s', length(amount)));
  end if;
  return saldo_private.require_amount(amount::numeric);
end
$$;
comment on function saldo_private.require_amount_text is
  'An amount that comes as text, in JSON say: plain decimal digits, then as require_amount.';

create or replace function saldo_private.require_text(
  value text,
  what text,
  max_length integer default 500
)
returns text
language plpgsql
stable
as $$
declare
  v_value text;
begin
  if value is null or value ~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]' then
    perform saldo_private.fail(
      case when value is null then 'input_invalid' else 'text_invalid' end, what
    );
  end if;
  v_value := btrim(normalize(value, nfc));
  if length(v_value) not between 1 and max_length then
    perform saldo_private.fail('text_too_long', format('%s: 1 to %s characters', what, max_length));
  end if;
  return v_value;
end
$$;
comment on function saldo_private.require_text is
  'The text in normal form C without blanks at its ends. Errors in this order: SB010 for none, '
  'SB008 for control characters, SB009 for an empty or too long one.';
--! EndIncluded foundation/money.sql
--! Included foundation/uuid_v7.sql
-- Ids that sort by time, so that new rows land on the right edge of their index.
--
-- Private: uuid_v7. PostgreSQL 18 has a function of its own for it; before, the version 7 layout
-- of RFC 9562 is put over a random uuid.

do $do$
begin
  if current_setting('server_version_num')::integer >= 180000 then
    create or replace function saldo_private.uuid_v7()
    returns uuid
    language sql
    volatile
    as 'select pg_catalog.uuidv7()';
  else
    create or replace function saldo_private.uuid_v7()
    returns uuid
    language sql
    volatile
    as $$
      -- 48 bits of milliseconds; of the version's four bits 0100 becomes 0111.
      select encode(
        set_bit(set_bit(
          overlay(
            uuid_send(gen_random_uuid())
            placing substring(
              int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3
            )
            from 1 for 6
          ),
          52, 1), 53, 1),
        'hex')::uuid
    $$;
  end if;
end
$do$;
comment on function saldo_private.uuid_v7 is 'A new version 7 uuid: unique, and ordered by time.';
--! EndIncluded foundation/uuid_v7.sql
--! Included foundation/business_time.sql
-- The business calendar: one configured time zone decides the date, and so the month.
--
-- Private: business_date, day_begins_at, month_of, month_number, require_occurred_at.

create or replace function saldo_private.business_date(at timestamptz)
returns date
language sql
stable
as $$
  select (at at time zone saldo_private.setting_value('business_time_zone'))::date
$$;
comment on function saldo_private.business_date is
  'Date of an instant in the business time zone (setting business_time_zone).';

create or replace function saldo_private.day_begins_at(on_date date)
returns timestamptz
language sql
stable
as $$
  select on_date::timestamp at time zone saldo_private.setting_value('business_time_zone')
$$;
comment on function saldo_private.day_begins_at is
  'The moment at which a day begins in the business time zone.';

create or replace function saldo_private.month_of(on_date date)
returns date
language sql
immutable
as $$
  select date_trunc('month', on_date::timestamp)::date
$$;
comment on function saldo_private.month_of is 'First day of the date''s month.';

create or replace function saldo_private.month_number(on_date date)
returns integer
language sql
immutable
as $$
  select (extract(year from on_date) * 12 + extract(month from on_date))::integer
$$;
comment on function saldo_private.month_number is 'Months since year 0.';

-- Reports run with the caller's rights and so need the calendar themselves.
grant execute on function saldo_private.business_date, saldo_private.month_of,
  saldo_private.month_number to
  saldo_admin, saldo_operator, saldo_member, saldo_branch;

create or replace function saldo_private.require_instant_text(value text, what text)
returns timestamptz
language plpgsql
stable
as $$
begin
  return value::timestamptz;
exception
  when datetime_field_overflow or invalid_datetime_format or invalid_parameter_value then
    perform saldo_private.fail('input_invalid', format('%s: %L', what, left(value, 40)));
end
$$;
comment on function saldo_private.require_instant_text is
  'A date or moment that comes as text, in JSON say; null stays null. Error: SB010.';

create or replace function saldo_private.require_occurred_at(occurred_at timestamptz)
returns timestamptz
language plpgsql
stable
as $$
begin
  if occurred_at is null then
    return now();
  end if;
  if saldo_private.is_member_session() then
    perform saldo_private.fail('forbidden', 'occurred_at: a member''s time is now');
  end if;
  -- Infinity is a timestamptz too, and has no month; the years are those that a client can read.
  if occurred_at not between '1900-01-01' and '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'occurred_at: from 1900 to 9999');
  end if;
  return occurred_at;
end
$$;
comment on function saldo_private.require_occurred_at is
  'The moment of a business event, now by default. Errors in checking order: SB006 for a member '
  'who sets it, SB010 outside of 1900 to 9999.';
--! EndIncluded foundation/business_time.sql
--! Included foundation/idempotency.sql
-- Idempotency keys: a request that is sent again has its effect once.
--
-- Private: claim_idempotency_key, request_hash; table saldo_private.idempotency_record.
-- The key is claimed in the transaction that does the work, so a refused request leaves no trace
-- and may be tried again. A concurrent retry waits here for the first one's commit.

create or replace function saldo_private.request_hash(operation text, request jsonb)
returns bytea
language sql
immutable
as $$
  select sha256(convert_to(operation || ' ' || request::text, 'UTF8'))
$$;
comment on function saldo_private.request_hash is 'SHA-256 of an operation and its arguments.';

create or replace function saldo_private.claim_idempotency_key(
  scope text,
  key text,
  operation text,
  request jsonb,
  result_id uuid
)
returns uuid
language plpgsql
as $$
declare
  v_request_hash bytea;
  v_record saldo_private.idempotency_record;
begin
  if key is null then
    return null;
  end if;
  perform saldo_private.require_text(key, 'idempotency_key', 200);

  v_request_hash := saldo_private.request_hash(operation, request);
  insert into saldo_private.idempotency_record (scope, key, operation, request_hash, result_id)
  values (
    claim_idempotency_key.scope, claim_idempotency_key.key, claim_idempotency_key.operation,
    v_request_hash, claim_idempotency_key.result_id
  )
  on conflict on constraint idempotency_record_pkey do nothing;
  if found then
    return null;
  end if;

  select *
  into strict v_record
  from saldo_private.idempotency_record as record
  where record.scope = claim_idempotency_key.scope
  and record.key = claim_idempotency_key.key;
  if v_record.request_hash <> v_request_hash then
    perform saldo_private.fail(
      'idempotency_conflict',
      format('first used at %s for %s', v_record.created_at, v_record.operation)
    );
  end if;
  return v_record.result_id;
end
$$;
comment on function saldo_private.claim_idempotency_key is
  'Null when there is no key or the key is new: go on, and give the result the id result_id. The '
  'first result''s id when the same request came before. Error: SB005 when the key came with '
  'another content.';

select saldo_private.secure_table('saldo_private.idempotency_record');

comment on table saldo_private.idempotency_record is
  'Requests that were carried out, by their idempotency key.';
comment on column saldo_private.idempotency_record.scope is
  'Whose key it is: the ledger, or a member; keys of different scopes do not meet.';
comment on column saldo_private.idempotency_record.key is 'The key that the client chose.';
comment on column saldo_private.idempotency_record.operation is 'Name of the function called.';
comment on column saldo_private.idempotency_record.request_hash is
  'SHA-256 of operation and arguments.';
comment on column saldo_private.idempotency_record.result_id is
  'Id of the entry or purchase that came of it.';
comment on column saldo_private.idempotency_record.created_at is 'When it was carried out.';
--! EndIncluded foundation/idempotency.sql

-- ledger: accounts, journal, posting, statements, seals
--! Included ledger/account.sql
-- Accounts: where money stands.
--
-- Public: saldo.account, open_account, close_account. Private: default_slots, system_account.
-- debit_total, credit_total, held_total and with them balance are a cache: the truth is the
-- journal (posting.sql keeps them in step, account_balance_rule.sql checks and heals them).
-- Nobody but the engine writes an account: no role has a grant for it.

create or replace function saldo_private.system_code_pattern()
returns text
language sql
immutable
as $$
  select '^(cash|clearing|revenue|opening_equity|retained_earnings|suspense|difference):[A-Z]{3}$'
$$;
comment on function saldo_private.system_code_pattern is
  'Codes of the accounts that the engine opens for itself, see system_account.';

create or replace function saldo.open_account(
  code text,
  name text,
  type saldo.account_type,
  currency text default null,
  min_balance numeric default null,
  mode saldo.account_mode default 'immediate',
  slots integer default null,
  is_pending_available boolean default null
)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
  v_currency text := coalesce(currency, saldo_private.setting_value('currency'));
begin
  if v_currency !~ '^[A-Z]{3}$' or type is null then
    perform saldo_private.fail(
      'input_invalid', format('type %s, currency %L (three capital letters)', type, v_currency)
    );
  end if;
  if min_balance <> 0 then
    perform saldo_private.require_amount(abs(min_balance));
  end if;
  if code ~ saldo_private.system_code_pattern() then
    perform saldo_private.fail(
      'input_invalid', format('code %L: the engine opens this account itself', code)
    );
  end if;
  if slots not between 1 and 1000
    or (mode is distinct from 'hot' and (slots is not null or is_pending_available is not null))
  then
    perform saldo_private.fail(
      'input_invalid', 'slots (1 to 1,000) and is_pending_available: of a hot account'
    );
  end if;
  insert into saldo.account (
    code, name, type, currency, min_balance, mode, slots, is_pending_available
  )
  values (
    saldo_private.require_text(open_account.code, 'code', 100),
    saldo_private.require_text(open_account.name, 'name', 200),
    open_account.type, v_currency, trim_scale(open_account.min_balance),
    coalesce(open_account.mode, 'immediate'),
    case open_account.mode when 'hot' then coalesce(slots, saldo_private.default_slots()) end,
    coalesce(open_account.is_pending_available, true)
  )
  on conflict on constraint account_code_key do nothing
  returning * into v_account;
  if v_account.id is null then
    perform saldo_private.fail('not_unique', format('account code %L', code));
  end if;
  return v_account;
end
$$;
comment on function saldo.open_account is
  'Opens an account. currency: three capital letters, default the setting currency. min_balance: '
  'the balance, less holds, that a posting may not go below; null = no limit. mode: hot for many '
  'writers at once, see make_account_hot, which says what slots and is_pending_available are. '
  'Errors: SB010, also for a code of the engine''s own accounts (clearing:IDR), SB002 to SB004, '
  'SB008, SB009, SB014 for a code that is taken.';
revoke execute on function saldo.open_account from public;
grant execute on function saldo.open_account to saldo_admin;

create or replace function saldo.close_account(account_id bigint)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
begin
  select *
  into v_account
  from saldo.account
  where id = close_account.account_id
  for no key update;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  end if;
  if v_account.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  end if;
  if v_account.closed_at is not null or v_account.balance <> 0 or v_account.held_total <> 0
    or v_account.mode = 'hot' or v_account.code ~ saldo_private.system_code_pattern()
  then
    perform saldo_private.fail(
      'account_closed',
      format('account %s (%s): %s, balance %s, held %s, closed at %s', account_id, v_account.code,
        v_account.mode, v_account.balance, v_account.held_total,
        coalesce(v_account.closed_at::text, 'never'))
    );
  end if;
  update saldo.account
  set closed_at = now()
  where id = close_account.account_id
  returning * into v_account;
  return v_account;
end
$$;
comment on function saldo.close_account is
  'Closes an account whose balance and holds are zero; nothing can be posted to it any more. A hot '
  'account is made immediate before; the engine''s own accounts stay open. Errors: SB101, SB121, '
  'SB102 when it is closed already, hot, the engine''s own or not empty.';
revoke execute on function saldo.close_account from public;
grant execute on function saldo.close_account to saldo_admin;

create or replace function saldo_private.default_slots()
returns integer
language sql
stable
as $$
  select saldo_private.setting_value('hot_account_slots')::integer
$$;
comment on function saldo_private.default_slots is
  'Slots of a hot account that names no number (setting hot_account_slots).';

create or replace function saldo_private.system_account(purpose text, currency text)
returns bigint
language plpgsql
as $$
declare
  v_code text := purpose || ':' || currency;
  v_id bigint;
begin
  select id
  into v_id
  from saldo.account
  where account.code = v_code;
  if v_id is not null then
    return v_id;
  end if;

  insert into saldo.account (code, name, type, currency, mode, slots)
  values (
    v_code,
    initcap(replace(purpose, '_', ' ')) || ' ' || currency,
    case purpose
      when 'cash' then 'asset'
      when 'clearing' then 'asset'
      when 'revenue' then 'revenue'
      when 'opening_equity' then 'equity'
      when 'retained_earnings' then 'equity'
      when 'suspense' then 'liability'
      when 'difference' then 'expense'
    end::saldo.account_type,
    system_account.currency,
    -- Every purchase credits the one, every settlement books against the other.
    case when purpose in ('revenue', 'clearing') then 'hot' else 'immediate' end
      ::saldo.account_mode,
    case when purpose in ('revenue', 'clearing') then saldo_private.default_slots() end
  )
  on conflict on constraint account_code_key do nothing
  returning id into v_id;
  if v_id is null then -- somebody was first, and has committed by now
    select id
    into strict v_id
    from saldo.account
    where account.code = v_code;
  end if;
  return v_id;
end
$$;
comment on function saldo_private.system_account is
  'The account that the engine itself books against, one for each purpose (cash, revenue, '
  'clearing, opening_equity, retained_earnings, suspense, difference) and currency; opened when '
  'first needed.';

select saldo_private.secure_table('saldo.account');
drop policy if exists select_all on saldo.account;
create policy select_all on saldo.account for select to saldo_admin, saldo_operator using (true);
grant select on saldo.account to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.account_type is
  'Decides the normal side: debit for asset and expense, credit for the others.';
comment on table saldo.account is
  'An account of the ledger. Its totals and balance are kept in step by every posting.';
comment on column saldo.account.id is 'Id; postings lock accounts in the order of it.';
comment on column saldo.account.code is 'Code for people, unique.';
comment on column saldo.account.name is 'Name.';
comment on column saldo.account.type is 'Type, which decides the normal side of the balance.';
comment on column saldo.account.currency is 'Currency, three capital letters; it never changes.';
comment on column saldo.account.min_balance is
  'Balance less holds may not be taken below this; null = no limit.';
comment on column saldo.account.debit_total is E'@behavior -attribute:select\n'
  'Sum of all posted debits (cache of the journal).';
comment on column saldo.account.credit_total is E'@behavior -attribute:select\n'
  'Sum of all posted credits (cache of the journal).';
comment on column saldo.account.held_total is
  E'@behavior -attribute:select\n'
  'Sum of open holds of an immediate account (cache): what is available is the balance less this.';
comment on column saldo.account.balance is
  E'@behavior -attribute:select\n'
  'Balance on the normal side: debits less credits for asset and expense, else the reverse. On a '
  'hot account as of its last settlement, like both totals; balances has it to the moment.';
comment on column saldo.account.version is
  'Grows with every posting to the account, with every fold where it is hot.';
comment on column saldo.account.mode is
  'immediate: each posting updates this row. hot: postings and submitted transactions go past this '
  'row and reach it with the next settlement; the function balances is exact at any moment.';
comment on column saldo.account.slots is
  'How many writers a hot account takes at once without any of them waiting; null = immediate.';
comment on column saldo.account.is_pending_available is
  'Whether pending money that comes in is available at once; else when it has settled.';
comment on column saldo.account.opened_at is 'When the account was opened.';
comment on column saldo.account.closed_at is 'When it was closed; null = open.';
comment on column saldo.account.frozen_at is
  'Since when nothing is posted to it; null = not frozen. What was accepted before is settled.';
comment on column saldo.account.frozen_reason is
  'Why it is frozen; whoever the account belongs to reads it too.';
--! EndIncluded ledger/account.sql
--! Included ledger/journal.sql
-- The journal: the one truth about posted money. Append-only.
--
-- Public: saldo.journal_entry, saldo.journal_line, saldo.month_movement (a cache of them).
-- Members see the entries that touch their own account: those policies stand in the wallet room,
-- which knows whose account is whose.

select saldo_private.secure_table('saldo.journal_entry');
drop policy if exists select_all on saldo.journal_entry;
create policy select_all on saldo.journal_entry for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_entry to saldo_admin, saldo_operator, saldo_member;

select saldo_private.secure_table('saldo.journal_line');
drop policy if exists select_all on saldo.journal_line;
create policy select_all on saldo.journal_line for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_line to saldo_admin, saldo_operator, saldo_member;

select saldo_private.secure_table('saldo.month_movement');
drop policy if exists select_all on saldo.month_movement;
create policy select_all on saldo.month_movement for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.month_movement to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.entry_kind is 'What an entry is for.';
comment on type saldo.entry_status is
  'draft: not in any balance yet; posted: in the balances, immutable; reversed: posted, and '
  'cancelled by a later reversal entry.';

comment on table saldo.journal_entry is
  'A journal entry: two lines or more whose debits equal their credits in each currency. Posted '
  'entries never change; a correction is a reversal plus a new entry.';
comment on column saldo.journal_entry.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.journal_entry.kind is 'What the entry is for.';
comment on column saldo.journal_entry.status is 'draft, posted or reversed.';
comment on column saldo.journal_entry.occurred_at is 'When it happened in business.';
comment on column saldo.journal_entry.posting_date is
  'Date on which it counts: that of occurred_at in the business time zone.';
comment on column saldo.journal_entry.origin_month is
  'Month that it is about, when that is not the month of the posting date; a first day.';
comment on column saldo.journal_entry.description is 'What happened, in words.';
comment on column saldo.journal_entry.source is 'The function or room that posted it.';
comment on column saldo.journal_entry.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.journal_entry.reverses is 'The entry that this reversal cancels.';
comment on column saldo.journal_entry.metadata is 'Whatever the client wants to keep with it.';
comment on column saldo.journal_entry.line_count is 'How many lines it has.';
comment on column saldo.journal_entry.draft_lines is
  'Lines of a draft, which are in no balance; null once they are posted as journal lines.';
comment on column saldo.journal_entry.recorded_at is 'When it was written down.';
comment on column saldo.journal_entry.posted_at is 'When it was posted; null for a draft.';
comment on column saldo.journal_entry.posted_by is 'Who posted it: token subject or login.';
comment on column saldo.journal_entry.posted_in is
  'Transaction that posted it; lines that come in another transaction are refused.';

comment on table saldo.journal_line is 'A line of a journal entry: one account, one side.';
comment on column saldo.journal_line.account_id is 'Account that is debited or credited.';
comment on column saldo.journal_line.posting_date is 'Posting date of its entry.';
comment on column saldo.journal_line.entry_id is 'Its entry.';
comment on column saldo.journal_line.line_no is 'Its number within the entry, from 1.';
comment on column saldo.journal_line.debit is 'Debit amount, or 0.';
comment on column saldo.journal_line.credit is 'Credit amount, or 0.';

comment on table saldo.month_movement is
  'What was posted to an account in a month, by posting date: a cache of the journal. Openings '
  'and closings are sums of these.';
comment on column saldo.month_movement.account_id is 'Account.';
comment on column saldo.month_movement.month is 'Month, as its first day.';
comment on column saldo.month_movement.debit is 'Debits of the month.';
comment on column saldo.month_movement.credit is 'Credits of the month.';
comment on column saldo.month_movement.line_count is 'Number of lines of the month.';
--! EndIncluded ledger/journal.sql
--! Included ledger/posting_day.sql
-- The posting day: on which date an entry is posted, and what closing has to do with it.
--
-- Private: posting_day_of, posting_days_of, hold_months_of, open_day, origin_month; table
-- book_state.
-- A fact about a closed month is posted on the first open day, with the month that it is about as
-- its origin_month.
-- Locks: whoever posts holds the month shared (an advisory lock, to the end of the transaction)
-- and reads what is closed only then; whoever closes takes it exclusively, so that nothing is under
-- way any more when the figures are sealed. A trigger that merely read the date would lose a race.
-- Under repeatable read a snapshot may be older than the lock: there the row is locked too, which
-- fails when it has changed (40001).

create or replace function saldo_private.closed_through(is_locked boolean default false)
returns date
language plpgsql
as $$
begin
  -- Volatile: it must see what was committed while the month's lock was waited for.
  if current_setting('transaction_isolation') <> 'read committed' then
    perform
    from saldo_private.book_state as b
    where b.id = 1
    for share;
  end if;
  return (
    select case when is_locked then b.locked_through else b.closed_through end
    from saldo_private.book_state as b
    where b.id = 1
  );
end
$$;
comment on function saldo_private.closed_through is
  'Last day that is closed, or being closed; with is_locked the last one that is locked. Null = '
  'none.';

create or replace function saldo_private.open_day(
  on_date date,
  is_settlement boolean default false
)
returns saldo_private.posting_day
language plpgsql
as $$
declare
  v_lock text := pg_advisory_xact_lock_shared(7247, saldo_private.month_number(on_date));
  v_closed_through date := saldo_private.closed_through();
  v_first_open date;
begin
  if v_closed_through is null or on_date > v_closed_through then
    return (on_date, null)::saldo_private.posting_day;
  end if;
  if not is_settlement and on_date <= saldo_private.closed_through(is_locked => true) then
    perform saldo_private.fail('period_locked', format('date %s', on_date));
  end if;
  -- The month that it goes to may be closed next: until that is locked as well.
  loop
    v_first_open := v_closed_through + 1;
    perform pg_advisory_xact_lock_shared(7247, saldo_private.month_number(v_first_open));
    v_closed_through := saldo_private.closed_through();
    exit when (v_first_open <= v_closed_through) is not true;
  end loop;
  if (on_date <= v_closed_through) is not true then -- reopened meanwhile
    return (on_date, null)::saldo_private.posting_day;
  end if;
  return (v_first_open, saldo_private.month_of(on_date))::saldo_private.posting_day;
end
$$;
comment on function saldo_private.open_day is
  'Posting date of a fact of this date, under the shared lock of its month: the date, or where it '
  'is closed the first open day and the month that it is about. Error: SB108 in a locked month, '
  'but for a settlement, whose funds were taken long before.';

create or replace function saldo_private.posting_day_of(at timestamptz)
returns saldo_private.posting_day
language plpgsql
as $$
declare
  -- The months that it can be in, whatever the time zone: their locks come before anything is read.
  v_first integer :=
    saldo_private.month_number(((at - interval '14 hours') at time zone 'UTC')::date);
  v_last integer :=
    saldo_private.month_number(((at + interval '14 hours') at time zone 'UTC')::date);
  v_lock text := pg_advisory_xact_lock_shared(7247, v_first);
  v_date date;
  v_closed_through date;
begin
  if v_last <> v_first then
    v_lock := pg_advisory_xact_lock_shared(7247, v_last);
  end if;
  -- One statement, as every posting pays for it.
  select (at at time zone zone.value)::date, b.closed_through
  into v_date, v_closed_through
  from saldo.setting as zone
  cross join saldo_private.book_state as b
  where zone.name = 'business_time_zone'
  and b.id = 1;
  if (v_closed_through is null or v_date > v_closed_through)
    and current_setting('transaction_isolation') = 'read committed'
  then
    return (v_date, null)::saldo_private.posting_day;
  end if;
  return saldo_private.open_day(v_date);
end
$$;
comment on function saldo_private.posting_day_of is
  'On which day what happened at this moment is posted, under the shared lock of its month: SB108.';

create or replace function saldo_private.origin_month(
  day saldo_private.posting_day,
  about date
)
returns date
language sql
immutable
as $$
  select nullif(
    saldo_private.month_of(coalesce(about, day.origin_month)),
    saldo_private.month_of(day.posting_date)
  )
$$;
comment on function saldo_private.origin_month is
  'What an entry has as its origin month: that which is named, else that of a late fact; null '
  'where it is the month of the posting date.';

create or replace function saldo_private.require_origin_month(about date)
returns date
language plpgsql
as $$
declare
  v_lock text;
begin
  if about not between '1900-01-01' and '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'origin_month: from 1900 to 9999');
  end if;
  v_lock := pg_advisory_xact_lock_shared(7247, saldo_private.month_number(about));
  if about <= saldo_private.closed_through(is_locked => true) then
    perform saldo_private.fail('period_locked', format('origin_month %s', about));
  end if;
  return saldo_private.month_of(about);
end
$$;
comment on function saldo_private.require_origin_month is
  'The month that an entry is said to be about, under its shared lock: SB010, SB108 when it is '
  'locked.';

create or replace function saldo_private.hold_months_of(instants timestamptz[])
returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock_shared(7247, m.number)
  from (
    select distinct saldo_private.month_number(
      ((i.at + shift.hours) at time zone 'UTC')::date
    ) as number
    from unnest(instants) as i (at)
    cross join (values (interval '-14 hours'), (interval '14 hours')) as shift (hours)
    order by 1
  ) as m;
end
$$;
comment on function saldo_private.hold_months_of is
  'Takes the shared locks of the months of these moments, in order, whatever the time zone.';

create or replace function saldo_private.posting_days_of(instants timestamptz[])
returns saldo_private.dated_day[]
language plpgsql
as $$
declare
  v_zone text := saldo_private.setting_value('business_time_zone');
  v_closed_through date;
begin
  perform saldo_private.hold_months_of(instants);
  v_closed_through := saldo_private.closed_through();
  return array(
    select (d.at, day.posting_date, day.origin_month)::saldo_private.dated_day
    from (
      select distinct i.at, (i.at at time zone v_zone)::date as on_date
      from unnest(instants) as i (at)
    ) as d
    -- Late facts, few as a rule, one by one.
    cross join lateral (
      select late.posting_date, late.origin_month
      from saldo_private.open_day(d.on_date) as late
      where d.on_date <= v_closed_through
      union all
      select d.on_date, null
      where (d.on_date <= v_closed_through) is not true
    ) as day
  );
end
$$;
comment on function saldo_private.posting_days_of is
  'As posting_day_of, for many moments: each different one once. Error: SB108.';

select saldo_private.secure_table('saldo_private.book_state');

comment on table saldo_private.book_state is 'How far the books are closed; one row.';
comment on column saldo_private.book_state.id is 'Always 1.';
comment on column saldo_private.book_state.closed_through is
  'Last day of the last period that is closed or being closed; null = nothing is.';
comment on column saldo_private.book_state.locked_through is
  'Last day of the last period that is locked; null = none.';
--! EndIncluded ledger/posting_day.sql
--! Included ledger/period.sql
-- Periods: how far the books are closed, and what was sealed.
--
-- Public: saldo.period, period_event, period_check, closing_snapshot; fiscal_periods.
-- open -> closing -> closed -> locked, in order of time; the room closing moves them. A year has
-- its twelve months and a period 13 for the closing entries, dated its last day.
-- A period without a row is open. What posting goes by is one row, book_state (posting_day.sql).

create or replace function saldo_private.period_ends_on(fiscal_year integer, number integer)
returns date
language sql
immutable
as $$
  select (make_date(fiscal_year, least(number, 12), 1) + interval '1 month - 1 day')::date
$$;
comment on function saldo_private.period_ends_on is
  'Last day of a period; that of period 13 is that of December.';
grant execute on function saldo_private.period_ends_on to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.period_status(month date)
returns saldo.period_status
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select case
    when p.status is not null then p.status
    -- Whatever came before the first period that was closed was closed with it.
    when saldo_private.period_ends_on(
      extract(year from month)::integer, extract(month from month)::integer
    ) <= b.locked_through then 'locked'
    when saldo_private.period_ends_on(
      extract(year from month)::integer, extract(month from month)::integer
    ) <= b.closed_through then 'closed'
    else 'open'
  end
  from saldo_private.book_state as b
  left join saldo.period as p on p.fiscal_year = extract(year from month)
    and p.number = extract(month from month)
  where b.id = 1
$$;
comment on function saldo_private.period_status is 'Status of the month that begins on this day.';
revoke execute on function saldo_private.period_status from public;
grant execute on function saldo_private.period_status to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.fiscal_periods(fiscal_year integer)
returns setof saldo.period
language sql
stable
as $$
  select fiscal_periods.fiscal_year, g.number::smallint,
    -- Nothing here is a constant: it would be computed for a year that there is not as well.
    case g.number when 13 then saldo_private.period_ends_on(fiscal_periods.fiscal_year, g.number)
      else make_date(fiscal_periods.fiscal_year, g.number, 1) end,
    saldo_private.period_ends_on(fiscal_periods.fiscal_year, g.number),
    coalesce(p.status, case g.number when 13 then 'open'
      else saldo_private.period_status(make_date(fiscal_periods.fiscal_year, g.number, 1)) end),
    p.closed_at, p.closed_by, p.account_count, p.line_count, p.snapshot_hash
  from generate_series(1, 13) as g (number)
  left join saldo.period as p on p.fiscal_year = fiscal_periods.fiscal_year and p.number = g.number
  where fiscal_periods.fiscal_year between 1900 and 9999
  order by g.number
$$;
comment on function saldo.fiscal_periods is
  'The thirteen periods of a year with their status, those that were never closed included; none '
  'for a year that is not from 1900 to 9999.';
revoke execute on function saldo.fiscal_periods from public;
grant execute on function saldo.fiscal_periods to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.period');
drop policy if exists select_all on saldo.period;
create policy select_all on saldo.period for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.period to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.period_event');
drop policy if exists select_all on saldo.period_event;
create policy select_all on saldo.period_event for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.period_event to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.period_check');
drop policy if exists select_all on saldo.period_check;
create policy select_all on saldo.period_check for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.period_check to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.closing_snapshot');
drop policy if exists select_all on saldo.closing_snapshot;
create policy select_all on saldo.closing_snapshot for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.closing_snapshot to saldo_admin, saldo_operator;

comment on type saldo.period_status is
  'open: takes entries; closing: takes none any more, and is being checked; closed: sealed, what '
  'is about it is posted later; locked: nothing about it is posted any more, and it stays closed.';
comment on type saldo.period_action is 'What was done to a period.';
comment on type saldo.checklist_outcome is
  'passed: in order; waived: open, and closed all the same; open: has to be settled or waived.';
comment on table saldo.period is 'A month of the books, or the end of a year.';
comment on column saldo.period.fiscal_year is 'Year.';
comment on column saldo.period.number is '1 to 12: month; 13: the closing entries of the year.';
comment on column saldo.period.starts_on is 'First day.';
comment on column saldo.period.ends_on is 'Last day.';
comment on column saldo.period.status is 'open, closing, closed or locked.';
comment on column saldo.period.closed_at is 'When it was closed; null while it is not.';
comment on column saldo.period.closed_by is 'Who closed it: token subject or login.';
comment on column saldo.period.account_count is 'Accounts in its snapshot.';
comment on column saldo.period.line_count is
  'Lines that were posted in it, and before it where it was the first to be closed.';
comment on column saldo.period.snapshot_hash is
  'SHA-256 over the hash of the period before and the rows of the snapshot.';

comment on table saldo.period_event is 'What was done to periods, by whom and why.';
comment on column saldo.period_event.id is 'Id, ordered by time.';
comment on column saldo.period_event.fiscal_year is 'Year of the period.';
comment on column saldo.period_event.number is 'Its number.';
comment on column saldo.period_event.action is 'What was done.';
comment on column saldo.period_event.reason is 'Why; of a closing, why items were waived.';
comment on column saldo.period_event.actor is 'Who: token subject or login.';
comment on column saldo.period_event.occurred_at is 'When.';

comment on table saldo.period_check is 'The checklist as it stood when a period was closed.';
comment on column saldo.period_check.event_id is 'The closing.';
comment on column saldo.period_check.item is 'Item of the checklist.';
comment on column saldo.period_check.outcome is 'passed or waived.';
comment on column saldo.period_check.open_count is 'How many things were open.';
comment on column saldo.period_check.evidence is 'The first of them.';

comment on table saldo.closing_snapshot is
  'Totals of the accounts at the end of a closed period, sealed from the journal. It only makes '
  'statements faster: without it the same figures come from the movements.';
comment on column saldo.closing_snapshot.account_id is 'Account.';
comment on column saldo.closing_snapshot.fiscal_year is 'Year of the period.';
comment on column saldo.closing_snapshot.number is 'Its number.';
comment on column saldo.closing_snapshot.debit is 'Debits of the period.';
comment on column saldo.closing_snapshot.credit is 'Credits of the period.';
comment on column saldo.closing_snapshot.debit_total is 'All debits up to its end.';
comment on column saldo.closing_snapshot.credit_total is 'All credits up to its end.';
--! EndIncluded ledger/period.sql
--! Included ledger/account_watch.sql
-- Watched accounts: who is told when a balance changes.
--
-- Private: saldo_private.account_watch, watch_account, notify_account, notify_watchers.
-- NOTIFY makes commits queue for one lock, so a posting tells of an account only while somebody
-- has asked for it. A watch is renewed by who listens, and ends by itself when nobody does.

create or replace function saldo_private.watch_account(account_id bigint)
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  delete from saldo_private.account_watch as w
  where w.ends_at < now();
  insert into saldo_private.account_watch as w (account_id, ends_at)
  values (watch_account.account_id, now() + interval '90 seconds')
  on conflict on constraint account_watch_pkey do update
  set ends_at = excluded.ends_at;
end
$$;
comment on function saldo_private.watch_account is
  'For the next 90 seconds each posting that touches the account is told on the channel '
  'saldo:account:<id>. Call it again while you listen.';
revoke execute on function saldo_private.watch_account from public;
grant execute on function saldo_private.watch_account to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.notify_account(account_id bigint, event text)
returns void
language sql
as $$
  select pg_notify(
    'saldo:account:' || account_id,
    jsonb_build_object('account_id', account_id::text, 'event', event)::text
  )
$$;
comment on function saldo_private.notify_account is
  'Tells listeners of the channel saldo:account:<id> what has happened, at commit.';

create or replace function saldo_private.notify_watchers(account_ids bigint[])
returns void
language plpgsql
as $$
begin
  perform saldo_private.notify_account(w.account_id, 'balance')
  from saldo_private.account_watch as w
  where w.account_id = any (account_ids)
  and w.ends_at > now();
end
$$;
comment on function saldo_private.notify_watchers is
  'Tells that the balances of these accounts change, where somebody wants to know.';

select saldo_private.secure_table('saldo_private.account_watch');

comment on table saldo_private.account_watch is
  'Accounts whose changes somebody listens to. Unlogged: who listens asks again.';
comment on column saldo_private.account_watch.account_id is 'Account.';
comment on column saldo_private.account_watch.ends_at is 'Until when it is watched.';
--! EndIncluded ledger/account_watch.sql
--! Included ledger/account_stripe.sql
-- Stripes: where postings to a hot account land, so that they do not queue for its one row.
--
-- Private: saldo_private.account_stripe, account_total, posted_movement, add_to_stripes,
-- fold_stripes, remove_stripes, require_read_committed.
-- Invariant: account totals plus stripes equal the posted lines, and so do months plus stripes; at
-- every commit. What is read as a balance is always both together (the views below).
-- Locks: a posting takes any stripe that nobody holds, or adds one: it waits for nobody but a
-- change of the mode, which a weak lock of the account's row (key share) makes sure of. Folding
-- waits for nobody at all.

create or replace function saldo_private.require_read_committed()
returns void
language plpgsql
stable
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform saldo_private.fail('isolation_unsupported', current_setting('transaction_isolation'));
  end if;
end
$$;
comment on function saldo_private.require_read_committed is
  'For what locks a row and then reads what others have written until then, which a snapshot of '
  'the transaction''s beginning would not show: SB020.';

create or replace view saldo_private.account_total with (security_invoker = true) as
select a.id as account_id, a.type, a.currency, a.mode, a.min_balance, a.held_total,
  a.debit_total + coalesce(s.debit, 0) as debit_total,
  a.credit_total + coalesce(s.credit, 0) as credit_total,
  a.balance + coalesce(s.debit - s.credit, 0)
    * case when a.type in ('asset', 'expense') then 1 else -1 end as balance
from saldo.account as a
left join (
  select account_stripe.account_id, sum(account_stripe.debit) as debit,
    sum(account_stripe.credit) as credit
  from saldo_private.account_stripe
  group by account_stripe.account_id
) as s on s.account_id = a.id;
comment on view saldo_private.account_total is
  'Totals and balance of each account, with what its stripes have not yet handed on.';

create or replace view saldo_private.posted_movement with (security_invoker = true) as
select m.account_id, m.month, m.debit, m.credit, m.line_count
from saldo.month_movement as m
union all
select s.account_id, s.month, s.debit, s.credit, s.line_count
from saldo_private.account_stripe as s
where s.line_count > 0;
comment on view saldo_private.posted_movement is
  'Movements by account and month in one or several rows: months, and what their stripes have not '
  'yet handed on.';

comment on column saldo_private.account_total.account_id is 'Account.';
comment on column saldo_private.account_total.type is 'Its type.';
comment on column saldo_private.account_total.currency is 'Its currency.';
comment on column saldo_private.account_total.mode is 'immediate or hot.';
comment on column saldo_private.account_total.min_balance is 'Its minimum; null = none.';
comment on column saldo_private.account_total.held_total is
  'Sum of open holds on an immediate account; 0 on a hot one, whose slots know.';
comment on column saldo_private.account_total.debit_total is 'Sum of all posted debits.';
comment on column saldo_private.account_total.credit_total is 'Sum of all posted credits.';
comment on column saldo_private.account_total.balance is 'Posted balance, on the normal side.';
comment on column saldo_private.posted_movement.account_id is 'Account.';
comment on column saldo_private.posted_movement.month is 'First day of the month.';
comment on column saldo_private.posted_movement.debit is 'Posted debits.';
comment on column saldo_private.posted_movement.credit is 'Posted credits.';
comment on column saldo_private.posted_movement.line_count is 'Posted lines.';

create or replace function saldo_private.home_no()
returns integer
language sql
stable
as $$
  -- As many as stripes and slots by default. Where there are fewer, those above begin at the last.
  select 1 + pg_backend_pid() % 64
$$;
comment on function saldo_private.home_no is
  'Where a connection begins to look for a free stripe or slot, downwards. Connections have '
  'neighbouring process numbers: each finds its own one free as a rule.';

create or replace function saldo_private.add_to_stripes(
  line saldo_private.line_sum,
  is_settlement boolean
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_stripe_no integer;
begin
  perform saldo_private.require_read_committed();
  select *
  into strict v_account
  from saldo.account
  where id = line.account_id
  for key share;
  if v_account.mode = 'immediate' then -- since a moment ago
    perform saldo_private.add_to_stripes__immediate(line, is_settlement);
    return;
  end if;

  if v_account.frozen_at is not null and not is_settlement then
    perform saldo_private.fail('account_frozen', format('account %s', v_account.id));
  end if;
  -- A frozen account has no regular stripes: postings would find them and ask nobody.
  if is_settlement and (v_account.min_balance is not null or v_account.frozen_at is not null) then
    v_stripe_no := saldo_private.add_to_stripes__settling_no(v_account.id, line.month);
  else
    v_stripe_no := saldo_private.add_to_stripes__new_no(v_account, line.month);
  end if;
  update saldo_private.account_stripe as s
  set debit = s.debit + line.debit,
    credit = s.credit + line.credit,
    line_count = s.line_count + line.line_count
  where s.account_id = v_account.id
  and s.month = line.month
  and s.stripe_no = v_stripe_no;
end
$$;
comment on function saldo_private.add_to_stripes is
  'The slow way of a posting to a hot account: makes the month''s stripes where they are missing, '
  'or one more where all are in use. Errors: SB020, SB121, and those of a posting.';

create or replace function saldo_private.add_to_stripes__new_no(account saldo.account, month date)
returns integer
language plpgsql
as $$
begin
  -- Who makes all of them at this moment is not waited for.
  if pg_try_advisory_xact_lock(
    hashtextextended(format('saldo stripes %s %s', account.id, month), 0)
  ) then
    insert into saldo_private.account_stripe (account_id, month, stripe_no, is_limited)
    select account.id, add_to_stripes__new_no.month, g.stripe_no, account.min_balance is not null
    from generate_series(1, account.slots) as g (stripe_no)
    on conflict on constraint account_stripe_pkey do nothing;
    if found then
      return least(saldo_private.home_no(), account.slots);
    end if;
  end if;
  -- Above all regular ones: slots are 1,000 at most.
  return saldo_private.add_to_stripes__one(
    account.id, month, 1001, 1, account.min_balance is not null
  );
end
$$;
comment on function saldo_private.add_to_stripes__new_no is
  'Adds the stripes of a month, or one more, and returns one that is ours.';

create or replace function saldo_private.add_to_stripes__settling_no(
  account_id bigint,
  month date
)
returns integer
language plpgsql
as $$
declare
  v_stripe_no integer;
begin
  select s.stripe_no
  into v_stripe_no
  from saldo_private.account_stripe as s
  where s.account_id = add_to_stripes__settling_no.account_id
  and s.month = add_to_stripes__settling_no.month
  and s.stripe_no <= 0
  order by s.stripe_no desc
  limit 1
  for no key update skip locked;
  return coalesce(
    v_stripe_no, saldo_private.add_to_stripes__one(account_id, month, 0, -1, true)
  );
end
$$;
comment on function saldo_private.add_to_stripes__settling_no is
  'A stripe for settlements, from 0 downwards, that is ours: their funds were taken long before.';

create or replace function saldo_private.add_to_stripes__one(
  account_id bigint,
  month date,
  first_no integer,
  step integer,
  is_limited boolean
)
returns integer
language plpgsql
as $$
declare
  v_stripe_no integer := first_no;
begin
  loop
    -- Somebody who adds the same number at this moment is not waited for.
    if pg_try_advisory_xact_lock(
      hashtextextended(format('saldo stripe %s %s %s', account_id, month, v_stripe_no), 0)
    ) then
      insert into saldo_private.account_stripe (account_id, month, stripe_no, is_limited)
      values (account_id, month, v_stripe_no, is_limited)
      on conflict on constraint account_stripe_pkey do nothing;
      exit when found;
    end if;
    v_stripe_no := v_stripe_no + step;
  end loop;
  return v_stripe_no;
end
$$;
comment on function saldo_private.add_to_stripes__one is
  'Adds one stripe, with the first number in this direction that is free; there are never more '
  'than transactions were under way at once.';

create or replace function saldo_private.add_to_stripes__immediate(
  line saldo_private.line_sum,
  is_settlement boolean
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_change numeric;
begin
  select *
  into strict v_account
  from saldo.account
  where id = line.account_id
  for no key update;
  if v_account.frozen_at is not null and not is_settlement then
    perform saldo_private.fail('account_frozen', format('account %s', v_account.id));
  end if;
  v_change := (line.debit - line.credit)
    * case when v_account.type in ('asset', 'expense') then 1 else -1 end;
  if v_change < 0 and not is_settlement
    and v_account.balance - v_account.held_total + v_change < v_account.min_balance
  then
    perform saldo_private.fail('insufficient_balance', format(
      'account %s: available %s, needed %s', v_account.id,
      v_account.balance - v_account.held_total - v_account.min_balance, -v_change
    ));
  end if;
  update saldo.account as a
  set debit_total = a.debit_total + line.debit,
    credit_total = a.credit_total + line.credit,
    version = a.version + 1
  where a.id = v_account.id;
  insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
  values (v_account.id, line.month, line.debit, line.credit, line.line_count)
  on conflict on constraint month_movement_pkey do update
  set debit = m.debit + excluded.debit,
    credit = m.credit + excluded.credit,
    line_count = m.line_count + excluded.line_count;
end
$$;
comment on function saldo_private.add_to_stripes__immediate is
  'Posts to an account that ceased to be hot while the posting was under way: SB001.';

create or replace function saldo_private.fold_stripes(account_id bigint default null)
returns setof bigint
language plpgsql
as $$
declare
  v_account_ids bigint[];
begin
  -- Without waiting: whoever folds has locks already that others may wait for. An account that is
  -- in use just now is folded the next time.
  select array_agg(l.id)
  into v_account_ids
  from (
    select a.id
    from saldo.account as a
    where a.id in (
      select s.account_id
      from saldo_private.account_stripe as s
      where s.line_count > 0
      and (fold_stripes.account_id is null or s.account_id = fold_stripes.account_id)
    )
    for no key update skip locked
  ) as l;
  if v_account_ids is null then
    return;
  end if;

  return query
  with taken as materialized (
    select s.account_id, s.month, s.stripe_no, s.debit, s.credit, s.line_count
    from saldo_private.account_stripe as s
    where s.account_id = any (v_account_ids)
    and s.line_count > 0
    for no key update skip locked
  ),
  emptied as (
    update saldo_private.account_stripe as s
    set debit = 0,
      credit = 0,
      line_count = 0
    from taken as t
    where s.account_id = t.account_id
    and s.month = t.month
    and s.stripe_no = t.stripe_no
  ),
  month_moved as (
    insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
    select t.account_id, t.month, sum(t.debit), sum(t.credit), sum(t.line_count)
    from taken as t
    group by t.account_id, t.month
    on conflict on constraint month_movement_pkey do update
    set debit = m.debit + excluded.debit,
      credit = m.credit + excluded.credit,
      line_count = m.line_count + excluded.line_count
  )
  update saldo.account as a
  set debit_total = a.debit_total + t.debit,
    credit_total = a.credit_total + t.credit,
    version = a.version + 1
  from (
    select taken.account_id, sum(taken.debit) as debit, sum(taken.credit) as credit
    from taken
    group by taken.account_id
  ) as t
  where a.id = t.account_id
  returning a.id;
end
$$;
comment on function saldo_private.fold_stripes is
  'Hands on what stripes hold to the totals and months of their accounts (default: all), and '
  'returns these. Waits for nobody: accounts and stripes that somebody holds are left for the next '
  'time.';

create or replace function saldo_private.remove_stripes(account_id bigint)
returns void
language plpgsql
as $$
begin
  perform
  from saldo_private.account_stripe as s
  where s.account_id = remove_stripes.account_id
  order by s.month, s.stripe_no
  for update;
  perform saldo_private.fold_stripes(account_id);
  delete from saldo_private.account_stripe as s
  where s.account_id = remove_stripes.account_id;
end
$$;
comment on function saldo_private.remove_stripes is
  'Folds all stripes of an account and takes them away; call it under the account''s lock.';

select saldo_private.secure_table('saldo_private.account_stripe');
drop policy if exists select_all on saldo_private.account_stripe;
create policy select_all on saldo_private.account_stripe for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo_private.account_stripe to saldo_admin, saldo_operator, saldo_member;
grant select on saldo_private.account_total, saldo_private.posted_movement
  to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.account_mode is
  'immediate: a posting updates the account''s row; hot: it adds to one of many stripes, which are '
  'folded into the row by the next settlement.';
comment on type saldo_private.line_sum is 'Lines of a posting on one account in one month.';
comment on table saldo_private.account_stripe is
  'Posted lines of a hot account that its row and its months do not have yet.';
comment on column saldo_private.account_stripe.account_id is 'Hot account.';
comment on column saldo_private.account_stripe.month is 'Month of the posting date.';
comment on column saldo_private.account_stripe.stripe_no is
  'Number; those up to 0 are for settlements, whose funds were taken long before.';
comment on column saldo_private.account_stripe.is_limited is
  'Whether the account has a min_balance: then a posting moves its slots as well.';
comment on column saldo_private.account_stripe.debit is 'Debits not yet folded.';
comment on column saldo_private.account_stripe.credit is 'Credits not yet folded.';
comment on column saldo_private.account_stripe.line_count is 'Number of lines not yet folded.';
--! EndIncluded ledger/account_stripe.sql
--! Included ledger/account_follower.sql
-- Followers: a room below keeps something in step with the lines of some accounts, whoever posts.
--
-- Private: account_follower, call_followers. A follower is saldo_private.follow_<name>, of an array
-- of lines; the posting trigger calls it once a statement, with the accounts locked and moved. A
-- trigger of that room on journal_line would cost every posting a call of its own; like this an
-- account that nobody follows costs one look in an index.

create or replace function saldo_private.call_followers(lines saldo.journal_line[])
returns void
language plpgsql
as $$
declare
  v_follower text;
begin
  for v_follower in
    select distinct f.follower
    from saldo_private.account_follower as f
    where f.account_id in (select l.account_id from unnest(lines) as l)
    order by f.follower
  loop
    execute format('select saldo_private.%I($1)', 'follow_' || v_follower)
    using array(
      select l
      from unnest(lines) as l
      join saldo_private.account_follower as f on f.account_id = l.account_id
      where f.follower = v_follower
    );
  end loop;
end
$$;
comment on function saldo_private.call_followers is
  'Hands lines to those who follow their accounts, each of them those that it follows.';

select saldo_private.secure_table('saldo_private.account_follower');

comment on table saldo_private.account_follower is
  'An account whose lines something is kept in step with, beyond its balance.';
comment on column saldo_private.account_follower.account_id is 'Account.';
comment on column saldo_private.account_follower.follower is
  'Who follows it: saldo_private.follow_<this> is called with its lines.';
--! EndIncluded ledger/account_follower.sql
--! Included ledger/posting_refusal.sql
-- Refusing a posting: what is wrong with it, said after the fact.
--
-- Private: posting__examine, posting__refuse_balance.
-- The posting itself only learns that something is unusual (posting.sql).

create or replace function saldo_private.posting__examine(entry_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_line record;
begin
  for v_line in
    select
      case
        when e.id is null or e.line_count <> sum(count(*)) over (partition by l.entry_id)
          or e.posted_in is distinct from pg_current_xact_id()
          or bool_or(l.posting_date <> e.posting_date or (l.debit > 0) = (l.credit > 0))
          or e.line_count < 2 then 1
        when bool_or(a.id is null) then 2
        -- The end of a year empties whatever there is.
        when e.source <> 'close_year' and bool_or(a.closed_at is not null) then 3
        -- What was accepted before it was frozen goes on, and a human settles what is wrong.
        when e.source not in ('settlement', 'close_year', 'adjust_balance')
          and bool_or(a.frozen_at is not null) then 4
        when sum(l.debit - l.credit) <> 0
          and sum(sum(l.debit - l.credit)) over (partition by l.entry_id) = 0 then 5
        when sum(l.debit - l.credit) <> 0 then 6
        when e.source <> 'close_year' and bool_or(a.mode = 'immediate'
          and a.balance - a.held_total < a.min_balance
          and (l.credit > 0) = (a.type in ('asset', 'expense'))) then 7
        else 8
      end as reason,
      l.entry_id,
      a.currency,
      sum(l.debit) as debit,
      sum(l.credit) as credit,
      min(l.account_id) filter (where a.id is null) as unknown_account,
      min(l.account_id) filter (where a.closed_at is not null) as closed_account,
      min(l.account_id) filter (where a.frozen_at is not null) as frozen_account,
      min(l.account_id) filter (
        where a.mode = 'immediate' and a.balance - a.held_total < a.min_balance
      ) as short_account
    from saldo.journal_line as l
    left join saldo.journal_entry as e on e.id = l.entry_id
    left join saldo.account as a on a.id = l.account_id
    where l.entry_id = any (posting__examine.entry_ids)
    group by l.entry_id, e.id, a.currency
    order by reason
    limit 1
  loop
    case v_line.reason
      when 1 then
        perform saldo_private.fail('entry_invalid', format('entry %s', v_line.entry_id));
      when 2 then
        perform saldo_private.fail(
          'account_not_found', format('account %s', v_line.unknown_account)
        );
      when 3 then
        perform saldo_private.fail('account_closed', format('account %s', v_line.closed_account));
      when 4 then
        perform saldo_private.fail('account_frozen', format('account %s', v_line.frozen_account));
      when 5 then
        perform saldo_private.fail('currency_mismatch', format('entry %s', v_line.entry_id));
      when 6 then
        perform saldo_private.fail('entry_unbalanced', format('debit %s, credit %s, currency %s',
          v_line.debit, v_line.credit, v_line.currency));
      when 7 then
        perform saldo_private.posting__refuse_balance(v_line.short_account, entry_ids);
      else
        return;
    end case;
  end loop;
end
$$;
comment on function saldo_private.posting__examine is
  'Says why the entries cannot be posted, or finds that entries in several currencies balance in '
  'each. Runs when the balances have moved already; an error takes that back.';

create or replace function saldo_private.posting__refuse_balance(
  account_id bigint,
  entry_ids uuid[]
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_change numeric;
begin
  select *
  into strict v_account
  from saldo.account
  where id = posting__refuse_balance.account_id;

  select sum(
    case when v_account.type in ('asset', 'expense') then l.debit - l.credit
    else l.credit - l.debit end
  )
  into v_change
  from saldo.journal_line as l
  where l.entry_id = any (posting__refuse_balance.entry_ids)
  and l.account_id = posting__refuse_balance.account_id;

  -- The account shows the balance after the posting; what was there before is what helps.
  perform saldo_private.fail(
    'insufficient_balance',
    format('account %s: available %s, needed %s', account_id,
      v_account.balance - v_account.held_total - v_change - v_account.min_balance, -v_change)
  );
end
$$;
comment on function saldo_private.posting__refuse_balance is
  'Raises SB001 with what was available and what was needed.';
--! EndIncluded ledger/posting_refusal.sql
--! Included ledger/posting.sql
-- Posting: lines come in, balances move, all in the statement that brings the lines.
--
-- Trigger: auto_sync_balance_on_posting on saldo.journal_line.
-- Private: tg_journal_line__auto_sync_balance, posting__* (its steps); posting__examine, which says
-- what is wrong, is in posting_refusal.sql.
-- Invariant: account totals and month movements, with the stripes of hot accounts
-- (account_stripe.sql), equal the sum of the posted lines at every commit.
-- Locks: for each hot account of the statement a stripe that nobody holds, then the immediate ones.
-- Both in id order, so that two postings never deadlock; hot ones first, since their slots may have
-- to be rebuilt, which waits for a settlement, which may wait for an immediate one.
-- A posting is one INSERT of lines, for one entry or a thousand; the trigger runs once for it.
-- The entry stands already, stamped with this very transaction: nobody appends to an old entry.

create or replace function saldo_private.posting__move_stripe(
  account_id bigint,
  month date,
  debit numeric,
  credit numeric,
  line_count bigint,
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_highest_no integer;
begin
  foreach v_highest_no in array array[saldo_private.home_no(), 2147483647] loop
    update saldo_private.account_stripe as s
    set debit = s.debit + posting__move_stripe.debit,
      credit = s.credit + posting__move_stripe.credit,
      line_count = s.line_count + posting__move_stripe.line_count
    where s.account_id = posting__move_stripe.account_id
    and s.month = posting__move_stripe.month
    -- A scalar, computed once. The inner side of a join may be looked at again, and then would
    -- lock another stripe.
    and s.stripe_no = (
      select f.stripe_no
      from saldo_private.account_stripe as f
      where f.account_id = posting__move_stripe.account_id
      and f.month = posting__move_stripe.month
      and f.stripe_no between 1 and v_highest_no
      and not (is_settlement and f.is_limited)
      order by f.stripe_no desc
      limit 1
      for no key update skip locked
    );
    if found then
      return true;
    end if;
  end loop;
  perform saldo_private.add_to_stripes(
    (account_id, month, debit, credit, line_count)::saldo_private.line_sum, is_settlement
  );
  return false; -- unusual: let it be examined
end
$$;
comment on function saldo_private.posting__move_stripe is
  'Adds lines to a stripe that nobody holds. False when it took the slow way.';

create or replace function saldo_private.posting__move_line(
  line saldo_private.posting_line,
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_month date := date_trunc('month', line.posting_date::timestamp);
  v_is_accepted boolean;
begin
  if line.mode = 'immediate' then
    -- The row is locked by its update: the mode that it shows now is sure.
    update saldo.account as a
    set debit_total = a.debit_total + line.debit,
      credit_total = a.credit_total + line.credit,
      version = a.version + 1
    where a.id = line.account_id
    and a.mode = 'immediate'
    returning a.closed_at is null and a.frozen_at is null and (
      a.min_balance is null
      or a.balance - a.held_total >= a.min_balance
      or case when a.type in ('asset', 'expense') then line.debit >= line.credit
        else line.credit >= line.debit end
    )
    into v_is_accepted;
  end if;
  if v_is_accepted is null then
    return saldo_private.posting__move_stripe(
      line.account_id, v_month, line.debit, line.credit, 1, is_settlement
    );
  end if;

  update saldo.month_movement as m
  set debit = m.debit + line.debit,
    credit = m.credit + line.credit,
    line_count = m.line_count + 1
  where m.account_id = line.account_id
  and m.month = v_month;
  if not found then -- nor can it come from anybody else: the account is locked
    insert into saldo.month_movement (account_id, month, debit, credit, line_count)
    values (line.account_id, v_month, line.debit, line.credit, 1);
  end if;
  return v_is_accepted;
end
$$;
comment on function saldo_private.posting__move_line is
  'Adds a line to its account and month, or to a stripe of a hot account. False when there is '
  'something to examine.';

create or replace function saldo_private.posting__move_pair(
  first_line saldo_private.posting_line,
  second_line saldo_private.posting_line,
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_is_first_usual boolean := saldo_private.posting__move_line(first_line, is_settlement);
  v_is_second_usual boolean := saldo_private.posting__move_line(second_line, is_settlement);
begin
  return v_is_first_usual
    and v_is_second_usual
    and first_line.currency = second_line.currency
    and first_line.debit = second_line.credit
    and first_line.credit = second_line.debit
    and ((first_line.debit > 0 and first_line.credit = 0)
      or (first_line.credit > 0 and first_line.debit = 0));
end
$$;
comment on function saldo_private.posting__move_pair is
  'Applies an entry of two lines, hot accounts first. Whether all is usual.';

create or replace function saldo_private.posting__move_rows(
  lines saldo_private.line_sum[],
  except_ids bigint[],
  out moved_ids bigint[],
  out is_usual boolean
)
language plpgsql
as $$
begin
  -- In a statement of its own and sorted: the order keeps concurrent postings free of deadlocks,
  -- and the update below sees the rows as they are once the locks are held.
  perform
  from saldo.account as a
  where a.id in (select l.account_id from unnest(lines) as l)
  and a.mode = 'immediate'
  order by a.id
  for no key update;

  with moved as (
    update saldo.account as a
    set debit_total = a.debit_total + l.debit,
      credit_total = a.credit_total + l.credit,
      version = a.version + 1
    from (
      select line.account_id, sum(line.debit) as debit, sum(line.credit) as credit
      from unnest(lines) as line
      group by line.account_id
    ) as l
    where a.id = l.account_id
    and a.mode = 'immediate'
    and a.id <> all (except_ids)
    returning a.id, a.currency, a.closed_at is null and a.frozen_at is null and (
      a.min_balance is null
      or a.balance - a.held_total >= a.min_balance
      or case when a.type in ('asset', 'expense') then l.debit >= l.credit
        else l.credit >= l.debit end
    ) as is_accepted
  ),
  month_moved as (
    insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
    select l.account_id, l.month, l.debit, l.credit, l.line_count
    from unnest(lines) as l
    where l.account_id in (select moved.id from moved)
    on conflict on constraint month_movement_pkey do update
    set debit = m.debit + excluded.debit,
      credit = m.credit + excluded.credit,
      line_count = m.line_count + excluded.line_count
  )
  select coalesce(array_agg(moved.id), '{}'), bool_and(moved.is_accepted)
    and min(moved.currency) = max(moved.currency)
  into moved_ids, is_usual
  from moved;
end
$$;
comment on function saldo_private.posting__move_rows is
  'Applies the lines of immediate accounts, but for those that were applied already. Whether all '
  'is usual.';

create or replace function saldo_private.posting__move_many(
  lines saldo_private.line_sum[],
  is_settlement boolean
)
returns boolean
language plpgsql
as $$
declare
  v_hot_ids bigint[] := array(
    select a.id
    from saldo.account as a
    where a.id in (select l.account_id from unnest(lines) as l)
    and a.mode = 'hot'
  );
  v_moved_ids bigint[];
  v_is_usual boolean;
begin
  if v_hot_ids <> '{}' then
    perform saldo_private.posting__move_stripes(lines, v_hot_ids, is_settlement);
  end if;
  select r.moved_ids, r.is_usual
  into v_moved_ids, v_is_usual
  from saldo_private.posting__move_rows(lines, v_hot_ids) as r;
  if (select count(distinct l.account_id) from unnest(lines) as l) = cardinality(v_moved_ids) then
    return v_is_usual;
  end if;
  -- Hot since a moment ago; those that do not exist are found when it is examined.
  perform saldo_private.posting__move_stripes(
    lines, array(
      select a.id
      from saldo.account as a
      where a.id in (select l.account_id from unnest(lines) as l)
      and a.id <> all (v_hot_ids || v_moved_ids)
    ),
    is_settlement
  );
  return false;
end
$$;
comment on function saldo_private.posting__move_many is
  'Applies lines, summed up by account and month, in sets. Whether all is usual.';

create or replace function saldo_private.posting__move_stripes(
  lines saldo_private.line_sum[],
  account_ids bigint[],
  is_settlement boolean
)
returns void
language plpgsql
as $$
begin
  -- Whoever moves the slots of an account twice holds one the second time: to gather then, beside
  -- another who gathers, would be a circle.
  perform pg_advisory_xact_lock(hashtextextended(format('saldo gather %s', twice.account_id), 0))
  from (
    select line.account_id
    from unnest(lines) as line
    join saldo.account as a on a.id = line.account_id
    where line.account_id = any (account_ids)
    and a.min_balance is not null
    and not is_settlement
    group by line.account_id
    having count(*) > 1
    order by line.account_id
  ) as twice;
  perform saldo_private.posting__move_stripe(
    hot.account_id, hot.month, hot.debit, hot.credit, hot.line_count, is_settlement
  )
  from (
    select line.account_id, line.month, line.debit, line.credit, line.line_count
    from unnest(lines) as line
    join saldo.account as a on a.id = line.account_id
    where line.account_id = any (account_ids)
    -- What comes in first: it pays for what goes out in another month.
    order by line.account_id, (line.debit - line.credit)
      * case when a.type in ('asset', 'expense') then -1 else 1 end, line.month
    offset 0
  ) as hot;
end
$$;
comment on function saldo_private.posting__move_stripes is
  'Applies the lines of hot accounts, few as a rule, in id order.';

create or replace function saldo_private.tg_journal_line__auto_sync_balance()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_pair saldo_private.posting_line[];
  v_is_entry boolean;
  v_lines saldo_private.line_sum[];
  v_is_settlement boolean;
  v_is_watched boolean;
  v_is_usual boolean;
begin
  -- Most entries have two lines: plain statements in id order cost half of those for sets.
  select array_agg((n.account_id, n.entry_id, n.posting_date, n.debit, n.credit, a.currency,
      a.mode)::saldo_private.posting_line order by a.mode desc, n.account_id),
    bool_and((
      a.id > 0 and e.line_count = 2 and e.posting_date = n.posting_date
      and e.posted_in = pg_current_xact_id()) is true),
    bool_or(e.source in ('settlement', 'close_year', 'adjust_balance')),
    bool_or(exists (select from saldo_private.account_watch as w where w.account_id = n.account_id)
      or exists (select from saldo_private.account_follower as f
        where f.account_id = n.account_id))
  into v_pair, v_is_entry, v_is_settlement, v_is_watched
  from (select * from new_lines limit 3) as n
  left join saldo.journal_entry as e on e.id = n.entry_id
  left join saldo.account as a on a.id = n.account_id;

  if v_is_entry and cardinality(v_pair) = 2 and v_pair[1].entry_id = v_pair[2].entry_id
    and v_pair[1].account_id <> v_pair[2].account_id
  then
    v_is_usual := saldo_private.posting__move_pair(v_pair[1], v_pair[2], v_is_settlement);
  elsif cardinality(v_pair) > 0 then
    select bool_and((
        e.is_balanced and e.is_one_sided and e.line_count >= 2
        and e.line_count = j.line_count and e.first_date = j.posting_date
        and e.last_date = j.posting_date and j.posted_in = pg_current_xact_id()
      ) is true), bool_or(j.source in ('settlement', 'close_year', 'adjust_balance')) is true
    into v_is_usual, v_is_settlement
    from (
      select n.entry_id, count(*) as line_count, sum(n.debit) = sum(n.credit) as is_balanced,
        bool_and((n.debit > 0 and n.credit = 0) or (n.credit > 0 and n.debit = 0)) as is_one_sided,
        min(n.posting_date) as first_date, max(n.posting_date) as last_date
      from new_lines as n
      group by n.entry_id
    ) as e
    left join saldo.journal_entry as j on j.id = e.entry_id;

    v_lines := array(
      select (n.account_id, date_trunc('month', n.posting_date::timestamp)::date, sum(n.debit),
        sum(n.credit), count(*))::saldo_private.line_sum
      from new_lines as n
      group by n.account_id, date_trunc('month', n.posting_date::timestamp)::date
    );
    v_is_usual := saldo_private.posting__move_many(v_lines, v_is_settlement) and v_is_usual;
  end if;

  -- The hot path only learns that something is unusual; what it is may take its time.
  if v_is_usual is not true then
    perform saldo_private.posting__examine(array(select distinct n.entry_id from new_lines as n));
  end if;
  if v_is_watched or cardinality(v_pair) > 2 then
    perform saldo_private.call_followers(array(
      select (n.account_id, n.posting_date, n.entry_id, n.line_no, n.debit, n.credit)
        ::saldo.journal_line
      from new_lines as n join saldo_private.account_follower as f using (account_id)
    ));
    perform saldo_private.notify_watchers(array(select n.account_id from new_lines as n))
    where not v_is_settlement;
  end if;
  if current_setting('synchronous_commit') = 'off' then
    perform saldo_private.require_durable_commit();
  end if;
  return null;
end
$$;
comment on function saldo_private.tg_journal_line__auto_sync_balance is
  'Checks and applies the lines of a statement, set-based. Errors in checking order: SB107 lines '
  'do not make up whole entries of this transaction, SB101, SB102, SB121, SB104, SB103, SB001.';

create or replace trigger auto_sync_balance_on_posting
  after insert on saldo.journal_line
  referencing new table as new_lines
  for each statement
  execute function saldo_private.tg_journal_line__auto_sync_balance();
comment on trigger auto_sync_balance_on_posting on saldo.journal_line is
  'Keeps account totals and month movements in step with the journal, once per statement.';
--! EndIncluded ledger/posting.sql
--! Included ledger/immutability.sql
-- Immutability: posted entries and their lines never change, whoever asks.
--
-- Triggers: keep_posted_immutable, keep_journal_whole. Errors: SB105.
-- The one change that a posted entry sees is its status turning reversed once its reversal is
-- there. A draft may still change.

create or replace function saldo_private.tg_journal_entry__keep_posted_immutable()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if OLD.status = 'draft' then
    return case TG_OP when 'DELETE' then OLD else NEW end;
  end if;
  if TG_OP = 'UPDATE' and OLD.status = 'posted' and NEW.status = 'reversed'
    and to_jsonb(OLD) - 'status' = to_jsonb(NEW) - 'status'
    and exists (select from saldo.journal_entry where reverses = NEW.id)
  then
    return NEW;
  end if;
  perform saldo_private.fail('entry_immutable', format('%s of entry %s', lower(TG_OP), OLD.id));
end
$$;
comment on function saldo_private.tg_journal_entry__keep_posted_immutable is
  'Refuses every change of a posted entry but the mark that it was reversed.';

create or replace trigger keep_posted_immutable
  before update or delete on saldo.journal_entry
  for each row
  execute function saldo_private.tg_journal_entry__keep_posted_immutable();

create or replace function saldo_private.tg_journal_line__keep_posted_immutable()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if TG_OP = 'DELETE' and exists (
    select from saldo.journal_entry where id = OLD.entry_id and status = 'draft'
  ) then
    return OLD;
  end if;
  perform saldo_private.fail(
    'entry_immutable', format('%s of line %s of entry %s', lower(TG_OP), OLD.line_no, OLD.entry_id)
  );
end
$$;
comment on function saldo_private.tg_journal_line__keep_posted_immutable is
  'Refuses every change of a line; lines of a draft may be taken away.';

create or replace trigger keep_posted_immutable
  before update or delete on saldo.journal_line
  for each row
  execute function saldo_private.tg_journal_line__keep_posted_immutable();

create or replace function saldo_private.tg__keep_journal_whole()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.fail('entry_immutable', format('truncate of %s', TG_TABLE_NAME));
  return null;
end
$$;
comment on function saldo_private.tg__keep_journal_whole is
  'Refuses TRUNCATE, which no row trigger sees.';

create or replace trigger keep_journal_whole
  before truncate on saldo.journal_entry
  for each statement
  execute function saldo_private.tg__keep_journal_whole();
create or replace trigger keep_journal_whole
  before truncate on saldo.journal_line
  for each statement
  execute function saldo_private.tg__keep_journal_whole();
--! EndIncluded ledger/immutability.sql
--! Included ledger/post_entries.sql
-- Posting entries: the one way into the journal.
--
-- Public: post_entries. Private: post_entry, post_pair (for all rooms).
-- Entries first, then all lines in one statement, so that the posting trigger runs once whatever
-- the number of entries.

create or replace function saldo_private.post_entry(
  entry_id uuid,
  account_ids bigint[],
  debits numeric[],
  credits numeric[],
  description text,
  source text,
  kind saldo.entry_kind default 'normal',
  occurred_at timestamptz default null,
  idempotency_key text default null,
  reverses uuid default null,
  metadata jsonb default null,
  origin_month date default null
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_occurred_at timestamptz := coalesce(post_entry.occurred_at, now());
  v_day saldo_private.posting_day := saldo_private.posting_day_of(v_occurred_at);
  v_entry saldo.journal_entry;
begin
  insert into saldo.journal_entry (
    id, kind, occurred_at, posting_date, origin_month, description, source, idempotency_key,
    reverses, metadata, line_count, posted_at, posted_by, posted_in
  )
  values (
    post_entry.entry_id, post_entry.kind, v_occurred_at, v_day.posting_date,
    saldo_private.origin_month(v_day, post_entry.origin_month), post_entry.description,
    post_entry.source, post_entry.idempotency_key, post_entry.reverses,
    coalesce(post_entry.metadata, '{}'), cardinality(post_entry.account_ids), clock_timestamp(),
    saldo_private.actor(), pg_current_xact_id()
  )
  returning *
  into v_entry;

  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, v_entry.posting_date, v_entry.id, l.line_no, l.debit, l.credit
  from unnest(post_entry.account_ids, post_entry.debits, post_entry.credits)
    with ordinality as l (account_id, debit, credit, line_no);
  return v_entry;
end
$$;
comment on function saldo_private.post_entry is
  'Posts one entry whose amounts have been checked. occurred_at: default now. origin_month: of '
  'what it is about; default the month of occurred_at, null where that is the month of the '
  'posting date. Errors: SB108, and those of the posting trigger.';

create or replace function saldo_private.post_pair(
  entry_id uuid,
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  description text,
  source text,
  occurred_at timestamptz default null,
  idempotency_key text default null,
  metadata jsonb default '{}'
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_occurred_at timestamptz := coalesce(post_pair.occurred_at, now());
  v_day saldo_private.posting_day := saldo_private.posting_day_of(v_occurred_at);
  v_entry saldo.journal_entry;
begin
  -- By far the most frequent of all: without arrays, and without what other kinds need.
  insert into saldo.journal_entry (
    id, occurred_at, posting_date, origin_month, description, source, idempotency_key, metadata,
    line_count, posted_at, posted_by, posted_in
  )
  values (
    post_pair.entry_id, v_occurred_at, v_day.posting_date, v_day.origin_month,
    post_pair.description,
    post_pair.source, post_pair.idempotency_key, post_pair.metadata, 2, clock_timestamp(),
    saldo_private.actor(), pg_current_xact_id()
  )
  returning *
  into v_entry;

  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  values
    (post_pair.debit_account_id, v_entry.posting_date, v_entry.id, 1, post_pair.amount, 0),
    (post_pair.credit_account_id, v_entry.posting_date, v_entry.id, 2, 0, post_pair.amount);
  return v_entry;
end
$$;
comment on function saldo_private.post_pair is
  'Posts an entry of two lines whose amount has been checked. occurred_at: default now. Errors: '
  'SB108, and those of the posting trigger.';

create or replace function saldo_private.post_entries__check_form(entries jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_entry jsonb;
  v_line jsonb;
begin
  if jsonb_typeof(entries) is distinct from 'array'
    or jsonb_array_length(entries) not between 1 and 10000
  then
    perform saldo_private.fail('input_invalid', 'entries: an array of 1 to 10,000 entries');
  end if;

  select e.entry
  into v_entry
  from jsonb_array_elements(entries) as e (entry)
  where jsonb_typeof(e.entry) <> 'object'
  or jsonb_typeof(e.entry -> 'lines') is distinct from 'array'
  or exists (
    select from jsonb_object_keys(
      case when jsonb_typeof(e.entry) = 'object' then e.entry else '{}' end
    ) as k (key)
    where k.key not in (
      'kind', 'description', 'occurred_at', 'origin_month', 'idempotency_key', 'source',
      'metadata', 'lines'
    )
  )
  or coalesce(e.entry ->> 'kind', 'normal') not in ('normal', 'opening', 'adjustment', 'correction')
  -- A settlement's lines move no funds: they were taken before.
  -- The entries of a year's end stand apart in statements; those of metering are what its rows are.
  -- Those of an adjustment by a human are taken by frozen accounts too.
  or btrim(e.entry ->> 'source')
    in ('settlement', 'close_year', 'rating', 'deposit', 'adjust_balance')
  limit 1;
  if v_entry is not null then
    perform saldo_private.fail('input_invalid', format(
      'an entry has description, lines and, where wanted, kind (normal, opening, adjustment, '
      'correction), occurred_at, origin_month, idempotency_key, source (not settlement, '
      'close_year, rating, deposit, adjust_balance), metadata; '
      'not: %s',
      left(v_entry::text, 200)
    ));
  end if;

  select l.line
  into v_line
  from jsonb_array_elements(entries) as e (entry)
  cross join lateral jsonb_array_elements(e.entry -> 'lines') as l (line)
  where jsonb_typeof(l.line) <> 'object'
  or (l.line ? 'debit') = (l.line ? 'credit')
  or (l.line ? 'account_id') = (l.line ? 'account_code')
  or (l.line ? 'account_id' and l.line ->> 'account_id' !~ '^[0-9]{1,18}$')
  limit 1;
  if v_line is not null then
    perform saldo_private.fail('entry_invalid', format(
      'a line has account_id or account_code, and debit or credit; not: %s', left(v_line::text, 200)
    ));
  end if;

  select e.entry
  into v_entry
  from jsonb_array_elements(entries) as e (entry)
  where jsonb_array_length(e.entry -> 'lines') not between 2 and 1000
  limit 1;
  if v_entry is not null then
    perform saldo_private.fail('entry_invalid', 'an entry has 2 to 1,000 lines');
  end if;
end
$$;
comment on function saldo_private.post_entries__check_form is
  'Refuses JSON that does not have the shape of entries: SB010, SB107.';

create or replace function saldo_private.post_entries__account(
  line jsonb,
  account saldo.account
)
returns bigint
language plpgsql
stable
as $$
begin
  if account.id is null then
    perform saldo_private.fail(
      'account_not_found', coalesce(line ->> 'account_code', line ->> 'account_id')
    );
  elsif line ->> 'currency' <> account.currency then
    perform saldo_private.fail('currency_mismatch', format(
      'account %s is in %s, the line in %s', account.id, account.currency,
      left(line ->> 'currency', 10)
    ));
  end if;
  return account.id;
end
$$;
comment on function saldo_private.post_entries__account is
  'The account of a line, found and in the line''s currency: SB101, SB104.';

create or replace function saldo_private.post_entries__write(entries jsonb, entry_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_days saldo_private.dated_day[] := saldo_private.posting_days_of(array(
    select saldo_private.require_occurred_at(
      saldo_private.require_instant_text(e.entry ->> 'occurred_at', 'occurred_at')
    )
    from jsonb_array_elements(entries) with ordinality as e (entry, entry_no)
    -- What was posted before has its day already.
    where entry_ids[e.entry_no] is not null
  ));
begin
  with entry as materialized (
    select entry_ids[e.entry_no] as id, e.entry, day.occurred_at, day.posting_date,
      saldo_private.origin_month(
        (day.posting_date, day.origin_month)::saldo_private.posting_day,
        case when e.entry ? 'origin_month'
          then saldo_private.require_origin_month(
            saldo_private.require_instant_text(e.entry ->> 'origin_month', 'origin_month')::date
          ) end
      ) as origin_month
    from jsonb_array_elements(entries) with ordinality as e (entry, entry_no)
    join unnest(v_days) as day
      on day.occurred_at = coalesce((e.entry ->> 'occurred_at')::timestamptz, now())
    where entry_ids[e.entry_no] is not null
  ),
  line as materialized (
    select e.id as entry_id, l.line_no,
      saldo_private.post_entries__account(
        l.line, case when l.line ? 'account_id' then by_id else by_code end
      ) as account_id,
      case when l.line ? 'debit' then saldo_private.require_amount_text(l.line ->> 'debit')
      else 0 end as debit,
      case when l.line ? 'credit' then saldo_private.require_amount_text(l.line ->> 'credit')
      else 0 end as credit
    from entry as e
    cross join lateral jsonb_array_elements(e.entry -> 'lines') with ordinality as l (line, line_no)
    left join saldo.account as by_id on by_id.id = (l.line ->> 'account_id')::bigint
    left join saldo.account as by_code on by_code.code = l.line ->> 'account_code'
  ),
  written as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, origin_month, description, source, idempotency_key,
      metadata, line_count, posted_at, posted_by, posted_in
    )
    select e.id, coalesce(e.entry ->> 'kind', 'normal')::saldo.entry_kind, e.occurred_at,
      e.posting_date, e.origin_month,
      saldo_private.require_text(e.entry ->> 'description', 'description'),
      saldo_private.require_text(coalesce(e.entry ->> 'source', 'post_entries'), 'source', 100),
      e.entry ->> 'idempotency_key', coalesce(e.entry -> 'metadata', '{}'),
      jsonb_array_length(e.entry -> 'lines'), clock_timestamp(), saldo_private.actor(),
      pg_current_xact_id()
    from entry as e
    returning id, posting_date
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, w.posting_date, l.entry_id, l.line_no, l.debit, l.credit
  from line as l
  join written as w on w.id = l.entry_id;
end
$$;
comment on function saldo_private.post_entries__write is
  'Writes the entries that have an id; a null id stands for one that was posted before.';

create or replace function saldo.post_entries(entries jsonb)
returns setof saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_ids uuid[];
  v_new_ids uuid[];
begin
  perform saldo_private.post_entries__check_form(entries);

  -- Keys are claimed in order, so that two batches never wait for each other crosswise.
  select array_agg(coalesce(c.earlier_id, c.id) order by c.entry_no),
    array_agg(case when c.earlier_id is null then c.id end order by c.entry_no)
  into v_ids, v_new_ids
  from (
    select e.entry_no, e.id, saldo_private.claim_idempotency_key(
      'ledger', e.entry ->> 'idempotency_key', 'post_entries', e.entry, e.id
    ) as earlier_id
    from (
      select r.entry_no, r.entry, saldo_private.uuid_v7() as id
      from jsonb_array_elements(entries) with ordinality as r (entry, entry_no)
      order by r.entry ->> 'idempotency_key', r.entry_no
      offset 0
    ) as e
  ) as c;

  perform saldo_private.post_entries__write(entries, v_new_ids);

  return query
  select j.*
  from unnest(v_ids) with ordinality as i (id, entry_no)
  join saldo.journal_entry as j on j.id = i.id
  order by i.entry_no;
end
$$;
comment on function saldo.post_entries is
  'Posts journal entries, all or none: a JSON array of {description, lines: [{account_id or '
  'account_code, debit or credit, currency?}], kind?, occurred_at?, origin_month?, '
  'idempotency_key?, source?, metadata?}. Amounts are positive, as JSON strings or numbers. '
  'Returns the entries in the order given; one whose idempotency_key was used before with the same '
  'content comes back as it is. Locks the accounts in id order. Errors in checking order: SB010, '
  'SB107, SB005, SB108, SB002 to SB004, SB008, SB009, SB101, SB102, SB121, SB104, SB103, SB001.';
revoke execute on function saldo.post_entries from public;
grant execute on function saldo.post_entries to saldo_admin;
--! EndIncluded ledger/post_entries.sql
--! Included ledger/transfer.sql
-- Transfers: entries of two lines, singly or a thousand at once.
--
-- Public: transfer, transfer_many.
-- The accounts are named by side, not "from" and "to": whether a debit takes or gives depends on
-- the type of the account. Between two wallets (liabilities) the payer is debited; between two
-- cash boxes (assets) the payer is credited.

create or replace function saldo.transfer(
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  description text default null,
  idempotency_key text default null,
  occurred_at timestamptz default null
)
returns saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_amount numeric := saldo_private.require_amount(transfer.amount);
  v_entry_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_entry saldo.journal_entry;
begin
  if transfer.debit_account_id is null or transfer.credit_account_id is null
    or transfer.debit_account_id = transfer.credit_account_id
  then
    perform saldo_private.fail('entry_invalid', 'a transfer has two different accounts');
  end if;

  if transfer.idempotency_key is not null then
    v_earlier_id := saldo_private.claim_idempotency_key(
      'ledger', transfer.idempotency_key, 'transfer',
      jsonb_build_array(
        debit_account_id, credit_account_id, v_amount, description, extract(epoch from occurred_at)
      ),
      v_entry_id
    );
    if v_earlier_id is not null then
      select *
      into strict v_entry
      from saldo.journal_entry
      where id = v_earlier_id;
      return v_entry;
    end if;
  end if;

  return saldo_private.post_pair(
    entry_id => v_entry_id,
    debit_account_id => transfer.debit_account_id,
    credit_account_id => transfer.credit_account_id,
    amount => v_amount,
    description => case when transfer.description is null then 'Transfer'
      else saldo_private.require_text(transfer.description, 'description') end,
    source => 'transfer',
    occurred_at => saldo_private.require_occurred_at(transfer.occurred_at),
    idempotency_key => transfer.idempotency_key
  );
end
$$;
comment on function saldo.transfer is
  'Posts one entry that debits one account and credits another. occurred_at: default now. The same '
  'idempotency_key with the same content returns the first entry. Locks both accounts in id order. '
  'Errors in checking order: SB002, SB004, SB003, SB107 for one and the same account, SB005, '
  'SB008, SB009, SB108, SB101, SB102, SB121, SB104, SB001.';
revoke execute on function saldo.transfer from public;
grant execute on function saldo.transfer to saldo_admin;

create or replace function saldo_private.transfer_many__write(
  transfers saldo.transfer_request[],
  results saldo.transfer_result[]
)
returns void
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
  v_days saldo_private.dated_day[] := saldo_private.posting_days_of(array(
    select distinct saldo_private.require_occurred_at(t.occurred_at)
    from rows from (unnest(transfers), unnest(results)) as t (
      debit_account_id, credit_account_id, amount, description, idempotency_key, occurred_at,
      entry_id, is_new
    )
    -- What was posted before has its day already.
    where t.is_new
  ));
begin
  with request as materialized (
    select t.entry_id, t.debit_account_id, t.credit_account_id, trim_scale(t.amount) as amount,
      t.description, t.idempotency_key,
      day.occurred_at, day.posting_date, day.origin_month
    from rows from (unnest(transfers), unnest(results)) as t (
      debit_account_id, credit_account_id, amount, description, idempotency_key, occurred_at,
      entry_id, is_new
    )
    join unnest(v_days) as day on day.occurred_at = coalesce(t.occurred_at, now())
    where t.is_new
  ),
  entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, origin_month, description, source, idempotency_key,
      line_count, posted_at, posted_by, posted_in
    )
    select r.entry_id, r.occurred_at, r.posting_date, r.origin_month,
      case when r.description is null then 'Transfer'
      else saldo_private.require_text(r.description, 'description') end,
      'transfer', r.idempotency_key, 2, clock_timestamp(), v_actor, pg_current_xact_id()
    from request as r
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select r.debit_account_id, r.posting_date, r.entry_id, 1, r.amount, 0
  from request as r
  union all
  select r.credit_account_id, r.posting_date, r.entry_id, 2, 0, r.amount
  from request as r;
end
$$;
comment on function saldo_private.transfer_many__write is
  'Writes the transfers whose result is new.';

create or replace function saldo.transfer_many(transfers saldo.transfer_request[])
returns setof saldo.transfer_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_results saldo.transfer_result[];
begin
  if transfers is null or cardinality(transfers) not between 1 and 10000 then
    perform saldo_private.fail('input_invalid', 'transfers: an array of 1 to 10,000 transfers');
  end if;
  if exists (
    select
    from unnest(transfers) as t
    where t.debit_account_id is null
    or t.credit_account_id is null
    or t.debit_account_id = t.credit_account_id
  ) then
    perform saldo_private.fail('entry_invalid', 'a transfer has two different accounts');
  end if;

  -- Keys are claimed in their order, so that two batches never wait for each other crosswise.
  select array_agg(
    (coalesce(c.earlier_id, c.entry_id), c.earlier_id is null)::saldo.transfer_result
    order by c.transfer_no
  )
  into v_results
  from (
    select s.transfer_no, s.entry_id,
      case when s.idempotency_key is not null then saldo_private.claim_idempotency_key(
        'ledger', s.idempotency_key, 'transfer',
        jsonb_build_array(
          s.debit_account_id, s.credit_account_id, s.amount, s.description,
          extract(epoch from s.occurred_at)
        ),
        s.entry_id
      ) end as earlier_id
    from (
      select t.transfer_no, t.debit_account_id, t.credit_account_id,
        saldo_private.require_amount(t.amount) as amount, t.description, t.idempotency_key,
        t.occurred_at, saldo_private.uuid_v7() as entry_id
      from unnest(transfers) with ordinality as t (
        debit_account_id, credit_account_id, amount, description, idempotency_key, occurred_at,
        transfer_no
      )
      order by t.idempotency_key, t.transfer_no
      offset 0
    ) as s
  ) as c;

  perform saldo_private.transfer_many__write(transfers, v_results);
  return query
  select r.entry_id, r.is_new
  from unnest(v_results) as r;
end
$$;
comment on function saldo.transfer_many is
  'Posts up to 10,000 transfers, each an entry of its own, all or none, and answers in the order '
  'given. A transfer whose idempotency_key was used before with the same content is not posted '
  'again. Accounts are locked in id order; min_balance holds for the end of the batch. '
  'Errors in checking order: SB010, SB107, SB002, SB004, SB003, SB005, SB008, SB009, SB101, '
  'SB102, SB104, SB001; SB010 for an occurred_at before 1900 or after 9999.';
revoke execute on function saldo.transfer_many from public;
grant execute on function saldo.transfer_many to saldo_admin;

comment on type saldo.transfer_request is
  'A transfer to post: the accounts by side, a positive amount; description, idempotency_key and '
  'occurred_at as in the function transfer.';
comment on type saldo.transfer_result is 'What became of a transfer of a batch.';
comment on column saldo.transfer_result.entry_id is 'The entry that carries it.';
comment on column saldo.transfer_result.is_new is
  'False when an earlier request with the same key had posted it already.';
--! EndIncluded ledger/transfer.sql
--! Included ledger/reversal.sql
-- Reversal: the only way to undo a posted entry, and it leaves both in the books.
--
-- Public: reverse_entry. Private: reverse_posted_entry (for the other rooms).
-- Locks the entry first, so that two reversals of it never both pass.

create or replace function saldo_private.reverse_posted_entry(
  entry_id uuid,
  reversal_id uuid,
  description text,
  source text,
  occurred_at timestamptz default null,
  idempotency_key text default null,
  is_correction boolean default false
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_entry saldo.journal_entry;
  v_origin_month date;
  v_reversal saldo.journal_entry;
  v_account_ids bigint[];
  v_debits numeric[];
  v_credits numeric[];
begin
  select *
  into v_entry
  from saldo.journal_entry
  where id = reverse_posted_entry.entry_id
  for no key update;
  if v_entry.id is null then
    perform saldo_private.fail('not_found', format('entry %s', entry_id));
  elsif v_entry.status <> 'posted' or v_entry.kind in ('reversal', 'closing') then
    perform saldo_private.fail(
      'entry_not_reversible', format('entry %s is a %s %s entry', entry_id, v_entry.status,
        v_entry.kind)
    );
  end if;

  if is_correction then
    v_origin_month := coalesce(v_entry.origin_month, saldo_private.month_of(v_entry.posting_date));
    perform pg_advisory_xact_lock_shared(7247, saldo_private.month_number(v_origin_month));
    if v_origin_month <= saldo_private.closed_through(is_locked => true) then
      v_origin_month := null; -- nothing is about that month any more
    end if;
  end if;

  select array_agg(l.account_id order by l.line_no), array_agg(l.debit order by l.line_no),
    array_agg(l.credit order by l.line_no)
  into v_account_ids, v_debits, v_credits
  from saldo.journal_line as l
  where l.entry_id = reverse_posted_entry.entry_id;

  v_reversal := saldo_private.post_entry(
    entry_id => reverse_posted_entry.reversal_id,
    account_ids => v_account_ids,
    debits => v_credits,
    credits => v_debits,
    description => reverse_posted_entry.description,
    source => reverse_posted_entry.source,
    kind => 'reversal',
    occurred_at => reverse_posted_entry.occurred_at,
    idempotency_key => reverse_posted_entry.idempotency_key,
    reverses => reverse_posted_entry.entry_id,
    origin_month => v_origin_month
  );
  update saldo.journal_entry
  set status = 'reversed'
  where id = reverse_posted_entry.entry_id;
  return v_reversal;
end
$$;
comment on function saldo_private.reverse_posted_entry is
  'Posts the mirror image of a posted entry and marks it reversed. is_correction: the reversal is '
  'about the month of the entry, if that is not locked. Errors: SB007, SB106, and those of a '
  'posting.';

create or replace function saldo.reverse_entry(
  entry_id uuid,
  reason text,
  idempotency_key text default null
)
returns saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reversal_id uuid := saldo_private.uuid_v7();
  v_reason text := saldo_private.require_text(reverse_entry.reason, 'reason');
  v_earlier_id uuid;
  v_entry saldo.journal_entry;
begin
  v_earlier_id := saldo_private.claim_idempotency_key(
    'ledger', reverse_entry.idempotency_key, 'reverse_entry',
    jsonb_build_array(reverse_entry.entry_id, v_reason), v_reversal_id
  );
  if v_earlier_id is not null then
    select *
    into strict v_entry
    from saldo.journal_entry
    where id = v_earlier_id;
    return v_entry;
  end if;

  return saldo_private.reverse_posted_entry(
    entry_id => reverse_entry.entry_id,
    reversal_id => v_reversal_id,
    description => v_reason,
    source => 'reverse_entry',
    idempotency_key => reverse_entry.idempotency_key,
    is_correction => true
  );
end
$$;
comment on function saldo.reverse_entry is
  'Cancels a posted entry by a new entry with debits and credits exchanged, posted now, about the '
  'month of the first (origin_month); both stay in the books. A purchase is undone with '
  'refund_purchase instead, which also knows its state. Errors in checking order: SB010, SB008, '
  'SB009, SB005, SB007, SB106 for a draft, a reversed entry, a reversal or the closing entry of a '
  'year (reopen_period undoes that), SB102, SB001.';
revoke execute on function saldo.reverse_entry from public;
grant execute on function saldo.reverse_entry to saldo_admin;
--! EndIncluded ledger/reversal.sql
--! Included ledger/account_balance_rule.sql
-- account.debit_total and credit_total: the rule that derives them again, and the heal.
--
-- Private: rule_account_balance, heal_account_balance, undo_heal_account_balance. The
-- trigger is in posting.sql.

create or replace function saldo_private.rule_account_balance(account_ids bigint[] default null)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  -- From the account's side, so that an account whose lines are all gone is seen.
  select a.account_id::text, a.account_id, trim_scale(a.balance)::text, trim_scale(d.balance)::text,
    trim_scale(a.balance - d.balance),
    jsonb_build_object(
      'mode', a.mode,
      'stored_debit', a.debit_total, 'stored_credit', a.credit_total,
      'derived_debit', d.debit, 'derived_credit', d.credit
    )
  from saldo_private.account_total as a
  left join (
    select l.account_id, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_line as l
    where account_ids is null
    or l.account_id = any (account_ids)
    group by l.account_id
  ) as j on j.account_id = a.account_id
  cross join lateral (
    select coalesce(j.debit, 0) as debit, coalesce(j.credit, 0) as credit,
      (coalesce(j.debit, 0) - coalesce(j.credit, 0))
        * case when a.type in ('asset', 'expense') then 1 else -1 end as balance
  ) as d
  where (a.debit_total <> d.debit or a.credit_total <> d.credit)
  and (account_ids is null or a.account_id = any (account_ids))
$$;
comment on function saldo_private.rule_account_balance is
  'Accounts whose totals, with what their stripes have not yet handed on, are not the sums of '
  'their journal lines. difference: stored balance less derived balance.';

create or replace function saldo_private.heal_account_balance(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_account_ids bigint[] := keys::bigint[];
begin
  perform
  from saldo.account as a
  where a.id = any (v_account_ids)
  order by a.id
  for no key update;

  -- Not in the statement above: its snapshot is older than the locks that it waited for.
  return query
  with derived as materialized (
    -- Less what waits in stripes: nobody can fold it while the account is locked.
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from (
      select l.account_id, l.debit, l.credit
      from saldo.journal_line as l
      where l.account_id = any (v_account_ids)
      union all
      select s.account_id, -s.debit, -s.credit
      from saldo_private.account_stripe as s
      where s.account_id = any (v_account_ids)
    ) as part
    group by part.account_id
  ),
  differing as materialized (
    select a.id, a.debit_total, a.credit_total, a.balance, coalesce(d.debit, 0) as debit,
      coalesce(d.credit, 0) as credit
    from saldo.account as a
    left join derived as d on d.account_id = a.id
    where a.id = any (v_account_ids)
    and (a.debit_total <> coalesce(d.debit, 0) or a.credit_total <> coalesce(d.credit, 0))
  ),
  healed as (
    update saldo.account as a
    set debit_total = d.debit,
      credit_total = d.credit,
      version = a.version + 1
    from differing as d
    where a.id = d.id
    returning a.id, a.debit_total, a.credit_total, a.balance
  )
  select h.id::text, jsonb_build_object('debit_total', d.debit_total, 'credit_total',
      d.credit_total, 'balance', d.balance),
    jsonb_build_object('debit_total', h.debit_total, 'credit_total', h.credit_total, 'balance',
      h.balance)
  from healed as h
  join differing as d on d.id = h.id;
end
$$;
comment on function saldo_private.heal_account_balance is
  'Sets the totals of these accounts to the sums of their lines less their stripes, under the '
  'locks that postings and folds take. A row for each that differed.';

create or replace function saldo_private.undo_heal_account_balance(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_was saldo.account;
  v_became saldo.account;
begin
  select a.*
  into strict v_was
  from saldo.account as a
  where a.id = undo_heal_account_balance.key::bigint
  for no key update;
  update saldo.account as a
  set debit_total = a.debit_total + (before ->> 'debit_total')::numeric
      - (after ->> 'debit_total')::numeric,
    credit_total = a.credit_total + (before ->> 'credit_total')::numeric
      - (after ->> 'credit_total')::numeric,
    version = a.version + 1
  where a.id = v_was.id
  returning a.*
  into v_became;
  return query
  select jsonb_build_object('debit_total', v_was.debit_total, 'credit_total', v_was.credit_total,
      'balance', v_was.balance),
    jsonb_build_object('debit_total', v_became.debit_total, 'credit_total', v_became.credit_total,
      'balance', v_became.balance);
end
$$;
comment on function saldo_private.undo_heal_account_balance is
  'Takes from an account''s totals what a heal gave them, under the account''s lock.';
--! EndIncluded ledger/account_balance_rule.sql
--! Included ledger/month_movement_rule.sql
-- month_movement: the rule that derives it again, and the heal.
--
-- Private: rule_month_movement, movement_figures, heal_month_movement,
-- undo_heal_month_movement. The trigger is in posting.sql.

create or replace function saldo_private.rule_month_movement(account_ids bigint[] default null)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s %s', account_id, month), account_id,
    format('debit %s, credit %s, lines %s', m.debit, m.credit, coalesce(m.line_count, 0)),
    format('debit %s, credit %s, lines %s', j.debit, j.credit, coalesce(j.line_count, 0)),
    trim_scale(coalesce(m.debit - m.credit, 0) - coalesce(j.debit - j.credit, 0)),
    jsonb_build_object('month', month)
  from (
    select p.account_id, p.month, sum(p.debit) as debit, sum(p.credit) as credit,
      sum(p.line_count) as line_count
    from saldo_private.posted_movement as p
    where account_ids is null
    or p.account_id = any (account_ids)
    group by p.account_id, p.month
  ) as m
  full join (
    select l.account_id, saldo_private.month_of(l.posting_date) as month,
      sum(l.debit) as debit, sum(l.credit) as credit, count(*) as line_count
    from saldo.journal_line as l
    where account_ids is null
    or l.account_id = any (account_ids)
    group by 1, 2
  ) as j using (account_id, month)
  where (m.debit, m.credit, m.line_count)
    is distinct from (j.debit, j.credit, j.line_count::numeric)
$$;
comment on function saldo_private.rule_month_movement is
  'Months whose movement is not the sum of their journal lines, missing and superfluous ones '
  'included. difference: net debit stored less derived.';

create or replace function saldo_private.movement_figures(movement saldo.month_movement)
returns jsonb
language sql
immutable
as $$
  select case when movement.account_id is not null then jsonb_build_object(
    'debit', movement.debit, 'credit', movement.credit, 'line_count', movement.line_count
  ) end
$$;
comment on function saldo_private.movement_figures is
  'What a movement has in it; null when there is none.';

create or replace function saldo_private.heal_month_movement__derived(keys text[])
returns saldo.month_movement[]
language sql
stable
as $$
  -- Less what waits in stripes: nobody can fold it while the account is locked.
  select coalesce(array_agg(m.movement), '{}')
  from (
    select (wanted.account_id, wanted.month, sum(part.debit), sum(part.credit),
      sum(part.line_count))::saldo.month_movement as movement
    from (
      select split_part(k, ' ', 1)::bigint as account_id, split_part(k, ' ', 2)::date as month
      from unnest(keys) as k
    ) as wanted
    cross join lateral (
      select l.debit, l.credit, 1 as line_count
      from saldo.journal_line as l
      where l.account_id = wanted.account_id
      and l.posting_date >= wanted.month
      and l.posting_date < (wanted.month + interval '1 month')::date
      union all
      select -s.debit, -s.credit, -s.line_count
      from saldo_private.account_stripe as s
      where s.account_id = wanted.account_id
      and s.month = wanted.month
    ) as part
    group by wanted.account_id, wanted.month
    having sum(part.line_count) > 0
  ) as m
$$;
comment on function saldo_private.heal_month_movement__derived is
  'The movements of these accounts and months as their lines make them; none where there are no '
  'lines.';

create or replace function saldo_private.heal_month_movement(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_derived saldo.month_movement[];
begin
  -- Postings lock the account before they touch its months.
  perform
  from saldo.account as a
  where a.id in (select split_part(k, ' ', 1)::bigint from unnest(keys) as k)
  order by a.id
  for no key update;
  v_derived := saldo_private.heal_month_movement__derived(keys);

  return query
  with differing as materialized (
    select w.key, w.account_id, w.month, saldo_private.movement_figures(m) as before,
      saldo_private.movement_figures(d) as after, d.debit, d.credit, d.line_count
    from (
      select k as key, split_part(k, ' ', 1)::bigint as account_id,
        split_part(k, ' ', 2)::date as month
      from unnest(keys) as k
    ) as w
    left join saldo.month_movement as m on m.account_id = w.account_id and m.month = w.month
    left join unnest(v_derived) as d on d.account_id = w.account_id and d.month = w.month
    where (m.debit, m.credit, m.line_count) is distinct from (d.debit, d.credit, d.line_count)
  ),
  removed as (
    delete from saldo.month_movement as m
    using differing as d
    where d.after is null
    and m.account_id = d.account_id
    and m.month = d.month
  ),
  written as (
    insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
    select d.account_id, d.month, d.debit, d.credit, d.line_count
    from differing as d
    where d.after is not null
    on conflict on constraint month_movement_pkey do update
    set debit = excluded.debit,
      credit = excluded.credit,
      line_count = excluded.line_count
  )
  select d.key, d.before, d.after
  from differing as d;
end
$$;
comment on function saldo_private.heal_month_movement is
  'Sets months'' movements to the sums of their lines, under the locks of their accounts. A row '
  'for each that differed.';

create or replace function saldo_private.undo_heal_month_movement(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_account_id bigint := split_part(key, ' ', 1)::bigint;
  v_month date := split_part(key, ' ', 2)::date;
  v_was saldo.month_movement;
  v_became saldo.month_movement;
begin
  perform
  from saldo.account as a
  where a.id = v_account_id
  for no key update;
  select m.*
  into v_was
  from saldo.month_movement as m
  where m.account_id = v_account_id
  and m.month = v_month;
  insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
  select v_account_id, v_month, coalesce((before ->> 'debit')::numeric, 0)
      - coalesce((after ->> 'debit')::numeric, 0),
    coalesce((before ->> 'credit')::numeric, 0) - coalesce((after ->> 'credit')::numeric, 0),
    coalesce((before ->> 'line_count')::bigint, 0) - coalesce((after ->> 'line_count')::bigint, 0)
  on conflict on constraint month_movement_pkey do update
  set debit = m.debit + excluded.debit,
    credit = m.credit + excluded.credit,
    line_count = m.line_count + excluded.line_count
  returning m.*
  into v_became;
  if before is null and v_became.line_count = 0 then -- the heal made it, and nothing came since
    delete from saldo.month_movement as m
    where m.account_id = v_account_id
    and m.month = v_month;
    v_became := null;
  end if;
  return query
  select saldo_private.movement_figures(v_was), saldo_private.movement_figures(v_became);
end
$$;
comment on function saldo_private.undo_heal_month_movement is
  'Takes from a month''s movement what a heal gave it, under the account''s lock.';
--! EndIncluded ledger/month_movement_rule.sql
--! Included ledger/balance_at.sql
-- Balance of an account at a moment.
--
-- Public: balance_at.
-- Whole months come from month_movement (and stripes), the month that is cut from the lines: the
-- cost is that of one month, however long the history.

create or replace function saldo.balance_at(account_id bigint, at timestamptz)
returns numeric
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
  v_date date := saldo_private.business_date(balance_at.at);
  v_net numeric;
begin
  select *
  into v_account
  from saldo.account
  where id = balance_at.account_id;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  elsif balance_at.at is null then
    perform saldo_private.fail('input_invalid', 'at: an instant');
  end if;

  select sum(part.net)
  into v_net
  from (
    select sum(m.debit - m.credit) as net
    from saldo_private.posted_movement as m
    where m.account_id = balance_at.account_id
    and m.month < saldo_private.month_of(v_date)
    union all
    select sum(l.debit - l.credit)
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where l.account_id = balance_at.account_id
    and l.posting_date between saldo_private.month_of(v_date) and v_date
    and e.status <> 'draft'
    and (l.posting_date < v_date or e.occurred_at <= balance_at.at)
  ) as part;
  return coalesce(v_net, 0)
    * case when v_account.type in ('asset', 'expense') then 1 else -1 end;
end
$$;
comment on function saldo.balance_at is
  'Balance of an account at a moment, on its normal side, in its currency: everything posted on '
  'earlier business dates, and what had occurred by then on that date. Errors: SB101, SB010.';
revoke execute on function saldo.balance_at from public;
grant execute on function saldo.balance_at to saldo_admin, saldo_operator, saldo_member;
--! EndIncluded ledger/balance_at.sql
--! Included ledger/totals_until.sql
-- Totals up to a date, of all accounts: what every statement is made of.
--
-- Private: totals_until, totals_until__* (its steps), late_line, year_end_line.
-- Counted from whichever is nearest: the snapshot of a closed period, the beginning, or back from
-- the totals of today. All three come to the same figures.

create or replace view saldo_private.late_line with (security_invoker = true) as
select l.account_id, l.posting_date, saldo_private.month_of(l.posting_date) as posting_month,
  e.origin_month, l.debit, l.credit
from saldo.journal_entry as e
join saldo.journal_line as l on l.entry_id = e.id
where e.origin_month is not null
and e.status <> 'draft';
comment on view saldo_private.late_line is
  'Posted lines that are about another month than that of their posting date.';

create or replace view saldo_private.year_end_line with (security_invoker = true) as
select l.account_id, l.posting_date, l.debit, l.credit
from saldo.journal_entry as e
join saldo.journal_line as l on l.entry_id = e.id
where e.source = 'close_year'
and e.status <> 'draft';
comment on view saldo_private.year_end_line is
  'Lines of the closing entries of years, and of their reversals.';

comment on column saldo_private.late_line.account_id is 'Account.';
comment on column saldo_private.late_line.posting_date is 'Posting date.';
comment on column saldo_private.late_line.posting_month is 'Its month.';
comment on column saldo_private.late_line.origin_month is 'Month that it is about.';
comment on column saldo_private.late_line.debit is 'Debit.';
comment on column saldo_private.late_line.credit is 'Credit.';
comment on column saldo_private.year_end_line.account_id is 'Account.';
comment on column saldo_private.year_end_line.posting_date is 'Last day of the year.';
comment on column saldo_private.year_end_line.debit is 'Debit.';
comment on column saldo_private.year_end_line.credit is 'Credit.';

create or replace function saldo_private.totals_until__forward(
  as_of date,
  fiscal_year integer,
  number integer
)
returns table (account_id bigint, debit numeric, credit numeric)
language sql
stable
as $$
  select part.account_id, sum(part.debit), sum(part.credit)
  from (
    select s.account_id, s.debit_total as debit, s.credit_total as credit
    from saldo.closing_snapshot as s
    where s.fiscal_year = totals_until__forward.fiscal_year
    and s.number = totals_until__forward.number
    union all
    select m.account_id, m.debit, m.credit
    from saldo_private.posted_movement as m
    where m.month > coalesce(
      saldo_private.period_ends_on(totals_until__forward.fiscal_year, number), '-infinity'
    )
    and m.month < saldo_private.month_of(as_of + 1)
    union all
    -- December was sealed before the closing entries of its last day.
    select y.account_id, y.debit, y.credit
    from saldo_private.year_end_line as y
    where totals_until__forward.number = 12
    and y.posting_date = saldo_private.period_ends_on(totals_until__forward.fiscal_year, 12)
    union all
    -- The month that is cut, if one is: by its entries, which have an index by date.
    select l.account_id, l.debit, l.credit
    from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    where e.posting_date between greatest(
      saldo_private.month_of(as_of + 1),
      saldo_private.period_ends_on(totals_until__forward.fiscal_year, number) + 1
    ) and as_of
    and e.status <> 'draft'
  ) as part
  group by part.account_id
$$;
comment on function saldo_private.totals_until__forward is
  'Totals from a snapshot, or without one from the beginning.';

create or replace function saldo_private.totals_until__backward(as_of date)
returns table (account_id bigint, debit numeric, credit numeric)
language sql
stable
as $$
  select a.account_id, a.debit_total - coalesce(later.debit, 0),
    a.credit_total - coalesce(later.credit, 0)
  from saldo_private.account_total as a
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from (
      select m.account_id, m.debit, m.credit
      from saldo_private.posted_movement as m
      where m.month > as_of
      union all
      select l.account_id, l.debit, l.credit
      from saldo.journal_entry as e
      join saldo.journal_line as l on l.entry_id = e.id
      where e.posting_date > as_of
      and e.posting_date < (saldo_private.month_of(as_of) + interval '1 month')::date
      and e.status <> 'draft'
    ) as part
    group by part.account_id
  ) as later on later.account_id = a.account_id
$$;
comment on function saldo_private.totals_until__backward is
  'Totals of today less what was posted after the date.';

create or replace function saldo_private.posted_between(from_date date, to_date date)
returns table (account_id bigint, debit numeric, credit numeric)
language sql
stable
as $$
  with whole as materialized (
    -- The months that lie inside as a whole.
    select w.first_month, greatest(w.next_month, w.first_month) as next_month
    from (
      select (saldo_private.month_of(sane.from_date - 1) + interval '1 month')::date as first_month,
        saldo_private.month_of(sane.to_date + 1) as next_month
      -- This may be computed before the dates are refused, and must not fail first.
      from (
        select greatest(least(from_date, '9999-12-31'), '1900-01-01') as from_date,
          greatest(least(to_date, '9999-12-31'), '1900-01-01') as to_date
      ) as sane
    ) as w
  )
  select m.account_id, m.debit, m.credit
  from saldo_private.posted_movement as m
  where m.month >= (select w.first_month from whole as w)
  and m.month < (select w.next_month from whole as w)
  union all
  select l.account_id, l.debit, l.credit
  from (
    select from_date as starts_on, least(w.first_month - 1, to_date) as ends_on
    from whole as w
    union all
    select w.next_month, to_date
    from whole as w
  ) as edge
  join saldo.journal_entry as e on e.posting_date between edge.starts_on and edge.ends_on
  join saldo.journal_line as l on l.entry_id = e.id
  where e.status <> 'draft'
$$;
comment on function saldo_private.posted_between is
  'What was posted from one date to another, both included, in several rows an account.';

create or replace function saldo_private.totals_until__adjustment(
  as_of date,
  basis saldo.balance_basis,
  is_before_closing boolean
)
returns table (account_id bigint, debit numeric, credit numeric)
language sql
stable
as $$
  select part.account_id, sum(part.debit), sum(part.credit)
  from (
    select l.account_id, l.debit, l.credit
    from saldo_private.late_line as l
    where basis = 'restated'
    and l.origin_month <= as_of
    and l.posting_date > as_of
    union all
    select l.account_id, -l.debit, -l.credit
    from saldo_private.late_line as l
    where basis = 'restated'
    and l.origin_month > as_of
    and l.posting_date <= as_of
    union all
    select y.account_id, -y.debit, -y.credit
    from saldo_private.year_end_line as y
    where is_before_closing
    and y.posting_date <= as_of
    and y.posting_date = saldo_private.period_ends_on(extract(year from as_of)::integer, 12)
  ) as part
  group by part.account_id
$$;
comment on function saldo_private.totals_until__adjustment is
  'What other statements than the reported ones after closing have more, or less.';

create or replace function saldo_private.last_whole_snapshot(as_of date, before_number integer)
returns saldo.period
language sql
stable
as $$
  select p
  from saldo.period as p
  where p.snapshot_hash is not null
  and p.ends_on <= as_of
  and (p.ends_on < as_of or p.number < before_number)
  and p.account_count = (
    select count(*)
    from saldo.closing_snapshot as s
    where s.fiscal_year = p.fiscal_year
    and s.number = p.number
  )
  order by p.fiscal_year desc, p.number desc
  limit 1
$$;
comment on function saldo_private.last_whole_snapshot is
  'The last sealed period up to a day, of those that end on it only one of a lower number, whose '
  'totals are all there; null = none.';
grant execute on function saldo_private.last_whole_snapshot to saldo_admin, saldo_operator;

create or replace function saldo_private.totals_until(
  as_of date,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false
)
returns table (account_id bigint, debit numeric, credit numeric)
language plpgsql
stable
as $$
declare
  v_base saldo.period;
  v_month integer := saldo_private.month_number(as_of);
  v_first integer;
  v_last integer;
begin
  if as_of is null then
    return query
    select t.account_id, t.debit_total, t.credit_total
    from saldo_private.account_total as t;
    return;
  end if;
  v_base := saldo_private.last_whole_snapshot(as_of, 14);
  v_first := saldo_private.month_number(v_base.ends_on);
  select coalesce(v_first, saldo_private.month_number(min(e.posting_date))),
    saldo_private.month_number(max(e.posting_date))
  into v_first, v_last
  from saldo.journal_entry as e;

  if coalesce(v_month - v_first <= v_last - v_month, true) then
    return query
    select t.account_id, t.debit, t.credit
    from saldo_private.totals_until__forward(as_of, v_base.fiscal_year, v_base.number) as t;
  else
    return query
    select t.account_id, t.debit, t.credit
    from saldo_private.totals_until__backward(as_of) as t;
  end if;
  if basis = 'restated' or is_before_closing then
    return query
    select t.account_id, t.debit, t.credit
    from saldo_private.totals_until__adjustment(as_of, basis, is_before_closing) as t;
  end if;
end
$$;
comment on function saldo_private.totals_until is
  'Debits and credits of every account that moved, posted until the date (null = all), in one or '
  'two rows an account. restated: by the month that entries are about, for the last day of a '
  'month. is_before_closing: without the closing entries of the year of the date.';
grant execute on function saldo_private.totals_until, saldo_private.posted_between,
  saldo_private.totals_until__forward,
  saldo_private.totals_until__backward, saldo_private.totals_until__adjustment
  to saldo_admin, saldo_operator;
grant select on saldo_private.late_line, saldo_private.year_end_line
  to saldo_admin, saldo_operator, saldo_member;
--! EndIncluded ledger/totals_until.sql
--! Included ledger/trial_balance.sql
-- Trial balance: every account with its totals; both columns of balances add up to the same.
--
-- Public: trial_balance, trial_balance_between. Private: require_statement_date.

create or replace function saldo_private.require_statement_date(
  on_date date,
  basis saldo.balance_basis
)
returns date
language plpgsql
stable
as $$
begin
  if on_date not between '1900-01-01' and '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'date: from 1900 to 9999');
  elsif basis = 'restated'
    and on_date <> saldo_private.month_of(on_date) + interval '1 month - 1 day'
  then
    perform saldo_private.fail('input_invalid', 'restated: for the last day of a month');
  end if;
  return on_date;
end
$$;
comment on function saldo_private.require_statement_date is
  'The date, if a statement of that basis can be made for it: SB010. What an entry is about is '
  'known by the month only.';
grant execute on function saldo_private.require_statement_date to saldo_admin, saldo_operator;

create or replace function saldo_private.require_statement_range(
  from_date date,
  to_date date,
  basis saldo.balance_basis
)
returns date
language plpgsql
stable
as $$
begin
  if (from_date >= '1900-01-01' and from_date <= to_date) is not true then
    perform saldo_private.fail('input_invalid', 'from_date, to_date: the first and the last day');
  end if;
  perform saldo_private.require_statement_date(to_date, basis);
  if basis = 'restated' and from_date <> saldo_private.month_of(from_date) then
    perform saldo_private.fail('input_invalid', 'restated: from the first day of a month');
  end if;
  return from_date - 1;
end
$$;
comment on function saldo_private.require_statement_range is
  'The day before the first, if a statement of that basis can be made for these days: SB010.';
grant execute on function saldo_private.require_statement_range to saldo_admin, saldo_operator;

create or replace function saldo.trial_balance(
  as_of date default null,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false
)
returns setof saldo.trial_balance_line
language sql
stable
as $$
  select a.id, a.code, a.name, a.type, a.currency,
    coalesce(t.debit, 0), coalesce(t.credit, 0),
    greatest(coalesce(t.debit - t.credit, 0), 0),
    greatest(coalesce(t.credit - t.debit, 0), 0)
  from saldo.account as a
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from saldo_private.totals_until(
      saldo_private.require_statement_date(as_of, basis), basis, is_before_closing
    ) as part
    group by part.account_id
  ) as t on t.account_id = a.id
  order by a.currency, a.code
$$;
comment on function saldo.trial_balance is
  'All accounts with the debits and credits posted to them until the date (default: all), and the '
  'difference in the column of its side. Per currency, debit_balance and credit_balance have '
  'equal sums. basis: reported, by posting date, or restated, with what was posted later about '
  'months up to then; restated is for the last day of a month. is_before_closing: without the '
  'closing entries of the year of the date. Error: SB010.';
revoke execute on function saldo.trial_balance from public;
grant execute on function saldo.trial_balance to saldo_admin, saldo_operator;

create or replace function saldo.trial_balance_between(
  from_date date,
  to_date date,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false
)
returns setof saldo.trial_balance_movement
language sql
stable
as $$
  select a.id, a.code, a.name, a.type, a.currency, trim_scale(t.opening * side.sign),
    trim_scale(t.debit), trim_scale(t.credit), trim_scale(t.closing * side.sign)
  from saldo.account as a
  cross join lateral (
    select case when a.type in ('asset', 'expense') then 1 else -1 end as sign
  ) as side
  left join (
    select part.account_id, sum(part.debit - part.credit) filter (where part.is_opening) as opening,
      sum(part.debit) filter (where not part.is_opening) as debit,
      sum(part.credit) filter (where not part.is_opening) as credit,
      sum(part.debit - part.credit) as closing
    from (
      select o.account_id, o.debit, o.credit, true as is_opening
      from saldo_private.totals_until(
        saldo_private.require_statement_range(from_date, to_date, basis), basis
      ) as o
      union all
      select m.account_id, m.debit, m.credit, false
      from saldo_private.posted_between(from_date, to_date) as m
      union all
      -- What another basis has more at the end, and has already at the beginning.
      select c.account_id, c.debit * c.sign, c.credit * c.sign, false
      from (
        select t.account_id, t.debit, t.credit, 1 as sign
        from saldo_private.totals_until__adjustment(
          saldo_private.require_statement_date(to_date, basis), basis, is_before_closing
        ) as t
        union all
        select t.account_id, t.debit, t.credit, -1
        from saldo_private.totals_until__adjustment(from_date - 1, basis, false) as t
      ) as c
    ) as part
    group by part.account_id
  ) as movement on movement.account_id = a.id
  cross join lateral (
    select coalesce(movement.opening, 0) as opening, coalesce(movement.debit, 0) as debit,
      coalesce(movement.credit, 0) as credit, coalesce(movement.closing, 0) as closing
  ) as t
  order by a.currency, a.code
$$;
comment on function saldo.trial_balance_between is
  'All accounts with opening, debits, credits and closing from one date to another, both '
  'included; balances on the normal side. For a month: its first and last day. basis and '
  'is_before_closing as in trial_balance; restated is for whole months. Error: SB010.';
revoke execute on function saldo.trial_balance_between from public;
grant execute on function saldo.trial_balance_between to saldo_admin, saldo_operator;

comment on type saldo.balance_basis is
  'reported: by posting date, as statements were given out; restated: by the month that entries '
  'are about, with what was found later.';
comment on type saldo.trial_balance_movement is 'An account between two dates.';
comment on column saldo.trial_balance_movement.account_id is 'Account.';
comment on column saldo.trial_balance_movement.code is 'Code of the account.';
comment on column saldo.trial_balance_movement.name is 'Name of the account.';
comment on column saldo.trial_balance_movement.type is 'Type of the account.';
comment on column saldo.trial_balance_movement.currency is 'Currency of all amounts of the line.';
comment on column saldo.trial_balance_movement.opening is 'Balance before the first day.';
comment on column saldo.trial_balance_movement.debit is 'Debits between the dates.';
comment on column saldo.trial_balance_movement.credit is 'Credits between the dates.';
comment on column saldo.trial_balance_movement.closing is 'Balance after the last day.';

comment on type saldo.trial_balance_line is 'A line of the trial balance.';
comment on column saldo.trial_balance_line.account_id is 'Account.';
comment on column saldo.trial_balance_line.code is 'Code of the account.';
comment on column saldo.trial_balance_line.name is 'Name of the account.';
comment on column saldo.trial_balance_line.type is 'Type of the account.';
comment on column saldo.trial_balance_line.currency is 'Currency of all amounts of the line.';
comment on column saldo.trial_balance_line.debit_total is 'All debits.';
comment on column saldo.trial_balance_line.credit_total is 'All credits.';
comment on column saldo.trial_balance_line.debit_balance is
  'Debits less credits where there are more debits, else 0.';
comment on column saldo.trial_balance_line.credit_balance is
  'Credits less debits where there are more credits, else 0.';
--! EndIncluded ledger/trial_balance.sql
--! Included ledger/balance_sheet.sql
-- Balance sheet: assets = liabilities + equity, with earnings not yet closed shown as equity.
--
-- Public: balance_sheet, balance_sheet_totals.
-- Revenue less expense is a line of its own ("Current-year earnings"), so that the sheet balances
-- before any closing; the tolerance is zero.

create or replace function saldo.balance_sheet(
  as_of date default null,
  currency text default null,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false
)
returns setof saldo.balance_sheet_line
language sql
stable
as $$
  with account_total as materialized (
    select a.id, a.code, a.name, a.type, a.currency,
      coalesce(t.debit, 0) - coalesce(t.credit, 0) as net_debit
    from saldo.account as a
    left join (
      select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
      from saldo_private.totals_until(
        saldo_private.require_statement_date(as_of, basis), basis, is_before_closing
      ) as part
      group by part.account_id
    ) as t on t.account_id = a.id
    where balance_sheet.currency is null
    or a.currency = balance_sheet.currency
  )
  select line.section, line.account_id, line.code, line.name, line.currency, line.balance
  from (
    select
      case t.type when 'asset' then 'assets' when 'liability' then 'liabilities' else 'equity'
      end::saldo.balance_sheet_section as section,
      t.id as account_id, t.code, t.name, t.currency,
      case t.type when 'asset' then t.net_debit else -t.net_debit end as balance
    from account_total as t
    where t.type in ('asset', 'liability', 'equity')
    union all
    select 'equity', null, null, 'Current-year earnings', t.currency, -sum(t.net_debit)
    from account_total as t
    where t.type in ('revenue', 'expense')
    group by t.currency
  ) as line
  order by line.currency, line.section, line.code nulls last
$$;
comment on function saldo.balance_sheet is
  'Balance sheet until the date (default: all), of one currency or all: each account on its normal '
  'side, and current-year earnings (revenue less expense not yet closed) as a line of equity '
  'without an account. Per currency, assets equal liabilities plus equity exactly. basis and '
  'is_before_closing as in trial_balance. Error: SB010.';
revoke execute on function saldo.balance_sheet from public;
grant execute on function saldo.balance_sheet to saldo_admin, saldo_operator;

create or replace function saldo.balance_sheet_totals(currency text default null)
returns setof saldo.balance_sheet_total
language sql
stable
as $$
  select total.currency, total.assets, total.liabilities, total.equity,
    total.assets = total.liabilities + total.equity
  from (
    select a.currency,
      coalesce(sum(a.balance) filter (where a.type = 'asset'), 0) as assets,
      coalesce(sum(a.balance) filter (where a.type = 'liability'), 0) as liabilities,
      coalesce(sum(a.balance) filter (where a.type in ('equity', 'revenue')), 0)
        - coalesce(sum(a.balance) filter (where a.type = 'expense'), 0) as equity
    from saldo_private.account_total as a
    where balance_sheet_totals.currency is null
    or a.currency = balance_sheet_totals.currency
    group by a.currency
  ) as total
  order by total.currency
$$;
comment on function saldo.balance_sheet_totals is
  'Totals of the balance sheet as the accounts show them now, per currency. It reads the cached '
  'balances, not the journal: a balance that drifted shows as is_valid = false.';
revoke execute on function saldo.balance_sheet_totals from public;
grant execute on function saldo.balance_sheet_totals to saldo_admin, saldo_operator;

comment on type saldo.balance_sheet_section is 'Part of the balance sheet.';
comment on type saldo.balance_sheet_line is 'A line of the balance sheet.';
comment on column saldo.balance_sheet_line.section is 'Part of the sheet.';
comment on column saldo.balance_sheet_line.account_id is
  'Account; null for current-year earnings, which no account carries.';
comment on column saldo.balance_sheet_line.code is 'Code of the account.';
comment on column saldo.balance_sheet_line.name is 'Name of the account or of the computed line.';
comment on column saldo.balance_sheet_line.currency is 'Currency of the balance.';
comment on column saldo.balance_sheet_line.balance is 'Balance on the normal side.';
comment on type saldo.balance_sheet_total is 'Totals of the balance sheet in one currency.';
comment on column saldo.balance_sheet_total.currency is 'Currency of the totals.';
comment on column saldo.balance_sheet_total.total_assets is 'Sum of the assets.';
comment on column saldo.balance_sheet_total.total_liabilities is 'Sum of the liabilities.';
comment on column saldo.balance_sheet_total.total_equity is
  'Sum of equity, current-year earnings included.';
comment on column saldo.balance_sheet_total.is_valid is
  'Whether assets equal liabilities plus equity, to the last decimal.';
--! EndIncluded ledger/balance_sheet.sql
--! Included ledger/income_statement.sql
-- Income statement: revenue less expense between two dates.
--
-- Public: income_statement.
-- Closing entries empty these accounts at the end of the year: they are no income, and left out.

create or replace function saldo.income_statement(
  from_date date,
  to_date date,
  currency text default null,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.income_statement_line
language sql
stable
as $$
  with movement as materialized (
    select a.id, a.code, a.name, a.type, a.currency,
      coalesce(sum(t.credit - t.debit), 0) as net_credit
    from saldo.account as a
    left join (
      select c.account_id, c.debit, c.credit
      from saldo_private.totals_until(
        saldo_private.require_statement_date(to_date, basis), basis
      ) as c
      union all
      select o.account_id, -o.debit, -o.credit
      from saldo_private.totals_until(
        saldo_private.require_statement_range(from_date, to_date, basis), basis
      ) as o
      union all
      select y.account_id, -y.debit, -y.credit
      from saldo_private.year_end_line as y
      where y.posting_date between from_date and to_date
    ) as t on t.account_id = a.id
    where a.type in ('revenue', 'expense')
    and (income_statement.currency is null or a.currency = income_statement.currency)
    group by a.id
  )
  select line.section, line.account_id, line.code, line.name, line.currency,
    trim_scale(line.amount)
  from (
    select m.type::text::saldo.income_statement_section as section, m.id as account_id, m.code,
      m.name, m.currency, case m.type when 'revenue' then m.net_credit else -m.net_credit end
        as amount
    from movement as m
    union all
    select 'net_income', null, null, 'Net income', m.currency, sum(m.net_credit)
    from movement as m
    group by m.currency
  ) as line
  order by line.currency, line.section, line.code nulls last
$$;
comment on function saldo.income_statement is
  'Revenue and expense of each account from one date to another, both included, on their normal '
  'sides, and net income (revenue less expense) as a line without an account, per currency. The '
  'closing entries of a year are left out. basis as in trial_balance; restated is for whole '
  'months. Error: SB010.';
revoke execute on function saldo.income_statement from public;
grant execute on function saldo.income_statement to saldo_admin, saldo_operator;

comment on type saldo.income_statement_section is 'Part of the income statement.';
comment on type saldo.income_statement_line is 'A line of the income statement.';
comment on column saldo.income_statement_line.section is 'Part of the statement.';
comment on column saldo.income_statement_line.account_id is 'Account; null for net income.';
comment on column saldo.income_statement_line.code is 'Code of the account.';
comment on column saldo.income_statement_line.name is 'Name of the account.';
comment on column saldo.income_statement_line.currency is 'Currency of the amount.';
comment on column saldo.income_statement_line.amount is
  'Revenue, or expense, or the difference of all.';
--! EndIncluded ledger/income_statement.sql
--! Included ledger/monthly_balance.sql
-- Monthly balances of an account: opening, debits, credits, closing, for each month of a range.
--
-- Public: monthly_balance. Private: account_movement.
-- Movements are stored, openings are sums of them: a back-dated posting costs the same however many
-- months come after it.

create or replace function saldo_private.account_movement(
  account_id bigint,
  basis saldo.balance_basis
)
returns table (month date, debit numeric, credit numeric, year_end numeric, line_count bigint)
language sql
stable
as $$
  select part.month, sum(part.debit), sum(part.credit), sum(part.year_end),
    sum(part.line_count)::bigint
  from (
    select m.month::date as month, m.debit, m.credit, 0 as year_end, m.line_count
    from saldo_private.posted_movement as m
    where m.account_id = account_movement.account_id
    union all
    select saldo_private.month_of(y.posting_date), -y.debit, -y.credit, y.debit - y.credit, 0
    from saldo_private.year_end_line as y
    where y.account_id = account_movement.account_id
    union all
    select about.month, l.debit * about.sign, l.credit * about.sign, 0, about.sign
    from saldo_private.late_line as l
    cross join lateral (
      values (l.posting_month, -1), (l.origin_month::date, 1)
    ) as about (month, sign)
    where basis = 'restated'
    and l.account_id = account_movement.account_id
  ) as part
  group by part.month
$$;
comment on function saldo_private.account_movement is
  'Movement of an account by posting month, or restated by the month that it is about; what '
  'closing entries did is apart: debits less credits in year_end, and in neither debit nor credit.';
grant execute on function saldo_private.account_movement to
  saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.monthly_balance(
  account_id bigint,
  from_month date default null,
  to_month date default null,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.monthly_balance_line
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_sign integer;
  v_to_month date;
  v_from_month date;
begin
  if from_month not between '1900-01-01' and '9999-12-31'
    or to_month not between '1900-01-01' and '9999-12-31'
  then
    perform saldo_private.fail('input_invalid', 'from_month, to_month: from 1900 to 9999');
  end if;
  v_to_month := saldo_private.month_of(coalesce(to_month, saldo_private.business_date(now())));
  v_from_month := saldo_private.month_of(
    coalesce(from_month, (v_to_month - interval '11 months')::date)
  );
  select case when a.type in ('asset', 'expense') then 1 else -1 end
  into v_sign
  from saldo.account as a
  where a.id = monthly_balance.account_id;
  if v_sign is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif saldo_private.month_number(v_to_month) - saldo_private.month_number(v_from_month)
    not between 0 and 1199
  then
    perform saldo_private.fail('input_invalid', 'from_month, to_month: 1 to 1,200 months');
  end if;

  return query
  with movement as materialized (
    select m.month, m.debit, m.credit, m.year_end, m.line_count
    from saldo_private.account_movement(monthly_balance.account_id, basis) as m
  ),
  before as (
    select coalesce(sum(m.debit - m.credit + m.year_end), 0) as net
    from movement as m
    where m.month < v_from_month
  ),
  sums as (
    select g.month::date as month, coalesce(m.debit, 0) as debit, coalesce(m.credit, 0) as credit,
      coalesce(m.year_end, 0) as year_end, coalesce(m.line_count, 0) as line_count,
      before.net + coalesce(sum(m.debit - m.credit + m.year_end) over (order by g.month), 0)
        as closing
    from generate_series(v_from_month, v_to_month, interval '1 month') as g (month)
    cross join before
    left join movement as m on m.month = g.month
  )
  select monthly_balance.account_id, s.month,
    trim_scale((s.closing - (s.debit - s.credit + s.year_end)) * v_sign), trim_scale(s.debit),
    trim_scale(s.credit), trim_scale(s.year_end * v_sign), trim_scale(s.closing * v_sign),
    s.line_count, saldo_private.period_status(s.month)
  from sums as s
  order by s.month;
end
$$;
comment on function saldo.monthly_balance is
  'Each month of an account from one to another (default: the last 12), those without movement '
  'included: opening, debits, credits, what closing entries of the year changed (year_end), '
  'closing; balances on the normal side. opening + debits - credits (for credit accounts the '
  'reverse) + year_end = closing = opening of the next month. basis: reported, by posting month, '
  'or restated, by the month that entries are about. Errors: SB101, SB010.';
revoke execute on function saldo.monthly_balance from public;
grant execute on function saldo.monthly_balance to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.monthly_balance_line is 'A month of an account.';
comment on column saldo.monthly_balance_line.account_id is 'Account.';
comment on column saldo.monthly_balance_line.month is 'Month, as its first day.';
comment on column saldo.monthly_balance_line.opening is 'Balance before its first day.';
comment on column saldo.monthly_balance_line.debit is 'Debits, without closing entries.';
comment on column saldo.monthly_balance_line.credit is 'Credits, without closing entries.';
comment on column saldo.monthly_balance_line.year_end is
  'What the closing entries of the year changed of the balance; 0 but for December.';
comment on column saldo.monthly_balance_line.closing is 'Balance after its last day.';
comment on column saldo.monthly_balance_line.line_count is
  'Lines of the month; those of closing entries count, too.';
comment on column saldo.monthly_balance_line.status is 'open, closing, closed or locked.';
--! EndIncluded ledger/monthly_balance.sql
--! Included ledger/account_statement.sql
-- Account statement: the lines of an account with the running balance.
--
-- Public: account_statement.

create or replace function saldo.account_statement(
  account_id bigint,
  from_date date,
  to_date date
)
returns setof saldo.account_statement_line
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_sign integer;
  v_opening numeric;
begin
  select case when a.type in ('asset', 'expense') then 1 else -1 end
  into v_sign
  from saldo.account as a
  where a.id = account_statement.account_id;
  if v_sign is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif (from_date >= '1900-01-01' and to_date <= '9999-12-31' and from_date <= to_date) is not true
  then
    perform saldo_private.fail('input_invalid', 'from_date, to_date: days from 1900 to 9999');
  end if;

  select coalesce(sum(part.net), 0)
  into v_opening
  from (
    select m.debit - m.credit as net
    from saldo_private.posted_movement as m
    where m.account_id = account_statement.account_id
    and m.month < saldo_private.month_of(from_date)
    union all
    select l.debit - l.credit
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where l.account_id = account_statement.account_id
    and l.posting_date >= saldo_private.month_of(from_date)
    and l.posting_date < from_date
    and e.status <> 'draft'
  ) as part;

  return query
  select from_date, null::uuid, 0, null::timestamptz, null::saldo.entry_kind, null::date,
    'Opening balance', 0::numeric, 0::numeric, trim_scale(v_opening * v_sign)
  union all
  (
    -- In the order of posting: an entry's id is ordered by the time of its recording.
    select l.posting_date, l.entry_id, l.line_no, e.occurred_at, e.kind, e.origin_month::date,
      e.description, trim_scale(l.debit), trim_scale(l.credit),
      trim_scale((v_opening + sum(l.debit - l.credit) over (
        order by l.posting_date, l.entry_id, l.line_no rows unbounded preceding
      )) * v_sign)
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where l.account_id = account_statement.account_id
    and l.posting_date between from_date and to_date
    and e.status <> 'draft'
    order by l.posting_date, l.entry_id, l.line_no
  );
end
$$;
comment on function saldo.account_statement is
  'Lines of an account from one posting date to another, both included, in order, each with the '
  'balance after it on the normal side; the first line is the opening balance. origin_month: what '
  'is about an earlier month. What is submitted to a hot account shows once it is settled. Errors: '
  'SB101, SB010.';
revoke execute on function saldo.account_statement from public;
grant execute on function saldo.account_statement to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.account_statement_line is 'A line of an account statement.';
comment on column saldo.account_statement_line.posting_date is 'Posting date.';
comment on column saldo.account_statement_line.entry_id is 'Entry; null for the opening balance.';
comment on column saldo.account_statement_line.line_no is 'Number of the line within its entry.';
comment on column saldo.account_statement_line.occurred_at is 'When it happened.';
comment on column saldo.account_statement_line.kind is 'Kind of the entry.';
comment on column saldo.account_statement_line.origin_month is
  'Month that it is about, when that is not the month of the posting date.';
comment on column saldo.account_statement_line.description is 'What happened, in words.';
comment on column saldo.account_statement_line.debit is 'Debit, or 0.';
comment on column saldo.account_statement_line.credit is 'Credit, or 0.';
comment on column saldo.account_statement_line.balance is 'Balance after it.';
--! EndIncluded ledger/account_statement.sql
--! Included ledger/entry_text.sql
-- The canonical text of a posted entry, whose SHA-256 a seal keeps.
--
-- Private: entry_text, line_text (the text); text_field, plain_field, instant_field, date_field
-- (its fields); view journal_entry_hash.
-- The same bytes on every server and in every session: independent of time zone, DateStyle, scale
-- of a number and encoding. docs/tamper-evidence.md tells the form to whoever computes it anew; it
-- never changes, a new form gets a new first word.
-- Left out is what may change later or means nothing elsewhere: status (posted turns reversed),
-- posted_in (a number of this cluster), draft_lines (null once posted).

create or replace function saldo_private.text_field(value text)
returns text
language sql
immutable
as $$
  select E'\t' || coalesce(
    replace(replace(replace(value, E'\\', E'\\\\'), E'\t', E'\\t'), E'\n', E'\\n'), E'\\N'
  )
$$;
comment on function saldo_private.text_field is
  'A tab and the value, with backslash, tab and line feed escaped; null is \N.';

create or replace function saldo_private.plain_field(value text)
returns text
language sql
immutable
as $$
  select E'\t' || coalesce(value, E'\\N')
$$;
comment on function saldo_private.plain_field is
  'A tab and a value in which nothing can be that has to be escaped; null is \N.';

create or replace function saldo_private.instant_field(value timestamptz)
returns text
language sql
stable
as $$
  select E'\t' || coalesce(
    to_char(value at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), E'\\N'
  )
$$;
comment on function saldo_private.instant_field is
  'A tab and the moment in UTC with six decimals of the second; null is \N.';

create or replace function saldo_private.date_field(value date)
returns text
language sql
stable
as $$
  select E'\t' || coalesce(to_char(value::timestamp, 'YYYY-MM-DD'), E'\\N')
$$;
comment on function saldo_private.date_field is 'A tab and the ISO date; null is \N.';

create or replace function saldo_private.entry_text(entry saldo.journal_entry)
returns text
language sql
stable
as $$
  select 'saldo-entry-1'
    || saldo_private.plain_field(entry.id::text)
    || saldo_private.plain_field(entry.kind::text)
    || saldo_private.date_field(entry.posting_date)
    || saldo_private.date_field(entry.origin_month)
    || saldo_private.instant_field(entry.occurred_at)
    || saldo_private.text_field(entry.description)
    || saldo_private.text_field(entry.source)
    || saldo_private.text_field(entry.idempotency_key)
    || saldo_private.plain_field(entry.reverses::text)
    || saldo_private.text_field(entry.metadata::text)
    || saldo_private.plain_field(entry.line_count::text)
    || saldo_private.instant_field(entry.recorded_at)
    || saldo_private.instant_field(entry.posted_at)
    || saldo_private.text_field(entry.posted_by)
    || E'\n'
$$;
comment on function saldo_private.entry_text is 'The entry''s own line of its canonical text.';

create or replace function saldo_private.line_text(line saldo.journal_line)
returns text
language sql
stable
as $$
  select 'line'
    || saldo_private.plain_field(line.line_no::text)
    || saldo_private.plain_field(line.account_id::text)
    || saldo_private.date_field(line.posting_date)
    || saldo_private.plain_field(trim_scale(line.debit)::text)
    || saldo_private.plain_field(trim_scale(line.credit)::text)
    || E'\n'
$$;
comment on function saldo_private.line_text is 'A journal line''s line of the canonical text.';

create or replace view saldo_private.journal_entry_hash with (security_invoker = true) as
select e.id as entry_id, e.status, e.posting_date, e.posted_in, e.line_count,
  l.line_count as lines_found,
  substr(sha256(convert_to(own.entry_text, 'UTF8')), 1, 8) as entry_part,
  sha256(convert_to(own.entry_text || coalesce(l.lines_text, ''), 'UTF8')) as hash
from saldo.journal_entry as e
-- The offset keeps the text from being made for each of its uses.
cross join lateral (
  select saldo_private.entry_text(e) as entry_text
  offset 0
) as own
cross join lateral (
  select count(*) as line_count,
    string_agg(
      saldo_private.line_text(line), ''
      order by line.line_no, line.account_id, line.posting_date, line.debit, line.credit
    ) as lines_text
  from saldo.journal_line as line
  where line.entry_id = e.id
) as l;
comment on view saldo_private.journal_entry_hash is
  'SHA-256 over the canonical text of each entry and its lines, as they are now.';
comment on column saldo_private.journal_entry_hash.entry_id is 'Entry.';
comment on column saldo_private.journal_entry_hash.status is 'Its status, which is not hashed.';
comment on column saldo_private.journal_entry_hash.posting_date is 'Its posting date.';
comment on column saldo_private.journal_entry_hash.posted_in is 'Transaction that posted it.';
comment on column saldo_private.journal_entry_hash.line_count is 'How many lines it should have.';
comment on column saldo_private.journal_entry_hash.lines_found is 'How many lines it has.';
comment on column saldo_private.journal_entry_hash.entry_part is
  'First 8 bytes of the SHA-256 of the entry''s own line.';
comment on column saldo_private.journal_entry_hash.hash is 'SHA-256 of the whole text.';
--! EndIncluded ledger/entry_text.sql
--! Included ledger/journal_seal.sql
-- Seals: chained hashes over posted entries, so that a change of the journal past the engine shows.
--
-- Public: saldo.journal_seal, journal_seal_total, journal_seal_entry; seal_journal, seal_status.
-- Private: seal_text, seal_journal__entries, seal_journal__chain; table seal_progress.
-- Trigger: keep_seals_immutable (SB111). Verification: sql/closing/verify_journal.sql.
-- A seal covers entries of one month, in the order of their ids, and has the hash of the seal
-- before it. Sealing is a job after the commit: a posting pays for one entry of an index.
-- Each entry is sealed once: its id is the key of journal_seal_entry. None is passed over: what was
-- running when a sealer looked has a transaction number from that snapshot's xmin on, and the next
-- sealer begins there. So a writer that hangs holds up no other's seal.
-- In a database that was restored into another cluster, transaction numbers begin anew: then all
-- entries are gone through once, without going by these numbers.
-- Locks: the row of seal_progress; a second sealer waits, and finds the rest.

create or replace function saldo_private.seal_text(seal saldo.journal_seal)
returns text
language sql
stable
as $$
  select 'saldo-seal-1'
    || saldo_private.text_field(seal.number::text)
    || saldo_private.date_field(seal.month)
    || saldo_private.text_field(encode(seal.previous_hash, 'hex'))
    || saldo_private.text_field(seal.entry_count::text)
    || saldo_private.text_field(seal.line_count::text)
    || saldo_private.text_field(encode(seal.entries_hash, 'hex'))
    || saldo_private.instant_field(seal.sealed_at)
    || saldo_private.text_field(seal.sealed_by)
    || E'\n'
    || coalesce((
      select string_agg(
        'total' || saldo_private.text_field(t.currency)
          || saldo_private.text_field(t.line_count::text)
          || saldo_private.text_field(trim_scale(t.debit)::text)
          || saldo_private.text_field(trim_scale(t.credit)::text) || E'\n',
        '' order by t.currency collate "C"
      )
      from saldo.journal_seal_total as t
      where t.seal_number = seal.number
    ), '')
$$;
comment on function saldo_private.seal_text is
  'Canonical text of a seal, whose SHA-256 is its hash: the seal, and a line for each currency.';

create or replace function saldo_private.lock_seal_progress()
returns saldo_private.seal_progress
language plpgsql
as $$
declare
  v_progress saldo_private.seal_progress;
  v_cluster text := (select c.system_identifier::text from pg_catalog.pg_control_system() as c);
begin
  perform saldo_private.require_read_committed();
  select *
  into strict v_progress
  from saldo_private.seal_progress
  where id = 1
  for no key update;
  if v_progress.cluster is distinct from v_cluster then
    update saldo_private.seal_progress
    set cluster = v_cluster,
      sealed_until = pg_snapshot_xmin(pg_current_snapshot()),
      catch_up_from = '0'
    where id = 1
    returning *
    into v_progress;
  end if;
  return v_progress;
end
$$;
comment on function saldo_private.lock_seal_progress is
  'How far the sealer is, and no other seals meanwhile. In a cluster that it does not know it '
  'begins to go through all entries: SB020.';

create or replace function saldo_private.seal_journal__entries(
  progress saldo_private.seal_progress,
  row_limit integer,
  out entry_count bigint,
  out last_posted_in xid8
)
language plpgsql
as $$
declare
  v_until xid8 := pg_snapshot_xmax(pg_current_snapshot());
begin
  with candidate as materialized (
    select e.id, e.posted_in, saldo_private.month_of(e.posting_date) as month
    from saldo.journal_entry as e
    where e.posted_in >= coalesce(progress.catch_up_from, progress.sealed_until)
    and (e.posted_in < v_until or progress.catch_up_from is not null)
    and not exists (select from saldo.journal_seal_entry as s where s.entry_id = e.id)
    order by e.posted_in, e.id
    limit row_limit
  ),
  sealed as (
    insert into saldo.journal_seal_entry (seal_number, entry_id, entry_part, hash)
    select progress.head_number + c.place, h.entry_id, h.entry_part, h.hash
    from (
      select id, dense_rank() over (order by month) as place
      from candidate
    ) as c
    join saldo_private.journal_entry_hash as h on h.entry_id = c.id
  )
  select (select count(*) from candidate),
    (select c.posted_in from candidate as c order by c.posted_in desc limit 1)
  into entry_count, last_posted_in;

  insert into saldo.journal_seal_total (seal_number, currency, line_count, debit, credit)
  select s.seal_number, coalesce(a.currency, 'unknown'), count(*), sum(l.debit), sum(l.credit)
  from saldo.journal_seal_entry as s
  join saldo.journal_line as l on l.entry_id = s.entry_id
  left join saldo.account as a on a.id = l.account_id
  where s.seal_number > progress.head_number
  group by s.seal_number, coalesce(a.currency, 'unknown');
end
$$;
comment on function saldo_private.seal_journal__entries is
  'Hashes the next entries, a seal for each of their months, and sums them up by currency.';

create or replace function saldo_private.seal_journal__chain(progress saldo_private.seal_progress)
returns setof saldo.journal_seal
language sql
as $$
  with recursive part as materialized (
    select s.seal_number, min(saldo_private.month_of(e.posting_date)) as month,
      count(*) as entry_count,
      coalesce((
        select sum(t.line_count)
        from saldo.journal_seal_total as t
        where t.seal_number = s.seal_number
      ), 0)::bigint as line_count,
      sha256(convert_to(string_agg(
        s.entry_id || E'\t' || encode(s.hash, 'hex') || E'\n', '' order by s.entry_id
      ), 'UTF8')) as entries_hash,
      clock_timestamp() as sealed_at
    from saldo.journal_seal_entry as s
    join saldo.journal_entry as e on e.id = s.entry_id
    where s.seal_number > progress.head_number
    group by s.seal_number
  ),
  chain (seal) as (
    select (progress.head_number, null, 0, 0, null, null, progress.head_hash, null, null)
      ::saldo.journal_seal
    union all
    select (
      p.seal_number, p.month, p.entry_count, p.line_count, p.entries_hash, (c.seal).hash,
      sha256(convert_to(saldo_private.seal_text((
        p.seal_number, p.month, p.entry_count, p.line_count, p.entries_hash, (c.seal).hash, null,
        p.sealed_at, saldo_private.actor()
      )::saldo.journal_seal), 'UTF8')),
      p.sealed_at, saldo_private.actor()
    )::saldo.journal_seal
    from chain as c
    join part as p on p.seal_number = (c.seal).number + 1
  )
  insert into saldo.journal_seal (
    number, month, entry_count, line_count, entries_hash, previous_hash, hash, sealed_at, sealed_by
  )
  select (c.seal).number, (c.seal).month, (c.seal).entry_count, (c.seal).line_count,
    (c.seal).entries_hash, (c.seal).previous_hash, (c.seal).hash, (c.seal).sealed_at,
    (c.seal).sealed_by
  from chain as c
  where (c.seal).number > progress.head_number
  returning *
$$;
comment on function saldo_private.seal_journal__chain is
  'Makes the seals of what was just hashed, each with the hash of the one before.';

create or replace function saldo.seal_journal(row_limit integer default 100000)
returns setof saldo.journal_seal
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_progress saldo_private.seal_progress;
  v_xmin xid8;
  v_entry_count bigint;
  v_last xid8;
begin
  if (row_limit between 1 and 1000000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1000000');
  end if;
  v_progress := saldo_private.lock_seal_progress();
  -- Before the entries are read: what is running now may be missing among them.
  v_xmin := pg_snapshot_xmin(pg_current_snapshot());
  select sealed.entry_count, sealed.last_posted_in
  into v_entry_count, v_last
  from saldo_private.seal_journal__entries(v_progress, row_limit) as sealed;
  return query
  select s.number, s.month, s.entry_count, s.line_count, s.entries_hash, s.previous_hash, s.hash,
    s.sealed_at, s.sealed_by
  from saldo_private.seal_journal__chain(v_progress) as s;

  update saldo_private.seal_progress as p
  set catch_up_from = case when v_entry_count = row_limit and p.catch_up_from is not null
      then v_last end,
    sealed_until = case
      when p.catch_up_from is not null then p.sealed_until
      when v_entry_count = row_limit and v_last < v_xmin then v_last
      else v_xmin
    end,
    head_number = coalesce(head.number, p.head_number),
    head_hash = coalesce(head.hash, p.head_hash),
    entry_count = p.entry_count + v_entry_count
  from (select) as one
  left join lateral (
    select s.number, s.hash
    from saldo.journal_seal as s
    order by s.number desc
    limit 1
  ) as head on v_entry_count > 0
  where p.id = 1
  and (v_entry_count > 0 or p.catch_up_from is not null);
  perform saldo_private.require_durable_commit();
end
$$;
comment on function saldo.seal_journal is
  'Seals what was posted and is not sealed yet, up to row_limit entries (1 to 1000000), the '
  'earliest first; returns the seals, one for each month, and none when there was nothing. Each '
  'entry is sealed once, whoever seals at the same time. Errors: SB010, SB020.';
revoke execute on function saldo.seal_journal from public;
grant execute on function saldo.seal_journal to saldo_admin;

create or replace function saldo.seal_status()
returns saldo.seal_status_result
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select p.head_number, encode(p.head_hash, 'hex'), s.sealed_at, p.entry_count, u.entry_count,
    coalesce(extract(epoch from now() - u.first_posted_at), 0)::numeric(20, 0)
  from saldo_private.seal_progress as p
  left join saldo.journal_seal as s on s.number = p.head_number
  cross join lateral (
    select count(*) as entry_count, min(e.posted_at) as first_posted_at
    from saldo.journal_entry as e
    where e.posted_in >= coalesce(p.catch_up_from, p.sealed_until)
    and (e.posted_in < pg_snapshot_xmax(pg_current_snapshot()) or p.catch_up_from is not null)
    and not exists (select from saldo.journal_seal_entry as done where done.entry_id = e.id)
  ) as u
  where p.id = 1
$$;
comment on function saldo.seal_status is
  'How far the journal is sealed: number and hash of the last seal (keep this hash elsewhere, and '
  'nobody can write the journal anew), and what waits to be sealed.';
revoke execute on function saldo.seal_status from public;
grant execute on function saldo.seal_status to saldo_admin, saldo_operator, saldo_anonymous;

create or replace function saldo_private.tg__keep_seals_immutable()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.fail('seal_immutable', format('%s of %s', lower(TG_OP), TG_TABLE_NAME));
  return null;
end
$$;
comment on function saldo_private.tg__keep_seals_immutable is
  'Refuses every change of seals: SB111.';

create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo.journal_seal
  for each statement
  execute function saldo_private.tg__keep_seals_immutable();
create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo.journal_seal_total
  for each statement
  execute function saldo_private.tg__keep_seals_immutable();
create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo.journal_seal_entry
  for each statement
  execute function saldo_private.tg__keep_seals_immutable();

select saldo_private.secure_table('saldo_private.seal_progress');

select saldo_private.secure_table('saldo.journal_seal');
drop policy if exists select_all on saldo.journal_seal;
create policy select_all on saldo.journal_seal for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_seal to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.journal_seal_total');
drop policy if exists select_all on saldo.journal_seal_total;
create policy select_all on saldo.journal_seal_total for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_seal_total to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.journal_seal_entry');
drop policy if exists select_all on saldo.journal_seal_entry;
create policy select_all on saldo.journal_seal_entry for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_seal_entry to saldo_admin, saldo_operator;

comment on type saldo.seal_status_result is 'How far the journal is sealed.';
comment on column saldo.seal_status_result.head_number is 'Number of the last seal; 0 = none.';
comment on column saldo.seal_status_result.head_hash is 'Its hash, in hexadecimal digits.';
comment on column saldo.seal_status_result.sealed_at is 'When it was sealed.';
comment on column saldo.seal_status_result.sealed_entry_count is 'Entries that are sealed.';
comment on column saldo.seal_status_result.unsealed_entry_count is 'Entries that wait for it.';
comment on column saldo.seal_status_result.oldest_unsealed_age_seconds is
  'Seconds since the first of them was posted; 0 when there is none.';

comment on table saldo.journal_seal is
  'A seal over posted entries of one month: their hashes, counts and control totals, chained to '
  'the seal before. Append-only; it survives what happens to the journal.';
comment on column saldo.journal_seal.number is 'Its number, from 1 without gap.';
comment on column saldo.journal_seal.month is 'Month of the posting dates, as its first day.';
comment on column saldo.journal_seal.entry_count is 'Entries that it covers.';
comment on column saldo.journal_seal.line_count is 'Their lines.';
comment on column saldo.journal_seal.entries_hash is
  'SHA-256 over a line for each entry, in the order of the ids: id, tab, its hash.';
comment on column saldo.journal_seal.previous_hash is 'Hash of the seal before; null = the first.';
comment on column saldo.journal_seal.hash is 'SHA-256 of the text of this seal.';
comment on column saldo.journal_seal.sealed_at is 'When it was sealed.';
comment on column saldo.journal_seal.sealed_by is 'Who sealed it: token subject or login.';

comment on table saldo.journal_seal_total is 'Control totals of a seal, by currency.';
comment on column saldo.journal_seal_total.seal_number is 'Seal.';
comment on column saldo.journal_seal_total.currency is
  'Currency of the accounts; unknown = there was no account.';
comment on column saldo.journal_seal_total.line_count is 'Lines in it.';
comment on column saldo.journal_seal_total.debit is 'Sum of their debits.';
comment on column saldo.journal_seal_total.credit is 'Sum of their credits.';

comment on table saldo.journal_seal_entry is 'An entry that a seal covers, with its hash.';
comment on column saldo.journal_seal_entry.seal_number is 'Seal.';
comment on column saldo.journal_seal_entry.entry_id is 'Entry.';
comment on column saldo.journal_seal_entry.entry_part is
  'First 8 bytes of the SHA-256 of the entry''s own line: tells whether a change is there or in '
  'the journal lines.';
comment on column saldo.journal_seal_entry.hash is
  'SHA-256 of the canonical text of the entry and its lines.';

comment on table saldo_private.seal_progress is 'How far the sealer is; one row.';
comment on column saldo_private.seal_progress.id is 'Always 1.';
comment on column saldo_private.seal_progress.cluster is
  'System identifier of the cluster whose transaction numbers these are; null = never sealed.';
comment on column saldo_private.seal_progress.sealed_until is
  'What was posted by a transaction before this one is sealed.';
comment on column saldo_private.seal_progress.catch_up_from is
  'Where going through all entries has come to; null = that is done.';
comment on column saldo_private.seal_progress.head_number is 'Number of the last seal.';
comment on column saldo_private.seal_progress.head_hash is 'Its hash.';
comment on column saldo_private.seal_progress.entry_count is 'Entries that are sealed.';
--! EndIncluded ledger/journal_seal.sql

-- hot: many writers on one account, settlement in the background, holds
--! Included hot/account_slot.sql
-- Slots: the funds of a hot account in many hands (escrow), so that writers do not wait.
--
-- Private: saldo_private.account_slot, saldo_private.settlement_mark, take_sign.
-- A writer takes a slot that nobody holds, and keeps it to the end of its transaction; within a
-- slot rows are therefore numbered without gap in the order of their commits (seq). Settlement
-- relies on this order alone, and never touches a slot.
-- A slot is a cache: available, held and the running totals follow from the journal, the rows and
-- the open holds (slot_rebuild.sql). It is UNLOGGED: empty after a crash, then rebuilt.

create or replace function saldo_private.take_sign(
  account saldo.account,
  direction saldo.entry_side
)
returns smallint
language sql
stable
as $$
  select (case
    when (account.type in ('asset', 'expense')) = (direction = 'credit') then 1
    when account.is_pending_available then -1
    else 0
  end)::smallint
$$;
comment on function saldo_private.take_sign is
  'What a transaction in this direction takes from the available funds of a hot account, in units '
  'of its amount: 1 outwards; inwards -1, or 0 when it becomes available at settlement only.';

select saldo_private.secure_table('saldo_private.account_slot');
drop policy if exists select_all on saldo_private.account_slot;
create policy select_all on saldo_private.account_slot for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo_private.account_slot to saldo_admin, saldo_operator, saldo_member;

select saldo_private.secure_table('saldo_private.settlement_mark');
drop policy if exists select_all on saldo_private.settlement_mark;
create policy select_all on saldo_private.settlement_mark for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo_private.settlement_mark to saldo_admin, saldo_operator, saldo_member;

comment on type saldo_private.slot_position is
  'A slot that was taken, its last number, and who gets the other side.';
comment on table saldo_private.account_slot is
  'A share of the funds of a hot account, and the numbering of rows written with it. Unlogged: a '
  'rebuildable cache.';
comment on column saldo_private.account_slot.account_id is 'Hot account.';
comment on column saldo_private.account_slot.slot_no is 'Number, from 1.';
comment on column saldo_private.account_slot.available is
  'Funds above min_balance that can be taken here; null = the account has no min_balance.';
comment on column saldo_private.account_slot.held is
  'Holds placed less holds closed here; only the sum over all slots has a meaning.';
comment on column saldo_private.account_slot.seq is 'Number of the last row written here.';
comment on column saldo_private.account_slot.checked_seq is
  'Until this number the backlog limit need not be looked at again.';
comment on column saldo_private.account_slot.debit_total is 'Debits of all rows written here.';
comment on column saldo_private.account_slot.credit_total is 'Credits of all rows written here.';
comment on column saldo_private.account_slot.debit_take is
  'What a debit takes from available, in units of its amount: 1, 0 or -1.';
comment on column saldo_private.account_slot.credit_take is 'The same of a credit.';
comment on column saldo_private.account_slot.clearing_account_id is
  'Clearing account of the currency: a transaction need look at nothing but its slot. Null on its '
  'own slots, and where it is not fit to be a counter account.';
comment on column saldo_private.account_slot.is_short is
  'The account lacks funds, less than min_balance is left: the first slot has what lacks, and all '
  'that comes in goes there until nothing lacks. The same on all slots of an account.';

comment on table saldo_private.settlement_mark is
  'How far the rows of a slot are settled; the durable register of slots.';
comment on column saldo_private.settlement_mark.account_id is 'Account.';
comment on column saldo_private.settlement_mark.slot_no is 'Slot.';
comment on column saldo_private.settlement_mark.seq is 'Rows up to this number are settled.';
comment on column saldo_private.settlement_mark.debit_total is 'Sum of their debits.';
comment on column saldo_private.settlement_mark.credit_total is 'Sum of their credits.';
--! EndIncluded hot/account_slot.sql
--! Included hot/backlog.sql
-- The backlog: requests are refused rather than settlement falling behind without end.
--
-- Private: check_backlog.

create or replace function saldo_private.check_backlog(
  account_id bigint,
  slot saldo_private.slot_position
)
returns void
language plpgsql
as $$
declare
  v_limit bigint := saldo_private.setting_value('settlement_backlog_limit');
  v_pending bigint;
  v_slot_count integer;
begin
  select sum(s.seq - coalesce(m.seq, 0)), count(*)
  into v_pending, v_slot_count
  from saldo_private.account_slot as s
  left join saldo_private.settlement_mark as m
    on m.account_id = s.account_id and m.slot_no = s.slot_no
  where s.account_id = check_backlog.account_id;
  if v_pending > v_limit then
    perform saldo_private.fail('backlog_full', format(
      'account %s: %s pending, limit %s', account_id, v_pending, v_limit
    ));
  end if;
  -- Far from the limit not every row needs to look again: what all slots together may write
  -- without a look stays below half of the distance.
  update saldo_private.account_slot as s
  set checked_seq = slot.seq + case when v_limit - v_pending > 128 * v_slot_count then 64 else 0 end
  where s.account_id = check_backlog.account_id
  and s.slot_no = slot.slot_no;
end
$$;
comment on function saldo_private.check_backlog is
  'Refuses rows beyond the setting settlement_backlog_limit, give or take those under way at once '
  'and, where the limit is large, what slots were granted while it was far, at most 64 each: '
  'SB202.';
--! EndIncluded hot/backlog.sql
--! Included hot/move_slot.sql
-- Moving a slot: taking funds, giving them, numbering rows.
--
-- Private: move_slot and its steps. Trigger: move_slot_on_posting.
-- A transaction moves a slot first and writes what the slot follows from after that: a rebuild in
-- between must not count it twice.
-- Locks: any free slot. Where none has enough but all together have: an advisory lock of the
-- account, then all slots in order; who waits for that lock holds no slot by a look in vain.

create or replace function saldo_private.move_slot__try(
  account_id bigint,
  highest_no integer,
  take numeric,
  held numeric,
  debit numeric,
  credit numeric,
  row_count integer
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  -- In a variable: a condition on the parameter would be planned anew at each call.
  v_needed numeric := case when take > 0 then take else '-Infinity' end;
  v_slot saldo_private.slot_position;
begin
  update saldo_private.account_slot as s
  set available = s.available - move_slot__try.take,
    held = s.held + move_slot__try.held,
    seq = s.seq + move_slot__try.row_count,
    debit_total = s.debit_total + move_slot__try.debit,
    credit_total = s.credit_total + move_slot__try.credit
  where s.account_id = move_slot__try.account_id
  -- A scalar, computed once. The inner side of a join may be looked at again, and then would lock
  -- another slot.
  and s.slot_no = (
    select f.slot_no
    from saldo_private.account_slot as f
    where f.account_id = move_slot__try.account_id
    and f.slot_no <= highest_no
    and not f.is_short
    and (f.available is null or f.available >= v_needed)
    order by f.slot_no desc
    limit 1
    for no key update skip locked
  )
  returning s.slot_no, s.seq, s.checked_seq, s.clearing_account_id, s.debit_take, s.credit_take
  into v_slot;
  return v_slot;
end
$$;
comment on function saldo_private.move_slot__try is
  'Moves a slot that nobody holds and that has enough, or returns null. It may then still hold '
  'slots: those that had enough when it looked, and not any more when it had them.';

create or replace function saldo_private.move_slot(
  account_id bigint,
  take numeric,
  held numeric,
  debit numeric,
  credit numeric,
  row_count integer
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_home_no integer := saldo_private.home_no();
  v_slot saldo_private.slot_position;
begin
  if take <= 0 then
    v_slot := saldo_private.move_slot__try(
      account_id, v_home_no, take, held, debit, credit, row_count
    );
  else
    -- A block, whose end gives back the slots of a look in vain: nobody may hold one while waiting
    -- for those who gather all.
    begin
      v_slot := saldo_private.move_slot__try(
        account_id, v_home_no, take, held, debit, credit, row_count
      );
      if v_slot.slot_no is null then
        perform saldo_private.fail('insufficient_balance');
      end if;
    exception
      when sqlstate 'SB001' then
        v_slot := null;
    end;
  end if;
  if v_slot.slot_no is null then
    v_slot := saldo_private.move_slot__slowly(account_id, take, held, debit, credit, row_count);
  end if;
  if v_slot.seq > v_slot.checked_seq and row_count > 0 then
    perform saldo_private.check_backlog(account_id, v_slot);
  end if;
  return v_slot;
end
$$;
comment on function saldo_private.move_slot is
  'Takes funds from a slot (a negative take gives), changes what is held by it, and numbers rows '
  'in it: seq is the number of the last. The caller has seen that the account is hot; SB015 when '
  'it ceases to be. Errors in checking order: SB015, SB001, SB202, SB020.';

create or replace function saldo_private.move_slot__slowly(
  account_id bigint,
  take numeric,
  held numeric,
  debit numeric,
  credit numeric,
  row_count integer
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_slot saldo_private.slot_position;
  v_count integer;
  v_available numeric;
  v_is_short boolean;
  -- Whether to hold slots after a look in vain would harm nobody, or cannot happen.
  v_is_safe boolean := take <= 0;
  -- Who takes funds takes them at home or shares them out anew, or all would queue for one slot
  -- that has them all.
  v_highest_no integer :=
    case when take <= 0 then 2147483647 else saldo_private.home_no() end;
begin
  loop
    if v_is_safe then
      v_slot := saldo_private.move_slot__try(
        account_id, v_highest_no, take, held, debit, credit, row_count
      );
      exit when v_slot.slot_no is not null;
    end if;

    select count(*), sum(s.available), bool_or(s.is_short)
    into v_count, v_available, v_is_short
    from saldo_private.account_slot as s
    where s.account_id = move_slot__slowly.account_id;
    if v_count = 0 then
      perform saldo_private.rebuild_slots(account_id);
    elsif v_is_short and take <= 0 then
      v_slot := saldo_private.move_slot__refill(account_id, take, held, debit, credit, row_count);
      exit when v_slot.slot_no is not null;
    elsif v_available is null and not v_is_safe then
      v_is_safe := true; -- without a min_balance every slot has enough
      v_highest_no := 2147483647;
    elsif take <= 0 and v_available is not null and v_count >= 128 then
      -- Somebody gathers again and again, and holds them all: with more there would only be more
      -- to gather.
      perform
      from saldo_private.account_slot as s
      where s.account_id = move_slot__slowly.account_id
      and s.slot_no = saldo_private.home_no()
      for no key update;
    elsif v_available is null or take <= 0 then
      perform saldo_private.move_slot__add(account_id);
    else
      -- Where what is committed does not suffice, nobody needs to wait for that answer.
      perform saldo_private.move_slot__require(account_id, v_available, take);
      if v_is_safe then
        perform saldo_private.move_slot__rebalance(account_id, take);
      else
        -- One at a time: who waits here goes on with a slot that the one before has filled. If all
        -- waited for all slots, each would gather again, one after the other, for ever.
        perform pg_advisory_xact_lock(
          hashtextextended(format('saldo gather %s', account_id), 0)
        );
        v_is_safe := true;
      end if;
    end if;
  end loop;
  return v_slot;
end
$$;
comment on function saldo_private.move_slot__slowly is
  'When no slot from the own one on will do: any other; else rebuilds slots that are gone, adds '
  'one where all are in use, or gathers the funds of all. Errors as move_slot.';

create or replace function saldo_private.move_slot__refill(
  account_id bigint,
  take numeric,
  held numeric,
  debit numeric,
  credit numeric,
  row_count integer
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_slot saldo_private.slot_position;
  v_available numeric;
begin
  update saldo_private.account_slot as s
  set available = s.available - move_slot__refill.take,
    held = s.held + move_slot__refill.held,
    seq = s.seq + move_slot__refill.row_count,
    debit_total = s.debit_total + move_slot__refill.debit,
    credit_total = s.credit_total + move_slot__refill.credit
  where s.account_id = move_slot__refill.account_id
  and s.slot_no = 1
  and s.is_short
  returning s.slot_no, s.seq, s.checked_seq, s.clearing_account_id, s.debit_take, s.credit_take,
    s.available
  into v_slot.slot_no, v_slot.seq, v_slot.checked_seq, v_slot.counter_account_id,
    v_slot.debit_take, v_slot.credit_take, v_available;
  if v_available >= 0 then
    perform saldo_private.move_slot__rebalance(account_id, 0);
  end if;
  return v_slot;
end
$$;
comment on function saldo_private.move_slot__refill is
  'Gives to an account that lacks funds: all to its first slot, one writer after the other, until '
  'nothing lacks and all slots are in use again. Null when that is so already. Error: SB020.';

create or replace function saldo_private.move_slot__require(
  account_id bigint,
  available numeric,
  needed numeric
)
returns void
language plpgsql
stable
as $$
begin
  if available < needed then
    perform saldo_private.fail('insufficient_balance', format(
      'account %s: available %s, needed %s', account_id, trim_scale(available), needed
    ));
  end if;
end
$$;
comment on function saldo_private.move_slot__require is 'SB001 when more is needed than available.';

create or replace function saldo_private.move_slot__rebalance(account_id bigint, needed numeric)
returns void
language plpgsql
as $$
declare
  v_slot_nos integer[];
  v_count integer;
  v_available numeric;
  v_share numeric;
begin
  perform saldo_private.require_read_committed();
  select array_agg(l.slot_no)
  into v_slot_nos
  from (
    select s.slot_no
    from saldo_private.account_slot as s
    where s.account_id = move_slot__rebalance.account_id
    order by s.slot_no
    for no key update
  ) as l;

  -- Statements of their own: they see what those have done that the locks waited for, and look at
  -- no slot that was added since. It is somebody else's, with what came in by it.
  select count(*), sum(s.available)
  into v_count, v_available
  from saldo_private.account_slot as s
  where s.account_id = move_slot__rebalance.account_id
  and s.slot_no = any (v_slot_nos);
  if v_count = 0 or v_count <> cardinality(v_slot_nos) then
    return; -- rebuilt or taken away meanwhile: what was locked is not there any more
  end if;
  if needed > 0 then
    perform saldo_private.move_slot__require(account_id, v_available, needed);
  end if;

  -- The first slot gets what is needed and its share of the rest; or what lacks, all of it. Slots
  -- that were added get nothing: what is shared out over many is soon to be gathered again.
  select least(a.slots, v_count)
  into v_count
  from saldo.account as a
  where a.id = move_slot__rebalance.account_id;
  v_share := trunc(greatest(v_available - needed, 0) / v_count, 2);
  update saldo_private.account_slot as s
  set available = case when s.slot_no = v_slot_nos[1] then v_available - v_share * (v_count - 1)
      when s.slot_no <= v_count then v_share
      else 0 end,
    is_short = v_available < 0
  where s.account_id = move_slot__rebalance.account_id
  and s.slot_no = any (v_slot_nos);
end
$$;
comment on function saldo_private.move_slot__rebalance is
  'Locks all slots of an account with a min_balance, puts what is needed into the first and shares '
  'the rest out: SB001 when more is needed than there is, SB020.';

create or replace function saldo_private.move_slot__add(account_id bigint)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_slot_no integer;
begin
  perform saldo_private.require_read_committed();
  -- Slots are neither rebuilt nor abolished meanwhile; settlement does not mind.
  perform
  from saldo_private.hot_account as h
  where h.account_id = move_slot__add.account_id
  for key share;
  select *
  into strict v_account
  from saldo.account
  where id = move_slot__add.account_id;
  if v_account.mode <> 'hot' then -- since a moment ago
    perform saldo_private.fail('conflict_retry', format('account %s', account_id));
  end if;
  if exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = move_slot__add.account_id
    and s.is_short
  ) or not exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = move_slot__add.account_id
  ) then -- since a moment ago; where none is left a rebuild makes all, unless it is frozen
    return;
  end if;

  select coalesce(max(m.slot_no), 0)
  into v_slot_no
  from saldo_private.settlement_mark as m
  where m.account_id = move_slot__add.account_id;
  loop
    v_slot_no := v_slot_no + 1;
    -- Somebody who adds the same number at this moment is not waited for.
    if pg_try_advisory_xact_lock(
      hashtextextended(format('saldo slot %s %s', account_id, v_slot_no), 0)
    ) then
      insert into saldo_private.settlement_mark (account_id, slot_no)
      values (account_id, v_slot_no)
      on conflict on constraint settlement_mark_pkey do nothing;
      exit when found;
    end if;
  end loop;
  insert into saldo_private.account_slot (
    account_id, slot_no, available, held, seq, checked_seq, debit_total, credit_total,
    debit_take, credit_take, clearing_account_id, is_short
  )
  values (
    account_id, v_slot_no, case when v_account.min_balance is not null then 0 end, 0, 0, 0, 0, 0,
    saldo_private.take_sign(v_account, 'debit'), saldo_private.take_sign(v_account, 'credit'),
    saldo_private.fit_clearing_account(v_account), false
  );
end
$$;
comment on function saldo_private.move_slot__add is
  'Adds an empty slot to an account all of whose slots are in use. Errors: SB020, SB015.';

create or replace function saldo_private.tg_account_stripe__move_slot()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
begin
  select *
  into strict v_account
  from saldo.account
  where id = NEW.account_id;
  perform saldo_private.move_slot(
    NEW.account_id,
    (NEW.debit - OLD.debit - NEW.credit + OLD.credit)
      * case when v_account.type in ('asset', 'expense') then -1 else 1 end,
    0, 0, 0, 0
  );
  return NEW;
end
$$;
comment on function saldo_private.tg_account_stripe__move_slot is
  'Moves the funds of a hot account with a min_balance when lines are posted to it: SB001.';

-- Folds empty a stripe, settlements use stripe 0: neither moves funds. Before the stripe: slots
-- that have to be rebuilt must not see the posting yet.
create or replace trigger move_slot_on_posting
  before update on saldo_private.account_stripe
  for each row
  when (NEW.is_limited and NEW.stripe_no > 0 and NEW.line_count > 0)
  execute function saldo_private.tg_account_stripe__move_slot();
--! EndIncluded hot/move_slot.sql
--! Included hot/slot_rebuild.sql
-- Rebuilding slots from what is durable: totals, rows, marks and open holds.
--
-- Public: saldo.slot_rebuild (the record). Private: derived_funds, derived_slot, rebuild_slots,
-- rule_account_slot, heal_account_slot; table hot_account.
-- The row of hot_account is the lock under which slots come and go: settlement takes it weakly
-- (no key update), whoever adds a slot weaker still (key share), a rebuild fully.

create or replace function saldo_private.derived_slot()
returns table (
  account_id bigint,
  slot_no integer,
  seq bigint,
  debit_total numeric,
  credit_total numeric,
  pending_count bigint
)
language sql
stable
as $$
  select m.account_id, m.slot_no, m.seq + coalesce(r.row_count, 0),
    m.debit_total + coalesce(r.debit, 0), m.credit_total + coalesce(r.credit, 0),
    coalesce(r.row_count, 0)
  from saldo_private.settlement_mark as m
  cross join lateral (
    select count(*) as row_count,
      sum(s.amount) filter (where s.direction = 'debit') as debit,
      sum(s.amount) filter (where s.direction = 'credit') as credit
    from saldo.sub_balance as s
    where s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq > m.seq
  ) as r
$$;
comment on function saldo_private.derived_slot is
  'What follows for each slot from its mark and the rows after it.';

create or replace function saldo_private.derived_funds()
returns table (
  account_id bigint,
  pending_debit numeric,
  pending_credit numeric,
  pending_count bigint,
  held numeric,
  available numeric
)
language sql
stable
as $$
  select a.account_id, p.debit, p.credit, p.row_count, h.amount,
    a.balance - h.amount
      + case when a.type in ('asset', 'expense') then -p.credit else -p.debit end
      + case when not account.is_pending_available then 0
        when a.type in ('asset', 'expense') then p.debit else p.credit end
  from saldo_private.account_total as a
  join saldo.account on account.id = a.account_id
  cross join lateral (
    select coalesce(sum(d.debit_total - m.debit_total), 0) as debit,
      coalesce(sum(d.credit_total - m.credit_total), 0) as credit,
      coalesce(sum(d.pending_count), 0)::bigint as row_count
    from saldo_private.derived_slot() as d
    join saldo_private.settlement_mark as m
      on m.account_id = d.account_id and m.slot_no = d.slot_no
    where d.account_id = a.account_id
  ) as p
  cross join lateral (
    select coalesce(sum(hold.open_amount), 0) as amount
    from saldo.hold
    where hold.account_id = a.account_id
    and hold.status = 'HELD'
  ) as h
  where a.mode = 'hot'
$$;
comment on function saldo_private.derived_funds is
  'Of each hot account, from rows, marks, holds and posted totals: what is pending, held and '
  'available (its min_balance not yet taken off).';

create or replace function saldo_private.rebuild_slots(
  account_id bigint,
  is_forced boolean default false
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  perform saldo_private.require_read_committed();
  select *
  into v_account
  from saldo.account
  where id = rebuild_slots.account_id;
  if v_account.mode is distinct from 'hot' then -- since a moment ago
    perform saldo_private.fail('conflict_retry', format('account %s', account_id));
  end if;
  insert into saldo_private.hot_account (account_id)
  values (account_id)
  on conflict on constraint hot_account_pkey do nothing;
  perform
  from saldo_private.hot_account as h
  where h.account_id = rebuild_slots.account_id
  for update;

  -- Only now is it sure what has happened before: somebody else may have been first.
  select *
  into v_account
  from saldo.account
  where id = rebuild_slots.account_id;
  if v_account.mode <> 'hot' then
    perform saldo_private.fail('conflict_retry', format('account %s', account_id));
  elsif v_account.frozen_at is not null then
    -- Without slots nobody goes past the account's row: that is what keeps it frozen.
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  end if;
  if is_forced then
    -- Waits for everybody who holds one.
    delete from saldo_private.account_slot as s
    where s.account_id = rebuild_slots.account_id;
  elsif exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = rebuild_slots.account_id
  ) then
    return;
  end if;
  perform saldo_private.rebuild_slots__fill(v_account);
end
$$;
comment on function saldo_private.rebuild_slots is
  'Makes the slots of a hot account from what is durable, and records it. Without force only when '
  'there are none. Whoever held one has ended by then: its removal waited for that. '
  'Errors: SB015 when the account is not hot, SB020, SB121.';

create or replace function saldo_private.rebuild_slots__fill(account saldo.account)
returns void
language plpgsql
as $$
declare
  v_clearing_account_id bigint := saldo_private.fit_clearing_account(account);
  v_slot_count integer;
begin
  insert into saldo_private.settlement_mark (account_id, slot_no)
  select account.id, g.slot_no
  from generate_series(1, account.slots) as g (slot_no)
  on conflict on constraint settlement_mark_pkey do nothing;

  insert into saldo_private.account_slot (
    account_id, slot_no, available, held, seq, checked_seq, debit_total, credit_total,
    debit_take, credit_take, clearing_account_id, is_short
  )
  select d.account_id, d.slot_no,
    -- Only regular slots get funds; the first takes what a division leaves, and all that lacks.
    case when account.min_balance is not null then
      case when d.slot_no = 1 then f.free - f.share * (account.slots - 1)
        when d.slot_no <= account.slots then f.share
        else 0 end
    end,
    case when d.slot_no = 1 then f.held else 0 end, d.seq, d.seq, d.debit_total, d.credit_total,
    saldo_private.take_sign(account, 'debit'), saldo_private.take_sign(account, 'credit'),
    v_clearing_account_id, coalesce(f.free < 0, false)
  from saldo_private.derived_slot() as d
  join (
    select funds.account_id, funds.held, funds.available - account.min_balance as free,
      trunc(greatest(funds.available - account.min_balance, 0) / account.slots, 2) as share
    from saldo_private.derived_funds() as funds
  ) as f on f.account_id = d.account_id
  where d.account_id = account.id;
  get diagnostics v_slot_count = row_count;

  insert into saldo.slot_rebuild (account_id, id, slot_count, rebuilt_by)
  values (account.id, saldo_private.uuid_v7(), v_slot_count, saldo_private.actor());
end
$$;
comment on function saldo_private.rebuild_slots__fill is 'Writes the slots, under their lock.';

create or replace function saldo_private.rule_account_slot()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  with slot as (
    select s.account_id, sum(s.available) as available, sum(s.held) as held,
      sum(s.seq) as seq, sum(s.debit_total) as debit, sum(s.credit_total) as credit,
      count(*) filter (
        where (s.debit_take, s.credit_take) is distinct from (
          saldo_private.take_sign(a, 'debit'), saldo_private.take_sign(a, 'credit')
        )
        or clearing.code <> 'clearing:' || a.currency
        or (s.available < 0 and not s.is_short)
      ) as misrouted_count
    from saldo_private.account_slot as s
    left join saldo.account as a on a.id = s.account_id
    left join saldo.account as clearing on clearing.id = s.clearing_account_id
    group by s.account_id
  ),
  derived as (
    select d.account_id, sum(d.seq) as seq, sum(d.debit_total) as debit,
      sum(d.credit_total) as credit
    from saldo_private.derived_slot() as d
    group by d.account_id
  ),
  pair as (
    select s.account_id, a.code,
      format('available %s, held %s, rows %s, debit %s, credit %s, misrouted slots %s',
        coalesce(trim_scale(s.available)::text, 'any'), trim_scale(s.held), s.seq,
        trim_scale(s.debit), trim_scale(s.credit), s.misrouted_count) as stored,
      format('available %s, held %s, rows %s, debit %s, credit %s, misrouted slots 0',
        coalesce(trim_scale(f.available - a.min_balance)::text, 'any'), trim_scale(f.held), d.seq,
        trim_scale(d.debit), trim_scale(d.credit)) as derived,
      s.available - (f.available - a.min_balance) as difference
    from slot as s
    left join saldo.account as a on a.id = s.account_id
    left join derived as d on d.account_id = s.account_id
    left join saldo_private.derived_funds() as f on f.account_id = s.account_id
  )
  select p.account_id::text, p.account_id, p.stored, p.derived, trim_scale(p.difference),
    jsonb_build_object('code', p.code)
  from pair as p
  where p.stored <> p.derived
$$;
comment on function saldo_private.rule_account_slot is
  'Accounts whose slots do not add up to what is available, held and written. difference: funds in '
  'slots less funds there are.';

create or replace function saldo_private.heal_account_slot(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_findings jsonb[];
begin
  select array_agg(to_jsonb(r) order by r.account_id)
  into v_findings
  from saldo_private.rule_account_slot() as r
  where r.key = any (keys);
  delete from saldo_private.account_slot as s
  using saldo.account as a
  where s.account_id in (select (f ->> 'account_id')::bigint from unnest(v_findings) as f)
  and a.id = s.account_id
  and a.mode <> 'hot';
  -- One after the other, in id order: each has locks of its own, and hot accounts are few.
  perform saldo_private.rebuild_slots(hot.id, is_forced => true)
  from (
    select a.id
    from saldo.account as a
    where a.id in (select (f ->> 'account_id')::bigint from unnest(v_findings) as f)
    and a.mode = 'hot'
    order by a.id
    offset 0
  ) as hot;
  return query
  select f ->> 'key',
    jsonb_build_object('surplus', f -> 'difference', 'slots', f -> 'stored'),
    jsonb_build_object('surplus', 0, 'slots', f -> 'derived')
  from unnest(v_findings) as f;
end
$$;
comment on function saldo_private.heal_account_slot is
  'Rebuilds the slots of these accounts. A row for each whose slots were wrong; surplus: funds in '
  'slots less funds there are.';

select saldo_private.secure_table('saldo_private.hot_account');
select saldo_private.secure_table('saldo.slot_rebuild');
drop policy if exists select_all on saldo.slot_rebuild;
create policy select_all on saldo.slot_rebuild for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.slot_rebuild to saldo_admin, saldo_operator;

comment on table saldo_private.hot_account is
  'A row for each account whose slots were ever built: the lock of settlement and rebuilding.';
comment on column saldo_private.hot_account.account_id is 'Account.';
comment on table saldo.slot_rebuild is
  'The slots of a hot account were made anew: at its first transaction, and after a crash, a '
  'failover or a TRUNCATE.';
comment on column saldo.slot_rebuild.account_id is 'Hot account.';
comment on column saldo.slot_rebuild.id is 'Id, ordered by time.';
comment on column saldo.slot_rebuild.slot_count is 'Slots that were made.';
comment on column saldo.slot_rebuild.rebuilt_at is 'When.';
comment on column saldo.slot_rebuild.rebuilt_by is 'Whose request it was: token subject or login.';
--! EndIncluded hot/slot_rebuild.sql
--! Included hot/sub_balance.sql
-- Sub-balances: transactions of hot accounts, each a row that is never changed.
--
-- Public: saldo.sub_balance, sub_balance_status, sub_balance_settlement, pending_sub_balances.
-- Truth, beside the journal. Whether a row is settled is not written on it: settlement moves the
-- mark of its slot past its number, for a thousand rows in one write.

create or replace function saldo_private.mark_of(account_id bigint, slot_no integer)
returns bigint
language plpgsql
stable
as $$
begin
  return coalesce((
    select m.seq
    from saldo_private.settlement_mark as m
    where m.account_id = mark_of.account_id
    and m.slot_no = mark_of.slot_no
  ), 0);
end
$$;
comment on function saldo_private.mark_of is
  'Number up to which the rows of a slot are settled.';
grant execute on function saldo_private.mark_of to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.sub_balance_status(sub_balance_row saldo.sub_balance)
returns saldo.sub_balance_status
language sql
stable
as $$
  select case
    when sub_balance_row.seq <= saldo_private.mark_of(
      sub_balance_row.account_id, sub_balance_row.slot_no
    )
    then 'SETTLED' else 'PENDING'
  end::saldo.sub_balance_status
$$;
comment on function saldo.sub_balance_status is
  'PENDING: accepted, waits for settlement; SETTLED: in the journal.';
revoke execute on function saldo.sub_balance_status from public;
grant execute on function saldo.sub_balance_status to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.sub_balance_settlement(sub_balance_row saldo.sub_balance)
returns saldo.settlement
language sql
stable
as $$
  select s
  from saldo.settlement as s
  where s.account_id = sub_balance_row.account_id
  and s.id = (
    select r.settlement_id
    from saldo.settlement_range as r
    where r.account_id = sub_balance_row.account_id
    and r.slot_no = sub_balance_row.slot_no
    and r.last_seq >= sub_balance_row.seq
    order by r.last_seq
    limit 1
  )
$$;
comment on function saldo.sub_balance_settlement is
  'The settlement that took the row; null while it is pending.';
revoke execute on function saldo.sub_balance_settlement from public;
grant execute on function saldo.sub_balance_settlement
  to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.pending_sub_balances(account_id bigint)
returns setof saldo.sub_balance
language sql
stable
as $$
  select s.*
  from saldo_private.settlement_mark as m
  join saldo.sub_balance as s on s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq > m.seq
  where m.account_id = pending_sub_balances.account_id
  order by s.id
$$;
comment on function saldo.pending_sub_balances is
  'The rows of an account that wait for settlement, oldest first; how many there are and what they '
  'sum up to is in balances.';
revoke execute on function saldo.pending_sub_balances from public;
grant execute on function saldo.pending_sub_balances to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.tg__keep_sub_balances_whole()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.fail(
    'entry_immutable', format('%s of %s', lower(TG_OP), TG_TABLE_NAME),
    'Correct it with another transaction.'
  );
  return null;
end
$$;
comment on function saldo_private.tg__keep_sub_balances_whole is
  'Refuses every change of rows and of the record of their settlement: SB105.';

create or replace trigger keep_immutable
  before update or delete or truncate on saldo.sub_balance
  for each statement
  execute function saldo_private.tg__keep_sub_balances_whole();
create or replace trigger keep_immutable
  before update or delete or truncate on saldo.settlement_range
  for each statement
  execute function saldo_private.tg__keep_sub_balances_whole();
create or replace trigger keep_immutable
  before update or delete or truncate on saldo.settlement_entry
  for each statement
  execute function saldo_private.tg__keep_sub_balances_whole();

select saldo_private.secure_table('saldo.sub_balance');
drop policy if exists select_all on saldo.sub_balance;
create policy select_all on saldo.sub_balance for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.sub_balance to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.entry_side is 'Side of an account that a transaction is on.';
comment on type saldo.sub_balance_status is
  'PENDING: accepted, waits for settlement; SETTLED: in the journal.';
comment on table saldo.sub_balance is
  E'@foreignKey (account_id) references saldo.account (id)|@backwardBehavior -*\n'
  '@foreignKey (counter_account_id) references saldo.account (id)|@backwardBehavior -*\n'
  'A transaction on a hot account: accepted at once, its funds taken, and posted by the next '
  'settlement. Append-only; its state follows from the settlements.';
comment on column saldo.sub_balance.account_id is 'Hot account.';
comment on column saldo.sub_balance.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.sub_balance.seq is 'Number within its slot, from 1, without gap.';
comment on column saldo.sub_balance.counter_account_id is 'Account of the other side.';
comment on column saldo.sub_balance.created_at is
  'When it was accepted; its business date is the posting date.';
comment on column saldo.sub_balance.hold_id is 'Hold that it captures, if any.';
comment on column saldo.sub_balance.slot_no is 'Slot that it was written with.';
comment on column saldo.sub_balance.direction is 'Side of the account; the other gets the other.';
comment on column saldo.sub_balance.amount is 'Amount, positive, in the account''s currency.';
comment on column saldo.sub_balance.created_by is 'Who sent it: token subject or login.';
comment on column saldo.sub_balance.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.sub_balance.metadata is 'Whatever the client wants to keep with it.';
--! EndIncluded hot/sub_balance.sql
--! Included hot/balances.sql
-- Balances as the field knows them, exact at any moment: one statement, one snapshot.
--
-- Public: balances, account_balances (the same as a field of an account), settlement_health.
-- Nothing is summed up over rows as long as there are slots: they carry running totals, and marks
-- the totals up to which settlement has come. Without slots (after a crash, say) the rows tell.

create or replace function saldo_private.pending_figures(account_id bigint)
returns table (debit numeric, credit numeric, row_count bigint, held numeric)
language sql
stable
as $$
  select sum(s.debit_total - coalesce(m.debit_total, 0)),
    sum(s.credit_total - coalesce(m.credit_total, 0)),
    sum(s.seq - coalesce(m.seq, 0))::bigint, sum(s.held)
  from saldo_private.account_slot as s
  left join saldo_private.settlement_mark as m
    on m.account_id = s.account_id and m.slot_no = s.slot_no
  where s.account_id = pending_figures.account_id
  having count(*) > 0
  union all
  select f.pending_debit, f.pending_credit, f.pending_count, f.held
  from saldo_private.derived_funds() as f
  where f.account_id = pending_figures.account_id
  and not exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = pending_figures.account_id
  )
$$;
comment on function saldo_private.pending_figures is
  'What is pending and held on a hot account; no row for an immediate one.';
grant execute on function saldo_private.pending_figures, saldo_private.derived_funds,
  saldo_private.derived_slot to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.balances(account_id bigint)
returns saldo.balance_summary
language sql
stable
as $$
  select a.account_id, a.currency, trim_scale(a.balance), trim_scale(p.debit),
    trim_scale(p.credit), trim_scale(p.held),
    trim_scale(
      a.balance - p.held
      - case when a.type in ('asset', 'expense') then p.credit else p.debit end
      + case when not account.is_pending_available then 0
        when a.type in ('asset', 'expense') then p.debit else p.credit end
    ),
    p.row_count
  from saldo_private.account_total as a
  join saldo.account on account.id = a.account_id
  left join lateral saldo_private.pending_figures(a.account_id) as f on a.mode = 'hot'
  cross join lateral (
    select coalesce(f.debit, 0) as debit, coalesce(f.credit, 0) as credit,
      coalesce(f.row_count, 0) as row_count,
      case when a.mode = 'hot' then coalesce(f.held, 0) else a.held_total end as held
  ) as p
  where a.account_id = balances.account_id
$$;
comment on function saldo.balances is
  'Balances of an account in one snapshot: settled (all that is posted), pending debits and '
  'credits not yet settled, held, and available: settled less held, less what is pending '
  'outwards, plus what is pending inwards if the account makes that available at once. '
  'min_balance is not taken off. Null for an account that does not exist or is not yours.';
revoke execute on function saldo.balances from public;
grant execute on function saldo.balances to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.account_balances(account_row saldo.account)
returns saldo.balance_summary
language sql
stable
as $$
  select saldo.balances(account_row.id)
$$;
comment on function saldo.account_balances is
  'Settled, pending, held and available, exact at this moment; see the function balances.';
revoke execute on function saldo.account_balances from public;
grant execute on function saldo.account_balances to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.oldest_pending_at(account_id bigint)
returns timestamptz
language sql
stable
as $$
  select min(s.created_at)
  from saldo_private.settlement_mark as m
  join saldo.sub_balance as s on s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq = m.seq + 1
  where m.account_id = oldest_pending_at.account_id
$$;
comment on function saldo_private.oldest_pending_at is
  'When the oldest pending row of an account was written; null when there is none.';

create or replace function saldo.settlement_health()
returns saldo.settlement_health_result
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select count(*), coalesce(sum(p.row_count), 0)::bigint,
    coalesce(extract(epoch from clock_timestamp() - min(p.oldest_at)), 0)::numeric(20, 3),
    (select max(s.settled_at) from saldo.settlement as s),
    (select count(*) from saldo.hold as h where h.status = 'HELD'),
    (select count(*) from saldo.hold as h where h.status = 'HELD' and h.expires_at < now()),
    (select count(*) from saldo.slot_rebuild)
  from saldo.account as a
  cross join lateral (
    select f.row_count, case when f.row_count > 0
      then saldo_private.oldest_pending_at(a.id) end as oldest_at
    from (select) as one
    left join lateral saldo_private.pending_figures(a.id) as f on true
  ) as p
  where a.mode = 'hot'
$$;
comment on function saldo.settlement_health is
  'How settlement is doing, cheaply: hot accounts, pending rows and the age of the oldest, the '
  'last settlement, open holds and those past their time, and how often slots were rebuilt.';
revoke execute on function saldo.settlement_health from public;
grant execute on function saldo.settlement_health to saldo_admin, saldo_operator, saldo_anonymous;

comment on type saldo.balance_summary is 'Balances of an account at one moment.';
comment on column saldo.balance_summary.account_id is 'Account.';
comment on column saldo.balance_summary.currency is 'Its currency.';
comment on column saldo.balance_summary.settled_balance is
  'Balance of all that is posted, on the normal side.';
comment on column saldo.balance_summary.pending_debit is 'Submitted debits not yet settled.';
comment on column saldo.balance_summary.pending_credit is 'Submitted credits not yet settled.';
comment on column saldo.balance_summary.held is 'Sum of open holds.';
comment on column saldo.balance_summary.available_balance is
  'What is left to take, above min_balance or not.';
comment on column saldo.balance_summary.pending_count is 'Rows not yet settled.';

comment on type saldo.settlement_health_result is 'How settlement is doing.';
comment on column saldo.settlement_health_result.hot_account_count is 'Hot accounts.';
comment on column saldo.settlement_health_result.pending_count is 'Rows that wait for settlement.';
comment on column saldo.settlement_health_result.oldest_pending_age_seconds is
  'Age of the oldest of them; 0 when there is none.';
comment on column saldo.settlement_health_result.last_settled_at is
  'When rows were last settled; null = never.';
comment on column saldo.settlement_health_result.open_hold_count is 'Holds that are open.';
comment on column saldo.settlement_health_result.overdue_hold_count is
  'Open holds past their time, which the next run of expire_holds ends.';
comment on column saldo.settlement_health_result.slot_rebuild_count is
  'How often slots were made anew, first times included.';
--! EndIncluded hot/balances.sql
--! Included hot/account_field.sql
-- Fields of an account over GraphQL that must be exact on hot accounts too.
--
-- Public: account_balance, account_debit_total, account_credit_total, account_held_total.
-- They stand in for the columns of the same names, which a hot account's postings and holds reach
-- only with the next settlement (account_stripe.sql, account_slot.sql).

create or replace function saldo.account_balance(account_row saldo.account)
returns numeric
language sql
stable
as $$
  select trim_scale(t.balance)
  from saldo_private.account_total as t
  where t.account_id = account_row.id
$$;
comment on function saldo.account_balance is
  E'@notNull\n'
  'Balance of all that is posted, on the normal side: debits less credits for asset and expense, '
  'else the reverse. Exact at any moment.';
revoke execute on function saldo.account_balance from public;
grant execute on function saldo.account_balance to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.account_debit_total(account_row saldo.account)
returns numeric
language sql
stable
as $$
  select trim_scale(t.debit_total)
  from saldo_private.account_total as t
  where t.account_id = account_row.id
$$;
comment on function saldo.account_debit_total is E'@notNull\n'
  'Sum of all posted debits, at any moment.';
revoke execute on function saldo.account_debit_total from public;
grant execute on function saldo.account_debit_total to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.account_credit_total(account_row saldo.account)
returns numeric
language sql
stable
as $$
  select trim_scale(t.credit_total)
  from saldo_private.account_total as t
  where t.account_id = account_row.id
$$;
comment on function saldo.account_credit_total is E'@notNull\n'
  'Sum of all posted credits, at any moment.';
revoke execute on function saldo.account_credit_total from public;
grant execute on function saldo.account_credit_total to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.account_held_total(account_row saldo.account)
returns numeric
language sql
stable
as $$
  select (saldo.balances(account_row.id)).held
$$;
comment on function saldo.account_held_total is E'@notNull\n'
  'Sum of the open holds, at any moment.';
revoke execute on function saldo.account_held_total from public;
grant execute on function saldo.account_held_total to saldo_admin, saldo_operator, saldo_member;
--! EndIncluded hot/account_field.sql
--! Included hot/submit_transaction.sql
-- Submitting a transaction on a hot account: a quick look, funds from a slot, one row, an answer.
--
-- Public: submit_transaction. Private: require_hot_account, require_counter_account,
-- require_metadata, require_submission, submit_transaction__*.
-- It never waits for another writer of the account: there is a slot that nobody holds, or one is
-- added. The one exception is a debit that no free slot covers while others hold the rest.

create or replace function saldo_private.require_hot_account(account_id bigint)
returns saldo.account
language plpgsql
stable
as $$
declare
  v_account saldo.account;
begin
  select *
  into v_account
  from saldo.account
  where id = require_hot_account.account_id;
  if v_account.id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif v_account.mode <> 'hot' then
    perform saldo_private.fail('account_not_hot', format('account %s', account_id));
  end if;
  return v_account;
end
$$;
comment on function saldo_private.require_hot_account is 'The account, if it is hot: SB101, SB201.';

create or replace function saldo_private.require_counter_account(
  account saldo.account,
  counter_account_id bigint
)
returns bigint
language plpgsql
as $$
declare
  v_counter_id bigint := coalesce(
    counter_account_id, saldo_private.system_account('clearing', account.currency)
  );
  v_counter saldo.account;
begin
  select *
  into v_counter
  from saldo.account
  where id = v_counter_id;
  if v_counter.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', counter_account_id));
  elsif v_counter.currency <> account.currency then
    perform saldo_private.fail('currency_mismatch', format(
      'account %s is in %s, account %s in %s', account.id, account.currency, v_counter.id,
      v_counter.currency
    ));
  elsif v_counter.id = account.id or v_counter.closed_at is not null
    or v_counter.min_balance is not null
  then
    -- With a minimum it might lack the funds when the time of settlement comes.
    perform saldo_private.fail('counter_account_unfit', format(
      'account %s: minimum %s, closed at %s', v_counter.id,
      coalesce(v_counter.min_balance::text, 'none'), coalesce(v_counter.closed_at::text, 'never')
    ));
  elsif v_counter.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', v_counter.id));
  end if;
  return v_counter.id;
end
$$;
comment on function saldo_private.require_counter_account is
  'The account of the other side, default the clearing account of the currency. Errors in checking '
  'order: SB101, SB104, SB203, SB121.';

create or replace function saldo_private.fit_clearing_account(account saldo.account)
returns bigint
language plpgsql
as $$
declare
  v_clearing_id bigint := saldo_private.system_account('clearing', account.currency);
begin
  return (
    select c.id
    from saldo.account as c
    where c.id = v_clearing_id
    and c.id <> account.id
    and c.currency = account.currency
    and c.min_balance is null
    and c.closed_at is null
  );
end
$$;
comment on function saldo_private.fit_clearing_account is
  'The clearing account of an account''s currency; null for itself, and where somebody made an '
  'account of this code that cannot be a counter account.';

create or replace function saldo_private.require_metadata(metadata jsonb)
returns jsonb
language plpgsql
stable
as $$
begin
  if octet_length(metadata::text) > 8000 then
    perform saldo_private.fail('text_too_long', 'metadata: up to 8,000 bytes');
  end if;
  return metadata;
end
$$;
comment on function saldo_private.require_metadata is 'The metadata, unless it is too long: SB009.';

create or replace function saldo_private.require_submission(
  account_id bigint,
  amount numeric,
  direction saldo.entry_side,
  metadata jsonb
)
returns void
language plpgsql
stable
as $$
begin
  perform saldo_private.require_amount(amount);
  if direction is null or account_id is null then
    perform saldo_private.fail('input_invalid', 'account_id, and direction: debit or credit');
  end if;
  perform saldo_private.require_metadata(metadata);
end
$$;
comment on function saldo_private.require_submission is
  'Checks the form of a transaction: SB002, SB004, SB003, SB010, SB009.';

create or replace function saldo_private.submit_transaction__earlier(
  id uuid,
  account_id bigint,
  amount numeric,
  direction saldo.entry_side,
  counter_account_id bigint,
  idempotency_key text,
  metadata jsonb
)
returns saldo.sub_balance
language plpgsql
as $$
declare
  v_earlier_id uuid;
  v_row saldo.sub_balance;
begin
  v_earlier_id := saldo_private.claim_idempotency_key(
    'account:' || account_id, idempotency_key, 'submit_transaction',
    jsonb_build_array(amount, direction, counter_account_id, metadata),
    submit_transaction__earlier.id
  );
  if v_earlier_id is not null then
    select *
    into strict v_row
    from saldo.sub_balance as s
    where s.account_id = submit_transaction__earlier.account_id
    and s.id = v_earlier_id;
  end if;
  return v_row;
end
$$;
comment on function saldo_private.submit_transaction__earlier is
  'The row that was written under the key, or null and the key is taken: SB008, SB005.';

create or replace function saldo_private.submit_transaction__take_ample(
  account_id bigint,
  debit numeric,
  credit numeric
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_home_no integer := saldo_private.home_no();
  v_slot saldo_private.slot_position;
begin
  update saldo_private.account_slot as s
  set available = s.available - debit * s.debit_take - credit * s.credit_take,
    seq = s.seq + 1,
    debit_total = s.debit_total + debit,
    credit_total = s.credit_total + credit
  where s.account_id = submit_transaction__take_ample.account_id
  and s.slot_no = (
    select f.slot_no
    from saldo_private.account_slot as f
    where f.account_id = submit_transaction__take_ample.account_id
    and f.slot_no <= v_home_no
    and not f.is_short
    and (f.available is null
      or f.available >= 16 * (debit * f.debit_take + credit * f.credit_take))
    order by f.slot_no desc
    limit 1
    for no key update skip locked
  )
  returning s.slot_no, s.seq, s.checked_seq, s.clearing_account_id, s.debit_take, s.credit_take
  into v_slot;
  return v_slot;
end
$$;
comment on function saldo_private.submit_transaction__take_ample is
  'As move_slot, with nothing looked at but the slot: only a hot account has one. It has ample '
  'funds, so that it still has enough when it is ours; move_slot says why a look in vain is dear. '
  'Null when there is none.';

create or replace function saldo_private.require_takes(
  slot saldo_private.slot_position,
  debit_take smallint,
  credit_take smallint
)
returns void
language plpgsql
stable
as $$
begin
  if slot.debit_take <> debit_take or slot.credit_take <> credit_take then
    perform saldo_private.fail('conflict_retry', 'is_pending_available changed meanwhile');
  end if;
end
$$;
comment on function saldo_private.require_takes is
  'SB015 when the account has begun since it was looked at to make what comes in available at '
  'another time. The slot, once it is ours, knows for sure.';

create or replace function saldo_private.submit_transaction__take(
  account_id bigint,
  counter_account_id bigint,
  debit numeric,
  credit numeric
)
returns saldo_private.slot_position
language plpgsql
as $$
declare
  v_account saldo.account := saldo_private.require_hot_account(account_id);
  v_counter_account_id bigint :=
    saldo_private.require_counter_account(v_account, counter_account_id);
  v_debit_take smallint := saldo_private.take_sign(v_account, 'debit');
  v_credit_take smallint := saldo_private.take_sign(v_account, 'credit');
  v_slot saldo_private.slot_position;
begin
  v_slot := saldo_private.move_slot(
    account_id, debit * v_debit_take + credit * v_credit_take, 0, debit, credit, 1
  );
  perform saldo_private.require_takes(v_slot, v_debit_take, v_credit_take);
  v_slot.counter_account_id := v_counter_account_id;
  return v_slot;
end
$$;
comment on function saldo_private.submit_transaction__take is
  'Takes a slot with everything looked at, for whatever counter account. Errors in checking order: '
  'SB101, SB201, SB104, SB203, SB121, SB015, SB001, SB202, SB020.';

create or replace function saldo.submit_transaction(
  account_id bigint,
  amount numeric,
  direction saldo.entry_side,
  counter_account_id bigint default null,
  idempotency_key text default null,
  metadata jsonb default null
)
returns saldo.sub_balance
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_row saldo.sub_balance;
  v_slot saldo_private.slot_position;
  v_amount numeric := trim_scale(submit_transaction.amount);
  v_debit numeric := case direction when 'debit' then v_amount else 0 end;
  v_credit numeric := case direction when 'credit' then v_amount else 0 end;
  v_id uuid := saldo_private.uuid_v7();
begin
  -- What is usual passes in one expression; what is wrong is said by the functions.
  if (v_amount > 0 and v_amount < 1e15 and scale(v_amount) <= 2 and account_id is not null
    and direction is not null and metadata is null) is not true
  then
    perform saldo_private.require_submission(account_id, amount, direction, metadata);
  end if;
  if idempotency_key is not null then
    -- Before the account is looked at: a retry succeeds whatever has become of it since.
    v_row := saldo_private.submit_transaction__earlier(
      v_id, account_id, v_amount, direction, counter_account_id, idempotency_key, metadata
    );
    if v_row.id is not null then
      return v_row;
    end if;
  end if;

  if counter_account_id is null then
    v_slot := saldo_private.submit_transaction__take_ample(account_id, v_debit, v_credit);
  end if;
  if v_slot.counter_account_id is null then
    v_slot := saldo_private.submit_transaction__take(
      account_id, counter_account_id, v_debit, v_credit
    );
  elsif v_slot.seq > v_slot.checked_seq then
    perform saldo_private.check_backlog(account_id, v_slot);
  end if;
  insert into saldo.sub_balance (
    account_id, id, seq, counter_account_id, slot_no, direction, amount, created_by,
    idempotency_key, metadata
  )
  values (
    submit_transaction.account_id, v_id, v_slot.seq, v_slot.counter_account_id, v_slot.slot_no,
    submit_transaction.direction, v_amount, saldo_private.actor(),
    submit_transaction.idempotency_key, submit_transaction.metadata
  )
  returning * into v_row;
  if current_setting('synchronous_commit') = 'off' then
    perform saldo_private.require_durable_commit();
  end if;
  return v_row;
end
$$;
comment on function saldo.submit_transaction is
  'Submits a transaction on a hot account: takes its funds now, answers at once, and leaves the '
  'posting to the next settlement. direction: side of the account. counter_account_id: who gets '
  'the other side, an open account without min_balance, default the clearing account of the '
  'currency. metadata: up to 8,000 bytes. The same idempotency_key with the same content returns '
  'the first row; keys are per account. Waits for no other writer, unless only what others hold '
  'makes the funds suffice. Errors in checking order: SB002, SB004, SB003, SB010, SB009, SB008, '
  'SB005, SB101, SB201, SB104, SB203, SB121, SB015 when the mode of the account changes at this '
  'moment, SB001, SB202, SB020.';
revoke execute on function saldo.submit_transaction from public;
grant execute on function saldo.submit_transaction to saldo_admin;
--! EndIncluded hot/submit_transaction.sql
--! Included hot/submit_transactions.sql
-- Submitting many transactions at once: one answer a row, in the order given.
--
-- Public: submit_transactions. Private: submit_transactions__* (its steps), fitting_takes.
-- A row that cannot be accepted is refused with its code, and holds back none of the others. Funds
-- go by order: each row sees what the accepted ones before it in the batch have left.
-- Locks: idempotency keys in their order, then slots, account by account in id order.

create or replace function saldo_private.submit_transactions__examine(
  transactions saldo.submit_request[]
)
returns saldo_private.submission[]
language sql
volatile
as $$
  with request as materialized (
    select t.*
    from unnest(transactions) with ordinality as t (
      account_id, amount, direction, counter_account_id, idempotency_key, metadata, request_no
    )
  ),
  clearing as materialized (
    select c.currency, saldo_private.system_account('clearing', c.currency) as account_id
    from (
      select distinct a.currency
      from request as r
      join saldo.account as a on a.id = r.account_id
      where r.counter_account_id is null
      and a.mode = 'hot'
    ) as c
  )
  select array_agg((
    r.request_no, r.account_id, saldo_private.uuid_v7(), r.amount, r.direction,
    coalesce(r.counter_account_id, clearing.account_id), r.idempotency_key, r.metadata,
    -- As the single call would hash it: the key means the same there and here.
    case when r.idempotency_key is not null and r.amount > 0 and r.amount < 1e15 then
      saldo_private.request_hash('submit_transaction', jsonb_build_array(
        trim_scale(r.amount), r.direction, r.counter_account_id, r.metadata
      ))
    end,
    true,
    case
      when (r.amount > 0 and r.amount < 'Infinity') is not true then 'amount_invalid'
      when r.amount >= 1e15 then 'amount_out_of_range'
      when r.amount <> round(r.amount, 2) then 'amount_scale'
      when r.direction is null or r.account_id is null then 'input_invalid'
      when octet_length(r.metadata::text) > 8000 then 'text_too_long'
      when r.idempotency_key ~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]'
        then 'text_invalid'
      when length(btrim(normalize(r.idempotency_key, nfc))) not between 1 and 200
        then 'text_too_long'
      when a.id is null then 'account_not_found'
      when a.mode <> 'hot' then 'account_not_hot'
      when a.frozen_at is not null then 'account_frozen'
      when c.id is null then 'account_not_found'
      when c.currency <> a.currency then 'currency_mismatch'
      when c.id = a.id or c.closed_at is not null or c.min_balance is not null
        then 'counter_account_unfit'
      when c.frozen_at is not null then 'account_frozen'
    end
  )::saldo_private.submission order by r.request_no)
  from request as r
  left join saldo.account as a on a.id = r.account_id
  left join clearing on clearing.currency = a.currency
  left join saldo.account as c on c.id = coalesce(r.counter_account_id, clearing.account_id)
$$;
comment on function saldo_private.submit_transactions__examine is
  'Each request with its id and the condition that refuses it, if one does before keys and funds '
  'are looked at.';

create or replace function saldo_private.submit_transactions__known(
  submissions saldo_private.submission[]
)
returns saldo_private.submission[]
language sql
stable
as $$
  select array_agg((
    s.request_no, s.account_id, coalesce(k.result_id, s.id), s.amount, s.direction,
    s.counter_account_id, s.idempotency_key, s.metadata, s.request_hash,
    s.is_new and k.result_id is null,
    case
      when k.result_id is null then s.error_condition
      when k.request_hash <> s.request_hash then 'idempotency_conflict'
    end
  )::saldo_private.submission order by s.request_no)
  from unnest(submissions) as s
  left join saldo_private.idempotency_record as k
    on k.scope = 'account:' || s.account_id
    and k.key = s.idempotency_key
    and s.is_new
    and s.request_hash is not null
    and k.result_id <> s.id
$$;
comment on function saldo_private.submit_transactions__known is
  'Answers the requests whose key has been used: with the first result, or with a conflict.';

create or replace function saldo_private.submit_transactions__claim(
  submissions saldo_private.submission[]
)
returns saldo_private.submission[]
language plpgsql
as $$
begin
  if not exists (select from unnest(submissions) as s where s.idempotency_key is not null) then
    return submissions;
  end if;
  submissions := saldo_private.submit_transactions__known(submissions);
  -- In the order of the keys, so that two batches never wait for each other crosswise.
  insert into saldo_private.idempotency_record (scope, key, operation, request_hash, result_id)
  select f.scope, f.idempotency_key, 'submit_transaction', f.request_hash, f.id
  from (
    select distinct on ('account:' || s.account_id, s.idempotency_key)
      'account:' || s.account_id as scope, s.idempotency_key, s.request_hash, s.id
    from unnest(submissions) as s
    where s.is_new
    and s.error_condition is null
    and s.idempotency_key is not null
    order by 'account:' || s.account_id, s.idempotency_key, s.request_no
  ) as f
  on conflict on constraint idempotency_record_pkey do nothing;
  -- Once more: a key may have been used a moment ago, or twice in this batch.
  return saldo_private.submit_transactions__known(submissions);
end
$$;
comment on function saldo_private.submit_transactions__claim is
  'Claims the keys of the requests that nothing speaks against so far.';

create or replace function saldo_private.fitting_takes(takes numeric[], available numeric)
returns boolean[]
language plpgsql
immutable
as $$
declare
  v_left numeric := available;
  v_take numeric;
  v_fits boolean[] := '{}';
begin
  -- Whether a row fits depends on which ones before it did: there is no set-based form of this.
  foreach v_take in array takes loop
    v_fits := v_fits || (v_take <= 0 or v_left >= v_take);
    if v_take <= 0 or v_left >= v_take then
      v_left := v_left - v_take;
    end if;
  end loop;
  return v_fits;
end
$$;
comment on function saldo_private.fitting_takes is
  'Which of the takes, in their order, fit into what is available; a negative one gives.';

create or replace function saldo_private.submit_transactions__take(
  account saldo.account,
  takes numeric[],
  debits numeric[],
  credits numeric[],
  out slot_no integer,
  out last_seq bigint,
  out fits boolean[],
  out error_condition text
)
language plpgsql
as $$
declare
  v_available numeric;
  v_take numeric;
  v_give numeric;
  v_debit numeric;
  v_credit numeric;
  v_count integer;
  v_slot saldo_private.slot_position;
begin
  fits := array_fill(true, array[cardinality(takes)]);
  error_condition := 'insufficient_balance';
  -- Slots that are gone are made before the blocks below, whose failure would unmake them.
  if not exists (select from saldo_private.account_slot as s where s.account_id = account.id) then
    perform saldo_private.rebuild_slots(account.id);
  end if;
  for v_round in 1 .. 5 loop
    select coalesce(sum(t.take) filter (where t.take > 0), 0), coalesce(sum(-t.take)
      filter (where t.take < 0), 0), coalesce(sum(t.debit), 0), coalesce(sum(t.credit), 0), count(*)
    into v_take, v_give, v_debit, v_credit, v_count
    from unnest(takes, debits, credits, fits) as t (take, debit, credit, is_fitting)
    where t.is_fitting;
    begin
      if v_round > 1 then
        -- All slots are ours by now; what the batch itself gives may pay for what it takes.
        perform saldo_private.move_slot(account.id, -v_give, 0, 0, 0, 0);
        perform saldo_private.move_slot__rebalance(account.id, v_take);
        v_give := 0;
      end if;
      if v_count > 0 then
        v_slot := saldo_private.move_slot(
          account.id, v_take, 0, v_debit, v_credit, v_count
        );
        perform saldo_private.require_takes(
          v_slot, saldo_private.take_sign(account, 'debit'),
          saldo_private.take_sign(account, 'credit')
        );
        slot_no := v_slot.slot_no;
        last_seq := v_slot.seq;
      end if;
      if v_give > 0 then
        perform saldo_private.move_slot(account.id, -v_give, 0, 0, 0, 0);
      end if;
      return;
    exception
      when sqlstate 'SB001' then
        perform saldo_private.move_slot__rebalance(account.id, 0);
        select sum(s.available)
        into v_available
        from saldo_private.account_slot as s
        where s.account_id = account.id;
        if v_available is null then -- taken away meanwhile
          perform saldo_private.fail('conflict_retry', format('account %s', account.id));
        end if;
        fits := saldo_private.fitting_takes(takes, v_available);
      when sqlstate 'SB202' then
        fits := array_fill(false, array[cardinality(takes)]);
        error_condition := 'backlog_full';
        return;
    end;
  end loop;
  -- Slots were rebuilt or added to again and again while they were being locked.
  perform saldo_private.fail('conflict_retry', format('account %s', account.id));
end
$$;
comment on function saldo_private.submit_transactions__take is
  'Funds and numbers for the rows of one account: all of them, or under all of its locks those '
  'that fit. error_condition: why the others do not.';

create or replace function saldo_private.submit_transactions__take_all(
  submissions saldo_private.submission[]
)
returns saldo_private.submission[]
language plpgsql
as $$
declare
  v_account saldo.account;
  v_rows saldo_private.submission[];
  v_taken record;
begin
  for v_account in
    select a.*
    from saldo.account as a
    where a.id in (
      select s.account_id from unnest(submissions) as s where s.is_new and s.error_condition is null
    )
    order by a.id
  loop
    select array_agg(s order by s.request_no)
    into v_rows
    from unnest(submissions) as s
    where s.account_id = v_account.id
    and s.is_new
    and s.error_condition is null;

    select t.slot_no, t.last_seq, t.fits, t.error_condition
    into v_taken
    from saldo_private.submit_transactions__take(
      v_account,
      array(
        select r.amount * saldo_private.take_sign(v_account, r.direction) from unnest(v_rows) as r
      ),
      array(
        select case when r.direction = 'debit' then r.amount else 0 end from unnest(v_rows) as r
      ),
      array(
        select case when r.direction = 'credit' then r.amount else 0 end from unnest(v_rows) as r
      )
    ) as t;
    perform saldo_private.submit_transactions__write(
      v_rows, v_taken.fits, v_taken.slot_no, v_taken.last_seq
    );
    if false = any (v_taken.fits) then
      submissions := saldo_private.submit_transactions__refuse(
        submissions, array(
          select r.request_no
          from unnest(v_rows) with ordinality as r
          where not v_taken.fits[r.ordinality]
        ),
        v_taken.error_condition
      );
    end if;
  end loop;
  return submissions;
end
$$;
comment on function saldo_private.submit_transactions__take_all is
  'Takes funds and writes rows, account by account.';

create or replace function saldo_private.submit_transactions__write(
  submissions saldo_private.submission[],
  fits boolean[],
  slot_no integer,
  last_seq bigint
)
returns void
language sql
as $$
  insert into saldo.sub_balance (
    account_id, id, seq, counter_account_id, slot_no, direction, amount, created_by,
    idempotency_key, metadata
  )
  select s.account_id, s.id, submit_transactions__write.last_seq
      - count(*) over () + row_number() over (order by s.ordinality),
    s.counter_account_id, submit_transactions__write.slot_no, s.direction, trim_scale(s.amount),
    saldo_private.actor(), s.idempotency_key, s.metadata
  from rows from (unnest(submissions), unnest(fits)) with ordinality as s (
    request_no, account_id, id, amount, direction, counter_account_id, idempotency_key, metadata,
    request_hash, is_new, error_condition, is_fitting, ordinality
  )
  where s.is_fitting
$$;
comment on function saldo_private.submit_transactions__write is
  'Writes the rows of one account that fit, numbered up to last_seq.';

create or replace function saldo_private.submit_transactions__refuse(
  submissions saldo_private.submission[],
  request_nos integer[],
  error_condition text
)
returns saldo_private.submission[]
language plpgsql
as $$
begin
  -- A refused request leaves no trace: its key may be tried again.
  delete from saldo_private.idempotency_record as k
  using unnest(submissions) as s
  where k.scope = 'account:' || s.account_id
  and k.key = s.idempotency_key
  and k.result_id = s.id
  and s.request_no = any (request_nos);
  return array(
    select (
      s.request_no, s.account_id, s.id, s.amount, s.direction, s.counter_account_id,
      s.idempotency_key, s.metadata, s.request_hash, s.is_new,
      case when s.request_no = any (request_nos)
        -- A repetition of a refused one within the batch is refused with it.
        or (not s.is_new and s.id in (
          select refused.id
          from unnest(submissions) as refused
          where refused.request_no = any (request_nos)
        ))
      then submit_transactions__refuse.error_condition else s.error_condition end
    )::saldo_private.submission
    from unnest(submissions) as s
    order by s.request_no
  );
end
$$;
comment on function saldo_private.submit_transactions__refuse is
  'Marks requests as refused, and gives their keys back.';

create or replace function saldo.submit_transactions(transactions saldo.submit_request[])
returns setof saldo.submit_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_submissions saldo_private.submission[];
begin
  if transactions is null or cardinality(transactions) not between 1 and 10000 then
    perform saldo_private.fail('input_invalid', 'transactions: an array of 1 to 10,000');
  end if;
  v_submissions := saldo_private.submit_transactions__take_all(
    saldo_private.submit_transactions__claim(
      saldo_private.submit_transactions__examine(transactions)
    )
  );
  perform saldo_private.require_durable_commit();
  return query
  select case when s.error_condition is null then s.id end, s.error_condition is null,
    s.is_new and s.error_condition is null, e.code, s.error_condition
  from unnest(v_submissions) as s
  left join saldo.error_code as e on e.condition = s.error_condition
  order by s.request_no;
end
$$;
comment on function saldo.submit_transactions is
  'Submits up to 10,000 transactions on hot accounts, each on its own: the answers come in the '
  'order given, accepted with its id, or refused with its code while the others stand. A request '
  'is what submit_transaction takes; its rows count in their order, so that a credit pays for a '
  'debit after it. A key that comes twice in a batch with the same content is one transaction. '
  'Errors of the batch as a whole: SB010, SB015, SB020, SB121 when frozen at this moment. Codes '
  'of a row: SB002, SB004, SB003, SB010, SB009, SB008, SB005, SB101, SB201, SB121, SB104, SB203, '
  'SB001, SB202, in this order.';
revoke execute on function saldo.submit_transactions from public;
grant execute on function saldo.submit_transactions to saldo_admin;

comment on type saldo.submit_request is
  'A transaction to submit: the arguments of the function submit_transaction.';
comment on type saldo.submit_result is 'What became of a transaction of a batch.';
comment on column saldo.submit_result.id is 'The sub-balance; null when it was refused.';
comment on column saldo.submit_result.is_accepted is 'Whether it was accepted, now or before.';
comment on column saldo.submit_result.is_new is
  'False when it was refused, or an earlier request with the same key had been accepted already.';
comment on column saldo.submit_result.error_code is 'Code, as SB001; null = accepted.';
comment on column saldo.submit_result.error_condition is
  'Its name, as insufficient_balance; null = accepted.';
--! EndIncluded hot/submit_transactions.sql
--! Included hot/settlement_step.sql
-- The steps of a settlement: locking accounts, summing rows up, posting the sums.
--
-- Private: settle_batch__* (settlement.sql says what they make together).
-- A batch settles all its accounts in a handful of statements; only when these fail it goes account
-- by account, so that one that cannot be settled holds up none of the others.

create or replace function saldo_private.settle_batch__lock(account_id bigint default null)
returns bigint[]
language plpgsql
as $$
declare
  v_account_ids bigint[];
begin
  select array_agg(l.account_id)
  into v_account_ids
  from (
    select h.account_id
    from saldo_private.hot_account as h
    where (settle_batch__lock.account_id is null or h.account_id = settle_batch__lock.account_id)
    and exists (
      select
      from saldo_private.settlement_mark as m
      join saldo.sub_balance as s on s.account_id = m.account_id
        and s.slot_no = m.slot_no
        and s.seq = m.seq + 1
      where m.account_id = h.account_id
    )
    order by h.account_id
    for no key update skip locked
  ) as l;
  return v_account_ids;
end
$$;
comment on function saldo_private.settle_batch__lock is
  'Locks the accounts that have something to settle and that no other worker has.';

create or replace function saldo_private.settle_batch__booked_account(counter_account_id bigint)
returns bigint
language plpgsql
as $$
declare
  v_counter saldo.account;
begin
  select *
  into strict v_counter
  from saldo.account
  where id = settle_batch__booked_account.counter_account_id;
  -- Closed since the rows were accepted: their money waits in suspense, it is never lost.
  return case when v_counter.closed_at is null then v_counter.id
    else saldo_private.system_account('suspense', v_counter.currency) end;
end
$$;
comment on function saldo_private.settle_batch__booked_account is
  'The counter account, or the suspense account of its currency where it has been closed.';

create or replace function saldo_private.settle_batch__part(
  account_ids bigint[],
  row_limit integer
)
returns table (
  account_id bigint,
  slot_no integer,
  counter_account_id bigint,
  posting_date date,
  mark_seq bigint,
  row_count bigint,
  last_seq bigint,
  occurred_at timestamptz,
  debit numeric,
  credit numeric
)
language sql
stable
as $$
  with mark as materialized (
    select m.account_id, m.slot_no, m.seq, greatest(row_limit / count(*) over (), 1) as row_share
    from saldo_private.settlement_mark as m
    where m.account_id = any (account_ids)
    and exists (
      select
      from saldo.sub_balance as s
      where s.account_id = m.account_id
      and s.slot_no = m.slot_no
      and s.seq = m.seq + 1
    )
    order by m.account_id, m.slot_no
    limit row_limit
  )
  select m.account_id, m.slot_no, s.counter_account_id,
    (s.created_at at time zone zone.name)::date, m.seq, count(*), max(s.seq), max(s.created_at),
    coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0),
    coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0)
  from (
    select saldo_private.setting_value('business_time_zone') as name
    offset 0
  ) as zone
  cross join mark as m
  join saldo.sub_balance as s on s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq > m.seq
    and s.seq <= m.seq + m.row_share
  group by 1, 2, 3, 4, 5
$$;
comment on function saldo_private.settle_batch__part is
  'What is pending on the accounts, summed up by slot, counter account and business day: up to '
  'row_limit rows, the oldest of each slot first.';

create or replace function saldo_private.settle_batch__take(
  account_ids bigint[],
  row_limit integer,
  started_at timestamptz
)
returns uuid[]
language sql
as $$
  with part as materialized (
    select p.account_id, p.slot_no, p.counter_account_id, p.posting_date, p.mark_seq, p.row_count,
      p.last_seq, p.occurred_at, p.debit, p.credit
    from saldo_private.settle_batch__part(account_ids, row_limit) as p
  ),
  slot as materialized (
    select p.account_id, p.slot_no, p.mark_seq, max(p.last_seq) as last_seq,
      sum(p.row_count) as row_count, sum(p.debit) as debit, sum(p.credit) as credit
    from part as p
    group by p.account_id, p.slot_no, p.mark_seq
    -- A gap means that somebody took rows away: a rule reports it, and nothing passes it.
    having sum(p.row_count) = max(p.last_seq) - p.mark_seq
  ),
  settlement as (
    insert into saldo.settlement (
      account_id, id, row_count, debit, credit, started_at, settled_at, settled_by
    )
    select s.account_id, saldo_private.uuid_v7(), sum(s.row_count), sum(s.debit), sum(s.credit),
      settle_batch__take.started_at, clock_timestamp(), saldo_private.actor()
    from slot as s
    group by s.account_id
    returning account_id, id
  ),
  range as (
    insert into saldo.settlement_range (account_id, slot_no, last_seq, first_seq, settlement_id)
    select s.account_id, s.slot_no, s.last_seq, s.mark_seq + 1, t.id
    from slot as s
    join settlement as t on t.account_id = s.account_id
  ),
  advanced as (
    update saldo_private.settlement_mark as m
    set seq = s.last_seq,
      debit_total = m.debit_total + s.debit,
      credit_total = m.credit_total + s.credit
    from slot as s
    where m.account_id = s.account_id
    and m.slot_no = s.slot_no
  ),
  entry as (
    insert into saldo.settlement_entry (
      account_id, settlement_id, counter_account_id, posting_date, occurred_at, entry_id,
      booked_account_id, row_count, debit, credit
    )
    select p.account_id, t.id, p.counter_account_id, p.posting_date, max(p.occurred_at),
      saldo_private.uuid_v7(),
      saldo_private.settle_batch__booked_account(p.counter_account_id), sum(p.row_count),
      sum(p.debit), sum(p.credit)
    from part as p
    join slot as s on s.account_id = p.account_id and s.slot_no = p.slot_no
    join settlement as t on t.account_id = p.account_id
    group by p.account_id, t.id, p.counter_account_id, p.posting_date
  )
  select array_agg(t.id)
  from settlement as t
$$;
comment on function saldo_private.settle_batch__take is
  'Sums up what is pending on the accounts, up to row_limit rows and the oldest of each slot '
  'first, records it, and moves the marks. Returns the settlements.';

create or replace function saldo_private.settle_batch__post(
  account_ids bigint[],
  settlement_ids uuid[]
)
returns void
language sql
as $$
  with batch as materialized (
    select e.account_id, e.settlement_id, e.entry_id, e.occurred_at, e.booked_account_id,
      day.posting_date, day.origin_month, e.row_count, e.debit, e.credit,
      -- A line is below 1e15, however much the rows come to.
      (2 * (ceil(e.debit / 999999999999999) + ceil(e.credit / 999999999999999)))::integer
        as line_count
    from saldo.settlement_entry as e
    cross join lateral saldo_private.open_day(e.posting_date, is_settlement => true) as day
    where e.account_id = any (account_ids)
    and e.settlement_id = any (settlement_ids)
  ),
  entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, origin_month, description, source, metadata, line_count,
      posted_at, posted_by, posted_in
    )
    select b.entry_id, b.occurred_at, b.posting_date, b.origin_month,
      format('Settlement of %s transactions', b.row_count), 'settlement',
      jsonb_build_object('settlement_id', b.settlement_id, 'account_id', b.account_id),
      b.line_count, clock_timestamp(), saldo_private.actor(),
      pg_current_xact_id()
    from batch as b
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, b.posting_date, b.entry_id,
    row_number() over (partition by b.entry_id order by part.number, l.line_no),
    least(greatest(l.debit - 999999999999999 * part.number, 0), 999999999999999),
    least(greatest(l.credit - 999999999999999 * part.number, 0), 999999999999999)
  from batch as b
  cross join lateral (
    values (1, b.account_id, b.debit, 0), (2, b.booked_account_id, 0, b.debit),
      (3, b.account_id, 0, b.credit), (4, b.booked_account_id, b.credit, 0)
  ) as l (line_no, account_id, debit, credit)
  cross join lateral generate_series(
    0, ceil((l.debit + l.credit) / 999999999999999)::integer - 1
  ) as part (number)
$$;
comment on function saldo_private.settle_batch__post is 'Posts the summary entries of the batch.';

create or replace function saldo_private.settle_batch__release(settlement_ids uuid[])
returns void
language plpgsql
as $$
begin
  -- Until the end of the transaction no TRUNCATE takes the slots away: a rebuild in the middle
  -- would count what is settled a second time.
  lock table saldo_private.account_slot in row exclusive mode;
  perform saldo_private.move_slot(
    a.id, -case when a.type in ('asset', 'expense') then s.debit else s.credit end, 0, 0, 0, 0
  )
  from saldo.settlement as s
  join saldo.account as a on a.id = s.account_id
  where s.id = any (settlement_ids)
  and not a.is_pending_available
  and a.min_balance is not null
  and exists (select from saldo_private.account_slot as o where o.account_id = a.id);
end
$$;
comment on function saldo_private.settle_batch__release is
  'Gives the slots what came in, where an account makes it available at settlement only.';

create or replace function saldo_private.settle_batch__settle(
  account_ids bigint[],
  row_limit integer,
  started_at timestamptz
)
returns uuid[]
language plpgsql
as $$
declare
  v_settlement_ids uuid[] := saldo_private.settle_batch__take(account_ids, row_limit, started_at);
begin
  if v_settlement_ids is not null then
    perform saldo_private.settle_batch__post(account_ids, v_settlement_ids);
    perform saldo_private.settle_batch__release(v_settlement_ids);
  end if;
  return v_settlement_ids;
end
$$;
comment on function saldo_private.settle_batch__settle is
  'Settles up to row_limit rows of accounts that are locked; null when there is nothing.';

create or replace function saldo_private.settle_batch__settle_each(
  account_ids bigint[],
  row_limit integer,
  started_at timestamptz
)
returns uuid[]
language plpgsql
as $$
declare
  v_account_id bigint;
  v_settlement_ids uuid[] := '{}';
begin
  -- Each of them has waited together with the others already.
  perform set_config('lock_timeout', '200ms', true);
  foreach v_account_id in array account_ids loop
    begin
      v_settlement_ids := v_settlement_ids || saldo_private.settle_batch__settle(
        array[v_account_id], greatest(row_limit / cardinality(account_ids), 1), started_at
      );
    exception
      when others then
        raise warning using
          errcode = sqlstate,
          message = format('account %s cannot be settled now: %s', v_account_id, sqlerrm);
    end;
  end loop;
  return nullif(v_settlement_ids, '{}');
end
$$;
comment on function saldo_private.settle_batch__settle_each is
  'Settles account by account, when they cannot be settled together: one that fails, or whose '
  'counter account is held by an idle transaction, is left pending with a warning, and holds up '
  'none of the others.';
--! EndIncluded hot/settlement_step.sql
--! Included hot/settlement.sql
-- Settlement: pending rows become journal entries, one summary entry for each account, counter
-- account and date of a batch.
--
-- Public: settle_sub_balances; saldo.settlement, settlement_entry, settlement_range.
-- Private: settle_batch and its steps.
-- Rows of a slot are numbered in the order of their commits, so what a snapshot shows beyond the
-- mark is a whole stretch of numbers; settling it means posting its sums and moving the mark, both
-- in one transaction: each row exactly once, also with several workers or a killed one.
-- Locks: the hot_account rows of the batch (those that another worker has are left to it), then
-- those of a posting. Writers of the accounts are not waited for, and do not wait.

create or replace function saldo_private.settle_batch__notify(
  account_ids bigint[],
  settlement_ids uuid[],
  folded_ids bigint[]
)
returns void
language plpgsql
as $$
begin
  perform saldo_private.notify_account(c.id, 'balance')
  from (
    select f.id
    from unnest(folded_ids) as f (id)
    union
    select e.booked_account_id
    from saldo.settlement_entry as e
    join saldo.account as a on a.id = e.booked_account_id and a.mode = 'immediate'
    where e.account_id = any (account_ids)
    and e.settlement_id = any (settlement_ids)
  ) as c
  where c.id <> all (coalesce(account_ids, '{}'));
  perform saldo_private.notify_account(s.account_id, 'settled')
  from saldo.settlement as s
  where s.account_id = any (account_ids)
  and s.id = any (settlement_ids);
end
$$;
comment on function saldo_private.settle_batch__notify is
  'Tells listeners which accounts have settled, and whose balance has changed with that.';

create or replace function saldo_private.settle_batch(
  row_limit integer,
  account_id bigint default null
)
returns uuid[]
language plpgsql
as $$
declare
  v_started_at timestamptz := clock_timestamp();
  v_account_ids bigint[] := saldo_private.settle_batch__lock(settle_batch.account_id);
  v_settlement_ids uuid[];
begin
  if settle_batch.account_id is not null and v_account_ids is not null then
    v_settlement_ids := saldo_private.settle_batch__settle(v_account_ids, row_limit, v_started_at);
  elsif v_account_ids is not null then
    begin
      v_settlement_ids :=
        saldo_private.settle_batch__settle(v_account_ids, row_limit, v_started_at);
    exception
      when others then
        v_settlement_ids :=
          saldo_private.settle_batch__settle_each(v_account_ids, row_limit, v_started_at);
    end;
  end if;
  perform saldo_private.settle_batch__notify(
    v_account_ids, v_settlement_ids,
    array(select f.id from saldo_private.fold_stripes(settle_batch.account_id) as f (id))
  );
  update saldo.settlement as s
  set settled_at = clock_timestamp()
  where s.account_id = any (v_account_ids)
  and s.id = any (v_settlement_ids);
  return v_settlement_ids;
end
$$;
comment on function saldo_private.settle_batch is
  'Settles up to row_limit rows of all hot accounts, or of one whose failure is then an error, and '
  'folds stripes.';

create or replace function saldo.settle_sub_balances(row_limit integer default 50000)
returns setof saldo.settlement
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_settlement_ids uuid[];
begin
  perform saldo_private.require_read_committed();
  if row_limit is null or row_limit not between 1 and 1000000 then
    perform saldo_private.fail('input_invalid', 'row_limit: 1 to 1,000,000');
  end if;
  v_settlement_ids := saldo_private.settle_batch(row_limit);
  return query
  select s.*
  from unnest(v_settlement_ids) as i (id)
  join saldo.settlement as s on s.id = i.id
  order by s.account_id;
end
$$;
comment on function saldo.settle_sub_balances is
  'Settles pending rows of hot accounts, at most row_limit of them, oldest first within each slot: '
  'posts one summary entry for each account, counter account and business date, and returns one '
  'settlement an account; none when nothing is pending. Also brings hot accounts'' own rows up to '
  'date. Call it again until it returns nothing; several callers at once share the accounts. An '
  'account that cannot be settled, or whose counter account somebody holds for over 2 seconds, is '
  'left for the next call with a warning. Errors: SB020, SB010.';
revoke execute on function saldo.settle_sub_balances from public;
grant execute on function saldo.settle_sub_balances to saldo_admin;

select saldo_private.secure_table('saldo.settlement');
drop policy if exists select_all on saldo.settlement;
create policy select_all on saldo.settlement for select to saldo_admin, saldo_operator using (true);
grant select on saldo.settlement to saldo_admin, saldo_operator, saldo_member;

select saldo_private.secure_table('saldo.settlement_entry');
drop policy if exists select_all on saldo.settlement_entry;
create policy select_all on saldo.settlement_entry for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.settlement_entry to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.settlement_range');
drop policy if exists select_all on saldo.settlement_range;
create policy select_all on saldo.settlement_range for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.settlement_range to saldo_admin, saldo_operator, saldo_member;

comment on table saldo.settlement is
  'Rows of one hot account that were settled together: how many, their sums, and how long it took.';
comment on column saldo.settlement.account_id is 'Hot account.';
comment on column saldo.settlement.id is 'Id, version 7: ordered by time.';
comment on column saldo.settlement.row_count is 'Rows that were settled.';
comment on column saldo.settlement.debit is 'Sum of their debits.';
comment on column saldo.settlement.credit is 'Sum of their credits.';
comment on column saldo.settlement.started_at is 'When the batch began.';
comment on column saldo.settlement.settled_at is
  'When it was through; the difference is its duration.';
comment on column saldo.settlement.settled_by is 'Who settled: token subject or login.';

comment on table saldo.settlement_entry is
  E'@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A summary entry of a settlement: the rows of one counter account and business date.';
comment on column saldo.settlement_entry.account_id is 'Hot account.';
comment on column saldo.settlement_entry.settlement_id is 'Settlement.';
comment on column saldo.settlement_entry.counter_account_id is 'Counter account of the rows.';
comment on column saldo.settlement_entry.posting_date is 'Business date of the rows.';
comment on column saldo.settlement_entry.occurred_at is 'When the last of the rows was accepted.';
comment on column saldo.settlement_entry.entry_id is 'Journal entry that carries their sums.';
comment on column saldo.settlement_entry.booked_account_id is
  'Account that got the other side: the counter account, or suspense where that was closed since.';
comment on column saldo.settlement_entry.row_count is 'Rows.';
comment on column saldo.settlement_entry.debit is 'Sum of their debits on the hot account.';
comment on column saldo.settlement_entry.credit is 'Sum of their credits on the hot account.';

comment on table saldo.settlement_range is
  'Which rows a settlement took: a stretch of the numbers of one slot.';
comment on column saldo.settlement_range.account_id is 'Hot account.';
comment on column saldo.settlement_range.slot_no is 'Slot.';
comment on column saldo.settlement_range.last_seq is 'Number of the last row.';
comment on column saldo.settlement_range.first_seq is 'Number of the first row.';
comment on column saldo.settlement_range.settlement_id is 'Settlement.';
--! EndIncluded hot/settlement.sql
--! Included hot/settlement_rule.sql
-- The rules over sub-balances and their settlement: every row counted once, in the journal or not
-- yet.
--
-- Private: rule_sub_balance, rule_settlement, rule_settlement_range, rule_settlement_entry,
-- rule_settlement_lag. None is healed: rows and settlements are records, a human decides.

create or replace function saldo_private.rule_sub_balance()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  -- Numbers of a slot are whole: from 1 on, as many as there are, and past the mark.
  select format('%s/%s', coalesce(s.account_id, m.account_id), coalesce(s.slot_no, m.slot_no)),
    coalesce(s.account_id, m.account_id),
    format('%s rows from %s to %s', coalesce(s.row_count, 0), s.first_seq, s.last_seq),
    format('as many as their numbers say, settled up to %s', m.seq), null::numeric,
    jsonb_build_object('slot_no', coalesce(s.slot_no, m.slot_no))
  from (
    select sub_balance.account_id, sub_balance.slot_no, count(*) as row_count,
      min(sub_balance.seq) as first_seq, max(sub_balance.seq) as last_seq
    from saldo.sub_balance
    group by sub_balance.account_id, sub_balance.slot_no
  ) as s
  full join saldo_private.settlement_mark as m
    on m.account_id = s.account_id and m.slot_no = s.slot_no
  where m.seq is null
  or (s.row_count is null and m.seq > 0)
  or s.first_seq <> 1
  or s.last_seq <> s.row_count
  or s.last_seq < m.seq
  union all
  select s.id::text, s.account_id, s.amount::text, 'a positive amount', null,
    jsonb_build_object('counter_account_id', s.counter_account_id)
  from saldo.sub_balance as s
  where (s.amount > 0 and s.amount < 1e15 and s.amount = round(s.amount, 2)) is not true
$$;
comment on function saldo_private.rule_sub_balance is
  'Slots whose rows are not numbered without gap, and rows whose amounts are no amounts: a row was '
  'taken away, added or changed.';

create or replace function saldo_private.rule_settlement()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  with row_sum as (
    select r.account_id, r.settlement_id, count(s.id) as row_count,
      coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
      coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit
    from saldo.settlement_range as r
    left join saldo.sub_balance as s on s.account_id = r.account_id
      and s.slot_no = r.slot_no
      and s.seq between r.first_seq and r.last_seq
    group by r.account_id, r.settlement_id
  ),
  entry_sum as (
    select e.account_id, e.settlement_id, sum(e.row_count) as row_count, sum(e.debit) as debit,
      sum(e.credit) as credit
    from saldo.settlement_entry as e
    group by e.account_id, e.settlement_id
  )
  select t.id::text, t.account_id,
    format('%s rows, debit %s, credit %s', t.row_count, t.debit, t.credit),
    format('rows: %s, debit %s, credit %s; entries: %s, debit %s, credit %s', r.row_count, r.debit,
      r.credit, e.row_count, e.debit, e.credit),
    (t.debit - t.credit) - (coalesce(r.debit, 0) - coalesce(r.credit, 0)), '{}'::jsonb
  from saldo.settlement as t
  left join row_sum as r on r.account_id = t.account_id and r.settlement_id = t.id
  left join entry_sum as e on e.account_id = t.account_id and e.settlement_id = t.id
  where (t.row_count, t.debit, t.credit) is distinct from (r.row_count, r.debit, r.credit)
  or (t.row_count, t.debit, t.credit) is distinct from (e.row_count, e.debit, e.credit)
$$;
comment on function saldo_private.rule_settlement is
  'Settlements whose count and sums are not those of the rows that they took, or of their entries.';

create or replace function saldo_private.rule_settlement_range()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s/%s/%s', r.account_id, r.slot_no, r.last_seq), r.account_id,
    format('from %s', r.first_seq), format('from %s', r.expected_seq), null::numeric,
    jsonb_build_object('settlement_id', r.settlement_id)
  from (
    select each.account_id, each.slot_no, each.first_seq, each.last_seq, each.settlement_id,
      1 + lag(each.last_seq, 1, 0::bigint) over (
        partition by each.account_id, each.slot_no order by each.last_seq
      ) as expected_seq
    from saldo.settlement_range as each
  ) as r
  where r.first_seq <> r.expected_seq
  union all
  select format('%s/%s', m.account_id, m.slot_no), m.account_id,
    format('settled up to %s, debit %s, credit %s', m.seq, m.debit_total, m.credit_total),
    format('settled up to %s, debit %s, credit %s', coalesce(r.last_seq, 0), s.debit, s.credit),
    (m.debit_total - m.credit_total) - (s.debit - s.credit), '{}'
  from saldo_private.settlement_mark as m
  left join (
    select each.account_id, each.slot_no, max(each.last_seq) as last_seq
    from saldo.settlement_range as each
    group by each.account_id, each.slot_no
  ) as r on r.account_id = m.account_id and r.slot_no = m.slot_no
  cross join lateral (
    select coalesce(sum(b.amount) filter (where b.direction = 'debit'), 0) as debit,
      coalesce(sum(b.amount) filter (where b.direction = 'credit'), 0) as credit
    from saldo.sub_balance as b
    where b.account_id = m.account_id
    and b.slot_no = m.slot_no
    and b.seq <= m.seq
  ) as s
  where m.seq <> coalesce(r.last_seq, 0)
  or m.debit_total <> s.debit
  or m.credit_total <> s.credit
$$;
comment on function saldo_private.rule_settlement_range is
  'Rows that were settled twice or passed over: stretches that do not follow on each other, and '
  'marks that are not where the last stretch ends.';

create or replace function saldo_private.rule_settlement_entry()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select coalesce(e.entry_id, l.entry_id)::text, coalesce(e.account_id, l.account_id),
    coalesce(format('debit %s, credit %s', e.debit, e.credit), 'no rows'),
    coalesce(format('debit %s, credit %s', l.debit, l.credit), 'no entry'),
    coalesce(e.debit - e.credit, 0) - coalesce(l.debit - l.credit, 0),
    jsonb_build_object('entry_id', coalesce(e.entry_id, l.entry_id),
      'settlement_id', e.settlement_id)
  from saldo.settlement_entry as e
  full join (
    select line.entry_id, line.account_id, sum(line.debit) as debit, sum(line.credit) as credit
    from saldo.journal_entry as j
    join saldo.journal_line as line on line.entry_id = j.id
    where j.source = 'settlement'
    and j.kind = 'normal'
    and line.account_id = (j.metadata ->> 'account_id')::bigint
    group by line.entry_id, line.account_id
  ) as l on l.entry_id = e.entry_id and l.account_id = e.account_id
  where (e.debit, e.credit) is distinct from (l.debit, l.credit)
$$;
comment on function saldo_private.rule_settlement_entry is
  'Summary entries that do not carry the sums of their rows, and settled rows without an entry.';

create or replace function saldo_private.rule_settlement_lag()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select a.id::text, a.id, format('pending since %s', saldo_private.oldest_pending_at(a.id)),
    format('settled within %s s', saldo_private.setting_value('settlement_lag_max_seconds')),
    null::numeric, jsonb_build_object('code', a.code)
  from saldo_private.hot_account as h
  join saldo.account as a on a.id = h.account_id
  where saldo_private.oldest_pending_at(a.id) < now() - make_interval(
    secs => saldo_private.setting_value('settlement_lag_max_seconds')::integer
  )
$$;
comment on function saldo_private.rule_settlement_lag is
  'Accounts whose oldest pending row is older than the setting settlement_lag_max_seconds: no '
  'worker settles, or not fast enough.';
--! EndIncluded hot/settlement_rule.sql
--! Included hot/hot_account.sql
-- Hot and immediate: how an account takes its writers, and how it changes over under load.
--
-- Public: make_account_hot, make_account_immediate.
-- The mode is on the account's row, and is changed under its lock only. Whoever goes past that
-- lock holds a slot or a stripe instead: an account that becomes immediate first takes all of them
-- away, which waits for their holders, and whoever comes later finds none and asks the row.

create or replace function saldo_private.settle_all(account_id bigint)
returns void
language plpgsql
as $$
begin
  -- Waits for those who hold one; who comes now finds none, and waits for the caller.
  delete from saldo_private.account_slot as s
  where s.account_id = settle_all.account_id;
  while saldo_private.settle_batch(1000000, account_id) is not null loop
    continue;
  end loop;
  if exists (select from saldo.pending_sub_balances(account_id)) then
    perform saldo_private.fail('account_not_hot', 'rows are missing: settlement cannot end');
  end if;
end
$$;
comment on function saldo_private.settle_all is
  'Takes the slots of an account away and settles all that is pending; call it under its locks. '
  'Error: SB201 when rows are missing so that not all can be settled.';

create or replace function saldo.make_account_hot(
  account_id bigint,
  slots integer default null,
  is_pending_available boolean default null
)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_slots integer := coalesce(slots, saldo_private.default_slots());
  v_account saldo.account;
begin
  perform saldo_private.require_read_committed();
  if v_slots not between 1 and 1000 then
    perform saldo_private.fail('input_invalid', 'slots: 1 to 1,000');
  end if;
  -- Before the account's row, as everywhere; waits for a settlement of the account.
  insert into saldo_private.hot_account (account_id)
  select a.id
  from saldo.account as a
  where a.id = make_account_hot.account_id
  on conflict on constraint hot_account_pkey do nothing;
  perform
  from saldo_private.hot_account as h
  where h.account_id = make_account_hot.account_id
  for update;
  select *
  into v_account
  from saldo.account
  where id = make_account_hot.account_id
  for update;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  elsif v_account.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  elsif v_account.code like 'suspense:%' then
    perform saldo_private.fail(
      'input_invalid', 'account_id: settlements book against a suspense account, it stays immediate'
    );
  end if;
  if v_account.mode = 'hot' and is_pending_available <> v_account.is_pending_available then
    -- So that what is available does not change with it.
    perform saldo_private.settle_all(v_account.id);
  end if;

  update saldo.account as a
  set mode = 'hot',
    slots = v_slots,
    held_total = 0,
    is_pending_available =
      coalesce(make_account_hot.is_pending_available, a.is_pending_available)
  where a.id = v_account.id
  returning a.*
  into v_account;
  perform saldo_private.rebuild_slots(v_account.id, is_forced => true);
  perform saldo_private.require_durable_commit();
  return v_account;
end
$$;
comment on function saldo.make_account_hot is
  'Lets many writers post and submit to an account at once. slots: how many never wait for each '
  'other, default the setting hot_account_slots. is_pending_available: whether submitted money '
  'that comes in is available before it is settled; default as it was, at first yes; to change it '
  'settles what is pending. Can be called under load, and again to change either: no balance '
  'changes. From now on '
  'submit_transaction works, and the account''s row follows with each settlement. Errors in '
  'checking order: SB020, SB010, SB101, SB102, SB121, SB010 for a suspense account, SB201 when '
  'rows are missing so that not all can be settled.';
revoke execute on function saldo.make_account_hot from public;
grant execute on function saldo.make_account_hot to saldo_admin;

create or replace function saldo.make_account_immediate(account_id bigint)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account saldo.account;
begin
  perform saldo_private.require_read_committed();
  v_account := saldo_private.require_hot_account(make_account_immediate.account_id);
  insert into saldo_private.hot_account (account_id)
  values (v_account.id)
  on conflict on constraint hot_account_pkey do nothing;
  perform
  from saldo_private.hot_account as h
  where h.account_id = v_account.id
  for update;
  v_account := saldo_private.require_hot_account(make_account_immediate.account_id);

  -- In the order in which a posting takes them. Each waits for those who hold one, and whoever
  -- comes now finds none, and waits for the row.
  perform
  from saldo.account as a
  where a.id = v_account.id
  for update;
  perform saldo_private.remove_stripes(v_account.id);
  perform saldo_private.settle_all(v_account.id);
  perform saldo_private.remove_stripes(v_account.id); -- those that the settlement made

  update saldo.account as a
  set mode = 'immediate',
    slots = null,
    held_total = (
      select coalesce(sum(h.open_amount), 0)
      from saldo.hold as h
      where h.account_id = a.id
      and h.status = 'HELD'
    )
  where a.id = v_account.id
  returning a.*
  into v_account;
  perform saldo_private.require_durable_commit();
  return v_account;
end
$$;
comment on function saldo.make_account_immediate is
  'Settles what is pending on a hot account and makes every posting update its row again. Can be '
  'called under load: it waits for the transactions under way on the account, and the next ones '
  'wait for it; no balance changes. Errors in checking order: SB020, SB101, SB201, also when rows '
  'are missing so that not all can be settled.';
revoke execute on function saldo.make_account_immediate from public;
grant execute on function saldo.make_account_immediate to saldo_admin;
--! EndIncluded hot/hot_account.sql
--! Included hot/hold.sql
-- Holds: funds that are promised, and taken later or not (authorise, capture, void, expire).
--
-- Public: place_hold, void_hold, expire_holds; saldo.hold. Private: open_hold, require_hold,
-- end_hold, change_held.
-- A hold lowers what is available, not the balance, on immediate and hot accounts alike. Truth:
-- the open holds. Cache: account.held_total of an immediate account, the slots of a hot one.
-- States: HELD -> CAPTURED (capture_hold.sql) | VOIDED | EXPIRED.
-- Locks: idempotency key, hold, then the account's row or a slot.

create or replace function saldo_private.change_held__is_frozen(account_id bigint)
returns boolean
language plpgsql
as $$
begin
  -- Until the end of the transaction nobody unfreezes it and makes slots, which would still count
  -- the hold.
  perform
  from saldo_private.hot_account as h
  where h.account_id = change_held__is_frozen.account_id
  for key share;
  return exists (
    select
    from saldo.account as a
    where a.id = change_held__is_frozen.account_id
    and a.mode = 'hot'
    and a.frozen_at is not null
  );
end
$$;
comment on function saldo_private.change_held__is_frozen is
  'Whether a hot account is frozen, and stays so until the transaction ends: it has no slots then, '
  'and the holds themselves say what is held.';

create or replace function saldo_private.change_held(account_id bigint, change numeric)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  perform saldo_private.notify_watchers(array[account_id]);
  -- Whether the account is immediate is only sure under its lock.
  update saldo.account as a
  set held_total = a.held_total + change_held.change
  where a.id = change_held.account_id
  and a.mode = 'immediate'
  and a.closed_at is null
  and (
    change_held.change <= 0
    or (a.frozen_at is null and (
      a.min_balance is null
      or a.balance - a.held_total - change_held.change >= a.min_balance
    ))
  );
  if found then
    return;
  end if;

  select *
  into v_account
  from saldo.account
  where id = change_held.account_id;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  elsif v_account.mode = 'hot' then
    if v_account.frozen_at is null or change > 0
      or not saldo_private.change_held__is_frozen(account_id)
    then
      perform saldo_private.move_slot(account_id, change, change, 0, 0, 0);
    end if;
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  elsif v_account.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  else
    perform saldo_private.fail('insufficient_balance', format(
      'account %s: available %s, needed %s', account_id,
      v_account.balance - v_account.held_total - v_account.min_balance, change
    ));
  end if;
end
$$;
comment on function saldo_private.change_held is
  'Changes what is held on an account and so what is available: its row where it is immediate, a '
  'slot where it is hot. A frozen one may hold less, and no more. Errors: SB101, SB102, SB121, '
  'SB001.';

create or replace function saldo_private.open_hold(
  account_id bigint,
  hold_id uuid,
  amount numeric,
  expires_in interval,
  counter_account_id bigint,
  source text,
  description text,
  idempotency_key text default null,
  metadata jsonb default null
)
returns saldo.hold
language plpgsql
as $$
declare
  v_hold saldo.hold;
begin
  -- First: slots that have to be rebuilt must not see the hold yet.
  perform saldo_private.change_held(account_id, amount);
  insert into saldo.hold (
    account_id, id, amount, open_amount, counter_account_id, source, description, idempotency_key,
    metadata, created_by, expires_at
  )
  values (
    open_hold.account_id, open_hold.hold_id, open_hold.amount, open_hold.amount,
    open_hold.counter_account_id, open_hold.source, open_hold.description,
    open_hold.idempotency_key, open_hold.metadata, saldo_private.actor(),
    now() + coalesce(
      open_hold.expires_in, saldo_private.setting_value('hold_expires_in')::interval
    )
  )
  returning * into v_hold;
  perform saldo_private.require_durable_commit();
  return v_hold;
end
$$;
comment on function saldo_private.open_hold is
  'Writes a hold whose parts have been checked, and takes its funds. expires_in: default the '
  'setting hold_expires_in. Errors: SB102, SB001.';

create or replace function saldo_private.require_hold(hold_id uuid)
returns saldo.hold
language plpgsql
as $$
declare
  v_hold saldo.hold;
begin
  select *
  into v_hold
  from saldo.hold
  where id = require_hold.hold_id
  for no key update;
  if v_hold.id is null then
    perform saldo_private.fail(
      'hold_not_found', format('hold %s', coalesce(hold_id::text, 'none'))
    );
  elsif v_hold.status <> 'HELD' then
    perform saldo_private.fail('hold_state', format('hold %s is %s', hold_id, v_hold.status));
  end if;
  return v_hold;
end
$$;
comment on function saldo_private.require_hold is 'The open hold, locked: SB204, SB205.';

create or replace function saldo_private.end_hold(
  hold saldo.hold,
  status saldo.hold_status,
  reason text default null
)
returns saldo.hold
language plpgsql
as $$
declare
  v_hold saldo.hold;
begin
  -- First: slots that have to be rebuilt must still see the hold.
  perform saldo_private.change_held(hold.account_id, -hold.open_amount);
  update saldo.hold as h
  set status = end_hold.status,
    open_amount = 0,
    captured_amount = h.captured_amount
      + case when end_hold.status = 'CAPTURED' then h.open_amount else 0 end,
    closed_at = clock_timestamp(),
    close_reason = end_hold.reason
  where h.account_id = hold.account_id
  and h.id = hold.id
  returning h.*
  into v_hold;
  perform saldo_private.require_durable_commit();
  return v_hold;
end
$$;
comment on function saldo_private.end_hold is
  'Ends an open hold that the caller has locked, and gives back all that it still held; CAPTURED '
  'counts that as captured, and leaves the posting to the caller.';

create or replace function saldo.place_hold(
  account_id bigint,
  amount numeric,
  expires_in interval default null,
  description text default null,
  counter_account_id bigint default null,
  idempotency_key text default null,
  metadata jsonb default null
)
returns saldo.hold
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_amount numeric := saldo_private.require_amount(place_hold.amount);
  v_description text := case when place_hold.description is null then 'Hold'
    else saldo_private.require_text(place_hold.description, 'description') end;
  v_metadata jsonb := saldo_private.require_metadata(place_hold.metadata);
  v_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_account saldo.account;
  v_hold saldo.hold;
begin
  if account_id is null then
    perform saldo_private.fail('account_not_found', 'account none');
  end if;
  if expires_in <= interval '0' or expires_in > interval '10 years' then
    perform saldo_private.fail('input_invalid', 'expires_in: more than nothing, up to 10 years');
  end if;
  v_earlier_id := saldo_private.claim_idempotency_key(
    'account:' || place_hold.account_id, place_hold.idempotency_key, 'place_hold',
    jsonb_build_array(v_amount, extract(epoch from place_hold.expires_in), v_description,
      place_hold.counter_account_id, v_metadata),
    v_id
  );
  if v_earlier_id is not null then
    select *
    into strict v_hold
    from saldo.hold as h
    where h.account_id = place_hold.account_id
    and h.id = v_earlier_id;
    return v_hold;
  end if;

  select *
  into v_account
  from saldo.account
  where id = place_hold.account_id;
  if v_account.id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  end if;
  return saldo_private.open_hold(
    account_id => v_account.id,
    hold_id => v_id,
    amount => v_amount,
    expires_in => place_hold.expires_in,
    counter_account_id => saldo_private.require_counter_account(
      v_account, place_hold.counter_account_id
    ),
    source => 'place_hold',
    description => v_description,
    idempotency_key => place_hold.idempotency_key,
    metadata => v_metadata
  );
end
$$;
comment on function saldo.place_hold is
  'Holds an amount of an account: it lowers what is available, not the balance, until it is '
  'captured, voided or expires. expires_in: default the setting hold_expires_in. '
  'counter_account_id: who gets what is captured, an open account without min_balance, default the '
  'clearing account of the currency. The same idempotency_key with the same content returns the '
  'first hold as it is now; keys are per account. Errors in checking order: SB002, SB004, SB003, '
  'SB008, SB009, SB010, SB005, SB101, SB104, SB203, SB102, SB121, SB001; on a hot account also '
  'SB015 when it ceases to be hot at this moment, and SB020.';
revoke execute on function saldo.place_hold from public;
grant execute on function saldo.place_hold to saldo_admin;

create or replace function saldo.void_hold(hold_id uuid, reason text default null)
returns saldo.hold
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := case when void_hold.reason is null then 'Voided'
    else saldo_private.require_text(void_hold.reason, 'reason') end;
begin
  return saldo_private.end_hold(
    saldo_private.require_hold(void_hold.hold_id), 'VOIDED', v_reason
  );
end
$$;
comment on function saldo.void_hold is
  'Gives up a hold: what it still holds is available again; what was captured stays. A pending '
  'purchase fails with its hold. Errors in checking order: SB008, SB009, SB204, SB205 unless it is '
  'HELD; on a hot account also SB015, SB020.';
revoke execute on function saldo.void_hold from public;
grant execute on function saldo.void_hold to saldo_admin;

create or replace function saldo.expire_holds(row_limit integer default 1000)
returns setof saldo.hold
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if row_limit is null or row_limit not between 1 and 100000 then
    perform saldo_private.fail('input_invalid', 'row_limit: 1 to 100,000');
  end if;
  return query
  select e.*
  from (
    select due.hold
    from (
      select hold
      from saldo.hold
      where hold.status = 'HELD'
      and hold.expires_at <= now()
      order by hold.expires_at
      limit row_limit
      -- One that is being captured or voided at this moment is not ours to end.
      for no key update skip locked
    ) as due
    -- In account order, as everywhere.
    order by (due.hold).account_id, (due.hold).id
    offset 0
  ) as h
  cross join lateral saldo_private.end_hold(h.hold, 'EXPIRED', 'Expired') as e;
end
$$;
comment on function saldo.expire_holds is
  'Ends holds whose time has come, at most row_limit of them, oldest first, and returns them: what '
  'they hold is available again. A pending purchase fails with its hold. Call it again until it '
  'returns nothing. Error: SB010.';
revoke execute on function saldo.expire_holds from public;
grant execute on function saldo.expire_holds to saldo_admin;
--! EndIncluded hot/hold.sql
--! Included hot/capture_hold.sql
-- Capturing a hold: the promised money is taken, whole or in part.
--
-- Public: capture_hold. Private: capture_hold__post, capture_hold__submit.
-- On an immediate account a capture is a journal entry at once; on a hot one a row for the next
-- settlement. Either way its funds come from the hold and cannot be lacking.

create or replace function saldo.capture_hold(
  hold_id uuid,
  amount numeric default null,
  keep_rest boolean default false,
  idempotency_key text default null
)
returns saldo.hold
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_hold saldo.hold;
  v_captured saldo.hold;
  v_amount numeric;
  v_is_kept boolean;
begin
  if hold_id is null then
    perform saldo_private.fail('hold_not_found', 'hold none');
  end if;
  if capture_hold.amount is not null then
    v_amount := saldo_private.require_amount(capture_hold.amount);
  end if;
  if saldo_private.claim_idempotency_key(
    'hold:' || capture_hold.hold_id, capture_hold.idempotency_key, 'capture_hold',
    jsonb_build_array(v_amount, coalesce(keep_rest, false)), capture_hold.hold_id
  ) is not null then
    select *
    into strict v_hold
    from saldo.hold as h
    where h.id = capture_hold.hold_id;
    return v_hold;
  end if;

  v_hold := saldo_private.require_hold(capture_hold.hold_id);
  v_amount := coalesce(v_amount, v_hold.open_amount);
  if v_amount > v_hold.open_amount then
    perform saldo_private.fail('capture_too_large', format(
      'hold %s: open %s, to capture %s', hold_id, v_hold.open_amount, v_amount
    ));
  end if;
  v_is_kept := coalesce(keep_rest, false) and v_amount < v_hold.open_amount;

  -- First: slots that have to be rebuilt must still see the hold as it was.
  perform saldo_private.capture_hold__post(
    v_hold, v_amount, case when v_is_kept then v_amount else v_hold.open_amount end
  );
  update saldo.hold as h
  set status = case when v_is_kept then 'HELD' else 'CAPTURED' end::saldo.hold_status,
    open_amount = case when v_is_kept then h.open_amount - v_amount else 0 end,
    captured_amount = h.captured_amount + v_amount,
    closed_at = case when not v_is_kept then clock_timestamp() end
  where h.account_id = v_hold.account_id
  and h.id = v_hold.id
  returning h.*
  into v_captured;
  return v_captured;
end
$$;
comment on function saldo.capture_hold is
  'Takes the money of a hold, by default all that it still holds: posts it at once on an '
  'immediate account, submits it for settlement on a hot one. Of a part the rest is released, or '
  'stays held for another capture with keep_rest. The same idempotency_key with the same content '
  'captures once; keys are per hold. A pending purchase is paid with complete_purchase instead. '
  'Errors in checking order: SB002, SB004, SB003, SB008, SB009, SB005, SB204, SB205 unless it is '
  'HELD, SB206, SB305 for the hold of a purchase, SB102 on an immediate account when the counter '
  'account has been closed (on a hot one the settlement books to suspense then); on a hot account '
  'SB015, SB202, SB020. A hold past its time can be captured until expire_holds has ended it.';
revoke execute on function saldo.capture_hold from public;
grant execute on function saldo.capture_hold to saldo_admin;

create or replace function saldo_private.capture_hold__submit(
  hold saldo.hold,
  account saldo.account,
  amount numeric,
  released numeric
)
returns void
language plpgsql
as $$
declare
  v_direction saldo.entry_side := case when account.type in ('asset', 'expense') then 'credit'
    else 'debit' end;
  v_slot saldo_private.slot_position;
begin
  -- The funds left the slots when the hold was placed; what is released comes back.
  v_slot := saldo_private.move_slot(
    account.id, amount - released, -released,
    case v_direction when 'debit' then amount else 0 end,
    case v_direction when 'credit' then amount else 0 end, 1
  );
  insert into saldo.sub_balance (
    account_id, id, seq, counter_account_id, hold_id, slot_no, direction, amount, created_by
  )
  values (
    account.id, saldo_private.uuid_v7(), v_slot.seq, hold.counter_account_id, hold.id,
    v_slot.slot_no, v_direction, amount, saldo_private.actor()
  );
  perform saldo_private.require_durable_commit();
end
$$;
comment on function saldo_private.capture_hold__submit is
  'Submits what is captured of a hold on a hot account.';

create or replace function saldo_private.capture_hold__post(
  hold saldo.hold,
  amount numeric,
  released numeric
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_is_debit boolean;
begin
  select *
  into strict v_account
  from saldo.account
  where id = hold.account_id;
  if v_account.mode = 'hot' then
    perform saldo_private.capture_hold__submit(hold, v_account, amount, released);
    return;
  end if;

  -- Both accounts in id order, as a posting locks them; whether the account is immediate is sure
  -- only then. A hot one's row is not locked.
  perform
  from saldo.account as a
  where a.id in (hold.account_id, hold.counter_account_id)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
  select *
  into strict v_account
  from saldo.account
  where id = hold.account_id;
  if v_account.mode = 'hot' then -- since a moment ago
    perform saldo_private.capture_hold__submit(hold, v_account, amount, released);
    return;
  end if;

  v_is_debit := v_account.type not in ('asset', 'expense');
  -- The hold goes first: the posting would count it against the balance.
  perform saldo_private.change_held(hold.account_id, -released);
  perform saldo_private.post_pair(
    entry_id => saldo_private.uuid_v7(),
    debit_account_id => case when v_is_debit then hold.account_id else hold.counter_account_id end,
    credit_account_id => case when v_is_debit then hold.counter_account_id else hold.account_id end,
    amount => amount,
    description => hold.description,
    source => 'capture_hold',
    metadata => jsonb_build_object('hold_id', hold.id)
  );
end
$$;
comment on function saldo_private.capture_hold__post is
  'Posts or submits what is captured. released: what leaves the hold, captured or given back.';

select saldo_private.secure_table('saldo.hold');
drop policy if exists select_all on saldo.hold;
create policy select_all on saldo.hold for select to saldo_admin, saldo_operator using (true);
grant select on saldo.hold to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.hold_status is
  'HELD: open; CAPTURED: its money was taken, in whole or in part; VOIDED: given up; EXPIRED: its '
  'time ran out.';
comment on table saldo.hold is
  E'@foreignKey (account_id) references saldo.account (id)|@backwardBehavior -*\n'
  '@foreignKey (counter_account_id) references saldo.account (id)|@backwardBehavior -*\n'
  'Funds that are promised: they are not available, and still in the balance.';
comment on column saldo.hold.account_id is 'Account whose funds are held.';
comment on column saldo.hold.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.hold.status is 'HELD, CAPTURED, VOIDED or EXPIRED.';
comment on column saldo.hold.amount is 'What was held at first.';
comment on column saldo.hold.open_amount is 'What is still held; 0 once it has ended.';
comment on column saldo.hold.captured_amount is 'What was captured so far.';
comment on column saldo.hold.counter_account_id is 'Account that gets what is captured.';
comment on column saldo.hold.source is 'The function or room that placed it.';
comment on column saldo.hold.description is 'What it is for, in words.';
comment on column saldo.hold.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.hold.metadata is 'Whatever the client wants to keep with it.';
comment on column saldo.hold.created_at is 'When it was placed.';
comment on column saldo.hold.created_by is 'Who placed it: token subject or login.';
comment on column saldo.hold.expires_at is
  'When it ends by itself, at the next run of expire_holds.';
comment on column saldo.hold.closed_at is 'When it ended; null while it is open.';
comment on column saldo.hold.close_reason is 'Why it was voided or expired.';
--! EndIncluded hot/capture_hold.sql
--! Included hot/held_total_rule.sql
-- account.held_total: the rule that derives it again, and the heal.
--
-- Private: rule_held_total, heal_held_total, undo_heal_held_total. Truth: the open holds. hold.sql
-- keeps it in step.

create or replace function saldo_private.rule_held_total()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  -- A full join: a hold of an account that is gone is a difference as well. What is held on a hot
  -- account is in its slots (rule account_slot).
  select coalesce(a.id, h.account_id)::text, coalesce(a.id, h.account_id), a.held_total::text,
    d.amount::text, coalesce(a.held_total, 0) - d.amount,
    jsonb_build_object('open_count', coalesce(h.open_count, 0))
  from saldo.account as a
  full join (
    select hold.account_id, sum(hold.open_amount) as amount, count(*) as open_count
    from saldo.hold
    where hold.status = 'HELD'
    group by hold.account_id
  ) as h on h.account_id = a.id
  cross join lateral (
    select case when a.mode = 'hot' then 0 else coalesce(h.amount, 0) end as amount
  ) as d
  where a.held_total is distinct from d.amount
$$;
comment on function saldo_private.rule_held_total is
  'Accounts whose held_total is not the sum of their open holds. The key is the account id.';

create or replace function saldo_private.heal_held_total(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account_ids bigint[] := keys::bigint[];
begin
  perform
  from saldo.account as a
  where a.id = any (v_account_ids)
  order by a.id
  for no key update;

  -- A statement of its own: only a snapshot taken under the locks has all that came before it.
  return query
  with differing as materialized (
    select a.id, a.held_total, d.amount
    from saldo.account as a
    left join (
      select hold.account_id, sum(hold.open_amount) as amount
      from saldo.hold
      where hold.account_id = any (v_account_ids)
      and hold.status = 'HELD'
      group by hold.account_id
    ) as h on h.account_id = a.id
    cross join lateral (
      select case when a.mode = 'hot' then 0 else coalesce(h.amount, 0) end as amount
    ) as d
    where a.id = any (v_account_ids)
    and a.held_total <> d.amount
  ),
  healed as (
    update saldo.account as a
    set held_total = d.amount
    from differing as d
    where a.id = d.id
  )
  select d.id::text, jsonb_build_object('held_total', d.held_total::text),
    jsonb_build_object('held_total', d.amount::text)
  from differing as d;
end
$$;
comment on function saldo_private.heal_held_total is
  'Sets held_total of these accounts to the sums of their open holds, under their locks. A row for '
  'each that differed.';

create or replace function saldo_private.undo_heal_held_total(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_was numeric;
  v_became numeric;
begin
  select a.held_total
  into strict v_was
  from saldo.account as a
  where a.id = undo_heal_held_total.key::bigint
  for no key update;
  v_became := v_was + (before ->> 'held_total')::numeric - (after ->> 'held_total')::numeric;
  if v_became < 0 then
    perform saldo_private.fail('heal_not_undoable', format(
      'account %s: held %s, to be taken back %s', key, v_was, v_was - v_became
    ));
  end if;
  update saldo.account as a
  set held_total = v_became
  where a.id = undo_heal_held_total.key::bigint;
  return query
  select jsonb_build_object('held_total', v_was::text),
    jsonb_build_object('held_total', v_became::text);
end
$$;
comment on function saldo_private.undo_heal_held_total is
  'Takes from held_total what a heal gave it, under the account''s lock. Error: SB624 when it '
  'would become negative.';
--! EndIncluded hot/held_total_rule.sql

-- wallet: members, top-ups, products and stock, purchases, refunds
--! Included wallet/member.sql
-- Members: people who keep money here, one wallet account each.
--
-- Public: saldo.member, create_member, wallet_balance. Private: require_member,
-- current_account_id.
-- A wallet is a liability account whose balance less holds never goes below zero. Which rows of
-- the ledger a member may see stands here too, since only this room knows whose account is whose.

create or replace function saldo_private.require_member(member_id bigint)
returns saldo.member
language plpgsql
stable
as $$
declare
  v_member saldo.member;
begin
  perform saldo_private.require_own_member(require_member.member_id);
  select *
  into v_member
  from saldo.member
  where id = require_member.member_id;
  if v_member.id is null then
    perform saldo_private.fail('member_not_found', format('member %s', member_id));
  end if;
  return v_member;
end
$$;
comment on function saldo_private.require_member is
  'The member. Errors in checking order: SB007 for a member who asks about another one, SB304.';

create or replace function saldo.create_member(code text, name text, currency text default null)
returns saldo.member
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_code text := saldo_private.require_text(create_member.code, 'code', 90);
  v_name text := saldo_private.require_text(create_member.name, 'name', 180);
  v_account saldo.account;
  v_member saldo.member;
begin
  v_account := saldo.open_account(
    code => 'wallet:' || v_code,
    name => 'Wallet of ' || v_name,
    type => 'liability',
    currency => create_member.currency,
    min_balance => 0
  );
  -- The account's code is unique and made of the member's, so the member's is free as well.
  insert into saldo.member (code, name, account_id)
  values (v_code, v_name, v_account.id)
  returning * into v_member;
  return v_member;
end
$$;
comment on function saldo.create_member is
  'Creates a member with an empty wallet. currency: three capital letters, default the setting '
  'currency. Errors in checking order: SB010 for a missing code or name, SB008, SB009, SB010 for '
  'the currency, SB014 for a code that is taken.';
revoke execute on function saldo.create_member from public;
grant execute on function saldo.create_member to saldo_admin;

create or replace function saldo.wallet_balance(member_id bigint)
returns saldo.wallet_balance
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_member saldo.member := saldo_private.require_member(wallet_balance.member_id);
  v_balance saldo.wallet_balance;
begin
  select v_member.id, b.account_id, b.currency, b.settled_balance, b.held, b.available_balance
  into strict v_balance
  from saldo.balances(v_member.account_id) as b;
  return v_balance;
end
$$;
comment on function saldo.wallet_balance is
  'What a member has, what of it is held by pending purchases, and what is available. Members may '
  'ask for themselves. Errors in checking order: SB007, SB304.';
revoke execute on function saldo.wallet_balance from public;
grant execute on function saldo.wallet_balance to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.current_account_id()
returns bigint
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select m.account_id
  from saldo.member as m
  where m.id = saldo_private.current_member_id()
$$;
comment on function saldo_private.current_account_id is
  'Wallet account of the member that the request acts for; null for staff.';
grant execute on function saldo_private.current_account_id to saldo_member;

select saldo_private.secure_table('saldo.member');
drop policy if exists select_all on saldo.member;
create policy select_all on saldo.member for select to saldo_admin, saldo_operator using (true);
drop policy if exists select_own on saldo.member;
create policy select_own on saldo.member for select to saldo_member
  using (id = (select saldo_private.current_member_id()));
grant select on saldo.member to saldo_admin, saldo_operator, saldo_member;

drop policy if exists select_own on saldo.account;
create policy select_own on saldo.account for select to saldo_member
  using (id = (select saldo_private.current_account_id()));

do $do$
declare
  v_table regclass;
begin
  foreach v_table in array array[
    'saldo.sub_balance', 'saldo.settlement', 'saldo.settlement_range', 'saldo.hold',
    'saldo_private.account_stripe', 'saldo_private.account_slot', 'saldo_private.settlement_mark'
  ]::regclass[] loop
    execute format('drop policy if exists select_own on %s', v_table);
    execute format(
      'create policy select_own on %s for select to saldo_member '
        'using (account_id = (select saldo_private.current_account_id()))',
      v_table
    );
  end loop;
end
$do$;

drop policy if exists select_own on saldo.month_movement;
create policy select_own on saldo.month_movement for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));

-- Of an entry a member sees the own line only: the other side is the house's.
drop policy if exists select_own on saldo.journal_line;
create policy select_own on saldo.journal_line for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));

-- An array, not a sub-select: it can use the index of the primary key.
drop policy if exists select_own on saldo.journal_entry;
create policy select_own on saldo.journal_entry for select to saldo_member
  using (id = any (array(
    select l.entry_id
    from saldo.journal_line as l
    where l.account_id = (select saldo_private.current_account_id())
  )));

comment on table saldo.member is 'A member: someone who keeps money in a wallet.';
comment on column saldo.member.id is 'Id; member_id in tokens and arguments.';
comment on column saldo.member.code is 'Code for people, unique.';
comment on column saldo.member.name is 'Name.';
comment on column saldo.member.account_id is 'Wallet account, a liability; it never changes.';
comment on column saldo.member.created_at is 'When the member was created.';

comment on type saldo.wallet_balance is 'What a member has.';
comment on column saldo.wallet_balance.member_id is 'Member.';
comment on column saldo.wallet_balance.account_id is 'Wallet account.';
comment on column saldo.wallet_balance.currency is 'Currency of the figures.';
comment on column saldo.wallet_balance.balance is 'Posted balance.';
comment on column saldo.wallet_balance.held is 'Sum of the pending purchases.';
comment on column saldo.wallet_balance.available is 'What can be spent: balance less held.';
--! EndIncluded wallet/member.sql
--! Included wallet/top_up.sql
-- Top-ups: money that comes into a wallet.
--
-- Public: top_up. Posts: debit cash, credit the wallet account.

create or replace function saldo.top_up(
  member_id bigint,
  amount numeric,
  idempotency_key text default null,
  occurred_at timestamptz default null,
  description text default null
)
returns saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_amount numeric := saldo_private.require_amount(top_up.amount);
  v_occurred_at timestamptz := saldo_private.require_occurred_at(top_up.occurred_at);
  v_description text := case when top_up.description is null then 'Top-up'
    else saldo_private.require_text(top_up.description, 'description') end;
  v_member saldo.member := saldo_private.require_member(top_up.member_id);
  v_entry_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_entry saldo.journal_entry;
begin
  -- Keys of staff are not per member: a payment's key that comes back for another member is a
  -- mistake, and no member can use it up.
  v_earlier_id := saldo_private.claim_idempotency_key(
    'wallet', top_up.idempotency_key, 'top_up',
    jsonb_build_array(
      top_up.member_id, v_amount, extract(epoch from top_up.occurred_at), top_up.description
    ),
    v_entry_id
  );
  if v_earlier_id is not null then
    select *
    into strict v_entry
    from saldo.journal_entry
    where id = v_earlier_id;
    return v_entry;
  end if;

  return saldo_private.post_pair(
    entry_id => v_entry_id,
    debit_account_id => saldo_private.system_account('cash', (
      select a.currency
      from saldo.account as a
      where a.id = v_member.account_id
    )),
    credit_account_id => v_member.account_id,
    amount => v_amount,
    description => v_description,
    source => 'top_up',
    occurred_at => v_occurred_at,
    idempotency_key => top_up.idempotency_key
  );
end
$$;
comment on function saldo.top_up is
  'Puts money into a member''s wallet. occurred_at: default now. The same idempotency_key with the '
  'same content returns the first entry; keys are shared by top-ups and refunds. Locks cash and '
  'the wallet account in id order. Errors in checking order: SB002, SB004, SB003, SB010, SB008, '
  'SB009, SB304, SB005, SB102 for a closed wallet.';
revoke execute on function saldo.top_up from public;
grant execute on function saldo.top_up to saldo_admin;
--! EndIncluded wallet/top_up.sql
--! Included wallet/product.sql
-- Products: what a wallet's money buys.
--
-- Public: saldo.product, create_product, set_product_price, set_product_active.
-- A purchase keeps the price that it was made at: a new price touches no purchase.

create or replace function saldo_private.create_product__revenue_account(
  revenue_account_id bigint,
  currency text
)
returns bigint
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  if revenue_account_id is null then
    return saldo_private.system_account('revenue', currency);
  end if;
  select *
  into v_account
  from saldo.account
  where id = revenue_account_id;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', revenue_account_id));
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', revenue_account_id));
  elsif v_account.currency <> create_product__revenue_account.currency then
    perform saldo_private.fail('currency_mismatch', format(
      'account %s is in %s, the product in %s', v_account.id, v_account.currency, currency
    ));
  elsif v_account.type <> 'revenue' then
    perform saldo_private.fail('input_invalid', format(
      'account %s is of type %s, not revenue', v_account.id, v_account.type
    ));
  end if;
  return v_account.id;
end
$$;
comment on function saldo_private.create_product__revenue_account is
  'The account that a product''s sales are credited to.';

create or replace function saldo.create_product(
  code text,
  name text,
  price numeric,
  currency text default null,
  is_stock_tracked boolean default false,
  revenue_account_id bigint default null
)
returns saldo.product
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_currency text := coalesce(
    create_product.currency, saldo_private.setting_value('currency')
  );
  v_code text := saldo_private.require_text(create_product.code, 'code', 100);
  v_name text := saldo_private.require_text(create_product.name, 'name', 200);
  v_price numeric := saldo_private.require_amount(create_product.price);
  v_product saldo.product;
begin
  if v_currency !~ '^[A-Z]{3}$' then
    perform saldo_private.fail(
      'input_invalid', format('currency %L (three capital letters)', v_currency)
    );
  end if;
  insert into saldo.product (
    code, name, price, currency, revenue_account_id, is_stock_tracked
  )
  values (
    v_code, v_name, v_price, v_currency,
    saldo_private.create_product__revenue_account(
      create_product.revenue_account_id, v_currency
    ),
    coalesce(create_product.is_stock_tracked, false)
  )
  on conflict on constraint product_code_key do nothing
  returning * into v_product;
  if v_product.id is null then
    perform saldo_private.fail('not_unique', format('product code %L', v_code));
  end if;
  return v_product;
end
$$;
comment on function saldo.create_product is
  'Creates a product. currency: default the setting currency. is_stock_tracked: each unit sold is '
  'a stock item of its own. revenue_account_id: where sales are credited, default the revenue '
  'account of the currency. Errors in checking order: SB010, SB008, SB009, SB002, SB004, SB003, '
  'SB101, SB102, SB104, SB010 for an account that is not revenue, SB014 for a code that is taken.';
revoke execute on function saldo.create_product from public;
grant execute on function saldo.create_product to saldo_admin;

create or replace function saldo.set_product_price(product_id bigint, price numeric)
returns saldo.product
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_price numeric := saldo_private.require_amount(set_product_price.price);
  v_product saldo.product;
begin
  update saldo.product
  set price = v_price
  where id = set_product_price.product_id
  returning * into v_product;
  if v_product.id is null then
    perform saldo_private.fail('product_not_found', format('product %s', product_id));
  end if;
  return v_product;
end
$$;
comment on function saldo.set_product_price is
  'Sets the price of purchases to come. A buyer who was shown the old price is told so (SB303). '
  'Errors in checking order: SB002, SB004, SB003, SB301.';
revoke execute on function saldo.set_product_price from public;
grant execute on function saldo.set_product_price to saldo_admin;

create or replace function saldo.set_product_active(product_id bigint, is_active boolean)
returns saldo.product
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_product saldo.product;
begin
  if set_product_active.is_active is null then
    perform saldo_private.fail('input_invalid', 'is_active: true or false');
  end if;
  update saldo.product
  set is_active = set_product_active.is_active
  where id = set_product_active.product_id
  returning * into v_product;
  if v_product.id is null then
    perform saldo_private.fail('product_not_found', format('product %s', product_id));
  end if;
  return v_product;
end
$$;
comment on function saldo.set_product_active is
  'Takes a product off sale, or puts it back. Pending purchases of it can still be completed. '
  'Errors in checking order: SB010, SB301.';
revoke execute on function saldo.set_product_active from public;
grant execute on function saldo.set_product_active to saldo_admin;

select saldo_private.secure_table('saldo.product');
drop policy if exists select_all on saldo.product;
create policy select_all on saldo.product for select
  to saldo_admin, saldo_operator, saldo_member using (true);
grant select on saldo.product to saldo_admin, saldo_operator, saldo_member;

-- The tag gives the API the relation that no foreign key tells it; only
-- this way round, since no index helps the other.
comment on table saldo.product is
  E'@foreignKey (revenue_account_id) references saldo.account (id)|@backwardBehavior -*\n'
  'Something that is for sale.';
comment on column saldo.product.id is 'Id.';
comment on column saldo.product.code is 'Code for people, unique.';
comment on column saldo.product.name is 'Name.';
comment on column saldo.product.price is 'Price of one unit, in the product''s currency.';
comment on column saldo.product.currency is
  'Currency; wallets of this currency can buy the product.';
comment on column saldo.product.revenue_account_id is 'Account that sales are credited to.';
comment on column saldo.product.is_stock_tracked is
  'Whether each unit sold is a stock item of its own.';
comment on column saldo.product.is_active is 'Whether it is for sale now.';
comment on column saldo.product.created_at is 'When it was created.';
--! EndIncluded wallet/product.sql
--! Included wallet/stock.sql
-- Stock: the single units of a tracked product, each sold once at most.
--
-- Public: saldo.stock_item, add_stock_items. Private: take_stock, release_stock.
-- Locks: buyers pick free items that nobody else is picking (skip locked), so they never wait for
-- each other while there is enough. Only when too few are left does a buyer let go of what it
-- has picked and wait for the others' items, in id order: they may yet roll back. Whoever frees
-- items locks them in id order too, and all of this comes before any account is locked, so no two
-- of them ever wait for each other crosswise.

create or replace function saldo.add_stock_items(product_id bigint, codes text[])
returns setof saldo.stock_item
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_codes text[];
  v_product saldo.product;
begin
  if codes is null or array_ndims(codes) is distinct from 1
    or cardinality(codes) not between 1 and 10000
  then
    perform saldo_private.fail('input_invalid', 'codes: an array of 1 to 10,000 codes');
  end if;
  select array_agg(saldo_private.require_text(c.code, 'code', 200) order by c.code_no)
  into v_codes
  from unnest(codes) with ordinality as c (code, code_no);

  select *
  into v_product
  from saldo.product
  where id = add_stock_items.product_id;
  if v_product.id is null then
    perform saldo_private.fail('product_not_found', format('product %s', product_id));
  elsif not v_product.is_stock_tracked then
    perform saldo_private.fail(
      'input_invalid', format('product %s is not tracked by stock items', product_id)
    );
  end if;

  return query
  insert into saldo.stock_item (product_id, code)
  select v_product.id, c.code
  from unnest(v_codes) with ordinality as c (code, code_no)
  order by c.code_no
  returning *;
exception
  when unique_violation then
    perform saldo_private.fail(
      'not_unique', format('a code of product %s comes twice or is taken', product_id)
    );
end
$$;
comment on function saldo.add_stock_items is
  'Adds units of a tracked product, all or none; items are sold in the order given. Errors in '
  'checking order: SB010, SB008, SB009, SB301, SB010 for a product without stock tracking, SB014 '
  'for a code that the product has already.';
revoke execute on function saldo.add_stock_items from public;
grant execute on function saldo.add_stock_items to saldo_admin;

create or replace function saldo_private.take_stock__assign(
  product_id bigint,
  quantity integer,
  account_id bigint,
  purchase_id uuid,
  is_waiting boolean
)
returns integer
language plpgsql
as $$
declare
  v_item_ids bigint[];
begin
  if is_waiting then
    select array_agg(picked.id)
    into v_item_ids
    from (
      select s.id
      from saldo.stock_item as s
      where s.product_id = take_stock__assign.product_id
      and s.purchase_id is null
      order by s.id
      limit take_stock__assign.quantity
      for no key update
    ) as picked;
  else
    select array_agg(picked.id)
    into v_item_ids
    from (
      select s.id
      from saldo.stock_item as s
      where s.product_id = take_stock__assign.product_id
      and s.purchase_id is null
      order by s.id
      limit take_stock__assign.quantity
      for no key update skip locked
    ) as picked;
  end if;

  if coalesce(cardinality(v_item_ids), 0) = take_stock__assign.quantity then
    update saldo.stock_item
    set account_id = take_stock__assign.account_id,
      purchase_id = take_stock__assign.purchase_id,
      assigned_at = now()
    where stock_item.product_id = take_stock__assign.product_id
    and id = any (v_item_ids);
  end if;
  return coalesce(cardinality(v_item_ids), 0);
end
$$;
comment on function saldo_private.take_stock__assign is
  'Locks free items and, when there are enough, assigns them. Returns how many it could lock.';

create or replace function saldo_private.take_stock(
  product_id bigint,
  quantity integer,
  account_id bigint,
  purchase_id uuid
)
returns void
language plpgsql
as $$
declare
  v_found integer;
begin
  -- The block is a savepoint: leaving it by the error releases the items that were picked, so that
  -- two buyers who picked some each do not wait for the other's.
  begin
    v_found := saldo_private.take_stock__assign(
      product_id, quantity, account_id, purchase_id, is_waiting => false
    );
    if v_found = take_stock.quantity then
      return;
    end if;
    perform saldo_private.fail('out_of_stock', format('product %s', product_id));
  exception
    when sqlstate 'SB302' then null;
  end;

  v_found := saldo_private.take_stock__assign(
    product_id, quantity, account_id, purchase_id, is_waiting => true
  );
  if v_found < take_stock.quantity then
    perform saldo_private.fail(
      'out_of_stock', format('product %s: left %s, wanted %s', product_id, v_found, quantity)
    );
  end if;
end
$$;
comment on function saldo_private.take_stock is
  'Assigns free items of a product to a purchase. When too few are to be had at once it waits for '
  'those that other buyers hold: SB302 means that there are really none left.';

create or replace function saldo_private.release_stock(account_id bigint, purchase_id uuid)
returns void
language plpgsql
as $$
begin
  with assigned as materialized (
    select s.product_id, s.id
    from saldo.stock_item as s
    where s.account_id = release_stock.account_id
    and s.purchase_id = release_stock.purchase_id
    order by s.id
    for no key update
  )
  update saldo.stock_item as s
  set account_id = null,
    purchase_id = null,
    assigned_at = null
  from assigned
  where s.product_id = assigned.product_id
  and s.id = assigned.id;
end
$$;
comment on function saldo_private.release_stock is
  'Makes the items of a purchase free again; they can be sold anew.';

select saldo_private.secure_table('saldo.stock_item');
drop policy if exists select_all on saldo.stock_item;
create policy select_all on saldo.stock_item for select
  to saldo_admin, saldo_operator using (true);
-- A pending purchase has only reserved its items: their codes are shown once they are paid.
drop policy if exists select_own on saldo.stock_item;
create policy select_own on saldo.stock_item for select to saldo_member
  using (
    account_id = (select saldo_private.current_account_id())
    and exists (
      select
      from saldo.purchase as p
      where p.account_id = stock_item.account_id
      and p.id = stock_item.purchase_id
      and p.status = 'completed'
    )
  );
grant select on saldo.stock_item to saldo_admin, saldo_operator, saldo_member;

comment on table saldo.stock_item is 'A unit of a tracked product; sold once at most.';
comment on constraint stock_item_account_id_purchase_id_fkey on saldo.stock_item is
  E'@fieldName purchase\n@foreignFieldName stockItems\n@backwardBehavior +connection +select\n'
  'The purchase that has the item.';
comment on column saldo.stock_item.id is 'Id; items are sold in the order of it.';
comment on column saldo.stock_item.product_id is 'Product.';
comment on column saldo.stock_item.code is
  'What the buyer gets: a code, a serial or room number; unique within the product.';
comment on column saldo.stock_item.account_id is 'Wallet account of the buyer; null = free.';
comment on column saldo.stock_item.purchase_id is
  'Purchase that it is assigned to, reserved while that is pending; null = free.';
comment on column saldo.stock_item.assigned_at is 'When it was assigned; null = free.';
comment on column saldo.stock_item.created_at is 'When it was added.';
--! EndIncluded wallet/stock.sql
--! Included wallet/purchase.sql
-- Purchases: stock, balance, record and journal entry change together, or nothing does.
--
-- Public: saldo.purchase, purchase_with_balance_deduction. States: pending -> completed | failed
-- (pending_purchase.sql), completed -> refunded (refund.sql).
-- A pending purchase is a hold (hot/hold.sql): it lowers what is available, posts nothing, and
-- reserves its stock. A completed one debits the wallet and credits the product's revenue.
-- Locks, in this order in every function of the room: idempotency key, purchase, stock items by
-- id, accounts by id. A transaction that makes several purchases may break the order by itself; the
-- database then ends one of two such transactions with a deadlock error.

create or replace function saldo_private.purchase__product(
  product_id bigint,
  wallet_currency text,
  amount numeric,
  quantity integer
)
returns saldo.product
language plpgsql
stable
as $$
declare
  v_product saldo.product;
begin
  select *
  into v_product
  from saldo.product
  where id = purchase__product.product_id;
  if v_product.id is null or not v_product.is_active then
    perform saldo_private.fail('product_not_found', format('product %s', product_id));
  elsif v_product.currency <> wallet_currency then
    perform saldo_private.fail('currency_mismatch', format(
      'product %s is in %s, the wallet in %s', product_id, v_product.currency, wallet_currency
    ));
  elsif amount <> v_product.price * quantity then
    perform saldo_private.fail('price_changed', format(
      'product %s: price %s, quantity %s, amount %s, shown %s', product_id, v_product.price,
      quantity, v_product.price * quantity, amount
    ));
  end if;
  return v_product;
end
$$;
comment on function saldo_private.purchase__product is
  'The product, if it can be bought so: SB301, SB104, SB303.';

create or replace function saldo_private.purchase__description(quantity integer, name text)
returns text
language sql
immutable
as $$
  select case when quantity = 1 then name else format('%s x %s', quantity, name) end
$$;
comment on function saldo_private.purchase__description is 'What was bought, in words.';

create or replace function saldo_private.purchase__post(
  purchase saldo.purchase,
  product saldo.product,
  occurred_at timestamptz
)
returns void
language plpgsql
as $$
begin
  perform saldo_private.post_pair(
    entry_id => purchase.entry_id,
    debit_account_id => purchase.account_id,
    credit_account_id => product.revenue_account_id,
    amount => purchase.amount,
    description => saldo_private.purchase__description(purchase.quantity, product.name),
    source => 'purchase',
    occurred_at => purchase__post.occurred_at,
    idempotency_key => purchase.idempotency_key
  );
end
$$;
comment on function saldo_private.purchase__post is
  'Posts a completed purchase: debit the wallet, credit revenue. The balance is checked by the '
  'posting, under the account''s lock.';

create or replace function saldo_private.purchase__record(
  purchase saldo.purchase,
  product saldo.product
)
returns saldo.purchase
language plpgsql
as $$
declare
  v_purchase saldo.purchase;
begin
  insert into saldo.purchase (
    account_id, id, member_id, product_id, quantity, unit_price, amount, status, entry_id, hold_id,
    idempotency_key, occurred_at, created_by, completed_at
  )
  values (
    purchase.account_id, purchase.id, purchase.member_id, product.id, purchase.quantity,
    product.price, purchase.amount, purchase.status, purchase.entry_id, purchase.hold_id,
    purchase.idempotency_key, purchase.occurred_at, saldo_private.actor(), purchase.completed_at
  )
  returning * into v_purchase;

  if product.is_stock_tracked then
    perform saldo_private.take_stock(
      product.id, purchase.quantity, purchase.account_id, purchase.id
    );
  end if;
  -- Accounts come last: the revenue account is the one row that all buyers share.
  if purchase.status = 'pending' then
    perform saldo_private.open_hold(
      account_id => purchase.account_id,
      hold_id => purchase.hold_id,
      amount => purchase.amount,
      expires_in => null,
      counter_account_id => product.revenue_account_id,
      source => 'purchase',
      description => saldo_private.purchase__description(purchase.quantity, product.name)
    );
  else
    perform saldo_private.purchase__post(v_purchase, product, v_purchase.occurred_at);
  end if;
  return v_purchase;
end
$$;
comment on function saldo_private.purchase__record is
  'Writes the purchase, takes its stock, and holds or posts its amount: SB302, SB102, SB001.';

create or replace function saldo.purchase_with_balance_deduction(
  member_id bigint,
  product_id bigint,
  amount numeric,
  quantity integer default 1,
  idempotency_key text default null,
  occurred_at timestamptz default null,
  hold_only boolean default false
)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_purchase saldo.purchase;
  v_currency text;
  v_earlier_id uuid;
begin
  v_purchase.amount := saldo_private.require_amount(purchase_with_balance_deduction.amount);
  if quantity is null or quantity not between 1 and 1000 then
    perform saldo_private.fail('input_invalid', 'quantity: 1 to 1,000');
  end if;
  v_purchase.quantity := quantity;
  v_purchase.occurred_at :=
    saldo_private.require_occurred_at(purchase_with_balance_deduction.occurred_at);

  perform saldo_private.require_own_member(purchase_with_balance_deduction.member_id);
  select m.id, a.id, a.currency
  into v_purchase.member_id, v_purchase.account_id, v_currency
  from saldo.member as m
  join saldo.account as a on a.id = m.account_id
  where m.id = purchase_with_balance_deduction.member_id;
  if v_purchase.member_id is null then
    perform saldo_private.fail('member_not_found', format('member %s', member_id));
  end if;

  v_purchase.id := saldo_private.uuid_v7();
  if idempotency_key is not null then
    -- Before the product is looked at: a retry succeeds whatever has happened to it since.
    v_earlier_id := saldo_private.claim_idempotency_key(
      'member:' || v_purchase.member_id, idempotency_key, 'purchase_with_balance_deduction',
      jsonb_build_array(product_id, v_purchase.amount, quantity,
        extract(epoch from purchase_with_balance_deduction.occurred_at),
        coalesce(hold_only, false)),
      v_purchase.id
    );
    if v_earlier_id is not null then
      select *
      into strict v_purchase
      from saldo.purchase as p
      where p.account_id = v_purchase.account_id
      and p.id = v_earlier_id;
      return v_purchase;
    end if;
    v_purchase.idempotency_key := idempotency_key;
  end if;

  v_purchase.status := 'pending';
  v_purchase.hold_id := saldo_private.uuid_v7();
  if not coalesce(hold_only, false) then
    v_purchase.status := 'completed';
    v_purchase.hold_id := null;
    v_purchase.entry_id := saldo_private.uuid_v7();
    v_purchase.completed_at := now();
  end if;
  return saldo_private.purchase__record(v_purchase, saldo_private.purchase__product(
    product_id, v_currency, v_purchase.amount, quantity
  ));
end
$$;
comment on function saldo.purchase_with_balance_deduction is
  'Buys a product with the balance of a member''s wallet: takes stock, deducts, records and posts, '
  'all or nothing. amount: the total that the buyer was shown. hold_only: only holds the amount '
  'and reserves the stock (status pending), until complete_purchase or fail_purchase, or until the '
  'hold expires (setting hold_expires_in). occurred_at: '
  'default now; members may not set it. The same idempotency_key with the same content returns the '
  'first purchase as it is now; keys are per member. Members may buy for themselves. Locks stock '
  'items, then the two accounts in id order. Errors in checking order: SB002, SB004, SB003, SB010, '
  'SB006, SB007, SB304, SB005, SB301, SB104, SB303, SB302, SB102, SB001.';
revoke execute on function saldo.purchase_with_balance_deduction from public;
grant execute on function saldo.purchase_with_balance_deduction to saldo_admin, saldo_member;

select saldo_private.secure_table('saldo.purchase');
drop policy if exists select_all on saldo.purchase;
create policy select_all on saldo.purchase for select
  to saldo_admin, saldo_operator using (true);
drop policy if exists select_own on saldo.purchase;
create policy select_own on saldo.purchase for select to saldo_member
  using (account_id = (select saldo_private.current_account_id()));
grant select on saldo.purchase to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.purchase_status is
  'pending: held, not paid yet; completed: paid; failed: given up before it was paid; refunded: '
  'paid and paid back.';
-- The tags give the API the relations that no foreign key of the table tells it; only this way
-- round, since no index helps the other.
comment on table saldo.purchase is
  E'@foreignKey (product_id) references saldo.product (id)|@backwardBehavior -*\n'
  '@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  '@foreignKey (refund_entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A purchase by a member, paid from the wallet.';
comment on column saldo.purchase.account_id is 'Wallet account that pays.';
comment on column saldo.purchase.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.purchase.member_id is 'Member whose wallet it is.';
comment on column saldo.purchase.product_id is 'Product.';
comment on column saldo.purchase.quantity is 'Units bought.';
comment on column saldo.purchase.unit_price is 'Price of one unit at the time.';
comment on column saldo.purchase.amount is 'What is paid: unit_price times quantity.';
comment on column saldo.purchase.status is 'pending, completed, failed or refunded.';
comment on column saldo.purchase.entry_id is 'Journal entry of the payment; null = not paid.';
comment on column saldo.purchase.hold_id is
  'Hold of its amount, open while it is pending; null when it was paid at once.';
comment on column saldo.purchase.refund_entry_id is
  'Journal entry of the refund; null = not refunded.';
comment on column saldo.purchase.failure_reason is 'Why it failed; null unless failed.';
comment on column saldo.purchase.refund_reason is 'Why it was refunded; null unless refunded.';
comment on column saldo.purchase.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.purchase.occurred_at is 'When it happened in business.';
comment on column saldo.purchase.created_at is 'When it was recorded.';
comment on column saldo.purchase.created_by is 'Who recorded it: token subject or login.';
comment on column saldo.purchase.completed_at is 'When the payment was recorded; null = not paid.';
comment on column saldo.purchase.failed_at is 'When it was given up; null unless failed.';
comment on column saldo.purchase.refunded_at is
  'When the refund was recorded; null unless refunded.';
comment on constraint purchase_account_id_fkey on saldo.purchase is
  E'@fieldName member\n@foreignFieldName purchases\nThe wallet account names the member.';
--! EndIncluded wallet/purchase.sql
--! Included wallet/pending_purchase.sql
-- Pending purchases: each has a hold (hot/hold.sql), and ends with it, one way or the other.
--
-- Public: complete_purchase, fail_purchase. Private: require_purchase, rule_purchase_hold.
-- Trigger: keep_purchases_whole on saldo.hold. A hold that is voided or expires fails its purchase.

create or replace function saldo_private.require_purchase(
  purchase_id uuid,
  status saldo.purchase_status
)
returns saldo.purchase
language plpgsql
as $$
declare
  v_purchase saldo.purchase;
begin
  -- The hold before the purchase, as when a hold expires and takes its purchase along.
  if require_purchase.status = 'pending' then
    perform
    from saldo.hold as h
    where h.id = (
      select p.hold_id from saldo.purchase as p where p.id = require_purchase.purchase_id
    )
    for no key update;
  end if;
  select *
  into v_purchase
  from saldo.purchase
  where id = require_purchase.purchase_id
  for no key update;
  if v_purchase.id is null then
    perform saldo_private.fail('purchase_not_found', format('purchase %s', purchase_id));
  elsif v_purchase.status <> require_purchase.status then
    perform saldo_private.fail('purchase_state', format(
      'purchase %s is %s, not %s', purchase_id, v_purchase.status, require_purchase.status
    ));
  end if;
  return v_purchase;
end
$$;
comment on function saldo_private.require_purchase is
  'The purchase in the given state, locked: SB306, SB305.';

create or replace function saldo.complete_purchase(
  purchase_id uuid,
  occurred_at timestamptz default null
)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_occurred_at timestamptz := saldo_private.require_occurred_at(complete_purchase.occurred_at);
  v_purchase saldo.purchase;
  v_product saldo.product;
begin
  v_purchase := saldo_private.require_purchase(complete_purchase.purchase_id, 'pending');
  if v_occurred_at < v_purchase.occurred_at then
    perform saldo_private.fail(
      'input_invalid', format('occurred_at: not before %s', v_purchase.occurred_at)
    );
  end if;
  select *
  into strict v_product
  from saldo.product
  where id = v_purchase.product_id;

  update saldo.purchase as p
  set status = 'completed',
    entry_id = saldo_private.uuid_v7(),
    completed_at = now()
  where p.account_id = v_purchase.account_id
  and p.id = v_purchase.id
  returning * into v_purchase;

  -- The hold must go before the posting, which would count it against the balance; but both
  -- accounts are locked before that, in id order like everywhere.
  perform a.id
  from saldo.account as a
  where a.id in (v_purchase.account_id, v_product.revenue_account_id)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
  perform saldo_private.end_hold(saldo_private.require_hold(v_purchase.hold_id), 'CAPTURED');
  perform saldo_private.purchase__post(v_purchase, v_product, v_occurred_at);
  return v_purchase;
end
$$;
comment on function saldo.complete_purchase is
  'Pays a pending purchase with the amount that was held, at the price of then. occurred_at: when '
  'it was paid, default now. Locks hold and purchase, then both accounts in id order. Errors in '
  'checking order: SB010, SB306, SB305 unless it is pending, SB010 for a time before the purchase.';
revoke execute on function saldo.complete_purchase from public;
grant execute on function saldo.complete_purchase to saldo_admin;

create or replace function saldo.fail_purchase(purchase_id uuid, reason text)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(fail_purchase.reason, 'reason');
  v_purchase saldo.purchase;
begin
  v_purchase := saldo_private.require_purchase(fail_purchase.purchase_id, 'pending');
  update saldo.purchase as p
  set status = 'failed',
    failure_reason = v_reason,
    failed_at = now()
  where p.account_id = v_purchase.account_id
  and p.id = v_purchase.id
  returning * into v_purchase;

  perform saldo_private.release_stock(v_purchase.account_id, v_purchase.id);
  perform saldo_private.end_hold(
    saldo_private.require_hold(v_purchase.hold_id), 'VOIDED', v_reason
  );
  return v_purchase;
end
$$;
comment on function saldo.fail_purchase is
  'Gives up a pending purchase: its hold and its stock are free again. Locks hold and purchase, '
  'stock items, the wallet account. Errors in checking order: SB010, SB008, SB009, SB306, SB305 '
  'unless it is pending.';
revoke execute on function saldo.fail_purchase from public;
grant execute on function saldo.fail_purchase to saldo_admin;

create or replace function saldo_private.tg_hold__keep_purchases_whole()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_purchase saldo.purchase;
begin
  select *
  into v_purchase
  from saldo.purchase as p
  where p.account_id = NEW.account_id
  and p.hold_id = NEW.id
  and p.status = 'pending'
  for no key update;
  if v_purchase.id is null then
    return null; -- the purchase ended first, and its hold with it
  end if;
  if NEW.captured_amount > 0 then
    perform saldo_private.fail(
      'purchase_state', format('hold %s is of purchase %s', NEW.id, v_purchase.id),
      'Pay it with saldo.complete_purchase.'
    );
  end if;
  update saldo.purchase as p
  set status = 'failed',
    failure_reason = NEW.close_reason,
    failed_at = now()
  where p.account_id = v_purchase.account_id
  and p.id = v_purchase.id;
  perform saldo_private.release_stock(v_purchase.account_id, v_purchase.id);
  return null;
end
$$;
comment on function saldo_private.tg_hold__keep_purchases_whole is
  'A pending purchase fails when its hold is voided or expires, and its stock is free again; its '
  'hold cannot be captured past it: SB305.';

create or replace trigger keep_purchases_whole
  after update on saldo.hold
  for each row
  when (NEW.source = 'purchase'
    and (NEW.status <> OLD.status or NEW.open_amount <> OLD.open_amount))
  execute function saldo_private.tg_hold__keep_purchases_whole();

create or replace function saldo_private.rule_purchase_hold()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select coalesce(p.id, h.id)::text, coalesce(p.account_id, h.account_id),
    coalesce(p.amount::text, 'no pending purchase'), coalesce(h.open_amount::text, 'no open hold'),
    coalesce(p.amount, 0) - coalesce(h.open_amount, 0),
    jsonb_build_object('purchase_id', p.id, 'hold_id', h.id)
  from (
    select purchase.account_id, purchase.id, purchase.hold_id, purchase.amount
    from saldo.purchase
    where purchase.status = 'pending'
  ) as p
  full join (
    select hold.account_id, hold.id, hold.open_amount
    from saldo.hold
    where hold.status = 'HELD'
    and hold.source = 'purchase'
  ) as h on h.account_id = p.account_id and h.id = p.hold_id
  where p.amount is distinct from h.open_amount
$$;
comment on function saldo_private.rule_purchase_hold is
  'Pending purchases without an open hold of their amount, and holds of purchases that are not '
  'pending.';
--! EndIncluded wallet/pending_purchase.sql
--! Included wallet/refund.sql
-- Refunds: a paid purchase is paid back in full, and its stock is for sale again.
--
-- Public: refund_purchase. Trigger: keep_purchases_whole.
-- The refund is the reversal of the purchase's entry, so that the books can never show two.

create or replace function saldo.refund_purchase(
  purchase_id uuid,
  reason text,
  idempotency_key text default null,
  occurred_at timestamptz default null
)
returns saldo.purchase
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(refund_purchase.reason, 'reason', 480);
  v_occurred_at timestamptz := saldo_private.require_occurred_at(refund_purchase.occurred_at);
  v_purchase saldo.purchase;
begin
  if saldo_private.claim_idempotency_key(
    'wallet', refund_purchase.idempotency_key, 'refund_purchase',
    jsonb_build_array(
      refund_purchase.purchase_id, v_reason, extract(epoch from refund_purchase.occurred_at)
    ),
    refund_purchase.purchase_id
  ) is not null then
    select *
    into strict v_purchase
    from saldo.purchase
    where id = refund_purchase.purchase_id;
    return v_purchase;
  end if;

  v_purchase := saldo_private.require_purchase(refund_purchase.purchase_id, 'completed');
  if v_occurred_at < v_purchase.occurred_at then
    perform saldo_private.fail(
      'input_invalid', format('occurred_at: not before %s', v_purchase.occurred_at)
    );
  end if;
  update saldo.purchase as p
  set status = 'refunded',
    refund_entry_id = saldo_private.uuid_v7(),
    refund_reason = v_reason,
    refunded_at = now()
  where p.account_id = v_purchase.account_id
  and p.id = v_purchase.id
  returning * into v_purchase;

  perform saldo_private.release_stock(v_purchase.account_id, v_purchase.id);
  perform saldo_private.reverse_posted_entry(
    entry_id => v_purchase.entry_id,
    reversal_id => v_purchase.refund_entry_id,
    description => 'Refund: ' || v_reason,
    source => 'refund',
    occurred_at => v_occurred_at,
    idempotency_key => refund_purchase.idempotency_key
  );
  return v_purchase;
end
$$;
comment on function saldo.refund_purchase is
  'Pays a completed purchase back in full and frees its stock. occurred_at: default now. The same '
  'idempotency_key with the same content returns the refunded purchase; keys are shared by top-ups '
  'and refunds. Locks the purchase, its stock items, both accounts in id order. Errors in checking '
  'order: SB010, SB008, SB009, SB005, SB306, SB305 unless it is completed, SB010 for a time before '
  'the purchase, SB102 for a closed account.';
revoke execute on function saldo.refund_purchase from public;
grant execute on function saldo.refund_purchase to saldo_admin;

create or replace function saldo_private.tg_journal_entry__keep_purchases_whole()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_purchase_id uuid;
begin
  select p.id
  into v_purchase_id
  from saldo.journal_line as l
  join saldo.purchase as p on p.account_id = l.account_id and p.entry_id = l.entry_id
  where l.entry_id = NEW.reverses
  limit 1;
  if v_purchase_id is not null then
    perform saldo_private.fail(
      'entry_not_reversible',
      format('entry %s pays purchase %s', NEW.reverses, v_purchase_id),
      'Undo a purchase with saldo.refund_purchase.'
    );
  end if;
  return NEW;
end
$$;
comment on function saldo_private.tg_journal_entry__keep_purchases_whole is
  'Refuses to reverse the payment of a purchase behind the purchase''s back: SB106.';

create or replace trigger keep_purchases_whole
  before insert on saldo.journal_entry
  for each row
  when (NEW.kind = 'reversal' and NEW.source <> 'refund')
  execute function saldo_private.tg_journal_entry__keep_purchases_whole();
--! EndIncluded wallet/refund.sql
--! Included wallet/purchase_rule.sql
-- The rule over purchases: record, journal and stock tell the same story.
--
-- Private: rule_purchase_entry. There is no heal: which side is right takes a human to say.

create or replace function saldo_private.rule_purchase_entry__purchases()
returns table (
  account_id bigint,
  id uuid,
  status saldo.purchase_status,
  stored_payment numeric,
  payment numeric,
  stored_refund numeric,
  refund numeric,
  stored_items bigint,
  items bigint,
  is_referring boolean
)
language sql
stable
as $$
  with paid as (
    select p.account_id, p.id, sum(l.debit - l.credit) as amount
    from saldo.purchase as p
    join saldo.journal_entry as e on e.id = p.entry_id
      and (e.status = 'reversed') = (p.status = 'refunded')
    join saldo.journal_line as l on l.entry_id = e.id and l.account_id = p.account_id
    group by p.account_id, p.id
  ),
  refunded as (
    select p.account_id, p.id, sum(l.credit - l.debit) as amount
    from saldo.purchase as p
    join saldo.journal_entry as e on e.id = p.refund_entry_id and e.reverses = p.entry_id
    join saldo.journal_line as l on l.entry_id = e.id and l.account_id = p.account_id
    group by p.account_id, p.id
  ),
  assigned as (
    select s.account_id, s.purchase_id, s.product_id, count(*) as item_count
    from saldo.stock_item as s
    where s.purchase_id is not null
    group by s.account_id, s.purchase_id, s.product_id
  )
  select p.account_id, p.id, p.status,
    case when p.status in ('completed', 'refunded') then p.amount else 0 end,
    coalesce(paid.amount, 0),
    case when p.status = 'refunded' then p.amount else 0 end,
    coalesce(refunded.amount, 0),
    case when product.is_stock_tracked and p.status in ('pending', 'completed') then p.quantity
    else 0 end,
    coalesce(assigned.item_count, 0),
    m.id is not null and product.id is not null
      and (p.entry_id is null or count(*) over (partition by p.entry_id) = 1)
  from saldo.purchase as p
  left join saldo.member as m on m.id = p.member_id and m.account_id = p.account_id
  left join saldo.product on product.id = p.product_id
  left join paid on paid.account_id = p.account_id and paid.id = p.id
  left join refunded on refunded.account_id = p.account_id and refunded.id = p.id
  left join assigned on assigned.account_id = p.account_id and assigned.purchase_id = p.id
    and assigned.product_id = p.product_id
$$;
comment on function saldo_private.rule_purchase_entry__purchases is
  'What each purchase says that was paid, refunded and assigned, beside what the journal and the '
  'stock say; is_referring: its member and product exist and its entry is its alone.';

create or replace function saldo_private.rule_purchase_entry()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select p.id::text, p.account_id,
    format('paid %s, refunded %s, items %s', p.stored_payment, p.stored_refund, p.stored_items),
    format('paid %s, refunded %s, items %s', p.payment, p.refund, p.items),
    (p.stored_payment - p.stored_refund) - (p.payment - p.refund),
    jsonb_build_object('purchase_id', p.id, 'status', p.status, 'is_referring', p.is_referring)
  from saldo_private.rule_purchase_entry__purchases() as p
  where p.stored_payment <> p.payment
  or p.stored_refund <> p.refund
  or p.stored_items <> p.items
  or not p.is_referring
  union all
  -- Money that was taken by a purchase of which there is no record.
  select e.id::text, l.account_id, 'no purchase', format('paid %s', l.debit), -l.debit,
    jsonb_build_object('entry_id', e.id)
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id
  join saldo.member as m on m.account_id = l.account_id
  where e.source = 'purchase'
  and e.kind = 'normal'
  and not exists (
    select
    from saldo.purchase as p
    where p.account_id = l.account_id
    and p.entry_id = e.id
  )
  union all
  select s.purchase_id::text, s.account_id, 'no purchase', format('item %s', s.id), null,
    jsonb_build_object('stock_item_id', s.id)
  from saldo.stock_item as s
  left join saldo.purchase as p on p.account_id = s.account_id and p.id = s.purchase_id
    and p.product_id = s.product_id
  where s.purchase_id is not null
  and p.id is null
$$;
comment on function saldo_private.rule_purchase_entry is
  'Purchases that disagree with the journal or the stock: a completed one has its entry with its '
  'amount on the wallet, a refunded one the reversal of it as well, a pending or failed one none; '
  'items are assigned to pending and completed purchases of tracked products, one a unit.';
--! EndIncluded wallet/purchase_rule.sql
--! Included wallet/wallet_history.sql
-- Wallet history: what a member reads about the own wallet, line by line.
--
-- Public: wallet_history.
-- Posted lines carry the balance on from line to line; pending and failed purchases stand among
-- them with the balance unmoved, since they posted nothing.

create or replace function saldo_private.wallet_history__lines(account_id bigint)
returns setof saldo.wallet_history_line
language sql
stable
as $$
  with paid as (
    select p.entry_id, p.id as purchase_id, p.status, p.product_id, p.quantity
    from saldo.purchase as p
    where p.account_id = wallet_history__lines.account_id
    and p.entry_id is not null
    union all
    select p.refund_entry_id, p.id, p.status, p.product_id, p.quantity
    from saldo.purchase as p
    where p.account_id = wallet_history__lines.account_id
    and p.refund_entry_id is not null
  ),
  line as (
    select e.occurred_at, e.recorded_at, e.id,
      case
        when paid.purchase_id is null and e.source = 'top_up' then 'top_up'
        when paid.purchase_id is null then 'adjustment'
        when e.kind = 'reversal' then 'refund'
        else 'purchase'
      end::saldo.wallet_line_kind as kind,
      paid.status, e.description, l.change as amount, l.change, paid.purchase_id, paid.product_id,
      paid.quantity
    from (
      select j.entry_id, sum(j.credit - j.debit) as change
      from saldo.journal_line as j
      where j.account_id = wallet_history__lines.account_id
      group by j.entry_id
    ) as l
    join saldo.journal_entry as e on e.id = l.entry_id
    left join paid on paid.entry_id = e.id
    where e.status <> 'draft'
    union all
    select p.occurred_at, p.created_at, p.id, 'purchase', p.status,
      case when p.quantity = 1 then product.name
      else format('%s x %s', p.quantity, product.name) end,
      -p.amount, 0, p.id, p.product_id, p.quantity
    from saldo.purchase as p
    left join saldo.product on product.id = p.product_id
    where p.account_id = wallet_history__lines.account_id
    and p.entry_id is null
  )
  select line.occurred_at, line.id, line.kind, line.status, line.description, line.amount,
    sum(line.change) over (
      order by line.occurred_at, line.recorded_at, line.id
      rows between unbounded preceding and current row
    ),
    line.purchase_id, line.product_id, line.quantity
  from line
  -- Several things may have occurred at one moment: then in the order in which they were recorded.
  order by line.occurred_at, line.recorded_at, line.id
$$;
comment on function saldo_private.wallet_history__lines is
  'All lines of a wallet account, oldest first.';

create or replace function saldo.wallet_history(member_id bigint)
returns setof saldo.wallet_history_line
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_member saldo.member := saldo_private.require_member(wallet_history.member_id);
begin
  return query
  select h.occurred_at, h.id, h.kind, h.status, h.description, h.amount,
    trim_scale(h.balance), h.purchase_id, h.product_id, h.quantity
  from saldo_private.wallet_history__lines(v_member.account_id) as h;
end
$$;
comment on function saldo.wallet_history is
  'Top-ups, purchases, refunds and adjustments of a member''s wallet, oldest first by the time '
  'at which they occurred, each with the balance after it. Pending and failed purchases leave the '
  'balance as it was. Members may ask for themselves. Errors in checking order: SB007, SB304.';
revoke execute on function saldo.wallet_history from public;
grant execute on function saldo.wallet_history to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.wallet_line_kind is
  'What a line of a wallet''s history is; adjustment: whatever else was posted to the wallet.';
comment on type saldo.wallet_history_line is 'A line of a wallet''s history.';
comment on column saldo.wallet_history_line.occurred_at is 'When it happened in business.';
comment on column saldo.wallet_history_line.id is
  'The journal entry; for a purchase that posted nothing, the purchase.';
comment on column saldo.wallet_history_line.kind is 'What it is.';
comment on column saldo.wallet_history_line.status is
  'State of the purchase now; null for other lines.';
comment on column saldo.wallet_history_line.description is 'What happened, in words.';
comment on column saldo.wallet_history_line.amount is
  'Signed: positive into the wallet, negative out of it; for a pending or failed purchase what it '
  'would have taken.';
comment on column saldo.wallet_history_line.balance is 'Posted balance after the line.';
comment on column saldo.wallet_history_line.purchase_id is 'Purchase paid or refunded, if any.';
comment on column saldo.wallet_history_line.product_id is 'Product of that purchase.';
comment on column saldo.wallet_history_line.quantity is 'Units of that purchase.';
--! EndIncluded wallet/wallet_history.sql

-- metering: customers, deposits, prices and factors, meters, readings, rating, monthly figures
--! Included metering/customer.sql
-- Customers: whose gas is metered and paid from a deposit account.
--
-- Public: saldo.customer, create_customer. Private: require_customer, lock_rating.
-- The deposit account is a liability without a minimum: consumption is a fact, and may exceed the
-- deposit.
-- Locks: whoever changes readings holds the versions shared and the customer's row, so that two
-- re-ratings of one customer never interleave; whoever changes a price or factor of all customers
-- holds the versions alone. In every function of the room the order is: idempotency key, versions,
-- customers by account, months, accounts.

create or replace function saldo_private.require_customer(customer_id bigint)
returns saldo.customer
language plpgsql
stable
as $$
declare
  v_customer saldo.customer;
begin
  select *
  into v_customer
  from saldo.customer
  where id = require_customer.customer_id;
  if v_customer.id is null then
    perform saldo_private.fail('customer_not_found', format('customer %s', customer_id));
  end if;
  return v_customer;
end
$$;
comment on function saldo_private.require_customer is 'The customer. Error: SB401.';

create or replace function saldo_private.lock_rating(account_ids bigint[])
returns void
language plpgsql
as $$
begin
  perform saldo_private.require_read_committed();
  if account_ids is null then
    perform pg_advisory_xact_lock(7248, 0);
    return;
  end if;
  perform pg_advisory_xact_lock_shared(7248, 0);
  perform
  from saldo.customer as c
  where c.account_id = any (account_ids)
  order by c.account_id
  for no key update;
end
$$;
comment on function saldo_private.lock_rating is
  'Locks what the rating of these customers rests on; null = of all. What is read afterwards is '
  'what is committed by then: SB020.';

create or replace function saldo.create_customer(code text, name text, currency text default null)
returns saldo.customer
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_code text := saldo_private.require_text(create_customer.code, 'code', 90);
  v_name text := saldo_private.require_text(create_customer.name, 'name', 180);
  v_account saldo.account;
  v_customer saldo.customer;
begin
  v_account := saldo.open_account(
    code => 'customer:' || v_code,
    name => 'Deposit of ' || v_name,
    type => 'liability',
    currency => create_customer.currency
  );
  -- The account's code is unique and made of the customer's, so the customer's is free as well.
  insert into saldo.customer (code, name, account_id, currency)
  values (v_code, v_name, v_account.id, v_account.currency)
  returning * into v_customer;
  insert into saldo_private.account_follower (account_id, follower)
  values (v_account.id, 'customer_month');
  return v_customer;
end
$$;
comment on function saldo.create_customer is
  'Creates a customer with an empty deposit account, which may go below zero. currency: three '
  'capital letters, default the setting currency. Errors in checking order: SB010 for a missing '
  'code or name, SB008, SB009, SB010 for the currency, SB014 for a code that is taken.';
revoke execute on function saldo.create_customer from public;
grant execute on function saldo.create_customer to saldo_admin;

select saldo_private.secure_table('saldo.customer');
drop policy if exists select_all on saldo.customer;
create policy select_all on saldo.customer for select to saldo_admin, saldo_operator using (true);
grant select on saldo.customer to saldo_admin, saldo_operator;

comment on type saldo.record_status is
  'current: it counts; superseded: another one took its place; removed: it counts no more.';
comment on table saldo.customer is 'A customer whose consumption is metered and rated.';
comment on column saldo.customer.id is 'Id.';
comment on column saldo.customer.code is 'Code for people, unique.';
comment on column saldo.customer.name is 'Name.';
comment on column saldo.customer.account_id is 'Deposit account, a liability; it never changes.';
comment on column saldo.customer.currency is 'Currency of the account, and so of the prices.';
comment on column saldo.customer.created_at is 'When the customer was created.';
--! EndIncluded metering/customer.sql
--! Included metering/customer_month_total.sql
-- Monthly totals of each customer, as reported: by the month of posting.
--
-- Public: saldo.customer_month_total. Private: split_customer_line, add_to_customer_months,
-- derived_customer_month, customer_month_change, write_customer_months, follow_customer_month,
-- heal_customer_month_total, undo_heal_customer_month_total.
-- Openings are not stored, they are sums: a back-dated fact costs the same however many months
-- come after it.
-- Invariant, at every commit: a month is the sum of the journal lines of the deposit account, by
-- kind, and of the volumes of the rated lines. Whoever posts, the accounts' follower adds money
-- (account_follower.sql in the ledger); rate_readings adds volumes.
-- Locks: the account, then its months. Lines are written before the total that they are added to:
-- so whoever holds the row of a total, and reads the lines in a later statement, sees all that is
-- in it, and nothing else. Only a rating whose volumes come to no money at all writes months
-- without the account: against two deposits in one transaction it may have to be sent again.

create or replace function saldo_private.split_customer_line(
  source text,
  origin_month date,
  change numeric
)
returns table (
  deposits numeric,
  purchases numeric,
  deposit_adjustments numeric,
  purchase_adjustments numeric,
  others numeric
)
language sql
immutable
as $$
  select case when source = 'deposit' and origin_month is null then change else 0 end,
    case when source = 'rating' and origin_month is null then -change else 0 end,
    case when source = 'deposit' and origin_month is not null then change else 0 end,
    case when source = 'rating' and origin_month is not null then -change else 0 end,
    case when source in ('deposit', 'rating') then 0 else change end
$$;
comment on function saldo_private.split_customer_line is
  'In which figure of a month a line counts. source: of its entry, or of what that reverses; '
  'change: what it does to the balance.';

create or replace function saldo_private.add_to_customer_months(
  totals saldo.customer_month_total[]
)
returns void
language sql
as $$
  insert into saldo.customer_month_total as t (
    account_id, month, deposits, purchases, deposit_adjustments, purchase_adjustments, others,
    volume_sm3, volume_adjustments
  )
  select n.account_id, n.month, coalesce(n.deposits, 0), coalesce(n.purchases, 0),
    coalesce(n.deposit_adjustments, 0), coalesce(n.purchase_adjustments, 0),
    coalesce(n.others, 0), coalesce(n.volume_sm3, 0), coalesce(n.volume_adjustments, 0)
  from unnest(totals) as n
  order by n.account_id, n.month
  on conflict on constraint customer_month_total_pkey do update
  set deposits = t.deposits + excluded.deposits,
    purchases = t.purchases + excluded.purchases,
    deposit_adjustments = t.deposit_adjustments + excluded.deposit_adjustments,
    purchase_adjustments = t.purchase_adjustments + excluded.purchase_adjustments,
    others = t.others + excluded.others,
    volume_sm3 = t.volume_sm3 + excluded.volume_sm3,
    volume_adjustments = t.volume_adjustments + excluded.volume_adjustments,
    last_calculated_at = excluded.last_calculated_at
$$;
comment on function saldo_private.add_to_customer_months is
  'Adds to months, in the order of account and month; each once. What is null adds nothing.';

create or replace function saldo_private.add_rated_volumes(lines saldo.rated_line[])
returns void
language sql
as $$
  select saldo_private.add_to_customer_months(array_agg(m.total))
  from (
    select (
      l.account_id, saldo_private.month_of(l.posting_date), 0, 0, 0, 0, 0,
      coalesce(sum(l.volume_change)
        filter (where l.month = saldo_private.month_of(l.posting_date)), 0),
      coalesce(sum(l.volume_change)
        filter (where l.month <> saldo_private.month_of(l.posting_date)), 0),
      null
    )::saldo.customer_month_total as total
    from unnest(lines) as l
    where l.volume_change <> 0
    group by l.account_id, saldo_private.month_of(l.posting_date)
  ) as m
$$;
comment on function saldo_private.add_rated_volumes is
  'Adds what rated lines change to the months in which they are posted; none where all stay.';

create or replace function saldo_private.derived_customer_month(account_ids bigint[])
returns table (account_id bigint, month date, figures jsonb, line_count bigint)
language sql
stable
as $$
  select part.account_id, part.month, jsonb_build_object(
      'deposits', trim_scale(sum(part.deposits)),
      'purchases', trim_scale(sum(part.purchases)),
      'deposit_adjustments', trim_scale(sum(part.deposit_adjustments)),
      'purchase_adjustments', trim_scale(sum(part.purchase_adjustments)),
      'others', trim_scale(sum(part.others)),
      'volume_sm3', trim_scale(sum(part.volume_sm3)),
      'volume_adjustments', trim_scale(sum(part.volume_adjustments))
    ), count(*)
  from (
    select l.account_id, saldo_private.month_of(l.posting_date) as month, s.deposits, s.purchases,
      s.deposit_adjustments, s.purchase_adjustments, s.others, 0 as volume_sm3,
      0 as volume_adjustments
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    -- An entry that was reversed by hand takes its kind with it.
    left join saldo.journal_entry as reversed on reversed.id = e.reverses
    cross join lateral saldo_private.split_customer_line(
      coalesce(reversed.source, e.source), e.origin_month, l.credit - l.debit
    ) as s
    where l.account_id = any (account_ids)
    union all
    select r.account_id, about.month, 0, 0, 0, 0, 0,
      case when r.month = about.month then r.volume_change::numeric else 0 end,
      case when r.month <> about.month then r.volume_change::numeric else 0 end
    from saldo.rated_line as r
    cross join lateral (select saldo_private.month_of(r.posting_date) as month) as about
    where r.account_id = any (account_ids)
    and r.volume_change <> 0
  ) as part
  group by part.account_id, part.month
$$;
comment on function saldo_private.derived_customer_month is
  'The totals of these accounts as journal and rated lines make them. line_count: how many lines.';

create or replace function saldo_private.customer_month_change(account_ids bigint[])
returns table (change saldo.monthly_balance_change, line_count bigint)
language sql
stable
as $$
  select (
    c.id, account_id, month::date,
    case when s.figures is null then 'missing' when d.figures is null then 'surplus'
      when s.figures = d.figures then 'same' else 'differs' end,
    s.figures, d.figures, null
  )::saldo.monthly_balance_change, coalesce(d.line_count, 0)
  from (
    select t.account_id, t.month::date as month,
      to_jsonb(t) - '{account_id,month,last_calculated_at}'::text[] as figures
    from saldo.customer_month_total as t
    where t.account_id = any (account_ids)
  ) as s
  full join saldo_private.derived_customer_month(account_ids) as d using (account_id, month)
  left join saldo.customer as c using (account_id)
$$;
comment on function saldo_private.customer_month_change is
  'Each month of these accounts: what is stored, what is derived, and what that means.';

create or replace function saldo_private.write_customer_months(
  changes saldo.monthly_balance_change[]
)
returns void
language plpgsql
as $$
begin
  delete from saldo.customer_month_total as t
  using unnest(changes) as n
  where n.action = 'surplus'
  and t.account_id = n.account_id
  and t.month = n.month;

  update saldo.customer_month_total as t
  set deposits = d.deposits,
    purchases = d.purchases,
    deposit_adjustments = d.deposit_adjustments,
    purchase_adjustments = d.purchase_adjustments,
    others = d.others,
    volume_sm3 = d.volume_sm3,
    volume_adjustments = d.volume_adjustments,
    last_calculated_at = clock_timestamp()
  from unnest(changes) as n
  cross join jsonb_populate_record(null::saldo.customer_month_total, n.derived) as d
  where n.action in ('differs', 'same')
  and t.account_id = n.account_id
  and t.month = n.month;

  -- Added, not set: a row that came since has only what was not there to be derived from.
  perform saldo_private.add_to_customer_months(array(
    select d
    from unnest(changes) as n
    cross join jsonb_populate_record(
      null::saldo.customer_month_total,
      n.derived || jsonb_build_object('account_id', n.account_id, 'month', n.month)
    ) as d
    where n.action = 'missing'
  ));
end
$$;
comment on function saldo_private.write_customer_months is
  'Writes what is derived over what is stored. The caller has locked the months before it derived.';

create or replace function saldo_private.lock_customer_months(account_ids bigint[])
returns void
language plpgsql
as $$
begin
  -- Whoever posts has the account before it writes its months, in any order.
  perform
  from saldo.account as a
  where a.id = any (account_ids)
  order by a.id
  for no key update;
  perform
  from saldo.customer_month_total as t
  where t.account_id = any (account_ids)
  order by t.account_id, t.month
  for update;
end
$$;
comment on function saldo_private.lock_customer_months is
  'Locks the totals of these accounts: what the next statement derives is what belongs in them.';

create or replace function saldo_private.balance_change_of(figures jsonb)
returns numeric
language sql
immutable
as $$
  select coalesce((figures ->> 'deposits')::numeric - (figures ->> 'purchases')::numeric
    + (figures ->> 'deposit_adjustments')::numeric - (figures ->> 'purchase_adjustments')::numeric
    + (figures ->> 'others')::numeric, 0)
$$;
comment on function saldo_private.balance_change_of is
  'What the figures of a month do to the balance.';

create or replace function saldo_private.rule_customer_month_total()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s %s', (c.change).account_id, (c.change).month), (c.change).account_id,
    (c.change).stored::text, (c.change).derived::text,
    saldo_private.balance_change_of((c.change).stored)
      - saldo_private.balance_change_of((c.change).derived),
    jsonb_build_object('month', (c.change).month, 'action', (c.change).action)
  from saldo_private.customer_month_change(array(
    select u.account_id from saldo.customer as u
    union
    select t.account_id from saldo.customer_month_total as t
  )) as c
  where (c.change).action <> 'same'
$$;
comment on function saldo_private.rule_customer_month_total is
  'Months of customers whose totals are not the sums of their lines, missing and superfluous ones '
  'included. difference: what they do to the balance, stored less derived.';

create or replace function saldo_private.heal_customer_month_total(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_account_ids bigint[] := array(
    select distinct split_part(k, ' ', 1)::bigint
    from unnest(keys) as k
  );
  v_changes saldo.monthly_balance_change[];
begin
  perform saldo_private.lock_customer_months(v_account_ids);
  select array_agg(c.change)
  into v_changes
  from saldo_private.customer_month_change(v_account_ids) as c
  where format('%s %s', (c.change).account_id, (c.change).month) = any (keys)
  and (c.change).action <> 'same';
  if v_changes is null then
    return;
  end if;
  perform saldo_private.write_customer_months(v_changes);
  return query
  select format('%s %s', c.account_id, c.month), c.stored, c.derived
  from unnest(v_changes) as c;
end
$$;
comment on function saldo_private.heal_customer_month_total is
  'Sets months of customers to the sums of their lines, under the locks of their writers. A row '
  'for each that differed.';

create or replace function saldo_private.undo_heal_customer_month_total(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_account_id bigint := split_part(key, ' ', 1)::bigint;
  v_month date := split_part(key, ' ', 2)::date;
  v_was saldo.customer_month_total;
  v_became saldo.customer_month_total;
begin
  perform saldo_private.lock_customer_months(array[v_account_id]);
  select t.*
  into v_was
  from saldo.customer_month_total as t
  where t.account_id = v_account_id
  and t.month = v_month;
  perform saldo_private.add_to_customer_months(array[jsonb_populate_record(
    null::saldo.customer_month_total,
    jsonb_build_object('account_id', v_account_id, 'month', v_month) || (
      select jsonb_object_agg(figure.name, coalesce((before ->> figure.name)::numeric, 0)
        - coalesce((after ->> figure.name)::numeric, 0))
      from jsonb_object_keys(coalesce(before, after)) as figure (name)
    )
  )]);
  select t.*
  into v_became
  from saldo.customer_month_total as t
  where t.account_id = v_account_id
  and t.month = v_month;
  return query
  select to_jsonb(v_was) - '{account_id,month,last_calculated_at}'::text[],
    to_jsonb(v_became) - '{account_id,month,last_calculated_at}'::text[];
end
$$;
comment on function saldo_private.undo_heal_customer_month_total is
  'Takes from a month of a customer what a heal gave it, under the locks of its writers.';

create or replace function saldo_private.follow_customer_month(lines saldo.journal_line[])
returns void
language sql
as $$
  select saldo_private.add_to_customer_months(array(
    select (
      n.account_id, saldo_private.month_of(n.posting_date), sum(s.deposits), sum(s.purchases),
      sum(s.deposit_adjustments), sum(s.purchase_adjustments), sum(s.others), 0, 0, null
    )::saldo.customer_month_total
    from unnest(lines) as n
    join saldo.journal_entry as e on e.id = n.entry_id
    left join saldo.journal_entry as reversed on reversed.id = e.reverses
    cross join lateral saldo_private.split_customer_line(
      coalesce(reversed.source, e.source), e.origin_month, n.credit - n.debit
    ) as s
    group by n.account_id, saldo_private.month_of(n.posting_date)
  ))
$$;
comment on function saldo_private.follow_customer_month is
  'Adds lines of customers to their months: the follower of their accounts.';

select saldo_private.secure_table('saldo.customer_month_total');
drop policy if exists select_all on saldo.customer_month_total;
create policy select_all on saldo.customer_month_total for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.customer_month_total to saldo_admin, saldo_operator;

comment on table saldo.customer_month_total is
  'What was reported for a customer in a month; opening and closing are sums of these.';
comment on column saldo.customer_month_total.account_id is 'Deposit account of the customer.';
comment on column saldo.customer_month_total.month is 'Month of posting, its first day.';
comment on column saldo.customer_month_total.deposits is 'Deposits, less those taken back.';
comment on column saldo.customer_month_total.purchases is 'What the readings cost.';
comment on column saldo.customer_month_total.deposit_adjustments is
  'Deposits of closed months that came, changed or went.';
comment on column saldo.customer_month_total.purchase_adjustments is
  'What readings of closed months cost more, or less if negative.';
comment on column saldo.customer_month_total.others is
  'Whatever else was posted, positive if it adds.';
comment on column saldo.customer_month_total.volume_sm3 is
  'Volume at reference conditions of this month.';
comment on column saldo.customer_month_total.volume_adjustments is
  'Sm3 of closed months that came or went.';
comment on column saldo.customer_month_total.last_calculated_at is
  'When the figures were written last.';
--! EndIncluded metering/customer_month_total.sql
--! Included metering/deposit.sql
-- Deposits: money that a customer pays in.
--
-- Public: saldo.deposit, add_deposit, change_deposit, remove_deposit.
-- Each is a journal entry (debit cash, credit the deposit account). A change is the reversal of the
-- entry and a new one; both bear the date of the deposit, so that an open month is put right in
-- place and a closed one on the first open day. The row of a deposit only ever ends.
-- Locks: idempotency key, the deposit, then the accounts in id order.

create or replace function saldo_private.deposit__record(
  deposit saldo.deposit,
  currency text
)
returns saldo.deposit
language plpgsql
as $$
declare
  v_entry saldo.journal_entry;
  v_deposit saldo.deposit;
begin
  v_entry := saldo_private.post_pair(
    entry_id => saldo_private.uuid_v7(),
    debit_account_id => saldo_private.system_account('cash', deposit__record.currency),
    credit_account_id => deposit.account_id,
    amount => deposit.amount,
    description => deposit.description,
    source => 'deposit',
    occurred_at => deposit.occurred_at,
    idempotency_key => deposit.idempotency_key
  );
  insert into saldo.deposit (
    account_id, id, amount, occurred_at, description, revision, supersedes, entry_id,
    idempotency_key, recorded_by
  )
  values (
    deposit.account_id, deposit.id, deposit.amount, deposit.occurred_at, deposit.description,
    deposit.revision, deposit.supersedes, v_entry.id, deposit.idempotency_key,
    saldo_private.actor()
  )
  returning * into v_deposit;
  return v_deposit;
end
$$;
comment on function saldo_private.deposit__record is 'Writes a deposit and posts it.';

create or replace function saldo_private.deposit__earlier(deposit_id uuid)
returns saldo.deposit
language plpgsql
stable
as $$
declare
  v_deposit saldo.deposit;
begin
  select *
  into strict v_deposit
  from saldo.deposit
  where id = deposit__earlier.deposit_id;
  return v_deposit;
end
$$;
comment on function saldo_private.deposit__earlier is
  'What an earlier request with a key recorded.';

create or replace function saldo_private.deposit__end(
  deposit_id uuid,
  status saldo.record_status,
  description text
)
returns saldo.deposit
language plpgsql
as $$
declare
  v_deposit saldo.deposit;
  v_reversal_id uuid := saldo_private.uuid_v7();
begin
  select *
  into v_deposit
  from saldo.deposit
  where id = deposit__end.deposit_id
  for no key update;
  if v_deposit.id is null then
    perform saldo_private.fail('deposit_not_found', format('deposit %s', deposit_id));
  elsif v_deposit.status <> 'current' then
    perform saldo_private.fail(
      'deposit_state', format('deposit %s: %s', deposit_id, v_deposit.status)
    );
  end if;
  perform saldo_private.reverse_posted_entry(
    entry_id => v_deposit.entry_id,
    reversal_id => v_reversal_id,
    description => deposit__end.description,
    source => 'deposit',
    occurred_at => v_deposit.occurred_at,
    is_correction => true
  );
  update saldo.deposit as d
  set status = deposit__end.status,
    reversal_entry_id = v_reversal_id,
    ended_at = clock_timestamp(),
    ended_by = saldo_private.actor()
  where d.account_id = v_deposit.account_id
  and d.id = v_deposit.id
  returning * into v_deposit;
  return v_deposit;
end
$$;
comment on function saldo_private.deposit__end is
  'Takes a deposit back: reverses its entry and marks it. Errors: SB402, SB403, SB106 where its '
  'entry was reversed by hand, SB108.';

create or replace function saldo.add_deposit(
  customer_id bigint,
  amount numeric,
  occurred_at timestamptz default null,
  description text default null,
  idempotency_key text default null
)
returns saldo.deposit
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_deposit saldo.deposit;
  v_customer saldo.customer;
  v_earlier_id uuid;
begin
  v_deposit.id := saldo_private.uuid_v7();
  v_deposit.amount := saldo_private.require_amount(add_deposit.amount);
  v_deposit.occurred_at := saldo_private.require_occurred_at(add_deposit.occurred_at);
  v_deposit.description := case when add_deposit.description is null then 'Deposit'
    else saldo_private.require_text(add_deposit.description, 'description') end;
  v_deposit.revision := 1;
  v_customer := saldo_private.require_customer(add_deposit.customer_id);
  v_deposit.account_id := v_customer.account_id;

  v_earlier_id := saldo_private.claim_idempotency_key(
    'metering', add_deposit.idempotency_key, 'add_deposit',
    jsonb_build_array(
      add_deposit.customer_id, v_deposit.amount, extract(epoch from add_deposit.occurred_at),
      add_deposit.description
    ),
    v_deposit.id
  );
  if v_earlier_id is not null then
    return saldo_private.deposit__earlier(v_earlier_id);
  end if;
  v_deposit.idempotency_key := add_deposit.idempotency_key;
  return saldo_private.deposit__record(v_deposit, v_customer.currency);
end
$$;
comment on function saldo.add_deposit is
  'Records a deposit of a customer and posts it. occurred_at: default now. The same '
  'idempotency_key with the same content returns the first deposit. Errors in checking order: '
  'SB002, SB004, SB003, SB010, SB008, SB009, SB401, SB005, SB108, SB102 for a closed account.';
revoke execute on function saldo.add_deposit from public;
grant execute on function saldo.add_deposit to saldo_admin;

create or replace function saldo.change_deposit(
  deposit_id uuid,
  amount numeric default null,
  occurred_at timestamptz default null,
  description text default null,
  idempotency_key text default null
)
returns saldo.deposit
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_amount numeric := case when change_deposit.amount is not null
    then saldo_private.require_amount(change_deposit.amount) end;
  v_occurred_at timestamptz := case when change_deposit.occurred_at is not null
    then saldo_private.require_occurred_at(change_deposit.occurred_at) end;
  v_description text := case when change_deposit.description is not null
    then saldo_private.require_text(change_deposit.description, 'description') end;
  v_id uuid := saldo_private.uuid_v7();
  v_deposit saldo.deposit;
  v_earlier_id uuid;
begin
  v_earlier_id := saldo_private.claim_idempotency_key(
    'metering', change_deposit.idempotency_key, 'change_deposit',
    jsonb_build_array(change_deposit.deposit_id, v_amount,
      extract(epoch from change_deposit.occurred_at), change_deposit.description),
    v_id
  );
  if v_earlier_id is not null then
    return saldo_private.deposit__earlier(v_earlier_id);
  end if;

  v_deposit := saldo_private.deposit__end(change_deposit.deposit_id, 'superseded',
    'Change of a deposit');
  v_deposit.supersedes := v_deposit.id;
  v_deposit.id := v_id;
  v_deposit.revision := v_deposit.revision + 1;
  v_deposit.amount := coalesce(v_amount, v_deposit.amount);
  v_deposit.occurred_at := coalesce(v_occurred_at, v_deposit.occurred_at);
  v_deposit.description := coalesce(v_description, v_deposit.description);
  v_deposit.idempotency_key := change_deposit.idempotency_key;
  return saldo_private.deposit__record(v_deposit, (
    select c.currency
    from saldo.customer as c
    where c.account_id = v_deposit.account_id
  ));
end
$$;
comment on function saldo.change_deposit is
  'Puts another deposit in the place of one: reverses its entry and posts a new one. What is not '
  'given stays as it was. The same idempotency_key with the same content returns the first '
  'result. Errors in checking order: SB002, SB004, SB003, SB010, SB008, SB009, SB005, SB402, '
  'SB403, SB106, SB108, SB102.';
revoke execute on function saldo.change_deposit from public;
grant execute on function saldo.change_deposit to saldo_admin;

create or replace function saldo.remove_deposit(deposit_id uuid, reason text)
returns saldo.deposit
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.deposit__end(
    remove_deposit.deposit_id, 'removed',
    saldo_private.require_text(remove_deposit.reason, 'reason')
  );
end
$$;
comment on function saldo.remove_deposit is
  'Takes a deposit back by the reversal of its entry; both stay in the books. Errors in checking '
  'order: SB010, SB008, SB009, SB402, SB403, SB106, SB108, SB102.';
revoke execute on function saldo.remove_deposit from public;
grant execute on function saldo.remove_deposit to saldo_admin;

select saldo_private.secure_table('saldo.deposit');
drop policy if exists select_all on saldo.deposit;
create policy select_all on saldo.deposit for select to saldo_admin, saldo_operator using (true);
grant select on saldo.deposit to saldo_admin, saldo_operator;

comment on table saldo.deposit is
  E'@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  '@foreignKey (reversal_entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A deposit of a customer. A changed one is superseded by another row.';
comment on column saldo.deposit.account_id is 'Deposit account of the customer.';
comment on column saldo.deposit.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.deposit.amount is 'Amount paid in.';
comment on column saldo.deposit.occurred_at is 'When it was paid in business.';
comment on column saldo.deposit.description is 'What it was, in words.';
comment on column saldo.deposit.status is 'current, superseded or removed.';
comment on column saldo.deposit.revision is 'Counts the changes of one deposit, from 1.';
comment on column saldo.deposit.supersedes is 'Deposit in whose place it came; null = the first.';
comment on column saldo.deposit.entry_id is 'Journal entry that carries it.';
comment on column saldo.deposit.reversal_entry_id is
  'Entry that took it back; null while it is current.';
comment on column saldo.deposit.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.deposit.recorded_at is 'When it was recorded.';
comment on column saldo.deposit.recorded_by is 'Who recorded it: token subject or login.';
comment on column saldo.deposit.ended_at is 'When it was superseded or removed; null = current.';
comment on column saldo.deposit.ended_by is 'Who did that.';
comment on constraint deposit_account_id_fkey on saldo.deposit is
  E'@fieldName customer\n@foreignFieldName deposits\nThe deposit account names the customer.';
--! EndIncluded metering/deposit.sql
--! Included metering/correction_formula.sql
-- Correction: from the volume that a meter saw to the volume at reference conditions.
--
-- Public: correction_factor. Private: rounded, require_condition.
-- Numeric throughout, with one division at the end, so that every server version and every reader
-- with pencil and paper gets the same digits.

create or replace function saldo_private.rounded(
  value numeric,
  digits integer,
  rounding saldo.rounding_rule
)
returns numeric
language sql
immutable
as $$
  select case rounding when 'down' then trunc(value, digits) else round(value, digits) end
$$;
comment on function saldo_private.rounded is
  'The value with that many decimals; half_up: halves away from zero.';

create or replace function saldo_private.require_condition(
  value numeric,
  what text,
  lowest numeric,
  highest numeric
)
returns numeric
language plpgsql
immutable
as $$
begin
  -- NaN is above every number, and null is no answer at all.
  if (value between lowest and highest) is not true then
    perform saldo_private.fail('condition_out_of_range', format(
      '%s: %s to %s, not %s', what, lowest, highest, coalesce(value::text, 'none')
    ));
  end if;
  return value;
end
$$;
comment on function saldo_private.require_condition is 'The value, if it is within range: SB413.';

create or replace function saldo.correction_factor(
  pressure numeric,
  temperature numeric,
  formula saldo.factor_formula default 'gas_300k',
  digits integer default 4,
  rounding saldo.rounding_rule default 'half_up',
  atmospheric_pressure numeric default 1.01325,
  reference_pressure numeric default 1.01325,
  reference_temperature numeric default 27,
  compressibility numeric default 1
)
returns numeric
language plpgsql
immutable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_factor numeric;
begin
  perform saldo_private.require_condition(correction_factor.pressure, 'pressure (bar, gauge)', 0,
    100);
  perform saldo_private.require_condition(correction_factor.temperature, 'temperature (degrees C)',
    -50, 100);
  perform saldo_private.require_condition(correction_factor.digits, 'digits', 0, 10);
  if formula = 'gas_300k' then
    v_factor := (pressure + 1.01325) * 300 * (1 + 0.002 * pressure)
      / (1.01325 * (273 + temperature));
  elsif formula = 'reference' then
    perform saldo_private.require_condition(
      correction_factor.atmospheric_pressure, 'atmospheric pressure (bar)', 0.5, 1.2);
    perform saldo_private.require_condition(
      correction_factor.reference_pressure, 'reference pressure (bar, absolute)', 0.5, 2);
    perform saldo_private.require_condition(
      correction_factor.reference_temperature, 'reference temperature (degrees C)', -50, 100);
    perform saldo_private.require_condition(
      correction_factor.compressibility, 'compressibility', 0.1, 10);
    v_factor := (pressure + atmospheric_pressure) * (273.15 + reference_temperature)
      * compressibility / (reference_pressure * (273.15 + temperature));
  else
    perform saldo_private.fail('input_invalid', 'formula: gas_300k or reference');
  end if;
  -- Few digits may round it away, and nothing would be billed any more.
  return saldo_private.require_condition(
    saldo_private.rounded(v_factor, digits, coalesce(rounding, 'half_up')), 'factor, rounded',
    0.0001, 10000
  );
end
$$;
comment on function saldo.correction_factor is
  'Factor from a volume at gauge pressure p (bar) and temperature t (degrees C) to reference '
  'conditions. gas_300k: (p + 1.01325)/1.01325 x 300/(273 + t) x (1 + 0.002 p). reference: '
  '(p + atmospheric pressure)/reference pressure x (273.15 + reference temperature)/(273.15 + t) '
  'x compressibility, the ratio of that at reference conditions to that of the line. Rounded once. '
  'Errors: SB413 for a condition out of range or a factor that is rounded to 0, SB010 for another '
  'formula.';
revoke execute on function saldo.correction_factor from public;
grant execute on function saldo.correction_factor to saldo_admin, saldo_operator;

comment on type saldo.factor_formula is
  'fixed: a factor as given; gas_300k: by gauge pressure and temperature, at 300 kelvin and 1 '
  'atmosphere; reference: by stated reference conditions.';
comment on type saldo.rounding_rule is
  'half_up: to the nearest, halves away from zero; down: towards zero.';
--! EndIncluded metering/correction_formula.sql
--! Included metering/rating.sql
-- Rating: what a reading costs, by the versions of price and factor of its business date.
--
-- Public: saldo.rated_line. Private: reading_volume, previous_index, require_rated, rating_of,
-- rating_change, with_next_readings.
-- Volume x factor is rounded by the rule of the factor's version, volume x price once more, to
-- cents, by the rule that the line names; nothing else is rounded.
-- A version that is in effect on the date: that of the customer before that of all, then the one
-- that began last. Where none is, the last known one may stand in (setting
-- rating_without_version), and the line is provisional.
-- These functions write nothing: rate_readings.sql does.

create or replace function saldo_private.reading_volume(
  meter saldo.meter,
  reading saldo.reading,
  previous_index numeric
)
returns numeric
language sql
immutable
as $$
  select case
    when meter.kind = 'volume' then reading.volume
    when reading.is_rollover then meter.register_limit - previous_index + reading.index_value
    else reading.index_value - previous_index
  end
$$;
comment on function saldo_private.reading_volume is
  'What went through the meter since the reading before, whose index is given.';

create or replace function saldo_private.previous_index(meter saldo.meter, read_at timestamptz)
returns numeric
language plpgsql
stable
as $$
begin
  -- PL/pgSQL for its cached plan: it is called for each reading.
  return coalesce(
    (
      select p.index_value
      from saldo.reading as p
      where p.account_id = meter.account_id
      and p.meter_id = meter.id
      and p.status = 'current'
      and p.read_at < previous_index.read_at
      order by p.read_at desc
      limit 1
    ),
    meter.start_index
  );
end
$$;
comment on function saldo_private.previous_index is
  'Index that the meter showed at the reading before this moment, or when it was installed.';

create or replace function saldo_private.require_rated(value numeric)
returns numeric
language plpgsql
immutable
as $$
begin
  if value >= 1e15 then
    perform saldo_private.fail('amount_out_of_range', format('rated: %s', value));
  end if;
  return value;
end
$$;
comment on function saldo_private.require_rated is 'A rated volume or amount: SB004.';

create or replace function saldo_private.rating_of(reading_ids uuid[])
returns table (
  account_id bigint,
  reading_id uuid,
  read_at timestamptz,
  month date,
  is_provisional boolean,
  volume_m3 numeric,
  factor numeric,
  volume_sm3 numeric,
  price numeric,
  amount numeric,
  tariff_version_id bigint,
  factor_version_id bigint
)
language sql
stable
as $$
  select r.account_id, r.id, r.read_at, saldo_private.month_of(r.read_on),
    not (t.is_in_effect and f.is_in_effect), m3.volume, f.factor, sm3.volume, t.price,
    saldo_private.require_rated(round(sm3.volume * t.price, 2)), t.id, f.id
  from unnest(rating_of.reading_ids) as i (id)
  join saldo.reading as r on r.id = i.id
  join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
  join saldo.customer as c on c.account_id = r.account_id
  cross join lateral (
    select v.id, v.price, (v.effective_to < r.read_on) is not true as is_in_effect
    from saldo.tariff_version as v
    -- In the form of the index: there may be a version for each customer.
    where coalesce(v.account_id, 0) = any (array[r.account_id, 0])
    and v.currency = c.currency
    and v.effective_from <= r.read_on
    and v.removed_at is null
    order by 3 desc, v.account_id nulls last, v.effective_from desc
    limit 1
  ) as t
  cross join lateral (
    select v.id, v.factor, v.volume_digits, v.rounding,
      (v.effective_to < r.read_on) is not true as is_in_effect
    from saldo.correction_factor_version as v
    where coalesce(v.account_id, 0) = any (array[r.account_id, 0])
    and v.effective_from <= r.read_on
    and v.removed_at is null
    order by 5 desc, v.account_id nulls last, v.effective_from desc
    limit 1
  ) as f
  cross join lateral (
    select saldo_private.reading_volume(m, r, case when m.kind = 'index'
      then saldo_private.previous_index(m, r.read_at) end) as volume
    offset 0 -- else it is computed anew wherever it is used
  ) as m3
  cross join lateral (
    select saldo_private.require_rated(
      saldo_private.rounded(m3.volume * f.factor, f.volume_digits, f.rounding)
    ) as volume
    offset 0
  ) as sm3
  where r.status = 'current'
  and ((t.is_in_effect and f.is_in_effect)
    or saldo_private.setting_value('rating_without_version') = 'provisional')
$$;
comment on function saldo_private.rating_of is
  'What those of the readings cost that can be rated now: removed ones cannot, nor those on a date '
  'without price or factor where the setting rating_without_version holds them. Error: SB004.';

create or replace function saldo_private.rating_change(reading_ids uuid[])
returns setof saldo.rated_line
language sql
as $$
  select coalesce(n.account_id, l.account_id), saldo_private.uuid_v7(),
    coalesce(n.reading_id, l.reading_id), coalesce(l.revision, 0) + 1, l.id,
    coalesce(n.read_at, l.read_at), coalesce(n.month, l.month), n.reading_id is null,
    coalesce(n.is_provisional, false), coalesce(n.volume_m3, 0), n.factor,
    coalesce(n.volume_sm3, 0), n.price, coalesce(n.amount, 0), 'half_up_2',
    n.tariff_version_id, n.factor_version_id,
    coalesce(n.volume_sm3, 0) - coalesce(l.volume_sm3, 0),
    coalesce(n.amount, 0) - coalesce(l.amount, 0),
    null::uuid, null::date, clock_timestamp(), saldo_private.actor(), null::timestamptz
  from saldo_private.rating_of(rating_change.reading_ids) as n
  full join (
    select line.*
    from unnest(rating_change.reading_ids) as i (id)
    join saldo.reading as r on r.id = i.id
    join saldo.rated_line as line on line.account_id = r.account_id and line.reading_id = r.id
    where line.superseded_at is null
  ) as l on l.account_id = n.account_id and l.reading_id = n.reading_id
  where case
    when n.reading_id is null then not l.is_withdrawn
    else l.id is null or (
      l.is_withdrawn, l.is_provisional, l.volume_m3, l.factor, l.volume_sm3, l.price, l.amount,
      l.tariff_version_id, l.factor_version_id
    ) is distinct from (
      false, n.is_provisional, n.volume_m3, n.factor, n.volume_sm3, n.price, n.amount,
      n.tariff_version_id, n.factor_version_id
    )
  end
$$;
comment on function saldo_private.rating_change is
  'The next revision of the lines of those readings whose rating is no longer what it was, each '
  'with what it changes; withdrawn where the reading can no longer be rated. Not posted yet. '
  'reading_ids: each once.';

create or replace function saldo_private.with_next_readings(reading_ids uuid[])
returns uuid[]
language sql
stable
as $$
  select coalesce(array_agg(distinct a.id), '{}')
  from (
    select i.id
    from unnest(reading_ids) as i (id)
    union all
    select n.id
    from unnest(reading_ids) as i (id)
    join saldo.reading as r on r.id = i.id
    cross join lateral (
      select following.id
      from saldo.reading as following
      where following.account_id = r.account_id
      and following.meter_id = r.meter_id
      and following.status = 'current'
      and following.read_at > r.read_at
      order by following.read_at
      limit 1
    ) as n
  ) as a
$$;
comment on function saldo_private.with_next_readings is
  'The readings, and those that follow on them, whose volume depends on them: each once.';

select saldo_private.secure_table('saldo.rated_line');
drop policy if exists select_all on saldo.rated_line;
create policy select_all on saldo.rated_line for select to saldo_admin, saldo_operator using (true);
grant select on saldo.rated_line to saldo_admin, saldo_operator;

comment on table saldo.rated_line is
  E'@foreignKey (tariff_version_id) references saldo.tariff_version (id)|@backwardBehavior -*\n'
  '@foreignKey (factor_version_id) references saldo.correction_factor_version (id)'
  '|@backwardBehavior -*\n'
  '@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'What a reading costs. A new rating is a new revision; the old one stays, superseded.';
comment on column saldo.rated_line.account_id is 'Deposit account of the customer.';
comment on column saldo.rated_line.id is 'Id, version 7: ordered by the time of rating.';
comment on column saldo.rated_line.reading_id is 'Reading.';
comment on column saldo.rated_line.revision is 'Counts the ratings of the reading, from 1.';
comment on column saldo.rated_line.supersedes is 'Line in whose place it came; null = the first.';
comment on column saldo.rated_line.read_at is 'When it was read.';
comment on column saldo.rated_line.month is 'Month of the business date of the reading.';
comment on column saldo.rated_line.is_withdrawn is
  'Whether the reading costs nothing any more: it was removed, or has lost its price or factor.';
comment on column saldo.rated_line.is_provisional is
  'Whether price or factor are the last known ones, as none is in effect on the date.';
comment on column saldo.rated_line.volume_m3 is 'Volume by the flow meter, cubic metres.';
comment on column saldo.rated_line.factor is 'Correction factor; null when withdrawn.';
comment on column saldo.rated_line.volume_sm3 is
  'Volume at reference conditions, rounded by the rule of the factor''s version.';
comment on column saldo.rated_line.price is 'Price per Sm3; null when withdrawn.';
comment on column saldo.rated_line.amount is 'volume_sm3 times price, rounded once.';
comment on column saldo.rated_line.amount_rounding is
  'Rule of that rounding. half_up_2: to 2 decimals, halves away from zero.';
comment on column saldo.rated_line.tariff_version_id is 'Price that was used.';
comment on column saldo.rated_line.factor_version_id is 'Factor that was used.';
comment on column saldo.rated_line.volume_change is 'volume_sm3 less that of the line before.';
comment on column saldo.rated_line.amount_change is 'amount less that of the line before.';
comment on column saldo.rated_line.entry_id is
  'Entry that posted the change, with those of others of the customer and month; null when they '
  'came to nothing.';
comment on column saldo.rated_line.posting_date is
  'Date on which the change was posted: in another month than month when that was closed.';
comment on column saldo.rated_line.rated_at is 'When it was rated.';
comment on column saldo.rated_line.rated_by is 'Who caused it: token subject or login.';
comment on column saldo.rated_line.superseded_at is
  'When another revision took its place; null = it is the current one.';
--! EndIncluded metering/rating.sql
--! Included metering/rate_readings.sql
-- Re-rating: the ratings of any number of readings are brought up to date, and what that changes
-- is posted, in a handful of statements whatever their number.
--
-- Private: rate_readings. Public: rerate_readings.
-- Posts one entry per customer and month of business date: debit the deposit account, credit
-- revenue, or the reverse when it has become less. An open month is put right within itself; what
-- is about a closed one is posted on the first open day with its origin month.
-- Invariant: over all time the entries of a customer and month sum to its current lines.
-- Locks: the caller holds those of lock_rating; here the months, then the accounts.

create or replace function saldo_private.rate_readings__postings(lines saldo.rated_line[])
returns saldo_private.rating_posting[]
language plpgsql
as $$
declare
  v_days saldo_private.dated_day[] := saldo_private.posting_days_of(array(
    select max(l.read_at)
    from unnest(lines) as l
    group by l.account_id, l.month
  ));
begin
  return array(
    select (
      g.account_id, g.month, c.currency, g.read_at, day.posting_date,
      saldo_private.origin_month(
        (day.posting_date, day.origin_month)::saldo_private.posting_day, g.month
      ),
      g.amount, g.volume, g.reading_count, case when g.amount <> 0 then saldo_private.uuid_v7() end
    )::saldo_private.rating_posting
    from (
      select l.account_id, l.month, max(l.read_at) as read_at, sum(l.amount_change) as amount,
        sum(l.volume_change) as volume, count(*) as reading_count
      from unnest(lines) as l
      group by l.account_id, l.month
    ) as g
    join saldo.customer as c on c.account_id = g.account_id
    join unnest(v_days) as day on day.occurred_at = g.read_at
  );
end
$$;
comment on function saldo_private.rate_readings__postings is
  'What is to be posted for these lines, and when: one for each customer and month. One without '
  'an entry came to nothing. Error: SB108.';

create or replace function saldo_private.rate_readings__post(
  postings saldo_private.rating_posting[]
)
returns void
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
begin
  -- Each line is an amount; their sum has to be one as well.
  perform saldo_private.require_rated(max(abs(p.amount)))
  from unnest(postings) as p;

  -- In a statement of its own: the account may have to be opened.
  perform saldo_private.system_account('revenue', p.currency)
  from (select distinct q.currency from unnest(postings) as q where q.entry_id is not null) as p;

  with entry as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, origin_month, description, source, metadata, line_count,
      posted_at, posted_by, posted_in
    )
    select p.entry_id, case when p.origin_month is null then 'normal' else 'adjustment' end
        ::saldo.entry_kind,
      p.occurred_at, p.posting_date, p.origin_month,
      case when p.origin_month is null then 'Consumption in ' else 'Adjustment for ' end
        || to_char(p.month, 'YYYY-MM'),
      'rating',
      jsonb_build_object('month', to_char(p.month, 'YYYY-MM'), 'reading_count', p.reading_count,
        'volume_sm3', p.volume),
      2, clock_timestamp(), v_actor, pg_current_xact_id()
    from unnest(postings) as p
    where p.entry_id is not null
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select side.account_id, p.posting_date, p.entry_id, side.line_no,
    greatest(side.sign * p.amount, 0), greatest(-side.sign * p.amount, 0)
  from unnest(postings) as p
  join saldo.account as revenue on revenue.code = 'revenue:' || p.currency
  cross join lateral (values (p.account_id, 1, 1), (revenue.id, 2, -1))
    as side (account_id, line_no, sign)
  where p.entry_id is not null;
end
$$;
comment on function saldo_private.rate_readings__post is
  'Posts the changes: one insert of entries, one of lines. SB004, SB102 for a closed account.';

create or replace function saldo_private.rate_readings(reading_ids uuid[])
returns integer
language plpgsql
as $$
declare
  v_lines saldo.rated_line[] := array(
    select change
    from saldo_private.rating_change(rate_readings.reading_ids) as change
  );
  v_postings saldo_private.rating_posting[];
begin
  if cardinality(v_lines) = 0 then
    return 0;
  end if;
  v_postings := saldo_private.rate_readings__postings(v_lines);
  perform saldo_private.rate_readings__post(v_postings);

  update saldo.rated_line as old
  set superseded_at = l.rated_at
  from unnest(v_lines) as l
  where old.account_id = l.account_id
  and old.id = l.supersedes;

  with written as (
    insert into saldo.rated_line (
      account_id, id, reading_id, revision, supersedes, read_at, month, is_withdrawn,
      is_provisional, volume_m3, factor, volume_sm3, price, amount, amount_rounding,
      tariff_version_id, factor_version_id, volume_change, amount_change, entry_id, posting_date,
      rated_at, rated_by
    )
    select l.account_id, l.id, l.reading_id, l.revision, l.supersedes, l.read_at, l.month,
      l.is_withdrawn, l.is_provisional, l.volume_m3, l.factor, l.volume_sm3, l.price, l.amount,
      l.amount_rounding, l.tariff_version_id, l.factor_version_id, l.volume_change,
      l.amount_change, p.entry_id, p.posting_date, l.rated_at, l.rated_by
    from unnest(v_lines) as l
    join unnest(v_postings) as p on p.account_id = l.account_id and p.month = l.month
    returning rated_line as line
  )
  select array_agg(w.line)
  into v_lines
  from written as w;
  perform saldo_private.add_rated_volumes(v_lines);
  return cardinality(v_lines);
end
$$;
comment on function saldo_private.rate_readings is
  'Rates these readings anew and posts the difference; those whose rating is right are left alone. '
  'Returns how many lines it wrote. It may be called in slices, under the lock of lock_rating. '
  'reading_ids: each once. Errors: SB004, SB108, SB102.';

create or replace function saldo_private.readings_since(
  first_date date,
  account_id bigint,
  currency text
)
returns uuid[]
language plpgsql
stable
as $$
begin
  if readings_since.account_id is not null then
    return array(
      select r.id
      from saldo.reading as r
      where r.account_id = readings_since.account_id
      and r.read_on >= first_date
      and r.status = 'current'
    );
  end if;
  return array(
    select r.id
    from saldo.reading as r
    join saldo.customer as c on c.account_id = r.account_id
    join saldo.account as a on a.id = c.account_id
    where r.read_on >= first_date
    and r.status = 'current'
    and a.closed_at is null
    and (readings_since.currency is null or c.currency = readings_since.currency)
  );
end
$$;
comment on function saldo_private.readings_since is
  'Current readings from this business date on, of one account, or of all open ones in the '
  'currency; null = of any. A customer whose account is closed has had the last bill.';

create or replace function saldo.rerate_readings(
  customer_id bigint default null,
  from_date date default '1900-01-01'
)
returns integer
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account_id bigint;
begin
  if rerate_readings.customer_id is not null then
    v_account_id := (saldo_private.require_customer(rerate_readings.customer_id)).account_id;
  end if;
  perform saldo_private.lock_rating(
    case when v_account_id is not null then array[v_account_id] end
  );
  return saldo_private.rate_readings(
    saldo_private.readings_since(coalesce(from_date, '-infinity'), v_account_id, null)
  );
end
$$;
comment on function saldo.rerate_readings is
  'Rates the readings of a customer, or of all, anew from a business date on, and posts the '
  'difference; after a change of the setting rating_without_version, say. Changes of readings and '
  'versions do it by themselves. Returns how many lines were written. Errors: SB401, SB020, SB004, '
  'SB108, SB102.';
revoke execute on function saldo.rerate_readings from public;
grant execute on function saldo.rerate_readings to saldo_admin;
--! EndIncluded metering/rate_readings.sql
--! Included metering/rerating.sql
-- Re-rating as a job: a change of price or factor that touches more readings than the setting
-- rerate_at_once_max is recorded at once, and its readings are rated in slices afterwards.
--
-- Public: saldo.rerating, start_rerating, retry_rerating. Private: queue_rerating, rate_or_queue,
-- rate_since, is_rerating_due, rule_rerating.
-- There is no list of readings that are left: those that count, in the order of customer and month,
-- behind the place that was reached. One that comes meanwhile is rated by the versions that count
-- by whoever brings it, and so is one that another change touches: a slice leaves both alone.
-- Locks: the callers hold those of lock_rating.

create or replace function saldo_private.is_rerating_due(account_id bigint, read_on date)
returns boolean
language plpgsql
stable
as $$
begin
  return exists (
    select
    from saldo.rerating as g
    where g.status in ('waiting', 'running')
    and g.from_date <= is_rerating_due.read_on
    and (g.account_id is null or g.account_id = is_rerating_due.account_id)
    and (is_rerating_due.account_id, saldo_private.month_of(is_rerating_due.read_on))
      > (g.done_account_id, g.done_month)
    and (g.currency is null or g.currency = (
      select c.currency
      from saldo.customer as c
      where c.account_id = is_rerating_due.account_id
    ))
  );
end
$$;
comment on function saldo_private.is_rerating_due is
  'Whether a reading of this account and date still waits in an open re-rating.';

create or replace function saldo_private.queue_rerating__check(
  first_date date,
  account_id bigint,
  currency text
)
returns void
language plpgsql
as $$
declare
  v_locked_through date := saldo_private.closed_through(is_locked => true);
  v_lines saldo.rated_line[] := array(
    select change
    from saldo_private.rating_change(array(
      select r.id
      from saldo.customer as c
      join saldo.account as a on a.id = c.account_id
      join saldo.reading as r on r.account_id = c.account_id
      where (queue_rerating__check.account_id is null
        or c.account_id = queue_rerating__check.account_id)
      and (queue_rerating__check.currency is null or c.currency = queue_rerating__check.currency)
      and r.read_on >= first_date
      and r.status = 'current'
      and (a.closed_at is null or queue_rerating__check.account_id is not null)
      and (r.read_on <= v_locked_through or a.closed_at is not null)
    )) as change
  );
  v_postings saldo_private.rating_posting[];
  v_closed_id bigint;
begin
  if cardinality(v_lines) = 0 then
    return;
  end if;
  v_postings := saldo_private.rate_readings__postings(v_lines);
  select p.account_id
  into v_closed_id
  from unnest(v_postings) as p
  join saldo.account as a on a.id = p.account_id
  where p.entry_id is not null
  and a.closed_at is not null
  limit 1;
  if v_closed_id is not null then
    perform saldo_private.fail('account_closed', format('account %s', v_closed_id));
  end if;
end
$$;
comment on function saldo_private.queue_rerating__check is
  'Refuses at the start what could only fail later: changes in a locked month, or of a closed '
  'account. Errors: SB004, SB108, SB102.';

create or replace function saldo_private.queue_rerating(
  operation text,
  version_id bigint,
  first_date date,
  account_id bigint,
  currency text
)
returns saldo.rerating
language plpgsql
as $$
declare
  v_rerating saldo.rerating;
begin
  perform saldo_private.queue_rerating__check(first_date, account_id, currency);
  insert into saldo.rerating (
    operation, version_id, account_id, currency, from_date, reading_count, created_by
  )
  values (
    queue_rerating.operation, queue_rerating.version_id, queue_rerating.account_id,
    queue_rerating.currency, first_date,
    cardinality(saldo_private.readings_since(first_date, account_id, currency)),
    saldo_private.actor()
  )
  returning * into v_rerating;
  return v_rerating;
end
$$;
comment on function saldo_private.queue_rerating is
  'Has all readings from the date on rated by a job. The caller holds the locks of lock_rating. '
  'Errors: SB004, SB108, SB102.';

create or replace function saldo_private.rate_or_queue(
  reading_ids uuid[],
  operation text,
  version_id bigint,
  first_date date,
  account_id bigint,
  currency text
)
returns void
language plpgsql
as $$
begin
  if cardinality(rate_or_queue.reading_ids)
    <= saldo_private.setting_value('rerate_at_once_max')::integer
  then
    perform saldo_private.rate_readings(rate_or_queue.reading_ids);
  else
    perform saldo_private.queue_rerating(
      rate_or_queue.operation, rate_or_queue.version_id, first_date, rate_or_queue.account_id,
      rate_or_queue.currency
    );
  end if;
end
$$;
comment on function saldo_private.rate_or_queue is
  'Rates these readings anew or, where they are more than the setting rerate_at_once_max, has all '
  'from the date on rated by a job. The caller holds the locks of lock_rating. Errors: SB004, '
  'SB108, SB102.';

create or replace function saldo_private.rate_since(
  operation text,
  version_id bigint,
  first_date date,
  account_id bigint,
  currency text
)
returns void
language sql
as $$
  select saldo_private.rate_or_queue(
    saldo_private.readings_since(first_date, account_id, currency), operation, version_id,
    first_date, account_id, currency
  )
$$;
comment on function saldo_private.rate_since is
  'rate_or_queue for all readings from a business date on: SB004, SB108, SB102.';

create or replace function saldo.retry_rerating(rerating_id bigint)
returns saldo.rerating
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rerating saldo.rerating;
begin
  update saldo.rerating as g
  set status = 'waiting', error = null, moved_at = clock_timestamp(), finished_at = null
  where g.id = retry_rerating.rerating_id
  and g.status = 'failed';
  select *
  into v_rerating
  from saldo.rerating as g
  where g.id = retry_rerating.rerating_id;
  if v_rerating.id is null then
    perform saldo_private.fail('not_found', format('rerating %s', rerating_id));
  end if;
  return v_rerating;
end
$$;
comment on function saldo.retry_rerating is
  'Lets a re-rating that failed go on where it stopped, once its cause is mended; any other stays '
  'as it is. Error: SB007.';
revoke execute on function saldo.retry_rerating from public;
grant execute on function saldo.retry_rerating to saldo_admin;

create or replace function saldo.start_rerating(
  customer_id bigint default null,
  from_date date default '1900-01-01'
)
returns saldo.rerating
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account_id bigint;
  v_from date := greatest(coalesce(start_rerating.from_date, '1900-01-01'), '1900-01-01');
  v_rerating saldo.rerating;
begin
  if v_from > '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'from_date: from 1900 to 9999');
  end if;
  if start_rerating.customer_id is not null then
    v_account_id := (saldo_private.require_customer(start_rerating.customer_id)).account_id;
  end if;
  perform saldo_private.lock_rating(
    case when v_account_id is not null then array[v_account_id] end
  );
  v_rerating := saldo_private.queue_rerating(
    'start_rerating', null, v_from, v_account_id, null
  );
  return v_rerating;
end
$$;
comment on function saldo.start_rerating is
  'As rerate_readings, but as a job, however many readings there are. Errors in checking order: '
  'SB010, SB401, SB020, SB004, SB108, SB102.';
revoke execute on function saldo.start_rerating from public;
grant execute on function saldo.start_rerating to saldo_admin;

create or replace function saldo_private.rule_rerating()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select g.id::text, g.account_id,
    format('%s, %s of %s readings', g.status, g.done_count, g.reading_count), 'done',
    null::numeric, jsonb_build_object('rerating_id', g.id, 'operation', g.operation,
      'moved_at', coalesce(g.moved_at, g.created_at), 'error', g.error)
  from saldo.rerating as g
  where g.status = 'failed'
  or (g.status in ('waiting', 'running')
    and coalesce(g.moved_at, g.created_at) < now() - make_interval(
      secs => saldo_private.setting_value('rerating_idle_max_seconds')::integer))
$$;
comment on function saldo_private.rule_rerating is
  'Re-ratings that failed, or have not moved for longer than the setting '
  'rerating_idle_max_seconds.';

select saldo_private.secure_table('saldo.rerating');
drop policy if exists select_all on saldo.rerating;
create policy select_all on saldo.rerating for select to saldo_admin, saldo_operator using (true);
grant select on saldo.rerating to saldo_admin, saldo_operator;

comment on type saldo.rerating_status is
  'waiting: not begun; running: in part; done: all its readings were looked at; failed: the books '
  'refused a slice, see error.';
comment on table saldo.rerating is
  'A change of price or factor whose readings are rated anew by a job, and how far that is.';
comment on column saldo.rerating.id is 'Id.';
comment on column saldo.rerating.operation is 'Function that made the change.';
comment on column saldo.rerating.version_id is
  'Version of price or factor that came or went; null = none did.';
comment on column saldo.rerating.account_id is
  'Account of the customer whose readings they are; null = of all.';
comment on column saldo.rerating.currency is 'Currency of these customers; null = any.';
comment on column saldo.rerating.from_date is 'First business date of the readings.';
comment on column saldo.rerating.status is 'waiting, running, done or failed.';
comment on column saldo.rerating.reading_count is
  'Readings to look at, as counted when it was made; more when more came.';
comment on column saldo.rerating.done_count is 'Readings that were looked at.';
comment on column saldo.rerating.line_count is 'Rated lines that it wrote.';
comment on column saldo.rerating.done_account_id is
  'Readings are looked at by account and month: the account that it has come to; 0 = none.';
comment on column saldo.rerating.done_month is 'Last month of this account that is done.';
comment on column saldo.rerating.created_at is 'When the change was made.';
comment on column saldo.rerating.created_by is
  'Who made the change, and so its entries: token subject or login.';
comment on column saldo.rerating.started_at is 'When the first slice was rated.';
comment on column saldo.rerating.moved_at is 'When it moved last; null = not yet.';
comment on column saldo.rerating.finished_at is 'When it was done, or failed.';
comment on column saldo.rerating.error is 'Code and reason of the failure.';
--! EndIncluded metering/rerating.sql
--! Included metering/rerating_step.sql
-- The job that rates anew: slice after slice of a re-rating (rerating.sql).
--
-- Public: continue_rerating. Each slice is told on the channel saldo:rerating:<id>.
-- A slice is one transaction of whole months of customers, so that each month of a customer gets
-- one entry, as if all had been done at once. It moves the place that was reached in the same
-- transaction: whoever is killed has done a slice, or nothing.
-- Readings that come or change between the choice of a slice and its locks are rated by those who
-- bring them; that a slice leaves them alone, or finds them right, is the same.
-- Locks: the re-rating's row, which another worker passes over, then those of lock_rating for the
-- customers of the slice, then months and accounts.

create or replace function saldo_private.continue_rerating__slice(
  job saldo.rerating,
  row_limit integer,
  out reading_ids uuid[],
  out account_ids bigint[],
  out last_account_id bigint,
  out last_month date,
  out is_last boolean
)
language plpgsql
stable
as $$
begin
  select coalesce(array_agg(distinct n.account_id), '{}'), max(n.account_id),
    (array_agg(n.month order by n.account_id desc, n.month desc))[1], count(*) < row_limit
  into account_ids, last_account_id, last_month, is_last
  from (
    select c.account_id, m.month
    from saldo.customer as c
    join saldo.account as a on a.id = c.account_id
    cross join lateral (
      select saldo_private.month_of(r.read_on) as month
      from saldo.reading as r
      where r.account_id = c.account_id
      and r.status = 'current'
      and r.read_on >= job.from_date
    ) as m
    where c.account_id >= job.done_account_id
    and (a.closed_at is null or job.account_id is not null)
    and (job.account_id is null or c.account_id = job.account_id)
    and (job.currency is null or c.currency = job.currency)
    and (c.account_id, m.month) > (job.done_account_id, job.done_month)
    order by c.account_id, m.month
    limit row_limit
  ) as n;
  -- The last month to its end.
  reading_ids := array(
    select r.id
    from saldo.reading as r
    cross join lateral (select saldo_private.month_of(r.read_on) as month) as m
    where r.account_id = any (account_ids)
    and r.status = 'current'
    and r.read_on >= job.from_date
    and (r.account_id, m.month) > (job.done_account_id, job.done_month)
    and (r.account_id, m.month) <= (last_account_id, last_month)
  );
end
$$;
comment on function saldo_private.continue_rerating__slice is
  'The next readings of a re-rating, whole months of customers: row_limit of them, and what the '
  'last month has more. is_last: nothing is behind them.';

create or replace function saldo_private.continue_rerating__step(
  job saldo.rerating,
  row_limit integer
)
returns saldo.rerating
language plpgsql
as $$
declare
  v_slice record := saldo_private.continue_rerating__slice(job, row_limit);
  v_subject text := current_setting('saldo.subject', true);
  v_line_count integer;
  v_rerating saldo.rerating;
begin
  perform saldo_private.lock_rating(v_slice.account_ids);
  -- Whoever made the change has caused what follows from it, not the worker.
  perform set_config('saldo.subject', job.created_by, true);
  v_line_count := saldo_private.rate_readings(v_slice.reading_ids);
  perform set_config('saldo.subject', coalesce(v_subject, ''), true);

  update saldo.rerating as g
  set status = case when v_slice.is_last then 'done' else 'running' end::saldo.rerating_status,
    done_count = g.done_count + cardinality(v_slice.reading_ids),
    -- Readings that came meanwhile are looked at as well.
    reading_count = greatest(g.reading_count, g.done_count + cardinality(v_slice.reading_ids)),
    line_count = g.line_count + v_line_count,
    done_account_id = coalesce(v_slice.last_account_id, g.done_account_id),
    done_month = coalesce(v_slice.last_month, g.done_month),
    started_at = coalesce(g.started_at, now()),
    moved_at = clock_timestamp(),
    finished_at = case when v_slice.is_last then clock_timestamp() end
  where g.id = job.id
  returning * into v_rerating;
  return v_rerating;
end
$$;
comment on function saldo_private.continue_rerating__step is
  'Rates the next slice of a re-rating whose row the caller has locked. Errors: SB004, SB108, '
  'SB102.';

create or replace function saldo.continue_rerating(row_limit integer default 2000)
returns saldo.rerating
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rerating saldo.rerating;
  v_detail text;
begin
  if (continue_rerating.row_limit between 1 and 100000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: from 1 to 100,000');
  end if;
  perform saldo_private.require_read_committed();
  select *
  into v_rerating
  from saldo.rerating as g
  where g.status in ('waiting', 'running')
  order by g.id
  limit 1
  for update skip locked;
  if v_rerating.id is null then
    return null;
  end if;
  begin
    v_rerating := saldo_private.continue_rerating__step(
      v_rerating, continue_rerating.row_limit
    );
  exception
    when others then
      -- What the books refuse stays refused; a deadlock, say, is for the next try.
      if sqlstate not like 'SB%' then
        raise;
      end if;
      get stacked diagnostics v_detail = pg_exception_detail;
      update saldo.rerating as g
      set status = 'failed',
        error = format('%s %s %s', sqlstate, sqlerrm, v_detail),
        moved_at = clock_timestamp(),
        finished_at = clock_timestamp()
      where g.id = v_rerating.id
      returning * into v_rerating;
  end;
  perform pg_notify('saldo:rerating:' || v_rerating.id, v_rerating.status::text);
  return v_rerating;
end
$$;
comment on function saldo.continue_rerating is
  'Rates the next slice of the oldest re-rating that is open and that nobody else is at, posts the '
  'difference, and returns how far it is; null when there is none. row_limit: readings of a slice, '
  'which goes on to the end of a customer''s month. A slice that the books refuse ends its '
  're-rating as failed. The worker calls it by itself. Errors in checking order: SB010, SB020.';
revoke execute on function saldo.continue_rerating from public;
grant execute on function saldo.continue_rerating to saldo_admin;
--! EndIncluded metering/rerating_step.sql
--! Included metering/version.sql
-- Versions: what prices and correction factors have in common.
--
-- Private: require_version_dates, is_overlapping.
-- A version counts from effective_from to effective_to, without an end until another one begins.
-- One with an end may stand inside one without: that goes on after it. What else is in two places
-- at once is an overlap. Versions are never deleted: a removed one stays, and so does what used it.

create or replace function saldo_private.require_version_dates(from_date date, to_date date)
returns void
language plpgsql
stable
as $$
begin
  if (from_date between '1900-01-01' and '9999-12-31') is not true
    or to_date < from_date or to_date > '9999-12-31'
  then
    perform saldo_private.fail(
      'input_invalid', 'effective_from: from 1900 to 9999; effective_to: not before it'
    );
  end if;
end
$$;
comment on function saldo_private.require_version_dates is 'The dates of a version: SB010.';

create or replace function saldo_private.is_overlapping(
  from_date date,
  to_date date,
  other_from date,
  other_to date
)
returns boolean
language sql
immutable
as $$
  select case
    when from_date < other_from then to_date >= other_from
    when from_date > other_from then other_to >= from_date
    else true
  end is true
$$;
comment on function saldo_private.is_overlapping is
  'Whether two versions begin on one day, or one begins while the other, dated to its end, lasts.';
--! EndIncluded metering/version.sql
--! Included metering/tariff.sql
-- Tariff versions: the price per cubic metre at reference conditions, from a date on.
--
-- Public: saldo.tariff_version, add_tariff_version, change_tariff_version, remove_tariff_version.
-- Each change rates anew what it affects, in the same transaction or by a job (rerating.sql).
-- Locks: lock_rating, of the customer whose price it is, or of all.

create or replace function saldo_private.require_price(price numeric)
returns numeric
language plpgsql
stable
as $$
begin
  if (price > 0 and price < 1e12 and scale(trim_scale(price)) <= 6) is not true then
    perform saldo_private.fail(
      'price_invalid', format('price: %s', left(coalesce(price::text, 'none'), 40))
    );
  end if;
  return trim_scale(price);
end
$$;
comment on function saldo_private.require_price is 'The price without trailing zeros: SB412.';

create or replace function saldo_private.tariff__record(version saldo.tariff_version)
returns saldo.tariff_version
language plpgsql
as $$
declare
  v_other saldo.tariff_version;
  v_version saldo.tariff_version;
begin
  select *
  into v_other
  from saldo.tariff_version as o
  where o.removed_at is null
  and o.currency = version.currency
  and o.account_id is not distinct from version.account_id
  and saldo_private.is_overlapping(
    version.effective_from, version.effective_to, o.effective_from, o.effective_to
  )
  order by o.effective_from
  limit 1;
  if v_other.id is not null then
    perform saldo_private.fail('version_overlap', format(
      'tariff version %s: price %s from %s to %s', v_other.id, v_other.price,
      v_other.effective_from, coalesce(v_other.effective_to::text, 'the next one')
    ));
  end if;
  insert into saldo.tariff_version (
    account_id, currency, price, effective_from, effective_to, supersedes, recorded_by
  )
  values (
    version.account_id, version.currency, version.price, version.effective_from,
    version.effective_to, version.supersedes, saldo_private.actor()
  )
  returning * into v_version;
  return v_version;
end
$$;
comment on function saldo_private.tariff__record is 'Writes a version: SB414.';

create or replace function saldo_private.tariff__lock(version_id bigint)
returns saldo.tariff_version
language plpgsql
as $$
declare
  v_version saldo.tariff_version;
begin
  select *
  into v_version
  from saldo.tariff_version
  where id = tariff__lock.version_id;
  if v_version.id is null then
    perform saldo_private.fail('version_not_found', format('tariff version %s', version_id));
  end if;
  perform saldo_private.lock_rating(
    case when v_version.account_id is not null then array[v_version.account_id] end
  );
  -- Read again: only now is sure whether it still stands.
  select *
  into strict v_version
  from saldo.tariff_version
  where id = tariff__lock.version_id;
  if v_version.removed_at is not null then
    perform saldo_private.fail('version_not_found', format(
      'tariff version %s was removed at %s', version_id, v_version.removed_at
    ));
  end if;
  return v_version;
end
$$;
comment on function saldo_private.tariff__lock is
  'The version, with all that its rating rests on locked: SB415, SB020.';

create or replace function saldo.add_tariff_version(
  price numeric,
  effective_from date,
  effective_to date default null,
  customer_id bigint default null,
  currency text default null
)
returns saldo.tariff_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_version saldo.tariff_version;
  v_customer saldo.customer;
begin
  v_version.price := saldo_private.require_price(add_tariff_version.price);
  perform saldo_private.require_version_dates(
    add_tariff_version.effective_from, add_tariff_version.effective_to
  );
  v_version.effective_from := add_tariff_version.effective_from;
  v_version.effective_to := add_tariff_version.effective_to;
  if add_tariff_version.customer_id is not null then
    v_customer := saldo_private.require_customer(add_tariff_version.customer_id);
    v_version.account_id := v_customer.account_id;
  end if;
  v_version.currency := coalesce(
    add_tariff_version.currency, v_customer.currency, saldo_private.setting_value('currency')
  );
  if v_version.currency !~ '^[A-Z]{3}$' or v_version.currency <> v_customer.currency then
    perform saldo_private.fail('input_invalid', format(
      'currency %L: three capital letters, those of the customer', v_version.currency
    ));
  end if;

  perform saldo_private.lock_rating(
    case when v_version.account_id is not null then array[v_version.account_id] end
  );
  v_version := saldo_private.tariff__record(v_version);
  perform saldo_private.rate_since(
    'add_tariff_version', v_version.id, v_version.effective_from, v_version.account_id,
    v_version.currency
  );
  return v_version;
end
$$;
comment on function saldo.add_tariff_version is
  'Adds a price per Sm3 from a date on, for one customer or for all, and rates anew what it '
  'affects. effective_to: last day; null = until another one begins. currency: default that of '
  'the customer, or the setting currency. Errors in checking order: SB412, SB010, SB401, SB020, '
  'SB414, SB004, SB108, SB102. '
  'More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.add_tariff_version from public;
grant execute on function saldo.add_tariff_version to saldo_admin;

create or replace function saldo.change_tariff_version(
  version_id bigint,
  price numeric default null,
  effective_from date default null,
  effective_to date default null
)
returns saldo.tariff_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_price numeric := case when change_tariff_version.price is not null
    then saldo_private.require_price(change_tariff_version.price) end;
  v_old saldo.tariff_version := saldo_private.tariff__lock(change_tariff_version.version_id);
  v_new saldo.tariff_version := v_old;
begin
  v_new.supersedes := v_old.id;
  v_new.price := coalesce(v_price, v_old.price);
  v_new.effective_from := coalesce(change_tariff_version.effective_from, v_old.effective_from);
  v_new.effective_to := coalesce(change_tariff_version.effective_to, v_old.effective_to);
  perform saldo_private.require_version_dates(v_new.effective_from, v_new.effective_to);

  update saldo.tariff_version as v
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where v.id = v_old.id;
  v_new := saldo_private.tariff__record(v_new);
  perform saldo_private.rate_since(
    'change_tariff_version', v_new.id, least(v_old.effective_from, v_new.effective_from),
    v_new.account_id, v_new.currency
  );
  return v_new;
end
$$;
comment on function saldo.change_tariff_version is
  'Puts another version in the place of one, which stays as history, and rates anew what that '
  'affects. What is not given stays as it was. Errors in checking order: SB412, SB415, SB020, '
  'SB010, SB414, SB004, SB108, SB102. '
  'More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.change_tariff_version from public;
grant execute on function saldo.change_tariff_version to saldo_admin;

create or replace function saldo.remove_tariff_version(
  version_id bigint,
  rerate boolean default false
)
returns saldo.tariff_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_version saldo.tariff_version := saldo_private.tariff__lock(remove_tariff_version.version_id);
  v_reading_ids uuid[] := array(
    select l.reading_id
    from saldo.rated_line as l
    where l.tariff_version_id = remove_tariff_version.version_id
    and l.superseded_at is null
  );
begin
  if cardinality(v_reading_ids) > 0 and rerate is not true then
    perform saldo_private.fail('version_in_use', format(
      'tariff version %s: %s rated lines', version_id, cardinality(v_reading_ids)
    ));
  end if;
  update saldo.tariff_version as v
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where v.id = v_version.id
  returning * into v_version;
  perform saldo_private.rate_or_queue(
    v_reading_ids, 'remove_tariff_version', v_version.id, v_version.effective_from,
    v_version.account_id, v_version.currency
  );
  return v_version;
end
$$;
comment on function saldo.remove_tariff_version is
  'Takes a version out of use; it stays as history. rerate: rates the lines that use it anew, at '
  'what applies without it. Errors in checking order: SB415, SB020, SB416 for one that rated '
  'lines use, without rerate, SB004, SB108, SB102. '
  'More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.remove_tariff_version from public;
grant execute on function saldo.remove_tariff_version to saldo_admin;

select saldo_private.secure_table('saldo.tariff_version');
drop policy if exists select_all on saldo.tariff_version;
create policy select_all on saldo.tariff_version for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.tariff_version to saldo_admin, saldo_operator;

comment on table saldo.tariff_version is 'A price per Sm3, from a date on.';
comment on column saldo.tariff_version.id is 'Id.';
comment on column saldo.tariff_version.account_id is
  'Account of the customer whose price it is; null = of all.';
comment on column saldo.tariff_version.currency is 'Currency of the price.';
comment on column saldo.tariff_version.price is 'Price of one Sm3.';
comment on column saldo.tariff_version.effective_from is 'First business date on which it counts.';
comment on column saldo.tariff_version.effective_to is
  'Last business date on which it counts; null = until another one begins.';
comment on column saldo.tariff_version.supersedes is
  'Version in whose place it came; null = the first.';
comment on column saldo.tariff_version.recorded_at is 'When it was recorded.';
comment on column saldo.tariff_version.recorded_by is 'Who recorded it: token subject or login.';
comment on column saldo.tariff_version.removed_at is
  'When it was superseded or removed; null = it stands.';
comment on column saldo.tariff_version.removed_by is 'Who did that.';
--! EndIncluded metering/tariff.sql
--! Included metering/correction_factor.sql
-- Correction factor versions: the factor to reference conditions, from a date on.
--
-- Public: saldo.correction_factor_version, add_correction_factor, change_correction_factor,
-- remove_correction_factor.
-- Inputs, formula, digits and rounding are stored beside the factor that they make. Each change
-- rates anew what it affects, in the same transaction or by a job (rerating.sql).
-- Locks: lock_rating, of the customer whose factor it is, or of all.

create or replace function saldo_private.factor__computed(version saldo.correction_factor_version)
returns numeric
language plpgsql
immutable
as $$
begin
  if version.formula = 'fixed' then
    return saldo_private.require_condition(version.factor, 'factor', 0.0001, 1000);
  end if;
  return saldo.correction_factor(
    pressure => version.pressure,
    temperature => version.temperature,
    formula => version.formula,
    digits => version.factor_digits,
    rounding => version.rounding,
    atmospheric_pressure => version.atmospheric_pressure,
    reference_pressure => version.reference_pressure,
    reference_temperature => version.reference_temperature,
    compressibility => version.compressibility
  );
end
$$;
comment on function saldo_private.factor__computed is
  'The factor that the inputs of a version make: SB413, SB010.';

create or replace function saldo_private.factor__record(version saldo.correction_factor_version)
returns saldo.correction_factor_version
language plpgsql
as $$
declare
  v_other saldo.correction_factor_version;
  v_version saldo.correction_factor_version;
begin
  select *
  into v_other
  from saldo.correction_factor_version as o
  where o.removed_at is null
  and o.account_id is not distinct from version.account_id
  and saldo_private.is_overlapping(
    version.effective_from, version.effective_to, o.effective_from, o.effective_to
  )
  order by o.effective_from
  limit 1;
  if v_other.id is not null then
    perform saldo_private.fail('version_overlap', format(
      'correction factor version %s: factor %s from %s to %s', v_other.id, v_other.factor,
      v_other.effective_from, coalesce(v_other.effective_to::text, 'the next one')
    ));
  end if;
  insert into saldo.correction_factor_version (
    account_id, formula, pressure, temperature, atmospheric_pressure, reference_pressure,
    reference_temperature, compressibility, factor, factor_digits, volume_digits, rounding,
    effective_from, effective_to, supersedes, recorded_by
  )
  values (
    version.account_id, version.formula, version.pressure, version.temperature,
    version.atmospheric_pressure, version.reference_pressure, version.reference_temperature,
    version.compressibility, version.factor, version.factor_digits, version.volume_digits,
    version.rounding, version.effective_from, version.effective_to, version.supersedes,
    saldo_private.actor()
  )
  returning * into v_version;
  return v_version;
end
$$;
comment on function saldo_private.factor__record is 'Writes a version: SB414.';

create or replace function saldo_private.factor__lock(version_id bigint)
returns saldo.correction_factor_version
language plpgsql
as $$
declare
  v_version saldo.correction_factor_version;
begin
  select *
  into v_version
  from saldo.correction_factor_version
  where id = factor__lock.version_id;
  if v_version.id is null then
    perform saldo_private.fail('version_not_found', format('factor version %s', version_id));
  end if;
  perform saldo_private.lock_rating(
    case when v_version.account_id is not null then array[v_version.account_id] end
  );
  -- Read again: only now is sure whether it still stands.
  select *
  into strict v_version
  from saldo.correction_factor_version
  where id = factor__lock.version_id;
  if v_version.removed_at is not null then
    perform saldo_private.fail('version_not_found', format(
      'factor version %s was removed at %s', version_id, v_version.removed_at
    ));
  end if;
  return v_version;
end
$$;
comment on function saldo_private.factor__lock is
  'The version, with all that its rating rests on locked: SB415, SB020.';

create or replace function saldo.add_correction_factor(
  effective_from date,
  formula saldo.factor_formula default 'gas_300k',
  pressure numeric default null,
  temperature numeric default null,
  factor numeric default null,
  customer_id bigint default null,
  effective_to date default null,
  factor_digits integer default 4,
  volume_digits integer default 3,
  rounding saldo.rounding_rule default 'half_up',
  atmospheric_pressure numeric default 1.01325,
  reference_pressure numeric default 1.01325,
  reference_temperature numeric default 27,
  compressibility numeric default 1
)
returns saldo.correction_factor_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_new saldo.correction_factor_version;
begin
  perform saldo_private.require_version_dates(
    add_correction_factor.effective_from, add_correction_factor.effective_to
  );
  v_new.effective_from := add_correction_factor.effective_from;
  v_new.effective_to := add_correction_factor.effective_to;
  v_new.formula := coalesce(add_correction_factor.formula, 'gas_300k');
  v_new.rounding := coalesce(add_correction_factor.rounding, 'half_up');
  v_new.factor_digits := saldo_private.require_condition(
    add_correction_factor.factor_digits, 'factor_digits', 0, 10);
  v_new.volume_digits := saldo_private.require_condition(
    add_correction_factor.volume_digits, 'volume_digits', 0, 6);
  if v_new.formula = 'fixed' then
    v_new.factor := trim_scale(add_correction_factor.factor);
    v_new.factor_digits := saldo_private.require_condition(
      coalesce(scale(v_new.factor), 0), 'decimals of factor', 0, 10);
  else
    v_new.pressure := add_correction_factor.pressure;
    v_new.temperature := add_correction_factor.temperature;
  end if;
  if v_new.formula = 'reference' then
    v_new.atmospheric_pressure := add_correction_factor.atmospheric_pressure;
    v_new.reference_pressure := add_correction_factor.reference_pressure;
    v_new.reference_temperature := add_correction_factor.reference_temperature;
    v_new.compressibility := add_correction_factor.compressibility;
  end if;
  v_new.factor := saldo_private.factor__computed(v_new);
  if add_correction_factor.customer_id is not null then
    v_new.account_id :=
      (saldo_private.require_customer(add_correction_factor.customer_id)).account_id;
  end if;

  perform saldo_private.lock_rating(
    case when v_new.account_id is not null then array[v_new.account_id] end
  );
  v_new := saldo_private.factor__record(v_new);
  perform saldo_private.rate_since(
    'add_correction_factor', v_new.id, v_new.effective_from, v_new.account_id, null
  );
  return v_new;
end
$$;
comment on function saldo.add_correction_factor is
  'Adds a correction factor from a date on, for one customer or for all, and rates anew what it '
  'affects. formula fixed takes factor; gas_300k takes pressure (bar, gauge) and temperature '
  '(degrees C); reference takes the reference conditions as well, see correction_factor. '
  'factor_digits: decimals of the computed factor; volume_digits: those of the volume; rounding: '
  'of both. effective_to: last day; null = until another one begins. Errors in checking order: '
  'SB010, SB413, SB401, SB020, SB414, SB004, SB108, SB102. '
  'More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.add_correction_factor from public;
grant execute on function saldo.add_correction_factor to saldo_admin;

create or replace function saldo.change_correction_factor(
  version_id bigint,
  pressure numeric default null,
  temperature numeric default null,
  factor numeric default null,
  effective_from date default null,
  effective_to date default null
)
returns saldo.correction_factor_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_old saldo.correction_factor_version :=
    saldo_private.factor__lock(change_correction_factor.version_id);
  v_new saldo.correction_factor_version := v_old;
begin
  v_new.supersedes := v_old.id;
  if v_old.formula = 'fixed' then
    v_new.factor := coalesce(trim_scale(change_correction_factor.factor), v_old.factor);
    v_new.factor_digits := saldo_private.require_condition(
      scale(v_new.factor), 'decimals of factor', 0, 10);
  else
    v_new.pressure := coalesce(change_correction_factor.pressure, v_old.pressure);
    v_new.temperature := coalesce(change_correction_factor.temperature, v_old.temperature);
  end if;
  v_new.effective_from := coalesce(change_correction_factor.effective_from, v_old.effective_from);
  v_new.effective_to := coalesce(change_correction_factor.effective_to, v_old.effective_to);
  perform saldo_private.require_version_dates(v_new.effective_from, v_new.effective_to);
  v_new.factor := saldo_private.factor__computed(v_new);

  update saldo.correction_factor_version as v
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where v.id = v_old.id;
  v_new := saldo_private.factor__record(v_new);
  perform saldo_private.rate_since(
    'change_correction_factor', v_new.id, least(v_old.effective_from, v_new.effective_from),
    v_new.account_id, null
  );
  return v_new;
end
$$;
comment on function saldo.change_correction_factor is
  'Puts another version in the place of one, which stays as history, and rates anew what that '
  'affects. What is not given stays as it was, formula and digits always do. Errors in checking '
  'order: SB415, SB020, SB010, SB413, SB414, SB004, SB108, SB102. '
  'More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.change_correction_factor from public;
grant execute on function saldo.change_correction_factor to saldo_admin;

create or replace function saldo.remove_correction_factor(
  version_id bigint,
  rerate boolean default false
)
returns saldo.correction_factor_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_version saldo.correction_factor_version :=
    saldo_private.factor__lock(remove_correction_factor.version_id);
  v_reading_ids uuid[] := array(
    select l.reading_id
    from saldo.rated_line as l
    where l.factor_version_id = remove_correction_factor.version_id
    and l.superseded_at is null
  );
begin
  if cardinality(v_reading_ids) > 0 and rerate is not true then
    perform saldo_private.fail('version_in_use', format(
      'correction factor version %s: %s rated lines', version_id, cardinality(v_reading_ids)
    ));
  end if;
  update saldo.correction_factor_version as v
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where v.id = v_version.id
  returning * into v_version;
  perform saldo_private.rate_or_queue(
    v_reading_ids, 'remove_correction_factor', v_version.id, v_version.effective_from,
    v_version.account_id, null
  );
  return v_version;
end
$$;
comment on function saldo.remove_correction_factor is
  'Takes a version out of use; it stays as history. rerate: rates the lines that use it anew, at '
  'what applies without it. Errors in checking order: SB415, SB020, SB416 for one that rated '
  'lines use, without rerate, SB004, SB108, SB102. '
  'More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.remove_correction_factor from public;
grant execute on function saldo.remove_correction_factor to saldo_admin;

select saldo_private.secure_table('saldo.correction_factor_version');
drop policy if exists select_all on saldo.correction_factor_version;
create policy select_all on saldo.correction_factor_version for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.correction_factor_version to saldo_admin, saldo_operator;

comment on table saldo.correction_factor_version is
  'A factor from the volume that a meter saw to that at reference conditions, from a date on.';
comment on column saldo.correction_factor_version.id is 'Id.';
comment on column saldo.correction_factor_version.account_id is
  'Account of the customer whose factor it is; null = of all.';
comment on column saldo.correction_factor_version.formula is 'How the factor came about.';
comment on column saldo.correction_factor_version.pressure is
  'Gauge pressure of the line, bar; null when fixed.';
comment on column saldo.correction_factor_version.temperature is
  'Temperature of the gas, degrees C; null when fixed.';
comment on column saldo.correction_factor_version.atmospheric_pressure is
  'Atmospheric pressure, bar; of formula reference.';
comment on column saldo.correction_factor_version.reference_pressure is
  'Absolute pressure of the reference conditions, bar; of formula reference.';
comment on column saldo.correction_factor_version.reference_temperature is
  'Temperature of the reference conditions, degrees C; of formula reference.';
comment on column saldo.correction_factor_version.compressibility is
  'Compressibility at reference conditions over that of the line; of formula reference.';
comment on column saldo.correction_factor_version.factor is 'The factor that is used.';
comment on column saldo.correction_factor_version.factor_digits is 'Its decimals.';
comment on column saldo.correction_factor_version.volume_digits is
  'Decimals of the volume at reference conditions.';
comment on column saldo.correction_factor_version.rounding is 'How both are rounded.';
comment on column saldo.correction_factor_version.effective_from is
  'First business date on which it counts.';
comment on column saldo.correction_factor_version.effective_to is
  'Last business date on which it counts; null = until another one begins.';
comment on column saldo.correction_factor_version.supersedes is
  'Version in whose place it came; null = the first.';
comment on column saldo.correction_factor_version.recorded_at is 'When it was recorded.';
comment on column saldo.correction_factor_version.recorded_by is
  'Who recorded it: token subject or login.';
comment on column saldo.correction_factor_version.removed_at is
  'When it was superseded or removed; null = it stands.';
comment on column saldo.correction_factor_version.removed_by is 'Who did that.';
--! EndIncluded metering/correction_factor.sql
--! Included metering/meter.sql
-- Meters: what stands at a customer's and is read.
--
-- Public: saldo.meter, install_meter, exchange_meter. Private: require_meter.
-- A meter of indexes shows a register that grows, and starts again at zero at its limit; a flow
-- meter gives the volume since the last reading. When a meter is exchanged the old one ends with a
-- last reading, and the new one begins at its own start.

create or replace function saldo_private.require_meter(meter_id bigint)
returns saldo.meter
language plpgsql
stable
as $$
declare
  v_meter saldo.meter;
begin
  select *
  into v_meter
  from saldo.meter
  where id = require_meter.meter_id;
  if v_meter.id is null then
    perform saldo_private.fail('meter_not_found', format('meter %s', meter_id));
  end if;
  return v_meter;
end
$$;
comment on function saldo_private.require_meter is 'The meter. Error: SB404.';

create or replace function saldo_private.meter__record(
  meter saldo.meter,
  start_index numeric,
  register_limit numeric
)
returns saldo.meter
language plpgsql
as $$
declare
  v_meter saldo.meter;
begin
  if meter.installed_at > now() then
    perform saldo_private.fail('reading_in_future', format('installed_at %s', meter.installed_at));
  end if;
  if meter.kind = 'index' and (
    meter__record.register_limit between 1 and 1e12
    and scale(trim_scale(meter__record.register_limit)) = 0
    and meter__record.start_index >= 0
    and meter__record.start_index < meter__record.register_limit
    and scale(trim_scale(meter__record.start_index)) <= 6
  ) is not true then
    perform saldo_private.fail('reading_invalid', format(
      'start_index %s: at least 0, below register_limit %s (a whole number up to 10^12)',
      meter__record.start_index, meter__record.register_limit
    ));
  end if;
  insert into saldo.meter (
    account_id, code, kind, start_index, register_limit, installed_at, replaces
  )
  values (
    meter.account_id, saldo_private.require_text(meter.code, 'code', 100), meter.kind,
    case when meter.kind = 'index' then trim_scale(meter__record.start_index) else 0 end,
    case when meter.kind = 'index' then trim_scale(meter__record.register_limit) end,
    meter.installed_at, meter.replaces
  )
  on conflict (account_id, code) where removed_at is null do nothing
  returning * into v_meter;
  if v_meter.id is null then
    perform saldo_private.fail('not_unique', format('meter code %L', meter.code));
  end if;
  return v_meter;
end
$$;
comment on function saldo_private.meter__record is
  'Writes a meter; the figures come apart, to be looked at before they are volumes: SB409, SB411, '
  'SB010, SB008, SB009, SB014.';

create or replace function saldo.install_meter(
  customer_id bigint,
  code text,
  kind saldo.meter_kind default 'index',
  installed_at timestamptz default null,
  start_index numeric default 0,
  register_limit numeric default 1000000
)
returns saldo.meter
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_meter saldo.meter;
begin
  v_meter.account_id := (saldo_private.require_customer(install_meter.customer_id)).account_id;
  v_meter.code := install_meter.code;
  v_meter.kind := coalesce(install_meter.kind, 'index');
  v_meter.installed_at := saldo_private.require_occurred_at(install_meter.installed_at);
  return saldo_private.meter__record(
    v_meter, install_meter.start_index, install_meter.register_limit
  );
end
$$;
comment on function saldo.install_meter is
  'Installs a meter at a customer''s. kind: index for a register that grows, volume for a flow '
  'meter that gives the volume since the last reading. start_index: what the register shows when '
  'it is installed; register_limit: where it starts again at zero. Errors in checking order: '
  'SB401, SB010, SB411, SB409, SB008, SB009, SB014 for a code that another meter of the customer '
  'has.';
revoke execute on function saldo.install_meter from public;
grant execute on function saldo.install_meter to saldo_admin;

create or replace function saldo.exchange_meter(
  meter_id bigint,
  code text,
  final_value numeric,
  exchanged_at timestamptz default null,
  start_index numeric default 0,
  register_limit numeric default null,
  is_rollover boolean default false
)
returns saldo.meter
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_at timestamptz := saldo_private.require_occurred_at(exchange_meter.exchanged_at);
  v_old saldo.meter := saldo_private.require_meter(exchange_meter.meter_id);
  v_new saldo.meter;
begin
  perform saldo_private.lock_rating(array[v_old.account_id]);
  v_old := saldo_private.require_meter(exchange_meter.meter_id);
  if v_old.removed_at is not null or v_at <= v_old.installed_at or exists (
    select
    from saldo.reading as r
    where r.account_id = v_old.account_id
    and r.meter_id = v_old.id
    and r.status = 'current'
    and r.read_at > v_at
  ) then
    perform saldo_private.fail('meter_state', format(
      'meter %s: installed %s, removed %s, no reading after the exchange', v_old.id,
      v_old.installed_at, coalesce(v_old.removed_at::text, 'never')
    ));
  end if;

  perform saldo_private.record_readings(
    readings => array[(
      v_old.id, v_at, case when v_old.kind = 'index' then exchange_meter.final_value end,
      case when v_old.kind = 'volume' then exchange_meter.final_value end, 'actual',
      exchange_meter.is_rollover
    )::saldo.reading_request],
    batch_id => saldo_private.uuid_v7()
  );
  update saldo.meter as m
  set removed_at = v_at
  where m.account_id = v_old.account_id
  and m.id = v_old.id;
  v_new := v_old;
  v_new.code := exchange_meter.code;
  v_new.installed_at := v_at;
  v_new.replaces := v_old.id;
  return saldo_private.meter__record(
    v_new, exchange_meter.start_index,
    coalesce(exchange_meter.register_limit, v_old.register_limit)
  );
end
$$;
comment on function saldo.exchange_meter is
  'Takes a meter down with its last reading (final_value: index, or volume since the last reading) '
  'and puts another one of the kind in its place. exchanged_at: default now. Errors in checking '
  'order: SB010, SB404, SB020, SB405 for a meter that was exchanged before or read later, SB409, '
  'SB411, SB408, SB410, SB004, SB108, SB102, then those of install_meter.';
revoke execute on function saldo.exchange_meter from public;
grant execute on function saldo.exchange_meter to saldo_admin;

select saldo_private.secure_table('saldo.meter');
drop policy if exists select_all on saldo.meter;
create policy select_all on saldo.meter for select to saldo_admin, saldo_operator using (true);
grant select on saldo.meter to saldo_admin, saldo_operator;

comment on type saldo.meter_kind is
  'index: a register that grows; volume: a flow meter that gives the volume since the last '
  'reading.';
comment on table saldo.meter is 'A meter at a customer''s, from its installation to its removal.';
comment on column saldo.meter.account_id is 'Deposit account of the customer.';
comment on column saldo.meter.id is 'Id.';
comment on column saldo.meter.code is
  'Code for people, unique among a customer''s meters in place.';
comment on column saldo.meter.kind is 'What its readings are.';
comment on column saldo.meter.start_index is 'What the register showed when it was installed.';
comment on column saldo.meter.register_limit is
  'Where the register starts again at zero; null = a flow meter.';
comment on column saldo.meter.installed_at is 'When it was installed; readings are later.';
comment on column saldo.meter.removed_at is 'When it was taken down; null = in place.';
comment on column saldo.meter.replaces is 'Meter that stood in its place before; null = none.';
comment on column saldo.meter.created_at is 'When it was recorded.';
comment on constraint meter_account_id_fkey on saldo.meter is
  E'@fieldName customer\n@foreignFieldName meters\nThe deposit account names the customer.';
--! EndIncluded metering/meter.sql
--! Included metering/reading_check.sql
-- Checks of readings, for one or for a hundred thousand: all that is wrong is told at once.
--
-- Private: require_readings, require_reading_order.
-- The error is that of the first bad row; its DETAIL tells the first twenty, each with its own.

create or replace function saldo_private.reading_problem(
  request saldo.reading_request,
  meter saldo.meter,
  is_duplicate boolean
)
returns text
language sql
stable
as $$
  select case
    when meter.id is null then 'meter_not_found'
    when request.read_at is null then 'input_invalid'
    when num_nonnulls(request.index_value, request.volume) <> 1
      or (meter.kind = 'index') <> (request.index_value is not null)
      or (coalesce(request.index_value, request.volume) >= 0
        and coalesce(request.index_value, request.volume) < coalesce(meter.register_limit, 1e12)
        and scale(trim_scale(coalesce(request.index_value, request.volume))) <= 6) is not true
      or (request.is_rollover and meter.kind = 'volume')
      then 'reading_invalid'
    when request.read_at > now() then 'reading_in_future'
    when request.read_at <= meter.installed_at or request.read_at > meter.removed_at
      then 'meter_state'
    when is_duplicate then 'reading_duplicate'
  end
$$;
comment on function saldo_private.reading_problem is
  'Condition of the error that a reading has by itself; null = none.';

create or replace function saldo_private.require_readings(readings saldo.reading_request[])
returns void
language plpgsql
as $$
declare
  v_conditions text[];
  v_detail text;
begin
  select array_agg(bad.condition order by bad.row_no),
    string_agg(format('row %s: %s, meter %s at %s, %s', bad.row_no, bad.condition, bad.meter_id,
      bad.read_at, coalesce(bad.index_value, bad.volume)), '; ' order by bad.row_no)
      filter (where bad.place <= 20)
  into v_conditions, v_detail
  from (
    select q.row_no, q.meter_id, q.read_at, q.index_value, q.volume, p.condition,
      row_number() over (order by q.row_no) as place
    from (
      select u.meter_id, u.read_at, u.index_value, u.volume, u.quality, u.is_rollover, u.row_no,
        row_number() over (partition by u.meter_id, u.read_at order by u.row_no) as copy_no
      from unnest(readings) with ordinality
        as u (meter_id, read_at, index_value, volume, quality, is_rollover, row_no)
    ) as q
    left join saldo.meter as m on m.id = q.meter_id
    left join saldo.reading as r on r.account_id = m.account_id and r.meter_id = m.id
      and r.read_at = q.read_at and r.status = 'current'
    cross join lateral (
      select saldo_private.reading_problem(
        (q.meter_id, q.read_at, q.index_value, q.volume, q.quality, q.is_rollover)
          ::saldo.reading_request,
        m, r.id is not null or q.copy_no > 1
      ) as condition
    ) as p
    where p.condition is not null
  ) as bad;
  if v_conditions is not null then
    perform saldo_private.fail(
      v_conditions[1], format('%s of %s rows: %s', cardinality(v_conditions),
        cardinality(readings), v_detail)
    );
  end if;
end
$$;
comment on function saldo_private.require_readings is
  'Refuses readings that are wrong in themselves: SB404, SB010, SB411, SB409, SB405, SB408.';

create or replace function saldo_private.require_reading_order(reading_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_count bigint;
  v_detail text;
begin
  select count(*),
    string_agg(format('meter %s at %s: %s after %s', bad.meter_id, bad.read_at, bad.index_value,
      bad.previous), '; ' order by bad.read_at) filter (where bad.place <= 20)
  into v_count, v_detail
  from (
    select r.meter_id, r.read_at, r.index_value, p.previous,
      row_number() over (order by r.read_at, r.meter_id) as place
    from unnest(reading_ids) as i (id)
    join saldo.reading as r on r.id = i.id
    join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
    cross join lateral (
      select saldo_private.previous_index(m, r.read_at) as previous
    ) as p
    where r.status = 'current'
    and r.index_value is not null
    -- A roll-over that rolls nothing over would count a whole register too much.
    and (r.index_value < p.previous) <> r.is_rollover
  ) as bad;
  if v_count > 0 then
    perform saldo_private.fail(
      'reading_out_of_order', format('%s readings: %s', v_count, v_detail)
    );
  end if;
end
$$;
comment on function saldo_private.require_reading_order is
  'Refuses indexes that are below the one before, unless flagged as a roll-over, and roll-overs '
  'that are not: SB410.';
--! EndIncluded metering/reading_check.sql
--! Included metering/reading.sql
-- Readings: what a meter showed, when.
--
-- Public: saldo.reading, add_reading, add_readings, change_reading, remove_reading.
-- Private: record_readings.
-- A reading is never rewritten: a changed one is superseded by another row, a removed one stays.
-- The reading after it depends on it, and is rated anew with it. All in one pass, whatever the
-- number, and all or nothing.
-- Locks: idempotency key, then those of lock_rating, months and accounts.

create or replace function saldo_private.rate_with_next(reading_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_affected_ids uuid[] := saldo_private.with_next_readings(rate_with_next.reading_ids);
begin
  perform saldo_private.require_reading_order(v_affected_ids);
  perform saldo_private.rate_readings(v_affected_ids);
end
$$;
comment on function saldo_private.rate_with_next is
  'Checks and rates readings that came, changed or went, and those that follow on them: SB410, '
  'SB004, SB108, SB102.';

create or replace function saldo_private.record_readings(
  readings saldo.reading_request[],
  batch_id uuid,
  old_reading saldo.reading default null
)
returns void
language plpgsql
as $$
declare
  v_zone text := saldo_private.setting_value('business_time_zone');
  v_actor text := saldo_private.actor();
begin
  perform saldo_private.lock_rating(array(
    select distinct m.account_id
    from unnest(readings) as q
    join saldo.meter as m on m.id = q.meter_id
  ));
  perform saldo_private.require_readings(readings);
  insert into saldo.reading (
    account_id, id, meter_id, read_at, read_on, index_value, volume, is_rollover, quality,
    revision, supersedes, batch_id, recorded_by
  )
  select m.account_id, saldo_private.uuid_v7(), m.id, q.read_at,
    (q.read_at at time zone v_zone)::date, trim_scale(q.index_value), trim_scale(q.volume),
    coalesce(q.is_rollover, false), coalesce(q.quality, 'actual'),
    coalesce(old_reading.revision, 0) + 1, old_reading.id, record_readings.batch_id, v_actor
  from unnest(readings) as q
  join saldo.meter as m on m.id = q.meter_id;
  perform saldo_private.rate_with_next(array(
    select r.id
    from saldo.reading as r
    where r.batch_id = record_readings.batch_id
    union all
    select old_reading.id
    where old_reading.id is not null
  ));
end
$$;
comment on function saldo_private.record_readings is
  'Records readings under one batch, rates and posts them. old_reading: that in whose place a '
  'single one comes. Errors: SB020, those of require_readings and of rate_with_next.';

create or replace function saldo_private.reading_request_key(readings saldo.reading_request[])
returns jsonb
language sql
stable
as $$
  select jsonb_agg(jsonb_build_array(
    q.meter_id, extract(epoch from q.read_at), trim_scale(q.index_value), trim_scale(q.volume),
    q.quality, coalesce(q.is_rollover, false)
  ) order by q.row_no)
  from unnest(readings) with ordinality
    as q (meter_id, read_at, index_value, volume, quality, is_rollover, row_no)
$$;
comment on function saldo_private.reading_request_key is
  'What a request of readings is recognised by, whatever the time zone of the session.';

create or replace function saldo.add_readings(
  readings saldo.reading_request[],
  idempotency_key text default null
)
returns setof saldo.reading
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_batch_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
begin
  if readings is null or cardinality(readings) not between 1 and 100000 then
    perform saldo_private.fail('input_invalid', 'readings: an array of 1 to 100,000 readings');
  end if;
  if add_readings.idempotency_key is not null then
    v_earlier_id := saldo_private.claim_idempotency_key(
      'metering', add_readings.idempotency_key, 'add_readings',
      saldo_private.reading_request_key(readings), v_batch_id
    );
  end if;
  if v_earlier_id is null then
    perform saldo_private.record_readings(readings, v_batch_id);
  end if;
  return query
  select r.*
  from saldo.reading as r
  where r.batch_id = coalesce(v_earlier_id, v_batch_id)
  order by r.account_id, r.meter_id, r.read_at;
end
$$;
comment on function saldo.add_readings is
  'Records up to 100,000 readings, rates them and posts what they cost, all or nothing: one pass, '
  'and one entry for each customer and month. Returns them in the order of account, meter and '
  'time. The same idempotency_key with the same content returns the first ones. The error is that '
  'of the first bad row, and DETAIL tells the first twenty. Errors in checking order: SB010, '
  'SB008, SB009, SB005, SB020, SB404, SB010, SB411, SB409, SB405, SB408, SB410, SB004, SB108, '
  'SB102.';
revoke execute on function saldo.add_readings from public;
grant execute on function saldo.add_readings to saldo_admin;

create or replace function saldo.add_reading(
  meter_id bigint,
  read_at timestamptz,
  index_value numeric default null,
  volume numeric default null,
  quality saldo.reading_quality default 'actual',
  is_rollover boolean default false,
  idempotency_key text default null
)
returns saldo.reading
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reading saldo.reading;
begin
  select *
  into strict v_reading
  from saldo.add_readings(
    array[(
      add_reading.meter_id, add_reading.read_at, add_reading.index_value, add_reading.volume,
      add_reading.quality, add_reading.is_rollover
    )::saldo.reading_request],
    add_reading.idempotency_key
  );
  return v_reading;
end
$$;
comment on function saldo.add_reading is
  'Records one reading, as add_readings does: index_value for a meter of indexes, volume since the '
  'last reading for a flow meter. is_rollover: the register has started again at zero since the '
  'last one. Errors in checking order: those of add_readings.';
revoke execute on function saldo.add_reading from public;
grant execute on function saldo.add_reading to saldo_admin;

create or replace function saldo_private.reading__end(
  reading_id uuid,
  status saldo.record_status
)
returns saldo.reading
language plpgsql
as $$
declare
  v_reading saldo.reading;
begin
  select *
  into v_reading
  from saldo.reading
  where id = reading__end.reading_id;
  if v_reading.id is null then
    perform saldo_private.fail('reading_not_found', format('reading %s', reading_id));
  end if;
  perform saldo_private.lock_rating(array[v_reading.account_id]);
  update saldo.reading as r
  set status = reading__end.status,
    ended_at = clock_timestamp(),
    ended_by = saldo_private.actor()
  where r.account_id = v_reading.account_id
  and r.id = v_reading.id
  and r.status = 'current';
  if not found then
    perform saldo_private.fail('reading_state', (
      select format('reading %s: %s', r.id, r.status)
      from saldo.reading as r
      where r.account_id = v_reading.account_id
      and r.id = v_reading.id
    ));
  end if;
  return v_reading;
end
$$;
comment on function saldo_private.reading__end is
  'Marks a reading superseded or removed, and gives it as it was: SB406, SB020, SB407.';

create or replace function saldo.change_reading(
  reading_id uuid,
  index_value numeric default null,
  volume numeric default null,
  read_at timestamptz default null,
  quality saldo.reading_quality default null,
  is_rollover boolean default null,
  idempotency_key text default null
)
returns saldo.reading
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_batch_id uuid := saldo_private.uuid_v7();
  v_earlier_id uuid;
  v_reading saldo.reading;
begin
  v_earlier_id := saldo_private.claim_idempotency_key(
    'metering', change_reading.idempotency_key, 'change_reading',
    jsonb_build_array(
      change_reading.reading_id, trim_scale(change_reading.index_value),
      trim_scale(change_reading.volume), extract(epoch from change_reading.read_at),
      change_reading.quality, change_reading.is_rollover
    ),
    v_batch_id
  );
  if v_earlier_id is null then
    v_reading := saldo_private.reading__end(change_reading.reading_id, 'superseded');
    perform saldo_private.record_readings(
      array[(
        v_reading.meter_id, coalesce(change_reading.read_at, v_reading.read_at),
        coalesce(change_reading.index_value, v_reading.index_value),
        coalesce(change_reading.volume, v_reading.volume),
        coalesce(change_reading.quality, v_reading.quality),
        coalesce(change_reading.is_rollover, v_reading.is_rollover)
      )::saldo.reading_request],
      v_batch_id, v_reading
    );
  end if;
  select *
  into strict v_reading
  from saldo.reading as r
  where r.batch_id = coalesce(v_earlier_id, v_batch_id);
  return v_reading;
end
$$;
comment on function saldo.change_reading is
  'Puts another reading of the meter in the place of one, which stays as history, rates both and '
  'the one after them anew, and posts the difference. What is not given stays as it was. The same '
  'idempotency_key with the same content returns the first result. Errors in checking order: '
  'SB008, SB009, SB005, SB406, SB020, SB407, SB411, SB409, SB405, SB408, SB410, SB004, SB108, '
  'SB102.';
revoke execute on function saldo.change_reading from public;
grant execute on function saldo.change_reading to saldo_admin;

create or replace function saldo.remove_reading(reading_id uuid)
returns saldo.reading
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reading saldo.reading :=
    saldo_private.reading__end(remove_reading.reading_id, 'removed');
begin
  perform saldo_private.rate_with_next(array[v_reading.id]);
  select *
  into strict v_reading
  from saldo.reading as r
  where r.account_id = v_reading.account_id
  and r.id = v_reading.id;
  return v_reading;
end
$$;
comment on function saldo.remove_reading is
  'Takes a reading out, which stays as history: what it cost is posted back, and the one after it '
  'is rated anew. Errors in checking order: SB406, SB020, SB407, SB410 when the next one is a '
  'roll-over that would no longer be one, SB004, SB108, SB102.';
revoke execute on function saldo.remove_reading from public;
grant execute on function saldo.remove_reading to saldo_admin;

select saldo_private.secure_table('saldo.reading');
drop policy if exists select_all on saldo.reading;
create policy select_all on saldo.reading for select to saldo_admin, saldo_operator using (true);
grant select on saldo.reading to saldo_admin, saldo_operator;

comment on type saldo.reading_quality is 'actual: read off; estimated: guessed, by whatever rule.';
comment on type saldo.reading_request is
  'A reading to record: the meter, when, index_value or volume, and as in add_reading.';
comment on table saldo.reading is 'A reading of a meter. A changed one is superseded by another.';
comment on column saldo.reading.account_id is 'Deposit account of the customer.';
comment on column saldo.reading.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.reading.meter_id is 'Meter.';
comment on column saldo.reading.read_at is 'When it was read, unique among the current ones.';
comment on column saldo.reading.read_on is
  'Business date of that, by the time zone at recording; it decides price, factor and month.';
comment on column saldo.reading.index_value is 'What the register showed; null = a flow meter.';
comment on column saldo.reading.volume is
  'Volume since the reading before, cubic metres; null = a meter of indexes.';
comment on column saldo.reading.is_rollover is
  'Whether the register has started again at zero since the reading before.';
comment on column saldo.reading.quality is 'actual or estimated.';
comment on column saldo.reading.status is 'current, superseded or removed.';
comment on column saldo.reading.revision is 'Counts the changes of one reading, from 1.';
comment on column saldo.reading.supersedes is 'Reading in whose place it came; null = the first.';
comment on column saldo.reading.batch_id is 'Shared by the readings that were recorded at once.';
comment on column saldo.reading.recorded_at is 'When it was recorded.';
comment on column saldo.reading.recorded_by is 'Who recorded it: token subject or login.';
comment on column saldo.reading.ended_at is 'When it was superseded or removed; null = current.';
comment on column saldo.reading.ended_by is 'Who did that.';
--! EndIncluded metering/reading.sql
--! Included metering/customer_month.sql
-- Monthly figures of a customer, and what later months say about closed ones.
--
-- Public: customer_month, customer_year, customer_adjustments. From one snapshot: what was reported
-- from the stored totals (customer_month_total.sql), what is restated from journal and rated lines.
-- reported: by the month of posting; a closed month stays as it was, and what is said about it
-- later stands in a later month as an adjustment. restated: by the month that it is about. Over all
-- time both sum to the same. Opening(m + 1) = closing(m) in either.

create or replace function saldo_private.customer_movement(
  account_id bigint,
  basis saldo.balance_basis
)
returns table (
  month date,
  origin_month date,
  kind text,
  change numeric,
  entry_id uuid,
  posted_at timestamptz
)
language sql
stable
as $$
  select case when basis = 'restated' and e.origin_month is not null then e.origin_month
    else saldo_private.month_of(l.posting_date) end,
    case when basis = 'reported' then e.origin_month end,
    case coalesce(reversed.source, e.source) when 'deposit' then 'deposit'
      when 'rating' then 'purchase' else 'other' end,
    l.credit - l.debit, e.id, e.posted_at
  from saldo.journal_line as l
  join saldo.journal_entry as e on e.id = l.entry_id
  -- An entry that was reversed by hand takes its kind with it.
  left join saldo.journal_entry as reversed on reversed.id = e.reverses
  where l.account_id = customer_movement.account_id
$$;
comment on function saldo_private.customer_movement is
  'The lines of a deposit account by month and kind. change: what it does to the balance; '
  'origin_month: of what is late, where that is reported.';

create or replace function saldo_private.customer_rating(
  account_id bigint,
  basis saldo.balance_basis,
  out month date,
  out volume_m3 numeric,
  out volume_sm3 numeric,
  out calculation jsonb,
  out rated_at timestamptz
)
returns setof record
language sql
stable
as $$
  with line as (
    -- As it was when the month was reported: its last revision that was posted within it.
    select distinct on (l.month, l.reading_id) l.month, l.is_withdrawn, l.is_provisional,
      l.volume_m3, l.volume_sm3, l.amount, l.price, l.factor, l.tariff_version_id,
      l.factor_version_id, l.rated_at
    from saldo.rated_line as l
    where l.account_id = customer_rating.account_id
    and (basis = 'restated' or l.month = saldo_private.month_of(l.posting_date))
    order by l.month, l.reading_id, l.revision desc
  ),
  part as (
    select line.month, line.tariff_version_id, line.factor_version_id, line.price, line.factor,
      line.is_provisional, count(*) filter (where not line.is_withdrawn) as reading_count,
      sum(line.volume_m3) as volume_m3, sum(line.volume_sm3) as volume_sm3,
      sum(line.amount) as amount, max(line.rated_at) as rated_at
    from line
    group by line.month, line.tariff_version_id, line.factor_version_id, line.price, line.factor,
      line.is_provisional
  )
  select part.month, sum(part.volume_m3), sum(part.volume_sm3),
    jsonb_agg(jsonb_build_object(
      'tariff_version_id', part.tariff_version_id, 'factor_version_id', part.factor_version_id,
      'price', part.price, 'factor', part.factor, 'is_provisional', part.is_provisional,
      'reading_count', part.reading_count, 'volume_m3', part.volume_m3,
      'volume_sm3', part.volume_sm3, 'amount', part.amount
    ) order by part.tariff_version_id, part.factor_version_id)
      filter (where part.reading_count > 0),
    max(part.rated_at)
  from part
  group by part.month
$$;
comment on function saldo_private.customer_rating is
  'Volumes of a customer by month of consumption, and how they were rated, by versions.';

create or replace function saldo_private.customer_figure(
  account_id bigint,
  basis saldo.balance_basis
)
returns table (
  month date,
  deposits numeric,
  purchases numeric,
  deposit_adjustments numeric,
  purchase_adjustments numeric,
  others numeric,
  volume_sm3 numeric,
  volume_adjustments numeric,
  calculated_at timestamptz
)
language plpgsql
stable
as $$
begin
  if basis = 'reported' then
    return query
    select t.month::date, t.deposits, t.purchases, t.deposit_adjustments, t.purchase_adjustments,
      t.others, t.volume_sm3::numeric, t.volume_adjustments::numeric, t.last_calculated_at
    from saldo.customer_month_total as t
    where t.account_id = customer_figure.account_id;
    return;
  end if;
  return query
  select m.month, coalesce(sum(m.change) filter (where m.kind = 'deposit'), 0),
    coalesce(-sum(m.change) filter (where m.kind = 'purchase'), 0), 0.0, 0.0,
    coalesce(sum(m.change) filter (where m.kind = 'other'), 0), null::numeric, 0.0,
    max(m.posted_at)
  from saldo_private.customer_movement(customer_figure.account_id, basis) as m
  group by m.month;
end
$$;
comment on function saldo_private.customer_figure is
  'Movements of a customer by month: as stored, or restated. volume_sm3: null where it is to be '
  'taken from the rating.';

create or replace function saldo.customer_month(
  customer_id bigint,
  from_month date,
  to_month date default null,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.customer_month
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_customer saldo.customer := saldo_private.require_customer(customer_month.customer_id);
  v_from date;
  v_to date;
  v_basis saldo.balance_basis := coalesce(customer_month.basis, 'reported');
begin
  if (from_month between '1900-01-01' and '9999-12-31'
    and coalesce(to_month, from_month) between from_month
      and least(from_month + interval '100 years', '9999-12-31')
  ) is not true then
    perform saldo_private.fail(
      'input_invalid',
      'from_month: from 1900 to 9999; to_month: not before it, at most 100 years after'
    );
  end if;
  v_from := saldo_private.month_of(from_month);
  v_to := saldo_private.month_of(coalesce(to_month, from_month));

  return query
  with figure as materialized (
    select f.*, f.deposits - f.purchases + f.deposit_adjustments - f.purchase_adjustments
      + f.others as change
    from saldo_private.customer_figure(v_customer.account_id, v_basis) as f
    where f.month <= v_to
  )
  select c.month, trim_scale(coalesce(b.opening, 0) + c.closing - c.change),
    trim_scale(c.deposits), trim_scale(c.purchases), trim_scale(c.deposit_adjustments),
    trim_scale(c.purchase_adjustments), trim_scale(c.others),
    trim_scale(coalesce(b.opening, 0) + c.closing),
    coalesce(r.volume_m3, 0), coalesce(c.volume_sm3, r.volume_sm3, 0), c.volume_adjustments,
    coalesce(r.calculation, '[]'), greatest(c.calculated_at, r.rated_at)
  from (
    select s.month::date as month, coalesce(f.deposits, 0) as deposits,
      coalesce(f.purchases, 0) as purchases,
      coalesce(f.deposit_adjustments, 0) as deposit_adjustments,
      coalesce(f.purchase_adjustments, 0) as purchase_adjustments,
      coalesce(f.others, 0) as others, coalesce(f.change, 0) as change, f.volume_sm3,
      coalesce(f.volume_adjustments, 0) as volume_adjustments, f.calculated_at,
      sum(coalesce(f.change, 0)) over (order by s.month) as closing
    from generate_series(v_from::timestamp, v_to::timestamp, '1 month') as s (month)
    left join figure as f on f.month = s.month::date
  ) as c
  cross join (
    select sum(f.change) as opening from figure as f where f.month < v_from
  ) as b
  left join saldo_private.customer_rating(v_customer.account_id, v_basis) as r
    on r.month = c.month
  order by c.month;
end
$$;
comment on function saldo.customer_month is
  'Figures of a customer for each month from one to another, default the same, those without '
  'movement included. closing = opening + deposits - purchases + deposit_adjustments - '
  'purchase_adjustments + others. Errors in checking order: SB401, SB010.';
revoke execute on function saldo.customer_month from public;
grant execute on function saldo.customer_month to saldo_admin, saldo_operator;

create or replace function saldo.customer_year(
  customer_id bigint,
  year integer,
  basis saldo.balance_basis default 'reported'
)
returns setof saldo.customer_month
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if (customer_year.year between 1900 and 9999) is not true then
    perform saldo_private.fail('input_invalid', 'year: from 1900 to 9999');
  end if;
  return query
  select m.*
  from saldo.customer_month(
    customer_year.customer_id, make_date(customer_year.year, 1, 1),
    make_date(customer_year.year, 12, 1), customer_year.basis
  ) as m;
end
$$;
comment on function saldo.customer_year is
  'The twelve months of a customer''s year, as customer_month tells them. Errors in checking '
  'order: SB010, SB401.';
revoke execute on function saldo.customer_year from public;
grant execute on function saldo.customer_year to saldo_admin, saldo_operator;

create or replace function saldo.customer_adjustments(customer_id bigint, month date)
returns setof saldo.customer_adjustment
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_customer saldo.customer := saldo_private.require_customer(customer_adjustments.customer_id);
  v_month date;
begin
  if (customer_adjustments.month between '1900-01-01' and '9999-12-31') is not true then
    perform saldo_private.fail('input_invalid', 'month: a day from 1900 to 9999');
  end if;
  v_month := saldo_private.month_of(customer_adjustments.month);
  return query
  select m.origin_month, m.kind, 'adjustment for ' || to_char(m.origin_month, 'YYYY-MM'),
    trim_scale(sum(m.change) * case m.kind when 'purchase' then -1 else 1 end),
    coalesce(case when m.kind = 'purchase' then (
      select sum(l.volume_change)
      from saldo.rated_line as l
      where l.account_id = v_customer.account_id
      and l.month = m.origin_month
      and saldo_private.month_of(l.posting_date) = v_month
    ) end, 0),
    count(distinct m.entry_id)
  from saldo_private.customer_movement(v_customer.account_id, 'reported') as m
  where m.month = v_month
  and m.origin_month is not null
  group by m.origin_month, m.kind
  order by m.origin_month, m.kind;
end
$$;
comment on function saldo.customer_adjustments is
  'What a month, as reported, says about earlier ones that were closed: one line for each of them '
  'and kind. Errors in checking order: SB401, SB010.';
revoke execute on function saldo.customer_adjustments from public;
grant execute on function saldo.customer_adjustments to saldo_admin, saldo_operator;

comment on type saldo.customer_month is 'Figures of a customer for a month.';
comment on column saldo.customer_month.month is 'Month, its first day.';
comment on column saldo.customer_month.opening_balance is 'Balance at its beginning.';
comment on column saldo.customer_month.deposits is 'Deposits, less those taken back.';
comment on column saldo.customer_month.purchases is 'What the readings cost.';
comment on column saldo.customer_month.deposit_adjustments is
  'Deposits of closed months that came, changed or went; 0 where restated.';
comment on column saldo.customer_month.purchase_adjustments is
  'What readings of closed months cost more, or less if negative; 0 where restated.';
comment on column saldo.customer_month.others is 'Whatever else was posted, positive if it adds.';
comment on column saldo.customer_month.closing_balance is 'Balance at its end.';
comment on column saldo.customer_month.volume_m3 is 'Volume by the meters, of this month.';
comment on column saldo.customer_month.volume_sm3 is 'Volume at reference conditions.';
comment on column saldo.customer_month.volume_adjustments is
  'Sm3 of closed months that came or went; 0 where restated.';
comment on column saldo.customer_month.calculation is
  'How it was rated: versions, price, factor, number of readings, volumes and amount.';
comment on column saldo.customer_month.last_calculated_at is
  'When the figures changed last; null = never.';
comment on type saldo.customer_adjustment is 'What a month says about an earlier one.';
comment on column saldo.customer_adjustment.origin_month is 'Month that it is about.';
comment on column saldo.customer_adjustment.kind is 'deposit, purchase or other.';
comment on column saldo.customer_adjustment.description is 'The same in words.';
comment on column saldo.customer_adjustment.amount is
  'How much more was deposited or purchased; for other, what it does to the balance.';
comment on column saldo.customer_adjustment.volume_sm3 is 'How much more Sm3, of purchases.';
comment on column saldo.customer_adjustment.entry_count is 'Number of entries.';
--! EndIncluded metering/customer_month.sql
--! Included metering/monthly_balances.sql
-- Monthly balances: filled for data that was there before, put right, and compared.
--
-- Public: initialize_monthly_balances, sync_monthly_balances, compare_monthly_balances.
-- A plan and its application are the same code. The hash of a plan is over what it would change and
-- over the figures and number of the lines that this rests on: applied with a hash that is no
-- longer that, it is refused.
-- Locks: lock_rating, then the accounts, then their months; a plan takes none.

create or replace function saldo_private.monthly_accounts(customer_id bigint)
returns bigint[]
language plpgsql
stable
as $$
begin
  if customer_id is not null then
    return array[(saldo_private.require_customer(monthly_accounts.customer_id)).account_id];
  end if;
  return array(select c.account_id from saldo.customer as c);
end
$$;
comment on function saldo_private.monthly_accounts is
  'Account of the customer, or of all where it is null. Error: SB401.';

create or replace function saldo_private.monthly_plan(
  account_ids bigint[],
  actions saldo.monthly_balance_action[]
)
returns setof saldo.monthly_balance_change
language sql
stable
as $$
  with planned as materialized (
    select c.change, c.line_count
    from saldo_private.customer_month_change(account_ids) as c
    where (c.change).action = any (actions)
  ),
  plan as materialized (
    select encode(sha256(convert_to(coalesce(string_agg(
      -- Dates are written as the session likes them; the hash must not be.
      format('%s %s %s %s %s %s', (p.change).account_id,
        to_char((p.change).month, 'YYYY-MM'), (p.change).action, (p.change).stored,
        (p.change).derived, p.line_count),
      e'\n' order by (p.change).account_id, (p.change).month
    ), ''), 'UTF8')), 'hex') as hash
    from planned as p
  )
  select (p.change).customer_id, (p.change).account_id, (p.change).month, (p.change).action,
    (p.change).stored, (p.change).derived, plan.hash
  from planned as p
  cross join plan
  order by (p.change).customer_id, (p.change).month
$$;
comment on function saldo_private.monthly_plan is
  'What would be written, of these actions, with the hash of it all; no row when nothing would.';

create or replace function saldo_private.run_monthly_plan(
  customer_id bigint,
  actions saldo.monthly_balance_action[],
  is_dry_run boolean,
  plan_hash text
)
returns saldo.monthly_balance_change[]
language plpgsql
as $$
declare
  v_account_ids bigint[] := saldo_private.monthly_accounts(run_monthly_plan.customer_id);
  v_plan saldo.monthly_balance_change[];
begin
  if not is_dry_run then
    perform saldo_private.lock_rating(
      case when run_monthly_plan.customer_id is not null then v_account_ids end
    );
    -- Again: somebody may have become a customer while the lock was waited for.
    v_account_ids := saldo_private.monthly_accounts(run_monthly_plan.customer_id);
    perform saldo_private.lock_customer_months(v_account_ids);
  end if;
  v_plan := array(select p from saldo_private.monthly_plan(v_account_ids, actions) as p);
  if is_dry_run then
    return v_plan;
  end if;
  -- A plan that has come to nothing has no hash to agree with.
  if run_monthly_plan.plan_hash <> coalesce(v_plan[1].plan_hash, '') then
    perform saldo_private.fail('plan_outdated', format(
      'plan %s, now %s months to write, plan %s', left(run_monthly_plan.plan_hash, 64),
      cardinality(v_plan), coalesce(v_plan[1].plan_hash, 'none')
    ));
  end if;
  perform saldo_private.write_customer_months(v_plan);
  return v_plan;
end
$$;
comment on function saldo_private.run_monthly_plan is
  'Makes a plan and, unless it is a dry run, applies it: SB401, SB020, SB417.';

create or replace function saldo_private.sync_actions(is_forced boolean)
returns saldo.monthly_balance_action[]
language sql
immutable
as $$
  select array['missing', 'differs', 'surplus', case when is_forced then 'same' end]
    ::saldo.monthly_balance_action[]
$$;
comment on function saldo_private.sync_actions is 'What a sync writes; all when it is forced.';

create or replace function saldo_private.sync_customers(account_ids bigint[], is_forced boolean)
returns saldo.monthly_balance_change[]
language plpgsql
as $$
declare
  v_plan saldo.monthly_balance_change[];
begin
  perform saldo_private.lock_rating(account_ids);
  perform saldo_private.lock_customer_months(account_ids);
  v_plan := array(
    select p
    from saldo_private.monthly_plan(account_ids, saldo_private.sync_actions(is_forced)) as p
  );
  perform saldo_private.write_customer_months(v_plan);
  return v_plan;
end
$$;
comment on function saldo_private.sync_customers is
  'Puts the stored months of these accounts right, and returns what was written: SB020.';

create or replace function saldo.initialize_monthly_balances(
  customer_id bigint default null,
  dry_run boolean default true,
  plan_hash text default null
)
returns setof saldo.monthly_balance_change
language sql
volatile
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select p.*
  from unnest(saldo_private.run_monthly_plan(
    initialize_monthly_balances.customer_id, array['missing']::saldo.monthly_balance_action[],
    coalesce(initialize_monthly_balances.dry_run, true), initialize_monthly_balances.plan_hash
  )) as p
$$;
comment on function saldo.initialize_monthly_balances is
  'Fills the months of a customer, or of all, that have movements but no stored totals; those that '
  'are stored stay as they are. dry_run (the default) changes nothing and returns the plan with '
  'its hash. plan_hash: applies only that plan. Errors in checking order: SB401, SB020, SB417.';
revoke execute on function saldo.initialize_monthly_balances from public;
grant execute on function saldo.initialize_monthly_balances to saldo_admin;

create or replace function saldo.sync_monthly_balances(
  customer_id bigint default null,
  force boolean default false,
  dry_run boolean default true,
  plan_hash text default null
)
returns setof saldo.monthly_balance_change
language sql
volatile
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select p.*
  from unnest(saldo_private.run_monthly_plan(
    sync_monthly_balances.customer_id, saldo_private.sync_actions(sync_monthly_balances.force),
    coalesce(sync_monthly_balances.dry_run, true), sync_monthly_balances.plan_hash
  )) as p
$$;
comment on function saldo.sync_monthly_balances is
  'Puts the stored months of a customer, or of all, right: missing ones are filled, those that '
  'differ rewritten, those without movements taken away. force: writes those that agree as well. '
  'dry_run (the default) changes nothing and returns the plan with its hash. plan_hash: applies '
  'only that plan. Errors in checking order: SB401, SB020, SB417.';
revoke execute on function saldo.sync_monthly_balances from public;
grant execute on function saldo.sync_monthly_balances to saldo_admin;

create or replace function saldo.compare_monthly_balances(customer_id bigint default null)
returns saldo.monthly_balance_comparison
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_changes saldo.monthly_balance_change[];
  v_comparison saldo.monthly_balance_comparison;
begin
  select count(*), array_agg(p order by p.customer_id, p.month) filter (where p.action <> 'same')
  into v_comparison.month_count, v_changes
  from saldo_private.monthly_plan(
    saldo_private.monthly_accounts(compare_monthly_balances.customer_id),
    enum_range(null::saldo.monthly_balance_action)
  ) as p;
  v_comparison.difference_count := coalesce(cardinality(v_changes), 0);
  v_comparison.differences := coalesce(v_changes, '{}');
  return v_comparison;
end
$$;
comment on function saldo.compare_monthly_balances is
  'The stored months of a customer, or of all, against what journal and rated lines make of them: '
  'how many were compared, and those that differ. Reads all lines of these customers. Errors: '
  'SB401.';
revoke execute on function saldo.compare_monthly_balances from public;
grant execute on function saldo.compare_monthly_balances to saldo_admin, saldo_operator;

comment on type saldo.monthly_balance_action is
  'missing: not stored; differs: stored otherwise; surplus: stored without a movement; same.';
comment on type saldo.monthly_balance_change is 'A month of a customer in a plan or comparison.';
comment on column saldo.monthly_balance_change.customer_id is 'Customer.';
comment on column saldo.monthly_balance_change.account_id is 'Deposit account of the customer.';
comment on column saldo.monthly_balance_change.month is 'Month, its first day.';
comment on column saldo.monthly_balance_change.action is 'How stored and derived compare.';
comment on column saldo.monthly_balance_change.stored is 'Figures as stored; null when missing.';
comment on column saldo.monthly_balance_change.derived is
  'Figures by journal and rated lines; null when surplus.';
comment on column saldo.monthly_balance_change.plan_hash is
  'Hash of the whole plan, the same in each of its rows.';
comment on type saldo.monthly_balance_comparison is 'Stored months against recomputed ones.';
comment on column saldo.monthly_balance_comparison.month_count is 'Months that were compared.';
comment on column saldo.monthly_balance_comparison.difference_count is 'Those that differ.';
comment on column saldo.monthly_balance_comparison.differences is 'Those that differ, each.';
--! EndIncluded metering/monthly_balances.sql
--! Included metering/monthly_sync.sql
-- The recalculation of stored months as a job: all customers, slice by slice, and what it changed.
--
-- Public: saldo.monthly_sync_run, continue_monthly_sync.
-- Customers go in the order of their ids; the run keeps how far it is, in the transaction of the
-- slice. A run that was killed is gone on with, unless that is so long ago that another one is due.
-- Locks: the run's row, then those of sync_monthly_balances for the customers of the slice.

create or replace function saldo_private.continue_monthly_sync__run(force boolean)
returns saldo.monthly_sync_run
language plpgsql
as $$
declare
  v_run saldo.monthly_sync_run;
begin
  -- Its other customers were looked at too long ago.
  update saldo.monthly_sync_run as s
  set status = 'abandoned', finished_at = clock_timestamp()
  where s.is_forced = continue_monthly_sync__run.force
  and s.status = 'running'
  and s.moved_at < now() - interval '6 hours';

  insert into saldo.monthly_sync_run (is_forced, customer_count, started_by)
  values (
    continue_monthly_sync__run.force, (select count(*) from saldo.customer),
    saldo_private.actor()
  )
  on conflict (is_forced) where status = 'running' do nothing;

  select *
  into v_run
  from saldo.monthly_sync_run as s
  where s.is_forced = continue_monthly_sync__run.force
  and s.status = 'running'
  for update;
  return v_run;
end
$$;
comment on function saldo_private.continue_monthly_sync__run is
  'The run that is under way, or a new one, locked; null when another session has just ended it.';

create or replace function saldo.continue_monthly_sync(
  force boolean default false,
  customer_limit integer default 100
)
returns saldo.monthly_sync_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_run saldo.monthly_sync_run;
  v_customers saldo.customer[];
  v_account_ids bigint[];
  v_plan saldo.monthly_balance_change[];
begin
  if (continue_monthly_sync.customer_limit between 1 and 10000) is not true then
    perform saldo_private.fail('input_invalid', 'customer_limit: from 1 to 10,000');
  end if;
  perform saldo_private.require_read_committed();
  v_run := saldo_private.continue_monthly_sync__run(coalesce(force, false));
  if v_run.id is null then
    return null;
  end if;
  v_customers := array(
    select c
    from saldo.customer as c
    where c.id > v_run.done_customer_id
    order by c.id
    limit continue_monthly_sync.customer_limit
  );
  v_account_ids := array(select c.account_id from unnest(v_customers) as c);
  v_plan := saldo_private.sync_customers(v_account_ids, v_run.is_forced);

  update saldo.monthly_sync_run as s
  set status = case when cardinality(v_customers) < customer_limit then 'done'
      else 'running' end::saldo.monthly_sync_status,
    done_count = s.done_count + cardinality(v_customers),
    done_customer_id = coalesce((v_customers[cardinality(v_customers)]).id, s.done_customer_id),
    written_count = s.written_count + cardinality(v_plan),
    change_count = s.change_count + c.change_count,
    changes = case when s.change_count < 100 then s.changes || c.changes else s.changes end,
    moved_at = clock_timestamp(),
    finished_at = case when cardinality(v_customers) < customer_limit then clock_timestamp() end
  from (
    select count(*) as change_count,
      coalesce(jsonb_agg(to_jsonb(p) - 'plan_hash' order by p.customer_id, p.month), '[]')
        as changes
    from unnest(v_plan) as p
    where p.action <> 'same'
  ) as c
  where s.id = v_run.id
  returning s.* into v_run;
  return v_run;
end
$$;
comment on function saldo.continue_monthly_sync is
  'Puts the stored months of the next customers right, as sync_monthly_balances does, and returns '
  'how far the run is; the first call begins one, and a call after its end the next. force: writes '
  'those that agree as well. customer_limit: customers of a slice. Null when another session ended '
  'the run at this moment. The worker calls it at night. Errors in checking order: SB010, SB020.';
revoke execute on function saldo.continue_monthly_sync from public;
grant execute on function saldo.continue_monthly_sync to saldo_admin;

select saldo_private.secure_table('saldo.monthly_sync_run');
drop policy if exists select_all on saldo.monthly_sync_run;
create policy select_all on saldo.monthly_sync_run for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.monthly_sync_run to saldo_admin, saldo_operator;

comment on type saldo.monthly_sync_status is
  'running; done; abandoned: it was broken off, and not gone on with for six hours.';
comment on table saldo.monthly_sync_run is
  'A run over the stored months of all customers: a nightly sync, or a weekly recalculation.';
comment on column saldo.monthly_sync_run.id is 'Id.';
comment on column saldo.monthly_sync_run.is_forced is
  'Whether months that agree are written as well: the recalculation.';
comment on column saldo.monthly_sync_run.status is 'running, done or abandoned.';
comment on column saldo.monthly_sync_run.customer_count is 'Customers when it began.';
comment on column saldo.monthly_sync_run.done_count is 'Customers that were looked at.';
comment on column saldo.monthly_sync_run.done_customer_id is
  'Customers go in the order of their ids: the last that was looked at.';
comment on column saldo.monthly_sync_run.written_count is 'Months that were written.';
comment on column saldo.monthly_sync_run.change_count is
  'Those of them that were missing, wrong or too many.';
comment on column saldo.monthly_sync_run.changes is
  'These months before and after: of the first slices, until they are a hundred.';
comment on column saldo.monthly_sync_run.started_at is 'When it began.';
comment on column saldo.monthly_sync_run.started_by is 'Who began it: token subject or login.';
comment on column saldo.monthly_sync_run.moved_at is 'When it moved last.';
comment on column saldo.monthly_sync_run.finished_at is 'When it ended; null = running.';
--! EndIncluded metering/monthly_sync.sql
--! Included metering/metering_status.sql
-- Metering status: how much there is, and what waits, in one row.
--
-- Public: metering_status. Counts readings and lines by their indexes; whether stored months agree
-- with their lines is not asked here, that is compare_monthly_balances and the checks.

create or replace function saldo_private.metering_status__run(is_forced boolean)
returns saldo.monthly_sync_run
language sql
stable
as $$
  select s
  from saldo.monthly_sync_run as s
  where s.is_forced = metering_status__run.is_forced
  and s.status = 'done'
  order by s.id desc
  limit 1
$$;
comment on function saldo_private.metering_status__run is
  'The last run over all stored months that came to its end.';

create or replace function saldo.metering_status()
returns saldo.metering_status
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select (
    (select count(*) from saldo.customer),
    (select count(*) from saldo.meter as m where m.removed_at is null),
    reading.count,
    reading.count - line.rated_count,
    line.provisional_count,
    month.count,
    month.last_calculated_at,
    rerating.open_count,
    rerating.left_count,
    sync.finished_at,
    sync.change_count,
    recalculation.finished_at,
    recalculation.change_count
  )::saldo.metering_status
  from (
    select count(*) from saldo.reading as r where r.status = 'current'
  ) as reading
  cross join (
    select count(*) filter (where not l.is_withdrawn) as rated_count,
      count(*) filter (where l.is_provisional) as provisional_count
    from saldo.rated_line as l
    where l.superseded_at is null
  ) as line
  cross join (
    select count(*), max(t.last_calculated_at) as last_calculated_at
    from saldo.customer_month_total as t
  ) as month
  cross join (
    select count(*) as open_count,
      coalesce(sum(greatest(g.reading_count - g.done_count, 0)), 0)::bigint as left_count
    from saldo.rerating as g
    where g.status <> 'done'
  ) as rerating
  left join lateral saldo_private.metering_status__run(is_forced => false) as sync on true
  left join lateral saldo_private.metering_status__run(is_forced => true) as recalculation on true
$$;
comment on function saldo.metering_status is
  'Customers, meters, readings, what of them waits for a price, a factor or a re-rating, and what '
  'the last runs over the stored months came to; one row.';
revoke execute on function saldo.metering_status from public;
grant execute on function saldo.metering_status to saldo_admin, saldo_operator;

comment on type saldo.metering_status is 'How much there is in metering, and what waits.';
comment on column saldo.metering_status.customer_count is 'Customers.';
comment on column saldo.metering_status.meter_count is 'Meters that are installed.';
comment on column saldo.metering_status.reading_count is 'Readings that count.';
comment on column saldo.metering_status.unrated_count is
  'Those of them that wait for a price or factor.';
comment on column saldo.metering_status.provisional_count is
  'Rated lines at the last known price or factor.';
comment on column saldo.metering_status.month_count is 'Months of customers that are stored.';
comment on column saldo.metering_status.last_calculated_at is
  'When one of them was written last; null = none is stored.';
comment on column saldo.metering_status.open_rerating_count is
  'Re-ratings that are open, or failed.';
comment on column saldo.metering_status.rerating_left_count is
  'Readings that they have to look at.';
comment on column saldo.metering_status.last_sync_at is
  'When the last nightly sync of the stored months ended; null = none did.';
comment on column saldo.metering_status.last_sync_change_count is 'Months that it put right.';
comment on column saldo.metering_status.last_recalculation_at is
  'When the last full recalculation of the stored months ended; null = none did.';
comment on column saldo.metering_status.last_recalculation_change_count is
  'Months that it put right.';
--! EndIncluded metering/metering_status.sql
--! Included metering/metering_rule.sql
-- The rules over metering: readings, versions, rated lines and journal tell the same story.
--
-- Private: rule_rated_line, rule_rating_entry, rule_reading_rated, rule_deposit_entry. There is no
-- heal: which side is right takes a human to say. What waits in an open re-rating is not wrong.

create or replace function saldo_private.rule_rated_line()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  with derived as (
    select l.account_id, l.id, l.reading_id, l.is_withdrawn, l.is_provisional, l.volume_m3,
      l.volume_sm3, l.amount, m3.volume as own_m3, sm3.volume as own_sm3,
      round(sm3.volume * t.price, 2) as own_amount,
      l.price = t.price and l.factor = f.factor
        and l.month = saldo_private.month_of(r.read_on) and t.effective_from <= r.read_on
        and f.effective_from <= r.read_on and coalesce(t.account_id, l.account_id) = l.account_id
        and coalesce(f.account_id, l.account_id) = l.account_id as is_referring,
      t.removed_at is null and f.removed_at is null as is_standing, r.read_on
    from saldo.rated_line as l
    left join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
      and r.status = 'current'
    left join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
    left join saldo.tariff_version as t on t.id = l.tariff_version_id
    left join saldo.correction_factor_version as f on f.id = l.factor_version_id
    cross join lateral (
      select saldo_private.reading_volume(m, r, case when m.kind = 'index'
        then saldo_private.previous_index(m, r.read_at) end) as volume
      offset 0 -- else it is computed anew wherever it is used
    ) as m3
    cross join lateral (
      select saldo_private.rounded(m3.volume * f.factor, f.volume_digits, f.rounding) as volume
    ) as sm3
    where l.superseded_at is null
  ),
  chain as (
    select l.account_id, l.reading_id, sum(l.amount_change) as amount,
      sum(l.volume_change) as volume, count(*) filter (where l.superseded_at is null) as current
    from saldo.rated_line as l
    group by l.account_id, l.reading_id
  )
  select d.id::text, d.account_id, format('%s m3, %s Sm3, %s', d.volume_m3, d.volume_sm3, d.amount),
    format('%s m3, %s Sm3, %s', d.own_m3, d.own_sm3, d.own_amount), d.amount - d.own_amount,
    jsonb_build_object('reading_id', d.reading_id, 'is_referring', d.is_referring,
      'is_standing', d.is_standing)
  from derived as d
  where case when d.is_withdrawn then (d.volume_m3, d.volume_sm3, d.amount) <> (0, 0, 0)
    else ((d.volume_m3, d.volume_sm3, d.amount) = (d.own_m3, d.own_sm3, d.own_amount)
      and d.is_referring
      and (d.is_standing or saldo_private.is_rerating_due(d.account_id, d.read_on))) is not true
  end
  union all
  select c.reading_id::text, c.account_id, coalesce(l.amount::text, 'no current line'),
    c.amount::text, l.amount - c.amount, jsonb_build_object('current_lines', c.current)
  from chain as c
  left join saldo.rated_line as l on l.account_id = c.account_id and l.reading_id = c.reading_id
    and l.superseded_at is null
  where (l.amount = c.amount and l.volume_sm3 = c.volume) is not true
$$;
comment on function saldo_private.rule_rated_line is
  'Current rated lines that are not what their reading and versions make, and readings whose '
  'changes do not sum to the current line.';

create or replace function saldo_private.rule_rating_entry()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  with posted as (
    select l.account_id,
      coalesce(e.origin_month, saldo_private.month_of(l.posting_date)) as month,
      sum(l.debit - l.credit) as amount
    from saldo.customer as c
    join saldo.journal_line as l on l.account_id = c.account_id
    join saldo.journal_entry as e on e.id = l.entry_id
    left join saldo.journal_entry as reversed on reversed.id = e.reverses
    where coalesce(reversed.source, e.source) = 'rating'
    group by 1, 2
  ),
  rated as (
    select l.account_id, l.month::date as month, sum(l.amount) as amount
    from saldo.rated_line as l
    where l.superseded_at is null
    group by 1, 2
  )
  select format('%s %s', coalesce(p.account_id, r.account_id), coalesce(p.month, r.month)),
    coalesce(p.account_id, r.account_id), coalesce(p.amount, 0)::text,
    coalesce(r.amount, 0)::text, coalesce(p.amount, 0) - coalesce(r.amount, 0),
    jsonb_build_object('month', coalesce(p.month, r.month))
  from posted as p
  full join rated as r on r.account_id = p.account_id and r.month = p.month
  where coalesce(p.amount, 0) <> coalesce(r.amount, 0)
  union all
  -- By entry as well: two that are wrong may cancel each other.
  select l.entry_id::text, l.account_id, coalesce(j.amount::text, 'no entry'),
    sum(l.amount_change)::text, j.amount - sum(l.amount_change),
    jsonb_build_object('entry_id', l.entry_id)
  from saldo.rated_line as l
  left join lateral (
    select sum(line.debit - line.credit) as amount
    from saldo.journal_line as line
    join saldo.journal_entry as e on e.id = line.entry_id and e.source = 'rating'
    where line.entry_id = l.entry_id
    and line.account_id = l.account_id
  ) as j on true
  where l.entry_id is not null
  group by l.account_id, l.entry_id, j.amount
  having (j.amount = sum(l.amount_change)) is not true
$$;
comment on function saldo_private.rule_rating_entry is
  'Customers and months whose posted rating is not the sum of their current lines, and entries '
  'that are not the sum of the changes they post. stored: the journal; derived: the lines.';

create or replace function saldo_private.rule_reading_rated()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select w.reading_id::text, w.account_id,
    case when l.id is null then 'not rated'
    else format('tariff %s, factor %s', l.tariff_version_id, l.factor_version_id) end,
    format('tariff %s, factor %s', w.tariff_version_id, w.factor_version_id),
    coalesce(l.amount, 0) - w.amount,
    jsonb_build_object('reading_id', w.reading_id, 'read_at', w.read_at)
  from saldo_private.rating_of(array(
    select r.id
    from saldo.reading as r
    join saldo.account as a on a.id = r.account_id
    where r.status = 'current'
    -- A price that changes for all leaves those alone who have had their last bill.
    and a.closed_at is null
  )) as w
  left join saldo.rated_line as l on l.account_id = w.account_id and l.reading_id = w.reading_id
    and l.superseded_at is null and not l.is_withdrawn
  -- Provisional ones depend on a setting, which may have been changed since.
  where not w.is_provisional
  and (l.tariff_version_id, l.factor_version_id, l.is_provisional)
    is distinct from (w.tariff_version_id, w.factor_version_id, false)
  and not saldo_private.is_rerating_due(w.account_id, (
    select r.read_on
    from saldo.reading as r
    where r.account_id = w.account_id
    and r.id = w.reading_id
  ))
  union all
  select l.reading_id::text, l.account_id, format('rated %s', l.amount), 'not rated', l.amount,
    jsonb_build_object('reading_id', l.reading_id)
  from saldo.rated_line as l
  left join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
    and r.status = 'current'
  where l.superseded_at is null
  and not l.is_withdrawn
  and r.id is null
$$;
comment on function saldo_private.rule_reading_rated is
  'Current readings with a price and a factor in effect that are not rated by those, and lines of '
  'readings that do not stand.';

create or replace function saldo_private.rule_deposit_entry()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  with net as (
    select d.account_id, d.id, coalesce(sum(l.credit - l.debit), 0) as amount
    from saldo.deposit as d
    left join saldo.journal_entry as e on e.id = d.entry_id or e.reverses = d.entry_id
    left join saldo.journal_line as l on l.entry_id = e.id and l.account_id = d.account_id
    group by d.account_id, d.id
  )
  select d.id::text, d.account_id, format('%s %s', d.status, d.amount), n.amount::text,
    case when d.status = 'current' then d.amount else 0 end - n.amount,
    jsonb_build_object('deposit_id', d.id, 'entry_id', d.entry_id)
  from saldo.deposit as d
  join net as n on n.account_id = d.account_id and n.id = d.id
  where n.amount <> case when d.status = 'current' then d.amount else 0 end
  union all
  select e.id::text, l.account_id, 'no deposit', (l.credit - l.debit)::text,
    l.debit - l.credit, jsonb_build_object('entry_id', e.id)
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id
  join saldo.customer as c on c.account_id = l.account_id
  where e.source = 'deposit'
  and e.kind = 'normal'
  and not exists (
    select from saldo.deposit as d where d.account_id = l.account_id and d.entry_id = e.id
  )
$$;
comment on function saldo_private.rule_deposit_entry is
  'Deposits whose entry, with its reversal, does not come to what they say, and entries of '
  'deposits that are not recorded.';
--! EndIncluded metering/metering_rule.sql
--! Included metering/import_field.sql
-- What an import reads in a row: fields, figures and times as they stand in a file.
--
-- Private: import_field, import_content, import_decimal, import_time, require_import_time,
-- require_import_decimal, import_customer_id, require_import_rows, import_refusal.
-- Nothing is guessed: a decimal comma, a date of another form or one that no calendar has is
-- refused.

create or replace function saldo_private.import_field(import_row jsonb, name text)
returns text
language sql
immutable
as $$
  select nullif(btrim(import_row ->> name), '')
$$;
comment on function saldo_private.import_field is 'A field of a row; an empty one is null.';

create or replace function saldo_private.import_content(import_row jsonb)
returns jsonb
language sql
immutable
as $$
  select coalesce(jsonb_object_agg(f.name, btrim(f.value)), '{}')
  from jsonb_each_text(import_row) as f (name, value)
  where f.name not in ('row_no', 'key')
  and btrim(f.value) <> ''
$$;
comment on function saldo_private.import_content is
  'What a row says: without its number and key, blanks around fields, and fields that are empty.';

create or replace function saldo_private.import_decimal(value text)
returns numeric
language sql
immutable
as $$
  select case when value ~ '^-?[0-9]{1,40}(\.[0-9]{1,40})?$' then value::numeric end
$$;
comment on function saldo_private.import_decimal is
  'A plain decimal number with a point; null for anything else.';

create or replace function saldo_private.import_time(value text)
returns timestamptz
language plpgsql
stable
as $$
declare
  v_pattern constant text :=
    '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?';
begin
  if value ~ (v_pattern || '(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)$') then
    return value::timestamptz;
  elsif value ~ (v_pattern || '$') then
    return value::timestamp at time zone saldo_private.setting_value('business_time_zone');
  end if;
  return null;
exception
  -- A 30th of February has the form of a date.
  when datetime_field_overflow or invalid_datetime_format then
    return null;
end
$$;
comment on function saldo_private.import_time is
  'An instant of ISO 8601, without a zone of the business time zone; null for anything else.';

create or replace function saldo_private.require_import_time(value text, what text)
returns timestamptz
language plpgsql
stable
as $$
declare
  v_time timestamptz := saldo_private.import_time(value);
begin
  if v_time is null then
    perform saldo_private.fail('date_invalid', format('%s: %s', what,
      coalesce(quote_literal(left(value, 40)), 'none')));
  end if;
  return v_time;
end
$$;
comment on function saldo_private.require_import_time is 'The instant. Error: SB433.';

create or replace function saldo_private.require_import_decimal(value text, what text)
returns numeric
language plpgsql
stable
as $$
declare
  v_number numeric := saldo_private.import_decimal(value);
begin
  if value is not null and v_number is null then
    perform saldo_private.fail('decimal_invalid', format('%s: %L', what, left(value, 40)));
  end if;
  return v_number;
end
$$;
comment on function saldo_private.require_import_decimal is
  'The number, null where there is none. Error: SB434.';

create or replace function saldo_private.import_customer_id(code text)
returns bigint
language plpgsql
stable
as $$
declare
  v_id bigint;
begin
  select c.id
  into v_id
  from saldo.customer as c
  where c.code = normalize(import_customer_id.code, nfc);
  if v_id is null then
    perform saldo_private.fail('customer_not_found', format('customer: %s',
      coalesce(quote_literal(left(code, 100)), 'none')));
  end if;
  return v_id;
end
$$;
comment on function saldo_private.import_customer_id is
  'Id of the customer that has this code. Error: SB401.';

create or replace function saldo_private.require_import_rows(rows jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_expected constant text := 'rows: an array of 1 to 5,000 objects, each with its row_no';
begin
  -- Apart, because nothing promises that a condition is not evaluated after one that failed.
  if rows is null or jsonb_typeof(rows) <> 'array' then
    perform saldo_private.fail('input_invalid', v_expected);
  end if;
  if jsonb_array_length(rows) not between 1 and 5000 or exists (
    select
    from jsonb_array_elements(rows) as r (value)
    where jsonb_typeof(r.value) <> 'object'
    or coalesce(r.value ->> 'row_no', '') !~ '^[1-9][0-9]{0,8}$'
  ) then
    perform saldo_private.fail('input_invalid', v_expected);
  end if;
end
$$;
comment on function saldo_private.require_import_rows is
  'Refuses what is no array of rows: SB010.';

create or replace function saldo_private.import_refusal(
  state text,
  condition text,
  message text,
  detail text
)
returns saldo.import_result
language plpgsql
stable
as $$
declare
  v_result saldo.import_result;
begin
  v_result.is_accepted := false;
  if state like 'SB%' then
    v_result.error_code := state;
    v_result.error_condition := condition;
    v_result.detail := nullif(detail, '');
  elsif left(state, 2) in ('22', '23') then
    -- A value that a domain or a constraint refuses, in the words of PostgreSQL.
    select e.code, e.condition, import_refusal.message
    into strict v_result.error_code, v_result.error_condition, v_result.detail
    from saldo.error_code as e
    where e.condition = 'input_invalid';
  end if;
  return v_result;
end
$$;
comment on function saldo_private.import_refusal is
  'The answer to a row that raised this; without a code for what is no fault of the row''s.';
--! EndIncluded metering/import_field.sql
--! Included metering/import.sql
-- Import: rows of files of customers, deposits and meters, each answered by itself.
--
-- Public: saldo.import_customers, import_deposits, import_meters. Private: import_row, import_rows,
-- import_customer, import_deposit, import_deposits__lock, import_meter.
-- A row is an object of texts: row_no and the columns of its file. It counts once, however often it
-- comes: a deposit by its key, a customer by its code, a meter by its code and time. Each row is a
-- subtransaction: a bad one holds back none of the others, and is written nowhere.
-- Locks: those of the functions that record what a row says, until the end of the transaction; of
-- deposits the months and accounts of all rows come first.

create or replace function saldo_private.import_customer(import_row jsonb)
returns saldo.import_result
language plpgsql
as $$
declare
  v_code text := saldo_private.import_field(import_row, 'code');
  v_name text := saldo_private.import_field(import_row, 'name');
  v_currency text := saldo_private.import_field(import_row, 'currency');
  v_result saldo.import_result;
begin
  select c.id::text, 'imported before'
  into v_result.id, v_result.detail
  from saldo.customer as c
  where c.code = normalize(v_code, nfc)
  and c.name = normalize(v_name, nfc)
  and c.currency = coalesce(v_currency, c.currency);
  if v_result.id is null then
    v_result.id := (saldo.create_customer(v_code, v_name, v_currency)).id::text;
  end if;
  return v_result;
end
$$;
comment on function saldo_private.import_customer is
  'Records a row of a file of customers, once by its code.';

create or replace function saldo_private.import_deposit(import_row jsonb)
returns saldo.import_result
language plpgsql
as $$
declare
  v_key text := saldo_private.import_field(import_row, 'key');
  v_result saldo.import_result;
begin
  v_result.detail := case when exists (
    select
    from saldo_private.idempotency_record as i
    where i.scope = 'metering'
    and i.key = v_key
  ) then 'imported before' end;
  v_result.id := (saldo.add_deposit(
    customer_id => saldo_private.import_customer_id(
      saldo_private.import_field(import_row, 'customer')
    ),
    amount => saldo_private.require_amount_text(saldo_private.import_field(import_row, 'amount')),
    occurred_at => saldo_private.require_import_time(
      saldo_private.import_field(import_row, 'occurred_at'), 'occurred_at'
    ),
    description => saldo_private.import_field(import_row, 'description'),
    idempotency_key => v_key
  )).id::text;
  return v_result;
end
$$;
comment on function saldo_private.import_deposit is
  'Records a row of a file of deposits, once by its key.';

create or replace function saldo_private.import_deposits__lock(rows jsonb)
returns void
language plpgsql
as $$
declare
  v_account_ids bigint[];
begin
  perform saldo_private.hold_months_of(array(
    select t.at
    from jsonb_array_elements(rows) as r (value)
    cross join lateral (
      select saldo_private.import_time(saldo_private.import_field(r.value, 'occurred_at')) as at
    ) as t
    where t.at is not null
  ));
  select array_agg(distinct c.account_id)
    || array_agg(distinct saldo_private.system_account('cash', c.currency))
  into v_account_ids
  from saldo.customer as c
  where c.code in (
    select normalize(saldo_private.import_field(r.value, 'customer'), nfc)
    from jsonb_array_elements(rows) as r (value)
  );
  perform
  from saldo.account as a
  where a.id = any (v_account_ids)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
end
$$;
comment on function saldo_private.import_deposits__lock is
  'Takes the months and then the accounts of all rows, in their order: one row after the other '
  'would take them in that of the file, and deadlock with deposits that come meanwhile.';

create or replace function saldo_private.import_meter(import_row jsonb)
returns saldo.import_result
language plpgsql
as $$
declare
  v_customer_id bigint := saldo_private.import_customer_id(
    saldo_private.import_field(import_row, 'customer')
  );
  v_code text := saldo_private.import_field(import_row, 'code');
  v_kind text := coalesce(saldo_private.import_field(import_row, 'kind'), 'index');
  v_installed_at timestamptz := saldo_private.require_import_time(
    saldo_private.import_field(import_row, 'installed_at'), 'installed_at'
  );
  v_start numeric := coalesce(saldo_private.require_import_decimal(
    saldo_private.import_field(import_row, 'start_index'), 'start_index'), 0);
  v_limit numeric := coalesce(saldo_private.require_import_decimal(
    saldo_private.import_field(import_row, 'register_limit'), 'register_limit'), 1000000);
  v_result saldo.import_result;
begin
  if v_kind not in ('index', 'volume') then
    perform saldo_private.fail('input_invalid', 'kind: index or volume');
  end if;
  select m.id::text, 'imported before'
  into v_result.id, v_result.detail
  from saldo.customer as c
  join saldo.meter as m on m.account_id = c.account_id
  where c.id = v_customer_id
  and m.code = normalize(v_code, nfc)
  and m.kind::text = v_kind
  and m.installed_at = v_installed_at
  and (m.kind = 'volume' or (m.start_index = v_start and m.register_limit = v_limit))
  order by m.id
  limit 1;
  if v_result.id is null then
    v_result.id := (saldo.install_meter(
      v_customer_id, v_code, v_kind::saldo.meter_kind, v_installed_at, v_start, v_limit
    )).id::text;
  end if;
  return v_result;
end
$$;
comment on function saldo_private.import_meter is
  'Records a row of a file of meters, once by its code and time of installation.';

create or replace function saldo_private.import_row(import_row jsonb, kind text)
returns saldo.import_result
language plpgsql
as $$
declare
  v_result saldo.import_result;
  v_state text;
  v_condition text;
  v_message text;
  v_detail text;
begin
  v_result := case import_row.kind
    when 'customers' then saldo_private.import_customer(import_row.import_row)
    when 'deposits' then saldo_private.import_deposit(import_row.import_row)
    when 'meters' then saldo_private.import_meter(import_row.import_row)
  end;
  v_result.is_accepted := true;
  v_result.row_no := (import_row.import_row ->> 'row_no')::integer;
  return v_result;
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_condition = constraint_name,
      v_message = message_text, v_detail = pg_exception_detail;
    v_result := saldo_private.import_refusal(v_state, v_condition, v_message, v_detail);
    if v_result.error_code is null then
      raise;
    end if;
    v_result.row_no := (import_row.import_row ->> 'row_no')::integer;
    return v_result;
end
$$;
comment on function saldo_private.import_row is
  'Records a row, or tells why not. What is no fault of the row''s ends the whole import.';

create or replace function saldo_private.import_rows(rows jsonb, kind text, dry_run boolean)
returns setof saldo.import_result
language plpgsql
as $$
declare
  v_results saldo.import_result[] := '{}';
  v_row jsonb;
begin
  perform saldo_private.require_import_rows(import_rows.rows);
  begin
    if import_rows.kind = 'deposits' then
      perform saldo_private.import_deposits__lock(import_rows.rows);
    end if;
    for v_row in
      select r.value
      from jsonb_array_elements(import_rows.rows) as r (value)
    loop
      v_results := v_results || saldo_private.import_row(v_row, import_rows.kind);
    end loop;
    if import_rows.dry_run then
      perform saldo_private.fail('input_invalid', 'dry run');
    end if;
  exception
    -- Only the line above raises it: a row's own was answered. All is undone but the answers.
    when sqlstate 'SB010' then
      null;
  end;
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from unnest(v_results) as u;
end
$$;
comment on function saldo_private.import_rows is
  'Records rows of a kind, or with dry_run only tells what would come of them.';

create or replace function saldo.import_customers(rows jsonb, dry_run boolean default false)
returns setof saldo.import_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from saldo_private.import_rows(import_customers.rows, 'customers', import_customers.dry_run) as u;
end
$$;
comment on function saldo.import_customers is
  'Records up to 5,000 rows of a file of customers and answers each: objects of texts with '
  'row_no, code, name, currency. One that is there with the same fields counts as accepted. A '
  'bad row holds back none of the others. dry_run: writes nothing. Error of the whole: SB010. '
  'Errors of a row: SB010, SB008, SB009, SB014.';
revoke execute on function saldo.import_customers from public;
grant execute on function saldo.import_customers to saldo_admin;

create or replace function saldo.import_deposits(rows jsonb, dry_run boolean default false)
returns setof saldo.import_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from saldo_private.import_rows(import_deposits.rows, 'deposits', import_deposits.dry_run) as u;
end
$$;
comment on function saldo.import_deposits is
  'Records up to 5,000 rows of a file of deposits and answers each: objects of texts with '
  'row_no, customer, amount, occurred_at, description, key. key: under one a deposit counts '
  'once. A bad row holds back none of the others. dry_run: writes nothing. Error of the '
  'whole: SB010. Errors of a row: SB401, SB002, SB003, SB004, SB433, SB008, SB009, SB010, '
  'SB005, SB108, SB102.';
revoke execute on function saldo.import_deposits from public;
grant execute on function saldo.import_deposits to saldo_admin;

create or replace function saldo.import_meters(rows jsonb, dry_run boolean default false)
returns setof saldo.import_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from saldo_private.import_rows(import_meters.rows, 'meters', import_meters.dry_run) as u;
end
$$;
comment on function saldo.import_meters is
  'Records up to 5,000 rows of a file of meters and answers each: objects of texts with '
  'row_no, customer, code, kind, installed_at, start_index, register_limit. One that is there '
  'with the same fields counts as accepted. A bad row holds back none of the others. dry_run: '
  'writes nothing. Error of the whole: SB010. Errors of a row: SB401, SB433, SB010, SB434, '
  'SB411, SB409, SB008, SB009, SB014.';
revoke execute on function saldo.import_meters from public;
grant execute on function saldo.import_meters to saldo_admin;

comment on type saldo.import_result is 'What a row of an import came to.';
comment on column saldo.import_result.row_no is 'Number of the row, as it was given.';
comment on column saldo.import_result.is_accepted is 'Whether it is recorded, now or before.';
comment on column saldo.import_result.id is 'Id of what it recorded; null = refused.';
comment on column saldo.import_result.error_code is 'Code of the error; null = accepted.';
comment on column saldo.import_result.error_condition is 'Its condition; null = accepted.';
comment on column saldo.import_result.detail is
  'What was seen; of an accepted row, that it was imported before.';
--! EndIncluded metering/import.sql
--! Included metering/import_readings.sql
-- Import of readings: as many at once as are right, and each answered by itself.
--
-- Public: saldo.import_readings. Private: import_readings__look, __check, __post, __record,
-- __copies.
-- What a row has wrong by itself is found for all rows in one statement; the rest is recorded as
-- one batch. Where the ledger or the order of indexes refuses that, it is halved, in the order of
-- time, until only what is at fault is left: good rows never wait for bad ones.
-- A batch and its halves are of all sizes: statements are planned for each (plan_cache_mode), since
-- a plan for a few rows takes minutes over thousands.
-- Locks: versions and customers first (lock_rating), then keys, months and accounts.

create or replace function saldo_private.import_readings__look(rows jsonb)
returns setof saldo_private.import_reading
language sql
stable
as $$
  select f.row_no, f.key, saldo_private.request_hash('import_reading', f.content), m.account_id,
    (m.id, f.read_at, saldo_private.import_decimal(f.index_value),
      saldo_private.import_decimal(f.volume),
      case when f.quality in ('actual', 'estimated') then f.quality end,
      f.is_rollover = 'true')::saldo.reading_request,
    p.condition,
    case p.condition
      when 'customer_not_found'
        then format('customer: %s', coalesce(quote_literal(left(f.customer, 100)), 'none'))
      when 'meter_not_found'
        then format('meter: %s', coalesce(quote_literal(left(f.meter, 100)), 'none'))
      when 'date_invalid'
        then format('read_at: %s', coalesce(quote_literal(left(f.read_at_text, 40)), 'none'))
      when 'decimal_invalid' then format('index_value %L, volume %L', left(f.index_value, 40),
        left(f.volume, 40))
      when 'input_invalid' then 'quality: actual or estimated; is_rollover: true or false'
      when 'text_invalid' then 'key'
      when 'text_too_long' then 'key: 1 to 200 characters'
    end
  from (
    select (r.value ->> 'row_no')::integer as row_no,
      saldo_private.import_field(r.value, 'key') as key,
      saldo_private.import_content(r.value) as content,
      saldo_private.import_field(r.value, 'customer') as customer,
      saldo_private.import_field(r.value, 'meter') as meter,
      saldo_private.import_field(r.value, 'read_at') as read_at_text,
      saldo_private.import_time(saldo_private.import_field(r.value, 'read_at')) as read_at,
      saldo_private.import_field(r.value, 'index_value') as index_value,
      saldo_private.import_field(r.value, 'volume') as volume,
      saldo_private.import_field(r.value, 'quality') as quality,
      saldo_private.import_field(r.value, 'is_rollover') as is_rollover
    from jsonb_array_elements(rows) as r (value)
  ) as f
  left join saldo.customer as c on c.code = normalize(f.customer, nfc)
  left join lateral (
    -- A code may have been given again to a later meter: the one that stood there then.
    select t.id, t.account_id
    from saldo.meter as t
    where t.account_id = c.account_id
    and t.code = normalize(f.meter, nfc)
    order by f.read_at > t.installed_at and f.read_at <= coalesce(t.removed_at, 'infinity') desc,
      t.installed_at desc, t.id desc
    limit 1
  ) as m on true
  cross join lateral (
    select case
      when c.id is null then 'customer_not_found'
      when m.id is null then 'meter_not_found'
      when f.read_at is null then 'date_invalid'
      when (f.index_value is not null and saldo_private.import_decimal(f.index_value) is null)
        or (f.volume is not null and saldo_private.import_decimal(f.volume) is null)
        then 'decimal_invalid'
      when f.quality not in ('actual', 'estimated') or f.is_rollover not in ('true', 'false')
        then 'input_invalid'
      when f.key ~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]' then 'text_invalid'
      when length(f.key) > 200 then 'text_too_long'
    end as condition
  ) as p
$$;
comment on function saldo_private.import_readings__look is
  'The rows as requests, each with what it has wrong before any meter is looked at.';

create or replace function saldo_private.import_readings__check(
  rows saldo_private.import_reading[]
)
returns setof saldo_private.import_reading
language sql
stable
as $$
  select q.row_no, q.key, q.request_hash, q.account_id, q.request, p.condition,
    case when p.condition is not null then format('meter %s at %s: %s', q.meter_id, q.read_at,
      coalesce(q.index_value, q.volume)) end
  from (
    select u.row_no, u.key, u.request_hash, u.account_id, u.request, (u.request).meter_id,
      (u.request).read_at, (u.request).index_value, (u.request).volume,
      row_number() over (
        partition by (u.request).meter_id, (u.request).read_at
        order by u.row_no
      ) as copy_no
    from unnest(rows) as u
  ) as q
  join saldo.meter as m on m.account_id = q.account_id and m.id = q.meter_id
  left join saldo.reading as r on r.account_id = q.account_id and r.meter_id = q.meter_id
    and r.read_at = q.read_at and r.status = 'current'
  cross join lateral (
    select saldo_private.reading_problem(q.request, m, r.id is not null or q.copy_no > 1)
      as condition
  ) as p
$$;
comment on function saldo_private.import_readings__check is
  'The rows, each with what it has wrong at its meter.';

create or replace function saldo_private.import_readings__post(
  rows saldo_private.import_reading[]
)
returns setof saldo.import_result
language plpgsql
as $$
declare
  v_count constant integer := coalesce(cardinality(rows), 0);
  v_results saldo.import_result[];
  v_refusal saldo.import_result;
  v_state text;
  v_condition text;
  v_message text;
  v_detail text;
begin
  if v_count = 0 then
    return;
  end if;
  begin
    select array_agg((u.row_no, true, d.id::text, null, null, null)::saldo.import_result)
    into v_results
    from saldo.add_readings(array(
      select q.request
      from unnest(rows) as q
    )) as d
    join unnest(rows) as u on (u.request).meter_id = d.meter_id
      and (u.request).read_at = d.read_at;
    insert into saldo_private.idempotency_record (scope, key, operation, request_hash, result_id)
    select 'metering', u.key, 'import_reading', u.request_hash, r.id::uuid
    from unnest(rows) as u
    join unnest(v_results) as r on r.row_no = u.row_no
    where u.key is not null;
  exception
    when others then
      get stacked diagnostics v_state = returned_sqlstate, v_condition = constraint_name,
        v_message = message_text, v_detail = pg_exception_detail;
      v_refusal := saldo_private.import_refusal(v_state, v_condition, v_message, v_detail);
      if v_refusal.error_code is null then
        raise;
      end if;
      v_results := null;
  end;
  if v_results is null and v_count = 1 then
    v_refusal.row_no := rows[1].row_no;
    v_results := array[v_refusal];
  elsif v_results is null then
    return query
    select h.row_no, h.is_accepted, h.id, h.error_code, h.error_condition, h.detail
    from saldo_private.import_readings__post(rows[:v_count / 2]) as h;
    return query
    select h.row_no, h.is_accepted, h.id, h.error_code, h.error_condition, h.detail
    from saldo_private.import_readings__post(rows[v_count / 2 + 1:]) as h;
    return;
  end if;
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from unnest(v_results) as u;
end
$$;
comment on function saldo_private.import_readings__post is
  'Records the rows at once, or by halves until only what is refused is left.';

create or replace function saldo_private.import_readings__record(
  rows saldo_private.import_reading[]
)
returns setof saldo.import_result
language plpgsql
as $$
declare
  v_checked saldo_private.import_reading[];
begin
  -- Known by its key: what came of it then.
  return query
  select u.row_no, i.request_hash = u.request_hash,
    case when i.request_hash = u.request_hash then i.result_id::text end,
    e.code, e.condition,
    case when e.code is null then 'imported before'
      else format('first used at %s for %s', i.created_at, i.operation) end
  from unnest(rows) as u
  join saldo_private.idempotency_record as i on i.scope = 'metering' and i.key = u.key
  left join saldo.error_code as e
    on e.condition = 'idempotency_conflict' and i.request_hash <> u.request_hash;

  v_checked := array(
    select c
    from saldo_private.import_readings__check(array(
      select u
      from unnest(rows) as u
      where not exists (
        select
        from saldo_private.idempotency_record as i
        where i.scope = 'metering'
        and i.key = u.key
      )
    )) as c
    order by (c.request).read_at, c.row_no
  );
  return query
  select u.row_no, false, null::text, e.code, e.condition, u.detail
  from unnest(v_checked) as u
  join saldo.error_code as e on e.condition = u.error_condition;

  return query
  select p.row_no, p.is_accepted, p.id, p.error_code, p.error_condition, p.detail
  from saldo_private.import_readings__post(array(
    select u
    from unnest(v_checked) as u
    where u.error_condition is null
    order by (u.request).read_at, u.row_no
  )) as p;
end
$$;
comment on function saldo_private.import_readings__record is
  'Answers rows that are well-formed and whose keys differ from each other.';

create or replace function saldo_private.import_readings__copies(
  rows saldo_private.import_reading[],
  is_first boolean
)
returns saldo_private.import_reading[]
language sql
immutable
as $$
  select array(
    select (c.row_no, c.key, c.request_hash, c.account_id, c.request, null, null)
      ::saldo_private.import_reading
    from (
      select u.row_no, u.key, u.request_hash, u.account_id, u.request,
        u.key is null or row_number() over (partition by u.key order by u.row_no) = 1 as is_first
      from unnest(rows) as u
      where u.error_condition is null
    ) as c
    where c.is_first = import_readings__copies.is_first
  )
$$;
comment on function saldo_private.import_readings__copies is
  'Of the rows that are well-formed those whose key comes first in them, or the others.';

create or replace function saldo.import_readings(rows jsonb, dry_run boolean default false)
returns setof saldo.import_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  v_rows saldo_private.import_reading[];
  v_results saldo.import_result[];
begin
  perform saldo_private.require_import_rows(import_readings.rows);
  v_rows := array(
    select r
    from saldo_private.import_readings__look(import_readings.rows) as r
  );
  perform saldo_private.lock_rating(array(
    select distinct u.account_id
    from unnest(v_rows) as u
    where u.error_condition is null
  ));
  begin
    v_results := array(
      select (u.row_no, false, null, e.code, e.condition, u.detail)::saldo.import_result
      from unnest(v_rows) as u
      join saldo.error_code as e on e.condition = u.error_condition
    );
    -- A key that comes twice: the first row is recorded before the second one is looked at.
    v_results := v_results || array(
      select r from saldo_private.import_readings__record(
        saldo_private.import_readings__copies(v_rows, true)
      ) as r
    );
    v_results := v_results || array(
      select r from saldo_private.import_readings__record(
        saldo_private.import_readings__copies(v_rows, false)
      ) as r
    );
    if import_readings.dry_run then
      perform saldo_private.fail('input_invalid', 'dry run');
    end if;
  exception
    -- Only the line above raises it: a row's own was answered. All is undone but the answers.
    when sqlstate 'SB010' then
      null;
  end;
  return query
  select u.row_no, u.is_accepted, u.id, u.error_code, u.error_condition, u.detail
  from unnest(v_results) as u
  order by u.row_no;
end
$$;
comment on function saldo.import_readings is
  'Records up to 5,000 rows of a file of readings at once, and answers each: objects of texts with '
  'row_no, customer and meter (codes), read_at, index_value or volume, quality, is_rollover, and '
  'key, under which a row counts once. A bad row holds back none of the others. dry_run: writes '
  'nothing. Errors of the whole: SB010, SB020. Errors of a row: SB401, SB404, SB433, SB434, SB010, '
  'SB008, SB009, SB005, SB411, SB409, SB405, SB408, SB410, SB004, SB108, SB102.';
revoke execute on function saldo.import_readings from public;
grant execute on function saldo.import_readings to saldo_admin;

comment on type saldo_private.import_reading is 'A row of a file of readings, looked at.';
--! EndIncluded metering/import_readings.sql

-- health: rules, checks, explanation, guard, heal, maintenance, alerts
--! Included health/guard.sql
-- The guard: cached balances are written by the engine only, and what gets past it is recorded.
--
-- Triggers, all of them ENABLE ALWAYS: guard_cached_balance refuses (SB601), or, where
-- session_replication_role = replica has silenced the ordinary triggers, lets pass and records;
-- record_bypass and record_bypass_truncate record writes to the journal and its seals. See
-- saldo.guard_event.
-- The engine's own writes happen in definer functions: there current_user is saldo_owner while the
-- role setting stays the caller's. SET ROLE saldo_owner puts it into the setting, SET SESSION
-- AUTHORIZATION into session_user: both are caught. A superuser who disables a trigger is not; the
-- rules find what that leaves behind.
-- The conditions stand in WHEN clauses, so that the engine pays for no function call, and are
-- short, because every statement that writes parses them anew: a posting pays for three of them.

create or replace function saldo_private.record_bypass(
  table_name text,
  operation text,
  old_row jsonb,
  new_row jsonb
)
returns void
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  insert into saldo.guard_event (
    id, occurred_at, login, role, application_name, client_address, transaction_id, statement,
    table_name, operation, account_id, old_row, new_row
  )
  values (
    saldo_private.uuid_v7(), clock_timestamp(), session_user,
    coalesce(nullif(current_setting('role'), 'none'), session_user),
    current_setting('application_name'), inet_client_addr(), pg_current_xact_id(),
    left(current_query(), 2000), record_bypass.table_name, lower(record_bypass.operation),
    coalesce(
      coalesce(new_row, old_row) ->> 'account_id',
      case when record_bypass.table_name = 'account' then coalesce(new_row, old_row) ->> 'id' end
    )::bigint,
    old_row, new_row
  )
$$;
comment on function saldo_private.record_bypass is
  'Records a write that got past the engine: who, from where, with which statement, old and new.';

create or replace function saldo_private.tg__guard_cached_balance()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_cached constant text[] := array['debit_total', 'credit_total', 'held_total'];
  v_old jsonb := to_jsonb(OLD);
  v_new jsonb := to_jsonb(NEW);
begin
  -- Of an account only the cached columns are guarded; an account may begin with none of them.
  if TG_TABLE_NAME = 'account' and TG_OP <> 'DELETE' and not exists (
    select
    from unnest(v_cached) as cached (name)
    where (v_new ->> cached.name)::numeric
      is distinct from coalesce((v_old ->> cached.name)::numeric, 0)
  ) then
    return NEW;
  end if;

  if current_setting('session_replication_role') = 'replica' then
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, v_old, v_new);
    return coalesce(NEW, OLD);
  end if;
  perform saldo_private.fail('balance_guarded', format('%s of %s', lower(TG_OP), TG_TABLE_NAME));
end
$$;
comment on function saldo_private.tg__guard_cached_balance is
  'Refuses a write to a cached balance that does not come from the engine (SB601), or records it '
  'where triggers are silenced.';

create or replace function saldo_private.tg__guard_truncate()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if current_setting('session_replication_role') = 'replica' then
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, null, null);
    return null;
  end if;
  perform saldo_private.fail('balance_guarded', format('truncate of %s', TG_TABLE_NAME));
end
$$;
comment on function saldo_private.tg__guard_truncate is
  'Refuses TRUNCATE of cached balances (SB601), or records it where triggers are silenced.';

create or replace function saldo_private.tg__record_bypass()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if TG_LEVEL = 'STATEMENT' then
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, null, null);
  else
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
  end if;
  return null;
end
$$;
comment on function saldo_private.tg__record_bypass is
  'Records a change of the journal that does not come from the engine.';

create or replace function saldo_private.tg_journal_line__record_bypass()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, null, to_jsonb(n))
  from new_lines as n;
  return null;
end
$$;
comment on function saldo_private.tg_journal_line__record_bypass is
  'Records lines that were inserted past the engine.';

create or replace trigger guard_cached_balance
  before insert or update or delete on saldo.account
  for each row
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg__guard_cached_balance();
create or replace trigger guard_truncate
  before truncate on saldo.account
  for each statement
  execute function saldo_private.tg__guard_truncate();
create or replace trigger guard_cached_balance
  before insert or update or delete on saldo.month_movement
  for each row
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg__guard_cached_balance();
create or replace trigger guard_truncate
  before truncate on saldo.month_movement
  for each statement
  execute function saldo_private.tg__guard_truncate();
create or replace trigger guard_cached_balance
  before insert or update or delete on saldo.customer_month_total
  for each row
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg__guard_cached_balance();
create or replace trigger guard_truncate
  before truncate on saldo.customer_month_total
  for each statement
  execute function saldo_private.tg__guard_truncate();

create or replace trigger record_bypass_insert
  after insert on saldo.journal_line
  referencing new table as new_lines
  for each statement
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg_journal_line__record_bypass();
create or replace trigger record_bypass
  after update or delete on saldo.journal_line
  for each row
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_line
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after update or delete on saldo.journal_entry
  for each row
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_entry
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after insert or update or delete on saldo.journal_seal
  for each row
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_seal
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after insert or update or delete on saldo.journal_seal_total
  for each row
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_seal_total
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after insert or update or delete on saldo.journal_seal_entry
  for each row
  when (current_user <> 'saldo_owner' or 'saldo_owner' in (session_user, current_setting('role')))
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_seal_entry
  for each statement
  execute function saldo_private.tg__record_bypass();

alter table saldo.account enable always trigger guard_cached_balance;
alter table saldo.account enable always trigger guard_truncate;
alter table saldo.month_movement enable always trigger guard_cached_balance;
alter table saldo.month_movement enable always trigger guard_truncate;
alter table saldo.customer_month_total enable always trigger guard_cached_balance;
alter table saldo.customer_month_total enable always trigger guard_truncate;
alter table saldo.journal_line enable always trigger record_bypass_insert;
alter table saldo.journal_line enable always trigger record_bypass;
alter table saldo.journal_line enable always trigger record_bypass_truncate;
alter table saldo.journal_entry enable always trigger record_bypass;
alter table saldo.journal_entry enable always trigger record_bypass_truncate;
alter table saldo.journal_seal enable always trigger record_bypass;
alter table saldo.journal_seal enable always trigger record_bypass_truncate;
alter table saldo.journal_seal_total enable always trigger record_bypass;
alter table saldo.journal_seal_total enable always trigger record_bypass_truncate;
alter table saldo.journal_seal_entry enable always trigger record_bypass;
alter table saldo.journal_seal_entry enable always trigger record_bypass_truncate;

select saldo_private.secure_table('saldo.guard_event');
drop policy if exists select_all on saldo.guard_event;
create policy select_all on saldo.guard_event for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.guard_event to saldo_admin, saldo_operator;

comment on table saldo.guard_event is
  'A write to the journal or to a cached balance that got past the engine and its guard.';
comment on column saldo.guard_event.id is 'Id, ordered by time.';
comment on column saldo.guard_event.occurred_at is 'When it was written.';
comment on column saldo.guard_event.login is 'Login of the session.';
comment on column saldo.guard_event.role is 'Role that the session acted in.';
comment on column saldo.guard_event.application_name is 'What the session called itself.';
comment on column saldo.guard_event.client_address is 'Where it came from; null = a local socket.';
comment on column saldo.guard_event.transaction_id is 'Transaction that wrote it.';
comment on column saldo.guard_event.statement is 'The statement, up to 2,000 characters.';
comment on column saldo.guard_event.table_name is 'Table that was written.';
comment on column saldo.guard_event.operation is 'insert, update, delete or truncate.';
comment on column saldo.guard_event.account_id is 'Account that the row belongs to.';
comment on column saldo.guard_event.rule is
  'Registered rule whose table was written; null = a table of Saldo.';
comment on column saldo.guard_event.key is 'Key of the row in that rule.';
comment on column saldo.guard_event.old_row is
  'The row before; of a user''s table its key and figure only.';
comment on column saldo.guard_event.new_row is 'The row after, likewise.';
--! EndIncluded health/guard.sql
--! Included health/balance_rule.sql
-- Rules: what must hold. A rule is a function that returns a row for each violation, and none when
-- all is well: STABLE and a single statement, so that it sees one snapshot and never alarms falsely
-- under load.
--
-- Public: saldo.balance_rule. Private: register_builtin_rule.

create or replace function saldo_private.register_builtin_rule(
  name text,
  room text,
  title text,
  description text,
  heal_function text default null,
  is_about_journal boolean default false,
  scope saldo.rule_scope default 'whole',
  is_incremental boolean default false
)
returns void
language sql
as $$
  insert into saldo.balance_rule (
    name, room, title, description, heal_function, is_about_journal, scope, is_incremental
  )
  values (
    register_builtin_rule.name, register_builtin_rule.room, register_builtin_rule.title,
    register_builtin_rule.description, register_builtin_rule.heal_function,
    register_builtin_rule.is_about_journal, register_builtin_rule.scope,
    register_builtin_rule.is_incremental
  )
  on conflict on constraint balance_rule_pkey do update
  set room = excluded.room,
    title = excluded.title,
    description = excluded.description,
    heal_function = excluded.heal_function,
    is_about_journal = excluded.is_about_journal,
    scope = excluded.scope,
    is_incremental = excluded.is_incremental
$$;
comment on function saldo_private.register_builtin_rule is
  'Registers the rule whose function is saldo_private.rule_<name>.';

select saldo_private.secure_table('saldo.balance_rule');
drop policy if exists select_all on saldo.balance_rule;
create policy select_all on saldo.balance_rule for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.balance_rule to saldo_admin, saldo_operator;

comment on table saldo.balance_rule is 'A rule that every check proves.';
comment on column saldo.balance_rule.name is
  'Name; the function of a built-in rule is saldo_private.rule_<name>.';
comment on column saldo.balance_rule.room is 'Room that it belongs to.';
comment on column saldo.balance_rule.title is 'What must hold, in a few words.';
comment on column saldo.balance_rule.description is 'What must hold, and how it is derived.';
comment on column saldo.balance_rule.heal_function is
  'Function that heals a finding; null = a human decides.';
comment on column saldo.balance_rule.is_about_journal is
  'Whether a finding means that the journal itself is in question: then nothing that is derived '
  'from the journal is healed.';
comment on column saldo.balance_rule.scope is
  'whole: it looks at everything; account, entry: at the accounts or entries that the sieve '
  'suspects; journal: at everything, but only if the sieve suspects anything.';
comment on column saldo.balance_rule.is_incremental is
  'Whether incremental checks run it too: it looks at what is news only, or costs little.';
comment on column saldo.balance_rule.is_registered is
  'Whether it is over a user''s own tables; its queries are in registered_rule.';
comment on column saldo.balance_rule.is_enabled is 'Whether checks run it.';
comment on type saldo.rule_scope is 'What a rule looks at in a check.';
--! EndIncluded health/balance_rule.sql
--! Included health/book_checks.sql
-- The book checks: what double entry promises, proven from the journal and from the balances.
--
-- Private: rule_entry_balance, rule_entry_lines, rule_orphan_line, rule_line_amount,
-- rule_trial_balance, rule_balance_sheet, rule_min_balance, rule_reversal, rule_idempotency.
-- None is healed: where the journal is wrong, a human decides. Those over single entries may be
-- asked about some entries only.

create or replace function saldo_private.rule_entry_balance(entry_ids uuid[] default null)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select l.entry_id::text, min(l.account_id), sum(l.debit)::text, sum(l.credit)::text,
    sum(l.debit) - sum(l.credit), jsonb_build_object('entry_id', l.entry_id, 'currency', a.currency)
  from saldo.journal_line as l
  left join saldo.account as a on a.id = l.account_id
  where entry_ids is null
  or l.entry_id = any (entry_ids)
  group by l.entry_id, a.currency
  having sum(l.debit) <> sum(l.credit)
$$;
comment on function saldo_private.rule_entry_balance is
  'Entries whose debits and credits differ in a currency. difference: debits less credits.';

create or replace function saldo_private.rule_entry_lines(entry_ids uuid[] default null)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select e.id::text, null::bigint, e.line_count::text, coalesce(l.line_count, 0)::text,
    (e.line_count - coalesce(l.line_count, 0))::numeric,
    jsonb_build_object('entry_id', e.id, 'status', e.status, 'posting_date', e.posting_date,
      'line_dates', array[l.first_date, l.last_date])
  from saldo.journal_entry as e
  left join (
    select entry_id, count(*) as line_count, min(posting_date) as first_date,
      max(posting_date) as last_date
    from saldo.journal_line
    where entry_ids is null
    or entry_id = any (entry_ids)
    group by entry_id
  ) as l on l.entry_id = e.id
  where (entry_ids is null or e.id = any (entry_ids))
  and case e.status
    when 'draft' then l.line_count is not null
    else e.line_count < 2
      or (l.line_count, l.first_date, l.last_date)
        is distinct from (e.line_count::bigint, e.posting_date, e.posting_date)
  end
$$;
comment on function saldo_private.rule_entry_lines is
  'Entries that do not have the lines that they were posted with: another number, another date, '
  'or lines of a draft.';

create or replace function saldo_private.rule_orphan_line(entry_ids uuid[] default null)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s/%s', l.entry_id, l.line_no), l.account_id,
    format('debit %s, credit %s', l.debit, l.credit), null::text, l.debit - l.credit,
    jsonb_build_object('entry_id', l.entry_id, 'has_entry', e.id is not null,
      'has_account', a.id is not null)
  from saldo.journal_line as l
  left join saldo.journal_entry as e on e.id = l.entry_id
  left join saldo.account as a on a.id = l.account_id
  where (e.id is null or a.id is null)
  and (entry_ids is null or l.entry_id = any (entry_ids))
$$;
comment on function saldo_private.rule_orphan_line is
  'Lines without their entry or their account.';

create or replace function saldo_private.rule_line_amount(entry_ids uuid[] default null)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s/%s', l.entry_id, l.line_no), l.account_id,
    format('debit %s, credit %s', l.debit, l.credit), 'one side positive, the other 0',
    null::numeric, jsonb_build_object('entry_id', l.entry_id)
  from saldo.journal_line as l
  where (
    ((l.debit > 0 and l.credit = 0) or (l.credit > 0 and l.debit = 0)) is not true
    or l.debit in ('NaN', 'Infinity', '-Infinity')
    or l.credit in ('NaN', 'Infinity', '-Infinity')
    or scale(trim_scale(l.debit)) > 2
    or scale(trim_scale(l.credit)) > 2
    or l.line_no < 1
  )
  and (entry_ids is null or l.entry_id = any (entry_ids))
$$;
comment on function saldo_private.rule_line_amount is
  'Lines whose amounts are no amounts: both sides, neither, negative, NaN, too many decimals.';

create or replace function saldo_private.rule_trial_balance()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select coalesce(a.currency, 'unknown'), null::bigint, sum(l.debit)::text, sum(l.credit)::text,
    sum(l.debit) - sum(l.credit), '{}'::jsonb
  from saldo.journal_line as l
  left join saldo.account as a on a.id = l.account_id
  group by a.currency
  having sum(l.debit) <> sum(l.credit)
$$;
comment on function saldo_private.rule_trial_balance is
  'Currencies in which all debits and all credits of the journal differ.';

create or replace function saldo_private.rule_balance_sheet()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select a.currency, null::bigint,
    trim_scale(coalesce(sum(a.balance) filter (where a.type = 'asset'), 0))::text,
    trim_scale(
      -coalesce(sum(a.debit_total - a.credit_total) filter (where a.type <> 'asset'), 0)
    )::text,
    trim_scale(sum(a.debit_total - a.credit_total)), '{}'::jsonb
  from saldo_private.account_total as a
  group by a.currency
  having sum(a.debit_total - a.credit_total) <> 0
$$;
comment on function saldo_private.rule_balance_sheet is
  'Currencies in which the accounts'' assets (stored) are not liabilities plus equity plus current '
  'earnings (derived). It reads the balances, not the journal, and so is independent of the trial '
  'balance.';

create or replace function saldo_private.rule_min_balance()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select a.id::text, a.id, trim_scale(a.balance - a.held_total)::text,
    format('at least %s', a.min_balance), trim_scale(a.balance - a.held_total - a.min_balance),
    jsonb_build_object('code', a.code, 'balance', a.balance, 'held_total', a.held_total)
  from saldo.account as a
  where a.mode = 'immediate'
  and a.balance - a.held_total < a.min_balance
  union all
  select b.account_id::text, b.account_id, trim_scale(b.available)::text,
    format('at least %s', a.min_balance), trim_scale(b.available - a.min_balance),
    jsonb_build_object('code', a.code)
  from saldo_private.derived_funds() as b
  join saldo.account as a on a.id = b.account_id
  where b.available < a.min_balance
$$;
comment on function saldo_private.rule_min_balance is
  'Accounts whose balance less holds is below their minimum.';

create or replace function saldo_private.rule_reversal()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select r.id::text, min(net.account_id), 'reversal', 'cancels its entry once and exactly',
    sum(net.amount), jsonb_build_object('entry_id', r.reverses)
  from saldo.journal_entry as r
  left join saldo.journal_entry as e on e.id = r.reverses
  left join lateral (
    select l.account_id, sum(l.debit - l.credit) as amount
    from saldo.journal_line as l
    where l.entry_id in (r.id, r.reverses)
    group by l.account_id
    having sum(l.debit - l.credit) <> 0
  ) as net on true
  where r.kind = 'reversal'
  group by r.id, r.reverses, e.status
  having count(net.account_id) > 0
  or e.status is distinct from 'reversed'
  union all
  select e.id::text, null, 'reversed', 'has one reversal', null,
    jsonb_build_object('entry_id', e.id)
  from saldo.journal_entry as e
  where e.status = 'reversed'
  and (select count(*) from saldo.journal_entry as r where r.reverses = e.id) <> 1
$$;
comment on function saldo_private.rule_reversal is
  'Reversals that do not cancel their entry exactly, and reversed entries without their one '
  'reversal.';

create or replace function saldo_private.rule_idempotency()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s %s', i.scope, i.key), null::bigint, i.result_id::text, null::text,
    null::numeric,
    jsonb_build_object('operation', i.operation, 'created_at', i.created_at)
  from saldo_private.idempotency_record as i
  where not exists (select from saldo.journal_entry as e where e.id = i.result_id)
  and not exists (select from saldo.purchase as p where p.id = i.result_id)
  and not exists (select from saldo.hold as h where h.id = i.result_id)
  and not exists (select from saldo.deposit as d where d.id = i.result_id)
  and not exists (select from saldo.balance_adjustment as b where b.id = i.result_id)
  and not exists (select from saldo.reading as r where r.batch_id = i.result_id)
  and not exists (select from saldo.reading as r where r.id = i.result_id)
  and not exists (
    select
    from saldo.sub_balance as s
    where s.account_id = case when i.operation = 'submit_transaction'
      then substring(i.scope from '^account:([0-9]+)$')::bigint end
    and s.id = i.result_id
  )
$$;
comment on function saldo_private.rule_idempotency is
  'Idempotency keys whose result is gone: a retry would find nothing.';
--! EndIncluded health/book_checks.sql
--! Included health/rule_sandbox.sql
-- What runs the queries of registered rules: functions that belong to saldo_rule_reader.
--
-- Private, in the schema saldo_rule: inspect, cost_of, try_query, compare, read_items.
-- The owner of Saldo calls them, nobody else.
-- An administrator's query must never become SQL of saldo_owner. Here it runs as a role that may do
-- nothing but what a DBA granted it, in a definer function (where PostgreSQL refuses to change the
-- role), read-only, under a pinned search path, and in a subtransaction that is always rolled back:
-- settings, notifications and locks of a query go with it. Row level security is not applied in
-- silence: a policy that would hide rows is an error.

create or replace function saldo_rule.inspect(query text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_cursor refcursor;
  v_denied text;
  v_parts jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    -- Alone: several statements cannot be a cursor's. In parentheses: only a SELECT can be, and
    -- what is whole alone cannot close a parenthesis that it did not open.
    open v_cursor no scroll for execute format('%s', query);
    close v_cursor;
    open v_cursor no scroll for execute format(E'select * from (%s\n) as q', query);
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
    when insufficient_privilege then v_denied := sqlerrm;
  end;
  begin
    execute format(
      E'create temporary view saldo_rule_probe as select * from (%s\n) as q', query
    );
    v_parts := saldo_rule.inspect__parts('pg_temp.saldo_rule_probe'::regclass);
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
    -- Not even the schema may be used, so that nothing can be said about the tables.
    when insufficient_privilege then v_denied := sqlerrm;
  end;
  return coalesce(v_parts, '{}') || jsonb_build_object('denied', v_denied);
end
$$;
comment on function saldo_rule.inspect is
  'What a query consists of: columns, functions, relations. An error when it is not one SELECT.';

create or replace function saldo_rule.inspect__parts(probe regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The tree of the query as PostgreSQL has parsed it, and those of the views that it reads.
  with recursive reached (relation) as (
    select probe::oid
    union
    select used.id[1]::oid
    from reached
    join pg_rewrite as r on r.ev_class = reached.relation and r.ev_type = '1'
    cross join lateral regexp_matches(r.ev_action::text, ':relid ([1-9]\d*)', 'g') as used (id)
  ),
  tree as (
    select r.ev_action::text as text
    from reached
    join pg_rewrite as r on r.ev_class = reached.relation and r.ev_type = '1'
  ),
  called (function) as (
    select id[1]::oid
    from tree
    cross join lateral regexp_matches(
      tree.text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([1-9]\d*)', 'g'
    ) as used (id)
  ),
  -- An aggregate says that it is immutable, whatever its step is.
  stepped (function) as (
    select function
    from called
    union
    select step
    from called
    join pg_aggregate as a on a.aggfnoid = called.function
    cross join unnest(array[a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn]) as step
  )
  select jsonb_build_object(
    'columns', (
      select jsonb_object_agg(a.attname, case
        when t.typname = 'bool' then 'boolean'
        when t.typname in ('date', 'timestamp', 'timestamptz') then 'time'
        when t.typcategory = 'N' and t.typname !~ '^(oid$|reg)' then 'number'
        else format_type(a.atttypid, a.atttypmod) end)
      from pg_attribute as a
      join pg_type as t on t.oid = a.atttypid
      where a.attrelid = probe
      and a.attnum > 0
    ),
    'unsafe', (
      select jsonb_agg(distinct format('%s is %s', p.oid::regprocedure,
        case when p.prosecdef then 'security definer' else 'volatile' end))
      from stepped
      join pg_proc as p on p.oid = stepped.function
      where p.provolatile = 'v'
      or p.prosecdef
    ),
    'is_recursive', (select bool_or(tree.text ~ ':hasRecursive true') from tree),
    'relations', (
      select coalesce(jsonb_agg(jsonb_build_object('id', c.oid::text, 'name', c.oid::regclass,
        'schema', n.nspname, 'is_temporary', c.relpersistence = 't',
        'is_readable', has_table_privilege(c.oid, 'select'))), '[]')
      from reached
      join pg_class as c on c.oid = reached.relation
      join pg_namespace as n on n.oid = c.relnamespace
      where c.oid <> probe
    )
  )
$$;
comment on function saldo_rule.inspect__parts is
  'Columns, functions that could do harm, and relations of a view, through the views below it.';

create or replace function saldo_rule.cost_of(query text)
returns numeric
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_plan jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    execute format('explain (format json) %s', query)
    into v_plan;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return (v_plan -> 0 -> 'Plan' ->> 'Total Cost')::numeric;
end
$$;
comment on function saldo_rule.cost_of is 'What the planner takes the query to cost.';

create or replace function saldo_rule.try_query(query text, time_budget_ms integer)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_cursor refcursor;
  v_started_at timestamptz := clock_timestamp();
  v_moved bigint := 1;
  v_elapsed_ms numeric := 0;
  v_keys jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    -- Bit by bit, so that a query without end is left while it gives rows. One that gives none is
    -- stopped by the caller's statement_timeout only: none can be set from within a statement.
    open v_cursor no scroll for execute format('%s', query);
    while v_moved > 0 and v_elapsed_ms <= time_budget_ms loop
      move forward 1000 from v_cursor;
      get diagnostics v_moved = row_count;
      v_elapsed_ms := extract(epoch from clock_timestamp() - v_started_at) * 1000;
    end loop;
    close v_cursor;
    if v_elapsed_ms <= time_budget_ms then
      execute format(
        $sql$
          select jsonb_build_object('row_count', count(*), 'null_count', count(*) - count(q.key),
            'double_count', count(q.key) - count(distinct q.key::text))
          from (%s
          ) as q
        $sql$,
        query
      )
      into v_keys;
    end if;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return coalesce(v_keys, '{}') || jsonb_build_object('elapsed_ms', round(v_elapsed_ms));
end
$$;
comment on function saldo_rule.try_query is
  'Runs a query within the budget, and counts its rows and the keys that are missing or double.';

create or replace function saldo_rule.compare(
  stored text,
  derived text,
  tolerance numeric,
  has_labels boolean,
  row_limit integer
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_rows jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    -- One statement, so one snapshot of both sides.
    execute format(
      $sql$
        select jsonb_agg(to_jsonb(c))
        from (
          select coalesce(s.key, d.key) as key, s.stored::text, d.derived::text,
            s.is_there is null as is_stored_missing, d.is_there is null as is_derived_missing,
            s.labels, count(*) over () as total
          from (
            select x.key::text collate "C" as key, x.stored::numeric as stored, true as is_there,
              %3$s as labels
            from (%1$s
            ) as x
          ) as s
          full join (
            select x.key::text collate "C" as key, x.derived::numeric as derived, true as is_there
            from (%2$s
            ) as x
          ) as d on d.key = s.key
          where s.is_there is null
          or s.stored is null
          or (d.is_there and d.derived is null)
          or s.stored in ('NaN', 'Infinity', '-Infinity')
          or d.derived in ('NaN', 'Infinity', '-Infinity')
          or abs(s.stored - coalesce(d.derived, 0)) > %4$L::numeric
          order by abs(s.stored - coalesce(d.derived, 0)) desc, key
          limit %5$L
        ) as c
      $sql$,
      stored, derived,
      case when has_labels then 'to_jsonb(x) - ''key'' - ''stored''' else 'null::jsonb' end,
      tolerance, row_limit
    )
    into v_rows;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return coalesce(v_rows, '[]');
end
$$;
comment on function saldo_rule.compare is
  'Rows of stored and derived figures that differ, with the number of all of them.';

create or replace function saldo_rule.read_items(items text, keys text[], row_limit integer)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_items jsonb;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    execute format(
      $sql$
        select jsonb_agg(i.item)
        from (
          select to_jsonb(x) || jsonb_build_object('key', x.key::text, 'amount', x.amount::text)
              as item,
            row_number() over (
              partition by x.key order by to_jsonb(x) ->> 'occurred_at' desc nulls last
            ) as place
          from (%1$s
          ) as x
          where x.key = any (%2$L)
        ) as i
        where i.place <= %3$L::bigint
      $sql$,
      items, keys::text, row_limit
    )
    into v_items;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return coalesce(v_items, '[]');
end
$$;
comment on function saldo_rule.read_items is 'The newest items behind the figures of some keys.';
--! EndIncluded health/rule_sandbox.sql
--! Included health/rule_heal_sandbox.sql
-- What heals a row of a user's table, as saldo_rule_reader: the other half of rule_sandbox.sql.
--
-- Private, in the schema saldo_rule: figure_of, heal_by_update, heal_by_function; at the end of the
-- file all functions of the schema are handed to saldo_rule_reader.
-- The row is locked first and the figure derived after: a statement's snapshot is older than the
-- lock that it waited for.

create or replace function saldo_rule.figure_of(query text, figure text, key text)
returns numeric[]
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_figures numeric[];
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    -- The key as a literal without a type takes that of the column, and finds its index.
    execute format(
      E'select array_agg(x.%I::numeric) from (%s\n) as x where x.key = %L', figure, query, key
    )
    into v_figures;
    raise sqlstate 'SBR00';
  exception
    when sqlstate 'SBR00' then null;
  end;
  return v_figures;
end
$$;
comment on function saldo_rule.figure_of is 'The figures that a query has for one key.';

create or replace function saldo_rule.heal_by_update(
  table_name text,
  key_column text,
  balance_column text,
  derived text,
  tolerance numeric,
  key text
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_table text := format('%I.%I', variadic parse_ident(table_name));
  v_before numeric;
  v_derived numeric[];
  v_after numeric;
begin
  execute format(
    'select %I::numeric from %s where %I = %L for no key update', balance_column, v_table,
    key_column, key
  )
  into strict v_before;
  v_derived := saldo_rule.figure_of(derived, 'derived', key);
  if cardinality(v_derived) > 1 or coalesce(v_derived[1], 'NaN') in ('NaN', 'Infinity', '-Infinity')
    and v_derived is not null
  then
    return jsonb_build_object('refusal', 'The derived figure is no number, or not the only one.');
  end if;
  -- Nothing to sum up is a sum of 0.
  v_derived := coalesce(v_derived, array[0]);
  if abs(v_before - v_derived[1]) <= tolerance then
    return '{}';
  end if;
  execute format(
    'update %s set %I = %L where %I = %L returning %2$I::numeric', v_table, balance_column,
    v_derived[1], key_column, key
  )
  into v_after;
  if v_after is distinct from v_derived[1] then
    raise sqlstate 'SBR01';
  end if;
  return jsonb_build_object('before', v_before, 'after', v_after);
end
$$;
comment on function saldo_rule.heal_by_update is
  'Sets a balance to what is derived for it under the row''s lock; {} when it agrees by then.';

create or replace function saldo_rule.heal_by_function(
  heal_function regprocedure,
  stored text,
  derived text,
  tolerance numeric,
  key text
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set standard_conforming_strings = on
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  v_name text := (
    select format('%I.%I', p.pronamespace::regnamespace::name, p.proname)
    from pg_proc as p
    where p.oid = heal_function
  );
  v_before numeric[] := saldo_rule.figure_of(stored, 'stored', key);
  v_after numeric[];
  v_derived numeric[];
begin
  execute format('select %s(%L::text)', v_name, key);
  v_after := saldo_rule.figure_of(stored, 'stored', key);
  v_derived := coalesce(saldo_rule.figure_of(derived, 'derived', key), array[0]);
  if abs(v_after[1] - v_derived[1]) <= tolerance is not true then
    raise sqlstate 'SBR01';
  end if;
  return case when v_before is distinct from v_after
    then jsonb_build_object('before', v_before[1], 'after', v_after[1]) else '{}' end;
end
$$;
comment on function saldo_rule.heal_by_function is
  'Calls the user''s own function for a key, and proves that the figures agree after it.';

do $do$
declare
  v_function regprocedure;
begin
  -- Who owns a function has to be allowed to make one where it stands, for that moment.
  grant create on schema saldo_rule to saldo_rule_reader;
  for v_function in
    select p.oid::regprocedure
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'saldo_rule'::regnamespace
    and p.proowner <> 'saldo_rule_reader'::regrole
  loop
    execute format('revoke execute on function %s from public', v_function);
    execute format('alter function %s owner to saldo_rule_reader', v_function);
  end loop;
  revoke create on schema saldo_rule from saldo_rule_reader;
end
$do$;

comment on schema saldo_rule is
  'Functions that run the queries of registered rules, as a role that may nothing but read what it '
  'was granted.';
--! EndIncluded health/rule_heal_sandbox.sql
--! Included health/rule_query.sql
-- Whether a query may be a rule's: looked at before it is ever run, then run within a budget.
--
-- Private: require_rule_query, user_table. What PostgreSQL says of a query, as saldo_rule_reader,
-- becomes one of the conditions SB640 to SB646. Not what the query is said to do counts, but what
-- the parser and the planner make of it.

create or replace function saldo_private.require_rule_query__fail(
  kind text,
  code text,
  message text
)
returns void
language plpgsql
stable
as $$
declare
  v_detail text := format('%s: %s (%s)', kind, message, code);
begin
  -- Codes of class SB are of checks that have spoken already; the rest is PostgreSQL's.
  perform saldo_private.fail(
    case
      when code = '42501' then 'rule_privilege_missing'
      when code = '25006' or message ~ 'non-volatile function' then 'rule_query_writes'
      when code in ('55P03', '57014') then 'rule_query_slow'
      else 'rule_query_invalid'
    end,
    v_detail,
    case when code = '42501' and message ~ 'schema' then
      'Let its owner say: grant usage on schema ... to saldo_rule_reader; and grant select on the '
        'tables to it.'
    when code = '42501' then
      'Let the owner grant it to saldo_rule_reader. A table with row level security needs a policy '
        'that shows it all rows: using (true).'
    end
  );
end
$$;
comment on function saldo_private.require_rule_query__fail is
  'Turns what PostgreSQL said of a rule''s query into an error of the catalogue.';

create or replace function saldo_private.require_rule_query__parts(kind text, query text)
returns jsonb
language plpgsql
as $$
declare
  v_parts jsonb;
  v_code text;
  v_message text;
  v_missing text;
begin
  begin
    v_parts := saldo_rule.inspect(query);
  exception
    -- An error of the query, told as one of the catalogue below.
    when others then
      v_code := sqlstate;
      v_message := sqlerrm;
  end;
  if v_code is not null then
    perform saldo_private.require_rule_query__fail(kind, v_code, v_message);
  end if;
  if v_parts ->> 'denied' is not null then
    select string_agg(r.relation ->> 'name', ', ' order by r.relation ->> 'name')
    into v_missing
    from jsonb_array_elements(v_parts -> 'relations') as r (relation)
    where not (r.relation ->> 'is_readable')::boolean;
    if v_missing is null then
      perform saldo_private.require_rule_query__fail(kind, '42501', v_parts ->> 'denied');
    end if;
    perform saldo_private.fail(
      'rule_privilege_missing', format('%s: %s', kind, v_parts ->> 'denied'),
      format('Let its owner say: grant select on %s to saldo_rule_reader', v_missing)
    );
  end if;
  return v_parts;
end
$$;
comment on function saldo_private.require_rule_query__parts is
  'What the query consists of; an error when it is not one SELECT that the reader may run.';

create or replace function saldo_private.require_rule_query__harmless(kind text, parts jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_wrong text;
begin
  if parts ->> 'unsafe' is not null then
    perform saldo_private.fail(
      'rule_query_writes', format('%s: %s', kind, (
        select string_agg(each, ', ')
        from jsonb_array_elements_text(parts -> 'unsafe') as each
      ))
    );
  end if;
  if (parts ->> 'is_recursive')::boolean then
    perform saldo_private.fail(
      'rule_query_slow', format('%s: a recursive query may have no end', kind)
    );
  end if;
  select string_agg(r.relation ->> 'name', ', ')
  into v_wrong
  from jsonb_array_elements(parts -> 'relations') as r (relation)
  where (r.relation ->> 'is_temporary')::boolean
  or r.relation ->> 'schema' in ('saldo', 'saldo_private', 'saldo_rule', 'graphile_worker');
  if v_wrong is not null then
    perform saldo_private.fail('rule_table_unfit', format('%s: reads %s', kind, v_wrong));
  end if;
end
$$;
comment on function saldo_private.require_rule_query__harmless is
  'Refuses functions with effects (SB643), recursion (SB644), temporary and Saldo''s own tables '
  '(SB646).';

create or replace function saldo_private.require_rule_query__columns(kind text, parts jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_wrong text;
begin
  select string_agg(format('%s %s', wanted.name, case
    when parts -> 'columns' ->> wanted.name is null then 'is missing'
    else format('is %s, not %s', parts -> 'columns' ->> wanted.name, wanted.type) end), ', ')
  into v_wrong
  from (
    values ('stored', 'key', null), ('stored', 'stored', 'number'),
      ('derived', 'key', null), ('derived', 'derived', 'number'),
      ('items', 'key', null), ('items', 'item', null), ('items', 'amount', 'number'),
      ('items', 'is_counted', 'boolean'), ('items', 'occurred_at', 'time')
  ) as wanted (kind, name, type)
  where wanted.kind = require_rule_query__columns.kind
  and (parts -> 'columns' ->> wanted.name is null and wanted.name <> 'occurred_at'
    or parts -> 'columns' ->> wanted.name <> wanted.type);
  if v_wrong is not null then
    perform saldo_private.fail('rule_columns_wrong', format('%s: %s', kind, v_wrong));
  end if;
end
$$;
comment on function saldo_private.require_rule_query__columns is
  'Refuses a query without the columns of its kind: SB641.';

create or replace function saldo_private.require_rule_query__run(kind text, query text)
returns jsonb
language plpgsql
as $$
declare
  v_cost numeric;
  v_trial jsonb;
  v_budget integer := saldo_private.setting_value('rule_time_budget_ms')::integer;
  v_limit numeric := saldo_private.setting_value('rule_cost_limit')::numeric;
  v_code text;
  v_message text;
begin
  begin
    v_cost := saldo_rule.cost_of(query);
    if v_cost <= v_limit then
      v_trial := saldo_rule.try_query(query, v_budget);
    end if;
  exception
    when others then
      v_code := sqlstate;
      v_message := sqlerrm;
  end;
  if v_code is not null then
    perform saldo_private.require_rule_query__fail(kind, v_code, v_message);
  end if;
  if v_cost > v_limit then
    perform saldo_private.fail(
      'rule_query_slow', format('%s: a cost of %s, the limit is %s', kind, round(v_cost), v_limit)
    );
  elsif v_trial ->> 'row_count' is null then
    perform saldo_private.fail(
      'rule_query_slow',
      format('%s: not done after %s ms, the budget is %s ms', kind, v_trial ->> 'elapsed_ms',
        v_budget)
    );
  end if;
  return v_trial;
end
$$;
comment on function saldo_private.require_rule_query__run is
  'Runs the query once within its budget of cost and time: SB644 when it is beyond.';

create or replace function saldo_private.require_rule_query(kind text, query text)
returns jsonb
language plpgsql
as $$
declare
  v_parts jsonb;
  v_trial jsonb;
begin
  if query is null or query !~ '\S' or length(query) > 20000 then
    perform saldo_private.fail(
      'rule_query_invalid', format('%s: a text of 1 to 20,000 characters', kind)
    );
  end if;
  v_parts := saldo_private.require_rule_query__parts(kind, query);
  perform saldo_private.require_rule_query__columns(kind, v_parts);
  perform saldo_private.require_rule_query__harmless(kind, v_parts);
  v_trial := saldo_private.require_rule_query__run(kind, query);
  if kind <> 'items' and (v_trial ->> 'null_count' <> '0' or v_trial ->> 'double_count' <> '0') then
    perform saldo_private.fail(
      'rule_key_invalid', format('%s: %s keys are NULL, %s are double', kind,
        v_trial ->> 'null_count', v_trial ->> 'double_count')
    );
  end if;
  return v_parts -> 'relations';
end
$$;
comment on function saldo_private.require_rule_query is
  'Proves that a query may be a rule''s (kind: stored, derived or items), and gives the relations '
  'that it reads. Errors: SB640 to SB646.';

create or replace function saldo_private.user_table(name text)
returns regclass
language sql
stable
as $$
  select c.oid::regclass
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = (parse_ident(user_table.name))[1]
  and c.relname = (parse_ident(user_table.name))[2]
$$;
comment on function saldo_private.user_table is
  'A table by its name with schema, whatever the search path; null when there is none.';
--! EndIncluded health/rule_query.sql
--! Included health/registered_guard.sql
-- The guard of a user's own table: triggers on the column that a registered rule is about.
--
-- Private: place_guard, tg__guard_registered, record_guarded_write,
-- rule_engine_configuration__registered.
-- The writers that the rule names stand in the WHEN clause of the triggers: they pay for no call,
-- and current_user is there that of the statement, also within their own definer functions. An
-- application's name can be chosen by anyone: it keeps mistakes away, not people.
-- Only key and figure of a row are kept: the rest of a user's row is nobody's business here.
-- A trigger that saldo_owner may make but not drop (that takes the table's owner) is silenced by
-- WHEN (false) where the guard is taken away.

create or replace function saldo_private.record_guarded_write(
  rule saldo.registered_rule,
  operation text,
  old_row jsonb,
  new_row jsonb
)
returns void
language sql
as $$
  insert into saldo.guard_event (
    id, occurred_at, login, role, application_name, client_address, transaction_id, statement,
    table_name, operation, rule, key, old_row, new_row
  )
  select saldo_private.uuid_v7(), clock_timestamp(), session_user,
    coalesce(nullif(current_setting('role'), 'none'), session_user),
    current_setting('application_name'), inet_client_addr(), pg_current_xact_id(),
    left(current_query(), 2000), record_guarded_write.rule.stored_table, lower(operation),
    record_guarded_write.rule.name, part.new ->> 'key', part.old, part.new
  from (
    select
      case when old_row is not null then jsonb_build_object(
        'key', old_row ->> record_guarded_write.rule.key_column,
        'stored', old_row ->> record_guarded_write.rule.balance_column
      ) end as old,
      jsonb_build_object(
        'key', new_row ->> record_guarded_write.rule.key_column,
        'stored', new_row ->> record_guarded_write.rule.balance_column
      ) as new
  ) as part
$$;
comment on function saldo_private.record_guarded_write is
  'Records a write to a guarded balance of a user''s table: who, from where, old and new figure.';

create or replace function saldo_private.tg__guard_registered()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule saldo.registered_rule;
begin
  select *
  into v_rule
  from saldo.registered_rule as r
  where r.name = TG_ARGV[0];
  if v_rule.guard = 'record' or (
    v_rule.guard = 'refuse' and current_setting('session_replication_role') = 'replica'
  ) then
    perform saldo_private.record_guarded_write(v_rule, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
  elsif v_rule.guard = 'refuse' then
    perform saldo_private.fail(
      'balance_write_refused',
      format('%s of %s.%s by %s', lower(TG_OP), v_rule.stored_table, v_rule.balance_column,
        session_user),
      format(
        'Rule %s lets these write it: roles %s; applications %s. To repair a drift call '
          'saldo.auto_heal.',
        v_rule.name, coalesce(nullif(array_to_string(v_rule.writer_roles, ', '), ''), 'none'),
        coalesce(nullif(array_to_string(v_rule.writer_applications, ', '), ''), 'none')
      )
    );
  end if;
  return NEW;
end
$$;
comment on function saldo_private.tg__guard_registered is
  'Refuses (SB648) or records a write to a balance that a registered rule guards.';

create or replace function saldo_private.place_guard__trigger(
  rule saldo.registered_rule,
  event text,
  is_on boolean
)
returns text
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_table regclass := saldo_private.user_table(rule.stored_table);
  v_name text := format('saldo_guard_%s_%s', event, rule.name);
  v_change text := case event
    when 'update' then format('old.%1$I is distinct from new.%1$I', rule.balance_column)
    -- A row may begin with nothing.
    else format('coalesce(new.%I::numeric, 0) <> 0', rule.balance_column) end;
begin
  if not is_on and not exists (
    select
    from pg_catalog.pg_trigger as t
    where t.tgrelid = v_table
    and t.tgname = v_name
  ) then
    return null;
  end if;
  execute format(
    'create or replace trigger %I before %s on %s for each row when (%s) '
      'execute function saldo_private.tg__guard_registered(%L)',
    v_name, event, v_table,
    case when is_on then format(
      '%s and current_user <> ''saldo_rule_reader'' and not (current_user = any (%L::name[])) '
        'and not (current_setting(''application_name'') = any (%L::text[]))',
      v_change, rule.writer_roles::text, rule.writer_applications::text
    ) else 'false' end,
    rule.name
  );
  if pg_has_role('saldo_owner', (
    select c.relowner from pg_catalog.pg_class as c where c.oid = v_table
  ), 'usage') then
    if is_on then
      execute format('alter table %s enable always trigger %I', v_table, v_name);
    else
      execute format('drop trigger %I on %s', v_name, v_table);
    end if;
  elsif not is_on then
    raise notice 'The trigger is silent; the owner of its table may say: drop trigger % on %',
      quote_ident(v_name), v_table;
  end if;
  return (
    select pg_get_triggerdef(t.oid)
    from pg_catalog.pg_trigger as t
    where is_on
    and t.tgrelid = v_table
    and t.tgname = v_name
  );
end
$$;
comment on function saldo_private.place_guard__trigger is
  'Makes, changes or silences one trigger of a guard, and gives its definition.';

create or replace function saldo_private.place_guard(rule saldo.registered_rule, is_on boolean)
returns void
language plpgsql
as $$
declare
  v_table regclass := saldo_private.user_table(rule.stored_table);
begin
  -- A table that is gone has no guard either.
  if v_table is null then
    return;
  end if;
  update saldo.registered_rule as r
  set guard_definition = saldo_private.place_guard__trigger(rule, 'update', is_on),
    guard_insert_definition = saldo_private.place_guard__trigger(rule, 'insert', is_on)
  where r.name = rule.name;
end
$$;
comment on function saldo_private.place_guard is
  'Puts the guard of a rule on its table, or takes it away.';

create or replace function saldo_private.rule_engine_configuration__registered()
returns table (key text, stored text, derived text)
language sql
stable
-- Definitions are told with the names that the path makes necessary.
set search_path = saldo, saldo_private, pg_temp
as $$
  select format('trigger saldo_guard_%s_%s on %s', expected.event, r.name, r.stored_table),
    coalesce(
      case t.tgenabled when 'D' then 'disabled' when 'R' then 'fires on replicas only'
        when 'A' then 'changed' when 'O' then 'changed' end,
      'missing'
    ),
    'on, as registered'
  from saldo.registered_rule as r
  cross join lateral (
    values ('update', r.guard_definition), ('insert', r.guard_insert_definition)
  ) as expected (event, definition)
  left join pg_catalog.pg_trigger as t
    on t.tgrelid = saldo_private.user_table(r.stored_table)
    and t.tgname = format('saldo_guard_%s_%s', expected.event, r.name)
  where expected.definition is not null
  and (t.tgenabled is null or t.tgenabled in ('D', 'R')
    or pg_get_triggerdef(t.oid) <> expected.definition)
  union all
  -- What runs the users' queries must stay the reader's, with nothing that it could fool.
  select p.oid::regprocedure::text, format('owner %s', p.proowner::regrole), 'saldo_rule_reader'
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'saldo_rule'::regnamespace
  and p.proowner <> 'saldo_rule_reader'::regrole
  union all
  select p.oid::regprocedure::text, 'open', 'search_path pinned, not for public'
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'saldo_rule'::regnamespace
  and (
    exists (
      select
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
      where acl.grantee = 0
    )
    or not exists (
      select
      from unnest(p.proconfig) as item
      where item ~ '^search_path=.*pg_temp$'
    )
  )
$$;
comment on function saldo_private.rule_engine_configuration__registered is
  'Guards of users'' tables that are missing, disabled or changed, and the functions that run '
  'their queries where these are not as built.';
--! EndIncluded health/registered_guard.sql
--! Included health/rule_proof.sql
-- Whether a rule may be kept: its table, its heal and guard, its queries.
--
-- Private: prove_rule. Nothing is changed here; each refusal is a condition of its own.

create or replace function saldo_private.prove_rule__table(rule saldo.registered_rule)
returns saldo.registered_rule
language plpgsql
stable
as $$
declare
  v_path text[];
  v_table regclass;
  v_type text;
begin
  begin
    v_path := parse_ident(rule.stored_table);
  exception
    when invalid_parameter_value then null;
  end;
  if cardinality(v_path) = 2 then
    v_table := saldo_private.user_table(rule.stored_table);
  end if;
  if v_table is null or v_path[1] ~ '^(pg_|saldo|graphile_|information_schema$)' or not exists (
    select
    from pg_catalog.pg_class as c
    where c.oid = v_table
    and c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
  ) then
    perform saldo_private.fail('rule_table_unfit', format('table %L', rule.stored_table));
  end if;
  if not exists (
    select
    from pg_catalog.pg_attribute as a
    where a.attrelid = v_table and a.attname = rule.key_column and a.attnum > 0
  ) then
    perform saldo_private.fail('rule_table_unfit', format('key column %L', rule.key_column));
  end if;
  select t.typname
  into v_type
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_type as t on t.oid = a.atttypid
  where a.attrelid = v_table
  and a.attname = rule.balance_column
  and a.attnum > 0
  and a.attgenerated = ''
  and t.typcategory = 'N'
  and t.typname !~ '^(oid$|reg)';
  if v_type is null then
    perform saldo_private.fail(
      'rule_table_unfit', format('balance column %L: a column of numbers', rule.balance_column)
    );
  end if;
  rule.stored_table := format('%I.%I', v_path[1], v_path[2]);
  rule.stored := format(
    'select %I as key, %I as stored from %s', rule.key_column, rule.balance_column,
    rule.stored_table
  );
  return rule;
end
$$;
comment on function saldo_private.prove_rule__table is
  'The rule with the query that its table stands for; SB646 when the table cannot be used.';

create or replace function saldo_private.prove_rule__means(rule saldo.registered_rule)
returns void
language plpgsql
stable
as $$
declare
  v_function regprocedure;
begin
  if rule.stored_table is null and (rule.heal = 'update' or rule.guard <> 'none')
    or rule.heal = 'function' and rule.heal_function is null
  then
    perform saldo_private.fail('rule_heal_unfit', format('heal %s, guard %s', rule.heal,
      rule.guard));
  end if;
  if rule.heal = 'function' then
    begin
      v_function := to_regprocedure(format('%s(text)', rule.heal_function));
    exception
      when syntax_error or invalid_parameter_value then null;
    end;
    if v_function is null or exists (
      select
      from pg_catalog.pg_proc as p
      join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      where p.oid = v_function
      and (n.nspname ~ '^(pg_|saldo|graphile_|information_schema$)' or p.prokind <> 'f')
    ) or cardinality(parse_ident(rule.heal_function)) <> 2 then
      perform saldo_private.fail('rule_heal_unfit', format('function %s(text)',
        rule.heal_function));
    -- By name: what everyone may call was not meant to be called by a rule.
    elsif not exists (
      select
      from pg_catalog.pg_proc as p
      cross join aclexplode(p.proacl) as acl
      where p.oid = v_function
      and acl.grantee = 'saldo_rule_reader'::regrole
      and acl.privilege_type = 'EXECUTE'
    ) then
      perform saldo_private.fail(
        'rule_privilege_missing', format('execute on %s', v_function),
        format('grant execute on function %s to saldo_rule_reader', v_function)
      );
    end if;
  elsif rule.heal = 'update' and not has_column_privilege(
    'saldo_rule_reader', saldo_private.user_table(rule.stored_table), rule.balance_column, 'update'
  ) then
    perform saldo_private.fail(
      'rule_privilege_missing', format('update of %s.%s', rule.stored_table, rule.balance_column),
      format('grant update (%I) on %s to saldo_rule_reader', rule.balance_column,
        rule.stored_table)
    );
  end if;
  if rule.guard <> 'none' and not has_table_privilege(
    'saldo_owner', saldo_private.user_table(rule.stored_table), 'trigger'
  ) then
    perform saldo_private.fail(
      'rule_privilege_missing', format('a trigger on %s', rule.stored_table),
      format('grant trigger on %s to saldo_owner', rule.stored_table)
    );
  end if;
end
$$;
comment on function saldo_private.prove_rule__means is
  'Refuses a heal or guard that cannot work (SB647) or that Saldo has no privilege for (SB645).';

create or replace function saldo_private.prove_rule(rule saldo.registered_rule)
returns saldo.registered_rule
language plpgsql
as $$
declare
  v_relations jsonb;
begin
  if coalesce(rule.name, '') !~ '^[a-z][a-z0-9_]{0,39}$' then
    perform saldo_private.fail(
      'input_invalid', 'name: 1 to 40 small letters, digits and _, a letter first'
    );
  elsif rule.tolerance is null or rule.tolerance < 0 or rule.tolerance >= 'Infinity' then
    perform saldo_private.fail('input_invalid', 'tolerance: a number from 0 on');
  elsif num_nonnulls(rule.stored_table, rule.key_column, rule.balance_column) not in (0, 3)
    or (rule.stored_table is null) = (rule.stored is null)
  then
    perform saldo_private.fail(
      'input_invalid',
      'either stored, or stored_table with key_column and balance_column'
    );
  end if;
  if rule.stored_table is not null then
    rule := saldo_private.prove_rule__table(rule);
  end if;
  v_relations := saldo_private.require_rule_query('stored', rule.stored)
    || saldo_private.require_rule_query('derived', rule.derived)
    || case when rule.items is null then '[]'
    else saldo_private.require_rule_query('items', rule.items) end;
  perform saldo_private.prove_rule__means(rule);
  -- What stands on these tables today: a trigger that is gone later may be why a balance is wrong.
  rule.watched_triggers := coalesce((
    select jsonb_agg(distinct jsonb_build_object(
      'table', format('%I.%I', n.nspname, c.relname), 'name', t.tgname
    ))
    from jsonb_array_elements(v_relations) as r (relation)
    join pg_catalog.pg_class as c on c.oid = (r.relation ->> 'id')::oid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_trigger as t on t.tgrelid = c.oid
    where not t.tgisinternal
    and t.tgname !~ '^saldo_guard_'
    and t.tgenabled in ('O', 'A')
  ), '[]');
  return rule;
end
$$;
comment on function saldo_private.prove_rule is
  'The rule as it may be kept; an error of the catalogue when it may not.';
--! EndIncluded health/rule_proof.sql
--! Included health/registered_rule.sql
-- Rules over anyone's tables: a balance that is stored against what it is derived from.
--
-- Public: register_balance_rule, change_balance_rule, enable_balance_rule, disable_balance_rule,
-- unregister_balance_rule; saldo.registered_rule. Private: save_registered_rule.
-- A rule is proven before it is taken (rule_query.sql), and its queries never run as anybody but
-- saldo_rule_reader (rule_sandbox.sql). A rule that has findings leaves its name behind when it is
-- unregistered, so that the findings keep their rule.

create or replace function saldo_private.save_registered_rule(
  rule saldo.registered_rule,
  title text,
  description text
)
returns saldo.registered_rule
language plpgsql
as $$
begin
  rule := saldo_private.prove_rule(rule);
  insert into saldo.balance_rule (
    name, room, title, description, heal_function, is_registered, is_enabled
  )
  values (
    rule.name, 'registered', saldo_private.require_text(title, 'title', 200),
    saldo_private.require_text(description, 'description', 1000),
    case when rule.heal <> 'none' then 'heal_registered_rule' end, true, true
  )
  on conflict on constraint balance_rule_pkey do update
  set title = excluded.title,
    description = excluded.description,
    heal_function = excluded.heal_function,
    is_enabled = true;
  perform saldo_private.place_guard(r, false)
  from saldo.registered_rule as r
  where r.name = rule.name
  and (rule.guard = 'none' or r.stored_table is distinct from rule.stored_table);
  delete from saldo.registered_rule as r
  where r.name = rule.name;
  insert into saldo.registered_rule
  select (rule).*;
  if rule.guard <> 'none' then
    perform saldo_private.place_guard(rule, true);
  end if;
  select *
  into rule
  from saldo.registered_rule as r
  where r.name = rule.name;
  return rule;
end
$$;
comment on function saldo_private.save_registered_rule is
  'Proves a rule and puts it in the place of the one before, with its guard.';

create or replace function saldo_private.registered_rule_of(name text)
returns saldo.registered_rule
language plpgsql
as $$
declare
  v_rule saldo.registered_rule;
begin
  select *
  into v_rule
  from saldo.registered_rule as r
  where r.name = registered_rule_of.name
  for update;
  if v_rule.name is null then
    perform saldo_private.fail('not_found', format('rule %L', name));
  end if;
  return v_rule;
end
$$;
comment on function saldo_private.registered_rule_of is
  'The registered rule of that name, locked: SB007 when there is none.';

create or replace function saldo.register_balance_rule(
  name text,
  derived text,
  stored_table text default null,
  key_column text default null,
  balance_column text default null,
  stored text default null,
  items text default null,
  tolerance numeric default 0,
  heal saldo.rule_heal default 'none',
  heal_function text default null,
  guard saldo.rule_guard default 'none',
  writer_roles text[] default '{}',
  writer_applications text[] default '{}',
  title text default null,
  description text default null
)
returns saldo.registered_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if exists (
    select
    from saldo.balance_rule as b
    left join saldo.registered_rule as r on r.name = b.name
    where b.name = register_balance_rule.name
    and (not b.is_registered or r.name is not null)
  ) then
    perform saldo_private.fail('not_unique', format('rule %L', name));
  end if;
  return saldo_private.save_registered_rule(
    row(
      name, stored_table, key_column, balance_column, stored, derived, items,
      coalesce(tolerance, 0), coalesce(heal, 'none'), heal_function, coalesce(guard, 'none'),
      coalesce(writer_roles, '{}'), coalesce(writer_applications, '{}'), null, null, null,
      saldo_private.actor(), clock_timestamp()
    )::saldo.registered_rule,
    coalesce(title, name),
    coalesce(description, format('What %s stores is what its derived query gives.',
      coalesce(stored_table || '.' || balance_column, name)))
  );
end
$$;
comment on function saldo.register_balance_rule is
  'Registers a rule over your own tables: what is stored must be what is derived, within tolerance '
  '(in the figure''s own unit). stored_table, key_column and balance_column name the balance; or '
  'stored is a query of (key, stored and labels). derived is a query of (key, derived); items, for '
  'explanations, one of (key, item, amount, is_counted) and, where you have them, status, '
  'reference, occurred_at: all that could have moved the balance, amount with its sign, and '
  'whether derived counts it. heal: none, update (the column is set under the row''s lock) or '
  'function (heal_function(key text) is called). guard: none, record or refuse writes to the '
  'column by others than writer_roles and writer_applications. Queries run as saldo_rule_reader; '
  'name each table with its schema. Errors: SB014 for a name that is taken, SB010, SB640 to SB647.';
revoke execute on function saldo.register_balance_rule from public;
grant execute on function saldo.register_balance_rule to saldo_admin;

create or replace function saldo.change_balance_rule(
  name text,
  derived text default null,
  stored_table text default null,
  key_column text default null,
  balance_column text default null,
  stored text default null,
  items text default null,
  tolerance numeric default null,
  heal saldo.rule_heal default null,
  heal_function text default null,
  guard saldo.rule_guard default null,
  writer_roles text[] default null,
  writer_applications text[] default null,
  title text default null,
  description text default null
)
returns saldo.registered_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_old saldo.registered_rule := saldo_private.registered_rule_of(name);
  v_rule saldo.balance_rule;
  -- A query in the place of a table, or a table in the place of a query.
  v_is_table boolean := case when stored is not null then false when stored_table is not null
    then true else v_old.stored_table is not null end;
begin
  if num_nonnulls(stored, stored_table) > 1 then
    perform saldo_private.fail('input_invalid', 'either stored or stored_table');
  end if;
  select *
  into v_rule
  from saldo.balance_rule as b
  where b.name = change_balance_rule.name;
  return saldo_private.save_registered_rule(
    row(
      name,
      case when v_is_table then coalesce(stored_table, v_old.stored_table) end,
      case when v_is_table then coalesce(key_column, v_old.key_column) end,
      case when v_is_table then coalesce(balance_column, v_old.balance_column) end,
      case when not v_is_table then coalesce(stored, v_old.stored) end,
      coalesce(derived, v_old.derived), coalesce(items, v_old.items),
      coalesce(tolerance, v_old.tolerance), coalesce(heal, v_old.heal),
      coalesce(heal_function, v_old.heal_function), coalesce(guard, v_old.guard),
      coalesce(writer_roles, v_old.writer_roles),
      coalesce(writer_applications, v_old.writer_applications), null, null, null,
      saldo_private.actor(), clock_timestamp()
    )::saldo.registered_rule,
    coalesce(title, v_rule.title), coalesce(description, v_rule.description)
  );
end
$$;
comment on function saldo.change_balance_rule is
  'Changes what is given of a registered rule, keeps the rest, and proves the whole again; the '
  'rule is enabled after it. Errors: SB007, and those of register_balance_rule.';
revoke execute on function saldo.change_balance_rule from public;
grant execute on function saldo.change_balance_rule to saldo_admin;

create or replace function saldo.disable_balance_rule(name text)
returns saldo.registered_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule saldo.registered_rule := saldo_private.registered_rule_of(name);
begin
  perform saldo_private.place_guard(v_rule, false);
  update saldo.balance_rule as b
  set is_enabled = false
  where b.name = disable_balance_rule.name;
  return saldo_private.registered_rule_of(name);
end
$$;
comment on function saldo.disable_balance_rule is
  'Takes a registered rule out of the checks, and its guard off the table, until it is enabled. '
  'Errors: SB007 for a name that no registered rule has.';
revoke execute on function saldo.disable_balance_rule from public;
grant execute on function saldo.disable_balance_rule to saldo_admin;

create or replace function saldo.enable_balance_rule(name text)
returns saldo.registered_rule
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select changed.*
  from saldo.change_balance_rule(enable_balance_rule.name) as changed
$$;
comment on function saldo.enable_balance_rule is
  'Proves a registered rule again, puts its guard back, and lets checks run it. '
  'Errors: SB007, and those of register_balance_rule.';
revoke execute on function saldo.enable_balance_rule from public;
grant execute on function saldo.enable_balance_rule to saldo_admin;

create or replace function saldo.unregister_balance_rule(name text)
returns saldo.registered_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule saldo.registered_rule := saldo_private.registered_rule_of(name);
begin
  perform saldo_private.place_guard(v_rule, false);
  delete from saldo.registered_rule as r
  where r.name = unregister_balance_rule.name;
  if exists (
    select
    from saldo.finding as f
    where f.rule = unregister_balance_rule.name
  ) then
    update saldo.balance_rule as b
    set is_enabled = false
    where b.name = unregister_balance_rule.name;
  else
    delete from saldo.balance_rule as b
    where b.name = unregister_balance_rule.name;
  end if;
  return v_rule;
end
$$;
comment on function saldo.unregister_balance_rule is
  'Removes a registered rule and its guard; findings, heals and recorded writes stay, and the name '
  'may be registered again. Errors: SB007 for a name that no registered rule has.';
revoke execute on function saldo.unregister_balance_rule from public;
grant execute on function saldo.unregister_balance_rule to saldo_admin;

select saldo_private.secure_table('saldo.registered_rule');
drop policy if exists select_all on saldo.registered_rule;
create policy select_all on saldo.registered_rule for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.registered_rule to saldo_admin, saldo_operator;

comment on type saldo.rule_heal is
  'none: a human mends it; update: the column is set to what is derived; function: a function of '
  'the user''s is called.';
comment on type saldo.rule_guard is
  'What becomes of a write to the balance by others than the rule''s writers.';
comment on table saldo.registered_rule is
  'Rules that administrators registered over their own tables.';
comment on column saldo.registered_rule.name is 'Name; title and state are in balance_rule.';
comment on column saldo.registered_rule.stored_table is 'Table of the balance, with its schema.';
comment on column saldo.registered_rule.key_column is 'Column that names a row.';
comment on column saldo.registered_rule.balance_column is 'Column of the balance.';
comment on column saldo.registered_rule.stored is 'Query of what is stored.';
comment on column saldo.registered_rule.derived is 'Query of what it is derived from.';
comment on column saldo.registered_rule.items is 'Query of the items behind the figures.';
comment on column saldo.registered_rule.tolerance is 'Difference up to which all is well.';
comment on column saldo.registered_rule.heal is 'How a finding is healed.';
comment on column saldo.registered_rule.heal_function is
  'Function of the user''s that heals a key.';
comment on column saldo.registered_rule.guard is 'What becomes of other writers.';
comment on column saldo.registered_rule.writer_roles is 'Roles that may write the balance.';
comment on column saldo.registered_rule.writer_applications is
  'Names of applications that may write it; anyone can choose such a name.';
comment on column saldo.registered_rule.guard_definition is 'Trigger of the guard, as it was made.';
comment on column saldo.registered_rule.guard_insert_definition is
  'Trigger of the guard for new rows, as it was made.';
comment on column saldo.registered_rule.watched_triggers is
  'Triggers that stood on the tables of its queries when it was registered.';
comment on column saldo.registered_rule.registered_by is 'Who registered or changed it last.';
comment on column saldo.registered_rule.registered_at is 'When that was.';
--! EndIncluded health/registered_rule.sql
--! Included health/registered_rule_file.sql
-- Rules as a list: what a file of rules is applied by.
--
-- Public: apply_balance_rules; the type saldo.rule_result. A rule that is not there is registered,
-- one that differs is changed, one that is equal is left as it is, and one that the list does not
-- name is left alone: a file that is missing must not switch checks off.

create or replace function saldo_private.apply_balance_rules__one(rule jsonb)
returns saldo.rule_outcome
language plpgsql
as $$
declare
  v_old saldo.registered_rule;
  v_new saldo.registered_rule;
  v_balance_rule saldo.balance_rule;
begin
  select *
  into v_old
  from saldo.registered_rule as r
  where r.name = rule ->> 'name';
  if v_old.name is null then
    perform saldo_private.apply_balance_rules__register(rule);
    return 'registered';
  end if;
  select *
  into v_balance_rule
  from saldo.balance_rule as b
  where b.name = v_old.name;
  v_new := saldo_private.apply_balance_rules__of(rule);
  if (v_old.stored_table, v_old.key_column, v_old.balance_column, v_old.derived, v_old.items,
      v_old.tolerance, v_old.heal, v_old.heal_function, v_old.guard, v_old.writer_roles,
      v_old.writer_applications, v_balance_rule.title, v_balance_rule.description)
    is not distinct from
    (v_new.stored_table, v_new.key_column, v_new.balance_column, v_new.derived, v_new.items,
      v_new.tolerance, v_new.heal, v_new.heal_function, v_new.guard, v_new.writer_roles,
      v_new.writer_applications, coalesce(rule ->> 'title', v_balance_rule.title),
      coalesce(rule ->> 'description', v_balance_rule.description))
    and (v_new.stored_table is not null or v_old.stored = v_new.stored)
    and v_balance_rule.is_enabled
  then
    return 'unchanged';
  end if;
  perform saldo_private.save_registered_rule(v_new,
    coalesce(rule ->> 'title', v_balance_rule.title),
    coalesce(rule ->> 'description', v_balance_rule.description));
  return 'changed';
end
$$;
comment on function saldo_private.apply_balance_rules__one is
  'Registers or changes one rule of a list, or leaves it when nothing differs.';

create or replace function saldo_private.apply_balance_rules__of(rule jsonb)
returns saldo.registered_rule
language sql
stable
as $$
  select row(
    r.name, r.stored_table, r.key_column, r.balance_column, r.stored, r.derived, r.items,
    coalesce(r.tolerance, 0), coalesce(r.heal, 'none'), r.heal_function, coalesce(r.guard, 'none'),
    coalesce(r.writer_roles, '{}'), coalesce(r.writer_applications, '{}'), null, null, null,
    saldo_private.actor(), clock_timestamp()
  )::saldo.registered_rule
  from jsonb_populate_record(null::saldo.registered_rule, rule) as r
$$;
comment on function saldo_private.apply_balance_rules__of is
  'The rule that a member of a list stands for, with the defaults of register_balance_rule.';

create or replace function saldo_private.apply_balance_rules__register(rule jsonb)
returns void
language sql
as $$
  select
  from saldo_private.apply_balance_rules__of(rule) as r
  cross join lateral saldo.register_balance_rule(
    r.name, r.derived, r.stored_table, r.key_column, r.balance_column, r.stored, r.items,
    r.tolerance, r.heal, r.heal_function, r.guard, r.writer_roles, r.writer_applications,
    rule ->> 'title', rule ->> 'description'
  )
$$;
comment on function saldo_private.apply_balance_rules__register is
  'Registers a member of a list.';

create or replace function saldo.apply_balance_rules(rules jsonb)
returns setof saldo.rule_result
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule jsonb;
  v_result saldo.rule_result;
begin
  if rules is null or jsonb_typeof(rules) <> 'array' or jsonb_array_length(rules) > 1000 then
    perform saldo_private.fail('input_invalid', 'rules: an array of at most 1000 objects');
  end if;
  for v_rule in
    select each
    from jsonb_array_elements(rules) as each
  loop
    v_result := null;
    v_result.name := v_rule ->> 'name';
    begin
      v_result.outcome := saldo_private.apply_balance_rules__one(v_rule);
    exception
      -- A rule that is refused holds back none.
      when others then
        v_result.outcome := 'refused';
        get stacked diagnostics v_result.error_code = returned_sqlstate,
          v_result.message = message_text,
          v_result.detail = pg_exception_detail,
          v_result.hint = pg_exception_hint,
          v_result.error_condition = constraint_name;
    end;
    return next v_result;
  end loop;
end
$$;
comment on function saldo.apply_balance_rules is
  'Registers or changes rules over your own tables: an array of objects with the arguments of '
  'register_balance_rule. Equal rules stay as they are, and rules that are not named too. A rule '
  'that is refused is told with its error, and holds back none. Errors: SB010 for no such array.';
revoke execute on function saldo.apply_balance_rules from public;
grant execute on function saldo.apply_balance_rules to saldo_admin;

comment on type saldo.rule_outcome is 'What became of a rule of a list.';
comment on type saldo.rule_result is
  'What became of a rule of a list, with the error of a refusal.';
--! EndIncluded health/registered_rule_file.sql
--! Included health/configuration.sql
-- The rule over the engine itself: its triggers are on, its functions cannot be fooled, its tables
-- cannot be written around it, and commits are durable.
--
-- Private: rule_engine_configuration and its parts.

create or replace function saldo_private.rule_engine_configuration__triggers()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select format('trigger %s on %s', expected.trigger_name, expected.table_name),
    coalesce(
      case t.tgenabled when 'D' then 'disabled' when 'R' then 'fires on replicas only'
        when 'A' then 'always' when 'O' then 'on' end,
      'missing'
    ),
    case when expected.is_always then 'always' else 'on' end
  from (
    values
      ('journal_line', 'auto_sync_balance_on_posting', false),
      ('journal_line', 'keep_posted_immutable', false),
      ('journal_line', 'keep_journal_whole', false),
      ('journal_line', 'record_bypass_insert', true),
      ('journal_line', 'record_bypass', true),
      ('journal_line', 'record_bypass_truncate', true),
      ('journal_entry', 'keep_posted_immutable', false),
      ('journal_entry', 'keep_journal_whole', false),
      ('journal_entry', 'record_bypass', true),
      ('journal_entry', 'record_bypass_truncate', true),
      ('journal_seal', 'keep_seals_immutable', false),
      ('journal_seal_total', 'keep_seals_immutable', false),
      ('journal_seal_entry', 'keep_seals_immutable', false),
      ('journal_seal', 'record_bypass', true),
      ('journal_seal', 'record_bypass_truncate', true),
      ('journal_seal_total', 'record_bypass', true),
      ('journal_seal_total', 'record_bypass_truncate', true),
      ('journal_seal_entry', 'record_bypass', true),
      ('journal_seal_entry', 'record_bypass_truncate', true),
      ('sub_balance', 'keep_immutable', false),
      ('settlement_range', 'keep_immutable', false),
      ('settlement_entry', 'keep_immutable', false),
      ('account_stripe', 'move_slot_on_posting', false),
      ('account', 'guard_cached_balance', true),
      ('account', 'guard_truncate', true),
      ('month_movement', 'guard_cached_balance', true),
      ('month_movement', 'guard_truncate', true),
      ('customer_month_total', 'guard_cached_balance', true),
      ('customer_month_total', 'guard_truncate', true)
  ) as expected (table_name, trigger_name, is_always)
  left join pg_catalog.pg_trigger as t
    on t.tgrelid = coalesce(
      to_regclass('saldo.' || expected.table_name),
      to_regclass('saldo_private.' || expected.table_name)
    )
    and t.tgname = expected.trigger_name
  where t.tgenabled is distinct from case when expected.is_always then 'A' else 'O' end::"char"
$$;
comment on function saldo_private.rule_engine_configuration__triggers is
  'Triggers of the engine that are missing, disabled or silenced.';

create or replace function saldo_private.rule_engine_configuration__durability()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select format('setting %s', s.name), s.setting, 'on'
  from pg_catalog.pg_settings as s
  where s.name = 'full_page_writes'
  and s.setting = 'off'
  union all
  select format('role setting %s', coalesce(r.rolname, d.datname, 'all')), item, 'none'
  from pg_catalog.pg_db_role_setting as o
  left join pg_catalog.pg_roles as r on r.oid = o.setrole
  left join pg_catalog.pg_database as d on d.oid = o.setdatabase
  cross join unnest(o.setconfig) as item
  where (d.datname is null or d.datname = current_database())
  and item ~ '^(synchronous_commit=off|session_replication_role=|row_security=)'
$$;
comment on function saldo_private.rule_engine_configuration__durability is
  'Settings that take durability or the engine''s triggers away.';

create or replace function saldo_private.rule_engine_configuration__functions()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select p.oid::regprocedure::text, coalesce(array_to_string(p.proconfig, ', '), 'no search_path'),
    'search_path ending in pg_temp'
  from pg_catalog.pg_proc as p
  where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and p.prosecdef
  and not exists (
    select
    from unnest(p.proconfig) as item
    where item ~ '^search_path=.*pg_temp$'
  )
  union all
  select p.oid::regprocedure::text, 'executable by public', 'executable by named roles'
  from pg_catalog.pg_proc as p
  where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and exists (
    select
    from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
    where acl.grantee = 0
  )
$$;
comment on function saldo_private.rule_engine_configuration__functions is
  'Definer functions whose search path can be hijacked, and functions that anyone may call.';

create or replace function saldo_private.rule_engine_configuration__tables()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select c.oid::regclass::text, 'row level security is not forced', 'forced'
  from pg_catalog.pg_class as c
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and c.relkind in ('r', 'p')
  and not (c.relrowsecurity and c.relforcerowsecurity)
  union all
  select c.oid::regclass::text, format('%s for %s', acl.privilege_type,
    coalesce(r.rolname, 'public')), 'written by the owner only'
  from pg_catalog.pg_class as c
  cross join aclexplode(c.relacl) as acl
  left join pg_catalog.pg_roles as r on r.oid = acl.grantee
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and c.relkind in ('r', 'p', 'v')
  and acl.privilege_type <> 'SELECT'
  and acl.grantee <> c.relowner
  union all
  select format('%s.%s', c.oid::regclass, a.attname), format('%s for %s', acl.privilege_type,
    coalesce(r.rolname, 'public')), 'written by the owner only'
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_class as c on c.oid = a.attrelid
  cross join aclexplode(a.attacl) as acl
  left join pg_catalog.pg_roles as r on r.oid = acl.grantee
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and acl.privilege_type <> 'SELECT'
  and acl.grantee <> c.relowner
  union all
  select r.rolname::text, 'may become saldo_owner', 'no way to the owner'
  from pg_catalog.pg_roles as r
  where r.rolname ~ '^saldo_'
  and r.rolname <> 'saldo_owner'
  and pg_has_role(r.oid, 'saldo_owner', 'member')
  union all
  select r.rolname::text, 'may go around row level security', 'an ordinary role'
  from pg_catalog.pg_roles as r
  where r.rolname ~ '^saldo_'
  and (r.rolsuper or r.rolbypassrls or r.rolcreaterole)
  union all
  select c.conname::text, 'not validated', 'validated'
  from pg_catalog.pg_constraint as c
  where c.connamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  -- From PostgreSQL 18 on a constraint may be not enforced; before, there is no such column.
  and not (c.convalidated and coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true))
  union all
  select i.indexrelid::regclass::text, 'not valid', 'valid'
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
  and not i.indisvalid
  and not exists (
    select from pg_catalog.pg_stat_progress_create_index as p where p.index_relid = i.indexrelid
  )
$$;
comment on function saldo_private.rule_engine_configuration__tables is
  'Tables that can be read or written around the engine.';

create or replace function saldo_private.rule_engine_configuration()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select part.key, null::bigint, part.stored, part.derived, null::numeric, '{}'::jsonb
  from (
    select * from saldo_private.rule_engine_configuration__triggers()
    union all
    select * from saldo_private.rule_engine_configuration__durability()
    union all
    select * from saldo_private.rule_engine_configuration__functions()
    union all
    select * from saldo_private.rule_engine_configuration__tables()
    union all
    select * from saldo_private.rule_engine_configuration__registered()
  ) as part
$$;
comment on function saldo_private.rule_engine_configuration is
  'What is switched off, opened or missing in the engine itself.';
--! EndIncluded health/configuration.sql
--! Included health/builtin_rules.sql
-- The built-in rules: every cache, the book checks, and the engine itself.

select saldo_private.register_builtin_rule(name, room, title, description, heal, about_journal)
from (
  values
    ('entry_balance', 'ledger', 'Each entry balances',
      'Debits equal credits in each currency of each entry.', null, true),
    ('entry_lines', 'ledger', 'Each entry has its lines',
      'A posted entry has the lines it was posted with, on its posting date; a draft has none.',
      null, true),
    ('orphan_line', 'ledger', 'Each line has its entry and account',
      'No line stands without an entry or an account.', null, true),
    ('line_amount', 'ledger', 'Each line has one sane amount',
      'One side is positive, the other zero; no NaN, no fractions of a cent.', null, true),
    ('trial_balance', 'ledger', 'All lines sum to zero',
      'Debits equal credits in each currency of the whole journal.', null, true),
    ('reversal', 'ledger', 'A reversal cancels its entry once and exactly',
      'Entry and reversal sum to zero on every account; a reversed entry has one reversal.',
      null, true),
    ('account_balance', 'ledger', 'Account totals equal the journal',
      'Totals of an account are the sums of its lines.', 'heal_account_balance', false),
    ('month_movement', 'ledger', 'Month movements equal the journal',
      'A month''s movement is the sum of its lines.', 'heal_month_movement', false),
    ('balance_sheet', 'ledger', 'Assets = liabilities + equity + current earnings',
      'The balances of the accounts balance in each currency.', null, false),
    ('min_balance', 'ledger', 'No account is below its minimum',
      'Balance less holds is at least min_balance.', null, false),
    ('closed_period', 'closing', 'Nothing enters a closed period',
      'No entry is dated in a period that was closed when it was posted.', null, true),
    ('closing_snapshot', 'closing', 'Seals are unbroken',
      'The sealed totals have their hash, and are those of the journal.', null, true),
    ('journal_seal', 'closing', 'The journal is what was sealed',
      'Recent seals have their hashes and entries, and no month has less than was sealed.', null,
      true),
    ('restatement', 'closing', 'Restated adds up to reported',
      'The months of an account as restated add up over all time to what was reported.', null,
      false),
    ('held_total', 'hot', 'Held totals equal the open holds',
      'The held total of an immediate account is the sum of its open holds.', 'heal_held_total',
      false),
    ('account_slot', 'hot', 'Slots equal what is available',
      'The slots of a hot account add up to its funds, its open holds and its rows.',
      'heal_account_slot', false),
    ('sub_balance', 'hot', 'No row of a hot account is missing',
      'Rows of a slot are numbered without gap, and have sane amounts.', null, true),
    ('settlement', 'hot', 'Settlements are the sums of their rows',
      'Count and sums of a settlement are those of its rows and of its entries.', null, true),
    ('settlement_range', 'hot', 'No row is settled twice or passed over',
      'Settlements of a slot follow on each other up to its mark.', null, true),
    ('settlement_entry', 'hot', 'Summary entries carry the sums of their rows',
      'Each summary entry has its rows, and all settled rows are in one.', null, true),
    ('settlement_lag', 'hot', 'Settlement keeps up',
      'No row is pending longer than the setting settlement_lag_max_seconds.', null, false),
    ('purchase_hold', 'wallet', 'Pending purchases are held',
      'Each pending purchase has an open hold of its amount, and no other hold of a purchase is '
        'open.', null, false),
    ('purchase_entry', 'wallet', 'Purchases agree with journal and stock',
      'Each purchase has the entries and items that its state wants, and no other.', null, false),
    ('deposit_entry', 'metering', 'Deposits agree with the journal',
      'Each deposit has its entry, and its reversal once it is changed or removed.', null, false),
    ('rated_line', 'metering', 'Rated lines are what their versions make',
      'Volume, factor, price and amount of a current line follow from its reading and versions.',
      null, false),
    ('rating_entry', 'metering', 'Rating entries carry the sums of the rated lines',
      'What is posted for a customer and month is the sum of its current lines.', null, false),
    ('reading_rated', 'metering', 'Each reading is rated that can be',
      'A current reading with price and factor is rated by them, and no other reading is.', null,
      false),
    ('rerating', 'metering', 'Re-ratings move',
      'No re-rating has failed, or stands still for longer than the setting '
        'rerating_idle_max_seconds.', null, false),
    ('customer_month_total', 'metering', 'Monthly totals of customers equal their lines',
      'A customer''s month is the sums of its journal lines and of the volumes of its rated lines.',
      'heal_customer_month_total', false),
    ('idempotency', 'foundation', 'Each idempotency key has its result',
      'The entry or purchase that a key stands for exists.', null, true),
    ('account_freeze', 'health', 'Frozen accounts have their record',
      'An account is frozen while a freeze of it lasts, and a frozen one has no slots or stripes.',
      null, false),
    ('engine_configuration', 'health', 'The engine is switched on and closed',
      'Triggers, durability, search paths, privileges and row level security are as built.',
      null, false)
) as rule (name, room, title, description, heal, about_journal);

-- What the sieve proves, and what costs little whatever the books have grown to.
update saldo.balance_rule as r
set scope = c.scope::saldo.rule_scope,
  is_incremental = true
from (
  values
    ('account_balance', 'account'), ('month_movement', 'account'),
    ('entry_balance', 'entry'), ('entry_lines', 'entry'), ('orphan_line', 'entry'),
    ('line_amount', 'entry'), ('trial_balance', 'journal'), ('balance_sheet', 'whole'),
    ('min_balance', 'whole'), ('held_total', 'whole'), ('account_slot', 'whole'),
    ('settlement_lag', 'whole'), ('purchase_hold', 'whole'), ('engine_configuration', 'whole')
) as c (name, scope)
where r.name = c.name;
--! EndIncluded health/builtin_rules.sql
--! Included health/explanation.sql
-- Explanation: the likely cause of a finding, with its evidence, before anything is repaired.
--
-- Private: explain_findings, journal_changed_accounts, is_journal_missing, unsettled_events,
-- unsettled_guard_event, event_text. In the order of trust: a recorded write past the guard, to the
-- journal before one to a cache; two caches that agree with each other but not with the journal; a
-- sync trigger that is off. "Unknown" is an honest answer.

create or replace function saldo_private.unsettled_events(account_ids bigint[])
returns table (account_id bigint, event saldo.guard_event)
language sql
stable
as $$
  with concerned as materialized (
    select g.id, g.account_id
    from saldo.guard_event as g
    where g.account_id = any (account_ids)
    union
    -- A line may have been moved away, and a truncate is about every account.
    select g.id, (g.old_row ->> 'account_id')::bigint
    from saldo.guard_event as g
    where (g.old_row ->> 'account_id')::bigint = any (account_ids)
    union
    select g.id, a.id
    from saldo.guard_event as g
    cross join unnest(account_ids) as a (id)
    where g.operation = 'truncate'
  ),
  -- Settled is what a check saw and still found journal and account in order. By transaction, not
  -- by time: a write may be older than a check that could not see it yet.
  sound as materialized (
    select c.id, c.snapshot::pg_snapshot as snapshot
    from saldo.check_run as c
    where c.failed_rule_count = 0
    -- Others do not look at what was posted long ago.
    and c.scope = 'full'
    and not exists (
      select
      from saldo.finding as f
      join saldo.balance_rule as r on r.name = f.rule
      where f.check_run_id = c.id
      and r.is_about_journal
    )
  ),
  settled as materialized (
    select a.account_id, (
      select s.snapshot
      from sound as s
      where not exists (
        select
        from saldo.finding as f
        where f.account_id = a.account_id
        and f.check_run_id = s.id
      )
      order by s.id desc
      limit 1
    ) as snapshot
    from (select distinct concerned.account_id from concerned) as a
  )
  select c.account_id, g
  from concerned as c
  join settled as s on s.account_id = c.account_id
  join saldo.guard_event as g on g.id = c.id
  where pg_visible_in_snapshot(g.transaction_id, s.snapshot) is not true
$$;
comment on function saldo_private.unsettled_events is
  'Recorded writes past the guard that concern the accounts, since the last full check that found '
  'nothing wrong with the account and with the journal.';

create or replace function saldo_private.unsettled_guard_event(account_id bigint)
returns setof saldo.guard_event
language sql
stable
as $$
  select (u.event).*
  from saldo_private.unsettled_events(array[unsettled_guard_event.account_id]) as u
$$;
comment on function saldo_private.unsettled_guard_event is
  'Those that concern one account.';

create or replace function saldo_private.journal_changed_accounts(account_ids bigint[])
returns setof bigint
language sql
stable
as $$
  -- Two witnesses against one: totals and months are kept apart, and agree only with the journal
  -- that made them.
  select a.id
  from saldo.account as a
  left join (
    select mm.account_id, sum(mm.debit) as debit, sum(mm.credit) as credit,
      sum(mm.line_count) as line_count
    from saldo.month_movement as mm
    where mm.account_id = any (account_ids)
    group by mm.account_id
  ) as m on m.account_id = a.id
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit,
      sum(part.line_count) as line_count
    from (
      select jl.account_id, jl.debit, jl.credit, 1 as line_count
      from saldo.journal_line as jl
      where jl.account_id = any (account_ids)
      union all
      select s.account_id, -s.debit, -s.credit, -s.line_count
      from saldo_private.account_stripe as s
      where s.account_id = any (account_ids)
    ) as part
    group by part.account_id
  ) as l on l.account_id = a.id
  where a.id = any (account_ids)
  and (a.debit_total, a.credit_total) = (coalesce(m.debit, 0), coalesce(m.credit, 0))
  and (a.debit_total, a.credit_total, coalesce(m.line_count, 0))
    is distinct from (coalesce(l.debit, 0), coalesce(l.credit, 0), coalesce(l.line_count, 0))
$$;
comment on function saldo_private.journal_changed_accounts is
  'Those of the accounts whose totals and months agree with each other and not with the journal: '
  'lines were added, changed or taken away past the engine.';

create or replace function saldo_private.is_journal_missing(account_id bigint, rule text)
returns boolean
language sql
stable
as $$
  select not exists (
    select
    from saldo.journal_line as l
    where l.account_id = is_journal_missing.account_id
  )
  and not exists (
    select
    from saldo_private.unsettled_guard_event(is_journal_missing.account_id) as g
    where g.table_name = case is_journal_missing.rule when 'account_balance' then 'account'
      else 'month_movement' end
    and g.operation <> 'truncate'
    and coalesce(g.old_row ->> 'debit_total', g.old_row ->> 'debit', '0')::numeric = 0
    and coalesce(g.old_row ->> 'credit_total', g.old_row ->> 'credit', '0')::numeric = 0
  )
$$;
comment on function saldo_private.is_journal_missing is
  'Whether the account has no line at all, while no recorded write shows that the figures of the '
  'rule''s cache were zero before: then it is rather the lines that are gone.';

create or replace function saldo_private.explain_findings__events(check_run_id uuid)
returns table (finding_id uuid, evidence jsonb)
language sql
stable
-- Findings of this transaction: the planner takes thousands of them for a handful.
set enable_nestloop = off
as $$
  -- A hold does not derive from the journal. Else a write to the journal comes first, however old:
  -- it decides that nothing is healed.
  with explained as materialized (
    select f.id, f.account_id, f.rule, coalesce(max(h.healed_at), '-infinity') as healed_at
    from saldo.finding as f
    left join saldo.heal_action as h on h.account_id = f.account_id
      and h.rule = f.rule
      and h.outcome = 'healed'
    where f.check_run_id = explain_findings__events.check_run_id
    and f.account_id is not null
    and f.rule in ('account_balance', 'month_movement', 'held_total', 'customer_month_total')
    group by f.id
  )
  select e.id,
    jsonb_agg(e.event order by e.is_journal desc, e.occurred_at desc)
  from (
    select x.id, to_jsonb(u.event) as event, (u.event).occurred_at, j.is_journal,
      row_number() over (
        partition by x.id order by j.is_journal desc, (u.event).occurred_at desc
      ) as place
    from explained as x
    join saldo_private.unsettled_events(array(
      select distinct a.account_id from explained as a
    )) as u on u.account_id = x.account_id
    cross join lateral (select (u.event).table_name like 'journal%' as is_journal) as j
    where case when j.is_journal then x.rule <> 'held_total'
      else (u.event).table_name = case when x.rule in ('month_movement', 'customer_month_total')
        then x.rule else 'account' end
    end
    -- What a heal has put right since explains nothing any more.
    and (j.is_journal or (u.event).occurred_at > x.healed_at)
  ) as e
  where e.place <= 5
  group by e.id
$$;
comment on function saldo_private.explain_findings__events is
  'Recorded writes that speak for a finding: those to the journal first, then the newest.';

create or replace function saldo_private.event_text(event jsonb)
returns text
language sql
stable
as $$
  select format(
    '%s of %s past the guard by login %s (role %s, application %L, from %s) at %s: %s',
    g.operation, g.table_name, g.login, g.role, g.application_name,
    coalesce(host(g.client_address), 'a local socket'), g.occurred_at, g.statement
  )
  from jsonb_populate_record(null::saldo.guard_event, event) as g
$$;
comment on function saldo_private.event_text is 'A recorded write in a sentence.';

create or replace function saldo_private.explain_findings(check_run_id uuid)
returns void
language sql
-- Findings of this transaction: the planner takes thousands of them for a handful.
set enable_nestloop = off
as $$
  with explained as (
    select f.id, events.evidence,
      case
        when events.evidence -> 0 ->> 'table_name' like 'journal%' then 'journal_changed'
        when events.evidence is not null then 'out_of_band_write'
        when f.rule not in (
          'account_balance', 'month_movement', 'held_total', 'customer_month_total'
        ) then 'unknown'
        when changed.account_id is not null then 'journal_changed'
        when is_trigger_off and f.account_id is not null then 'sync_trigger_disabled'
        else 'unknown'
      end::saldo.finding_cause as cause
    from saldo.finding as f
    left join saldo_private.journal_changed_accounts(array(
      select c.account_id
      from saldo.finding as c
      where c.check_run_id = explain_findings.check_run_id
      and c.rule in ('account_balance', 'month_movement', 'held_total', 'customer_month_total')
      and c.account_id is not null
    )) as changed (account_id) on changed.account_id = f.account_id
    cross join (
      select exists (
        select
        from saldo_private.rule_engine_configuration__triggers() as t
        where t.key = 'trigger auto_sync_balance_on_posting on journal_line'
      ) as is_trigger_off
      offset 0
    ) as trigger
    left join saldo_private.explain_findings__events(explain_findings.check_run_id) as events
      on events.finding_id = f.id
    where f.check_run_id = explain_findings.check_run_id
    and f.explanation = '' -- what broke or is registered has its own
  )
  update saldo.finding as f
  set cause = e.cause,
    evidence = coalesce(e.evidence, '[]'),
    explanation = case e.cause
      when 'sync_trigger_disabled' then
        'The posting trigger is not on: lines are posted without moving balances.'
      when 'unknown' then 'No recorded event explains this difference.'
      else coalesce(
        saldo_private.event_text(e.evidence -> 0),
        'Totals and months agree with each other but not with the journal: lines came, went or '
          'changed past the posting trigger.'
      )
    end
  from explained as e
  where f.id = e.id
$$;
comment on function saldo_private.explain_findings is
  'Writes the likely cause of each finding of a check, a sentence about it, and the recorded '
  'events that speak for it.';
--! EndIncluded health/explanation.sql
--! Included health/sieve.sql
-- The sieve: a few cheap passes over the journal that say where something may be wrong. What the
-- rules prove exactly they prove there only: they are dear, and nearly everything is all right.
--
-- Private: next_slice, sieve_accounts, sieve_entries, sieve_totals, suspect_entries.
-- A pass compares sums. Accounts are compared one by one, so that none can hide another; their
-- months over the slice and, all accounts together, month by month: only two that are wrong the
-- opposite way in the same two months hide each other, until a slice ends between these. Entries of
-- a day are thrown into 64 buckets by a hash with a new seed each time: one that is wrong always
-- shows; two of a day whose errors cancel each other meet in a bucket once in 64 checks.
-- A slice of a single month hides nothing of the former, and slices end elsewhere each time.
-- Each pass is one statement and so sees one snapshot: writers beside it make no suspect. Nothing
-- is locked. Assignments of scalars, since a SELECT INTO uses no parallel workers.

create or replace function saldo_private.next_slice(from_date date, line_count bigint)
returns saldo_private.check_slice
language sql
stable
as $$
  -- Whole months, as many as have so many lines, at least one. The first slice begins and the last
  -- one ends with time itself: a line may stand on any date.
  select (
    from_date,
    coalesce(min(m.month) filter (where m.before > 0 and m.so_far > next_slice.line_count) - 1,
      'infinity'),
    coalesce(sum(m.line_count), 0)
  )::saldo_private.check_slice
  from (
    select n.month, n.line_count, sum(n.line_count) over w as so_far,
      sum(n.line_count) over w - n.line_count as before
    from (
      select p.month, sum(p.line_count) as line_count
      from saldo_private.posted_movement as p
      where p.month >= from_date
      group by p.month
    ) as n
    window w as (order by n.month)
  ) as m
$$;
comment on function saldo_private.next_slice is
  'The next slice of the journal by posting date, of about so many lines. line_count: the lines of '
  'it and of all slices after it.';

create or replace function saldo_private.sieve_accounts(starts_on date, ends_on date)
returns saldo_private.sieve_result
language plpgsql
stable
set work_mem = '64MB'
as $$
declare
  v_result saldo_private.sieve_result;
begin
  v_result := (
    select (
      coalesce(sum(l.line_count), 0)::bigint,
      array_agg(coalesce(l.account_id, m.account_id)) filter (
        where (l.debit, l.credit, l.line_count) is distinct from (m.debit, m.credit, m.line_count)
      )
    )::saldo_private.sieve_result
    from (
      select line.account_id, sum(line.debit) as debit, sum(line.credit) as credit,
        count(*)::numeric as line_count
      from saldo.journal_line as line
      where line.posting_date between starts_on and ends_on
      group by line.account_id
    ) as l
    full join (
      select p.account_id, sum(p.debit) as debit, sum(p.credit) as credit,
        sum(p.line_count) as line_count
      from saldo_private.posted_movement as p
      where p.month between starts_on and ends_on
      group by p.account_id
    ) as m on m.account_id = l.account_id
  );
  return v_result;
end
$$;
comment on function saldo_private.sieve_accounts is
  'Lines on these dates, and the accounts whose lines are not what their months say.';

create or replace function saldo_private.sieve_entries(starts_on date, ends_on date, seed bigint)
returns saldo_private.entry_sieve_result
language plpgsql
stable
set work_mem = '64MB'
-- The planner takes each hash for a group of its own, and would sort.
set enable_sort = off
as $$
declare
  v_result saldo_private.entry_sieve_result;
begin
  v_result := (
    with line as materialized (
      select l.posting_date, uuid_hash_extended(l.entry_id, seed) & 63 as bucket,
        sum(l.debit) as debit, sum(l.credit) as credit, count(*) as line_count,
        bool_and(l.line_no > 0 and (l.debit > 0) <> (l.credit > 0)) as is_sane
      from saldo.journal_line as l
      where l.posting_date between starts_on and ends_on
      group by 1, 2
    ),
    entry as (
      select e.posting_date, uuid_hash_extended(e.id, seed) & 63 as bucket,
        sum(e.line_count) as line_count, bool_and(e.line_count > 1) as is_sane
      from saldo.journal_entry as e
      where e.posting_date between starts_on and ends_on
      and e.status <> 'draft'
      group by 1, 2
    ),
    month as (
      select l.month, (l.debit, l.credit, l.line_count)
        is not distinct from (m.debit, m.credit, m.line_count) as is_right
      from (
        select saldo_private.month_of(line.posting_date) as month, sum(line.debit) as debit,
          sum(line.credit) as credit, sum(line.line_count) as line_count
        from line
        group by 1
      ) as l
      left join (
        select p.month, sum(p.debit) as debit, sum(p.credit) as credit,
          sum(p.line_count) as line_count
        from saldo_private.posted_movement as p
        where p.month between starts_on and ends_on
        group by p.month
      ) as m on m.month = l.month
    )
    select (
      coalesce((
        select bool_or((
          line.debit = line.credit and line.is_sane and entry.is_sane
          and line.line_count = entry.line_count
        ) is not true)
        from line
        full join entry on entry.posting_date = line.posting_date and entry.bucket = line.bucket
      ), false),
      coalesce((select array_agg(month.month) from month where not month.is_right), '{}')
    )::saldo_private.entry_sieve_result
  );
  return v_result;
end
$$;
comment on function saldo_private.sieve_entries is
  'Whether entries on these dates may not balance, or not have the lines that they were posted '
  'with; and the months whose lines do not sum up to what all accounts'' months say.';

create or replace function saldo_private.sieve_totals()
returns bigint[]
language plpgsql
stable
set work_mem = '64MB'
as $$
declare
  v_account_ids bigint[];
begin
  v_account_ids := (
    select array_agg(coalesce(t.account_id, m.account_id))
    from saldo_private.account_total as t
    full join (
      select p.account_id, sum(p.debit) as debit, sum(p.credit) as credit
      from saldo_private.posted_movement as p
      group by p.account_id
    ) as m on m.account_id = t.account_id
    where (t.debit_total, t.credit_total)
      is distinct from (coalesce(m.debit, 0), coalesce(m.credit, 0))
  );
  return coalesce(v_account_ids, '{}');
end
$$;
comment on function saldo_private.sieve_totals is
  'Accounts whose totals are not those of their months.';

create or replace function saldo_private.suspect_entries(starts_on date, ends_on date)
returns uuid[]
language sql
stable
as $$
  -- What has a line or its entry on other dates is a suspect too: better one too many.
  select coalesce(array_agg(coalesce(l.entry_id, e.id)), '{}')
  from (
    select line.entry_id, count(*) as line_count, min(line.posting_date) as first_date,
      max(line.posting_date) as last_date, sum(line.debit) = sum(line.credit)
        and count(a.currency) = count(*) and min(a.currency) = max(a.currency)
        and bool_and(line.line_no > 0 and (line.debit > 0) <> (line.credit > 0)) as is_sane
    from saldo.journal_line as line
    left join saldo.account as a on a.id = line.account_id
    where line.posting_date between starts_on and ends_on
    group by line.entry_id
  ) as l
  full join (
    select entry.id, entry.line_count, entry.posting_date, entry.status
    from saldo.journal_entry as entry
    where entry.posting_date between starts_on and ends_on
  ) as e on e.id = l.entry_id
  where case when e.status = 'draft' then l.line_count is not null
    else (l.is_sane and e.line_count > 1 and (l.line_count, l.first_date, l.last_date)
      = (e.line_count, e.posting_date, e.posting_date)) is not true end
$$;
comment on function saldo_private.suspect_entries is
  'Entries with anything on these dates that may be wrong, one by one.';
--! EndIncluded health/sieve.sql
--! Included health/verified_point.sql
-- The verified point: up to which transaction the journal has been checked, and what the accounts
-- came to by then. From there on an incremental check looks at what was posted since.
--
-- Private: verified_totals, verify_news, set_verified_point; tables verified_point, verified_total.
-- The totals follow from the lines that were checked, never from what is stored: a drift that is
-- there stays a suspect. An unknown total (null) is one for ever: the next full check settles it.
-- What was changed among lines that were checked before is for full checks and seals to find.
-- Transaction numbers mean nothing in another cluster: there no point is known.

create or replace function saldo_private.known_snapshot()
returns pg_snapshot
language sql
stable
as $$
  select p.snapshot::pg_snapshot
  from saldo_private.verified_point as p
  where p.id = 1
  and p.cluster = (select c.system_identifier::text from pg_catalog.pg_control_system() as c)
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
  and pg_try_advisory_xact_lock(7246, 2)
$$;
comment on function saldo_private.lock_verified_point is
  'Whether this transaction may move the verified point: nobody else is about to, and it has '
  'posted nothing.';

create or replace function saldo_private.verify_news__news(since pg_snapshot)
returns table (
  account_id bigint,
  month date,
  entry_id uuid,
  debit numeric,
  credit numeric,
  line_count integer,
  is_sane boolean
)
language sql
stable
as $$
  select l.account_id, saldo_private.month_of(e.posting_date), e.id, l.debit, l.credit,
    e.line_count, (l.posting_date = e.posting_date and l.line_no > 0 and e.line_count > 1
      and (l.debit > 0) <> (l.credit > 0)) is true
  from saldo.journal_entry as e
  left join saldo.journal_line as l on l.entry_id = e.id
  where e.posted_in >= pg_snapshot_xmin(since)
  and not pg_visible_in_snapshot(e.posted_in, since)
  and e.posted_in is distinct from pg_current_xact_id_if_assigned()
$$;
comment on function saldo_private.verify_news__news is
  'Lines of the entries that were posted since a snapshot, and entries without any.';

create or replace function saldo_private.verify_news__months(account_ids bigint[], months date[])
returns setof bigint
language sql
stable
as $$
  select t.account_id
  from unnest(account_ids, months) as t (account_id, month)
  cross join lateral (
    select sum(l.debit) as debit, sum(l.credit) as credit, count(*)::numeric as line_count
    from saldo.journal_line as l
    where l.account_id = t.account_id
    and l.posting_date between t.month and (t.month + interval '1 month - 1 day')::date
  ) as l
  cross join lateral (
    select sum(p.debit) as debit, sum(p.credit) as credit, sum(p.line_count) as line_count
    from saldo_private.posted_movement as p
    where p.account_id = t.account_id
    and p.month = t.month
  ) as p
  where (l.debit, l.credit, l.line_count) is distinct from (p.debit, p.credit, p.line_count)
$$;
comment on function saldo_private.verify_news__months is
  'Those of the accounts whose month is not the sum of all its lines.';

create or replace function saldo_private.verify_news__totals(
  account_ids bigint[],
  debits numeric[],
  credits numeric[]
)
returns setof bigint
language sql
stable
as $$
  select t.account_id
  from saldo_private.account_total as t
  left join saldo_private.verified_total as v on v.account_id = t.account_id
  left join unnest(account_ids, debits, credits) as m (account_id, debit, credit)
    on m.account_id = t.account_id
  where (t.debit_total, t.credit_total) is distinct from (
    case when v.account_id is null then 0 else v.debit_total end + coalesce(m.debit, 0),
    case when v.account_id is null then 0 else v.credit_total end + coalesce(m.credit, 0)
  )
$$;
comment on function saldo_private.verify_news__totals is
  'All accounts whose totals are not the verified ones and what has come since.';

create or replace function saldo_private.verify_news(since pg_snapshot, is_moving boolean)
returns saldo_private.suspects
language sql
as $$
  -- One statement: what is news, what is stored, and the point that is set are of one snapshot.
  with news as materialized (
    select n.*
    from saldo_private.verify_news__news(since) as n
  ),
  moved as materialized (
    select n.account_id, sum(n.debit) as debit, sum(n.credit) as credit
    from news as n
    where n.account_id is not null
    group by n.account_id
  ),
  suspect_entry as (
    select n.entry_id
    from news as n
    left join saldo.account as a on a.id = n.account_id
    group by n.entry_id
    having (
      sum(n.debit) = sum(n.credit) and count(*) = min(n.line_count) and bool_and(n.is_sane)
      and count(a.currency) = count(*) and min(a.currency) = max(a.currency)
    ) is not true
  ),
  suspect_account (account_id) as (
    select saldo_private.verify_news__totals(
      array_agg(m.account_id), array_agg(m.debit), array_agg(m.credit)
    )
    from moved as m
    union
    select saldo_private.verify_news__months(
      array_agg(t.account_id order by t.account_id, t.month),
      array_agg(t.month order by t.account_id, t.month)
    )
    from (
      select distinct n.account_id, n.month
      from news as n
      where n.account_id is not null
    ) as t
  ),
  changed as (
    update saldo_private.verified_total as v
    set debit_total = v.debit_total + m.debit,
      credit_total = v.credit_total + m.credit
    from moved as m
    where m.account_id = v.account_id
    and is_moving
  ),
  added as (
    insert into saldo_private.verified_total (account_id, debit_total, credit_total)
    select m.account_id, m.debit, m.credit
    from moved as m
    where is_moving
    and not exists (
      select from saldo_private.verified_total as v where v.account_id = m.account_id
    )
  ),
  pointed as (
    update saldo_private.verified_point as p
    set snapshot = pg_current_snapshot(),
      verified_at = clock_timestamp(),
      line_count = p.line_count + (select count(n.account_id) from news as n)
    where p.id = 1
    and is_moving
  )
  select (
    (select count(n.account_id) from news as n),
    coalesce((select array_agg(s.account_id) from suspect_account as s), '{}'),
    coalesce((select array_agg(s.entry_id) from suspect_entry as s), '{}')
  )::saldo_private.suspects
$$;
comment on function saldo_private.verify_news is
  'Sieves what was posted since a snapshot, entries and the months and totals of their accounts, '
  'and the totals of all other accounts, which must not have moved; moves the point when asked to.';

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
  )
  update saldo_private.verified_point as p
  set cluster = (select c.system_identifier::text from pg_catalog.pg_control_system() as c),
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

comment on table saldo_private.verified_point is
  'One row: up to where the journal has been checked.';
comment on column saldo_private.verified_point.id is '1.';
comment on column saldo_private.verified_point.cluster is
  'System identifier of the cluster whose transaction numbers these are.';
comment on column saldo_private.verified_point.snapshot is
  'Whose postings have been checked (pg_snapshot); null = no full check yet.';
comment on column saldo_private.verified_point.full_started_at is
  'When the full check began that the point goes back to.';
comment on column saldo_private.verified_point.verified_at is 'When the last check set it.';
comment on column saldo_private.verified_point.line_count is 'Lines that were checked.';
comment on table saldo_private.verified_total is
  'What an account''s lines sum up to at the verified point.';
comment on column saldo_private.verified_total.account_id is 'Account.';
comment on column saldo_private.verified_total.debit_total is
  'Sum of its debits; null = unknown, it was suspect.';
comment on column saldo_private.verified_total.credit_total is 'Sum of its credits; null as well.';
--! EndIncluded health/verified_point.sql
--! Included health/item_sets.sql
-- Which items add up to a difference: the pending and the failed ones, alone and with others.
--
-- Private: item_sets. A bounded subset sum: at most 24 candidates in two halves, whose 4,096 sums
-- each meet in one join. Few items can make many sums by chance, so a set comes with the number of
-- sets that fit as well.

create or replace function saldo_private.item_sets__sums(candidates jsonb)
returns table (half integer, mask integer, total numeric, size integer, counted integer,
  distance numeric, ways bigint)
language sql
stable
as $$
  -- Of the sets of a half with equal sums only the nearest in time is needed, and their number.
  select distinct on (s.half, s.total, s.size, s.counted) s.half, s.mask, s.total, s.size,
    s.counted, s.distance, count(*) over (partition by s.half, s.total, s.size, s.counted)
  from (
    select h.half, m.mask, coalesce(sum(c.amount), 0) as total, count(c.amount)::integer as size,
      (count(*) filter (where c.is_counted))::integer as counted,
      coalesce(sum(c.distance), 0) as distance
    from (values (0), (1)) as h (half)
    cross join lateral generate_series(0, (1 << (
      select count(*)::integer
      from jsonb_to_recordset(candidates) as x (half integer)
      where x.half = h.half
    )) - 1) as m (mask)
    left join jsonb_to_recordset(candidates) as c (
      half integer, bit integer, amount numeric, is_counted boolean, distance numeric
    ) on c.half = h.half and m.mask & (1 << c.bit) <> 0
    group by h.half, m.mask
  ) as s
  order by s.half, s.total, s.size, s.counted, s.distance
$$;
comment on function saldo_private.item_sets__sums is
  'The sums of all subsets of both halves of the candidates.';

create or replace function saldo_private.item_sets__candidates(items jsonb, difference numeric)
returns jsonb
language sql
stable
as $$
  with item as (
    select x.item, x.amount, x.is_counted, x.occurred_at, x.entry
    from jsonb_array_elements(items) as e (entry)
    cross join lateral (
      select e.entry ->> 'item' as item, (e.entry ->> 'amount')::numeric as amount,
        coalesce((e.entry ->> 'is_counted')::boolean, false) as is_counted,
        nullif(nullif((e.entry ->> 'occurred_at')::timestamp, 'infinity'), '-infinity')
          as occurred_at, e.entry
    ) as x
    where sign(x.amount) = sign(difference)
    and abs(x.amount) <= abs(difference)
  ),
  near as (
    -- What happened beside a pending item is the likelier partner of it.
    select i.item, i.amount, i.is_counted, i.occurred_at, i.entry,
      case when i.is_counted then coalesce((
        select min(abs(extract(epoch from i.occurred_at - u.occurred_at)))
        from item as u
        where not u.is_counted
      ), 1e9) else 0 end as distance
    from item as i
  ),
  numbered as (
    select n.entry, n.amount, n.is_counted, n.distance,
      row_number() over (
        order by n.is_counted, n.distance, n.occurred_at desc nulls last, n.item
      ) - 1 as place
    from near as n
  )
  select coalesce(jsonb_agg(jsonb_build_object('half', p.place % 2, 'bit', p.place / 2,
    'amount', p.amount, 'is_counted', p.is_counted, 'distance', p.distance, 'entry', p.entry)),
    '[]')
  from numbered as p
  where p.place < 24
$$;
comment on function saldo_private.item_sets__candidates is
  'The items that may be part of a set: those of the difference''s sign, the ones that do not '
  'count first, then those nearest to them in time.';

create or replace function saldo_private.item_sets(items jsonb, difference numeric)
returns table (is_uncounted_only boolean, size integer, ways numeric, entries jsonb)
language sql
stable
as $$
  with candidate as materialized (
    select saldo_private.item_sets__candidates(items, difference) as list
  ),
  part as materialized (
    select s.half, s.mask, s.total, s.size, s.counted, s.distance, s.ways
    from candidate as c
    cross join lateral saldo_private.item_sets__sums(c.list) as s
  ),
  met as (
    select a.mask as mask_0, b.mask as mask_1, a.size + b.size as size,
      a.counted + b.counted = 0 as is_uncounted_only, a.distance + b.distance as distance,
      a.ways * b.ways as ways
    from part as a
    join part as b on b.half = 1 and b.total = difference - a.total
    where a.half = 0
    and a.size + b.size > a.counted + b.counted
    -- With items that do count there are soon sets for any difference.
    and (a.counted + b.counted = 0 or a.size + b.size <= 4)
  ),
  best as (
    select distinct on (m.is_uncounted_only) m.is_uncounted_only, m.size, m.mask_0, m.mask_1,
      sum(m.ways) over (partition by m.is_uncounted_only, m.size) as ways
    from met as m
    order by m.is_uncounted_only, m.size, m.distance, m.mask_0, m.mask_1
  )
  select b.is_uncounted_only, b.size, b.ways, (
    select jsonb_agg(x.entry order by x.is_counted, x.entry ->> 'occurred_at', x.entry ->> 'item')
    from candidate as c
    cross join lateral jsonb_to_recordset(c.list) as x (
      half integer, bit integer, is_counted boolean, entry jsonb
    )
    where case x.half when 0 then b.mask_0 else b.mask_1 end & (1 << x.bit) <> 0
  )
  from best as b
$$;
comment on function saldo_private.item_sets is
  'The smallest set of items with at least one that does not count whose amounts sum to exactly '
  'the difference, and the smallest of such items only; ways: how many sets of that size do.';
--! EndIncluded health/item_sets.sql
--! Included health/registered_explanation.sql
-- Why a figure of a user's table is wrong: causes with their evidence and a stated confidence.
--
-- Private: items_of_findings, causes_of_writes, causes_of_items, causes_of_triggers. Nothing is
-- guessed beyond what the figures say: a set that fits by chance is "possible", never more, and a
-- finding that nothing fits stays unknown. Items are looked at for the 20 largest differences.

create or replace function saldo_private.items_of_findings(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns jsonb
language plpgsql
as $$
declare
  v_keys text[];
begin
  select array_agg(f.key)
  into v_keys
  from (
    select f.key
    from saldo.finding as f
    where f.check_run_id = items_of_findings.check_run_id
    and f.rule = items_of_findings.rule.name
    and abs(f.difference) < 'Infinity'
    order by abs(f.difference) desc, f.key
    limit 20
  ) as f;
  return case when rule.items is null or v_keys is null then '[]'
    else saldo_rule.read_items(rule.items, v_keys, 2000) end;
end
$$;
comment on function saldo_private.items_of_findings is
  'The items behind the largest differences, at most 2,000 for each, the newest first.';

create or replace function saldo_private.causes_of_writes(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb)
language sql
stable
as $$
  with past as (
    -- Up to here the figure was right: healed, or seen and not found wrong.
    select f.id, f.key, f.difference,
      (
        select max(h.healed_at)
        from saldo.heal_action as h
        where h.rule = f.rule
        and h.key = f.key
        and h.outcome = 'healed'
      ) as healed_at,
      (
        select c.snapshot::pg_snapshot
        from saldo.check_run as c
        where c.failed_rule_count = 0
        and c.started_at > causes_of_writes.rule.registered_at
        and not exists (
          select
          from saldo.finding as seen
          where seen.check_run_id = c.id
          and seen.rule = f.rule
          and seen.key = f.key
        )
        order by c.id desc
        limit 1
      ) as clean
    from saldo.finding as f
    where f.check_run_id = causes_of_writes.check_run_id
    and f.rule = causes_of_writes.rule.name
  ),
  written as (
    select p.id, p.difference, g.id as event_id, g.occurred_at, to_jsonb(g) as event,
      coalesce((g.new_row ->> 'stored')::numeric, 0)
        - coalesce((g.old_row ->> 'stored')::numeric, 0) as change
    from past as p
    join saldo.guard_event as g on g.rule = causes_of_writes.rule.name and g.key = p.key
    where g.occurred_at > coalesce(p.healed_at, '-infinity')
    and pg_visible_in_snapshot(g.transaction_id, p.clean) is not true
  ),
  summed as (
    select w.id, w.difference, count(*) as event_count, sum(w.change) as change,
      (array_agg(w.event order by w.change = w.difference desc, w.event_id desc))[1] as event,
      bool_or(w.change = w.difference) as is_one_exact,
      (array_agg(w.event order by w.event_id desc))[1:5] as events
    from written as w
    group by w.id, w.difference
  )
  select s.id, 'out_of_band_write',
    case when s.is_one_exact or s.change = s.difference then 'certain'
      else 'possible' end::saldo.explanation_confidence,
    format('%s %s of %s from %s to %s by login %s (role %s, application %L, from %s) at %s: %s',
      case when s.is_one_exact then 'Exactly the difference:'
        when s.change = s.difference then format('%s writes make exactly the difference; the last:',
          s.event_count)
        else format('%s recorded writes changed it by %s, which is not the difference; the last:',
          s.event_count, trim_scale(s.change)) end,
      s.event ->> 'operation', s.event ->> 'table_name',
      coalesce(s.event -> 'old_row' ->> 'stored', 'nothing'), s.event -> 'new_row' ->> 'stored',
      s.event ->> 'login', s.event ->> 'role', s.event ->> 'application_name',
      coalesce(s.event ->> 'client_address', 'a local socket'), s.event ->> 'occurred_at',
      s.event ->> 'statement'),
    to_jsonb(s.events)
  from summed as s
$$;
comment on function saldo_private.causes_of_writes is
  'Recorded writes by others than the writers since the figure was last right.';

create or replace function saldo_private.item_words(entries jsonb)
returns text
language sql
immutable
as $$
  select string_agg(
    format('%s %s (%s)', abs((e.entry ->> 'amount')::numeric),
      coalesce(e.entry ->> 'status',
        case when (e.entry ->> 'is_counted')::boolean then 'counted' else 'not counted' end),
      e.entry ->> 'item'),
    ' + ' order by e.place
  )
  from jsonb_array_elements(entries) with ordinality as e (entry, place)
  where e.place <= 10
$$;
comment on function saldo_private.item_words is 'Items in words: amount, status and id of each.';

create or replace function saldo_private.items_by_finding(
  check_run_id uuid,
  rule saldo.registered_rule,
  items jsonb
)
returns table (finding_id uuid, difference numeric, items jsonb)
language sql
stable
as $$
  select f.id, f.difference, i.entries
  from (
    select e.entry ->> 'key' as key, jsonb_agg(e.entry) as entries
    from jsonb_array_elements(items_by_finding.items) as e (entry)
    group by e.entry ->> 'key'
  ) as i
  join saldo.finding as f on f.key = i.key
  where f.check_run_id = items_by_finding.check_run_id
  and f.rule = items_by_finding.rule.name
  and abs(f.difference) < 'Infinity'
$$;
comment on function saldo_private.items_by_finding is 'The findings with the items of their keys.';

create or replace function saldo_private.causes_of_items__sets(
  check_run_id uuid,
  rule saldo.registered_rule,
  items jsonb
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb, place integer)
language sql
stable
as $$
  select f.finding_id, 'uncounted_items',
    case when s.is_uncounted_only and s.ways = 1 and s.size <= 3 then 'likely'
      else 'possible' end::saldo.explanation_confidence,
    format('%s is exactly the difference of %s%s: %s%s', saldo_private.item_words(s.entries),
      abs(f.difference), case when s.size > 10 then format(' (%s items)', s.size) else '' end,
      case when s.is_uncounted_only
        then 'items that do not count were applied to the balance all the same.'
        else 'the balance may have moved for the items that do not count, and once more for the '
          'others.' end,
      case when s.ways > 1 then format(' %s other sets of %s items fit as well.', s.ways - 1,
        s.size) else '' end),
    jsonb_build_object('items', s.entries, 'sets_of_this_size', s.ways), 1
  from saldo_private.items_by_finding(check_run_id, rule, items) as f
  cross join lateral (
    select each.is_uncounted_only, each.size, each.ways, each.entries,
      bool_or(each.is_uncounted_only) over () as has_uncounted_only
    from saldo_private.item_sets(f.items, f.difference) as each
  ) as s
  where s.is_uncounted_only
  or not s.has_uncounted_only
$$;
comment on function saldo_private.causes_of_items__sets is
  'Sets of items with pending or failed ones among them that are exactly the difference.';

create or replace function saldo_private.causes_of_items__single(
  check_run_id uuid,
  rule saldo.registered_rule,
  items jsonb
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb, place integer)
language sql
stable
as $$
  with counted as (
    select f.finding_id, f.difference, e.entry, (e.entry ->> 'amount')::numeric as amount,
      e.entry ->> 'reference' as reference, (e.entry ->> 'occurred_at')::timestamp as occurred_at,
      e.entry ->> 'item' as item
    from saldo_private.items_by_finding(check_run_id, rule, items) as f
    cross join lateral jsonb_array_elements(f.items) as e (entry)
    where (e.entry ->> 'is_counted')::boolean
    and abs((e.entry ->> 'amount')::numeric) = abs(f.difference)
  ),
  twin as (
    select a.finding_id, jsonb_build_array(a.entry, b.entry) as entries,
      a.reference is not null and a.reference = b.reference as is_same_reference
    from counted as a
    join counted as b on b.finding_id = a.finding_id and b.amount = a.amount and b.item > a.item
    where a.amount = -a.difference
    and (a.reference = b.reference or (
      isfinite(a.occurred_at) and isfinite(b.occurred_at)
      and abs(extract(epoch from a.occurred_at - b.occurred_at)) <= 60
    ))
  ),
  single as (
    select c.finding_id, c.amount = c.difference as is_once_more, count(*) as item_count,
      jsonb_agg(c.entry order by c.occurred_at desc nulls last, c.item) as entries
    from counted as c
    group by c.finding_id, c.amount = c.difference
  )
  select t.finding_id, 'doubled_item',
    case when t.is_same_reference then 'likely' else 'possible' end::saldo.explanation_confidence,
    format('Recorded twice, applied once: %s, with %s.', saldo_private.item_words(t.entries),
      case when t.is_same_reference then 'the same reference'
        else 'at most 60 seconds between' end),
    jsonb_build_object('items', t.entries), 2
  from twin as t
  union all
  select s.finding_id, case when s.is_once_more then 'unrecorded_item' else 'unapplied_item' end,
    'possible',
    format(case when s.is_once_more then 'The balance moved once more by an amount that %s items '
      'have, without an item of its own: %s.' else 'One of %s items of this amount may be recorded '
      'and never applied: %s.' end,
      s.item_count, saldo_private.item_words(s.entries)),
    jsonb_build_object('items', jsonb_path_query_array(s.entries, '$[0 to 9]')), 3
  from single as s
  where s.is_once_more
  or not exists (select from twin as t where t.finding_id = s.finding_id)
$$;
comment on function saldo_private.causes_of_items__single is
  'Items of exactly the difference: recorded twice, never applied, or applied once more.';

create or replace function saldo_private.causes_of_items(
  check_run_id uuid,
  rule saldo.registered_rule,
  items jsonb
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb, place integer)
language sql
stable
as $$
  select s.finding_id, s.cause, s.confidence, s.explanation, s.evidence, s.place
  from saldo_private.causes_of_items__sets(check_run_id, rule, items) as s
  union all
  select o.finding_id, o.cause, o.confidence, o.explanation, o.evidence, o.place
  from saldo_private.causes_of_items__single(check_run_id, rule, items) as o
$$;
comment on function saldo_private.causes_of_items is
  'What the items say: sets with some that do not count, doubles, and those of exactly the amount.';

create or replace function saldo_private.causes_of_triggers(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns table (finding_id uuid, cause text, confidence saldo.explanation_confidence,
  explanation text, evidence jsonb)
language sql
stable
as $$
  select f.id, 'sync_trigger_disabled', 'possible'::saldo.explanation_confidence,
    format('Not on any more, so that what it kept in step or recorded may be missing: %s',
      off.words),
    off.list
  from saldo.finding as f
  cross join (
    select string_agg(format('%s %s', part.key, part.state), ', ' order by part.key) as words,
      jsonb_agg(jsonb_build_object('trigger', part.key, 'state', part.state)) as list
    from (
      select r.key, r.stored as state
      from saldo_private.rule_engine_configuration__registered() as r
      where r.key ~ format('^trigger saldo_guard_(update|insert)_%s on ',
        causes_of_triggers.rule.name)
      union all
      select format('trigger %s on %s', w.watched ->> 'name', w.watched ->> 'table'),
        case t.tgenabled when 'D' then 'disabled' when 'R' then 'fires on replicas only'
          else 'dropped' end
      from jsonb_array_elements(causes_of_triggers.rule.watched_triggers) as w (watched)
      left join pg_catalog.pg_trigger as t
        on t.tgrelid = saldo_private.user_table(w.watched ->> 'table')
        and t.tgname = w.watched ->> 'name'
      where t.tgenabled is null
      or t.tgenabled in ('D', 'R')
    ) as part
    having count(*) > 0
  ) as off
  where f.check_run_id = causes_of_triggers.check_run_id
  and f.rule = causes_of_triggers.rule.name
$$;
comment on function saldo_private.causes_of_triggers is
  'Triggers that were on when the rule was registered, and are not now.';
--! EndIncluded health/registered_explanation.sql
--! Included health/registered_check.sql
-- Checks and explains registered rules: what run_check calls where a rule has no function of ours.
--
-- Private: check_registered_rule. A finding is a figure that differs by more than the tolerance, a
-- NULL, a figure that is no number, or a derived figure without a stored one. A stored figure with
-- nothing to derive it from is compared with 0: the sum of nothing. At most 10,000 rows become
-- findings, the largest differences first; how many there are stands in the detail of each.

create or replace function saldo_private.check_registered_rule(check_run_id uuid, name text)
returns void
language plpgsql
as $$
declare
  v_rule saldo.registered_rule;
  v_limit numeric := saldo_private.setting_value('rule_cost_limit')::numeric;
  v_cost numeric;
begin
  select *
  into strict v_rule
  from saldo.registered_rule as r
  where r.name = check_registered_rule.name;
  -- What was quick when it was registered may have grown.
  v_cost := saldo_rule.cost_of(v_rule.stored) + saldo_rule.cost_of(v_rule.derived);
  if v_cost > 2 * v_limit then
    perform saldo_private.fail('rule_query_slow', format('a cost of %s', round(v_cost)));
  end if;

  insert into saldo.finding (
    id, check_run_id, rule, key, stored, derived, difference, detail, cause, explanation
  )
  select saldo_private.uuid_v7(), check_registered_rule.check_run_id, v_rule.name,
    coalesce(r.key, 'NULL'), r.stored, r.derived,
    case when not r.is_stored_missing and (r.is_derived_missing or r.derived is not null)
      then nullif(trim_scale(r.stored::numeric - coalesce(r.derived::numeric, 0)), 'NaN') end,
    jsonb_strip_nulls(jsonb_build_object(
      'what', case
        when r.key is null then 'key is NULL'
        when r.is_stored_missing then 'no stored row'
        when r.stored is null then 'stored is NULL'
        when not r.is_derived_missing and r.derived is null then 'derived is NULL'
        when r.is_derived_missing then 'nothing to derive from'
      end,
      'labels', r.labels, 'total', r.total
    )),
    'unknown', 'No recorded event explains this difference.'
  from jsonb_to_recordset(
    saldo_rule.compare(v_rule.stored, v_rule.derived, v_rule.tolerance,
      v_rule.stored_table is null, 10000)
  ) as r (key text, stored text, derived text, is_stored_missing boolean,
    is_derived_missing boolean, labels jsonb, total bigint);

  perform saldo_private.explain_registered_rule(check_run_id, v_rule);
end
$$;
comment on function saldo_private.check_registered_rule is
  'Keeps the findings of a registered rule, each with its explanations.';

create or replace function saldo_private.explain_registered_rule(
  check_run_id uuid,
  rule saldo.registered_rule
)
returns void
language plpgsql
as $$
declare
  v_items jsonb := '[]';
begin
  begin
    v_items := saldo_private.items_of_findings(check_run_id, rule);
  exception
    -- Without items there is less to explain, and the finding stands.
    when others then
      update saldo.finding as f
      set detail = f.detail || jsonb_build_object('items_failed', sqlerrm)
      where f.check_run_id = explain_registered_rule.check_run_id
      and f.rule = explain_registered_rule.rule.name;
  end;

  insert into saldo.finding_explanation (finding_id, rank, cause, confidence, explanation, evidence)
  select e.finding_id,
    row_number() over (partition by e.finding_id order by e.confidence, e.place, e.explanation),
    e.cause::saldo.finding_cause, e.confidence, e.explanation, e.evidence
  from (
    select c.finding_id, c.cause, c.confidence, c.explanation, c.evidence, 1 as place
    from saldo_private.causes_of_writes(check_run_id, rule) as c
    union all
    select c.finding_id, c.cause, c.confidence, c.explanation, c.evidence, c.place + 1
    from saldo_private.causes_of_items(check_run_id, rule, v_items) as c
    union all
    select c.finding_id, c.cause, c.confidence, c.explanation, c.evidence, 9
    from saldo_private.causes_of_triggers(check_run_id, rule) as c
  ) as e;

  update saldo.finding as f
  set cause = e.cause,
    explanation = format('%s (%s)', e.explanation, e.confidence),
    evidence = case jsonb_typeof(e.evidence) when 'array' then e.evidence
      else jsonb_build_array(e.evidence) end
  from saldo.finding_explanation as e
  where f.check_run_id = explain_registered_rule.check_run_id
  and f.rule = explain_registered_rule.rule.name
  and e.finding_id = f.id
  and e.rank = 1;
end
$$;
comment on function saldo_private.explain_registered_rule is
  'Ranks the causes of each finding of the rule; the first one stands in the finding itself.';

select saldo_private.secure_table('saldo.finding_explanation');
drop policy if exists select_all on saldo.finding_explanation;
create policy select_all on saldo.finding_explanation for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.finding_explanation to saldo_admin, saldo_operator;

comment on type saldo.explanation_confidence is
  'certain: recorded, and of exactly this difference; likely: the figures fit, and nothing else '
  'does as well; possible: the figures fit, others might.';
comment on table saldo.finding_explanation is
  'What may have caused a finding, the best first; a finding without one has no known cause.';
comment on column saldo.finding_explanation.finding_id is 'The finding.';
comment on column saldo.finding_explanation.rank is 'Place, from 1.';
comment on column saldo.finding_explanation.cause is 'Kind of cause.';
comment on column saldo.finding_explanation.confidence is 'How sure it is.';
comment on column saldo.finding_explanation.explanation is 'The cause in a sentence.';
comment on column saldo.finding_explanation.evidence is 'What speaks for it.';
--! EndIncluded health/registered_check.sql
--! Included health/registered_heal.sql
-- Heals of registered rules: what auto_heal calls for them.
--
-- Private: heal_registered_rule. The user's table is written by saldo_rule_reader, one row under
-- its lock (rule_heal_sandbox.sql). What does not work out is undone and refused with its reason: a
-- user's trigger that fails must not undo the heals of others.

create or replace function saldo_private.heal_registered_rule(name text, key text)
returns table (before jsonb, after jsonb, refusal text)
language plpgsql
as $$
declare
  v_rule saldo.registered_rule;
  v_result jsonb;
begin
  select *
  into strict v_rule
  from saldo.registered_rule as r
  where r.name = heal_registered_rule.name;
  begin
    if v_rule.heal = 'update' then
      v_result := saldo_rule.heal_by_update(v_rule.stored_table, v_rule.key_column,
        v_rule.balance_column, v_rule.derived, v_rule.tolerance, key);
    elsif v_rule.heal = 'function' then
      v_result := saldo_rule.heal_by_function(
        to_regprocedure(format('%s(text)', v_rule.heal_function)), v_rule.stored, v_rule.derived,
        v_rule.tolerance, key
      );
    else
      v_result := jsonb_build_object('refusal', 'The rule is not healed: a human decides.');
    end if;
  exception
    when sqlstate 'SBR01' then
      v_result := jsonb_build_object(
        'refusal', 'After the heal the figures still differed, so it was undone.'
      );
    when no_data_found then
      v_result := jsonb_build_object('refusal', 'There is no such row in the table of the rule.');
    when others then
      v_result := jsonb_build_object('refusal', format('%s (%s)', sqlerrm, sqlstate));
  end;
  return query
  select v_result -> 'before', v_result -> 'after', v_result ->> 'refusal';
end
$$;
comment on function saldo_private.heal_registered_rule is
  'Heals one key of a registered rule; nulls when it agreed by the time its lock was held, a '
  'refusal when it could not be healed.';
--! EndIncluded health/registered_heal.sql
--! Included health/check.sql
-- The check: runs every rule and keeps what it found.
--
-- Public: check_balance_health, reconcile; saldo.check_run, saldo.finding.
-- Private: run_check. A rule that breaks does not stop the others: it becomes a finding itself.
-- Rules over accounts, entries and the whole journal look only where the sieve (sieve.sql) suspects
-- something; each of them sees one snapshot of its own, so that nothing alarms falsely. Locks no
-- data.

create or replace function saldo_private.run_check__rule(
  check_run_id uuid,
  rule saldo.balance_rule,
  suspects saldo_private.suspects
)
returns void
language plpgsql
as $$
begin
  if rule.is_registered then
    perform saldo_private.check_registered_rule(check_run_id, rule.name);
    return;
  end if;
  execute format(
    $sql$
      insert into saldo.finding (
        id, check_run_id, rule, key, account_id, stored, derived, difference, detail, cause,
        explanation
      )
      select saldo_private.uuid_v7(), $1, $2, r.key, r.account_id, r.stored, r.derived,
        r.difference, coalesce(r.detail, '{}'), 'unknown', ''
      from saldo_private.%I(%s) as r
    $sql$,
    'rule_' || rule.name,
    case rule.scope when 'account' then '$3' when 'entry' then '$4' else '' end
  )
  using check_run_id, rule.name, suspects.account_ids, suspects.entry_ids;
end
$$;
comment on function saldo_private.run_check__rule is
  'Keeps the findings of one rule, which looks at the suspects only where it can.';

create or replace function saldo_private.run_check__rules(
  check_run_id uuid,
  suspects saldo_private.suspects,
  is_complete boolean,
  out rule_count integer,
  out failed_rule_count integer
)
language plpgsql
as $$
declare
  v_rule saldo.balance_rule;
begin
  rule_count := 0;
  failed_rule_count := 0;
  for v_rule in
    select *
    from saldo.balance_rule as r
    where r.is_enabled
    and (r.is_incremental or r.is_registered or is_complete)
    order by r.name
  loop
    rule_count := rule_count + 1;
    -- Where the sieve has found nothing, it has proven them already.
    continue when to_regproc('saldo_private.rule_' || v_rule.name) is not null
      and case v_rule.scope
        when 'account' then suspects.account_ids = '{}'
        when 'entry' then suspects.entry_ids = '{}'
        when 'journal' then suspects.account_ids = '{}' and suspects.entry_ids = '{}'
        else false
      end;
    begin
      perform saldo_private.run_check__rule(check_run_id, v_rule, suspects);
    exception
      when others then
        failed_rule_count := failed_rule_count + 1;
        insert into saldo.finding (id, check_run_id, rule, key, cause, explanation)
        values (
          saldo_private.uuid_v7(), check_run_id, v_rule.name, 'rule', 'rule_failed',
          format('The rule itself failed: %s (%s)', sqlerrm, sqlstate)
        );
    end;
  end loop;
  perform saldo_private.explain_findings(check_run_id);
end
$$;
comment on function saldo_private.run_check__rules is
  'Runs the enabled rules, all of them or the incremental ones, and explains what they find.';

create or replace function saldo_private.run_check__record(
  progress saldo.check_progress,
  scope saldo.check_scope,
  suspects saldo_private.suspects,
  is_complete boolean
)
returns saldo.check_run
language plpgsql
as $$
declare
  v_run saldo.check_run;
  v_rules record := saldo_private.run_check__rules(progress.id, suspects, is_complete);
begin
  insert into saldo.check_run (
    id, kind, scope, status, started_at, finished_at, actor, rule_count, failed_rule_count,
    finding_count, account_count, line_count, slice_count, snapshot, verified_at,
    verified_line_count
  )
  select progress.id, progress.kind, run_check__record.scope,
    case when v_rules.failed_rule_count > 0 then 'failed'
      when f.finding_count > 0 then 'unhealthy' else 'healthy' end::saldo.check_status,
    progress.started_at, clock_timestamp(), progress.actor, v_rules.rule_count,
    v_rules.failed_rule_count, f.finding_count, (select count(*) from saldo.account),
    progress.line_count, progress.slice_count, progress.snapshot, p.full_started_at, p.line_count
  from (
    select count(*) as finding_count
    from saldo.finding
    where check_run_id = progress.id
  ) as f
  cross join saldo_private.verified_point as p
  returning *
  into v_run;
  return v_run;
end
$$;
comment on function saldo_private.run_check__record is
  'Runs the rules over what the sieve suspects, and records the run.';

create or replace function saldo_private.was_last_check_healthy()
returns boolean
language sql
stable
as $$
  select coalesce((
    select c.status = 'healthy'
    from saldo.check_run as c
    order by c.id desc
    limit 1
  ), false)
$$;
comment on function saldo_private.was_last_check_healthy is
  'Whether the check that was begun last found nothing.';

create or replace function saldo_private.run_check(
  kind saldo.check_kind,
  scope saldo.check_scope default 'full'
)
returns saldo.check_run
language plpgsql
as $$
declare
  v_progress saldo.check_progress;
  v_since pg_snapshot := saldo_private.known_snapshot();
  v_suspects saldo_private.suspects;
begin
  v_progress := saldo_private.new_check_progress(kind);
  -- What was wrong stays in question until a full check finds it in order.
  if scope = 'incremental' and v_since is not null and saldo_private.was_last_check_healthy() then
    v_suspects := saldo_private.verify_news(v_since, saldo_private.lock_verified_point());
    v_progress.line_count := v_suspects.line_count;
    return saldo_private.run_check__record(
      v_progress, 'incremental', v_suspects, is_complete => false
    );
  end if;

  while v_progress.next_starts_on < 'infinity' loop
    v_progress := saldo_private.check_slice(v_progress);
  end loop;
  return saldo_private.finish_check(v_progress);
end
$$;
comment on function saldo_private.run_check is
  'Checks everything, slice after slice, or what was posted since the verified point; without such '
  'a point everything. Explains what is found, and records the run.';

create or replace function saldo.check_balance_health()
returns saldo.check_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.run_check('manual');
end
$$;
comment on function saldo.check_balance_health is
  'Proves every rule over all balances and the whole journal, and records the run with its '
  'findings (tables check_run and finding). Changes no balance, locks nothing.';
revoke execute on function saldo.check_balance_health from public;
grant execute on function saldo.check_balance_health to saldo_admin, saldo_operator;

create or replace function saldo.reconcile()
returns saldo.check_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.run_check('reconcile', 'incremental');
end
$$;
comment on function saldo.reconcile is
  'Checks what was posted since the verified point, and that no other total has moved: the cost '
  'follows the news. Everything, where there is no such point yet, and after a check that found '
  'something. verified_at tells since when the rest is proven.';
revoke execute on function saldo.reconcile from public;
grant execute on function saldo.reconcile to saldo_admin;
--! EndIncluded health/check.sql
--! Included health/check_progress.sql
-- A full check, slice after slice: each may be a transaction of its own, and whoever comes next
-- goes on where the last one ended.
--
-- Public: continue_check; saldo.check_progress. Private: new_check_progress, check_slice,
-- finish_check, continue_check_of, recheck.
-- What is posted while it is under way is looked at at the end.

create or replace function saldo_private.new_check_progress(kind saldo.check_kind)
returns saldo.check_progress
language sql
as $$
  select (
    saldo_private.uuid_v7(), new_check_progress.kind, saldo_private.actor(), clock_timestamp(),
    clock_timestamp(), pg_current_snapshot(), hashint8extended((random() * 1e15)::bigint, 0),
    '-infinity', 0, 0, 0, '{}', '{}'
  )::saldo.check_progress
$$;
comment on function saldo_private.new_check_progress is 'A full check that has not begun.';

create or replace function saldo_private.check_slice(progress saldo.check_progress)
returns saldo.check_progress
language plpgsql
as $$
declare
  -- Of another size each time, so that slices end elsewhere.
  v_slice saldo_private.check_slice := saldo_private.next_slice(
    progress.next_starts_on,
    (saldo_private.setting_value('check_slice_lines')::bigint * (1 + random()) / 2)::bigint
  );
  v_accounts saldo_private.sieve_result :=
    saldo_private.sieve_accounts(v_slice.starts_on, v_slice.ends_on);
  v_entries saldo_private.entry_sieve_result :=
    saldo_private.sieve_entries(v_slice.starts_on, v_slice.ends_on, progress.seed);
  v_entry_ids uuid[] := '{}';
begin
  if v_entries.are_entries_suspect or v_accounts.account_ids is not null then
    v_entry_ids := saldo_private.suspect_entries(v_slice.starts_on, v_slice.ends_on);
  end if;
  progress.entry_ids := progress.entry_ids || v_entry_ids;
  progress.account_ids := progress.account_ids || coalesce(v_accounts.account_ids, '{}') || array(
    select distinct l.account_id
    from saldo.journal_line as l
    where l.entry_id = any (v_entry_ids)
  ) || array(
    select unnest(one.account_ids)
    from unnest(v_entries.months) as m (month)
    cross join lateral saldo_private.sieve_accounts(
      m.month, (m.month + interval '1 month - 1 day')::date
    ) as one
  );
  progress.next_starts_on := case when v_slice.ends_on = 'infinity' then 'infinity'
    else v_slice.ends_on + 1 end;
  progress.slice_count := progress.slice_count + 1;
  progress.total_line_count := progress.line_count + v_slice.line_count;
  progress.line_count := progress.line_count + v_accounts.line_count;
  progress.continued_at := clock_timestamp();
  return progress;
end
$$;
comment on function saldo_private.check_slice is
  'Sieves the next slice of the journal, and names what is suspect in it one by one.';

create or replace function saldo_private.finish_check(progress saldo.check_progress)
returns saldo.check_run
language plpgsql
as $$
declare
  v_news saldo_private.suspects;
  v_account_ids bigint[] := progress.account_ids || saldo_private.sieve_totals();
  v_suspects saldo_private.suspects;
begin
  if saldo_private.lock_verified_point() then
    perform saldo_private.set_verified_point(
      progress.started_at, progress.line_count, v_account_ids
    );
  end if;
  v_news := saldo_private.verify_news(progress.snapshot::pg_snapshot, false);
  v_suspects := (
    progress.line_count,
    array(select distinct unnest(v_account_ids || v_news.account_ids)),
    array(select distinct unnest(progress.entry_ids || v_news.entry_ids))
  );
  return saldo_private.run_check__record(progress, 'full', v_suspects, is_complete => true);
end
$$;
comment on function saldo_private.finish_check is
  'Looks at the totals and at what was posted meanwhile, lets the rules decide about whatever is '
  'suspect, and records the run.';

create or replace function saldo_private.recheck(check_run_id uuid, kind saldo.check_kind)
returns saldo.check_run
language plpgsql
as $$
declare
  v_before saldo.check_run;
  v_news saldo_private.suspects;
  v_progress saldo.check_progress := saldo_private.new_check_progress(kind);
begin
  select *
  into strict v_before
  from saldo.check_run
  where id = recheck.check_run_id;
  v_news := saldo_private.verify_news(v_before.snapshot::pg_snapshot, false);
  v_progress.line_count := v_news.line_count;
  return saldo_private.run_check__record(v_progress, 'incremental', (
    v_news.line_count,
    array(
      select f.account_id
      from saldo.finding as f
      where f.check_run_id = v_before.id
      and f.account_id is not null
      union
      select unnest(v_news.account_ids)
    ),
    array(
      select (f.detail ->> 'entry_id')::uuid
      from saldo.finding as f
      join saldo.balance_rule as r on r.name = f.rule
      where f.check_run_id = v_before.id
      and r.scope = 'entry'
      union
      select unnest(v_news.entry_ids)
    )
  ), is_complete => true);
end
$$;
comment on function saldo_private.recheck is
  'What a full check found, after a heal: looks at that again, at what came since, and runs every '
  'other rule.';

create or replace function saldo_private.continue_check_of(kind saldo.check_kind)
returns saldo.check_run
language plpgsql
as $$
declare
  v_progress saldo.check_progress;
  v_run saldo.check_run;
begin
  -- One at a time: whoever else comes waits for the slice, and takes the next.
  perform pg_advisory_xact_lock(7246, 3);
  select *
  into v_progress
  from saldo.check_progress as p
  where p.kind = continue_check_of.kind
  order by p.started_at
  limit 1
  for update;
  if v_progress.id is null then
    v_progress := saldo_private.new_check_progress(kind);
  end if;

  v_progress := saldo_private.check_slice(v_progress);
  if v_progress.next_starts_on = 'infinity' then
    delete from saldo.check_progress
    where id = v_progress.id;
    return saldo_private.finish_check(v_progress);
  end if;
  insert into saldo.check_progress
  select v_progress.*
  on conflict on constraint check_progress_pkey do update
  set continued_at = excluded.continued_at,
    next_starts_on = excluded.next_starts_on,
    slice_count = excluded.slice_count,
    line_count = excluded.line_count,
    total_line_count = excluded.total_line_count,
    account_ids = excluded.account_ids,
    entry_ids = excluded.entry_ids;
  return v_run;
end
$$;
comment on function saldo_private.continue_check_of is
  'Sieves the next slice of a check of this kind; returns the run after the last one, else null.';

create or replace function saldo.continue_check()
returns saldo.check_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.continue_check_of('reconcile');
end
$$;
comment on function saldo.continue_check is
  'Checks the next slice of the journal, about check_slice_lines lines (a setting), and begins a '
  'full check when none is under way. Returns the run when that was the last slice, else null; '
  'check_progress tells how far it is. A check that was interrupted goes on where it was.';
revoke execute on function saldo.continue_check from public;
grant execute on function saldo.continue_check to saldo_admin;

select saldo_private.secure_table('saldo.check_progress');
drop policy if exists select_all on saldo.check_progress;
create policy select_all on saldo.check_progress for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.check_progress to saldo_admin, saldo_operator;

comment on table saldo.check_progress is 'A full check in slices that is under way.';
comment on column saldo.check_progress.id is 'Id that its run will have.';
comment on column saldo.check_progress.kind is 'What asked for it.';
comment on column saldo.check_progress.actor is 'Who asked: token subject or login.';
comment on column saldo.check_progress.started_at is 'When it began.';
comment on column saldo.check_progress.continued_at is 'When the last slice was done.';
comment on column saldo.check_progress.snapshot is 'Snapshot at its beginning (pg_snapshot).';
comment on column saldo.check_progress.seed is 'Seed of the hash that the sieve throws entries by.';
comment on column saldo.check_progress.next_starts_on is
  'First posting date of the slice that comes next.';
comment on column saldo.check_progress.slice_count is 'Slices that are done.';
comment on column saldo.check_progress.line_count is 'Lines that were looked at.';
comment on column saldo.check_progress.total_line_count is 'Lines that there are in all.';
comment on column saldo.check_progress.account_ids is 'Accounts that are suspect so far.';
comment on column saldo.check_progress.entry_ids is 'Entries that are suspect so far.';
--! EndIncluded health/check_progress.sql
--! Included health/balance_health.sql
-- How the balances are, from what the last check left: reading it looks at no account and no line.
--
-- Public: balance_health; saldo.check_total, saldo.check_rule_total. Private: last_check.
-- The totals of the balance sheet, and of the findings rule by rule, are kept when a check ends, by
-- a trigger on its record: whoever asks how the balances are, a container's health check or an
-- evaluation of alerts, must not pay for a scan, nor for a million findings.

create or replace function saldo_private.last_check()
returns setof saldo.check_run
language sql
stable
as $$
  select c.*
  from saldo.check_run as c
  order by c.finished_at desc
  limit 1
$$;
comment on function saldo_private.last_check is
  'The check that ended last; no row when there was none. Alerts and metrics go by it.';

create or replace function saldo_private.tg_check_run__keep_totals()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  insert into saldo.check_total (
    check_run_id, currency, total_assets, total_liabilities, total_equity, is_valid
  )
  select NEW.id, t.currency, t.total_assets, t.total_liabilities, t.total_equity, t.is_valid
  from saldo.balance_sheet_totals() as t
  on conflict on constraint check_total_pkey do nothing;

  insert into saldo.check_rule_total (
    check_run_id, rule, finding_count, amount, failure, examples
  )
  select NEW.id, f.rule, count(*), coalesce(sum(abs(f.difference)), 0),
    min(f.explanation) filter (where f.cause = 'rule_failed'),
    coalesce(jsonb_agg(jsonb_build_object('key', f.key, 'account_id', f.account_id,
      'difference', f.difference::text, 'cause', f.cause) order by f.place)
      filter (where f.place <= 5), '[]')
  from (
    select each.rule, each.key, each.account_id, each.difference, each.cause, each.explanation,
      row_number() over (
        partition by each.rule order by abs(each.difference) desc nulls last, each.key
      ) as place
    from saldo.finding as each
    where each.check_run_id = NEW.id
  ) as f
  group by f.rule
  on conflict on constraint check_rule_total_pkey do nothing;
  return null;
end
$$;
comment on function saldo_private.tg_check_run__keep_totals is
  'Keeps the totals of the balance sheet as the accounts show them when a check ends, and the '
  'totals of what it found, rule by rule.';

create or replace trigger keep_totals
  after insert on saldo.check_run
  for each row
  execute function saldo_private.tg_check_run__keep_totals();

create or replace function saldo.balance_health()
returns saldo.balance_health_result
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select
    coalesce(sheet.is_valid and last.status = 'healthy' and not last.is_overdue, false),
    sheet.is_valid, base.currency, sheet.total_assets, sheet.total_liabilities,
    sheet.total_equity, coalesce(last.finding_count, 0),
    (select count(*) from saldo.purchase where status = 'pending'),
    last.status, last.finished_at, last.age_seconds::numeric(20, 0),
    coalesce(last.is_overdue, true), last.rule_count, last.account_count, last.line_count
  from (select saldo_private.setting_value('currency') as currency) as base
  left join (
    select c.*, extract(epoch from now() - c.finished_at) as age_seconds,
      c.finished_at < now() - make_interval(
        hours => saldo_private.setting_value('check_overdue_hours')::integer
      ) as is_overdue
    from saldo_private.last_check() as c
  ) as last on true
  left join lateral (
    -- One currency is shown; valid means that all are.
    select coalesce(sum(t.total_assets) filter (where t.currency = base.currency), 0)
        as total_assets,
      coalesce(sum(t.total_liabilities) filter (where t.currency = base.currency), 0)
        as total_liabilities,
      coalesce(sum(t.total_equity) filter (where t.currency = base.currency), 0)
        as total_equity,
      coalesce(bool_and(t.is_valid), true) and not exists (
        select
        from saldo.check_rule_total as f
        where f.check_run_id = last.id
        and f.rule = 'balance_sheet'
      ) as is_valid
    from saldo.check_total as t
    where t.check_run_id = last.id
  ) as sheet on last.id is not null
$$;
comment on function saldo.balance_health is
  'How the balances are by the last check, cheaply: no account and no line is read. The totals of '
  'the balance sheet are those at its end, in the setting currency. is_valid: assets equal '
  'liabilities plus equity in every currency; null before the first check. is_healthy: valid, the '
  'check found nothing, and it is not older than the setting check_overdue_hours.';
revoke execute on function saldo.balance_health from public;
grant execute on function saldo.balance_health to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous;

select saldo_private.secure_table('saldo.check_total');
drop policy if exists select_all on saldo.check_total;
create policy select_all on saldo.check_total for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.check_total to saldo_admin, saldo_operator;

comment on table saldo.check_total is 'Totals of the balance sheet at the end of a check.';
comment on column saldo.check_total.check_run_id is 'The check.';
comment on column saldo.check_total.currency is 'Currency of the totals.';
comment on column saldo.check_total.total_assets is 'Sum of the assets.';
comment on column saldo.check_total.total_liabilities is 'Sum of the liabilities.';
comment on column saldo.check_total.total_equity is
  'Sum of equity, current-year earnings included.';
comment on column saldo.check_total.is_valid is
  'Whether assets equal liabilities plus equity, to the last decimal.';

select saldo_private.secure_table('saldo.check_rule_total');
drop policy if exists select_all on saldo.check_rule_total;
create policy select_all on saldo.check_rule_total for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.check_rule_total to saldo_admin, saldo_operator;

comment on table saldo.check_rule_total is 'What a check found of a rule; no row = nothing.';
comment on column saldo.check_rule_total.check_run_id is 'The check.';
comment on column saldo.check_rule_total.rule is 'The rule.';
comment on column saldo.check_rule_total.finding_count is 'Its findings.';
comment on column saldo.check_rule_total.amount is
  'Sum of their differences without sign, over all currencies.';
comment on column saldo.check_rule_total.failure is 'Why the rule could not run; null = it ran.';
comment on column saldo.check_rule_total.examples is 'The five largest findings.';

comment on type saldo.balance_health_result is 'How the balances are.';
comment on column saldo.balance_health_result.is_healthy is
  'Valid, and the last check found nothing and is not overdue.';
comment on column saldo.balance_health_result.is_valid is
  'Assets equal liabilities plus equity in every currency; null before the first check.';
comment on column saldo.balance_health_result.currency is 'Currency of the totals.';
comment on column saldo.balance_health_result.total_assets is 'Sum of the assets.';
comment on column saldo.balance_health_result.total_liabilities is 'Sum of the liabilities.';
comment on column saldo.balance_health_result.total_equity is
  'Sum of equity, current-year earnings included.';
comment on column saldo.balance_health_result.drift_count is 'Findings of the last check.';
comment on column saldo.balance_health_result.pending_purchase_count is 'Open holds.';
comment on column saldo.balance_health_result.last_check_status is 'Result of the last check.';
comment on column saldo.balance_health_result.last_check_at is 'When it ended.';
comment on column saldo.balance_health_result.last_check_age_seconds is 'Seconds since then.';
comment on column saldo.balance_health_result.is_overdue is
  'Whether it is older than the setting check_overdue_hours, or there was none.';
comment on column saldo.balance_health_result.rule_count is 'Rules that it ran.';
comment on column saldo.balance_health_result.account_count is 'Accounts that it covered.';
comment on column saldo.balance_health_result.line_count is 'Journal lines that it covered.';
--! EndIncluded health/balance_health.sql
--! Included health/maintenance.sql
-- Scheduled maintenance: check, heal what is safe, look again, keep the record.
--
-- Public: scheduled_maintenance, continue_maintenance; saldo.maintenance_run. Private:
-- require_sole_maintenance, run_maintenance, prune_history.
-- One at a time. In steps each slice of the check is a transaction of its own, and whoever comes
-- next goes on where the last one ended (check_progress tells how far it is); the heal and the look
-- afterwards are one transaction with the last slice.

create or replace function saldo_private.require_sole_maintenance()
returns void
language plpgsql
as $$
begin
  -- Ends with the transaction, however it ends.
  if not pg_try_advisory_xact_lock(7246, 1) then
    perform saldo_private.fail('maintenance_running', '');
  end if;
end
$$;
comment on function saldo_private.require_sole_maintenance is
  'Makes sure that only one heal or maintenance runs at a time: SB604.';

create or replace function saldo_private.run_maintenance(check_before saldo.check_run)
returns saldo.maintenance_run
language plpgsql
as $$
declare
  v_run saldo.maintenance_run;
  v_heal saldo.heal_run;
  v_after saldo.check_run := check_before;
begin
  v_heal := saldo_private.run_heal(false, is_scheduled => true, check_run => check_before);
  if v_heal.healed_count > 0 then
    v_after := saldo_private.recheck(check_before.id, 'maintenance');
  end if;
  insert into saldo.maintenance_run (
    id, status, started_at, finished_at, actor, check_before_id, heal_run_id, check_after_id
  )
  values (
    saldo_private.uuid_v7(), v_after.status, check_before.started_at, clock_timestamp(),
    saldo_private.actor(), check_before.id, v_heal.id, v_after.id
  )
  returning *
  into v_run;
  perform saldo_private.prune_history();
  return v_run;
end
$$;
comment on function saldo_private.run_maintenance is
  'Heals what a full check has found as far as that is safe, looks again where something was '
  'healed, and records it.';

create or replace function saldo.scheduled_maintenance()
returns saldo.maintenance_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.require_sole_maintenance();
  return saldo_private.run_maintenance(saldo_private.run_check('maintenance'));
end
$$;
comment on function saldo.scheduled_maintenance is
  'Checks all balances, heals what is safe, looks again at what was wrong and records the run, in '
  'one transaction; status is that of the last look. Errors: SB604 while another one runs, SB603 '
  'in another isolation level than read committed.';
revoke execute on function saldo.scheduled_maintenance from public;
grant execute on function saldo.scheduled_maintenance to saldo_admin;

create or replace function saldo.continue_maintenance()
returns saldo.maintenance_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_check saldo.check_run;
  v_run saldo.maintenance_run;
begin
  perform saldo_private.require_sole_maintenance();
  v_check := saldo_private.continue_check_of('maintenance');
  if v_check.id is not null then
    v_run := saldo_private.run_maintenance(v_check);
  end if;
  return v_run;
end
$$;
comment on function saldo.continue_maintenance is
  'The next step of a maintenance, and the first one of another when none is under way: a slice of '
  'the check; after the last slice the heal, too. Returns the run when it is done, else null. '
  'Errors as scheduled_maintenance.';
revoke execute on function saldo.continue_maintenance from public;
grant execute on function saldo.continue_maintenance to saldo_admin;

create or replace function saldo_private.prune_history()
returns bigint
language sql
as $$
  with old as (
    select c.id
    from saldo.check_run as c
    where c.finished_at < clock_timestamp() - make_interval(
      days => saldo_private.setting_value('health_history_days')::integer
    )
    -- What was healed or decided is an audit trail, and stays.
    and not exists (select from saldo.heal_run as h where h.check_run_id = c.id)
    and not exists (
      select
      from saldo.maintenance_run as m
      where c.id in (m.check_before_id, m.check_after_id)
      and m.status <> 'healthy'
    )
    and not exists (
      select
      from saldo.finding as f
      join saldo.account_freeze as z on z.finding_id = f.id
      where f.check_run_id = c.id
    )
    order by c.id
    limit 1000
  ),
  unneeded as (
    delete from saldo.maintenance_run as m
    where m.check_before_id in (select old.id from old)
    or m.check_after_id in (select old.id from old)
  ),
  deleted as (
    delete from saldo.check_run as c
    where c.id in (select old.id from old)
    returning c.id
  )
  select count(*)
  from deleted
$$;
comment on function saldo_private.prune_history is
  'Deletes checks older than the setting health_history_days with their findings, a thousand at a '
  'time; those that a heal followed stay.';
--! EndIncluded health/maintenance.sql
--! Included health/freeze.sql
-- Freezing: nothing is posted to an account until a human has looked at it.
--
-- Public: freeze_account, unfreeze_account; saldo.account_freeze. Private: freeze_accounts,
-- freeze_evidence, freeze_changed, rule_account_freeze.
-- Where the journal itself was changed a heal would launder the change into the balance, so it
-- freezes the account instead. What was accepted before goes on: settlement, year end, holds that
-- end. An immediate account is frozen by its row, which every posting updates; a hot one has no
-- slots and no regular stripes while it is frozen, so that everybody has to ask its row.
-- Locks: of a hot account the row of hot_account, its own, its stripes and its slots; then
-- immediate accounts in id order.

create or replace function saldo_private.freeze_evidence(account_ids bigint[])
returns table (account_id bigint, evidence jsonb)
language sql
stable
as $$
  -- Postings move totals and journal alike: this stays until somebody touches the journal again.
  select a.id, jsonb_build_object(
    'debit', a.debit_total - coalesce(l.debit, 0), 'credit', a.credit_total - coalesce(l.credit, 0),
    'events', (
      select coalesce(jsonb_agg(g.id order by g.id), '[]')
      from saldo_private.unsettled_guard_event(a.id) as g
      where g.table_name like 'journal%'
    )
  )
  from saldo.account as a
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from (
      select jl.account_id, jl.debit, jl.credit
      from saldo.journal_line as jl
      where jl.account_id = any (account_ids)
      union all
      select s.account_id, -s.debit, -s.credit
      from saldo_private.account_stripe as s
      where s.account_id = any (account_ids)
    ) as part
    group by part.account_id
  ) as l on l.account_id = a.id
  where a.id = any (account_ids)
$$;
comment on function saldo_private.freeze_evidence is
  'What speaks for a change of the journal of these accounts: how far their totals are from it, '
  'and the recorded writes past the engine.';

create or replace function saldo_private.freeze_accounts__empty(account_id bigint)
returns void
language plpgsql
as $$
declare
  v_lock_timeout text := current_setting('lock_timeout');
begin
  for v_attempt in 1 .. 100 loop
    begin
      perform set_config('lock_timeout', '100ms', true);
      insert into saldo_private.hot_account (account_id)
      values (account_id)
      on conflict on constraint hot_account_pkey do nothing;
      perform
      from saldo_private.hot_account as h
      where h.account_id = freeze_accounts__empty.account_id
      for update;
      perform
      from saldo.account as a
      where a.id = freeze_accounts__empty.account_id
      for update;
      -- Both wait for those who hold one; who comes now finds none, and waits for the row.
      perform saldo_private.remove_stripes(account_id);
      delete from saldo_private.account_slot as s
      where s.account_id = freeze_accounts__empty.account_id;
      perform set_config('lock_timeout', v_lock_timeout, true);
      return;
    exception
      when lock_not_available then
        -- A posting that has a stripe and makes slots anew wants the first of these locks last: it
        -- goes first. With the block all of them are given back.
        null;
    end;
  end loop;
  perform saldo_private.fail('conflict_retry', format('account %s', account_id));
end
$$;
comment on function saldo_private.freeze_accounts__empty is
  'Takes stripes and slots of a hot account away, under its locks: SB015 when others do not let go '
  'of these for 10 s.';

create or replace function saldo_private.freeze_accounts(
  account_ids bigint[],
  reason text,
  finding_ids uuid[] default null
)
returns void
language plpgsql
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_hot_ids bigint[] := array(
    select a.id
    from saldo.account as a
    where a.id = any (account_ids)
    and a.mode = 'hot'
    order by a.id
  );
begin
  perform saldo_private.require_read_committed();
  perform saldo_private.freeze_accounts__empty(hot.id)
  from unnest(v_hot_ids) as hot (id);
  perform
  from saldo.account as a
  where a.id = any (account_ids)
  order by a.id
  for no key update;
  if exists (
    select
    from saldo.account as a
    where a.id = any (account_ids)
    and a.mode = 'hot'
    and a.id <> all (v_hot_ids)
  ) then -- since a moment ago
    perform saldo_private.fail('conflict_retry', 'an account became hot meanwhile');
  end if;

  insert into saldo.account_freeze (
    account_id, id, frozen_at, frozen_by, reason, finding_id, evidence
  )
  select e.account_id, saldo_private.uuid_v7(), v_now, saldo_private.actor(),
    freeze_accounts.reason, finding_ids[array_position(account_ids, e.account_id)], e.evidence
  from saldo_private.freeze_evidence(account_ids) as e;
  update saldo.account as a
  set frozen_at = v_now,
    frozen_reason = freeze_accounts.reason
  where a.id = any (account_ids);
end
$$;
comment on function saldo_private.freeze_accounts is
  'Freezes accounts that the caller has looked at. finding_ids: of each account, in their order. '
  'Errors: SB020, SB015 when one becomes hot at this moment.';

create or replace function saldo_private.freeze_changed(plan saldo_private.planned_heal[])
returns integer
language plpgsql
as $$
declare
  v_account_ids bigint[];
  v_finding_ids uuid[];
begin
  select array_agg(c.account_id order by c.account_id),
    array_agg(c.finding_id order by c.account_id)
  into v_account_ids, v_finding_ids
  from (
    select distinct on (p.account_id) p.account_id, p.finding_id
    from unnest(plan) as p
    join saldo.account as a on a.id = p.account_id
    where p.is_journal_changed
    and a.frozen_at is null
    and a.closed_at is null
    -- Without cash or revenue nobody could do anything: that is for a human to decide.
    and a.code !~ saldo_private.system_code_pattern()
    order by p.account_id, p.rule, p.key
  ) as c
  where not exists (
    select
    from saldo.account_freeze as f
    join saldo_private.freeze_evidence(array[c.account_id]) as e on e.evidence = f.evidence
    where f.account_id = c.account_id
    and f.unfrozen_at is not null
  );
  if v_account_ids is null then
    return 0;
  end if;
  perform saldo_private.freeze_accounts(
    v_account_ids, 'The journal of this account changed past the engine.', v_finding_ids
  );
  return cardinality(v_account_ids);
end
$$;
comment on function saldo_private.freeze_changed is
  'Freezes the accounts whose journal was changed, but for the engine''s own and those that a '
  'human has unfrozen since with the same evidence. How many.';

create or replace function saldo_private.tell_frozen(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language plpgsql
stable
as $$
begin
  return array(
    select (
      p.finding_id, p.rule, p.key, p.account_id, p.heal_function, p.currency, p.stored, p.derived,
      p.difference, p.explanation, p.is_journal_changed, p.outcome, p.reason || coalesce(case
        when not p.is_journal_changed then null
        when a.frozen_at is not null then format(' The account is frozen since %s.', a.frozen_at)
        when a.code ~ saldo_private.system_code_pattern()
        then ' The account is one of the engine''s own, and is not frozen by itself.'
        else (
          select format(' The account was unfrozen at %s by %s: %s', f.unfrozen_at, f.unfrozen_by,
            f.unfreeze_reason)
          from saldo.account_freeze as f
          where f.account_id = p.account_id
          and f.unfrozen_at is not null
          order by f.unfrozen_at desc
          limit 1
        )
      end, ''), p.before, p.after, p.proposal_id
    )::saldo_private.planned_heal
    from unnest(plan) as p
    left join saldo.account as a on a.id = p.account_id
  );
end
$$;
comment on function saldo_private.tell_frozen is
  'Adds to the reasons of a plan what has become of accounts whose journal was changed.';

create or replace function saldo.freeze_account(account_id bigint, reason text)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(freeze_account.reason, 'reason');
  v_account saldo.account;
begin
  select a.*
  into v_account
  from saldo.account as a
  where a.id = freeze_account.account_id;
  if v_account.id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  elsif v_account.code ~ '^(clearing|suspense):[A-Z]{3}$' then
    perform saldo_private.fail(
      'input_invalid', 'account_id: settlements book against this account, it stays open'
    );
  elsif v_account.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  end if;
  begin
    perform saldo_private.freeze_accounts(array[v_account.id], v_reason);
  exception
    when unique_violation then -- somebody was first
      perform saldo_private.fail('account_frozen', format('account %s', account_id));
  end;
  select a.*
  into v_account
  from saldo.account as a
  where a.id = freeze_account.account_id;
  perform saldo_private.require_durable_commit();
  return v_account;
end
$$;
comment on function saldo.freeze_account is
  'Freezes an account: nothing is posted to it, submitted or held on it (SB121) until it is '
  'unfrozen; what was accepted before is settled, and holds may end. Waits for the transactions '
  'under way on it. Whoever the account belongs to reads the reason. Errors in checking order: '
  'SB010, SB008, SB009, SB101, SB102, SB010 for an account that settlements book against, SB121 '
  'when it is frozen already, SB020, SB015.';
revoke execute on function saldo.freeze_account from public;
grant execute on function saldo.freeze_account to saldo_admin;

create or replace function saldo.unfreeze_account(account_id bigint, reason text)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(unfreeze_account.reason, 'reason');
  v_account saldo.account;
begin
  -- Slots are neither made nor looked for meanwhile: the next request makes them.
  perform
  from saldo_private.hot_account as h
  where h.account_id = unfreeze_account.account_id
  for update;
  select a.*
  into v_account
  from saldo.account as a
  where a.id = unfreeze_account.account_id
  for no key update; -- a posting that adds a stripe has it weakly, and then wants the lock above
  if v_account.id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif v_account.frozen_at is null then
    perform saldo_private.fail('account_not_frozen', format('account %s', account_id));
  end if;
  update saldo.account_freeze as f
  set unfrozen_at = clock_timestamp(),
    unfrozen_by = saldo_private.actor(),
    unfreeze_reason = v_reason
  where f.account_id = v_account.id
  and f.unfrozen_at is null;
  update saldo.account as a
  set frozen_at = null,
    frozen_reason = null
  where a.id = v_account.id
  returning a.*
  into v_account;
  perform saldo_private.require_durable_commit();
  return v_account;
end
$$;
comment on function saldo.unfreeze_account is
  'Lets an account be posted to again. A heal does not freeze it once more for the same finding '
  'with the same evidence. Errors in checking order: SB010, SB008, SB009, SB101, SB122.';
revoke execute on function saldo.unfreeze_account from public;
grant execute on function saldo.unfreeze_account to saldo_admin;

create or replace function saldo_private.rule_account_freeze()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select p.account_id::text, p.account_id, p.stored, p.derived, null::numeric,
    jsonb_build_object('slot_count', p.slot_count)
  from (
    select a.id as account_id,
      case when a.frozen_at is null then 'not frozen'
        else format('frozen, %s slots and stripes', held.slot_count) end as stored,
      case when f.id is null then 'not frozen' else 'frozen, 0 slots and stripes' end as derived,
      held.slot_count
    from saldo.account as a
    left join saldo.account_freeze as f on f.account_id = a.id and f.unfrozen_at is null
    cross join lateral (
      select (select count(*) from saldo_private.account_slot as s where s.account_id = a.id)
        + (select count(*) from saldo_private.account_stripe as s
          where s.account_id = a.id and s.stripe_no > 0) as slot_count
    ) as held
    where a.frozen_at is not null
    or f.id is not null
  ) as p
  where p.stored <> p.derived
$$;
comment on function saldo_private.rule_account_freeze is
  'Accounts that are frozen without a record of it, or not although there is one, and frozen hot '
  'ones with slots or stripes, past which postings go.';

select saldo_private.secure_table('saldo.account_freeze');
drop policy if exists select_all on saldo.account_freeze;
create policy select_all on saldo.account_freeze for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.account_freeze to saldo_admin, saldo_operator;

comment on table saldo.account_freeze is 'When an account was frozen, by whom, and why.';
comment on column saldo.account_freeze.account_id is 'Account.';
comment on column saldo.account_freeze.id is 'Id, ordered by time.';
comment on column saldo.account_freeze.frozen_at is 'When it was frozen.';
comment on column saldo.account_freeze.frozen_by is 'Who did: token subject or login.';
comment on column saldo.account_freeze.reason is 'Why.';
comment on column saldo.account_freeze.finding_id is 'The finding, where a heal froze it.';
comment on column saldo.account_freeze.evidence is
  'How far its totals were from the journal, and the recorded writes past the engine.';
comment on column saldo.account_freeze.unfrozen_at is 'When it was unfrozen; null = it is frozen.';
comment on column saldo.account_freeze.unfrozen_by is 'Who did: token subject or login.';
comment on column saldo.account_freeze.unfreeze_reason is 'Why.';
--! EndIncluded health/freeze.sql
--! Included health/heal_policy.sql
-- Heal policy: how much a heal may rewrite by itself, and what needs an administrator's approval.
--
-- Public: saldo.heal_policy, set_heal_policy. Private: heal_limit.
-- A rule without a row, or with a null in it, goes by the settings heal_finding_max_amount,
-- heal_rule_max_count and heal_rule_max_amount; those of a whole run are heal_run_max_count and
-- heal_run_max_amount. Amounts are in units of each currency, and count for each by itself.

create or replace function saldo_private.heal_limit()
returns table (
  rule text,
  is_scheduled boolean,
  max_count bigint,
  max_amount numeric,
  max_amount_total numeric
)
language sql
stable
as $$
  select r.name, coalesce(p.is_scheduled, true),
    coalesce(p.max_count, saldo_private.setting_value('heal_rule_max_count')::bigint),
    coalesce(p.max_amount, saldo_private.setting_value('heal_finding_max_amount')::numeric),
    coalesce(p.max_amount_total, saldo_private.setting_value('heal_rule_max_amount')::numeric)
  from saldo.balance_rule as r
  left join saldo.heal_policy as p on p.rule = r.name
$$;
comment on function saldo_private.heal_limit is
  'What each rule goes by: its own limits, or those of the settings.';

create or replace function saldo.set_heal_policy(
  rule text,
  is_scheduled boolean default true,
  max_count bigint default null,
  max_amount numeric default null,
  max_amount_total numeric default null
)
returns saldo.heal_policy
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_policy saldo.heal_policy;
begin
  if (
    max_count >= 0 and max_amount >= 0 and max_amount < 1e21
    and max_amount_total >= 0 and max_amount_total < 1e21
  ) is false or is_scheduled is null then
    perform saldo_private.fail('input_invalid', format(
      'is_scheduled %s, max_count %s, max_amount %s, max_amount_total %s: limits are 0 or more, '
      'below 10^21', is_scheduled, max_count, max_amount, max_amount_total
    ));
  end if;
  if not exists (select from saldo.balance_rule as r where r.name = set_heal_policy.rule) then
    perform saldo_private.fail('not_found', format('rule %L', rule));
  end if;
  insert into saldo.heal_policy as p (
    rule, is_scheduled, max_count, max_amount, max_amount_total, set_by, set_at
  )
  values (
    set_heal_policy.rule, set_heal_policy.is_scheduled, set_heal_policy.max_count,
    trim_scale(set_heal_policy.max_amount), trim_scale(set_heal_policy.max_amount_total),
    saldo_private.actor(), clock_timestamp()
  )
  on conflict on constraint heal_policy_pkey do update
  set is_scheduled = excluded.is_scheduled,
    max_count = excluded.max_count,
    max_amount = excluded.max_amount,
    max_amount_total = excluded.max_amount_total,
    set_by = excluded.set_by,
    set_at = excluded.set_at
  returning p.*
  into v_policy;
  return v_policy;
end
$$;
comment on function saldo.set_heal_policy is
  'Sets what may be healed of a rule without approval. is_scheduled: whether scheduled maintenance '
  'heals it at all. max_count: findings in one run; max_amount: difference of one finding; '
  'max_amount_total: sum of the differences in one run and currency. Null = the setting. What is '
  'above becomes a heal_proposal. Errors in checking order: SB010, SB007 for an unknown rule.';
revoke execute on function saldo.set_heal_policy from public;
grant execute on function saldo.set_heal_policy to saldo_admin;

select saldo_private.secure_table('saldo.heal_policy');
drop policy if exists select_all on saldo.heal_policy;
create policy select_all on saldo.heal_policy for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.heal_policy to saldo_admin, saldo_operator;

comment on table saldo.heal_policy is 'How much of a rule may be healed without approval.';
comment on column saldo.heal_policy.rule is 'The rule.';
comment on column saldo.heal_policy.is_scheduled is 'Whether scheduled maintenance heals it.';
comment on column saldo.heal_policy.max_count is
  'Findings in one run; null = the setting heal_rule_max_count.';
comment on column saldo.heal_policy.max_amount is
  'Difference of one finding; null = the setting heal_finding_max_amount.';
comment on column saldo.heal_policy.max_amount_total is
  'Sum of the differences in one run and currency; null = the setting heal_rule_max_amount.';
comment on column saldo.heal_policy.set_by is 'Who set it: token subject or login.';
comment on column saldo.heal_policy.set_at is 'When.';
--! EndIncluded health/heal_policy.sql
--! Included health/heal_plan.sql
-- The plan of a heal: for each finding what would be done about it, and why.
--
-- Private: heal_plan and its steps, is_from_journal.
-- A dry run and a real one have the same plan. An outcome is first healed, and each step may turn
-- it into something else: refused, then escalated, then needs_approval; slots last, because they
-- follow from totals.

create or replace function saldo_private.is_from_journal(rule text)
returns boolean
language sql
immutable
as $$
  select rule in ('account_balance', 'month_movement', 'account_slot', 'customer_month_total')
$$;
comment on function saldo_private.is_from_journal is
  'Whether the cache of a rule derives from the journal.';

create or replace function saldo_private.decided(
  plan saldo_private.planned_heal,
  outcome text,
  reason text
)
returns saldo_private.planned_heal
language plpgsql
immutable
as $$
begin
  if plan.outcome = 'healed' and outcome is not null and reason is not null then
    plan.outcome := outcome;
    plan.reason := reason;
  end if;
  return plan;
end
$$;
comment on function saldo_private.decided is
  'The plan with this outcome, where there is one with a reason and none was decided before.';

create or replace function saldo_private.heal_plan__candidates(check_run_id uuid)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  with candidate as materialized (
    select f.id, f.rule, f.key, f.account_id, r.heal_function, f.stored, f.derived, f.difference,
      f.explanation, f.cause = 'journal_changed' as is_changed
    from saldo.finding as f
    join saldo.balance_rule as r on r.name = f.rule
    where f.check_run_id = heal_plan__candidates.check_run_id
    and r.heal_function is not null
    and f.cause <> 'rule_failed'
  ),
  changed as materialized (
    select id
    from saldo_private.journal_changed_accounts(array(
      select distinct c.account_id
      from candidate as c
      where saldo_private.is_from_journal(c.rule)
      and c.account_id is not null
    )) as id
  )
  select coalesce(array_agg((
      c.id, c.rule, c.key, c.account_id, c.heal_function, a.currency, c.stored, c.derived,
      c.difference, c.explanation,
      saldo_private.is_from_journal(c.rule) and (c.is_changed or changed.id is not null),
      'healed', c.explanation, null, null, null
    )::saldo_private.planned_heal order by c.rule, c.account_id, c.key), '{}')
  from candidate as c
  left join saldo.account as a on a.id = c.account_id
  left join changed on changed.id = c.account_id
$$;
comment on function saldo_private.heal_plan__candidates is
  'The findings of a check that a heal knows what to do about.';

create or replace function saldo_private.heal_plan__refuse(
  plan saldo_private.planned_heal[],
  check_run_id uuid
)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select coalesce(array_agg(saldo_private.decided(p, 'refused', case
      when not saldo_private.is_from_journal(p.rule) then null
      when journal.has_finding
      then 'The journal has findings of its own: settle them first, then heal.'
      when p.is_journal_changed
      then 'The journal of this account changed past the engine: a human decides which is right.'
      when not exists (select from saldo.journal_line as l where l.account_id = p.account_id)
        and p.account_id is not null
        -- Slots of rows that nobody has settled yet have no line behind them.
        and (p.rule <> 'account_slot' or exists (
          select
          from saldo_private.account_total as a
          where a.account_id = p.account_id
          and (a.debit_total <> 0 or a.credit_total <> 0)
        ))
      then case when saldo_private.is_journal_missing(p.account_id, p.rule) then
        'This account has no line at all, and no recorded write says where its figures come from.'
        end
    end) order by p.rule, p.account_id, p.key), '{}')
  from unnest(plan) as p
  cross join (
    select exists (
      select
      from saldo.finding as f
      join saldo.balance_rule as r on r.name = f.rule
      where f.check_run_id = heal_plan__refuse.check_run_id
      and r.is_about_journal
    ) as has_finding
  ) as journal
$$;
comment on function saldo_private.heal_plan__refuse is
  'Refuses what derives from a journal that is itself in question.';

create or replace function saldo_private.heal_plan__escalate(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select coalesce(array_agg(saldo_private.decided(p,
      case
        when last.outcome = 'undone' then 'escalated'
        when rejected.id is not null then 'refused'
        when last.id is not null then 'escalated'
      end,
      case
        when last.outcome = 'undone' then format(
          'A heal was undone at %s by %s (%s): it is not healed again by itself.',
          last.healed_at, last.actor, last.reason
        )
        when rejected.id is not null then format(
          'A heal was rejected at %s by %s: %s', rejected.decided_at, rejected.decided_by,
          rejected.decision_reason
        )
        else format('Healed at %s by %s, wrong again: something keeps writing. Now: %s',
          last.healed_at, last.actor, p.explanation)
      end
    ) order by p.rule, p.account_id, p.key), '{}')
  from unnest(plan) as p
  cross join (
    select clock_timestamp() - make_interval(
      hours => saldo_private.setting_value('heal_repeat_hours')::integer
    ) as begins_at
    offset 0
  ) as repeat
  left join lateral (
    select h.id, h.outcome::text, h.healed_at, h.actor, h.reason
    from saldo.heal_action as h
    where h.rule = p.rule
    and h.key = p.key
    and h.outcome::text in ('healed', 'undone')
    order by h.healed_at desc
    limit 1
  ) as last on last.outcome = 'undone' or last.healed_at > repeat.begins_at
  left join lateral (
    select r.id, r.decided_at, r.decided_by, r.decision_reason, r.difference
    from saldo.heal_proposal as r
    where r.rule = p.rule
    and r.key = p.key
    and r.status = 'rejected'
    order by r.decided_at desc
    limit 1
  ) as rejected on rejected.decided_at > repeat.begins_at
    and rejected.difference is not distinct from p.difference
$$;
comment on function saldo_private.heal_plan__escalate is
  'Escalates what was healed within the window of heal_repeat_hours, and what was undone; refuses '
  'what was rejected within the window and is the same still.';

create or replace function saldo_private.heal_plan__limit(
  plan saldo_private.planned_heal[],
  is_scheduled boolean
)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  with open as materialized (
    select p, l.is_scheduled, l.max_count, l.max_amount, l.max_amount_total,
      p.outcome = 'healed' and not (heal_plan__limit.is_scheduled and not l.is_scheduled)
        and not coalesce(abs(p.difference) > l.max_amount, false) as is_small
    from unnest(plan) as p
    join saldo_private.heal_limit() as l on l.rule = p.rule
  ),
  summed as (
    select o.p, o.is_scheduled, o.is_small, o.max_count, o.max_amount, o.max_amount_total,
      count(*) filter (where o.is_small) over (partition by (o.p).rule) as rule_count,
      coalesce(sum(abs((o.p).difference)) filter (where o.is_small)
        over (partition by (o.p).rule, (o.p).currency), 0) as rule_amount,
      count(*) filter (where o.is_small) over () as run_count,
      coalesce(sum(abs((o.p).difference)) filter (where o.is_small)
        over (partition by (o.p).currency), 0) as run_amount
    from open as o
  )
  select coalesce(array_agg(saldo_private.decided(s.p,
      case when not s.is_small or s.rule_count > s.max_count or s.rule_amount > s.max_amount_total
        or s.run_count > run.max_count or s.run_amount > run.max_amount then 'needs_approval' end,
      case
        when heal_plan__limit.is_scheduled and not s.is_scheduled
        then 'The rule is not healed on schedule.'
        when not s.is_small then format('The difference of %s is above the limit of %s.',
          (s.p).difference, s.max_amount)
        when s.rule_count > s.max_count then format(
          '%s findings of the rule are above its limit of %s.', s.rule_count, s.max_count)
        when s.rule_amount > s.max_amount_total then format(
          'Differences of %s of the rule are above its limit of %s.', s.rule_amount,
          s.max_amount_total)
        when s.run_count > run.max_count then format(
          '%s findings are above the limit of %s for a run.', s.run_count, run.max_count)
        else format('Differences of %s are above the limit of %s for a run.', s.run_amount,
          run.max_amount)
      end
    ) order by (s.p).rule, (s.p).account_id, (s.p).key), '{}')
  from summed as s
  cross join (
    select saldo_private.setting_value('heal_run_max_count')::bigint as max_count,
      saldo_private.setting_value('heal_run_max_amount')::numeric as max_amount
    offset 0
  ) as run
$$;
comment on function saldo_private.heal_plan__limit is
  'What is above a limit of its rule or of a run needs approval: a finding that is too large by '
  'itself, and all of a rule, currency or run that are too many or too much together.';

create or replace function saldo_private.heal_plan__hold_slots(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select coalesce(array_agg(saldo_private.decided(p,
      case when p.rule = 'account_slot' and total.account_id is not null then 'refused' end,
      'The totals of this account are not healed, and slots follow from them.'
    ) order by p.rule, p.account_id, p.key), '{}')
  from unnest(plan) as p
  left join (
    select distinct t.account_id
    from unnest(plan) as t
    where t.rule in ('account_balance', 'month_movement')
    and t.outcome <> 'healed'
  ) as total on total.account_id = p.account_id
$$;
comment on function saldo_private.heal_plan__hold_slots is
  'Leaves slots alone whose totals are not healed.';

create or replace function saldo_private.heal_plan(check_run_id uuid, is_scheduled boolean)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select saldo_private.heal_plan__hold_slots(saldo_private.heal_plan__limit(
    saldo_private.heal_plan__escalate(saldo_private.heal_plan__refuse(
      saldo_private.heal_plan__candidates(check_run_id), check_run_id
    )),
    is_scheduled
  ))
$$;
comment on function saldo_private.heal_plan is
  'What a heal does about the findings of a check, in the order in which it decides. is_scheduled: '
  'whether nobody asked for it.';

comment on type saldo_private.planned_heal is 'What a heal does about a finding, and did.';
comment on type saldo_private.healed_key is
  'What a heal function did about a key: before and after, or why it refused.';
--! EndIncluded health/heal_plan.sql
--! Included health/heal_key.sql
-- Healing keys: the locks, the call of a rule's heal function, and the record.
--
-- Private: heal_keys, heal_gap, lock_heals, run_heals, follow_slots, record_heals.
-- A heal function, balance_rule.heal_function, is one of the schema saldo_private:
--   heal_x(keys text[]) returns table (key text, before jsonb, after jsonb)
-- It locks the rows of the keys in id order, derives them in a statement after that one, writes
-- those that differ, and gives a row for each of these. Beside it may stand
--   undo_heal_x(key text, before jsonb, after jsonb) returns table (was jsonb, became jsonb)
-- which takes the difference of a heal back under the same lock; without it SB624.
-- Locks: slots of hot accounts, then all accounts of the run in id order, as settlements and
-- postings take them; they last to the end of the transaction.

create or replace function saldo_private.heal_keys(rule text, heal_function text, keys text[])
returns saldo_private.healed_key[]
language plpgsql
as $$
declare
  v_healed saldo_private.healed_key[];
begin
  if heal_function = 'heal_registered_rule' then
    return array(
      select (k.key, h.before, h.after, h.refusal)::saldo_private.healed_key
      from unnest(keys) as k (key)
      cross join lateral saldo_private.heal_registered_rule(heal_keys.rule, k.key) as h
    );
  end if;
  execute format(
    'select array_agg((h.key, h.before, h.after, null)::saldo_private.healed_key) '
      'from saldo_private.%I($1) as h',
    heal_function
  )
  into v_healed
  using keys;
  return coalesce(v_healed, '{}');
end
$$;
comment on function saldo_private.heal_keys is
  'Calls the heal function of a rule for these keys. A key that agreed by then is not among them, '
  'or has nothing before and after.';

create or replace function saldo_private.heal_gap(before jsonb, after jsonb)
returns jsonb
language sql
immutable
as $$
  -- By figure, so that postings since, which move both alike, do not count.
  select case
    when jsonb_typeof(before) = 'number' and jsonb_typeof(after) = 'number'
    then to_jsonb(trim_scale((before #>> '{}')::numeric - (after #>> '{}')::numeric))
    when coalesce(jsonb_typeof(before), 'object') = 'object'
      and coalesce(jsonb_typeof(after), 'object') = 'object'
    then (
      select jsonb_object_agg(figure.name, trim_scale(
        coalesce((before ->> figure.name)::numeric, 0)
          - coalesce((after ->> figure.name)::numeric, 0)
      ))
      from jsonb_object_keys(coalesce(before, '{}') || coalesce(after, '{}')) as figure (name)
      where coalesce(before ->> figure.name, after ->> figure.name) ~ '^-?[0-9]+(\.[0-9]+)?$'
    )
    else jsonb_build_array(before, after)
  end
$$;
comment on function saldo_private.heal_gap is
  'How far a cache was from what is derived: figure by figure, or both where there are no figures.';

create or replace function saldo_private.lock_heals(plan saldo_private.planned_heal[])
returns void
language plpgsql
as $$
begin
  perform
  from saldo_private.hot_account as h
  where h.account_id in (
    select p.account_id
    from unnest(plan) as p
    where p.rule in ('account_slot', 'account_balance')
    and p.outcome not in ('refused', 'already_clean')
  )
  order by h.account_id
  for update;
  perform
  from saldo.account as a
  where a.id in (
    select p.account_id
    from unnest(plan) as p
    where p.outcome not in ('refused', 'already_clean')
  )
  order by a.id
  for no key update;
end
$$;
comment on function saldo_private.lock_heals is
  'Locks all that the plan touches, so that no rule after another one waits out of order.';

create or replace function saldo_private.healed(
  plan saldo_private.planned_heal,
  healed saldo_private.healed_key
)
returns saldo_private.planned_heal
language plpgsql
immutable
as $$
begin
  plan.before := healed.before;
  plan.after := healed.after;
  if healed.refusal is not null then
    plan.outcome := 'refused';
    plan.reason := healed.refusal;
  elsif healed.before is null and healed.after is null then
    plan.outcome := 'already_clean';
  end if;
  return plan;
end
$$;
comment on function saldo_private.healed is 'The plan with what became of it.';

create or replace function saldo_private.run_heals(
  plan saldo_private.planned_heal[],
  outcomes text[]
)
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_rule record;
  v_healed saldo_private.healed_key[];
  v_done saldo_private.planned_heal[] := array(
    select p
    from unnest(plan) as p
    where p.outcome <> all (outcomes)
  );
begin
  for v_rule in
    select p.rule, p.heal_function, array_agg(p.key) as keys
    from unnest(plan) as p
    where p.outcome = any (outcomes)
    group by p.rule, p.heal_function
    -- Slots last: they follow from what the others write.
    order by p.rule = 'account_slot', p.rule
  loop
    v_healed := saldo_private.heal_keys(v_rule.rule, v_rule.heal_function, v_rule.keys);
    v_done := v_done || array(
      select saldo_private.healed(p, h)
      from unnest(plan) as p
      left join unnest(v_healed) as h on h.key = p.key
      where p.rule = v_rule.rule
      and p.outcome = any (outcomes)
    );
  end loop;
  return v_done;
end
$$;
comment on function saldo_private.run_heals is
  'Heals what the plan has these outcomes for, rule by rule, and returns the plan with before and '
  'after.';

create or replace function saldo_private.follow_slots(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_totals saldo_private.planned_heal[] := array(
    select p
    from unnest(plan) as p
    join saldo.account as a on a.id = p.account_id
    where p.rule = 'account_balance'
    and p.outcome in ('healed', 'undone')
    and a.mode = 'hot'
  );
begin
  if v_totals = '{}' then
    return '{}';
  end if;
  return array(
    select (
      p.finding_id, 'account_slot', h.key, p.account_id, 'heal_account_slot', p.currency, null,
      null, null, null, false, 'healed', 'Slots follow from the total.', h.before, h.after, null
    )::saldo_private.planned_heal
    from unnest(saldo_private.heal_keys('account_slot', 'heal_account_slot', array(
      select t.key from unnest(v_totals) as t
    ))) as h
    join unnest(v_totals) as p on p.key = h.key
  );
end
$$;
comment on function saldo_private.follow_slots is
  'Rebuilds the slots that were made from a total which the plan has rewritten: they agreed with '
  'it before, and would give away what is not there now.';

create or replace function saldo_private.record_heals(
  plan saldo_private.planned_heal[],
  heal_run_id uuid default null,
  undoes uuid default null
)
returns setof saldo.heal_action
language plpgsql
as $$
begin
  return query
  insert into saldo.heal_action (
    id, heal_run_id, finding_id, rule, key, account_id, outcome, before, after, reason, actor,
    proposal_id, undoes
  )
  select saldo_private.uuid_v7(), record_heals.heal_run_id, p.finding_id, p.rule, p.key,
    p.account_id, p.outcome::saldo.heal_outcome, p.before, p.after, p.reason,
    saldo_private.actor(), p.proposal_id,
    case when p.outcome = 'undone' then record_heals.undoes end
  from unnest(plan) as p
  returning heal_action.*;
end
$$;
comment on function saldo_private.record_heals is
  'Writes what was done about each finding of a plan. heal_run_id: null = a human decided.';
--! EndIncluded health/heal_key.sql
--! Included health/heal_proposal.sql
-- Proposals: heals that wait for an administrator, and not for the one who asked for them.
--
-- Public: saldo.heal_proposal, approve_heal, reject_heal. Private: propose_heals.
-- One that waits, at most, for each rule and key. It holds what a heal would have written: it is
-- run, and undone again. Approved is the difference: postings since move what is stored and what
-- is derived alike; anything else makes the proposal stale.

create or replace function saldo_private.propose_heals__preview(
  plan saldo_private.planned_heal[]
)
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_plan saldo_private.planned_heal[];
begin
  begin
    v_plan := saldo_private.run_heals(plan, array['needs_approval', 'escalated']);
    perform saldo_private.fail('heal_refused', 'a preview ends here');
  exception
    when sqlstate 'SB603' then
      if v_plan is null then
        raise;
      end if;
  end;
  return v_plan;
end
$$;
comment on function saldo_private.propose_heals__preview is
  'What would be written by the heals that need approval; nothing is.';

create or replace function saldo_private.propose_heals(
  plan saldo_private.planned_heal[],
  heal_run_id uuid
)
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_plan saldo_private.planned_heal[] := plan;
begin
  if exists (select from unnest(plan) as p where p.outcome in ('needs_approval', 'escalated')) then
    v_plan := saldo_private.propose_heals__preview(plan);
  end if;
  -- What waits from earlier runs and is not the same any more, or was healed since.
  update saldo.heal_proposal as o
  set status = 'stale',
    decided_at = clock_timestamp(),
    decided_by = saldo_private.actor(),
    decision_reason = 'A later heal did not find it so any more.'
  where o.status = 'proposed'
  and not exists (
    select
    from unnest(v_plan) as p
    where p.outcome in ('needs_approval', 'escalated')
    and p.rule = o.rule
    and p.key = o.key
    and (p.outcome = 'escalated') = o.is_escalated
    and saldo_private.heal_gap(p.before, p.after)
      is not distinct from saldo_private.heal_gap(o.before, o.after)
  );
  insert into saldo.heal_proposal (
    id, heal_run_id, finding_id, rule, key, account_id, stored, derived, difference, before, after,
    is_escalated, reason, proposed_by
  )
  select saldo_private.uuid_v7(), propose_heals.heal_run_id, p.finding_id, p.rule, p.key,
    p.account_id, p.stored, p.derived, p.difference, p.before, p.after, p.outcome = 'escalated',
    p.reason, saldo_private.actor()
  from unnest(v_plan) as p
  where p.outcome in ('needs_approval', 'escalated')
  on conflict (rule, key) where status = 'proposed' do nothing;

  return array(
    select (
      p.finding_id, p.rule, p.key, p.account_id, p.heal_function, p.currency, p.stored, p.derived,
      p.difference, p.explanation, p.is_journal_changed, p.outcome, p.reason,
      case when o.id is null then p.before end, case when o.id is null then p.after end, o.id
    )::saldo_private.planned_heal
    from unnest(v_plan) as p
    left join saldo.heal_proposal as o on o.rule = p.rule
      and o.key = p.key
      and o.status = 'proposed'
      and p.outcome in ('needs_approval', 'escalated')
  );
end
$$;
comment on function saldo_private.propose_heals is
  'Writes a proposal for each heal of the plan that needs one, keeps those that say the same '
  'already, and makes the others stale.';

create or replace function saldo_private.require_proposal(proposal_id uuid)
returns saldo.heal_proposal
language plpgsql
as $$
declare
  v_proposal saldo.heal_proposal;
begin
  perform saldo_private.require_sole_maintenance();
  select o.*
  into v_proposal
  from saldo.heal_proposal as o
  where o.id = require_proposal.proposal_id
  for update;
  if v_proposal.id is null then
    perform saldo_private.fail(
      'not_found', format('proposal %s', coalesce(proposal_id::text, 'none'))
    );
  elsif v_proposal.status <> 'proposed' then
    perform saldo_private.fail(
      'proposal_state', format('proposal %s is %s', proposal_id, v_proposal.status)
    );
  end if;
  return v_proposal;
end
$$;
comment on function saldo_private.require_proposal is
  'The proposal that waits, locked: SB604, SB007, SB620.';

create or replace function saldo.approve_heal(proposal_id uuid, reason text)
returns saldo.heal_action
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(approve_heal.reason, 'reason');
  v_proposal saldo.heal_proposal;
  v_plan saldo_private.planned_heal[];
  v_action saldo.heal_action;
begin
  perform saldo_private.require_read_committed();
  v_proposal := saldo_private.require_proposal(approve_heal.proposal_id);
  if v_proposal.proposed_by = saldo_private.actor() then
    perform saldo_private.fail('approval_needs_another', format(
      'proposal %s is of %s', proposal_id, v_proposal.proposed_by
    ));
  end if;
  v_plan := array[(
    v_proposal.finding_id, v_proposal.rule, v_proposal.key, v_proposal.account_id,
    (select r.heal_function from saldo.balance_rule as r where r.name = v_proposal.rule), null,
    v_proposal.stored, v_proposal.derived, v_proposal.difference, null, false, 'healed', v_reason,
    null, null, v_proposal.id
  )::saldo_private.planned_heal];
  perform saldo_private.lock_heals(v_plan);
  v_plan := saldo_private.run_heals(v_plan, array['healed']);
  if v_plan[1].outcome <> 'healed'
    or saldo_private.heal_gap(v_plan[1].before, v_plan[1].after)
      is distinct from saldo_private.heal_gap(v_proposal.before, v_proposal.after)
  then
    perform saldo_private.fail('proposal_stale', format('proposal %s: %s, proposed %s', proposal_id,
      coalesce(saldo_private.heal_gap(v_plan[1].before, v_plan[1].after)::text, 'no difference'),
      saldo_private.heal_gap(v_proposal.before, v_proposal.after)));
  end if;
  update saldo.heal_proposal as o
  set status = 'approved',
    decided_by = saldo_private.actor(),
    decided_at = clock_timestamp(),
    decision_reason = v_reason
  where o.id = v_proposal.id;
  select h.*
  into v_action
  from saldo_private.record_heals(v_plan) as h;
  perform saldo_private.record_heals(saldo_private.follow_slots(v_plan));
  perform saldo_private.require_durable_commit();
  return v_action;
end
$$;
comment on function saldo.approve_heal is
  'Heals what a proposal is about, whatever the limits, under the lock of its key. By another '
  'administrator than the one who proposed it; what the scheduler proposed any may approve. '
  'Returns what was done. Errors in checking order: SB010, SB008, SB009, SB020, SB604 while a heal '
  'runs, SB007, SB620, SB621, SB622 when the difference is not the one that was proposed: '
  'the next heal proposes anew.';
revoke execute on function saldo.approve_heal from public;
grant execute on function saldo.approve_heal to saldo_admin;

create or replace function saldo.reject_heal(proposal_id uuid, reason text)
returns saldo.heal_proposal
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(reject_heal.reason, 'reason');
  v_proposal saldo.heal_proposal := saldo_private.require_proposal(reject_heal.proposal_id);
begin
  update saldo.heal_proposal as o
  set status = 'rejected',
    decided_by = saldo_private.actor(),
    decided_at = clock_timestamp(),
    decision_reason = v_reason
  where o.id = v_proposal.id
  returning o.*
  into v_proposal;
  return v_proposal;
end
$$;
comment on function saldo.reject_heal is
  'Decides that a proposal is not healed. For heal_repeat_hours the same difference is not '
  'proposed again. Errors in checking order: SB010, SB008, SB009, SB604 while a heal runs, '
  'SB007, SB620.';
revoke execute on function saldo.reject_heal from public;
grant execute on function saldo.reject_heal to saldo_admin;

select saldo_private.secure_table('saldo.heal_proposal');
drop policy if exists select_all on saldo.heal_proposal;
create policy select_all on saldo.heal_proposal for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.heal_proposal to saldo_admin, saldo_operator;

comment on type saldo.heal_proposal_status is
  'proposed: it waits; approved: healed; rejected: not to be healed; stale: it is not so any more.';
comment on table saldo.heal_proposal is 'A heal that waits for an administrator''s decision.';
comment on column saldo.heal_proposal.id is 'Id, ordered by time.';
comment on column saldo.heal_proposal.heal_run_id is 'The run that proposed it.';
comment on column saldo.heal_proposal.finding_id is 'The finding.';
comment on column saldo.heal_proposal.rule is 'Rule of the finding.';
comment on column saldo.heal_proposal.key is 'Key of the finding.';
comment on column saldo.heal_proposal.account_id is 'Account, where it is about one.';
comment on column saldo.heal_proposal.stored is 'What was stored.';
comment on column saldo.heal_proposal.derived is 'What followed from the truth.';
comment on column saldo.heal_proposal.difference is 'Stored less derived.';
comment on column saldo.heal_proposal.before is 'The cache as it was.';
comment on column saldo.heal_proposal.after is 'The cache as the heal would have written it.';
comment on column saldo.heal_proposal.is_escalated is
  'Whether it was healed or undone before, else it is above a limit.';
comment on column saldo.heal_proposal.reason is 'Why it was not healed without asking.';
comment on column saldo.heal_proposal.status is 'Where it stands.';
comment on column saldo.heal_proposal.proposed_by is 'Who asked for the heal.';
comment on column saldo.heal_proposal.proposed_at is 'When.';
comment on column saldo.heal_proposal.decided_by is 'Who decided: token subject or login.';
comment on column saldo.heal_proposal.decided_at is 'When.';
comment on column saldo.heal_proposal.decision_reason is 'Why.';
--! EndIncluded health/heal_proposal.sql
--! Included health/heal.sql
-- Healing: caches are rewritten from the truth; the truth is never touched.
--
-- Public: auto_heal; saldo.heal_run, saldo.heal_action. Private: run_heal.
-- Each key is healed under the lock that its writers take, recomputed after the lock is held, and
-- written only when it differs: a heal beside postings repairs what was wrong and nothing else.
-- Where the journal itself is in question nothing that derives from it is healed, or the change
-- would be laundered into the balance. Rows stay locked to the end of the transaction.

create or replace function saldo_private.run_heal__apply(
  plan saldo_private.planned_heal[],
  heal_run_id uuid
)
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_plan saldo_private.planned_heal[] := plan;
begin
  -- In the order in which settlements and postings lock, so that a heal never deadlocks with them.
  perform saldo_private.lock_heals(v_plan);
  v_plan := saldo_private.run_heals(v_plan, array['healed']);
  v_plan := v_plan || saldo_private.follow_slots(v_plan);
  return saldo_private.propose_heals(v_plan, heal_run_id);
end
$$;
comment on function saldo_private.run_heal__apply is
  'Does what the plan says: heals, lets slots follow, proposes.';

create or replace function saldo_private.run_heal__pretend(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select array(
    select (
      p.finding_id, p.rule, p.key, p.account_id, p.heal_function, p.currency, p.stored, p.derived,
      p.difference, p.explanation, p.is_journal_changed,
      case p.outcome when 'healed' then 'would_heal' else p.outcome end, p.reason,
      to_jsonb(p.stored), to_jsonb(p.derived), null
    )::saldo_private.planned_heal
    from unnest(plan) as p
  )
$$;
comment on function saldo_private.run_heal__pretend is 'The plan as a dry run records it.';

create or replace function saldo_private.run_heal(
  is_dry_run boolean,
  is_scheduled boolean default false,
  check_run saldo.check_run default null
)
returns saldo.heal_run
language plpgsql
as $$
declare
  v_run saldo.heal_run;
  v_run_id uuid := saldo_private.uuid_v7();
  v_started_at timestamptz := clock_timestamp();
  v_check saldo.check_run := check_run;
  v_plan saldo_private.planned_heal[];
  v_frozen_count integer := 0;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform saldo_private.fail('heal_refused', 'healing needs the isolation level read committed');
  end if;
  if v_check.id is null then
    v_check := saldo_private.run_check('heal');
  end if;
  v_plan := saldo_private.heal_plan(v_check.id, is_scheduled);
  if is_dry_run then
    v_plan := saldo_private.run_heal__pretend(saldo_private.tell_frozen(v_plan));
  else
    -- Before any immediate account is locked: it waits for those who hold stripes and slots.
    v_frozen_count := saldo_private.freeze_changed(v_plan);
    v_plan := saldo_private.run_heal__apply(saldo_private.tell_frozen(v_plan), v_run_id);
  end if;

  insert into saldo.heal_run (
    id, is_dry_run, check_run_id, started_at, finished_at, actor, healed_count, refused_count,
    needs_approval_count, escalated_count, frozen_count
  )
  select v_run_id, run_heal.is_dry_run, v_check.id, v_started_at, clock_timestamp(),
    saldo_private.actor(), count(*) filter (where p.outcome = 'healed'),
    count(*) filter (where p.outcome = 'refused'),
    count(*) filter (where p.outcome = 'needs_approval'),
    count(*) filter (where p.outcome = 'escalated'), v_frozen_count
  from unnest(v_plan) as p
  returning *
  into v_run;
  perform saldo_private.record_heals(v_plan, v_run_id);
  perform saldo_private.require_durable_commit();
  return v_run;
end
$$;
comment on function saldo_private.run_heal is
  'Checks afresh, freezes what is tampered with, heals what may be healed and proposes the rest; '
  'with a dry run only says what it would do. is_scheduled: whether nobody asked for it. '
  'check_run: a check that was made just now, in place of another one.';

create or replace function saldo.auto_heal(dry_run boolean default true)
returns saldo.heal_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_run saldo.heal_run;
begin
  perform saldo_private.require_sole_maintenance();
  v_run := saldo_private.run_heal(coalesce(auto_heal.dry_run, true));
  -- The check above found what is healed by now: without another one, health would stay red.
  if v_run.healed_count > 0 then
    perform saldo_private.recheck(v_run.check_run_id, 'heal');
  end if;
  return v_run;
end
$$;
comment on function saldo.auto_heal is
  'Checks all balances and rewrites the caches that drifted from the journal and the open holds; '
  'what was done, with before and after, is in heal_action. dry_run (the default) changes nothing '
  'and records what would be done; a heal that rewrote something checks again at its end. '
  'Journal, purchases and holds are never touched. Where the journal itself is in question the '
  'finding is refused for a human, and the account whose journal was changed is frozen. What is '
  'above a limit (heal_policy) or wrong again after a heal becomes a heal_proposal. '
  'Errors: SB604 while another one runs, SB603 in another isolation level than read committed.';
revoke execute on function saldo.auto_heal from public;
grant execute on function saldo.auto_heal to saldo_admin;
--! EndIncluded health/heal.sql
--! Included health/undo_heal.sql
-- Undoing a heal: its difference is taken back, once.
--
-- Public: undo_heal.
-- The inverse difference and not the old figures, since postings may have come since. The next
-- check finds the drift again, and it is not healed again without approval (heal_plan.sql).
-- Locks as a heal.

create or replace function saldo_private.undo_heal__require(heal_action_id uuid)
returns saldo.heal_action
language plpgsql
as $$
declare
  v_action saldo.heal_action;
begin
  select h.*
  into v_action
  from saldo.heal_action as h
  where h.id = undo_heal__require.heal_action_id;
  if v_action.id is null then
    perform saldo_private.fail(
      'not_found', format('heal_action %s', coalesce(heal_action_id::text, 'none'))
    );
  elsif v_action.outcome <> 'healed' then
    perform saldo_private.fail(
      'heal_action_state', format('heal_action %s is %s', heal_action_id, v_action.outcome)
    );
  elsif exists (select from saldo.heal_action as u where u.undoes = v_action.id) then
    perform saldo_private.fail(
      'heal_action_state', format('heal_action %s was undone before', heal_action_id)
    );
  end if;
  return v_action;
end
$$;
comment on function saldo_private.undo_heal__require is
  'The heal, if it can be undone still: SB007, SB623.';

create or replace function saldo.undo_heal(heal_action_id uuid, reason text)
returns saldo.heal_action
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(undo_heal.reason, 'reason');
  v_healed saldo.heal_action;
  v_function text;
  v_plan saldo_private.planned_heal;
  v_action saldo.heal_action;
begin
  perform saldo_private.require_read_committed();
  perform saldo_private.require_sole_maintenance();
  v_healed := saldo_private.undo_heal__require(undo_heal.heal_action_id);
  v_function := 'undo_' || (
    select r.heal_function from saldo.balance_rule as r where r.name = v_healed.rule
  );
  if to_regprocedure(format('saldo_private.%I(text, jsonb, jsonb)', v_function)) is null then
    perform saldo_private.fail('heal_not_undoable', format('rule %s', v_healed.rule));
  end if;

  v_plan.finding_id := v_healed.finding_id;
  v_plan.rule := v_healed.rule;
  v_plan.key := v_healed.key;
  v_plan.account_id := v_healed.account_id;
  v_plan.outcome := 'undone';
  v_plan.reason := v_reason;
  perform saldo_private.lock_heals(array[v_plan]);
  execute format('select u.was, u.became from saldo_private.%I($1, $2, $3) as u', v_function)
  into v_plan.before, v_plan.after
  using v_healed.key, v_healed.before, v_healed.after;
  select h.*
  into v_action
  from saldo_private.record_heals(array[v_plan], undoes => v_healed.id) as h;
  perform saldo_private.record_heals(saldo_private.follow_slots(array[v_plan]));
  perform saldo_private.require_durable_commit();
  return v_action;
end
$$;
comment on function saldo.undo_heal is
  'Takes back what a heal did, postings since then left in place, and records it. Of a heal once. '
  'The next check finds the difference again; it is healed again by approval only. Slots are not '
  'undone: they follow from totals. Errors in checking order: SB010, SB008, SB009, SB020, SB604 '
  'while a heal runs, SB007, SB623, SB624.';
revoke execute on function saldo.undo_heal from public;
grant execute on function saldo.undo_heal to saldo_admin;
--! EndIncluded health/undo_heal.sql
--! Included health/adjust_balance.sql
-- Adjusting a balance: a human accepts a difference that no heal can settle.
--
-- Public: adjust_balance; saldo.balance_adjustment. Private: adjust_balance__*.
-- First the totals are set to the journal, and recorded as heals; then an entry of kind adjustment
-- and source adjust_balance posts what is missing to the wanted balance, against a difference
-- account. By default that is difference:<currency>, an expense: like the cash that is over or
-- short in a till, an unexplained difference is a loss or a gain of the year, and equity is what it
-- ends in. The source is reserved: it is what a frozen account takes.
-- Locks: of a hot account the row of hot_account, its own, its stripes and its slots; then both
-- accounts in id order where they are immediate.

create or replace function saldo_private.adjust_balance__lock(
  account_id bigint,
  difference_account_id bigint
)
returns saldo.account
language plpgsql
as $$
declare
  v_mode saldo.account_mode := (
    select a.mode from saldo.account as a where a.id = adjust_balance__lock.account_id
  );
  v_account saldo.account;
begin
  if v_mode = 'hot' then
    perform saldo_private.freeze_accounts__empty(account_id);
  end if;
  perform
  from saldo.account as a
  where a.id in (adjust_balance__lock.account_id, difference_account_id)
  and a.mode = 'immediate'
  order by a.id
  for no key update;
  select a.*
  into v_account
  from saldo.account as a
  where a.id = adjust_balance__lock.account_id;
  if v_account.mode <> v_mode then -- since a moment ago
    perform saldo_private.fail('conflict_retry', format('account %s', account_id));
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  end if;
  return v_account;
end
$$;
comment on function saldo_private.adjust_balance__lock is
  'The account, locked so that nobody posts to it; a hot one without stripes and slots. Errors: '
  'SB015 when its mode changes at this moment, SB102.';

create or replace function saldo_private.adjust_balance__heal(
  account_id bigint,
  finding_id uuid,
  reason text
)
returns integer
language plpgsql
as $$
declare
  v_plan saldo_private.planned_heal[];
begin
  select array_agg((
      adjust_balance__heal.finding_id, k.rule, k.key, adjust_balance__heal.account_id,
      r.heal_function, null, null, null, null, null, false, 'healed', adjust_balance__heal.reason,
      null, null, null
    )::saldo_private.planned_heal)
  into v_plan
  from (
    select 'account_balance' as rule, adjust_balance__heal.account_id::text as key
    union all
    -- All months: those that agree are left as they are.
    select 'month_movement', format('%s %s', adjust_balance__heal.account_id, m.month)
    from (
      select mm.month
      from saldo.month_movement as mm
      where mm.account_id = adjust_balance__heal.account_id
      union
      select saldo_private.month_of(l.posting_date)
      from saldo.journal_line as l
      where l.account_id = adjust_balance__heal.account_id
    ) as m
    union all
    select 'customer_month_total', format('%s %s', (c.change).account_id, (c.change).month)
    from saldo_private.customer_month_change(array(
      select u.account_id
      from saldo.customer as u
      where u.account_id = adjust_balance__heal.account_id
    )) as c
  ) as k
  join saldo.balance_rule as r on r.name = k.rule;
  v_plan := array(
    select p
    from unnest(saldo_private.run_heals(v_plan, array['healed'])) as p
    where p.outcome = 'healed'
  );
  perform saldo_private.record_heals(v_plan);
  return cardinality(v_plan);
end
$$;
comment on function saldo_private.adjust_balance__heal is
  'Sets totals and months of the account to the journal, under its lock; how many differed.';

create or replace function saldo_private.adjust_balance__post(
  account saldo.account,
  difference_account_id bigint,
  difference numeric,
  reason text,
  idempotency_key text
)
returns uuid
language plpgsql
as $$
declare
  v_amount numeric := saldo_private.require_amount(abs(difference));
  v_is_debit boolean := (account.type in ('asset', 'expense')) = (difference > 0);
  v_entry saldo.journal_entry;
begin
  v_entry := saldo_private.post_entry(
    entry_id => saldo_private.uuid_v7(),
    account_ids => array[account.id, difference_account_id],
    debits => case when v_is_debit then array[v_amount, 0] else array[0, v_amount] end,
    credits => case when v_is_debit then array[0, v_amount] else array[v_amount, 0] end,
    description => reason,
    source => 'adjust_balance',
    kind => 'adjustment',
    idempotency_key => idempotency_key
  );
  perform saldo_private.notify_watchers(array[account.id, difference_account_id]);
  return v_entry.id;
end
$$;
comment on function saldo_private.adjust_balance__post is
  'Posts the difference: positive raises the balance of the account. Errors: SB004, and those of a '
  'posting.';

create or replace function saldo_private.adjust_balance__fill(account_id bigint, is_lower boolean)
returns void
language plpgsql
as $$
declare
  v_short numeric;
begin
  -- Its slots are gone: what the posting could not ask them is asked here.
  select a.min_balance - f.available
  into v_short
  from saldo_private.derived_funds() as f
  join saldo.account as a on a.id = f.account_id
  where f.account_id = adjust_balance__fill.account_id;
  if is_lower and v_short > 0 then
    perform saldo_private.fail('insufficient_balance', format(
      'account %s: %s less than its minimum and what is promised', account_id, v_short
    ));
  end if;
  if exists (
    select
    from saldo.account as a
    where a.id = adjust_balance__fill.account_id
    and a.frozen_at is null
  ) then
    perform saldo_private.rebuild_slots(account_id, is_forced => true);
  end if;
end
$$;
comment on function saldo_private.adjust_balance__fill is
  'Makes the slots of a hot account that was adjusted, unless it is frozen: SB001.';

create or replace function saldo_private.adjust_balance__difference_account(
  account saldo.account,
  difference_account_id bigint
)
returns bigint
language plpgsql
as $$
begin
  if account.id is null then
    perform saldo_private.fail('account_not_found', 'account_id');
  elsif account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account.id));
  end if;
  return saldo_private.require_counter_account(account, coalesce(
    difference_account_id, saldo_private.system_account('difference', account.currency)
  ));
end
$$;
comment on function saldo_private.adjust_balance__difference_account is
  'The account that takes the difference: SB101, SB102 of the account itself, then SB101, SB104, '
  'SB203, SB121 of the other one.';

create or replace function saldo_private.adjust_balance__do(
  adjustment saldo.balance_adjustment
)
returns saldo.balance_adjustment
language plpgsql
as $$
declare
  v_account saldo.account := saldo_private.adjust_balance__lock(
    adjustment.account_id, adjustment.difference_account_id
  );
  v_healed_count integer;
  v_difference numeric;
begin
  select trim_scale(t.balance)
  into strict adjustment.balance_before
  from saldo_private.account_total as t
  where t.account_id = v_account.id;
  v_healed_count := saldo_private.adjust_balance__heal(
    v_account.id, adjustment.finding_id, adjustment.reason
  );
  select trim_scale(t.balance)
  into strict adjustment.journal_balance
  from saldo_private.account_total as t
  where t.account_id = v_account.id;
  v_difference := adjustment.new_balance - adjustment.journal_balance;
  if v_difference <> 0 then
    adjustment.entry_id := saldo_private.adjust_balance__post(
      v_account, adjustment.difference_account_id, v_difference, adjustment.reason,
      adjustment.idempotency_key
    );
  elsif v_healed_count = 0 then
    perform saldo_private.fail('nothing_to_adjust', format(
      'account %s: balance %s', v_account.id, adjustment.journal_balance
    ));
  end if;
  if v_account.mode = 'hot' then
    perform saldo_private.adjust_balance__fill(
      v_account.id, adjustment.new_balance < adjustment.balance_before
    );
  end if;
  insert into saldo.balance_adjustment
  select (adjustment).*
  returning *
  into adjustment;
  return adjustment;
end
$$;
comment on function saldo_private.adjust_balance__do is
  'Heals, posts and records an adjustment whose parts have been checked.';

create or replace function saldo.adjust_balance(
  account_id bigint,
  new_balance numeric,
  reason text,
  difference_account_id bigint default null,
  finding_id uuid default null,
  idempotency_key text default null
)
returns saldo.balance_adjustment
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_adjustment saldo.balance_adjustment;
  v_earlier_id uuid;
  v_account saldo.account;
  v_finding saldo.finding;
begin
  perform saldo_private.require_read_committed();
  v_adjustment.id := saldo_private.uuid_v7();
  v_adjustment.account_id := adjust_balance.account_id;
  v_adjustment.reason := saldo_private.require_text(adjust_balance.reason, 'reason');
  v_adjustment.new_balance := case when new_balance = 0 then 0
    else sign(new_balance) * saldo_private.require_amount(abs(new_balance)) end;
  v_adjustment.finding_id := adjust_balance.finding_id;
  v_adjustment.idempotency_key := adjust_balance.idempotency_key;
  v_adjustment.adjusted_by := saldo_private.actor();
  v_adjustment.adjusted_at := clock_timestamp();
  v_earlier_id := saldo_private.claim_idempotency_key(
    'adjust_balance', adjust_balance.idempotency_key, 'adjust_balance',
    jsonb_build_array(account_id, v_adjustment.new_balance, v_adjustment.reason,
      difference_account_id, finding_id),
    v_adjustment.id
  );
  if v_earlier_id is not null then
    select b.*
    into strict v_adjustment
    from saldo.balance_adjustment as b
    where b.account_id = adjust_balance.account_id
    and b.id = v_earlier_id;
    return v_adjustment;
  end if;

  select a.*
  into v_account
  from saldo.account as a
  where a.id = adjust_balance.account_id;
  v_adjustment.difference_account_id := saldo_private.adjust_balance__difference_account(
    v_account, adjust_balance.difference_account_id
  );
  if finding_id is not null then
    select f.*
    into v_finding
    from saldo.finding as f
    where f.id = adjust_balance.finding_id;
    if v_finding.id is null then
      perform saldo_private.fail('not_found', format('finding %s', finding_id));
    elsif v_finding.account_id is distinct from adjust_balance.account_id then
      perform saldo_private.fail('finding_of_another', format('finding %s', finding_id));
    end if;
  end if;
  v_adjustment := saldo_private.adjust_balance__do(v_adjustment);
  perform saldo_private.require_durable_commit();
  return v_adjustment;
end
$$;
comment on function saldo.adjust_balance is
  'Sets the posted balance of an account to what a human has found to be right: totals and months '
  'to the journal, recorded as heals, and an adjustment entry for the rest. difference_account_id: '
  'open, of the currency, without min_balance, default the engine''s own difference:<currency>. '
  'finding_id: what it settles. Works on a frozen account too, and leaves it frozen. The same '
  'idempotency_key with the same content returns the first adjustment. Errors in checking order: '
  'SB020, SB010, SB008, SB009, SB002, SB004, SB003, SB005, SB101, SB102, SB104, SB203, SB121 for a '
  'frozen difference account, SB007, SB626, SB015, SB625, SB004, SB108, SB001.';
revoke execute on function saldo.adjust_balance from public;
grant execute on function saldo.adjust_balance to saldo_admin;

select saldo_private.secure_table('saldo.balance_adjustment');
drop policy if exists select_all on saldo.balance_adjustment;
create policy select_all on saldo.balance_adjustment for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.balance_adjustment to saldo_admin, saldo_operator;

comment on table saldo.balance_adjustment is 'A balance that a human has set right.';
comment on column saldo.balance_adjustment.account_id is 'Account.';
comment on column saldo.balance_adjustment.id is 'Id, ordered by time.';
comment on column saldo.balance_adjustment.entry_id is
  'The adjustment entry; null where the journal had the new balance already.';
comment on column saldo.balance_adjustment.difference_account_id is
  'Account that took the difference.';
comment on column saldo.balance_adjustment.finding_id is 'The finding that it settles.';
comment on column saldo.balance_adjustment.balance_before is 'Balance that was stored.';
comment on column saldo.balance_adjustment.journal_balance is 'Balance as the journal had it.';
comment on column saldo.balance_adjustment.new_balance is 'Balance since.';
comment on column saldo.balance_adjustment.reason is 'Why; also the description of the entry.';
comment on column saldo.balance_adjustment.idempotency_key is 'Key of the request.';
comment on column saldo.balance_adjustment.adjusted_by is 'Who did: token subject or login.';
comment on column saldo.balance_adjustment.adjusted_at is 'When.';
--! EndIncluded health/adjust_balance.sql
--! Included health/report.sql
-- Reports over checks and heals: how it is, rule by rule, account by account, and how it has been.
--
-- Public: health_summary, health_by_rule, health_by_account, health_trend, account_health_history.
-- All of them read what checks and heals have recorded; none looks at a balance.

create or replace function saldo.health_summary()
returns saldo.health_summary_result
language sql
stable
as $$
  select last.id, last.status, last.scope, last.finished_at,
    extract(epoch from clock_timestamp() - last.finished_at)::numeric(20, 0), last.line_count,
    last.verified_line_count, last.finding_count,
    (
      select count(distinct f.account_id)
      from saldo.finding as f
      where f.check_run_id = last.id
    ),
    full_check.finished_at,
    (
      select min(c.finished_at)
      from saldo.check_run as c
      where c.status <> 'healthy'
      and c.id > coalesce((
        select h.id
        from saldo.check_run as h
        where h.status = 'healthy'
        order by h.id desc
        limit 1
      ), '00000000-0000-0000-0000-000000000000')
    ),
    (
      select count(*)
      from saldo.heal_action as h
      where h.outcome = 'healed'
      and h.healed_at > clock_timestamp() - interval '1 day'
    )
  from saldo.check_run as last
  left join lateral (
    select c.finished_at
    from saldo.check_run as c
    where c.scope = 'full'
    order by c.id desc
    limit 1
  ) as full_check on true
  order by last.id desc
  limit 1
$$;
comment on function saldo.health_summary is
  'How the balances were at the last check, and since when they are not in order. Null before the '
  'first check.';
revoke execute on function saldo.health_summary from public;
grant execute on function saldo.health_summary to saldo_admin, saldo_operator;

create or replace function saldo_private.reported_check(check_run_id uuid)
returns uuid
language sql
stable
as $$
  select coalesce(reported_check.check_run_id, (
    select c.id
    from saldo.check_run as c
    order by c.id desc
    limit 1
  ))
$$;
comment on function saldo_private.reported_check is 'The check that is asked for, or the last one.';
grant execute on function saldo_private.reported_check to saldo_admin, saldo_operator;

create or replace function saldo.health_by_rule(check_run_id uuid default null)
returns setof saldo.health_by_rule_row
language sql
stable
as $$
  select r.name, r.title, r.room, count(f.id), count(distinct f.account_id),
    coalesce(sum(abs(f.difference)) filter (where abs(f.difference) < 'Infinity'), 0),
    coalesce(max(abs(f.difference)) filter (where abs(f.difference) < 'Infinity'), 0),
    mode() within group (order by f.cause), r.heal_function is not null
  from saldo.balance_rule as r
  left join saldo.finding as f on f.rule = r.name
    and f.check_run_id = saldo_private.reported_check(health_by_rule.check_run_id)
  group by r.name
  order by count(f.id) desc, r.room, r.name
$$;
comment on function saldo.health_by_rule is
  'What a check found, rule by rule; the last check when none is named.';
revoke execute on function saldo.health_by_rule from public;
grant execute on function saldo.health_by_rule to saldo_admin, saldo_operator;

create or replace function saldo.health_by_account(check_run_id uuid default null)
returns setof saldo.health_by_account_row
language sql
stable
as $$
  select a.id, a.code, a.currency, count(*), array_agg(distinct f.rule),
    sum(f.difference) filter (where f.rule = 'account_balance'),
    mode() within group (order by f.cause),
    (
      select count(*)
      from saldo.heal_action as h
      where h.account_id = a.id
      and h.outcome = 'healed'
    )
  from saldo.finding as f
  join saldo.account as a on a.id = f.account_id
  where f.check_run_id = saldo_private.reported_check(health_by_account.check_run_id)
  group by a.id
  order by abs(sum(f.difference) filter (where f.rule = 'account_balance')) desc nulls last, a.id
$$;
comment on function saldo.health_by_account is
  'What a check found, account by account, the largest difference first; the last check when none '
  'is named.';
revoke execute on function saldo.health_by_account from public;
grant execute on function saldo.health_by_account to saldo_admin, saldo_operator;

create or replace function saldo.health_trend(run_count integer default 30)
returns setof saldo.health_trend_row
language sql
stable
as $$
  select c.id, c.kind, c.scope, c.status, c.finished_at,
    extract(epoch from c.finished_at - c.started_at)::numeric(20, 3), c.line_count,
    c.finding_count, c.finding_count - lag(c.finding_count) over (order by c.id), (
      select coalesce(sum(abs(f.difference)), 0)
      from saldo.finding as f
      where f.check_run_id = c.id
      and abs(f.difference) < 'Infinity'
    )
  from (
    select last.*
    from saldo.check_run as last
    order by last.id desc
    limit least(greatest(health_trend.run_count, 1), 1000)
  ) as c
  order by c.id desc
$$;
comment on function saldo.health_trend is
  'The last checks, newest first, up to 1,000: what they found, and how many more than the one '
  'before.';
revoke execute on function saldo.health_trend from public;
grant execute on function saldo.health_trend to saldo_admin, saldo_operator;

create or replace function saldo.account_health_history(account_id bigint)
returns setof saldo.health_event
language sql
stable
as $$
  select e.occurred_at, e.what, e.rule, e.key, e.difference, e.text, e.actor
  from (
    select c.finished_at as occurred_at, 'finding' as what, f.rule, f.key, f.difference,
      f.explanation as text, c.actor
    from saldo.finding as f
    join saldo.check_run as c on c.id = f.check_run_id
    where f.account_id = account_health_history.account_id
    union all
    select h.healed_at, h.outcome::text, h.rule, h.key, null, h.reason, h.actor
    from saldo.heal_action as h
    where h.account_id = account_health_history.account_id
    union all
    select g.occurred_at, 'write past the guard', null, g.table_name, null, g.statement, g.login
    from saldo.guard_event as g
    where g.account_id = account_health_history.account_id
  ) as e
  order by e.occurred_at desc, e.what
$$;
comment on function saldo.account_health_history is
  'Everything that was found about an account, done about it, or written to it past the guard, '
  'newest first.';
revoke execute on function saldo.account_health_history from public;
grant execute on function saldo.account_health_history to saldo_admin, saldo_operator;

comment on type saldo.health_summary_result is 'How the balances were at the last check.';
comment on column saldo.health_summary_result.check_run_id is 'The last check.';
comment on column saldo.health_summary_result.status is 'Its result.';
comment on column saldo.health_summary_result.scope is 'How much it looked at.';
comment on column saldo.health_summary_result.checked_at is 'When it ended.';
comment on column saldo.health_summary_result.age_seconds is 'Seconds since then.';
comment on column saldo.health_summary_result.line_count is 'Lines that it looked at.';
comment on column saldo.health_summary_result.verified_line_count is
  'Lines that are proven, by it and by the full check that it goes back to.';
comment on column saldo.health_summary_result.finding_count is 'What it found.';
comment on column saldo.health_summary_result.account_count is 'Accounts that are concerned.';
comment on column saldo.health_summary_result.full_check_at is 'When the last full check ended.';
comment on column saldo.health_summary_result.unhealthy_since is
  'When the first check ended since which none was healthy; null = the last one was.';
comment on column saldo.health_summary_result.healed_count is 'What was healed within a day.';
comment on type saldo.health_by_rule_row is 'What a check found about one rule.';
comment on column saldo.health_by_rule_row.rule is 'The rule.';
comment on column saldo.health_by_rule_row.title is 'What must hold.';
comment on column saldo.health_by_rule_row.room is 'Room that it belongs to.';
comment on column saldo.health_by_rule_row.finding_count is 'Violations.';
comment on column saldo.health_by_rule_row.account_count is 'Accounts that are concerned.';
comment on column saldo.health_by_rule_row.difference_sum is
  'Sum of the differences without their signs, whatever the currencies.';
comment on column saldo.health_by_rule_row.difference_max is 'The largest of them.';
comment on column saldo.health_by_rule_row.cause is 'The cause that most of them have.';
comment on column saldo.health_by_rule_row.can_heal is 'Whether there is a heal for it.';
comment on type saldo.health_by_account_row is 'What a check found about one account.';
comment on column saldo.health_by_account_row.account_id is 'The account.';
comment on column saldo.health_by_account_row.code is 'Its code.';
comment on column saldo.health_by_account_row.currency is 'Its currency.';
comment on column saldo.health_by_account_row.finding_count is 'Violations.';
comment on column saldo.health_by_account_row.rules is 'Rules that are violated.';
comment on column saldo.health_by_account_row.difference is
  'Balance stored less balance derived; null when that is right.';
comment on column saldo.health_by_account_row.cause is 'The cause that most of them have.';
comment on column saldo.health_by_account_row.healed_count is 'How often it was healed so far.';
comment on type saldo.health_trend_row is 'A check among others.';
comment on column saldo.health_trend_row.check_run_id is 'The check.';
comment on column saldo.health_trend_row.kind is 'What asked for it.';
comment on column saldo.health_trend_row.scope is 'How much it looked at.';
comment on column saldo.health_trend_row.status is 'Its result.';
comment on column saldo.health_trend_row.finished_at is 'When it ended.';
comment on column saldo.health_trend_row.seconds is 'How long it took.';
comment on column saldo.health_trend_row.line_count is 'Lines that it looked at.';
comment on column saldo.health_trend_row.finding_count is 'Violations.';
comment on column saldo.health_trend_row.finding_change is 'How many more than the check before.';
comment on column saldo.health_trend_row.difference_sum is
  'Sum of the differences without their signs, whatever the currencies.';
comment on type saldo.health_event is 'Something that was found about an account or done to it.';
comment on column saldo.health_event.occurred_at is 'When.';
comment on column saldo.health_event.what is
  'finding, a write past the guard, or what a heal did.';
comment on column saldo.health_event.rule is 'Rule of the finding.';
comment on column saldo.health_event.key is 'Key of the finding, or the table that was written.';
comment on column saldo.health_event.difference is 'Stored less derived.';
comment on column saldo.health_event.text is 'Explanation, reason, or statement.';
comment on column saldo.health_event.actor is 'Who asked for the check or the heal, or wrote.';
--! EndIncluded health/report.sql
--! Included health/access.sql
-- Who reads the records of health: administrators and operators; nobody writes them.

do $do$
declare
  v_table text;
begin
  foreach v_table in array array[
    'check_run', 'finding', 'heal_run', 'heal_action', 'maintenance_run'
  ] loop
    perform saldo_private.secure_table(format('saldo.%I', v_table)::regclass);
    execute format('drop policy if exists select_all on saldo.%I', v_table);
    execute format(
      'create policy select_all on saldo.%I for select to saldo_admin, saldo_operator using (true)',
      v_table
    );
    execute format('grant select on saldo.%I to saldo_admin, saldo_operator', v_table);
  end loop;
end
$do$;

comment on type saldo.check_kind is 'What asked for a check.';
comment on type saldo.check_scope is 'How much a check looks at.';
comment on type saldo.check_status is
  'healthy: no finding; unhealthy: findings; failed: a rule could not run.';
comment on type saldo.finding_cause is
  'out_of_band_write: a recorded write past the guard; journal_changed: the journal itself changed '
  'past the engine; sync_trigger_disabled: a trigger that kept balances in step is off; '
  'rule_failed: the rule could not run; uncounted_items: pending or failed items were applied; '
  'doubled_item: recorded twice; unapplied_item: recorded and never applied; unrecorded_item: '
  'applied and never recorded; unknown: nothing recorded explains it.';
comment on type saldo.heal_outcome is
  'healed: rewritten; would_heal: a dry run; already_clean: it agreed by the time its lock was '
  'held; needs_approval: above a limit, see heal_proposal; escalated: healed or undone before, see '
  'heal_proposal; refused: a human decides; undone: a heal was taken back.';

comment on table saldo.check_run is 'A check: a run of the rules.';
comment on column saldo.check_run.id is 'Id, ordered by time.';
comment on column saldo.check_run.kind is 'What asked for it.';
comment on column saldo.check_run.scope is
  'full: everything; incremental: what was posted since the verified point, and all totals.';
comment on column saldo.check_run.slice_count is 'Slices that a full check was made in.';
comment on column saldo.check_run.verified_at is
  'When the full check began that what is not looked at here was proven by.';
comment on column saldo.check_run.verified_line_count is
  'Lines that are proven in all, this run included.';
comment on column saldo.check_run.status is 'Its result.';
comment on column saldo.check_run.started_at is 'When it began.';
comment on column saldo.check_run.finished_at is 'When it ended.';
comment on column saldo.check_run.actor is 'Who asked: token subject or login.';
comment on column saldo.check_run.rule_count is 'Rules that were run.';
comment on column saldo.check_run.failed_rule_count is 'Rules that could not run.';
comment on column saldo.check_run.finding_count is 'Violations that were found.';
comment on column saldo.check_run.account_count is 'Accounts that were covered.';
comment on column saldo.check_run.line_count is 'Journal lines that were looked at.';
comment on column saldo.check_run.snapshot is
  'Snapshot at its beginning (pg_snapshot): whose writes it saw at least.';

comment on table saldo.finding is 'A violation of a rule that a check found.';
comment on column saldo.finding.id is 'Id.';
comment on column saldo.finding.check_run_id is 'The check that found it.';
comment on column saldo.finding.rule is 'The rule.';
comment on column saldo.finding.key is 'What it is about, in the rule''s own key.';
comment on column saldo.finding.account_id is 'Account, where it is about one.';
comment on column saldo.finding.stored is 'What is stored.';
comment on column saldo.finding.derived is 'What follows from the truth.';
comment on column saldo.finding.difference is 'Stored less derived, in the account''s currency.';
comment on column saldo.finding.detail is 'More of what the rule saw.';
comment on column saldo.finding.cause is 'The likely cause.';
comment on column saldo.finding.explanation is 'The cause in a sentence.';
comment on column saldo.finding.evidence is 'Recorded events that speak for it, newest first.';

comment on table saldo.heal_run is 'A run of auto_heal.';
comment on column saldo.heal_run.id is 'Id, ordered by time.';
comment on column saldo.heal_run.is_dry_run is 'Whether it only said what it would do.';
comment on column saldo.heal_run.check_run_id is 'The check whose findings it worked on.';
comment on column saldo.heal_run.started_at is 'When it began.';
comment on column saldo.heal_run.finished_at is 'When it ended.';
comment on column saldo.heal_run.actor is 'Who asked: token subject or login.';
comment on column saldo.heal_run.healed_count is 'Findings that were healed.';
comment on column saldo.heal_run.refused_count is 'Findings that were refused.';
comment on column saldo.heal_run.needs_approval_count is
  'Findings above a limit: each has a heal_proposal, unless it is a dry run.';
comment on column saldo.heal_run.escalated_count is
  'Findings that were healed or undone before: each has a heal_proposal, unless it is a dry run.';
comment on column saldo.heal_run.frozen_count is
  'Accounts that were frozen because their journal was changed.';

comment on table saldo.heal_action is 'What a heal did about one finding: the audit trail.';
comment on column saldo.heal_action.id is 'Id, ordered by time.';
comment on column saldo.heal_action.heal_run_id is 'Its run; null = a human decided on this one.';
comment on column saldo.heal_action.finding_id is 'The finding; null = an adjustment without one.';
comment on column saldo.heal_action.rule is 'Rule of the finding.';
comment on column saldo.heal_action.key is 'Key of the finding.';
comment on column saldo.heal_action.account_id is 'Account, where it is about one.';
comment on column saldo.heal_action.outcome is 'What became of it.';
comment on column saldo.heal_action.before is 'The cache before.';
comment on column saldo.heal_action.after is 'The cache after.';
comment on column saldo.heal_action.reason is 'Why it was healed, or why not.';
comment on column saldo.heal_action.actor is 'Who asked: token subject or login.';
comment on column saldo.heal_action.healed_at is 'When.';
comment on column saldo.heal_action.proposal_id is
  'The proposal that it wrote, or that was approved.';
comment on column saldo.heal_action.undoes is 'The heal that it took back.';

comment on table saldo.maintenance_run is 'A run of scheduled_maintenance.';
comment on column saldo.maintenance_run.id is 'Id, ordered by time.';
comment on column saldo.maintenance_run.status is 'Result of the check at its end.';
comment on column saldo.maintenance_run.started_at is 'When it began.';
comment on column saldo.maintenance_run.finished_at is 'When it ended.';
comment on column saldo.maintenance_run.actor is 'Who asked: token subject or login.';
comment on column saldo.maintenance_run.check_before_id is 'The check that it began with.';
comment on column saldo.maintenance_run.heal_run_id is 'The heal.';
comment on column saldo.maintenance_run.check_after_id is 'The check that it ended with.';
--! EndIncluded health/access.sql
--! Included health/alert_condition.sql
-- What an alert can be about. A condition is a row of saldo.alert_condition, and a function
-- saldo_private.alert_<name> that returns a row for each thing that is not as it should be now.
--
-- Public: saldo.alert_condition. Private: register_alert_condition, unhealed_action, alert_<name>.
-- They read what checks, heals, settlement and guard have left, never balances or the journal, so
-- that they can be looked at every few seconds. Their keys are few: rules, not accounts.

create or replace function saldo_private.alert_balance_sheet_invalid()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'balance_sheet',
    format('Assets differ from liabilities plus equity: %s.', string_agg(t.currency || ' by '
      || (t.total_assets - t.total_liabilities - t.total_equity), ', ' order by t.currency)),
    jsonb_build_object('check_run_id', c.id, 'difference', jsonb_object_agg(
      t.currency, (t.total_assets - t.total_liabilities - t.total_equity)::text
    ))
  from saldo_private.last_check() as c
  join saldo.check_total as t on t.check_run_id = c.id
  where not t.is_valid
  group by c.id
$$;
comment on function saldo_private.alert_balance_sheet_invalid is
  'Whether the balance sheet did not balance at the end of the last check.';

create or replace function saldo_private.alert_drift_found()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select t.rule,
    format('%s: %s findings in the last check, the amounts add up to %s.', r.title,
      t.finding_count, t.amount),
    jsonb_build_object('check_run_id', t.check_run_id, 'finding_count', t.finding_count,
      'amount', t.amount::text, 'examples', t.examples)
  from saldo_private.last_check() as c
  join saldo.check_rule_total as t on t.check_run_id = c.id
  join saldo.balance_rule as r on r.name = t.rule
  where t.failure is null
  -- Conditions of their own.
  and t.rule not in ('balance_sheet', 'settlement_lag')
$$;
comment on function saldo_private.alert_drift_found is
  'Rules that the last check found broken, with the five largest findings of each.';

create or replace function saldo_private.alert_rule_failed()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select t.rule, left(t.failure, 1000), jsonb_build_object('check_run_id', t.check_run_id)
  from saldo_private.last_check() as c
  join saldo.check_rule_total as t on t.check_run_id = c.id
  where t.failure is not null
$$;
comment on function saldo_private.alert_rule_failed is 'Rules that the last check could not run.';

create or replace function saldo_private.unhealed_action()
returns table (rule text, key text, outcome text, reason text, is_found boolean)
language sql
stable
as $$
  -- By the names of outcomes, as text: those that are not done are about a human's work.
  select a.rule, a.key, a.outcome::text, a.reason, found.rule is not null
  from (
    select run.id
    from saldo.heal_run as run
    where not run.is_dry_run
    order by run.id desc
    limit 1
  ) as last
  join saldo.heal_action as a on a.heal_run_id = last.id
  left join (
    select distinct f.rule, f.key
    from saldo_private.last_check() as c
    join saldo.finding as f on f.check_run_id = c.id
  ) as found on found.rule = a.rule and found.key = a.key
  where a.outcome::text not in ('healed', 'would_heal', 'already_clean', 'undone')
$$;
comment on function saldo_private.unhealed_action is
  'What the last heal did not do, and whether the last check still found it.';

create or replace function saldo_private.alert_heal_refused()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select a.rule, format('%s findings were not healed: %s', count(*), left(min(a.reason), 500)),
    jsonb_build_object('finding_count', count(*), 'keys', (array_agg(a.key order by a.key))[1:5])
  from saldo_private.unhealed_action() as a
  where a.outcome !~ '^escalat'
  and a.is_found
  group by a.rule
$$;
comment on function saldo_private.alert_heal_refused is
  'Rules whose findings the last heal refused and the last check still found.';

create or replace function saldo_private.alert_heal_escalated()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select a.rule, format('%s findings came again after a heal: %s', count(*),
      left(min(a.reason), 500)),
    jsonb_build_object('finding_count', count(*), 'keys', (array_agg(a.key order by a.key))[1:5])
  from saldo_private.unhealed_action() as a
  where a.outcome ~ '^escalat'
  group by a.rule
$$;
comment on function saldo_private.alert_heal_escalated is
  'Rules whose findings the last heal escalated: they were healed before, and came again.';

create or replace function saldo_private.alert_settlement_late()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'settlement',
    format('Rows of %s hot accounts wait for settlement, the oldest since %s.', count(*),
      to_char(min(p.oldest_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')),
    jsonb_build_object('account_count', count(*), 'oldest_pending_at', min(p.oldest_at),
      'account_ids', (array_agg(h.account_id order by p.oldest_at))[1:5])
  from saldo_private.hot_account as h
  cross join lateral (
    select saldo_private.oldest_pending_at(h.account_id) as oldest_at
    offset 0
  ) as p
  where p.oldest_at < now() - make_interval(
    secs => saldo_private.setting_value('settlement_lag_max_seconds')::integer
  )
  having count(*) > 0
$$;
comment on function saldo_private.alert_settlement_late is
  'Whether rows are pending for longer than the setting settlement_lag_max_seconds.';

create or replace function saldo_private.alert_backlog()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'settlement',
    format('%s rows of one account wait for settlement; at %s its transactions are refused.',
      max(f.row_count), min(base.most)),
    jsonb_build_object('account_count', count(*), 'pending_count_max', max(f.row_count),
      'account_ids', (array_agg(h.account_id order by f.row_count desc))[1:5])
  from (
    select saldo_private.setting_value('settlement_backlog_limit')::numeric as most,
      saldo_private.setting_value('backlog_alert_percent')::numeric / 100 as share
  ) as base
  cross join saldo_private.hot_account as h
  cross join lateral saldo_private.pending_figures(h.account_id) as f
  where f.row_count >= base.most * base.share
  having count(*) > 0
$$;
comment on function saldo_private.alert_backlog is
  'Whether the pending rows of an account reach the share backlog_alert_percent of the limit.';

create or replace function saldo_private.alert_worker_silent()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'worker', case when s.worker_seen_at is null then 'No worker was ever seen.' else
      format('No worker was seen since %s.',
        to_char(s.worker_seen_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) end,
    jsonb_build_object('worker_seen_at', s.worker_seen_at)
  from saldo_private.alert_state as s
  where coalesce(s.worker_seen_at, s.created_at) < clock_timestamp() - make_interval(
    secs => saldo_private.setting_value('worker_silent_seconds')::integer
  )
$$;
comment on function saldo_private.alert_worker_silent is
  'Whether no worker was seen for longer than the setting worker_silent_seconds.';

create or replace function saldo_private.alert_check_overdue()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'check', case when c.finished_at is null then 'The balances were never checked.' else
      format('The balances were last checked at %s.',
        to_char(c.finished_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) end,
    jsonb_build_object('check_run_id', c.id, 'last_check_at', c.finished_at)
  from saldo_private.alert_state as s
  left join saldo_private.last_check() as c on true
  where coalesce(c.finished_at, s.created_at) < now() - make_interval(
    hours => saldo_private.setting_value('check_overdue_hours')::integer
  )
$$;
comment on function saldo_private.alert_check_overdue is
  'Whether the last check is older than the setting check_overdue_hours.';

create or replace function saldo_private.alert_guard_tripped()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'guard', format('%s writes went past the guard; the last one: %s of %s by %s.', count(*),
      (array_agg(g.operation order by g.id desc))[1],
      (array_agg(g.table_name order by g.id desc))[1],
      (array_agg(g.login order by g.id desc))[1]),
    jsonb_build_object('event_count', count(*), 'last_event_id', (array_agg(g.id
      order by g.id desc))[1], 'last_event_at', max(g.occurred_at))
  from saldo_private.alert_state as s
  cross join lateral (
    select each.*
    from saldo.guard_event as each
    order by each.id desc
    limit 1000
  ) as g
  left join lateral (
    select c.snapshot
    from saldo.check_run as c
    where c.status = 'healthy'
    order by c.finished_at desc
    limit 1
  ) as healthy on true
  -- Not yet seen by a check that found all in order, or not yet by an evaluation: it may have been
  -- healed since, and somebody is to hear of it all the same.
  where not coalesce(
    pg_visible_in_snapshot(g.transaction_id, healthy.snapshot::pg_snapshot), false
  )
  or not coalesce(pg_visible_in_snapshot(g.transaction_id, s.snapshot::pg_snapshot), true)
  having count(*) > 0
$$;
comment on function saldo_private.alert_guard_tripped is
  'Whether writes went past the guard that no check has seen and found all in order, or that came '
  'since the last evaluation; the newest 1,000 are looked at.';

create or replace function saldo_private.alert_slot_rebuild_storm()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select 'slots', format('Slots of %s accounts were rebuilt again and again, up to %s times.',
      count(*), max(r.row_count)),
    jsonb_build_object('account_count', count(*), 'rebuild_count_max', max(r.row_count),
      'account_ids', (array_agg(r.account_id order by r.row_count desc))[1:5])
  from (
    select each.account_id, count(*) as row_count
    from saldo.slot_rebuild as each
    where each.rebuilt_at > now() - interval '10 minutes'
    group by each.account_id
  ) as r
  where r.row_count >= saldo_private.setting_value('slot_rebuild_alert_count')::integer
  having count(*) > 0
$$;
comment on function saldo_private.alert_slot_rebuild_storm is
  'Whether the slots of an account were rebuilt slot_rebuild_alert_count times in ten minutes.';

create or replace function saldo_private.register_alert_condition(
  name text,
  severity text,
  title text,
  advice text,
  is_watched boolean default true
)
returns void
language sql
as $$
  insert into saldo.alert_condition (name, severity, title, advice, is_watched)
  values (
    register_alert_condition.name, register_alert_condition.severity::saldo.alert_severity,
    register_alert_condition.title, register_alert_condition.advice,
    register_alert_condition.is_watched
  )
  on conflict on constraint alert_condition_pkey do update
  set severity = excluded.severity,
    title = excluded.title,
    advice = excluded.advice,
    is_watched = excluded.is_watched
$$;
comment on function saldo_private.register_alert_condition is
  'Registers the condition whose function is saldo_private.alert_<name>, where it is watched.';

select saldo_private.register_alert_condition(name, severity, title, advice, is_watched)
from (
  values
    ('balance_sheet_invalid', 'critical', 'The balance sheet does not balance',
      'Look at the findings of the last check before anything else is posted by hand.', true),
    ('drift_found', 'warning', 'Stored balances differ from the journal',
      'Look at the findings and their causes, then at auto_heal with dry_run.', true),
    ('rule_failed', 'critical', 'A rule could not run',
      'Until it runs nobody knows whether it holds: mend what its message names.', true),
    ('heal_refused', 'critical', 'A heal was refused',
      'A human decides: the reason stands in heal_action.', true),
    ('heal_escalated', 'critical', 'A drift came again after it was healed',
      'Something goes on writing wrong balances: find it by the evidence of the findings.', true),
    ('settlement_late', 'critical', 'Settlement is late',
      'See that a worker is running, and what its log says of settle_sub_balances.', true),
    ('backlog', 'warning', 'Many rows wait for settlement',
      'See that a worker is running; at the limit transactions are refused with SB202.', true),
    ('worker_silent', 'critical', 'No worker is running',
      'Start one: without it nothing is settled, checked or maintained.', true),
    ('check_overdue', 'critical', 'The balances were not checked in time',
      'See that a worker is running, and what its log says of reconcile.', true),
    ('guard_tripped', 'critical', 'A write went past the guard',
      'Ask who it was: guard_event has login, address and statement. Then check.', true),
    ('slot_rebuild_storm', 'warning', 'Slots of hot accounts are rebuilt again and again',
      'Look at slot_rebuild and for crashes of the database: each rebuild is a wait.', true),
    ('evaluation_failed', 'critical', 'A condition could not be looked at',
      'Its alerts stay as they were: mend what the message names.', false),
    ('test', 'info', 'A test alert', 'Nothing is wrong: somebody asked for it.', false)
) as condition (name, severity, title, advice, is_watched);

select saldo_private.secure_table('saldo.alert_condition');
drop policy if exists select_all on saldo.alert_condition;
create policy select_all on saldo.alert_condition for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.alert_condition to saldo_admin, saldo_operator;

comment on type saldo.alert_severity is
  'critical: money or its safety is in doubt; warning: look at it today; info: nothing is wrong.';
comment on table saldo.alert_condition is 'What an alert can be about.';
comment on column saldo.alert_condition.name is
  'Name; what is watched has a function saldo_private.alert_<name>.';
comment on column saldo.alert_condition.severity is 'How urgent it is.';
comment on column saldo.alert_condition.title is 'What is wrong, in a few words.';
comment on column saldo.alert_condition.advice is 'What to do first.';
comment on column saldo.alert_condition.is_watched is 'Whether each evaluation looks at it.';
--! EndIncluded health/alert_condition.sql
--! Included health/alert_delivery.sql
-- Delivery of alerts: a row for each message and channel, which stays until it was sent.
--
-- Public: saldo.alert_delivery. Private: tell_alert, due_alert_deliveries, claim_alert_delivery,
-- record_alert_attempt, give_up_alert_deliveries.
-- Whoever sends (a job of the worker; the server when no worker is there) claims the row, sends,
-- and records the outcome in one transaction: the row's lock keeps others from sending it too, and
-- a process that is killed meanwhile lets go of it. So a message may come twice, with the same id,
-- and is never lost. Addresses and secrets are in no table.

create or replace function saldo_private.tell_alert(alert_ids uuid[], event saldo.alert_event)
returns void
language sql
as $$
  insert into saldo.alert_delivery (
    id, alert_id, channel, event, message, created_at, next_attempt_at
  )
  select saldo_private.uuid_v7(), a.id, channel.name::saldo.alert_channel, tell_alert.event,
    -- Kept as it is now: a message that is late still says what it was about.
    jsonb_build_object(
      'alert_id', a.id, 'event', tell_alert.event, 'condition', a.condition, 'key', a.key,
      'severity', a.severity, 'title', a.title, 'text', a.text, 'advice', c.advice,
      'detail', a.detail, 'opened_at', a.opened_at, 'last_seen_at', a.last_seen_at,
      'resolved_at', case when tell_alert.event = 'resolved' then a.resolved_at end,
      'database', current_database()
    ),
    clock_timestamp(), clock_timestamp()
  from saldo.alert as a
  join saldo.alert_condition as c on c.name = a.condition
  cross join unnest(
    string_to_array(nullif(saldo_private.setting_value('alert_channels'), ''), ',')
  ) as channel (name)
  where a.id = any (tell_alert.alert_ids)
  order by a.id
$$;
comment on function saldo_private.tell_alert is
  'Makes the messages about alerts, one for each channel of the setting alert_channels.';

create or replace function saldo_private.due_alert_deliveries(
  channels text[],
  within_seconds integer
)
returns table (id uuid, next_attempt_at timestamptz)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select due.id, due.next_attempt_at
  from (
    select d.id, d.channel, d.next_attempt_at,
      row_number() over (partition by d.channel order by d.next_attempt_at, d.id) as place
    from saldo.alert_delivery as d
    where d.delivered_at is null
    and d.failed_at is null
    and d.next_attempt_at <= clock_timestamp() + make_interval(secs => within_seconds)
    and d.channel::text = any (channels)
    -- In order: a recovery is not told before what it is about.
    and not exists (
      select
      from saldo.alert_delivery as earlier
      where earlier.alert_id = d.alert_id
      and earlier.channel = d.channel
      and earlier.id < d.id
      and earlier.delivered_at is null
      and earlier.failed_at is null
    )
  ) as due
  left join lateral (
    select d.delivered_at is null and d.failed_at is null as is_failing
    from saldo.alert_delivery as d
    where d.channel = due.channel
    and d.last_attempt_at is not null
    order by d.last_attempt_at desc
    limit 1
  ) as last on true
  -- A receiver that is away is asked by one message, or each would wait for its silence in turn,
  -- and settlement for them.
  where due.place <= case when last.is_failing then 1 else 10 end
  order by due.next_attempt_at
$$;
comment on function saldo_private.due_alert_deliveries is
  'Messages of these channels to be sent now or within so many seconds: ten of a channel at most, '
  'one where the last attempt found no receiver.';
grant execute on function saldo_private.due_alert_deliveries to saldo_admin;

create or replace function saldo_private.claim_alert_delivery(delivery_id uuid)
returns setof saldo.alert_delivery
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select d.*
  from saldo.alert_delivery as d
  where d.id = claim_alert_delivery.delivery_id
  and d.delivered_at is null
  and d.failed_at is null
  and d.next_attempt_at <= clock_timestamp()
  for update skip locked
$$;
comment on function saldo_private.claim_alert_delivery is
  'Locks a message to be sent to the end of the transaction; no row when it was sent, when its '
  'time has not come, or when somebody else is sending it.';
grant execute on function saldo_private.claim_alert_delivery to saldo_admin;

create or replace function saldo_private.record_alert_attempt(
  delivery_id uuid,
  outcome text,
  status integer,
  error text,
  retry_after_seconds integer default 0
)
returns void
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  update saldo.alert_delivery as d
  set attempt_count = d.attempt_count + 1,
    last_attempt_at = clock_timestamp(),
    last_status = record_alert_attempt.status,
    last_error = left(record_alert_attempt.error, 500),
    delivered_at = case when outcome = 'delivered' then clock_timestamp() end,
    failed_at = case when outcome = 'failed' then clock_timestamp() end,
    -- 5 seconds, twice as many each time, five minutes at most, unless the receiver asks for more.
    next_attempt_at = clock_timestamp() + make_interval(secs => greatest(
      least(5 * 2.0 ^ least(d.attempt_count, 10), 300),
      least(record_alert_attempt.retry_after_seconds, 3600)
    ))
  where d.id = record_alert_attempt.delivery_id
  and d.delivered_at is null
  and d.failed_at is null
$$;
comment on function saldo_private.record_alert_attempt is
  'Records that a message was delivered, is to be tried again, or failed for good.';
grant execute on function saldo_private.record_alert_attempt to saldo_admin;

create or replace function saldo_private.give_up_alert_deliveries()
returns void
language sql
as $$
  update saldo.alert_delivery as d
  set failed_at = clock_timestamp(),
    last_error = format('given up after %s hours; %s',
      saldo_private.setting_value('alert_retry_hours'),
      coalesce(d.last_error, 'no process was there that has this channel'))
  where d.delivered_at is null
  and d.failed_at is null
  and d.created_at < clock_timestamp() - make_interval(
    hours => saldo_private.setting_value('alert_retry_hours')::integer
  )
  -- Nobody waits for one that is being sent.
  and d.id in (
    select each.id
    from saldo.alert_delivery as each
    where each.delivered_at is null
    and each.failed_at is null
    for update skip locked
  )
$$;
comment on function saldo_private.give_up_alert_deliveries is
  'Ends messages that could not be sent within the setting alert_retry_hours.';

select saldo_private.secure_table('saldo.alert_delivery');
drop policy if exists select_all on saldo.alert_delivery;
create policy select_all on saldo.alert_delivery for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.alert_delivery to saldo_admin, saldo_operator;

comment on type saldo.alert_event is
  'opened: it began; reminder: it still stands; resolved: it is over; test: somebody asked.';
comment on type saldo.alert_channel is 'Way on which messages are sent.';
comment on table saldo.alert_delivery is 'A message about an alert on one channel.';
comment on column saldo.alert_delivery.id is
  'Id, ordered by time; it goes with the message, so that a receiver knows it when it comes again.';
comment on column saldo.alert_delivery.alert_id is 'The alert.';
comment on column saldo.alert_delivery.channel is 'Way on which it is sent.';
comment on column saldo.alert_delivery.event is 'What it tells.';
comment on column saldo.alert_delivery.message is 'What it says, as it was when it was made.';
comment on column saldo.alert_delivery.created_at is 'When it was made.';
comment on column saldo.alert_delivery.next_attempt_at is 'When it is tried, or tried again.';
comment on column saldo.alert_delivery.attempt_count is
  'Attempts that ended; one that a crash cut short is not counted.';
comment on column saldo.alert_delivery.last_attempt_at is 'When the last one ended.';
comment on column saldo.alert_delivery.last_status is
  'What the receiver answered: status of HTTP or SMTP; null = no answer.';
comment on column saldo.alert_delivery.last_error is 'Why it failed, without address or secret.';
comment on column saldo.alert_delivery.delivered_at is 'When the receiver took it.';
comment on column saldo.alert_delivery.failed_at is 'When it was given up; it is not tried again.';
--! EndIncluded health/alert_delivery.sql
--! Included health/alert.sql
-- Alerts: what does not hold is opened, what goes on is kept, what is over is resolved, and each of
-- them is told once.
--
-- Public: evaluate_alerts, send_test_alert, acknowledge_alert; saldo.alert. Private:
-- run_alert_evaluation, record_worker_seen, needs_alert_watch.
-- One evaluation at a time, by an advisory lock; the unique index of open alerts would refuse a
-- second one. A condition that cannot be looked at becomes an alert itself, and stops no other.

create or replace function saldo_private.run_alert_evaluation__look()
returns setof saldo_private.alert_fact
language plpgsql
as $$
declare
  v_name text;
begin
  for v_name in
    select c.name
    from saldo.alert_condition as c
    where c.is_watched
    order by c.name
  loop
    begin
      return query execute format(
        'select %L::text, f.key, f.text, f.detail from saldo_private.%I() as f',
        v_name, 'alert_' || v_name
      );
    exception
      when others then
        return query select 'evaluation_failed', v_name,
          format('%s could not be looked at: %s (%s)', v_name, sqlerrm, sqlstate), '{}'::jsonb;
    end;
  end loop;
end
$$;
comment on function saldo_private.run_alert_evaluation__look is
  'What is not as it should be now, condition by condition.';

create or replace function saldo_private.run_alert_evaluation__resolve(
  facts saldo_private.alert_fact[]
)
returns integer
language plpgsql
as $$
declare
  v_ids uuid[];
begin
  with resolved as (
    update saldo.alert as a
    set resolved_at = clock_timestamp()
    where a.resolved_at is null
    and not exists (
      select
      from unnest(facts) as f
      where (f.condition = a.condition and f.key = a.key)
      -- Not known is not over.
      or (f.condition = 'evaluation_failed' and f.key = a.condition)
    )
    returning a.id
  )
  select array_agg(resolved.id)
  into v_ids
  from resolved;
  perform saldo_private.tell_alert(v_ids, 'resolved');
  return coalesce(cardinality(v_ids), 0);
end
$$;
comment on function saldo_private.run_alert_evaluation__resolve is
  'Resolves the alerts that no longer hold, and tells of it.';

create or replace function saldo_private.run_alert_evaluation__open(
  facts saldo_private.alert_fact[]
)
returns integer
language plpgsql
as $$
declare
  v_ids uuid[];
begin
  update saldo.alert as a
  set last_seen_at = clock_timestamp(),
    occurrence_count = a.occurrence_count + 1,
    text = f.text,
    detail = f.detail
  from unnest(facts) as f
  where a.condition = f.condition
  and a.key = f.key
  and a.resolved_at is null;

  with opened as (
    insert into saldo.alert (
      id, condition, key, severity, title, text, detail, opened_at, last_seen_at, told_at
    )
    select saldo_private.uuid_v7(), f.condition, f.key, c.severity, c.title, f.text, f.detail,
      clock_timestamp(), clock_timestamp(), clock_timestamp()
    from unnest(facts) as f
    join saldo.alert_condition as c on c.name = f.condition
    on conflict (condition, key) where resolved_at is null do nothing
    returning id
  )
  select array_agg(opened.id)
  into v_ids
  from opened;
  perform saldo_private.tell_alert(v_ids, 'opened');
  return coalesce(cardinality(v_ids), 0);
end
$$;
comment on function saldo_private.run_alert_evaluation__open is
  'Refreshes the alerts that stand, opens those that are new, and tells of these.';

create or replace function saldo_private.run_alert_evaluation__remind()
returns integer
language plpgsql
as $$
declare
  v_ids uuid[];
begin
  with due as (
    update saldo.alert as a
    set told_at = clock_timestamp()
    where a.resolved_at is null
    and a.acknowledged_at is null
    and a.told_at < clock_timestamp() - make_interval(
      hours => saldo_private.setting_value('alert_reminder_hours')::integer
    )
    -- While a receiver is away one message waits for it, not one more each day.
    and not exists (
      select
      from saldo.alert_delivery as d
      where d.alert_id = a.id
      and d.delivered_at is null
      and d.failed_at is null
    )
    returning a.id
  )
  select array_agg(due.id)
  into v_ids
  from due;
  perform saldo_private.tell_alert(v_ids, 'reminder');
  return coalesce(cardinality(v_ids), 0);
end
$$;
comment on function saldo_private.run_alert_evaluation__remind is
  'Tells again of alerts that stand longer than alert_reminder_hours and nobody acknowledged.';

create or replace function saldo_private.run_alert_evaluation()
returns saldo.alert_evaluation
language plpgsql
as $$
declare
  v_result saldo.alert_evaluation;
  v_snapshot text;
  v_facts saldo_private.alert_fact[];
begin
  v_result.is_skipped := not pg_try_advisory_xact_lock(7247, 1);
  if not v_result.is_skipped then
    -- Taken before anything is looked at: what comes meanwhile is new to the next evaluation.
    v_snapshot := pg_current_snapshot();
    v_facts := array(
      select fact from saldo_private.run_alert_evaluation__look() as fact
    );
    v_result.resolved_count := saldo_private.run_alert_evaluation__resolve(v_facts);
    v_result.opened_count := saldo_private.run_alert_evaluation__open(v_facts);
    v_result.reminded_count := saldo_private.run_alert_evaluation__remind();
    perform saldo_private.give_up_alert_deliveries();
    update saldo_private.alert_state
    set evaluated_at = clock_timestamp(),
      snapshot = v_snapshot;
    delete from saldo.alert as a
    where a.resolved_at < clock_timestamp() - make_interval(
      days => saldo_private.setting_value('alert_keep_days')::integer
    );
  end if;
  v_result.open_count := (select count(*) from saldo.alert as a where a.resolved_at is null);
  return v_result;
end
$$;
comment on function saldo_private.run_alert_evaluation is
  'Looks at all conditions and brings the alerts up to date; skipped while another one runs.';

create or replace function saldo.evaluate_alerts()
returns saldo.alert_evaluation
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
-- A condition that waits for a lock is one that cannot be looked at: the others have their turn.
set lock_timeout = '5s'
as $$
begin
  return saldo_private.run_alert_evaluation();
end
$$;
comment on function saldo.evaluate_alerts is
  'Looks at all conditions, opens, reminds of and resolves alerts, and makes the messages, which '
  'jobs send. It goes by what checks, heals and settlement have left and scans no balances. While '
  'another evaluation runs nothing is done and is_skipped is true.';
revoke execute on function saldo.evaluate_alerts from public;
grant execute on function saldo.evaluate_alerts to saldo_admin;

create or replace function saldo.send_test_alert()
returns saldo.alert
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_alert saldo.alert;
begin
  if saldo_private.setting_value('alert_channels') = '' then
    perform saldo_private.fail('alert_channel_missing', '');
  end if;
  insert into saldo.alert (
    id, condition, key, severity, title, text, opened_at, last_seen_at, told_at, resolved_at
  )
  select t.id, c.name, t.id::text, c.severity, c.title,
    format('%s asked for it, to see whether alerts arrive.', saldo_private.actor()),
    t.at, t.at, t.at, t.at
  from (select saldo_private.uuid_v7() as id, clock_timestamp() as at) as t
  join saldo.alert_condition as c on c.name = 'test'
  returning *
  into v_alert;
  perform saldo_private.tell_alert(array[v_alert.id], 'test');
  return v_alert;
end
$$;
comment on function saldo.send_test_alert is
  'Sends a test alert on every channel; how that goes is in alert_delivery. It is never open. '
  'Errors: SB651 where no channel is set up.';
revoke execute on function saldo.send_test_alert from public;
grant execute on function saldo.send_test_alert to saldo_admin;

create or replace function saldo.acknowledge_alert(alert_id uuid, note text)
returns saldo.alert
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_alert saldo.alert;
  v_note text := saldo_private.require_text(note, 'note');
begin
  update saldo.alert as a
  set acknowledged_at = clock_timestamp(),
    acknowledged_by = saldo_private.actor(),
    acknowledgement_note = v_note
  where a.id = acknowledge_alert.alert_id
  returning a.*
  into v_alert;
  if v_alert.id is null then
    perform saldo_private.fail('not_found', format('alert %s', alert_id));
  end if;
  return v_alert;
end
$$;
comment on function saldo.acknowledge_alert is
  'Notes that somebody takes care of an alert: there are no more reminders; that it is over is '
  'told all the same. Again: the newer note counts. Errors: SB010, SB008, SB009 for the note, '
  'SB007 for an unknown alert.';
revoke execute on function saldo.acknowledge_alert from public;
grant execute on function saldo.acknowledge_alert to saldo_admin;

create or replace function saldo_private.record_worker_seen()
returns void
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  update saldo_private.alert_state
  set worker_seen_at = clock_timestamp()
$$;
comment on function saldo_private.record_worker_seen is 'Notes that a worker lives.';
grant execute on function saldo_private.record_worker_seen to saldo_admin;

create or replace function saldo_private.needs_alert_watch(stale_seconds integer)
returns boolean
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select coalesce(s.evaluated_at, s.created_at)
      < clock_timestamp() - make_interval(secs => stale_seconds)
    or exists (select from saldo_private.alert_worker_silent())
  from saldo_private.alert_state as s
$$;
comment on function saldo_private.needs_alert_watch is
  'Whether workers leave alerts alone: none was seen, or nobody evaluated for so many seconds.';
grant execute on function saldo_private.needs_alert_watch to saldo_admin;

select saldo_private.secure_table('saldo_private.alert_state');
select saldo_private.secure_table('saldo.alert');
drop policy if exists select_all on saldo.alert;
create policy select_all on saldo.alert for select to saldo_admin, saldo_operator using (true);
grant select on saldo.alert to saldo_admin, saldo_operator;

comment on table saldo.alert is 'Something that was not as it should be; open until resolved_at.';
comment on column saldo.alert.id is 'Id, ordered by time.';
comment on column saldo.alert.condition is 'What it is about.';
comment on column saldo.alert.key is 'Which one: a rule, say. Of a condition and key one is open.';
comment on column saldo.alert.severity is 'How urgent it is.';
comment on column saldo.alert.title is 'What is wrong, in a few words.';
comment on column saldo.alert.text is 'What is wrong, as it was last seen.';
comment on column saldo.alert.detail is 'Figures and examples, as they were last seen.';
comment on column saldo.alert.opened_at is 'When it was first seen.';
comment on column saldo.alert.last_seen_at is 'When it was last seen.';
comment on column saldo.alert.told_at is 'When messages that it stands were last made.';
comment on column saldo.alert.resolved_at is 'When it was found to be over; null = open.';
comment on column saldo.alert.occurrence_count is 'Evaluations that saw it.';
comment on column saldo.alert.acknowledged_at is 'When somebody said to take care of it.';
comment on column saldo.alert.acknowledged_by is 'Who: token subject or login.';
comment on column saldo.alert.acknowledgement_note is 'What they noted.';
comment on type saldo.alert_evaluation is 'What an evaluation of the conditions did.';
comment on column saldo.alert_evaluation.is_skipped is 'Whether another one was running.';
comment on column saldo.alert_evaluation.opened_count is 'Alerts that were opened.';
comment on column saldo.alert_evaluation.reminded_count is 'Alerts that were told of again.';
comment on column saldo.alert_evaluation.resolved_count is 'Alerts that were resolved.';
comment on column saldo.alert_evaluation.open_count is 'Alerts that are open now.';
comment on type saldo_private.alert_fact is 'Something that a condition saw.';
comment on column saldo_private.alert_fact.condition is 'The condition.';
comment on column saldo_private.alert_fact.key is 'Which one.';
comment on column saldo_private.alert_fact.text is 'What is wrong.';
comment on column saldo_private.alert_fact.detail is 'Figures and examples.';
comment on table saldo_private.alert_state is 'Who looked last; one row.';
comment on column saldo_private.alert_state.id is 'Always 1.';
comment on column saldo_private.alert_state.created_at is 'When the database began to watch.';
comment on column saldo_private.alert_state.evaluated_at is 'When conditions were last looked at.';
comment on column saldo_private.alert_state.snapshot is
  'Snapshot of that look (pg_snapshot): guard events that it did not see are new.';
comment on column saldo_private.alert_state.worker_seen_at is 'When a worker was last seen.';
--! EndIncluded health/alert.sql
--! Included health/health_metric.sql
-- Figures of health for Prometheus: alerts and their delivery, the last check rule by rule, the
-- last heal, guard events, the worker.
--
-- Private: health_metric. Labels are conditions, channels, rules and outcomes: few, and known
-- beforehand. Each has its figure also when it is zero, so that a rule of Prometheus sees it fall.

create or replace function saldo_private.health_metric__check()
returns table (name text, label text, value numeric)
language sql
stable
as $$
  select 'last_check_status', s.status::text, (c.status is not distinct from s.status)::integer
  from unnest(enum_range(null::saldo.check_status)) as s (status)
  left join saldo_private.last_check() as c on true
  union all
  select figure.name, null, figure.value
  from saldo_private.last_check() as c
  cross join lateral (
    values ('last_check_at', extract(epoch from c.finished_at)),
      ('last_check_rules', c.rule_count),
      ('last_check_failed_rules', c.failed_rule_count),
      ('last_check_findings', c.finding_count),
      ('last_check_accounts', c.account_count),
      ('last_check_lines', c.line_count)
  ) as figure (name, value)
  union all
  select figure.name, r.name, figure.value
  from saldo.balance_rule as r
  left join (
    select t.rule, t.finding_count, t.amount
    from saldo_private.last_check() as c
    join saldo.check_rule_total as t on t.check_run_id = c.id
  ) as f on f.rule = r.name
  cross join lateral (
    values ('drift_findings', coalesce(f.finding_count, 0)),
      ('drift_amount', coalesce(f.amount, 0))
  ) as figure (name, value)
  where r.is_enabled
$$;
comment on function saldo_private.health_metric__check is 'Figures of the last check.';

create or replace function saldo_private.health_metric__alert()
returns table (name text, label text, value numeric)
language sql
stable
as $$
  select 'open_alerts', c.name, count(a.id)
  from saldo.alert_condition as c
  left join saldo.alert as a on a.condition = c.name and a.resolved_at is null
  where c.name <> 'test'
  group by c.name
  union all
  select 'alert_deliveries_pending', channel.name::text, count(d.id)
  from unnest(enum_range(null::saldo.alert_channel)) as channel (name)
  left join saldo.alert_delivery as d on d.channel = channel.name
    and d.delivered_at is null
    and d.failed_at is null
  group by channel.name
  union all
  select 'alert_deliveries_failed', channel.name::text, count(d.id)
  from unnest(enum_range(null::saldo.alert_channel)) as channel (name)
  left join saldo.alert_delivery as d on d.channel = channel.name and d.failed_at is not null
  group by channel.name
  union all
  select 'alert_delivery_oldest_pending_age_seconds', null,
    coalesce(extract(epoch from clock_timestamp() - min(d.created_at)), 0)
  from saldo.alert_delivery as d
  where d.delivered_at is null
  and d.failed_at is null
$$;
comment on function saldo_private.health_metric__alert is
  'Figures of alerts that are open and of messages that wait or were given up.';

create or replace function saldo_private.health_metric()
returns table (name text, label text, value numeric)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select each.name, each.label, each.value
  from saldo_private.health_metric__check() as each
  union all
  select each.name, each.label, each.value
  from saldo_private.health_metric__alert() as each
  union all
  select 'last_heal_actions', o.outcome::text, count(a.id)
  from unnest(enum_range(null::saldo.heal_outcome)) as o (outcome)
  left join (
    select run.id
    from saldo.heal_run as run
    where not run.is_dry_run
    order by run.id desc
    limit 1
  ) as last on true
  left join saldo.heal_action as a on a.heal_run_id = last.id and a.outcome = o.outcome
  group by o.outcome
  union all
  select 'guard_events_last_day', null, count(*)
  from saldo.guard_event as g
  where g.occurred_at > now() - interval '1 day'
  union all
  select figure.name, null, figure.value
  from saldo_private.alert_state as s
  cross join lateral (
    values ('worker_last_seen_at', extract(epoch from s.worker_seen_at)),
      ('alerts_evaluated_at', extract(epoch from s.evaluated_at))
  ) as figure (name, value)
$$;
comment on function saldo_private.health_metric is
  'Figures of health, each with at most one label; null = not known. Times are Unix times.';
grant execute on function saldo_private.health_metric to
  saldo_admin, saldo_operator, saldo_anonymous;
--! EndIncluded health/health_metric.sql

-- closing: months and years are checked, sealed and locked; the journal is verified
--! Included closing/checklist.sql
-- The checklist: what has to be in order before a period is closed.
--
-- Public: period_checklist. Private: checklist__* (an item each).
-- Each item counts what is open and shows the first of it. Waiving is by name, with a reason.

create or replace function saldo_private.checklist__draft(ends_on date)
returns table (open_count bigint, evidence jsonb)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'entry_id', d.id, 'posting_date', d.posting_date, 'description', d.description
  ) order by d.id) filter (where d.row_no <= 10), '[]')
  from (
    select e.id, e.posting_date, e.description, row_number() over (order by e.id) as row_no
    from saldo.journal_entry as e
    where e.status = 'draft'
    and e.posting_date <= checklist__draft.ends_on
  ) as d
$$;
comment on function saldo_private.checklist__draft is 'Drafts dated up to the end of the period.';

create or replace function saldo_private.checklist__pending(ends_on date)
returns table (open_count bigint, evidence jsonb)
language sql
stable
as $$
  select coalesce(sum(p.row_count), 0)::bigint, coalesce(jsonb_agg(jsonb_build_object(
    'account_id', p.account_id, 'rows', p.row_count, 'debit', p.debit, 'credit', p.credit
  ) order by p.account_id), '[]')
  from (
    select s.account_id, count(*) as row_count,
      coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
      coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit
    from saldo_private.settlement_mark as m
    join saldo.sub_balance as s on s.account_id = m.account_id
      and s.slot_no = m.slot_no
      and s.seq > m.seq
    where s.created_at < saldo_private.day_begins_at(checklist__pending.ends_on + 1)
    group by s.account_id
  ) as p
$$;
comment on function saldo_private.checklist__pending is
  'Transactions of hot accounts, submitted up to the end of the period and not settled.';

create or replace function saldo_private.checklist__hold(ends_on date)
returns table (open_count bigint, evidence jsonb)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'hold_id', h.id, 'account_id', h.account_id, 'open_amount', h.open_amount,
    'created_at', h.created_at, 'expires_at', h.expires_at
  ) order by h.id) filter (where h.row_no <= 10), '[]')
  from (
    select hold.id, hold.account_id, hold.open_amount, hold.created_at, hold.expires_at,
      row_number() over (order by hold.id) as row_no
    from saldo.hold
    where hold.status = 'HELD'
    and hold.created_at < saldo_private.day_begins_at(checklist__hold.ends_on + 1)
  ) as h
$$;
comment on function saldo_private.checklist__hold is
  'Holds placed up to the end of the period that are open.';

create or replace function saldo_private.checklist__suspense(ends_on date)
returns table (open_count bigint, evidence jsonb)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'account_id', s.account_id, 'code', s.code, 'balance', s.balance
  ) order by s.account_id), '[]')
  from (
    select a.id as account_id, a.code, sum(m.credit - m.debit) as balance
    from saldo.account as a
    join saldo_private.posted_movement as m on m.account_id = a.id
    where a.code like 'suspense:%'
    and m.month <= checklist__suspense.ends_on
    group by a.id
    having sum(m.credit - m.debit) <> 0
  ) as s
$$;
comment on function saldo_private.checklist__suspense is
  'Suspense accounts that are not zero at the end of the period.';

create or replace function saldo_private.checklist__rerating(ends_on date)
returns table (open_count bigint, evidence jsonb)
language sql
stable
as $$
  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'rerating_id', g.id, 'operation', g.operation, 'status', g.status, 'done_count', g.done_count,
    'reading_count', g.reading_count
  ) order by g.id), '[]')
  from saldo.rerating as g
  where g.status <> 'done'
  and g.from_date <= checklist__rerating.ends_on
$$;
comment on function saldo_private.checklist__rerating is
  'Re-ratings of readings up to the end of the period that are open, or failed.';

create or replace function saldo_private.checklist__rule(ends_on date)
returns table (open_count bigint, evidence jsonb)
language sql
stable
as $$
  select case when last.id is null or last.is_stale then 1 else 0 end
      + coalesce(found.finding_count, 0),
    jsonb_build_array(jsonb_build_object(
      'check_run_id', last.id, 'finished_at', last.finished_at,
      'is_before_the_last_posting', last.is_stale
    )) || coalesce(found.evidence, '[]')
  from (select) as one
  left join lateral (
    select c.id, c.finished_at, c.started_at < (
      select max(e.posted_at)
      from saldo.journal_entry as e
      where e.posting_date between saldo_private.month_of(checklist__rule.ends_on)
        and checklist__rule.ends_on
    ) as is_stale
    from saldo.check_run as c
    order by c.finished_at desc
    limit 1
  ) as last on true
  left join lateral (
    select count(*) as finding_count, jsonb_agg(jsonb_build_object(
      'rule', f.rule, 'key', f.key, 'stored', f.stored, 'derived', f.derived
    ) order by f.id) filter (where f.row_no <= 10) as evidence
    from (
      select finding.id, finding.rule, finding.key, finding.stored, finding.derived,
        row_number() over (order by finding.id) as row_no
      from saldo.finding
      where finding.check_run_id = last.id
    ) as f
  ) as found on true
$$;
comment on function saldo_private.checklist__rule is
  'Findings of the last check; one more when it is older than the last posting of the month, or '
  'there was none.';

create or replace function saldo_private.checklist(ends_on date)
returns setof saldo.checklist_item
language sql
stable
as $$
  select each.item, each.title, each.open_count = 0, each.open_count, each.evidence
  from (
    select 1 as position, 'drafts' as item, 'No drafts' as title, d.open_count, d.evidence
    from saldo_private.checklist__draft(checklist.ends_on) as d
    union all
    select 2, 'pending', 'Nothing waits for settlement', p.open_count, p.evidence
    from saldo_private.checklist__pending(checklist.ends_on) as p
    union all
    select 3, 'holds', 'No open holds', h.open_count, h.evidence
    from saldo_private.checklist__hold(checklist.ends_on) as h
    union all
    select 4, 'suspense', 'Suspense accounts are zero', s.open_count, s.evidence
    from saldo_private.checklist__suspense(checklist.ends_on) as s
    union all
    select 5, 'reratings', 'No re-rating is open', g.open_count, g.evidence
    from saldo_private.checklist__rerating(checklist.ends_on) as g
    union all
    select 6, 'rules', 'All rules are clean', r.open_count, r.evidence
    from saldo_private.checklist__rule(checklist.ends_on) as r
  ) as each
  order by each.position
$$;
comment on function saldo_private.checklist is 'The checklist of the period that ends on this day.';

create or replace function saldo.period_checklist(month date)
returns setof saldo.checklist_item
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if (month between '1900-01-01' and '9999-12-31') is not true then
    perform saldo_private.fail('input_invalid', 'month: a day from 1900 to 9999');
  end if;
  return query
  select c.item, c.title, c.is_passed, c.open_count, c.evidence
  from saldo_private.checklist(
    (saldo_private.month_of(month) + interval '1 month - 1 day')::date
  ) as c;
end
$$;
comment on function saldo.period_checklist is
  'What has to be in order before a month is closed: drafts, pending (transactions that wait for '
  'settlement), holds, suspense, reratings (jobs whose differences would be late), rules; how many '
  'of each are open, and the first of them. rules goes by the last check; close_period makes a new '
  'one. Error: SB010.';
revoke execute on function saldo.period_checklist from public;
grant execute on function saldo.period_checklist to saldo_admin, saldo_operator;

comment on type saldo.checklist_item is 'An item of the checklist of a period.';
comment on column saldo.checklist_item.item is 'Name, by which it is waived.';
comment on column saldo.checklist_item.title is 'What should be so.';
comment on column saldo.checklist_item.is_passed is 'Whether it is.';
comment on column saldo.checklist_item.open_count is 'How many things are open.';
comment on column saldo.checklist_item.evidence is 'The first of them.';
--! EndIncluded closing/checklist.sql
--! Included closing/period_state.sql
-- The states of a period: who moves them, and under which locks.
--
-- Public: begin_closing, cancel_closing, lock_period.
-- Private: lock_books, next_period, set_period, record_period_event, period_name.
-- Locks: one for all closers, so that they are one after the other; then the month's posting lock
-- exclusively (posting_day.sql), which waits for the postings under way in it; then book_state.
-- Everything before the first period that is closed is closed with it.

create or replace function saldo_private.period_name(fiscal_year integer, number integer)
returns text
language sql
immutable
as $$
  select format('period %s/%s', fiscal_year, lpad(number::text, 2, '0'))
$$;
comment on function saldo_private.period_name is 'As people write it: period 2026/06.';

create or replace function saldo_private.lock_books()
returns saldo_private.book_state
language plpgsql
as $$
declare
  v_state saldo_private.book_state;
begin
  perform saldo_private.require_read_committed();
  perform pg_advisory_xact_lock(7247, 0);
  select *
  into strict v_state
  from saldo_private.book_state
  where id = 1;
  return v_state;
end
$$;
comment on function saldo_private.lock_books is
  'How far the books are closed, and nobody else closes meanwhile: SB020.';

create or replace function saldo_private.require_period(fiscal_year integer, number integer)
returns saldo.period
language plpgsql
stable
as $$
declare
  v_period saldo.period;
begin
  if (fiscal_year between 1900 and 9999 and number between 1 and 13) is not true then
    perform saldo_private.fail('input_invalid', 'fiscal_year: 1900 to 9999, number: 1 to 13');
  end if;
  select *
  into v_period
  from saldo.fiscal_periods(require_period.fiscal_year) as p
  where p.number = require_period.number;
  return v_period;
end
$$;
comment on function saldo_private.require_period is 'The period, with its status: SB010.';

create or replace function saldo_private.require_month_period(month date)
returns saldo.period
language plpgsql
stable
as $$
begin
  if (month between '1900-01-01' and '9999-12-31') is not true then
    perform saldo_private.fail('input_invalid', 'month: a day from 1900 to 9999');
  end if;
  return saldo_private.require_period(
    extract(year from month)::integer, extract(month from month)::integer
  );
end
$$;
comment on function saldo_private.require_month_period is 'The period of a day: SB010.';

create or replace function saldo_private.refuse_period(period saldo.period, wanted text)
returns void
language plpgsql
stable
as $$
begin
  perform saldo_private.fail('period_state', format('%s is %s; %s',
    saldo_private.period_name(period.fiscal_year, period.number), period.status, wanted));
end
$$;
comment on function saldo_private.refuse_period is 'SB109, with what it is and what was wanted.';

create or replace function saldo_private.record_period_event(
  period saldo.period,
  action saldo.period_action,
  reason text
)
returns uuid
language sql
as $$
  insert into saldo.period_event (id, fiscal_year, number, action, reason, actor)
  values (
    saldo_private.uuid_v7(), period.fiscal_year, period.number, record_period_event.action,
    record_period_event.reason, saldo_private.actor()
  )
  returning id
$$;
comment on function saldo_private.record_period_event is 'Keeps what was done to a period.';

create or replace function saldo_private.set_period(
  period saldo.period,
  status saldo.period_status
)
returns saldo.period
language sql
as $$
  insert into saldo.period as p (fiscal_year, number, starts_on, ends_on, status)
  values (period.fiscal_year, period.number, period.starts_on, period.ends_on, set_period.status)
  on conflict on constraint period_pkey do update
  set status = excluded.status,
    closed_at = case when excluded.status in ('closed', 'locked') then p.closed_at end,
    closed_by = case when excluded.status in ('closed', 'locked') then p.closed_by end,
    account_count = case when excluded.status in ('closed', 'locked') then p.account_count end,
    line_count = case when excluded.status in ('closed', 'locked') then p.line_count end,
    snapshot_hash = case when excluded.status in ('closed', 'locked') then p.snapshot_hash end
  returning *
$$;
comment on function saldo_private.set_period is
  'Moves a period to a status; one that is not closed has no seal.';

create or replace function saldo_private.last_closed_period()
returns saldo.period
language sql
stable
as $$
  select p
  from saldo.period as p
  where p.status <> 'open'
  order by p.fiscal_year desc, p.number desc
  limit 1
$$;
comment on function saldo_private.last_closed_period is
  'The last period that is not open; null when none was closed.';

create or replace function saldo_private.begin_closing__run(
  period saldo.period,
  reason text
)
returns saldo.period
language plpgsql
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_last saldo.period := saldo_private.last_closed_period();
  v_month integer := saldo_private.month_number(period.starts_on);
begin
  if period.status <> 'open' then
    perform saldo_private.refuse_period(period, 'only an open one is closed');
  elsif period.ends_on >= saldo_private.business_date(now()) then
    perform saldo_private.refuse_period(period, 'it is not over yet');
  elsif v_last.status = 'closing' then
    perform saldo_private.refuse_period(v_last, 'one is closed after the other');
  elsif v_last.number = 12 then
    perform saldo_private.refuse_period(v_last, 'close_year comes next');
  elsif v_state.closed_through + 1 <> period.starts_on then
    perform saldo_private.refuse_period(
      period, format('the next one to close begins on %s', v_state.closed_through + 1)
    );
  end if;

  -- Waits for the postings under way in it; at the first closing, in all months before it as well.
  perform pg_advisory_xact_lock(7247, m.number)
  from (
    select g.number
    from generate_series(
      case when v_state.closed_through is null then saldo_private.month_number('1900-01-01')
      else v_month end, v_month
    ) as g (number)
    order by g.number
  ) as m;
  update saldo_private.book_state
  set closed_through = period.ends_on
  where id = 1;
  perform saldo_private.set_period(period, 'closing');
  perform saldo_private.record_period_event(period, 'begin_closing', reason);
  return saldo_private.require_period(period.fiscal_year, period.number);
end
$$;
comment on function saldo_private.begin_closing__run is 'Takes no more entries: SB020, SB109.';

create or replace function saldo.begin_closing(month date, reason text default null)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.begin_closing__run(
    saldo_private.require_month_period(month),
    saldo_private.require_text(coalesce(reason, 'Closing'), 'reason')
  );
end
$$;
comment on function saldo.begin_closing is
  'Begins to close the month of this day: from now on it takes no entries, what is about it is '
  'posted on the first open day. Waits for the postings under way in it. Then settle what '
  'period_checklist shows, and call close_period, or cancel_closing. Months are closed in order; '
  'the first closing takes along all that came before. Errors: SB010, SB008, SB009, SB020, SB109 '
  'for a month that is not open, not over or not the next one.';
revoke execute on function saldo.begin_closing from public;
grant execute on function saldo.begin_closing to saldo_admin;

create or replace function saldo_private.reopen__run(
  period saldo.period,
  action saldo.period_action,
  reason text
)
returns saldo.period
language plpgsql
as $$
declare
  v_reason text := saldo_private.require_text(reason, 'reason');
  v_before saldo.period;
begin
  perform saldo_private.record_period_event(period, action, v_reason);
  delete from saldo.closing_snapshot as s
  where s.fiscal_year = period.fiscal_year
  and s.number = period.number;
  perform saldo_private.set_period(period, 'open');
  v_before := saldo_private.last_closed_period();
  update saldo_private.book_state
  set closed_through = v_before.ends_on
  where id = 1;
  return saldo_private.require_period(period.fiscal_year, period.number);
end
$$;
comment on function saldo_private.reopen__run is
  'Opens a period again and drops its snapshot: SB010, SB008, SB009.';

create or replace function saldo.cancel_closing(month date, reason text)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period := saldo_private.require_month_period(month);
begin
  if v_period.status <> 'closing' then
    perform saldo_private.refuse_period(v_period, 'only one that is being closed is cancelled');
  end if;
  return saldo_private.reopen__run(v_period, 'cancel_closing', cancel_closing.reason);
end
$$;
comment on function saldo.cancel_closing is
  'Gives up closing a month: it takes entries again. Errors: SB020, SB010, SB109 unless it is '
  'being closed, SB008, SB009.';
revoke execute on function saldo.cancel_closing from public;
grant execute on function saldo.cancel_closing to saldo_admin;

create or replace function saldo.lock_period(fiscal_year integer, number integer, reason text)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period :=
    saldo_private.require_period(lock_period.fiscal_year, lock_period.number);
begin
  if v_period.status <> 'closed' or v_period.snapshot_hash is null then
    perform saldo_private.refuse_period(v_period, 'only a closed one is locked');
  end if;
  -- Waits for what is under way about it.
  perform pg_advisory_xact_lock(7247, m.number)
  from generate_series(
    saldo_private.month_number(coalesce(v_state.locked_through + 1, '1900-01-01')),
    saldo_private.month_number(v_period.ends_on)
  ) as m (number);
  perform saldo_private.record_period_event(
    v_period, 'lock', saldo_private.require_text(lock_period.reason, 'reason')
  );
  update saldo.period as p
  set status = 'locked'
  where p.status = 'closed'
  and (p.fiscal_year, p.number) <= (v_period.fiscal_year, v_period.number);
  update saldo_private.book_state
  set locked_through = v_period.ends_on
  where id = 1;
  return saldo_private.require_period(v_period.fiscal_year, v_period.number);
end
$$;
comment on function saldo.lock_period is
  'Locks a closed period and all before it: they are never reopened, and nothing about them is '
  'posted any more (SB108). number: 1 to 12 a month, 13 the end of the year. Errors: SB020, SB010, '
  'SB109 unless it is closed, SB008, SB009.';
revoke execute on function saldo.lock_period from public;
grant execute on function saldo.lock_period to saldo_admin;
--! EndIncluded closing/period_state.sql
--! Included closing/close_period.sql
-- Closing a month: the checklist passed or waived, the figures sealed from the journal.
--
-- Public: close_period, reopen_period. Private: seal_period, snapshot_hash, close_period__check.
-- Sealed means: totals of each account, and a hash over them that is chained from period to period.
-- Healing never closes anything, and closing never heals.

create or replace function saldo_private.snapshot_hash(fiscal_year integer, number integer)
returns bytea
language sql
stable
as $$
  select sha256(convert_to(
    coalesce((
      select encode(p.snapshot_hash, 'hex')
      from saldo.period as p
      where (p.fiscal_year, p.number) < (snapshot_hash.fiscal_year, snapshot_hash.number)
      and p.snapshot_hash is not null
      order by p.fiscal_year desc, p.number desc
      limit 1
    ), 'first') || format(' %s/%s', snapshot_hash.fiscal_year, snapshot_hash.number)
    || coalesce((
      select string_agg(
        format(E'\n%s %s %s %s %s', s.account_id, trim_scale(s.debit), trim_scale(s.credit),
          trim_scale(s.debit_total), trim_scale(s.credit_total)),
        '' order by s.account_id
      )
      from saldo.closing_snapshot as s
      where s.fiscal_year = snapshot_hash.fiscal_year
      and s.number = snapshot_hash.number
    ), ''),
    'UTF8'
  ))
$$;
comment on function saldo_private.snapshot_hash is
  'SHA-256 over the hash of the sealed period before (or the word first), the name of the period, '
  'and a line for each account: id, debits and credits of the period, total debits and credits.';

create or replace function saldo_private.last_sealed_period()
returns setof saldo.period
language sql
stable
as $$
  select p.fiscal_year, p.number, p.starts_on, p.ends_on, p.status, p.closed_at, p.closed_by,
    p.account_count, p.line_count, p.snapshot_hash
  from saldo.period as p
  where p.snapshot_hash is not null
  order by p.fiscal_year desc, p.number desc
  limit 1
$$;
comment on function saldo_private.last_sealed_period is 'The last closed period; none = no row.';

create or replace function saldo_private.seal_period__line(
  period saldo.period,
  period_before saldo.period,
  base saldo.period
)
returns table (account_id bigint, debit numeric, credit numeric, is_of_period boolean)
language sql
stable
as $$
  select l.account_id, l.debit, l.credit, case period.number
      when 13 then e.source = 'close_year' and l.posting_date = period.ends_on
      else period_before.ends_on is null or l.posting_date > period_before.ends_on
    end
  from saldo.journal_line as l
  join saldo.journal_entry as e on e.id = l.entry_id
  where e.status <> 'draft'
  and l.posting_date <= period.ends_on
  -- December is sealed before the closing entries of its last day.
  and not (period.number = 12 and e.source = 'close_year' and l.posting_date = period.ends_on)
  and (base.ends_on is null or l.posting_date > base.ends_on
    or (base.number = 12 and e.source = 'close_year' and l.posting_date = base.ends_on))
$$;
comment on function saldo_private.seal_period__line is
  'Lines that the seal has more than the base it counts from, and whether they are of the period.';

create or replace function saldo_private.seal_period(period saldo.period)
returns saldo.period
language plpgsql
as $$
declare
  v_before saldo.period; -- the period before
  v_base saldo.period; -- the last one whose totals are all there
  v_line_count bigint;
  v_account_count bigint;
  v_sealed saldo.period;
begin
  select *
  into v_before
  from saldo.period as p
  where p.snapshot_hash is not null
  and (p.fiscal_year, p.number) < (period.fiscal_year, period.number)
  order by p.fiscal_year desc, p.number desc
  limit 1;
  v_base := saldo_private.last_whole_snapshot(period.ends_on, period.number);

  with moved as (
    select l.account_id, sum(l.debit) as debit, sum(l.credit) as credit,
      sum(l.debit) filter (where l.is_of_period) as own_debit,
      sum(l.credit) filter (where l.is_of_period) as own_credit,
      count(*) filter (where l.is_of_period) as line_count
    from saldo_private.seal_period__line(period, v_before, v_base) as l
    group by l.account_id
  ),
  sealed as (
    insert into saldo.closing_snapshot (
      account_id, fiscal_year, number, debit, credit, debit_total, credit_total
    )
    select coalesce(m.account_id, b.account_id), period.fiscal_year, period.number,
      coalesce(m.own_debit, 0), coalesce(m.own_credit, 0),
      coalesce(b.debit_total, 0) + coalesce(m.debit, 0),
      coalesce(b.credit_total, 0) + coalesce(m.credit, 0)
    from moved as m
    full join (
      select s.account_id, s.debit_total, s.credit_total
      from saldo.closing_snapshot as s
      where s.fiscal_year = v_base.fiscal_year
      and s.number = v_base.number
    ) as b on b.account_id = m.account_id
    returning account_id
  )
  select (select coalesce(sum(m.line_count), 0) from moved as m),
    (select count(*) from sealed)
  into v_line_count, v_account_count;

  update saldo.period as p
  set status = 'closed',
    closed_at = clock_timestamp(),
    closed_by = saldo_private.actor(),
    account_count = v_account_count,
    line_count = v_line_count,
    snapshot_hash = saldo_private.snapshot_hash(p.fiscal_year, p.number)
  where p.fiscal_year = period.fiscal_year
  and p.number = period.number
  returning *
  into v_sealed;
  return v_sealed;
end
$$;
comment on function saldo_private.seal_period is
  'Sums the journal up to the end of the period, from the snapshot before on, and seals it. '
  'Nothing can be posted in it any more: no lock is needed.';

create or replace function saldo_private.close_period__check(
  period saldo.period,
  waive text[],
  reason text
)
returns uuid
language plpgsql
as $$
declare
  v_open text;
  v_event_id uuid;
  v_unknown text;
begin
  perform saldo_private.run_check('manual');
  select string_agg(coalesce(w.item, 'null'), ', ')
  into v_unknown
  from unnest(waive) as w (item)
  where not exists (
    select from saldo_private.checklist(period.ends_on) as c where c.item = w.item
  );
  if v_unknown is not null then
    perform saldo_private.fail('input_invalid', format('waive: no item is named %s', v_unknown));
  end if;
  select string_agg(format('%s: %s open', c.item, c.open_count), '; ')
  into v_open
  from saldo_private.checklist(period.ends_on) as c
  where not c.is_passed
  and c.item <> all (coalesce(waive, '{}'));
  if v_open is not null then
    perform saldo_private.fail('closing_refused', format(
      '%s: %s', saldo_private.period_name(period.fiscal_year, period.number), v_open
    ));
  end if;

  v_event_id := saldo_private.record_period_event(period, 'close', reason);
  insert into saldo.period_check (event_id, item, outcome, open_count, evidence)
  select v_event_id, c.item,
    case when c.is_passed then 'passed' else 'waived' end::saldo.checklist_outcome, c.open_count,
    c.evidence
  from saldo_private.checklist(period.ends_on) as c;
  return v_event_id;
end
$$;
comment on function saldo_private.close_period__check is
  'Checks all rules, goes through the checklist, and keeps it: SB010 for an unknown item, SB110.';

create or replace function saldo.close_period(
  month date,
  waive text[] default null,
  reason text default null
)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period := saldo_private.require_month_period(month);
  v_reason text;
begin
  if cardinality(waive) > 0 or reason is not null then
    v_reason := saldo_private.require_text(reason, 'reason (of what is waived)');
  end if;
  if v_period.status = 'open' then
    v_period := saldo_private.begin_closing__run(v_period, v_reason);
  end if;
  if v_period.status <> 'closing' then
    perform saldo_private.refuse_period(v_period, 'only an open one is closed');
  end if;
  perform saldo_private.close_period__check(v_period, waive, v_reason);
  return saldo_private.seal_period(v_period);
end
$$;
comment on function saldo.close_period is
  'Closes the month of this day: begins (see begin_closing) unless that is done, checks all rules, '
  'goes through the checklist, and seals the totals of all accounts from the journal. waive: items '
  'of the checklist that may be open, for a reason. Errors: SB020, SB010, SB008, SB009, SB109, '
  'SB110 with the items that are open; then nothing has changed.';
revoke execute on function saldo.close_period from public;
grant execute on function saldo.close_period to saldo_admin;

create or replace function saldo.reopen_period(
  fiscal_year integer,
  number integer,
  reason text
)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period :=
    saldo_private.require_period(reopen_period.fiscal_year, reopen_period.number);
  v_last saldo.period := saldo_private.last_closed_period();
begin
  if v_period.status <> 'closed' or v_period.snapshot_hash is null then
    perform saldo_private.refuse_period(v_period, 'only a closed one is reopened');
  elsif (v_last.fiscal_year, v_last.number) <> (v_period.fiscal_year, v_period.number) then
    perform saldo_private.refuse_period(v_last, 'the last one is reopened first');
  end if;
  if v_period.number = 13 then
    perform saldo_private.reverse_year_end(v_period, reopen_period.reason);
  end if;
  return saldo_private.reopen__run(v_period, 'reopen', reopen_period.reason);
end
$$;
comment on function saldo.reopen_period is
  'Opens the last closed period again: a month takes entries, the end of a year (number 13) has '
  'its closing entries reversed. What was posted meanwhile about the month stays where it is. '
  'Errors: SB020, SB010, SB109 unless it is the last one and closed, SB008, SB009.';
revoke execute on function saldo.reopen_period from public;
grant execute on function saldo.reopen_period to saldo_admin;
--! EndIncluded closing/close_period.sql
--! Included closing/close_year.sql
-- The end of a year: revenue and expense accounts are emptied into retained earnings.
--
-- Public: close_year. Private: close_year__post, reverse_year_end.
-- All of these accounts, also those without a movement in the year: what was left on one of them
-- would be income of the next year. One entry a currency, dated the last day, in period 13: after
-- December, which statements can therefore show before and after closing.

create or replace function saldo_private.close_year__follow_slots()
returns void
language plpgsql
as $$
begin
  -- The entries of a year's end move no slots: they must not fail for lack of funds.
  perform saldo_private.rebuild_slots(a.id, is_forced => true)
  from (
    select account.id
    from saldo.account
    where account.mode = 'hot'
    and account.min_balance is not null
    and account.type in ('revenue', 'expense')
    order by account.id
    offset 0
  ) as a;
end
$$;
comment on function saldo_private.close_year__follow_slots is
  'Makes the slots of income accounts anew that have a min_balance.';

create or replace function saldo_private.close_year__post(period saldo.period)
returns void
language plpgsql
as $$
begin
  with result as materialized (
    select a.currency, a.id as account_id, sum(t.debit - t.credit) as net_debit
    from saldo.account as a
    join saldo_private.totals_until(period.ends_on) as t on t.account_id = a.id
    where a.type in ('revenue', 'expense')
    group by a.id
    having sum(t.debit - t.credit) <> 0
  ),
  line as materialized (
    select l.currency, l.account_id, part.number,
      -- A line is below 1e15, whatever the year came to.
      least(greatest(-l.net_debit - 999999999999999 * part.number, 0), 999999999999999) as debit,
      least(greatest(l.net_debit - 999999999999999 * part.number, 0), 999999999999999) as credit
    from (
      select r.currency, r.account_id, r.net_debit
      from result as r
      union all
      select r.currency, saldo_private.system_account('retained_earnings', r.currency),
        -sum(r.net_debit)
      from result as r
      group by r.currency
      having sum(r.net_debit) <> 0
    ) as l
    cross join lateral generate_series(
      0, ceil(abs(l.net_debit) / 999999999999999)::integer - 1
    ) as part (number)
  ),
  entry as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, description, source, line_count, posted_at, posted_by,
      posted_in
    )
    select saldo_private.uuid_v7(), 'closing',
      saldo_private.day_begins_at(period.ends_on + 1) - interval '1 microsecond', period.ends_on,
      format('Closing of %s in %s', period.fiscal_year, l.currency), 'close_year', count(*),
      clock_timestamp(), saldo_private.actor(), pg_current_xact_id()
    from line as l
    group by l.currency
    returning id, description
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, period.ends_on, e.id,
    row_number() over (partition by e.id order by l.account_id, l.number), l.debit, l.credit
  from line as l
  join entry as e on e.description = format('Closing of %s in %s', period.fiscal_year, l.currency);
  perform saldo_private.close_year__follow_slots();
end
$$;
comment on function saldo_private.close_year__post is 'Posts the closing entries of a year.';

create or replace function saldo.close_year(fiscal_year integer, reason text default null)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period := saldo_private.require_period(close_year.fiscal_year, 13);
  v_last saldo.period := saldo_private.last_closed_period();
begin
  if v_period.status <> 'open' then
    perform saldo_private.refuse_period(v_period, 'a year is closed once');
  elsif (v_last.fiscal_year, v_last.number::integer) is distinct from (close_year.fiscal_year, 12)
    or v_last.status not in ('closed', 'locked')
  then
    perform saldo_private.refuse_period(v_period, 'its December has to be the last closed month');
  end if;
  perform saldo_private.set_period(v_period, 'closing');
  perform saldo_private.record_period_event(
    v_period, 'close', saldo_private.require_text(coalesce(reason, 'End of the year'), 'reason')
  );
  perform saldo_private.close_year__post(v_period);
  perform saldo_private.require_durable_commit();
  return saldo_private.seal_period(v_period);
end
$$;
comment on function saldo.close_year is
  'Closes a year whose December is closed: empties all revenue and expense accounts into retained '
  'earnings, one entry of the kind closing a currency, and seals period 13. Only then January can '
  'be closed. Undone by reopen_period(year, 13). Errors: SB020, SB010, SB109, SB008, SB009, and '
  'those of a posting.';
revoke execute on function saldo.close_year from public;
grant execute on function saldo.close_year to saldo_admin;

create or replace function saldo_private.reverse_year_end(period saldo.period, reason text)
returns void
language plpgsql
as $$
declare
  v_reason text := saldo_private.require_text(reason, 'reason');
begin
  with closing as materialized (
    select e.id, e.occurred_at, e.line_count, saldo_private.uuid_v7() as reversal_id
    from saldo.journal_entry as e
    where e.source = 'close_year'
    and e.kind = 'closing'
    and e.status = 'posted'
    and e.posting_date = period.ends_on
  ),
  entry as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, description, source, reverses, line_count, posted_at,
      posted_by, posted_in
    )
    select c.reversal_id, 'reversal', c.occurred_at, period.ends_on, v_reason, 'close_year', c.id,
      c.line_count, clock_timestamp(), saldo_private.actor(), pg_current_xact_id()
    from closing as c
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, period.ends_on, c.reversal_id, l.line_no, l.credit, l.debit
  from closing as c
  join saldo.journal_line as l on l.entry_id = c.id;
  update saldo.journal_entry as e
  set status = 'reversed'
  where e.source = 'close_year'
  and e.kind = 'closing'
  and e.status = 'posted'
  and e.posting_date = period.ends_on;
  perform saldo_private.close_year__follow_slots();
  perform saldo_private.require_durable_commit();
end
$$;
comment on function saldo_private.reverse_year_end is
  'Reverses the closing entries of a year, on the day of the year''s end.';
--! EndIncluded closing/close_year.sql
--! Included closing/closing_rule.sql
-- The rules of closed periods: nothing entered, nothing of the seal has changed.
--
-- Private: rule_closed_period, rule_closing_snapshot, rule_restatement. None of them heals: what is
-- closed is settled by a human.

create or replace function saldo_private.rule_closed_period()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select e.id::text, null::bigint, format('posted at %s', e.posted_at),
    format('%s closed at %s', saldo_private.period_name(p.fiscal_year, p.number), p.closed_at),
    null::numeric, jsonb_build_object('posting_date', e.posting_date, 'source', e.source)
  from saldo.period as p
  join saldo.journal_entry as e on e.posting_date between p.starts_on and p.ends_on
  where p.closed_at is not null
  and p.number < 13
  and e.status <> 'draft'
  and e.source <> 'close_year'
  and e.posted_at > p.closed_at
$$;
comment on function saldo_private.rule_closed_period is
  'Entries dated in a period that was closed when they were posted.';

create or replace function saldo_private.rule_closing_snapshot()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s/%s', p.fiscal_year, p.number), null::bigint,
    encode(p.snapshot_hash, 'hex'),
    encode(saldo_private.snapshot_hash(p.fiscal_year, p.number), 'hex'), null::numeric,
    jsonb_build_object('what', 'the hash of the sealed totals')
  from saldo.period as p
  where p.snapshot_hash is not null
  and p.snapshot_hash <> saldo_private.snapshot_hash(p.fiscal_year, p.number)
  union all
  select format('%s/%s/%s', s.fiscal_year, s.number, s.account_id), s.account_id,
    format('debit %s, credit %s', trim_scale(s.debit_total), trim_scale(s.credit_total)),
    format('debit %s, credit %s', trim_scale(coalesce(j.debit, 0)),
      trim_scale(coalesce(j.credit, 0))),
    s.debit_total - s.credit_total - coalesce(j.debit - j.credit, 0),
    jsonb_build_object('what', 'the journal up to the last sealed period')
  from saldo.closing_snapshot as s
  left join (
    select l.account_id, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    cross join saldo_private.last_sealed_period() as last
    where e.status <> 'draft'
    and l.posting_date <= last.ends_on
    and (last.number = 13 or e.source <> 'close_year' or l.posting_date < last.starts_on)
    group by l.account_id
  ) as j on j.account_id = s.account_id
  where (s.fiscal_year, s.number) = (
    select last.fiscal_year, last.number
    from saldo_private.last_sealed_period() as last
  )
  and (s.debit_total, s.credit_total) <> (coalesce(j.debit, 0), coalesce(j.credit, 0))
$$;
comment on function saldo_private.rule_closing_snapshot is
  'Sealed periods whose hash is not that of their totals, and totals of the last one that are not '
  'those of the journal. An older seal stands in the hash of the next.';

create or replace function saldo_private.rule_restatement()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select r.account_id::text, r.account_id, trim_scale(r.restated)::text,
    trim_scale(r.reported)::text, r.restated - r.reported, '{}'::jsonb
  from (
    select a.id as account_id, coalesce(sum(m.debit - m.credit), 0) as restated,
      (
        select coalesce(sum(l.debit - l.credit), 0)
        from saldo.journal_line as l
        join saldo.journal_entry as e on e.id = l.entry_id
        where l.account_id = a.id
        and e.status <> 'draft'
      ) as reported
    from (select distinct l.account_id as id from saldo_private.late_line as l) as a
    cross join lateral (
      select part.debit + part.year_end as debit, part.credit
      from saldo_private.account_movement(a.id, 'restated') as part
    ) as m
    group by a.id
  ) as r
  where r.restated <> r.reported
$$;
comment on function saldo_private.rule_restatement is
  'Accounts whose months, restated, do not add up over all time to what the journal reports.';
--! EndIncluded closing/closing_rule.sql
--! Included closing/verify_journal.sql
-- Verification: the books computed anew from the journal alone, and compared with the seals.
--
-- Public: verify_journal. Private: verify_entries, verify_slipped_in, verify_seals, verify_head,
-- verify_months, verify_books, verify_snapshots (a part each).
-- Each part is one statement and changes nothing. What is found is settled by a human: no heal.
-- It looks from the side of the seals, so that a journal that is empty is found as well.

create or replace function saldo_private.verify_entries(from_number bigint)
returns setof saldo.journal_difference
language sql
stable
as $$
  select case
      when h.entry_id is null then 'entry_missing'
      when h.entry_part <> s.entry_part or h.status = 'draft' then 'entry_changed'
      when h.lines_found < h.line_count then 'line_missing'
      when h.lines_found > h.line_count then 'line_inserted'
      else 'line_changed'
    end::saldo.journal_difference_kind,
    s.entry_id::text, s.entry_id, s.seal_number, encode(s.hash, 'hex'),
    case when h.status = 'draft' then 'a draft' else encode(h.hash, 'hex') end
  from saldo.journal_seal_entry as s
  left join saldo_private.journal_entry_hash as h on h.entry_id = s.entry_id
  where s.seal_number >= verify_entries.from_number
  and (h.hash is distinct from s.hash or h.status = 'draft')
$$;
comment on function saldo_private.verify_entries is
  'Entries that are not what was sealed, from this seal on.';

create or replace function saldo_private.verify_slipped_in()
returns setof saldo.journal_difference
language sql
stable
as $$
  select case when twin.id is null then 'entry_inserted'
      else 'entry_doubled' end::saldo.journal_difference_kind,
    e.id::text, e.id, null::bigint, null::text,
    case when twin.id is null then format('posted at %s, and never sealed', e.posted_at)
      else format('the same as %s, which is sealed', twin.id) end
  from saldo_private.seal_progress as p
  join saldo.journal_entry as e on e.posted_in < p.sealed_until
    or e.posted_in >= pg_snapshot_xmax(pg_current_snapshot())
  left join lateral (
    select t.id
    from saldo.journal_entry as t
    join saldo.journal_seal_entry as sealed on sealed.entry_id = t.id
    where t.posting_date = e.posting_date
    and t.occurred_at = e.occurred_at
    and (t.description, t.source, t.metadata) = (e.description, e.source, e.metadata)
    and t.idempotency_key is not distinct from e.idempotency_key
    and t.id <> e.id
    limit 1
  ) as twin on true
  where p.id = 1
  and p.catch_up_from is null
  and p.cluster = (select c.system_identifier::text from pg_catalog.pg_control_system() as c)
  and e.posted_in is distinct from pg_current_xact_id_if_assigned()
  and not exists (select from saldo.journal_seal_entry as s where s.entry_id = e.id)
  union all
  select 'line_inserted', r.key, (r.detail ->> 'entry_id')::uuid, null, null, r.stored
  from saldo_private.rule_orphan_line() as r
  where not (r.detail ->> 'has_entry')::boolean
  and not exists (
    select
    from saldo.journal_seal_entry as s
    where s.entry_id = (r.detail ->> 'entry_id')::uuid
  )
$$;
comment on function saldo_private.verify_slipped_in is
  'Entries that a sealer should have found and never did, as the engine did not post them; lines '
  'without any entry.';

create or replace function saldo_private.verify_seals(from_number bigint)
returns setof saldo.journal_difference
language sql
stable
as $$
  with seal as (
    select s as sealed, lag(s.hash) over (order by s.number) as hash_before,
      lag(s.number, 1, 0::bigint) over (order by s.number) as number_before,
      listed.entries_hash
    from saldo.journal_seal as s
    left join (
      select e.seal_number, sha256(convert_to(string_agg(
        e.entry_id || E'\t' || encode(e.hash, 'hex') || E'\n', '' order by e.entry_id
      ), 'UTF8')) as entries_hash
      from saldo.journal_seal_entry as e
      where e.seal_number >= verify_seals.from_number
      group by e.seal_number
    ) as listed on listed.seal_number = s.number
    where s.number >= verify_seals.from_number - 1
  ),
  difference as (
    select 'seal_changed' as kind, (s.sealed).number, encode((s.sealed).hash, 'hex') as stored,
      encode(sha256(convert_to(saldo_private.seal_text(s.sealed), 'UTF8')), 'hex') as derived
    from seal as s
    union all
    select 'seal_changed', (s.sealed).number, encode((s.sealed).entries_hash, 'hex'),
      encode(s.entries_hash, 'hex')
    from seal as s
    union all
    select 'chain_broken', (s.sealed).number, encode((s.sealed).previous_hash, 'hex'),
      encode(s.hash_before, 'hex')
    from seal as s
    where s.number_before = (s.sealed).number - 1
    union all
    select 'seal_missing', (s.sealed).number - 1, format('%s follows', (s.sealed).number),
      case when s.number_before = (s.sealed).number - 1 then format('%s follows', (s.sealed).number)
        else format('%s is before', s.number_before) end
    from seal as s
  )
  select d.kind::saldo.journal_difference_kind, format('seal %s', d.number), null::uuid, d.number,
    d.stored, d.derived
  from difference as d
  where d.stored is distinct from d.derived
  and case d.kind when 'seal_missing' then d.number + 1 else d.number end
    >= verify_seals.from_number
  union all
  select 'seal_missing', format('seal %s', e.seal_number), null, e.seal_number, null,
    format('%s entries of it', count(*))
  from saldo.journal_seal_entry as e
  where e.seal_number >= verify_seals.from_number
  and not exists (select from saldo.journal_seal as s where s.number = e.seal_number)
  group by e.seal_number
$$;
comment on function saldo_private.verify_seals is
  'Seals whose text has not their hash, whose list of entries is another, or that do not follow on '
  'the seal before, from this one on.';

create or replace function saldo_private.verify_seal_totals(from_number bigint)
returns setof saldo.journal_difference
language sql
stable
as $$
  select 'total_differs'::saldo.journal_difference_kind, format('seal %s %s', number, currency),
    null::uuid, number, format('%s lines, debit %s, credit %s', t.line_count,
      trim_scale(t.debit), trim_scale(t.credit)),
    format('%s lines, debit %s, credit %s', coalesce(j.line_count, 0),
      trim_scale(coalesce(j.debit, 0)), trim_scale(coalesce(j.credit, 0)))
  from (
    select s.seal_number as number, s.currency, s.line_count, s.debit, s.credit
    from saldo.journal_seal_total as s
    where s.seal_number >= verify_seal_totals.from_number
  ) as t
  full join (
    select e.seal_number as number, coalesce(a.currency, 'unknown') as currency,
      count(*) as line_count, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_seal_entry as e
    join saldo.journal_line as l on l.entry_id = e.entry_id
    left join saldo.account as a on a.id = l.account_id
    where e.seal_number >= verify_seal_totals.from_number
    group by 1, 2
  ) as j using (number, currency)
  where (t.line_count, t.debit::numeric, t.credit::numeric)
    is distinct from (j.line_count, j.debit, j.credit)
$$;
comment on function saldo_private.verify_seal_totals is
  'Seals whose control totals are not those of the journal, from this one on.';

create or replace function saldo_private.verify_head()
returns setof saldo.journal_difference
language sql
stable
as $$
  select 'seal_missing'::saldo.journal_difference_kind, format('seal %s', p.head_number),
    null::uuid, p.head_number, format('%s %s', last.number, encode(last.hash, 'hex')),
    format('%s %s', p.head_number, encode(p.head_hash, 'hex'))
  from (select) as one
  left join saldo_private.seal_progress as p on p.id = 1
  left join lateral (
    select s.number, s.hash
    from saldo.journal_seal as s
    order by s.number desc
    limit 1
  ) as last on true
  where (p.head_number, p.head_hash) is distinct from (coalesce(last.number, 0), last.hash)
$$;
comment on function saldo_private.verify_head is
  'The last seal, where it is not the one that the sealer made last.';

create or replace function saldo_private.verify_months()
returns setof saldo.journal_difference
language sql
stable
as $$
  select 'total_differs'::saldo.journal_difference_kind, format('month %s %s', t.month, t.currency),
    null::uuid, null::bigint, format('%s lines, debit %s, credit %s sealed', t.line_count,
      trim_scale(t.debit), trim_scale(t.credit)),
    format('%s lines, debit %s, credit %s', j.line_count, trim_scale(j.debit),
      trim_scale(j.credit))
  from (
    select s.month, total.currency, sum(total.line_count) as line_count, sum(total.debit) as debit,
      sum(total.credit) as credit
    from saldo.journal_seal as s
    join saldo.journal_seal_total as total on total.seal_number = s.number
    group by 1, 2
  ) as t
  left join (
    select p.month, a.currency, sum(p.line_count) as line_count, sum(p.debit) as debit,
      sum(p.credit) as credit
    from saldo_private.posted_movement as p
    join saldo.account as a on a.id = p.account_id
    group by 1, 2
  ) as m on m.month = t.month and m.currency = t.currency
  -- Movements may be wrong where the journal is not: that is a drift, which is healed from it.
  cross join lateral (
    select count(*) as line_count, coalesce(sum(l.debit), 0) as debit,
      coalesce(sum(l.credit), 0) as credit
    from saldo.journal_line as l
    join saldo.account as a on a.id = l.account_id
    where l.posting_date between t.month and (t.month + interval '1 month - 1 day')::date
    and a.currency = t.currency
  ) as j
  where t.currency <> 'unknown'
  and (t.line_count > m.line_count or t.debit > m.debit or t.credit > m.credit) is not false
  and (t.line_count > j.line_count or t.debit > j.debit or t.credit > j.credit)
$$;
comment on function saldo_private.verify_months is
  'Months in which more is sealed than the journal has. It asks the movements first, and reads the '
  'journal of those months only where they have less: it is cheap, and sees a journal and '
  'movements that vanished together.';

create or replace function saldo_private.verify_snapshots()
returns setof saldo.journal_difference
language sql
stable
as $$
  with movement as (
    select l.account_id, p.fiscal_year, p.number, sum(l.debit) as debit, sum(l.credit) as credit
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    cross join lateral (
      select extract(year from l.posting_date)::integer as fiscal_year,
        case when e.source = 'close_year' and to_char(l.posting_date, 'MMDD') = '1231' then 13
          else extract(month from l.posting_date)::integer end as number
    ) as p
    -- Posted, that is; a status is no estimate that a planner could go by.
    where e.posted_in is not null
    group by 1, 2, 3
  ),
  total as (
    select each.account_id, each.fiscal_year, each.number, each.is_seal, each.debit_total,
      each.credit_total,
      sum(each.debit) over w as debit, sum(each.credit) over w as credit
    from (
      select m.account_id, m.fiscal_year, m.number, false as is_seal, m.debit, m.credit,
        null::numeric as debit_total, null::numeric as credit_total
      from movement as m
      union all
      select known.id, p.fiscal_year, p.number, true, 0, 0, s.debit_total, s.credit_total
      from saldo.period as p
      cross join (
        select m.account_id as id from movement as m
        union
        select snapshot.account_id from saldo.closing_snapshot as snapshot
      ) as known
      left join saldo.closing_snapshot as s on s.fiscal_year = p.fiscal_year
        and s.number = p.number
        and s.account_id = known.id
      where p.snapshot_hash is not null
    ) as each
    window w as (
      partition by each.account_id
      order by each.fiscal_year, each.number, each.is_seal
    )
  )
  select 'snapshot_differs'::saldo.journal_difference_kind,
    format('%s/%s/%s', t.fiscal_year, t.number, t.account_id), null::uuid, null::bigint,
    format('debit %s, credit %s', trim_scale(t.debit_total), trim_scale(t.credit_total)),
    format('debit %s, credit %s', trim_scale(t.debit), trim_scale(t.credit))
  from total as t
  where t.is_seal
  and (coalesce(t.debit_total, 0), coalesce(t.credit_total, 0)) <> (t.debit, t.credit)
  union all
  select 'snapshot_differs', format('%s/%s', p.fiscal_year, p.number), null, null,
    encode(p.snapshot_hash, 'hex'),
    encode(saldo_private.snapshot_hash(p.fiscal_year, p.number), 'hex')
  from saldo.period as p
  where p.snapshot_hash <> saldo_private.snapshot_hash(p.fiscal_year, p.number)
$$;
comment on function saldo_private.verify_snapshots is
  'Sealed totals of each closed period that are not those of the journal, or have another hash.';

create or replace function saldo_private.verify_books()
returns setof saldo.journal_difference
language sql
stable
as $$
  select 'entry_unbalanced'::saldo.journal_difference_kind, r.key, r.key::uuid, null::bigint,
    format('debit %s', r.stored), format('credit %s', r.derived)
  from saldo_private.rule_entry_balance() as r
  union all
  select 'reversal_differs', r.key, r.key::uuid, null, r.stored, r.derived
  from saldo_private.rule_reversal() as r
  union all
  select 'account_differs', r.key, null, null, r.stored, r.derived
  from saldo_private.rule_account_balance() as r
  union all
  select 'month_differs', r.key, null, null, r.stored, r.derived
  from saldo_private.rule_month_movement() as r
$$;
comment on function saldo_private.verify_books is
  'Entries that do not balance, reversals that do not cancel, totals and months that are not those '
  'of the journal.';

create or replace function saldo.verify_journal(row_limit integer default 1000)
returns setof saldo.journal_difference
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if (row_limit between 1 and 1000000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1000000');
  end if;
  return query
  select part.kind, part.key, part.entry_id, part.seal_number, part.stored, part.derived
  from (
    select 1 as place, v.* from saldo_private.verify_head() as v
    union all
    select 2, v.* from saldo_private.verify_seals(1) as v
    union all
    select 3, v.* from saldo_private.verify_seal_totals(1) as v
    union all
    select 4, v.* from saldo_private.verify_months() as v
    union all
    select 5, v.* from saldo_private.verify_snapshots() as v
    union all
    select 6, v.* from saldo_private.verify_entries(1) as v
    union all
    select 7, v.* from saldo_private.verify_slipped_in() as v
    union all
    select 8, v.* from saldo_private.verify_books() as v
  ) as part
  order by part.place, part.seal_number, part.key
  limit row_limit;
end
$$;
comment on function saldo.verify_journal is
  'Computes everything anew from the journal alone, and returns what differs: seals and their '
  'chain, control totals, snapshots of closed periods, entries, what was slipped in, balance of '
  'entries, account totals, months. No row = nothing differs. At most row_limit rows (1 to '
  '1000000). Reads the whole journal. Error: SB010.';
revoke execute on function saldo.verify_journal from public;
grant execute on function saldo.verify_journal to saldo_admin, saldo_operator;

comment on type saldo.journal_difference_kind is
  'What is not as it was sealed, or as it should be.';
comment on type saldo.journal_difference is 'Something that a verification found.';
comment on column saldo.journal_difference.kind is 'What it is.';
comment on column saldo.journal_difference.key is
  'What it is about: an entry, a seal, a month, a period, an account.';
comment on column saldo.journal_difference.entry_id is 'The entry, where it is about one.';
comment on column saldo.journal_difference.seal_number is 'The seal, where it is about one.';
comment on column saldo.journal_difference.stored is 'What is stored, or was sealed.';
comment on column saldo.journal_difference.derived is 'What follows from the journal.';
--! EndIncluded closing/verify_journal.sql
--! Included closing/journal_seal_rule.sql
-- The rule over seals: those of late, and the control totals of all months.
--
-- Private: recent_seal, rule_journal_seal. It has no heal: a human decides.

create or replace function saldo_private.recent_seal()
returns bigint
language sql
stable
as $$
  select coalesce(min(r.number), 1)
  from (
    select s.number, s.entry_count, sum(s.entry_count) over (order by s.number desc) as entry_sum,
      row_number() over (order by s.number desc) as place
    from (
      select last.number, last.entry_count
      from saldo.journal_seal as last
      order by last.number desc
      limit 100
    ) as s
  ) as r
  where r.place = 1
  or r.entry_sum <= 10000
$$;
comment on function saldo_private.recent_seal is
  'From which seal on a check computes anew: the last hundred at most, with 10,000 entries at most '
  'unless the last one has more.';

create or replace function saldo_private.rule_journal_seal()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s %s', d.kind, d.key), null::bigint, d.stored, d.derived, null::numeric,
    jsonb_build_object('kind', d.kind, 'entry_id', d.entry_id, 'seal_number', d.seal_number)
  from saldo_private.recent_seal() as recent (number)
  cross join lateral (
    select v.* from saldo_private.verify_head() as v
    union all
    select v.* from saldo_private.verify_months() as v
    union all
    select v.* from saldo_private.verify_seals(recent.number) as v
    union all
    select v.* from saldo_private.verify_seal_totals(recent.number) as v
    union all
    select v.* from saldo_private.verify_entries(recent.number) as v
  ) as d
$$;
comment on function saldo_private.rule_journal_seal is
  'Recent seals, with their entries computed anew, and control totals of all months. A whole '
  'verification is saldo.verify_journal().';
--! EndIncluded closing/journal_seal_rule.sql
--! EndIncluded index.sql

reset role;
