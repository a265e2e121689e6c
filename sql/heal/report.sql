-- Reports over checks and heals: how it is, rule by rule, account by account, and how it has been.
--
-- Public: health_summary, health_by_rule, health_by_account, health_trend, account_health_history,
-- heal_run_totals.
-- All of them read what checks and heals have recorded; none looks at a balance.

create or replace function saldo.health_summary()
returns saldo.health_summary_result
language sql
stable
as $$
  select last.id, last.status, last.scope, last.finished_at,
    greatest(extract(epoch from clock_timestamp() - last.finished_at), 0)::numeric(20, 0),
    last.line_count, last.verified_line_count, last.finding_count,
    (
      select count(distinct f.account_id)
      from saldo.finding as f
      where f.check_run_id = last.id
    ),
    full_check.finished_at,
    (
      select min(c.finished_at)
      from saldo.check_run as c
      where c.status <> 'healthy'
      and not exists (
        select
        from saldo.check_run as h
        where h.status = 'healthy'
        and (h.number, h.finished_at) > (c.number, c.finished_at)
      )
    ),
    (
      select count(*)
      from saldo.heal_action as h
      where h.outcome = 'healed'
      and h.healed_at > clock_timestamp() - interval '1 day'
    )
  from saldo_private.last_check() as last
  left join lateral (
    select c.finished_at
    from saldo.check_run as c
    where c.scope = 'full'
    order by c.number desc, c.finished_at desc
    limit 1
  ) as full_check on true
$$;
comment on function saldo.health_summary is
  'How the balances were at the last check, and since when they are not in order. Null before the '
  'first check.';
revoke execute on function saldo.health_summary from public;
grant execute on function saldo.health_summary to saldo_admin, saldo_operator;

create or replace function saldo_private.reported_check(check_run_id uuid)
returns uuid
language sql
stable
as $$
  select coalesce(reported_check.check_run_id, (
    select last.id
    from saldo_private.last_check() as last
  ))
$$;
comment on function saldo_private.reported_check is 'The check that is asked for, or the last one.';
grant execute on function saldo_private.reported_check to saldo_admin, saldo_operator;

create or replace function saldo.health_by_rule(check_run_id uuid default null)
returns setof saldo.health_by_rule_row
language sql
stable
as $$
  select r.name, r.title, r.room, count(f.id), count(distinct f.account_id),
    coalesce(sum(abs(f.difference)) filter (where abs(f.difference) < 'Infinity'), 0),
    coalesce(max(abs(f.difference)) filter (where abs(f.difference) < 'Infinity'), 0),
    mode() within group (order by f.cause), r.heal_function is not null
  from saldo.balance_rule as r
  left join saldo.finding as f on f.rule = r.name
    and f.check_run_id = saldo_private.reported_check(health_by_rule.check_run_id)
  group by r.name
  order by count(f.id) desc, r.room, r.name
$$;
comment on function saldo.health_by_rule is
  'What a check found, rule by rule; the last check when none is named.';
revoke execute on function saldo.health_by_rule from public;
grant execute on function saldo.health_by_rule to saldo_admin, saldo_operator;

create or replace function saldo.health_by_account(check_run_id uuid default null)
returns setof saldo.health_by_account_row
language sql
stable
as $$
  select a.id, a.code, a.currency, count(*), array_agg(distinct f.rule),
    sum(f.difference) filter (where f.rule = 'account_balance'),
    mode() within group (order by f.cause),
    (
      select count(*)
      from saldo.heal_action as h
      where h.account_id = a.id
      and h.outcome = 'healed'
    )
  from saldo.finding as f
  join saldo.account as a on a.id = f.account_id
  where f.check_run_id = saldo_private.reported_check(health_by_account.check_run_id)
  group by a.id
  order by abs(sum(f.difference) filter (where f.rule = 'account_balance')) desc nulls last, a.id
$$;
comment on function saldo.health_by_account is
  'What a check found, account by account, the largest difference first; the last check when none '
  'is named.';
revoke execute on function saldo.health_by_account from public;
grant execute on function saldo.health_by_account to saldo_admin, saldo_operator;

create or replace function saldo.health_trend(run_count integer default 30)
returns setof saldo.health_trend_row
language sql
stable
as $$
  select c.id, c.kind, c.scope, c.status, c.finished_at,
    extract(epoch from c.finished_at - c.started_at)::numeric(20, 3), c.line_count,
    c.finding_count, c.finding_count - lag(c.finding_count) over (
      order by c.number, c.finished_at
    ), (
      select coalesce(sum(abs(f.difference)), 0)
      from saldo.finding as f
      where f.check_run_id = c.id
      and abs(f.difference) < 'Infinity'
    )
  from (
    select last.*
    from saldo.check_run as last
    order by last.number desc, last.finished_at desc
    limit least(greatest(health_trend.run_count, 1), 1000)
  ) as c
  order by c.number desc, c.finished_at desc
$$;
comment on function saldo.health_trend is
  'The last checks, newest first, up to 1,000: what they found, and how many more than the one '
  'before.';
revoke execute on function saldo.health_trend from public;
grant execute on function saldo.health_trend to saldo_admin, saldo_operator;

create or replace function saldo.account_health_history(account_id bigint)
returns setof saldo.health_event
language sql
stable
as $$
  select e.occurred_at, e.what, e.rule, e.key, e.difference, e.text, e.actor
  from (
    select c.finished_at as occurred_at, 'finding' as what, f.rule, f.key, f.difference,
      f.explanation as text, c.actor
    from saldo.finding as f
    join saldo.check_run as c on c.id = f.check_run_id
    where f.account_id = account_health_history.account_id
    union all
    select h.healed_at, h.outcome::text, h.rule, h.key, null, h.reason, h.actor
    from saldo.heal_action as h
    where h.account_id = account_health_history.account_id
    union all
    select g.occurred_at, 'write past the guard', null, g.table_name, null, g.statement, g.login
    from saldo.guard_event as g
    where g.account_id = account_health_history.account_id
  ) as e
  order by e.occurred_at desc, e.what
$$;
comment on function saldo.account_health_history is
  'Everything that was found about an account, done about it, or written to it past the guard, '
  'newest first.';
revoke execute on function saldo.account_health_history from public;
grant execute on function saldo.account_health_history to saldo_admin, saldo_operator;

create or replace function saldo.heal_run_totals(heal_run_id uuid)
returns setof saldo.heal_run_total
language sql
stable
as $$
  select h.outcome, h.rule, a.currency, count(*),
    coalesce(sum(abs(f.difference)) filter (where abs(f.difference) < 'Infinity'), 0)
  from saldo.heal_action as h
  left join saldo.finding as f on f.id = h.finding_id
  left join saldo.account as a on a.id = h.account_id
  where h.heal_run_id = heal_run_totals.heal_run_id
  group by h.outcome, h.rule, a.currency
  order by h.outcome, count(*) desc, h.rule, a.currency
$$;
comment on function saldo.heal_run_totals is
  'How many findings a heal, or a dry run of one, has dealt with in which way, and what their '
  'differences sum to, rule by rule and currency by currency; no row for an unknown run.';
revoke execute on function saldo.heal_run_totals from public;
grant execute on function saldo.heal_run_totals to saldo_admin, saldo_operator;

comment on type saldo.health_summary_result is 'How the balances were at the last check.';
comment on column saldo.health_summary_result.check_run_id is
  'Check that the figures are of: the last one.';
comment on column saldo.health_summary_result.status is 'Result of this check.';
comment on column saldo.health_summary_result.scope is 'How much this check looked at.';
comment on column saldo.health_summary_result.checked_at is 'When this check ended.';
comment on column saldo.health_summary_result.age_seconds is 'Seconds since this check ended.';
comment on column saldo.health_summary_result.line_count is
  'Journal lines that this check looked at.';
comment on column saldo.health_summary_result.verified_line_count is
  'Lines that are proven, by it and by the full check that it goes back to.';
comment on column saldo.health_summary_result.finding_count is 'Violations that this check found.';
comment on column saldo.health_summary_result.account_count is 'Accounts that have findings.';
comment on column saldo.health_summary_result.full_check_at is 'When the last full check ended.';
comment on column saldo.health_summary_result.unhealthy_since is
  'When the first check ended since which none was healthy; null = the last one was.';
comment on column saldo.health_summary_result.healed_count is
  'Findings that were healed in the last 24 hours.';
comment on type saldo.health_by_rule_row is 'What a check found about one rule.';
comment on column saldo.health_by_rule_row.rule is 'Name of the rule.';
comment on column saldo.health_by_rule_row.title is 'What must hold, in a few words.';
comment on column saldo.health_by_rule_row.room is 'Room of the house that the rule belongs to.';
comment on column saldo.health_by_rule_row.finding_count is
  'Violations of the rule that the check found.';
comment on column saldo.health_by_rule_row.account_count is 'Accounts that have such findings.';
comment on column saldo.health_by_rule_row.difference_sum is
  'Sum of the differences without their signs, whatever the currencies.';
comment on column saldo.health_by_rule_row.difference_max is
  'Largest of the differences without their signs.';
comment on column saldo.health_by_rule_row.cause is 'The cause that most of them have.';
comment on column saldo.health_by_rule_row.can_heal is 'Whether there is a heal for it.';
comment on type saldo.health_by_account_row is 'What a check found about one account.';
comment on column saldo.health_by_account_row.account_id is 'Account that the findings are about.';
comment on column saldo.health_by_account_row.code is 'Code of the account.';
comment on column saldo.health_by_account_row.currency is 'Currency of the account.';
comment on column saldo.health_by_account_row.finding_count is
  'Violations that the check found about the account.';
comment on column saldo.health_by_account_row.rules is 'Names of the rules that are violated.';
comment on column saldo.health_by_account_row.difference is
  'Balance stored less balance derived; null when that is right.';
comment on column saldo.health_by_account_row.cause is 'The cause that most of them have.';
comment on column saldo.health_by_account_row.healed_count is 'How often it was healed so far.';
comment on type saldo.health_trend_row is 'A check among others.';
comment on column saldo.health_trend_row.check_run_id is 'Check that the row is about.';
comment on column saldo.health_trend_row.kind is 'What asked for the check.';
comment on column saldo.health_trend_row.scope is 'How much the check looked at.';
comment on column saldo.health_trend_row.status is 'Result of the check.';
comment on column saldo.health_trend_row.finished_at is 'When the check ended.';
comment on column saldo.health_trend_row.seconds is 'Duration of the check, in seconds.';
comment on column saldo.health_trend_row.line_count is 'Journal lines that the check looked at.';
comment on column saldo.health_trend_row.finding_count is 'Violations that the check found.';
comment on column saldo.health_trend_row.finding_change is 'How many more than the check before.';
comment on column saldo.health_trend_row.difference_sum is
  'Sum of the differences without their signs, whatever the currencies.';
comment on type saldo.health_event is 'Something that was found about an account or done to it.';
comment on column saldo.health_event.occurred_at is
  'When the check ended, the heal ran or the write took place.';
comment on column saldo.health_event.what is
  'finding, a write past the guard, or what a heal did.';
comment on column saldo.health_event.rule is
  'Rule of the finding; null for a write past the guard.';
comment on column saldo.health_event.key is 'Key of the finding, or the table that was written.';
comment on column saldo.health_event.difference is
  'Stored less derived; null where it is no finding.';
comment on column saldo.health_event.text is 'Explanation, reason, or statement.';
comment on column saldo.health_event.actor is 'Who asked for the check or the heal, or wrote.';
comment on type saldo.heal_run_total is 'What a heal did about findings of one kind.';
comment on column saldo.heal_run_total.outcome is 'What was done, or would be.';
comment on column saldo.heal_run_total.rule is 'Rule of the findings.';
comment on column saldo.heal_run_total.currency is
  'Currency of their accounts; null = they are about no account.';
comment on column saldo.heal_run_total.finding_count is 'Number of the findings.';
comment on column saldo.heal_run_total.difference_sum is
  'Sum of their differences without the signs.';
