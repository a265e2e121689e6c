/** The lines of an account with the balance after each. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { Day, Moment, Money, Month } from "../../parts/figures.tsx";
import { DayFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { dayOr, firstDayOf, useToday } from "../../parts/today.ts";
import { usePartWords } from "../../parts/words.ts";
import type { AccountFacts } from "./account_facts.ts";
import { AccountStatement, type AccountStatementQuery } from "./accounts.documents.ts";
import { useAccountWords } from "./words.ts";

type Line = NonNullable<NonNullable<AccountStatementQuery["accountStatement"]>["nodes"][number]>;

export function StatementTab({ account }: { account: AccountFacts }) {
  const words = useAccountWords();
  const parts = usePartWords();
  const { filters } = useFilters();
  const today = useToday();
  const from = dayOr(filters["from"], firstDayOf(today));
  const to = dayOr(filters["to"], today);
  const variables = { id: account.id, from, to };
  const pages = usePages(AccountStatement, variables, (result) => result.accountStatement);
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="statement" filters={{ account_id: account.id, from, to }} />
            <CopyAs
              document={AccountStatement}
              variables={variables}
              sql={`select * from saldo.account_statement(${account.id}, ${sqlText(from)}, ${sqlText(to)});`}
            />
          </>
        }
      >
        <DayFilter name="from" label={parts("from")} fallback={from} />
        <DayFilter name="to" label={parts("to")} fallback={to} />
      </FilterBar>
      <PagedTable
        caption={words("statement")}
        document={AccountStatement}
        pages={pages}
        columns={useColumns(account.currency)}
        keyOf={({ entryId, lineNo }) => `${entryId} ${lineNo}`}
        empty={words("noLines")}
      />
    </>
  );
}

function useColumns(currency: string): Column<Line>[] {
  const words = useAccountWords();
  const ledger = useLedgerWords();
  const side = (amount: string | null, isOpening: boolean) =>
    isOpening || /^0(\.0*)?$/.test(amount ?? "0") ? null : (
      <Money amount={amount} currency={currency} />
    );
  return [
    { title: words("postingDate"), cell: ({ postingDate }) => <Day day={postingDate} /> },
    {
      title: words("what"),
      cell: ({ entryId, description, kind, originMonth, occurredAt }) =>
        entryId === null ? (
          <strong>{words("opening")}</strong>
        ) : (
          <span className="break-words">
            <Go to={`/journal/${entryId}`}>{description}</Go>{" "}
            {kind !== null && kind !== "normal" && <Badge tone="wait">{ledger(kind)}</Badge>}
            <span className="block text-sm text-soft">
              <Moment at={occurredAt} />
              {originMonth && (
                <>
                  {" · "}
                  {words("about")} <Month day={originMonth} />
                </>
              )}
            </span>
          </span>
        ),
    },
    {
      title: words("debit"),
      align: "right",
      cell: ({ debit, entryId }) => side(debit, entryId === null),
    },
    {
      title: words("credit"),
      align: "right",
      cell: ({ credit, entryId }) => side(credit, entryId === null),
    },
    {
      title: words("balanceAfter"),
      align: "right",
      cell: ({ balance }) => <Money amount={balance} currency={currency} />,
    },
  ];
}
