-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- What a row of an import came to.
create type saldo.import_result as (
  row_no integer,
  is_accepted boolean,
  id text,
  error_code text,
  error_condition text,
  detail text
);
-- A row of a file of readings, looked at.
create type saldo_private.import_reading as (
  row_no integer,
  key text,
  request_hash bytea,
  account_id bigint,
  request saldo.reading_request,
  error_condition text,
  detail text
);

--!include index.sql

reset role;
