/** The form of a draft that is changed: what it does not know of the draft stays as it is. */
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { Button, Notice } from "../../../shared/ui.tsx";
import { useAction } from "../../api/query_client.ts";
import { useMay, useSignedIn } from "../../api/session.ts";
import { Loaded, Skeleton } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { say } from "../../parts/toast.tsx";
import { type DraftOf, UnknownDraft, useDraft } from "./Draft.tsx";
import { DraftEdit, DraftPage } from "./drafts.documents.ts";
import { EntryFields, LINES_MAX, useTypedEntry } from "./EntryFields.tsx";
import { draftOf, type EntryContent, type TypedLine } from "./entry_form.ts";
import { Failure, Forbidden } from "./PostForm.tsx";
import { useJournalWords } from "./words.ts";

export function Screen() {
  const words = useJournalWords();
  const may = useMay(DraftEdit);
  const { id, query, draft, isUnknown, areAccountsKnown, lines, content } = useDraft();
  // The form begins with the draft as it is now, and not as this page saw it a moment ago.
  const [isFresh, setIsFresh] = useState(false);
  const { refetch } = query;
  useEffect(() => {
    if (!isUnknown) void refetch().then(() => setIsFresh(true));
  }, [isUnknown, refetch]);
  if (isUnknown) return <UnknownDraft />;
  return (
    <Page
      title={words("editDraftTitle")}
      lead={<Go to={`/journal/drafts/${id}`}>{words("toDraft")}</Go>}
    >
      {may ? (
        <Loaded query={query} document={DraftPage} lines={8}>
          {() => {
            if (!draft || !areAccountsKnown || !isFresh) return <Skeleton lines={8} />;
            const isFixed = draft.status !== "open" || lines.length > LINES_MAX;
            if (isFixed) return <Notice weight="warn">{words("draftFixed")}</Notice>;
            // What is typed stays as it is when somebody else has changed the draft: the server says so.
            return <Form key={id} draft={draft} lines={lines} content={content} />;
          }}
        </Loaded>
      ) : (
        <Forbidden document={DraftEdit} />
      )}
    </Page>
  );
}

function Form({
  draft,
  lines,
  content,
}: {
  draft: DraftOf;
  lines: readonly TypedLine[];
  content: EntryContent;
}) {
  const words = useJournalWords();
  const navigate = useNavigate();
  const action = useAction(DraftEdit);
  const { time_zone: zone } = useSignedIn();
  // As it was when it was opened, whatever is asked for again behind the form.
  const [before] = useState(() => ({
    content,
    version: draft.version,
    day: dayOf(draft.occurredAt, zone),
  }));
  const typed = useTypedEntry({ description: draft.description, day: before.day, lines });
  const [isTried, setIsTried] = useState(false);
  const send = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (!typed.isKeepable || action.isPending) return;
    action.mutate(
      { id: draft.id, entry: draftOf(typed.entry, zone, before), version: before.version },
      {
        onSuccess: () => {
          say("good", words("draftSaved"));
          void navigate({ to: `/journal/drafts/${draft.id}` });
        },
      },
    );
  };
  return (
    <form onSubmit={send} noValidate className="flex flex-col gap-4">
      <EntryFields typed={typed} isTried={isTried} isDraft />
      {isTried && !typed.isKeepable && <Notice weight="bad">{words("notKeepable")}</Notice>}
      {action.error !== null && <Failure error={action.error} />}
      <div>
        <Button type="submit" look="main" aria-disabled={action.isPending}>
          {words("saveDraft")}
        </Button>
      </div>
    </form>
  );
}

/** The day of a moment where the business is; empty where there is none. */
const dayOf = (moment: string | null, zone: string) =>
  moment === null
    ? ""
    : new Intl.DateTimeFormat("en-CA", { timeZone: zone }).format(new Date(moment));
