/** Filters of versions: those that stand, or with those that were replaced. */
import { ChoiceFilter, useFilters } from "../../parts/filters.tsx";
import { usePriceWords } from "./words.ts";

/** Whether replaced versions are shown. */
export const useHasHistory = () => useFilters().filters["versions"] === "all";

export function VersionFilter() {
  const words = usePriceWords();
  return (
    <ChoiceFilter
      name="versions"
      label={words("shown")}
      none={words("standing")}
      options={[["all", words("withHistory")]]}
    />
  );
}
