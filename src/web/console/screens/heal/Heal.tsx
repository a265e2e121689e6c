/** Healing: plans and runs, what waits for a second person, what was done, and frozen accounts. */

import { useNavigate } from "@tanstack/react-router";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { useAttention } from "../../parts/attention.ts";
import { useFilters } from "../../parts/filters.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { Frozen } from "./Frozen.tsx";
import { History } from "./History.tsx";
import { Limits } from "./Limits.tsx";
import { Proposals } from "./Proposals.tsx";
import { PlanHeal } from "./plan.documents.ts";
import { Runs } from "./Runs.tsx";
import { useHealWords } from "./words.ts";

export function Screen() {
  const words = useHealWords();
  useAttention();
  const { filters, setFilters } = useFilters();
  return (
    <Page title={words("title")} lead={words("lead")} actions={<MakePlan />}>
      <Tabs
        label={words("parts")}
        value={filters["tab"] ?? "runs"}
        onChange={(tab) => setFilters({ tab: tab === "runs" ? undefined : tab, show: undefined })}
        tabs={[
          { value: "runs", title: words("runs"), content: <Runs /> },
          { value: "proposals", title: words("proposals"), content: <Proposals /> },
          { value: "history", title: words("history"), content: <History /> },
          { value: "frozen", title: words("frozen"), content: <Frozen /> },
          { value: "limits", title: words("limits"), content: <Limits /> },
        ]}
      />
    </Page>
  );
}

/** Makes a plan, and goes there. */
function MakePlan() {
  const words = useHealWords();
  const navigate = useNavigate();
  return (
    <ActionButton
      label={words("plan")}
      look="main"
      title={words("planTitle")}
      document={PlanHeal}
      variables={() => ({})}
      submit={words("plan")}
      onDone={({ autoHeal }) => {
        void navigate({ to: `/heal/runs/${autoHeal?.result?.id}` });
        return words("planned");
      }}
    >
      <p>{words("planHelp")}</p>
    </ActionButton>
  );
}
