/** The twelve months of a customer: as reported, restated, or both. */
import { Badge } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { Money, Month } from "../../parts/figures.tsx";
import { FilterBar } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { useYear, YearFilter } from "../../parts/period_filters.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import { BasisFilter, useShown } from "./BasisFilter.tsx";
import {
  CustomerYear,
  type FiguresOfMonthFragment as Figures,
  type OneCustomerQuery,
} from "./customers.documents.ts";
import { FiguresChart } from "./FiguresChart.tsx";
import { useFigureColumns } from "./FiguresOfAll.tsx";
import { useCustomerWords } from "./words.ts";

type Customer = NonNullable<OneCustomerQuery["customer"]>;

interface Pair {
  readonly reported: Figures;
  readonly restated: Figures | undefined;
}

export function MonthsTab({ customer }: { customer: Customer }) {
  const words = useCustomerWords();
  const year = useYear();
  const shown = useShown();
  const variables = { id: customer.id, year };
  const query = useDocument(CustomerYear, variables);
  const basis = shown === "restated" ? "restated" : "reported";
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink
              name="customer-months"
              filters={{ customer: customer.id, year: String(year), basis }}
            />
            <CopyAs
              document={CustomerYear}
              variables={variables}
              sql={`select * from saldo.customer_year(saldo.id_of_customer(${sqlText(customer.code)}), ${year}, ${sqlText(basis)});`}
            />
          </>
        }
      >
        <YearFilter label={words("year")} />
        <BasisFilter hasBoth />
      </FilterBar>
      <Loaded query={query} document={CustomerYear} lines={12}>
        {({ reported, restated }) => {
          const pairs = pairsOf(reported, restated);
          const rows = pairs.map((pair) =>
            shown === "restated" ? (pair.restated ?? pair.reported) : pair.reported,
          );
          return (
            <>
              <FiguresChart months={rows} currency={customer.currency} />
              {shown === "both" ? (
                <BothTable customer={customer} pairs={pairs} />
              ) : (
                <MonthsTable customer={customer} rows={rows} />
              )}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

type Months = { readonly nodes: readonly (Figures | null)[] } | null;

function pairsOf(reported: Months, restated: Months): Pair[] {
  return rowsOf(reported).map((each) => ({
    reported: each,
    restated: rowsOf(restated).find(({ month }) => month === each.month),
  }));
}

const MonthLink = ({ customer, month }: { customer: Customer; month: string | null }) => (
  <Go to={`/customers/${customer.id}`} search={{ tab: "bill", month: month?.slice(0, 7) }}>
    <span className="whitespace-nowrap">
      <Month day={month} />
    </span>
  </Go>
);

function MonthsTable({ customer, rows }: { customer: Customer; rows: readonly Figures[] }) {
  const words = useCustomerWords();
  const figures = useFigureColumns<Figures>(() => customer.currency);
  const columns: Column<Figures>[] = [
    {
      title: words("month"),
      cell: ({ month }) => <MonthLink customer={customer} month={month} />,
    },
    ...figures,
  ];
  return (
    <Table
      caption={words("tabMonths")}
      columns={columns}
      rows={rows}
      keyOf={({ month }) => String(month)}
      empty={words("noFigures")}
    />
  );
}

/** Whether both bases tell the same of a month. */
const isSame = ({ reported, restated }: Pair) =>
  restated !== undefined &&
  (["deposits", "purchases", "closingBalance", "volumeSm3"] as const).every(
    (name) => Number(reported[name]) === Number(restated[name]),
  );

function BothTable({ customer, pairs }: { customer: Customer; pairs: readonly Pair[] }) {
  const words = useCustomerWords();
  const money = (title: string, of: (pair: Pair) => string | null | undefined): Column<Pair> => ({
    title,
    align: "right",
    cell: (pair) => <Money amount={of(pair)} currency={customer.currency} />,
  });
  const columns: Column<Pair>[] = [
    {
      title: words("month"),
      cell: (pair) => (
        <>
          <MonthLink customer={customer} month={pair.reported.month} />{" "}
          {!isSame(pair) && <Badge tone="wait">{words("isRestated")}</Badge>}
        </>
      ),
    },
    money(words("depositsReported"), ({ reported }) => reported.deposits),
    money(words("depositsRestated"), ({ restated }) => restated?.deposits),
    money(words("purchasesReported"), ({ reported }) => reported.purchases),
    money(words("purchasesRestated"), ({ restated }) => restated?.purchases),
    money(words("closingReported"), ({ reported }) => reported.closingBalance),
    money(words("closingRestated"), ({ restated }) => restated?.closingBalance),
  ];
  return (
    <>
      <p className="text-soft">{words("basisHelp")}</p>
      <Table
        caption={words("both")}
        columns={columns}
        rows={pairs}
        keyOf={({ reported }) => String(reported.month)}
        empty={words("noFigures")}
      />
    </>
  );
}
