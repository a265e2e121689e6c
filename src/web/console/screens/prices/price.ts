/** Prices as people type them; a price has up to six decimals. */
import { decimalText, readAmount } from "../../../shared/money.ts";

const DECIMALS = 6;

/** The text for the API of a typed price, or null where it is none or zero. */
export function priceToSend(typed: string): string | null {
  const amount = readAmount(typed, DECIMALS);
  if (amount.kind !== "amount" || amount.units === 0n) return null;
  return decimalText(amount.units, DECIMALS).replace(/\.?0+$/, "");
}

/** The text for the API of a typed amount per unit, which may be zero, or less where that is meant. */
export function rateToSend(typed: string, { isSigned = false } = {}): string | null {
  const sign = isSigned && /^\s*[-\u2212]/.test(typed) ? "-" : "";
  const amount = readAmount(sign === "" ? typed : typed.replace(/[-\u2212]/, ""), DECIMALS);
  if (amount.kind !== "amount") return null;
  return sign + decimalText(amount.units, DECIMALS).replace(/\.?0+$/, "");
}

/** A factor, a temperature or a share as text for the API: one point or comma, before decimals. */
export function figureToSend(typed: string): string | null {
  const text = typed.trim().replace(",", ".").replace("\u2212", "-");
  return /^-?\d{1,12}(\.\d{1,12})?$/.test(text) ? text : null;
}
