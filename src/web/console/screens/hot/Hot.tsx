/** Hot accounts: what waits on each for settlement, how long, and what was settled. */
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Duration, Figure, Moment, Money } from "../../parts/figures.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Loaded } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs, CsvLink, Take } from "../../parts/share.tsx";
import { type Column, PagedTable, Stat, Table } from "../../parts/table.tsx";
import { HotAccounts, type HotAccountsQuery, HotSettlements, SettleNow } from "./hot.documents.ts";
import { useHotWords } from "./words.ts";

type State = NonNullable<NonNullable<HotAccountsQuery["hotAccountStates"]>["nodes"][number]>;

export function Screen() {
  const words = useHotWords();
  const query = useDocument(HotAccounts, {}, { everySeconds: 30 });
  const health = query.data?.settlementHealth;
  return (
    <Page
      title={words("title")}
      lead={words("lead")}
      actions={
        <>
          <ActionButton
            label={words("settle")}
            look="main"
            title={words("settleTitle")}
            document={SettleNow}
            variables={() => ({})}
            submit={words("settle")}
            onDone={({ settleSubBalances }) =>
              words("settled", { count: settleSubBalances?.result?.length ?? 0 })
            }
          >
            <p>{words("settleHelp")}</p>
            <p>
              {words("pending")}: <Figure value={health?.pendingCount} />
            </p>
          </ActionButton>
          <CopyAs
            document={HotAccounts}
            variables={{}}
            sql="select * from saldo.hot_account_states();"
          />
          <CsvLink name="hot-accounts" />
        </>
      }
    >
      <Loaded query={query} document={HotAccounts} lines={8}>
        {(data) => (
          <>
            <Figures data={data} />
            <Card title={words("accounts")}>
              <States states={rowsOf(data.hotAccountStates)} />
            </Card>
            <Card title={words("settlements")}>
              <Settlements states={rowsOf(data.hotAccountStates)} />
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Figures({ data }: { data: HotAccountsQuery }) {
  const words = useHotWords();
  const { settlementHealth: health, waitingSessionCount } = data;
  const isOverdue = (health?.overdueHoldCount ?? "0") !== "0";
  return (
    <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-5">
      <Stat label={words("pending")}>
        <Figure value={health?.pendingCount} />
      </Stat>
      <Stat label={words("oldest")}>
        {health?.pendingCount === "0" ? (
          "–"
        ) : (
          <Duration seconds={health?.oldestPendingAgeSeconds} />
        )}
      </Stat>
      <Stat label={words("lastSettled")}>
        <span className="text-base">
          <Moment at={health?.lastSettledAt} />
        </span>
      </Stat>
      <Stat label={words("waits")} tone={waitingSessionCount === "0" ? undefined : "bad"}>
        <Figure value={waitingSessionCount} />
      </Stat>
      <Stat label={words("holds")} tone={isOverdue ? "bad" : undefined}>
        <Figure value={health?.openHoldCount} />
        {isOverdue && (
          <span className="block text-sm">
            {words("overdue", { count: Number(health?.overdueHoldCount) })}
          </span>
        )}
      </Stat>
    </div>
  );
}

function States({ states }: { states: readonly State[] }) {
  const words = useHotWords();
  const ledger = useLedgerWords();
  const columns: Column<State>[] = [
    {
      title: ledger("account"),
      cell: ({ accountId, code, name, isFrozen }) => (
        <span className="break-words">
          <Go to={`/accounts/${accountId}`}>{code}</Go> <span className="text-soft">{name}</span>{" "}
          {isFrozen && <Badge tone="bad">{ledger("frozen")}</Badge>}
        </span>
      ),
    },
    {
      title: words("slots"),
      align: "right",
      cell: ({ slots }) => <Figure value={slots} />,
    },
    {
      title: words("pending"),
      align: "right",
      cell: ({ accountId, pendingCount }) =>
        pendingCount === "0" ? (
          <Figure value={pendingCount} />
        ) : (
          <Go to={`/accounts/${accountId}`} search={{ tab: "pending" }}>
            <Figure value={pendingCount} />
          </Go>
        ),
    },
    {
      title: words("limit"),
      align: "right",
      cell: ({ backlogLimit }) => <Figure value={backlogLimit} />,
    },
    {
      title: words("debit"),
      align: "right",
      cell: ({ pendingDebit, currency }) => <Money amount={pendingDebit} currency={currency} />,
    },
    {
      title: words("credit"),
      align: "right",
      cell: ({ pendingCredit, currency }) => <Money amount={pendingCredit} currency={currency} />,
    },
    { title: words("since"), cell: ({ oldestPendingAt }) => <Moment at={oldestPendingAt} /> },
    { title: words("lastSettled"), cell: ({ lastSettledAt }) => <Moment at={lastSettledAt} /> },
  ];
  return (
    <Table
      caption={words("accountsNow")}
      rows={states}
      columns={columns}
      keyOf={({ accountId }) => accountId ?? ""}
      empty={words("noAccounts")}
    />
  );
}

function Settlements({ states }: { states: readonly State[] }) {
  const words = useHotWords();
  const ledger = useLedgerWords();
  const pages = usePages(HotSettlements, {}, ({ settlements }) => settlements);
  const stateOf = (id: string) => states.find(({ accountId }) => accountId === id);
  const seconds = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 1000;
  return (
    <>
      <Take>
        <CsvLink name="settlements" />
        <CopyAs
          document={HotSettlements}
          variables={{}}
          sql="select * from saldo.settlement order by settled_at desc;"
        />
      </Take>
      <PagedTable
        caption={words("lastSettlements")}
        document={HotSettlements}
        pages={pages}
        keyOf={({ id }) => id}
        empty={words("noSettlements")}
        columns={[
          { title: words("when"), cell: ({ settledAt }) => <Moment at={settledAt} /> },
          {
            title: ledger("account"),
            cell: ({ accountId }) => (
              <Go to={`/accounts/${accountId}`}>{stateOf(accountId)?.code ?? accountId}</Go>
            ),
          },
          { title: words("rows"), align: "right", cell: (row) => <Figure value={row.rowCount} /> },
          {
            title: words("debit"),
            align: "right",
            cell: ({ accountId, debit }) => (
              <Money amount={debit} currency={stateOf(accountId)?.currency} />
            ),
          },
          {
            title: words("credit"),
            align: "right",
            cell: ({ accountId, credit }) => (
              <Money amount={credit} currency={stateOf(accountId)?.currency} />
            ),
          },
          {
            title: words("took"),
            align: "right",
            cell: ({ startedAt, settledAt }) => (
              <>
                <Figure value={seconds(startedAt, settledAt).toFixed(2)} /> s
              </>
            ),
          },
          { title: words("by"), cell: ({ settledBy }) => settledBy },
        ]}
      />
    </>
  );
}
