/** Stored months against what the journal makes of them: compared, and put right by a plan. */
import { useState } from "react";
import { Button, Card, Choice, Field } from "../../../shared/ui.tsx";
import { problemOf } from "../../api/problem.ts";
import { useDocument } from "../../api/query_client.ts";
import { request } from "../../api/request.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Figure, Moment } from "../../parts/figures.tsx";
import { Loaded, ProblemNotice } from "../../parts/loaded.tsx";
import { Facts } from "../../parts/table.tsx";
import { ChangeTable } from "./ChangeTable.tsx";
import {
  type MonthChangeFragment as Change,
  CompareMonths,
  CustomerIdOfCode,
  InitMonths,
  StoredMonths as Status,
  SyncMonths,
} from "./stored.documents.ts";
import { useStoredWords } from "./stored_words.ts";

type Task = "compare" | "sync" | "init";

/** What was found, and for whom. */
interface Seen {
  readonly task: Task;
  readonly customerId: string | null;
  readonly changes: readonly Change[];
  readonly monthCount: string | null;
}

export function StoredMonths() {
  const words = useStoredWords();
  const query = useDocument(Status, {}, { everySeconds: 60 });
  return (
    <>
      <p className="text-soft">{words("lead")}</p>
      <Loaded query={query} document={Status}>
        {({ meteringStatus: status }) => (
          <Facts
            facts={[
              [words("customers"), <Figure key="c" value={status?.customerCount} />],
              [words("meters"), <Figure key="m" value={status?.meterCount} />],
              [words("readings"), <Figure key="r" value={status?.readingCount} />],
              [words("unrated"), <Figure key="u" value={status?.unratedCount} />],
              [words("provisional"), <Figure key="p" value={status?.provisionalCount} />],
              [words("months"), <Figure key="n" value={status?.monthCount} />],
              [words("reratings"), <Figure key="o" value={status?.openReratingCount} />],
              [words("lastSync"), <Moment key="s" at={status?.lastSyncAt} />],
              [words("lastRecalculation"), <Moment key="l" at={status?.lastRecalculationAt} />],
            ]}
          />
        )}
      </Loaded>
      <Planner />
    </>
  );
}

function Planner() {
  const words = useStoredWords();
  const [task, setTask] = useState<Task>("compare");
  const [code, setCode] = useState("");
  const [seen, setSeen] = useState<Seen>();
  const [error, setError] = useState<unknown>();
  const [isUnknown, setIsUnknown] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const look = async () => {
    if (isBusy) return;
    setIsBusy(true);
    setError(undefined);
    setSeen(undefined);
    try {
      const found = await idOf(code);
      setIsUnknown(found === undefined);
      if (found !== undefined) setSeen(await see(task, found));
    } catch (problem) {
      setError(problem);
    }
    setIsBusy(false);
  };
  return (
    <>
      <Card title={words("task")}>
        <form
          noValidate
          className="grid gap-3 sm:grid-cols-2"
          onSubmit={(event) => {
            event.preventDefault();
            void look();
          }}
        >
          <Choice
            label={words("task")}
            value={task}
            options={(["compare", "sync", "init"] as const).map((each) => [each, words(each)])}
            onChange={({ target }) => {
              setTask(target.value as Task);
              setSeen(undefined);
            }}
          />
          <Field
            label={words("customer")}
            hint={words("customerHint")}
            error={isUnknown ? words("customerNone") : undefined}
            maxLength={90}
            value={code}
            onChange={({ target }) => {
              setCode(target.value);
              setSeen(undefined);
            }}
          />
          <div>
            <Button type="submit" look="main" aria-disabled={isBusy}>
              {words(task === "compare" ? "lookCompare" : "look")}
            </Button>
          </div>
        </form>
      </Card>
      <p role="status">{isBusy && words("looking")}</p>
      {error !== undefined && (
        <ProblemNotice
          problem={problemOf(error)}
          document={task === "compare" ? CompareMonths : SyncMonths}
        />
      )}
      {seen && <Found seen={seen} done={() => setSeen(undefined)} />}
    </>
  );
}

/** Null for all customers; undefined where there is no customer with the code. */
async function idOf(code: string): Promise<string | null | undefined> {
  if (code.trim() === "") return null;
  const { customerByCode } = await request(CustomerIdOfCode, { code: code.trim() });
  return customerByCode?.id;
}

async function see(task: Task, customerId: string | null): Promise<Seen> {
  const there = (changes: readonly (Change | null)[] | null | undefined) =>
    (changes ?? []).filter((change) => change !== null);
  if (task === "compare") {
    const { compareMonthlyBalances: all } = await request(CompareMonths, { customerId });
    const monthCount = all?.monthCount ?? "0";
    return { task, customerId, changes: there(all?.differences), monthCount };
  }
  const asked = { customerId, dryRun: true };
  const changes =
    task === "sync"
      ? (await request(SyncMonths, asked)).syncMonthlyBalances?.result
      : (await request(InitMonths, asked)).initializeMonthlyBalances?.result;
  return { task, customerId, changes: there(changes), monthCount: null };
}

function Found({ seen, done }: { seen: Seen; done: () => void }) {
  const words = useStoredWords();
  const { task, customerId, changes, monthCount } = seen;
  const planHash = changes[0]?.planHash ?? null;
  const count = String(changes.length);
  return (
    <Card title={words(task === "compare" ? "differences" : "plan")}>
      {monthCount !== null && (
        <p className="mb-2">
          {words("compared", { differences: changes.length, months: monthCount })}
        </p>
      )}
      {task !== "compare" && planHash !== null && (
        <p className="mb-2 text-sm">
          {words("hash")}: <code className="[overflow-wrap:anywhere]">{planHash}</code>
        </p>
      )}
      <ChangeTable changes={changes} />
      {task !== "compare" && changes.length > 0 && (
        <div className="mt-3">
          <ActionButton
            label={words("apply")}
            look="main"
            title={words("applyTitle", { count: changes.length })}
            document={task === "sync" ? SyncMonths : (InitMonths as unknown as typeof SyncMonths)}
            submit={words("apply")}
            {...(changes.length > 1 && { confirmWord: count })}
            variables={() => ({ customerId, dryRun: false, planHash })}
            onDone={() => {
              done();
              return words("applied");
            }}
          >
            <p>{words("applyHelp")}</p>
          </ActionButton>
        </div>
      )}
    </Card>
  );
}
