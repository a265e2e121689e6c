-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

--!include index.sql

reset role;
