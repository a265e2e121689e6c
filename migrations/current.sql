-- The migration at hand: tables, types, indexes and changes of data, as saldo_owner. It is run at
-- each start and each save of npm run dev, so write what can be run again: create table if not exists.
-- npm run migrate:commit -- "what it does" makes it the next of migrations/committed/.

-- Writes past the engine: a worker of logical replication runs no statement.
-- squawk-ignore ban-drop-not-null
alter table saldo.guard_event alter column statement drop not null;
