--! Previous: sha1:fa26c880c14dea721bbc9e5a9f90ac3c34656bfd
--! Hash: sha1:1068684051994f9a61df967d6cb37e2ee82923ec
--! Message: sources of postings

-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- ledger: what an entry may do because of who posts it; the rows come with sql/.
create table if not exists saldo_private.posting_source (
  source text primary key,
  is_reserved boolean not null,
  moves_no_funds boolean not null,
  passes_closed_account boolean not null,
  passes_minimum boolean not null
);

-- alert: two readings of a clock are in no order, since it may have been set back between them.
alter table saldo.alert drop constraint if exists alert_is_resolved_after_it_opened;

-- metering: whether a deposit that says the same is there already.
-- squawk-ignore require-concurrent-index-creation
create index if not exists deposit_account_id_occurred_at_idx
  on saldo.deposit (account_id, occurred_at);

reset role;
