/** Runs that somebody asked for, and those of the maintenance. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { Figure, Moment } from "../../parts/figures.tsx";
import { LongText } from "../../parts/long_text.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { JobName } from "./JobName.tsx";
import { JobRequests, type JobRequestsQuery, MaintenanceRuns } from "./jobs.documents.ts";
import { useJobWords } from "./words.ts";

type Request = NonNullable<NonNullable<JobRequestsQuery["jobRequests"]>["nodes"][number]>;

/** Runs that somebody asked for, and how they ended. */
export function Requests() {
  const words = useJobWords();
  const pages = usePages(JobRequests, {}, ({ jobRequests }) => jobRequests, { everySeconds: 30 });
  return (
    <>
      <Take>
        <CsvLink name="job-runs" />
        <CopyAs
          document={JobRequests}
          variables={{}}
          sql="select * from saldo.job_request order by id desc;"
        />
      </Take>
      <PagedTable
        pages={pages}
        document={JobRequests}
        caption={words("requests")}
        keyOf={({ id }) => id}
        empty={words("noRequests")}
        columns={[
          { title: words("job"), cell: ({ job }) => <JobName name={job} /> },
          { title: words("who"), cell: ({ requestedBy }) => requestedBy },
          { title: words("when"), cell: ({ requestedAt }) => <Moment at={requestedAt} /> },
          { title: words("state"), cell: (each) => <State request={each} /> },
          { title: words("finished"), cell: ({ finishedAt }) => <Moment at={finishedAt} /> },
          {
            title: words("error"),
            cell: ({ error }) => error && <LongText text={error} lang="en" />,
          },
        ]}
      />
    </>
  );
}

function State({ request: { takenAt, finishedAt, error } }: { request: Request }) {
  const words = useJobWords();
  if (finishedAt !== null) {
    return error === null ? (
      <Badge tone="good">{words("done")}</Badge>
    ) : (
      <Badge tone="bad">{words("failed")}</Badge>
    );
  }
  return <Badge tone="wait">{words(takenAt === null ? "waits" : "running")}</Badge>;
}

const health = { healthy: "healthy", unhealthy: "unhealthy", failed: "ruleFailed" } as const;

/** Runs of the scheduled maintenance: what they healed, and how things were then. */
export function Maintenance() {
  const words = useJobWords();
  const pages = usePages(MaintenanceRuns, {}, ({ maintenanceRuns }) => maintenanceRuns);
  return (
    <>
      <Take>
        <CsvLink name="maintenance-runs" />
        <CopyAs
          document={MaintenanceRuns}
          variables={{}}
          sql="select * from saldo.maintenance_run order by id desc;"
        />
      </Take>
      <PagedTable
        pages={pages}
        document={MaintenanceRuns}
        caption={words("maintenance")}
        keyOf={({ id }) => id}
        empty={words("noMaintenance")}
        columns={[
          {
            title: words("when"),
            cell: ({ healRunId, finishedAt }) => (
              <Go to={`/heal/runs/${healRunId}`}>
                <Moment at={finishedAt} />
              </Go>
            ),
          },
          { title: words("who"), cell: ({ actor }) => actor },
          {
            title: words("healed"),
            align: "right",
            cell: ({ healRun }) => <Figure value={healRun?.healedCount} />,
          },
          {
            title: words("waiting"),
            align: "right",
            cell: ({ healRun }) => (
              <Figure value={healRun && healRun.needsApprovalCount + healRun.escalatedCount} />
            ),
          },
          {
            title: words("findings"),
            align: "right",
            cell: ({ checkAfter }) => <Figure value={checkAfter?.findingCount} />,
          },
          {
            title: words("health"),
            cell: ({ status }) => (
              <Badge tone={status === "healthy" ? "good" : "bad"}>{words(health[status])}</Badge>
            ),
          },
        ]}
      />
    </>
  );
}
