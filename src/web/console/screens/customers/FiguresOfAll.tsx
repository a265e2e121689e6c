/** The figures of all customers: a month with a line for each, and the totals of a year. */
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { Figure, Money, Month } from "../../parts/figures.tsx";
import { FilterBar } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { MonthFilter, useMonth, useYear, YearFilter } from "../../parts/period_filters.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, PagedTable, Table } from "../../parts/table.tsx";
import { BasisFilter, useShown } from "./BasisFilter.tsx";
import {
  CustomersOfMonth,
  CustomersOfYear,
  type FiguresOfAllFragment as Figures,
} from "./customers.documents.ts";
import { FiguresChart } from "./FiguresChart.tsx";
import { useCustomerWords } from "./words.ts";

/** What the columns behind the first one show. */
type Shown = Omit<
  Figures,
  "currency" | "month" | "customerId" | "customerCode" | "customerName" | "customerCount"
>;

/** The columns that all of these tables have behind their first. */
export function useFigureColumns<Row extends Shown>(
  currencyOf: (row: Row) => string | null | undefined,
): Column<Row>[] {
  const words = useCustomerWords();
  const money = (
    title: string,
    of: (row: Row) => string | null | undefined,
    signed = false,
  ): Column<Row> => ({
    title,
    align: "right",
    cell: (row) => <Money amount={of(row)} currency={currencyOf(row)} signed={signed} />,
  });
  return [
    money(words("opening"), (row) => row.openingBalance),
    money(words("deposits"), (row) => row.deposits),
    money(words("purchases"), (row) => row.purchases),
    money(words("depositAdjustments"), (row) => row.depositAdjustments, true),
    money(words("purchaseAdjustments"), (row) => row.purchaseAdjustments, true),
    money(words("others"), (row) => row.others, true),
    money(words("closing"), (row) => row.closingBalance),
    {
      title: words("volume"),
      align: "right",
      cell: (row) => <Figure value={row.volumeSm3} />,
    },
  ];
}

export function MonthOfAll() {
  const words = useCustomerWords();
  const month = useMonth();
  const basis = useShown() === "restated" ? "restated" : "reported";
  const variables = { month, basis } as const;
  const pages = usePages(CustomersOfMonth, variables, ({ customersMonth }) => customersMonth);
  const figures = useFigureColumns<Figures>(({ currency }) => currency);
  const columns: Column<Figures>[] = [
    {
      title: words("name"),
      cell: ({ customerId, customerCode, customerName, customerCount }) =>
        customerId === null ? (
          <strong>{words("allCustomers", { count: Number(customerCount) })}</strong>
        ) : (
          <>
            <Go to={`/customers/${customerId}`} search={{ tab: "bill", month: month.slice(0, 7) }}>
              {customerCode}
            </Go>{" "}
            {customerName}
          </>
        ),
    },
    ...figures,
  ];
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="customer-months" filters={{ month: month.slice(0, 7), basis }} />
            <CopyAs
              document={CustomersOfMonth}
              variables={variables}
              sql={`select * from saldo.customers_month(${sqlText(month)}, ${sqlText(basis)});`}
            />
          </>
        }
      >
        <MonthFilter label={words("month")} />
        <BasisFilter />
      </FilterBar>
      <PagedTable
        caption={words("viewMonth")}
        pages={pages}
        document={CustomersOfMonth}
        columns={columns}
        keyOf={({ customerId, currency }) => customerId ?? `all ${currency}`}
        empty={words("noFigures")}
      />
    </>
  );
}

export function YearOfAll() {
  const words = useCustomerWords();
  const year = useYear();
  const basis = useShown() === "restated" ? "restated" : "reported";
  const query = useDocument(CustomersOfYear, { year, basis });
  const figures = useFigureColumns<Figures>(({ currency }) => currency);
  const columns: Column<Figures>[] = [
    {
      title: words("month"),
      cell: ({ month, currency }) =>
        month === null ? (
          <strong>
            {words("wholeYear")} {currency}
          </strong>
        ) : (
          <Go to="/customers" search={{ view: "month", month: month.slice(0, 7) }}>
            <span className="whitespace-nowrap">
              <Month day={month} />
            </span>
          </Go>
        ),
    },
    ...figures,
  ];
  return (
    <>
      <FilterBar
        extra={
          <CopyAs
            document={CustomersOfYear}
            variables={{ year, basis }}
            sql={`select * from saldo.customers_year(${year}, ${sqlText(basis)});`}
          />
        }
      >
        <YearFilter label={words("year")} />
        <BasisFilter />
      </FilterBar>
      <Loaded query={query} document={CustomersOfYear} lines={12}>
        {({ customersYear }) => {
          const totals = rowsOf(customersYear).filter(({ customerId }) => customerId === null);
          const currencies = [...new Set(totals.map(({ currency }) => currency))];
          return (
            <>
              {currencies.map((currency) => (
                <FiguresChart
                  key={currency}
                  currency={currency}
                  months={totals.filter((each) => each.currency === currency && each.month)}
                />
              ))}
              <Table
                caption={words("totals")}
                columns={columns}
                rows={totals}
                keyOf={({ month, currency }) => `${month} ${currency}`}
                empty={words("noFigures")}
              />
            </>
          );
        }}
      </Loaded>
    </>
  );
}
