/** What is unusual about an account, in a word each. */
import { Badge } from "../../../shared/ui.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";

export function AccountState({
  account,
}: {
  account: {
    readonly mode: "hot" | "immediate";
    readonly frozenAt: string | null;
    readonly closedAt: string | null;
  };
}) {
  const ledger = useLedgerWords();
  return (
    <span className="inline-flex flex-wrap gap-1">
      {account.mode === "hot" && <Badge tone="wait">{ledger("hot")}</Badge>}
      {account.frozenAt && <Badge tone="bad">{ledger("frozen")}</Badge>}
      {account.closedAt && <Badge tone="wait">{ledger("closed")}</Badge>}
    </span>
  );
}
