-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- ledger: periods, and the day on which an entry is posted

create type saldo.period_status as enum ('open', 'closing', 'closed', 'locked');
create type saldo_private.posting_day as (posting_date date, origin_month date);
create type saldo_private.dated_day as (
  occurred_at timestamptz,
  posting_date date,
  origin_month date
);
-- With an origin month.
drop function saldo_private.post_entry(
  uuid, bigint[], numeric[], numeric[], text, text, saldo.entry_kind, timestamptz, text, uuid, jsonb
);
drop function saldo_private.reverse_posted_entry(uuid, uuid, text, text, timestamptz, text);

-- One row: what every posting has to know.
create table saldo_private.book_state (
  id integer primary key,
  closed_through date,
  locked_through date,
  constraint book_state_has_one_row check (id = 1)
);
insert into saldo_private.book_state (id) values (1);

-- Few entries are in them, and the migration is one transaction: writers wait for one scan.
-- squawk-ignore require-concurrent-index-creation
create index journal_entry_origin_month_idx on saldo.journal_entry (origin_month)
  where origin_month is not null;
-- squawk-ignore require-concurrent-index-creation
create index journal_entry_close_year_idx on saldo.journal_entry (posting_date)
  where source = 'close_year';

-- squawk-ignore require-concurrent-index-creation
create index month_movement_month_idx on saldo.month_movement (month);

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

create type saldo.checklist_outcome as enum ('passed', 'waived', 'open');
create table saldo.period_check (
  event_id uuid not null references saldo.period_event (id),
  item text not null,
  outcome saldo.checklist_outcome not null,
  open_count bigint not null,
  evidence jsonb not null,
  primary key (event_id, item)
);
create type saldo.checklist_item as (
  item text,
  title text,
  is_passed boolean,
  open_count bigint,
  evidence jsonb
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

-- Statements, reported and restated, before and after the year's end.
create type saldo.balance_basis as enum ('reported', 'restated');
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
create type saldo.income_statement_section as enum ('revenue', 'expense', 'net_income');
create type saldo.income_statement_line as (
  section saldo.income_statement_section,
  account_id bigint,
  code text,
  name text,
  currency text,
  amount numeric
);
drop function saldo.trial_balance(date);
drop function saldo.balance_sheet(date, text);
drop function saldo_private.totals_until(date);

-- The logic, room after room.
--!include index.sql

reset role;
