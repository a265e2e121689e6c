/** Whether figures are shown as they were reported, restated, or both side by side. */
import { useId } from "react";
import { useFilters } from "../../parts/filters.tsx";
import { useCustomerWords } from "./words.ts";

export type Shown = "reported" | "restated" | "both";

/** What the address asks for: as reported where it asks for nothing. */
export function useShown(): Shown {
  const shown = useFilters().filters["basis"];
  return shown === "restated" || shown === "both" ? shown : "reported";
}

/** Chooses it. */
export function BasisFilter({ hasBoth = false }: { hasBoth?: boolean }) {
  const words = useCustomerWords();
  const id = useId();
  const { setFilters } = useFilters();
  const shown = useShown();
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-sm font-semibold">
        {words("basis")}
      </label>
      <select
        id={id}
        title={words("basisHelp")}
        value={shown}
        onChange={({ target }) =>
          setFilters({ basis: target.value === "reported" ? undefined : target.value })
        }
        className="min-h-11 rounded-lg border border-line bg-card px-3 py-2 text-ink"
      >
        <option value="reported">{words("reported")}</option>
        <option value="restated">{words("restated")}</option>
        {hasBoth && <option value="both">{words("both")}</option>}
      </select>
    </div>
  );
}
