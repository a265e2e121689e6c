-- What rows of tills show by themselves: which of row, entry and told head stands alone.
--
-- Private: causes_of_shapes__branch.

create or replace function saldo_private.causes_of_shapes__branch(check_run_id uuid)
returns setof saldo_private.possible_cause
language sql
stable
as $$
  select f.id, 9, x.cause, 'likely'::saldo.explanation_confidence, x.words,
    jsonb_strip_nulls(jsonb_build_object('intake_id', f.detail -> 'intake_id',
      'device_id', f.detail -> 'device_id'))
  from (
    select each.*, saldo_private.has_finding(
        each.check_run_id, array['account_balance'], each.account_id
      ) as is_account_wrong
    from saldo_private.unexplained_findings(causes_of_shapes__branch.check_run_id) as each
    where each.rule ~ '^branch_'
  ) as f
  cross join lateral (
    select case
        when f.is_account_wrong then 'journal_changed'
        when f.stored = 'no entry' then 'missing_item'
        when f.derived = 'no row' then 'unrecorded_item'
        else 'record_changed' end as cause,
      case
        when f.is_account_wrong then 'The entry was changed: the row of the till is as it came.'
        when f.stored = 'no entry'
        then 'The row names an entry that is not there: the row or the journal was changed.'
        when f.derived = 'no row'
        then 'An entry of tills stands without its row: the row is gone, or was changed.'
        else 'The row was changed: journal and balance agree against it.' end as words
    where f.rule in ('branch_entry', 'branch_cash')
    union all
    select 'record_changed',
      'A row of the till is gone or was changed here, or the head that it told was.'
    where f.rule = 'branch_totals'
    union all
    select 'record_changed',
      format('The %s does not fit: the row was changed, at the till or here.', f.detail ->> 'fault')
    where f.rule = 'branch_chain'
    union all
    select 'work_stopped', format('The till has told of %s and has not sent them.', f.derived)
    where f.rule = 'branch_gap'
  ) as x
$$;
comment on function saldo_private.causes_of_shapes__branch is
  'Rows of tills, their entries and told heads of which one stands alone, and rows that do not '
  'come.';
