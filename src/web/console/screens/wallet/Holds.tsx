/** Holds of a wallet, the newest first. */
import type { ReactNode } from "react";
import { usePages } from "../../api/query_client.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { CsvLink, Take } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { HoldBadge } from "./badges.tsx";
import { WalletHolds, type WalletHoldsQuery } from "./wallet.documents.ts";
import { useWalletWords } from "./words.ts";

/** A hold as it is shown. */
export type HoldRow = NonNullable<NonNullable<WalletHoldsQuery["holds"]>["nodes"][number]>;

export function Holds({
  accountId,
  currency,
  actions,
}: {
  accountId: string;
  currency: string | null;
  /** What staff may do with a hold. */
  actions?: (hold: HoldRow) => ReactNode;
}) {
  const words = useWalletWords();
  const pages = usePages(WalletHolds, { accountId, first: 50 }, ({ holds }) => holds);
  const money = (amount: string) => <Money amount={amount} currency={currency} />;
  const columns: Column<HoldRow>[] = [
    { title: words("when"), cell: ({ createdAt }) => <Moment at={createdAt} /> },
    {
      title: words("description"),
      cell: ({ description, source, closeReason }) => (
        <div className="min-w-0 wrap-anywhere">
          {description}
          {source === "purchase" && <div className="text-soft">{words("forPurchase")}</div>}
          {closeReason && <div className="text-soft">{closeReason}</div>}
        </div>
      ),
    },
    { title: words("amount"), align: "right", cell: ({ amount }) => money(amount) },
    { title: words("open"), align: "right", cell: ({ openAmount }) => money(openAmount) },
    {
      title: words("captured"),
      align: "right",
      cell: ({ capturedAmount }) => money(capturedAmount),
    },
    { title: words("status"), cell: ({ status }) => <HoldBadge status={status} /> },
    {
      title: words("expires"),
      cell: ({ status, expiresAt }) => <Moment at={status === "HELD" ? expiresAt : null} />,
    },
  ];
  if (actions) columns.push({ title: words("actions"), cell: actions });
  return (
    <>
      <Take>
        <CsvLink name="holds" filters={{ account_id: accountId }} />
      </Take>
      <PagedTable
        caption={words("holds")}
        pages={pages}
        columns={columns}
        keyOf={({ id }) => id}
        empty={words("noHolds")}
      />
    </>
  );
}
