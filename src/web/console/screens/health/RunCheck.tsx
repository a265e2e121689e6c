/** Runs a check, slice by slice where the role may, so that one sees how far it is. */
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Button, Dialog } from "../../../shared/ui.tsx";
import { problemOf } from "../../api/problem.ts";
import { client, rowsOf } from "../../api/query_client.ts";
import { request } from "../../api/request.ts";
import { useMay } from "../../api/session.ts";
import { ProblemNotice } from "../../parts/loaded.tsx";
import { Progress } from "../../parts/progress.tsx";
import { say } from "../../parts/toast.tsx";
import { usePartWords } from "../../parts/words.ts";
import { CheckAll, CheckSlice, type CheckSliceMutation, Health } from "./health.documents.ts";
import { useHealthWords } from "./words.ts";

type Run = NonNullable<NonNullable<CheckSliceMutation["continueCheck"]>["result"]>;
interface Reached {
  readonly done: string;
  readonly total: string;
  readonly slices: number;
}

/** Asks for slice after slice until the check has ended, and tells how far it is after each. */
async function checkBySlices(
  tell: (reached: Reached) => void,
  signal: AbortSignal,
): Promise<Run | null> {
  while (!signal.aborted) {
    const { continueCheck } = await request(CheckSlice, {}, signal);
    if (continueCheck?.result) return continueCheck.result;
    const { checkProgresses } = await request(Health, {}, signal);
    const [progress] = rowsOf(checkProgresses);
    if (progress) {
      const { lineCount, totalLineCount, sliceCount } = progress;
      tell({ done: lineCount, total: totalLineCount, slices: sliceCount });
    }
  }
  return null;
}

/** The button, with a window that shows the progress. */
export function RunCheckButton() {
  const words = useHealthWords();
  const [isOpen, setIsOpen] = useState(false);
  const mayAll = useMay(CheckAll);
  if (!mayAll) return null;
  return (
    <>
      <Button look="main" aria-haspopup="dialog" onClick={() => setIsOpen(true)}>
        {words("run")}
      </Button>
      {isOpen && <RunCheckDialog close={() => setIsOpen(false)} />}
    </>
  );
}

function RunCheckDialog({ close }: { close: () => void }) {
  const words = useHealthWords();
  const partWords = usePartWords();
  const maySlices = useMay(CheckSlice);
  const [reached, setReached] = useState<Reached>();
  const abort = useRef(new AbortController());
  useEffect(() => {
    const { current } = abort;
    return () => current.abort();
  }, []);
  const check = useMutation({
    mutationFn: async () => {
      if (maySlices) return checkBySlices(setReached, abort.current.signal);
      return (await request(CheckAll, {}, abort.current.signal)).checkBalanceHealth?.result ?? null;
    },
    onSuccess: (run) => {
      if (run === null) return;
      const isHealthy = run.status === "healthy";
      say(
        isHealthy ? "good" : "bad",
        isHealthy ? words("healthyNow") : words("foundNow", { count: run.findingCount }),
      );
      close();
    },
    onSettled: () => client.invalidateQueries(),
  });
  return (
    <Dialog title={words("runTitle")} close={close}>
      <div className="flex flex-col gap-3">
        <p>{words("runHelp")}</p>
        {maySlices && <p className="text-soft">{words("runSlices")}</p>}
        {check.isPending && (
          <div role="status">
            <Progress
              label={words("running")}
              done={reached?.done ?? 0}
              total={reached?.total ?? 0}
            />
            <p className="text-sm text-soft">
              {reached ? words("runningSlice", { done: reached.slices }) : words("starting")}
            </p>
          </div>
        )}
        {check.error !== null && (
          <ProblemNotice problem={problemOf(check.error)} document={CheckAll} />
        )}
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={close}>{check.isPending ? words("stop") : partWords("cancel")}</Button>
          <Button look="main" aria-disabled={check.isPending} onClick={() => check.mutate()}>
            {words("run")}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
