/**
 * Values that must be exactly what they say. GraphQL's usual coercion turns [1] into 1 and passes
 * "0x10" on to PostgreSQL, whose reading of it differs between versions.
 */
import { Kind, type ValueNode } from "graphql";
import { type Condition, refusalError } from "../errors/refusal.ts";

// Longer than any amount; what PostgreSQL would take has no end (131,072 digits and more).
const TEXT_LENGTH_MAX = 60;

/** Turns an input of JavaScript's types, or a literal's text, into the text the database gets. */
export type ReadValue = (value: unknown) => string;

/**
 * A reader of decimal numbers with at most `digitCountMax` digits before the point.
 *
 * Scale and sign are the called function's business; what is refused here is what is no plain
 * decimal number (SB002), or out of every range (SB004).
 */
export function decimalReader(digitCountMax: number): ReadValue {
  return (value) => {
    if (typeof value === "number" && !Number.isNaN(value)) {
      return readDecimalNumber(value, digitCountMax);
    }
    if (typeof value !== "string") {
      throw refusalError("amount_invalid", `not a decimal number but ${kindOf(value)}`);
    }
    const digits = /^-?0*(\d+)(?:\.\d+)?$/.exec(value)?.[1];
    if (digits !== undefined) {
      if (digits.length > digitCountMax) {
        throw refusalError("amount_out_of_range", `more than ${digitCountMax} digits`);
      }
      if (value.length > TEXT_LENGTH_MAX) {
        throw refusalError("amount_scale", `more than ${TEXT_LENGTH_MAX} characters`);
      }
      return value;
    }
    throw refusalError(
      isBeyondRange(value, digitCountMax) ? "amount_out_of_range" : "amount_invalid",
      `not a plain decimal number: ${value.slice(0, 40)}`,
    );
  };
}

function readDecimalNumber(value: number, digitCountMax: number): string {
  // JSON's 1e400 arrives as infinity; it has no infinity of its own.
  if (Math.abs(value) >= 10 ** digitCountMax) {
    throw refusalError("amount_out_of_range", `more than ${digitCountMax} digits`);
  }
  // From here on a double no longer tells one cent from the next.
  if (!Number.isSafeInteger(value) && Math.abs(value) > 1e13) {
    throw refusalError("amount_invalid", "a number of this size is exact as text only");
  }
  const text = String(value);
  if (text.includes("e")) {
    throw refusalError("amount_scale", text);
  }
  return text;
}

// An exponent is refused in any case; this tells a number too large from one badly written.
function isBeyondRange(value: string, digitCountMax: number): boolean {
  const [, digits, exponent] = /^-?0*(\d+)(?:\.\d*)?[eE]\+?(\d+)$/.exec(value) ?? [];
  return digits !== undefined && digits.length + Number(exponent) > digitCountMax;
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
}

/** A reader of texts of one form. */
export function textReader(pattern: RegExp, what: string): ReadValue {
  return (value) => {
    if (typeof value !== "string" || !pattern.test(value)) {
      throw refusalError("input_invalid", `not ${what}`);
    }
    return value;
  };
}

/** Reads a whole number of 64 bits, given as text or as a number that JSON carries exactly. */
export const readBigInt: ReadValue = (value) => {
  const text = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text === "string" && /^-?\d{1,19}$/.test(text)) {
    if (BigInt.asIntN(64, BigInt(text)) === BigInt(text)) {
      return text;
    }
  }
  throw refusalError("input_invalid", "not a whole number of 64 bits");
};

/**
 * Reads an instant as RFC 3339 has it. PostgreSQL would also take `now`, `infinity`, and times
 * without an offset, which mean something else in every session.
 */
export const readDatetime: ReadValue = textReader(
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$/,
  "a time such as 2025-11-16T05:44:21+07:00",
);

/** Reads a calendar date, or a month, which functions take where they ask for one. */
export const readDateOrMonth: ReadValue = textReader(
  /^\d{4}-\d\d(-\d\d)?$/,
  "a date such as 2025-11-16, or a month such as 2025-11",
);

/** Reads a month, by its first day or as `2025-11`. */
export const readMonth: ReadValue = (value) => {
  const text = readDateOrMonth(value);
  return text.length === 7 ? `${text}-01` : text;
};

/** Reads a uuid in its usual form. */
export const readUuid: ReadValue = textReader(
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  "a uuid",
);

/** The value of a literal, as a variable would have brought it; a literal number stays text. */
export function literalValue(node: ValueNode, condition: Condition): unknown {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.INT:
    case Kind.FLOAT:
      return node.value;
    default:
      throw refusalError(condition, `not a value of this type: ${node.kind}`);
  }
}
