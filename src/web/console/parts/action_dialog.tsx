/** A window in which something is done: fields, what will happen, why, and a last question. */

import { type FormEvent, type ReactNode, useState } from "react";
import { randomId } from "../../shared/random_id.ts";
import { Button, Dialog, Field, Notice } from "../../shared/ui.tsx";
import type { TypedDocument } from "../api/document.ts";
import { problemOf } from "../api/problem.ts";
import { client, useAction } from "../api/query_client.ts";
import { useMay } from "../api/session.ts";
import { ProblemNotice } from "./loaded.tsx";
import { say } from "./toast.tsx";
import { usePartWords } from "./words.ts";

/**
 * A button that opens a dialog which sends `document`. Where the role may not, there is no button.
 * `variables` gives null while the fields say what is wrong with them. A dialog whose request was
 * not answered stays, with all that was typed, and sends the same again: give an idempotency key
 * that lives as long as the dialog (useIdempotencyKey) to what moves money.
 */
export function ActionButton<Result, Variables>({
  label,
  look,
  ...dialog
}: { label: string; look?: "main" | "plain" | "bad" } & Omit<
  Parameters<typeof ActionDialog<Result, Variables>>[0],
  "close"
>) {
  const [isOpen, setIsOpen] = useState(false);
  const may = useMay(dialog.document as TypedDocument<unknown, never>);
  if (!may) return null;
  return (
    <>
      <Button look={look ?? "plain"} aria-haspopup="dialog" onClick={() => setIsOpen(true)}>
        {label}
      </Button>
      {isOpen && <ActionDialog {...dialog} close={() => setIsOpen(false)} />}
    </>
  );
}

/** The dialog by itself. */
export function ActionDialog<Result, Variables>({
  title,
  document,
  variables,
  close,
  children,
  submit,
  look = "main",
  needsReason = false,
  confirmWord,
  onDone,
}: {
  title: string;
  document: TypedDocument<Result, Variables>;
  /** What is sent; with `needsReason` it is given the reason. */
  variables: (reason: string) => Variables | null;
  close: () => void;
  /** Fields, and what will happen. */
  children?: ReactNode;
  submit: string;
  look?: "main" | "bad";
  needsReason?: boolean;
  /** Has to be typed before more than one row is changed: the count, say. */
  confirmWord?: string;
  /** What became of it; gives what is said, or nothing for "Done.". */
  onDone?: (result: Result) => string | undefined;
}) {
  const words = usePartWords();
  const action = useAction(document);
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const [isTried, setIsTried] = useState(false);
  const problem = action.error === null ? undefined : problemOf(action.error);
  const isReasonMissing = needsReason && reason.trim() === "";
  const isUnconfirmed = confirmWord !== undefined && typed.trim() !== confirmWord;
  const leave = () => {
    close();
    if (action.isError) void client.invalidateQueries();
  };
  const send = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (action.isPending || isReasonMissing || isUnconfirmed) return;
    const given = variables(reason.trim());
    if (given === null) return;
    action.mutate(given, {
      onSuccess: (result) => {
        say("good", onDone?.(result) ?? words("done"));
        close();
      },
    });
  };
  return (
    <Dialog title={title} close={leave}>
      <form onSubmit={send} noValidate className="flex flex-col gap-3">
        {children}
        {needsReason && (
          <Field
            label={words("reason")}
            value={reason}
            maxLength={500}
            error={isTried && isReasonMissing ? words("reasonMissing") : undefined}
            onChange={({ target }) => setReason(target.value)}
          />
        )}
        {confirmWord !== undefined && (
          <Field
            label={words("typeToConfirm", { word: confirmWord })}
            value={typed}
            error={
              isTried && isUnconfirmed ? words("typeToConfirm", { word: confirmWord }) : undefined
            }
            onChange={({ target }) => setTyped(target.value)}
          />
        )}
        {problem?.isSilence && <Notice weight="bad">{words("notSent")}</Notice>}
        {problem?.isSignedOut && <Notice weight="warn">{words("signedOut")}</Notice>}
        {problem && !problem.isSilence && !problem.isSignedOut && (
          <ProblemNotice problem={problem} document={document as never} />
        )}
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={leave}>{words("cancel")}</Button>
          <Button type="submit" look={look} aria-disabled={action.isPending}>
            {submit}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** A key for one request: sent again with the same content it is done once. */
export function useIdempotencyKey(): string {
  const [key] = useState(() => `console-${randomId()}`);
  return key;
}
