-- Sealing rows: a job after the commit, for everything that heals and settlements derive from.
--
-- Public: seal_rows. Private: seal_records and its step, has_unexplained_holds. Evidence is kept
-- by row_seal.sql, sealed_stretch.sql and sealed_source.sql.
-- No record is passed over: what was running when a sealer looked has a transaction number from
-- that snapshot's xmin on, and the next sealer begins there. A batch that is full is of the
-- earliest, and the next begins with its last transaction. What the guard recorded is not sealed.

create or replace function saldo_private.sealed_records_hash(seal_number bigint)
returns bytea
language sql
stable
as $$
  select sha256(convert_to(string_agg(
    jsonb_build_array(s.source, s.owner_id, s.id, s.account_id, s.changed_in,
      encode(s.hash, 'hex'))::text || E'\n',
    '' order by s.source collate "C", s.owner_id, s.id
  ), 'UTF8'))
  from saldo_private.sealed_record as s
  where s.seal_number = sealed_records_hash.seal_number
$$;
comment on function saldo_private.sealed_records_hash is 'SHA-256 over the records of a seal.';

create or replace function saldo_private.has_unexplained_holds(account_id bigint)
returns boolean
language sql
stable
as $$
  select case
    when a.mode = 'hot' then saldo_private.has_uncounted_holds(a.id)
    else a.held_total <> held.amount
      -- Where the guard has seen held_total being set, the holds are right.
      and not exists (
        select
        from saldo.guard_event as g
        where g.account_id = a.id
        and g.table_name = 'account'
        and (g.new_row ->> 'held_total')::numeric - (g.old_row ->> 'held_total')::numeric
          = a.held_total - held.amount
      )
  end
  from saldo.account as a
  cross join lateral saldo_private.open_hold_sum(a.id) as held (amount)
  where a.id = has_unexplained_holds.account_id
$$;
comment on function saldo_private.has_unexplained_holds is
  'Whether the open holds of an account do not come to what is held on it, and no recorded write '
  'to the latter says why.';

create or replace function saldo_private.seal_records__unsealed(
  progress saldo_private.row_seal_progress,
  until xid8
)
returns table (
  source text,
  owner_id bigint,
  id uuid,
  account_id bigint,
  changed_in xid8,
  text text
)
language sql
stable
as $$
  select r.source, r.owner_id, r.id, r.account_id, r.changed_in, r.text
  from saldo_private.sealed_source as r
  left join lateral (
    select s.changed_in, true as is_sealed
    from saldo_private.sealed_record as s
    where s.source = r.source
    and s.owner_id = r.owner_id
    and s.id = r.id
    order by s.seal_number desc
    limit 1
  ) as sealed on true
  where (progress.is_catching_up
    or (r.changed_in >= progress.sealed_until and r.changed_in < until))
  and (sealed.is_sealed is null
    or (((r.changed_in >= progress.sealed_until and r.changed_in < until)
        or (progress.is_catching_up and r.changed_in >= progress.former_until))
      and r.changed_in is distinct from sealed.changed_in))
  and not exists (
    select
    from saldo_private.contested_row as c
    where c.account_id = r.account_id
    and c.source = r.source
  )
$$;
comment on function saldo_private.seal_records__unsealed is
  'Records that the engine has written since they were sealed, before the transaction until, and '
  'that nobody has contested.';

create or replace function saldo_private.seal_records(
  progress saldo_private.row_seal_progress,
  row_limit integer,
  out record_count bigint,
  out last_changed_in xid8
)
language plpgsql
-- By an index, unless everything is gone through.
set plan_cache_mode = force_custom_plan
as $$
declare
  v_number bigint := (select p.head_number + 1 from saldo_private.row_seal_progress as p);
  v_until xid8 := pg_snapshot_xmax(pg_current_snapshot());
begin
  -- One statement, so one snapshot: a hold and what is held are written together.
  -- A list of its own, since the question below costs all holds of an account.
  with touched as materialized (
    select distinct h.account_id
    from saldo.hold as h
    where progress.is_catching_up
    or (h.changed_in >= progress.sealed_until and h.changed_in < v_until)
  ),
  doubtful as materialized (
    select t.account_id
    from touched as t
    where saldo_private.has_unexplained_holds(t.account_id)
  ),
  contested as (
    insert into saldo_private.contested_row (account_id, source, slot_no, contested_at)
    select d.account_id, 'hold', 0, clock_timestamp()
    from doubtful as d
    on conflict on constraint contested_row_pkey do nothing
  ),
  found as materialized (
    select f.source, f.owner_id, f.id, f.account_id, f.changed_in, f.text
    from saldo_private.seal_records__unsealed(progress, v_until) as f
    where f.source <> 'hold'
    or f.account_id not in (select d.account_id from doubtful as d)
    -- The earliest first, so that a batch says how far the sealer is.
    order by case when not progress.is_catching_up then f.changed_in end
    limit row_limit
  ),
  sealed as (
    insert into saldo_private.sealed_record (
      source, owner_id, id, seal_number, account_id, changed_in, hash
    )
    select f.source, f.owner_id, f.id, v_number, f.account_id, f.changed_in,
      sha256(convert_to(f.text, 'UTF8'))
    from found as f
    -- A sort reads all before the first is written. Seals that come in while they are looked for
    -- would be read for each record, where none are there when this is planned.
    order by f.source, f.owner_id, f.id
  )
  select (select count(*) from found),
    (select f.changed_in from found as f order by f.changed_in desc nulls last limit 1)
  into record_count, last_changed_in;
  if record_count > 0 then
    perform saldo_private.make_row_seal(
      'record', record_count, saldo_private.sealed_records_hash(v_number)
    );
  end if;
end
$$;
comment on function saldo_private.seal_records is
  'Seals up to row_limit records that the engine has written since they were sealed, for a caller '
  'that has locked the chain, the earliest first unless all are gone through. Holds that do not '
  'come to what is held are contested instead. record_count: how many; last_changed_in: the last '
  'transaction that wrote one of them.';

create or replace function saldo.seal_rows(row_limit integer default 50000)
returns bigint
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_progress saldo_private.row_seal_progress;
  v_xmin xid8;
  v_row_count bigint;
  v_record_count bigint;
  v_last xid8;
begin
  if (row_limit between 1 and 1000000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1000000');
  end if;
  v_progress := saldo_private.lock_row_seals();
  -- Before the records are read: what is running now may be missing among them.
  v_xmin := pg_snapshot_xmin(pg_current_snapshot());
  v_row_count := saldo_private.seal_stretches(row_limit);
  select r.record_count, r.last_changed_in
  into v_record_count, v_last
  from saldo_private.seal_records(v_progress, row_limit) as r;
  if v_record_count < row_limit then
    update saldo_private.row_seal_progress as p
    set sealed_until = v_xmin,
      is_catching_up = false
    where p.id = 1
    and (v_record_count > 0 or p.is_catching_up);
  elsif not v_progress.is_catching_up then
    -- Of the last transaction there may be more.
    update saldo_private.row_seal_progress as p
    set sealed_until = least(v_last, v_xmin)
    where p.id = 1;
  end if;
  perform saldo_private.require_durable_commit();
  return v_row_count + v_record_count;
end
$$;
comment on function saldo.seal_rows is
  'Seals what heals and settlements derive from and is not sealed yet: rows that were submitted to '
  'hot accounts, holds, purchases, their refunds in parts, charge-backs, stock, deposits, '
  'readings, rated lines and settlements, up to row_limit rows and as many others (1 to 1000000). '
  'Returns how many; 0 when there was nothing. What was sealed and is another later, or gone, is '
  'found by the checks (rule row_seal). Errors: SB010 input_invalid, SB020 isolation_unsupported.';
revoke execute on function saldo.seal_rows from public;
grant execute on function saldo.seal_rows to saldo_admin;
