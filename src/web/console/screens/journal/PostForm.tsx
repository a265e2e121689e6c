/** A form that posts an entry, or keeps it as a draft: it shows whether debits equal credits. */

import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { randomUuid } from "../../../shared/random_id.ts";
import { Button, Notice } from "../../../shared/ui.tsx";
import type { TypedDocument } from "../../api/document.ts";
import { problemOf } from "../../api/problem.ts";
import { useAction } from "../../api/query_client.ts";
import { useMay, useSignedIn } from "../../api/session.ts";
import { useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { ProblemNotice } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { say } from "../../parts/toast.tsx";
import { useToday } from "../../parts/today.ts";
import { usePartWords } from "../../parts/words.ts";
import { DraftMake } from "./drafts.documents.ts";
import { EntryFields, useTypedEntry } from "./EntryFields.tsx";
import { draftOf, entryOf, momentOf } from "./entry_form.ts";
import { EntryPost } from "./journal.documents.ts";
import { useJournalWords } from "./words.ts";

export function Screen() {
  const words = useJournalWords();
  const may = useMay(EntryPost);
  return (
    <Page title={words("post")} lead={<Go to="/journal">{words("toJournal")}</Go>}>
      {may ? <Form /> : <Forbidden document={EntryPost} />}
    </Page>
  );
}

/** Who may, where this role may not. */
export function Forbidden({
  document,
}: {
  document: Pick<TypedDocument<unknown, never>, "roles">;
}) {
  const parts = usePartWords();
  return (
    <Notice weight="warn">
      <p>{parts("forbidden")}</p>
      <p>{parts("whoMay", { roles: document.roles?.join(", ") ?? "" })}</p>
    </Notice>
  );
}

function Form() {
  const words = useJournalWords();
  const navigate = useNavigate();
  const post = useAction(EntryPost);
  const keep = useAction(DraftMake);
  const idempotencyKey = useIdempotencyKey();
  const [draftId] = useState(randomUuid);
  const { time_zone: zone } = useSignedIn();
  const today = useToday();
  const typed = useTypedEntry({ description: "", day: today, lines: [] });
  const [tried, setTried] = useState<"post" | "keep">();
  const isPending = post.isPending || keep.isPending;
  const send = (event: FormEvent) => {
    event.preventDefault();
    setTried("post");
    if (!typed.isReady || isPending) return;
    keep.reset();
    // Today's entry is of this moment.
    const occurredAt = typed.entry.day === today ? null : momentOf(typed.entry.day, zone);
    const { description } = typed.entry;
    post.mutate(
      { entries: [entryOf(typed.used, { description, occurredAt, idempotencyKey })] },
      {
        onSuccess: ({ postEntries }) => {
          say("good", words("posted"));
          const id = postEntries?.result?.[0]?.id;
          if (id) void navigate({ to: `/journal/${id}` });
        },
      },
    );
  };
  const save = () => {
    setTried("keep");
    if (!typed.isKeepable || isPending) return;
    post.reset();
    keep.mutate(
      { id: draftId, entry: draftOf(typed.entry, zone) },
      {
        onSuccess: () => {
          say("good", words("draftSaved"));
          void navigate({ to: `/journal/drafts/${draftId}` });
        },
      },
    );
  };
  const fault = tried === "post" ? !typed.isReady : tried === "keep" && !typed.isKeepable;
  const error = post.error ?? keep.error;
  return (
    <form onSubmit={send} noValidate className="flex flex-col gap-4">
      <EntryFields typed={typed} isTried={tried !== undefined} />
      {fault && (
        <Notice weight="bad">{words(tried === "post" ? "notReady" : "notKeepable")}</Notice>
      )}
      {error !== null && <Failure error={error} />}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="main" aria-disabled={isPending}>
          {words("post")}
        </Button>
        <Button aria-disabled={isPending} onClick={save}>
          {words("saveDraft")}
        </Button>
      </div>
    </form>
  );
}

/** Why nothing became of it. */
export function Failure({ error }: { error: unknown }) {
  const parts = usePartWords();
  const words = useJournalWords();
  const problem = problemOf(error);
  if (problem.condition === "second_person_needed") {
    return (
      <Notice weight="bad">
        <p>{words("needsSecond")}</p>
        {problem.detail && <p className="text-sm font-normal break-words">{problem.detail}</p>}
      </Notice>
    );
  }
  if (problem.isSilence) return <Notice weight="bad">{parts("notSent")}</Notice>;
  if (problem.isSignedOut) return <Notice weight="warn">{parts("signedOut")}</Notice>;
  return <ProblemNotice problem={problem} document={EntryPost as never} />;
}
