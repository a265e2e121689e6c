/** A change in two steps: what it would change is seen first, then it is made. */
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { Button, Card, Notice } from "../../../shared/ui.tsx";
import type { TypedDocument } from "../../api/document.ts";
import { problemOf } from "../../api/problem.ts";
import { useMay } from "../../api/session.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Forbidden, ProblemNotice } from "../../parts/loaded.tsx";
import { Preview, type PreviewRow } from "./Preview.tsx";
import { usePriceWords } from "./words.ts";

/** What was asked for when somebody looked, and what it would change. */
interface Seen<Asked> {
  readonly key: string;
  readonly asked: Asked;
  readonly rows: readonly PreviewRow[];
}

/**
 * Fields, a button that looks, and what it found. `read` gives what the fields come to, or null while
 * one of them is wrong; `typed` is what stands in them: another one hides what was found before.
 */
export function ChangeForm<Asked>({
  title,
  now,
  fields,
  typed,
  read,
  document,
  preview,
  counted = "readings",
  make,
}: {
  title: string;
  /** How it is now. */
  now?: ReactNode;
  fields: ReactNode;
  typed: readonly string[];
  read: () => Promise<Asked | null>;
  /** Which looks, for who may. */
  document: TypedDocument<never, never>;
  preview: (asked: Asked) => Promise<readonly PreviewRow[]>;
  counted?: "readings" | "charges";
  make: (asked: Asked, rows: readonly PreviewRow[]) => ReactNode;
}) {
  const words = usePriceWords();
  const [seen, setSeen] = useState<Seen<Asked>>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setIsBusy] = useState(false);
  const may = useMay(document);
  const key = JSON.stringify(typed);
  const look = async () => {
    if (isBusy) return;
    setIsBusy(true);
    setError(undefined);
    try {
      const asked = await read();
      if (asked !== null) setSeen({ key, asked, rows: await preview(asked) });
    } catch (problem) {
      setError(problem);
    }
    setIsBusy(false);
  };
  if (!may) return <Forbidden document={document} />;
  return (
    <>
      <Card title={title}>
        {now && <p className="mb-2">{now}</p>}
        <form
          noValidate
          className="grid gap-x-4 gap-y-2 sm:grid-cols-2"
          onSubmit={(event) => {
            event.preventDefault();
            void look();
          }}
        >
          {fields}
          <div className="sm:col-span-2">
            <Button type="submit" look="main" aria-disabled={isBusy}>
              {words("preview")}
            </Button>
          </div>
        </form>
      </Card>
      <div role="status" aria-live="polite">
        {isBusy && <p className="text-soft">{words("previewing")}</p>}
      </div>
      {error !== undefined && <ProblemNotice problem={problemOf(error)} document={document} />}
      {seen &&
        (seen.key === key ? (
          <>
            <Preview rows={seen.rows} counted={counted} />
            {counted === "readings" && seen.rows.length > 0 && (
              <p className="text-soft">{words("chargesFollow")}</p>
            )}
            <div>{make(seen.asked, seen.rows)}</div>
          </>
        ) : (
          <Notice weight="warn">{words("stale")}</Notice>
        ))}
    </>
  );
}

/** Makes the change that was looked at; its count has to be typed where it touches more than one. */
export function Make<Result, Variables>({
  document,
  variables,
  rows,
  counted = "readings",
  view,
}: {
  document: TypedDocument<Result, Variables>;
  variables: Variables;
  rows: readonly PreviewRow[];
  counted?: "readings" | "charges";
  /** The list that shows it afterwards. */
  view?: "factors" | "parts";
}) {
  const words = usePriceWords();
  const navigate = useNavigate();
  const all = rows.filter(({ month, customerId }) => month === null && customerId === null);
  const count = all.reduce((sum, { readingCount }) => sum + Number(readingCount), 0);
  const isOfCharges = counted === "charges";
  const help = isOfCharges ? "makeCharges" : "makeHelp";
  const none = isOfCharges ? "makeNoCharges" : "makeNone";
  return (
    <ActionButton
      label={words("make")}
      look="main"
      title={words("makeTitle")}
      submit={words("make")}
      {...(count > 1 && { confirmWord: String(count) })}
      document={document}
      variables={() => variables}
      onDone={() => {
        void navigate({ to: "/prices", search: (view ? { view } : {}) as never });
        return words("made");
      }}
    >
      <p>{count > 0 ? words(help, { count }) : words(none)}</p>
    </ActionButton>
  );
}
