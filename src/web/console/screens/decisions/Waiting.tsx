/** Each proposal with all that one must see before one approves it. */
import { Button, Card } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { useSignedIn } from "../../api/session.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Moment, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { SecondPerson } from "../../parts/second_person.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { Facts } from "../../parts/table.tsx";
import { JsonFacts } from "../../parts/values.tsx";
import { usePartWords } from "../../parts/words.ts";
import { actionName } from "./action_name.ts";
import {
  ApproveDecision,
  Decisions,
  type DecisionsQuery,
  RejectDecision,
} from "./decisions.documents.ts";
import { useDecisionWords } from "./words.ts";

type Decision = NonNullable<NonNullable<DecisionsQuery["decisions"]>["nodes"][number]>;

export function Waiting() {
  const words = useDecisionWords();
  const partWords = usePartWords();
  const variables = { filter: { status: { equalTo: "proposed" as const } } };
  const { query, rows } = usePages(Decisions, variables, ({ decisions }) => decisions, {
    everySeconds: 30,
  });
  return (
    <>
      <Take>
        <CsvLink name="decisions" filters={{ state: "waiting" }} />
        <CopyAs
          document={Decisions}
          variables={variables}
          sql="select * from saldo.decision where status = 'proposed' order by proposed_at desc;"
        />
      </Take>
      <Loaded query={query} document={Decisions}>
        {() =>
          rows?.length === 0 ? (
            <p className="text-soft">{words("nothingWaits")}</p>
          ) : (
            rows?.map((decision) => <Proposal key={decision.id} decision={decision} />)
          )
        }
      </Loaded>
      {query.hasNextPage && (
        <Button onClick={() => void query.fetchNextPage()}>{partWords("more")}</Button>
      )}
    </>
  );
}

function Proposal({ decision }: { decision: Decision }) {
  const words = useDecisionWords();
  const { account } = decision;
  return (
    <Card title={actionName(decision.action, words)}>
      <Facts
        facts={[
          ...(account === null
            ? []
            : [
                [
                  words("account"),
                  <span key="account">
                    <Go to={`/accounts/${account.id}`}>{account.code}</Go> {account.name}
                  </span>,
                ] as const,
              ]),
          ...(decision.amount === null
            ? []
            : [
                [
                  words("amount"),
                  <Money key="amount" amount={decision.amount} currency={decision.currency} />,
                ] as const,
              ]),
          [words("reason"), decision.reason],
          [words("proposedBy"), decision.proposedBy],
          [words("proposedAt"), <Moment key="at" at={decision.proposedAt} />],
        ]}
      />
      <h3 className="mt-4 mb-1 font-semibold">{words("asked")}</h3>
      <JsonFacts value={decision.arguments} />
      <h3 className="mt-4 mb-1 font-semibold">{words("before")}</h3>
      <p className="mb-1 text-sm text-soft">{words("beforeHelp")}</p>
      <JsonFacts value={decision.before} />
      <Decide decision={decision} />
    </Card>
  );
}

function Decide({ decision }: { decision: Decision }) {
  const words = useDecisionWords();
  const { subject } = useSignedIn();
  const variables = (reason: string) => ({ decision: decision.id, reason });
  const isOwn = subject === decision.proposedBy;
  return (
    <div className="mt-4 flex flex-wrap items-center gap-2">
      <SecondPerson
        proposedBy={decision.proposedBy}
        label={words("approve")}
        needs={ApproveDecision as never}
      >
        <ActionButton
          label={words("approve")}
          look="main"
          title={words("approveTitle")}
          document={ApproveDecision}
          variables={variables}
          needsReason
          submit={words("approve")}
          onDone={() => words("approved")}
        >
          <p className="font-semibold">{actionName(decision.action, words)}</p>
          {decision.amount !== null && (
            <p>
              {decision.account?.code}{" "}
              <Money amount={decision.amount} currency={decision.currency} />
            </p>
          )}
          <p>{words("approveHelp")}</p>
        </ActionButton>
      </SecondPerson>
      <ActionButton
        label={words(isOwn ? "withdraw" : "reject")}
        title={words("rejectTitle")}
        document={RejectDecision}
        variables={variables}
        needsReason
        submit={words(isOwn ? "withdraw" : "reject")}
        look="bad"
        onDone={() => words("rejectedNow")}
      >
        <p>{words("rejectHelp")}</p>
      </ActionButton>
    </div>
  );
}
