/** Whether all is in order, and what needs a person. */
import { Card } from "../../../shared/ui.tsx";
import { useDocument } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Figure, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Page } from "../../parts/page.tsx";
import { Facts, Stat } from "../../parts/table.tsx";
import { Overview, type OverviewQuery, RunCheck } from "./overview.documents.ts";
import { useOverviewWords } from "./words.ts";

export function Screen() {
  const words = useOverviewWords();
  const query = useDocument(Overview, {}, { everySeconds: 30 });
  return (
    <Page
      title={words("title")}
      actions={
        <ActionButton
          label={words("check")}
          title={words("checkTitle")}
          document={RunCheck}
          variables={() => ({})}
          submit={words("check")}
          onDone={() => words("checked")}
        >
          <p>{words("checkHelp")}</p>
        </ActionButton>
      }
    >
      <Loaded query={query} document={Overview}>
        {({ balanceHealth }) => <Health health={balanceHealth} />}
      </Loaded>
    </Page>
  );
}

function Health({ health }: { health: OverviewQuery["balanceHealth"] }) {
  const words = useOverviewWords();
  if (health === null) return <p>{words("neverChecked")}</p>;
  const state =
    health.lastCheckAt === null ? "neverChecked" : health.isHealthy ? "isHealthy" : "isUnhealthy";
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        <Stat label={words("lastCheck")} tone={health.isHealthy ? "good" : "bad"}>
          {words(state)}
        </Stat>
        <Stat label={words("assets")}>
          <Money amount={health.totalAssets} currency={health.currency} />
        </Stat>
        <Stat label={words("liabilities")}>
          <Money amount={health.totalLiabilities} currency={health.currency} />
        </Stat>
        <Stat label={words("equity")}>
          <Money amount={health.totalEquity} currency={health.currency} />
        </Stat>
      </div>
      <Card title={words(health.isValid === false ? "doesNotBalance" : "balances")}>
        <Facts
          facts={[
            [words("findings"), <Figure key="findings" value={health.driftCount} />],
            [words("rules"), <Figure key="rules" value={health.ruleCount} />],
            [words("lines"), <Figure key="lines" value={health.lineCount} />],
            [words("accounts"), <Figure key="accounts" value={health.accountCount} />],
          ]}
        />
      </Card>
    </>
  );
}
