-- Posting rules: which account stands against the branch's cash, by direction and category.
--
-- Public: saldo.posting_rule, set_posting_rule, remove_posting_rule. Private: posting_rule_of.
-- A rule of the branch goes before one of all branches, then the latest that is effective on the
-- row's business date. Where there is none the row goes to suspense: nothing is refused for want
-- of a rule. A rule never changes; another takes its place, so that a row can name the one it went
-- by.

create or replace function saldo_private.posting_rule_of(
  branch_id bigint,
  currency text,
  flow saldo.branch_flow,
  category text,
  on_date date
)
returns setof saldo.posting_rule
language sql
stable
as $$
  select r.*
  from saldo.posting_rule as r
  where r.flow = posting_rule_of.flow
  and lower(r.category) = lower(posting_rule_of.category)
  and r.currency = posting_rule_of.currency
  and r.removed_at is null
  and coalesce(r.branch_id, 0) in (0, posting_rule_of.branch_id)
  and r.effective_from <= posting_rule_of.on_date
  order by coalesce(r.branch_id, 0) desc, r.effective_from desc
  limit 1
$$;
comment on function saldo_private.posting_rule_of is 'The rule that a row goes by; none = no row.';

create or replace function saldo.set_posting_rule(
  flow saldo.branch_flow,
  category text,
  account_id bigint,
  branch_id bigint default null,
  effective_from date default '1900-01-01'
)
returns saldo.posting_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_category text := saldo_private.require_line(set_posting_rule.category, 'category', 100);
  v_account saldo.account;
  v_branch saldo.branch;
  v_rule saldo.posting_rule;
begin
  if set_posting_rule.flow is null
    or (effective_from between '1900-01-01' and '9999-12-31') is not true
  then
    perform saldo_private.fail('input_invalid', 'flow: IN or OUT; effective_from: 1900 to 9999');
  end if;
  select *
  into v_account
  from saldo.account
  where id = set_posting_rule.account_id;
  if v_account.id is null then
    perform saldo_private.fail('account_not_found', format('account %s', account_id));
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  elsif exists (
    select
    from saldo.branch as b
    where set_posting_rule.account_id in (b.cash_account_id, b.suspense_account_id)
  ) then
    perform saldo_private.fail(
      'posting_rule_invalid', format('account %s is a branch''s own', account_id)
    );
  end if;
  if set_posting_rule.branch_id is not null then
    v_branch := saldo_private.require_branch(set_posting_rule.branch_id);
    if v_branch.currency <> v_account.currency then
      perform saldo_private.fail('currency_mismatch', format(
        'branch %s is in %s, account %s in %s', v_branch.code, v_branch.currency, account_id,
        v_account.currency
      ));
    end if;
  end if;

  update saldo.posting_rule as r
  set removed_at = clock_timestamp(),
    removed_by = saldo_private.actor()
  where r.flow = set_posting_rule.flow
  and lower(r.category) = lower(v_category)
  and r.currency = v_account.currency
  and r.branch_id is not distinct from set_posting_rule.branch_id
  and r.effective_from = set_posting_rule.effective_from
  and r.removed_at is null;
  insert into saldo.posting_rule (
    branch_id, flow, category, account_id, currency, effective_from, created_by
  )
  values (
    set_posting_rule.branch_id, set_posting_rule.flow, v_category, set_posting_rule.account_id,
    v_account.currency, set_posting_rule.effective_from, saldo_private.actor()
  )
  returning * into v_rule;
  return v_rule;
end
$$;
comment on function saldo.set_posting_rule is
  'Says which account stands against the cash of a branch: IN debits cash and credits the account, '
  'OUT debits the account and credits cash. category: as tills send it, capitals do not matter. '
  'branch_id: null = of all branches in the account''s currency. effective_from: first business '
  'date; the rule of the same date is replaced. Rows that are posted stay as they are; '
  'repost_suspense moves what waits in suspense. Errors in checking order: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB101 account_not_found, SB102 account_closed, '
  'SB513 posting_rule_invalid for an account of cash or suspense of a branch, '
  'SB501 branch_not_found, SB104 currency_mismatch.';
revoke execute on function saldo.set_posting_rule from public;
grant execute on function saldo.set_posting_rule to saldo_admin;

create or replace function saldo.remove_posting_rule(posting_rule_id bigint)
returns saldo.posting_rule
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_rule saldo.posting_rule;
begin
  update saldo.posting_rule as r
  set removed_at = clock_timestamp(),
    removed_by = saldo_private.actor()
  where r.id = remove_posting_rule.posting_rule_id
  and r.removed_at is null
  returning * into v_rule;
  if v_rule.id is null then
    perform saldo_private.fail('not_found', format('posting rule %s', posting_rule_id));
  end if;
  return v_rule;
end
$$;
comment on function saldo.remove_posting_rule is
  'Ends a rule; rows that come from now on do not go by it. Error: SB007 not_found, also for a '
  'rule that was removed.';
revoke execute on function saldo.remove_posting_rule from public;
grant execute on function saldo.remove_posting_rule to saldo_admin;

select saldo_private.secure_table('saldo.posting_rule');
drop policy if exists select_all on saldo.posting_rule;
create policy select_all on saldo.posting_rule for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.posting_rule to saldo_admin, saldo_operator;

comment on type saldo.branch_flow is 'IN: cash comes in; OUT: cash goes out.';
comment on table saldo.posting_rule is 'Which account stands against the cash of a branch.';
comment on column saldo.posting_rule.id is 'Id, in the order of creation.';
comment on column saldo.posting_rule.branch_id is 'Branch that it is for; null = all.';
comment on column saldo.posting_rule.flow is 'Direction of the cash.';
comment on column saldo.posting_rule.category is
  'Category, as tills send it; capitals do not matter.';
comment on column saldo.posting_rule.account_id is
  'Account on the other side of cash: credited by IN, debited by OUT.';
comment on column saldo.posting_rule.currency is 'Currency of the account.';
comment on column saldo.posting_rule.effective_from is 'First business date that it is for.';
comment on column saldo.posting_rule.created_at is 'When it was made.';
comment on column saldo.posting_rule.created_by is 'Who made it.';
comment on column saldo.posting_rule.removed_at is
  'When it was removed or replaced; null = it stands.';
comment on column saldo.posting_rule.removed_by is 'Who removed or replaced it.';
