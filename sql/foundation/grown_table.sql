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
  -- Sizes only, which are known without reading a table. From 16 pages on, where an index pays; and
  -- where there are four times as many as before: each table a few times in its life.
  for v_table in
    select c.oid::regclass
    from pg_catalog.pg_class as c
    where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
    and c.relkind = 'r'
    and pg_relation_size(c.oid) >= current_setting('block_size')::bigint
      * greatest(16, 4 * c.relpages::bigint)
    order by c.oid
  loop
    execute format('analyze (skip_locked) %s', v_table);
    return next v_table::text;
  end loop;
end
$$;
comment on function saldo_private.analyze_grown_tables is
  'Analyzes the tables that are four times as large as when they were analyzed last, so that plans '
  'are made again for what they have become. Their names.';
revoke execute on function saldo_private.analyze_grown_tables from public;
grant execute on function saldo_private.analyze_grown_tables to saldo_admin;
