import type { PoolClient } from "pg";

const sql = (text: string) => (client: PoolClient) => client.query(text);

/** Faults of hot accounts, in the books of rules.test.ts. */
export const hotFaults = [
  {
    name: "a slot with more than there is",
    rules: ["account_slot"],
    plant: sql("update saldo_private.account_slot set available = available + 1 where held > 0"),
  },
  {
    name: "a slot that sends the other side elsewhere",
    rules: ["account_slot"],
    plant: sql("update saldo_private.account_slot set clearing_account_id = 1 where held > 0"),
  },
  {
    name: "a pending row of another amount",
    rules: ["account_slot"],
    plant: sql("update saldo.sub_balance set amount = 8 where amount = 7"),
  },
  {
    name: "a pending row that is gone",
    rules: ["account_slot"],
    plant: sql("delete from saldo.sub_balance where amount = 7"),
  },
  {
    name: "a settled row that is gone",
    rules: ["idempotency", "settlement", "settlement_range", "sub_balance"],
    plant: sql("delete from saldo.sub_balance where amount = 500"),
  },
  {
    name: "a settled row of another amount",
    rules: ["settlement", "settlement_range"],
    plant: sql("update saldo.sub_balance set amount = 501 where amount = 500"),
  },
  {
    name: "an amount that is none",
    rules: ["account_slot", "engine_configuration", "sub_balance"],
    plant: sql(`alter domain saldo.amount drop constraint amount_is_a_number;
      update saldo.sub_balance set amount = -7 where amount = 7`),
  },
  {
    name: "a mark that was set back, so that rows would be settled twice",
    rules: ["account_slot", "settlement_range"],
    plant: sql("update saldo_private.settlement_mark set seq = 0 where seq > 0"),
  },
  {
    name: "a mark that passed a row over",
    rules: ["account_slot", "settlement_range"],
    plant: sql("update saldo_private.settlement_mark set seq = seq + 1 where seq > 0"),
  },
  {
    name: "a mark that is gone",
    rules: ["account_slot", "sub_balance"],
    plant: sql("delete from saldo_private.settlement_mark where seq > 0"),
  },
  {
    name: "a row that a settlement passed over",
    rules: ["settlement", "settlement_range"],
    plant: sql("update saldo.settlement_range set first_seq = first_seq + 1"),
  },
  {
    name: "a row that was settled twice",
    rules: ["settlement", "settlement_range"],
    plant: sql(`insert into saldo.settlement_range
      select account_id, slot_no, last_seq - 1, first_seq, settlement_id
      from saldo.settlement_range`),
  },
  {
    name: "a settlement of another sum",
    rules: ["settlement"],
    plant: sql("update saldo.settlement set debit = debit + 1"),
  },
  {
    name: "a settlement whose entry has another sum",
    rules: ["settlement", "settlement_entry"],
    plant: sql("update saldo.settlement_entry set credit = credit + 1"),
  },
  {
    name: "a summary entry without its rows",
    rules: ["settlement", "settlement_entry"],
    plant: sql("delete from saldo.settlement_entry"),
  },
  {
    name: "rows that nobody settles",
    rules: ["settlement_lag"],
    plant: sql("update saldo.sub_balance set created_at = created_at - interval '1 hour'"),
  },
  {
    name: "a hold on a hot account that is gone",
    rules: ["account_slot"],
    plant: sql("delete from saldo.hold where amount = 30"),
  },
];
