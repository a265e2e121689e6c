-- Tables that have grown: analyzed at once, for the plans that connections keep.
--
-- Private: analyze_grown_tables.
-- PostgreSQL plans a statement of a function once for each connection, and again only when a table
-- of it was analyzed. A plan that was made for an all but empty table reads all of it: on a busy
-- new database thousands of rows at each call, until autovacuum comes by, a minute later or more.
-- Locks: of a table what ANALYZE takes, which no reader and no writer waits for. A table that
-- another session analyzes or changes at this moment is passed over.

create or replace function saldo_private.analyze_grown_tables()
returns setof text
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_table regclass;
begin
  -- Known without reading a table. From 16 pages on, where an index pays; and where there are four
  -- times as many as before: each table a few times in its life. Rows as well, since those of a
  -- transaction that was under way were not counted, and the pages of them were.
  for v_table in
    select c.oid::regclass
    from pg_catalog.pg_class as c
    cross join lateral (
      select pg_relation_size(c.oid) / current_setting('block_size')::bigint as pages,
        pg_stat_get_live_tuples(c.oid) as rows
    ) as now
    where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
    and c.relkind = 'r'
    and now.pages >= 16
    and (now.pages >= 4 * c.relpages::bigint or now.rows >= 4 * greatest(c.reltuples, 100))
    -- Its first rows are being written: they would count for nothing, and their pages for many.
    and not (now.rows = 0 and exists (
      select
      from pg_catalog.pg_locks as l
      where l.locktype = 'relation'
      and l.database = (select d.oid from pg_catalog.pg_database as d
        where d.datname = current_database())
      and l.relation = c.oid
      and l.mode = 'RowExclusiveLock'
      and l.pid <> pg_backend_pid()
    ))
    order by c.oid
  loop
    execute format('analyze (skip_locked) %s', v_table);
    return next v_table::text;
  end loop;
end
$$;
comment on function saldo_private.analyze_grown_tables is
  'Analyzes the tables that are four times as large, or have four times as many rows, as when they '
  'were analyzed last, so that plans are made again for what they have become. Their names.';
revoke execute on function saldo_private.analyze_grown_tables from public;
grant execute on function saldo_private.analyze_grown_tables to saldo_admin;
