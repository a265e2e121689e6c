-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- ledger: accounts that take many writers at once

create type saldo.account_mode as enum ('immediate', 'hot');
alter table saldo.account
  add column if not exists mode saldo.account_mode not null default 'immediate',
  add column if not exists slots integer,
  add column if not exists is_pending_available boolean not null default true;

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
  counter_account_id bigint
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
  take numeric,
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

-- wallet: a pending purchase is a hold

alter table saldo.purchase add column if not exists hold_id uuid;
drop function saldo_private.purchase__hold(bigint, numeric);
drop function saldo_private.release_hold(bigint, numeric);

-- The logic, room after room.
--!include index.sql

-- What is there already: each open hold of a pending purchase becomes a row, and the shops' shared
-- accounts become hot.
insert into saldo.hold (
  account_id, id, amount, open_amount, counter_account_id, source, description, created_at,
  created_by, expires_at
)
select p.account_id, p.id, p.amount, p.amount, product.revenue_account_id, 'purchase',
  saldo_private.purchase__description(p.quantity, product.name), p.created_at, p.created_by,
  now() + saldo_private.setting_value('hold_expires_in')::interval
from saldo.purchase as p
join saldo.product on product.id = p.product_id
where p.status = 'pending';
update saldo.purchase
set hold_id = id
where status = 'pending';

update saldo.account
set mode = 'hot',
  slots = saldo_private.default_slots()
where code like 'revenue:%'
and closed_at is null;

reset role;
