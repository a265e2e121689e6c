import type { Row, Wallet } from "./_wallet.ts";

/** Kinds of calls that the server may hand over together, by their functions. */
export type Kind = "top_up" | "transfer" | "place_hold" | "capture_hold";

const FUNCTIONS: Record<Kind, string> = {
  top_up: "top_ups_of_callers",
  transfer: "transfers_of_callers",
  place_hold: "holds_of_callers",
  capture_hold: "captures_of_callers",
};
export const KINDS = Object.keys(FUNCTIONS) as Kind[];

export const admin = { role: "saldo_admin", subject: "root", member: "" };

/** What was made, by the places of the calls. */
export type Made = Map<number, Row>;

interface Place {
  /** Arguments of a call that is right. */
  args: Row;
  /** The account that somebody may hold. */
  account: string;
}

/** Calls of many callers in one test database. */
export function jointOf(wallet: Wallet) {
  /** Hands over calls as the server does. */
  async function make(kind: Kind, calls: Row[]): Promise<Made> {
    const rows = await wallet.root(
      `select m.request_no, to_jsonb(m.result) as result
      from saldo_private.${FUNCTIONS[kind]}($1::json) as m`,
      [JSON.stringify(calls)],
    );
    return new Map(rows.map((row) => [Number(row["request_no"]), row["result"] as Row]));
  }

  const single = (kind: Kind, { role: _, subject: __, member: ___, ...args }: Row) =>
    wallet.call("admin", kind, args);

  let opened = 0;
  async function account(minBalance: number | null, funds = 0): Promise<string> {
    opened += 1;
    const { id } = await wallet.call("admin", "open_account", {
      code: `joint-${opened}`,
      name: "Joint",
      type: "liability",
      min_balance: minBalance,
    });
    if (funds > 0) {
      const source = await account(null);
      await single("transfer", { debit_account_id: source, credit_account_id: id, amount: funds });
    }
    return String(id);
  }

  /** Where a call of this kind is right, with funds of 100 where it takes some. */
  async function place(kind: Kind): Promise<Place> {
    if (kind === "top_up") {
      const member = await wallet.member();
      return { args: { member_id: member.id, amount: "10" }, account: member.account_id };
    }
    const payer = await account(0, 100);
    if (kind === "transfer") {
      const receiver = await account(null);
      const args = { debit_account_id: payer, credit_account_id: receiver, amount: "10" };
      return { args, account: payer };
    }
    const args = { account_id: payer, amount: "10" };
    if (kind === "place_hold") return { args, account: payer };
    const { id } = await single("place_hold", args);
    return { args: { hold_id: id, amount: "10" }, account: payer };
  }

  return { make, single, account, place };
}

export const places = (made: Made) => [...made.keys()].toSorted((a, b) => a - b);
