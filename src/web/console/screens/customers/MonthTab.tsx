/** A month of a customer: its bill, what happened, and what it says about earlier months. */
import { Badge, Card, Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { Day, Figure, Moment, Money, Month } from "../../parts/figures.tsx";
import { FilterBar } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { MonthFilter, useMonth } from "../../parts/period_filters.tsx";
import { CopyAs, sqlText } from "../../parts/share.tsx";
import { type Column, Facts, PagedTable, Table } from "../../parts/table.tsx";
import {
  CustomerMonthDetail,
  type CustomerMonthDetailQuery,
  CustomerMovements,
  type CustomerMovementsQuery,
  type OneCustomerQuery,
} from "./customers.documents.ts";
import { kindWord, useCustomerWords } from "./words.ts";

type Customer = NonNullable<OneCustomerQuery["customer"]>;
type Bill = NonNullable<CustomerMonthDetailQuery["customerBill"]>;
type Line = NonNullable<NonNullable<Bill["lines"]>[number]>;
type Adjustment = NonNullable<
  NonNullable<CustomerMonthDetailQuery["customerAdjustments"]>["nodes"][number]
>;
type Movement = NonNullable<
  NonNullable<CustomerMovementsQuery["customerTransactions"]>["nodes"][number]
>;

export function MonthTab({ customer }: { customer: Customer }) {
  const words = useCustomerWords();
  const month = useMonth();
  const variables = { id: customer.id, month };
  const query = useDocument(CustomerMonthDetail, variables);
  const place = `saldo.id_of_customer(${sqlText(customer.code)}), ${sqlText(month)}`;
  return (
    <>
      <FilterBar
        extra={
          <CopyAs
            document={CustomerMonthDetail}
            variables={variables}
            sql={`select * from saldo.customer_bill(${place});`}
          />
        }
      >
        <MonthFilter label={words("month")} />
      </FilterBar>
      <Loaded query={query} document={CustomerMonthDetail} lines={8}>
        {({ customerBill, customerAdjustments }) => (
          <>
            {customerBill && <BillCard bill={customerBill} />}
            <Adjustments currency={customer.currency} rows={rowsOf(customerAdjustments)} />
          </>
        )}
      </Loaded>
      <Movements customer={customer} month={month} />
    </>
  );
}

function BillCard({ bill }: { bill: Bill }) {
  const words = useCustomerWords();
  const money = (amount: string | null) => <Money amount={amount} currency={bill.currency} />;
  return (
    <Card title={words("bill")}>
      {Number(bill.unratedCount) > 0 && (
        <Notice weight="warn">{words("unrated", { count: Number(bill.unratedCount) })}</Notice>
      )}
      <Facts
        facts={[
          [words("opening"), money(bill.openingBalance)],
          [words("deposits"), money(bill.deposits)],
          [words("billTotal"), money(bill.total)],
          [words("closing"), <strong key="closing">{money(bill.closingBalance)}</strong>],
        ]}
      />
      <p className="my-2 text-sm text-soft">{words("billHelp")}</p>
      <BillTable bill={bill} />
    </Card>
  );
}

function BillTable({ bill }: { bill: Bill }) {
  const words = useCustomerWords();
  const figure = (title: string, of: (line: Line) => string | null): Column<Line> => ({
    title,
    align: "right",
    cell: (line) => <Figure value={of(line)} />,
  });
  const columns: Column<Line>[] = [
    {
      title: words("what"),
      cell: (line) => (
        <>
          {line.kind === "other" ? line.description : words(kindWord(line.kind))}{" "}
          {line.isProvisional && <Badge tone="wait">{words("provisional")}</Badge>}
        </>
      ),
    },
    { title: words("readOn"), cell: (line) => <Day day={line.readOn} /> },
    { title: words("meter"), cell: (line) => line.meterCode ?? "–" },
    figure(words("volumeM3"), (line) => line.volumeM3),
    figure(words("factor"), (line) => line.factor),
    figure(words("volumeSm3"), (line) => line.volumeSm3 ?? line.quantity),
    figure(words("price"), (line) => line.price),
    {
      title: words("amount"),
      align: "right",
      cell: (line) => <Money amount={line.amount} currency={bill.currency} />,
    },
  ];
  return (
    <Table
      caption={words("billLines")}
      columns={columns}
      rows={(bill.lines ?? []).filter((line) => line !== null)}
      keyOf={({ lineNo }) => String(lineNo)}
      empty={words("noLines")}
    />
  );
}

function Adjustments({ rows, currency }: { rows: readonly Adjustment[]; currency: string }) {
  const words = useCustomerWords();
  const columns: Column<Adjustment>[] = [
    { title: words("about"), cell: ({ originMonth }) => <Month day={originMonth} /> },
    { title: words("kind"), cell: ({ kind }) => words(kindWord(kind)) },
    {
      title: words("amount"),
      align: "right",
      cell: ({ amount }) => <Money amount={amount} currency={currency} signed />,
    },
    {
      title: words("volumeSm3"),
      align: "right",
      cell: ({ volumeSm3 }) => <Figure value={volumeSm3} />,
    },
    {
      title: words("entries"),
      align: "right",
      cell: ({ entryCount }) => <Figure value={entryCount} />,
    },
  ];
  return (
    <Card title={words("adjustments")}>
      <Table
        caption={words("adjustmentRows")}
        columns={columns}
        rows={rows}
        keyOf={({ originMonth, kind }) => `${originMonth} ${kind}`}
        empty={words("noAdjustments")}
      />
    </Card>
  );
}

function Movements({ customer, month }: { customer: Customer; month: string }) {
  const words = useCustomerWords();
  const { currency } = customer;
  const pages = usePages(
    CustomerMovements,
    { id: customer.id, month },
    ({ customerTransactions }) => customerTransactions,
  );
  const money = (title: string, of: (row: Movement) => string | null): Column<Movement> => ({
    title,
    align: "right",
    cell: (row) => <Money amount={of(row)} currency={currency} />,
  });
  const figure = (title: string, of: (row: Movement) => string | null): Column<Movement> => ({
    title,
    align: "right",
    cell: (row) => <Figure value={of(row)} />,
  });
  const columns: Column<Movement>[] = [
    { title: words("at"), cell: ({ occurredAt }) => <Moment at={occurredAt} /> },
    {
      title: words("what"),
      cell: ({ kind, description }) => (
        <span className="break-words">
          {kind === "other" ? description : words(kindWord(kind))}
        </span>
      ),
    },
    { title: words("postedOn"), cell: ({ postingDate }) => <Day day={postingDate} /> },
    figure(words("index"), ({ indexValue }) => indexValue),
    figure(words("volumeSm3"), ({ volumeSm3 }) => volumeSm3),
    figure(words("price"), ({ price }) => price),
    money(words("debit"), ({ debit }) => debit),
    money(words("credit"), ({ credit }) => credit),
    money(words("balance"), ({ balance }) => balance),
  ];
  return (
    <Card title={words("movements")}>
      <PagedTable
        caption={words("movementRows")}
        pages={pages}
        document={CustomerMovements}
        columns={columns}
        keyOf={(row) => `${row.occurredAt} ${row.kind} ${row.readingId} ${row.balance}`}
        empty={words("noMovements")}
      />
    </Card>
  );
}
