import type { PoolClient } from "pg";

/** Faults of a clock that was ahead, in the books of rules.test.ts. */
export const clockFaults = [
  {
    name: "a check of a time that has not come",
    rules: ["clock"],
    books: "select saldo.check_balance_health()",
    plant: (client: PoolClient) =>
      client.query("update saldo.check_run set finished_at = finished_at + interval '1 hour'"),
  },
  {
    name: "a settlement of a time that has not come",
    rules: ["clock"],
    plant: (client: PoolClient) =>
      client.query("update saldo.settlement set settled_at = settled_at + interval '1 hour'"),
  },
];
