/** Accounts as the tree that their codes are: "till:" opens to "till:1" and "till:2". */
import { useState } from "react";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { Figure, Money } from "../../parts/figures.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { AccountGroups, type AccountGroupsQuery } from "./accounts.documents.ts";
import { useAccountWords } from "./words.ts";

type Group = NonNullable<NonNullable<AccountGroupsQuery["accountGroups"]>["nodes"][number]>;

const SHOWN_MAX = 200;

export function CodeTree() {
  const words = useAccountWords();
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details
      className="rounded-xl border border-line bg-card p-4"
      onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}
    >
      <summary className="cursor-pointer font-semibold">{words("tree")}</summary>
      <div className="pt-3">{isOpen && <Branches parent={null} />}</div>
    </details>
  );
}

/** What is one step below the beginning of a code. */
function Branches({ parent }: { parent: string | null }) {
  const words = useAccountWords();
  const query = useDocument(AccountGroups, { parent });
  return (
    <Loaded query={query} document={AccountGroups} lines={2}>
      {({ accountGroups }) => {
        const groups = rowsOf(accountGroups);
        return (
          <>
            {groups.length === 0 && <p className="text-soft">{words("none")}</p>}
            <ul className="flex flex-col gap-1">
              {groups.map((group) => (
                <li key={`${group.prefix} ${group.type} ${group.currency}`}>
                  <Branch group={group} />
                </li>
              ))}
            </ul>
            {groups.length === SHOWN_MAX && <p className="text-soft">{words("treeCut")}</p>}
          </>
        );
      }}
    </Loaded>
  );
}

function Branch({ group }: { group: Group }) {
  const ledger = useLedgerWords();
  const [isOpen, setIsOpen] = useState(false);
  const { prefix, accountId, accountCount, type, currency, balance } = group;
  const isLeaf = accountId !== null && accountCount === "1";
  const figures = (
    <span className="flex flex-wrap justify-end gap-x-4 text-right">
      <span className="text-soft">
        {type && ledger(type)}
        {!isLeaf && (
          <>
            {" · "}
            <Figure value={accountCount} />
          </>
        )}
      </span>
      <Money amount={balance} currency={currency} />
    </span>
  );
  const row = "flex flex-wrap justify-between gap-x-4 rounded px-2 py-1 hover:bg-ground";
  if (isLeaf) {
    return (
      <div className={row}>
        <span className="break-all">
          <Go to={`/accounts/${accountId}`}>{prefix}</Go>
        </span>
        {figures}
      </div>
    );
  }
  return (
    <details onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}>
      <summary className={`${row} cursor-pointer`}>
        <span className="break-all font-medium">
          <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span> {prefix}
        </span>
        {figures}
      </summary>
      <div className="ml-3 border-l border-line pl-2">{isOpen && <Branches parent={prefix} />}</div>
    </details>
  );
}
