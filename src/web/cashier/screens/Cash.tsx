/** The first screen: entering on one side, cash and its figures on the other. */
import { lazy, Suspense } from "react";
import { Card } from "../../shared/ui.tsx";
import { useDashboard } from "../api.ts";
import { Entry } from "../Entry.tsx";
import { useMoney } from "../figures.ts";
import { useWords } from "../words.ts";

const MonthChart = lazy(() => import("../MonthChart.tsx"));

export function Cash() {
  const words = useWords();
  return (
    <div className="grid gap-3 lg:grid-cols-2">
      <h1 className="sr-only">{words.cash}</h1>
      <Entry />
      <Figures />
    </div>
  );
}

function Figures() {
  const words = useWords();
  const money = useMoney();
  const { data } = useDashboard();
  if (data === undefined) return <p className="p-4 text-soft">{words.loading}</p>;
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <Card title={words.cashNow}>
        <p data-testid="balance" className="figures text-4xl font-bold break-words">
          {money.show(data.balance)}
        </p>
        <dl className="mt-3 grid grid-cols-2 gap-3">
          <div>
            <dt className="text-sm text-soft">{words.inToday}</dt>
            <dd className="figures text-xl font-semibold text-good">{money.show(data.today.in)}</dd>
          </div>
          <div>
            <dt className="text-sm text-soft">{words.outToday}</dt>
            <dd className="figures text-xl font-semibold text-bad">{money.show(data.today.out)}</dd>
          </div>
        </dl>
      </Card>
      <Card title={words.month}>
        {data.month.days.length === 0 ? (
          <p className="text-soft">{words.noDays}</p>
        ) : (
          <Suspense fallback={<div className="h-56" />}>
            <MonthChart days={data.month.days} />
          </Suspense>
        )}
      </Card>
    </div>
  );
}
