/** A purchase: what was bought, what became of it, and what may be done with it. */
import { Card } from "../../../shared/ui.tsx";
import { useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { Figure, Moment, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { isNumberName, isUuid, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs, sqlText } from "../../parts/share.tsx";
import { Facts, Table } from "../../parts/table.tsx";
import { PurchaseBadge } from "../wallet/badges.tsx";
import { PurchaseActions } from "./purchase_actions.tsx";
import { Purchase, type PurchaseQuery } from "./purchases.documents.ts";
import { useMembersWords } from "./words.ts";

type Found = NonNullable<PurchaseQuery["purchase"]>;

export function Screen() {
  const words = useMembersWords();
  const variables = { accountId: useParameter("account"), id: useParameter("id") };
  const isId = isNumberName(variables.accountId) && isUuid(variables.id);
  const query = useDocument(Purchase, variables, { everySeconds: 60, enabled: isId });
  const unknown = (
    <NoSuch title={words("purchase")} to="/members" search={{ tab: "purchases" }}>
      {words("purchaseNotFound")}
    </NoSuch>
  );
  if (!isId) return unknown;
  return (
    <Loaded query={query} document={Purchase}>
      {({ purchase }) => (purchase === null ? unknown : <Shown purchase={purchase} />)}
    </Loaded>
  );
}

function Shown({ purchase }: { purchase: Found }) {
  const words = useMembersWords();
  const { id, accountId, product, member } = purchase;
  const codes = purchase.stockItems.nodes.filter((item) => item !== null);
  return (
    <Page
      title={`${words("purchase")}: ${product?.name ?? "–"}`}
      lead={
        <>
          <PurchaseBadge status={purchase.status} />{" "}
          <Go to={`/members/${purchase.memberId}`}>{member?.name ?? purchase.memberId}</Go>
        </>
      }
      actions={
        <>
          <PurchaseActions purchase={purchase} />
          <CopyAs
            document={Purchase}
            variables={{ accountId, id }}
            sql={`select * from saldo.purchase where account_id = ${sqlText(accountId)} and id = ${sqlText(id)};`}
          />
        </>
      }
    >
      <Card title={words("purchase")}>
        <Facts facts={factsOf(purchase, words)} />
      </Card>
      {codes.length > 0 && (
        <Card title={words("codes")}>
          <ul className="flex flex-wrap gap-x-6 gap-y-1">
            {codes.map((item) => (
              <li key={item.id} className="break-all">
                {item.code}
              </li>
            ))}
          </ul>
        </Card>
      )}
      <Refunds purchase={purchase} />
    </Page>
  );
}

function factsOf(purchase: Found, words: ReturnType<typeof useMembersWords>) {
  const currency = purchase.product?.currency;
  const entry = (id: string | null) =>
    id === null ? "–" : <Go to={`/journal/${id}`}>{id.slice(0, 13)}</Go>;
  const facts = [
    [words("product"), `${purchase.product?.code} · ${purchase.product?.name}`],
    [words("unitPrice"), <Money key="price" amount={purchase.unitPrice} currency={currency} />],
    [words("quantity"), <Figure key="quantity" value={purchase.quantity} />],
    [words("amount"), <Money key="amount" amount={purchase.amount} currency={currency} />],
    [words("soldAt"), <Moment key="sold" at={purchase.occurredAt} />],
    [words("recordedAt"), <Moment key="recorded" at={purchase.createdAt} />],
    [words("by"), purchase.createdBy],
  ] as [string, React.ReactNode][];
  if (purchase.completedAt) {
    facts.push([words("paidAt"), <Moment key="paid" at={purchase.completedAt} />]);
    facts.push([words("entryOfPayment"), entry(purchase.entryId)]);
  }
  if (purchase.failedAt) {
    facts.push([words("failedAt"), <Moment key="failed" at={purchase.failedAt} />]);
    facts.push([words("reason"), purchase.failureReason]);
  }
  if (purchase.refundedAt) {
    facts.push([words("refundedAt"), <Moment key="refunded" at={purchase.refundedAt} />]);
    facts.push([words("entryOfRefund"), entry(purchase.refundEntryId)]);
    facts.push([words("reason"), purchase.refundReason]);
  }
  if (purchase.idempotencyKey) facts.push([words("idempotencyKey"), purchase.idempotencyKey]);
  return facts;
}

function Refunds({ purchase }: { purchase: Found }) {
  const words = useMembersWords();
  const rows = purchase.purchaseRefunds.nodes.filter((row) => row !== null);
  if (rows.length === 0 && purchase.status !== "partially_refunded") return null;
  return (
    <Card title={words("refunds")}>
      <Table
        caption={`${words("refunds")}: ${purchase.product?.name ?? "–"}`}
        rows={rows}
        keyOf={({ entryId }) => entryId}
        empty={words("noRefunds")}
        columns={[
          {
            title: words("allWhen"),
            cell: ({ entryId, occurredAt }) => (
              <Go to={`/journal/${entryId}`}>
                <Moment at={occurredAt} />
              </Go>
            ),
          },
          {
            title: words("amount"),
            align: "right",
            cell: ({ amount }) => <Money amount={amount} currency={purchase.product?.currency} />,
          },
          {
            title: words("restocked"),
            align: "right",
            cell: ({ restockedQuantity }) => <Figure value={restockedQuantity} />,
          },
          { title: words("reason"), cell: ({ reason }) => reason },
          { title: words("by"), cell: ({ createdBy }) => createdBy },
        ]}
      />
    </Card>
  );
}
