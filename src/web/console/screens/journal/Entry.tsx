/** An entry: its lines, who posted it and when, what reverses it, and its seal. */
import { Badge, Card, Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { ActionDialog, useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { DialogButton } from "../../parts/dialog_button.tsx";
import { Day, Figure, Moment, Money, Month } from "../../parts/figures.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Loaded } from "../../parts/loaded.tsx";
import { isUuid, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs } from "../../parts/share.tsx";
import { Facts, Table } from "../../parts/table.tsx";
import { EntryReverse, JournalEntryPage, type JournalEntryPageQuery } from "./journal.documents.ts";
import { useJournalWords } from "./words.ts";

type Entry = NonNullable<JournalEntryPageQuery["journalEntry"]>;

export function Screen() {
  const id = useParameter("id").toLowerCase();
  const isId = isUuid(id);
  const variables = { id, reference: id };
  const query = useDocument(JournalEntryPage, variables, { enabled: isId });
  if (!isId) return <Unknown />;
  return (
    <Loaded query={query} document={JournalEntryPage} lines={8}>
      {(data) =>
        data.journalEntry === null ? (
          <Unknown />
        ) : (
          <EntryOf entry={data.journalEntry} data={data} variables={variables} />
        )
      }
    </Loaded>
  );
}

function Unknown() {
  const words = useJournalWords();
  return (
    <NoSuch title={words("title")} to="/journal">
      {words("unknown")}
    </NoSuch>
  );
}

function EntryOf({
  entry,
  data,
  variables,
}: {
  entry: Entry;
  data: JournalEntryPageQuery;
  variables: { id: string; reference: string };
}) {
  const words = useJournalWords();
  const ledger = useLedgerWords();
  const reversal = rowsOf(data.findEntries).find(({ reverses }) => reverses === entry.id);
  const mayBeReversed =
    entry.status === "posted" && entry.kind !== "reversal" && entry.kind !== "closing";
  return (
    <Page
      title={entry.description}
      lead={
        <span className="inline-flex flex-wrap items-center gap-2">
          <Day day={entry.postingDate} /> <Badge tone="wait">{ledger(entry.kind)}</Badge>{" "}
          <Badge tone={entry.status === "posted" ? "good" : "bad"}>{ledger(entry.status)}</Badge>
        </span>
      }
      actions={
        <>
          {mayBeReversed && (
            <DialogButton label={words("reverse")} look="bad" document={EntryReverse}>
              {(close) => <ReverseDialog entry={entry} close={close} />}
            </DialogButton>
          )}
          <CopyAs
            document={JournalEntryPage}
            variables={variables}
            sql={`select * from saldo.entry_lines('${entry.id}');`}
          />
        </>
      }
    >
      {reversal && (
        <Notice weight="warn">
          {words("reversedBy")}{" "}
          <Go to={`/journal/${reversal.id}`}>{reversal.description ?? reversal.id}</Go>
        </Notice>
      )}
      {entry.reverses && (
        <Notice weight="warn">
          {words("reverses")} <Go to={`/journal/${entry.reverses}`}>{words("thisEntry")}</Go>
        </Notice>
      )}
      <Card title={words("lines")}>
        <Lines data={data} lineCount={entry.lineCount} />
      </Card>
      <Card title={words("about")}>
        <EntryFacts entry={entry} seal={data.journalSealEntry} />
      </Card>
    </Page>
  );
}

function Lines({ data, lineCount }: { data: JournalEntryPageQuery; lineCount: number }) {
  const words = useJournalWords();
  const ledger = useLedgerWords();
  const lines = rowsOf(data.entryLines);
  const side = (amount: string | null, currency: string | null) =>
    /^0(\.0*)?$/.test(amount ?? "0") ? null : <Money amount={amount} currency={currency} />;
  return (
    <>
      <Table
        caption={words("entryLines")}
        rows={lines}
        keyOf={({ lineNo }) => String(lineNo)}
        columns={[
          { title: words("number"), cell: ({ lineNo }) => <Figure value={lineNo} /> },
          {
            title: ledger("account"),
            cell: ({ accountId, accountCode, accountName }) => (
              <span className="break-words">
                <Go to={`/accounts/${accountId}`}>{accountCode ?? accountId}</Go>{" "}
                <span className="text-soft">{accountName}</span>
              </span>
            ),
          },
          {
            title: words("debit"),
            align: "right",
            cell: ({ debit, currency }) => side(debit, currency),
          },
          {
            title: words("credit"),
            align: "right",
            cell: ({ credit, currency }) => side(credit, currency),
          },
        ]}
      />
      {lines.length < lineCount && (
        <p className="pt-2 text-soft">
          {words("linesCut", { shown: lines.length, all: lineCount })}
        </p>
      )}
    </>
  );
}

function EntryFacts({
  entry,
  seal,
}: {
  entry: Entry;
  seal: JournalEntryPageQuery["journalSealEntry"];
}) {
  const words = useJournalWords();
  const metadata = JSON.stringify(entry.metadata);
  return (
    <Facts
      facts={[
        [
          words("id"),
          <span key="id" className="break-all">
            {entry.id}
          </span>,
        ],
        [words("occurredAt"), <Moment key="occurred" at={entry.occurredAt} />],
        [words("postedAt"), <Moment key="posted" at={entry.postedAt} />],
        [words("postedBy"), entry.postedBy ?? "–"],
        [
          words("source"),
          <Go key="source" to="/journal" search={{ source: entry.source }}>
            {entry.source}
          </Go>,
        ],
        ...(entry.idempotencyKey ? ([[words("key"), entry.idempotencyKey]] as const) : []),
        ...(entry.originMonth
          ? ([[words("originMonth"), <Month key="origin" day={entry.originMonth} />]] as const)
          : []),
        [
          words("seal"),
          seal === null ? (
            words("unsealed")
          ) : (
            <Go key="seal" to={`/seals/${seal.sealNumber}`}>
              {words("sealNumber", { number: seal.sealNumber })}
            </Go>
          ),
        ],
        ...(metadata === "{}" ? [] : ([[words("metadata"), metadata]] as const)),
      ]}
    />
  );
}

function ReverseDialog({ entry, close }: { entry: Entry; close: () => void }) {
  const words = useJournalWords();
  const idempotencyKey = useIdempotencyKey();
  return (
    <ActionDialog
      title={words("reverseTitle")}
      document={EntryReverse}
      variables={(reason) => ({ id: entry.id, reason, idempotencyKey })}
      close={close}
      submit={words("reverse")}
      look="bad"
      needsReason
      onDone={() => words("reversed")}
    >
      <p className="break-words">
        <strong>{entry.description}</strong>, <Day day={entry.postingDate} />
      </p>
      <p>{words("reverseHelp")}</p>
    </ActionDialog>
  );
}
