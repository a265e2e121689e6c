-- The answer to a push: what the centre holds of a device, and what became of its rows.
--
-- Private: push_state, push_seen, push_changes, push_verdicts.

create or replace function saldo_private.push_state(
  device saldo.branch_device,
  epoch saldo.branch_epoch,
  head_seq bigint
)
returns text
language sql
stable
as $$
  select case
    when device.state <> 'ok' then device.state::text
    when exists (
      select
      from saldo.branch_intake as i
      where i.epoch_id = epoch.id
      and i.has_place
      and i.seq > head_seq
    ) then 'restored'
    else 'ok'
  end
$$;
comment on function saldo_private.push_state is
  'State of a device as it is told: restored where the centre holds later rows of the epoch.';

create or replace function saldo_private.push_seen(epoch saldo.branch_epoch)
returns jsonb
language sql
stable
as $$
  select jsonb_build_object(
    'seq', coalesce(last.seq, 0), 'hash', last.hash,
    'missing', coalesce((
      select jsonb_agg(jsonb_build_array(m.first_seq, m.last_seq) order by m.first_seq)
      from (
        select each.first_seq, each.last_seq
        from saldo_private.missing_branch_rows(epoch.id) as each
        limit 100
      ) as m
    ), '[]')
  )
  from (select) as one
  left join lateral (
    select i.seq, i.hash
    from saldo.branch_intake as i
    where i.epoch_id = epoch.id
    and i.has_place
    order by i.seq desc
    limit 1
  ) as last on true
$$;
comment on function saldo_private.push_seen is 'What the centre holds of an epoch, and lacks.';

create or replace function saldo_private.push_changes(
  device saldo.branch_device,
  have_verdict_no bigint,
  arrival_hashes bytea[]
)
returns jsonb
language sql
stable
as $$
  select jsonb_build_object(
    'changes', coalesce(jsonb_agg(c.verdict order by c.verdict_no) filter (where c.place <= 256),
      '[]'),
    'more', count(*) > 256,
    'verdict_no', case when count(*) > 256
      then max(c.verdict_no) filter (where c.place <= 256) else device.verdict_no end
  )
  from (
    select i.verdict_no, saldo_private.verdict_json(i.row_id, i.seq, i.verdict,
        i.verdict_reason, i.entry_id, e.posting_date, i.verdict_no) as verdict,
      row_number() over (order by i.verdict_no) as place
    from saldo.branch_intake as i
    left join saldo.journal_entry as e on e.id = i.entry_id
    where i.device_id = device.id
    and i.verdict_no > have_verdict_no
    and i.verdict_no > 0 -- which the index asks for
    -- Looked up in a hash table, which another form of this would not be.
    and i.arrival_hash not in (
      select of_push.hash
      from unnest(arrival_hashes) as of_push (hash)
    )
    order by i.verdict_no
    limit 257
  ) as c
$$;
comment on function saldo_private.push_changes is
  'Verdicts of other rows of a device after a number, 256 at most, and how far they go.';

create or replace function saldo_private.push_verdicts(
  arrivals saldo_private.branch_arrival[],
  device_id uuid
)
returns jsonb
language plpgsql
stable
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return coalesce((
    select jsonb_agg(saldo_private.verdict_json(i.row_id, i.seq, i.verdict, i.verdict_reason,
      i.entry_id, e.posting_date, i.verdict_no) order by a.no)
    from unnest(arrivals) as a
    -- One by one: see saldo_private.file_branch_rows.
    cross join lateral (
      select each.row_id, each.seq, each.verdict, each.verdict_reason, each.entry_id,
        each.verdict_no
      from saldo.branch_intake as each
      where each.device_id = push_verdicts.device_id
      and each.arrival_hash = a.arrival_hash
      limit 1
    ) as i
    left join lateral (
      select j.posting_date
      from saldo.journal_entry as j
      where j.id = i.entry_id
      limit 1
    ) as e on true
  ), '[]');
end
$$;
comment on function saldo_private.push_verdicts is 'The verdicts of rows, in their order.';
