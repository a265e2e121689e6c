/** What is promised, and what waits for settlement. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { Figure, Moment, Money } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import type { AccountFacts } from "./account_facts.ts";
import { AccountHolds, AccountPending } from "./accounts.documents.ts";
import { useAccountWords } from "./words.ts";

/** Holds of the account, the last first. */
export function HoldsTab({ account: { id, currency } }: { account: AccountFacts }) {
  const words = useAccountWords();
  const pages = usePages(AccountHolds, { id }, ({ holds }) => holds);
  return (
    <>
      <Take>
        <CsvLink name="holds" filters={{ account_id: id }} />
        <CopyAs
          document={AccountHolds}
          variables={{ id }}
          sql={`select * from saldo.hold where account_id = ${id} order by id desc;`}
        />
      </Take>
      <PagedTable
        caption={words("holds")}
        document={AccountHolds}
        pages={pages}
        keyOf={({ id: holdId }) => holdId}
        empty={words("noHolds")}
        columns={[
          {
            title: words("state"),
            cell: ({ status }) => (
              <Badge tone={status === "HELD" ? "good" : "wait"}>{words(`hold${status}`)}</Badge>
            ),
          },
          {
            title: words("what"),
            cell: ({ description, closeReason }) => (
              <span className="break-words">
                {description}
                {closeReason && <span className="block text-sm text-soft">{closeReason}</span>}
              </span>
            ),
          },
          {
            title: words("counter"),
            cell: ({ counterAccount: counter }) =>
              counter && <Go to={`/accounts/${counter.id}`}>{counter.code}</Go>,
          },
          {
            title: words("amount"),
            align: "right",
            cell: ({ amount }) => <Money amount={amount} currency={currency} />,
          },
          {
            title: words("openAmount"),
            align: "right",
            cell: ({ openAmount }) => <Money amount={openAmount} currency={currency} />,
          },
          { title: words("placedAt"), cell: ({ createdAt }) => <Moment at={createdAt} /> },
          {
            title: words("until"),
            cell: ({ closedAt, expiresAt }) => <Moment at={closedAt ?? expiresAt} />,
          },
        ]}
      />
    </>
  );
}

/** Transactions of a hot account that are not settled yet, the oldest first. */
export function PendingTab({ account: { id, currency } }: { account: AccountFacts }) {
  const words = useAccountWords();
  const pages = usePages(AccountPending, { id }, (result) => result.pendingSubBalances);
  return (
    <>
      <Take>
        <CsvLink name="pending" filters={{ account_id: id }} />
        <CopyAs
          document={AccountPending}
          variables={{ id }}
          sql={`select * from saldo.pending_sub_balances(${id});`}
        />
      </Take>
      <PagedTable
        caption={words("pending")}
        document={AccountPending}
        pages={pages}
        keyOf={({ id: rowId }) => rowId}
        empty={words("noPending")}
        columns={[
          { title: words("submittedAt"), cell: ({ createdAt }) => <Moment at={createdAt} /> },
          {
            title: words("counter"),
            cell: ({ counterAccount: counter }) =>
              counter && <Go to={`/accounts/${counter.id}`}>{counter.code}</Go>,
          },
          {
            title: words("debit"),
            align: "right",
            cell: ({ direction, amount }) =>
              direction === "debit" ? <Money amount={amount} currency={currency} /> : null,
          },
          {
            title: words("credit"),
            align: "right",
            cell: ({ direction, amount }) =>
              direction === "credit" ? <Money amount={amount} currency={currency} /> : null,
          },
          {
            title: words("slot"),
            align: "right",
            cell: ({ slotNo }) => <Figure value={slotNo} />,
          },
          { title: words("by"), cell: ({ createdBy }) => createdBy },
        ]}
      />
    </>
  );
}
