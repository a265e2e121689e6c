/** Exports of members, purchases, customers and their months. */
import { Refusal } from "../../../errors/refusal.ts";
import {
  amount,
  choiceFilter,
  dayFilter,
  exportOf,
  idOf,
  monthFilter,
  named,
  nameFilter,
  part,
  plain,
  searchFilter,
  when,
  word,
  yearFilter,
} from "./query.ts";

/** Members with their wallets. */
export const members = exportOf({
  filters: { search: searchFilter },
  columns: [
    plain("id", "m.id"),
    word("code", "m.code"),
    word("name", "m.name"),
    plain("created_at", "m.created_at"),
    plain("account_id", "m.account_id"),
    plain("currency", "t.currency"),
    amount("balance", "t.balance"),
    amount("held", "t.held_total"),
  ],
  // As the screen finds them, and all of them.
  from: ({ search }) => {
    const wallets = "join saldo_private.account_total as t on t.account_id = m.account_id";
    return search === undefined
      ? part(`saldo.member as m ${wallets}`)
      : part(`saldo.find_members(%L, 1000000) as m ${wallets}`, search);
  },
  order: "m.code",
});

/** Purchases of members. */
export const purchases = exportOf({
  filters: {
    member: nameFilter,
    status: choiceFilter(["pending", "completed", "failed", "partially_refunded", "refunded"]),
    from: dayFilter,
    to: dayFilter,
  },
  columns: [
    plain("id", "p.id"),
    plain("occurred_at", "p.occurred_at"),
    plain("member_id", "p.member_id"),
    word("member", "m.code"),
    word("member_name", "m.name"),
    word("product", "r.code"),
    word("product_name", "r.name"),
    plain("quantity", "p.quantity"),
    amount("unit_price", "p.unit_price"),
    amount("amount", "p.amount"),
    plain("currency", "r.currency"),
    plain("status", "p.status"),
    plain("completed_at", "p.completed_at"),
    plain("refunded_at", "p.refunded_at"),
    word("failure_reason", "p.failure_reason"),
    word("created_by", "p.created_by"),
  ],
  from: () =>
    part(
      "saldo.purchase as p join saldo.member as m on m.id = p.member_id " +
        "left join saldo.product as r on r.id = p.product_id",
    ),
  where: ({ member, status, from, to }) => [
    named(member, "p.member_id", "member"),
    when(status, "p.status = %L"),
    when(from, "p.occurred_at >= %L::date"),
    when(to, "p.occurred_at < %L::date + 1"),
  ],
  order: "p.occurred_at, p.id",
});

/** Customers of meters. */
export const customers = exportOf({
  filters: { search: searchFilter },
  columns: [
    plain("id", "c.id"),
    word("code", "c.code"),
    word("name", "c.name"),
    plain("currency", "c.currency"),
    plain("account_id", "c.account_id"),
    plain("created_at", "c.created_at"),
  ],
  from: ({ search }) =>
    search === undefined
      ? part("saldo.customer as c")
      : part("saldo.find_customers(%L) as c", search),
  order: "c.code",
});

/** Deposits of customers; one that was changed or taken back stays, with what became of it. */
export const deposits = exportOf({
  filters: {
    customer: nameFilter,
    status: choiceFilter(["current", "superseded", "removed"]),
    from: dayFilter,
    to: dayFilter,
  },
  columns: [
    plain("id", "d.id"),
    plain("occurred_at", "d.occurred_at"),
    word("customer", "c.code"),
    word("customer_name", "c.name"),
    amount("amount", "d.amount"),
    plain("currency", "c.currency"),
    word("description", "d.description"),
    plain("status", "d.status"),
    plain("revision", "d.revision"),
    plain("entry_id", "d.entry_id"),
    plain("reversal_entry_id", "d.reversal_entry_id"),
    plain("recorded_at", "d.recorded_at"),
    word("recorded_by", "d.recorded_by"),
    plain("ended_at", "d.ended_at"),
    word("ended_by", "d.ended_by"),
  ],
  from: () => part("saldo.deposit as d join saldo.customer as c on c.account_id = d.account_id"),
  where: ({ customer, status, from, to }) => [
    named(customer, "c.id", "customer"),
    when(status, "d.status = %L"),
    when(from, "d.occurred_at >= %L::date"),
    when(to, "d.occurred_at < %L::date + 1"),
  ],
  order: "d.occurred_at, d.id",
});

const NO_DETAIL = "null::numeric";

/** Months of a customer, or a month of all of them. */
export const customerMonths = exportOf({
  filters: {
    customer: nameFilter,
    year: yearFilter,
    month: monthFilter,
    basis: choiceFilter(["reported", "restated"]),
  },
  columns: [
    word("customer", "m.customer_code"),
    word("name", "m.customer_name"),
    plain("currency", "m.currency"),
    plain("month", "to_char(m.month, 'YYYY-MM')"),
    plain("opening_balance", "m.opening_balance"),
    plain("deposits", "m.deposits"),
    plain("purchases", "m.purchases"),
    plain("deposit_adjustments", "m.deposit_adjustments"),
    plain("purchase_adjustments", "m.purchase_adjustments"),
    plain("others", "m.others"),
    plain("closing_balance", "m.closing_balance"),
    plain("volume_sm3", "m.volume_sm3"),
    plain("volume_adjustments", "m.volume_adjustments"),
  ],
  from: ({ customer, year, month, basis = "reported" }) => {
    if (customer === undefined) {
      if (month === undefined) throw new Refusal("input_invalid", "customer or month is given");
      // The line of all of them has no customer.
      return part(
        `(select each.*, ${NO_DETAIL} as volume_adjustments ` +
          "from saldo.customers_month(%L::date, %L::saldo.balance_basis) as each " +
          "where each.customer_id is not null) as m",
        `${month}-01`,
        basis,
      );
    }
    const [first, last] = month
      ? [`${month}-01`, `${month}-01`]
      : [`${year ?? "1900"}-01-01`, `${year ?? "9999"}-12-01`];
    return part(
      "(select c.code as customer_code, c.name as customer_name, c.currency, each.* " +
        "from saldo.customer as c cross join lateral " +
        "saldo.customer_month(c.id, %L::date, %L::date, %L::saldo.balance_basis) as each " +
        `where c.id = ${idOf("customer", customer)}) as m`,
      first,
      last,
      basis,
      customer,
    );
  },
  order: "m.customer_code, m.month",
});

/** What readings cost, with what it was counted by. */
export const ratedLines = exportOf({
  filters: { customer: nameFilter, month: monthFilter },
  columns: [
    word("customer", "c.code"),
    plain("month", "to_char(r.month, 'YYYY-MM')"),
    plain("read_at", "r.read_at"),
    plain("reading_id", "r.reading_id"),
    plain("id", "r.id"),
    plain("revision", "r.revision"),
    plain("is_current", "r.superseded_at is null"),
    plain("is_withdrawn", "r.is_withdrawn"),
    plain("volume_m3", "r.volume_m3"),
    plain("factor", "r.factor"),
    plain("volume_sm3", "r.volume_sm3"),
    plain("price", "r.price"),
    amount("amount", "r.amount"),
    amount("amount_change", "r.amount_change"),
    plain("currency", "c.currency"),
    plain("posting_date", "r.posting_date"),
    plain("entry_id", "r.entry_id"),
    plain("rated_at", "r.rated_at"),
    word("rated_by", "r.rated_by"),
  ],
  from: () => part("saldo.rated_line as r join saldo.customer as c on c.account_id = r.account_id"),
  where: ({ customer, month }) => [
    named(customer, "c.id", "customer"),
    when(month === undefined ? undefined : `${month}-01`, "r.month = %L"),
  ],
  order: "c.code, r.read_at, r.reading_id, r.revision",
});
