/** How a period is called: its month, or the end of its year. */
import { useLanguage } from "../../../shared/language.ts";
import { Badge } from "../../../shared/ui.tsx";
import type { PeriodStateFragment as Period } from "./closing.documents.ts";
import { useClosingWords } from "./words.ts";

interface Named {
  readonly fiscalYear: number;
  readonly number: number;
}

/** Its place in addresses: 2025-06, and 2025-13 for the end of the year. */
export const keyOf = ({ fiscalYear, number }: Named) =>
  `${fiscalYear}-${String(number).padStart(2, "0")}`;

/** Gives the name as a text. */
export function usePeriodName(): (period: Named) => string {
  const words = useClosingWords();
  const language = useLanguage();
  const format = new Intl.DateTimeFormat(language === "en" ? "en-GB" : "id-ID", {
    year: "numeric",
    month: "long",
    timeZone: "UTC",
  });
  return ({ fiscalYear, number }) =>
    number === 13
      ? words("yearEnd", { year: fiscalYear })
      : format.format(new Date(`${keyOf({ fiscalYear, number })}-01`));
}

/** Shows it. */
export function PeriodName({ period }: { period: Named }) {
  return <span>{usePeriodName()(period)}</span>;
}

/** How far a period is. */
export function Status({ status }: { status: Period["status"] }) {
  const words = useClosingWords();
  return (
    <Badge tone={status === "open" ? "wait" : status === "closing" ? "bad" : "good"}>
      {words(status)}
    </Badge>
  );
}
