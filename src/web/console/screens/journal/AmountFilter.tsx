/** A filter by an amount, as people type one; below it stands how it is understood. */
import { useEffect, useState } from "react";
import { AmountField } from "../../parts/AmountField.tsx";
import { readAmountText } from "../../parts/amount.ts";
import { useFilters } from "../../parts/filters.tsx";

const TYPED_MS = 350;

export function AmountFilter({ name, label }: { name: string; label: string }) {
  const { filters, setFilters } = useFilters();
  const value = filters[name] ?? "";
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value || readAmountText(typed).kind === "wrong") return;
    const timer = setTimeout(() => setFilters({ [name]: typed }), TYPED_MS);
    return () => clearTimeout(timer);
  });
  return (
    <div className="w-44 sm:-mb-6">
      <AmountField label={label} value={typed} onChange={setTyped} hint=" " />
    </div>
  );
}
