-- Views for reporting tools: plain names and types, whole codes and names beside every figure.
--
-- Public, in saldo_report: accounts, lines, daily_balances, monthly_balances, customer_months,
-- findings.
-- They show everything, with the rights of the owner, and nothing else of Saldo is open to the role
-- saldo_report: no keys, no metadata, no logins. None of them can be written through.
-- A function that a view calls runs with the rights of who asks: they call none but the one for the
-- sign. Where a view counts up a balance it does so for each account by its index, so that a report
-- of one account costs that account.

create or replace view saldo_report.accounts as
select a.id as account_id, a.code, a.name, a.type::text as type, a.currency,
  (a.debit_total + coalesce(s.debit, 0))::numeric as debits,
  (a.credit_total + coalesce(s.credit, 0))::numeric as credits,
  a.balance + coalesce(s.debit - s.credit, 0)
    * saldo_private.normal_sign(a.type) as balance,
  a.opened_at, a.closed_at, a.frozen_at,
  coalesce(
    greatest(a.last_updated_at, s.last_updated_at),
    (
      select e.posted_at
      from saldo.journal_line as l
      join saldo.journal_entry as e on e.id = l.entry_id
      where l.account_id = a.id
      order by l.posting_date desc, l.entry_id desc
      limit 1
    ),
    a.opened_at
  ) as last_updated_at,
  a.version
from saldo.account as a
left join lateral (
  select sum(each.debit) as debit, sum(each.credit) as credit,
    max(each.last_updated_at) as last_updated_at
  from saldo_private.account_stripe as each
  where each.account_id = a.id
) as s on true;
comment on view saldo_report.accounts is 'Each account, with what was posted to it until now.';
comment on column saldo_report.accounts.account_id is 'Id, which does not change.';
comment on column saldo_report.accounts.code is 'Code of the account.';
comment on column saldo_report.accounts.name is 'Name of the account.';
comment on column saldo_report.accounts.type is 'asset, liability, equity, revenue or expense.';
comment on column saldo_report.accounts.currency is 'Currency of all its figures.';
comment on column saldo_report.accounts.debits is 'Sum of all debits.';
comment on column saldo_report.accounts.credits is 'Sum of all credits.';
comment on column saldo_report.accounts.balance is
  'Balance: debits less credits of assets and expenses, credits less debits of the others.';
comment on column saldo_report.accounts.opened_at is 'When it was opened.';
comment on column saldo_report.accounts.closed_at is 'When it was closed; null = open.';
comment on column saldo_report.accounts.frozen_at is 'Since when it is frozen; null = it is not.';
comment on column saldo_report.accounts.last_updated_at is
  'When the balance last changed by a posting; when it was opened if never.';
comment on column saldo_report.accounts.version is
  'Grows with every posting, of a hot account with every settlement.';

create or replace view saldo_report.lines as
select e.id as entry_id, l.line_no, l.posting_date, e.occurred_at, a.id as account_id,
  a.code as account_code, a.name as account_name, a.type::text as account_type, a.currency,
  l.debit::numeric as debit, l.credit::numeric as credit, e.kind::text as kind, e.source,
  e.description, e.origin_month::date as origin_month
from saldo.journal_line as l
join saldo.journal_entry as e on e.id = l.entry_id
join saldo.account as a on a.id = l.account_id
where e.status <> 'draft';
comment on view saldo_report.lines is 'Each posted line, with its entry and its account.';
comment on column saldo_report.lines.entry_id is 'Entry that the line belongs to.';
comment on column saldo_report.lines.line_no is 'Number of the line in its entry.';
comment on column saldo_report.lines.posting_date is 'Day that it counts for.';
comment on column saldo_report.lines.occurred_at is 'When it happened.';
comment on column saldo_report.lines.account_id is 'Account of the line.';
comment on column saldo_report.lines.account_code is 'Code of the account.';
comment on column saldo_report.lines.account_name is 'Name of the account.';
comment on column saldo_report.lines.account_type is 'Type of the account.';
comment on column saldo_report.lines.currency is 'Currency of the amounts.';
comment on column saldo_report.lines.debit is 'Debit; 0 for a credit.';
comment on column saldo_report.lines.credit is 'Credit; 0 for a debit.';
comment on column saldo_report.lines.kind is
  'normal, opening, adjustment, correction, closing or reversal.';
comment on column saldo_report.lines.source is 'What made the entry.';
comment on column saldo_report.lines.description is 'Description of the entry.';
comment on column saldo_report.lines.origin_month is
  'Month that a late fact is about; null = that of the posting date.';

create or replace view saldo_report.daily_balances as
select a.id as account_id, a.code as account_code, a.name as account_name, a.type::text as type,
  a.currency, d.day, d.debits, d.credits, d.change
    * saldo_private.normal_sign(a.type) as balance
from saldo.account as a
cross join lateral (
  select l.posting_date as day, sum(l.debit)::numeric as debits, sum(l.credit)::numeric as credits,
    sum(sum(l.debit - l.credit)) over (order by l.posting_date) as change
  from saldo.journal_line as l
  join saldo.journal_entry as e on e.id = l.entry_id
  where l.account_id = a.id
  and e.status <> 'draft'
  group by l.posting_date
) as d;
comment on view saldo_report.daily_balances is
  'Of each account the days that something was posted for, and its balance after each.';
comment on column saldo_report.daily_balances.account_id is 'The account.';
comment on column saldo_report.daily_balances.account_code is 'Its code.';
comment on column saldo_report.daily_balances.account_name is 'Its name.';
comment on column saldo_report.daily_balances.type is 'Its type.';
comment on column saldo_report.daily_balances.currency is 'Currency of the figures.';
comment on column saldo_report.daily_balances.day is 'Posting date.';
comment on column saldo_report.daily_balances.debits is 'Debits of the day.';
comment on column saldo_report.daily_balances.credits is 'Credits of the day.';
comment on column saldo_report.daily_balances.balance is
  'Balance at the end of the day, of the account''s own side.';

create or replace view saldo_report.monthly_balances as
select a.id as account_id, a.code as account_code, a.name as account_name, a.type::text as type,
  a.currency, m.month,
  (m.change - m.debits + m.credits)
    * saldo_private.normal_sign(a.type) as opening,
  m.debits, m.credits,
  m.change * saldo_private.normal_sign(a.type) as closing
from saldo.account as a
cross join lateral (
  select part.month::date as month, sum(part.debit)::numeric as debits,
    sum(part.credit)::numeric as credits,
    sum(sum(part.debit - part.credit)) over (order by part.month::date) as change
  from (
    select t.month, t.debit, t.credit
    from saldo.month_movement as t
    where t.account_id = a.id
    union all
    select s.month, s.debit, s.credit
    from saldo_private.account_stripe as s
    where s.account_id = a.id
    and s.line_count > 0
  ) as part
  group by part.month::date
) as m;
comment on view saldo_report.monthly_balances is
  'Of each account the months that something was posted for: opening, movements, closing.';
comment on column saldo_report.monthly_balances.account_id is 'The account.';
comment on column saldo_report.monthly_balances.account_code is 'Its code.';
comment on column saldo_report.monthly_balances.account_name is 'Its name.';
comment on column saldo_report.monthly_balances.type is 'Its type.';
comment on column saldo_report.monthly_balances.currency is 'Currency of the figures.';
comment on column saldo_report.monthly_balances.month is 'First day of the month of posting.';
comment on column saldo_report.monthly_balances.opening is 'Balance before the month.';
comment on column saldo_report.monthly_balances.debits is 'Debits of the month.';
comment on column saldo_report.monthly_balances.credits is 'Credits of the month.';
comment on column saldo_report.monthly_balances.closing is 'Balance after the month.';

create or replace view saldo_report.customer_months as
select c.id as customer_id, c.code as customer_code, c.name as customer_name, c.currency, m.month,
  m.balance - m.change as opening, m.deposits, m.purchases, m.deposit_adjustments,
  m.purchase_adjustments, m.others, m.balance as closing, m.volume_sm3, m.volume_adjustments
from saldo.customer as c
cross join lateral (
  select t.month::date as month, t.deposits, t.purchases, t.deposit_adjustments,
    t.purchase_adjustments, t.others, t.volume_sm3, t.volume_adjustments, part.change,
    sum(part.change) over (order by t.month::date) as balance
  from saldo.customer_month_total as t
  cross join lateral (
    select t.deposits + t.deposit_adjustments - t.purchases - t.purchase_adjustments + t.others
      as change
  ) as part
  where t.account_id = c.account_id
) as m;
comment on view saldo_report.customer_months is
  'Months of each customer as reported: what a closed month has is not changed by later facts.';
comment on column saldo_report.customer_months.customer_id is 'The customer.';
comment on column saldo_report.customer_months.customer_code is 'Code of the customer.';
comment on column saldo_report.customer_months.customer_name is 'Name of the customer.';
comment on column saldo_report.customer_months.currency is 'Currency of the amounts.';
comment on column saldo_report.customer_months.month is 'First day of the month.';
comment on column saldo_report.customer_months.opening is 'Deposit before the month.';
comment on column saldo_report.customer_months.deposits is 'Deposits of the month.';
comment on column saldo_report.customer_months.purchases is 'What the readings of the month cost.';
comment on column saldo_report.customer_months.deposit_adjustments is
  'Deposits of closed months that came, changed or went.';
comment on column saldo_report.customer_months.purchase_adjustments is
  'What readings of closed months cost more, or less if negative.';
comment on column saldo_report.customer_months.others is 'Whatever else was posted.';
comment on column saldo_report.customer_months.closing is 'Deposit after the month.';
comment on column saldo_report.customer_months.volume_sm3 is
  'Volume of the month at reference conditions, in Sm3.';
comment on column saldo_report.customer_months.volume_adjustments is
  'Volume of closed months that came or went, in Sm3.';

create or replace view saldo_report.findings as
select r.number as check_no, r.finished_at as found_at, r.scope::text as scope, f.rule, b.title,
  f.key, a.code as account_code, f.stored, f.derived, f.difference, f.cause::text as cause,
  r.number = (select max(each.number) from saldo.check_run as each) as is_of_last_check
from saldo.finding as f
join saldo.check_run as r on r.id = f.check_run_id
left join saldo.balance_rule as b on b.name = f.rule
left join saldo.account as a on a.id = f.account_id;
comment on view saldo_report.findings is
  'What the kept checks found. Who it was and by which statement is told to operators.';
comment on column saldo_report.findings.check_no is 'Number of the check, in their order.';
comment on column saldo_report.findings.found_at is 'When the check was done.';
comment on column saldo_report.findings.scope is 'What the check looked at.';
comment on column saldo_report.findings.rule is 'Rule that does not hold.';
comment on column saldo_report.findings.title is 'The rule in words; null = it is gone.';
comment on column saldo_report.findings.key is 'What it is about, in the form of the rule.';
comment on column saldo_report.findings.account_code is 'Account that it is about; null = none.';
comment on column saldo_report.findings.stored is 'What stood there.';
comment on column saldo_report.findings.derived is 'What should stand there.';
comment on column saldo_report.findings.difference is 'Stored less derived; null = no amount.';
comment on column saldo_report.findings.cause is 'Likeliest cause.';
comment on column saldo_report.findings.is_of_last_check is
  'Whether no check was made after it.';

comment on schema saldo_report is 'Views for reporting tools.';
grant usage on schema saldo_private to saldo_report;
grant execute on function saldo_private.is_debit_normal, saldo_private.normal_sign to saldo_report;
grant usage on schema saldo_report to saldo_report, saldo_admin, saldo_operator;
grant select on saldo_report.accounts, saldo_report.lines, saldo_report.daily_balances,
  saldo_report.monthly_balances, saldo_report.customer_months, saldo_report.findings
  to saldo_report, saldo_admin, saldo_operator;
