-- Healing: caches are rewritten from the truth; the truth is never touched.
--
-- Public: auto_heal; saldo.heal_run, saldo.heal_action.
-- Each key is healed under the lock that its writers take, recomputed after the lock is held, and
-- written only when it differs: a heal beside postings repairs what was wrong and nothing else.
-- Where the journal itself is in question nothing that derives from it is healed, or the change
-- would be laundered into the balance. Rows stay locked to the end of the transaction.

create or replace function saldo_private.auto_heal__refusal(
  finding saldo.finding,
  heal_run_id uuid
)
returns text
language sql
stable
as $$
  select case
    when finding.rule in (
      'account_balance', 'month_movement', 'account_slot', 'customer_month_total'
    ) and exists (
      select
      from saldo.finding as f
      join saldo.balance_rule as r on r.name = f.rule
      where f.check_run_id = finding.check_run_id
      and r.is_about_journal
    ) then 'The journal has findings of its own: settle them first, then heal.'
    when finding.rule = 'account_slot' and exists (
      select
      from saldo.finding as f
      where f.check_run_id = finding.check_run_id
      and f.account_id = finding.account_id
      and f.rule in ('account_balance', 'month_movement')
      and not exists (
        select
        from saldo.heal_action as h
        where h.heal_run_id = auto_heal__refusal.heal_run_id
        and h.finding_id = f.id
        and h.outcome <> 'refused'
      )
    ) then 'The totals of this account could not be healed, and slots follow from them.'
    when finding.rule not in (
      'account_balance', 'month_movement', 'account_slot', 'customer_month_total'
    ) then null
    when finding.cause = 'journal_changed'
      or saldo_private.is_journal_changed(finding.account_id)
    then 'The journal of this account changed past the engine: a human decides which is right.'
    when saldo_private.is_journal_missing(finding.account_id, finding.rule)
    then 'This account has no line at all, and no recorded write says where its figures come from.'
  end
$$;
comment on function saldo_private.auto_heal__refusal is
  'Why a finding may not be healed in this run; null when it may.';

create or replace function saldo_private.auto_heal__one(
  heal_run_id uuid,
  finding saldo.finding,
  heal_function text,
  is_dry_run boolean
)
returns void
language plpgsql
as $$
declare
  v_before jsonb;
  v_after jsonb;
  v_refusal text := saldo_private.auto_heal__refusal(finding, heal_run_id);
  v_outcome saldo.heal_outcome;
begin
  if v_refusal is not null then
    v_outcome := 'refused';
  elsif is_dry_run then
    v_outcome := 'would_heal';
    v_before := to_jsonb(finding.stored);
    v_after := to_jsonb(finding.derived);
  else
    if heal_function = 'heal_registered_rule' then
      select h.before, h.after, h.refusal
      into v_before, v_after, v_refusal
      from saldo_private.heal_registered_rule(finding.rule, finding.key) as h;
    else
      execute format('select before, after from saldo_private.%I($1)', heal_function)
      into v_before, v_after
      using finding.key;
    end if;
    v_outcome := case when v_refusal is not null then 'refused'
      when v_before is null and v_after is null then 'already_clean'
      else 'healed' end;
  end if;

  insert into saldo.heal_action (
    id, heal_run_id, finding_id, rule, key, account_id, outcome, before, after, reason, actor
  )
  values (
    saldo_private.uuid_v7(), heal_run_id, finding.id, finding.rule, finding.key,
    finding.account_id, v_outcome, v_before, v_after, coalesce(v_refusal, finding.explanation),
    saldo_private.actor()
  );
end
$$;
comment on function saldo_private.auto_heal__one is 'Heals one finding and records what was done.';

create or replace function saldo_private.run_heal__lock_slots(check_run_id uuid)
returns void
language sql
as $$
  select
  from saldo_private.hot_account as h
  where h.account_id in (
    select f.account_id
    from saldo.finding as f
    where f.check_run_id = run_heal__lock_slots.check_run_id
    and f.rule in ('account_slot', 'account_balance')
  )
  order by h.account_id
  for update
$$;
comment on function saldo_private.run_heal__lock_slots is
  'Keeps settlement off the accounts whose slots may be healed, before any account is locked.';

create or replace function saldo_private.run_heal__follow_slots(heal_run_id uuid)
returns void
language sql
as $$
  insert into saldo.heal_action (
    id, heal_run_id, finding_id, rule, key, account_id, outcome, before, after, reason, actor
  )
  select saldo_private.uuid_v7(), total.heal_run_id, total.finding_id, 'account_slot', total.key,
    total.account_id, 'healed', slot.before, slot.after, 'Slots follow from the total.', total.actor
  from saldo.heal_action as total
  cross join lateral saldo_private.heal_account_slot(total.account_id::text) as slot
  where total.heal_run_id = run_heal__follow_slots.heal_run_id
  and total.rule = 'account_balance'
  and total.outcome = 'healed'
$$;
comment on function saldo_private.run_heal__follow_slots is
  'Rebuilds the slots that were made from a total which this run has rewritten: they agreed with '
  'it before, and would give away what is not there now.';

create or replace function saldo_private.run_heal(is_dry_run boolean)
returns saldo.heal_run
language plpgsql
as $$
declare
  v_run saldo.heal_run;
  v_run_id uuid := saldo_private.uuid_v7();
  v_started_at timestamptz := clock_timestamp();
  v_check saldo.check_run;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform saldo_private.fail('heal_refused', 'healing needs the isolation level read committed');
  end if;
  v_check := saldo_private.run_check('heal');

  -- In the order in which settlements and postings lock, so that a heal never deadlocks with them.
  perform saldo_private.run_heal__lock_slots(v_check.id);
  perform saldo_private.auto_heal__one(v_run_id, f.finding, f.heal_function, is_dry_run)
  from (
    select finding, r.heal_function
    from saldo.finding
    join saldo.balance_rule as r on r.name = finding.rule
    where finding.check_run_id = v_check.id
    and r.heal_function is not null
    and finding.cause <> 'rule_failed'
    -- Slots last: they follow from what the others write.
    order by finding.rule = 'account_slot', finding.account_id, finding.rule, finding.key
    offset 0
  ) as f;
  perform saldo_private.run_heal__follow_slots(v_run_id);

  insert into saldo.heal_run (
    id, is_dry_run, check_run_id, started_at, finished_at, actor, healed_count, refused_count
  )
  select v_run_id, run_heal.is_dry_run, v_check.id, v_started_at, clock_timestamp(),
    saldo_private.actor(), count(*) filter (where outcome = 'healed'),
    count(*) filter (where outcome = 'refused')
  from saldo.heal_action
  where heal_run_id = v_run_id
  returning *
  into v_run;
  perform saldo_private.require_durable_commit();
  return v_run;
end
$$;
comment on function saldo_private.run_heal is
  'Checks afresh and heals what may be healed; with a dry run only says what it would do.';

create or replace function saldo.auto_heal(dry_run boolean default true)
returns saldo.heal_run
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_run saldo.heal_run;
begin
  perform saldo_private.require_sole_maintenance();
  v_run := saldo_private.run_heal(coalesce(auto_heal.dry_run, true));
  -- The check above found what is healed by now: without another one, health would stay red.
  if v_run.healed_count > 0 then
    perform saldo_private.run_check('heal');
  end if;
  return v_run;
end
$$;
comment on function saldo.auto_heal is
  'Checks all balances and rewrites the caches that drifted from the journal and the open holds; '
  'what was done, with before and after, is in heal_action. dry_run (the default) changes nothing '
  'and records what would be done; a heal that rewrote something checks again at its end. '
  'Journal, purchases and holds are never touched, and where the '
  'journal itself is in question the finding is refused for a human. '
  'Errors: SB604 while another one runs, SB603 in another isolation level than read committed.';
revoke execute on function saldo.auto_heal from public;
grant execute on function saldo.auto_heal to saldo_admin;
