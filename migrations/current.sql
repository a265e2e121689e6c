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

-- metering: customers, deposits, meters, readings, versions of prices and factors, rated lines

create type saldo.record_status as enum ('current', 'superseded', 'removed');
create type saldo.meter_kind as enum ('index', 'volume');
create type saldo.reading_quality as enum ('actual', 'estimated');
create type saldo.factor_formula as enum ('fixed', 'gas_300k', 'reference');
create type saldo.rounding_rule as enum ('half_up', 'down');
create type saldo.month_basis as enum ('reported', 'restated');

create domain saldo.volume as numeric
  constraint volume_is_a_number check (value not in ('NaN', 'Infinity', '-Infinity'))
  constraint volume_has_six_decimals check (scale(trim_scale(value)) <= 6)
  constraint volume_is_in_range check (abs(value) < 1e15);
comment on domain saldo.volume is
  'A volume in cubic metres, or what a register shows: exact, at most 6 decimals, below 10^15.';

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

-- The logic, room after room.
--!include index.sql

reset role;
