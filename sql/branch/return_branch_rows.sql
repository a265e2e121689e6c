-- Returning rows: a till whose store came back from a copy is given what it had sent after it.
--
-- Private: return_branch_rows. It stands in no API but src/http/branch_sync.ts; body and answer are
-- in docs/reference/branch-protocol.md.
-- Rows of epochs only that the device has left, and of these only what came before it left them: a
-- row that came later is of another program on the same store, and no history of this one.

create or replace function saldo_private.return_branch_rows__check(body jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_fault text;
begin
  v_fault := case
    when body -> 'protocol' is distinct from '1' then 'protocol'
    when jsonb_typeof(body -> 'have') is distinct from 'array' then 'have'
    when exists (
      select
      from jsonb_array_elements(body -> 'have') as h (epoch)
      where (saldo_private.is_row_uuid(h.epoch -> 'epoch')
        and h.epoch ->> 'seq' ~ '^\d{1,15}$') is not true
    ) then 'have'
  end;
  if v_fault is not null then
    perform saldo_private.fail('push_invalid', v_fault);
  end if;
end
$$;
comment on function saldo_private.return_branch_rows__check is 'Error: SB507 push_invalid.';

create or replace function saldo_private.return_branch_rows__find(device_id uuid, have jsonb)
returns table (place bigint, epoch_id bigint, item jsonb)
language sql
stable
as $$
  select row_number() over (order by e.epoch_no, e.id, i.seq), e.id,
    jsonb_build_object(
      'epoch', e.epoch,
      'row', saldo_private.row_as_sent(i),
      'verdict', saldo_private.verdict_json(i.row_id, i.seq, i.verdict, i.verdict_reason,
        i.entry_id, j.posting_date, i.verdict_no)
    )
  from saldo.branch_epoch as e
  left join lateral (
    select max((h.epoch ->> 'seq')::bigint) as seq
    from jsonb_array_elements(have) as h (epoch)
    where h.epoch ->> 'epoch' = e.epoch::text
  ) as known on true
  -- No more of each epoch than an answer can hold: a store that has nothing asks for all of it.
  cross join lateral (
    select each.id
    from saldo.branch_intake as each
    where each.epoch_id = e.id
    and each.has_place
    and each.seq > coalesce(known.seq, 0)
    and each.kind is not null
    and (each.first_reason in (
      'hash_mismatch', 'epoch_superseded', 'device_forked', 'device_closed'
    )) is not true
    order by each.seq
    limit 257
  ) as next
  join saldo.branch_intake as i on i.id = next.id
  left join saldo.journal_entry as j on j.id = i.entry_id
  where e.device_id = return_branch_rows__find.device_id
  and e.ends_at_seq is not null
  order by e.epoch_no, e.id, i.seq
  limit 257
$$;
comment on function saldo_private.return_branch_rows__find is
  'The first 257 rows of epochs that a device has left, after those that it has.';

create or replace function saldo_private.return_branch_rows(
  key_id text,
  secret_hash bytea,
  body jsonb
)
returns jsonb
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_device saldo.branch_device := saldo_private.use_branch_key(key_id, secret_hash);
begin
  perform saldo_private.return_branch_rows__check(body);
  return (
    with found as materialized (
      select f.place, f.epoch_id, f.item
      from saldo_private.return_branch_rows__find(v_device.id, body -> 'have') as f
    )
    select jsonb_build_object(
      'epochs', coalesce((
        select jsonb_agg(jsonb_build_object(
          'epoch', e.epoch,
          'epoch_no', e.epoch_no,
          'previous', case when e.previous_epoch is not null then jsonb_build_object(
            'epoch', e.previous_epoch, 'seq', e.previous_seq, 'hash', e.previous_hash
          ) end
        ) order by e.epoch_no, e.id)
        from saldo.branch_epoch as e
        where e.id in (select f.epoch_id from found as f)
      ), '[]'),
      'rows', coalesce((
        select jsonb_agg(f.item order by f.place)
        from found as f
        where f.place <= 256
      ), '[]'),
      'more', (select count(*) > 256 from found)
    )
  );
end
$$;
comment on function saldo_private.return_branch_rows is
  'Rows that the device of a key sent in epochs that it has left, with their verdicts, 256 at '
  'most. Errors in checking order: SB020 isolation_unsupported, '
  'SB504 branch_key_invalid, SB507 push_invalid.';
grant execute on function saldo_private.return_branch_rows to saldo_branch;
