/** Re-ratings as jobs, with live progress. */
import { useState } from "react";
import { Badge } from "../../../shared/ui.tsx";
import { useLive } from "../../api/live.ts";
import { usePages } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Day, Figure, Moment } from "../../parts/figures.tsx";
import { Progress } from "../../parts/progress.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import {
  type ProgressFragment as Rerating,
  ReratingProgress,
  Reratings,
  RetryRerating,
} from "./prices.documents.ts";
import { usePriceWords } from "./words.ts";

export function ReratingList() {
  const words = usePriceWords();
  const pages = usePages(Reratings, {}, ({ reratings }) => reratings, { everySeconds: 30 });
  const columns: Column<Rerating>[] = [
    {
      title: words("operation"),
      cell: ({ operation, fromDate, account }) => (
        <span className="break-words">
          {operation.replaceAll("_", " ")}
          {account && ` ${account.code}`}, {words("from")} <Day day={fromDate} />
        </span>
      ),
    },
    { title: words("progress"), cell: (rerating) => <Live rerating={rerating} /> },
    {
      title: words("lines"),
      align: "right",
      cell: ({ lineCount }) => <Figure value={lineCount} />,
    },
    {
      title: words("begun"),
      cell: ({ createdAt, createdBy }) => (
        <span className="break-words">
          <Moment at={createdAt} />, {createdBy}
        </span>
      ),
    },
  ];
  return (
    <>
      <Take>
        <CsvLink name="reratings" />
        <CopyAs
          document={Reratings}
          variables={{}}
          sql="select * from saldo.rerating order by id desc;"
        />
      </Take>
      <PagedTable
        caption={words("reratings")}
        pages={pages}
        document={Reratings}
        columns={columns}
        keyOf={({ id }) => id}
        empty={words("noReratings")}
      />
    </>
  );
}

const isUnderWay = ({ status }: Rerating) => status === "waiting" || status === "running";

/** How far it is, told by the server after each slice. */
function Live({ rerating }: { rerating: Rerating }) {
  const words = usePriceWords();
  const [heard, setHeard] = useState<Rerating>();
  useLive(ReratingProgress, isUnderWay(rerating) ? { id: rerating.id } : null, (event) =>
    setHeard(event.reratingChanged?.rerating ?? undefined),
  );
  const now = isUnderWay(rerating) && heard !== undefined ? heard : rerating;
  const tone = now.status === "failed" ? "bad" : now.status === "done" ? "good" : "wait";
  return (
    <div className="flex min-w-40 flex-col gap-1">
      <span>
        <Badge tone={tone}>{words(now.status)}</Badge> <Figure value={now.doneCount} /> /{" "}
        <Figure value={now.readingCount} />
      </span>
      <Progress
        label={words("progress")}
        total={now.readingCount}
        done={now.status === "done" ? now.readingCount : now.doneCount}
      />
      {now.error !== null && <p className="text-sm text-bad break-words">{now.error}</p>}
      {now.status === "failed" && (
        <ActionButton
          label={words("retry")}
          title={words("retryTitle")}
          document={RetryRerating}
          submit={words("retry")}
          variables={() => ({ id: now.id })}
        >
          <p className="break-words">{words("retryHelp", { error: now.error ?? "–" })}</p>
        </ActionButton>
      )}
    </div>
  );
}
