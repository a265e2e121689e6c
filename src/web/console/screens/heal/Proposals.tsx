/** Heals that wait for a second person, and what was decided about them. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Moment, Money } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { LongText } from "../../parts/long_text.tsx";
import { SecondPerson } from "../../parts/second_person.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, Facts, PagedTable } from "../../parts/table.tsx";
import { About, AccountLink, Cached } from "./parts.tsx";
import {
  ApproveHeal,
  type HealProposalStatus,
  HealProposals,
  type HealProposalsQuery,
  RejectHeal,
} from "./proposals.documents.ts";
import { useHealWords } from "./words.ts";

type Proposal = NonNullable<NonNullable<HealProposalsQuery["healProposals"]>["nodes"][number]>;

const statuses = {
  proposed: "statusProposed",
  approved: "statusApproved",
  rejected: "statusRejected",
  stale: "statusStale",
} as const;
const names = Object.keys(statuses) as HealProposalStatus[];

export function Proposals() {
  const words = useHealWords();
  const { filters } = useFilters();
  const status = names.find((each) => each === filters["status"]);
  const where = status === undefined ? "" : ` where status = ${sqlText(status)}`;
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="heal-proposals" filters={{ status }} />
            <CopyAs
              document={HealProposals}
              variables={filterOf(status)}
              sql={`select * from saldo.heal_proposal${where} order by id desc;`}
            />
          </>
        }
      >
        <ChoiceFilter
          name="status"
          label={words("status")}
          options={names.map((each) => [each, words(statuses[each])] as const)}
        />
      </FilterBar>
      <ProposalTable status={status} />
    </>
  );
}

const filterOf = (status: HealProposalStatus | undefined) => ({
  filter: status && { status: { equalTo: status } },
});

/** Proposals, of one status or of all. */
export function ProposalTable({ status }: { status: HealProposalStatus | undefined }) {
  const words = useHealWords();
  const pages = usePages(HealProposals, filterOf(status), ({ healProposals }) => healProposals, {
    everySeconds: 60,
  });
  return (
    <PagedTable
      pages={pages}
      document={HealProposals}
      caption={words("proposals")}
      keyOf={({ id }) => id}
      empty={words("noProposals")}
      columns={useColumns()}
    />
  );
}

function useColumns(): readonly Column<Proposal>[] {
  const words = useHealWords();
  return [
    {
      title: words("about"),
      cell: (each) => (
        <>
          <About rule={each.rule} of={each.key} findingId={each.finding?.id} />{" "}
          {each.isEscalated && <Badge tone="bad">{words("again")}</Badge>}
          <br />
          <AccountLink account={each.account} />
        </>
      ),
    },
    {
      title: words("before"),
      align: "right",
      cell: (each) => <Cached cache={each.before} currency={each.account?.currency} />,
    },
    {
      title: words("after"),
      align: "right",
      cell: (each) => <Cached cache={each.after} currency={each.account?.currency} />,
    },
    {
      title: words("difference"),
      align: "right",
      cell: (each) => <Money amount={each.difference} currency={each.account?.currency} signed />,
    },
    { title: words("reason"), cell: (each) => <LongText text={each.reason} lang="en" /> },
    {
      title: words("proposedBy"),
      cell: (each) => (
        <>
          {each.proposedBy}
          <br />
          <span className="text-sm text-soft">
            <Moment at={each.proposedAt} />
          </span>
        </>
      ),
    },
    { title: words("status"), cell: (each) => <Standing proposal={each} /> },
  ];
}

function Standing({ proposal }: { proposal: Proposal }) {
  const words = useHealWords();
  if (proposal.status === "proposed") return <Decide proposal={proposal} />;
  return (
    <>
      <Badge tone={proposal.status === "approved" ? "good" : "wait"}>
        {words(statuses[proposal.status])}
      </Badge>{" "}
      {proposal.decidedBy} <Moment at={proposal.decidedAt} />
      <br />
      <span className="text-soft">{proposal.decisionReason}</span>
    </>
  );
}

function Decide({ proposal }: { proposal: Proposal }) {
  const words = useHealWords();
  const variables = (reason: string) => ({ proposal: proposal.id, reason });
  const what = (
    <Facts
      facts={[
        [
          words("before"),
          <Cached key="b" cache={proposal.before} currency={proposal.account?.currency} />,
        ],
        [
          words("after"),
          <Cached key="a" cache={proposal.after} currency={proposal.account?.currency} />,
        ],
      ]}
    />
  );
  return (
    <div className="flex flex-wrap gap-2">
      <SecondPerson
        proposedBy={proposal.proposedBy}
        label={words("approve")}
        needs={ApproveHeal as never}
      >
        <ActionButton
          label={words("approve")}
          look="main"
          title={words("approveTitle")}
          document={ApproveHeal}
          variables={variables}
          needsReason
          submit={words("approve")}
          onDone={() => words("approved")}
        >
          <p>{words("approveHelp")}</p>
          {what}
        </ActionButton>
      </SecondPerson>
      <ActionButton
        label={words("reject")}
        title={words("rejectTitle")}
        document={RejectHeal}
        variables={variables}
        needsReason
        submit={words("reject")}
        look="bad"
        onDone={() => words("rejected")}
      >
        <p>{words("rejectHelp")}</p>
      </ActionButton>
    </div>
  );
}
