--! Previous: sha1:d601a8ac6cce7d977bf3e97e31316c4d5cc27e02
--! Hash: sha1:fa26c880c14dea721bbc9e5a9f90ac3c34656bfd
--! Message: applied logic

-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- foundation: what of sql/ stands in this database, and which steps that need it were done

create table saldo_private.applied_logic (
  id integer primary key,
  hash text not null,
  parts jsonb not null,
  applied_at timestamptz not null,
  applied_by text not null,
  constraint applied_logic_has_one_row check (id = 1)
);

create table saldo_private.after_migration (
  name text primary key,
  is_run boolean not null,
  recorded_at timestamptz not null default now()
);

reset role;
