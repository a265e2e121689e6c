-- Freezing the accounts whose rows are not as the engine wrote them.
--
-- Private: unproven_accounts, freeze_unproven.
-- As for a changed journal: a human decides, and whoever unfreezes an account with the same rows in
-- question is not overruled. Heals do it, and so does each scheduled check: money that is in
-- question is not to be spent until the night.

create or replace function saldo_private.unproven_accounts(check_run_id uuid)
returns table (account_id bigint, evidence jsonb)
language sql
stable
as $$
  select c.account_id, c.evidence
  from (
    select f.account_id,
      jsonb_build_object('finding_id', (array_agg(f.id order by f.key))[1], 'rows',
        jsonb_agg(f.key order by f.key)) as evidence
    from saldo.finding as f
    join saldo.account as a on a.id = f.account_id
    where f.check_run_id = unproven_accounts.check_run_id
    and f.rule = 'row_seal'
    and f.detail ->> 'source' <> 'stock_item' -- that is no money
    and a.frozen_at is null
    and a.closed_at is null
    -- With cash or revenue frozen, nothing would work any more: a human decides that.
    and a.code !~ saldo_private.system_code_pattern()
    group by f.account_id
  ) as c
  where not exists (
    select
    from saldo.account_freeze as z
    where z.account_id = c.account_id
    and z.unfrozen_at is not null
    and z.evidence -> 'rows' = c.evidence -> 'rows'
  )
$$;
comment on function saldo_private.unproven_accounts is
  'Accounts of which a check has found rows that are not as the engine wrote them, except the '
  'engine''s own and those that are frozen or that a human has unfrozen with the same rows in '
  'question.';

create or replace function saldo_private.freeze_unproven(check_run_id uuid)
returns integer
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_accounts jsonb;
  v_count bigint;
begin
  select coalesce(jsonb_object_agg(u.account_id, u.evidence), '{}'), count(*)
  into v_accounts, v_count
  from saldo_private.unproven_accounts(freeze_unproven.check_run_id) as u;
  if v_count = 0 or v_count > saldo_private.freeze_limit() then
    return 0;
  end if;
  perform saldo_private.freeze_accounts(
    array_agg(e.key::bigint order by e.key::bigint),
    'Rows of this account are not as the engine wrote them.',
    array_agg((e.value ->> 'finding_id')::uuid order by e.key::bigint)
  )
  from jsonb_each(v_accounts) as e;
  update saldo.account_freeze as z
  set evidence = z.evidence || jsonb_build_object('rows', e.value -> 'rows')
  from jsonb_each(v_accounts) as e
  where z.account_id = e.key::bigint
  and z.unfrozen_at is null;
  return v_count;
end
$$;
comment on function saldo_private.freeze_unproven is
  'Freezes the accounts of which a check has found rows that are not as the engine wrote them '
  '(unproven_accounts), unless they are more than one run may freeze. How many.';
revoke execute on function saldo_private.freeze_unproven from public;
grant execute on function saldo_private.freeze_unproven to saldo_admin;
