--! Previous: -
--! Hash: sha1:d601a8ac6cce7d977bf3e97e31316c4d5cc27e02
--! Message: baseline

-- The tables, types and indexes of Saldo as they stood when this chain of migrations began. What is
-- re-runnable (functions, triggers, views, policies, grants, comments) is in sql/.

-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- foundation: errors, settings, retries; amounts

create schema saldo;
create schema saldo_private;

-- What runs as saldo_rule_reader, apart from everything else of Saldo.
create schema saldo_rule;

create domain saldo.amount as numeric
  constraint amount_is_a_number check (value not in ('NaN', 'Infinity', '-Infinity'))
  constraint amount_has_two_decimals check (scale(trim_scale(value)) <= 2)
  constraint amount_is_in_range check (abs(value) < 1e15);

create domain saldo.total as numeric
  constraint total_is_a_number check (value not in ('NaN', 'Infinity', '-Infinity'))
  constraint total_has_two_decimals check (scale(trim_scale(value)) <= 2)
  constraint total_is_in_range check (abs(value) < 1e21);

create domain saldo.held_total as saldo.total
  constraint held_total_is_not_negative check (value >= 0);

create domain saldo.month_start as date
  constraint month_start_is_a_first_day check (extract(day from value) = 1);

create domain saldo.volume as numeric
  constraint volume_is_a_number check (value not in ('NaN', 'Infinity', '-Infinity'))
  constraint volume_has_six_decimals check (scale(trim_scale(value)) <= 6)
  constraint volume_is_in_range check (abs(value) < 1e15);

create table saldo.error_code (
  code text primary key
    constraint error_code_is_of_class_sb check (code ~ '^SB[0-9]{3}$' and code <> 'SB000'),
  condition text not null unique
    constraint error_code_condition_is_a_name check (condition ~ '^[a-z][a-z_]*$'),
  message text not null,
  hint text not null,
  http_status smallint not null
    constraint error_code_http_status_is_an_error check (http_status between 400 and 599)
);

create table saldo.setting (
  name text primary key,
  value text not null,
  description text not null
);

create table saldo_private.idempotency_record (
  scope text not null,
  key text not null,
  operation text not null,
  request_hash bytea not null,
  result_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (scope, key)
);

-- ledger: accounts, journal, months, seals

create type saldo.account_type as enum ('asset', 'liability', 'equity', 'revenue', 'expense');
create type saldo.account_mode as enum ('immediate', 'hot');

create type saldo.entry_kind as enum (
  'normal', 'opening', 'adjustment', 'correction', 'closing', 'reversal'
);

create type saldo.entry_status as enum ('draft', 'posted', 'reversed');
create type saldo.period_status as enum ('open', 'closing', 'closed', 'locked');

create table saldo.account (
  id bigint generated always as identity primary key,
  code text not null unique,
  name text not null,
  type saldo.account_type not null,
  currency text not null
    constraint account_currency_is_iso_4217_like check (currency ~ '^[A-Z]{3}$'),
  min_balance saldo.amount,
  debit_total saldo.total not null default 0,
  credit_total saldo.total not null default 0,
  held_total saldo.held_total not null default 0,
  balance numeric not null generated always as (
    case when type in ('asset', 'expense') then debit_total - credit_total
    else credit_total - debit_total end
  ) stored,
  version bigint not null default 0,
  opened_at timestamptz not null default now(),
  closed_at timestamptz,
  mode saldo.account_mode not null default 'immediate',
  slots integer,
  is_pending_available boolean not null default true,
  frozen_at timestamptz,
  frozen_reason text
) with (fillfactor = 50); -- room on the page, so that a posting's update touches no index

-- A row a writer, spread over pages, so that neither rows nor pages are waited for.
create table saldo_private.account_stripe (
  account_id bigint not null,
  month saldo.month_start not null,
  stripe_no integer not null,
  is_limited boolean not null,
  debit saldo.total not null default 0,
  credit saldo.total not null default 0,
  line_count bigint not null default 0,
  primary key (account_id, month, stripe_no)
) with (fillfactor = 10);

create unlogged table saldo_private.account_watch (
  account_id bigint primary key,
  ends_at timestamptz not null
);

create table saldo_private.account_follower (
  account_id bigint primary key references saldo.account (id),
  follower text not null
);

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

create table saldo.journal_entry (
  id uuid primary key,
  kind saldo.entry_kind not null default 'normal',
  status saldo.entry_status not null default 'posted',
  occurred_at timestamptz not null,
  posting_date date not null,
  origin_month saldo.month_start,
  description text not null,
  source text not null default 'ledger',
  idempotency_key text,
  reverses uuid, -- no foreign key: a reversal locks the entry that it reverses, and a rule checks
  metadata jsonb not null default '{}',
  line_count integer not null,
  draft_lines jsonb,
  recorded_at timestamptz not null default clock_timestamp(),
  posted_at timestamptz,
  posted_by text,
  posted_in xid8,
  -- Short on purpose: a check is parsed anew by every statement that writes. What else belongs
  -- together is checked by the posting trigger and, independently, by the rules of health.
  constraint journal_entry_posting_is_stamped check ((status = 'draft') = (posted_in is null))
);
create unique index journal_entry_reverses_idx on saldo.journal_entry (reverses)
  where reverses is not null;
create index journal_entry_posting_date_idx on saldo.journal_entry (posting_date);
create index journal_entry_origin_month_idx on saldo.journal_entry (origin_month)
  where origin_month is not null;
create index journal_entry_close_year_idx on saldo.journal_entry (posting_date)
  where source = 'close_year';
-- Numbers of transactions only grow, so that a posting adds at the right end of the index.
create index journal_entry_posted_in_idx on saldo.journal_entry (posted_in);
-- For the rule over reversals: they are few.
create index journal_entry_reversal_idx on saldo.journal_entry (id)
  where kind = 'reversal' or status = 'reversed';
-- For the rule over summary entries: one of thousands of entries is one.
create index journal_entry_settlement_idx on saldo.journal_entry (id) where source = 'settlement';

-- No foreign keys from lines to entries and accounts, and no checks: the posting trigger checks all
-- of it for the whole statement at once. A key looked up for every row trebles the price of a batch
-- of 1,000; a check is parsed anew by every statement.
create table saldo.journal_line (
  account_id bigint not null,
  posting_date date not null,
  entry_id uuid not null,
  line_no integer not null,
  debit saldo.amount not null default 0,
  credit saldo.amount not null default 0,
  primary key (account_id, posting_date, entry_id, line_no)
);
create index journal_line_entry_id_idx on saldo.journal_line (entry_id);
-- The lines of a month lie together as a rule: block ranges cost a posting nothing.
create index journal_line_posting_date_idx on saldo.journal_line using brin (posting_date)
  with (pages_per_range = 32);

create table saldo.month_movement (
  account_id bigint not null,
  month saldo.month_start not null,
  debit saldo.total not null default 0,
  credit saldo.total not null default 0,
  line_count bigint not null default 0,
  primary key (account_id, month)
) with (fillfactor = 50);
create index month_movement_month_idx on saldo.month_movement (month);

-- One row: what every posting has to know.
create table saldo_private.book_state (
  id integer primary key,
  closed_through date,
  locked_through date,
  constraint book_state_has_one_row check (id = 1)
);
insert into saldo_private.book_state (id) values (1);

-- Thirteen periods a year: the months, and the closing entries of the year's end.
create table saldo.period (
  fiscal_year integer not null,
  number smallint not null,
  starts_on date not null,
  ends_on date not null,
  status saldo.period_status not null,
  closed_at timestamptz,
  closed_by text,
  account_count bigint,
  line_count bigint,
  snapshot_hash bytea,
  primary key (fiscal_year, number),
  constraint period_number_is_a_month_or_13 check (number between 1 and 13),
  constraint period_closed_one_is_sealed check (
    (status in ('closed', 'locked')) = (snapshot_hash is not null and closed_at is not null)
  )
);

create type saldo.period_action as enum (
  'begin_closing', 'cancel_closing', 'close', 'reopen', 'lock'
);

create table saldo.period_event (
  id uuid primary key,
  fiscal_year integer not null,
  number smallint not null,
  action saldo.period_action not null,
  reason text,
  actor text not null,
  occurred_at timestamptz not null default clock_timestamp(),
  foreign key (fiscal_year, number) references saldo.period (fiscal_year, number)
);
create index period_event_period_idx on saldo.period_event (fiscal_year, number);

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

create type saldo_private.posting_day as (posting_date date, origin_month date);

create type saldo_private.dated_day as (
  occurred_at timestamptz,
  posting_date date,
  origin_month date
);

create type saldo_private.line_sum as (
  account_id bigint,
  month date,
  debit numeric,
  credit numeric,
  line_count bigint
);

create type saldo_private.posting_line as (
  account_id bigint,
  entry_id uuid,
  posting_date date,
  debit numeric,
  credit numeric,
  currency text,
  mode saldo.account_mode
);

create type saldo.transfer_request as (
  debit_account_id bigint,
  credit_account_id bigint,
  amount numeric,
  description text,
  idempotency_key text,
  occurred_at timestamptz
);

create type saldo.transfer_result as (
  entry_id uuid,
  is_new boolean
);

-- Statements, reported and restated, before and after the year's end.
create type saldo.balance_basis as enum ('reported', 'restated');
create type saldo.balance_sheet_section as enum ('assets', 'liabilities', 'equity');
create type saldo.income_statement_section as enum ('revenue', 'expense', 'net_income');

create type saldo.trial_balance_line as (
  account_id bigint,
  code text,
  name text,
  type saldo.account_type,
  currency text,
  debit_total numeric,
  credit_total numeric,
  debit_balance numeric,
  credit_balance numeric
);

create type saldo.trial_balance_movement as (
  account_id bigint,
  code text,
  name text,
  type saldo.account_type,
  currency text,
  opening numeric,
  debit numeric,
  credit numeric,
  closing numeric
);

create type saldo.balance_sheet_line as (
  section saldo.balance_sheet_section,
  account_id bigint,
  code text,
  name text,
  currency text,
  balance numeric
);

create type saldo.balance_sheet_total as (
  currency text,
  total_assets numeric,
  total_liabilities numeric,
  total_equity numeric,
  is_valid boolean
);

create type saldo.income_statement_line as (
  section saldo.income_statement_section,
  account_id bigint,
  code text,
  name text,
  currency text,
  amount numeric
);

create type saldo.monthly_balance_line as (
  account_id bigint,
  month date,
  opening numeric,
  debit numeric,
  credit numeric,
  year_end numeric,
  closing numeric,
  line_count bigint,
  status saldo.period_status
);

create type saldo.account_statement_line as (
  posting_date date,
  entry_id uuid,
  line_no integer,
  occurred_at timestamptz,
  kind saldo.entry_kind,
  origin_month date,
  description text,
  debit numeric,
  credit numeric,
  balance numeric
);

create type saldo.seal_status_result as (
  head_number bigint,
  head_hash text,
  sealed_at timestamptz,
  sealed_entry_count bigint,
  unsealed_entry_count bigint,
  oldest_unsealed_age_seconds numeric
);

-- hot: sub-balances, slots, settlement, holds

create type saldo.entry_side as enum ('debit', 'credit');
create type saldo.sub_balance_status as enum ('PENDING', 'SETTLED');
create type saldo.hold_status as enum ('HELD', 'CAPTURED', 'VOIDED', 'EXPIRED');

create table saldo_private.hot_account (
  account_id bigint primary key
);

create unlogged table saldo_private.account_slot (
  account_id bigint not null,
  slot_no integer not null,
  available saldo.total,
  held saldo.total not null,
  seq bigint not null,
  checked_seq bigint not null,
  debit_total saldo.total not null,
  credit_total saldo.total not null,
  debit_take smallint not null,
  credit_take smallint not null,
  clearing_account_id bigint,
  is_short boolean not null,
  primary key (account_id, slot_no)
) with (fillfactor = 10);

create table saldo_private.settlement_mark (
  account_id bigint not null,
  slot_no integer not null,
  seq bigint not null default 0,
  debit_total saldo.total not null default 0,
  credit_total saldo.total not null default 0,
  primary key (account_id, slot_no)
) with (fillfactor = 50);

-- No foreign keys to accounts: their checks would share-lock rows that everybody writes.
create table saldo.sub_balance (
  account_id bigint not null,
  id uuid not null,
  seq bigint not null,
  counter_account_id bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  hold_id uuid,
  slot_no integer not null,
  direction saldo.entry_side not null,
  amount saldo.amount not null,
  created_by text not null,
  idempotency_key text,
  metadata jsonb,
  primary key (account_id, id),
  unique (account_id, slot_no, seq)
);

create table saldo.settlement (
  account_id bigint not null,
  id uuid not null,
  row_count bigint not null,
  debit saldo.total not null,
  credit saldo.total not null,
  started_at timestamptz not null,
  settled_at timestamptz not null,
  settled_by text not null,
  primary key (account_id, id)
);
create index settlement_settled_at_idx on saldo.settlement (settled_at);

create table saldo.settlement_entry (
  account_id bigint not null,
  settlement_id uuid not null,
  counter_account_id bigint not null,
  posting_date date not null,
  occurred_at timestamptz not null,
  entry_id uuid not null,
  booked_account_id bigint not null,
  row_count bigint not null,
  debit saldo.total not null,
  credit saldo.total not null,
  primary key (account_id, settlement_id, counter_account_id, posting_date),
  foreign key (account_id, settlement_id) references saldo.settlement (account_id, id)
);

create table saldo.settlement_range (
  account_id bigint not null,
  slot_no integer not null,
  last_seq bigint not null,
  first_seq bigint not null,
  settlement_id uuid not null,
  primary key (account_id, slot_no, last_seq),
  foreign key (account_id, settlement_id) references saldo.settlement (account_id, id),
  constraint settlement_range_is_not_empty check (last_seq >= first_seq)
);
create index settlement_range_settlement_idx
  on saldo.settlement_range (account_id, settlement_id);

create table saldo.hold (
  account_id bigint not null,
  id uuid not null,
  status saldo.hold_status not null default 'HELD',
  amount saldo.amount not null
    constraint hold_amount_is_positive check (amount > 0),
  open_amount saldo.amount not null,
  captured_amount saldo.amount not null default 0,
  counter_account_id bigint not null,
  source text not null,
  description text not null,
  idempotency_key text,
  metadata jsonb,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  expires_at timestamptz not null,
  closed_at timestamptz,
  close_reason text,
  primary key (account_id, id),
  constraint hold_open_amount_is_what_is_left check (
    case status when 'HELD' then open_amount > 0 and captured_amount + open_amount = amount
    else open_amount = 0 and captured_amount between 0 and amount end
  ),
  constraint hold_closed_one_has_its_time check ((status = 'HELD') = (closed_at is null))
);
create index hold_id_idx on saldo.hold (id);
create index hold_account_id_open_idx on saldo.hold (account_id) where status = 'HELD';
create index hold_expires_at_open_idx on saldo.hold (expires_at) where status = 'HELD';

create table saldo.slot_rebuild (
  account_id bigint not null,
  id uuid not null,
  slot_count integer not null,
  rebuilt_at timestamptz not null default clock_timestamp(),
  rebuilt_by text not null,
  primary key (account_id, id)
);
create index slot_rebuild_rebuilt_at_idx on saldo.slot_rebuild (rebuilt_at);

create type saldo.balance_summary as (
  account_id bigint,
  currency text,
  settled_balance numeric,
  pending_debit numeric,
  pending_credit numeric,
  held numeric,
  available_balance numeric,
  pending_count bigint
);

create type saldo.submit_request as (
  account_id bigint,
  amount numeric,
  direction saldo.entry_side,
  counter_account_id bigint,
  idempotency_key text,
  metadata jsonb
);

create type saldo.submit_result as (
  id uuid,
  is_accepted boolean,
  is_new boolean,
  error_code text,
  error_condition text
);

create type saldo_private.slot_position as (
  slot_no integer,
  seq bigint,
  checked_seq bigint,
  counter_account_id bigint,
  debit_take smallint,
  credit_take smallint
);

create type saldo_private.submission as (
  request_no integer,
  account_id bigint,
  id uuid,
  amount numeric,
  direction saldo.entry_side,
  counter_account_id bigint,
  idempotency_key text,
  metadata jsonb,
  request_hash bytea,
  is_new boolean,
  error_condition text
);

create type saldo.settlement_health_result as (
  hot_account_count bigint,
  pending_count bigint,
  oldest_pending_age_seconds numeric,
  last_settled_at timestamptz,
  open_hold_count bigint,
  overdue_hold_count bigint,
  slot_rebuild_count bigint
);

-- wallet: members, products and stock, purchases

create type saldo.purchase_status as enum ('pending', 'completed', 'failed', 'refunded');
create type saldo.wallet_line_kind as enum ('top_up', 'purchase', 'refund', 'adjustment');

create table saldo.member (
  id bigint generated always as identity primary key,
  code text not null unique,
  name text not null,
  account_id bigint not null unique references saldo.account (id),
  created_at timestamptz not null default now()
);

-- No foreign key to the revenue account: its check would share-lock a row that every sale updates,
-- and such mixed locks let postings deadlock. Accounts are never deleted; create_product looks.
create table saldo.product (
  id bigint generated always as identity primary key,
  code text not null unique,
  name text not null,
  price saldo.amount not null
    constraint product_price_is_positive check (price > 0),
  currency text not null
    constraint product_currency_is_iso_4217_like check (currency ~ '^[A-Z]{3}$'),
  revenue_account_id bigint not null,
  is_stock_tracked boolean not null default false,
  is_active boolean not null default true,
  created_at timestamptz not null default now()
);

-- No foreign key to the entries, which can neither be deleted nor change, nor to the product: every
-- buyer would lock its one row. Both are looked up before the row is written, and checked by a rule.
create table saldo.purchase (
  account_id bigint not null references saldo.member (account_id),
  id uuid not null,
  member_id bigint not null,
  product_id bigint not null,
  quantity integer not null
    constraint purchase_quantity_is_positive check (quantity > 0),
  unit_price saldo.amount not null
    constraint purchase_unit_price_is_positive check (unit_price > 0),
  amount saldo.amount not null,
  status saldo.purchase_status not null,
  entry_id uuid,
  refund_entry_id uuid,
  failure_reason text,
  refund_reason text,
  idempotency_key text,
  occurred_at timestamptz not null,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  completed_at timestamptz,
  failed_at timestamptz,
  refunded_at timestamptz,
  hold_id uuid,
  primary key (account_id, id),
  constraint purchase_amount_is_price_times_quantity check (amount = unit_price * quantity),
  constraint purchase_paid_one_has_its_entry check (
    num_nonnulls(entry_id, completed_at)
      = case when status in ('completed', 'refunded') then 2 else 0 end
  ),
  constraint purchase_refunded_one_has_its_refund check (
    num_nonnulls(refund_entry_id, refund_reason, refunded_at)
      = case when status = 'refunded' then 3 else 0 end
  ),
  constraint purchase_failed_one_has_its_reason check (
    num_nonnulls(failure_reason, failed_at) = case when status = 'failed' then 2 else 0 end
  )
);
create index purchase_id_idx on saldo.purchase (id);
create index purchase_account_id_pending_idx on saldo.purchase (account_id)
  where status = 'pending';

create table saldo.stock_item (
  id bigint generated always as identity,
  product_id bigint not null references saldo.product (id),
  code text not null,
  account_id bigint,
  purchase_id uuid,
  assigned_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (product_id, id),
  unique (product_id, code),
  foreign key (account_id, purchase_id) references saldo.purchase (account_id, id),
  constraint stock_item_is_free_or_assigned
    check (num_nonnulls(account_id, purchase_id, assigned_at) in (0, 3))
);
-- An index on the id alone would lure the planner into walking past all that was ever sold.
create index stock_item_product_id_free_idx on saldo.stock_item (product_id, id)
  where purchase_id is null;
create index stock_item_account_id_purchase_id_idx on saldo.stock_item (account_id, purchase_id)
  where purchase_id is not null;

create type saldo.wallet_balance as (
  member_id bigint,
  account_id bigint,
  currency text,
  balance numeric,
  held numeric,
  available numeric
);

create type saldo.wallet_history_line as (
  occurred_at timestamptz,
  id uuid,
  kind saldo.wallet_line_kind,
  status saldo.purchase_status,
  description text,
  amount numeric,
  balance numeric,
  purchase_id uuid,
  product_id bigint,
  quantity integer
);

-- metering: customers, deposits, meters, readings, versions of prices and factors, rated lines

create type saldo.record_status as enum ('current', 'superseded', 'removed');
create type saldo.meter_kind as enum ('index', 'volume');
create type saldo.reading_quality as enum ('actual', 'estimated');
create type saldo.factor_formula as enum ('fixed', 'gas_300k', 'reference');
create type saldo.rounding_rule as enum ('half_up', 'down');
create type saldo.rerating_status as enum ('waiting', 'running', 'done', 'failed');
create type saldo.monthly_sync_status as enum ('running', 'done', 'abandoned');
create type saldo.monthly_balance_action as enum ('missing', 'differs', 'surplus', 'same');

create table saldo.customer (
  id bigint generated always as identity primary key,
  code text not null unique,
  name text not null,
  account_id bigint not null unique references saldo.account (id),
  currency text not null,
  created_at timestamptz not null default now()
);

create table saldo.deposit (
  account_id bigint not null references saldo.customer (account_id),
  id uuid not null,
  amount saldo.amount not null
    constraint deposit_amount_is_positive check (amount > 0),
  occurred_at timestamptz not null,
  description text not null,
  status saldo.record_status not null default 'current',
  revision integer not null default 1,
  supersedes uuid,
  entry_id uuid not null,
  reversal_entry_id uuid,
  idempotency_key text,
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null,
  ended_at timestamptz,
  ended_by text,
  primary key (account_id, id),
  constraint deposit_ended_one_has_its_reversal check (
    num_nonnulls(reversal_entry_id, ended_at, ended_by)
      = case when status = 'current' then 0 else 3 end
  )
);
create index deposit_id_idx on saldo.deposit (id);

create table saldo.meter (
  account_id bigint not null references saldo.customer (account_id),
  id bigint generated always as identity,
  code text not null,
  kind saldo.meter_kind not null,
  start_index saldo.volume not null default 0,
  register_limit saldo.volume,
  installed_at timestamptz not null,
  removed_at timestamptz,
  replaces bigint,
  created_at timestamptz not null default now(),
  primary key (account_id, id),
  unique (id),
  constraint meter_index_fits_its_register check (
    case when kind = 'index' then start_index >= 0 and start_index < register_limit
    else start_index = 0 and register_limit is null end
  ),
  constraint meter_is_removed_after_it_is_installed check (removed_at > installed_at)
);
create unique index meter_code_is_installed_once
  on saldo.meter (account_id, code) where removed_at is null;

create table saldo.reading (
  account_id bigint not null,
  id uuid not null,
  meter_id bigint not null,
  read_at timestamptz not null,
  read_on date not null,
  index_value saldo.volume
    constraint reading_index_value_is_not_negative check (index_value >= 0),
  volume saldo.volume
    constraint reading_volume_is_not_negative check (volume >= 0),
  is_rollover boolean not null default false,
  quality saldo.reading_quality not null default 'actual',
  status saldo.record_status not null default 'current',
  revision integer not null default 1,
  supersedes uuid,
  batch_id uuid not null,
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null,
  ended_at timestamptz,
  ended_by text,
  primary key (account_id, id),
  foreign key (account_id, meter_id) references saldo.meter (account_id, id),
  constraint reading_is_an_index_or_a_volume check (num_nonnulls(index_value, volume) = 1),
  constraint reading_ended_one_says_when check (
    num_nonnulls(ended_at, ended_by) = case when status = 'current' then 0 else 2 end
  )
);
create index reading_id_idx on saldo.reading (id);
create index reading_batch_id_idx on saldo.reading (batch_id);
create index reading_read_on_idx on saldo.reading (read_on) where status = 'current';
create unique index reading_is_once_per_meter_and_time
  on saldo.reading (account_id, meter_id, read_at) where status = 'current';

create table saldo.tariff_version (
  id bigint generated always as identity primary key,
  account_id bigint references saldo.customer (account_id),
  currency text not null,
  price numeric not null
    constraint tariff_version_price_is_positive
      check (price > 0 and price < 1e12 and scale(trim_scale(price)) <= 6),
  effective_from date not null,
  effective_to date,
  supersedes bigint,
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null,
  removed_at timestamptz,
  removed_by text,
  constraint tariff_version_ends_after_it_begins check (effective_to >= effective_from)
);
create unique index tariff_version_begins_once_a_day
  on saldo.tariff_version ((coalesce(account_id, 0)), currency, effective_from)
  where removed_at is null;

create table saldo.correction_factor_version (
  id bigint generated always as identity primary key,
  account_id bigint references saldo.customer (account_id),
  formula saldo.factor_formula not null,
  pressure numeric,
  temperature numeric,
  atmospheric_pressure numeric,
  reference_pressure numeric,
  reference_temperature numeric,
  compressibility numeric,
  factor numeric not null
    constraint correction_factor_version_factor_is_positive check (factor > 0 and factor < 1e6),
  factor_digits integer not null
    constraint correction_factor_version_factor_digits check (factor_digits between 0 and 10),
  volume_digits integer not null
    constraint correction_factor_version_volume_digits check (volume_digits between 0 and 6),
  rounding saldo.rounding_rule not null,
  effective_from date not null,
  effective_to date,
  supersedes bigint,
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null,
  removed_at timestamptz,
  removed_by text,
  constraint correction_factor_version_ends_after_it_begins check (effective_to >= effective_from)
);
create unique index correction_factor_version_begins_once_a_day
  on saldo.correction_factor_version ((coalesce(account_id, 0)), effective_from)
  where removed_at is null;

-- No foreign keys to versions: each reading would share-lock a row that all of them need. A rule
-- looks, and no function deletes a version.
create table saldo.rated_line (
  account_id bigint not null,
  id uuid not null,
  reading_id uuid not null,
  revision integer not null,
  supersedes uuid,
  read_at timestamptz not null,
  month saldo.month_start not null,
  is_withdrawn boolean not null,
  is_provisional boolean not null,
  volume_m3 saldo.volume not null,
  factor numeric,
  volume_sm3 saldo.volume not null,
  price numeric,
  amount saldo.amount not null,
  amount_rounding text not null,
  tariff_version_id bigint,
  factor_version_id bigint,
  volume_change saldo.volume not null,
  amount_change saldo.amount not null,
  entry_id uuid,
  posting_date date not null,
  rated_at timestamptz not null,
  rated_by text not null,
  superseded_at timestamptz,
  primary key (account_id, id),
  unique (account_id, reading_id, revision),
  foreign key (account_id, reading_id) references saldo.reading (account_id, id),
  constraint rated_line_names_what_it_used check (
    num_nonnulls(factor, price, tariff_version_id, factor_version_id)
      = case when is_withdrawn then 0 else 4 end
  )
);
create unique index rated_line_is_current_once
  on saldo.rated_line (account_id, reading_id) where superseded_at is null;
create index rated_line_entry_id_idx on saldo.rated_line (entry_id);
create index rated_line_month_idx on saldo.rated_line (account_id, month);
create index rated_line_tariff_version_id_idx on saldo.rated_line (tariff_version_id)
  where superseded_at is null;
create index rated_line_factor_version_id_idx on saldo.rated_line (factor_version_id)
  where superseded_at is null;

create table saldo.customer_month_total (
  account_id bigint not null references saldo.customer (account_id),
  month saldo.month_start not null,
  deposits numeric not null default 0,
  purchases numeric not null default 0,
  deposit_adjustments numeric not null default 0,
  purchase_adjustments numeric not null default 0,
  others numeric not null default 0,
  volume_sm3 numeric not null default 0,
  volume_adjustments numeric not null default 0,
  last_calculated_at timestamptz not null default clock_timestamp(),
  primary key (account_id, month)
);

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

create type saldo.reading_request as (
  meter_id bigint,
  read_at timestamptz,
  index_value numeric,
  volume numeric,
  quality saldo.reading_quality,
  is_rollover boolean
);

-- What a re-rating posts for one customer and month.
create type saldo_private.rating_posting as (
  account_id bigint,
  month date,
  currency text,
  occurred_at timestamptz,
  posting_date date,
  origin_month date,
  amount numeric,
  volume numeric,
  reading_count bigint,
  entry_id uuid
);

create type saldo.customer_month as (
  month date,
  opening_balance numeric,
  deposits numeric,
  purchases numeric,
  deposit_adjustments numeric,
  purchase_adjustments numeric,
  others numeric,
  closing_balance numeric,
  volume_m3 numeric,
  volume_sm3 numeric,
  volume_adjustments numeric,
  calculation jsonb,
  last_calculated_at timestamptz
);

create type saldo.customer_adjustment as (
  origin_month date,
  kind text,
  description text,
  amount numeric,
  volume_sm3 numeric,
  entry_count bigint
);

-- What a row of an import came to.
create type saldo.import_result as (
  row_no integer,
  is_accepted boolean,
  id text,
  error_code text,
  error_condition text,
  detail text
);

-- A row of a file of readings, looked at.
create type saldo_private.import_reading as (
  row_no integer,
  key text,
  request_hash bytea,
  account_id bigint,
  request saldo.reading_request,
  error_condition text,
  detail text
);

create type saldo.monthly_balance_change as (
  customer_id bigint,
  account_id bigint,
  month date,
  action saldo.monthly_balance_action,
  stored jsonb,
  derived jsonb,
  plan_hash text
);

create type saldo.monthly_balance_comparison as (
  month_count bigint,
  difference_count bigint,
  differences saldo.monthly_balance_change[]
);

create type saldo.metering_status as (
  customer_count bigint,
  meter_count bigint,
  reading_count bigint,
  unrated_count bigint,
  provisional_count bigint,
  month_count bigint,
  last_calculated_at timestamptz,
  open_rerating_count bigint,
  rerating_left_count bigint,
  last_sync_at timestamptz,
  last_sync_change_count bigint,
  last_recalculation_at timestamptz,
  last_recalculation_change_count bigint
);

-- guard: writes past the engine, and what was built

create table saldo.guard_event (
  id uuid primary key,
  occurred_at timestamptz not null,
  login text not null,
  role text not null,
  application_name text not null,
  client_address inet,
  transaction_id xid8 not null,
  statement text not null,
  table_name text not null,
  operation text not null,
  account_id bigint,
  old_row jsonb,
  new_row jsonb,
  rule text,
  key text
);
create index guard_event_account_id_idx on saldo.guard_event (account_id, occurred_at);
create index guard_event_occurred_at_idx on saldo.guard_event (occurred_at);
create index guard_event_rule_idx on saldo.guard_event (rule, key) where rule is not null;

-- Functions, triggers and views as this migration makes them.
create table saldo_private.built_object (
  kind text not null,
  name text not null,
  hash text not null,
  server_version integer not null,
  primary key (kind, name)
);

-- check: rules, runs, findings, the verified point

create type saldo.check_kind as enum ('manual', 'reconcile', 'maintenance', 'heal');
create type saldo.check_status as enum ('healthy', 'unhealthy', 'failed');
create type saldo.check_scope as enum ('full', 'incremental');
create type saldo.rule_scope as enum ('whole', 'account', 'entry', 'journal');

-- Rules that an incremental check asks about the news only.
create type saldo.rule_news as enum ('accounts', 'entries');

create type saldo.finding_cause as enum (
  'out_of_band_write', 'journal_changed', 'sync_trigger_disabled', 'uncounted_items',
  'doubled_item', 'unapplied_item', 'unrecorded_item', 'missing_item', 'rule_failed',
  'clock_set_back', 'unknown'
);

create table saldo.balance_rule (
  name text primary key,
  room text not null,
  title text not null,
  description text not null,
  heal_function text,
  is_about_journal boolean not null default false,
  is_enabled boolean not null default true,
  scope saldo.rule_scope not null default 'whole',
  is_incremental boolean not null default false,
  is_registered boolean not null default false,
  news saldo.rule_news
);

create table saldo.check_run (
  id uuid primary key,
  kind saldo.check_kind not null,
  status saldo.check_status not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  actor text not null,
  rule_count integer not null,
  failed_rule_count integer not null,
  finding_count integer not null,
  account_count bigint not null,
  line_count bigint not null,
  snapshot text not null,
  scope saldo.check_scope not null default 'full',
  slice_count integer not null default 1,
  verified_at timestamptz,
  verified_line_count bigint,
  number bigint not null generated always as identity -- the order in which checks ended
);
create index check_run_finished_at_idx on saldo.check_run (finished_at);
create index check_run_number_finished_at_idx on saldo.check_run (number, finished_at);

create table saldo.finding (
  id uuid primary key,
  check_run_id uuid not null references saldo.check_run (id)
    on delete cascade deferrable initially deferred,
  rule text not null references saldo.balance_rule (name),
  key text not null,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb not null default '{}',
  cause saldo.finding_cause not null,
  explanation text not null,
  evidence jsonb not null default '[]'
);
create index finding_check_run_id_idx on saldo.finding (check_run_id);
create index finding_account_id_idx on saldo.finding (account_id);

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
  entry_ids uuid[] not null default '{}',
  slice_ends date[] not null
);

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

create table saldo_private.verified_point (
  id integer primary key default 1,
  cluster text,
  snapshot text,
  full_started_at timestamptz,
  verified_at timestamptz,
  line_count bigint not null default 0,
  seed bigint not null default 0,
  constraint verified_point_has_one_row check (id = 1)
);
insert into saldo_private.verified_point (id, seed)
values (1, hashint8extended((random() * 1e15)::bigint, 0));

create table saldo_private.verified_total (
  account_id bigint primary key,
  debit_total saldo.total,
  credit_total saldo.total
);

create table saldo_private.verified_month (
  month saldo.month_start primary key,
  amount numeric not null,
  line_count numeric not null
);

-- Who has looked into a clock that was ahead.
create table saldo.clock_acceptance (
  id uuid primary key,
  accepted_at timestamptz not null,
  accepted_by text not null,
  reason text not null,
  accepted_until timestamptz not null
);

-- health: what months came to at the verified point, in sums with random weights
create type saldo_private.fingerprint as (amount numeric, line_count numeric);

create type saldo_private.suspects as (
  line_count bigint,
  account_ids bigint[],
  entry_ids uuid[],
  since pg_snapshot,
  news_account_ids bigint[]
);

create type saldo.balance_health_result as (
  is_healthy boolean,
  is_valid boolean,
  currency text,
  total_assets numeric,
  total_liabilities numeric,
  total_equity numeric,
  drift_count integer,
  pending_purchase_count bigint,
  last_check_status saldo.check_status,
  last_check_at timestamptz,
  last_check_age_seconds numeric,
  is_overdue boolean,
  rule_count integer,
  account_count bigint,
  line_count bigint
);

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

-- explain: causes of a finding

create type saldo.explanation_confidence as enum ('certain', 'likely', 'possible');

create table saldo.finding_explanation (
  finding_id uuid not null references saldo.finding (id) on delete cascade,
  rank smallint not null,
  cause saldo.finding_cause not null,
  confidence saldo.explanation_confidence not null,
  explanation text not null,
  evidence jsonb not null default '{}',
  primary key (finding_id, rank)
);

create type saldo_private.finding_gap as (
  finding_id uuid,
  rule text,
  key text,
  account_id bigint,
  month date,
  entry_id uuid,
  difference numeric,
  amounts numeric[],
  currency text,
  is_debit_normal boolean
);

create type saldo_private.possible_cause as (
  finding_id uuid,
  place integer,
  cause text,
  confidence saldo.explanation_confidence,
  explanation text,
  evidence jsonb
);

create type saldo_private.trigger_change as (
  state text,
  transaction_id xid8,
  after_at timestamptz,
  before_at timestamptz,
  check_run_id uuid,
  checked_at timestamptz,
  words text
);

-- heal: runs, proposals, what a human decides

create type saldo.heal_outcome as enum (
  'healed', 'would_heal', 'already_clean', 'needs_approval', 'escalated', 'refused', 'undone'
);

create type saldo.heal_proposal_status as enum ('proposed', 'approved', 'rejected', 'stale');

create table saldo.heal_run (
  id uuid primary key,
  is_dry_run boolean not null,
  check_run_id uuid not null references saldo.check_run (id),
  started_at timestamptz not null,
  finished_at timestamptz not null,
  actor text not null,
  healed_count integer not null,
  refused_count integer not null,
  needs_approval_count integer not null default 0,
  escalated_count integer not null default 0,
  frozen_count integer not null default 0
);

create table saldo.heal_action (
  id uuid primary key,
  heal_run_id uuid references saldo.heal_run (id) deferrable initially deferred,
  finding_id uuid,
  rule text not null,
  key text not null,
  account_id bigint,
  outcome saldo.heal_outcome not null,
  before jsonb,
  after jsonb,
  reason text not null,
  actor text not null,
  healed_at timestamptz not null default clock_timestamp(),
  proposal_id uuid,
  undoes uuid,
  target jsonb
);
create index heal_action_heal_run_id_idx on saldo.heal_action (heal_run_id);
create index heal_action_account_id_idx on saldo.heal_action (account_id);
create index heal_action_rule_key_idx on saldo.heal_action (rule, key, id);
create unique index heal_action_undoes_idx on saldo.heal_action (undoes);
create index heal_action_proposal_id_idx on saldo.heal_action (proposal_id);
create index heal_action_finding_id_idx on saldo.heal_action (finding_id);

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

create table saldo.maintenance_run (
  id uuid primary key,
  status saldo.check_status not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  actor text not null,
  check_before_id uuid not null references saldo.check_run (id),
  heal_run_id uuid not null references saldo.heal_run (id),
  check_after_id uuid not null references saldo.check_run (id)
);

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

-- own_tables: rules over users' tables

create type saldo.rule_heal as enum ('none', 'update', 'function');
create type saldo.rule_guard as enum ('none', 'record', 'refuse');
create type saldo.rule_outcome as enum ('registered', 'changed', 'unchanged', 'refused');

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

create type saldo.rule_result as (
  name text,
  outcome saldo.rule_outcome,
  error_code text,
  error_condition text,
  message text,
  detail text,
  hint text
);

-- alert: conditions, alerts, deliveries

create type saldo.alert_severity as enum ('info', 'warning', 'critical');
create type saldo.alert_event as enum ('opened', 'reminder', 'resolved', 'test');
create type saldo.alert_channel as enum ('webhook', 'email');

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

create type saldo.alert_evaluation as (
  is_skipped boolean,
  opened_count integer,
  reminded_count integer,
  resolved_count integer,
  open_count integer
);

create type saldo_private.alert_fact as (condition text, key text, text text, detail jsonb);

-- closing: checklist and sealed balances of a period; verification of the journal

create type saldo.checklist_outcome as enum ('passed', 'waived', 'open');

create table saldo.period_check (
  event_id uuid not null references saldo.period_event (id),
  item text not null,
  outcome saldo.checklist_outcome not null,
  open_count bigint not null,
  evidence jsonb not null,
  primary key (event_id, item)
);

create table saldo.closing_snapshot (
  account_id bigint not null,
  fiscal_year integer not null,
  number smallint not null,
  debit saldo.total not null,
  credit saldo.total not null,
  debit_total saldo.total not null,
  credit_total saldo.total not null,
  primary key (account_id, fiscal_year, number)
);
create index closing_snapshot_period_idx on saldo.closing_snapshot (fiscal_year, number);

create type saldo.checklist_item as (
  item text,
  title text,
  is_passed boolean,
  open_count bigint,
  evidence jsonb
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

reset role;
