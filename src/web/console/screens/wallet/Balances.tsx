/** What a wallet has, as large as it is asked for. */
import { Money } from "../../parts/figures.tsx";
import { Stat } from "../../parts/table.tsx";
import type { WalletOwnerQuery } from "./wallet.documents.ts";
import { useWalletWords } from "./words.ts";

export function Balances({ balance }: { balance: WalletOwnerQuery["walletBalance"] }) {
  const words = useWalletWords();
  if (balance === null) return null;
  const owes = balance.debt !== null && !/^[0.]+$/.test(balance.debt);
  return (
    <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
      <Stat label={words("balance")}>
        <Money amount={balance.balance} currency={balance.currency} />
      </Stat>
      <Stat label={`${words("held")}, ${words("heldLead")}`}>
        <Money amount={balance.held} currency={balance.currency} />
      </Stat>
      <Stat label={words("available")} tone="good">
        <Money amount={balance.available} currency={balance.currency} />
      </Stat>
      {owes && (
        <Stat label={`${words("debt")}. ${words("debtLead")}`} tone="bad">
          <Money amount={balance.debt} currency={balance.currency} />
        </Stat>
      )}
    </div>
  );
}
