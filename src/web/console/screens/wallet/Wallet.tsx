/** The wallet of the member who is signed in: what is in it, and how it came to be. */

import { useLive } from "../../api/live.ts";
import { client, useDocument } from "../../api/query_client.ts";
import { useSignedIn } from "../../api/session.ts";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Page, Tabs } from "../../parts/page.tsx";
import { CsvLink } from "../../parts/share.tsx";
import { Balances } from "./Balances.tsx";
import { History } from "./History.tsx";
import { Holds } from "./Holds.tsx";
import { Purchases } from "./Purchases.tsx";
import { Why } from "./Why.tsx";
import { WalletChanged, WalletOwner, type WalletOwnerQuery } from "./wallet.documents.ts";
import { useWalletWords } from "./words.ts";

export function Screen() {
  const words = useWalletWords();
  const { member_id: memberId } = useSignedIn();
  return (
    <Page title={words("title")}>
      {memberId === null ? <p>{words("notAMember")}</p> : <Wallet memberId={memberId} />}
    </Page>
  );
}

function Wallet({ memberId }: { memberId: string }) {
  // The subscription tells of postings; what it may have missed is asked for now and then.
  const query = useDocument(WalletOwner, { id: memberId }, { everySeconds: 60 });
  return (
    <Loaded query={query} document={WalletOwner}>
      {(data) => <Shown memberId={memberId} data={data} />}
    </Loaded>
  );
}

function Shown({ memberId, data }: { memberId: string; data: WalletOwnerQuery }) {
  const words = useWalletWords();
  const { filters, setFilters } = useFilters();
  const accountId = data.member?.accountId ?? null;
  const currency = data.walletBalance?.currency ?? null;
  useLive(WalletChanged, accountId === null ? null : { accountId }, ({ accountChanged }) => {
    if (accountChanged?.event !== "subscribed") void client.invalidateQueries();
  });
  if (data.member === null || accountId === null) return <p>{words("notAMember")}</p>;
  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <p className="text-soft break-words">
          {data.member.name} ({data.member.code})
        </p>
        <CsvLink name="statement" filters={{ account: accountId }} />
      </div>
      <Balances balance={data.walletBalance} />
      <Tabs
        label={words("title")}
        value={filters["tab"] ?? "history"}
        onChange={(tab) => setFilters({ tab: tab === "history" ? undefined : tab })}
        tabs={[
          {
            value: "history",
            title: words("history"),
            content: <History memberId={memberId} currency={currency} />,
          },
          { value: "why", title: words("why"), content: <Why memberId={memberId} /> },
          {
            value: "purchases",
            title: words("purchases"),
            content: <Purchases accountId={accountId} currency={currency} />,
          },
          {
            value: "holds",
            title: words("holds"),
            content: <Holds accountId={accountId} currency={currency} />,
          },
        ]}
      />
    </>
  );
}
