/** Assets, liabilities and equity on a day. */
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { Loaded } from "../../parts/loaded.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { MorePages, useWhole } from "./MorePages.tsx";
import type { Range } from "./range.ts";
import { SectionTable } from "./SectionTable.tsx";
import { StatementFilters } from "./StatementFilters.tsx";
import { BalanceSheet, BalanceSheetSums } from "./statements.documents.ts";
import { currenciesOf, totalOf } from "./totals.ts";
import { useStatementWords } from "./words.ts";

const sections = ["assets", "liabilities", "equity"] as const;

export function BalanceSheetView({ range }: { range: Range }) {
  const words = useStatementWords();
  const { to: asOf, basis, isBeforeClosing, hasZeros } = range;
  const variables = { asOf, basis, isBeforeClosing };
  const listed = { ...variables, hasZeros };
  const pages = usePages(BalanceSheet, listed, ({ balanceSheet }) => balanceSheet);
  useWhole(pages.query);
  const sums = useDocument(BalanceSheetSums, variables);
  const place = `as_of => ${sqlText(asOf)}, basis => ${sqlText(basis)}, is_before_closing => ${isBeforeClosing}, has_zeros => ${hasZeros}`;
  return (
    <>
      <StatementFilters range={range}>
        <CsvLink
          name="balance-sheet"
          filters={{
            as_of: asOf,
            basis,
            is_before_closing: String(isBeforeClosing),
            has_zeros: String(hasZeros),
          }}
        />
        <CopyAs
          document={BalanceSheet}
          variables={listed}
          sql={`select * from saldo.balance_sheet(${place});`}
        />
      </StatementFilters>
      <Loaded query={sums} document={BalanceSheetSums} lines={10}>
        {({ balanceSheetSums }) => {
          const totals = rowsOf(balanceSheetSums);
          return currenciesOf(totals).map((currency) => (
            <SectionTable
              key={currency}
              caption={words("sheet")}
              currency={currency}
              range={range}
              sections={[
                ...sections.map((section) => ({
                  title: words(section),
                  lines: (pages.rows ?? [])
                    .filter((line) => line.section === section && line.currency === currency)
                    .map((line) => ({ ...line, amount: line.balance })),
                  total: {
                    title: words("totalOf", { section: words(section).toLowerCase() }),
                    amount: totalOf(totals, currency, section),
                  },
                })),
                {
                  title: "",
                  lines: [],
                  total: {
                    title: words("totalOf", {
                      section: words("liabilities_and_equity").toLowerCase(),
                    }),
                    amount: totalOf(totals, currency, "liabilities_and_equity"),
                  },
                },
              ]}
            />
          ));
        }}
      </Loaded>
      <MorePages query={pages.query} document={BalanceSheet} />
    </>
  );
}
