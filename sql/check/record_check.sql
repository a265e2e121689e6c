-- One run of the rules over what is suspect, with its record: every kind of check ends with it.
--
-- Private: record_check. A rule that breaks does not stop the others: it becomes a finding itself.
-- Rules over accounts, entries and the whole journal look only where the sieve (sieve.sql) suspects
-- something. The others look at everything in a full check, and in an incremental one at what has
-- come since the verified point, where they can be asked about that. The look after a heal is
-- like a full check, but for rules that found nothing in the check before it: these are asked about
-- what has come since then, where they can be. Each rule sees one snapshot of its own, so that
-- nothing alarms falsely. Locks no data.

create or replace function saldo_private.record_check__rows(
  rule saldo.balance_rule,
  suspects saldo_private.suspects,
  are_months_proven boolean
)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language plpgsql
stable
set work_mem = '64MB'
as $$
begin
  -- Apart from the statement that keeps them: what writes runs on one core.
  return query execute format(
    $sql$
      select r.key, r.account_id, r.stored, r.derived, r.difference, r.detail
      from saldo_private.%I(%s) as r
    $sql$,
    'rule_' || rule.name,
    case
      when rule.name in ('month_movement', 'year_movement') then '$5'
      when rule.scope = 'account' then '$1'
      when rule.scope = 'entry' then '$2'
      when rule.scope = 'journal' then '$6'
      when rule.news = 'accounts' then '$3'
      when rule.news = 'entries' then '$4'
      else ''
    end
  )
  using suspects.account_ids, suspects.entry_ids, suspects.news_account_ids, suspects.since,
    suspects.month_account_ids, are_months_proven;
end
$$;
comment on function saldo_private.record_check__rows is
  'What a rule of the engine finds. Where it can, it looks only at the suspects, and in an '
  'incremental check only at new postings. are_months_proven: whether this check has proven that '
  'the months of all accounts are the sums of their lines.';

create or replace function saldo_private.record_check__rule(
  check_run_id uuid,
  rule saldo.balance_rule,
  suspects saldo_private.suspects,
  are_months_proven boolean
)
returns void
language plpgsql
as $$
begin
  if rule.is_registered then
    perform saldo_private.check_registered_rule(check_run_id, rule.name);
    return;
  end if;
  insert into saldo.finding (
    id, check_run_id, rule, key, account_id, stored, derived, difference, detail, cause,
    explanation
  )
  select saldo_private.uuid_v7(), record_check__rule.check_run_id, rule.name, r.key, r.account_id,
    r.stored, r.derived, r.difference, coalesce(r.detail, '{}'), 'unknown', ''
  from saldo_private.record_check__rows(rule, suspects, are_months_proven) as r;
end
$$;
comment on function saldo_private.record_check__rule is
  'Keeps the findings of one rule.';

create or replace function saldo_private.record_check__is_settled(
  rule saldo.balance_rule,
  suspects saldo_private.suspects
)
returns boolean
language sql
stable
as $$
  select to_regproc('saldo_private.rule_' || rule.name) is not null
  and case
    when rule.name in ('month_movement', 'year_movement') then suspects.month_account_ids = '{}'
    when rule.scope = 'account' then suspects.account_ids = '{}'
    when rule.scope = 'entry' then suspects.entry_ids = '{}'
    when rule.scope = 'journal' then suspects.account_ids = '{}' and suspects.entry_ids = '{}'
    else rule.news = 'accounts' and suspects.news_account_ids = '{}'
  end
$$;
comment on function saldo_private.record_check__is_settled is
  'Whether a rule need not be asked. Where the sieve found nothing, it has proven it already; '
  'without new postings there is nothing to ask about.';

create or replace function saldo_private.record_check__with_odd_months(
  check_run_id uuid,
  suspects saldo_private.suspects
)
returns saldo_private.suspects
language plpgsql
stable
as $$
declare
  v_suspects saldo_private.suspects := suspects;
begin
  v_suspects.month_account_ids := suspects.month_account_ids || array(
    select unnest(s.ids)
    from saldo_private.sieve_totals(suspects.account_ids) as s (ids)
    except
    select f.account_id
    from saldo.finding as f
    where f.check_run_id = record_check__with_odd_months.check_run_id
    and f.rule = 'account_balance'
  );
  return v_suspects;
end
$$;
comment on function saldo_private.record_check__with_odd_months is
  'The suspects, and among those of wrong months each whose total is the sum of its lines, as the '
  'rule account_balance has said, and not that of its months: these have changed since their slice '
  'was sieved.';

create or replace function saldo_private.record_check__rules(
  progress saldo.check_progress,
  suspects saldo_private.suspects,
  is_complete boolean,
  is_at_once boolean,
  before_id uuid,
  out rule_count integer,
  out failed_rule_count integer
)
language plpgsql
-- Rules are quick, although the planner estimates a high cost: compiling one would take seconds.
set jit = off
as $$
declare
  v_rule saldo.balance_rule;
  v_detail text;
  v_found text[] := array(
    select distinct f.rule
    from saldo.finding as f
    where f.check_run_id = record_check__rules.before_id
  );
  v_failed text[] := array(
    select f.rule
    from saldo.finding as f
    where f.check_run_id = record_check__rules.before_id
    and f.cause = 'rule_failed'
  );
  v_suspects saldo_private.suspects := suspects;
  v_all saldo_private.suspects;
  v_everything saldo_private.suspects;
  v_asked saldo_private.suspects;
begin
  rule_count := 0;
  failed_rule_count := 0;
  for v_rule in
    select *
    from saldo.balance_rule as r
    where r.is_enabled
    and (r.is_incremental or r.is_registered or is_complete)
    order by r.name
  loop
    rule_count := rule_count + 1;
    if v_rule.name = 'month_movement' and is_complete then
      v_suspects := saldo_private.record_check__with_odd_months(progress.id, v_suspects);
    end if;
    v_all := v_suspects;
    v_all.since := null;
    v_all.news_account_ids := null;
    v_asked := case when v_rule.name = any (v_failed) then v_everything
      when v_rule.name = any (v_found) then v_all
      else v_suspects end;
    continue when saldo_private.record_check__is_settled(v_rule, v_asked);
    if v_rule.is_registered then
      perform saldo_private.hide_check();
    else
      perform saldo_private.show_check(progress, v_rule.name);
    end if;
    begin
      perform saldo_private.record_check__rule(
        progress.id, v_rule, v_asked,
        are_months_proven => is_at_once and v_suspects.month_account_ids = '{}'
          and v_suspects.entry_ids = '{}'
      );
    exception
      when others then
        failed_rule_count := failed_rule_count + 1;
        get stacked diagnostics v_detail = pg_exception_detail;
        insert into saldo.finding (id, check_run_id, rule, key, cause, explanation)
        values (
          saldo_private.uuid_v7(), progress.id, v_rule.name, 'rule', 'rule_failed',
          format('The rule itself failed: %s (%s)%s', sqlerrm, sqlstate,
            nullif(': ' || v_detail, ': '))
        );
    end;
  end loop;
  perform saldo_private.hide_check();
  perform saldo_private.explain_findings(progress.id);
end
$$;
comment on function saldo_private.record_check__rules is
  'Runs the enabled rules, all of them or the incremental ones, and explains what they find. '
  'is_at_once: the sieve has proven the months in this transaction. before_id: the check that '
  'found the suspects, in a look after it; a rule that found something there is asked about all '
  'suspects, one that failed about everything.';

create or replace function saldo_private.record_check(
  progress saldo.check_progress,
  scope saldo.check_scope,
  suspects saldo_private.suspects,
  is_complete boolean,
  is_at_once boolean default false,
  before_id uuid default null
)
returns saldo.check_run
language plpgsql
as $$
declare
  v_run saldo.check_run;
  v_rules record := saldo_private.record_check__rules(
    progress, suspects, is_complete, is_at_once, before_id
  );
begin
  insert into saldo.check_run (
    id, kind, scope, status, started_at, finished_at, actor, rule_count, failed_rule_count,
    finding_count, account_count, line_count, slice_count, snapshot, verified_at,
    verified_line_count
  )
  select progress.id, progress.kind, record_check.scope,
    case when v_rules.failed_rule_count > 0 then 'failed'
      when f.finding_count > 0 then 'unhealthy' else 'healthy' end::saldo.check_status,
    progress.started_at, clock_timestamp(), progress.actor, v_rules.rule_count,
    v_rules.failed_rule_count, f.finding_count, (select count(*) from saldo.account),
    progress.line_count, progress.slice_count, progress.snapshot, p.full_started_at, p.line_count
  from (
    select count(*) as finding_count
    from saldo.finding
    where check_run_id = progress.id
  ) as f
  cross join saldo_private.verified_point as p
  returning *
  into v_run;
  return v_run;
end
$$;
comment on function saldo_private.record_check is
  'Runs the rules over what the sieve suspects, and records the run. is_at_once: the sieve ran in '
  'this transaction. before_id: the check that this one looks after.';
