/** Files of customers, meters, deposits and readings: read here, tried first, then recorded. */
import { useId, useState } from "react";
import { Button, Card, Choice, Field, Notice } from "../../../shared/ui.tsx";
import { Problem, problemOf } from "../../api/problem.ts";
import { client } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { ProblemNotice } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { Progress } from "../../parts/progress.tsx";
import { type CsvRow, type FileFault, readCsvFile } from "./csv_file.ts";
import { ImportReport } from "./ImportReport.tsx";
import { type ImportAnswerFragment as Answer, ImportCustomers } from "./import.documents.ts";
import { columnsOf, type Kind, kinds } from "./import_kinds.ts";
import { useImportWords } from "./import_words.ts";
import { sendRows, withKeys } from "./send_rows.ts";

interface Chosen {
  readonly name: string;
  readonly read: readonly CsvRow[] | FileFault;
}

export function Screen() {
  const words = useImportWords();
  const may = useMay(ImportCustomers as never);
  const [kind, setKind] = useState<Kind>("customers");
  const [chosen, setChosen] = useState<Chosen>();
  const choose = async (file: File | undefined, of: Kind) => {
    setChosen(undefined);
    if (file !== undefined) {
      setChosen({ name: file.name, read: await readCsvFile(file, columnsOf[of]) });
    }
  };
  return (
    <Page
      title={words("title")}
      lead={words("lead")}
      actions={<Go to="/customers">{words("toCustomers")}</Go>}
    >
      {may ? (
        <>
          <Card title={words("file")}>
            <Choice
              label={words("kind")}
              value={kind}
              options={kinds.map((each) => [each, words(each)])}
              onChange={({ target }) => {
                setKind(target.value as Kind);
                setChosen(undefined);
              }}
            />
            <p className="my-2 break-words">
              {words("columns", {
                required: columnsOf[kind].required.join(", "),
                optional: columnsOf[kind].optional.join(", "),
              })}
            </p>
            <p className="mb-2 text-sm text-soft">{words("form")}</p>
            <FileField key={kind} onChoose={(file) => void choose(file, kind)} />
          </Card>
          {chosen &&
            ("fault" in chosen.read ? (
              <Fault fault={chosen.read} />
            ) : (
              <Run key={chosen.name} kind={kind} name={chosen.name} rows={chosen.read} />
            ))}
        </>
      ) : (
        <ProblemNotice
          problem={new Problem("", { condition: "forbidden" })}
          document={ImportCustomers}
        />
      )}
    </Page>
  );
}

function FileField({ onChoose }: { onChoose: (file: File | undefined) => void }) {
  const words = useImportWords();
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-sm font-semibold">
        {words("file")}
      </label>
      <input
        id={id}
        type="file"
        accept=".csv,text/csv"
        className="w-full max-w-full file:mr-3 file:min-h-11 file:rounded-lg file:border file:border-line file:bg-card file:px-4 file:font-semibold"
        onChange={({ target }) => onChoose(target.files?.[0])}
      />
    </div>
  );
}

function Fault({ fault }: { fault: FileFault }) {
  const words = useImportWords();
  const text = "detail" in fault ? { detail: fault.detail } : {};
  return (
    <Notice weight="bad">
      <p className="break-words">
        {words(fault.fault === "columns" ? "columnFault" : fault.fault, text)}
      </p>
    </Notice>
  );
}

/** How far a run is. */
interface State {
  readonly isDry: boolean;
  readonly phase: "running" | "stopped" | "done" | "broken";
  readonly answers: readonly Answer[];
  readonly error?: unknown;
}

/** What is sent, how far it is, and how to stop it. */
function useRun(kind: Kind, rows: readonly CsvRow[]) {
  const [state, setState] = useState<State>();
  const [stopper] = useState({ isAsked: false });
  const start = async (isDry: boolean) => {
    if (state?.phase === "running") return;
    stopper.isAsked = false;
    let answers: readonly Answer[] = [];
    const show = (phase: State["phase"], error?: unknown) =>
      setState({ isDry, phase, answers, error });
    show("running");
    try {
      await sendRows(await withKeys(rows, kind), kind, isDry, (more) => {
        answers = [...answers, ...more];
        show("running");
        return !stopper.isAsked;
      });
      show(answers.length < rows.length ? "stopped" : "done");
    } catch (error) {
      show("broken", error);
    }
    if (!isDry) void client.invalidateQueries();
  };
  return {
    state,
    start,
    stop: () => {
      stopper.isAsked = true;
    },
  };
}

function Run({ kind, name, rows }: { kind: Kind; name: string; rows: readonly CsvRow[] }) {
  const words = useImportWords();
  const { state, start, stop } = useRun(kind, rows);
  const [typed, setTyped] = useState("");
  const [isTried, setIsTried] = useState(false);
  const isRunning = state?.phase === "running";
  const confirm = words("confirm", { count: rows.length });
  const isConfirmed = typed.trim() === String(rows.length);
  const wasTried = state !== undefined && (state.phase === "done" || !state.isDry);
  return (
    <Card title={words("rows", { count: rows.length, name })}>
      <form
        noValidate
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          setIsTried(true);
          if (isConfirmed) void start(false);
        }}
      >
        <div>
          <Button aria-disabled={isRunning} onClick={() => void start(true)}>
            {words("dryRun")}
          </Button>
        </div>
        {wasTried && (
          <div className="max-w-md">
            <Field
              label={confirm}
              value={typed}
              error={isTried && !isConfirmed ? confirm : undefined}
              onChange={({ target }) => setTyped(target.value)}
            />
            <Button type="submit" look="main" aria-disabled={isRunning}>
              {words("run")}
            </Button>
          </div>
        )}
      </form>
      {state && <HowFar state={state} count={rows.length} stop={stop} />}
      {state && <ImportReport answers={state.answers} isDry={state.isDry} name={name} />}
    </Card>
  );
}

function HowFar({ state, count, stop }: { state: State; count: number; stop: () => void }) {
  const words = useImportWords();
  const done = state.answers.length;
  return (
    <div className="my-3 flex flex-col gap-2">
      <p role="status">
        {state.phase === "running" && `${words(state.isDry ? "trying" : "importing")}: `}
        {words("progress", { done, count })}
      </p>
      <Progress label={words("importing")} total={count} done={done} />
      {state.phase === "running" && (
        <div>
          <Button onClick={stop}>{words("stop")}</Button>
        </div>
      )}
      {state.phase === "stopped" && <Notice weight="warn">{words("stopped")}</Notice>}
      {state.phase === "broken" && (
        <>
          <ProblemNotice problem={problemOf(state.error)} document={ImportCustomers} />
          {!state.isDry && <Notice weight="warn">{words("broken")}</Notice>}
        </>
      )}
    </div>
  );
}
