/** A member: the wallet, how it came to what it is, and what staff may do with it. */
import type { ReactNode } from "react";
import { Notice } from "../../../shared/ui.tsx";
import { useLive } from "../../api/live.ts";
import { problemOf } from "../../api/problem.ts";
import { client, useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { DialogButton } from "../../parts/dialog_button.tsx";
import { Moment } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { isNumberName, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page, Tabs } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { Facts } from "../../parts/table.tsx";
import { Balances } from "../wallet/Balances.tsx";
import { History, type HistoryLine } from "../wallet/History.tsx";
import { Holds } from "../wallet/Holds.tsx";
import { Purchases } from "../wallet/Purchases.tsx";
import { Why } from "../wallet/Why.tsx";
import { WalletChanged } from "../wallet/wallet.documents.ts";
import { useWalletWords } from "../wallet/words.ts";
import { HoldActions } from "./hold_actions.tsx";
import {
  Buy,
  Member,
  type MemberQuery,
  PlaceHold,
  ReverseTopUp,
  TopUp,
} from "./members.documents.ts";
import { BuyDialog, HoldDialog, TopUpDialog, type WalletOf } from "./money_dialogs.tsx";
import { ReverseTopUpDialog } from "./ReverseTopUp.tsx";
import { useMembersWords } from "./words.ts";

type Found = NonNullable<MemberQuery["member"]>;

export function Screen() {
  const words = useMembersWords();
  const id = useParameter("id");
  const isId = isNumberName(id);
  const query = useDocument(Member, { id }, { everySeconds: 60, enabled: isId });
  const unknown = (
    <NoSuch title={words("member")} to="/members">
      {words("notFound")}
    </NoSuch>
  );
  // The balance of no member is an error.
  const isNone = query.error !== null && problemOf(query.error).condition === "member_not_found";
  if (!isId || isNone) return unknown;
  return (
    <Loaded query={query} document={Member}>
      {(data) =>
        data.member === null ? unknown : <Shown member={data.member} balance={data.walletBalance} />
      }
    </Loaded>
  );
}

function Shown({ member, balance }: { member: Found; balance: MemberQuery["walletBalance"] }) {
  const words = useMembersWords();
  const { accountId } = member;
  useLive(WalletChanged, { accountId }, ({ accountChanged }) => {
    if (accountChanged?.event !== "subscribed") void client.invalidateQueries();
  });
  const wallet: WalletOf = {
    memberId: member.id,
    accountId,
    name: member.name,
    currency: balance?.currency ?? "",
    available: balance?.available ?? null,
  };
  return (
    <Page title={member.name} lead={member.code} actions={<Actions wallet={wallet} />}>
      {member.account?.frozenAt && (
        <Notice weight="bad">
          {words("frozenLead", { reason: member.account.frozenReason ?? "–" })}
        </Notice>
      )}
      <Balances balance={balance} />
      <Facts facts={factsOf(member, words)} />
      <Views member={member} wallet={wallet} />
    </Page>
  );
}

function factsOf(member: Found, words: ReturnType<typeof useMembersWords>) {
  const facts: [string, ReactNode][] = [
    [
      words("account"),
      <Go key="account" to={`/accounts/${member.accountId}`}>
        {member.account?.code ?? member.accountId}
      </Go>,
    ],
    [words("since"), <Moment key="since" at={member.createdAt} only="date" />],
  ];
  if (member.debtAccountId !== null) {
    const to = `/accounts/${member.debtAccountId}`;
    facts.push([
      words("debtAccount"),
      <Go key="debt" to={to}>
        {`debt:${member.code}`}
      </Go>,
    ]);
  }
  return facts;
}

function Actions({ wallet }: { wallet: WalletOf }) {
  const words = useMembersWords();
  return (
    <>
      <DialogButton label={words("topUp")} look="main" document={TopUp}>
        {(close) => <TopUpDialog wallet={wallet} close={close} />}
      </DialogButton>
      <DialogButton label={words("buy")} document={Buy}>
        {(close) => <BuyDialog wallet={wallet} close={close} />}
      </DialogButton>
      <DialogButton label={words("hold")} document={PlaceHold}>
        {(close) => <HoldDialog wallet={wallet} close={close} />}
      </DialogButton>
      <CsvLink name="statement" filters={{ account: wallet.accountId }} />
      <CopyAs
        document={Member}
        variables={{ id: wallet.memberId }}
        sql={`select * from saldo.wallet_history(${sqlText(wallet.memberId)});`}
      />
    </>
  );
}

function Views({ member, wallet }: { member: Found; wallet: WalletOf }) {
  const words = useWalletWords();
  const { filters, setFilters } = useFilters();
  const { accountId, currency } = wallet;
  const linkOf = (id: string, text: ReactNode) => (
    <Go to={`/purchases/${accountId}/${id}`}>{text}</Go>
  );
  const tabs = {
    history: (
      <History
        memberId={member.id}
        currency={currency}
        actions={(line) => <LineActions line={line} wallet={wallet} />}
      />
    ),
    why: <Why memberId={member.id} />,
    purchases: <Purchases accountId={accountId} currency={currency} linkOf={linkOf} />,
    holds: (
      <Holds
        accountId={accountId}
        currency={currency}
        actions={(hold) => <HoldActions hold={hold} currency={currency} />}
      />
    ),
  };
  return (
    <Tabs
      label={member.name}
      value={filters["tab"] ?? "history"}
      onChange={(tab) => setFilters({ tab: tab === "history" ? undefined : tab })}
      tabs={(["history", "why", "purchases", "holds"] as const).map((value) => ({
        value,
        title: words(value),
        content: tabs[value],
      }))}
    />
  );
}

function LineActions({ line, wallet }: { line: HistoryLine; wallet: WalletOf }) {
  const words = useMembersWords();
  const isPosted = line.status !== "pending" && line.status !== "failed";
  return (
    <div className="flex flex-wrap items-center gap-3">
      {isPosted && line.id && <Go to={`/journal/${line.id}`}>{words("entry")}</Go>}
      {line.purchaseId && (
        <Go to={`/purchases/${wallet.accountId}/${line.purchaseId}`}>{words("purchase")}</Go>
      )}
      {line.kind === "top_up" && (
        <DialogButton label={words("reverse")} document={ReverseTopUp}>
          {(close) => <ReverseTopUpDialog line={line} currency={wallet.currency} close={close} />}
        </DialogButton>
      )}
    </div>
  );
}
