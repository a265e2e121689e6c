/** How a purchase or a hold stands, in a word. */
import { Badge } from "../../../shared/ui.tsx";
import type { HoldStatus, PurchaseStatus } from "./wallet.documents.ts";
import { useWalletWords } from "./words.ts";

const purchaseTones = {
  pending: "wait",
  completed: "good",
  failed: "bad",
  partially_refunded: "wait",
  refunded: "wait",
} as const;

export function PurchaseBadge({ status }: { status: PurchaseStatus }) {
  const words = useWalletWords();
  return <Badge tone={purchaseTones[status]}>{words(`status_${status}`)}</Badge>;
}

export function HoldBadge({ status }: { status: HoldStatus }) {
  const words = useWalletWords();
  return <Badge tone={status === "HELD" ? "good" : "wait"}>{words(`hold_${status}`)}</Badge>;
}
