import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { type Client, createClient } from "graphql-ws";
import { openApi } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

function connect(t: { teardown(work: () => void): void }, token: string | null): Client {
  const client = createClient({
    url: `${api.url.replace("http", "ws")}/graphql`,
    retryAttempts: 0,
    ...(token === null ? {} : { connectionParams: { Authorization: `Bearer ${token}` } }),
  });
  t.teardown(() => void client.dispose());
  return client;
}

// biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
type Result = any;

const follow = (client: Client, query: string, id: unknown) =>
  client.iterate({ query, variables: { id } }) as AsyncGenerator<Result>;
const next = async (results: AsyncGenerator<Result>): Promise<Result> =>
  (await results.next()).value;

const BALANCE = `subscription ($id: BigInt!) {
  customerBalanceChanged(customerId: $id) { event customer { code } account { balance } }
}`;
const RERATING = `subscription ($id: BigInt!) {
  reratingChanged(reratingId: $id) { rerating { status doneCount readingCount } }
}`;

let made = 0;
async function site(): Promise<{ customer: unknown; account: unknown; meter: unknown }> {
  const code = `customer-${++made}`;
  const [customer] = await api.root("select * from saldo.create_customer($1, $1)", [code]);
  const [meter] = await api.root(
    "select * from saldo.install_meter($1, 'm', kind => 'volume', installed_at => '2025-01-01')",
    [customer?.id],
  );
  return { customer: customer?.id, account: customer?.account_id, meter: meter?.id };
}

test.before(async () => {
  await api.root("select saldo.add_tariff_version(10, '2025-01-01')");
  await api.root("select saldo.add_correction_factor('2025-01-01', 'fixed', factor => 2)");
});

test.serial("a customer's listener gets an event of all that moves the balance", async (t) => {
  const { customer, account, meter } = await site();
  const other = await site();
  const results = follow(connect(t, await api.token({ role: "operator" })), BALANCE, customer);
  const told = async () => {
    const {
      event,
      customer: who,
      account: deposit,
    } = (await next(results)).data.customerBalanceChanged;
    return `${event} ${who.code} ${Number(deposit.balance)}`;
  };
  t.is(await told(), "subscribed customer-1 0");
  await api.root("select saldo.add_deposit($1, 1000)", [other.customer]);
  await api.root("select saldo.add_deposit($1, 500)", [customer]);
  t.is(await told(), "balance customer-1 500");
  await api.root("select saldo.add_reading($1, '2025-02-10', volume => 3)", [meter]);
  t.is(await told(), "balance customer-1 440");
  await api.root("select saldo.add_tariff_version(11, '2025-02-01')");
  t.is(await told(), "balance customer-1 434");
  await api.root("select saldo.make_account_hot($1, 2)", [account]);
  await api.root("select saldo.submit_transaction($1, 6, 'credit')", [account]);
  await api.root("select from saldo.settle_sub_balances()");
  t.is(await told(), "settled customer-1 440");
});

test.serial("a price change that a job carries out is announced when it is done", async (t) => {
  const { customer, meter } = await site();
  await api.root("select saldo.add_reading($1, '2025-02-10', volume => 3)", [meter]);
  const results = follow(connect(t, await api.token({})), BALANCE, customer);
  await next(results);
  await api.root("select saldo.set_setting('rerate_at_once_max', '0')");
  await api.root("select saldo.add_tariff_version(12, '2025-02-02')");
  const told = next(results);
  t.is(await Promise.race([told, sleep(200, "nothing yet")]), "nothing yet");
  const [job] = await api.root("select id from saldo.rerating");

  const progress = follow(connect(t, await api.token({})), RERATING, job?.id);
  const step = async () => (await next(progress)).data.reratingChanged.rerating;
  t.deepEqual(await step(), { status: "waiting", doneCount: "0", readingCount: "2" });
  const slice = () => api.root("select saldo.continue_rerating(1)");
  await slice();
  t.deepEqual(await step(), { status: "running", doneCount: "1", readingCount: "2" });
  await slice();
  t.like(await step(), { doneCount: "2" });
  await slice();
  t.deepEqual(await step(), { status: "done", doneCount: "2", readingCount: "2" });
  t.true((await progress.next()).done);
  t.is(Number((await told).data.customerBalanceChanged.account.balance), -72);

  // Of one that is over the end is told at once.
  const again = follow(connect(t, await api.token({})), RERATING, job?.id);
  t.is((await next(again)).data.reratingChanged.rerating.status, "done");
  t.true((await again.next()).done);
});

test.serial("a client that may not read a customer or a job gets no event of it", async (t) => {
  const { customer } = await site();
  const member = await api.memberToken((await api.member("citra")).id);
  for (const query of [BALANCE, RERATING]) {
    const code = async (token: string | null, id: unknown) =>
      (await next(follow(connect(t, token), query, id))).errors[0].extensions.code;
    t.is(await code(member, customer), "SB006");
    t.is(await code(null, customer), "SB011");
    t.is(await code(await api.token({}), "999999"), "SB007");
    t.is(await code(await api.token({ role: "operator" }), "x"), "SB010");
  }
  // As the query of the customer answers them.
  const answer = await api.post(`{ customer(id: "${customer}") { code } }`, {}, member);
  t.is(answer.code, "SB006");
});
