/** Amounts as people type and read them; whole numbers of the smallest unit inside, never a double. */

/** What a typed amount is: an amount, nothing yet, or no amount. */
export type TypedAmount = { kind: "amount"; units: bigint } | { kind: "empty" } | { kind: "wrong" };

const DIGITS_MAX = 15;

/**
 * Reads an amount as it is typed in Indonesia and elsewhere. "20.000" is twenty thousand, and never
 * twenty: a point or comma before exactly three digits stands between thousands. Another one stands
 * before decimals, and a currency that has none in use takes only zeros there.
 */
export function readAmount(typed: string, decimals: number): TypedAmount {
  const text = typed.replace(/^\s*rp\.?/i, "").replace(/[\s\u00a0_]/g, "");
  if (text === "") return { kind: "empty" };
  const short = /^(\d+(?:[.,]\d{1,3})?)(rb|ribu|jt|juta|k)$/i.exec(text);
  if (short !== null) return readShort(short[1] ?? "", short[2] ?? "", decimals);
  const { whole, fraction } = splitDecimals(text);
  const isGrouped = /^\d{1,3}(\.\d{3})+$/.test(whole) || /^\d{1,3}(,\d{3})+$/.test(whole);
  if (!/^\d+$/.test(whole) && !isGrouped) return { kind: "wrong" };
  if (!/^\d*$/.test(fraction) || /[1-9]/.test(fraction.slice(decimals))) return { kind: "wrong" };
  const digits = whole.replace(/[.,]/g, "") + fraction.slice(0, decimals).padEnd(decimals, "0");
  return amountOf(digits);
}

/** The last separator stands before decimals when one or two digits, or zeros, follow it. */
function splitDecimals(text: string): { whole: string; fraction: string } {
  const place = Math.max(text.lastIndexOf("."), text.lastIndexOf(","));
  if (place < 0) return { whole: text, fraction: "" };
  const separator = text[place] ?? "";
  const before = text.slice(0, place);
  const fraction = text.slice(place + 1);
  // One separator in two places stands between thousands, and so in its last place as well.
  const isThousands = fraction.length === 3 || before.includes(separator);
  return isThousands || before === "" ? { whole: text, fraction: "" } : { whole: before, fraction };
}

/** "20rb" and "1,5jt", as people say them. */
function readShort(figure: string, word: string, decimals: number): TypedAmount {
  const [whole = "", fraction = ""] = figure.split(/[.,]/);
  const zeros = (/^j/i.test(word) ? 6 : 3) + decimals;
  return amountOf(whole + fraction.padEnd(zeros, "0"));
}

function amountOf(digits: string): TypedAmount {
  const plain = digits.replace(/^0+(?=\d)/, "");
  if (plain.length > DIGITS_MAX) return { kind: "wrong" };
  return { kind: "amount", units: BigInt(plain) };
}

/** The amount with its currency, as 20000 is "Rp 20.000". */
export function formatAmount(
  units: bigint | number,
  currency: string,
  decimals: number,
  language: string,
): string {
  const format = new Intl.NumberFormat(language === "en" ? "en-GB" : "id-ID", {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
    trailingZeroDisplay: "stripIfInteger",
  });
  return format.format(decimalText(BigInt(units), decimals) as never);
}

/** What is in the field after it is left: digits in groups, without the currency. */
export function groupAmount(units: bigint, decimals: number): string {
  const format = new Intl.NumberFormat("id-ID", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
    trailingZeroDisplay: "stripIfInteger",
  });
  return format.format(decimalText(units, decimals) as never);
}

/** An amount as a decimal text. Intl formats such exactly; a number it would round first. */
export function decimalText(units: bigint, decimals: number): string {
  const digits = String(units < 0n ? -units : units).padStart(decimals + 1, "0");
  const place = digits.length - decimals;
  const fraction = decimals === 0 ? "" : `.${digits.slice(place)}`;
  return `${units < 0n ? "-" : ""}${digits.slice(0, place)}${fraction}`;
}
