-- Retention at work: what is older than it is kept, and that nothing needs, goes in small steps.
--
-- Public: continue_retention. Private: its steps, retention_plan, and a prune function for each
-- table that none of the rooms above prunes; foundation/retention.sql says what they are like.
-- Checks are pruned by maintenance.sql, alerts by alert_evaluation.sql.
-- One at a time, each step a transaction of its own: a worker that is killed loses one step, and
-- the next one goes on there. A table that fails does not hold up the others.

create or replace function saldo_private.prune_guard_events(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
begin
  delete from saldo.guard_event as g
  where g.id in (
    select each.id
    from saldo.guard_event as each
    where each.occurred_at < cutoff
    -- A full check has seen the write since, and found nothing wrong anywhere.
    and exists (
      select
      from saldo.check_run as c
      where c.scope = 'full'
      and c.status = 'healthy'
      and c.finished_at > each.occurred_at
      and pg_visible_in_snapshot(each.transaction_id, c.snapshot::pg_snapshot)
    )
    and not exists (
      select
      from saldo.account_freeze as f
      where f.account_id = each.account_id
      and f.unfrozen_at is null
    )
    and not exists (
      select
      from saldo.heal_proposal as p
      where p.status = 'proposed'
      and (p.account_id = each.account_id or (p.rule = each.rule and p.key = each.key))
    )
    order by each.occurred_at
    limit 1000
  );
  get diagnostics deleted_count = row_count;
  next_block := case when deleted_count = 1000 then from_block end;
end
$$;
comment on function saldo_private.prune_guard_events is
  'Deletes up to a thousand recorded writes older than the cutoff. Kept are those that no healthy '
  'full check has seen, and those of an account that is frozen or has a proposal.';

create or replace function saldo_private.prune_heal_actions(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
begin
  delete from saldo.heal_action as h
  where h.id in (
    select each.id
    from saldo.heal_action as each
    where each.healed_at < cutoff
    -- The last heal of a key can be undone, and says what an undo has undone.
    and (
      each.outcome not in ('healed', 'undone')
      or exists (
        select
        from saldo.heal_action as later
        where later.rule = each.rule
        and later.key = each.key
        and later.outcome in ('healed', 'undone')
        and later.id > each.id
        and later.undoes is distinct from each.id
      )
    )
    and not exists (
      select
      from saldo.heal_proposal as p
      where p.id = each.proposal_id
      and p.status = 'proposed'
    )
    order by each.id
    limit 1000
  );
  get diagnostics deleted_count = row_count;
  next_block := case when deleted_count = 1000 then from_block end;
end
$$;
comment on function saldo_private.prune_heal_actions is
  'Deletes up to a thousand heals older than the cutoff. Kept is the last one of a key, which can '
  'be undone, and what a proposal waits for.';

create or replace function saldo_private.prune_heal_runs(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
declare
  v_run_ids uuid[];
begin
  delete from saldo.heal_proposal as p
  where p.id in (
    select each.id
    from saldo.heal_proposal as each
    where each.status <> 'proposed'
    and each.decided_at < cutoff
    and not exists (select from saldo.heal_action as h where h.proposal_id = each.id)
    order by each.id
    limit 1000
  );
  select array_agg(r.id)
  into v_run_ids
  from (
    select each.id
    from saldo.heal_run as each
    where each.finished_at < cutoff
    and not exists (select from saldo.heal_action as h where h.heal_run_id = each.id)
    and not exists (select from saldo.heal_proposal as p where p.heal_run_id = each.id)
    -- The last one is what reports and metrics speak of.
    and each.id <> (select max(last.id::text)::uuid from saldo.heal_run as last)
    order by each.id
    limit 1000
  ) as r;
  delete from saldo.maintenance_run as m
  where m.heal_run_id = any (v_run_ids);
  delete from saldo.heal_run as r
  where r.id = any (v_run_ids);
  get diagnostics deleted_count = row_count;
  next_block := case when deleted_count = 1000 then from_block end;
end
$$;
comment on function saldo_private.prune_heal_runs is
  'Deletes up to a thousand runs of heals older than the cutoff with their maintenance, and as '
  'many decided proposals, of which no heal is left.';

create or replace function saldo_private.prune_slot_rebuilds(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
begin
  delete from saldo.slot_rebuild as s
  where (s.account_id, s.id) in (
    select each.account_id, each.id
    from saldo.slot_rebuild as each
    where each.rebuilt_at < cutoff
    order by each.rebuilt_at
    limit 1000
  );
  get diagnostics deleted_count = row_count;
  next_block := case when deleted_count = 1000 then from_block end;
end
$$;
comment on function saldo_private.prune_slot_rebuilds is
  'Deletes up to a thousand records of rebuilds older than the cutoff.';

create or replace function saldo_private.prune_reratings(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
begin
  delete from saldo.rerating as r
  where r.id in (
    select each.id
    from saldo.rerating as each
    where each.status = 'done'
    and each.finished_at < cutoff
    order by each.id
    limit 1000
  );
  get diagnostics deleted_count = row_count;
  next_block := case when deleted_count = 1000 then from_block end;
end
$$;
comment on function saldo_private.prune_reratings is
  'Deletes up to a thousand re-ratings that were done before the cutoff; one that failed stays.';

create or replace function saldo_private.prune_monthly_sync_runs(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
begin
  delete from saldo.monthly_sync_run as r
  where r.id in (
    select each.id
    from saldo.monthly_sync_run as each
    where each.status <> 'running'
    and each.finished_at < cutoff
    and exists (
      select
      from saldo.monthly_sync_run as later
      where later.is_forced = each.is_forced
      and later.status = 'done'
      and later.id > each.id
    )
    order by each.id
    limit 1000
  );
  get diagnostics deleted_count = row_count;
  next_block := case when deleted_count = 1000 then from_block end;
end
$$;
comment on function saldo_private.prune_monthly_sync_runs is
  'Deletes up to a thousand syncs of months that ended before the cutoff; the last of each kind '
  'that was done stays.';

create or replace function saldo_private.prune_account_stripes(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
begin
  delete from saldo_private.account_stripe as s
  using (
    select each.account_id, each.month, each.stripe_no
    from saldo_private.account_stripe as each
    where each.month < saldo_private.month_of(saldo_private.business_date(cutoff))
    and each.line_count = 0
    limit 1000
    -- One that somebody posts to just now is not empty.
    for update skip locked
  ) as empty
  where s.account_id = empty.account_id
  and s.month = empty.month
  and s.stripe_no = empty.stripe_no;
  get diagnostics deleted_count = row_count;
  next_block := case when deleted_count = 1000 then from_block end;
end
$$;
comment on function saldo_private.prune_account_stripes is
  'Deletes up to a thousand empty stripes of months before the cutoff; a late posting makes new '
  'ones.';

create or replace function saldo_private.retention_plan()
returns table (place integer, table_name text, setting_name text, prune_function text)
language sql
immutable
as $$
  values (1, 'idempotency_record', 'idempotency_keep_days', 'prune_idempotency_records'),
    (2, 'guard_event', 'guard_event_keep_days', 'prune_guard_events'),
    (3, 'heal_action', 'heal_history_days', 'prune_heal_actions'),
    (4, 'heal_run', 'heal_history_days', 'prune_heal_runs'),
    (5, 'slot_rebuild', 'working_history_days', 'prune_slot_rebuilds'),
    (6, 'rerating', 'working_history_days', 'prune_reratings'),
    (7, 'monthly_sync_run', 'working_history_days', 'prune_monthly_sync_runs'),
    (8, 'account_stripe', 'working_history_days', 'prune_account_stripes'),
    (9, 'account_slot', null, 'prune_account_slots'),
    (10, 'limit_use', 'working_history_days', 'prune_limit_uses'),
    (11, 'sub_balance', 'sub_balance_keep_days', 'prune_sub_balances'),
    (12, 'console_session', 'working_history_days', 'prune_console_sessions')
$$;
comment on function saldo_private.retention_plan is
  'Tables that are pruned, in this order, the setting of each, and the function that does it. '
  'Without a setting: what is not needed since an hour.';

create or replace function saldo_private.continue_retention__step(
  progress saldo.retention_progress,
  setting_name text,
  prune_function text
)
returns saldo.retention_progress
language plpgsql
as $$
declare
  v_cutoff timestamptz := case when setting_name is null then now() - interval '1 hour'
    else saldo_private.retention_cutoff(setting_name) end;
  v_deleted_count bigint := 0;
  v_next_block bigint;
begin
  if v_cutoff is not null then
    execute format(
      'select p.deleted_count, p.next_block from saldo_private.%I($1, $2) as p', prune_function
    )
    into v_deleted_count, v_next_block
    using v_cutoff, progress.next_block;
  end if;
  progress.next_block := coalesce(v_next_block, 0);
  progress.deleted_count := progress.deleted_count + v_deleted_count;
  if v_deleted_count > 0 then
    progress.deleted_until := greatest(progress.deleted_until, v_cutoff);
  end if;
  progress.finished_at := case when v_next_block is null then clock_timestamp() end;
  return progress;
exception
  when others then
    raise warning using
      errcode = sqlstate,
      message = format('%s cannot be pruned now: %s', progress.table_name, sqlerrm);
    progress.failure := left(sqlerrm, 500);
    progress.finished_at := clock_timestamp();
    return progress;
end
$$;
comment on function saldo_private.continue_retention__step is
  'A step of one table. A failure is noted and ends its run; the next run goes on there.';

create or replace function saldo_private.continue_retention__next()
returns saldo.retention_progress
language plpgsql
as $$
declare
  v_progress saldo.retention_progress;
begin
  insert into saldo.retention_progress (table_name, started_at, moved_at)
  select p.table_name, clock_timestamp(), clock_timestamp()
  from saldo_private.retention_plan() as p
  on conflict (table_name) do nothing;
  select r.*
  into v_progress
  from saldo_private.retention_plan() as p
  join saldo.retention_progress as r on r.table_name = p.table_name
  where r.finished_at is null
  -- Once a day; later than now: by a clock that was set back.
  or r.finished_at not between clock_timestamp() - interval '20 hours'
    and clock_timestamp() + interval '1 minute'
  order by p.place
  limit 1
  for no key update of r;
  if v_progress.finished_at is not null then
    if v_progress.failure is null then
      v_progress.next_block := 0;
    end if;
    v_progress.deleted_count := 0;
    v_progress.started_at := clock_timestamp();
    v_progress.failure := null;
  end if;
  return v_progress;
end
$$;
comment on function saldo_private.continue_retention__next is
  'The table whose turn it is, locked, at the beginning of a run where its last one has ended; '
  'null when all have been gone through today.';

create or replace function saldo.continue_retention()
returns saldo.retention_progress
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_progress saldo.retention_progress;
  v_plan record;
begin
  perform saldo_private.require_read_committed();
  perform saldo_private.require_sole_maintenance();
  v_progress := saldo_private.continue_retention__next();
  if v_progress.table_name is null then
    return null;
  end if;
  select p.setting_name, p.prune_function
  into strict v_plan
  from saldo_private.retention_plan() as p
  where p.table_name = v_progress.table_name;
  v_progress := saldo_private.continue_retention__step(
    v_progress, v_plan.setting_name, v_plan.prune_function
  );
  update saldo.retention_progress as r
  set next_block = v_progress.next_block,
    deleted_count = v_progress.deleted_count,
    deleted_until = v_progress.deleted_until,
    started_at = v_progress.started_at,
    moved_at = clock_timestamp(),
    finished_at = v_progress.finished_at,
    failure = v_progress.failure
  where r.table_name = v_progress.table_name
  returning r.*
  into v_progress;
  return v_progress;
end
$$;
comment on function saldo.continue_retention is
  'Deletes a part of what is older than the settings keep it: a step of the first table that was '
  'not gone through in the last 20 hours. Call it until it returns null. A table that fails is '
  'left until the next day with a warning. Errors: SB020 isolation_unsupported, '
  'SB604 maintenance_running while a heal or maintenance runs.';
revoke execute on function saldo.continue_retention from public;
grant execute on function saldo.continue_retention to saldo_admin;
