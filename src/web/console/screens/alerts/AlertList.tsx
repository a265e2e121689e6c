/** Alerts, those that are open unless somebody asks for others. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Figure, Moment } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, filterOrNone, useFilters } from "../../parts/filters.tsx";
import { LongText } from "../../parts/long_text.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { type AlertSeverity, Alerts, type AlertsQuery } from "./alerts.documents.ts";
import { useAlertWords } from "./words.ts";

type Alert = NonNullable<NonNullable<AlertsQuery["alerts"]>["nodes"][number]>;

const severities: readonly AlertSeverity[] = ["critical", "warning", "info"];

/** How urgent an alert is; one that is over is shown without alarm. */
export function Severity({
  alert: { severity, resolvedAt },
}: {
  alert: { readonly severity: AlertSeverity; readonly resolvedAt: string | null };
}) {
  const words = useAlertWords();
  return (
    <Badge tone={severity === "info" || resolvedAt !== null ? "wait" : "bad"}>
      {words(severity)}
    </Badge>
  );
}

export function AlertList() {
  const words = useAlertWords();
  const { filters } = useFilters();
  const { state } = filters;
  const severity = severities.find((each) => each === filters["severity"]);
  const filter = filterOrNone({
    ...(state !== "all" && { resolvedAt: { isNull: state !== "resolved" } }),
    ...(severity && { severity: { equalTo: severity } }),
  });
  const pages = usePages(Alerts, { filter }, ({ alerts }) => alerts, { everySeconds: 30 });
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink
              name="alerts"
              filters={{ state: state === "all" ? undefined : (state ?? "open"), severity }}
            />
            <CopyAs document={Alerts} variables={{ filter }} />
          </>
        }
      >
        <ChoiceFilter
          name="state"
          label={words("state")}
          none={words("open")}
          options={[
            ["resolved", words("ended")],
            ["all", words("allStates")],
          ]}
        />
        <ChoiceFilter
          name="severity"
          label={words("severity")}
          options={severities.map((each) => [each, words(each)] as const)}
        />
      </FilterBar>
      <PagedTable
        pages={pages}
        document={Alerts}
        caption={words("list")}
        keyOf={({ id }) => id}
        empty={words("none")}
        columns={useColumns()}
      />
    </>
  );
}

function useColumns(): readonly Column<Alert>[] {
  const words = useAlertWords();
  const engine = useEngineWords();
  return [
    {
      title: words("alert"),
      cell: (alert) => (
        <div>
          <Severity alert={alert} />{" "}
          <Go to={`/alerts/${alert.id}`}>{engine.alert(alert.condition, alert.title)}</Go>
          <div className="text-soft">
            <LongText text={alert.text} lang="en" />
          </div>
        </div>
      ),
    },
    { title: words("opened"), cell: ({ openedAt }) => <Moment at={openedAt} /> },
    {
      title: words("over"),
      cell: ({ resolvedAt }) =>
        resolvedAt === null ? words("stillOpen") : <Moment at={resolvedAt} />,
    },
    {
      title: words("times"),
      align: "right",
      cell: ({ occurrenceCount }) => <Figure value={occurrenceCount} />,
    },
    {
      title: words("taken"),
      cell: ({ acknowledgedBy }) =>
        acknowledgedBy ?? <span className="text-soft">{words("nobody")}</span>,
    },
  ];
}
