/** Which statement the address asks for. */
import { useFilters } from "../../parts/filters.tsx";
import { isDay, lastDayOf, useToday } from "../../parts/today.ts";

export type View = "sheet" | "income" | "trial" | "movements";
export type Basis = "reported" | "restated";

/** What a statement is made for. */
export interface Range {
  readonly view: View;
  readonly from: string;
  readonly to: string;
  readonly basis: Basis;
  readonly isBeforeClosing: boolean;
  /** Whether accounts without a figure are shown too. */
  readonly hasZeros: boolean;
}

/** The dates of the address; the year until today where it has none. Restated is for whole months. */
export function useRange(): Range {
  const { filters } = useFilters();
  const today = useToday();
  const view = (["sheet", "income", "trial", "movements"] as const).find(
    (each) => each === filters["view"],
  );
  const basis = filters["basis"] === "restated" ? "restated" : "reported";
  const to = isDay(filters["to"]) ? filters["to"] : today;
  const from = isDay(filters["from"]) ? filters["from"] : `${to.slice(0, 4)}-01-01`;
  return {
    view: view ?? "sheet",
    from: basis === "restated" ? `${from.slice(0, 7)}-01` : from,
    to: basis === "restated" ? lastDayOf(to) : to,
    basis,
    isBeforeClosing: filters["closing"] === "before",
    hasZeros: filters["zeros"] === "shown",
  };
}

/** Whether a statement is from one day to another, and not on a day. */
export const hasFrom = ({ view }: Range) => view === "income" || view === "movements";
