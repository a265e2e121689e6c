/** Filters for a year or a month of the books, with a step to the one before and the one after. */
import type { ReactNode } from "react";
import { Button } from "../../shared/ui.tsx";
import { DayFilter, useFilters } from "./filters.tsx";
import { monthAfter, useToday } from "./today.ts";
import { usePartWords } from "./words.ts";

const FIRST_YEAR = 1900;
const LAST_YEAR = 9999;

/** The year in the address; this year where there is none. */
export function useYear(name = "year"): number {
  const { filters } = useFilters();
  const today = useToday();
  const year = Number(filters[name]);
  const isYear = Number.isInteger(year) && year >= FIRST_YEAR && year <= LAST_YEAR;
  return isYear ? year : Number(today.slice(0, 4));
}

/** The month in the address as its first day; this month where there is none. */
export function useMonth(name = "month"): string {
  const { filters } = useFilters();
  const today = useToday();
  const given = filters[name] ?? "";
  return `${/^(19|[2-9]\d)\d\d-(0[1-9]|1[0-2])$/.test(given) ? given : today.slice(0, 7)}-01`;
}

/** Chooses a year. */
export function YearFilter({ label, name = "year" }: { label: string; name?: string }) {
  const { setFilters } = useFilters();
  const year = useYear(name);
  const go = (to: number) => setFilters({ [name]: String(to) });
  return (
    <fieldset>
      <legend className="mb-1 text-sm font-semibold">{label}</legend>
      <Steps before={() => go(year - 1)} after={() => go(year + 1)}>
        <span className="figures min-w-16 self-center text-center text-lg font-bold">{year}</span>
      </Steps>
    </fieldset>
  );
}

/** Chooses a month. */
export function MonthFilter({ label, name = "month" }: { label: string; name?: string }) {
  const { setFilters } = useFilters();
  const month = useMonth(name);
  const go = (count: number) => setFilters({ [name]: monthAfter(month, count) });
  return (
    <Steps before={() => go(-1)} after={() => go(1)}>
      <DayFilter name={name} label={label} kind="month" fallback={month.slice(0, 7)} />
    </Steps>
  );
}

function Steps({
  before,
  after,
  children,
}: {
  before: () => void;
  after: () => void;
  children: ReactNode;
}) {
  const words = usePartWords();
  return (
    <div className="flex items-end gap-1">
      <Button aria-label={words("before")} onClick={before}>
        ‹
      </Button>
      {children}
      <Button aria-label={words("after")} onClick={after}>
        ›
      </Button>
    </div>
  );
}
