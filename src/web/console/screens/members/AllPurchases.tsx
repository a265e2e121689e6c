/** Purchases of all members, the newest first. */
import { usePages } from "../../api/query_client.ts";
import { Figure, Moment, Money } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { PurchaseBadge } from "../wallet/badges.tsx";
import type { PurchaseStatus } from "../wallet/wallet.documents.ts";
import { useWalletWords } from "../wallet/words.ts";
import { Purchases } from "./purchases.documents.ts";
import { useMembersWords } from "./words.ts";

const statuses = [
  "pending",
  "completed",
  "failed",
  "partially_refunded",
  "refunded",
] as const satisfies readonly PurchaseStatus[];

export function AllPurchases() {
  const words = useMembersWords();
  const walletWords = useWalletWords();
  const { filters } = useFilters();
  const status = statuses.find((each) => each === filters["status"]);
  const filter = status === undefined ? {} : { status: { equalTo: status } };
  const pages = usePages(Purchases, { filter, first: 50 }, ({ purchases }) => purchases);
  const where = status === undefined ? "" : `where status = ${sqlText(status)} `;
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="purchases" filters={{ status }} />
            <CopyAs
              document={Purchases}
              variables={{ filter, first: 50 }}
              sql={`select * from saldo.purchase ${where}order by id desc limit 50;`}
            />
          </>
        }
      >
        <ChoiceFilter
          name="status"
          label={words("status")}
          options={statuses.map((each) => [each, walletWords(`status_${each}`)] as const)}
        />
      </FilterBar>
      <PagedTable
        caption={words("purchases")}
        pages={pages}
        keyOf={({ id }) => id}
        empty={words("noPurchases")}
        columns={[
          {
            title: words("allWhen"),
            cell: ({ id, accountId, occurredAt }) => (
              <Go to={`/purchases/${accountId}/${id}`}>
                <Moment at={occurredAt} />
              </Go>
            ),
          },
          {
            title: words("member"),
            cell: ({ memberId, member }) => (
              <Go to={`/members/${memberId}`}>{member?.name ?? memberId}</Go>
            ),
          },
          { title: words("product"), cell: ({ product }) => product?.name ?? "–" },
          {
            title: words("quantity"),
            align: "right",
            cell: ({ quantity }) => <Figure value={quantity} />,
          },
          {
            title: words("amount"),
            align: "right",
            cell: ({ amount, product }) => <Money amount={amount} currency={product?.currency} />,
          },
          { title: words("status"), cell: ({ status: state }) => <PurchaseBadge status={state} /> },
        ]}
      />
    </>
  );
}
