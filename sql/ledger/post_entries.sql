-- Posting entries: the one way into the journal.
--
-- Public: post_entries. Private: post_entry, posted_under_key (for all rooms).
-- Entries first, then all lines in one statement, so that the posting trigger runs once whatever
-- the number of entries.

create or replace function saldo_private.posted_under_key(idempotency_key text, source text)
returns uuid
language plpgsql
stable
-- A plan is kept: one from when the journal was small reads all of what it has become.
set enable_seqscan = off
as $$
begin
  -- In the words of the index journal_entry_is_posted_once_per_key, which answers it.
  return (
    select e.id
    from saldo.journal_entry as e
    where e.idempotency_key = posted_under_key.idempotency_key
    and e.source = posted_under_key.source
    and e.recorded_at >= '2026-11-01 00:00:00+00'
    and e.source not in ('purchase', 'deposit', 'adjust_balance', 'capture_hold')
    limit 1
  );
end
$$;
comment on function saldo_private.posted_under_key is
  'The entry of this source that was posted under a key; null = none, or its source has rows of '
  'its own that are there once.';

create or replace function saldo_private.post_entry(
  entry_id uuid,
  account_ids bigint[],
  debits numeric[],
  credits numeric[],
  description text,
  source text,
  kind saldo.entry_kind default 'normal',
  occurred_at timestamptz default null,
  idempotency_key text default null,
  reverses uuid default null,
  metadata jsonb default null,
  origin_month date default null
)
returns saldo.journal_entry
language plpgsql
as $$
declare
  v_occurred_at timestamptz := coalesce(post_entry.occurred_at, now());
  v_day saldo_private.posting_day := saldo_private.posting_day_of(v_occurred_at);
  v_entry saldo.journal_entry;
begin
  if post_entry.idempotency_key is not null then
    perform saldo_private.refuse_done(
      'entry', saldo_private.posted_under_key(post_entry.idempotency_key, post_entry.source),
      post_entry.idempotency_key
    );
  end if;
  insert into saldo.journal_entry (
    id, kind, occurred_at, posting_date, origin_month, description, source, idempotency_key,
    reverses, metadata, line_count, posted_at, posted_by, posted_in
  )
  values (
    post_entry.entry_id, post_entry.kind, v_occurred_at, v_day.posting_date,
    saldo_private.origin_month(v_day, post_entry.origin_month), post_entry.description,
    post_entry.source, post_entry.idempotency_key, post_entry.reverses,
    coalesce(post_entry.metadata, '{}'), cardinality(post_entry.account_ids), clock_timestamp(),
    saldo_private.actor(), pg_current_xact_id()
  )
  returning *
  into v_entry;

  perform saldo_private.leave_moves_to_trigger();
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, v_entry.posting_date, v_entry.id, l.line_no, l.debit, l.credit
  from unnest(post_entry.account_ids, post_entry.debits, post_entry.credits)
    with ordinality as l (account_id, debit, credit, line_no);
  return v_entry;
end
$$;
comment on function saldo_private.post_entry is
  'Posts one entry whose amounts have been checked. occurred_at: default now. origin_month: of '
  'what it is about; default the month of occurred_at, null where that is the month of the '
  'posting date. Errors: SB108 period_locked, SB022 already_done, and those of the posting '
  'trigger.';

create or replace function saldo_private.post_entries__check_lines(entries jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_line jsonb;
begin
  select l.line
  into v_line
  from jsonb_array_elements(entries) as e (entry)
  cross join lateral jsonb_array_elements(e.entry -> 'lines') as l (line)
  where case when jsonb_typeof(l.line) = 'object'
    then l.line - array['account_id', 'account_code', 'debit', 'credit', 'currency'] <> '{}'
  end
  limit 1;
  if v_line is not null then
    perform saldo_private.fail('input_invalid', format(
      'a line has account_id or account_code, debit or credit and, where wanted, currency; not: %s',
      left(v_line::text, 200)
    ));
  end if;

  select l.line
  into v_line
  from jsonb_array_elements(entries) as e (entry)
  cross join lateral jsonb_array_elements(e.entry -> 'lines') as l (line)
  where jsonb_typeof(l.line) <> 'object'
  or (l.line ? 'debit') = (l.line ? 'credit')
  or (l.line ? 'account_id') = (l.line ? 'account_code')
  or (l.line ? 'account_id' and l.line ->> 'account_id' !~ '^[0-9]{1,18}$')
  limit 1;
  if v_line is not null then
    perform saldo_private.fail('entry_invalid', format(
      'a line has account_id or account_code, and debit or credit; not: %s', left(v_line::text, 200)
    ));
  end if;
end
$$;
comment on function saldo_private.post_entries__check_lines is
  'Refuses lines that have what no line has (a misspelt currency would go unchecked): '
  'SB010 input_invalid; or not what each has: SB107 entry_invalid.';

create or replace function saldo_private.post_entries__check_form(entries jsonb)
returns void
language plpgsql
stable
as $$
declare
  v_entry jsonb;
begin
  if jsonb_typeof(entries) is distinct from 'array'
    or jsonb_array_length(entries) not between 1 and 10000
  then
    perform saldo_private.fail('input_invalid', 'entries: an array of 1 to 10,000 entries');
  end if;

  select e.entry
  into v_entry
  from jsonb_array_elements(entries) as e (entry)
  where jsonb_typeof(e.entry) <> 'object'
  or jsonb_typeof(e.entry -> 'lines') is distinct from 'array'
  or exists (
    select from jsonb_object_keys(
      case when jsonb_typeof(e.entry) = 'object' then e.entry else '{}' end
    ) as k (key)
    where k.key not in (
      'kind', 'description', 'occurred_at', 'origin_month', 'idempotency_key', 'source',
      'metadata', 'lines'
    )
  )
  or coalesce(e.entry ->> 'kind', 'normal') not in ('normal', 'opening', 'adjustment', 'correction')
  or btrim(e.entry ->> 'source')
    in (select s.source from saldo_private.posting_source as s where s.is_reserved)
  limit 1;
  if v_entry is not null then
    perform saldo_private.fail('input_invalid', format(
      'an entry has description, lines and, where wanted, kind (normal, opening, adjustment, '
      'correction), occurred_at, origin_month, idempotency_key, source (not %s), metadata; '
      'not: %s',
      (select string_agg(s.source, ', ' order by s.source)
        from saldo_private.posting_source as s
        where s.is_reserved),
      left(v_entry::text, 200)
    ));
  end if;

  perform saldo_private.post_entries__check_lines(entries);

  select e.entry
  into v_entry
  from jsonb_array_elements(entries) as e (entry)
  where jsonb_array_length(e.entry -> 'lines') not between 2 and 1000
  limit 1;
  if v_entry is not null then
    perform saldo_private.fail('entry_invalid', 'an entry has 2 to 1,000 lines');
  end if;
end
$$;
comment on function saldo_private.post_entries__check_form is
  'Refuses JSON that does not have the shape of entries: SB010 input_invalid, SB107 entry_invalid.';

create or replace function saldo_private.post_entries__account(
  line jsonb,
  account saldo.account
)
returns bigint
language plpgsql
stable
as $$
begin
  if account.id is null then
    perform saldo_private.fail(
      'account_not_found', coalesce(line ->> 'account_code', line ->> 'account_id')
    );
  elsif line ->> 'currency' <> account.currency then
    perform saldo_private.fail('currency_mismatch', format(
      'account %s is in %s, the line in %s', account.id, account.currency,
      left(line ->> 'currency', 10)
    ));
  end if;
  return account.id;
end
$$;
comment on function saldo_private.post_entries__account is
  'The account of a line, found and in the line''s currency: SB101 account_not_found, '
  'SB104 currency_mismatch.';

create or replace function saldo_private.post_entries__refuse_done(entries jsonb, entry_ids uuid[])
returns void
language plpgsql
as $$
begin
  perform saldo_private.refuse_done('entry', d.id, d.key)
  from jsonb_array_elements(entries) with ordinality as e (entry, entry_no)
  cross join lateral (
    select saldo_private.posted_under_key(
        e.entry ->> 'idempotency_key', coalesce(e.entry ->> 'source', 'post_entries')
      ) as id,
      e.entry ->> 'idempotency_key' as key
  ) as d
  where e.entry ? 'idempotency_key'
  and entry_ids[e.entry_no] is not null;
end
$$;
comment on function saldo_private.post_entries__refuse_done is
  'Refuses entries with a key that is new and an entry that is there: SB022 already_done.';

create or replace function saldo_private.post_entries__write(entries jsonb, entry_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_days saldo_private.dated_day[] := saldo_private.posting_days_of(array(
    select saldo_private.require_occurred_at(
      saldo_private.require_instant_text(e.entry ->> 'occurred_at', 'occurred_at')
    )
    from jsonb_array_elements(entries) with ordinality as e (entry, entry_no)
    -- What was posted before has its day already.
    where entry_ids[e.entry_no] is not null
  ));
begin
  perform saldo_private.post_entries__refuse_done(entries, entry_ids);
  perform saldo_private.leave_moves_to_trigger();
  with entry as materialized (
    select entry_ids[e.entry_no] as id, e.entry, day.occurred_at, day.posting_date,
      saldo_private.origin_month(
        (day.posting_date, day.origin_month)::saldo_private.posting_day,
        case when e.entry ? 'origin_month'
          then saldo_private.require_origin_month(
            saldo_private.require_instant_text(e.entry ->> 'origin_month', 'origin_month')::date
          ) end
      ) as origin_month
    from jsonb_array_elements(entries) with ordinality as e (entry, entry_no)
    join unnest(v_days) as day
      on day.occurred_at = coalesce((e.entry ->> 'occurred_at')::timestamptz, now())
    where entry_ids[e.entry_no] is not null
  ),
  line as materialized (
    select e.id as entry_id, l.line_no,
      -- By subqueries: a join would read all accounts for each entry where they are not many.
      saldo_private.post_entries__account(
        l.line, case when l.line ? 'account_id' then (
          select a from saldo.account as a where a.id = (l.line ->> 'account_id')::bigint
        ) else (
          select a from saldo.account as a where a.code = l.line ->> 'account_code'
        ) end
      ) as account_id,
      case when l.line ? 'debit' then saldo_private.require_amount_text(l.line ->> 'debit')
      else 0 end as debit,
      case when l.line ? 'credit' then saldo_private.require_amount_text(l.line ->> 'credit')
      else 0 end as credit
    from entry as e
    cross join lateral jsonb_array_elements(e.entry -> 'lines') with ordinality as l (line, line_no)
  ),
  written as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, origin_month, description, source, idempotency_key,
      metadata, line_count, posted_at, posted_by, posted_in
    )
    select e.id, coalesce(e.entry ->> 'kind', 'normal')::saldo.entry_kind, e.occurred_at,
      e.posting_date, e.origin_month,
      saldo_private.require_text(e.entry ->> 'description', 'description'),
      saldo_private.require_line(coalesce(e.entry ->> 'source', 'post_entries'), 'source', 100),
      e.entry ->> 'idempotency_key', coalesce(e.entry -> 'metadata', '{}'),
      jsonb_array_length(e.entry -> 'lines'), clock_timestamp(), saldo_private.actor(),
      pg_current_xact_id()
    from entry as e
    returning id, posting_date
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select l.account_id, w.posting_date, l.entry_id, l.line_no, l.debit, l.credit
  from line as l
  join written as w on w.id = l.entry_id;
end
$$;
comment on function saldo_private.post_entries__write is
  'Writes the entries that have an id; a null id stands for one that was posted before.';

create or replace function saldo_private.post_entries__post(
  entries jsonb,
  is_alone boolean default true
)
returns setof saldo.journal_entry
language plpgsql
as $$
declare
  v_ids uuid[];
  v_new_ids uuid[];
begin
  perform saldo_private.post_entries__check_form(entries);

  -- Keys are claimed in order, so that two batches never wait for each other crosswise.
  select array_agg(coalesce(c.earlier_id, c.id) order by c.entry_no),
    array_agg(case when c.earlier_id is null then c.id end order by c.entry_no)
  into v_ids, v_new_ids
  from (
    select e.entry_no, e.id, saldo_private.claim_idempotency_key(
      'ledger', e.entry ->> 'idempotency_key', 'post_entries', e.entry, e.id
    ) as earlier_id
    from (
      select r.entry_no, r.entry, r.id
      from rows from (
        jsonb_array_elements(entries),
        unnest(saldo_private.uuids_v7(jsonb_array_length(entries)))
      ) with ordinality as r (entry, id, entry_no)
      order by r.entry ->> 'idempotency_key', r.entry_no
      offset 0
    ) as e
  ) as c;

  perform saldo_private.post_entries__write(entries, v_new_ids);
  if is_alone and saldo_private.is_entry_limited() then
    perform saldo_private.use_entry_limit(v_new_ids);
  end if;

  return query
  select j.*
  from unnest(v_ids) with ordinality as i (id, entry_no)
  join saldo.journal_entry as j on j.id = i.id
  order by i.entry_no;
end
$$;
comment on function saldo_private.post_entries__post is
  'Posts entries as post_entries says; is_alone: no other person has written them down.';

create or replace function saldo.post_entries(entries jsonb)
returns setof saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  return query
  select e.*
  from saldo_private.post_entries__post(entries) as e;
end
$$;
comment on function saldo.post_entries is
  'Posts journal entries, all or none: a JSON array of {description, lines: [{account_id or '
  'account_code, debit or credit, currency?}], kind?, occurred_at?, origin_month?, '
  'idempotency_key?, source?, metadata?}. Amounts are positive, as JSON strings or numbers. '
  'Returns the entries in the order given; one whose idempotency_key was used before with the '
  'same content comes back as it is. Locks the accounts in id order. Errors in checking order: '
  'SB010 input_invalid, SB107 entry_invalid, SB005 idempotency_conflict, SB108 period_locked, '
  'SB022 already_done where the record of the key is gone, '
  'SB002 amount_invalid, SB003 amount_scale, SB004 amount_out_of_range, SB008 text_invalid, '
  'SB009 text_too_long, SB101 account_not_found, SB102 account_closed, SB121 account_frozen, '
  'SB104 currency_mismatch, SB103 entry_unbalanced, SB001 insufficient_balance, '
  'SB662 second_person_needed for an accountant above entry_alone_amount on a day. Where another '
  'function speaks of those of a posting, they are from SB108 period_locked on, and on a hot '
  'account also SB015 conflict_retry when its mode changes at this moment, '
  'SB020 isolation_unsupported, SB207 prepared_transaction_open.';
revoke execute on function saldo.post_entries from public;
grant execute on function saldo.post_entries to saldo_admin, saldo_accountant;
