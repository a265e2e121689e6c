/** What people have decided, alone or together. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { decisionKinds } from "../../parts/engine_names.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { LongText } from "../../parts/long_text.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { actionName } from "./action_name.ts";
import { type DecisionStatus, Decisions } from "./decisions.documents.ts";
import { useDecisionWords } from "./words.ts";

const statuses = {
  proposed: "statusProposed",
  approved: "statusApproved",
  rejected: "statusRejected",
  stale: "statusStale",
} as const;
const ended: readonly DecisionStatus[] = ["approved", "rejected", "stale"];

export function Decided() {
  const words = useDecisionWords();
  const { filters } = useFilters();
  const status = ended.find((each) => each === filters["status"]);
  const { action } = filters;
  const filter = {
    status: status === undefined ? { in: [...ended] } : { equalTo: status },
    ...(action && { action: { equalTo: action } }),
  };
  const pages = usePages(Decisions, { filter }, ({ decisions }) => decisions);
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="decisions" filters={{ state: "decided", status, action }} />
            <CopyAs
              document={Decisions}
              variables={{ filter }}
              sql={`select * from saldo.decision where status ${
                status === undefined ? "<> 'proposed'" : `= ${sqlText(status)}`
              }${action ? ` and action = ${sqlText(action)}` : ""} order by proposed_at desc;`}
            />
          </>
        }
      >
        <ChoiceFilter
          name="action"
          label={words("kind")}
          options={decisionKinds.map((each) => [each, words(each)] as const)}
        />
        <ChoiceFilter
          name="status"
          label={words("status")}
          options={ended.map((each) => [each, words(statuses[each])] as const)}
        />
      </FilterBar>
      <PagedTable
        pages={pages}
        document={Decisions}
        caption={words("history")}
        keyOf={({ id }) => id}
        empty={words("noHistory")}
        columns={[
          { title: words("when"), cell: ({ decidedAt }) => <Moment at={decidedAt} /> },
          { title: words("what"), cell: ({ action }) => actionName(action, words) },
          {
            title: words("account"),
            cell: ({ account }) =>
              account && <Go to={`/accounts/${account.id}`}>{account.code}</Go>,
          },
          {
            title: words("amount"),
            align: "right",
            cell: ({ amount, currency }) => <Money amount={amount} currency={currency} />,
          },
          {
            title: words("outcome"),
            cell: (each) => (
              <Badge tone={each.status === "approved" ? "good" : "wait"}>
                {words(statuses[each.status])}
              </Badge>
            ),
          },
          {
            title: words("who"),
            cell: ({ isAlone, proposedBy, decidedBy }) =>
              isAlone
                ? `${proposedBy}, ${words("alone")}`
                : words("byTwo", { one: proposedBy, other: decidedBy }),
          },
          {
            title: words("reason"),
            cell: ({ reason, decisionReason }) => (
              <LongText text={[reason, decisionReason].filter(Boolean).join(" · ")} />
            ),
          },
        ]}
      />
    </>
  );
}
