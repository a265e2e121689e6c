/** One customer: the months, the bill of a month, readings and deposits. */
import { useState } from "react";
import { Badge, Field } from "../../../shared/ui.tsx";
import { useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { AmountField } from "../../parts/AmountField.tsx";
import { ActionButton, useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { amountToSend } from "../../parts/amount.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { isNumberName, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page, Tabs } from "../../parts/page.tsx";
import { CopyAs, sqlText } from "../../parts/share.tsx";
import { Facts } from "../../parts/table.tsx";
import { AddDeposit, OneCustomer, type OneCustomerQuery } from "./customers.documents.ts";
import { CustomerDepositsTab } from "./DepositsTab.tsx";
import { MonthsTab } from "./MonthsTab.tsx";
import { MonthTab } from "./MonthTab.tsx";
import { ReadingsTab } from "./ReadingsTab.tsx";
import { useCustomerWords } from "./words.ts";

type Customer = NonNullable<OneCustomerQuery["customer"]>;

export function Screen() {
  const id = useParameter("id");
  const isId = isNumberName(id);
  const query = useDocument(OneCustomer, { id }, { enabled: isId });
  if (!isId) return <NoCustomer />;
  return (
    <Loaded query={query} document={OneCustomer} lines={10}>
      {({ customer }) =>
        customer === null ? (
          <NoCustomer />
        ) : (
          <Page
            title={customer.name}
            lead={customer.code}
            actions={
              <>
                {customer.account?.closedAt == null && <NewDeposit customer={customer} />}
                <CopyAs
                  document={OneCustomer}
                  variables={{ id }}
                  sql={`select * from saldo.customer where code = ${sqlText(customer.code)};`}
                />
              </>
            }
          >
            <Standing customer={customer} />
            <Parts customer={customer} />
          </Page>
        )
      }
    </Loaded>
  );
}

function NoCustomer() {
  const words = useCustomerWords();
  return (
    <NoSuch title={words("title")} to="/customers">
      {words("noCustomer")}
    </NoSuch>
  );
}

function Standing({ customer }: { customer: Customer }) {
  const words = useCustomerWords();
  const { account, currency, accountId, createdAt } = customer;
  const meters = customer.meters.nodes.filter((meter) => meter !== null);
  return (
    <Facts
      facts={[
        [
          words("balance"),
          <strong key="balance" className="text-xl">
            <Money amount={account?.balance} currency={currency} />{" "}
            {account?.frozenAt != null && <Badge tone="bad">{words("frozen")}</Badge>}
            {account?.closedAt != null && <Badge tone="wait">{words("closed")}</Badge>}
          </strong>,
        ],
        [
          words("account"),
          <Go key="account" to={`/accounts/${accountId}`}>
            {`customer:${customer.code}`}
          </Go>,
        ],
        [words("since"), <Moment key="since" at={createdAt} only="date" />],
        [
          words("meters"),
          meters.length === 0
            ? words("noMeters")
            : meters
                .map(({ code, removedAt }) =>
                  removedAt === null ? code : words("meterRemoved", { code }),
                )
                .join(", "),
        ],
      ]}
    />
  );
}

function Parts({ customer }: { customer: Customer }) {
  const words = useCustomerWords();
  const { filters, setFilters } = useFilters();
  const tabs = [
    { value: "months", title: words("tabMonths"), content: <MonthsTab customer={customer} /> },
    { value: "bill", title: words("tabBill"), content: <MonthTab customer={customer} /> },
    {
      value: "readings",
      title: words("tabReadings"),
      content: <ReadingsTab customer={customer} />,
    },
    {
      value: "deposits",
      title: words("tabDeposits"),
      content: <CustomerDepositsTab customer={customer} />,
    },
  ];
  const tab = tabs.find(({ value }) => value === filters["tab"])?.value ?? "months";
  return (
    <Tabs
      label={customer.name}
      value={tab}
      onChange={(next) => setFilters({ tab: next === "months" ? undefined : next })}
      tabs={tabs}
    />
  );
}

/** What was typed and its key live as long as the customer's page: sent again it counts once. */
function NewDeposit({ customer }: { customer: Customer }) {
  const [count, setCount] = useState(0);
  return <DepositButton key={count} customer={customer} next={() => setCount(count + 1)} />;
}

function DepositButton({ customer, next }: { customer: Customer; next: () => void }) {
  const words = useCustomerWords();
  const key = useIdempotencyKey();
  const [amount, setAmount] = useState("");
  const [description, setDescription] = useState("");
  const [isTried, setIsTried] = useState(false);
  return (
    <ActionButton
      label={words("addDeposit")}
      look="main"
      title={words("addDepositTitle", { name: customer.name })}
      document={AddDeposit}
      submit={words("addDeposit")}
      variables={() => {
        setIsTried(true);
        const sent = amountToSend(amount);
        if (sent === null) return null;
        return {
          customerId: customer.id,
          amount: sent,
          description: description.trim() || null,
          idempotencyKey: key,
        };
      }}
      onDone={() => {
        next();
        return words("deposited");
      }}
    >
      <p>
        {words("before")}: <Money amount={customer.account?.balance} currency={customer.currency} />
      </p>
      <AmountField
        label={words("amount")}
        value={amount}
        onChange={setAmount}
        currency={customer.currency}
        isTried={isTried}
      />
      <Field
        label={words("description")}
        value={description}
        maxLength={200}
        onChange={({ target }) => setDescription(target.value)}
      />
    </ActionButton>
  );
}
