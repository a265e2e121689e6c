/** All accounts with opening, debits, credits and closing, from one day to another. */
import { usePages } from "../../api/query_client.ts";
import { Money } from "../../parts/figures.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { NotAll, useWhole } from "./MorePages.tsx";
import type { Range } from "./range.ts";
import { AccountName } from "./SectionTable.tsx";
import { StatementFilters } from "./StatementFilters.tsx";
import { Movements, type MovementsQuery } from "./statements.documents.ts";
import { useStatementWords } from "./words.ts";

type Line = NonNullable<NonNullable<MovementsQuery["trialBalanceBetween"]>["nodes"][number]>;

export function MovementsView({ range }: { range: Range }) {
  const words = useStatementWords();
  const { from, to, basis, isBeforeClosing, hasZeros } = range;
  const variables = { from, to, basis, isBeforeClosing, hasZeros };
  const pages = usePages(Movements, variables, ({ trialBalanceBetween }) => trialBalanceBetween);
  useWhole(pages.query);
  const money = (title: string, of: (line: Line) => string | null): Column<Line> => ({
    title,
    align: "right",
    cell: (line) => <Money amount={of(line)} currency={line.currency} />,
  });
  const columns: Column<Line>[] = [
    { title: words("account"), cell: (line) => <AccountName line={line} range={range} /> },
    money(words("opening"), (line) => line.opening),
    money(words("debit"), (line) => line.debit),
    money(words("credit"), (line) => line.credit),
    money(words("closingBalance"), (line) => line.closing),
  ];
  const place = `${sqlText(from)}, ${sqlText(to)}, ${sqlText(basis)}, ${isBeforeClosing}, ${hasZeros}`;
  return (
    <>
      <StatementFilters range={range}>
        <CsvLink
          name="trial-balance"
          filters={{
            from,
            to,
            basis,
            is_before_closing: String(isBeforeClosing),
            has_zeros: String(hasZeros),
          }}
        />
        <CopyAs
          document={Movements}
          variables={variables}
          sql={`select * from saldo.trial_balance_between(${place});`}
        />
      </StatementFilters>
      <NotAll query={pages.query} />
      <PagedTable
        caption={words("movements")}
        pages={pages}
        document={Movements}
        columns={columns}
        keyOf={({ accountId }) => String(accountId)}
        empty={words("nothing")}
      />
    </>
  );
}
