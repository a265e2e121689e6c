/** The months of an account, as a chart and as a table. */
import { lazy, Suspense } from "react";
import { Choice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { Figure, Money, Month } from "../../parts/figures.tsx";
import { DayFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { Loaded, Skeleton } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { Table } from "../../parts/table.tsx";
import { isDay, lastDayOf, useToday } from "../../parts/today.ts";
import { usePartWords } from "../../parts/words.ts";
import type { AccountFacts } from "./account_facts.ts";
import { AccountMonths, type BalanceBasis } from "./accounts.documents.ts";
import { useAccountWords } from "./words.ts";

const BalanceChart = lazy(() => import("./BalanceChart.tsx"));

/** The first day of a month of the address, or nothing. */
const monthOf = (month: string | undefined) =>
  isDay(`${month?.slice(0, 7)}-01`) ? `${month?.slice(0, 7)}-01` : null;

export function MonthsTab({ account }: { account: AccountFacts }) {
  const words = useAccountWords();
  const parts = usePartWords();
  const today = useToday();
  const { filters, setFilters } = useFilters();
  const basis: BalanceBasis = filters["basis"] === "restated" ? "restated" : "reported";
  const to = monthOf(filters["to_month"]) ?? `${today.slice(0, 7)}-01`;
  const from = monthOf(filters["from_month"]);
  const query = useDocument(AccountMonths, { id: account.id, from, to, basis });
  const money = (amount: string | null) => <Money amount={amount} currency={account.currency} />;
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink
              name="account-months"
              filters={{
                account_id: account.id,
                from_month: from?.slice(0, 7),
                to_month: to.slice(0, 7),
                basis,
              }}
            />
            <CopyAs
              document={AccountMonths}
              variables={{ id: account.id, from, to, basis }}
              sql={`select * from saldo.monthly_balance(${account.id}, ${from === null ? "null" : `'${from}'`}, '${to}', '${basis}');`}
            />
          </>
        }
      >
        <DayFilter name="from_month" label={parts("from")} kind="month" />
        <DayFilter name="to_month" label={parts("to")} kind="month" fallback={to.slice(0, 7)} />
        <Choice
          label={words("basis")}
          value={basis}
          options={[
            ["reported", words("reported")],
            ["restated", words("restated")],
          ]}
          onChange={({ target }) => setFilters({ basis: target.value })}
        />
      </FilterBar>
      <Loaded query={query} document={AccountMonths}>
        {({ monthlyBalance }) => {
          const months = rowsOf(monthlyBalance);
          return (
            <>
              <Suspense fallback={<Skeleton lines={4} />}>
                <BalanceChart months={months} currency={account.currency} />
              </Suspense>
              <Table
                caption={words("months")}
                rows={months}
                keyOf={({ month }) => month ?? ""}
                columns={[
                  {
                    title: words("month"),
                    cell: ({ month }) => (
                      <Go
                        to={`/accounts/${account.id}`}
                        search={{ from: month ?? "", to: lastDayOf(month ?? "") }}
                      >
                        <Month day={month} />
                      </Go>
                    ),
                  },
                  { title: words("opening"), align: "right", cell: (row) => money(row.opening) },
                  { title: words("debit"), align: "right", cell: (row) => money(row.debit) },
                  { title: words("credit"), align: "right", cell: (row) => money(row.credit) },
                  ...(months.some(({ yearEnd }) => !/^0(\.0*)?$/.test(yearEnd ?? "0"))
                    ? [
                        {
                          title: words("yearEnd"),
                          align: "right" as const,
                          cell: (row: (typeof months)[number]) => money(row.yearEnd),
                        },
                      ]
                    : []),
                  { title: words("closing"), align: "right", cell: (row) => money(row.closing) },
                  {
                    title: words("lines"),
                    align: "right",
                    cell: ({ lineCount }) => <Figure value={lineCount} />,
                  },
                ]}
              />
            </>
          );
        }}
      </Loaded>
    </>
  );
}
