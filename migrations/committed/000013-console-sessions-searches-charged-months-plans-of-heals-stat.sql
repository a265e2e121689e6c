--! Previous: sha1:f5fb6b60f8e254e56b8b826a3e82ac6049b6e44a
--! Hash: sha1:753a5e8e047f564f20d42f6b215f895a878e1967
--! Message: console sessions, searches, charged months, plans of heals, states of branches, many at once

set local role saldo_owner;

-- The console: links by which somebody signs in once, and sessions.
create table if not exists saldo_private.console_link (
  code_hash bytea primary key,
  role text not null,
  subject text not null,
  member_id bigint references saldo.member (id),
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint console_link_code_is_sha256 check (length(code_hash) = 32),
  constraint console_link_role_is_a_word check (role ~ '^[a-z][a-z_]{0,40}$'),
  constraint console_link_of_a_member_names_one check (role <> 'member' or member_id is not null)
);
create index if not exists console_link_member on saldo_private.console_link (member_id);
create index if not exists console_link_end on saldo_private.console_link (expires_at);
create table if not exists saldo_private.console_session (
  id_hash bytea primary key,
  role text not null,
  subject text not null,
  member_id bigint,
  service_token_id uuid references saldo.service_token (id),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  seen_at timestamptz not null,
  ended_at timestamptz,
  constraint console_session_id_is_sha256 check (length(id_hash) = 32),
  constraint console_session_role_is_a_word check (role ~ '^[a-z][a-z_]{0,40}$'),
  constraint console_session_of_a_member_names_one check (role <> 'member' or member_id is not null)
);
create index if not exists console_session_service_token
  on saldo_private.console_session (service_token_id);
create index if not exists console_session_end on saldo_private.console_session (expires_at);

-- Members are looked up by a beginning of their code and by words of their name.
-- squawk-ignore require-concurrent-index-creation
create index if not exists member_code_beginning
  on saldo.member (lower(code) text_pattern_ops);
-- squawk-ignore require-concurrent-index-creation
create index if not exists member_name_words
  on saldo.member using gin (to_tsvector('simple'::regconfig, name));

-- What a wallet's balance is made of.
do $types$
begin
  if to_regtype('saldo.wallet_balance_part') is null then
    create type saldo.wallet_balance_part as (
      kind saldo.wallet_line_kind,
      line_count bigint,
      first_at timestamptz,
      last_at timestamptz,
      amount numeric,
      total numeric
    );
  end if;
end
$types$;

-- Customers by words of their names and by their codes, and what a change of price would change.
-- squawk-ignore require-concurrent-index-creation
create index if not exists customer_name_words_idx on saldo.customer
  using gin (to_tsvector('simple', name));
-- squawk-ignore require-concurrent-index-creation
create index if not exists customer_code_prefix_idx on saldo.customer
  ((lower(code) collate "C"));
do $types$
begin
  if to_regtype('saldo.rating_preview') is null then
    create type saldo.rating_preview as (
      currency text,
      customer_id bigint,
      customer_code text,
      customer_name text,
      month date,
      is_closed boolean,
      reading_count bigint,
      amount_before numeric,
      amount_after numeric,
      amount_change numeric,
      volume_change numeric
    );
  end if;
end
$types$;

-- Entries as they are found and read: what a page of the journal and an entry's page show.
do $types$
begin
  if to_regtype('saldo.found_entry') is null then
    create type saldo.found_entry as (
      id uuid,
      is_match boolean,
      posting_date date,
      occurred_at timestamptz,
      kind saldo.entry_kind,
      status saldo.entry_status,
      description text,
      source text,
      idempotency_key text,
      reverses uuid,
      posted_by text,
      line_count integer,
      debit_codes text,
      credit_codes text,
      amount numeric,
      currency text
    );
    create type saldo.entry_line as (
      line_no integer,
      account_id bigint,
      account_code text,
      account_name text,
      currency text,
      debit numeric,
      credit numeric
    );
  end if;
  if to_regtype('saldo.account_group') is null then
    create type saldo.account_group as (
      prefix text,
      account_id bigint,
      account_count bigint,
      type saldo.account_type,
      currency text,
      balance numeric
    );
  end if;
end
$types$;

-- Months that are charged: what comes late to one of them is charged again by itself.
create table if not exists saldo_private.charged_month (
  account_id bigint not null,
  month date not null,
  charged_at timestamptz not null default clock_timestamp(),
  charged_by text not null,
  constraint charged_month_pkey primary key (month, account_id)
);
insert into saldo_private.charged_month (account_id, month, charged_at, charged_by)
select c.account_id, c.month, min(c.charged_at), min(c.charged_by)
from saldo.customer_charge as c
group by c.account_id, c.month
on conflict do nothing;
alter table saldo.rerating add column if not exists is_of_charges boolean not null default false;

-- A heal that is applied against the plan that was looked at.
alter table saldo.heal_run add column if not exists plan_hash text;
do $$
begin
  if to_regtype('saldo.heal_run_total') is null then
    create type saldo.heal_run_total as (
      outcome saldo.heal_outcome,
      rule text,
      currency text,
      finding_count bigint,
      difference_sum numeric
    );
  end if;
end
$$;

-- How branches stand.
do $branch_state$
begin
  if to_regtype('saldo.branch_state') is null then
    create type saldo.branch_state as (
      branch_id bigint,
      branch_code text,
      branch_name text,
      device_count bigint,
      forked_count bigint,
      last_push_at timestamptz,
      is_silent boolean,
      missing_count bigint,
      missing_since timestamptz,
      quarantined_count bigint,
      conflict_count bigint,
      waiting_since timestamptz,
      suspense_count bigint
    );
  end if;
end
$branch_state$;

-- Totals of statements.
do $types$
begin
  if to_regtype('saldo.statement_total') is null then
    create type saldo.statement_total as (currency text, section text, amount numeric);
  end if;
end
$types$;

-- Checks that are under way, as another session sees them.
do $types$
begin
  if to_regtype('saldo.running_check') is null then
    create type saldo.running_check as (
      kind saldo.check_kind,
      started_at timestamptz,
      line_count bigint,
      total_line_count bigint,
      rule text,
      pid integer
    );
  end if;
end
$types$;

-- What a maintenance came to, in a sentence.
alter table saldo.maintenance_run add column if not exists message text;

-- How each hot account stands, for a person who looks.
do $types$
begin
  if to_regtype('saldo.hot_account_state') is null then
    create type saldo.hot_account_state as (
      account_id bigint,
      code text,
      name text,
      currency text,
      slots integer,
      is_frozen boolean,
      pending_count bigint,
      pending_debit numeric,
      pending_credit numeric,
      oldest_pending_at timestamptz,
      backlog_limit bigint,
      last_settled_at timestamptz
    );
  end if;
end
$types$;

-- Many purchases, top-ups and holds in one call.
do $types$
begin
  if to_regtype('saldo.request_result') is null then
    create type saldo.request_result as (
      id uuid,
      error_code text,
      error_condition text,
      detail text
    );
    create type saldo.purchase_request as (
      member_id bigint,
      product_id bigint,
      amount numeric,
      quantity integer,
      idempotency_key text,
      occurred_at timestamptz,
      hold_only boolean
    );
    create type saldo.top_up_request as (
      member_id bigint,
      amount numeric,
      idempotency_key text,
      occurred_at timestamptz,
      description text
    );
    create type saldo.hold_request as (
      account_id bigint,
      amount numeric,
      expires_in interval,
      description text,
      counter_account_id bigint,
      idempotency_key text,
      metadata jsonb
    );
  end if;
end
$types$;

reset role;
