-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- Functions whose arguments or results have changed.
drop function saldo_private.record_readings(saldo.reading_request[], uuid, saldo.reading);
drop function saldo_private.customer_rating(bigint, saldo.balance_basis);
drop function saldo_private.sieve_accounts(date, date);
drop function saldo_private.sieve_entries(date, date, bigint);
drop function saldo_private.sieve_totals();

-- The logic, room after room.
--!include index.sql

reset role;
