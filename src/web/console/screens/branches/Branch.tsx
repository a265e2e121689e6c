/** A branch: what waits for a decision, what is missing, its tills and their keys, all its rows. */
import { useState } from "react";
import { useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Moment, Money } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { isNumberName, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page, Tabs } from "../../parts/page.tsx";
import { CopyAs, sqlText } from "../../parts/share.tsx";
import { Facts } from "../../parts/table.tsx";
import { AllRows } from "./AllRows.tsx";
import { LastPush } from "./Branches.tsx";
import {
  Branch,
  type BranchQuery,
  type BranchStateRowFragment,
  IssueEnrolmentCode,
  RepostSuspense,
} from "./branches.documents.ts";
import { Devices } from "./Devices.tsx";
import { Gaps } from "./Gaps.tsx";
import { Secret } from "./Secret.tsx";
import { ToDecide } from "./ToDecide.tsx";
import { useBranchWords } from "./words.ts";

type Found = NonNullable<BranchQuery["branch"]>;

export function Screen() {
  const words = useBranchWords();
  const id = useParameter("id");
  const isId = isNumberName(id);
  const query = useDocument(Branch, { id }, { everySeconds: 30, enabled: isId });
  const unknown = (
    <NoSuch title={words("title")} to="/branches">
      {words("notFound")}
    </NoSuch>
  );
  if (!isId) return unknown;
  return (
    <Loaded query={query} document={Branch}>
      {({ branch, branchStates }) => {
        const state = branchStates?.nodes[0] ?? null;
        return branch === null || state === null ? (
          unknown
        ) : (
          <Shown branch={branch} state={state} />
        );
      }}
    </Loaded>
  );
}

function Shown({ branch, state }: { branch: Found; state: BranchStateRowFragment }) {
  const words = useBranchWords();
  return (
    <Page
      title={branch.name}
      lead={branch.code}
      actions={<Actions branch={branch} state={state} />}
    >
      <Facts
        facts={[
          [words("lastPush"), <LastPush key="push" row={state} />],
          [
            words("cash"),
            <Money
              key="cash"
              amount={branch.cashAccount?.balances?.settledBalance}
              currency={branch.currency}
            />,
          ],
          [
            words("suspense"),
            <Money
              key="suspense"
              amount={branch.suspenseAccount?.balances?.settledBalance}
              currency={branch.currency}
            />,
          ],
          [
            words("cashAccount"),
            <Go key="cashAccount" to={`/accounts/${branch.cashAccountId}`}>
              {branch.cashAccount?.code ?? branch.cashAccountId}
            </Go>,
          ],
          [
            words("suspenseAccount"),
            <Go key="suspenseAccount" to={`/accounts/${branch.suspenseAccountId}`}>
              {branch.suspenseAccount?.code ?? branch.suspenseAccountId}
            </Go>,
          ],
          [words("timeZone"), branch.timeZone],
          [words("since"), <Moment key="since" at={branch.createdAt} only="date" />],
        ]}
      />
      <Views branch={branch} state={state} />
    </Page>
  );
}

function Views({ branch, state }: { branch: Found; state: BranchStateRowFragment }) {
  const words = useBranchWords();
  const { filters, setFilters } = useFilters();
  const waiting = Number(state.quarantinedCount) + Number(state.conflictCount);
  const titled = (title: string, count: number) => (count === 0 ? title : `${title} (${count})`);
  return (
    <Tabs
      label={branch.name}
      value={filters["tab"] ?? "decide"}
      onChange={(tab) => setFilters({ tab: tab === "decide" ? undefined : tab, verdict: "" })}
      tabs={[
        {
          value: "decide",
          title: titled(words("toDecide"), waiting),
          content: <ToDecide branchId={branch.id} />,
        },
        {
          value: "missing",
          title: titled(words("missing"), Number(state.missingCount)),
          content: <Gaps branchId={branch.id} />,
        },
        {
          value: "devices",
          title: words("devices"),
          content: <Devices branchId={branch.id} />,
        },
        {
          value: "rows",
          title: words("allRows"),
          content: <AllRows branchId={branch.id} />,
        },
      ]}
    />
  );
}

function Actions({ branch, state }: { branch: Found; state: BranchStateRowFragment }) {
  const words = useBranchWords();
  const [code, setCode] = useState<{ code: string | null; expiresAt: string | null }>();
  return (
    <>
      <ActionButton
        label={words("enrol")}
        look="main"
        title={words("enrolTitle")}
        document={IssueEnrolmentCode}
        variables={() => ({ branchId: branch.id })}
        submit={words("issue")}
        onDone={({ issueEnrolmentCode }) => {
          setCode(issueEnrolmentCode?.result ?? undefined);
          return words("issued");
        }}
      >
        <p>{words("enrolLead")}</p>
      </ActionButton>
      {code?.code && (
        <Secret title={words("enrolTitle")} secret={code.code} close={() => setCode(undefined)}>
          <p>{words("codeIs")}</p>
          <p>
            {words("goodUntil")} <Moment at={code.expiresAt} />
          </p>
        </Secret>
      )}
      {state.suspenseCount !== "0" && (
        <ActionButton
          label={words("repost")}
          title={words("repostTitle")}
          document={RepostSuspense}
          variables={() => ({ branchId: branch.id })}
          submit={words("repost")}
          confirmWord={state.suspenseCount ?? ""}
          onDone={({ repostSuspense }) => {
            const moves = (repostSuspense?.result ?? []).filter((move) => move !== null);
            const count = moves.reduce((sum, { rowCount }) => sum + Number(rowCount), 0);
            return words("reposted", { count });
          }}
        >
          <p>{words("repostLead")}</p>
        </ActionButton>
      )}
      <CopyAs
        document={Branch}
        variables={{ id: branch.id }}
        sql={`select * from saldo.branch_states(${sqlText(branch.id)});`}
      />
    </>
  );
}
