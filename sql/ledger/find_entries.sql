-- Entries as people look for them: by day, account, amount, source, key and words.
--
-- Public: find_entries, entry_lines; types saldo.found_entry, saldo.entry_line.
-- Private: entry_of_key, find_entries__candidates, find_entries__shown, find_entries__query,
-- find_entries__by_reference.
-- No index knows amounts, sources or words: each would cost every posting. So a page goes through
-- at most 5,000 entries in an order that an index has, and where it came to the end of them
-- without being full, its last row says how far it came. The next page goes on from there: each
-- costs the same, however large the journal and however rare what is looked for.

create or replace function saldo_private.entry_of_key(key text)
returns uuid
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select r.result_id
  from saldo_private.idempotency_record as r
  where r.scope = 'ledger'
  and r.key = entry_of_key.key
$$;
comment on function saldo_private.entry_of_key is
  'Id of what was made under an idempotency key of the ledger, while its record is kept.';
revoke execute on function saldo_private.entry_of_key from public;
grant execute on function saldo_private.entry_of_key to saldo_admin, saldo_operator;

create or replace function saldo_private.find_entries__candidates(
  account_id bigint,
  from_date date,
  to_date date,
  before_id uuid
)
returns text
language sql
immutable
as $$
  -- Conditions that are not asked for are left out: the planner then knows what the order costs.
  -- That no draft is shown is seen to outside: the planner may think that all are drafts.
  -- $1 account, $2 and $3 days, $4 the entry before and $5 its day, $6 how many.
  select case when account_id is null then format(
    'select e as entry, e.id, e.posting_date, 0 as line_no from saldo.journal_entry as e '
      'where true%s%s order by %s limit $6',
    w.days,
    case when before_id is null then '' when w.days = '' then ' and e.id < $4'
      else ' and e.posting_date <= $5 and (e.posting_date, e.id) < ($5, $4)' end,
    case w.days when '' then 'e.id desc' else 'e.posting_date desc, e.id desc' end
  )
  else format(
    'select e as entry, l.entry_id as id, l.posting_date, l.line_no from ('
      'select e.entry_id, e.posting_date, e.line_no from saldo.journal_line as e '
      'where e.account_id = $1%s%s order by e.posting_date desc, e.entry_id desc limit $6'
      ') as l join saldo.journal_entry as e on e.id = l.entry_id '
      'order by l.posting_date desc, l.entry_id desc',
    w.days,
    case when before_id is null then ''
      else ' and (e.posting_date, e.entry_id) < ($5, $4)' end
  ) end
  from (
    select case when from_date is null then '' else ' and e.posting_date >= $2' end
      || case when to_date is null then '' else ' and e.posting_date <= $3' end as days
  ) as w
$$;
comment on function saldo_private.find_entries__candidates is
  'The query that gives the entries to go through, newest first: in the order of recording, or of '
  'posting date where days or an account are asked for, as the indexes have it.';
grant execute on function saldo_private.find_entries__candidates to saldo_admin, saldo_operator;

create or replace function saldo_private.find_entries__shown(
  entry saldo.journal_entry,
  is_match boolean
)
returns saldo.found_entry
language sql
stable
as $$
  select jsonb_populate_record(
    null::saldo.found_entry,
    jsonb_build_object(
      'id', entry.id,
      'is_match', is_match,
      'posting_date', entry.posting_date,
      'occurred_at', entry.occurred_at,
      'kind', entry.kind,
      'status', entry.status,
      'description', entry.description,
      'source', entry.source,
      'idempotency_key', entry.idempotency_key,
      'reverses', entry.reverses,
      'posted_by', entry.posted_by,
      'line_count', entry.line_count,
      'debit_codes', s.debit_codes,
      'credit_codes', s.credit_codes,
      'amount', s.amount,
      'currency', s.currency
    )
  )
  from (
    -- An entry may have a thousand lines: its first twenty name accounts enough.
    select
      string_agg(distinct a.code, ', ') filter (where l.debit > 0 and l.line_no <= 20)
        as debit_codes,
      string_agg(distinct a.code, ', ') filter (where l.credit > 0 and l.line_no <= 20)
        as credit_codes,
      case when min(a.currency) = max(a.currency) then trim_scale(sum(l.debit)) end as amount,
      case when min(a.currency) = max(a.currency) then min(a.currency) end as currency
    from saldo.journal_line as l
    join saldo.account as a on a.id = l.account_id
    where l.entry_id = entry.id
  ) as s
$$;
comment on function saldo_private.find_entries__shown is
  'An entry as a page of the journal has it.';
grant execute on function saldo_private.find_entries__shown to saldo_admin, saldo_operator;

create or replace function saldo_private.find_entries__query(candidates text, is_by_day boolean)
returns text
language sql
immutable
as $$
  -- $7 source, $8 kind, $9 words, $10 and $11 amounts, $12 how many.
  select format(
    $query$
    select f.*
    from (
      select c.entry, c.id, c.posting_date
      from (%s) as c
      where (c.entry).status <> 'draft'
      and ($7 is null or (c.entry).source = $7)
      and ($8 is null or (c.entry).kind = $8)
      and (cardinality($9) = 0 or (c.entry).description ilike all ($9))
      and (($10 is null and $11 is null) or exists (
        select
        from saldo.journal_line as l
        where l.entry_id = c.id
        and ($1 is null or l.account_id = $1)
        and l.debit + l.credit >= coalesce($10, 0)
        and l.debit + l.credit <= coalesce($11, 'infinity')
      ))
      -- Once for an entry that has several lines of the account.
      and ($1 is null or not exists (
        select
        from saldo.journal_line as earlier
        where earlier.account_id = $1
        and earlier.posting_date = c.posting_date
        and earlier.entry_id = c.id
        and earlier.line_no < c.line_no
      ))
      order by %s
      limit $12
    ) as c
    cross join lateral saldo_private.find_entries__shown(c.entry, true) as f
    order by %s
    $query$,
    candidates, o.places, o.places
  )
  from (
    select case when is_by_day then 'c.posting_date desc, c.id desc' else 'c.id desc' end as places
  ) as o
$$;
comment on function saldo_private.find_entries__query is
  'The query that goes through candidates and gives a page of those that are looked for.';
grant execute on function saldo_private.find_entries__query to saldo_admin, saldo_operator;

create or replace function saldo_private.find_entries__by_reference(reference text)
returns setof saldo.found_entry
language sql
stable
as $$
  select f.*
  from (
    select case when reference ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      then reference::uuid else saldo_private.entry_of_key(reference) end as id
  ) as r
  join saldo.journal_entry as e on e.id = r.id or e.reverses = r.id
  cross join lateral saldo_private.find_entries__shown(e, true) as f
  where e.status <> 'draft'
  order by e.id desc
$$;
comment on function saldo_private.find_entries__by_reference is
  'The entry with an id or a key of the ledger, and the one that reverses it.';
grant execute on function saldo_private.find_entries__by_reference to saldo_admin, saldo_operator;

create or replace function saldo.find_entries(
  from_date date default null,
  to_date date default null,
  account_id bigint default null,
  min_amount numeric default null,
  max_amount numeric default null,
  source text default null,
  kind saldo.entry_kind default null,
  reference text default null,
  search text default null,
  before_id uuid default null,
  row_limit integer default 50
)
returns setof saldo.found_entry
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
-- A page is a few rows of an index and what belongs to them; nothing is worth reading a table for.
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_scan_limit constant integer := 5000;
  v_is_by_day boolean := coalesce(account_id::text, from_date::text, to_date::text) is not null;
  v_candidates text;
  v_before_date date;
  v_count integer;
begin
  if (row_limit between 1 and 1001) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1001');
  elsif length(search) > 200 or length(reference) > 200 then
    perform saldo_private.fail('text_too_long', 'search, reference: up to 200 characters');
  end if;
  if reference is not null then
    return query
    select f.*
    from saldo_private.find_entries__by_reference(find_entries.reference) as f;
    return;
  end if;

  v_candidates := saldo_private.find_entries__candidates(account_id, from_date, to_date, before_id);
  select e.posting_date
  into v_before_date
  from saldo.journal_entry as e
  where e.id = before_id;
  return query execute format(
    '%s', saldo_private.find_entries__query(v_candidates, v_is_by_day)
  )
  using account_id, from_date, to_date, before_id, v_before_date, v_scan_limit, source, kind,
    saldo_private.search_words(search), min_amount, max_amount, row_limit;
  get diagnostics v_count = row_count;
  if v_count < row_limit then
    return query execute format(
      $query$
      select f.*
      from (select c.entry from (%s) as c offset $7) as c
      cross join lateral saldo_private.find_entries__shown(c.entry, false) as f
      $query$,
      v_candidates
    )
    using account_id, from_date, to_date, before_id, v_before_date, v_scan_limit, v_scan_limit - 1;
  end if;
end
$$;
comment on function saldo.find_entries is
  'Posted entries, the last recorded first; of days or an account by posting date, the last first. '
  'from_date, to_date: posting dates, both included. min_amount, max_amount: of a line, of the '
  'account where there is one. source: what posted it. reference: id of an entry, or a key of the '
  'ledger; gives it and what reverses it, whatever else is asked for. search: words that are all '
  'in the description, in any case. before_id: the last row of the page before. A page goes '
  'through 5,000 entries: where they did not fill it and there are more, its last row has '
  'is_match = false and says how far it came; go on with before_id. row_limit: 1 to 1001. Errors '
  'in checking order: SB010 input_invalid, SB009 text_too_long.';
revoke execute on function saldo.find_entries from public;
grant execute on function saldo.find_entries to saldo_admin, saldo_operator;

create or replace function saldo.entry_lines(entry_id uuid)
returns setof saldo.entry_line
language sql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
  select l.line_no, l.account_id, a.code, a.name, a.currency, trim_scale(l.debit),
    trim_scale(l.credit)
  from saldo.journal_line as l
  left join saldo.account as a on a.id = l.account_id
  where l.entry_id = entry_lines.entry_id
  order by l.line_no
$$;
comment on function saldo.entry_lines is
  'The lines of an entry with the codes and names of their accounts.';
revoke execute on function saldo.entry_lines from public;
grant execute on function saldo.entry_lines to saldo_admin, saldo_operator;

comment on type saldo.found_entry is 'An entry as a page of the journal shows it.';
comment on column saldo.found_entry.id is 'Entry.';
comment on column saldo.found_entry.is_match is
  'False: not looked for, but how far the page came before it was full.';
comment on column saldo.found_entry.posting_date is 'Date on which it counts.';
comment on column saldo.found_entry.occurred_at is 'When it took place, by the business.';
comment on column saldo.found_entry.kind is 'What the entry is for.';
comment on column saldo.found_entry.status is 'posted or reversed.';
comment on column saldo.found_entry.description is 'What happened, in words.';
comment on column saldo.found_entry.source is 'The function or room that posted it.';
comment on column saldo.found_entry.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.found_entry.reverses is 'The entry that this reversal cancels.';
comment on column saldo.found_entry.posted_by is 'Who posted it: token subject or login.';
comment on column saldo.found_entry.line_count is 'Number of its lines.';
comment on column saldo.found_entry.debit_codes is
  'Codes of the accounts that its first twenty lines debit.';
comment on column saldo.found_entry.credit_codes is
  'Codes of the accounts that its first twenty lines credit.';
comment on column saldo.found_entry.amount is
  'Sum of its debits, which is that of its credits; null where it has several currencies.';
comment on column saldo.found_entry.currency is 'Their currency; null where it has several.';

comment on type saldo.entry_line is 'A line of an entry, with what its account is called.';
comment on column saldo.entry_line.line_no is 'Number of the line within its entry.';
comment on column saldo.entry_line.account_id is 'Account.';
comment on column saldo.entry_line.account_code is 'Code of the account.';
comment on column saldo.entry_line.account_name is 'Name of the account.';
comment on column saldo.entry_line.currency is 'Currency of the account and so of the line.';
comment on column saldo.entry_line.debit is 'Debit of the line, or 0.';
comment on column saldo.entry_line.credit is 'Credit of the line, or 0.';
