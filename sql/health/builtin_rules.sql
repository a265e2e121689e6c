-- The built-in rules: every cache, the book checks, and the engine itself.

select saldo_private.register_builtin_rule(name, room, title, description, heal, about_journal)
from (
  values
    ('entry_balance', 'ledger', 'Each entry balances',
      'Debits equal credits in each currency of each entry.', null, true),
    ('entry_lines', 'ledger', 'Each entry has its lines',
      'A posted entry has the lines it was posted with, on its posting date; a draft has none.',
      null, true),
    ('orphan_line', 'ledger', 'Each line has its entry and account',
      'No line stands without an entry or an account.', null, true),
    ('line_amount', 'ledger', 'Each line has one sane amount',
      'One side is positive, the other zero; no NaN, no fractions of a cent.', null, true),
    ('trial_balance', 'ledger', 'All lines sum to zero',
      'Debits equal credits in each currency of the whole journal.', null, true),
    ('reversal', 'ledger', 'A reversal cancels its entry once and exactly',
      'Entry and reversal sum to zero on every account; a reversed entry has one reversal.',
      null, true),
    ('account_balance', 'ledger', 'Account totals equal the journal',
      'Totals of an account are the sums of its lines.', 'heal_account_balance', false),
    ('month_movement', 'ledger', 'Month movements equal the journal',
      'A month''s movement is the sum of its lines.', 'heal_month_movement', false),
    ('balance_sheet', 'ledger', 'Assets = liabilities + equity + current earnings',
      'The balances of the accounts balance in each currency.', null, false),
    ('min_balance', 'ledger', 'No account is below its minimum',
      'Balance less holds is at least min_balance.', null, false),
    ('held_total', 'wallet', 'Held totals equal the open holds',
      'An account''s held total is the sum of its pending purchases.', 'heal_held_total', false),
    ('purchase_entry', 'wallet', 'Purchases agree with journal and stock',
      'Each purchase has the entries and items that its state wants, and no other.', null, false),
    ('idempotency', 'foundation', 'Each idempotency key has its result',
      'The entry or purchase that a key stands for exists.', null, true),
    ('engine_configuration', 'health', 'The engine is switched on and closed',
      'Triggers, durability, search paths, privileges and row level security are as built.',
      null, false)
) as rule (name, room, title, description, heal, about_journal);
