-- How branches stand: what is known of each, and what waits for a person, in one row.
--
-- Public: branch_states.

create or replace function saldo_private.branch_states__devices()
returns table (
  branch_id bigint,
  device_count bigint,
  forked_count bigint,
  last_push_at timestamptz
)
language sql
stable
as $$
  select d.branch_id, count(*) filter (where d.state <> 'closed'),
    count(*) filter (where d.state = 'forked'), max(d.last_push_at)
  from saldo.branch_device as d
  group by d.branch_id
$$;
comment on function saldo_private.branch_states__devices is
  'Devices of each branch that has one, and when any of them last pushed.';

create or replace function saldo_private.branch_states__waiting(branch_id bigint)
returns table (
  quarantined_count bigint,
  conflict_count bigint,
  waiting_since timestamptz,
  suspense_count bigint
)
language sql
stable
as $$
  select w.quarantined_count, w.conflict_count, w.waiting_since, (
      select count(*)
      from saldo.branch_intake as s
      where s.branch_id = branch_states__waiting.branch_id
      and s.is_suspense
    )
  from (
    select count(*) filter (where i.verdict = 'quarantined') as quarantined_count,
      count(*) filter (where i.verdict = 'conflict') as conflict_count,
      min(i.received_at) as waiting_since
    from saldo.branch_intake as i
    where i.branch_id = branch_states__waiting.branch_id
    and i.verdict in ('quarantined', 'conflict')
  ) as w
$$;
comment on function saldo_private.branch_states__waiting is
  'Rows of a branch that wait for a person or for a rule.';

create or replace function saldo.branch_states(branch_id bigint default null)
returns setof saldo.branch_state
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select b.id, b.code, b.name, coalesce(d.device_count, 0), coalesce(d.forked_count, 0),
    d.last_push_at, s.branch_id is not null, coalesce(g.row_count, 0)::bigint, g.known_since,
    w.quarantined_count, w.conflict_count, w.waiting_since, w.suspense_count
  from saldo.branch as b
  left join saldo_private.branch_states__devices() as d on d.branch_id = b.id
  left join saldo_private.silent_branches() as s on s.branch_id = b.id
  left join (
    select each.branch_id, sum(each.row_count) as row_count, min(each.known_since) as known_since
    from saldo_private.open_branch_gaps(branch_states.branch_id) as each
    group by each.branch_id
  ) as g on g.branch_id = b.id
  cross join lateral saldo_private.branch_states__waiting(b.id) as w
  where branch_states.branch_id is null
  or b.id = branch_states.branch_id
  order by b.code
$$;
comment on function saldo.branch_states is
  'How each branch stands, by code: when a till of it was last heard of, what the centre lacks, '
  'and what waits for a decision or for a posting rule. branch_id: null = all branches.';
revoke execute on function saldo.branch_states from public;
grant execute on function saldo.branch_states to saldo_admin, saldo_operator;

comment on type saldo.branch_state is 'How a branch stands.';
comment on column saldo.branch_state.branch_id is 'Branch.';
comment on column saldo.branch_state.branch_code is 'Its code.';
comment on column saldo.branch_state.branch_name is 'Its name.';
comment on column saldo.branch_state.device_count is 'Its devices that are not closed.';
comment on column saldo.branch_state.forked_count is
  'Its devices of which two programs went on from one store.';
comment on column saldo.branch_state.last_push_at is
  'When one of its devices last pushed; null = never.';
comment on column saldo.branch_state.is_silent is
  'Whether nothing was heard of it for longer than the setting branch_silent_hours.';
comment on column saldo.branch_state.missing_count is
  'Rows that its tills have told of and not sent, less those that were waived.';
comment on column saldo.branch_state.missing_since is
  'When the first of them was told of; null = nothing is missing.';
comment on column saldo.branch_state.quarantined_count is 'Its rows in quarantine.';
comment on column saldo.branch_state.conflict_count is 'Its rows in conflict with another row.';
comment on column saldo.branch_state.waiting_since is
  'When the oldest of these came; null = none waits for a decision.';
comment on column saldo.branch_state.suspense_count is
  'Its rows that are posted to suspense, since no rule knows an account for them.';
