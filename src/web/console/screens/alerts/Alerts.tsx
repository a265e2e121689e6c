/** What is wrong or was, and the messages that told it. */

import { ActionButton } from "../../parts/action_dialog.tsx";
import { useAttention } from "../../parts/attention.ts";
import { useFilters } from "../../parts/filters.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { AlertList } from "./AlertList.tsx";
import { SendTestAlert } from "./alerts.documents.ts";
import { Messages } from "./Messages.tsx";
import { useAlertWords } from "./words.ts";

export function Screen() {
  const words = useAlertWords();
  useAttention();
  const { filters, setFilters } = useFilters();
  return (
    <Page
      title={words("title")}
      actions={
        <ActionButton
          label={words("test")}
          title={words("test")}
          document={SendTestAlert}
          variables={() => ({})}
          submit={words("test")}
          onDone={() => words("tested")}
        >
          <p>{words("testHelp")}</p>
        </ActionButton>
      }
    >
      <Tabs
        label={words("parts")}
        value={filters["tab"] ?? "alerts"}
        onChange={(tab) =>
          setFilters({ tab: tab === "alerts" ? undefined : tab, state: undefined })
        }
        tabs={[
          { value: "alerts", title: words("list"), content: <AlertList /> },
          { value: "messages", title: words("deliveries"), content: <Messages /> },
        ]}
      />
    </Page>
  );
}
