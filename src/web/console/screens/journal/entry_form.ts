/** What is typed into the form of an entry, and whether it can be posted: nothing is rounded. */
import { readAmountText } from "../../parts/amount.ts";

/** A line as it is typed. */
export interface TypedLine {
  readonly key: string;
  readonly code: string;
  readonly debit: string;
  readonly credit: string;
  /** The currency that a program has named; it goes with the account. */
  readonly currency?: string | undefined;
}

/** An entry as it is typed; `day` is empty where a draft leaves it open. */
export interface TypedEntry {
  readonly description: string;
  readonly day: string;
  readonly lines: readonly TypedLine[];
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

/** Whether something is typed that is no amount, and that no draft would keep. */
export const isUnreadable = ({ debit, credit }: TypedLine) =>
  [debit, credit].some((typed) => readAmountText(typed).kind === "wrong");

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
    description: more.description.trim(),
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

/** The moment of a day: its noon, where the business is. */
export const momentOf = (day: string, zone: string) => `${day} 12:00:00 ${zone}`;

/** An entry in the form of post_entries, as far as this page knows it. */
export type EntryContent = { readonly [name: string]: unknown };

const numberOf = (units: bigint) => (units > 0n ? textOf(units) : "");

/**
 * The content of a draft, which keeps what the form does not know of the one before. Half a line and
 * an open day are kept as they are: whether it can be posted is asked when it is.
 */
export function draftOf(
  { description, day, lines }: TypedEntry,
  zone: string,
  before: { content?: EntryContent; day?: string } = {},
): EntryContent {
  const { occurred_at: moment, ...rest } = before.content ?? {};
  const occurredAt = day === before.day ? moment : day === "" ? undefined : momentOf(day, zone);
  const used = lines.filter((line) => !isBlank(line));
  // An entry has two lines: an empty one stands for what is still to come.
  const missing = lines.filter(isBlank).slice(0, Math.max(0, 2 - used.length));
  return {
    ...rest,
    description: description.trim(),
    ...(occurredAt !== undefined && occurredAt !== null && { occurred_at: occurredAt }),
    lines: [...used, ...missing].map(({ code, debit, credit, currency }) => ({
      account_code: code.trim(),
      ...(unitsOf(credit) > 0n
        ? { credit: numberOf(unitsOf(credit)) }
        : { debit: numberOf(unitsOf(debit)) }),
      ...(currency !== undefined && { currency }),
    })),
  };
}

/** Lines of a draft: those that a program has made may name an account by its id. */
export const contentLinesOf = (content: EntryContent): readonly EntryContent[] =>
  Array.isArray(content["lines"]) ? content["lines"] : [];

/** The lines of a draft as somebody would type them. */
export function typedLinesOf(
  content: EntryContent,
  codes: ReadonlyMap<string, string>,
  format: (decimal: string) => string,
): TypedLine[] {
  const typedOf = (amount: unknown) => {
    const text = amount === undefined || amount === null ? "" : String(amount);
    // What the form cannot read it shows as it is, marked, so that nobody takes it for another amount.
    return /^\d{1,13}(\.\d{1,2}0*)?$/.test(text) ? format(shortened(text)) : text && `${text} ?`;
  };
  return contentLinesOf(content).map((line, place) => ({
    key: `line ${place}`,
    code: String(line["account_code"] ?? codes.get(String(line["account_id"])) ?? ""),
    debit: typedOf(line["debit"]),
    credit: typedOf(line["credit"]),
    ...(typeof line["currency"] === "string" && { currency: line["currency"] }),
  }));
}

/** A decimal text without zeros that say nothing. */
const shortened = (text: string) => text.replace(/(\.\d\d)0+$/, "$1").replace(/\.00?$/, "");
