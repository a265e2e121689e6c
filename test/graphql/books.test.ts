import test from "ava";
import { openApi } from "../_support/api.ts";

const api = await openApi();
const open = async (code: string, type: string) =>
  String(
    (
      await api.root("select id from saldo.open_account($1, $1, $2::saldo.account_type)", [
        code,
        type,
      ])
    )[0]?.id,
  );
const [till, sales] = [await open("till", "asset"), await open("sales", "revenue")];
for (const [day, amount] of [
  ["2025-05-10", 100],
  ["2025-06-12", 900],
]) {
  await api.root("select saldo.transfer($1, $2, $3, occurred_at => $4::timestamptz)", [
    till,
    sales,
    amount,
    `${day}T12:00:00+07:00`,
  ]);
}
test.after.always(() => api.close());

test.serial("a month is checked, closed and shown over GraphQL", async (t) => {
  const checklist = await api.post(
    `{ periodChecklist(month: "2025-06-01") { nodes { item isPassed openCount evidence } } }`,
  );
  t.deepEqual(
    checklist.data.periodChecklist.nodes.map((node: { item: string }) => node.item),
    [
      "drafts",
      "pending",
      "holds",
      "suspense",
      "reratings",
      "readings",
      "branches",
      "rules",
      "registered_rules",
    ],
  );
  const closed = await api.post(
    `mutation { closePeriod(input: { month: "2025-06-01" }) {
      result { fiscalYear number status snapshotHash }
    } }`,
  );
  t.like(closed.data.closePeriod.result, { fiscalYear: 2025, number: 6, status: "closed" });
  const again = await api.post(
    `mutation { closePeriod(input: { month: "2025-06-01" }) { result { status } } }`,
  );
  t.is(again.code, "SB109");
  const late = await api.post(
    `mutation ($till: BigInt!, $sales: BigInt!) {
      transfer(input: {
        debitAccountId: $till, creditAccountId: $sales, amount: "50",
        occurredAt: "2025-06-28T05:00:00Z"
      }) { result { postingDate originMonth } }
    }`,
    { till, sales },
  );
  t.deepEqual(late.data.transfer.result, { postingDate: "2025-07-01", originMonth: "2025-06-01" });
});

test.serial("a year of an account is one query", async (t) => {
  const { data } = await api.post(
    `query ($id: BigInt!) {
      reported: monthlyBalance(accountId: $id, fromMonth: "2025-01-01", toMonth: "2025-12-01") {
        nodes { month opening credit closing status }
      }
      restated: monthlyBalance(
        accountId: $id, fromMonth: "2025-01-01", toMonth: "2025-12-01", basis: restated
      ) { nodes { closing } }
      accountStatement(accountId: $id, fromDate: "2025-07-01", toDate: "2025-07-31") {
        nodes { description credit balance originMonth }
      }
      incomeStatement(fromDate: "2025-06-01", toDate: "2025-06-30") {
        nodes { section amount }
      }
      fiscalPeriods(fiscalYear: 2025) { nodes { number status } }
    }`,
    { id: sales },
  );
  t.is(data.reported.nodes.length, 12);
  t.deepEqual(data.reported.nodes[5], {
    month: "2025-06-01",
    opening: "100",
    credit: "900",
    closing: "1000",
    status: "closed",
  });
  t.is(data.restated.nodes[5].closing, "1050");
  t.is(data.reported.nodes[11].closing, data.restated.nodes[11].closing);
  t.deepEqual(
    data.accountStatement.nodes.map((line: { balance: string }) => line.balance),
    ["1000", "1050"],
  );
  t.deepEqual(data.incomeStatement.nodes, [
    { section: "revenue", amount: "900" },
    { section: "net_income", amount: "900" },
  ]);
  t.is(data.fiscalPeriods.nodes.length, 13);
});

test.serial(
  "operators look, members and anonymous callers do not, only administrators close",
  async (t) => {
    const look = `{ trialBalance(asOf: "2025-06-30") { nodes { code } } }`;
    const close = `mutation { beginClosing(input: { month: "2025-07-01" }) { result { status } } }`;
    const operator = await api.token({ role: "operator" });
    t.true((await api.post(look, {}, operator)).data.trialBalance.nodes.length > 1);
    t.is((await api.post(close, {}, operator)).code, "SB006");
    const member = await api.member("closer", "10");
    const token = await api.memberToken(member.id);
    t.is((await api.post(look, {}, token)).code, "SB006");
    t.is((await api.post(close, {}, token)).code, "SB006");
    const own = await api.post(
      "query ($id: BigInt!) { monthlyBalance(accountId: $id) { nodes { closing } } }",
      { id: member.accountId },
      token,
    );
    t.is(own.data.monthlyBalance.nodes.at(-1).closing, "10");
    const other = await api.post(
      "query ($id: BigInt!) { monthlyBalance(accountId: $id) { nodes { closing } } }",
      { id: till },
      token,
    );
    t.is(other.code, "SB101");
  },
);
