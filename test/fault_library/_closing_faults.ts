import type { PoolClient } from "pg";

/** How closed months and seals are tampered with, and what the rules find. */

const sql = (text: string) => (client: PoolClient) => client.query(text);

/** A month that is closed, and a late fact about it. */
const closeMonth = `
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
  end
  $$`;

/** Of closed months. */
export const closingFaults = [
  {
    name: "an entry that was slipped into a closed month",
    rules: ["closed_period"],
    books: closeMonth,
    plant: sql(`update saldo.period set closed_at = closed_at - interval '1 year';
      update saldo.journal_entry set posted_at = now() - interval '1 day'
      where posting_date = '2020-01-15'`),
  },
  {
    name: "a sealed total that was changed",
    rules: ["closing_snapshot"],
    books: closeMonth,
    plant: sql("update saldo.closing_snapshot set debit_total = debit_total + 1"),
  },
  {
    name: "a sealed total that was changed together with its hash",
    rules: ["closing_snapshot"],
    books: closeMonth,
    plant: sql(`update saldo.closing_snapshot set debit_total = debit_total + 1;
      update saldo.period set snapshot_hash = saldo_private.snapshot_hash(fiscal_year, number)`),
  },
  {
    name: "a restated month that does not add up",
    rules: ["month_movement", "restatement"],
    books: closeMonth,
    plant: sql(`update saldo.month_movement set debit = debit + 1
      where account_id = (select id from saldo.account where code = 'old') and month = '2020-02-01'`),
  },
];

/** Of the seals over the journal. */
export const sealFaults = [
  {
    name: "a sealed entry with other words",
    rules: ["journal_seal"],
    books: "select from saldo.seal_journal()",
    plant: sql("update saldo.journal_entry set description = 'x' where source = 'transfer'"),
  },
  {
    name: "a seal that is gone",
    rules: ["journal_seal"],
    books: "select from saldo.seal_journal()",
    plant: sql("delete from saldo.journal_seal"),
  },
];
