-- The canonical text of a posted entry, whose SHA-256 a seal keeps.
--
-- Private: entry_text, line_text (the text); text_field, plain_field, instant_field, date_field
-- (its fields); view journal_entry_hash.
-- The same bytes on every server and in every session: independent of time zone, DateStyle, scale
-- of a number and encoding. docs/reference/tamper-evidence.md has the form, for a program that
-- computes it again. The form never changes; a new one gets a new first word.
-- Fields that may change later or mean nothing elsewhere are left out: status (posted turns
-- reversed), posted_in (a number of this cluster), draft_lines (null once posted).

create or replace function saldo_private.text_field(value text)
returns text
language sql
immutable
as $$
  select E'\t' || coalesce(
    replace(replace(replace(value, E'\\', E'\\\\'), E'\t', E'\\t'), E'\n', E'\\n'), E'\\N'
  )
$$;
comment on function saldo_private.text_field is
  'A tab and the value, with backslash, tab and line feed escaped; null is \N.';

create or replace function saldo_private.plain_field(value text)
returns text
language sql
immutable
as $$
  select E'\t' || coalesce(value, E'\\N')
$$;
comment on function saldo_private.plain_field is
  'A tab and a value in which nothing can be that has to be escaped; null is \N.';

create or replace function saldo_private.instant_field(value timestamptz)
returns text
language sql
stable
as $$
  select E'\t' || coalesce(
    to_char(value at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), E'\\N'
  )
$$;
comment on function saldo_private.instant_field is
  'A tab and the moment in UTC with six decimals of the second; null is \N.';

create or replace function saldo_private.date_field(value date)
returns text
language sql
stable
as $$
  select E'\t' || coalesce(to_char(value::timestamp, 'YYYY-MM-DD'), E'\\N')
$$;
comment on function saldo_private.date_field is 'A tab and the ISO date; null is \N.';

create or replace function saldo_private.entry_text(entry saldo.journal_entry)
returns text
language sql
stable
as $$
  select 'saldo-entry-1'
    || saldo_private.plain_field(entry.id::text)
    || saldo_private.plain_field(entry.kind::text)
    || saldo_private.date_field(entry.posting_date)
    || saldo_private.date_field(entry.origin_month)
    || saldo_private.instant_field(entry.occurred_at)
    || saldo_private.text_field(entry.description)
    || saldo_private.text_field(entry.source)
    || saldo_private.text_field(entry.idempotency_key)
    || saldo_private.plain_field(entry.reverses::text)
    || saldo_private.text_field(entry.metadata::text)
    || saldo_private.plain_field(entry.line_count::text)
    || saldo_private.instant_field(entry.recorded_at)
    || saldo_private.instant_field(entry.posted_at)
    || saldo_private.text_field(entry.posted_by)
    || E'\n'
$$;
comment on function saldo_private.entry_text is 'The entry''s own line of its canonical text.';

create or replace function saldo_private.line_text(line saldo.journal_line)
returns text
language sql
stable
as $$
  select 'line'
    || saldo_private.plain_field(line.line_no::text)
    || saldo_private.plain_field(line.account_id::text)
    || saldo_private.date_field(line.posting_date)
    || saldo_private.plain_field(trim_scale(line.debit)::text)
    || saldo_private.plain_field(trim_scale(line.credit)::text)
    || E'\n'
$$;
comment on function saldo_private.line_text is 'A journal line''s line of the canonical text.';

create or replace view saldo_private.journal_entry_hash with (security_invoker = true) as
select e.id as entry_id, e.status, e.posting_date, e.posted_in, e.line_count,
  l.line_count as lines_found,
  substr(sha256(convert_to(own.entry_text, 'UTF8')), 1, 8) as entry_part,
  sha256(convert_to(own.entry_text || coalesce(l.lines_text, ''), 'UTF8')) as hash
from saldo.journal_entry as e
-- The offset keeps the text from being made for each of its uses.
cross join lateral (
  select saldo_private.entry_text(e) as entry_text
  offset 0
) as own
cross join lateral (
  select count(*) as line_count,
    string_agg(
      saldo_private.line_text(line), ''
      order by line.line_no, line.account_id, line.posting_date, line.debit, line.credit
    ) as lines_text
  from saldo.journal_line as line
  where line.entry_id = e.id
) as l;
comment on view saldo_private.journal_entry_hash is
  'SHA-256 over the canonical text of each entry and its lines, as they are now.';
comment on column saldo_private.journal_entry_hash.entry_id is 'Entry that is hashed.';
comment on column saldo_private.journal_entry_hash.status is 'Its status, which is not hashed.';
comment on column saldo_private.journal_entry_hash.posting_date is 'Its posting date.';
comment on column saldo_private.journal_entry_hash.posted_in is 'Transaction that posted it.';
comment on column saldo_private.journal_entry_hash.line_count is 'How many lines it should have.';
comment on column saldo_private.journal_entry_hash.lines_found is 'How many lines it has.';
comment on column saldo_private.journal_entry_hash.entry_part is
  'First 8 bytes of the SHA-256 of the entry''s own line.';
comment on column saldo_private.journal_entry_hash.hash is 'SHA-256 of the whole text.';
