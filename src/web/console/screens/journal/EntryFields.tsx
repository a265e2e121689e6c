/** The fields of an entry, and what they add up to while somebody types. */

import { useState } from "react";
import { randomId } from "../../../shared/random_id.ts";
import { Button, Card, Field } from "../../../shared/ui.tsx";
import { AccountField, useAccountsOfCodes } from "../../parts/AccountField.tsx";
import { AmountField } from "../../parts/AmountField.tsx";
import { Money } from "../../parts/figures.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Table } from "../../parts/table.tsx";
import { isDay } from "../../parts/today.ts";
import {
  faultOf,
  isBlank,
  isUnreadable,
  type Sum,
  sumsOf,
  type TypedEntry,
  type TypedLine,
} from "./entry_form.ts";
import { useJournalWords } from "./words.ts";

/** How many lines the form takes; an entry of a program may have more. */
export const LINES_MAX = 100;
const blank = (): TypedLine => ({ key: randomId(), code: "", debit: "", credit: "" });

/** What is typed, and what it is good for. */
export function useTypedEntry(given: TypedEntry) {
  const [entry, setEntry] = useState<TypedEntry>(() => {
    const missing = Math.max(0, 2 - given.lines.length);
    return { ...given, lines: [...given.lines, ...Array.from({ length: missing }, blank)] };
  });
  const { description, day, lines } = entry;
  const accounts = useAccountsOfCodes(lines.map(({ code }) => code));
  const used = lines.filter((line) => !isBlank(line));
  const sums = sumsOf(lines, accounts);
  const isBalanced = sums.length > 0 && sums.every(({ difference }) => difference === "0");
  const isNamed = description.trim() !== "";
  return {
    entry,
    setEntry: (changes: Partial<TypedEntry>) => setEntry((old) => ({ ...old, ...changes })),
    accounts,
    used,
    sums,
    isBalanced,
    /** Whether it can be posted. */
    isReady:
      isBalanced &&
      isNamed &&
      isDay(day) &&
      used.length >= 2 &&
      lines.every((line, place) => isBlank(line) || faultOf(line, accounts[place]) === undefined),
    /** Whether it can be kept: what is missing may come later, what cannot be read is lost. */
    isKeepable: isNamed && (isDay(day) || day === "") && !lines.some(isUnreadable),
  };
}

/** All fields; `isDraft` says that the day may be left open. */
export function EntryFields({
  typed: { entry, setEntry, accounts, sums, isBalanced },
  isTried,
  isDraft = false,
}: {
  typed: ReturnType<typeof useTypedEntry>;
  isTried: boolean;
  isDraft?: boolean;
}) {
  const words = useJournalWords();
  const isNameless = isTried && entry.description.trim() === "";
  return (
    <>
      <div className="grid gap-x-4 sm:grid-cols-[1fr_12rem]">
        <Field
          label={words("description")}
          value={entry.description}
          maxLength={500}
          error={isNameless ? words("missing") : undefined}
          onChange={({ target }) => setEntry({ description: target.value })}
        />
        <Field
          label={words("day")}
          type="date"
          value={entry.day}
          hint={isDraft ? words("dayOpen") : undefined}
          onChange={({ target }) => setEntry({ day: target.value })}
        />
      </div>
      <LineList
        lines={entry.lines}
        accounts={accounts}
        isTried={isTried}
        setLines={(lines) => setEntry({ lines })}
      />
      <Sums sums={sums} isBalanced={isBalanced} />
    </>
  );
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
          onChange={(code) => change({ code, currency: undefined })}
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

/** What the lines add up to, currency by currency. */
export function Sums({ sums, isBalanced }: { sums: readonly Sum[]; isBalanced: boolean }) {
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
