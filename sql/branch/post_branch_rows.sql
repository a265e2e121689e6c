-- Posting rows: accepted entries of tills go into the journal, a batch in one statement.
--
-- Private: post_branch_rows, post_or_quarantine, branch_instant, is_passing_error.
-- Where a batch is refused it is halved until the rows stand alone that cannot be posted: these are
-- quarantined with the code of the error, and no other is held back. What passes by itself (a lock,
-- a full disk) ends the push instead, which is then sent again.
-- Cash at a till is a fact: no minimum of an account refuses it.

select saldo_private.describe_source('branch', passes_minimum => true);

create or replace function saldo_private.branch_instant(
  occurred_at timestamptz,
  business_date date,
  received_at timestamptz,
  zone text
)
returns timestamptz
language sql
stable
as $$
  select case
      -- A clock that runs ahead: nothing is posted on a day that has not come.
      when business_date > (received_at at time zone zone)::date
        or occurred_at > received_at + interval '5 minutes' then received_at
      when (occurred_at at time zone zone)::date = business_date then occurred_at
      else business_date::timestamp at time zone zone
    end
$$;
comment on function saldo_private.branch_instant is
  'The moment that a row is posted under: within its business date, and not after it came. zone: '
  'the business time zone, which the caller has read once.';

create or replace function saldo_private.is_passing_error(sqlstate_code text)
returns boolean
language sql
immutable
as $$
  select left(sqlstate_code, 2) in ('08', '40', '53', '55', '57', '58')
    or sqlstate_code in ('SB015', 'SB016', 'SB019', 'SB020', 'SB207')
$$;
comment on function saldo_private.is_passing_error is
  'Whether an error is of the moment, and says nothing about the row.';

create or replace function saldo_private.post_branch_rows(
  intake_ids bigint[],
  is_dated_now boolean default false
)
returns void
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
  v_zone text := saldo_private.setting_value('business_time_zone');
  -- A day once, and not each of its moments.
  v_days saldo_private.dated_day[] := saldo_private.posting_days_of(array(
    select min(at.instant)
    from saldo.branch_intake as i
    cross join lateral (
      select case when is_dated_now then now() else saldo_private.branch_instant(
        i.occurred_at, i.business_date, i.received_at, v_zone
      ) end as instant
    ) as at
    where i.id = any (intake_ids)
    group by (at.instant at time zone v_zone)::date
  ));
begin
  perform saldo_private.leave_moves_to_trigger();
  with filed as materialized (
    select i.id, i.entry_id, i.flow, i.amount, i.account_id, i.row_id, i.seq, i.category,
      left(coalesce(
        nullif(btrim(normalize(i.description, nfc)), ''), btrim(normalize(i.category, nfc))
      ), 500) as description,
      b.code, b.cash_account_id, d.device_no, at.instant, day.posting_date, day.origin_month
    from saldo.branch_intake as i
    join saldo.branch as b on b.id = i.branch_id
    join saldo.branch_device as d on d.id = i.device_id
    cross join lateral (
      select case when is_dated_now then now() else saldo_private.branch_instant(
        i.occurred_at, i.business_date, i.received_at, v_zone
      ) end as instant
    ) as at
    join (
      select (each.occurred_at at time zone v_zone)::date as on_date, each.posting_date,
        saldo_private.origin_month(
          (each.posting_date, each.origin_month)::saldo_private.posting_day, null
        ) as origin_month
      from unnest(v_days) as each
    ) as day on day.on_date = (at.instant at time zone v_zone)::date
    where i.id = any (intake_ids)
  ),
  entry as (
    insert into saldo.journal_entry (
      id, occurred_at, posting_date, origin_month, description, source, metadata, line_count,
      posted_at, posted_by, posted_in
    )
    select f.entry_id, f.instant, f.posting_date, f.origin_month, f.description, 'branch',
      jsonb_build_object('branch', f.code, 'device_no', f.device_no, 'row_id', f.row_id,
        'seq', f.seq, 'category', f.category),
      2, clock_timestamp(), v_actor, pg_current_xact_id()
    from filed as f
    order by f.id
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select side.account_id, f.posting_date, f.entry_id, side.line_no, side.debit, side.credit
  from filed as f
  cross join lateral (
    values
      (1, case f.flow when 'IN' then f.cash_account_id else f.account_id end, f.amount, 0),
      (2, case f.flow when 'IN' then f.account_id else f.cash_account_id end, 0, f.amount)
  ) as side (line_no, account_id, debit, credit);
end
$$;
comment on function saldo_private.post_branch_rows is
  'Posts these rows, all or none, under the entry ids that they have: one insert of entries, one '
  'of lines. is_dated_now: on the day of now, whatever the rows say. Errors: those of a posting.';

create or replace function saldo_private.post_or_quarantine(intake_ids bigint[])
returns void
language plpgsql
as $$
declare
  v_count integer := cardinality(intake_ids);
  v_state text;
begin
  if v_count = 0 then
    return;
  end if;
  begin
    perform saldo_private.post_branch_rows(intake_ids);
    return;
  exception
    when others then
      v_state := sqlstate;
      if saldo_private.is_passing_error(v_state) then
        raise;
      end if;
  end;
  if v_count > 1 then
    perform saldo_private.post_or_quarantine(intake_ids[:v_count / 2]);
    perform saldo_private.post_or_quarantine(intake_ids[v_count / 2 + 1:]);
    return;
  end if;
  -- Nobody was told of the first verdict: it is as if this had been it.
  update saldo.branch_intake as i
  set verdict = 'quarantined',
    verdict_reason = v_state,
    first_verdict = 'quarantined',
    first_reason = v_state,
    entry_id = null,
    posting_rule_id = null,
    is_suspense = false
  where i.id = any (intake_ids);
end
$$;
comment on function saldo_private.post_or_quarantine is
  'Posts rows that were filed in this transaction; those that cannot be posted are quarantined.';
