import { asAdmin, openTestDatabase, type TestDatabase } from "../_support/database.ts";

/** Books of a closed month and an open one, with a reversal and two currencies, all sealed. */
export async function openSealedBooks(): Promise<TestDatabase> {
  const database = await openTestDatabase(6);
  await database.pool.query(`
    do $$
    begin
      perform saldo.open_account('till', 'Till', 'asset');
      perform saldo.open_account('own', 'Own', 'equity');
      perform saldo.open_account('bank', 'Bank', 'asset', currency => 'USD');
      perform saldo.open_account('capital', 'Capital', 'equity', currency => 'USD');
      perform saldo.transfer(1, 2, 100, 'January', occurred_at => '2026-01-10T12:00Z');
      perform saldo.transfer(1, 2, 200.25, 'more', occurred_at => '2026-01-11T12:00Z');
      perform saldo.transfer(3, 4, 7, 'dollars', occurred_at => '2026-01-12T12:00Z');
      perform saldo.close_period('2026-01-01');
      perform saldo.transfer(1, 2, 300, 'February', occurred_at => '2026-02-10T12:00Z');
      perform saldo.reverse_entry((saldo.transfer(1, 2, 5, 'wrong')).id, 'wrong');
    end
    $$
  `);
  await asAdmin(database.pool, (client) => client.query("select saldo.seal_journal()"));
  return database;
}

/** A tampering past the engine, and the differences that a verification names at least. */
export interface Tampering {
  name: string;
  kinds: string[];
  plant: string;
}

const entry = (description: string) =>
  `(select id from saldo.journal_entry where description = '${description}')`;

/**
 * Copies an entry with its lines under another id, with the number of an old transaction: that of
 * the model may, while others run beside it, be one that the next sealer still looks at.
 */
const copied = (description: string, changes: string) => `
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select account_id, posting_date, '01900000-0000-7000-8000-000000000001', line_no, debit, credit
  from saldo.journal_line where entry_id = ${entry(description)};
  insert into saldo.journal_entry
  select (jsonb_populate_record(
    e, '{"id": "01900000-0000-7000-8000-000000000001", "posted_in": "3"${changes}}'
  )).*
  from saldo.journal_entry as e where description = '${description}'`;

export const tamperings: Tampering[] = [
  {
    name: "other words in an entry",
    kinds: ["entry_changed"],
    plant: "update saldo.journal_entry set description = 'x' where description = 'February'",
  },
  {
    name: "an entry that was made a draft",
    kinds: ["entry_changed"],
    plant: `update saldo.journal_entry set status = 'draft', posted_in = null
      where description = 'February'`,
  },
  {
    name: "another origin month and metadata",
    kinds: ["entry_changed"],
    plant: `update saldo.journal_entry set origin_month = '2025-01-01', metadata = '{"a": 1}'
      where description = 'February'`,
  },
  {
    name: "both sides of an entry changed alike, and the caches with them",
    kinds: ["line_changed", "total_differs"],
    plant: `update saldo.journal_line set debit = debit * 2, credit = credit * 2
        where entry_id = ${entry("February")};
      update saldo.account set debit_total = debit_total + 300 where code = 'till';
      update saldo.account set credit_total = credit_total + 300 where code = 'own';
      update saldo.month_movement set debit = debit + 300
        where month = '2026-02-01' and account_id = 1;
      update saldo.month_movement set credit = credit + 300
        where month = '2026-02-01' and account_id = 2`,
  },
  {
    name: "a line of another account",
    kinds: ["account_differs", "line_changed", "month_differs"],
    plant: `update saldo.journal_line set account_id = 1
      where entry_id = ${entry("February")} and account_id = 2`,
  },
  {
    name: "a line that is gone",
    kinds: [
      "account_differs",
      "entry_unbalanced",
      "line_missing",
      "month_differs",
      "total_differs",
    ],
    plant: `delete from saldo.journal_line where entry_id = ${entry("February")} and line_no = 2`,
  },
  {
    name: "two lines that were put in",
    kinds: ["account_differs", "line_inserted", "month_differs", "total_differs"],
    plant: `insert into saldo.journal_line
      select account_id, posting_date, entry_id, line_no + 2, debit, credit
      from saldo.journal_line where entry_id = ${entry("February")}`,
  },
  {
    name: "an entry that is gone with its lines",
    kinds: ["account_differs", "entry_missing", "month_differs", "total_differs"],
    plant: `delete from saldo.journal_line where entry_id = ${entry("February")};
      delete from saldo.journal_entry where description = 'February'`,
  },
  {
    name: "an entry that was put in past the engine",
    kinds: ["account_differs", "entry_inserted", "month_differs"],
    plant: copied("February", ', "description": "slipped in"'),
  },
  {
    name: "an entry that was doubled",
    kinds: ["account_differs", "entry_doubled", "month_differs"],
    plant: copied("February", ""),
  },
  {
    name: "lines without an entry",
    kinds: ["account_differs", "line_inserted", "month_differs"],
    plant: `insert into saldo.journal_line
      select account_id, posting_date, '01900000-0000-7000-8000-000000000002', line_no, debit, credit
      from saldo.journal_line where entry_id = ${entry("February")}`,
  },
  {
    name: "an entry changed together with its hash",
    kinds: ["seal_changed"],
    plant: `update saldo.journal_entry set description = 'x' where description = 'February';
      update saldo.journal_seal_entry as s set hash = h.hash, entry_part = h.entry_part
      from saldo_private.journal_entry_hash as h where h.entry_id = s.entry_id`,
  },
  {
    name: "a seal with another total",
    kinds: ["seal_changed", "total_differs"],
    plant: "update saldo.journal_seal_total set debit = debit + 1 where seal_number = 1",
  },
  {
    name: "a seal changed together with its own hash",
    kinds: ["chain_broken"],
    plant: `update saldo.journal_seal set sealed_by = 'x' where number = 1;
      update saldo.journal_seal as s
      set hash = sha256(convert_to(saldo_private.seal_text(s), 'UTF8')) where number = 1`,
  },
  {
    name: "a first seal that is gone",
    kinds: ["seal_missing"],
    plant: "delete from saldo.journal_seal where number = 1",
  },
  {
    name: "a last seal that is cut off with its entries",
    kinds: ["seal_missing"],
    plant: `delete from saldo.journal_seal_entry
        where seal_number = (select max(number) from saldo.journal_seal);
      delete from saldo.journal_seal_total
        where seal_number = (select max(number) from saldo.journal_seal);
      delete from saldo.journal_seal where number = (select max(number) from saldo.journal_seal)`,
  },
  {
    name: "another snapshot of a closed month, with its hash",
    kinds: ["snapshot_differs"],
    plant: `update saldo.closing_snapshot set debit_total = debit_total + 1 where account_id = 1;
      update saldo.period set snapshot_hash = saldo_private.snapshot_hash(fiscal_year, number)
      where snapshot_hash is not null`,
  },
  {
    name: "a forced balance and month",
    kinds: ["account_differs", "month_differs"],
    plant: `update saldo.account set debit_total = debit_total + 1 where id = 1;
      update saldo.month_movement set debit = debit + 1 where account_id = 1
        and month = '2026-02-01'`,
  },
  {
    name: "a journal that is empty",
    kinds: [
      "account_differs",
      "entry_missing",
      "month_differs",
      "snapshot_differs",
      "total_differs",
    ],
    plant: "truncate saldo.journal_line, saldo.journal_entry",
  },
  {
    name: "everything emptied but the seals",
    kinds: ["entry_missing", "total_differs"],
    plant: `truncate saldo.journal_line, saldo.journal_entry, saldo.month_movement,
        saldo.closing_snapshot;
      update saldo.period set snapshot_hash = saldo_private.snapshot_hash(fiscal_year, number)
        where snapshot_hash is not null;
      update saldo.account set debit_total = 0, credit_total = 0`,
  },
  {
    name: "an older state of the lines",
    kinds: ["account_differs", "line_missing", "month_differs", "total_differs"],
    plant: "delete from saldo.journal_line where posting_date > '2026-01-31'",
  },
  {
    name: "an older state of all seals",
    kinds: ["seal_missing"],
    plant: `truncate saldo.journal_seal, saldo.journal_seal_total, saldo.journal_seal_entry`,
  },
];
