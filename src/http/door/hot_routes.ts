/** The simple door to hot accounts: submit, balance, what is pending, health of settlement. */
import type { ClientBase } from "pg";
import { z } from "zod";
import {
  amount,
  by,
  idempotencyKey,
  idOf,
  limit,
  pathReference,
  reference,
  row,
  rowsOf,
  shownAmount,
  shownId,
  shownInstant,
  uuid,
} from "./fields.ts";
import { type Route, route } from "./route.ts";

const shownTransaction = {
  id: z.uuid(),
  direction: z.enum(["debit", "credit"]),
  amount: shownAmount,
  counter_account_id: shownId,
  idempotency_key: z.string().nullable(),
  created_at: shownInstant,
  created_by: z.string(),
};

const submit = route({
  method: "post",
  path: "/api/v1/transaction",
  name: "submitTransaction",
  summary: "Submits a transaction on a hot account; settlement posts it seconds later.",
  roles: ["admin"],
  inBody: {
    account: reference,
    amount,
    direction: z.enum(["debit", "credit"]).describe("the side of the account"),
    counter_account: reference
      .nullish()
      .describe("who gets the other side: id or code; default the clearing account"),
    by,
    idempotency_key: idempotencyKey,
    metadata: z
      .record(z.string(), z.unknown())
      .nullish()
      .describe("whatever is to be kept with it, up to 8,000 bytes"),
  },
  data: z.strictObject({
    ...shownTransaction,
    account_id: shownId,
    status: z.enum(["PENDING", "SETTLED"]),
  }),
  answers: {
    404: "there is no such account, or it is not yours",
    409: "the account is not hot, is frozen, or lacks the funds; the key was used for something else",
  },
  async ask(client, given) {
    const accountId = await idOf(client, "account", given.account, given.by);
    const counterId =
      given.counter_account == null
        ? null
        : await idOf(client, "account", given.counter_account, given.by);
    return await row(
      client,
      `select s.id, s.account_id, s.direction, trim_scale(s.amount) as amount, s.counter_account_id,
        s.idempotency_key, s.created_at, s.created_by, saldo.sub_balance_status(s) as status
      from saldo.submit_transaction($1, $2, $3, $4, $5, $6) as s`,
      [
        accountId,
        given.amount,
        given.direction,
        counterId,
        given.idempotency_key ?? null,
        given.metadata == null ? null : JSON.stringify(given.metadata),
      ],
    );
  },
});

const shownBalances = {
  account_id: shownId,
  currency: z.string(),
  settled_balance: shownAmount,
  pending_debit: shownAmount,
  pending_credit: shownAmount,
  pending_count: shownId,
  held: shownAmount,
  available_balance: shownAmount,
  last_updated_at: shownInstant,
  version: shownId,
};

const readBalances = async (client: ClientBase, accountId: string) =>
  await row<Record<string, string>>(
    client,
    `select account_id, currency, settled_balance, pending_debit, pending_credit, pending_count,
      held, available_balance, last_updated_at, version
    from saldo.balances($1)`,
    [accountId],
  );

const balance = route({
  method: "get",
  path: "/api/v1/balance/{account}",
  name: "balance",
  summary: "What is settled, pending, held and available on an account, at one moment.",
  roles: ["admin", "accountant", "operator", "auditor", "member"],
  inPath: { account: pathReference },
  inQuery: { by },
  data: z.strictObject(shownBalances),
  answers: { 404: "there is no such account, or it is not yours" },
  ask: async (client, { account, by: meant }) =>
    await readBalances(client, await idOf(client, "account", account, meant)),
});

const pending = route({
  method: "get",
  path: "/api/v1/pending/{account}",
  name: "pending",
  summary: "What waits for settlement on an account, oldest first, and what it sums up to.",
  roles: ["admin", "accountant", "operator", "auditor", "member"],
  inPath: { account: pathReference },
  inQuery: {
    by,
    limit,
    after: uuid.optional().describe("the id that the page before ended with"),
  },
  data: z.strictObject({
    account_id: shownId,
    pending_count: shownId,
    pending_debit: shownAmount,
    pending_credit: shownAmount,
    transactions: z.array(z.strictObject(shownTransaction)),
  }),
  answers: { 404: "there is no such account, or it is not yours" },
  async ask(client, given) {
    const accountId = await idOf(client, "account", given.account, given.by);
    const sums = await readBalances(client, accountId);
    const transactions = await rowsOf(
      client,
      `select id, direction, trim_scale(amount) as amount, counter_account_id, idempotency_key,
        created_at, created_by
      from saldo.pending_sub_balances($1)
      where id > $2 or $2 is null
      order by id
      limit $3`,
      [accountId, given.after ?? null, given.limit],
    );
    return {
      account_id: accountId,
      pending_count: sums["pending_count"],
      pending_debit: sums["pending_debit"],
      pending_credit: sums["pending_credit"],
      transactions,
    };
  },
});

const health = route({
  method: "get",
  path: "/api/v1/health",
  name: "settlementHealth",
  summary: "How settlement is doing. is_settling: false when no job was seen for long.",
  data: z.strictObject({
    is_settling: z.boolean(),
    hot_account_count: shownId,
    pending_count: shownId,
    oldest_pending_age_seconds: shownAmount,
    last_settled_at: shownInstant.nullable(),
    open_hold_count: shownId,
    overdue_hold_count: shownId,
  }),
  ask: async (client) =>
    await row(
      client,
      `select not w.is_silent as is_settling, h.hot_account_count, h.pending_count,
        h.oldest_pending_age_seconds, h.last_settled_at, h.open_hold_count, h.overdue_hold_count
      from saldo.settlement_health() as h
      cross join saldo_private.worker_state() as w`,
    ),
});

/** The routes below /api/v1. */
export const hotRoutes: readonly Route[] = [submit, balance, pending, health];
