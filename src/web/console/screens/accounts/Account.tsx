/** An account: what is in it, what came of what, and what one may do with it. */
import { Notice } from "../../../shared/ui.tsx";
import { useLive } from "../../api/live.ts";
import { client, useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { Figure, Moment, Money } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Loaded } from "../../parts/loaded.tsx";
import { isNumberName, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page, Tabs } from "../../parts/page.tsx";
import { CopyAs } from "../../parts/share.tsx";
import { Facts, Stat } from "../../parts/table.tsx";
import { AccountActions } from "./AccountActions.tsx";
import { AccountState } from "./AccountState.tsx";
import type { AccountFacts } from "./account_facts.ts";
import { AccountChanged, AccountPage } from "./accounts.documents.ts";
import { HistoryTab } from "./HistoryTab.tsx";
import { HoldsTab, PendingTab } from "./HoldsTab.tsx";
import { MonthsTab } from "./MonthsTab.tsx";
import { StatementTab } from "./StatementTab.tsx";
import { useAccountWords } from "./words.ts";

export function Screen() {
  const id = useParameter("id");
  const words = useAccountWords();
  // An address that is no number names no account; the server is not asked.
  const isNumber = isNumberName(id);
  const query = useDocument(AccountPage, { id }, { everySeconds: 60, enabled: isNumber });
  useLive(AccountChanged, isNumber ? { id } : null, () => {
    void client.invalidateQueries({ queryKey: [AccountPage.name, { id }] });
  });
  if (!isNumber) return <Unknown />;
  return (
    <Loaded query={query} document={AccountPage} lines={8}>
      {({ account }) =>
        account === null ? (
          <Unknown />
        ) : (
          <Page
            title={account.code}
            lead={
              <>
                {account.name} <AccountState account={account} />
              </>
            }
            actions={
              <>
                <AccountActions account={account} />
                <CopyAs
                  document={AccountPage}
                  variables={{ id }}
                  sql={`select * from saldo.balances(${id});`}
                />
              </>
            }
          >
            {account.frozenAt && (
              <Notice weight="warn">
                <p>{words("isFrozen")}</p>
                <p className="font-normal break-words">
                  {account.frozenReason} · <Moment at={account.frozenAt} />
                </p>
              </Notice>
            )}
            <Balances account={account} />
            <AccountParts account={account} />
          </Page>
        )
      }
    </Loaded>
  );
}

function Unknown() {
  const words = useAccountWords();
  return (
    <NoSuch title={words("title")} to="/accounts">
      {words("unknown")}
    </NoSuch>
  );
}

function Balances({ account }: { account: AccountFacts }) {
  const words = useAccountWords();
  const ledger = useLedgerWords();
  const { balances, currency, mode, member, customer } = account;
  const money = (amount: string | null | undefined) => (
    <Money amount={amount} currency={currency} />
  );
  const isHot = mode === "hot";
  const owner = member ? (
    <Go to={`/members/${member.id}`}>{member.name}</Go>
  ) : (
    customer && <Go to={`/customers/${customer.id}`}>{customer.name}</Go>
  );
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        <Stat label={words("balance")}>{money(balances?.settledBalance)}</Stat>
        <Stat label={words("available")}>{money(balances?.availableBalance)}</Stat>
        <Stat label={words("held")}>{money(balances?.held)}</Stat>
        {isHot && (
          <Stat label={words("pending")}>
            <Figure value={balances?.pendingCount} />
          </Stat>
        )}
      </div>
      <Facts
        facts={[
          [words("type"), account.type && ledger(account.type)],
          [words("mode"), ledger(mode)],
          ...(isHot
            ? ([
                [words("slots"), <Figure key="slots" value={account.slots} />],
                [words("pendingDebit"), money(balances?.pendingDebit)],
                [words("pendingCredit"), money(balances?.pendingCredit)],
                [
                  words("pendingAvailable"),
                  words(account.isPendingAvailable ? "atOnce" : "whenSettled"),
                ],
              ] as const)
            : []),
          [words("debitTotal"), money(account.debitTotal)],
          [words("creditTotal"), money(account.creditTotal)],
          [
            words("minimum"),
            account.minBalance === null ? words("noMinimum") : money(account.minBalance),
          ],
          [words("openedAt"), <Moment key="opened" at={account.openedAt} />],
          ...(account.closedAt
            ? ([[words("closedAt"), <Moment key="closed" at={account.closedAt} />]] as const)
            : []),
          ...(owner ? ([[words("owner"), owner]] as const) : []),
        ]}
      />
    </>
  );
}

function AccountParts({ account }: { account: AccountFacts }) {
  const words = useAccountWords();
  const { filters, setFilters } = useFilters();
  const tabs = [
    { value: "statement", title: words("statement"), content: <StatementTab account={account} /> },
    { value: "months", title: words("months"), content: <MonthsTab account={account} /> },
    { value: "holds", title: words("holds"), content: <HoldsTab account={account} /> },
    ...(account.mode === "hot"
      ? [{ value: "pending", title: words("pending"), content: <PendingTab account={account} /> }]
      : []),
    { value: "history", title: words("history"), content: <HistoryTab account={account} /> },
  ];
  const shown = tabs.some(({ value }) => value === filters["tab"]) ? filters["tab"] : "statement";
  return (
    <Tabs
      label={words("parts")}
      value={shown ?? "statement"}
      onChange={(tab) => setFilters({ tab })}
      tabs={tabs}
    />
  );
}
