--! Previous: sha1:753a5e8e047f564f20d42f6b215f895a878e1967
--! Hash: sha1:580311462d5d5a90eb3e0cf18b2933aee46df6e9
--! Message: last change of balances, joint requests, authors of drafts, ways of sessions, rounding of quantities, index of rare entries

set local role saldo_owner;

-- When a balance last changed, kept by the statement that changes it: null = not since this is kept.
alter table saldo.account add column if not exists last_updated_at timestamptz;
alter table saldo_private.account_stripe add column if not exists last_updated_at timestamptz;
do $types$
begin
  if not exists (
    select
    from pg_attribute
    where attrelid = 'saldo.balance_summary'::regclass
    and attname = 'last_updated_at'
  ) then
    alter type saldo.balance_summary
      add attribute last_updated_at timestamptz, add attribute version bigint;
    alter type saldo.wallet_balance
      add attribute last_updated_at timestamptz, add attribute version bigint;
  end if;
end
$types$;

-- Calls of several callers that are made together: one, as far as all kinds of them are alike.
do $types$
begin
  if to_regtype('saldo_private.joint_request') is null then
    create type saldo_private.joint_request as (
      request_no bigint,
      actor text,
      scope text,
      idempotency_key text,
      request_hash bytea,
      id uuid,
      entry_id uuid,
      account_id bigint,
      counter_account_id bigint,
      is_debit boolean,
      amount numeric,
      released numeric,
      description text,
      metadata jsonb
    );
  end if;
end
$types$;

-- Sessions of the console: by which way each was begun, and who ended it.
alter table saldo_private.console_session add column if not exists way text;
alter table saldo_private.console_session add column if not exists ended_by text;
-- Whoever has written some of a draft is no second person for it.
alter table saldo.entry_draft add column if not exists authors text[] not null default '{}';

-- Checks look for the few entries of these sources without going through the journal. Where the
-- index is there, nothing is to be locked.
do $index$
begin
  if to_regclass('saldo.journal_entry_rare_source_idx') is null then
    create index journal_entry_rare_source_idx
      on saldo.journal_entry (source, id)
      where source in ('settlement', 'partial_refund', 'top_up_reversal', 'debt_payment');
    drop index if exists saldo.journal_entry_settlement_idx;
  end if;
end
$index$;

-- The accounts whose months are suspect, apart from those whose totals are.
do $types$
begin
  if not exists (
    select
    from pg_attribute
    where attrelid = 'saldo_private.suspects'::regclass
    and attname = 'month_account_ids'
  ) then
    alter type saldo_private.suspects add attribute month_account_ids bigint[];
  end if;
end
$types$;

-- How the quantity that a month is billed for is rounded, as a part of the tariff.
alter type saldo.tariff_part_kind add value if not exists 'round_half_up' before 'standing_month';
alter type saldo.tariff_part_kind add value if not exists 'round_down' before 'standing_month';

reset role;
