/** Amounts, volumes and moments, as the language and the reader want them; never rounded. */
import { useLanguage } from "../../shared/language.ts";
import { useSignedIn } from "../api/session.ts";
import { useZone } from "./zone.ts";

const localeOf = (language: string) => (language === "en" ? "en-GB" : "id-ID");

/** A decimal text with its currency, exact to its last digit: Intl formats texts, not doubles. */
export function formatMoney(amount: string, currency: string, language: string): string {
  const decimals = decimalsOf(amount);
  const format = new Intl.NumberFormat(localeOf(language), {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: decimals === 0 ? 0 : Math.max(2, decimals),
    maximumFractionDigits: Math.max(2, decimals),
  });
  return format.format(amount as never);
}

/** A decimal text without a unit, exact to its last digit. */
export function formatNumber(figure: string | number, language: string): string {
  const text = String(figure);
  const format = new Intl.NumberFormat(localeOf(language), {
    minimumFractionDigits: decimalsOf(text),
    maximumFractionDigits: decimalsOf(text),
  });
  return format.format(text as never);
}

/** "20 thousand": large amounts as one says them, exact; nothing where that says no more. */
export function formatShort(figure: string, language: string): string | undefined {
  // Three zeros at its end: the word is then shorter than the digits.
  if (!/000(\.0*)?$/.test(figure)) return undefined;
  const format = new Intl.NumberFormat(localeOf(language), {
    notation: "compact",
    compactDisplay: "long",
    maximumFractionDigits: 20,
  });
  return format.format(figure as never);
}

/** Decimals of a plain number without the zeros at its end. */
function decimalsOf(text: string): number {
  return /\.(\d*?)0*$/.exec(text)?.[1]?.length ?? 0;
}

/** An amount of money; the currency of the business where none is given. */
export function Money({
  amount,
  currency,
  signed = false,
}: {
  amount: string | null | undefined;
  currency?: string | null | undefined;
  /** Shows a plus before what is positive. */
  signed?: boolean;
}) {
  const language = useLanguage();
  const session = useSignedIn();
  if (amount === null || amount === undefined) return <NoFigure />;
  const isNegative = amount.startsWith("-");
  const text = formatMoney(amount, currency ?? session.currency, language);
  return (
    <span className={`figures whitespace-nowrap ${isNegative ? "text-bad" : ""}`}>
      {signed && !isNegative && !/^0(\.0*)?$/.test(amount) ? `+${text}` : text}
    </span>
  );
}

/** A count or a volume. */
export function Figure({ value }: { value: string | number | null | undefined }) {
  const language = useLanguage();
  if (value === null || value === undefined) return <NoFigure />;
  return <span className="figures whitespace-nowrap">{formatNumber(value, language)}</span>;
}

const NoFigure = () => <span className="text-soft">–</span>;

/** A moment in the zone that the reader has chosen; its title has it in full, with the zone. */
export function Moment({ at, only }: { at: string | null | undefined; only?: "date" | "time" }) {
  const language = useLanguage();
  const { zone } = useZone();
  if (!at) return <NoFigure />;
  const moment = new Date(at);
  const show = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(localeOf(language), { timeZone: zone, ...options }).format(moment);
  const text = show({
    ...(only !== "time" && { dateStyle: "medium" }),
    ...(only !== "date" && { timeStyle: "medium" }),
  });
  return (
    <time dateTime={at} title={show({ dateStyle: "full", timeStyle: "long" })}>
      {text}
    </time>
  );
}

/** A day of the books: it has no zone, and is shown as it stands. */
export function Day({ day }: { day: string | null | undefined }) {
  const language = useLanguage();
  if (!day) return <NoFigure />;
  const format = new Intl.DateTimeFormat(localeOf(language), {
    dateStyle: "medium",
    timeZone: "UTC",
  });
  return <time dateTime={day}>{format.format(new Date(`${day.slice(0, 10)}T00:00:00Z`))}</time>;
}

/** A month of the books. */
export function Month({ day }: { day: string | null | undefined }) {
  const language = useLanguage();
  if (!day) return <NoFigure />;
  const format = new Intl.DateTimeFormat(localeOf(language), {
    year: "numeric",
    month: "long",
    timeZone: "UTC",
  });
  return <time dateTime={day.slice(0, 7)}>{format.format(new Date(`${day.slice(0, 7)}-01`))}</time>;
}

/** How long ago or how long, in the largest unit that says something. */
export function Duration({ seconds }: { seconds: string | number | null | undefined }) {
  const language = useLanguage();
  if (seconds === null || seconds === undefined) return <NoFigure />;
  const whole = Math.round(Number(seconds));
  const [unit, size] = units.find(([, each]) => whole >= each) ?? (["second", 1] as const);
  const format = new Intl.NumberFormat(localeOf(language), {
    style: "unit",
    unit,
    unitDisplay: "long",
    maximumFractionDigits: 0,
  });
  return <span className="figures">{format.format(Math.floor(whole / size))}</span>;
}

const units = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;
