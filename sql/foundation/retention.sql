-- Retention: for how long what is done with is kept.
--
-- Public: saldo.retention_progress. Private: retention_cutoff, kept_since, block_tid, next_block.
-- heal/retention.sql goes through the tables in small steps. The prune function of a table is
--   prune_x(cutoff timestamptz, from_block bigint, out deleted_count bigint, out next_block bigint)
-- It deletes a bounded part of what is older than the cutoff and not needed, and says where the
-- next step goes on; null = it is through.

create or replace function saldo_private.retention_cutoff(setting_name text)
returns timestamptz
language sql
stable
as $$
  select now() - make_interval(
    days => nullif(saldo_private.setting_value(setting_name)::integer, 0)
  )
$$;
comment on function saldo_private.retention_cutoff is
  'What is older may go, by a setting in days; null = it is kept for ever.';

create or replace function saldo_private.kept_since(table_name text, setting_name text)
returns timestamptz
language sql
stable
as $$
  select greatest(
    coalesce(saldo_private.retention_cutoff(setting_name), '-infinity'),
    coalesce((
      select p.deleted_until
      from saldo.retention_progress as p
      where p.table_name = kept_since.table_name
    ), '-infinity')
  )
$$;
comment on function saldo_private.kept_since is
  'Since when a table is whole: what is older may have been deleted, by the setting as it is or as '
  'it was.';

create or replace function saldo_private.block_tid(block bigint)
returns tid
language sql
stable
as $$
  select format('(%s,0)', least(block, 4294967295))::tid
$$;
comment on function saldo_private.block_tid is 'Where a block of a table begins.';

create or replace function saldo_private.next_block(walked_table regclass, block bigint)
returns bigint
language sql
stable
as $$
  select case when block * current_setting('block_size')::bigint < pg_relation_size(walked_table)
    then block end
$$;
comment on function saldo_private.next_block is 'The block, unless the table ends before it.';

select saldo_private.secure_table('saldo.retention_progress');
drop policy if exists select_all on saldo.retention_progress;
create policy select_all on saldo.retention_progress for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.retention_progress to saldo_admin, saldo_operator;

comment on table saldo.retention_progress is
  'How far a table has been gone through for what is older than it is kept.';
comment on column saldo.retention_progress.table_name is 'Name of the table.';
comment on column saldo.retention_progress.next_block is
  'Where the next step goes on; 0 at the beginning.';
comment on column saldo.retention_progress.deleted_count is 'Rows deleted by this run so far.';
comment on column saldo.retention_progress.deleted_until is
  'Rows up to this time may be gone; null = none was deleted ever.';
comment on column saldo.retention_progress.started_at is 'When this run began.';
comment on column saldo.retention_progress.moved_at is 'When its last step was done.';
comment on column saldo.retention_progress.finished_at is 'When it ended; null = it goes on.';
comment on column saldo.retention_progress.failure is
  'Why it ended before it was through; null = it did not.';
