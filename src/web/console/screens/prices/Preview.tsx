/** What a change would do: in all, by month, and for whom it is most. */
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

/** `counted`: what is rated or charged again. */
export function Preview({
  rows,
  counted,
}: {
  rows: readonly PreviewRow[];
  counted: "readings" | "charges";
}) {
  const words = usePriceWords();
  if (rows.length === 0) {
    return (
      <Card title={words("inAll")}>
        <p>{words(counted === "charges" ? "nothingCharged" : "nothing")}</p>
      </Card>
    );
  }
  const months = rows.filter(({ month }) => month !== null);
  const customers = rows.filter(({ customerId }) => customerId !== null);
  const all = rows.filter(({ month, customerId }) => month === null && customerId === null);
  return (
    <>
      <Rows
        counted={counted}
        title={words("inAll")}
        rows={all}
        first={words("inAll")}
        nameOf={({ currency }) => currency}
      />
      <Rows
        counted={counted}
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
        counted={counted}
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
  counted,
  title,
  rows,
  first,
  nameOf,
}: {
  counted: "readings" | "charges";
  title: string;
  rows: readonly PreviewRow[];
  first: string;
  nameOf: Column<PreviewRow>["cell"];
}) {
  const words = usePriceWords();
  const columns: Column<PreviewRow>[] = [
    { title: first, cell: nameOf },
    {
      title: words(counted === "charges" ? "chargedMonths" : "readings"),
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
