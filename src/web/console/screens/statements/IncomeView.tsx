/** Revenue, expense and what is left of it, from one day to another. */
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { Loaded } from "../../parts/loaded.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { MorePages, useWhole } from "./MorePages.tsx";
import type { Range } from "./range.ts";
import { SectionTable } from "./SectionTable.tsx";
import { StatementFilters } from "./StatementFilters.tsx";
import { IncomeStatement, IncomeStatementSums } from "./statements.documents.ts";
import { currenciesOf, totalOf } from "./totals.ts";
import { useStatementWords } from "./words.ts";

export function IncomeView({ range }: { range: Range }) {
  const words = useStatementWords();
  const { from, to, basis, hasZeros } = range;
  const variables = { from, to, basis };
  const listed = { ...variables, hasZeros };
  const pages = usePages(IncomeStatement, listed, ({ incomeStatement }) => incomeStatement);
  useWhole(pages.query);
  const sums = useDocument(IncomeStatementSums, variables);
  return (
    <>
      <StatementFilters range={range}>
        <CsvLink
          name="income-statement"
          filters={{ from, to, basis, has_zeros: String(hasZeros) }}
        />
        <CopyAs
          document={IncomeStatement}
          variables={listed}
          sql={`select * from saldo.income_statement(${sqlText(from)}, ${sqlText(to)}, basis => ${sqlText(basis)}, has_zeros => ${hasZeros});`}
        />
      </StatementFilters>
      <Loaded query={sums} document={IncomeStatementSums} lines={10}>
        {({ incomeStatementSums }) => {
          const totals = rowsOf(incomeStatementSums);
          if (totals.length === 0) return <p className="text-soft">{words("nothing")}</p>;
          return currenciesOf(totals).map((currency) => {
            const net = totalOf(totals, currency, "net_income");
            return (
              <SectionTable
                key={currency}
                caption={words("income")}
                currency={currency}
                range={range}
                sections={[
                  ...(["revenue", "expense"] as const).map((section) => ({
                    title: words(section),
                    lines: (pages.rows ?? []).filter(
                      (line) => line.section === section && line.currency === currency,
                    ),
                    total: {
                      title: words("totalOf", { section: words(section).toLowerCase() }),
                      amount: totalOf(totals, currency, section) ?? "0",
                    },
                  })),
                  {
                    title: "",
                    lines: [],
                    total: {
                      title: words(net?.startsWith("-") ? "netLoss" : "net_income"),
                      amount: net,
                    },
                  },
                ]}
              />
            );
          });
        }}
      </Loaded>
      <MorePages query={pages.query} document={IncomeStatement} />
    </>
  );
}
