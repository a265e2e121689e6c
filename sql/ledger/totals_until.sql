-- Totals up to a date, of all accounts: what every statement is made of.
--
-- Private: totals_until, totals_until__* (its steps), late_line, year_end_line.
-- Counted from whichever is nearest: the snapshot of a closed period, the beginning, or back from
-- the totals of today. All three come to the same figures. Whole months between come from
-- posted_months.sql.

create or replace view saldo_private.late_line with (security_invoker = true) as
select l.account_id, l.posting_date, saldo_private.month_of(l.posting_date) as posting_month,
  e.origin_month, l.debit, l.credit
from saldo.journal_entry as e
join saldo.journal_line as l on l.entry_id = e.id
where e.origin_month is not null
and e.status <> 'draft';
comment on view saldo_private.late_line is
  'Posted lines that are about another month than that of their posting date.';

create or replace view saldo_private.year_end_line with (security_invoker = true) as
select l.account_id, l.posting_date, l.debit, l.credit
from saldo.journal_entry as e
join saldo.journal_line as l on l.entry_id = e.id
where e.source = 'close_year'
and e.status <> 'draft';
comment on view saldo_private.year_end_line is
  'Lines of the closing entries of years, and of their reversals.';

comment on column saldo_private.late_line.account_id is 'Account of the line.';
comment on column saldo_private.late_line.posting_date is 'Posting date of the line.';
comment on column saldo_private.late_line.posting_month is
  'First day of the month of the posting date.';
comment on column saldo_private.late_line.origin_month is
  'First day of the month that it is about.';
comment on column saldo_private.late_line.debit is 'Debit of the line, or 0.';
comment on column saldo_private.late_line.credit is 'Credit of the line, or 0.';
comment on column saldo_private.year_end_line.account_id is 'Account of the line.';
comment on column saldo_private.year_end_line.posting_date is 'Last day of the fiscal year.';
comment on column saldo_private.year_end_line.debit is 'Debit of the line, or 0.';
comment on column saldo_private.year_end_line.credit is 'Credit of the line, or 0.';

create or replace function saldo_private.totals_until__forward(
  as_of date,
  fiscal_year integer,
  number integer
)
returns table (account_id bigint, debit numeric, credit numeric)
language sql
stable
as $$
  select s.account_id, s.debit_total, s.credit_total
  from saldo.closing_snapshot as s
  where s.fiscal_year = totals_until__forward.fiscal_year
  and s.number = totals_until__forward.number
  union all
  select m.account_id, m.debit, m.credit
  from saldo_private.posted_months(
    coalesce(
      saldo_private.period_ends_on(totals_until__forward.fiscal_year, number) + 1, '-infinity'
    ),
    saldo_private.month_of(as_of + 1)
  ) as m
  union all
  -- December was sealed before the closing entries of its last day.
  select y.account_id, y.debit, y.credit
  from saldo_private.year_end_line as y
  where totals_until__forward.number = 12
  and y.posting_date = saldo_private.period_ends_on(totals_until__forward.fiscal_year, 12)
  union all
  -- The month that is cut, if one is: by its entries, which have an index by date.
  select l.account_id, l.debit, l.credit
  from saldo.journal_entry as e
  join saldo.journal_line as l on l.entry_id = e.id
  where e.posting_date between greatest(
    saldo_private.month_of(as_of + 1),
    saldo_private.period_ends_on(totals_until__forward.fiscal_year, number) + 1
  ) and as_of
  and e.status <> 'draft'
$$;
comment on function saldo_private.totals_until__forward is
  'Totals from a snapshot, or without one from the beginning, in several rows an account.';

create or replace function saldo_private.totals_until__backward(as_of date)
returns table (account_id bigint, debit numeric, credit numeric)
language sql
stable
as $$
  select a.account_id, a.debit_total - coalesce(later.debit, 0),
    a.credit_total - coalesce(later.credit, 0)
  from saldo_private.account_total as a
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from (
      select m.account_id, m.debit, m.credit
      from saldo_private.posted_months(
        (saldo_private.month_of(as_of) + interval '1 month')::date, 'infinity'
      ) as m
      union all
      select l.account_id, l.debit, l.credit
      from saldo.journal_entry as e
      join saldo.journal_line as l on l.entry_id = e.id
      where e.posting_date > as_of
      and e.posting_date < (saldo_private.month_of(as_of) + interval '1 month')::date
      and e.status <> 'draft'
    ) as part
    group by part.account_id
  ) as later on later.account_id = a.account_id
$$;
comment on function saldo_private.totals_until__backward is
  'Totals of today less what was posted after the date.';

create or replace function saldo_private.posted_between(from_date date, to_date date)
returns table (account_id bigint, debit numeric, credit numeric)
language sql
stable
as $$
  with whole as materialized (
    -- The months that lie inside as a whole.
    select w.first_month, greatest(w.next_month, w.first_month) as next_month
    from (
      select (saldo_private.month_of(sane.from_date - 1) + interval '1 month')::date as first_month,
        saldo_private.month_of(sane.to_date + 1) as next_month
      -- This may be computed before the dates are refused, and must not fail first.
      from (
        select greatest(least(from_date, '9999-12-31'), '1900-01-01') as from_date,
          greatest(least(to_date, '9999-12-31'), '1900-01-01') as to_date
      ) as sane
    ) as w
  )
  select m.account_id, m.debit, m.credit
  from saldo_private.posted_months(
    (select w.first_month from whole as w), (select w.next_month from whole as w)
  ) as m
  union all
  select l.account_id, l.debit, l.credit
  from (
    select from_date as starts_on, least(w.first_month - 1, to_date) as ends_on
    from whole as w
    union all
    select w.next_month, to_date
    from whole as w
  ) as edge
  join saldo.journal_entry as e on e.posting_date between edge.starts_on and edge.ends_on
  join saldo.journal_line as l on l.entry_id = e.id
  where e.status <> 'draft'
$$;
comment on function saldo_private.posted_between is
  'What was posted from one date to another, both included, in several rows an account.';

create or replace function saldo_private.totals_until__adjustment(
  as_of date,
  basis saldo.balance_basis,
  is_before_closing boolean
)
returns table (account_id bigint, debit numeric, credit numeric)
language sql
stable
as $$
  select part.account_id, sum(part.debit), sum(part.credit)
  from (
    select l.account_id, l.debit, l.credit
    from saldo_private.late_line as l
    where basis = 'restated'
    and l.origin_month <= as_of
    and l.posting_date > as_of
    union all
    select l.account_id, -l.debit, -l.credit
    from saldo_private.late_line as l
    where basis = 'restated'
    and l.origin_month > as_of
    and l.posting_date <= as_of
    union all
    select y.account_id, -y.debit, -y.credit
    from saldo_private.year_end_line as y
    where is_before_closing
    and y.posting_date <= as_of
    and y.posting_date = saldo_private.period_ends_on(extract(year from as_of)::integer, 12)
  ) as part
  group by part.account_id
$$;
comment on function saldo_private.totals_until__adjustment is
  'What other statements than the reported ones after closing have more, or less.';

create or replace function saldo_private.last_whole_snapshot(as_of date, before_number integer)
returns saldo.period
language sql
stable
as $$
  select p
  from saldo.period as p
  where p.snapshot_hash is not null
  and p.ends_on <= as_of
  and (p.ends_on < as_of or p.number < before_number)
  and p.account_count = (
    select count(*)
    from saldo.closing_snapshot as s
    where s.fiscal_year = p.fiscal_year
    and s.number = p.number
  )
  order by p.fiscal_year desc, p.number desc
  limit 1
$$;
comment on function saldo_private.last_whole_snapshot is
  'The last sealed period up to a day, of those that end on it only one of a lower number, whose '
  'totals are all there; null = none.';
grant execute on function saldo_private.last_whole_snapshot to saldo_admin, saldo_operator;

create or replace function saldo_private.totals_until__is_forward(as_of date, base_ends_on date)
returns boolean
language sql
stable
as $$
  select coalesce(
    saldo_private.month_span_size(saldo_private.month_span(
      coalesce(base_ends_on + 1, saldo_private.month_of(e.first_date)),
      saldo_private.month_of(as_of + 1), saldo_private.kept_through()
    )) <= saldo_private.month_span_size(saldo_private.month_span(
      (saldo_private.month_of(as_of) + interval '1 month')::date,
      (saldo_private.month_of(e.last_date) + interval '1 month')::date, saldo_private.kept_through()
    )),
    true
  )
  from (
    select min(j.posting_date) as first_date, max(j.posting_date) as last_date
    from saldo.journal_entry as j
  ) as e
$$;
comment on function saldo_private.totals_until__is_forward is
  'Whether the totals of a day are nearer to the snapshot (null = to the beginning) than to those '
  'of today.';
grant execute on function saldo_private.totals_until__is_forward to saldo_admin, saldo_operator;

create or replace function saldo_private.totals_until(
  as_of date,
  basis saldo.balance_basis default 'reported',
  is_before_closing boolean default false
)
returns table (account_id bigint, debit numeric, credit numeric)
language plpgsql
stable
set work_mem = '64MB'
as $$
declare
  v_base saldo.period;
begin
  if as_of is null then
    return query
    select t.account_id, t.debit_total, t.credit_total
    from saldo_private.account_total as t;
    return;
  end if;
  v_base := saldo_private.last_whole_snapshot(as_of, 14);
  if saldo_private.totals_until__is_forward(as_of, v_base.ends_on) then
    return query
    select t.account_id, t.debit, t.credit
    from saldo_private.totals_until__forward(as_of, v_base.fiscal_year, v_base.number) as t;
  else
    return query
    select t.account_id, t.debit, t.credit
    from saldo_private.totals_until__backward(as_of) as t;
  end if;
  if basis = 'restated' or is_before_closing then
    return query
    select t.account_id, t.debit, t.credit
    from saldo_private.totals_until__adjustment(as_of, basis, is_before_closing) as t;
  end if;
end
$$;
comment on function saldo_private.totals_until is
  'Debits and credits of every account that moved, posted until the date (null = all), in several '
  'rows an account. restated: by the month that entries are about, for the last day of a '
  'month. is_before_closing: without the closing entries of the year of the date.';
grant execute on function saldo_private.totals_until, saldo_private.posted_between,
  saldo_private.totals_until__forward,
  saldo_private.totals_until__backward, saldo_private.totals_until__adjustment
  to saldo_admin, saldo_operator;
grant select on saldo_private.late_line, saldo_private.year_end_line
  to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.balance_basis is
  'reported: by posting date, as statements were given out; restated: by the month that entries '
  'are about, with what was found later.';
