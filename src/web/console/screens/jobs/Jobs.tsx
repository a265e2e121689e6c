/** The jobs of the worker: when they ran and run, what failed, and runs that somebody asks for. */
import { Badge, Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Moment } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { LongText } from "../../parts/long_text.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import { JobName } from "./JobName.tsx";
import { Jobs, type JobsQuery, RunJob } from "./jobs.documents.ts";
import { Maintenance, Requests } from "./Runs.tsx";
import { useJobWords } from "./words.ts";

type Job = NonNullable<NonNullable<JobsQuery["jobs"]>["nodes"][number]>;

export function Screen() {
  const words = useJobWords();
  const { filters, setFilters } = useFilters();
  return (
    <Page title={words("title")}>
      <Tabs
        label={words("parts")}
        value={filters["tab"] ?? "jobs"}
        onChange={(tab) => setFilters({ tab: tab === "jobs" ? undefined : tab })}
        tabs={[
          { value: "jobs", title: words("list"), content: <JobList /> },
          { value: "requests", title: words("requests"), content: <Requests /> },
          { value: "maintenance", title: words("maintenance"), content: <Maintenance /> },
        ]}
      />
    </Page>
  );
}

function JobList() {
  const words = useJobWords();
  const query = useDocument(Jobs, {}, { everySeconds: 30 });
  const columns = useColumns();
  return (
    <Loaded query={query} document={Jobs} lines={8}>
      {({ jobs }) => {
        const rows = rowsOf(jobs);
        const failed = rows.filter(({ lastError }) => lastError !== null);
        return (
          <>
            {failed.length > 0 && (
              <Notice weight="warn">{words("failures", { count: failed.length })}</Notice>
            )}
            <Take>
              <CsvLink name="jobs" />
              <CopyAs document={Jobs} variables={{}} sql="select * from saldo.job order by name;" />
            </Take>
            <Table
              caption={words("list")}
              // What failed stands first.
              rows={[...failed, ...rows.filter((each) => !failed.includes(each))]}
              keyOf={({ name }) => name}
              empty={words("noJobs")}
              columns={columns}
            />
          </>
        );
      }}
    </Loaded>
  );
}

function useColumns(): readonly Column<Job>[] {
  const words = useJobWords();
  const engine = useEngineWords();
  const mayRun = useMay(RunJob as never);
  const run: Column<Job> = {
    title: words("runNow"),
    cell: (job) => (
      <span className="whitespace-nowrap">
        <RunNow job={job} />
      </span>
    ),
  };
  return [
    { title: words("job"), cell: ({ name }) => <JobName name={name} /> },
    { title: words("schedule"), cell: ({ schedule }) => engine.schedule(schedule) },
    {
      title: words("state"),
      cell: ({ lastError, lastFinishedAt }) => (
        <Badge tone={lastError ? "bad" : lastFinishedAt ? "good" : "wait"}>
          {words(lastError ? "failed" : lastFinishedAt ? "ok" : "never")}
        </Badge>
      ),
    },
    { title: words("ran"), cell: ({ lastFinishedAt }) => <Moment at={lastFinishedAt} /> },
    { title: words("next"), cell: ({ nextRunAt }) => <Next at={nextRunAt} /> },
    {
      title: words("error"),
      cell: ({ lastError }) => lastError && <LongText text={lastError} lang="en" />,
    },
    ...(mayRun ? [run] : []),
  ];
}

/** A time in the past says that no worker was there. */
function Next({ at }: { at: string | null }) {
  const words = useJobWords();
  const isPast = at !== null && new Date(at) < new Date();
  return (
    <>
      <Moment at={at} /> {isPast && <Badge tone="bad">{words("missed")}</Badge>}
    </>
  );
}

function RunNow({ job: { name, lastError } }: { job: Job }) {
  const words = useJobWords();
  const engine = useEngineWords();
  const label = words(lastError === null ? "runNow" : "retry");
  return (
    <ActionButton
      label={label}
      title={words("runTitle", { job: engine.job(name) })}
      document={RunJob}
      variables={() => ({ job: name })}
      submit={label}
      onDone={() => words("asked")}
    >
      <p>{words("runHelp")}</p>
    </ActionButton>
  );
}
