-- Healing: caches are rewritten from the truth; the truth is never touched.
--
-- Public: auto_heal. Private: heal_plan_hash, run_heal.
-- Each key is healed under the lock that its writers take, recomputed after the lock is held, and
-- written only when it differs: a heal beside postings repairs what was wrong and nothing else.
-- Where the journal itself is in question nothing that derives from it is healed, or the change
-- would be laundered into the balance. Rows stay locked to the end of the transaction.

create or replace function saldo_private.run_heal__apply(
  plan saldo_private.planned_heal[],
  heal_run_id uuid
)
returns saldo_private.planned_heal[]
language plpgsql
as $$
declare
  v_plan saldo_private.planned_heal[] := plan;
begin
  -- In the order in which settlements and postings lock, so that a heal never deadlocks with them.
  perform saldo_private.lock_heals(v_plan);
  v_plan := saldo_private.run_heals(v_plan, array['healed']);
  v_plan := v_plan || saldo_private.follow_slots(v_plan);
  return saldo_private.propose_heals(v_plan, heal_run_id);
end
$$;
comment on function saldo_private.run_heal__apply is
  'Does what the plan says: heals, lets slots follow, proposes.';

create or replace function saldo_private.run_heal__pretend(plan saldo_private.planned_heal[])
returns saldo_private.planned_heal[]
language plpgsql
immutable
as $$
declare
  v_heal saldo_private.planned_heal;
  v_plan saldo_private.planned_heal[] := '{}';
begin
  foreach v_heal in array plan loop
    if v_heal.outcome = 'healed' then
      v_heal.outcome := 'would_heal';
    end if;
    v_heal.before := to_jsonb(v_heal.stored);
    v_heal.after := to_jsonb(v_heal.derived);
    v_heal.proposal_id := null;
    v_plan := v_plan || v_heal;
  end loop;
  return v_plan;
end
$$;
comment on function saldo_private.run_heal__pretend is 'The plan as a dry run records it.';

create or replace function saldo_private.heal_plan_hash(plan saldo_private.planned_heal[])
returns text
language sql
stable
as $$
  select encode(sha256(convert_to(coalesce(string_agg(each.line, E'\n' order by each.line), ''),
    'UTF8')), 'hex')
  from (
    -- Postings move stored and derived alike: the difference is what somebody has looked at.
    select jsonb_build_array(p.rule, p.key, p.outcome, trim_scale(p.difference)::text,
      case when p.difference is null then p.stored end,
      case when p.difference is null then p.derived end)::text collate "C" as line
    from unnest(plan) as p
  ) as each
$$;
comment on function saldo_private.heal_plan_hash is
  'Hash of a plan: what would become of which finding, and by how much it is wrong.';

create or replace function saldo_private.run_heal(
  is_dry_run boolean,
  is_scheduled boolean default false,
  check_run saldo.check_run default null,
  plan_hash text default null
)
returns saldo.heal_run
language plpgsql
set jit = off -- as for rules
as $$
declare
  v_run saldo.heal_run;
  v_run_id uuid := saldo_private.uuid_v7();
  v_started_at timestamptz := clock_timestamp();
  v_check saldo.check_run := check_run;
  v_plan saldo_private.planned_heal[];
  v_plan_hash text;
  v_frozen_count integer := 0;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform saldo_private.fail('heal_refused', 'healing needs the isolation level read committed');
  end if;
  if v_check.id is null then
    v_check := saldo_private.run_check('heal');
  end if;
  v_plan := saldo_private.heal_plan(v_check.id, is_scheduled);
  v_plan_hash := saldo_private.heal_plan_hash(v_plan);
  if not is_dry_run and run_heal.plan_hash <> v_plan_hash then
    perform saldo_private.fail('plan_outdated', format('plan %s, now %s findings, plan %s',
      left(run_heal.plan_hash, 64), cardinality(v_plan), v_plan_hash));
  end if;
  if is_dry_run then
    v_plan := saldo_private.run_heal__pretend(saldo_private.tell_frozen(v_plan));
  else
    -- Before any immediate account is locked: it waits for those who hold stripes and slots.
    v_frozen_count := saldo_private.freeze_changed(v_plan)
      + saldo_private.freeze_unproven(v_check.id);
    v_plan := saldo_private.run_heal__apply(saldo_private.tell_frozen(v_plan), v_run_id);
  end if;

  insert into saldo.heal_run (
    id, is_dry_run, check_run_id, plan_hash, started_at, finished_at, actor, healed_count,
    refused_count, needs_approval_count, escalated_count, frozen_count
  )
  select v_run_id, run_heal.is_dry_run, v_check.id, v_plan_hash, v_started_at,
    clock_timestamp(), saldo_private.actor(), count(*) filter (where p.outcome = 'healed'),
    count(*) filter (where p.outcome = 'refused'),
    count(*) filter (where p.outcome = 'needs_approval'),
    count(*) filter (where p.outcome = 'escalated'), v_frozen_count
  from unnest(v_plan) as p
  returning *
  into v_run;
  perform saldo_private.record_heals(v_plan, v_run_id);
  perform saldo_private.require_durable_commit();
  return v_run;
end
$$;
comment on function saldo_private.run_heal is
  'Checks afresh, freezes what is tampered with, heals what may be healed and proposes the rest; '
  'with a dry run only says what it would do. is_scheduled: whether nobody asked for it. '
  'check_run: a check that was made just now, in place of another one. plan_hash: heals only by '
  'that plan: SB417 plan_outdated.';

create or replace function saldo.auto_heal(
  dry_run boolean default true,
  plan_hash text default null
)
returns saldo.heal_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_run saldo.heal_run;
begin
  perform saldo_private.require_sole_maintenance();
  v_run := saldo_private.run_heal(
    coalesce(auto_heal.dry_run, true), plan_hash => auto_heal.plan_hash
  );
  -- The check above found what is healed by now: without another one, health would stay red.
  if v_run.healed_count > 0 then
    perform saldo_private.recheck(v_run.check_run_id, 'heal');
  end if;
  return v_run;
end
$$;
comment on function saldo.auto_heal is
  'Checks all balances and rewrites the caches that drifted from the journal and the open holds; '
  'what was done, with before and after, is in heal_action. dry_run (the default) changes nothing '
  'and records what would be done; a heal that rewrote something checks again at its end. '
  'plan_hash: heals only what a dry run with this plan_hash has shown, by the same differences; '
  'postings since then do not matter. '
  'Journal, purchases and holds are never touched. Where the journal itself is in question the '
  'finding is refused for a human, and the account whose journal was changed is frozen. What is '
  'above a limit (heal_policy) or wrong again after a heal becomes a heal_proposal. Errors: '
  'SB604 maintenance_running while another one runs, SB603 heal_refused in another isolation '
  'level than read committed, SB417 plan_outdated, SB015 conflict_retry when an account that is '
  'frozen by it becomes hot at this moment.';
revoke execute on function saldo.auto_heal from public;
grant execute on function saldo.auto_heal to saldo_admin;
