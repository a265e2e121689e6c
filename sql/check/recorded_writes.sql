-- What the guard has recorded since a check is looked at by the next one, however old the rows are.
--
-- Private: recorded_writes_since, has_unchecked_writes, has_unnamed_writes, with_recorded_writes.
-- An incremental check looks at new postings: a line of long ago that is changed past the engine is
-- none. The record of the write says which accounts and entries are suspect.

create or replace function saldo_private.recorded_writes_since(since pg_snapshot)
returns setof saldo.guard_event
language sql
stable
as $$
  select g.*
  from (
    select each.*
    from saldo.guard_event as each
    order by each.id desc
    limit 1000
  ) as g
  where not pg_visible_in_snapshot(g.transaction_id, since)
  -- Of another cluster, before a restore.
  and g.transaction_id < pg_snapshot_xmax(pg_current_snapshot())
$$;
comment on function saldo_private.recorded_writes_since is
  'Writes past the engine, of the newest 1,000, that a snapshot does not show.';

create or replace function saldo_private.has_unchecked_writes()
returns boolean
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select exists (
    select
    from (
      select c.snapshot::pg_snapshot as snapshot
      from saldo.check_run as c
      order by c.number desc, c.finished_at desc
      limit 1
    ) as last
    cross join lateral saldo_private.recorded_writes_since(last.snapshot)
  )
$$;
comment on function saldo_private.has_unchecked_writes is
  'Whether a write past the engine was recorded that the last check has not seen.';
revoke execute on function saldo_private.has_unchecked_writes from public;
grant execute on function saldo_private.has_unchecked_writes to saldo_admin;

create or replace function saldo_private.has_unnamed_writes(since pg_snapshot)
returns boolean
language sql
stable
as $$
  -- TRUNCATE names no row, and of more than are looked at the first are not known.
  select count(*) >= 1000 or coalesce(bool_or(g.operation = 'truncate'), false)
  from saldo_private.recorded_writes_since(since) as g
$$;
comment on function saldo_private.has_unnamed_writes is
  'Whether there are records since of writes past the engine that do not say what was touched: '
  'then everything is in question.';

create or replace function saldo_private.with_recorded_writes(
  suspects saldo_private.suspects,
  since pg_snapshot
)
returns saldo_private.suspects
language plpgsql
stable
as $$
declare
  v_suspects saldo_private.suspects := suspects;
  v_account_ids bigint[];
  v_entry_ids uuid[];
begin
  select array_agg(distinct named.account_id) filter (where named.account_id is not null),
    array_agg(distinct named.entry_id) filter (where named.entry_id is not null)
  into v_account_ids, v_entry_ids
  from saldo_private.recorded_writes_since(since) as g
  cross join lateral (
    select (row.data ->> case g.table_name when 'account' then 'id' else 'account_id' end)::bigint
        as account_id,
      case when g.table_name = 'journal_line' then (row.data ->> 'entry_id')::uuid
        when g.table_name = 'journal_entry' then (row.data ->> 'id')::uuid end as entry_id
    from (values (g.old_row), (g.new_row)) as row (data)
  ) as named
  where g.rule is null;
  if saldo_private.has_unnamed_writes(since) then
    v_account_ids := array(select a.id from saldo.account as a);
  end if;
  v_suspects.account_ids := suspects.account_ids || v_account_ids;
  v_suspects.month_account_ids := suspects.month_account_ids || v_account_ids;
  v_suspects.entry_ids := suspects.entry_ids || v_entry_ids;
  v_suspects.news_account_ids := case when suspects.news_account_ids is not null
    then suspects.news_account_ids || v_account_ids end;
  return v_suspects;
end
$$;
comment on function saldo_private.with_recorded_writes is
  'The suspects, with the accounts and entries that were written past the engine since; all '
  'accounts where that is not known.';
