/** A draft: what it would post, and what becomes of it. */
import { useNavigate } from "@tanstack/react-router";
import { useLanguage } from "../../../shared/language.ts";
import { Card, Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { useParameter } from "../../app/screen.ts";
import { useAccountsOfCodes } from "../../parts/AccountField.tsx";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Figure, formatNumber, Moment } from "../../parts/figures.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Loaded } from "../../parts/loaded.tsx";
import { isUuid, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs } from "../../parts/share.tsx";
import { Facts, Table } from "../../parts/table.tsx";
import { DraftBadge } from "./Drafts.tsx";
import {
  DraftAccounts,
  DraftDiscard,
  DraftEdit,
  DraftPage,
  type DraftPageQuery,
  DraftPost,
} from "./drafts.documents.ts";
import { LINES_MAX, Sums, useTypedEntry } from "./EntryFields.tsx";
import { contentLinesOf, type EntryContent, typedLinesOf } from "./entry_form.ts";
import { useJournalWords } from "./words.ts";

export type DraftOf = NonNullable<DraftPageQuery["entryDraft"]>;

/** The draft that the address names, once it and the accounts of its lines are there. */
export function useDraft() {
  const id = useParameter("id").toLowerCase();
  const isId = isUuid(id);
  const language = useLanguage();
  const query = useDocument(DraftPage, { id }, { enabled: isId });
  const draft = query.data?.entryDraft;
  const content = (draft?.content ?? {}) as EntryContent;
  const ids = [...new Set(contentLinesOf(content).flatMap((line) => line["account_id"] ?? []))];
  const given = ids.map(String).filter((each) => /^\d{1,18}$/.test(each));
  const named = useDocument(
    DraftAccounts,
    { ids: given.slice(0, 200) },
    { enabled: given.length > 0 },
  );
  const codes = new Map(rowsOf(named.data?.accounts).map((each) => [each.id, each.code]));
  return {
    id,
    query,
    draft,
    isUnknown: !isId || draft === null,
    areAccountsKnown: given.length === 0 || named.data !== undefined || named.isError,
    lines: typedLinesOf(content, codes, (text) => formatNumber(text, language)),
    content,
  };
}

export function Screen() {
  const { id, query, draft, isUnknown, areAccountsKnown, lines } = useDraft();
  if (isUnknown) return <UnknownDraft />;
  return (
    <Loaded query={query} document={DraftPage} lines={8}>
      {() =>
        draft && areAccountsKnown ? (
          // One that somebody has changed is another one.
          <Draft key={`${id} ${draft.version}`} draft={draft} lines={lines} />
        ) : null
      }
    </Loaded>
  );
}

/** An address that names no draft. */
export function UnknownDraft() {
  const words = useJournalWords();
  return (
    <NoSuch title={words("drafts")} to="/journal/drafts">
      {words("unknownDraft")}
    </NoSuch>
  );
}

function Draft({ draft, lines }: { draft: DraftOf; lines: ReturnType<typeof typedLinesOf> }) {
  const words = useJournalWords();
  const isOpen = draft.status === "open";
  const { description } = draft;
  // A day that is left open is that of the posting, which is one that it may have.
  const typed = useTypedEntry({ description, day: "2000-01-01", lines });
  return (
    <Page
      title={description}
      lead={
        <span className="inline-flex flex-wrap items-center gap-2">
          <Go to="/journal/drafts">{words("toDrafts")}</Go> <DraftBadge status={draft.status} />
        </span>
      }
      actions={
        <>
          {isOpen && (
            <Actions draft={draft} isReady={typed.isReady} isLong={lines.length > LINES_MAX} />
          )}
          <CopyAs
            document={DraftPage}
            variables={{ id: draft.id }}
            sql={`select * from saldo.entry_draft where id = '${draft.id}';`}
          />
        </>
      }
    >
      {draft.entryId && (
        <Notice weight="warn">
          {words("draftPosted")} <Go to={`/journal/${draft.entryId}`}>{words("thisEntry")}</Go>
        </Notice>
      )}
      {draft.reason !== null && (
        <Notice weight="warn">
          {words("draftDiscarded")} <span className="break-words">{draft.reason}</span>
        </Notice>
      )}
      {isOpen && !typed.isReady && <Notice weight="warn">{words("draftUnready")}</Notice>}
      <Card title={words("lines")}>
        <Lines lines={lines} />
      </Card>
      <Sums sums={typed.sums} isBalanced={typed.isBalanced} />
      <Card title={words("about")}>
        <Facts
          facts={[
            [
              words("occurredAt"),
              draft.occurredAt === null ? (
                words("dayOfPosting")
              ) : (
                <Moment key="at" at={draft.occurredAt} />
              ),
            ],
            [words("madeBy"), <By key="made" at={draft.madeAt} who={draft.madeBy} />],
            [words("changed"), <By key="changed" at={draft.changedAt} who={draft.changedBy} />],
            [words("authors"), draft.authors.filter((each) => each !== null).join(", ") || "–"],
            [words("version"), <Figure key="version" value={draft.version} />],
          ]}
        />
      </Card>
    </Page>
  );
}

const By = ({ at, who }: { at: string; who: string }) => (
  <>
    {who}, <Moment at={at} />
  </>
);

function Actions({
  draft: { id, version, description },
  isReady,
  isLong,
}: {
  draft: DraftOf;
  isReady: boolean;
  isLong: boolean;
}) {
  const words = useJournalWords();
  const navigate = useNavigate();
  const mayEdit = useMay(DraftEdit);
  return (
    <>
      {isReady && (
        <ActionButton
          label={words("postDraft")}
          look="main"
          title={words("postDraftTitle")}
          document={DraftPost}
          variables={() => ({ id, version })}
          submit={words("postDraft")}
          onDone={({ postDraft }) => {
            const entryId = postDraft?.result?.id;
            if (entryId) void navigate({ to: `/journal/${entryId}` });
            return words("posted");
          }}
        >
          <p className="font-semibold break-words">{description}</p>
          <p>{words("postDraftHelp")}</p>
        </ActionButton>
      )}
      {mayEdit && !isLong && (
        <span className="self-center px-2 font-semibold">
          <Go to={`/journal/drafts/${id}/edit`}>{words("editDraft")}</Go>
        </span>
      )}
      <ActionButton
        label={words("discard")}
        look="bad"
        title={words("discardTitle")}
        document={DraftDiscard}
        variables={(reason) => ({ id, reason })}
        needsReason
        submit={words("discard")}
        onDone={() => words("discarded")}
      >
        <p className="font-semibold break-words">{description}</p>
        <p>{words("discardHelp")}</p>
      </ActionButton>
    </>
  );
}

function Lines({ lines }: { lines: ReturnType<typeof typedLinesOf> }) {
  const words = useJournalWords();
  const ledger = useLedgerWords();
  const accounts = useAccountsOfCodes(lines.map(({ code }) => code));
  return (
    <Table
      caption={words("entryLines")}
      rows={lines.map((line, place) => ({ ...line, place, account: accounts[place] }))}
      keyOf={({ key }) => key}
      columns={[
        { title: words("number"), cell: ({ place }) => <Figure value={place + 1} /> },
        {
          title: ledger("account"),
          cell: ({ code, account }) =>
            account ? (
              <span className="break-words">
                <Go to={`/accounts/${account.id}`}>{account.code}</Go>{" "}
                <span className="text-soft">{account.name}</span>
              </span>
            ) : (
              <span className="break-all">
                {code || "–"}{" "}
                {account === null && code !== "" && (
                  <span className="text-bad">{ledger("accountUnknown")}</span>
                )}
              </span>
            ),
        },
        { title: words("debit"), align: "right", cell: ({ debit }) => debit },
        { title: words("credit"), align: "right", cell: ({ credit }) => credit },
      ]}
    />
  );
}
