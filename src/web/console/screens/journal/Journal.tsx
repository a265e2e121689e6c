/** The journal: entries by day, account, amount, source and words, the last first. */
import { useEffect } from "react";
import { Badge, Notice } from "../../../shared/ui.tsx";
import { rowsOf, usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { AccountFilter, useAccountOfCode } from "../../parts/AccountField.tsx";
import { readAmountText } from "../../parts/amount.ts";
import { Day, Money } from "../../parts/figures.tsx";
import {
  ChoiceFilter,
  DayFilter,
  FilterBar,
  SearchFilter,
  useFilters,
} from "../../parts/filters.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { isDay } from "../../parts/today.ts";
import { usePartWords } from "../../parts/words.ts";
import { AmountFilter } from "./AmountFilter.tsx";
import {
  type EntryKind,
  EntryPost,
  JournalPage,
  type JournalPageQuery,
  type JournalPageQueryVariables,
} from "./journal.documents.ts";
import { useJournalWords } from "./words.ts";

const PAGE = 50;
/** How many pages of 5,000 entries are gone through unasked, while nothing is found in them. */
const SEARCHED_MAX = 40;
const kinds = ["normal", "opening", "correction", "adjustment", "reversal", "closing"] as const;

type Row = NonNullable<NonNullable<JournalPageQuery["findEntries"]>["nodes"][number]>;
type Variables = Omit<JournalPageQueryVariables, "after">;

const dayOf = (day: string | undefined) => (isDay(day) ? day : null);

function amountOf(typed: string | undefined): string | null {
  const amount = readAmountText(typed ?? "");
  return amount.kind === "amount" ? amount.text : null;
}

/** The filters of the address as the API takes them; what it would not take is left out. */
function variablesOf(
  filters: { readonly [name: string]: string | undefined },
  accountId: string | null,
): Variables {
  return {
    from: dayOf(filters["from"]),
    to: dayOf(filters["to"]),
    accountId,
    minAmount: amountOf(filters["min"]),
    maxAmount: amountOf(filters["max"]),
    source: filters["source"]?.trim() || null,
    kind: kinds.find((kind: EntryKind) => kind === filters["kind"]) ?? null,
    reference: filters["reference"]?.trim() || null,
    search: filters["search"]?.trim() || null,
  };
}

/**
 * A page ends after its fiftieth entry, or where the server stopped looking: there its last row is
 * no match, and only says how far it came.
 */
function pageOf(found: JournalPageQuery["findEntries"]) {
  if (found === null) return null;
  const rows = rowsOf(found);
  const last = rows.at(-1);
  const isCut = last !== undefined && last.isMatch === false;
  const nodes = rows.filter(({ isMatch }) => isMatch).slice(0, PAGE);
  const endCursor = isCut ? last.id : (nodes.at(-1)?.id ?? null);
  return { nodes, pageInfo: { hasNextPage: isCut || rows.length > PAGE, endCursor } };
}

export function Screen() {
  const words = useJournalWords();
  const ledger = useLedgerWords();
  const parts = usePartWords();
  const { filters } = useFilters();
  const code = filters["account"] ?? "";
  const account = useAccountOfCode(code);
  const isUnknown = code.trim() !== "" && account === null;
  const variables = variablesOf(filters, account?.id ?? null);
  return (
    <Page
      title={words("title")}
      actions={
        <>
          <PostLink />
          <span className="self-center px-2 font-semibold">
            <Go to="/journal/drafts">{words("drafts")}</Go>
          </span>
          <CsvLink name="entries" filters={csvFiltersOf(variables)} />
          <CopyAs document={JournalPage} variables={variables} sql={sqlOf(variables)} />
        </>
      }
    >
      <FilterBar>
        <SearchFilter name="search" hint={words("searchHint")} />
        <DayFilter name="from" label={parts("from")} />
        <DayFilter name="to" label={parts("to")} />
        <SearchFilter name="source" label={words("source")} hint="purchase" />
        <ChoiceFilter
          name="kind"
          label={words("kind")}
          options={kinds.map((kind) => [kind, ledger(kind)])}
        />
        <SearchFilter name="reference" label={words("reference")} hint={words("referenceHint")} />
        <AccountFilter name="account" label={ledger("account")} />
        <AmountFilter name="min" label={words("min")} />
        <AmountFilter name="max" label={words("max")} />
      </FilterBar>
      {isUnknown ? (
        <Notice weight="warn">{ledger("accountUnknown")}</Notice>
      ) : (
        <Entries variables={variables} isEnabled={account !== undefined} />
      )}
    </Page>
  );
}

function PostLink() {
  const words = useJournalWords();
  return useMay(EntryPost) ? (
    <span className="self-center px-2 font-semibold">
      <Go to="/journal/new">{words("post")}</Go>
    </span>
  ) : null;
}

function Entries({ variables, isEnabled }: { variables: Variables; isEnabled: boolean }) {
  const words = useJournalWords();
  const following = { enabled: isEnabled };
  const pages = usePages(JournalPage, variables, (result) => pageOf(result.findEntries), following);
  const { query, rows } = pages;
  const { fetchNextPage, hasNextPage, isFetching } = query;
  const pageCount = query.data?.pages.length ?? 0;
  const isSeeking = hasNextPage && (rows?.length ?? PAGE) < PAGE && pageCount < SEARCHED_MAX;
  useEffect(() => {
    if (isSeeking && !isFetching) void fetchNextPage();
  }, [isSeeking, isFetching, fetchNextPage]);
  return (
    <>
      <PagedTable
        caption={words("title")}
        document={JournalPage}
        pages={pages}
        columns={useColumns()}
        keyOf={({ id }) => id ?? ""}
        empty={words(isSeeking ? "seeking" : hasNextPage ? "noneYet" : "none")}
      />
      {isSeeking && rows !== undefined && rows.length > 0 && (
        <p role="status" className="text-soft">
          {words("seeking")}
        </p>
      )}
    </>
  );
}

function useColumns(): Column<Row>[] {
  const words = useJournalWords();
  const ledger = useLedgerWords();
  return [
    { title: words("date"), cell: ({ postingDate }) => <Day day={postingDate} /> },
    {
      title: words("what"),
      cell: ({ id, description, kind, status }) => (
        <span className="break-words">
          <Go to={`/journal/${id}`}>{description}</Go>{" "}
          {kind !== null && kind !== "normal" && <Badge tone="wait">{ledger(kind)}</Badge>}{" "}
          {status === "reversed" && <Badge tone="bad">{ledger("reversed")}</Badge>}
        </span>
      ),
    },
    {
      title: words("debit"),
      cell: ({ debitCodes }) => <span className="break-all">{debitCodes}</span>,
    },
    {
      title: words("credit"),
      cell: ({ creditCodes }) => <span className="break-all">{creditCodes}</span>,
    },
    {
      title: words("amount"),
      align: "right",
      cell: ({ amount, currency }) =>
        currency === null ? words("currencies") : <Money amount={amount} currency={currency} />,
    },
    { title: words("source"), cell: ({ source }) => <span className="break-all">{source}</span> },
  ];
}

/** The same filters as an export takes them: an account by its id, amounts as the API has them. */
function csvFiltersOf(variables: Variables): { [name: string]: string | undefined } {
  const { from, to, accountId, minAmount, maxAmount, source, kind, reference, search } = variables;
  const given = { from, to, source, kind, reference, search };
  const named = { ...given, account: accountId, min: minAmount, max: maxAmount };
  return Object.fromEntries(
    Object.entries(named).map(([name, value]) => [name, value ?? undefined]),
  );
}

/** The same question for psql. */
function sqlOf(variables: Variables): string {
  const names: [name: string, value: string | null | undefined][] = [
    ["from_date", variables.from],
    ["to_date", variables.to],
    ["account_id", variables.accountId],
    ["min_amount", variables.minAmount],
    ["max_amount", variables.maxAmount],
    ["source", variables.source],
    ["kind", variables.kind],
    ["reference", variables.reference],
    ["search", variables.search],
  ];
  const given = names.filter(([, value]) => value !== null && value !== undefined);
  const list = given.map(([name, value]) => `${name} => ${sqlText(value)}`);
  return `select * from saldo.find_entries(${list.join(", ")});`;
}
