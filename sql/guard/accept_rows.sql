-- Accepting rows: a human has looked, and takes rows of an account for right as they are now.
--
-- Public: accept_rows. Private: accept_rows__stretches, accept_rows__records.
-- What differs is sealed once more with the reason, and counts as sealed last from then on; what it
-- was before stays in the chain.

create or replace function saldo_private.accept_rows__stretches(account_id bigint, reason text)
returns bigint
language plpgsql
as $$
declare
  v_number bigint := (select p.head_number + 1 from saldo_private.row_seal_progress as p);
  v_count bigint;
begin
  insert into saldo_private.sealed_stretch (
    account_id, slot_no, last_seq, seal_number, first_seq, debit, credit, hash
  )
  select d.account_id, d.slot_no, d.last_seq, v_number, d.first_seq, d.found_debit, d.found_credit,
    d.found_hash
  from saldo_private.stretch_difference(accept_rows__stretches.account_id) as d;
  get diagnostics v_count = row_count;
  if v_count > 0 then
    perform saldo_private.make_row_seal(
      'sub_balance', v_count, saldo_private.sealed_stretches_hash(v_number), reason
    );
  end if;
  return v_count + saldo_private.seal_stretches(1000000, accept_rows__stretches.account_id, reason);
end
$$;
comment on function saldo_private.accept_rows__stretches is
  'Seals the rows of a hot account as they are.';

create or replace function saldo_private.accept_rows__records(
  account_id bigint,
  contested_sources text[],
  reason text
)
returns bigint
language plpgsql
as $$
declare
  v_number bigint := (select p.head_number + 1 from saldo_private.row_seal_progress as p);
  v_count bigint;
begin
  insert into saldo_private.sealed_record (
    source, owner_id, id, seal_number, account_id, changed_in, hash
  )
  select d.source, d.owner_id, d.id, v_number, coalesce(r.account_id, d.account_id), r.changed_in,
    case when r.id is not null then sha256(convert_to(r.text, 'UTF8')) end
  from (
    select each.source, each.owner_id, each.id, each.account_id
    from saldo_private.record_difference(array[accept_rows__records.account_id]) as each
    union
    select each.source, each.owner_id, each.id, each.account_id
    from saldo_private.unsealed_record() as each
    where each.account_id = accept_rows__records.account_id
    union
    -- The sealer passes these over, so that they say still that they are to be sealed.
    select each.source, each.owner_id, each.id, each.account_id
    from saldo_private.sealed_source as each
    where each.account_id = accept_rows__records.account_id
    and each.source = any (contested_sources)
    and each.changed_in is distinct from (
      select s.changed_in
      from saldo_private.sealed_record as s
      where s.source = each.source
      and s.owner_id = each.owner_id
      and s.id = each.id
      order by s.seal_number desc
      limit 1
    )
  ) as d
  left join saldo_private.sealed_source as r on r.source = d.source
    and r.owner_id = d.owner_id
    and r.id = d.id;
  get diagnostics v_count = row_count;
  if v_count > 0 then
    perform saldo_private.make_row_seal(
      'record', v_count, saldo_private.sealed_records_hash(v_number), reason
    );
  end if;
  return v_count;
end
$$;
comment on function saldo_private.accept_rows__records is
  'Seals the records of an account as they are, those that are gone as gone.';

create or replace function saldo.accept_rows(account_id bigint, reason text)
returns bigint
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(accept_rows.reason, 'reason');
  v_contested_count bigint;
  v_contested_sources text[];
  v_count bigint;
begin
  if account_id is distinct from 0 and not exists (
    select from saldo.account as a where a.id = accept_rows.account_id
  ) then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  end if;
  perform saldo_private.lock_row_seals();
  with gone as (
    delete from saldo_private.contested_row as c
    where c.account_id = accept_rows.account_id
    returning c.source
  )
  select count(*), array_agg(g.source)
  into v_contested_count, v_contested_sources
  from gone as g;
  v_count := saldo_private.accept_rows__stretches(accept_rows.account_id, v_reason);
  v_count := v_count + saldo_private.accept_rows__records(
    accept_rows.account_id, v_contested_sources, v_reason
  );
  if v_contested_count + v_count = 0 then
    perform saldo_private.fail('not_found', 'all rows are as the engine wrote them');
  end if;
  if exists (
    select from saldo_private.account_slot as s where s.account_id = accept_rows.account_id
  ) then
    perform saldo_private.rebuild_slots(accept_rows.account_id, is_forced => true);
  end if;
  perform saldo_private.require_durable_commit();
  return v_contested_count + v_count;
end
$$;
comment on function saldo.accept_rows is
  'Takes rows and records of an account for right as they are now, although they were written past '
  'the engine or are not what was sealed: they are sealed again with the reason, heals and '
  'settlement go by them, and slots follow. account_id: 0 = those of no account, such as stock '
  'that nobody has bought. Returns how many places it was. Restore them first where they are '
  'wrong. Errors in checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB101 account_not_found, SB020 isolation_unsupported, SB007 not_found when nothing is in '
  'question, SB015 conflict_retry, SB207 prepared_transaction_open, SB121 account_frozen of a hot '
  'account whose slots are there.';
revoke execute on function saldo.accept_rows from public;
grant execute on function saldo.accept_rows to saldo_admin;
