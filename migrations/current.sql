-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- Functions whose arguments or results have changed.
drop function saldo_private.record_readings(saldo.reading_request[], uuid, saldo.reading);
drop function saldo_private.customer_rating(bigint, saldo.balance_basis);
drop function saldo_private.sieve_accounts(date, date);
drop function saldo_private.sieve_entries(date, date, bigint);
drop function saldo_private.sieve_totals();

-- health: what a heal has set in a user's own table, whose rule may change before it is undone
alter table saldo.heal_action add column target jsonb;

-- The order in which checks ended, whatever the clock said; those from before are ordered by it.
alter table saldo.check_run add column number bigint not null default 0;
alter table saldo.check_run alter column number drop default;
alter table saldo.check_run alter column number add generated always as identity;
-- squawk-ignore require-concurrent-index-creation
create index check_run_number_finished_at_idx on saldo.check_run (number, finished_at);

-- Used in PL/pgSQL only, which looks at it when it runs: this transaction may not use it yet.
alter type saldo.finding_cause add value if not exists 'clock_set_back' before 'unknown';

-- Who has looked into a clock that was ahead.
create table saldo.clock_acceptance (
  id uuid primary key,
  accepted_at timestamptz not null,
  accepted_by text not null,
  reason text not null,
  accepted_until timestamptz not null
);

-- health: ranked causes for the findings of the engine's own rules

-- Used at run time only, after this transaction.
alter type saldo.finding_cause add value 'missing_item' before 'rule_failed';

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

drop function saldo_private.explain_findings__events;

-- Functions, triggers and views as this migration makes them.
create table saldo_private.built_object (
  kind text not null,
  name text not null,
  hash text not null,
  server_version integer not null,
  primary key (kind, name)
);

-- The logic, room after room.
--!include index.sql

reset role;
