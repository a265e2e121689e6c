-- Decisions: a person says what becomes of rows in quarantine, and of conflicts.
--
-- Public: accept_quarantined, refuse_quarantined, resolve_conflict. Private: lock_branch_rows,
-- accept_branch_rows, refuse_branch_rows.
-- The branch hears of it by a new number of the verdict. What was accepted or refused stays so;
-- an accepted row is taken back by a void from the till, or by reverse_entry.
-- Locks: the branches in the order of their ids, then as a posting.

create or replace function saldo_private.lock_branch_rows(
  intake_ids bigint[],
  expected saldo.branch_verdict
)
returns void
language plpgsql
as $$
declare
  v_id bigint;
  v_verdict saldo.branch_verdict;
begin
  if (cardinality(intake_ids) between 1 and 1000) is not true then
    perform saldo_private.fail('input_invalid', 'intake_ids: 1 to 1,000 ids');
  end if;
  perform saldo_private.lock_branch(b.branch_id)
  from (
    select distinct i.branch_id
    from saldo.branch_intake as i
    where i.id = any (intake_ids)
    order by i.branch_id
    offset 0
  ) as b;
  select given.id, i.verdict
  into v_id, v_verdict
  from unnest(intake_ids) as given (id)
  left join saldo.branch_intake as i on i.id = given.id
  where i.verdict is distinct from lock_branch_rows.expected
  order by given.id
  limit 1;
  if not found then
    return;
  elsif v_verdict is null then
    perform saldo_private.fail('intake_not_found', format('row %s', v_id));
  end if;
  perform saldo_private.fail('intake_state', format('row %s: %s', v_id, v_verdict));
end
$$;
comment on function saldo_private.lock_branch_rows is
  'Locks the branches of these rows, all of which have to have a verdict. Errors in checking '
  'order: SB010 input_invalid, SB020 isolation_unsupported, '
  'SB514 intake_not_found, SB512 intake_state.';

create or replace function saldo_private.accept_branch_rows__check(intake_ids bigint[])
returns void
language plpgsql
stable
as $$
declare
  v_id bigint;
  v_is_readable boolean;
begin
  select i.id, i.kind is not null
  into v_id, v_is_readable
  from saldo.branch_intake as i
  where i.id = any (intake_ids)
  and (i.kind is null or exists (
    select
    from saldo.branch_intake as o
    where o.branch_id = i.branch_id
    and o.row_id = i.row_id
    and o.id <> i.id
    and o.content_hash = i.content_hash
    and o.verdict = 'accepted'
  ))
  order by i.id
  limit 1;
  if found then
    perform saldo_private.fail('intake_state', format(
      case when v_is_readable then 'row %s: the same fact is accepted already'
        else 'row %s cannot be read: refuse it, and let the branch correct it' end, v_id
    ));
  end if;
end
$$;
comment on function saldo_private.accept_branch_rows__check is
  'Refuses rows that nobody can accept: SB512 intake_state.';

create or replace function saldo_private.accept_branch_rows(
  intake_ids bigint[],
  note text,
  is_dated_now boolean
)
returns setof saldo.branch_intake
language plpgsql
as $$
declare
  v_void saldo.branch_intake;
begin
  perform saldo_private.accept_branch_rows__check(intake_ids);
  update saldo.branch_intake as i
  set decided_at = clock_timestamp(),
    decided_by = saldo_private.actor(),
    decision_note = note,
    verdict_no = saldo_private.next_verdict_no(i.device_id),
    verdict = case when i.kind = 'void' then 'quarantined' else 'accepted' end
      ::saldo.branch_verdict,
    verdict_reason = case when i.kind = 'void' then 'void_waits' end,
    entry_id = case when i.kind = 'entry' then saldo_private.uuid_v7() end,
    posting_rule_id = p.rule_id,
    account_id = p.account_id,
    is_suspense = i.kind = 'entry' and p.rule_id is null
  from (
    select r.id, rule.id as rule_id,
      case when r.kind = 'entry' then coalesce(rule.account_id, b.suspense_account_id) end
        as account_id
    from saldo.branch_intake as r
    join saldo.branch as b on b.id = r.branch_id
    left join lateral saldo_private.posting_rule_of(
      b.id, b.currency, r.flow, r.category, r.business_date
    ) as rule on r.kind = 'entry'
    where r.id = any (intake_ids)
  ) as p
  where i.id = p.id;
  perform saldo_private.post_branch_rows(array(
    select i.id
    from saldo.branch_intake as i
    where i.id = any (intake_ids)
    and i.kind = 'entry'
  ), is_dated_now);

  for v_void in
    select *
    from saldo.branch_intake as i
    where i.id = any (intake_ids)
    and i.kind = 'void'
    order by i.id
  loop
    perform saldo_private.settle_void(v_void.id);
    select *
    into strict v_void
    from saldo.branch_intake as i
    where i.id = v_void.id;
    if v_void.verdict <> 'accepted' then
      perform saldo_private.fail(
        'intake_state', format('row %s: %s', v_void.id, v_void.verdict_reason)
      );
    end if;
  end loop;
  return query
  select i.*
  from saldo.branch_intake as i
  where i.id = any (intake_ids)
  order by i.id;
end
$$;
comment on function saldo_private.accept_branch_rows is
  'Accepts rows, all or none, and posts them. Errors: SB512 intake_state for a row that cannot be '
  'read, a fact that is accepted already, or a void that cannot be carried out, and those of a '
  'posting.';

create or replace function saldo_private.refuse_branch_rows(intake_ids bigint[], note text)
returns setof saldo.branch_intake
language plpgsql
as $$
begin
  return query
  update saldo.branch_intake as i
  set decided_at = clock_timestamp(),
    decided_by = saldo_private.actor(),
    decision_note = note,
    verdict = 'refused',
    verdict_reason = note,
    verdict_no = saldo_private.next_verdict_no(i.device_id)
  where i.id = any (intake_ids)
  returning i.*;
end
$$;
comment on function saldo_private.refuse_branch_rows is 'Refuses rows; the branch reads the note.';

create or replace function saldo.accept_quarantined(
  intake_ids bigint[],
  note text,
  is_dated_now boolean default false
)
returns setof saldo.branch_intake
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_note text := saldo_private.require_text(accept_quarantined.note, 'note');
begin
  perform saldo_private.lock_branch_rows(intake_ids, 'quarantined');
  return query
  select i.*
  from saldo_private.accept_branch_rows(
    intake_ids, v_note, coalesce(is_dated_now, false)
  ) as i;
end
$$;
comment on function saldo.accept_quarantined is
  'Accepts rows in quarantine, up to 1,000, all or none: they are posted by the rules that there '
  'are now, or to suspense. is_dated_now: posted on the day of now, for rows about a locked month. '
  'Errors in checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB020 isolation_unsupported, SB514 intake_not_found, '
  'SB512 intake_state for a row that is not in quarantine, cannot be read, is accepted already, '
  'or is a void that cannot be carried out, SB106 entry_not_reversible, SB007 not_found, and '
  'those of a posting.';
revoke execute on function saldo.accept_quarantined from public;
grant execute on function saldo.accept_quarantined to saldo_admin;

create or replace function saldo.refuse_quarantined(intake_ids bigint[], note text)
returns setof saldo.branch_intake
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_note text := saldo_private.require_text(refuse_quarantined.note, 'note');
begin
  perform saldo_private.lock_branch_rows(intake_ids, 'quarantined');
  return query
  select i.*
  from saldo_private.refuse_branch_rows(intake_ids, v_note) as i;
end
$$;
comment on function saldo.refuse_quarantined is
  'Refuses rows in quarantine for good, up to 1,000; the till shows the note, and corrects by new '
  'rows. Errors in checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB020 isolation_unsupported, SB514 intake_not_found, '
  'SB512 intake_state.';
revoke execute on function saldo.refuse_quarantined from public;
grant execute on function saldo.refuse_quarantined to saldo_admin;

create or replace function saldo.resolve_conflict(
  intake_id bigint,
  is_accepted boolean,
  note text
)
returns saldo.branch_intake
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_note text := saldo_private.require_text(resolve_conflict.note, 'note');
  v_row saldo.branch_intake;
begin
  if is_accepted is null then
    perform saldo_private.fail('input_invalid', 'is_accepted: true or false');
  end if;
  perform saldo_private.lock_branch_rows(array[intake_id], 'conflict');
  if is_accepted then
    select i.*
    into v_row
    from saldo_private.accept_branch_rows(array[intake_id], v_note, false) as i;
  else
    select i.*
    into v_row
    from saldo_private.refuse_branch_rows(array[intake_id], v_note) as i;
  end if;
  return v_row;
end
$$;
comment on function saldo.resolve_conflict is
  'Says of a row whose id or place is another row''s whether it is a fact of its own, which is '
  'posted beside the other one, or is refused. Neither row is changed otherwise. Errors in '
  'checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB020 isolation_unsupported, SB514 intake_not_found, '
  'SB512 intake_state, SB106 entry_not_reversible, SB007 not_found, and those of a posting.';
revoke execute on function saldo.resolve_conflict from public;
grant execute on function saldo.resolve_conflict to saldo_admin;
