-- month_movement: the rule that derives it again, and the heal.
--
-- Private: rule_month_movement, heal_month_movement. The trigger is in posting.sql.

create or replace function saldo_private.rule_month_movement(account_ids bigint[] default null)
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select format('%s %s', account_id, month), account_id,
    format('debit %s, credit %s, lines %s', m.debit, m.credit, coalesce(m.line_count, 0)),
    format('debit %s, credit %s, lines %s', j.debit, j.credit, coalesce(j.line_count, 0)),
    trim_scale(coalesce(m.debit - m.credit, 0) - coalesce(j.debit - j.credit, 0)),
    jsonb_build_object('month', month)
  from (
    select p.account_id, p.month, sum(p.debit) as debit, sum(p.credit) as credit,
      sum(p.line_count) as line_count
    from saldo_private.posted_movement as p
    where account_ids is null
    or p.account_id = any (account_ids)
    group by p.account_id, p.month
  ) as m
  full join (
    select l.account_id, saldo_private.month_of(l.posting_date) as month,
      sum(l.debit) as debit, sum(l.credit) as credit, count(*) as line_count
    from saldo.journal_line as l
    where account_ids is null
    or l.account_id = any (account_ids)
    group by 1, 2
  ) as j using (account_id, month)
  where (m.debit, m.credit, m.line_count)
    is distinct from (j.debit, j.credit, j.line_count::numeric)
$$;
comment on function saldo_private.rule_month_movement is
  'Months whose movement is not the sum of their journal lines, missing and superfluous ones '
  'included. difference: net debit stored less derived.';

create or replace function saldo_private.heal_month_movement(key text)
returns table (before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_account_id bigint := split_part(key, ' ', 1)::bigint;
  v_month date := split_part(key, ' ', 2)::date;
  v_before jsonb;
  v_after jsonb;
begin
  -- Postings lock the account before they touch its months.
  perform
  from saldo.account
  where id = v_account_id
  for no key update;

  select jsonb_build_object('debit', debit, 'credit', credit, 'line_count', line_count)
  into v_before
  from saldo.month_movement
  where account_id = v_account_id
  and month = v_month;
  -- Less what waits in stripes: nobody can fold it while the account is locked.
  select jsonb_build_object(
    'debit', sum(part.debit), 'credit', sum(part.credit), 'line_count', sum(part.line_count)
  )
  into v_after
  from (
    select debit, credit, 1 as line_count
    from saldo.journal_line
    where account_id = v_account_id
    and posting_date >= v_month
    and posting_date < (v_month + interval '1 month')::date
    union all
    select -debit, -credit, -line_count
    from saldo_private.account_stripe
    where account_id = v_account_id
    and month = v_month
  ) as part
  having sum(part.line_count) > 0;
  if v_before is not distinct from v_after then
    return;
  end if;

  delete from saldo.month_movement
  where account_id = v_account_id
  and month = v_month;
  if v_after is not null then
    insert into saldo.month_movement (account_id, month, debit, credit, line_count)
    values (
      v_account_id, v_month, (v_after ->> 'debit')::numeric, (v_after ->> 'credit')::numeric,
      (v_after ->> 'line_count')::bigint
    );
  end if;
  return query
  select v_before, v_after;
end
$$;
comment on function saldo_private.heal_month_movement is
  'Sets a month''s movement to the sums of its lines, under the account''s lock; no row when they '
  'agree already.';
