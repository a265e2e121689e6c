--! Previous: sha1:1068684051994f9a61df967d6cb37e2ee82923ec
--! Hash: sha1:c85ab0eb6335377f650296f00502f953655f3467
--! Message: replaced logic

-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- foundation: logic that another one has replaced

create table if not exists saldo_private.replaced_logic (
  hash text primary key,
  replaced_at timestamptz not null default now()
);

reset role;
