/** Rules over a user's own tables, and the writes that their guards have seen. */
import { useFilters } from "../../parts/filters.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { GuardWriteList } from "./GuardWriteList.tsx";
import { RuleList } from "./RuleList.tsx";
import { useOwnTableWords } from "./words.ts";

export function Screen() {
  const words = useOwnTableWords();
  const { filters, setFilters } = useFilters();
  return (
    <Page title={words("title")} lead={words("lead")}>
      <Tabs
        label={words("parts")}
        value={filters["tab"] ?? "rules"}
        onChange={(tab) => setFilters({ tab: tab === "rules" ? undefined : tab })}
        tabs={[
          { value: "rules", title: words("rules"), content: <RuleList /> },
          { value: "writes", title: words("writes"), content: <GuardWriteList /> },
        ]}
      />
    </Page>
  );
}
