/** How the balances are: the last check, what it found by rule and account, and how it has been. */

import { Card, Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useAttention } from "../../parts/attention.ts";
import { Duration, Figure, Moment } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { Progress } from "../../parts/progress.tsx";
import { Facts, Stat } from "../../parts/table.tsx";
import { ByAccount } from "./ByAccount.tsx";
import { ByRule } from "./ByRule.tsx";
import { useCauseWords } from "./cause_words.ts";
import { Findings } from "./Findings.tsx";
import { Health, type HealthQuery } from "./health.documents.ts";
import { RunCheckButton } from "./RunCheck.tsx";
import { Trend } from "./Trend.tsx";
import { useHealthWords } from "./words.ts";

export function Screen() {
  const words = useHealthWords();
  useAttention();
  const { filters, setFilters } = useFilters();
  const query = useDocument(Health, {}, { everySeconds: 30 });
  const isNarrowed = ["rule", "cause", "account", "check"].some((name) => filters[name]);
  const tab = filters["tab"] ?? (isNarrowed ? "findings" : "rules");
  return (
    <Page title={words("title")} actions={<RunCheckButton />}>
      <Loaded query={query} document={Health}>
        {({ healthSummary, checkProgresses }) => (
          <>
            <UnderWay progress={rowsOf(checkProgresses)[0]} />
            {healthSummary === null ? (
              <Notice weight="warn">{words("never")}</Notice>
            ) : (
              <Summary summary={healthSummary} />
            )}
          </>
        )}
      </Loaded>
      <Tabs
        label={words("parts")}
        value={tab}
        onChange={(tab) => setFilters({ tab })}
        tabs={[
          { value: "rules", title: words("byRule"), content: <ByRule /> },
          { value: "accounts", title: words("byAccount"), content: <ByAccount /> },
          { value: "findings", title: words("list"), content: <Findings /> },
          { value: "checks", title: words("trend"), content: <Trend /> },
        ]}
      />
    </Page>
  );
}

type Summary = NonNullable<HealthQuery["healthSummary"]>;

function Summary({ summary }: { summary: Summary }) {
  const words = useHealthWords();
  const terms = useCauseWords();
  const isHealthy = summary.status === "healthy";
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        <Stat label={words("state")} tone={isHealthy ? "good" : "bad"}>
          {terms(summary.status ?? "unknown")}
        </Stat>
        <Stat label={words("findings")} tone={summary.findingCount ? "bad" : undefined}>
          <Figure value={summary.findingCount} />
        </Stat>
        <Stat label={words("accountsConcerned")}>
          <Figure value={summary.accountCount} />
        </Stat>
        <Stat label={words("healedToday")}>
          <Figure value={summary.healedCount} />
        </Stat>
      </div>
      <Facts
        facts={[
          [
            words("checked"),
            <span key="checked">
              <Moment at={summary.checkedAt} /> (<Duration seconds={summary.ageSeconds} />{" "}
              {words("ago")})
            </span>,
          ],
          [words("fullCheck"), <Moment key="full" at={summary.fullCheckAt} />],
          [words("proven"), <Figure key="proven" value={summary.verifiedLineCount} />],
          ...(summary.unhealthySince === null
            ? []
            : [[words("since"), <Moment key="since" at={summary.unhealthySince} />] as const]),
        ]}
      />
    </>
  );
}

type UnderWayRow = NonNullable<NonNullable<HealthQuery["checkProgresses"]>["nodes"][number]>;

/** A check that somebody or the schedule has begun and that has not ended. */
function UnderWay({ progress }: { progress: UnderWayRow | undefined }) {
  const words = useHealthWords();
  if (progress === undefined) return null;
  return (
    <Card title={words("running")}>
      <Progress
        label={words("running")}
        done={progress.lineCount}
        total={progress.totalLineCount}
      />
      <p className="text-sm text-soft">
        {words("runningBy", { actor: progress.actor })} · <Moment at={progress.startedAt} /> ·{" "}
        {words("runningSlice", { done: progress.sliceCount })}
      </p>
    </Card>
  );
}
