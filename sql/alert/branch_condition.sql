-- What an alert can be about in the branch room: silence, forks, rows that wait for a person.
--
-- Private: alert_branch_silent, alert_branch_forked, alert_branch_row_waits.
-- Conditions as alert_condition.sql says; their keys are branches, which are few.

create or replace function saldo_private.alert_branch_silent()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select s.code, format('Nothing was heard of branch %s since %s.', s.code,
      to_char(s.silent_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
    jsonb_build_object('branch_id', s.branch_id, 'silent_since', s.silent_since)
  from saldo_private.silent_branches() as s
$$;
comment on function saldo_private.alert_branch_silent is
  'Branches that were not heard of for longer than the setting branch_silent_hours.';

create or replace function saldo_private.alert_branch_forked()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select b.code, format('%s devices of branch %s are forked: %s.', count(*), b.code,
      left(min(d.state_reason), 500)),
    jsonb_build_object('branch_id', b.id, 'device_ids', (array_agg(d.id order by d.id))[1:5])
  from saldo.branch_device as d
  join saldo.branch as b on b.id = d.branch_id
  where d.state = 'forked'
  group by b.id
$$;
comment on function saldo_private.alert_branch_forked is
  'Branches with a device of which two programs went on from one store, until it is closed.';

create or replace function saldo_private.alert_branch_row_waits()
returns table (key text, text text, detail jsonb)
language sql
stable
as $$
  select b.code, format('%s rows of branch %s wait for a decision.', count(*), b.code),
    jsonb_build_object('branch_id', b.id, 'row_count', count(*),
      'intake_ids', (array_agg(i.id order by i.id))[1:5])
  from saldo.branch_intake as i
  join saldo.branch as b on b.id = i.branch_id
  where i.verdict in ('quarantined', 'conflict')
  and i.verdict_reason is distinct from 'void_waits'
  group by b.id
$$;
comment on function saldo_private.alert_branch_row_waits is
  'Branches with rows in quarantine or conflict; a void that waits for its original is none.';

select saldo_private.register_alert_condition(name, severity, title, advice)
from (
  values
    ('branch_silent', 'warning', 'A branch is silent',
      'Ask the branch: its till, its network or its key. It goes on selling by itself.'),
    ('branch_forked', 'critical', 'Two tills go on from one store',
      'Find both, enrol each again, decide about their rows, then close the device.'),
    ('branch_row_waits', 'warning', 'Rows of a branch wait for a decision',
      'Look at branch_intake: accept, refuse, or resolve them.')
) as condition (name, severity, title, advice);
