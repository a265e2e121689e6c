-- The schemas, who enters them, and what a new function is: closed to the public.
--
-- `saldo` is the public surface (GraphQL and psql), `saldo_private` the engine room.

comment on schema saldo is 'The balance engine: accounts, journal, wallets, health.';
comment on schema saldo_private is
  'Internals of the balance engine; nobody but its owner calls them.';
grant usage on schema saldo to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous, saldo_cashier,
  saldo_biller, saldo_app, saldo_server;
-- Row security policies and public functions of language SQL call helpers of saldo_private; the
-- server hands over there what several callers ask at once.
grant usage on schema saldo_private to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous, saldo_cashier,
  saldo_biller, saldo_app, saldo_server;
grant usage on schema saldo_rule to saldo_rule_reader;
alter default privileges for role saldo_owner revoke execute on functions from public;
