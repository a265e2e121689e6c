/** Whether all is in order, and what needs a person; told by the server when it changes. */
import { lazy, Suspense } from "react";
import { useDocument } from "../../api/query_client.ts";
import { useSignedIn } from "../../api/session.ts";
import { isMemberOnly } from "../../app/places.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { useAttention } from "../../parts/attention.ts";
import { Loaded, Skeleton } from "../../parts/loaded.tsx";
import { Page } from "../../parts/page.tsx";
import { Attention } from "./Attention.tsx";
import { Books } from "./Books.tsx";
import { JobList } from "./JobList.tsx";
import { Overview, RunCheck } from "./overview.documents.ts";
import { Rules } from "./Rules.tsx";
import { useOverviewWords } from "./words.ts";

// The subscription tells of changes; what only grows older, as a backlog does, is asked for.
const EVERY_SECONDS = 60;

const Wallet = lazy(() =>
  import("../wallet/Wallet.tsx").then(({ Screen }) => ({ default: Screen })),
);

/** To staff the state of the whole; to a member the own wallet, which is all that one may see. */
export function Screen() {
  if (!isMemberOnly(useSignedIn())) return <StaffOverview />;
  return (
    <Suspense fallback={<Skeleton />}>
      <Wallet />
    </Suspense>
  );
}

function StaffOverview() {
  const words = useOverviewWords();
  const query = useDocument(Overview, {}, { everySeconds: EVERY_SECONDS });
  useAttention();
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
          onDone={({ checkBalanceHealth }) =>
            words("checked", { count: checkBalanceHealth?.result?.findingCount ?? 0 })
          }
        >
          <p>{words("checkHelp")}</p>
        </ActionButton>
      }
    >
      <Loaded query={query} document={Overview}>
        {(overview) => <Books overview={overview} />}
      </Loaded>
      <Attention />
      <Rules />
      <JobList />
    </Page>
  );
}
