-- The migration at hand: tables, types, indexes and changes of data, as saldo_owner. It is run at
-- each start and each save of npm run dev, so write what can be run again: create table if not exists.
-- npm run migrate:commit -- "what it does" makes it the next of migrations/committed/.

-- Intake: rows of a device are looked up by their hashes and by their verdict numbers. Each of the
-- two serves one of these only; the planner took one for the other where there were no statistics,
-- and read all rows of the device for each row that came.
-- Both hold up pushes only, which come again.
-- squawk-ignore require-concurrent-index-deletion
drop index if exists saldo.branch_intake_device_id_verdict_no_idx;
-- squawk-ignore require-concurrent-index-creation
create index if not exists branch_intake_verdict_no_idx
  on saldo.branch_intake (device_id, verdict_no) where verdict_no > 0;
