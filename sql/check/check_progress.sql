-- A full check, slice after slice: each may be a transaction of its own, and the next call goes on
-- where the last one ended.
--
-- Public: continue_check. Private: new_check_progress, plan_slices, name_suspects, check_slice,
-- finish_check, continue_check_of, recheck and its step.
-- What is posted while it is under way is looked at at the end.

create or replace function saldo_private.new_check_progress(kind saldo.check_kind)
returns saldo.check_progress
language plpgsql
as $$
declare
  v_progress saldo.check_progress;
begin
  v_progress.id := saldo_private.uuid_v7();
  v_progress.kind := new_check_progress.kind;
  v_progress.actor := saldo_private.actor();
  v_progress.started_at := clock_timestamp();
  v_progress.continued_at := v_progress.started_at;
  v_progress.snapshot := pg_current_snapshot();
  v_progress.cluster := saldo_private.current_cluster();
  v_progress.seed := hashint8extended((random() * 1e15)::bigint, 0);
  v_progress.next_starts_on := '-infinity';
  v_progress.slice_count := 0;
  v_progress.line_count := 0;
  v_progress.total_line_count := 0;
  v_progress.account_ids := '{}';
  v_progress.entry_ids := '{}';
  v_progress.slice_ends := '{}';
  return v_progress;
end
$$;
comment on function saldo_private.new_check_progress is 'A full check that has not begun.';

create or replace function saldo_private.plan_slices(progress saldo.check_progress)
returns saldo.check_progress
language plpgsql
as $$
begin
  select s.ends, s.line_count
  into progress.slice_ends, progress.total_line_count
  from saldo_private.journal_slices(
    saldo_private.setting_value('check_slice_lines')::bigint
  ) as s;
  return progress;
end
$$;
comment on function saldo_private.plan_slices is 'The progress with the slices to come.';

create or replace function saldo_private.name_suspects(
  progress saldo.check_progress,
  months date[]
)
returns saldo.check_progress
language plpgsql
as $$
declare
  v_entry_ids uuid[] := array(
    select unnest(saldo_private.suspect_entries(d.starts_on, d.ends_on))
    from unnest(months) as m (month)
    cross join lateral saldo_private.days_of_month(m.month) as d
  );
begin
  progress.entry_ids := progress.entry_ids || v_entry_ids;
  progress.account_ids := progress.account_ids || array(
    select unnest(saldo_private.suspect_accounts(d.starts_on, d.ends_on))
    from unnest(months) as m (month)
    cross join lateral saldo_private.days_of_month(m.month) as d
    union
    select l.account_id
    from saldo.journal_line as l
    where l.entry_id = any (v_entry_ids)
  );
  return progress;
end
$$;
comment on function saldo_private.name_suspects is
  'The progress with the accounts and entries of these months that may be wrong.';

create or replace function saldo_private.check_slice(progress saldo.check_progress)
returns saldo.check_progress
language plpgsql
as $$
declare
  v_progress saldo.check_progress := case when progress.slice_count > 0 then progress
    else saldo_private.plan_slices(progress) end;
  v_ends_on date := coalesce(v_progress.slice_ends[v_progress.slice_count + 1], 'infinity');
  v_line_count bigint;
  v_months date[];
begin
  perform saldo_private.show_check(v_progress);
  select s.line_count, s.months
  into v_line_count, v_months
  from saldo_private.sieve_months(v_progress.next_starts_on, v_ends_on, v_progress.seed) as s;

  if v_months <> '{}' then
    v_progress := saldo_private.name_suspects(v_progress, v_months);
  end if;
  v_progress.next_starts_on := case when v_ends_on = 'infinity' then v_ends_on
    else v_ends_on + 1 end;
  v_progress.slice_count := v_progress.slice_count + 1;
  v_progress.line_count := v_progress.line_count + v_line_count;
  v_progress.total_line_count := case when v_ends_on = 'infinity' then v_progress.line_count
    else greatest(v_progress.total_line_count, v_progress.line_count) end;
  v_progress.continued_at := clock_timestamp();
  perform saldo_private.show_check(v_progress);
  return v_progress;
end
$$;
comment on function saldo_private.check_slice is
  'Sieves the next slice of the journal, and names what is suspect in it one by one.';

create or replace function saldo_private.finish_check(
  progress saldo.check_progress,
  is_at_once boolean default false
)
returns saldo.check_run
language plpgsql
as $$
declare
  v_news saldo_private.suspects;
  v_account_ids bigint[] := progress.account_ids || (
    select s
    from saldo_private.sieve_totals() as s
  );
  v_suspects saldo_private.suspects;
begin
  if saldo_private.lock_verified_point() then
    perform saldo_private.set_verified_point(
      progress.started_at, progress.line_count, v_account_ids
    );
  end if;
  v_news := saldo_private.with_recorded_writes(
    saldo_private.verify_news(progress.snapshot::pg_snapshot, false), progress.snapshot::pg_snapshot
  );
  v_suspects.line_count := progress.line_count;
  v_suspects.account_ids := array(select distinct unnest(v_account_ids || v_news.account_ids));
  -- Where only totals are wrong, the sieve has proven the months; years are compared with these.
  v_suspects.month_account_ids := array(
    select distinct unnest(
      progress.account_ids || v_news.month_account_ids || saldo_private.suspect_years()
    )
  );
  v_suspects.entry_ids := array(select distinct unnest(progress.entry_ids || v_news.entry_ids));
  return saldo_private.record_check(
    progress, 'full', v_suspects, is_complete => true, is_at_once => is_at_once
  );
end
$$;
comment on function saldo_private.finish_check is
  'Looks at the totals, at what was posted meanwhile and at what was written past the engine, lets '
  'the rules decide about whatever is suspect, and records the run. is_at_once: the slices are of '
  'this transaction.';

create or replace function saldo_private.recheck__suspects(
  check_run_id uuid,
  news saldo_private.suspects
)
returns saldo_private.suspects
language plpgsql
stable
as $$
declare
  v_suspects saldo_private.suspects := news;
  v_healed_ids bigint[] := array(
    select h.account_id
    from saldo.heal_run as r
    join saldo.heal_action as h on h.heal_run_id = r.id
    where r.check_run_id = recheck__suspects.check_run_id
    and h.rule = 'account_balance'
    and h.outcome = 'healed'
  );
begin
  v_suspects.month_account_ids := array(
    select f.account_id
    from saldo.finding as f
    where f.check_run_id = recheck__suspects.check_run_id
    and f.rule in ('month_movement', 'year_movement')
    and f.account_id is not null
    union
    select unnest(news.month_account_ids)
  );
  -- Totals that were just healed are the sums of their lines. Whether they stay so the months tell,
  -- as in a full check; the point knows nothing of these accounts yet, as they were suspect.
  v_suspects.account_ids := array(
    (
      select f.account_id
      from saldo.finding as f
      where f.check_run_id = recheck__suspects.check_run_id
      and f.account_id is not null
      union
      select unnest(news.account_ids)
      except
      select unnest(v_healed_ids)
    )
    union
    select unnest(s.ids)
    from saldo_private.sieve_totals(v_healed_ids) as s (ids)
    union
    select unnest(v_suspects.month_account_ids)
  );
  v_suspects.entry_ids := array(
    select (f.detail ->> 'entry_id')::uuid
    from saldo.finding as f
    join saldo.balance_rule as r on r.name = f.rule
    where f.check_run_id = recheck__suspects.check_run_id
    and r.scope = 'entry'
    and f.detail ? 'entry_id'
    union
    select unnest(news.entry_ids)
  );
  return v_suspects;
end
$$;
comment on function saldo_private.recheck__suspects is
  'What is suspect after a full check and the heal of what it found. news: what came since it.';

create or replace function saldo_private.recheck(check_run_id uuid, kind saldo.check_kind)
returns saldo.check_run
language plpgsql
as $$
declare
  v_snapshot pg_snapshot;
  v_news saldo_private.suspects;
  v_progress saldo.check_progress := saldo_private.new_check_progress(kind);
begin
  select c.snapshot::pg_snapshot
  into strict v_snapshot
  from saldo.check_run as c
  where c.id = recheck.check_run_id;
  v_news := saldo_private.with_recorded_writes(
    saldo_private.verify_news(v_snapshot, false), v_snapshot
  );
  -- Rules that are asked about news only do not see what was written past the engine since.
  if exists (select from saldo_private.recorded_writes_since(v_snapshot)) then
    v_news.since := null;
    v_news.news_account_ids := null;
  end if;
  v_progress.line_count := v_news.line_count;
  return saldo_private.record_check(
    v_progress, 'incremental', saldo_private.recheck__suspects(check_run_id, v_news),
    is_complete => true, before_id => check_run_id
  );
end
$$;
comment on function saldo_private.recheck is
  'What a full check found, after a heal: looks at that again, at what came or was written past '
  'the engine since, and runs every other rule, those that found nothing over what came since, '
  'where they can be asked about that.';

create or replace function saldo_private.continue_check_of(kind saldo.check_kind)
returns saldo.check_run
language plpgsql
as $$
declare
  v_progress saldo.check_progress;
  v_run saldo.check_run;
begin
  -- One at a time: another caller waits for the slice, and takes the next.
  perform pg_advisory_xact_lock(saldo_private.check_lock(), 0);
  -- One that came with a dump would take what is posted here for what it has seen there.
  delete from saldo.check_progress as p
  where p.kind = continue_check_of.kind
  and p.cluster <> saldo_private.current_cluster();
  select *
  into v_progress
  from saldo.check_progress as p
  where p.kind = continue_check_of.kind
  order by p.started_at
  limit 1
  for update;
  if v_progress.id is null then
    v_progress := saldo_private.new_check_progress(kind);
  end if;

  v_progress := saldo_private.check_slice(v_progress);
  if v_progress.next_starts_on = 'infinity' then
    delete from saldo.check_progress
    where id = v_progress.id;
    return saldo_private.finish_check(v_progress);
  end if;
  insert into saldo.check_progress (
    id, kind, actor, started_at, continued_at, snapshot, seed, next_starts_on, slice_count,
    line_count, total_line_count, account_ids, entry_ids, slice_ends, cluster
  )
  values (
    v_progress.id, v_progress.kind, v_progress.actor, v_progress.started_at,
    v_progress.continued_at, v_progress.snapshot, v_progress.seed, v_progress.next_starts_on,
    v_progress.slice_count, v_progress.line_count, v_progress.total_line_count,
    v_progress.account_ids, v_progress.entry_ids, v_progress.slice_ends,
    v_progress.cluster
  )
  on conflict on constraint check_progress_pkey do update
  set continued_at = excluded.continued_at,
    next_starts_on = excluded.next_starts_on,
    slice_count = excluded.slice_count,
    line_count = excluded.line_count,
    total_line_count = excluded.total_line_count,
    account_ids = excluded.account_ids,
    entry_ids = excluded.entry_ids,
    slice_ends = excluded.slice_ends;
  return v_run;
end
$$;
comment on function saldo_private.continue_check_of is
  'Sieves the next slice of a check of this kind. Returns the run after the last slice.';

create or replace function saldo.continue_check()
returns saldo.check_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return saldo_private.continue_check_of('reconcile');
end
$$;
comment on function saldo.continue_check is
  'Checks the next slice of the journal, about check_slice_lines lines (a setting), and begins a '
  'full check when none is under way. Returns the run when that was the last slice, and null when '
  'more follow; check_progress says how far it is. An interrupted check goes on where it stopped.';
revoke execute on function saldo.continue_check from public;
grant execute on function saldo.continue_check to saldo_admin;
