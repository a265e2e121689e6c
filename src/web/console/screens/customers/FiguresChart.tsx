/** The chart of months; the table beside it says the same. */
import { lazy, Suspense } from "react";
import { Card } from "../../../shared/ui.tsx";
import type { ChartMonth } from "./chart_month.ts";
import { useCustomerWords } from "./words.ts";

const Charts = lazy(() => import("./Charts.tsx"));

export function FiguresChart({
  months,
  currency,
}: {
  months: readonly ChartMonth[];
  currency: string | null;
}) {
  const words = useCustomerWords();
  if (months.every((each) => Number(each.closingBalance) === 0 && Number(each.deposits) === 0)) {
    return null;
  }
  return (
    <Card title={words("chart")}>
      <Suspense fallback={<div className="h-64" />}>
        <Charts months={months} currency={currency} />
      </Suspense>
    </Card>
  );
}
