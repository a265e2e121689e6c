/** Exports of accounts, entries and seals, and of what is held. */
import {
  amount,
  amountFilter,
  choiceFilter,
  dayFilter,
  exportOf,
  idOf,
  named,
  nameFilter,
  part,
  plain,
  searchFilter,
  when,
  word,
  wordFilter,
} from "./query.ts";

// Days that statements take.
const FIRST_DAY = "1900-01-01";
const LAST_DAY = "9999-12-31";

const ofState = {
  open: part("a.closed_at is null and a.frozen_at is null"),
  frozen: part("a.frozen_at is not null"),
  closed: part("a.closed_at is not null"),
} as const;

/** Accounts with their balances. */
export const accounts = exportOf({
  filters: {
    search: searchFilter,
    type: choiceFilter(["asset", "liability", "equity", "revenue", "expense"]),
    currency: wordFilter,
    mode: choiceFilter(["immediate", "hot"]),
    state: choiceFilter(["open", "frozen", "closed"]),
  },
  columns: [
    plain("id", "a.id"),
    word("code", "a.code"),
    word("name", "a.name"),
    plain("type", "a.type"),
    plain("currency", "a.currency"),
    plain("mode", "a.mode"),
    amount("debits", "t.debit_total"),
    amount("credits", "t.credit_total"),
    amount("balance", "t.balance"),
    amount("held", "a.held_total"),
    plain("opened_at", "a.opened_at"),
    plain("frozen_at", "a.frozen_at"),
    word("frozen_reason", "a.frozen_reason"),
    plain("closed_at", "a.closed_at"),
  ],
  from: () =>
    part("saldo.account as a join saldo_private.account_total as t on t.account_id = a.id"),
  where: ({ search, type, currency, mode, state }) => [
    when(
      search,
      "(starts_with(a.code, trim(normalize(%L, nfc))) " +
        "or a.name ilike all (saldo_private.search_words(%L)))",
    ),
    when(type, "a.type = %L"),
    when(currency?.toUpperCase(), "a.currency = %L"),
    when(mode, "a.mode = %L"),
    state === undefined ? undefined : ofState[state],
  ],
  order: "a.code",
});

/** Lines of posted entries, each with its entry. */
export const entries = exportOf({
  filters: {
    account: nameFilter,
    from: dayFilter,
    to: dayFilter,
    source: wordFilter,
    kind: choiceFilter(["normal", "opening", "adjustment", "correction", "closing", "reversal"]),
    search: searchFilter,
    min: amountFilter,
    max: amountFilter,
    reference: nameFilter,
  },
  columns: [
    plain("posting_date", "l.posting_date"),
    plain("entry_id", "l.entry_id"),
    plain("line_no", "l.line_no"),
    plain("occurred_at", "e.occurred_at"),
    plain("kind", "e.kind"),
    plain("status", "e.status"),
    word("source", "e.source"),
    word("description", "e.description"),
    word("account", "a.code"),
    word("account_name", "a.name"),
    plain("currency", "a.currency"),
    amount("debit", "l.debit"),
    amount("credit", "l.credit"),
    plain("origin_month", "e.origin_month"),
    plain("reverses", "e.reverses"),
    word("idempotency_key", "e.idempotency_key"),
    word("posted_by", "e.posted_by"),
  ],
  from: () =>
    part(
      "saldo.journal_line as l join saldo.journal_entry as e on e.id = l.entry_id " +
        "join saldo.account as a on a.id = l.account_id",
    ),
  where: ({ account, from, to, source, kind, search, min, max, reference }) => [
    part("e.status <> 'draft'"),
    named(account, "l.account_id", "account"),
    when(from, "l.posting_date >= %L"),
    when(to, "l.posting_date <= %L"),
    when(source, "e.source = %L"),
    when(kind, "e.kind = %L"),
    when(search, "e.description ilike all (saldo_private.search_words(%L))"),
    when(min, "l.debit + l.credit >= %L"),
    when(max, "l.debit + l.credit <= %L"),
    when(reference, "e.id in (select f.id from saldo.find_entries(reference => %L) as f)"),
  ],
  order: "l.posting_date, l.entry_id, l.line_no",
});

/** Drafts of entries: what is written down and posted later, or never. */
export const drafts = exportOf({
  filters: { status: choiceFilter(["open", "posted", "discarded"]) },
  columns: [
    plain("id", "d.id"),
    plain("status", "d.status"),
    plain("version", "d.version"),
    word("description", "d.description"),
    plain("occurred_at", "d.occurred_at"),
    word("content", "d.content"),
    plain("made_at", "d.made_at"),
    word("made_by", "d.made_by"),
    plain("changed_at", "d.changed_at"),
    word("changed_by", "d.changed_by"),
    plain("entry_id", "d.entry_id"),
    word("reason", "d.reason"),
  ],
  from: () => part("saldo.entry_draft as d"),
  where: ({ status }) => [when(status, "d.status = %L")],
  order: "d.made_at, d.id",
});

/** Lines of an account with the balance after each. */
export const statement = exportOf({
  filters: { account: nameFilter, account_id: nameFilter, from: dayFilter, to: dayFilter },
  columns: [
    plain("posting_date", "s.posting_date"),
    plain("entry_id", "s.entry_id"),
    plain("line_no", "s.line_no"),
    plain("occurred_at", "s.occurred_at"),
    plain("kind", "s.kind"),
    plain("origin_month", "s.origin_month"),
    word("description", "s.description"),
    plain("debit", "s.debit"),
    plain("credit", "s.credit"),
    plain("balance", "s.balance"),
  ],
  from: ({ account, account_id, from = FIRST_DAY, to = LAST_DAY }) => {
    const name = account ?? account_id ?? "";
    const call = `saldo.account_statement(${idOf("account", name)}, %L::date, %L::date)`;
    return part(`${call} with ordinality as s`, name, from, to);
  },
  // What was before the first day of all is nothing.
  where: ({ from }) => [from === undefined ? part("s.entry_id is not null") : undefined],
  order: "s.ordinality",
});

/** Amounts that are held, and have been. */
export const holds = exportOf({
  filters: {
    account: nameFilter,
    account_id: nameFilter,
    status: choiceFilter(["HELD", "CAPTURED", "VOIDED", "EXPIRED"]),
  },
  columns: [
    plain("id", "h.id"),
    word("account", "a.code"),
    plain("currency", "a.currency"),
    plain("status", "h.status"),
    amount("amount", "h.amount"),
    amount("captured_amount", "h.captured_amount"),
    amount("open_amount", "h.open_amount"),
    word("counter_account", "c.code"),
    word("source", "h.source"),
    word("description", "h.description"),
    plain("created_at", "h.created_at"),
    word("created_by", "h.created_by"),
    plain("expires_at", "h.expires_at"),
    plain("closed_at", "h.closed_at"),
    word("close_reason", "h.close_reason"),
  ],
  // A member sees the own account, and not the other one.
  from: () =>
    part(
      "saldo.hold as h join saldo.account as a on a.id = h.account_id " +
        "left join saldo.account as c on c.id = h.counter_account_id",
    ),
  where: ({ account, account_id, status }) => [
    named(account ?? account_id, "h.account_id", "account"),
    when(status, "h.status = %L"),
  ],
  order: "h.created_at, h.id",
});

/** The seals of the journal. */
export const seals = exportOf({
  filters: {},
  columns: [
    plain("number", "s.number"),
    plain("month", "to_char(s.month, 'YYYY-MM')"),
    plain("entry_count", "s.entry_count"),
    plain("line_count", "s.line_count"),
    plain("sealed_at", "s.sealed_at"),
    word("sealed_by", "s.sealed_by"),
    plain("hash", "encode(s.hash, 'hex')"),
    plain("entries_hash", "encode(s.entries_hash, 'hex')"),
    plain("previous_hash", "encode(s.previous_hash, 'hex')"),
  ],
  from: () => part("saldo.journal_seal as s"),
  order: "s.number",
});
