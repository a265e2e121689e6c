-- Closing a month: the checklist passed or waived, the figures sealed from the journal.
--
-- Public: close_period, reopen_period. Private: seal_period, snapshot_hash, close_period__*.
-- Sealed means: totals of each account, and a hash over them that is chained from period to period.
-- Healing never closes anything, and closing never heals.

create or replace function saldo_private.snapshot_hash(fiscal_year integer, number integer)
returns bytea
language sql
stable
as $$
  select sha256(convert_to(
    coalesce((
      select encode(p.snapshot_hash, 'hex')
      from saldo.period as p
      where (p.fiscal_year, p.number) < (snapshot_hash.fiscal_year, snapshot_hash.number)
      and p.snapshot_hash is not null
      order by p.fiscal_year desc, p.number desc
      limit 1
    ), 'first') || format(' %s/%s', snapshot_hash.fiscal_year, snapshot_hash.number)
    || coalesce((
      select string_agg(
        format(E'\n%s %s %s %s %s', s.account_id, trim_scale(s.debit), trim_scale(s.credit),
          trim_scale(s.debit_total), trim_scale(s.credit_total)),
        '' order by s.account_id
      )
      from saldo.closing_snapshot as s
      where s.fiscal_year = snapshot_hash.fiscal_year
      and s.number = snapshot_hash.number
    ), ''),
    'UTF8'
  ))
$$;
comment on function saldo_private.snapshot_hash is
  'SHA-256 over the hash of the sealed period before (or the word first), the name of the period, '
  'and a line for each account: id, debits and credits of the period, total debits and credits.';

create or replace function saldo_private.last_sealed_period()
returns setof saldo.period
language sql
stable
as $$
  select p.fiscal_year, p.number, p.starts_on, p.ends_on, p.status, p.closed_at, p.closed_by,
    p.account_count, p.line_count, p.snapshot_hash
  from saldo.period as p
  where p.snapshot_hash is not null
  order by p.fiscal_year desc, p.number desc
  limit 1
$$;
comment on function saldo_private.last_sealed_period is 'The last closed period; none = no row.';

create or replace function saldo_private.seal_period__line(
  period saldo.period,
  period_before saldo.period,
  base saldo.period
)
returns table (account_id bigint, debit numeric, credit numeric, is_of_period boolean)
language sql
stable
as $$
  select l.account_id, l.debit, l.credit, case period.number
      when 13 then e.source = 'close_year' and l.posting_date = period.ends_on
      else period_before.ends_on is null or l.posting_date > period_before.ends_on
    end
  from saldo.journal_line as l
  join saldo.journal_entry as e on e.id = l.entry_id
  where e.status <> 'draft'
  and l.posting_date <= period.ends_on
  -- December is sealed before the closing entries of its last day.
  and not (period.number = 12 and e.source = 'close_year' and l.posting_date = period.ends_on)
  and (base.ends_on is null or l.posting_date > base.ends_on
    or (base.number = 12 and e.source = 'close_year' and l.posting_date = base.ends_on))
$$;
comment on function saldo_private.seal_period__line is
  'Lines that the seal has more than the base it counts from, and whether they are of the period.';

create or replace function saldo_private.seal_period(period saldo.period)
returns saldo.period
language plpgsql
as $$
declare
  v_before saldo.period; -- the period before
  v_base saldo.period; -- the last one whose totals are all there
  v_line_count bigint;
  v_account_count bigint;
  v_sealed saldo.period;
begin
  select *
  into v_before
  from saldo.period as p
  where p.snapshot_hash is not null
  and (p.fiscal_year, p.number) < (period.fiscal_year, period.number)
  order by p.fiscal_year desc, p.number desc
  limit 1;
  v_base := saldo_private.last_whole_snapshot(period.ends_on, period.number);

  with moved as (
    select l.account_id, sum(l.debit) as debit, sum(l.credit) as credit,
      sum(l.debit) filter (where l.is_of_period) as own_debit,
      sum(l.credit) filter (where l.is_of_period) as own_credit,
      count(*) filter (where l.is_of_period) as line_count
    from saldo_private.seal_period__line(period, v_before, v_base) as l
    group by l.account_id
  ),
  sealed as (
    insert into saldo.closing_snapshot (
      account_id, fiscal_year, number, debit, credit, debit_total, credit_total
    )
    select coalesce(m.account_id, b.account_id), period.fiscal_year, period.number,
      coalesce(m.own_debit, 0), coalesce(m.own_credit, 0),
      coalesce(b.debit_total, 0) + coalesce(m.debit, 0),
      coalesce(b.credit_total, 0) + coalesce(m.credit, 0)
    from moved as m
    full join (
      select s.account_id, s.debit_total, s.credit_total
      from saldo.closing_snapshot as s
      where s.fiscal_year = v_base.fiscal_year
      and s.number = v_base.number
    ) as b on b.account_id = m.account_id
    returning account_id
  )
  select (select coalesce(sum(m.line_count), 0) from moved as m),
    (select count(*) from sealed)
  into v_line_count, v_account_count;

  update saldo.period as p
  set status = 'closed',
    closed_at = clock_timestamp(),
    closed_by = saldo_private.actor(),
    account_count = v_account_count,
    line_count = v_line_count,
    snapshot_hash = saldo_private.snapshot_hash(p.fiscal_year, p.number)
  where p.fiscal_year = period.fiscal_year
  and p.number = period.number
  returning *
  into v_sealed;
  return v_sealed;
end
$$;
comment on function saldo_private.seal_period is
  'Sums the journal up to the end of the period, from the snapshot before on, and seals it. '
  'Nothing can be posted in it any more: no lock is needed.';

create or replace function saldo_private.close_period__decision(
  period saldo.period,
  waive text[],
  reason text
)
returns saldo.decision
language sql
stable
as $$
  select saldo_private.decision(
    action => 'close_period',
    arguments => jsonb_build_object('month', period.starts_on, 'waive', waive),
    before => (
      select coalesce(jsonb_object_agg(c.item, c.open_count), '{}') || jsonb_build_object(
        'content', md5(string_agg(c.content, ',' order by c.item))
      )
      from saldo_private.checklist__open(period.ends_on) as c
      where c.open_count > 0
    ),
    reason => close_period__decision.reason
  )
$$;
comment on function saldo_private.close_period__decision is
  'The decision to close a month although items are open, with how many things of each are, and a '
  'hash of what they are.';

create or replace function saldo_private.close_period__decide(
  period saldo.period,
  waive text[],
  reason text
)
returns void
language plpgsql
as $$
declare
  v_decision saldo.decision := saldo_private.close_period__decision(period, waive, reason);
  v_open_count bigint := (
    select coalesce(sum(o.open_count::bigint), 0)
    from jsonb_each_text(v_decision.before - 'content') as o (item, open_count)
  );
  v_alone_max bigint := saldo_private.setting_value('waive_alone_count');
begin
  if v_open_count > v_alone_max then
    perform saldo_private.require_second_person(format(
      '%s: %s things are open, waive_alone_count is %s',
      saldo_private.period_name(period.fiscal_year, period.number), v_open_count, v_alone_max
    ));
  elsif v_open_count > 0 then
    perform saldo_private.record_decision(v_decision, 'approved');
  end if;
end
$$;
comment on function saldo_private.close_period__decide is
  'Lets one person waive what is open up to the limit, and keeps that it was alone: '
  'SB662 second_person_needed.';

create or replace function saldo_private.close_period__check(
  period saldo.period,
  waive text[],
  reason text,
  decision saldo.decision default null
)
returns uuid
language plpgsql
as $$
declare
  v_open text;
  v_event_id uuid;
  v_unknown text;
begin
  perform saldo_private.run_check('manual');
  select string_agg(coalesce(w.item, 'null'), ', ')
  into v_unknown
  from unnest(waive) as w (item)
  where not exists (
    select from saldo_private.checklist(period.ends_on) as c where c.item = w.item
  );
  if v_unknown is not null then
    perform saldo_private.fail('input_invalid', format('waive: no item is named %s', v_unknown));
  end if;
  select string_agg(format('%s: %s open', c.item, c.open_count), '; ')
  into v_open
  from saldo_private.checklist(period.ends_on) as c
  where not c.is_passed
  and c.item <> all (coalesce(waive, '{}'));
  if v_open is not null then
    perform saldo_private.fail('closing_refused', format(
      '%s: %s', saldo_private.period_name(period.fiscal_year, period.number), v_open
    ));
  end if;

  if decision.id is null then
    perform saldo_private.close_period__decide(period, waive, reason);
  elsif (saldo_private.close_period__decision(period, waive, reason)).before <> decision.before then
    perform saldo_private.fail('proposal_stale', format(
      '%s: other things are open than %s',
      saldo_private.period_name(period.fiscal_year, period.number), decision.before
    ));
  end if;

  v_event_id := saldo_private.record_period_event(period, 'close', reason);
  insert into saldo.period_check (event_id, item, outcome, open_count, evidence)
  select v_event_id, c.item,
    case when c.is_passed then 'passed' else 'waived' end::saldo.checklist_outcome, c.open_count,
    c.evidence
  from saldo_private.checklist(period.ends_on) as c;
  return v_event_id;
end
$$;
comment on function saldo_private.close_period__check is
  'Checks all rules, goes through the checklist, and keeps it: SB010 input_invalid for an unknown '
  'item, SB110 closing_refused, SB662 second_person_needed, SB622 proposal_stale with a decision '
  'about other things that are open.';

create or replace function saldo_private.close_period__run(
  period saldo.period,
  waive text[],
  reason text,
  decision saldo.decision default null
)
returns saldo.period
language plpgsql
as $$
declare
  v_period saldo.period := period;
begin
  if v_period.status = 'open' then
    v_period := saldo_private.begin_closing__run(v_period, reason);
  end if;
  if v_period.status <> 'closing' then
    perform saldo_private.refuse_period(v_period, 'only an open one is closed');
  end if;
  perform saldo_private.close_period__check(v_period, waive, reason, decision);
  return saldo_private.seal_period(v_period);
end
$$;
comment on function saldo_private.close_period__run is
  'Begins the closing unless that is done, checks, and seals. The caller has locked the books.';

create or replace function saldo.close_period(
  month date,
  waive text[] default null,
  reason text default null
)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
set jit = off -- as for rules
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period := saldo_private.require_month_period(month);
  v_reason text;
begin
  if cardinality(waive) > 0 or reason is not null then
    v_reason := saldo_private.require_text(reason, 'reason (of what is waived)');
  end if;
  return saldo_private.close_period__run(v_period, waive, v_reason);
end
$$;
comment on function saldo.close_period is
  'Closes the month of this day: begins (see begin_closing) unless that is done, checks all '
  'rules, goes through the checklist, and seals the totals of all accounts from the journal. '
  'waive: items of the checklist that may be open, for a reason. Errors: '
  'SB020 isolation_unsupported, SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB109 period_state, SB110 closing_refused with the items that are open, '
  'SB662 second_person_needed for more of it than waive_alone_count (see propose_closing); then '
  'nothing has changed.';
revoke execute on function saldo.close_period from public;
grant execute on function saldo.close_period to saldo_admin, saldo_accountant;

create or replace function saldo.reopen_period(
  fiscal_year integer,
  number integer,
  reason text
)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period :=
    saldo_private.require_period(reopen_period.fiscal_year, reopen_period.number);
  v_last saldo.period := saldo_private.last_closed_period();
begin
  if v_period.status <> 'closed' or v_period.snapshot_hash is null then
    perform saldo_private.refuse_period(v_period, 'only a closed one is reopened');
  elsif (v_last.fiscal_year, v_last.number) <> (v_period.fiscal_year, v_period.number) then
    perform saldo_private.refuse_period(v_last, 'the last one is reopened first');
  end if;
  if v_period.number = 13 then
    perform saldo_private.reverse_year_end(v_period, reopen_period.reason);
  end if;
  return saldo_private.reopen__run(v_period, 'reopen', reopen_period.reason);
end
$$;
comment on function saldo.reopen_period is
  'Opens the last closed period again: a month takes entries, the end of a year (number 13) has '
  'its closing entries reversed. What was posted meanwhile about the month stays where it is. '
  'Errors: SB020 isolation_unsupported, SB010 input_invalid, SB109 period_state unless it is the '
  'last one and closed, SB008 text_invalid, SB009 text_too_long; for the end of a year those of a '
  'posting.';
revoke execute on function saldo.reopen_period from public;
grant execute on function saldo.reopen_period to saldo_admin, saldo_accountant;
