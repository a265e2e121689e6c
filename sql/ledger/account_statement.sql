-- Account statement: the lines of an account with the running balance.
--
-- Public: account_statement.

create or replace function saldo.account_statement(
  account_id bigint,
  from_date date,
  to_date date
)
returns setof saldo.account_statement_line
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_sign integer;
  v_opening numeric;
begin
  select saldo_private.normal_sign(a.type)
  into v_sign
  from saldo.account as a
  where a.id = account_statement.account_id;
  if v_sign is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif (from_date >= '1900-01-01' and to_date <= '9999-12-31' and from_date <= to_date) is not true
  then
    perform saldo_private.fail('input_invalid', 'from_date, to_date: days from 1900 to 9999');
  end if;

  select coalesce(sum(part.net), 0)
  into v_opening
  from (
    select m.debit - m.credit as net
    from saldo_private.posted_movement as m
    where m.account_id = account_statement.account_id
    and m.month < saldo_private.month_of(from_date)
    union all
    select l.debit - l.credit
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where l.account_id = account_statement.account_id
    and l.posting_date >= saldo_private.month_of(from_date)
    and l.posting_date < from_date
    and e.status <> 'draft'
  ) as part;

  return query
  select from_date, null::uuid, 0, null::timestamptz, null::saldo.entry_kind, null::date,
    'Opening balance', 0::numeric, 0::numeric, trim_scale(v_opening * v_sign)
  union all
  (
    -- Day, time of the fact, and then the order of recording, which the ids of entries have.
    select l.posting_date, l.entry_id, l.line_no, e.occurred_at, e.kind, e.origin_month::date,
      e.description, trim_scale(l.debit), trim_scale(l.credit),
      trim_scale((v_opening + sum(l.debit - l.credit) over (
        order by l.posting_date, e.occurred_at, l.entry_id, l.line_no rows unbounded preceding
      )) * v_sign)
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where l.account_id = account_statement.account_id
    and l.posting_date between from_date and to_date
    and e.status <> 'draft'
    order by l.posting_date, e.occurred_at, l.entry_id, l.line_no
  );
end
$$;
comment on function saldo.account_statement is
  'Lines of an account from one posting date to another, both included, each with the balance '
  'after it on the normal side; the first line is the opening balance. In the order of posting '
  'date, occurred_at, and recording, by which balance_at goes too. origin_month: what is about an '
  'earlier month. What is submitted to a hot account shows once it is settled. Errors: '
  'SB101 account_not_found, SB010 input_invalid.';
revoke execute on function saldo.account_statement from public;
grant execute on function saldo.account_statement to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.account_statement_line is 'A line of an account statement.';
comment on column saldo.account_statement_line.posting_date is 'Posting date of the entry.';
comment on column saldo.account_statement_line.entry_id is 'Entry; null for the opening balance.';
comment on column saldo.account_statement_line.line_no is 'Number of the line within its entry.';
comment on column saldo.account_statement_line.occurred_at is
  'When it took place, by the business.';
comment on column saldo.account_statement_line.kind is 'What the entry is for.';
comment on column saldo.account_statement_line.origin_month is
  'Month that it is about, when that is not the month of the posting date.';
comment on column saldo.account_statement_line.description is 'What happened, in words.';
comment on column saldo.account_statement_line.debit is 'Debit of the line, or 0.';
comment on column saldo.account_statement_line.credit is 'Credit of the line, or 0.';
comment on column saldo.account_statement_line.balance is
  'Running balance after the line, on the normal side.';
