/** The state of the books by the last check, and of what waits to be settled. */
import { Card, Notice } from "../../../shared/ui.tsx";
import { Duration, Figure, Moment, Money } from "../../parts/figures.tsx";
import { Facts, Stat } from "../../parts/table.tsx";
import type { OverviewQuery } from "./overview.documents.ts";
import { useOverviewWords } from "./words.ts";

export function Books({ overview }: { overview: OverviewQuery }) {
  const words = useOverviewWords();
  const { balanceHealth: health, healthSummary: summary, settlementHealth } = overview;
  const wasChecked = health !== null && health.lastCheckAt !== null;
  const state = !wasChecked ? "neverChecked" : health.isHealthy ? "isHealthy" : "isUnhealthy";
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        <Stat label={words("state")} tone={state === "isHealthy" ? "good" : "bad"}>
          {words(state)}
        </Stat>
        <Stat label={words("assets")}>
          <Money amount={health?.totalAssets} currency={health?.currency} />
        </Stat>
        <Stat label={words("liabilities")}>
          <Money amount={health?.totalLiabilities} currency={health?.currency} />
        </Stat>
        <Stat label={words("equity")}>
          <Money amount={health?.totalEquity} currency={health?.currency} />
        </Stat>
      </div>
      {health?.isValid === false && <Notice weight="bad">{words("doesNotBalance")}</Notice>}
      {wasChecked && health.isOverdue && <Notice weight="warn">{words("overdue")}</Notice>}
      <div className="grid gap-4 lg:grid-cols-2">
        <Card title={words("lastCheck")}>
          <Facts
            facts={[
              [words("when"), <Moment key="when" at={health?.lastCheckAt} />],
              [words("findings"), <Figure key="findings" value={health?.driftCount} />],
              [words("since"), <Moment key="since" at={summary?.unhealthySince} />],
              [words("lines"), <Figure key="lines" value={summary?.lineCount} />],
              [words("accounts"), <Figure key="accounts" value={summary?.accountCount} />],
              [words("fullCheck"), <Moment key="full" at={summary?.fullCheckAt} />],
            ]}
          />
        </Card>
        <Settlement settlement={settlementHealth} />
      </div>
    </>
  );
}

function Settlement({ settlement }: { settlement: OverviewQuery["settlementHealth"] }) {
  const words = useOverviewWords();
  return (
    <Card title={words("settlement")}>
      <Facts
        facts={[
          [words("pending"), <Figure key="pending" value={settlement?.pendingCount} />],
          [
            words("oldest"),
            <Duration key="oldest" seconds={settlement?.oldestPendingAgeSeconds} />,
          ],
          [words("lastSettled"), <Moment key="last" at={settlement?.lastSettledAt} />],
          [words("hotAccounts"), <Figure key="hot" value={settlement?.hotAccountCount} />],
          [words("openHolds"), <Figure key="holds" value={settlement?.openHoldCount} />],
          [words("overdueHolds"), <Figure key="overdue" value={settlement?.overdueHoldCount} />],
        ]}
      />
    </Card>
  );
}
