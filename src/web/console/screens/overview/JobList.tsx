/** The jobs that run by themselves, and when they last did. */
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Moment } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { Table } from "../../parts/table.tsx";
import { JobsOnOverview } from "./overview.documents.ts";
import { useOverviewWords } from "./words.ts";

export function JobList() {
  const words = useOverviewWords();
  const engine = useEngineWords();
  const query = useDocument(JobsOnOverview, {}, { everySeconds: 120 });
  return (
    <Card title={words("jobs")}>
      <Loaded query={query} document={JobsOnOverview}>
        {({ jobs }) => (
          <Table
            caption={words("jobs")}
            rows={rowsOf(jobs)}
            keyOf={({ name }) => name}
            empty={words("noJobs")}
            columns={[
              { title: words("job"), cell: ({ name }) => <Go to="/jobs">{engine.job(name)}</Go> },
              {
                title: words("state"),
                cell: ({ lastError, lastFinishedAt }) => (
                  <Badge tone={lastError ? "bad" : lastFinishedAt ? "good" : "wait"}>
                    {words(lastError ? "failed" : lastFinishedAt ? "ran" : "neverRan")}
                  </Badge>
                ),
              },
              {
                title: words("lastRun"),
                cell: ({ lastFinishedAt }) => <Moment at={lastFinishedAt} />,
              },
              { title: words("nextRun"), cell: ({ nextRunAt }) => <Moment at={nextRunAt} /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}
