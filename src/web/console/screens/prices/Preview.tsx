/** What a change of price would do: in all, by month, and for whom it is most. */
import { Badge, Card } from "../../../shared/ui.tsx";
import { Figure, Money, Month } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import type { PreviewPriceMutation } from "./prices.documents.ts";
import { usePriceWords } from "./words.ts";

/** A line of the preview. */
export type PreviewRow = NonNullable<
  NonNullable<NonNullable<PreviewPriceMutation["previewTariffVersion"]>["result"]>[number]
>;

export function Preview({ rows }: { rows: readonly PreviewRow[] }) {
  const words = usePriceWords();
  if (rows.length === 0) {
    return (
      <Card title={words("inAll")}>
        <p>{words("nothing")}</p>
      </Card>
    );
  }
  const months = rows.filter(({ month }) => month !== null);
  const customers = rows.filter(({ customerId }) => customerId !== null);
  const all = rows.filter(({ month, customerId }) => month === null && customerId === null);
  return (
    <>
      <Rows
        title={words("inAll")}
        rows={all}
        first={words("inAll")}
        nameOf={({ currency }) => currency}
      />
      <Rows
        title={words("byMonth")}
        rows={months}
        first={words("month")}
        nameOf={({ month, isClosed }) => (
          <>
            <Month day={month} /> {isClosed && <Badge tone="wait">{words("closedMonth")}</Badge>}
          </>
        )}
      />
      <Rows
        title={words("byCustomer")}
        rows={customers}
        first={words("scope")}
        nameOf={({ customerId, customerCode, customerName }) => (
          <>
            <Go to={`/customers/${customerId}`}>{customerCode}</Go> {customerName}
          </>
        )}
      />
    </>
  );
}

function Rows({
  title,
  rows,
  first,
  nameOf,
}: {
  title: string;
  rows: readonly PreviewRow[];
  first: string;
  nameOf: Column<PreviewRow>["cell"];
}) {
  const words = usePriceWords();
  const columns: Column<PreviewRow>[] = [
    { title: first, cell: nameOf },
    {
      title: words("readings"),
      align: "right",
      cell: ({ readingCount }) => <Figure value={readingCount} />,
    },
    {
      title: words("before"),
      align: "right",
      cell: ({ amountBefore, currency }) => <Money amount={amountBefore} currency={currency} />,
    },
    {
      title: words("after"),
      align: "right",
      cell: ({ amountAfter, currency }) => <Money amount={amountAfter} currency={currency} />,
    },
    {
      title: words("difference"),
      align: "right",
      cell: ({ amountChange, currency }) => (
        <strong>
          <Money amount={amountChange} currency={currency} signed />
        </strong>
      ),
    },
  ];
  return (
    <Card title={title}>
      <Table
        caption={`${title}: ${words("difference")}`}
        columns={columns}
        rows={rows}
        keyOf={({ month, customerId, currency }) => `${month} ${customerId} ${currency}`}
      />
    </Card>
  );
}
