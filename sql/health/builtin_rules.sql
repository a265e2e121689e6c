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
    ('closed_period', 'closing', 'Nothing enters a closed period',
      'No entry is dated in a period that was closed when it was posted.', null, true),
    ('closing_snapshot', 'closing', 'Seals are unbroken',
      'The sealed totals have their hash, and are those of the journal.', null, true),
    ('journal_seal', 'closing', 'The journal is what was sealed',
      'Recent seals have their hashes and entries, and no month has less than was sealed.', null,
      true),
    ('restatement', 'closing', 'Restated adds up to reported',
      'The months of an account as restated add up over all time to what was reported.', null,
      false),
    ('held_total', 'hot', 'Held totals equal the open holds',
      'The held total of an immediate account is the sum of its open holds.', 'heal_held_total',
      false),
    ('account_slot', 'hot', 'Slots equal what is available',
      'The slots of a hot account add up to its funds, its open holds and its rows.',
      'heal_account_slot', false),
    ('sub_balance', 'hot', 'No row of a hot account is missing',
      'Rows of a slot are numbered without gap, and have sane amounts.', null, true),
    ('settlement', 'hot', 'Settlements are the sums of their rows',
      'Count and sums of a settlement are those of its rows and of its entries.', null, true),
    ('settlement_range', 'hot', 'No row is settled twice or passed over',
      'Settlements of a slot follow on each other up to its mark.', null, true),
    ('settlement_entry', 'hot', 'Summary entries carry the sums of their rows',
      'Each summary entry has its rows, and all settled rows are in one.', null, true),
    ('settlement_lag', 'hot', 'Settlement keeps up',
      'No row is pending longer than the setting settlement_lag_max_seconds.', null, false),
    ('purchase_hold', 'wallet', 'Pending purchases are held',
      'Each pending purchase has an open hold of its amount, and no other hold of a purchase is '
        'open.', null, false),
    ('purchase_entry', 'wallet', 'Purchases agree with journal and stock',
      'Each purchase has the entries and items that its state wants, and no other.', null, false),
    ('deposit_entry', 'metering', 'Deposits agree with the journal',
      'Each deposit has its entry, and its reversal once it is changed or removed.', null, false),
    ('rated_line', 'metering', 'Rated lines are what their versions make',
      'Volume, factor, price and amount of a current line follow from its reading and versions.',
      null, false),
    ('rating_entry', 'metering', 'Rating entries carry the sums of the rated lines',
      'What is posted for a customer and month is the sum of its current lines.', null, false),
    ('reading_rated', 'metering', 'Each reading is rated that can be',
      'A current reading with price and factor is rated by them, and no other reading is.', null,
      false),
    ('rerating', 'metering', 'Re-ratings move',
      'No re-rating has failed, or stands still for longer than the setting '
        'rerating_idle_max_seconds.', null, false),
    ('customer_month_total', 'metering', 'Monthly totals of customers equal their lines',
      'A customer''s month is the sums of its journal lines and of the volumes of its rated lines.',
      'heal_customer_month_total', false),
    ('idempotency', 'foundation', 'Each idempotency key has its result',
      'The entry or purchase that a key stands for exists.', null, true),
    ('engine_configuration', 'health', 'The engine is switched on and closed',
      'Triggers, durability, search paths, privileges and row level security are as built.',
      null, false)
) as rule (name, room, title, description, heal, about_journal);

-- What the sieve proves, and what costs little whatever the books have grown to.
update saldo.balance_rule as r
set scope = c.scope::saldo.rule_scope,
  is_incremental = true
from (
  values
    ('account_balance', 'account'), ('month_movement', 'account'),
    ('entry_balance', 'entry'), ('entry_lines', 'entry'), ('orphan_line', 'entry'),
    ('line_amount', 'entry'), ('trial_balance', 'journal'), ('balance_sheet', 'whole'),
    ('min_balance', 'whole'), ('held_total', 'whole'), ('account_slot', 'whole'),
    ('settlement_lag', 'whole'), ('purchase_hold', 'whole'), ('engine_configuration', 'whole')
) as c (name, scope)
where r.name = c.name;
