--! Previous: sha1:6e626b2a8e1421236dde36c62547b542033af247
--! Hash: sha1:f5fb6b60f8e254e56b8b826a3e82ac6049b6e44a
--! Message: readings without a price, divided readings, tariff parts and bills, service tokens, limits and decisions, jobs, drafts

set local role saldo_owner;

-- Intake: rows of a device are looked up by their hashes and by their verdict numbers. Each of the
-- two serves one of these only; the planner took one for the other where there were no statistics,
-- and read all rows of the device for each row that came.
-- Both hold up pushes only, which come again.
-- squawk-ignore require-concurrent-index-deletion
drop index if exists saldo.branch_intake_device_id_verdict_no_idx;
-- squawk-ignore require-concurrent-index-creation
create index if not exists branch_intake_verdict_no_idx
  on saldo.branch_intake (device_id, verdict_no) where verdict_no > 0;
-- Readings that count and have no rated line: few, so that nobody has to look for them.
create table if not exists saldo_private.unrated_reading (
  account_id bigint not null,
  reading_id uuid not null,
  read_on date not null,
  noted_at timestamptz not null default now(),
  constraint unrated_reading_pkey primary key (account_id, reading_id),
  constraint unrated_reading_account_id_reading_id_fkey
    foreign key (account_id, reading_id) references saldo.reading (account_id, id)
);
insert into saldo_private.unrated_reading (account_id, reading_id, read_on)
select r.account_id, r.id, r.read_on
from saldo.reading as r
where r.status = 'current'
and not exists (
  select
  from saldo.rated_line as l
  where l.account_id = r.account_id
  and l.reading_id = r.id
  and l.superseded_at is null
  and not l.is_withdrawn
)
on conflict on constraint unrated_reading_pkey do nothing;
do $types$
begin
  if to_regtype('saldo.unrated_reason') is null then
    create type saldo.unrated_reason as enum (
      'price', 'factor', 'price_and_factor', 'rerating', 'account_frozen', 'account_closed',
      'not_rated_again'
    );
    create type saldo.unrated_reading as (
      reading_id uuid,
      customer_id bigint,
      customer_code text,
      meter_id bigint,
      meter_code text,
      read_at timestamptz,
      read_on date,
      reason saldo.unrated_reason,
      reason_text text,
      noted_at timestamptz
    );
  end if;
end
$types$;
-- Service tokens: for jobs and applications, revocable one by one. What is kept of a secret is its hash.
create table if not exists saldo.service_token (
  id uuid primary key,
  role text not null,
  subject text not null,
  member_id bigint references saldo.member (id),
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by text,
  revoke_reason text,
  constraint service_token_role_is_a_word check (role ~ '^[a-z][a-z_]{0,40}$'),
  constraint service_token_of_a_member_names_one check (role <> 'member' or member_id is not null),
  constraint service_token_ends_later check (expires_at > created_at),
  constraint service_token_revocation_is_whole check (
    num_nonnulls(revoked_at, revoked_by, revoke_reason) in (0, 3)
  )
);
create index if not exists service_token_member on saldo.service_token (member_id);
create index if not exists service_token_good on saldo.service_token (expires_at)
  where revoked_at is null;
create table if not exists saldo_private.service_token_secret (
  token_id uuid primary key references saldo.service_token (id),
  secret_hash bytea not null,
  constraint service_token_secret_is_sha256 check (length(secret_hash) = 32)
);
-- Which actual reading withdrew an estimate.
alter table saldo.reading add column if not exists corrected_by uuid;

-- What people have moved of their limits, by day.
create table if not exists saldo.limit_use (
  person text not null,
  action text not null,
  currency text not null,
  used_on date not null,
  amount numeric not null,
  constraint limit_use_pkey primary key (person, action, currency, used_on),
  constraint limit_use_amount_is_positive check (amount > 0)
);
create index if not exists limit_use_day on saldo.limit_use (used_on);
-- jobs: when they ran and will run, and runs that an administrator asks for
create table if not exists saldo.job (
  name text primary key,
  schedule text not null,
  every_seconds integer,
  scheduled_at timestamptz,
  last_started_at timestamptz,
  last_finished_at timestamptz,
  last_error text
);
create table if not exists saldo.job_request (
  id uuid primary key,
  job text not null,
  requested_at timestamptz not null default clock_timestamp(),
  requested_by text not null,
  taken_at timestamptz,
  finished_at timestamptz,
  error text
);
create index if not exists job_request_waiting_idx on saldo.job_request (id) where taken_at is null;

-- drafts of journal entries
do $$
begin
  create type saldo.draft_status as enum ('open', 'posted', 'discarded');
exception
  when duplicate_object then null;
end
$$;
create table if not exists saldo.entry_draft (
  id uuid primary key,
  status saldo.draft_status not null default 'open',
  version integer not null default 1,
  content jsonb not null,
  description text not null,
  occurred_at timestamptz,
  made_at timestamptz not null default clock_timestamp(),
  made_by text not null,
  changed_at timestamptz not null default clock_timestamp(),
  changed_by text not null,
  entry_id uuid,
  reason text,
  constraint entry_draft_posted_one_has_its_entry check ((status = 'posted') = (entry_id is not null)),
  constraint entry_draft_discarded_one_says_why check ((status = 'discarded') = (reason is not null))
);
create index if not exists entry_draft_open_idx on saldo.entry_draft (id) where status = 'open';
-- Readings that span a change of price or factor: how a tariff divides them.
do $types$
begin
  if to_regtype('saldo.spanning_rule') is null then
    create type saldo.spanning_rule as enum ('reading_day', 'by_days', 'by_profile');
    create type saldo.rated_part as (
      part_no integer,
      from_date date,
      to_date date,
      volume_m3 numeric,
      factor numeric,
      volume_sm3 numeric,
      price numeric,
      amount numeric,
      tariff_version_id bigint,
      factor_version_id bigint
    );
  end if;
end
$types$;
alter table saldo.tariff_version
  add column if not exists spanning saldo.spanning_rule not null default 'reading_day';
alter table saldo.tariff_version add column if not exists profile text;
alter table saldo.rated_line add column if not exists parts saldo.rated_part[];
create table if not exists saldo.consumption_profile (
  profile text not null,
  day date not null,
  weight numeric not null,
  recorded_at timestamptz not null default now(),
  recorded_by text not null,
  constraint consumption_profile_pkey primary key (profile, day),
  constraint consumption_profile_weight_is_positive check (weight > 0 and weight <= 1000000)
);
-- squawk-ignore require-concurrent-index-creation
create index if not exists rated_line_divided_idx on saldo.rated_line (account_id, reading_id)
  where parts is not null and superseded_at is null;
-- Bills, transactions and figures across customers.
do $types$
begin
  if to_regtype('saldo.bill_line') is null then
    create type saldo.bill_line as (
      line_no integer,
      kind text,
      description text,
      read_on date,
      meter_code text,
      reading_id uuid,
      from_date date,
      to_date date,
      volume_m3 numeric,
      factor numeric,
      volume_sm3 numeric,
      price numeric,
      amount numeric,
      is_provisional boolean
    );
    create type saldo.customer_bill as (
      customer_id bigint,
      customer_code text,
      customer_name text,
      month date,
      currency text,
      opening_balance numeric,
      deposits numeric,
      volume_sm3 numeric,
      total numeric,
      closing_balance numeric,
      unrated_count bigint,
      lines saldo.bill_line[]
    );
    create type saldo.customer_transaction as (
      occurred_at timestamptz,
      posting_date date,
      kind text,
      description text,
      meter_code text,
      reading_id uuid,
      index_value numeric,
      volume_m3 numeric,
      volume_sm3 numeric,
      price numeric,
      debit numeric,
      credit numeric,
      balance numeric
    );
    create type saldo.customers_month as (
      customer_id bigint,
      customer_code text,
      customer_name text,
      currency text,
      month date,
      opening_balance numeric,
      deposits numeric,
      purchases numeric,
      deposit_adjustments numeric,
      purchase_adjustments numeric,
      others numeric,
      closing_balance numeric,
      volume_sm3 numeric,
      customer_count bigint
    );
  end if;
end
$types$;

-- What a person decided that moves money or loosens a limit: alone, or proposed for another person.
do $types$
begin
  if to_regtype('saldo.decision_status') is null then
    create type saldo.decision_status as enum ('proposed', 'approved', 'rejected', 'stale');
  end if;
end
$types$;
create table if not exists saldo.decision (
  id uuid primary key,
  action text not null,
  arguments jsonb not null,
  account_id bigint references saldo.account (id),
  amount numeric,
  currency text,
  before jsonb not null,
  reason text,
  is_alone boolean not null,
  status saldo.decision_status not null,
  proposed_by text not null,
  proposed_at timestamptz not null,
  decided_by text,
  decided_at timestamptz,
  decision_reason text,
  constraint decision_action_is_known check (action in (
    'adjust_balance', 'unfreeze_account', 'close_period', 'set_setting', 'set_heal_policy'
  )),
  constraint decision_that_waits_has_no_end check (
    (status = 'proposed') = (decided_by is null) and (decided_by is null) = (decided_at is null)
  ),
  constraint decision_alone_is_done check (
    not is_alone or (status = 'approved' and decided_by = proposed_by)
  )
);
create index if not exists decision_account on saldo.decision (account_id);
create index if not exists decision_time on saldo.decision (decided_at);
create index if not exists decision_waiting on saldo.decision (action) where status = 'proposed';

-- Slots count amounts whose rows are checked in the same transaction: the domain checked both counts
-- once more in each submission. The rule account_slot compares them. What a slot has available stays
-- of the domain: that is what a debit is judged by. From a domain to its own type nothing is
-- rewritten.
-- squawk-ignore changing-column-type
alter table saldo_private.account_slot alter column debit_total type numeric;
-- squawk-ignore changing-column-type
alter table saldo_private.account_slot alter column credit_total type numeric;
-- Parts of a tariff beside the price, and what they charge for a month.
do $types$
begin
  if to_regtype('saldo.tariff_part_kind') is null then
    create type saldo.tariff_part_kind as enum (
      'standing_month', 'standing_day', 'tier', 'minimum_take', 'tax'
    );
    create type saldo_private.charge as (
      part_id bigint,
      kind saldo.tariff_part_kind,
      name text,
      quantity numeric,
      price numeric,
      amount numeric,
      target_account_id bigint
    );
    alter type saldo.bill_line add attribute quantity numeric;
  end if;
end
$types$;
create table if not exists saldo.tariff_part (
  id bigint generated always as identity,
  kind saldo.tariff_part_kind not null,
  name text not null,
  account_id bigint,
  currency text not null,
  price numeric not null,
  from_volume numeric not null default 0,
  target_account_id bigint,
  effective_from date not null,
  effective_to date,
  recorded_at timestamptz not null default now(),
  recorded_by text not null,
  removed_at timestamptz,
  removed_by text,
  constraint tariff_part_pkey primary key (id),
  constraint tariff_part_account_id_fkey
    foreign key (account_id) references saldo.customer (account_id),
  constraint tariff_part_target_account_id_fkey
    foreign key (target_account_id) references saldo.account (id),
  constraint tariff_part_tax_has_its_account check ((kind = 'tax') = (target_account_id is not null)),
  constraint tariff_part_ends_after_it_begins check (effective_to >= effective_from)
);
create unique index if not exists tariff_part_begins_once_a_day on saldo.tariff_part
  (coalesce(account_id, 0), currency, kind, name, effective_from) where removed_at is null;
create table if not exists saldo.customer_charge (
  account_id bigint not null,
  id uuid not null,
  month saldo.month_start not null,
  part_id bigint not null,
  kind saldo.tariff_part_kind not null,
  name text not null,
  quantity numeric not null,
  price numeric not null,
  amount numeric not null,
  target_account_id bigint not null,
  charged_at timestamptz not null default clock_timestamp(),
  charged_by text not null,
  superseded_at timestamptz,
  constraint customer_charge_pkey primary key (account_id, id),
  constraint customer_charge_account_id_fkey
    foreign key (account_id) references saldo.customer (account_id),
  constraint customer_charge_part_id_fkey foreign key (part_id) references saldo.tariff_part (id)
);
create index if not exists customer_charge_current_idx on saldo.customer_charge (account_id, month)
  where superseded_at is null;

reset role;
