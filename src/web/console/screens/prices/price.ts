/** Prices as people type them; a price has up to six decimals. */
import { decimalText, readAmount } from "../../../shared/money.ts";

const DECIMALS = 6;

/** The text for the API of a typed price, or null where it is none or zero. */
export function priceToSend(typed: string): string | null {
  const amount = readAmount(typed, DECIMALS);
  if (amount.kind !== "amount" || amount.units === 0n) return null;
  return decimalText(amount.units, DECIMALS).replace(/\.?0+$/, "");
}
