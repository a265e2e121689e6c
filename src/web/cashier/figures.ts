/** How this page shows amounts, times and spans. */
import { useLanguage } from "../shared/language.ts";
import { formatAmount } from "../shared/money.ts";
import { useDashboard } from "./api.ts";
import { useWords } from "./words.ts";

/** Shows amounts in the branch's currency. */
export function useMoney() {
  const language = useLanguage();
  const { data } = useDashboard();
  const currency = data?.currency ?? "IDR";
  const decimals = data?.decimals ?? 0;
  return {
    decimals,
    show: (units: number | bigint) => formatAmount(units, currency, decimals, language),
  };
}

/** Shows a moment by this computer's zone. */
export function useMoment(): (text: string) => string {
  const language = useLanguage();
  const format = new Intl.DateTimeFormat(language === "en" ? "en-GB" : "id-ID", {
    dateStyle: "medium",
    timeStyle: "short",
  });
  return (text) => format.format(new Date(text));
}

/** Shows a span of time in one unit. */
export function useSpan(): (seconds: number) => string {
  const words = useWords();
  return (seconds) => {
    if (seconds < 120) return `${Math.round(seconds)} ${words.seconds}`;
    if (seconds < 7200) return `${Math.round(seconds / 60)} ${words.minutes}`;
    return `${Math.round(seconds / 3600)} ${words.hours}`;
  };
}
