/* What the compiler must accept and refuse of the package's types: run.ts has it look. */
import { type Log, type RunningSaldo, startServer } from "saldo";
import type { Account, AccountType, Functions, Purchase, Rows } from "saldo/sql-types";

export async function serve(log: Log): Promise<RunningSaldo> {
  const running = await startServer({ databaseUrl: "postgres://host/books", port: 0 }, { log });
  running.address.toUpperCase();
  return running;
}

export const account: Pick<Account, "id" | "code" | "balance" | "type"> = {
  id: "1",
  code: "cash",
  balance: "12.50",
  type: "asset",
};
export const buying: Functions["purchase_with_balance_deduction"]["args"] = {
  member_id: 1n,
  product_id: "2",
  amount: "150000",
};
export const boughtAt = (bought: Functions["purchase_with_balance_deduction"]["row"]) =>
  bought satisfies Purchase satisfies Rows["purchase"];

// @ts-expect-error money is text: a double loses digits
export const balance: Account["balance"] = 12.5;
// @ts-expect-error no such type of account
export const type: AccountType = "debt";
// @ts-expect-error the member is missing
export const incomplete: Functions["top_up"]["args"] = { amount: "5" };
// @ts-expect-error no such setting
export const started = startServer({ prot: 1 });
