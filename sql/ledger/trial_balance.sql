-- Trial balance: every account with its totals; both columns of balances add up to the same.
--
-- Public: trial_balance, trial_balance_between. Private: require_statement_date.

create or replace function saldo_private.require_statement_date(
  on_date date,
  basis saldo.balance_basis
)
returns date
language plpgsql
stable
as $$
begin
  if on_date not between '1900-01-01' and '9999-12-31' then
    perform saldo_private.fail('input_invalid', 'date: from 1900 to 9999');
  elsif basis = 'restated'
    and on_date <> saldo_private.month_of(on_date) + interval '1 month - 1 day'
  then
    perform saldo_private.fail('input_invalid', 'restated: for the last day of a month');
  end if;
  return on_date;
end
$$;
comment on function saldo_private.require_statement_date is
  'The date, if a statement of that basis can be made for it: SB010 input_invalid. What an entry '
  'is about is known by the month only.';
grant execute on function saldo_private.require_statement_date to saldo_admin, saldo_operator;

create or replace function saldo_private.require_statement_range(
  from_date date,
  to_date date,
  basis saldo.balance_basis
)
returns date
language plpgsql
stable
as $$
begin
  if (from_date >= '1900-01-01' and from_date <= to_date) is not true then
    perform saldo_private.fail('input_invalid', 'from_date, to_date: the first and the last day');
  end if;
  perform saldo_private.require_statement_date(to_date, basis);
  if basis = 'restated' and from_date <> saldo_private.month_of(from_date) then
    perform saldo_private.fail('input_invalid', 'restated: from the first day of a month');
  end if;
  return from_date - 1;
end
$$;
comment on function saldo_private.require_statement_range is
  'The day before the first, if a statement of that basis can be made for these days: '
  'SB010 input_invalid.';
grant execute on function saldo_private.require_statement_range to saldo_admin, saldo_operator;

create or replace function saldo.trial_balance(
  as_of date default null,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false,
  has_zeros boolean default true
)
returns setof saldo.trial_balance_line
language sql
stable
as $$
  select a.id, a.code, a.name, a.type, a.currency,
    coalesce(t.debit, 0), coalesce(t.credit, 0),
    greatest(coalesce(t.debit - t.credit, 0), 0),
    greatest(coalesce(t.credit - t.debit, 0), 0)
  from saldo.account as a
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from saldo_private.totals_until(
      saldo_private.require_statement_date(as_of, basis), basis, is_before_closing
    ) as part
    group by part.account_id
  ) as t on t.account_id = a.id
  where has_zeros
  or t.debit <> t.credit
  order by a.currency, a.code
$$;
comment on function saldo.trial_balance is
  'All accounts with the debits and credits posted to them until the date (default: all), and the '
  'difference in the column of its side. Per currency, debit_balance and credit_balance have '
  'equal sums. basis: reported, by posting date, or restated, with what was posted later about '
  'months up to then; restated is for the last day of a month. is_before_closing: without the '
  'closing entries of the year of the date. has_zeros: false leaves accounts with a balance of 0 '
  'out. Error: SB010 input_invalid.';
revoke execute on function saldo.trial_balance from public;
grant execute on function saldo.trial_balance to saldo_admin, saldo_operator;

create or replace function saldo.trial_balance_between(
  from_date date,
  to_date date,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false,
  has_zeros boolean default true
)
returns setof saldo.trial_balance_movement
language sql
stable
set work_mem = '64MB'
as $$
  select a.id, a.code, a.name, a.type, a.currency, trim_scale(t.opening * side.sign),
    trim_scale(t.debit), trim_scale(t.credit),
    trim_scale((t.opening + t.debit - t.credit) * side.sign)
  from saldo.account as a
  cross join lateral (
    select saldo_private.normal_sign(a.type) as sign
  ) as side
  left join (
    select part.account_id, sum(part.debit - part.credit) filter (where part.is_opening) as opening,
      sum(part.debit) filter (where not part.is_opening) as debit,
      sum(part.credit) filter (where not part.is_opening) as credit
    from (
      select o.account_id, o.debit, o.credit, true as is_opening
      from saldo_private.totals_until(
        saldo_private.require_statement_range(from_date, to_date, basis), basis
      ) as o
      union all
      select m.account_id, m.debit, m.credit, false
      from saldo_private.posted_between(from_date, to_date) as m
      union all
      -- What another basis has more at the end, and has already at the beginning.
      select c.account_id, c.debit * c.sign, c.credit * c.sign, false
      from (
        select t.account_id, t.debit, t.credit, 1 as sign
        from saldo_private.totals_until__adjustment(to_date, basis, is_before_closing) as t
        union all
        select t.account_id, t.debit, t.credit, -1
        from saldo_private.totals_until__adjustment(from_date - 1, basis, false) as t
      ) as c
    ) as part
    group by part.account_id
  ) as movement on movement.account_id = a.id
  cross join lateral (
    select coalesce(movement.opening, 0) as opening, coalesce(movement.debit, 0) as debit,
      coalesce(movement.credit, 0) as credit
  ) as t
  where has_zeros
  or t.opening <> 0
  or t.debit <> 0
  or t.credit <> 0
  order by a.currency, a.code
$$;
comment on function saldo.trial_balance_between is
  'All accounts with opening, debits, credits and closing from one date to another, both '
  'included; balances on the normal side. For a month: its first and last day. basis and '
  'is_before_closing as in trial_balance; restated is for whole months. '
  'has_zeros: false leaves out accounts that had nothing before and nothing since. Error: '
  'SB010 input_invalid.';
revoke execute on function saldo.trial_balance_between from public;
grant execute on function saldo.trial_balance_between to saldo_admin, saldo_operator;
comment on type saldo.trial_balance_movement is 'An account between two dates.';
comment on column saldo.trial_balance_movement.account_id is 'Account that the line is about.';
comment on column saldo.trial_balance_movement.code is 'Code of the account.';
comment on column saldo.trial_balance_movement.name is 'Name of the account.';
comment on column saldo.trial_balance_movement.type is 'Type of the account.';
comment on column saldo.trial_balance_movement.currency is 'Currency of all amounts of the line.';
comment on column saldo.trial_balance_movement.opening is
  'Balance before the first day, on the normal side.';
comment on column saldo.trial_balance_movement.debit is 'Sum of the debits between the dates.';
comment on column saldo.trial_balance_movement.credit is 'Sum of the credits between the dates.';
comment on column saldo.trial_balance_movement.closing is
  'Balance after the last day, on the normal side.';

comment on type saldo.trial_balance_line is 'A line of the trial balance.';
comment on column saldo.trial_balance_line.account_id is 'Account that the line is about.';
comment on column saldo.trial_balance_line.code is 'Code of the account.';
comment on column saldo.trial_balance_line.name is 'Name of the account.';
comment on column saldo.trial_balance_line.type is 'Type of the account.';
comment on column saldo.trial_balance_line.currency is 'Currency of all amounts of the line.';
comment on column saldo.trial_balance_line.debit_total is 'Sum of all debits up to the date.';
comment on column saldo.trial_balance_line.credit_total is 'Sum of all credits up to the date.';
comment on column saldo.trial_balance_line.debit_balance is
  'Debits less credits where the debits are larger; otherwise 0.';
comment on column saldo.trial_balance_line.credit_balance is
  'Credits less debits where the credits are larger; otherwise 0.';
