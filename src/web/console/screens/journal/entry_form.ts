/** What is typed into the form of an entry, and whether it can be posted: nothing is rounded. */
import { readAmountText } from "../../parts/amount.ts";

/** A line as it is typed. */
export interface TypedLine {
  readonly key: string;
  readonly code: string;
  readonly debit: string;
  readonly credit: string;
}

/** What a line is lacking, or nothing. */
export type LineFault = "account" | "amount" | "bothSides";

const UNIT = 100n; // amounts are read with two decimals

/** An amount in hundredths; 0 for none, and for what is no amount. */
function unitsOf(typed: string): bigint {
  const amount = readAmountText(typed);
  if (amount.kind !== "amount") return 0n;
  const [whole = "0", fraction = ""] = amount.text.split(".");
  return BigInt(whole) * UNIT + BigInt(fraction.padEnd(2, "0").slice(0, 2) || "0");
}

/** Hundredths as a decimal text. */
function textOf(units: bigint): string {
  const digits = String(units < 0n ? -units : units).padStart(3, "0");
  const text = `${digits.slice(0, -2)}.${digits.slice(-2)}`.replace(/\.00$/, "");
  return units < 0n ? `-${text}` : text;
}

/** Whether nobody has typed anything into a line. */
export const isBlank = ({ code, debit, credit }: TypedLine) =>
  [code, debit, credit].every((typed) => typed.trim() === "");

/** What keeps a line from being posted. */
export function faultOf(line: TypedLine, account: { currency: string } | null | undefined) {
  const isWrong = [line.debit, line.credit].some((typed) => readAmountText(typed).kind === "wrong");
  const [debit, credit] = [unitsOf(line.debit), unitsOf(line.credit)];
  if (account === null || account === undefined) return "account" satisfies LineFault;
  if (debit > 0n && credit > 0n) return "bothSides" satisfies LineFault;
  if (isWrong || (debit === 0n && credit === 0n)) return "amount" satisfies LineFault;
  return undefined;
}

/** Debits and credits of a currency, and what is missing on one side. */
export interface Sum {
  readonly currency: string;
  readonly debit: string;
  readonly credit: string;
  /** Debits less credits. */
  readonly difference: string;
}

/** What has been typed of each currency. */
export function sumsOf(
  lines: readonly TypedLine[],
  accounts: readonly ({ currency: string } | null | undefined)[],
): Sum[] {
  const sums = new Map<string, { debit: bigint; credit: bigint }>();
  for (const [place, line] of lines.entries()) {
    const currency = accounts[place]?.currency;
    if (currency === undefined) continue;
    const sum = sums.get(currency) ?? { debit: 0n, credit: 0n };
    sums.set(currency, {
      debit: sum.debit + unitsOf(line.debit),
      credit: sum.credit + unitsOf(line.credit),
    });
  }
  return [...sums].map(([currency, { debit, credit }]) => ({
    currency,
    debit: textOf(debit),
    credit: textOf(credit),
    difference: textOf(debit - credit),
  }));
}

/** The entry as post_entries takes it. */
export function entryOf(
  lines: readonly TypedLine[],
  more: { description: string; occurredAt: string | null; idempotencyKey: string },
) {
  return {
    description: more.description,
    idempotency_key: more.idempotencyKey,
    ...(more.occurredAt !== null && { occurred_at: more.occurredAt }),
    lines: lines.map(({ code, debit, credit }) => ({
      account_code: code.trim(),
      ...(unitsOf(debit) > 0n
        ? { debit: textOf(unitsOf(debit)) }
        : { credit: textOf(unitsOf(credit)) }),
    })),
  };
}
