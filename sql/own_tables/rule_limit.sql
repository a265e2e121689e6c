-- The time that a registered rule's query may take, and who stops it.
--
-- Private: overdue_rule_query, was_rule_stopped.
-- PostgreSQL arms statement_timeout when a statement begins: none can be set from within. So the
-- sandbox marks a running query with an advisory lock that says since when (sandbox__mark), and
-- the workers look every few seconds and cancel what is beyond its limit. What called it catches
-- the cancellation, and the check goes on with the next rule.

create or replace function saldo_private.overdue_rule_query()
returns table (pid integer, running_seconds bigint)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select l.pid, l.running_seconds
  from (
    select l.pid, l.classid::bigint = saldo_rule.trial_lock() as is_trial,
      extract(epoch from clock_timestamp())::bigint % 2147483648 - l.objid::bigint
        as running_seconds
    from pg_catalog.pg_locks as l
    join pg_catalog.pg_database as d on d.oid = l.database
    where l.locktype = 'advisory'
    and l.classid::bigint in (saldo_rule.query_lock(), saldo_rule.trial_lock())
    and l.objsubid = 2
    and l.granted
    and d.datname = current_database()
  ) as l
  cross join (
    select saldo_private.setting_value('rule_check_max_seconds')::bigint as check_seconds,
      -- A trial runs a query twice, each time within its budget.
      10 + saldo_private.setting_value('rule_time_budget_ms')::bigint / 500 as trial_seconds
    offset 0
  ) as most
  where l.running_seconds >= case when l.is_trial then most.trial_seconds
    else most.check_seconds end
  -- A clock that was set back must not let it run until then.
  or l.running_seconds < -60
$$;
comment on function saldo_private.overdue_rule_query is
  'Sessions whose query of a registered rule runs beyond its limit, and for how many seconds: in a '
  'check or heal rule_check_max_seconds, when it is registered twice rule_time_budget_ms and ten '
  'seconds.';
grant execute on function saldo_private.overdue_rule_query to saldo_admin;

create or replace function saldo_private.was_rule_stopped(started_at timestamptz)
returns boolean
language sql
volatile
as $$
  select extract(epoch from clock_timestamp() - started_at)
    not between -60 and saldo_private.setting_value('rule_check_max_seconds')::integer - 1
$$;
comment on function saldo_private.was_rule_stopped is
  'Whether what began then and was cancelled was beyond the limit of a rule, so that it was for '
  'that; anybody else who cancels means the whole statement.';
