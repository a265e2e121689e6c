/** Exports of the statements of the books. */
import {
  amount,
  choiceFilter,
  dayFilter,
  exportOf,
  flagFilter,
  idOf,
  monthFilter,
  nameFilter,
  part,
  plain,
  word,
  yearFilter,
} from "./query.ts";

// Days that statements take.
const FIRST_DAY = "1900-01-01";
const LAST_DAY = "9999-12-31";

const basisFilter = choiceFilter(["reported", "restated"]);

/** Opening, movements and closing of all accounts. */
export const trialBalance = exportOf({
  filters: {
    from: dayFilter,
    to: dayFilter,
    as_of: dayFilter,
    basis: basisFilter,
    is_before_closing: flagFilter,
    has_zeros: flagFilter,
  },
  columns: [
    plain("account_id", "t.account_id"),
    word("account", "t.code"),
    word("name", "t.name"),
    plain("type", "t.type"),
    plain("currency", "t.currency"),
    plain("opening", "t.opening"),
    plain("debit", "t.debit"),
    plain("credit", "t.credit"),
    plain("closing", "t.closing"),
  ],
  from: ({
    from = FIRST_DAY,
    to,
    as_of,
    basis = "reported",
    is_before_closing = "false",
    has_zeros = "true",
  }) =>
    part(
      "saldo.trial_balance_between(%L::date, %L::date, %L::saldo.balance_basis, %L::boolean, %L::boolean) as t",
      from,
      to ?? as_of ?? LAST_DAY,
      basis,
      is_before_closing,
      has_zeros,
    ),
  order: "t.code",
});

/** What the business has and owes on a day; each currency adds up for itself. */
export const balanceSheet = exportOf({
  filters: {
    as_of: dayFilter,
    basis: basisFilter,
    is_before_closing: flagFilter,
    has_zeros: flagFilter,
  },
  columns: [
    plain("currency", "s.currency"),
    plain("section", "s.section"),
    plain("account_id", "s.account_id"),
    word("account", "s.code"),
    word("name", "s.name"),
    amount("balance", "s.balance"),
  ],
  from: ({
    as_of = LAST_DAY,
    basis = "reported",
    is_before_closing = "false",
    has_zeros = "true",
  }) =>
    part(
      "saldo.balance_sheet(%L::date, null, %L::saldo.balance_basis, %L::boolean, %L::boolean) as s",
      as_of,
      basis,
      is_before_closing,
      has_zeros,
    ),
  order: "s.currency, s.section, s.code nulls last",
});

/** Revenue, expense, and what is left of it. */
export const incomeStatement = exportOf({
  filters: { from: dayFilter, to: dayFilter, basis: basisFilter, has_zeros: flagFilter },
  columns: [
    plain("currency", "s.currency"),
    plain("section", "s.section"),
    plain("account_id", "s.account_id"),
    word("account", "s.code"),
    word("name", "s.name"),
    amount("amount", "s.amount"),
  ],
  from: ({ from = FIRST_DAY, to = LAST_DAY, basis = "reported", has_zeros = "true" }) =>
    part(
      "saldo.income_statement(%L::date, %L::date, null, %L::saldo.balance_basis, %L::boolean) as s",
      from,
      to,
      basis,
      has_zeros,
    ),
  order: "s.currency, s.section, s.code nulls last",
});

/** The months of an account. */
export const accountMonths = exportOf({
  filters: {
    account: nameFilter,
    account_id: nameFilter,
    from_month: monthFilter,
    to_month: monthFilter,
    basis: basisFilter,
  },
  columns: [
    plain("month", "to_char(m.month, 'YYYY-MM')"),
    amount("opening", "m.opening"),
    amount("debit", "m.debit"),
    amount("credit", "m.credit"),
    amount("year_end", "m.year_end"),
    amount("closing", "m.closing"),
    plain("line_count", "m.line_count"),
    plain("status", "m.status"),
  ],
  from: ({ account, account_id, from_month, to_month, basis = "reported" }) => {
    const name = account ?? account_id ?? "";
    const day = (month: string | undefined) => (month === undefined ? "null" : "%L::date");
    return part(
      `saldo.monthly_balance(${idOf("account", name)}, ${day(from_month)}, ${day(to_month)}, ` +
        "%L::saldo.balance_basis) as m",
      name,
      ...[from_month, to_month]
        .filter((month) => month !== undefined)
        .map((month) => `${month}-01`),
      basis,
    );
  },
  order: "m.month",
});

/** The periods of a fiscal year. */
export const periods = exportOf({
  filters: { year: yearFilter },
  columns: [
    plain("fiscal_year", "p.fiscal_year"),
    plain("number", "p.number"),
    plain("starts_on", "p.starts_on"),
    plain("ends_on", "p.ends_on"),
    plain("status", "p.status"),
    plain("closed_at", "p.closed_at"),
    word("closed_by", "p.closed_by"),
    plain("account_count", "p.account_count"),
    plain("line_count", "p.line_count"),
    plain("snapshot_hash", "encode(p.snapshot_hash, 'hex')"),
  ],
  // Without a year: those that anything was done to.
  from: ({ year }) =>
    year === undefined
      ? part("saldo.period as p")
      : part("saldo.fiscal_periods(%L::integer) as p", year),
  order: "p.fiscal_year, p.number",
});
