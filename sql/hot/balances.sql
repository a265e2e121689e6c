-- Balances as the field knows them, exact at any moment: one statement, one snapshot.
--
-- Public: balances, account_balances (the same as a field of an account), settlement_health.
-- Nothing is summed up over rows as long as there are slots: they carry running totals, and marks
-- the totals up to which settlement has come. Without slots (after a crash, on a standby) the rows
-- tell.

create or replace function saldo_private.pending_figures(account_id bigint)
returns table (debit numeric, credit numeric, row_count bigint, held numeric)
language plpgsql
stable
strict
as $$
begin
  -- A standby has no slots, and refuses a statement that only mentions them.
  if not pg_is_in_recovery() then
    return query
    select sum(s.debit_total - coalesce(m.debit_total, 0)),
      sum(s.credit_total - coalesce(m.credit_total, 0)),
      sum(s.seq - coalesce(m.seq, 0))::bigint, sum(s.held)
    from saldo_private.account_slot as s
    left join saldo_private.settlement_mark as m
      on m.account_id = s.account_id and m.slot_no = s.slot_no
    where s.account_id = pending_figures.account_id
    having count(*) > 0;
    if found then
      return;
    end if;
  end if;
  return query
  select f.pending_debit, f.pending_credit, f.pending_count, f.held
  from saldo_private.derived_funds() as f
  where f.account_id = pending_figures.account_id;
end
$$;
comment on function saldo_private.pending_figures is
  'What is pending and held on a hot account, on a standby too; no row for an immediate one.';
grant execute on function saldo_private.pending_figures, saldo_private.derived_funds,
  saldo_private.derived_slot to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.newest_pending_at(account_id bigint)
returns timestamptz
language plpgsql
stable
as $$
begin
  -- The marks are the register of slots that a standby has too. Within a slot rows are numbered in
  -- the order in which they were written.
  return (
    select max(newest.created_at)
    from saldo_private.settlement_mark as m
    cross join lateral (
      select s.created_at
      from saldo.sub_balance as s
      where s.account_id = m.account_id
      and s.slot_no = m.slot_no
      and s.seq > m.seq
      order by s.seq desc
      limit 1
    ) as newest
    where m.account_id = newest_pending_at.account_id
  );
end
$$;
comment on function saldo_private.newest_pending_at is
  'When the newest pending row of an account was written; null when there is none.';
grant execute on function saldo_private.newest_pending_at to
  saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.newest_line_at(account_id bigint)
returns timestamptz
language plpgsql
stable
as $$
begin
  return (
    select e.posted_at
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where l.account_id = newest_line_at.account_id
    order by l.posting_date desc, l.entry_id desc
    limit 1
  );
end
$$;
comment on function saldo_private.newest_line_at is
  'When the line of the latest day was posted to an account: for one that has not changed since '
  'last_updated_at is kept. Null when there is none.';
grant execute on function saldo_private.newest_line_at to
  saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.balances(account_id bigint)
returns saldo.balance_summary
language sql
stable
as $$
  select a.account_id, a.currency, trim_scale(a.balance), trim_scale(p.debit),
    trim_scale(p.credit), trim_scale(p.held),
    trim_scale(saldo_private.available_funds(
      a.type, a.balance, p.held, p.debit, p.credit, account.is_pending_available
    )),
    p.row_count,
    coalesce(
      greatest(
        a.last_updated_at,
        case when p.row_count > 0 then saldo_private.newest_pending_at(a.account_id) end
      ),
      saldo_private.newest_line_at(a.account_id), account.opened_at
    ),
    account.version
  from saldo_private.account_total as a
  join saldo.account on account.id = a.account_id
  left join lateral saldo_private.pending_figures(
    case when a.mode = 'hot' then a.account_id end
  ) as f on true
  cross join lateral (
    select coalesce(f.debit, 0) as debit, coalesce(f.credit, 0) as credit,
      coalesce(f.row_count, 0) as row_count,
      case when a.mode = 'hot' then coalesce(f.held, 0) else a.held_total end as held
  ) as p
  where a.account_id = balances.account_id
$$;
comment on function saldo.balances is
  'Balances of an account in one snapshot: settled (all that is posted), pending debits and '
  'credits not yet settled, held, and available: settled less held, less what is pending '
  'outwards, plus what is pending inwards if the account makes that available at once. '
  'min_balance is not taken off. last_updated_at: when a posting or a submitted transaction last '
  'changed what is settled or pending. version: counts the changes of the account''s row, see '
  'account. Null for an account that does not exist or is not yours.';
revoke execute on function saldo.balances from public;
grant execute on function saldo.balances to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo.account_balances(account_row saldo.account)
returns saldo.balance_summary
language sql
stable
as $$
  select saldo.balances(account_row.id)
$$;
comment on function saldo.account_balances is
  'Settled, pending, held and available, exact at this moment; see the function balances.';
revoke execute on function saldo.account_balances from public;
grant execute on function saldo.account_balances to saldo_admin, saldo_operator, saldo_member;

create or replace function saldo_private.oldest_pending_at(account_id bigint)
returns timestamptz
language sql
stable
as $$
  select min(s.created_at)
  from saldo_private.settlement_mark as m
  join saldo.sub_balance as s on s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq = m.seq + 1
  where m.account_id = oldest_pending_at.account_id
$$;
comment on function saldo_private.oldest_pending_at is
  'When the oldest pending row of an account was written; null when there is none.';

create or replace function saldo.settlement_health()
returns saldo.settlement_health_result
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select count(*), coalesce(sum(p.row_count), 0)::bigint,
    greatest(extract(epoch from clock_timestamp() - min(p.oldest_at)), 0)::numeric(20, 3),
    (select max(s.settled_at) from saldo.settlement as s),
    (select count(*) from saldo.hold as h where h.status = 'HELD'),
    (select count(*) from saldo.hold as h where h.status = 'HELD' and h.expires_at < now()),
    (select count(*) from saldo.slot_rebuild)
  from saldo.account as a
  cross join lateral (
    select f.row_count, case when f.row_count > 0
      then saldo_private.oldest_pending_at(a.id) end as oldest_at
    from (select) as one
    left join lateral saldo_private.pending_figures(a.id) as f on true
  ) as p
  where a.mode = 'hot'
$$;
comment on function saldo.settlement_health is
  'How settlement is doing, cheaply: hot accounts, pending rows and the age of the oldest, the '
  'last settlement, open holds and those past their time, and how often slots were rebuilt.';
revoke execute on function saldo.settlement_health from public;
grant execute on function saldo.settlement_health to saldo_admin, saldo_operator, saldo_anonymous;

comment on type saldo.balance_summary is 'Balances of an account at one moment.';
comment on column saldo.balance_summary.account_id is 'Account whose balances they are.';
comment on column saldo.balance_summary.currency is 'Currency of the amounts.';
comment on column saldo.balance_summary.settled_balance is
  'Balance of all that is posted, on the normal side.';
comment on column saldo.balance_summary.pending_debit is 'Submitted debits not yet settled.';
comment on column saldo.balance_summary.pending_credit is 'Submitted credits not yet settled.';
comment on column saldo.balance_summary.held is 'Sum of the open holds.';
comment on column saldo.balance_summary.available_balance is
  'What is left to take, above min_balance or not.';
comment on column saldo.balance_summary.pending_count is
  'Number of submitted transactions not yet settled.';
comment on column saldo.balance_summary.last_updated_at is
  'When the settled balance or what is pending last changed; when the account was opened if never. '
  'A hold changes neither, only what is available. Of an account that has not changed since the '
  'upgrade to this version: when the line of its latest day was posted.';
comment on column saldo.balance_summary.version is
  'Grows with every posting to the account; of a hot account with every settlement that brings its '
  'row up to date, so that between two of them last_updated_at tells alone that something changed.';

comment on type saldo.settlement_health_result is 'How settlement is doing.';
comment on column saldo.settlement_health_result.hot_account_count is
  'How many hot accounts there are.';
comment on column saldo.settlement_health_result.pending_count is
  'Submitted transactions that wait for settlement.';
comment on column saldo.settlement_health_result.oldest_pending_age_seconds is
  'Age of the oldest of them; 0 when there is none.';
comment on column saldo.settlement_health_result.last_settled_at is
  'When rows were last settled; null = never.';
comment on column saldo.settlement_health_result.open_hold_count is 'Holds that are open.';
comment on column saldo.settlement_health_result.overdue_hold_count is
  'Open holds past their time, which the next run of expire_holds ends.';
comment on column saldo.settlement_health_result.slot_rebuild_count is
  'How often slots were made again, first times included.';
