/** Purchases of a wallet, the newest first. */
import type { ReactNode } from "react";
import { usePages } from "../../api/query_client.ts";
import { Figure, Moment, Money } from "../../parts/figures.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { PurchaseBadge } from "./badges.tsx";
import { WalletPurchases, type WalletPurchasesQuery } from "./wallet.documents.ts";
import { useWalletWords } from "./words.ts";

type Row = NonNullable<NonNullable<WalletPurchasesQuery["purchases"]>["nodes"][number]>;

export function Purchases({
  accountId,
  currency,
  linkOf,
}: {
  accountId: string;
  currency: string | null;
  /** A link to the purchase's page, where there is one. */
  linkOf?: (id: string, text: ReactNode) => ReactNode;
}) {
  const words = useWalletWords();
  const pages = usePages(WalletPurchases, { accountId, first: 50 }, ({ purchases }) => purchases);
  const columns: Column<Row>[] = [
    {
      title: words("when"),
      cell: ({ id, occurredAt }) => {
        const at = <Moment at={occurredAt} />;
        return linkOf ? linkOf(id, at) : at;
      },
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
      cell: ({ amount }) => <Money amount={amount} currency={currency} />,
    },
    { title: words("status"), cell: ({ status }) => <PurchaseBadge status={status} /> },
    {
      title: words("codes"),
      cell: ({ stockItems }) =>
        stockItems.nodes.map((item) => item?.code).join(", ") || <span>–</span>,
    },
  ];
  return (
    <PagedTable
      caption={words("purchases")}
      pages={pages}
      columns={columns}
      keyOf={({ id }) => id}
      empty={words("noPurchases")}
    />
  );
}
