-- New postings ("news"): what was posted since a snapshot. An incremental check asks some rules
-- about that only.
--
-- Private: is_posted_since. A transaction that commits late is not in the snapshot, so its postings
-- count as new once it has committed; a comparison of times or ids would miss them. What came with
-- a dump from a cluster whose numbers are higher is not new: no transaction here has its number
-- yet.

create or replace function saldo_private.is_posted_since(posted_in xid8, since pg_snapshot)
returns boolean
language sql
stable
as $$
  -- Inlined and folded: without a snapshot nothing is left of it, with one the index is used.
  select since is null
    or (posted_in >= pg_snapshot_xmin(since) and not pg_visible_in_snapshot(posted_in, since)
      and posted_in <= greatest(
        pg_snapshot_xmax(pg_current_snapshot()), pg_current_xact_id_if_assigned()
      ))
$$;
comment on function saldo_private.is_posted_since is
  'Whether an entry that this transaction posted is new since the snapshot; null = all are.';
