/** The last checks: when, why, how much they looked at, and what they found. */
import { lazy, Suspense } from "react";
import { useLanguage } from "../../../shared/language.ts";
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { Figure, Moment, Money } from "../../parts/figures.tsx";
import { Loaded, Skeleton } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { Table } from "../../parts/table.tsx";
import { useZone } from "../../parts/zone.ts";
import { useCauseWords } from "./cause_words.ts";
import { HealthTrend, type HealthTrendQuery } from "./health.documents.ts";
import { useHealthWords } from "./words.ts";

const TrendChart = lazy(() => import("./TrendChart.tsx"));

type Check = NonNullable<NonNullable<HealthTrendQuery["healthTrend"]>["nodes"][number]>;

export function Trend() {
  const query = useDocument(HealthTrend, {}, { everySeconds: 60 });
  return (
    <Loaded query={query} document={HealthTrend}>
      {({ healthTrend }) => <Checks checks={rowsOf(healthTrend)} />}
    </Loaded>
  );
}

function Checks({ checks }: { checks: readonly Check[] }) {
  const words = useHealthWords();
  const terms = useCauseWords();
  const language = useLanguage();
  const { zone } = useZone();
  const short = new Intl.DateTimeFormat(language === "en" ? "en-GB" : "id-ID", {
    timeZone: zone,
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
  const bars = checks.toReversed().map(({ finishedAt, findingCount }) => ({
    when: finishedAt === null ? "" : short.format(new Date(finishedAt)),
    findings: findingCount ?? 0,
  }));
  return (
    <>
      {checks.length > 1 && (
        <Card title={words("chart")}>
          <Suspense fallback={<Skeleton lines={5} />}>
            <TrendChart bars={bars} label={words("findings")} />
          </Suspense>
        </Card>
      )}
      <Table
        caption={words("trend")}
        rows={checks}
        keyOf={(each) => each.checkRunId ?? ""}
        empty={words("never")}
        columns={[
          { title: words("when"), cell: (each) => <Moment at={each.finishedAt} /> },
          {
            title: words("result"),
            cell: (each) => (
              <Badge tone={each.status === "healthy" ? "good" : "bad"}>
                {terms(each.status ?? "unknown")}
              </Badge>
            ),
          },
          { title: words("kind"), cell: (each) => terms(each.kind ?? "unknown") },
          { title: words("scope"), cell: (each) => terms(each.scope ?? "unknown") },
          {
            title: words("findings"),
            align: "right",
            cell: (each) =>
              each.findingCount ? (
                <Go to="/health" search={{ tab: "findings", check: each.checkRunId ?? undefined }}>
                  <Figure value={each.findingCount} />
                </Go>
              ) : (
                <Figure value={each.findingCount} />
              ),
          },
          {
            title: words("change"),
            align: "right",
            cell: (each) => <Figure value={each.findingChange} />,
          },
          {
            title: words("amount"),
            align: "right",
            cell: (each) => <Money amount={each.differenceSum} />,
          },
          {
            title: words("lines"),
            align: "right",
            cell: (each) => <Figure value={each.lineCount} />,
          },
          {
            title: words("seconds"),
            align: "right",
            cell: (each) => <Figure value={each.seconds} />,
          },
        ]}
      />
    </>
  );
}
