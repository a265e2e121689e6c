-- Epochs of a device's store, what it told of itself, and what the centre lacks of it.
--
-- Public: saldo.branch_epoch, saldo.branch_head, saldo.branch_gap_waiver, branch_gaps,
-- waive_branch_gap. Private: enter_branch_epoch, note_branch_head, advance_branch_epoch,
-- missing_branch_rows.
-- Rows of an epoch are numbered without gap, and each push tells the last number: so what is
-- missing is known, inside and at the tail. whole_to is up to where nothing is missing, so that
-- only what is after it has to be looked at.
-- Two epochs that go on from one place, or two heads of one number, are two programs on one store.

create or replace function saldo_private.enter_branch_epoch(
  entered_device_id uuid,
  epoch uuid,
  epoch_no integer,
  previous jsonb
)
returns saldo.branch_epoch
language plpgsql
as $$
declare
  v_epoch saldo.branch_epoch;
  v_last_no integer;
  v_ends_at bigint;
begin
  select *
  into v_epoch
  from saldo.branch_epoch as e
  where e.device_id = entered_device_id
  and e.epoch = enter_branch_epoch.epoch;
  if v_epoch.id is not null then
    return v_epoch;
  end if;

  select max(e.epoch_no)
  into v_last_no
  from saldo.branch_epoch as e
  where e.device_id = entered_device_id;
  if v_last_no >= enter_branch_epoch.epoch_no then
    -- It comes after a later one: up to where that one says that it began.
    select max(e.previous_seq)
    into v_ends_at
    from saldo.branch_epoch as e
    where e.device_id = entered_device_id
    and e.previous_epoch = enter_branch_epoch.epoch;
    v_ends_at := coalesce(v_ends_at, 0);
  else
    update saldo.branch_epoch as e
    set ends_at_seq = case when e.epoch::text = previous ->> 'epoch'
        then (previous ->> 'seq')::bigint
        else coalesce((
          select max(i.seq)
          from saldo.branch_intake as i
          where i.epoch_id = e.id
          and i.has_place
        ), 0) end
    where e.device_id = entered_device_id
    and e.ends_at_seq is null;
  end if;
  insert into saldo.branch_epoch (
    device_id, epoch, epoch_no, previous_epoch, previous_seq, previous_hash, ends_at_seq
  )
  values (
    entered_device_id, enter_branch_epoch.epoch, enter_branch_epoch.epoch_no,
    (previous ->> 'epoch')::uuid, (previous ->> 'seq')::bigint, previous ->> 'hash', v_ends_at
  )
  returning * into v_epoch;
  -- How far the one before went is told by this one also where a store was lost with its rows.
  update saldo.branch_epoch as e
  set told_seq = greatest(e.told_seq, (previous ->> 'seq')::bigint),
    told_at = coalesce(e.told_at, now())
  where e.device_id = entered_device_id
  and e.epoch::text = previous ->> 'epoch';
  return v_epoch;
end
$$;
comment on function saldo_private.enter_branch_epoch is
  'The epoch of a push. A new one ends those before it: rows of them that come later count only '
  'up to where the new one says that it began, and those up to there that did not come are '
  'missing.';

create or replace function saldo_private.note_branch_head(
  epoch_id bigint,
  seq bigint,
  hash text,
  totals jsonb
)
returns void
language plpgsql
as $$
begin
  update saldo.branch_epoch as e
  set told_seq = greatest(e.told_seq, note_branch_head.seq),
    told_at = now()
  where e.id = note_branch_head.epoch_id;
  if note_branch_head.seq > 0 then
    insert into saldo.branch_head (epoch_id, seq, hash, row_count, in_total, out_total)
    values (
      note_branch_head.epoch_id, note_branch_head.seq, note_branch_head.hash,
      (totals ->> 'count')::bigint, (totals ->> 'in')::numeric, (totals ->> 'out')::numeric
    )
    on conflict on constraint branch_head_pkey do nothing;
  end if;
end
$$;
comment on function saldo_private.note_branch_head is
  'Keeps what a till told of the end of its chain: the evidence that a later cut is seen by.';

create or replace function saldo_private.advance_branch_epoch(epoch_id bigint)
returns void
language sql
as $$
  update saldo.branch_epoch as e
  set whole_to = e.whole_to + (
      -- Numbers that follow on each other differ from their place by one and the same.
      select count(*)
      from (
        select i.seq, row_number() over (order by i.seq) as place
        from saldo.branch_intake as i
        where i.epoch_id = e.id
        and i.has_place
        and i.seq > e.whole_to
      ) as later
      where later.seq = e.whole_to + later.place
    )
  where e.id = advance_branch_epoch.epoch_id
$$;
comment on function saldo_private.advance_branch_epoch is
  'Moves whole_to up to where nothing is missing.';

create or replace function saldo_private.missing_branch_rows(epoch_id bigint)
returns table (first_seq bigint, last_seq bigint)
language sql
stable
as $$
  select known.seq + 1, coalesce(known.next_seq, e.told_seq + 1) - 1
  from saldo.branch_epoch as e
  cross join lateral (
    select held.seq, lead(held.seq) over (order by held.seq) as next_seq
    from (
      select e.whole_to as seq
      union all
      select i.seq
      from saldo.branch_intake as i
      where i.epoch_id = e.id
      and i.has_place
      and i.seq > e.whole_to
    ) as held
  ) as known
  where e.id = missing_branch_rows.epoch_id
  and known.seq + 1 < coalesce(known.next_seq, e.told_seq + 1)
  order by known.seq
$$;
comment on function saldo_private.missing_branch_rows is
  'Ranges of rows of an epoch that the centre lacks, inside and at the tail that was told.';

create or replace function saldo_private.open_branch_gaps(branch_id bigint default null)
returns setof saldo.branch_gap
language sql
stable
as $$
  select b.id, b.code, d.id, d.device_no, e.epoch_no, lower(gap.range), upper(gap.range) - 1,
    upper(gap.range) - lower(gap.range),
    coalesce((
      select min(h.told_at)
      from saldo.branch_head as h
      where h.epoch_id = e.id
      and h.seq >= lower(gap.range)
    ), e.told_at, e.began_at)
  from saldo.branch as b
  join saldo.branch_device as d on d.branch_id = b.id
  join saldo.branch_epoch as e on e.device_id = d.id
  cross join lateral (
    select range_agg(int8range(m.first_seq, m.last_seq + 1)) as ranges
    from saldo_private.missing_branch_rows(e.id) as m
  ) as missing
  cross join lateral unnest(missing.ranges - coalesce((
    select range_agg(int8range(w.first_seq, w.last_seq + 1))
    from saldo.branch_gap_waiver as w
    where w.epoch_id = e.id
  ), '{}')) as gap (range)
  where open_branch_gaps.branch_id is null
  or b.id = open_branch_gaps.branch_id
  order by b.code, d.device_no, e.epoch_no, gap.range
$$;
comment on function saldo_private.open_branch_gaps is
  'Rows that the centre lacks and that nobody has waived; of one branch, or of all.';

create or replace function saldo.branch_gaps(branch_id bigint default null)
returns setof saldo.branch_gap
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select *
  from saldo_private.open_branch_gaps(branch_id)
$$;
comment on function saldo.branch_gaps is
  'What the centre lacks: ranges of row numbers that a till has told of and not sent, inside and '
  'at the tail, less those that were waived. branch_id: null = all branches.';
revoke execute on function saldo.branch_gaps from public;
grant execute on function saldo.branch_gaps to saldo_admin, saldo_operator;

create or replace function saldo.waive_branch_gap(
  device_id uuid,
  epoch_no integer,
  first_seq bigint,
  last_seq bigint,
  reason text
)
returns saldo.branch_gap_waiver
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(waive_branch_gap.reason, 'reason');
  v_device saldo.branch_device := saldo_private.lock_device(waive_branch_gap.device_id);
  v_waiver saldo.branch_gap_waiver;
begin
  insert into saldo.branch_gap_waiver (epoch_id, first_seq, last_seq, reason, waived_by)
  select e.id, waive_branch_gap.first_seq, waive_branch_gap.last_seq, v_reason,
    saldo_private.actor()
  from saldo.branch_epoch as e
  cross join lateral saldo_private.missing_branch_rows(e.id) as m
  where e.device_id = v_device.id
  and e.epoch_no = waive_branch_gap.epoch_no
  and waive_branch_gap.first_seq between m.first_seq and m.last_seq
  and waive_branch_gap.last_seq between waive_branch_gap.first_seq and m.last_seq
  returning * into v_waiver;
  if v_waiver.id is null then
    perform saldo_private.fail('not_found', format(
      'rows %s to %s of epoch %s are not missing', first_seq, last_seq, epoch_no
    ));
  end if;
  return v_waiver;
end
$$;
comment on function saldo.waive_branch_gap is
  'Says by name that rows will not come any more, and why: of a lost till, say. They are still '
  'taken when they come. Errors in checking order: SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB502 device_not_found, SB020 isolation_unsupported, SB007 not_found for '
  'rows that are not missing.';
revoke execute on function saldo.waive_branch_gap from public;
grant execute on function saldo.waive_branch_gap to saldo_admin;

select saldo_private.secure_table('saldo.branch_epoch');
drop policy if exists select_all on saldo.branch_epoch;
create policy select_all on saldo.branch_epoch for select
  to saldo_admin, saldo_operator using (true);
select saldo_private.secure_table('saldo.branch_head');
drop policy if exists select_all on saldo.branch_head;
create policy select_all on saldo.branch_head for select
  to saldo_admin, saldo_operator using (true);
select saldo_private.secure_table('saldo.branch_gap_waiver');
drop policy if exists select_all on saldo.branch_gap_waiver;
create policy select_all on saldo.branch_gap_waiver for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.branch_epoch, saldo.branch_head, saldo.branch_gap_waiver
  to saldo_admin, saldo_operator;

comment on type saldo.branch_gap is 'Rows that a till has told of, and the centre lacks.';
comment on column saldo.branch_gap.branch_id is 'Branch.';
comment on column saldo.branch_gap.branch_code is 'Its code.';
comment on column saldo.branch_gap.device_id is 'Device.';
comment on column saldo.branch_gap.device_no is 'Its number within the branch.';
comment on column saldo.branch_gap.epoch_no is 'Number of the epoch.';
comment on column saldo.branch_gap.first_seq is 'Number of the first row that is missing.';
comment on column saldo.branch_gap.last_seq is 'Number of the last one.';
comment on column saldo.branch_gap.row_count is 'How many they are.';
comment on column saldo.branch_gap.known_since is
  'When the till first told of them without sending them.';
comment on table saldo.branch_epoch is
  'A stretch of a device''s store whose rows are numbered without gap from 1.';
comment on column saldo.branch_epoch.id is 'Id, in the order in which they were heard of.';
comment on column saldo.branch_epoch.device_id is 'Device.';
comment on column saldo.branch_epoch.epoch is 'Random id that the till gave it.';
comment on column saldo.branch_epoch.epoch_no is 'Number within the device; it is on receipts.';
comment on column saldo.branch_epoch.previous_epoch is
  'Epoch that the store was in before; null = it was new.';
comment on column saldo.branch_epoch.previous_seq is 'Last row of it that the store knew.';
comment on column saldo.branch_epoch.previous_hash is 'Hash of that row.';
comment on column saldo.branch_epoch.began_at is 'When the centre heard of it.';
comment on column saldo.branch_epoch.ends_at_seq is
  'Last row that counts, since another epoch began; null = it is the device''s last epoch.';
comment on column saldo.branch_epoch.whole_to is
  'Row up to which nothing is missing here; 0 = the first one is.';
comment on column saldo.branch_epoch.told_seq is 'Highest row that the till has told of.';
comment on column saldo.branch_epoch.told_at is 'When it last told; null = never.';
comment on table saldo.branch_head is
  'What a till told of the end of its chain, each different one once: evidence.';
comment on column saldo.branch_head.epoch_id is 'Epoch.';
comment on column saldo.branch_head.seq is 'Last row of the epoch.';
comment on column saldo.branch_head.hash is 'Its hash, as 64 hexadecimal digits.';
comment on column saldo.branch_head.row_count is 'Rows up to it, as told.';
comment on column saldo.branch_head.in_total is 'Sum of what came in, as told.';
comment on column saldo.branch_head.out_total is 'Sum of what went out, as told.';
comment on column saldo.branch_head.told_at is 'When it was first told.';
comment on table saldo.branch_gap_waiver is 'Missing rows that somebody has accepted as lost.';
comment on column saldo.branch_gap_waiver.id is 'Id, in the order of creation.';
comment on column saldo.branch_gap_waiver.epoch_id is 'Epoch.';
comment on column saldo.branch_gap_waiver.first_seq is 'Number of the first row.';
comment on column saldo.branch_gap_waiver.last_seq is 'Number of the last row.';
comment on column saldo.branch_gap_waiver.reason is 'Why they will not come.';
comment on column saldo.branch_gap_waiver.waived_at is 'When it was said.';
comment on column saldo.branch_gap_waiver.waived_by is 'Who said it.';
