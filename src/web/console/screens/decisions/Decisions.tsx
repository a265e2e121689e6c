/** What waits for a second person, and what people have decided. */

import { Card } from "../../../shared/ui.tsx";
import { useAttention } from "../../parts/attention.ts";
import { useFilters } from "../../parts/filters.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { ProposalTable } from "../heal/Proposals.tsx";
import { Decided } from "./Decided.tsx";
import { Waiting } from "./Waiting.tsx";
import { useDecisionWords } from "./words.ts";

export function Screen() {
  const words = useDecisionWords();
  useAttention();
  const { filters, setFilters } = useFilters();
  return (
    <Page title={words("title")} lead={words("lead")}>
      <Tabs
        label={words("parts")}
        value={filters["tab"] ?? "waiting"}
        onChange={(tab) => setFilters({ tab: tab === "waiting" ? undefined : tab })}
        tabs={[
          {
            value: "waiting",
            title: words("waiting"),
            content: (
              <>
                <Waiting />
                <Card title={words("healsWait")}>
                  <ProposalTable status="proposed" />
                </Card>
              </>
            ),
          },
          { value: "decided", title: words("history"), content: <Decided /> },
        ]}
      />
    </Page>
  );
}
