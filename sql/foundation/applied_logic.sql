-- What of this folder stands in the database, and which steps of data that need it were done.
--
-- Private: tables applied_logic, replaced_logic and after_migration, which src/database/ writes
-- and reads.

select saldo_private.secure_table('saldo_private.applied_logic');
select saldo_private.secure_table('saldo_private.replaced_logic');
select saldo_private.secure_table('saldo_private.after_migration');

comment on table saldo_private.applied_logic is 'The logic that stands in the database: one row.';
comment on column saldo_private.applied_logic.id is 'Always 1.';
comment on column saldo_private.applied_logic.hash is
  'Hash of all files of sql/ and of the roles: a server that has the same applies nothing.';
comment on column saldo_private.applied_logic.parts is
  'Of each table and view a hash of its statements and one of what they made of it.';
comment on column saldo_private.applied_logic.applied_at is 'When the logic was last applied.';
comment on column saldo_private.applied_logic.applied_by is 'Login that applied it.';

comment on table saldo_private.replaced_logic is
  'Logic that stood in the database before another one replaced it: a server that has it is an '
  'older one that was restarted, and is refused.';
comment on column saldo_private.replaced_logic.hash is 'Hash as in applied_logic.';
comment on column saldo_private.replaced_logic.replaced_at is 'When it was last replaced.';

comment on table saldo_private.after_migration is
  'Steps of migrations/after/, which change data by means of the logic: once each.';
comment on column saldo_private.after_migration.name is 'Name of the file in migrations/after/.';
comment on column saldo_private.after_migration.is_run is
  'Whether it was run; false on a database that was new and had no data.';
comment on column saldo_private.after_migration.recorded_at is
  'When it was run, or noted as not needed.';
