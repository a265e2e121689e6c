import test from "ava";
import { openApi } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

/** The result of a mutation, or its code. */
async function mutate(name: string, input: object, fields: string, token?: string | null) {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const { data, code } = await api.post(
    `mutation ($input: ${type}!) { ${name}(input: $input) { result { ${fields} } } }`,
    { input },
    token,
  );
  return code === undefined ? data[name].result : code;
}

test.before(async () => {
  await mutate("createCustomer", { code: "bakery", name: "Bakery" }, "id");
  await mutate(
    "installMeter",
    { customerCode: "bakery", code: "M", kind: "volume", installedAt: "2025-01-01T00:00:00Z" },
    "id",
  );
  await mutate("addTariffVersion", { price: "10", effectiveFrom: "2025-01-01" }, "id");
  await mutate("addCorrectionFactor", { factor: "2", effectiveFrom: "2025-01-01" }, "id");
});

test.serial("a customer and a meter are named by their codes, a month by itself", async (t) => {
  const reading = await mutate(
    "addReading",
    { customerCode: "bakery", meterCode: "M", readAt: "2025-02-10T05:00:00Z", volume: "3" },
    "readOn",
  );
  t.deepEqual(reading, { readOn: "2025-02-10" });
  const { data } = await api.post(`{
    customerBill(customerCode: "bakery", month: "2025-02") { customerName month total }
    customerMonth(customerCode: "bakery", fromMonth: "2025-01", toMonth: "2025-02-14") {
      nodes { month purchases }
    }
  }`);
  t.deepEqual(data, {
    customerBill: { customerName: "Bakery", month: "2025-02-01", total: "60" },
    customerMonth: {
      nodes: [
        { month: "2025-01-01", purchases: "0" },
        { month: "2025-02-01", purchases: "60" },
      ],
    },
  });
});

test.serial("members, products and accounts are named by their codes", async (t) => {
  const ayu = await api.member("ayu");
  await mutate("createProduct", { code: "tea", name: "Tea", price: "5" }, "id");
  t.like(await mutate("topUp", { memberCode: "ayu", amount: "12" }, "source"), {
    source: "top_up",
  });
  const bought = await mutate(
    "purchaseWithBalanceDeduction",
    { memberCode: "ayu", productCode: "tea", amount: "5" },
    "product { code }",
  );
  t.deepEqual(bought, { product: { code: "tea" } });
  const own = { memberId: ayu.id, productCode: "tea", amount: "5" };
  t.deepEqual(
    await mutate("purchaseWithBalanceDeduction", own, "amount", await api.memberToken(ayu.id)),
    { amount: "5" },
    "a member may name a product",
  );
  const moved = await mutate(
    "transfer",
    { debitAccountCode: "cash:IDR", creditAccountCode: "customer:bakery", amount: "1" },
    "description",
  );
  t.not(moved.description, undefined);
  const { data } = await api.post(`{
    accountStatement(accountCode: "customer:bakery", fromDate: "2025-01-01", toDate: "2099-01-01") {
      nodes { credit }
    }
  }`);
  t.true(data.accountStatement.nodes.some(({ credit }: { credit: string }) => credit === "1"));
});

test.serial("an id is taken as before, and not both", async (t) => {
  const [row] = await api.root("select id::text from saldo.customer");
  const bill = (args: string) => api.post(`{ customerBill(${args}) { customerCode } }`);
  t.is(
    (await bill(`customerId: "${row?.id}", month: "2025-02-01"`)).data.customerBill.customerCode,
    "bakery",
  );
  t.is(
    (await bill(`customerId: "${row?.id}", customerCode: "bakery", month: "2025-02"`)).code,
    "SB010",
  );
  t.is((await bill(`month: "2025-02"`)).code, "SB401", "of nobody");
  t.is((await bill(`customerCode: "unknown", month: "2025-02"`)).code, "SB401");
  t.is((await bill(`customerCode: "bakery", month: "2025-2"`)).code, "SB010");
  t.is((await bill(`customerCode: "bakery", month: "2025-13"`)).code, "SB010");
  const reading = { meterCode: "M", readAt: "2025-02-11T05:00:00Z", volume: "3" };
  t.is(await mutate("addReading", reading, "id"), "SB404", "of which customer?");
  t.is(await mutate("addReading", { ...reading, customerCode: "bakery" }, "id", null), "SB011");
  const day = `{ accountStatement(accountCode: "cash:IDR", fromDate: "2025-01", toDate: "2025-02") {
    nodes { credit } } }`;
  t.is((await api.post(day)).code, "SB010", "a month is no day");
});
