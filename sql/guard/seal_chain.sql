-- Whose turn it is to seal rows, and in which cluster: transaction numbers count within one.
--
-- Private: lock_row_seals, note_cluster.
-- Locks: the row of row_seal_progress; a second sealer waits, and finds the rest.

create or replace function saldo_private.lock_row_seals()
returns saldo_private.row_seal_progress
language plpgsql
as $$
declare
  v_progress saldo_private.row_seal_progress;
  v_cluster text := saldo_private.current_cluster();
begin
  perform saldo_private.require_read_committed();
  select *
  into strict v_progress
  from saldo_private.row_seal_progress
  where id = 1
  for no key update;
  if v_progress.cluster is distinct from v_cluster then
    update saldo_private.row_seal_progress
    set cluster = v_cluster,
      former_until = case when is_catching_up then least(former_until, sealed_until)
        else sealed_until end,
      sealed_until = pg_snapshot_xmin(pg_current_snapshot()),
      -- In a new database there is nothing to go through, and what comes is from sealed_until on.
      is_catching_up = exists (select from saldo_private.sealed_source)
    where id = 1
    returning *
    into v_progress;
  end if;
  return v_progress;
end
$$;
comment on function saldo_private.lock_row_seals is
  'How far the sealer of rows is, and no other seals meanwhile. In a cluster that it does not know '
  'transaction numbers begin again: it goes through all records once. Error: '
  'SB020 isolation_unsupported.';

create or replace function saldo_private.note_cluster()
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if not pg_is_in_recovery() and exists (
    select
    from saldo_private.row_seal_progress as p
    where p.cluster is distinct from saldo_private.current_cluster()
  ) then
    perform saldo_private.lock_row_seals();
  end if;
end
$$;
comment on function saldo_private.note_cluster is
  'Writes down which cluster the database is in, for each start: what is changed in a cluster '
  'before that is known would look as if its seal forbade it. Error: SB020 isolation_unsupported.';
revoke execute on function saldo_private.note_cluster from public;
grant execute on function saldo_private.note_cluster to saldo_admin;
