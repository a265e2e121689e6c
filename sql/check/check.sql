-- The check: of everything, or of what was posted since the last one.
--
-- Public: check_balance_health, reconcile. Private: run_check, was_last_check_healthy. A full check
-- goes through the journal slice after slice (check_progress.sql); what is run at the end of each,
-- and how it is kept, is in record_check.sql.

create or replace function saldo_private.was_last_check_healthy()
returns boolean
language sql
stable
as $$
  with late as materialized (
    select c.id, c.number, c.finished_at, c.snapshot::pg_snapshot as snapshot
    from saldo.check_run as c
    order by c.number desc, c.finished_at desc
    limit 20
  ),
  last as (
    (select l.id from late as l order by l.number desc, l.finished_at desc limit 1)
    union
    -- A full one in slices may have begun before it, and ended after it.
    (
      select l.id
      from late as l
      -- Those of another cluster, from which the books came, may have higher numbers.
      where pg_snapshot_xmax(l.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
      order by pg_snapshot_xmax(l.snapshot) desc, l.number desc
      limit 1
    )
  )
  select exists (select from last) and not exists (
    select
    from last
    join saldo.finding as f on f.check_run_id = last.id
    join saldo.balance_rule as r on r.name = f.rule
    -- These are run whole each time.
    where not r.is_registered
  )
$$;
comment on function saldo_private.was_last_check_healthy is
  'Whether the check that ended last, and the one that was begun last, found nothing wrong with '
  'the books. Findings of registered rules do not count.';

create or replace function saldo_private.run_check(
  kind saldo.check_kind,
  scope saldo.check_scope default 'full'
)
returns saldo.check_run
language plpgsql
as $$
declare
  v_progress saldo.check_progress;
  v_is_moving boolean;
  v_since pg_snapshot;
  v_suspects saldo_private.suspects;
begin
  v_progress := saldo_private.new_check_progress(kind);
  -- What was wrong stays in question until a full check finds it in order.
  if scope = 'incremental' and saldo_private.was_last_check_healthy() then
    -- In this order: a check that moved the point just before has released the lock by then.
    v_is_moving := saldo_private.lock_verified_point();
    v_since := saldo_private.known_snapshot();
    if saldo_private.has_unnamed_writes(v_since) then
      v_since := null;
    end if;
  end if;
  if v_since is not null then
    v_suspects := saldo_private.with_recorded_writes(
      saldo_private.verify_news(v_since, v_is_moving), v_since
    );
    v_progress.line_count := v_suspects.line_count;
    return saldo_private.record_check(
      v_progress, 'incremental', v_suspects, is_complete => false
    );
  end if;

  while v_progress.next_starts_on < 'infinity' loop
    v_progress := saldo_private.check_slice(v_progress);
  end loop;
  return saldo_private.finish_check(v_progress, is_at_once => true);
end
$$;
comment on function saldo_private.run_check is
  'Checks everything, slice after slice, or what was posted since the verified point; without such '
  'a point everything. Explains what is found, and records the run.';

create or replace function saldo.check_balance_health()
returns saldo.check_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.run_check('manual');
end
$$;
comment on function saldo.check_balance_health is
  'Proves every rule over all balances and the whole journal, and records the run with its '
  'findings (tables check_run and finding). Changes no balance, locks nothing.';
revoke execute on function saldo.check_balance_health from public;
grant execute on function saldo.check_balance_health to saldo_admin, saldo_operator;

create or replace function saldo.reconcile()
returns saldo.check_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.run_check('reconcile', 'incremental');
end
$$;
comment on function saldo.reconcile is
  'Checks what was posted since the verified point, and that no other total has moved: it costs '
  'what is new. Everything, where there is no such point yet, and after a check that found '
  'something. verified_at says since when the rest is proven.';
revoke execute on function saldo.reconcile from public;
grant execute on function saldo.reconcile to saldo_admin;
