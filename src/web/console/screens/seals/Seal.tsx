/** A seal: what it covers, its control totals, and its place in the chain. */
import { Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { Figure, Moment, Money, Month } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { isNumberName, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { Facts, PagedTable, Table } from "../../parts/table.tsx";
import { hexOf } from "./hex.ts";
import { SealEntries, SealPage, type SealPageQuery } from "./seals.documents.ts";
import { useSealWords } from "./words.ts";

export function Screen() {
  const number = useParameter("number");
  const words = useSealWords();
  const isNumber = isNumberName(number);
  const query = useDocument(SealPage, { number }, { enabled: isNumber });
  if (!isNumber || query.data?.journalSeal === null) {
    return (
      <NoSuch title={words("title")} to="/seals">
        {words("noSuchSeal")}
      </NoSuch>
    );
  }
  return (
    <Page title={words("sealOf", { number })} lead={<Go to="/seals">{words("toSeals")}</Go>}>
      <Loaded query={query} document={SealPage} lines={8}>
        {(data) => <SealOf data={data} />}
      </Loaded>
    </Page>
  );
}

function SealOf({ data }: { data: SealPageQuery }) {
  const words = useSealWords();
  const seal = data.journalSeal;
  if (seal === null) return null;
  const hash = (base64: string | null) => <code className="break-all">{hexOf(base64)}</code>;
  return (
    <>
      <Facts
        facts={[
          [words("month"), <Month key="month" day={seal.month} />],
          [words("entries"), <Figure key="entries" value={seal.entryCount} />],
          [words("lines"), <Figure key="lines" value={seal.lineCount} />],
          [words("sealedAt"), <Moment key="at" at={seal.sealedAt} />],
          [words("by"), seal.sealedBy],
          [words("hash"), hash(seal.hash)],
          [words("entriesHash"), hash(seal.entriesHash)],
          [words("previousHash"), seal.previousHash ? hash(seal.previousHash) : words("firstSeal")],
        ]}
      />
      <Card title={words("totals")}>
        <Table
          caption={words("totalsByCurrency")}
          rows={rowsOf(data.journalSealTotals)}
          keyOf={({ currency }) => currency}
          columns={[
            { title: words("currency"), cell: ({ currency }) => currency },
            {
              title: words("lines"),
              align: "right",
              cell: ({ lineCount }) => <Figure value={lineCount} />,
            },
            {
              title: words("debit"),
              align: "right",
              cell: (total) => <Total amount={total.debit} currency={total.currency} />,
            },
            {
              title: words("credit"),
              align: "right",
              cell: (total) => <Total amount={total.credit} currency={total.currency} />,
            },
          ]}
        />
      </Card>
      <Card title={words("covered")}>
        <Entries number={seal.number} />
      </Card>
    </>
  );
}

/** A seal may name no currency: "unknown", where an account was gone. */
function Total({ amount, currency }: { amount: string; currency: string }) {
  return /^[A-Z]{3}$/.test(currency) ? (
    <Money amount={amount} currency={currency} />
  ) : (
    <Figure value={amount} />
  );
}

function Entries({ number }: { number: string }) {
  const words = useSealWords();
  const pages = usePages(SealEntries, { number }, (result) => result.journalSealEntries);
  return (
    <PagedTable
      caption={words("coveredEntries")}
      document={SealEntries}
      pages={pages}
      keyOf={({ entryId }) => entryId}
      columns={[
        {
          title: words("entry"),
          cell: ({ entryId }) => (
            <span className="break-all">
              <Go to={`/journal/${entryId}`}>{entryId}</Go>
            </span>
          ),
        },
        {
          title: words("hash"),
          cell: ({ hash }) => <code className="break-all">{hexOf(hash)}</code>,
        },
      ]}
    />
  );
}
