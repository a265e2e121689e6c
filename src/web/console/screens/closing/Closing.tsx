/** The periods of a year, and what waits for a second person. */
import { Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { Day, Figure, Moment } from "../../parts/figures.tsx";
import { FilterBar } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { useYear, YearFilter } from "../../parts/period_filters.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import {
  type PeriodStateFragment as Period,
  Periods,
  WaitingClosings,
} from "./closing.documents.ts";
import { keyOf, PeriodName, Status } from "./PeriodName.tsx";
import { useClosingWords } from "./words.ts";

export function Screen() {
  const words = useClosingWords();
  const year = useYear();
  const query = useDocument(Periods, { year }, { everySeconds: 60 });
  return (
    <Page title={words("title")} lead={words("lead")}>
      <Waiting />
      <FilterBar
        extra={
          <>
            <CsvLink name="periods" filters={{ year: String(year) }} />
            <CopyAs
              document={Periods}
              variables={{ year }}
              sql={`select * from saldo.fiscal_periods(${year});`}
            />
          </>
        }
      >
        <YearFilter label={words("year")} />
      </FilterBar>
      <Loaded query={query} document={Periods} lines={13}>
        {({ fiscalPeriods }) => <PeriodTable year={year} periods={rowsOf(fiscalPeriods)} />}
      </Loaded>
    </Page>
  );
}

function PeriodTable({ year, periods }: { year: number; periods: readonly Period[] }) {
  const words = useClosingWords();
  const columns: Column<Period>[] = [
    {
      title: words("period"),
      cell: (period) => (
        <Go to={`/closing/${keyOf(period)}`}>
          <PeriodName period={period} />
        </Go>
      ),
    },
    { title: words("status"), cell: ({ status }) => <Status status={status} /> },
    { title: words("closedAt"), cell: ({ closedAt }) => <Moment at={closedAt} /> },
    {
      title: words("closedBy"),
      cell: ({ closedBy }) => <span className="break-words">{closedBy ?? "–"}</span>,
    },
    {
      title: words("lines"),
      align: "right",
      cell: ({ lineCount }) => <Figure value={lineCount} />,
    },
    {
      title: words("days"),
      cell: ({ startsOn, endsOn }) => (
        <span>
          <Day day={startsOn} /> – <Day day={endsOn} />
        </span>
      ),
    },
  ];
  return (
    <Table
      caption={words("periods", { year })}
      columns={columns}
      rows={periods}
      keyOf={keyOf}
      empty={words("noPeriod")}
    />
  );
}

/** Closings that one person alone may not do. */
function Waiting() {
  const words = useClosingWords();
  const { data } = useDocument(WaitingClosings, {}, { everySeconds: 60 });
  const waiting = rowsOf(data?.decisions);
  if (waiting.length === 0) return null;
  return (
    <Notice weight="warn">
      <p className="font-bold">{words("waiting")}</p>
      <ul>
        {waiting.map(({ id, proposedBy, reason, arguments: given }) => (
          <li key={id} className="break-words">
            {words("waitingLine", {
              who: proposedBy,
              month: String((given as { month?: string }).month ?? "").slice(0, 7),
              reason: reason ?? "–",
            })}
          </li>
        ))}
      </ul>
      <Go to="/decisions">{words("toDecisions")}</Go>
    </Notice>
  );
}
