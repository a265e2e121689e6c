/** Plans and heals, the newest first. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { Figure, Moment } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { HealRuns } from "./history.documents.ts";
import { useHealWords } from "./words.ts";

export function Runs() {
  const words = useHealWords();
  const pages = usePages(HealRuns, {}, ({ healRuns }) => healRuns, {
    everySeconds: 60,
  });
  return (
    <>
      <Take>
        <CsvLink name="heal-runs" />
        <CopyAs
          document={HealRuns}
          variables={{}}
          sql="select * from saldo.heal_run order by id desc;"
        />
      </Take>
      <PagedTable
        pages={pages}
        document={HealRuns}
        caption={words("runs")}
        keyOf={({ id }) => id}
        empty={words("noRuns")}
        columns={[
          {
            title: words("when"),
            cell: ({ id, finishedAt }) => (
              <Go to={`/heal/runs/${id}`}>
                <Moment at={finishedAt} />
              </Go>
            ),
          },
          {
            title: words("what"),
            cell: ({ isDryRun }) => (
              <Badge tone={isDryRun ? "wait" : "good"}>
                {words(isDryRun ? "isPlan" : "isRun")}
              </Badge>
            ),
          },
          { title: words("who"), cell: ({ actor }) => actor },
          {
            title: words("healed"),
            align: "right",
            cell: ({ healedCount }) => <Figure value={healedCount} />,
          },
          {
            title: words("toApprove"),
            align: "right",
            cell: ({ needsApprovalCount, escalatedCount }) => (
              <Figure value={needsApprovalCount + escalatedCount} />
            ),
          },
          {
            title: words("refused"),
            align: "right",
            cell: ({ refusedCount }) => <Figure value={refusedCount} />,
          },
          {
            title: words("frozenCount"),
            align: "right",
            cell: ({ frozenCount }) => <Figure value={frozenCount} />,
          },
        ]}
      />
    </>
  );
}
