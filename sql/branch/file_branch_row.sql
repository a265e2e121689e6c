-- Filing: rows that come are kept, each with the first reason that speaks against it, or none.
--
-- Private: find_fork, judge_branch_rows, file_branch_rows.
-- A row that came before (the same bytes from the same device and epoch) is not filed again: its
-- verdict is repeated. A row has its id (has_id) and its place (has_place) when it was the first to
-- come with it: only one has, whatever else claims it.
-- What was kept before is looked up row by row (a limit in each lateral, and no scan of the table):
-- of a device that is new to the statistics the planner would read all that it has ever sent. Plans
-- are kept, as one that is made for a push alone holds all of its rows as a constant.

create or replace function saldo_private.find_fork(
  arrivals saldo_private.branch_arrival[],
  epoch saldo.branch_epoch
)
returns text
language plpgsql
stable
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_last_seq bigint;
begin
  select i.seq
  into v_last_seq
  from saldo.branch_intake as i
  where i.epoch_id = epoch.id
  and i.has_place
  order by i.seq desc
  limit 1;
  -- Nearly always: all of them come after what is held, in an epoch that goes on.
  if not exists (
    select
    from unnest(arrivals) as a
    where a.seq <= v_last_seq
    or a.seq > epoch.ends_at_seq
  ) then
    return null;
  end if;
  return (
    select case when bool_or(held.id is not null) then 'sequence_reused'
      else 'epoch_superseded' end
    from unnest(arrivals) as a
    left join lateral (
      select i.id, i.arrival_hash
      from saldo.branch_intake as i
      where i.epoch_id = epoch.id
      and i.seq = a.seq
      and i.has_place
      limit 1
    ) as held on true
    where a.fault is null
    and case when held.id is not null then held.arrival_hash <> a.arrival_hash
      else a.seq > epoch.ends_at_seq end
    and (
      select before.id
      from saldo.branch_intake as before
      where before.device_id = epoch.device_id
      and before.arrival_hash = a.arrival_hash
    ) is null
    having count(*) > 0
  );
end
$$;
comment on function saldo_private.find_fork is
  'What in these rows tells that two programs went on from one store; null = nothing.';

create or replace function saldo_private.judge_branch_rows(
  arrivals saldo_private.branch_arrival[],
  device saldo.branch_device,
  branch saldo.branch,
  epoch saldo.branch_epoch
)
returns table (arrival saldo_private.branch_arrival, has_id boolean, has_place boolean,
  first_entry_id uuid, reason text)
language sql
stable
as $$
  select a, owner.id is null and a.row_id is not null,
    held.id is null and a.seq is not null and epoch.id is not null, owner.entry_id,
    case
      when a.fault is not null then 'row_invalid: ' || a.fault
      when held.id is not null then 'sequence_reused'
      when not a.is_hash_right then 'hash_mismatch'
      when owner.content_hash = a.content_hash then 'duplicate'
      when owner.id is not null then 'id_reused'
      when not a.is_of_branch then 'branch_mismatch'
      when a.data ->> 'currency' <> branch.currency then 'currency_mismatch'
      when a.seq > epoch.ends_at_seq then 'epoch_superseded'
      when device.state <> 'ok' then 'device_' || device.state
      when a.data ->> 'kind' = 'void' then 'void_waits'
    end
  from unnest(arrivals) as a
  left join lateral (
    select i.id, i.content_hash, i.entry_id
    from saldo.branch_intake as i
    where i.branch_id = branch.id
    and i.row_id = a.row_id
    and i.has_id
    limit 1
  ) as owner on true
  left join lateral (
    select i.id
    from saldo.branch_intake as i
    where i.epoch_id = epoch.id
    and i.seq = a.seq
    and i.has_place
    limit 1
  ) as held on true
  where (
    select before.id
    from saldo.branch_intake as before
    where before.device_id = device.id
    and before.arrival_hash = a.arrival_hash
  ) is null
$$;
comment on function saldo_private.judge_branch_rows is
  'Those rows that did not come before, with what speaks against each; null = nothing does.';

create or replace function saldo_private.file_branch_rows(
  arrivals saldo_private.branch_arrival[],
  device saldo.branch_device,
  branch saldo.branch,
  epoch saldo.branch_epoch
)
returns bigint[]
language plpgsql
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_ids bigint[];
begin
  with judged as materialized (
    select (j.arrival).no, (j.arrival).data, (j.arrival).payload, (j.arrival).row_id,
      (j.arrival).seq, (j.arrival).arrival_hash, (j.arrival).content_hash,
      (j.arrival).fault is null as is_readable, j.has_id, j.has_place, j.first_entry_id, j.reason,
      saldo_private.branch_verdict_of(j.reason) as verdict
    from saldo_private.judge_branch_rows(arrivals, device, branch, epoch) as j
  ),
  filed as (
    insert into saldo.branch_intake (
      branch_id, device_id, epoch_id, seq, row_id, arrival_hash, content_hash, has_id, has_place,
      kind, flow, category, amount, expected, currency, description, occurred_at, business_date,
      cashier, voids, corrects, reason, prev_hash, hash, payload, verdict, verdict_reason,
      verdict_no, first_verdict, first_reason, posting_rule_id, account_id, is_suspense, entry_id
    )
    select branch.id, device.id, epoch.id, j.seq, coalesce(j.row_id, left(j.data ->> 'id', 100)),
      j.arrival_hash, j.content_hash, j.has_id, j.has_place, r.kind, r.type, r.category, r.amount,
      r.expected, r.currency, r.description, r.occurred_at, r.business_date, r.cashier, r.voids,
      r.corrects, r.reason, r.prev, r.hash, j.payload, j.verdict, j.reason,
      device.verdict_no + row_number() over (order by j.no), j.verdict, j.reason, p.id,
      case when r.kind = 'entry' then coalesce(p.account_id, branch.suspense_account_id) end,
      j.reason is null and r.kind = 'entry' and p.id is null,
      case when j.reason = 'duplicate' then j.first_entry_id
        when j.reason is null and r.kind = 'entry' then saldo_private.uuid_v7() end
    from judged as j
    cross join lateral jsonb_to_record(case when j.is_readable then j.data else '{}' end) as r (
      kind saldo.branch_row_kind, type saldo.branch_flow, category text, amount numeric,
      expected numeric, currency text, description text, occurred_at timestamptz,
      business_date date, cashier text, voids text, corrects text, reason text, prev text,
      hash text
    )
    left join lateral saldo_private.posting_rule_of(
      branch.id, branch.currency, r.type, r.category, r.business_date
    ) as p on r.kind = 'entry'
    order by j.no
    returning id
  )
  select coalesce(array_agg(f.id order by f.id), '{}')
  into v_ids
  from filed as f;

  update saldo.branch_device as d
  set verdict_no = d.verdict_no + cardinality(v_ids)
  where d.id = device.id
  and v_ids <> '{}';
  return v_ids;
end
$$;
comment on function saldo_private.file_branch_rows is
  'Files those rows that did not come before, in one statement, and returns their ids. No two of '
  'them may have the same id or place. The caller holds the branch, and posts what is accepted.';
