/** All accounts on a day, each in the column of its side; both columns have the same sum. */
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { Money } from "../../parts/figures.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { NotAll, useWhole } from "./MorePages.tsx";
import type { Range } from "./range.ts";
import { AccountName, isZero } from "./SectionTable.tsx";
import { StatementFilters } from "./StatementFilters.tsx";
import {
  TrialBalance,
  type TrialBalanceQuery,
  TrialBalanceTotals,
} from "./statements.documents.ts";
import { currenciesOf, totalOf } from "./totals.ts";
import { useStatementWords } from "./words.ts";

type Line = NonNullable<NonNullable<TrialBalanceQuery["trialBalance"]>["nodes"][number]>;

export function TrialView({ range }: { range: Range }) {
  const words = useStatementWords();
  const { to: asOf, basis, isBeforeClosing, hasZeros } = range;
  const variables = { asOf, basis, isBeforeClosing };
  const listed = { ...variables, hasZeros };
  const pages = usePages(TrialBalance, listed, ({ trialBalance }) => trialBalance);
  useWhole(pages.query);
  const totals = rowsOf(useDocument(TrialBalanceTotals, variables).data?.trialBalanceTotals);
  const money = (title: string, of: (line: Line) => string | null): Column<Line> => ({
    title,
    align: "right",
    cell: (line) => (isZero(of(line)) ? "" : <Money amount={of(line)} currency={line.currency} />),
  });
  const columns: Column<Line>[] = [
    { title: words("account"), cell: (line) => <AccountName line={line} range={range} /> },
    money(words("debit"), (line) => line.debitBalance),
    money(words("credit"), (line) => line.creditBalance),
  ];
  const place = `${sqlText(asOf)}, ${sqlText(basis)}, ${isBeforeClosing}, ${hasZeros}`;
  return (
    <>
      <StatementFilters range={range}>
        <CsvLink
          name="trial-balance"
          filters={{
            as_of: asOf,
            basis,
            is_before_closing: String(isBeforeClosing),
            has_zeros: String(hasZeros),
          }}
        />
        <CopyAs
          document={TrialBalance}
          variables={listed}
          sql={`select * from saldo.trial_balance(${place});`}
        />
      </StatementFilters>
      <NotAll query={pages.query} />
      <PagedTable
        caption={words("trial")}
        pages={pages}
        document={TrialBalance}
        columns={columns}
        keyOf={({ accountId }) => String(accountId)}
        empty={words("nothing")}
        foot={currenciesOf(totals).map((currency) => (
          <tr key={currency} className="font-bold">
            <th scope="row" className="px-2 py-2 text-left">
              {words("total")} {currency}
            </th>
            {(["debit", "credit"] as const).map((side) => (
              <td key={side} data-title={words(side)} className="px-2 py-2 sm:text-right">
                <Money amount={totalOf(totals, currency, side)} currency={currency} />
              </td>
            ))}
          </tr>
        ))}
      />
    </>
  );
}
