import test from "ava";
import { openApi } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

let customer: string;
let account: string;
let meter: string;
let price: string;

/** The result of a mutation of one function, whose arguments stand in GraphQL's own form. */
async function mutate(name: string, input: string, fields: string, token?: string | null) {
  const { data, code } = await api.post(
    `mutation { ${name}(input: { ${input} }) { result { ${fields} } } }`,
    {},
    token,
  );
  return code === undefined ? data[name].result : { code };
}

test.before(async () => {
  customer = (await mutate("createCustomer", `code: "bakery", name: "Bakery"`, "id")).id;
  meter = (
    await mutate(
      "installMeter",
      `customerId: "${customer}", code: "M", kind: volume, installedAt: "2025-01-01T00:00:00Z"`,
      "id accountId",
    )
  ).id;
  price = (await mutate("addTariffVersion", `price: "10", effectiveFrom: "2025-01-01"`, "id")).id;
  await mutate(
    "addCorrectionFactor",
    `effectiveFrom: "2025-01-01", formula: fixed, factor: "2"`,
    "id",
  );
  await mutate(
    "addDeposit",
    `customerId: "${customer}", amount: "500", occurredAt: "2025-02-01T05:00:00Z"`,
    "id",
  );
  for (const [at, volume] of [
    ["2025-02-10", 3],
    ["2025-03-10", 4],
  ]) {
    const input = `meterId: "${meter}", readAt: "${at}T05:00:00Z", volume: "${volume}"`;
    await mutate("addReading", input, "id");
  }
  const [row] = await api.root("select account_id from saldo.customer");
  account = String(row?.account_id);
});

const statusQuery = `{ meteringStatus {
  customerCount meterCount readingCount unratedCount provisionalCount monthCount
  openReratingCount reratingLeftCount lastSyncAt lastSyncChangeCount lastRecalculationAt
  lastRecalculationChangeCount
} }`;

test.serial("the status of metering is one query, for staff only", async (t) => {
  const { data } = await api.post(statusQuery);
  t.deepEqual(data.meteringStatus, {
    customerCount: "1",
    meterCount: "1",
    readingCount: "2",
    unratedCount: "0",
    provisionalCount: "0",
    monthCount: "2",
    openReratingCount: "0",
    reratingLeftCount: "0",
    lastSyncAt: null,
    lastSyncChangeCount: null,
    lastRecalculationAt: null,
    lastRecalculationChangeCount: null,
  });
  const member = await api.memberToken((await api.member("ayu")).id);
  t.is((await api.post(statusQuery, {}, member)).code, "SB006");
  t.is((await api.post(statusQuery, {}, null)).code, "SB011");
  const operator = await api.token({ role: "operator" });
  t.is((await api.post(statusQuery, {}, operator)).data.meteringStatus.readingCount, "2");
});

test.serial("a customer's month, its rated lines and the year are queries", async (t) => {
  const { data } = await api.post(
    `query ($customer: BigInt!, $account: BigInt!) {
      customerMonth(customerId: $customer, fromMonth: "2025-03-01") {
        nodes { month openingBalance deposits purchases closingBalance volumeSm3 }
      }
      ratedLines(filter: {
        accountId: { equalTo: $account }, month: { equalTo: "2025-03-01" }
      }) { nodes { volumeM3 factor volumeSm3 price amount revision supersededAt } }
    }`,
    { customer, account },
  );
  t.deepEqual(data.customerMonth.nodes, [
    {
      month: "2025-03-01",
      openingBalance: "440",
      deposits: "0",
      purchases: "80",
      closingBalance: "360",
      volumeSm3: "8.000",
    },
  ]);
  t.deepEqual(data.ratedLines.nodes, [
    {
      volumeM3: "4",
      factor: "2",
      volumeSm3: "8.000",
      price: "10",
      amount: "80.00",
      revision: 1,
      supersededAt: null,
    },
  ]);
  const year = await api.post(
    `query ($customer: BigInt!) {
      customer(id: $customer) { code name account { balance } }
      customerYear(customerId: $customer, year: 2025) {
        nodes { month openingBalance deposits purchases purchaseAdjustments closingBalance }
      }
    }`,
    { customer },
  );
  const { nodes } = year.data.customerYear;
  t.is(nodes.length, 12);
  t.deepEqual(
    nodes.slice(0, 4).map((month: { closingBalance: string }) => month.closingBalance),
    ["0", "440", "360", "360"],
  );
  t.deepEqual(year.data.customer, { code: "bakery", name: "Bakery", account: { balance: "360" } });
});

test.serial("stored months are compared, planned and put right by the plan's hash", async (t) => {
  await api.root(
    `with forced as (select set_config('session_replication_role', 'replica', true))
    update saldo.customer_month_total as m set purchases = purchases + 7
    from forced where m.month = '2025-03-01'`,
  );
  const COMPARE = `query ($customer: BigInt!) {
    compareMonthlyBalances(customerId: $customer) {
      monthCount differenceCount differences { month action stored derived }
    }
  }`;
  const compared = (await api.post(COMPARE, { customer })).data.compareMonthlyBalances;
  t.like(compared, { monthCount: "2", differenceCount: "1" });
  t.like(compared.differences[0], { month: "2025-03-01", action: "differs" });
  t.is(compared.differences[0].stored.purchases - compared.differences[0].derived.purchases, 7);

  const fields = "customerId month action planHash";
  const plan = await mutate("syncMonthlyBalances", `customerId: "${customer}"`, fields);
  t.like(plan, [{ customerId: customer, month: "2025-03-01", action: "differs" }]);
  t.is((await api.post(COMPARE, { customer })).data.compareMonthlyBalances.differenceCount, "1");
  const apply = (hash: string, token?: string) =>
    mutate(
      "syncMonthlyBalances",
      `customerId: "${customer}", dryRun: false, planHash: "${hash}"`,
      fields,
      token,
    );
  t.is((await apply("0".repeat(64))).code, "SB417");
  const operator = await api.token({ role: "operator" });
  t.is((await apply(plan[0].planHash, operator)).code, "SB006");
  t.deepEqual(await apply(plan[0].planHash), plan);
  t.is((await api.post(COMPARE, { customer })).data.compareMonthlyBalances.differenceCount, "0");
  const init = await mutate("initializeMonthlyBalances", `customerId: "${customer}"`, fields);
  t.deepEqual(init, []);
});

test.serial("a large change is a job whose progress is a query", async (t) => {
  await mutate("setSetting", `name: "rerate_at_once_max", value: "1"`, "value");
  const changed = await mutate("changeTariffVersion", `versionId: "${price}", price: "11"`, "id");
  const QUERY = `{ reratings(orderBy: [ID_DESC], first: 1) {
    nodes { id operation versionId status readingCount doneCount lineCount createdBy error }
  } }`;
  const operator = await api.token({ role: "operator" });
  const progress = async () => (await api.post(QUERY, {}, operator)).data.reratings.nodes[0];
  const before = await progress();
  t.like(before, {
    operation: "change_tariff_version",
    versionId: changed.id,
    status: "waiting",
    readingCount: "2",
    doneCount: "0",
  });
  t.like((await api.post(statusQuery)).data.meteringStatus, {
    openReratingCount: "1",
    reratingLeftCount: "2",
  });
  const step = () => mutate("continueRerating", "rowLimit: 1", "status doneCount");
  t.is((await mutate("continueRerating", "rowLimit: 1", "id", operator)).code, "SB006");
  t.deepEqual(await step(), { status: "running", doneCount: "1" });
  t.like(await progress(), { id: before.id, status: "running", doneCount: "1", lineCount: "1" });
  await step();
  t.deepEqual(await step(), { status: "done", doneCount: "2" });
  t.is(await step(), null);
  const [row] = await api.root(
    "select trim_scale(balance)::text as balance from saldo.account where id = $1",
    [account],
  );
  t.is(row?.balance, "346");
});
