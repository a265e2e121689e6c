-- The cluster that the database is in. Transaction numbers have a meaning within their cluster
-- only: in books that were restored from a dump, what was written before has numbers of another
-- one.
--
-- Private: current_cluster, is_seen. No transaction of this cluster has a number that is still to
-- come: it is of another cluster. So are a snapshot that ends there, and all that it has seen.

create or replace function saldo_private.current_cluster()
returns text
language sql
stable
as $$
  select c.system_identifier::text
  from pg_catalog.pg_control_system() as c
$$;
comment on function saldo_private.current_cluster is
  'System identifier of the cluster: standbys and their promotions keep it, a restored dump and an '
  'upgrade of PostgreSQL get another.';

create or replace function saldo_private.is_seen(transaction_id xid8, snapshot pg_snapshot)
returns boolean
language sql
stable
as $$
  select case
    when snapshot is null then null
    when pg_snapshot_xmax(snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
      then pg_visible_in_snapshot(transaction_id, snapshot) or (
        transaction_id > pg_snapshot_xmax(pg_current_snapshot())
        and transaction_id is distinct from pg_current_xact_id_if_assigned()
      )
    else pg_visible_in_snapshot(transaction_id, snapshot)
      and transaction_id > pg_snapshot_xmax(pg_current_snapshot())
  end
$$;
comment on function saldo_private.is_seen is
  'Whether a snapshot saw what this transaction wrote, in books from another cluster too: a '
  'snapshot of this cluster saw all that came along. Null for no snapshot. Where it cannot be '
  'told, it was not seen.';
