import type { Room } from "./_library.ts";

/** Of closed periods and seals. */
export const closingRoom: Room = {
  room: "closing",
  books: `
  do $$
  begin
    perform saldo.open_account('old', 'Old', 'asset');
    perform saldo.open_account('capital', 'Capital', 'equity');
    perform saldo.transfer(
      (select id from saldo.account where code = 'old'),
      (select id from saldo.account where code = 'capital'), 50, occurred_at => '2020-01-15'
    );
    perform saldo.close_period('2020-01-01');
    perform saldo.transfer(
      (select id from saldo.account where code = 'old'),
      (select id from saldo.account where code = 'capital'), 3, occurred_at => '2020-01-20'
    );
    perform saldo.seal_journal();
  end
  $$`,
  faults: [
    {
      fault: "an entry that was slipped into a closed month",
      plant: `update saldo.period set closed_at = closed_at - interval '1 year';
        update saldo.journal_entry set posted_at = now() - interval '1 day' where posting_date = '2020-01-15'`,
      rules: ["closed_period", "journal_seal"],
      cause: "journal_changed possible",
      outcome: "reported",
    },
    {
      fault: "a closing that was dated earlier",
      plant: "update saldo.period set closed_at = closed_at - interval '1 year'",
      rules: ["closed_period"],
      cause: "journal_changed possible",
      outcome: "reported",
    },
    {
      fault: "a sealed total that was changed",
      plant: "update saldo.closing_snapshot set debit_total = debit_total + 1",
      rules: ["closing_snapshot"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a sealed total that was changed together with its hash",
      plant: `update saldo.closing_snapshot set debit_total = debit_total + 1;
        update saldo.period set snapshot_hash = saldo_private.snapshot_hash(fiscal_year, number)`,
      rules: ["closing_snapshot"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a sealed total that is gone",
      plant: `delete from saldo.closing_snapshot
          where account_id = (select id from saldo.account where code = 'old')`,
      rules: ["closing_snapshot"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a sealed total of an account that had none",
      plant: `insert into saldo.closing_snapshot
        select (jsonb_populate_record(s, '{"account_id": 1}')).* from saldo.closing_snapshot as s limit 1`,
      rules: ["closing_snapshot"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a hash of a closed month that was changed",
      plant: `update saldo.period set snapshot_hash = sha256('x') where snapshot_hash is not null`,
      rules: ["closing_snapshot"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "the journal of a closed month, edited alike on both sides",
      plant: `update saldo.journal_line set debit = debit * 2, credit = credit * 2
          where posting_date = '2020-01-15'`,
      rules: [
        "closing_snapshot",
        "account_balance",
        "journal_seal",
        "month_movement",
        "restatement",
      ],
      cause: "journal_changed likely",
      outcome: "frozen",
    },
    {
      fault: "a restated month that does not add up",
      plant: `update saldo.month_movement set debit = debit + 1
          where account_id = (select id from saldo.account where code = 'old') and month = '2020-02-01'`,
      rules: ["restatement", "month_movement"],
      cause: "cache_forced likely",
      outcome: "reported",
    },
    {
      fault: "a sealed entry with other words",
      plant: `update saldo.journal_entry set description = 'x' where posting_date = '2020-01-15'`,
      rules: ["journal_seal"],
      cause: "journal_changed likely",
      outcome: "reported",
    },
    {
      fault: "a sealed entry with other words that nobody recorded",
      plant: `update saldo.journal_entry set description = 'x' where posting_date = '2020-01-15'`,
      unseen: true,
      rules: ["journal_seal"],
      cause: "journal_changed likely",
      outcome: "reported",
    },
    {
      fault: "a seal that is gone",
      plant: "delete from saldo.journal_seal",
      rules: ["journal_seal"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a seal of another count",
      plant: "update saldo.journal_seal set entry_count = entry_count + 1",
      rules: ["journal_seal"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a seal of another day",
      plant: "update saldo.journal_seal set sealed_at = sealed_at - interval '1 day'",
      unseen: true,
      rules: ["journal_seal"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a chain of seals that is broken",
      plant: "update saldo.journal_seal set previous_hash = sha256('x') where number = 2",
      unseen: true,
      rules: ["journal_seal"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a sealed hash that was changed",
      plant: `update saldo.journal_seal_entry set hash = sha256('x')
          where entry_id = (select id from saldo.journal_entry where posting_date = '2020-01-15')`,
      unseen: true,
      rules: ["journal_seal"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a sealed total of a currency that was changed",
      plant: "update saldo.journal_seal_total set debit = debit + 1",
      unseen: true,
      rules: ["journal_seal"],
      cause: "journal_changed likely, record_changed likely",
      outcome: "reported",
    },
    {
      fault: "the last seals cut off, with what they list",
      plant: `delete from saldo.journal_seal_total; delete from saldo.journal_seal_entry;
        delete from saldo.journal_seal`,
      unseen: true,
      rules: ["journal_seal"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a sealed entry that is gone with its lines, and nobody recorded it",
      plant: `delete from saldo.journal_line where posting_date = '2020-01-15';
        delete from saldo.journal_entry where posting_date = '2020-01-15'`,
      unseen: true,
      rules: [
        "journal_seal",
        "account_balance",
        "closing_snapshot",
        "month_movement",
        "restatement",
      ],
      cause: "missing_item likely",
      outcome: "frozen",
    },
    {
      fault: "a sealed entry that is gone, and with it all that caches say of it",
      plant: `delete from saldo.journal_line where posting_date = '2020-01-15';
        delete from saldo.journal_entry where posting_date = '2020-01-15';
        delete from saldo.month_movement where month = '2020-01-01';
        update saldo.account set debit_total = 3 where code = 'old';
        update saldo.account set credit_total = 3 where code = 'capital'`,
      unseen: true,
      rules: ["journal_seal", "closing_snapshot"],
      cause: "missing_item likely",
      outcome: "reported",
    },
  ],
};
