-- Intake: what became of each row that a till sent, kept for ever.
--
-- Public: saldo.branch_intake. Private: branch_verdict_of, verdict_json, row_as_sent.
-- file_branch_row.sql files rows, decide_branch_row.sql has what a person decides afterwards.

create or replace function saldo_private.branch_verdict_of(reason text)
returns saldo.branch_verdict
language sql
stable
as $$
  select case
      when reason is null then 'accepted'
      when reason = 'duplicate' then 'duplicate'
      when reason in ('id_reused', 'sequence_reused') then 'conflict'
      else 'quarantined'
    end::saldo.branch_verdict
$$;
comment on function saldo_private.branch_verdict_of is
  'The first verdict of a row that this reason speaks against.';

create or replace function saldo_private.verdict_json(
  row_id text,
  seq bigint,
  verdict saldo.branch_verdict,
  reason text,
  entry_id uuid,
  posting_date date,
  verdict_no bigint
)
returns jsonb
language sql
stable
as $$
  select jsonb_build_object('id', row_id, 'seq', seq, 'verdict', verdict, 'reason', reason,
    'entry_id', entry_id, 'posting_date', posting_date, 'verdict_no', verdict_no)
$$;
comment on function saldo_private.verdict_json is 'A verdict as a till gets it.';

create or replace function saldo_private.row_as_sent(filed saldo.branch_intake)
returns jsonb
language sql
stable
as $$
  select jsonb_build_object(
    'id', filed.row_id, 'seq', filed.seq, 'payload_version', 1, 'kind', filed.kind,
    'type', filed.flow, 'category', filed.category, 'amount', filed.amount::text,
    'expected', filed.expected::text, 'currency', filed.currency,
    'description', filed.description,
    'occurred_at', saldo_private.instant_text(filed.occurred_at),
    'business_date', to_char(filed.business_date::timestamp, 'YYYY-MM-DD'),
    'cashier', filed.cashier, 'voids', filed.voids, 'corrects', filed.corrects,
    'reason', filed.reason, 'prev', filed.prev_hash, 'hash', filed.hash
  )
$$;
comment on function saldo_private.row_as_sent is
  'A row that could be read, in the form in which it came: its hash is the same.';

select saldo_private.secure_table('saldo.branch_intake');
drop policy if exists select_all on saldo.branch_intake;
create policy select_all on saldo.branch_intake for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.branch_intake to saldo_admin, saldo_operator;

comment on type saldo.branch_row_kind is
  'entry: cash came in or went out; void: an entry is taken back; count: cash was counted.';
comment on type saldo.branch_verdict is
  'accepted: it is in the books; duplicate: the same fact came before; conflict: its id or place '
  'is another row''s; quarantined: kept and not posted; refused: by a person, or voided before it '
  'was posted. Of conflict and quarantined a person decides.';
comment on table saldo.branch_intake is 'What became of each row that a till sent.';
comment on column saldo.branch_intake.id is 'Id, in the order in which rows came.';
comment on column saldo.branch_intake.branch_id is 'Branch.';
comment on column saldo.branch_intake.device_id is 'Device that sent it.';
comment on column saldo.branch_intake.epoch_id is
  'Epoch of the device; null = it came by protocol 0.';
comment on column saldo.branch_intake.seq is
  'Number within the epoch; null = it has none that can be read.';
comment on column saldo.branch_intake.row_id is 'Id that the till gave it, as it was sent.';
comment on column saldo.branch_intake.arrival_hash is
  E'@behavior -attribute:select\n'
  'SHA-256 of the row as it came, with device and epoch: by it a row is known that comes again.';
comment on column saldo.branch_intake.content_hash is
  E'@behavior -attribute:select\n'
  'SHA-256 of what the row says, without its place: by it a duplicate is told from a conflict.';
comment on column saldo.branch_intake.has_id is
  'Whether it was the first of the branch to come with its id. Voids refer to that one, but those '
  'of a device that used the id again to the device''s own.';
comment on column saldo.branch_intake.has_place is
  'Whether it was the first to come with its number in the epoch.';
comment on column saldo.branch_intake.kind is 'What it is; null = it could not be read.';
comment on column saldo.branch_intake.flow is
  'Direction of the cash; of a void the opposite of the original''s, of a count null.';
comment on column saldo.branch_intake.category is
  'Category as the till sent it; of a count open or close.';
comment on column saldo.branch_intake.amount is
  'Amount in units of the currency; of a count what was counted. Null = it could not be read.';
comment on column saldo.branch_intake.expected is
  'Of a count what should have been there, in units of the currency; otherwise null.';
comment on column saldo.branch_intake.currency is 'Currency; null = it could not be read.';
comment on column saldo.branch_intake.description is 'What the cashier wrote; may be null.';
comment on column saldo.branch_intake.occurred_at is 'When it happened, by the till''s clock.';
comment on column saldo.branch_intake.business_date is
  'Day that it belongs to, fixed at the till; of protocol 0 the day in the branch''s zone.';
comment on column saldo.branch_intake.cashier is 'Who entered it; may be null.';
comment on column saldo.branch_intake.voids is 'Row id of the entry that it takes back.';
comment on column saldo.branch_intake.corrects is
  'Row id of the voided entry that this one stands for.';
comment on column saldo.branch_intake.reason is 'Why it was voided or corrected, by the cashier.';
comment on column saldo.branch_intake.prev_hash is 'Hash of the row before, as the till has it.';
comment on column saldo.branch_intake.hash is 'Hash of the row, as the till has it.';
comment on column saldo.branch_intake.payload is
  'The row as it came, of protocol 0 and where it could not be read; otherwise null.';
comment on column saldo.branch_intake.verdict is 'Verdict as it stands.';
comment on column saldo.branch_intake.verdict_reason is
  'What speaks against the row, or an error code of its posting; may be null.';
comment on column saldo.branch_intake.verdict_no is
  'Number of the verdict within the device; grows when it changes.';
comment on column saldo.branch_intake.first_verdict is 'Verdict when it came.';
comment on column saldo.branch_intake.first_reason is 'Reason when it came.';
comment on column saldo.branch_intake.decided_at is
  'When the verdict was changed afterwards; null = it was not.';
comment on column saldo.branch_intake.decided_by is 'Who changed it.';
comment on column saldo.branch_intake.decision_note is 'What was said about the change.';
comment on column saldo.branch_intake.posting_rule_id is
  'Rule that it was posted by; null = it is in suspense, or not posted.';
comment on column saldo.branch_intake.account_id is
  'Account on the other side of cash; null = it is no entry.';
comment on column saldo.branch_intake.is_suspense is
  'Whether it waits in suspense for a rule.';
comment on column saldo.branch_intake.entry_id is
  'Journal entry; of a void the reversal, of a duplicate that of the first. Null = none.';
comment on column saldo.branch_intake.repost_entry_id is
  'Entry that moved it out of suspense; null = none.';
comment on column saldo.branch_intake.voided_by is 'Intake id of its void; null = it stands.';
comment on column saldo.branch_intake.received_at is 'When it came.';
