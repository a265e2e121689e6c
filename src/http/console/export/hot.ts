/** Exports of hot accounts: how they stand, what waits, and what was settled. */
import { amount, exportOf, idOf, named, nameFilter, part, plain, word } from "./query.ts";

/** Each hot account with what waits on it. */
export const hotAccounts = exportOf({
  filters: {},
  columns: [
    word("account", "h.code"),
    word("name", "h.name"),
    plain("currency", "h.currency"),
    plain("slots", "h.slots"),
    plain("is_frozen", "h.is_frozen"),
    plain("pending_count", "h.pending_count"),
    amount("pending_debit", "h.pending_debit"),
    amount("pending_credit", "h.pending_credit"),
    plain("oldest_pending_at", "h.oldest_pending_at"),
    plain("last_settled_at", "h.last_settled_at"),
  ],
  from: () => part("saldo.hot_account_states() as h"),
  order: "h.code",
});

/** What was submitted to an account and is not settled yet. */
export const pending = exportOf({
  filters: { account: nameFilter, account_id: nameFilter },
  columns: [
    plain("id", "s.id"),
    plain("slot_no", "s.slot_no"),
    plain("seq", "s.seq"),
    plain("direction", "s.direction"),
    amount("amount", "s.amount"),
    word("counter_account", "c.code"),
    word("idempotency_key", "s.idempotency_key"),
    plain("created_at", "s.created_at"),
    word("created_by", "s.created_by"),
  ],
  from: ({ account, account_id }) => {
    const name = account ?? account_id ?? "";
    return part(
      `saldo.pending_sub_balances(${idOf("account", name)}) as s ` +
        "left join saldo.account as c on c.id = s.counter_account_id",
      name,
    );
  },
  order: "s.id",
});

/** What was settled, account by account. */
export const settlements = exportOf({
  filters: { account: nameFilter },
  columns: [
    plain("settled_at", "s.settled_at"),
    word("account", "a.code"),
    plain("currency", "a.currency"),
    plain("row_count", "s.row_count"),
    amount("debit", "s.debit"),
    amount("credit", "s.credit"),
    plain("started_at", "s.started_at"),
    word("settled_by", "s.settled_by"),
    plain("id", "s.id"),
  ],
  from: () => part("saldo.settlement as s join saldo.account as a on a.id = s.account_id"),
  where: ({ account }) => [named(account, "s.account_id", "account")],
  order: "s.settled_at, s.id",
});
