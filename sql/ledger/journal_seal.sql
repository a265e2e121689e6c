-- Seals: chained hashes over posted entries, so that a change of the journal past the engine shows.
--
-- Public: saldo.journal_seal, journal_seal_total, journal_seal_entry; seal_journal, seal_status.
-- Private: seal_text, seal_journal__entries, seal_journal__chain; table seal_progress.
-- Trigger: keep_seals_immutable (SB111). Verification: sql/closing/verify_journal.sql.
-- A seal covers entries of one month, in the order of their ids, and has the hash of the seal
-- before it. Sealing is a job after the commit: a posting pays for one entry of an index.
-- Each entry is sealed once: its id is the key of journal_seal_entry. None is passed over: what was
-- running when a sealer looked has a transaction number from that snapshot's xmin on, and the next
-- sealer begins there. So a writer that hangs holds up no other's seal.
-- In a database that was restored into another cluster, transaction numbers begin again: then all
-- entries are gone through once, without going by these numbers.
-- Locks: the row of seal_progress; a second sealer waits, and finds the rest.

create or replace function saldo_private.seal_text(seal saldo.journal_seal)
returns text
language sql
stable
as $$
  select 'saldo-seal-1'
    || saldo_private.text_field(seal.number::text)
    || saldo_private.date_field(seal.month)
    || saldo_private.text_field(encode(seal.previous_hash, 'hex'))
    || saldo_private.text_field(seal.entry_count::text)
    || saldo_private.text_field(seal.line_count::text)
    || saldo_private.text_field(encode(seal.entries_hash, 'hex'))
    || saldo_private.instant_field(seal.sealed_at)
    || saldo_private.text_field(seal.sealed_by)
    || E'\n'
    || coalesce((
      select string_agg(
        'total' || saldo_private.text_field(t.currency)
          || saldo_private.text_field(t.line_count::text)
          || saldo_private.text_field(trim_scale(t.debit)::text)
          || saldo_private.text_field(trim_scale(t.credit)::text) || E'\n',
        '' order by t.currency collate "C"
      )
      from saldo.journal_seal_total as t
      where t.seal_number = seal.number
    ), '')
$$;
comment on function saldo_private.seal_text is
  'Canonical text of a seal, whose SHA-256 is its hash: the seal, and a line for each currency.';

create or replace function saldo_private.lock_seal_progress()
returns saldo_private.seal_progress
language plpgsql
as $$
declare
  v_progress saldo_private.seal_progress;
  v_cluster text := saldo_private.current_cluster();
begin
  perform saldo_private.require_read_committed();
  select *
  into strict v_progress
  from saldo_private.seal_progress
  where id = 1
  for no key update;
  if v_progress.cluster is distinct from v_cluster then
    update saldo_private.seal_progress
    set cluster = v_cluster,
      sealed_until = pg_snapshot_xmin(pg_current_snapshot()),
      catch_up_from = '0'
    where id = 1
    returning *
    into v_progress;
  end if;
  return v_progress;
end
$$;
comment on function saldo_private.lock_seal_progress is
  'How far the sealer is, and no other seals meanwhile. In a cluster that it does not know it '
  'begins to go through all entries: SB020 isolation_unsupported.';

create or replace function saldo_private.seal_journal__entries(
  progress saldo_private.seal_progress,
  row_limit integer,
  out entry_count bigint,
  out last_posted_in xid8
)
language plpgsql
as $$
declare
  v_until xid8 := pg_snapshot_xmax(pg_current_snapshot());
begin
  with candidate as materialized (
    select e.id, e.posted_in, saldo_private.month_of(e.posting_date) as month
    from saldo.journal_entry as e
    where e.posted_in >= coalesce(progress.catch_up_from, progress.sealed_until)
    and (e.posted_in < v_until or progress.catch_up_from is not null)
    and not exists (select from saldo.journal_seal_entry as s where s.entry_id = e.id)
    order by e.posted_in, e.id
    limit row_limit
  ),
  sealed as (
    insert into saldo.journal_seal_entry (seal_number, entry_id, entry_part, hash)
    select progress.head_number + c.place, h.entry_id, h.entry_part, h.hash
    from (
      select id, dense_rank() over (order by month) as place
      from candidate
    ) as c
    join saldo_private.journal_entry_hash as h on h.entry_id = c.id
  )
  select (select count(*) from candidate),
    (select c.posted_in from candidate as c order by c.posted_in desc limit 1)
  into entry_count, last_posted_in;

  insert into saldo.journal_seal_total (seal_number, currency, line_count, debit, credit)
  select s.seal_number, coalesce(a.currency, 'unknown'), count(*), sum(l.debit), sum(l.credit)
  from saldo.journal_seal_entry as s
  join saldo.journal_line as l on l.entry_id = s.entry_id
  left join saldo.account as a on a.id = l.account_id
  where s.seal_number > progress.head_number
  group by s.seal_number, coalesce(a.currency, 'unknown');
end
$$;
comment on function saldo_private.seal_journal__entries is
  'Hashes the next entries, a seal for each of their months, and sums them up by currency.';

create or replace function saldo_private.seal_journal__chain(progress saldo_private.seal_progress)
returns setof saldo.journal_seal
language sql
as $$
  with recursive part as materialized (
    select s.seal_number as number, min(saldo_private.month_of(e.posting_date)) as month,
      count(*) as entry_count,
      coalesce((
        select sum(t.line_count)
        from saldo.journal_seal_total as t
        where t.seal_number = s.seal_number
      ), 0)::bigint as line_count,
      sha256(convert_to(string_agg(
        s.entry_id || E'\t' || encode(s.hash, 'hex') || E'\n', '' order by s.entry_id
      ), 'UTF8')) as entries_hash,
      clock_timestamp() as sealed_at
    from saldo.journal_seal_entry as s
    join saldo.journal_entry as e on e.id = s.entry_id
    where s.seal_number > progress.head_number
    group by s.seal_number
  ),
  chain (number, previous_hash, hash) as (
    select progress.head_number, null::bytea, progress.head_hash
    union all
    select p.number, c.hash, sha256(convert_to(
      saldo_private.seal_text(jsonb_populate_record(
        null::saldo.journal_seal,
        to_jsonb(p) || jsonb_build_object(
          'previous_hash', c.hash, 'sealed_by', saldo_private.actor()
        )
      )),
      'UTF8'
    ))
    from chain as c
    join part as p on p.number = c.number + 1
  )
  insert into saldo.journal_seal (
    number, month, entry_count, line_count, entries_hash, previous_hash, hash, sealed_at, sealed_by
  )
  select p.number, p.month, p.entry_count, p.line_count, p.entries_hash, c.previous_hash, c.hash,
    p.sealed_at, saldo_private.actor()
  from chain as c
  join part as p on p.number = c.number
  returning *
$$;
comment on function saldo_private.seal_journal__chain is
  'Makes the seals of what was just hashed, each with the hash of the one before.';

create or replace function saldo.seal_journal(row_limit integer default 100000)
returns setof saldo.journal_seal
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_progress saldo_private.seal_progress;
  v_xmin xid8;
  v_entry_count bigint;
  v_last xid8;
begin
  if (row_limit between 1 and 1000000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1000000');
  end if;
  v_progress := saldo_private.lock_seal_progress();
  -- Before the entries are read: what is running now may be missing among them.
  v_xmin := pg_snapshot_xmin(pg_current_snapshot());
  select sealed.entry_count, sealed.last_posted_in
  into v_entry_count, v_last
  from saldo_private.seal_journal__entries(v_progress, row_limit) as sealed;
  return query
  select s.number, s.month, s.entry_count, s.line_count, s.entries_hash, s.previous_hash, s.hash,
    s.sealed_at, s.sealed_by
  from saldo_private.seal_journal__chain(v_progress) as s;

  update saldo_private.seal_progress as p
  set catch_up_from = case when v_entry_count = row_limit and p.catch_up_from is not null
      then v_last end,
    sealed_until = case
      when p.catch_up_from is not null then p.sealed_until
      when v_entry_count = row_limit and v_last < v_xmin then v_last
      else v_xmin
    end,
    head_number = coalesce(head.number, p.head_number),
    head_hash = coalesce(head.hash, p.head_hash),
    entry_count = p.entry_count + v_entry_count
  from (select) as one
  left join lateral (
    select s.number, s.hash
    from saldo.journal_seal as s
    order by s.number desc
    limit 1
  ) as head on v_entry_count > 0
  where p.id = 1
  and (v_entry_count > 0 or p.catch_up_from is not null);
  perform saldo_private.require_durable_commit();
end
$$;
comment on function saldo.seal_journal is
  'Seals what was posted and is not sealed yet, up to row_limit entries (1 to 1000000), the '
  'earliest first; returns the seals, one for each month, and none when there was nothing. Each '
  'entry is sealed once, whoever seals at the same time. Errors: SB010 input_invalid, '
  'SB020 isolation_unsupported.';
revoke execute on function saldo.seal_journal from public;
grant execute on function saldo.seal_journal to saldo_admin;

create or replace function saldo.seal_status()
returns saldo.seal_status_result
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
-- Planned while nothing is sealed it would read all seals for each entry that waits.
set enable_seqscan = off
as $$
  select p.head_number, encode(p.head_hash, 'hex'), s.sealed_at, p.entry_count, u.entry_count,
    greatest(extract(epoch from now() - u.first_posted_at), 0)::numeric(20, 0)
  from saldo_private.seal_progress as p
  left join saldo.journal_seal as s on s.number = p.head_number
  cross join lateral (
    select count(*) as entry_count, min(e.posted_at) as first_posted_at
    from saldo.journal_entry as e
    -- Looked up for each: the planner takes a third of the journal to wait, and reads all seals.
    left join lateral (
      select true as is_sealed
      from saldo.journal_seal_entry as s
      where s.entry_id = e.id
      limit 1
    ) as done on true
    where e.posted_in >= coalesce(p.catch_up_from, p.sealed_until)
    and (e.posted_in < pg_snapshot_xmax(pg_current_snapshot()) or p.catch_up_from is not null)
    and done.is_sealed is null
  ) as u
  where p.id = 1
$$;
comment on function saldo.seal_status is
  'How far the journal is sealed: number and hash of the last seal (keep this hash elsewhere, and '
  'nobody can rewrite the journal), and what waits to be sealed.';
revoke execute on function saldo.seal_status from public;
grant execute on function saldo.seal_status to saldo_admin, saldo_operator, saldo_anonymous;

create or replace function saldo_private.tg__keep_seals_immutable()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.fail('seal_immutable', format('%s of %s', lower(TG_OP), TG_TABLE_NAME));
  return null;
end
$$;
comment on function saldo_private.tg__keep_seals_immutable is
  'Refuses every change of seals: SB111 seal_immutable.';

create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo.journal_seal
  for each statement
  execute function saldo_private.tg__keep_seals_immutable();
create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo.journal_seal_total
  for each statement
  execute function saldo_private.tg__keep_seals_immutable();
create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo.journal_seal_entry
  for each statement
  execute function saldo_private.tg__keep_seals_immutable();

select saldo_private.secure_table('saldo_private.seal_progress');

select saldo_private.secure_table('saldo.journal_seal');
drop policy if exists select_all on saldo.journal_seal;
create policy select_all on saldo.journal_seal for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_seal to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.journal_seal_total');
drop policy if exists select_all on saldo.journal_seal_total;
create policy select_all on saldo.journal_seal_total for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_seal_total to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.journal_seal_entry');
drop policy if exists select_all on saldo.journal_seal_entry;
create policy select_all on saldo.journal_seal_entry for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_seal_entry to saldo_admin, saldo_operator;

comment on type saldo.seal_status_result is 'How far the journal is sealed.';
comment on column saldo.seal_status_result.head_number is 'Number of the last seal; 0 = none.';
comment on column saldo.seal_status_result.head_hash is 'Its hash, in hexadecimal digits.';
comment on column saldo.seal_status_result.sealed_at is
  'When the last seal was made; null = there is none.';
comment on column saldo.seal_status_result.sealed_entry_count is 'Entries that seals cover.';
comment on column saldo.seal_status_result.unsealed_entry_count is
  'Posted entries that no seal covers yet.';
comment on column saldo.seal_status_result.oldest_unsealed_age_seconds is
  'Seconds since the first of them was posted; 0 when there is none.';

comment on table saldo.journal_seal is
  'A seal over posted entries of one month: their hashes, counts and control totals, chained to '
  'the seal before. Append-only; it survives what happens to the journal.';
comment on column saldo.journal_seal.number is 'Its number, from 1 without gap.';
comment on column saldo.journal_seal.month is 'Month of the posting dates, as its first day.';
comment on column saldo.journal_seal.entry_count is 'Entries that it covers.';
comment on column saldo.journal_seal.line_count is 'Journal lines of these entries.';
comment on column saldo.journal_seal.entries_hash is
  'SHA-256 over a line for each entry, in the order of the ids: id, tab, its hash.';
comment on column saldo.journal_seal.previous_hash is 'Hash of the seal before; null = the first.';
comment on column saldo.journal_seal.hash is 'SHA-256 of the text of this seal.';
comment on column saldo.journal_seal.sealed_at is 'When the seal was made.';
comment on column saldo.journal_seal.sealed_by is 'Who sealed it: token subject or login.';

comment on table saldo.journal_seal_total is 'Control totals of a seal, by currency.';
comment on column saldo.journal_seal_total.seal_number is 'Number of the seal.';
comment on column saldo.journal_seal_total.currency is
  'Currency of the accounts; unknown = there was no account.';
comment on column saldo.journal_seal_total.line_count is 'Lines of the seal in this currency.';
comment on column saldo.journal_seal_total.debit is 'Sum of the debits of these lines.';
comment on column saldo.journal_seal_total.credit is 'Sum of the credits of these lines.';

comment on table saldo.journal_seal_entry is 'An entry that a seal covers, with its hash.';
comment on column saldo.journal_seal_entry.seal_number is 'Number of the seal.';
comment on column saldo.journal_seal_entry.entry_id is 'Journal entry that the seal covers.';
comment on column saldo.journal_seal_entry.entry_part is
  'First 8 bytes of the SHA-256 of the entry''s own line: tells whether a change is there or in '
  'the journal lines.';
comment on column saldo.journal_seal_entry.hash is
  'SHA-256 of the canonical text of the entry and its lines.';

comment on table saldo_private.seal_progress is 'How far the sealer is; one row.';
comment on column saldo_private.seal_progress.id is 'Always 1.';
comment on column saldo_private.seal_progress.cluster is
  'System identifier of the cluster whose transaction numbers these are; null = never sealed.';
comment on column saldo_private.seal_progress.sealed_until is
  'What was posted by a transaction before this one is sealed.';
comment on column saldo_private.seal_progress.catch_up_from is
  'Where going through all entries has come to; null = that is done.';
comment on column saldo_private.seal_progress.head_number is 'Number of the last seal.';
comment on column saldo_private.seal_progress.head_hash is 'Hash of the last seal.';
comment on column saldo_private.seal_progress.entry_count is 'Number of entries that are sealed.';
