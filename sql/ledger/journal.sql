-- The journal: the one truth about posted money. Append-only.
--
-- Public: saldo.journal_entry, saldo.journal_line, saldo.month_movement (a cache of them).
-- Members see the entries that touch their own account: those policies stand in the wallet room,
-- which knows whose account is whose.

select saldo_private.secure_table('saldo.journal_entry');
drop policy if exists select_all on saldo.journal_entry;
create policy select_all on saldo.journal_entry for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_entry to saldo_admin, saldo_operator, saldo_member;

select saldo_private.secure_table('saldo.journal_line');
drop policy if exists select_all on saldo.journal_line;
create policy select_all on saldo.journal_line for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.journal_line to saldo_admin, saldo_operator, saldo_member;

select saldo_private.secure_table('saldo.month_movement');
drop policy if exists select_all on saldo.month_movement;
create policy select_all on saldo.month_movement for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.month_movement to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.entry_kind is 'What an entry is for.';
comment on type saldo.entry_status is
  'draft: not in any balance yet; posted: in the balances, immutable; reversed: posted, and '
  'cancelled by a later reversal entry.';

comment on table saldo.journal_entry is
  'A journal entry: two lines or more whose debits equal their credits in each currency. Posted '
  'entries never change; a correction is a reversal plus a new entry.';
comment on column saldo.journal_entry.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.journal_entry.kind is 'What the entry is for.';
comment on column saldo.journal_entry.status is 'draft, posted or reversed.';
comment on column saldo.journal_entry.occurred_at is 'When it took place, by the business.';
comment on column saldo.journal_entry.posting_date is
  'Date on which it counts: that of occurred_at in the business time zone. Where that month is '
  'closed it is the first open day, and origin_month names the month that the entry was moved '
  'from.';
comment on column saldo.journal_entry.origin_month is
  'Month that it is about, when that is not the month of the posting date: that of a late fact, '
  'which was closed already, or one that was named; a first day.';
comment on column saldo.journal_entry.description is 'What happened, in words.';
comment on column saldo.journal_entry.source is 'The function or room that posted it.';
comment on column saldo.journal_entry.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.journal_entry.reverses is 'The entry that this reversal cancels.';
comment on column saldo.journal_entry.metadata is 'Whatever the client wants to keep with it.';
comment on column saldo.journal_entry.line_count is 'Number of its lines.';
comment on column saldo.journal_entry.draft_lines is
  'Lines of a draft, which are in no balance; null once they are posted as journal lines.';
comment on column saldo.journal_entry.recorded_at is
  'When the entry was recorded, as draft or posted.';
comment on column saldo.journal_entry.posted_at is 'When it was posted; null for a draft.';
comment on column saldo.journal_entry.posted_by is 'Who posted it: token subject or login.';
comment on column saldo.journal_entry.posted_in is
  'Transaction that posted it; lines that come in another transaction are refused.';

comment on table saldo.journal_line is 'A line of a journal entry: one account, one side.';
comment on column saldo.journal_line.account_id is 'Account that is debited or credited.';
comment on column saldo.journal_line.posting_date is 'Posting date of its entry.';
comment on column saldo.journal_line.entry_id is 'Journal entry that the line belongs to.';
comment on column saldo.journal_line.line_no is 'Number of the line within its entry, from 1.';
comment on column saldo.journal_line.debit is 'Debit amount in the account''s currency, or 0.';
comment on column saldo.journal_line.credit is 'Credit amount in the account''s currency, or 0.';

comment on table saldo.month_movement is
  'What was posted to an account in a month, by posting date: a cache of the journal. Openings '
  'and closings are sums of these.';
comment on column saldo.month_movement.account_id is 'Account whose movement it is.';
comment on column saldo.month_movement.month is 'First day of the month of the posting dates.';
comment on column saldo.month_movement.debit is 'Sum of the debits posted in the month.';
comment on column saldo.month_movement.credit is 'Sum of the credits posted in the month.';
comment on column saldo.month_movement.line_count is 'Number of journal lines posted in the month.';
