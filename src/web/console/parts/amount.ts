/** Amounts that people type, as the decimal texts that the API takes; never a double between. */
import { decimalText, readAmount } from "../../shared/money.ts";

// The books keep two decimals of every currency.
const DECIMALS = 2;

/** What a typed amount is; `text` is what the API is given. */
export type ReadAmount = { kind: "amount"; text: string } | { kind: "empty" } | { kind: "wrong" };

/**
 * Reads an amount as it is typed: "20.000" and "20,000" are twenty thousand, "20,5" is twenty and a
 * half. With `isSigned` a minus may stand before it.
 */
export function readAmountText(typed: string, { isSigned = false } = {}): ReadAmount {
  const sign = isSigned ? (/^\s*[-\u2212]/.exec(typed)?.[0] ?? "") : "";
  const amount = readAmount(typed.slice(sign.length), DECIMALS);
  if (amount.kind !== "amount") {
    return sign !== "" && amount.kind === "empty" ? { kind: "wrong" } : amount;
  }
  const units = sign === "" ? amount.units : -amount.units;
  return { kind: "amount", text: decimalText(units, DECIMALS).replace(/\.00$/, "") };
}

/** The text for the API of a typed amount that may be sent, or null: it is none, or it is zero. */
export function amountToSend(typed: string, options?: { isSigned?: boolean }): string | null {
  const amount = readAmountText(typed, options);
  return amount.kind === "amount" && !isZero(amount) ? amount.text : null;
}

/** Whether it is no more and no less than nothing. */
export const isZero = (amount: ReadAmount) =>
  amount.kind === "amount" && /^-?[0.]+$/.test(amount.text);

/** A price of so many, as a decimal text: whole numbers of the smallest unit are multiplied. */
export function timesAmount(price: string, count: number): string {
  const [whole = "0", fraction = ""] = price.split(".");
  const units = BigInt(whole + fraction.padEnd(DECIMALS, "0").slice(0, DECIMALS));
  return decimalText(units * BigInt(count), DECIMALS).replace(/\.00$/, "");
}

/** Whether two decimal texts are the same amount, however many zeros stand at their ends. */
export const isSameAmount = (one: string, other: string) => trimmed(one) === trimmed(other);

const trimmed = (text: string) => text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

/** The sum of some decimal texts, as one: of what somebody has chosen, never a balance. */
export function sumAmounts(amounts: readonly string[]): string {
  const units = (text: string) => {
    const [whole = "0", fraction = ""] = text.split(".");
    return BigInt(whole + fraction.padEnd(DECIMALS, "0").slice(0, DECIMALS));
  };
  const sum = amounts.reduce((total, text) => total + units(text), 0n);
  return decimalText(sum, DECIMALS).replace(/\.00$/, "");
}
