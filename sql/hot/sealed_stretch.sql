-- Evidence for rows of hot accounts: each slot's rows are sealed in stretches of their numbers.
--
-- Private: table sealed_stretch; sub_balance_text, seal_stretches, stretch_difference,
-- is_slot_unproven, prune_stretches.
-- Rows of a slot are numbered in the order of their commits, so the rows beyond the last stretch
-- that a snapshot shows are whole: nothing that commits later can belong before them. A submission
-- pays nothing for it.
-- New rows are sealed only where their slot, which counted them when they were written, agrees:
-- its number and sums are a second witness until then.
-- A stretch that was sealed again (accepted by an administrator) counts as its last seal says.

create or replace function saldo_private.sub_balance_text(sub_balance_row saldo.sub_balance)
returns text
language sql
stable
as $$
  select jsonb_build_array(
    sub_balance_row.seq, sub_balance_row.id, sub_balance_row.counter_account_id,
    extract(epoch from sub_balance_row.created_at), sub_balance_row.hold_id,
    sub_balance_row.direction, trim_scale(sub_balance_row.amount), sub_balance_row.created_by,
    sub_balance_row.idempotency_key, sub_balance_row.metadata
  )::text || E'\n'
$$;
comment on function saldo_private.sub_balance_text is
  'Canonical text of a row of a hot account: a JSON array of its columns and a line feed.';

create or replace function saldo_private.seal_stretches__waiting(
  row_limit integer,
  accepted_account_id bigint
)
returns table (
  account_id bigint,
  slot_no integer,
  seq bigint,
  debit_total numeric,
  credit_total numeric,
  last_seq bigint,
  row_count bigint
)
language sql
stable
as $$
  select m.account_id, m.slot_no, m.seq, m.debit_total, m.credit_total, sealed.last_seq,
    last_row.seq - sealed.last_seq
  from saldo_private.settlement_mark as m
  cross join lateral (
    select coalesce(max(t.last_seq), 0) as last_seq
    from saldo_private.sealed_stretch as t
    where t.account_id = m.account_id
    and t.slot_no = m.slot_no
  ) as sealed
  -- Not EXISTS, which may become a join with all rows, each of which then asks what is sealed.
  cross join lateral (
    select
    from saldo.sub_balance as s
    where s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq = sealed.last_seq + 1
    limit 1
  ) as next_row
  cross join lateral (
    select s.seq
    from saldo.sub_balance as s
    where s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq > sealed.last_seq
    and s.seq <= sealed.last_seq + row_limit
    order by s.seq desc
    limit 1
  ) as last_row
  where (accepted_account_id is null or m.account_id = accepted_account_id)
  and not exists (
    select
    from saldo_private.contested_row as c
    where c.account_id = m.account_id
    and c.source = 'sub_balance'
    and c.slot_no in (0, m.slot_no)
  )
  order by m.account_id, m.slot_no
  limit row_limit
$$;
comment on function saldo_private.seal_stretches__waiting is
  'Slots with rows that are not sealed, uncontested: what their marks say, the last number that is '
  'sealed, and how many numbers there are up to the last row, at most row_limit.';

create or replace function saldo_private.seal_stretches__slots(
  row_limit integer,
  accepted_account_id bigint
)
returns table (account_id bigint, slot_no integer, sealed_seq bigint, row_share bigint)
language sql
stable
as $$
  with slot as materialized (
    select w.account_id, w.slot_no, w.seq, w.debit_total, w.credit_total, w.last_seq, w.row_count
    from saldo_private.seal_stretches__waiting(row_limit, accepted_account_id) as w
  ),
  agreeing as (
    select slot.account_id, slot.slot_no, slot.last_seq, slot.row_count,
      -- The fewest first. Where numbers are missing there are fewer rows than it seems, and up to
      -- a whole batch for nothing: these come last, and take nothing from slots that are whole.
      sum(slot.row_count) over (order by slot.row_count, slot.account_id, slot.slot_no)
        - slot.row_count as before_count
    from slot
    left join saldo_private.account_slot as o
      on o.account_id = slot.account_id and o.slot_no = slot.slot_no
    cross join lateral (
      select count(*) as row_count,
        coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
        coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit
      from saldo.sub_balance as s
      where s.account_id = slot.account_id
      and s.slot_no = slot.slot_no
      and s.seq > slot.seq
      and s.seq <= saldo_private.highest_seq()
    ) as pending
    where (o.account_id is null and (
      -- One that was taken away from others has nothing pending; where all are gone, nobody knows.
      pending.row_count = 0
      or not exists (
        select
        from saldo_private.account_slot as each
        where each.account_id = slot.account_id
      )
    ))
    or accepted_account_id is not null
    or (o.seq, o.debit_total, o.credit_total) = (slot.seq + pending.row_count,
      slot.debit_total + pending.debit, slot.credit_total + pending.credit)
  )
  select a.account_id, a.slot_no, a.last_seq,
    least(a.row_count, row_limit - a.before_count)::bigint
  from agreeing as a
  where a.before_count < row_limit
$$;
comment on function saldo_private.seal_stretches__slots is
  'Slots with rows that are not sealed, uncontested, and as many and as large as the slot itself '
  'has counted; each with how many of its rows make up row_limit, slots with few rows first. Of an '
  'account whose rows an administrator accepts its slots are not asked.';

create or replace function saldo_private.seal_stretches(
  row_limit integer,
  accepted_account_id bigint default null,
  reason text default null
)
returns bigint
language plpgsql
-- A job that keeps its connection: a plan from when there were few rows would read all there are.
set plan_cache_mode = force_custom_plan
as $$
declare
  v_number bigint := (select p.head_number + 1 from saldo_private.row_seal_progress as p);
  v_row_count bigint;
begin
  with piece as (
    select w.account_id, w.slot_no, min(w.seq) as first_seq, max(w.seq) as last_seq,
      coalesce(sum(w.amount) filter (where w.direction = 'debit'), 0) as debit,
      coalesce(sum(w.amount) filter (where w.direction = 'credit'), 0) as credit,
      sha256(convert_to(string_agg(w.text, '' order by w.seq), 'UTF8')) as hash
    from (
      select s.account_id, s.slot_no, s.seq, s.amount, s.direction,
        saldo_private.sub_balance_text(s) as text, s.seq - slot.sealed_seq as place,
        row_number() over (partition by s.account_id, s.slot_no order by s.seq) as found_place
      from saldo_private.seal_stretches__slots(row_limit, accepted_account_id) as slot
      join saldo.sub_balance as s on s.account_id = slot.account_id
        and s.slot_no = slot.slot_no
        and s.seq > slot.sealed_seq
        and s.seq <= slot.sealed_seq + slot.row_share
    ) as w
    -- Beyond a gap nothing is sealed: a rule reports it.
    where w.place = w.found_place
    group by w.account_id, w.slot_no, (w.place - 1) / 1000
  )
  insert into saldo_private.sealed_stretch (
    account_id, slot_no, last_seq, seal_number, first_seq, debit, credit, hash
  )
  select p.account_id, p.slot_no, p.last_seq, v_number, p.first_seq, p.debit, p.credit, p.hash
  from piece as p;
  if found then
    select sum(t.last_seq - t.first_seq + 1)
    into v_row_count
    from saldo_private.sealed_stretch as t
    where t.seal_number = v_number;
    perform saldo_private.make_row_seal(
      'sub_balance', v_row_count, saldo_private.sealed_stretches_hash(v_number), reason
    );
  end if;
  return coalesce(v_row_count, 0);
end
$$;
comment on function saldo_private.seal_stretches is
  'Seals up to row_limit rows of hot accounts that are not sealed yet, for a caller that has '
  'locked the chain. How many.';

create or replace function saldo_private.sealed_stretches_hash(seal_number bigint)
returns bytea
language sql
stable
as $$
  select sha256(convert_to(string_agg(
    jsonb_build_array(t.account_id, t.slot_no, t.first_seq, t.last_seq, trim_scale(t.debit),
      trim_scale(t.credit), encode(t.hash, 'hex'))::text || E'\n',
    '' order by t.account_id, t.slot_no, t.last_seq
  ), 'UTF8'))
  from saldo_private.sealed_stretch as t
  where t.seal_number = sealed_stretches_hash.seal_number
$$;
comment on function saldo_private.sealed_stretches_hash is
  'SHA-256 over the stretches of a seal; whether their rows were pruned since makes no difference.';

create or replace function saldo_private.stretch_difference(
  account_id bigint default null,
  slot_no integer default null,
  beyond_seq bigint default null,
  from_seal bigint default null
)
returns table (
  account_id bigint,
  slot_no integer,
  first_seq bigint,
  last_seq bigint,
  seal_number bigint,
  debit numeric,
  credit numeric,
  found_count bigint,
  found_debit numeric,
  found_credit numeric,
  found_hash bytea
)
language sql
stable
as $$
  select t.account_id, t.slot_no, t.first_seq, t.last_seq, t.seal_number, t.debit, t.credit,
    r.row_count, r.debit, r.credit, r.hash
  from saldo_private.sealed_stretch as t
  cross join lateral (
    select count(*) as row_count,
      coalesce(sum(s.amount) filter (where s.direction = 'debit'), 0) as debit,
      coalesce(sum(s.amount) filter (where s.direction = 'credit'), 0) as credit,
      sha256(convert_to(
        string_agg(saldo_private.sub_balance_text(s), '' order by s.seq), 'UTF8'
      )) as hash
    from saldo.sub_balance as s
    where s.account_id = t.account_id
    and s.slot_no = t.slot_no
    and s.seq between t.first_seq and t.last_seq
  ) as r
  where (stretch_difference.account_id is null or t.account_id = stretch_difference.account_id)
  and (stretch_difference.slot_no is null or t.slot_no = stretch_difference.slot_no)
  and (beyond_seq is null or t.last_seq > beyond_seq)
  and (from_seal is null or t.seal_number >= from_seal)
  and t.pruned_at is null
  and r.hash is distinct from t.hash
  and not exists (
    select
    from saldo_private.sealed_stretch as later
    where later.account_id = t.account_id
    and later.slot_no = t.slot_no
    and later.last_seq = t.last_seq
    and later.seal_number > t.seal_number
  )
$$;
comment on function saldo_private.stretch_difference is
  'Stretches whose rows are not those that were sealed, with what was sealed and what is there: of '
  'all accounts or one, of one slot, of numbers beyond one, from a seal on. Those whose rows were '
  'pruned are none.';

create or replace function saldo_private.is_slot_unproven(
  account_id bigint,
  slot_no integer,
  seq bigint
)
returns boolean
language plpgsql
stable
as $$
begin
  if exists (
    select
    from saldo_private.contested_row as c
    where c.account_id = is_slot_unproven.account_id
    and c.source = 'sub_balance'
    and c.slot_no in (0, is_slot_unproven.slot_no)
  ) then
    return true;
  end if;
  -- Mostly rows are settled before they are sealed: then there is nothing to compare.
  return exists (
    select
    from saldo_private.stretch_difference(
      is_slot_unproven.account_id, is_slot_unproven.slot_no, is_slot_unproven.seq
    )
  );
end
$$;
comment on function saldo_private.is_slot_unproven is
  'Whether rows of a slot beyond a number are contested, or not those that were sealed.';

create or replace function saldo_private.prune_stretches(
  account_id bigint,
  slot_no integer,
  through_seq bigint
)
returns bigint
language sql
as $$
  with stretch as materialized (
    select t.last_seq, t.seal_number
    from saldo_private.sealed_stretch as t
    where t.account_id = prune_stretches.account_id
    and t.slot_no = prune_stretches.slot_no
    -- Each by itself: without a number, or without a mark, none may go.
    and t.last_seq <= through_seq
    and t.last_seq <= saldo_private.mark_of(account_id, slot_no)
    and t.pruned_at is null
    -- Nothing beyond a stretch that is in question.
    and t.last_seq < coalesce((
      select min(d.last_seq)
      from saldo_private.stretch_difference(
        prune_stretches.account_id, prune_stretches.slot_no
      ) as d
      where d.last_seq <= through_seq
    ), t.last_seq + 1)
    and not exists (
      select
      from saldo_private.contested_row as c
      where c.account_id = prune_stretches.account_id
      and c.source = 'sub_balance'
      and c.slot_no in (0, prune_stretches.slot_no)
    )
  ),
  marked as (
    update saldo_private.sealed_stretch as t
    set pruned_at = clock_timestamp()
    from stretch as s
    where t.account_id = prune_stretches.account_id
    and t.slot_no = prune_stretches.slot_no
    and t.last_seq = s.last_seq
    and t.seal_number = s.seal_number
  )
  select max(s.last_seq)
  from stretch as s
$$;
comment on function saldo_private.prune_stretches is
  'Marks the stretches of a slot as pruned that are settled, whole up to through_seq, and as they '
  'were sealed. Returns the number up to which the caller deletes the rows of the slot in the same '
  'transaction; null = none may go, as where through_seq is null. Hash, count and sums of the '
  'stretches stay, and their missing rows are no finding.';

select saldo_private.secure_table('saldo_private.sealed_stretch');

comment on table saldo_private.sealed_stretch is
  'Rows of a slot that were sealed together: their numbers, sums and hash.';
comment on column saldo_private.sealed_stretch.account_id is 'Hot account of the rows.';
comment on column saldo_private.sealed_stretch.slot_no is 'Slot of the rows.';
comment on column saldo_private.sealed_stretch.last_seq is 'Number of the last row.';
comment on column saldo_private.sealed_stretch.seal_number is 'Seal that covers the stretch.';
comment on column saldo_private.sealed_stretch.first_seq is 'Number of the first row.';
comment on column saldo_private.sealed_stretch.debit is 'Sum of the debits of these rows.';
comment on column saldo_private.sealed_stretch.credit is 'Sum of the credits of these rows.';
comment on column saldo_private.sealed_stretch.hash is
  'SHA-256 over the texts of the rows in the order of their numbers.';
comment on column saldo_private.sealed_stretch.pruned_at is
  'When its rows were pruned; null = they are there.';
