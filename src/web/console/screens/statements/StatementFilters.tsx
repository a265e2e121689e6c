/** The filters of a statement, and ways to take it elsewhere. */
import type { ReactNode } from "react";
import { ChoiceFilter, DayFilter, FilterBar } from "../../parts/filters.tsx";
import { hasFrom, type Range } from "./range.ts";
import { useStatementWords } from "./words.ts";

export function StatementFilters({ range, children }: { range: Range; children: ReactNode }) {
  const words = useStatementWords();
  return (
    <FilterBar extra={children}>
      {hasFrom(range) && <DayFilter name="from" label={words("from")} fallback={range.from} />}
      <DayFilter name="to" label={words(hasFrom(range) ? "to" : "asOf")} fallback={range.to} />
      <Either
        name="basis"
        label={words("basis")}
        title={words("basisHelp")}
        first={words("reported")}
        other={["restated", words("restated")]}
      />
      {range.view !== "income" && (
        <Either
          name="closing"
          label={words("closing")}
          first={words("after")}
          other={["before", words("before")]}
        />
      )}
      <Either
        name="zeros"
        label={words("zeros")}
        first={words("zerosHidden")}
        other={["shown", words("zerosShown")]}
      />
    </FilterBar>
  );
}

/** One of two; the first is what stands in no address. */
function Either({
  name,
  label,
  title,
  first,
  other,
}: {
  name: string;
  label: string;
  title?: string;
  first: string;
  other: readonly [value: string, text: string];
}) {
  return (
    <div title={title}>
      <ChoiceFilter name={name} label={label} options={[other]} none={first} />
    </div>
  );
}
