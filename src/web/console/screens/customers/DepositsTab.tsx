/** Deposits of a customer; one that was changed or taken back stays to be seen. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import {
  CustomerDeposits,
  type CustomerDepositsQuery,
  type OneCustomerQuery,
} from "./customers.documents.ts";
import { useCustomerWords } from "./words.ts";

type Customer = NonNullable<OneCustomerQuery["customer"]>;
type Deposit = NonNullable<NonNullable<CustomerDepositsQuery["deposits"]>["nodes"][number]>;

export function CustomerDepositsTab({ customer }: { customer: Customer }) {
  const words = useCustomerWords();
  const variables = { accountId: customer.accountId };
  const pages = usePages(CustomerDeposits, variables, ({ deposits }) => deposits);
  const columns: Column<Deposit>[] = [
    { title: words("at"), cell: ({ occurredAt }) => <Moment at={occurredAt} /> },
    {
      title: words("amount"),
      align: "right",
      cell: ({ amount }) => <Money amount={amount} currency={customer.currency} />,
    },
    {
      title: words("description"),
      cell: ({ description }) => <span className="break-words">{description}</span>,
    },
    {
      title: words("status"),
      cell: ({ status }) => (
        <Badge tone={status === "current" ? "good" : "wait"}>{words(status)}</Badge>
      ),
    },
    { title: words("recordedBy"), cell: ({ recordedBy }) => recordedBy },
    {
      title: words("entry"),
      cell: ({ entryId }) => <Go to={`/journal/${entryId}`}>{words("show")}</Go>,
    },
  ];
  return (
    <>
      <Take>
        <CsvLink name="deposits" filters={{ customer: customer.id }} />
        <CopyAs
          document={CustomerDeposits}
          variables={variables}
          sql={`select * from saldo.deposit where account_id = ${customer.accountId} order by id desc;`}
        />
      </Take>
      <PagedTable
        caption={words("depositsCaption")}
        pages={pages}
        document={CustomerDeposits}
        columns={columns}
        keyOf={({ id }) => id}
        empty={words("noDeposits")}
      />
    </>
  );
}
