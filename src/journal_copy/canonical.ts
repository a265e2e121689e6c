/**
 * The canonical texts of docs/reference/tamper-evidence.md, made here without PostgreSQL: that two programs
 * come to the same hashes is what they are worth.
 */
import { createHash } from "node:crypto";

/** A journal line of a copy; figures are texts, as no double keeps them. */
export interface LineRow {
  line_no: number;
  account_id: string;
  posting_date: string;
  debit: string;
  credit: string;
}

/** An entry of a copy with its lines; without a row of its own only id and lines are there. */
export interface EntryRow {
  seal_number: string | null;
  id: string;
  is_missing: boolean;
  status: string | null;
  kind: string | null;
  posting_date: string | null;
  origin_month: string | null;
  occurred_at: string | null;
  description: string | null;
  source: string | null;
  idempotency_key: string | null;
  reverses: string | null;
  metadata: string | null;
  line_count: number | null;
  recorded_at: string | null;
  posted_at: string | null;
  posted_by: string | null;
  lines: LineRow[];
}

/** A seal's control total of a currency. */
export interface TotalRow {
  currency: string;
  line_count: string;
  debit: string;
  credit: string;
}

/** A seal of a copy. */
export interface SealRow {
  number: string;
  month: string;
  entry_count: string;
  line_count: string;
  entries_hash: string;
  previous_hash: string | null;
  hash: string;
  sealed_at: string;
  sealed_by: string;
  totals: TotalRow[];
}

const decimals = 10;

/** An exact decimal as a whole number of its tenth decimal; undefined for what is none. */
export function parseDecimal(text: string): bigint | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null || (match[3] ?? "").length > decimals) return undefined;
  const whole = BigInt(`${match[2]}${(match[3] ?? "").padEnd(decimals, "0")}`);
  return match[1] === "-" ? -whole : whole;
}

/** The shortest text of such a number. */
export function formatDecimal(value: bigint): string {
  const digits = String(value < 0n ? -value : value).padStart(decimals + 1, "0");
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  const text = `${digits.slice(0, -decimals)}${fraction && "."}${fraction}`;
  return value < 0n ? `-${text}` : text;
}

/** SHA-256 in hexadecimal digits. */
export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

type Field = string | number | null;

function row(word: string, fields: Field[]): string {
  return `${[word, ...fields.map(fieldText)].join("\t")}\n`;
}

function fieldText(field: Field): string {
  if (field === null) return "\\N";
  return String(field).replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replaceAll("\n", "\\n");
}

function shortest(amount: string): string {
  const value = parseDecimal(amount);
  return value === undefined ? amount : formatDecimal(value);
}

/** An entry's own line. */
export function entryText(entry: EntryRow): string {
  return row("saldo-entry-1", [
    entry.id,
    entry.kind,
    entry.posting_date,
    entry.origin_month,
    entry.occurred_at,
    entry.description,
    entry.source,
    entry.idempotency_key,
    entry.reverses,
    entry.metadata,
    entry.line_count,
    entry.recorded_at,
    entry.posted_at,
    entry.posted_by,
  ]);
}

/** The lines of an entry, in the order of their numbers. */
export function linesText({ lines }: EntryRow): string {
  return [...lines]
    .sort((a, b) => a.line_no - b.line_no || Number(BigInt(a.account_id) - BigInt(b.account_id)))
    .map(({ line_no, account_id, posting_date, debit, credit }) =>
      row("line", [line_no, account_id, posting_date, shortest(debit), shortest(credit)]),
    )
    .join("");
}

/** The text of a seal. */
export function sealText(seal: SealRow): string {
  const totals = [...seal.totals]
    .sort((a, b) => (a.currency < b.currency ? -1 : 1))
    .map(({ currency, line_count, debit, credit }) =>
      row("total", [currency, line_count, shortest(debit), shortest(credit)]),
    );
  const own = row("saldo-seal-1", [
    seal.number,
    seal.month,
    seal.previous_hash,
    seal.entry_count,
    seal.line_count,
    seal.entries_hash,
    seal.sealed_at,
    seal.sealed_by,
  ]);
  return own + totals.join("");
}
