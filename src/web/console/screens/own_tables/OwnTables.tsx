/** Rules over a user's own tables, and the writes that their guards have seen. */
import { useMay } from "../../api/session.ts";
import { useFilters } from "../../parts/filters.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { GuardWriteList } from "./GuardWriteList.tsx";
import { Proposals } from "./Proposals.tsx";
import { RegisterRule } from "./proposals.documents.ts";
import { RuleList } from "./RuleList.tsx";
import { useOwnTableWords } from "./words.ts";

export function Screen() {
  const words = useOwnTableWords();
  const may = useMay(RegisterRule as never);
  const { filters, setFilters } = useFilters();
  return (
    <Page title={words("title")} lead={words("lead")}>
      <Tabs
        label={words("parts")}
        value={filters["tab"] ?? "rules"}
        onChange={(tab) => setFilters({ tab: tab === "rules" ? undefined : tab, table: undefined })}
        tabs={[
          { value: "rules", title: words("rules"), content: <RuleList /> },
          ...(may
            ? [{ value: "proposals", title: words("proposals"), content: <Proposals /> }]
            : []),
          { value: "writes", title: words("writes"), content: <GuardWriteList /> },
        ]}
      />
    </Page>
  );
}
