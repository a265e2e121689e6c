/** A form that posts an entry: it shows, while it is typed, whether debits equal credits. */

import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { randomId } from "../../../shared/random_id.ts";
import { Button, Card, Field, Notice } from "../../../shared/ui.tsx";
import { problemOf } from "../../api/problem.ts";
import { useAction } from "../../api/query_client.ts";
import { useMay, useSignedIn } from "../../api/session.ts";
import { AccountField, useAccountsOfCodes } from "../../parts/AccountField.tsx";
import { AmountField } from "../../parts/AmountField.tsx";
import { useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { Money } from "../../parts/figures.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { ProblemNotice } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { Table } from "../../parts/table.tsx";
import { say } from "../../parts/toast.tsx";
import { useToday } from "../../parts/today.ts";
import { usePartWords } from "../../parts/words.ts";
import { entryOf, faultOf, isBlank, type Sum, sumsOf, type TypedLine } from "./entry_form.ts";
import { EntryPost } from "./journal.documents.ts";
import { useJournalWords } from "./words.ts";

const LINES_MAX = 100;
const blank = (): TypedLine => ({ key: randomId(), code: "", debit: "", credit: "" });

export function Screen() {
  const words = useJournalWords();
  const may = useMay(EntryPost);
  return (
    <Page title={words("post")} lead={<Go to="/journal">{words("toJournal")}</Go>}>
      {may ? <Form /> : <Forbidden />}
    </Page>
  );
}

function Forbidden() {
  const parts = usePartWords();
  return (
    <Notice weight="warn">
      <p>{parts("forbidden")}</p>
      <p>{parts("whoMay", { roles: EntryPost.roles?.join(", ") ?? "" })}</p>
    </Notice>
  );
}

function Form() {
  const words = useJournalWords();
  const navigate = useNavigate();
  const action = useAction(EntryPost);
  const idempotencyKey = useIdempotencyKey();
  const { time_zone: zone } = useSignedIn();
  const today = useToday();
  const [description, setDescription] = useState("");
  const [day, setDay] = useState(today);
  const [lines, setLines] = useState<readonly TypedLine[]>([blank(), blank()]);
  const [isTried, setIsTried] = useState(false);
  const accounts = useAccountsOfCodes(lines.map(({ code }) => code));
  const used = lines.flatMap((line, place) =>
    isBlank(line) ? [] : [{ line, account: accounts[place] }],
  );
  const sums = sumsOf(lines, accounts);
  const isBalanced = sums.length > 0 && sums.every(({ difference }) => difference === "0");
  const isReady =
    isBalanced &&
    used.length >= 2 &&
    used.every(({ line, account }) => faultOf(line, account) === undefined) &&
    description.trim() !== "" &&
    /^\d{4}-\d\d-\d\d$/.test(day);
  const send = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (!isReady || action.isPending) return;
    // Today's entry is of this moment; that of another day is of its noon, where the business is.
    const occurredAt = day === today ? null : `${day} 12:00:00 ${zone}`;
    const given = { description: description.trim(), occurredAt, idempotencyKey };
    const entry = entryOf(
      used.map(({ line }) => line),
      given,
    );
    action.mutate(
      { entries: [entry] },
      {
        onSuccess: ({ postEntries }) => {
          say("good", words("posted"));
          const id = postEntries?.result?.[0]?.id;
          if (id) void navigate({ to: `/journal/${id}` });
        },
      },
    );
  };
  return (
    <form onSubmit={send} noValidate className="flex flex-col gap-4">
      <div className="grid gap-x-4 sm:grid-cols-[1fr_12rem]">
        <Field
          label={words("description")}
          value={description}
          maxLength={500}
          error={isTried && description.trim() === "" ? words("missing") : undefined}
          onChange={({ target }) => setDescription(target.value)}
        />
        <Field
          label={words("day")}
          type="date"
          value={day}
          onChange={({ target }) => setDay(target.value)}
        />
      </div>
      <LineList lines={lines} accounts={accounts} isTried={isTried} setLines={setLines} />
      <Sums sums={sums} isBalanced={isBalanced} />
      {isTried && !isReady && <Notice weight="bad">{words("notReady")}</Notice>}
      {action.error !== null && <Failure error={action.error} />}
      <div>
        <Button type="submit" look="main" aria-disabled={action.isPending}>
          {words("post")}
        </Button>
      </div>
    </form>
  );
}

function Failure({ error }: { error: unknown }) {
  const parts = usePartWords();
  const problem = problemOf(error);
  if (problem.isSilence) return <Notice weight="bad">{parts("notSent")}</Notice>;
  if (problem.isSignedOut) return <Notice weight="warn">{parts("signedOut")}</Notice>;
  return <ProblemNotice problem={problem} document={EntryPost as never} />;
}

function LineList({
  lines,
  accounts,
  isTried,
  setLines,
}: {
  lines: readonly TypedLine[];
  accounts: readonly ({ readonly currency: string } | null | undefined)[];
  isTried: boolean;
  setLines: (lines: readonly TypedLine[]) => void;
}) {
  const words = useJournalWords();
  const isFull = lines.length >= LINES_MAX;
  const change = (key: string, changes: Partial<TypedLine>) =>
    setLines(lines.map((line) => (line.key === key ? { ...line, ...changes } : line)));
  const remove = (removed: string) => setLines(lines.filter(({ key }) => key !== removed));
  return (
    <div className="flex flex-col items-start gap-3">
      {lines.map((line, place) => (
        <Line
          key={line.key}
          number={place + 1}
          line={line}
          account={accounts[place]}
          isTried={isTried}
          change={(changes) => change(line.key, changes)}
          remove={lines.length > 2 ? () => remove(line.key) : undefined}
        />
      ))}
      <Button aria-disabled={isFull} onClick={() => !isFull && setLines([...lines, blank()])}>
        {words("addLine")}
      </Button>
    </div>
  );
}

function Line({
  number,
  line,
  account,
  isTried,
  change,
  remove,
}: {
  number: number;
  line: TypedLine;
  account: { readonly currency: string } | null | undefined;
  isTried: boolean;
  change: (changes: Partial<TypedLine>) => void;
  remove: (() => void) | undefined;
}) {
  const words = useJournalWords();
  const ledger = useLedgerWords();
  const fault = isTried && !isBlank(line) ? faultOf(line, account) : undefined;
  return (
    <fieldset className="w-full min-w-0 rounded-xl border border-line bg-card p-3">
      <legend className="px-1 text-sm font-semibold">{words("lineNumber", { number })}</legend>
      <div className="grid items-start gap-x-3 md:grid-cols-[1fr_11rem_11rem_auto]">
        <AccountField
          label={ledger("account")}
          value={line.code}
          isTried={fault === "account"}
          onChange={(code) => change({ code })}
        />
        <AmountField
          label={words("debit")}
          value={line.debit}
          currency={account?.currency}
          hint=" "
          onChange={(debit) => change(debit === "" ? { debit } : { debit, credit: "" })}
        />
        <AmountField
          label={words("credit")}
          value={line.credit}
          currency={account?.currency}
          hint=" "
          onChange={(credit) => change(credit === "" ? { credit } : { credit, debit: "" })}
        />
        {remove && (
          <Button className="md:mt-6" aria-label={words("removeLine", { number })} onClick={remove}>
            ×
          </Button>
        )}
      </div>
      {fault === "amount" && <p className="text-sm text-bad">{words("lineAmount")}</p>}
    </fieldset>
  );
}

function Sums({ sums, isBalanced }: { sums: readonly Sum[]; isBalanced: boolean }) {
  const words = useJournalWords();
  return (
    <Card title={words("sums")}>
      {sums.length > 0 && (
        <Table
          caption={words("sumsByCurrency")}
          rows={sums}
          keyOf={({ currency }) => currency}
          columns={[
            { title: words("currency"), cell: ({ currency }) => currency },
            {
              title: words("debit"),
              align: "right",
              cell: ({ debit, currency }) => <Money amount={debit} currency={currency} />,
            },
            {
              title: words("credit"),
              align: "right",
              cell: ({ credit, currency }) => <Money amount={credit} currency={currency} />,
            },
            {
              title: words("difference"),
              align: "right",
              cell: ({ difference, currency }) => (
                <Money amount={difference} currency={currency} signed />
              ),
            },
          ]}
        />
      )}
      <p role="status" className={`pt-2 font-semibold ${isBalanced ? "text-good" : "text-soft"}`}>
        {words(isBalanced ? "balances" : sums.length === 0 ? "nothingTyped" : "doesNotBalance")}
      </p>
    </Card>
  );
}
