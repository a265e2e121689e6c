import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";

/* Errors that would cancel each other in any plain sum: the sieve has to leave something over. */

const seeds = 40;

/** Books of seven accounts, one of them hot and one idle, with three entries on each day 15 of four months. */
async function openMonths() {
  const database = await openTestDatabase(4);
  await database.pool.query(
    `select saldo.open_account('a' || g, 'A', (case g when 1 then 'asset' else 'liability' end)
      ::saldo.account_type, mode => (case g when 6 then 'hot' else 'immediate' end)::saldo.account_mode)
    from generate_series(1, 7) as g`,
  );
  await database.pool.query(
    `select saldo.transfer(1, g, 10 * m + g,
      occurred_at => make_timestamptz(2025, m, 15, 12, 0, 0, 'Asia/Jakarta'))
    from generate_series(1, 4) as m, generate_series(2, 6) as g`,
  );
  return database;
}

const entryOf = (month: number, account: number) =>
  `(select entry_id from saldo.journal_line where account_id = ${account}
    and posting_date = '2025-0${month}-15')`;

const faults: [string, string, (number | string)[]][] = [
  ["nothing", "select", []],
  [
    "months of two accounts that were shifted the opposite way",
    `update saldo.month_movement set credit = credit + case account_id when 2 then 5 else -5 end
    where account_id in (2, 3) and month = '2025-02-01'`,
    [2],
  ],
  [
    "the same between two months",
    `update saldo.month_movement set credit = credit
      + case account_id when 2 then 5 else -5 end * case month when '2025-02-01' then 1 else -1 end
    where account_id in (2, 3) and month in ('2025-02-01', '2025-03-01')`,
    [2, 3],
  ],
  [
    "debits and credits of a month that were raised alike",
    `update saldo.month_movement set debit = debit + 5, credit = credit + 5
    where account_id = 4 and month = '2025-01-01'`,
    [1],
  ],
  [
    "numbers of lines of two months that were changed the opposite way",
    `update saldo.month_movement set line_count = line_count + case account_id when 2 then 1 else -1 end
    where account_id in (2, 3) and month = '2025-04-01'`,
    [4],
  ],
  [
    "a hot account's stripe against another account's month",
    `with stripe as (
      update saldo_private.account_stripe set credit = credit + 5
      where account_id = 6 and month = '2025-03-01' and line_count > 0
    )
    update saldo.month_movement set credit = credit - 5
    where account_id = 2 and month = '2025-03-01'`,
    [3],
  ],
  [
    "two entries of a day that are off by the same, with months that follow",
    `with line as (
      update saldo.journal_line as l set credit = l.credit + case account_id when 2 then 5 else -5 end
      where l.account_id in (2, 3) and l.posting_date = '2025-02-15'
    )
    update saldo.month_movement set credit = credit + case account_id when 2 then 5 else -5 end
    where account_id in (2, 3) and month = '2025-02-01'`,
    [2],
  ],
  [
    "lines of two entries that were swapped",
    `update saldo.journal_line set entry_id = case entry_id
      when ${entryOf(3, 2)} then ${entryOf(3, 3)} else ${entryOf(3, 2)} end
    where account_id in (2, 3) and posting_date = '2025-03-15'`,
    [3],
  ],
  [
    "a line on another day of the same month",
    `update saldo.journal_line set posting_date = '2025-03-16'
    where account_id = 2 and posting_date = '2025-03-15'`,
    [3],
  ],
  [
    "a line that was given to another account, and the totals left",
    "update saldo.journal_line set account_id = 3 where account_id = 2 and posting_date = '2025-01-15'",
    [1],
  ],
  [
    "two entries whose numbers of lines were changed the opposite way",
    `update saldo.journal_entry set line_count = case id when ${entryOf(4, 2)} then 3 else 1 end
    where id in (${entryOf(4, 2)}, ${entryOf(4, 3)})`,
    [4],
  ],
  [
    "NaN on both sides",
    `with line as (
      update saldo.journal_line set credit = 'NaN'
      where account_id = 2 and posting_date = '2025-01-15'
    )
    update saldo.month_movement set credit = 'NaN' where account_id = 2 and month = '2025-01-01'`,
    [1],
  ],
  [
    "a number of lines beyond reason",
    `update saldo.month_movement set line_count = 9000000000000000000
    where account_id = 2 and month = '2025-03-01'`,
    [3],
  ],
  [
    "a month of nothing beside months of something",
    "insert into saldo.month_movement (account_id, month) values (7, '2025-02-01')",
    [2],
  ],
  [
    "an entry on a day that has no month",
    `update saldo.journal_entry set posting_date = '500000-01-01' where id = ${entryOf(4, 2)}`,
    [4, "infinity"],
  ],
  [
    "a line on a day that has no month",
    `update saldo.journal_line set posting_date = '500000-01-01'
    where account_id = 2 and posting_date = '2025-04-15'`,
    [4, "infinity"],
  ],
  [
    "a month without a line",
    `insert into saldo.month_movement (account_id, month, debit, credit, line_count)
    values (2, '2025-09-01', 1, 1, 2)`,
    [9],
  ],
];

for (const [what, text, months] of faults) {
  test(`the sieve leaves over ${what}, whatever its seed`, async (t) => {
    const database = await openMonths();
    const { pool } = database;
    await forced(pool, async (client) => {
      // Not even that is believed.
      await client.query("alter domain saldo.amount drop constraint amount_is_a_number");
      await client.query("alter domain saldo.amount drop constraint amount_is_in_range");
      await client.query("alter domain saldo.total drop constraint total_is_a_number");
      await client.query("alter domain saldo.total drop constraint total_is_in_range");
      await client.query(text);
    });
    const { rows } = await pool.query(
      `select distinct s.line_count,
        array(select unnest(s.months) order by 1)::text as months
      from generate_series(1, $1) as g
      cross join lateral saldo_private.sieve_months(
        '-infinity', 'infinity', hashint8extended(g, 0)
      ) as s`,
      [seeds],
    );
    const found = months
      .map((month) => (typeof month === "number" ? `2025-0${month}-01` : month))
      .join();
    t.deepEqual(rows, [{ line_count: "40", months: `{${found}}` }]);
    await database.close();
  });
}
