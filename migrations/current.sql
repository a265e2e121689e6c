-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- The logic, room after room.
--!include index.sql

reset role;
