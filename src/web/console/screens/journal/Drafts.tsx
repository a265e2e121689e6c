/** Drafts of entries: those that are open, unless somebody asks for others. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { Moment } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { DraftList, DraftMake, type DraftStatus } from "./drafts.documents.ts";
import { useJournalWords } from "./words.ts";

const statuses: readonly DraftStatus[] = ["open", "posted", "discarded"];

/** How a draft stands. */
export function DraftBadge({ status }: { status: DraftStatus }) {
  const words = useJournalWords();
  const tone = status === "posted" ? "good" : "wait";
  return <Badge tone={tone}>{words(`draft_${status}`)}</Badge>;
}

export function Screen() {
  const words = useJournalWords();
  const mayMake = useMay(DraftMake);
  const { filters } = useFilters();
  const status = statuses.find((each) => each === filters["status"]) ?? "open";
  const variables = { filter: { status: { equalTo: status } } };
  const pages = usePages(DraftList, variables, ({ entryDrafts }) => entryDrafts);
  return (
    <Page
      title={words("drafts")}
      lead={<Go to="/journal">{words("toJournal")}</Go>}
      actions={
        mayMake && (
          <span className="self-center px-2 font-semibold">
            <Go to="/journal/new">{words("newDraft")}</Go>
          </span>
        )
      }
    >
      <p>{words("draftsHelp")}</p>
      <FilterBar
        extra={
          <>
            <CsvLink name="drafts" filters={{ status }} />
            <CopyAs
              document={DraftList}
              variables={variables}
              sql={`select * from saldo.entry_draft where status = ${sqlText(status)} order by made_at desc;`}
            />
          </>
        }
      >
        <ChoiceFilter
          name="status"
          label={words("state")}
          none={words("draft_open")}
          options={(["posted", "discarded"] as const).map((each) => [each, words(`draft_${each}`)])}
        />
      </FilterBar>
      <PagedTable
        caption={words("drafts")}
        pages={pages}
        document={DraftList}
        keyOf={({ id }) => id}
        empty={words("noDrafts")}
        columns={[
          {
            title: words("what"),
            cell: ({ id, description }) => (
              <span className="[overflow-wrap:anywhere]">
                <Go to={`/journal/drafts/${id}`}>{description}</Go>
              </span>
            ),
          },
          {
            title: words("day"),
            cell: ({ occurredAt }) =>
              occurredAt === null ? words("dayOfPosting") : <Moment at={occurredAt} only="date" />,
          },
          { title: words("state"), cell: (each) => <DraftBadge status={each.status} /> },
          { title: words("madeBy"), cell: ({ madeBy }) => madeBy },
          {
            title: words("changed"),
            cell: ({ changedAt, changedBy }) => (
              <>
                <Moment at={changedAt} /> {changedBy}
              </>
            ),
          },
        ]}
      />
    </Page>
  );
}
