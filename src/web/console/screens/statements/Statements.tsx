/** Balance sheet, income statement and trial balance, for any dates and on both bases. */
import { Button } from "../../../shared/ui.tsx";
import { Day, Moment } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { BalanceSheetView } from "./BalanceSheetView.tsx";
import { IncomeView } from "./IncomeView.tsx";
import { MovementsView } from "./MovementsView.tsx";
import { hasFrom, type Range, useRange } from "./range.ts";
import { TrialView } from "./TrialView.tsx";
import { useStatementWords } from "./words.ts";

export function Screen() {
  const words = useStatementWords();
  const { setFilters } = useFilters();
  const range = useRange();
  const content = <View range={range} />;
  return (
    <Page
      title={words(range.view)}
      lead={<Lead range={range} />}
      actions={<Button onClick={() => print()}>{words("print")}</Button>}
    >
      <Tabs
        label={words("views")}
        value={range.view}
        onChange={(view) => setFilters({ view: view === "sheet" ? undefined : view })}
        tabs={(["sheet", "income", "trial", "movements"] as const).map((value) => ({
          value,
          title: words(value),
          content,
        }))}
      />
    </Page>
  );
}

function View({ range }: { range: Range }) {
  if (range.view === "income") return <IncomeView range={range} />;
  if (range.view === "trial") return <TrialView range={range} />;
  if (range.view === "movements") return <MovementsView range={range} />;
  return <BalanceSheetView range={range} />;
}

/** What the statement is of, on paper as well. */
function Lead({ range }: { range: Range }) {
  const words = useStatementWords();
  return (
    <>
      <p>
        {hasFrom(range) ? (
          <>
            <Day day={range.from} /> – <Day day={range.to} />
          </>
        ) : (
          <>
            {words("leadSheet")} <Day day={range.to} />
          </>
        )}
        , {words(range.basis === "restated" ? "leadRestated" : "leadReported")}
        {range.isBeforeClosing && range.view !== "income" && `, ${words("leadBefore")}`}
      </p>
      <p className="hidden print:block">
        {words("made")} <Moment at={new Date().toISOString()} />
      </p>
    </>
  );
}
