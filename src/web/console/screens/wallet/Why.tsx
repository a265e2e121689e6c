/** Why a balance is what it is: what each kind of line has added to it or taken from it. */
import { Notice } from "../../../shared/ui.tsx";
import { useDocument } from "../../api/query_client.ts";
import { isSameAmount } from "../../parts/amount.ts";
import { Figure, Moment, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Table } from "../../parts/table.tsx";
import { WalletParts, type WalletPartsQuery } from "./wallet.documents.ts";
import { useWalletWords } from "./words.ts";

export function Why({ memberId }: { memberId: string }) {
  const query = useDocument(WalletParts, { memberId });
  return (
    <Loaded query={query} document={WalletParts}>
      {(data) => <Parts data={data} />}
    </Loaded>
  );
}

function Parts({ data }: { data: WalletPartsQuery }) {
  const words = useWalletWords();
  const parts = (data.walletBalanceParts?.nodes ?? []).filter((part) => part !== null);
  const balance = data.walletBalance;
  if (balance === null) return null;
  const { currency } = balance;
  const total = parts.at(-1)?.total ?? "0";
  const agrees = isSameAmount(total, balance.balance ?? "0");
  return (
    <>
      <p className="text-soft">{words("whyLead")}</p>
      <Table
        caption={words("why")}
        rows={parts}
        keyOf={({ kind }) => String(kind)}
        empty={words("nothingPosted")}
        columns={[
          { title: words("kind"), cell: ({ kind }) => words(`kind_${kind ?? "adjustment"}`) },
          {
            title: words("lines"),
            align: "right",
            cell: ({ lineCount }) => <Figure value={lineCount} />,
          },
          { title: words("firstAt"), cell: ({ firstAt }) => <Moment at={firstAt} only="date" /> },
          { title: words("lastAt"), cell: ({ lastAt }) => <Moment at={lastAt} only="date" /> },
          {
            title: words("sum"),
            align: "right",
            cell: ({ amount }) => <Money amount={amount} currency={currency} signed />,
          },
          {
            title: words("total"),
            align: "right",
            cell: ({ total: soFar }) => <Money amount={soFar} currency={currency} />,
          },
        ]}
      />
      {agrees ? (
        <p className="font-semibold text-good">
          {words("agrees")} <Money amount={total} currency={currency} /> ={" "}
          <Money amount={balance.balance} currency={currency} />
        </p>
      ) : (
        <Notice weight="bad">
          {words("disagrees")} <Money amount={total} currency={currency} /> ≠{" "}
          <Money amount={balance.balance} currency={currency} />
        </Notice>
      )}
      <p>
        {words("ofWhich")} <Money amount={balance.held} currency={currency} /> {words("isHeld")}{" "}
        <Money amount={balance.available} currency={currency} /> {words("isAvailable")}
      </p>
    </>
  );
}
