-- The migration at hand: tables, types, indexes and changes of data, as saldo_owner. It is run at
-- each start and each save of npm run dev, so write what can be run again: create table if not exists.
-- npm run migrate:commit -- "what it does" makes it the next of migrations/committed/.

-- Writes past the engine: a worker of logical replication runs no statement.
-- squawk-ignore ban-drop-not-null
alter table saldo.guard_event alter column statement drop not null;
-- Causes that are told from the rows themselves, where nobody recorded a write.
alter type saldo.finding_cause add value if not exists 'cache_forced' before 'rule_failed';
alter type saldo.finding_cause add value if not exists 'record_changed' before 'rule_failed';
alter type saldo.finding_cause add value if not exists 'engine_changed' before 'rule_failed';
alter type saldo.finding_cause add value if not exists 'work_stopped' before 'rule_failed';
