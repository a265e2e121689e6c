/**
 * What one could write instead, for comparison: written by us, and kept as small as each may be. They
 * have none of what makes balances provable (closed periods, months, watchers, the guard, keys).
 */
import type { Client } from "pg";
import type { Scenario } from "./driver.ts";

const accounts = 1000;
const pair = { first: [1, accounts], distance: [1, accounts - 1] } as const;
const second = `((:first::int + :distance::int - 1) % ${accounts} + 1)::bigint`;

/** Two balances changed and one row noted by a function, as a team would write it in an afternoon. */
export const byHand: Scenario = {
  name: "by hand: two updates and one insert",
  sql: `select bench_by_hand(:first::bigint, ${second}, 100)`,
  variables: pair,
  unitsPerCall: 1,
};

/** A transfer with an entry for each side, each with the balance before and after, and a version. */
export const versionedEntries: Scenario = {
  name: "a ledger of versioned entries",
  sql: `select bench_versioned(:first::bigint, ${second}, 100)`,
  variables: pair,
  unitsPerCall: 1,
};

/** Makes the tables and functions of the peers, with as many accounts as Saldo has in the run. */
export async function preparePeers(client: Client): Promise<void> {
  await client.query(BY_HAND);
  await client.query(VERSIONED);
}

const BY_HAND = `
create table bench_account (id bigint primary key, balance numeric not null);
insert into bench_account select g, 0 from generate_series(1, ${accounts}) as g;
create function bench_by_hand(debited bigint, credited bigint, amount numeric) returns bigint
language plpgsql as $$
declare
  noted bigint;
begin
  perform from bench_account where id in (debited, credited) order by id for no key update;
  update bench_account set balance = balance + amount where id = debited;
  update bench_account set balance = balance - amount where id = credited;
  insert into bench_transaction (account_id, debit, credit, description)
  values (debited, amount, credited, 'Transfer')
  returning id into noted;
  return noted;
end $$`;

// As the ledgers in PostgreSQL that have been published describe it: accounts that may be bounded,
// a transfer, and two entries that carry the account's balance before and after them.
const VERSIONED = `
create table bench_ledger_account (
  id bigint primary key,
  balance numeric not null default 0,
  version bigint not null default 0,
  allows_negative boolean not null default true,
  allows_positive boolean not null default true,
  updated_at timestamptz not null default now()
);
insert into bench_ledger_account (id) select g from generate_series(1, ${accounts}) as g;
create table bench_ledger_transfer (
  id bigint generated always as identity primary key,
  from_account_id bigint not null references bench_ledger_account,
  to_account_id bigint not null references bench_ledger_account,
  amount numeric not null check (amount > 0),
  created_at timestamptz not null default now(),
  event_at timestamptz not null default now(),
  metadata jsonb,
  check (from_account_id <> to_account_id)
);
create index on bench_ledger_transfer (from_account_id);
create index on bench_ledger_transfer (to_account_id);
create table bench_ledger_entry (
  id bigint generated always as identity primary key,
  account_id bigint not null references bench_ledger_account,
  transfer_id bigint not null references bench_ledger_transfer,
  amount numeric not null,
  balance_before numeric not null,
  balance_after numeric not null,
  account_version bigint not null,
  created_at timestamptz not null default now()
);
create index on bench_ledger_entry (account_id);
create index on bench_ledger_entry (transfer_id);
create function bench_move(account bigint, transfer bigint, change numeric) returns void
language plpgsql as $$
declare
  now_is bench_ledger_account;
begin
  update bench_ledger_account
  set balance = balance + change, version = version + 1, updated_at = now()
  where id = account
  returning * into now_is;
  if now_is.balance < 0 and not now_is.allows_negative
  or now_is.balance > 0 and not now_is.allows_positive then
    raise exception 'account % does not allow a balance of %', account, now_is.balance;
  end if;
  insert into bench_ledger_entry
    (account_id, transfer_id, amount, balance_before, balance_after, account_version)
  values (account, transfer, change, now_is.balance - change, now_is.balance, now_is.version);
end $$;
create function bench_versioned(debited bigint, credited bigint, amount numeric) returns bigint
language plpgsql as $$
declare
  made bigint;
begin
  insert into bench_ledger_transfer (from_account_id, to_account_id, amount)
  values (credited, debited, amount)
  returning id into made;
  perform from bench_ledger_account where id in (debited, credited) order by id for no key update;
  perform bench_move(credited, made, -amount);
  perform bench_move(debited, made, amount);
  return made;
end $$`;
