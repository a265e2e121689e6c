/** Amounts of a till: whole numbers of the currency's smallest unit that is in use. */

// In rupiah no sen has been paid for decades; what is not listed has two decimals.
const decimalsOf: Record<string, number> = { IDR: 0, JPY: 0, KRW: 0, VND: 0 };

/** Decimals of a currency as it is counted at a till. */
export function currencyDecimals(currency: string): number {
  return decimalsOf[currency] ?? 2;
}

/** The shortest decimal of an amount, as it goes to the centre. */
export function decimalText(amount: bigint, currency: string): string {
  const decimals = currencyDecimals(currency);
  const digits = String(amount < 0n ? -amount : amount).padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return `${amount < 0n ? "-" : ""}${whole}${fraction && `.${fraction}`}`;
}

/** The amount of such a text, in the smallest unit; null where the currency has none so small. */
export function unitsOf(text: string, currency: string): bigint | null {
  const [whole = "", fraction = ""] = text.split(".");
  const decimals = currencyDecimals(currency);
  if (fraction.length > decimals) return null;
  return BigInt(whole + fraction.padEnd(decimals, "0"));
}
