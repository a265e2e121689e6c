import type { PoolClient } from "pg";

const sql = (text: string) => (client: PoolClient) => client.query(text);

/** Faults of freezing, in the books of rules.test.ts. */
export const freezeFaults = [
  {
    name: "an account that was unfrozen past its record",
    rules: ["account_freeze"],
    books: "select saldo.freeze_account(1, 'looked at')",
    plant: sql("update saldo.account set frozen_at = null where id = 1"),
  },
  {
    name: "slots of a frozen account",
    rules: ["account_freeze"],
    books: `select saldo.freeze_account(id, 'looked at') from saldo.account where code = 'float'`,
    plant: sql(`insert into saldo_private.account_stripe (account_id, month, stripe_no, is_limited)
      select id, '2026-01-01', 1, true from saldo.account where code = 'float'`),
  },
];
