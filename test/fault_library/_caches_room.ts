import type { Room } from "./_library.ts";

const ofA = "(select id from saldo.account where code = 'a')";

/** Of totals, months and kept years of accounts. */
export const cachesRoom: Room = {
  room: "caches",
  books: `
  select saldo.open_account('a', 'A', 'asset'), saldo.open_account('b', 'B', 'asset'),
    saldo.open_account('idle', 'Idle', 'asset');
  select saldo.transfer(
    (select id from saldo.account where code = 'a'),
    (select id from saldo.account where code = 'b'), 60, occurred_at => '2025-03-05'
  );
  select saldo.seal_journal();
  select saldo_private.keep_year() from generate_series(1, 9)`,
  faults: [
    {
      fault: "a forced balance",
      plant: "update saldo.account set debit_total = debit_total + 1 where id = 1",
      rules: ["account_balance", "balance_sheet"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a forced balance that nobody recorded",
      plant: "update saldo.account set debit_total = debit_total + 1 where id = 1",
      unseen: true,
      rules: ["account_balance", "balance_sheet"],
      cause: "cache_forced likely",
      outcome: "healed",
    },
    {
      fault: "a balance that is forced again after a heal",
      plant: "update saldo.account set debit_total = debit_total + 1 where id = 1",
      twice: true,
      rules: ["account_balance", "balance_sheet"],
      cause: "out_of_band_write certain",
      outcome: "escalated",
    },
    {
      fault: "a forced balance above the limit of a heal",
      plant: "update saldo.account set debit_total = debit_total + 11000000 where id = 1",
      rules: ["account_balance", "balance_sheet"],
      cause: "out_of_band_write certain",
      outcome: "needs approval",
    },
    {
      fault: "a forced balance while a sealed entry of others has other words",
      plant: `update saldo.account set debit_total = debit_total + 1 where id = 1;
        update saldo.journal_entry set description = 'x' where posting_date = '2025-03-05'`,
      rules: ["account_balance", "balance_sheet", "journal_seal"],
      cause: "out_of_band_write certain",
      outcome: "refused",
    },
    {
      fault: "two sides of a balance forced alike",
      plant: `update saldo.account set debit_total = debit_total + 1, credit_total = credit_total + 1
          where id = 1`,
      rules: ["account_balance"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a balance below its minimum",
      plant: "update saldo.account set credit_total = 5000 where id = 1",
      rules: ["min_balance", "account_balance", "balance_sheet"],
      cause: "out_of_band_write certain",
      outcome: "reported",
    },
    {
      fault: "a minimum that was raised past the engine",
      plant: "update saldo.account set min_balance = 1000000 where id = 1",
      rules: ["min_balance", "engine_configuration"],
      cause: "record_changed possible",
      outcome: "reported",
    },
    {
      fault: "a forced month",
      plant: "update saldo.month_movement set debit = debit + 1 where account_id = 1",
      rules: ["month_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a forced month that nobody recorded",
      plant: "update saldo.month_movement set debit = debit + 1 where account_id = 1",
      unseen: true,
      rules: ["month_movement"],
      cause: "cache_forced likely",
      outcome: "healed",
    },
    {
      fault: "a number of lines that was raised",
      plant: `update saldo.month_movement set line_count = line_count + 1 where account_id = 1`,
      rules: ["month_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a number of lines that was raised, and nobody recorded it",
      plant: `update saldo.month_movement set line_count = line_count + 1 where account_id = 1`,
      unseen: true,
      rules: ["month_movement"],
      cause: "cache_forced likely",
      outcome: "healed",
    },
    {
      fault: "a month that is gone",
      plant: "delete from saldo.month_movement where account_id = 1",
      rules: ["month_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a month that never was",
      plant: "insert into saldo.month_movement values (1, '2001-01-01', 5, 5, 1)",
      rules: ["month_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a month that was moved",
      plant: "update saldo.month_movement set month = '2001-01-01' where account_id = 1",
      rules: ["month_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a month that was moved, and nobody recorded it",
      plant: "update saldo.month_movement set month = '2001-01-01' where account_id = 1",
      unseen: true,
      rules: ["month_movement"],
      cause: "cache_forced likely",
      outcome: "healed",
    },
    {
      fault: "a month that was given to another account",
      plant: `update saldo.month_movement set account_id = (select id from saldo.account where code = 'a')
          where account_id = 2`,
      rules: ["month_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "months that were all emptied",
      plant: "truncate saldo.month_movement",
      rules: ["month_movement"],
      cause: "out_of_band_write possible",
      outcome: "needs approval",
    },
    {
      fault: "a forced year",
      plant: `update saldo_private.year_movement set debit = debit + 1 where account_id = ${ofA}`,
      rules: ["year_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a forced year that nobody recorded",
      plant: `update saldo_private.year_movement set debit = debit + 1 where account_id = ${ofA}`,
      unseen: true,
      rules: ["year_movement"],
      cause: "cache_forced likely",
      outcome: "healed",
    },
    {
      fault: "a number of lines of a year that was raised",
      plant: `update saldo_private.year_movement set line_count = 9 where account_id = ${ofA}`,
      rules: ["year_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a year that is gone",
      plant: `delete from saldo_private.year_movement where account_id = ${ofA}`,
      rules: ["year_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a year that is not kept yet",
      plant: "insert into saldo_private.year_movement values (1, 2100, 5, 5, 1)",
      rules: ["year_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "years that were all emptied",
      plant: "truncate saldo_private.year_movement",
      rules: ["year_movement"],
      cause: "out_of_band_write possible",
      outcome: "healed",
    },
    {
      fault: "a total and its month forced alike",
      plant: `update saldo.account set debit_total = debit_total + 5 where id = 1;
        update saldo.month_movement set debit = debit + 5 where account_id = 1`,
      rules: ["account_balance", "balance_sheet", "month_movement"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a total and its month forced alike, and nobody recorded it",
      plant: `update saldo.account set debit_total = debit_total + 5 where id = 1;
        update saldo.month_movement set debit = debit + 5 where account_id = 1`,
      unseen: true,
      rules: ["account_balance", "balance_sheet", "month_movement"],
      cause: "cache_forced likely",
      outcome: "healed",
    },
    {
      fault: "totals and months of two accounts forced alike, which the seals contradict",
      plant: `update saldo.account set debit_total = debit_total + 5 where id = 1;
        update saldo.month_movement set debit = debit + 5 where account_id = 1;
        update saldo.account set credit_total = credit_total + 5 where id = 2;
        update saldo.month_movement set credit = credit + 5 where account_id = 2`,
      unseen: true,
      rules: ["account_balance", "month_movement"],
      cause: "cache_forced likely",
      outcome: "healed",
    },
    {
      fault: "totals and months of two accounts forced alike, before anything was sealed",
      plant: `delete from saldo.journal_seal; delete from saldo.journal_seal_entry;
        delete from saldo.journal_seal_total;
        update saldo_private.seal_progress set head_number = 0, head_hash = null;
        update saldo.account set debit_total = debit_total + 5 where id = 1;
        update saldo.month_movement set debit = debit + 5 where account_id = 1;
        update saldo.account set credit_total = credit_total + 5 where id = 2;
        update saldo.month_movement set credit = credit + 5 where account_id = 2`,
      unseen: true,
      rules: ["account_balance", "month_movement"],
      cause: "journal_changed likely",
      outcome: "frozen",
    },
    {
      fault: "totals without a line behind them",
      plant: "update saldo.account set debit_total = 7 where code = 'idle'",
      rules: ["account_balance", "balance_sheet"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "an account that is gone",
      plant: "delete from saldo.account where code = 'b'",
      rules: ["trial_balance", "balance_sheet", "journal_seal", "engine_configuration"],
      cause: "journal_changed likely",
      outcome: "reported",
    },
  ],
};
