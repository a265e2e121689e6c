/** A filter by an amount, as people type one; below it stands how it is understood. */
import { AmountField } from "../../parts/AmountField.tsx";
import { readAmountText } from "../../parts/amount.ts";
import { useTypedFilter } from "../../parts/filters.tsx";

export function AmountFilter({ name, label }: { name: string; label: string }) {
  const [typed, setTyped] = useTypedFilter(name, (text) => readAmountText(text).kind !== "wrong");
  return (
    <div className="w-44 sm:-mb-6">
      <AmountField label={label} value={typed} onChange={setTyped} hint=" " />
    </div>
  );
}
