/** Lines of a wallet, the newest first, each with the balance after it. */
import type { ReactNode } from "react";
import { usePages } from "../../api/query_client.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { PurchaseBadge } from "./badges.tsx";
import { WalletHistory, type WalletHistoryQuery } from "./wallet.documents.ts";
import { useWalletWords } from "./words.ts";

/** A line as it is shown. */
export type HistoryLine = NonNullable<
  NonNullable<WalletHistoryQuery["walletHistory"]>["nodes"][number]
>;

export function History({
  memberId,
  currency,
  actions,
}: {
  memberId: string;
  currency: string | null;
  /** What staff may do with a line. */
  actions?: (line: HistoryLine) => ReactNode;
}) {
  const words = useWalletWords();
  const pages = usePages(
    WalletHistory,
    { memberId, first: 50 },
    ({ walletHistory }) => walletHistory,
  );
  const columns: Column<HistoryLine>[] = [
    { title: words("when"), cell: ({ occurredAt }) => <Moment at={occurredAt} /> },
    {
      title: words("what"),
      cell: (line) => (
        <div className="min-w-0 wrap-anywhere">
          <span className="font-semibold">{words(`kind_${line.kind ?? "adjustment"}`)}</span>{" "}
          {line.status !== null && line.status !== "completed" && (
            <PurchaseBadge status={line.status} />
          )}
          {/* A top-up without a description of its own has the word for one. */}
          {line.description !== "Top-up" && <div className="text-soft">{line.description}</div>}
        </div>
      ),
    },
    {
      title: words("amount"),
      align: "right",
      cell: ({ amount, status }) => (
        <span className={status === "failed" ? "line-through" : ""}>
          <Money amount={amount} currency={currency} signed />
        </span>
      ),
    },
    {
      title: words("balanceAfter"),
      align: "right",
      cell: ({ balance }) => <Money amount={balance} currency={currency} />,
    },
  ];
  if (actions) columns.push({ title: words("actions"), cell: actions });
  return (
    <PagedTable
      caption={words("history")}
      pages={pages}
      document={WalletHistory}
      columns={columns}
      keyOf={(line) => `${line.id}-${line.kind}`}
      empty={words("noHistory")}
    />
  );
}
