-- Reposting: rows that waited in suspense for a rule go where the rule says.
--
-- Public: repost_suspense.
-- By new entries from the suspense account, dated as the rows; what was posted stays as it is.
-- Locks: the branches in the order of their ids, then as a posting.

create or replace function saldo_private.repost_suspense__move(branch_id bigint)
returns bigint[]
language plpgsql
as $$
declare
  v_ids bigint[];
begin
  with due as (
    select i.id, rule.id as rule_id, rule.account_id
    from saldo.branch_intake as i
    join saldo.branch as b on b.id = i.branch_id
    cross join lateral saldo_private.posting_rule_of(
      b.id, b.currency, i.flow, i.category, i.business_date
    ) as rule
    where i.branch_id = repost_suspense__move.branch_id
    and i.is_suspense
    order by i.id
    limit 10000
  ),
  moved as (
    update saldo.branch_intake as i
    set posting_rule_id = due.rule_id,
      account_id = due.account_id,
      is_suspense = false,
      repost_entry_id = saldo_private.uuid_v7()
    from due
    where i.id = due.id
    returning i.id
  )
  select coalesce(array_agg(m.id order by m.id), '{}')
  into v_ids
  from moved as m;
  return v_ids;
end
$$;
comment on function saldo_private.repost_suspense__move is
  'Marks the rows of a branch that there is a rule for now, 10,000 at most.';

create or replace function saldo_private.repost_suspense__post(intake_ids bigint[])
returns void
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
  v_days saldo_private.dated_day[] := saldo_private.posting_days_of(array(
    select distinct e.occurred_at
    from saldo.branch_intake as i
    join saldo.journal_entry as e on e.id = i.entry_id
    where i.id = any (intake_ids)
  ));
begin
  perform saldo_private.leave_moves_to_trigger();
  with due as materialized (
    select i.id, i.repost_entry_id, i.flow, i.amount, i.account_id, b.suspense_account_id,
      day.occurred_at, day.posting_date, e.description, e.metadata,
      saldo_private.origin_month(
        (day.posting_date, day.origin_month)::saldo_private.posting_day, e.origin_month
      ) as origin_month
    from saldo.branch_intake as i
    join saldo.branch as b on b.id = i.branch_id
    join saldo.journal_entry as e on e.id = i.entry_id
    join unnest(v_days) as day on day.occurred_at = e.occurred_at
    where i.id = any (intake_ids)
  ),
  entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, origin_month, description, source, metadata, line_count,
      posted_at, posted_by, posted_in
    )
    select d.repost_entry_id, d.occurred_at, d.posting_date, d.origin_month, d.description,
      'branch', d.metadata, 2, clock_timestamp(), v_actor, pg_current_xact_id()
    from due as d
    order by d.id
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select side.account_id, d.posting_date, d.repost_entry_id, side.line_no, side.debit, side.credit
  from due as d
  cross join lateral (
    values
      (1, case d.flow when 'IN' then d.suspense_account_id else d.account_id end, d.amount, 0),
      (2, case d.flow when 'IN' then d.account_id else d.suspense_account_id end, 0, d.amount)
  ) as side (line_no, account_id, debit, credit);
end
$$;
comment on function saldo_private.repost_suspense__post is
  'Posts the moves out of suspense, all or none. Errors: those of a posting.';

create or replace function saldo.repost_suspense(branch_id bigint default null)
returns setof saldo.branch_suspense_move
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_branch_id bigint;
  v_ids bigint[];
begin
  if repost_suspense.branch_id is not null then
    perform saldo_private.require_branch(repost_suspense.branch_id);
  end if;
  for v_branch_id in
    select b.id
    from saldo.branch as b
    where b.id = coalesce(repost_suspense.branch_id, b.id)
    order by b.id
  loop
    perform saldo_private.lock_branch(v_branch_id);
    v_ids := saldo_private.repost_suspense__move(v_branch_id);
    perform saldo_private.repost_suspense__post(v_ids)
    where v_ids <> '{}';
    return query
    select i.branch_id, i.flow, i.category, i.account_id, count(*), sum(i.amount)::numeric
    from saldo.branch_intake as i
    where i.id = any (v_ids)
    group by i.branch_id, i.flow, i.category, i.account_id
    order by i.flow, i.category, i.account_id;
  end loop;
end
$$;
comment on function saldo.repost_suspense is
  'Moves rows that wait in suspense to the accounts of the rules that there are now, by new '
  'entries dated as the rows; 10,000 rows of a branch at a time, so it is called until nothing '
  'comes back. branch_id: null = all branches. Errors in checking order: SB501 branch_not_found, '
  'SB020 isolation_unsupported, and those of a posting.';
revoke execute on function saldo.repost_suspense from public;
grant execute on function saldo.repost_suspense to saldo_admin;

comment on type saldo.branch_suspense_move is 'What was moved out of suspense.';
comment on column saldo.branch_suspense_move.branch_id is 'Branch.';
comment on column saldo.branch_suspense_move.flow is 'Direction of the cash.';
comment on column saldo.branch_suspense_move.category is 'Category of the rows.';
comment on column saldo.branch_suspense_move.account_id is 'Account that they were moved to.';
comment on column saldo.branch_suspense_move.row_count is 'How many rows.';
comment on column saldo.branch_suspense_move.amount is 'Their sum, in units of the currency.';
