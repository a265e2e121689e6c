-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- ledger: periods, and the day on which an entry is posted

create type saldo.period_status as enum ('open', 'closing', 'closed', 'locked');
create type saldo_private.posting_day as (posting_date date, origin_month date);
create type saldo_private.dated_day as (
  occurred_at timestamptz,
  posting_date date,
  origin_month date
);
-- With an origin month.
drop function saldo_private.post_entry(
  uuid, bigint[], numeric[], numeric[], text, text, saldo.entry_kind, timestamptz, text, uuid, jsonb
);
drop function saldo_private.reverse_posted_entry(uuid, uuid, text, text, timestamptz, text);

-- One row: what every posting has to know.
create table saldo_private.book_state (
  id integer primary key,
  closed_through date,
  locked_through date,
  constraint book_state_has_one_row check (id = 1)
);
insert into saldo_private.book_state (id) values (1);

-- Few entries are in them, and the migration is one transaction: writers wait for one scan.
-- squawk-ignore require-concurrent-index-creation
create index journal_entry_origin_month_idx on saldo.journal_entry (origin_month)
  where origin_month is not null;
-- squawk-ignore require-concurrent-index-creation
create index journal_entry_close_year_idx on saldo.journal_entry (posting_date)
  where source = 'close_year';

-- The logic, room after room.
--!include index.sql

reset role;
