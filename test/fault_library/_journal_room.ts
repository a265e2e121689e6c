import type { Room } from "./_library.ts";

/** Of entries and their lines. */
export const journalRoom: Room = {
  room: "journal",
  books: `
  select saldo.open_account('a', 'A', 'asset'), saldo.open_account('b', 'B', 'asset'),
    saldo.open_account('idle', 'Idle', 'asset');
  select saldo.transfer(
    (select id from saldo.account where code = 'a'),
    (select id from saldo.account where code = 'b'), 60, occurred_at => '2025-03-05'
  );
  select saldo.seal_journal()`,
  faults: [
    {
      fault: "an edited line",
      plant: "update saldo.journal_line set debit = 999 where account_id = 1",
      rules: [
        "account_balance",
        "entry_balance",
        "journal_seal",
        "month_movement",
        "trial_balance",
      ],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "both sides of an entry edited alike",
      plant: `update saldo.journal_line set debit = debit * 2, credit = credit * 2
          where entry_id = (select result_id from saldo_private.idempotency_record where key = 'first')`,
      rules: ["account_balance", "journal_seal", "month_movement"],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "both sides of an entry edited alike, and nobody recorded it",
      plant: `update saldo.journal_line set debit = debit * 2, credit = credit * 2
          where entry_id = (select result_id from saldo_private.idempotency_record where key = 'first')`,
      unseen: true,
      rules: ["account_balance", "journal_seal", "month_movement"],
      cause: "journal_changed likely",
      outcome: "frozen",
    },
    {
      fault: "a deleted line",
      plant: "delete from saldo.journal_line where account_id = 2",
      rules: [
        "account_balance",
        "entry_balance",
        "entry_lines",
        "journal_seal",
        "month_movement",
        "trial_balance",
      ],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "a deleted line that nobody recorded",
      plant: "delete from saldo.journal_line where account_id = 2",
      unseen: true,
      rules: [
        "account_balance",
        "entry_balance",
        "entry_lines",
        "journal_seal",
        "month_movement",
        "trial_balance",
      ],
      cause: "missing_item likely",
      outcome: "frozen",
    },
    {
      fault: "a deleted entry, its lines stay",
      plant: `delete from saldo.journal_entry where id = (select result_id from saldo_private.idempotency_record where key = 'first')`,
      rules: ["orphan_line", "idempotency", "journal_seal"],
      cause: "journal_changed possible",
      outcome: "reported",
    },
    {
      fault: "a deleted entry with its lines",
      plant: `delete from saldo.journal_line where entry_id = (select result_id from saldo_private.idempotency_record where key = 'first');
        delete from saldo.journal_entry where id = (select result_id from saldo_private.idempotency_record where key = 'first')`,
      rules: ["account_balance", "idempotency", "journal_seal", "month_movement"],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "a deleted entry with its lines, and nobody recorded it",
      plant: `delete from saldo.journal_line where entry_id = (select result_id from saldo_private.idempotency_record where key = 'first');
        delete from saldo.journal_entry where id = (select result_id from saldo_private.idempotency_record where key = 'first')`,
      unseen: true,
      rules: ["account_balance", "idempotency", "journal_seal", "month_movement"],
      cause: "journal_changed likely",
      outcome: "frozen",
    },
    {
      fault: "a line of two sides",
      plant: "update saldo.journal_line set credit = 5 where account_id = 1",
      rules: [
        "line_amount",
        "account_balance",
        "entry_balance",
        "journal_seal",
        "month_movement",
        "trial_balance",
      ],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "a line of two sides that nobody recorded",
      plant: "update saldo.journal_line set credit = 5 where account_id = 1",
      unseen: true,
      rules: [
        "line_amount",
        "account_balance",
        "entry_balance",
        "journal_seal",
        "month_movement",
        "trial_balance",
      ],
      cause: "journal_changed likely",
      outcome: "frozen",
    },
    {
      fault: "a line on another date",
      plant: `update saldo.journal_line set posting_date = '2020-01-01' where account_id = 1`,
      rules: ["entry_lines", "journal_seal", "month_movement"],
      cause: "journal_changed likely",
      outcome: "frozen",
    },
    {
      fault: "an entry on another date, with its lines",
      plant: `update saldo.journal_line set posting_date = '2020-01-01' where entry_id = (select result_id from saldo_private.idempotency_record where key = 'first');
        update saldo.journal_entry set posting_date = '2020-01-01' where id = (select result_id from saldo_private.idempotency_record where key = 'first')`,
      rules: ["month_movement", "journal_seal"],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "a line of an account that is not there",
      plant: "update saldo.journal_line set account_id = 999 where account_id = 2",
      rules: [
        "orphan_line",
        "account_balance",
        "entry_balance",
        "journal_seal",
        "month_movement",
        "trial_balance",
      ],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "a line that was moved to another account",
      plant: `update saldo.journal_line set account_id = (select id from saldo.account where code = 'a')
          where account_id = 2`,
      rules: ["account_balance", "journal_seal", "month_movement"],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "an entry that is there twice",
      plant: `insert into saldo.journal_entry
        select (jsonb_populate_record(e, '{"id": "01900000-0000-7000-8000-000000000001",
          "idempotency_key": null}')).*
        from saldo.journal_entry as e where e.id = (select result_id from saldo_private.idempotency_record where key = 'first');
        insert into saldo.journal_line
        select account_id, posting_date, '01900000-0000-7000-8000-000000000001', line_no, debit, credit
        from saldo.journal_line where entry_id = (select result_id from saldo_private.idempotency_record where key = 'first')`,
      rules: ["account_balance", "month_movement"],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "a wiped journal",
      plant: "truncate saldo.journal_line, saldo.journal_entry",
      rules: [
        "account_balance",
        "idempotency",
        "journal_seal",
        "month_movement",
        "purchase_entry",
        "settlement_entry",
      ],
      cause: "journal_changed likely",
      outcome: "frozen",
    },
    {
      fault: "an entry that was posted with fewer lines than it says",
      plant: `update saldo.journal_entry set line_count = 3 where id = (select result_id from saldo_private.idempotency_record where key = 'first')`,
      rules: ["entry_lines", "journal_seal"],
      cause: "missing_item likely",
      outcome: "reported",
    },
    {
      fault: "a reversed entry that says it is not",
      plant: "update saldo.journal_entry set status = 'posted' where status = 'reversed'",
      rules: ["reversal", "purchase_entry"],
      cause: "journal_changed likely",
      outcome: "reported",
    },
    {
      fault: "a reversal that reverses another entry",
      plant: `update saldo.journal_entry set reverses = (select result_id from saldo_private.idempotency_record where key = 'first') where kind = 'reversal'`,
      rules: ["reversal", "journal_seal", "purchase_entry"],
      cause: "journal_changed likely",
      outcome: "reported",
    },
  ],
};
