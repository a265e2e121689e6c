-- Errors: one catalogue, one way to raise.
--
-- Public: saldo.error_code. Private: fail, secure_table.
-- A call site says the condition's name and what it saw; code, message and hint come from here.
-- Tests and clients rely on codes, never on texts. Numbers are not reused.
-- SB0 shared, SB1 ledger, SB2 hot, SB3 wallet, SB4 metering, SB5 branch, SB6 health.

create or replace function saldo_private.secure_table(secured_table regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter table %s enable row level security', secured_table);
  execute format('alter table %s force row level security', secured_table);
  if not exists (
    select
    from pg_catalog.pg_policy
    where polrelid = secured_table
    and polname = 'owner_all'
  ) then
    execute format(
      'create policy owner_all on %s to saldo_owner using (true) with check (true)',
      secured_table
    );
  end if;
end
$$;
comment on function saldo_private.secure_table is
  'Turns row level security on and forces it. Rows are then visible to the owner''s functions, and '
  'to others only by a policy of the table''s own concept file.';

insert into saldo.error_code (code, condition, message, hint, http_status) values
  ('SB001', 'insufficient_balance', 'The balance is not sufficient.',
    'Top up, or take a smaller amount; DETAIL tells what is available.', 409),
  ('SB002', 'amount_invalid', 'The amount is not a positive number in plain digits.',
    'Give it as 150000 or 12.50: a point before the decimals, and nothing between thousands.',
    400),
  ('SB003', 'amount_scale', 'The amount is written with more than 2 decimals.',
    'A point stands before decimals, never between thousands: write 250000, not 250.000. Round '
    'what has more decimals before the call: Saldo never rounds money on its own.', 400),
  ('SB004', 'amount_out_of_range', 'The amount is too large.',
    'An amount stays below 1,000,000,000,000,000.', 400),
  ('SB005', 'idempotency_conflict',
    'The idempotency key was used before with another content.',
    'Use a new key for a new request; repeat the old content to get the old result.', 409),
  ('SB006', 'forbidden', 'You may not do this.',
    'Ask an administrator, or call with a token whose role allows it.', 403),
  ('SB007', 'not_found', 'There is no such thing, or it is not yours.',
    'Check the id.', 404),
  ('SB008', 'text_invalid', 'The text has characters that are not allowed.',
    'Remove control characters and broken Unicode; a code or a name is one line, without marks of '
    'direction.', 400),
  ('SB009', 'text_too_long', 'The text is too long, or empty.',
    'DETAIL tells how long it may be.', 400),
  ('SB010', 'input_invalid', 'The input has the wrong form.',
    'DETAIL tells which part and what was expected.', 400),
  ('SB011', 'unauthenticated', 'The token is missing or not valid.',
    'Send Authorization: Bearer with a token that is signed, not expired and made for Saldo.', 401),
  ('SB012', 'query_too_complex', 'The query is too large or too deep.',
    'Split it; ask for fewer fields, aliases and levels.', 400),
  ('SB013', 'page_invalid', 'The page size or offset is out of range.',
    'Ask for fewer rows and follow the cursor.', 400),
  ('SB014', 'not_unique', 'This code or key is taken.',
    'Choose another one.', 409),
  ('SB015', 'conflict_retry', 'The request collided with another one; nothing was changed.',
    'Send it again with the same idempotency key.', 409),
  ('SB016', 'timeout', 'The request took too long and was stopped; nothing was changed.',
    'Ask for less at once, or try again later.', 503),
  ('SB017', 'internal_error', 'Something went wrong inside Saldo.',
    'Tell the operator the error id: the log has the cause under it.', 500),
  ('SB018', 'too_many_requests', 'Too many requests with a token that is not valid.',
    'Wait a moment, then send a valid token.', 429),
  ('SB019', 'unavailable',
    'The database did not answer; whether anything was changed is not known.',
    'Send it again with the same idempotency key.', 503),
  ('SB020', 'isolation_unsupported',
    'This needs the isolation level read committed.',
    'Call it in a transaction of the isolation level read committed, which is the default.', 409),
  ('SB021', 'read_only',
    'This is a standby: it answers questions, and nothing can be changed here.',
    'Send it to a server of the primary.', 503),
  ('SB022', 'already_done',
    'This was done before under the same idempotency key, whose record is not kept any more.',
    'Nothing was done again. DETAIL tells what was made under the key: look there, and use a new '
    'key for what is new.', 409),
  ('SB023', 'busy', 'Too many requests at once; this one was not begun.',
    'Wait as long as Retry-After says, then send the same again.', 429),
  ('SB060', 'session_ended', 'The session has ended.', 'Sign in again.', 401),
  ('SB061', 'session_refused', 'The session is taken from the console''s own pages only.',
    'Open the console, or send Authorization: Bearer with a token; DETAIL tells what is missing.',
    401),
  ('SB062', 'link_invalid',
    'The link for signing in is not valid: it was used, or its ten minutes are over.',
    'Make another one: npx saldo console.', 401),
  ('SB063', 'sign_in_unavailable', 'The identity provider does not answer as it should.',
    'Try again later, or sign in by a link: npx saldo console. The log has the cause.', 503),
  ('SB064', 'sign_in_failed', 'Signing in with the identity provider did not work.',
    'Begin again, from the console.', 401),
  ('SB065', 'sign_in_without_role',
    'The identity provider knows you, but nothing says what you may do here.',
    'Ask an administrator: SALDO_OIDC_ROLES says which role is whose.', 403),
  ('SB066', 'document_refused', 'The document is none of those that this server takes.',
    'Send one of SALDO_ALLOWED_DOCUMENTS to the letter, or have it added there.', 403),
  ('SB101', 'account_not_found', 'There is no such account.',
    'Check the account id or code.', 404),
  ('SB102', 'account_closed', 'The account is closed, or cannot be closed yet.',
    'Use an open account; an account is closed when its balance and holds are zero.', 409),
  ('SB103', 'entry_unbalanced', 'Debits and credits of the entry differ.',
    'Per currency the debits of an entry equal its credits.', 400),
  ('SB104', 'currency_mismatch', 'The accounts are in different currencies.',
    'Give accounts of one currency; an exchange needs lines that balance in each.', 400),
  ('SB105', 'entry_immutable', 'A posted journal entry cannot be changed.',
    'Correct it with reverse_entry and a new entry.', 409),
  ('SB106', 'entry_not_reversible', 'The entry cannot be reversed.',
    'Only a posted entry that is not reversed, and no reversal, can be reversed.', 409),
  ('SB107', 'entry_invalid', 'The journal entry is not complete.',
    'An entry has two lines or more, each with an account and either a debit or a credit.', 400),
  ('SB108', 'period_locked', 'The period is locked: nothing about it can be posted any more.',
    'Post it as a fact of an open month.', 409),
  ('SB109', 'period_state', 'The period is not in a state that allows this.',
    'DETAIL tells the state; periods are closed in order, and reopened from the last one on.', 409),
  ('SB110', 'closing_refused', 'The period cannot be closed yet.',
    'DETAIL tells the items of the checklist that are open: settle them, or waive them by name.',
    409),
  ('SB111', 'seal_immutable', 'A seal over the journal cannot be changed.',
    'Leave seals as they are: verify_journal tells what differs from them.', 409),
  ('SB121', 'account_frozen', 'The account is frozen: nothing is posted to it.',
    'An administrator looks at account_freeze, settles what is wrong, and unfreezes it.', 409),
  ('SB122', 'account_not_frozen', 'The account is not frozen.',
    'Only a frozen account can be unfrozen; DETAIL tells which it is.', 409),
  ('SB201', 'account_not_hot', 'The account is not hot.',
    'Post to it with transfer or post_entries, or make it hot with make_account_hot.', 409),
  ('SB202', 'backlog_full', 'Too many transactions of the account wait for settlement.',
    'Try again later; let the operator see to it that a worker is running.', 503),
  ('SB203', 'counter_account_unfit', 'The counter account cannot be used.',
    'Use another account of the currency that is open and has no min_balance.', 409),
  ('SB204', 'hold_not_found', 'There is no such hold.',
    'Check the hold id.', 404),
  ('SB205', 'hold_state', 'The hold is not in a state that allows this.',
    'DETAIL tells the state: only a hold that is HELD can be captured or voided.', 409),
  ('SB206', 'capture_too_large', 'More than what is held cannot be captured.',
    'Capture at most the amount in DETAIL.', 409),
  ('SB207', 'prepared_transaction_open',
    'A prepared transaction that is not decided may hold funds of the account.',
    'Send it again with the same idempotency key; let the operator look into pg_prepared_xacts and '
    'decide what is left there, with COMMIT PREPARED or ROLLBACK PREPARED.', 503),
  ('SB301', 'product_not_found', 'There is no such product, or it is not for sale.',
    'Check the product id.', 404),
  ('SB302', 'out_of_stock', 'The product is out of stock.',
    'Take fewer, or wait until stock is added.', 409),
  ('SB303', 'price_changed', 'The price is not the one that was shown.',
    'Show the price in DETAIL to the buyer and ask again.', 409),
  ('SB304', 'member_not_found', 'There is no such member.',
    'Check the member id.', 404),
  ('SB305', 'purchase_state', 'The purchase is not in a state that allows this.',
    'DETAIL tells the state: pending can complete or fail; completed or partially refunded can be '
    'refunded.', 409),
  ('SB306', 'purchase_not_found', 'There is no such purchase.',
    'Check the purchase id.', 404),
  ('SB307', 'refund_too_large', 'The refund is more than what is left of the purchase.',
    'DETAIL tells what is left: what was paid less what was paid back before.', 409),
  ('SB308', 'top_up_not_found', 'There is no such top-up.',
    'Give the id of the entry that top_up returned.', 404),
  ('SB309', 'top_up_state', 'The top-up was charged back or reversed before.',
    'DETAIL tells which. A top-up is taken back once.', 409),
  ('SB401', 'customer_not_found', 'There is no such customer.',
    'Check the customer id.', 404),
  ('SB402', 'deposit_not_found', 'There is no such deposit.',
    'Check the deposit id.', 404),
  ('SB403', 'deposit_state', 'The deposit was changed or removed before.',
    'Change or remove the deposit that stands now; DETAIL tells the state of this one.', 409),
  ('SB404', 'meter_not_found', 'There is no such meter.',
    'Check the meter id.', 404),
  ('SB405', 'meter_state', 'The meter was not installed at that time.',
    'DETAIL tells from when to when it was; read the meter that was in its place.', 409),
  ('SB406', 'reading_not_found', 'There is no such reading.',
    'Check the reading id.', 404),
  ('SB407', 'reading_state', 'The reading was changed or removed before.',
    'Change or remove the reading that stands now; DETAIL tells the state of this one.', 409),
  ('SB408', 'reading_duplicate', 'The meter has a reading of that time already.',
    'Change the reading that is there with change_reading.', 409),
  ('SB409', 'reading_in_future', 'The reading is of a time that has not come.',
    'Check the time and its zone.', 400),
  ('SB410', 'reading_out_of_order', 'The index does not fit the readings before and after it.',
    'An index grows with time; flag a roll-over, or record the exchange of the meter.', 409),
  ('SB411', 'reading_invalid', 'The reading is not a figure of this meter.',
    'Give index_value for a meter of indexes, volume for a flow meter: not negative, at most 6 '
    'decimals, an index below the register limit.', 400),
  ('SB412', 'price_invalid', 'The price is not a positive number.',
    'Give a price per cubic metre above 0 and below 10^12 with at most 6 decimals.', 400),
  ('SB413', 'condition_out_of_range', 'A pressure, temperature or factor is out of range.',
    'DETAIL tells the range.', 400),
  ('SB414', 'version_overlap', 'The version overlaps another one.',
    'Change the version in DETAIL, or choose other dates: none begins while a dated one lasts.',
    409),
  ('SB415', 'version_not_found', 'There is no such version, or it was removed.',
    'Check the version id.', 404),
  ('SB416', 'version_in_use', 'Rated lines use this version.',
    'Remove it with rerate => true: they are rated again at what applies without it.', 409),
  ('SB417', 'plan_outdated', 'What the plan rests on has changed since.',
    'Make a new plan with dry_run, look at it, and apply that one.', 409),
  ('SB430', 'file_encoding_wrong', 'The file is not in the encoding that was named.',
    'Save it as UTF-8, or name its encoding with --encoding.', 400),
  ('SB431', 'file_columns_wrong', 'The columns of the file are not those of this import.',
    'DETAIL tells which are missing, unknown or double; the first row names the columns.', 400),
  ('SB432', 'file_malformed', 'The file or the row is not well-formed CSV.',
    'Close each quote, and give each row as many fields as the first one.', 400),
  ('SB433', 'date_invalid', 'The time is not a date and time of ISO 8601.',
    'Write 2026-01-31T08:00:00+07:00, or without a zone the time of the business time zone.', 400),
  ('SB434', 'decimal_invalid', 'The figure is not a plain decimal number.',
    'Write digits with a point for the decimals, such as 1234.5, and nothing else.', 400),
  ('SB435', 'file_numbers_wrong', 'The numbers of the file are not written as was said.',
    'Say how they are written: --decimal-comma for 1234,5 and --thousands for 1,234.5, both for '
    '1.234,5; or write plain digits with a point before the decimals.', 400),
  ('SB501', 'branch_not_found', 'There is no such branch.',
    'Check the branch id.', 404),
  ('SB502', 'device_not_found', 'There is no such device.',
    'Check the device id.', 404),
  ('SB503', 'device_state', 'The device is not in a state that allows this.',
    'DETAIL tells the state.', 409),
  ('SB504', 'branch_key_invalid', 'The branch key is missing or not valid.',
    'Go on selling; ask an administrator for an enrolment code, and enrol again.', 401),
  ('SB505', 'branch_forbidden', 'This is not of the branch key.',
    'Push with the key of the device; DETAIL tells what is another''s.', 403),
  ('SB506', 'enrolment_code_invalid', 'The enrolment code is not valid.',
    'A code is good once and for a short time: ask an administrator for another one.', 401),
  ('SB507', 'push_invalid', 'The push has not the form of the protocol.',
    'DETAIL tells the part; docs/reference/branch-protocol.md has the form.', 400),
  ('SB508', 'push_too_large', 'The push is too large.',
    'Send 256 rows and 262,144 bytes at most, before gzip; halve the batch.', 413),
  ('SB509', 'push_media_type', 'The push is not JSON, or is encoded in another way.',
    'Send application/json in UTF-8, as it is or with gzip.', 415),
  ('SB510', 'protocol_unknown', 'This centre does not speak that protocol.',
    'DETAIL tells those that it speaks: update the centre, or use an older program.', 426),
  ('SB511', 'push_rate', 'Too many pushes at once with this key.',
    'Wait as long as Retry-After says, then send the same again.', 429),
  ('SB512', 'intake_state', 'The row is not in a state that allows this.',
    'DETAIL tells the state: a person decides about quarantined rows and conflicts only.', 409),
  ('SB513', 'posting_rule_invalid', 'The posting rule is not possible.',
    'Name an account other than the cash and suspense accounts of branches.', 400),
  ('SB514', 'intake_not_found', 'There is no such row of a branch.',
    'Check the intake id.', 404),
  ('SB515', 'device_exists', 'There is a device with this id already.',
    'Enrol without an id, and the centre makes one; rows under the old id are handed over by file.',
    409),
  ('SB601', 'balance_guarded', 'A cached balance is written by the engine only.',
    'To change a balance post an adjustment with saldo.post_entries; to repair a drift call '
    'saldo.auto_heal.', 403),
  ('SB603', 'heal_refused', 'Healing is refused.',
    'The journal itself may have changed: look at the findings before anything is rewritten.', 409),
  ('SB604', 'maintenance_running', 'A maintenance run is under way.',
    'Wait for it to end; its result is in maintenance_run.', 409),
  ('SB620', 'proposal_state', 'The proposal has been decided before.',
    'Only a proposal that is proposed can be approved or rejected; DETAIL tells the state.', 409),
  ('SB621', 'approval_needs_another', 'Whoever proposed it does not approve it.',
    'Let another administrator look at it and approve it: a person, and no service token.', 403),
  ('SB622', 'proposal_stale', 'What is stored and derived is not what was proposed any more.',
    'Check again: the next heal proposes what is wrong now.', 409),
  ('SB623', 'heal_action_state', 'This is no heal that could be undone.',
    'Only what was healed is undone, and once; DETAIL tells what it is.', 409),
  ('SB624', 'heal_not_undoable', 'A heal of this rule cannot be undone.',
    'What it rewrote follows from other figures and would be made again from them.', 409),
  ('SB625', 'nothing_to_adjust', 'There is no difference to adjust.',
    'The account has this balance already, in the journal too.', 409),
  ('SB626', 'finding_of_another', 'The finding is about another account.',
    'Give a finding of the account, or none.', 400),
  ('SB660', 'call_limit_exceeded', 'It is more than you may move in one call.',
    'Let somebody do it whose limit is higher: DETAIL names the setting.', 403),
  ('SB661', 'day_limit_exceeded', 'It is more than you may move in one day.',
    'Go on tomorrow, or let an administrator do it: DETAIL names the setting.', 403),
  ('SB662', 'second_person_needed', 'One person alone may not do this.',
    'Propose it (propose_adjustment, propose_unfreeze, propose_closing, propose_setting, '
    'propose_heal_policy), and let another administrator approve_decision; of an entry make_draft, '
    'and let another person post_draft. DETAIL names the limit.',
    403),
  ('SB640', 'rule_query_invalid', 'A query of the rule is not one SELECT that can be planned.',
    'Give one SELECT without a semicolon, and name each table with its schema; DETAIL tells what '
    'PostgreSQL said.', 400),
  ('SB641', 'rule_columns_wrong', 'A query of the rule has not the columns that it needs.',
    'stored gives key and stored, derived gives key and derived, items gives key, item, amount and '
    'is_counted; the figures are numbers.', 400),
  ('SB642', 'rule_key_invalid', 'A query of the rule has keys that are missing or double.',
    'Each key stands in one row and is not NULL: group by it, and filter NULLs.', 400),
  ('SB643', 'rule_query_writes', 'A query of the rule could have side effects.',
    'Use tables, views and functions that are stable or immutable, not security definer, and no '
    'FOR UPDATE.', 400),
  ('SB644', 'rule_query_slow', 'A query of the rule takes too long.',
    'Add an index, or sum up less; the budgets are the settings rule_time_budget_ms and '
    'rule_cost_limit.', 400),
  ('SB645', 'rule_privilege_missing', 'Saldo may not do what the rule needs.',
    'Let the owner of the table grant what DETAIL names.', 403),
  ('SB646', 'rule_table_unfit', 'The table or column of the rule cannot be used.',
    'Give an ordinary table of yours as schema.table, with its key column and a numeric column.',
    400),
  ('SB647', 'rule_heal_unfit', 'The rule cannot be healed or guarded in this way.',
    'update and guard need stored_table, key_column and balance_column; function needs '
    'heal_function, the name of a function of yours that takes the key as text.', 400),
  ('SB648', 'balance_write_refused', 'This balance is guarded: it is not written in this way.',
    'Write it as one of the writers that the rule names.', 403),
  ('SB649', 'rule_result_outdated', 'The rule is not what it was in this check.',
    'Check again, look at what the rule finds now, and approve that.', 409),
  ('SB650', 'rule_suspect', 'So many rows differ that the rule is suspect, not the data.',
    'See whether the rule overlooks something: a filter, a kind of row. If the data is wrong, give '
    'the rule a higher max_percent by set_heal_policy.', 409),
  ('SB651', 'alert_channel_missing', 'There is no channel to send an alert by.',
    'Give the worker SALDO_ALERT_WEBHOOK_URL or SALDO_ALERT_SMTP_URL, and start it again.', 409),
  ('SB680', 'draft_not_found', 'There is no such draft.', 'Check the draft id.', 404),
  ('SB681', 'draft_state', 'The draft is posted or discarded, and stays as it is.',
    'Make another draft; what is posted is corrected by a reversal.', 409),
  ('SB682', 'draft_changed', 'The draft is not what you have seen any more.',
    'Read it again, and decide about its version of now.', 409),
  ('SB683', 'job_not_found', 'There is no such job.',
    'DETAIL tells the jobs there are; a worker writes them down when it starts.', 404)
on conflict (code) do update
set condition = excluded.condition,
  message = excluded.message,
  hint = excluded.hint,
  http_status = excluded.http_status;

create or replace function saldo_private.fail(
  condition text,
  detail text default null,
  hint text default null
)
returns void
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_error saldo.error_code;
begin
  select *
  into strict v_error
  from saldo.error_code
  where error_code.condition = fail.condition;

  raise exception using
    errcode = v_error.code,
    message = v_error.message,
    detail = coalesce(fail.detail, ''),
    hint = coalesce(fail.hint, v_error.hint),
    constraint = v_error.condition;
end
$$;
comment on function saldo_private.fail is
  'Raises the named condition of the catalogue. The name travels in the error''s constraint field, '
  'which drivers hand on.';
grant execute on function saldo_private.fail to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous, saldo_cashier,
  saldo_biller, saldo_app;

select saldo_private.secure_table('saldo.error_code');
drop policy if exists select_all on saldo.error_code;
create policy select_all on saldo.error_code for select using (true);
grant select on saldo.error_code to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_anonymous, saldo_cashier,
  saldo_biller, saldo_app;

comment on table saldo.error_code is 'The catalogue of errors that Saldo raises.';
comment on column saldo.error_code.code is 'SQLSTATE of class SB; extensions.code in GraphQL.';
comment on column saldo.error_code.condition is
  'Name of the error; extensions.condition in GraphQL.';
comment on column saldo.error_code.message is 'What is wrong, in one sentence.';
comment on column saldo.error_code.hint is 'What to do about the error.';
comment on column saldo.error_code.http_status is
  'HTTP status that fits the error outside of GraphQL.';
