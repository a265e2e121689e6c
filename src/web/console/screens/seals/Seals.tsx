/** Seals: how far the journal is sealed, whether it is as it was sealed, and whether a head fits. */

import { useState } from "react";
import { Button, Card, Field, Notice } from "../../../shared/ui.tsx";
import { problemOf } from "../../api/problem.ts";
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { copyText } from "../../parts/copy_text.ts";
import { Duration, Figure, Moment, Month } from "../../parts/figures.tsx";
import { Loaded, ProblemNotice, Skeleton } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { Facts, PagedTable, Stat, Table } from "../../parts/table.tsx";
import { say } from "../../parts/toast.tsx";
import { usePartWords } from "../../parts/words.ts";
import { hexOf, readHead } from "./hex.ts";
import {
  SealHash,
  SealList,
  SealNow,
  SealsPage,
  type SealsPageQuery,
  SealVerify,
} from "./seals.documents.ts";
import { useSealWords } from "./words.ts";

export function Screen() {
  const words = useSealWords();
  const query = useDocument(SealsPage, {}, { everySeconds: 60 });
  return (
    <Page
      title={words("title")}
      lead={words("lead")}
      actions={
        <>
          <ActionButton
            label={words("seal")}
            look="main"
            title={words("sealTitle")}
            document={SealNow}
            variables={() => ({})}
            submit={words("seal")}
            onDone={({ sealJournal }) =>
              words("sealed", { count: sealJournal?.result?.length ?? 0 })
            }
          >
            <p>{words("sealHelp")}</p>
            <p>
              {words("unsealed")}: <Figure value={query.data?.sealStatus?.unsealedEntryCount} />
            </p>
          </ActionButton>
          <CopyAs document={SealsPage} variables={{}} sql="select * from saldo.seal_status();" />
        </>
      }
    >
      <Loaded query={query} document={SealsPage} lines={8}>
        {({ sealStatus }) => sealStatus && <Status status={sealStatus} />}
      </Loaded>
      <Verification />
      <Comparison />
      <Card title={words("export")}>
        <p>{words("exportHelp")}</p>
        <p className="my-3">
          <a
            href="/console/export/journal-copy.zip"
            download
            className="inline-block min-h-11 rounded-lg border border-line bg-card px-3 py-2 font-semibold sm:px-4"
          >
            {words("download")}
          </a>
        </p>
        <p>{words("exportCommands")}</p>
        <code className="mt-2 block rounded bg-ground p-2 break-all">
          npx saldo export --to FOLDER
          <br />
          npx saldo verify --from FOLDER
        </code>
      </Card>
      <Card title={words("seals")}>
        <Seals />
      </Card>
    </Page>
  );
}

function Status({ status }: { status: NonNullable<SealsPageQuery["sealStatus"]> }) {
  const words = useSealWords();
  const parts = usePartWords();
  const head = `seal ${status.headNumber} ${status.headHash}`;
  const copy = () =>
    copyText(head).then(
      () => say("good", parts("copied")),
      () => say("bad", parts("notCopied")),
    );
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-3">
        <Stat label={words("sealedEntries")}>
          <Figure value={status.sealedEntryCount} />
        </Stat>
        <Stat label={words("unsealed")}>
          <Figure value={status.unsealedEntryCount} />
        </Stat>
        <Stat label={words("oldestUnsealed")}>
          {status.unsealedEntryCount === "0" ? (
            "–"
          ) : (
            <Duration seconds={status.oldestUnsealedAgeSeconds} />
          )}
        </Stat>
      </div>
      <Card title={words("head")}>
        {status.headNumber === "0" ? (
          <p>{words("noSeal")}</p>
        ) : (
          <>
            <Facts
              facts={[
                [words("number"), <Figure key="number" value={status.headNumber} />],
                [words("sealedAt"), <Moment key="at" at={status.sealedAt} />],
              ]}
            />
            <p className="pt-3 text-sm text-soft">{words("headHelp")}</p>
            <code className="my-2 block rounded bg-ground p-2 break-all">{head}</code>
            <Button onClick={() => void copy()}>{words("copyHead")}</Button>
          </>
        )}
      </Card>
    </>
  );
}

/** Computes the books again from the journal, when somebody asks for it. */
function Verification() {
  const words = useSealWords();
  const [isAsked, setIsAsked] = useState(false);
  const query = useDocument(SealVerify, {}, { enabled: isAsked });
  const verify = () => (isAsked ? void query.refetch() : setIsAsked(true));
  const differences = rowsOf(query.data?.verifyJournal);
  return (
    <Card title={words("verify")}>
      <p>{words("verifyHelp")}</p>
      <Button className="my-3" aria-disabled={query.isFetching} onClick={verify}>
        {words("verifyNow")}
      </Button>
      {query.isFetching && <Skeleton lines={2} />}
      {!query.isFetching && query.error !== null && (
        <ProblemNotice problem={problemOf(query.error)} document={SealVerify} />
      )}
      {!query.isFetching && query.isSuccess && (
        <>
          <p
            role="status"
            className={`font-semibold ${differences.length === 0 ? "text-good" : "text-bad"}`}
          >
            {differences.length === 0
              ? words("nothingDiffers")
              : words("differs", { count: differences.length })}
          </p>
          {differences.length > 0 && <Differences rows={differences} />}
        </>
      )}
    </Card>
  );
}

function Differences({
  rows,
}: {
  rows: readonly {
    readonly kind: string | null;
    readonly entryId: string | null;
    readonly sealNumber: string | null;
    readonly key: string | null;
    readonly stored: string | null;
    readonly derived: string | null;
  }[];
}) {
  const words = useSealWords();
  return (
    <Table
      caption={words("differences")}
      rows={rows}
      keyOf={({ kind, key, entryId, sealNumber }) => [kind, key, entryId, sealNumber].join()}
      columns={[
        { title: words("kind"), cell: ({ kind }) => kind?.replaceAll("_", " ") },
        {
          title: words("where"),
          cell: ({ entryId, key, sealNumber }) =>
            entryId ? (
              <Go to={`/journal/${entryId}`}>{words("entry")}</Go>
            ) : sealNumber ? (
              <Go to={`/seals/${sealNumber}`}>{words("sealOf", { number: sealNumber })}</Go>
            ) : (
              key
            ),
        },
        {
          title: words("stored"),
          cell: ({ stored }) => <span className="break-all">{stored}</span>,
        },
        {
          title: words("derived"),
          cell: ({ derived }) => <span className="break-all">{derived}</span>,
        },
      ]}
    />
  );
}

function Answer({
  seal,
  isSame,
}: {
  seal: { readonly sealedAt: string } | null | undefined;
  isSame: boolean;
}) {
  const words = useSealWords();
  if (!isSame) return <Notice weight="bad">{words(seal ? "otherHead" : "missingSeal")}</Notice>;
  return (
    <p role="status" className="font-semibold text-good">
      {words("sameHead")} <Moment at={seal?.sealedAt} />
    </p>
  );
}

/** Whether a head that was kept elsewhere still is in the chain. */
function Comparison() {
  const words = useSealWords();
  const [typed, setTyped] = useState("");
  const head = readHead(typed);
  const query = useDocument(SealHash, { number: head?.number ?? "0" }, { enabled: head !== null });
  const seal = query.data?.journalSeal;
  const isSame = seal !== null && seal !== undefined && hexOf(seal.hash) === head?.hash;
  return (
    <Card title={words("compare")}>
      <Field
        label={words("keptHead")}
        hint={words("keptHeadHint")}
        value={typed}
        maxLength={300}
        error={typed.trim() !== "" && head === null ? words("noHead") : undefined}
        onChange={({ target }) => setTyped(target.value)}
      />
      {head !== null && query.error !== null && (
        <ProblemNotice problem={problemOf(query.error)} document={SealHash} />
      )}
      {head !== null && query.isSuccess && <Answer seal={seal} isSame={isSame} />}
    </Card>
  );
}

function Seals() {
  const words = useSealWords();
  const pages = usePages(SealList, {}, ({ journalSeals }) => journalSeals);
  return (
    <>
      <Take>
        <CsvLink name="seals" />
        <CopyAs
          document={SealList}
          variables={{}}
          sql="select * from saldo.journal_seal order by number desc;"
        />
      </Take>
      <PagedTable
        caption={words("sealList")}
        document={SealList}
        pages={pages}
        keyOf={({ number }) => number}
        empty={words("noSeal")}
        columns={[
          {
            title: words("number"),
            cell: ({ number }) => <Go to={`/seals/${number}`}>{number}</Go>,
          },
          { title: words("month"), cell: ({ month }) => <Month day={month} /> },
          {
            title: words("entries"),
            align: "right",
            cell: ({ entryCount }) => <Figure value={entryCount} />,
          },
          {
            title: words("lines"),
            align: "right",
            cell: ({ lineCount }) => <Figure value={lineCount} />,
          },
          { title: words("sealedAt"), cell: ({ sealedAt }) => <Moment at={sealedAt} /> },
          { title: words("by"), cell: ({ sealedBy }) => sealedBy },
          {
            title: words("hash"),
            cell: ({ hash }) => <code title={hexOf(hash)}>{hexOf(hash).slice(0, 12)}…</code>,
          },
        ]}
      />
    </>
  );
}
